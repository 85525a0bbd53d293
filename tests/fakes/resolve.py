"""A stand-in DaVinci Resolve that works, and lies where the real one lies.

``machine = Machine(Profile("studio", (20, 3, 2)), folder)`` is one running Resolve with an empty project. A script gets
``machine.resolve``, ``machine.fusion`` and ``machine.bmd``; ``machine.artist`` does what a person does;
``machine.calls``, ``machine.unknown`` and ``machine.refused`` tell what the script did, ``machine.fault`` makes a call
fail, and ``machine.project_facts()`` is all a script could leave behind. Leaving it as a context raises what the
script was refused, swallowed or not.

Measured: what is said so in the modules' docstrings and switches (Blackmagic's scripting README, and the measurements
public projects made on 18.5 to 21). From memory alone: a switch, whose default is the worse variant.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from fakes import resolve_pictures
from fakes.resolve_artist import Artist
from fakes.resolve_fusion import Comps
from fakes.resolve_handles import (
    SWITCHES,
    Handle,
    Injected,
    MachineBase,
    NotMeasured,
    Profile,
    WouldBlock,
    WrongArguments,
    WrongThread,
)
from fakes.resolve_media import MediaPool, MediaStorage
from fakes.resolve_models import BinModel, ItemModel, MediaModel, ProjectModel, TimelineModel, TrackModel, rate_of
from fakes.resolve_render import Queue, RenderQueue, write_picture
from fakes.resolve_timeline import Timeline, TimelineItem
from fakes.resolve_ui import Bmd, FusionApp

__all__ = ["Injected", "Machine", "NotMeasured", "Profile", "WouldBlock", "WrongArguments", "WrongThread"]

SWITCHES.update(
    {
        "frame_rate_as": "text",  # GetSetting("timelineFrameRate") gives "text" or, without drop frame, a "number"
        "page_when_headless": None,  # what GetCurrentPage tells with -nogui
    }
)

PAGES = ("media", "cut", "edit", "fusion", "color", "fairlight", "deliver")
SETTINGS = {
    "timelineFrameRate": "24",
    "timelinePlaybackFrameRate": "24",
    "timelineResolutionWidth": "1920",
    "timelineResolutionHeight": "1080",
    "timelinePixelAspectRatio": "square",
    "timelineInputResMismatchBehavior": "scaleToFit",
    "useCustomSettings": "0",
    "colorScienceMode": "davinciYRGB",
    "colorSpaceInput": "Rec.709 Gamma 2.4",
    "colorSpaceTimeline": "Rec.709 Gamma 2.4",
    "colorSpaceOutput": "Rec.709 Gamma 2.4",
    "superScale": "1",
}


class Machine(MachineBase):
    """One running Resolve.

    Args:
        profile: edition, version, system and switches.
        folder: a scratch folder of the test, for files the stand-in makes itself.

    Attributes:
        project: the open project's model.
        page: the page in the main window.
        flaky_deletes: how often Timeline.DeleteClips still fails for no reason.
    """

    def __init__(self, profile: Profile | None = None, folder: Path | None = None):
        super().__init__(profile or Profile())
        self.folder = folder
        self.page = "edit"
        self.flaky_deletes = self.switches.delete_clips_flaky
        self.projects: list[ProjectModel] = []
        self.project = self.new_project("Demo")
        self.artist = Artist(self)
        self.resolve = Resolve(self)
        self.fusion = FusionApp(self)  # brings the screen
        self.bmd = Bmd(self)

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.refused:
            raise self.refused[0]

    # -- models

    def new_project(self, name: str) -> ProjectModel:
        """A project with an empty timeline of one video track, opened."""
        root = BinModel(self.new_id("bin"), "Master")
        project = ProjectModel(self.new_id("project"), name, dict(SETTINGS), root, root)
        project.queue = Queue(self, project)
        self.projects.append(project)
        self.project = project
        self.new_timeline("Timeline 1")
        return project

    def new_timeline(self, name: str, start: int = 86400) -> TimelineModel:
        """An empty timeline of the open project, opened."""
        tracks = {"video": [TrackModel("Video 1")], "audio": [TrackModel("Audio 1")], "subtitle": []}
        timeline = TimelineModel(self.new_id("timeline"), name, start, tracks, playhead=start)
        self.project.timelines.append(timeline)
        self.project.timeline = timeline
        return timeline

    def new_item(self, **facts: Any) -> ItemModel:
        """A clip, on no track yet."""
        item = ItemModel(self.new_id("item"), **facts)
        item.comps = Comps(self, item)
        if item.media is not None and self.switches.clip_markers_from == "media":
            item.markers = {  # where it is placed it gets its media's markers (measured by firstmate)
                frame - item.source_in: replace(marker) for frame, marker in item.media.markers.items()
            }
        return item

    def item_handle(self, item: ItemModel, nameless: bool = False) -> TimelineItem:
        return TimelineItem(self, item, nameless)

    @property
    def rate_text(self) -> str:
        """The timeline's frame rate as the setting has it: ``29.97 DF``."""
        return self.project.settings["timelineFrameRate"]

    @property
    def rate(self) -> Fraction:
        return rate_of(self.rate_text)[0]

    def settings(self, name: str | None, timeline: TimelineModel | None = None) -> Any:
        """One setting or all; an unknown name gives ''."""
        found: dict[str, Any] = {**self.project.settings, **(timeline.settings if timeline else {})}
        if self.switches.frame_rate_as == "number" and "DF" not in self.rate_text:
            found["timelineFrameRate"] = float(self.rate_text)
        return found if not name else found.get(name, "")

    @property
    def external(self) -> Any:
        """What ``scriptapp("Resolve")`` gives a script that Resolve did not start: the free edition refuses."""
        return self.resolve if self.profile.studio else None

    @property
    def lists_python_scripts(self) -> bool:
        """Whether Workspace > Scripts shows Python scripts: not in the free edition from 21.1 on."""
        return self.profile.studio or self.profile.version < (21, 1)

    # -- what a script could leave behind

    def project_facts(self) -> dict[str, Any]:
        """Plain values to compare with ``==``: equal before and after, when nothing was left behind."""
        project = self.project
        return {
            "page": self.page,
            "project": (project.name, project.saves, dict(project.settings)),
            "bins": [(each.path, [_media_facts(media) for media in each.media]) for each in project.root.walk()],
            "current bin": project.bin.path,
            "selected": [media.id for media in project.selected],
            "timeline": project.timeline.id if project.timeline else None,
            "timelines": [_timeline_facts(timeline) for timeline in project.timelines],
            "render": project.queue.facts(),
            "screen": self.screen.facts(),
        }


