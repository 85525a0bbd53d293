"""Mattes as the alpha of a clip's Fusion composition: a Loader and a MatteControl right before MediaOut1.

Values are written outside ``Lock``: what is first written inside it reads back and does not render (measured by
davinci-resolve-mcp). Without a lock Fusion asks for a file when a Loader is added, so that preference is off meanwhile.
A composition counts only when MediaOut1 descends from MediaIn1, so whatever the artist made stays in between.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matted_plugin import exr
from matted_plugin.host import HostError
from matted_resolve import comp_text
from matted_resolve.host import leftovers as left
from matted_resolve.host.made import NAME, Change, Made, made_in, number, page_of, project_id, same_path, several, text
from matted_resolve.host.matte_files import Sequence
from matted_resolve.host.pool import id_of
from matted_resolve.host.session import asked, found, media_of

if TYPE_CHECKING:
    from resolve_api import Composition, Output, TimelineItem, Tool

    from matted_resolve.host.clip import Clip
    from matted_resolve.host.session import Session

PREFIX = f"{NAME}_"
"""What the names of our tools begin with."""

_LOADER = f"{PREFIX}mattes"
_CONTROL = f"{PREFIX}alpha"
_OUT = "MediaOut1"
_BROWSE = "Global.UserInterface.AutoClipBrowse"
_COMBINE = {"R": 1, "A": 4}
"""Entries of MatteControl's menu Combine: red and alpha of what comes in at the foreground."""


def build(session: Session, change: Change, item: TimelineItem, clip: Clip, files: Sequence, alone: bool) -> None:
    """Make a sequence numbered by frame the alpha of the clip; where it is already, nothing is done.

    Args:
        session: Resolve.
        change: what this action does.
        item: the clip in the timeline.
        clip: the same as plain data.
        files: EXR files.
        alone: whether they show one object; then the alpha is taken, else the red channel, where the first object is.

    Raises:
        HostError: the composition cannot take it, or Resolve did not do as it was told.
    """
    if not clip.media_frames:
        raise HostError(
            f"Frames of {clip.name} cannot be told from frames of its Fusion composition: {clip.why}",
            "Choose track above for this clip.",
        )
    _see_size(item, clip, files)
    comp = _composition(session, change, item, clip)
    out, fed = _end(comp, clip)
    ours = _ours_at(fed)
    if ours is not None and same_path(_path(ours), files.file(files.first)):
        return
    start = _first_frame(comp, clip) + files.first - clip.first
    above = _feeding(_tool(fed), "Background") if ours is not None else fed
    if above is None:
        raise HostError(f"{_CONTROL} of {clip.name} has nothing connected.", "Connect the clip to it and press again.")
    facts = {"project": project_id(session), "item": id_of(item)}
    change.will_make("tools", **facts, before=sorted(names(comp)), fed=name_of(_tool(fed)))
    loader = _added(session, change, comp, "Loader", _LOADER, clip)
    control = _added(session, change, comp, "MatteControl", _CONTROL, clip)
    _load(loader, files, start)
    combine = _COMBINE["A" if alone or _only_alpha(files) else "R"]
    control.SetInput("MatteCombine", combine)
    control.ConnectInput("Background", above)
    control.ConnectInput("Foreground", loader)
    out.ConnectInput("Input", control)
    asked(lambda: comp.SetAttrs({"COMPB_Modified": True}))  # else the other pages may show the clip as it was
    _verify(item, clip, files, start, combine, (name_of(loader), name_of(control), name_of(_tool(above))))


def remove(session: Session, item: TimelineItem, made: Made) -> bool:
    """Take our tools out of the clip's compositions, connecting what was on both sides; whether there were any.

    A composition that we made goes too, unless something was added to it.

    Raises:
        NotBack: something of ours is still there.
    """
    some = False
    for index in range(1, (number(lambda: item.GetFusionCompCount()) or 0) + 1):
        comp = found(lambda: item.GetFusionCompByIndex(index))  # noqa: B023 (called at once)
        if comp is not None and _strip(comp, keep=()):
            some = True
    for entry in made.known("comp"):
        if entry["item"] == id_of(item):
            some = True
            if drop_comp(session, item, entry["name"]):
                made.forget("comp", item=entry["item"])
    return some


def names(comp: Composition) -> list[str]:
    """The names of a composition's tools."""
    return [name_of(tool) for tool in several(lambda: comp.GetToolList(False))]


def name_of(tool: Tool | None) -> str:
    """The name of a tool; '' when it is gone."""
    if tool is None:
        return ""
    return text(lambda: tool.Name)


