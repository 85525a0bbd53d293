"""Which files clients may name: under the roots alone, in their own spelling after the path map."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from matted.errors import RequestError

LONGEST = 4096
"""Characters of a path."""
LONGEST_NAME = 255
"""Bytes of one name in it, as file systems have it."""
TOLD = 200
"""Characters of a refused path that are told back."""


@dataclass(frozen=True)
class Paths:
    """The roots and the path map of a daemon.

    Attributes:
        roots: folders clients may read and write in. None given: the operator may name any file he could open himself,
            nobody else any at all.
        mapping: (theirs, ours): a path that begins with ``theirs`` is read as beginning with ``ours``.
    """

    roots: tuple[Path, ...] = ()
    mapping: tuple[tuple[str, str], ...] = ()

    def resolve(self, text: str, *, operator: bool) -> Path:
        """The absolute path of this machine that a client means by ``text``; it need not exist.

        Raises:
            RequestError: ``path_outside``: it is not absolute, has ``..`` or NUL in it, is a network path nobody
                mapped, or lies outside the roots, also by a link.
        """
        ours = self._mapped(text)
        if not 0 < len(text) <= LONGEST or any(letter < " " for letter in text):
            raise _refused(text, "is empty, too long, or has control characters in it", "Give a plain absolute path.")
        if os.name == "posix" and ("\\" in ours or ours.startswith("//")):
            hint = "Mount it where the daemon runs and tell the daemon with --map, or give the path as mounted there."
            raise _refused(text, "is a Windows or network path that the daemon has no --map for", hint)
        path = Path(ours)
        if not path.is_absolute() or ".." in path.parts:
            raise _refused(text, "is not an absolute path without '..'", "Give the whole path, from its root on.")
        if any(len(name.encode("utf-8", "replace")) > LONGEST_NAME for name in path.parts):
            raise _refused(text, f"has a name of more than {LONGEST_NAME} bytes in it", "Give a shorter path.")
        self.check(path, operator=operator, text=text)
        return path

    def check(self, path: Path, *, operator: bool, text: str | None = None) -> None:
        """Refuse a file of this machine that, its links followed, is not under a root.

        Raises:
            RequestError: ``path_outside``.
        """
        told = text or str(path)
        if not self.roots:
            if operator:
                return
            raise _refused(told, "cannot be used: this daemon has no root", "Start the daemon with --root FOLDER.")
        try:
            real = path.resolve()
        except (OSError, RuntimeError) as error:  # a loop of links
            raise _refused(told, f"cannot be followed ({error})", "Check the links in it.") from error
        if not any(real.is_relative_to(root.resolve()) for root in self.roots):
            roots = ", ".join(map(str, self.roots))
            led = "" if real == path else f" (it leads to {real})"
            hint = f"Move it under one of {roots}, or start the daemon with another --root."
            raise _refused(told, f"lies outside the daemon's roots{led}", hint)

    def check_all(self, paths: Iterable[Path], *, operator: bool) -> None:
        """:meth:`check` every file; a plate's frames may be links.

        Raises:
            RequestError: ``path_outside``.
        """
        if not self.roots and operator:
            return
        for path in paths:
            self.check(path, operator=operator)

    def _mapped(self, text: str) -> str:
        slashed = text.replace("\\", "/")
        for theirs, ours in self.mapping:
            start = theirs.replace("\\", "/").rstrip("/")
            head, rest = slashed[: len(start)], slashed[len(start) :]
            same = head == start or (_of_windows(start) and head.lower() == start.lower())
            if same and rest[:1] in ("", "/"):
                return ours.rstrip("/") + rest
        return text


def _of_windows(start: str) -> bool:
    return start[1:2] == ":" or start.startswith("//")


def _refused(text: str, why: str, hint: str) -> RequestError:
    told = repr(text if len(text) <= TOLD else f"{text[:TOLD]}…")
    return RequestError("path_outside", f"The path {told} {why}.", hint=hint, path=text[:LONGEST])
