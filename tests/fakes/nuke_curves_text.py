"""The text of a Roto's `curves` knob: reading and writing it, for the stand-in Nuke.

The grammar, with how many of the real samples looked at agree. Samples: A, B two Bezier shapes in a public script (Nuke 7 flags), C one in a parser's test (Nuke 12 or later),
D a Nuke 15 shape (2048 x 1556), E the serialised shape of github shango/rotobridge (RB 73, Nuke 17.1), F six strokes of a Nuke 13.2 script, G empty trees (RB 91 and four public scripts),
H a converter for Nuke 7 and later that writes this text, I a SplineWarp joint written by a public tool. X is Foundry's own page "Roto serialisation format" (NDK developer guide).

    knob    = ["AddMode 0 0 1 0 "] tree                                    toScript() has the prefix, a .nk does not (RB 91, H)
    tree    = {{v x3f99999a} {f INT} {n LAYER}}                            all
    LAYER   = {layer NAME {f INT} {t TRANSFORM} {a ATTRIBUTES} (LAYER | SHAPE | STROKE)*}          all
    SHAPE   = {curvegroup NAME FLAGS bezier {CC (CC | idem)} TRANSFORM {a ATTRIBUTES}}             A-E, H; `idem` in B, C, H
    STROKE  = {cubiccurve NAME FLAGS catmullrom CC TRANSFORM {a ATTRIBUTES}}                       F (6 of 6)
    CC      = {cc {f INT} POINTS}                                          8192 in shapes, 2080 in strokes; bit 5 is "open"
    POINTS  = {px TIME ({x y})*} | {p ({} | {CURVE CURVE [CURVE]})*}       px in A-D, H (every curve keyed once, at TIME); p in E, F
    TRANSFORM = {tx TIME [pivot x [pivot y]]} | {t [pivot x [pivot y]]} | {t thirteen CURVEs}      tx in C, D, E, H; short t in F, G; thirteen in A, B
    CURVE   = NUMBER | {KEY KEY ...}                                       A, B (transform), E (`bm {{1 0}}`), I ({{1 1}} {{1 1}})
    KEY     = {TIME VALUE [SLOPE ACCEL SLOPE ACCEL KIND]}                  the short form in A, B, E, I; the rest only in X, which gives left tangent (two
                                                                           numbers), right tangent (two), interpolation (one, 256 when absent) in this order
    NUMBER  = 0 | 1 | xHHHHHHHH (float32) | decimal                        0 and 1 are the only numbers Nuke itself writes in decimal (A-G)
    ATTRIBUTES = (NAME CURVE)*

A shape's entries come three to a point: left tangent, centre, right tangent; in the second CC the same of the feather, its centre an offset (A, D). `idem` there is a shape without feather:
the outline's own tangents and a zero offset, as the unfeathered points of A spell it. The thirteen curves are pivot, translation, rotation and scale (x y z each) and skew x.

Seen in no sample, so refused with `NotMeasured`: px with several times, B-spline groups, expressions, planar tracks' extra matrices, names that need quotes. Shapes with several keys use `p`:
each part of that form is in a sample, the whole in none.
"""

from __future__ import annotations

import copy
import re
import struct
from typing import Union

from fakes.nuke_curves import (
    IDENTITY,
    UNSET_KIND,
    AttributeData,
    CurveData,
    KeyData,
    NotMeasured,
    PointData,
    ShapePointData,
    TransformData,
    default_attributes,
    single,
)
from fakes.nuke_elements import ElementData

Item = Union[str, "list[Item]"]

PREFIX = "AddMode 0 0 1 0 "
OUTLINE = ("leftTangent", "center", "rightTangent")
FEATHER = ("featherLeftTangent", "featherCenter", "featherRightTangent")
THIRTEEN = [(part, axis) for part in ("PivotPoint", "Translation", "Rotation", "Scale") for axis in range(3)] + [
    ("SkewX", 0)
]
KEYED_BY_TX = [
    pair
    for pair in THIRTEEN
    if pair not in {("PivotPoint", 2), ("Translation", 2), ("Rotation", 0), ("Rotation", 1), ("Scale", 2)}
]
"""Which of the thirteen samples A and B spell with a key; `tx` is taken to be short for the same."""


