"""Whether the files of a shot have come whole: the plate of a render that still runs, masks that are still drawn.

Files are compared with themselves at the look before, never with a clock: machines that share a disk disagree on the
time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from matted.batch.jobfile.paths import with_version
from matted.batch.request import Request
from matted.errors import MaskError, MattedError, PlateError
from matted.media.mask import find_masks
from matted.media.sequence import Sequence, find_sequence, listed

Files = tuple[tuple[str, int, int], ...]
"""Path, bytes and time of change (nanoseconds) of files."""


@dataclass
class Arrival:
    """One shot whose files may still be on their way.

    Attributes:
        asked: the shot as it was asked for; its plate and masks may be in a ``{version}`` that is not there yet.
        request: the shot with the versions found at the last look.
        lacks: what was not there at the last look; None when everything was.
        seen: what was there at the last look; None when something was not.
        will_come: whether waiting is of use: without a range nobody knows when a plate that has no file yet is whole.
    """

    asked: Request
    request: Request = field(init=False)
    lacks: MattedError | None = None
    seen: Files | None = None
    will_come: bool = True

    def __post_init__(self) -> None:
        self.request = self.asked

    def look(self) -> bool:
        """Whether every file is there, none is empty, and nothing has changed since the look before."""
        before, self.seen, self.lacks, self.will_come = self.seen, None, None, True
        self.request = _with_versions(self.asked)
        try:
            self.seen = self._plate_files() + _mask_files(self.request)
        except MattedError as error:
            self.lacks = error
            return False
        if before not in (None, self.seen):
            self.lacks = _changing(self.request)
        return before == self.seen

    @property
    def is_gap(self) -> bool:
        """Whether all that lacks is frames of the plate, and the shot does without."""
        lacks = self.lacks
        return self.request.missing == "skip" and isinstance(lacks, PlateError) and lacks.frame is not None

    def _plate_files(self) -> Files:
        request = self.request
        try:
            plate = find_sequence(request.plate).shifted(request.frame_offset)
        except PlateError:
            self.will_come = request.frames is not None
            raise
        wanted = plate.frames if request.frames is None else tuple(request.frames)
        expected = wanted if request.frames is not None else (*wanted, *plate.missing)
        absent = sorted(set(expected) - set(plate.frames))
        if absent:
            message = f"The plate {plate.title} has no frame {listed(absent)}."
            raise PlateError("plate_missing", message, hint="Render or copy it.", path=plate.pattern, frame=absent[0])
        return _files((plate.path(frame) for frame in wanted), PlateError, "plate_missing")


def _with_versions(request: Request) -> Request:
    masks = tuple(replace(source, path=with_version(source.path)) for source in request.masks)
    return replace(request, plate=str(with_version(Path(request.plate))), masks=masks)


def _mask_files(request: Request) -> Files:
    sequences = [find_masks(source.path) for source in request.masks]
    there = {frame for sequence in sequences for frame in sequence.frames}
    absent = sorted(set(request.at or ()) - there)
    if absent:
        message = f"There is no mask for frame {listed(absent)}."
        raise MaskError("mask_missing", message, hint="Draw it, or take the frame out of 'at'.", frame=absent[0])
    return _files(_paths(sequences, request.at), MaskError, "mask_missing")


def _paths(sequences: Iterable[Sequence], at: tuple[int, ...] | None) -> Iterable[Path]:
    for sequence in sequences:
        yield from (path for frame, path in sequence.files.items() if at is None or frame in at)


def _files(paths: Iterable[Path], kind: type[MattedError], code: str) -> Files:
    found = []
    for path in dict.fromkeys(paths):
        try:
            facts = path.stat()
        except OSError as error:
            raise kind(code, f"{path} cannot be looked at: {error.strerror}.", hint="Check it.", path=path) from error
        if not facts.st_size:
            raise kind(code, f"{path} is empty.", hint="Render or copy it again.", path=path)
        found.append((str(path), facts.st_size, facts.st_mtime_ns))
    return tuple(found)


def _changing(request: Request) -> MattedError:
    message = f"The files of {request.plate} are still being written."
    return PlateError("plate_missing", message, hint="Wait until the render has finished.", path=request.plate)
