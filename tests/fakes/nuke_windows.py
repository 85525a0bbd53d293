"""Menus, panes and panels of the stand-in Nuke, with the modules they belong to."""

from __future__ import annotations

import types
from typing import Any

from fakes.nuke_knob_handles import Strict

WINDOWS = ("menu", "getPaneFor", "activeViewer")  # absent in a terminal (hosts.md 8.1 item 10)


class HostModule(types.ModuleType):
    """A module that refuses what is not in it (hosts.md 8, rule 2), and counts the refusal against the test."""

    host: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in WINDOWS and not self.host.gui:
            raise AttributeError(f"module 'nuke' has no attribute {name!r}")
        raise self.host.refuse(f"{self.__name__}.{name}")


class MenuItem(Strict):
    def __init__(self, host: Any, name: str, command: Any = None):
        self._host, self._name, self._command, self._enabled = host, name, command, True

    def name(self) -> str:
        return self._name

    def setEnabled(self, on: bool) -> None:
        self._enabled = bool(on)

    def enabled(self) -> bool:
        return self._enabled

    def invoke(self) -> None:
        self._host.run_command(self._command)


class Menu(MenuItem):
    """A menu; adding a name again replaces it (hosts.md 2.7)."""

    def __init__(self, host: Any, name: str):
        super().__init__(host, name)
        self._items: dict[str, Any] = {}

    def addMenu(self, name: str, icon: str = "", tooltip: str = "", index: int = -1) -> Menu:
        found = self.findItem(name)
        return found if isinstance(found, Menu) else self._put(name, Menu(self._host, name.rsplit("/", 1)[-1]))

    def addCommand(
        self, name: str, command: Any = None, shortcut: str = "", icon: str = "", tooltip: str = "", index: int = -1
    ) -> MenuItem:
        return self._put(name, MenuItem(self._host, name.rsplit("/", 1)[-1], command))

    def addSeparator(self, **_: Any) -> MenuItem:
        return self._put(f"@separator{len(self._items)}", MenuItem(self._host, ""))

    def _put(self, path: str, item: Any) -> Any:
        first, _, rest = path.partition("/")
        if rest:
            return self.addMenu(first)._put(rest, item)
        self._items[first] = item
        return item

    def findItem(self, path: str) -> Any:
        first, _, rest = path.partition("/")
        found = self._items.get(first)
        return found.findItem(rest) if rest and isinstance(found, Menu) else (None if rest else found)

    def items(self) -> list[Any]:
        return list(self._items.values())

    def removeItem(self, path: str) -> None:
        above, _, last = path.rpartition("/")
        menu = self.findItem(above) if above else self
        menu._items.pop(last, None)


class Pane(Strict):
    def __init__(self, name: str):
        self.name = name


class Windows:
    """Menus and panes."""

    def __init__(self, host: Any):
        self._host = host

    def menu(self, name: str) -> Menu:
        self._host.on_main("nuke.menu")
        if name not in self._host.menus:
            raise self._host.refuse(f"nuke.menu({name!r})")
        menu: Menu = self._host.menus[name]
        return menu

    def getPaneFor(self, name: str) -> Pane | None:
        return Pane(name) if name in self._host.panes else None

    def activeViewer(self) -> None:
        if any(node.cls == "Viewer" for node in self._host.root.children):
            raise self._host.refuse("nuke.activeViewer with a Viewer")


def build_nukescripts(host: Any) -> dict[str, HostModule]:
    """``nukescripts`` and ``nukescripts.panels``."""
    package, panels = HostModule("nukescripts"), HostModule("nukescripts.panels")
    package.host = panels.host = host
    package.__path__ = []  # type: ignore[attr-defined]

    class Panel(Strict):
        def __init__(self, name: str):
            self._id = name

        def addToPane(self, pane: Any = None) -> Any:
            host.open_panel(self._id)
            return self

    def register(widget: str, name: str, id: str, create: bool = False) -> Any:
        # The first argument is an expression, evaluated when the panel opens (hosts.md 2.7).
        host.in_gui("registerWidgetAsPanel")
        if not isinstance(widget, str):
            raise TypeError("registerWidgetAsPanel: the widget must be a string expression")
        host.panels[id] = widget
        host.menus["Pane"].addCommand(name, lambda: host.open_panel(id))
        return Panel(id) if create else None

    panels.registerWidgetAsPanel = register  # type: ignore[attr-defined]
    package.panels = panels  # type: ignore[attr-defined]
    return {"nukescripts": package, "nukescripts.panels": panels}
