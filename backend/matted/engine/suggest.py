"""Which frames to mask next: those whose object is least like every keyframe so far (XMem++, section 3.3).

For a keyframe A and a candidate B, with S the memory bank's similarity over keys weighted by the object's mask:

    D(B|A) = mean over cells i, j of relu( S[A_i as memory, B_j as query] - S[B_i as memory, A_j as query] )

A candidate's score is its least D over all keyframes; the best one counts as a keyframe from then on. Only that one
is new in each round, so the least D is carried along and ``count`` rounds cost N * (keyframes + count - 1) pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from matted.errors import SettingError
from matted.memory.affinity import memory_operand, query_operand

BLOCK = 2**22
"""Elements of similarity compared at once."""


@dataclass(frozen=True)
class Sight:
    """What is known of one frame.

    Attributes:
        key: (Ck, h, w), without channels that carry position.
        shrinkage: (1, h, w).
        selection: (Ck, h, w), 0..1.
        mask: (H, W), 0..1, the union of all objects, unpadded.
        confidence: 0..1, how sure the matte is; 1 for a keyframe.
    """

    key: Tensor
    shrinkage: Tensor
    selection: Tensor
    mask: Tensor
    confidence: float = 1.0


@dataclass(frozen=True)
class SuggestSettings:
    """How frames are compared.

    Raises:
        SettingError: bad_setting.
    """

    method: Literal["diversity", "doubt"] = "diversity"
    """``diversity`` is XMem++'s score; ``doubt`` prefers, among unlike frames, those whose matte is unsure."""
    alpha: float = 0.5
    """0..1: 0 compares whole frames, 1 the object alone."""
    min_presence: float = 0.25
    """Percent of the frame the object must cover; smaller objects would be compared by a handful of cells."""
    epsilon: float = 0.5
    """0..1: mask value above which a pixel is covered."""
    doubt_floor: float = 0.1
    """0..1: share of its diversity that the surest frame keeps, so that a confident mistake can still be suggested."""
    pool: int = 1
    """Cells averaged each way before comparing; cost falls with the fourth power, 1 compares as XMem++ does."""

    def __post_init__(self) -> None:
        ranges = {"alpha": 1.0, "min_presence": 100.0, "epsilon": 1.0, "doubt_floor": 1.0}
        for name, most in ranges.items():
            if not 0 <= getattr(self, name) <= most:
                raise _bad(f"{name} is {getattr(self, name)}", f"set {name} between 0 and {most:g}")
        if self.pool < 1:
            raise _bad(f"pool is {self.pool}", "set pool to 1 or more")
        if self.method not in ("diversity", "doubt"):
            raise _bad(f"method is '{self.method}'", "choose diversity or doubt")


@dataclass(frozen=True)
class Suggestion:
    """A frame worth masking.

    Attributes:
        frame: its number.
        score: above 0; higher is more worth masking. Comparable within one shot only.
        reason: a sentence for a person.
        nearest_keyframe: the keyframe, or frame suggested before, most like it.
    """

    frame: int
    score: float
    reason: str
    nearest_keyframe: int


@dataclass(frozen=True)
class _Cells:
    """A frame ready for comparison: memory and query operands, both (h*w, 2*Ck+1)."""

    memory: Tensor
    query: Tensor


@dataclass
class _Candidate:
    weight: float
    """What the diversity is multiplied with."""
    confidence: float
    diversity: float = inf
    """Least D over all frames chosen so far."""
    nearest: int = 0
    """The chosen frame that gives the least D."""

    @property
    def score(self) -> float:
        return self.weight * self.diversity


def suggest(
    frames: Sequence[int],
    sight: Callable[[int], Sight],
    *,
    keyframes: Sequence[int],
    count: int,
    settings: SuggestSettings | None = None,
    local_channels: int = 0,
) -> list[Suggestion]:
    """The frames most worth masking next, best first; fewer than ``count`` when no more would teach anything.

    Args:
        frames: frame numbers to choose from; on equal scores the earlier in this sequence wins.
        sight: what is known of a frame, a keyframe or one of ``frames``; called again rather than kept.
        keyframes: frames that have a mask, at least one; never suggested.
        count: how many frames at most.
        settings: see :class:`SuggestSettings`.
        local_channels: the last so many channels of every key carry position and are left out.
    """
    settings = settings or SuggestSettings()
    comparable = _Comparison(sight, settings, local_channels)
    chosen = {frame: comparable.cells(frame) for frame in keyframes}
    candidates = comparable.candidates([frame for frame in frames if frame not in chosen])
    found: list[Suggestion] = []
    while len(found) < count and candidates and chosen:
        for frame, candidate in candidates.items():
            _compare(candidate, comparable.cells(frame), chosen)
        best = max(candidates, key=lambda frame: candidates[frame].score)
        candidate = candidates.pop(best)
        if candidate.score <= 0:
            break
        found.append(_suggestion(best, candidate, settings, suggested={suggestion.frame for suggestion in found}))
        chosen = {best: comparable.cells(best)}
    return found


