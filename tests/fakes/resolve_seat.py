"""A seat with clips that are drawn: what script, companion and windows need of a Resolve, without one.

It renders real files, a frame a step, and only on the thread that made it. It runs on Python 3.9 with nothing but the
standard library.
"""

import struct
import threading
import time
from dataclasses import replace
from pathlib import Path

from matted_plugin import exr
from matted_plugin.host import Asked, Gone, HostError, ObjectSource, Plate
from matted_resolve.seat import About, Card, Choice, ClipHost, Seat

SIZE = (16, 8)


class DrawnClip(ClipHost):
    """A clip of frames 1001 to 1004.

    Attributes:
        changed: whether something in Resolve is other than the artist left it.
        slow: seconds each frame takes.
        asked: what :meth:`read` answers.
    """

    program = "resolve 20.3.2"

    def __init__(self, seat, key, out, path=None):
        self.seat = seat
        self.name = f"clip {key}"
        self.project = ""
        self.slow = 0.0
        self.rendered, self.shown, self.marks, self.fails = [], [], None, None
        self.choices = {"results": "clip matte", "objects": "hero=alpha"}
        self.asked = Asked(
            plate=Plate(path, SIZE, why="" if path else "it is drawn"),
            frames=(1001, 1004, 1),
            keyframes=(1001,),
            objects=(ObjectSource("hero", "alpha"),),
            out=str(out),
        )
        self._own = key

    def _here(self):
        self.seat.here()
        if self._own in self.seat.deleted:
            raise Gone(f"{self.name} is no longer there.", "Press Refresh.")

    @property
    def key(self):
        self._here()
        return self._own

    @property
    def place(self):
        self._here()
        return "project 1"

    def read(self):
        self._here()
        return self.asked

    def signature(self, frame):
        self._here()
        return f"{self._own} {frame}"

    def render(self, renderings):
        self._here()
        self.seat.note(f"render {self._own}")
        try:
            for one in renderings:
                for _ in range(3):
                    yield None
                time.sleep(self.slow)
                if self.fails is not None:
                    raise self.fails
                channels = ("R", "G", "B") if one.channel is None else ("A",)
                content = struct.pack("<e", 0.5) * (SIZE[0] * SIZE[1] * len(channels))
                exr.write_pixels(Path(one.path), SIZE, channels, "half", content)
                self.rendered.append((one.frame, one.channel))
                yield one
        finally:
            self.seat.forget(f"render {self._own}")

    def show_mattes(self, mattes):
        self._here()
        self.shown.append(mattes)
        return ("Attached as a clip matte.",) if mattes.complete else ()

    def show_marks(self, keyframes, suggestions):
        self._here()
        self.marks = (list(keyframes), [tuple(one) for one in suggestions])

    def show_status(self, sentence):
        self._here()

    def make_shapes(self, shapes, name):
        raise HostError("Resolve takes mattes as pictures.", "Use the mattes.")

    def stored(self):
        self._here()
        return self.project

    def store(self, text):
        self._here()
        self.project = text

    def card(self):
        self._here()
        results = ("clip matte", "track above", "fusion", "files only")
        return Card(
            self._own, self.name, "Rendered through Resolve: it is drawn.", (1001, 1004), self.asked.keyframes, ("hero",),
            choices=(
                Choice("results", "Mattes become", self.choices["results"], results, "Where the mattes go."),
                Choice("objects", "Objects", self.choices["objects"]),
            ),
            playhead=1002,
        )  # fmt: skip

    def choose(self, name, value):
        self._here()
        if name not in self.choices:
            raise HostError(f"There is no choice {name}.", "Choose another.")
        self.choices[name] = value

    def mark(self, frame):
        self._here()
        frames = {*self.asked.keyframes, 1002 if frame is None else frame}
        self.asked = replace(self.asked, keyframes=tuple(sorted(frames)))
        return "Marked."

    def unmark(self, frame):
        self._here()
        frames = {*self.asked.keyframes} - {1002 if frame is None else frame}
        self.asked = replace(self.asked, keyframes=tuple(sorted(frames)))
        return "Taken away."

    def go_to(self, frame):
        self._here()
        self.seat.playhead = frame
        return ""

    def render_again(self):
        self._here()
        return "The plate is rendered again at the next press."


class DrawnSeat(Seat):
    """A Resolve with clips ``a``, ``b``, ... ; the first is under the playhead.

    Attributes:
        left: what is changed in Resolve now and has to be put back; with ``journal`` it outlives the process.
        blocked: while set, calls wait, as behind a dialog.
    """

    program = "resolve 20.3.2"

    def __init__(self, out, clips=("a",), *, journal=None, path=None):
        self.thread = threading.get_ident()
        self.blocked = threading.Event()
        self.deleted, self.playhead, self.is_alive, self.removed = set(), 1001, True, 0
        self.selected, self.page, self.timeline = (), "edit", "Timeline 1"
        self.journal = journal
        self.left = []
        self.was_left = journal.read_text().splitlines() if journal is not None and journal.exists() else []
        self.all = {key: DrawnClip(self, key, Path(out) / key, path) for key in clips}

    def here(self):
        assert threading.get_ident() == self.thread, "Resolve was touched off the script's thread"
        while self.blocked.is_set():
            time.sleep(0.005)

    def note(self, what):
        self.left.append(what)
        self._write()

    def forget(self, what):
        self.left.remove(what)
        self._write()

    def _write(self):
        if self.journal is not None:
            self.journal.write_text("".join(f"{one}\n" for one in self.left))

    def about(self):
        self.here()
        return About(
            "DaVinci Resolve Studio", "20.3.2", self.page, "Demo", self.timeline, ("One thing is not possible.",)
        )

    def alive(self):
        self.here()
        return self.is_alive

    def clips(self, which):
        self.here()
        there = [key for key in self.all if key not in self.deleted]
        if which == "current":
            return tuple(there[:1])
        return self.selected if which == "selected" else tuple(key for key in there if self.all[key].asked.keyframes)

    def host(self, key):
        self.here()
        if key not in self.all or key in self.deleted:
            raise Gone("The clip is no longer there.", "Press Refresh.")
        return self.all[key]

    def put_back(self):
        self.here()
        told, self.was_left, self.left = [*self.was_left, *self.left], [], []
        self._write()
        return tuple(f"Put back: {one}." for one in told)

    def remove(self):
        self.here()
        self.removed += 1
        return "Everything of matted was taken out."
