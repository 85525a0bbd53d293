"""Which point of one outline is which of the next: points that stay with the form they are on.

Outlines are sampled by arc length. From one frame to the next the samples turn along the outline until they are
nearest, the motion of the whole is taken out as an affine map, and what is left moves each sample along the outline to
where it is closest (iterative closest points: Besl and McKay, IEEE PAMI 14(2), 1992), smoothly, so that none overtakes
another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from matted.trace.contour import Points

FEWEST, MOST = 64, 3072
"""Samples of an outline: one a pixel, within these."""

SPREAD = (0.5, 0.2, 0.07, 0.02)
"""Share of the outline to each side over which motion along it is evened, round by round: first the whole turns."""
FLAT = 0.001
"""What a place counts for where the outline is straight, compared to a bend, which shows where it is."""
REACH = 0.03
"""Share of the outline along which a sample looks for its place."""
BEND = 6.0
"""Pixels that a right angle between two directions counts for: a corner stays a corner."""
LOOK = 2.0
"""Pixels to each side from which directions are taken."""
SHARP = 35.0
"""Degrees by which an outline turns at a corner."""
CATCH = 5.0
"""Pixels from which a corner draws the sample of a corner."""
NEAREST, FARTHEST = 0.4, 2.5
"""How close samples may come and how far they may part, in mean distances."""


@dataclass(frozen=True)
class _Outline:
    """A closed outline by arc length."""

    points: Points
    lengths: NDArray[np.float64]

    @classmethod
    def of(cls, points: Points) -> _Outline:
        closed = np.concatenate([points, points[:1]])
        steps = np.linalg.norm(np.diff(closed, axis=0), axis=1)
        return cls(closed, np.concatenate([[0.0], np.cumsum(steps)]))

    @property
    def length(self) -> float:
        return float(self.lengths[-1])

    def at(self, places: NDArray[np.float64]) -> Points:
        """Points at arc lengths, which go round and round."""
        wrapped = places % self.length
        return np.stack([np.interp(wrapped, self.lengths, self.points[:, axis]) for axis in (0, 1)], axis=-1)


def match(outlines: Sequence[Points]) -> NDArray[np.float64]:
    """Sample outlines so that a sample stays the same place of the form.

    Args:
        outlines: of consecutive frames, each (n, 2), closed.

    Returns:
        (F, M, 2).
    """
    measured = [_Outline.of(points) for points in outlines]
    count = int(np.clip(max(outline.length for outline in measured), FEWEST, MOST))
    places = np.arange(count) / count * measured[0].length
    places = places + _to_corners(measured[0].at(places), places, measured[0])
    samples = [measured[0].at(places)]
    for before, outline in pairwise(measured):
        places = _carry(samples[-1], places / before.length, outline)
        samples.append(outline.at(places))
    return np.stack(samples)


def _carry(samples: Points, shares: NDArray[np.float64], outline: _Outline) -> NDArray[np.float64]:
    """Where on the next outline the samples are, as arc lengths, ascending."""
    count, length = len(samples), outline.length
    places = (shares + _turn(samples, shares, outline)) * length
    theirs = _features(outline.at(np.arange(count) / count * length))
    reach = max(3, round(REACH * count))
    around = np.arange(-reach, reach + 1)
    for spread in SPREAD:
        moved = _affine(samples, outline.at(places))
        near = (np.rint(places / length * count).astype(int)[:, None] + around) % count
        cost = np.tile(1e-3 * (around * length / count) ** 2, (count, 1))  # of places as close, the middle one
        ours = _features(moved)
        for axis in range(4):
            cost += (theirs[axis][near] - ours[axis][:, None]) ** 2
        best = np.clip(cost.argmin(axis=1), 1, 2 * reach - 1)
        further = _between(*(cost[np.arange(count), best + i] for i in (-1, 0, 1)))
        wanted = (near[np.arange(count), best] + further) * length / count
        change = (wanted - places + length / 2) % length - length / 2
        places = _in_order(places + _smooth(change, FLAT + _bends(_directions(moved)), round(spread * count)), length)
    return _in_order(places + _to_corners(samples, places, outline), length)


def _to_corners(samples: Points, places: NDArray[np.float64], outline: _Outline) -> NDArray[np.float64]:
    """How far along the outline each sample still has to go for those at corners to be on them."""
    count, fine, length = len(samples), 4 * len(samples), outline.length
    ours = _turns(samples)
    theirs = _turns(outline.at(np.arange(fine) / fine * length))
    step = float(np.linalg.norm(np.diff(samples, axis=0), axis=1).mean())
    catch, far = _within(CATCH, step, count), _within(CATCH, length / fine, fine)
    near = (np.arange(count)[:, None] + np.arange(-catch, catch + 1)) % count
    corners = np.flatnonzero((np.abs(ours) > SHARP) & (np.abs(ours) == np.abs(ours)[near].max(axis=1)))
    found, change = [], []
    for corner in corners:
        sign = np.sign(ours[corner])
        around = np.rint(places[corner] / length * fine).astype(int) + np.arange(-far, far + 1)
        there = sign * theirs[around % fine]
        if there.max() < SHARP / 2:
            continue
        found.append(corner)
        change.append(_middle(around, there) * length / fine - places[corner])
    return np.interp(np.arange(count), found, change, period=count) if found else np.zeros(count)


def _middle(places: NDArray[np.intp], sharpness: NDArray[np.float64]) -> float:
    """The middle of where it is sharpest: a corner's turn is spread over some samples."""
    weights = np.clip(sharpness - 0.8 * sharpness.max(), 0, None)
    return float((weights * places).sum() / weights.sum())


