"""Find the frames of a plate or of a folder of masks: patterns, folders, single files, movies.

Frame numbers are the ones in the file names (1001, negative, stepped, with gaps), unless a host counts otherwise and
shifts them. The folder is listed once.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from matted.errors import PlateError
from matted.media.image import EXTENSIONS

MOVIES = frozenset({".mov", ".mp4", ".mkv", ".m4v", ".mxf", ".avi"})
"""File endings read as movies."""

LONGEST = 1_000_000
"""Steps a shot may span: eleven hours. File names holding dates or serial numbers span more."""

_TOKEN = re.compile(r"%(?:0?(?P<printf>\d+))?d|(?P<marks>#+|@+)|\$F(?P<houdini>\d*)")
_NUMBERED = re.compile(r"(?P<before>.*?)(?P<number>(?:(?<=[._ ])-|(?<!.)-)?\d+)(?P<after>\.[^.]+)", re.DOTALL)


@dataclass(frozen=True)
class Sequence:
    """The frames found.

    Attributes:
        pattern: what to call the sequence in messages, e.g. ``/shots/plate.####.exr``.
        frames: the frame numbers present, ascending.
        files: the file of each frame; one movie file serves all its frames.
        offset: what to add to a frame number to get the number in its file's name, or a movie's picture, from 1.
    """

    pattern: str
    frames: tuple[int, ...]
    files: Mapping[int, Path] = field(repr=False, hash=False)
    offset: int = 0

    def shifted(self, offset: int) -> Sequence:
        """The same files under a host's own numbers: frame ``f`` is the file numbered ``f + offset``."""
        change = self.offset - offset
        files = {frame + change: path for frame, path in self.files.items()}
        return replace(self, frames=tuple(files), files=files, offset=offset)

    @property
    def title(self) -> str:
        """The pattern for people, with the offset where frames are shifted."""
        return self.pattern + (f" (frame offset {self.offset})" if self.offset else "")

    def numbered(self, frame: int) -> str:
        """A frame for people, with the number to look for among the files where that is another."""
        return f"frame {frame}" + (f" (file number {frame + self.offset})" if self.offset else "")

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
            message = f"{self.numbered(frame).capitalize()} of {self.pattern} is missing."
            hint = f"Render or copy {self.numbered(frame)}, or skip missing frames. Missing: {listed(self.missing)}."
            raise PlateError("frame_missing", message, hint=hint, path=self.pattern, frame=frame)
        message = f"{self.numbered(frame).capitalize()} is outside {self.pattern}, which runs from {first} to {last}."
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
        tokens = list(_TOKEN.finditer(given.name))
        if tokens:
            return _from_pattern(given, tokens[-1])
        raise _absent(f"There is no file or folder {given}.", given)
    except OSError as error:
        message = f"The plate {given} cannot be looked for: {error.strerror}."
        hint = "Check the path and that you may read it."
        raise PlateError("plate_missing", message, hint=hint, path=given) from error


def _from_pattern(pattern: Path, token: re.Match[str]) -> Sequence:
    """Files matching a pattern, whose last token stands for the number; padding is the fewest digits that may have."""
    if not pattern.parent.is_dir():
        raise _absent(f"There is no folder {pattern.parent}.", pattern.parent)
    digits = len(token["marks"] or "") or int(token["printf"] or token["houdini"] or 1)
    before, after = pattern.name[: token.start()], pattern.name[token.end() :]
    name = re.compile(rf"{re.escape(before)}(-?\d+){re.escape(after)}")
    found: list[tuple[int, Path]] = []
    for file in pattern.parent.iterdir():
        match = name.fullmatch(file.name)
        if match and _padded(match[1], digits):
            found.append((int(match[1]), file))
    if not found:
        raise _absent(f"No file matches {pattern}.", pattern)
    return _sequence(str(pattern), found)


def _padded(number: str, digits: int) -> bool:
    """Whether a number as written can come from a padding of ``digits`` (printf counts the minus sign, hosts do not).

    A padding of one (``#``, ``%d``) takes any number: artists write a single ``#`` for "the frame number".
    """
    bare = number.lstrip("-")
    return digits == 1 or (len(number) >= digits and (len(bare) <= digits or not bare.startswith("0")))


def _in_folder(folder: Path) -> Sequence:
    """The one image sequence in ``folder``; hidden files and files that are not images are passed over."""
    shown = [file for file in sorted(folder.iterdir()) if not file.name.startswith(".")]
    sequences = _grouped(file for file in shown if file.suffix.lower() in EXTENSIONS and file.is_file())
    if not sequences:
        message = f"There are no images in the folder {folder}."
        raise PlateError("plate_missing", message, hint=f"Choose another folder: {_inside(folder)}", path=folder)
    if len(sequences) > 1:
        message = f"The folder {folder} holds {len(sequences)} sequences: {_shortened(sequences)}."
        hint = f"Name the one you mean, for example {folder / next(iter(sequences))}."
        raise PlateError("plate_missing", message, hint=hint, path=folder)
    name, found = next(iter(sequences.items()))
    return _sequence(str(folder / name), found)


def _grouped(files: Iterable[Path]) -> dict[str, list[tuple[int, Path]]]:
    """Files that differ in their number alone, by a pattern that finds them."""
    groups: dict[tuple[str, str], list[tuple[str, Path]]] = {}
    for file in files:
        match = _NUMBERED.fullmatch(file.name)
        key = (match["before"], match["after"]) if match else (file.name, "")
        groups.setdefault(key, []).append((match["number"] if match else "", file))
    sequences: dict[str, list[tuple[int, Path]]] = {}
    for (before, after), found in groups.items():
        digits = min(len(number.lstrip("-")) for number, _ in found)
        sequences[f"{before}{'#' * digits}{after}"] = [(int(number or 1), file) for number, file in found]
    return sequences


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
    sequence = Sequence(pattern, tuple(files), files)
    first, last = sequence.frames[0], sequence.frames[-1]
    if (last - first) // sequence.step >= LONGEST:
        message = f"The numbers of {pattern} run from {first} to {last}, which is no shot."
        raise PlateError("plate_missing", message, hint="Give a pattern whose token is the frame number.", path=pattern)
    return sequence


def _absent(message: str, path: Path) -> PlateError:
    """``path`` is not there; the remedy names what like it is."""
    if not path.parent.is_dir():
        hint = f"The folder {path.parent} does not exist either; check the path."
    else:
        close = difflib.get_close_matches(path.name, _patterns(path.parent), n=3, cutoff=0.5)
        hint = f"Check the path; {_inside(path.parent)}"
        if close:
            hint = f"Did you mean {' or '.join(str(path.parent / name) for name in close)}?"
    return PlateError("plate_missing", message, hint=hint, path=path)


def _patterns(folder: Path) -> list[str]:
    return sorted(_grouped(file for file in folder.iterdir() if not file.name.startswith(".")))


def _inside(folder: Path) -> str:
    names = _patterns(folder)
    return f"{folder} holds {_shortened(names)}." if names else f"{folder} is empty."


def _shortened(names: Iterable[str], limit: int = 6) -> str:
    known = list(names)
    rest = f" and {len(known) - limit} more" if len(known) > limit else ""
    return ", ".join(known[:limit]) + rest


def listed(frames: Iterable[int]) -> str:
    """Frame numbers for people: ``1003,1007-1012``."""
    runs: list[list[int]] = []
    for frame in sorted(set(frames)):
        if runs and frame == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], frame]
        else:
            runs.append([frame])
    return ",".join("-".join(str(frame) for frame in run) for run in runs)
