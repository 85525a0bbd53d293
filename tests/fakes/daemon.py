"""A stand-in daemon: a real ROUTER with CURVE that keeps shots and jobs in memory and draws no matte.

It holds to ``protocol/README.md`` and refuses what that page refuses. A test stops it, starts it again on another port
with the same state, holds its events back or makes it deaf. It runs on Python 3.9 with pyzmq and msgpack, also alone:
``python daemon.py CONNECTION_FILE`` writes the connection file and answers until told to shut down.
"""

import fcntl
import hashlib
import os
import struct
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import zmq
from zmq.utils import z85

from matted_protocol import messages as m
from matted_protocol import wire
from matted_protocol.connection import Connection, write_connection

LIMITS = {"max_body": wire.MAX_BODY, "max_buffer": 32 << 20, "max_unanswered": 8, "max_pixels_unanswered": 2}


SQUARE = struct.pack(
    "<24f", *(value for corner in ((8, 8), (56, 8), (56, 40), (8, 40)) for value in (*corner, 0, 0, 0, 0))
)
"""One key of a shape of four points without handles."""


class Refusal(Exception):
    def __init__(self, code: str, message: str = "No.", hint: str = "Do something else.") -> None:
        super().__init__(message)
        self.error = m.Error(code, message, hint)


@dataclass
class FakeJob:
    job: str
    shot: str
    folder: Any
    frames: tuple[int, ...]
    cancelled_at: Any = None

    @property
    def length(self) -> int:
        return len(self.frames) + 1 if self.cancelled_at is None else self.cancelled_at + 1

    def event(self, seq: int) -> Any:
        if self.cancelled_at is not None and seq == self.length:
            return m.JobFailed(self.job, seq, m.Error("cancelled", "Stopped.", "Ask again to go on."))
        if seq > len(self.frames):
            return m.JobDone(self.job, seq, self.folder, len(self.frames), ())
        frame = self.frames[seq - 1]
        return m.FrameDone(self.job, seq, frame, self.folder, (f"hero/hero.{frame}.exr",), {"hero": 0.5})


@dataclass
class State:
    """What outlives a restart."""

    shots: dict[str, m.Shot] = field(default_factory=dict)
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    plates: dict[str, set[int]] = field(default_factory=dict)
    allowed: int = 1 << 30  # events of each job made so far
    server_keys: tuple[bytes, bytes] = field(default_factory=zmq.curve_keypair)
    client_keys: tuple[bytes, bytes] = field(default_factory=zmq.curve_keypair)


@dataclass
class FakeWatch:
    identity: bytes
    parent: str
    options: m.WatchOptions
    sent: int
    acknowledged: int


