"""Jobs through a daemon in this process: real sockets, real files, the real network, and a hand on the plate's reader."""

import logging
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fakes.drawn_shot import FIRST, save
from fakes.running_daemon import WAIT, DaemonHere, frames_of, told
from fakes.served_shot import ServedShot, Turnstile, mattes_in
from matted.batch.suggesting import suggest
from matted.engine.session import FrameDone
from matted.engine.suggest import SuggestSettings
from matted.media.matte import read_matte
from matted.network.lite import Lite
from matted.service import worker
from matted.service.footage import session_settings
from matted.service.paths import Paths
from matted.weights import identify
from matted_protocol import messages as m
from matted_protocol.errors import DaemonError

SOON = 30.0


@pytest.fixture
def shot(tmp_path):
    return ServedShot(tmp_path / "shot", 12)


@pytest.fixture
def client(here):
    return here.client()


@pytest.fixture
def shared(tmp_path):
    """A daemon that several users may use."""
    (tmp_path / "shared").mkdir()
    with DaemonHere(tmp_path / "shared", paths=Paths((tmp_path,))) as running:
        yield running


@pytest.fixture
def turnstile(monkeypatch):
    """Plate frames are read when the test lets them; it is open at the end, so that the daemon can stop."""
    held = Turnstile(monkeypatch)
    yield held
    held.open()


@pytest.fixture
def frame_turns(monkeypatch):
    """A turn on the device is one step, so that jobs take turns however quick they are."""
    monkeypatch.setattr(worker, "SLICE", 0.0)


class LogWatch(logging.Handler):
    """Waits for a line of the daemon's log."""

    def __init__(self, words):
        super().__init__(logging.INFO)
        self.words, self.seen, self.records = words, threading.Event(), []

    def emit(self, record):
        if self.words in record.getMessage():
            self.records.append(record)
            self.seen.set()

    def __enter__(self):
        log = logging.getLogger("matted")
        self._level = log.level
        log.setLevel(logging.INFO)
        log.addHandler(self)
        return self

    def __exit__(self, *_):
        logging.getLogger("matted").removeHandler(self)
        logging.getLogger("matted").setLevel(self._level)

    def wait(self):
        assert self.seen.wait(WAIT), f"nobody said {self.words}"
        return self.records[0]


def done(events):
    assert isinstance(events[-1], m.JobDone), events[-1]
    return events[-1]


def failed(events):
    assert isinstance(events[-1], m.JobFailed), events[-1]
    return events[-1].error


def test_when_a_job_is_done_then_each_frame_was_told_once_and_mattes_are_those_made_without_a_daemon(
    client, shot, tmp_path
):
    id_ = shot.open(client)

    job = client.propagate(id_, out=tmp_path / "out")
    events = told(client, job.job)

    assert sorted(frames_of(events)) == shot.frames
    assert [event.seq for event in events] == list(range(1, 14))
    mattes, alone = shot.alone()
    assert done(events).computed == 12 and events[-1].folder == str(tmp_path / "out" / "v001")
    assert mattes_in(tmp_path / "out" / "v001") == mattes
    assert [found.frame for found in events[-1].suggestions] == [found.frame for found in alone.suggestions]
    assert {event.frame: tuple(event.confidence.values()) for event in events[:-1]} == alone.confidence
    again = client.propagate(id_, out=tmp_path / "out")
    assert (again.job, again.state, again.done) == (job.job, "done", 12)
    assert told(client, job.job) == events


