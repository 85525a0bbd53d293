"""What the buttons need of a host, and nothing of any one host.

A :class:`Host` stands for one shot in the host: a node in Nuke, a clip in Resolve. All of it is called on the host's
main thread, and every call is short except a step of :meth:`Host.render`, which renders one frame at most.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Optional

from matted_protocol.messages import MatteOptions, Range, Settings


class HostError(Exception):
    """Something the artist has to put right in the host.

    Attributes:
        message: what happened, to which node, file and frame.
        hint: what to do next.
        path: the file concerned, if any.
        frame: the frame concerned, if any.
    """

    def __init__(self, message: str, hint: str, *, path: str | None = None, frame: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = path
        self.frame = frame


class Gone(HostError):
    """The node was deleted, or its script closed."""


@dataclass(frozen=True)
class Plate:
    """The shot's source images as the host knows them.

    Attributes:
        path: the files' pattern when the daemon can read them as they are; None when the host must render them.
        offset: what to add to the host's frame number to get the number in the file name.
        size: width and height of the format, pixels.
        pixel_aspect: width of a pixel over its height.
        colorspace: of the files at ``path``, or of what the host renders; None lets the daemon say.
        ocio: path of the OpenColorIO configuration the name belongs to, if the host uses one.
        exposure: stops; None lets the daemon choose.
        frame_rate: frames a second as a fraction.
        why: for people: why it has to be rendered; empty when it is read from disk.
    """

    path: str | None
    size: tuple[int, int]
    offset: int = 0
    pixel_aspect: float = 1.0
    colorspace: str | None = None
    ocio: str | None = None
    exposure: float | None = None
    frame_rate: tuple[int, int] | None = None
    why: str = ""


def rate(fps: float) -> tuple[int, int] | None:
    """Frames a second as a fraction: 23.976 is 24000/1001."""
    if fps <= 0:
        return None
    if abs(fps - round(fps)) < 1e-3:
        return round(fps), 1
    whole = round(fps * 1.001)
    return (whole * 1000, 1001) if abs(whole * 1000 / 1001 - fps) < 2e-3 else (round(fps * 1000), 1000)


@dataclass(frozen=True)
class ObjectSource:
    """One thing to matte, and where its masks are.

    Attributes:
        name: the object's.
        channel: of the host's mask input, which shows it in the keyframes.
        files: the masks' files, ``/masks/hero.%04d.png`` with the shot's frame numbers, when they are on disk already;
            '' when the host renders them.
    """

    name: str
    channel: str = "rgba.alpha"
    files: str = ""


@dataclass(frozen=True)
class Asked:
    """All that an action wants to know of the host, read at once.

    Attributes:
        plate: the source images.
        frames: the range to matte, in the host's numbers.
        keyframes: the frames whose masks the artist vouches for, ascending.
        objects: what to matte.
        out: folder for the mattes; versions go below it.
        transport: ``paths`` when host and daemon see the same files, ``pixels`` over the wire, ``auto``: paths where
            the daemon is on this machine or can read them.
        settings: what decides the pixels.
        mattes: how they are written.
        suggestions: how many frames to suggest.
        notes: sentences for the artist about how the keyframes were found.
    """

    plate: Plate
    frames: Range
    keyframes: tuple[int, ...]
    objects: tuple[ObjectSource, ...]
    out: str
    transport: str = "auto"
    settings: Settings = field(default_factory=Settings)
    mattes: MatteOptions = field(default_factory=MatteOptions)
    suggestions: int = 3
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rendering:
    """One frame the host is asked to render to a half-float EXR file without changing its values.

    Attributes:
        frame: in the host's numbers.
        path: the file, with forward slashes; its folder exists.
        channel: None for the plate's colours, or the channel of the mask input, with motion blur off.
        compressed: False for pixels that are read back here.
    """

    frame: int
    path: str
    channel: str | None = None
    compressed: bool = True


Renderings = Generator[Optional[Rendering], None, None]
"""Frames on their way: see :meth:`Host.render`."""


@dataclass(frozen=True)
class Shape:
    """One closed Bezier outline over its life, as the daemon traced it.

    Attributes:
        object: the object's name.
        name: the shape's own name.
        frames: key frames, ascending; between them every number goes in a straight line.
        points: for each key, for each point: x and y of the point, of its left and of its right handle (both from the
            point), in pixels from the top left corner of the display window, y down.
        lifetime: the ranges (first, last) in which the shape shows, ends included.
        hole: whether it is taken out of the shapes before it.
        size: width and height of the display window in pixels.
    """

    object: str
    name: str
    frames: tuple[int, ...]
    points: tuple[tuple[tuple[float, ...], ...], ...]
    lifetime: tuple[tuple[int, int], ...]
    hole: bool
    size: tuple[int, int]


@dataclass(frozen=True)
class Mattes:
    """Where the mattes lie.

    Attributes:
        patterns: ``/…/v001/hero/hero.%04d.exr`` of each object, by name; one, by the name '', when a file holds all;
            one for each four objects, by the file's name, when they are packed.
        frames: first and last frame asked for.
        complete: whether every frame is there.
        layers: the objects, when a file holds several.
    """

    patterns: dict[str, str]
    frames: tuple[int, int]
    complete: bool
    layers: tuple[str, ...] = ()


class Host(ABC):
    """One shot in the host."""

    program: str
    """``nuke 16.0v9``: who talks to the daemon."""

    how_to_key: str
    """What the artist does to make a keyframe, for one who made none."""

    @property
    def place(self) -> str:
        """The project's file, which tells a shot from its copy in another project; '' before it was ever saved."""
        return ""

    @property
    @abstractmethod
    def key(self) -> str:
        """What tells this shot from the others open in the host now: a node's full name.

        Raises:
            Gone: the shot is no longer in the host.
        """

    @abstractmethod
    def read(self) -> Asked:
        """All that an action wants to know.

        Raises:
            HostError: an input is missing, or a setting makes no sense.
        """

    @abstractmethod
    def signature(self, frame: int) -> str:
        """Another text when the plate's picture at this frame has changed, so that a rendered frame can be kept."""

    @abstractmethod
    def render(self, renderings: Sequence[Rendering]) -> Renderings:
        """Render frames: yields each when its file is whole, in any order, and None to give others a turn.

        At the end, and when it is closed before, the host's graph and settings are as they were.

        Raises:
            HostError: a frame could not be rendered, or its file is not there or empty.
        """

    @abstractmethod
    def show_mattes(self, mattes: Mattes) -> Sequence[str]:
        """Show the mattes in the host; called again as frames arrive. Returns sentences for the artist.

        Raises:
            HostError: the host did not take them; they lie on disk all the same.
        """

    @abstractmethod
    def show_marks(self, keyframes: Sequence[int], suggestions: Sequence[tuple[int, str]]) -> None:
        """Mark these frames, suggestions with their reasons, where the host has a place for marks."""

    @abstractmethod
    def show_status(self, sentence: str) -> None:
        """Say how it goes, next to the buttons."""

    @abstractmethod
    def make_shapes(self, shapes: Sequence[Shape], name: str) -> str:
        """Make editable splines of traced shapes; returns what holds them."""

    @abstractmethod
    def stored(self) -> str:
        """The state as it was stored in the host's project, or ''.

        Raises:
            Gone: the shot is no longer in the host.
        """

    @abstractmethod
    def store(self, text: str) -> None:
        """Keep the state in the host's project, without an undo step.

        Raises:
            Gone: the shot is no longer in the host.
        """
