"""The text of Fusion's .comp and .setting files, as the stand-in writes and reads it: Lua tables with a kind in front.

``Polygon1 = PolylineMask { Inputs = { Level = Input { Value = 1, }, }, }``: a ``Block`` has its kind and its items in
order, each with a key or with None. The forms are those of files that Fusion saved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(
    r"""\s*(?:--[^\n]*\n\s*)*(?:
        (?P<string>"(?:\\.|[^"\\])*")
      | (?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
      | (?P<name>[A-Za-z_][A-Za-z_0-9.]*)
      | (?P<sign>[{}\[\]=,;()])
      | (?P<end>$)
    )""",
    re.VERBOSE,
)
WORDS = {"true": True, "false": False, "nil": None}


@dataclass
class Block:
    """One table. ``kind`` is the word in front of its brace, '' if there is none."""

    kind: str = ""
    items: list[tuple[Any, Any]] = field(default_factory=list)

    def get(self, key: Any, default: Any = None) -> Any:
        return next((value for name, value in self.items if name == key), default)

    def named(self) -> dict[Any, Any]:
        return {key: value for key, value in self.items if key is not None}

    def listed(self) -> list[Any]:
        return [value for key, value in self.items if key is None]


def block(kind: str = "", *listed: Any, **named: Any) -> Block:
    """A block of some unnamed values, then named ones."""
    return Block(kind, [*((None, value) for value in listed), *named.items()])


def parse(text: str) -> Any:
    """The value a file holds.

    Raises:
        ValueError: it is none.
    """
    tokens = _tokens(text)
    value = _value(tokens)
    if tokens and tokens[0][0] != "end":
        raise ValueError(f"{tokens[0][1]!r} after the end")
    return value


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    while True:
        match = TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"{text[at : at + 20]!r}")
        kind = str(match.lastgroup)
        tokens.append((kind, match.group(kind)))
        if kind == "end":
            return tokens
        at = match.end()


def _expect(tokens: list[tuple[str, str]], sign: str) -> None:
    kind, text = tokens.pop(0)
    if (kind, text) != ("sign", sign):
        raise ValueError(f"{text!r} instead of {sign!r}")


def _value(tokens: list[tuple[str, str]]) -> Any:
    kind, text = tokens.pop(0)
    if kind == "string":
        return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text[1:-1])
    if kind == "number":
        return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
    if (kind, text) == ("sign", "{"):
        return _block("", tokens)
    if kind != "name":
        raise ValueError(f"{text!r} instead of a value")
    if text in WORDS:
        return WORDS[text]
    if tokens[0][1] == "(":
        _expect(tokens, "(")
        _expect(tokens, ")")
    if tokens[0] == ("sign", "{"):
        tokens.pop(0)
        return _block(text, tokens)
    return text


def _block(kind: str, tokens: list[tuple[str, str]]) -> Block:
    found = Block(kind)
    while tokens[0] != ("sign", "}"):
        key = None
        if tokens[0] == ("sign", "["):
            tokens.pop(0)
            key = _value(tokens)
            _expect(tokens, "]")
            _expect(tokens, "=")
        elif tokens[0][0] == "name" and tokens[1] == ("sign", "="):
            key = tokens.pop(0)[1]
            tokens.pop(0)
        found.items.append((key, _value(tokens)))
        if tokens[0] in (("sign", ","), ("sign", ";")):
            tokens.pop(0)
    tokens.pop(0)
    return found


def write(value: Any, depth: int = 0) -> str:
    """The text of a value, with tabs as Fusion sets them."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value) if isinstance(value, int) else f"{value:.15g}"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    head = {"": "{", "ordered": "ordered() {"}.get(value.kind, f"{value.kind} {{")
    parts = [_key(key) + write(each, depth + 1) for key, each in value.items]
    last = "," if value.kind == "Input" else ""  # Fusion ends an input with a comma
    flat = f"{head} {', '.join(parts)}{last} }}" if parts else f"{head} }}"
    if len(flat) < 160 and "\n" not in flat:
        return flat
    tab = "\t" * (depth + 1)
    return head + "\n" + ",\n".join(tab + part for part in parts) + last + "\n" + "\t" * depth + "}"


def _key(key: Any) -> str:
    if key is None:
        return ""
    if isinstance(key, str) and re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", key):
        return f"{key} = "
    return f"[{write(key)}] = "
