"""Masks: what the artist drew, read as soft coverage per object. Masks are data: no colour transform ever touches them.

What a file means, first rule that fits:

- a Cryptomatte EXR: one object per manifest name;
- ``layer`` given: that layer or channel, one object;
- a palette PNG: one object per index but 0, named ``1``, ``2``...; a palette of greys reaching white is a greyscale
  picture stored cheaply and is read as one;
- an EXR that matted packed four objects into: those, by the names in its header;
- an EXR with matte layers (``hero.A``, ``dog.mask``; a part holding one ``A``): one object per layer, named after it;
- an EXR with several coloured layers or parts, none of them the picture itself: the alpha of each, one object a layer;
- an alpha channel that is not the same everywhere, or that is 0 over a coloured picture: the alpha, one object;
- an RGB picture in a few flat colours of different hues: one object per colour but black, named by its hex, ``ff0000``;
- anything else: the brightest of red, green and blue, one object. Its name is empty: the file does not say.
"""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Sequence as Several
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matted.errors import MaskError, PlateError
from matted.media import cryptomatte, indexed
from matted.media.image import BEAUTY, Array, Image, Part, UnreadableError, read_channels, read_image
from matted.media.sequence import Sequence, find_sequence

_ALPHAS = frozenset({"A", "a", "alpha", "Alpha"})
_MATTE_CHANNELS = _ALPHAS | {"mask", "matte", "Y"}
_MOST_COLOURS = 32
_DARKEST = 15 / 255

_log = logging.getLogger(__name__)


def find_masks(path: str | Path) -> Sequence:
    """Find masks at a pattern, folder or file; ``frames`` are those that have one, however sparse.

    Raises:
        MaskError: ``mask_missing``.
    """
    try:
        return find_sequence(path)
    except PlateError as error:
        raise MaskError("mask_missing", error.message, hint=error.hint, path=error.path, frame=error.frame) from error


def read_masks(
    path: str | Path,
    *,
    size: tuple[int, int],
    frame: int,
    layer: str | None = None,
    pick: Several[str] | None = None,
) -> dict[str, Array]:
    """Read every object of one mask file.

    Args:
        path: the file.
        size: (width, height) of the plate, pixels.
        frame: the keyframe, for messages.
        layer: an EXR layer or channel to read alone; in a Cryptomatte, which of its layers.
        pick: Cryptomatte names wanted; None takes every name the frame shows.

    Returns:
        name -> (H, W) float32 coverage, 0..1; the name is empty when the file holds one unnamed object. NaN is read as
        0 and values are clamped to 0..1. A black mask is returned: the object is absent from this frame.

    Raises:
        MaskError: ``mask_missing``, ``mask_unreadable``, ``mask_size`` or, for a name not in the file, ``object_name``.
    """
    file = Path(path)
    if not file.is_file():
        message = f"The mask of frame {frame}, {file}, does not exist."
        raise MaskError("mask_missing", message, hint="Check the path of the masks.", path=file, frame=frame)
    try:
        masks = _read(file, size, frame, layer, pick)
    except UnreadableError as error:
        message = f"The mask of frame {frame}, {file}, cannot be read: {error}."
        hint = f"Export the mask of frame {frame} again as EXR, PNG or TIFF."
        raise MaskError("mask_unreadable", message, hint=hint, path=file, frame=frame) from error
    return {name: _clamped(mask, file, frame) for name, mask in masks.items()}


def _read(
    file: Path, size: tuple[int, int], frame: int, layer: str | None, pick: Several[str] | None
) -> dict[str, Array]:
    image = read_image(file)
    first = image.parts[0]  # the parts of an EXR share a window; further TIFF pages are not read
    _check_size(first, size, file, frame)
    crypto = cryptomatte.find(image)
    if crypto and (pick is not None or not _has_layer(image, layer)):
        return cryptomatte.read(image, crypto, frame=frame, layer=layer, pick=pick)
    if layer is not None:
        return {"": _layer(image, layer, frame)}
    ids = indexed.read_indices(file)
    if ids is not None and not ids.is_greyscale:
        return {str(value): (ids.indices == value).astype(np.float32) for value in np.unique(ids.indices) if value != 0}
    layers = _packed(image) or _matte_layers(image) or _coloured_layers(image)
    if layers:
        return {name: read_channels(file, part, [index])[..., 0] for name, part, index in layers}
    return _picture(image, frame)


