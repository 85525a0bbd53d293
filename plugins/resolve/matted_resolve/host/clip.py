"""One clip of a timeline as plain data.

Resolve tells where a clip lies in its source in several ways, and not all of them are right: each is held against the
others, and where they differ the plate is rendered, for then no frame has to be counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from matted_plugin.host import HostError, rate
from matted_resolve import colours, files
from matted_resolve.host.session import key_of, media_of, twice, twice_real, twice_whole
from matted_resolve.timecode import read_counting

if TYPE_CHECKING:
    from resolve_api import TimelineItem

    from matted_resolve.host.session import Session

RENDERED_FIRST = 1001
"""Frame of a rendered clip's first picture."""

_AT_REST: dict[str, float] = {
    "Pan": 0,
    "Tilt": 0,
    "ZoomX": 1,
    "ZoomY": 1,
    "RotationAngle": 0,
    "Pitch": 0,
    "Yaw": 0,
    "FlipX": 0,
    "FlipY": 0,
    "CropLeft": 0,
    "CropRight": 0,
    "CropTop": 0,
    "CropBottom": 0,
    "Distortion": 0,
}
"""What leaves a clip's picture where it is (Blackmagic's scripting README has the keys)."""

_UNCHANGED = (
    ("H-FLIP", ("", "off", "0", "false")),
    ("V-FLIP", ("", "off", "0", "false")),
    ("Enable Deinterlacing", ("", "0", "off", "false")),
)
"""Attributes of the media with which Resolve shows the picture that the files hold.

Values are in the language of the interface (public scripts compare Type with words of several): one that is not known
here may mean anything.
"""

FITTING = ("scaleToFit", "scaleToCrop", "stretch")
"""Settings by which the timeline shows the whole of a picture of its own shape, at whatever resolution."""

_CROPPED = 1
"""Scaling of a clip that shows its pixels one by one, whatever the timeline's setting (SCALE_CROP in the README)."""

_NO_FILES = ("compound", "timeline", "fusion", "multicam", "generator", "title", "stereo")
_RAW_CODEC = re.compile(r"raw|x-ocn|r3d|cineform", re.IGNORECASE)


@dataclass(frozen=True)
class Clip:
    """What is known of a clip, read at once.

    Attributes:
        key: the timeline item's id.
        name: as Resolve shows it.
        source: what can be read as it is: a pattern with ``%04d`` or a movie, with forward slashes; '' when the plate
            must be rendered.
        why: why it must be rendered, for people; '' when it need not.
        first: frame of the clip's first timeline frame. Frames are the files' own numbers for a sequence that is read
            as it is, Resolve's source frames for such a movie, and 1001 + frames from the clip's start when rendered.
        duration: timeline frames.
        record: timeline frame at which it starts.
        offset: what to add to a frame to get the number in the file's name, or the movie's picture, from 1.
        handles: frames the source has before and after; (0, 0) when rendered.
        size: width and height in pixels: of the source when it is read as it is, else of the timeline.
        pixel_aspect: width of a pixel over its height.
        colorspace: OpenColorIO name; None when the file says it best.
        frame_rate: of the timeline, frames a second as a fraction; None when Resolve does not say.
        track: video track, from 1.
        media_first: frame of the media's first frame, at the clip's speed.
        media_frames: how many frames the media has; 0 when frames of the media cannot be told from the clip's, as when
            it is retimed.
        notes: sentences for the artist.
        markers_from: id of a marker of the clip's on its first frame. Markers of a clip count from its media's first
            frame, as GetLeftOffset does (measured on Studio 21.0 by firstmate).
        fits_media: whether a picture of the clip shows what the media's does at the same place; not when the clip is
            moved, scaled, cropped or flipped.
        span: frames the clip would last with all there is before and after it, or lasts where Resolve does not tell
            that: another number once its speed is changed.
    """

    key: str
    name: str
    source: str
    why: str
    first: int
    duration: int
    record: int
    offset: int
    handles: tuple[int, int]
    size: tuple[int, int]
    pixel_aspect: float
    colorspace: str | None
    frame_rate: tuple[int, int] | None
    track: int
    media_first: int
    media_frames: int
    notes: tuple[str, ...] = ()
    fits_media: bool = True
    markers_from: int = 0
    span: int = 0

    @property
    def last(self) -> int:
        """Frame of the clip's last timeline frame."""
        return self.first + self.duration - 1

    @property
    def whole(self) -> tuple[int, int]:
        """First and last frame with the handles."""
        return self.first - self.handles[0], self.last + self.handles[1]

    def marker(self, frame: int) -> int:
        """The id of a marker of the clip's at a frame."""
        return frame - self.first + self.markers_from

    def marked(self, marker: int) -> int:
        """The frame at which a marker of the clip's stands, by its id."""
        return marker - self.markers_from + self.first

    def timeline_frame(self, frame: int) -> int:
        """The timeline's number of a frame."""
        return self.record + frame - self.first

    def counted_from(self, media_first: int) -> Clip:
        """The same clip with the frames counted from another number of its media's first frame."""
        by = media_first - self.media_first
        return replace(self, first=self.first + by, media_first=media_first, offset=self.offset - by)


