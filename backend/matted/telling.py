"""What is told of a batch while it is made: lines and a bar for people, events for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, get_args

import click
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from matted.batch.engines import Said, Step
from matted.batch.jobfile import Batch, Problem
from matted.batch.many import Told, in_words
from matted.batch.outcome import Outcome
from matted.console import LOG_EVERY, say

State = Literal["pass", "warn", "fail", "error"]

EVENT_EVERY = 1.0
"""Seconds between two ``progress`` events of one shot."""


class Teller(Protocol):
    """Tells of one batch; a context manager."""

    def __enter__(self) -> Teller: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def started(self, batch: Batch, engine: str) -> None:
        """The batch begins; ``engine`` is who makes it: ``here``, ``daemon`` or ``cluster``."""

    def tell(self, told: Told) -> None:
        """Something has happened."""

    def done(self, outcomes: Sequence[Outcome], code: int, report: Path | None) -> None:
        """It is over; ``report`` is None when it could not be written."""


class Events:
    """For programs: an object a line on standard output, as ``docs/jobs.md`` describes them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._told: dict[str, float] = {}

    def __enter__(self) -> Events:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def started(self, batch: Batch, engine: str) -> None:
        """``batch_started``."""
        self._start = self._clock()
        names = [entry.request.name for entry in batch.entries]
        emit("batch_started", batch=batch.name, file=batch.file, engine=engine, shots=names, notes=batch.notes)

    def tell(self, told: Told) -> None:
        """``shot_started``, ``progress``, ``said`` or ``shot_done``."""
        if isinstance(told, Said):
            emit("said", shot=told.shot or None, text=told.text)
        elif isinstance(told, Outcome):
            emit("shot_done", **_plain_outcome(told))
        else:
            self._step(told)

    def done(self, outcomes: Sequence[Outcome], code: int, report: Path | None) -> None:
        """``batch_done``."""
        found = [outcome.state for outcome in outcomes]
        states = {state: found.count(state) for state in get_args(State)}
        emit("batch_done", exit_code=code, states=states, seconds=self._since_start(), report=report)

    def _step(self, step: Step) -> None:
        now = self._clock()
        if step.shot not in self._told:
            emit("shot_started", shot=step.shot)
        elif step.frame is None or (now - self._told[step.shot] < EVENT_EVERY and step.done < step.total):
            return
        self._told[step.shot] = now
        if step.frame is not None:
            emit("progress", shot=step.shot, frame=step.frame, done=step.done, total=step.total)

    def _since_start(self) -> float:
        return round(self._clock() - self._start, 3)


class Lines:
    """For people: a line for each shot, how far the whole is, and a table at the end; on standard error."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shots = 0
        self._shares: dict[str, float] = {}
        self._over = 0
        self._told = clock()
        self._bar: Bar | None = None

    def __enter__(self) -> Lines:
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[shots]}"))
            self._bar = Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=None, shots="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def started(self, batch: Batch, engine: str) -> None:
        """What is being made, and by whom."""
        self._shots = len(batch.entries)
        where = {"here": "in this process", "daemon": "by the daemon", "cluster": "on a cluster"}
        for note in batch.notes:
            self._line(note)
        self._line(f"{batch.name}: {_counted(self._shots, 'shot')}, made {where[engine]}")

    def tell(self, told: Told) -> None:
        """A line where there is something to say."""
        if isinstance(told, Said):
            self._line(f"{told.shot}: {told.text}" if told.shot else told.text)
        elif isinstance(told, Outcome):
            self._over += 1
            self._shares[told.request.name] = 1.0
            self._line(_sentence(told))
            self._show(told.request.name, "")
        else:
            if told.shot not in self._shares:
                self._line(f"{told.shot}: begun")
            self._shares[told.shot] = told.done / max(told.total, 1)
            self._show(told.shot, "" if told.frame is None else f" frame {told.frame}")

    def done(self, outcomes: Sequence[Outcome], code: int, report: Path | None) -> None:
        """The table of shots, and where the report is."""
        width = max((len(outcome.request.name) for outcome in outcomes), default=4)
        self._line(f"\n{'shot':{width}}  state  frames  made now")
        for outcome in outcomes:
            self._line(_row(outcome, width))
        if report is not None:
            self._line(f"Report: {report}")
        if any(outcome.error and outcome.error.code == "cancelled" for outcome in outcomes):
            self._line("Stopped. Run the same command again to go on from here; finished frames are not made again.")

    def _show(self, shot: str, where: str) -> None:
        share, over = sum(self._shares.values()), f"{self._over} of {_counted(self._shots, 'shot')}"
        now = self._clock()
        if self._bar is not None:
            self._bar.update(self._task, description=shot + where, total=self._shots, completed=share, shots=over)
        elif where and now - self._told > LOG_EVERY:
            self._told = now
            self._line(f"{over} done, {100 * share / max(self._shots, 1):.0f} % of all; {shot}{where}")

    def _line(self, text: str) -> None:
        if self._bar is None:
            say(text)
        else:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


def tell_problems(problems: Sequence[Problem], *, as_json: bool) -> None:
    """Why nothing was started: every problem of the job file."""
    if as_json:
        emit("batch_refused", exit_code=2, problems=[asdict(problem) for problem in problems])
        return
    for problem in problems:
        where = f"{problem.file}:{problem.line}" if problem.line else str(problem.file)
        say(f"{where}: {f'{problem.shot}: ' if problem.shot else ''}{problem.message}\n  -> {problem.hint}")
    say(f"{_counted(len(problems), 'problem')}; nothing was started.")


def emit(event: str, **fields: Any) -> None:
    """Print an event, at once."""
    click.echo(json.dumps({"event": event, **fields}, default=str, ensure_ascii=False))


def _plain_outcome(outcome: Outcome) -> dict[str, Any]:
    result, error = outcome.result, outcome.error
    names = ("code", "message", "hint", "path", "frame")
    return {
        "shot": outcome.request.name,
        "state": outcome.state,
        "seconds": round(outcome.seconds, 3),
        "folder": result and result.folder,
        "frames": len(result.confidence) if result else 0,
        "computed": result.computed if result else 0,
        "findings": [asdict(finding) for finding in outcome.verdict.findings] if outcome.verdict else [],
        "suggestions": [asdict(suggestion) for suggestion in result.suggestions] if result else [],
        "said": list(outcome.said),
        "error": error and {name: getattr(error, name) for name in names},
    }


def _sentence(outcome: Outcome) -> str:
    name, result = outcome.request.name, outcome.result
    if result is None:
        error = outcome.error
        assert error is not None
        return f"{name}: {'stopped' if error.code == 'cancelled' else 'error'}: {error.message}\n  -> {error.hint}"
    taken = f" in {in_words(outcome.seconds)}" if result.computed else ""
    made = _counted(len(result.confidence), "frame")
    return f"{name}: {outcome.state}, {made} in {result.folder} ({result.computed} made now{taken})"


def _row(outcome: Outcome, width: int) -> str:
    result = outcome.result
    frames, made = (len(result.confidence), result.computed) if result else ("-", "-")
    worst = outcome.verdict.findings[0].words if outcome.verdict and outcome.verdict.findings else ""
    said = outcome.error.message if outcome.error else worst
    return f"{outcome.request.name:{width}}  {outcome.state:5}  {frames:>6}  {made:>8}  {said}".rstrip()


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
