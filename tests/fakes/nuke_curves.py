"""The curve library of the stand-in Nuke: animated numbers, points, transforms and attributes, as `nuke.rotopaint` has them.

Facts are the measurements of github shango/rotobridge (Nuke 17.1v1 non-commercial; "RB" and the probe's number below), gathered in hosts.md 2.3 and 2.4. A real member
nobody has measured raises `NotMeasured`; a member Nuke does not have raises AttributeError, as there. Values are stored as float32 (RB).

From memory, therefore not to be relied on: values hold before the first key and after the last; a transform is translate, pivot, rotate, scale, back by the pivot.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import Any

UNSET_KIND, STEP_KIND, LINEAR_KIND, CUBIC_KIND = 256, 1, 2, 3
"""What `AnimCurveKey.interpolationType` holds: the `InterpolationType` constant plus one; 256 is a key nobody touched, and is cubic (RB 63)."""

SHAPE_DEFAULTS: dict[str, float] = {
    **{"vis": 1, "r": 1, "g": 1, "b": 1, "a": 1, "ro": 0, "go": 0, "bo": 0, "ao": 0, "opc": 1, "bm": 0, "inv": 0},
    **{
        "mbo": 0,
        "mb": 1,
        "mbs": 0.5,
        "mbsot": 0,
        "mbso": 0,
        "fo": 1,
        "fx": 0,
        "fy": 0,
        "ff": 1,
        "ft": 0,
        "osw": 10,
        "osf": 0,
    },
    **{
        "src": 0,
        "stx": 0,
        "sty": 0,
        "str": 1,
        "sr": 0,
        "ssx": 1,
        "ssy": 1,
        "sskx": 0,
        "ssky": 0,
        "sso": 0,
        "spx": 320,
        "spy": 240,
    },
    **{
        "stot": 0,
        "sto": 0,
        "sv": 0,
        "sf": 2,
        "sb": 0,
        "nv": 1,
        "view1": 1,
        "ltn": 1,
        "ltm": 1,
        "ltt": 0,
        "tt": 0,
        "pt": 0,
    },
}
"""The 48 attributes of a fresh shape in their order (RB 40)."""

LAYER_DEFAULTS: dict[str, float] = {
    **{
        "vis": 1,
        "opc": 1,
        "mbo": 0,
        "mb": 1,
        "mbs": 0.5,
        "fo": 1,
        "fx": 0,
        "fy": 0,
        "ff": 1,
        "ft": 0,
        "warp": 0,
        "pt": 0,
    },
}
"""The attributes of a layer (RB 76) but for the planar tracker's own; it has no lifetime and no blending mode. `warp` at 0 is from memory."""

VIEWS = ("default", "main")


class NotMeasured(Exception):
    """What real Nuke does here is not known; the stand-in will not guess."""


class NukeCrashed(Exception):
    """Real Nuke would have crashed."""


