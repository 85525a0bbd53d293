"""Plates: the shot's source images, frame by frame, in the display window and in the network's colours.

Nothing is kept between frames but the first header, so memory does not grow with the shot. Reads may run in several
threads.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from matted.errors import PlateError
from matted.media import movie
from matted.media.color import ColorSettings, ColorTransform, FileColor
from matted.media.image import BEAUTY, Array, Image, Part, UnreadableError, Window, read_channels, read_image
from matted.media.sequence import Sequence

_COLOURS = (("R", "G", "B"), ("r", "g", "b"), ("red", "green", "blue"), ("Red", "Green", "Blue"))
_GREYS = (("Y",), ("y",), ("L",), ("luminance",), ("gray",), ("grey",), ("I",))

_CARRIED = (
    "smpte:KeyCode", "screenWindowCenter", "screenWindowWidth", "worldToCamera", "worldToNDC", "worldToScreen",
    "reelName", "imageCounter",
)  # fmt: skip
"""Header fields that stay true of a matte: where the frame comes from and where the camera stood."""


@dataclass(frozen=True)
class PlateHeader:
    """What a matte takes over from the plate's frame.

    Attributes:
        window: display window.
        pixel_aspect: width of a pixel over its height.
        timecode: SMPTE time code and user bits, packed as in OpenEXR.
        frame_rate: frames a second.
        carried: other fields: (name, OIIO type, value).
    """

    window: Window
    pixel_aspect: float = 1.0
    timecode: tuple[int, int] | None = None
    frame_rate: Fraction | None = None
    carried: tuple[tuple[str, Any, Any], ...] = ()


@dataclass(frozen=True)
class PlateInfo:
    """What is true of the whole plate, taken from its first frame.

    Attributes:
        width: of the display window, pixels.
        height: of the display window, pixels.
        x: left edge of the display window in file coordinates.
        y: top edge of the display window in file coordinates.
        pixel_aspect: width of a pixel over its height.
        frame_rate: frames a second, if the file says.
        channels: the file's names of the channels read as red, green and blue.
        file_format: OpenImageIO's name, e.g. ``openexr``.
        colorspace: the colour space the plate is read in.
    """

    width: int
    height: int
    x: int
    y: int
    pixel_aspect: float
    frame_rate: Fraction | None
    channels: tuple[str, ...]
    file_format: str
    colorspace: str

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height


class Plate:
    """A sequence of images read as one plate.

    Args:
        sequence: from :func:`matted.media.sequence.find_sequence`.
        color: how the file's values become display colours.
        part: EXR part by name or position; by default the first that holds red, green and blue.
        layer: the layer to read (``beauty`` reads ``beauty.R``...), or one channel by its full name; by default the
            channels outside any layer, else the layer called ``rgba``, ``beauty``, ``combined``..., else the only one.

    Raises:
        PlateError: the first frame cannot be read, or has no such part or layer.
        ColorError: the colour settings name what does not exist.
    """

    def __init__(
        self,
        sequence: Sequence,
        *,
        color: ColorSettings | None = None,
        part: str | int | None = None,
        layer: str | None = None,
    ) -> None:
        self.sequence = sequence
        self.color = color or ColorSettings()
        self.part = part
        self.layer = layer
        self._lock = threading.Lock()
        first = sequence.frames[0]
        self._movie = movie.Movie(sequence.path(first), offset=sequence.offset) if sequence.is_movie else None
        if self._movie is not None:
            header, file_format = self._movie.header(first), "movie"
            channels: tuple[str, ...] = ("R", "G", "B")
            hints = FileColor(file_format="movie", is_float=False)
        else:
            image, chosen, indices = self._choose(first)
            header, file_format = _header(chosen), image.file_format
            channels = tuple(chosen.channels[index] for index in indices)
            hints = _file_color(image, chosen)
        self._transform = ColorTransform(self.color, hints)
        self._anchored = not self._transform.needs_anchor
        self.info = PlateInfo(
            width=header.window.width,
            height=header.window.height,
            x=header.window.x,
            y=header.window.y,
            pixel_aspect=header.pixel_aspect,
            frame_rate=header.frame_rate,
            channels=channels,
            file_format=file_format,
            colorspace=self._transform.colorspace,
        )

    @property
    def frames(self) -> tuple[int, ...]:
        """The frames there are, ascending."""
        return self.sequence.frames

    def read(self, frame: int) -> Array:
        """The frame as the network sees it: (H, W, 3) float32, display-referred sRGB, 0..1, finite.

        Raises:
            PlateError: absent, damaged, or of another size than the first frame.
        """
        raw = self.read_raw(frame)
        self._anchor(frame, raw)
        return self._transform(raw)

    def read_raw(self, frame: int) -> Array:
        """The frame's own values: (H, W, 3) float32 in the plate's colour space, 0 where the file stores no pixels.

        Raises:
            PlateError: absent, damaged, or of another size than the first frame.
        """
        path = self.sequence.path(frame)
        if self._movie is not None:
            return self._movie.read(frame)
        _, part, indices = self._choose(frame)
        self._check_size(part, frame, path)
        try:
            pixels = read_channels(path, part, indices)
        except UnreadableError as error:
            raise _unreadable(path, frame, error) from error
        return pixels if pixels.shape[2] == 3 else pixels.repeat(3, axis=2)

    def header(self, frame: int) -> PlateHeader:
        """What the matte of ``frame`` takes over from it.

        Raises:
            PlateError: absent or damaged.
        """
        if self._movie is not None:
            self.sequence.path(frame)
            return self._movie.header(frame)
        return _header(self._choose(frame)[1])

    def _anchor(self, frame: int, raw: Array) -> None:
        """Fix the automatic exposure once for the shot, from frames that do not depend on the order of reading."""
        with self._lock:
            if not self._anchored:
                self._transform.anchor(self._samples(frame, raw))
                self._anchored = True

    def _samples(self, frame: int, raw: Array) -> Iterator[Array]:
        """The first, middle and last frame; a damaged one is passed over here, for it is reported when asked for."""
        for sample in {self.frames[0], self.frames[len(self.frames) // 2], self.frames[-1]}:
            with suppress(PlateError):
                yield raw if sample == frame else self.read_raw(sample)

    def _choose(self, frame: int) -> tuple[Image, Part, tuple[int, ...]]:
        """The headers of a frame, the part to read, and its red, green and blue (or one grey) channel."""
        path = self.sequence.path(frame)
        try:
            image = read_image(path)
        except UnreadableError as error:
            raise _unreadable(path, frame, error) from error
        chosen = _find_channels(self._parts(image, frame), self.layer)
        if chosen is None:
            raise self._no_channels(image, frame)
        return image, *chosen

    def _parts(self, image: Image, frame: int) -> tuple[Part, ...]:
        if self.part is None:
            return image.parts
        chosen = tuple(part for part in image.parts if self.part in (part.index, str(part.index), part.name))
        if not chosen:
            names = ", ".join(f"{part.index} ({part.name or 'unnamed'})" for part in image.parts)
            message = f"Frame {frame}, {image.path}, has no part '{self.part}'."
            raise PlateError("plate_unreadable", message, hint=f"Choose one of {names}.", path=image.path, frame=frame)
        return chosen

    def _no_channels(self, image: Image, frame: int) -> PlateError:
        names = [channel for part in image.parts for channel in part.channels]
        if self.layer is None:
            message = f"Frame {frame}, {image.path}, does not show which of its channels are the picture."
        else:
            message = f"Frame {frame}, {image.path}, has no layer or channel '{self.layer}'."
        layers = sorted({name.rpartition(".")[0] or name for name in names})
        close = difflib.get_close_matches(self.layer or "", [*layers, *names], n=3)
        hint = f"Choose a layer or channel: {', '.join(layers[:12])}."
        if close:
            hint = f"Did you mean {' or '.join(close)}?"
        return PlateError("plate_unreadable", message, hint=hint, path=image.path, frame=frame)

    def _check_size(self, part: Part, frame: int, path: Path) -> None:
        if (part.window.width, part.window.height) == self.info.size:
            return
        size = f"{part.window.width}x{part.window.height}"
        first, wanted = self.frames[0], f"{self.info.width}x{self.info.height}"
        message = f"Frame {frame}, {path}, is {size} but frame {first} is {wanted}."
        hint = "Render every frame of the plate at one size, or split the shot where the size changes."
        raise PlateError("plate_size", message, hint=hint, path=path, frame=frame)


def _find_channels(parts: tuple[Part, ...], layer: str | None) -> tuple[Part, tuple[int, ...]] | None:
    """The part to read and where in it red, green and blue lie, or one grey; None when that is not plain."""
    for part in parts:
        if layer in part.channels:
            return part, (part.channels.index(layer),)
    places = [(part, prefix) for part in parts for prefix in _prefixes(part, layer)]
    places.sort(key=lambda place: _rank(place[1]))
    for sets in (_COLOURS, _GREYS):
        found = [
            (part, prefix, tuple(part.channels.index(prefix + name) for name in names))
            for part, prefix in places
            for names in sets
            if all(prefix + name in part.channels for name in names)
        ]
        is_plain = layer is not None or len(found) == 1 or (found and _rank(found[0][1]) < _rank("other."))
        if found:
            return (found[0][0], found[0][2]) if is_plain else None
    single = [
        (part, (index,))
        for part in parts
        for index, name in enumerate(part.channels)
        if layer is None or name.startswith(f"{layer}.") or part.name == layer
    ]
    return single[0] if len(single) == 1 else None


def _prefixes(part: Part, layer: str | None) -> list[str]:
    """What channel names of the picture may begin with."""
    if layer is not None:
        return [f"{layer}."] + ([""] if part.name == layer else [])
    layers = {name.rpartition(".")[0] for name in part.channels}
    return sorted(f"{name}." if name else "" for name in layers if "crypto" not in name.lower())


def _rank(prefix: str) -> int:
    """Channels outside any layer first, then a layer whose name says it is the picture, then any other."""
    if not prefix:
        return 0
    return 1 if prefix.rstrip(".").rpartition(".")[2].lower() in BEAUTY else 2


def _header(part: Part) -> PlateHeader:
    timecode = part.value("smpte:TimeCode")
    aspect = float(part.value("PixelAspectRatio") or 1.0)
    carried = tuple((name, *part.attributes[name]) for name in _CARRIED if name in part.attributes)
    return PlateHeader(
        window=part.window,
        pixel_aspect=aspect if 0.01 < aspect < 100 else 1.0,  # DPX headers are full of unset fields
        timecode=(int(timecode[0]), int(timecode[1])) if timecode else None,
        frame_rate=_frame_rate(part),
        carried=carried,
    )


def _frame_rate(part: Part) -> Fraction | None:
    """EXR keeps a ratio; DPX keeps a float, where 23.976 stands for 24000/1001."""
    rate = part.value("framesPerSecond")
    if rate is not None:
        pair = rate if isinstance(rate, tuple) else (rate, 1)
        return Fraction(int(pair[0]), int(pair[1])) if pair[1] else None
    decimal = part.value("dpx:FrameRate") or part.value("dpx:TemporalFrameRate")
    if not decimal or not 1 <= decimal <= 1000:
        return None
    ratio = Fraction(round(decimal * 1.001) * 1000, 1001)
    if abs(decimal - round(decimal)) > 1e-3 and abs(decimal - ratio) < 5e-3:
        return ratio
    return Fraction(decimal).limit_denominator(1000)


def _file_color(image: Image, part: Part) -> FileColor:
    return FileColor(
        file_format=image.file_format,
        is_float=part.pixel_type in ("half", "float", "double"),
        declared=part.value("oiio:ColorSpace"),
        transfer=part.value("dpx:Transfer"),
        chromaticities=part.value("chromaticities"),
        is_aces=bool(part.value("acesImageContainerFlag")),
    )


def _unreadable(path: Path, frame: int, error: UnreadableError) -> PlateError:
    message = f"Frame {frame}, {path}, cannot be read: {error}."
    hint = f"Render or copy frame {frame} again, or leave it out and skip missing frames."
    return PlateError("plate_unreadable", message, hint=hint, path=path, frame=frame)
