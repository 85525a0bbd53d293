"""Cryptomatte: ids and coverage in ranked pairs of 32-bit channels, names in a manifest.

Psyop, "Cryptomatte Specification", version 1.2.0. Ids are MurmurHash3_32 of the name, kept out of the floats that are
denormal, infinite or NaN, and stored as the float with the same bits.
"""

from __future__ import annotations

import difflib
import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matted.errors import MaskError
from matted.media.image import Array, Image, Part, UnreadableError, read_channels

MOST_NAMES = 64
"""Objects read without being asked for by name; a full Cryptomatte can list thousands."""

_FIELD = re.compile(r"cryptomatte/(?P<key>[^/]+)/(?P<field>[^/]+)")
_RANK = re.compile(r"(?P<rank>\d\d)\.(?P<channel>[RGBArgba]|red|green|blue|alpha)")
_ORDER = {"r": 0, "g": 1, "b": 2, "a": 3}


@dataclass(frozen=True)
class Layer:
    """One Cryptomatte of a file.

    Attributes:
        name: the layer, e.g. ``CryptoObject``.
        part: where its channels lie.
        ranks: positions of the (id, coverage) channels, most covering first.
        manifest: object name -> id, empty when the file names none.
    """

    name: str
    part: Part
    ranks: tuple[tuple[int, int], ...]
    manifest: Mapping[str, int]


