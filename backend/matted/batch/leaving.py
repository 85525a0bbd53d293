"""A keyframe left out, as a piece of work of its own: the review of the job finds what came of it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

from matted.batch.bench import Bench
from matted.batch.degrade import Ladder, Means, out_of_memory
from matted.batch.ledger import read_sidecar, unwritable
from matted.batch.lock import FolderLock
from matted.batch.place import HIDDEN
from matted.batch.recipe import Job, refuse_another
from matted.batch.review import left_out
from matted.engine.session import FrameDone
from matted.errors import DeviceError


class LeavingOut:
    """What the other keyframes of a job make of one of them, a step at a time. Making one touches nothing.

    Args:
        job: whose keyframe it is.
        folder: the version folder claimed for the job.
        frame: the keyframe.
        bench: what is warm on the device.
        key: names the shot among those that stay warm on the bench.
        on_degraded: told ``(frame, message)`` of what was given up for lack of memory.
    """

    def __init__(
        self,
        job: Job,
        folder: Path,
        frame: int,
        *,
        bench: Bench,
        key: str,
        on_degraded: Callable[[int | None, str], None] = lambda frame, message: None,
    ) -> None:
        self._job = job
        self._folder = folder
        self._frame = frame
        self._bench = bench
        self._key = key
        self._on_degraded = on_degraded
        self._hidden = folder / HIDDEN
        self._lock = FolderLock([self._hidden / left_out.FOLDER / f"{frame}.lock"])
        self._ladder = Ladder(Means(job.session, job.weights.memory), bench, size=job.shot.plate.info.size)

    def start(self) -> None:
        """See that the folder is the job's, and that nobody else is at this keyframe.

        Raises:
            MattedError: the folder was claimed for another job.
            OutputError: job_running, output_unwritable, disk_full.
        """
        self._job = replace(self._job, shot=self._job.shot.pin())
        refuse_another(self._job, self._job.recipe(), self._folder)
        try:
            if not self._is_known():
                self._lock.take(self._folder)
        except OSError as error:
            raise unwritable(self._folder, error) from error

    def steps(self) -> Generator[FrameDone, None, None]:
        """The walks to the keyframe, with less and less where the device has too little memory.

        Raises:
            DeviceError: out_of_memory when there is nothing left to give up.
            MattedError: whatever the plate, the keyframes, the device or the output raise.
        """
        if not self._lock.held:
            self.start()
        try:
            while not self._is_known():
                try:
                    yield from left_out.leave_out(
                        self._job.shot,
                        self._frame,
                        weights=self._job.weights,
                        means=self._ladder.means,
                        bench=self._bench,
                        hidden=self._hidden,
                        key=self._key,
                    )
                    return
                except DeviceError as error:
                    lack = out_of_memory(error)
                self._bench.close(self._key)
                self._on_degraded(lack.frame, self._ladder.down(lack))
        finally:
            self.close()

    def result(self) -> None:
        """Nothing: the review of the job finds it."""

    def close(self) -> None:
        """Let go of the keyframe."""
        self._lock.release()

    def _is_known(self) -> bool:
        reviewed = "review" in read_sidecar(self._folder)
        return reviewed or left_out.read_left_out(self._hidden, self._frame) is not None
