"""Shapes made of mattes, drawn again and held against them."""

import numpy as np
import pytest

from fakes.drawn_mattes import alive, at, blob, box, disc, drawn, farthest, outline, overlap
from matted.trace.contour import find_contours
from matted.trace.shapes import trace

FRAMES = range(1001, 1041)


def traced(draw, frames=FRAMES, **options):
    """The shapes of mattes drawn for 0, 1, 2, ..., and the mattes by frame."""
    mattes = {frame: draw(frame - 1001).astype(np.float32) for frame in frames}
    return trace(mattes, mattes.__getitem__, **options), mattes


def test_when_a_form_moves_and_deforms_then_shapes_meet_every_frame():
    shapes, mattes = traced(lambda t: blob(80 + 4 * t, 90, bend=0.05 * t))

    (shape,) = shapes
    assert min(overlap(shapes, frame, matte) for frame, matte in mattes.items()) > 0.98
    for frame, matte in mattes.items():
        known, ours = find_contours(matte)[0].points, outline(at(shape, frame))
        assert max(farthest(known, ours), farthest(ours, known)) < 1.05
    assert shape.keys.shape == (len(shape.frames), shape.keys.shape[1], 6)
    assert shape.keys.shape[1] < 24 and len(shape.frames) < 10
    assert (shape.frames[0], shape.frames[-1]) == shape.lifetime[0] == (1001, 1040)


@pytest.mark.parametrize(
    "draw",
    [
        lambda t: blob(70.3 + 4.25 * t, 90 - 0.4 * t),
        lambda t: disc(160, 90, 20 + 1.5 * t),
        lambda t: box(60 + 5 * t, 90, 80, 50),
    ],
    ids=["blob", "growing disc", "box"],
)
def test_when_motion_is_uniform_then_two_keys_do(draw):
    shapes, mattes = traced(draw)

    assert [shape.frames for shape in shapes] == [(1001, 1040)]
    assert min(overlap(shapes, frame, matte) for frame, matte in mattes.items()) > 0.98


def test_when_the_outline_flickers_within_the_tolerance_then_keys_stay_few():
    rng = np.random.default_rng(1)
    radii = 50 + rng.normal(0, 0.15, 40)

    shapes, _ = traced(lambda t: disc(100 + 3 * t, 90, radii[t]))

    assert [len(shape.frames) for shape in shapes] == [2]


def test_when_the_tolerance_is_larger_then_there_are_fewer_numbers():
    sizes = []
    for tolerance in (0.5, 1.0, 3.0):
        shapes, _ = traced(lambda t: blob(80 + 4 * t, 90 + 20 * np.sin(t / 5), bend=0.05 * t), tolerance=tolerance)
        sizes.append(sum(shape.keys.size for shape in shapes))

    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 2 * sizes[2]


def test_when_an_object_comes_and_goes_then_its_shape_lives_from_then_to_then():
    shapes, mattes = traced(lambda t: disc(100 + 2 * t, 90, 40) * (6 <= t < 21))

    assert [shape.lifetime for shape in shapes] == [((1007, 1021),)]
    assert all(len(alive(shapes, frame)) == bool(matte.any()) for frame, matte in mattes.items())


def test_when_an_object_falls_apart_then_other_shapes_take_over_and_every_frame_is_met():
    shapes, mattes = traced(
        lambda t: np.maximum(disc(160 - 3 * t, 90, 32), disc(160 + 3 * t, 90, 32)), range(1001, 1031)
    )

    assert sorted(shape.lifetime for shape in shapes) == [((1001, 1011),), ((1012, 1030),), ((1012, 1030),)]
    assert min(overlap(shapes, frame, matte) for frame, matte in mattes.items()) > 0.98


def test_when_there_are_holes_and_islands_then_they_are_drawn_one_in_the_other():
    def draw(t):
        return np.maximum(disc(130 + t, 90, 80) - disc(130 + t, 90, 55), disc(130 + t, 90, 30))

    shapes, mattes = traced(draw)

    assert [shape.hole for shape in shapes] == [False, True, False]
    assert min(overlap(shapes, frame, matte) for frame, matte in mattes.items()) > 0.98


