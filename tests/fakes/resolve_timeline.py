"""Timelines and their clips as a script of the stand-in Resolve sees them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from fakes.resolve_fusion import FusionComps
from fakes.resolve_handles import SINCE, SWITCHES, Handle
from fakes.resolve_markers import Markers, Marks
from fakes.resolve_media import MediaPoolItem
from fakes.resolve_models import (
    CLIP_COLORS,
    SIZING,
    ItemModel,
    NodeModel,
    TimelineModel,
    TrackModel,
    frame_of,
    timecode,
)

SWITCHES.update(
    {
        "delete_clips_flaky": 1,  # measured: DeleteClips said False once and did nothing; how often
        "source_start_off_by": 1,  # measured on some items: here, on those whose head is trimmed
        "source_frames_from": "zero",  # GetSourceStartFrame counts from "zero" or from the media's "start"
        "clip_markers_from": "media",  # a clip's markers count from its "media" (measured by firstmate) or "clip"
        "color_lies": False,  # SetClipColor: True, and GetClipColor stays ''
    }
)
SINCE.update(
    {
        ("Timeline", "GetMarkInOut"): (20,),
        ("Timeline", "SetMarkInOut"): (20,),
        ("Timeline", "ClearMarkInOut"): (20,),
        ("TimelineItem", "GetSourceStartFrame"): (19, 0, 2),
        ("TimelineItem", "GetSourceEndFrame"): (19, 0, 2),
        ("TimelineItem", "GetSourceStartTime"): (19, 0, 2),
        ("TimelineItem", "GetSourceEndTime"): (19, 0, 2),
        ("TimelineItem", "GetTrackTypeAndIndex"): (19, 1),
    }
)

MOVES_THE_PLAYHEAD = ("cut", "edit", "color", "fairlight", "deliver")


class Graph(Handle):
    """The nodes of a clip's grade; node indexes count from 1."""

    _api = "Graph"
    _model: list[NodeModel]

    def GetNumNodes(self) -> int:
        return len(self._model)

    def GetLUT(self, index: int) -> str:
        return self._model[index - 1].lut if 1 <= index <= len(self._model) else ""

    def GetNodeLabel(self, index: int) -> str:
        return self._model[index - 1].label if 1 <= index <= len(self._model) else ""

    def GetToolsInNode(self, index: int) -> Any:
        return list(self._model[index - 1].tools) or None if 1 <= index <= len(self._model) else None


