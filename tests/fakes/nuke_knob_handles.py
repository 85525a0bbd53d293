"""What Python holds of the stand-in Nuke's knobs and formats.

A handle asks three things before it does anything: is this the main thread (hosts.md 2.6), does its node still live
(8.1 item 3), and may this edition see one more node (item 9). What it has no method for is NotMeasured.
"""

from __future__ import annotations

import re
from typing import Any

from fakes.nuke_errors import NotMeasured, StaleKnob
from fakes.nuke_images import Format as Shape
from fakes.nuke_knobs import FLAGS, WIDTHS, KnobModel
from fakes.nuke_nodes import NodeModel
from fakes.nuke_text import Word


class Strict:
    """An attribute nobody wrote down is no attribute."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotMeasured(f"{type(self).__name__}.{name}")


class Format(Strict):
    """``node.format()``: width, height, pixel aspect and its box (hosts.md 2.1, TYN)."""

    def __init__(self, shape: Shape):
        self._shape = shape

    def width(self) -> int:
        return self._shape.width

    def height(self) -> int:
        return self._shape.height

    def pixelAspect(self) -> float:
        return self._shape.aspect

    def name(self) -> str:
        return self._shape.name

    def x(self) -> int:
        return 0

    def y(self) -> int:
        return 0

    def r(self) -> int:
        return self._shape.width

    def t(self) -> int:
        return self._shape.height


class Box(Strict):
    """``node.bbox()``."""

    def __init__(self, box: tuple):
        self._box = box

    def x(self) -> int:
        return int(self._box[0])

    def y(self) -> int:
        return int(self._box[1])

    def w(self) -> int:
        return int(self._box[2] - self._box[0])

    def h(self) -> int:
        return int(self._box[3] - self._box[1])


class FrameRange(Strict):
    """``node.frameRange()``."""

    def __init__(self, first: int, last: int):
        self._first, self._last = first, last

    def first(self) -> int:
        return self._first

    def last(self) -> int:
        return self._last

    def increment(self) -> int:
        return 1


class Knob(Strict):
    """A handle of one knob; made by Python before it is added to a node, or by a node for one it has."""

    _kind = ""
    _host: Any = None  # set on the classes of one running host

    def __init__(self, name: str, label: str | None = None, *rest: Any):
        self._generation = 0
        self._model = KnobModel(name, self._kind, None, ["default"] if self._kind == "Enumeration_Knob" else None)
        self._model.user = True
        self._model.label = name if label is None else label
        if rest and self._kind == "Enumeration_Knob":
            self._model.choices = [str(choice) for choice in rest[0]]
            self._model.value = self._model.default = self._model.choices[0] if self._model.choices else ""
        elif rest and self._kind in ("PyScript_Knob", "Text_Knob", "String_Knob", "File_Knob"):
            self._model.value = self._model.default = str(rest[0])
        elif rest and self._kind == "Tab_Knob":
            self._model.group = int(rest[0])
        elif rest:
            raise NotMeasured(f"{self._kind}{(name, label, *rest)}")

    def _at(self) -> KnobModel:
        self._host.on_main(f"the knob {self._model.name}")
        node = self._model.node
        if node is not None and (
            not node.alive or node.generation != self._generation or node.knobs.get(_key(node, self._model)) is None
        ):
            raise StaleKnob
        return self._model

    def _change(self) -> KnobModel:
        model = self._at()
        self._host.changing(model, f"knob {model.name}")
        return model

    def _changed(self) -> bool:
        self._host.knob_changed(self._model)
        return True

    def _frame(self) -> float:
        return float(self._host.frame)

    # -- about it

    def name(self) -> str:
        return self._at().name

    def Class(self) -> str:
        return self._at().kind

    def label(self) -> str:
        return self._at().label

    def setLabel(self, label: str) -> None:
        self._change().label = label

    def node(self) -> Any:
        return self._host.handle(self._at().node)

    def tooltip(self) -> str:
        return self._at().tooltip

    def setTooltip(self, text: str) -> None:
        self._change().tooltip = text

    def setFlag(self, flag: int) -> None:
        self._change().flags |= flag

    def clearFlag(self, flag: int) -> None:
        self._change().flags &= ~flag

    def getFlag(self, flag: int) -> bool:
        return bool(self._at().flags & flag)

    def setVisible(self, on: bool) -> None:
        self._change().visible = bool(on)

    def visible(self) -> bool:
        return self._at().visible and not self._at().flags & FLAGS["INVISIBLE"]

    def setEnabled(self, on: bool) -> None:
        self._change().enabled = bool(on)

    def enabled(self) -> bool:
        return self._at().enabled

    # -- its value

    def value(self) -> Any:
        model = self._at()
        model.measured()
        if model.kind in WIDTHS:
            return self._number_value(model.numbers(self._frame()))
        if model.kind == "Enumeration_Knob":
            return model.choice(self._frame())
        if model.kind == "Format_Knob":
            return Format(self._host.format_of(model))
        return model.value

    def _number_value(self, numbers: list[float]) -> Any:
        kind = self._model.kind
        if kind in ("Boolean_Knob", "Disable_Knob"):
            return bool(numbers[0])
        if kind in ("Int_Knob", "ColorChip_Knob"):
            return int(numbers[0])
        return numbers[0] if len(numbers) == 1 else tuple(numbers)

    def getValue(self, index: int = 0) -> Any:
        model = self._at()
        model.measured()
        if model.kind in WIDTHS and WIDTHS[model.kind] > 1:
            return list(model.numbers(self._frame()))
        if model.kind in WIDTHS or model.kind == "Enumeration_Knob":
            return model.number(self._frame(), index)
        return model.value

    def setValue(self, value: Any, index: int = -1) -> bool:
        model = self._change()
        model.measured()
        self._host.check_type(model, value)
        if model.kind == "Enumeration_Knob":
            self._set_choice(model, value)
        elif model.kind in WIDTHS:
            self._set_numbers(model, value, index)
        elif model.name == "name":
            self._host.rename(model.node, str(value))
        else:
            model.value = str(value)
        return self._changed()

    def _set_choice(self, model: KnobModel, value: Any) -> None:
        if model.expressions:
            return
        if isinstance(value, str):
            model.choose(value)
        elif 0 <= int(value) < len(model.choices):
            model.choose(model.choices[int(value)])
        else:
            raise NotMeasured(f"choice {value} of the {len(model.choices)} of {model.name}")

    def _set_numbers(self, model: KnobModel, value: Any, index: int) -> None:
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        first = max(index, 0)
        if len(values) == 1 and index < 0:
            values = values * WIDTHS[model.kind]
        for at, number in enumerate(values, first):
            # An animated knob takes a key at the current frame; an expression keeps answering.
            if at in model.curves:
                model.curves[at][self._frame()] = float(number)
            else:
                model.value[at] = float(number)

    def toScript(self) -> str:
        model = self._at()
        if model.kind in WIDTHS or model.expressions or model.curves or model.roto is not None:
            return model.to_text()
        return str(model.value)

    def fromScript(self, text: str) -> bool:
        model, told = self._change(), text.strip()
        told = told[1:-1] if told.startswith("{{") and model.roto is None else told  # what toScript gives, it takes
        model.from_text(Word(told, "braced" if told.startswith("{") else "bare"))
        return self._changed()

    # -- animation and expressions

    def isAnimated(self, *args: Any) -> bool:
        return bool(self._at().curves)

    def setAnimated(self, *args: Any) -> bool:
        model = self._change()
        if model.flags & FLAGS["NO_ANIMATION"] or model.kind not in WIDTHS:
            return False
        for index in range(WIDTHS[model.kind]):
            model.curves.setdefault(index, {self._frame(): model.value[index]})
        return self._changed()

    def clearAnimated(self, *args: Any) -> bool:
        model = self._change()
        frame = self._frame()
        if model.kind in WIDTHS:
            model.value = model.numbers(frame)
        model.curves.clear()
        model.expressions.clear()
        return self._changed()

    def setValueAt(self, value: float, frame: float, index: int = 0) -> bool:
        model = self._change()
        if model.kind not in WIDTHS:
            raise NotMeasured(f"setValueAt of a {model.kind}")
        if index not in model.curves:
            model.value[index] = float(value)
        else:
            model.curves[index][float(frame)] = float(value)
        return self._changed()

    def getValueAt(self, frame: float, index: int = 0) -> float:
        return self._at().number(float(frame), index)

    def getKeyList(self) -> list[float]:
        return sorted({frame for keys in self._at().curves.values() for frame in keys})

    def removeKeyAt(self, frame: float, index: int = 0) -> bool:
        keys = self._change().curves.get(index, {})
        found = keys.pop(float(frame), None) is not None
        if found and not keys:
            del self._model.curves[index]
        self._changed()
        return found

    def hasExpression(self, index: int = -1) -> bool:
        model = self._at()
        return bool(model.expressions) if index < 0 else index in model.expressions

    def setExpression(self, text: str, index: int = -1) -> bool:
        model = self._change()
        for at in range(WIDTHS.get(model.kind, 1)) if index < 0 else [index]:
            model.expressions[at] = text
        return self._changed()


def _key(node: NodeModel, model: KnobModel) -> str:
    return model.name if model.name in node.knobs else next((k for k, m in node.knobs.items() if m is model), "")


class EvalStringKnob(Knob):
    def evaluate(self, time: float | None = None) -> str:
        frame = self._frame() if time is None else float(time)
        return self._host.file_name(self._at(), frame)

    def getEvaluatedValue(self, *args: Any) -> str:
        return self.evaluate()

    def getText(self) -> str:
        return self._at().value


class FileKnob(EvalStringKnob):
    def fromUserText(self, text: str) -> bool:
        """Set the file and, from a suffix such as `` 1001-1100``, its range (hosts.md 2.5, 8.1 item 4)."""
        model = self._change()
        match = re.fullmatch(r"(.*\S)\s+(-?\d+)-(-?\d+)", text.strip())
        model.value = match.group(1) if match else text.strip()
        if match and model.node is not None:
            self._host.range_loaded(model.node, int(match.group(2)), int(match.group(3)))
            for name, number in zip(("first", "last", "origfirst", "origlast"), match.groups()[1:] * 2):
                if model.node.has_knob(name):
                    self._host.changing(model.node.knob(name), f"knob {name}")
                    model.node.knob(name).value = [float(number)]
        return self._changed()


class EnumerationKnob(Knob):
    def values(self) -> list[str]:
        return list(self._at().choices)

    def setValues(self, values: list[str]) -> None:
        model = self._change()
        model.choices = [str(value) for value in values]
        if model.value.split("\t")[0] not in model.texts_of_choices() and model.choices:
            model.value = model.choices[0].split("\t")[0]

    def numValues(self) -> int:
        return len(self._at().choices)

    def enumName(self, index: int) -> str:
        return self._at().texts_of_choices()[index]


class ScriptKnob(Knob):
    def execute(self) -> None:
        self._host.run_button(self._at())

    def command(self) -> str:
        return self._at().value

    def setCommand(self, text: str) -> None:
        self._change().value = text


class LinkKnob(Knob):
    def setLink(self, path: str) -> None:
        self._change().value = path

    def makeLink(self, node: str, knob: str) -> None:
        self._change().value = f"{node}.{knob}"

    def getLink(self) -> str:
        return self._at().value

    def value(self) -> Any:
        return self._host.knob_handle(self._at().target()).value()

    def setValue(self, value: Any, index: int = -1) -> bool:
        return bool(self._host.knob_handle(self._at().target()).setValue(value, index))


class RotoHandle:
    """The ``curves`` knob as Python holds it: the tree of nuke_rotopaint behind the three questions of every handle."""

    _host: Any = None
    _at = Knob._at

    def __getattr__(self, name: str) -> Any:
        model = self._at()
        if name in ("fromScript", "changed"):
            self._host.changing(model, "curves")
        return getattr(model.roto, name)


BASES = {
    "File_Knob": FileKnob,
    "EvalString_Knob": EvalStringKnob,
    "Multiline_Eval_String_Knob": EvalStringKnob,
    "Enumeration_Knob": EnumerationKnob,
    "PyScript_Knob": ScriptKnob,
    "Script_Knob": ScriptKnob,
    "PythonKnob": Knob,
    "Link_Knob": LinkKnob,
}