def test_when_a_host_shifts_the_plate_then_keyframes_events_and_mattes_have_its_numbers(client, shot, tmp_path):
    opened = client.open_shot(m.PlateSource(path=str(shot.plate), offset=1000))
    assert opened.frames == tuple(frame - 1000 for frame in shot.frames)
    with pytest.raises(DaemonError) as refused:
        client.set_keyframe(opened.shot, FIRST, object="red", path=shot.mask(FIRST))
    client.set_keyframe(opened.shot, FIRST - 1000, object="red", path=shot.mask(FIRST))

    job = client.propagate(opened.shot, out=tmp_path / "out")
    events = told(client, job.job)

    assert refused.value.code == "keyframe_outside" and "frame offset 1000" in refused.value.message
    assert sorted(frames_of(events)) == list(opened.frames)
    plain = client.propagate(shot.open(client), out=tmp_path / "plain")
    done(told(client, plain.job))
    for frame in opened.frames:
        ours = read_matte(tmp_path / "out" / "v001" / "red" / f"red.{frame:04}.exr")
        theirs = read_matte(tmp_path / "plain" / "v001" / "red" / f"red.{frame + 1000}.exr")
        assert torch.equal(torch.from_numpy(ours), torch.from_numpy(theirs)), frame


def test_when_a_shifted_plate_is_opened_then_it_is_another_shot(client, shot):
    shots = {client.open_shot(m.PlateSource(path=str(shot.plate), offset=offset)).shot for offset in (0, 0, 7)}

    assert len(shots) == 2
    assert client.open_shot(shot.plate).shot in shots


def test_when_a_job_waits_then_cancelling_it_ends_it_at_once(client, shot, tmp_path, turnstile):
    id_ = shot.open(client)
    busy = client.propagate(id_, out=tmp_path / "busy")
    turnstile.wait_until_reached()
    waits = client.propagate(id_, out=tmp_path / "waits", frames=(1001, 1004, 1))
    assert (waits.state, waits.ahead) == ("queued", 1)

    assert client.cancel(waits.job).state == "cancelled"

    assert failed(told(client, waits.job)).code == "cancelled"
    assert client.list_jobs(unfinished=True).jobs[0].job == busy.job
    turnstile.open()
    done(told(client, busy.job))
    assert not list((tmp_path / "waits").rglob("*.exr"))


def test_when_a_running_job_is_cancelled_then_it_ends_after_the_frame_and_goes_on_later(
    client, shot, tmp_path, turnstile
):
    id_ = shot.open(client)
    job = client.propagate(id_, out=tmp_path / "out").job
    turnstile.let(6)
    turnstile.wait_until_reached(7)

    client.cancel(job)
    turnstile.let(1)  # the frame at hand
    before = told(client, job)

    assert failed(before).code == "cancelled"
    assert 1 <= len(frames_of(before)) <= 7
    assert client.list_jobs().jobs[0].state == "cancelled"
    whole = mattes_in(tmp_path / "out" / "v001")
    turnstile.open()
    assert client.propagate(id_, out=tmp_path / "out").job == job
    after = told(client, job, after=before[-1].seq)
    assert sorted(frames_of(before) + frames_of(after)) == shot.frames
    assert done(after).computed == 12 - len(frames_of(before))
    assert whole.items() <= mattes_in(tmp_path / "out" / "v001").items()
    assert mattes_in(tmp_path / "out" / "v001") == shot.alone()[0]
    assert [type(event) for event in told(client, job)] == [m.FrameDone] * 12 + [m.JobDone]


def test_when_a_cancelled_job_is_asked_for_again_before_it_stopped_then_it_runs_to_its_end(
    client, shot, tmp_path, turnstile
):
    id_ = shot.open(client)
    job = client.propagate(id_, out=tmp_path / "out").job
    turnstile.wait_until_reached()

    client.cancel(job)
    again = client.propagate(id_, out=tmp_path / "out")
    turnstile.open()

    assert (again.job, again.state) == (job, "running")
    events = told(client, job)
    assert done(events).computed == 12
    assert [event.seq for event in events] == list(range(1, 14))


class Scripted:
    """A task whose steps the test lets happen."""

    def __init__(self, count):
        self.may, self.closed = threading.Semaphore(0), False
        self.steps = self._steps(count)

    def _steps(self, count):
        for done_ in range(1, count + 1):
            assert self.may.acquire(timeout=WAIT)
            yield FrameDone(done_, None, done_, count)

    def finish(self):
        return {"computed": 0, "suggestions": []}

    def close(self):
        self.closed = True


