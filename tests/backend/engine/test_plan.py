"""The order of frames: every wanted frame gets a result, walks start at keyframes."""

from hypothesis import given
from hypothesis import strategies as st

from matted.engine.plan import Direction, Role, plan

FRAMES = st.sets(st.integers(-20, 40), min_size=1, max_size=30)


@given(wanted=FRAMES, keyframes=FRAMES, direction=st.sampled_from(Direction))
def test_when_planned_then_every_wanted_frame_has_a_result_and_no_other_is_visited(wanted, keyframes, direction):
    walks = plan(wanted, keyframes, direction)

    results = {frame for walk in walks if walk.role is not Role.HOLD for frame in walk.frames}
    keys_in_holds = {f for walk in walks if walk.role is Role.HOLD for f in walk.frames if f in keyframes}
    assert results | keys_in_holds == wanted


@given(wanted=FRAMES, keyframes=FRAMES)
def test_when_both_then_blends_meet_exactly_the_frames_held_before_them(wanted, keyframes):
    walks = plan(wanted, keyframes, Direction.BOTH)

    for index, walk in enumerate(walks):
        if walk.role is Role.BLEND:
            held = walks[index - 1]
            assert held.role is Role.HOLD
            assert set(held.frames) - keyframes == set(walk.frames) - keyframes
            assert (held.left, held.right) == (walk.left, walk.right)


@given(wanted=FRAMES, keyframes=FRAMES)
def test_when_both_then_a_wanted_keyframe_only_ever_starts_a_walk(wanted, keyframes):
    for walk in plan(wanted, keyframes, Direction.BOTH):
        assert not set(walk.frames[1:]) & keyframes


def test_when_forward_then_one_ascending_walk_as_the_paper_does():
    assert [walk.frames for walk in plan([3, 1, 2], [2], Direction.FORWARD)] == [(1, 2, 3)]
    assert [walk.frames for walk in plan([3, 1, 2], [2], Direction.BACKWARD)] == [(3, 2, 1)]


def test_when_both_then_the_walks_go_outwards_from_the_keyframes():
    walks = plan(range(1001, 1008), [1002, 1006], Direction.BOTH)

    assert [(walk.role, walk.frames) for walk in walks] == [
        (Role.WRITE, (1002, 1001)),
        (Role.HOLD, (1002, 1003, 1004, 1005)),
        (Role.BLEND, (1006, 1005, 1004, 1003)),
        (Role.WRITE, (1006, 1007)),
    ]


def test_when_blending_then_the_nearer_keyframe_counts_more():
    walk = plan(range(10, 21), [10, 20], Direction.BOTH)[1]

    weights = [walk.weight_of_held(frame) for frame in range(11, 20)]

    assert weights[4] == 0.5
    assert weights == sorted(weights, reverse=True)
    assert 0 < weights[-1] < weights[0] < 1