def test_when_an_object_comes_over_the_border_then_it_is_met_up_to_it():
    shapes, mattes = traced(lambda t: disc(-20 + 5 * t, 90, 60))

    assert min(overlap(shapes, frame, matte) for frame, matte in mattes.items()) > 0.98
    assert drawn(shapes, 1005)[90, 0]


def test_when_mattes_are_empty_then_there_are_no_shapes():
    assert traced(lambda t: np.zeros((20, 30)))[0] == []
    assert trace((), lambda frame: pytest.fail("there is no frame to read")) == []


def test_when_there_is_one_frame_then_there_is_one_key():
    shapes, mattes = traced(lambda t: blob(160, 90), [1001])

    assert [(shape.frames, shape.lifetime) for shape in shapes] == [((1001,), ((1001, 1001),))]
    assert overlap(shapes, 1001, mattes[1001]) > 0.98


def test_when_there_are_small_spots_then_they_are_left_out():
    shapes, _ = traced(lambda t: np.maximum(disc(160, 90, 40), disc(40 + t, 30, 1.6)))

    assert len(shapes) == 1


def test_when_a_spot_flashes_up_then_it_is_left_out_unless_it_is_large():
    def draw(t):
        return np.maximum(disc(160, 90, 40), (t == 9) * np.maximum(disc(40, 40, 3), disc(280, 90, 20)))

    shapes, _ = traced(draw)

    assert [shape.lifetime for shape in shapes] == [((1001, 1040),), ((1010, 1010),)]
    assert len(traced(lambda t: disc(40, 40, 3), [1001])[0]) == 1


@pytest.mark.parametrize("value", [0.5, 1.0])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (40, 1), (2, 2), (3, 3)])
def test_when_an_object_is_as_thin_as_can_be_then_it_is_traced_all_the_same(value, height, width):
    def draw(t):
        matte = np.zeros((60, 60), np.float32)
        matte[5 + t : 5 + t + height, 3:-1][:, :width] = value
        return matte

    shapes, mattes = traced(draw, range(1001, 1005), tolerance=0.25)

    assert all(np.isfinite(shape.keys).all() for shape in shapes)
    if value == 1.0 and height * width >= 4:  # where it is one half the line runs through the middle of its pixels
        assert min(overlap(shapes, frame, matte) for frame, matte in mattes.items()) > 0.9


def test_when_frames_are_missing_then_the_shape_has_a_lifetime_on_each_side_of_the_gap():
    frames = [*range(1001, 1010, 2), *range(1021, 1032, 2)]

    shapes, mattes = traced(lambda t: blob(80 + 3 * t, 90), frames)

    assert [(shape.lifetime, shape.frames) for shape in shapes] == [(((1001, 1009), (1021, 1031)), (1001, 1031))]
    assert min(overlap(shapes, frame, matte) for frame, matte in mattes.items()) > 0.98


def test_when_mattes_are_nothing_but_noise_then_their_number_is_told_before_any_work():
    noise = np.random.default_rng(3).random((270, 480), np.float32)

    def check(shapes, numbers):
        if shapes > 20:
            raise OverflowError

    with pytest.raises(OverflowError):
        trace(range(200), lambda frame: noise, check=check)


def test_when_there_are_very_many_objects_then_each_has_its_shape():
    places = [(12 + 20 * x, 12 + 20 * y) for x in range(7) for y in range(6)]

    shapes, _ = traced(lambda t: sum(disc(x + t, y, 6) for x, y in places), range(1001, 1006))

    assert len(shapes) == 42
    assert {shape.lifetime for shape in shapes} == {((1001, 1005),)}


def test_when_it_is_to_stop_then_it_stops_at_the_next_step():
    told = []

    class Enough(Exception):
        pass

    def check(shapes, numbers):
        told.append((shapes, numbers))
        if numbers:
            raise Enough

    with pytest.raises(Enough):
        traced(lambda t: disc(100, 90, 40) + disc(220, 90, 30), check=check)

    assert {shapes for shapes, _ in told} == {2}
    assert len(told) > len(FRAMES) and not any(numbers for _, numbers in told[:-1])
