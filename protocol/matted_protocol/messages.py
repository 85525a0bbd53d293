"""What goes over the wire, one frozen dataclass a message body. ``protocol/README.md`` is the authority.

Both ends build messages from these annotations at run time, on Python 3.9 too, so this module does without
``from __future__ import annotations`` and writes ``Optional``. A value outside its range raises :class:`ValueError`
where the message is made, in the host, before anything is sent; the daemon checks again.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Any, Literal, Optional

VERSION = (1, 0)
"""Major and minor version of the protocol. Another major is refused; within one, unknown fields are ignored."""

Range = tuple[int, int, int]
"""First frame, last frame (inclusive) and step, in the host's own numbers."""

BYTES = {"uint8": 1, "uint16": 2, "half": 2, "float": 4}
"""Bytes of one value of each pixel type."""

_FRAMES = 2**31 - 1
_ID = re.compile(r"[0-9a-f]{16}")
_VERSION_FOLDER = re.compile(r"v\d{3,9}")
_NAME = 200


def _require(holds: bool, says: str) -> None:
    if not holds:
        raise ValueError(says)


def _check_frame(frame: int) -> None:
    _require(-_FRAMES <= frame <= _FRAMES, f"frame {frame} is not between -{_FRAMES} and {_FRAMES}")


def _check_range(frames: Optional[Range]) -> None:
    if frames is not None:
        first, last, step = frames
        _check_frame(first)
        _check_frame(last)
        _require(first <= last, f"the range {first}-{last} ends before it starts")
        _require(step >= 1, f"the step of a range is 1 or more, not {step}")


def _check_id(text: str, what: str) -> None:
    _require(_ID.fullmatch(text) is not None, f"a {what} id is 16 hexadecimal digits")


def _check_name(text: Optional[str], what: str) -> None:
    _require(text is None or len(text) <= _NAME, f"{what} is at most {_NAME} characters")


@dataclass(frozen=True)
class Header:
    """The first part of every message: ``id`` names it, ``parent`` is the request that a reply or event answers."""

    id: str
    type: str
    version: tuple[int, int] = VERSION
    parent: Optional[str] = None

    def __post_init__(self) -> None:
        _require(0 < len(self.id) <= 64, "an id is 1 to 64 characters")
        _require(self.parent is None or len(self.parent) <= 64, "a parent is at most 64 characters")


@dataclass(frozen=True)
class Pixels:
    """One raw buffer: rows from the top, channels interleaved in the order of ``channels``, little-endian, unpadded.

    ``half`` is IEEE 754 binary16, ``float`` binary32. Unsigned integers stand for 0..1.
    """

    width: int
    height: int
    channels: tuple[str, ...]
    dtype: Literal["uint8", "uint16", "half", "float"]

    def __post_init__(self) -> None:
        _require(1 <= self.width <= 32768 and 1 <= self.height <= 32768, "width and height are 1 to 32768 pixels")
        _require(1 <= len(self.channels) <= 32, "pixels have 1 to 32 channels")
        _require(len(set(self.channels)) == len(self.channels), "each channel is named once")
        _require(all(0 < len(name) <= _NAME for name in self.channels), "every channel has a name")

    @property
    def size(self) -> int:
        """Bytes of the buffer."""
        return self.width * self.height * len(self.channels) * BYTES[self.dtype]


