"""Palette PNGs with their indices kept, which OpenImageIO turns into colours.

The file is copied with its header saying greyscale instead of palette (both store one sample of 1, 2, 4 or 8 bits a
pixel), so that libpng itself does the unpacking, row filters and interlacing. PNG specification, third edition,
sections 5, 6 and 11.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matted.media.image import UnreadableError, read_channels, read_image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE = 3


@dataclass(frozen=True)
class Indexed:
    """Indices (H, W) uint8, and the palette (N, 3) uint8 they point into."""

    indices: NDArray[np.uint8]
    palette: NDArray[np.uint8]

    @property
    def is_greyscale(self) -> bool:
        """Whether the colours used are greys that reach white: a soft mask stored cheaply, not ids.

        Ids saved with a grey ramp for a palette are small numbers, at most with 255 for "void", so greys in between
        must be well above black to count as coverage.
        """
        used = np.unique(self.indices)
        if used.max(initial=0) >= len(self.palette):
            return False
        colours = self.palette[used]
        levels = colours.max(axis=1)
        between = levels[(levels > 0) & (levels < 250)]
        is_grey = (levels == colours.min(axis=1)).all() and levels.max() >= 250
        return bool(is_grey and (between.size == 0 or np.median(between) >= 32))


def read_indices(path: Path) -> Indexed | None:
    """Read a palette PNG; None for every other kind of file.

    Raises:
        UnreadableError: a palette PNG that is damaged.
    """
    with path.open("rb") as file:
        start = file.read(33)
    if not start.startswith(_SIGNATURE) or start[12:16] != b"IHDR" or start[25] != _PALETTE:
        return None
    chunks = list(_chunks(path.read_bytes()))
    header = bytearray(next(data for kind, data in chunks if kind == b"IHDR"))
    header[9] = 0  # colour type: greyscale
    palette = b"".join(data for kind, data in chunks if kind == b"PLTE")
    pixels = b"".join(data for kind, data in chunks if kind == b"IDAT")
    grey = _SIGNATURE + _chunk(b"IHDR", bytes(header)) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
    with tempfile.TemporaryDirectory(prefix="matted-") as folder:
        copy = Path(folder) / "indices.png"
        copy.write_bytes(grey)
        levels = read_channels(copy, read_image(copy).parts[0], [0])[..., 0]
    largest = (1 << header[8]) - 1
    colours = np.frombuffer(palette[: len(palette) // 3 * 3], np.uint8).reshape(-1, 3)
    return Indexed(np.rint(levels * largest).astype(np.uint8), colours)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        if len(body) < length:
            raise UnreadableError("the file is cut short")
        yield kind, body
        position += 12 + length


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
