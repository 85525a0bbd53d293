"""Resolve as the script finds it: edition, version, and the project, timeline and clips open in it now.

Nothing Resolve hands out is kept, except the object the script was given: projects, timelines and clips are asked for
anew at each call, so that one which was closed meanwhile is missed at once.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Callable, Literal, TypeVar

from matted_plugin.host import Gone, HostError

if TYPE_CHECKING:
    from resolve_api import MediaPool, MediaPoolItem, Project, ProjectManager, Resolve, Timeline, TimelineItem

PREFIX = "matted:"
"""How the custom data of every marker of ours begins."""

KEYFRAME_COLOR: Literal["Mint"] = "Mint"
SUGGESTION_COLOR: Literal["Lemon"] = "Lemon"

OLDEST = (18, 5)
"""The oldest version the plugin is made for."""

_BUSY = "Close any dialog that Resolve shows and wait until it is idle, then press again."

_KEPT = 20.0
"""How many times longer than it took to find them the selected clips are known: a long timeline takes seconds."""

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
        self._selected: tuple[object, float, list[str]] = (None, 0.0, [])

    @property
    def page(self) -> str:
        """``edit``, ``color``...; '' when Resolve shows none of its pages or does not say."""
        return str(asked(lambda: self.resolve.GetCurrentPage()) or "")

    def alive(self) -> bool:
        """Whether Resolve really answers: one that hangs answers all but this (measured by davinci-resolve-mcp)."""
        return self._manager() is not None

    def _manager(self) -> ProjectManager | None:
        """The project manager of a Resolve that really answers."""
        manager = found(lambda: self.resolve.GetProjectManager())
        return manager if manager and mapped(lambda: manager.GetCurrentDatabase()) else None

    def project(self) -> Project:
        """The open project.

        Raises:
            HostError: Resolve does not answer, or no project is open.
        """
        manager = self._manager()
        if manager is None:
            raise HostError("Resolve does not answer.", _BUSY)
        project = found(lambda: manager.GetCurrentProject())
        if not project:
            raise HostError("No project is open in Resolve.", "Open the project, then run the script again.")
        return project

    def timeline(self) -> Timeline:
        """The timeline the artist looks at.

        Raises:
            HostError: Resolve does not answer, or no project or timeline is open.
        """
        project = self.project()
        timeline = found(lambda: project.GetCurrentTimeline())
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
        pool = found(lambda: project.GetMediaPool())
        if not pool:
            raise HostError("Resolve does not show its media pool.", _BUSY)
        return pool

    def settings(self) -> dict[str, str]:
        """The settings of the timeline, and of the project where the timeline has none of its own.

        Raises:
            HostError: Resolve does not answer, or no project or timeline is open.
        """
        timeline, project = self.timeline(), self.project()
        ours, shared = mapped(lambda: timeline.GetSetting()), mapped(lambda: project.GetSetting())
        known = {**shared, **{name: value for name, value in ours.items() if value not in (None, "")}}
        return {str(name): str(value) for name, value in known.items()}

    def item(self, key: str) -> TimelineItem:
        """The clip of this id in the timeline the artist looks at.

        Raises:
            Gone: it is not there any more, or another timeline or project is open.
            HostError: Resolve does not answer.
        """
        track, index = self._places.get(key, (0, 0))
        if track:  # where it was the last time: a long timeline takes long to go through
            timeline = self.timeline()
            there: list[TimelineItem] = listed(lambda: timeline.GetItemListInTrack("video", track))
            if index < len(there) and key_of(there[index]) == key:
                return there[index]
        for _ in range(2):  # one wrong answer is no reason to take a clip for deleted
            timeline = self.timeline()
            for track, index, item in _places(timeline):
                if key_of(item) == key:
                    self._places[key] = (track, index)
                    return item
        name = asked(lambda: timeline.GetName()) or "the timeline"
        if not self.alive():  # it may have begun to hang while it was asked
            raise HostError("Resolve does not answer.", _BUSY)
        raise Gone(
            f"The clip is not in {name} any more.",
            "If another timeline is open, open the one with the clip, then run the script again.",
        )

    def track(self, key: str) -> int:
        """The video track, from 1, that the clip of this id lies on.

        Raises:
            Gone: it is not there any more, or another timeline or project is open.
            HostError: Resolve does not answer.
        """
        self.item(key)
        return self._places[key][0]

    def current(self) -> list[str]:
        """The clip under the playhead: one key, or none.

        Raises:
            HostError: Resolve does not answer, or no project or timeline is open.
        """
        timeline = self.timeline()
        key = key_of(found(lambda: timeline.GetCurrentVideoItem()))
        return [key] if key else []

    def selected(self) -> list[str]:
        """The clips of the timeline whose media is selected in the media pool, in the timeline's order.

        Resolve tells nobody which clips are selected in the timeline.

        Raises:
            HostError: Resolve does not answer, or no project or timeline is open.
        """
        pool, timeline = self.media_pool(), self.timeline()
        chosen = {key_of(media) for media in listed(lambda: pool.GetSelectedClips())} - {""}
        if not chosen:
            return []
        now, began = (key_of(timeline), frozenset(chosen), tuple(_sizes(timeline))), time.monotonic()
        known, until, keys = self._selected
        if known != now or began > until:
            keys = _in_order(item for _, _, item in _places(timeline) if key_of(media_of(item)) in chosen)
            ended = time.monotonic()
            self._selected = (now, ended + _KEPT * (ended - began), keys)
        return list(keys)

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
    if version and version < (19, 0, 2):
        told.append(
            "This Resolve does not tell scripts which clips are selected or which frames of its source a clip shows: "
            "the clip under the playhead is taken, and plates are always rendered."
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


def twice(call: Callable[[], Any], kind: type) -> Any:
    """An answer of a kind; asked again when the first is none, so that one hiccup does not change what a clip is."""
    for _ in range(2):
        answer = asked(call)
        if isinstance(answer, kind):
            return answer
    return None


def twice_real(call: Callable[[], Any]) -> float | None:
    """A number, asked for twice like that; None when it is none."""
    for _ in range(2):
        answer = asked(call)
        if isinstance(answer, (int, float)) and not isinstance(answer, bool):
            return float(answer)
    return None


def twice_whole(call: Callable[[], Any]) -> int | None:
    """A whole number, asked for twice like that; None when it is none."""
    told = twice_real(call)
    return None if told is None else int(told)


def found(call: Callable[[], _T | None]) -> _T | None:
    """The object Resolve answers; it is asked again when that is none, for an answer may be lost."""
    for _ in range(2):
        answer = asked(call)
        if answer and not isinstance(answer, (bool, str)):
            return answer
    return None


def listed(call: Callable[[], Any]) -> list[Any]:
    """The list Resolve answers, without the Nones in it; [] when it fails or answers something else."""
    answer = asked(call)
    return [one for one in answer if one is not None] if isinstance(answer, (list, tuple)) else []


def mapped(call: Callable[[], Any]) -> dict[Any, Any]:
    """The dictionary Resolve answers; {} when it fails or answers something else."""
    answer = asked(call)
    return dict(answer) if isinstance(answer, Mapping) else {}


def numbered(version: tuple[int, ...]) -> str:
    """``20.3.2``; ``0`` when it is not known."""
    return ".".join(map(str, version)) or "0"


def media_of(item: TimelineItem) -> MediaPoolItem | None:
    """The clip's media; None for a generator or a title."""
    return found(lambda: item.GetMediaPoolItem())


