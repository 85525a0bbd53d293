import pytest

from matted_plugin.report import in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (4.2, "A few seconds left."),
        (31, "About 30 s left."),
        (44.0, "About 40 s left."),
        (150.0, "About 2 min left."),
        (5460.0, "About 1 h 31 min left."),
        (7500, "About 2 h 5 min left."),
    ],
)
def test_when_time_is_left_then_it_is_said_in_words(seconds, words):
    assert in_words(seconds) == words
