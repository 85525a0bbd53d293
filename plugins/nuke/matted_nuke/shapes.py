"""Traced mattes as the Bezier shapes of a Roto, written as .nk text and pasted in one go.

Through Python, points go in one by one: PyPI rotobot-nuke measured 82 s for shapes that text brings in 0.44 s.

What the text says, and on whose word. The tree, the layers, `idem` (no feather) and the shapes with one key are as in
every public script looked at. Shapes with several keys write each number as `{KEY KEY ...}`, as those scripts do for
transforms and attributes. A key says `time value`, left tangent (2), right tangent (2), interpolation: the order of
Foundry's "Roto serialisation format" (NDK developer guide). No script with a linear key was found, so what Nuke makes
of them is checked after pasting: :func:`straighten`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

LINEAR, STEP = 2, 1
"""`AnimCurveKey.interpolationType`: Nuke's InterpolationType plus one (github shango/rotobridge, Nuke 17.1)."""

_DIFFERENCE = "x41500000"
"""`bm` 13, with which a shape on top takes away what it covers (measured there as well)."""


class TracedShape(Protocol):
    """One outline over its life, as the daemon traced it."""

    @property
    def object(self) -> str:
        """The object's name."""

    @property
    def name(self) -> str:
        """The shape's own name."""

    @property
    def frames(self) -> Sequence[int]:
        """Key frames, ascending."""

    @property
    def points(self) -> Sequence[Sequence[Sequence[float]]]:
        """(keys, points, 6): centre x y, left tangent x y, right tangent x y, in pixels.

        The centre counts from the top-left corner of the display window, y down; tangents count from the centre.
        """

    @property
    def lifetime(self) -> Sequence[tuple[int, int]]:
        """The ranges (first, last) in which the shape shows, ascending, ends included."""

    @property
    def hole(self) -> bool:
        """Whether it is taken out of the shapes before it."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the display window in pixels."""


def roto_node_text(name: str, shapes: Sequence[TracedShape], *, position: tuple[int, int] = (0, 0)) -> str:
    """A Roto node with the shapes, connected to nothing: like any Roto it takes its format from what it is put on.

    Raises:
        ValueError: no shape, or one whose numbers do not fit together.
    """
    x, y = position
    return (
        f"Roto {{\n inputs 0\n output alpha\n curves {{{curves_text(shapes)}}}\n"
        f" name {_plain(name)}\n xpos {x}\n ypos {y}\n}}\n"
    )


def curves_text(shapes: Sequence[TracedShape]) -> str:
    """The tree of a `curves` knob, as its fromScript takes it: a layer for each object, in it the object's shapes.

    Shapes come in the order to draw them in, later ones over earlier ones; Nuke draws the first of a layer on top, so
    the text has them the other way round.

    Raises:
        ValueError: no shape, or one whose numbers do not fit together.
    """
    if not shapes:
        raise ValueError("There are no shapes to write.")
    for shape in shapes:
        _check(shape)
    width, height = shapes[0].size
    middle = f"{_words([width / 2])[0]} {_words([height / 2])[0]}"
    objects = list(dict.fromkeys(shape.object for shape in shapes))
    layers = []
    for layer, object_ in zip(_unique(objects), objects):
        own = [shape for shape in reversed(shapes) if shape.object == object_]
        groups = [_group(shape, name) for shape, name in zip(own, _unique(shape.name for shape in own))]
        layers.append("\n     ".join([f"{{layer {layer}", "{f 2097664}", f"{{t {middle}}}", "{a}", *groups]) + "}")
    root = "\n    ".join(["{layer Root", "{f 2097152}", f"{{t {middle}}}", "{a}", *layers]) + "}"
    return f"{{{{v x3f99999a}}\n  {{f 0}}\n  {{n\n   {root}}}}}"


def straighten(curves: Any) -> int:
    """See that the shapes of a pasted `curves` knob move in straight lines from key to key; returns the keys mended.

    Nuke draws curved motion where a key does not say otherwise, so an outline would leave its matte between keys. Keys
    of one text are all alike: where the text did its work one key is read, else all are set, one by one.
    """
    mended = 0
    for key in (key for layer in curves.rootLayer for shape in layer for key in _keys(shape)):
        if not mended and key.interpolationType == LINEAR:
            return 0
        key.interpolationType = LINEAR
        mended += 1
    if mended:
        curves.changed()
    return mended


