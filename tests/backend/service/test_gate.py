"""Who may connect, and what others may see."""

import json
import os
from dataclasses import replace

import pytest
import zmq

from fakes.raw_client import Raw, another_user, connection_of, wait_until
from matted.service.gate import Gate
from matted_protocol.client import Client
from matted_protocol.connection import read_connection, this_user, write_connection
from matted_protocol.errors import DaemonError

SHORT = 1.0
"""Seconds in which nothing may come."""


def strangers_pair():
    return [key.decode() for key in zmq.curve_keypair()]


# Keys and the list


def test_when_a_gate_is_made_again_then_its_keys_are_the_same(tmp_path):
    first, second = Gate(tmp_path), Gate(tmp_path)

    assert first.connection("", pid=0, command=(), matted="") == second.connection("", pid=0, command=(), matted="")
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name != "posix", reason="rights are kept elsewhere")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666])
def test_when_others_can_reach_the_keys_then_there_is_no_gate(tmp_path, mode):
    Gate(tmp_path)
    (tmp_path / "keys.json").chmod(mode)

    with pytest.raises(DaemonError) as caught:
        Gate(tmp_path)

    assert caught.value.code == "key_readable" and "chmod 600" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"server": ["a", "b"], "operator": ["a", "b"]}', '{"server": 1, "operator": 2}'],
)
def test_when_the_keys_are_damaged_then_it_is_told(tmp_path, text):
    Gate(tmp_path)
    (tmp_path / "keys.json").write_text(text)

    with pytest.raises(DaemonError) as caught:
        Gate(tmp_path)

    assert caught.value.code == "keys_damaged" and str(tmp_path / "keys.json") in caught.value.message


def test_when_a_public_key_belongs_to_another_secret_then_the_keys_are_damaged(tmp_path):
    gate = Gate(tmp_path)
    stranger = strangers_pair()
    (tmp_path / "keys.json").write_text(
        json.dumps({"server": [stranger[0], gate.secret_key], "operator": strangers_pair()})
    )

    with pytest.raises(DaemonError, match="does not belong"):
        Gate(tmp_path)


def test_when_a_client_is_admitted_then_its_key_is_known_at_once_and_not_its_earlier_one(tmp_path):
    gate = Gate(tmp_path)
    first = gate.admit("anna", "tcp://host:1")
    assert gate.user(first.public_key).name == "anna"

    second = gate.admit("anna", "tcp://host:1")

    assert gate.user(first.public_key) is None
    assert gate.user(second.public_key).name == "anna" and not gate.user(second.public_key).operator
    assert gate.clients() == ["anna"]
    assert first.secret_key not in (tmp_path / "clients.json").read_text()


