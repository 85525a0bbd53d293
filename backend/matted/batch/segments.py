"""A shot cut at its keyframes into segments that can be made alone, on any machine, and give the very same mattes.

With the direction ``both`` every walk begins at a keyframe with fresh working and sensory memory and reads nothing else
but permanent memory, which holds every keyframe wherever it is made. So the seam between two segments is exact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matted.engine.plan import Direction


@dataclass(frozen=True, order=True)
class Segment:
    """The frames from ``first`` to ``last``, inclusive, as far as they are wanted; no two segments share one."""

    first: int
    last: int

    def __contains__(self, frame: object) -> bool:
        return isinstance(frame, int) and self.first <= frame <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def split(frames: Iterable[int], keyframes: Iterable[int], direction: Direction) -> tuple[Segment, ...]:
    """Cut the frames of a job where they can be made apart.

    Args:
        frames: the frames to make mattes for.
        keyframes: every keyframe of the shot, also those outside ``frames``.
        direction: a single walk over all keyframes cannot be cut.

    Returns:
        At least one segment, ascending. Each but the first begins at a keyframe.
    """
    wanted = sorted(set(frames))
    known = sorted(set(keyframes))
    if direction is not Direction.BOTH or not known:
        return (Segment(wanted[0], wanted[-1]),)
    if wanted[-1] == known[-1]:  # a keyframe at the end of the range is nobody's beginning
        known.pop()
    groups: dict[int, list[int]] = {}
    for frame in wanted:
        groups.setdefault(bisect_right(known, frame), []).append(frame)
    return tuple(Segment(group[0], group[-1]) for group in groups.values())


def walked(segment: Segment, frames: Sequence[int], keyframes: Iterable[int]) -> tuple[int, ...]:
    """The frames a session must be asked for so that it walks a segment as it walks the whole job, ascending.

    Those are the segment's own, and the keyframe after it where that is among the job's ``frames``; a keyframe before
    it that is among them is where the segment begins.
    """
    own = [frame for frame in frames if frame in segment]
    after = [frame for frame in sorted(set(keyframes) & set(frames)) if frame > segment.last][:1]
    return tuple(own + after)
