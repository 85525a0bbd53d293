"""Comps of the stand-in's Fusion page as plain models, their text, and the pictures they make.

Which frame of the media a comp's frame shows is a switch, as nobody measured it: ``comp_frames``. A tool whose first
value was written inside ``comp.Lock()`` reads back but takes no part in rendering (measured), and a comp counts only
when MediaOut1 descends from MediaIn1 (measured).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fakes import nuke_raster, resolve_pictures
from fakes.resolve_fusion_text import Block, block, parse, write
from fakes.resolve_handles import SWITCHES, NotMeasured
from fakes.resolve_render import write_picture

SWITCHES.update(
    {
        "comp_frames": "source",  # comp frame 0 is the media's first frame ("source") or the clip's ("clip"), or "file"
        "lock_hides": True,  # what is first written under Lock does not render
        "saver_renders": False,  # comp.Render() of a Saver writes files
        "loader_starts_at_number": True,  # a new Loader's pictures begin at the comp frame their file is numbered
        "media_out_class": "MediaOut",  # older ones call it "Saver"
    }
)

OUTPUTS = {"PolylineMask": "Mask", "BSplineMask": "Mask", "BezierSpline": "Value"}
MASKS = ("PolylineMask", "BSplineMask")
MASK_INPUTS: dict[str, Any] = {
    "Filter": block("FuID", "Fast Gaussian"),
    "SoftEdge": 0.0,
    "BorderWidth": 0.0,
    "Level": 1.0,
    "PaintMode": block("FuID", "Merge"),
    "Invert": 0,
    "Solid": 1,
    "EffectMask": None,
    "Center": block("", 0.5, 0.5),
    "Size": 1.0,
    "ZRotation": 0.0,
    "Polyline": None,
}
CLASSES: dict[str, dict[str, Any]] = {
    "MediaIn": {"GlobalIn": 0, "GlobalOut": 0, "Layer": "0", "EffectMask": None},
    "MediaOut": {"Input": None, "Index": "0"},
    "Loader": {"Clip": "", "GlobalIn": 0, "GlobalOut": 0, "HoldFirstFrame": 0, "HoldLastFrame": 0, "Loop": 0},
    "Saver": {"Input": None, "Clip": "", "OutputFormat": block("FuID", "OpenEXRFormat"), "CreateDir": 1},
    "MatteControl": {
        "Background": None,
        "Foreground": None,
        "GarbageMatte": None,
        "SolidMatte": None,
        "EffectMask": None,
        "MatteCombine": 0,
        "CombineOp": 0,
        "InvertMatte": 0,
        "PostMultiply": 0,
    },
    "Background": {"TopLeftRed": 0.0, "TopLeftGreen": 0.0, "TopLeftBlue": 0.0, "TopLeftAlpha": 1.0, "EffectMask": None},
    "Merge": {"Background": None, "Foreground": None, "EffectMask": None, "PerformDepthMerge": 1},
    "PolylineMask": MASK_INPUTS,
    "BSplineMask": MASK_INPUTS,
    "BezierSpline": {},
}
SHORT = {"PolylineMask": "Polygon", "BSplineMask": "BSpline"}
MAIN = {"MatteControl": "Background", "Merge": "Background", "Saver": "Input", "MediaOut": "Input"}


@dataclass
class Link:
    """An input is fed by a tool's output."""

    tool: str
    output: str = "Output"


@dataclass
class ToolModel:
    """One tool; inputs it does not hold are at their defaults."""

    comp: Any
    id: str
    name: str
    pos: tuple[float, float] = (0.0, 0.0)
    inputs: dict[str, Any] = field(default_factory=dict)
    keys: dict[int, Block] = field(default_factory=dict)
    clip: dict[str, Any] = field(default_factory=dict)
    dark: bool = False
    touched: bool = False
    alive: bool = True
    off: bool = False

    def value(self, name: str) -> Any:
        return self.inputs.get(name, CLASSES[self.id].get(name))

    def output(self) -> str:
        return OUTPUTS.get(self.id, "Output")


