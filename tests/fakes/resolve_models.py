"""What the stand-in Resolve is made of, as it truly is: plain data that the artist changes and handles report on.

Frames: ``MediaModel`` counts from ``first`` (the number of the first file; 0 in a movie), ``TimelineModel.start`` is its
first frame (86400 at 01:00:00:00 and 24 frames a second), items lie at timeline frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

MARKER_COLORS = ["Blue", "Cyan", "Green", "Yellow", "Red", "Pink", "Purple", "Fuchsia", "Rose", "Lavender", "Sky", "Mint", "Lemon", "Sand", "Cocoa", "Cream"]  # fmt: skip
CLIP_COLORS = ["Orange", "Apricot", "Yellow", "Lime", "Olive", "Green", "Teal", "Navy", "Blue", "Purple", "Violet", "Pink", "Tan", "Beige", "Brown", "Chocolate"]  # fmt: skip

SIZING = {
    "Pan": 0.0,
    "Tilt": 0.0,
    "ZoomX": 1.0,
    "ZoomY": 1.0,
    "ZoomGang": True,
    "RotationAngle": 0.0,
    "AnchorPointX": 0.0,
    "AnchorPointY": 0.0,
    "Pitch": 0.0,
    "Yaw": 0.0,
    "FlipX": False,
    "FlipY": False,
    "CropLeft": 0.0,
    "CropRight": 0.0,
    "CropTop": 0.0,
    "CropBottom": 0.0,
    "CropSoftness": 0.0,
    "CropRetain": False,
    "DynamicZoomEase": 0,
    "CompositeMode": 0,
    "Opacity": 100.0,
    "Distortion": 0.0,
    "RetimeProcess": 0,
    "MotionEstimation": 0,
    "Scaling": 0,
    "ResizeFilter": 0,
}
"""What GetProperty tells of a clip nobody touched."""


@dataclass(eq=False)
class MarkerModel:
    color: str
    name: str = ""
    note: str = ""
    duration: float = 1.0
    custom: str = ""


MarkerModels = dict[int, MarkerModel]
"""One marker a frame, in the frames of whatever carries them."""


@dataclass(eq=False)
class NodeModel:
    lut: str = ""
    label: str = ""
    tools: list[str] = field(default_factory=list)


@dataclass(eq=False)
class BinModel:
    id: str
    name: str
    parent: BinModel | None = None
    bins: list[BinModel] = field(default_factory=list)
    media: list[MediaModel] = field(default_factory=list)

    def walk(self) -> Iterator[BinModel]:
        """Itself and all below."""
        yield self
        for each in self.bins:
            yield from each.walk()

    @property
    def path(self) -> str:
        return f"{self.parent.path}/{self.name}" if self.parent else self.name


@dataclass(eq=False)
class MediaModel:
    """A clip of the media pool.

    Attributes:
        kind: "sequence", "movie", "still", "timeline" or "compound".
        source: pattern with ``%04d``, or the path of a movie or still; '' where there is no file.
        first: number of a sequence's first file; 0 otherwise.
        properties: what GetClipProperty tells otherwise than it truly is.
        mattes: paths as GetClipMatteList would tell them in order.
    """

    id: str
    name: str
    kind: str
    source: str = ""
    first: int = 0
    frames: int = 0
    fps: Fraction = field(default_factory=lambda: Fraction(24))
    size: tuple[int, int] = (0, 0)
    properties: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    third_party: dict[str, str] = field(default_factory=dict)
    markers: MarkerModels = field(default_factory=dict)
    mattes: list[str] = field(default_factory=list)
    color: str = ""
    mark_in: int | None = None
    mark_out: int | None = None

    @property
    def last(self) -> int:
        return self.first + self.frames - 1

    def file(self, number: int) -> Path:
        """The file of a number, or the movie."""
        return Path(self.source % number if self.kind == "sequence" else self.source)

    @property
    def online(self) -> bool:
        return bool(self.source) and self.file(self.first).is_file() and self.file(self.last).is_file()


@dataclass(eq=False)
class ItemModel:
    """A clip of a timeline.

    Attributes:
        kind: "clip", "generator", "title" or "compound".
        start: timeline frame at which it begins.
        source_in: frame of the media, from 0, that its first frame shows.
        speed: of the retime; negative plays backwards from ``source_in``.
        rate: frames of the media that go by in one timeline frame at speed 1: not 1 where the rates differ.
        properties: what differs from ``SIZING``.
        markers: in frames from the clip's start; a trimmed head leaves negative ones.
        alpha: what the artist routed to the alpha output: coverage (h, w) by the number in the media, or None.
        grade: of the pixels (h, w, 3), or None.
        stabilised: changes the picture, and no call tells.
        reports: what single methods tell instead of the truth, by method name.
    """

    id: str
    name: str
    start: int
    duration: int
    kind: str = "clip"
    media: MediaModel | None = None
    source_in: int = 0
    speed: Fraction = field(default_factory=lambda: Fraction(1))
    rate: Fraction = field(default_factory=lambda: Fraction(1))
    properties: dict[str, Any] = field(default_factory=dict)
    markers: MarkerModels = field(default_factory=dict)
    enabled: bool = True
    color: str = ""
    version: str = "Version 1"
    nodes: list[NodeModel] = field(default_factory=lambda: [NodeModel()])
    comps: list[Any] = field(default_factory=list)
    alpha: Callable[[int], Any] | None = None
    grade: Callable[[Any], Any] | None = None
    stabilised: bool = False
    durable: bool = True
    reports: dict[str, Any] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The first frame after it."""
        return self.start + self.duration

    def source_frame(self, frame: int) -> int:
        """Which frame of the media, from 0, a timeline frame shows."""
        return self.source_in + math.floor((frame - self.start) * self.speed * self.rate)