class TimelineItem(Handle, Markers, FusionComps):
    """Its markers count from the first frame of its media, as GetLeftOffset does."""

    _api = "TimelineItem"
    _model: ItemModel

    def __init__(self, machine: Any, model: ItemModel, nameless: bool = False):
        super().__init__(machine, model)
        object.__setattr__(self, "_nameless", nameless)

    def _alive(self) -> bool:
        return self._place() is not None

    def _place(self) -> tuple[TimelineModel, int] | None:
        for timeline in self._machine.project.timelines:
            for index, item in timeline.items():
                if item is self._model:
                    return timeline, index
        return None

    def _marker_zero(self) -> int:
        before = self._before() / self._pace()
        return math.floor(before) if self._machine.switches.clip_markers_from == "media" else 0

    def GetName(self) -> str:
        return self._model.name

    def GetUniqueId(self) -> Any:
        return None if self._nameless else self._model.id

    def GetMediaPoolItem(self) -> Any:
        media = self._model.media
        return MediaPoolItem(self._machine, media) if media is not None and self._model.kind != "generator" else None

    def GetTrackTypeAndIndex(self) -> list[Any]:
        place = self._place()
        return ["video", place[1]] if place else []

    # -- edit range

    def GetStart(self, subframe: bool = False) -> float:
        return self._told("GetStart", Fraction(self._model.start), subframe)

    def GetEnd(self, subframe: bool = False) -> float:
        return self._told("GetEnd", Fraction(self._model.end), subframe)

    def GetDuration(self, subframe: bool = False) -> float:
        return self._told("GetDuration", Fraction(self._model.duration), subframe)

    def GetLeftOffset(self, subframe: bool = False) -> float:
        """Frames before the clip's first, counted after the retime."""
        return self._told("GetLeftOffset", self._before() / self._pace(), subframe)

    def GetRightOffset(self, subframe: bool = False) -> float:
        """Frames after the clip's last, counted after the retime."""
        item = self._model
        if item.media is None:
            return self._told("GetRightOffset", Fraction(0), subframe)
        left = (item.media.frames - self._before()) / self._pace() - item.duration
        return self._told("GetRightOffset", max(Fraction(0), left), subframe)

    def _before(self) -> Fraction:
        item = self._model
        if item.media is None:
            return Fraction(0)
        return Fraction(item.source_in if item.speed >= 0 else item.media.frames - 1 - item.source_in)

    def _pace(self) -> Fraction:
        return abs(self._model.speed * self._model.rate) or Fraction(1)

    def GetSourceStartFrame(self) -> int:
        item = self._model
        off = self._machine.switches.source_start_off_by if item.source_in and item.speed > 0 else 0
        return int(item.reports.get("GetSourceStartFrame", self._zero() + item.source_in + off))

    def GetSourceEndFrame(self) -> int:
        """The frame after the last shown; before it in a clip that plays backwards."""
        item = self._model
        span = math.floor(item.duration * item.speed * item.rate)
        return int(item.reports.get("GetSourceEndFrame", self._zero() + item.source_in + span))

    def _zero(self) -> int:
        media = self._model.media
        return media.first if media is not None and self._machine.switches.source_frames_from == "start" else 0

    def _told(self, method: str, value: Fraction, subframe: bool) -> float:
        told = self._model.reports.get(method, value)
        return float(told) if subframe else math.floor(told)

    # -- how it looks

    def GetProperty(self, key: str | None = None) -> Any:
        known = {**SIZING, **self._model.properties}
        return known if not key else known.get(key)

    def GetClipEnabled(self) -> bool:
        return self._model.enabled

    def SetClipEnabled(self, on: bool) -> bool:
        self._model.enabled = on
        return True

    def GetClipColor(self) -> str:
        return self._model.color

    def SetClipColor(self, color: str) -> bool:
        """Its palette is not the markers'; a title takes no colour and says True (measured)."""
        if color not in CLIP_COLORS:
            return False
        if self._model.kind != "title" and not self._machine.switches.color_lies:
            self._model.color = color
        return True

    def ClearClipColor(self) -> bool:
        self._model.color = ""
        return True

    def GetCurrentVersion(self) -> dict[str, Any]:
        return {"versionName": self._model.version, "versionType": 0}

    def GetNumNodes(self) -> int:
        return len(self._model.nodes)

    def GetLUT(self, index: int) -> str:
        return self._model.nodes[index - 1].lut if 1 <= index <= len(self._model.nodes) else ""

    def GetNodeGraph(self, layer: int | None = None) -> Any:
        if layer not in (None, 1):
            raise self._machine.refuse(f"GetNodeGraph({layer})")
        return Graph(self._machine, self._model.nodes)

    def GetColorGroup(self) -> None:
        return None

    def CreateMagicMask(self, mode: str) -> bool:
        """It needs the artist's clicks, which a script cannot make; nobody has made any."""
        return False


