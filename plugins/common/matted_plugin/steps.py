"""How an action runs without holding the host: a generator that does a little at a time on the host's main thread.

An action yields ``None`` to give the host a turn, or a function to be called on a worker thread; it is sent what the
function returned, or has what it raised raised inside it. Everything before, between and after runs on the main thread.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from concurrent.futures import Future
from typing import Any, Callable, Optional

Steps = Generator[Optional[Callable[[], Any]], Any, Any]
"""An action, or a part of one."""


class Stopped(Exception):
    """The artist pressed Cancel, here or in the host's own progress bar."""


def on_worker(call: Callable[[], Any]) -> Future[Any]:
    """Call a function on a thread that never keeps the host from quitting."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="matted-worker", daemon=True).start()
    return future


class Action:
    """One action on its way.

    Attributes:
        name: for people: ``Propagate``.
        error: what ended it, if something did.
        done: whether it is over.
    """

    def __init__(self, name: str, steps: Steps) -> None:
        self.name = name
        self.error: BaseException | None = None
        self.done = False
        self._steps = steps
        self._call: Future[Any] | None = None
        self._advancing = False
        self._stopping = False

    def step(self) -> bool:
        """Do the next little thing, on the main thread; returns whether something was done."""
        if self.done or self._advancing or (self._call is not None and not self._call.done()):
            return False
        call, self._call = self._call, None
        if call is None:
            self._advance(lambda: next(self._steps))
        else:
            failure = call.exception()
            if failure is None:
                self._advance(lambda: self._steps.send(call.result()))
            else:
                self._advance(lambda: self._steps.throw(failure))
        return True

    def stop(self) -> None:
        """Stop now: what it changed in the host is put back, a call on its way to the daemon is not waited for.

        A host that turns its event loop while it renders calls this from within a step; then it stops after that step.
        """
        if self._advancing:
            self._stopping = True
        elif not self.done:
            self._call = None
            self._advance(lambda: self._steps.throw(Stopped()))
            self._steps.close()
            self.done = True

    def _advance(self, step: Callable[[], Any]) -> None:
        self._advancing = True
        try:
            wanted = step()
        except StopIteration:
            self.done = True
        except Exception as error:
            self.done, self.error = True, error
        else:
            self._call = None if wanted is None else on_worker(wanted)
        finally:
            self._advancing = False
        if self._stopping and not self.done:
            self._stopping = False
            self.stop()
