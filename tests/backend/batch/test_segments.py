"""A shot cut at its keyframes: what each segment walks is what the whole job walks there."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from matted.batch.segments import Segment, split, walked
from matted.engine.plan import Direction, plan

FRAMES = st.sets(st.integers(0, 30), min_size=1)
KEYFRAMES = st.sets(st.integers(-3, 33), min_size=1)


def ways(frames, keyframes):
    """For each frame that is predicted, and each role, the frames walked up to it."""
    return {
        (frame, walk.role): walk.frames[: index + 1]
        for walk in plan(frames, keyframes, Direction.BOTH)
        for index, frame in enumerate(walk.frames)
        if frame not in keyframes
    }


@given(FRAMES, KEYFRAMES)
def test_when_split_then_every_frame_is_in_one_segment_and_all_but_the_first_begin_at_a_keyframe(frames, keyframes):
    segments = split(frames, keyframes, Direction.BOTH)

    assert [frame for segment in segments for frame in sorted(frames) if frame in segment] == sorted(frames)
    for before, segment in pairwise(segments):  # a keyframe that is not wanted lies in the gap before its segment
        assert [frame for frame in keyframes if before.last < frame <= segment.first]
    for segment in segments:
        assert not [frame for frame in keyframes if segment.first < frame <= segment.last and frame != max(frames)]


@given(FRAMES, KEYFRAMES)
def test_when_a_segment_is_walked_alone_then_every_frame_is_reached_the_same_way(frames, keyframes):
    wanted = tuple(sorted(frames))
    whole = ways(wanted, keyframes)

    alone = {}
    for segment in split(wanted, keyframes, Direction.BOTH):
        found = ways(walked(segment, wanted, keyframes), keyframes)
        assert all(frame in segment for frame, _ in found)
        alone |= found

    assert alone == whole


@given(FRAMES, KEYFRAMES, st.sampled_from([Direction.FORWARD, Direction.BACKWARD]))
def test_when_there_is_one_walk_then_there_is_one_segment(frames, keyframes, direction):
    assert split(frames, keyframes, direction) == (Segment(min(frames), max(frames)),)
