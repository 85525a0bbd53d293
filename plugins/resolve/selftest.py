"""Ask a real DaVinci Resolve what the matted plugin takes for granted, and print what it does as a table to send back.

Run it once, in a project that was saved under a name: from Workspace > Scripts after ``python install.py resolve
--selftest``, or with Studio from a terminal: ``python selftest.py``. It works on timelines and in a bin of its own with
pictures it draws itself. Clips, jobs, presets and marks that are there stay as they are; the project is never saved;
page, bin, timeline and render settings are put back, also after a crash by the next run. It says what it could not put
back.

Each probe is one function: its name is the probe's id, its docstring what the plugin relies on. Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import platform
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable
from uuid import uuid4

PACKAGES = ""  # the installer writes here where matted's code is


def _packages() -> list[str]:
    """Where matted's code is: where the installer put it, beside this file, or in matted's own folder."""
    here = Path(globals().get("__file__") or sys._getframe().f_code.co_filename).resolve().parent
    for place in (Path(PACKAGES or "."), here / "python", here.parent / "matted" / "python"):
        if (place / "matted_resolve").is_dir():
            return [str(place)]
    return [str(here), str(here.parent / "common"), str(here.parents[1] / "protocol")]


if sys.version_info < (3, 9):  # noqa: UP036 (Resolve takes any Python 3 it finds)
    raise RuntimeError(f"matted needs Python 3.9 or newer; this is {platform.python_version()}, {sys.executable}.")
sys.path[:0] = [path for path in _packages() if path not in sys.path]

from matted_plugin import exr  # noqa: E402
from matted_plugin.host import Mattes, Rendering  # noqa: E402
from matted_protocol.connection import data_folder  # noqa: E402
from matted_resolve import comp_text, files, link, polygon, start, timecode  # noqa: E402
from matted_resolve.host import clip as clips  # noqa: E402
from matted_resolve.host import clip_matte, loader, made, marks, matte_files, render_job, rendering, track_above  # noqa: E402
from matted_resolve.host import fusion as masks  # noqa: E402
from matted_resolve.host import kept as kept_state  # noqa: E402
from matted_resolve.host import leftovers as left  # noqa: E402
from matted_resolve.host.deliver import RESTORE  # noqa: E402
from matted_resolve.host.session import Session, asked, key_of, markers, numbered  # noqa: E402

FIRST, FRAMES = 1001, 12
"""Number of the first picture that is drawn, and how many there are."""
IN, SHOWN, RECORD = 3, 5, 4
"""The clip shows this many frames, from this one of the media on, and lies so far from the timeline's start."""
ABOVE = 15
"""The number that every picture of the other sequence shows."""

SINGLE, INDIVIDUAL = 1, 0
STOCK = ("H.264 Master", "ProRes Master", "ProRes 422 HQ", "H.265 Master", "YouTube - 1080p", "YouTube 1080p")
"""Render presets with video that come with Resolve: settings land on top of what is loaded."""
PAUSE = 0.05
"""Seconds between two looks at a render job."""
PATIENCE = 180.0
"""Seconds a job of a few frames may take."""
NAME = "Matted self-test"
"""What the names of our bin and timelines begin with."""
CELL = 60
"""Characters of an answer in the table; the JSON file has all."""


# Probes and their results


class CannotSay(Exception):
    """This probe cannot be asked here; the message says why."""


@dataclass(frozen=True)
class Expected:
    """What the plugin can live with."""

    text: str
    holds: Callable[[Any], bool]


def just(value: Any) -> Expected:
    """This alone."""
    return Expected(json.dumps(value), lambda seen: seen == value)


def one_of(*values: Any) -> Expected:
    """One of several."""
    return Expected(" or ".join(json.dumps(value) for value in values), lambda seen: seen in values)


def at_least(least: int) -> Expected:
    """A number."""
    return Expected(f"at least {least}", lambda seen: isinstance(seen, int) and seen >= least)


def holding(*names: str) -> Expected:
    """A list in which these are."""
    return Expected(f"with {', '.join(names)}", lambda seen: isinstance(seen, list) and set(names) <= set(seen))


SOMETHING = Expected("at least one", bool)


@dataclass(frozen=True)
class Probe:
    """One question."""

    id: str
    source: str
    """Where the fact comes from: "from memory", or who documented or measured it."""
    fact: str
    otherwise: str
    """What the plugin does if it is otherwise."""
    expected: Expected | None
    """None: the plugin relies on neither answer, it is only reported."""
    ask: Callable[[Bench], Any]
    changes: bool
    """Whether it makes something in the project."""
    last: bool
    """Whether it is asked when all is put back: a window that does not close leaves nothing else."""


