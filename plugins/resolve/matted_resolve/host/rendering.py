"""Plate and alpha frames through render jobs of our own.

What Resolve answers is not believed: a render setting counts as set when it reads back, a job as there when the queue
lists it, and a frame as rendered when its file is whole, of the right size, and holds the right channels. The words of
a job's status are in the language of the interface, so none but the English ones are relied on, and those never alone.

Sources: Blackmagic's scripting README (names and arguments); davinci-resolve-mcp, measured on Studio 19.1 to 21.0
(settings land on top of the loaded preset, "Audio Only" writes no video, codecs are taken by id alone); auto-subs (the
Deliver page takes the marks); renderwatch (a failed job may not be told before a dialog is closed).
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
import time
from array import array
from collections import deque
from collections.abc import Collection, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable
from uuid import uuid4

from matted_plugin import exr
from matted_plugin.host import HostError, Rendering, Renderings
from matted_resolve.host.clip import Clip
from matted_resolve.host.leftovers import (
    PREFIX,
    Leftovers,
    NotBack,
    drop_preset,
    items_in,
    jobs,
    our_jobs,
    preset_names,
    same_folder,
    sure,
    track_is_on,
)

if TYPE_CHECKING:
    from resolve_api import Project, Timeline, TimelineItem

    from matted_resolve.host.session import Session

PRESET = "Matted EXR"
"""The render preset we make once a stock one has proved to write pictures."""
RESTORE = "Matted restore "
"""How the name of a preset begins that holds the artist's settings while we render."""

_STOCK = ("H.264 Master", "ProRes Master", "ProRes 422 HQ", "H.265 Master", "YouTube - 1080p", "YouTube 1080p")
"""Presets with video that come with Resolve, tried first."""
_CANDIDATES = 4
"""Presets that are tried until one writes pictures."""

_INDIVIDUAL, _SINGLE = 0, 1
"""Render modes."""

_PAUSE = 0.05
"""Seconds between two looks at a job."""
_AGAIN, _STARTS = 40, 600
"""Looks after which a job that does not begin is started once more, and after which it is given up."""
_STALLED = 12000
"""Looks, ten minutes, after which a job that writes nothing more is given up."""
_SILENT = 20
"""Looks at which Resolve may say nothing of our job."""
_SETTLES = 40
"""Looks after a job's end for files that a slow disk does not show yet."""

_SOLID, _LARGEST = 0x3BEC, 0x7BFF
"""0.99 and the largest number, as halves: an alpha that lies between is solid."""
_PACKED = ("ZIP", "PIZ", "RLE", "DWA", "PXR", "B44")
_NUMBER = re.compile(r"(-?\d+)$")

_PRESS = "Press the button again"

_Look = Callable[[Path], Iterator[Rendering]]
"""Looks at a job's folder while it renders, and hands on what is done."""
_Settled = Callable[[Path], bool]
"""Whether all is in a job's folder that has to be."""


def frames(
    session: Session,
    item: TimelineItem,
    clip: Clip,
    renderings: Sequence[Rendering],
    *,
    alpha: bool,
    work: Path,
    leftovers: Leftovers,
) -> Renderings:
    """Render frames of a clip as the timeline shows it, without the other tracks.

    Args:
        session: Resolve.
        item: the clip.
        clip: the same, as it was read.
        renderings: what is wanted; ``channel`` is not looked at.
        alpha: False for the colours; True for the clip's alpha output, as one half channel ``A``, uncompressed.
        work: folder on a disk with room for the frames; a temporary folder of ours is made below it.
        leftovers: where everything that is changed for the time is written down; when this ends, in whatever way, it
            has been put back.

    Yields:
        Each rendering once its file is whole; None in between.

    Raises:
        HostError: a frame could not be rendered, or not for certain; what was changed in Resolve is put back.
    """
    wanted = _wanted(clip, renderings)
    if not wanted:
        return
    deliver = _Deliver(session, item, clip, leftovers, wanted, alpha)
    try:
        deliver.open(work)
        yield from deliver.render()
    except HostError as error:
        left = deliver.close()
        raise HostError(error.message, " ".join((error.hint, *left)), path=error.path, frame=error.frame) from error
    finally:
        deliver.close()