def test_when_a_begun_job_waits_for_its_turn_then_cancelling_it_does_not_wait(
    here, client, shot, tmp_path, frame_turns, monkeypatch
):
    tasks, begun = {"batch": Scripted(9), "interactive": Scripted(9)}, threading.Semaphore(0)

    def begin(row, **_):
        begun.release()
        return tasks[row.priority]

    monkeypatch.setattr(worker, "begin", begin)
    id_ = shot.open(client)
    batch = client.propagate(id_, out=tmp_path / "batch", priority="batch").job
    assert begun.acquire(timeout=WAIT)
    quick = client.propagate(id_, out=tmp_path / "quick").job
    tasks["batch"].may.release()  # its turn is over, the interactive job comes
    assert begun.acquire(timeout=WAIT)

    client.cancel(batch)
    tasks["interactive"].may.release()  # one of the seven turns before batch would be looked at again

    assert failed(told(client, batch)).code == "cancelled"
    assert tasks["batch"].closed and not tasks["interactive"].closed
    assert [job.job for job in client.list_jobs(unfinished=True).jobs] == [quick]
    tasks["interactive"].may.release(9)
    done(told(client, quick))


def test_when_an_interactive_job_comes_after_a_long_batch_job_then_it_ends_first_and_both_are_right(
    client, shot, tmp_path, turnstile, frame_turns
):
    id_ = shot.open(client, keyframes=(1001, 1010))
    batch = client.propagate(id_, out=tmp_path / "batch", priority="batch").job
    turnstile.wait_until_reached()
    quick = client.propagate(id_, out=tmp_path / "quick", frames=(1001, 1004, 1)).job
    client.watch(batch)
    client.watch(quick)

    turnstile.open()
    ends = []
    while len(ends) < 2:
        event = client.events.get(timeout=SOON).body
        if isinstance(event, m.JobDone):
            ends.append(event.job)

    assert ends == [quick, batch]
    assert mattes_in(tmp_path / "batch" / "v001") == shot.alone(keyframes=(1001, 1010))[0]
    assert mattes_in(tmp_path / "quick" / "v001") == shot.alone(keyframes=(1001, 1010), frames=(1001, 1004))[0]


def test_when_more_jobs_than_lie_open_take_turns_then_every_one_is_right(shared, shot, tmp_path, frame_turns):
    users = [shared.client(), *(shared.user(name) for name in ("anna", "ben"))]
    jobs = {}
    for at, client in enumerate(users):
        id_ = shot.open(client)
        for part in range(3):
            out = tmp_path / f"out {at} {part}"
            jobs[out] = client, client.propagate(id_, out=out, frames=(1001, 1004 + part, 1)).job

    for out, (client, job) in jobs.items():
        done(told(client, job))
        assert mattes_in(out / "v001") == shot.alone(frames=(1001, 1004 + int(out.name[-1])))[0]


def test_when_keyframes_change_while_a_job_runs_then_it_keeps_those_it_began_with(client, shot, tmp_path, turnstile):
    id_ = shot.open(client)
    first = client.propagate(id_, out=tmp_path / "out").job
    turnstile.wait_until_reached()

    client.set_keyframe(id_, 1008, object="red", path=shot.mask(1008))
    save(shot.mask(1001), torch.zeros(64, 96, 1).numpy(), channels=("A",))  # the artist draws over the file
    second = client.propagate(id_, out=tmp_path / "out").job
    turnstile.open()
    done(told(client, first))
    done(told(client, second))

    other = ServedShot(shot.folder, 12)  # the masks as they were
    assert mattes_in(tmp_path / "out" / "v001") == other.alone()[0]
    assert mattes_in(tmp_path / "out" / "v002") == other.alone(keyframes=(1001, 1008))[0]
    assert first != second
    client.remove_keyframe(id_, 1008)
    assert client.propagate(id_, out=tmp_path / "out").job == first


