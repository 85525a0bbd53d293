"""The Deliver page while it is ours: taken with everything written down, and given back as it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable
from uuid import uuid4

from matted_plugin.host import HostError
from matted_resolve.host.clip import FITTING, Clip
from matted_resolve.host.leftovers import (
    PREFIX,
    Leftovers,
    NotBack,
    items_in,
    jobs,
    preset_names,
    same_folder,
    sure,
    track_is_on,
)
from matted_resolve.host.look import SIZES, setting
from matted_resolve.host.session import asked

if TYPE_CHECKING:
    from resolve_api import Project, Timeline, TimelineItem

    from matted_resolve.host.session import Session

RESTORE = "Matted restore "
"""How the name of a preset begins that holds the artist's settings while we render."""
PRESS = "Press the button again"


class Deliver:
    """The Deliver page while it is ours.

    Args:
        session: Resolve.
        item: the clip.
        clip: the same, as it was read.
        leftovers: where changes are written down.

    Attributes:
        clip: as given.
        folder: a temporary folder of ours.
    """

    def __init__(self, session: Session, item: TimelineItem, clip: Clip, leftovers: Leftovers) -> None:
        self.clip = clip
        self.folder = Path()
        self._session = session
        self._item = item
        self._leftovers = leftovers
        self._tokens: list[int] = []
        self._project_id = ""
        self._project_name = ""
        self._timeline_id = ""

    def take(self, work: Path, count: int) -> Iterator[None]:
        """See whether all is well, write down how things are, and take the Deliver page.

        The order matters for putting back, which goes backwards: first the settings, then the page, and then the
        marks, for to open the Deliver page changes them. Before Resolve 20 they are put back on that page.

        Args:
            work: folder on a disk with room.
            count: how many frames are to be rendered.

        Yields:
            Between short steps.

        Raises:
            HostError: it cannot be done; what was changed is put back by :meth:`close`.
        """
        project, timeline = self._session.project(), self._session.timeline()
        self._project_id = sure(lambda: project.GetUniqueId())
        self._project_name = str(asked(lambda: project.GetName()) or "")
        self.see_idle(project)
        self._see_clip()
        self._see_geometry()
        self.see_room(work, count)
        yield
        self._make_folder(work)
        self._timeline_id = sure(lambda: timeline.GetUniqueId())
        new = timeline.GetMarkInOut is not None  # from Resolve 20 on
        if new:
            self.note(
                "marks", timeline=self._timeline_id, marks=known(lambda: timeline.GetMarkInOut(), dict, "the marks")
            )
        mode = known(lambda: project.GetCurrentRenderMode(), int, "the render mode")
        now = dict(known(lambda: project.GetCurrentRenderFormatAndCodec(), dict, "the render format"))
        page = self._note_page()
        self.note("render_mode", mode=mode)
        if now.get("format") and now.get("codec"):
            self.note("format", format=now)
        yield
        self._keep_settings(self.timeline()[0], now)
        yield
        if not new:
            self._note_range(self.timeline()[0])
        if page:
            self._take_page()
        yield
        self._clear_tracks(self.timeline()[1])

    def close(self) -> tuple[str, ...]:
        """Put everything back; sentences about what is not."""
        tokens, self._tokens = self._tokens, []
        return self._leftovers.put_back(self._session, tokens) if tokens else ()

    def put_back(self, token: int) -> None:
        """Put one thing back before the end; what fails is tried again then."""
        if not self._leftovers.put_back(self._session, [token]):
            self._tokens.remove(token)

    def note(self, kind: str, **facts: Any) -> int:
        """Write down a change in this project before it is made; returns the token."""
        token = self._leftovers.note(kind, project=self._project_id, project_name=self._project_name, **facts)
        self._tokens.append(token)
        return token

    def project(self) -> Project:
        """The project, which must still be the one we began in."""
        project = self._session.project()
        if project.GetUniqueId() != self._project_id:
            raise HostError(
                f"The project with {self.clip.name} was closed while it was rendered.",
                "Open it again, then press the button again.",
            )
        return project

    def timeline(self) -> tuple[Project, Timeline]:
        """The project and its timeline, which must still be the one we began in: jobs are made of the open one."""
        project, timeline = self.project(), self._session.timeline()
        if sure(lambda: timeline.GetUniqueId()) != self._timeline_id:
            raise HostError(
                f"Another timeline than that of {self.clip.name} was opened while it was rendered.",
                f"Open it again. {PRESS}.",
            )
        return project, timeline

    def see_idle(self, project: Project) -> None:
        """Refuse while Resolve renders."""
        if sure(lambda: bool(project.IsRenderingInProgress())):
            raise HostError(
                f"{self.clip.name} cannot be rendered: Resolve is rendering something else.",
                "Wait until it has finished, then press the button again.",
            )

    def _see_clip(self) -> None:
        if sure(lambda: self._item.GetClipEnabled()) is False:
            raise HostError(f"{self.clip.name} is disabled: it would be rendered black.", "Enable it on the Edit page.")

    def _see_geometry(self) -> None:
        """A mask rendered by the timeline lies over files of another size only where the timeline fits them whole."""
        if not self.clip.source:
            return
        width, height = self.clip.size
        told = [setting(self._session, name) for name in SIZES]
        if told[:2] == [str(width), str(height)] or not (told[0].isdigit() and told[1].isdigit()):
            return
        same_shape = abs(width * int(told[1]) - height * int(told[0])) <= max(int(told[0]), int(told[1]))
        if not same_shape or told[2] not in FITTING:
            raise HostError(
                f"The masks of {self.clip.name} would not lie over its files: these are {width} x {height}, and the"
                f" timeline shows them in {told[0]} x {told[1]}.",
                "Choose to have the plate rendered for this clip: then plate and masks are of the timeline's size.",
            )

    def see_room(self, work: Path, count: int) -> None:
        """Refuse when so many frames do not fit on the disk."""
        there = work
        while not there.exists() and there != there.parent:
            there = there.parent
        width, height = self.clip.size
        needed = count * width * height * 8
        try:
            free = shutil.disk_usage(there).free
        except OSError:
            return  # whoever writes there says why not
        if free < needed:
            raise HostError(
                f"{self.clip.name}: {count} frames need {_gigabytes(needed)} on the disk of {work}, which has"
                f" {_gigabytes(free)} free.",
                "Make room, or choose another folder for the mattes.",
                path=str(work),
            )

    def _make_folder(self, work: Path) -> None:
        self.folder = work / f"{PREFIX}{uuid4().hex[:12]}"
        self._tokens.append(self._leftovers.note("folder", path=str(self.folder)))
        try:
            self.folder.mkdir(parents=True)
        except OSError as error:
            raise disk_error(error, self.folder) from error

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
        raise HostError("Resolve does not go to the Deliver page.", f"Go there yourself. {PRESS}.")

    def _note_range(self, project: Project) -> None:
        """The marks as a job of ours has them, which is deleted at once: before Resolve 20 nothing else tells them."""
        for _ in range(2):
            project.SetRenderSettings({"SelectAllFrames": False, "TargetDir": str(self.folder)})
        token = self.note("job", folder=str(self.folder))
        for _ in range(2):
            project.AddRenderJob()
            mine = [job for job in jobs(project) if same_folder(str(job.get("TargetDir", "")), str(self.folder))]
            if mine:
                break
        self._leftovers.put_back(self._session, [token])
        first, last = (mine[0].get("MarkIn"), mine[0].get("MarkOut")) if mine else (None, None)
        if isinstance(first, int) and isinstance(last, int):
            self.note("range", timeline=self._timeline_id, first=first, last=last)

    def _keep_settings(self, project: Project, now: dict[str, Any]) -> None:
        """The settings cannot be read; a preset holds them."""
        name = f"{RESTORE}{uuid4().hex[:8]}"
        self.note("preset", name=name, format=now)
        for _ in range(2):
            project.SaveAsNewRenderPreset(name)
            if name in preset_names(project):
                return
        raise HostError(
            "Resolve does not keep the settings of the Deliver page as a preset, so they could not be put back.",
            f"Save the project under a name, choose a format on the Deliver page. {PRESS}.",
        )

    def _clear_tracks(self, timeline: Timeline) -> None:
        """Only the clip's own track is on: a single clip shows what lies above it too."""
        count = known(lambda: timeline.GetTrackCount("video"), int, "how many video tracks there are")
        for track in range(1, count + 1):
            wanted, on = track == self.clip.track, track_is_on(timeline, track)
            if on is wanted:
                continue
            self.note("track", timeline=self._timeline_id, track=track, enabled=on)
            for _ in range(2):
                timeline.SetTrackEnable("video", track, wanted)
                if track_is_on(timeline, track) is wanted:
                    break
            else:
                raise HostError(
                    f"Video track {track} cannot be switched {'on' if wanted else 'off'}, so {self.clip.name} cannot"
                    " be rendered alone.",
                    "Unlock the track, or switch it yourself.",
                )

    def clear_clips(self) -> None:
        """The other clips of the track are disabled: individual clips would be rendered of each."""
        timeline, track = self.timeline()[1], self.clip.track
        others = {}
        for item in items_in(timeline, track):
            if sure(lambda: item.GetClipEnabled()) is True:  # noqa: B023 (called at once)
                others[sure(lambda: item.GetUniqueId())] = item  # noqa: B023
        if others.pop(self.clip.key, None) is None:
            raise HostError(
                f"{self.clip.name} is no longer on video track {track}.",
                "Look for it on the timeline, and press again.",
            )
        if others:
            self.note("clips", timeline=self._timeline_id, track=track, clips=list(others))
        for item in others.values():
            item.SetClipEnabled(False)


def known(ask: Callable[[], Any], kind: type, what: str) -> Any:
    """What Resolve answers twice alike, of the kind it has to be."""
    told = sure(ask)
    if kind is int and isinstance(told, float) and told.is_integer():  # the bridge gives some numbers as floats
        return int(told)
    if not isinstance(told, kind) or isinstance(told, bool):
        raise NotBack(f"Resolve does not say {what}.")
    return told


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def disk_error(error: Exception, path: Path) -> HostError:
    """What to tell of a file that cannot be written or read."""
    told = error.strerror if isinstance(error, OSError) else str(error)
    return HostError(
        f"{path} cannot be written or read: {told}.",
        "See whether the disk is full and the folder can be written, or choose another folder for the mattes.",
        path=str(path),
    )