def _check_size(part: Part, size: tuple[int, int], file: Path, frame: int) -> None:
    found = (part.window.width, part.window.height)
    if found == size:
        return
    message = f"The mask of frame {frame}, {file}, is {found[0]}x{found[1]} but the plate is {size[0]}x{size[1]}."
    if Fraction(*found) == Fraction(*size):
        hint = f"The mask is the plate at {100 * found[0] / size[0]:.0f} %: render it at {size[0]}x{size[1]}."
    else:
        hint = f"The shape differs too: it was drawn on a crop or another plate. Render it at {size[0]}x{size[1]}."
    raise MaskError("mask_size", message, hint=hint, path=file, frame=frame)


def _layer(image: Image, layer: str, frame: int) -> Array:
    """One layer's matte channel, or one channel by its full name, or the part of that name."""
    for part in image.parts:
        if layer in part.channels:
            return read_channels(image.path, part, [part.channels.index(layer)])[..., 0]
    for part in image.parts:
        inside = [index for index, name in enumerate(part.channels) if _inside(part, name, layer)]
        alphas = [index for index in inside if part.channels[index].rpartition(".")[2] in _MATTE_CHANNELS]
        if alphas or inside:
            return _brightest(read_channels(image.path, part, alphas[:1] or inside))
    names = sorted({name for part in image.parts for channel in part.channels for name in _names(part, channel)})
    close = difflib.get_close_matches(layer, names, n=3)
    message = f"The mask of frame {frame}, {image.path}, has no layer or channel '{layer}'."
    hint = f"Did you mean {' or '.join(close)}?" if close else f"It has {', '.join(names[:16])}."
    raise MaskError("object_name", message, hint=hint, path=image.path, frame=frame)


def _has_layer(image: Image, layer: str | None) -> bool:
    return any(layer == channel or _inside(part, channel, layer) for part in image.parts for channel in part.channels)


def _inside(part: Part, channel: str, layer: str | None) -> bool:
    return channel.rpartition(".")[0] == layer or (part.name == layer and "." not in channel)


def _names(part: Part, channel: str) -> tuple[str, ...]:
    return tuple(name for name in (channel, channel.rpartition(".")[0], part.name) if name)


def _packed(image: Image) -> list[tuple[str, Part, int]]:
    """Objects of an EXR that ``matte`` packed into red, green, blue and alpha, as its header names them."""
    part = image.parts[0]
    names = part.value("matted/objects")
    if not isinstance(names, str) or part.channels != ("R", "G", "B", "A"):
        return []
    try:
        return [(str(name), part, index) for index, name in zip(range(4), json.loads(names), strict=False)]
    except (ValueError, TypeError) as error:
        raise UnreadableError(f"its list of objects is damaged ({error})") from error


def _matte_layers(image: Image) -> list[tuple[str, Part, int]]:
    """Layers holding nothing but one matte channel: (name, part, channel).

    Views keep a layer of one name in a part each; those go by the names of their parts, which EXR keeps apart.
    """
    found: list[tuple[str, Part, int]] = []
    for part in image.parts:
        prefixes = [channel.rpartition(".")[0] for channel in part.channels]
        for index, channel in enumerate(part.channels):
            prefix, _, last = channel.rpartition(".")
            name = prefix or (part.name if len(image.parts) > 1 else "")
            if name and last in _MATTE_CHANNELS and prefixes.count(prefix) == 1:
                found.append((name, part, index))
    names = [name for name, _, _ in found]
    return [(part.name if names.count(name) > 1 else name, part, index) for name, part, index in found]


