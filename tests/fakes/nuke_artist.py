"""What an artist does by hand in the stand-in Nuke: no handles, no undo steps of the plug-in's, models throughout."""

from __future__ import annotations

from typing import Any

import numpy as np

from fakes.nuke_images import halved, inside
from fakes.nuke_knobs import KnobModel
from fakes.nuke_nodes import NodeModel
from fakes.nuke_render import Renderer


class Artist:
    def __init__(self, host: Any):
        self.host = host

    def node(self, cls: str, name: str = "", parent: str = "", **knobs: Any) -> str:
        """A new node, unconnected and unselected; returns its full name."""
        with self.host.unseen():
            model = self.host.make(cls, self.host.model(parent) if parent else self.host.root)
            if name:
                self.host.rename(model, name)
        for knob, value in knobs.items():
            self.set(model.full_name, knob, value)
        return model.full_name

    def connect(self, name: str, index: int, other: str | None) -> None:
        self._model(name).connect(index, None if other is None else self._model(other))

    def paste(self, text: str, parent: str = "") -> list[str]:
        with self.host.unseen():
            made = self.host.paste(text, self._model(parent) if parent else self.host.root)
        for node in made:
            for inner in [node, *node.inside()]:
                self.host.created(inner)
        return [node.full_name for node in made]

    def select(self, names: Any) -> None:
        chosen = [names] if isinstance(names, str) else list(names)
        for node in self.host.root.inside():
            node.knob("selected").value = [float(node.full_name in chosen)]

    def rename(self, name: str, new: str) -> str:
        model = self._model(name)
        with self.host.unseen():
            self.host.rename(model, new)
        return model.full_name

    def delete(self, name: str) -> None:
        with self.host.unseen():
            self.host.remove(self._model(name))

    def set(self, name: str, knob: str, value: Any) -> None:
        """Type a value into a knob: numbers, text, a choice, or ``{frame: value}`` for keys."""
        model = self._knob(name, knob)
        self.host.is_modified = True
        if model.kind == "Enumeration_Knob":
            model.choose(value)
        elif isinstance(value, dict):
            model.curves[0] = {float(frame): float(number) for frame, number in value.items()}
        elif isinstance(model.value, list):
            numbers = list(value) if isinstance(value, (list, tuple)) else [value] * len(model.value)
            model.value = [float(number) for number in numbers]
            model.curves, model.expressions = {}, {}
        else:
            model.value = str(value)
        with self.host.unseen():
            self.host.knob_changed(model)

    def knob(self, name: str, knob: str) -> Any:
        """What a knob shows at the current frame: text, choice, number or list of numbers."""
        model = self._knob(name, knob)
        if model.roto is not None:
            return model.roto
        return model.node.value(knob, self.host.frame) if isinstance(model.value, list) else self._text(model)

    def _text(self, model: KnobModel) -> Any:
        if model.kind == "Enumeration_Knob":
            return model.choice(self.host.frame)
        return model.value

    def nodes(self) -> list[str]:
        return [node.full_name for node in self.host.root.inside()]

    def cls(self, name: str) -> str:
        return self._model(name).cls

    def input(self, name: str, index: int = 0) -> str | None:
        found = self._model(name).input(index)
        return None if found is None else found.full_name

    def image(self, name: str, frame: int, view: str = "main") -> dict[str, np.ndarray]:
        """The node's picture in the Viewer: the format's pixels of each channel, top row first."""
        made = Renderer(self.host).image(self._model(name), frame, view)
        made = halved(made) if self.host.proxy else made
        return dict(inside(made, made.format.box).channels)

    def bbox(self, name: str, frame: int) -> tuple:
        return tuple(Renderer(self.host).image(self._model(name), frame, "main").bbox)

    def _model(self, name: str) -> NodeModel:
        return self.host.model(name)

    def _knob(self, name: str, knob: str) -> KnobModel:
        model = self._model(name)
        if not model.has_knob(knob):
            raise KeyError(f"{name}.{knob}")
        return model.knob(knob)
