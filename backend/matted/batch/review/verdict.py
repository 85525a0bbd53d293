"""What a shot's measures say of it: pass, warn or fail, and where to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from matted.batch.review.measures import Review

State = Literal["pass", "warn", "fail"]


@dataclass(frozen=True)
class Thresholds:
    """From where on a measure makes a shot warn or fail: (warn, fail) each."""

    confidence: tuple[float, float] = (0.5, 0.3)
    """Lowest confidence of a frame, 0..1: below is worse."""
    jump: tuple[float, float] = (4.0, 8.0)
    """Area jump of a frame: above is worse."""
    flicker: tuple[float, float] = (0.1, 0.2)
    """Edge flicker of a frame, 0..1: above is worse."""
    left_out: tuple[float, float] = (0.7, 0.4)
    """Mean of J and F of a keyframe left out, 0..1: below is worse."""


@dataclass(frozen=True)
class Finding:
    """One thing about a shot that a person should look at.

    Attributes:
        level: ``warn`` or ``fail``.
        measure: ``confidence``, ``jump``, ``flicker`` or ``left_out``.
        object: the object's name.
        frames: where, ascending; the worst first in ``words``.
        worst: the frame where it is worst.
        value: the measure there.
        limit: the threshold it passed.
        words: one sentence for artists.
    """

    level: Literal["warn", "fail"]
    measure: str
    object: str
    frames: tuple[int, ...]
    worst: int
    value: float
    limit: float
    words: str


@dataclass(frozen=True)
class Verdict:
    """What is to be thought of a shot: the worst level among the findings, ``pass`` without one."""

    state: State
    findings: tuple[Finding, ...]


def judge(confidence: Mapping[int, tuple[float, ...]], review: Review, thresholds: Thresholds) -> Verdict:
    """Hold a shot's measures against the thresholds."""
    raise NotImplementedError
