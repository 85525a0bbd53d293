"""A host with one shot: the two discs of :mod:`fakes.drawn_shot`. It renders real files, and only on its own thread."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from fakes.drawn_shot import FIRST, OBJECTS, known, plate, save
from matted_plugin.host import Asked, Gone, Host, HostError, ObjectSource, Plate


class FakeHost(Host):
    """One shot in a host.

    Attributes:
        asked: what :meth:`read` answers.
        rendered: (frame, channel) of every frame rendered.
        shown: every :class:`Mattes` shown.
        said: every sentence in the status line.
        file: the project's, '' before it was saved.
        looks: what frames look like that have changed, by frame.
        fails: frames that cannot be rendered, by frame: the error.
        refuses: why mattes cannot be shown.
    """

    program = "fakehost 1.0"
    how_to_key = "Draw a mask."

    def __init__(self, folder, keyframes=(FIRST,), frames=(FIRST, FIRST + 7, 1), path=None, name="shot", stored=""):
        self.name = name
        self.project = stored
        self.asked = Asked(
            plate=Plate(path, (96, 64), colorspace="srgb_tx", why="" if path else "it is drawn"),
            frames=frames,
            keyframes=tuple(keyframes),
            objects=tuple(ObjectSource(name, f"{name}.alpha") for name in OBJECTS),
            out=str(folder),
        )
        self.rendered, self.shown, self.said, self.marks, self.made = [], [], [], None, []
        self.fails = {}
        self.refuses = None
        self.looks = {}
        self.file = ""
        self.deleted = False
        self.thread = threading.get_ident()

    def changed(self, **fields):
        """Change what :meth:`read` answers; ``plate_`` fields are the plate's."""
        of_plate = {name[6:]: value for name, value in fields.items() if name.startswith("plate_")}
        rest = {name: value for name, value in fields.items() if not name.startswith("plate_")}
        self.asked = replace(self.asked, plate=replace(self.asked.plate, **of_plate), **rest)

    def _here(self):
        assert threading.get_ident() == self.thread, "a host was called off its main thread"
        if self.deleted:
            raise Gone(f"{self.name} is no longer there.", "Make another.")

    @property
    def key(self):
        self._here()
        return self.name

    @property
    def place(self):
        return self.file

    def read(self):
        self._here()
        return self.asked

    def signature(self, frame):
        self._here()
        return self.looks.get(frame, "as drawn")

    def render(self, renderings):
        for rendering in renderings:
            self._render(rendering)
            yield rendering

    def _render(self, rendering):
        self._here()
        self.rendered.append((rendering.frame, rendering.channel))
        if rendering.frame in self.fails:
            raise self.fails[rendering.frame]
        channels, compression = ("R", "G", "B"), "zips" if rendering.compressed else "none"
        if rendering.channel is None:
            pixels = plate(rendering.frame).permute(1, 2, 0).numpy()
        else:
            pixels = known(rendering.frame)[OBJECTS.index(rendering.channel.split(".")[0]), :, :, None].numpy()
            channels = ("A",)
        assert Path(rendering.path).parent.is_dir()
        save(Path(rendering.path), pixels.astype(np.float16), channels, {"compression": compression})

    def show_mattes(self, mattes):
        self._here()
        self.shown.append(mattes)
        if self.refuses is not None:
            raise self.refuses
        return ("It is shown.",) if mattes.complete else ()

    def show_marks(self, keyframes, suggestions):
        self._here()
        self.marks = (list(keyframes), list(suggestions))

    def show_status(self, sentence):
        self._here()
        self.said.append(sentence)

    def make_shapes(self, shapes, name):
        self._here()
        self.made.append((name, list(shapes)))
        return f"Roto_{name}"

    def stored(self):
        self._here()
        return self.project

    def store(self, text):
        self._here()
        self.project = text


def render_one(host, rendering):
    """Have a host render one frame."""
    assert [made for made in host.render([rendering]) if made is not None] == [rendering]


def refusal(frame):
    """What a host says when a frame cannot be rendered."""
    return HostError(f"Frame {frame} could not be rendered.", "Look at it.", frame=frame)


def settle(desk, until=None, seconds=60):
    """Tick as a host's timer does until nothing is left to do, or ``until`` is true."""
    end = time.monotonic() + seconds
    while not until() if until is not None else desk.busy:
        assert time.monotonic() < end, [(one.report, one.state) for one in desk.workflows]
        if not desk.tick():
            time.sleep(0.005)