def single(value: float) -> float:
    """The number as Nuke keeps it: rounded to float32."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def check_view(view: object) -> None:
    """A view is named by a string; a number is refused (RB 62)."""
    if not isinstance(view, str):
        raise TypeError(f"argument must be str, not {type(view).__name__}")
    if view not in VIEWS:
        raise NotMeasured(f"the view {view!r}")


class Life:
    """Whether the C++ object behind a handle is still there."""

    def __init__(self) -> None:
        self.alive = True

    def check(self) -> None:
        if not self.alive:
            raise RuntimeError("associated c++ object is NULL")


class Handle:
    """A Python object standing for a C++ one, and dying with it."""

    unmeasured: tuple[str, ...] = ()

    def __init__(self, data: Any, life: Life) -> None:
        self._data, self._life = data, life

    @property
    def _live(self) -> Any:
        self._life.check()
        return self._data

    def __getattr__(self, name: str) -> Any:
        if name in type(self).unmeasured:
            raise NotMeasured(f"{type(self).__name__}.{name}")
        raise AttributeError(f"'_curvelib.{type(self).__name__}' object has no attribute '{name}'")


class _Vector:
    size = 3

    def __init__(self, *values: float) -> None:
        given = [single(v) for v in values] + [0.0] * (self.size - len(values))
        if len(given) != self.size:
            raise TypeError(f"{type(self).__name__} takes {self.size} numbers")
        self._values = given

    def __getitem__(self, index: int) -> float:
        return self._values[index]

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        return "{ " + ", ".join(f"{v:g}" for v in self._values) + " }"

    def __getattr__(self, name: str) -> float:
        if len(name) == 1 and name in "xyzw"[: self.size]:
            return self._values["xyzw".index(name)]
        raise AttributeError(f"'_curvelib.{type(self).__name__}' object has no attribute '{name}'")


class CVec2(_Vector):
    size = 2


class CVec3(_Vector):
    pass


class CVec4(_Vector):
    size = 4


class CMatrix4:
    """Sixteen numbers, row by row; `matrix * CVec3` moves a point (RB 70)."""

    def __init__(self, values: list[float]) -> None:
        self._values = [single(v) for v in values]

    def __getitem__(self, index: int) -> float:
        return self._values[index]

    def __len__(self) -> int:
        return 16

    def __mul__(self, vector: _Vector) -> CVec3:
        if not isinstance(vector, CVec3):
            raise NotMeasured(f"a matrix times a {type(vector).__name__}")
        m, (x, y, _) = self._values, vector
        return CVec3(m[0] * x + m[1] * y + m[3], m[4] * x + m[5] * y + m[7], vector[2])


class InterpolationType:
    eUndefineInterpolationType = -1
    eStepInterpolationType = 0
    eLinearInterpolationType = 1
    eCubicInterpolationType = 2


class CurveType:
    eUndefineCurveType = -1
    eBezierCurveType = 0
    eHermiteCurveType = 1
    eBSplineCurveType = 2
    eCardinalCurveType = 3
    eCatmullRomCurveType = 4
    eNurbsCurveType = 5


class FlagType:
    eUndefineFlag = -1
    eBreakFlag = 0
    eTangentLengthLockFlag = 1
    eKeySelectedFlag = 2
    eLeftTangentSelectedFlag = 3
    eRightTangentSelectedFlag = 4
    eOpenFlag = 5
    eSelectedFlag = 6
    eActiveFlag = 7
    eVisibleFlag = 8
    eRenderableFlag = 9
    eLockedFlag = 10
    ePressureInZFlag = 11
    eNukeAnimCurveEvalFlag = 12
    eRelativeTangentFlag = 13
    eMaxFlag = 14


@dataclass
class KeyData:
    time: float
    value: float
    lslope: float = 0.0
    la: float = 0.0
    rslope: float = 0.0
    ra: float = 0.0
    kind: int = UNSET_KIND


@dataclass
class CurveData:
    """One animated number. With no key it is `constant`."""

    constant: float = 0.0
    keys: list[KeyData] = field(default_factory=list)
    expression: str = ""
    use_expression: bool = False

    def times(self) -> list[float]:
        return [key.time for key in self.keys]

    def put(self, time: float, value: float) -> KeyData:
        time, value = single(time), single(value)
        for key in self.keys:
            if key.time == time:
                key.value = value
                return key
        key = KeyData(time, value)
        self.keys = sorted([*self.keys, key], key=lambda k: k.time)
        return key

    def drop(self, time: float) -> None:
        self.keys = [key for key in self.keys if key.time != single(time)]

    def at(self, time: float) -> float:
        if self.use_expression:
            names = {**{n: getattr(math, n) for n in ("sin", "cos", "pi")}, "frame": time, "t": time, "x": time}
            return single(float(eval(self.expression, {"__builtins__": {}}, names)))
        if not self.keys:
            return self.constant
        if time <= self.keys[0].time:
            return self.keys[0].value
        if time >= self.keys[-1].time:
            return self.keys[-1].value
        index = next(i for i, key in enumerate(self.keys) if key.time > time) - 1
        return single(self._between(index, time))

    def _between(self, index: int, time: float) -> float:
        left, right = self.keys[index], self.keys[index + 1]
        if left.kind == STEP_KIND:
            return left.value
        span = right.time - left.time
        u = (time - left.time) / span
        start, end = self._slopes(index)
        return (
            (1 + 2 * u) * (1 - u) ** 2 * left.value
            + u * (1 - u) ** 2 * span * start
            + u * u * (3 - 2 * u) * right.value
            + u * u * (u - 1) * span * end
        )

    def _slopes(self, index: int) -> tuple[float, float]:
        """The slopes a segment leaves and arrives with; at the ends of a curve the natural slope (these reproduce RB 21, 63, 71 and 109)."""
        chord = self._chord(index)
        start, end = self._slope(index, chord), self._slope(index + 1, chord)
        if start is None and end is None:
            return chord, chord
        if start is None:
            return (3 * chord - end) / 2, end  # type: ignore[operator]
        if end is None:
            return start, (3 * chord - start) / 2
        return start, end

    def _slope(self, index: int, chord: float) -> float | None:
        """The slope of one key towards the segment with this chord, or None where the curve ends in a cubic key."""
        kind = self.keys[index].kind
        if kind == LINEAR_KIND:
            return chord
        if kind == STEP_KIND:
            return 0.0  # a step key is arrived at with a flat handle: the step is outgoing only (RB nuke_step_incoming)
        if kind not in (0, CUBIC_KIND, UNSET_KIND):
            raise NotMeasured(f"a key of interpolation {kind}")
        if index in (0, len(self.keys) - 1):
            return None
        before, after = self.keys[index - 1], self.keys[index + 1]
        return (after.value - before.value) / (after.time - before.time)

    def _chord(self, index: int) -> float:
        left, right = self.keys[index], self.keys[index + 1]
        return (right.value - left.value) / (right.time - left.time)


class AnimCurveKey(Handle):
    unmeasured = ("getFlag", "setFlag", "reset")
    kDefaultAnimCurveKeyInterpolation = UNSET_KIND
    kDefaultAnimCurveKeyTime = 0.0
    kDefaultAnimCurveKeyValue = 0.0


def _key_member(name: str, stored: str) -> property:
    def get(self: AnimCurveKey) -> float:
        return getattr(self._live, stored)  # type: ignore[no-any-return]

    def put(self: AnimCurveKey, value: float) -> None:
        setattr(self._live, stored, int(value) if stored == "kind" else single(value))

    return property(get, put, doc=name)


for _name, _stored in {
    "interpolationType": "kind",
    **{n: n for n in ("time", "value", "lslope", "rslope", "la", "ra")},
}.items():
    setattr(AnimCurveKey, _name, _key_member(_name, _stored))


class AnimCurve(Handle):
    unmeasured = ("getFlag", "setFlag", "reset", "isDefault", "name")
    curveTension = 0.5
    kDefaultConstantValue = 0.0
    kDefaultCurveType = 0

    def __init__(self, data: CurveData | None = None, life: Life | None = None) -> None:
        super().__init__(data or CurveData(), life or Life())

    def addKey(self, time: float, value: float) -> None:
        self._live.put(time, value)

    def removeKey(self, time: float) -> None:
        self._live.drop(time)

    def removeAllKeys(self) -> None:
        self._live.keys = []

    def getNumberOfKeys(self) -> int:
        return len(self._live.keys)

    def getKey(self, index: int) -> AnimCurveKey:
        return AnimCurveKey(self._live.keys[index], self._life)

    def evaluate(self, time: float) -> float:
        return self._live.at(time)  # type: ignore[no-any-return]

    @property
    def constantValue(self) -> float:
        return self._live.constant  # type: ignore[no-any-return]

    @constantValue.setter
    def constantValue(self, value: float) -> None:
        self._live.constant = single(value)

    @property
    def expressionString(self) -> str:
        return self._live.expression  # type: ignore[no-any-return]

    @expressionString.setter
    def expressionString(self, text: str) -> None:
        self._live.expression = text

    @property
    def useExpression(self) -> bool:
        return self._live.use_expression  # type: ignore[no-any-return]

    @useExpression.setter
    def useExpression(self, on: bool) -> None:
        self._live.use_expression = bool(on)

    @property
    def curveType(self) -> int:
        return 0

    @curveType.setter
    def curveType(self, value: int) -> None:
        raise NukeCrashed("setting AnimCurve.curveType: sweeping its values crashes Nuke (hosts.md 0, item 7)")


def union_times(*curves: CurveData) -> list[float]:
    """All key times of some curves, ascending."""
    return sorted({time for curve in curves for time in curve.times()})


@dataclass
class PointData:
    """One animated position: x, y and a third number (1 for a centre, 0 for an offset)."""

    axes: list[CurveData]

    @staticmethod
    def still(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> PointData:
        return PointData([CurveData(single(v)) for v in (x, y, z)])

    def at(self, time: float) -> tuple[float, float, float]:
        return tuple(axis.at(time) for axis in self.axes)  # type: ignore[return-value]


class AnimControlPoint(Handle):
    unmeasured = (
        "addControlPoint",
        "addKey",
        "evaluate",
        "getFlag",
        "setFlag",
        "hash",
        "name",
        "removeKey",
        "reset",
        "setPositionKey",
        "getPositionKeyTime",
    )
    dim = 3

    def __init__(self, x: float | PointData = 0.0, y: float = 0.0, life: Life | None = None) -> None:
        super().__init__(x if isinstance(x, PointData) else PointData.still(x, y, 1.0), life or Life())

    def addPositionKey(self, time: float, position: Any, view: str = "default") -> None:
        check_view(view)
        if isinstance(position, (int, float)):
            raise NotMeasured("addPositionKey with a dimension")
        values = list(position) + [axis.constant for axis in self._live.axes][len(position) :]
        for axis, value in zip(self._live.axes, values):
            axis.put(time, value)

    def removePositionKey(self, time: float, view: str = "default") -> None:
        check_view(view)
        for axis in self._live.axes:
            axis.drop(time)

    def removeAllKeys(self, view: str = "default") -> None:
        check_view(view)
        for axis in self._live.axes:
            axis.keys = []

    def setPosition(self, position: Any, view: str = "default") -> None:
        check_view(view)
        for axis, value in zip(self._live.axes, position):
            axis.constant = single(value)

    def getPosition(self, time: float, view: str = "default") -> CVec3:
        check_view(view)
        return CVec3(*self._live.at(time))

    def getControlPointKeyTimes(self, view: str = "default") -> list[float]:
        check_view(view)
        return union_times(*self._live.axes)

    def getPositionAnimCurve(self, index: int, view: str = "default") -> AnimCurve:
        check_view(view)
        return AnimCurve(self._live.axes[index], self._life)


MEMBERS = ("center", "leftTangent", "rightTangent", "featherCenter", "featherLeftTangent", "featherRightTangent")
"""The six members of a point of a shape (RB 60); all but `center` are offsets."""


@dataclass
class ShapePointData:
    members: dict[str, PointData]

    @staticmethod
    def still(x: float, y: float) -> ShapePointData:
        return ShapePointData(
            {name: PointData.still(x, y, 1.0) if name == "center" else PointData.still() for name in MEMBERS}
        )


class ShapeControlPoint(Handle):
    def __init__(self, x: float | ShapePointData = 0.0, y: float = 0.0, life: Life | None = None) -> None:
        super().__init__(x if isinstance(x, ShapePointData) else ShapePointData.still(x, y), life or Life())

    def __getattr__(self, name: str) -> Any:
        if name in MEMBERS:
            return AnimControlPoint(self._live.members[name], life=self._life)
        return super().__getattr__(name)


PARTS = {"PivotPoint": 0.0, "Translation": 0.0, "Rotation": 0.0, "Scale": 1.0, "SkewX": 0.0}


@dataclass
class TransformData:
    """The parts of a transform, three curves each, and sixteen of an extra matrix (what planar tracks key)."""

    parts: dict[str, list[CurveData]]
    extra: list[CurveData]

    @staticmethod
    def identity() -> TransformData:
        parts = {name: [CurveData(rest) for _ in range(3)] for name, rest in PARTS.items()}
        return TransformData(parts, [CurveData(float(i % 5 == 0)) for i in range(16)])

    def matrix(self, time: float) -> list[float]:
        """Row by row, 4 x 4, with z left alone."""
        value = {name: [curve.at(time) for curve in curves] for name, curves in self.parts.items()}
        if any(value["SkewX"]) or any(value["Rotation"][:2]):
            raise NotMeasured("a roto transform with skew, or with a rotation about x or y")
        angle, (sx, sy, _) = math.radians(value["Rotation"][2]), value["Scale"]
        if angle and sx != sy:
            raise NotMeasured("a roto transform with both a rotation and an uneven scale")
        cos, sin = math.cos(angle), math.sin(angle)
        a, b, c, d = cos * sx, -sin * sy, sin * sx, cos * sy
        (px, py, _), (tx, ty, _) = value["PivotPoint"], value["Translation"]
        moved = [a, b, 0, tx + px - a * px - b * py, c, d, 0, ty + py - c * px - d * py, 0, 0, 1, 0, 0, 0, 0, 1]
        extra = [curve.at(time) for curve in self.extra]
        return moved if extra == IDENTITY else compose(moved, extra)


IDENTITY = [float(i % 5 == 0) for i in range(16)]


def product(left: list[float], right: list[float]) -> list[float]:
    """The product of two 4 x 4 matrices."""
    return [sum(left[4 * r + k] * right[4 * k + c] for k in range(4)) for r in range(4) for c in range(4)]


def compose(outer: list[float], inner: list[float]) -> list[float]:
    """Both transforms together, where their order does not matter; nobody has measured which comes first (RB 78)."""
    one, other = product(outer, inner), product(inner, outer)
    if any(abs(a - b) > 1e-3 for a, b in zip(one, other)):
        raise NotMeasured("the order in which two roto transforms compose")
    return one


class CTransform(Handle):
    unmeasured = (
        "getInverseMatrix",
        "getTransposeMatrix",
        "isDefault",
        "name",
        "reset",
        "rotationOrder",
        "setIdentity",
        "skew",
        "transformOrder",
    )

    def __init__(self, data: TransformData, time: float) -> None:
        super().__init__((data, time), Life())

    def getMatrix(self) -> CMatrix4:
        data, time = self._live
        return CMatrix4(data.matrix(time))

    def __getattr__(self, name: str) -> Any:
        part = name[:1].upper() + name[1:]
        if part in PARTS:
            data, time = self._live
            return CVec3(*(curve.at(time) for curve in data.parts[part]))
        return super().__getattr__(name)


class AnimCTransform(Handle):
    """An animated transform. It has no `getMatrixAt` (RB 30), and `isDefault` is False even when nothing was touched (RB 77)."""

    unmeasured = (
        "addTransformKey",
        "removeTransformKey",
        "name",
        "reset",
        "rotationOrder",
        "setIdentity",
        "transformOrder",
        "setExtraMatrixAnimCurve",
    )

    def __init__(self, data: TransformData | None = None, life: Life | None = None) -> None:
        super().__init__(data or TransformData.identity(), life or Life())

    def evaluate(self, time: float, view: str = "default") -> CTransform:
        check_view(view)
        return CTransform(self._live, time)

    def isDefault(self) -> bool:
        self._live  # noqa: B018  # a stale handle raises
        return False

    def getTransformKeyTimes(self, view: str = "default") -> list[float]:
        check_view(view)
        return union_times(*(curve for curves in self._live.parts.values() for curve in curves), *self._live.extra)

    def getNumberOfTransformKeys(self, view: str = "default") -> int:
        return len(self.getTransformKeyTimes(view))

    def getExtraMatrixAnimCurve(self, row: int, column: int, view: str = "default") -> AnimCurve:
        check_view(view)
        return AnimCurve(self._live.extra[4 * row + column], self._life)

    def _add(self, part: str, time: float, *values: Any) -> None:
        if values and isinstance(values[-1], str):
            check_view(values[-1])
            values = values[:-1]
        for curve, value in zip(self._live.parts[part], values):
            curve.put(time, value)

    def _times(self, part: str, view: str = "default") -> list[float]:
        check_view(view)
        return union_times(*self._live.parts[part])

    def _count(self, part: str, view: str = "default") -> int:
        return len(self._times(part, view))

    def _curve(self, part: str, index: int, view: str = "default") -> AnimCurve:
        check_view(view)
        return AnimCurve(self._live.parts[part][index], self._life)

    def _remove(self, part: str, time: float, view: str = "default") -> None:
        check_view(view)
        for curve in self._live.parts[part]:
            curve.drop(time)

    def __getattr__(self, name: str) -> Any:
        for part in PARTS:
            forms = {
                f"add{part}Key": self._add,
                f"get{part}KeyTimes": self._times,
                f"getNumberOf{part}Keys": self._count,
                f"get{part}AnimCurve": self._curve,
                f"remove{part}Key": self._remove,
            }
            if name in forms:
                call = forms[name]
                return lambda *given, _call=call, _part=part: _call(_part, *given)
        return super().__getattr__(name)


@dataclass
class AttributeData:
    """One attribute. `shadow` is what `add` left over its curve; `told` is whether the text form names it."""

    curve: CurveData
    shadow: float | None = None
    told: bool = False

    def at(self, time: float) -> float:
        return self.curve.at(time) if self.shadow is None else self.shadow


def default_attributes(kind: str) -> dict[str, AttributeData]:
    defaults = LAYER_DEFAULTS if kind == "layer" else SHAPE_DEFAULTS
    return {name: AttributeData(CurveData(single(value))) for name, value in defaults.items()}


class AnimAttributes(Handle):
    """The named numbers of an element.

    Measured traps (RB 62): the value of an unknown name is 0.0 and now exists; `add` leaves a constant that hides the curve from `getValue`; `addKey` cannot be called.
    """

    unmeasured = ("getKeyTime", "removeKey", "removeKeys", "removeAll", "reset", "setCurve", "setKey", "setName")
    kVisibleAttribute, kOpacityAttribute, kInvertedAttribute = "vis", "opc", "inv"
    kLifeTimeTypeAttribute, kLifeTimeNAttribute, kLifeTimeMAttribute = "ltt", "ltn", "ltm"
    kFeatherOnAttribute, kFeatherXAttribute, kFeatherYAttribute = "fo", "fx", "fy"
    kFeatherFallOffAttribute, kBlendingModeAttribute, kPlanarTrackLayerAttribute = "ff", "bm", "pt"

    def _named(self, name: Any) -> AttributeData:
        attributes: dict[str, AttributeData] = self._live
        if isinstance(name, int):
            return list(attributes.values())[name]
        return attributes.setdefault(name, AttributeData(CurveData(0.0)))

    def __len__(self) -> int:
        return len(self._live)

    def getName(self, index: int) -> str:
        return list(self._live)[index]

    def getValue(self, time: float, name: int | str, view: str = "default") -> float:
        check_view(view)
        return self._named(name).at(time)

    def getCurve(self, name: int | str, view: str = "default") -> AnimCurve:
        check_view(view)
        return AnimCurve(self._named(name).curve, self._life)

    def getNumberOfKeys(self, name: int | str, view: str = "default") -> int:
        check_view(view)
        return len(self._named(name).curve.keys)

    def set(self, *given: Any) -> None:
        """`set(name, value)` is a constant, `set(time, name, value[, view])` a key (its key shows in RB 73's text)."""
        if len(given) == 2:
            attribute = self._named(given[0])
            attribute.curve.constant = single(given[1])
        elif len(given) in (3, 4):
            if len(given) == 4:
                check_view(given[3])
            attribute = self._named(given[1])
            attribute.curve.put(given[0], given[2])
        else:
            raise TypeError("set(time, attributeIndexOrName, value, view)")
        attribute.told = True

    def add(self, name: str, value: float) -> None:
        attribute = self._named(name)
        attribute.shadow, attribute.told = single(value), True

    def addKey(self, *given: Any) -> None:
        raise TypeError("addKey() takes 2 arguments, and no 2 arguments work")

    def remove(self, name: str) -> None:
        self._live.pop(name, None)