@dataclass(frozen=True)
class PlateSource:
    """The shot's source images: files at ``path``, or pixels of ``size`` that ``put_plate`` sends.

    ``path`` is absolute: a pattern (``####``, ``%04d``, ``$F4``, ``@@@@``), a folder or a movie. ``exposure`` is in
    stops and None chooses it from the plate. ``colorspace`` None takes what the files say; sent pixels are sRGB when
    they are integers and scene-linear Rec.709 when they are half or float. ``ocio`` is
    the path of a configuration, or the ``ocio://`` name of a built-in one. ``offset`` is what to add to a frame of the
    shot to get the number in its file's name (a movie's pictures count from 1); sent pixels have none.
    """

    path: Optional[str] = None
    size: Optional[tuple[int, int]] = None
    colorspace: Optional[str] = None
    exposure: Optional[float] = None
    part: Optional[str] = None
    layer: Optional[str] = None
    ocio: Optional[str] = None
    pixel_aspect: float = 1.0
    frame_rate: Optional[tuple[int, int]] = None
    offset: int = 0

    def __post_init__(self) -> None:
        _require((self.path is None) != (self.size is None), "a plate has either a path or a size")
        if self.size is not None:
            _require(all(1 <= side <= 32768 for side in self.size), "width and height are 1 to 32768 pixels")
        _require(self.exposure is None or abs(self.exposure) <= 20, "exposure is -20 to 20 stops")
        _require(math.isfinite(self.pixel_aspect) and self.pixel_aspect > 0, "a pixel aspect is above 0")
        if self.frame_rate is not None:
            _require(all(1 <= part < _FRAMES for part in self.frame_rate), "a frame rate is two whole numbers above 0")
        _require(abs(self.offset) <= _FRAMES, f"a frame offset is -{_FRAMES} to {_FRAMES}")
        _require(self.path is not None or self.offset == 0, "pixels are sent with the shot's frame numbers: no offset")


@dataclass(frozen=True)
class Settings:
    """What decides the pixels besides plate and keyframes.

    ``weights`` is ``lite``, ``xmem`` or the path of an XMem checkpoint; ``working_size`` is the shorter side in pixels
    at which the network sees the plate, 0 for the plate's own.
    """

    weights: str = "lite"
    direction: Literal["both", "forward", "backward"] = "both"
    working_size: int = 480

    def __post_init__(self) -> None:
        _require(0 <= self.working_size <= 8192, "a working size is 0 to 8192 pixels")


@dataclass(frozen=True)
class MatteOptions:
    """How mattes are written; the words are those of ``matted propagate``."""

    format: Literal["exr", "png16", "png8"] = "exr"
    layout: Literal["files", "layers", "rgba", "cryptomatte"] = "files"
    compression: str = "zips"
    name: str = "matte"

    def __post_init__(self) -> None:
        _check_name(self.name, "the name of the mattes")


@dataclass(frozen=True)
class WatchOptions:
    """How a client is told of a job.

    ``after`` is the number of the last event it has: the daemon sends the later ones. ``credit`` is how many numbered
    events may be on their way before an ``ack``. With ``bytes`` each ``frame_done`` brings the matte files along.
    """

    after: int = 0
    credit: int = 64
    mattes: Literal["paths", "bytes"] = "paths"

    def __post_init__(self) -> None:
        _require(self.after >= 0, "events are counted from 1")
        _require(0 <= self.credit <= 1024, "credit is 0 to 1024 events")


@dataclass(frozen=True)
class Piece:
    """A part of the work on a job that many hosts share: it is done in the version folder ``folder`` and nowhere else.

    ``segment`` makes the frames from its first to its last, inclusive, which begin and end where the job may be cut;
    ``left_out`` predicts that keyframe from the others, for the review; neither of them does all that is left.
    """

    folder: str
    segment: Optional[tuple[int, int]] = None
    left_out: Optional[int] = None

    def __post_init__(self) -> None:
        _require(_VERSION_FOLDER.fullmatch(self.folder) is not None, "a version folder is named like v001")
        _require(self.segment is None or self.left_out is None, "a piece is a segment or a keyframe left out")
        for frame in (*(self.segment or ()), *(() if self.left_out is None else (self.left_out,))):
            _check_frame(frame)
        _require(self.segment is None or self.segment[0] <= self.segment[1], "a segment ends before it starts")


# Requests


@dataclass(frozen=True)
class Hello:
    """Asks who the daemon is. ``client`` names the program: ``nuke 16.0v9``. Answer: :class:`Welcome`."""

    client: str = ""

    def __post_init__(self) -> None:
        _check_name(self.client, "the client's name")


