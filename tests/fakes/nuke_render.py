"""What the stand-in Nuke computes: every supported node class as a function of a node, a frame and a view."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from fakes import nuke_images
from fakes.nuke_errors import NotMeasured
from fakes.nuke_expressions import evaluate, expand
from fakes.nuke_images import Format, Image, channel_names, inside, over_box


class Renderer:
    """Evaluates nodes of one script. ``pixels`` off: formats, boxes and channel names only, cheaply."""

    def __init__(self, graph: Any, *, pixels: bool = True):
        self.graph, self.pixels = graph, pixels

    def image(self, node: Any, frame: float, view: str) -> Image:
        """The picture that leaves ``node``.

        Raises:
            RuntimeError: as Nuke does, when a Read has no file or an input is missing.
        """
        if node is None:
            return nuke_images.black(self.graph.root_format())
        if node.has_knob("disable") and node.cls != "Switch" and node.knob("disable").number(frame):
            return self.image(node.input(0), frame, view)
        maker = getattr(self, f"_{node.cls.lower()}", None)
        if maker is None:
            raise NotMeasured(f"what a {node.cls} computes")
        made: Image = maker(node, frame, view)
        return made

    def _pass(self, node: Any, frame: float, view: str) -> Image:
        return self.image(node.input(0), frame, view)

    _dot = _noop = _output = _write = _viewer = _cryptomatte = _pass

    # -- groups

    def _group(self, node: Any, frame: float, view: str) -> Image:
        output = next((child for child in node.children if child.cls == "Output"), None)
        if output is None:
            raise RuntimeError(f"{node.full_name}: no Output node inside")
        return self.image(output, frame, view)

    def _input(self, node: Any, frame: float, view: str) -> Image:
        group = node.parent
        return self.image(group.input(group.input_nodes().index(node)), frame, view)

    # -- sources

    def _constant(self, node: Any, frame: float, view: str) -> Image:
        shape = self.graph.format_of(node.knob("format"))
        names = channel_names(node.value("channels", frame), [])
        numbers = dict(zip((f"rgba.{name}" for name in nuke_images.MAIN), node.knob("color").numbers(frame)))
        size = (shape.height, shape.width)
        return Image(shape, shape.box, {name: np.full(size, numbers[name], np.float32) for name in names})

    def _read(self, node: Any, frame: float, view: str) -> Image:
        wanted = _file_frame(node, frame)
        if wanted is None:
            return nuke_images.black(self._read_format(node, frame, view))
        found = self._loaded(node, wanted, view)
        if found is not None:
            return found
        path = read_path(node, wanted, view, self.graph.proxy)
        return self._missing(node, wanted, view, path)

    def _loaded(self, node: Any, frame: int, view: str) -> Image | None:
        path = read_path(node, frame, view, self.graph.proxy)
        image = self.graph.cached(node, path, lambda: self._open(path)) if self.pixels else self._open(path)
        if image is None or not self.pixels:
            return image
        return _coloured(node, frame, path, image)

    def _open(self, path: str) -> Image | None:
        if not nuke_images.exists(path):
            return None
        return nuke_images.read_file(path, pixels=self.pixels)

    def _missing(self, node: Any, frame: int, view: str, path: str) -> Image:
        on_error = node.value("on_error", frame)
        if on_error == "black":
            return nuke_images.black(self._read_format(node, frame, view))
        if on_error == "nearest frame":
            first, last = (int(node.knob(name).number(frame)) for name in ("first", "last"))
            for near in sorted(range(first, last + 1), key=lambda other: (abs(other - frame), other)):
                found = self._loaded(node, near, view)
                if found is not None:
                    return found
        if on_error == "checkerboard":
            raise NotMeasured("the checkerboard of a missing frame")
        if not self.pixels:
            return nuke_images.black(self._read_format(node, frame, view))
        raise RuntimeError(f"{node.name}: Read error: No such file or directory: {path}")

    def _read_format(self, node: Any, frame: float, view: str) -> Format:
        text = node.knob("format").value
        if text:
            return self.graph.format_of(node.knob("format"))
        first, last = (int(node.knob(name).number(frame)) for name in ("first", "last"))
        for other in range(first, last + 1):
            path = read_path(node, other, view, self.graph.proxy)
            if nuke_images.exists(path):
                return nuke_images.read_file(path, pixels=False).format
        return self.graph.root_format()

    def _roto(self, node: Any, frame: float, view: str) -> Image:
        below = self.image(node.input(0), frame, view)
        shape = below.format
        names = channel_names(node.value("output", frame), list(below.channels))
        size = (shape.height, shape.width)
        matte = np.zeros(size, np.float32)
        if self.pixels:
            matte = node.knob("curves").roto.rasterise(frame, shape.width, shape.height, _motion_blur(node, frame))
        if node.value("premultiply", frame) != "none":
            raise NotMeasured("premultiply of a Roto")
        filled = inside(below, over_box(below.bbox, shape.box))
        x, y, r, t = filled.bbox
        placed = inside(Image(shape, shape.box, {"m": np.asarray(matte, np.float32)}), (x, y, r, t)).channels["m"]
        replaces = bool(node.knob("replace").number(frame))
        channels = {}
        for name in names:
            old = filled.channels.get(name, np.zeros_like(placed))
            channels[name] = placed if replaces else placed + old * (1 - placed)
        return nuke_images.with_channels(filled, channels)

    _rotopaint = _roto

    # -- time and views

    def _timeoffset(self, node: Any, frame: float, view: str) -> Image:
        if node.value("reverse_input", frame):
            raise NotMeasured("a TimeOffset that reverses")
        return self.image(node.input(0), frame - node.knob("time_offset").number(frame), view)

    def _framehold(self, node: Any, frame: float, view: str) -> Image:
        first, step = (node.knob(name).number(frame) for name in ("firstFrame", "increment"))
        held = first if not step else first + (frame - first) // step * step
        return self.image(node.input(0), held, view)

    def _oneview(self, node: Any, frame: float, view: str) -> Image:
        return self.image(node.input(0), frame, node.value("view", frame))

    def _switch(self, node: Any, frame: float, view: str) -> Image:
        which = 0 if node.knob("disable").number(frame) else int(node.knob("which").number(frame))
        return self.image(node.input(min(max(which, 0), max(len(node.inputs) - 1, 0))), frame, view)

    # -- shapes

    def _crop(self, node: Any, frame: float, view: str) -> Image:
        image = self.image(node.input(0), frame, view)
        if node.knob("softness").numbers(frame) != [0, 0]:
            raise NotMeasured("a soft Crop")
        x, y, r, t = node.knob("box").numbers(frame)
        if node.knob("intersect").number(frame):
            bx, by, br, bt = image.bbox
            x, y, r, t = max(x, bx), max(y, by), min(r, br), min(t, bt)
        cut = inside(image, (x, y, r, t))
        if not node.knob("reformat").number(frame):
            return cut
        height, width = cut.size()
        shape = Format(width, height, image.format.aspect)
        return Image(shape, shape.box, cut.channels)

    def _reformat(self, node: Any, frame: float, view: str) -> Image:
        image = self.image(node.input(0), frame, view)
        kind = node.value("type", frame)
        if kind == "to format":
            shape = self.graph.format_of(node.knob("format"))
        elif kind == "scale":
            sx, sy = node.knob("scale").numbers(frame)
            shape = Format(round(image.format.width * sx), round(image.format.height * sy), image.format.aspect)
        else:
            width, height = (int(node.knob(name).number(frame)) for name in ("box_width", "box_height"))
            shape = Format(width, height, node.knob("box_pixel_aspect").number(frame))
        if node.value("resize", frame) == "none":
            return inside(Image(shape, image.bbox, image.channels), shape.box)
        return nuke_images.resized(image, shape.width, shape.height, shape.aspect)

    # -- channels

    def _copy(self, node: Any, frame: float, view: str) -> Image:
        below = self.image(node.input(0), frame, view)
        above = self.image(node.input(1), frame, view)
        box = {"union": over_box(below.bbox, above.bbox), "B": below.bbox, "A": above.bbox}[node.value("bbox", frame)]
        low, high = inside(below, box), inside(above, box)
        blank = np.zeros(low.size(), np.float32)
        layers = channel_names(node.value("channels", frame), list(high.channels))
        channels = {name: high.channels[name] for name in layers if name in high.channels}
        for index in range(4):
            source = channel_names(node.value(f"from{index}", frame), [])
            target = channel_names(node.value(f"to{index}", frame), [])
            if source and target:
                channels[target[0]] = high.channels.get(source[0], blank)
        return nuke_images.with_channels(low, channels)

    def _shuffle2(self, node: Any, frame: float, view: str) -> Image:
        if node.knob("mappings").value:
            raise NotMeasured("the mappings of a Shuffle2")
        image = self.image(node.input(0), frame, view)
        taken = channel_names(node.value("in1", frame), list(image.channels))
        given = channel_names(node.value("out1", frame), list(image.channels))
        blank = np.zeros(image.size(), np.float32)
        if len(taken) == 1:
            taken = taken * len(given)
        return nuke_images.with_channels(
            image, {out: image.channels.get(source, blank) for source, out in zip(taken, given)}
        )

    def _grade(self, node: Any, frame: float, view: str) -> Image:
        for name in ("black", "blackpoint", "white", "whitepoint", "gamma", "mix"):
            if not node.knob(name).is_default:
                raise NotMeasured(f"the knob {name} of a Grade")
        image = self.image(node.input(0), frame, view)
        gain = dict(zip(nuke_images.MAIN, node.knob("multiply").numbers(frame)))
        lift = dict(zip(nuke_images.MAIN, node.knob("add").numbers(frame)))
        graded = {}
        for name in channel_names(node.value("channels", frame), list(image.channels)):
            short = name.split(".")[1]
            if name in image.channels and short in gain:
                pixels = image.channels[name] * np.float32(gain[short]) + np.float32(lift[short])
                graded[name] = np.maximum(pixels, 0) if node.value("black_clamp", frame) else pixels
        return nuke_images.with_channels(image, graded)


def _motion_blur(node: Any, frame: float) -> bool:
    """Whether a Roto blurs: in the global mode by its samples, which overrule the shapes' own switches (NPR's tooltips)."""
    if node.value("motionblur_mode", frame) == "global":
        return node.knob("global_motionblur").number(frame) > 0
    shapes = node.knob("curves").roto._root.walk()
    return bool(node.knob("motionblur_on").number(frame)) or any(e.attributes["mbo"].at(frame) for e in shapes)


def read_path(node: Any, frame: int, view: str, proxy: bool) -> str:
    knob = node.knob("proxy" if proxy and node.knob("proxy").value else "file")
    return expand(knob.text_value(frame, view), frame, view)


def _file_frame(node: Any, frame: float) -> int | None:
    """The frame of the file that a Read shows at a frame of the script; None is black."""
    first, last = (int(node.knob(name).number(frame)) for name in ("first", "last"))
    mode, text = node.value("frame_mode", frame), node.knob("frame").text_value(frame).strip()
    if mode == "start at" and text:
        frame = frame - float(text) + first
    elif mode == "offset" and text:
        frame = frame + float(text)
    elif mode == "expression" and text:
        frame = evaluate(text, node, frame)
    wanted = int(np.floor(frame))
    if first <= wanted <= last:
        return wanted
    edge = node.value("before" if wanted < first else "after", frame)
    count = last - first + 1
    if edge == "black":
        return None
    if edge == "hold":
        return first if wanted < first else last
    if edge == "loop":
        return first + (wanted - first) % count
    turn = (wanted - first) % max(2 * count - 2, 1)
    return first + (turn if turn < count else 2 * count - 2 - turn)


def _coloured(node: Any, frame: int, path: str, image: Image) -> Image:
    """The file's numbers in the working space (scene-linear): sRGB is undone unless the Read is raw."""
    space = node.value("colorspace", frame)
    if space == "default":
        space = "linear" if path.lower().endswith((".exr", ".hdr")) else "sRGB"
    if node.knob("raw").number(frame) or space == "linear":
        return image
    if space != "sRGB":
        raise NotMeasured(f"the curve of the colourspace {space}")
    shown = ("rgba.red", "rgba.green", "rgba.blue")
    linear = {n: nuke_images.to_linear(image.channels[n]).astype(np.float32) for n in shown if n in image.channels}
    return nuke_images.with_channels(image, linear)