class _Times(NamedTuple):
    """Where a clip lies: timeline frames, and frames of its source before and after; None where Resolve is silent."""

    record: int
    duration: int
    left: float | None
    right: float | None
    source: tuple[int | None, int | None]


def read_clip(session: Session, item: TimelineItem, *, rendered: bool = False) -> Clip:
    """Read all there is to know of a clip.

    Args:
        session: the script's view of Resolve.
        item: the clip.
        rendered: whether the artist wants its plate rendered in any case.

    Raises:
        HostError: its media is offline, or Resolve does not tell where it lies.
    """
    name = str(twice(lambda: item.GetName(), str) or "The clip")
    settings = session.settings()
    facts = _facts(item)
    times = _times(item, name)
    found = _files(facts)
    if "offline" in str(facts.get("Online Status") or "").lower():
        where = str(facts.get("File Path") or "its file")
        raise HostError(f"{name}: its media is offline.", "Relink it in the media pool.", path=where)
    count = _count(facts, found)
    timing = _timing(times, facts, settings, found, count)
    look = _look(item, facts)
    ours, theirs = _setting_size(settings), _size(facts.get("Resolution"))
    scaled = _scaled(item, ours, theirs, settings)
    why = (
        ("" if facts else found.why)
        or timing
        or look
        or scaled
        or found.why
        or _gap(times, found)
        or ("you chose to have it rendered." if rendered else "")
    )
    key = key_of(item)
    shared: dict[str, Any] = {
        "key": key,
        "name": name,
        "why": why,
        "duration": times.duration,
        "record": times.record,
        "frame_rate": _frame_rate(settings),
        "track": session.track(key),
        "markers_from": int(times.left or 0),
        "fits_media": not look and _same_shape(ours, theirs) and not scaled,
        "span": _span(times),
    }
    notes = _notes(item)
    left = int(times.left or 0)
    if why:
        space, said = colours.of_renders(settings)
        return Clip(
            source="",
            first=RENDERED_FIRST,
            offset=0,
            handles=(0, 0),
            size=_told_size(ours, name),
            pixel_aspect=_timeline_aspect(settings),
            colorspace=space,
            media_first=RENDERED_FIRST - left,
            media_frames=0 if timing else count,
            notes=(*notes, *said),
            **shared,
        )
    told, said = colours.of_files(settings, facts)
    return Clip(
        source=found.path,
        first=found.first + left,
        offset=1 if found.is_movie else 0,
        handles=_handles(times.duration, left, count, found),
        size=theirs or _told_size(ours, name),
        pixel_aspect=1.0,
        colorspace=told,
        media_first=found.first,
        media_frames=count,
        notes=(*notes, *said),
        **shared,
    )


def _facts(item: TimelineItem) -> Mapping[str, Any]:
    """The properties of the clip's media; {} when it has none, as a title."""
    media = media_of(item)
    return twice(lambda: media.GetClipProperty(), dict) or {} if media else {}


def _files(facts: Mapping[str, Any]) -> files.Files:
    """The files behind the clip."""
    if not facts:
        return files.Files(why="it is a generator or a title, or Resolve does not tell its media.")
    kind = str(facts.get("Type") or "")
    if any(word in kind.lower() for word in _NO_FILES):
        return files.Files(why=f"its media is made in Resolve ({kind}).")
    if _RAW_CODEC.search(str(facts.get("Video Codec") or "")):
        return files.Files(why=f"only Resolve reads {facts['Video Codec']}.")
    names = tuple(str(facts.get(one) or "") for one in ("File Name", "Clip Name"))
    counted = (_number(facts.get("Start")), _number(facts.get("Frames")) or 0)
    return files.find(str(facts.get("File Path") or ""), names=names, first=counted[0], frames=counted[1])