def drop_comp(session: Session, item: TimelineItem, name: str) -> bool:
    """Delete a composition that holds nothing but MediaIn1 and MediaOut1; whether it is gone.

    Not on the Fusion page, where it may be the one that is shown.

    Raises:
        NotBack: it is empty and still there.
    """
    there = several(lambda: item.GetFusionCompNameList())
    if name not in there:
        return True
    comp = found(lambda: item.GetFusionCompByIndex(there.index(name) + 1))
    if comp is None or set(names(comp)) - {"MediaIn1", _OUT}:
        return False
    if page_of(session) == "fusion":
        asked(lambda: session.resolve.OpenPage("edit"))
    asked(lambda: item.DeleteFusionCompByName(name))
    if name in several(lambda: item.GetFusionCompNameList()):
        clip = text(lambda: item.GetName()) or "a clip"
        raise left.NotBack(f"The empty Fusion composition {name} of {clip} is still there: delete it there.")
    return True


def _composition(session: Session, change: Change, item: TimelineItem, clip: Clip) -> Composition:
    """The clip's first composition, or a new one."""
    there = several(lambda: item.GetFusionCompNameList())
    if there:
        comp = found(lambda: item.GetFusionCompByIndex(1))
    else:
        change.will_make("comp made", project=project_id(session), item=id_of(item))
        asked(lambda: item.AddFusionComp())
        there = several(lambda: item.GetFusionCompNameList())
        if there:
            made_in(session).note("comp", item=id_of(item), name=there[0])
        # what AddFusionComp returns does not keep what is done to it (measured on Studio 20.3)
        comp = found(lambda: item.LoadFusionCompByName(there[0])) if there else None
    if comp is None:
        raise HostError(
            f"Resolve does not show the Fusion composition of {clip.name}.",
            "Open the clip on the Fusion page and press the button again.",
        )
    return comp


def _end(comp: Composition, clip: Clip) -> tuple[Tool, Output]:
    """MediaOut1 and what feeds it."""
    out = found(lambda: comp.FindTool(_OUT))
    fed = _feeding(out, "Input") if out is not None else None
    if out is None or fed is None:
        raise HostError(
            f"In the Fusion composition of {clip.name} nothing is connected to {_OUT}.",
            f"Connect what the clip is to show to {_OUT}, and press the button again.",
        )
    return out, fed


def _feeding(tool: Tool | None, name: str) -> Output | None:
    """The output connected to a tool's input."""
    return found(lambda: getattr(tool, name).GetConnectedOutput())


def _tool(output: Output | None) -> Tool | None:
    """The tool an output belongs to."""
    if output is None:
        return None
    return found(lambda: output.GetTool())


def _ours_at(fed: Output) -> Tool | None:
    """The Loader of ours behind an output, when it is the one of a MatteControl of ours."""
    control = _tool(fed)
    loader = _tool(_feeding(control, "Foreground")) if name_of(control).startswith(_CONTROL) else None
    return loader if name_of(loader).startswith(_LOADER) else None


def _path(loader: Tool) -> str:
    return text(lambda: loader.GetInput("Clip"))


def _first_frame(comp: Composition, clip: Clip) -> int:
    """The composition's number of the clip's first frame: where it renders from, wherever it counts from."""
    first, last = (number(lambda: comp.GetAttrs()[f"COMPN_Render{end}"]) for end in ("Start", "End"))  # noqa: B023
    if first is None or last is None or last - first + 1 != clip.duration:
        raise HostError(
            f"The Fusion composition of {clip.name} renders frames {first} to {last}; the clip has {clip.duration}.",
            "Set its render range to the clip's on the Fusion page, or choose clip matte.",
        )
    return first


def _see_size(item: TimelineItem, clip: Clip, files: Sequence) -> None:
    """A composition works at the media's size, whatever the timeline's, and does not scale what a Loader reads."""
    with Path(files.file(files.first)).open("rb") as file:
        size = exr.read_header(file.read(65536)).size
    media = media_of(item)
    told = text(lambda: media.GetClipProperty("Resolution")) if media is not None else ""
    if told and told != f"{size[0]}x{size[1]}":
        raise HostError(
            f"The mattes of {clip.name} are {size[0]} x {size[1]} pixels and its Fusion composition is {told}.",
            "Choose clip matte or track above for this clip.",
        )


def _only_alpha(files: Sequence) -> bool:
    return "R" not in exr.channel_names(files.file(files.first))


