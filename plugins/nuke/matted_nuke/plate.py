"""What Nuke knows of the plate: whether its files can be read as they are, and in which colours.

Only Dot and NoOp may stand between the Matted node and a Read that shows its files unchanged; anything else, and
anything not understood for certain, is rendered by Nuke, which is always right.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import nuke

_THROUGH = frozenset({"Dot", "NoOp"})
_VIEW = re.compile(r"%[vV]")
_COUNTER = re.compile(r"%0?\d*d|#+|@+")

_MOVIES = frozenset({"mov", "mp4", "mxf", "avi", "mkv", "m4v"})
_RAWS = frozenset({"r3d", "ari", "arx", "braw", "cin", "dpx", "dng"})
"""Formats that Nuke decodes by settings of its own, or whose log encoding has a gamut only its config knows."""

_NUKE_SPACES = {"linear": "lin_rec709", "scene_linear": "lin_rec709", "sRGB": "srgb_tx", "Gamma2.2": "g22_rec709_tx"}
"""Curves of Nuke's own colour management by their names in OpenColorIO's built-in configs. The others are rendered."""

WORKING = "lin_rec709"
"""What Nuke's own colour management works in."""

_SHARED = frozenset({"ACEScg", "ACES - ACEScg", "ACES2065-1", "ACES - ACES2065-1", "scene_linear"})
"""Spaces that the configurations inside Nuke and the daemon's own know by the same names."""


@dataclass(frozen=True)
class Colours:
    """A colour space by its OpenColorIO name, and the configuration it belongs to; None: the daemon's own."""

    space: str
    config: str | None = None


@dataclass(frozen=True)
class Files:
    """A Read's files. ``why`` says why they cannot be used as they are; '' when they can."""

    path: str = ""
    offset: int = 0
    first: int = 0
    last: int = 0
    colours: Colours | None = None
    why: str = ""


def find_read(node: nuke.Node | None, limit: int) -> tuple[nuke.Node | None, str]:
    """Follow Dots and NoOps up from a node to a Read: (Read, '') or (None, why not).

    Args:
        node: the first node above the Matted node.
        limit: how many nodes may be looked at; few where Python may hold few handles.
    """
    for nodes_left in reversed(range(limit)):
        if node is None:
            return None, "nothing is connected"
        kind = node.Class()
        if kind == "Read":
            return node, ""
        if kind not in _THROUGH:
            return None, f"{node.name()} ({kind}) changes the plate"
        node = node.input(0) if nodes_left else None
    return None, "many nodes stand between the Read and the Matted node"


def read_files(read: nuke.Node, root: nuke.Node, frames: tuple[int, int], view: str) -> Files:
    """The files of a Read, if the daemon can take them as they are for ``frames`` (first, last)."""
    why = _changed(read)
    if why:
        return Files(why=f"{read.name()} {why}")
    path = _VIEW.sub(lambda found: view[:1] if found[0] == "%v" else view, str(read["file"].value())).replace("\\", "/")
    if re.match(r"([A-Za-z]:)?/", path) is None or "[" in path:
        return Files(why=f"the path of {read.name()} is an expression or relative")
    extension = path.rsplit(".", 1)[-1].lower()
    if extension in _MOVIES | _RAWS or _COUNTER.search(path) is None:
        return Files(why=f"{read.name()} reads .{extension} files by settings of its own")
    slid = _offset(read)
    if slid is None:
        return Files(why=f"{read.name()} picks its frames by an expression")
    first, last = int(read["first"].value()) - slid, int(read["last"].value()) - slid
    if frames[0] < first or frames[1] > last:
        return Files(why=f"{read.name()} has frames {first}-{last} only")
    if str(read["on_error"].value()) != "error" and _has_gaps(path, frames[0] + slid, frames[1] + slid):
        return Files(why=f"{read.name()} fills in for missing files")
    colours = read_colours(read, root, extension)
    if colours is None:
        return Files(why=f"the colours of {read.name()} are Nuke's own")
    return Files(path, slid, first, last, colours)


