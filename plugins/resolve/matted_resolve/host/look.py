"""What of a clip's look can be read, to tell a picture rendered before from one that has changed since."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from matted_resolve.host.clip import Clip
from matted_resolve.host.session import Session, asked

if TYPE_CHECKING:
    from resolve_api import TimelineItem

SIZES = ("timelineResolutionWidth", "timelineResolutionHeight", "timelineInputResMismatchBehavior")
"""Settings of how clips of another size are shown."""
_COLOURS = ("colorScienceMode", "colorSpaceInput", "colorSpaceTimeline", "colorSpaceOutput")


def setting(session: Session, name: str) -> str:
    """A setting of the timeline, which may differ from the project's; '' when Resolve has none of that name."""
    told = asked(lambda: session.timeline().GetSetting(name))
    return str(told or asked(lambda: session.project().GetSetting(name)) or "")


def signature(session: Session, item: TimelineItem, clip: Clip, frame: int, again: int) -> str:
    """A text of all that can be read of how the clip looks at a frame; ``again`` is the artist's "Render again".

    The grade cannot be read, only the names of its version and nodes.
    """
    told = {
        "clip": [clip.key, frame, frame - clip.first, list(clip.size)],
        "source": asked(lambda: [item.GetSourceStartFrame(), item.GetSourceEndFrame(), item.GetLeftOffset()]),
        "media": asked(lambda: _media(item)),
        "properties": asked(lambda: item.GetProperty()),
        "version": asked(lambda: item.GetCurrentVersion()),
        "nodes": asked(lambda: _nodes(item)),
        "comps": asked(lambda: _comps(item)),
        "settings": [setting(session, name) for name in (*SIZES, *_COLOURS)],
        "again": again,
    }
    text = json.dumps(told, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _media(item: TimelineItem) -> list[Any]:
    media = item.GetMediaPoolItem()
    if media is None:
        return []
    names = ("File Path", "Input Color Space", "Input LUT", "Alpha mode", "PAR", "Start", "End", "FPS")
    return [media.GetUniqueId(), *(media.GetClipProperty(name) for name in names)]


def _nodes(item: TimelineItem) -> list[Any]:
    return [[item.GetLUT(index)] for index in range(1, int(item.GetNumNodes()) + 1)]


def _comps(item: TimelineItem) -> list[Any]:
    return [item.GetFusionCompCount(), *sorted(item.GetFusionCompNameList())]
