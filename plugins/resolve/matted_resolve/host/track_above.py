"""Mattes on a video track above the clip, switched off so that the picture stays as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from matted_plugin.host import HostError
from matted_resolve.host import leftovers as left
from matted_resolve.host import pool
from matted_resolve.host.made import (
    NAME,
    Change,
    folder_of,
    made_in,
    number,
    page_of,
    project_id,
    same_path,
    several,
    text,
)
from matted_resolve.host.matte_files import Sequence
from matted_resolve.host.pool import id_of, path_of
from matted_resolve.host.session import asked, media_of

if TYPE_CHECKING:
    from resolve_api import MediaPoolItem, Timeline, TimelineItem

    from matted_resolve.host.clip import Clip
    from matted_resolve.host.session import Session

_OURS = re.compile(rf"{NAME}( \d+)?")


def place(session: Session, change: Change, clip: Clip, files: Sequence) -> str:
    """Put a sequence numbered by frame above the clip, on the first track of ours that is free there.

    Returns:
        The track's name.

    Raises:
        HostError: Resolve did not place it; whatever landed elsewhere is taken back with ``change``.
    """
    first, last = max(files.first, clip.first), min(files.last, clip.last)
    if first > last:
        raise HostError(
            f"The mattes of {clip.name} are of other frames than it shows now.", "Propagate for this cut of the clip."
        )
    timeline = session.timeline()
    media = pool.bring_in(session, change, files)
    _see_rate(media, clip)
    start, count = clip.timeline_frame(first), last - first + 1
    for track in our_tracks(timeline):
        if any(_is_at(item, start, count) and _shows(item, media) for item in items(timeline, track)):
            return _name(timeline, track)
    to_edit_page(session, change)
    _keep_playhead(session, timeline, change)
    track = _free_track(session, timeline, change, clip.track, start, count)
    facts = {"project": project_id(session), "timeline": id_of(timeline), "folder": files.folder}
    change.will_make("placed", **facts, before=sorted(_ours(timeline, files.folder)))
    wanted: Any = {
        "mediaPoolItem": media,
        "startFrame": first - files.first,
        "endFrame": last - files.first + 1,  # exclusive (measured by davinci-resolve-mcp)
        "recordFrame": start,
        "trackIndex": track,
        "mediaType": 1,
    }
    asked(lambda: session.media_pool().AppendToTimeline([wanted]))
    # what it returns may have no id, and what overlaps is dropped without a word: read the track
    placed = [item for item in items(timeline, track) if _is_at(item, start, count) and _shows(item, media)]
    if not placed:
        raise HostError(
            f"Resolve did not place the mattes of {clip.name} on the track {_name(timeline, track)}, frames {start} to"
            f" {start + count - 1}.",
            f"Drag {files.name} from the bin {NAME} there, or press the button again.",
            path=files.pattern,
        )
    _switch_off(placed[0], clip)
    return _name(timeline, track)


def our_tracks(timeline: Timeline) -> list[int]:
    """The video tracks that are called as ours are."""
    return [track for track in range(1, _count(timeline) + 1) if _OURS.fullmatch(_name(timeline, track))]


def items(timeline: Timeline, track: int) -> list[TimelineItem]:
    """The clips of a video track."""
    return several(lambda: timeline.GetItemListInTrack("video", track))


def drop_items(session: Session, timeline: Timeline, gone: dict[int, list[TimelineItem]]) -> None:
    """Delete clips of ours from the timeline, which has to be the current one.

    Deleting works on the Edit page alone and once failed without a reason (measured by davinci-resolve-mcp).

    Raises:
        NotBack: one is still there.
    """
    keys = {track: [id_of(item) for item in found] for track, found in gone.items() if found}
    for _ in range(2):
        left_over = [item for track in keys for item in items(timeline, track) if id_of(item) in keys[track]]
        if not left_over:
            return
        if page_of(session) != "edit":
            asked(lambda: session.resolve.OpenPage("edit"))
        asked(lambda: timeline.DeleteClips(left_over, False))  # noqa: B023 (called at once)
    for track in keys:
        if any(id_of(item) in keys[track] for item in items(timeline, track)):
            raise left.NotBack(f"A clip of mattes is still on the track {_name(timeline, track)}: delete it there.")


def drop_track(timeline: Timeline, track: int) -> bool:
    """Delete a video track if nothing is on it; whether it is gone.

    Raises:
        NotBack: it is empty and still there.
    """
    before = _count(timeline)
    if items(timeline, track):
        return False
    asked(lambda: timeline.DeleteTrack("video", track))
    if _count(timeline) >= before:
        raise left.NotBack(f"The empty track {_name(timeline, track)} is still there: delete it on the Edit page.")
    return True


def to_edit_page(session: Session, change: Change) -> None:
    """Go to the Edit page, where tracks and clips can be changed.

    Raises:
        HostError: Resolve stays where it is.
    """
    page = page_of(session)
    if page in ("", "edit"):  # none is shown without a window
        return
    change.will_move("page", page=page)
    for _ in range(2):
        asked(lambda: session.resolve.OpenPage("edit"))
        if page_of(session) == "edit":
            return
    raise HostError("Resolve does not open the Edit page.", "Open it and press the button again.")


def _free_track(session: Session, timeline: Timeline, change: Change, above: int, start: int, count: int) -> int:
    for track in our_tracks(timeline):
        if track > above and not _is_locked(timeline, track) and not _overlaps(timeline, track, start, count):
            return track
    return _new_track(session, timeline, change)


def _new_track(session: Session, timeline: Timeline, change: Change) -> int:
    """A new track on top of all others, with a name of ours."""
    before = _count(timeline)
    taken = [_name(timeline, track) for track in our_tracks(timeline)]
    number = 1 + len(taken)
    name = NAME if number == 1 else f"{NAME} {number}"
    while name in taken:
        number += 1
        name = f"{NAME} {number}"
    made_in(session).note("track", timeline=id_of(timeline))
    change.will_make("track made", project=project_id(session), timeline=id_of(timeline), track=before + 1)
    asked(lambda: timeline.AddTrack("video"))
    if _count(timeline) != before + 1:
        raise HostError("Resolve added no video track.", "Add one on top, call it Matted, and press the button again.")
    for _ in range(2):
        asked(lambda: timeline.SetTrackName("video", before + 1, name))
        if _name(timeline, before + 1) == name:
            return before + 1
    raise HostError(f"Resolve did not call its new video track {name}.", "Press the button again.")


def _see_rate(media: MediaPoolItem, clip: Clip) -> None:
    """Give a sequence the timeline's rate: with another one Resolve shortens what is placed, without a word."""
    if clip.frame_rate is None:
        return
    rate = clip.frame_rate[0] / clip.frame_rate[1]
    for _ in range(2):
        told = asked(lambda: media.GetClipProperty("FPS"))
        try:
            if told is None or isinstance(told, bool) or abs(float(str(told)) - rate) < 0.005:
                return
        except ValueError:
            return
        asked(lambda: media.SetClipProperty("FPS", f"{rate:g}" if rate == int(rate) else f"{rate:.3f}"))


