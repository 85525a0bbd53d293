"""Making a batch: every shot is handed to an engine when its files have come whole, and judged when it is made.

One shot's failure never ends the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

from matted.batch.arrival import Arrival
from matted.batch.engines import Engine, Failed, Made, News, Said, Step
from matted.batch.jobfile import Entry
from matted.batch.outcome import Outcome
from matted.batch.place import JobResult
from matted.batch.request import Request
from matted.batch.review import judge
from matted.errors import Cancelled, MaskError, MattedError, PlateError
from matted_protocol.errors import DaemonError

Told = Step | Said | Outcome
"""What is told while a batch is made; a shot's outcome is the last that is told of it."""

TURN = 0.25
"""Seconds after which a wish to stop is heard, when nothing else happens."""

LOOK = 2.0
"""Seconds between two looks at files that are waited for."""

BUSY = 3.0
"""Seconds until a shot that another matted is at is tried again."""


def make(
    entries: Iterable[Entry],
    engine: Engine,
    *,
    tell: Callable[[Told], None] = lambda told: None,
    stopped: Callable[[], bool] = lambda: False,
    wait: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Outcome, ...]:
    """Make the shots of a batch, or what is left of them.

    Args:
        entries: the shots; their names differ.
        engine: who makes them, entered.
        tell: told of everything that happens, on this thread.
        stopped: asked again and again; when true every shot stops after the frame at hand.
        wait: seconds to wait for plates and masks that are not there or not whole yet; with 0 they have to be.
        clock: seconds that only grow.

    Returns:
        what became of each shot, in their order.
    """
    return _Making(tuple(entries), engine, tell, wait, clock).run(stopped)


def make_one(
    request: Request,
    engine: Engine,
    *,
    tell: Callable[[Step | Said], None] = lambda told: None,
    stopped: Callable[[], bool] = lambda: False,
) -> JobResult:
    """Make one shot.

    Raises:
        Cancelled: ``stopped`` said so; the same request goes on later.
        MattedError, DaemonError: why it cannot be made; finished mattes stay.
    """
    engine.submit(request)
    while True:
        for news in engine.news(TURN):
            if isinstance(news, Made):
                return news.result
            if isinstance(news, Failed):
                raise news.error
            tell(news)
        if stopped():
            engine.stop()


def exit_code(outcomes: Sequence[Outcome]) -> Literal[0, 1, 3]:
    """0 when every shot passed, 3 when some warn and none is worse, else 1."""
    states = {outcome.state for outcome in outcomes}
    if states & {"fail", "error"}:
        return 1
    return 3 if "warn" in states else 0


