"""The engine that has the pieces of a batch done by the workers of a cluster.

Dask places pieces, does those of a lost worker again elsewhere, and heeds resources and priorities. What is left to us:
a finish waits for its shot's other pieces, an error that another machine might not have is tried elsewhere, and a
scheduler that comes back is told again what is not done. Whatever is done twice finds its finished frames there.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

from matted.batch.engines import Failed, Made, News, Said, Step
from matted.batch.engines.cluster.link import ANSWER, Link, distributed, gone_for_good, quiet
from matted.batch.engines.cluster.local import own_cluster
from matted.batch.engines.cluster.roster import Roster, no_worker, unlike, without_matted
from matted.batch.engines.cluster.tasks import DEATHS, ELSEWHERE, TRIES, Shot, Task
from matted.batch.engines.cluster.worker import at_work, error_from_plain, probe, result_from_plain
from matted.batch.engines.here import mistake
from matted.batch.pieces import Piece, pieces
from matted.batch.request import Request
from matted.errors import Cancelled, ClusterError, MattedError
from matted.weights import default_folder, identify

LOG = logging.getLogger(__name__)

TICK = 0.2
"""Seconds between two looks at what nobody tells us of."""

LOOK = 2.0
"""Seconds between two questions to the scheduler which workers there are."""

PAUSE = 1.0
"""Seconds until a piece is tried again whose folder another matted holds."""


class Cluster:
    """Makes shots on a cluster; see :class:`matted.batch.engines.Engine`. It belongs to one thread.

    Args:
        where: ``tcp://host:8786``, ``tls://host:8786`` or the path of a scheduler file; None for a cluster of our own.
        workers: how many processes a cluster of our own has.
        device: where networks run; the fastest each worker has when None.
        patience: seconds to wait for a scheduler that was lost, for workers when there are none, and for a folder
            that another matted holds.
    """

    def __init__(
        self, where: str | None, *, workers: int = 1, device: str | None = None, patience: float = 120.0
    ) -> None:
        self._where = where
        self._workers = workers
        self._device = device
        self._patience = patience
        self._topic = f"matted-{uuid.uuid4().hex[:8]}"
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._news: list[News] = []
        self._open: dict[str, Shot] = {}
        self._sent: dict[int, tuple[Shot, Task]] = {}
        self._submitted = self._numbers = 0
        self._roster = Roster()
        self._lost: float | None = None
        self._lonely: float | None = None
        self._looked: float | None = None
        self._asked: float | None = None
        self._stopping: float | None = None

    @classmethod
    def at(cls, where: str, *, patience: float = 120.0) -> Cluster:
        """A cluster that runs already; ``where`` is an address or a scheduler file."""
        return cls(where, patience=patience)

    @classmethod
    def here(cls, workers: int, *, device: str | None = None) -> Cluster:
        """A cluster of our own on this machine, a process a worker; it ends when the engine is left."""
        return cls(None, workers=workers, device=device)

    def __enter__(self) -> Cluster:
        with ExitStack() as stack:
            stack.enter_context(quiet())
            where, security = self._where, None
            if where is None:
                where, security = stack.enter_context(own_cluster(self._workers, self._device))
            topics = {self._topic: self._hear_worker, "all": self._hear_scheduler}
            self._link = Link(where, security=security, topics=topics)
            stack.callback(self._link.close)
            self._link.open()
            self._planner = ThreadPoolExecutor(1, thread_name_prefix="plan")
            stack.callback(self._planner.shutdown, cancel_futures=True)
            self._meet()
            self._leave = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave: a cluster of our own ends, on another one every piece of ours stops after the frame at hand."""
        self._sent.clear()
        self._open.clear()
        self._leave.close()

    def submit(self, request: Request) -> None:
        """Take a shot on; returns at once, while another thread looks at its plate and masks."""
        self._submitted += 1
        shot = self._open[request.name] = Shot(request, self._submitted)
        self._planner.submit(self._plan, shot)

    def news(self, timeout: float) -> list[News]:
        """What has happened since the last call, in order; waits up to ``timeout`` seconds for something."""
        until = time.monotonic() + timeout
        while True:
            self._receive(min(TICK, max(0.0, until - time.monotonic())))
            self._look_after()
            if self._news or time.monotonic() >= until:
                told, self._news = self._news, []
                return told

    def stop(self) -> None:
        """Cancel what has not begun, and ask what has to stop after the frame at hand."""
        if self._stopping is None:
            self._receive(0)
            self._stopping = time.monotonic()
            self._unsend(list(self._sent))

    def _plan(self, shot: Shot) -> None:
        """On the planning thread."""
        request = shot.request
        try:
            planned = pieces(request, weights=identify(request.weights, folder=default_folder()))
        except MattedError as error:
            self._inbox.put(partial(self._fail, shot, error))
        except Exception as error:
            LOG.exception("planning %s", shot.name)
            self._inbox.put(partial(self._fail, shot, mistake(error)))
        else:
            self._inbox.put(partial(self._planned, shot, planned))

    def _planned(self, shot: Shot, planned: tuple[Piece, ...]) -> None:
        if self._open.get(shot.name) is shot:  # it was not stopped meanwhile
            shot.tasks = tuple(Task(piece) for piece in planned)
            self._step(shot, None)

    # What the threads of the connection hear is put in the inbox, and dealt with on the engine's own thread.

    def _hear_worker(self, event: tuple[float, Any]) -> None:
        self._inbox.put(partial(self._heard, event[1]))

    def _hear_scheduler(self, event: tuple[float, Any]) -> None:
        what = event[1]
        if what.get("action") == "remove-worker":
            self._inbox.put(partial(self._gone, what["worker"], expected=bool(what.get("expected"))))
        elif what.get("action") == "add-worker":
            self._inbox.put(partial(self._meet, what["worker"]))

    def _receive(self, timeout: float) -> None:
        try:
            self._inbox.get(timeout=timeout)()
            while True:
                self._inbox.get_nowait()()
        except Empty:
            pass

    def _heard(self, told: dict[str, Any]) -> None:
        """A worker has begun a piece, has come a step further, or has something to say."""
        shot, task = self._sent.get(told["number"], (None, None))
        if shot is None or task is None:
            return
        task.at = told["worker"]
        if "said" in told:
            self._news.append(Said(shot.name, told["said"]))
        else:
            task.blocked = None if told["done"] else task.blocked
            task.done = max(task.done, told["done"])
            self._step(shot, told["frame"])

    def _gone(self, worker: str, *, expected: bool) -> None:
        """A worker is gone; Dask does elsewhere what it was at."""
        for shot, task in [sent for sent in self._sent.values() if sent[1].at == worker]:
            task.at = None
            if not expected:
                task.deaths += 1
                self._news.append(Said(shot.name, f"The worker {worker} was lost; its frames go on elsewhere."))
                self._check_deaths(shot, task)

    def _check_deaths(self, shot: Shot, task: Task) -> None:
        if task.deaths >= DEATHS and shot.name in self._open:
            message = f"{task.deaths} workers were lost one after another while at {task.piece}."
            hint = "The logs of the workers say why; often it is their memory limit. Finished frames stay."
            self._fail(shot, ClusterError("worker_lost", message, hint=hint))

    # Workers: who there is, and who may be used.

    def _meet(self, worker: str | None = None) -> None:
        """Ask workers, or one that is new, for their versions."""
        self._asked = time.monotonic()
        self._ask(probe, self._met, workers=None if worker is None else [worker])

    def _met(self, said: dict[str, Any]) -> None:
        ours = probe()
        self._asked = None
        for worker, theirs in said.items():
            if theirs == ours or worker in self._roster.refused or isinstance(theirs, OSError):
                continue  # an OSError: it has gone before it could say
            error = unlike(worker, theirs, ours) if isinstance(theirs, dict) else without_matted(worker, theirs)
            self._roster.refused[worker] = error
            self._news.append(Said("", f"{error.message} It is not used. {error.hint}"))

    def _ask(
        self,
        function: Callable[..., Any],
        then: Callable[[dict[str, Any]], None],
        *,
        workers: list[str] | None = None,
        **given: Any,
    ) -> None:
        """Have workers call a function, and deal with what they say once they have."""
        client = self._link.client

        def answered(said: dict[str, Any]) -> None:
            if client is self._link.client:
                then(said)

        self._link.ask(function, lambda said: self._inbox.put(partial(answered, said)), workers=workers, **given)

    def _look_after(self) -> None:
        """See to what nobody tells us of."""
        if self._lost is not None:
            self._mend()
        elif not self._link.whole:
            self._lose()
        elif self._stopping is not None:
            self._wind_up()
        elif self._open:
            self._look()
            self._send_due()

    def _look(self) -> None:
        """See which workers there are; sent pieces that only wait for workers that went are sent elsewhere."""
        now = time.monotonic()
        if self._looked is not None and now - self._looked < LOOK:
            return
        self._looked = now
        try:
            self._roster.known = known = self._link.workers()
        except OSError:
            LOG.debug("the scheduler is busy", exc_info=True)
            return
        self._unsend([n for n, (_, task) in self._sent.items() if task.allowed and not set(task.allowed) & set(known)])
        if known:
            self._lonely = None
        elif self._lonely is None:
            self._lonely = now
            self._news.append(Said("", f"The cluster {self._link.where} has no worker; waiting for one."))
        elif now - self._lonely > self._patience:
            self._fail_all(no_worker(self._link.where, self._patience))

    # Pieces: to the cluster and back.

    def _send_due(self) -> None:
        now = time.monotonic()
        if self._roster.known is None or (self._asked is not None and now - self._asked < ANSWER):
            return
        for shot in list(self._open.values()):
            for task in shot.ready() if shot.tasks else ():
                if task.due <= now and shot.name in self._open:
                    self._send(shot, task)

    def _send(self, shot: Shot, task: Task) -> None:
        try:
            task.allowed = self._roster.choose(shot.avoid)
        except ClusterError as error:
            self._fail(shot, error)
            return
        self._numbers += 1
        number = self._numbers
        task.future = self._link.client.submit(
            _performer(),
            task.piece.plain(),
            topic=self._topic,
            number=number,
            device=self._device,
            alike=probe(),
            key=(f"{self._topic}-{task.piece.kind}", number),
            pure=False,
            workers=task.allowed,
            resources=self._roster.needs,
            priority=shot.priority(task),
        )
        self._sent[number] = (shot, task)
        task.future.add_done_callback(lambda future: self._inbox.put(partial(self._ended, number)))

    def _unsend(self, numbers: list[int]) -> None:
        """Cancel pieces; one that has begun stops after the frame at hand."""
        tasks = [self._sent.pop(number)[1] for number in numbers]
        if tasks and self._link.whole:
            self._link.client.cancel([task.future for task in tasks], force=True)
        for task in tasks:
            task.unsend()

    def _ended(self, number: int) -> None:
        shot, task = self._sent.pop(number, (None, None))
        if shot is None or task is None:
            return
        future, at = task.future, task.at
        task.unsend()
        if future.status == "finished":
            self._came_back(shot, task, future)
        elif future.status == "error":
            self._broke(shot, task, future.exception(), at)
        else:
            self._lose()  # somebody else cancelled it: the scheduler has forgotten us

    def _came_back(self, shot: Shot, task: Task, future: Any) -> None:
        try:
            back = future.result(timeout=ANSWER)
        except Exception:
            LOG.debug("the worker that was done went with what it had to say", exc_info=True)
            return
        if "error" in back:
            self._refused(shot, task, error_from_plain(back["error"]), back["worker"])
            return
        task.finished = True
        self._step(shot, None)
        result = result_from_plain(back["result"]) if back["result"] else None
        shot.computed += result.computed if result else 0
        if task.piece.kind == "finish":
            assert result is not None
            del self._open[shot.name]
            self._news.append(Made(shot.name, replace(result, computed=shot.computed)))

    def _broke(self, shot: Shot, task: Task, error: BaseException, at: str | None) -> None:
        """Dask gave a piece up."""
        if isinstance(error, distributed().KilledWorker):
            task.deaths += 1
            self._check_deaths(shot, task)
            return
        LOG.error("%s", task.piece, exc_info=error)
        self._refused(shot, task, without_matted(at or "that was to make it", error), at)

    def _refused(self, shot: Shot, task: Task, error: MattedError, worker: str | None) -> None:
        """A worker could not do a piece: it is tried elsewhere, later, or not at all."""
        now = time.monotonic()
        if error.code == "cancelled":
            return  # the worker was told to end; another one does it
        if error.code == "job_running":
            task.blocked = task.blocked or now
            if now - task.blocked <= self._patience:
                task.due = now + PAUSE
                return
        elif error.code in ELSEWHERE and task.failed + 1 < TRIES:
            task.failed += 1
            shot.avoid |= {worker} if worker else set()
            self._news.append(Said(shot.name, f"{error.message} It is tried elsewhere."))
            return
        self._fail(shot, error)

    def _step(self, shot: Shot, frame: int | None) -> None:
        if shot.done > shot.told:
            shot.told = shot.done
            self._news.append(Step(shot.name, frame, shot.done, shot.total))

    def _fail(self, shot: Shot, error: MattedError) -> None:
        if self._open.get(shot.name) is shot:
            del self._open[shot.name]
            self._unsend([number for number, sent in self._sent.items() if sent[0] is shot])
            self._news.append(Failed(shot.name, error))

    def _fail_all(self, error: MattedError) -> None:
        for shot in list(self._open.values()):
            self._fail(shot, error)

    # The end of the scheduler, and of the engine.

    def _lose(self) -> None:
        """The scheduler is gone, or does not know us any more: all that is not done has to be sent again."""
        self._lost = time.monotonic()
        self._link.close()
        self._unsend(list(self._sent))
        self._roster.known = self._looked = None
        if self._open and self._stopping is None:
            text = (
                f"The scheduler {self._link.where} was lost; waiting up to {self._patience:.0f} s for it to come back."
            )
            self._news.append(Said("", text))

    def _mend(self) -> None:
        assert self._lost is not None
        if self._stopping is not None:
            self._fail_all(_stopped())
            return
        try:
            self._link.open(timeout=LOOK)
        except ClusterError:
            if time.monotonic() - self._lost > self._patience:
                self._fail_all(gone_for_good(self._link.where, self._patience))
            return
        self._lost = None
        self._news.append(Said("", f"The scheduler {self._link.where} is there again; what is not done goes on."))
        self._meet()

    def _wind_up(self) -> None:
        """Wait until no worker is at anything of ours."""
        assert self._stopping is not None
        if time.monotonic() - self._stopping > self._patience:
            self._fail_all(_stopped())
        elif self._open and self._asked is None:
            self._asked = time.monotonic()
            self._ask(at_work, self._counted, topic=self._topic)

    def _counted(self, said: dict[str, Any]) -> None:
        self._asked = None
        if not any(isinstance(count, int) and count for count in said.values()):
            self._fail_all(_stopped())


def _performer() -> Callable[..., dict[str, Any]]:
    """What a worker calls. It travels as code, not as a name: a scheduler would load matted to look the name up."""

    def perform(plain: dict[str, Any], **given: Any) -> dict[str, Any]:
        from matted.batch.engines.cluster import worker

        return worker.perform(plain, **given)

    return perform


def _stopped() -> Cancelled:
    return Cancelled("cancelled", "The shot was stopped.", hint="Run the same command again to go on from here.")
