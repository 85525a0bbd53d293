"""Few Bezier segments through many samples: where the points of a shape go, and its handles in every frame.

Segments are fitted as in Schneider, "An algorithm for automatically fitting digitized curves" (Graphics Gems, 1990):
tangents are taken from the outline, least squares give the lengths of the handles, Newton's method where along the
segment each sample lies, and a segment that misses is split where it misses most. Here one choice of points serves all
frames of an outline at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
"""(F, M, 2): the same M places of an outline in F frames, pixels."""

CORNER = 40.0
"""Degrees by which an outline turns, in the middle one of the frames, where it has a corner."""
LOOK = 4.0
"""Pixels to each side from which tangents are taken."""
ROUNDS = 3
FEWEST = 4
"""Points of a shape."""
MOSTLY, WORTH = 0.9, 1.25
"""Where every frame takes this many times the points that most frames take, those for most have to do: a few ragged
frames must not cover the whole shot with points."""
GLANCE = 24
"""Frames looked at first when points are chosen; the others are looked at in the end."""


@dataclass(frozen=True)
class Fit:
    """Bezier shapes of F frames.

    Attributes:
        points: (F, N, 6): x and y of each point, then of its left and its right handle from the point, pixels.
        segment: (M,), the segment each sample lies on; segment ``i`` goes from point ``i`` to the next.
        along: (F, M), where on its segment it lies, 0..1.
    """

    points: NDArray[np.float64]
    segment: NDArray[np.intp]
    along: NDArray[np.float64]


@dataclass(frozen=True)
class _Tangents:
    """Directions of an outline at its samples, (F, M, 2) each, and which samples are corners, ascending."""

    left: Samples
    right: Samples
    corners: tuple[int, ...]


def fit(samples: Samples, tolerance: float) -> Fit:
    """Fit shapes with the same few points to every frame.

    Args:
        samples: (F, M, 2), from :func:`matted.trace.match.match`.
        tolerance: pixels by which a shape may miss a sample.
    """
    tangents = _tangents(samples)
    fitter, vertices = _choose(samples, tangents, tolerance, share=1.0)
    if len(vertices) > WORTH * FEWEST:
        _, few = _choose(samples, tangents, tolerance, share=MOSTLY)
        vertices = vertices if len(vertices) <= WORTH * len(few) else few
    return fitter.fitted(vertices)


def _choose(samples: Samples, tangents: _Tangents, tolerance: float, *, share: float) -> tuple[_Fitter, list[int]]:
    """The points that do for a share of the frames."""
    frames = np.unique(np.linspace(0, len(samples) - 1, GLANCE).astype(int))
    some = _Tangents(tangents.left[frames], tangents.right[frames], tangents.corners)
    glance = _Fitter(samples[frames], some, tolerance, share)
    vertices = glance.thin(glance.split(_begin(samples.shape[1], tangents.corners)), keep=set(tangents.corners))
    whole = _Fitter(samples, tangents, tolerance, share)
    return whole, whole.split(vertices)


class _Fitter:
    """Fits segments between samples in all frames given, each once; ``share`` of the frames have to be met."""

    def __init__(self, samples: Samples, tangents: _Tangents, tolerance: float, share: float) -> None:
        self._samples = samples
        self._tangents = tangents
        self._tolerance = tolerance
        self._share = share
        self._known: dict[tuple[int, int], tuple[float, int]] = {}

    def split(self, vertices: list[int]) -> list[int]:
        """Points, these among them, between which no segment misses by more than the tolerance."""
        count = self._samples.shape[1]
        chosen: list[int] = []
        waiting = list(zip(vertices, [*vertices[1:], vertices[0] + count], strict=True))
        while waiting:
            first, last = waiting.pop()
            miss, worst = self._miss(first, last)
            if miss > self._tolerance and last - first >= 4:
                waiting += [(first, worst), (worst, last)]
            else:
                chosen.append(first % count)
        return sorted(chosen)

    def thin(self, vertices: list[int], *, keep: set[int]) -> list[int]:
        """Leave out points without which every segment still holds, the least missed first."""
        count = self._samples.shape[1]
        left = list(vertices)
        while len(left) > FEWEST:
            around = [
                (self._miss(left[i - 1] - (count if i == 0 else 0), self._next(left, i))[0], i)
                for i, vertex in enumerate(left)
                if vertex not in keep
            ]
            miss, least = min(around, default=(np.inf, 0))
            if miss > self._tolerance:
                break
            del left[least]
        return left

    def fitted(self, vertices: list[int]) -> Fit:
        """The shapes with these points."""
        frames, count, _ = self._samples.shape
        points = np.zeros((frames, len(vertices), 6))
        points[:, :, :2] = self._samples[:, vertices]
        segment = np.zeros(count, np.intp)
        along = np.zeros((frames, count))
        for i, first in enumerate(vertices):
            last = self._next(vertices, i)
            controls, places, _ = self._segment(first, last)
            following = (i + 1) % len(vertices)
            points[:, i, 4:] = controls[:, 1] - controls[:, 0]
            points[:, following, 2:4] = controls[:, 2] - controls[:, 3]
            inside = np.arange(first, last) % count
            segment[inside], along[:, inside] = i, places[:, :-1]
        return Fit(points, segment, along)

    def _next(self, vertices: list[int], i: int) -> int:
        """The point after the one at ``i``, further on than it is."""
        return vertices[i + 1] if i + 1 < len(vertices) else vertices[0] + self._samples.shape[1]

    def _miss(self, first: int, last: int) -> tuple[float, int]:
        """By how much a segment misses the sample it misses most, and which one to split it at."""
        count = self._samples.shape[1]
        key = first % count, last - first
        if key not in self._known:
            _, _, misses = self._segment(first, last)
            worst = int(np.quantile(misses, self._share, axis=0).argmax())
            edge = max(2, (last - first) // 8)
            miss = float(np.quantile(misses.max(axis=1), self._share))
            self._known[key] = miss, int(np.clip(worst, edge, max(edge, last - first - edge)))
        miss, worst = self._known[key]
        return miss, first + worst

    def _segment(self, first: int, last: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Controls (F, 4, 2), where the samples lie along (F, n) and by how much they are missed (F, n)."""
        count = self._samples.shape[1]
        start, end = first % count, last % count
        samples = self._samples[:, np.arange(first, last + 1) % count]
        right, left = self._tangents.right[:, start], self._tangents.left[:, end]
        steps = _long(np.diff(samples, axis=1))
        lengths = np.concatenate([np.zeros((len(samples), 1)), np.cumsum(steps, axis=1)], axis=1)
        along = lengths / np.maximum(lengths[:, -1:], 1e-9)
        for left_rounds in reversed(range(ROUNDS)):
            controls = _handles(samples, along, right, left, lengths[:, -1])
            if left_rounds:
                along = _newton(controls, samples, along)
        misses = _long(evaluate(controls, along) - samples)
        return controls, along, misses