class FakeDaemon:
    """One run of the stand-in.

    ``seen`` is what was asked, ``deaf`` what is ignored, ``mute`` what is done and not answered, ``busy`` how often to
    refuse. ``twice`` sends each event again, ``stale`` sends the last event first, as of a watch that is over.
    """

    def __init__(self, file: Path, state: Any = None) -> None:
        self.file = file
        self.state = state or State()
        self.instance = uuid4().hex
        self.seen: list[tuple[str, str]] = []
        self.watched: list[m.WatchOptions] = []
        self.deaf: set[str] = set()
        self.busy: dict[str, int] = {}
        self.limits = dict(LIMITS)
        self.mute: set[str] = set()
        self.twice = False
        self.stale = False
        self.refused_keys = 0
        self._watches: dict[tuple[bytes, str], FakeWatch] = {}
        self._stopping = threading.Event()
        self._dropping = threading.Event()
        self._bound = threading.Event()
        self._thread = threading.Thread(target=self.run)

    def __enter__(self) -> "FakeDaemon":
        self._thread.start()
        assert self._bound.wait(10)
        return self

    def __exit__(self, *unused: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)

    def drop_clients(self) -> None:
        """Break every connection, as a restarted daemon does, and go on at another port."""
        self._dropping.set()
        while self._dropping.is_set():
            time.sleep(0.005)

    def run(self) -> None:
        with zmq.Context() as context, context.socket(zmq.REP) as self._zap:
            self._zap.bind("inproc://zeromq.zap.01")
            self._zap.linger = 0
            while not self._stopping.is_set():
                with context.socket(zmq.ROUTER) as self._router:
                    self._listen()
                    while not self._stopping.is_set() and not self._dropping.is_set():
                        self._turn()
                self._watches.clear()
                self._dropping.clear()

    def _listen(self) -> None:
        self._router.linger = 100  # long enough for a last answer
        self._router.router_mandatory = 1
        self._router.curve_server = 1
        self._router.curve_secretkey = self.state.server_keys[1]
        self._router.zap_domain = b"matted"
        port = self._router.bind_to_random_port("tcp://127.0.0.1")
        self._tell(f"tcp://127.0.0.1:{port}")
        self._bound.set()

    def _tell(self, endpoint: str) -> None:
        server, client = self.state.server_keys, self.state.client_keys
        keys = [key.decode() for key in (server[0], client[0], client[1])]
        write_connection(self.file, Connection(endpoint, *keys, pid=os.getpid(), command=("false",), matted="0.0"))

    def _turn(self) -> None:
        poller = zmq.Poller()
        poller.register(self._zap, zmq.POLLIN)
        poller.register(self._router, zmq.POLLIN)
        ready = dict(poller.poll(5))
        if self._zap in ready:
            self._authenticate()
        if self._router in ready:
            batch = []
            while len(batch) < 100 and self._router.poll(0):
                batch.append(self._router.recv_multipart())
            for identity, *parts in batch:
                self._handle(identity, parts)
        for (_, job), watch in list(self._watches.items()):
            self._deliver(self.state.jobs[job], watch)

    def _authenticate(self) -> None:
        version, request, *_, key = self._zap.recv_multipart()
        known = z85.encode(key) == self.state.client_keys[0]
        self.refused_keys += not known
        self._zap.send_multipart([version, request, b"200" if known else b"400", b"", b"operator", b""])

    def _send(self, identity: bytes, kind: str, parent: str, body: Any, buffers: Any = ()) -> bool:
        parts = wire.pack(m.Header(uuid4().hex, kind, parent=parent), body, buffers)
        try:
            self._router.send_multipart([identity, *parts], zmq.NOBLOCK)
        except zmq.ZMQError:
            return False
        return True

    def _handle(self, identity: bytes, parts: list[bytes]) -> None:
        parent = ""
        try:
            message = wire.unpack(parts)
            parent = message.header.id
            self.seen.append((message.header.type, parent))
            if message.header.type in self.deaf:
                return
            if self.busy.get(message.header.type, 0) > 0:
                self.busy[message.header.type] -= 1
                raise Refusal("busy")
            if message.header.type not in m.REQUESTS:
                raise Refusal("unknown_type", f"There is no {message.header.type}.")
            body = wire.from_body(m.REQUESTS[message.header.type][0], message.body)
            wire.check_buffers(body, message.buffers)
            self._answer(identity, parent, message.header.type, body, message.buffers)
        except Refusal as refusal:
            self._send(identity, m.ERROR, parent, refusal.error)
        except wire.WireError as error:
            parent = error.header.id if error.header is not None else parent
            self._send(identity, m.ERROR, parent, m.Error(error.code, str(error), "Send what the page says."))

    def _answer(self, identity: bytes, parent: str, kind: str, body: Any, buffers: Any) -> None:
        if kind == "ack":
            watch = self._watches.get((identity, body.job))
            if watch is not None:
                watch.acknowledged = max(watch.acknowledged, body.seq)
            return
        reply = getattr(self, f"_{kind}")(body)
        files: Any = self._files(reply.frame) if kind == "get_matte" else ()
        if kind == "trace":
            files = [SQUARE * len(shape.frames) for shape in reply.shapes]
        if kind not in self.mute:
            self._send(identity, m.REPLY, parent, reply, files)
        options = body.options if kind == "watch" else getattr(body, "watch", None)
        if options is not None:
            self.watched.append(options)
            watch = FakeWatch(identity, parent, options, options.after, options.after)
            self._watches[identity, reply.job] = watch
        if kind == "shutdown":
            self._stopping.set()

    def _deliver(self, job: FakeJob, watch: FakeWatch) -> None:
        end = min(job.length, self.state.allowed, watch.acknowledged + watch.options.credit)
        while watch.sent < end:
            event = job.event(watch.sent + 1)
            kind = next(name for name, of in m.EVENTS.items() if isinstance(event, of))
            files = self._files(event.frame) if kind == "frame_done" and watch.options.mattes == "bytes" else ()
            if kind == "frame_done":
                progress = m.Progress(job.job, event.frame, watch.sent + 1, len(job.frames))
                self._send(watch.identity, "progress", watch.parent, progress)
            if self.stale:
                self._send(watch.identity, "job_done", "over", m.JobDone(job.job, job.length, None, 0, ()))
            for _ in range(1 + self.twice):
                taken = self._send(watch.identity, kind, watch.parent, event, files)
            if not taken:
                del self._watches[watch.identity, job.job]
                return
            watch.sent += 1

    def _files(self, frame: int) -> list[bytes]:
        return [f"the matte of frame {frame}".encode()]

    def _shot_of(self, body: Any) -> m.Shot:
        if body.shot not in self.state.shots:
            raise Refusal("shot_missing", f"There is no shot {body.shot}.", "Open it.")
        return self.state.shots[body.shot]

    def _job_of(self, job: str) -> m.Job:
        if job not in self.state.jobs:
            raise Refusal("job_missing", f"There is no job {job}.", "Ask for it again.")
        found = self.state.jobs[job]
        seq = min(found.length, self.state.allowed)
        state = "running" if seq < found.length else "done" if found.cancelled_at is None else "cancelled"
        done = min(seq, len(found.frames))
        words = ("operator", "propagate", "interactive", state)
        return m.Job(job, found.shot, *words, found.folder, done, len(found.frames), seq)

    def _keyframes_of(self, shot: m.Shot) -> m.Keyframes:
        mask = m.Mask("hero", "mask.png", "0" * 64)
        return m.Keyframes(shot.shot, tuple(m.Keyframe(frame, (mask,)) for frame in shot.keyframes), shot.objects)

    def _hello(self, body: m.Hello) -> m.Welcome:
        return m.Welcome("0.0", m.VERSION, self.instance, "operator", True, **self.limits)

    def _ping(self, body: m.Ping) -> m.Pong:
        return m.Pong(self.instance)

    def _status(self, body: m.GetStatus) -> m.Status:
        counts = {"clients": 1, "shots": len(self.state.shots), "queued": 0, "running": 0}
        memory = {"memory_used": 0, "memory_budget": 1, "spool_used": 0, "spool_budget": 1, "disk_free": 1}
        who = {"matted": "0.0", "instance": self.instance, "pid": os.getpid(), "uptime": 0.0, "endpoint": ""}
        return m.Status(**who, state="", roots=(), devices=(), weights=(), versions={}, **counts, **memory)

    def _open_shot(self, body: m.OpenShot) -> m.Shot:
        shot = hashlib.sha256(repr((body.plate, body.frames, body.name)).encode()).hexdigest()[:16]
        first, last, step = body.frames or (1001, 1010, 1)
        objects = tuple(m.ObjectInfo(row + 1, name) for row, name in enumerate(body.objects))
        frames = tuple(range(first, last + 1, step))
        opened = m.Shot(shot, body.name, "operator", body.plate.path, body.plate.size or (64, 48), frames, objects, ())
        return self.state.shots.setdefault(shot, opened)

    def _put_plate(self, body: m.PutPlate) -> m.Put:
        sent = self.state.plates.setdefault(self._shot_of(body).shot, set())
        sent.add(body.frame)
        return m.Put(len(sent))

    def _set_keyframe(self, body: m.SetKeyframe) -> m.Keyframes:
        shot = self._shot_of(body)
        frames = tuple(sorted({*shot.keyframes, body.frame}))
        self.state.shots[shot.shot] = replace(shot, keyframes=frames)
        return self._keyframes_of(self.state.shots[shot.shot])

    def _remove_keyframe(self, body: m.RemoveKeyframe) -> m.Keyframes:
        shot = self._shot_of(body)
        self.state.shots[shot.shot] = replace(shot, keyframes=tuple(set(shot.keyframes) - {body.frame}))
        return self._keyframes_of(self.state.shots[shot.shot])

    def _list_keyframes(self, body: m.ListKeyframes) -> m.Keyframes:
        return self._keyframes_of(self._shot_of(body))

    def _propagate(self, body: m.Propagate) -> m.Job:
        shot = self._shot_of(body)
        if not shot.keyframes:
            raise Refusal("no_keyframe", "The shot has no keyframe.", "Draw one.")
        content = repr((shot, body.out, body.frames, body.settings, body.mattes))
        job = hashlib.sha256(content.encode()).hexdigest()[:16]
        folder = None if body.out is None else f"{body.out}/v001"
        self.state.jobs.setdefault(job, FakeJob(job, shot.shot, folder, shot.frames)).cancelled_at = None
        return self._job_of(job)

    def _suggest(self, body: m.Suggest) -> m.Job:
        return self._propagate(m.Propagate(body.shot, frames=body.frames, settings=body.settings))

    def _get_matte(self, body: m.GetMatte) -> m.Matte:
        self._job_of(body.job)
        if body.frame not in self.state.jobs[body.job].frames:
            raise Refusal("matte_missing", f"Frame {body.frame} has no matte.", "Wait for it.")
        return m.Matte(body.job, body.frame, (f"hero/hero.{body.frame}.exr",))

    def _trace(self, body: m.Trace) -> m.Traced:
        self._job_of(body.job)
        ends = (self.state.jobs[body.job].frames[0], self.state.jobs[body.job].frames[-1])
        return m.Traced(body.job, (m.TracedShape(body.object or "hero", "hero 1", ends, 4, (ends,), False, (64, 48)),))

    def _watch(self, body: m.Watch) -> m.Job:
        return self._job_of(body.job)

    def _cancel(self, body: m.Cancel) -> m.Job:
        job = self._job_of(body.job)
        if job.state == "running":
            self.state.jobs[body.job].cancelled_at = job.seq
            self.state.allowed += 1
        return self._job_of(body.job)

    def _list_shots(self, body: m.ListShots) -> m.Shots:
        return m.Shots(tuple(self.state.shots.values()))

    def _list_jobs(self, body: m.ListJobs) -> m.Jobs:
        return m.Jobs(tuple(self._job_of(job) for job in reversed(list(self.state.jobs))))

    def _close_shot(self, body: m.CloseShot) -> m.Done:
        self._shot_of(body)
        return m.Done()

    def _delete_shot(self, body: m.DeleteShot) -> m.Done:
        shot = self._shot_of(body).shot
        del self.state.shots[shot]
        return m.Done()

    def _shutdown(self, body: m.Shutdown) -> m.Done:
        return m.Done()


def main() -> int:
    """Answer for the connection file named, unless another one does."""
    file = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["MATTED_CONNECTION_FILE"])
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Another daemon answers here.")
            return 1
        with FakeDaemon(file) as daemon:
            daemon._thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
