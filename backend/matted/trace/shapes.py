"""Shapes an artist can edit from the mattes of an object: few points, and as few keys as the tolerance allows.

Between two keys every point and handle moves in a straight line. A key is set as late as no frame before it is missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from matted.trace.contour import Points, find_contours
from matted.trace.curve import Fit, Samples, evaluate, fit
from matted.trace.follow import Follower, Track
from matted.trace.match import match

EVENED, FITTED = 0.4, 0.5
"""Shares of the tolerance: by how much outlines may be evened out in time, and how closely shapes are then fitted."""
SLACK = 1.2
"""By how much more a frame that its own shape cannot follow within the tolerance may be missed between keys."""
NEAR = 6
"""Samples to each side of a place among which the nearest part of the outline is looked for."""
SPECK = 4 * np.pi
"""An outline that never encloses as many pixels as this, at a tolerance of one pixel, is left out: a small spot."""
BRIEF = 5
"""Frames below which an outline has to be larger in the same measure: what flashes up is mostly no object."""
STUB = 0.25
"""Share of that from which an outline that grows or shrinks is looked at."""
AT_ONCE = 1_000_000
"""Samples compared at once."""


@dataclass(frozen=True)
class Shape:
    """One closed Bezier shape.

    Attributes:
        hole: whether it is to be taken out of the shapes before it.
        frames: its keys, ascending.
        keys: (K, N, 6) float32: x and y of each point, then of its left and its right handle from the point, pixels
            from the top left corner of the image.
        lifetime: first and last frame of each stretch of frames in which it is there.
    """

    hole: bool
    frames: tuple[int, ...]
    keys: NDArray[np.float32]
    lifetime: tuple[tuple[int, int], ...]


def trace(
    frames: Iterable[int],
    read: Callable[[int], NDArray[np.float32]],
    *,
    tolerance: float = 1.0,
    check: Callable[[int, int], None] = lambda shapes, numbers: None,
) -> list[Shape]:
    """The shapes of an object.

    Args:
        frames: those to look at, ascending.
        read: gives the matte of a frame, (H, W), 0..1.
        tolerance: pixels by which a shape may miss the outline where the matte is 0.5, in any of the frames.
        check: told again and again how many shapes there will be and how many numbers those made so far have; stops the
            work by raising.

    Returns:
        the shapes in the order to draw them in: what lies inside another comes after it.
    """
    frames = tuple(frames)
    follower = Follower()
    speck = SPECK * tolerance
    large: set[int] = set()
    for frame in frames:
        contours = [contour for contour in find_contours(read(frame)) if contour.pixels >= STUB * speck]
        check(max(len(large), sum(contour.pixels >= speck for contour in contours)), 0)
        large.update(index for index, contour in follower.add(frame, contours) if contour.pixels >= speck)
    lasting = min(BRIEF, len(frames))
    tracks = [follower.tracks[index] for index in sorted(large)]
    tracks = [track for track in tracks if _largest(track) * min(1, len(track.outlines) / lasting) >= speck]
    tracks.sort(key=_largest, reverse=True)
    step = int(np.gcd.reduce(np.diff(frames))) if len(frames) > 1 else 1
    shapes: list[Shape] = []

    def alive() -> None:
        check(len(tracks), sum(shape.keys.size for shape in shapes))

    for track in tracks:
        shapes.append(_shape(track, tolerance, step, alive))
        alive()
    return shapes


def _shape(track: Track, tolerance: float, step: int, alive: Callable[[], None]) -> Shape:
    frames = np.array(list(track.outlines))
    samples = match(list(track.outlines.values()))
    alive()
    fitted = fit(_evened(samples, frames, EVENED * tolerance), FITTED * tolerance)
    alive()
    chosen = _Keys(frames, samples, fitted, tolerance, alive).choose()
    keys = fitted.points[chosen].astype(np.float32)
    return Shape(track.hole, tuple(frames[chosen].tolist()), keys, _stretches(frames.tolist(), step))


@dataclass(frozen=True)
class _Keys:
    """Chooses the keys of a shape among the frames it was fitted to."""

    frames: NDArray[np.intp]
    samples: Samples
    fitted: Fit
    tolerance: float
    alive: Callable[[], None]

    @cached_property
    def allowed(self) -> NDArray[np.float64]:
        """How far each frame may be missed: by the tolerance, or by little more than the shape fitted to it does."""
        own = self._missed(self.fitted.points, np.arange(len(self.frames)))
        return np.maximum(self.tolerance, SLACK * own)

    def choose(self) -> list[int]:
        """The keys, as positions among the frames."""
        last = len(self.frames) - 1
        chosen = [0]
        if last == 0:
            return chosen
        while chosen[-1] < last:
            self.alive()
            chosen.append(self._farthest(chosen[-1], last))
        return chosen

    def _farthest(self, start: int, last: int) -> int:
        """How far a straight line from ``start`` holds: twice as far while it does, then halving what is left."""
        holds, fails = start + 1, last + 1
        while holds < last and fails > last:
            further = min(start + 2 * (holds - start), last)
            holds, fails = (further, fails) if self._holds(start, further) else (holds, further)
        while fails - holds > 1 and holds < last:
            middle = (holds + fails) // 2
            holds, fails = (middle, fails) if self._holds(start, middle) else (holds, middle)
        return holds

    def _holds(self, start: int, end: int) -> bool:
        """Whether every frame between two keys is met; the middle one, most often missed, is looked at first."""
        between = np.arange(start + 1, end)
        if not between.size:
            return True
        middle = len(between) // 2
        if not self._meets(start, end, between[middle : middle + 1]):
            return False
        size = max(1, AT_ONCE // self.samples.shape[1])
        return all(self._meets(start, end, between[i : i + size]) for i in range(0, len(between), size))

    def _meets(self, start: int, end: int, at: NDArray[np.intp]) -> bool:
        share = (self.frames[at] - self.frames[start]) / (self.frames[end] - self.frames[start])
        ours, theirs = self.fitted.points[start], self.fitted.points[end]
        points = ours + share[:, None, None] * (theirs - ours)
        return bool((self._missed(points, at) <= self.allowed[at]).all())

    def _missed(self, points: NDArray[np.float64], at: NDArray[np.intp]) -> NDArray[np.float64]:
        """By how many pixels shapes (F, N, 6) miss the outlines of the frames ``at`` at worst, (F,)."""
        drawn = _drawn(points, self.fitted.segment, self.fitted.along[at])
        outline = self.samples[at]
        return np.maximum(_farthest_off(drawn, outline), _farthest_off(outline, drawn))


def _evened(samples: Samples, frames: NDArray[np.intp], most: float) -> Samples:
    """Samples without what flickers from frame to frame, none moved by more than ``most`` pixels.

    Where an outline moves evenly nothing changes: a sample is compared with the line between those around it in time.
    """
    evened = samples.copy()
    for _ in range(2):
        before, now, after = evened[:-2], evened[1:-1], evened[2:]
        share = ((frames[1:-1] - frames[:-2]) / (frames[2:] - frames[:-2]))[:, None, None]
        evened[1:-1] = (now + before + share * (after - before)) / 2
    change = evened - samples
    far = np.linalg.norm(change, axis=2, keepdims=True)
    return np.asarray(samples + change * np.minimum(1, most / np.maximum(far, 1e-9)))


def _drawn(points: NDArray[np.float64], segment: NDArray[np.intp], along: NDArray[np.float64]) -> Samples:
    """Shapes (F, N, 6) at the samples' places."""
    following = np.roll(points, -1, axis=1)
    start, end = points[:, :, :2], following[:, :, :2]
    controls = np.stack([start, start + points[:, :, 4:], end + following[:, :, 2:4], end], axis=2)
    return evaluate(controls[:, segment], along)


