"""The media pool of the stand-in Resolve: bins, clips, mattes, and what it takes to the timeline."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

from fakes.resolve_handles import SINCE, SWITCHES, Handle
from fakes.resolve_markers import Markers, Marks
from fakes.resolve_models import CLIP_COLORS, BinModel, ItemModel, MediaModel, ProjectModel, timecode

SWITCHES.update(
    {
        "matte_forms": {"percent": "nothing", "bracket": "refused", "file": "sequence"},  # from memory: "nothing" (and
        # True), "refused" (False), "sequence" (listed in brackets), "still" (the first file alone)
        "sub_folder_enters": True,  # from memory: a new bin becomes the current one
        "append_null_ids": True,  # measured: the items AppendToTimeline returns have no unique id
        "append_errors": "vanish",  # measured: items of a call that failed in part vanish at save; or "stay"
        "sequence_start": "number",  # a sequence's 'Start' is the "number" of its first file, or "zero"
        "file_path": "bracket",  # of a sequence: "bracket", "percent" or "first" file
        "frames_wrong_by": 0,  # 'Frames' of an imported sequence may not match
        "third_party_limit": None,  # longest text that is kept; longer is cut, and True comes back
        "missing_in_sequence": "refused",  # ImportMedia with a gap: "refused" ([]) or "taken"
        "current_timeline_goes": False,  # from memory: DeleteTimelines refuses the one that is open
    }
)
SINCE[("MediaPool", "GetSelectedClips")] = (19, 0, 2)
SINCE[("MediaPool", "SetSelectedClip")] = (19, 0, 2)
SINCE[("MediaPoolItem", "GetThirdPartyMetadata")] = (19, 0, 2)
SINCE[("MediaPoolItem", "SetThirdPartyMetadata")] = (19, 0, 2)
SINCE[("MediaPoolItem", "GetMarkInOut")] = (20,)
SINCE[("MediaPoolItem", "SetMarkInOut")] = (20,)
SINCE[("MediaPoolItem", "ClearMarkInOut")] = (20,)

MOVIES = {".mov", ".mp4", ".mxf", ".mkv", ".avi", ".braw", ".r3d", ".ari", ".crm"}
STILLS = {".exr", ".dpx", ".tif", ".tiff", ".png", ".jpg", ".cin"}
BRACKET = re.compile(r"\[(\d+)-(\d+)\]")
PERCENT = re.compile(r"%0?(\d*)d")
DIGITS = re.compile(r"^(.*?)(\d+)(\.\w+)$")


def bracketed(source: str, first: int, last: int) -> str:
    """``name.[1001-1100].exr`` of a pattern."""
    found = PERCENT.search(source)
    width = int(found[1] or 1) if found else 1
    return PERCENT.sub(lambda _: f"[{first:0{width}d}-{last:0{width}d}]", source)


def run_of(path: Path) -> tuple[str, int, int] | None:
    """The sequence a file belongs to: pattern, first and last number of the unbroken run around it."""
    found = DIGITS.match(path.name)
    if not found:
        return None
    head, digits, tail = found.groups()
    width, number = len(digits), int(digits)
    pattern = (path.parent / f"{head.replace('%', '%%')}%0{width}d{tail}").as_posix()
    first = last = number
    while Path(pattern % (first - 1)).is_file() and first > 0:
        first -= 1
    while Path(pattern % (last + 1)).is_file():
        last += 1
    return pattern, first, last


class Folder(Handle):
    _api = "Folder"
    _model: BinModel

    def _alive(self) -> bool:
        return any(each is self._model for each in self._machine.project.root.walk())

    def GetName(self) -> str:
        return self._model.name

    def GetUniqueId(self) -> str:
        return self._model.id

    def GetClipList(self) -> list[Any]:
        return [MediaPoolItem(self._machine, media) for media in self._model.media]

    def GetSubFolderList(self) -> list[Any]:
        return [Folder(self._machine, each) for each in self._model.bins]

    def GetIsFolderStale(self) -> bool:
        return False


class MediaPoolItem(Handle, Markers, Marks):
    """Its markers and marks are in source frames: from 0 at the media's first."""

    _api = "MediaPoolItem"
    _model: MediaModel

    def _alive(self) -> bool:
        return any(each is self._model for each in self._machine.project.media())

    def _range(self) -> tuple[int, int]:
        return 0, self._model.frames - 1

    def _marks_from(self) -> int:
        return 0

    def GetName(self) -> str:
        return self._model.name

    def SetName(self, name: str) -> bool:
        self._model.name = name
        return True

    def GetUniqueId(self) -> str:
        return self._model.id

    def GetMediaId(self) -> str:
        return f"media-{self._model.id}"

    # -- what is known of it: properties and metadata are two different things

    def GetMetadata(self, key: str | None = None) -> Any:
        return dict(self._model.metadata) if not key else self._model.metadata.get(key, "")

    def SetMetadata(self, key: Any, value: str = "") -> bool:
        self._model.metadata.update(key if isinstance(key, dict) else {key: value})
        return True

    def GetThirdPartyMetadata(self, key: str | None = None) -> Any:
        return dict(self._model.third_party) if not key else self._model.third_party.get(key, "")

    def SetThirdPartyMetadata(self, key: Any, value: str = "") -> bool:
        limit = self._machine.switches.third_party_limit
        for name, text in (key if isinstance(key, dict) else {key: value}).items():
            self._model.third_party[name] = text if limit is None else text[:limit]
            if not self._model.third_party[name]:
                del self._model.third_party[name]
        return True

    def GetClipProperty(self, name: str | None = None) -> Any:
        known = clip_properties(self._machine, self._model)
        return known if not name else known.get(name, "")

    def SetClipProperty(self, name: str, value: Any) -> bool:
        if name not in clip_properties(self._machine, self._model):
            return False
        self._model.properties[name] = value if name in ("FPS", "Super Scale") else str(value)
        return True

    def TranscribeAudio(self, speakers: bool | None = None) -> str:
        """Without the extra download it fails, in words that are true for whoever asks only that (measured)."""
        return "Transcription failed: the language model is not installed"

    def GetClipColor(self) -> str:
        return self._model.color

    def SetClipColor(self, color: str) -> bool:
        if color not in CLIP_COLORS:
            return False
        self._model.color = color
        return True

    def ClearClipColor(self) -> bool:
        self._model.color = ""
        return True


