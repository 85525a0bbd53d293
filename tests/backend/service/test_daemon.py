"""The daemon from start to end: locks, connection file, keys, signals, log, status."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

import matted
from fakes.running_daemon import WAIT, DaemonHere, DaemonProcess, frames_of
from fakes.served_shot import ServedShot, mattes_in
from matted.cli import main
from matted.service.daemon import Daemon, DaemonSettings
from matted.service.gate import Gate
from matted_protocol import messages as m
from matted_protocol import start as starting
from matted_protocol.client import Client
from matted_protocol.connection import read_connection, write_connection
from matted_protocol.errors import DaemonError


@pytest.fixture
def shot(tmp_path):
    return ServedShot(tmp_path / "shot", 24)


def settings_at(folder, **changes):
    folder.mkdir(exist_ok=True)
    settings = DaemonSettings(folder / "daemon.json", folder / "state", folder / "weights", devices=("cpu",))
    return replace(settings, **changes)


def refused(settings):
    with pytest.raises(DaemonError) as raised:
        Daemon(settings)
    assert raised.value.message and raised.value.hint
    return raised.value


def matted_command(*words):
    """Run the command line; returns (exit status, what it printed)."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    return result.exit_code, result.output


def serve_again(file, state):
    """Start one more daemon; returns its exit status and what it said."""
    command = [sys.executable, "-m", "matted", "serve", "--connection", str(file), "--state", str(state)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=WAIT)
    return ended.returncode, ended.stderr