def _added(session: Session, change: Change, comp: Composition, kind: str, name: str, clip: Clip) -> Tool:
    """A new tool with a name of ours: the name itself, or with a number."""
    if kind == "Loader":
        _stop_asking(session, change)
    before = names(comp)
    asked(lambda: comp.AddTool(kind, 2, 2 if kind == "Loader" else 1))
    new = [tool for tool in several(lambda: comp.GetToolList(False)) if name_of(tool) not in before]
    if len(new) != 1:
        raise HostError(
            f"Fusion added no {kind} to the composition of {clip.name}.",
            "Close any dialog that Resolve shows, or choose clip matte.",
        )
    tool: Tool = new[0]
    free, number = name, 1
    while free in before:
        number += 1
        free = f"{name}_{number}"
    for _ in range(2):
        asked(lambda: tool.SetAttrs({"TOOLS_Name": free}))
        if name_of(tool) == free:
            return tool
    raise HostError(f"Fusion does not call its new {kind} {free}.", "Press the button again.")


def _stop_asking(session: Session, change: Change) -> None:
    """Adding a Loader opens a file dialog behind the window, and then nothing answers (seen on Studio 20.3.3)."""
    fusion = _fusion(session)
    if _is_silent(fusion):
        return
    before = [asked(lambda: fusion.GetPrefs(_BROWSE)) for _ in range(2)]
    change.will_move("browse", value=next((value for value in before if value), True))
    for _ in range(2):
        asked(lambda: fusion.SetPrefs(_BROWSE, False))
        if _is_silent(fusion):
            return
    raise HostError(
        "Fusion would open a file dialog for a new Loader.",
        "Switch off Fusion Settings > User Interface > Auto clip browse, or choose clip matte.",
    )


def _is_silent(fusion: Any) -> bool:
    """Whether Fusion asks for no file; told twice, for one answer may be wrong."""
    told = [asked(lambda: fusion.GetPrefs(_BROWSE)) for _ in range(2)]
    return all(isinstance(value, (bool, int, float)) and not value for value in told)


def _fusion(session: Session) -> Any:
    return session.fusion or found(lambda: session.resolve.Fusion())


def _load(loader: Tool, files: Sequence, start: int) -> None:
    """Give a Loader its files and their place in time, from a settings file, which holds all of it at once."""
    count = files.last - files.first + 1
    setting = _SETTING.format(
        name=name_of(loader), file=files.file(files.first).replace('"', '\\"'), first=files.first, count=count,
        trim=count - 1, start=start, end=start + count - 1,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix=left.PREFIX) as folder:
        path = Path(folder) / "loader.setting"
        path.write_text(setting, "utf-8")
        asked(lambda: loader.LoadSettings(str(path)))
    if not same_path(_path(loader), files.file(files.first)):
        loader.SetInput("Clip", files.file(files.first))
    for name, value in (("GlobalOut", start + count - 1), ("GlobalIn", start), ("GlobalOut", start + count - 1)):
        if number(lambda: loader.GetInput(name)) != value:  # noqa: B023 (called at once)
            loader.SetInput(name, value)


_SETTING = """{{
	Tools = ordered() {{
		{name} = Loader {{
			Clips = {{
				Clip {{
					ID = "Clip1",
					Filename = "{file}",
					FormatID = "OpenEXRFormat",
					StartFrame = {first},
					Length = {count},
					LengthSetManually = true,
					TrimIn = 0,
					TrimOut = {trim},
					ExtendFirst = 0,
					ExtendLast = 0,
					Loop = 0,
					AspectMode = 0,
					Depth = 0,
					TimeCode = 0,
					GlobalStart = {start},
					GlobalEnd = {end}
				}}
			}}
		}}
	}}
}}
"""


def _verify(
    item: TimelineItem, clip: Clip, files: Sequence, start: int, combine: int, chain: tuple[str, str, str]
) -> None:
    """Read the composition's own text: what a tool answers may not be what is rendered."""
    loader, control, above = chain
    tools = _exported(item).table("Tools")
    clips = tools.table(loader).table("Clips").values
    shown = clips[0].items if clips and isinstance(clips[0], comp_text.Table) else {}
    wanted = {"GlobalStart": start, "GlobalEnd": start + files.last - files.first, "TrimIn": 0}
    right = (
        same_path(str(shown.get("Filename")), files.file(files.first))
        and all(shown.get(name) == value for name, value in wanted.items())
        and shown.get("StartFrame") in (files.first, -1)
        and tools.table(control).table("Inputs").table("MatteCombine").items.get("Value") == combine
        and _source(tools, control, "Background") == above
        and _source(tools, control, "Foreground") == loader
        and _source(tools, _OUT, "Input") == control
    )
    if not right:
        raise HostError(
            f"The Fusion composition of {clip.name} is not as it was set.",
            "Press the button again, or choose clip matte.",
        )


