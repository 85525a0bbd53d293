"""Batch roto from Python, in ten lines.

Given a job file ``jobs.toml``:

>>> import matted.api as matted
>>> batch = matted.read("jobs.toml")
>>> for problem in matted.check(batch):
...     print(problem)
>>> outcomes = matted.run(batch, local=True)
>>> for outcome in outcomes:
...     print(outcome.request.name, outcome.state, len(outcome.result.confidence))
hero_010 pass 6

Without a file; keys and values are those of a shot in a job file, and paths are relative to the working directory:

>>> shot = {"name": "hero_020", "plate": "plates/hero_020", "keyframes": "roto/hero_020", "out": "mattes/hero_020"}
>>> batch = matted.batch([shot], defaults={"working_size": 360})
>>> [outcome.state for outcome in matted.run(batch, local=True, report="hero.html")]
['pass']
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from matted.batch.engines import Engine, Said, Step
from matted.batch.jobfile import Batch, Entry, JobFileError, Problem, Raw, check, read
from matted.batch.jobfile.build import make_batch
from matted.batch.many import Told, exit_code, make
from matted.batch.outcome import Outcome
from matted.batch.request import Request
from matted.errors import MattedError, SettingError
from matted_protocol.errors import DaemonError

if TYPE_CHECKING:
    from matted.batch.estimate import Plan

__all__ = [
    "Batch",
    "DaemonError",
    "Engine",
    "Entry",
    "JobFileError",
    "MattedError",
    "Outcome",
    "Problem",
    "Request",
    "Said",
    "Step",
    "Told",
    "batch",
    "check",
    "engine",
    "exit_code",
    "learn",
    "plan",
    "read",
    "run",
]


def batch(
    shots: Iterable[Mapping[str, Any]],
    *,
    defaults: Mapping[str, Any] = MappingProxyType({}),
    tokens: Mapping[str, Any] = MappingProxyType({}),
    name: str = "batch",
) -> Batch:
    """A batch without a job file.

    Args:
        shots: for each shot the keys it would have in a job file: ``name``, ``plate``, ``keyframes``, ``out``, ….
        defaults: keys of every shot that does not have them itself.
        tokens: words for ``{token}`` in paths.
        name: what the batch is called.

    Raises:
        JobFileError: with everything that is wrong.
    """
    tables = [{key: _plain(value) for key, value in shot.items()} for shot in shots]
    shared = {key: _plain(value) for key, value in defaults.items()}
    tree = {"job": {"name": name}, "tokens": dict(tokens), "defaults": shared, "shots": tables}
    return make_batch(Raw(Path.cwd() / name, tree), {})


def plan(batch: Batch, *, device: str | None = None) -> Plan:
    """What a batch will take: frames, time, memory, disk. Nothing is made.

    Args:
        batch: from :func:`read` or :func:`batch`.
        device: ``cpu``, ``cuda`` or ``mps``; the fastest there is here when None.

    Raises:
        DeviceError: device_missing.
    """
    from matted.batch.estimate import estimate

    return estimate([entry.request for entry in batch.entries], device=device)


def run(
    batch: Batch,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    local: bool = False,
    device: str | None = None,
    wait: float = 0.0,
    report: str | os.PathLike[str] | None = None,
    tell: Callable[[Told], None] = lambda told: None,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[Outcome, ...]:
    """Make the mattes of a batch, or what is left of them.

    By the daemon, which is started when none runs, unless one of ``workers``, ``scheduler``, ``local`` and ``device``
    says otherwise; see :func:`engine`. The files are the same.

    Args:
        batch: from :func:`read` or :func:`batch`; what :func:`check` finds wrong with it becomes outcomes.
        workers, scheduler, local, device: who makes them, as for :func:`engine`.
        wait: seconds to wait for plates that are not there or not whole yet.
        report: where to write the report, an HTML page; an earlier one is replaced. None writes none.
        tell: told of steps, of what a person should know, and of each shot's outcome, on this thread.
        stopped: asked again and again; when true every shot stops after the frame at hand.

    Returns:
        what became of each shot, in the batch's order. One shot's failure never ends the others.

    Raises:
        MattedError, DaemonError: nothing could be started, or the report could not be written.
    """
    if report is not None:
        from matted.batch.page import refuse_foreign

        refuse_foreign(Path(report).absolute())
    with engine(workers=workers, scheduler=scheduler, local=local, device=device) as made_by:
        outcomes = make(batch.entries, made_by, tell=tell, stopped=stopped, wait=wait)
    if not (workers or scheduler):
        learn(outcomes, device=device)
    if report is not None:
        from matted.batch.page import write_page

        write_page(Path(report).absolute(), outcomes, title=batch.name, notes=batch.notes)
    return outcomes


def engine(
    *, workers: int | None = None, scheduler: str | None = None, local: bool = False, device: str | None = None
) -> Engine:
    """Who makes the shots of a batch; to be entered by ``with``.

    Args:
        workers: start a cluster of this many workers on this machine.
        scheduler: use the Dask cluster whose scheduler is there: ``tcp://host:8786``, or a scheduler file.
        local: work in this process.
        device: where networks run, ``cuda:1`` or ``cpu``; in this process unless ``workers`` are asked for.

    Returns:
        that engine; without any argument the daemon, which is started when none runs.

    Raises:
        SettingError: bad_setting when two of them contradict each other.
        DeviceError: device_missing.
        DaemonError: the daemon does not answer, or cannot be started.
    """
    chosen = [name for name, given in (("workers", workers), ("scheduler", scheduler), ("local", local)) if given]
    if len(chosen) > 1:
        message = f"{' and '.join(chosen)} cannot both be."
        raise SettingError("bad_setting", message, hint="Choose one of workers, scheduler and local.")
    if scheduler or workers is not None:
        from matted.batch.engines.cluster import Cluster

        return Cluster.at(scheduler) if scheduler else Cluster.here(workers or 0, device=device)
    if local or device:
        from matted.batch.bench import Bench
        from matted.batch.engines.here import Here
        from matted.weights import choose_device

        return Here(Bench(choose_device(device)))
    from matted.batch.engines.daemon import Daemon
    from matted.remote import find_or_start

    client, started = find_or_start()
    return Daemon(client, started=started)


def learn(outcomes: Iterable[Outcome], *, device: str | None = None) -> None:
    """Remember how long shots took that were made whole on this machine, for the plans of later batches."""
    from matted.batch import estimate

    for outcome in outcomes:
        estimate.learn(outcome, device=device)


def _plain(value: Any) -> Any:
    """A value as a job file has it: paths are text, tuples are lists."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
