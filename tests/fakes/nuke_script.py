"""The script a stand-in Nuke holds: its graph, its undo steps, what it renders and the files it is saved in."""

from __future__ import annotations

import base64
import re
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

from fakes import nuke_images
from fakes.nuke_errors import NotMeasured
from fakes.nuke_expressions import expand
from fakes.nuke_images import Format, Image
from fakes.nuke_knobs import CLASSES, KnobModel
from fakes.nuke_nodes import NodeModel, body, load, script
from fakes.nuke_render import Renderer, write_frame

FORMATS = {
    "HD_1080": "1920 1080 0 0 1920 1080 1 HD_1080",
    "2K_Super_35(full-ap)": "2048 1556 0 0 2048 1556 1 2K_Super_35(full-ap)",
    "square_256": "256 256 0 0 256 256 1 square_256",
}
ENCRYPTED = "# Nuke Non-commercial script, encrypted\n"  # hosts.md 2.8: the first line says so


class Step:
    """One entry of Edit > Undo: what every touched thing looked like before."""

    def __init__(self, name: str):
        self.name = name
        self.before: list[tuple[Any, dict[str, Any]]] = []

    def keep(self, model: Any) -> None:
        if all(model is not kept for kept, _ in self.before):
            self.before.append((model, model.state()))


