"""A daemon to talk to; nothing here reaches the daemon of whoever runs the tests."""

import pytest

from fakes.running_daemon import DaemonHere, DaemonProcess
from matted_protocol.connection import VARIABLE


@pytest.fixture(autouse=True)
def own_files(tmp_path, monkeypatch):
    """Connection file and data folder of this test alone."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nobody.json"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def daemon(tmp_path):
    """A daemon in a process of its own."""
    with DaemonProcess(tmp_path / "daemon") as process:
        yield process.start()


@pytest.fixture
def client(daemon):
    return daemon.client()


@pytest.fixture
def here(tmp_path):
    """A daemon in threads of this process."""
    (tmp_path / "here").mkdir()
    with DaemonHere(tmp_path / "here") as running:
        yield running