@dataclass(frozen=True)
class Ping:
    """Answered at once by the thread that owns the socket. Answer: :class:`Pong`."""


@dataclass(frozen=True)
class GetStatus:
    """Answer: :class:`Status`."""


@dataclass(frozen=True)
class OpenShot:
    """Opens a shot, or the one opened before with the same content: its keyframes are still there.

    ``name`` tells two shots of one plate apart. ``objects`` declares names; masks may bring more. ``frames`` None takes
    the whole plate. Answer: :class:`Shot`.
    """

    plate: PlateSource
    frames: Optional[Range] = None
    objects: tuple[str, ...] = ()
    name: str = ""
    missing: Literal["error", "skip"] = "error"

    def __post_init__(self) -> None:
        _check_range(self.frames)
        _check_name(self.name, "the name of a shot")
        _require(len(self.objects) <= 256, "a shot has at most 256 objects")
        _require(len(set(self.objects)) == len(self.objects), "every object has a name of its own")
        for name in self.objects:
            _require(name != "", "every object has a name")
            _check_name(name, "the name of an object")


@dataclass(frozen=True)
class PutPlate:
    """Sends the pixels of one plate frame, with one buffer. Sending a frame again replaces it. Answer: :class:`Put`."""

    shot: str
    frame: int
    pixels: Pixels

    def __post_init__(self) -> None:
        _check_id(self.shot, "shot")
        _check_frame(self.frame)


@dataclass(frozen=True)
class SetKeyframe:
    """Gives the mask of an object in a frame, or of every object its file names; replaces an earlier one.

    Either ``path``, the absolute path of one file, or ``pixels`` with one buffer, whose size is the plate's. Answer:
    :class:`Keyframes`.
    """

    shot: str
    frame: int
    object: Optional[str] = None
    path: Optional[str] = None
    pixels: Optional[Pixels] = None
    layer: Optional[str] = None
    pick: Optional[tuple[str, ...]] = None

    def __post_init__(self) -> None:
        _check_id(self.shot, "shot")
        _check_frame(self.frame)
        _require((self.path is None) != (self.pixels is None), "a mask is either a path or pixels")
        _require(self.object != "", "an object's name is not empty")
        _check_name(self.object, "the name of an object")
        _check_name(self.layer, "the name of a layer")
        _require(self.pick is None or 1 <= len(self.pick) <= 1024, "pick is 1 to 1024 names")


@dataclass(frozen=True)
class RemoveKeyframe:
    """Takes back the masks of a frame, or of one object in it. Answer: :class:`Keyframes`."""

    shot: str
    frame: int
    object: Optional[str] = None

    def __post_init__(self) -> None:
        _check_id(self.shot, "shot")
        _check_frame(self.frame)


@dataclass(frozen=True)
class ListKeyframes:
    """Answer: :class:`Keyframes`."""

    shot: str

    def __post_init__(self) -> None:
        _check_id(self.shot, "shot")


@dataclass(frozen=True)
class Propagate:
    """Makes the mattes of ``frames`` (None: all of the shot's) from the keyframes as they are now.

    Mattes go to ``<out>/v001``, v002, …; with ``out`` None the daemon keeps them and ``frame_done`` or ``get_matte``
    bring them. The same content is the same job: sent again it goes on, or answers that it is done. ``review`` has the
    mattes looked over when they are done; the sidecar in their folder tells what was found. ``piece`` asks for a part
    of the work alone. ``watch`` None asks for no events. Answer: :class:`Job`.
    """

    shot: str
    out: Optional[str] = None
    frames: Optional[Range] = None
    settings: Settings = field(default_factory=Settings)
    mattes: MatteOptions = field(default_factory=MatteOptions)
    suggestions: int = 3
    review: bool = False
    piece: Optional[Piece] = None
    priority: Literal["interactive", "batch"] = "interactive"
    watch: Optional[WatchOptions] = None

    def __post_init__(self) -> None:
        _check_id(self.shot, "shot")
        _check_range(self.frames)
        _require(self.piece is None or self.out is not None, "a piece has its folder in an out folder")
        _require(0 <= self.suggestions <= 1000, "suggestions are 0 to 1000")


