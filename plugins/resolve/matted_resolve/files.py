"""The files behind a clip's ``File Path``: whether the daemon can read them as they are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IMAGES = frozenset({"exr", "sxr", "dpx", "cin", "tif", "tiff", "png", "jpg", "jpeg", "hdr", "tga", "bmp", "webp"})
MOVIES = frozenset({"mov", "mp4", "m4v", "mxf", "mkv", "avi"})

_BRACKETED = re.compile(r"(?P<before>.*)\[(?P<first>\d+)-(?P<last>\d+)\](?P<after>[^\[\]]*)", re.DOTALL)
_NUMBERED = re.compile(r"(?P<before>.*?)(?P<number>\d+)(?P<after>\.[^.]+)", re.DOTALL)
_PATTERN = re.compile(r"(?P<before>.*)%0?(?P<digits>\d*)d(?P<after>[^%]*)", re.DOTALL)
_COUNTER = re.compile(r"%0?\d*d|#|@|\$F")
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")

_LONGEST = 8
"""Digits a frame number is padded to at most."""


@dataclass(frozen=True)
class Files:
    """A movie, or a sequence whose every file was seen.

    Attributes:
        path: the movie, or a pattern with ``%04d``; '' when it cannot be read as it is.
        first: number of the first file; 0 for a movie.
        count: files of the sequence; 0 for a movie, whose pictures only a decoder can count.
        missing: numbers within the sequence without a file.
        why: why it cannot be read as it is, for people; '' when it can.
    """

    path: str = ""
    first: int = 0
    count: int = 0
    missing: frozenset[int] = frozenset()
    why: str = ""

    @property
    def is_movie(self) -> bool:
        """Whether one file holds all frames."""
        return bool(self.path) and not self.count


def find(path: str, *, names: tuple[str, ...] = (), first: int | None = None, frames: int = 0) -> Files:
    """The files that a ``File Path`` stands for.

    Resolve writes a sequence as ``plate.[1001-1100].exr``. Where only one file of it is named, or a pattern, the clip's
    other names are tried, then what Resolve counts.

    Args:
        path: as Resolve tells it.
        names: what else Resolve calls the clip: ``plate.[1001-1100].exr``.
        first: number of the first file, if Resolve tells it.
        frames: how many frames Resolve says there are; 0 when it does not.
    """
    if os.sep == "/" and _WINDOWS.match(path):
        return Files(why=f"{path} is a path of another computer.")
    whole = path.replace("\\", "/") if os.sep == "\\" else path
    folder, _, name = whole.rpartition("/")
    extension = name.rpartition(".")[2].lower()
    if not folder or not name:
        return Files(why="it has no file on disk.")
    if extension in MOVIES:
        return Files(whole) if _is_there(whole) else Files(why=f"{whole} is not to be seen from here.")
    if extension not in IMAGES:
        return Files(why=f"only Resolve reads .{extension} files.")
    for candidate in _candidates(name, names, first, frames):
        found = _sequence(folder, *candidate)
        if found is not None:
            return found
    if frames == 1 or (_BRACKETED.fullmatch(name) is None and frames == 0):
        return Files(why="it is a still.")
    return Files(why=f"{whole} does not name the files of a sequence that can be seen from here.")


def _is_there(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:
        return False


def _candidates(
    name: str, names: tuple[str, ...], first: int | None, frames: int
) -> Iterator[tuple[str, str, str, str]]:
    """Names of a sequence in parts: before the number, first and last number as written, after it."""
    for one in (name, *names):
        bracketed = _BRACKETED.fullmatch(one)
        if bracketed:
            yield bracketed["before"], bracketed["first"], bracketed["last"], bracketed["after"]
    if frames < 2:
        return
    pattern, numbered = _PATTERN.fullmatch(name), _NUMBERED.fullmatch(name)
    if pattern and first is not None:
        digits = int(pattern["digits"] or 1)
        yield pattern["before"], f"{first:0{digits}d}", f"{first + frames - 1:0{digits}d}", pattern["after"]
    elif numbered:
        last = int(numbered["number"]) + frames - 1
        yield numbered["before"], numbered["number"], f"{last:0{len(numbered['number'])}d}", numbered["after"]


def _sequence(folder: str, before: str, first: str, last: str, after: str) -> Files | None:
    """The sequence of these numbers; None when its first and last file are not both there.

    The numbers may be written with fewer zeros than the files have, so every padding is looked for.
    """
    try:
        there = {entry.name for entry in os.scandir(folder or "/")}
    except OSError:
        return None
    numbers = range(int(first), int(last) + 1)
    paddings = [
        digits
        for digits in range(len(first), _LONGEST + 1)
        if there.issuperset({f"{before}{end:0{digits}d}{after}" for end in (int(first), int(last))})
    ]
    if len(numbers) < 2 or not paddings:
        return None
    if len(paddings) > 1:
        return Files(why=f"{before}[{first}-{last}]{after} may be two sequences beside each other.")
    if _COUNTER.search(after):
        return Files(why=f"{before}[{first}-{last}]{after} has another counter in its name.")
    digits = paddings[0]
    missing = frozenset(one for one in numbers if f"{before}{one:0{digits}d}{after}" not in there)
    return Files(f"{folder}/{before}%0{digits}d{after}", numbers[0], len(numbers), missing)
