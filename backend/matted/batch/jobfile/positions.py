"""Where keys stand in a TOML document; Python's own reader tells values alone.

Follows the grammar of TOML 1.0 (toml.io/en/v1.0.0) for documents that the reader has accepted: what it refuses never
comes here, so tokens are told apart by how they begin.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_left

from matted.batch.jobfile.raw import Key

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\"]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^\\"\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}#\n]*")


def key_lines(text: str) -> dict[Key, int]:
    """The line, from 1, where each key of a TOML document is first named; list items count as keys.

    Args:
        text: a document the reader accepts, lines ending in a newline alone.
    """
    return _Scan(text).document()


class _Scan:
    """One walk over a document, from its first character to its last."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[Key, int] = {}
        self._counts: dict[Key, int] = {}
        """Tables so far in each array of tables."""

    def document(self) -> dict[Key, int]:
        table: Key = ()
        while not self._done():
            table = self._header() if self._next("[") else self._pair(table)
        return self._lines

    def _header(self) -> Key:
        opening = self._next("[[")
        line = self._line()
        self._at += 2 if opening else 1
        *parents, last = self._name()
        self._at = self._text.index("]", self._at) + (2 if opening else 1)
        table: Key = ()
        for part in parents:
            table = self._inside((*table, part), line)
        if not opening:
            return self._inside((*table, last), line)
        self._counts[(*table, last)] = self._counts.get((*table, last), 0) + 1
        return self._inside((*table, last), line)

    def _inside(self, key: Key, line: int) -> Key:
        """The table of this name; of an array of tables, the last one."""
        self._note(key, line)
        if key in self._counts:
            key = (*key, self._counts[key] - 1)
            self._note(key, line)
        return key

    def _pair(self, table: Key) -> Key:
        """Go over ``a.b = value`` in ``table``, which stays the table."""
        line = self._line()
        key = table
        for part in self._name():
            key = (*key, part)
            self._note(key, line)
        self._at = self._text.index("=", self._at) + 1
        self._skip()
        self._value(key)
        return table

    def _value(self, key: Key) -> None:
        if self._next("["):
            self._items(key)
        elif self._next("{"):
            self._inline(key)
        else:
            self._take(_STRING if self._next('"') or self._next("'") else _PLAIN)

    def _items(self, key: Key) -> None:
        self._at += 1
        index = 0
        while not self._closed("]"):
            self._note((*key, index), self._line())
            self._value((*key, index))
            index += 1

    def _inline(self, key: Key) -> None:
        self._at += 1
        while not self._closed("}"):
            self._pair(key)

    def _closed(self, mark: str) -> bool:
        """Go on to the next item; true past ``mark``, after the last one."""
        self._skip()
        if self._next(","):
            self._at += 1
            self._skip()
        if not self._next(mark):
            return False
        self._at += 1
        return True

    def _name(self) -> list[str]:
        """A key, in its dotted parts."""
        parts = [self._part()]
        while self._next("."):
            self._at += 1
            parts.append(self._part())
        return parts

    def _part(self) -> str:
        self._skip()
        quoted = self._next('"') or self._next("'")
        written = self._take(_STRING if quoted else _BARE)
        self._skip()
        return next(iter(tomllib.loads(f"{written} = 0"))) if quoted else written

    def _take(self, token: re.Pattern[str]) -> str:
        match = token.match(self._text, self._at)
        assert match, f"no TOML at character {self._at}"
        self._at = match.end()
        return match[0]

    def _note(self, key: Key, line: int) -> None:
        self._lines.setdefault(key, line)

    def _line(self) -> int:
        return bisect_left(self._newlines, self._at) + 1

    def _next(self, mark: str) -> bool:
        return self._text.startswith(mark, self._at)

    def _skip(self) -> None:
        self._take(_BLANK)

    def _done(self) -> bool:
        self._skip()
        return self._at == len(self._text)
