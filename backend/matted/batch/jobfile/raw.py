"""A job file as it was written: plain values and the line of each, whatever the form; nothing is judged yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matted.batch.jobfile.problem import JobFileError, Problem

Key = tuple[str | int, ...]
"""Where a value is in a job file: ``("shots", 0, "plate")``."""

LARGEST = 2 * 2**20
"""Bytes a job file may have: some five thousand shots."""


@dataclass(frozen=True)
class Raw:
    """What a reader of one form hands on.

    Attributes:
        file: the job file, absolute.
        tree: ``job``, ``tokens`` and ``defaults``, a table each, and ``shots``, a list of tables; every one may be
            absent. Values are text, numbers, booleans, lists and tables.
        lines: the line of a key, from 1. A key that is not listed has the line of the key it is in.
        notes: what a person should know and is no problem, such as clips that are left out; a sentence each.
    """

    file: Path
    tree: Mapping[str, Any]
    lines: Mapping[Key, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def line(self, key: Key) -> int:
        """The line of a value, or of the nearest table around it; 0 where there are no lines."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 0)


def read_text(file: Path, largest: int = LARGEST) -> str:
    """The text of a job file of at most ``largest`` bytes, without a byte order mark, lines ending in a newline alone.

    Raises:
        JobFileError: there is no such file, or it is no text.
    """
    try:
        if not file.is_file():
            there = "is not a file" if file.exists() else "does not exist"
            raise refused(file, f"{file} {there}.", "Give the path of a job file.")
        with file.open("rb") as opened:
            content = opened.read(largest + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise refused(file, f"{file} cannot be read: {reason}.", "Check the path and that you may read it.") from error
    if len(content) > largest:
        raise refused(file, f"{file} is larger than {largest // 2**20} MB.", "Split it into several job files.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refused(file, "This line is not UTF-8 text.", "Save the file as UTF-8.", line) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise refused(file, "This line holds a zero byte; it is no text.", "Save the file as UTF-8 text.", line)
    return text.replace("\r\n", "\n")


def refused(file: Path, message: str, hint: str, line: int = 0) -> JobFileError:
    """The error of a file with this one problem."""
    return JobFileError([Problem(file, line, "", message, hint)])
