"""Which outline of one frame is which of the next: tracks, from where an outline appears to where it ends.

Outlines are the same where they overlap most. A part that is small beside the rest may come off or join; when an
outline falls into large parts, or large parts join, it ends there and what comes out of it is new.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

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
        self._last: list[tuple[int, Contour]] = []

    def add(self, frame: int, contours: Iterable[Contour]) -> list[tuple[int, Contour]]:
        """The outlines of the next frame; each comes back with the position of its track among ``tracks``."""
        contours = list(contours)
        before = [contour for _, contour in self._last]
        same = _same(before, contours)
        now = []
        for index, contour in enumerate(contours):
            track = self._last[same[index]][0] if index in same else self._begin(contour.hole)
            self.tracks[track].outlines[frame] = contour.points
            now.append((track, contour))
        self._last = now
        return now

    def _begin(self, hole: bool) -> int:
        self.tracks.append(Track(hole))
        return len(self.tracks) - 1


def _same(before: list[Contour], now: list[Contour]) -> dict[int, int]:
    """For outlines of ``now`` that go on from ``before``, which it is there."""
    if not before or not now:
        return {}
    shared = {(i, j): share for i, j in _near(before, now) if (share := before[i].overlap(now[j]))}
    pairs = _in_turn(shared)
    held, taken = {i for i, _ in pairs}, {j for _, j in pairs}
    ended = set()
    for i, j in shared:
        # a large part that is no other outline's has joined j, or has come off i
        if i not in held and before[i].pixels >= LARGE * now[j].pixels:
            ended.add(("joined", j))
        if j not in taken and now[j].pixels >= LARGE * before[i].pixels:
            ended.add(("fell", i))
    pairs = [(i, j) for i, j in pairs if ("joined", j) not in ended and ("fell", i) not in ended]
    overlapping = {i for i, _ in shared}, {j for _, j in shared}
    gone = [i for i in range(len(before)) if i not in overlapping[0]]
    come = [j for j in range(len(now)) if j not in overlapping[1]]
    return {j: i for i, j in [*pairs, *_in_turn(_leaps(before, now, gone, come))]}


def _near(before: list[Contour], now: list[Contour]) -> list[tuple[int, int]]:
    """Pairs of a kind whose boxes overlap."""
    ours, theirs = _boxes(before)[:, None], _boxes(now)[None]
    apart = (ours[..., :2] >= theirs[..., 2:4]).any(axis=2) | (theirs[..., :2] >= ours[..., 2:4]).any(axis=2)
    return [(int(i), int(j)) for i, j in np.argwhere(~apart & (ours[..., 4] == theirs[..., 4]))]


def _boxes(contours: list[Contour]) -> NDArray[np.intp]:
    """(n, 5): top, left, bottom, right, and 1 for a hole."""
    sizes = [(*contour.corner, *contour.region.shape, contour.hole) for contour in contours]
    boxes = np.array(sizes, np.intp)
    boxes[:, 2:4] += boxes[:, :2]
    return boxes


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


def _leaps(before: list[Contour], now: list[Contour], gone: list[int], come: list[int]) -> dict[tuple[int, int], float]:
    """Pairs of a kind and about a size that are not too far apart; the nearer, the higher the score."""
    if not gone or not come:
        return {}
    old, new = ([contours[k] for k in chosen] for contours, chosen in ((before, gone), (now, come)))
    places = [np.array([contour.points.mean(axis=0) for contour in contours]) for contours in (old, new)]
    pixels = [np.array([contour.pixels for contour in contours], float) for contours in (old, new)]
    holes = [np.array([contour.hole for contour in contours]) for contours in (old, new)]
    small = np.minimum(pixels[0][:, None], pixels[1])
    far = np.linalg.norm(places[0][:, None] - places[1], axis=2) / np.sqrt(small)
    alike = (holes[0][:, None] == holes[1]) & (2 * small >= np.maximum(pixels[0][:, None], pixels[1]))
    return {(gone[i], come[j]): -float(far[i, j]) for i, j in np.argwhere(alike & (far <= LEAP))}
