"""What runs inside Resolve when the artist chooses Matted in its menu of scripts. Standard library only.

Its one thread is the only one that touches Resolve. It finds or starts the companion and does what that asks for until
the window is closed. A companion that dies is started again; what was on its way in Resolve is put back first.
"""

from __future__ import annotations

import contextlib
import os
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable, Optional, Protocol

from matted_plugin.host import HostError
from matted_resolve import link, start
from matted_resolve.answers import Answers
from matted_resolve.link import Link, LinkError
from matted_resolve.seat import Seat

_TURN = 0.05
"""Seconds to wait for a message before looking around."""

_NEXT = 0.01
"""Seconds to wait for what follows an answer at once: of a window that has few turns, each may take some of them."""

_LOOKS = 3.0
"""Seconds between two looks whether Resolve is still there; three in vain end the script."""

_RESTARTS = 3
"""Times in a minute the companion is started again."""


class Window(Protocol):
    """A window in Resolve; :mod:`matted_resolve.host.window` has it."""

    def show(self, view: dict[str, Any]) -> None:
        """Show a view."""

    def front(self) -> None:
        """Bring it before the other windows."""

    def run(self, turn: Callable[[], bool]) -> bool:
        """Show the window and call ``turn`` often until it returns False or the window is closed.

        Returns whether ``turn`` was ever called by its clock: without, the window is of no use here.
        """

    def close(self) -> None:
        """Take it away."""


def tell(text: str) -> None:
    """Print a line into Resolve's console at once.

    The console may know ASCII alone, for Resolve's library sets the locale to C (firstmate saw it), or be gone.
    """
    try:
        print(text, flush=True)
    except UnicodeEncodeError:
        print(text.encode("ascii", "backslashreplace").decode("ascii"), flush=True)
    except (OSError, ValueError):
        pass


MakeWindow = Callable[[Callable[[dict[str, Any]], None]], Optional[Window]]
"""Makes the window in Resolve; it is given what takes a press. None where Resolve shows none."""


