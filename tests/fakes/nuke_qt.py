"""Qt as far as a plug-in's heart needs it, for Nukes whose Qt is not installed here: one QTimer that pump() drives.

Nuke 14 and 15 have PySide2 and no PySide6, 16 and later the other way round (hosts.md 1.1, 8.1 item 11).
"""

from __future__ import annotations

import sys
import time
import types
from typing import Any, Callable

from fakes.nuke_errors import NotMeasured


class Signal:
    def __init__(self) -> None:
        self.calls: list[Callable[[], Any]] = []

    def connect(self, call: Callable[[], Any]) -> None:
        self.calls.append(call)

    def disconnect(self, call: Callable[[], Any] | None = None) -> None:
        self.calls = [] if call is None else [kept for kept in self.calls if kept != call]


class Timers:
    """All timers of one host; none fires without a Qt event loop (terminal mode)."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def fire(self, run: Callable[[Callable[[], Any]], Any]) -> None:
        now = time.monotonic()
        for timer in list(self.all):
            if timer.isActive() and now >= timer.due and not timer.firing:
                timer.fire(run)


def timer_class(timers: Timers) -> type:
    class QTimer:
        def __init__(self, parent: Any = None):
            self.timeout = Signal()
            self.milliseconds, self.due, self.single = 0, 0.0, False
            self.active = self.firing = False
            timers.all.append(self)

        def setInterval(self, milliseconds: int) -> None:
            self.milliseconds = milliseconds

        def interval(self) -> int:
            return self.milliseconds

        def setSingleShot(self, on: bool) -> None:
            self.single = on

        def start(self, milliseconds: int | None = None) -> None:
            if milliseconds is not None:
                self.milliseconds = milliseconds
            self.active, self.due = True, time.monotonic() + self.milliseconds / 1000

        def stop(self) -> None:
            self.active = False

        def isActive(self) -> bool:
            return self.active

        def deleteLater(self) -> None:
            self.stop()
            timers.all.remove(self)

        def fire(self, run: Callable[[Callable[[], Any]], Any]) -> None:
            self.due = time.monotonic() + self.milliseconds / 1000
            self.active = not self.single
            self.firing = True  # Qt never starts a timer's slot inside itself
            for call in list(self.timeout.calls):
                run(call)
            self.firing = False

        @staticmethod
        def singleShot(milliseconds: int, call: Callable[[], Any]) -> None:
            timer = QTimer()
            timer.single = True
            timer.timeout.connect(call)
            timer.start(milliseconds)

    return QTimer


class _Package(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotMeasured(f"{self.__name__}.{name} of the stand-in Qt")


class _Windows(_Package):
    """Classes of windows can be derived from, so that a panel can be imported, and not be made."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("Q"):
            return super().__getattr__(name)

        def refuse(*unused: Any) -> None:
            raise NotMeasured(f"{self.__name__}.{name} of the stand-in Qt")

        return type(name, (), {"__init__": refuse})


def install(name: str, timers: Timers) -> None:
    """Put a minimal ``name`` (PySide2 or PySide6) into ``sys.modules``: QtCore's QTimer, and windows that never open."""
    parts = {"QtCore": _Package, "QtGui": _Windows, "QtWidgets": _Windows}
    package = _Package(name)
    package.__path__ = []
    sys.modules[name] = package
    for part, kind in parts.items():
        module = sys.modules[f"{name}.{part}"] = kind(f"{name}.{part}")
        setattr(package, part, module)
    package.QtCore.QTimer = timer_class(timers)
