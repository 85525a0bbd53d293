"""Script and companion find each other; strangers get nothing and hold up nobody."""

import os
import socket
import stat
import struct
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path
from queue import Queue

import pytest

from matted_resolve import link
from matted_resolve.link import Contact, Link, LinkError, Listener, connect, read_contact, write_contact

ROOT = Path(__file__).resolve().parents[3]
SECRET = "5e" * 32


@pytest.fixture
def door():
    """A listener, and the links of whoever knew the secret."""
    welcomed = Queue()
    listener = Listener(SECRET, welcomed.put)
    yield listener, welcomed
    listener.close()
    while not welcomed.empty():
        welcomed.get().close()


def contact(listener, secret=SECRET):
    return Contact(listener.port, secret, os.getpid(), "1")


def pair():
    one, other = socket.socketpair(socket.AF_INET) if os.name == "nt" else tcp_pair()
    return Link(one), Link(other)


def tcp_pair():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        one = socket.create_connection(server.getsockname())
        return one, server.accept()[0]


def test_when_both_know_the_secret_then_messages_go_both_ways(door):
    listener, welcomed = door
    script = connect(contact(listener))
    companion = welcomed.get(timeout=10)
    script.send({"say": "ä" * 100_000})
    assert companion.receive(10) == {"say": "ä" * 100_000}
    companion.send({"a": [1, 2.5, None]})
    assert script.receive(10) == {"a": [1, 2.5, None]}
    assert script.receive(0) is None
    companion.close()
    with pytest.raises(LinkError):
        script.receive(10)
    script.close()


def test_when_a_stranger_is_silent_then_others_come_in(door):
    listener, welcomed = door
    strangers = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(5)]
    with closing(connect(contact(listener))):
        welcomed.get(timeout=10).close()
    for one in strangers:
        one.close()


def test_when_a_stranger_stays_silent_then_it_is_sent_away(door, monkeypatch):
    monkeypatch.setattr(link, "DEADLINE", 0.05)
    listener, welcomed = door
    with closing(socket.create_connection(("127.0.0.1", listener.port))) as stranger:
        stranger.settimeout(10)
        while stranger.recv(1000):
            pass  # what the listener asks, then the end
    assert welcomed.empty()


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 9, b"\0" * 500, link._MAGIC + b"\1" * 64], ids=str
)
def test_when_a_stranger_talks_then_it_gets_nothing(door, said):
    listener, welcomed = door
    with closing(socket.create_connection(("127.0.0.1", listener.port))) as stranger:
        stranger.settimeout(10)
        stranger.sendall(said)
        heard = b""
        try:
            while more := stranger.recv(1000):
                heard += more
        except ConnectionResetError:
            pass
    assert len(heard) <= len(link._MAGIC) + 32
    assert bytes.fromhex(SECRET) not in heard
    assert welcomed.empty()


def test_when_the_secret_is_wrong_then_neither_side_goes_on(door):
    listener, welcomed = door
    with pytest.raises(LinkError):
        connect(contact(listener, "00" * 32))
    assert welcomed.empty()


def test_when_something_else_listens_at_the_port_then_it_is_not_taken_for_the_companion():
    """Whatever it says: nothing, nonsense, or our own proof back."""
    for says in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9, link._MAGIC + b"\2" * 64):
        with closing(socket.create_server(("127.0.0.1", 0))) as server:

            def answer(server=server, says=says):
                connection = server.accept()[0]
                with closing(connection):
                    connection.sendall(says)
                    connection.settimeout(0.2)
                    try:
                        while connection.recv(1000):
                            pass
                    except OSError:
                        pass

            thread = threading.Thread(target=answer)
            thread.start()
            with pytest.raises(LinkError):
                connect(Contact(server.getsockname()[1], SECRET, os.getpid(), "1"), timeout=1.0)
            thread.join(10)


def test_when_a_proof_is_sent_back_to_its_side_then_it_proves_nothing():
    assert link._proof(SECRET, b"script", b"a", b"b") != link._proof(SECRET, b"companion", b"a", b"b")


def test_when_nobody_listens_then_it_is_said(door):
    listener, _ = door
    listener.close()
    with pytest.raises(LinkError, match="does not answer"):
        connect(contact(listener))


