"""A stand-in Nuke that works: a real graph, real .nk files, real EXRs, and the ways the real one fails.

``Nuke`` is the host: its main loop, editions, versions and windows. ``host.module`` is what ``import nuke`` gives a
plug-in. Everything here follows hosts.md 8 and 8.1, cited by section; what rests on memory there defaults to the
hostile variant and can be switched by the attribute named beside it. What nobody measured raises ``NotMeasured``, and
leaving the host with one swallowed raises it again.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import traceback
import types
from pathlib import Path
from typing import Any

from fakes import nuke_errors, nuke_module, nuke_qt, nuke_windows
from fakes.nuke_artist import Artist
from fakes.nuke_errors import Deadlock, NotMeasured
from fakes.nuke_handles import Group, Node
from fakes.nuke_knobs import TEXTS, WIDTHS, KnobModel
from fakes.nuke_nodes import NodeModel
from fakes.nuke_running import Running
from fakes.nuke_text import commands

__all__ = ["Deadlock", "NotMeasured", "Nuke"]

MOST_HANDLES = 10  # hosts.md 2.8: Indie and Non-commercial
FRAME_SERVER_PORT = 5560  # hosts.md 1.3
OURS = ("nuke", "nukescripts", "PySide2", "PySide6", "zmq")


class Nuke(Running):
    """One running Nuke.

    Args:
        version: (major, minor, release), 14 to 17.
        edition: "full", "indie" or "nc".
        gui: False is ``nuke -t``.
        home: the artist's home folder, so that ``~/.nuke`` is ``home / ".nuke"``; None leaves it alone.
        hostile: the worse variant of everything hosts.md knows from memory only.
        windows: File knobs refuse backslashes.
    """

    def __init__(
        self,
        version: tuple[int, int, int] | tuple[int, int] = (16, 0),
        edition: str = "full",
        gui: bool = True,
        home: Path | None = None,
        hostile: bool = True,
        windows: bool = False,
    ):
        major, minor, *release = version
        self.version = (major, minor, release[0] if release else 1)
        self.edition, self.gui, self.home, self.hostile, self.windows = edition, gui, home, hostile, windows
        # Switches of single quirks. Both classes of error are seen in public code (8.1 item 5 says KeyError).
        self.missing_knob: type[Exception] = NameError
        self.button_inside = hostile  # a Group's button runs with the Group as the current group; from memory
        self.timers_while_rendering = hostile  # the progress bar of nuke.execute runs the event loop; from memory
        self.hashes_by_frame = hostile  # an op's hash holds the frame it is asked for; from memory
        self.cancel_progress_at: int | None = None
        self.messages: list[str] = []
        self.asked: list[str] = []
        self.printed: list[str] = []
        self.refused = nuke_errors.refusals
        self.errors_in_callbacks: list[str] = []
        self.broken: str | None = None
        self.held = 0.0
        self.progress: list[int] = []
        self.bars: dict[int, str] = {}
        self.bars_made = 0
        self.panels: dict[str, str] = {}
        self.open_panels: dict[str, Any] = {}
        self.panes = {"Properties.1", "DAG.1", "Viewer.1"}
        self.plugin_path: list[str] = []
        self.main = types.ModuleType("__main__")
        self.artist = Artist(self)

    # -- life

    def __enter__(self) -> Nuke:
        self.prepare_running()
        self.refused.clear()
        self.callbacks: dict[str, list[Any]] = {name: [] for name in nuke_module.CALLBACKS}
        self.menus = {name: nuke_windows.Menu(self, name) for name in ("Nuke", "Nodes", "Pane")}
        self.knob_classes = nuke_module.knob_classes(self)
        self.timers = nuke_qt.Timers()
        self.sockets: list[socket.socket] = []
        self.prepare_rendering()
        self.clear()
        self._before = (
            dict(sys.modules),
            list(sys.path),
            {name: os.environ.get(name) for name in ("HOME", "USERPROFILE")},
        )
        self._qt()
        self.module = nuke_module.build(self)
        sys.modules["nuke"] = self.module
        sys.modules["nuke.rotopaint"] = self.rotopaint
        sys.modules.update(nuke_windows.build_nukescripts(self))
        self.main.__dict__["nuke"] = self.module
        if self.home is not None:
            os.environ["HOME"] = os.environ["USERPROFILE"] = str(self.home)
        return self

    def __exit__(self, kind: type | None, error: object, trace: object) -> None:
        self.kill()
        if kind is None and self.refused:
            raise self.refused[0]

    def kill(self) -> None:
        """The process is gone: no callback runs, nothing is saved."""
        modules, path, environment = self._before
        for name in list(sys.modules):
            top, module = name.split(".")[0], sys.modules[name]
            # A real Qt stays loaded: it cannot be imported twice into one process.
            stand_in = top in OURS and (module is None or not getattr(module, "__spec__", None))
            if stand_in or name.startswith(("matted_nuke", "_matted")):
                del sys.modules[name]
        for name, module in modules.items():
            if name.split(".")[0] in OURS:
                sys.modules[name] = module
        sys.path[:] = path
        for name, value in environment.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        for open_socket in self.sockets:
            open_socket.close()
        self._stop_qt()
        self.stop_running()
        self.sockets, self.timers.all = [], []
        self.clear()

    def _qt(self) -> None:
        """The Qt of this version, and only that one (hosts.md 1.1)."""
        own, other = ("PySide6", "PySide2") if self.version[0] >= 16 else ("PySide2", "PySide6")
        self.application: Any = None
        if own == "PySide6" and self.gui:
            os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
            try:
                widgets = importlib.import_module("PySide6.QtWidgets")
                self.application = widgets.QApplication.instance() or widgets.QApplication([])
            except ImportError:
                self.application = None
        if self.application is None:
            nuke_qt.install(own, self.timers)
        for name in [other, *(name for name in sys.modules if name.startswith(f"{other}."))]:
            sys.modules[name] = None  # type: ignore[assignment]

    def _stop_qt(self) -> None:
        """Windows and timers of a real Qt outlive the host's modules; nothing of them may reach the next test."""
        if self.application is None:
            return
        core, shiboken = importlib.import_module("PySide6.QtCore"), importlib.import_module("shiboken6")
        for timer in [found for found in shiboken.getAllValidWrappers() if isinstance(found, core.QTimer)]:
            timer.stop()
        for window in self.application.topLevelWidgets():
            window.close()
            window.deleteLater()
        self.application.processEvents()

    # -- who may do what

    def refuse(self, what: str, kind: type[Exception] = NotMeasured) -> Exception:
        """An error to raise."""
        return kind(what)

    def in_gui(self, what: str) -> None:
        if not self.gui:
            raise RuntimeError(f"{what}: Invalid function call in non-gui mode")  # hosts.md 2.5

    def need(self, kind: type, value: Any, what: str) -> None:
        """17's bindings take the exact type (hosts.md 0 fact 4)."""
        if self.version[0] >= 17 and not isinstance(value, kind):
            raise TypeError(f"{what}(): incompatible function arguments: {type(value).__name__}")

    def need_text(self, value: Any, what: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"{what}(): incompatible function arguments: {type(value).__name__}")

    def check_type(self, knob: KnobModel, value: Any) -> None:
        what = f"setValue of the {knob.kind} {knob.name}"
        if isinstance(value, os.PathLike):
            raise TypeError(f"{what}: {type(value).__name__}")
        if knob.kind in TEXTS and knob.kind != "Format_Knob":
            self.need(str, value, what)
        elif knob.kind == "Int_Knob":
            self.need(int, value, what)
        elif knob.kind in WIDTHS and isinstance(value, str):
            raise TypeError(f"{what}: str")

    # -- handles

    def handle(self, model: NodeModel | None) -> Any:
        """A Python handle; the 11th node of a script is refused in Indie and Non-commercial (hosts.md 2.8)."""
        self.on_main("nuke")
        if model is None:
            return None
        if id(model) not in self.touched and self.edition != "full" and len(self.touched) >= MOST_HANDLES:
            raise RuntimeError(f"Limited to {MOST_HANDLES} nodes in this edition: {model.full_name}")
        self.touched[id(model)] = model
        return (Group if model.cls in ("Group", "Root") else Node)(self, model)

    @property
    def handles(self) -> int:
        return len(self.touched)

    def knob_class(self, kind: str) -> type:
        return self.knob_classes[kind]

    def knob_handle(self, model: KnobModel) -> Any:
        handle = object.__new__(self.knob_classes.get(model.kind, self.knob_classes[""]))
        handle.__dict__.update(_model=model, _generation=model.node.generation)
        return handle

    def node_name(self, model: NodeModel) -> str:
        return model.own_name

    def find(self, path: str, context: NodeModel) -> Any:
        return self.handle(self.find_model(path, context))

    def model(self, node: Any) -> NodeModel:
        """A model from a name, a handle or itself."""
        if isinstance(node, NodeModel):
            return node
        found = self.find_model(node, self.root) if isinstance(node, str) else node._model
        if found is None:
            raise KeyError(node)
        return found

    # -- creating

    def create(self, cls: str, knobs: dict[str, Any]) -> Any:
        self.on_main(f"nuke.nodes.{cls}")
        with self.one_step(f"create {cls}"):
            model = self.make(cls, self.contexts[-1])
            node = self.handle(model)
            for name, value in knobs.items():
                if name == "inputs":
                    for index, source in enumerate(value):
                        node.setInput(index, source)
                else:
                    node[name].setValue(value)
        self.call_back("OnCreate", model)
        return node

    def create_in_gui(self, cls: str, knobs: str, inpanel: bool) -> Any:
        """Connects to the selection and may open the panel; not in a terminal (hosts.md 2.5)."""
        self.on_main("nuke.createNode")
        self.in_gui("createNode")
        context = self.contexts[-1]
        with self.one_step(f"create {cls}"):
            model = self.make(cls, context)
            selected = [n for n in context.children if n.knob("selected").value[0]]
            if selected and model.max_inputs:
                model.connect(0, selected[-1])
            self.read_knobs(model, knobs)
        for node in context.children:
            node.knob("selected").value = [float(node is model)]
        model.shown = inpanel
        for name in ("OnUserCreate", "OnCreate"):
            self.call_back(name, model)
        return self.handle(model)

    def read_knobs(self, model: NodeModel, text: str) -> None:
        for line in commands(text):
            knob = model.knob(line[0].text)
            self.changing(knob, f"knob {knob.name}")
            knob.from_text(line[1])

    def paste_file(self, path: str) -> Any:
        text = Path(path).read_text(encoding="utf-8") if Path(path).is_file() else None
        if text is None:
            raise RuntimeError(f"{path}: can't read file")
        made = self.paste(text, self.contexts[-1])
        if self.hostile:  # pasted nodes land near the mouse, not where the text says; from memory
            for node in made:
                for name, shift in (("xpos", 37), ("ypos", 41)):
                    node.knob(name).value = [max(node.knob(name).value[0], 0) + shift]
        for node in made:
            for inner in [node, *node.inside()]:
                self.created(inner)
        return self.handle(made[-1]) if made else None

    def created(self, model: NodeModel) -> None:
        """``onCreate`` of a node that was created or loaded, then everybody's callbacks."""
        code = model.knob("onCreate").value
        if code:
            self._guarded(lambda: self._run_code(code, model, None))
        self.call_back("OnCreate", model)

    # -- rendering

    def execute(
        self,
        node: Any,
        start: int | None = None,
        end: int | None = None,
        incr: int = 1,
        views: list[str] | None = None,
        continueOnError: bool = False,
    ) -> None:
        self.on_main("nuke.execute")
        for number in (start, end, incr):
            if number is not None:
                self.need(int, number, "execute")
        if isinstance(node, str):
            model = self.find_model(node, self.contexts[-1])
            if model is None:
                raise RuntimeError(f"{node}: no such node")
        else:
            model = node._at()
        first = int(self.root.knob("first_frame").value[0]) if start is None else int(start)
        last = int(self.root.knob("last_frame").value[0]) if start is None and end is None else int(end or first)
        last = int(end) if end is not None else last
        self.render(model, list(range(first, last + 1, int(incr))), views, continueOnError)

    # -- files of the script

    def save(self, path: Any) -> None:
        self.call_back("OnScriptSave", self.root)
        self.write_script(str(path))

    def open(self, path: Any) -> None:
        self.close()
        self.read_script(str(path))
        for node in list(self.root.inside()):
            self.created(node)
        self.call_back("OnScriptLoad", self.root)

    def close(self) -> None:
        self.call_back("OnScriptClose", self.root)
        self.clear()

    # -- starting

    def startup(self, folders: list[Any] | None = None) -> None:
        """Run each folder's init.py, then, with a GUI, each menu.py (hosts.md 1.2).

        An exception at import leaves its text in ``broken``: the real Nuke would refuse to start (8.1 item 14).
        """
        folders = [str(folder) for folder in (folders if folders is not None else [Path.home() / ".nuke"])]
        try:
            for folder in folders:
                self._join(folder, first=False)
                self._start(folder, "init.py")
            for folder in list(self.plugin_path) if self.gui else []:
                self._start(folder, "menu.py")
        except Exception:
            self.broken = traceback.format_exc()

    def _join(self, folder: str, *, first: bool) -> None:
        self.plugin_path.insert(0 if first else len(self.plugin_path), folder)
        sys.path.insert(0 if first else len(sys.path), folder)

    def _start(self, folder: str, name: str) -> None:
        path = Path(folder) / name
        if path.is_file():
            before = self.main.__dict__.get("__file__")
            self.main.__dict__["__file__"] = str(path)
            with self._watched():
                exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), self.main.__dict__)
            self.main.__dict__["__file__"] = before

    def add_plugin_path(self, paths: Any, *, first: bool) -> None:
        """``pluginAddPath`` prepends (hosts.md 1.2); the new folder's init.py runs there and then."""
        for path in [paths] if isinstance(paths, str) else list(paths):
            self.need_text(path, "pluginAddPath")
            if path not in self.plugin_path:
                self._join(path, first=first)
                self._start(path, "init.py")

    # -- Nuke's own neighbours

    def occupy_frame_server_port(self) -> None:
        """Nuke's frame server sits on 5560 (hosts.md 1.3, 8.1 item 15)."""
        server = socket.socket()
        try:
            server.bind(("127.0.0.1", FRAME_SERVER_PORT))
            server.listen()
        except OSError:  # somebody else has it: just as taken
            server.close()
            return
        self.sockets.append(server)

    def preload_zmq(self) -> types.ModuleType:
        """Nuke's own ``zmq``, imported before any plug-in (hosts.md 1.3, 8.1 item 15)."""
        theirs = types.ModuleType("zmq")
        theirs.__file__ = "/Nuke/pythonextensions/site-packages/zmq/__init__.py"
        theirs.__path__ = []
        sys.modules["zmq"] = theirs
        return theirs

    @property
    def rotopaint(self) -> Any:
        from fakes.nuke_rotopaint import rotopaint

        return rotopaint
