"""Bad luck, in real processes: kills of either side, jumping clocks, full disks. Nothing acknowledged is lost."""

import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
import torch

from fakes.drawn_shot import write_plate
from fakes.running_daemon import WAIT, DaemonHere, DaemonProcess, files_in, frames_of, told
from fakes.served_shot import ServedShot, Turnstile, mattes_in
from matted.media.matte import MatteWriter
from matted_protocol import messages as m
from matted_protocol.errors import DaemonError


@pytest.fixture
def shot(tmp_path):
    return ServedShot(tmp_path / "shot", 24)


def numbered(client, job):
    """The numbered events of a job, as they come."""
    for event, _ in client.follow(job, timeout=WAIT):
        if not isinstance(event, m.Progress):
            yield event


def assert_whole(folder, events, alone):
    """What was told done is there; what is to be seen is whole, and no half of anything is."""
    seen = {
        name: content
        for name, content in files_in(folder).items()
        if not any(part[0] == "." for part in name.split("/"))
    }
    mattes = {name: content for name, content in seen.items() if not name.startswith("matted.json")}
    assert mattes.items() <= alone.items()
    assert {name for event in events if isinstance(event, m.FrameDone) for name in event.files} <= mattes.keys()


def killed_and_started(daemon):
    daemon.kill()
    daemon.start()


def survive(tmp_path, shot, kills, *, at_keyframe=False, at_propagate=False):
    """A client's work over a daemon that is killed at these moments; the client never notices more than a pause."""
    alone, _ = shot.alone(keyframes=(1001, 1013))
    out = tmp_path / "out"
    with DaemonProcess(tmp_path / "daemon") as daemon:
        client = daemon.start().client()
        id_ = shot.open(client, keyframes=(1001,))
        client.set_keyframe(id_, 1013, object="red", path=shot.mask(1013))
        if at_keyframe:
            killed_and_started(daemon)
            assert [keyframe.frame for keyframe in client.list_keyframes(id_).keyframes] == [1001, 1013]
        job = client.propagate(id_, out=out)
        if at_propagate:
            killed_and_started(daemon)
        events = []
        for event in numbered(client, job.job):
            events.append(event)
            if len(frames_of(events)) in kills and isinstance(event, m.FrameDone):
                daemon.kill()
                assert_whole(out / "v001", events, alone)
                daemon.start()

        assert [event.seq for event in events] == list(range(1, 26))
        assert sorted(frames_of(events)) == shot.frames
        assert isinstance(events[-1], m.JobDone)
        assert client.propagate(id_, out=out).state == "done"
        assert [event.seq for event in told(client, job.job)] == list(range(1, 26))
        assert {path.name for path in out.iterdir()} == {"v001"}
        visible = {name for name in files_in(out / "v001") if not name.split("/")[-1].startswith(".")}
        assert visible == {*alone, "matted.json"}
        assert mattes_in(out / "v001") == alone
    left = [
        path for path in (tmp_path / "daemon" / "state").rglob("*") if ".matted-" in path.name or ".part" in path.name
    ]
    assert left == []


@pytest.mark.slow
def test_when_the_daemon_is_killed_right_after_it_accepted_then_keyframe_and_job_are_there(tmp_path, shot):
    survive(tmp_path, shot, kills=(), at_keyframe=True, at_propagate=True)


@pytest.mark.slow
def test_when_the_daemon_is_killed_in_the_middle_then_the_job_goes_on_and_each_event_comes_once(tmp_path, shot):
    survive(tmp_path, shot, kills=(9,))


