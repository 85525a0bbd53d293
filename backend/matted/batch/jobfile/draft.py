"""A shot of a job file while it is read: what is given, what was made of it, and what is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from matted.batch.jobfile.fields import FIELDS, Field, Unfit
from matted.batch.jobfile.paths import VERSION, located
from matted.batch.jobfile.problem import Problem
from matted.batch.jobfile.raw import Key, Raw
from matted.batch.jobfile.tokens import TokenError, Tokens
from matted.errors import SettingError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Given:
    """A value somebody wrote.

    Attributes:
        value: as written.
        at: where in the job file; None on the command line.
        folder: what its paths are relative to.
    """

    value: Any
    at: Key | None
    folder: Path


@dataclass
class Draft:
    """A shot being read, and what is wrong with it.

    Attributes:
        raw: the job file.
        tokens: its tokens.
        at: where the shot is, or the defaults are.
        given: its keys, those of the defaults and of the command line included.
        named: the value of ``{shot}``.
        shot: what problems call it; empty for the defaults.
        values: what was read so far.
        problems: in the order they were found.
    """

    raw: Raw
    tokens: Tokens
    at: Key
    given: dict[str, Given]
    named: str
    shot: str
    values: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def read(self) -> None:
        """Read every value that needs no other one."""
        for key, found in self.given.items():
            kind = FIELDS[key]
            value = self.tried(key, partial(self._read, kind, found.value))
            if value is not None:
                self.values[key] = value

    def _read(self, kind: Field, value: Any) -> Any:
        """A value that may hold ``{object}`` or ``{version}`` is expanded once these are known."""
        if value is None:
            raise Unfit("a value", "Leave the key away where there is nothing to say.")
        return kind.read(value if late(kind) else self._expanded(value, self._known(kind)))

    def _expanded(self, value: Any, known: Mapping[str, str]) -> Any:
        if isinstance(value, str):
            return self.tokens.expand(value, known)
        if isinstance(value, list):
            return [self._expanded(item, known) for item in value]
        return value

    def _known(self, kind: Field, object_name: str | None = None) -> dict[str, str]:
        known = {"shot": self.named, "object": object_name, "version": VERSION}
        return {name: value for name in kind.tokens if (value := known[name]) is not None}

    def tried(self, key: str, read: Callable[[], Value]) -> Value | None:
        """What ``read`` makes of the value of ``key``; None when that became a problem."""
        try:
            return read()
        except TokenError as error:
            self._token_problem(key, error)
        except Unfit as error:
            written = self.given[key].value
            message = f"{key} is {shown(written)}, which is not {error.wanted}."
            self.problem(key, message, error.hint or f"Write it like {key} = {FIELDS[key].example}.")
        except SettingError as error:
            self.problem(key, error.message, error.hint)
        return None

    def _token_problem(self, key: str, error: TokenError) -> None:
        if error.token is None:
            self.problem(key, f"{key}: {error.message}", error.hint)
        else:  # the token's own line, where it is named once, whoever uses it
            line = self.raw.line(("tokens", error.token))
            self.problems.append(Problem(self.raw.file, line, "", error.message, error.hint))

    def problem(self, key: str | None, message: str, hint: str) -> None:
        """Note a problem of a key, or of the shot as a whole."""
        found = None if key is None else self.given.get(key)
        shot = self.shot if found is None or (found.at or ())[:1] == ("shots",) else ""
        self.problems.append(Problem(self.raw.file, self.line(key), shot, message, hint))

    def is_default(self, key: str) -> bool:
        """Whether the value of ``key`` stands in the defaults."""
        found = self.given.get(key)
        return found is not None and found.at is not None and found.at[0] == "defaults"

    def line(self, key: str | None) -> int:
        """Where a key of the shot stands, else where the shot begins; 0 for the command line."""
        found = None if key is None else self.given.get(key)
        if found is None:
            return self.raw.line(self.at)
        return 0 if found.at is None else self.raw.line(found.at)

    def path(self, key: str, find: Callable[[str, Path], Path] = located) -> Path | None:
        """The path at ``key``; None when there is none, or only a problem."""
        return self.located(key, self.values[key], find=find) if key in self.values else None

    def located(
        self, key: str, written: str, *, name: str | None = None, find: Callable[[str, Path], Path] = located
    ) -> Path | None:
        """The path written at ``key``, for the object called ``name``."""
        return self.tried(key, lambda: find(self.expanded(key, written, name), self.given[key].folder))

    def expanded(self, key: str, written: str, name: str | None) -> str:
        """Text at ``key``, for the object called ``name``; raises :class:`TokenError`."""
        return self.tokens.expand(written, self._known(FIELDS[key], name))

    def has(self, key: str, token: str) -> bool:
        """Whether the value of ``key`` holds a built-in token, also through others."""
        mark = "\1"
        known = {**dict.fromkeys(FIELDS[key].tokens, ""), token: mark}
        written = self.values.get(key, "")
        texts = written.values() if isinstance(written, Mapping) else [written]
        try:
            return any(mark in self.tokens.expand(text or "", known) for text in texts)
        except TokenError:
            return False

    def plain(self, *keys: str) -> dict[str, Any]:
        """Those of the values that are given."""
        return {key: self.values[key] for key in keys if key in self.values}


def late(kind: Field) -> bool:
    """Whether a field may hold tokens whose value is not known when it is read."""
    return bool({"object", "version"} & set(kind.tokens))


def unknown(key: str, known: Sequence[str], where: str) -> tuple[str, str]:
    """Message and hint for a key that is not one of ``known``."""
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"Did you mean '{close[0]}'?" if close else f"There are {', '.join(known)}."
    return f"There is no key {shown(key)} {where}.", hint


def shown(value: Any) -> str:
    """A value as people wrote it, shortened."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list" if len(value) != 1 else f"a list of {shown(value[0])}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "empty"}[value]
    written = str(value)
    if not written.isprintable():
        written = ascii(written)[1:-1]
    written = written if len(written) <= 60 else f"{written[:57]}…"
    return f"'{written}'" if isinstance(value, str) else written
