"""Ask a real Nuke what the matted plugin takes for granted: ``nuke -t selftest.py [OUTPUT] [--risky]``.

Also ``nuke --nc -t selftest.py``, and in the Script Editor. It needs Nuke alone: where the plugin is installed it
checks that too, and else says so. What it found is printed as a table and written to OUTPUT as JSON, by default a new
file in the home folder. The exit code is 0 when everything is as expected.

In a terminal the script is emptied between the probes, so it refuses to start on one with unsaved changes. In the
GUI it removes only what it made. Each probe is one function: its name is the probe's id, its docstring the fact.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import json
import os
import platform
import shutil
import struct
import sys
import tempfile
import textwrap
import threading
import traceback
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

try:
    nuke: Any = importlib.import_module("nuke")
except ImportError:
    sys.exit("This asks Nuke about itself, so Nuke has to run it: nuke -t selftest.py")

SIZE = 256
"""Width and height of the pictures: Nuke has a format of this size, so none is added to the script."""

SQUARE = f'"{SIZE} {SIZE} 0 0 {SIZE} {SIZE} 1 square_256"'
LOG = "matted_selftest_log"
"""The module in which code inside knobs leaves a trace."""

CELL = 46
"""Characters of an answer in the table; the JSON file has all."""


# Probes and their results


class Skipped(Exception):
    """This probe cannot be asked here; the message says why."""


@dataclass(frozen=True)
class Probe:
    """One question."""

    id: str
    section: str
    """Of the reference in which the fact was gathered."""
    source: str
    """Where the fact comes from: "from memory", or the source's key."""
    fact: str
    ask: Callable[[Bench], Any]
    expected: Any
    """The answer the plugin relies on; None: it relies on none, the answer is only reported."""
    only: str
    """"gui" or "terminal" when it can be asked in one of them alone."""
    is_risky: bool
    has_nodes: bool


@dataclass
class Result:
    """One answer. ``status`` is ok, DIFFERS, noted or skipped."""

    probe: Probe
    status: str
    seen: Any
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The answer with its question."""
        probe = self.probe
        told = {name: getattr(probe, name) for name in ("id", "section", "source", "fact", "expected")}
        return {**told, "status": self.status, "seen": self.seen, "notes": self.notes}


PROBES: list[Probe] = []


def probe(
    section: str,
    source: str,
    expected: Any = None,
    *,
    only: str = "",
    is_risky: bool = False,
    has_nodes: bool = True,
) -> Callable[[Callable[[Bench], Any]], Callable[[Bench], Any]]:
    """Make a function a probe."""

    def add(ask: Callable[[Bench], Any]) -> Callable[[Bench], Any]:
        fact = " ".join(str(ask.__doc__).split())
        PROBES.append(
            Probe(ask.__name__.replace("_", "-"), section, source, fact, ask, expected, only, is_risky, has_nodes)
        )
        return ask

    return add


class Bench:
    """What a probe works with: a folder of its own, and the ways to make nodes that the plugin uses."""

    def __init__(self, folder: Path, is_mixed: bool) -> None:
        self.folder = folder
        self.is_mixed = is_mixed
        """Whether the script holds nodes that are not ours."""
        self.notes: list[str] = []
        self._files = 0

    def note(self, text: str) -> None:
        """Something worth knowing beside the answer."""
        self.notes.append(text)

    def refused(self, call: Callable[[], Any]) -> str:
        """The class of what a call raises, its words as a note; "no error" when it raises nothing."""
        try:
            call()
        except Exception as error:
            self.note(f"{type(error).__name__}: {' '.join(str(error).split())}")
            return type(error).__name__
        return "no error"

    def path(self, name: str) -> str:
        """A file of this probe's, with forward slashes as Nuke wants them."""
        return (self.folder / name).as_posix()

    def paste(self, text: str) -> Any:
        """Make nodes from .nk text."""
        self._files += 1
        file = self.folder / f"paste{self._files}.nk"
        file.write_text(text, encoding="utf-8")
        return nuke.nodePaste(file.as_posix())

    def constant(self, name: str, color: str = "0.25 0.5 0.75 1") -> Any:
        """A picture of one colour."""
        return self.paste(constant_text(name, color))

    def sequence(self, name: str = "plate", frames: tuple[int, ...] = (1, 2, 3)) -> str:
        """EXR files whose red is their frame number and whose alpha is 0.5; returns the pattern."""
        for frame in frames:
            write_exr(self.folder / f"{name}.{frame:04d}.exr", {"R": float(frame), "G": 0.0, "B": 0.0, "A": 0.5})
        return self.path(f"{name}.%04d.exr")

    def read(self, pattern: str, first: int = 1, last: int = 3, extra: str = "") -> Any:
        """A raw Read; ``extra`` is more lines of its text."""
        lines = ["Read {", " inputs 0", f' file "{pattern}"', f" first {first}", f" last {last}"]
        lines += [f" origfirst {first}", f" origlast {last}", " raw true", " name SelfTestRead"]
        return self.paste("\n".join([*lines, extra, "}", ""]))

    def write(self, above: Any, channels: str = "rgba", extra: str = "") -> Any:
        """A Write as the Matted node has it, under a node."""
        lines = ["Write {", " inputs 0", f" channels {channels}", " file_type exr", " raw true"]
        lines += [" create_directories true", " name SelfTestWrite"]
        write = self.paste("\n".join([*lines, extra, "}", ""]))
        write.setInput(0, above)
        write["compression"].setValue("none")
        return write

    def render(self, write: Any, frame: int = 1) -> Picture:
        """One frame of a Write, read back from its file."""
        self._files += 1
        path = self.path(f"render{self._files}.exr")
        write["file"].setValue(path)
        nuke.execute(write, frame, frame, 1, [nuke.views()[0]])
        return read_exr(path)


@contextlib.contextmanager
def kept(*knobs: Any) -> Iterator[None]:
    """Put back what knobs of the script held."""
    before = [knob.value() for knob in knobs]
    try:
        yield
    finally:
        for knob, value in zip(knobs, before):
            knob.setValue(value)


# Pictures: just enough OpenEXR to make frames and to look at what Nuke wrote