def test_when_it_serves_then_file_status_and_log_say_so_and_a_second_one_and_stop_are_clean(daemon):
    assert stat.S_IMODE(daemon.file.stat().st_mode) == 0o600
    found = read_connection(daemon.file)
    assert re.fullmatch(r"tcp://127\.0\.0\.1:\d+", found.endpoint)
    assert (found.pid, found.matted) == (daemon.pid, matted.__version__)
    assert found.command[:3] == (sys.executable, "-m", "matted") and str(daemon.state) in found.command
    assert found.secret_key not in " ".join(found.command)
    for name in ("keys.json", "matted.db"):
        assert (daemon.state / name).exists()
    assert stat.S_IMODE((daemon.state / "keys.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(daemon.state.stat().st_mode) == 0o700

    status_code, said = serve_again(daemon.file, daemon.state)
    assert (status_code, str(daemon.pid) in said) == (1, True)
    assert "Traceback" not in said and "matted stop" in said

    client = daemon.client()
    with pytest.raises(DaemonError):
        client.list_keyframes("0" * 16)
    told_ = client.status()
    assert (told_.pid, told_.endpoint, told_.state) == (daemon.pid, found.endpoint, str(daemon.state))
    assert (told_.shots, told_.queued, told_.running, told_.spool_used) == (0, 0, 0, 0)
    assert 0 < told_.memory_used < told_.memory_budget * 10 and told_.disk_free > 0 and 0 < told_.uptime < WAIT * 10
    assert told_.devices and told_.devices[0].memory_total > 0
    assert {known.name: known.state for known in told_.weights}["lite"] == "ready"
    assert told_.versions["matted"] == matted.__version__ and told_.clients == 1

    assert matted_command("stop", "--connection", daemon.file)[0] == 0
    assert daemon.ended() == 0
    left = read_connection(daemon.file)
    assert (left.endpoint, left.pid, left.command) == ("", 0, found.command)
    lines = [json.loads(line) for line in (daemon.state / "log.jsonl").read_text().splitlines()]
    assert [line["message"] for line in lines][-1] == "stopped"
    assert all({"time", "level", "from", "message"} <= line.keys() for line in lines)
    (line,) = [line for line in lines if line.get("code") == "shot_missing"]
    assert re.fullmatch(r"[0-9a-f]{32}", line["request"]) and line["type"] == "list_keyframes"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_when_a_signal_stops_it_during_a_job_then_the_job_goes_on_at_the_next_start(tmp_path, shot, number):
    with DaemonProcess(tmp_path / "daemon") as daemon:
        client = daemon.start().client()
        job = client.propagate(shot.open(client), out=tmp_path / "out").job
        events = []
        for event, _ in client.follow(job, timeout=WAIT):
            if isinstance(event, m.Progress):
                continue
            events.append(event)
            if len(events) == 3:
                assert daemon.signal(number) == 0
                assert read_connection(daemon.file).endpoint == ""
                daemon.start()

        assert [event.seq for event in events] == list(range(1, 26))
        assert sorted(frames_of(events)) == shot.frames
        assert mattes_in(tmp_path / "out" / "v001") == shot.alone()[0]
        assert not any("Traceback" in line or '"traceback"' in line for line in daemon.lines)


@pytest.mark.slow
def test_when_it_was_killed_then_whoever_connects_starts_it_again(daemon, client):
    stale = read_connection(daemon.file)
    instance = client.ping().instance
    daemon.kill()
    assert read_connection(daemon.file) == stale

    with Client.connect(daemon.file, timeout=WAIT) as found:
        assert found.ping().instance != instance
        assert client.ping().instance == found.ping().instance
        assert read_connection(daemon.file).pid not in (0, stale.pid)
        found.shutdown()
    assert starting._STARTED.pop().wait(WAIT) == 0


def test_when_another_daemon_has_the_file_or_the_folder_then_it_is_refused_by_either(here, tmp_path):
    other = settings_at(tmp_path / "other")

    for taken in (replace(other, connection_file=here.file), replace(other, state=here.state)):
        error = refused(taken)
        assert error.code == "already_running"
        assert error.path and "--connection" in error.hint

    assert here.client().ping()
    with DaemonHere(tmp_path / "other") as free:  # neither refusal kept hold of what was free
        assert free.client().ping()


def test_when_its_address_is_taken_then_it_says_so_and_keeps_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        error = refused(settings_at(tmp_path / "daemon", bind=bind))

    assert error.code == "address_taken" and bind in error.message
    with DaemonHere(tmp_path / "daemon") as here:
        assert here.client().ping()


@pytest.mark.parametrize("bind", ["tcp://0.0.0.0:*", "tcp://[::]:*", "tcp://127.0.0.1.example.org:5790"])
def test_when_others_could_reach_it_and_nobody_is_on_the_list_then_it_is_refused(tmp_path, bind):
    error = refused(settings_at(tmp_path / "daemon", bind=bind))

    assert error.code == "no_clients" and "connect-file" in error.hint


def test_when_its_folder_cannot_be_used_then_it_says_which(tmp_path):
    settings = settings_at(tmp_path / "daemon")
    settings.state.write_text("a file where the folder should be")

    error = refused(settings)

    assert error.code == "state_unwritable" and str(settings.state) in error.message


def test_when_its_notes_are_damaged_then_it_says_so_and_starts_once_they_are_away(tmp_path):
    settings = settings_at(tmp_path / "daemon")
    settings.state.mkdir()
    (settings.state / "matted.db").write_bytes(b"nonsense" * 1000)

    assert refused(settings).code == "state_damaged"

    (settings.state / "matted.db").unlink()
    with DaemonHere(tmp_path / "daemon") as here:
        assert here.client().ping()


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_when_its_keys_can_be_read_by_others_then_it_is_refused(tmp_path):
    settings = settings_at(tmp_path / "daemon")
    Gate(settings.state)
    (settings.state / "keys.json").chmod(0o644)

    assert refused(settings).code == "key_readable"


def test_when_a_connection_file_is_made_then_it_lets_its_user_in_until_it_is_made_again(here, tmp_path):
    endpoint = here.client().status().endpoint
    made = ["connect-file", "anna", "--endpoint", endpoint, "--connection", here.file, "--state", here.state]

    assert matted_command(*made, "--save", tmp_path / "anna.json")[0] == 0

    assert stat.S_IMODE((tmp_path / "anna.json").stat().st_mode) == 0o600
    anna = here.client(tmp_path / "anna.json")
    anna.status()
    assert (anna.welcome.user, anna.welcome.operator) == ("anna", False)
    with pytest.raises(DaemonError) as error:
        anna.shutdown()
    assert error.value.code == "not_allowed"

    assert matted_command(*made, "--save", tmp_path / "anna.json")[0] == 2  # never over a file
    assert matted_command(*made, "--save", tmp_path / "new.json")[0] == 0
    assert here.client(tmp_path / "new.json").welcome is not None
    with pytest.raises(DaemonError) as error:
        Client.connect(tmp_path / "anna.json", start=False, timeout=20)
    assert error.value.code == "refused"


def test_when_it_listens_to_all_then_its_own_file_names_loopback_and_the_list_lets_others_in(tmp_path):
    settings = settings_at(tmp_path / "daemon")
    settings.state.mkdir(mode=0o700)
    made = Gate(settings.state).admit("ben", "tcp://127.0.0.1:1")
    with DaemonHere(tmp_path / "daemon", bind="tcp://0.0.0.0:*") as here:
        assert here.client().welcome.operator
        near = read_connection(here.file).endpoint
        assert near.startswith("tcp://127.0.0.1:")

        write_connection(tmp_path / "ben.json", replace(made, endpoint=near))
        assert here.client(tmp_path / "ben.json").welcome.user == "ben"