@dataclass(frozen=True)
class Suggest:
    """Names the frames most worth masking next; ``job_done`` brings them.

    ``mattes`` is the folder of mattes made before; None makes them now and keeps none. ``alpha`` weighs the whole frame
    (0) against the object (1). Answer: :class:`Job`.
    """

    shot: str
    count: int = 3
    method: Literal["doubt", "diversity"] = "doubt"
    alpha: float = 0.5
    frames: Optional[Range] = None
    settings: Settings = field(default_factory=Settings)
    mattes: Optional[str] = None
    priority: Literal["interactive", "batch"] = "interactive"
    watch: Optional[WatchOptions] = None

    def __post_init__(self) -> None:
        _check_id(self.shot, "shot")
        _check_range(self.frames)
        _require(1 <= self.count <= 1000, "a count of suggestions is 1 to 1000")
        _require(0 <= self.alpha <= 1, "alpha is 0 to 1")


@dataclass(frozen=True)
class GetMatte:
    """Asks for the matte files of a finished frame. Answer: :class:`Matte`, with one buffer a file."""

    job: str
    frame: int

    def __post_init__(self) -> None:
        _check_id(self.job, "job")
        _check_frame(self.frame)


@dataclass(frozen=True)
class Trace:
    """Asks for Bezier shapes of the finished mattes of a job: editable, with few points and few keys.

    ``object`` None takes every object, ``frames`` None every finished frame. ``tolerance`` is in pixels. Answer:
    :class:`Traced`, with one buffer a shape.
    """

    job: str
    object: Optional[str] = None
    frames: Optional[Range] = None
    tolerance: float = 1.0

    def __post_init__(self) -> None:
        _check_id(self.job, "job")
        _check_range(self.frames)
        _check_name(self.object, "the name of an object")
        _require(0.25 <= self.tolerance <= 100, "a tolerance is 0.25 to 100 pixels")


@dataclass(frozen=True)
class Watch:
    """Asks for the events of a job from now on, and for those after ``options.after``. Answer: :class:`Job`."""

    job: str
    options: WatchOptions = field(default_factory=WatchOptions)

    def __post_init__(self) -> None:
        _check_id(self.job, "job")


@dataclass(frozen=True)
class Ack:
    """Tells that the events up to ``seq`` have been dealt with, so that more may come. It has no answer."""

    job: str
    seq: int

    def __post_init__(self) -> None:
        _check_id(self.job, "job")
        _require(self.seq >= 0, "events are counted from 1")


@dataclass(frozen=True)
class Cancel:
    """Stops a job after the frame at hand; its mattes stay, and the same job goes on later. Answer: :class:`Job`."""

    job: str

    def __post_init__(self) -> None:
        _check_id(self.job, "job")


@dataclass(frozen=True)
class ListShots:
    """Answer: :class:`Shots`, of this user; the operator sees everybody's."""


@dataclass(frozen=True)
class ListJobs:
    """Answer: :class:`Jobs`, newest first, of this user; the operator sees everybody's."""

    shot: Optional[str] = None
    unfinished: bool = False

    def __post_init__(self) -> None:
        if self.shot is not None:
            _check_id(self.shot, "shot")


@dataclass(frozen=True)
class CloseShot:
    """Lets go of the memory of a shot; everything on disk stays and any later request opens it again. Answer:
    :class:`Done`.
    """

    shot: str

    def __post_init__(self) -> None:
        _check_id(self.shot, "shot")


@dataclass(frozen=True)
class DeleteShot:
    """Cancels the jobs of a shot and forgets it: keyframes, sent pixels, kept mattes. Files in an artist's ``out``
    folders stay. Answer: :class:`Done`.
    """

    shot: str

    def __post_init__(self) -> None:
        _check_id(self.shot, "shot")


