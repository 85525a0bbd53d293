"""Area jumps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matted.batch.review.area import STEADY, jumps


def numbers(found):
    return [value for value in found if value is not None]


@given(st.floats(0.001, 1), st.integers(6, 40))
def test_when_the_area_never_changes_then_there_is_no_jump(area, count):
    assert numbers(jumps([area] * count)) == [0.0] * (count - 1)


@given(st.floats(0.01, 0.5), st.floats(-0.005, 0.005), st.integers(6, 40))
def test_when_the_area_grows_steadily_then_there_is_no_jump(area, growth, count):
    areas = [max(area + growth * index, 0.001) for index in range(count)]
    cut = [index for index, value in enumerate(areas) if value == 0.001]

    assert max(numbers(jumps(areas[: cut[0]] if cut else areas)), default=0) < 0.01


@given(st.integers(1, 29), st.floats(1.3, 50), st.integers(0, 2**20))
def test_when_one_frame_is_blown_up_then_the_largest_jump_is_at_that_frame(where, times, seed):
    areas = 0.02 * (1 + 0.01 * np.random.default_rng(seed).standard_normal(30))
    areas[where] *= times
    found = numbers(jumps(list(areas)))

    assert 1 + int(np.argmax(found)) == where
    assert found[where - 1] > 4


@given(st.integers(2, 28))
def test_when_the_area_is_lost_from_a_frame_on_then_the_jump_is_at_that_frame(where):
    found = numbers(jumps([0.05] * where + [0.02] * (30 - where)))

    assert 1 + int(np.argmax(found)) == where
    assert sum(value > 1 for value in found) == 1


def test_when_the_object_walks_into_the_picture_then_nothing_jumps():
    areas = [0.0] * 12 + [0.004 * index for index in range(1, 12)] + [0.044] * 12

    assert max(numbers(jumps(areas))) < 8


def test_when_the_object_vanishes_for_a_frame_then_it_jumps_there():
    areas = [0.05] * 20
    areas[11] = 0.0
    found = jumps(areas)

    assert max(found[1:]) == found[11] == pytest.approx(2 / (STEADY + (0.05 * 480 * 854) ** -0.5))


def test_when_a_few_pixels_come_and_go_then_nothing_jumps():
    picture = 480 * 854
    areas = [pixels / picture for pixels in (0, 3, 0, 0, 5, 0, 1, 0, 4, 0, 0, 0)]

    assert max(numbers(jumps(areas))) < 1


@pytest.mark.parametrize("count", range(4))
def test_when_too_few_frames_are_there_then_nothing_is_said(count):
    assert jumps([0.1] * count) == [None] * count
