"""The stand-in for `nuke.rotopaint` and for the `curves` knob of a Roto or RotoPaint node.

It behaves as Nuke 17.1 was measured to (hosts.md 2.3, 2.4 and 8.1 items 6 and 7; github shango/rotobridge, "RB"), and the hostile way where sources differ:
`append` takes a copy and kills the handle it was given, and `changed()` kills every handle to the tree. `rasterise` draws the matte a Roto node would render.

From memory: the words of the lifetime types (0 all, 1 up to `ltm`, 2 at `ltn` alone, 3 from `ltn`, 4 both), what `getKeyList` gathers, and that `getVisible` is the `vis` attribute.
The first child of a layer is drawn on top (RB 98). Blending modes are RB 98's, measured where both shapes cover a pixel fully.
Refused as never measured: other blending modes, uniform feather (`fx`, `fy`), opacity of layers, and orders of transforms that matter.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fakes import nuke_curves as curves
from fakes.nuke_curves import (
    MEMBERS,
    AnimAttributes,
    AnimControlPoint,
    AnimCTransform,
    CurveData,
    CVec4,
    FlagType,
    Handle,
    KeyData,
    Life,
    NotMeasured,
    ShapeControlPoint,
    check_view,
    compose,
    union_times,
)
from fakes.nuke_curves_text import read, write, write_element
from fakes.nuke_elements import ElementData
from fakes.nuke_raster import bezier_outline, brush, bspline_outline, fill

OPEN = 1 << FlagType.eOpenFlag
FEATHER_STEPS = 16
BLUR_SAMPLES = 8
BLENDS: dict[float, Callable[[np.ndarray], np.ndarray]] = {
    **{0: np.ones_like, 1: np.ones_like, 2: np.copy, 4: np.copy},  # over, max, multiply, min
    **{
        7: lambda below: 1 + below,
        12: lambda below: below - 1,
        13: lambda below: np.abs(1 - below),
    },  # plus, minus, difference
}
"""What a fully covering shape makes of the matte below it, by its `bm` (RB 98)."""


class Element(Handle):
    """A layer, shape or stroke of a tree."""

    unmeasured = ("clone",)

    @property
    def name(self) -> str:
        return self._live.name  # type: ignore[no-any-return]

    @name.setter
    def name(self, name: str) -> None:
        self._live.name = name

    @property
    def locked(self) -> bool:
        return self.getFlag(FlagType.eLockedFlag)

    def getAttributes(self) -> AnimAttributes:
        return AnimAttributes(self._live.attributes, self._life)

    def getTransform(self) -> AnimCTransform:
        return AnimCTransform(self._live.transform, self._life)

    def getVisible(self, time: float) -> bool:
        return bool(self._live.attributes["vis"].at(time) >= 0.5)

    def setVisible(self, time: float, value: bool) -> None:
        attribute = self._live.attributes["vis"]
        attribute.curve.put(time, float(value))
        attribute.told = True

    def getFlag(self, flag: int) -> bool:
        flags = self._live.cc_flags if flag == FlagType.eOpenFlag else self._live.flags
        return bool(flags >> flag & 1)

    def setFlag(self, flag: int, value: bool) -> None:
        field = "cc_flags" if flag == FlagType.eOpenFlag else "flags"
        cleared = getattr(self._live, field) & ~(1 << flag)
        setattr(self._live, field, cleared | (int(bool(value)) << flag))

    def serialise(self) -> str:
        return write_element(self._live, 1)

    def _items(self) -> list[Any]:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._items())

    def __getitem__(self, index: int) -> Any:
        return self._items()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items())

    def remove(self, index: int) -> None:
        if self._live.kind == "layer":
            _bury(self._live.children.pop(index))
        else:
            del self._live.points[index]


class Layer(Element):
    def __init__(self, knob: RotoKnob | ElementData, life: Life | None = None) -> None:
        super().__init__(*_started(knob, "layer", "Layer1", life))

    def _items(self) -> list[Any]:
        return [_handle(child) for child in self._live.children]

    def append(self, element: Element) -> None:
        self.insert(len(self._live.children), element)

    def insert(self, index: int, element: Element) -> None:
        """Put a copy of the element in; the handle given is dead from now on."""
        own = copy.deepcopy(element._live)
        for part in own.walk():
            part.life = Life()
        self._live.children.insert(index, own)
        _bury(element._live)

    def removeAll(self) -> None:
        while self._live.children:
            self.remove(0)

    def setTransform(self, transform: AnimCTransform) -> None:
        self._live.transform = copy.deepcopy(transform._live)


class Shape(Element):
    """A closed or open spline; `type` is "bezier" or "bspline"."""

    def __init__(self, knob: RotoKnob | ElementData, type: str = "bezier", life: Life | None = None) -> None:
        if type not in ("bezier", "bspline"):
            raise NotMeasured(f"a shape of type {type!r}")
        super().__init__(*_started(knob, type, "Shape1", life))

    def _items(self) -> list[Any]:
        return [ShapeControlPoint(point, life=self._life) for point in self._live.points]

    def append(self, point: ShapeControlPoint | AnimControlPoint) -> None:
        self.insert(len(self._live.points), point)

    def insert(self, index: int, point: ShapeControlPoint | AnimControlPoint) -> None:
        own = copy.deepcopy(point._live)
        if isinstance(point, AnimControlPoint):
            centre, own = own, curves.ShapePointData.still(0, 0)
            own.members["center"] = centre
        self._live.points.insert(index, own)
        point._life.alive = False

    def evaluate(self, curve: int, time: float, view: str = "default") -> CubicCurve:
        """The outline (0) or feather outline (1) at a time, before any transform (RB 78)."""
        check_view(view)
        if self._live.kind != "bezier":
            raise NotMeasured("evaluating a B-spline")
        return CubicCurve(_outlines(self._live, time)[curve])


class Stroke(Element):
    def __init__(self, knob: RotoKnob | ElementData, life: Life | None = None) -> None:
        super().__init__(*_started(knob, "catmullrom", "Brush1", life))
        if not isinstance(knob, ElementData):
            self._data.cc_flags = 2048 + OPEN

    def _items(self) -> list[Any]:
        return [AnimControlPoint(point, life=self._life) for point in self._live.points]

    def append(self, point: AnimControlPoint) -> None:
        self._live.points.append(copy.deepcopy(point._live))
        point._life.alive = False


class CubicCurve:
    """A curve baked for one frame; `getPoint` takes 0..1 along its points."""

    def __init__(self, outline: np.ndarray) -> None:
        self._outline = outline

    def getPoint(self, along: float) -> CVec4:
        if not 0 <= along <= 1:
            raise ValueError("invalid curve parameter value (must be between 0.0 and 1.0)")
        count = len(self._outline)
        index = int(along * count) % count
        if along * count % 1:
            raise NotMeasured("a point of a baked curve between two control points")
        x, y = self._outline[index, 0]
        return CVec4(float(x), float(y), 1, 0)


def _started(knob: Any, kind: str, name: str, life: Life | None) -> tuple[ElementData, Life]:
    """What a handle stands for: an element of a tree, or a fresh one that is in no tree yet."""
    if isinstance(knob, ElementData):
        return knob, life or knob.life
    if not isinstance(knob, RotoKnob):
        raise TypeError(f"a curves knob is needed, not {type(knob).__name__}")
    fresh = ElementData(kind, name)
    if kind != "layer":
        for part, axis in (
            (p, a) for p, count in (("Translation", 2), ("Scale", 2), ("SkewX", 1)) for a in range(count)
        ):
            fresh.transform.parts[part][axis].put(1, fresh.transform.parts[part][axis].constant)
        fresh.transform.parts["Rotation"][2].put(
            1, 0.0
        )  # a fresh shape's transform is keyed at frame 1 (RB 30, `{tx 1 0}` in RB 73)
    return fresh, fresh.life


def _bury(element: ElementData) -> None:
    """Kill every handle to an element and to what is in it."""
    for part in element.walk():
        part.life.alive = False


def _handle(element: ElementData) -> Element:
    if element.kind == "layer":
        return Layer(element)
    return Stroke(element) if element.kind == "catmullrom" else Shape(element, element.kind)


class RotoKnob:
    """The `curves` knob: a tree of layers, shapes and strokes."""

    def __init__(self, name: str = "curves", width: int = 2048, height: int = 1556) -> None:
        self._name = name
        self._root = ElementData("layer", "Root", flags=2097152)
        for curve, size in zip(self._root.transform.parts["PivotPoint"], (width, height)):
            curve.constant = curves.single(size / 2)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotMeasured(f"RotoKnob.{name}")

    def Class(self) -> str:
        return "RotoKnob"

    def name(self) -> str:
        return self._name

    @property
    def rootLayer(self) -> Layer:
        return Layer(self._root)

    def toElement(self, path: str) -> Element:
        """The element at "Layer1/Bezier1", or, as in Nuke, an error where there is none."""
        found = self._root
        for part in path.split("/"):
            match = [child for child in found.children if child.name == part]
            if not match:
                raise ValueError(f"no element {path!r}")
            found = match[0]
        return _handle(found)

    def getSelected(self) -> list[Element]:
        return [_handle(e) for e in self._root.walk()[1:] if e.flags >> FlagType.eSelectedFlag & 1]

    def changed(self) -> None:
        """Tell Nuke the curves changed. Every handle to the tree is dead from now on."""
        _bury(self._root)
        for element in self._root.walk():
            element.life = Life()

    def getKeyList(self) -> list[float]:
        found = [union_times(*_curves_of(element)) for element in self._root.walk()]
        return sorted({time for times in found for time in times})

    def toScript(self) -> str:
        return write(self._root)

    def fromScript(self, text: str) -> None:
        self.changed()
        self._root = read(text)

    def snapshot(self) -> ElementData:
        """A copy of the whole tree, for undo: whatever it holds, also what nobody knows the text of."""
        return copy.deepcopy(self._root)

    def restore(self, kept: ElementData) -> None:
        """Go back to a snapshot. Handles die where that changes anything."""
        if kept != self._root:
            self.changed()
            self._root = copy.deepcopy(kept)

    def rasterise(self, frame: float, width: int, height: int, motion_blur: bool = False) -> np.ndarray:
        """The matte of the curves at a frame, float32 (height, width), row 0 at the top; blurred over half a frame about it when asked."""
        if not motion_blur:
            return _matte(self._root, frame, width, height)
        times = [frame + 0.5 * ((i + 0.5) / BLUR_SAMPLES - 0.5) for i in range(BLUR_SAMPLES)]
        return np.mean([_matte(self._root, time, width, height) for time in times], axis=0, dtype=np.float32)


def _curves_of(element: ElementData) -> list[CurveData]:
    members = [member for p in element.points for member in (p.members.values() if hasattr(p, "members") else [p])]
    transform = [curve for part in element.transform.parts.values() for curve in part]
    return (
        [a for m in members for a in m.axes]
        + transform
        + element.transform.extra
        + [a.curve for a in element.attributes.values()]
    )


def _matte(root: ElementData, time: float, width: int, height: int) -> np.ndarray:
    matte = np.zeros((height, width), np.float32)
    _draw(root, curves.IDENTITY, time, matte)
    return matte


def _draw(element: ElementData, outer: list[float], time: float, matte: np.ndarray) -> None:
    value = {name: attribute.at(time) for name, attribute in element.attributes.items()}
    if value["vis"] < 0.5 or ("ltt" in value and not in_lifetime(value, time)):
        return
    matrix = compose(outer, element.transform.matrix(time))
    if element.kind == "layer":
        if value["opc"] != 1:
            raise NotMeasured("the opacity of a layer")
        for child in reversed(element.children):
            _draw(child, matrix, time, matte)
        return
    cover = _coverage(element, matrix, value, time, matte.shape)
    cover = value["opc"] * (1 - cover if value["inv"] else cover)
    matte[:] = cover * BLENDS[value["bm"]](matte) + matte * (1 - cover)


def in_lifetime(value: Mapping[str, float], time: float) -> bool:
    """Whether an element lives at a time."""
    first, last = value["ltn"], value["ltm"]
    lives = {0: True, 1: time <= last, 2: time == first, 3: time >= first, 4: first <= time <= last}
    if value["ltt"] not in lives:
        raise NotMeasured(f"the lifetime type {value['ltt']}")
    return lives[int(value["ltt"])]


def _coverage(
    element: ElementData, matrix: list[float], value: Mapping[str, float], time: float, shape: tuple[int, ...]
) -> np.ndarray:
    if value["bm"] not in BLENDS:
        raise NotMeasured(f"the blending mode {value['bm']} of a shape")
    height, width = shape
    if element.kind == "catmullrom":
        path = _moved(np.array([point.at(time)[:2] for point in element.points]), matrix)
        return brush(path, value.get("bs", 25.0), width, height)
    if value["fo"] and (value["fx"] or value["fy"]):
        raise NotMeasured("how uniform feather renders")
    if element.cc_flags & OPEN:
        raise NotMeasured("how an open spline renders")
    main, feather = (_moved(outline, matrix) for outline in _polylines(element, time))
    if not value["fo"] or np.array_equal(main, feather):
        return fill(main, width, height)
    steps = [(i + 0.5) / FEATHER_STEPS for i in range(FEATHER_STEPS)]
    return np.mean([fill(main + u * (feather - main), width, height) for u in steps], axis=0, dtype=np.float32)


def _moved(points: np.ndarray, m: Sequence[float]) -> np.ndarray:
    return points @ np.array([[m[0], m[4]], [m[1], m[5]]]) + np.array([m[3], m[7]])


def _outlines(element: ElementData, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Outline and feather outline, each (N, 3, 2): centre, left offset, right offset."""
    members = {name: np.array([point.members[name].at(time)[:2] for point in element.points]) for name in MEMBERS}
    main = np.stack([members["center"], members["leftTangent"], members["rightTangent"]], axis=1)
    feather = np.stack(
        [members["center"] + members["featherCenter"], members["featherLeftTangent"], members["featherRightTangent"]],
        axis=1,
    )
    return main, feather if members["featherCenter"].any() else main