def number(value: float) -> str:
    """0 and 1 in decimal, anything else as the hex word of its float32."""
    if value in (0.0, 1.0) and str(value)[0] != "-":
        return str(int(value))
    return "x" + struct.pack(">f", value).hex()


def value_of(word: Item) -> float:
    """The float32 behind a number's word."""
    if not isinstance(word, str):
        raise ValueError(f"a number was expected, not {word!r}")
    if re.fullmatch("x[0-9a-f]{1,8}", word):
        return float(struct.unpack(">f", bytes.fromhex(word[1:].zfill(8)))[0])
    return single(float(word))


def items_of(text: str) -> list[Item]:
    """Text with braces -> nested lists of words."""
    if '"' in text:
        raise NotMeasured("quoted words in the text of curves")
    stack: list[list[Item]] = [[]]
    for token in re.findall(r"[{}]|[^\s{}]+", text):
        if token == "{":
            stack.append([])
        elif token == "}":
            if len(stack) == 1:
                raise ValueError("the text of the curves closes a brace it never opened")
            closed = stack.pop()
            stack[-1].append(closed)
        else:
            stack[-1].append(token)
    if len(stack) > 1:
        raise ValueError("the text of the curves leaves a brace open")
    return stack[0]


def read(text: str) -> ElementData:
    """The root layer a text describes.

    Raises:
        ValueError: text that is no curves tree.
        NotMeasured: a construct no sample shows.
    """
    items = items_of(text[len(PREFIX) :] if text.startswith(PREFIX) else re.sub(r"^AddMode( \d+){4} ", "", text))
    while len(items) == 1 and isinstance(items[0], list) and _head(items) != "v" and not _is_tree(items):
        items = items[0]
    if not _is_tree(items):
        raise ValueError("the text of the curves is no tree {v ...} {f ...} {n ...}")
    return _element(_block(items, "n")[1])


def _is_tree(items: list[Item]) -> bool:
    return [_head(item) for item in items] == ["v", "f", "n"]


def _head(item: Item) -> Item | None:
    return item[0] if isinstance(item, list) and item else None


def _block(items: list[Item], *names: str) -> list[Item]:
    for item in items:
        if isinstance(item, list) and _head(item) in names:
            return item
    raise ValueError(f"the text of the curves has no {' or '.join(names)} where one belongs")


def _element(item: Item) -> ElementData:
    if not isinstance(item, list) or item[0] not in ("layer", "curvegroup", "cubiccurve"):
        raise NotMeasured(f"{_head(item)!r} in a tree of curves")
    kind, name, rest = item[0], str(item[1]), item[2:]
    element = ElementData("layer" if kind == "layer" else str(item[3]), name)
    if kind == "layer":
        element.flags = int(str(_block(rest, "f")[1]))
        element.children = [_element(child) for child in rest if _head(child) not in ("f", "t", "tx", "a")]
    else:
        element.flags = int(str(item[2]))
        (_read_shape if kind == "curvegroup" else _read_stroke)(element, item)
    element.transform = _read_transform(_block(rest, "t", "tx"))
    element.attributes.update(_read_attributes(_block(rest, "a")))
    return element


def _read_shape(element: ElementData, item: list[Item]) -> None:
    if element.kind != "bezier":
        raise NotMeasured(f"the text of a {element.kind} group")
    outline, feather = item[4]
    element.cc_flags, entries = _read_points(outline)
    if len(entries) % 3:
        raise ValueError(f"{element.name}: the points of a shape come as three entries each")
    for i in range(0, len(entries), 3):
        element.points.append(ShapePointData(dict(zip(OUTLINE, entries[i : i + 3]))))
    feathers = [_no_feather(point) for point in element.points] if feather == "idem" else None
    if feathers is None:
        _, entries = _read_points(feather)
        feathers = [entries[i : i + 3] for i in range(0, len(entries), 3)]
    for point, trio in zip(element.points, feathers):
        point.members.update(zip(FEATHER, trio))
        for name, member in point.members.items():
            if name != "center":
                member.axes[2] = CurveData(0.0, [KeyData(key.time, 0.0) for key in member.axes[2].keys])