def _times(item: TimelineItem, name: str) -> _Times:
    """Where the clip lies.

    Raises:
        HostError: Resolve does not say, or there is nothing of it.
    """
    start, end = twice_whole(lambda: item.GetStart()), twice_whole(lambda: item.GetEnd())
    duration = twice_whole(lambda: item.GetDuration())
    if start is None or duration is None or duration < 1:
        raise HostError(
            f"Resolve does not tell where {name} lies in the timeline.",
            "Close any dialog that Resolve shows, then press again.",
        )
    if end is not None and 0 < end - start < duration:  # the shorter is in the timeline for certain
        duration = end - start
    return _Times(
        start,
        duration,
        twice_real(lambda: item.GetLeftOffset(True)),
        twice_real(lambda: item.GetRightOffset(True)),
        (twice_whole(lambda: item.GetSourceStartFrame()), twice_whole(lambda: item.GetSourceEndFrame())),
    )


def _count(facts: Mapping[str, Any], found: files.Files) -> int:
    """How many frames the media has; 0 when nobody says."""
    return found.count or _number(facts.get("Frames")) or 0


def _timing(
    times: _Times, facts: Mapping[str, Any], settings: Mapping[str, str], found: files.Files, count: int
) -> str:
    """Why frames of the source cannot be told from frames of the clip; '' when they can."""
    ours, theirs = read_counting(settings.get("timelineFrameRate")), rate(_real(facts.get("FPS")))
    if ours is None or theirs is None:
        return "Resolve does not tell its frame rate."
    if abs(ours.rate * theirs[1] - theirs[0]) > theirs[1] / 500:
        shown = f"{theirs[0] / theirs[1]:.5g} frames a second in a timeline of {float(ours.rate):.5g}"
        return f"it has {shown}."
    number = found.first or _number(facts.get("Start")) or 0
    return _retimed(times, number) or _miscounted(times, facts, found, count)


def _retimed(times: _Times, number: int) -> str:
    """Whether the clip shows each source frame once and in order; ``number`` is that of the source's first frame.

    GetLeftOffset is exact, but counts retimed frames; GetSourceStartFrame counts the source's own and may be off by
    one; the end may be the last frame or the one after it; 0 and 0 is no answer (measured by davinci-resolve-mcp).
    """
    first, last = times.source
    if times.left is None or first is None or last is None:
        return "Resolve does not tell which frames of its source it shows."
    if first > last:
        return "it plays backwards."
    if first == last == 0 and (times.duration > 1 or times.left > 0):
        return "Resolve does not know which frames of its source it shows."
    if times.left != int(times.left):
        return "its speed is changed: it begins between two frames of its source."
    for base in {0, number}:  # of a sequence, Resolve may count from 0 or by the numbers in the names
        begins, ends = first - base - times.left, last - base - times.left - times.duration
        if abs(begins) <= 1 and ends in (-1, 0, begins - 1, begins):
            return ""
    shown = last - first
    return f"its speed is changed: {times.duration} frames of the timeline show {max(shown, 1)} of the source."


def _miscounted(times: _Times, facts: Mapping[str, Any], found: files.Files, count: int) -> str:
    """Whether all that Resolve and the files say about their number agrees.

    A clip with all that lies before and after it lasts as long as its media, unless it is retimed by however little.
    """
    begins, ends, told = (_number(facts.get(one)) for one in ("Start", "End", "Frames"))
    if count < 1:
        return "Resolve does not tell how many frames its media has."
    if found.path and begins not in (None, 0, found.first):
        return "it is a subclip."
    if told is not None and told != count:
        return f"Resolve counts {told} frames in its media, and there are {count} files."
    if begins is not None and ends is not None and ends - begins + 1 != count:
        return f"Resolve counts {ends - begins + 1} frames in its media, and {count} elsewhere."
    around = (times.left or 0) + times.duration + (times.right or 0)
    if times.right is None or abs(around - count) > 1e-3:
        return f"it is retimed: with all there is before and after, it lasts {around:g} frames, its media {count}."
    return ""


def _span(times: _Times) -> int:
    """Frames of the clip with all there is before and after it, as far as Resolve tells."""
    return round((times.left or 0) + times.duration + (times.right or 0))


