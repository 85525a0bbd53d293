"""What the client does when the daemon goes, comes back elsewhere, freezes, or has other keys."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial

import pytest
import zmq

from fakes import daemon as stand_in
from fakes.daemon import FakeDaemon, State
from matted_protocol import link
from matted_protocol import messages as m
from matted_protocol.client import Client
from matted_protocol.connection import read_connection, write_connection
from matted_protocol.dealer import Dealer
from matted_protocol.errors import DaemonError


@pytest.fixture
def quick(monkeypatch):
    """Silence is noticed sooner."""
    monkeypatch.setattr(link, "PING_EVERY", 0.1)
    monkeypatch.setattr(link, "SILENCE", 0.4)


@pytest.fixture
def frozen(file):
    """A stand-in in a process of its own, to be stopped by signals."""
    process = start_alone(file)
    yield process
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait(10)


def start_alone(file, **environment):
    process = subprocess.Popen(
        [sys.executable, stand_in.__file__, str(file)], env={**os.environ, **environment}, stdin=subprocess.DEVNULL
    )
    wait_until(lambda: file.exists() and read_connection(file).pid == process.pid)
    return process


def freeze(process):
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)


def open_job(client, frames=10):
    shot = client.open_shot("/plates/a.####.exr", frames=(1, frames, 1), objects=("hero",)).shot
    client.set_keyframe(shot, 1, path="/masks/hero.png", object="hero")
    return client.propagate(shot)


def seqs(events):
    return [event.body.seq for event in events if not isinstance(event.body, m.Progress)]


def test_when_the_daemon_comes_back_on_another_port_then_a_waiting_request_is_answered(file):
    state = State()
    with FakeDaemon(file, state) as first:
        client = Client.connect(file)
        endpoint = read_connection(file).endpoint
        first.deaf.add("list_shots")
        answers = []
        thread = threading.Thread(target=lambda: answers.append(client.list_shots(timeout=10)))
        thread.start()
        wait_until(lambda: any(kind == "list_shots" for kind, _ in first.seen))
    with FakeDaemon(file, state) as second:
        thread.join(10)

        assert answers == [m.Shots(())]
        assert read_connection(file).endpoint != endpoint
        asked = [request for kind, request in first.seen + second.seen if kind == "list_shots"]
        assert len(asked) == 2
        assert len(set(asked)) == 1
        assert client.welcome.instance == second.instance
        client.close()


def test_when_the_daemon_is_gone_while_the_client_is_idle_then_the_next_request_finds_the_new_one(file):
    state = State()
    with FakeDaemon(file, state):
        client = Client.connect(file)
    with FakeDaemon(file, state) as second, client:
        assert client.ping(timeout=5).instance == second.instance


def test_when_the_daemon_restarts_under_a_watch_then_each_event_comes_once_and_in_order(file):
    state = State(allowed=4)
    with FakeDaemon(file, state) as first, Client.connect(file) as client:
        job = open_job(client, frames=40)
        events = client.follow(job.job, credit=7)
        taken = [next(events) for _ in range(6)]
        for allowed in (9, 10, 25, 41):
            first.stop()
            state.allowed = allowed
            first = FakeDaemon(file, state).__enter__()
            while allowed < 41 and max(seqs(taken)) < allowed:
                taken.append(next(events))
        taken += events
        watched = first.watched
        first.stop()

        assert seqs(taken) == list(range(1, 42))
        assert [options.after for options in watched] == [25]


def test_when_a_watched_job_is_gone_after_a_restart_then_its_events_end_with_that(file):
    state = State(allowed=2)
    with FakeDaemon(file, state) as daemon, Client.connect(file) as client:
        events = client.follow(open_job(client).job)
        taken = [next(events) for _ in range(4)]
        daemon.stop()
        state.jobs.clear()
        with FakeDaemon(file, state):
            taken += events

    assert seqs(taken) == [1, 2, 3]
    assert taken[-1].body.error.code == "job_missing"


def test_when_the_daemon_forgot_a_watch_then_it_is_watched_anew(file, monkeypatch):
    monkeypatch.setattr(link, "WATCH_AGAIN", 0.2)
    state = State(allowed=3)
    with FakeDaemon(file, state) as daemon, Client.connect(file) as client:
        events = client.follow(open_job(client).job)
        taken = [next(events) for _ in range(6)]
        daemon._watches.clear()
        state.allowed = 11
        taken += events

    assert seqs(taken) == list(range(1, 12))


def test_when_events_were_sent_twice_then_they_are_taken_once(file):
    with FakeDaemon(file) as daemon, Client.connect(file) as client:
        job = open_job(client)
        daemon.twice = True

        assert seqs(client.follow(job.job, credit=2)) == list(range(1, 12))


def test_when_events_of_an_earlier_watch_come_late_then_they_are_not_taken(file):
    with FakeDaemon(file) as daemon, Client.connect(file) as client:
        job = open_job(client)
        daemon.stale = True

        assert seqs(client.follow(job.job)) == list(range(1, 12))


def test_when_the_reply_is_lost_after_the_first_events_then_the_rest_comes_once(file):
    state = State(allowed=4)
    with FakeDaemon(file, state) as daemon, Client.connect(file) as client:
        shot = open_job(client).shot
        daemon.mute.add("propagate")
        watch = m.WatchOptions(credit=2)
        thread = threading.Thread(target=lambda: client.propagate(shot, watch=watch, timeout=10))
        thread.start()
        taken = [client.events.get(timeout=5) for _ in range(8)]
        daemon.mute.clear()
        state.allowed = 11
        daemon.drop_clients()
        while seqs(taken)[-1:] != [11]:
            taken.append(client.events.get(timeout=5))
        thread.join(10)

        assert seqs(taken) == list(range(1, 12))


def test_when_shutdown_was_sent_and_the_daemon_went_then_it_is_not_sent_to_the_next_one(file):
    state = State()
    with FakeDaemon(file, state) as first, Client.connect(file) as client:
        first.deaf.add("shutdown")
        codes = []
        thread = threading.Thread(target=lambda: codes.append(code_of(client.shutdown)))
        thread.start()
        wait_until(lambda: any(kind == "shutdown" for kind, _ in first.seen))
        first.stop()
        with FakeDaemon(file, state) as second:
            thread.join(10)
            client.ping()

            assert codes == ["no_answer"]
            assert all(kind != "shutdown" for kind, _ in second.seen)


def test_when_the_daemon_does_not_know_the_key_then_the_client_is_told_at_once(daemon, file):
    public, secret = (key.decode() for key in zmq.curve_keypair())
    write_connection(file, replace(read_connection(file), public_key=public, secret_key=secret))
    began = time.monotonic()

    with pytest.raises(DaemonError) as caught:
        Client.connect(file, timeout=30)

    assert caught.value.code == "refused"
    assert "does not know the key" in caught.value.message
    assert daemon.refused_keys == 1
    assert time.monotonic() - began < 10


def test_when_the_daemon_has_another_key_then_the_client_is_told(daemon, file):
    public, _ = zmq.curve_keypair()
    write_connection(file, replace(read_connection(file), server_key=public.decode()))

    with pytest.raises(DaemonError) as caught:
        Client.connect(file, timeout=30)

    assert caught.value.code == "refused"
    assert "another" in caught.value.message


def test_when_a_key_is_taken_back_under_a_watch_then_following_ends_with_refused(file):
    state = State(allowed=3)
    with FakeDaemon(file, state) as daemon, Client.connect(file) as client:
        job = open_job(client)
        events = client.follow(job.job, timeout=0.5)
        next(events)
        keys = state.client_keys
        state.client_keys = zmq.curve_keypair()
        daemon.stop()
        connection = read_connection(file)
        with FakeDaemon(file, state):
            public, secret = (key.decode() for key in keys)
            endpoint = read_connection(file).endpoint
            write_connection(file, replace(connection, endpoint=endpoint, public_key=public, secret_key=secret))
            with pytest.raises(DaemonError) as caught:
                list(events)

    assert caught.value.code == "refused"


@pytest.mark.parametrize("again", [0, 1], ids=["request", "greeting"])
def test_when_a_send_finds_that_the_connection_has_ended_then_it_is_made_anew(daemon, client, monkeypatch, again):
    original, refused = Dealer.send, []

    def send(self, *arguments):
        if len(refused) <= again:
            refused.append(True)
            raise zmq.Again
        return original(self, *arguments)

    monkeypatch.setattr(Dealer, "send", send)

    assert client.ping().instance == daemon.instance
    assert len(refused) == again + 1


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_when_the_daemon_freezes_then_calls_end_at_their_time_out_and_work_again_after(frozen, file, quick):
    with Client.connect(file) as client:
        freeze(frozen)
        with pytest.raises(DaemonError) as caught:
            client.ping(timeout=1)
        frozen.send_signal(signal.SIGCONT)

        assert caught.value.code == "no_answer"
        assert client.ping(timeout=10)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_when_pixels_take_long_to_leave_then_the_connection_is_not_given_up(frozen, file, quick, monkeypatch):
    lost, lose = [], link.Link._lose
    monkeypatch.setattr(link.Link, "_lose", lambda self, *why: [lost.append(why), lose(self, *why)])
    pixels = m.Pixels(4096, 8192, ("A",), "uint8")
    with Client.connect(file) as client:
        shot = open_job(client).shot
        freeze(frozen)
        thread = threading.Timer(3 * link.SILENCE, lambda: frozen.send_signal(signal.SIGCONT))
        thread.start()

        assert client.put_plate(shot, 1, pixels, bytes(pixels.size)).frames == 1
        assert lost == []
        thread.join()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_when_pixels_are_given_up_half_sent_then_nobody_reads_them_any_more(frozen, file):
    pixels = m.Pixels(4096, 8192, ("A",), "uint8")
    buffer = bytearray(pixels.size)
    with Client.connect(file) as client:
        shot = open_job(client).shot
        freeze(frozen)

        assert code_of(partial(client.put_plate, shot, 1, pixels, buffer, timeout=0.5)) == "no_answer"
        gc.collect()
        buffer.pop()  # refused while anything still looks at its memory

        frozen.send_signal(signal.SIGCONT)
        assert client.put_plate(shot, 1, pixels, bytes(pixels.size)).frames == 1


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_when_the_daemon_stays_frozen_and_another_takes_its_place_then_that_one_answers(frozen, file, quick):
    with Client.connect(file) as client:
        freeze(frozen)
        with FakeDaemon(file) as other:
            assert client.ping(timeout=10).instance == other.instance


def test_when_the_daemon_speaks_another_major_then_that_is_said(daemon, file, monkeypatch):
    newer = partial(m.Header, version=(m.VERSION[0] + 1, 0))
    monkeypatch.setattr(stand_in.m, "Header", newer)

    assert code_of(lambda: Client.connect(file, timeout=10)) == "version_mismatch"


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_when_the_daemon_freezes_under_a_watch_then_following_ends_when_told(frozen, file, quick):
    with Client.connect(file) as client:
        job = open_job(client, frames=3)
        list(client.follow(job.job))
        events = client.follow(job.job, credit=1, timeout=1)
        next(events)
        freeze(frozen)

        with pytest.raises(DaemonError) as caught:
            list(events)
        assert caught.value.code == "no_answer"


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_when_the_daemon_is_killed_outright_then_its_successor_is_found(file):
    first = start_alone(file)
    with Client.connect(file) as client:
        first.kill()
        first.wait(10)
        second = start_alone(file)
        try:
            # the successor has new keys, and the file tells them
            assert client.status(timeout=10).pid == second.pid
        finally:
            second.kill()
            second.wait(10)


EXIT = """
import sys
from matted_protocol.client import Client
client = Client.connect(sys.argv[1], timeout=10)
shot = client.open_shot("/plates/a.####.exr", objects=("hero",)).shot
client.set_keyframe(shot, 1001, path="/masks/a.png", object="hero")
client.watch(client.propagate(shot).job)
print("ready", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("what", ["alive", "frozen", "killed"])
def test_when_the_interpreter_exits_then_it_does_not_hang_whatever_the_daemon_does(frozen, file, what):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    host = subprocess.Popen([sys.executable, "-W", "error", "-c", EXIT, str(file)], text=True, **pipes)
    assert host.stdout.readline() == "ready\n"
    if what == "frozen":
        freeze(frozen)
    if what == "killed":
        frozen.kill()
        frozen.wait(10)

    _, errors = host.communicate("go\n", timeout=20)

    assert (host.returncode, errors) == (0, "")


def code_of(call, *arguments):
    with pytest.raises(DaemonError) as caught:
        call(*arguments)
    return caught.value.code


def wait_until(holds):
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)