def clip_properties(machine: Any, media: MediaModel) -> dict[str, Any]:
    """Everything GetClipProperty tells: strings, but for two numbers."""
    switches, sequence = machine.switches, media.kind == "sequence"
    path = media.source
    if sequence:
        ways = {
            "bracket": bracketed(path, media.first, media.last),
            "percent": path,
            "first": str(media.file(media.first)),
        }
        path = ways[switches.file_path]
    if machine.profile.os == "windows":
        path = path.replace("/", "\\")
    start = media.first if sequence and switches.sequence_start == "number" else 0
    rate = str(float(media.fps)) if media.fps.denominator == 1 else f"{float(media.fps):.3f}".rstrip("0")
    name = Path(path.replace("\\", "/")).name
    found = {
        "Clip Name": media.name,
        "File Name": name,
        "File Path": path,
        "Type": {"still": "Still", "timeline": "Timeline", "compound": "Compound"}.get(media.kind, "Video"),
        "Format": Path(name).suffix[1:].upper(),
        "Video Codec": "RGB half" if name.endswith(".exr") else "",
        "Resolution": f"{media.size[0]}x{media.size[1]}" if media.size[0] else "",
        "PAR": "Square",
        "FPS": float(rate),
        "Frames": str(media.frames + (switches.frames_wrong_by if sequence else 0)),
        "Start": str(start),
        "End": str(start + media.frames - 1),
        "Duration": timecode(media.frames, rate),
        "Start TC": timecode(start, rate),
        "End TC": timecode(start + media.frames, rate),
        "In": "",
        "Out": "",
        "Input Color Space": "Project",
        "Data Level": "Auto",
        "Alpha mode": "None",
        "Super Scale": 1,
        "H-FLIP": "Off",
        "V-FLIP": "Off",
        "Field Dominance": "Auto",
        "Online Status": "Online" if media.online or not media.source else "Offline",
        "Usage": "1",
        "Proxy": "None",
        "Transcription": media.metadata.get("Transcription", "")[:12] + "\u2026",  # cut short (measured)
    }
    return {**found, **media.properties}


