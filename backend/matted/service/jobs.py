"""What clients ask of jobs: to make mattes or name frames, how far it is, its events, its files."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import matted
from matted.batch.job import Job, claim
from matted.batch.recipe import refuse_another
from matted.batch.review.left_out import frames_to_leave_out
from matted.batch.segments import Segment, split
from matted.batch.shot import Shot
from matted.errors import MattedError, RequestError
from matted.media.matte import MatteSettings, MatteWriter
from matted.service.crew import Crew
from matted.service.envelope import plain, revive
from matted.service.footage import Footage, session_settings
from matted.service.gate import User
from matted.service.job_store import JobRow
from matted.service.store import MaskRow, ShotRow, Store, identity
from matted.weights import KNOWN, Identity, identify
from matted_protocol import messages

MOST_FILES = 200_000
"""Files in a folder of mattes made before."""

Buffers = Sequence[Any]


@dataclass(frozen=True)
class Jobs:
    """Carries out what is asked of jobs.

    Attributes:
        store: what is kept.
        footage: finds pixels.
        crew: the devices and their queue.
        weights: folder of named weights.
    """

    store: Store
    footage: Footage
    crew: Crew
    weights: Path
    _claiming: tuple[threading.Lock, ...] = field(init=False, default_factory=lambda: _locks(32))

    def propagate(self, row: ShotRow, opened: messages.OpenShot, body: messages.Propagate, user: User) -> messages.Job:
        """Queue the mattes of a shot.

        Raises:
            MattedError: the plate, a keyframe, a path or a setting is not as it should be.
        """
        masks = self.store.keyframes(row.id)
        shot = self.footage.shot(row, opened, masks, body.frames, operator=user.operator)
        out = self.store.matte_folder(row.id)
        if body.out is None:
            self.footage.check_room()
        else:
            out = self.footage.paths.resolve(body.out, operator=user.operator)
        mattes = MatteSettings(**plain(body.mattes))
        weights = self._identify(body.settings.weights, user)
        job = Job(shot, out, weights, session_settings(body.settings), mattes, body.suggestions, body.review)
        content = self._content(row, body, masks, shot, user, out)
        asked = [body.review, body.piece and plain(body.piece)] if body.review or body.piece else []
        found = identity([user.name, str(out), job.recipe(), body.suggestions, *asked])
        frames = _frames_of(body.piece, job)
        with self._claiming[hash(out) % len(self._claiming)]:  # requests at once still take a folder each, or share one
            known = self.store.job(found)
            if body.piece is not None:
                folder = out / body.piece.folder
                refuse_another(job, job.recipe(), folder)
            else:
                folder = claim(job) if known is None or known.folder is None else out / known.folder
            submitted = self.store.submit(
                JobRow(
                    found, 0, row.id, user.name, "propagate", body.priority, "queued", content, folder.name,
                    len(frames), 0, 0, None,
                )
            )  # fmt: skip
        if submitted.state == "done":
            self._make_whole(submitted, job, frames)
        return self._submit(found)

    def suggest(self, row: ShotRow, opened: messages.OpenShot, body: messages.Suggest, user: User) -> messages.Job:
        """Queue a search for the frames worth masking next.

        Raises:
            MattedError: as :meth:`propagate`.
        """
        masks = self.store.keyframes(row.id)
        shot = self.footage.shot(row, opened, masks, body.frames, operator=user.operator)
        frames = shot.wanted()
        made = None
        if body.mattes is not None:
            made = self.footage.paths.resolve(body.mattes, operator=user.operator)
        weights = self._identify(body.settings.weights, user)
        content = self._content(row, body, masks, shot, user, made)
        asked = {key: value for key, value in content["request"].items() if key not in ("watch", "priority")}
        mattes_seen = [] if made is None else self._stamp(made, user)
        seen = [content["masks"], shot.stamp(), weights.sha256, mattes_seen]
        found = identity([user.name, "suggest", asked, seen, matted.__version__])
        total = 0 if made else len(frames)
        self.store.submit(
            JobRow(found, 0, row.id, user.name, "suggest", body.priority, "queued", content, None, total, 0, 0, None)
        )
        return self._submit(found)

    def get_matte(self, body: messages.GetMatte, user: User) -> tuple[messages.Matte, Buffers]:
        """The matte files of a frame.

        Raises:
            RequestError: ``job_missing``, ``matte_missing``.
        """
        row = self.find(body.job, user)
        for event in self.store.events(row.id, after=0, most=row.seq):
            if event.type == "frame_done" and event.body["frame"] == body.frame:
                files = tuple(event.body["files"])
                return messages.Matte(row.id, body.frame, files), self._matte_files(row, body.frame, files)
        message = f"There is no matte of frame {body.frame} in job {row.id} yet."
        raise RequestError("matte_missing", message, hint="Watch the job, or propagate first.", frame=body.frame)

    def find(self, job: str, user: User) -> JobRow:
        """A job as the store has it.

        Raises:
            RequestError: ``job_missing``, also when it is somebody else's.
        """
        row = self.store.job(job)
        if row is None or not (user.operator or row.user == user.name):
            raise RequestError("job_missing", f"There is no job {job}.", hint="Propagate again.")
        return row

    def look(self, job: str, user: User) -> messages.Job:
        """A job as it is now.

        Raises:
            RequestError: ``job_missing``.
        """
        return self._job_info(self.find(job, user))

    def cancel(self, job: str, user: User) -> messages.Job:
        """Stop a job.

        Raises:
            RequestError: ``job_missing``.
        """
        row = self.find(job, user)
        if row.state in ("queued", "running"):
            self.crew.cancel(row.id)
        return self._job_info(self.find(job, user))

    def list_jobs(self, body: messages.ListJobs, user: User) -> messages.Jobs:
        """This user's jobs, the newest first; the operator sees everybody's."""
        where, values = ["1"], []
        if not user.operator:
            where.append("user = ?")
            values.append(user.name)
        if body.shot is not None:
            where.append("shot = ?")
            values.append(body.shot)
        if body.unfinished:
            where.append("state IN ('queued', 'running')")
        rows = self.store.jobs(" AND ".join(where), *values)
        return messages.Jobs(tuple(self._job_info(row) for row in reversed(rows)))

    def events(self, job: str, *, after: int, most: int, with_files: bool) -> list[tuple[str, Any, Buffers]]:
        """The next events of a job as they go over the wire."""
        row = self.store.job(job)
        told = []
        for event in self.store.events(job, after=after, most=most):
            body = {**event.body, "job": job, "seq": event.seq}
            if event.type in ("frame_done", "job_done"):
                body["folder"] = row and self._spelled(row)
            buffers: Buffers = ()
            if with_files and event.type == "frame_done" and row is not None:
                try:
                    buffers = self._matte_files(row, event.body["frame"], event.body["files"])
                except MattedError:  # gone since: the event still tells that it was made
                    body["files"] = ()
            told.append((event.type, body, buffers))
        return told

    def _identify(self, name: str, user: User) -> Identity:
        if name not in KNOWN:
            name = str(self.footage.paths.resolve(name, operator=user.operator))
        return identify(name, folder=self.weights)

    def _content(
        self, row: ShotRow, body: Any, masks: Sequence[MaskRow], shot: Shot, user: User, folder: Path | None
    ) -> dict[str, Any]:
        """All a job needs to be made again after a restart: keyframes and frames may have been added since."""
        assert shot.pinned is not None
        return {
            "request": plain(body),
            "opened": row.content,
            "masks": [asdict(mask) for mask in masks],
            "plate": shot.pinned.files,
            "operator": user.operator,
            "folder": None if folder is None else str(folder),
            "matted": matted.__version__,
        }

    def _stamp(self, folder: Path, user: User) -> list[Any]:
        """What tells whether mattes made before have changed."""
        files = [path for path in files_below(folder) if path.is_file()]
        self.footage.paths.check_all(files, operator=user.operator)
        return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]

    def _make_whole(self, row: JobRow, job: Job, frames: tuple[int, ...]) -> None:
        """A job that is done, of which somebody took mattes away, goes again."""
        writer = MatteWriter(
            job.out / str(row.folder), objects=job.shot.keyframes.objects, settings=job.mattes, info=job.shot.plate.info
        )
        gone = [frame for frame in frames if not writer.complete(frame)]
        if gone:
            self.store.forget_frames(row.id, gone)
            self.store.again(row.id)

    def _submit(self, job: str) -> messages.Job:
        row = self.store.job(job)
        assert row is not None, job
        if row.state in ("queued", "running"):
            self.crew.submit(row)
        return self._job_info(row)

    def _job_info(self, row: JobRow) -> messages.Job:
        error = None if row.error is None else revive(messages.Error, row.error)
        ahead = self.crew.ahead(row.id) if row.state == "queued" else 0
        return messages.Job(
            row.id,
            row.shot,
            row.user,
            row.kind,  # type: ignore[arg-type]
            row.priority,  # type: ignore[arg-type]
            row.state,  # type: ignore[arg-type]
            self._spelled(row),
            row.done,
            row.total,
            row.seq,
            ahead,
            error,
        )

    def _spelled(self, row: JobRow) -> str | None:
        """A job's folder the way the client spelled ``out``; None while the daemon keeps the mattes."""
        out = row.content["request"].get("out")
        if out is None or row.folder is None:
            return None
        slash = "\\" if "\\" in out and "/" not in out else "/"
        return f"{out.rstrip(slash)}{slash}{row.folder}"

    def _matte_files(self, row: JobRow, frame: int, files: Sequence[str]) -> list[bytes]:
        folder = Path(row.content["folder"]) / str(row.folder)
        try:
            return [(folder / name).read_bytes() for name in files]
        except OSError as error:
            message = f"The matte of frame {frame} in {folder} cannot be read: {error.strerror}."
            hint = "Propagate again: only what is gone is made anew."
            raise RequestError("matte_missing", message, hint=hint, path=folder, frame=frame) from error


