"""One image file through OpenImageIO: its parts, its header, its pixels placed in the display window.

Plates, masks and finished mattes are read by the same few lines, so none of them can forget a trap: errors come back as
return values, PNG alpha is straight on disk, a JPEG cut short is returned as half a picture, and pixels lie in a data
window that may be smaller or larger than the picture. Knows nothing of plates or masks: it raises
:class:`UnreadableError`, which its callers turn into an error that names the frame and the remedy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

Array = NDArray[np.float32]

EXTENSIONS = frozenset(
    {".exr", ".sxr", ".dpx", ".cin", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".hdr", ".tga", ".bmp", ".webp"}
)
"""File endings taken for images when a folder is searched."""

BEAUTY = frozenset({"rgba", "rgb", "beauty", "combined", "color", "colour", "main"})
"""Names, in small letters, of the layer or part that is the picture itself."""

LARGEST = 1 << 28
"""Pixels in the largest display window accepted (16384 x 16384): a damaged header must not ask for all the memory."""

LONGEST_SIDE = 1 << 16
"""Pixels along the longest side accepted."""

_SURROGATES = re.compile("[\udc80-\udcff]")


class UnreadableError(Exception):
    """The file cannot be read; the text says why."""


@dataclass(frozen=True)
class Window:
    """A display window in the file's own pixel coordinates, y down."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Part:
    """One part of a file (only EXR and TIFF have several).

    Attributes:
        index: its place in the file.
        name: its name in a multi-part EXR, else empty.
        channels: channel names in file order.
        window: the display window.
        data: the data window: where the stored pixels lie.
        pixel_type: ``half``, ``float``, ``uint8``, ``uint16``, ``uint32``.
        is_deep: whether pixels hold any number of samples; OpenImageIO then leaves flat reads unfilled.
        attributes: every other header field: name -> (OIIO type, value).
    """

    index: int
    name: str
    channels: tuple[str, ...]
    window: Window
    data: Window
    pixel_type: str
    is_deep: bool
    attributes: dict[str, tuple[Any, Any]]

    def value(self, name: str) -> Any:
        """The header field ``name``, or None."""
        return self.attributes.get(name, (None, None))[1]


@dataclass(frozen=True)
class Image:
    """The headers of one file: OIIO's name of the format, and the parts."""

    path: Path
    file_format: str
    parts: tuple[Part, ...]


def read_image(path: Path) -> Image:
    """Read the headers of every part of ``path``.

    Raises:
        UnreadableError: absent, empty, damaged, or of a kind OpenImageIO does not read.
    """
    with _opened(path) as source:
        parts: list[Part] = []
        while source.seek_subimage(len(parts), 0):
            parts.append(_part(source.spec(), len(parts)))
        return Image(path, str(source.format_name()), tuple(parts))


def read_channels(path: Path, part: Part, channels: Sequence[int]) -> Array:
    """Read some channels of one part, placed in the display window.

    Args:
        path: the file.
        part: one of :func:`read_image`'s parts.
        channels: positions in ``part.channels``, in the order wanted.

    Returns:
        (height, width, len(channels)) float32 of the display window, 0 where nothing is stored. Integers are divided by
        their largest value; half and float come as stored, so values above 1, negatives, NaN and Inf survive.

    Raises:
        UnreadableError: damaged, cut short, deep, or larger than ``LARGEST`` or ``LONGEST_SIDE``.
    """
    if part.is_deep:
        raise UnreadableError("it is a deep image, which must be flattened first")
    for window in (part.window, part.data):
        if window.width * window.height > LARGEST or max(window.width, window.height) > LONGEST_SIDE:
            raise UnreadableError(f"its header claims {window.width}x{window.height} pixels")
    first, last = min(channels), max(channels) + 1
    with _opened(path) as source:
        pixels = source.read_image(part.index, 0, first, last, part.pixel_type)
        said = _said(source)
    if pixels is None:
        raise UnreadableError(_first_line(said) or "no pixels could be read")
    if "premature end" in said.lower():
        raise UnreadableError("the file is cut short")
    stored = np.asarray(pixels).reshape(part.data.height, part.data.width, last - first)
    return _place(_as_float(stored[..., [channel - first for channel in channels]]), part)


def _as_float(pixels: NDArray[Any]) -> Array:
    """Integers over their largest value (8-bit is exactly value / 255); floats as they are."""
    if not np.issubdtype(pixels.dtype, np.integer):
        return pixels.astype(np.float32)
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def _place(pixels: Array, part: Part) -> Array:
    """Data window into display window, cropping overscan and padding with 0."""
    if part.data == part.window:
        return np.ascontiguousarray(pixels)
    placed = np.zeros((part.window.height, part.window.width, pixels.shape[2]), np.float32)
    left, top = part.data.x - part.window.x, part.data.y - part.window.y
    right, bottom = left + part.data.width, top + part.data.height
    x0, x1 = max(left, 0), min(right, part.window.width)
    y0, y1 = max(top, 0), min(bottom, part.window.height)
    if x0 < x1 and y0 < y1:
        placed[y0:y1, x0:x1] = pixels[y0 - top : y1 - top, x0 - left : x1 - left]
    return placed


def _part(spec: Any, index: int) -> Part:
    attributes = {field.name: (field.type, _readable(field.value)) for field in spec.extra_attribs}
    name = attributes.get("oiio:subimagename", attributes.get("name", (None, "")))[1]
    return Part(
        index=index,
        name=str(name),
        channels=tuple(spec.channelnames),
        window=Window(spec.full_x, spec.full_y, spec.full_width, spec.full_height),
        data=Window(spec.x, spec.y, spec.width, spec.height),
        pixel_type=str(spec.format),
        is_deep=bool(spec.deep),
        attributes=attributes,
    )


def _readable(value: Any) -> Any:
    """A field's value; text that is not UTF-8, which OpenImageIO gives as surrogates, is taken for Latin-1."""
    if not isinstance(value, str) or not _SURROGATES.search(value):
        return value
    return value.encode(errors="surrogateescape").decode("latin-1")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open for reading, alpha left straight as it is on disk."""
    try:
        if path.stat().st_size == 0:
            raise UnreadableError("the file is empty (0 bytes)")
        with path.open("rb"):
            pass
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error
    settings = oiio.ImageSpec()
    settings.attribute("oiio:UnassociatedAlpha", 1)
    source = oiio.ImageInput.open(str(path), settings)
    if source is None:
        raise UnreadableError(_first_line(_said(oiio)) or "not an image format this build reads")
    try:
        yield source
    except UnicodeDecodeError as error:
        raise UnreadableError("its header is damaged") from error
    finally:
        source.close()


def _said(source: Any) -> str:
    """OpenImageIO's last complaint, which quotes damaged files to the byte."""
    try:
        return str(source.geterror())
    except UnicodeDecodeError:
        return "its header is damaged"


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].rstrip(". ") if text.strip() else ""
