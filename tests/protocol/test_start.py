"""Finding the daemon, and starting it where it may be started."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from importlib.machinery import ModuleSpec

import pytest

from fakes import daemon as stand_in
from fakes.daemon import FakeDaemon, State
from matted_protocol import client as client_module
from matted_protocol import start
from matted_protocol.client import Client
from matted_protocol.connection import Connection, read_connection, write_connection
from matted_protocol.errors import DaemonError

KEY = "x" * 40
COUNTED = """
import runpy, sys
open(sys.argv.pop(1), "a").write("started ")
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.fixture
def count(tmp_path):
    """A file that tells how often the command ran."""
    return tmp_path / "count"


@pytest.fixture
def command(count):
    return (sys.executable, "-c", COUNTED, str(count), stand_in.__file__)


@pytest.fixture
def stopped(file, command):
    """The connection file of a daemon that has stopped, and a way to start it."""
    write_connection(file, Connection("", KEY, KEY, KEY, pid=0, command=command))
    yield file
    for process in start._STARTED:
        process.kill()
        process.wait(10)
    start._STARTED.clear()


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch):
    """No daemon is found on PATH or among the modules."""
    monkeypatch.setattr(start.shutil, "which", lambda name: None)
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: None)


def code_of(call, *arguments, **keywords):
    with pytest.raises(DaemonError) as caught:
        call(*arguments, **keywords)
    assert caught.value.hint
    return caught.value.code


def test_when_no_daemon_runs_then_connect_starts_one_and_the_next_client_finds_it(stopped, count):
    with Client.connect(timeout=20) as first, Client.connect(timeout=20) as second:
        assert first.ping().instance == second.ping().instance
        first.shutdown()

    assert count.read_text() == "started "


def test_when_two_clients_start_it_at_once_then_both_talk_to_the_same_one(stopped):
    instances = []

    def connect():
        with Client.connect(timeout=20) as client:
            instances.append(client.ping().instance)

    threads = [threading.Thread(target=connect) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(instances) == 2
    assert len(set(instances)) == 1


def test_when_the_daemon_was_killed_then_connect_starts_another(stopped, command):
    with Client.connect(timeout=20) as client:
        first = client.status().pid
    start._STARTED[0].kill()
    start._STARTED[0].wait(10)
    write_connection(stopped, replace(read_connection(stopped), command=command))

    with Client.connect(timeout=20) as client:
        assert client.status().pid != first


def test_when_the_host_exits_then_the_daemon_it_started_runs_on(stopped):
    script = "from matted_protocol.client import Client; print(Client.connect(timeout=20).status().pid)"
    host = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=30)

    with Client.connect(start=False) as client:
        assert host.stderr == ""
        assert client.status().pid == int(host.stdout)
        if hasattr(os, "getsid"):
            assert os.getsid(int(host.stdout)) != os.getsid(0)
        client.shutdown()


def test_when_starting_is_not_wanted_then_nothing_is_started(stopped, count):
    assert code_of(Client.connect, start=False, timeout=0.3) == "no_answer"
    assert not count.exists()


def test_when_the_daemon_is_elsewhere_then_none_is_started_here(daemon, file, monkeypatch):
    monkeypatch.setattr(client_module, "start", None)
    write_connection(file, replace(read_connection(file), pid=0, command=()))
    with Client.connect(timeout=10) as client:
        assert client.ping()

    daemon.stop()
    write_connection(file, replace(read_connection(file), pid=0, command=()))
    assert code_of(Client.connect, timeout=0.3) == "no_answer"


def test_when_the_daemon_ends_at_once_then_its_last_words_are_told(stopped, monkeypatch):
    monkeypatch.setattr(client_module, "_GRACE", 0.2)
    broken = (sys.executable, "-c", "raise SystemExit('the licence dongle is upside down')")
    write_connection(stopped, replace(read_connection(stopped), command=broken))

    with pytest.raises(DaemonError) as caught:
        Client.connect(timeout=20)

    assert caught.value.code == "daemon_failed"
    assert "upside down" in caught.value.message
    assert caught.value.path == str(start.log_file(stopped))


def test_when_the_command_is_gone_then_starting_fails_with_its_name(stopped):
    write_connection(stopped, replace(read_connection(stopped), command=("/nowhere/matted", "serve")))

    with pytest.raises(DaemonError, match="/nowhere/matted") as caught:
        Client.connect(timeout=20)
    assert caught.value.code == "daemon_failed"


def test_when_there_is_no_file_and_no_daemon_to_start_then_the_file_is_named(file):
    with pytest.raises(DaemonError, match=str(file)) as caught:
        Client.connect()
    assert caught.value.code == "connection_missing"