@pytest.mark.slow
def test_when_frames_are_added_to_the_plate_while_a_job_waits_then_it_goes_on_with_those_it_was_asked_for(
    tmp_path, shot
):
    alone, _ = shot.alone(keyframes=(1001, 1013))
    with DaemonProcess(tmp_path / "daemon") as daemon:
        client = daemon.start().client()
        id_ = shot.open(client, keyframes=(1001, 1013))
        job = client.propagate(id_, out=tmp_path / "out").job
        daemon.kill()
        write_plate(shot.folder / "plate", [shot.frames[-1] + 1])
        daemon.start()

        events = told(client, job)

        assert sorted(frames_of(events)) == shot.frames
        assert mattes_in(tmp_path / "out" / "v001") == alone
        more = client.propagate(id_, out=tmp_path / "out")
        assert (more.total, more.job != job) == (len(shot.frames) + 1, True)
        assert len(frames_of(told(client, more.job))) == more.total


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(10))
def test_whenever_the_daemon_is_killed_then_nothing_acknowledged_is_lost(tmp_path, shot, seed):
    chance = random.Random(seed)
    survive(
        tmp_path,
        shot,
        kills=chance.sample(range(1, 25), chance.choice((1, 1, 2))),
        at_keyframe=chance.random() < 0.2,
        at_propagate=chance.random() < 0.4,
    )


CLIENT = """
import sys
from matted_protocol.client import Client
client = Client.connect(sys.argv[1], start=False)
shot = client.open_shot(sys.argv[2]).shot
client.set_keyframe(shot, 1001, object="red", path=sys.argv[3])
job = client.propagate(shot, out=sys.argv[4]).job
print(job, flush=True)
for event, _ in client.follow(job):
    print(type(event).__name__, flush=True)
"""


def test_when_the_client_is_killed_then_its_job_runs_on_and_a_new_client_gets_every_event(daemon, shot, tmp_path):
    command = [sys.executable, "-c", CLIENT, daemon.file, shot.plate, shot.mask(1001), tmp_path / "out"]
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True) as host:
        job = host.stdout.readline().strip()
        while host.stdout.readline().strip() != "FrameDone":
            assert host.poll() is None
        os.kill(host.pid, signal.SIGKILL)

    events = told(daemon.client(), job)

    assert [event.seq for event in events] == list(range(1, 26))
    assert isinstance(events[-1], m.JobDone)
    assert mattes_in(tmp_path / "out" / "v001") == shot.alone()[0]


JUMPING = """
import time
from pathlib import Path
def _jumped(real=time.time, flag=Path({flag!r})):
    try:
        return real() + float(flag.read_text() or 0)
    except (OSError, ValueError):
        return real()
time.time = _jumped
"""


@pytest.mark.slow
def test_when_the_clock_jumps_by_days_then_the_job_ends_in_order_and_nobody_is_cut_off(tmp_path, shot):
    flag = tmp_path / "jump"
    with DaemonProcess(tmp_path / "daemon", program=JUMPING.format(flag=str(flag))) as daemon:
        client, idle = daemon.start().client(), daemon.client()
        instance = idle.ping().instance
        job = client.propagate(shot.open(client), out=tmp_path / "out").job
        events = []
        for event in numbered(client, job):
            events.append(event)
            if len(events) in (3, 6, 9):
                days = {3: 3, 6: -400, 9: 0}[len(events)]
                flag.write_text(str(days * 86400))
                assert client.ping().instance == idle.ping().instance == instance

        assert [event.seq for event in events] == list(range(1, 26))
        assert sorted(frames_of(events)) == shot.frames
        flag.write_text(str(10 * 86400))
        assert client.status().uptime < WAIT * 10
        second = client.propagate(shot.open(client), out=tmp_path / "more").job
        assert isinstance(told(client, second)[-1], m.JobDone)
        assert client.status().clients == 2
        days = {line.split("T")[0] for line in daemon.lines if '"time"' in line}
        assert len(days) > 1, "the clock of the daemon did not jump"


