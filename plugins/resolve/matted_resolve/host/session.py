"""Resolve as the script finds it: edition, version, and the project, timeline and clips open in it now.

Nothing Resolve hands out is kept, except the object the script was given: projects, timelines and clips are asked for
anew at each call, so that one which was closed meanwhile is missed at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Callable, Literal, TypeVar

from matted_plugin.host import Gone, HostError

if TYPE_CHECKING:
    from resolve_api import MediaPool, MediaPoolItem, Project, Resolve, Timeline, TimelineItem

PREFIX = "matted:"
"""How the custom data of every marker of ours begins."""

KEYFRAME_COLOR: Literal["Mint"] = "Mint"
SUGGESTION_COLOR: Literal["Lemon"] = "Lemon"

OLDEST = (18, 5)
"""The oldest version the plugin is made for."""

_BUSY = "Close any dialog that Resolve shows and wait until it is idle, then press again."

_T = TypeVar("_T")


class Session:
    """One script's view of a running Resolve. One thread alone may use it.

    Args:
        resolve: the object Resolve gives a script.
        fusion: its Fusion object, if it gave one.
        bmd: its helper module, if it gave one.

    Attributes:
        product: ``DaVinci Resolve Studio``, or without the last word.
        studio: whether it is Studio. It is asked first of all: a call that only Studio answers makes the free edition
            show a dialog, and until somebody closes it other calls fail too (measured by davinci-resolve-mcp).
        version: ``(20, 3, 2)``; () when Resolve does not say.
    """

    def __init__(self, resolve: Resolve, fusion: Any = None, bmd: Any = None) -> None:
        self.resolve = resolve
        self.fusion = fusion
        self.bmd = bmd
        self.product = str(asked(lambda: resolve.GetProductName()) or "DaVinci Resolve")
        self.studio = "studio" in self.product.lower()
        self.version = _version(resolve)
        self._places: dict[str, tuple[int, int]] = {}

    @property
    def page(self) -> str:
        """``edit``, ``color``...; '' when Resolve shows none of its pages or does not say."""
        return str(asked(lambda: self.resolve.GetCurrentPage()) or "")

    def alive(self) -> bool:
        """Whether Resolve really answers: one that hangs answers all but this (measured by davinci-resolve-mcp)."""
        return bool(asked(lambda: self.resolve.GetProjectManager().GetCurrentDatabase()))

    def project(self) -> Project:
        """The open project.

        Raises:
            HostError: Resolve does not answer, or no project is open.
        """
        if not self.alive():
            raise HostError("Resolve does not answer.", _BUSY)
        project = asked(lambda: self.resolve.GetProjectManager().GetCurrentProject())
        if not project:
            raise HostError("No project is open in Resolve.", "Open the project, then run the script again.")
        return project

    def timeline(self) -> Timeline:
        """The timeline the artist looks at.

        Raises:
            HostError: Resolve does not answer, or no project or timeline is open.
        """
        project = self.project()
        timeline = asked(lambda: project.GetCurrentTimeline())
        if not timeline:
            name = asked(lambda: project.GetName()) or "The project"
            raise HostError(
                f"{name}: no timeline is open.", "Open the timeline with the clip on the Edit page, then press again."
            )
        return timeline

    def media_pool(self) -> MediaPool:
        """The project's media pool.

        Raises:
            HostError: Resolve does not answer, or no project is open.
        """
        project = self.project()
        pool = asked(lambda: project.GetMediaPool())
        if not pool:
            raise HostError("Resolve does not show its media pool.", _BUSY)
        return pool

    def item(self, key: str) -> TimelineItem:
        """The clip of this id in the timeline the artist looks at.

        Raises:
            Gone: it is not there any more, or another timeline or project is open.
            HostError: Resolve does not answer.
        """
        timeline = self.timeline()
        track, index = self._places.get(key, (0, 0))
        if track:  # where it was the last time: a long timeline takes long to go through
            there = asked(lambda: timeline.GetItemListInTrack("video", track)) or []
            if index < len(there) and _key(there[index]) == key:
                return there[index]
        for _ in range(2):  # one failing answer is no reason to take a clip for deleted
            for track, index, item in _places(timeline):
                if _key(item) == key:
                    self._places[key] = (track, index)
                    return item
        name = asked(lambda: timeline.GetName()) or "the timeline"
        if not self.alive():  # it may have begun to hang while it was asked
            raise HostError("Resolve does not answer.", _BUSY)
        raise Gone(
            f"The clip is not in {name} any more.",
            "If another timeline is open, open the one with the clip, then run the script again.",
        )

    def current(self) -> list[str]:
        """The clip under the playhead: one key, or none.

        Raises:
            HostError: Resolve does not answer, or no project or timeline is open.
        """
        timeline = self.timeline()
        item = asked(lambda: timeline.GetCurrentVideoItem())
        key = _key(item) if item else ""
        return [key] if key else []

    def selected(self) -> list[str]:
        """The clips of the timeline whose media is selected in the media pool, in the timeline's order.

        Resolve tells nobody which clips are selected in the timeline.

        Raises:
            HostError: Resolve does not answer, or no project or timeline is open.
        """
        pool, timeline = self.media_pool(), self.timeline()
        chosen = {_key(media) for media in asked(lambda: pool.GetSelectedClips()) or []} - {""}
        if not chosen:
            return []
        return _in_order(item for _, _, item in _places(timeline) if _key(media_of(item)) in chosen)

    def marked(self) -> list[str]:
        """The clips of the timeline that carry a keyframe or suggestion marker, in the timeline's order.

        Raises:
            HostError: Resolve does not answer, or no project or timeline is open.
        """
        return _in_order(item for _, _, item in _places(self.timeline()) if _is_marked(item))

    def limits(self) -> tuple[str, ...]:
        """What is not possible in this Resolve and what to do instead: sentences for people, none if all is well."""
        return limits(self.version, studio=self.studio, sandboxed="APP_SANDBOX_CONTAINER_ID" in os.environ)


def limits(version: tuple[int, ...], *, studio: bool, sandboxed: bool = False) -> tuple[str, ...]:
    """What is not possible in this edition and version, and what to do instead."""
    told = []
    if not version:
        told.append("Resolve does not tell its version; matted is made for DaVinci Resolve Studio 18.5 to 21.")
    elif version < OLDEST:
        told.append(
            f"This is DaVinci Resolve {numbered(version)}; matted is made for 18.5 to 21. {_OUTSIDE} "
            "Or open the project in a newer Resolve."
        )
    if not studio and version >= (21, 1):
        told.append(
            "From 21.1 on, DaVinci Resolve without Studio runs no Python scripts, and matted's plugin is one. "
            f"{_OUTSIDE}"
        )
    elif not studio and version >= (19, 1):
        told.append(
            "From 19.1 on, DaVinci Resolve without Studio lets scripts show no windows: matted opens its page in your "
            "browser instead."
        )
    if not studio and version < (21, 1):
        told.append(
            "This is DaVinci Resolve without Studio; matted is made for Studio. If it refuses to render or to attach: "
            f"{_OUTSIDE[0].lower()}{_OUTSIDE[1:]}"
        )
    if sandboxed:
        told.append(
            "This Resolve comes from the App Store and sees only its own folder and Movies: keep plates and mattes in "
            "Movies, or install DaVinci Resolve from Blackmagic Design's site."
        )
    return tuple(told)


_OUTSIDE = (
    "Export the clip as an EXR sequence or a movie and a few masks as images, and give them to the watch folder or to "
    "matted propagate; the README of the Resolve plugin has the steps."
)


def asked(call: Callable[[], _T]) -> _T | None:
    """What Resolve answers; None when it fails, for a method it lacks is None and calling it fails (19.1)."""
    try:
        return call()
    except Exception:
        return None


def numbered(version: tuple[int, ...]) -> str:
    """``20.3.2``."""
    return ".".join(map(str, version))


def media_of(item: TimelineItem) -> MediaPoolItem | None:
    """The clip's media; None for a generator or a title."""
    return asked(lambda: item.GetMediaPoolItem()) or None