@dataclass(eq=False)
class TrackModel:
    name: str
    enabled: bool = True
    locked: bool = False
    items: list[ItemModel] = field(default_factory=list)

    def free(self, start: int, end: int) -> bool:
        """Whether nothing lies between the two frames."""
        return all(end <= item.start or item.end <= start for item in self.items)


@dataclass(eq=False)
class TimelineModel:
    """Attributes: mark_in, mark_out: timeline frames, or None."""

    id: str
    name: str
    start: int
    tracks: dict[str, list[TrackModel]]
    markers: MarkerModels = field(default_factory=dict)
    mark_in: int | None = None
    mark_out: int | None = None
    playhead: int = 0
    settings: dict[str, str] = field(default_factory=dict)

    def items(self) -> Iterator[tuple[int, ItemModel]]:
        """(video track, clip), lowest track first."""
        for index, track in enumerate(self.tracks["video"], 1):
            for item in sorted(track.items, key=lambda each: each.start):
                yield index, item

    @property
    def end(self) -> int:
        """The first frame after the last clip."""
        return max([self.start, *(item.end for _, item in self.items())])

    def at(self, frame: int) -> ItemModel | None:
        """What shows at a frame: the top-most clip that is switched on."""
        found = None
        for index, item in self.items():
            if self.tracks["video"][index - 1].enabled and item.enabled and item.start <= frame < item.end:
                found = item
        return found


@dataclass(eq=False)
class ProjectModel:
    """Attributes: queue: of ``fakes.resolve_render``; timeline: the one that is open; saves: how often it was saved."""

    id: str
    name: str
    settings: dict[str, str]
    root: BinModel
    bin: BinModel
    timelines: list[TimelineModel] = field(default_factory=list)
    timeline: TimelineModel | None = None
    selected: list[MediaModel] = field(default_factory=list)
    queue: Any = None
    saves: int = 0

    def media(self) -> Iterator[MediaModel]:
        """Every clip of the media pool."""
        for each in self.root.walk():
            yield from each.media


# -- timecode, as Resolve shows it


def rate_of(text: str) -> tuple[Fraction, bool]:
    """Frames a second of a setting's text, and whether it drops frames: ``29.97 DF``."""
    number = text.replace("DF", "").strip()
    near = round(float(number))
    whole = float(number) == near
    return (Fraction(near) if whole else Fraction(near * 1000, 1001)), "DF" in text


def timecode(frame: int, text: str) -> str:
    """The timecode of a frame counted from 00:00:00:00."""
    rate, drop = rate_of(text)
    base = round(rate)
    if drop:
        dropped = base // 15
        tens, rest = divmod(frame, base * 600 - 9 * dropped)
        frame += dropped * 9 * tens + max(0, (rest - dropped) // (base * 60 - dropped)) * dropped
    seconds, frames = divmod(frame, base)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}{';' if drop else ':'}{frames:02d}"


def frame_of(code: str, text: str) -> int | None:
    """The frame of a timecode, or None when it is none."""
    rate, drop = rate_of(text)
    base = round(rate)
    parts = code.replace(";", ":").split(":")
    if len(parts) != 4 or not all(part.isdecimal() for part in parts):
        return None
    hours, minutes, seconds, frames = map(int, parts)
    if minutes > 59 or seconds > 59 or frames >= base:
        return None
    total = ((hours * 60 + minutes) * 60 + seconds) * base + frames
    if drop:
        dropped, all_minutes = base // 15, hours * 60 + minutes
        if frames < dropped and seconds == 0 and minutes % 10:
            return None
        total -= dropped * (all_minutes - all_minutes // 10)
    return total
