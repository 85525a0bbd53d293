"""Which frames the artist keyed in a Roto or RotoPaint: the union rule.

A frame is a keyframe when anything that makes the matte is keyed there: any member of any point, a transform of the
shape or of a layer above it, or an attribute such as opacity. Facts: github shango/rotobridge, measured in Nuke 17.1
("RB" and its probe's number). Nothing here changes the script: an attribute an element does
not have is never asked for, because asking creates it (RB 62).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

CLASSES = frozenset({"Roto", "RotoPaint"})
"""The nodes an artist draws mattes in."""

MEMBERS = ("center", "leftTangent", "rightTangent", "featherCenter", "featherLeftTangent", "featherRightTangent")
"""What an artist can key of a point of a shape (RB 60)."""

_PARTS = ("Transform", "Translation", "Rotation", "Scale", "SkewX", "PivotPoint")
"""Whether the first subsumes the others is not known, so all are asked."""

_ATTRIBUTES = {
    "Shape": ("vis", "opc", "inv", "fo", "fx", "fy", "ff"),
    "Stroke": ("vis", "opc"),
    "Layer": ("vis", "opc"),
}
"""Attributes every element of the kind has (RB 40 and 76) and that change the matte."""

_MANY = 0.6
"""Above this share of the frames keys come from a tracker rather than from a hand."""


@dataclass(frozen=True)
class RotoKeys:
    """The frames an artist keyed."""

    frames: tuple[int, ...]
    """Ascending, each once."""
    every_frame: bool
    """Whether keys lie on more than 60 % of the range; `frames` are then those with keyed points alone."""
    point_frames: tuple[int, ...]
    """The frames on which points, rather than transforms or attributes, are keyed."""
    notes: tuple[str, ...]
    """Sentences for the artist."""


def keyframes(curves: Any, first: int, last: int) -> RotoKeys:
    """The keyframes of a `curves` knob from `first` to `last`, both included.

    A shape counts only on frames where it is visible, alive and not fully transparent. A key between two frames
    counts as the nearest one.
    """
    points: set[int] = set()
    others: set[int] = set()
    notes: list[str] = []
    for path, element, layers in _drawn(curves.rootLayer):
        chain = (*layers, element)
        drawn, driven = _point_times(element)
        animated = {time for part in chain for time in _animated_times(part)}
        if driven:
            notes.append(f"{path} follows an expression, which has no keys: add its keyframes by hand.")
        between = sorted(time for time in drawn | animated if time != _nearest(time) and first <= time <= last)
        if between:
            notes.append(f"{path} is keyed between frames ({between[0]:g}): the nearest frame counts.")
        shown = {frame for frame in _frames(drawn | animated, first, last) if _is_on(chain, frame)}
        points |= shown & _frames(drawn, first, last)
        others |= shown
    return _judged(points, others, last - first + 1, notes)


def names(curves: Any) -> tuple[str, ...]:
    """The paths of all layers, shapes and strokes as `toElement` takes them ("Layer1/Bezier1"), in the knob's order."""
    return tuple(path for path, _, _ in _walk(curves.rootLayer))


def _judged(points: set[int], union: set[int], length: int, notes: list[str]) -> RotoKeys:
    crowded = len(union) > _MANY * length
    if crowded and points != union:
        notes.append(
            f"{len(union)} of {length} frames are keyed, as by a planar track: "
            f"only the {len(points)} with keyed points count."
        )
    elif crowded:
        notes.append(f"{len(union)} of {length} frames are keyed. If not by hand, type the good ones into keyframes.")
    frames = points if crowded else union
    if not frames:
        notes.append("The roto has no key within the frames: add keyframes by hand.")
    return RotoKeys(tuple(sorted(frames)), crowded, tuple(sorted(points)), tuple(notes))


def _walk(layer: Any, path: str = "", above: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """Everything below a layer: its path, itself, and the layers it is in."""
    inside = (*above, layer)
    for element in layer:
        here = f"{path}{element.name}"
        yield here, element, inside
        if _kind(element) == "Layer":
            yield from _walk(element, f"{here}/", inside)


def _drawn(root: Any) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    return (found for found in _walk(root) if _kind(found[1]) in ("Shape", "Stroke"))


def _kind(element: Any) -> str:
    """Layer, Shape or Stroke (RB 50 and 76): from version to version the classes change modules, not names."""
    return type(element).__name__


def _point_times(element: Any) -> tuple[set[float], bool]:
    """The times at which any member of any point is keyed, and whether an expression drives one that is not."""
    times: set[float] = set()
    driven = False
    for point in element:
        for member in (point,) if _kind(element) == "Stroke" else (getattr(point, name) for name in MEMBERS):
            keyed = member.getControlPointKeyTimes()
            times.update(keyed)
            driven = driven or (not keyed and any(member.getPositionAnimCurve(axis).useExpression for axis in (0, 1)))
    return times, driven


def _animated_times(element: Any) -> set[float]:
    """When an element's transform or attributes are keyed.

    One key alone animates nothing, and Nuke keys the transform of every fresh shape once (RB 30).
    """
    transform, attributes = element.getTransform(), element.getAttributes()
    lists: list[list[float]] = [getattr(transform, f"get{part}KeyTimes")() for part in _PARTS]
    for name in _ATTRIBUTES[_kind(element)]:
        curve = attributes.getCurve(name)
        lists.append([curve.getKey(index).time for index in range(curve.getNumberOfKeys())])
    return {time for times in lists if len(times) > 1 for time in times}


def _frames(times: Iterable[float], first: int, last: int) -> set[int]:
    return {frame for frame in map(_nearest, times) if first <= frame <= last}


def _nearest(time: float) -> int:
    return math.floor(time + 0.5)


def _is_on(chain: tuple[Any, ...], frame: int) -> bool:
    """Whether a shape shows at all on a frame; `chain` is its layers and, last, itself."""
    if not all(part.getVisible(frame) and part.getAttributes().getValue(frame, "opc") > 0 for part in chain):
        return False
    attributes = chain[-1].getAttributes()
    kind, start, end = (attributes.getValue(frame, name) for name in ("ltt", "ltn", "ltm"))
    # The menu of lifetime types: all frames, start to frame, single frame, frame to end, frame range. From memory but
    # for 0 (RB 40) and 2 (strokes in a public Nuke 13 script); a type unknown here hides nothing.
    lives: dict[int, bool] = {1: frame <= end, 2: frame == start, 3: frame >= start, 4: start <= frame <= end}
    return lives.get(int(kind), True)
