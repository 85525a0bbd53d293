"""Reads what hosts render for the wire: uncompressed scanline OpenEXR with half or float channels, without numpy.

Only for files a host has just written at our request. Layout: the OpenEXR file layout document (magic, header of named
attributes, offset table, one block of each channel's row a scanline).
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from pathlib import Path

_MAGIC = 20000630
_LARGEST = 32768
"""Pixels of a side, as the wire has it."""
_TYPES = {1: ("H", "half"), 2: ("f", "float")}


class ExrError(ValueError):
    """The file is not of the kind read here."""


@dataclass(frozen=True)
class Header:
    """What the header says.

    Attributes:
        channels: names, in the file's order, with the array code of their values.
        data: data window: left, top, right, bottom, inclusive.
        display: display window, likewise.
        compression: 0 for none.
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
    if magic != _MAGIC or version & 0xFFFFFF00 & ~0x400:
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


def read_pixels(path: str | Path, channels: tuple[str, ...]) -> tuple[tuple[int, int], str, bytes]:
    """The display window of an uncompressed file: its size, ``half`` or ``float``, and interleaved rows from the top.

    Pixels outside the data window are 0. Values stay as they lie in the file: little-endian.

    Args:
        path: the file.
        channels: names of the channels wanted, in the order wanted.

    Raises:
        ExrError: it is compressed, damaged, or lacks a channel.
        OSError: it cannot be opened.
    """
    content = Path(path).read_bytes()
    header = read_header(content)
    if header.compression:
        raise ExrError("it is compressed")
    kinds = dict(header.channels)
    missing = [name for name in channels if name not in kinds]
    if missing:
        raise ExrError(f"it has no channel {missing[0]}, only {', '.join(kinds)}")
    if len({kinds[name] for name in channels}) != 1 or kinds[channels[0]] not in _TYPES:
        raise ExrError("its channels are neither all half nor all float")
    code, dtype = _TYPES[kinds[channels[0]]]
    rows = _rows(content, header)
    width, height = header.size
    left, top, right, bottom = header.data
    first, last = max(left, header.display[0]), min(right, header.display[2])
    out = array(code, bytes(width * height * len(channels) * (2 if code == "H" else 4)))
    starts = _starts(header)
    for row in range(max(top, header.display[1]), min(bottom, header.display[3]) + 1):
        line = rows[row - top]
        for index, name in enumerate(channels):
            place = line + starts[name]
            values = array(code, content[place : place + (right - left + 1) * (2 if code == "H" else 4)])
            begin = ((row - header.display[1]) * width + first - header.display[0]) * len(channels) + index
            end = begin + (last - first) * len(channels) + 1
            if last >= first:
                out[begin : end : len(channels)] = values[first - left : last - left + 1]
    return header.size, dtype, out.tobytes()


def _starts(header: Header) -> dict[str, int]:
    """Where each channel begins within a scanline, bytes."""
    width = header.data[2] - header.data[0] + 1
    starts = {}
    place = 0
    for name, kind in header.channels:
        starts[name] = place
        place += width * (2 if kind == 1 else 4)
    return starts


def _rows(content: bytes, header: Header) -> list[int]:
    """Where each scanline's values begin, from the top."""
    count = header.data[3] - header.data[1] + 1
    width = header.data[2] - header.data[0] + 1
    size = sum(width * (2 if kind == 1 else 4) for _, kind in header.channels)
    try:
        table = struct.unpack_from(f"<{count}Q", content, header.end)
        places = [0] * count
        for offset in table:
            line, told = struct.unpack_from("<ii", content, offset)
            if told != size or offset + 8 + size > len(content):
                raise ExrError("it is cut short")
            places[line - header.data[1]] = offset + 8
    except (struct.error, IndexError) as error:
        raise ExrError("it is cut short") from error
    return places
