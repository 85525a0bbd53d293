"""A batch held against the disk, before anything is made."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from matted.batch.jobfile.batch import Batch, Entry
from matted.batch.jobfile.problem import Problem, in_order
from matted.batch.keyframes import Keyframes, find_keyframes
from matted.batch.ledger import unwritable
from matted.batch.shot import Shot
from matted.errors import ColorError, MattedError
from matted.media.mask import find_masks
from matted.media.plate import Plate
from matted.media.sequence import find_sequence
from matted.weights import default_folder, identify

Found = TypeVar("Found")

LATE = frozenset(
    {"plate_missing", "plate_unreadable", "frame_missing", "frame_outside", "mask_missing", "mask_unreadable"}
)
"""What a plate that is still being rendered or copied looks like, or masks that are still drawn."""

_MASKS = ("objects", "keyframes")


def check(batch: Batch) -> tuple[Problem, ...]:
    """What is not on disk as the batch needs it, in line order: plates, frames, masks, colour, weights, outputs.

    Nothing is written. Files that may still be on their way are a problem that ``waits``; where there is no version
    yet, a path still holds ``{version}``, which ``paths.with_version`` replaces once it is there.
    """
    return in_order(problem for entry in batch.entries for problem in check_entry(entry))


def check_entry(entry: Entry) -> tuple[Problem, ...]:
    """What is not on disk as one shot needs it."""
    return in_order(_Look(entry).problems())


class _Look:
    """One shot and the disk."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._request = entry.request
        self._found: list[Problem] = []

    def problems(self) -> list[Problem]:
        plate = self._tried(("plate",), self._plate)
        masks = [self._tried(_MASKS, partial(find_masks, path)) for path in self._folders()]
        if plate is not None:
            self._tried(("ocio",), self._config)
            shot = Shot(plate, Keyframes((), {}, (), plate.info.size), self._request.frames, self._request.missing)
            whole = self._tried(("range", "plate"), shot.wanted)
            if all(masks):
                unsaid = () if whole else ("keyframe_outside",)  # of a plate that is not all there, that says nothing
                self._tried(_MASKS, partial(self._keyframes, plate), unsaid)
        self._tried(("weights",), lambda: identify(self._request.weights, folder=default_folder()))
        self._tried(("out",), self._out)
        return self._found

    def _plate(self) -> Plate:
        sequence = find_sequence(self._request.plate).shifted(self._request.frame_offset)
        return Plate(sequence, color=self._request.color, part=self._request.part, layer=self._request.layer)

    def _folders(self) -> list[Path]:
        return list(dict.fromkeys(source.path for source in self._request.masks))

    def _keyframes(self, plate: Plate) -> Keyframes:
        masks, only = self._request.masks, self._request.at
        return find_keyframes(masks, size=plate.info.size, plate=plate.sequence, only=only)

    def _config(self) -> None:
        """A config that is a file is there, also where the plate's own colour space needs none."""
        config = self._request.color.config
        if config and not config.startswith("ocio://") and not Path(config).is_file():
            message = f"There is no OCIO configuration {config}."
            raise ColorError("color_config", message, hint="Check the path.", path=config)

    def _out(self) -> None:
        """The nearest folder there is takes new ones."""
        out = self._request.out
        there = next(folder for folder in (out, *out.parents) if os.path.lexists(folder))
        if not there.is_dir():
            raise unwritable(out, NotADirectoryError(errno.ENOTDIR, f"{there} is not a folder"))
        if not os.access(there, os.W_OK | os.X_OK):
            raise unwritable(out, PermissionError(errno.EACCES, f"you may not write to {there}"))

    def _tried(self, keys: tuple[str, ...], look: Callable[[], Found], unsaid: tuple[str, ...] = ()) -> Found | None:
        """What is found; None when it became a problem, at the first of these keys that is given."""
        try:
            return look()
        except MattedError as error:
            if error.code not in unsaid:
                self._note(keys, error)
        except OSError as error:
            self._note(keys, unwritable(self._request.out, error))
        return None

    def _note(self, keys: tuple[str, ...], error: MattedError) -> None:
        if isinstance(error, ColorError):
            keys = ("colorspace",) if error.code == "color_space" else ("ocio",)
        lines = self._entry.lines
        line = next((lines[key] for key in keys if key in lines), self._entry.line)
        problem = Problem(self._entry.file, line, self._request.name, error.message, error.hint, error.code in LATE)
        self._found.append(problem)