def _farthest_off(samples: Samples, outline: Samples) -> NDArray[np.float64]:
    """For each frame the largest distance of a sample from the part of the other outline around its place, pixels."""
    nearest = np.full(samples.shape[:2], np.inf)
    x, y = np.moveaxis(samples, 2, 0)
    for shift in range(-NEAR, NEAR):
        start_x, start_y = np.moveaxis(np.roll(outline, -shift, axis=1), 2, 0)
        way_x, way_y = (np.roll(start, -1, axis=1) - start for start in (start_x, start_y))
        to_x, to_y = x - start_x, y - start_y
        share = (to_x * way_x + to_y * way_y) / np.maximum(way_x * way_x + way_y * way_y, 1e-12)
        share = np.clip(share, 0.0, 1.0)
        off = (to_x - share * way_x) ** 2 + (to_y - share * way_y) ** 2
        np.minimum(nearest, off, out=nearest)
    return np.asarray(np.sqrt(nearest.max(axis=1)))


def _stretches(frames: list[int], step: int) -> tuple[tuple[int, int], ...]:
    """First and last of each run of frames a step apart."""
    breaks = [index for index, (one, other) in enumerate(pairwise(frames), 1) if other - one > step]
    return tuple((frames[i], frames[j - 1]) for i, j in pairwise([0, *breaks, len(frames)]))


def _largest(track: Track) -> float:
    """Pixels the outline encloses where it encloses most."""
    return max(map(_area, track.outlines.values()))


def _area(points: Points) -> float:
    before = np.roll(points, 1, axis=0)
    return abs(float((before[:, 0] * points[:, 1] - points[:, 0] * before[:, 1]).sum())) / 2