def test_when_two_hosts_of_one_user_watch_then_both_see_the_same_shot_and_events(here, shot, tmp_path):
    nuke, resolve = here.client(), here.client()
    id_ = shot.open(nuke)
    assert shot.open(resolve, keyframes=()) == id_
    assert [each.frame for each in resolve.list_keyframes(id_).keyframes] == [1001]

    job = nuke.propagate(id_, out=tmp_path / "out").job
    seen = [told(host, job) for host in (nuke, resolve)]

    assert seen[0] == seen[1]
    done(seen[0])


def test_when_two_users_work_on_one_plate_then_nothing_is_encoded_twice_and_mattes_are_equal(
    shared, shot, tmp_path, monkeypatch
):
    encoded = []
    encode = Lite.encode_key
    monkeypatch.setattr(Lite, "encode_key", lambda network, image: encoded.append(1) or encode(network, image))
    anna, ben = shared.user("anna"), shared.user("ben")

    done(told(anna, anna.propagate(shot.open(anna), out=tmp_path / "anna").job))
    by_anna = len(encoded)
    done(told(ben, ben.propagate(shot.open(ben), out=tmp_path / "ben").job))

    assert by_anna == 12
    assert len(encoded) == by_anna
    assert mattes_in(tmp_path / "anna" / "v001") == mattes_in(tmp_path / "ben" / "v001") == shot.alone()[0]
    assert [each.user for each in ben.list_shots().shots] == ["ben"]
    with pytest.raises(DaemonError) as refused:
        ben.list_keyframes(anna.list_shots().shots[0].shot)
    assert refused.value.code == "shot_missing"


def test_when_a_shot_is_deleted_while_its_job_runs_then_the_job_ends_and_written_mattes_stay(
    here, client, shot, tmp_path, turnstile, monkeypatch
):
    cancel, asked = here.daemon.crew.cancel, threading.Event()
    monkeypatch.setattr(here.daemon.crew, "cancel", lambda job: (cancel(job), asked.set()))
    id_ = shot.open(client)
    client.propagate(id_, out=tmp_path / "out")
    turnstile.let(6)
    turnstile.wait_until_reached(7)

    deleting = threading.Thread(target=client.delete_shot, args=(id_,))
    deleting.start()
    assert asked.wait(WAIT)
    turnstile.let(1)  # the frame at hand
    deleting.join(WAIT)

    assert not deleting.is_alive()
    assert client.list_shots().shots == () and client.list_jobs().jobs == ()
    with pytest.raises(DaemonError) as gone:
        client.propagate(id_)
    assert gone.value.code == "shot_missing"
    turnstile.open()
    written = mattes_in(tmp_path / "out" / "v001")
    assert written and written.items() <= shot.alone()[0].items()
    assert shot.open(client, keyframes=()) == id_
    assert client.list_keyframes(id_).keyframes == ()


def test_when_a_shot_is_closed_while_its_job_runs_then_the_job_goes_on_and_nothing_stays_warm(
    here, client, shot, tmp_path, turnstile
):
    id_ = shot.open(client)
    job = client.propagate(id_, out=tmp_path / "out").job
    turnstile.wait_until_reached()

    client.close_shot(id_)
    turnstile.open()

    done(told(client, job))
    second = client.propagate(id_, out=tmp_path / "more").job
    done(told(client, second))
    assert here.daemon.crew.workers[0].bench.warm_keys == (id_,)
    client.close_shot(id_)
    done(told(client, client.propagate(id_, out=tmp_path / "most", frames=(1001, 1002, 1)).job))
    assert mattes_in(tmp_path / "more" / "v001") == shot.alone()[0]


def test_when_frames_are_suggested_by_the_daemon_then_they_are_those_suggested_without(client, shot, tmp_path):
    id_ = shot.open(client)
    for method in ("doubt", "diversity"):
        job = client.suggest(id_, count=3, method=method)
        found = done(told(client, job.job)).suggestions
        settings = SuggestSettings(method=method, alpha=0.5)
        expected = suggest(
            shot.shot(), weights=identify("lite"), session=session_settings(m.Settings()), mattes=None, count=3, settings=settings
        )  # fmt: skip
        assert [(each.frame, each.reason) for each in found] == [(each.frame, each.reason) for each in expected]
        assert [each.score for each in found] == pytest.approx([each.score for each in expected])
        assert client.suggest(id_, count=3, method=method).state == "done"