class Script:
    """Graph, undo and rendering of one running host; ``Nuke`` adds the shell around it."""

    hostile: bool
    edition: str
    windows = False

    def clear(self) -> None:
        """An empty, unsaved script. Everybody's handles turn stale."""
        if hasattr(self, "root"):
            for node in [self.root, self.preferences, *self.root.inside()]:
                node.alive = False
                node.generation += 1
        self.path: str | None = None
        self.is_modified = False
        self.root = NodeModel(self, "Root", None)
        self.root.name = "Root"
        self.preferences = NodeModel(self, "Preferences", None)
        self.preferences.name = "preferences"
        self.contexts = [self.root]
        self.touched: dict[int, NodeModel] = {}
        self.steps: list[Step] = []
        self.undo_steps: list[str] = []
        self.open_step: Step | None = None
        self.undo_depth = 0
        self.undo_off = 0
        self.files: dict[tuple[int, str], Image | None] = {}
        self.reloads: dict[int, int] = {}

    # -- undo

    def changing(self, model: Any, name: str) -> None:
        """Called before every change; outside an Undo group each change is a step of its own (hosts.md 2.7)."""
        self.is_modified = True
        if self.undo_off:
            return
        if self.open_step is not None:
            self.open_step.keep(model)
            return
        step = Step(name)
        step.keep(model)
        self._close(step)

    def _close(self, step: Step) -> None:
        if step.before:
            self.steps.append(step)
            self.undo_steps.append(step.name)

    def begin_undo(self, name: str) -> None:
        self.undo_depth += 1
        if self.undo_depth == 1:
            self.open_step = Step(name)

    def end_undo(self) -> None:
        if self.undo_depth == 0:
            raise NotMeasured("Undo.end without Undo.begin")
        self.undo_depth -= 1
        if self.undo_depth == 0:
            step, self.open_step = self.open_step, None
            self._close(step)  # type: ignore[arg-type]

    def cancel_undo(self) -> None:
        step, self.open_step, self.undo_depth = self.open_step, None, 0
        if step is not None:
            self._take_back(step)

    @contextmanager
    def one_step(self, name: str) -> Iterator[None]:
        self.begin_undo(name)
        try:
            yield
        finally:
            self.end_undo()

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """What the artist does by hand makes no steps of the plug-in's."""
        self.undo_off += 1
        try:
            yield
        finally:
            self.undo_off -= 1

    def undo(self) -> None:
        """Take the last step back; in the hostile host every handle of what it touched turns stale."""
        step = self.steps.pop()
        if self.undo_steps:
            self.undo_steps.pop()
        self._take_back(step)

    def _take_back(self, step: Step) -> None:
        for model, state in reversed(step.before):
            model.restore(state)
        if not self.hostile:
            return
        owners = {id(m if isinstance(m, NodeModel) else m.node): m for m, _ in step.before}
        for model in owners.values():
            node = model if isinstance(model, NodeModel) else model.node
            if node is not None and node is not self.root:
                node.generation += 1

    # -- nodes

    def adopt(self, node: NodeModel) -> None:
        parent = node.parent
        assert parent is not None
        self.changing(parent, f"create {node.cls}")
        node.alive = False
        self.changing(node, f"create {node.cls}")
        node.alive = True
        node.generation = 0
        parent.children.append(node)

    def make(self, cls: str, parent: NodeModel) -> NodeModel:
        if cls not in CLASSES or cls in ("Root", "Preferences"):
            raise RuntimeError(f"{cls}: Unknown command")
        node = NodeModel(self, cls, parent)
        node.name = parent.free_name(f"{re.sub(r'Node$|[0-9]+$', '', cls)}1")
        self.adopt(node)
        return node

    def paste(self, text: str, parent: NodeModel) -> list[NodeModel]:
        """Paste script text: one undo step, the pasted nodes end up selected, the first is wired to the selection.

        hosts.md 2.5 says so of ``createNode``; for ``nodePaste`` it is from memory, so it is the hostile variant.
        """
        selected = [node for node in parent.children if node.knob("selected").value[0]]
        stack: list[NodeModel | None] = [selected[-1]] if selected and self.hostile else []
        with self.one_step("Paste"):
            made = load(self, text, parent, stack)
        for node in parent.children:
            node.knob("selected").value = [float(node in made)]
        return made

    def remove(self, node: NodeModel) -> None:
        """Delete a node and all that is inside it; its users are left unconnected."""
        assert node.parent is not None
        with self.one_step(f"delete {node.name}"):
            self.changing(node.parent, "delete")
            for user in node.dependents():
                self.changing(user, "disconnect")
                user.inputs = [None if source is node else source for source in user.inputs]
            node.parent.children.remove(node)
            for gone in [*node.inside(), node]:
                self.changing(gone, "delete")
                gone.alive = False
                gone.generation += 1

    def rename(self, node: NodeModel, name: str) -> None:
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ValueError(f"Node name is not valid: {name}")
        self.changing(node, f"rename {node.name}")
        node.name = ""
        node.name = node.parent.free_name(name) if node.parent is not None else name

    def find_model(self, path: str, context: NodeModel) -> NodeModel | None:
        """A node by its dotted name, from a context; a leading ``root`` starts at the top."""
        if path == "root":
            return self.root
        if path == "preferences":
            return self.preferences
        node: NodeModel | None = context
        for step in path.split("."):
            if node is None:
                return None
            node = self.root if step == "root" and node is context else node.child(step)
        return node

    # -- formats, frames, views

    @property
    def views(self) -> list[str]:
        return [line.split()[0] for line in str(self.root.knob("views").value).splitlines()]

    @views.setter
    def views(self, names: list[str]) -> None:
        self.root.knob("views").value = "\n".join(names)

    @property
    def frame(self) -> float:
        return float(self.root.knob("frame").value[0])

    @property
    def proxy(self) -> bool:
        return bool(self.root.knob("proxy").value[0])

    def root_format(self) -> Format:
        return _format(self.root.knob("format").value or FORMATS["HD_1080"])

    def format_of(self, knob: KnobModel) -> Format:
        return _format(knob.value) if knob.value else self.root_format()

    def range_of(self, node: NodeModel) -> tuple[int, int]:
        """First and last frame of a node: those of the Read above it, moved; without one those of the script."""
        if node.cls == "Read":
            first, last = (int(node.knob(name).number(self.frame)) for name in ("first", "last"))
            mode, text = node.value("frame_mode", self.frame), node.knob("frame").value
            if mode == "start at" and text:
                return int(text), int(text) + last - first
            return (first - int(text), last - int(text)) if mode == "offset" and text else (first, last)
        above = node.input(0)
        if node.cls == "Group":
            above = next((child for child in node.children if child.cls == "Output"), None)
        elif node.cls == "Input" and node.parent is not None:
            above = node.parent.input(node.parent.input_nodes().index(node))
        if above is None or node is self.root:
            return int(self.root.knob("first_frame").value[0]), int(self.root.knob("last_frame").value[0])
        moved = int(node.knob("time_offset").value[0]) if node.cls == "TimeOffset" else 0
        first, last = self.range_of(above)
        return first + moved, last + moved

    def range_loaded(self, node: NodeModel, first: int, last: int) -> None:
        """The script's only Read moves the frame range unless it is locked (hosts.md 2.7, Root reference)."""
        reads = [other for other in self.root.inside() if other.cls == "Read"]
        if self.hostile and reads == [node] and not self.root.knob("lock_range").value[0]:
            for name, number in (("first_frame", first), ("last_frame", last)):
                self.root.knob(name).value = [float(number)]

    # -- computing

    def info(self, node: NodeModel, frame: float) -> Image:
        """Format, bounding box and channel names of a node, at proxy size when proxy mode is on."""
        if node is self.root:
            made = nuke_images.black(self.root_format())
        else:
            made = Renderer(self, pixels=False).image(node, frame, self.views[0])
        return nuke_images.halved(made) if self.proxy else made

    def cached(self, node: NodeModel, path: str, load_file: Callable[[], Image | None]) -> Image | None:
        """A Read's file, looked at once: what changes on disk shows after ``reload`` (hosts.md 2.5, from memory)."""
        key = (id(node), path)
        if not self.hostile:
            return load_file()
        if key not in self.files:
            self.files[key] = load_file()
        return self.files[key]

    def reload(self, node: NodeModel) -> None:
        self.files = {key: image for key, image in self.files.items() if key[0] != id(node)}
        self.reloads[id(node)] = self.reloads.get(id(node), 0) + 1

    def error_of(self, node: NodeModel) -> str | None:
        try:
            Renderer(self).image(node, self.frame, self.views[0])
        except RuntimeError as error:
            return str(error)
        return None

    def hash_of(self, node: NodeModel) -> int:
        """A number that changes with anything upstream as it is at one frame, as ``opHashes`` does.

        From memory, and so the hostile way: the current frame is in it, but for what a FrameHold holds still; keys at
        other frames are not.
        """
        seen: list[str] = []

        def visit(current: NodeModel | None, frame: float) -> None:
            if current is None:
                return
            animated = [name for name, knob in current.knobs.items() if knob.curves or knob.expressions]
            if animated:
                seen.extend(f"{name} {current.value(name, frame)}" for name in animated)
            else:
                seen.append(body(current, "", len(current.inputs)))
            seen.append(str(self.reloads.get(id(current), 0)))
            if current.cls == "Input":
                visit(current.parent.input(current.parent.input_nodes().index(current)), frame)
                return
            if current.cls == "FrameHold":
                frame = current.knob("firstFrame").number(frame)
            elif self.hashes_by_frame:
                seen.append(str(frame))
            for other in [*current.inputs, *current.children]:
                visit(other, frame)

        visit(node, self.frame)
        return zlib.crc32("".join(seen).encode())

    def metadata(self, node: NodeModel, frame: float) -> dict[str, Any]:
        """The ``input/...`` entries of the Read above a node."""
        source: NodeModel | None = node
        while source is not None and source.cls != "Read":
            source = source.input(0)
        if source is None:
            return {}
        at = int(frame or self.frame)
        image = self.info(source, at)
        path = expand(source.knob("file").text_value(at), at)
        return {
            "input/filename": path,
            "input/frame": at,
            "input/width": image.format.width,
            "input/height": image.format.height,
        }

    def file_name(self, knob: KnobModel, frame: float) -> str:
        text = knob.text_value(frame, self.views[0])
        return expand(text, int(frame), self.views[0]) if knob.kind == "File_Knob" else text

    # -- files

    def text(self) -> str:
        major, minor, release = self.version  # type: ignore[attr-defined]
        lines = [f"#! stand-in\nversion {major}.{minor} v{release}\n"]
        return "".join(lines) + body(self.root, "", 0) + "\n" + script(self.root.children)

    def write_script(self, path: str) -> None:
        self.path = str(path).replace("\\", "/")
        text = self.text()
        if self.edition != "full":
            text = ENCRYPTED + base64.b85encode(zlib.compress(text.encode())).decode() + "\n"
        Path(path).write_text(text, encoding="utf-8")
        self.is_modified = False

    def read_script(self, path: str) -> None:
        text = Path(path).read_text(encoding="utf-8")
        if text.startswith(ENCRYPTED):
            text = zlib.decompress(base64.b85decode(text[len(ENCRYPTED) :].strip())).decode()
        with self.unseen():
            load(self, text, self.root, [])
        self.path = str(path).replace("\\", "/")
        self.is_modified = False


