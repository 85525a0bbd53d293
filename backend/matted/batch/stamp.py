"""What a plate's files were when a job was asked for: a plate replaced on disk must not end in half a job's mattes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from matted.errors import PlateError
from matted.media.sequence import Sequence

HINT = "Wait until the plate is whole and propagate again; the mattes made so far stay."


@dataclass(frozen=True)
class Stamp:
    """Name, bytes and time of last change (nanoseconds) of every file of a plate, in frame order.

    The attribute is plain values: kept as JSON, ``Stamp.from_plain`` makes a stamp of it again.
    """

    files: tuple[tuple[str, int, int], ...]

    @classmethod
    def of(cls, sequence: Sequence) -> Stamp:
        """The files of a plate as they are now.

        Raises:
            PlateError: plate_changed when a file went away since the plate was found.
        """
        paths = dict.fromkeys(sequence.path(frame) for frame in sequence.frames)
        try:
            return cls(tuple((path.name, *_found(path)) for path in paths))
        except OSError as error:
            path = Path(error.filename or sequence.pattern)
            message = f"The plate file {path} cannot be looked at any more: {error.strerror or error}."
            raise PlateError("plate_changed", message, hint=HINT, path=path) from error

    @classmethod
    def from_plain(cls, files: Iterable[Iterable[Any]]) -> Stamp:
        """A stamp whose ``files`` were kept as JSON."""
        return cls(tuple((str(name), int(size), int(changed)) for name, size, changed in files))

    @cached_property
    def digest(self) -> str:
        """sha256, the same for the same files on every host: not all of them see more of a time than microseconds."""
        seen = [(name, size, changed // 1000) for name, size, changed in self.files]
        return hashlib.sha256(repr(seen).encode()).hexdigest()

    def check(self, frame: int, path: Path) -> None:
        """Refuse a file that is not the one it was; one that is gone is left to whoever reads it.

        Raises:
            PlateError: plate_changed.
        """
        try:
            found = _found(path)
        except OSError:
            return
        if self._by_name.get(path.name) != found:
            message = f"Frame {frame}, {path}, is not the file it was when the job was asked for."
            raise PlateError("plate_changed", message, hint=HINT, path=path, frame=frame)

    def narrowed(self, sequence: Sequence) -> Sequence:
        """The frames of ``sequence`` that were there at the time of the stamp.

        Raises:
            PlateError: plate_changed when one of them is gone.
        """
        files = {frame: path for frame, path in sequence.files.items() if path.name in self._by_name}
        present = {path.name for path in files.values()}
        gone = [name for name in self._by_name if name not in present]
        if gone:
            message = f"The plate {sequence.pattern} has lost {gone[0]} since the job was asked for."
            raise PlateError("plate_changed", message, hint=HINT, path=sequence.pattern)
        return replace(sequence, frames=tuple(sorted(files)), files=files)

    @cached_property
    def _by_name(self) -> dict[str, tuple[int, int]]:
        return {name: (size, changed) for name, size, changed in self.files}


def _found(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
