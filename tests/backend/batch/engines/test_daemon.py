import time
from dataclasses import replace

import numpy as np
import pytest

from fakes.drawn_batch import FRAMES, draw_shot, entry_at, mattes_of, request_at
from fakes.drawn_shot import plate, save, write_masks
from fakes.running_daemon import WAIT, DaemonHere, DaemonProcess
from fakes.served_shot import Turnstile
from matted.batch import many
from matted.batch.engines import Failed, Made, Said, Step
from matted.batch.engines.daemon import Daemon
from matted.batch.engines.here import Here
from matted.batch.keyframes import MaskSource
from matted.batch.ledger import read_sidecar
from matted.batch.many import make
from matted.batch.request import Request
from matted.engine.plan import Direction
from matted.engine.session import SessionSettings
from matted.media.color import ColorSettings
from matted.media.matte import MatteSettings
from matted.weights import identify
from matted_protocol.client import Client
from matted_protocol.frames import FrameRange


@pytest.fixture
def daemon(tmp_path):
    with DaemonHere(tmp_path / "daemon") as running:
        yield running


def connected(daemon):
    client = Client(daemon.file, timeout=WAIT)  # it looks for the file until it is there
    client.ping()
    return client


def test_when_the_daemon_makes_a_batch_then_files_reviews_and_outcomes_are_those_made_here(tmp_path, daemon):
    for where in ("there", "here"):
        for name in "ab":
            draw_shot(tmp_path / where, name)

    with Daemon(connected(daemon)) as engine:
        there = make([entry_at(tmp_path / "there", name, review=True) for name in "ab"], engine)
        again = make([entry_at(tmp_path / "there", name, review=True) for name in "ab"], engine)
    with Here() as engine:
        here = make([entry_at(tmp_path / "here", name, review=True) for name in "ab"], engine)

    assert [outcome.state for outcome in there] == ["pass", "pass"]
    for name in "ab":
        assert mattes_of(tmp_path / "there", name) == mattes_of(tmp_path / "here", name)
    assert [each.result.review for each in there] == [each.result.review for each in here]
    assert [each.result.confidence for each in there] == [each.result.confidence for each in here]
    assert [each.result.computed for each in there] == [6, 6]
    assert [each.result.computed for each in again] == [0, 0]
    assert [each.result.folder for each in again] == [each.result.folder for each in there]


def test_when_a_shot_is_asked_for_in_every_detail_then_the_daemon_makes_that_very_job(tmp_path, daemon):
    draw_layered(tmp_path / "plates", range(1001, 1005))
    write_masks(tmp_path / "roto/a", [1, 4])
    asked = Request(
        plate=str(tmp_path / "plates/left.####.exr"),
        masks=(MaskSource(tmp_path / "roto/a", "red"),),
        out=tmp_path / "mattes",
        name="a",
        frames=FrameRange(1, 4),
        missing="skip",
        frame_offset=1000,
        part="0",
        layer="left",
        color=ColorSettings("sRGB", 0.5, "ocio://default"),
        session=SessionSettings(working_size=48, direction=Direction.FORWARD),
        mattes=MatteSettings(format="png16", layout="rgba"),
        suggestions=0,
    )
    fewer = replace(asked, name="b", at=(1,))

    with Daemon(connected(daemon)) as engine:
        made = [many.make_one(request, engine) for request in (asked, fewer)]

    for request, result in zip((asked, fewer), made, strict=True):
        assert read_sidecar(result.folder)["recipe"] == request.job(identify("lite")).recipe()


def draw_layered(folder, frames):
    """A plate whose pictures are in an EXR layer."""
    folder.mkdir()
    for frame in frames:
        pixels = plate(frame).permute(1, 2, 0).numpy().astype(np.float16)
        save(folder / f"left.{frame}.exr", pixels, channels=("left.R", "left.G", "left.B"))


def test_when_this_machine_cannot_see_what_the_daemon_made_then_the_shot_fails_and_names_the_folder(tmp_path, daemon):
    with Daemon(connected(daemon)) as engine:
        failed = engine._made(request_at(tmp_path, "a"), str(tmp_path / "elsewhere/v001"), computed=6)

    assert isinstance(failed, Failed)
    assert (failed.error.code, failed.error.path) == ("matte_missing", str(tmp_path / "elsewhere/v001"))


def test_when_the_daemon_was_started_for_a_batch_then_it_is_stopped_unless_others_use_it(tmp_path, daemon, monkeypatch):
    asked = []
    monkeypatch.setattr(Client, "shutdown", lambda self, **_: asked.append(self))

    with Daemon(connected(daemon), started=True):
        pass
    assert len(asked) == 1
    with Daemon(connected(daemon)):
        pass
    with connected(daemon), Daemon(connected(daemon), started=True):
        pass
    assert len(asked) == 1