class MediaPool(Handle):
    _api = "MediaPool"
    _model: ProjectModel

    def _alive(self) -> bool:
        return self._machine.project is self._model

    def _folder(self, model: BinModel) -> Folder:
        return Folder(self._machine, model)

    def GetUniqueId(self) -> str:
        return f"pool-{self._model.id}"

    def GetRootFolder(self) -> Folder:
        return self._folder(self._model.root)

    def GetCurrentFolder(self) -> Folder:
        return self._folder(self._model.bin)

    def SetCurrentFolder(self, folder: Folder) -> bool:
        if not folder._alive():
            return False
        self._model.bin = folder._model
        return True

    def AddSubFolder(self, folder: Folder, name: str) -> Folder | None:
        if not folder._alive() or any(each.name == name for each in folder._model.bins):
            return None
        made = BinModel(self._machine.new_id("bin"), name, folder._model)
        folder._model.bins.append(made)
        if self._machine.switches.sub_folder_enters:
            self._model.bin = made
        return self._folder(made)

    def DeleteFolders(self, folders: list[Folder]) -> bool:
        for folder in folders:
            model = folder._model
            if model.parent is None or not folder._alive():
                return False
            self._lose([media for each in model.walk() for media in each.media])
            if any(each is self._model.bin for each in model.walk()):
                self._model.bin = self._model.root
            model.parent.bins.remove(model)
        return True

    def DeleteClips(self, clips: list[MediaPoolItem]) -> bool:
        if not all(clip._alive() for clip in clips):
            return False
        self._lose([clip._model for clip in clips])
        return True

    def _lose(self, lost: list[MediaModel]) -> None:
        """Out of the pool; what the timelines show of it goes with it."""
        for each in self._model.root.walk():
            each.media = [media for media in each.media if media not in lost]
        for timeline in self._model.timelines:
            for track in timeline.tracks["video"]:
                track.items = [item for item in track.items if item.media not in lost]
        self._model.selected = [media for media in self._model.selected if media not in lost]

    def MoveClips(self, clips: list[MediaPoolItem], folder: Folder) -> bool:
        if not folder._alive() or not all(clip._alive() for clip in clips):
            return False
        moved = [clip._model for clip in clips]
        for each in self._model.root.walk():
            each.media = [media for media in each.media if media not in moved]
        folder._model.media.extend(moved)
        return True

    def GetSelectedClips(self) -> list[MediaPoolItem]:
        return [MediaPoolItem(self._machine, media) for media in self._model.selected]

    def SetSelectedClip(self, clip: MediaPoolItem) -> bool:
        self._model.selected = [clip._model]
        return True

    # -- timelines: they lie in the bins too

    def CreateEmptyTimeline(self, name: str) -> Any:
        """It is opened and lies in the current bin; None where the name is taken."""
        from fakes.resolve_timeline import Timeline  # timelines hold media, and media timelines

        if not name or any(each.name == name for each in self._model.timelines):
            return None
        made = self._machine.new_timeline(name)
        self._model.bin.media.append(MediaModel(made.id, name, "timeline", fps=self._rate()))
        return Timeline(self._machine, made)

    def DeleteTimelines(self, timelines: list[Any]) -> bool:
        gone = [each._model for each in timelines]
        opened = self._model.timeline in gone
        if not all(each._alive() for each in timelines):
            return False
        if opened and not self._machine.switches.current_timeline_goes:
            return False
        self._model.timelines = [each for each in self._model.timelines if each not in gone]
        if opened:
            self._model.timeline = None
        ids = [each.id for each in gone]
        for each in self._model.root.walk():
            each.media = [media for media in each.media if media.id not in ids]
        return True

    # -- import: into the current bin, [] where it refuses, no error ever

    def ImportMedia(self, what: list[Any]) -> list[MediaPoolItem]:
        made = []
        for each in what:
            media = self._sequence(each) if isinstance(each, dict) else self._file(each)
            if media is None:
                continue
            self._model.bin.media.append(media)
            made.append(MediaPoolItem(self._machine, media))
        return made

    def _sequence(self, info: dict[str, Any]) -> MediaModel | None:
        path, first, last = info.get("FilePath"), info.get("StartIndex"), info.get("EndIndex")
        if not isinstance(path, str) or not isinstance(first, int) or not isinstance(last, int):
            return None
        if not PERCENT.search(path) or last < first:
            return None
        gaps = [number for number in range(first, last + 1) if not Path(path % number).is_file()]
        if gaps and (self._machine.switches.missing_in_sequence == "refused" or {first, last} & set(gaps)):
            return None
        return sequence(self._machine, path, first, last, self._rate())

    def _file(self, path: str) -> MediaModel | None:
        file = Path(path)
        if file.is_dir():
            raise self._machine.refuse(f"ImportMedia of the folder {path}")
        if not file.is_file() or file.suffix.lower() not in MOVIES | STILLS:
            return None
        kind = "movie" if file.suffix.lower() in MOVIES else "still"
        if kind == "movie":
            raise self._machine.refuse(f"how many frames {path} has; machine.artist.import_movie says it")
        return MediaModel(self._machine.new_id("media"), file.name, kind, file.as_posix(), 0, 1, self._rate())

    def _rate(self) -> Fraction:
        return self._machine.rate

    # -- mattes

    def GetClipMatteList(self, clip: MediaPoolItem) -> list[str]:
        paths = sorted(clip._model.mattes, reverse=True)
        return [path.replace("/", "\\") if self._machine.profile.os == "windows" else path for path in paths]

    def DeleteClipMattes(self, clip: MediaPoolItem, paths: list[str]) -> bool:
        lost = {path.replace("\\", "/") for path in paths}
        clip._model.mattes = [path for path in clip._model.mattes if path not in lost]
        return True

    def GetTimelineMatteList(self, folder: Folder) -> list[MediaPoolItem]:
        return []

    # -- onto the timeline

    def AppendToTimeline(self, *what: Any) -> list[Any]:
        if len(what) != 1 or not isinstance(what[0], list) or not all(isinstance(each, dict) for each in what[0]):
            raise self._machine.refuse("AppendToTimeline of anything but a list of clip infos")
        timeline, made = self._model.timeline, []
        if timeline is None:
            return []
        placed = [self._append(timeline, info) for info in what[0]]
        failed = any(not landed for _, landed in placed)
        for item, landed in placed:
            if failed and landed and self._machine.switches.append_errors == "vanish":
                item.durable = False
            made.append(self._machine.item_handle(item, nameless=self._machine.switches.append_null_ids))
        return made

    def _append(self, timeline: Any, info: dict[str, Any]) -> tuple[ItemModel, bool]:
        unknown = set(info) - {"mediaPoolItem", "startFrame", "endFrame", "mediaType", "trackIndex", "recordFrame"}
        if unknown or not {"mediaPoolItem", "recordFrame"} <= set(info):
            raise self._machine.refuse(f"AppendToTimeline with {sorted(info)}")
        media = info["mediaPoolItem"]._model
        first = int(info.get("startFrame", 0))
        wanted = min(int(info.get("endFrame", media.frames)), media.frames) - first  # the end is exclusive
        rate = media.fps / self._machine.rate
        duration = max(0, math.floor(wanted / rate))
        start, index = int(info["recordFrame"]), int(info.get("trackIndex", 1))
        item = self._machine.new_item(
            name=media.name, start=start, duration=duration, media=media, source_in=first, rate=rate
        )
        tracks = timeline.tracks["video"]
        if not 1 <= index <= len(tracks) or info.get("mediaType", 1) != 1 or start < timeline.start or duration < 1:
            return item, False
        track = tracks[index - 1]
        if track.locked or not track.free(item.start, item.end):
            return item, False  # dropped, and nothing says so
        track.items.append(item)
        return item, True