def test_when_keyframes_came_since_the_mattes_then_suggestions_are_those_of_the_shot_as_it_is_now(
    client, shot, tmp_path
):
    id_ = shot.open(client)
    done(told(client, client.propagate(id_, out=tmp_path / "out").job))
    client.set_keyframe(id_, 1006, object="red", path=shot.mask(1006))

    found = done(told(client, client.suggest(id_, count=3).job)).suggestions

    expected = suggest(
        shot.shot(keyframes=(1001, 1006)), weights=identify("lite"), session=session_settings(m.Settings()), mattes=None,
        count=3, settings=SuggestSettings(method="doubt"),
    )  # fmt: skip
    assert [(each.frame, each.reason) for each in found] == [(each.frame, each.reason) for each in expected]


def test_when_suggestions_come_from_mattes_made_before_then_they_are_those_suggested_without(client, shot, tmp_path):
    id_ = shot.open(client)
    done(told(client, client.propagate(id_, out=tmp_path / "out").job))

    found = done(told(client, client.suggest(id_, count=2, mattes=tmp_path / "out" / "v001").job)).suggestions

    expected = suggest(
        shot.shot(), weights=identify("lite"), session=session_settings(m.Settings()), mattes=tmp_path / "out" / "v001",
        count=2, settings=SuggestSettings(method="doubt"),
    )  # fmt: skip
    assert [each.frame for each in found] == [each.frame for each in expected]


def test_when_the_device_lacks_memory_then_the_client_is_told_what_was_given_up_and_the_job_ends(
    client, shot, tmp_path, monkeypatch
):
    segment, calls = Lite.segment, []

    def short_of_memory(network, *arguments):
        calls.append(1)
        if len(calls) in (3, 5):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return segment(network, *arguments)

    monkeypatch.setattr(Lite, "segment", short_of_memory)
    job = client.propagate(shot.open(client), out=tmp_path / "out").job

    events = told(client, job)

    degraded = [event for event in events if isinstance(event, m.Degraded)]
    assert len(degraded) == 2
    assert all("memory" in event.message and "1" in str(event.frame) for event in degraded)
    assert done(events) and sorted(frames_of(events)) == shot.frames
    assert len(mattes_in(tmp_path / "out" / "v001")) == 12


