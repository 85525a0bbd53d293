"""Loaded into a worker of Dask before it starts: bad luck, asked for by files in ``$UNLUCKY``.

``hold-begin``, ``hold-middle``, ``hold-finish``: the first worker that comes to this moment renames the file to
``held-MOMENT-PID`` and goes no further until there is a file ``release``. The disk of a worker that has ``$UNLUCKY_DISK`` is full from frame 1004 on, for
mattes in a folder ``full``.
"""

import os
import time
from pathlib import Path

from matted.batch import job
from matted.batch.engines.cluster import worker
from matted.media.matte import MatteWriter

LUCK = Path(os.environ["UNLUCKY"])
do, write, write_sidecar = worker.do, MatteWriter.write, job.write_sidecar


def hold(moment):
    try:
        (LUCK / f"hold-{moment}").rename(LUCK / f"held-{moment}-{os.getpid()}")
    except FileNotFoundError:
        return
    while not (LUCK / "release").exists():
        time.sleep(0.05)


def held_do(piece, *, on_step, **given):
    def step(done):
        on_step(done)
        if piece.kind == "segment" and done.done == done.total // 2:
            hold("middle")

    if piece.kind == "segment":
        hold("begin")
    return do(piece, on_step=step, **given)


def held_sidecar(folder, content):
    if content["state"] == "done":
        hold("finish")
    write_sidecar(folder, content)


def limited_write(writer, frame, mattes, header):
    if "full" in writer.folder.parts and frame >= 1004:
        raise OSError(28, "No space left on device")
    return write(writer, frame, mattes, header)


def dask_setup(worker_here):
    """Dask calls this once; it may import the module more often."""
    worker.do, job.write_sidecar = held_do, held_sidecar
    if os.environ.get("UNLUCKY_DISK"):
        MatteWriter.write = limited_write
