"""Shapes of a job's mattes, through a daemon in this process: real sockets, real files, the real network."""

import threading
from pathlib import Path

import numpy as np
import pytest

from fakes.drawn_mattes import overlap
from fakes.running_daemon import WAIT, DaemonHere, frames_of, told
from fakes.served_shot import ServedShot, Turnstile
from matted.media.matte import read_matte
from matted.service import tracing
from matted.service.paths import Paths
from matted.trace.shapes import Shape, trace
from matted_protocol import messages as m
from matted_protocol.errors import DaemonError


@pytest.fixture
def shot(tmp_path):
    return ServedShot(tmp_path / "shot", 6)


@pytest.fixture
def client(here):
    return here.client()


def shapes_of(answer):
    """The shapes an answer brings, as they were made."""
    assert len(answer.buffers) == len(answer.body.shapes)
    shapes = []
    for told_of, buffer in zip(answer.body.shapes, answer.buffers, strict=True):
        keys = memoryview(buffer).cast("B").cast("f", (len(told_of.frames), told_of.points, 6))
        shapes.append(Shape(told_of.hole, told_of.frames, np.array(keys.tolist(), np.float32), told_of.lifetime))
    return shapes


def refused(call, *arguments, **fields):
    with pytest.raises(DaemonError) as caught:
        call(*arguments, **fields)
    assert caught.value.message and caught.value.hint
    return caught.value


def made(client, shot, out, **fields):
    """A job that is done."""
    job = client.propagate(shot.open(client, keyframes=(1001, 1006)), out=out, **fields).job
    assert isinstance(told(client, job)[-1], m.JobDone)
    return job


@pytest.mark.parametrize(
    "mattes",
    [
        m.MatteOptions(),
        m.MatteOptions(layout="layers"),
        m.MatteOptions(layout="rgba"),
        m.MatteOptions(format="png16"),
        m.MatteOptions(format="png8", layout="rgba"),
    ],
    ids=["files", "layers", "rgba", "PNG files", "PNG rgba"],
)
def test_when_a_job_is_done_then_its_shapes_draw_its_mattes(client, shot, tmp_path, mattes):
    job = made(client, shot, tmp_path / "out", mattes=mattes)
    made(client, shot, tmp_path / "exact")

    answer = client.trace(job, object="red", tolerance=0.5)

    shapes = shapes_of(answer)
    assert {(shape.object, shape.size) for shape in answer.body.shapes} == {("red", (96, 64))}
    assert len({shape.name for shape in answer.body.shapes}) == len(shapes)
    for frame in shot.frames:
        assert overlap(shapes, frame, read_matte(tmp_path / "exact" / "v001" / "red" / f"red.{frame}.exr")) > 0.97
    assert answer.body.job == job


def test_when_an_answer_comes_then_its_numbers_are_those_the_mattes_give(client, shot, tmp_path):
    job = made(client, shot, tmp_path / "out")

    def read(frame):
        return read_matte(tmp_path / "out" / "v001" / "red" / f"red.{frame}.exr")

    known = trace(shot.frames, read, tolerance=2.0)
    for found, expected in zip(shapes_of(client.trace(job, tolerance=2.0)), known, strict=True):
        assert np.array_equal(found.keys, expected.keys)
        assert (found.frames, found.lifetime, found.hole) == (expected.frames, expected.lifetime, expected.hole)


def test_when_the_daemon_keeps_the_mattes_then_they_are_traced_as_well(client, shot):
    job = made(client, shot, None)

    assert client.trace(job).body.shapes[0].lifetime == ((1001, 1006),)


def test_when_frames_are_asked_for_then_only_they_are_traced(client, shot, tmp_path):
    job = made(client, shot, tmp_path / "out")

    assert client.trace(job, frames=(1002, 1004, 1)).body.shapes[0].lifetime == ((1002, 1004),)
    assert client.trace(job, frames=(1001, 1005, 2)).body.shapes[0].lifetime == ((1001, 1005),)
    error = refused(client.trace, job, frames=(2001, 2004, 1))
    assert error.code == "matte_missing" and "2001-2004" in error.message


def test_when_an_object_is_nowhere_then_it_has_no_shapes(client, shot, tmp_path):
    job = client.propagate(shot.open(client, objects=("nobody",)), out=tmp_path / "out").job
    told(client, job)

    assert client.trace(job, object="nobody").body == m.Traced(job, ())
    assert {shape.object for shape in client.trace(job).body.shapes} == {"red"}