def name_hash(name: str) -> int:
    """MurmurHash3_32 (Appleby, public domain; seed 0) of the name's UTF-8 bytes, 0..2^32-1."""
    data = name.encode(errors="surrogatepass")
    value = 0
    for (block,) in struct.iter_unpack("<I", data[: len(data) // 4 * 4]):
        value = _rotated(value ^ _scrambled(block), 13) * 5 + 0xE6546B64 & 0xFFFFFFFF
    tail = data[len(data) // 4 * 4 :]
    value ^= _scrambled(int.from_bytes(tail, "little")) ^ len(data)
    value = (value ^ value >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    value = (value ^ value >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return value ^ value >> 16


def object_id(name: str) -> int:
    """The id of a name: its hash, with one exponent bit flipped where the bits would be no ordinary float."""
    value = name_hash(name)
    return value ^ 1 << 23 if value >> 23 & 255 in (0, 255) else value


def _scrambled(block: int) -> int:
    return _rotated(block * 0xCC9E2D51 & 0xFFFFFFFF, 15) * 0x1B873593 & 0xFFFFFFFF


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & 0xFFFFFFFF


def find(image: Image) -> tuple[Layer, ...]:
    """The Cryptomattes of a file; empty when it has none. Their fields may stand in the header of any part."""
    fields: dict[str, dict[str, Any]] = {}
    for part in image.parts:
        for attribute, (_, value) in part.attributes.items():
            match = _FIELD.fullmatch(attribute)
            if match:
                fields.setdefault(match["key"], {})[match["field"]] = value
    layers: list[Layer] = []
    for held in fields.values():
        for part in image.parts:
            ranks = _ranks(part, str(held.get("name", "")))
            if ranks and "name" in held:
                layers.append(Layer(str(held["name"]), part, ranks, _manifest(image, held)))
    return tuple(layers)


def _ranks(part: Part, name: str) -> tuple[tuple[int, int], ...]:
    """Channels ``<name>00.R .G .B .A``, ``<name>01.R``... as (id, coverage) pairs."""
    places: dict[int, int] = {}
    for index, channel in enumerate(part.channels):
        match = _RANK.fullmatch(channel[len(name) :]) if channel.startswith(name) else None
        if match:
            places[int(match["rank"]) * 4 + _ORDER[match["channel"][0].lower()]] = index
    return tuple((places[at], places[at + 1]) for at in sorted(places) if at % 2 == 0 and at + 1 in places)


def _manifest(image: Image, fields: Mapping[str, Any]) -> dict[str, int]:
    """Names and ids from the header or from the file beside it that the header names."""
    text = fields.get("manifest")
    try:
        if text is None and "manif_file" in fields:
            beside = image.path.parent / str(fields["manif_file"])
            if not beside.resolve().is_relative_to(image.path.parent.resolve()):
                raise UnreadableError(f"its manifest lies outside its folder: {fields['manif_file']}")
            text = beside.read_text(encoding="utf-8")
        return {str(name): int(value, 16) for name, value in json.loads(text or "{}").items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UnreadableError(f"its Cryptomatte manifest is damaged ({error})") from error


def read(
    image: Image, layers: Sequence[Layer], *, frame: int, layer: str | None = None, pick: Sequence[str] | None = None
) -> dict[str, Array]:
    """Coverage of objects by name.

    Args:
        image: the file.
        layers: from :func:`find`.
        frame: for messages.
        layer: which Cryptomatte, by name; None takes the first that knows the names picked.
        pick: names wanted, each returned even when absent from the frame; None takes every name the frame shows.

    Returns:
        name -> (H, W) float32, as stored.

    Raises:
        MaskError: ``object_name`` for a name or layer not there, or when there are too many to take all.
        UnreadableError: damaged pixels.
    """
    chosen = _chosen(image, layers, frame, layer, pick)
    ids, coverage = _pairs(image, chosen)
    if pick is None:
        shown = set(np.unique(ids[coverage > 0]).tolist())
        pick = [name for name, value in chosen.manifest.items() if value in shown]
        if len(pick) > MOST_NAMES:
            message = f"The Cryptomatte of frame {frame}, {image.path}, shows {len(pick)} objects."
            hint = f"Name the ones to matte, such as {', '.join(pick[:4])}."
            raise MaskError("object_name", message, hint=hint, path=image.path, frame=frame)
    masks: dict[str, Array] = {}
    for name in pick:
        value = chosen.manifest.get(name, object_id(name))
        masks[name] = np.where(ids == value, coverage, np.float32(0)).sum(axis=2, dtype=np.float32)
    return masks


def _chosen(image: Image, layers: Sequence[Layer], frame: int, layer: str | None, pick: Sequence[str] | None) -> Layer:
    able = [one for one in layers if layer in (None, one.name)]
    if not able:
        message = f"Frame {frame}, {image.path}, has no Cryptomatte '{layer}'."
        hint = f"It has {', '.join(one.name for one in layers)}."
        raise MaskError("object_name", message, hint=hint, path=image.path, frame=frame)
    for one in able:
        if not one.manifest or all(name in one.manifest for name in pick or ()):
            return one
    known = sorted({name for one in able for name in one.manifest})
    absent = next(name for name in pick or () if any(name not in one.manifest for one in able))
    close = difflib.get_close_matches(absent, known, n=3)
    message = f"The Cryptomatte of frame {frame}, {image.path}, has no object '{absent}'."
    hint = f"Did you mean {' or '.join(close)}?" if close else f"It lists {', '.join(known[:12])}."
    raise MaskError("object_name", message, hint=hint, path=image.path, frame=frame)


def _pairs(image: Image, layer: Layer) -> tuple[NDArray[np.uint32], Array]:
    """Ids and coverage, each (H, W, ranks)."""
    if layer.part.pixel_type != "float":
        raise UnreadableError(f"its Cryptomatte is {layer.part.pixel_type}, but ids need 32-bit float")
    flat = read_channels(image.path, layer.part, [channel for pair in layer.ranks for channel in pair])
    ids = np.ascontiguousarray(flat[..., 0::2]).view(np.uint32)
    return ids, np.ascontiguousarray(flat[..., 1::2])


def encode(mattes: Array, names: Sequence[str]) -> Array:
    """Rank mattes for writing.

    Args:
        mattes: (O, H, W) float32, 0..1. Coverage is kept as it is, also where objects overlap and sum to more than 1.
        names: one a matte.

    Returns:
        (H, W, 2 * R) float32 of id, coverage, id, coverage..., most covering first; R is O rounded up to even, so that
        every layer of four channels is full.
    """
    order = np.argsort(-mattes, axis=0, kind="stable")
    coverage = np.take_along_axis(mattes, order, axis=0)
    bits = np.array([object_id(name) for name in names], np.uint32).view(np.float32)
    ids = np.where(coverage > 0, bits[order], np.float32(0))
    ranked = np.zeros((*mattes.shape[1:], 2 * (len(names) + len(names) % 2)), np.float32)
    ranked[..., 0 : 2 * len(names) : 2] = np.moveaxis(ids, 0, 2)
    ranked[..., 1 : 2 * len(names) : 2] = np.moveaxis(coverage, 0, 2)
    return ranked


def channel_names(layer: str, count: int) -> tuple[str, ...]:
    """Names of ``count`` ranked channels: ``<layer>00.R``, ``.G``, ``.B``, ``.A``, ``<layer>01.R``..."""
    return tuple(f"{layer}{index // 4:02d}.{'RGBA'[index % 4]}" for index in range(count))


def header_fields(layer: str, names: Sequence[str]) -> dict[str, str]:
    """The header fields announcing a Cryptomatte of these names."""
    key = f"cryptomatte/{name_hash(layer):08x}"[:19]
    manifest = json.dumps({name: f"{object_id(name):08x}" for name in names}, separators=(",", ":"))
    return {
        f"{key}/name": layer,
        f"{key}/hash": "MurmurHash3_32",
        f"{key}/conversion": "uint32_to_float32",
        f"{key}/manifest": manifest,
    }
