"""Numbers of a shot laid out as plots: one lane an object over one axis of frames. The templates draw what is here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from matted.batch.page.axis import Axis, Values, line, worst
from matted.batch.page.facts import Facts, counts
from matted.batch.review import Finding

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760, 38, 62, 22, 26
"""Pixels before the page scales them: of the plot, and of its margins."""

CELLS = 240
"""Points a line has at most; each shows the worst of its frames where a shot has more."""

Level = Literal["warn", "fail"]
LEVELS: tuple[Level, Level] = ("warn", "fail")


@dataclass(frozen=True)
class Mark:
    """A frame beyond a threshold."""

    x: float
    y: float
    level: Level


@dataclass(frozen=True)
class Limit:
    """A threshold's line."""

    y: float
    level: Level
    text: str


@dataclass(frozen=True)
class Note:
    """The worst that was found, said beside its mark."""

    x: float
    y: float
    text: str
    ends_here: bool


@dataclass(frozen=True)
class Lane:
    """One object's values."""

    name: str
    row: int
    top: float
    bottom: float
    path: str
    marks: tuple[Mark, ...]
    limits: tuple[Limit, ...]
    note: Note | None


@dataclass(frozen=True)
class Cell:
    """A stretch of the axis that tells its values when the pointer rests on it."""

    x: float
    width: float
    text: str


@dataclass(frozen=True)
class Plot:
    """A drawn measure; lengths are pixels of the ``WIDTH`` wide picture.

    Attributes:
        title: the measure's name.
        words: what it means, a sentence.
        label: what somebody hears who does not see it.
        height: pixels.
        scale: what the lowest and the highest line of a lane stand for.
        radius: of marks, pixels.
        ticks, keyframes, suggestions: where on the axis, and the frame.
        grouped: how many frames a point shows.
    """

    title: str
    words: str
    label: str
    height: float
    scale: tuple[str, str]
    lanes: tuple[Lane, ...]
    cells: tuple[Cell, ...]
    ticks: tuple[tuple[float, int], ...]
    keyframes: tuple[tuple[float, int], ...]
    suggestions: tuple[tuple[float, int], ...]
    radius: float
    grouped: int

    @property
    def bottom(self) -> float:
        """Where the axis is."""
        return self.height - BOTTOM


@dataclass(frozen=True)
class _Kind:
    """How a measure is plotted; ``high`` is the top of the scale at least, None where the numbers alone decide."""

    measure: str
    title: str
    words: str
    high: float | None
    show: Callable[[float], str]
    top: Callable[[float], str]
    is_tall: bool
    low_is_worse: bool = False


_KINDS = (
    _Kind(
        "confidence", "Confidence", "how sure the network is of the matte", 1.0,
        lambda v: f"{v:.2f}", "{:g}".format, True, low_is_worse=True,
    ),
    _Kind(
        "flicker", "Edge flicker", "how much the edge changes that does not move with the plate", None,
        lambda v: f"{v:.3f}", "{:g}".format, True,
    ),
    _Kind(
        "jump", "Area jump", "how many times faster than around it the area changes", None,
        lambda v: f"{v:.1f}×", "{:g}×".format, False,
    ),
    _Kind(
        "area", "Area", "share of the picture that the matte covers", None,
        lambda v: f"{100 * v:.2f}%", lambda v: f"{100 * v:g}%", False,
    ),
)  # fmt: skip


def plots_of(shot: Facts) -> Iterator[Plot]:
    """The plots of a shot's measures; a measure without any number has none."""
    if shot.result is None or not shot.frames:
        return
    reviewed = shot.result.review.frames if shot.result.review else ()
    for kind in _KINDS:
        values: Values = (
            shot.result.confidence
            if kind.measure == "confidence"
            else {frame.frame: getattr(frame, kind.measure) for frame in reviewed}
        )
        if any(counts(value) for row in values.values() for value in row):
            yield _plot(shot, kind, values)


