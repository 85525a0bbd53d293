"""Mattes attached to a clip's media: what the EXT MATTE node of the Color page shows.

Nobody has published which form of path Resolve takes for a sequence here, nor does its answer say what it took
(wrong arguments apart, Blackmagic's scripting README promises True). So the forms are tried in turn, and the list of
the media's mattes is read again after each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from matted_plugin.host import HostError
from matted_resolve.host import leftovers as left
from matted_resolve.host import matte_files
from matted_resolve.host.made import Change, folder_of, made_in, project_id, same_path, several, text
from matted_resolve.host.matte_files import Sequence
from matted_resolve.host.pool import id_of
from matted_resolve.host.session import asked, found, media_of

if TYPE_CHECKING:
    from resolve_api import MediaPoolItem, TimelineItem

    from matted_resolve.host.clip import Clip
    from matted_resolve.host.session import Session


class Unfit(Exception):
    """Mattes cannot be attached to this clip; its text says why, for people."""


class NotTaken(Exception):
    """Resolve lists the sequence in none of the forms it was given."""


def files_for(item: TimelineItem, clip: Clip, mattes: Sequence) -> Sequence:
    """The files to attach: lined up with the media, or as they are when it is too long for that.

    Raises:
        Unfit: the clip has no media, or its frames are not the media's.
        HostError: the disk does not take them.
    """
    if media_of(item) is None:
        raise Unfit(f"{clip.name} has no media in the media pool, and only media can have clip mattes.")
    if not clip.media_frames:
        raise Unfit(f"The frames of {clip.name} are not those of its media: {clip.why}")
    if not clip.fits_media:
        raise Unfit(f"The picture of {clip.name} is not that of its media: {clip.why}")
    if clip.media_frames > matte_files.MOST:
        return mattes
    return matte_files.lined_up(mattes, clip.media_first, clip.media_frames, clip.media_first + clip.offset)


def attach(session: Session, change: Change, item: TimelineItem, files: Sequence) -> str:
    """Attach a sequence to the clip's media; returns how Resolve lists it. One that is attached stays as it is.

    Raises:
        NotTaken: Resolve takes no form of it; nothing of it is attached.
        HostError: Resolve does not answer.
    """
    media = media_of(item)
    storage = found(lambda: session.resolve.GetMediaStorage())
    if media is None or storage is None:
        raise HostError("Resolve does not show its media storage.", "Press the button again.")
    for path in attached(session, media):
        if same_path(folder_of(path), files.folder):
            return path
    made_in(session).note("folder", path=files.folder)
    change.will_make("attached", project=project_id(session), media=id_of(media), item=id_of(item), folder=files.folder)
    forms = (files.pattern, files.bracketed, files.file(files.first))
    for form in (*forms, *forms):  # each once more, for a call may fail that another time does not
        before = set(attached(session, media))
        asked(lambda: storage.AddClipMattesToMediaPool(media, [form]))  # noqa: B023 (called at once)
        new = [path for path in attached(session, media) if path not in before]
        if len(new) == 1 and _is_whole(new[0], files):
            return new[0]
        detach(session, media, [path for path in new if same_path(folder_of(path), files.folder)])
    raise NotTaken


def attached(session: Session, media: MediaPoolItem) -> list[str]:
    """The mattes of a media, as Resolve lists them: in no order."""
    pool = session.media_pool()
    return [str(path) for path in several(lambda: pool.GetClipMatteList(media))]


def detach(session: Session, media: MediaPoolItem, paths: list[str]) -> None:
    """Take mattes off a media.

    Raises:
        NotBack: one is still attached.
    """
    pool = session.media_pool()
    for _ in range(2):
        if paths:
            asked(lambda: pool.DeleteClipMattes(media, paths))  # noqa: B023 (called at once)
            there = attached(session, media)
            paths = [path for path in paths if path in there]
    if paths:
        name = text(lambda: media.GetName()) or "a clip"
        raise left.NotBack(f"The clip matte {paths[0]} is still attached to {name}: delete it in the media pool.")


def _is_whole(path: str, files: Sequence) -> bool:
    """Whether Resolve lists the whole sequence and not one still: in brackets, or with a token for the number."""
    if files.first == files.last:
        return True
    name = path.replace("\\", "/").rpartition("/")[2]
    numbers = re.search(r"\[(\d+)-(\d+)\]", name)
    if numbers:
        return (int(numbers[1]), int(numbers[2])) == (files.first, files.last)
    return "%" in name or "#" in name


def _take_back(session: Session, facts: left.Facts) -> None:
    """Facts: project, media and item (unique ids), folder of the mattes."""
    media = media_of(session.item(facts["item"]))
    if media is not None and id_of(media) == facts["media"]:
        detach(
            session, media, [path for path in attached(session, media) if same_path(folder_of(path), facts["folder"])]
        )


left.KINDS["attached"] = _take_back