class _Making:
    """One batch on its way.

    Attributes:
        outcomes: of the shots that are over, by name.
        arriving: shots whose files are waited for.
        due: shots that wait for anything, and when to look at them again.
    """

    def __init__(
        self,
        entries: tuple[Entry, ...],
        engine: Engine,
        tell: Callable[[Told], None],
        wait: float,
        clock: Callable[[], float],
    ) -> None:
        self.entries = {entry.request.name: entry for entry in entries}
        assert len(self.entries) == len(entries), "the names of shots differ"
        self.outcomes: dict[str, Outcome] = {}
        self.arriving = {name: Arrival(entry.request) for name, entry in self.entries.items()} if wait else {}
        self.due = dict.fromkeys(sorted(self.entries, key=lambda name: -self.entries[name].request.priority), 0.0)
        self._engine = engine
        self._tell = tell
        self._wait = wait
        self._clock = clock
        self._start = clock()
        self._began: dict[str, float] = {}
        self._said: dict[str, list[str]] = {}
        self._stopping = False

    def run(self, stopped: Callable[[], bool]) -> tuple[Outcome, ...]:
        while len(self.outcomes) < len(self.entries):
            if stopped() and not self._stopping:
                self._stop()
            self._hand_over()
            for news in self._engine.news(TURN):
                self._hear(news)
        return tuple(self.outcomes[name] for name in self.entries)

    def _stop(self) -> None:
        self._stopping = True
        for name in self.due:
            message = f"The shot {name} had not begun when the batch was stopped."
            self._fail(name, Cancelled("cancelled", message, hint="Run the same command again to go on from here."))
        self.due.clear()
        self._engine.stop()

    def _hand_over(self) -> None:
        """Give the engine every shot that may begin."""
        now = self._clock()
        for name in [name for name, due in self.due.items() if due <= now]:
            if self._may_begin(name):
                self.due.pop(name, None)
                self._engine.submit(self.entries[name].request)

    def _may_begin(self, name: str) -> bool:
        arrival = self.arriving.get(name)
        if arrival is None:
            return True
        came = arrival.look()
        self.entries[name] = replace(self.entries[name], request=arrival.request)
        if came:
            del self.arriving[name]
            return True
        over = self._clock() - self._start >= self._wait
        if arrival.lacks is not None and (over or not arrival.will_come):
            if arrival.is_gap:
                return True
            self.due.pop(name)
            self._fail(name, _waited_for(name, arrival, self._wait))
        else:
            self.due[name] = self._clock() + LOOK
            if arrival.lacks is not None and name not in self._said:
                self._say(name, f"Waiting: {arrival.lacks.message}")
        return False

    def _hear(self, news: News) -> None:
        name = news.shot
        if isinstance(news, Said):
            self._say(name, news.text)
        elif isinstance(news, Step):
            self._began.setdefault(name, self._clock())
            self._tell(news)
        elif isinstance(news, Made):
            self._made(name, news.result)
        elif news.error.code == "job_running" and not self._stopping:
            self._wait_for_other(name)
        else:
            self._fail(name, news.error)

    def _wait_for_other(self, name: str) -> None:
        text = "Another matted is making this shot; it is taken over or found done when that one is through."
        if text not in self._said.get(name, ()):
            self._say(name, text)
        self.due[name] = self._clock() + BUSY

    def _say(self, name: str, text: str) -> None:
        self._said.setdefault(name, []).append(text)
        self._tell(Said(name, text))

    def _made(self, name: str, result: JobResult) -> None:
        entry, verdict = self.entries[name], None
        if entry.request.review and result.review is not None:
            verdict = judge(result.confidence, result.review, entry.thresholds)
        state = "pass" if verdict is None else verdict.state
        self._end(name, state, result=result, verdict=verdict)

    def _fail(self, name: str, error: MattedError | DaemonError) -> None:
        self._end(name, "error", error=error)

    def _end(self, name: str, state: Literal["pass", "warn", "fail", "error"], **became: Any) -> None:
        entry, said = self.entries[name], tuple(self._said.get(name, ()))
        outcome = Outcome(entry.request, state, self._seconds(name), said=said, thresholds=entry.thresholds, **became)
        self.outcomes[name] = outcome
        self._tell(outcome)

    def _seconds(self, name: str) -> float:
        now = self._clock()
        return now - self._began.get(name, now)


def _waited_for(name: str, arrival: Arrival, wait: float) -> MattedError:
    """Why a shot is not begun: its files did not come."""
    lacks = arrival.lacks
    assert lacks is not None
    if arrival.will_come:
        message = f"{lacks.message} matted waited {in_words(wait)} for the shot {name}."
        hint = f"{lacks.hint} Then run the same command again; only this shot is left."
    else:
        message = f"{lacks.message} The shot {name} was not waited for, because it has no range."
        hint = "Give it a range: without one nobody knows when a plate is whole."
    kind = MaskError if isinstance(lacks, MaskError) else PlateError
    return kind(lacks.code, message, hint=hint, path=lacks.path, frame=lacks.frame)


def in_words(seconds: float) -> str:
    """A time for people: ``2 h``, ``1 h 30 min``, ``45 s``."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
