"""Find the frames of a plate or of a folder of masks: patterns, folders, single files, movies.

Frame numbers are the ones in the file names: 1001, negative, stepped, with gaps. The folder is listed once.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import fileseq

from matted.errors import PlateError
from matted.media.image import EXTENSIONS

MOVIES = frozenset({".mov", ".mp4", ".mkv", ".m4v", ".mxf", ".avi"})
"""File endings read as movies."""

_TOKEN = re.compile(r"%0?\d*d|#+|@+|\$F\d*")
_NUMBERED = re.compile(r"(?P<before>.*?)(?P<number>(?:(?<=[._ ])-|(?<!.)-)?\d+)(?P<after>\.[^.]+)", re.DOTALL)


@dataclass(frozen=True)
class Sequence:
    """The frames found.

    Attributes:
        pattern: what to call the sequence in messages, e.g. ``/shots/plate.####.exr``.
        frames: the frame numbers present, ascending.
        files: the file of each frame; one movie file serves all its frames.
    """

    pattern: str
    frames: tuple[int, ...]
    files: Mapping[int, Path] = field(repr=False, hash=False)

    @property
    def step(self) -> int:
        """The largest step that reaches every frame from the first; 1 for a single frame."""
        first = self.frames[0]
        return math.gcd(*(frame - first for frame in self.frames)) or 1

    @cached_property
    def missing(self) -> tuple[int, ...]:
        """Frames between the first and the last that the step leads one to expect, but that have no file."""
        present = set(self.frames)
        expected = range(self.frames[0], self.frames[-1] + 1, self.step)
        return tuple(frame for frame in expected if frame not in present)

    @property
    def is_movie(self) -> bool:
        """Whether the frames lie in one movie file."""
        return self.files[self.frames[0]].suffix.lower() in MOVIES

    def path(self, frame: int) -> Path:
        """The file of ``frame``.

        Raises:
            PlateError: ``frame_outside`` before the first or after the last frame, ``frame_missing`` in a gap.
        """
        found = self.files.get(frame)
        if found is not None:
            return found
        first, last = self.frames[0], self.frames[-1]
        if first < frame < last:
            message = f"Frame {frame} of {self.pattern} is missing."
            hint = f"Render or copy frame {frame}, or skip missing frames. Missing: {listed(self.missing)}."
            raise PlateError("frame_missing", message, hint=hint, path=self.pattern, frame=frame)
        message = f"Frame {frame} is outside {self.pattern}, which runs from {first} to {last}."
        hint = f"Choose frames between {first} and {last}."
        raise PlateError("frame_outside", message, hint=hint, path=self.pattern, frame=frame)


def find_sequence(path: str | Path) -> Sequence:
    """Find the frames at ``path``.

    Args:
        path: a pattern (``%04d``, ``####``, ``$F4`` or ``@@@@``), a folder holding one sequence, a movie, or one image,
            which is a plate of a single frame: the number in its name, else 1.

    Raises:
        PlateError: ``plate_missing`` when nothing is found, when a folder holds several sequences, or when two files
            claim one frame.
    """
    given = Path(path).expanduser()
    try:
        if given.is_dir():
            return _in_folder(given)
        if given.is_file():
            return _one_file(given)
        if _TOKEN.search(given.name):
            return _from_pattern(given)
    except OSError as error:
        hint = "Check the path and that you may read it."
        raise PlateError("plate_missing", f"Cannot look at {given}: {error.strerror}.", hint=hint, path=given) from error
    raise PlateError("plate_missing", f"There is no file or folder {given}.", hint=_near(given), path=given)


def _from_pattern(pattern: Path) -> Sequence:
    """Files matching a pattern; its padding is the fewest digits a number may have.

    fileseq reads the pattern only: searching the folder with it takes ``shot-1001`` for frame -1001.
    """
    if not pattern.parent.is_dir():
        raise PlateError("plate_missing", f"There is no folder {pattern.parent}.", hint=_near(pattern.parent), path=pattern)
    parsed = fileseq.FileSequence(pattern.name, pad_style=fileseq.PAD_STYLE_HASH1)
    digits = max(int(parsed.zfill()), 1)
    name = re.compile(rf"{re.escape(parsed.basename())}(-?\d+){re.escape(parsed.extension())}")
    found: list[tuple[int, Path]] = []
    for file in pattern.parent.iterdir():
        match = name.fullmatch(file.name)
        if match and _padded(match[1], digits):
            found.append((int(match[1]), file))
    if not found:
        raise PlateError("plate_missing", f"No file matches {pattern}.", hint=_near(pattern), path=pattern)
    return _sequence(str(pattern), found)


def _padded(number: str, digits: int) -> bool:
    """Whether a number as written can come from a padding of ``digits`` (printf counts the minus sign, hosts do not).

    A padding of one (``#``, ``%d``) takes any number: artists write a single ``#`` for "the frame number".
    """
    bare = number.lstrip("-")
    return digits == 1 or (len(number) >= digits and (len(bare) <= digits or not bare.startswith("0")))


def _in_folder(folder: Path) -> Sequence:
    """The one image sequence in ``folder``; hidden files and files that are not images are passed over."""
    groups: dict[str, list[tuple[int, Path]]] = {}
    for file in sorted(folder.iterdir()):
        if file.name.startswith(".") or file.suffix.lower() not in EXTENSIONS or not file.is_file():
            continue
        match = _NUMBERED.fullmatch(file.name)
        name = f"{match['before']}####{match['after']}" if match else file.name
        groups.setdefault(name, []).append((int(match["number"]) if match else 1, file))
    if not groups:
        message = f"There are no images in the folder {folder}."
        raise PlateError("plate_missing", message, hint=_inside(folder), path=folder)
    if len(groups) > 1:
        message = f"The folder {folder} holds {len(groups)} sequences: {_shortened(groups)}."
        hint = f"Name the one you mean, for example {folder / next(iter(groups))}."
        raise PlateError("plate_missing", message, hint=hint, path=folder)
    name, found = next(iter(groups.items()))
    return _sequence(str(folder / name), found)


def _one_file(file: Path) -> Sequence:
    """A movie, or a plate of one frame."""
    if file.suffix.lower() in MOVIES:
        from matted.media import movie  # PyAV is an extra: image plates must work without it

        frames = tuple(range(1, movie.count_frames(file) + 1))
        return Sequence(str(file), frames, dict.fromkeys(frames, file))
    match = _NUMBERED.fullmatch(file.name)
    return _sequence(str(file), [(int(match["number"]) if match else 1, file)])


def _sequence(pattern: str, found: list[tuple[int, Path]]) -> Sequence:
    files: dict[int, Path] = {}
    for frame, file in sorted(found):
        if frame in files:
            message = f"Two files are frame {frame} of {pattern}: {files[frame].name} and {file.name}."
            hint = "Remove one of them, or give a pattern with the padding you mean."
            raise PlateError("plate_missing", message, hint=hint, path=file, frame=frame)
        files[frame] = file
    return Sequence(pattern, tuple(files), files)


def _near(path: Path) -> str:
    """A remedy for ``path`` not being there: names like it that are."""
    if not path.parent.is_dir():
        return f"The folder {path.parent} does not exist either; check the path."
    names = sorted({_pattern_of(name.name) for name in path.parent.iterdir() if not name.name.startswith(".")})
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(str(path.parent / name) for name in close)}?"
    return f"Check the path; {_inside(path.parent)}"


def _pattern_of(name: str) -> str:
    match = _NUMBERED.fullmatch(name)
    return f"{match['before']}{'#' * len(match['number'])}{match['after']}" if match else name


def _inside(folder: Path) -> str:
    names = sorted({_pattern_of(file.name) for file in folder.iterdir() if not file.name.startswith(".")})
    return f"{folder} holds {_shortened(names)}." if names else f"{folder} is empty."


def _shortened(names: Iterable[str], limit: int = 6) -> str:
    known = list(names)
    rest = f" and {len(known) - limit} more" if len(known) > limit else ""
    return ", ".join(known[:limit]) + rest


def listed(frames: Iterable[int]) -> str:
    """Frame numbers for people: ``1003,1007-1012``."""
    return str(fileseq.framesToFrameRange(list(frames)))