def key_of(thing: TimelineItem | Timeline | MediaPoolItem | None) -> str:
    """The id of a clip or a timeline; '' when it has none, as clips that Resolve could not place."""
    for _ in range(2):
        key = asked(lambda: thing.GetUniqueId()) if thing else ""
        if isinstance(key, str) and key:
            return key
    return ""


def is_keyframe(marker: dict[str, Any]) -> bool:
    """Whether a marker marks a keyframe: any Mint one, also a suggestion the artist made Mint, and any made as one."""
    return marker.get("color") == KEYFRAME_COLOR or str(marker.get("customData") or "").startswith(f"{PREFIX}key")


def is_suggestion(marker: dict[str, Any]) -> bool:
    """Whether a marker is a suggestion of ours that nobody made a keyframe."""
    return str(marker.get("customData") or "").startswith(f"{PREFIX}suggestion:") and not is_keyframe(marker)


def markers(thing: TimelineItem | Timeline | MediaPoolItem) -> dict[int, dict[str, Any]]:
    """Markers by their frame, in the frames of what they stand on. Blackmagic's scripting README: ids are floats."""
    told = mapped(lambda: thing.GetMarkers())
    return {round(frame): dict(one) for frame, one in sorted(told.items()) if isinstance(one, Mapping)}


def _is_marked(item: TimelineItem) -> bool:
    return any(is_keyframe(marker) or is_suggestion(marker) for marker in markers(item).values())


def _places(timeline: Timeline) -> Iterator[tuple[int, int, TimelineItem]]:
    """Every clip of the video tracks with its track, from 1, and its place in it, from 0."""
    for track in range(1, _whole(lambda: timeline.GetTrackCount("video")) + 1):
        for index, item in enumerate(listed(lambda: timeline.GetItemListInTrack("video", track))):  # noqa: B023
            yield track, index, item


def _sizes(timeline: Timeline) -> Iterator[int]:
    """How many clips there are on each video track."""
    for track in range(1, _whole(lambda: timeline.GetTrackCount("video")) + 1):
        yield len(listed(lambda: timeline.GetItemListInTrack("video", track)))  # noqa: B023 (called at once)


def _in_order(items: Iterator[TimelineItem]) -> list[str]:
    found = [(_whole(lambda: item.GetStart()), key_of(item)) for item in items]  # noqa: B023 (called at once)
    return list(dict.fromkeys(key for _, key in sorted(found) if key))


def _whole(call: Callable[[], float]) -> int:
    """A whole number Resolve answers; 0 when it fails."""
    answer = asked(call)
    return int(answer) if isinstance(answer, (int, float)) else 0


def _version(resolve: Resolve) -> tuple[int, ...]:
    """Major, minor and patch. Blackmagic's scripting README: [major, minor, patch, build, suffix]."""
    fields = [str(one) for one in listed(lambda: resolve.GetVersion())[:3]]
    if len(fields) >= 2 and all(one.isdigit() for one in fields):
        return tuple(map(int, fields))
    text = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", str(asked(lambda: resolve.GetVersionString()) or ""))
    return tuple(int(one) for one in text.groups() if one) if text else ()
