"""Reads what hosts render, and writes masks, as scanline OpenEXR with half or float channels, without numpy.

Only for files a host has just written at our request, plain or zipped. Layout: the OpenEXR file layout document (magic,
header of named attributes, offset table, blocks of scanlines: each channel's row after the other). Writing is plain,
and says nothing of the time: the same pixels are the same file.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

_MAGIC = 20000630
_LONG_NAMES = 0x400
_LARGEST = 32768
"""Pixels of a side, as the wire has it."""
_MOST = 1 << 30
"""Bytes of a picture: more than 16K RGBA half, less than a damaged header can ask for."""
_TYPES = {1: ("H", "half"), 2: ("f", "float")}
_BYTES = {0: 4, 1: 2, 2: 4}
"""Of a value: unsigned integer, half, float."""
_LINES = {0: 1, 2: 1, 3: 16}
"""Scanlines of a block, by compression: none, ZIPS, ZIP."""
_BLOCKS = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256)
"""Scanlines of a block of every compression."""
_COMPRESSIONS = ("none", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB")
_TOP_BIT = bytes(value ^ 0x80 for value in range(256))


class ExrError(ValueError):
    """The file is not of the kind read here."""


@dataclass(frozen=True)
class Header:
    """What the header says.

    Attributes:
        channels: names, in the file's order, with the array code of their values.
        data: data window: left, top, right, bottom, inclusive.
        display: display window, likewise.
        compression: 0 for none, 2 for ZIPS, 3 for ZIP; more in the layout document.
        end: where the offset table begins, bytes.
    """

    channels: tuple[tuple[str, int], ...]
    data: tuple[int, int, int, int]
    display: tuple[int, int, int, int]
    compression: int
    end: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the display window."""
        left, top, right, bottom = self.display
        return right - left + 1, bottom - top + 1


def read_header(content: bytes) -> Header:
    """The header of a single-part scanline file; its first few kilobytes are enough.

    Raises:
        ExrError: it is another kind of file, or cut short.
    """
    try:
        return _header(content)
    except (struct.error, ValueError, KeyError, IndexError) as error:  # ExrError is a ValueError
        raise ExrError(f"no OpenEXR header could be read: {error}") from error


def _header(content: bytes) -> Header:
    magic, version = struct.unpack_from("<II", content)
    if magic != _MAGIC or version & 0xFFFFFF00 & ~_LONG_NAMES:
        raise ExrError("it is no single-part scanline OpenEXR file")
    found = {}
    place = 8
    while content[place] != 0:
        name, place = _string(content, place)
        _, place = _string(content, place)
        (size,) = struct.unpack_from("<i", content, place)
        found[name] = content[place + 4 : place + 4 + size]
        place += 4 + size
    header = Header(
        _channels(found["channels"]),
        struct.unpack("<4i", found["dataWindow"]),
        struct.unpack("<4i", found["displayWindow"]),
        found["compression"][0],
        place + 1,
    )
    for left, top, right, bottom in (header.data, header.display):
        if not (0 < right - left + 1 <= _LARGEST and 0 < bottom - top + 1 <= _LARGEST):
            raise ExrError("a window is empty or too large")
    return header


def _string(content: bytes, place: int) -> tuple[str, int]:
    end = content.index(0, place)
    return content[place:end].decode("utf-8"), end + 1


def _channels(told: bytes) -> tuple[tuple[str, int], ...]:
    found = []
    place = 0
    while told[place] != 0:
        name, place = _string(told, place)
        kind, _, across, down = struct.unpack_from("<iIii", told, place)
        if (across, down) != (1, 1):
            raise ExrError(f"the channel {name} is subsampled")
        if kind not in _BYTES:
            raise ExrError(f"the values of the channel {name} are of an unknown kind")
        found.append((name, kind))
        place += 16
    return tuple(found)


def channel_names(path: str | Path) -> tuple[str, ...]:
    """The channels of a file, in its order.

    Raises:
        ExrError: it cannot be read.
        OSError: it cannot be opened.
    """
    with Path(path).open("rb") as file:
        return tuple(name for name, _ in read_header(file.read(65536)).channels)