def test_when_a_message_is_too_large_then_it_is_not_taken(monkeypatch):
    monkeypatch.setattr(link, "LARGEST", 100)
    one, other = pair()
    with pytest.raises(LinkError, match="too large"):
        one.send({"a": "b" * 100})
    one._socket.sendall(struct.pack(">I", 101))
    with pytest.raises(LinkError, match="announced"):
        other.receive(10)
    one.close()


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b"[" * 5000], ids=["cut", "list", "bytes", "deep"])
def test_when_it_is_no_message_then_the_connection_ends(content):
    one, other = pair()
    one._socket.sendall(struct.pack(">I", len(content)) + content)
    with pytest.raises(LinkError):
        other.receive(10)
    with pytest.raises(LinkError):
        other.receive(0)
    one.close()


def test_when_a_message_comes_in_parts_then_it_is_whole_in_the_end():
    one, other = pair()
    content = struct.pack(">I", 8) + b'{"a": 1}'
    for part in range(len(content)):
        assert other.receive(0) is None
        one._socket.sendall(content[part : part + 1])
    assert other.receive(10) == {"a": 1}
    one.close()
    other.close()


def test_when_many_threads_send_then_messages_stay_whole():
    one, other = pair()
    threads = [
        threading.Thread(target=lambda n=n: [one.send({"n": n, "pad": "x" * 999}) for _ in range(20)]) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    heard = [other.receive(10)["n"] for _ in range(80)]
    for thread in threads:
        thread.join()
    assert sorted(heard) == sorted([*range(4)] * 20)
    one.close()
    other.close()


def test_when_it_is_closed_while_somebody_waits_then_they_are_told():
    one, other = pair()
    failed = Queue()

    def wait():
        try:
            other.receive(60)
        except LinkError as error:
            failed.put(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.02)
    other.close()
    thread.join(10)
    assert not thread.is_alive() and not failed.empty()
    one.close()


@pytest.mark.skipif(os.name != "posix", reason="rights are kept elsewhere")
def test_when_a_contact_is_written_then_only_its_owner_reads_it(tmp_path):
    file = tmp_path / "deep" / "companion.json"
    written = Contact(1, SECRET, os.getpid(), "1")
    write_contact(file, written)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_contact(file) == written
    file.chmod(0o644)
    with pytest.raises(LinkError, match="chmod 600"):
        read_contact(file)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"port": 1, "secret": "x", "pid": 1, "version": "1"}'])
def test_when_a_contact_is_damaged_then_there_is_none(tmp_path, text):
    file = tmp_path / "companion.json"
    file.write_text(text)
    file.chmod(0o600)
    assert read_contact(file) is None
    assert read_contact(tmp_path / "missing") is None


PYTHONS = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"))
PYTHONS = [one for one in PYTHONS if int(one.parents[1].name.split(".")[1]) >= 9]
SCRIPT = """
import sys, warnings
warnings.simplefilter("error")
from matted_resolve import link, answers, script, start, wireform, seat, view
from matted_plugin.host import Mattes, Rendering, Shape
contact = link.Contact(int(sys.argv[1]), sys.argv[2], 0, "1")
there = link.connect(contact)
message = there.receive(10)
rendering = wireform.from_wire(Rendering, message["rendering"])
mattes = wireform.from_wire(Mattes, message["mattes"])
shape = wireform.from_wire(Shape, message["shape"])
card = wireform.from_wire(seat.Card, message["card"])
there.send({"rendering": wireform.to_wire(rendering), "mattes": wireform.to_wire(mattes), "channel": rendering.channel,
            "shape": wireform.to_wire(shape), "card": wireform.to_wire(card)})
there.close()
"""


@pytest.mark.parametrize("python", PYTHONS, ids=lambda one: one.parents[1].name)
def test_when_resolve_has_another_python_then_they_understand_each_other(door, python, tmp_path):
    listener, welcomed = door
    paths = os.pathsep.join(str(ROOT / one) for one in ("plugins/resolve", "plugins/common", "protocol"))
    process = subprocess.Popen(
        [python, "-S", "-c", SCRIPT, str(listener.port), SECRET],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    with closing(welcomed.get(timeout=30)) as companion:
        told = {
            "rendering": {"frame": 1, "path": "/p", "channel": None, "compressed": True},
            "mattes": {"patterns": {"a": "b"}, "frames": [1, 2], "complete": True, "layers": ["a"]},
            "shape": {"object": "a", "name": "b", "frames": [1], "points": [[[0.5] * 6]], "lifetime": [[1, 2]], "hole": False, "size": [3, 4]},
            "card": {"key": "k", "name": "n", "plate": "", "frames": [1, 2], "keyframes": [1], "objects": ["a"],
                     "choices": [{"name": "a", "label": "b", "value": "c", "options": [], "tip": ""}], "notes": [], "playhead": None},
        }  # fmt: skip
        companion.send(told)
        assert companion.receive(30) == {**told, "channel": None}
    assert process.wait(30) == 0