def signature(session: Session, item: TimelineItem, clip: Clip, frame: int, again: int) -> str:
    """A text of all that can be read of how the clip looks at a frame; ``again`` is the artist's "Render again".

    The grade cannot be read, only the names of its version and nodes.
    """
    told = {
        "clip": [clip.key, frame, frame - clip.first, list(clip.size)],
        "source": _asked(lambda: [item.GetSourceStartFrame(), item.GetSourceEndFrame(), item.GetLeftOffset()]),
        "media": _asked(lambda: _media(item)),
        "properties": _asked(lambda: item.GetProperty()),
        "version": _asked(lambda: item.GetCurrentVersion()),
        "nodes": _asked(lambda: _nodes(item)),
        "comps": _asked(lambda: _comps(item)),
        "settings": [_setting(session, name) for name in _LOOKS],
        "again": again,
    }
    text = json.dumps(told, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


_LOOKS = (
    "timelineResolutionWidth",
    "timelineResolutionHeight",
    "timelineInputResMismatchBehavior",
    "colorScienceMode",
    "colorSpaceInput",
    "colorSpaceTimeline",
    "colorSpaceOutput",
)


def _media(item: TimelineItem) -> list[Any]:
    media = item.GetMediaPoolItem()
    if media is None:
        return []
    names = ("File Path", "Input Color Space", "Input LUT", "Alpha mode", "PAR", "Start", "End", "FPS")
    return [media.GetUniqueId(), *(media.GetClipProperty(name) for name in names)]


def _nodes(item: TimelineItem) -> list[Any]:
    return [[item.GetLUT(index)] for index in range(1, int(item.GetNumNodes()) + 1)]


def _comps(item: TimelineItem) -> list[Any]:
    return [item.GetFusionCompCount(), *sorted(item.GetFusionCompNameList())]


def _asked(ask: Callable[[], Any]) -> Any:
    """What Resolve answers; None where it does not, as to a method it lacks."""
    try:
        return ask()
    except Exception:
        return None


def _setting(session: Session, name: str) -> str:
    """A setting of the timeline, which may differ from the project's."""
    told = _asked(lambda: session.timeline().GetSetting(name))
    return str(told or _asked(lambda: session.project().GetSetting(name)) or "")


def _wanted(clip: Clip, renderings: Sequence[Rendering]) -> dict[int, list[Rendering]]:
    """What is wanted of each frame, ascending."""
    found: dict[int, list[Rendering]] = {}
    for one in sorted(renderings, key=lambda one: one.frame):
        if not clip.first <= one.frame <= clip.last:
            raise HostError(
                f"{clip.name}: frame {one.frame} is not in the clip, which has {clip.first}-{clip.last} on the"
                " timeline: Resolve cannot render it.",
                "Remove the marker at that frame, or lengthen the clip.",
                frame=one.frame,
            )
        found.setdefault(one.frame, []).append(one)
    return found


def _runs(wanted: Collection[int]) -> list[tuple[int, int]]:
    """Ranges without a gap."""
    found: list[tuple[int, int]] = []
    for frame in wanted:
        if found and frame == found[-1][1] + 1:
            found[-1] = (found[-1][0], frame)
        else:
            found.append((frame, frame))
    return found


class _Deliver:
    """The Deliver page while it is ours.

    Args:
        session: Resolve.
        item: the clip.
        clip: the same, as it was read.
        leftovers: where changes are written down.
        wanted: what is wanted of each frame.
        alpha: whether the clip's alpha is wanted, and not its colours.
    """

    def __init__(
        self,
        session: Session,
        item: TimelineItem,
        clip: Clip,
        leftovers: Leftovers,
        wanted: dict[int, list[Rendering]],
        alpha: bool,
    ) -> None:
        self._session = session
        self._item = item
        self._clip = clip
        self._leftovers = leftovers
        self._wanted = wanted
        self._alpha = alpha
        self._tokens: list[int] = []
        self._project_id = ""
        self._folder = Path()
        self._format = ("", "")
        self._proved = False
        self._solid: list[int] = []

    # Before and after

    def open(self, work: Path) -> None:
        """See whether all is well, write down how things are, and take the Deliver page.

        The order matters for putting back, which goes backwards: first the settings, then the page, and then the
        marks, for to open the Deliver page changes them. Before Resolve 20 they are put back on that page.
        """
        project, timeline = self._session.project(), self._session.timeline()
        self._project_id = sure(lambda: project.GetUniqueId())
        self._see_idle(project)
        self._see_clip()
        self._see_geometry()
        self._see_room(work, len(self._wanted))
        self._make_folder(work)
        timeline_id = sure(lambda: timeline.GetUniqueId())
        new = timeline.GetMarkInOut is not None  # from Resolve 20 on
        if new:
            self._note("marks", timeline=timeline_id, marks=_known(lambda: timeline.GetMarkInOut(), dict, "the marks"))
        mode = _known(lambda: project.GetCurrentRenderMode(), int, "the render mode")
        now = dict(_known(lambda: project.GetCurrentRenderFormatAndCodec(), dict, "the render format"))
        page = self._note_page()
        self._note("render_mode", mode=mode)
        if now.get("format") and now.get("codec"):
            self._note("format", format=now)
        self._keep_settings(project, now)
        if not new:
            self._note_range(project, timeline_id)
        if page:
            self._take_page()
        self._clear_tracks(timeline, timeline_id)
        self._format = _exr(project)

    def close(self) -> tuple[str, ...]:
        """Put everything back; sentences about what is not."""
        tokens, self._tokens = self._tokens, []
        return self._leftovers.put_back(self._session, tokens) if tokens else ()

    def _note(self, kind: str, **facts: Any) -> int:
        token = self._leftovers.note(kind, project=self._project_id, **facts)
        self._tokens.append(token)
        return token

    def _project(self) -> Project:
        """The project, which must still be the one we began in."""
        project = self._session.project()
        if project.GetUniqueId() != self._project_id:
            raise HostError(
                f"The project with {self._clip.name} was closed while it was rendered.",
                "Open it again, then press the button again.",
            )
        return project

    def _see_idle(self, project: Project) -> None:
        if sure(lambda: bool(project.IsRenderingInProgress())):
            raise HostError(
                f"{self._clip.name} cannot be rendered: Resolve is rendering something else.",
                "Wait until it has finished, then press the button again.",
            )

    def _see_clip(self) -> None:
        if sure(lambda: self._item.GetClipEnabled()) is False:
            raise HostError(
                f"{self._clip.name} is disabled: it would be rendered black.", "Enable it on the Edit page."
            )

    def _see_geometry(self) -> None:
        """A mask rendered by the timeline lies over files of another size only where the timeline fits them whole."""
        if not self._clip.source:
            return
        width, height = self._clip.size
        told = [_setting(self._session, name) for name in _LOOKS[:3]]
        if told[:2] == [str(width), str(height)] or not (told[0].isdigit() and told[1].isdigit()):
            return
        same_shape = abs(width * int(told[1]) - height * int(told[0])) <= max(int(told[0]), int(told[1]))
        if not same_shape or told[2] not in ("scaleToFit", "scaleToCrop", "stretch"):
            raise HostError(
                f"The masks of {self._clip.name} would not lie over its files: these are {width} x {height}, and the"
                f" timeline shows them in {told[0]} x {told[1]}.",
                "Choose to have the plate rendered for this clip: then plate and masks are of the timeline's size.",
            )

    def _see_room(self, work: Path, count: int) -> None:
        there = work
        while not there.exists() and there != there.parent:
            there = there.parent
        width, height = self._clip.size
        needed = count * width * height * 8
        try:
            free = shutil.disk_usage(there).free
        except OSError:
            return  # whoever writes there says why not
        if free < needed:
            raise HostError(
                f"{self._clip.name}: {count} frames need {_gigabytes(needed)} on the disk of {work}, which has"
                f" {_gigabytes(free)} free.",
                "Make room, or choose another folder for the mattes.",
                path=str(work),
            )

    def _make_folder(self, work: Path) -> None:
        self._folder = work / f"{PREFIX}{uuid4().hex[:12]}"
        self._tokens.append(self._leftovers.note("folder", path=str(self._folder)))
        try:
            self._folder.mkdir(parents=True)
        except OSError as error:
            raise _disk(error, self._folder) from error

    def _note_page(self) -> str:
        """The page to come back to; '' when nothing has to be done: without a window there is none."""
        page = sure(lambda: self._session.resolve.GetCurrentPage())
        if not page or page == "deliver":
            return ""
        self._tokens.append(self._leftovers.note("page", page=str(page)))
        return str(page)

    def _take_page(self) -> None:
        resolve = self._session.resolve
        for _ in range(2):
            resolve.OpenPage("deliver")
            if sure(lambda: resolve.GetCurrentPage()) == "deliver":
                return
        raise HostError("Resolve does not go to the Deliver page.", f"Go there yourself. {_PRESS}.")

    def _note_range(self, project: Project, timeline_id: str) -> None:
        """The marks as a job of ours has them, which is deleted at once: before Resolve 20 nothing else tells them."""
        for _ in range(2):
            project.SetRenderSettings({"SelectAllFrames": False, "TargetDir": str(self._folder)})
        token = self._note("job", folder=str(self._folder))
        for _ in range(2):
            project.AddRenderJob()
            mine = [job for job in jobs(project) if same_folder(str(job.get("TargetDir", "")), str(self._folder))]
            if mine:
                break
        self._leftovers.put_back(self._session, [token])
        first, last = (mine[0].get("MarkIn"), mine[0].get("MarkOut")) if mine else (None, None)
        if isinstance(first, int) and isinstance(last, int):
            self._note("range", timeline=timeline_id, first=first, last=last)

    def _keep_settings(self, project: Project, now: dict[str, Any]) -> None:
        """The settings cannot be read; a preset holds them."""
        name = f"{RESTORE}{uuid4().hex[:8]}"
        self._note("preset", name=name, format=now)
        for _ in range(2):
            project.SaveAsNewRenderPreset(name)
            if name in preset_names(project):
                return
        raise HostError(
            "Resolve does not keep the settings of the Deliver page as a preset, so they could not be put back.",
            f"Save the project under a name, choose a format on the Deliver page. {_PRESS}.",
        )

    def _clear_tracks(self, timeline: Timeline, timeline_id: str) -> None:
        """Only the clip's own track is on: a single clip shows what lies above it too."""
        count = _known(lambda: timeline.GetTrackCount("video"), int, "how many video tracks there are")
        for track in range(1, count + 1):
            wanted, on = track == self._clip.track, track_is_on(timeline, track)
            if on is wanted:
                continue
            self._note("track", timeline=timeline_id, track=track, enabled=on)
            for _ in range(2):
                timeline.SetTrackEnable("video", track, wanted)
                if track_is_on(timeline, track) is wanted:
                    break
            else:
                raise HostError(
                    f"Video track {track} cannot be switched {'on' if wanted else 'off'}, so {self._clip.name} cannot"
                    " be rendered alone.",
                    "Unlock the track, or switch it yourself.",
                )

    # Rendering

    def render(self) -> Renderings:
        """Every wanted frame as a single clip; alphas that come out solid once more as individual clips."""
        for first, last in _runs(self._wanted):
            yield from self._single(first, last)
        if self._solid:
            solid, self._solid = self._solid, []
            yield from self._individual(solid)
        if self._solid:
            raise HostError(
                f"The alpha of {self._clip.name} at frame {self._solid[0]} is solid: nothing is masked there.",
                "On the Color page, connect the node's key output to the Alpha Output. If the object really fills the"
                " whole frame, take the mask from a file, or remove the marker there.",
                frame=self._solid[0],
            )

    def _single(self, first: int, last: int) -> Renderings:
        """A range without a gap; the numbers in the files' names are the timeline's, or they are taken in order."""
        coming = deque((self._clip.timeline_frame(frame), frame) for frame in range(first, last + 1))

        def early(folder: Path) -> Iterator[Rendering]:
            there = dict(_pictures(folder))
            while len(coming) > 1 and coming[1][0] in there and coming[0][0] in there:
                number, frame = coming[0]
                if _header(there[number]) is None:
                    return
                coming.popleft()
                yield from self._take(frame, there[number])

        def settled(folder: Path) -> bool:
            there = _pictures(folder)
            return len(there) >= len(coming) and all(_header(path) is not None for _, path in there)

        folder, why = yield from self._job(_SINGLE, first, last, early, settled)
        there = _pictures(folder)
        if len(there) > len(coming):
            raise HostError(
                f"{self._clip.name}: Resolve wrote {len(there)} files for the frames {coming[0][1]}-{last}.",
                f"{_PRESS}; if it stays, copy the diagnostics.",
                path=str(folder),
                frame=coming[0][1],
            )
        by_number = dict(there)
        if len(there) == len(coming) == last - first + 1 and coming[0][0] not in by_number:
            by_number = {number: path for (number, _), (_, path) in zip(coming, there)}
        for number, frame in coming:
            if number not in by_number:
                raise self._missing(frame, folder, why)
            yield from self._take(frame, by_number[number], why)
        shutil.rmtree(folder, ignore_errors=True)

    def _individual(self, solid: list[int]) -> Renderings:
        """The alpha of these frames from the clip's own range, of which Resolve may render more than is asked for."""
        clip = self._clip
        most = max(clip.media_frames, clip.duration)
        self._see_plain(solid[0])
        self._see_room(self._folder, most)
        self._clear_clips()

        def guard(folder: Path) -> Iterator[Rendering]:
            if len(_pictures(folder)) > most + 2:
                raise self._unknown(solid[0], folder, "")
            return iter(())

        folder, why = yield from self._job(
            _INDIVIDUAL, solid[0], solid[-1], guard, lambda folder: self._matched(folder, solid) is not None
        )
        there = self._matched(folder, solid)
        if there is None:
            raise self._unknown(solid[0], folder, why)
        for frame in solid:
            yield from self._take(frame, there[frame], why)
        shutil.rmtree(folder, ignore_errors=True)

    def _matched(self, folder: Path, solid: list[int]) -> dict[int, Path] | None:
        """Which file of individual clips shows which frame, by how many there are; None when that is not certain."""
        clip, there = self._clip, _pictures(folder)
        if not there or [number for number, _ in there] != list(range(there[0][0], there[0][0] + len(there))):
            return None
        for first, count in (
            (solid[0], solid[-1] - solid[0] + 1),
            (clip.first, clip.duration),
            (clip.media_first, clip.media_frames),
        ):
            if len(there) == count and first <= solid[0] and solid[-1] < first + count:
                return {first + index: path for index, (_, path) in enumerate(there)}
        return None

    def _unknown(self, frame: int, folder: Path, why: str) -> HostError:
        count = len(_pictures(folder))
        return HostError(
            f"The alpha of {self._clip.name} is solid in a single clip, and of the {count} files of individual clips it"
            f" is not certain which shows frame {frame}{_because(why)}.",
            "Put the clip alone on a timeline without a change of speed, or draw the masks in Fusion.",
            path=str(folder),
            frame=frame,
        )

    def _see_plain(self, frame: int) -> None:
        """Individual clips come in the media's own frames: those of a clip with another speed are others."""
        if self._clip.source:
            return  # else it could not be read as it is
        start, end = _asked(lambda: self._item.GetSourceStartFrame()), _asked(lambda: self._item.GetSourceEndFrame())
        told = isinstance(start, (int, float)) and isinstance(end, (int, float))  # not before Resolve 19
        if not told or not -2 <= end - start - self._clip.duration <= 1:
            raise HostError(
                f"The alpha of {self._clip.name} at frame {frame} is solid in a single clip, and it cannot be rendered"
                " otherwise: its speed is changed, or Resolve does not tell it.",
                "Connect the node's key output to the Alpha Output on the Color page; if it is, make the clip a"
                " compound clip, or draw the masks in Fusion.",
                frame=frame,
            )

    def _clear_clips(self) -> None:
        """The other clips of the track are disabled: individual clips would be rendered of each."""
        timeline = self._session.timeline()
        track = self._clip.track
        others = {}
        for item in items_in(timeline, track):
            if sure(lambda: item.GetClipEnabled()) is True:  # noqa: B023 (called at once)
                others[sure(lambda: item.GetUniqueId())] = item  # noqa: B023
        if others.pop(self._clip.key, None) is None:
            raise HostError(
                f"{self._clip.name} is no longer on video track {track}.",
                "Look for it on the timeline, and press again.",
            )
        if others:
            self._note("clips", timeline=sure(lambda: timeline.GetUniqueId()), track=track, clips=list(others))
        for item in others.values():
            item.SetClipEnabled(False)

    def _job(
        self, mode: int, first: int, last: int, look: _Look, settled: _Settled
    ) -> Generator[Rendering | None, None, tuple[Path, str]]:
        """Render one range, trying presets until one writes pictures: the folder, and why it ended badly, or ''."""
        folder = self._folder
        for preset in self._candidates():
            folder = self._folder / uuid4().hex[:8]
            try:
                folder.mkdir()
            except OSError as error:
                raise _disk(error, folder) from error
            id, token = self._add(preset, mode, folder, first, last)
            why = yield from self._watch(id, folder, look, settled)
            self._leftovers.put_back(self._session, [token])
            if why or _pictures(folder):
                if not why:
                    self._prove(preset)
                return folder, why
            if preset == PRESET:
                drop_preset(self._project(), PRESET)
        raise HostError(
            f"{self._clip.name}: Resolve said it rendered frames {first}-{last}, and wrote no picture to {folder}.",
            "On the Deliver page, choose a preset with video and render a frame as EXR; see whether the disk is full."
            f" {_PRESS}.",
            path=str(folder),
            frame=first,
        )

    def _candidates(self) -> list[str]:
        """Presets to begin from, for settings land on top of what is loaded; '' for what is there."""
        names = [name for name in preset_names(self._project()) if not name.startswith(RESTORE)]
        stock = [name for name in _STOCK if name in names]
        others = [name for name in names if name not in (PRESET, *stock) and "audio" not in name.lower()]
        ours = [PRESET] if PRESET in names else []
        return [*ours, *stock, *others][:_CANDIDATES] or [""]

    def _prove(self, preset: str) -> None:
        """Keep the settings that wrote pictures as our own preset."""
        project = self._project()
        if preset != PRESET and PRESET not in preset_names(project):
            project.SaveAsNewRenderPreset(PRESET)

    def _add(self, preset: str, mode: int, folder: Path, first: int, last: int) -> tuple[str, int]:
        """Put a job into the queue: its id, and its leftover."""
        project, clip = self._project(), self._clip
        marks = clip.timeline_frame(first), clip.timeline_frame(last)
        self._set(project, preset, mode, folder, marks)
        token = self._note("job", folder=str(folder))
        before = [job["JobId"] for job in jobs(project)]
        for _ in range(2):
            told = project.AddRenderJob()
            mine = our_jobs(project, str(folder))
            if mine:
                break
            if told in [job["JobId"] for job in jobs(project)] and told not in before:
                self._note("job", folder=str(folder), id=told)
                raise HostError(
                    f"Resolve would render {clip.name} to another folder than {folder}.",
                    f"{_PRESS}; if it stays, see whether Resolve may write there.",
                    path=str(folder),
                )
        else:
            raise HostError(
                f"Resolve does not put the rendering of {clip.name} into its queue.",
                f"See whether Resolve may write to {folder}, and whether the Deliver page shows an error. {_PRESS}.",
                path=str(folder),
            )
        described = next(job for job in jobs(project) if job["JobId"] == mine[0])
        taken = described.get("MarkIn"), described.get("MarkOut")
        if mode == _SINGLE and None not in taken and taken != marks:
            raise HostError(
                f"{clip.name}: Resolve would render the timeline's frames {taken[0]}-{taken[1]}, not"
                f" {marks[0]}-{marks[1]}.",
                f"{_PRESS}, and leave the Deliver page open.",
                frame=first,
            )
        return mine[0], token

    def _set(self, project: Project, preset: str, mode: int, folder: Path, marks: tuple[int, int]) -> None:
        """Set the Deliver page, as far as it can be read back."""
        width, height = self._clip.size
        settings: dict[str, Any] = {
            "SelectAllFrames": False,
            "MarkIn": marks[0],
            "MarkOut": marks[1],
            "TargetDir": str(folder),
            "CustomName": "matted_",  # no digit at its end: the frame number follows
            "ExportVideo": True,
            "ExportAudio": False,
            "FormatWidth": width,
            "FormatHeight": height,
            "ExportAlpha": self._alpha,
        }
        if self._alpha:
            settings["AlphaMode"] = 1  # straight
        form, codec = self._format
        for _ in range(2):
            if preset:
                project.LoadRenderPreset(preset)
            project.SetCurrentRenderMode(mode)
            project.SetCurrentRenderFormatAndCodec(form, codec)
            took = project.SetRenderSettings(settings)
            now = project.GetCurrentRenderFormatAndCodec()
            mode_now = sure(lambda: project.GetCurrentRenderMode())
            if took and isinstance(now, dict) and _same(now, form, codec) and mode_now == mode:
                return
        raise HostError(
            f"Resolve does not take the settings to render {self._clip.name} as EXR ({codec}).",
            f"Open the Deliver page and choose EXR, RGB half, yourself. {_PRESS}.",
        )

    def _watch(self, id: str, folder: Path, look: _Look, settled: _Settled) -> Generator[Rendering | None, None, str]:
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
                project = self._project()
                told: Any = project.GetRenderJobStatus(id)
                busy = bool(project.IsRenderingInProgress())
                if not isinstance(told, dict) or not told:
                    if id not in [job["JobId"] for job in jobs(project)]:
                        return "the job was taken out of the render queue"
                    raise NotBack("Resolve does not tell how the rendering goes.")
            except Exception:  # one slip, or a project that was closed
                silent += 1
                if silent > _SILENT:
                    raise
                continue
            silent = 0
            now = told.get("CompletionPercentage"), len(_pictures(folder))
            words = str(told.get("JobStatus", "")).lower()
            if told.get("Error") or "fail" in words:
                return f"Resolve says: {told.get('Error') or told['JobStatus']}"
            if (
                "TimeTakenToRenderInMs" in told
                or words.startswith("complete")
                or (began and now[0] == 100 and not busy)
            ):
                yield from self._settle(folder, settled)
                return ""
            began = began or bool(now[0] or now[1]) or "EstimatedTimeRemainingInMs" in told or words == "rendering"
            still = 0 if now != seen else still + 1
            seen = now
            if still > _STALLED:
                return "nothing more came for ten minutes"
            if began:
                idle = 0 if busy else idle + 1
                if idle > 3:
                    return "it was stopped on the Deliver page"
                continue
            waits += 1
            if busy and not started:
                return "Resolve is rendering something else"
            if waits == _AGAIN and not busy:
                started = self._start(id)
            if waits > _STARTS:
                return "Resolve does not begin to render; it may show a dialog"

    def _start(self, id: str) -> bool:
        project = self._project()
        self._see_idle(project)
        return bool(project.StartRendering([id], False) or project.StartRendering([id], False))

    def _settle(self, folder: Path, settled: _Settled) -> Renderings:
        """Give a slow disk the time to show all."""
        for _ in range(_SETTLES):
            others = next(folder.rglob("*.*"), None) is not None and not _pictures(folder)
            if others or settled(folder):
                return
            yield None
            time.sleep(_PAUSE)

    # Files

    def _take(self, frame: int, path: Path, why: str = "") -> Iterator[Rendering]:
        """See whether a file is what was wanted, and bring it to its place."""
        header = _header(path)
        if header is None:
            raise self._missing(frame, path.parent, why, f"the file {path.name} is cut short")
        if header.size != self._clip.size:
            raise HostError(
                f"Resolve rendered frame {frame} of {self._clip.name} in {_times(header.size)} pixels, not"
                f" {_times(self._clip.size)}.",
                "See whether the timeline has a resolution of its own, and whether the Deliver page can render that"
                f" size. {_PRESS}.",
                path=str(path),
                frame=frame,
            )
        names = [name for name, _ in header.channels]
        try:
            if self._alpha:
                yield from self._take_mask(frame, path, names)
            else:
                yield from self._take_plate(frame, path, names, header.compression)
        except (exr.ExrError, OSError) as error:
            raise _disk(error, path) from error

    def _take_plate(self, frame: int, path: Path, names: list[str], compression: int) -> Iterator[Rendering]:
        if not {"R", "G", "B"} <= set(names):
            raise HostError(
                f"Resolve rendered frame {frame} of {self._clip.name} with the channels {', '.join(names)} only.",
                f"Choose EXR, RGB half, on the Deliver page. {_PRESS}.",
                path=str(path),
                frame=frame,
            )
        for one in self._wanted[frame]:
            if compression and not one.compressed:
                size, dtype, content = exr.read_pixels(path, ("R", "G", "B"))
                exr.write_pixels(one.path, size, ("R", "G", "B"), dtype, content)
            elif one is self._wanted[frame][-1]:
                shutil.move(str(path), one.path)  # a rename where both are on one disk
            else:
                shutil.copyfile(path, one.path)
            yield one

    def _take_mask(self, frame: int, path: Path, names: list[str]) -> Iterator[Rendering]:
        """The alpha alone; one that is missing or solid is left for later."""
        halves = None
        if "A" in names:
            size, dtype, content = exr.read_pixels(path, ("A",))
            halves = _halves(content, dtype)
        path.unlink()
        if halves is None or _SOLID <= min(halves) <= max(halves) <= _LARGEST:
            self._solid.append(frame)
            return
        for one in self._wanted[frame]:
            exr.write_pixels(one.path, size, ("A",), "half", halves.tobytes())
            yield one

    def _missing(self, frame: int, folder: Path, why: str, what: str = "there is no file") -> HostError:
        return HostError(
            f"Resolve did not render frame {frame} of {self._clip.name} to {folder}: {why or what}.",
            "See whether the disk is full, whether the clip plays at that frame, and close any dialog Resolve shows."
            f" {_PRESS}: the frames that are there are kept.",
            path=str(folder),
            frame=frame,
        )


def _pictures(folder: Path) -> list[tuple[int, Path]]:
    """The EXR files a job wrote with the numbers in their names, ascending."""
    found = []
    for path in folder.rglob("*.exr"):
        number = _NUMBER.search(path.stem)
        if number is not None:
            found.append((int(number[1]), path))
    return sorted(found)


def _header(path: Path) -> exr.Header | None:
    """The header of a file that is whole; None of one that is not, or not there."""
    try:
        return exr.whole_header(path)
    except (exr.ExrError, OSError):
        return None


def _halves(content: bytes, dtype: str) -> array[int]:
    """Values as the codes of halves."""
    if dtype == "float":
        values = array("f", content)
        content = struct.pack(f"<{len(values)}e", *(min(max(value, -65504.0), 65504.0) for value in values))
    return array("H", content)


def _exr(project: Project) -> tuple[str, str]:
    """Format and codec of half-float EXR as Resolve wants them: without compression, or with one that loses nothing.

    The names of codecs differ by version; their ids alone are accepted.
    """
    formats = _known(lambda: project.GetRenderFormats(), dict, "its render formats")
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


def _known(ask: Callable[[], Any], kind: type, what: str) -> Any:
    """What Resolve answers twice alike, of the kind it has to be."""
    told = sure(ask)
    if not isinstance(told, kind) or isinstance(told, bool):
        raise NotBack(f"Resolve does not say {what}.")
    return told


def _because(why: str) -> str:
    return f" ({why})" if why else ""


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def _disk(error: Exception, path: Path) -> HostError:
    told = error.strerror if isinstance(error, OSError) else str(error)
    return HostError(
        f"{path} cannot be written or read: {told}.",
        "See whether the disk is full and the folder can be written, or choose another folder for the mattes.",
        path=str(path),
    )
