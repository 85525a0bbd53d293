"""Movie files as plates, through PyAV (the ``movies`` extra). Pictures count from 1, whatever the time code says.

Colours go through an explicit matrix and range: files often leave theirs untagged, and the decoder's guess moves every
colour. Seeking is exact: decoding starts at the sync frame before and goes on to the very time stamp asked for.
"""

from __future__ import annotations

import bisect
import re
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matted.errors import PlateError
from matted.media.image import Array, Window

if TYPE_CHECKING:
    from matted.media.plate import PlateHeader

_UNSPECIFIED = 2
"""The matrix tag of a file that does not say (ITU-T H.273 table 4)."""

_HIGH_DEFINITION = 720
"""Picture height from which an untagged file is taken for BT.709; below, for BT.601."""

_TIMECODE = re.compile(r"(\d\d):(\d\d):(\d\d):(\d\d)")


def count_frames(path: Path) -> int:
    """Frames in a movie: what its header says, else the pictures counted.

    Raises:
        PlateError: PyAV is absent, or the file holds no readable video.
    """
    with _opened(path) as container:
        return int(container.streams.video[0].frames) or len(_time_stamps(container))


class Movie:
    """One movie read frame by frame. Reads may come from several threads; one decodes at a time.

    Args:
        path: the file.
        offset: what to add to a frame number to get the number of the picture, from 1.

    Raises:
        PlateError: PyAV is absent, or the file holds no readable video.
    """

    def __init__(self, path: Path, *, offset: int = 0) -> None:
        self.path = path
        self._offset = offset
        self._lock = threading.Lock()
        self._container = _opened(path)
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._decoded: Iterator[Any] = self._container.decode(self._stream)
        self._next = 1
        self._stamps: list[int] = []

    def read(self, frame: int) -> Array:
        """Display-coded RGB of ``frame``: (H, W, 3) float32, 0..1.

        Raises:
            PlateError: the frame cannot be decoded.
        """
        av = _av()
        number = frame + self._offset
        with self._lock:
            try:
                picture = next(self._decoded, None) if number == self._next else self._seek(number)
            except av.FFmpegError as error:
                raise self._unreadable(frame, str(error)) from error
            if picture is None:
                raise self._unreadable(frame, "the movie ends before it")
            self._next = number + 1
        return _rgb(picture)

    def header(self, frame: int) -> PlateHeader:
        """Size, pixel aspect, frame rate and time code of ``frame``."""
        from matted.media.plate import PlateHeader

        context = self._stream.codec_context
        rate = Fraction(self._stream.average_rate) if self._stream.average_rate else None
        return PlateHeader(
            window=Window(0, 0, context.width, context.height),
            pixel_aspect=float(self._stream.sample_aspect_ratio or 1),
            timecode=_timecode(self._stream.metadata.get("timecode", ""), frame + self._offset - 1, rate),
            frame_rate=rate,
        )

    def _seek(self, number: int) -> Any:
        """The picture of this number by its own time stamp, None when there is none."""
        if not self._stamps:
            with _opened(self.path) as container:
                self._stamps = _time_stamps(container)
        if not 1 <= number <= len(self._stamps):
            return None
        wanted = self._stamps[number - 1]
        self._container.seek(wanted, stream=self._stream, backward=True)
        self._decoded = self._container.decode(self._stream)
        return next((picture for picture in self._decoded if picture.pts is not None and picture.pts >= wanted), None)

    def _unreadable(self, frame: int, why: str) -> PlateError:
        picture = f" (picture {frame + self._offset})" if self._offset else ""
        message = f"Frame {frame}{picture} of {self.path} cannot be read: {why}."
        hint = "Export the movie again, or as an image sequence."
        return PlateError("plate_unreadable", message, hint=hint, path=self.path, frame=frame)


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        message = "Movie files need PyAV, which is not installed."
        raise PlateError("plate_unreadable", message, hint="Run: python install.py --with movies") from error
    return av


def _opened(path: Path) -> Any:
    av = _av()
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        message = f"The movie {path} cannot be read: {error.strerror or error}."
        hint = "Export the movie again, or as an image sequence."
        raise PlateError("plate_unreadable", message, hint=hint, path=path) from error
    if not container.streams.video:
        container.close()
        message = f"The movie {path} holds no pictures."
        raise PlateError("plate_unreadable", message, hint="Choose a file with a video track.", path=path)
    return container


def _time_stamps(container: Any) -> list[int]:
    """Presentation times of every picture, ascending, read from the packets without decoding."""
    stamps: list[int] = []
    for packet in container.demux(container.streams.video[0]):
        if packet.size and not packet.is_discard:
            bisect.insort(stamps, packet.pts if packet.pts is not None else packet.dts or 0)
    return stamps


def _rgb(picture: Any) -> Array:
    """16-bit RGB by the file's matrix and range, or by the defaults for its size where it does not say."""
    from av.video.reformatter import ColorRange, Colorspace

    matrix = picture.colorspace
    if matrix == _UNSPECIFIED:
        matrix = Colorspace.ITU709 if picture.height >= _HIGH_DEFINITION else Colorspace.ITU601
    extent = picture.color_range
    if extent == ColorRange.UNSPECIFIED:
        is_full = picture.format.is_rgb or picture.format.name.startswith("yuvj")
        extent = ColorRange.JPEG if is_full else ColorRange.MPEG
    pixels = picture.to_ndarray(
        format="rgb48le", src_colorspace=matrix, src_color_range=extent, dst_color_range=ColorRange.JPEG
    )
    return np.asarray(pixels, np.float32) / np.float32(65535)


def _timecode(text: str, later: int, rate: Fraction | None) -> tuple[int, int] | None:
    """Time code ``later`` frames after ``text``, packed as SMPTE 12M; None for drop-frame or none at all."""
    match = _TIMECODE.fullmatch(text)
    if match is None or not rate:
        return None
    hours, minutes, seconds, frames = map(int, match.groups())
    base = round(rate)
    total = ((hours * 60 + minutes) * 60 + seconds) * base + frames + later
    fields = (total // base // 3600 % 24, total // base // 60 % 60, total // base % 60, total % base)
    packed = 0
    for field in fields:
        packed = packed << 8 | (field // 10) << 4 | field % 10
    return packed, 0
