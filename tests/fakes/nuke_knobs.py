"""The knobs of the stand-in Nuke: what a knob holds, and its .nk text. The handles Python gets are in nuke_handles.

Names, types and defaults come from ``tests/data/nuke_knobs.json`` (hosts.md 8 rule 4 and 8.1 item 5).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from fakes import nuke_expressions
from fakes.nuke_errors import NotMeasured
from fakes.nuke_text import Word, quote, words

TABLES = json.loads((Path(__file__).parents[1] / "data" / "nuke_knobs.json").read_text())
CLASSES: dict[str, dict[str, list[Any]]] = {
    name: {**TABLES["common"], **table} for name, table in {**TABLES["measured"], **TABLES["remembered"]}.items()
}
WRITE_FORMATS: dict[str, dict[str, list[Any]]] = TABLES["write_formats"]

EVALUATED = {"File_Knob", "EvalString_Knob", "Multiline_Eval_String_Knob", "Text_Knob"}
CODE = {"PythonKnob", "PyScript_Knob", "Script_Knob"}
TEXTS = {"String_Knob", "Font_Knob", "Channel_Knob", "ChannelMask_Knob", "MultiView_Knob", "PathExpression_Knob"}
TEXTS |= EVALUATED | CODE | {"Format_Knob", "Mapping_Knob", "Link_Knob"}
FLAGS_OF_ONE = {"Boolean_Knob", "Disable_Knob", "Tab_Knob"}
WIDTHS = {"Array_Knob": 1, "Int_Knob": 1, "Double_Knob": 1, "ColorChip_Knob": 1, "FrameExtentKnob": 1}
WIDTHS.update(dict.fromkeys(FLAGS_OF_ONE, 1))
WIDTHS.update({"WH_Knob": 2, "XY_Knob": 2, "BBox_Knob": 4, "AColor_Knob": 4, "Color_Knob": 3})
USER_CODES = {
    20: "Tab_Knob",
    1: "String_Knob",
    2: "File_Knob",
    3: "Int_Knob",
    4: "Enumeration_Knob",
    6: "Boolean_Knob",
    7: "Double_Knob",
    22: "PyScript_Knob",
    26: "Text_Knob",
    41: "Link_Knob",
    43: "Multiline_Eval_String_Knob",
}
CODE_OF = {kind: code for code, kind in USER_CODES.items()}
# The numbers of the flags are from memory; only the names matter to a plug-in.
FLAGS = {
    "DISABLED": 0x80,
    "NO_ANIMATION": 0x100,
    "DO_NOT_WRITE": 0x200,
    "INVISIBLE": 0x400,
    "STARTLINE": 0x1000,
    "ENDLINE": 0x2000,
    "NO_RERENDER": 0x4000,
    "NO_UNDO": 0x80000,
    "ALWAYS_SAVE": 0x100000,
    "READ_ONLY": 0x10000000,
}


class KnobModel:
    """One knob of one node: its value, keys and expressions."""

    def __init__(self, name: str, kind: str, default: Any = None, choices: list[str] | None = None):
        self.node: Any = None
        self.name, self.kind, self.user = name, kind, False
        self.label, self.tooltip, self.flags = name, "", 0
        self.visible, self.enabled, self.group = True, True, 0
        self.choices = list(choices) if choices is not None else []
        self.default = self._normal(default)
        self.value: Any = self._normal(default)
        self.expressions: dict[int, str] = {}
        self.curves: dict[int, dict[float, float]] = {}
        self.roto: Any = None
        if kind == "RotoKnob":
            from fakes.nuke_rotopaint import RotoKnob

            self.roto = RotoKnob()

    def _normal(self, default: Any) -> Any:
        if self.kind in WIDTHS:
            count = WIDTHS[self.kind]
            numbers = default if isinstance(default, list) else [default or 0] * count
            return [float(number) for number in numbers]
        if self.kind == "Enumeration_Knob":
            return default if default is not None else (self.choices[0] if self.choices else "")
        return "" if default is None else str(default)

    def state(self) -> dict[str, Any]:
        """What an undo step keeps of this knob."""
        kept = dict(self.__dict__)
        for name in ("value", "choices", "expressions"):
            kept[name] = kept[name].copy() if isinstance(kept[name], (list, dict)) else kept[name]
        kept["curves"] = {index: dict(keys) for index, keys in self.curves.items()}
        kept["script"] = self.roto.toScript() if self.roto is not None else None
        return kept

    def restore(self, state: dict[str, Any]) -> None:
        text = state["script"]
        self.__dict__.update({name: kept for name, kept in state.items() if name != "script"})
        if text is not None and self.roto.toScript() != text:
            self.roto.fromScript(text)

    # -- values

    @property
    def is_default(self) -> bool:
        return not self.expressions and not self.curves and self.value == self.default

    def measured(self) -> None:
        if self.kind in ("Unread_Knob", "Obsolete_Knob"):
            raise NotMeasured(f"the value of the knob {self.name}")

    def number(self, frame: float, index: int = 0) -> float:
        """The number of one component at a frame; an enumeration counts its choices."""
        if self.kind == "Link_Knob":
            return float(self.target().number(frame, index))
        if index in self.expressions:
            return nuke_expressions.evaluate(self.expressions[index], self.node, frame)
        if index in self.curves:
            return _on_curve(self.curves[index], frame)
        if self.kind == "Enumeration_Knob":
            return float(self.texts_of_choices().index(self.value.split("\t")[0]))
        if self.kind in WIDTHS:
            return float(self.value[index])
        try:
            return float(self.text_value(frame))
        except ValueError:
            raise NotMeasured(f"the knob {self.name} used as a number") from None

    def numbers(self, frame: float) -> list[float]:
        return [self.number(frame, index) for index in range(WIDTHS[self.kind])]

    def texts_of_choices(self) -> list[str]:
        return [choice.split("\t")[0] for choice in self.choices]

    def text_value(self, frame: float, view: str = "main") -> str:
        """What ``[value knob]`` gives: text knobs with their own Tcl replaced, numbers as short as they can be."""
        if self.kind == "Link_Knob":
            return str(self.target().text_value(frame, view))
        if self.kind in EVALUATED:
            return nuke_expressions.substitute(self.value, self.node, frame, view)
        if self.kind == "Enumeration_Knob":
            return self.choice(frame)
        if self.kind in WIDTHS:
            return " ".join(short(number) for number in self.numbers(frame))
        self.measured()
        return str(self.value)

    def choice(self, frame: float) -> str:
        """An enumeration's value: the part before the tab (hosts.md 2.5)."""
        if self.expressions or self.curves:
            return self.texts_of_choices()[int(self.number(frame))]
        return str(self.value.split("\t")[0])

    def target(self) -> KnobModel:
        """The knob a link shows."""
        node, steps = nuke_expressions.walk(self.value, self.node)
        if node is None or not node.has_knob(steps[0]):
            raise RuntimeError(f"the link {self.name} leads to {self.value!r}, which does not exist")
        return node.knob(steps[0])

    # -- .nk text

    def to_text(self) -> str:
        """The value as it stands in a script, without the knob's name."""
        if self.roto is not None:
            return "{" + self.roto.toScript() + "}"
        if self.kind in WIDTHS or self.expressions or self.curves:
            return self._number_text()
        return quote(str(self.value))

    def _number_text(self) -> str:
        count = WIDTHS.get(self.kind, 1)
        parts = [self._component(index) for index in range(count)]
        if count == 1:
            return "{" + parts[0] + "}" if parts[0].startswith("{") else parts[0]
        return "{" + " ".join(parts) + "}"

    def _component(self, index: int) -> str:
        if index in self.expressions:
            expression = self.expressions[index]
            return "{" + (expression if " " not in expression and "[" not in expression else quote(expression)) + "}"
        if index in self.curves:
            keys = " ".join(f"x{short(frame)} {short(value)}" for frame, value in sorted(self.curves[index].items()))
            return "{curve " + keys + "}"
        if self.kind in FLAGS_OF_ONE:
            return "true" if self.value[0] else "false"
        return short(self.value[index])

    def from_text(self, word: Word) -> None:
        """Take a value as it stands in a script."""
        self.measured()
        if self.roto is not None:
            self.roto.fromScript(word.text)
        elif word.kind == "braced" and word.text.lstrip().startswith("{") and self.kind not in TEXTS:
            self._from_list(words(word.text))
        elif self.kind in WIDTHS:
            self._from_list(words(word.text) if word.kind == "braced" else [word])
        elif self.kind == "Enumeration_Knob":
            self.choose(word.text)
        else:
            self.value = word.text

    def _from_list(self, items: list[Word]) -> None:
        count = WIDTHS.get(self.kind, 1)
        if len(items) == 1 and items[0].kind != "braced" and count > 1:
            items = items * count
        if len(items) > count:
            raise NotMeasured(f"{len(items)} values for the knob {self.name}, which has {count}")
        for index, item in enumerate(items):
            self._from_item(index, item)

    def _from_item(self, index: int, item: Word) -> None:
        self.expressions.pop(index, None)
        self.curves.pop(index, None)
        inner = words(item.text) if item.kind == "braced" else []
        if inner and inner[0].text == "curve":
            self.curves[index] = _curve([word.text for word in inner[1:]])
        elif item.kind == "braced":
            self.expressions[index] = inner[0].text if len(inner) == 1 else item.text.strip()
        elif re.fullmatch(r"0x[0-9a-fA-F]+", item.text):
            self.value[index] = float(int(item.text, 16))
        else:
            names = {"true": 1.0, "false": 0.0}
            try:
                self.value[index] = names[item.text] if item.text in names else float(item.text)
            except ValueError:
                raise NotMeasured(f"{item.text!r} as the number of the knob {self.name}") from None

    def choose(self, text: str) -> None:
        if text.split("\t")[0] not in self.texts_of_choices():
            raise NotMeasured(f"{text!r}, which is no choice of the knob {self.name} ({self.texts_of_choices()})")
        self.value = text.split("\t")[0]
        self.expressions.clear()
        self.curves.clear()

    def definition(self) -> str:
        """``addUserKnob {...}`` of a knob somebody added."""
        if self.kind not in CODE_OF:
            raise NotMeasured(f"how a user knob of the class {self.kind} is saved")
        parts = [str(CODE_OF[self.kind]), quote(self.name)]
        if self.label != self.name:
            parts += ["l", quote(self.label)]
        if self.tooltip:
            parts += ["t", quote(self.tooltip)]
        if self.kind == "Enumeration_Knob":
            parts += ["M", "{" + " ".join(quote(choice) for choice in self.choices) + "}"]
        if self.group:
            parts += ["n", str(self.group)]
        parts += [f"+{name}" for name in ("STARTLINE", "DISABLED", "INVISIBLE") if self.flags & FLAGS[name]]
        parts += [] if self.visible else ["+HIDDEN"]
        if self.kind in ("PyScript_Knob", "Text_Knob", "Link_Knob") and self.value:
            parts += ["T", quote(self.value)]
        return "addUserKnob {" + " ".join(parts) + "}"


