"""The shots of a batch on a cluster, and how far each of their pieces has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from matted.batch.pieces import Piece
from matted.batch.request import Request

ELSEWHERE = frozenset(
    {
        "out_of_memory",
        "device_missing",
        "weights_missing",
        "weights_refused",
        "output_unwritable",
        "disk_full",
        "plate_missing",
        "plate_unreadable",
        "plate_changed",
        "frame_missing",
        "mask_missing",
        "mask_unreadable",
        "keyframe_changed",
        "color_config",
        "version_mismatch",
        "worker_refused",
        "worker_failed",
    }
)
"""Errors another machine might not have: the plan was made where all of this was in order."""

TRIES = 3
"""How often a piece that meets such an error is tried, on other workers where there are any."""

DEATHS = 3
"""How many workers may be lost while at one piece before the piece is to blame."""

SPAN = 1_000_000
"""Room for a batch's shots between two priorities."""


@dataclass
class Task:
    """A piece on its way.

    Attributes:
        piece: what is to be done.
        future: Dask's; None while it has not been sent.
        allowed: the workers it was sent to; None for any.
        at: the worker that has begun it.
        due: when to send it, in seconds of the monotonic clock.
        blocked: since when another matted holds its folder; None when none does.
        failed, deaths: how often it met an error, and a worker died over it.
        done: how much of it is done, 0..1.
        finished: whether it is done.
    """

    piece: Piece
    future: Any = None
    allowed: tuple[str, ...] | None = None
    at: str | None = None
    due: float = 0.0
    blocked: float | None = None
    failed: int = 0
    deaths: int = 0
    done: float = 0.0
    finished: bool = False

    def unsend(self) -> None:
        """Forget that it was sent."""
        self.future = self.at = self.allowed = None


@dataclass
class Shot:
    """A shot of the batch.

    Attributes:
        request: what was asked for.
        order: its place among those submitted.
        tasks: its pieces, the finish last; empty until it is planned.
        avoid: workers that could not make a piece of it.
        told: steps that were told of; only ever more.
        computed: frames that its segments made.
    """

    request: Request
    order: int
    tasks: tuple[Task, ...] = ()
    avoid: set[str] = field(default_factory=set)
    told: int = -1
    computed: int = 0

    @property
    def name(self) -> str:
        """What people call it."""
        return self.request.name

    @property
    def total(self) -> int:
        """Steps in all."""
        return sum(task.piece.total for task in self.tasks)

    @property
    def done(self) -> int:
        """Steps done."""
        return sum(task.piece.total if task.finished else round(task.done * task.piece.total) for task in self.tasks)

    def ready(self) -> list[Task]:
        """The pieces that can be sent: the finish comes when all others are done."""
        *others, finish = self.tasks
        left = [task for task in others if not task.finished] or [finish]
        return [task for task in left if task.future is None and not task.finished]

    def priority(self, task: Task) -> float:
        """Dask does the higher first: by the request, then what finishes a shot, then shots in their order."""
        finishing = 0 if task.piece.kind == "finish" else SPAN / 2
        return self.request.priority * SPAN - finishing - self.order