def test_when_the_daemon_itself_fails_in_a_job_then_that_job_alone_ends(client, shot, tmp_path, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("nobody thought of this")

    id_ = shot.open(client)
    with monkeypatch.context() as patched, LogWatch("failed") as log:
        patched.setattr(Lite, "segment", broken)
        job = client.propagate(id_, out=tmp_path / "out").job
        error = failed(told(client, job))

    assert error.code == "internal" and job in error.message
    assert "nobody thought" not in error.message + error.hint
    assert log.wait().job == job and log.wait().exc_info
    assert client.propagate(id_, out=tmp_path / "out").job == job
    assert sorted(frames_of(told(client, job))) == shot.frames


def test_when_the_disk_does_not_take_the_end_of_a_job_then_it_is_told_once_it_does(
    here, client, shot, tmp_path, monkeypatch
):
    end, refused = here.daemon.store.end, threading.Event()

    def full_at_first(*arguments, **named):
        if not refused.is_set():
            refused.set()
            raise OSError(28, "No space left on device")
        return end(*arguments, **named)

    monkeypatch.setattr(here.daemon.store, "end", full_at_first)
    job = client.propagate(shot.open(client), out=tmp_path / "out").job

    assert done(told(client, job)).computed == 12
    assert refused.is_set()


def test_when_nothing_was_done_for_a_while_then_networks_are_unloaded_and_come_back(tmp_path, shot):
    (tmp_path / "idle").mkdir()
    with DaemonHere(tmp_path / "idle", idle=0.3) as here, LogWatch("idle: lite unloaded") as log:
        client = here.client()
        id_ = shot.open(client)
        done(told(client, client.propagate(id_, out=tmp_path / "out").job))
        log.wait()
        (device,) = client.status().devices
        assert (device.weights, device.features, device.job) == ((), 0, None)

        done(told(client, client.propagate(id_, out=tmp_path / "more").job))

    assert mattes_in(tmp_path / "more" / "v001") == mattes_in(tmp_path / "out" / "v001")


def test_when_the_daemon_holds_more_than_its_budget_then_what_can_be_computed_again_goes(here, client, shot, tmp_path):
    id_ = shot.open(client)
    done(told(client, client.propagate(id_, out=tmp_path / "out").job))
    (device,) = client.status().devices
    assert device.features > 0 and device.weights == ("lite",)

    with LogWatch("above the memory budget") as log:
        here.daemon.crew.settings = replace(here.daemon.crew.settings, memory_budget=1)
        log.wait()

    assert client.status().devices[0].features == 0
    done(told(client, client.propagate(id_, out=tmp_path / "more").job))
    assert mattes_in(tmp_path / "more" / "v001") == mattes_in(tmp_path / "out" / "v001")


def test_when_the_plate_is_replaced_under_a_job_then_it_fails_and_the_next_propagate_works(
    client, shot, tmp_path, turnstile
):
    id_ = shot.open(client)
    job = client.propagate(id_, out=tmp_path / "out").job
    turnstile.wait_until_reached()
    for path in Path(shot.plate).parent.glob("*.png"):
        save(path, torch.full((64, 96, 3), 128, dtype=torch.uint8).numpy())
        with path.open("ab") as file:
            file.write(b"\0")
    turnstile.open()

    error = failed(told(client, job))

    assert error.code == "plate_changed" and error.path
    again = client.propagate(id_, out=tmp_path / "out")
    assert again.job != job
    assert sorted(frames_of(told(client, again.job))) == shot.frames


def test_when_sent_pixels_fill_the_spool_then_more_are_refused_until_a_shot_is_deleted(tmp_path):
    (tmp_path / "small").mkdir()
    pixels = m.Pixels(64, 64, ("R", "G", "B"), "uint8")
    noise = torch.randint(0, 256, (64 * 64 * 3,), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with DaemonHere(tmp_path / "small", spool_budget=3 * pixels.size) as here:
        client = here.client()
        shot = client.open_shot(m.PlateSource(size=(64, 64)), name="old").shot
        sent = 0
        with pytest.raises(DaemonError) as refused:
            for frame in range(1001, 1010):
                sent = client.put_plate(shot, frame, pixels, noise.numpy()).frames
        assert refused.value.code == "spool_full"
        assert 1 <= sent < 4 and client.open_shot(m.PlateSource(size=(64, 64)), name="old").frames == tuple(
            range(1001, 1001 + sent)
        )
        assert client.status().spool_used <= client.status().spool_budget

        client.delete_shot(shot)

        assert client.status().spool_used == 0
        new = client.open_shot(m.PlateSource(size=(64, 64)), name="new").shot
        assert client.put_plate(new, FIRST, pixels, noise.numpy()).frames == 1


def test_when_mattes_without_a_folder_fill_the_spool_then_only_those_with_one_are_made(tmp_path):
    (tmp_path / "small").mkdir()
    shot = ServedShot(tmp_path / "shot", frames=3)
    with DaemonHere(tmp_path / "small", spool_budget=1000) as here:
        client = here.client()
        id_ = shot.open(client)
        told(client, client.propagate(id_).job)

        with pytest.raises(DaemonError) as refused:
            client.propagate(id_, settings=m.Settings(working_size=0))
        elsewhere = told(client, client.propagate(id_, out=tmp_path / "out", settings=m.Settings(working_size=0)).job)

        assert refused.value.code == "spool_full"
        assert client.status().spool_used > 1000
        assert frames_of(elsewhere) == shot.frames
        client.delete_shot(id_)
        assert client.status().spool_used == 0