def user_knob(body: str) -> KnobModel:
    """The knob that ``addUserKnob {body}`` adds."""
    items = words(body)
    code, name = int(items[0].text), items[1].text
    if code not in USER_CODES:
        raise NotMeasured(f"the user knob code {code}")
    knob = KnobModel(name, USER_CODES[code])
    knob.user = True
    rest = items[2:]
    while rest:
        rest = _option(knob, rest)
    return knob


def _option(knob: KnobModel, rest: list[Word]) -> list[Word]:
    key = rest[0].text
    if key[0] in "+-":
        _flag(knob, key)
        return rest[1:]
    if key == "R":
        return rest[3:]
    value = rest[1].text
    if key == "l":
        knob.label = value
    elif key == "t":
        knob.tooltip = value
    elif key == "T":
        knob.value = knob.default = value
    elif key == "n":
        knob.group = int(value)
    elif key == "M":
        knob.choices = [word.text for word in words(value)]
        knob.value = knob.default = knob.choices[0].split("\t")[0] if knob.choices else ""
    else:
        raise NotMeasured(f"the option {key} of addUserKnob")
    return rest[2:]


def _flag(knob: KnobModel, key: str) -> None:
    name, on = key[1:], key[0] == "+"
    if name == "HIDDEN":
        knob.visible = not on
    elif name in FLAGS:
        knob.flags = knob.flags | FLAGS[name] if on else knob.flags & ~FLAGS[name]
    else:
        raise NotMeasured(f"the knob flag {name}")


def short(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(float(number))


def _curve(parts: list[str]) -> dict[float, float]:
    keys: dict[float, float] = {}
    frame = 0.0
    for part in parts:
        if re.fullmatch(r"x-?[\d.]+", part):
            frame = float(part[1:])
        elif re.fullmatch(r"-?[\d.]+(e[-+]?\d+)?", part):
            keys[frame] = float(part)
            frame += 1
        elif part not in ("C", "L", "i"):
            raise NotMeasured(f"{part!r} in an animation curve")
    return keys


def _on_curve(keys: dict[float, float], frame: float) -> float:
    frames = sorted(keys)
    if frame <= frames[0]:
        return keys[frames[0]]
    for before, after in zip(frames, frames[1:]):
        if frame <= after:
            share = (frame - before) / (after - before)
            return keys[before] + share * (keys[after] - keys[before])
    return keys[frames[-1]]
