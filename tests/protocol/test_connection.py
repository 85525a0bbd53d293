"""The connection file: whole, private, and in its place."""

import json
import os
import stat
from pathlib import Path

import pytest

from matted_protocol import connection
from matted_protocol.connection import VARIABLE, Connection, connection_file, read_connection, write_connection
from matted_protocol.errors import DaemonError

KEY = "k" * 40
WHOLE = Connection("tcp://127.0.0.1:4123", KEY, KEY, KEY, 12, ("matted", "serve"), "1.0")


def test_when_written_and_read_then_the_connection_is_the_same(file):
    write_connection(file, WHOLE)

    assert read_connection(file) == WHOLE
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.skipif(os.name != "posix", reason="POSIX rights")
def test_when_written_under_any_umask_then_only_the_owner_reads_it(file):
    before = os.umask(0)
    try:
        write_connection(file, WHOLE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_when_a_newer_matted_wrote_more_then_the_rest_is_read(file):
    write_connection(file, WHOLE)
    file.write_text(json.dumps({**json.loads(file.read_text()), "colour": "blue"}))

    assert read_connection(file) == WHOLE


@pytest.mark.parametrize(
    "change",
    [{"server_key": "short"}, {"secret_key": None}, {"public_key": 5}, {"endpoint": 7}, {"pid": "12"}, {"command": 5}],
    ids=str,
)
def test_when_a_field_is_wrong_then_the_file_is_damaged(file, change):
    write_connection(file, WHOLE)
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))

    with pytest.raises(DaemonError, match=str(file)) as caught:
        read_connection(file)
    assert caught.value.code == "connection_damaged"


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"endpoint": ', "\x80"])
def test_when_the_file_is_not_a_connection_then_it_is_damaged(file, text):
    file.parent.mkdir()
    file.write_bytes(text.encode("latin-1"))
    file.chmod(0o600)

    with pytest.raises(DaemonError) as caught:
        read_connection(file)
    assert caught.value.code == "connection_damaged"


def test_when_the_variable_names_a_file_then_it_is_the_one(monkeypatch):
    monkeypatch.setenv(VARIABLE, "/somewhere/render.json")

    assert connection_file() == Path("/somewhere/render.json")


def test_when_nothing_is_named_then_the_file_is_named_after_the_machine(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(connection.sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(connection.platform, "node", lambda: "ws 12/a.lan")

    assert connection_file() == tmp_path / "matted" / "daemon-ws-12-a.lan.json"


def test_when_a_process_has_ended_then_it_does_not_run():
    child = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitpid(child, 0)

    assert connection.running(child) is False
    assert connection.running(os.getpid()) is True
    assert connection.running(0) is None