def _changed(read: nuke.Node) -> str:
    """How a Read shows its files other than they are; '' when it does not."""
    if _is_on(read, "disable"):
        return "is disabled"
    if _is_on(read, "premultiplied"):
        return "unpremultiplies"
    return ""


def _has_gaps(pattern: str, first: int, last: int) -> bool:
    """Whether a frame has no file; the folder is listed once, for it may be far away."""
    folder, name = os.path.split(pattern)
    counter = _COUNTER.search(name)
    if counter is None:
        return True
    digits = int(re.sub(r"\D", "", counter[0]) or 1) if counter[0].startswith("%") else len(counter[0])
    try:
        there = {file.name for file in Path(folder).iterdir()}
    except OSError:
        return True
    named = (f"{name[: counter.start()]}{frame:0{digits}d}{name[counter.end() :]}" for frame in range(first, last + 1))
    return any(one not in there for one in named)


def _is_on(node: nuke.Node, name: str) -> bool:
    knob = node.knob(name)
    return knob is not None and bool(knob.value())


def _offset(read: nuke.Node) -> int | None:
    """What to add to Nuke's frame to get the file's; None when an expression says."""
    text = str(read["frame"].value()).strip()
    if not text:
        return 0
    try:
        number = round(float(text))
    except ValueError:
        return None
    mode = str(read["frame_mode"].value())
    if mode == "start at":
        return int(read["first"].value()) - number
    return number if mode == "offset" else None


def manages_by_ocio(root: nuke.Node) -> bool:
    """Whether the script's colours go by OpenColorIO."""
    knob = root.knob("colorManagement")
    return knob is not None and str(knob.value()) == "OCIO"


def _config(root: nuke.Node) -> str | None:
    """The path of a configuration that others can open too; None for those inside Nuke."""
    knob = root.knob("OCIO_config")
    if knob is not None and str(knob.value()) == "custom":
        custom = root.knob("customOCIOConfigPath")
        if custom is not None and str(custom.value()):
            return str(custom.value()).replace("\\", "/")
    return os.environ.get("OCIO") or None


def working_colours(root: nuke.Node) -> Colours:
    """What a raw render of the script's stream is in."""
    if not manages_by_ocio(root):
        return Colours(WORKING)
    if _config(root) is None and str(root["OCIO_config"].value()) == "nuke-default":
        return Colours(WORKING)
    knob = root.knob("workingSpaceLUT")
    return _shared(_plain(str(knob.value())) if knob is not None else "scene_linear", root) or Colours("scene_linear")


def read_colours(read: nuke.Node, root: nuke.Node, extension: str) -> Colours | None:
    """What a Read takes its files to be in; None when only Nuke knows."""
    if _is_on(read, "raw"):
        return working_colours(root)
    space = _plain(str(read["colorspace"].value()))
    if manages_by_ocio(root):
        return None if space.startswith("default") else _shared(space, root)
    if space.startswith("default"):
        default = _default(root, extension)
        if default is None:
            return None
        space = default
    known = _NUKE_SPACES.get(space)
    return None if known is None else Colours(known)


def _shared(space: str, root: nuke.Node) -> Colours | None:
    """A space of the script's OpenColorIO configuration, if the daemon can know it too."""
    config = _config(root)
    if config is None and str(root["OCIO_config"].value()) == "nuke-default":
        known = _NUKE_SPACES.get(space)
        return None if known is None else Colours(known)
    return Colours(space, config) if config is not None or space in _SHARED else None


def _plain(text: str) -> str:
    """A colour space's name without what menus add: ``name<TAB>label``."""
    return text.split("\t")[0].strip()


def _default(root: nuke.Node, extension: str) -> str | None:
    """The space Nuke's own colour management gives these files; None when it hangs on their bit depth."""
    if extension in ("exr", "hdr"):
        return _root_space(root, "floatLut")
    if extension in ("jpg", "jpeg"):
        return _root_space(root, "int8Lut")
    eight, sixteen = _root_space(root, "int8Lut"), _root_space(root, "int16Lut")
    return eight if eight == sixteen and extension == "png" else None


def _root_space(root: nuke.Node, name: str) -> str | None:
    knob = root.knob(name)
    return None if knob is None else _plain(str(knob.value()))
