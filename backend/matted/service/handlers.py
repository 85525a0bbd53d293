"""What each request does. Runs in the server's pool: may touch disks, never the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from matted.batch.ledger import unwritable
from matted.errors import MattedError, RequestError
from matted.service.envelope import Envelope, plain, revive
from matted.service.footage import Footage, check_inside
from matted.service.gate import User
from matted.service.jobs import Jobs
from matted.service.masks import Masks
from matted.service.store import ShotRow, Store, identity
from matted.service.tracing import Tracing
from matted_protocol import messages

Buffers = Sequence[Any]


@dataclass(frozen=True)
class Handlers:
    """Carries out requests.

    Attributes:
        store: what is kept.
        footage: finds pixels.
        masks: takes in masks.
        jobs: carries out what is asked of jobs.
        tracing: makes shapes of mattes.
        status: how the daemon is.
        stop: ends the daemon.
    """

    store: Store
    footage: Footage
    masks: Masks
    jobs: Jobs
    tracing: Tracing
    status: Callable[[], messages.Status]
    stop: Callable[[], None]

    def handle(self, request: Envelope, user: User) -> tuple[Any, Buffers]:
        """Carry out a request.

        Raises:
            MattedError: whatever the client did wrong or met.
        """
        try:
            answer = getattr(self, f"_{request.type}")(request.body, user, *request.buffers)
        except OSError as error:
            raise unwritable(self.store.folder, error) from error
        return answer if isinstance(answer, tuple) else (answer, ())

    def events(self, job: str, *, after: int, most: int, with_files: bool) -> list[tuple[str, Any, Buffers]]:
        """The next events of a job as they go over the wire."""
        return self.jobs.events(job, after=after, most=most, with_files=with_files)

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
        self.jobs.crew.close_shot(row.id)
        return messages.Done()

    def _delete_shot(self, body: messages.DeleteShot, user: User) -> messages.Done:
        row, _ = self._shot(body.shot, user)
        self.jobs.crew.close_shot(row.id)
        for job in self.store.jobs("shot = ? AND state IN ('queued', 'running')", row.id):
            self.jobs.crew.cancel(job.id)
            self.jobs.crew.wait_for(job.id)
        self.store.delete_shot(row.id)
        return messages.Done()

    # Keyframes

    def _set_keyframe(self, body: messages.SetKeyframe, user: User, *buffers: memoryview) -> messages.Keyframes:
        row, opened = self._shot(body.shot, user)
        size = self._plate_size(row, opened, body.frame, user)
        if body.path is not None:
            path = self.footage.paths.resolve(body.path, operator=user.operator)
            mask = self.masks.keep_file(body, path, size)
        else:
            mask = self.masks.keep_pixels(body, buffers[0], size)
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
        return self.jobs.propagate(*self._shot(body.shot, user), body, user)

    def _suggest(self, body: messages.Suggest, user: User) -> messages.Job:
        return self.jobs.suggest(*self._shot(body.shot, user), body, user)

    def _get_matte(self, body: messages.GetMatte, user: User) -> tuple[messages.Matte, Buffers]:
        return self.jobs.get_matte(body, user)

    def _trace(self, body: messages.Trace, user: User) -> tuple[messages.Traced, Buffers]:
        return self.tracing.trace(body, user)

    def _watch(self, body: messages.Watch, user: User) -> messages.Job:
        return self.jobs.look(body.job, user)

    def _cancel(self, body: messages.Cancel, user: User) -> messages.Job:
        return self.jobs.cancel(body.job, user)

    def _list_jobs(self, body: messages.ListJobs, user: User) -> messages.Jobs:
        return self.jobs.list_jobs(body, user)

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

    def _plate_size(self, row: ShotRow, opened: messages.OpenShot, frame: int, user: User) -> tuple[int, int]:
        if opened.plate.size is not None:
            return opened.plate.size
        size, sequence = self.footage.extent(row.id, opened.plate, operator=user.operator)
        check_inside(frame, sequence)
        return size

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


def wanted(frames: tuple[int, ...], opened: messages.OpenShot) -> tuple[int, ...]:
    """Those of the plate's frames that belong to the shot."""
    if opened.frames is None:
        return frames
    first, last, step = opened.frames
    return tuple(frame for frame in frames if first <= frame <= last and (frame - first) % step == 0)