def _polylines(element: ElementData, time: float) -> tuple[np.ndarray, np.ndarray]:
    main, feather = _outlines(element, time)
    if element.kind == "bspline":
        return bspline_outline(main[:, 0]), bspline_outline(feather[:, 0])
    return bezier_outline(main, closed=True, like=feather), bezier_outline(feather, closed=True, like=main)


Keys = Mapping[float, Sequence[Sequence[float]]]


def artist_bezier(knob: RotoKnob, name: str, keys: Keys, layer: str = "", feather: float = 0.0) -> None:
    """Draw a closed polygon as an artist would: at each frame of `keys` the corners (x, y), y up, with curved keys.

    `layer` is "Layer1" or "Layer1/Layer2", made where it is not there yet; `feather` moves each feather point that many pixels away from the middle.
    """
    shape = ElementData("bezier", name)
    first = min(keys)
    for corner in range(len(keys[first])):
        point = curves.ShapePointData.still(0, 0)
        for frame, corners in sorted(keys.items()):
            centre = np.mean(corners, axis=0)
            outward = np.asarray(corners[corner], float) - centre
            offset = feather * outward / (np.hypot(*outward) or 1.0)
            for member in MEMBERS:
                xyz = {"center": (*corners[corner], 1.0), "featherCenter": (*offset, 0.0)}.get(member, (0.0, 0.0, 0.0))
                for axis, value in zip(point.members[member].axes, xyz):
                    axis.put(frame, float(value))
        shape.points.append(point)
    for part, axis in (
        ("Translation", 0),
        ("Translation", 1),
        ("Rotation", 2),
        ("Scale", 0),
        ("Scale", 1),
        ("SkewX", 0),
    ):
        curve = shape.transform.parts[part][axis]
        curve.keys = [
            KeyData(curves.single(first), curve.constant)
        ]  # Nuke keys a drawn shape's transform at its first frame (`tx`)
    layer_data(knob, layer).children.append(shape)