class Rendering(Script):
    """``nuke.execute``: really writes files, and fails the ways hosts.md 2.1 and 8.1 item 2 list."""

    def prepare_rendering(self) -> None:
        self.rendered: list[str] = []
        self.cancels: set[int] = set()
        self.failures: set[int] = set()
        self.empty: set[int] = set()
        self.lost: set[int] = set()
        self.executing = 0.0

    def cancel_render_at(self, frame: int) -> None:
        self.cancels.add(frame)

    def fail_render_at(self, frame: int) -> None:
        self.failures.add(frame)

    def empty_files_at(self, frame: int) -> None:
        self.empty.add(frame)

    def lose_files_at(self, frame: int) -> None:
        self.lost.add(frame)

    def render(self, node: NodeModel, frames: list[int], views: list[str] | None, go_on: bool) -> None:
        """Render a Write over some frames.

        Raises:
            RuntimeError: the node is disabled or no Write, a frame failed, or the artist cancelled.
        """
        started = time.perf_counter()
        try:
            self._render(node, frames, views, go_on)
        finally:
            self.executing += time.perf_counter() - started

    def _render(self, node: NodeModel, frames: list[int], views: list[str] | None, go_on: bool) -> None:
        if node.cls != "Write":
            raise RuntimeError(f"{node.name} is not executable")
        self._code(node, "beforeRender")
        for frame in frames:
            if node.knob("disable").number(frame):
                raise RuntimeError(f"{node.name} is disabled")
            for view in views or str(node.knob("views").value).split():
                if view not in self.views:
                    raise RuntimeError(f"{node.name}: no view called {view}")
                self._code(node, "beforeFrameRender")
                self._one(node, frame, view, go_on)
                self._code(node, "afterFrameRender")
            self.between_frames()
        self._code(node, "afterRender")

    def _one(self, node: NodeModel, frame: int, view: str, go_on: bool) -> None:
        if frame in self.cancels:
            self.cancels.discard(frame)
            raise RuntimeError("Cancelled")
        limits = [int(node.knob(name).number(frame)) for name in ("first", "last")]
        if node.knob("use_limit").number(frame) and not limits[0] <= frame <= limits[1]:
            return
        try:
            if frame in self.failures:
                raise RuntimeError(f"{node.name}: frame {frame} could not be rendered")
            path = write_frame(self, node, frame, view)
        except RuntimeError:
            if go_on:
                return
            raise
        if frame in self.empty:
            Path(path).write_bytes(b"")
        if frame in self.lost:
            Path(path).unlink()
        self.rendered.append(path)

    def _code(self, node: NodeModel, name: str) -> None:
        raise NotImplementedError

    def between_frames(self) -> None:
        raise NotImplementedError


def _format(text: str) -> Format:
    numbers = re.match(r"(\d+) (\d+)(?: \d+ \d+ \d+ \d+)?(?: ([\d.]+))?(?: (\S.*))?$", FORMATS.get(text, text).strip())
    if numbers is None:
        raise NotMeasured(f"the format {text!r}")
    width, height, aspect, name = numbers.groups()
    return Format(int(width), int(height), float(aspect or 1), name or "")