class CompModel:
    """One comp of a clip.

    Attributes:
        locks: how often it is locked.
        fresh: it was locked and nothing written since.
        undos: names of the undo steps that were ended; ``open_undos`` those begun and not ended.
    """

    def __init__(self, machine: Any, item: Any, name: str):
        self.machine, self.item, self.name = machine, item, name
        self.tools: dict[str, ToolModel] = {}
        self.locks, self.undos, self.open_undos = 0, [], []  # type: ignore[var-annotated]
        self.time = self.render_range()[0]
        self.rendering: list[str] = []
        self.alive = True

    # -- frames

    def _left(self) -> int:
        return resolve_pictures.source_frame(self.item, self.item.start) if self.item.media is not None else 0

    def offset(self) -> int:
        """Comp frame minus frame of the media, counted from 0."""
        which = self.machine.switches.comp_frames
        if self.item.media is None or which == "source":
            return 0
        return -self._left() if which == "clip" else self.item.media.first

    def global_range(self) -> tuple[int, int]:
        if self.item.media is None or self.machine.switches.comp_frames == "clip":
            return self.render_range()
        return self.offset(), self.offset() + self.item.media.frames - 1

    def render_range(self) -> tuple[int, int]:
        first = self._left() + self.offset()
        return first, first + self.item.duration - 1

    # -- tools

    def add(self, id: str, name: str = "", pos: tuple[float, float] = (0.0, 0.0)) -> ToolModel:
        """A tool with a free name."""
        base = name or SHORT.get(id, id) + "1"
        stem, number = re.fullmatch(r"(.*?)(\d*)", base).groups()  # type: ignore[union-attr]
        while base in self.tools:
            number = str(int(number or 0) + 1)
            base = stem + number
        tool = ToolModel(self, id, base, pos)
        tool.dark = tool.touched = bool(self.locks and self.machine.switches.lock_hides)
        if id == "MediaIn":
            tool.inputs["GlobalIn"], tool.inputs["GlobalOut"] = self.global_range()
        self.tools[base] = tool
        return tool

    def write(self, tool: ToolModel, name: str, value: Any) -> None:
        """Set an input, as a script does."""
        if not tool.touched:
            tool.dark = bool(self.locks and self.machine.switches.lock_hides)
        tool.touched = True
        tool.inputs[name] = value
        if tool.id == "Loader" and name == "Clip":
            load_clip(tool, str(value))
        if tool.id == "Loader" and name in ("GlobalIn", "GlobalOut") and tool.clip:
            tool.clip[{"GlobalIn": "GlobalStart", "GlobalOut": "GlobalEnd"}[name]] = int(value)

    def remove(self, tool: ToolModel) -> None:
        """Delete a tool; what it fed is unconnected."""
        tool.alive = False
        self.tools.pop(tool.name, None)
        for other in self.tools.values():
            for name, value in list(other.inputs.items()):
                if isinstance(value, Link) and value.tool == tool.name:
                    del other.inputs[name]

    def rename(self, tool: ToolModel, name: str) -> None:
        """Give a tool another name; what it feeds follows."""
        if not name or name in self.tools:
            return
        for other in self.tools.values():
            for value in other.inputs.values():
                if isinstance(value, Link) and value.tool == tool.name:
                    value.tool = name
        self.tools = {(name if key == tool.name else key): each for key, each in self.tools.items()}
        tool.name = name

    def source(self, tool: ToolModel, name: str) -> ToolModel | None:
        """The tool that feeds an input."""
        value = tool.inputs.get(name)
        return self.tools.get(value.tool) if isinstance(value, Link) else None

    def descends(self, tool: ToolModel | None, from_: str, seen: tuple[str, ...] = ()) -> bool:
        """Whether a tool has a path from another, by name."""
        if tool is None or tool.name in seen:
            return False
        feeders = [self.source(tool, name) for name in tool.inputs]
        return tool.name == from_ or any(self.descends(each, from_, (*seen, tool.name)) for each in feeders)

    # -- pictures

    def processed(self, index: int, colour: Any, alpha: Any) -> tuple[Any, Any]:
        """What leaves MediaOut1 at a frame of the media, or the picture unchanged where the comp does not count."""
        out = self.tools.get("MediaOut1")
        if out is None or not self.descends(out, "MediaIn1"):
            return colour, alpha
        try:
            pixels = Renderer(self, index + self.offset()).image(out)
        except Dark:
            return colour, alpha
        return pixels[..., :3], pixels[..., 3]

    # -- text

    def text(self) -> str:
        """As ExportFusionComp writes it."""
        tools = Block("ordered", [(tool.name, tool_block(tool)) for tool in self.tools.values()])
        return write(
            Block(
                "Composition",
                [
                    ("CurrentTime", self.time),
                    ("RenderRange", block("", *self.render_range())),
                    ("GlobalRange", block("", *self.global_range())),
                    ("HiQ", True),
                    ("PlaybackUpdateMode", "Render"),
                    ("Version", "DaVinci Resolve " + ".".join(map(str, self.machine.profile.version))),
                    ("SavedOutputs", 2),
                    ("HeldTools", 0),
                    ("Tools", tools),
                    ("ActiveTool", next(iter(self.tools), "")),
                ],
            )
        )

    def read(self, text: str) -> None:
        """Take the tools of a file.

        Raises:
            ValueError: it is no comp.
        """
        found = parse(text)
        if not isinstance(found, Block) or not isinstance(found.get("Tools"), Block):
            raise ValueError("no comp")
        for name, each in found.get("Tools").named().items():
            kind = "MediaOut" if name.startswith("MediaOut") else each.kind
            if kind not in CLASSES:
                raise NotMeasured(f"a {kind} in a comp")
            fill(self.add(kind, name), each)


