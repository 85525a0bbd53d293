"""How an action runs without holding the host: a generator that does a little at a time on the host's main thread.

An action yields ``None`` to give the host a turn, or a function to be called on a worker thread; it is sent what the
function returned, or has what it raised raised inside it. Everything before, between and after runs on the main thread.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Optional

Steps = Generator[Optional[Callable[[], Any]], Any, None]
"""An action."""


class Stopped(Exception):
    """The artist pressed Cancel."""


class Action:
    """One action on its way.

    Attributes:
        error: what ended it, if something did.
    """

    def __init__(self, name: str, steps: Steps, workers: ThreadPoolExecutor) -> None:
        self.name = name
        self.error: BaseException | None = None
        self.done = False
        self._steps = steps
        self._workers = workers
        self._call: Future[Any] | None = None
        self._stop = False

    def step(self) -> bool:
        """Do the next little thing, on the main thread; returns whether something was done."""
        if self.done:
            return False
        try:
            if self._stop:
                self._stop, self._call = False, None
                wanted = self._steps.throw(Stopped())
            elif self._call is None:
                wanted = next(self._steps)
            elif not self._call.done():
                return False
            else:
                call, self._call = self._call, None
                error = call.exception()
                wanted = self._steps.send(call.result()) if error is None else self._steps.throw(error)
        except StopIteration:
            self.done = True
        except Stopped as stopped:
            self.done, self.error = True, stopped
        except Exception as error:
            self.done, self.error = True, error
        else:
            self._call = None if wanted is None else self._workers.submit(wanted)
        return True

    def stop(self) -> None:
        """Stop at the next :meth:`step`: a call on its way to the daemon is no longer waited for."""
        self._stop = True