def _markers(markers: dict[int, Any]) -> list[Any]:
    return [(frame, asdict(marker)) for frame, marker in sorted(markers.items())]


def _media_facts(media: MediaModel) -> dict[str, Any]:
    facts = {**vars(media), "markers": _markers(media.markers), "mattes": sorted(media.mattes)}
    return {name: dict(value) if isinstance(value, dict) else value for name, value in facts.items()}


def _timeline_facts(timeline: TimelineModel) -> dict[str, Any]:
    tracks = [(track.name, track.enabled, track.locked, [_item_facts(each) for each in track.items])
              for kind in ("video", "audio", "subtitle") for track in timeline.tracks[kind]]  # fmt: skip
    facts = {"name": timeline.name, "tracks": tracks, "markers": _markers(timeline.markers)}
    return {**facts, "marks": (timeline.mark_in, timeline.mark_out), "playhead": timeline.playhead}


def _item_facts(item: ItemModel) -> dict[str, Any]:
    plain = ("id", "name", "start", "duration", "source_in", "speed", "enabled", "color", "version")
    facts = {name: getattr(item, name) for name in plain}
    return {**facts, "markers": _markers(item.markers), "comps": item.comps.facts(), "sizing": dict(item.properties)}


class Resolve(Handle):
    _api = "Resolve"

    def Fusion(self) -> Any:
        return self._machine.fusion

    def GetMediaStorage(self) -> Any:
        return MediaStorage(self._machine)

    def GetProjectManager(self) -> Any:
        return ProjectManager(self._machine)

    def GetProductName(self) -> str:
        return "DaVinci Resolve" + (" Studio" if self._machine.profile.studio else "")

    def GetVersion(self) -> list[Any]:
        version = self._machine.profile.version
        return [*version, *[0] * (3 - len(version)), 4, ""]

    def GetVersionString(self) -> str:
        version = [*self._machine.profile.version, 0, 0][:3]
        return ".".join(map(str, version)) + ".4"

    def GetCurrentPage(self) -> Any:
        machine = self._machine
        return machine.switches.page_when_headless if machine.profile.headless else machine.page

    def OpenPage(self, page: str) -> bool:
        if page not in PAGES:
            return False
        self._machine.artist.page(page)
        return True


class ProjectManager(Handle):
    _api = "ProjectManager"

    def GetCurrentProject(self) -> Any:
        return Project(self._machine, self._machine.project)

    def GetCurrentDatabase(self) -> dict[str, str]:
        return {"DbType": "Disk", "DbName": "Local Database"}

    def GetProjectListInCurrentFolder(self) -> list[str]:
        return [project.name for project in self._machine.projects if project.saves]

    def SaveProject(self) -> bool:
        """On a project that was never saved it hangs with -nogui, and is False with a window (measured)."""
        if self._machine.project.name == "Untitled Project":
            if self._machine.profile.headless:
                raise self._machine.refuse("SaveProject on Untitled Project", WouldBlock)
            return False
        self._machine.artist.save()
        return True


class Project(Handle, RenderQueue):
    _api = "Project"
    _model: ProjectModel

    def _alive(self) -> bool:
        return self._machine.project is self._model

    def GetName(self) -> str:
        return self._model.name

    def GetUniqueId(self) -> str:
        return self._model.id

    def GetMediaPool(self) -> Any:
        return MediaPool(self._machine, self._model)

    def GetTimelineCount(self) -> int:
        return len(self._model.timelines)

    def GetTimelineByIndex(self, index: int) -> Any:
        found = self._model.timelines
        return Timeline(self._machine, found[index - 1]) if 1 <= index <= len(found) else None

    def GetCurrentTimeline(self) -> Any:
        return None if self._model.timeline is None else Timeline(self._machine, self._model.timeline)

    def SetCurrentTimeline(self, timeline: Timeline) -> bool:
        if not timeline._alive():
            return False
        self._model.timeline = timeline._model
        return True

    def GetSetting(self, name: str | None = None) -> Any:
        return self._machine.settings(name)

    def GetColorGroupsList(self) -> list[Any]:
        return []

    def ExportCurrentFrameAsStill(self, path: str) -> bool:
        """What the viewer shows, graded, without alpha; this call is honest (measured)."""
        timeline, file = self._model.timeline, Path(path)
        if timeline is None or not file.parent.is_dir() or file.suffix not in (".png", ".tif", ".jpg", ".dpx"):
            return False
        size = resolve_pictures.resolution(self._model, timeline)
        write_picture(file, resolve_pictures.timeline_picture(timeline, timeline.playhead, size)[0], "RGB8")
        return True