def shown_id(tool: ToolModel) -> str:
    """The class as scripts and files see it."""
    return str(tool.comp.machine.switches.media_out_class) if tool.id == "MediaOut" else tool.id


def fill(tool: ToolModel, found: Block) -> None:
    """Give a tool what a file says of it."""
    for name, each in (found.get("Inputs") or Block()).named().items():
        if name == "Polyline2":  # always there, always empty
            continue
        source = each.get("SourceOp")
        value = each.get("Value")
        if isinstance(value, Block) and value.kind == "Clip":
            value = value.get("Filename")
        tool.inputs[name] = Link(source, each.get("Source", "Output")) if source else value
    for clip in (found.get("Clips") or Block()).listed():
        tool.clip = dict(clip.named())
        tool.inputs["Clip"] = clip.get("Filename")
        tool.inputs["GlobalIn"], tool.inputs["GlobalOut"] = clip.get("GlobalStart"), clip.get("GlobalEnd")
    for frame, key in (found.get("KeyFrames") or Block()).named().items():
        tool.keys[frame] = key.get("Value")
    view = found.get("ViewInfo")
    if view is not None:
        tool.pos = tuple(view.get("Pos").listed())


def tool_block(tool: ToolModel) -> Block:
    """The text of a tool, as a block."""
    if tool.id == "BezierSpline":
        keys = Block("", [(frame, _key(value)) for frame, value in sorted(tool.keys.items())])
        colour = block("", Red=173, Green=255, Blue=47)
        return block("BezierSpline", SplineColor=colour, NameSet=True, KeyFrames=keys)
    found = Block(shown_id(tool))
    if tool.id in MASKS:
        found.items.append(("DrawMode", "InsertAndModify"))
    if tool.id == "Loader" and tool.clip:
        found.items.append(("Clips", block("", Block("Clip", list(tool.clip.items())))))
    skipped = {"Clip", "GlobalIn", "GlobalOut"} if tool.id == "Loader" else set()
    inputs = [(name, _input(tool, name, value)) for name, value in tool.inputs.items() if name not in skipped]
    if tool.id in MASKS:
        inputs.append(("Polyline2", block("Input", Value=block("Polyline"), Disabled=True)))
    found.items.append(("Inputs", Block("", inputs)))
    found.items.append(("ViewInfo", block("OperatorInfo", Pos=block("", *tool.pos))))
    return found