def _switch_off(item: TimelineItem, clip: Clip) -> None:
    """The mattes themselves would hide the clip below."""
    for _ in range(2):
        asked(lambda: item.SetClipEnabled(False))
        if asked(lambda: item.GetClipEnabled()) is False and asked(lambda: item.GetClipEnabled()) is False:
            return
    raise HostError(
        f"Resolve does not switch the mattes above {clip.name} off; they would hide it.",
        "Press the button again, or choose clip matte.",
    )


def _keep_playhead(session: Session, timeline: Timeline, change: Change) -> None:
    timecode = text(lambda: timeline.GetCurrentTimecode())
    if timecode:
        change.will_move("playhead", project=project_id(session), timeline=id_of(timeline), timecode=timecode)


def _overlaps(timeline: Timeline, track: int, start: int, count: int) -> bool:
    return any(_start(item) < start + count and start < _start(item) + _length(item) for item in items(timeline, track))


def _is_at(item: TimelineItem, start: int, count: int) -> bool:
    return (_start(item), _length(item)) == (start, count)


def _shows(item: TimelineItem, media: MediaPoolItem) -> bool:
    shown = media_of(item)
    return shown is not None and id_of(shown) == id_of(media)


def _start(item: TimelineItem) -> int:
    return number(lambda: item.GetStart()) or 0


def _length(item: TimelineItem) -> int:
    return number(lambda: item.GetDuration()) or 0


def _count(timeline: Timeline) -> int:
    count = number(lambda: timeline.GetTrackCount("video"))
    if not count:
        raise HostError("Resolve does not count the tracks of the timeline.", "Press the button again.")
    return count


def _name(timeline: Timeline, track: int) -> str:
    return text(lambda: timeline.GetTrackName("video", track))


def _is_locked(timeline: Timeline, track: int) -> bool:
    told = [asked(lambda: timeline.GetIsTrackLocked("video", track)) for _ in range(2)]
    return told != [False, False]


def _ours(timeline: Timeline, folder: str) -> set[str]:
    """The ids of all clips of the timeline that show a matte of this folder."""
    return {id_of(item) for _, item in _showing(timeline, folder)}


def _showing(timeline: Timeline, folder: str) -> list[tuple[int, TimelineItem]]:
    return [
        (track, item)
        for track in range(1, _count(timeline) + 1)
        for item in items(timeline, track)
        if same_path(folder_of(path_of(media_of(item))), folder)
    ]


def _take_back_items(session: Session, facts: left.Facts) -> None:
    """Facts: project, timeline (unique ids), folder of the files, before: ids of the clips that showed them."""
    timeline = left.find_timeline(session.project(), facts["timeline"])
    if timeline is None:
        return
    gone: dict[int, list[TimelineItem]] = {}
    for track, item in _showing(timeline, facts["folder"]):
        if id_of(item) not in facts["before"]:
            gone.setdefault(track, []).append(item)
    drop_items(session, timeline, gone)


def _take_back_track(session: Session, facts: left.Facts) -> None:
    """Facts: project, timeline (unique ids), track: where the new one came."""
    timeline = left.find_timeline(session.project(), facts["timeline"])
    if timeline is not None and facts["track"] <= _count(timeline):
        drop_track(timeline, facts["track"])


def _put_playhead_back(session: Session, facts: left.Facts) -> None:
    """Facts: project, timeline (unique ids), timecode. Where the artist went on to another timeline it stays."""
    timeline = session.timeline()
    if id_of(timeline) == facts["timeline"]:
        for _ in range(2):
            if text(lambda: timeline.GetCurrentTimecode()) != facts["timecode"]:
                asked(lambda: timeline.SetCurrentTimecode(facts["timecode"]))


left.KINDS["placed"] = _take_back_items
left.KINDS["track made"] = _take_back_track
left.KINDS["playhead"] = _put_playhead_back