def test_when_shots_fail_at_the_daemon_or_before_it_then_the_others_are_made(tmp_path, daemon):
    for name in "abc":
        draw_shot(tmp_path, name)
    (tmp_path / "plates/a/plate.1004.png").write_bytes(b"no image")
    for mask in (tmp_path / "roto/b").iterdir():
        mask.unlink()
    told = []

    with Daemon(connected(daemon)) as engine:
        outcomes = make([entry_at(tmp_path, name) for name in "abc"], engine, tell=told.append)

    assert [outcome.error and outcome.error.code for outcome in outcomes] == ["plate_unreadable", "mask_missing", None]
    assert outcomes[0].error.frame == 1004
    assert outcomes[2].result.computed == len(FRAMES)
    assert any(isinstance(each, Step) and each.shot == "c" and each.frame for each in told)


def test_when_stopped_then_its_own_jobs_are_cancelled_and_others_go_on(tmp_path, daemon, monkeypatch):
    for name in ("other", "a", "b"):
        draw_shot(tmp_path, name)
    gate = Turnstile(monkeypatch)
    with Daemon(connected(daemon), priority="interactive") as other:
        other.submit(request_at(tmp_path, "other"))
        other.news(0)
        gate.wait_until_reached()
        told = []
        with Daemon(connected(daemon)) as engine:
            for name in "ab":
                engine.submit(request_at(tmp_path, name))
                told += engine.news(0)
            engine.stop()
            gate.open()
            while len([each for each in told if isinstance(each, Failed)]) < 2:
                told += engine.news(0.1)
        made = []
        while not [each for each in made if isinstance(each, Made | Failed)]:
            made += other.news(0.1)

    assert {each.error.code for each in told if isinstance(each, Failed)} == {"cancelled"}
    assert [each.text for each in told if isinstance(each, Said)] == [
        "Waiting for 1 other job; 'matted jobs' lists them."
    ]
    assert isinstance(made[-1], Made)


def test_when_the_engine_is_left_with_work_then_its_jobs_do_not_run_on(tmp_path, daemon, monkeypatch):
    draw_shot(tmp_path, "a")
    gate = Turnstile(monkeypatch)
    with pytest.raises(KeyboardInterrupt), Daemon(connected(daemon)) as engine:
        engine.submit(request_at(tmp_path, "a"))
        engine.news(0)
        gate.wait_until_reached()
        raise KeyboardInterrupt
    gate.open()

    client = daemon.client()
    until = time.monotonic() + WAIT
    while client.list_jobs(unfinished=True).jobs:
        assert time.monotonic() < until
    assert [job.state for job in client.list_jobs().jobs] == ["cancelled"]


def test_when_the_daemon_stays_away_then_every_shot_fails_and_the_batch_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("matted.batch.engines.daemon.PATIENCE", 0.2)
    monkeypatch.setattr("matted.batch.engines.daemon.PARTING", 0.1)
    for name in "ab":
        draw_shot(tmp_path, name, frames=range(1001, 1101))

    with DaemonHere(tmp_path / "daemon") as daemon:

        def stop(told):
            if isinstance(told, Step) and told.done >= 2:
                daemon.daemon.stop()

        with Daemon(connected(daemon)) as engine:
            outcomes = make([entry_at(tmp_path, name) for name in "ab"], engine, tell=stop)

    assert [outcome.error.code for outcome in outcomes] == ["no_answer", "no_answer"]


@pytest.mark.slow
def test_when_the_daemon_is_killed_and_comes_back_then_the_batch_is_made_and_no_frame_twice(tmp_path):
    for name in "ab":
        draw_shot(tmp_path / "there", name, frames=range(1001, 1031), keyframes=(1001, 1030))
        draw_shot(tmp_path / "here", name, frames=range(1001, 1031), keyframes=(1001, 1030))
    times = {}

    with DaemonProcess(tmp_path / "daemon", "--device", "cpu") as process:
        process.start()

        def kill_once(told):
            if isinstance(told, Step) and told.shot == "a" and told.done > 35 and not times:
                process.kill()
                times.update({path: path.stat().st_mtime_ns for path in (tmp_path / "there").rglob("red.*.exr")})
                process.start()

        with Daemon(connected(process)) as engine:
            outcomes = make([entry_at(tmp_path / "there", name) for name in "ab"], engine, tell=kill_once)
    with Here() as engine:
        make([entry_at(tmp_path / "here", name) for name in "ab"], engine)

    assert times
    assert [outcome.state for outcome in outcomes] == ["pass", "pass"], outcomes
    for name in "ab":
        assert mattes_of(tmp_path / "there", name) == mattes_of(tmp_path / "here", name)
    again = [path for path, when in times.items() if path.stat().st_mtime_ns != when]
    assert len(again) <= 1  # the kill came between its file and its line in the journal
