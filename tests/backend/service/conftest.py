"""A daemon to talk to; nothing here reaches the daemon of whoever runs the tests."""

import signal

import pytest

from fakes import drawn_shot
from fakes.raw_client import Raw, connection_of
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


@pytest.fixture(scope="session")
def shows(tmp_path_factory):
    """The only root of ``served``: a drawn plate in ``plate``, masks of it in ``masks``."""
    folder = tmp_path_factory.mktemp("shows")
    drawn_shot.write_plate(folder / "plate", frames=range(1001, 1005))
    drawn_shot.write_masks(folder / "masks", [1001, 1003])
    return folder


@pytest.fixture(scope="session")
def served(tmp_path_factory, shows):
    """One daemon process for every test that only asks."""
    with DaemonProcess(tmp_path_factory.mktemp("served"), "--root", shows, "--device", "cpu") as process:
        yield process.start()
        process.signal(signal.SIGTERM)


@pytest.fixture
def raw(served):
    with Raw(connection_of(served)) as connected:
        yield connected


@pytest.fixture
def shot(raw, shows):
    """The id of the drawn shot."""
    return raw.ask("open_shot", {"plate": {"path": str(shows / "plate")}}).body["shot"]
