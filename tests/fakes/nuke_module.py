"""The modules ``nuke`` and ``nukescripts`` of one running stand-in host. An attribute they do not have is NotMeasured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Callable

from fakes.nuke_errors import Deadlock, NotMeasured
from fakes.nuke_expressions import substitute
from fakes.nuke_handles import Group, Node
from fakes.nuke_knob_handles import BASES, Knob, RotoHandle, Strict
from fakes.nuke_knobs import CLASSES, FLAGS, TEXTS, WIDTHS
from fakes.nuke_windows import WINDOWS, HostModule, Windows

CALLBACKS = ["OnScriptLoad", "OnScriptSave", "OnScriptClose", "OnCreate", "OnUserCreate", "OnDestroy", "KnobChanged"]
CALLBACKS += ["BeforeRender", "BeforeFrameRender", "AfterFrameRender", "AfterRender", "RenderProgress"]


class Environment(dict):  # type: ignore[type-arg]
    def __missing__(self, key: str) -> Any:
        raise NotMeasured(f"nuke.env[{key!r}]")


def build(host: Any) -> HostModule:
    """The module that ``import nuke`` gives inside this host."""
    module = HostModule("nuke")
    module.host = host
    _Constants(host).into(module)
    for part in (_Graph, _Files, _Shell):
        made = part(host)
        for name in dir(part):
            if not name.startswith("_"):
                setattr(module, name, getattr(made, name))
    _callbacks(host, module)
    if host.gui:
        for name in WINDOWS:
            setattr(module, name, getattr(Windows(host), name))
    return module


class _Constants:
    def __init__(self, host: Any):
        self.host = host

    def into(self, module: Any) -> None:
        host = self.host
        major, minor, release = host.version
        text = f"{major}.{minor}v{release}"
        module.GUI = host.gui
        module.EXE_PATH = sys.executable
        module.NUKE_VERSION_MAJOR, module.NUKE_VERSION_MINOR, module.NUKE_VERSION_RELEASE = host.version
        module.NUKE_VERSION_STRING = text
        module.env = Environment(
            gui=host.gui,
            nc=host.edition == "nc",
            indie=host.edition == "indie",
            interactive=host.gui,
            nukex=False,
            studio=False,
            hiero=False,
            NukeVersionMajor=major,
            NukeVersionMinor=minor,
            NukeVersionRelease=release,
            NukeVersionString=text,
            WIN32=host.windows,
            LINUX=not host.windows,
            MACOS=False,
            ExecutablePath=sys.executable,
            threads=1,
            numCPUs=1,
        )
        for name, flag in FLAGS.items():
            setattr(module, name, flag)
        module.Node, module.Group, module.Knob = Node, Group, host.knob_class("")
        for kind in [*TEXTS, *WIDTHS, "Enumeration_Knob"]:
            if kind.endswith("_Knob"):
                setattr(module, kind, host.knob_class(kind))
        module.nodes = _Nodes(host)
        module.Undo = _undo(host)
        module.ProgressTask = _progress(host)
        module.rotopaint = host.rotopaint


class _Nodes(Strict):
    """``nuke.nodes.Read(file=...)``: no selection, no panel."""

    def __init__(self, host: Any):
        self._host = host

    def __getattr__(self, name: str) -> Any:
        if name not in CLASSES:
            raise self._host.refuse(f"nuke.nodes.{name}")

        def create(**knobs: Any) -> Any:
            return self._host.create(name, knobs)

        return create


class _Graph:
    def __init__(self, host: Any):
        self._host = host

    def root(self) -> Any:
        return self._host.handle(self._host.root)

    def toNode(self, name: str) -> Any:
        self._host.on_main("nuke.toNode")
        self._host.need_text(name, "toNode")
        return self._host.find(name, self._host.contexts[-1])

    def thisNode(self) -> Any:
        return self._host.handle(self._host.this("node"))

    def thisKnob(self) -> Any:
        self._host.on_main("nuke.thisKnob")
        return self._host.knob_handle(self._host.this("knob"))

    def thisGroup(self) -> Any:
        return self._host.handle(self._host.contexts[-1])

    def selectedNodes(self, filter: str | None = None) -> list[Any]:
        self._host.on_main("nuke.selectedNodes")
        nodes = [n for n in self._host.contexts[-1].children if n.knob("selected").value[0]]
        return [self._host.handle(node) for node in nodes if filter in (None, node.cls)]

    def selectedNode(self) -> Any:
        found = self.selectedNodes()
        if not found:
            raise ValueError("no node selected")
        return found[-1]

    def allNodes(self, filter: str | None = None, group: Any = None, recurseGroups: bool = False) -> list[Any]:
        self._host.on_main("nuke.allNodes")
        context = self._host.contexts[-1] if group is None else group._at()
        found = list(context.inside()) if recurseGroups else context.children
        return [self._host.handle(node) for node in found if filter in (None, node.cls)]

    def delete(self, node: Any) -> None:
        model = node._at()
        self._host.call_back("OnDestroy", model)
        self._host.remove(model)

    def createNode(self, node: str, knobs: str = "", inpanel: bool = True) -> Any:
        return self._host.create_in_gui(node, knobs, inpanel)

    def nodePaste(self, path: str) -> Any:
        self._host.on_main("nuke.nodePaste")
        self._host.need_text(path, "nodePaste")
        return self._host.paste_file(path)

    def execute(
        self, node: Any, start: int | None = None, end: int | None = None, incr: int = 1, *rest: Any, **more: Any
    ):
        return self._host.execute(node, start, end, incr, *rest, **more)

    render = execute

    def frame(self, number: int | None = None) -> int:
        self._host.on_main("nuke.frame")
        if number is not None:
            self._host.root.knob("frame").value = [float(number)]
        return int(self._host.frame)

    def views(self) -> list[str]:
        self._host.on_main("nuke.views")
        return list(self._host.views)

    def tcl(self, *words: str) -> str:
        self._host.on_main("nuke.tcl")
        return substitute("[" + " ".join(words) + "]", self._host.contexts[-1], self._host.frame)

    def value(self, path: str) -> str:
        return self.tcl("value", path)

    def getColorspaceList(self, knob: Any) -> list[str]:
        return knob._at().texts_of_choices()


class _Files:
    def __init__(self, host: Any):
        self._host = host

    def scriptName(self) -> str:
        self._host.on_main("nuke.scriptName")
        if self._host.path is None:
            raise RuntimeError("no script name: the script was never saved")  # hosts.md 2.7
        return str(self._host.path)

    def scriptSave(self, filename: str | None = None) -> bool:
        self._host.on_main("nuke.scriptSave")
        if filename is None and self._host.path is None:
            raise self._host.refuse("nuke.scriptSave of an unsaved script, which opens a file browser")
        self._host.save(filename or self._host.path)
        return True

    def scriptSaveAs(self, filename: str | None = None, overwrite: int = -1) -> None:
        if filename is None or (overwrite < 0 and Path(filename).exists()):
            raise self._host.refuse("nuke.scriptSaveAs that asks the artist")
        self.scriptSave(filename)

    def scriptOpen(self, filename: str) -> None:
        self._host.on_main("nuke.scriptOpen")
        self._host.open(filename)

    def scriptClear(self) -> None:
        self._host.on_main("nuke.scriptClear")
        self._host.close()

    def modified(self) -> bool:
        self._host.on_main("nuke.modified")
        return bool(self._host.is_modified)

    def undo(self) -> None:
        self._host.on_main("nuke.undo")
        self._host.undo()

    def pluginAddPath(self, paths: Any) -> None:
        self._host.add_plugin_path(paths, first=True)

    def pluginAppendPath(self, paths: Any) -> None:
        self._host.add_plugin_path(paths, first=False)

    def pluginPath(self) -> list[str]:
        return list(self._host.plugin_path)


class _Shell:
    def __init__(self, host: Any):
        self._host = host

    def executeInMainThread(self, call: Callable[..., Any], args: Any = (), kwargs: Any = None) -> None:
        if self._host.is_main():
            raise self._host.refuse("nuke.executeInMainThread called from the main thread", Deadlock)
        self._host.queue(call, args, kwargs)

    def executeInMainThreadWithResult(self, call: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
        if self._host.is_main():
            raise self._host.refuse("nuke.executeInMainThreadWithResult called from the main thread", Deadlock)
        return self._host.queue(call, args, kwargs).result()

    def message(self, text: str) -> None:
        self._host.on_main("nuke.message")
        self._host.messages.append(text)

    def ask(self, text: str) -> bool:
        self._host.on_main("nuke.ask")
        self._host.asked.append(text)
        return False

    def tprint(self, *texts: Any, **_: Any) -> None:
        self._host.printed.append(" ".join(str(text) for text in texts))


def _callbacks(host: Any, module: Any) -> None:
    def adder(name: str) -> Callable[..., None]:
        def add(call: Any, args: Any = (), kwargs: Any = None, nodeClass: str = "*") -> None:
            host.callbacks[name].append((call, args, kwargs or {}, nodeClass))

        return add

    def remover(name: str) -> Callable[..., None]:
        def remove(call: Any, args: Any = (), kwargs: Any = None, nodeClass: str = "*") -> None:
            host.callbacks[name] = [kept for kept in host.callbacks[name] if kept[0] != call]

        return remove

    for name in CALLBACKS:
        setattr(module, f"add{name}", adder(name))
        setattr(module, f"remove{name}", remover(name))


def _undo(host: Any) -> type:
    class Undo(Strict):
        """``nuke.Undo``: class methods, and a context manager (hosts.md 2.7)."""

        def __init__(self, name: str = "") -> None:
            self._name = name

        @staticmethod
        def begin(name: str = "") -> None:
            host.on_main("nuke.Undo.begin")
            host.begin_undo(name)

        @staticmethod
        def name(name: str) -> None:
            if host.open_step is None:
                raise host.refuse("nuke.Undo.name outside an undo group")
            host.open_step.name = name

        @staticmethod
        def end() -> None:
            host.on_main("nuke.Undo.end")
            host.end_undo()

        @staticmethod
        def cancel() -> None:
            host.cancel_undo()

        @staticmethod
        def disable() -> None:
            host.undo_off += 1

        @staticmethod
        def enable() -> None:
            host.undo_off -= 1

        @staticmethod
        def disabled() -> bool:
            return bool(host.undo_off)

        def __enter__(self) -> Any:
            self.begin(self._name)
            return self

        def __exit__(self, *error: object) -> None:
            self.end()

    return Undo


def _progress(host: Any) -> type:
    class ProgressTask(Strict):
        """The bar; it stays until the object dies. Only 17 takes more than the name (hosts.md 2.6)."""

        def __init__(self, name: str, *more: Any, **named: Any) -> None:
            if (more or named) and host.version[0] < 17:
                raise TypeError("ProgressTask() takes one argument, the name")
            if set(named) - {"maximum", "flags"} or len(more) > 2:
                raise host.refuse(f"ProgressTask{more}{named}")
            self._number = host.bars_made = host.bars_made + 1
            host.bars[self._number] = name

        def setProgress(self, percent: int) -> None:
            host.need(int, percent, "setProgress")
            host.progress.append(percent)

        def setMessage(self, text: str) -> None:
            host.need_text(text, "setMessage")

        def isCancelled(self) -> bool:
            at = host.cancel_progress_at
            return at is not None and bool(host.progress) and host.progress[-1] >= at

        def __del__(self) -> None:
            host.bars.pop(self.__dict__.get("_number", 0), None)

    return ProgressTask


def knob_classes(host: Any) -> dict[str, type]:
    """The knob classes of one host; each knows it, so that a knob made by Python does too."""
    kinds = [*TEXTS, *WIDTHS, "Enumeration_Knob", "Unread_Knob", "Obsolete_Knob", ""]
    base = type("Knob", (Knob,), {"_host": host})
    classes = {
        kind: base if not kind else type(kind, (BASES.get(kind, Knob),), {"_host": host, "_kind": kind})
        for kind in kinds
    }
    classes["RotoKnob"] = type("RotoKnob", (RotoHandle,), {"_host": host})
    return classes
