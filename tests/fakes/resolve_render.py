"""The render queue of the stand-in Resolve: presets, formats, jobs, and the files they leave.

``RenderQueue`` holds the calls of ``Project``; ``Queue`` is the state behind them, which the artist changes too. Jobs
write real files, frame by frame, as the script polls; no clock is involved. What is measured: codec ids alone are
accepted and their descriptions drift; ``SetRenderSettings`` lands on top of the loaded preset, and a stock "Audio
Only" leaves a file without video while the job list says video is on; statuses are in the language of the interface.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio

from fakes import resolve_pictures
from fakes.resolve_handles import SWITCHES

SWITCHES.update(
    {
        "deliver_state": "Audio Only",  # the preset the Deliver page holds before anybody touches it
        "marks_need_deliver": True,  # MarkIn and MarkOut are taken on the Deliver page alone, and True comes back
        "deliver_clobbers_marks": True,  # opening the Deliver page marks the whole timeline
        "alpha_in_single_clip": False,  # a single clip's alpha is the clip's alpha output, else solid
        "individual_range": "media",  # individual clips render the whole "media", the used "clip" or the "marks"
        "individual_numbers": "media",  # their files carry the number in the "media" or count from "zero"
        "render_padding": 8,
        "render_numbers": "timeline",  # a single clip's files carry the "timeline" frame or count from "zero"
        "format_refusal": "lies",  # an unknown format or codec: True comes back and the old one stays; or "false"
        "settings_revert_format": True,  # a key that does not suit the format: True, and the preset's format is back
        "settings_refuse": (),  # keys that do not suit pictures: False comes back, and nothing of the call is set
        "language": "en",  # of the interface, and so of JobStatus: "en", "de" or "zh"
        "slow_start": 1,  # polls before a started job says that it renders
        "frames_per_poll": 2,
        "preset_list": "names",  # GetRenderPresetList gives "names" or "dicts"
    }
)

STATUS = {
    "en": {
        "ready": "Ready",
        "rendering": "Rendering",
        "complete": "Complete",
        "failed": "Failed",
        "cancelled": "Cancelled",
    },
    "de": {
        "ready": "Bereit",
        "rendering": "Wird gerendert",
        "complete": "Abgeschlossen",
        "failed": "Fehlgeschlagen",
        "cancelled": "Abgebrochen",
    },
    "zh": {"ready": "就绪", "rendering": "渲染中", "complete": "完成", "failed": "失败", "cancelled": "已取消"},
}

FORMATS = {
    "Cineon": "cin",
    "DPX": "dpx",
    "EXR": "exr",
    "JPEG 2000": "j2c",
    "MP4": "mp4",
    "MXF OP1A": "mxf_op1a",
    "QuickTime": "mov",
    "TIFF": "tif",
    "Wave": "wav",
}
COMPRESSIONS = {"": "none", "ZIP": "zip", "PIZ": "piz", "RLE": "rle", "DWAA": "dwaa", "DWAB": "dwab"}
CARRIES_ALPHA = {"exr", "dpx", "tif", "mov"}
PICTURES = {"exr", "dpx", "tif", "png"}

KEYS: dict[str, Any] = {
    "SelectAllFrames": bool,
    "MarkIn": int,
    "MarkOut": int,
    "TargetDir": str,
    "CustomName": str,
    "UniqueFilenameStyle": int,
    "ExportVideo": bool,
    "ExportAudio": bool,
    "FormatWidth": int,
    "FormatHeight": int,
    "FrameRate": (int, float),
    "PixelAspectRatio": str,
    "VideoQuality": (int, str),
    "AudioCodec": str,
    "AudioBitDepth": int,
    "AudioSampleRate": int,
    "ColorSpaceTag": str,
    "GammaTag": str,
    "ExportAlpha": bool,
    "EncodingProfile": str,
    "MultiPassEncode": bool,
    "AlphaMode": int,
    "NetworkOptimization": bool,
    "ReplaceExistingFilesInPlace": bool,
}
MOVIES_ONLY = {"VideoQuality", "EncodingProfile", "MultiPassEncode", "NetworkOptimization"}

BASE: dict[str, Any] = {
    "SelectAllFrames": False,
    "TargetDir": "",
    "CustomName": "",
    "UniqueFilenameStyle": 1,
    "ExportVideo": True,
    "ExportAudio": True,
    "FormatWidth": 0,
    "FormatHeight": 0,
    "PixelAspectRatio": "square",
    "ColorSpaceTag": "Same as Project",
    "GammaTag": "Same as Project",
    "ExportAlpha": False,
    "AlphaMode": 0,
}


def codecs(version: tuple[int, ...], form: str) -> dict[str, str]:
    """Description to id. The descriptions of EXR differ from version to version, the ids do not."""
    if form == "exr":
        none, zipped = {18: ("{} (No Compression)", "{} ({} Compression)"), 19: ("{}", "{} ({})")}.get(
            version[0], ("{} (Uncompressed)", "{} - {}")
        )
        kinds = {"RGB float": "RGBFloat", "RGB half": "RGBHalf"}
        return {
            (zipped if packing else none).format(words, packing): f"{name}{packing}"
            for words, name in kinds.items()
            for packing in sorted(COMPRESSIONS)
        }
    table: dict[str, dict[str, str]] = {
        "dpx": {"RGB 10 bits": "RGB10", "RGB 12 bits": "RGB12", "RGB 16 bits": "RGB16"},
        "tif": {"RGB 8 bits": "RGB8", "RGB 16 bits": "RGB16"},
        "png": {"RGB 8 bits": "RGB8", "RGB 16 bits": "RGB16"},
        "mov": {"Apple ProRes 422 HQ": "ProRes422HQ", "Apple ProRes 4444": "ProRes4444", "H.264": "H264"},
        "mp4": {"H.264": "H264", "H.265": "H265"},
        "wav": {"Linear PCM": "LinearPCM"},
        "cin": {"RGB 10 bits": "RGB10"},
        "j2c": {"RGB 12 bits": "RGB12"},
        "mxf_op1a": {"DNxHR HQX": "DNxHRHQX"},
    }
    return table.get(form, {})


def formats(version: tuple[int, ...]) -> dict[str, str]:
    """Name to id. Only 21 renders PNG, and without alpha."""
    return {**FORMATS, **({"PNG": "png"} if version[0] >= 21 else {})}


@dataclass
class Deliver:
    """The state of the Deliver page: what a preset holds. ``video`` is what no call tells."""

    form: str = "mp4"
    codec: str = "H264"
    mode: int = 1
    settings: dict[str, Any] = field(default_factory=lambda: dict(BASE))
    video: bool = True
    preset: str = "Custom"


STOCK = {
    "H.264 Master": Deliver("mp4", "H264"),
    "ProRes Master": Deliver("mov", "ProRes422HQ"),
    "YouTube - 1080p": Deliver("mp4", "H264"),
    "Final Cut Pro": Deliver("mov", "ProRes422HQ", mode=0),
    "Audio Only": Deliver("wav", "LinearPCM", settings={**BASE, "ExportVideo": False}, video=False),
}


@dataclass
class Piece:
    """One file a job writes.

    Attributes:
        name: of the file.
        frame: what it shows: a timeline frame, or a frame of ``item``'s media.
        item: the clip alone (individual clips), or None: what the timeline shows.
    """

    name: str
    frame: int
    item: Any = None


@dataclass
class Job:
    """One job in the queue; ``deliver`` is a copy of the page at the time it was added."""

    id: str
    name: str
    timeline: Any
    deliver: Deliver
    marks: tuple[int, int]
    state: str = "ready"
    done: int = 0
    waits: int = 0
    pieces: list[Piece] = field(default_factory=list)
    error: str = ""


@dataclass
class Trouble:
    """What goes wrong with the next job that starts.

    Attributes:
        kind: "fails", "disk full", "stalls", "empty file", "missing last", "no files", "wrong size", "cut off" or
            "vanishes" (the artist takes the job out of the queue).
        after: frames that are still good.
    """

    kind: str
    after: int = 1


class Queue:
    """The Deliver page and the queue of one project.

    Attributes:
        trouble: what goes wrong with the next job that starts, or None.
        active: the job that renders.
        waiting: jobs that were started with it.
    """

    def __init__(self, machine: Any, project: Any):
        self.machine, self.project = machine, project
        self.presets = {name: copy.deepcopy(state) for name, state in STOCK.items()}
        for name, state in self.presets.items():
            state.preset = name
        self.deliver = copy.deepcopy(self.presets[machine.switches.deliver_state])
        self.jobs: dict[str, Job] = {}
        self.trouble: Trouble | None = None
        self.active: Job | None = None
        self.waiting: list[Job] = []
        self._trouble_now: Trouble | None = None
        self._numbers = 0

    # -- what the artist does

    def artist_adds_job(
        self, target: Path, name: str = "Theirs", first: int | None = None, last: int | None = None
    ) -> str:
        """A job of the artist's own: EXR with video, whatever the page holds; the page stays as it is."""
        timeline = self.project.timeline
        low, high = resolve_pictures.extent(timeline)
        settings = {**BASE, "TargetDir": str(target), "CustomName": name}
        state = Deliver("exr", "RGBHalf", 1, settings)
        marks = (low if first is None else first, high if last is None else last)
        return self._queue(timeline, state, marks)

    def artist_starts(self, ids: list[str]) -> None:
        """The artist presses Render."""
        self.start([self.jobs[each] for each in ids])

    def artist_stops(self) -> None:
        """The artist presses Stop."""
        self.stop()

    def artist_deletes(self, job: str) -> None:
        """The artist clears a job."""
        if self.active is not None and self.active.id == job:
            self.stop()
        self.jobs.pop(job, None)

    def opened_deliver(self, timeline: Any) -> None:
        """The page was opened: the marks are the whole timeline now."""
        if self.machine.switches.deliver_clobbers_marks and timeline is not None:
            timeline.mark_in, timeline.mark_out = resolve_pictures.extent(timeline)

    def facts(self) -> dict[str, Any]:
        """What a script could leave behind here."""
        return {
            "deliver": self._plain(self.deliver),
            "presets": {name: self._plain(state) for name, state in sorted(self.presets.items())},
            "jobs": sorted((job.id, job.name, job.deliver.settings["TargetDir"]) for job in self.jobs.values()),
        }

    def _plain(self, state: Deliver) -> dict[str, Any]:
        return {"format": state.form, "codec": state.codec, "mode": state.mode, "video": state.video, **state.settings}

    # -- adding

    def add(self) -> str:
        """A job of what the page says now, or '' without a folder that exists."""
        timeline = self.project.timeline
        target = self.deliver.settings["TargetDir"]
        if timeline is None or not target or not Path(target).is_dir():
            return ""
        low, high = resolve_pictures.extent(timeline)
        marks = (low, high)
        if not self.deliver.settings["SelectAllFrames"]:
            marks = (
                low if timeline.mark_in is None else timeline.mark_in,
                high if timeline.mark_out is None else timeline.mark_out,
            )
        return self._queue(timeline, copy.deepcopy(self.deliver), marks)

    def _queue(self, timeline: Any, state: Deliver, marks: tuple[int, int]) -> str:
        self._numbers += 1
        job = Job(self.machine.new_id("job"), f"Job {self._numbers}", timeline, state, marks)
        self.jobs[job.id] = job
        return job.id

    # -- rendering

    def start(self, jobs: list[Job]) -> bool:
        """Begin; files come as somebody polls. False while something renders already."""
        if self.active is not None or not jobs:
            return False
        self.waiting = list(jobs)
        self._next()
        return True

    def stop(self) -> None:
        """Stop whatever renders, whoever started it."""
        if self.active is not None:
            self.active.state = "cancelled"
        self.active, self.waiting = None, []

    def _next(self) -> None:
        self.active = None
        while self.waiting and self.active is None:
            job = self.waiting.pop(0)
            if job.id in self.jobs:
                self.active = job
        if self.active is not None:
            self.active.state, self.active.done, self.active.error = "starting", 0, ""
            self.active.waits = self.machine.switches.slow_start
            self.active.pieces = list(self._pieces(self.active))
            self._trouble_now, self.trouble = self.trouble, None

    def poll(self) -> None:
        """Time goes by: some frames of the job that renders are written."""
        job = self.active
        if job is None:
            return
        if job.waits:
            job.waits -= 1
            return
        job.state = "rendering"
        for _ in range(self.machine.switches.frames_per_poll):
            if self.active is job:
                self._step(job)

    def _step(self, job: Job) -> None:
        trouble = self._trouble_now
        if trouble is not None and job.done >= trouble.after:
            if trouble.kind == "stalls":
                return
            if trouble.kind == "vanishes":
                self.jobs.pop(job.id, None)
                return self._next()
            if trouble.kind in ("fails", "disk full"):
                return self._failed(
                    job, {"fails": "The clip could not be processed", "disk full": "Disk full"}[trouble.kind]
                )
        folder = Path(job.deliver.settings["TargetDir"])
        if not folder.is_dir():
            return self._failed(job, "Unable to write to the target folder")
        if job.done < len(job.pieces):
            self._write(job, job.pieces[job.done], folder)
            job.done += 1
        if job.done >= len(job.pieces):
            job.state = "complete"
            self._next()

    def _failed(self, job: Job, why: str) -> None:
        job.state, job.error = "failed", why
        self._next()

    def _pieces(self, job: Job) -> Iterator[Piece]:
        switches, state = self.machine.switches, job.deliver
        name = state.settings["CustomName"] or job.timeline.name
        if not state.video or not state.settings["ExportVideo"]:
            yield Piece(f"{name}.wav", job.marks[0])
        elif state.form not in PICTURES:
            yield Piece(f"{name}.{state.form}", job.marks[0])
        elif state.mode == 1:
            for index, frame in enumerate(range(job.marks[0], job.marks[1] + 1)):
                number = frame if switches.render_numbers == "timeline" else index
                yield Piece(f"{name}{number:0{switches.render_padding}d}.{state.form}", frame)
        else:
            yield from self._individual(job, name)

    def _individual(self, job: Job, name: str) -> Iterator[Piece]:
        """Every clip on an enabled track, from its source."""
        switches, count = self.machine.switches, 0
        for track, item in resolve_pictures.clips(job.timeline):
            if item.media is None or not item.media.source:
                continue
            first, last = self._range(job, item)
            if first > last:
                continue
            count += 1
            unique = f"V{track}-{count:04d}"
            style = job.deliver.settings["UniqueFilenameStyle"]
            full = f"{unique}_{name}" if style == 0 else f"{name}_{unique}_"
            for index, frame in enumerate(range(first, last + 1)):
                number = frame + item.media.first if switches.individual_numbers == "media" else index
                yield Piece(f"{full}{number:0{switches.render_padding}d}.{job.deliver.form}", frame, item)

    def _range(self, job: Job, item: Any) -> tuple[int, int]:
        """In frames of the media, counted from 0."""
        which = self.machine.switches.individual_range
        if which == "media":
            return 0, item.media.frames - 1
        low, high = item.start, item.start + item.duration - 1
        if which == "marks":
            low, high = max(low, job.marks[0]), min(high, job.marks[1])
        ends = sorted(resolve_pictures.source_frame(item, frame) for frame in (low, high))
        return (ends[0], ends[1]) if low <= high else (0, -1)

    # -- files

    def _write(self, job: Job, piece: Piece, folder: Path) -> None:
        path, trouble = folder / piece.name, self._trouble_now
        last = job.done == len(job.pieces) - 1
        kind = trouble.kind if trouble is not None else ""
        if kind == "no files" or (kind == "missing last" and last):
            return
        if kind == "empty file" and job.done == trouble.after:  # type: ignore[union-attr]
            path.write_bytes(b"")
            return
        if path.suffix[1:] not in PICTURES:
            path.write_bytes(b"not pictures")
            return
        shrink = 2 if kind == "wrong size" else 1
        write_picture(path, self._picture(job, piece, shrink), job.deliver.codec)
        if kind == "cut off" and last:
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) * 2 // 3])

    def _picture(self, job: Job, piece: Piece, shrink: int) -> Any:
        settings = job.deliver.settings
        default = resolve_pictures.resolution(self.project, job.timeline)
        size = (settings["FormatWidth"] or default[0]) // shrink, (settings["FormatHeight"] or default[1]) // shrink
        if piece.item is None:
            colour, alpha = resolve_pictures.timeline_picture(job.timeline, piece.frame, size)
            if not self.machine.switches.alpha_in_single_clip:
                alpha = np.ones_like(alpha)
        else:
            colour, alpha = resolve_pictures.source_picture(piece.item, piece.frame, size)
        if not settings["ExportAlpha"] or job.deliver.form not in CARRIES_ALPHA:
            return colour
        if settings["AlphaMode"] == 0:
            colour = colour * alpha[..., None]
        return np.concatenate([colour, alpha[..., None]], -1)