def is_keyframe(marker: dict[str, Any]) -> bool:
    """Whether a marker marks a keyframe: any Mint one, also a suggestion the artist made Mint, and any made as one."""
    return marker.get("color") == KEYFRAME_COLOR or str(marker.get("customData") or "").startswith(f"{PREFIX}key")


def is_suggestion(marker: dict[str, Any]) -> bool:
    """Whether a marker is a suggestion of ours that nobody made a keyframe."""
    return str(marker.get("customData") or "").startswith(f"{PREFIX}suggestion:") and not is_keyframe(marker)


def _is_marked(item: TimelineItem) -> bool:
    markers: dict[Any, Any] = asked(lambda: item.GetMarkers()) or {}  # type: ignore[assignment]
    return any(is_keyframe(marker) or is_suggestion(marker) for marker in markers.values() if isinstance(marker, dict))


def _places(timeline: Timeline) -> Iterator[tuple[int, int, TimelineItem]]:
    """Every clip of the video tracks with its track, from 1, and its place in it, from 0."""
    for track in range(1, int(asked(lambda: timeline.GetTrackCount("video")) or 0) + 1):
        there = asked(lambda: timeline.GetItemListInTrack("video", track))  # noqa: B023 (called at once)
        for index, item in enumerate(there or []):
            if item:
                yield track, index, item


def _key(thing: TimelineItem | MediaPoolItem | None) -> str:
    """The id of a clip; '' when it has none, as clips that Resolve could not place."""
    return str(asked(lambda: thing.GetUniqueId()) or "") if thing else ""


def _in_order(items: Iterator[TimelineItem]) -> list[str]:
    found = [(int(asked(lambda: item.GetStart()) or 0), _key(item)) for item in items]  # noqa: B023 (called at once)
    return list(dict.fromkeys(key for _, key in sorted(found) if key))


def _version(resolve: Resolve) -> tuple[int, ...]:
    """Major, minor and patch. Blackmagic's scripting README: [major, minor, patch, build, suffix]."""
    fields = asked(lambda: resolve.GetVersion())
    if isinstance(fields, (list, tuple)) and len(fields) >= 2 and all(str(one).isdigit() for one in fields[:2]):
        return tuple(int(one) for one in fields[:3] if str(one).isdigit())
    text = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", str(asked(lambda: resolve.GetVersionString()) or ""))
    return tuple(int(one) for one in text.groups() if one) if text else ()