def test_when_the_list_goes_then_nobody_on_it_is_known(tmp_path):
    gate = Gate(tmp_path)
    key = gate.admit("anna", "tcp://host:1").public_key
    assert gate.user(key) is not None

    (tmp_path / "clients.json").unlink()

    assert gate.user(key) is None


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"anna"', "\x00", '{"anna": '])
def test_when_the_list_is_damaged_then_nobody_on_it_is_known_until_it_is_mended(tmp_path, text):
    gate = Gate(tmp_path)
    operator = gate.connection("", pid=0, command=(), matted="").public_key
    key = gate.admit("anna", "tcp://host:1").public_key
    whole = (tmp_path / "clients.json").read_text()

    (tmp_path / "clients.json").write_text(text)

    assert gate.user(key) is None
    assert gate.user(operator).operator
    with pytest.raises(DaemonError) as caught:
        gate.admit("ben", "tcp://host:1")
    assert caught.value.code == "clients_damaged" and (tmp_path / "clients.json").read_text() == text
    (tmp_path / "clients.json").write_text(whole)
    assert gate.user(key).name == "anna"


def test_when_there_is_no_key_then_there_is_nobody(tmp_path):
    gate = Gate(tmp_path)

    assert gate.user(None) is None and gate.user("") is None
    assert not gate.callback("*", b"\xff" * 40)


# At the socket


def test_when_a_client_brings_no_key_then_it_is_not_heard(served):
    with Raw(connection_of(served), keys=False) as raw:
        raw.say("ping")
        assert raw.receive(SHORT) is None


def test_when_a_key_is_unknown_then_the_client_is_not_heard(served):
    public, secret = strangers_pair()

    with Raw(replace(connection_of(served), public_key=public, secret_key=secret)) as stranger:
        stranger.say("ping")
        assert stranger.receive(SHORT) is None


def test_when_the_servers_key_is_another_then_the_client_gets_nowhere(served):
    elsewhere = replace(connection_of(served), server_key=strangers_pair()[0])

    with Raw(elsewhere) as raw:
        raw.say("ping")
        assert raw.receive(SHORT) is None
    with Raw(connection_of(served)) as raw:
        assert raw.pongs()


def test_when_a_key_is_unknown_then_the_client_says_so(served, tmp_path):
    public, secret = strangers_pair()
    write_connection(tmp_path / "mine.json", replace(connection_of(served), public_key=public, secret_key=secret))

    with pytest.raises(DaemonError) as caught:
        Client.connect(tmp_path / "mine.json", start=False, timeout=30)

    assert caught.value.code == "refused"


@pytest.mark.skipif(os.name != "posix", reason="rights are kept elsewhere")
def test_when_others_can_read_the_connection_file_then_the_client_refuses_it(served, tmp_path):
    write_connection(tmp_path / "mine.json", connection_of(served))
    (tmp_path / "mine.json").chmod(0o644)

    with pytest.raises(DaemonError) as caught:
        read_connection(tmp_path / "mine.json")

    assert caught.value.code == "key_readable"


def test_when_users_say_hello_then_each_hears_who_it_is(served, raw):
    with Raw(another_user(served, "anna")) as anna:
        hers = anna.ask("hello").body

    mine = raw.ask("hello").body
    assert (hers["user"], hers["operator"]) == ("anna", False)
    assert (mine["user"], mine["operator"]) == (this_user(), True)


def test_when_a_key_is_taken_off_the_list_then_its_client_is_heard_no_more(here):
    here.client()
    with Raw(another_user(here, "anna")) as anna, Raw(another_user(here, "ben")) as ben:
        shot = anna.ask("open_shot", {"plate": {"size": [96, 64]}}).body["shot"]
        assert ben.pongs()
        known = json.loads((here.state / "clients.json").read_text())
        del known["anna"]
        (here.state / "clients.json").write_text(json.dumps(known))

        answers = [
            anna.ask(kind, body) for kind, body in (("list_keyframes", {"shot": shot}), ("ping", {}), ("hello", {}))
        ]

        assert [answer.code for answer in answers] == ["not_allowed"] * 3
        assert "connection file" in answers[0].body["hint"]
        assert ben.pongs()


def test_when_a_key_is_taken_off_the_list_then_its_watches_end(here):
    operator = here.client()
    with Raw(another_user(here, "anna")) as anna:
        assert anna.pongs()
        anna.ask("open_shot", {"plate": {"size": [96, 64]}})
        wait_until(lambda: here.daemon.server.clients == 2, "both are known")

        (here.state / "clients.json").unlink()

        wait_until(lambda: here.daemon.server.clients == 1, "she is forgotten")
    assert operator.ping()


def test_when_somebody_else_takes_a_clients_name_then_the_watches_are_not_his(here):
    here.client()
    server = here.daemon.server
    with Raw(another_user(here, "anna"), routing_id=b"desk 1") as anna:
        assert anna.pongs()
        server._clients[b"desk 1"].watches["0123456789abcdef"] = None
    connection = another_user(here, "ben")

    def taken():  # until the daemon has seen her go, his connection is turned down
        with Raw(connection, routing_id=b"desk 1") as ben:
            ben.say("ping")
            return ben.receive(0.5) is not None

    wait_until(taken, "he has her name")
    assert server._clients[b"desk 1"].user.name == "ben" and not server._clients[b"desk 1"].watches


# What is others'


@pytest.fixture
def two(here):
    """Two users of one daemon, and a shot and a job of the first."""
    here.client()
    with Raw(another_user(here, "anna")) as anna, Raw(another_user(here, "ben")) as ben:
        yield anna, ben, anna.ask("open_shot", {"plate": {"size": [96, 64]}, "name": "hers"}).body["shot"]


NEEDS_SHOT = [
    "put_plate",
    "set_keyframe",
    "remove_keyframe",
    "list_keyframes",
    "propagate",
    "suggest",
    "close_shot",
    "delete_shot",
]


def test_when_a_shot_is_somebody_elses_then_it_is_not_there(two):
    anna, ben, shot = two
    pixels = {"width": 1, "height": 1, "channels": ["A"], "dtype": "uint8"}

    for kind in NEEDS_SHOT:
        body = {"shot": shot, "frame": 1}
        buffers = []
        if kind in ("put_plate", "set_keyframe"):
            body["pixels"], buffers = pixels, [b"\xff"]
        theirs, nobodys = (ben.ask(kind, {**body, "shot": named}, *buffers) for named in (shot, "0" * 16))
        assert theirs.code == "shot_missing", kind
        assert theirs.body["message"].replace(shot, "0" * 16) == nobodys.body["message"]

    assert ben.ask("list_shots").body["shots"] == []
    assert [found["shot"] for found in anna.ask("list_shots").body["shots"]] == [shot]


def test_when_two_users_open_the_same_plate_then_each_has_a_shot(two):
    _, ben, shot = two

    assert ben.ask("open_shot", {"plate": {"size": [96, 64]}, "name": "hers"}).body["shot"] != shot


def test_when_a_user_is_not_the_operator_then_the_daemon_goes_on(two, here):
    anna, _, _ = two

    refused = anna.ask("shutdown")

    assert refused.code == "not_allowed"
    assert anna.pongs() and here.client().ping()
