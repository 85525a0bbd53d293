"""What the page says of each shot, before any of it is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeGuard

from matted.batch.ledger import read_sidecar
from matted.batch.outcome import Outcome
from matted.batch.place import JobResult
from matted.batch.review import Finding, Review, measured

State = Literal["error", "stopped", "fail", "warn", "unreviewed", "pass"]

STATES: dict[State, str] = {
    "error": "not made",
    "stopped": "stopped",
    "fail": "fail",
    "warn": "warn",
    "unreviewed": "not reviewed",
    "pass": "pass",
}
"""What a shot can come to, the worst first, in the page's words."""

MEASURES = ("confidence", "jump", "flicker", "left_out")
_LOW = ("confidence", "left_out")


@dataclass(frozen=True)
class Worst:
    """Where a measure of a shot is worst; ``level`` is the verdict's finding there, empty without one."""

    value: float
    frame: int
    object: str
    level: str = ""


@dataclass(frozen=True)
class Facts:
    """One shot of the page.

    Attributes:
        outcome: what became of it.
        number: its place in the batch, from 1.
    """

    outcome: Outcome
    number: int

    @property
    def id(self) -> str:
        """Names the shot's section within the page."""
        return f"shot-{self.number}"

    @property
    def name(self) -> str:
        """What people call the shot, or its plate where it has no name."""
        request = self.outcome.request
        return request.name or Path(request.plate).name

    @cached_property
    def state(self) -> State:
        """The outcome's, told finer: a shot that was stopped is no error, one that nobody reviewed has not passed."""
        if self.outcome.error is not None and self.outcome.error.code == "cancelled":
            return "stopped"
        if self.outcome.state == "pass" and self.outcome.verdict is None:
            return "unreviewed"
        return self.outcome.state

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a person should look at, the worst first."""
        return self.outcome.verdict.findings if self.outcome.verdict else ()

    @property
    def result(self) -> JobResult | None:
        """What was made, if it was."""
        return self.outcome.result

    @cached_property
    def frames(self) -> tuple[int, ...]:
        """The frames that have mattes, ascending."""
        return tuple(sorted(self.result.confidence)) if self.result else ()

    @cached_property
    def sidecar(self) -> dict[str, Any]:
        """What lies beside the mattes; empty when nothing was made, or the folder is gone."""
        return read_sidecar(self.result.folder) if self.result else {}

    @cached_property
    def keyframes(self) -> tuple[int, ...]:
        """The frames that have a mask of the artist's, ascending."""
        if self.result and self.result.review:
            return self.result.review.keyframes
        named = self.sidecar.get("recipe", {}).get("keyframes", {})
        masked = {int(name.partition(":")[0]) for name in named}
        return tuple(frame for frame in self.frames if frame in masked)

    @cached_property
    def suggested(self) -> tuple[int, ...]:
        """Frames worth masking next, best first."""
        return tuple(found.frame for found in self.result.suggestions) if self.result else ()

    @cached_property
    def worst(self) -> dict[str, Worst]:
        """By measure; what was not measured is not there."""
        if self.result is None:
            return {}
        review = self.result.review or Review(self.result.objects, (), (), self.keyframes)
        found: dict[str, list[Worst]] = {measure: [] for measure in MEASURES}
        for row, name in enumerate(review.objects):
            for measure, values in measured(self.result.confidence, review, row).items():
                found[measure] += [Worst(value, frame, name) for frame, value in values.items() if counts(value)]
        return {measure: self._leveled(measure, every) for measure, every in found.items() if every}

    def _leveled(self, measure: str, every: Sequence[Worst]) -> Worst:
        sign = 1 if measure in _LOW else -1
        one = min(every, key=lambda worst: sign * worst.value)
        levels = {finding.level for finding in self.findings if finding.measure == measure}
        return Worst(one.value, one.frame, one.object, "fail" if "fail" in levels else "warn" if levels else "")


def counts(value: float | None) -> TypeGuard[float]:
    """Whether this is a number that can be shown: not absent, not NaN, not infinite."""
    return value is not None and math.isfinite(value)


def ranked(shots: Iterable[Facts]) -> list[Facts]:
    """The shots, those first that need a person most."""
    order = list(STATES)

    def need(shot: Facts) -> tuple[int, int, float, int]:
        lowest = shot.worst.get("confidence")
        return order.index(shot.state), -len(shot.findings), lowest.value if lowest else math.inf, shot.number

    return sorted(shots, key=need)