def _coloured_layers(image: Image) -> list[tuple[str, Part, int]]:
    """The alphas of layers or parts with colours of their own; empty when one of them is the picture itself."""
    found = [
        (channel.rpartition(".")[0] or part.name, part, index)
        for part in image.parts
        for index, channel in enumerate(part.channels)
        if channel.rpartition(".")[2] in _ALPHAS
    ]
    names = {name.rpartition(".")[2].lower() for name, _, _ in found}
    return found if len(found) > 1 and len(names) == len(found) and not names & (BEAUTY | {""}) else []


def _picture(image: Image, frame: int) -> dict[str, Array]:
    """The alpha, colours or brightness of the first part."""
    part = image.parts[0]
    alpha = [index for index, name in enumerate(part.channels) if name.rpartition(".")[2] in _ALPHAS]
    shown = [index for index in range(len(part.channels)) if index not in alpha][:3]
    coverage = read_channels(image.path, part, alpha[:1])[..., 0] if alpha else None
    if coverage is not None and (not shown or coverage.min() != coverage.max()):
        return {"": coverage}
    picture = read_channels(image.path, part, shown)
    finite = np.clip(np.nan_to_num(picture, nan=0.0), 0.0, 1.0)
    if len(shown) < 3 or not _is_coloured(finite):
        return {"": _brightest(picture)}
    if coverage is not None and not coverage.any():
        return {"": coverage}
    return _flat_colours(finite, image.path, frame) or {"": _brightest(picture)}


def _brightest(picture: Array) -> Array:
    return np.asarray(picture.max(axis=2), np.float32)


def _is_coloured(picture: Array) -> bool:
    """Whether a hundredth of what is not black is more than tinted (JPEG tints greys a little)."""
    brightest = picture.max(axis=2)
    return bool(((brightest - picture.min(axis=2)) > 0.25).sum() > 0.01 * (brightest > 0).sum())


def _flat_colours(picture: Array, file: Path, frame: int) -> dict[str, Array]:
    """Objects by exact colour, when that is how the picture is made; empty when it is one soft mask.

    Shades of a single hue are one soft object: its in-between values are coverage. Several hues blending into each
    other cannot be told apart and are refused, since any guess would merge or lose objects.
    """
    values = np.rint(picture[picture.max(axis=2) > 0] * 255).astype(np.int64)
    codes, counts = np.unique(values[:, 0] << 16 | values[:, 1] << 8 | values[:, 2], return_counts=True)
    colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)
    if len(codes) > 1 and _one_hue(colours, counts):
        return {}
    if len(codes) > _MOST_COLOURS:
        message = f"The mask of frame {frame}, {file}, blends several colours ({len(codes)} in all)."
        hint = "Name the channel to read, or export one greyscale file per object, EXR layers or a palette PNG."
        raise MaskError("mask_unreadable", message, hint=hint, path=file, frame=frame)
    whole = np.rint(picture * 255).astype(np.int64)
    every = whole[..., 0] << 16 | whole[..., 1] << 8 | whole[..., 2]
    return {f"{code:06x}": (every == code).astype(np.float32) for code in codes}


def _one_hue(colours: NDArray[np.int64], counts: NDArray[np.int64]) -> bool:
    """Whether all colours are shades of the most common bright one."""
    brightest = colours[np.argmax(colours.max(axis=1) * counts)].astype(np.float64)
    scale = colours.max(axis=1) / max(brightest.max(), 1.0)
    return bool(np.abs(colours - scale[:, None] * brightest).max() <= 8)


def _clamped(mask: Array, file: Path, frame: int) -> Array:
    """Coverage in 0..1, with a note in the log when the file went outside it, or seems to hold ids as greys."""
    if 0 < mask.max() <= _DARKEST:
        note = "The mask of frame %d, %s, is nearly black: at most %.3f. Ids belong in a palette PNG."
        _log.warning(note, frame, file, mask.max())
    outside = int(np.count_nonzero(~((mask >= 0) & (mask <= 1))))
    if not outside:
        return np.ascontiguousarray(mask)
    note = "The mask of frame %d, %s, has %d values that are NaN or outside 0..1; they were clamped."
    _log.warning(note, frame, file, outside)
    return np.clip(np.nan_to_num(mask, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
