"""Requests and their answers, over a real socket."""

import os
import queue
import threading
import time
from pathlib import Path

import pytest

from matted_protocol import messages as m
from matted_protocol.client import Client
from matted_protocol.errors import DaemonError

RGB = m.Pixels(4, 2, ("R", "G", "B"), "uint8")


def code_of(call, *arguments, **keywords):
    with pytest.raises(DaemonError) as caught:
        call(*arguments, **keywords)
    assert caught.value.message
    assert caught.value.hint
    return caught.value.code


def open_shot(client, **fields):
    return client.open_shot("/plates/a.####.exr", objects=("hero",), **fields).shot


def test_when_a_whole_shot_is_made_then_every_method_answers_with_its_own_reply(client):
    shot = client.open_shot(m.PlateSource(size=(4, 2)), frames=(1001, 1003, 1), objects=("hero",))
    put = client.put_plate(shot.shot, 1001, RGB, bytes(24))
    client.set_keyframe(shot.shot, 1001, object="hero", pixels=m.Pixels(4, 2, ("A",), "half"), buffer=bytes(16))
    keyframes = client.set_keyframe(shot.shot, 1003, object="hero", path="/masks/b.png")
    fewer = client.remove_keyframe(shot.shot, 1003, object="hero")
    job = client.propagate(shot.shot, suggestions=0)

    assert shot.frames == (1001, 1002, 1003)
    assert put == m.Put(1)
    assert [keyframe.frame for keyframe in keyframes.keyframes] == [1001, 1003]
    assert client.list_keyframes(shot.shot) == fewer
    assert client.suggest(shot.shot, count=2).shot == shot.shot
    assert [one.job for one in client.list_jobs(unfinished=True).jobs].count(job.job) == 1
    assert [one.shot for one in client.list_shots().shots] == [shot.shot]
    assert client.get_matte(job.job, 1002).body.files == ("hero/hero.1002.exr",)
    traced = client.trace(job.job, object="hero")
    (shape,), (keys,) = traced.body.shapes, traced.buffers
    assert keys.cast("f", (len(shape.frames), shape.points, 6)).tolist()[1][2] == [56, 40, 0, 0, 0, 0]
    assert client.cancel(job.job).job == job.job
    assert client.watch(job.job).job == job.job
    assert client.close_shot(shot.shot) == client.delete_shot(shot.shot) == m.Done()
    assert client.ping().instance == client.status().instance == client.welcome.instance


def test_when_the_daemon_refuses_then_its_code_message_and_hint_arrive(client):
    with pytest.raises(DaemonError) as caught:
        client.propagate("0" * 16)

    assert (caught.value.code, caught.value.hint) == ("shot_missing", "Open it.")
    assert "0" * 16 in caught.value.message


def test_when_a_value_is_out_of_range_then_nothing_is_sent(client, daemon):
    before = len(daemon.seen)

    with pytest.raises(ValueError, match="ends before it starts"):
        open_shot(client, frames=(2, 1, 1))
    assert len(daemon.seen) == before


def test_when_a_path_is_relative_then_it_is_made_absolute_and_others_stay(client):
    assert client.open_shot("plate.####.exr").plate == str(Path.cwd() / "plate.####.exr")
    assert client.open_shot(Path("/shows/a.####.exr")).plate == "/shows/a.####.exr"
    assert client.open_shot(r"P:\shows\a.####.exr").plate == r"P:\shows\a.####.exr"


def test_when_no_answer_comes_in_time_then_the_call_says_so_and_the_next_one_works(client, daemon):
    daemon.deaf.add("status")

    assert code_of(client.status, timeout=0.2) == "no_answer"
    assert client.ping().instance == daemon.instance


def test_when_the_daemon_is_busy_then_the_request_is_made_again_until_it_is_taken(client, daemon):
    daemon.busy["list_shots"] = 3

    assert client.list_shots() == m.Shots(())
    asked = [request for kind, request in daemon.seen if kind == "list_shots"]
    assert len(asked) == 4
    assert len(set(asked)) == 1


def test_when_the_daemon_stays_busy_then_the_call_ends_at_its_time_out(client, daemon):
    daemon.busy["list_shots"] = 1 << 30

    assert code_of(client.list_shots, timeout=0.3) == "no_answer"


