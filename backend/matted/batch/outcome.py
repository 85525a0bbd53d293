"""What became of one shot of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from matted.batch.place import JobResult
from matted.batch.request import Request
from matted.batch.review import Thresholds, Verdict
from matted.errors import MattedError
from matted_protocol.errors import DaemonError


@dataclass(frozen=True)
class Outcome:
    """One shot of a batch, when no more is done for it.

    Attributes:
        request: what was asked for.
        state: the verdict's, or ``error`` when mattes could not be made.
        seconds: how long it took, waiting for others not counted.
        result: what was made; None after an error.
        verdict: what is to be thought of it; None after an error, or when no review was asked for (then ``pass``).
        error: why mattes could not be made.
        said: what the device gave up and other things said meanwhile, a sentence each.
        thresholds: what the verdict was judged by.
    """

    request: Request
    state: Literal["pass", "warn", "fail", "error"]
    seconds: float
    result: JobResult | None = None
    verdict: Verdict | None = None
    error: MattedError | DaemonError | None = None
    said: tuple[str, ...] = ()
    thresholds: Thresholds = field(default_factory=Thresholds)
