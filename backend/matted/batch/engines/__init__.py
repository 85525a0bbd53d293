"""Where the shots of a batch are made: here, by the daemon, or on a cluster. All make the same files."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from matted.batch.place import JobResult
from matted.batch.request import Request
from matted.errors import MattedError
from matted_protocol.errors import DaemonError


@dataclass(frozen=True)
class Step:
    """A shot has come a step further; ``frame`` is None while it is not about one frame."""

    shot: str
    frame: int | None
    done: int
    total: int


@dataclass(frozen=True)
class Said:
    """Something a person should know: what a device gave up, a worker that was lost."""

    shot: str
    text: str


@dataclass(frozen=True)
class Made:
    """A shot's mattes, its review and its sidecar are whole."""

    shot: str
    result: JobResult


@dataclass(frozen=True)
class Failed:
    """A shot cannot be made; what is done of it stays."""

    shot: str
    error: MattedError | DaemonError


News = Step | Said | Made | Failed


class Engine(Protocol):
    """Makes shots. It belongs to one thread, and is a context manager: leaving it stops what still runs."""

    def __enter__(self) -> Engine: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def submit(self, request: Request) -> None:
        """Take a shot on; returns soon. Every shot submitted ends in one :class:`Made` or :class:`Failed`.

        Shots are told apart by ``request.name``.
        """

    def news(self, timeout: float) -> list[News]:
        """What has happened since the last call, in order; waits up to ``timeout`` seconds for something."""

    def stop(self) -> None:
        """Ask every shot to stop after the frame at hand; each then fails as ``cancelled``, or is made after all."""