def _source(node: Any, frame: float) -> Any:
    """The node a picture starts from; None where the graph is not wired up."""
    if node is None or node.cls in ("Read", "Constant", "Roto", "RotoPaint"):
        return node
    if node.cls == "Group":
        return _source(next((child for child in node.children if child.cls == "Output"), None), frame)
    if node.cls == "Input":
        return _source(node.parent.input(node.parent.input_nodes().index(node)), frame)
    which = int(node.knob("which").number(frame)) if node.cls == "Switch" else 0
    return _source(node.input(which), frame)


def write_frame(graph: Any, node: Any, frame: int, view: str) -> str:
    """Render one frame of a Write and return the path of the file.

    Raises:
        RuntimeError: nothing is connected, no file name, missing folder, backslashes on Windows, an unknown type (hosts.md 2.1).
    """
    if _source(node.input(0), frame) is None:
        # What Nuke does is not known; a file of an unwired graph would hide a mistake (hosts.md 8.1 item 2).
        raise RuntimeError(f"{node.name}: nothing is connected to render")
    image = Renderer(graph).image(node.input(0), frame, view)
    if graph.proxy:
        image = nuke_images.halved(image)
    # In proxy mode Nuke writes the file named by `proxy` (hosts.md 2.1, from memory: the hostile variant).
    knob = node.knob("proxy" if graph.proxy else "file")
    path = expand(knob.text_value(frame, view), frame, view)
    if not path:
        raise RuntimeError(f"{node.name}: no output file is set")
    if graph.windows and "\\" in path:
        raise RuntimeError(f"{node.name}: {path}: Can't write, Invalid argument")
    kind = node.value("file_type", frame).strip() or Path(path).suffix.lstrip(".").lower()
    if kind not in ("exr", "png"):
        raise NotMeasured(f"writing the file type {kind!r}")
    folder = Path(path).parent
    if not folder.is_dir():
        if not node.knob("create_directories").number(frame):
            raise RuntimeError(f"{node.name}: {path}: Can't write, No such file or directory")
        folder.mkdir(parents=True, exist_ok=True)
    names = channel_names(node.value("channels", frame), list(image.channels))
    if not names:
        raise RuntimeError(f"{node.name}: no channels to write")
    datatype = node.value("datatype", frame) if node.has_knob("datatype") else _default_type(kind)
    _write(path, _encoded(node, frame, kind, image), names, kind, datatype, node)
    return path


def _default_type(kind: str) -> str:
    return "16 bit half" if kind == "exr" else "8 bit"


def _encoded(node: Any, frame: int, kind: str, image: Image) -> Image:
    space = node.value("colorspace", frame)
    if space == "default":
        space = "linear" if kind == "exr" else "sRGB"
    if node.knob("raw").number(frame) or space == "linear":
        return image
    if space != "sRGB":
        raise NotMeasured(f"the curve of the colourspace {space}")
    shown = ("rgba.red", "rgba.green", "rgba.blue")
    curved = {n: nuke_images.to_srgb(image.channels[n]).astype(np.float32) for n in shown if n in image.channels}
    return nuke_images.with_channels(image, curved)


def _write(path: str, image: Image, names: list, kind: str, datatype: str, node: Any) -> None:
    text = node.value("compression", 0) if node.has_knob("compression") else "Zip (1 scanline)"
    codecs = {"none": "none", "RLE": "rle", "Zip (1 scanline)": "zips", "Zip (16 scanlines)": "zip"}
    compression = codecs.get(text) or re.sub(r"\W.*", "", text).lower()
    nuke_images.write_file(path, image, names, kind, datatype, compression)
