"""Mattes: what we write. Written beside, read back, then renamed, so that a file on disk is whole.

OpenImageIO reports success for a small file that a full disk swallowed, which is why every file is read back first.
"""

from __future__ import annotations

import errno
import json
import os
import re
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from matted.errors import MaskError, OutputError, SettingError
from matted.media import cryptomatte
from matted.media.image import Array, UnreadableError, Window, read_channels, read_image
from matted.media.mask import read_masks
from matted.media.plate import PlateHeader, PlateInfo

LOSSLESS = frozenset({"none", "rle", "zip", "zips", "piz", "htj2k32", "htj2k256"})
"""EXR compressions that keep every value. Not plain ``htj2k``: OpenImageIO then writes zip without a word."""

_VERSION = re.compile(r"v(\d{3,})", re.IGNORECASE)
_HOSTILE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*#%@$\s]+')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


NO_DATE = "1970:01:01 00:00:00"
"""OpenImageIO writes the time of day where a plate has none; the same matte must be the same file."""


@dataclass(frozen=True)
class MatteSettings:
    """How mattes are written.

    Attributes:
        format: ``exr`` (half; Cryptomatte is 32-bit float), ``png16`` or ``png8``.
        layout: ``files`` is one file an object, ``layers`` one EXR with ``<object>.A`` channels, ``rgba`` four objects
            a file in the order red, green, blue, alpha and the next four in a second file; a single object is in all
            four, and the data window is the whole picture, for graders take such files as pictures. ``cryptomatte`` is
            one EXR.
        compression: of EXR. DWAA is allowed only where it is lossless: in channels named ``A``.
        name: file name of layouts that hold several objects in one file, and the Cryptomatte's layer.

    Raises:
        SettingError: two of these contradict each other.
    """

    format: Literal["exr", "png16", "png8"] = "exr"
    layout: Literal["files", "layers", "rgba", "cryptomatte"] = "files"
    compression: str = "zips"
    name: str = "matte"

    def __post_init__(self) -> None:
        if self.format != "exr" and self.layout in ("layers", "cryptomatte"):
            message = f"The layout '{self.layout}' cannot be written as {self.format}."
            raise SettingError("bad_setting", message, hint="Use --format exr, or --layout files or rgba.")
        if self.compression in LOSSLESS:
            return
        if self.compression.startswith("dwa") and self.layout in ("files", "layers"):
            return
        message = f"The compression '{self.compression}' would change mattes in the layout '{self.layout}'."
        hint = f"Use one of {', '.join(sorted(LOSSLESS))}; dwaa only with the layouts files and layers."
        raise SettingError("bad_setting", message, hint=hint)


@dataclass(frozen=True)
class _File:
    """One file of a frame: its name before the number, and which rows of the mattes it holds in which channels."""

    stem: Path
    rows: tuple[int, ...]
    channels: tuple[str, ...]


