"""Draws a mask of a Fusion composition from the composition's text: its Polygon and B-Spline tools, at one frame.

Only what is certain is drawn. A mask with a soft edge, a border, an animated slider or a rotation looks in Fusion as
only Fusion knows, so it is refused by name, and the artist takes it through a Saver. Between two keys the points go in
straight lines, as a new key in Fusion has it. The forms are those of files that Fusion saved; what the text does not
mention is at its default.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Callable

from matted_resolve import outline
from matted_resolve.comp_text import Table, Value

MASKS = {"PolylineMask": "Polyline", "BSplineMask": "BSplinePolyline"}
"""The tools that are drawn, and the kind of their points."""

_HARMLESS = {
    *("Filter", "OutputSize", "MaskWidth", "MaskHeight", "PixelAspect", "UseFrameFormatSettings", "ClippingMode"),
    *("Depth", "CapStyle", "Comments", "Polyline2"),
}
"""Inputs that change nothing of an outline that is filled."""
_DRAWN = {"Polyline", "Center", "Size", "Level", "Invert", "FillMethod", "PaintMode", "EffectMask"}
_ONLY = {"Solid": 1.0, "SoftEdge": 0.0, "BorderWidth": 0.0, "WritePosition": 0.0, "WriteLength": 1.0,
         "XRotation": 0.0, "YRotation": 0.0, "ZRotation": 0.0, "Angle": 0.0}  # fmt: skip
"""Inputs that are followed at one value alone."""

_PLAIN_FLAGS = {"Linear", "LockedY"}
_COMBINED: Mapping[str, Callable[[int, int], int]] = {
    "Merge": lambda one, other: one + other - one * other // 255,
    "Add": lambda one, other: min(one + other, 255),
    "Maximum": max,
    "Minimum": min,
    "Multiply": lambda one, other: one * other // 255,
    "Subtract": lambda one, other: max(other - one, 0),
}
"""By Paint Mode: how much of a pixel is in the mask, from how much of it the tool and the mask before it cover."""


class MaskError(ValueError):
    """The mask cannot be drawn; the message is a sentence about it, without its end."""


def tools(comp: Table) -> dict[str, Table]:
    """The tools of a composition by name, those in groups too."""
    found: dict[str, Table] = {}
    for name, tool in comp.table("Tools").items.items():
        if isinstance(tool, Table):
            found.update(tools(tool))
            found[str(name)] = tool
    return found


def key_times(comp: Table, name: str) -> tuple[float, ...]:
    """The frames of the composition at which a mask's outline is keyed, ascending; () when it stands still.

    Raises:
        MaskError: something else than keys moves the points.
    """
    known = tools(comp)
    spline = _spline(known, name, _inputs(known, name))
    return tuple(_keys(spline)) if spline is not None else ()


def draw(comp: Table, name: str, time: float, size: tuple[int, int]) -> bytes:
    """A mask as half-float values, little-endian, rows from the top.

    Args:
        comp: the composition.
        name: of the tool.
        time: frame of the composition.
        size: of the picture, pixels.

    Raises:
        MaskError: it cannot be drawn as Fusion would.
    """
    known = tools(comp)
    inputs = _inputs(known, name)
    level, inverted = _number(inputs, "Level", 1.0), bool(_number(inputs, "Invert", 0.0))
    if inverted and level != 1:
        raise MaskError("it is inverted and its Level is not 1")
    return outline.halves(_covered(known, name, time, size, ()), level=level, inverted=inverted)


def _covered(
    known: Mapping[str, Table], name: str, time: float, size: tuple[int, int], later: tuple[str, ...]
) -> bytes:
    """The coverage of a mask with those before it.

    Args:
        later: the masks that this one is fed to, the last of which is the one asked for.
    """
    if name in later:
        raise MaskError(f"its masks go in a circle by {name}")
    inputs = _inputs(known, name)
    covered = outline.coverage(_polygon(known, name, inputs, time, size), size, winding=_winding(inputs))
    feeding = inputs.table("EffectMask").items.get("SourceOp")
    if feeding is None and not later:
        return covered
    if _number(inputs, "Level", 1.0) != 1 or _number(inputs, "Invert", 0.0) != 0:
        raise MaskError(f"it is combined with another mask, and {name} is inverted or its Level is not 1")
    if feeding is None:
        return covered
    mode = _word(inputs, "PaintMode", "Merge")
    if mode not in _COMBINED:
        raise MaskError(f"{name} is combined with {feeding} by the Paint Mode {mode}")
    return bytes(map(_COMBINED[mode], covered, _covered(known, str(feeding), time, size, (*later, name))))


def _inputs(known: Mapping[str, Table], name: str) -> Table:
    """The inputs of a mask tool, once it is sure that none of them is beyond us."""
    tool = known.get(name, Table())
    if tool.kind not in MASKS:
        raise MaskError(f"{name} is a {tool.kind or 'tool of another composition'}, and no Polygon or B-Spline")
    if tool.items.get("PassThrough"):
        raise MaskError(f"{name} is switched off")
    if "SourceOp" in tool.items:
        raise MaskError(f"{name} is an instance of {tool.items['SourceOp']}")
    inputs = tool.table("Inputs")
    for key in inputs.items:
        if key in _ONLY and _number(inputs, str(key), _ONLY[str(key)]) != _ONLY[str(key)]:
            raise MaskError(f"{name} has {key} at {_number(inputs, str(key), 0.0):g}, not {_ONLY[str(key)]:g}")
        if key not in _HARMLESS and key not in _DRAWN and key not in _ONLY:
            raise MaskError(f"{name} has {key} set")
    return inputs


def _value(inputs: Table, key: str, default: Value) -> Value:
    """What an input stands at."""
    found = inputs.table(key)
    if "SourceOp" in found.items or "Expression" in found.items:
        raise MaskError(f"its {key} is animated or follows another tool")
    value = found.items.get("Value", default)
    if isinstance(value, Table) and value.kind == "Number":
        return value.items.get("Value")
    return value


def _number(inputs: Table, key: str, default: float) -> float:
    value = _value(inputs, key, default)
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise MaskError(f"its {key} is no number")
    return float(value)


def _word(inputs: Table, key: str, default: str) -> str:
    """A choice: ``FuID { "Merge" }``, a text or a number."""
    value = _value(inputs, key, default)
    return str(value.values[0] if isinstance(value, Table) and value.values else value)


def _winding(inputs: Table) -> bool:
    method = _word(inputs, "FillMethod", "Alternate").replace(" ", "").lower()
    if method in ("0", "alternate"):
        return False
    if method in ("1", "nonzerowinding", "winding"):
        return True
    raise MaskError(f"its Fill Method is {method}")


def _spline(known: Mapping[str, Table], name: str, inputs: Table) -> Table | None:
    """What keys the points of a mask; None when they stand still."""
    source = inputs.table("Polyline").items.get("SourceOp")
    if source is None:
        return None
    spline = known.get(str(source), Table())
    if spline.kind != "BezierSpline":
        raise MaskError(f"the points of {name} are moved by {source}, not by keys")
    return spline


def _keys(spline: Table) -> dict[float, Table]:
    """The keys by frame, ascending."""
    keys = spline.table("KeyFrames").items
    found = {float(time): key for time, key in keys.items() if isinstance(key, Table) and not isinstance(time, str)}
    return dict(sorted(found.items()))


def _polygon(
    known: Mapping[str, Table], name: str, inputs: Table, time: float, size: tuple[int, int]
) -> list[outline.Place]:
    kind = known[name].kind
    spline = _spline(known, name, inputs)
    if spline is None:
        points = _points(name, kind, inputs.table("Polyline").table("Value"))
    else:
        points = _points_at(name, kind, _keys(spline), time)
    centre = _value(inputs, "Center", Table("", {}, [0.5, 0.5]))
    place = _numbers(centre.values) if isinstance(centre, Table) else []
    if len(place) < 2:
        raise MaskError(f"the Center of {name} is no point")
    x, y = place[0] - 0.5, place[1] - 0.5
    scale = _number(inputs, "Size", 1.0)
    placed = [(x + scale * point[0], y + scale * point[1], *(scale * one for one in point[2:])) for point in points]
    return outline.bezier(placed, size) if kind == "PolylineMask" else outline.bspline(placed, size)


def _points_at(name: str, kind: str, keys: Mapping[float, Table], time: float) -> list[tuple[float, ...]]:
    """The points at a frame: those of a key, or between two of them in a straight line."""
    if not keys:
        raise MaskError(f"{name} has no keys")
    before = max((key for key in keys if key <= time), default=min(keys))
    after = min((key for key in keys if key >= time), default=max(keys))
    if before == after:
        if before != time:
            _check_flags(name, keys[before])
        return _points(name, kind, keys[before].table("Value"))
    _check_straight(name, (before, keys[before]), (after, keys[after]))
    start, end = (_points(name, kind, keys[key].table("Value")) for key in (before, after))
    if len(start) != len(end):
        raise MaskError(f"{name} has {len(start)} points at its key before, {len(end)} at the one after")
    part = (time - before) / (after - before)
    return [tuple(a + (b - a) * part for a, b in zip(one, other)) for one, other in zip(start, end)]


def _check_flags(name: str, key: Table) -> None:
    odd = sorted(str(flag) for flag, on in key.table("Flags").items.items() if on and flag not in _PLAIN_FLAGS)
    if odd:
        raise MaskError(f"the keys of {name} are set to {', '.join(odd)}")


def _check_straight(name: str, before: tuple[float, Table], after: tuple[float, Table]) -> None:
    """Refuse where the way from one key to the next is eased: its handles lie beside the straight line."""
    ends = [(time, *_numbers(key.values[:1])) for time, key in (before, after)]
    if len(ends[0]) < 2 or len(ends[1]) < 2:
        raise MaskError(f"a key of {name} has no value")
    (t0, v0), (t1, v1) = ends[0][:2], ends[1][:2]
    for key, handle in ((before[1], "RH"), (after[1], "LH")):
        _check_flags(name, key)
        place = _numbers(key.table(handle).values)
        if len(place) == 2 and abs((place[1] - v0) * (t1 - t0) - (v1 - v0) * (place[0] - t0)) > 1e-6 * (t1 - t0):
            raise MaskError(f"the way between the keys of {name} is eased")


def _numbers(values: list[Value]) -> list[float]:
    return [float(value) for value in values if isinstance(value, (int, float))]


def _points(name: str, kind: str, polyline: Table) -> list[tuple[float, ...]]:
    """x and y of each point, and for a Polygon those of its two handles, from the point."""
    if polyline.kind != MASKS[kind]:
        raise MaskError(f"the points of {name} are a {polyline.kind or 'nothing'}, not a {MASKS[kind]}")
    if polyline.items.get("Closed") is not True:
        raise MaskError(f"the outline of {name} is not closed")
    if kind == "BSplineMask":
        _check_uniform(name, polyline)
    names = ("X", "Y", "LX", "LY", "RX", "RY") if kind == "PolylineMask" else ("X", "Y")
    found = [tuple(_coordinates(name, point, names)) for point in polyline.table("Points").values]
    if len(found) < (2 if kind == "PolylineMask" else 3):
        raise MaskError(f"{name} has no outline")
    return found


def _check_uniform(name: str, polyline: Table) -> None:
    """Refuse B-splines that are not the uniform cubic one."""
    knots = _numbers(polyline.table("Knots").values)
    steps = {round(after - before, 6) for before, after in zip(knots, knots[1:])}
    if polyline.items.get("Order", 4) != 4 or len(steps) > 1:
        raise MaskError(f"the B-spline of {name} is not uniform and cubic")
    weights = {
        point.items["W"] for point in polyline.table("Points").values if isinstance(point, Table) and "W" in point.items
    }
    if weights - {1}:
        raise MaskError(f"points of {name} have a tension of their own")


def _coordinates(name: str, point: Any, names: tuple[str, ...]) -> Iterator[float]:
    for key in names:
        value = point.items.get(key, 0.0) if isinstance(point, Table) else None
        if not isinstance(value, (int, float)) or not abs(value) < 1e6:
            raise MaskError(f"a point of {name} lies nowhere")
        yield float(value)
