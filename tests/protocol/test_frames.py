"""Frame ranges as hosts count them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matted_protocol.frames import FrameRange

RANGES = st.builds(
    lambda first, length, step: FrameRange(first, first + length, step),
    st.integers(-2000, 2000),
    st.integers(0, 300),
    st.integers(1, 9),
)


@given(RANGES)
def test_when_written_and_read_then_the_range_is_the_same(frames):
    assert FrameRange.parse(str(frames)) == frames or len(frames) == 1


@given(RANGES)
def test_when_walked_then_every_frame_is_inside_and_the_length_counts_them(frames):
    walked = list(frames)

    assert len(walked) == len(frames)
    assert all(frame in frames for frame in walked)
    assert walked[0] == frames.first
    assert walked[-1] <= frames.last


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("1001", FrameRange(1001, 1001)),
        ("1001-1048", FrameRange(1001, 1048)),
        ("-5-12", FrameRange(-5, 12)),
        ("-12--5", FrameRange(-12, -5)),
        (" 1001-1100x2 ", FrameRange(1001, 1100, 2)),
    ],
)
def test_when_a_host_writes_a_range_then_it_is_read(text, frames):
    assert FrameRange.parse(text) == frames


@pytest.mark.parametrize("text", ["", "ten", "9-1", "1-", "1001-1048x0", "1,2", "1.5"])
def test_when_the_text_is_no_range_then_the_error_says_so(text):
    with pytest.raises(ValueError, match=r"range|step"):
        FrameRange.parse(text)


def test_when_a_frame_lies_between_steps_then_it_is_not_in_the_range():
    assert 1002 not in FrameRange(1001, 1005, 2)
    assert "1001" not in FrameRange(1001, 1005)
