"""What must be put back in Resolve, written down before it is changed, so that even a killed script leaves nothing.

Entries are plain data: a later script, in another process, does what is left to do. Putting back is done by reading
Resolve again, never by believing what it answers, and may be done twice without harm.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from matted_plugin.host import HostError
from matted_protocol.connection import data_folder, write_private

if TYPE_CHECKING:
    from resolve_api import Folder, Project, Timeline, TimelineItem

    from matted_resolve.host.session import Session

PREFIX = "matted-"
"""What the name of every temporary folder of ours begins with."""

_STOPPING = 10.0
"""Seconds that Resolve is given to end a job of ours."""

_PAUSE = 0.02
"""Seconds between two tries to delete a job."""

Facts = Mapping[str, Any]

_T = TypeVar("_T")


class NotBack(HostError):
    """Something is not as it was yet, or Resolve does not say how it is."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "Close any dialog Resolve shows, wait until it is idle, and press the button again.")


def sure(ask: Callable[[], _T]) -> _T:
    """What Resolve answers twice in a row, for one answer alone may be a slip.

    Raises:
        NotBack: it answers differently each time.
    """
    answer = ask()
    for _ in range(3):
        again = ask()
        if again == answer and type(again) is type(answer):  # for True is 1
            return answer
        answer = again
    raise NotBack("Resolve answers the same question differently each time.")


def leftovers_file() -> Path:
    """Where what is left to put back outlives the script: of this machine, for home folders are shared."""
    machine = re.sub(r"[^A-Za-z0-9.-]+", "-", platform.node()) or "machine"
    return data_folder() / "plugins" / "resolve" / f"leftovers-{machine}.json"


