"""The drawn shot as a daemon's client works on it, and what the same work makes without any daemon."""

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from fakes.drawn_shot import FIRST, write_masks, write_plate
from fakes.running_daemon import WAIT, files_in
from matted.batch.job import Job, run
from matted.batch.keyframes import MaskSource, find_keyframes
from matted.batch.shot import Shot
from matted.media.matte import MatteSettings
from matted.media.plate import Plate
from matted.media.sequence import find_sequence
from matted.service.footage import session_settings
from matted.weights import identify
from matted_protocol.frames import FrameRange
from matted_protocol.messages import Settings


class ServedShot:
    """A plate of ``frames`` frames and masks of the red disc on any of them, in a folder of their own."""

    def __init__(self, folder, frames=24):
        self.folder = folder
        self.frames = list(range(FIRST, FIRST + frames))
        self.plate = write_plate(folder / "plate", self.frames)
        write_masks(folder / "masks", self.frames)

    def mask(self, frame):
        return self.folder / "masks" / f"mask.{frame}.exr"

    def open(self, client, keyframes=(FIRST,), **fields):
        """Open it and set keyframes; returns the shot's id."""
        shot = client.open_shot(self.plate, **fields).shot
        for frame in keyframes:
            client.set_keyframe(shot, frame, object="red", path=self.mask(frame))
        return shot

    def alone(self, keyframes=(FIRST,), frames=None):
        """(mattes by name and byte, the result) of this work without a daemon."""
        with TemporaryDirectory() as folder:
            job = Job(
                self.shot(keyframes, frames),
                Path(folder),
                identify("lite"),
                session_settings(Settings()),
                MatteSettings(),
            )
            result = run(job)
            return mattes_in(result.folder), result

    def shot(self, keyframes=(FIRST,), frames=None):
        plate = Plate(find_sequence(self.plate))
        source = MaskSource(self.folder / "masks", "red")
        found = find_keyframes([source], size=plate.info.size, plate=plate.sequence, only=keyframes)
        return Shot(plate, found, FrameRange(*frames) if frames else None)


def mattes_in(folder):
    """Every matte of a version folder, byte for byte."""
    return {name: content for name, content in files_in(folder).items() if name.endswith(".exr")}


class Turnstile:
    """Holds up whoever reads a plate frame until it is let through."""

    def __init__(self, monkeypatch):
        self._may = threading.Semaphore(0)
        self._open = threading.Event()
        self._came = threading.Semaphore(0)
        read = Plate.read

        def held(plate, frame):
            self._came.release()
            if not self._open.is_set():
                assert self._may.acquire(timeout=WAIT)
            return read(plate, frame)

        monkeypatch.setattr(Plate, "read", held)

    def wait_until_reached(self, times=1):
        """Return once plate frames were asked for this often more."""
        for _ in range(times):
            assert self._came.acquire(timeout=WAIT)

    def let(self, frames):
        """Let some through."""
        self._may.release(frames)

    def open(self):
        """Let everybody through from now on."""
        self._open.set()
        self._may.release(1000)