def test_when_the_file_is_damaged_then_nothing_is_started(file):
    file.parent.mkdir()
    file.write_text('{"endpoint": "tcp')
    file.chmod(0o600)

    assert code_of(Client.connect) == "connection_damaged"


def test_when_the_file_names_no_endpoint_that_can_be_then_it_is_damaged(daemon, file):
    write_connection(file, replace(read_connection(file), endpoint="nonsense", pid=0, command=()))

    assert code_of(Client.connect, timeout=0.5) == "connection_damaged"


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps rights elsewhere")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_when_others_can_read_the_keys_then_they_are_not_used(daemon, file, mode):
    file.chmod(mode)

    with pytest.raises(DaemonError, match=f"{mode:04o}") as caught:
        Client.connect(file)
    assert caught.value.code == "key_readable"
    assert "chmod 600" in caught.value.hint


def test_when_matted_is_on_the_path_then_it_is_what_serves(monkeypatch):
    monkeypatch.setattr(start.shutil, "which", lambda name: f"/opt/bin/{name}")

    assert start.start_command(None) == ("/opt/bin/matted", "serve")


def test_when_a_host_gives_a_command_then_it_comes_before_the_path(monkeypatch):
    monkeypatch.setattr(start.shutil, "which", lambda name: f"/opt/bin/{name}")

    assert start.start_command(None, ["/shows/matted/python", "-m", "matted", "serve"])[0] == "/shows/matted/python"


def test_when_a_host_gives_a_command_then_the_connection_file_comes_before_it(stopped, command, monkeypatch):
    monkeypatch.setattr(start.shutil, "which", lambda name: name if name == sys.executable else None)

    assert start.start_command(read_connection(stopped), ["/nowhere/matted"]) == command


def test_when_what_the_host_gives_is_gone_then_the_path_is_looked_at(monkeypatch):
    monkeypatch.setattr(start.shutil, "which", lambda name: "/opt/bin/matted" if name == "matted" else None)

    assert start.start_command(None, ["/nowhere/python", "-m", "matted", "serve"]) == ("/opt/bin/matted", "serve")


def test_when_what_the_host_gives_is_gone_and_there_is_no_other_then_it_is_named(file):
    with pytest.raises(DaemonError, match="/nowhere/python") as caught:
        Client.connect(file, command=["/nowhere/python", "-m", "matted", "serve"])
    assert caught.value.code == "daemon_failed"


def test_when_the_command_of_the_file_is_gone_then_the_hosts_starts_the_daemon(stopped, command):
    write_connection(stopped, replace(read_connection(stopped), command=("/nowhere/matted", "serve")))

    with Client.connect(command=command, timeout=20) as client:
        client.shutdown()


def test_when_there_is_no_file_then_the_hosts_command_starts_the_daemon(stopped, command, count):
    stopped.unlink()

    with Client.connect(command=command, timeout=20) as client:
        client.shutdown()
    assert count.read_text() == "started "


def test_when_the_daemon_is_elsewhere_then_the_hosts_command_starts_none_here():
    elsewhere = Connection("tcp://farm:41234", KEY, KEY, KEY, pid=0, command=())

    assert start.start_command(elsewhere, ["/opt/bin/matted", "serve"]) == ()


@pytest.mark.parametrize(("interpreter", "starts"), [("/usr/bin/python3.11", True), ("/opt/Nuke16.0/Nuke16.0", False)])
def test_when_matted_is_a_module_then_only_an_interpreter_serves_it(monkeypatch, interpreter, starts):
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: ModuleSpec(name, None, origin=__file__))
    monkeypatch.setattr(start.sys, "executable", interpreter)

    assert bool(start.start_command(None)) is starts


def test_when_a_folder_is_called_matted_then_it_serves_nothing(monkeypatch):
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: ModuleSpec(name, None, is_package=True))
    monkeypatch.setattr(start.sys, "executable", "/usr/bin/python3.11")

    assert start.start_command(None) == ()


def test_when_the_file_of_a_stopped_daemon_is_followed_by_another_port_then_the_client_waits_for_it(file):
    state = State()
    with FakeDaemon(file, state):
        elsewhere = read_connection(file)
    write_connection(file, replace(elsewhere, endpoint="", pid=0, command=()))
    connected = []
    thread = threading.Thread(target=lambda: connected.append(Client.connect(file, timeout=10)))
    thread.start()
    with FakeDaemon(file, state) as daemon:
        thread.join(10)
        with connected[0] as client:
            assert client.ping().instance == daemon.instance