@dataclass(frozen=True)
class Shutdown:
    """Stops the daemon after the frame at hand; unfinished jobs go on at the next start. Operator only. Answer:
    :class:`Done`.
    """


# Replies


@dataclass(frozen=True)
class Error:
    """What went wrong: a ``code`` for programs, ``message`` and ``hint`` for people."""

    code: str
    message: str
    hint: str
    path: Optional[str] = None
    frame: Optional[int] = None


@dataclass(frozen=True)
class Done:
    """It is done."""


@dataclass(frozen=True)
class Welcome:
    """Who answers. ``instance`` is new at every start of the daemon. Limits are in bytes and messages."""

    matted: str
    version: tuple[int, int]
    instance: str
    user: str
    operator: bool
    max_body: int
    max_buffer: int
    max_unanswered: int
    max_pixels_unanswered: int


@dataclass(frozen=True)
class Pong:
    """``instance`` is new at every start of the daemon: a client that sees another one watches its jobs again."""

    instance: str


@dataclass(frozen=True)
class DeviceStatus:
    """One compute device. Memory in bytes; on the CPU it is the daemon's own."""

    name: str
    model: str
    memory_used: int
    memory_total: int
    job: Optional[str] = None
    weights: tuple[str, ...] = ()
    features: int = 0


@dataclass(frozen=True)
class WeightsStatus:
    """One named network; ``state`` is ``ready``, ``missing`` or ``refused``."""

    name: str
    state: str
    licence: str
    note: str


@dataclass(frozen=True)
class Status:
    """How the daemon is. ``uptime`` in seconds, memory and disk in bytes."""

    matted: str
    instance: str
    pid: int
    uptime: float
    endpoint: str
    state: str
    roots: tuple[str, ...]
    memory_used: int
    memory_budget: int
    spool_used: int
    spool_budget: int
    disk_free: int
    clients: int
    shots: int
    queued: int
    running: int
    devices: tuple[DeviceStatus, ...]
    weights: tuple[WeightsStatus, ...]
    versions: dict[str, str]


@dataclass(frozen=True)
class ObjectInfo:
    """One thing to matte. ``id`` counts from 1 within the shot and is never used again."""

    id: int
    name: str


@dataclass(frozen=True)
class Shot:
    """One shot. ``frames`` are those there are mattes to make for; empty until pixels have been sent."""

    shot: str
    name: str
    user: str
    plate: Optional[str]
    size: tuple[int, int]
    frames: tuple[int, ...]
    objects: tuple[ObjectInfo, ...]
    keyframes: tuple[int, ...]


@dataclass(frozen=True)
class Put:
    """``frames`` is how many plate frames of the shot have been sent by now."""

    frames: int


@dataclass(frozen=True)
class Mask:
    """One mask the daemon holds a copy of. ``object`` None: the objects its file names."""

    object: Optional[str]
    name: str
    sha256: str
    layer: Optional[str] = None
    pick: Optional[tuple[str, ...]] = None


@dataclass(frozen=True)
class Keyframe:
    """The masks of one frame."""

    frame: int
    masks: tuple[Mask, ...]


@dataclass(frozen=True)
class Keyframes:
    """Every keyframe of a shot, by frame, and its objects."""

    shot: str
    keyframes: tuple[Keyframe, ...]
    objects: tuple[ObjectInfo, ...]


@dataclass(frozen=True)
class Job:
    """One job. ``folder`` is spelled as ``out`` was; None while the daemon keeps the mattes. ``seq`` is the number of
    the last event so far, ``ahead`` the jobs that wait before this one.
    """

    job: str
    shot: str
    user: str
    kind: Literal["propagate", "suggest"]
    priority: Literal["interactive", "batch"]
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    folder: Optional[str]
    done: int
    total: int
    seq: int
    ahead: int = 0
    error: Optional[Error] = None


