"""The state of a clip's job, kept in the metadata of the clip's media."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from matted_plugin.host import HostError
from matted_protocol.connection import data_folder
from matted_resolve.host.session import asked, key_of, media_of, twice

if TYPE_CHECKING:
    from resolve_api import TimelineItem

    from matted_resolve.host.session import Session


def stored(session: Session, item: TimelineItem) -> str:
    """The state as it was stored for this clip, or ''.

    Raises:
        HostError: Resolve does not answer.
    """
    try:
        return _aside(session, item).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        media = media_of(item)
        return str(twice(lambda: media.GetThirdPartyMetadata(_slot(item)), str) or "") if media else ""


def store(session: Session, item: TimelineItem, text: str) -> None:
    """Keep the state in the metadata of the clip's media; '' takes it out.

    A clip without media, an older Resolve (before 19.0.2) or one that cuts the text has no place for it: then it is
    kept in a file of the user's.

    Raises:
        HostError: Resolve does not answer.
    """
    media, aside = media_of(item), _aside(session, item)
    if media is not None:
        if asked(lambda: media.GetThirdPartyMetadata(_slot(item))) != text:
            asked(lambda: media.SetThirdPartyMetadata(_slot(item), text))
        if (asked(lambda: media.GetThirdPartyMetadata(_slot(item))) or "") == text:
            text = ""
    with contextlib.suppress(OSError):
        if not text:
            aside.unlink()
        else:
            aside.parent.mkdir(parents=True, exist_ok=True)
            beside = aside.with_name(f".{aside.name}.part")
            beside.write_text(text, "utf-8")
            beside.replace(aside)


def _slot(item: TimelineItem) -> str:
    """Where the state lies in the media's metadata: one media may lie in the timeline many times."""
    return f"matted.{key_of(item)}"


def _aside(session: Session, item: TimelineItem) -> Path:
    """The file that keeps what the project cannot."""
    project, key = session.project(), key_of(item)
    id = twice(lambda: project.GetUniqueId(), str)
    if not key or not id:
        raise HostError(
            "Resolve does not tell which clip it is.", "Close any dialog that Resolve shows, then press again."
        )
    name = uuid5(NAMESPACE_URL, f"{id}/{key}").hex
    return data_folder() / "plugins" / "resolve" / "clips" / f"{name}.json"