class MatteWriter:
    """Writes the mattes of one job.

    Args:
        folder: the job's own folder; made when the first matte is written.
        objects: object names, one a matte row.
        settings: format and layout.
        info: the plate, for the size.
        metadata: strings kept in every EXR as ``matted/<key>``.

    Raises:
        MaskError: ``object_name``: two objects share a name, or a name is not text.
    """

    def __init__(
        self,
        folder: Path,
        *,
        objects: Sequence[str],
        settings: MatteSettings,
        info: PlateInfo,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.objects = tuple(name or "object" for name in objects)
        self.settings = settings
        self.info = info
        self.metadata = dict(metadata or {})
        for name in self.objects:
            if self.objects.count(name) > 1:
                message = f"Two objects are named '{name}'."
                raise MaskError("object_name", message, hint="Give every object a name of its own.")
            if any(0xD800 <= ord(letter) < 0xE000 for letter in name):  # bytes of a command line that are no UTF-8
                message = f"The object name {name!a} is not text."
                raise MaskError("object_name", message, hint="Give the object another name.")
        self._files = tuple(self._plan())

    def paths(self, frame: int) -> list[Path]:
        """The files of a frame, in order."""
        return [self._path(file, frame) for file in self._files]

    def complete(self, frame: int) -> bool:
        """Whether every file of the frame is on disk; files there are whole, or emptied by what ran out of space."""
        return all(path.is_file() and path.stat().st_size for path in self.paths(frame))

    def write(self, frame: int, mattes: Array, header: PlateHeader) -> list[Path]:
        """Write one frame.

        Args:
            frame: its number in the host.
            mattes: (O, H, W) over the display window. NaN is written as 0 and values are clamped to 0..1.
            header: the plate's header of this frame.

        Returns:
            The files written, the same as :meth:`paths`.

        Raises:
            OutputError: ``disk_full`` or ``output_unwritable``; nothing half-written is left behind.
        """
        assert mattes.shape == (len(self.objects), header.window.height, header.window.width), mattes.shape
        clean = np.clip(np.nan_to_num(mattes, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0).astype(np.float32)
        for file in self._files:
            self._write_file(file, frame, clean, header)
        return self.paths(frame)

    def read(self, frame: int) -> Array:
        """Read a frame back: (O, H, W) float32, 0..1, over the display window, whatever the layout.

        Raises:
            MaskError: a file is absent or damaged.
        """
        paths, layout = self.paths(frame), self.settings.layout
        if layout != "cryptomatte":
            return np.stack([read_object(paths, self.objects, name, layout) for name in self.objects])
        picked = read_masks(paths[0], size=self.info.size, frame=frame)
        absent = np.zeros(self.info.size[::-1], np.float32)
        return np.stack([picked.get(name, absent) for name in self.objects])

    def _plan(self) -> Iterator[_File]:
        layout, name = self.settings.layout, file_names([self.settings.name])[0]
        rows = tuple(range(len(self.objects)))
        if layout == "files":
            alpha = "A" if self.settings.format == "exr" else "Y"
            for row, safe in zip(rows, file_names(self.objects), strict=True):
                yield _File(self.folder / safe / safe, (row,), (alpha,))
        elif layout == "rgba" and len(rows) == 1:
            yield _File(self.folder / name, rows * 4, ("R", "G", "B", "A"))
        elif layout == "rgba":
            packs = [rows[start : start + 4] for start in range(0, len(rows), 4)]
            for number, pack in enumerate(packs, 1):
                stem = name if len(packs) == 1 else f"{name}_{number}"
                yield _File(self.folder / stem, pack, ("R", "G", "B", "A"))
        elif layout == "layers":
            yield _File(self.folder / name, rows, tuple(f"{name}.A" for name in self.objects))
        else:
            count = 2 * (len(rows) + len(rows) % 2)
            yield _File(self.folder / name, rows, cryptomatte.channel_names(self.settings.name, count))

    def _path(self, file: _File, frame: int) -> Path:
        number = f"{frame:04d}"  # as %04d has it, by which hosts look for files: -5 is -005
        ending = "exr" if self.settings.format == "exr" else "png"
        return file.stem.with_name(f"{file.stem.name}.{number}.{ending}")

    def _write_file(self, file: _File, frame: int, mattes: Array, header: PlateHeader) -> None:
        held = mattes[list(file.rows)]
        if self.settings.layout == "cryptomatte":
            pixels = cryptomatte.encode(held, [self.objects[row] for row in file.rows])
        else:
            pixels = np.zeros((*held.shape[1:], len(file.channels)), np.float32)
            pixels[..., : len(file.rows)] = np.moveaxis(held, 0, 2)
        spec = self._spec(file, header)
        if self.settings.format == "exr":
            is_packed = self.settings.layout == "rgba"
            box = Window(0, 0, header.window.width, header.window.height) if is_packed else _bounds(held)
            spec.x, spec.y = header.window.x + box.x, header.window.y + box.y
            spec.width, spec.height = box.width, box.height
            pixels = pixels[box.y : box.y + box.height, box.x : box.x + box.width]
            pixels = pixels.astype(np.float32 if self.settings.layout == "cryptomatte" else np.float16)
        else:
            kind, largest = (np.uint16, 65535) if self.settings.format == "png16" else (np.uint8, 255)
            pixels = np.rint(pixels * largest).astype(kind)
        _save(self._path(file, frame), frame, spec, np.ascontiguousarray(pixels))

    def _spec(self, file: _File, header: PlateHeader) -> Any:
        window = header.window
        kind = {"exr": "half", "png16": "uint16", "png8": "uint8"}[self.settings.format]
        spec = oiio.ImageSpec(
            window.width, window.height, len(file.channels), "float" if self.settings.layout == "cryptomatte" else kind
        )
        spec.channelnames = file.channels
        spec.attribute("PixelAspectRatio", header.pixel_aspect)
        if self.settings.format != "exr":
            spec.attribute("oiio:UnassociatedAlpha", 1)  # write the channels as they are
            return spec
        spec.full_x, spec.full_y, spec.full_width, spec.full_height = window.x, window.y, window.width, window.height
        spec.attribute("compression", self.settings.compression)
        if header.timecode is not None:
            spec.attribute("smpte:TimeCode", "timecode", header.timecode)
        if header.frame_rate is not None:
            spec.attribute("framesPerSecond", "rational", header.frame_rate.as_integer_ratio())
        spec.attribute("DateTime", NO_DATE)
        for name, kind_of_field, value in header.carried:
            spec.attribute(name, kind_of_field, value)
        for key, text in self.metadata.items():
            spec.attribute(f"matted/{key}", text)
        names = [self.objects[row] for row in dict.fromkeys(file.rows)]
        spec.attribute("matted/objects", json.dumps(names, ensure_ascii=False))
        if self.settings.layout == "cryptomatte":
            for key, text in cryptomatte.header_fields(self.settings.name, names).items():
                spec.attribute(key, text)
        return spec


def read_object(files: Sequence[Path], objects: Sequence[str], name: str, layout: str) -> Array:
    """Read one object's matte of a frame back.

    Args:
        files: those of the frame, in the order of :meth:`MatteWriter.paths`.
        objects: every object's name, in the order of the writer's.
        name: the one to read.
        layout: ``files``, ``layers`` or ``rgba``.

    Returns:
        (H, W) float32, as stored, over the display window.

    Raises:
        MaskError: as :func:`read_matte`.
    """
    row = list(objects).index(name)
    if layout == "files":
        return read_matte(files[row])
    if layout == "layers":
        return read_matte(files[0], layer=name)
    assert layout == "rgba", layout
    return read_matte(files[row // 4], channel="RGBA"[row % 4])


def read_matte(path: str | Path, *, layer: str | None = None, channel: str | None = None) -> Array:
    """Read one matte back over its whole display window.

    Args:
        path: the file.
        layer: which ``<layer>.A``; None reads ``A``, or the only channel.
        channel: the channel to read, by its whole name, whatever ``layer`` says.

    Returns:
        (H, W) float32, as stored.

    Raises:
        MaskError: absent, damaged, or without such a channel.
    """
    file = Path(path)
    try:
        part = read_image(file).parts[0]
        wanted = f"{layer}.A" if layer is not None else "A" if "A" in part.channels else part.channels[0]
        is_guess = channel is None and layer is None and wanted != "A"
        wanted = channel or wanted
        if wanted not in part.channels or (is_guess and len(part.channels) > 1):
            message = f"The matte {file} has no channel '{wanted}'."
            hint = f"It has {', '.join(part.channels[:12])}."
            raise MaskError("object_name", message, hint=hint, path=file)
        return read_channels(file, part, [part.channels.index(wanted)])[..., 0]
    except UnreadableError as error:
        message = f"The matte {file} cannot be read: {error}."
        raise MaskError("mask_unreadable", message, hint="Write it again.", path=file) from error


def next_version(folder: Path) -> Path:
    """Make and return the next free ``v001``, ``v002``... in ``folder``; a number once used is never used again.

    Raises:
        OutputError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            used = [int(match[1]) for name in folder.iterdir() if (match := _VERSION.fullmatch(name.name))]
            made = folder / f"v{max(used, default=0) + 1:03d}"
            try:
                made.mkdir()
            except FileExistsError:  # another job was quicker
                continue
            return made
    except OSError as error:
        raise _refused(folder, None, error) from error


def file_names(names: Sequence[str]) -> list[str]:
    """File names for objects, no two the same even where case does not count.

    Letters of every script stay; what a file system or a frame pattern could trip over becomes ``_``.
    """
    taken: set[str] = set()
    safe_names: list[str] = []
    for name in names:
        safe = _HOSTILE.sub("_", unicodedata.normalize("NFC", name)).strip(". ")
        safe = safe.encode()[:120].decode(errors="ignore") or "object"
        safe = f"_{safe}" if _RESERVED.fullmatch(safe) else safe
        number, unique = 1, safe
        while unique.casefold() in taken:
            number += 1
            unique = f"{safe}_{number}"
        taken.add(unique.casefold())
        safe_names.append(unique)
    return safe_names


def _bounds(mattes: Array) -> Window:
    """The smallest box around everything above 0; one pixel when there is nothing."""
    covered = mattes.max(axis=0) > 0
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    if rows.size == 0:
        return Window(0, 0, 1, 1)
    return Window(int(columns[0]), int(rows[0]), int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1)


def _save(path: Path, frame: int, spec: Any, pixels: NDArray[Any]) -> None:
    """Write beside, read back, rename."""
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(beside, path.suffix[1:], spec, pixels)
        beside.replace(path)
    except OSError as error:
        raise _refused(path, frame, error) from error
    finally:
        with suppress(OSError):  # whatever stopped the writing may stop this too, and is what to report
            beside.unlink(missing_ok=True)


def _write(beside: Path, file_format: str, spec: Any, pixels: NDArray[Any]) -> None:
    """Write one file and make sure of it.

    Raises:
        OSError: it did not arrive whole.
    """
    output = oiio.ImageOutput.create(file_format)
    if output is None:
        raise OSError(errno.EIO, oiio.geterror())
    opened = output.open(str(beside), spec)
    written = opened and output.write_image(pixels)
    closed = output.close()
    said = output.geterror().strip()
    if opened and written and closed and not said and _is_whole(beside):
        return
    with beside.open("ab", buffering=0) as file:  # ask the file system itself, OpenImageIO drops its answer
        file.write(bytes(1 << 20))
        os.fsync(file.fileno())
    raise OSError(errno.EIO, said.splitlines()[0] if said else "the file did not arrive whole")


def _is_whole(path: Path) -> bool:
    try:
        part = read_image(path).parts[0]
        read_channels(path, part, range(len(part.channels)))
    except UnreadableError:
        return False
    with path.open("rb") as file:
        if file.read(4) != b"\x89PNG":
            return True
        file.seek(-8, os.SEEK_END)
        return file.read(4) == b"IEND"


def _refused(path: Path, frame: int | None, error: OSError) -> OutputError:
    what = "The folder" if frame is None else f"The matte of frame {frame},"
    if error.errno in _FULL:
        message = f"{what} {path} cannot be written: the disk is full."
        hint = f"Free space on the disk of {path.parent} and run the same command again; finished frames are kept."
        return OutputError("disk_full", message, hint=hint, path=path, frame=frame)
    message = f"{what} {path} cannot be written: {error.strerror or error}."
    hint = f"Check that you may write to {path.parent}, or choose another --out folder."
    return OutputError("output_unwritable", message, hint=hint, path=path, frame=frame)
