"""What the tests of the Nuke plugin share."""

import pytest

from fakes.running_daemon import DaemonHere


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """One real daemon for a whole module."""
    with DaemonHere(tmp_path_factory.mktemp("daemon")) as running:
        running.client()
        yield running
