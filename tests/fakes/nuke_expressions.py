"""Expressions of number knobs and Tcl inside text knobs, as far as a plug-in needs them; the rest is NotMeasured."""

from __future__ import annotations

import math
import os
import posixpath
import re
from typing import Any, Callable

from fakes.nuke_errors import NotMeasured

TOKEN = re.compile(r"\s*(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|[A-Za-z_][\w.]*|==|!=|<=|>=|&&|\|\||[-+*/%<>!?:(),])")
LEVELS: list[dict[str, Callable[[float, float], float]]] = [
    {"||": lambda a, b: float(bool(a) or bool(b))},
    {"&&": lambda a, b: float(bool(a) and bool(b))},
    {"==": lambda a, b: float(a == b), "!=": lambda a, b: float(a != b)},
    {
        "<": lambda a, b: float(a < b),
        ">": lambda a, b: float(a > b),
        "<=": lambda a, b: float(a <= b),
        ">=": lambda a, b: float(a >= b),
    },
    {"+": lambda a, b: a + b, "-": lambda a, b: a - b},
    {"*": lambda a, b: a * b, "/": lambda a, b: a / b, "%": math.fmod},
]
FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "int": lambda a: float(int(a)),
    "floor": lambda a: float(math.floor(a)),
    "ceil": lambda a: float(math.ceil(a)),
    "clamp": lambda a, low=0.0, high=1.0: min(max(a, low), high),
}


def evaluate(text: str, node: Any, frame: float) -> float:
    """The number an expression of one of ``node``'s knobs has at a frame."""
    if "[" in text:
        text = substitute(text, node, frame)
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if match is None:
            raise NotMeasured(f"the expression {text!r}")
        tokens.append(match.group(1))
        at = match.end()
    parser = _Parser(tokens, text, node, frame)
    value = parser.choice()
    if parser.tokens:
        raise NotMeasured(f"the expression {text!r}")
    return value


class _Parser:
    def __init__(self, tokens: list[str], text: str, node: Any, frame: float):
        self.tokens, self.text, self.node, self.frame = tokens, text, node, frame

    def take(self, wanted: str = "") -> str:
        if not self.tokens or (wanted and self.tokens[0] != wanted):
            raise NotMeasured(f"the expression {self.text!r}")
        return self.tokens.pop(0)

    def choice(self) -> float:
        condition = self.level(0)
        if not self.tokens or self.tokens[0] != "?":
            return condition
        self.take("?")
        yes = self.choice()
        self.take(":")
        no = self.choice()
        return yes if condition else no

    def level(self, depth: int) -> float:
        if depth == len(LEVELS):
            return self.unary()
        value = self.level(depth + 1)
        while self.tokens and self.tokens[0] in LEVELS[depth]:
            operator = LEVELS[depth][self.take()]
            value = operator(value, self.level(depth + 1))
        return value

    def unary(self) -> float:
        if self.tokens and self.tokens[0] in ("-", "!"):
            return -self.unary() if self.take() == "-" else float(not self.unary())
        token = self.take()
        if token == "(":
            value = self.choice()
            self.take(")")
            return value
        if token[0].isdigit() or token[0] == ".":
            return float(token)
        if self.tokens and self.tokens[0] == "(":
            return self.call(token)
        return self.name(token)

    def call(self, name: str) -> float:
        if name not in FUNCTIONS:
            raise NotMeasured(f"the expression function {name}")
        self.take("(")
        arguments = [self.choice()]
        while self.tokens and self.tokens[0] == ",":
            self.take(",")
            arguments.append(self.choice())
        self.take(")")
        return float(FUNCTIONS[name](*arguments))

    def name(self, path: str) -> float:
        if path in ("frame", "x", "t"):
            return self.frame
        return lookup(path, self.node, self.frame)


def walk(path: str, node: Any) -> tuple[Any, list[str]]:
    """The node a dotted path leads to from ``node``, and the steps that are left (a knob, perhaps a component)."""
    steps = path.split(".")
    while len(steps) > 1:
        found = _step(steps[0], node)
        if found is None:
            break
        node, steps = found, steps[1:]
    return node, steps


def _step(step: str, node: Any) -> Any:
    if step == "this":
        return node
    if step == "parent":
        return node.parent
    if step == "root":
        return node.graph.root
    if re.fullmatch(r"input\d*", step):
        return node.input(int(step[5:] or 0))
    if node.has_knob(step):
        return None
    return node.parent.child(step) if node.parent is not None else node.child(step)


def lookup(path: str, node: Any, frame: float) -> float:
    """The number behind a path such as ``parent.first_frame``, ``input.width`` or ``root.format.w``."""
    target, steps = walk(path, node)
    if target is None:
        raise RuntimeError(f"{path}: no such node")
    if target.has_knob(steps[0]) and steps[0] != "format":
        knob = target.knob(steps[0])
        index = ({"x": 0, "y": 1, "r": 2, "t": 3, "w": 2, "h": 3}.get(steps[1], -1)) if len(steps) == 2 else 0
        if index < 0 or len(steps) > 2:
            raise NotMeasured(f"the path {path} in an expression")
        return float(knob.number(frame, index))
    return _shape(path, target, steps, frame)


def _shape(path: str, node: Any, steps: list[str], frame: float) -> float:
    info = node.graph.info(node, frame)
    x, y, r, t = info.bbox
    names = {
        "width": info.format.width,
        "height": info.format.height,
        "pixel_aspect": info.format.aspect,
        "format.w": info.format.width,
        "format.h": info.format.height,
        "format.x": 0,
        "format.y": 0,
        "format.r": info.format.width,
        "format.t": info.format.height,
        "bbox.x": x,
        "bbox.y": y,
        "bbox.r": r,
        "bbox.t": t,
        "bbox.w": r - x,
        "bbox.h": t - y,
    }
    if ".".join(steps) not in names:
        raise RuntimeError(f"Nothing is named {path!r}")
    return float(names[".".join(steps)])


def substitute(text: str, node: Any, frame: float, view: str = "main") -> str:
    """``text`` with its Tcl commands replaced, from the inside out."""
    while "[" in text:
        match = re.search(r"\[([^\[\]]*)\]", text)
        if match is None:
            raise NotMeasured(f"unbalanced brackets in {text!r}")
        text = text[: match.start()] + _tcl(match.group(1), node, frame, view) + text[match.end() :]
    return text


def _tcl(command: str, node: Any, frame: float, view: str) -> str:
    name, _, rest = command.strip().partition(" ")
    rest = rest.strip().strip('"')
    if name == "value":
        target, steps = walk(rest, node)
        if target is None or not target.has_knob(steps[0]):
            raise RuntimeError(f"[{command}]: Nothing is named {rest!r}")
        return str(target.knob(steps[0]).text_value(frame, view))
    if name == "frame":
        return str(int(frame))
    if name == "getenv":
        return os.environ.get(rest, "")
    if name == "file":
        verb, _, path = rest.partition(" ")
        if verb == "dirname":
            return posixpath.dirname(path)
        if verb == "tail":
            return posixpath.basename(path)
        if verb == "rootname":
            return posixpath.splitext(path)[0]
    raise NotMeasured(f"the Tcl command [{command}]")


def expand(text: str, frame: int, view: str = "main") -> str:
    """``%04d``, ``####``, ``%V`` and ``%v`` of a file name for one frame and view."""
    text = text.replace("%V", view).replace("%v", view[:1])
    text = re.sub(r"%(0?\d*)d", lambda m: f"%{m.group(1)}d" % frame, text)
    return re.sub(r"#+", lambda m: str(frame).zfill(len(m.group(0))), text)
