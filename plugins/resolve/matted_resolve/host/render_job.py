"""One render job of ours after the other, each seen to its end.

The words of a job's status are in the language of the interface, so none but the English ones are relied on, and those
never alone. Sources: Blackmagic's scripting README (names and arguments); davinci-resolve-mcp, measured on Studio 19.1
to 21.0 (settings land on top of the loaded preset, "Audio Only" writes no video, codecs are taken by id alone);
renderwatch (a failed job may not be told before a dialog is closed).
"""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable
from uuid import uuid4

from matted_plugin import exr
from matted_plugin.host import HostError, Rendering, Renderings
from matted_resolve.host.deliver import PRESS, RESTORE, Deliver, disk_error, known
from matted_resolve.host.leftovers import NotBack, drop_preset, jobs, our_jobs, preset_names, sure

if TYPE_CHECKING:
    from resolve_api import Project

PRESET = "Matted EXR"
"""The render preset we make once a stock one has proved to write pictures."""

_STOCK = ("H.264 Master", "ProRes Master", "ProRes 422 HQ", "H.265 Master", "YouTube - 1080p", "YouTube 1080p")
"""Presets with video that come with Resolve, tried first."""
_CANDIDATES = 4
"""Presets that are tried until one writes pictures."""

INDIVIDUAL, SINGLE = 0, 1
"""Render modes."""

_PAUSE = 0.05
"""Seconds between two looks at a job."""
_AGAIN, _STARTS = 40, 600
"""Looks after which a job that does not begin is started once more, and after which it is given up."""
_STALLED = 12000
"""Looks, ten minutes, after which a job that writes nothing more is given up."""
_SILENT = 20
"""Looks at which Resolve may say nothing of our job."""
_IDLE = 3
"""Looks at which nothing may render, after which our job was stopped."""
_SETTLES = 40
"""Looks after a job's end for files that a slow disk does not show yet."""

_PACKED = ("ZIP", "PIZ", "RLE", "DWA", "PXR", "B44")
_NUMBER = re.compile(r"\d+$")

Look = Callable[[Path], Iterator[Rendering]]
"""Looks at a job's folder while it renders, and hands on what is done."""
Settled = Callable[[Path], bool]
"""Whether all is in a job's folder that has to be."""


