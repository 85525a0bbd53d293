"""The graph of the stand-in Nuke: nodes in containers, names, connections, and reading and writing them as .nk text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fakes.nuke_errors import NotMeasured
from fakes.nuke_knobs import CLASSES, FLAGS, WRITE_FORMATS, KnobModel, user_knob
from fakes.nuke_text import Word, commands, quote

# Most inputs a class takes (hosts.md 8.1 item 5's scan; Group: one for each Input node inside).
INPUTS = {"Read": 0, "Constant": 0, "Input": 0, "StickyNote": 0, "BackdropNode": 0, "Root": 0, "Preferences": 0}
INPUTS.update({"Copy": 3, "Switch": 10000, "Roto": 5, "RotoPaint": 5, "Viewer": 10, "Shuffle2": 2, "Grade": 2})


class NodeModel:
    """One node: its class, place, connections and knobs."""

    def __init__(self, graph: Any, cls: str, parent: NodeModel | None):
        if cls not in CLASSES:
            raise NotMeasured(f"the node class {cls}")
        self.graph, self.cls, self.parent = graph, cls, parent
        self.name = ""
        self.inputs: list[NodeModel | None] = []
        self.children: list[NodeModel] = []
        self.knobs: dict[str, KnobModel] = {}
        self.users: list[str] = []
        self.alive = True
        self.generation = 0
        self.shown = False

    def state(self) -> dict[str, Any]:
        """What an undo step keeps of this node."""
        copied = {name: list(getattr(self, name)) for name in ("inputs", "children", "users")}
        return {**copied, "knobs": dict(self.knobs), "name": self.name, "alive": self.alive, "parent": self.parent}

    def restore(self, state: dict[str, Any]) -> None:
        # Whoever held a handle of a node that undo took away or brought back holds nothing now (hosts.md 8.1 item 3).
        self.generation += self.alive != state["alive"]
        self.__dict__.update(state)

    # -- knobs

    def table(self) -> dict[str, list[Any]]:
        table = CLASSES[self.cls]
        if self.cls != "Write":
            return table
        # The format's own knobs are absent until a file type is set (hosts.md 2.1, Write knob facts).
        kind = self.knobs["file_type"].value if "file_type" in self.knobs else " "
        return {**table, **WRITE_FORMATS.get(kind, {})}

    def has_knob(self, name: str) -> bool:
        return name in self.users or name in self.table()

    def knob(self, name: str) -> KnobModel:
        if not self.has_knob(name):
            raise KeyError(name)
        if name not in self.knobs:
            kind, default, *choices = self.table()[name]
            if kind == "Enumeration_Knob" and name == "view":
                choices = [["\u0007", *self.graph.views]]
            made = KnobModel(name, kind, default, choices[0] if choices else [default or "default"])
            made.node = self
            self.knobs[name] = made
        knob = self.knobs[name]
        if name == "name":
            knob.value = self.own_name
        return knob

    def value(self, name: str, frame: float) -> Any:
        """A knob's value in the simplest form: text, choice, number or list of numbers."""
        knob = self.knob(name)
        if knob.kind == "Enumeration_Knob":
            return knob.choice(frame)
        if knob.default.__class__ is list or knob.expressions or knob.curves:
            numbers = knob.numbers(frame)
            return numbers[0] if len(numbers) == 1 else numbers
        return knob.text_value(frame)

    def add_knob(self, knob: KnobModel) -> None:
        if self.has_knob(knob.name) and knob.name:
            raise NotMeasured(f"a second knob called {knob.name} on {self.full_name}")
        knob.node, knob.user = self, True
        key = knob.name or f"unnamed{len(self.users)}"
        self.knobs[key] = knob
        self.users.append(key)

    # -- names and places

    @property
    def own_name(self) -> str:
        """The node's name; the root's is the script's path once it is saved (hosts.md 2.7)."""
        return self.graph.path or "Root" if self.cls == "Root" else self.name

    @property
    def full_name(self) -> str:
        if self.parent is None or self.parent.parent is None:
            return self.name
        return f"{self.parent.full_name}.{self.name}"

    def child(self, name: str) -> NodeModel | None:
        return next((node for node in self.children if node.name == name), None)

    def inside(self) -> Iterator[NodeModel]:
        for node in self.children:
            yield node
            yield from node.inside()

    def free_name(self, wanted: str) -> str:
        """``wanted``, or its stem with the first number nobody has."""
        taken = {node.name for node in self.children}
        if wanted not in taken:
            return wanted
        stem, number = re.sub(r"\d+$", "", wanted), 1
        while f"{stem}{number}" in taken:
            number += 1
        return f"{stem}{number}"

    # -- connections

    @property
    def max_inputs(self) -> int:
        return len(self.input_nodes()) if self.cls == "Group" else INPUTS.get(self.cls, 1)

    def input_nodes(self) -> list[NodeModel]:
        """A Group's Input nodes in the order of its inputs."""
        found = [node for node in self.children if node.cls == "Input"]
        return sorted(found, key=lambda node: node.knob("number").value[0])

    def input(self, index: int) -> NodeModel | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def connect(self, index: int, node: NodeModel | None) -> None:
        self.inputs += [None] * (index + 1 - len(self.inputs))
        self.inputs[index] = node
        while self.inputs and self.inputs[-1] is None:
            self.inputs.pop()

    def dependents(self) -> list[NodeModel]:
        siblings = self.parent.children if self.parent is not None else []
        return [node for node in siblings if self in node.inputs]


def load(graph: Any, text: str, parent: NodeModel, stack: list[NodeModel | None]) -> list[NodeModel]:
    """Create the nodes of a script text inside ``parent``; the stack is what the text may connect to."""
    return _Loader(graph, text, parent, stack).made