def _locks(count: int) -> tuple[threading.Lock, ...]:
    return tuple(threading.Lock() for _ in range(count))


def _frames_of(piece: messages.Piece | None, job: Job) -> tuple[int, ...]:
    """The frames to make of a job, or of a piece of it.

    Raises:
        RequestError: ``bad_request``: the job cannot be cut so.
    """
    frames, keyframes = job.shot.wanted(), job.shot.keyframes.frames
    if piece is not None and piece.left_out is not None:
        if piece.left_out in frames_to_leave_out(job.shot):
            return ()
        message = f"Frame {piece.left_out} is no keyframe that can be left out."
    elif piece is None or piece.segment is None:
        return frames
    else:
        segment = Segment(*piece.segment)
        segments = split(frames, keyframes, job.session.direction)
        if segment in segments:
            return tuple(frame for frame in frames if frame in segment)
        message = f"The frames {segment} cannot be made alone; the job's segments are {', '.join(map(str, segments))}."
    raise RequestError(
        "bad_request", message, hint="Plan the pieces anew with the keyframes and the range as they are."
    )


def files_below(folder: Path) -> list[Path]:
    """Every file of a folder of mattes made before; links to other folders are not followed.

    Raises:
        RequestError: ``bad_request``: there are so many that these are no mattes.
    """
    found: list[Path] = []
    for entries, (parent, _, names) in enumerate(os.walk(folder)):
        found += [Path(parent, name) for name in names]
        if len(found) + entries > MOST_FILES:
            message = f"The folder {folder} holds more than {MOST_FILES} files; it is no folder of mattes."
            hint = "Name the folder of one object's mattes, or the version folder of a job."
            raise RequestError("bad_request", message, hint=hint, path=folder)
    return sorted(found)