def _key(value: Block) -> Block:
    return Block("", [(None, 0), ("Flags", block("", Linear=True, LockedY=True)), ("Value", value)])


def _input(tool: ToolModel, name: str, value: Any) -> Block:
    if isinstance(value, Link):
        return block("Input", SourceOp=value.tool, Source=value.output)
    if tool.id == "Saver" and name == "Clip":
        return block("Input", Value=block("Clip", Filename=value, FormatID="OpenEXRFormat"))
    return block("Input", Value=value)


def polyline(points: list[tuple[float, ...]], kind: str = "Polyline") -> Block:
    """Points (x, y) or (x, y, lx, ly, rx, ry): normalised, (0, 0) the centre of the image, y up, handles relative."""
    if kind == "BSplinePolyline":
        listed = block("", *(block("", X=x, Y=y) for x, y in points))
        knots = block("", *range(len(points) + 4))
        return Block(kind, [("Closed", True), ("Points", listed), ("Order", 4), ("Knots", knots)])
    around = zip(points, points[-1:] + points[:-1], points[1:] + points[:1])
    return Block(kind, [("Closed", True), ("Points", block("", *(_point(*three) for three in around)))])


def _point(point: tuple[float, ...], before: tuple[float, ...], after: tuple[float, ...]) -> Block:
    """A corner's handles lie on the straight sides, a third of the way."""
    x, y, *handles = point
    if handles:
        lx, ly, rx, ry = handles
        return block("", X=x, Y=y, LX=lx, LY=ly, RX=rx, RY=ry)
    (lx, ly), (rx, ry) = (((other[0] - x) / 3, (other[1] - y) / 3) for other in (before, after))
    return block("", Linear=True, X=x, Y=y, LX=lx, LY=ly, RX=rx, RY=ry)


def load_clip(tool: ToolModel, path: str) -> None:
    """What a Loader makes of a path: the numbered files beside it, at the comp frames the switch says."""
    file = Path(path)
    match = re.fullmatch(r"(.*?)(\d+)(\.\w+)", file.name)
    numbers = [0]
    if match is not None and file.parent.is_dir():
        shape = re.compile(re.escape(match[1]) + r"(\d+)" + re.escape(match[3]))
        numbers = sorted(int(found[1]) for each in file.parent.iterdir() if (found := shape.fullmatch(each.name))) or [
            0
        ]
    first, count = numbers[0], numbers[-1] - numbers[0] + 1
    start = first if tool.comp.machine.switches.loader_starts_at_number else tool.comp.global_range()[0]
    tool.clip = {
        "ID": "Clip1",
        "Filename": path,
        "FormatID": "OpenEXRFormat",
        "StartFrame": first,
        "Length": count,
        "LengthSetManually": True,
        "TrimIn": 0,
        "TrimOut": count - 1,
        "ExtendFirst": 0,
        "ExtendLast": 0,
        "Loop": 0,
        "AspectMode": 0,
        "Depth": 0,
        "TimeCode": 0,
        "GlobalStart": start,
        "GlobalEnd": start + count - 1,
    }
    tool.inputs["GlobalIn"], tool.inputs["GlobalOut"] = start, start + count - 1


class Dark(Exception):
    """A tool on the way was first written under a lock."""


