"""What runs on a worker of the cluster: a piece at a time, on a bench that stays warm between pieces.

Only plain values travel: a piece comes as a mapping, and what became of it goes back as one.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import torch

import matted
from matted.batch.bench import Bench
from matted.batch.engines.cluster.roster import unlike
from matted.batch.pieces import Piece, do
from matted.batch.place import JobResult
from matted.engine.session import FrameDone
from matted.errors import ClusterError, MattedError
from matted.weights import choose_device

LOG = logging.getLogger("distributed.worker.matted")
"""A worker's log shows what Dask logs, and nothing else."""

TELL_EVERY = 0.2
"""Seconds between two steps a worker tells of: what is heard of a cluster must not grow with its size."""

AT_WORK = ("executing", "long-running")
"""States of a task that Dask still wants."""

OPEN = ("running", "paused", "closing_gracefully")
"""States of a worker that may finish what it is at."""


class Warm:
    """What a worker keeps between pieces.

    Attributes:
        turn: whoever holds it uses the bench; a worker with several threads still makes one piece at a time.
        bench: the device and what is loaded on it; None until the first piece.
        at_work: the pieces being made or about to be: the batch's topic and the piece's number.
    """

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.bench: Bench | None = None
        self.at_work: set[tuple[str, int]] = set()


_WARM: WeakKeyDictionary[Any, Warm] = WeakKeyDictionary()
_LOOKING = threading.Lock()


def probe() -> dict[str, str]:
    """What must be the same on every machine: for mattes to be the same, and for what Dask sends to be understood."""
    return {"matted": matted.__version__, "torch": torch.__version__, "Python": "{}.{}".format(*sys.version_info)}


def perform(
    plain: Mapping[str, Any], *, topic: str, number: int, device: str | None, alike: Mapping[str, str]
) -> dict[str, Any]:
    """Do one piece, on the worker this runs on.

    Args:
        plain: the piece, as ``Piece.plain`` says it.
        topic: where to tell of steps.
        number: which piece it is, for whoever listens.
        device: where networks run; the fastest there is when None.
        alike: what :func:`probe` says where the batch was started.

    Returns:
        ``worker`` and either ``result`` (None where nothing was written) or ``error``.
    """
    from distributed import get_worker

    worker = get_worker()
    warm, at = warmth(worker), (topic, number)
    warm.at_work.add(at)
    try:
        with warm.turn:
            teller = _Teller(worker, topic, number)
            _check_alike(worker.address, alike)
            result = do(
                Piece.from_plain(plain),
                bench=_bench(warm, device),
                on_step=teller.step,
                on_degraded=teller.degraded,
                stopped=teller.stopped,
            )
            return {"worker": worker.address, "result": plain_result(result) if result else None}
    except MattedError as error:
        return {"worker": worker.address, "error": plain_error(error, worker.address)}
    except Exception as error:  # not left to Dask: what cannot travel would never arrive
        LOG.exception("matted failed")
        return {"worker": worker.address, "error": plain_error(_mistake(plain, error), worker.address)}
    finally:
        warm.at_work.discard(at)


def at_work(topic: str, dask_worker: Any) -> int:
    """How many pieces of a batch a worker is at; ``client.run`` hands it the worker."""
    return sum(1 for theirs, _ in warmth(dask_worker).at_work.copy() if theirs == topic)


def warmth(worker: Any) -> Warm:
    """What this worker keeps; workers of one process each have their own."""
    with _LOOKING:
        return _WARM.setdefault(worker, Warm())


def plain_result(result: JobResult) -> Any:
    """A result as plain values."""
    return msgspec.to_builtins(result, enc_hook=str)


def result_from_plain(values: Any) -> JobResult:
    """What :func:`plain_result` wrote down."""
    return msgspec.convert(values, JobResult, dec_hook=lambda kind, value: kind(value))


def plain_error(error: MattedError, worker: str) -> dict[str, Any]:
    """An error as plain values; it says which worker met it."""
    message = error.message if worker in error.message else f"{error.message} (On the worker {worker}.)"
    path = None if error.path is None else str(error.path)
    return {"code": error.code, "message": message, "hint": error.hint, "path": path, "frame": error.frame}


def error_from_plain(values: Mapping[str, Any]) -> MattedError:
    """What :func:`plain_error` wrote down, of the class that owns the code."""
    given = {name: values[name] for name in ("message", "hint", "path", "frame")}
    kind = next(kind for kind in MattedError.__subclasses__() if values["code"] in kind.codes)
    return kind(values["code"], given.pop("message"), **given)


def _mistake(plain: Mapping[str, Any], error: Exception) -> ClusterError:
    message = f"{Piece.from_plain(plain)} ended with {type(error).__name__}: {error}."
    hint = "The worker's log has more; this is a mistake of matted's: please report it."
    return ClusterError("worker_failed", message, hint=hint)


class _Teller:
    """Tells whoever runs the batch how a piece goes on, and hears whether it is still wanted."""

    def __init__(self, worker: Any, topic: str, number: int) -> None:
        self._worker = worker
        self._topic = topic
        self._number = number
        self._key = worker.get_current_task()
        self._told = time.monotonic()
        self._tell(frame=None, done=0.0)

    def step(self, step: FrameDone) -> None:
        """Tell of a step, unless one was told of just now."""
        now = time.monotonic()
        if now - self._told >= TELL_EVERY or step.done == step.total:
            self._told = now
            self._tell(frame=step.frame, done=step.done / step.total)

    def degraded(self, frame: int | None, message: str) -> None:
        """Tell what the device gave up."""
        self._tell(said=message)

    def stopped(self) -> bool:
        """Whether Dask has no more use for this: it was cancelled, nobody asks for it any more, the worker closes."""
        task = self._worker.state.tasks.get(self._key)
        return task is None or task.state not in AT_WORK or self._worker.status.name not in OPEN

    def _tell(self, **told: Any) -> None:
        self._worker.log_event(self._topic, {"number": self._number, "worker": self._worker.address, **told})


def _bench(warm: Warm, device: str | None) -> Bench:
    if warm.bench is None:
        warm.bench = Bench(choose_device(device))
    return warm.bench


def _check_alike(address: str, alike: Mapping[str, str]) -> None:
    ours = probe()
    if ours != alike:
        raise unlike(address, ours, alike)