@dataclass
class Picture:
    """An EXR file. Windows are (left, top, right, bottom) with the last pixel included, y down."""

    types: dict[str, str]
    data: tuple[int, ...]
    display: tuple[int, ...]
    compression: int
    rows: dict[int, dict[str, list[float]]]

    @property
    def channels(self) -> list[str]:
        """Names as the file has them."""
        return sorted(self.types)

    def at(self, channel: str, x: int = SIZE // 2, y: int = SIZE // 2) -> float:
        """One pixel, y down from the top; black outside the data window."""
        row = self.rows.get(y, {}).get(channel)
        return round(row[x - self.data[0]], 3) if row and self.data[0] <= x <= self.data[2] else 0.0


_HALF, _FLOAT = "half", "float"
_KINDS = {0: ("uint", "I", 4), 1: (_HALF, "e", 2), 2: (_FLOAT, "f", 4)}


def write_exr(path: Path, channels: dict[str, float], border: int = 0) -> None:
    """A file of SIZE x SIZE, each channel one value all over; ``border`` adds pixels outside the display window."""
    display, data = (0, 0, SIZE - 1, SIZE - 1), (-border, -border, SIZE - 1 + border, SIZE - 1 + border)
    names = sorted(channels)
    listed = b"".join(name.encode() + b"\0" + struct.pack("<iiii", 1, 0, 1, 1) for name in names) + b"\0"
    header = struct.pack("<ii", 20000630, 2)
    for name, kind, value in (
        ("channels", "chlist", listed),
        ("compression", "compression", b"\0"),
        ("dataWindow", "box2i", struct.pack("<iiii", *data)),
        ("displayWindow", "box2i", struct.pack("<iiii", *display)),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<ff", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    ):
        header += name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
    header += b"\0"
    width = SIZE + 2 * border
    row = b"".join(struct.pack("<e", channels[name]) * width for name in names)
    start, block = len(header) + 8 * width, 8 + len(row)
    offsets = b"".join(struct.pack("<Q", start + index * block) for index in range(width))
    lines = b"".join(struct.pack("<ii", y, len(row)) + row for y in range(data[1], data[3] + 1))
    path.write_bytes(header + offsets + lines)


def read_exr(path: str) -> Picture:
    """The header of a file of one part, and its pixels unless they are compressed.

    Raises:
        ValueError: it is no such EXR file.
    """
    raw = Path(path).read_bytes()
    magic, version = struct.unpack_from("<ii", raw)
    if magic != 20000630 or version & 0x1A00:
        raise ValueError(f"{path} is no EXR file of one part with scanlines")
    found, at = {}, 8
    while raw[at]:
        name, at = _word(raw, at)
        _, at = _word(raw, at)
        size = struct.unpack_from("<i", raw, at)[0]
        found[name], at = raw[at + 4 : at + 4 + size], at + 4 + size
    kinds, place = {}, 0
    while found["channels"][place]:
        name, place = _word(found["channels"], place)
        kinds[name] = _KINDS[struct.unpack_from("<i", found["channels"], place)[0]]
        place += 16
    data, display = (struct.unpack("<iiii", found[name]) for name in ("dataWindow", "displayWindow"))
    compression = found["compression"][0]
    rows = {} if compression else _rows(raw, at + 1, kinds, data)
    return Picture({name: kind[0] for name, kind in kinds.items()}, data, display, compression, rows)


def _word(raw: bytes, at: int) -> tuple[str, int]:
    end = raw.index(b"\0", at)
    return raw[at:end].decode(), end + 1


def _rows(raw: bytes, at: int, kinds: dict[str, Any], data: tuple[int, ...]) -> dict[int, dict[str, list[float]]]:
    width, height = data[2] - data[0] + 1, data[3] - data[1] + 1
    rows: dict[int, dict[str, list[float]]] = {}
    for offset in struct.unpack_from(f"<{height}Q", raw, at):
        y, place = struct.unpack_from("<i", raw, offset)[0], offset + 8
        rows[y] = {}
        for name in sorted(kinds):
            _, code, size = kinds[name]
            rows[y][name] = list(struct.unpack_from(f"<{width}{code}", raw, place))
            place += width * size
    return rows


# Text of nodes, in the forms the plugin pastes


def quoted(text: str) -> str:
    """A value as .nk text."""
    for special in '\\"[{}$':
        text = text.replace(special, f"\\{special}")
    return '"' + text.replace("\n", "\\n") + '"'


def constant_text(name: str, color: str) -> str:
    """A Constant of SIZE x SIZE."""
    lines = ["Constant {", " inputs 0", " channels rgba", f" color {{{color}}}", f" format {SQUARE}", f" name {name}"]
    return "\n".join([*lines, "}", ""])


STATE = json.dumps({"frames": [1001], "file": 'C:\\a "b"\\{c.exr', "cost": "$5 [x]", "lines": "1\n2"})

ON_CREATE = f"try: import {LOG}; {LOG}.add('created', nuke.thisNode())\nexcept ImportError: pass"
ON_CHANGE = f"""if nuke.thisKnob().name() == 'shown':
 try: import {LOG}; {LOG}.add('changed', nuke.thisNode())
 except ImportError: pass"""
ON_PRESS = f"import {LOG}; {LOG}.add('pressed', nuke.thisNode())"
ON_LOOK = f"import {LOG}; {LOG}.seen.append(('found', str(nuke.toNode('SelfTestInner') is not None)))"

GROUP = f"""\
Group {{
 inputs 0
 name SelfTestGroup
 tile_color 0x3f7f5fff
 onCreate {quoted(ON_CREATE)}
 knobChanged {quoted(ON_CHANGE)}
 xpos 40
 ypos 60
 addUserKnob {{20 matted l Matted}}
 addUserKnob {{22 press l Press t "A tip." +STARTLINE T {quoted(ON_PRESS)}}}
 addUserKnob {{22 look l Look t "A tip." -STARTLINE T {quoted(ON_LOOK)}}}
 addUserKnob {{26 status l "" +STARTLINE T "Draw a roto."}}
 addUserKnob {{1 objects l "what to matte" t "A tip."}}
 objects hero
 addUserKnob {{2 out l folder t "A tip."}}
 addUserKnob {{4 shown l show t "A tip." M {{hero "two words"}}}}
 addUserKnob {{20 settings l Settings}}
 addUserKnob {{3 size l size t "A tip."}}
 size 480
 addUserKnob {{3 marks l marks +INVISIBLE}}
 addUserKnob {{6 ready l ready +INVISIBLE}}
 addUserKnob {{1 state l state +INVISIBLE}}
 state {quoted(STATE)}
}}
Input {{
 inputs 0
 name roto
 xpos 160
 ypos -300
 number 1
}}
set Nroto [stack 0]
Input {{
 inputs 0
 name plate
 xpos 0
 ypos -300
}}
set Nplate [stack 0]
Copy {{
 inputs 2
 from0 rgba.alpha
 to0 rgba.alpha
 name SelfTestMask
}}
Crop {{
 box {{0 0 {{input.width}} {{input.height}}}}
 name SelfTestFormat
}}
Write {{
 channels rgb
 file_type exr
 raw true
 create_directories true
 disable true
 name SelfTestInner
}}
Read {{
 inputs 0
 before black
 after black
 on_error black
 raw true
 name SelfTestMattes
}}
push $Nplate
Copy {{
 inputs 2
 from0 rgba.alpha
 to0 rgba.alpha
 disable {{{{!parent.ready}}}}
 name SelfTestCopy
}}
Output {{
 name Output1
}}
end_group
"""

CODES = {"matted": 20, "press": 22, "status": 26, "objects": 1, "out": 2, "shown": 4, "size": 3, "ready": 6}
CLASSES = {
    "matted": "Tab_Knob",
    "press": "PyScript_Knob",
    "status": "Text_Knob",
    "out": "File_Knob",
    "shown": "Enumeration_Knob",
    "size": "Int_Knob",
    "ready": "Boolean_Knob",
}
"""What the plugin takes each user knob for; of ``objects`` it needs a text only."""


NONE_MISSING = "none missing"


def missing(names: Iterable[str], there: Iterable[str]) -> str:
    """Which of the names are not there, in words."""
    return ", ".join(sorted(set(names) - set(there))) or NONE_MISSING


def trace() -> list[tuple[str, str]]:
    """What code inside knobs left so far, as (what, node)."""
    found: list[tuple[str, str]] = sys.modules[LOG].seen
    return found


# The host


@probe("1.1", "MA2, Stamps#15", True, has_nodes=False)
def python_is_new_enough(bench: Bench) -> bool:
    """Nuke 14 and later run Python 3.9 or newer."""
    bench.note(platform.python_version())
    return sys.version_info >= (3, 9)


@probe("1.1", "nukeserversocket#38, CFN#42", True, has_nodes=False)
def qt_is_the_versions(bench: Bench) -> bool:
    """Nuke 16 and later bring PySide6, 14 and 15 PySide2, with a QTimer."""
    name = "PySide6" if nuke.NUKE_VERSION_MAJOR >= 16 else "PySide2"
    core = importlib.import_module(f"{name}.QtCore")
    bench.note(f"{name} {getattr(core, '__version__', '')}".strip())
    return hasattr(core, "QTimer")


@probe("2.7", "TKN, FD", True, has_nodes=False)
def env_tells_the_edition(bench: Bench) -> bool:
    """nuke.env answers get() for nc, indie and gui, and nuke.GUI is the same as gui."""
    nc, indie, gui = (nuke.env.get(name) for name in ("nc", "indie", "gui"))
    bench.note(f"nc {nc}, indie {indie}, gui {gui}")
    return not (nc and indie) and bool(gui) == bool(nuke.GUI)


@probe("2.7", "TKN", True, has_nodes=False)
def version_string_holds_the_version(bench: Bench) -> bool:
    """NUKE_VERSION_STRING starts with MAJOR.MINOR."""
    bench.note(str(nuke.NUKE_VERSION_STRING))
    return str(nuke.NUKE_VERSION_STRING).startswith(f"{nuke.NUKE_VERSION_MAJOR}.{nuke.NUKE_VERSION_MINOR}")


@probe("2.7", "FD 13.2; Root from memory", ["Root", "RuntimeError"])
def unsaved_script_has_no_name(bench: Bench) -> list[str]:
    """In a script never saved root().name() is Root, and scriptName() raises RuntimeError."""
    name = str(nuke.root().name())
    if name != "Root":
        raise Skipped("the open script has been saved")
    return [name, bench.refused(nuke.scriptName)]


@probe("2.1", "FD", True, has_nodes=False)
def views_are_texts(bench: Bench) -> bool:
    """nuke.views() is a list of names, never empty."""
    views = list(nuke.views())
    bench.note(" ".join(map(str, views)))
    return bool(views) and all(isinstance(view, str) for view in views)


@probe("2.7", "FD index", True, has_nodes=False)
def script_callbacks_can_be_added(bench: Bench) -> bool:
    """addOnScriptClose and addOnScriptSave take a function, and their removers take it back."""
    for name in ("OnScriptClose", "OnScriptSave"):
        getattr(nuke, f"add{name}")(_nothing)
        getattr(nuke, f"remove{name}")(_nothing)
    return True


def _nothing() -> None:
    pass


@probe("2.7", "from memory", True, only="terminal")
def close_callback_runs_on_clear(bench: Bench) -> bool:
    """Callbacks of addOnScriptClose run when the script is emptied or another is opened."""
    seen: list[int] = []

    def closed() -> None:
        seen.append(1)

    nuke.addOnScriptClose(closed)
    try:
        nuke.scriptClear()
    finally:
        nuke.removeOnScriptClose(closed)
    return bool(seen)


@probe("2.7", "RBN, FD", True, only="gui", has_nodes=False)
def menu_takes_a_function(bench: Bench) -> bool:
    """A menu's command may be a function; findItem finds it and removeItem takes it away."""
    menu = nuke.menu("Nuke").addMenu("Matted self-test")
    try:
        menu.addCommand("Nothing", _nothing)
        found = nuke.menu("Nuke").findItem("Matted self-test/Nothing") is not None
    finally:
        nuke.menu("Nuke").removeItem("Matted self-test")
    return found and nuke.menu("Nuke").findItem("Matted self-test") is None


@probe("2.7", "public examples", True, only="gui", has_nodes=False)
def pane_lookup_answers_none(bench: Bench) -> bool:
    """getPaneFor of a panel nobody opened is None, and registerWidgetAsPanel exists."""
    panels = importlib.import_module("nukescripts.panels")
    return nuke.getPaneFor("com.matted.selftest") is None and callable(panels.registerWidgetAsPanel)


@probe("1.3", "from memory", has_nodes=False)
def zmq_of_nuke(bench: Bench) -> str:
    """Whether Nuke brings a zmq of its own, already imported or not, which version and from where."""
    was_there = "zmq" in sys.modules
    try:
        zmq = importlib.import_module("zmq")
    except ImportError as error:
        return f"none ({error})"
    bench.note(f"from {zmq.__file__}, libzmq {zmq.zmq_version()}, CURVE {zmq.has('curve')}")
    return f"{zmq.__version__}, {'imported before' if was_there else 'imported now'}"


@probe("1.2", "from memory", only="terminal", has_nodes=False)
def plugin_folder_is_run(bench: Bench) -> str:
    """What pluginAddPath does at once: whether init.py runs, has __file__, and where its folder is on sys.path."""
    folder = bench.folder / "plugins"
    folder.mkdir()
    code = f"import {LOG}\n{LOG}.seen.append(('init', str('__file__' in globals())))\n"
    (folder / "init.py").write_text(code, encoding="utf-8")
    before = list(sys.path)
    try:
        nuke.pluginAddPath(folder.as_posix())
        places = [str(index) for index, path in enumerate(sys.path) if Path(path) == folder]
    finally:
        sys.path[:] = before
    ran = [has_file for what, has_file in trace() if what == "init"]
    told = f"__file__ is {'there' if ran[0] == 'True' else 'missing'}" if ran else "init.py was not run"
    return f"{told}; on sys.path {'at ' + ', '.join(places) if places else 'nowhere'}, {len(before)} were there"


@probe("2.6", "from memory", True, has_nodes=False)
def script_runs_on_the_main_thread(bench: Bench) -> bool:
    """What Nuke runs from a file or a button runs on Python's main thread."""
    bench.note(threading.current_thread().name)
    return threading.current_thread() is threading.main_thread()


@probe("2.9", "AYN, CFN; list from memory", NONE_MISSING)
def root_has_the_knobs(bench: Bench) -> str:
    """The root has the knobs of colour management, range, rate and proxy that the plugin reads."""
    root = nuke.root()
    colours = ("colorManagement", "OCIO_config", "customOCIOConfigPath", "workingSpaceLUT", "floatLut", "int8Lut")
    names = (*colours, "int16Lut", "fps", "proxy", "first_frame", "last_frame", "lock_range")
    values = {name: root[name].value() for name in names if root.knob(name) is not None}
    bench.note(", ".join(f"{name} {value}" for name, value in values.items()))
    return missing(names, values)


@probe("2.9", "AYN", True)
def colour_management_is_nuke_or_ocio(bench: Bench) -> bool:
    """root colorManagement is Nuke or OCIO."""
    return nuke.root()["colorManagement"].value() in ("Nuke", "OCIO")


@probe("2.7", "RBN", [24.0, 5, 9])
def root_numbers_are_numbers(bench: Bench) -> list[float]:
    """fps, first_frame and last_frame hold numbers and can be set, last before first."""
    root = nuke.root()
    with kept(root["first_frame"], root["last_frame"], root["fps"]):
        root["fps"].setValue(24)
        root["last_frame"].setValue(9)
        root["first_frame"].setValue(5)
        return [float(root["fps"].value()), int(root["first_frame"].value()), int(root["last_frame"].value())]


@probe("2.7", "FD", 7)
def frame_can_be_set(bench: Bench) -> int:
    """nuke.frame(n) goes to a frame and nuke.frame() tells it."""
    nuke.frame(7)
    return int(nuke.frame())


# Nodes as text


@probe("2.8", "from memory", ["Group", "SelfTestGroup", "SelfTestGroup"])
def paste_returns_the_group(bench: Bench) -> list[str]:
    """nodePaste of one Group's text returns that Group, with the name of the text."""
    node = bench.paste(GROUP)
    return [node.Class(), node.name(), node.fullName()]


@probe("2.5", "from memory", [None, None])
def paste_with_no_inputs_connects_nothing(bench: Bench) -> list[Any]:
    """Text that says "inputs 0" is not connected to what is selected."""
    above = bench.constant("SelfTestAbove")
    _select_only(above)
    node = bench.paste(GROUP)
    bench.note(f"selected afterwards: {' '.join(one.name() for one in nuke.selectedNodes())}")
    return [node.input(0), node.input(1)]


@probe("2.5", "from memory")
def paste_connects_to_the_selection(bench: Bench) -> str:
    """Whether text without "inputs" is connected to the selected node."""
    above = bench.constant("SelfTestAbove")
    _select_only(above)
    found = bench.paste("NoOp {\n name SelfTestBelow\n}\n").input(0)
    return "connected" if found is not None else "not connected"


def _select_only(node: Any) -> None:
    for one in nuke.selectedNodes():
        one.setSelected(False)
    node.setSelected(True)


@probe("2.8", "from memory", ["SelfTestGroup1", "SelfTestGroup2"])
def paste_numbers_a_taken_name(bench: Bench) -> list[str]:
    """A name that is taken gets another number, and the nodes inside keep theirs."""
    text = GROUP.replace("name SelfTestGroup", "name SelfTestGroup1")
    names = [bench.paste(text).name() for _ in range(2)]
    if nuke.toNode(f"{names[1]}.SelfTestInner") is None:
        raise ValueError("the Write inside the second Group got another name")
    return names


@probe("2.8", "from memory", CLASSES)
def user_knobs_are_of_their_kinds(bench: Bench) -> dict[str, str]:
    """addUserKnob in text makes the knob class its number stands for."""
    node = bench.paste(GROUP)
    bench.note(f"{CODES['objects']} is {node['objects'].Class()}")
    return {name: node[name].Class() for name in CLASSES}


@probe("2.8", "from memory", ["hero", 480, "hero", "Draw a roto.", False])
def user_knobs_hold_their_text(bench: Bench) -> list[Any]:
    """Values in text arrive: a text, a whole number, the first choice, a Text_Knob's T, a Boolean that is off."""
    node = bench.paste(GROUP)
    status = str(node["status"].value())
    return [node["objects"].value(), int(node["size"].value()), node["shown"].value(), status, node["ready"].value()]


@probe("2.8", "from memory", "Working on frame 1001.")
def status_line_can_be_set(bench: Bench) -> str:
    """A Text_Knob holds what setValue gives it."""
    knob = bench.paste(GROUP)["status"]
    knob.setValue("Working on frame 1001.")
    return str(knob.value())


@probe("2.8", "from memory", [False, True])
def invisible_flag_hides(bench: Bench) -> list[bool]:
    """+INVISIBLE in text hides a knob, and only that one."""
    node = bench.paste(GROUP)
    return [bool(node["state"].visible()), bool(node["objects"].visible())]


@probe("2.8", "from memory", ["as pasted", "as set"])
def text_knob_keeps_any_text(bench: Bench) -> list[str]:
    """A hidden text knob keeps JSON as it is: brackets, braces, dollars, backslashes, quotes and line ends."""
    node = bench.paste(GROUP)
    seen = ["as pasted" if node["state"].value() == STATE else str(node["state"].value())]
    changed = STATE.replace("1001", "1002")
    node["state"].setValue(changed)
    return [*seen, "as set" if node["state"].value() == changed else str(node["state"].value())]


@probe("2.8", "RB", ["kept", "Write inside"], only="terminal")
def script_file_keeps_the_node(bench: Bench) -> list[str]:
    """Saving and opening the script keeps a Group's user knobs and the nodes inside it."""
    name = str(bench.paste(GROUP).name())
    extension = "nknc" if nuke.env.get("nc") else "nkind" if nuke.env.get("indie") else "nk"
    path = bench.path(f"saved.{extension}")
    nuke.scriptSaveAs(path)
    nuke.scriptClear()
    nuke.scriptOpen(path)
    node = nuke.toNode(name)
    inner = nuke.toNode(f"{name}.SelfTestInner")
    if trace().count(("created", name)) != 2:
        bench.note(f"onCreate after pasting and opening ran for {[one for what, one in trace() if what == 'created']}")
    return ["kept" if node["state"].value() == STATE else str(node["state"].value()), f"{inner.Class()} inside"]


@probe("2.7", "MA2", [("pressed", "SelfTestGroup")])
def button_runs_with_this_node(bench: Bench) -> list[tuple[str, str]]:
    """A button's text runs as Python, and nuke.thisNode() in it is the button's node."""
    node = bench.paste(GROUP)
    trace().clear()
    node["press"].execute()
    return list(trace())


@probe("2.7", "from memory")
def group_a_button_runs_in(bench: Bench) -> str:
    """Whether the current group of a Group's button is that Group itself, or the one around it."""
    bench.paste(GROUP)["look"].execute()
    return "the Group itself" if ("found", "True") in trace() else "the group around it"


@probe("2.7", "from memory", [True, True, False])
def with_sets_the_current_group(bench: Bench) -> list[bool]:
    """with node: makes a Group the current one and with nuke.root(): the script, also inside the other."""
    node = bench.paste(GROUP)
    with node:
        inside = nuke.toNode("SelfTestInner") is not None
        with nuke.root():
            full = nuke.toNode("SelfTestGroup.SelfTestInner") is not None
    return [inside, full, nuke.toNode("SelfTestInner") is not None]


@probe("2.7", "from memory", [("created", "SelfTestGroup")])
def on_create_runs_on_paste(bench: Bench) -> list[tuple[str, str]]:
    """An onCreate knob in pasted text runs once, with nuke.thisNode()."""
    bench.paste(GROUP)
    return [one for one in trace() if one[0] == "created"]


@probe("2.7", "from memory", [("changed", "SelfTestGroup")])
def knob_changed_runs_on_set_value(bench: Bench) -> list[tuple[str, str]]:
    """A knobChanged knob in pasted text runs when Python sets a knob, with nuke.thisKnob()."""
    node = bench.paste(GROUP)
    before = len(trace())
    node["objects"].setValue("car")
    node["shown"].setValue("two words")
    bench.note(f"{before} calls while pasting")
    return trace()[before:]


@probe("2.8", "from memory", ["Write", "SelfTestGroup.SelfTestInner"])
def inner_node_has_a_dotted_name(bench: Bench) -> list[str]:
    """nuke.toNode("Group.Inner") finds a node inside a Group."""
    bench.paste(GROUP)
    inner = nuke.toNode("SelfTestGroup.SelfTestInner")
    return [inner.Class(), inner.fullName()]


@probe("2.8", "from memory", [2, "SelfTestPlate", "SelfTestRoto"])
def inputs_of_a_group_go_by_number(bench: Bench) -> list[Any]:
    """A Group with two Input nodes takes two connections, and setInput(i, None) takes one away."""
    node, plate, roto = bench.paste(GROUP), bench.constant("SelfTestPlate"), bench.constant("SelfTestRoto")
    node.setInput(0, plate)
    node.setInput(1, roto)
    seen = [int(node.maxInputs()), node.input(0).name(), node.input(1).name()]
    node.setInput(1, None)
    if node.input(1) is not None:
        raise ValueError("setInput(1, None) left the connection")
    return seen


@probe("2.8", "from memory", [123, 456])
def node_can_be_placed(bench: Bench) -> list[int]:
    """setXYpos puts a node where it says."""
    node = bench.paste(GROUP)
    bench.note(f"text said 40 60, pasted at {int(node.xpos())} {int(node.ypos())}")
    node.setXYpos(123, 456)
    return [int(node.xpos()), int(node.ypos())]


@probe("2.8", "public code", [None, True])
def missing_knob_is_none(bench: Bench) -> list[Any]:
    """node.knob() of a name it lacks is None, and node[...] raises."""
    node = bench.constant("SelfTestConstant")
    return [node.knob("no_such_knob"), bench.refused(lambda: node["no_such_knob"]) != "no error"]


@probe("2.4", "RB", [True, None])
def handle_of_a_deleted_node_raises(bench: Bench) -> list[Any]:
    """A handle whose node was deleted raises when used, and toNode of its name is None."""
    node = bench.constant("SelfTestConstant")
    nuke.delete(node)
    return [bench.refused(node.fullName) != "no error", nuke.toNode("SelfTestConstant")]


@probe("2.5", "from memory")
def order_of_selected_nodes(bench: Bench) -> list[str]:
    """In which order selectedNodes() has two nodes that were selected one after the other."""
    first, second = bench.constant("SelfTestFirst"), bench.constant("SelfTestSecond")
    _select_only(first)
    second.setSelected(True)
    return [str(node.name()) for node in nuke.selectedNodes()]


@probe("2.7", "from memory", [1001, 1010])
def int_knob_takes_keys(bench: Bench) -> list[int]:
    """setAnimated and setValueAt key a hidden whole-number knob, removeKeyAt takes a key away, clearAnimated all."""
    knob = bench.paste(GROUP)["marks"]
    nuke.frame(5)
    knob.setAnimated()
    for frame in (1001, 1010):
        knob.setValueAt(1, frame)
    bench.note(f"keys after setAnimated at frame 5 and two setValueAt: {list(knob.getKeyList())}")
    for time in set(knob.getKeyList()).difference((1001, 1010)):
        knob.removeKeyAt(time)
    keys = [int(time) for time in knob.getKeyList()]
    knob.clearAnimated()
    if knob.getKeyList():
        raise ValueError(f"clearAnimated left {list(knob.getKeyList())}")
    return keys


@probe("2.7", "from memory", [["a", "b"], "b", 1])
def choices_can_be_replaced(bench: Bench) -> list[Any]:
    """setValues replaces a menu's choices; value() is the name, getValue() the place."""
    knob = bench.paste(GROUP)["shown"]
    knob.setValues(["a", "b"])
    knob.setValue("b")
    return [list(knob.values()), knob.value(), int(knob.getValue())]


@probe("2.1", "TYN", [SIZE, SIZE, 1.0])
def format_tells_size_and_aspect(bench: Bench) -> list[float]:
    """node.format() has width(), height() and pixelAspect()."""
    shape = bench.constant("SelfTestConstant").format()
    return [shape.width(), shape.height(), shape.pixelAspect()]


# Undo


@probe("2.7", "TYN", ["set", "set"])
def undo_can_be_disabled(bench: Bench) -> list[str]:
    """nuke.Undo.disable() and enable() are called on the class, and with nuke.Undo(name) works."""
    knob = bench.paste(GROUP)["objects"]
    seen = []
    nuke.Undo.disable()
    try:
        knob.setValue("car")
        seen.append("set" if knob.value() == "car" else str(knob.value()))
    finally:
        nuke.Undo.enable()
    with nuke.Undo("Matted self-test"):
        knob.setValue("hero")
    return [*seen, "set" if knob.value() == "hero" else str(knob.value())]


@contextlib.contextmanager
def undoing(bench: Bench) -> Iterator[str]:
    """The name of a new Group whose changes can be undone; only in a script in which no step is the artist's."""
    if bench.is_mixed:
        raise Skipped("an undo could take back a step of yours: run it in a new, empty script")
    name = str(bench.paste(GROUP).name())
    nuke.Undo.enable()
    try:
        yield name
    finally:
        nuke.Undo.disable()


@probe("2.7", "from memory", ["hero", 480], only="gui")
def undo_group_is_one_step(bench: Bench) -> list[Any]:
    """All changes inside with nuke.Undo(name) are one step: one undo takes them back."""
    with undoing(bench) as name:
        with nuke.Undo("Matted self-test"):
            nuke.toNode(name)["objects"].setValue("car")
            nuke.toNode(name)["size"].setValue(0)
        nuke.undo()
    node = nuke.toNode(name)
    return [node["objects"].value(), int(node["size"].value())]


@probe("2.7", "from memory", ["hero", 0], only="gui")
def disabled_undo_makes_no_step(bench: Bench) -> list[Any]:
    """A change between Undo.disable() and enable() is no step: an undo takes back the one before it."""
    with undoing(bench) as name:
        with nuke.Undo("Matted self-test"):
            nuke.toNode(name)["objects"].setValue("car")
        nuke.Undo.disable()
        try:
            nuke.toNode(name)["size"].setValue(0)
        finally:
            nuke.Undo.enable()
        nuke.undo()
    node = nuke.toNode(name)
    return [node["objects"].value(), int(node["size"].value())]


@probe("2.7", "from memory", "gone", only="gui")
def pasting_is_one_step(bench: Bench) -> str:
    """Pasting a Group and moving it inside with nuke.Undo(name) is one step."""
    with undoing(bench):
        with nuke.Undo("Matted self-test"):
            node = bench.paste(GROUP)
            node.setXYpos(10, 10)
            name = str(node.name())
        nuke.undo()
    return "gone" if nuke.toNode(name) is None else "still there"


# Write and nuke.execute


@probe("2.1", "NPR", ["rgb", False, False, "main", False])
def write_has_the_defaults(bench: Bench) -> list[Any]:
    """A new Write has channels rgb, create_directories and raw off, views main, and is enabled."""
    write = bench.paste("Write {\n inputs 0\n name SelfTestWrite\n}\n")
    return [write[name].value() for name in ("channels", "create_directories", "raw", "views", "disable")]


@probe("2.1", "NPR", ["16 bit half", True])
def exr_knobs_appear_with_the_type(bench: Bench) -> list[Any]:
    """Once file_type is exr a Write has datatype, half by default, and compression with a choice none."""
    write = bench.paste("Write {\n inputs 0\n name SelfTestWrite\n}\n")
    bench.note(f"before: datatype {'there' if write.knob('datatype') is not None else 'absent'}")
    write["file_type"].setValue("exr")
    bench.note(f"compression {write['compression'].value()} of {', '.join(write['compression'].values())}")
    write["compression"].setValue("none")
    return [write["datatype"].value(), write["compression"].value() == "none"]


@probe("2.1", "NPR", "no file")
def write_needs_its_folder(bench: Bench) -> str:
    """With create_directories off a missing folder is an error and no file is written."""
    write = bench.write(bench.constant("SelfTestConstant"), extra=" create_directories false")
    path = bench.path("missing/a.exr")
    write["file"].setValue(path)
    bench.note(f"nuke.execute: {bench.refused(lambda: nuke.execute(write, 1, 1, 1))}")
    return "a file" if Path(path).is_file() else "no file"


@probe("2.1", "NPR", "a file")
def write_makes_its_folder(bench: Bench) -> str:
    """With create_directories on the Write makes missing folders."""
    write = bench.write(bench.constant("SelfTestConstant"))
    path = bench.path("missing/deep er/a.exr")
    write["file"].setValue(path)
    nuke.execute(write, 1, 1, 1)
    return "a file" if Path(path).is_file() else "no file"


@probe("2.9", "from memory", ["A"])
def alpha_is_written_as_a(bench: Bench) -> list[str]:
    """channels alpha writes one channel, called A."""
    return bench.render(bench.write(bench.constant("SelfTestConstant"), "alpha")).channels


@probe("2.1", "NPR", ["B", "G", "R"])
def rgb_has_no_alpha(bench: Bench) -> list[str]:
    """channels rgb writes R, G and B without an alpha."""
    return bench.render(bench.write(bench.constant("SelfTestConstant"), "rgb")).channels


@probe("2.1", "NPR", [0.25, 0.5, 0.75, 1.0])
def raw_writes_the_numbers(bench: Bench) -> list[float]:
    """With raw on the file holds the numbers of the stream, as half and uncompressed when so told."""
    picture = bench.render(bench.write(bench.constant("SelfTestConstant")))
    if picture.compression or set(picture.types.values()) != {_HALF}:
        raise ValueError(f"compression {picture.compression}, {sorted(set(picture.types.values()))}")
    return [picture.at(name) for name in "RGBA"]


@probe("2.1", "from memory", "no file")
def disabled_write_writes_nothing(bench: Bench) -> str:
    """nuke.execute of a disabled Write writes no file."""
    write = bench.write(bench.constant("SelfTestConstant"), extra=" disable true")
    path = bench.path("disabled.exr")
    write["file"].setValue(path)
    bench.note(f"nuke.execute: {bench.refused(lambda: nuke.execute(write, 1, 1, 1))}")
    return "a file" if Path(path).is_file() else "no file"


@probe("2.1", "from memory", ["a file", True])
def inner_write_renders_when_enabled(bench: Bench) -> list[Any]:
    """A disabled Write inside a Group, enabled by Python, renders at once by its handle, with a list of views."""
    node = bench.paste(GROUP)
    node.setInput(0, bench.constant("SelfTestPlate"))
    write = nuke.toNode("SelfTestGroup.SelfTestInner")
    path = bench.path("inner.exr")
    with kept(write["disable"], write["file"], write["views"]):
        write["file"].setValue(path)
        write["views"].setValue(nuke.views()[0])
        write["disable"].setValue(False)
        nuke.execute(write, 1001, 1001, 1, [nuke.views()[0]])
    return ["a file" if Path(path).is_file() else "no file", write["disable"].value()]


@probe("2.1", "FD", "a file")
def inner_write_renders_by_name(bench: Bench) -> str:
    """nuke.execute takes the dotted name of a Write inside a Group."""
    node = bench.paste(GROUP)
    node.setInput(0, bench.constant("SelfTestPlate"))
    write = nuke.toNode("SelfTestGroup.SelfTestInner")
    path = bench.path("named.exr")
    write["file"].setValue(path)
    write["disable"].setValue(False)
    nuke.execute("SelfTestGroup.SelfTestInner", 1, 1)
    return "a file" if Path(path).is_file() else "no file"


@probe("2.9", "from memory", ["a.1001.exr", "a.1002.exr"])
def counter_is_the_frame(bench: Bench) -> list[str]:
    """%04d in a Write's file becomes the frame that is executed."""
    write = bench.write(bench.constant("SelfTestConstant"))
    write["file"].setValue(bench.path("counter/a.%04d.exr"))
    nuke.execute(write, 1001, 1002, 1)
    return sorted(path.name for path in (bench.folder / "counter").iterdir())


@probe("2.1", "from memory", ["plain.exr"])
def plain_path_takes_one_frame(bench: Bench) -> list[str]:
    """A Write's file without a counter is written as it stands."""
    write = bench.write(bench.constant("SelfTestConstant"))
    write["file"].setValue(bench.path("plain/plain.exr"))
    nuke.execute(write, 1001, 1001, 1)
    return sorted(path.name for path in (bench.folder / "plain").iterdir())


@probe("2.1", "FD", "RuntimeError")
def failed_render_raises(bench: Bench) -> str:
    """nuke.execute raises RuntimeError when a frame cannot be computed."""
    write = bench.write(bench.read(bench.path("nothing.%04d.exr"), extra=" on_error error"))
    path = bench.path("failed.exr")
    write["file"].setValue(path)
    found = bench.refused(lambda: nuke.execute(write, 2, 2, 1))
    bench.note(f"left a file of {Path(path).stat().st_size} bytes" if Path(path).is_file() else "left no file")
    return found


@probe("2.1", "from memory", [0, 0, SIZE - 1, SIZE - 1])
def crop_gives_the_format(bench: Bench) -> list[int]:
    """A Crop of {0 0 {input.width} {input.height}} makes the data window of an overscan plate the display window."""
    write_exr(bench.folder / "over.exr", {"R": 0.5, "G": 0.5, "B": 0.5}, border=16)
    read = bench.read(bench.path("over.exr"), 1, 1)
    plain = bench.write(read, "rgb")
    bench.note(f"without a Crop: {list(bench.render(plain).data)}")
    crop = bench.paste("Crop {\n inputs 0\n box {0 0 {input.width} {input.height}}\n name SelfTestCrop\n}\n")
    crop.setInput(0, read)
    plain.setInput(0, crop)
    picture = bench.render(plain)
    if picture.display != (0, 0, SIZE - 1, SIZE - 1):
        raise ValueError(f"the display window is {picture.display}")
    return list(picture.data)


@probe("2.1", "from memory", ["R 0.25", "A 0.5"])
def copy_takes_from_input_one(bench: Bench) -> list[str]:
    """A Copy reads from0 of its input 1 and the rest of its input 0; text connects inputs from the top of the stack."""
    node = bench.paste(GROUP)
    node.setInput(0, bench.constant("SelfTestPlate", "0.25 0.25 0.25 1"))
    node.setInput(1, bench.constant("SelfTestRoto", "0.75 0.75 0.75 0.5"))
    write = nuke.toNode("SelfTestGroup.SelfTestInner")
    write["channels"].setValue("rgba")
    write["compression"].setValue("none")
    write["disable"].setValue(False)
    picture = bench.render(write)
    return [f"{name} {picture.at(name)}" for name in "RA"]


@probe("2.8", "from memory", [1.0, 0.5])
def expression_follows_the_groups_knob(bench: Bench) -> list[float]:
    """disable {{!parent.ready}} inside a Group follows the Group's knob when Python sets it."""
    write_exr(bench.folder / "matte.exr", {"A": 0.5})
    node = bench.paste(GROUP)
    node.setInput(0, bench.constant("SelfTestPlate"))
    mattes = nuke.toNode("SelfTestGroup.SelfTestMattes")
    mattes["file"].fromUserText(f"{bench.path('matte.exr')} 1-1")
    mattes["last"].setValue(1)
    write = bench.write(node)
    seen = [bench.render(write).at("A")]
    node["ready"].setValue(True)
    return [*seen, bench.render(write).at("A")]


@probe("2.1", "from memory", "full size")
def proxy_can_be_left_for_a_render(bench: Bench) -> str:
    """In proxy mode a render is full size and goes to file once Python has set the root's proxy off."""
    write = bench.write(bench.constant("SelfTestConstant"))
    proxy = nuke.root()["proxy"]
    with kept(proxy):
        proxy.setValue(True)
        bench.note(f"proxy on: the Constant is {bench.constant('SelfTestOther').format().width()} wide")
        proxy.setValue(False)
        picture = bench.render(write)
    return "full size" if picture.display[2] == SIZE - 1 else f"{picture.display[2] + 1} wide"


@probe("2.1", "FD", ["RuntimeError", "the word cancel"], is_risky=True)
def cancelled_render_says_so(bench: Bench) -> list[str]:
    """A cancelled nuke.execute raises RuntimeError with the word cancel."""
    write = bench.write(bench.constant("SelfTestConstant"))
    write["file"].setValue(bench.path("cancel.%04d.exr"))

    def cancel() -> None:
        nuke.cancel()

    nuke.addAfterFrameRender(cancel)
    try:
        found = bench.refused(lambda: nuke.execute(write, 1, 20, 1))
    finally:
        nuke.removeAfterFrameRender(cancel)
    words = bench.notes[-1] if bench.notes else ""
    return [found, "the word cancel" if "cancel" in words.partition(": ")[2].lower() else words]


# Read


@probe("2.5", "AYN, CFN", [True, 1, 3])
def user_text_holds_a_range(bench: Bench) -> list[Any]:
    """fromUserText of "file first-last" sets file without the range, first and last."""
    pattern = bench.sequence()
    read = bench.paste("Read {\n inputs 0\n name SelfTestRead\n}\n")
    read["file"].fromUserText(f"{pattern} 1-3")
    return [read["file"].value() == pattern, int(read["first"].value()), int(read["last"].value())]


@probe("2.5", "from memory", [True, 1001, 1010])
def user_text_holds_a_range_of_missing_files(bench: Bench) -> list[Any]:
    """fromUserText does so when none of the files is there yet, without an error."""
    pattern = bench.path("later out/m.%04d.exr")
    read = bench.paste("Read {\n inputs 0\n name SelfTestRead\n}\n")
    read["file"].fromUserText(f"{pattern} 1001-1010")
    for name, value in (("first", 1001), ("last", 1010), ("origfirst", 1001), ("origlast", 1010)):
        read[name].setValue(value)
    return [read["file"].value() == pattern, int(read["first"].value()), int(read["last"].value())]


@probe("2.5", "NPR", NONE_MISSING)
def read_has_the_knobs(bench: Bench) -> str:
    """A Read has the knobs the plugin sets or reads."""
    read = bench.paste("Read {\n inputs 0\n name SelfTestRead\n}\n")
    names = ["file", "first", "last", "origfirst", "origlast", "before", "after", "on_error", "raw", "premultiplied"]
    names += ["colorspace", "frame_mode", "frame", "reload", "disable"]
    return missing(names, (name for name in names if read.knob(name) is not None))


@probe("2.5", "NPR", [["black", "error", "nearest frame"], ["black", "hold"], ["black", "hold"]])
def read_has_the_choices(bench: Bench) -> list[list[str]]:
    """on_error can be error, black and nearest frame; before and after can be hold and black."""
    read = bench.paste("Read {\n inputs 0\n name SelfTestRead\n}\n")
    wanted = {"on_error": ("black", "error", "nearest frame"), "before": ("black", "hold"), "after": ("black", "hold")}
    return [sorted(set(read[name].values()) & set(choices)) for name, choices in wanted.items()]


@probe("2.5", "from memory", [0.0, 0.0, 0.0])
def missing_frames_are_black(bench: Bench) -> list[float]:
    """With on_error, before and after black, a missing file and frames outside the range are black, not an error."""
    pattern = bench.sequence(frames=(1, 3))
    read = bench.read(pattern, extra=" before black\n after black\n on_error black")
    write = bench.write(read)
    return [bench.render(write, frame).at("R") for frame in (2, 0, 4)]


@probe("2.5", "from memory", [0.5, 1.0])
def alpha_comes_from_a(bench: Bench) -> list[float]:
    """A file with the one channel A is read as rgba.alpha, and raw leaves its numbers."""
    write_exr(bench.folder / "matte.0001.exr", {"A": 0.5})
    write_exr(bench.folder / "matte.0002.exr", {"A": 1.0})
    write = bench.write(bench.read(bench.path("matte.%04d.exr"), 1, 2))
    return [bench.render(write, frame).at("A") for frame in (1, 2)]


@probe("2.5", "from memory", [1.0, 2.0])
def reload_shows_the_new_file(bench: Bench) -> list[float]:
    """read["reload"].execute() shows a file that was written again."""
    path = bench.folder / "again.exr"
    write_exr(path, {"R": 1.0, "G": 0.0, "B": 0.0})
    read = bench.read(path.as_posix(), 1, 1)
    write = bench.write(read)
    seen = [bench.render(write).at("R")]
    write_exr(path, {"R": 2.0, "G": 0.0, "B": 0.0})
    bench.note(f"before reload: {bench.render(write).at('R')}")
    read["reload"].execute()
    return [*seen, bench.render(write).at("R")]


@probe("2.5", "from memory", [0.0, 3.0])
def reload_shows_a_late_file(bench: Bench) -> list[float]:
    """read["reload"].execute() shows a file that was missing when the frame was first asked for."""
    read = bench.read(bench.sequence(frames=(1, 2)), extra=" on_error black")
    write = bench.write(read)
    seen = [bench.render(write, 3).at("R")]
    bench.sequence(frames=(3,))
    bench.note(f"before reload: {bench.render(write, 3).at('R')}")
    read["reload"].execute()
    return [*seen, bench.render(write, 3).at("R")]


@probe("2.5", "NPR, AYN; meaning from memory", [1.0, 2.0, 1001, 1003])
def start_at_slides_the_files(bench: Bench) -> list[float]:
    """With frame_mode "start at" and frame 1001 the first file is shown at 1001, and firstFrame() is 1001."""
    read = bench.read(bench.sequence(), extra=' frame_mode "start at"\n frame 1001')
    write = bench.write(read)
    shown = [bench.render(write, frame).at("R") for frame in (1001, 1002)]
    return [*shown, int(read.firstFrame()), int(read.lastFrame())]


@probe("2.5", "NPR; meaning from memory", [1.0, 2.0])
def offset_is_added(bench: Bench) -> list[float]:
    """With frame_mode offset and frame -1000 the file of frame 1 is shown at 1001."""
    write = bench.write(bench.read(bench.sequence(), extra=" frame_mode offset\n frame -1000"))
    return [bench.render(write, frame).at("R") for frame in (1001, 1002)]


@probe("2.5", "NPR", ["expression", ""])
def frame_is_not_slid_by_default(bench: Bench) -> list[str]:
    """A Read's frame_mode is expression and its frame empty unless somebody slid it."""
    read = bench.read(bench.sequence())
    return [read["frame_mode"].value(), str(read["frame"].value())]


@probe("2.5", "NPR, AYN", False)
def colorspace_has_no_tab(bench: Bench) -> bool:
    """value() of a Read's colorspace has no TAB, though its choices may."""
    knob = bench.read(bench.sequence())["colorspace"]
    bench.note(f"{knob.value()!r}; {sum(chr(9) in choice for choice in knob.values())} choices with a TAB")
    return "\t" in str(knob.value())


@probe("2.9", "from memory", ["matted_selftest.alpha", 0.5], only="terminal")
def layers_can_be_copied(bench: Bench) -> list[Any]:
    """A layer of an EXR file becomes a layer of the script, and a Copy's from0 can be set to its alpha."""
    values = {"R": 0.0, "G": 0.0, "B": 0.0, "A": 0.0, "matted_selftest.A": 0.5}
    write_exr(bench.folder / "layers.exr", values)
    read = bench.read(bench.path("layers.exr"), 1, 1)
    found = [name for name in read.channels() if name.startswith("matted_selftest")]
    copy = bench.paste("Copy {\n inputs 0\n from0 rgba.alpha\n to0 rgba.alpha\n name SelfTestCopy\n}\n")
    copy.setInput(0, read)
    copy.setInput(1, read)
    copy["from0"].setValue("matted_selftest.alpha")
    return [*found, bench.render(bench.write(copy)).at("A")]


# Whether the plate changed


@probe("2.1", "TYN", [True, True])
def op_hashes_are_stable(bench: Bench) -> list[bool]:
    """node.opHashes() is a list of numbers, the same when asked again."""
    node = bench.constant("SelfTestConstant")
    hashes = list(node.opHashes())
    return [bool(hashes) and all(isinstance(one, int) for one in hashes), list(node.opHashes()) == hashes]


@probe("2.1", "from memory", "changed")
def op_hashes_change_with_what_is_above(bench: Bench) -> str:
    """node.opHashes() changes when a node above changes."""
    above, node = bench.constant("SelfTestAbove"), bench.paste("NoOp {\n inputs 0\n name SelfTestBelow\n}\n")
    node.setInput(0, above)
    before = list(node.opHashes())
    above["color"].setValue(0.125, 0)
    return "changed" if list(node.opHashes()) != before else "the same"


@probe("2.1", "NPR, from memory", ["changed", "the same", "the same"])
def op_hashes_of_a_framehold_go_by_the_frame_it_holds(bench: Bench) -> list[str]:
    """node.opHashes() of a FrameHold over a sequence: another with another firstFrame, the same when that is put back,
    and the same at another current frame."""
    read = bench.read(bench.sequence())
    hold = bench.paste("FrameHold {\n inputs 0\n firstFrame 1\n name SelfTestHold\n}\n")
    hold.setInput(0, read)
    nuke.frame(1)
    before = list(hold.opHashes())
    hold["firstFrame"].setValue(2)
    other = list(hold.opHashes())
    hold["firstFrame"].setValue(1)
    back = list(hold.opHashes())
    nuke.frame(2)
    elsewhere = list(hold.opHashes())
    return ["changed" if one != before else "the same" for one in (other, back, elsewhere)]


@probe("2.1", "from memory")
def op_hashes_at_another_frame(bench: Bench) -> str:
    """Whether node.opHashes() of a sequence is another at another frame."""
    node = bench.read(bench.sequence())
    nuke.frame(1)
    before = list(node.opHashes())
    nuke.frame(2)
    return "changed" if list(node.opHashes()) != before else "the same"


# Roto


def _number(value: float) -> str:
    """A number as the text of curves has it: 0 and 1, else the word of its float32."""
    return str(int(value)) if value in (0, 1) else "x" + struct.pack(">f", value).hex()


def roto_text(name: str, corners: tuple[tuple[float, float], ...], frame: int = 1001) -> str:
    """A Roto with one closed Bezier shape keyed on one frame, y up."""
    points = " ".join(f"{{0 0}} {{{_number(x)} {_number(y)}}} {{0 0}}" for x, y in corners)
    middle = f"{_number(SIZE / 2)} {_number(SIZE / 2)}"
    shape = (
        f"{{curvegroup Bezier1 512 bezier {{{{cc {{f 8192}} {{px {_number(frame)} {points}}}}} idem}} "
        f"{{tx {_number(frame)} {middle}}} {{a}}}}"
    )
    tree = f"{{{{v x3f99999a}} {{f 0}} {{n {{layer Root {{f 2097152}} {{t {middle}}} {{a}} {shape}}}}}}}"
    return f"Roto {{\n inputs 0\n curves {{{tree}}}\n name {name}\n}}\n"


BOX = ((64.0, 32.0), (192.0, 32.0), (192.0, 96.0), (64.0, 96.0))


@probe("2.3", "public .nk files", ["Bezier1", 4, [64.0, 32.0]])
def roto_can_be_pasted(bench: Bench) -> list[Any]:
    """A Roto's text with a curves block pastes, and the shape and its points are found through rootLayer."""
    curves = bench.paste(roto_text("SelfTestRoto", BOX))["curves"]
    shapes = list(curves.rootLayer)
    where = shapes[0][0].center.getPosition(1001)
    return [shapes[0].name, len(list(shapes[0])), [round(where[0], 3), round(where[1], 3)]]


@probe("2.3", "RBN, MLS", [["A"], 0.0, 1.0, 0.0])
def roto_draws_alpha_upwards(bench: Bench) -> list[Any]:
    """A Roto's alpha is 1 inside the shape and 0 outside; its y counts from the bottom."""
    roto = bench.paste(roto_text("SelfTestRoto", BOX))
    roto.setInput(0, bench.constant("SelfTestPlate", "0 0 0 0"))
    picture = bench.render(bench.write(roto, "alpha"), 1001)
    above, inside, beside = ((128, 64), (128, SIZE - 1 - 64), (32, SIZE - 1 - 64))
    return [picture.channels, *(picture.at("A", *place) for place in (above, inside, beside))]


@probe("2.3", "RB", [[1001], [1001, 1010]])
def roto_keys_are_a_union(bench: Bench) -> list[list[int]]:
    """Each member of each point has key times of its own: one point's are not the shape's."""
    shape = next(iter(bench.paste(roto_text("SelfTestRoto", BOX))["curves"].rootLayer))
    points = list(shape)
    points[1].leftTangent.addPositionKey(1010, nuke.rotopaint.CVec3(5, 0, 0))
    names = ["center", "leftTangent", "rightTangent", "featherCenter", "featherLeftTangent", "featherRightTangent"]
    union = {time for point in points for name in names for time in getattr(point, name).getControlPointKeyTimes()}
    return [[int(time) for time in points[0].center.getControlPointKeyTimes()], sorted(map(int, union))]


@probe("2.3", "RB", NONE_MISSING)
def roto_transforms_tell_their_keys(bench: Bench) -> str:
    """The transforms of shapes and layers have the lists of key times the union rule asks for."""
    root = bench.paste(roto_text("SelfTestRoto", BOX))["curves"].rootLayer
    shape = next(iter(root)).getTransform()
    names = [f"get{part}KeyTimes" for part in ("Transform", "Translation", "Rotation", "Scale", "SkewX", "PivotPoint")]
    bench.note(f"a fresh shape: {list(shape.getTransformKeyTimes())}")
    return missing(names, (name for name in names if hasattr(root.getTransform(), name) and hasattr(shape, name)))


@probe("2.3", "RB", ["Layer", "Shape", [True, 1.0, 0.0]])
def roto_elements_tell_kind_and_visibility(bench: Bench) -> list[Any]:
    """The Python classes are called Layer and Shape; getVisible, and the attributes opc and ltt, answer at a frame."""
    root = bench.paste(roto_text("SelfTestRoto", BOX))["curves"].rootLayer
    shape = next(iter(root))
    attributes = shape.getAttributes()
    values = [bool(shape.getVisible(1001)), *(float(attributes.getValue(1001, name)) for name in ("opc", "ltt"))]
    keys = {name: attributes.getCurve(name).getNumberOfKeys() for name in ("vis", "opc", "inv")}
    bench.note(f"keys of attributes: {keys}")
    return [type(root).__name__, type(shape).__name__, values]


@probe("2.4", "RBN", ["Bezier1", 4, 64.0])
def curves_survive_their_text(bench: Bench) -> list[Any]:
    """fromScript takes what toScript gives."""
    knob = bench.paste(roto_text("SelfTestRoto", BOX))["curves"]
    text = knob.toScript()
    bench.note(" ".join(text.split())[:80])
    knob.fromScript(text)
    shape = next(iter(knob.rootLayer))
    return [shape.name, len(list(shape)), round(shape[0].center.getPosition(1001)[0], 3)]


@probe("2.3", "NPR", ["global", 0.0, "shape", 1.0])
def roto_motion_blur_can_be_set_aside(bench: Bench) -> list[Any]:
    """motionblur_mode global with global_motionblur 0 is taken, and both can be put back."""
    roto = bench.paste(roto_text("SelfTestRoto", BOX))
    mode, amount = roto["motionblur_mode"], roto["global_motionblur"]
    with kept(mode, amount):
        mode.setValue("global")
        amount.setValue(0)
        seen = [mode.value(), float(amount.value())]
    return [*seen, mode.value(), float(amount.value())]


@probe("2.3", "NPR", ["alpha", "format"])
def roto_has_the_defaults(bench: Bench) -> list[str]:
    """A Roto draws into alpha and clips to the format."""
    roto = bench.paste(roto_text("SelfTestRoto", BOX))
    bench.note(f"the curves knob is a {type(roto['curves']).__name__}")
    return [roto["output"].value(), roto["cliptype"].value()]


# The plugin, where it is installed


@probe("1.2", "the plugin's own", True, has_nodes=False)
def plugin_can_be_imported(bench: Bench) -> bool:
    """The installed plugin's modules can be imported, with pyzmq and msgpack for this Python."""
    buttons = _plugin("buttons")
    importlib.import_module("matted_protocol.client")
    zmq = sys.modules["matted_protocol.dealer"].zmq
    bench.note(f"{Path(buttons.__file__).parent}; zmq {zmq.__version__} from {Path(zmq.__file__).parent}")
    return bool(zmq.has("curve")) and int(zmq.__version__.split(".")[0]) >= 25


@probe("2.8", "the plugin's own", NONE_MISSING)
def plugin_node_can_be_pasted(bench: Bench) -> str:
    """The real Matted node's text pastes, with its knobs and the nodes inside."""
    text = _plugin("node")
    lines = text.group_text("MattedSelfTest1", '{"id": "self-test"}', (0, 0)).splitlines(keepends=True)
    # Without its callbacks, which would wake the plugin: the self-test connects to nothing.
    node = bench.paste("".join(line for line in lines if not line.startswith((" onCreate ", " knobChanged "))))
    if node[text.STATE].value() != '{"id": "self-test"}':
        raise ValueError("the hidden state was changed by pasting")
    knobs = ["propagate", "cancel", "suggest", "status", "keyframes", "objects", "frames", "out", "shown", "ready"]
    inner = [text.WRITE, text.MASK, text.READ]
    there = [name for name in knobs if node.knob(name) is not None]
    there += [name for name in inner if nuke.toNode(f"{node.fullName()}.{name}") is not None]
    return missing([*knobs, *inner], there)


@probe("2.4", "the plugin's own", [1.0, 0.0, 0.0])
def plugin_shapes_can_be_pasted(bench: Bench) -> list[float]:
    """To Roto's text pastes, its shapes move straight from key to key and end with their lifetime."""
    text = _plugin("shapes")
    corners = [[(x + shift, y, 0.0, 0.0, 0.0, 0.0) for x, y in BOX] for shift in (0, 48)]
    told = {"object": "hero", "name": "outline", "frames": (1001, 1005), "points": corners, "hole": False}
    shape = types.SimpleNamespace(**told, lifetime=((1001, 1005),), size=(SIZE, SIZE))
    roto = bench.paste(text.roto_node_text("SelfTestRoto", [shape]))
    bench.note(f"{text.straighten(roto['curves'])} keys were not linear")
    roto.setInput(0, bench.constant("SelfTestPlate", "0 0 0 0"))
    write = bench.write(roto, "alpha")
    # A quarter of the way the left edge is at 76 when it moves straight, and at about 71 when it eases in.
    quarter = bench.render(write, 1002)
    return [quarter.at("A", 78, 64), quarter.at("A", 74, 64), bench.render(write, 1006).at("A", 128, 64)]


def _plugin(name: str) -> Any:
    """A module of the installed plugin, imported as its menu would."""
    if importlib.util.find_spec("matted_nuke") is None:
        raise Skipped("the plugin is not installed in this Nuke")
    importlib.import_module("matted_nuke.vendor").use()
    return importlib.import_module(f"matted_nuke.{name}")


# Only when told to


@probe("2.6", "FD", is_risky=True)
def knob_set_from_a_thread(bench: Bench) -> str:
    """What happens when a knob is set from another thread, which the plugin never does."""
    knob = bench.paste(GROUP)["objects"]
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(bench.refused(lambda: knob.setValue("car"))))
    thread.start()
    thread.join(10)
    return f"{(seen or ['no answer in 10 s'])[0]}; the knob holds {knob.value()!r}"


# Running them


def edition() -> str:
    """full, indie or nc."""
    return "nc" if nuke.env.get("nc") else "indie" if nuke.env.get("indie") else "full"


def why_not() -> str:
    """Why this script must not be touched; '' when it may be."""
    if nuke.GUI or not nuke.modified():
        return ""
    try:
        is_empty = not nuke.allNodes()
    except RuntimeError:  # more nodes than this edition shows to Python
        is_empty = False
    if is_empty:
        return ""
    return "This script has unsaved changes, and the self-test would empty it. Save it, or start a new Nuke."


def run(*, is_risky: bool = False) -> list[Result]:
    """Ask everything. Nothing of it is left behind: no node, no file, no knob of the script changed."""
    module = types.ModuleType(LOG)
    module.seen = []  # type: ignore[attr-defined]
    module.add = lambda what, node: module.seen.append((what, str(node.name())))  # type: ignore[attr-defined]
    sys.modules[LOG] = module
    folder = Path(tempfile.mkdtemp(prefix="matted-selftest-")).resolve()
    try:
        with _gui_script_kept() if nuke.GUI else contextlib.nullcontext(False) as is_mixed:
            return [_answer(one, folder, is_risky=is_risky, is_mixed=is_mixed) for one in PROBES]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        del sys.modules[LOG]


def _answer(one: Probe, folder: Path, *, is_risky: bool, is_mixed: bool) -> Result:
    reason = _why_skipped(one, is_risky=is_risky)
    if reason:
        return Result(one, "skipped", reason)
    bench = Bench(folder / one.id, is_mixed)
    bench.folder.mkdir()
    trace().clear()
    try:
        with _cleaned(one):
            seen = _plain(one.ask(bench))
    except Skipped as skipped:
        return Result(one, "skipped", str(skipped), bench.notes)
    except Exception as error:
        bench.note(traceback.format_exc(limit=-2))
        return Result(one, "DIFFERS", f"{type(error).__name__}: {error}", bench.notes)
    if one.expected is None:
        return Result(one, "noted", seen, bench.notes)
    return Result(one, "ok" if seen == _plain(one.expected) else "DIFFERS", seen, bench.notes)


def _why_skipped(one: Probe, *, is_risky: bool) -> str:
    if one.only == "gui" and not nuke.GUI:
        return "needs the GUI: the Script Editor of a new script"
    if one.only == "terminal" and nuke.GUI:
        return "needs a terminal: nuke -t selftest.py"
    if one.is_risky and not is_risky:
        return "could upset this Nuke: nuke -t selftest.py --risky"
    if one.has_nodes and nuke.GUI and edition() != "full":
        return f"this edition shows Python ten nodes of a script: nuke --{edition()} -t selftest.py"
    return ""


def _plain(value: Any) -> Any:
    """As JSON would give it back, so that what is seen and what is expected compare alike."""
    return json.loads(json.dumps(value, default=str))


@contextlib.contextmanager
def _cleaned(one: Probe) -> Iterator[None]:
    """Take away what a probe made. In a terminal by emptying the script, which costs no node handle."""
    if not nuke.GUI:
        nuke.scriptClear()
        try:
            yield
        finally:
            nuke.scriptClear()
        return
    if not one.has_nodes:
        yield
        return
    before = {node.fullName() for node in nuke.allNodes()}
    with _unrecorded():
        try:
            yield
        finally:
            for node in [node for node in nuke.allNodes() if node.fullName() not in before]:
                nuke.delete(node)


@contextlib.contextmanager
def _gui_script_kept() -> Iterator[bool]:
    """Put back frame, range and selection of the open script; gives whether it holds nodes of the artist's."""
    root, was_modified, frame = nuke.root(), nuke.modified(), nuke.frame()
    knobs = {name: root[name].value() for name in ("last_frame", "first_frame", "lock_range", "proxy", "fps")}
    is_limited = edition() != "full"
    selected = [] if is_limited else list(nuke.selectedNodes())
    try:
        yield not is_limited and bool(nuke.allNodes())
    finally:
        with _unrecorded():
            for name, value in knobs.items():
                if root[name].value() != value:
                    root[name].setValue(value)
            for node in selected:
                node.setSelected(True)
        nuke.frame(frame)
        if not was_modified:
            root.setModified(False)


@contextlib.contextmanager
def _unrecorded() -> Iterator[None]:
    """Changes inside are no undo steps."""
    nuke.Undo.disable()
    try:
        yield
    finally:
        nuke.Undo.enable()


# Telling


def table(results: list[Result]) -> str:
    """What was found, as aligned text: answers, what was skipped and why, and all about those that differ."""
    asked = [one for one in results if one.status != "skipped"]
    wide = max(len(one.probe.id) for one in results)
    lines = [f"{'':8}{'probe':{wide}}  seen"]
    for one in asked:
        seen = " ".join((one.seen if isinstance(one.seen, str) else json.dumps(one.seen)).split())
        short = seen if len(seen) <= CELL or one.status != "ok" else f"{seen[: CELL - 3]}..."
        lines.append(f"{one.status:8}{one.probe.id:{wide}}  {short}")
    for reason in dict.fromkeys(one.seen for one in results if one.status == "skipped"):
        ids = ", ".join(one.probe.id for one in results if one.status == "skipped" and one.seen == reason)
        lines += [
            "",
            *textwrap.wrap(f"skipped {reason}: {ids}", 110, subsequent_indent=" " * 8, break_on_hyphens=False),
        ]
    for one in asked:
        if one.status == "DIFFERS":
            lines += ["", f"{one.probe.id} ({one.probe.section}, {one.probe.source}): {one.probe.fact}"]
            lines += [f"  expected  {json.dumps(_plain(one.probe.expected))}", f"  seen      {json.dumps(one.seen)}"]
            lines += [f"  {line}" for note in one.notes for line in note.rstrip().splitlines()]
    return "\n".join(lines)


def verdict(results: list[Result]) -> str:
    """One sentence."""
    count = {status: sum(one.status == status for one in results) for status in ("ok", "DIFFERS", "noted", "skipped")}
    asked = count["ok"] + count["DIFFERS"]
    told = f"{count['ok']} of {asked} as expected, {count['noted']} only noted, {count['skipped']} skipped"
    differing = ", ".join(one.probe.id for one in results if one.status == "DIFFERS")
    return f"{told}; these differ: {differing}." if differing else f"{told}; none differs."


def report(results: list[Result]) -> dict[str, Any]:
    """What the JSON file holds."""
    return {
        "host": f"nuke {nuke.NUKE_VERSION_STRING}",
        "edition": edition(),
        "mode": "gui" if nuke.GUI else "terminal",
        "python": platform.python_version(),
        "platform": platform.platform(),
        "executable": str(nuke.EXE_PATH),
        "arguments": [str(word) for word in sys.argv],
        "sys.path": list(sys.path),
        "OCIO": os.environ.get("OCIO", ""),
        "verdict": verdict(results),
        "probes": [one.as_json() for one in results],
    }


def save(results: list[Result], wanted: Path) -> Path:
    """Write the JSON file, beside one of the same name when there is one; returns where it is.

    Raises:
        OSError: it cannot be written.
    """
    path, number = wanted, 1
    while path.exists():
        number += 1
        path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
    path.write_text(json.dumps(report(results), indent=1) + "\n", encoding="utf-8")
    return path


def facts() -> str:
    """What the plugin relies on, as the table of the README."""
    lines = ["| What Nuke does | source | probe |", "| --- | --- | --- |"]
    for one in PROBES:
        source = one.source if one.expected is not None else f"{one.source}; only noted"
        lines.append(f"| {one.fact} | {source} | `{one.id}` |".replace("\\", "\\\\"))
    return "\n".join(lines)


def say(text: str) -> None:
    """Print, also where the console lacks a character."""
    try:
        print(text)
    except UnicodeEncodeError:
        print(text.encode("ascii", "backslashreplace").decode())


def main(words: list[str]) -> int:
    """Ask, print and save; returns the exit code."""
    mode = "gui" if nuke.GUI else "terminal"
    name = f"matted-selftest-{nuke.NUKE_VERSION_STRING}-{edition()}-{mode}.json"
    parser = argparse.ArgumentParser("selftest.py", description="What does this Nuke do of what matted relies on?")
    parser.add_argument("output", nargs="?", type=Path, default=Path.home() / name, help="JSON file to write")
    parser.add_argument("--risky", action="store_true", help="also what could upset this Nuke")
    parser.add_argument("--facts", action="store_true", help="only print the table of plugins/nuke/README.md")
    told = parser.parse_args(words)
    if told.facts:
        print(facts())
        return 0
    reason = why_not()
    if reason:
        say(reason)
        return 1
    results = run(is_risky=told.risky)
    host = f"nuke {nuke.NUKE_VERSION_STRING} ({edition()}, {mode}), python {platform.python_version()}"
    say(f"{host}, {platform.platform()}\n\n{table(results)}\n\n{verdict(results)}")
    try:
        say(f"Please send {save(results, told.output)} to the project matted, as an issue; the table above does too.")
    except OSError as error:
        say(f"{told.output} could not be written ({error}). Please send the table above to the project matted.")
    return 1 if any(one.status == "DIFFERS" for one in results) else 0


if __name__ == "__main__":
    if nuke.GUI:
        main([])
    else:
        sys.exit(main(sys.argv[1:]))
