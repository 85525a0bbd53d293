"""The text of a .nk script: commands of words, as Tcl reads them, and the escapes Nuke writes.

The forms follow public .nk files: ``push $N``, ``set N [stack 0]``, ``Class {`` knobs ``}``, ``addUserKnob {...}``,
values bare, quoted with ``\\n \\" \\[ \\{`` escapes, or braced and taken as they stand.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fakes.nuke_errors import NotMeasured

PLAIN = re.compile(r"[A-Za-z0-9_./:%@+=,<>*-]+")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class Word(NamedTuple):
    text: str
    kind: str  # "bare", "quoted" or "braced"


def quote(text: str) -> str:
    """One value as Nuke writes it after a knob's name."""
    if PLAIN.fullmatch(text):
        return text
    escaped = re.sub(r'([\\"\[{}$])', r"\\\1", text)
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + '"'


def commands(text: str) -> list[list[Word]]:
    """Every command of the text, each a list of its words."""
    reader = _Reader(text)
    found = []
    while True:
        command = reader.command()
        if command is None:
            return found
        if command:
            found.append(command)


def words(text: str) -> list[Word]:
    """The words of a list such as the inside of ``addUserKnob {...}``; line ends are spaces."""
    return [word for command in commands(text) for word in command]


class _Reader:
    def __init__(self, text: str):
        self.text = text
        self.at = 0

    def command(self) -> list[Word] | None:
        self._skip(" \t\r\n;")
        if self.at >= len(self.text):
            return None
        if self.text[self.at] == "#":
            self.at = self._line_end()
            return []
        found: list[Word] = []
        while True:
            self._skip(" \t\r")
            if self.at >= len(self.text) or self.text[self.at] in "\n;":
                return found
            found.append(self._word())

    def _skip(self, characters: str) -> None:
        while self.at < len(self.text) and (self.text[self.at] in characters or self.text.startswith("\\\n", self.at)):
            self.at += 2 if self.text.startswith("\\\n", self.at) else 1

    def _line_end(self) -> int:
        end = self.text.find("\n", self.at)
        return len(self.text) if end < 0 else end

    def _word(self) -> Word:
        start = self.text[self.at]
        if start == "{":
            return Word(self._braced(), "braced")
        if start == '"':
            return Word(self._quoted(), "quoted")
        if start == "[":
            return Word(self._bracketed(), "bare")
        return Word(self._bare(), "bare")

    def _braced(self) -> str:
        depth, at, start = 0, self.at, self.at + 1
        while at < len(self.text):
            if self.text[at] == "\\":
                at += 1
            elif self.text[at] == "{":
                depth += 1
            elif self.text[at] == "}":
                depth -= 1
                if depth == 0:
                    self.at = at + 1
                    return self.text[start:at]
            at += 1
        raise RuntimeError("a brace of the script text is never closed")

    def _quoted(self) -> str:
        found: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character == '"':
                return "".join(found)
            found.append(self._unescape() if character == "\\" else self._literal(character))
        raise RuntimeError("a quote of the script text is never closed")

    def _bracketed(self) -> str:
        end = self.text.find("]", self.at)
        if end < 0:
            raise RuntimeError("a bracket of the script text is never closed")
        found = self.text[self.at : end + 1]
        self.at = end + 1
        return found

    def _bare(self) -> str:
        found: list[str] = []
        while self.at < len(self.text) and self.text[self.at] not in " \t\r\n;":
            character = self.text[self.at]
            self.at += 1
            found.append(self._unescape() if character == "\\" else character)
        return "".join(found)

    def _unescape(self) -> str:
        character = self.text[self.at]
        self.at += 1
        return ESCAPES.get(character, character)

    @staticmethod
    def _literal(character: str) -> str:
        if character in "[$":
            raise NotMeasured(f'an unescaped {character} inside "..." is replaced by Tcl while the script loads')
        return character