def diversity(memory: _Cells, candidate: _Cells) -> float:
    """D(candidate|memory): 0 for equal frames, not symmetric."""
    cells = len(candidate.query)
    block = max(1, BLOCK // len(memory.memory))
    total = torch.zeros((), dtype=memory.memory.dtype, device=memory.memory.device)
    for start in range(0, cells, block):
        rows = slice(start, start + block)
        forward = candidate.query[rows] @ memory.memory.T
        backward = memory.query[rows] @ candidate.memory.T
        total += (forward - backward).relu().sum()
    return float(total) / (cells * len(memory.memory))


class _Comparison:
    """Reads frames and prepares them for :func:`diversity`."""

    def __init__(self, sight: Callable[[int], Sight], settings: SuggestSettings, local_channels: int) -> None:
        self._sight = sight
        self._settings = settings
        self._local_channels = local_channels

    def cells(self, frame: int) -> _Cells:
        """Keys weighted by the object's mask; shrinkage and selection stay as they are."""
        seen, settings = self._sight(frame), self._settings
        channels = len(seen.key) - self._local_channels
        mask = F.interpolate(seen.mask[None, None].to(seen.key.dtype), seen.key.shape[1:], mode="nearest")[0]
        key = self._pooled(seen.key[:channels] * (settings.alpha * mask + 1 - settings.alpha))
        return _Cells(
            memory_operand(key, self._pooled(seen.shrinkage)[:, 0]),
            query_operand(key, self._pooled(seen.selection[:channels])),
        )

    def candidates(self, frames: Sequence[int]) -> dict[int, _Candidate]:
        """The frames that show the object; with ``doubt`` also those where the matte may have lost it."""
        present, confidence = {}, {}
        for frame in frames:
            seen = self._sight(frame)
            percent = 100 * float((seen.mask > self._settings.epsilon).double().mean())
            present[frame] = percent >= self._settings.min_presence
            confidence[frame] = seen.confidence
        if self._settings.method == "diversity":
            return {frame: _Candidate(1.0, confidence[frame]) for frame in frames if present[frame]}
        # doubt is relative: networks and shots differ in how sure they ever are
        most = max((1 - sure for sure in confidence.values()), default=0.0) or 1.0
        floor = self._settings.doubt_floor
        doubt = {frame: (1 - confidence[frame]) / most for frame in frames}
        return {
            frame: _Candidate(floor + (1 - floor) * doubt[frame], confidence[frame])
            for frame in frames
            if present[frame] or doubt[frame] > 0.5
        }

    def _pooled(self, grid: Tensor) -> Tensor:
        """(C, h, w) to (cells, C), averaged over ``pool`` cells each way."""
        return F.avg_pool2d(grid[None], self._settings.pool, ceil_mode=True)[0].flatten(1).T


def _compare(candidate: _Candidate, cells: _Cells, chosen: dict[int, _Cells]) -> None:
    for frame, memory in chosen.items():
        distance = diversity(memory, cells)
        if distance < candidate.diversity:
            candidate.diversity, candidate.nearest = distance, frame


def _suggestion(frame: int, candidate: _Candidate, settings: SuggestSettings, *, suggested: set[int]) -> Suggestion:
    what = "suggestion" if candidate.nearest in suggested else "keyframe"
    every = "every keyframe and suggestion before" if suggested else "every keyframe"
    reason = f"object looks unlike {every}; nearest {what} {candidate.nearest}"
    if settings.method == "doubt":
        reason = f"matte is {100 * candidate.confidence:.0f}% sure; {reason}"
    return Suggestion(frame, candidate.score, reason, candidate.nearest)


def _bad(message: str, hint: str) -> SettingError:
    return SettingError("bad_setting", f"Suggestion setting {message}.", hint=f"{hint.capitalize()}.")
