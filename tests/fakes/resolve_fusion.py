"""What a script holds of the stand-in's Fusion page: comps, tools, inputs, outputs; models are in resolve_fusion_tools.

``FusionComps`` holds the calls of ``TimelineItem``; ``comps(machine, item)`` are those of a clip,
with what the artist does to them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakes import resolve_fusion_tools as tools
from fakes.resolve_fusion_text import Block, parse, write
from fakes.resolve_fusion_tools import CLASSES, CompModel, Link, ToolModel
from fakes.resolve_handles import SWITCHES, Handle

SWITCHES.update(
    {
        "add_comp_is_stub": True,  # what AddFusionComp returns keeps nothing that is done to it (measured on 20.3)
        "loader_asks": True,  # AddTool("Loader") opens a file dialog unless AutoClipBrowse is off (seen on 20.3.3)
    }
)
REFUSED = "not a tool or an output"


class Comps(list[CompModel]):
    """The comps of one clip, in order, and which of them counts."""

    def __init__(self, machine: Any, item: Any):
        super().__init__()
        self.machine, self.item = machine, item
        self.active: CompModel | None = None

    def new(self) -> CompModel:
        """A comp without tools, which counts from now on."""
        number = 1
        while f"Composition {number}" in [comp.name for comp in self]:
            number += 1
        comp = CompModel(self.machine, self.item, f"Composition {number}")
        self.append(comp)
        self.active = comp
        return comp

    def start(self) -> CompModel:
        """A comp with MediaIn1 into MediaOut1."""
        comp = self.new()
        comp.add("MediaIn", "MediaIn1")
        comp.add("MediaOut", "MediaOut1", (220.0, 0.0)).inputs["Input"] = Link("MediaIn1")
        return comp

    def drop(self, comp: CompModel) -> None:
        """Delete a comp."""
        comp.alive = False
        self.remove(comp)
        if self.active is comp:
            self.active = self[-1] if self else None

    def named(self, name: str) -> CompModel | None:
        return next((comp for comp in self if comp.name == name), None)

    def processed(self, index: int, colour: Any, alpha: Any) -> tuple[Any, Any]:
        """The picture after the comp that counts."""
        return (colour, alpha) if self.active is None else self.active.processed(index, colour, alpha)

    def facts(self) -> list[Any]:
        """What a script could leave behind here."""
        return [(comp.name, comp is self.active, comp.locks, comp.open_undos, comp.text()) for comp in self]

    # -- what the artist does

    def artist_polygon(
        self,
        points: Any,
        name: str = "Polygon1",
        id: str = "PolylineMask",
        **inputs: Any,
    ) -> ToolModel:
        """Draw an outline; ``points`` is a list of points, or a dict of comp frame to such a list where it is keyed."""
        comp = self.active or self.start()
        tool = comp.add(id, name)
        kind = "BSplinePolyline" if id == "BSplineMask" else "Polyline"
        if isinstance(points, dict):
            spline = comp.add("BezierSpline", f"{tool.name}Polyline")
            spline.keys = {frame: tools.polyline(each, kind) for frame, each in points.items()}
            tool.inputs["Polyline"] = Link(spline.name, "Value")
        else:
            tool.inputs["Polyline"] = tools.polyline(points, kind)
        tool.inputs.update(inputs)
        return tool

    def artist_saver(self, mask: ToolModel, path: Path, name: str = "Saver1") -> ToolModel:
        """Pipe a mask into the alpha of a Saver."""
        comp = mask.comp
        solid = comp.add("Background", "Background1")
        solid.inputs["EffectMask"] = Link(mask.name, mask.output())
        matte = comp.add("MatteControl", "MatteControl1")
        matte.inputs.update(Background=Link("MediaIn1"), Foreground=Link(solid.name), MatteCombine=4)
        saver = comp.add("Saver", name)
        saver.inputs.update(Input=Link(matte.name), Clip=str(path))
        return saver

    def artist_renders_savers(self, first: int | None = None, last: int | None = None) -> None:
        """Fusion > Render All Savers."""
        for comp in self:
            low, high = comp.render_range()
            for tool in [each for each in comp.tools.values() if each.id == "Saver"]:
                for frame in range(low if first is None else first, (high if last is None else last) + 1):
                    tools.save(tool, frame)


def comps_of(handle: Any) -> Comps:
    """Those of the clip a handle stands for."""
    return comps(handle._machine, handle._model)


def comps(machine: Any, item: Any) -> Comps:
    """Those of a clip."""
    if not isinstance(item.comps, Comps):
        item.comps = Comps(machine, item)
    return item.comps


class FusionComps:
    """The calls of ``TimelineItem`` about Fusion; a base of the stand-in's TimelineItem."""

    _machine: Any
    _model: Any

    def _comp(self, comp: CompModel | None) -> Any:
        return None if comp is None else Composition(self._machine, comp)

    def AddFusionComp(self) -> Any:
        made = comps_of(self).start()
        if not self._machine.switches.add_comp_is_stub:
            return self._comp(made)
        return self._comp(CompModel(self._machine, self._model, made.name))

    def GetFusionCompCount(self) -> int:
        return len(comps_of(self))

    def GetFusionCompByIndex(self, index: int) -> Any:
        found = comps_of(self)
        return self._comp(found[index - 1] if 1 <= index <= len(found) else None)

    def GetFusionCompByName(self, name: str) -> Any:
        return self._comp(comps_of(self).named(name))

    def GetFusionCompNameList(self) -> list[str]:
        return [comp.name for comp in comps_of(self)]

    def ImportFusionComp(self, path: str) -> Any:
        try:
            text = Path(path).read_text(encoding="utf-8")
            parse(text)
        except (OSError, ValueError):
            return None
        comp = comps_of(self).new()
        comp.read(text)
        return self._comp(comp)

    def ExportFusionComp(self, path: str, index: int) -> bool:
        found = comps_of(self)
        if not 1 <= index <= len(found) or not Path(path).parent.is_dir():
            return False
        Path(path).write_text(found[index - 1].text() + "\n", encoding="utf-8")
        return True

    def DeleteFusionCompByName(self, name: str) -> bool:
        comp = comps_of(self).named(name)
        if comp is None:
            return False
        comps_of(self).drop(comp)
        return True

    def LoadFusionCompByName(self, name: str) -> Any:
        comp = comps_of(self).named(name)
        if comp is not None:
            comps_of(self).active = comp
        return self._comp(comp)

    def RenameFusionCompByName(self, old: str, new: str) -> bool:
        comp = comps_of(self).named(old)
        if comp is None or not new or comps_of(self).named(new) is not None:
            return False
        comp.name = new
        return True


