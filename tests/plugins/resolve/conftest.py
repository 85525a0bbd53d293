"""What the tests of the Resolve plugin share."""

import pytest

from matted_resolve.host import render_job


@pytest.fixture
def quick(monkeypatch):
    """Looks at a render follow each other without a pause."""
    monkeypatch.setattr(render_job, "_PAUSE", 0)
    monkeypatch.setattr(render_job, "_SETTLES", 2)