class Jobs:
    """Render jobs.

    Args:
        deliver: the Deliver page, taken.
        alpha: whether the clip's alpha is rendered too.
    """

    def __init__(self, deliver: Deliver, alpha: bool) -> None:
        self._deliver = deliver
        self._alpha = alpha
        self._format = _exr(deliver.project())

    def run(
        self, mode: int, first: int, last: int, look: Look, settled: Settled
    ) -> Generator[Rendering | None, None, tuple[Path, str]]:
        """Render one range, trying presets until one writes pictures: the folder, and why it ended badly, or ''."""
        folder = self._deliver.folder
        for preset in self._candidates():
            folder = self._deliver.folder / uuid4().hex[:8]
            try:
                folder.mkdir()
            except OSError as error:
                raise disk_error(error, folder) from error
            id, token = self._add(preset, mode, folder, first, last)
            why = yield from self._watch(id, folder, look, settled)
            self._deliver.put_back(token)
            if why or pictures(folder):
                if not why:
                    self._prove(preset)
                return folder, why
            if preset == PRESET:
                drop_preset(self._deliver.project(), PRESET)
        raise HostError(
            f"{self._deliver.clip.name}: Resolve said it rendered frames {first}-{last}, and wrote no picture to"
            f" {folder}.",
            "On the Deliver page, choose a preset with video and render a frame as EXR; see whether the disk is full."
            f" {PRESS}.",
            path=str(folder),
            frame=first,
        )

    def _candidates(self) -> list[str]:
        """Presets to begin from, for settings land on top of what is loaded; '' for what is there."""
        names = [name for name in preset_names(self._deliver.project()) if not name.startswith(RESTORE)]
        stock = [name for name in _STOCK if name in names]
        others = [name for name in names if name not in (PRESET, *stock) and "audio" not in name.lower()]
        ours = [PRESET] if PRESET in names else []
        return [*ours, *stock, *others][:_CANDIDATES] or [""]

    def _prove(self, preset: str) -> None:
        """Keep the settings that wrote pictures as our own preset."""
        project = self._deliver.project()
        if preset != PRESET and PRESET not in preset_names(project):
            project.SaveAsNewRenderPreset(PRESET)

    def _add(self, preset: str, mode: int, folder: Path, first: int, last: int) -> tuple[str, int]:
        """Put a job into the queue: its id, and its leftover."""
        (project, _), clip = self._deliver.timeline(), self._deliver.clip
        marks = clip.timeline_frame(first), clip.timeline_frame(last)
        self._set(project, preset, mode, folder, marks)
        token = self._deliver.note("job", folder=str(folder))
        before = [job["JobId"] for job in jobs(project)]
        for _ in range(2):
            told = project.AddRenderJob()
            mine = our_jobs(project, str(folder))
            if mine:
                break
            if told in [job["JobId"] for job in jobs(project)] and told not in before:
                self._deliver.note("job", folder=str(folder), id=told)
                raise HostError(
                    f"Resolve would render {clip.name} to another folder than {folder}.",
                    f"{PRESS}; if it stays, see whether Resolve may write there.",
                    path=str(folder),
                )
        else:
            raise HostError(
                f"Resolve does not put the rendering of {clip.name} into its queue.",
                f"See whether Resolve may write to {folder}, and whether the Deliver page shows an error. {PRESS}.",
                path=str(folder),
            )
        described = next(job for job in jobs(project) if job["JobId"] == mine[0])
        taken = described.get("MarkIn"), described.get("MarkOut")
        if mode == SINGLE and None not in taken and taken != marks:
            raise HostError(
                f"{clip.name}: Resolve would render the timeline's frames {taken[0]}-{taken[1]}, not"
                f" {marks[0]}-{marks[1]}.",
                f"{PRESS}, and leave the Deliver page open.",
                frame=first,
            )
        return mine[0], token

    def _set(self, project: Project, preset: str, mode: int, folder: Path, marks: tuple[int, int]) -> None:
        """Set the Deliver page, as far as it can be read back; what is not set shows in the job and its files."""
        width, height = self._deliver.clip.size
        settings: list[dict[str, Any]] = [
            {"SelectAllFrames": False, "MarkIn": marks[0], "MarkOut": marks[1]},
            {"TargetDir": str(folder)},
            {"CustomName": "matted_"},  # no digit at its end: the frame number follows
            {"ExportVideo": True},
            {"ExportAudio": False},
            {"FormatWidth": width, "FormatHeight": height},
            {"ExportAlpha": self._alpha},
        ]
        if self._alpha:
            settings.append({"AlphaMode": 1})  # straight
        form, codec = self._format
        for _ in range(2):
            if preset:
                project.LoadRenderPreset(preset)
            project.SetCurrentRenderMode(mode)
            project.SetCurrentRenderFormatAndCodec(form, codec)
            if not project.SetRenderSettings({key: value for some in settings for key, value in some.items()}):
                for some in settings:  # one key that does not suit the format, and all may be refused
                    project.SetRenderSettings(some)
            now = project.GetCurrentRenderFormatAndCodec()
            mode_now = sure(lambda: project.GetCurrentRenderMode())
            if isinstance(now, dict) and _same(now, form, codec) and mode_now == mode:
                return
        raise HostError(
            f"Resolve does not take the settings to render {self._deliver.clip.name} as EXR ({codec}).",
            f"Open the Deliver page and choose EXR, RGB half, yourself. {PRESS}.",
        )

    def _watch(self, id: str, folder: Path, look: Look, settled: Settled) -> Generator[Rendering | None, None, str]:
        """Start a job and see it to its end: why that is no good one, or ''."""
        started = self._start(id)
        began = False
        silent = waits = still = idle = 0
        seen: tuple[Any, int] = (None, 0)
        while True:
            yield from look(folder)
            yield None
            time.sleep(_PAUSE)
            try:
                told, busy = self._ask(id)
            except Exception:  # one slip, or a project that was closed
                silent += 1
                if silent > _SILENT:
                    raise
                continue
            silent = 0
            if not told:
                return "the job was taken out of the render queue"
            now = told.get("CompletionPercentage"), len(pictures(folder))
            words = str(told.get("JobStatus", "")).lower()
            if told.get("Error") or "fail" in words:
                return f"Resolve says: {told.get('Error') or told['JobStatus']}"
            done = began and now[0] == 100 and not busy
            if done or "TimeTakenToRenderInMs" in told or words.startswith("complete"):
                yield from self._settle(folder, settled)
                return ""
            began = began or bool(now[0] or now[1]) or "EstimatedTimeRemainingInMs" in told or words == "rendering"
            still = still + 1 if now == seen else 0
            idle = idle + 1 if began and not busy else 0
            waits = 0 if began else waits + 1
            seen = now
            if still > _STALLED:
                return "nothing more came for ten minutes"
            if idle > _IDLE:
                return "it was stopped on the Deliver page"
            if waits and busy and not started:
                return "Resolve is rendering something else"
            if waits == _AGAIN and not busy:
                started = self._start(id)
            if waits > _STARTS:
                return "Resolve does not begin to render; it may show a dialog"

    def _ask(self, id: str) -> tuple[dict[str, Any], bool]:
        """How our job is, {} when it is no longer in the queue; and whether Resolve renders."""
        project = self._deliver.project()
        told: Any = project.GetRenderJobStatus(id)
        busy = bool(project.IsRenderingInProgress())
        if isinstance(told, dict) and told:
            return told, busy
        if id in [job["JobId"] for job in jobs(project)]:
            raise NotBack("Resolve does not tell how the rendering goes.")
        return {}, busy

    def _start(self, id: str) -> bool:
        project = self._deliver.project()
        self._deliver.see_idle(project)
        return bool(project.StartRendering([id], False) or project.StartRendering([id], False))

    def _settle(self, folder: Path, settled: Settled) -> Renderings:
        """Give a slow disk the time to show all."""
        for _ in range(_SETTLES):
            others = next(folder.rglob("*.*"), None) is not None and not pictures(folder)
            if others or settled(folder):
                return
            yield None
            time.sleep(_PAUSE)