def test_when_a_job_is_half_done_then_what_is_there_is_traced(client, shot, tmp_path, monkeypatch):
    turnstile = Turnstile(monkeypatch)
    try:
        job = client.propagate(shot.open(client), out=tmp_path / "out", suggestions=0).job
        assert refused(client.trace, job).code == "matte_missing"
        turnstile.let(4)
        events = client.follow(job, timeout=WAIT)
        done = next(event.body.frame for event in events if isinstance(event.body, m.FrameDone))

        found = client.trace(job).body.shapes[0]
    finally:
        turnstile.open()

    assert found.lifetime[0][0] <= done <= found.lifetime[-1][1]
    assert found.lifetime[-1][1] < shot.frames[-1]
    assert sorted(frames_of(told(client, job))) == shot.frames


def test_when_a_matte_was_taken_away_then_it_is_named(client, shot, tmp_path):
    job = made(client, shot, tmp_path / "out")
    gone = tmp_path / "out" / "v001" / "red" / "red.1003.exr"
    gone.unlink()

    error = refused(client.trace, job)

    assert (error.code, error.frame, error.path) == ("matte_missing", 1003, str(gone))


def test_when_a_matte_is_damaged_then_it_is_named(client, shot, tmp_path):
    job = made(client, shot, tmp_path / "out")
    damaged = tmp_path / "out" / "v001" / "red" / "red.1003.exr"
    damaged.write_bytes(damaged.read_bytes()[:100])

    error = refused(client.trace, job)

    assert (error.code, error.path) == ("mask_unreadable", str(damaged))


def test_when_it_cannot_be_traced_then_the_reason_and_a_way_out_are_told(client, shot, tmp_path):
    id_ = shot.open(client)
    suggest = client.suggest(id_).job
    crypto = made(client, shot, tmp_path / "crypto", mattes=m.MatteOptions(layout="cryptomatte"))
    job = made(client, shot, tmp_path / "out")

    assert refused(client.trace, suggest).code == "bad_request"
    error = refused(client.trace, crypto)
    assert error.code == "bad_request" and "Cryptomatte" in error.message and "layers" in error.hint
    error = refused(client.trace, job, object="green")
    assert error.code == "object_name" and "red" in error.hint
    assert refused(client.trace, "0" * 16).code == "job_missing"


@pytest.mark.parametrize("limit", ["MOST_NUMBERS", "MOST_SHAPES"])
def test_when_shapes_would_be_too_many_then_a_larger_tolerance_is_offered(client, shot, tmp_path, monkeypatch, limit):
    job = made(client, shot, tmp_path / "out")
    monkeypatch.setattr(tracing, limit, 0)

    error = refused(client.trace, job)

    assert error.code == "too_large" and "red" in error.message and "tolerance" in error.hint


def test_when_somebody_else_asks_then_there_is_no_such_job(shot, tmp_path):
    (tmp_path / "shared").mkdir()
    with DaemonHere(tmp_path / "shared", paths=Paths((tmp_path,))) as shared:
        job = made(shared.client(), shot, tmp_path / "out")

        assert refused(shared.user("ann").trace, job).code == "job_missing"


@pytest.fixture
def held(monkeypatch):
    """Holds up whoever reads a matte to trace it."""
    reached, let = threading.Semaphore(0), threading.Event()
    read = tracing.read_object

    def slow(*arguments):
        reached.release()
        assert let.wait(WAIT)
        return read(*arguments)

    monkeypatch.setattr(tracing, "read_object", slow)
    yield reached, let
    let.set()


def in_thread(call, *arguments):
    """Call it in a thread; the list gets what it returns or raises."""
    outcome = []

    def run():
        try:
            outcome.append(call(*arguments))
        except DaemonError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def test_when_long_shots_are_traced_then_everything_else_is_still_answered(here, client, shot, tmp_path, held):
    reached, let = held
    job = made(client, shot, tmp_path / "out")
    tracers = [in_thread(client.trace, job) for _ in range(5)]
    for _ in range(2):
        assert reached.acquire(timeout=WAIT)

    other = made(client, shot, tmp_path / "other")

    assert other != job
    assert here.client().list_jobs().jobs and client.ping()
    assert Path(tmp_path / "other" / "v001" / "red").is_dir()
    assert not any(outcome for _, outcome in tracers)
    let.set()
    for thread, outcome in tracers:
        thread.join(WAIT)
        assert outcome[0].body.shapes


def test_when_the_daemon_stops_then_tracing_stops_too(shot, tmp_path, held):
    reached, let = held
    (tmp_path / "stopped").mkdir()
    with DaemonHere(tmp_path / "stopped") as here:
        client = here.client()
        job = made(client, shot, tmp_path / "out")
        thread, _ = in_thread(client.trace, job)
        assert reached.acquire(timeout=WAIT)

        here.daemon.stop()
        while not here.daemon.server.stopping:
            pass
        let.set()
        here._thread.join(WAIT)

        assert not reached.acquire(blocking=False), "no further frame was read"
        client.close()
        thread.join(WAIT)