def _exported(item: TimelineItem) -> comp_text.Table:
    with tempfile.TemporaryDirectory(prefix=left.PREFIX) as folder:
        path = Path(folder) / "verify.comp"
        for _ in range(2):
            asked(lambda: item.ExportFusionComp(str(path), 1))
            try:
                return comp_text.parse(path.read_text("utf-8"))
            except (OSError, ValueError):
                continue
    return comp_text.Table()


def _source(tools: comp_text.Table, tool: str, name: str) -> Any:
    return tools.table(tool).table("Inputs").table(name).items.get("SourceOp")


def _strip(comp: Composition, keep: Collection[str]) -> bool:
    """Delete our tools but some, each connected past first; whether there were any.

    Raises:
        NotBack: one is still there.
    """
    ours = [tool for tool in several(lambda: comp.GetToolList(False)) if _is_ours(tool, keep)]
    for tool in sorted(ours, key=lambda tool: not name_of(tool).startswith(_CONTROL)):
        above = _feeding(tool, "Background") if name_of(tool).startswith(_CONTROL) else None
        main = found(lambda: tool.FindMainOutput(1))  # noqa: B023 (called at once)
        below = several(lambda: main.GetConnectedInputs()) if main is not None else []  # noqa: B023
        for fed in below if above is not None else []:
            asked(lambda: fed.ConnectTo(above))  # noqa: B023
            if name_of(_tool(found(lambda: fed.GetConnectedOutput()))) != name_of(_tool(above)):  # noqa: B023
                raise left.NotBack(f"{name_of(tool)} could not be connected past: delete it on the Fusion page.")
        asked(lambda: tool.Delete())  # noqa: B023
    still = [tool for tool in several(lambda: comp.GetToolList(False)) if _is_ours(tool, keep)]
    if still:
        raise left.NotBack(f"The Fusion tool {name_of(still[0])} is still there: delete it on the Fusion page.")
    if ours:
        asked(lambda: comp.SetAttrs({"COMPB_Modified": True}))
    return bool(ours)


def _is_ours(tool: Tool, keep: Collection[str]) -> bool:
    name = name_of(tool)
    return name.startswith(PREFIX) and name not in keep


def _take_back_tools(session: Session, facts: left.Facts) -> None:
    """Facts: project, item, before: names of the tools there were, fed: name of the one that fed MediaOut1."""
    item = session.item(facts["item"])
    comp = found(lambda: item.GetFusionCompByIndex(1))
    if comp is None:
        return
    out, fed = found(lambda: comp.FindTool(_OUT)), found(lambda: comp.FindTool(facts["fed"]))
    if out is not None and fed is not None and not _feeds(fed, out):
        asked(lambda: out.ConnectInput("Input", fed))
        if not _feeds(fed, out):
            raise left.NotBack(f"{facts['fed']} is no longer connected to {_OUT}: connect it on the Fusion page.")
    _strip_new(comp, facts["before"])


def _feeds(tool: Tool, out: Tool) -> bool:
    return name_of(_tool(_feeding(out, "Input"))) == name_of(tool)


def _strip_new(comp: Composition, before: list[str]) -> None:
    """Delete every tool of ours that was not there before; one may not have had its name yet."""
    _strip(comp, before)
    for tool in several(lambda: comp.GetToolList(False)):
        if name_of(tool) not in before and _is_bare(tool):
            asked(lambda: tool.Delete())  # noqa: B023 (called at once)


def _is_bare(tool: Tool) -> bool:
    """Whether it is as we add one: without a file, and connected to nothing."""
    if tool.ID == "Loader" and _path(tool):
        return False
    if tool.ID == "MatteControl" and (_feeding(tool, "Background") or _feeding(tool, "Foreground")):
        return False
    main = found(lambda: tool.FindMainOutput(1))
    return tool.ID in ("Loader", "MatteControl") and not (main is not None and several(main.GetConnectedInputs))


def _take_back_comp(session: Session, facts: left.Facts) -> None:
    """Facts: project, item: it had no composition."""
    item = session.item(facts["item"])
    for name in several(lambda: item.GetFusionCompNameList()):
        drop_comp(session, item, name)
    made_in(session).forget("comp", item=facts["item"])


def _ask_again(session: Session, facts: left.Facts) -> None:
    """Facts: value of the preference by which Fusion asks for a file when a Loader is added."""
    fusion = _fusion(session)
    fusion.SetPrefs(_BROWSE, facts["value"])
    if fusion.GetPrefs(_BROWSE) != facts["value"]:
        raise left.NotBack("Fusion's setting Auto clip browse is not as it was: see Fusion Settings.")


left.KINDS["tools"] = _take_back_tools
left.KINDS["comp made"] = _take_back_comp
left.KINDS["browse"] = _ask_again