@dataclass
class Result:
    """One answer. ``verdict`` is pass, FAIL, noted or cannot say."""

    probe: Probe
    verdict: str
    seen: Any
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The answer with its question."""
        probe = self.probe
        told = {name: getattr(probe, name) for name in ("id", "source", "fact", "otherwise")}
        expected = probe.expected.text if probe.expected else None
        return {**told, "expected": expected, "verdict": self.verdict, "seen": self.seen, "notes": self.notes}


PROBES: list[Probe] = []


def probe(
    source: str, otherwise: str, expected: Expected | None = None, *, changes: bool = True, last: bool = False
) -> Callable[[Callable[[Bench], Any]], Callable[[Bench], Any]]:
    """Make a function a probe."""

    def add(ask: Callable[[Bench], Any]) -> Callable[[Bench], Any]:
        fact = " ".join(str(ask.__doc__).split())
        id = ask.__name__.replace("_", "-")
        PROBES.append(Probe(id, source, fact, otherwise, expected, ask, changes, last))
        return ask

    return add


README = "Blackmagic's scripting README"
MEASURED = "davinci-resolve-mcp, measured"
MARKERS = "firstmate, measured on Studio 21.0"
MEMORY = "from memory"
OWN = "the plugin's own"
BY_HAND = "only a person can see it"


# What is drawn


def bars(number: int, width: int) -> list[float]:
    """A row of six bars: a bright one, four that are bright where the number has a bit, a dark one."""
    lit = [True, *(bool(number >> bit & 1) for bit in (3, 2, 1, 0)), False]
    return [0.75 if lit[6 * x // width] else 0.125 for x in range(width)]


def read_bars(row: Sequence[float]) -> int:
    """The number a row of bars shows; -1 when it shows none. It may be graded, but not turned over."""
    values = [row[(2 * bar + 1) * len(row) // 12] for bar in range(6)]
    if values[0] - values[5] < 0.05:
        return -1
    return sum(1 << bit for bit, value in zip((3, 2, 1, 0), values[1:5]) if value > (values[0] + values[5]) / 2)


def draw(path: Path, size: tuple[int, int], rows: Mapping[str, Sequence[float]]) -> None:
    """A half-float EXR file whose rows are all alike: what each channel has in them."""
    channels = tuple(rows)
    row = struct.pack(f"<{size[0] * len(channels)}e", *(rows[name][x] for x in range(size[0]) for name in channels))
    exr.write_pixels(path, size, channels, "half", row * size[1])


def draw_all(folder: Path, size: tuple[int, int]) -> None:
    """The plates, one with its numbers and one to lie above it, and mattes with their numbers in the alpha."""
    for name in ("plate", "above", "matte"):
        (folder / name).mkdir()
    for number in range(1, FRAMES + 1):
        for name, shows in (("plate", number), ("above", ABOVE)):
            grey = bars(shows, size[0])
            file = folder / name / f"matted_{name}.{FIRST + number - 1}.exr"
            draw(file, size, {"R": grey, "G": grey, "B": grey})
        half = [1.0 if x < size[0] // 2 else 0.0 for x in range(size[0])]
        rows = {"A": bars(number, size[0]), "B": [0.0] * size[0], "G": half[::-1], "R": half}
        draw(folder / "matte" / f"matted_matte.{FIRST + number - 1}.exr", size, rows)


def pattern_of(folder: Path, name: str) -> str:
    """The files of a sequence."""
    return (folder / name / f"matted_{name}.%04d.exr").as_posix()


@dataclass
class Picture:
    """A rendered file: what is asked of it, read before it is deleted."""

    number: int
    name: str
    header: exr.Header
    code: int
    """Of its bars."""
    ends: tuple[float, float]
    """Of the brightest and the darkest bar."""
    code_in_alpha: int | None = None
    alpha: Callable[[float, float], float] = lambda across, down: 1.0
    """By how far across and down, 0 to 1; 1 where there is none."""

    @property
    def is_masked(self) -> bool:
        """Whether the alpha is anything but solid."""
        spots = [self.alpha((x + 0.5) / 12, (y + 0.5) / 12) for x in range(12) for y in range(12)]
        return min(spots) < 0.99


def look_at(path: Path, number: int) -> Picture:
    """A rendered file.

    Raises:
        ExrError: it cannot be read.
    """
    header = exr.whole_header(path)
    names = [name for name, _ in header.channels]
    row = _middle(*_channel(path, "G"))
    ends = round(row[len(row) // 12], 4), round(row[11 * len(row) // 12], 4)
    found = Picture(number, path.name, header, read_bars(row), ends)
    if "A" in names:
        size, values = _channel(path, "A")
        found.code_in_alpha = read_bars(_middle(size, values))
        found.alpha = lambda across, down: values[int(down * size[1]) * size[0] + int(across * size[0])]
    return found


def _channel(path: Path, name: str) -> tuple[tuple[int, int], tuple[float, ...]]:
    size, dtype, content = exr.read_pixels(path, (name,))
    return size, struct.unpack(f"<{size[0] * size[1]}{'e' if dtype == 'half' else 'f'}", content)


def _middle(size: tuple[int, int], values: Sequence[float]) -> Sequence[float]:
    start = size[1] // 2 * size[0]
    return values[start : start + size[0]]


# The project while it is ours


@dataclass
class Given:
    """What Resolve gave the script, and how it was started: "menu" or "terminal"."""

    resolve: Any
    fusion: Any = None
    bmd: Any = None
    started: str = "menu"


@dataclass
class Rendered:
    """What became of a render job."""

    id: str
    answered: Any
    """What AddRenderJob answered."""
    described: dict[str, Any]
    statuses: list[dict[str, Any]]
    pictures: list[Picture]
    files: list[str]
    left: list[str]
    """Our jobs that are still in the queue."""


class Bench:
    """What a probe works with."""

    def __init__(self, given: Given, session: Session, folder: Path, leftovers: left.Leftovers) -> None:
        self.given, self.session, self.folder, self.leftovers = given, session, folder, leftovers
        self.resolve = given.resolve
        self.notes: list[str] = []
        self.tokens: list[int] = []
        self.refusal = ""
        """Why nothing may be made in this project; '' when it may be."""
        self.imported: dict[str, list[Any]] = {}
        """What ImportMedia answered, by the sequence's name."""
        self.entered: bool | None = None
        """Whether the new bin became the current one."""
        self._name = f"{NAME} {uuid4().hex[:6]}"
        self._timelines = 0
        self._began = False
        self._broken = ""
        self._bin: Any = None
        self._timeline: Any = None
        self._delivers = False

    def note(self, text: str) -> None:
        """Something worth knowing beside the answer."""
        self.notes.append(text)

    @property
    def project(self) -> Any:
        """The open project."""
        return self.session.project()

    @property
    def pool(self) -> Any:
        """Its media pool."""
        return self.session.media_pool()

    @property
    def project_id(self) -> str:
        """Its unique id."""
        return str(left.sure(lambda: self.project.GetUniqueId()))

    def will(self, kind: str, **facts: Any) -> int:
        """Write down what has to be put back, before it is changed."""
        self.tokens.append(self.leftovers.note(kind, **facts))
        return self.tokens[-1]

    # -- the pool

    def size(self) -> tuple[int, int]:
        """Of the pictures drawn: the timeline's shape, and no larger than needed."""
        width, height = self.full_size()
        step = max(1, -(-width // 480))
        return width // step, height // step

    def full_size(self) -> tuple[int, int]:
        """Of the timeline."""
        found = setting_size(self.project)
        if found is None:
            raise CannotSay("Resolve does not tell the resolution of the timeline")
        return found

    def begin(self) -> None:
        """Make our bin and import what is drawn, once.

        Raises:
            CannotSay: it may not be, or does not work.
        """
        if self.refusal or self._broken:
            raise CannotSay(self.refusal or self._broken)
        if self._began:
            return
        self._began = True
        try:
            self._begin()
        except Exception as error:
            self._broken = f"the self-test's own bin and clips could not be made: {error}"
            raise CannotSay(self._broken) from error

    def _begin(self) -> None:
        project, pool = self.project, self.pool
        shown = project.GetCurrentTimeline()
        page = self.session.page
        if shown and asked(lambda: shown.GetMarkInOut is not None):
            self.will("marks", project=self.project_id, timeline=shown.GetUniqueId(), marks=shown.GetMarkInOut())
        if page:
            self.will("page", page=page)
        self.will("self-test", project=self.project_id, name=self._name)
        current = pool.GetCurrentFolder()
        self.will("bin", project=self.project_id, folder=current.GetUniqueId())
        if shown:
            self.will("shown", project=self.project_id, timeline=shown.GetUniqueId())
        draw_all(self.folder, self.size())
        asked(lambda: pool.AddSubFolder(pool.GetRootFolder(), self._name))
        self._bin = _find_bin(pool, self._name)
        if self._bin is None:
            raise CannotSay("Resolve made no bin")
        self.entered = key_of(pool.GetCurrentFolder()) == key_of(self._bin)
        pool.SetCurrentFolder(self._bin)
        for name in ("plate", "above"):
            info = {"FilePath": pattern_of(self.folder, name), "StartIndex": FIRST, "EndIndex": FIRST + FRAMES - 1}
            self.imported[name] = list(pool.ImportMedia([info]) or ())
        for media in self._bin.GetClipList():
            self._right_rate(media)
        self.go("edit")

    def _right_rate(self, media: Any) -> None:
        rate = timecode.read_counting(self.session.project().GetSetting("timelineFrameRate"))
        told = asked(lambda: float(media.GetClipProperty("FPS")))
        if rate is not None and told is not None and abs(told - float(rate.rate)) > 0.005:
            media.SetClipProperty("FPS", f"{float(rate.rate):.3f}".rstrip("0").rstrip("."))

    def in_bin(self) -> list[Any]:
        """What Resolve lists in our bin."""
        self.begin()
        return [one for one in self._bin.GetClipList() if str(asked(one.GetName)).find(NAME) < 0]

    def media(self, name: str = "plate") -> Any:
        """An imported sequence, by re-reading the bin."""
        found = [one for one in self.in_bin() if f"matted_{name}" in str(one.GetName())]
        if not found:
            raise CannotSay(f"Resolve did not import the sequence {pattern_of(self.folder, name)}")
        return found[0]

    # -- timelines

    def timeline(self) -> Any:
        """A new, empty timeline for this probe, opened."""
        self.begin()
        if self._timeline is None:
            self._timelines += 1
            name = f"{self._name} {self._timelines}"
            self.pool.SetCurrentFolder(self._bin)
            asked(lambda: self.pool.CreateEmptyTimeline(name))
            found = next((one for one in _timelines(self.project) if one.GetName() == name), None)
            if found is None:
                raise CannotSay("Resolve makes no timeline")
            self.project.SetCurrentTimeline(found)
            self._timeline = found
        return self._timeline

    def next_probe(self) -> None:
        """What the next probe makes is apart from what the last one made."""
        self._timeline = None
        self.notes = []

    def place(self, name: str = "plate", track: int = 1, record: int = RECORD, ask: str = "clip") -> Any:
        """Append frames of a sequence to this probe's timeline; returns what Resolve answered, or the clip read anew.

        Raises:
            CannotSay: it is not there afterwards.
        """
        timeline = self.timeline()
        before = {key_of(item) for item in self.items(track)}
        wanted = {
            "mediaPoolItem": self.media(name),
            "startFrame": IN,
            "endFrame": IN + SHOWN,
            "recordFrame": int(timeline.GetStartFrame()) + record,
            "trackIndex": track,
            "mediaType": 1,
        }
        answer = self.pool.AppendToTimeline([wanted])
        if ask == "answer":
            return answer
        new = [item for item in self.items(track) if key_of(item) not in before]
        if not new:
            raise CannotSay("Resolve does not place a clip where it was told to")
        return new[0]

    def clip(self) -> Any:
        """The clip on track 1 of this probe's timeline."""
        return (self.items(1) or [self.place()])[0]

    def items(self, track: int) -> list[Any]:
        """What Resolve lists on a video track."""
        return list(self.timeline().GetItemListInTrack("video", track) or ())

    def read(self) -> clips.Clip:
        """The clip as the plugin reads it."""
        return clips.read_clip(self.session, self.clip())

    def go(self, page: str) -> bool:
        """Open a page; whether it is open then."""
        if self.session.page == page:
            return True
        self.resolve.OpenPage(page)
        return self.session.page == page

    # -- the render queue

    def deliver(self) -> Any:
        """The project, once what the Deliver page holds is safe.

        Raises:
            CannotSay: it would not be.
        """
        self.timeline()
        project = self.project
        if project.IsRenderingInProgress():
            raise CannotSay("Resolve is rendering: run the self-test again when it has finished")
        if not self._delivers:
            form = dict(project.GetCurrentRenderFormatAndCodec())
            self.will("render_mode", project=self.project_id, mode=project.GetCurrentRenderMode())
            if form.get("format") and form.get("codec"):
                self.will("format", project=self.project_id, format=form)
            name = f"{RESTORE}{uuid4().hex[:8]}"
            self.will("preset", project=self.project_id, name=name, format=form)
            project.SaveAsNewRenderPreset(name)
            if name not in left.preset_names(project):
                raise CannotSay("Resolve keeps no preset, so the settings of the Deliver page could not be put back")
            self._delivers = True
        return project

    @contextlib.contextmanager
    def preset(self) -> Iterator[str]:
        """The name of a render preset that is deleted afterwards."""
        name = f"{NAME} {uuid4().hex[:6]}"
        token = self.will("self-test preset", project=self.project_id, name=name)
        try:
            yield name
        finally:
            self.leftovers.put_back(self.session, [token])

    def settings(self, folder: Path, *, alpha: bool, first: int, last: int) -> dict[str, Any]:
        """As the plugin sets them; frames of the clip, from 0."""
        size, begins = self.full_size(), int(self.clip().GetStart())
        settings: dict[str, Any] = {
            "SelectAllFrames": False,
            "MarkIn": begins + first,
            "MarkOut": begins + last,
            "TargetDir": str(folder),
            "CustomName": "matted_",
            "ExportVideo": True,
            "ExportAudio": False,
            "FormatWidth": size[0],
            "FormatHeight": size[1],
            "ExportAlpha": alpha,
        }
        return {**settings, "AlphaMode": 1} if alpha else settings

    def render(
        self, first: int = 1, last: int = 2, *, mode: int = SINGLE, alpha: bool = False, preset: str = ""
    ) -> Rendered:
        """Render frames of this probe's clip, from 0, as EXR, and take the job out of the queue again.

        Raises:
            CannotSay: there is no EXR with half floats, or Resolve takes no job.
        """
        project = self.set_up(mode, preset)
        project.SetCurrentRenderFormatAndCodec(*half_exr(project))
        return self.job(project, lambda folder: self.settings(folder, alpha=alpha, first=first, last=last))

    def set_up(self, mode: int, preset: str = "") -> Any:
        """The project, on the Deliver page, with a preset with video loaded; settings land on top of it."""
        project = self.deliver()
        self.clip()
        self.go("deliver")
        names = left.preset_names(project)
        stock = preset or next((name for name in STOCK if name in names), "")
        if stock:
            project.LoadRenderPreset(stock)
        project.SetCurrentRenderMode(mode)
        return project

    def job(self, project: Any, settings: Callable[[Path], dict[str, Any]]) -> Rendered:
        """Render what the Deliver page is set to.

        Raises:
            CannotSay: Resolve takes no job.
        """
        folder = self.folder / f"render{uuid4().hex[:8]}"
        folder.mkdir()
        project.SetRenderSettings(settings(folder))
        token = self.will("job", project=self.project_id, folder=str(folder))
        answered = project.AddRenderJob()
        mine = left.our_jobs(project, str(folder))
        if not mine:
            raise CannotSay("Resolve puts no job into its queue")
        described = next(job for job in left.jobs(project) if job["JobId"] == mine[0])
        try:
            statuses = list(self._watch(project, mine[0]))
        finally:
            self.leftovers.put_back(self.session, [token])
        there = [job["JobId"] for job in left.jobs(project)]
        pictures = [look_at(path, number) for number, path in render_job.pictures(folder)]
        names = sorted(path.name for path in folder.rglob("*.*"))
        for path in folder.rglob("*.exr"):
            path.unlink()
        return Rendered(mine[0], answered, described, statuses, pictures, names, [id for id in mine if id in there])

    def _watch(self, project: Any, id: str) -> Iterator[dict[str, Any]]:
        """Each new status of a job until its end."""
        if not project.StartRendering([id], False):
            self.note("StartRendering answered that it did not start")
        before: dict[str, Any] = {}
        until, idle = time.monotonic() + PATIENCE, 0
        while True:
            told = dict(project.GetRenderJobStatus(id) or {})
            idle = 0 if project.IsRenderingInProgress() else idle + 1
            if told != before:
                yield told
            before = told
            if "TimeTakenToRenderInMs" in told or told.get("Error") or (idle > 40 and before.get("JobStatus")):
                return
            if time.monotonic() > until:
                self.note(f"the job did not end in {PATIENCE:.0f} s")
                return
            time.sleep(PAUSE)

    def seek_alpha(self, frame: int) -> tuple[str, Picture | None]:
        """The alpha of a frame of this probe's clip: by which render mode it reached a file, and the picture; or ''."""
        told = self.render(frame, frame, alpha=True).pictures
        if told and told[0].is_masked:
            return "single clip", told[0]
        several = self.render(frame, frame, mode=INDIVIDUAL, alpha=True).pictures
        begins = {1: frame, SHOWN: 0, FRAMES: -IN}.get(len(several), frame + 1)
        found = several[frame - begins] if begins <= frame else None
        return ("individual clips", found) if found is not None and found.is_masked else ("", None)

    def alpha(self, frame: int) -> Picture:
        """A picture of a frame of this probe's clip with its alpha.

        Raises:
            CannotSay: the alpha reaches no file.
        """
        how, found = self.seek_alpha(frame)
        if found is None:
            raise CannotSay("no alpha of a composition reaches a rendered file, so nobody can look at it")
        self.note(f"by {how}")
        return found


def _find_bin(pool: Any, name: str) -> Any:
    return next((one for one in pool.GetRootFolder().GetSubFolderList() if one.GetName() == name), None)


def _timelines(project: Any) -> list[Any]:
    return [project.GetTimelineByIndex(index) for index in range(1, int(project.GetTimelineCount()) + 1)]


def setting_size(project: Any) -> tuple[int, int] | None:
    """The resolution of the timeline; None when it is not told."""
    width, height = (whole(project.GetSetting(f"timelineResolution{side}")) for side in ("Width", "Height"))
    return (width, height) if width and height else None


def whole(told: Any) -> int | None:
    """A whole number, of a text too."""
    return int(str(told)) if re.fullmatch(r"-?\d+", str(told)) else None


def half_exr(project: Any) -> tuple[str, str]:
    """Format and codec of EXR with half floats, without compression or with ZIP.

    Raises:
        CannotSay: there is none.
    """
    for name, form in project.GetRenderFormats().items():
        if "exr" not in f"{name}{form}".lower():
            continue
        codecs = project.GetRenderCodecs(form) or project.GetRenderCodecs(name) or {}
        told = {str(codec): f"{words} {codec}".upper() for words, codec in codecs.items()}
        halves = {codec: words for codec, words in told.items() if "HALF" in words}
        plain = [codec for codec, words in halves.items() if not re.search("ZIP|PIZ|RLE|DWA|PXR|B44", words)]
        found = plain or [codec for codec, words in halves.items() if "ZIP" in words]
        if found:
            return str(form), found[0]
    raise CannotSay("this Resolve renders no EXR with half floats")


# What is put back, also after a crash by the next run


def _to_edit_page(session: Session) -> None:
    """To the Edit page, where clips can be deleted, and where no timeline's marks change."""
    if session.page not in ("", "edit"):
        session.resolve.OpenPage("edit")


def _put_back_pool(session: Session, facts: left.Facts) -> None:
    """Facts: project, name of our bin, with which the names of our timelines begin."""
    project: Any = session.project()
    pool: Any = session.media_pool()
    name = facts["name"]
    ours = [one for one in _timelines(project) if str(one.GetName()).startswith(name)]
    if ours or _find_bin(pool, name) is not None:
        _to_edit_page(session)
    current = project.GetCurrentTimeline()
    if ours and current and any(key_of(one) == key_of(current) for one in ours):
        other = next((one for one in _timelines(project) if not str(one.GetName()).startswith(name)), None)
        if other is not None:
            project.SetCurrentTimeline(other)
    for one in ours:
        pool.DeleteTimelines([one])
    bin = _find_bin(pool, name)
    if bin is not None:
        lost = [one for one in bin.GetClipList() if "matted_" in str(one.GetName())]
        if lost:
            pool.DeleteClips(lost)
        if not bin.GetClipList():
            current = pool.GetCurrentFolder()
            if current is not None and key_of(current) == key_of(bin):
                pool.SetCurrentFolder(pool.GetRootFolder())
            pool.DeleteFolders([bin])
    still = [str(one.GetName()) for one in _timelines(project) if str(one.GetName()).startswith(name)]
    if _find_bin(pool, name) is not None:
        still.append(f"the bin {name}")
    if still:
        raise left.NotBack(f"The self-test could not delete {', '.join(still)}: delete it in the media pool.")


def _put_back_shown(session: Session, facts: left.Facts) -> None:
    """Facts: project, timeline (unique ids): the one that was open."""
    project: Any = session.project()
    found = left.find_timeline(project, facts["timeline"])
    if found is not None:
        _to_edit_page(session)
        project.SetCurrentTimeline(found)
        if key_of(project.GetCurrentTimeline()) != facts["timeline"]:
            raise left.NotBack(f"The timeline {found.GetName()} is no longer the open one, as it was.")


def _put_back_preset(session: Session, facts: left.Facts) -> None:
    """Facts: project, name."""
    left.drop_preset(session.project(), facts["name"])


left.KINDS.update({"self-test": _put_back_pool, "shown": _put_back_shown, "self-test preset": _put_back_preset})


# The script and its Resolve


@probe("public scripts", "the menu's launcher says that Resolve does not answer", just([]), changes=False)
def script_is_given_its_globals(bench: Bench) -> list[str]:
    """A script of the menu finds resolve, fusion and bmd among its names."""
    given = bench.given
    bench.note(f"{sys.executable}, Python {platform.python_version()}, file {globals().get('__file__')}")
    if given.started != "menu":
        raise CannotSay("it was started in a terminal: start it from Workspace > Scripts too")
    return [name for name in ("resolve", "fusion", "bmd") if getattr(given, name) is None]


@probe(README, "the plugin does not start there", just([]), changes=False)
def standard_library_is_whole(bench: Bench) -> list[str]:
    """The Python of the menu has the standard library that the script uses."""
    wanted = ("hashlib", "hmac", "json", "multiprocessing.connection", "socket", "struct", "tempfile", "uuid", "zlib")
    missing = []
    for name in wanted:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    return missing


@probe(OWN, "script and companion cannot speak, and nothing works", just("hello"), changes=False)
def loopback_can_be_used(bench: Bench) -> str:
    """A script may listen on 127.0.0.1 and connect there."""
    from multiprocessing.connection import Client, Listener

    heard: list[Any] = []
    with Listener(("127.0.0.1", 0), authkey=b"matted") as listener:

        def serve() -> None:
            with listener.accept() as one:
                one.send(one.recv())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with Client(listener.address, authkey=b"matted") as client:
            client.send("hello")
            heard.append(client.recv() if client.poll(10) else "no answer in 10 s")
        thread.join(10)
    return str(heard[0])


@probe(OWN, "the companion does not start; the plugin says how to start it", just("matted"), changes=False)
def own_python_can_be_started(bench: Bench) -> str:
    """A script may start matted's own Python, without what Resolve sets in the environment."""
    command = start.companion_command()
    if not command:
        raise CannotSay("the plugin is not installed, or not with matted's own Python")
    done = subprocess.run(
        [command[0], "-c", "print('matted')"], capture_output=True, text=True, timeout=60,
        env=start.environment(os.environ), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    bench.note(done.stderr.strip()[-300:])
    return done.stdout.strip()


@probe(
    MEASURED,
    "the plugin takes Studio for the free edition, or the other way round",
    one_of("DaVinci Resolve Studio", "DaVinci Resolve"),
    changes=False,
)
def product_name_tells_the_edition(bench: Bench) -> Any:
    """GetProductName is DaVinci Resolve, with Studio behind it in that edition."""
    return bench.resolve.GetProductName()


@probe(README, "the plugin says that it does not know the version, and goes on", just(True), changes=False)
def version_is_told(bench: Bench) -> bool:
    """GetVersion lists major, minor and patch first, and GetVersionString begins alike."""
    bench.note(f"{bench.resolve.GetVersion()!r} {bench.resolve.GetVersionString()!r}")
    told = numbered(bench.session.version)
    return len(bench.session.version) >= 2 and str(bench.resolve.GetVersionString()).startswith(told)


@probe(MEASURED, "the script ends and says that Resolve does not answer", just(True), changes=False)
def database_tells_that_it_lives(bench: Bench) -> bool:
    """GetCurrentDatabase answers a dictionary that tells DbType."""
    found = bench.resolve.GetProjectManager().GetCurrentDatabase()
    return isinstance(found, dict) and bool(found.get("DbType"))


@probe(
    MEASURED,
    "in older versions the plugin fails where it asks for marks, and says so",
    just("None"),
    changes=False,
)
def unknown_names_are_none(bench: Bench) -> str:
    """A name that Resolve lacks is None, and hasattr is True for it all the same."""
    bench.note(f"hasattr: {hasattr(bench.resolve, 'NoSuchMethodOfMatted')}")
    return repr(bench.resolve.NoSuchMethodOfMatted)


PAGES = ("media", "cut", "edit", "fusion", "color", "fairlight", "deliver")


@probe(README, "the page is not put back", one_of(*PAGES, None), changes=False)
def page_is_told(bench: Bench) -> Any:
    """GetCurrentPage tells one of seven pages; None without a window."""
    return bench.resolve.GetCurrentPage()


@probe(OWN, "the window answers slowly", changes=False)
def calls_are_quick(bench: Bench) -> dict[str, float]:
    """How long a call takes, in milliseconds: the median of fifty."""
    calls = {
        "GetCurrentPage": bench.resolve.GetCurrentPage,
        "GetCurrentDatabase": bench.resolve.GetProjectManager().GetCurrentDatabase,
    }
    return {name: _median(call) for name, call in calls.items()}


def _median(call: Callable[[], Any]) -> float:
    taken = []
    for _ in range(50):
        began = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(taken), 3)


# The project


@probe(README, "nothing works: clips and what was changed are told apart by it", just(True), changes=False)
def project_has_an_id(bench: Bench) -> bool:
    """GetUniqueId of a project is a text, the same each time."""
    first = bench.project.GetUniqueId()
    return isinstance(first, str) and bool(first) and first == bench.project.GetUniqueId()


@probe(
    README, "every plate is rendered, or the plugin says that Resolve does not tell", just([True, True]), changes=False
)
def settings_tell_rate_and_resolution(bench: Bench) -> list[bool]:
    """timelineFrameRate holds the rate, with DF for drop frame; timelineResolutionWidth and Height whole numbers."""
    told = bench.project.GetSetting()
    names = ("timelineFrameRate", "timelineResolutionWidth", "timelineResolutionHeight", "timelinePixelAspectRatio")
    bench.note(json.dumps({name: told.get(name) for name in names}, default=str))
    rate = timecode.read_counting(told.get("timelineFrameRate"))
    return [rate is not None, setting_size(bench.project) is not None]


@probe(MEMORY, "colours are taken for sRGB, and the artist is told", SOMETHING, changes=False)
def colour_settings_are_told(bench: Bench) -> str:
    """colorScienceMode names the colour management, and the spaces have names that contain their usual ones."""
    names = (
        *("colorScienceMode", "separateColorSpaceAndGamma", "colorAcesIDT", "colorAcesODT"),
        *(f"colorSpace{where}{what}" for where in ("Input", "Timeline", "Output") for what in ("", "Gamma")),
    )
    told = {name: asked(lambda: bench.project.GetSetting(name)) for name in names}  # noqa: B023 (called at once)
    bench.note(json.dumps(told, default=str))
    return str(told["colorScienceMode"] or "")


# The media pool


@probe(README, "mattes cannot be imported; the plugin says so", just(True))
def bin_is_made(bench: Bench) -> bool:
    """AddSubFolder makes a bin that GetSubFolderList lists by its name."""
    _set_up(bench)
    return _find_bin(bench.pool, bench._name) is not None


def _set_up(bench: Bench) -> None:
    """Begin, where it is the answer that this fails."""
    try:
        bench.begin()
    except CannotSay as reason:
        if bench.refusal:
            raise
        bench.note(str(reason))


@probe(MEMORY, "nothing: the current bin is put back either way")
def new_bin_is_entered(bench: Bench) -> Any:
    """Whether a new bin becomes the current one."""
    bench.begin()
    return bench.entered


@probe(README, "mattes cannot be put on a track; the plugin says so", just([1, 1]))
def sequence_is_one_clip(bench: Bench) -> list[int]:
    """ImportMedia with FilePath, StartIndex and EndIndex makes one clip of a sequence, in the current bin."""
    return [len([one for one in bench.in_bin() if "matted_plate" in one.GetName()]), len(bench.imported["plate"])]


@probe(MEASURED, "the plugin's import fails with Resolve's words", just([]))
def missing_files_are_not_imported(bench: Bench) -> Any:
    """ImportMedia of files that are not there answers an empty list and raises nothing."""
    bench.begin()
    bench.pool.SetCurrentFolder(bench._bin)
    path = (bench.folder / "matted_none.%04d.exr").as_posix()
    return bench.pool.ImportMedia([{"FilePath": path, "StartIndex": 1, "EndIndex": 2}])


@probe(f"{README}; the path's form from memory", "the plate of a sequence is rendered", just(True))
def sequence_path_leads_to_its_files(bench: Bench) -> bool:
    """File Path, File Name, Clip Name, Start and Frames together lead to the files of a sequence."""
    told = bench.media().GetClipProperty()
    names = ("File Path", "File Name", "Clip Name", "Start", "End", "Frames", "Type", "Format", "Video Codec")
    bench.note(json.dumps({name: told.get(name) for name in names}, default=str))
    others = tuple(str(told.get(name) or "") for name in names[1:3])
    counted = whole(told.get("Start")), whole(told.get("Frames")) or 0
    found = files.find(str(told.get("File Path")), names=others, first=counted[0], frames=counted[1])
    bench.note(f"{found.path} {found.first} {found.count} {found.why}")
    same = made.same_path(found.path, pattern_of(bench.folder, "plate"))
    return same and (found.first, found.count) == (FIRST, FRAMES)


@probe("public scripts", "the plate is rendered, for its frames cannot be counted", just([FRAMES, FRAMES, True]))
def properties_count_the_frames(bench: Bench) -> list[Any]:
    """Frames is how many, End the number of the last, and Start the number of the first, or 0: all as texts."""
    told = bench.media().GetClipProperty()
    begins, ends, count = (whole(told.get(name)) for name in ("Start", "End", "Frames"))
    bench.note(json.dumps({name: repr(told.get(name)) for name in ("Start", "End", "Frames")}))
    return [count, None if begins is None or ends is None else ends - begins + 1, begins in (0, FIRST)]


@probe("public scripts", "the plate is rendered, for its size is unknown", just(True))
def resolution_is_told(bench: Bench) -> bool:
    """Resolution is the size in pixels, as in 1920x1080."""
    told = bench.media().GetClipProperty("Resolution")
    bench.note(repr(told))
    return bool(told == "{}x{}".format(*bench.size()))


@probe("public scripts", "clips at another rate are taken to be at the timeline's, or are rendered", just(True))
def sequence_takes_the_rate(bench: Bench) -> bool:
    """FPS of a sequence is the timeline's rate, or can be set to it."""
    wanted = timecode.read_counting(bench.project.GetSetting("timelineFrameRate"))
    told = bench.media().GetClipProperty("FPS")
    bench.note(repr(told))
    return wanted is not None and abs(float(told) - float(wanted.rate)) < 0.005


@probe(README, "the plate of every clip is rendered, with the reason", just(True))
def untouched_clip_is_at_rest(bench: Bench) -> bool:
    """GetProperty and the attributes of a clip nobody touched have the values that the plugin takes for untouched."""
    facts = bench.media().GetClipProperty()
    bench.note(json.dumps(bench.clip().GetProperty(), default=str))
    names = ("H-FLIP", "V-FLIP", "Enable Deinterlacing", "Super Scale", "Input Sizing Preset", "PAR", "Alpha mode")
    others = ("Online Status", "Input Color Space")
    bench.note(json.dumps({name: facts.get(name) for name in (*names, *others)}, default=str))
    told = bench.read()
    bench.note(told.why)
    return told.fits_media


@probe(README, "the plate is rendered, or the plugin fails with Resolve's words", one_of("", None))
def unknown_property_is_empty(bench: Bench) -> Any:
    """GetClipProperty of an unknown name answers something empty."""
    return bench.media().GetClipProperty("No Such Property Of Matted")


LENGTHS = (100, 1000, 4000, 16000, 65000)
"""Of texts that are tried."""


@probe(MEMORY, "a longer state is kept in a file of the user's, and does not travel with the project", at_least(65000))
def third_party_metadata_is_kept(bench: Bench) -> int:
    """SetThirdPartyMetadata keeps a text of 64 KB under any name, to the letter."""
    media = bench.media()
    _needs(media, "SetThirdPartyMetadata")
    kept = 0
    for length in LENGTHS:
        text = ('{"é": "\\\\ [1]"} ' * length)[:length]
        media.SetThirdPartyMetadata("matted.self-test", text)
        if media.GetThirdPartyMetadata("matted.self-test") != text:
            break
        kept = length
    media.SetThirdPartyMetadata("matted.self-test", "")
    return kept


@probe(MEMORY, "removing what matted made leaves a text in the metadata, and says so", just(""))
def third_party_metadata_can_be_emptied(bench: Bench) -> str:
    """SetThirdPartyMetadata of an empty text takes a text out."""
    media = bench.media()
    _needs(media, "SetThirdPartyMetadata")
    media.SetThirdPartyMetadata("matted.self-test", "text")
    media.SetThirdPartyMetadata("matted.self-test", "")
    return str(media.GetThirdPartyMetadata("matted.self-test") or "")


def _needs(thing: Any, name: str) -> None:
    if getattr(thing, name, None) is None:
        raise CannotSay(f"this version has no {name}")


# The timeline


@probe(README, "a clip cannot be told from another; nothing works", just([True, True]))
def clips_have_ids(bench: Bench) -> list[bool]:
    """GetUniqueId of a clip is the same each time it is listed, and another for another clip."""
    one = key_of(bench.clip())
    bench.place("above", record=RECORD + SHOWN)
    ids = [[key_of(item) for item in bench.items(1)] for _ in range(2)]
    return [ids[0] == ids[1] and one in ids[0], len(set(ids[0])) == 2]


@probe(
    MEASURED,
    "mattes are placed a frame too long or too short; the plugin sees it and takes them back",
    just([RECORD, SHOWN]),
)
def end_frame_is_exclusive(bench: Bench) -> list[int]:
    """AppendToTimeline places the frames from startFrame up to the one before endFrame, at recordFrame."""
    bench.place(ask="answer")
    begins = int(bench.timeline().GetStartFrame())
    return [number for item in bench.items(1) for number in (int(item.GetStart()) - begins, int(item.GetDuration()))]


@probe(MEASURED, "mattes land over another clip", just(1))
def overlap_is_dropped(bench: Bench) -> int:
    """AppendToTimeline onto a clip places nothing."""
    bench.clip()
    bench.note(f"it answered {bench.place('above', ask='answer')!r:.80}")
    return len(bench.items(1))


@probe(MEASURED, "nothing: the track is read again")
def placed_clips_have_ids(bench: Bench) -> str:
    """What GetUniqueId says of the clips that AppendToTimeline answers."""
    told = bench.place(ask="answer")
    return repr([asked(lambda: item.GetUniqueId()) for item in told or ()])[:60]  # noqa: B023 (called at once)


@probe(README, "the shorter of the two is taken", one_of(0, -1))
def clip_ends_after_its_last_frame(bench: Bench) -> int:
    """GetEnd is the frame after the last: or the last itself."""
    item = bench.clip()
    return int(item.GetEnd()) - int(item.GetStart()) - int(item.GetDuration())


@probe(MEASURED, "the plate is rendered, or frames are counted wrong", just([IN, FRAMES - IN - SHOWN]))
def offsets_count_the_source(bench: Bench) -> list[float]:
    """GetLeftOffset and GetRightOffset are the frames of the media before and after the clip."""
    item = bench.clip()
    return [item.GetLeftOffset(True), item.GetRightOffset(True)]


CLOSE = Expected(
    "each within one of the clip's own, and the end not more than one after the start's",
    lambda seen: max(map(abs, seen)) <= 1 and seen[1] <= seen[0] + 1,
)


@probe(f"{MEASURED}: off by one at times", "every plate is rendered: it is taken for retimed", CLOSE)
def source_frames_are_close(bench: Bench) -> list[int]:
    """GetSourceStartFrame and GetSourceEndFrame are the clip's range in the media, give or take one."""
    item = bench.clip()
    _needs(item, "GetSourceStartFrame")
    begins, ends = int(item.GetSourceStartFrame()), int(item.GetSourceEndFrame())
    bench.note(f"{begins} to {ends}")
    base = FIRST if begins > FIRST // 2 else 0
    return [begins - base - IN, ends - base - IN - SHOWN]


@probe(README, "mattes cannot go on a track; a plate cannot be rendered alone", just([2, NAME, 1]))
def tracks_come_and_go(bench: Bench) -> list[Any]:
    """AddTrack, SetTrackName and DeleteTrack do as they say."""
    timeline = bench.timeline()
    count = int(timeline.GetTrackCount("video"))
    timeline.AddTrack("video")
    added = int(timeline.GetTrackCount("video")) - count + 1
    timeline.SetTrackName("video", count + 1, NAME)
    name = timeline.GetTrackName("video", count + 1)
    timeline.DeleteTrack("video", count + 1)
    return [added, name, int(timeline.GetTrackCount("video")) - count + 1]


@probe(README, "a plate cannot be rendered alone; the plugin says so", just([True, False, True]))
def track_can_be_switched(bench: Bench) -> list[Any]:
    """SetTrackEnable is what GetIsTrackEnabled then tells."""
    timeline = bench.timeline()
    seen = [timeline.GetIsTrackEnabled("video", 1)]
    for on in (False, True):
        timeline.SetTrackEnable("video", 1, on)
        seen.append(timeline.GetIsTrackEnabled("video", 1))
    return seen


@probe(README, "mattes on a track would hide the clip: they are taken back", just([True, False, True]))
def clip_can_be_switched(bench: Bench) -> list[Any]:
    """SetClipEnabled is what GetClipEnabled then tells."""
    item = bench.clip()
    seen = [item.GetClipEnabled()]
    for on in (False, True):
        item.SetClipEnabled(on)
        seen.append(item.GetClipEnabled())
    return seen


@probe(f"{MEASURED}: it failed once without a reason", "mattes stay on the track, and the plugin says so", just(0))
def clips_can_be_deleted(bench: Bench) -> int:
    """Timeline.DeleteClips deletes clips on the Edit page, at the second try at the latest."""
    bench.clip()
    bench.go("edit")
    for _ in range(2):
        if bench.items(1):
            bench.note(f"it answered {bench.timeline().DeleteClips(bench.items(1), False)!r}")
    return len(bench.items(1))


@probe(README, "the plugin cannot go there, and says so", holding("deliver", "edit", "color"))
def pages_can_be_opened(bench: Bench) -> list[str]:
    """OpenPage opens a page, and GetCurrentPage then tells it."""
    bench.begin()
    if not bench.session.page:
        raise CannotSay("Resolve shows no pages: it runs without a window")
    return [page for page in PAGES if bench.go(page)]


@probe(README, "the playhead does not move; the plugin says where to go", holding("edit", "color"))
def playhead_can_be_moved(bench: Bench) -> list[str]:
    """SetCurrentTimecode moves the playhead on the Edit and Color pages, and GetCurrentTimecode tells where it is."""
    timeline = bench.timeline()
    bench.clip()
    counting = timecode.read_counting(bench.project.GetSetting("timelineFrameRate"))
    if counting is None:
        raise CannotSay("Resolve does not tell the frame rate")
    begins = counting.frame(str(timeline.GetStartTimecode()))
    found = []
    for index, page in enumerate(PAGES):
        if bench.session.page and not bench.go(page):
            continue
        wanted = counting.timecode(begins + index % SHOWN + 1)
        asked(lambda: timeline.SetCurrentTimecode(wanted))  # noqa: B023 (called at once)
        if str(asked(lambda: timeline.GetCurrentTimecode())).replace(";", ":") == wanted.replace(";", ":"):
            found.append(page)
    return found


@probe(README, "the clip under the playhead is not found", just(True))
def clip_under_the_playhead_is_current(bench: Bench) -> bool:
    """GetCurrentVideoItem is the clip at the playhead."""
    bench.go("edit")
    clip = bench.read()
    marks.go_to(bench.session, clip, clip.first + 2)
    return bench.session.current() == [clip.key]


@probe(
    README, "nobody can propagate the selected clips; those with markers can", one_of("a list", "none before 19.0.2")
)
def selected_media_are_listed(bench: Bench) -> str:
    """GetSelectedClips lists the media selected in the media pool, from 19.0.2 on."""
    bench.begin()
    call = bench.pool.GetSelectedClips
    if call is None:
        return "none before 19.0.2" if bench.session.version < (19, 0, 2) else "no such method"
    return "a list" if isinstance(call(), list) else repr(call())


# Markers and marks


def _add_marker(thing: Any, frame: int, color: str = "Mint", note: str = "", data: str = "matted:self-test") -> Any:
    return thing.AddMarker(frame, color, NAME, note, 1, data)


@probe(MARKERS, "markers on clips stand for other frames than the artist means", just([IN + 2]))
def clip_markers_count_from_the_media(bench: Bench) -> list[int]:
    """A clip's markers are counted from its media's first frame: one that the media had is copied with its number."""
    media = bench.media()
    try:
        _add_marker(media, IN + 2)
        found = sorted(markers(bench.place()))
    finally:
        media.DeleteMarkersByColor("All")
    if not found:
        raise CannotSay("a clip has no copies of its media's markers here: set one in Resolve, and see which id it has")
    return found


@probe(MARKERS, "keyframes cannot be marked in a part of the clip; the plugin says so", just([IN, IN + SHOWN - 1]))
def clip_takes_markers_where_it_shows(bench: Bench) -> list[int]:
    """A clip takes markers from its first shown frame to its last, by the media's numbers."""
    item = bench.clip()
    others = [frame for frame in (-1, 0, IN + SHOWN, FRAMES) if _add_marker(item, frame)]
    bench.note(f"outside of the clip it took {others}")
    item.DeleteMarkersByColor("All")
    for frame in (IN, IN + SHOWN - 1):
        _add_marker(item, frame)
    return sorted(markers(item))


@probe(README, "markers on the timeline are not found, or on other frames", just([0, RECORD]))
def timeline_markers_count_from_its_start(bench: Bench) -> list[int]:
    """Markers of a timeline are counted from its first frame as 0."""
    timeline = bench.timeline()
    bench.clip()
    for frame in (0, RECORD):
        _add_marker(timeline, frame)
    return sorted(markers(timeline))


@probe(README, "markers on the media are not found, or on other frames", just([0, FRAMES - 1]))
def media_markers_count_from_its_first_frame(bench: Bench) -> list[int]:
    """Markers of a media are counted from its first frame as 0, whatever number the file has."""
    media = bench.media()
    try:
        bench.note(f"at the file's number it took {bool(_add_marker(media, FIRST))}")
        media.DeleteMarkersByColor("All")
        for frame in (0, FRAMES - 1):
            _add_marker(media, frame)
        return sorted(markers(media))
    finally:
        media.DeleteMarkersByColor("All")


@probe(README, "no marker is found", one_of("float", "int"))
def marker_ids_are_numbers(bench: Bench) -> str:
    """GetMarkers is a dictionary by frame, which is a number."""
    item = bench.clip()
    _add_marker(item, IN)
    return type(next(iter(item.GetMarkers()))).__name__


@probe(README, "a suggestion takes the place of a marker of the artist's", just("first"))
def frame_holds_one_marker(bench: Bench) -> Any:
    """A second marker at a frame is refused, and the first stays."""
    item = bench.clip()
    for note in ("first", "second"):
        _add_marker(item, IN, note=note)
    return markers(item)[IN]["note"]


@probe(README, "keyframes or suggestions cannot be marked; the artist is told", just(["Mint", "Lemon"]))
def colours_are_known(bench: Bench) -> list[str]:
    """Mint and Lemon are colours of markers, and are told by these names."""
    item = bench.clip()
    for frame, color in enumerate(("Mint", "Lemon"), IN):
        _add_marker(item, frame, color)
    return [one["color"] for one in markers(item).values()]


@probe(MEMORY, "our markers are not known as ours again", at_least(100))
def custom_data_is_kept(bench: Bench) -> int:
    """A marker keeps custom data of 100 characters and more."""
    return _kept(bench.clip(), "customData")


@probe(MEMORY, "the reason of a suggestion is cut, and it is set anew at each press", at_least(1000))
def note_is_kept(bench: Bench) -> int:
    """A marker keeps a note of 1000 characters."""
    return _kept(bench.clip(), "note")


def _kept(item: Any, what: str) -> int:
    """The longest text that a marker keeps."""
    kept = 0
    for length in LENGTHS:
        text = ("matted: é, " * length)[:length]
        told = {"note": text} if what == "note" else {"data": text}
        _add_marker(item, IN, **told)
        there = markers(item).get(IN, {}).get(what)
        item.DeleteMarkersByColor("All")
        if there != text:
            break
        kept = length
    return kept


@probe(README, "markers of ours stay; the plugin says so", just([IN + 1]))
def marker_is_deleted_by_its_frame(bench: Bench) -> list[int]:
    """DeleteMarkerAtFrame deletes the marker at a frame, and no other."""
    item = bench.clip()
    for frame in (IN, IN + 1):
        _add_marker(item, frame)
    item.DeleteMarkerAtFrame(IN)
    return sorted(markers(item))


@probe("public scripts", "marks are kept by way of a job instead, or lost", just(True))
def marks_are_told_from_20_on(bench: Bench) -> bool:
    """GetMarkInOut is there from version 20 on, and its name is None before."""
    return (bench.timeline().GetMarkInOut is not None) == (bench.session.version >= (20,))


@probe(README, "the artist's marks are not put back; the plugin says so", just([True, True]))
def marks_are_set_as_they_are_told(bench: Bench) -> list[bool]:
    """SetMarkInOut with what GetMarkInOut told brings the marks back, and ClearMarkInOut takes them away."""
    timeline = bench.timeline()
    bench.clip()
    _needs(timeline, "GetMarkInOut")
    timeline.SetMarkInOut(RECORD, RECORD + 2, "all")
    told = timeline.GetMarkInOut()
    bench.note(json.dumps(told, default=str))
    timeline.ClearMarkInOut("all")
    empty = timeline.GetMarkInOut()
    bench.note(json.dumps(empty, default=str))
    mark = told["video"]
    timeline.SetMarkInOut(mark["in"], mark["out"], "all")
    return [timeline.GetMarkInOut() == told and (mark["in"], mark["out"]) == (RECORD, RECORD + 2), empty != told]


@probe("auto-subs, measured", "nothing: the marks are put back either way")
def deliver_page_changes_the_marks(bench: Bench) -> bool:
    """Whether to open the Deliver page changes the marks of the timeline."""
    timeline = bench.timeline()
    bench.clip()
    _needs(timeline, "GetMarkInOut")
    bench.go("edit")
    timeline.SetMarkInOut(RECORD, RECORD + 2, "all")
    before = timeline.GetMarkInOut()
    bench.go("deliver")
    return bool(timeline.GetMarkInOut() != before)


# Rendering


@probe(f"{README}; ids by {MEASURED}", "nothing can be rendered; the plugin says what to do by hand", just(True))
def half_float_exr_is_offered(bench: Bench) -> bool:
    """GetRenderFormats has EXR, and GetRenderCodecs a half-float codec of it without compression, or with ZIP."""
    project = bench.project
    formats = project.GetRenderFormats()
    bench.note(json.dumps(formats, default=str))
    for name, form in formats.items():
        if "exr" in str(name).lower() or "exr" in str(form).lower():
            bench.note(json.dumps({key: project.GetRenderCodecs(key) for key in (name, form)}, default=str))
    try:
        bench.note(f"chosen: {half_exr(project)}")
    except CannotSay:
        return False
    return True


@probe(MEASURED, "the plugin says that Resolve does not take the settings", just(True))
def codec_is_set_by_its_id(bench: Bench) -> bool:
    """SetCurrentRenderFormatAndCodec with the ids is what GetCurrentRenderFormatAndCodec then tells."""
    project = bench.deliver()
    chosen = half_exr(project)
    project.SetCurrentRenderFormatAndCodec(*chosen)
    now = project.GetCurrentRenderFormatAndCodec()
    bench.note(f"{now!r}")
    return (str(now.get("format")).lower(), now.get("codec")) == (chosen[0].lower(), chosen[1])


@probe(MEMORY, "the artist's render settings are not put back; the plugin says so, and keeps their preset", just(True))
def preset_brings_settings_back(bench: Bench) -> bool:
    """SaveAsNewRenderPreset keeps the settings of the Deliver page, and LoadRenderPreset brings them back."""
    project = bench.deliver()
    listed = project.GetRenderPresetList() or [None]
    keys = sorted(listed[0]) if isinstance(listed[0], dict) else ""
    bench.note(f"listed as {type(listed).__name__} of {type(listed[0]).__name__} {keys}")
    before = dict(project.GetCurrentRenderFormatAndCodec())
    with bench.preset() as name:
        project.SaveAsNewRenderPreset(name)
        forms = [form for form in (half_exr(project), _movie(project)) if form and form[0] != before["format"]]
        if not forms:
            raise CannotSay("there is no other format to change to")
        project.SetCurrentRenderFormatAndCodec(*forms[0])
        if dict(project.GetCurrentRenderFormatAndCodec()) == before:
            raise CannotSay("the format could not be changed")
        project.LoadRenderPreset(name)
        return dict(project.GetCurrentRenderFormatAndCodec()) == before


def _movie(project: Any) -> tuple[str, str] | None:
    """A format and codec for a movie; None when there is none."""
    formats = project.GetRenderFormats()
    for form in ("mov", "mp4", "mxf_op1a"):
        names = [name for name, one in formats.items() if str(one).lower() == form]
        codecs = (project.GetRenderCodecs(formats[names[0]]) or project.GetRenderCodecs(names[0])) if names else {}
        if codecs:
            return str(formats[names[0]]), str(next(iter(codecs.values())))
    return None


@probe(README, "a preset of ours stays; the plugin says so", just([True, False]))
def preset_can_be_deleted(bench: Bench) -> list[bool]:
    """DeleteRenderPreset takes a preset of ours out of GetRenderPresetList."""
    project = bench.deliver()
    with bench.preset() as name:
        project.SaveAsNewRenderPreset(name)
        seen = [name in left.preset_names(project)]
        project.DeleteRenderPreset(name)
        return [*seen, name in left.preset_names(project)]


@probe(README, "the plugin says that Resolve does not take the settings", just([INDIVIDUAL, SINGLE]))
def render_mode_is_told(bench: Bench) -> list[Any]:
    """SetCurrentRenderMode 0 is individual clips and 1 a single clip, and GetCurrentRenderMode tells it."""
    project = bench.deliver()
    seen = []
    for mode in (INDIVIDUAL, SINGLE):
        project.SetCurrentRenderMode(mode)
        seen.append(project.GetCurrentRenderMode())
    return seen


@probe(README, "each is set alone, and job and files tell what was taken", just(True))
def render_settings_are_taken(bench: Bench) -> Any:
    """SetRenderSettings answers True to the settings that the plugin sets."""
    project = bench.deliver()
    bench.clip()
    bench.go("deliver")
    project.SetCurrentRenderFormatAndCodec(*half_exr(project))
    return project.SetRenderSettings(bench.settings(bench.folder, alpha=True, first=1, last=2))


@probe(MEMORY, "nothing: they are set on the Deliver page")
def marks_are_taken_on_other_pages(bench: Bench) -> bool:
    """Whether MarkIn and MarkOut of SetRenderSettings are taken on the Edit page too."""
    project = bench.deliver()
    begins = int(bench.clip().GetStart())
    bench.go("edit")
    project.SetRenderSettings(bench.settings(bench.folder, alpha=False, first=1, last=2))
    token = bench.will("job", project=bench.project_id, folder=str(bench.folder))
    project.AddRenderJob()
    mine = [job for job in left.jobs(project) if left.same_folder(str(job.get("TargetDir", "")), str(bench.folder))]
    bench.leftovers.put_back(bench.session, [token])
    return [(job.get("MarkIn"), job.get("MarkOut")) for job in mine] == [(begins + 1, begins + 2)]


@probe(README, "our jobs are not known as ours; the plugin says so and renders nothing", just([True, True]))
def job_tells_folder_and_marks(bench: Bench) -> list[bool]:
    """GetRenderJobList tells of a job its JobId, TargetDir, MarkIn and MarkOut."""
    told = bench.render()
    begins = int(bench.clip().GetStart())
    bench.note(json.dumps(told.described, default=str).replace(str(bench.folder), "..."))
    return [bool(told.described.get("TargetDir")), _marks_of(told.described) == (begins + 1, begins + 2)]


def _marks_of(job: Mapping[str, Any]) -> tuple[Any, Any]:
    return job.get("MarkIn"), job.get("MarkOut")


@probe(README, "nothing: our job is known by its folder")
def adding_a_job_answers_its_id(bench: Bench) -> bool:
    """Whether AddRenderJob answers the job's id."""
    told = bench.render()
    return bool(told.answered == told.id)


@probe(README, "the end of a job is seen late, or it is given up after ten minutes", one_of("time taken", "complete"))
def job_status_tells_the_end(bench: Bench) -> str:
    """GetRenderJobStatus at the end has TimeTakenToRenderInMs, or says Complete; its words are in the UI's language."""
    told = bench.render()
    for status in told.statuses:
        bench.note(json.dumps(status, default=str, ensure_ascii=False))
    last = told.statuses[-1] if told.statuses else {}
    if "TimeTakenToRenderInMs" in last:
        return "time taken"
    return "complete" if str(last.get("JobStatus", "")).lower().startswith("complete") else repr(last)[:60]


@probe(README, "a job of ours stays in the queue; the plugin says so", just([0, True]))
def job_is_deleted_by_its_id(bench: Bench) -> list[Any]:
    """DeleteRenderJob deletes the job of an id, and no other."""
    others = [job["JobId"] for job in left.jobs(bench.deliver())]
    told = bench.render()
    return [len(told.left), [job["JobId"] for job in left.jobs(bench.project)] == others]


@probe(f"{README}; {MEASURED}", "no plate can be rendered: the plugin sees files that it does not expect", just([5, 6]))
def single_clip_renders_its_marks(bench: Bench) -> list[int]:
    """A single clip on the Deliver page is the frames from MarkIn to MarkOut, both included, in order."""
    told = bench.render()
    bench.note(f"{told.files}")
    return [one.code for one in told.pictures]


@probe(f"{MEMORY}: names and padding", "the plugin takes files in order, if there are as many as frames", just(True))
def files_end_in_their_number(bench: Bench) -> bool:
    """The name of a rendered file ends in a number that grows by one, the timeline's frame or a count."""
    told = bench.render()
    numbers = [one.number for one in told.pictures]
    bench.note(f"{[one.name for one in told.pictures]}, the clip begins at {int(bench.clip().GetStart())}")
    return len(numbers) == 2 and numbers[1] == numbers[0] + 1


@probe(README, "the plugin says that the rendered size is another one", just(True))
def renders_have_the_size_asked_for(bench: Bench) -> bool:
    """FormatWidth and FormatHeight are the size of what is rendered."""
    told = bench.render()
    bench.note(f"{[one.header.size for one in told.pictures]}")
    return {one.header.size for one in told.pictures} == {bench.full_size()}


@probe(MEASURED, "the plugin says which channels it found and what to choose", just([["B", "G", "R"], ["half"]]))
def renders_are_half_floats(bench: Bench) -> list[Any]:
    """A half codec of EXR writes half floats in R, G and B, without A when ExportAlpha is off."""
    header = _first_picture(bench).header
    kinds = {1: "half", 2: "float", 0: "uint"}
    return [sorted(name for name, _ in header.channels), sorted({kinds[kind] for _, kind in header.channels})]


def _first_picture(bench: Bench, **told: Any) -> Picture:
    found = bench.render(**told).pictures
    if not found:
        raise CannotSay("Resolve renders no picture")
    return found[0]


@probe(MEMORY, "the plugin cannot read what was rendered, and says so", one_of("none", "ZIPS", "ZIP"))
def renders_are_not_squeezed(bench: Bench) -> str:
    """The compression of rendered files is none or ZIP, as the codec says."""
    header = _first_picture(bench).header
    bench.note(f"data window {header.data}, display window {header.display}")
    return exr._COMPRESSIONS[header.compression]


@probe(MEMORY, "nothing: a plate is taken as it comes")
def renders_keep_the_numbers(bench: Bench) -> list[float]:
    """What becomes of 0.75 and 0.125 in a clip that nobody graded."""
    return list(_first_picture(bench).ends)


@probe(README, "a plate shows what lies above the clip", just([ABOVE, IN + 2]))
def switched_off_tracks_are_not_rendered(bench: Bench) -> list[int]:
    """A single clip shows the track above, and not when that track is switched off."""
    timeline = bench.timeline()
    bench.clip()
    timeline.AddTrack("video")
    bench.place("above", track=2)
    seen = [_first_picture(bench, first=1, last=1).code]
    timeline.SetTrackEnable("video", 2, False)
    return [*seen, _first_picture(bench, first=1, last=1).code]


@probe(
    MEMORY,
    "the plugin says that it is not certain which file shows which frame",
    one_of("the marks", "the clip", "the media"),
)
def individual_clips_have_a_known_range(bench: Bench) -> str:
    """Individual clips are the marks, the clip, or all of its media, with their frames in order."""
    told = bench.render(mode=INDIVIDUAL)
    codes = [one.code for one in told.pictures]
    bench.note(f"{codes} {told.files}")
    ranges = {"the marks": (IN + 1, 2), "the clip": (IN, SHOWN), "the media": (0, FRAMES)}
    for name, (first, count) in ranges.items():
        if codes == list(range(first + 1, first + 1 + count)):
            return name
    return f"files that show {codes}"


@probe(MEMORY, "the plugin counts the files of other clips, and says that it is not certain", just(0))
def switched_off_clips_are_not_rendered(bench: Bench) -> int:
    """Of individual clips, those that are switched off are not rendered."""
    bench.clip()
    bench.place("above", record=RECORD + SHOWN)
    bench.items(1)[1].SetClipEnabled(False)
    return sum(one.code == ABOVE for one in bench.render(mode=INDIVIDUAL).pictures)


@probe(
    f"{MEMORY}: nobody measured it", "masks of the clip's alpha output are solid; the plugin says what to do", SOMETHING
)
def alpha_reaches_the_files(bench: Bench) -> str:
    """The alpha of a clip is in EXR files with ExportAlpha, of a single clip or of individual clips."""
    build_polygon(bench)
    return bench.seek_alpha(2)[0]


@probe(f"{MEASURED}: no video", "nothing: the plugin begins from presets with video")
def audio_preset_writes_pictures(bench: Bench) -> str:
    """How many pictures come where a preset for audio alone was loaded first."""
    names = [name for name in left.preset_names(bench.deliver()) if "audio" in name.lower()]
    if not names:
        raise CannotSay("there is no preset for audio alone")
    told = bench.render(1, 1, preset=names[0])
    return f"{len(told.pictures)} with {names[0]}: {[name.rpartition('.')[2] for name in told.files]}"


# Clip mattes


@probe(
    f"{MEMORY}: nobody published it",
    "mattes are imported instead, and the artist is told to attach them by hand",
    SOMETHING,
)
def matte_sequence_is_taken(bench: Bench) -> list[str]:
    """AddClipMattesToMediaPool takes one form of path as a whole sequence, and GetClipMatteList lists it as one."""
    media = bench.media()
    found = []
    for name, path in _matte_forms(bench).items():
        answer, listed = _attached(bench, media, path)
        bench.note(f"{name}: answered {answer!r}, listed as {[one.rpartition('matted_')[2] for one in listed]}")
        found += [name for one in listed if clip_matte._is_whole(one, _matte_files(bench))]
    return found


def _matte_files(bench: Bench) -> Any:
    return matte_files.Sequence(pattern_of(bench.folder, "matte"), FIRST, FIRST + FRAMES - 1)


def _matte_forms(bench: Bench) -> dict[str, str]:
    told = _matte_files(bench)
    return {"%04d": told.pattern, "[first-last]": told.bracketed, "first file": told.file(FIRST)}


def _attached(bench: Bench, media: Any, path: str) -> tuple[Any, list[str]]:
    """Attach, list and take off again."""
    storage = bench.resolve.GetMediaStorage()
    before = set(bench.pool.GetClipMatteList(media) or ())
    answer = storage.AddClipMattesToMediaPool(media, [path])
    listed = [str(one) for one in bench.pool.GetClipMatteList(media) or () if one not in before]
    if listed:
        bench.pool.DeleteClipMattes(media, listed)
    return answer, listed


@probe(README, "mattes stay attached; the plugin says so", just([True, False]))
def mattes_can_be_taken_off(bench: Bench) -> list[bool]:
    """DeleteClipMattes takes mattes off by the paths that GetClipMatteList tells."""
    media = bench.media()
    for path in _matte_forms(bench).values():
        bench.resolve.GetMediaStorage().AddClipMattesToMediaPool(media, [path])
        listed = list(bench.pool.GetClipMatteList(media) or ())
        if listed:
            bench.pool.DeleteClipMattes(media, listed)
            return [True, bool(bench.pool.GetClipMatteList(media))]
    raise CannotSay("no matte could be attached")


@probe(MEMORY, "nothing: no movies are attached")
def movie_is_taken_as_matte(bench: Bench) -> str:
    """How a movie is listed that is attached as a matte; it is rendered for that."""
    project = bench.set_up(SINGLE)
    form = _movie(project)
    if form is None:
        raise CannotSay("this Resolve renders no movies")
    project.SetCurrentRenderFormatAndCodec(*form)
    told = bench.job(project, lambda folder: bench.settings(folder, alpha=False, first=0, last=SHOWN - 1))
    path = next((path for name in told.files for path in bench.folder.rglob(name)), None)
    if path is None:
        raise CannotSay("Resolve rendered no movie")
    answer, listed = _attached(bench, bench.media(), path.as_posix())
    return f"answered {answer!r}, listed as {[Path(one.replace(chr(92), '/')).name for one in listed]}"


@probe(BY_HAND, "mattes lie over other frames than theirs")
def matte_starts_where_the_media_starts(bench: Bench) -> str:
    """A clip matte's first frame lies over the first frame of its clip's media."""
    raise CannotSay(
        "no script sees it. Attach a numbered sequence to a trimmed clip (Add as Matte), show it with EXT MATTE on the"
        " Color page, and write down which number lies over which frame"
    )


# Fusion


def composition(bench: Bench) -> Any:
    """The composition of this probe's clip, made when it has none, as the plugin gets hold of it."""
    item = bench.clip()
    if not int(item.GetFusionCompCount() or 0):
        item.AddFusionComp()
        item.LoadFusionCompByName(item.GetFusionCompNameList()[0])
    comp = item.GetFusionCompByIndex(1)
    if not comp:
        raise CannotSay("Resolve shows no composition")
    return comp


def tool(bench: Bench, kind: str, setting: str = "") -> Any:
    """A new tool in the composition; ``setting``: the text of its settings, with ``NAME`` for its name."""
    if kind == "Loader":
        _stop_asking(bench)
    made_tool = composition(bench).AddTool(kind, 2, 2)
    if not made_tool:
        raise CannotSay(f"Fusion adds no {kind}")
    if setting:
        path = bench.folder / f"{uuid4().hex[:8]}.setting"
        path.write_text(setting.replace("NAME", str(made_tool.Name)), "utf-8")
        bench.note(f"LoadSettings answered {made_tool.LoadSettings(str(path))!r}")
    return made_tool


def _stop_asking(bench: Bench) -> None:
    """Without this a new Loader opens a file dialog."""
    fusion = bench.given.fusion or bench.resolve.Fusion()
    value = fusion.GetPrefs(loader._BROWSE)
    if value is not None and not value:
        return
    bench.will("browse", value=True if value is None else value)
    fusion.SetPrefs(loader._BROWSE, False)
    value = fusion.GetPrefs(loader._BROWSE)
    if value is None or value:
        raise CannotSay("Fusion would open a file dialog for a new Loader, and that cannot be switched off by script")


OUTLINE = ((-0.4, 0.07), (-0.1, 0.07), (-0.1, 0.4), (-0.4, 0.4))
"""A rectangle in the upper left of the picture: x in widths and y in heights from its middle, y up."""
SPOTS = {"upper left": (0.25, 0.2), "low in it": (0.25, 0.41), "lower left": (0.25, 0.8), "upper right": (0.75, 0.2)}
"""Where the mask is looked at: across and down, 0 to 1."""


def polygon_setting() -> str:
    """The text of a Polygon with that outline."""
    places = zip(OUTLINE, OUTLINE[-1:] + OUTLINE[:-1], OUTLINE[1:] + OUTLINE[:1])
    points = ", ".join(
        f"{{ Linear = true, X = {x}, Y = {y}, LX = {(a - x) / 3}, LY = {(b - y) / 3},"
        f" RX = {(c - x) / 3}, RY = {(d - y) / 3} }}"
        for (x, y), (a, b), (c, d) in places
    )
    value = f"Polyline = Input {{ Value = Polyline {{ Closed = true, Points = {{ {points} }} }} }}"
    return f'{{ Tools = ordered() {{ NAME = PolylineMask {{ DrawMode = "ModifyOnly", Inputs = {{ {value} }} }} }} }}'


def build_polygon(bench: Bench) -> Any:
    """Make a Polygon the alpha of the clip; returns it."""
    comp = composition(bench)
    mask = tool(bench, "PolylineMask", polygon_setting())
    solid = tool(bench, "Background")
    solid.ConnectInput("EffectMask", mask)
    _into_alpha(comp, tool(bench, "MatteControl"), solid)
    return mask


def _into_alpha(comp: Any, control: Any, above: Any, combine: int = 4) -> None:
    """Put a MatteControl before MediaOut1, which takes a channel of ``above`` as alpha."""
    control.SetInput("MatteCombine", combine)
    control.ConnectInput("Background", comp.FindTool("MediaIn1"))
    control.ConnectInput("Foreground", above)
    comp.FindTool("MediaOut1").ConnectInput("Input", control)


def build_loader(bench: Bench, combine: int = 4) -> Any:
    """Make the mattes the alpha of the clip; returns the Loader."""
    comp = composition(bench)
    read = bench.read()
    first = int(masks.first_frame(comp, bench.clip(), read))
    told = matte_files.Sequence(pattern_of(bench.folder, "matte"), FIRST + IN, FIRST + IN + SHOWN - 1)
    made_tool = tool(bench, "Loader")
    loader._load(made_tool, told, first)
    _into_alpha(comp, tool(bench, "MatteControl"), made_tool, combine)
    return made_tool


def exported(bench: Bench) -> comp_text.Table:
    """The composition's text as the plugin reads it.

    Raises:
        CompTextError: it cannot.
    """
    path = bench.folder / f"{uuid4().hex[:8]}.comp"
    bench.clip().ExportFusionComp(str(path), 1)
    return comp_text.parse(path.read_text("utf-8"))


@probe(README, "the route fusion does not work; the plugin says so", just([1, True, True]))
def composition_is_made(bench: Bench) -> list[Any]:
    """AddFusionComp makes a composition with MediaIn1 and MediaOut1, which GetFusionCompByIndex shows."""
    comp, item = composition(bench), bench.clip()
    bench.note(f"{item.GetFusionCompNameList()!r} {loader.names(comp)}")
    return [item.GetFusionCompCount(), bool(comp.FindTool("MediaIn1")), bool(comp.FindTool("MediaOut1"))]


@probe(f"{MEASURED}: it does not", "nothing: the composition is asked for again")
def returned_composition_keeps_changes(bench: Bench) -> bool:
    """Whether a tool added to what AddFusionComp answers is in the clip's composition."""
    bench.clip().AddFusionComp().AddTool("Background", 1, 1)
    return len(loader.names(bench.clip().GetFusionCompByIndex(1))) == 3


@probe(
    f"{MEMORY}: nobody documented it", "masks of Fusion are refused: which frame is which is not certain", just(SHOWN)
)
def composition_tells_its_frames(bench: Bench) -> int:
    """The attributes of a composition tell which frames it renders, as many as the clip has, beyond doubt."""
    comp, item = composition(bench), bench.clip()
    names = ("COMPN_RenderStart", "COMPN_RenderEnd", "COMPN_GlobalStart", "COMPN_GlobalEnd")
    told = comp.GetAttrs()
    bench.note(f"{ {name: told.get(name) for name in names} }")
    bench.note(f"the clip's first frame is taken to be {masks.first_frame(comp, item, bench.read())}")
    return int(round(told["COMPN_RenderEnd"]) - round(told["COMPN_RenderStart"]) + 1)


@probe("Fusion's scripting guide", "the route fusion does not work; the plugin says so", just("MediaIn1"))
def connections_can_be_followed(bench: Bench) -> str:
    """An input's GetConnectedOutput leads to the tool before it."""
    return str(composition(bench).FindTool("MediaOut1").Input.GetConnectedOutput().GetTool().Name)


@probe("seen on Studio 20.3.3", "no Loader is added, and the plugin says what to switch off", just(True))
def asking_for_files_can_be_switched_off(bench: Bench) -> bool:
    """The preference AutoClipBrowse is told and set by script, so that a new Loader opens no dialog."""
    bench.begin()
    try:
        _stop_asking(bench)
    except CannotSay:
        return False
    return True


@probe("Fusion's scripting guide", "our tools are not known as ours; the plugin takes them back", just("Matted_x"))
def tools_take_a_name(bench: Bench) -> str:
    """SetAttrs with TOOLS_Name is the Name that a tool then has."""
    made_tool = tool(bench, "MatteControl")
    made_tool.SetAttrs({"TOOLS_Name": "Matted_x"})
    return str(made_tool.Name)


@probe("public scripts", "tools of ours stay; the plugin says so", just([3, 2]))
def tools_can_be_deleted(bench: Bench) -> list[int]:
    """GetToolList lists all tools, and Delete takes one away."""
    made_tool = tool(bench, "MatteControl")
    comp = composition(bench)
    seen = [len(loader.names(comp))]
    made_tool.Delete()
    return [*seen, len(loader.names(comp))]


@probe(f"{MEASURED}: a file works", "the files are set by hand, and verified in the text", just([True, SHOWN]))
def loader_takes_its_files(bench: Bench) -> list[Any]:
    """A Loader takes files and their place in time from a settings file, and GetInput tells them."""
    made_tool = build_loader(bench)
    told = {name: made_tool.GetInput(name) for name in ("Clip", "GlobalIn", "GlobalOut")}
    bench.note(f"{told}".replace(str(bench.folder), "..."))
    file = matte_files.Sequence(pattern_of(bench.folder, "matte"), FIRST + IN, FIRST + IN).file(FIRST + IN)
    return [made.same_path(str(told["Clip"]), file), round(told["GlobalOut"]) - round(told["GlobalIn"]) + 1]


@probe("files that Fusion saved", "the route fusion fails, and what was made is taken back", just([True, True, True]))
def exported_text_tells_it(bench: Bench) -> list[bool]:
    """ExportFusionComp writes a text that tells a Loader's files and what each input is connected to."""
    made_tool = build_loader(bench)
    name = str(made_tool.Name)
    tools = exported(bench).table("Tools")
    listed = tools.table(name).table("Clips").values
    told = listed[0].items if listed and isinstance(listed[0], comp_text.Table) else {}
    bench.note(f"{told}".replace(str(bench.folder), "..."))
    above = tools.table("MediaOut1").table("Inputs").table("Input").items.get("SourceOp")
    fed = tools.table(str(above)).table("Inputs").table("Foreground").items.get("SourceOp")
    return ["Filename" in told, "GlobalStart" in told, fed == name]


@probe(f"{MEMORY}: the menu's order", "another channel becomes the alpha, or none", just(IN + 3))
def loader_becomes_the_alpha(bench: Bench) -> int | None:
    """MatteCombine 4 takes the alpha of what a Loader shows, at the frame that GlobalIn says."""
    build_loader(bench)
    return bench.alpha(2).code_in_alpha


@probe(f"{MEMORY}: the menu's order", "another channel becomes the alpha, or none", just([True, False]))
def red_becomes_the_alpha(bench: Bench) -> list[bool]:
    """MatteCombine 1 takes the red of what a Loader shows."""
    build_loader(bench, combine=1)
    picture = bench.alpha(2)
    return [picture.alpha(0.25, 0.5) > 0.5, picture.alpha(0.75, 0.5) > 0.5]


@probe(
    "files that Fusion saved",
    "Polygons are refused by name: the mask goes through a Saver",
    just(["upper left", "low in it"]),
)
def polygon_text_is_drawn(bench: Bench) -> list[str]:
    """The exported text of a Polygon is one that the plugin draws."""
    name = str(build_polygon(bench).Name)
    table = exported(bench)
    size = bench.size()
    bench.note(f"{sorted(map(str, polygon.tools(table)[name].table('Inputs').items))}")
    values = struct.unpack(f"<{size[0] * size[1]}e", polygon.draw(table, name, 0, size))
    spots = {where: values[int(y * size[1]) * size[0] + int(x * size[0])] for where, (x, y) in SPOTS.items()}
    return [where for where, value in spots.items() if value > 0.5]


@probe(
    "an exporter's source; from memory",
    "masks drawn from Polygons lie elsewhere than in Fusion",
    just(["upper left", "low in it"]),
)
def polygon_lies_where_its_text_says(bench: Bench) -> list[str]:
    """A Polygon's x is in widths and its y in heights of the picture from the middle, y up: Fusion draws it there."""
    build_polygon(bench)
    picture = bench.alpha(2)
    return [where for where, place in SPOTS.items() if picture.alpha(*place) > 0.5]


@probe(MEMORY, "nothing: then the files that the artist rendered are taken")
def saver_renders_by_script(bench: Bench) -> str:
    """Whether comp.Render writes the frame of a Saver, under which name, and what it answers."""
    comp = composition(bench)
    saver = tool(bench, "Saver")
    saver.ConnectInput("Input", comp.FindTool("MediaIn1"))
    folder = bench.folder / f"saver{uuid4().hex[:8]}"
    folder.mkdir()
    saver.SetInput("Clip", str(folder / "mask_.exr"))
    first = int(masks.first_frame(comp, bench.clip(), bench.read()))
    answer = comp.Render({"Tool": saver, "FrameRange": f"{first}..{first}", "Wait": True})
    until = time.monotonic() + 40 * PAUSE
    while not list(folder.iterdir()) and time.monotonic() < until:
        time.sleep(PAUSE)
    return f"answered {answer!r}, wrote {sorted(path.name for path in folder.iterdir())}, at {first}"


@probe(f"{MEASURED}: it reads back and does not render", "nothing: nothing is written under Lock")
def first_write_under_lock_renders(bench: Bench) -> bool:
    """Whether what is first written between Lock and Unlock is rendered."""

    comp = composition(bench)
    _stop_asking(bench)
    comp.Lock()
    try:
        build_polygon(bench)
    finally:
        comp.Unlock()
    return bool(bench.seek_alpha(2)[0])


# The plugin's own code


def _see_source(bench: Bench) -> None:
    if getattr(bench.clip(), "GetSourceStartFrame", None) is None:
        raise CannotSay("this version does not tell which frames of its source a clip shows")


@contextlib.contextmanager
def data_aside(bench: Bench) -> Iterator[Path]:
    """What the plugin writes down of a project goes to our folder: where its data folder then is."""
    names = {"win32": "LOCALAPPDATA", "darwin": "HOME"}
    name = names.get(sys.platform, "XDG_DATA_HOME")
    before = os.environ.get(name)
    os.environ[name] = str(bench.folder / "data")
    try:
        yield data_folder()
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


@probe(OWN, "plates of sequences are rendered, with the reason", just(["", True, FIRST + IN, SHOWN]))
def plugin_reads_the_clip(bench: Bench) -> list[Any]:
    """The plugin finds the files of a trimmed clip and counts its frames."""
    _see_source(bench)
    told = bench.read()
    same = made.same_path(told.source, pattern_of(bench.folder, "plate"))
    why = told.why if told.size == bench.full_size() or "scaled" not in told.why else ""
    return [why, same or "scaled" in told.why, told.media_first + IN, told.duration]


@probe(OWN, "suggestions or keyframes are not marked; the artist is told", just([[IN + 2], [IN + 4], 2, []]))
def plugin_marks_the_clip(bench: Bench) -> list[Any]:
    """The plugin marks a keyframe and a suggestion and takes both away again."""
    item, told = bench.clip(), bench.read()
    marks.mark(bench.session, item, told, told.first + 2)
    bench.note(f"{marks.show(bench.session, item, told, [told.first + 2], [(told.first + 4, 'It moves fast: é')])}")
    by_colour = {one["color"]: frame for frame, one in markers(item).items()}
    seen = [[by_colour.get("Mint")], [by_colour.get("Lemon")]]
    return [*seen, marks.remove_all(bench.session, item), sorted(markers(item))]


@probe(OWN, "the state is kept in a file of the user's", just([True, "metadata"]))
def plugin_keeps_its_state(bench: Bench) -> list[Any]:
    """The plugin keeps 20 KB with a clip."""
    _needs(bench.media(), "SetThirdPartyMetadata")
    item = bench.clip()
    text = json.dumps({"frames": list(range(4000)), "name": "é \\ ["})
    with data_aside(bench) as folder:
        kept_state.store(bench.session, item, text)
        kept = kept_state.stored(bench.session, item) == text
        aside = any(path.is_file() for path in folder.rglob("*"))
        kept_state.store(bench.session, item, "")
    return [kept, "a file" if aside else "metadata"]


@probe(OWN, "plates cannot be rendered; the plugin says why", just([IN + 2, IN + 3]))
def plugin_renders_a_plate(bench: Bench) -> list[int]:
    """The plugin renders two frames of a clip and puts everything back."""
    bench.deliver()
    item, told = bench.clip(), clips.read_clip(bench.session, bench.clip(), rendered=True)
    ours = render_job.PRESET in left.preset_names(bench.project)
    token = None if ours else bench.will("self-test preset", project=bench.project_id, name=render_job.PRESET)
    paths = [bench.folder / f"plugin{frame}.exr" for frame in (1, 2)]
    wanted = [Rendering(told.first + index, str(path), None, False) for index, path in zip((1, 2), paths)]
    work = bench.folder
    try:
        for _ in rendering.frames(bench.session, item, told, wanted, alpha=False, work=work, leftovers=bench.leftovers):
            pass
    finally:
        if token is not None:
            bench.leftovers.put_back(bench.session, [token])
    return [look_at(path, 0).code for path in paths]


def _mattes(bench: Bench, told: clips.Clip) -> Mattes:
    """Mattes of the clip's frames, of which the files are numbered so."""
    folder = bench.folder / f"mattes{uuid4().hex[:6]}"
    folder.mkdir()
    half = [1.0 if x < told.size[0] // 2 else 0.0 for x in range(told.size[0])]
    for frame in range(told.first, told.last + 1):
        draw(folder / f"matted_shown.{frame:04d}.exr", told.size, {"A": half})
    pattern = (folder / "matted_shown.%04d.exr").as_posix()
    return Mattes({"": pattern}, (told.first, told.last), True, ("hero",))


def _taken_back(bench: Bench, show: Callable[[made.Change, clips.Clip, matte_files.Sequence], str]) -> list[Any]:
    """What the plugin says that became of mattes, and what it could not take back of them."""
    told = replace(bench.read(), size=bench.size())
    with data_aside(bench):
        change = made.Change(bench.leftovers)
        shown = matte_files.sequences(_mattes(bench, told))[""]
        try:
            said = show(change, told, shown)
        finally:
            kept = bench.leftovers.put_back(bench.session, [*change.moved, *change.made])
    return [said, list(kept)]


@probe(OWN, "the artist is told to attach mattes by hand", just(["attached", []]))
def plugin_attaches_mattes(bench: Bench) -> list[Any]:
    """The plugin attaches mattes to a clip's media, lined up with it, and takes them off again."""
    _see_source(bench)
    item = bench.clip()

    def attach(change: made.Change, told: clips.Clip, shown: matte_files.Sequence) -> str:
        listed = clip_matte.attach(bench.session, change, item, clip_matte.files_for(item, told, shown))
        bench.note(listed.rpartition("/")[2])
        return "attached"

    return _taken_back(bench, attach)


@probe(OWN, "mattes cannot be placed above the clip; the plugin says so", just(["Matted", []]))
def plugin_places_mattes(bench: Bench) -> list[Any]:
    """The plugin places mattes on a track above the clip, switched off, and takes them away again."""
    bench.clip()
    return _taken_back(bench, lambda change, told, shown: track_above.place(bench.session, change, told, shown))


@probe(OWN, "mattes cannot be brought into Fusion; the plugin says so", just(["built", []]))
def plugin_builds_in_fusion(bench: Bench) -> list[Any]:
    """The plugin builds Loader and MatteControl in a new composition, reads its text, and takes them out again."""
    _see_source(bench)
    item = bench.clip()

    def build(change: made.Change, told: clips.Clip, shown: matte_files.Sequence) -> str:
        loader.build(bench.session, change, item, told, shown, True)
        return "built"

    return _taken_back(bench, build)


# Windows


def _manager(bench: Bench) -> tuple[str, Any, Any]:
    """How the UIManager is had, it and its dispatcher.

    Raises:
        CannotSay: this edition is not asked.
    """
    if not bench.session.studio:
        raise CannotSay("only Studio is asked: in the free edition it opens a dialog")
    fusion: Any = bench.given.fusion or bench.resolve.Fusion()
    offered: Any = asked(lambda: fusion.UIManager)
    for form, manager in (("property", offered), ("call", asked(lambda: offered()))):
        dispatcher = asked(lambda: bench.given.bmd.UIDispatcher(manager)) if manager else None  # noqa: B023
        if dispatcher:
            return form, manager, dispatcher
    return "none", None, None


@probe("public scripts", "the window is a page in the browser", one_of("property", "call"), changes=False, last=True)
def window_can_be_made(bench: Bench) -> str:
    """fusion.UIManager is a manager, or gives one, that bmd.UIDispatcher takes."""
    return _manager(bench)[0]


@probe("public scripts", "the window is a page in the browser", one_of("timer", "steps"), changes=False, last=True)
def window_has_a_clock(bench: Bench) -> str:
    """A Timer's Timeout runs in the window's loop, or the loop goes in steps."""
    _, ui, dispatcher = _manager(bench)
    if ui is None:
        raise CannotSay("there is no UIManager")
    timer = asked(lambda: ui.Timer({"ID": "matted_selftest_clock", "Interval": 50}))
    steps = callable(asked(lambda: dispatcher.StepLoop))
    bench.note(f"timer {bool(timer)}, StepLoop {steps}, FindWindow {callable(asked(lambda: ui.FindWindow))}")
    if not timer and not steps:
        return "neither"
    label = ui.Label(
        {"ID": "matted_selftest_text", "Text": "This closes by itself. If it stays, close it.", "WordWrap": True}
    )
    events = {"Close": True}
    window = dispatcher.AddWindow(
        {"ID": "matted_selftest", "WindowTitle": NAME, "Geometry": [200, 200, 340, 80], "Events": events},
        ui.VGroup({}, [label]),
    )
    ticks: list[float] = []
    came: set[str] = set()
    closed: list[bool] = []

    def tick(to: str) -> Callable[..., None]:
        def ticked(event: Any = None) -> None:
            ticks.append(time.monotonic())
            came.add(to)
            if len(ticks) == 5:
                dispatcher.ExitLoop()

        return ticked

    def close(event: Any = None) -> None:
        closed.append(True)
        dispatcher.ExitLoop()

    window.On["matted_selftest"].Close = close
    window.Show()
    try:
        if not timer:
            for _ in range(5):
                dispatcher.StepLoop()
            return "steps"
        with contextlib.suppress(Exception):  # public scripts have either
            dispatcher.On["matted_selftest_clock"].Timeout = tick("the timer's ID")
        dispatcher.On.Timeout = tick("the dispatcher")
        timer.Start()
        dispatcher.RunLoop()
    finally:
        if timer:
            timer.Stop()
        window.Hide()
    spans = [round(1000 * (after - before)) for before, after in zip(ticks, ticks[1:])]
    bench.note(f"Timeout came to {sorted(came)}; milliseconds between its turns: {spans}")
    return "it never went, and was closed by hand" if closed else "timer"


@probe(BY_HAND, "masks of the clip's alpha output are solid; the plugin says what to do")
def alpha_output_is_rendered(bench: Bench) -> str:
    """A key on the Color page that is connected to the alpha output is in rendered EXR files."""
    raise CannotSay(
        "no script connects an alpha output. Draw a window on the Color page, right-click, Add Alpha Output, connect"
        " it; render one frame as EXR with Export Alpha, once as a single clip and once as individual clips, and write"
        " down in which of them the alpha has the window"
    )


# Running them


@dataclass
class Outcome:
    """What was found.

    Attributes:
        left: sentences about what could not be put back.
        refusal: why it did not begin; '' when it did.
    """

    results: list[Result] = field(default_factory=list)
    left: tuple[str, ...] = ()
    refusal: str = ""


def journal() -> Path:
    """Where is written down what has to be put back, should this be killed."""
    return data_folder() / "plugins" / "resolve" / "selftest-leftovers.json"


def run(
    given: Given,
    *,
    only: Sequence[str] = (),
    folder: Path | None = None,
    answered: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Ask everything, or ``only`` some. Nothing of it is left behind that can be taken away.

    Args:
        given: Resolve.
        only: the ids of probes; () for all.
        folder: where pictures are drawn and rendered to, in a folder of ours; None for the temporary folder.
        answered: is told after each probe, so that what was found outlives a Resolve that hangs.
    """
    session = Session(given.resolve, given.fusion, given.bmd)
    leftovers = left.Leftovers(journal())
    outcome = Outcome()
    if not session.alive():
        outcome.refusal = "Resolve does not answer. Close any dialog that it shows, then run this again."
        return outcome
    told = leftovers.put_back(session)
    if told:
        outcome.refusal, outcome.left = "What an earlier run of the self-test left could not be put back.", told
        return outcome
    ours = Path(tempfile.mkdtemp(prefix=f"{left.PREFIX}selftest-", dir=folder)).resolve()
    bench = Bench(given, session, ours, leftovers)
    bench.will("folder", path=str(ours))
    bench.refusal = why_not(session)
    wanted = [one for one in PROBES if not only or one.id in only]
    try:
        for one in wanted:
            if not one.last:
                outcome.results.append(_answer(one, bench))
                answered(outcome)
    finally:
        outcome.left = leftovers.put_back(session)
    for one in wanted:
        if one.last:
            outcome.results.append(_answer(one, bench))
            answered(outcome)
    return outcome


def why_not(session: Session) -> str:
    """Why nothing may be made in the open project; '' when it may be."""
    project = asked(session.project)
    if not project:
        return "no project is open"
    name = str(asked(lambda: project.GetName()) or "")
    if name in ("", "Untitled Project"):
        return "the project was never saved, and the self-test saves none: save it under a name, or open another one"
    if session.version < (20,) and session.page == "deliver":
        return "before Resolve 20 the marks cannot be kept on the Deliver page: go to another page"
    return ""


def _answer(one: Probe, bench: Bench) -> Result:
    bench.next_probe()
    try:
        if one.changes and bench.refusal:
            raise CannotSay(bench.refusal)
        seen = _plain(one.ask(bench))
    except CannotSay as reason:
        return Result(one, "cannot say", str(reason), bench.notes)
    except Exception as error:
        bench.note(traceback.format_exc(limit=-2))
        return Result(one, "FAIL" if one.expected else "noted", f"{type(error).__name__}: {error}", bench.notes)
    if one.expected is None:
        return Result(one, "noted", seen, bench.notes)
    return Result(one, "pass" if one.expected.holds(seen) else "FAIL", seen, bench.notes)


def _plain(value: Any) -> Any:
    """As JSON would give it back, so that what is seen and what is expected compare alike."""
    return json.loads(json.dumps(value, default=repr))


# Telling


def table(results: Sequence[Result]) -> str:
    """What was found, as aligned text: answers, what cannot be said and why, and all about those that fail."""
    said = [one for one in results if one.verdict != "cannot say"]
    wide = max((len(one.probe.id) for one in results), default=0)
    lines = [f"{'':8}{'probe':{wide}}  seen"]
    for one in said:
        seen = _short(one.seen)
        lines.append(f"{one.verdict:8}{one.probe.id:{wide}}  {seen if len(seen) <= CELL else f'{seen[: CELL - 3]}...'}")
    silent = [one for one in results if one.verdict == "cannot say"]
    for reason in dict.fromkeys(one.seen for one in silent):
        ids = ", ".join(one.probe.id for one in silent if one.seen == reason)
        text = f"cannot say {ids}: {reason}"
        lines += ["", *textwrap.wrap(text, 110, subsequent_indent=" " * 8, break_on_hyphens=False)]
    for one in said:
        if one.verdict == "FAIL":
            told = one.probe
            lines += ["", f"{told.id} ({told.source}): {told.fact}", f"  if it is otherwise: {told.otherwise}"]
            lines += [f"  expected  {told.expected.text if told.expected else ''}", f"  seen      {_short(one.seen)}"]
            lines += [f"  {line}" for note in one.notes for line in note.rstrip().splitlines()]
    return "\n".join(lines)


def _short(seen: Any) -> str:
    return " ".join((seen if isinstance(seen, str) and seen else json.dumps(seen, ensure_ascii=False)).split())


def verdict(outcome: Outcome) -> str:
    """One or two sentences."""
    counts = [one.verdict for one in outcome.results]
    passed, failed = counts.count("pass"), [one.probe.id for one in outcome.results if one.verdict == "FAIL"]
    told = f"{passed} of {passed + len(failed)} as expected, {counts.count('noted')} only noted"
    told = f"{told}, {counts.count('cannot say')} cannot be said here"
    told = f"{told}; these fail: {', '.join(failed)}." if failed else f"{told}; none fails."
    return " ".join((told, *outcome.left))


def report(outcome: Outcome, given: Given) -> dict[str, Any]:
    """What the JSON file holds."""
    session = Session(given.resolve, given.fusion, given.bmd)
    return {
        "host": f"{session.product} {numbered(session.version)}",
        "limits": session.limits(),
        "plugin": link.version(),
        "started": given.started,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "verdict": verdict(outcome),
        "left": list(outcome.left),
        "probes": [one.as_json() for one in outcome.results],
    }


def free_name(wanted: Path) -> Path:
    """A file that is not there yet: the one wanted, or one beside it."""
    path, number = wanted, 1
    while path.exists():
        number += 1
        path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
    return path


def facts() -> str:
    """What the plugin relies on, as the table of the README."""
    lines = ["| What Resolve does | probe | source | if it is otherwise |", "| --- | --- | --- | --- |"]
    for one in PROBES:
        source = one.source if one.expected is not None else f"{one.source}; only noted"
        lines.append(f"| {one.fact} | `{one.id}` | {source} | {one.otherwise} |".replace("\\", "\\\\"))
    return "\n".join(lines)


def say(text: str) -> None:
    """Print, also where the console lacks a character."""
    try:
        print(text, flush=True)
    except UnicodeEncodeError:
        print(text.encode("ascii", "backslashreplace").decode(), flush=True)


def from_outside() -> Given | None:
    """Resolve as a terminal gets hold of it: in Studio, with External scripting set to Local; None elsewhere."""
    places = {
        "win32": "%PROGRAMDATA%\\Blackmagic Design\\DaVinci Resolve\\Support\\Developer\\Scripting",
        "darwin": "/Library/Application Support/Blackmagic Design/DaVinci Resolve/Developer/Scripting",
    }
    place = os.environ.get("RESOLVE_SCRIPT_API") or os.path.expandvars(
        places.get(sys.platform, "/opt/resolve/Developer/Scripting")
    )
    sys.path.append(str(Path(place) / "Modules"))
    try:
        module: Any = importlib.import_module("DaVinciResolveScript")
    except ImportError:
        return None
    resolve = module.scriptapp("Resolve")
    return Given(resolve, resolve.Fusion(), module, "terminal") if resolve else None


def inside() -> Given | None:
    """Resolve as it gives itself to a script of its menu; None elsewhere."""
    import builtins

    def named(*names: str) -> Any:
        values = (globals().get(name) or getattr(builtins, name, None) for name in names)
        return next((value for value in values if value), None)

    bmd = named("bmd")
    resolve = named("resolve") or (bmd.scriptapp("Resolve") if bmd else None)
    return Given(resolve, named("fusion", "fu", "app"), bmd) if resolve else None


def main(words: Sequence[str], given: Given | None = None) -> int:
    """Ask, print and save; returns the exit code."""
    parser = argparse.ArgumentParser("selftest.py", description="What does this Resolve do of what matted relies on?")
    parser.add_argument("probes", nargs="*", metavar="PROBE", help="ask these alone")
    parser.add_argument("--list", action="store_true", help="only say what would be asked")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write all of it [a new file in the home folder]"
    )
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where to draw and render [the temporary folder]")
    parser.add_argument("--facts", action="store_true", help="only print the table of plugins/resolve/README.md")
    told = parser.parse_args(list(words))
    unknown = sorted(set(told.probes) - {one.id for one in PROBES})
    if unknown:
        parser.error(f"there is no probe {', '.join(unknown)}")
    if told.facts or told.list:
        say(facts() if told.facts else "\n".join(f"{one.id}: {one.fact}" for one in PROBES))
        return 0
    given = given or from_outside()
    if given is None or not given.resolve:
        say(
            "Resolve does not answer. Start this from Workspace > Scripts (python install.py resolve --selftest); or,"
            " in Studio, set Preferences > System > General > External scripting using to Local, and run it again."
        )
        return 1
    return ask_and_tell(given, told.probes, told.json, told.folder)


def ask_and_tell(given: Given, only: Sequence[str], wanted: Path | None, folder: Path | None) -> int:
    """Ask, print and save; returns the exit code: 0 when all is as expected."""
    session = Session(given.resolve, given.fusion, given.bmd)
    host = f"{session.product} {numbered(session.version)}"
    name = re.sub(r"[^\w.]+", "-", f"matted-selftest-{host}").lower()
    path = free_name(wanted or Path.home() / f"{name}.json")
    say(f"{host}, Python {platform.python_version()}, {platform.platform()}")
    say("This takes a few minutes, in which Resolve changes its pages and renders some frames. Please leave it alone.")
    for line in session.limits():
        say(line)
    broken: list[str] = []

    def keep(outcome: Outcome) -> None:
        try:
            path.write_text(json.dumps(report(outcome, given), indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            broken[:] = [str(error)]

    outcome = run(given, only=only, folder=folder, answered=keep)
    if outcome.refusal:
        say(" ".join((outcome.refusal, *outcome.left)))
        return 1
    keep(outcome)
    say(f"\n{table(outcome.results)}\n\n{verdict(outcome)}")
    if broken:
        say(f"{path} could not be written ({broken[0]}). Please send the table above to the project matted.")
    else:
        say(f"Please send {path} to the project matted, as an issue; the table above does too.")
    return 1 if outcome.left or any(one.verdict == "FAIL" for one in outcome.results) else 0


if __name__ == "__main__":
    _given = inside()
    if _given is not None:
        main([], _given)
    else:
        sys.exit(main(sys.argv[1:]))