def _stands(machine: Any, comp: CompModel) -> bool:
    """Whether a comp and its clip are still there, in the project that is open."""
    clips = (item for timeline in machine.project.timelines for _, item in timeline.items())
    return comp.alive and any(item is comp.item for item in clips)


class FusionHandle(Handle):
    """A Fusion object: its attributes pass the gate as calls do."""

    def _lenient(self, method: str) -> bool:
        return method.startswith("__")

    def _gated(self, what: str, function: Any, *args: Any) -> Any:
        return self._machine.call(self, what, function, args)


class Composition(FusionHandle):
    """A comp."""

    _api = "Composition"

    def _alive(self) -> bool:
        return _stands(self._machine, self._model)

    def _tool(self, tool: ToolModel | None) -> Any:
        return None if tool is None else Tool(self._machine, tool)

    def _special(self, name: str) -> Any:
        if name == "CurrentTime":
            return self._gated("__getattr__", lambda _: float(self._model.time), name)
        return NotImplemented

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "CurrentTime":
            raise self._machine.refuse(f"Composition.{name} = {value!r}")
        self._gated("__setattr__", self._set_time, name, value)

    def _set_time(self, _name: str, value: float) -> None:
        low, high = self._model.global_range()
        self._model.time = min(max(value, low), high)

    def AddTool(self, id: str, x: int = -32768, y: int = -32768) -> Any:
        if id not in CLASSES:
            raise self._machine.refuse(f"AddTool({id!r})")
        asks = self._machine.fusion_prefs["Global.UserInterface.AutoClipBrowse"] and not self._model.locks
        if id == "Loader" and asks and self._machine.switches.loader_asks:
            self._machine.show_modal("Open File")
        return self._tool(self._model.add(id, "", (float(x), float(y))))

    def FindTool(self, name: str) -> Any:
        return self._tool(self._model.tools.get(name))

    def FindToolByID(self, id: str) -> Any:
        return self._tool(next((tool for tool in self._model.tools.values() if tools.shown_id(tool) == id), None))

    def GetToolList(self, selected: bool = False, type: str = "") -> dict[float, Any]:
        if selected:
            return {}
        found = [tool for tool in self._model.tools.values() if type in ("", tools.shown_id(tool))]
        return {float(index): self._tool(tool) for index, tool in enumerate(found, 1)}

    def GetAttrs(self, tag: str = "") -> Any:
        comp = self._model
        low, high = comp.global_range()
        first, last = comp.render_range()
        attrs = {
            "COMPS_Name": comp.name,
            "COMPS_FileName": "",
            "COMPB_Modified": False,
            "COMPB_Locked": bool(comp.locks),
            "COMPB_Rendering": False,
            "COMPN_CurrentTime": float(comp.time),
            "COMPN_GlobalStart": float(low),
            "COMPN_GlobalEnd": float(high),
            "COMPN_RenderStart": float(first),
            "COMPN_RenderEnd": float(last),
        }
        return attrs if not tag else attrs.get(tag)

    def SetAttrs(self, attrs: Any) -> None:
        if set(attrs) - {"COMPB_Modified"}:
            raise self._machine.refuse(f"Composition.SetAttrs({attrs!r})")

    def Lock(self) -> None:
        self._model.locks += 1

    def Unlock(self) -> None:
        self._model.locks = max(0, self._model.locks - 1)

    def StartUndo(self, name: str = "") -> None:
        self._model.open_undos.append(name)

    def EndUndo(self, keep: bool = True) -> None:
        if self._model.open_undos:
            self._model.undos.append(self._model.open_undos.pop())

    def Render(self, settings: Any = None) -> Any:
        """Savers to their files; a dict takes Tool, FrameRange (text), Start and End, Wait."""
        known = {"Tool", "FrameRange", "Start", "End", "Wait"}
        if not isinstance(settings, dict) or set(settings) - known or not settings.get("Wait"):
            raise self._machine.refuse(f"Composition.Render({settings!r})")
        if not self._machine.switches.saver_renders:
            return False
        comp = self._model
        low, high = comp.render_range()
        frames = list(range(int(settings.get("Start", low)), int(settings.get("End", high)) + 1))
        if "FrameRange" in settings:
            frames = tools.frames_of(settings["FrameRange"])
        wanted = settings.get("Tool")
        savers = [wanted._model] if wanted is not None else [each for each in comp.tools.values() if each.id == "Saver"]
        try:
            for saver in savers:
                for frame in frames:
                    tools.save(saver, frame)
        except (tools.Dark, OSError):
            return False
        return all(str(saver.value("Clip")).endswith(".exr") for saver in savers)

    def Paste(self, settings: Any) -> bool:
        """A table does not cross the bridge (measured)."""
        return False


