"""Mattes lined up with a clip's media: one file for each frame of the media, as links, black where there is no matte.

A clip matte is believed to start where its clip's media starts, so the mattes of the few frames that are cut into a
timeline have to be preceded by as many frames as the media has before them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from matted_plugin import exr
from matted_plugin.host import HostError, Mattes

FOLDER = "clip_matte"
"""Name of the folder beside the mattes, with a number when they were lined up otherwise before."""
SIDECAR = "clip_matte.json"
"""What lies in it beside the frames, and tells that the folder is ours."""
MOST = 20_000
"""Frames of a media that mattes are still lined up with."""

_VERSION = re.compile(r"v\d+")
_NUMBER = re.compile(r"%0?(\d*)d")
_AGAIN = "Propagate once more; if it happens again, see whether another program tidies that folder up."


@dataclass(frozen=True)
class Sequence:
    """Numbered files without a gap.

    Attributes:
        pattern: ``/…/hero_v001.%04d.exr``, with forward slashes.
        first: number of the first file.
        last: number of the last one.
    """

    pattern: str
    first: int
    last: int

    @property
    def folder(self) -> str:
        """Where the files lie."""
        return str(PurePosixPath(self.pattern).parent)

    @property
    def name(self) -> str:
        """The files' name before the number."""
        return _NUMBER.split(PurePosixPath(self.pattern).name)[0].rstrip("._")

    @property
    def bracketed(self) -> str:
        """``/…/hero_v001.[1001-1100].exr``, as Resolve writes a sequence."""
        return self._named(f"[{self._digits(self.first)}-{self._digits(self.last)}]")

    def file(self, number: int) -> str:
        """One of the files."""
        return self._named(self._digits(number))

    def _digits(self, number: int) -> str:
        found = _NUMBER.search(PurePosixPath(self.pattern).name)
        return f"{number:0{int(found[1] or 1) if found else 1}d}"

    def _named(self, number: str) -> str:
        path = PurePosixPath(self.pattern)
        return str(path.with_name(_NUMBER.sub(number, path.name)))  # a folder may have a % in its name


def version_of(pattern: str) -> str:
    """``v001`` of ``/…/v001/hero/hero.%04d.exr``; '' when no folder is called so."""
    return next((part for part in reversed(PurePosixPath(pattern).parts[:-1]) if _VERSION.fullmatch(part)), "")


def sequences(mattes: Mattes) -> dict[str, Sequence]:
    """The mattes' files by the name of the object, or of the file when it holds several; every one is on disk.

    Raises:
        HostError: one is not there.
    """
    first, last = mattes.frames
    found = {name: Sequence(pattern, first, last) for name, pattern in mattes.patterns.items()}
    for one in found.values():
        for number in range(first, last + 1):
            if not Path(one.file(number)).is_file():
                raise HostError(
                    f"The matte of frame {number} is not there: {one.file(number)}.", _AGAIN,
                    path=one.file(number), frame=number,
                )  # fmt: skip
    return found


def objects_in(mattes: Mattes, name: str) -> tuple[str, ...]:
    """The objects a file holds, in the order red, green, blue, alpha; one object of a file of its own."""
    if not mattes.layers:
        return (name,)
    place = list(mattes.patterns).index(name)
    return mattes.layers[4 * place : 4 * place + 4]


def lined_up(mattes: Sequence, first: int, count: int, start: int) -> Sequence:
    """The mattes numbered as the media is, in a folder beside them, with black before and after.

    Args:
        mattes: EXR files numbered by frame.
        first: frame of the media's first frame.
        count: frames of the media; where the mattes are of some of them only, the files' names say of which.
        start: number of the media's first file; the first of the new files has it too.

    Raises:
        HostError: the disk does not take it, or the mattes are no EXR files.
    """
    number = start if start >= 0 else 1
    version = version_of(mattes.pattern)
    is_part = (mattes.first, mattes.last) != (first, first + count - 1)  # a media may be cut into many clips
    name = "_".join(filter(None, (mattes.name, f"{mattes.first}-{mattes.last}" if is_part else "", version)))
    told = {"name": name, "mattes": PurePosixPath(mattes.pattern).name, "frames": [mattes.first, mattes.last],
            "first": first, "count": count, "start": number}  # fmt: skip
    beside = Path(mattes.folder)
    try:
        folder = _folder(beside, told)
        digits = max(4, len(str(number + count - 1)))
        made = Sequence((folder / f"{name}.%0{digits}d.exr").as_posix(), number, number + count - 1)
        if not folder.exists():
            _fill(folder, mattes, made, first, told)
    except (OSError, exr.ExrError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise HostError(
            f"The mattes in {beside} cannot be lined up with the media: {why}.",
            "See whether the disk is full and the folder can be written, then press the button again.",
            path=str(beside),
        ) from error
    return made


def is_lined_up(folder: str) -> bool:
    """Whether a folder was made here."""
    return Path(folder, SIDECAR).is_file()


def _folder(beside: Path, told: dict[str, object]) -> Path:
    """The folder that holds just this, or the next name that is free."""
    number = 1
    while True:
        folder = beside / (FOLDER if number == 1 else f"{FOLDER}_{number}")
        if not folder.exists() or _read(folder / SIDECAR) == told:
            return folder
        number += 1


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _fill(folder: Path, mattes: Sequence, made: Sequence, first: int, told: dict[str, object]) -> None:
    """Make the folder whole, under another name until it is."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        black = part / "black"
        exr.write_empty(black, mattes.file(mattes.first))
        for number in range(made.first, made.last + 1):
            frame = first + number - made.first
            target = part / PurePosixPath(made.file(number)).name
            if mattes.first <= frame <= mattes.last:
                _link(Path(mattes.file(frame)), target)
            elif not _link(black, target):
                black = target  # a file has only so many links: the next ones are links to this copy
        (part / "black").unlink()
        (part / SIDECAR).write_text(json.dumps(told), "utf-8")
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _link(file: Path, target: Path) -> bool:
    """Link a file, or copy it where that cannot be; whether it is a link."""
    try:
        os.link(file, target)
        return True
    except OSError:
        shutil.copyfile(file, target)
        return False