def _no_feather(point: ShapePointData) -> list[PointData]:
    left, centre, right = (copy.deepcopy(point.members[name]) for name in OUTLINE)
    zero = PointData([CurveData(0.0, [KeyData(k.time, 0.0, kind=k.kind) for k in axis.keys]) for axis in centre.axes])
    return [left, zero, right]


def _read_stroke(element: ElementData, item: list[Item]) -> None:
    element.cc_flags, element.points = _read_points(item[4])


def _read_points(cc: Item) -> tuple[int, list[PointData]]:
    if not isinstance(cc, list) or cc[0] != "cc":
        raise NotMeasured(f"{cc!r} for the points of a shape")
    block = _block(cc[1:], "px", "p")
    flags = int(str(_block(cc[1:], "f")[1]))
    if block[0] == "p":
        return flags, [_read_point(entry) for entry in block[1:]]
    if isinstance(block[2], str):
        raise NotMeasured("px with several times")
    time = value_of(block[1])
    return flags, [
        PointData([CurveData(0.0, [KeyData(time, v)]) for v in (value_of(x), value_of(y), 1.0)]) for x, y in block[2:]
    ]


def _read_point(entry: Item) -> PointData:
    curves = [_read_curve(word) for word in entry]
    return PointData(
        curves + [CurveData(1.0 if curves else 0.0)] * (len(curves) == 2) if curves else [CurveData() for _ in range(3)]
    )


def _read_curve(item: Item) -> CurveData:
    if isinstance(item, str):
        return CurveData(value_of(item))
    keys = []
    for key in item:
        if not isinstance(key, list) or len(key) not in (2, 7):
            raise NotMeasured(f"{key!r} as a key of a roto curve")
        numbers = [value_of(word) for word in key[:6]]
        keys.append(KeyData(*numbers, kind=int(str(key[6])) if len(key) == 7 else UNSET_KIND))
    if [key.time for key in keys] != sorted({key.time for key in keys}):
        raise ValueError("the keys of a roto curve do not ascend in time")
    return CurveData(keys[0].value if keys else 0.0, keys)


def _read_transform(block: list[Item]) -> TransformData:
    transform = TransformData.identity()
    if block[0] == "t" and len(block) == 14:
        for (part, axis), item in zip(THIRTEEN, block[1:]):
            transform.parts[part][axis] = _read_curve(item)
        return transform
    words = block[2:] if block[0] == "tx" else block[1:]
    if len(words) > 2:
        raise NotMeasured(f"a transform of {len(words)} numbers")
    for axis, word in enumerate(words):
        transform.parts["PivotPoint"][axis] = _read_curve(word)
    if block[0] == "tx":
        for part, axis in KEYED_BY_TX:
            curve = transform.parts[part][axis]
            curve.put(value_of(block[1]), curve.constant)
    return transform


def _read_attributes(block: list[Item]) -> dict[str, AttributeData]:
    return {str(name): AttributeData(_read_curve(item), told=True) for name, item in zip(block[1::2], block[2::2])}


def write(root: ElementData) -> str:
    """The knob's text of a tree, as toScript() gives it."""
    return f"{PREFIX}{{{{v x3f99999a}}\n  {{f 0}}\n  {{n\n   {write_element(root, 3)}}}}}"


