"""What a shot's measures say of it: pass, warn or fail, and where to look."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, TypeGuard

from matted.batch.review.measures import Review
from matted.media.sequence import listed

State = Literal["pass", "warn", "fail"]
Measure = Literal["confidence", "jump", "flicker", "left_out"]


@dataclass(frozen=True)
class Thresholds:
    """From where on a measure makes a shot warn or fail: (warn, fail) each.

    Source: ``benchmarks/results/review.md``, footage whose right mattes are known.
    """

    confidence: tuple[float, float] = (0.75, 0.55)
    """Lowest confidence of a frame, 0..1: below is worse. The best sign there is of a frame that went wrong."""
    jump: tuple[float, float] = (4.0, 8.0)
    """Area jump of a frame: above is worse. Masks drawn by hand come to 4 where a dancer turns."""
    flicker: tuple[float, float] = (0.2, 0.35)
    """Edge flicker of a frame, 0..1: above is worse. 0.2 is an edge that jumps by a pixel and a half all around,
    in a picture of 480 lines."""
    left_out: tuple[float, float] = (0.55, 0.2)
    """Mean of J and F of a keyframe left out, 0..1: below is worse. With the keyframe the gap is half as wide, so the
    mattes are better than this by far: a low number alone is seldom a failure."""


@dataclass(frozen=True)
class Finding:
    """One thing about a shot that a person should look at.

    Attributes:
        level: ``warn`` or ``fail``.
        measure: ``confidence``, ``jump``, ``flicker`` or ``left_out``.
        object: the object's name.
        frames: every frame beyond the threshold for ``warn``, ascending.
        worst: the one of them where it is worst.
        value: the measure there.
        limit: the threshold it passed.
        words: one sentence for artists.
    """

    level: Literal["warn", "fail"]
    measure: Measure
    object: str
    frames: tuple[int, ...]
    worst: int
    value: float
    limit: float
    words: str


@dataclass(frozen=True)
class Verdict:
    """What is to be thought of a shot: the worst level among the findings, ``pass`` without one; the worst first."""

    state: State
    findings: tuple[Finding, ...]


_LOW: frozenset[Measure] = frozenset({"confidence", "left_out"})
"""Measures of which less is worse."""
_SAY: dict[Measure, str] = {
    "confidence": "{object}: confidence falls to {value:.2f} at frame {worst}",
    "jump": "{object}: the area jumps at frame {worst}, {value:.0f} times as fast as around it",
    "flicker": "{object}: the edge flickers at frame {worst}, by {value:.2f}",
    "left_out": "{object}: without its keyframe, frame {worst} would fit the mask by only {value:.2f}",
}


def judge(confidence: Mapping[int, tuple[float, ...]], review: Review, thresholds: Thresholds) -> Verdict:
    """Hold a shot's measures against the thresholds.

    Keyframes are the artist's own, so nothing is found at them but how little their neighbours know of them; a change
    into a keyframe is held against the frame before it. An object that is absent is not held against a frame, and
    neither is a number that is none.

    Args:
        confidence: one number 0..1 an object, by frame.
        review: what was measured.
        thresholds: from where on.

    Returns:
        at most one finding a measure and object, failures first, each kind with the worst first.
    """
    found = [
        finding
        for row, name in enumerate(review.objects)
        for measure, values in measured(confidence, review, row).items()
        if (finding := _finding(measure, name, values, getattr(thresholds, measure)))
    ]
    found.sort(key=lambda finding: (finding.level != "fail", -_excess(finding)))
    state: State = "pass" if not found else found[0].level
    return Verdict(state, tuple(found))


def measured(
    confidence: Mapping[int, tuple[float, ...]], review: Review, row: int
) -> dict[Measure, dict[int, float | None]]:
    """One object's numbers that a verdict counts, by measure and frame; ``row`` is the object's."""
    drawn, frames = frozenset(review.keyframes), review.frames
    sure = {frame: values[row] for frame, values in sorted(confidence.items()) if frame not in drawn}
    return {
        "confidence": {**sure},
        "jump": dict(_answerable({frame.frame: frame.jump[row] for frame in frames}, drawn)),
        "flicker": dict(_answerable({frame.frame: frame.flicker[row] for frame in frames}, drawn)),
        "left_out": {one.frame: _mean(one.j[row], one.f[row]) for one in review.left_out},
    }


def _answerable(values: Mapping[int, float | None], drawn: frozenset[int]) -> Iterator[tuple[int, float | None]]:
    """Changes into frames, those into a keyframe told of the frame before it."""
    for frame, following in zip_longest(values, [*values][1:]):
        if frame not in drawn:
            mine = [values[frame], values[following] if following in drawn else None]
            yield frame, max(filter(_counts, mine), default=None)


def _mean(j: float | None, f: float | None) -> float | None:
    return None if j is None or f is None else (j + f) / 2


def _counts(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _finding(
    measure: Measure, name: str, values: Mapping[int, float | None], limits: tuple[float, float]
) -> Finding | None:
    sign = -1 if measure in _LOW else 1
    warn, fail = (sign * limit for limit in limits)
    badness = {frame: sign * value for frame, value in values.items() if _counts(value)}
    beyond = [frame for frame, bad in badness.items() if bad > min(warn, fail)]
    if not beyond:
        return None
    worst = max(beyond, key=badness.__getitem__)
    value, fails = sign * badness[worst], badness[worst] > fail
    words = _SAY[measure].format(object=name, value=value, worst=worst)
    if len(beyond) > 1:
        words += f" ({listed(beyond)} {'below' if measure in _LOW else 'above'} {limits[0]:g})"
    return Finding(
        "fail" if fails else "warn", measure, name, tuple(beyond), worst, value, limits[1 if fails else 0], words
    )


def _excess(finding: Finding) -> float:
    """How far beyond its limit a finding is, as a share of the limit."""
    return abs(finding.value - finding.limit) / max(abs(finding.limit), 1e-6)