def pictures(folder: Path) -> list[tuple[int, Path]]:
    """The EXR files a job wrote with the numbers in their names, ascending."""
    found = []
    for path in folder.rglob("*.exr"):
        number = _NUMBER.search(path.stem)
        if number is not None:
            found.append((int(number[0]), path))
    return sorted(found)


def whole_header(path: Path) -> exr.Header | None:
    """The header of a file that is whole; None of one that is not, or not there."""
    try:
        return exr.whole_header(path)
    except (exr.ExrError, OSError):
        return None


def _exr(project: Project) -> tuple[str, str]:
    """Format and codec of half-float EXR as Resolve wants them: without compression, or with one that loses nothing.

    The names of codecs differ by version; their ids alone are accepted.
    """
    formats = known(lambda: project.GetRenderFormats(), dict, "its render formats")
    for name, form in formats.items():
        if "exr" not in (str(name).lower(), str(form).lower()):
            continue
        for key in (form, name):
            codecs: Any = sure(lambda: project.GetRenderCodecs(key))  # noqa: B023 (called at once)
            if not isinstance(codecs, dict):
                continue
            told = {str(codec): f"{words} {codec}".upper() for words, codec in codecs.items() if "half" in
                    f"{words} {codec}".lower()}  # fmt: skip
            plain = [codec for codec, words in told.items() if not any(one in words for one in _PACKED)]
            zipped = [codec for codec, words in told.items() if "ZIP" in words]
            if plain or zipped:
                return str(form), (plain or zipped)[0]
    raise HostError(
        "This Resolve does not render EXR with half floats.",
        "Export the clip as an image sequence yourself, and give it to matted propagate.",
    )


def _same(now: Any, form: str, codec: str) -> bool:
    return str(now.get("format")).lower() == form.lower() and now.get("codec") == codec