class _Loader:
    """The stack machine that a .nk script is."""

    def __init__(self, graph: Any, text: str, parent: NodeModel, stack: list[NodeModel | None]):
        self.graph, self.parent, self.stack = graph, parent, stack
        self.outer: list[tuple[NodeModel, list[NodeModel | None]]] = []
        self.variables: dict[str, NodeModel | None] = {}
        self.made: list[NodeModel] = []
        for command in commands(text):
            self.run([word.text for word in command], command)
        if self.outer:
            raise RuntimeError("a Group of the script text has no end_group")

    def run(self, texts: list[str], command: list[Word]) -> None:
        verb = texts[0]
        if verb == "push":
            self.stack.append(self._variable(texts[1]))
        elif verb == "set":
            self._set(texts)
        elif verb == "end_group":
            node, self.stack = self.outer.pop()
            self.parent = node.parent  # type: ignore[assignment]
            self.stack.append(node)
        elif verb == "Root":
            self._knobs(self.graph.root, command[1].text)
        elif len(command) == 2 and command[1].kind == "braced" and re.fullmatch(r"[A-Z]\w*", verb):
            self._node(verb, command[1].text)
        elif verb not in ("version", "define_window_layout_xml", "add_layer"):
            raise NotMeasured(f"the script command {verb}")

    def _variable(self, text: str) -> NodeModel | None:
        if text == "0":
            return None
        if not text.startswith("$") or text[1:] not in self.variables:
            raise RuntimeError(f"can't read {text!r}: no such variable")
        return self.variables[text[1:]]

    def _set(self, texts: list[str]) -> None:
        match = re.fullmatch(r"\[stack (\d+)\]", texts[2])
        if match is None:
            raise NotMeasured(f"the script command {' '.join(texts)}")
        back = int(match.group(1))
        self.variables[texts[1]] = self.stack[-1 - back] if back < len(self.stack) else None

    def _node(self, cls: str, body: str) -> None:
        if cls not in CLASSES:
            raise RuntimeError(f"{cls}: Unknown command")
        node = NodeModel(self.graph, cls, self.parent)
        node.name = self.parent.free_name(f"{re.sub(r'Node$|[0-9]+$', '', cls)}1")
        self.graph.adopt(node)
        inputs = self._knobs(node, body)
        count = 1 if inputs is None else sum(int(part) for part in inputs.split("+"))
        for index in range(count):
            source = self.stack.pop() if self.stack else None
            if source is not None:
                node.connect(index, source)
        if not self.outer:
            self.made.append(node)
        if cls == "Group":
            self.outer.append((node, self.stack))
            self.parent, self.stack = node, []
        else:
            self.stack.append(node)

    def _knobs(self, node: NodeModel, body: str) -> str | None:
        inputs = None
        for line in commands(body):
            name = line[0].text
            if name == "inputs":
                inputs = line[1].text
            elif name == "addUserKnob":
                node.add_knob(user_knob(line[1].text))
            elif name == "name" and node.cls != "Root":
                node.name = ""
                node.name = self.parent.free_name(line[1].text)
            elif name == "name":
                pass
            elif len(line) != 2:
                raise NotMeasured(f"the line of {len(line)} words that starts with {name} in a {node.cls}")
            elif not node.has_knob(name):
                # A real Nuke reports it and goes on; a text of ours must never do it (hosts.md 8.1 item 5).
                raise RuntimeError(f"{node.cls}: no such knob: {name}")
            else:
                node.knob(name).from_text(line[1])
        return inputs


def script(nodes: list[NodeModel], indent: str = "") -> str:
    """The text of some nodes of one container, in an order in which every input stands before its user."""
    names = {id(node): f"N{index:x}" for index, node in enumerate(_sorted(nodes), 0x1000)}
    lines: list[str] = []
    for node in _sorted(nodes):
        inputs = [source if source is not None and id(source) in names else None for source in node.inputs]
        lines += [f"{indent}push {'$' + names[id(source)] if source else 0}" for source in reversed(inputs)]
        lines.append(body(node, indent, len(inputs)))
        if node.cls == "Group":
            lines.append(script(node.children, indent + " ") + indent + "end_group")
        lines.append(f"{indent}set {names[id(node)]} [stack 0]")
    return "".join(line + "\n" if not line.endswith("\n") else line for line in lines)


def body(node: NodeModel, indent: str, inputs: int) -> str:
    """``Class {`` knobs ``}`` of one node."""
    lines = [f"{indent} inputs {inputs}"] if inputs != 1 else []
    users = [name for name in node.users if not node.knobs[name].flags & FLAGS["DO_NOT_WRITE"]]
    for name, knob in node.knobs.items():
        if name not in node.users and name not in ("name", "selected") and _written(knob):
            lines.append(f"{indent} {quote(name)} {knob.to_text()}")
    lines.append(f"{indent} name {quote(node.own_name)}")
    for name in users:
        knob = node.knobs[name]
        lines.append(f"{indent} {knob.definition()}")
        if knob.kind not in ("Tab_Knob", "PyScript_Knob", "Text_Knob", "Link_Knob") and not knob.is_default:
            lines.append(f"{indent} {quote(name)} {knob.to_text()}")
    return f"{indent}{node.cls} {{\n" + "\n".join(lines) + f"\n{indent}}}"


def _written(knob: KnobModel) -> bool:
    return knob.roto is not None or not knob.is_default


def _sorted(nodes: list[NodeModel]) -> list[NodeModel]:
    done: dict[int, NodeModel] = {}
    among = {id(node) for node in nodes}

    def visit(node: NodeModel) -> None:
        if id(node) in done or id(node) not in among:
            return
        for source in node.inputs:
            if source is not None:
                visit(source)
        done[id(node)] = node

    for node in nodes:
        visit(node)
    return list(done.values())
