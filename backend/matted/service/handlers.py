"""What each request does. Runs in the server's pool: may touch disks, never the device."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import matted
from matted.batch.job import Job, claim
from matted.batch.keyframes import UNNAMED
from matted.errors import MaskError, MattedError, RequestError
from matted.media.mask import read_masks
from matted.media.matte import MatteSettings, MatteWriter
from matted.media.spool import SUFFIX, write_pixels
from matted.service.crew import Crew
from matted.service.envelope import Envelope, plain, revive
from matted.service.footage import Footage, check_inside, no_room, session_settings
from matted.service.gate import User
from matted.service.store import JobRow, MaskRow, ShotRow, Store, identity
from matted.weights import KNOWN, Identity, identify
from matted_protocol import messages

MAX_MASK = 2**30
"""Bytes of a mask file."""

MOST_FILES = 200_000
"""Files in a folder of mattes made before."""

_HOSTILE = re.compile(r"[^\w.-]+", re.ASCII)

Buffers = Sequence[Any]


@dataclass(frozen=True)
class Handlers:
    """Carries out requests.

    Attributes:
        store: what is kept.
        footage: finds pixels.
        crew: the devices and their queue.
        weights: folder of named weights.
        status: how the daemon is.
        stop: ends the daemon.
    """

    store: Store
    footage: Footage
    crew: Crew
    weights: Path
    status: Callable[[], messages.Status]
    stop: Callable[[], None]
    _claiming: tuple[threading.Lock, ...] = field(init=False, default_factory=lambda: _locks(32))

    def handle(self, request: Envelope, user: User) -> tuple[Any, Buffers]:
        """Carry out a request.

        Raises:
            MattedError: whatever the client did wrong or met.
        """
        try:
            answer = getattr(self, f"_{request.type}")(request.body, user, *request.buffers)
        except OSError as error:
            raise no_room(self.store.folder, error) from error
        return answer if isinstance(answer, tuple) else (answer, ())

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

    # Shots

    def _status(self, body: messages.GetStatus, user: User) -> messages.Status:
        return self.status()

    def _open_shot(self, body: messages.OpenShot, user: User) -> messages.Shot:
        content = plain(body)
        shot = identity([user.name, content])
        if body.plate.path is not None:
            self.footage.extent(shot, body.plate, operator=user.operator)  # refuse what is not there
        else:
            self.footage.check_color(body.plate, operator=user.operator)
        return self._shot_info(self.store.open_shot(user.name, content), user)

    def _put_plate(self, body: messages.PutPlate, user: User, buffer: memoryview) -> messages.Put:
        row, opened = self._shot(body.shot, user)
        return messages.Put(self.footage.put(row.id, opened.plate, body.frame, body.pixels, buffer))

    def _list_shots(self, body: messages.ListShots, user: User) -> messages.Shots:
        rows = self.store.shots(None if user.operator else user.name)
        return messages.Shots(tuple(self._shot_info(row, user) for row in rows))

    def _close_shot(self, body: messages.CloseShot, user: User) -> messages.Done:
        row, _ = self._shot(body.shot, user)
        self.crew.close_shot(row.id)
        return messages.Done()

    def _delete_shot(self, body: messages.DeleteShot, user: User) -> messages.Done:
        row, _ = self._shot(body.shot, user)
        self.crew.close_shot(row.id)
        for job in self.store.jobs("shot = ? AND state IN ('queued', 'running')", row.id):
            self.crew.cancel(job.id)
            self.crew.wait_for(job.id)
        self.store.delete_shot(row.id)
        return messages.Done()

    # Keyframes

    def _set_keyframe(self, body: messages.SetKeyframe, user: User, *buffers: memoryview) -> messages.Keyframes:
        row, opened = self._shot(body.shot, user)
        size = self._plate_size(row, opened, body.frame, user)
        if body.path is not None:
            path = self.footage.paths.resolve(body.path, operator=user.operator)
            mask = self._keep_file(body, path, size)
        else:
            mask = self._keep_pixels(body, buffers[0], size)
        self.store.set_keyframe(row.id, mask)
        return self._keyframes(row)

    def _remove_keyframe(self, body: messages.RemoveKeyframe, user: User) -> messages.Keyframes:
        row, _ = self._shot(body.shot, user)
        self.store.remove_keyframe(row.id, body.frame, body.object)
        return self._keyframes(row)

    def _list_keyframes(self, body: messages.ListKeyframes, user: User) -> messages.Keyframes:
        return self._keyframes(self._shot(body.shot, user)[0])

    # Jobs

    def _propagate(self, body: messages.Propagate, user: User) -> messages.Job:
        row, opened = self._shot(body.shot, user)
        masks = self.store.keyframes(row.id)
        shot = self.footage.shot(row, opened, masks, body.frames, operator=user.operator)
        out = self.store.matte_folder(row.id)
        if body.out is not None:
            out = self.footage.paths.resolve(body.out, operator=user.operator)
        mattes = MatteSettings(**plain(body.mattes))
        weights = self._identify(body.settings.weights, user)
        job = Job(shot, out, weights, session_settings(body.settings), mattes, body.suggestions)
        content = self._content(row, body, masks, user, out)
        content["stamp"] = shot.stamp()
        found = identity([user.name, str(out), job.recipe(), body.suggestions])
        with self._claiming[hash(out) % len(self._claiming)]:  # requests at once still take a folder each, or share one
            known = self.store.job(found)
            folder = claim(job) if known is None or known.folder is None else out / known.folder
            submitted = self.store.submit(
                JobRow(
                    found, 0, row.id, user.name, "propagate", body.priority, "queued", content, folder.name,
                    len(shot.wanted()), 0, 0, None,
                )
            )  # fmt: skip
        if submitted.state == "done":
            self._make_whole(submitted, job)
        return self._submit(found)

    def _suggest(self, body: messages.Suggest, user: User) -> messages.Job:
        row, opened = self._shot(body.shot, user)
        masks = self.store.keyframes(row.id)
        shot = self.footage.shot(row, opened, masks, body.frames, operator=user.operator)
        frames = shot.wanted()
        made = None
        if body.mattes is not None:
            made = self.footage.paths.resolve(body.mattes, operator=user.operator)
        weights = self._identify(body.settings.weights, user)
        content = self._content(row, body, masks, user, made)
        content["stamp"] = shot.stamp()
        asked = {key: value for key, value in content["request"].items() if key not in ("watch", "priority")}
        mattes_seen = [] if made is None else self._stamp(made, user)
        seen = [content["masks"], content["stamp"], weights.sha256, mattes_seen]
        found = identity([user.name, "suggest", asked, seen, matted.__version__])
        total = 0 if made else len(frames)
        self.store.submit(
            JobRow(found, 0, row.id, user.name, "suggest", body.priority, "queued", content, None, total, 0, 0, None)
        )
        return self._submit(found)

    def _get_matte(self, body: messages.GetMatte, user: User) -> tuple[messages.Matte, Buffers]:
        row = self._job(body.job, user)
        for event in self.store.events(row.id, after=0, most=row.seq):
            if event.type == "frame_done" and event.body["frame"] == body.frame:
                files = tuple(event.body["files"])
                return messages.Matte(row.id, body.frame, files), self._matte_files(row, body.frame, files)
        message = f"There is no matte of frame {body.frame} in job {row.id} yet."
        raise RequestError("matte_missing", message, hint="Watch the job, or propagate first.", frame=body.frame)

    def _watch(self, body: messages.Watch, user: User) -> messages.Job:
        return self._job_info(self._job(body.job, user))

    def _cancel(self, body: messages.Cancel, user: User) -> messages.Job:
        row = self._job(body.job, user)
        if row.state in ("queued", "running"):
            self.crew.cancel(row.id)
        return self._job_info(self._job(body.job, user))

    def _list_jobs(self, body: messages.ListJobs, user: User) -> messages.Jobs:
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

    def _shutdown(self, body: messages.Shutdown, user: User) -> messages.Done:
        if not user.operator:
            message = "Only whoever started the daemon can stop it."
            raise RequestError("not_allowed", message, hint="Ask them, or run 'matted stop' where it runs.")
        self.stop()
        return messages.Done()

    # What they share

    def _shot(self, shot: str, user: User) -> tuple[ShotRow, messages.OpenShot]:
        row = self.store.shot(shot)
        if row is None or not (user.operator or row.user == user.name):
            message = f"There is no shot {shot}."
            raise RequestError("shot_missing", message, hint="Open the shot again.")
        return row, revive(messages.OpenShot, row.content)

    def _job(self, job: str, user: User) -> JobRow:
        row = self.store.job(job)
        if row is None or not (user.operator or row.user == user.name):
            raise RequestError("job_missing", f"There is no job {job}.", hint="Propagate again.")
        return row

    def _plate_size(self, row: ShotRow, opened: messages.OpenShot, frame: int, user: User) -> tuple[int, int]:
        if opened.plate.size is not None:
            return opened.plate.size
        size, sequence = self.footage.extent(row.id, opened.plate, operator=user.operator)
        check_inside(frame, sequence)
        return size

    def _keep_file(self, body: messages.SetKeyframe, path: Path, size: tuple[int, int]) -> MaskRow:
        if not path.is_file():
            message = f"The mask of frame {body.frame}, {path}, does not exist."
            raise MaskError("mask_missing", message, hint="Check the path of the mask.", path=path, frame=body.frame)
        if path.stat().st_size > MAX_MASK:
            message = f"The mask {path} is {path.stat().st_size / 2**30:.1f} GiB."
            raise RequestError("too_large", message, hint="Export the mask alone, compressed.", path=path)
        try:
            content = path.read_bytes()
        except OSError as error:
            message = f"The mask of frame {body.frame}, {path}, cannot be read: {error.strerror}."
            hint = "Let whoever runs the daemon read it."
            raise MaskError("mask_unreadable", message, hint=hint, path=path, frame=body.frame) from error
        with self.store.workspace() as folder:
            copy = Path(folder) / path.name
            copy.write_bytes(content)
            return self._checked(body, copy, path, size)

    def _keep_pixels(self, body: messages.SetKeyframe, buffer: memoryview, size: tuple[int, int]) -> MaskRow:
        pixels = body.pixels
        assert pixels is not None
        name = _HOSTILE.sub("-", body.object or "mask")[:64]
        with self.store.workspace() as folder:
            copy = Path(folder) / f"{name}.{body.frame}{SUFFIX[pixels.dtype]}"
            write_pixels(copy, buffer, size=(pixels.width, pixels.height), channels=pixels.channels, dtype=pixels.dtype)
            return self._checked(body, copy, Path(copy.name), size)

    def _checked(self, body: messages.SetKeyframe, copy: Path, named: Path, size: tuple[int, int]) -> MaskRow:
        """Read a copy of the mask once, then keep it: what cannot be used is refused now, not in the middle of a job.

        Raises:
            MaskError: it tells of the file as the client ``named`` it.
        """
        try:
            found = read_masks(copy, size=size, frame=body.frame, layer=body.layer, pick=body.pick)
        except MaskError as error:
            message, hint = (text.replace(str(copy), str(named)) for text in (error.message, error.hint))
            raise MaskError(error.code, message, hint=hint, path=named, frame=error.frame) from error
        names = (body.object,) if body.object is not None else tuple(object_ or UNNAMED for object_ in found)
        sha256 = self.store.keep_mask(copy.read_bytes(), copy.name)
        return MaskRow(body.frame, body.object, copy.name, sha256, names, body.layer, body.pick)

    def _keyframes(self, row: ShotRow) -> messages.Keyframes:
        masks: dict[int, list[messages.Mask]] = {}
        for mask in self.store.keyframes(row.id):
            told = messages.Mask(mask.object, mask.name, mask.sha256, mask.layer, mask.pick)
            masks.setdefault(mask.frame, []).append(told)
        frames = tuple(messages.Keyframe(frame, tuple(found)) for frame, found in sorted(masks.items()))
        return messages.Keyframes(row.id, frames, self._objects(row.id))

    def _objects(self, shot: str) -> tuple[messages.ObjectInfo, ...]:
        return tuple(messages.ObjectInfo(number, name) for number, name in self.store.objects(shot))

    def _shot_info(self, row: ShotRow, user: User) -> messages.Shot:
        opened = revive(messages.OpenShot, row.content)
        size = opened.plate.size or (0, 0)
        frames: tuple[int, ...] = ()
        with suppress(MattedError):  # a plate or config that is away for now is still listed
            size, sequence = self.footage.extent(row.id, opened.plate, operator=user.operator)
            frames = wanted(sequence.frames, opened)
        keyframes = tuple(sorted({mask.frame for mask in self.store.keyframes(row.id)}))
        return messages.Shot(
            row.id, opened.name, row.user, opened.plate.path, size, frames, self._objects(row.id), keyframes
        )

    def _identify(self, name: str, user: User) -> Identity:
        if name not in KNOWN:
            name = str(self.footage.paths.resolve(name, operator=user.operator))
        return identify(name, folder=self.weights)

    def _content(
        self, row: ShotRow, body: Any, masks: Sequence[MaskRow], user: User, folder: Path | None
    ) -> dict[str, Any]:
        """All a job needs to be made again after a restart: the artist may have changed the keyframes since."""
        return {
            "request": plain(body),
            "opened": row.content,
            "masks": [asdict(mask) for mask in masks],
            "operator": user.operator,
            "folder": None if folder is None else str(folder),
            "matted": matted.__version__,
        }

    def _stamp(self, folder: Path, user: User) -> list[Any]:
        """What tells whether mattes made before have changed."""
        files = [path for path in files_below(folder) if path.is_file()]
        self.footage.paths.check_all(files, operator=user.operator)
        return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]

    def _make_whole(self, row: JobRow, job: Job) -> None:
        """A job that is done, of which somebody took mattes away, goes again."""
        writer = MatteWriter(
            job.out / str(row.folder), objects=job.shot.keyframes.objects, settings=job.mattes, info=job.shot.plate.info
        )
        gone = [frame for frame in job.shot.wanted() if not writer.complete(frame)]
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


def wanted(frames: tuple[int, ...], opened: messages.OpenShot) -> tuple[int, ...]:
    """Those of the plate's frames that belong to the shot."""
    if opened.frames is None:
        return frames
    first, last, step = opened.frames
    return tuple(frame for frame in frames if first <= frame <= last and (frame - first) % step == 0)


def _locks(count: int) -> tuple[threading.Lock, ...]:
    return tuple(threading.Lock() for _ in range(count))


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
