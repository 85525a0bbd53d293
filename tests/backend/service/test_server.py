"""The socket and those who misuse it: everybody else is served, and nothing is left behind."""

import logging
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from uuid import uuid4

import msgpack
import pytest
import zmq

from fakes.raw_client import Raw, another_user, connection_of, drawn_pixels, files_of, memory_of, wait_until
from fakes.running_daemon import DaemonHere
from matted.service import post, watching
from matted.service import server as server_module
from matted.service.job_store import JobRow

SHORT = 0.5
"""Seconds in which nothing may come."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def server(here):
    """The server of a daemon in this process, once it serves."""
    wait_until(lambda: here.file.exists() and connection_of(here).endpoint, "it serves")
    return here.daemon.server


@pytest.fixture
def peer(here, server):
    """A raw client of it."""
    with Raw(connection_of(here)) as connected:
        yield connected


@pytest.fixture
def held(server, monkeypatch):
    """Holds up whatever a handler is to do until it is set."""
    go_on = threading.Event()
    handle = type(server._handlers).handle

    def held_up(self, request, user):
        assert go_on.wait(60)
        return handle(self, request, user)

    monkeypatch.setattr(type(server._handlers), "handle", held_up)
    yield go_on
    go_on.set()


def finished_job(here, frames=10, matte=b"matte"):
    """A job that has been done: an event a frame and job_done, numbered from 1; returns its id."""
    store, job, folder = here.daemon.store, uuid4().hex[:16], here.state / "made"
    (folder / "v001").mkdir(parents=True, exist_ok=True)
    opened = {"plate": {"size": [96, 64]}}
    content = {"request": {"out": str(folder)}, "folder": str(folder), "masks": [], "opened": opened}
    shot = store.open_shot("anna", opened).id
    store.submit(JobRow(job, 0, shot, "anna", "propagate", "batch", "queued", content, "v001", frames, 0, 0, None))
    for frame in range(frames):
        (folder / "v001" / f"{frame}.exr").write_bytes(matte)
        body = {"frame": frame, "files": [f"{frame}.exr"], "confidence": {"a": 1.0}}
        store.add_event(job, "frame_done", body, frame=frame)
    store.end(job, "done", {"computed": frames, "suggestions": []})
    return job


def everything(raw, seconds=SHORT):
    """All that comes until nothing does."""
    return list(iter(lambda: raw.receive(seconds), None))


# Shapes of messages


@pytest.mark.parametrize(
    "parts", [[b""], [b"", b""], [b"x"], [b"\x80"], [b"\x80"] * 1000, [b""] * 1000, [b"x" * 5000, b"\x80"]],
    ids=["empty", "two empty", "one byte", "no body", "1000 maps", "1000 empty", "long header"],
)  # fmt: skip
def test_when_parts_are_no_message_then_it_is_told_and_the_next_one_is_taken(raw, parts):
    raw.send(*parts)

    answer = raw.receive()

    assert (answer.code, answer.parent) == ("bad_message", None)
    assert raw.pongs()


def test_when_a_request_has_a_thousand_parts_then_its_buffers_are_bad(raw):
    assert raw.ask("ping", {}, *[b"x"] * 998).code == "bad_buffer"


def test_when_an_id_is_used_twice_then_each_request_is_answered(raw):
    assert raw.ask("status", id="same").parent == raw.ask("status", id="same").parent == "same"


def test_when_a_message_is_larger_than_any_may_be_then_it_is_dropped_and_others_are_served(tmp_path, monkeypatch):
    monkeypatch.setattr(server_module, "MAX_BUFFER", 1 << 20)
    with DaemonHere(tmp_path) as here:
        other = here.client()
        with Raw(connection_of(here)) as raw:
            raw.say("put_plate", {}, bytes(2 << 20))

            assert other.ping()
            assert everything(raw) == []
            assert raw.pongs()  # it has connected again


# Whose turn it is


def test_when_requests_come_at_once_then_they_are_answered_in_their_order(raw, shot):
    kinds = ["status", "list_keyframes", "list_shots", "list_jobs", "list_keyframes"] * 6

    asked = [raw.say(kind, {"shot": shot} if kind == "list_keyframes" else {}) for kind in kinds]

    assert [raw.receive().parent for _ in asked] == asked


def test_when_requests_build_on_each_other_then_none_need_wait_for_the_answer_before(raw, shows):
    pixels, buffer = drawn_pixels(1001)
    shot = raw.ask("open_shot", {"plate": {"size": [96, 64]}, "name": uuid4().hex}).body["shot"]
    for frame in range(3):
        raw.say("put_plate", {"shot": shot, "frame": frame, "pixels": pixels}, buffer)
    raw.say("set_keyframe", {"shot": shot, "frame": 1, "object": "a", "path": str(shows / "masks" / "mask.1001.exr")})
    raw.say("remove_keyframe", {"shot": shot, "frame": 1})
    raw.say("list_keyframes", {"shot": shot})

    answers = [raw.receive() for _ in range(6)]

    assert [answer.body.get("frames") for answer in answers[:3]] == [1, 2, 3]
    assert [len(answer.body["keyframes"]) for answer in answers[3:]] == [1, 0, 0]


def test_when_a_request_takes_long_then_ping_and_hello_are_answered_meanwhile(peer, held):
    slow = peer.say("status")

    assert peer.pongs() and peer.ask("hello").type == "reply"

    held.set()
    assert peer.answer_to(slow).type == "reply"


def test_when_more_is_asked_than_may_be_unanswered_then_the_daemon_is_busy_until_it_has_answered(server, peer, held):
    asked = [peer.say("list_shots") for _ in range(70)]

    busy = [peer.receive() for _ in range(6)]

    assert [answer.code for answer in busy] == ["busy"] * 6
    assert [answer.parent for answer in busy] == asked[64:]
    held.set()
    assert [peer.receive().parent for _ in range(64)] == asked[:64]
    assert peer.ask("list_shots").type == "reply"
    (known,) = server._clients.values()
    wait_until(lambda: known.unanswered == 0 and server._pending == 0, "nothing is owed")


def test_when_more_pixels_are_sent_than_may_be_unanswered_then_the_daemon_is_busy(server, peer, held):
    pixels, buffer = drawn_pixels(1001)
    body = {"shot": "0" * 16, "frame": 1, "pixels": pixels}

    asked = [peer.say("put_plate", body, buffer) for _ in range(6)]

    assert [(peer.receive().parent, code) for code in ("busy", "busy")] == [(asked[4], "busy"), (asked[5], "busy")]
    other = peer.say("list_shots")  # without pixels there is still room
    held.set()
    assert [peer.receive().code for _ in range(4)] == ["shot_missing"] * 4
    assert peer.answer_to(other).type == "reply"
    (known,) = server._clients.values()
    wait_until(lambda: known.pixels == 0 and server._pending == 0, "nothing is owed")


def test_when_one_client_is_busy_then_another_is_not(here, peer, held):
    for _ in range(70):
        peer.say("list_shots")

    with Raw(connection_of(here)) as other:
        asked = other.say("list_shots")
        held.set()
        assert other.answer_to(asked).type == "reply"


def test_when_a_handler_breaks_then_the_client_hears_which_request_and_the_log_why(peer, server, monkeypatch, caplog):
    def broken(self, request, user):
        raise KeyError("boom")

    monkeypatch.setattr(type(server._handlers), "handle", broken)

    answer = peer.ask("status", id="request-7")

    assert answer.code == "internal" and "request-7" in answer.body["message"] and "boom" not in str(answer.body)
    assert "boom" in caplog.text
    assert peer.pongs()


def test_when_an_answer_cannot_be_written_then_the_client_still_hears_of_it(peer, server, monkeypatch):
    monkeypatch.setattr(type(server._handlers), "handle", lambda self, request, user: (object(), ()))

    assert peer.ask("status").code == "internal"
    assert peer.ask("status").code == "internal"


def test_when_the_servers_thread_meets_something_unforeseen_then_it_goes_on(peer, server, caplog):
    server.call(lambda: 1 / 0)

    wait_until(lambda: "ZeroDivisionError" in caplog.text, "it is in the log")
    assert peer.pongs()


# Those who do not read


def flood(peer, other, *, fewest, stopped):
    """Ask a lot and read nothing, until ``stopped``; another client is answered all the while."""
    for number in range(200_000):  # how much the system holds on the way differs from machine to machine
        peer.say("list_jobs")
        if number % 500 == 0:
            assert other.ping()
            if number >= fewest and stopped():
                return
    raise AssertionError("nothing stopped it")


@linux
def test_when_a_client_never_reads_then_it_is_cut_off_and_others_do_not_notice(here, server, monkeypatch, caplog):
    monkeypatch.setattr(post, "MAX_OUTBOX_MESSAGES", 500)
    for _ in range(20):
        finished_job(here, frames=1)
    other = here.client()
    before = memory_of("self")
    with Raw(connection_of(here), rcvbuf=4096, rcvhwm=1) as deaf:
        flood(deaf, other, fewest=5000, stopped=lambda: "does not read" in caplog.text)
        assert all(len(known.outbox) <= 500 for known in list(server._clients.values()))
        assert memory_of("self") - before < 200 * 2**20
    wait_until(lambda: server.clients == 1 and server._pending == 0, "it is forgotten")
    assert other.list_jobs().jobs


def test_when_a_client_reads_late_then_it_has_every_answer_in_order(here, server):
    for _ in range(400):
        finished_job(here, frames=0)
    with Raw(connection_of(here), rcvbuf=4096, rcvhwm=1) as late:
        asked = {"list_jobs": [late.say("list_jobs") for _ in range(60)]}
        wait_until(lambda: server._clients, "it is known")
        (known,) = server._clients.values()
        wait_until(lambda: known.unanswered == 0, "the way is full of answers")
        asked["ping"] = [late.say("ping") for _ in range(300)]
        wait_until(lambda: known.outbox, "answers wait")

        answers = [late.receive() for _ in range(360)]

        pings = [answer.parent for answer in answers if "instance" in answer.body]
        jobs = [answer.parent for answer in answers if "jobs" in answer.body]
        assert (jobs, pings) == (asked["list_jobs"], asked["ping"])
        wait_until(lambda: known.unanswered == 0 and server._pending == 0, "nothing is owed")
        assert not known.outbox and known.outbox_bytes == 0


# Watches


def numbered(messages):
    return [
        message.body["seq"] for message in messages if "seq" in message.body and message.type not in ("reply", "error")
    ]


def test_when_a_watch_is_never_acknowledged_then_it_gets_its_credit_and_no_more(here, peer):
    job = finished_job(here)
    peer.ask("watch", {"job": job, "options": {"credit": 3}})

    assert numbered(everything(peer)) == [1, 2, 3]
    peer.say("ack", {"job": job, "seq": 2})
    assert numbered(everything(peer)) == [4, 5]
    peer.say("ack", {"job": job, "seq": 10_000})  # more than it was sent
    assert numbered(everything(peer)) == [6, 7, 8]
    peer.say("ack", {"job": job, "seq": 1})
    assert numbered(everything(peer)) == []


def test_when_a_watch_has_no_credit_then_it_gets_nothing(here, peer):
    peer.ask("watch", {"job": finished_job(here), "options": {"credit": 0}})

    assert everything(peer) == []


def test_when_a_job_is_watched_again_then_the_later_events_come_once(here, peer):
    job = finished_job(here)
    peer.ask("watch", {"job": job, "options": {"credit": 4}})
    assert numbered(everything(peer)) == [1, 2, 3, 4]

    again = peer.say("watch", {"job": job, "options": {"after": 4}})

    found = everything(peer)
    assert found[0].type == "reply" and numbered(found) == [5, 6, 7, 8, 9, 10, 11]
    assert {message.parent for message in found} == {again}
    assert found[-1].type == "job_done"


@pytest.mark.parametrize("after", [11, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
def test_when_a_watch_begins_after_the_end_then_nothing_comes(here, peer, after, caplog):
    peer.ask("watch", {"job": finished_job(here), "options": {"after": after}})

    assert everything(peer) == []
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_when_mattes_come_along_then_they_are_the_files_on_disk(here, peer):
    job = finished_job(here, frames=3, matte=bytes(range(256)) * 100)
    peer.ask("watch", {"job": job, "options": {"mattes": "bytes"}})

    found = everything(peer)

    assert numbered(found) == [1, 2, 3, 4]
    for event in found[:-1]:
        (name,) = event.body["files"]
        assert event.buffers == [(here.state / "made" / "v001" / name).read_bytes()]


def test_when_mattes_are_large_then_few_are_on_their_way_at_once(here, peer, monkeypatch):
    monkeypatch.setattr(watching, "MAX_FLYING", 1000)
    job = finished_job(here, matte=bytes(400))
    peer.ask("watch", {"job": job, "options": {"mattes": "bytes"}})

    sent = numbered(everything(peer))

    assert sent == list(range(1, watching.BYTES_AT_ONCE + 1))
    while sent[-1] < 11:
        peer.say("ack", {"job": job, "seq": sent[-1]})
        sent += numbered(everything(peer, 0.2))
    assert sent == list(range(1, 12))


def test_when_matte_files_are_gone_then_the_event_comes_without_them(here, peer):
    job = finished_job(here, frames=2)
    (here.state / "made" / "v001" / "0.exr").unlink()
    peer.ask("watch", {"job": job, "options": {"mattes": "bytes"}})

    found = everything(peer)

    assert [(event.body.get("files"), len(event.buffers)) for event in found] == [([], 0), (["1.exr"], 1), (None, 0)]


def test_when_an_ack_is_for_a_job_that_is_not_watched_then_nothing_happens(raw):
    raw.say("ack", {"job": "0" * 16, "seq": 1})

    assert raw.pongs()


# Those who vanish


def test_when_a_client_is_silent_then_it_is_forgotten(here, server, monkeypatch):
    monkeypatch.setattr(server_module, "SILENT", 0.3)
    with Raw(connection_of(here)) as raw:
        assert raw.pongs()
        wait_until(lambda: server.clients == 0, "it is forgotten")
        assert raw.pongs()  # and known again


def test_when_a_client_leaves_half_a_message_then_nothing_of_it_is_seen(here, server):
    pixels, buffer = drawn_pixels(1001)
    header = {"id": "half", "type": "put_plate", "version": [1, 0]}
    with Raw(connection_of(here)) as raw:
        shot = raw.ask("open_shot", {"plate": {"size": [96, 64]}}).body["shot"]
        body = msgpack.packb({"shot": shot, "frame": 1, "pixels": pixels})
        raw.socket.send(msgpack.packb(header), zmq.SNDMORE)
        raw.socket.send(body, zmq.SNDMORE)

    with Raw(connection_of(here)) as other:
        assert other.ask("put_plate", {"shot": shot, "frame": 2, "pixels": pixels}, buffer).body == {"frames": 1}


SENDER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from fakes.raw_client import Raw
from matted_protocol.connection import read_connection
raw = Raw(read_connection(Path(sys.argv[1])))
shot = raw.ask("open_shot", {"plate": {"size": [4096, 2048]}}).body["shot"]
pixels = {"width": 4096, "height": 2048, "channels": ["R", "G", "B"], "dtype": "uint8"}
for frame in range(1000):
    raw.say("put_plate", {"shot": shot, "frame": frame, "pixels": pixels}, bytes(4096 * 2048 * 3))
    if frame == 4:
        print("sending", flush=True)
"""


