"""A stand-in daemon and a client of it; nothing here reaches the daemon of whoever runs the tests."""

import pytest

from fakes.daemon import FakeDaemon
from matted_protocol.client import Client
from matted_protocol.connection import VARIABLE


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    """The connection file of this test."""
    path = tmp_path / "state" / "daemon.json"
    monkeypatch.setenv(VARIABLE, str(path))
    return path


@pytest.fixture
def daemon(file):
    with FakeDaemon(file) as running:
        yield running


@pytest.fixture
def client(daemon, file):
    with Client.connect(file, timeout=10) as connected:
        connected.timeout = 10
        yield connected


@pytest.fixture
def job(client):
    """A job of ten frames."""
    shot = client.open_shot("/plates/a.####.exr", objects=("hero",))
    client.set_keyframe(shot.shot, 1001, path="/masks/hero.png", object="hero")
    return client.propagate(shot.shot)