class Timeline(Handle, Markers, Marks):
    """Its markers and marks count from its first frame."""

    _api = "Timeline"
    _model: TimelineModel

    def _alive(self) -> bool:
        return any(each is self._model for each in self._machine.project.timelines)

    def _marks_from(self) -> int:
        return self._model.start

    def GetName(self) -> str:
        return self._model.name

    def GetUniqueId(self) -> str:
        return self._model.id

    def GetStartFrame(self) -> int:
        return self._model.start

    def GetEndFrame(self) -> int:
        return self._model.end

    def GetStartTimecode(self) -> str:
        return timecode(self._model.start, self._machine.rate_text)

    def GetSetting(self, name: str | None = None) -> Any:
        return self._machine.settings(name, self._model)

    # -- tracks

    def _track(self, kind: str, index: int) -> TrackModel | None:
        tracks = self._model.tracks.get(kind, [])
        return tracks[index - 1] if 1 <= index <= len(tracks) else None

    def GetTrackCount(self, kind: str) -> int:
        return len(self._model.tracks.get(kind, []))

    def AddTrack(self, kind: str, options: Any = None) -> bool:
        if kind != "video":
            raise self._machine.refuse(f"AddTrack({kind!r})")
        if isinstance(options, dict):
            raise self._machine.refuse(f"AddTrack with {sorted(options)}")
        tracks = self._model.tracks[kind]
        tracks.append(TrackModel(f"Video {len(tracks) + 1}"))
        return True

    def DeleteTrack(self, kind: str, index: int) -> bool:
        """With everything on it."""
        track = self._track(kind, index)
        if track is None or len(self._model.tracks[kind]) == 1:
            return False
        self._model.tracks[kind].remove(track)
        return True

    def SetTrackEnable(self, kind: str, index: int, on: bool) -> bool:
        track = self._track(kind, index)
        if track is not None:
            track.enabled = on
        return track is not None

    def GetIsTrackEnabled(self, kind: str, index: int) -> bool:
        track = self._track(kind, index)
        return track is not None and track.enabled

    def SetTrackLock(self, kind: str, index: int, on: bool) -> bool:
        track = self._track(kind, index)
        if track is not None:
            track.locked = on
        return track is not None

    def GetIsTrackLocked(self, kind: str, index: int) -> bool:
        track = self._track(kind, index)
        return track is not None and track.locked

    def GetTrackName(self, kind: str, index: int) -> str:
        track = self._track(kind, index)
        return track.name if track is not None else ""

    def SetTrackName(self, kind: str, index: int, name: str) -> bool:
        track = self._track(kind, index)
        if track is not None:
            track.name = name
        return track is not None

    # -- clips

    def GetItemListInTrack(self, kind: str, index: int) -> list[Any]:
        track = self._track(kind, index)
        items = sorted(track.items, key=lambda each: each.start) if track is not None else []
        return [TimelineItem(self._machine, item) for item in items]

    def DeleteClips(self, items: list[TimelineItem], ripple: bool = False) -> bool:
        """On the Edit page alone, and once it fails there for no reason (measured)."""
        if ripple:
            raise self._machine.refuse("DeleteClips with ripple")
        if self._machine.page != "edit":
            return False
        if self._machine.flaky_deletes:
            self._machine.flaky_deletes -= 1
            return False
        lost = [item._model for item in items]
        tracks = [track for track in self._model.tracks["video"] if any(item in lost for item in track.items)]
        if any(track.locked for track in tracks) or not all(item._alive() for item in items):
            return False
        for track in tracks:
            track.items = [item for item in track.items if item not in lost]
        return True

    def GetCurrentVideoItem(self) -> Any:
        item = self._model.at(self._model.playhead)
        return None if item is None else TimelineItem(self._machine, item)

    def GetCurrentClipThumbnailImage(self) -> None:
        """Only on the Color page with Resolve in front of all windows (measured), where a script never has it."""
        return None

    # -- playhead

    def GetCurrentTimecode(self) -> str:
        return timecode(self._model.playhead, self._machine.rate_text)

    def SetCurrentTimecode(self, code: str) -> bool:
        """On the pages the scripting README lists: not on Media, not on Fusion."""
        frame = frame_of(code, self._machine.rate_text)
        if frame is None or self._machine.page not in MOVES_THE_PLAYHEAD or frame < self._model.start:
            return False
        self._model.playhead = min(frame, self._model.end)
        return True