class Tool(FusionHandle):
    """A tool. Its inputs are attributes by their ids; ``dir`` leaves out GetAttrs and SetAttrs (measured)."""

    _api = "Tool"

    def _alive(self) -> bool:
        return bool(self._model.alive) and _stands(self._machine, self._model.comp)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in ("GetAttrs", "SetAttrs")]

    def _special(self, name: str) -> Any:
        if name == "ID":
            return self._gated("__getattr__", lambda _: tools.shown_id(self._model), name)
        if name == "Name":
            return self._gated("__getattr__", lambda _: self._model.name, name)
        if name in CLASSES[self._model.id]:
            return Input(self._machine, self._model, name)
        if name == self._model.output():
            return Output(self._machine, self._model)
        return NotImplemented

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in CLASSES[self._model.id]:
            raise self._machine.refuse(f"{self._model.id}.{name} = {value!r}")
        self._gated("__setattr__", self._set, name, value)

    def _set(self, name: str, value: Any) -> bool:
        link = _link(value)
        if isinstance(value, Handle) and link is None:
            raise self._machine.refuse(f"{self._model.id}.{name} = {value!r}: {REFUSED}")
        if isinstance(value, dict):
            return False  # a table does not cross the bridge
        if value is None:
            self._model.inputs.pop(name, None)
            return True
        self._model.comp.write(self._model, name, link or value)
        return True

    def GetAttrs(self, tag: str = "") -> Any:
        tool = self._model
        attrs: dict[str, Any] = {
            "TOOLS_Name": tool.name,
            "TOOLS_RegID": tools.shown_id(tool),
            "TOOLB_PassThrough": tool.off,
            "TOOLB_Visible": True,
        }
        if tool.id == "Loader" and tool.clip:
            attrs.update(
                TOOLST_Clip_Name={1.0: tool.clip["Filename"]},
                TOOLIT_Clip_StartFrame={1.0: tool.clip["StartFrame"]},
                TOOLIT_Clip_Length={1.0: tool.clip["Length"]},
                TOOLNT_Clip_Start={1.0: float(tool.clip["GlobalStart"])},
                TOOLNT_Clip_End={1.0: float(tool.clip["GlobalEnd"])},
            )
        if tool.id == "Saver":
            attrs["TOOLST_Clip_Name"] = {1.0: tool.value("Clip")}
        return attrs if not tag else attrs.get(tag)

    def SetAttrs(self, attrs: Any) -> None:
        known = {"TOOLS_Name", "TOOLB_PassThrough", "TOOLB_NameSet"}
        if set(attrs) - known:
            raise self._machine.refuse(f"Tool.SetAttrs({attrs!r})")
        if "TOOLS_Name" in attrs:
            self._model.comp.rename(self._model, attrs["TOOLS_Name"])
        self._model.off = bool(attrs.get("TOOLB_PassThrough", self._model.off))

    def GetInputList(self, type: str = "") -> dict[float, Any]:
        names = CLASSES[self._model.id]
        return {float(index): Input(self._machine, self._model, name) for index, name in enumerate(names, 1)}

    def GetOutputList(self, type: str = "") -> dict[float, Any]:
        return {1.0: Output(self._machine, self._model)}

    def GetInput(self, name: str, time: float = 0) -> Any:
        return _plain(self._model, name)

    def SetInput(self, name: str, value: Any, time: float = 0) -> None:
        if name in CLASSES[self._model.id] and not isinstance(value, Handle):
            self._set(name, value)

    def ConnectInput(self, name: str, other: Any) -> bool:
        if name not in CLASSES[self._model.id]:
            return False
        return self._set(name, other)

    def FindMainInput(self, index: int) -> Any:
        name = tools.MAIN.get(self._model.id)
        return Input(self._machine, self._model, name) if name and index == 1 else None

    def FindMainOutput(self, index: int) -> Any:
        return Output(self._machine, self._model) if index == 1 else None

    def LoadSettings(self, path: Any) -> bool:
        """From a file: the first tool of this class in it, with the splines that feed it."""
        if not isinstance(path, str):
            return False
        try:
            found = parse(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        every = found.get("Tools").named() if isinstance(found, Block) and found.get("Tools") else {}
        mine = next((each for each in every.values() if each.kind == self._model.id), None)
        if mine is None:
            return False
        comp = self._model.comp
        self._model.touched = True
        tools.fill(self._model, mine)
        for name, each in every.items():
            if each.kind == "BezierSpline" and name not in comp.tools:
                tools.fill(comp.add(each.kind, name), each)
        return True

    def SaveSettings(self, path: str) -> bool:
        if not Path(path).parent.is_dir():
            return False
        mine = Block("ordered", [(self._model.name, tools.tool_block(self._model))])
        Path(path).write_text(write(Block("", [("Tools", mine)])) + "\n", encoding="utf-8")
        return True

    def Delete(self) -> None:
        self._model.comp.remove(self._model)


class Input(FusionHandle):
    """An input of a tool."""

    _api = "Input"

    def __init__(self, machine: Any, tool: ToolModel, name: str):
        super().__init__(machine, tool)
        object.__setattr__(self, "_input", name)

    def _alive(self) -> bool:
        return bool(self._model.alive) and _stands(self._machine, self._model.comp)

    def _special(self, name: str) -> Any:
        if name in ("ID", "Name"):
            return self._input
        return NotImplemented

    def __getitem__(self, time: float) -> Any:
        return self._gated("__getitem__", lambda _: _plain(self._model, self._input), time)

    def __setitem__(self, time: float, value: Any) -> None:
        self._gated("__setitem__", lambda _, new: Tool(self._machine, self._model)._set(self._input, new), time, value)

    def GetAttrs(self, tag: str = "") -> Any:
        linked = isinstance(self._model.inputs.get(self._input), Link)
        attrs = {"INPS_ID": self._input, "INPS_Name": self._input, "INPB_Connected": linked}
        return attrs if not tag else attrs.get(tag)

    def GetTool(self) -> Any:
        return Tool(self._machine, self._model)

    def GetConnectedOutput(self) -> Any:
        source = self._model.comp.source(self._model, self._input)
        return None if source is None else Output(self._machine, source)

    def ConnectTo(self, output: Any = None) -> bool:
        return Tool(self._machine, self._model)._set(self._input, output)

    def GetKeyFrames(self) -> dict[float, float]:
        """The times of its keys."""
        source = self._model.comp.source(self._model, self._input)
        keys = sorted(source.keys) if source is not None else []
        return {float(index): float(frame) for index, frame in enumerate(keys, 1)}


class Output(FusionHandle):
    """An output of a tool."""

    _api = "Output"

    def _alive(self) -> bool:
        return bool(self._model.alive) and _stands(self._machine, self._model.comp)

    def _special(self, name: str) -> Any:
        if name in ("ID", "Name"):
            return self._model.output()
        return NotImplemented

    def GetTool(self) -> Any:
        return Tool(self._machine, self._model)

    def GetConnectedInputs(self) -> dict[float, Any]:
        found = [
            Input(self._machine, tool, name)
            for tool in self._model.comp.tools.values()
            for name, value in tool.inputs.items()
            if isinstance(value, Link) and value.tool == self._model.name
        ]
        return {float(index): each for index, each in enumerate(found, 1)}


def _link(value: Any) -> Link | None:
    """What a tool or an output is as the source of an input."""
    if isinstance(value, (Tool, Output)):
        return Link(value._model.name, value._model.output())
    return None


def _plain(tool: ToolModel, name: str) -> Any:
    value = tool.value(name)
    if isinstance(value, Link) or value is None:
        return None
    if isinstance(value, Block):
        return (
            value.listed()[0]
            if value.kind == "FuID"
            else {1.0 + index: each for index, each in enumerate(value.listed())}
        )
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