def write_picture(path: Path, pixels: Any, codec: str = "RGBHalf") -> None:
    """A picture file of the codec; (height, width, 3 or 4), scene-linear."""
    height, width, channels = pixels.shape
    kinds = {"exr": "half" if codec.startswith("RGBHalf") else "float"}
    kind = kinds.get(path.suffix[1:], "uint8" if codec == "RGB8" else "uint16")
    spec = oiio.ImageSpec(width, height, channels, kind)
    if path.suffix == ".exr":
        spec.attribute("compression", COMPRESSIONS[codec.removeprefix("RGBHalf").removeprefix("RGBFloat")])
    file = oiio.ImageOutput.create(str(path))
    assert file.open(str(path), spec), file.geterror()
    assert file.write_image(np.ascontiguousarray(pixels, np.float32)), file.geterror()
    file.close()


class RenderQueue:
    """The calls of ``Project`` about rendering; a base of the stand-in's Project."""

    _machine: Any
    _model: Any

    # -- presets, format, mode, settings

    def GetRenderPresetList(self) -> list[Any]:
        names = list(self._model.queue.presets)
        return names if self._machine.switches.preset_list == "names" else [{"PresetName": name} for name in names]

    def LoadRenderPreset(self, name: str) -> bool:
        queue = self._model.queue
        if name not in queue.presets:
            return False
        queue.deliver = copy.deepcopy(queue.presets[name])
        return True

    def SaveAsNewRenderPreset(self, name: str) -> bool:
        queue = self._model.queue
        if not name or name in queue.presets:
            return False
        queue.presets[name] = copy.deepcopy(queue.deliver)
        queue.presets[name].preset = name
        return True

    def DeleteRenderPreset(self, name: str) -> bool:
        queue = self._model.queue
        if name not in queue.presets or name in STOCK:
            return False
        del queue.presets[name]
        return True

    def GetRenderFormats(self) -> dict[str, str]:
        return formats(self._machine.profile.version)

    def GetRenderCodecs(self, form: str) -> dict[str, str]:
        known = formats(self._machine.profile.version)
        return codecs(self._machine.profile.version, known.get(form, form.lower()))

    def GetCurrentRenderFormatAndCodec(self) -> dict[str, str]:
        deliver = self._model.queue.deliver
        return {"format": deliver.form, "codec": deliver.codec}

    def SetCurrentRenderFormatAndCodec(self, form: str, codec: str) -> bool:
        version, deliver = self._machine.profile.version, self._model.queue.deliver
        if form in formats(version).values() and codec in codecs(version, form).values():
            deliver.form, deliver.codec, deliver.preset = form, codec, "Custom"
            return True
        return bool(self._machine.switches.format_refusal == "lies")

    def GetCurrentRenderMode(self) -> int:
        return int(self._model.queue.deliver.mode)

    def SetCurrentRenderMode(self, mode: int) -> bool:
        if mode not in (0, 1):
            return False
        self._model.queue.deliver.mode = mode
        return True

    def GetRenderResolutions(self, form: str = "", codec: str = "") -> list[dict[str, int]]:
        return [{"Width": width, "Height": height} for width, height in ((1280, 720), (1920, 1080), (3840, 2160))]

    def SetRenderSettings(self, settings: dict[str, Any]) -> bool:
        for key, value in settings.items():
            if key not in KEYS:
                raise self._machine.refuse(f"SetRenderSettings({key!r})")
            if not isinstance(value, KEYS[key]) or (isinstance(value, bool) and KEYS[key] is not bool):
                return False
        queue = self._model.queue
        deliver = queue.deliver
        if deliver.form in PICTURES and set(settings).intersection(self._machine.switches.settings_refuse):
            return False
        self._marks(settings)
        kept = {key: value for key, value in settings.items() if key not in ("MarkIn", "MarkOut")}
        if kept.get("ExportAlpha") and deliver.form not in CARRIES_ALPHA:
            kept["ExportAlpha"] = False
        if (
            MOVIES_ONLY.intersection(kept)
            and deliver.form in PICTURES
            and self._machine.switches.settings_revert_format
        ):
            base = queue.presets.get(deliver.preset) or queue.presets[self._machine.switches.deliver_state]
            deliver.form, deliver.codec = base.form, base.codec
        # What the preset says of video is not among what a caller can set: deliver.video stays.
        deliver.settings.update(kept)
        deliver.preset = "Custom"
        return True

    def _marks(self, settings: dict[str, Any]) -> None:
        """MarkIn and MarkOut are the timeline's own marks: the artist's are gone."""
        timeline = self._model.timeline
        away = self._machine.switches.marks_need_deliver and self._machine.page != "deliver"
        if timeline is None or away:
            return
        if "MarkIn" in settings:
            timeline.mark_in = settings["MarkIn"]
        if "MarkOut" in settings:
            timeline.mark_out = settings["MarkOut"]

    # -- jobs

    def AddRenderJob(self) -> str:
        return str(self._model.queue.add())

    def DeleteRenderJob(self, job: str) -> bool:
        queue = self._model.queue
        if job not in queue.jobs or (queue.active is not None and queue.active.id == job):
            return False
        del queue.jobs[job]
        return True

    def DeleteAllRenderJobs(self) -> bool:
        queue = self._model.queue
        if queue.active is not None:
            return False
        queue.jobs.clear()
        return True

    def GetRenderJobList(self) -> list[dict[str, Any]]:
        return [self._described(job) for job in self._model.queue.jobs.values()]

    def _described(self, job: Job) -> dict[str, Any]:
        deliver = job.deliver
        width, height = resolve_pictures.resolution(self._model, job.timeline)
        name = deliver.settings["CustomName"] or job.timeline.name
        return {
            "JobId": job.id,
            "RenderJobName": job.name,
            "TimelineName": job.timeline.name,
            "TargetDir": deliver.settings["TargetDir"],
            "OutputFilename": f"{name}.{deliver.form}",
            "IsExportVideo": deliver.settings["ExportVideo"],  # what was asked for, not what will be written
            "IsExportAudio": deliver.settings["ExportAudio"],
            "FormatWidth": deliver.settings["FormatWidth"] or width,
            "FormatHeight": deliver.settings["FormatHeight"] or height,
            "FrameRate": self._model.settings["timelineFrameRate"],
            "PixelAspectRatio": 1.0,
            "MarkIn": job.marks[0],
            "MarkOut": job.marks[1],
            "AudioBitDepth": 16,
            "AudioSampleRate": 48000,
            "ExportAlpha": deliver.settings["ExportAlpha"],
            "RenderMode": "Single clip" if deliver.mode == 1 else "Individual clips",
            "PresetName": deliver.preset,
            "VideoFormat": {value: key for key, value in FORMATS.items()}.get(deliver.form, deliver.form.upper()),
            "VideoCodec": deliver.codec,
        }

    def StartRendering(self, *arguments: Any) -> bool:
        queue = self._model.queue
        if not arguments or isinstance(arguments[0], bool):
            # Every job that has not run, the artist's as well.
            return bool(queue.start([job for job in queue.jobs.values() if job.state == "ready"]))
        ids = arguments[0] if isinstance(arguments[0], list) else list(arguments)
        if not all(isinstance(each, str) for each in ids):
            raise self._machine.refuse(f"StartRendering{arguments}")
        if not ids:
            raise self._machine.refuse("StartRendering([])")
        if not all(each in queue.jobs for each in ids):
            return False
        return bool(queue.start([queue.jobs[each] for each in ids]))

    def StopRendering(self) -> None:
        self._model.queue.stop()

    def IsRenderingInProgress(self) -> bool:
        queue = self._model.queue
        queue.poll()
        return queue.active is not None and queue.active.state == "rendering"

    def GetRenderJobStatus(self, job: str) -> dict[str, Any]:
        queue = self._model.queue
        queue.poll()
        found = queue.jobs.get(job)
        if found is None:
            return {}
        state = "ready" if found.state == "starting" else found.state
        percent = 100 * found.done // max(1, len(found.pieces))
        answer = {"JobStatus": STATUS[self._machine.switches.language][state], "CompletionPercentage": percent}
        if state == "rendering":
            answer["EstimatedTimeRemainingInMs"] = 1000 * (len(found.pieces) - found.done)
        if state == "complete":
            answer["TimeTakenToRenderInMs"] = 40 * len(found.pieces)
        if found.error:
            answer["Error"] = f"The render job {found.name!r} failed: {found.error}"
        return answer