class Renderer:
    """The pictures of one comp at one of its frames: (height, width, 4), or (height, width) of a mask."""

    def __init__(self, comp: CompModel, frame: int):
        self.comp, self.frame = comp, frame
        media = comp.item.media
        index = int(np.clip(frame - comp.offset(), 0, media.frames - 1)) if media is not None else 0
        colour = resolve_pictures.media_picture(media, index)[..., :3] if media is not None else np.zeros((64, 96, 3))
        self.plate = np.concatenate([colour, np.ones((*colour.shape[:2], 1))], -1).astype(np.float32)
        self.size = colour.shape[1], colour.shape[0]

    def image(self, tool: ToolModel | None) -> Any:
        if tool is None:
            return np.zeros_like(self.plate)
        if tool.dark:
            raise Dark(tool.name)
        if tool.off and tool.id in MAIN:
            return self.image(self.comp.source(tool, MAIN[tool.id]))
        made = getattr(self, f"_{tool.id.lower()}")(tool)
        mask = self.comp.source(tool, "EffectMask")
        if mask is None or tool.id in MASKS:
            return made
        before = self.image(self.comp.source(tool, MAIN[tool.id])) if tool.id in MAIN else np.zeros_like(made)
        weight = self.image(mask)[..., None]
        return made * weight + before * (1 - weight)

    def _of(self, tool: ToolModel, name: str) -> Any:
        return self.image(self.comp.source(tool, name))

    def _mediain(self, tool: ToolModel) -> Any:
        return self.plate

    def _mediaout(self, tool: ToolModel) -> Any:
        return self._of(tool, "Input")

    _saver = _mediaout

    def _loader(self, tool: ToolModel) -> Any:
        clip = tool.clip
        if not clip or not clip["GlobalStart"] <= self.frame <= clip["GlobalEnd"]:
            return np.zeros_like(self.plate)
        number = clip["StartFrame"] + clip["TrimIn"] + self.frame - clip["GlobalStart"]
        pixels = resolve_pictures.read_picture(numbered(clip["Filename"], number))
        if pixels.shape[:2] != self.plate.shape[:2]:
            return np.zeros_like(self.plate)
        if pixels.shape[2] == 1:
            return np.concatenate([np.zeros((*pixels.shape[:2], 3), np.float32), pixels], -1)
        return pixels if pixels.shape[2] == 4 else np.concatenate([pixels, np.ones_like(pixels[..., :1])], -1)

    def _background(self, tool: ToolModel) -> Any:
        return np.broadcast_to(
            np.array([tool.value(f"TopLeft{name}") for name in ("Red", "Green", "Blue", "Alpha")], np.float32),
            self.plate.shape,
        )

    def _merge(self, tool: ToolModel) -> Any:
        below, above = self._of(tool, "Background"), self._of(tool, "Foreground")
        return above + below * (1 - above[..., 3:])

    def _mattecontrol(self, tool: ToolModel) -> Any:
        below, combine = self._of(tool, "Background").copy(), int(tool.value("MatteCombine"))
        if int(tool.value("CombineOp")) or combine > 4:
            raise NotMeasured(f"MatteCombine {combine}, CombineOp {tool.value('CombineOp')}")
        if combine:
            below[..., 3] = self._of(tool, "Foreground")[..., combine - 1]
        for name, sign in (("GarbageMatte", -1), ("SolidMatte", 1)):
            fed = self.comp.source(tool, name)
            if fed is not None:
                matte = self.image(fed)
                matte = matte if matte.ndim == 2 else matte[..., 3]
                below[..., 3] = np.maximum(below[..., 3], matte) if sign > 0 else below[..., 3] * (1 - matte)
        if tool.value("PostMultiply"):
            below[..., :3] *= below[..., 3:]
        return below

    def _polylinemask(self, tool: ToolModel) -> Any:
        width, height = self.size
        points = self._points(tool)
        if len(points) < 3:
            made = np.zeros((height, width), np.float32)
        else:
            scale = np.array([width, height], np.float64)
            outline = self._outline(tool, points)
            made = nuke_raster.fill((outline + 0.5) * scale, width, height)
        made = soften(made, float(tool.value("SoftEdge")) * width) * float(tool.value("Level"))
        if tool.value("Invert"):
            made = 1 - made
        below = self.comp.source(tool, "EffectMask")
        if below is None:
            return made
        mode = tool.value("PaintMode").listed()[0]
        other = self.image(below)
        modes = {"Merge": np.maximum, "Add": lambda a, b: np.minimum(a + b, 1), "Multiply": np.multiply}
        modes["Subtract"] = lambda a, b: np.maximum(b - a, 0)
        if mode not in modes:
            raise NotMeasured(f"PaintMode {mode}")
        return modes[mode](made, other)

    _bsplinemask = _polylinemask

    def _outline(self, tool: ToolModel, points: list[Block]) -> Any:
        named = [point.named() for point in points]
        centres = np.array([[point["X"], point["Y"]] for point in named], np.float64)
        if tool.id == "BSplineMask":
            return nuke_raster.bspline_outline(centres)
        left = np.array([[point.get("LX", 0), point.get("LY", 0)] for point in named], np.float64)
        right = np.array([[point.get("RX", 0), point.get("RY", 0)] for point in named], np.float64)
        return nuke_raster.bezier_outline(np.stack([centres, left, right], 1), True)

    def _points(self, tool: ToolModel) -> list[Block]:
        """The outline at this frame, between its keys if it has some."""
        spline = self.comp.source(tool, "Polyline")
        if spline is None:
            value = tool.value("Polyline")
            return value.get("Points").listed() if value is not None else []
        if not spline.keys:
            return []
        frames = sorted(spline.keys)
        before = max((frame for frame in frames if frame <= self.frame), default=frames[0])
        after = min((frame for frame in frames if frame >= self.frame), default=frames[-1])
        start, end = (spline.keys[frame].get("Points").listed() for frame in (before, after))
        if before == after or len(start) != len(end):
            return start
        part = (self.frame - before) / (after - before)
        return [_between(a.named(), b.named(), part) for a, b in zip(start, end)]