def whole_header(path: str | Path) -> Header:
    """The header of a file of which every block is there; what is in the blocks is not looked at.

    Raises:
        ExrError: it is cut short, or of another kind.
        OSError: it cannot be opened.
    """
    with Path(path).open("rb") as file:
        header = read_header(file.read(1 << 20))
        lines = dict(enumerate(_BLOCKS)).get(header.compression, 0)
        if not lines:
            raise ExrError("it is compressed with a method not known here")
        count = -(-(header.data[3] - header.data[1] + 1) // lines)
        size = file.seek(0, 2)
        file.seek(header.end)
        told = file.read(8 * count)
        places = struct.unpack(f"<{count}Q", told) if len(told) == 8 * count else (0,)
        if min(places) < header.end + 8 * count or max(places) + 8 > size:
            raise ExrError("it is cut short or damaged")
        file.seek(max(places))
        _, packed = struct.unpack("<ii", file.read(8))
        if packed <= 0 or max(places) + 8 + packed > size:
            raise ExrError("it is cut short or damaged")
    return header


def read_pixels(path: str | Path, channels: Sequence[str]) -> tuple[tuple[int, int], str, bytes]:
    """The display window of a plain or zipped file: its size, ``half`` or ``float``, and interleaved rows from the top.

    Pixels outside the data window are 0. Values stay as they lie in the file: little-endian.

    Args:
        path: the file.
        channels: names of the channels wanted, in the order wanted; at least one.

    Raises:
        ExrError: it is compressed otherwise, damaged, or lacks a channel.
        OSError: it cannot be opened.
    """
    content = Path(path).read_bytes()
    header = read_header(content)
    if header.compression not in _LINES:
        named = dict(enumerate(_COMPRESSIONS)).get(header.compression, "a method not known here")
        raise ExrError(f"it is compressed with {named}, and only files without compression, ZIP and ZIPS are read")
    kinds = dict(header.channels)
    missing = [name for name in channels if name not in kinds]
    if missing:
        raise ExrError(f"it has no channel {missing[0]}, only {', '.join(kinds)}")
    if len({kinds[name] for name in channels}) != 1 or kinds[channels[0]] not in _TYPES:
        raise ExrError("its channels are neither all half nor all float")
    code, dtype = _TYPES[kinds[channels[0]]]
    width, height = header.size
    left, _, right, _ = header.data
    first, last = max(left, header.display[0]), min(right, header.display[2])
    if width * height * len(channels) * array(code).itemsize > _MOST:
        raise ExrError(f"its {width} x {height} pixels are more than are read here")
    out = array(code, bytes(width * height * len(channels) * array(code).itemsize))
    starts = _starts(header)
    for row, line in _rows(content, header):
        if last < first or not header.display[1] <= row <= header.display[3]:
            continue
        for index, name in enumerate(channels):
            values = array(code, line[starts[name] : starts[name] + (right - left + 1) * out.itemsize])
            begin = ((row - header.display[1]) * width + first - header.display[0]) * len(channels) + index
            end = begin + (last - first) * len(channels) + 1
            out[begin : end : len(channels)] = values[first - left : last - left + 1]
    return header.size, dtype, out.tobytes()


def _starts(header: Header) -> dict[str, int]:
    """Where each channel begins within a scanline, bytes."""
    width = header.data[2] - header.data[0] + 1
    starts = {}
    place = 0
    for name, kind in header.channels:
        starts[name] = place
        place += width * _BYTES[kind]
    return starts


def _rows(content: bytes, header: Header) -> Iterator[tuple[int, bytes]]:
    """Each scanline's number and values, from the top."""
    left, top, right, bottom = header.data
    lines = _LINES[header.compression]
    row = (right - left + 1) * sum(_BYTES[kind] for _, kind in header.channels)
    try:
        table = struct.unpack_from(f"<{-(-(bottom - top + 1) // lines)}Q", content, header.end)
        for line, offset in zip(range(top, bottom + 1, lines), table):
            size = row * min(lines, bottom + 1 - line)
            told, packed = struct.unpack_from("<ii", content, offset)
            if told != line or not 0 < packed <= size or offset + 8 + packed > len(content):
                raise ExrError("it is cut short or damaged")
            block = content[offset + 8 : offset + 8 + packed]
            if packed < size:
                block = _unzipped(block, size) if header.compression else b""
            if len(block) != size:
                raise ExrError("it is cut short or damaged")
            for index in range(size // row):
                yield line + index, block[index * row : (index + 1) * row]
    except (struct.error, OverflowError, zlib.error) as error:
        raise ExrError("it is cut short or damaged") from error


def _unzipped(block: bytes, size: int) -> bytes:
    """What ZIP made of ``size`` bytes: those at even places, then those at odd places, each less the one before."""
    stream = zlib.decompressobj()
    steps = stream.decompress(block, size + 1)
    if len(steps) != size or not stream.eof:
        return b""
    # A step is stored with 128 more: so every second sum is 128 off, which is the top bit. Only the low byte counts.
    sums = bytearray(array("Q", accumulate(steps)).tobytes()[::8])
    sums[1::2] = sums[1::2].translate(_TOP_BIT)
    out = bytearray(size)
    out[::2], out[1::2] = sums[: (size + 1) // 2], sums[(size + 1) // 2 :]
    return bytes(out)


def write_pixels(
    path: str | Path, size: tuple[int, int], channels: Sequence[str], dtype: str, content: bytes | bytearray
) -> None:
    """Write a whole picture uncompressed, beside first and then renamed, in the form :func:`read_pixels` gives it.

    Args:
        path: the file; its folder exists.
        size: width and height of the display window, which the pixels fill.
        channels: names, in the order of the values.
        dtype: ``half`` or ``float``.
        content: interleaved rows from the top, little-endian.

    Raises:
        ExrError: the content is not of that size, or two channels have one name.
        OSError: it cannot be written.
    """
    kind = {"half": 1, "float": 2}[dtype]
    width, height = size
    if not (0 < width <= _LARGEST and 0 < height <= _LARGEST) or not channels or len(set(channels)) < len(channels):
        raise ExrError(
            f"no picture of {width} x {height} pixels with the channels {', '.join(channels)} can be written"
        )
    values = array(_TYPES[kind][0], bytes(content))
    if len(values) != width * height * len(channels):
        raise ExrError(f"{len(values)} values do not fill {width} x {height} pixels of {len(channels)} channels")
    names = sorted(channels, key=lambda name: name.encode("utf-8"))
    header = _header_bytes(size, names, kind)
    row = width * len(channels) * _BYTES[kind]
    first = len(header) + 8 * height
    whole = bytearray(header)
    whole += struct.pack(f"<{height}Q", *range(first, first + height * (row + 8), row + 8))
    places = [channels.index(name) for name in names]
    for line in range(height):
        pixels = values[line * width * len(channels) : (line + 1) * width * len(channels)]
        whole += struct.pack("<ii", line, row)
        for place in places:
            whole += pixels[place :: len(channels)].tobytes()
    beside = Path(path).with_name(f"part.{Path(path).name}")
    try:
        beside.write_bytes(whole)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _header_bytes(size: tuple[int, int], names: Sequence[str], kind: int) -> bytes:
    """Magic, version and the attributes every file must have."""
    told = [name.encode("utf-8") for name in names]
    window = struct.pack("<4i", 0, 0, size[0] - 1, size[1] - 1)
    channels = b"".join(name + b"\0" + struct.pack("<iIii", kind, 0, 1, 1) for name in told) + b"\0"
    attributes = (
        (b"channels", b"chlist", channels),
        (b"compression", b"compression", b"\0"),
        (b"dataWindow", b"box2i", window),
        (b"displayWindow", b"box2i", window),
        (b"lineOrder", b"lineOrder", b"\0"),
        (b"pixelAspectRatio", b"float", struct.pack("<f", 1)),
        (b"screenWindowCenter", b"v2f", struct.pack("<2f", 0, 0)),
        (b"screenWindowWidth", b"float", struct.pack("<f", 1)),
    )
    flags = _LONG_NAMES if any(len(name) > 31 for name in told) else 0
    parts = [struct.pack("<II", _MAGIC, 2 | flags)]
    parts += [name + b"\0" + of + b"\0" + struct.pack("<i", len(value)) + value for name, of, value in attributes]
    return b"".join(parts) + b"\0"


def write_empty(path: str | Path, like: str | Path) -> None:
    """Write a picture of zeros that has the windows, channels and attributes of another file: a few hundred bytes.

    Its data window is one pixel; what lies outside a data window is 0.

    Args:
        path: the file; its folder exists.
        like: a file whose header :func:`read_header` can read.

    Raises:
        ExrError: the other file is of another kind.
        OSError: one cannot be read or written.
    """
    with Path(like).open("rb") as file:
        content = file.read(65536)
    told = read_header(content)
    left, top = told.display[:2]
    changed = {"dataWindow": struct.pack("<4i", left, top, left, top), "compression": b"\0"}
    whole = bytearray(content[: told.end])
    place = 8
    while whole[place] != 0:
        name, place = _string(bytes(whole), place)
        _, place = _string(bytes(whole), place)
        (size,) = struct.unpack_from("<i", whole, place)
        if name in changed:
            whole[place + 4 : place + 4 + size] = changed[name]
        place += 4 + size
    values = bytes(sum(_BYTES[kind] for _, kind in told.channels))
    whole += struct.pack("<Qii", told.end + 8, top, len(values)) + values
    Path(path).write_bytes(whole)
