"""A stored job as something a worker can step: to be begun again from what the store keeps, at any time."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from matted.batch.bench import Bench
from matted.batch.job import Job, Run
from matted.batch.leaving import LeavingOut
from matted.batch.segments import Segment
from matted.batch.shot import Shot
from matted.batch.stamp import Stamp
from matted.batch.suggesting import Suggesting
from matted.engine.session import FrameDone
from matted.engine.suggest import Suggestion, SuggestSettings
from matted.media.matte import MatteSettings
from matted.service.envelope import plain, revive
from matted.service.footage import session_settings
from matted.service.job_store import JobRow
from matted.service.store import ShotRow, mask_row
from matted.weights import KNOWN, identify
from matted_protocol import messages

if TYPE_CHECKING:
    from matted.service.crew import Crew


class Task(Protocol):
    """A job on a device."""

    steps: Generator[FrameDone, None, None]

    def finish(self) -> dict[str, Any]:
        """What ``job_done`` tells, once the steps are through."""

    def close(self) -> None:
        """Put everything down; what is done stays."""


def begin(row: JobRow, *, crew: Crew, bench: Bench) -> Task:
    """Take up a job where it was left.

    Raises:
        MattedError: its plate, masks or folder are not as they should be.
    """
    if row.kind == "suggest":
        return _Suggest(row, crew, bench)
    request = revive(messages.Propagate, row.content["request"])
    is_left_out = request.piece is not None and request.piece.left_out is not None
    return _LeaveOut(row, request, crew, bench) if is_left_out else _Propagate(row, request, crew, bench)


class _Propagate:
    def __init__(self, row: JobRow, request: messages.Propagate, crew: Crew, bench: Bench) -> None:
        job, piece = _job(row, request, crew), request.piece
        self._row = row
        self._crew = crew
        self._objects = job.shot.keyframes.objects
        self._told = crew.store.frames_done(row.id)
        self._run = Run(
            job,
            segment=Segment(*piece.segment) if piece and piece.segment else None,
            folder=job.out / piece.folder if piece else None,
            bench=bench,
            key=row.shot,
            on_written=self._written,
            on_degraded=self._degraded,
        )
        try:
            self._run.start()
            crew.store.set_folder(row.id, self._run.folder.name)
        except BaseException:
            self._run.close()
            raise
        crew.publisher.news(row.id)
        self.steps = self._run.steps()

    def finish(self) -> dict[str, Any]:
        result = self._run.result()
        return {"computed": result.computed, "suggestions": _suggestions(result.suggestions)}

    def close(self) -> None:
        try:
            self.steps.close()
        finally:
            self._run.close()

    def _written(self, frame: int, confidence: tuple[float, ...], files: tuple[Path, ...]) -> None:
        if frame in self._told:
            return
        self._told.add(frame)
        body = {
            "frame": frame,
            "files": [path.relative_to(self._run.folder).as_posix() for path in files],
            "confidence": dict(zip(self._objects, confidence, strict=True)),
        }
        self._crew.store.add_event(self._row.id, "frame_done", body, frame=frame)
        self._crew.publisher.news(self._row.id)

    def _degraded(self, frame: int | None, message: str) -> None:
        _tell_degraded(self._row, self._crew, frame, message)


class _LeaveOut:
    def __init__(self, row: JobRow, request: messages.Propagate, crew: Crew, bench: Bench) -> None:
        piece = request.piece
        assert piece is not None and piece.left_out is not None
        self._leaving = LeavingOut(
            _job(row, request, crew),
            Path(row.content["folder"]) / piece.folder,
            piece.left_out,
            bench=bench,
            key=row.shot,
            on_degraded=lambda frame, message: _tell_degraded(row, crew, frame, message),
        )
        self._leaving.start()
        self.steps = self._leaving.steps()

    def finish(self) -> dict[str, Any]:
        return {"computed": 0, "suggestions": []}

    def close(self) -> None:
        self.steps.close()
        self._leaving.close()


class _Suggest:
    def __init__(self, row: JobRow, crew: Crew, bench: Bench) -> None:
        request = revive(messages.Suggest, row.content["request"])
        self._count = request.count
        self._settings = SuggestSettings(method=request.method, alpha=request.alpha)
        self._row = row
        self._crew = crew
        self._scratch = crew.store.scratch_folder(row.id)
        folder = row.content["folder"]
        self._looking = Suggesting(
            _shot(row, request.frames, crew),
            weights=identify(_weights(row, request.settings, crew), folder=crew.settings.weights),
            session=session_settings(request.settings),
            mattes=None if folder is None else Path(folder),
            scratch=self._scratch,
            bench=bench,
            key=row.shot,
            on_degraded=self._degraded,
        )
        self.steps = self._looking.steps()

    def finish(self) -> dict[str, Any]:
        found = self._looking.result(self._count, settings=self._settings)
        shutil.rmtree(self._scratch, ignore_errors=True)
        return {"computed": 0, "suggestions": _suggestions(found)}

    def close(self) -> None:
        self.steps.close()
        self._looking.close()

    def _degraded(self, frame: int | None, message: str) -> None:
        _tell_degraded(self._row, self._crew, frame, message)


def _job(row: JobRow, request: messages.Propagate, crew: Crew) -> Job:
    return Job(
        _shot(row, request.frames, crew),
        Path(row.content["folder"]),
        identify(_weights(row, request.settings, crew), folder=crew.settings.weights),
        session_settings(request.settings),
        MatteSettings(**plain(request.mattes)),
        request.suggestions,
        request.review,
    )


def _tell_degraded(row: JobRow, crew: Crew, frame: int | None, message: str) -> None:
    crew.store.add_event(row.id, "degraded", {"frame": frame, "message": message})
    crew.publisher.news(row.id)


def _shot(row: JobRow, frames: messages.Range | None, crew: Crew) -> Shot:
    """The shot as it was when the job was submitted; frames that came since are left out.

    Raises:
        PlateError: ``plate_changed``.
    """
    opened = revive(messages.OpenShot, row.content["opened"])
    masks = [mask_row(mask) for mask in row.content["masks"]]
    operator: bool = row.content["operator"]
    stamp = Stamp.from_plain(row.content["plate"])
    opened_row = ShotRow(row.shot, row.user, row.content["opened"])
    return crew.footage.shot(opened_row, opened, masks, frames, operator=operator, stamp=stamp)


def _weights(row: JobRow, settings: messages.Settings, crew: Crew) -> str:
    if settings.weights in KNOWN:
        return settings.weights
    return str(crew.footage.paths.resolve(settings.weights, operator=row.content["operator"]))


def _suggestions(found: Any) -> list[dict[str, Any]]:
    suggestions: list[Suggestion] = list(found)
    return [asdict(suggestion) for suggestion in suggestions]