def _between(start: dict[str, Any], end: dict[str, Any], part: float) -> Block:
    names = [name for name in ("X", "Y", "LX", "LY", "RX", "RY") if name in start or name in end]
    return block("", **{name: start.get(name, 0) * (1 - part) + end.get(name, 0) * part for name in names})


def soften(mask: Any, width: float) -> Any:
    """A mask blurred over ``width`` pixels."""
    radius = round(width / 2)
    if radius < 1:
        return mask
    kernel = np.ones(2 * radius + 1) / (2 * radius + 1)
    for axis in (0, 1):
        mask = np.apply_along_axis(lambda line: np.convolve(np.pad(line, radius, "edge"), kernel, "valid"), axis, mask)
    return mask.astype(np.float32)


def numbered(path: str, number: int) -> str:
    """The file of a frame, as Loader and Saver count: the last digits of the name are the number, else four are added."""
    file = Path(path)
    match = re.fullmatch(r"(.*?)(\d+)", file.stem)
    name = f"{match[1]}{number:0{len(match[2])}d}" if match else f"{file.stem}{number:04d}"
    return str(file.with_name(name + file.suffix))


def frames_of(text: str) -> list[int]:
    """``1..3,5`` as a list."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("..")
        found += range(int(first), int(last or first) + 1)
    return found


def save(saver: ToolModel, frame: int) -> None:
    """Render one frame of a Saver to its file: OpenEXR alone."""
    path = str(saver.value("Clip"))
    if not path.endswith(".exr"):
        return
    target = Path(numbered(path, frame))
    target.parent.mkdir(parents=True, exist_ok=True)
    write_picture(target, Renderer(saver.comp, frame).image(saver), "RGBHalfZIP")