def write_element(element: ElementData, depth: int) -> str:
    """One element's own text, as its serialise() gives it."""
    if not re.fullmatch(r"[^\s{}\"\\]+", element.name):
        raise NotMeasured(f"the name {element.name!r} in the text of curves")
    pad = "\n" + " " * (depth + 1)
    tail = [_write_transform(element), _write_attributes(element)]
    if element.kind == "layer":
        children = [write_element(child, depth + 1) for child in element.children]
        return pad.join([f"{{layer {element.name}", f"{{f {element.flags}}}", *tail, *children]) + "}"
    if element.kind == "catmullrom":
        return (
            pad.join(
                [
                    f"{{cubiccurve {element.name} {element.flags} catmullrom",
                    _write_cc(element.cc_flags, element.points),
                    *tail,
                ]
            )
            + "}"
        )
    if element.kind != "bezier":
        raise NotMeasured(f"the text of a {element.kind} group")
    outline = _write_cc(element.cc_flags, [point.members[name] for point in element.points for name in OUTLINE])
    plain = all([point.members[name] for name in FEATHER] == _no_feather(point) for point in element.points)
    feather = (
        "idem"
        if plain
        else _write_cc(element.cc_flags, [point.members[name] for point in element.points for name in FEATHER])
    )
    return pad.join([f"{{curvegroup {element.name} {element.flags} bezier", f"{{{outline} {feather}}}", *tail]) + "}"


def _write_cc(flags: int, points: list[PointData]) -> str:
    times = {tuple(axis.times()) for point in points for axis in point.axes}
    plain = all(
        key.kind == UNSET_KIND and not (key.lslope or key.rslope)
        for point in points
        for axis in point.axes
        for key in axis.keys
    )
    if plain and len(times) == 1 and len(next(iter(times))) == 1 and not flags & 32:
        time = next(iter(times))[0]
        entries = [f"{{{number(p.axes[0].keys[0].value)} {number(p.axes[1].keys[0].value)}}}" for p in points]
        return (
            f"{{cc\n       {{f {flags}}}\n       {{px {number(time)}"
            + "".join(f"\n        {entry}" for entry in entries)
            + "}}"
        )
    entries = [
        "{" + " ".join(_write_curve(axis) for axis in p.axes) + "}" if p != PointData.still() else "{}" for p in points
    ]
    return f"{{cc\n       {{f {flags}}}\n       {{p" + "".join(f"\n        {entry}" for entry in entries) + "}}"


def _write_curve(curve: CurveData) -> str:
    if curve.expression:
        raise NotMeasured("the text of a roto curve with an expression")
    if not curve.keys:
        return number(curve.constant)
    return "{" + " ".join(_write_key(key) for key in curve.keys) + "}"


def _write_key(key: KeyData) -> str:
    words = [number(key.time), number(key.value)]
    shape = [key.lslope, key.la, key.rslope, key.ra]
    if any(shape) or key.kind != UNSET_KIND:
        words += [*map(number, shape), str(key.kind)]
    return "{" + " ".join(words) + "}"


def _write_transform(element: ElementData) -> str:
    transform = element.transform
    if [curve.constant for curve in transform.extra] != IDENTITY or any(curve.keys for curve in transform.extra):
        raise NotMeasured("the text of a layer with a planar track")
    curves = [transform.parts[part][axis] for part, axis in THIRTEEN]
    x, y = curves[0], curves[1]
    resting = TransformData.identity()
    resting.parts["PivotPoint"][:2] = [CurveData(x.constant), CurveData(y.constant)]
    if transform == resting:
        return f"{{t {number(x.constant)} {number(y.constant)}}}"
    return "{t " + " ".join(_write_curve(curve) for curve in curves) + "}"


def _write_attributes(element: ElementData) -> str:
    words, defaults = [], default_attributes(element.kind)
    for name, attribute in element.attributes.items():
        differs = attribute.curve != (defaults[name].curve if name in defaults else CurveData())
        if attribute.told or differs:
            curve = attribute.curve if attribute.shadow is None else CurveData(attribute.shadow)
            words += [name, _write_curve(curve)]
    return "{a" + "".join(f" {word}" for word in words) + "}"