def _look(item: TimelineItem, facts: Mapping[str, Any]) -> str:
    """Why the clip's picture is not the media's; '' when it is, but for its resolution."""
    properties = twice(lambda: item.GetProperty(), dict)
    if not properties:
        return "Resolve does not tell whether it is moved or scaled."
    moved = [name for name, rest in _AT_REST.items() if abs(_real(properties.get(name, rest)) - rest) > 1e-6]
    if moved:
        return f"it is moved, scaled, cropped or flipped in the timeline ({', '.join(moved)})."
    changed = [name for name, rest in _UNCHANGED if str(facts.get(name) or "").lower() not in rest]
    if changed or (_number(facts.get("Super Scale")) or 1) > 1:
        return f"its clip attributes change the picture ({', '.join(changed) or 'Super Scale'})."
    if str(facts.get("Input Sizing Preset") or "None") != "None":
        return "an input sizing preset changes the picture."
    if str(facts.get("PAR") or "Square").lower() not in ("square", "1", "1.0", "1.00"):
        return f"its pixels are not square ({facts['PAR']})."
    return ""


def _scaled(
    item: TimelineItem, ours: tuple[int, int] | None, theirs: tuple[int, int] | None, settings: Mapping[str, str]
) -> str:
    """Why masks that Resolve renders would not lie over the media's files: the timeline shows another part of them."""
    if ours is None or theirs is None or ours == theirs:
        return ""
    own = (twice(lambda: item.GetProperty(), dict) or {}).get("Scaling")
    if (
        _same_shape(ours, theirs)
        and _number(own) != _CROPPED
        and settings.get("timelineInputResMismatchBehavior") in FITTING
    ):
        return ""
    return f"its {theirs[0]}x{theirs[1]} pixels do not fill the timeline's {ours[0]}x{ours[1]} as they are."


def _same_shape(ours: tuple[int, int] | None, theirs: tuple[int, int] | None) -> bool:
    """Whether scaling one to the other leaves no bars and cuts nothing off, but for a pixel of rounding."""
    return (
        ours is not None
        and theirs is not None
        and abs(ours[0] * theirs[1] - theirs[0] * ours[1]) <= max(*ours, *theirs)
    )


def _gap(times: _Times, found: files.Files) -> str:
    """Why a sequence cannot be read though it is there: a file that the clip shows is missing."""
    first = found.first + int(times.left or 0)
    shown = range(first, first + times.duration)
    missing = sorted(found.missing.intersection(shown))
    return f"{found.path} has no frame {missing[0]}." if missing else ""


def _handles(duration: int, left: int, count: int, found: files.Files) -> tuple[int, int]:
    """Frames before and after the clip that are there without a gap."""
    first, end = found.first + left, found.first + left + duration
    before = max((one + 1 for one in found.missing if one < first), default=found.first)
    after = min((one for one in found.missing if one >= end), default=found.first + count)
    return first - before, after - end


def _notes(item: TimelineItem) -> tuple[str, ...]:
    if (twice_whole(lambda: item.GetFusionCompCount()) or 0) < 1:
        return ()
    return (
        "The clip has a Fusion composition: if it moves or warps the picture, choose a rendered plate, so that masks "
        "and plate stay together.",
    )


def _frame_rate(settings: Mapping[str, str]) -> tuple[int, int] | None:
    counting = read_counting(settings.get("timelineFrameRate"))
    return (counting.rate.numerator, counting.rate.denominator) if counting else None


def _told_size(size: tuple[int, int] | None, name: str) -> tuple[int, int]:
    """The resolution of the timeline.

    Raises:
        HostError: Resolve does not tell it.
    """
    if size is None:
        raise HostError(
            f"{name}: Resolve does not tell the resolution of the timeline.",
            "Close any dialog that Resolve shows, then press again.",
        )
    return size


def _setting_size(settings: Mapping[str, str]) -> tuple[int, int] | None:
    width, height = (_number(settings.get(f"timelineResolution{side}")) for side in ("Width", "Height"))
    return (width, height) if width and height else None


def _timeline_aspect(settings: Mapping[str, str]) -> float:
    """Blackmagic's scripting README names square and cinemascope for other than SD pictures."""
    return 2.0 if "cinemascope" in str(settings.get("timelinePixelAspectRatio") or "").lower() else 1.0


def _size(told: object) -> tuple[int, int] | None:
    """``1920x1080``."""
    found = re.fullmatch(r"\s*(\d+)\s*x\s*(\d+)\s*", str(told))
    return (int(found[1]), int(found[2])) if found else None


def _number(told: object) -> int | None:
    """A whole number, of a text too: Resolve's properties are texts."""
    try:
        return None if isinstance(told, bool) else int(str(told))
    except ValueError:
        return None


def _real(told: object) -> float:
    """A number, also of a text or of a truth; 0 when it is none."""
    try:
        return float(told) if isinstance(told, bool) else float(str(told))
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(str(told).lower(), 0.0)
