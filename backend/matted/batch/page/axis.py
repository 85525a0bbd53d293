"""Frames on a line: where each one is, and a line of numbers over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from matted.batch.page.facts import counts

Values = Mapping[int, Sequence[float | None]]
"""By frame, one number an object."""


@dataclass(frozen=True)
class Axis:
    """Frames on a line; every frame has a cell of its own, neighbours are put together where there are too many.

    Attributes:
        first, last: frames.
        left, right: pixels.
        step: from one frame to the next.
        groups: the frames that share a point of a line, ascending.
    """

    first: int
    last: int
    left: float
    right: float
    step: int
    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def over(cls, frames: Sequence[int], left: float, right: float, cells: int) -> Axis:
        """The axis of ``frames``, ascending, from pixel ``left`` to ``right``, in at most so many groups."""
        size = -(-len(frames) // cells)
        groups = tuple(tuple(frames[start : start + size]) for start in range(0, len(frames), size))
        step = min((later - frame for frame, later in pairwise(frames)), default=1)
        return cls(frames[0], frames[-1], left, right, step, groups)

    def x(self, frame: float) -> float:
        """The left edge of a frame's cell."""
        span = self.last - self.first + self.step
        return round(self.left + (self.right - self.left) * (frame - self.first) / span, 1)

    def middle(self, group: Sequence[int]) -> float:
        """The middle of the cells of a group."""
        return self.x((group[0] + group[-1] + self.step) / 2)

    def ticks(self, *, room: int) -> tuple[tuple[float, int], ...]:
        """The first, the last, and round frame numbers between them that do not touch."""
        span = self.last - self.first + 1
        step = next(base * 10**power for power in range(12) for base in (1, 2, 5) if span / (base * 10**power) <= 8)
        placed: list[tuple[float, int]] = []
        for frame in [self.first, self.last, *range(-(-self.first // step) * step, self.last, step)]:
            x = self.middle([frame])
            if all(abs(x - other) >= room for other, _ in placed):
                placed.append((x, frame))
        return tuple(sorted(placed))

    def places(self, frames: Sequence[int]) -> tuple[tuple[float, int], ...]:
        """Where these frames are, those on the axis."""
        return tuple((self.middle([frame]), frame) for frame in frames if self.first <= frame <= self.last)


def worst(values: Values, group: Sequence[int], row: int, pick: Callable[..., float]) -> float | None:
    """The worst number of a group of frames; None where there is none."""
    present = [value for frame in group if frame in values and counts(value := values[frame][row])]
    return pick(present) if present else None


def line(points: Sequence[tuple[float, float | None, Sequence[int]]], step: int, y: Callable[[float], float]) -> str:
    """A line through the points as SVG; it breaks where frames or numbers are missing."""
    drawn: list[str] = []
    before: int | None = None
    for x, value, group in points:
        if value is None:
            before = None
            continue
        joins = before is not None and group[0] - before <= step
        drawn.append(f"L{x:g} {y(value):g}" if joins else f"M{x:g} {y(value):g}h0")
        before = group[-1]
    return "".join(drawn)