def _keys(shape: Any) -> Iterator[Any]:
    """The keys of everything in a shape that moves."""
    for point in shape:
        for member in (point.center, point.leftTangent, point.rightTangent):
            for curve in (member.getPositionAnimCurve(axis) for axis in (0, 1)):
                count = curve.getNumberOfKeys()
                yield from (curve.getKey(index) for index in range(count if count > 1 else 0))


def _check(shape: TracedShape) -> None:
    frames, count = list(shape.frames), len(shape.points[0]) if len(shape.points) else 0
    if not frames or frames != sorted(set(frames)) or len(frames) != len(shape.points):
        raise ValueError(f"The shape {shape.name} has no ascending key frames, one for each outline.")
    if count < 2 or any(len(outline) != count for outline in shape.points):
        raise ValueError(f"The shape {shape.name} has not the same points on every key frame.")
    if not shape.lifetime or any(last < first for first, last in shape.lifetime):
        raise ValueError(f"The shape {shape.name} shows on no frame.")


def _group(shape: TracedShape, name: str) -> str:
    """One shape: its outline, `idem` for the feather (none), its transform (none) and attributes."""
    width, height = shape.size
    start, pivot = _words([shape.frames[0]])[0], _words([width / 2, height / 2])
    attributes = ["vis", _visible(shape.lifetime), *(["bm", _DIFFERENCE] if shape.hole else [])]
    # What Nuke itself writes for a Bezier drawn by hand, where absent is not the same as default.
    attributes += ["osw", "x41200000", "osf", "0", "str", "1", "spx", pivot[0], "spy", pivot[1], "sb", "1"]
    attributes += ["ltn", start, "ltm", start, "tt", "x40800000"]
    outline = "\n        ".join(_outline(shape))
    return (
        f"{{curvegroup {name} 512 bezier\n      {{{{cc\n       {{f 8192}}\n       {{{outline}}}}} idem}}\n"
        f"      {{tx {start} {pivot[0]} {pivot[1]}}}\n      {{a {' '.join(attributes)}}}}}"
    )


def _outline(shape: TracedShape) -> list[str]:
    """The points, three entries each: left tangent, centre, right tangent; y turned up, in which Nuke counts."""
    height = shape.size[1]
    times = _words(shape.frames)
    entries = ["px " + times[0] if len(times) == 1 else "p"]
    for index in range(len(shape.points[0])):
        keys = [outline[index] for outline in shape.points]
        for column, base, third in ((2, 0.0, " 0"), (0, float(height), " 1"), (4, 0.0, " 0")):
            x = _words(key[column] for key in keys)
            y = _words(base - key[column + 1] for key in keys)
            if len(times) == 1:
                entries.append(f"{{{x[0]} {y[0]}}}")
            else:
                entries.append(f"{{{_curve(times, x, LINEAR)} {_curve(times, y, LINEAR)}{third}}}")
    return entries


def _visible(lifetime: Iterable[tuple[int, int]]) -> str:
    """The `vis` curve: keyed on both sides of every change, so that it holds however Nuke goes from key to key."""
    keys: dict[int, float] = {}
    for first, last in lifetime:
        for frame, value in ((first - 1, 0.0), (first, 1.0), (last, 1.0), (last + 1, 0.0)):
            keys[frame] = max(value, keys.get(frame, 0.0))
    return _curve(_words(sorted(keys)), _words(keys[frame] for frame in sorted(keys)), STEP)


def _curve(times: Sequence[str], values: Sequence[str], kind: int) -> str:
    return "{" + " ".join(f"{{{time} {value} 0 0 0 0 {kind}}}" for time, value in zip(times, values)) + "}"


def _words(values: Iterable[float]) -> list[str]:
    """Numbers as Nuke writes them here: 0, 1, or the hex of a float32."""
    numbers = list(values)
    text = struct.pack(f">{len(numbers)}f", *numbers).hex()
    words = {"00000000": "0", "3f800000": "1"}
    return [words.get(text[i : i + 8], "x" + text[i : i + 8]) for i in range(0, len(text), 8)]


def _plain(name: str) -> str:
    """A name without what the text would need to quote."""
    return re.sub(r"\W", "_", name) or "shape"


def _unique(names: Iterable[str]) -> list[str]:
    """Plain names, each once."""
    taken: list[str] = []
    for name in map(_plain, names):
        count, told = 2, name
        while told in taken:
            told, count = f"{name}_{count}", count + 1
        taken.append(told)
    return taken