def test_when_many_threads_ask_then_each_gets_its_own_answer(client):
    shots, wrong = [open_shot(client, name=f"shot {i}") for i in range(12)], []

    def ask(shot):
        for _ in range(20):
            if client.list_keyframes(shot).shot != shot:
                wrong.append(shot)

    threads = [threading.Thread(target=ask, args=(shot,)) for shot in shots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not wrong
    assert len(set(shots)) == 12


def test_when_buffers_do_not_fit_their_pixels_then_they_are_not_sent(client, daemon):
    shot = open_shot(client)
    before = len(daemon.seen)

    assert code_of(client.put_plate, shot, 1001, RGB, bytes(23)) == "bad_buffer"
    assert code_of(client.put_plate, shot, 1001, RGB, memoryview(bytes(48))[::2]) == "bad_buffer"
    assert code_of(client.request, m.Ping(), [b"x"]) == "bad_buffer"
    assert len(daemon.seen) == before


def test_when_a_buffer_is_larger_than_the_daemon_takes_then_it_is_not_sent(client, daemon):
    shot = open_shot(client)
    pixels = m.Pixels(4096, 8193, ("A",), "uint8")
    before = len(daemon.seen)

    assert code_of(client.put_plate, shot, 1001, pixels, bytes(pixels.size)) == "too_large"
    assert len(daemon.seen) == before


def test_when_a_body_is_larger_than_any_daemon_takes_then_it_is_not_sent(client):
    assert code_of(client.open_shot, "/" + "a" * (1 << 20)) == "too_large"


def test_when_many_plates_are_sent_then_no_more_are_under_way_than_the_daemon_takes(client, daemon):
    shot = open_shot(client)
    pixels = m.Pixels(512, 512, ("A",), "uint8")
    threads = [
        threading.Thread(target=client.put_plate, args=(shot, frame, pixels, bytes(pixels.size))) for frame in range(8)
    ]
    daemon.deaf.add("put_plate")
    for thread in threads:
        thread.start()
    wait_until(lambda: kinds(daemon).count("put_plate") == 2)
    time.sleep(0.1)  # room for a third one to come, which must not
    assert kinds(daemon).count("put_plate") == 2
    daemon.deaf.clear()
    daemon.drop_clients()
    for thread in threads:
        thread.join(20)

    assert kinds(daemon).count("put_plate") == 2 + 8


def test_when_an_event_is_taken_from_the_queue_then_the_daemon_may_send_another(client, daemon, job):
    client.watch(job.job, credit=2)

    wait_until(lambda: client.events.qsize() >= 4)
    first = numbered(client, 2)
    rest = numbered(client, 9)

    assert [event.seq for event in first + rest] == list(range(1, 12))
    assert isinstance(rest[-1], m.JobDone)


def test_when_no_event_is_taken_then_no_more_come_than_the_credit(client, daemon, job):
    client.watch(job.job, credit=3)
    client.ping()
    time.sleep(0.1)

    seqs = [event.body.seq for event in list(client.events.queue) if hasattr(event.body, "seq")]
    assert seqs == [1, 2, 3]


def test_when_propagate_asks_to_watch_then_its_events_come_without_another_request(client, job):
    client.propagate(job.shot, suggestions=2, watch=m.WatchOptions())

    assert [event.seq for event in numbered(client, 11)] == list(range(1, 12))


def test_when_a_job_is_followed_then_its_events_come_in_order_and_end(client, job):
    events = [event.body for event in client.follow(job.job, credit=1)]

    assert [event.seq for event in events if not isinstance(event, m.Progress)] == list(range(1, 12))
    assert isinstance(events[-1], m.JobDone)
    assert client.events.empty()


def test_when_a_finished_job_is_followed_from_its_end_then_there_is_nothing_to_wait_for(client, job):
    assert list(client.follow(job.job, after=11)) == []


def test_when_a_cancelled_job_is_followed_then_it_ends_with_that(client, daemon, job):
    daemon.state.allowed = 4
    events = client.follow(job.job)
    next(events)
    client.cancel(job.job)

    *_, last = events
    assert last.body.error.code == "cancelled"


def test_when_a_job_is_followed_twice_then_the_first_ends_and_the_second_has_it_all(client, daemon, job):
    daemon.state.allowed = 2
    first = client.follow(job.job)
    next(first)
    second = client.follow(job.job)
    next(second)
    daemon.state.allowed = 11

    *_, ended = first
    *_, done = second
    assert ended.body.error.code == "closed"
    assert isinstance(done.body, m.JobDone)


def test_when_a_job_is_missing_then_following_it_says_so(client):
    assert code_of(lambda: list(client.follow("0" * 16))) == "job_missing"


def test_when_a_client_is_closed_then_whoever_waits_is_told_and_closing_again_is_fine(client, daemon):
    daemon.deaf.add("status")
    told = queue.Queue()
    thread = threading.Thread(target=lambda: told.put(code_of(client.status)))
    thread.start()
    wait_until(lambda: "status" in kinds(daemon))

    client.close()
    client.close()

    thread.join(5)
    assert told.get_nowait() == "closed"
    assert code_of(client.ping) == "closed"


def test_when_a_client_is_dropped_then_its_thread_ends(daemon, file):
    client = Client.connect(file)
    thread = client._link._thread

    del client

    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_when_the_process_forked_then_the_child_is_told_to_connect_again(client):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            client.ping(timeout=1)
        except DaemonError as error:
            os.write(writing, error.message.encode())
        finally:
            client.close()
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as said:
        assert "forked" in said.read()
    assert client.ping()


def kinds(daemon):
    return [kind for kind, _ in daemon.seen]


def numbered(client, count):
    """The next numbered events of the queue."""
    found = []
    while len(found) < count:
        event = client.events.get(timeout=5).body
        if not isinstance(event, m.Progress):
            found.append(event)
    return found


def wait_until(holds):
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)