def layer_data(knob: RotoKnob, path: str) -> ElementData:
    """The layer at a path below the root, made where it is not there yet."""
    found = knob._root
    for part in path.split("/") if path else []:
        match = [child for child in found.children if child.kind == "layer" and child.name == part]
        if not match:
            match = [ElementData("layer", part, flags=2097664)]
            found.children.append(match[0])
        found = match[0]
    return found


def planar_track(knob: RotoKnob, layer: str, offsets: Mapping[float, Sequence[float]]) -> None:
    """Track a layer as the planar tracker does: `pt` on, and its extra matrix keyed at every frame of `offsets` (x, y)."""
    data = layer_data(knob, layer)
    data.attributes["pt"].curve.constant = 1.0
    for frame, (x, y) in offsets.items():
        data.transform.extra[3].put(frame, x)
        data.transform.extra[7].put(frame, y)


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotMeasured(f"nuke.rotopaint.{name}")


rotopaint = _Module("nuke.rotopaint")
for _class in (
    Element,
    Layer,
    Shape,
    Stroke,
    CubicCurve,
    ShapeControlPoint,
    AnimControlPoint,
    AnimCTransform,
    AnimAttributes,
):
    setattr(rotopaint, _class.__name__, _class)
for _name in (
    "AnimCurve",
    "AnimCurveKey",
    "CMatrix4",
    "CTransform",
    "CVec2",
    "CVec3",
    "CVec4",
    "CurveType",
    "FlagType",
    "InterpolationType",
):
    setattr(rotopaint, _name, getattr(curves, _name))
setattr(rotopaint, "CurveKnob", RotoKnob)  # noqa: B010
