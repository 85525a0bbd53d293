"""Shapes for clients, from the mattes a job has made so far. Runs beside other requests, never on a device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matted.errors import MaskError, RequestError
from matted.media.matte import read_object
from matted.service.envelope import revive
from matted.service.gate import User
from matted.service.job_store import JobRow
from matted.service.jobs import Jobs
from matted.service.store import mask_row
from matted.trace.shapes import Shape, trace
from matted_protocol import messages
from matted_protocol.frames import FrameRange

MOST_NUMBERS = 1_000_000
"""Numbers in the shapes of one answer: 4 MB, and far more than a host edits with ease."""
MOST_SHAPES = 1000
"""Shapes in one answer: a message has at most 1024 buffers."""


@dataclass(frozen=True)
class Tracing:
    """Answers ``trace``.

    Attributes:
        jobs: whose mattes are traced.
        stopping: whether the daemon is about to stop.
    """

    jobs: Jobs
    stopping: Callable[[], bool]

    def trace(self, body: messages.Trace, user: User) -> tuple[messages.Traced, Sequence[bytes]]:
        """The shapes of a job's mattes, and a buffer of float32 for each.

        Raises:
            RequestError: ``job_missing``, ``matte_missing``, ``bad_request``, ``too_large``, ``closing``.
            MaskError: ``object_name``, ``mask_unreadable``.
        """
        row = self.jobs.find(body.job, user)
        layout, objects = self._mattes(row)
        if body.object is not None and body.object not in objects:
            message = f"The job {row.id} has no object '{body.object}'."
            raise MaskError("object_name", message, hint=f"It has {', '.join(objects)}.")
        files = self._files(row, body.frames)
        told: list[messages.TracedShape] = []
        buffers: list[bytes] = []
        spent = 0
        for name in objects if body.object is None else (body.object,):
            work = _Work(row.id, name, objects, layout, files, spent, len(told), self.stopping)
            found = work.shapes(body.tolerance)
            told += _told(name, found, work.size)
            buffers += [np.ascontiguousarray(shape.keys, "<f4").tobytes() for shape in found]
            spent += sum(shape.keys.size for shape in found)
        return messages.Traced(row.id, tuple(told)), buffers

    def _mattes(self, row: JobRow) -> tuple[str, tuple[str, ...]]:
        """The layout of a job's mattes and its objects, in order."""
        if row.kind != "propagate":
            message = f"The job {row.id} looks for frames to mask; it makes no mattes."
            raise RequestError("bad_request", message, hint="Name a job that propagates.")
        request = revive(messages.Propagate, row.content["request"])
        layout: str = request.mattes.layout
        if layout == "cryptomatte":
            message = f"The mattes of job {row.id} are in a Cryptomatte, which is not traced."
            raise RequestError("bad_request", message, hint="Propagate with the layout files, layers or rgba.")
        opened = revive(messages.OpenShot, row.content["opened"])
        masks = [mask_row(mask) for mask in row.content["masks"]]
        return layout, self.jobs.footage.keyframes(masks, opened.objects, (1, 1)).objects

    def _files(self, row: JobRow, frames: messages.Range | None) -> dict[int, list[Path]]:
        """The matte files of every finished frame asked for, by frame, ascending."""
        folder = Path(row.content["folder"]) / str(row.folder)
        wanted = None if frames is None else set(FrameRange(*frames))
        found = {
            event.body["frame"]: [folder / name for name in event.body["files"]]
            for event in self.jobs.store.events(row.id, after=0, most=row.seq)
            if event.type == "frame_done" and (wanted is None or event.body["frame"] in wanted)
        }
        if not found:
            which = "" if frames is None else f" of the frames {FrameRange(*frames)}"
            message = f"There is no matte{which} in job {row.id} yet."
            raise RequestError("matte_missing", message, hint="Watch the job, or propagate these frames first.")
        return dict(sorted(found.items()))


@dataclass
class _Work:
    """One object on its way to shapes; what other objects took of the room there is counts."""

    job: str
    name: str
    objects: tuple[str, ...]
    layout: str
    files: dict[int, list[Path]]
    spent: int
    made: int
    stopping: Callable[[], bool]
    size: tuple[int, int] = (0, 0)

    def shapes(self, tolerance: float) -> list[Shape]:
        return trace(self.files, self._read, tolerance=tolerance, check=self._check)

    def _read(self, frame: int) -> NDArray[np.float32]:
        files = self.files[frame]
        try:
            matte = read_object(files, self.objects, self.name, self.layout)
        except MaskError as error:
            gone = [path for path in files if not path.exists()]
            if not gone:
                raise
            message = f"The matte of frame {frame}, {gone[0]}, is not there any more."
            hint = "Propagate again: only what is gone is made anew."
            raise RequestError("matte_missing", message, hint=hint, path=gone[0], frame=frame) from error
        self.size = matte.shape[1], matte.shape[0]
        return matte

    def _check(self, shapes: int, numbers: int) -> None:
        if self.stopping():
            raise RequestError("closing", "The daemon is stopping.", hint="Ask again when it is back.")
        if self.made + shapes > MOST_SHAPES or self.spent + numbers > MOST_NUMBERS:
            message = (
                f"The mattes of {self.name} in job {self.job} are too ragged for shapes: they would be more than "
                f"{MOST_SHAPES} shapes or {MOST_NUMBERS} numbers."
            )
            hint = "Allow a larger tolerance, ask for fewer frames or one object, or mask the frames suggested first."
            raise RequestError("too_large", message, hint=hint)


def _told(name: str, shapes: Sequence[Shape], size: tuple[int, int]) -> list[messages.TracedShape]:
    told = []
    count = {False: 0, True: 0}
    for shape in shapes:
        count[shape.hole] += 1
        label = f"{name} hole {count[True]}" if shape.hole else f"{name} {count[False]}"
        points = shape.keys.shape[1]
        told.append(messages.TracedShape(name, label, shape.frames, points, shape.lifetime, shape.hole, size))
    return told
