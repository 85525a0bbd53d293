"""Which outline of one frame is which of the next: tracks, from where an outline appears to where it ends.

Outlines are the same where they overlap most. A part that is small beside the rest may come off or join; when an
outline falls into large parts, or large parts join, it ends there and what comes out of it is new.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from matted.trace.contour import Contour, Points

LARGE = 0.25
"""Share of an outline's pixels from which a part that comes off or joins makes it another outline."""

LEAP = 2.0
"""How far an outline that overlaps nothing may have gone, in square roots of its pixels."""


@dataclass(frozen=True)
class Track:
    """One outline through time.

    Attributes:
        hole: whether it is the outline of a hole.
        outlines: its (n, 2) points in every frame it is in, ascending.
    """

    hole: bool
    outlines: dict[int, Points] = field(default_factory=dict)


class Follower:
    """Follows outlines frame by frame; ``tracks`` is what was found so far."""

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self._last: list[tuple[Track, Contour]] = []

    def add(self, frame: int, contours: Iterable[Contour]) -> None:
        """The outlines of the next frame."""
        contours = list(contours)
        before = [contour for _, contour in self._last]
        same = _same(before, contours)
        now = []
        for index, contour in enumerate(contours):
            track = self._last[same[index]][0] if index in same else self._begin(contour.hole)
            track.outlines[frame] = contour.points
            now.append((track, contour))
        self._last = now

    def _begin(self, hole: bool) -> Track:
        track = Track(hole)
        self.tracks.append(track)
        return track


def _same(before: list[Contour], now: list[Contour]) -> dict[int, int]:
    """For outlines of ``now`` that go on from ``before``, which it is there."""
    shared: dict[tuple[int, int], float] = {}
    for i, old in enumerate(before):
        for j, new in enumerate(now):
            if old.hole == new.hole and (share := old.overlap(new)):
                shared[i, j] = share
    pairs = _in_turn(shared)
    kept = dict(pairs)
    for i, j in pairs:
        came = [other for other in range(len(before)) if other not in kept and (other, j) in shared]
        went = [other for other in range(len(now)) if other not in kept.values() and (i, other) in shared]
        joined = any(before[other].pixels >= LARGE * now[j].pixels for other in came)
        fell = any(now[other].pixels >= LARGE * before[i].pixels for other in went)
        if joined or fell:
            pairs = [pair for pair in pairs if pair != (i, j)]
    overlapping = {i for i, _ in shared}, {j for _, j in shared}
    gone = [i for i in range(len(before)) if i not in overlapping[0]]
    come = [j for j in range(len(now)) if j not in overlapping[1]]
    leaps = {(i, j): -far for i in gone for j in come if (far := _distance(before[i], now[j])) <= LEAP}
    return {j: i for i, j in [*pairs, *_in_turn(leaps)]}


def _in_turn(scores: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    """Pairs, the best first, in which each is once."""
    taken: tuple[set[int], set[int]] = set(), set()
    pairs = []
    for i, j in sorted(scores, key=lambda pair: (-scores[pair], pair)):
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            pairs.append((i, j))
    return pairs


def _distance(one: Contour, other: Contour) -> float:
    """Between their middles, in square roots of the smaller one's pixels; infinite when they are no match."""
    small, large = sorted((one.pixels, other.pixels))
    if one.hole != other.hole or small < large / 2:
        return float("inf")
    return float(np.linalg.norm(one.points.mean(axis=0) - other.points.mean(axis=0)) / small**0.5)
