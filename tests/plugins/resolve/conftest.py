"""What the tests of the Resolve plugin share."""

import pytest

from matted_resolve.host import rendering


@pytest.fixture
def quick(monkeypatch):
    """Looks at a render follow each other without a pause."""
    monkeypatch.setattr(rendering, "_PAUSE", 0)
    monkeypatch.setattr(rendering, "_SETTLES", 2)
