"""Reads the text Fusion keeps compositions in: ``.comp`` and ``.setting`` files.

The text is one Lua table, whose tables may have a constructor before them: ``Polygon1 = PolylineMask { ... }``,
``Tools = ordered() { ... }``, ``FuID { "Custom" }``. Read it is, never run: anything else that Lua has is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple, Union

Value = Union[str, int, float, bool, None, "Table"]
Key = Union[str, int, float, bool]

_DEEPEST = 100
"""Tables within tables: groups of groups come to about twenty."""


class CompTextError(ValueError):
    """The text is not of that form; the message names the line."""


@dataclass
class Table:
    """One table.

    Attributes:
        kind: the constructor before it, ``PolylineMask`` or ``ordered``; '' when there is none.
        items: what has a key, in the text's order; where a key comes twice, the last.
        values: what has none.
    """

    kind: str = ""
    items: dict[Key, Value] = field(default_factory=dict)
    values: list[Value] = field(default_factory=list)

    def table(self, key: Key) -> Table:
        """The table at a key; an empty one when there is none."""
        found = self.items.get(key)
        return found if isinstance(found, Table) else Table()


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


_TOKEN = re.compile(
    r"""
      (?P<skip> \s+ | --\[(?P<c>=*)\[ .*? \](?P=c)\] | --[^\n]* )
    | (?P<name> [^\W\d][\w.]* )
    | (?P<number> [-+]? (?: 0[xX][0-9a-fA-F]+ | (?: \d+\.?\d* | \.\d+ ) (?:[eE][-+]?\d+)? ) (?![\w.]) )
    | (?P<string> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' )
    | (?P<long> \[(?P<s>=*)\[ .*? \](?P=s)\] )
    | (?P<mark> [{}\[\]=,;()] )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_ESCAPE = re.compile(r"((?:\\\d{1,3})+)|\\(\r\n|.)", re.DOTALL)
_WORDS = {"true": True, "false": False, "nil": None}


def parse(text: str) -> Table:
    """The table that a text is.

    Raises:
        CompTextError: it is something else.
    """
    reader = _Reader(text)
    found = reader.value(0)
    if reader.token.kind != "end" or not isinstance(found, Table):
        raise reader.error("one table and nothing after it")
    return found


class _Reader:
    """Where the reading has come to.

    Attributes:
        token: the next one.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 1 if text.startswith("\ufeff") else 0
        self.token = _Token("", "", 0)
        self._step()

    def _step(self) -> _Token:
        """Go on to the next token; returns the one before."""
        before = self.token
        kind = "skip"
        while kind == "skip":
            if self._place == len(self._text):
                self.token = _Token("end", "", self._place)
                return before
            found = _TOKEN.match(self._text, self._place)
            if found is None:
                self.token = _Token("", self._text[self._place], self._place)
                raise self.error("a name, a number, a string or a table")
            kind = next(
                name for name in ("skip", "name", "number", "string", "long", "mark") if found[name] is not None
            )
            self.token = _Token(kind, found[0], self._place)
            self._place = found.end()
        return before

    def error(self, wanted: str) -> CompTextError:
        line = self._text.count("\n", 0, self.token.place) + 1
        what = "the text ends" if self.token.kind == "end" else f"{self.token.text[:40]!r} comes"
        return CompTextError(f"line {line}: {what} where {wanted} should be")

    def _take(self, mark: str) -> bool:
        if (self.token.kind, self.token.text) != ("mark", mark):
            return False
        self._step()
        return True

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise self.error(repr(mark))

    def value(self, depth: int) -> Value:
        """The value that begins here.

        Args:
            depth: how many tables it lies in.
        """
        if depth > _DEEPEST:
            raise self.error(f"no table within more than {_DEEPEST} others")
        if self.token.kind == "number":
            return _number(self._step().text)
        if self.token.kind == "string":
            return self._string()
        if self.token.kind == "long":
            text = self._step().text
            inner = text[text.index("[", 1) + 1 : text.rindex("]", 0, -1)]
            return inner[1:] if inner.startswith("\n") else inner
        if self.token.kind == "name":
            name = self._step().text
            return _WORDS[name] if name in _WORDS else self._table(name, depth)
        return self._table("", depth)

    def _table(self, kind: str, depth: int) -> Table:
        """The table that begins here, past its constructor's name."""
        if kind and self._take("("):
            self._expect(")")
        self._expect("{")
        table = Table(kind)
        while not self._take("}"):
            self._entry(table, depth + 1)
            if not self._take(",") and not self._take(";"):
                self._expect("}")
                break
        return table

    def _entry(self, table: Table, depth: int) -> None:
        if self.token.kind == "name" and self.token.text not in _WORDS:
            name = self._step().text
            if self._take("="):
                table.items[name] = self.value(depth)
            else:
                table.values.append(self._table(name, depth))
        elif self._take("["):
            key = self.value(depth)
            if key is None or isinstance(key, Table):
                raise self.error("a number or a string as key")
            self._expect("]")
            self._expect("=")
            table.items[key] = self.value(depth)
        else:
            table.values.append(self.value(depth))

    def _string(self) -> str:
        def plain(found: re.Match[str]) -> str:
            if found[1]:  # \195\169: the bytes of UTF-8
                codes = [int(code) for code in found[1].split("\\")[1:]]
                if max(codes) > 255:
                    raise self.error("a byte in a string")
                return bytes(codes).decode("utf-8", "replace")
            return "\n" if found[2] == "\r\n" else _ESCAPES.get(found[2], found[2])

        text = _ESCAPE.sub(plain, self.token.text[1:-1])
        self._step()
        return text


def _number(text: str) -> int | float:
    if "x" in text.lower():
        return int(text, 16)
    try:
        return int(text)
    except ValueError:
        return float(text)
