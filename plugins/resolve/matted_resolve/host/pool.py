"""Our bin in the media pool and the mattes imported into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matted_plugin.host import HostError
from matted_resolve.host import leftovers as left
from matted_resolve.host.made import NAME, Change, folder_of, made_in, project_id, same_path, several, text
from matted_resolve.host.matte_files import Sequence
from matted_resolve.host.session import asked, found

if TYPE_CHECKING:
    from resolve_api import Folder, MediaPool, MediaPoolItem

    from matted_resolve.host.session import Session


def bring_in(session: Session, change: Change, files: Sequence) -> MediaPoolItem:
    """Import a sequence into our bin, or find it there.

    Importing goes into the current bin and answers [] when it is refused (measured by davinci-resolve-mcp), so the bin
    is read again.

    Raises:
        HostError: Resolve did not take it.
    """
    pool = session.media_pool()
    ours = _bin(session, pool, change)
    before = {id_of(media) for media in clips_in(ours)}
    for media in clips_in(ours):
        if _shows(media, files):
            return media
    _go_to(session, pool, ours, change)
    made_in(session).note("folder", path=files.folder)
    change.will_make("imported", project=project_id(session), folder=files.folder, before=sorted(before))
    asked(lambda: pool.ImportMedia([{"FilePath": files.pattern, "StartIndex": files.first, "EndIndex": files.last}]))
    new = [media for media in clips_in(ours) if id_of(media) not in before]
    if len(new) == 1 and _shows(new[0], files):
        return new[0]
    if len(new) > 1:
        raise HostError(
            f"Resolve imported {files.bracketed} as {len(new)} clips.",
            "On the Media page, set the frame display of the media storage to Sequence, then press the button again.",
            path=files.pattern,
        )
    raise HostError(
        f"Resolve did not import {files.bracketed} into the bin {NAME}.",
        "See whether Resolve sees that folder and reads its EXR files on the Media page, then press the button again.",
        path=files.pattern,
    )


def id_of(thing: Any) -> str:
    """The unique id of a bin, a media or a clip; '' when it has none."""
    return text(lambda: thing.GetUniqueId())


def path_of(media: MediaPoolItem | None) -> str:
    """The file, or the bracketed sequence, that a media shows; '' when it shows none."""
    if media is None:
        return ""
    return text(lambda: media.GetClipProperty("File Path"))


def find_bin(session: Session) -> Folder | None:
    """Our bin, if it is there."""
    pool = session.media_pool()
    root = _root(pool)
    return next((one for one in several(lambda: root.GetSubFolderList()) if text(one.GetName) == NAME), None)


def clips_in(bin: Folder) -> list[MediaPoolItem]:
    """The media of a bin."""
    return several(lambda: bin.GetClipList())


def drop_media(session: Session, bin: Folder, gone: list[MediaPoolItem]) -> None:
    """Delete media of ours.

    Raises:
        NotBack: one is still there.
    """
    pool = session.media_pool()
    ids = {id_of(media) for media in gone}
    if gone:
        asked(lambda: pool.DeleteClips(gone))
    still = [media for media in clips_in(bin) if id_of(media) in ids]
    if still:
        raise left.NotBack(f"{text(still[0].GetName) or 'A matte'} is still in the bin {NAME}: delete it there.")


def drop_bin(session: Session) -> bool:
    """Delete our bin if nothing is in it; whether it is gone.

    Raises:
        NotBack: it is empty and still there.
    """
    ours = find_bin(session)
    if ours is None:
        return True
    if clips_in(ours) or several(lambda: ours.GetSubFolderList()):
        return False
    pool = session.media_pool()
    if _is_current(pool, ours):
        asked(lambda: pool.SetCurrentFolder(_root(pool)))
    asked(lambda: pool.DeleteFolders([ours]))
    if find_bin(session) is not None:
        raise left.NotBack(f"The empty bin {NAME} is still in the media pool: delete it there.")
    return True


def _root(pool: MediaPool) -> Folder:
    root = found(lambda: pool.GetRootFolder())
    if root is None:
        raise HostError("Resolve does not show its media pool.", "Press the button again.")
    return root


def _bin(session: Session, pool: MediaPool, change: Change) -> Folder:
    ours = find_bin(session)
    if ours is not None:
        return ours
    _keep_current(session, pool, change)  # a new bin may become the current one
    made_in(session).note("bin")
    change.will_make("bin made", project=project_id(session))
    root = _root(pool)
    asked(lambda: pool.AddSubFolder(root, NAME))
    ours = find_bin(session)
    if ours is None:
        raise HostError(f"Resolve made no bin {NAME}.", "Make a bin of that name in the master bin and press again.")
    return ours


def _keep_current(session: Session, pool: MediaPool, change: Change) -> None:
    current = found(lambda: pool.GetCurrentFolder())
    if current is None or not id_of(current):
        raise HostError("Resolve does not say which bin is open.", "Open a bin in the media pool and press again.")
    change.will_move("bin", project=project_id(session), folder=id_of(current))


def _is_current(pool: MediaPool, bin: Folder) -> bool:
    current = found(lambda: pool.GetCurrentFolder())
    return current is not None and id_of(current) == id_of(bin)


def _go_to(session: Session, pool: MediaPool, bin: Folder, change: Change) -> None:
    if _is_current(pool, bin):
        return
    _keep_current(session, pool, change)
    for _ in range(2):
        asked(lambda: pool.SetCurrentFolder(bin))
        if _is_current(pool, bin):
            return
    raise HostError(f"Resolve did not open the bin {NAME}.", "Open it in the media pool and press the button again.")


def _shows(media: MediaPoolItem, files: Sequence) -> bool:
    """Whether a media is this sequence. Resolve names a sequence in brackets, or by one of its files."""
    path = path_of(media)
    return same_path(path, files.bracketed) or (
        same_path(folder_of(path), files.folder) and path.replace("\\", "/").rpartition("/")[2].startswith(files.name)
    )


def _take_back_imported(session: Session, facts: left.Facts) -> None:
    """Facts: project, folder of the files, before: ids of the media that were in our bin."""
    ours = find_bin(session)
    if ours is not None:
        new = [
            media
            for media in clips_in(ours)
            if id_of(media) not in facts["before"] and same_path(folder_of(path_of(media)), facts["folder"])
        ]
        drop_media(session, ours, new)


def _take_back_bin(session: Session, facts: left.Facts) -> None:
    """Facts: project."""
    if drop_bin(session):
        made_in(session).forget("bin")


left.KINDS["imported"] = _take_back_imported
left.KINDS["bin made"] = _take_back_bin