class Leftovers:
    """The list of what has to be put back.

    Args:
        file: where it is kept; its folder is made when needed.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def note(self, kind: str, **facts: Any) -> int:
        """Write down what a change will have to be undone with, before it is made; returns the entry's token.

        Args:
            kind: a name in :data:`KINDS`.
            facts: plain data. With ``project``, the unique id of a project, it is done in that project alone;
                ``project_name`` is its name for people.

        Raises:
            HostError: it cannot be written; then the change must not be made.
        """
        entries = self._read()
        token = max((entry["token"] for entry in entries), default=0) + 1
        try:
            self._write([*entries, {"token": token, "kind": kind, "facts": facts}])
        except OSError as error:
            raise HostError(
                f"The file {self._file} cannot be written: {error.strerror}.",
                "See whether the disk is full and the folder can be written: nothing is changed in Resolve before"
                " it is written down there how to put it back.",
                path=str(self._file),
            ) from error
        return token

    def forget(self, token: int) -> None:
        """Strike out what was put back. Where that cannot be written it stays, and is put back again, without harm."""
        with contextlib.suppress(OSError):
            self._write([entry for entry in self._read() if entry["token"] != token])

    def kept(self) -> tuple[int, ...]:
        """The tokens of what is still to be put back, oldest first."""
        return tuple(entry["token"] for entry in self._read())

    def put_back(self, session: Session, tokens: Sequence[int] | None = None) -> tuple[str, ...]:
        """Put everything back, newest first; what fails is tried once more, and then stays for the next time.

        Args:
            session: Resolve.
            tokens: only these entries.

        Returns:
            A sentence for people about each thing that is not back.
        """
        told = []
        for entry in reversed(self._read()):
            if tokens is not None and entry["token"] not in tokens:
                continue
            why = _attempt(session, entry) and _attempt(session, entry)
            if why:
                told.append(why)
            else:
                self.forget(entry["token"])
        return tuple(dict.fromkeys(told))

    def _read(self) -> list[dict[str, Any]]:
        try:
            text = self._file.read_text("utf-8")
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise HostError(
                f"The file {self._file} cannot be read: {error}.",
                "It says what matted has to put back in Resolve: see who may read it.",
                path=str(self._file),
            ) from error
        entries = _parse(text)
        if entries is None:
            damaged = self._file.with_name(f"{self._file.stem}.damaged{self._file.suffix}")
            with contextlib.suppress(OSError):
                self._file.replace(damaged)
            return []
        return entries

    def _write(self, entries: list[dict[str, Any]]) -> None:
        if entries:
            write_private(self._file, json.dumps(entries, indent=1))
        else:
            self._file.unlink(missing_ok=True)


def _parse(text: str) -> list[dict[str, Any]] | None:
    """The entries of the file; None when it is damaged."""
    try:
        entries = json.loads(text)
        whole = all(
            isinstance(entry["token"], int) and isinstance(entry["kind"], str) and isinstance(entry["facts"], dict)
            for entry in entries
        )
    except (ValueError, TypeError, KeyError):
        return None
    return entries if whole and isinstance(entries, list) else None


def _attempt(session: Session, entry: Mapping[str, Any]) -> str:
    """Put one thing back; why not, or ''."""
    kind, facts = entry["kind"], entry["facts"]
    if kind not in KINDS:
        return f"Another version of matted left something in Resolve ({kind}): start Matted of that version once."
    try:
        belongs = facts.get("project")
        if belongs is not None and session.project().GetUniqueId() != belongs:
            name = facts.get("project_name") or "another project"
            return f"Something is left to put back in {name}: open it and start Matted there."
        KINDS[kind](session, facts)
    except HostError as error:
        return error.message
    except Exception as error:  # whatever a call raises: a method that is missing is None
        return f"Resolve did not let matted put back its {kind}: {error}."
    return ""


# One function a kind: it looks whether anything is to be done, does it, and looks again.


def _page(session: Session, facts: Facts) -> None:
    """Facts: page."""
    if session.resolve.GetCurrentPage() != facts["page"]:
        session.resolve.OpenPage(facts["page"])
        if session.resolve.GetCurrentPage() != facts["page"]:
            raise NotBack(f"Resolve does not go back to the {facts['page']} page.")


def find_timeline(project: Project, id: str) -> Timeline | None:
    """The timeline of a project by its unique id; None when it was deleted."""
    current = project.GetCurrentTimeline()
    if current and sure(lambda: current.GetUniqueId()) == id:
        return current
    for index in range(1, int(sure(lambda: project.GetTimelineCount())) + 1):
        found = project.GetTimelineByIndex(index)
        if not found:
            raise NotBack(f"Resolve does not show timeline {index} of the project.")
        if sure(lambda: found.GetUniqueId()) == id:  # noqa: B023 (called at once)
            return found
    return None


def _marks(session: Session, facts: Facts) -> None:
    """Facts: project, timeline (unique ids), marks as GetMarkInOut gave them. From Resolve 20 on."""
    timeline = find_timeline(session.project(), facts["timeline"])
    if timeline is None:
        return
    wanted: dict[str, dict[str, int]] = facts["marks"]
    for _ in range(2):
        now = sure(lambda: timeline.GetMarkInOut())
        if now == wanted or (wanted and _holds(now, wanted)):
            return
        timeline.ClearMarkInOut("all")
        alike = wanted.get("video") == wanted.get("audio")
        for kind, mark in wanted.items():  # one mark alone cannot be set: the other is the timeline's end
            last = int(timeline.GetEndFrame()) - int(timeline.GetStartFrame()) - 1
            timeline.SetMarkInOut(mark.get("in", 0), mark.get("out", last), "all" if alike else kind)
    raise NotBack(f"The in and out marks of the timeline {timeline.GetName()} are not as they were.")


def _holds(now: Any, wanted: dict[str, dict[str, int]]) -> bool:
    """Whether every mark is there where one alone was set."""
    return any(len(mark) < 2 for mark in wanted.values()) and all(
        now.get(kind, {}).get(side) == frame for kind, mark in wanted.items() for side, frame in mark.items()
    )


def _range(session: Session, facts: Facts) -> None:
    """Facts: project, timeline (unique ids), first, last: timeline frames of the marks. Before Resolve 20.

    There the marks can be set by the render settings alone, on the Deliver page, and not be read: so it is said twice.
    """
    project = session.project()
    current = project.GetCurrentTimeline()
    if not current or sure(lambda: current.GetUniqueId()) != facts["timeline"]:
        if find_timeline(project, facts["timeline"]) is None:
            return
        raise NotBack("The in and out marks of a timeline are not as they were: open it, and start Matted there.")
    page = sure(lambda: session.resolve.GetCurrentPage())
    if page and page != "deliver":
        session.resolve.OpenPage("deliver")
    for _ in range(2):
        project.SetRenderSettings({"MarkIn": facts["first"], "MarkOut": facts["last"]})
    if page:
        _page(session, {"page": page})


def _track(session: Session, facts: Facts) -> None:
    """Facts: project, timeline (unique ids), track (video track, 1-based), enabled."""
    timeline = find_timeline(session.project(), facts["timeline"])
    if timeline is None:
        return
    track, enabled = facts["track"], facts["enabled"]
    if track > int(sure(lambda: timeline.GetTrackCount("video"))) or track_is_on(timeline, track) is enabled:
        return
    timeline.SetTrackEnable("video", track, enabled)
    if track_is_on(timeline, track) is not enabled:
        raise NotBack(f"Video track {track} of {timeline.GetName()} is not {'on' if enabled else 'off'} as it was.")


def track_is_on(timeline: Timeline, track: int) -> bool:
    """Whether a video track is enabled.

    Raises:
        NotBack: Resolve does not say.
    """
    told = sure(lambda: timeline.GetIsTrackEnabled("video", track))
    if not isinstance(told, bool):
        raise NotBack(f"Resolve does not say whether video track {track} is on.")
    return told


def preset_names(project: Project) -> tuple[str, ...]:
    """The names of the render presets, however this version lists them.

    Raises:
        NotBack: Resolve does not list them.
    """
    told: Any = project.GetRenderPresetList()
    if not isinstance(told, (list, tuple)):
        raise NotBack("Resolve does not list its render presets.")
    return tuple(str(one.get("RenderPresetName") or one.get("PresetName")) if isinstance(one, dict) else str(one)
                 for one in told)  # fmt: skip


def _preset(session: Session, facts: Facts) -> None:
    """Facts: project, name of the temporary preset with the settings as they were, format with its codec as it was.

    The settings cannot be read; that they are back shows by the format, which the preset holds too.
    """
    project, name = session.project(), facts["name"]
    if name not in preset_names(project):
        return  # put back before, or never saved, and then nothing was changed
    loaded = project.LoadRenderPreset(name)
    now = project.GetCurrentRenderFormatAndCodec()
    if not loaded or now != facts["format"]:
        raise NotBack(f"Resolve does not load the render settings kept as {name}.")
    drop_preset(project, name)


def drop_preset(project: Project, name: str) -> None:
    """Delete a render preset of ours.

    Raises:
        NotBack: it is still there.
    """
    if name in preset_names(project):
        project.DeleteRenderPreset(name)
        if name in preset_names(project):
            raise NotBack(f"The render preset {name} could not be deleted: delete it on the Deliver page.")


def _format(session: Session, facts: Facts) -> None:
    """Facts: project, format: what GetCurrentRenderFormatAndCodec gave."""
    project, wanted = session.project(), facts["format"]
    if project.GetCurrentRenderFormatAndCodec() != wanted:
        project.SetCurrentRenderFormatAndCodec(wanted["format"], wanted["codec"])
        if project.GetCurrentRenderFormatAndCodec() != wanted:
            raise NotBack(f"The render format is no longer {wanted['format']} {wanted['codec']}, as it was.")


def _render_mode(session: Session, facts: Facts) -> None:
    """Facts: project, mode (0 individual clips, 1 single clip)."""
    project = session.project()
    if sure(lambda: project.GetCurrentRenderMode()) != facts["mode"]:
        project.SetCurrentRenderMode(facts["mode"])
        if sure(lambda: project.GetCurrentRenderMode()) != facts["mode"]:
            told = ("individual clips", "single clip")[facts["mode"]]
            raise NotBack(f"The Deliver page no longer renders {told}, as it did.")


def our_jobs(project: Project, folder: str) -> list[str]:
    """The ids of the render jobs that write to a folder of ours.

    Raises:
        NotBack: Resolve does not list its jobs.
    """
    return [str(job["JobId"]) for job in jobs(project) if same_folder(str(job.get("TargetDir", "")), folder)]


def jobs(project: Project) -> list[dict[str, Any]]:
    """Every render job, as Resolve describes it: JobId, TargetDir, MarkIn, MarkOut, …

    Raises:
        NotBack: Resolve does not list its jobs.
    """
    told: Any = project.GetRenderJobList()
    if not isinstance(told, (list, tuple)):
        raise NotBack("Resolve does not list its render jobs.")
    return [dict(job) for job in told]


def same_folder(one: str, other: str) -> bool:
    """Whether two texts name the same folder."""
    return bool(one) and _plain(one) == _plain(other)


def _plain(path: str) -> str:
    return os.path.normcase(os.path.realpath(path.replace("\\", "/") if os.name != "nt" else path))


def _job(session: Session, facts: Facts) -> None:
    """Facts: project, folder that the job writes to; id, when Resolve gave it another folder.

    Only a job that writes to our folder is ours, and rendering is only stopped while ours is the one rendered:
    StopRendering stops whoever renders.
    """
    project = session.project()
    until = time.monotonic() + _STOPPING
    there = _named(project, facts)
    while there:
        for id in there:
            if _renders(project, id):
                project.StopRendering()
            project.DeleteRenderJob(id)
        there = _named(project, facts)
        if there and time.monotonic() > until:
            raise NotBack(f"A render job of matted is still in the queue ({there[0]}): delete it on the Deliver page.")
        if there:
            time.sleep(_PAUSE)


def _named(project: Project, facts: Facts) -> list[str]:
    """The ids of the jobs that are still there of those the facts tell."""
    there = our_jobs(project, facts["folder"])
    id = facts.get("id")
    return there if id is None or id in there or id not in [job["JobId"] for job in jobs(project)] else [*there, id]


def _renders(project: Project, id: str) -> bool:
    """Whether this very job is being rendered now. Its status is in the language of the interface."""
    if not project.IsRenderingInProgress():
        return False
    status: Any = project.GetRenderJobStatus(id)
    if not isinstance(status, dict):
        raise NotBack(f"Resolve does not tell how its render job {id} goes.")
    return "EstimatedTimeRemainingInMs" in status or str(status.get("JobStatus", "")).lower() == "rendering"


def items_in(timeline: Timeline, track: int) -> list[TimelineItem]:
    """The clips of a video track.

    Raises:
        NotBack: Resolve does not list them.
    """
    told = timeline.GetItemListInTrack("video", track)
    if not isinstance(told, (list, tuple)):
        raise NotBack(f"Resolve does not list the clips of video track {track}.")
    return list(told)


def _clips(session: Session, facts: Facts) -> None:
    """Facts: project, timeline (unique ids), track, clips (unique ids of those that were enabled)."""
    timeline = find_timeline(session.project(), facts["timeline"])
    if timeline is None:
        return
    off = []
    for item in items_in(timeline, facts["track"]):
        if sure(lambda: item.GetUniqueId()) not in facts["clips"]:  # noqa: B023 (called at once)
            continue
        if sure(lambda: item.GetClipEnabled()) is not True:  # noqa: B023
            item.SetClipEnabled(True)
            if sure(lambda: item.GetClipEnabled()) is not True:  # noqa: B023
                off.append(str(item.GetName()))
    if off:
        raise NotBack(f"On video track {facts['track']} these clips are still disabled: {', '.join(off)}.")


def _bin(session: Session, facts: Facts) -> None:
    """Facts: project, folder (unique id of the media pool's bin that was the current one)."""
    pool = session.media_pool()
    current = pool.GetCurrentFolder()
    if current is not None and current.GetUniqueId() == facts["folder"]:
        return
    root = pool.GetRootFolder()
    if root is None:
        raise NotBack("Resolve does not show the bins of its media pool.")
    found = _find_bin(root, facts["folder"])
    if found is None:
        return  # it was deleted
    pool.SetCurrentFolder(found)
    current = pool.GetCurrentFolder()
    if current is None or current.GetUniqueId() != facts["folder"]:
        raise NotBack(f"The bin {found.GetName()} is no longer the current one, as it was.")


def _find_bin(folder: Folder, id: str) -> Folder | None:
    if sure(lambda: folder.GetUniqueId()) == id:
        return folder
    for below in folder.GetSubFolderList():
        found = _find_bin(below, id)
        if found is not None:
            return found
    return None


def _folder(session: Session, facts: Facts) -> None:
    """Facts: path of a temporary folder of ours on disk."""
    path = Path(facts["path"])
    if not path.name.startswith(PREFIX):
        raise NotBack(f"The folder {path} is not matted's to delete.")
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        raise NotBack(f"The temporary folder {path} could not be deleted: delete it by hand.")


KINDS: dict[str, Callable[[Session, Facts], None]] = {
    "page": _page,
    "marks": _marks,
    "range": _range,
    "track": _track,
    "clips": _clips,
    "preset": _preset,
    "job": _job,
    "bin": _bin,
    "render_mode": _render_mode,
    "format": _format,
    "folder": _folder,
}
"""How each kind is put back. Others add their own; a function raises :class:`NotBack` while it is not as it was, and
does nothing where there is nothing to do."""
