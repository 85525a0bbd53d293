"""The artist's masks of a shot: which files, which frames, which objects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matted.errors import KeyframeError, MaskError
from matted.media.mask import find_masks, read_masks
from matted.media.sequence import Sequence, listed

UNNAMED = "matte"
"""What the only object of a shot is called when its masks do not name it."""


@dataclass(frozen=True)
class MaskSource:
    """Where masks come from.

    Attributes:
        path: a folder, a pattern or one file.
        object: the name its masks go by; None takes the names in the files (palette ids, layers, Cryptomatte).
        layer: the EXR layer or channel to read, or None for the file's own choice.
        pick: the names wanted from a Cryptomatte, or None for all of them.
    """

    path: Path
    object: str | None = None
    layer: str | None = None
    pick: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Keyframes:
    """Every mask of a shot, by frame.

    Attributes:
        sources: in the order given.
        files: for each keyframe, the sources that have a file for it and that file.
        objects: every object of the shot, in order; all are declared up front.
        size: (width, height) of the plate.
    """

    sources: tuple[MaskSource, ...]
    files: Mapping[int, tuple[tuple[MaskSource, Path], ...]]
    objects: tuple[str, ...]
    size: tuple[int, int]

    @property
    def frames(self) -> tuple[int, ...]:
        """The keyframes, ascending."""
        return tuple(sorted(self.files))

    def read(self, frame: int) -> NDArray[np.float32]:
        """The masks of a keyframe: (O, H, W) float32, 0..1, in the order of ``objects``; absent objects are empty.

        Raises:
            MaskError: a mask cannot be read or does not fit the plate.
        """
        width, height = self.size
        masks = np.zeros((len(self.objects), height, width), np.float32)
        for source, path in self.files[frame]:
            for name, mask in _named(source, path, self.size, frame).items():
                row = self.objects.index(name)
                np.maximum(masks[row], mask, out=masks[row])
        return masks

    @cached_property
    def hashes(self) -> dict[str, str]:
        """sha256 of every mask file, by ``frame:name`` and what of the file is read when that is not its own choice.

        The name is the object's, or the file's without its folder: copies kept elsewhere under their own names are the
        same masks.
        """
        found = {
            f"{frame}:{source.object or path.name}{_read_from(source)}": self._digests[path]
            for frame in self.frames
            for source, path in self.files[frame]
        }
        return dict(sorted(found.items()))  # the same record, in whatever order masks were given

    def fingerprint(self, frame: int) -> str:
        """Tells the masks of a keyframe from any other ones: files, and what is read of them."""
        parts = [
            (self._digests[path], path.suffix.lower(), source.object, source.layer, source.pick)
            for source, path in self.files[frame]
        ]
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    @cached_property
    def _digests(self) -> dict[Path, str]:
        paths = {path for found in self.files.values() for _, path in found}
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def find_keyframes(
    sources: Iterable[MaskSource], *, size: tuple[int, int], plate: Sequence, only: Iterable[int] | None = None
) -> Keyframes:
    """Find the masks of a shot and the objects in them.

    Args:
        sources: where to look.
        size: (width, height) of the plate.
        plate: the shot's frames; every keyframe must be one of them.
        only: take these frames alone; None takes every mask found.

    Raises:
        MaskError: mask_missing, mask_unreadable, mask_size, or object_name when a name is given twice.
        KeyframeError: no_keyframe when nothing is found; keyframe_outside when the plate has no such frame.
    """
    sources = tuple(sources)
    _refuse_twice([source.object for source in sources if source.object is not None])
    wanted = None if only is None else set(only)
    files: dict[int, list[tuple[MaskSource, Path]]] = {}
    for source in sources:
        masks = find_masks(source.path)
        for frame in masks.frames:
            if wanted is None or frame in wanted:
                files.setdefault(frame, []).append((source, masks.path(frame)))
    _check_frames(files, plate, wanted)
    names: dict[str, None] = {}
    for frame in sorted(files):
        for source, path in files[frame]:
            names.update(dict.fromkeys(_named(source, path, size, frame)))
    return Keyframes(sources, {frame: tuple(found) for frame, found in files.items()}, in_order(names), size)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Object names in the order of their mattes: palette ids by number, then words; never none."""
    return tuple(sorted(set(names), key=_natural)) or (UNNAMED,)


def _named(source: MaskSource, path: Path, size: tuple[int, int], frame: int) -> dict[str, NDArray[np.float32]]:
    masks = read_masks(path, size=size, frame=frame, layer=source.layer, pick=source.pick)
    if source.object is None:
        return {name or UNNAMED: mask for name, mask in masks.items()}
    whole = np.zeros((size[1], size[0]), np.float32)
    for mask in masks.values():
        np.maximum(whole, mask, out=whole)
    return {source.object: whole}


def _check_frames(files: Mapping[int, list[tuple[MaskSource, Path]]], plate: Sequence, wanted: set[int] | None) -> None:
    absent = sorted((wanted or set()) - set(files))
    if absent:
        raise KeyframeError(
            "no_keyframe",
            f"There is no mask for frame {absent[0]}.",
            hint="Name masks with the plate's frame number, like hero.1001.exr.",
            frame=absent[0],
        )
    if not files:
        raise KeyframeError(
            "no_keyframe", "No keyframe mask was given.", hint="Give at least one mask with --keyframes or --object."
        )
    for frame in sorted(set(files) - set(plate.frames)):
        path = files[frame][0][1]
        raise KeyframeError(
            "keyframe_outside",
            f"The mask {path} is for frame {frame}, which the plate {plate.title} does not have; it has frames "
            f"{listed(plate.frames)}.",
            hint="Number the mask like the plate frame it was drawn on, or move it away.",
            path=path,
            frame=frame,
        )


def _read_from(source: MaskSource) -> str:
    """What of a mask file is read, where the artist said so."""
    layer = "" if source.layer is None else f" layer {source.layer}"
    return layer + ("" if source.pick is None else f" pick {json.dumps(sorted(source.pick))}")


def _refuse_twice(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise MaskError(
                "object_name", f"The object '{name}' is given twice.", hint="Give every object a name of its own."
            )


def _natural(name: str) -> tuple[int, int, str]:
    """Palette ids by number, then names as words."""
    return (0, int(name), "") if name.isdecimal() else (1, 0, name)