def evaluate(controls: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points on Bezier segments: controls (F, 4, 2) or (F, n, 4, 2) at ``along`` (F, n) give (F, n, 2)."""
    if controls.ndim == 3:
        controls = controls[:, None]
    u, v = along[..., None], 1 - along[..., None]
    ends = v**3 * controls[:, :, 0] + u**3 * controls[:, :, 3]
    return np.asarray(ends + 3 * u * v * (v * controls[:, :, 1] + u * controls[:, :, 2]))


def _handles(
    samples: Samples,
    along: NDArray[np.float64],
    right: NDArray[np.float64],
    left: NDArray[np.float64],
    length: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Controls whose handles point along the tangents and are as long as brings the segment closest to its samples."""
    start, end = samples[:, :1], samples[:, -1:]
    u, v = along[..., None], 1 - along[..., None]
    first, second = 3 * u * v**2 * right[:, None], 3 * u**2 * v * left[:, None]
    rest = samples - start * (v**3 + 3 * u * v**2) - end * (u**3 + 3 * u**2 * v)
    a, b, c = (_dot(x, y).sum(axis=1) for x, y in ((first, first), (first, second), (second, second)))
    x, y = _dot(first, rest).sum(axis=1), _dot(second, rest).sum(axis=1)
    determinant = a * c - b * b
    sound = determinant > 1e-9 * np.maximum(a * c, 1e-12)
    divisor = np.where(sound, determinant, 1.0)
    lengths = np.stack([(c * x - b * y) / divisor, (a * y - b * x) / divisor], axis=1)
    # handles that turn back or overshoot make loops: Schneider then takes a third of the way
    plain = ~sound[:, None] | (lengths < 0.05 * length[:, None]) | (lengths > length[:, None])
    lengths = np.where(plain.any(axis=1, keepdims=True), length[:, None] / 3, lengths)
    return np.stack(
        [start[:, 0], start[:, 0] + lengths[:, :1] * right, end[:, 0] + lengths[:, 1:] * left, end[:, 0]], axis=1
    )


def _newton(controls: NDArray[np.float64], samples: Samples, along: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where along the segment the samples are closest to it: one step from where they were taken to be."""
    u, v = along[..., None], 1 - along[..., None]
    one, two, three = (controls[:, None, i + 1] - controls[:, None, i] for i in range(3))
    speed = 3 * (v * v * one + 2 * u * v * two + u * u * three)
    change = 6 * (v * (two - one) + u * (three - two))
    away = evaluate(controls, along) - samples
    slope = _dot(speed, speed) + _dot(away, change)
    step = _dot(away, speed) / np.where(np.abs(slope) > 1e-9, slope, np.inf)
    moved = np.clip(along - step, 0.0, 1.0)
    return np.maximum.accumulate(moved, axis=1)


def _tangents(samples: Samples) -> _Tangents:
    count = samples.shape[1]
    spacing = np.linalg.norm(np.diff(samples, axis=1), axis=2).mean()
    look = int(np.clip(round(LOOK / max(spacing, 1e-6)), 1, max(1, count // 16)))
    ahead, behind = np.roll(samples, -look, axis=1), np.roll(samples, look, axis=1)
    right, left, across = _unit(ahead - samples), _unit(behind - samples), _unit(ahead - behind)
    turn = np.degrees(np.arccos(np.clip(-_dot(right, left), -1, 1)))
    usual = np.median(turn, axis=0)
    corners: list[int] = []
    for index in np.flatnonzero(usual > CORNER):
        near = usual[np.arange(index - look, index + look + 1) % count]
        if usual[index] == near.max() and not any(_apart(int(index), other, count) <= look for other in corners):
            corners.append(int(index))
    smooth = np.ones(count, np.bool_)
    smooth[corners] = False
    chosen = smooth[None, :, None]
    return _Tangents(np.where(chosen, -across, left), np.where(chosen, across, right), tuple(corners))


def _dot(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(one[..., 0] * other[..., 0] + one[..., 1] * other[..., 1])


def _long(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(_dot(vectors, vectors))


def _apart(one: int, other: int, count: int) -> int:
    return min((one - other) % count, (other - one) % count)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.maximum(_long(vectors)[..., None], 1e-9))


def _begin(count: int, corners: tuple[int, ...]) -> list[int]:
    """The corners, and points in the widest gaps until there are enough."""
    chosen = sorted(corners) or [0]
    while len(chosen) < FEWEST:
        gaps = [
            (after - before, before) for before, after in zip(chosen, [*chosen[1:], chosen[0] + count], strict=True)
        ]
        gap, before = max(gaps)
        chosen = sorted([*chosen, (before + gap // 2) % count])
    return chosen
