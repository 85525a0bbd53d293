"""The order in which a propagation visits the frames of a shot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise


class Direction(str, Enum):
    """Where mattes are carried from the keyframes."""

    FORWARD = "forward"
    """One walk from the first frame to the last, as the XMem++ paper does."""
    BACKWARD = "backward"
    """One walk from the last frame to the first."""
    BOTH = "both"
    """Outwards from every keyframe; between two keyframes both walks are blended by distance."""


class Role(str, Enum):
    """What becomes of the probabilities of a walk."""

    WRITE = "write"
    """They are the result."""
    HOLD = "hold"
    """They wait for the walk that comes the other way."""
    BLEND = "blend"
    """They meet the held ones."""


@dataclass(frozen=True)
class Walk:
    """A run of frames visited one after another with one working memory.

    Attributes:
        frames: in walking order; a keyframe among them shows the artist's masks.
        role: what becomes of the predictions.
        left, right: the keyframes on either side of the gap a HOLD or BLEND walk crosses.
    """

    frames: tuple[int, ...]
    role: Role = Role.WRITE
    left: int = 0
    right: int = 0

    def weight_of_held(self, frame: int) -> float:
        """How much the held prediction of ``frame`` counts, 0..1: the nearer the left keyframe the more."""
        return (self.right - frame) / (self.right - self.left)


def plan(frames: Iterable[int], keyframes: Iterable[int], direction: Direction) -> list[Walk]:
    """Order the frames of a propagation.

    Args:
        frames: the frames to make mattes for.
        keyframes: every keyframe of the shot, also those outside ``frames``.
        direction: see :class:`Direction`.

    Returns:
        Walks; in WRITE and BLEND walks together every one of ``frames`` comes at least once.
    """
    wanted = sorted(set(frames))
    if direction is Direction.FORWARD:
        return [Walk(tuple(wanted))]
    if direction is Direction.BACKWARD:
        return [Walk(tuple(reversed(wanted)))]
    return _outwards(wanted, sorted(set(keyframes)))


def _outwards(wanted: Sequence[int], keyframes: Sequence[int]) -> list[Walk]:
    if not keyframes:
        return [Walk(tuple(wanted))]
    walks = []
    inside = set(wanted)
    before = [frame for frame in wanted if frame < keyframes[0]]
    if before:
        walks.append(Walk((*[keyframes[0]] * (keyframes[0] in inside), *reversed(before))))
    for left, right in pairwise(keyframes):
        gap = [frame for frame in wanted if left < frame < right]
        there = tuple([left] * (left in inside) + gap)
        back = tuple([right] * (right in inside) + gap[::-1])
        if gap:
            walks.append(Walk(there, Role.HOLD, left, right))
            walks.append(Walk(back, Role.BLEND, left, right))
    after = [frame for frame in wanted if frame >= keyframes[-1]]
    if after:
        walks.append(Walk(tuple(after)))
    visited = {frame for walk in walks for frame in walk.frames}
    walks += [Walk((frame,)) for frame in keyframes if frame in inside - visited]
    return walks