@contextmanager
def disk(folder, size):
    """A small disk of its own; only root may mount one."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder, *, leave=0):
    """Take up all room but ``leave`` bytes."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\1" * 4096)
        except OSError:
            file.truncate(max(0, file.tell() - leave) // 4096 * 4096)
    return path


@pytest.mark.skipif(
    sys.platform == "win32" or (hasattr(os, "geteuid") and os.geteuid() != 0), reason="only root may mount a disk"
)
def test_when_the_disk_of_the_mattes_is_full_then_the_job_says_so_keeps_what_is_whole_and_goes_on_later(
    tmp_path, shot, here
):
    client, alone = here.client(), shot.alone()[0]
    with disk(tmp_path / "out", "16m") as out:
        filler = fill(out, leave=400 * 1024)
        id_ = shot.open(client)
        job = client.propagate(id_, out=out).job
        before = told(client, job)

        assert isinstance(before[-1], m.JobFailed) and before[-1].error.code == "disk_full"
        assert str(out) in before[-1].error.message and before[-1].error.hint
        assert 0 < len(frames_of(before)) < 24
        assert_whole(out / "v001", before, alone)
        assert client.ping()

        filler.unlink()
        assert client.propagate(id_, out=out).job == job
        after = told(client, job, after=before[-1].seq)
        assert sorted(frames_of(before) + frames_of(after)) == shot.frames
        assert isinstance(after[-1], m.JobDone)
        assert mattes_in(out / "v001") == alone


def test_when_a_write_of_a_matte_finds_no_room_then_the_job_says_so_and_goes_on_later(
    tmp_path, shot, here, monkeypatch
):
    write, full = MatteWriter.write, threading.Event()

    def limited(writer, frame, mattes, header):
        if frame >= 1010 and not full.is_set():
            raise OSError(28, "No space left on device")
        write(writer, frame, mattes, header)

    monkeypatch.setattr(MatteWriter, "write", limited)
    client = here.client()
    id_ = shot.open(client)
    job = client.propagate(id_, out=tmp_path / "out").job
    before = told(client, job)
    assert isinstance(before[-1], m.JobFailed) and before[-1].error.code == "disk_full"
    assert frames_of(before) == list(range(1001, 1010))
    assert_whole(tmp_path / "out" / "v001", before, shot_alone(shot, full))

    assert client.propagate(id_, out=tmp_path / "out").job == job
    after = told(client, job, after=before[-1].seq)
    assert frames_of(after) == list(range(1010, 1025))


def shot_alone(shot, full):
    full.set()
    return shot.alone()[0]


@pytest.mark.skipif(
    sys.platform == "win32" or (hasattr(os, "geteuid") and os.geteuid() != 0), reason="only root may mount a disk"
)
def test_when_the_daemons_own_disk_is_full_then_requests_say_so_and_work_once_there_is_room(
    tmp_path, shot, monkeypatch
):
    (tmp_path / "own").mkdir()
    turnstile = Turnstile(monkeypatch)
    with disk(tmp_path / "own" / "state", "6m") as state, DaemonHere(tmp_path / "own") as here:
        client = here.client()
        id_ = shot.open(client)
        sent = client.open_shot(m.PlateSource(size=(256, 256))).shot
        job = client.propagate(id_, out=tmp_path / "out").job
        turnstile.wait_until_reached()
        filler = fill(state)
        turnstile.open()

        pixels = m.Pixels(256, 256, ("R", "G", "B"), "uint8")
        seed = torch.Generator().manual_seed(1)
        noise = torch.randint(0, 256, (256 * 256 * 3,), dtype=torch.uint8, generator=seed).numpy()
        for ask in (
            lambda: client.set_keyframe(id_, 1013, object="red", path=shot.mask(1013)),
            lambda: client.put_plate(sent, 1001, pixels, noise),
        ):
            with pytest.raises(DaemonError) as refused:
                ask()
            assert refused.value.code == "disk_full", refused.value.message
            assert refused.value.hint
        assert client.ping() and client.status().disk_free == 0
        assert [keyframe.frame for keyframe in client.list_keyframes(id_).keyframes] == [1001]

        filler.unlink()
        assert client.put_plate(sent, 1001, pixels, noise).frames == 1
        client.set_keyframe(id_, 1013, object="red", path=shot.mask(1013))
        end = told(client, job)[-1]
        if isinstance(end, m.JobFailed):  # it met the full disk when it told of a frame
            assert end.error.code == "disk_full"
            client.remove_keyframe(id_, 1013)
            assert client.propagate(id_, out=tmp_path / "out").job == job
        events = told(client, job)
        assert isinstance(events[-1], m.JobDone) and sorted(frames_of(events)) == shot.frames
        assert mattes_in(tmp_path / "out" / "v001") == shot.alone()[0]
        client.close()