def _turns(points: Points) -> NDArray[np.float64]:
    """Degrees by which a closed outline turns about each sample, to the right above 0."""
    step = float(np.linalg.norm(np.diff(points, axis=0), axis=1).mean())
    look = _within(2 * LOOK, step, len(points))
    to, back = np.roll(points, -look, axis=0) - points, points - np.roll(points, look, axis=0)
    across = back[:, 0] * to[:, 1] - back[:, 1] * to[:, 0]
    return np.asarray(np.degrees(np.arctan2(across, (to * back).sum(axis=1))))


def _within(pixels: float, step: float, count: int) -> int:
    """How many samples ``step`` pixels apart are within so many pixels; of a small outline an eighth of all."""
    return int(np.clip(round(pixels / step), 1, count // 8))


def _features(points: Points) -> NDArray[np.float64]:
    """What tells places of an outline apart: (4, n), where they are and which way the outline goes there."""
    return np.concatenate([points.T, BEND / np.sqrt(2) * _directions(points).T])


def _directions(points: Points) -> Points:
    """Unit vectors along a closed outline sampled about evenly."""
    steps = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1)
    look = _within(LOOK, float(steps.mean()), len(points))
    way = np.roll(points, -look, axis=0) - np.roll(points, look, axis=0)
    return np.asarray(way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9))


def _bends(directions: Points) -> NDArray[np.float64]:
    """How much an outline turns about each sample, 0 to 4."""
    return np.asarray(((np.roll(directions, -2, axis=0) - np.roll(directions, 2, axis=0)) ** 2).sum(axis=1))


def _turn(samples: Points, shares: NDArray[np.float64], outline: _Outline) -> float:
    """The share of the outline to turn by, so that samples are nearest, whatever way the whole has moved."""
    count = len(samples)
    steps = np.arange(count) / count
    order = np.argsort(shares % 1)
    ours = np.stack(
        [np.interp(steps, (shares % 1)[order], samples[order, axis], period=1.0) for axis in (0, 1)], axis=1
    )
    theirs = outline.at(steps * outline.length)
    ours, theirs = ours - ours.mean(axis=0), theirs - theirs.mean(axis=0)
    spectra = np.conj(np.fft.rfft(ours, axis=0)) * np.fft.rfft(theirs, axis=0)
    alike = np.fft.irfft(spectra.sum(axis=1), count)
    best = int(alike.argmax())
    return float((best + _between(*(-alike[[(best + i) % count]] for i in (-1, 0, 1)))[0]) / count)


def _between(
    before: NDArray[np.float64], least: NDArray[np.float64], after: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where between -1 and 1 the parabola through three values is least."""
    bend = before - 2 * least + after
    return np.asarray(np.clip(0.5 * (before - after) / np.maximum(bend, 1e-12), -1, 1) * (bend > 1e-12))


def _affine(samples: Points, places: Points) -> Points:
    """The samples moved by the affine map that brings them closest to ``places``."""
    middle = samples.mean(axis=0)
    basis = np.column_stack([samples - middle, np.ones(len(samples))])
    solved, *_ = np.linalg.lstsq(basis, places, rcond=None)
    return np.asarray(basis @ solved)


def _smooth(values: NDArray[np.float64], weights: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Weighted moving averages around a closed outline."""
    half = min(max(1, half), (len(values) - 1) // 2)
    kernel = np.hanning(2 * half + 3)[1:-1]

    def spread(these: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.convolve(np.concatenate([these[-half:], these, these[:half]]), kernel, mode="valid")

    return spread(values * weights) / spread(weights)


def _in_order(places: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """The places nearest to these of which none overtakes the next, comes too close to it or parts too far from it."""
    gaps = np.diff(places, append=places[0] + length)
    mean = length / len(places)
    kept = np.clip(gaps, NEAREST * mean, FARTHEST * mean)
    if np.array_equal(kept, gaps):
        return places
    ordered = np.concatenate([[0.0], np.cumsum(kept * (length / kept.sum()))[:-1]])
    return np.asarray(ordered + (places - ordered).mean())
