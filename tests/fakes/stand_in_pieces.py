"""Pieces that make nothing: what a cluster does with them can be seen, held up, and made to go wrong."""

import threading
from collections import Counter

from matted.batch.pieces import Piece
from matted.batch.place import JobResult
from matted.batch.request import Request
from matted.batch.segments import Segment
from matted.engine.session import FrameDone
from matted.errors import Cancelled

STEPS = 4


def request(folder, name, **changes):
    return Request("plate", (), folder / name, name=name, **changes)


class StandIn:
    """Takes the place of ``pieces`` and ``do``.

    Attributes:
        segments: how many each shot is cut into.
        done: (shot, kind, number of the segment) of every piece that came to its end, in order.
        begun: how often each was begun.
        benches: the benches that pieces were done on.
        at_once: the most pieces that were being done on one bench at the same time.
        gate: pieces wait here after their first step while it is closed.
        trouble: called with (piece, worker, how often it was begun) before each piece; may raise.
    """

    def __init__(self, segments=3):
        self.segments = segments
        self.done = []
        self.begun = Counter()
        self.stopped = []
        self.workers = set()
        self.benches = {}
        self.at_once = Counter()
        self.gate = threading.Event()
        self.gate.set()
        self.trouble = lambda piece, worker, begun: None
        self._lock = threading.Lock()
        self._at = Counter()

    def pieces(self, request, *, weights):
        folder = request.out / "v001"
        folder.mkdir(parents=True, exist_ok=True)
        segments = [
            Piece(request, folder, "segment", Segment(10 * n, 10 * n + STEPS - 1), total=STEPS)
            for n in range(self.segments)
        ]
        return (*segments, Piece(request, folder, "finish", total=1))

    def do(self, piece, *, bench, on_step, on_degraded, stopped):
        from distributed import get_worker

        worker, name = get_worker(), named(piece)
        with self._lock:
            self.begun[name] += 1
            self.benches.setdefault(worker.address, set()).add(bench)
            self._at[bench] += 1
            self.at_once[bench] = max(self.at_once[bench], self._at[bench])
        try:
            self.trouble(piece, worker, self.begun[name])
            self._steps(piece, on_step, stopped)
        finally:
            with self._lock:
                self._at[bench] -= 1
        with self._lock:
            self.done.append(name)
            self.workers.add(worker.name)
        return JobResult(piece.folder, ("red",), {1001: (0.5,)}, (), STEPS if piece.kind == "segment" else 1)

    def _steps(self, piece, on_step, stopped):
        for step in range(piece.total):
            on_step(FrameDone(step, None, step + 1, piece.total))
            while not self.gate.wait(0.01) and not stopped():
                pass
            if stopped():
                self.stopped.append(named(piece))
                raise Cancelled("cancelled", "Stopped.", hint="Go on.")


def named(piece):
    return piece.request.name, piece.kind, piece.segment and piece.segment.first // 10
