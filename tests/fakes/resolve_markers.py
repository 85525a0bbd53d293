"""Markers and in/out marks of the stand-in Resolve, the same calls on clips, timelines and media.

The three count from three different frames; whoever mixes them up marks the wrong picture.
"""

from __future__ import annotations

from typing import Any

from fakes.resolve_models import MARKER_COLORS, MarkerModel


class Markers:
    """One marker a frame; their ids come back as floats (the scripting README)."""

    _machine: Any
    _model: Any

    def _range(self) -> tuple[int, int]:
        """First and last frame that can carry a marker."""
        raise NotImplementedError

    def AddMarker(
        self, frame: float, color: str, name: str, note: str, duration: float, custom: str | None = None
    ) -> bool:
        first, last = self._range()
        if frame != int(frame) or not first <= frame <= last or duration < 1:
            return False
        if color not in MARKER_COLORS or int(frame) in self._model.markers:
            return False
        self._model.markers[int(frame)] = MarkerModel(color, name, note, float(duration), custom or "")
        return True

    def GetMarkers(self) -> dict[float, dict[str, Any]]:
        return {float(frame): described(marker) for frame, marker in sorted(self._model.markers.items())}

    def GetMarkerByCustomData(self, custom: str) -> dict[float, dict[str, Any]]:
        frame = self._found(custom)
        return {} if frame is None else {float(frame): described(self._model.markers[frame])}

    def UpdateMarkerCustomData(self, frame: float, custom: str) -> bool:
        marker = self._model.markers.get(frame)
        if marker is None:
            return False
        marker.custom = custom
        return True

    def GetMarkerCustomData(self, frame: float) -> str:
        marker = self._model.markers.get(frame)
        return marker.custom if marker else ""

    def DeleteMarkersByColor(self, color: str) -> bool:
        kept = {} if color == "All" else {f: m for f, m in self._model.markers.items() if m.color != color}
        some = len(kept) < len(self._model.markers)
        self._model.markers = kept
        return some

    def DeleteMarkerAtFrame(self, frame: float) -> bool:
        return self._model.markers.pop(frame, None) is not None

    def DeleteMarkerByCustomData(self, custom: str) -> bool:
        """The first that has it, and no other."""
        frame = self._found(custom)
        return frame is not None and self._model.markers.pop(frame) is not None

    def _found(self, custom: str) -> int | None:
        return next((frame for frame, marker in sorted(self._model.markers.items()) if marker.custom == custom), None)


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
