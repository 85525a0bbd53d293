"""What Python holds of the stand-in Nuke's nodes; handles of knobs and their rules are in nuke_knob_handles."""

from __future__ import annotations

from typing import Any

from fakes.nuke_errors import NotMeasured, StaleNode
from fakes.nuke_knob_handles import Box, Format, FrameRange, Knob, Strict
from fakes.nuke_nodes import NodeModel


class Node(Strict):
    """A handle of one node. Only the host makes them."""

    def __init__(self, host: Any, model: NodeModel):
        self._host, self._model, self._generation = host, model, model.generation

    def _at(self) -> NodeModel:
        self._host.on_main(f"the node {self._model.name}")
        if not self._model.alive or self._model.generation != self._generation:
            raise StaleNode
        return self._model

    def _change(self, what: str) -> NodeModel:
        model = self._at()
        self._host.changing(model, f"{what} {model.name}")
        return model

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and other._model is self._model

    def __hash__(self) -> int:
        return id(self._model)

    def __repr__(self) -> str:
        return f"<{self._at().cls}({self._at().full_name})>"

    # -- about it

    def Class(self) -> str:
        return self._at().cls

    def name(self) -> str:
        return self._host.node_name(self._at())

    def fullName(self) -> str:
        return self._at().full_name

    def setName(self, name: str, uncollide: bool = True, updateExpressions: bool = False) -> None:
        self._host.rename(self._change("rename"), name)

    # -- knobs

    def knob(self, name: str) -> Any:
        model = self._at()
        return self._host.knob_handle(model.knob(name)) if model.has_knob(name) else None

    def __getitem__(self, name: str) -> Any:
        model = self._at()
        if not model.has_knob(name):
            raise self._host.missing_knob(f"knob {name} does not exist")
        return self._host.knob_handle(model.knob(name))

    def knobs(self) -> dict[str, Any]:
        model = self._at()
        return {name: self._host.knob_handle(model.knob(name)) for name in [*model.table(), *model.users]}

    def addKnob(self, knob: Knob) -> None:
        model = self._change("add knob to")
        model.add_knob(knob._model)
        knob._generation = self._generation

    def removeKnob(self, knob: Knob) -> None:
        model = self._change("remove knob from")
        if knob._model.name not in model.users:
            raise ValueError("Cannot remove a built-in knob")
        model.users.remove(knob._model.name)
        del model.knobs[knob._model.name]

    def readKnobs(self, text: str) -> None:
        self._host.read_knobs(self._change("knobs of"), text)

    def writeKnobs(self, *args: Any) -> str:
        self._at()
        raise NotMeasured(f"writeKnobs{args}")

    # -- connections

    def input(self, index: int) -> Any:
        return self._host.handle(self._at().input(index))

    def setInput(self, index: int, node: Any) -> bool:
        model = self._change("connect")
        other = None if node is None else node._at()
        if index >= model.max_inputs or (other is not None and other.parent is not model.parent):
            return False
        model.connect(index, other)
        return True

    def inputs(self) -> int:
        return len(self._at().inputs)

    def maxInputs(self) -> int:
        return self._at().max_inputs

    def minInputs(self) -> int:
        return 1 if self._at().max_inputs else 0

    def dependencies(self, *args: Any) -> list[Any]:
        return [self._host.handle(node) for node in self._at().inputs if node is not None]

    def dependent(self, *args: Any, **more: Any) -> list[Any]:
        return [self._host.handle(node) for node in self._at().dependents()]

    # -- what it computes

    def _info(self) -> Any:
        return self._host.info(self._at(), self._host.frame)

    def format(self) -> Format:
        return Format(self._info().format)

    def bbox(self) -> Box:
        return Box(self._info().bbox)

    def width(self) -> int:
        return self._info().format.width

    def height(self) -> int:
        return self._info().format.height

    def pixelAspect(self) -> float:
        return self._info().format.aspect

    def channels(self) -> list[str]:
        return sorted(self._info().channels)

    def firstFrame(self) -> int:
        return self._host.range_of(self._at())[0]

    def lastFrame(self) -> int:
        return self._host.range_of(self._at())[1]

    def frameRange(self) -> FrameRange:
        return FrameRange(*self._host.range_of(self._at()))

    def opHashes(self) -> list[int]:
        return [self._host.hash_of(self._at())]

    def metadata(self, key: str | None = None, time: float = 0, view: str = "main") -> Any:
        found = self._host.metadata(self._at(), time)
        return found if key is None else found.get(key)

    def hasError(self) -> bool:
        return self._host.error_of(self._at()) is not None

    def error(self) -> bool:
        return self.hasError()

    # -- place, selection and panel

    def setSelected(self, on: bool) -> None:
        self._at().knob("selected").value = [float(on)]

    def isSelected(self) -> bool:
        return bool(self._at().knob("selected").value[0])

    def xpos(self) -> int:
        return int(max(self._at().knob("xpos").value[0], -(2**31)))

    def ypos(self) -> int:
        return int(self._at().knob("ypos").value[0])

    def setXYpos(self, x: int, y: int) -> None:
        with self._host.one_step(f"move {self._at().name}"):
            for name, number in (("xpos", x), ("ypos", y)):
                self._host.changing(self._at().knob(name), "move")
                self._at().knob(name).value = [float(number)]

    def screenWidth(self) -> int:
        self._at()
        return 80

    def screenHeight(self) -> int:
        self._at()
        return 18

    def showControlPanel(self, forceFloat: bool = False) -> None:
        self._host.in_gui("showControlPanel")
        self._at().shown = True

    def hideControlPanel(self) -> None:
        self._at().shown = False

    def shown(self) -> bool:
        return self._at().shown

    def redraw(self) -> None:
        self._at()


class Group(Node):
    """A handle of a Group or of the root."""

    def begin(self) -> Group:
        self._host.contexts.append(self._at())
        return self

    def end(self) -> None:
        if len(self._host.contexts) > 1:
            self._host.contexts.pop()

    def __enter__(self) -> Group:
        return self.begin()

    def __exit__(self, *error: object) -> None:
        self.end()

    def run(self, call: Any) -> Any:
        with self:
            return call()

    def modified(self) -> bool:
        self._at()
        return bool(self._host.is_modified)

    def setModified(self, on: bool) -> None:
        self._at()
        self._host.is_modified = bool(on)

    def node(self, name: str) -> Any:
        return self._host.find(name, self._at())

    def nodes(self) -> list[Node]:
        return [self._host.handle(node) for node in self._at().children]

    def output(self) -> Any:
        return self._host.handle(next((node for node in self._at().children if node.cls == "Output"), None))