def sparkline(shot: Facts, *, width: int = 120, height: int = 20) -> str:
    """The lowest confidence of any object over the frames, as an SVG path; empty without one."""
    if shot.result is None or not shot.frames:
        return ""
    lowest = {
        frame: [min((value for value in row if counts(value)), default=None)]
        for frame, row in shot.result.confidence.items()
    }
    axis = Axis.over(shot.frames, 1, width - 1, width // 2)
    points = [(axis.middle(group), worst(lowest, group, 0, min), group) for group in axis.groups]
    return line(points, axis.step, lambda value: round(height - 1 - (height - 2) * min(1.0, max(0.0, value)), 1))


def _plot(shot: Facts, kind: _Kind, values: Values) -> Plot:
    assert shot.result is not None
    objects = shot.result.objects
    axis = Axis.over(shot.frames, LEFT, WIDTH - RIGHT, CELLS)
    limits = getattr(shot.outcome.thresholds, kind.measure, None) if shot.outcome.verdict else None
    high = kind.high or _ceiling(values, limits)
    lane_height, gap = (96 if kind.is_tall else 56) if len(objects) <= 3 else 36, 22
    lanes = tuple(
        _lane(shot, kind, values, axis, row, TOP + gap + row * (lane_height + gap), lane_height, high, limits)
        for row in range(len(objects))
    )
    size = max(map(len, axis.groups))
    return Plot(
        title=kind.title,
        words=kind.words,
        label=_label(shot, kind),
        height=lanes[-1].bottom + BOTTOM,
        scale=("0", kind.top(high)),
        lanes=lanes,
        cells=tuple(_cells(objects, kind, values, axis)),
        ticks=axis.ticks(room=16 + 8 * len(str(axis.last))),
        keyframes=axis.places(shot.keyframes),
        suggestions=axis.places(shot.suggested),
        radius=round(min(3.6, max(1.6, (WIDTH - LEFT - RIGHT) / len(axis.groups) / 2.6)), 1),
        grouped=size,
    )


def _ceiling(values: Values, limits: tuple[float, float] | None) -> float:
    """The top of a scale that has none of its own: a little room above everything, but thresholds stay legible."""
    highest = max(value for row in values.values() for value in row if counts(value))
    if limits is None:
        return _round_up(1.1 * highest)
    return _round_up(max(1.25 * max(limits), min(1.1 * highest, 3 * max(limits))))


def _round_up(value: float) -> float:
    """The next round number; never 0."""
    whole = max(value, 1e-4)
    power = 10.0 ** math.floor(math.log10(whole))
    return next(round(base * power, 6) for base in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if base * power >= whole * 0.999)


def _lane(
    shot: Facts,
    kind: _Kind,
    values: Values,
    axis: Axis,
    row: int,
    top: float,
    height: float,
    high: float,
    limits: tuple[float, float] | None,
) -> Lane:
    assert shot.result is not None
    name = shot.result.objects[row]

    def y(value: float) -> float:
        return round(top + height * (1 - min(1.0, max(0.0, value / high))), 1)

    pick = min if kind.low_is_worse else max
    points = [(axis.middle(group), worst(values, group, row, pick), group) for group in axis.groups]
    findings = [one for one in shot.findings if one.measure == kind.measure and one.object == name]
    flagged = {frame for finding in findings for frame in finding.frames}
    marks = [
        Mark(x, y(value), _level(kind, value, limits))
        for x, value, group in points
        if value is not None and flagged.intersection(group) and limits
    ]
    lines = [
        Limit(y(limit), level, f"{level} {limit:g}")
        for level, limit in zip(LEVELS, limits or (), strict=False)
        if 0 < limit < high
    ]
    path, bottom = line(points, axis.step, y), top + height
    note = _note(kind, findings[0], axis, y, (top, bottom)) if findings else None
    return Lane(name, row, top, bottom, path, tuple(marks), tuple(_apart(lines)), note)


def _note(kind: _Kind, finding: Finding, axis: Axis, y: Callable[[float], float], lane: tuple[float, float]) -> Note:
    x, mark = axis.middle([finding.worst]), y(finding.value)
    above, below = mark - 8, mark + 15
    outward, inward = (below, above) if kind.low_is_worse else (above, below)
    fits = lane[0] + 8 < outward < lane[1] - 1
    text = f"{kind.show(finding.value)} at {finding.worst}"
    return Note(x, round(outward if fits else inward, 1), text, x > WIDTH - RIGHT - 100)


def _apart(lines: Sequence[Limit]) -> Iterator[Limit]:
    """The lines, the second one's words left out where they would stand on the first one's."""
    for index, limit in enumerate(lines):
        near = index > 0 and abs(limit.y - lines[0].y) < 11
        yield Limit(limit.y, limit.level, "") if near else limit


def _level(kind: _Kind, value: float, limits: tuple[float, float] | None) -> Level:
    assert limits is not None
    beyond = value < limits[1] if kind.low_is_worse else value > limits[1]
    return "fail" if beyond else "warn"


def _cells(objects: Sequence[str], kind: _Kind, values: Values, axis: Axis) -> Iterator[Cell]:
    pick = min if kind.low_is_worse else max
    for group in axis.groups:
        found = [worst(values, group, row, pick) for row in range(len(objects))]
        said = [
            f"{name} {'–' if value is None else kind.show(value)}" for name, value in zip(objects, found, strict=True)
        ]
        frames = f"frame {group[0]}" if len(group) == 1 else f"the worst of frames {group[0]}-{group[-1]}"
        left = axis.x(group[0])
        yield Cell(left, round(axis.x(group[-1] + axis.step) - left, 1), "\n".join([frames, *said]))


def _label(shot: Facts, kind: _Kind) -> str:
    start = f"{kind.title} of {shot.name} over frames {shot.frames[0]} to {shot.frames[-1]}"
    found = shot.worst.get(kind.measure)
    if found is None:
        return f"{start}."
    return f"{start}: worst {kind.show(found.value)} at frame {found.frame}, {found.object}."