@linux
def test_when_a_client_is_killed_while_it_sends_then_nothing_of_it_stays(here, server, monkeypatch):
    monkeypatch.setattr(server_module, "SILENT", 0.5)
    other = here.client()
    before = files_of("self")
    sender = subprocess.Popen(
        [sys.executable, "-c", SENDER, here.file, *filter(None, sys.path)], stdout=subprocess.PIPE
    )
    with sender:
        assert sender.stdout.readline() == b"sending\n"
        sender.send_signal(signal.SIGKILL)

    assert other.ping()
    wait_until(lambda: other.ping() and server.clients == 1 and server._pending == 0, "it is forgotten")
    wait_until(lambda: files_of("self") <= before, "its connection is closed")
    assert all(found.shot for found in other.list_shots().shots)


@linux
def test_when_connections_say_nothing_or_nonsense_then_they_cost_nothing_but_themselves(served, raw):
    host, port = connection_of(served).endpoint.removeprefix("tcp://").split(":")
    assert raw.pongs()
    before = files_of(served.pid)
    with ExitStack() as open_ones:
        for number in range(60):
            plain = open_ones.enter_context(socket.create_connection((host, int(port))))
            plain.sendall([b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" + bytes(8) + b"\x7f", b"\x00" * 300][number % 4])
        assert raw.pongs()
    wait_until(lambda: raw.pongs() and files_of(served.pid) <= before, "they are gone")


@linux
def test_when_two_hundred_clients_come_at_once_then_each_is_answered_and_leaves_nothing(served, raw):
    assert raw.pongs()
    for _ in range(2):  # the first time, threads and tables are made that stay
        memory, files = memory_of(served.pid), files_of(served.pid)
        with ExitStack() as stack:
            crowd = [stack.enter_context(Raw(connection_of(served))) for _ in range(200)]
            asked = [
                (
                    client,
                    client.say(kind, {"plate": {"size": [96, 64]}, "name": f"{number}"} if kind == "open_shot" else {}),
                )
                for number, client in enumerate(crowd)
                for kind in ("hello", "status", "ping", "open_shot")
            ]
            answers = {(client, answer.parent): answer for client, _ in asked for answer in [client.receive()]}
            assert set(answers) == set(asked)
            assert {answer.type for answer in answers.values()} == {"reply"}
        wait_until(lambda most=files: raw.pongs() and files_of(served.pid) <= most, "they are gone")
    assert memory_of(served.pid) - memory < 30 * 2**20
    shots = [client["shot"] for client in raw.ask("list_shots").body["shots"] if client["name"].isdigit()]
    assert len(shots) == 200


def test_when_a_user_off_the_list_asks_on_then_others_are_served(here, server):
    other = here.client()
    with Raw(another_user(here, "anna")) as anna:
        assert anna.pongs()
        (here.state / "clients.json").write_text("{")
        assert [anna.ask("list_shots").code for _ in range(100)] == ["not_allowed"] * 100
        for _ in range(300):  # what does not fit on the way to somebody shut out is dropped
            anna.say("list_shots")
        assert other.ping()
        assert anna.receive().code == "not_allowed"