@dataclass(frozen=True)
class Matte:
    """The names of a frame's matte files, relative to the job's folder; the buffers are the files."""

    job: str
    frame: int
    files: tuple[str, ...]


@dataclass(frozen=True)
class TracedShape:
    """One closed Bezier shape. ``frames`` are its keys; between them every number goes in a straight line.

    The shape is there from the first to the last frame of each pair in ``lifetime``. A ``hole`` is taken out of the
    shapes before it. ``size`` is the width and height of the mattes in pixels.
    """

    object: str
    name: str
    frames: tuple[int, ...]
    points: int
    lifetime: tuple[tuple[int, int], ...]
    hole: bool
    size: tuple[int, int]


@dataclass(frozen=True)
class Traced:
    """Shapes in the order to draw them in, later ones over earlier ones; one buffer each.

    A buffer holds float32, little-endian: for each key, for each point, x and y of the point, then of its left and of
    its right handle, both from the point. Pixels from the top left corner of the display window, y down, a pixel's
    centre at +0.5.
    """

    job: str
    shapes: tuple[TracedShape, ...]


@dataclass(frozen=True)
class Shots:
    """Shots, oldest first."""

    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Jobs:
    """Jobs, newest first."""

    jobs: tuple[Job, ...]


# Events


@dataclass(frozen=True)
class Suggestion:
    """A frame worth masking next: the higher the ``score``, above 0, the more; ``reason`` is a sentence for people."""

    frame: int
    score: float
    reason: str
    nearest_keyframe: int


@dataclass(frozen=True)
class Progress:
    """One more step of a job, not numbered and left out when the client lags. ``done`` of ``total`` steps."""

    job: str
    frame: int
    done: int
    total: int


@dataclass(frozen=True)
class FrameDone:
    """A matte is whole on disk. ``files`` are relative to ``folder``; ``confidence`` 0..1 by object."""

    job: str
    seq: int
    frame: int
    folder: Optional[str]
    files: tuple[str, ...]
    confidence: dict[str, float]


@dataclass(frozen=True)
class Degraded:
    """The device had too little memory; from ``frame`` on the job does with less."""

    job: str
    seq: int
    frame: Optional[int]
    message: str


@dataclass(frozen=True)
class JobDone:
    """Every frame is there. ``computed`` frames were made by this run; the others were there already."""

    job: str
    seq: int
    folder: Optional[str]
    computed: int
    suggestions: tuple[Suggestion, ...]


@dataclass(frozen=True)
class JobFailed:
    """The job stopped; ``error.code`` is ``cancelled`` when somebody asked for it. Finished mattes stay."""

    job: str
    seq: int
    error: Error


REQUESTS: dict[str, tuple[Any, Any]] = {
    "hello": (Hello, Welcome),
    "ping": (Ping, Pong),
    "status": (GetStatus, Status),
    "open_shot": (OpenShot, Shot),
    "put_plate": (PutPlate, Put),
    "set_keyframe": (SetKeyframe, Keyframes),
    "remove_keyframe": (RemoveKeyframe, Keyframes),
    "list_keyframes": (ListKeyframes, Keyframes),
    "propagate": (Propagate, Job),
    "suggest": (Suggest, Job),
    "get_matte": (GetMatte, Matte),
    "trace": (Trace, Traced),
    "watch": (Watch, Job),
    "ack": (Ack, None),
    "cancel": (Cancel, Job),
    "list_shots": (ListShots, Shots),
    "list_jobs": (ListJobs, Jobs),
    "close_shot": (CloseShot, Done),
    "delete_shot": (DeleteShot, Done),
    "shutdown": (Shutdown, Done),
}
"""Request types: the body sent, and the body of the reply (None: there is none)."""

EVENTS: dict[str, Any] = {
    "progress": Progress,
    "frame_done": FrameDone,
    "degraded": Degraded,
    "job_done": JobDone,
    "job_failed": JobFailed,
}
"""Event types and their bodies."""

REPLY, ERROR = "reply", "error"
"""Types of the messages that answer a request."""