class MediaStorage(Handle):
    _api = "MediaStorage"

    def _lenient(self, method: str) -> bool:
        return method == "AddClipMattesToMediaPool"

    def AddClipMattesToMediaPool(self, clip: Any, paths: Any, *eye: Any) -> bool:
        """A third argument that is no eye (several public wrappers pass a bin) gives False."""
        if eye and eye not in (("left",), ("right",)):
            return False
        if eye or not isinstance(clip, MediaPoolItem) or not isinstance(paths, list):
            raise self._machine.refuse(f"AddClipMattesToMediaPool of {paths} {eye}")
        if not clip._alive():
            return False
        attached = [self._attach(clip._model, str(path).replace("\\", "/")) for path in paths]
        return all(attached)

    def _attach(self, media: MediaModel, path: str) -> bool:
        form = "percent" if PERCENT.search(path) else "bracket" if BRACKET.search(path) else "file"
        if form == "file" and not Path(path).is_file():
            return False
        if form == "file" and Path(path).suffix.lower() in MOVIES:
            media.mattes.append(path)
            return True
        way = self._machine.switches.matte_forms[form]
        if way in ("nothing", "refused"):
            return bool(way == "nothing")
        if form == "percent":
            found = sorted(Path(path).parent.glob(PERCENT.sub("*", Path(path).name)))
            path = found[0].as_posix() if found else path
        if form == "bracket":
            path = BRACKET.sub(lambda numbers: numbers[1], path)
        run = run_of(Path(path))
        if not Path(path).is_file() or run is None:
            return False
        media.mattes.append(bracketed(*run) if way == "sequence" else path)
        return True


def sequence(machine: Any, pattern: str, first: int, last: int, rate: Fraction) -> MediaModel:
    """The media of an image sequence on disk, with the size its first file has."""
    name = Path(bracketed(pattern, first, last)).name
    size = picture_size(Path(pattern % first))
    return MediaModel(
        machine.new_id("media"), name, "sequence", Path(pattern).as_posix(), first, last - first + 1, rate, size
    )


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture's display window, or of a movie; (0, 0) where the file holds no picture."""
    import OpenImageIO as oiio

    file = oiio.ImageInput.open(str(path)) if path.is_file() and path.stat().st_size else None
    if file is None:
        oiio.geterror()
        return (0, 0)
    spec = file.spec()
    file.close()
    return (spec.full_width, spec.full_height)
