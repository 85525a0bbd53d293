"""What becomes of finished mattes in Resolve, and how everything we made is taken back.

Whatever Resolve answers is read back: the media's list of mattes, the bin, the track, the composition's text. What
fails halfway is taken back at once, or by the next script when this one was killed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from matted_plugin.host import HostError, Mattes
from matted_resolve.host import clip_matte, loader, marks, pool, track_above
from matted_resolve.host import leftovers as left
from matted_resolve.host.clip_matte import NotTaken, Unfit
from matted_resolve.host.made import NAME, Change, Made, changing, folder_of, listed, made_in, number, text
from matted_resolve.host.matte_files import Sequence, objects_in, sequences
from matted_resolve.host.pool import id_of, path_of
from matted_resolve.host.session import asked, found, media_of

if TYPE_CHECKING:
    from resolve_api import MediaPoolItem, Timeline, TimelineItem

    from matted_resolve.host.clip import Clip
    from matted_resolve.host.leftovers import Leftovers
    from matted_resolve.host.session import Session

_COLOURS = ("red", "green", "blue", "alpha")
_OUR_PRESETS = (f"{NAME} EXR", f"{NAME} restore")


def show(session: Session, item: TimelineItem, clip: Clip, mattes: Mattes, route: str, *, leftovers: Leftovers) -> str:
    """Bring finished mattes into the project; those that are there already stay as they are.

    Args:
        session: Resolve.
        item: the clip in the timeline.
        clip: the same as plain data.
        mattes: every frame of them is on disk.
        route: ``clip matte``, ``track above``, ``fusion`` or ``files only``.
        leftovers: what has to be put back.

    Returns:
        A sentence for the artist; '' when only the files were wanted.

    Raises:
        HostError: Resolve did not take them; nothing of them is left in the project.
    """
    if route == "files only":
        return ""
    files = sequences(mattes)
    with changing(session, leftovers) as change:
        if route == "track above":
            said = _on_tracks(session, change, clip, mattes, files)
        elif route == "fusion":
            said = _in_fusion(session, change, item, clip, mattes, files)
        else:
            said = _as_clip_mattes(session, change, item, clip, mattes, files)
    return " ".join((said, *change.told))


def remove(session: Session, timeline: Timeline, *, leftovers: Leftovers) -> str:
    """Take back everything made for the clips of a timeline, and nothing else. The files on disk stay.

    Clips that show our mattes in other timelines of the project stay, and are told.

    Returns:
        What was taken back and what was not, for the artist.
    """
    gone: list[str] = []
    kept: list[str] = []
    with changing(session, leftovers) as change:
        made = made_in(session)
        seen: set[str] = set()
        for item in _every_clip(timeline):
            _try(kept, lambda: _remove_of_clip(session, item, made, seen, gone))  # noqa: B023 (called at once)
        _try(kept, lambda: _remove_placed(session, change, timeline, gone))
        _try(kept, lambda: _remove_media(session, change, gone, kept))
        _try(kept, lambda: _remove_presets(session, gone))
    kept += change.told
    said = (
        f"Taken back: {listed(list(dict.fromkeys(gone)))}." if gone else "There was nothing of matted's to take back."
    )
    return " ".join((said, *dict.fromkeys(kept), "The files on disk stay."))


# Showing


def _as_clip_mattes(
    session: Session, change: Change, item: TimelineItem, clip: Clip, mattes: Mattes, files: dict[str, Sequence]
) -> str:
    try:
        ready = {name: clip_matte.files_for(item, clip, one) for name, one in files.items()}
    except Unfit as error:
        return f"{error} {_on_tracks(session, change, clip, mattes, files)}"
    media = media_of(item)
    older = _older(session, media, ready) if media is not None else []
    try:
        for one in ready.values():
            clip_matte.attach(session, change, item, one)
    except NotTaken:
        for one in files.values():  # of several files Resolve takes the same form, or none
            pool.bring_in(session, change, one)
        return (
            f"Resolve took the mattes of {clip.name} in no form as clip mattes. They are in the bin {NAME}: attach them"
            " in Media Storage with Add As Matte, or choose track above."
        )
    told = [
        f"{listed([one.name for one in ready.values()])} {'is' if len(ready) == 1 else 'are'} attached to {clip.name}"
        f" ({_packed(mattes)}): on the Color page, right-click in the node graph and choose Add Matte."
    ]
    if older:
        told.append(f"{listed(older)} {'stays' if len(older) == 1 else 'stay'} attached beside it.")
    if clip.media_frames and any(one is files[name] for name, one in ready.items()):
        told.append(
            f"Its media is too long to line the mattes up with: type an offset of {mattes.frames[0] - clip.media_first}"
            " into the node's key palette."
        )
    return " ".join(told)


def _on_tracks(session: Session, change: Change, clip: Clip, mattes: Mattes, files: dict[str, Sequence]) -> str:
    tracks = [track_above.place(session, change, clip, one) for one in files.values()]
    return (
        f"The mattes of {clip.name} ({_packed(mattes)}) are above it on the track {listed(tracks)}, switched off so"
        " that the picture stays as it is: switch the clip on where you use it."
    )


def _in_fusion(
    session: Session, change: Change, item: TimelineItem, clip: Clip, mattes: Mattes, files: dict[str, Sequence]
) -> str:
    name, one = next(iter(files.items()))
    inside = objects_in(mattes, name)
    loader.build(session, change, item, clip, one, len(inside) == 1)
    told = [f"{inside[0] or 'The matte'} is the alpha of {clip.name} in its Fusion composition."]
    if len(inside) > 1:
        told.append(f"The Loader holds {_packed(mattes)}: choose another under Combine in {loader.PREFIX}alpha.")
    if len(files) > 1:
        told.append(f"The other objects are in {listed([other.pattern for other in list(files.values())[1:]])}.")
    if (number(lambda: item.GetFusionCompCount()) or 1) > 1:
        told.append("The clip has several compositions: this is the first one.")
    return " ".join(told)


def _packed(mattes: Mattes) -> str:
    """Which object is where: ``red is hero, green is car``."""
    told = []
    for name, pattern in mattes.patterns.items():
        inside = objects_in(mattes, name)
        if len(inside) == 1:
            told.append(inside[0] or "the matte")
        else:
            several = ", ".join(f"{colour} is {one}" for colour, one in zip(_COLOURS, inside))
            told.append(several if len(mattes.patterns) == 1 else f"{pattern.rpartition('/')[2]}: {several}")
    return "; ".join(told)


def _older(session: Session, media: MediaPoolItem, ready: dict[str, Sequence]) -> list[str]:
    """The names of mattes of ours that are attached already, of other versions and of other clips of the media."""
    made = made_in(session)
    now = {one.folder for one in ready.values()}
    ours = [path for path in clip_matte.attached(session, media) if made.is_ours(path)]
    others = [path for path in ours if folder_of(path) not in now]
    return sorted({path.replace("\\", "/").rpartition("/")[2].partition(".")[0] for path in others})


# Taking back


def _try(kept: list[str], act: Callable[[], None]) -> None:
    """Do it, once more if it fails, and note what is still there."""
    for attempt in range(2):
        try:
            act()
            return
        except (left.NotBack, HostError) as error:
            if attempt:
                kept.append(str(error))


def _every_clip(timeline: Timeline) -> list[TimelineItem]:
    tracks = number(lambda: timeline.GetTrackCount("video")) or 0
    return [item for track in range(1, tracks + 1) for item in track_above.items(timeline, track)]


def _remove_of_clip(session: Session, item: TimelineItem, made: Made, seen: set[str], gone: list[str]) -> None:
    """``seen``: ids of the media whose mattes are off, for a media may have many clips."""
    clip_id = id_of(item)
    media = media_of(item)
    if media is not None:
        media_id = id_of(media)
        if media_id not in seen:
            ours = [path for path in clip_matte.attached(session, media) if made.is_ours(path)]
            if ours:
                clip_matte.detach(session, media, ours)
                gone.append("clip mattes")
            seen.add(media_id)
        if _forget(media, f"matted.{clip_id}"):
            gone.append("what their metadata remembered")
    if loader.remove(session, item, made):
        gone.append("Fusion tools")
    if marks.remove_all(session, item):
        gone.append("markers")


def _forget(media: MediaPoolItem, name: str) -> bool:
    """Empty a field of a media's metadata; whether there was anything in it.

    Raises:
        NotBack: it is still there.
    """
    if not text(lambda: media.GetThirdPartyMetadata(name)):
        return False
    for _ in range(2):
        asked(lambda: media.SetThirdPartyMetadata(name, ""))
        if not text(lambda: media.GetThirdPartyMetadata(name)):
            return True
    raise left.NotBack(f"{text(lambda: media.GetName()) or 'A clip'} still has {name} in its metadata.")


def _remove_placed(session: Session, change: Change, timeline: Timeline, gone: list[str]) -> None:
    """Clips of ours on any track, then our tracks that are empty."""
    made = made_in(session)
    ours = {
        track: [item for item in track_above.items(timeline, track) if _is_placed(made, item)]
        for track in track_above.our_tracks(timeline)
    }
    noted = any(entry.get("timeline") == id_of(timeline) for entry in made.known("track"))
    if not noted and not any(ours.values()):
        return
    track_above.to_edit_page(session, change)
    track_above.drop_items(session, timeline, ours)
    for track in sorted(ours, reverse=True):
        if (noted or ours[track]) and track_above.drop_track(timeline, track):
            gone.append("tracks")
    if any(ours.values()):
        gone.append("clips of mattes")
    made.forget("track", timeline=id_of(timeline))


def _is_placed(made: Made, item: TimelineItem) -> bool:
    return made.is_ours(path_of(media_of(item)))


def _remove_media(session: Session, change: Change, gone: list[str], kept: list[str]) -> None:
    ours = pool.find_bin(session)
    if ours is None:
        return
    made = made_in(session)
    used = _used_ids(session)
    media = [one for one in pool.clips_in(ours) if made.is_ours(path_of(one))]
    free = [one for one in media if id_of(one) not in used]
    pool.drop_media(session, ours, free)
    if free:
        gone.append("imported mattes")
    if len(free) < len(media):
        kept.append(f"Mattes that another timeline shows stay in the bin {NAME}.")
    if (media or made.known("bin")) and pool.drop_bin(session):
        made.forget("bin")
        gone.append(f"the bin {NAME}")


def _used_ids(session: Session) -> set[str]:
    """The ids of all media in the timelines of the project."""
    project = session.project()
    used = set()
    for index in range(1, (number(lambda: project.GetTimelineCount()) or 0) + 1):
        timeline = found(lambda: project.GetTimelineByIndex(index))  # noqa: B023 (called at once)
        for item in _every_clip(timeline) if timeline is not None else []:
            media = media_of(item)
            if media is not None:
                used.add(id_of(media))
    return used


def _remove_presets(session: Session, gone: list[str]) -> None:
    project = session.project()
    for name in left.preset_names(project):
        if name.startswith(_OUR_PRESETS):
            left.drop_preset(project, name)
            gone.append("render presets")
