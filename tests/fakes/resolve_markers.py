"""Markers and in/out marks of the stand-in Resolve, the same calls on clips, timelines and media.

A clip's count from its media's first frame, as the media's do; the timeline's from the timeline's. Whoever mixes them
up marks the wrong picture.
"""

from __future__ import annotations

from typing import Any

from fakes.resolve_models import MARKER_COLORS, MarkerModel


class Markers:
    """One marker a frame; their ids come back as floats (the scripting README)."""

    _machine: Any
    _model: Any

    def _range(self) -> tuple[float, float]:
        """First and last frame that can carry a marker: clips and timelines take any (measured by firstmate)."""
        return 0, float("inf")

    def _marker_zero(self) -> int:
        """The id of a marker on the first frame of what the model's markers count from."""
        return 0

    def AddMarker(
        self, frame: float, color: str, name: str, note: str, duration: float, custom: str | None = None
    ) -> bool:
        first, last = self._range()
        if frame != int(frame) or not first <= frame <= last or duration < 1:
            return False
        place = int(frame) - self._marker_zero()
        if color not in MARKER_COLORS or place in self._model.markers:
            return False
        self._model.markers[place] = MarkerModel(color, name, note, float(duration), custom or "")
        return True

    def GetMarkers(self) -> dict[float, dict[str, Any]]:
        zero = self._marker_zero()
        return {float(place + zero): described(marker) for place, marker in sorted(self._model.markers.items())}

    def GetMarkerByCustomData(self, custom: str) -> dict[float, dict[str, Any]]:
        place = self._found(custom)
        return {} if place is None else {float(place + self._marker_zero()): described(self._model.markers[place])}

    def UpdateMarkerCustomData(self, frame: float, custom: str) -> bool:
        marker = self._model.markers.get(frame - self._marker_zero())
        if marker is None:
            return False
        marker.custom = custom
        return True

    def GetMarkerCustomData(self, frame: float) -> str:
        marker = self._model.markers.get(frame - self._marker_zero())
        return marker.custom if marker else ""

    def DeleteMarkersByColor(self, color: str) -> bool:
        kept = {} if color == "All" else {f: m for f, m in self._model.markers.items() if m.color != color}
        some = len(kept) < len(self._model.markers)
        self._model.markers = kept
        return some

    def DeleteMarkerAtFrame(self, frame: float) -> bool:
        return self._model.markers.pop(frame - self._marker_zero(), None) is not None

    def DeleteMarkerByCustomData(self, custom: str) -> bool:
        """The first that has it, and no other."""
        place = self._found(custom)
        return place is not None and self._model.markers.pop(place) is not None

    def _found(self, custom: str) -> int | None:
        return next((place for place, marker in sorted(self._model.markers.items()) if marker.custom == custom), None)


def described(marker: MarkerModel) -> dict[str, Any]:
    return {
        "color": marker.color,
        "duration": marker.duration,
        "note": marker.note,
        "name": marker.name,
        "customData": marker.custom,
    }


class Marks:
    """In and out; since Resolve 20."""

    _machine: Any
    _model: Any

    def _marks_from(self) -> int:
        """The frame the marks are counted from."""
        raise NotImplementedError

    def GetMarkInOut(self) -> dict[str, dict[str, int]]:
        zero, model = self._marks_from(), self._model
        found = {
            name: frame - zero for name, frame in (("in", model.mark_in), ("out", model.mark_out)) if frame is not None
        }
        return {"video": found, "audio": dict(found)} if found else {}

    def SetMarkInOut(self, first: int, last: int, kind: str = "all") -> bool:
        if kind not in ("all", "video") or last < first:
            return False
        zero = self._marks_from()
        self._model.mark_in, self._model.mark_out = first + zero, last + zero
        return True

    def ClearMarkInOut(self, kind: str = "all") -> bool:
        if kind not in ("all", "video"):
            return False
        self._model.mark_in = self._model.mark_out = None
        return True
