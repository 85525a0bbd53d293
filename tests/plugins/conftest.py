"""What the tests of the plugins share: a real daemon, a desk on it, and a data folder of their own."""

import pytest


@pytest.fixture(autouse=True)
def own_data(tmp_path, monkeypatch):
    """States go nowhere near the user's."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))


@pytest.fixture
def served(tmp_path):
    """A real daemon in this process."""
    from fakes.running_daemon import DaemonHere  # torch takes its time

    with DaemonHere(tmp_path / "daemon") as daemon:
        daemon.client()
        yield daemon


@pytest.fixture
def desk(served):
    """A desk connected to it."""
    from matted_plugin.daemon import Daemon
    from matted_plugin.desk import Desk

    made = Desk(Daemon("fakehost 1.0", file=served.file))
    yield made
    made.close()
