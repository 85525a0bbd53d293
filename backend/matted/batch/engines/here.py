"""The engine that makes shots in this process, one after the other, on one device that stays warm."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import closing
from types import TracebackType

from matted.batch.bench import Bench
from matted.batch.engines import Failed, Made, News, Said, Step
from matted.batch.job import Run
from matted.batch.request import Request
from matted.batch.shot import until
from matted.errors import Cancelled, MattedError, RequestError
from matted.weights import default_folder, identify

LOG = logging.getLogger(__name__)


class Here:
    """Makes shots here; see :class:`matted.batch.engines.Engine`. It needs no thread: work is done in :meth:`news`.

    Args:
        bench: the device and what is warm on it; the fastest device when None.
    """

    def __init__(self, bench: Bench | None = None) -> None:
        self._bench = bench or Bench()
        self._waiting: list[Request] = []
        self._at_work: tuple[Request, Generator[News, None, None]] | None = None
        self._said: list[News] = []
        self._stopping = False

    def __enter__(self) -> Here:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._at_work is not None:
            self._at_work[1].close()

    def submit(self, request: Request) -> None:
        """Take a shot on."""
        self._waiting.append(request)

    def stop(self) -> None:
        """Stop after the frame at hand."""
        self._stopping = True

    def news(self, timeout: float) -> list[News]:
        """Do the next step of the shot at hand, and tell of it; wait only when there is nothing to do."""
        if self._at_work is None and not self._waiting:
            time.sleep(timeout)
            return []
        if self._at_work is None:
            request = max(self._waiting, key=lambda waiting: waiting.priority)  # the first of those
            self._waiting.remove(request)
            self._at_work = request, self._make(request)
        told = self._step(*self._at_work)
        if isinstance(told, Made | Failed):
            self._at_work = None
        said, self._said = self._said, []
        return [*said, told]

    def _step(self, request: Request, work: Generator[News, None, None]) -> News:
        try:
            return next(work)
        except MattedError as error:
            return Failed(request.name, error)
        except Exception as error:
            LOG.exception("shot %s", request.name)
            return Failed(request.name, mistake(error))

    def _make(self, request: Request) -> Generator[News, None, None]:
        if self._stopping:
            raise not_begun(request)
        name = request.name

        def degraded(frame: int | None, message: str) -> None:
            self._said.append(Said(name, message))

        job = request.job(identify(request.weights, folder=default_folder()))
        yield Step(name, None, 0, len(job.shot.wanted()))
        self._bench.loaded(job.weights)  # weights that are none are refused before a folder is taken
        with Run(job, bench=self._bench, on_degraded=degraded) as run:
            with closing(run.steps()) as steps:
                for step in until(steps, lambda: self._stopping):
                    yield Step(name, step.frame, step.done, step.total)
            yield Made(name, run.result())


def not_begun(request: Request) -> Cancelled:
    """The shot waited for its turn when the batch was stopped."""
    message = f"The shot {request.name} had not begun when the batch was stopped."
    return Cancelled("cancelled", message, hint="Run the same command again to go on from here.")


def mistake(error: Exception) -> MattedError:
    """What a person is told of an error nobody foresaw."""
    hint = "This is a mistake of matted's: please report it, with what was printed."
    return RequestError("internal", f"{type(error).__name__}: {error}", hint=hint)