class Script:
    """One run of the script.

    Args:
        seat: the Resolve it runs in.
        command: what starts the companion.
        make_window: makes the window in Resolve.
        say: prints a line into Resolve's console.
        log: takes the story of an unexpected error.
    """

    def __init__(
        self,
        seat: Seat,
        command: Sequence[str],
        *,
        make_window: MakeWindow = lambda press: None,
        say: Callable[[str], None] = tell,
        log: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._seat = seat
        self._command = tuple(command)
        self._say = say
        self._log = log
        self._answers = Answers(seat, log)
        self._link: Link | None = None
        self._make_window = make_window
        self._window: Window | None = None
        self._going = True
        self._is_told = False  # that our turns have begun
        self._looked = 0.0
        self._missed = 0
        self._starts: list[float] = []

    def run(self) -> int:
        """Serve until the window is closed; returns 0, or 1 when it could not."""
        try:
            self._greet()
            self._window = self._make_window(self._press)
            if not self._reach():
                return 0  # another script is there, and what it changed in Resolve is no leftover
            self._put_back()
            if self._window is not None:
                self._run_window(self._window)
            while self._going and self._turn(_TURN):
                pass
            return 0
        except LinkError as error:
            self._put_back()
            self._say(str(error))
            return 1
        finally:
            self._answers.stop()
            if self._window is not None:
                self._window.close()
            if self._link is not None:
                self._link.close()

    def _greet(self) -> None:
        about = self._seat.about()
        page = f", {about.page.capitalize()} page" if about.page else ""
        self._say(f"matted {link.version()} in {about.product} {about.version}{page}.")
        for line in about.limits:
            self._say(line)

    def _put_back(self) -> None:
        """Put back what this script, or one that was killed, left changed in Resolve."""
        for line in self._seat.put_back():
            self._say(line)

    def _run_window(self, window: Window) -> None:
        """Serve until the window in Resolve is closed."""
        try:
            is_of_use = window.run(self._turn)
        except Exception:
            self._log(traceback.format_exc())
            is_of_use = False
        self._window = None
        if is_of_use or not self._going:
            self._tell(window="closed")
        else:
            self._tell(window="deaf")
            self._say("The window in Resolve does not answer; matted goes on in your browser.")

    def _turn(self, wait: float = 0.0) -> bool:
        """Do what the companion asks for; returns whether to go on. ``wait``: seconds, when it asks for nothing."""
        if not self._is_told:
            self._is_told = True
            self._tell(turning=True)
        try:
            end = time.monotonic() + _TURN  # a window wants its turn too
            while self._going:
                message = None if self._link is None else self._link.receive(wait)
                if message is None:
                    break
                self._take(message)
                wait = _NEXT
                if time.monotonic() > end:
                    break
        except LinkError:
            self._link = None
            self._lost()
        self._look()
        return self._going

    def _take(self, message: dict[str, Any]) -> None:
        assert self._link is not None
        if "call" in message:
            self._link.send(self._answers.answer(message))
        elif "view" in message:
            if self._window is not None and isinstance(message["view"], dict):
                self._show(self._window, message["view"])
            self._link.send({"shown": True})
        elif "front" in message and self._window is not None:
            self._window.front()
        elif "end" in message:
            self._say("matted is closed. Jobs run on; choose Matted in the menu of scripts to see them.")
            self._going = False

    def _show(self, window: Window, view: dict[str, Any]) -> None:
        try:
            window.show(view)
        except Exception:
            self._log(traceback.format_exc())
            self._tell(window="deaf")  # the page shows it

    def _reach(self) -> bool:
        """Get hold of the companion; returns whether it takes us."""
        for _ in range(3):
            self._link = start.reach(self._command)
            hello = {
                "hello": link.version(),
                "wire": link.VERSION,
                "program": self._seat.program,
                "pid": os.getpid(),
                "window": "page" if self._window is None else "resolve",
            }
            answer: dict[str, Any] = {}
            with contextlib.suppress(LinkError):  # it was about to end: there will be another
                self._link.send(hello)
                answer = self._link.receive(link.DEADLINE) or {}
            if "welcome" in answer:
                self._is_told = False
                where = "in Resolve" if self._window is not None else f"in your browser: {answer['welcome']}"
                self._say(f"The window is {where}")
                return True
            self._link.close()
            self._link = None
            if answer.get("refused") == "taken":
                self._say(
                    "matted is open already: look for its window. If it does not answer, close any dialog in Resolve."
                )
                self._going = False
                return False
            self._await_end()  # of a companion that is about to, as one of another version is
        raise LinkError("A companion of another version does not end. End it, or log out and in again, then try again.")

    def _await_end(self) -> None:
        end = time.monotonic() + link.DEADLINE
        while time.monotonic() < end and link.read_contact(link.contact_file()) is not None:
            time.sleep(0.05)

    def _lost(self) -> None:
        """The companion is gone: put back what was on its way, and go on with another."""
        self._answers.stop()
        self._put_back()
        now = time.monotonic()
        self._starts = [one for one in self._starts if one > now - 60] + [now]
        if len(self._starts) > _RESTARTS:
            self._say(f"matted's companion keeps ending; its log is {start.log_file()}.")
            self._going = False
            return
        self._say("matted's companion ended; it is started again.")
        try:
            self._reach()
        except LinkError as error:
            self._say(str(error))
            self._going = False

    def _look(self) -> None:
        """Whether Resolve is still there."""
        if time.monotonic() - self._looked < _LOOKS:
            return
        self._missed = 0 if self._seat.alive() else self._missed + 1
        self._looked = time.monotonic()
        if self._missed >= 3:
            self._say("Resolve does not answer any more; matted is closed. Jobs run on.")
            self._going = False

    def _press(self, press: dict[str, Any]) -> None:
        self._tell(press=press)

    def _tell(self, **message: Any) -> None:
        if self._link is not None:
            with contextlib.suppress(LinkError):  # the next turn finds it out
                self._link.send(message)


def main(resolve: Any = None, fusion: Any = None, bmd: Any = None, *, say: Callable[[str], None] = tell) -> int:
    """Run matted in Resolve; the launcher gives what Resolve gave it. Returns 0 when all went well."""
    from matted_resolve.host import window
    from matted_resolve.host.seat import open_seat

    log = Path(link.folder() / "script.log")
    try:
        seat = open_seat(resolve, fusion, bmd)
        script = Script(
            seat,
            start.companion_command(),
            make_window=lambda press: window.make(seat.session, press),
            say=say,
            log=lambda text: start.append(log, text),
        )
        return script.run()
    except HostError as error:
        say(f"{error.message} {error.hint}")
    except Exception as error:
        start.append(log, traceback.format_exc())
        say(f"matted stopped: {type(error).__name__}: {error}. The story is in {log}.")
    return 1
