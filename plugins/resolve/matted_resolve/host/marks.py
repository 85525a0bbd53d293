"""Markers: the frames the artist vouches for, and the frames worth masking next.

Markers of a clip and of its media count from the media's first frame, those of the timeline from the timeline's: they
are brought together here. Where a clip is placed it gets copies of its media's markers, also of those it does not show
(measured on Studio 21.0 by firstmate). Nothing but our own markers, told by their custom data, is ever changed; what
Resolve answers to a change is not believed, the markers are read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from matted_plugin.host import HostError
from matted_resolve.host.session import (
    KEYFRAME_COLOR,
    PREFIX,
    SUGGESTION_COLOR,
    asked,
    is_keyframe,
    is_suggestion,
    markers,
    media_of,
)
from matted_resolve.timecode import Counting, read_counting

if TYPE_CHECKING:
    from resolve_api import Timeline, TimelineItem

    from matted_resolve.host.clip import Clip
    from matted_resolve.host.session import Session

KEYFRAME = "Matted: keyframe"
SUGGESTION = "Matted: mask this frame"
"""Names of our markers."""

_STILL = ("fusion", "media")
"""Pages without a timeline, on which its playhead is neither told nor moved (Blackmagic's scripting README)."""


class Mark(NamedTuple):
    """A keyframe marker of a clip: its frame, and whether it stands on the clip, the timeline or the media."""

    frame: int
    where: str


def read(session: Session, item: TimelineItem, clip: Clip) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The keyframes of a clip, ascending, and sentences about how they were found.

    A marker that lasts means its first frame.

    Raises:
        HostError: Resolve does not answer, or no timeline is open.
    """
    there = list(_keyframes(session, item, clip))
    inside = {mark.frame for mark in there if clip.first <= mark.frame <= clip.last}
    notes = []
    for where in ("timeline", "media"):
        taken = sorted({mark.frame for mark in there if mark.where == where and mark.frame in inside})
        if taken:
            notes.append(f"{_frames(taken)} marked on the {where}.")
    outside = sorted({mark.frame for mark in there if mark.where != "timeline"} - inside)
    if outside:
        notes.append(f"{_frames(outside)} marked too, but trimmed away: not used.")
    if not clip.media_frames and any(mark.where == "unknown" for mark in _on_media(item, clip)):
        notes.append("The markers on the clip's media are not used: Resolve does not tell which frames they mean here.")
    on_clip = any(mark.where == "clip" and mark.frame in inside for mark in there)
    if on_clip and not clip.media_frames and media_of(item) is not None:
        notes.append(
            "Which frames the markers on this clip mean is not certain where its speed is changed: see that they are"
            " those you masked, or put them on the timeline."
        )
    return tuple(sorted(inside)), tuple(notes)


def show(
    session: Session,
    item: TimelineItem,
    clip: Clip,
    keyframes: Sequence[int],
    suggestions: Sequence[tuple[int, str]],
) -> tuple[str, ...]:
    """Mark these suggestions on the clip, and take away those of ours that are suggested no longer.

    A frame holds one marker: where the artist has one, ours is left out; where the clip does not show the frame, as
    in its handles, nobody would see it. Markers are a help, and no reason to fail.

    Args:
        session: the script's view of Resolve.
        item: the clip.
        clip: what is known of it.
        keyframes: frames that are masked already, and need no suggestion.
        suggestions: frame and reason.

    Returns:
        Sentences about suggestions that could not be marked.
    """
    shown = range(clip.first, clip.last + 1)
    asked_for = {frame: reason for frame, reason in suggestions if frame not in keyframes}
    wanted = {clip.marker(frame): (frame, reason) for frame, reason in asked_for.items() if frame in shown}
    for _ in range(2):
        there = markers(item)
        ours = {place: marker for place, marker in there.items() if is_suggestion(marker)}
        stale = [place for place in ours if place not in wanted or not _says(ours[place], *wanted[place])]
        for place in stale:
            _delete(item, place, ours[place])
        missing = [place for place in wanted if place not in there or place in stale]
        for place in missing:
            _add(item, place, SUGGESTION_COLOR, SUGGESTION, wanted[place][1], _suggestion(wanted[place][0]))
        if not stale and not missing:
            break
    there = markers(item)
    lost = sorted(frame for place, (frame, _) in wanted.items() if place not in there)
    hidden = sorted(frame for frame in asked_for if frame not in shown)
    theirs = sorted(
        frame
        for place, (frame, _) in wanted.items()
        if place in there and not is_suggestion(there[place]) and not is_keyframe(there[place])
    )
    said = [f"Resolve took no marker for {_frames(lost)}."] if lost else []
    if theirs:
        said.append(f"{_frames(theirs)} suggested too; a marker of your own is there, and stays.")
    if hidden:
        said.append(f"{_frames(hidden)} suggested too, but the clip does not show it: no marker is there.")
    return tuple(said)


def mark(session: Session, item: TimelineItem, clip: Clip, frame: int) -> None:
    """Put a keyframe marker on the clip at a frame; one of our suggestions there gives way.

    Raises:
        HostError: the frame is trimmed away, another marker stands there, or Resolve does not take it.
    """
    _check_shown(clip, frame)
    place = clip.marker(frame)
    there = markers(item).get(place)
    if there is not None and is_keyframe(there):
        return
    if there is not None and not is_suggestion(there):
        raise HostError(
            f"{clip.name} has a {there.get('color', '')} marker at frame {frame} already.",
            f"Make that marker {KEYFRAME_COLOR}: then it is a keyframe.",
            frame=frame,
        )
    if there is not None:
        _delete(item, place, there)
    for _ in range(2):
        _add(item, place, KEYFRAME_COLOR, KEYFRAME, "", f"{PREFIX}key:{frame}")
        if is_keyframe(markers(item).get(place, {})):
            return
    raise HostError(
        f"Resolve put no marker on {clip.name} at frame {frame}.",
        f"Set a {KEYFRAME_COLOR} marker on the clip there yourself.",
        frame=frame,
    )


def unmark(session: Session, item: TimelineItem, clip: Clip, frame: int) -> None:
    """Take away the keyframe marker that :func:`mark` put on the clip at a frame.

    Raises:
        HostError: there is none, it is the artist's own, or Resolve does not let go of it.
    """
    place = clip.marker(frame)
    there = markers(item).get(place)
    if there is None or not is_keyframe(there):
        raise HostError(
            f"{clip.name} has no keyframe marker at frame {frame}.",
            "Markers on the timeline or on the media are deleted there.",
            frame=frame,
        )
    if not _is_ours(there):
        raise HostError(
            f"The marker on {clip.name} at frame {frame} was not set by matted.",
            "Delete it in Resolve, or give it another colour.",
            frame=frame,
        )
    for _ in range(2):
        _delete(item, place, there)
        if not is_keyframe(markers(item).get(place, {})):
            return
    raise HostError(
        f"Resolve did not delete the marker on {clip.name} at frame {frame}.", "Delete it in Resolve.", frame=frame
    )


def remove_all(session: Session, item: TimelineItem) -> int:
    """Take away every marker of ours from a clip; returns how many.

    Raises:
        HostError: some of them stayed.
    """
    ours = _ours(item) or _ours(item)  # asked again, for an answer may be lost
    left = ours
    for _ in range(2 if ours else 0):
        for place, marker in left.items():
            _delete(item, place, marker)
        left = _ours(item)
    if left:
        raise HostError(
            f"Resolve did not delete {len(left)} of the {len(ours)} markers that matted set.",
            "Delete the markers whose name begins with Matted in Resolve.",
        )
    return len(ours)


def at_playhead(session: Session, clip: Clip) -> int:
    """The frame of a clip at the playhead.

    Raises:
        HostError: the playhead is not over the clip, or Resolve does not tell where it is.
    """
    page = session.page
    if page in _STILL:
        raise HostError(
            f"On the {page.capitalize()} page Resolve does not tell where the playhead is.",
            "Go to the Color or the Edit page, then press again.",
        )
    timeline = session.timeline()
    counting, start, first = _counting(session, timeline)
    told = asked(lambda: timeline.GetCurrentTimecode())
    try:
        now = counting.frame(str(told))
    except ValueError as error:
        raise HostError(
            f"Resolve does not tell where the playhead is: {error}.", "Click into the timeline, then press again."
        ) from error
    frame = clip.first + first + (now - start) % counting.day - clip.record
    if not clip.first <= frame <= clip.last:
        raise HostError(
            f"The playhead is not over {clip.name}.", "Move it to the frame that is to be a keyframe, then press again."
        )
    return frame


def go_to(session: Session, clip: Clip, frame: int) -> str:
    """Move the playhead to a frame of the clip.

    Returns:
        What to tell the artist: that the page was changed, for the playhead does not move on all; else ''.

    Raises:
        HostError: the frame is not in the clip, or the playhead did not move there.
    """
    _check_shown(clip, frame)
    timeline = session.timeline()
    counting, start, first = _counting(session, timeline)
    timecode = counting.timecode(start + clip.timeline_frame(frame) - first)
    page = session.page
    if page in _STILL:
        asked(lambda: session.resolve.OpenPage("color"))
    for _ in range(2):
        asked(lambda: timeline.SetCurrentTimecode(timecode))
        if _same(counting, asked(lambda: timeline.GetCurrentTimecode()), timecode):
            said = f"The playhead does not move on the {page.capitalize()} page: this is the Color page."
            return said if page in _STILL else ""
    if page in _STILL:
        asked(lambda: session.resolve.OpenPage(page))
    raise HostError(
        f"Resolve did not go to frame {frame} of {clip.name}.", f"Go to {timecode} in the timeline.", frame=frame
    )


def _check_shown(clip: Clip, frame: int) -> None:
    if not clip.first <= frame <= clip.last:
        raise HostError(
            f"Frame {frame} of {clip.name} is trimmed away.",
            f"It shows {clip.first} to {clip.last}: choose one of these, or make the clip longer.",
            frame=frame,
        )


def _keyframes(session: Session, item: TimelineItem, clip: Clip) -> Iterator[Mark]:
    """Every keyframe marker of the clip, the timeline and the media, in the clip's frames."""
    for place, marker in markers(item).items():
        if is_keyframe(marker):
            yield Mark(clip.marked(place), "clip")
    timeline = session.timeline()
    start = _start(timeline)
    for place, marker in markers(timeline).items():
        if is_keyframe(marker):
            yield Mark(clip.first + start + place - clip.record, "timeline")
    yield from (mark for mark in _on_media(item, clip) if mark.where == "media")


def _on_media(item: TimelineItem, clip: Clip) -> Iterator[Mark]:
    """Keyframe markers of the media, which count from its first frame; ``unknown`` where frames cannot be told."""
    media = media_of(item)
    for place, marker in markers(media).items() if media is not None else ():
        if is_keyframe(marker):
            yield Mark(clip.media_first + place, "media" if clip.media_frames else "unknown")


def _counting(session: Session, timeline: Timeline) -> tuple[Counting, int, int]:
    """How the timeline counts, and its start: by timecode from midnight, and by its own number.

    Raises:
        HostError: Resolve does not say.
    """
    counting = read_counting(session.settings().get("timelineFrameRate"))
    told = str(asked(lambda: timeline.GetStartTimecode()) or "")
    try:
        if counting is None:
            raise ValueError("it has no frame rate")
        if ";" in told and not counting.drop:
            counting = Counting(counting.rate, drop=True)
        return counting, counting.frame(told), _start(timeline)
    except ValueError as error:
        raise HostError(
            f"Resolve does not tell how the timeline counts: {error}.", "Click into the timeline, then press again."
        ) from error


def _start(timeline: Timeline) -> int:
    """The timeline's number of its first frame.

    Raises:
        HostError: Resolve does not say.
    """
    for _ in range(2):
        start = asked(lambda: timeline.GetStartFrame())
        if isinstance(start, (int, float)) and not isinstance(start, bool):
            return int(start)
    raise HostError("Resolve does not tell where the timeline begins.", "Click into the timeline, then press again.")


def _same(counting: Counting, told: Any, timecode: str) -> bool:
    try:
        return counting.frame(str(told)) == counting.frame(timecode)
    except ValueError:
        return False


def _suggestion(frame: int) -> str:
    return f"{PREFIX}suggestion:{frame}"


def _is_ours(marker: dict[str, Any]) -> bool:
    return str(marker.get("customData") or "").startswith(PREFIX)


def _ours(item: TimelineItem) -> dict[int, dict[str, Any]]:
    return {place: marker for place, marker in markers(item).items() if _is_ours(marker)}


def _says(marker: dict[str, Any], frame: int, reason: str) -> bool:
    return marker.get("customData") == _suggestion(frame) and marker.get("note") == reason


def _add(item: TimelineItem, place: int, color: str, name: str, note: str, data: str) -> None:
    asked(lambda: item.AddMarker(place, color, name, note, 1, data))


def _delete(item: TimelineItem, place: int, marker: dict[str, Any]) -> None:
    """Delete a marker of ours where it was just seen, if it is still that one."""
    if (markers(item).get(place) or {}).get("customData") == marker.get("customData"):
        asked(lambda: item.DeleteMarkerAtFrame(place))


def _frames(frames: Sequence[int]) -> str:
    """``Frame 1001``, ``Frames 1001, 1005``."""
    return f"{'Frame' if len(frames) == 1 else 'Frames'} {', '.join(map(str, frames))}"
