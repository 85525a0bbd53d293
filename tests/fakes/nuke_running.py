"""How the stand-in Nuke runs a plug-in's code: buttons, menus, panels, callbacks and the main loop, all of it timed."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from fakes import nuke_qt
from fakes.nuke_knobs import KnobModel
from fakes.nuke_nodes import NodeModel
from fakes.nuke_script import Rendering


class Running(Rendering):
    """The part of the host that gives the main thread to somebody else's code."""

    timers: nuke_qt.Timers

    # -- who may do what

    def is_main(self) -> bool:
        return threading.get_ident() == self._main_thread

    def on_main(self, what: str) -> None:
        """hosts.md 2.6 and 8.1 item 1: everything but the two bridges belongs to the main thread."""
        if not self.is_main():
            self.strays.append(what)
            raise RuntimeError(f"{what} was used from another thread than the main thread")

    def prepare_running(self) -> None:
        self._main_thread = threading.get_ident()
        self.strays: list[str] = []  # what other threads touched, for those who swallow the error
        self._queue: queue.Queue[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Future[Any]]]
        self._queue = queue.Queue()
        self._this: list[tuple[Any, Any]] = []
        self._depth, self._closed = 0, False

    def stop_running(self) -> None:
        """Whoever waits for the main thread learns that it is gone."""
        self._closed = True
        while not self._queue.empty():
            self._queue.get()[-1].set_exception(RuntimeError("Nuke is gone"))

    # -- running plug-in code

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Measure how long plug-in code holds the main thread in one go, nuke.execute left out."""
        self._depth += 1
        started, executed = time.perf_counter(), self.executing
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                spent = time.perf_counter() - started - (self.executing - executed)
                self.held = max(self.held, spent)

    def this(self, what: str) -> Any:
        """hosts.md 2.7: ``thisNode`` and ``thisKnob`` mean something inside a callback only."""
        self.on_main(f"nuke.this{what.title()}")
        if not self._this:
            raise RuntimeError(f"nuke.this{what.title()}: no callback is running")
        found = self._this[-1][0 if what == "node" else 1]
        if found is None:
            raise RuntimeError(f"nuke.this{what.title()}: no {what} here")
        return found

    @contextmanager
    def _as_this(self, node: NodeModel | None, knob: KnobModel | None) -> Iterator[None]:
        inside = node is not None and node.cls == "Group" and self.button_inside
        self._this.append((node, knob))
        self.contexts.append(node if inside else (node.parent if node and node.parent else self.root))  # type: ignore[arg-type]
        depth = len(self.contexts)
        try:
            yield
        finally:
            self._this.pop()
            del self.contexts[depth - 1 :]

    def _run_code(self, code: str, node: NodeModel | None, knob: KnobModel | None) -> None:
        with self._watched(), self._as_this(node, knob):
            exec(compile(code, "<knob>", "exec"), self.main.__dict__)  # what the real one does with a button's text

    def run_command(self, command: Any) -> None:
        """A menu command: a callable or Python text."""
        if callable(command):
            with self._watched():
                command()
        elif command:
            self._run_code(str(command), None, None)

    def run_button(self, knob: KnobModel) -> None:
        if knob.kind == "Script_Knob":
            if knob.name != "reload":
                raise self.refuse(f"the button {knob.name}")
            self.reload(knob.node)
            return
        self._run_code(str(knob.value), knob.node, knob)

    def press(self, node: Any, name: str) -> None:
        """A click on a button of a node's panel. An exception of its code reaches the test."""
        model = self.model(node)
        if not model.has_knob(name):
            raise KeyError(name)
        knob = model.knob(name)
        if knob.kind not in ("PyScript_Knob", "Script_Knob"):
            raise AssertionError(f"{name} is no button")
        self.run_button(knob)

    def choose(self, menu: str, path: str) -> None:
        """A click on a menu entry."""
        item = self.menus[menu].findItem(path)
        if item is None:
            raise KeyError(path)
        if not item.enabled():
            raise AssertionError(f"{path} is greyed out")
        item.invoke()

    def open_panel(self, name: str) -> Any:
        """Open a registered panel: its expression is evaluated in ``__main__``, as a string (hosts.md 2.7)."""
        self.in_gui("a panel")
        with self._watched():
            self.open_panels[name] = eval(self.panels[name] + "()", self.main.__dict__)
        self.panes.add(name)
        return self.open_panels[name]

    def _guarded(self, call: Callable[[], Any]) -> None:
        """Nuke prints what a callback raises and goes on."""
        try:
            call()
        except Exception:
            self.errors_in_callbacks.append(traceback.format_exc())

    def call_back(self, name: str, node: NodeModel | None, knob: KnobModel | None = None) -> None:
        for call, args, kwargs, cls in list(self.callbacks[name]):
            if cls in ("*", node.cls if node else "Root"):
                with self._watched(), self._as_this(node, knob):
                    self._guarded(lambda call=call, args=args, kwargs=kwargs: call(*args, **kwargs))  # type: ignore[misc]

    def knob_changed(self, knob: KnobModel) -> None:
        node = knob.node
        if node is None or any(knob is running for _, running in self._this):
            return
        code = node.knob("knobChanged").value if knob.name != "knobChanged" else ""
        if code:
            self._guarded(lambda: self._run_code(code, node, knob))
        self.call_back("KnobChanged", node, knob)

    def _code(self, node: NodeModel, name: str) -> None:
        code = node.knob(name).value
        if code:
            self._run_code(code, node, None)
        self.call_back(name[0].upper() + name[1:], node)

    def between_frames(self) -> None:
        """The progress bar keeps the event loop turning, so timers fire inside nuke.execute."""
        if self.gui and self.timers_while_rendering:
            self._turn_qt()

    # -- the main loop

    def queue(self, call: Callable[..., Any], args: Any, kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        if self._closed:
            raise RuntimeError("Nuke is gone")
        self._queue.put((call, args if isinstance(args, tuple) else (args,), kwargs or {}, done))
        return done

    def pump(self, seconds: float = 0.0, until: Callable[[], Any] | None = None) -> None:
        """The main loop, for ``seconds`` or until something is true (then at most ``seconds``, or 30).

        Raises:
            TimeoutError: ``until`` never came true.
        """
        assert self.is_main()
        end = time.monotonic() + (seconds or (30.0 if until is not None else 0.0))
        while True:
            if until is not None and until():
                return
            self.turn()
            if time.monotonic() >= end:
                break
            time.sleep(0.001)
        if until is not None and not until():
            raise TimeoutError("the stand-in Nuke waited in vain")

    def turn(self) -> None:
        """One turn: queued calls, timers, Qt's events. A terminal session has no loop at all (hosts.md 2.6)."""
        if not self.gui:
            return
        for _ in range(self._queue.qsize()):
            call, args, kwargs, done = self._queue.get()
            with self._watched():
                try:
                    done.set_result(call(*args, **kwargs))
                except Exception as error:
                    self.errors_in_callbacks.append(traceback.format_exc())
                    done.set_exception(error)
        self._turn_qt()

    def _turn_qt(self) -> None:
        self.timers.fire(self._fire)
        if self.application is not None:
            with self._watched():
                self.application.processEvents()

    def _fire(self, call: Callable[[], Any]) -> None:
        with self._watched():
            self._guarded(call)
