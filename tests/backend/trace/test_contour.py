"""Where a matte is one half."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fakes.drawn_mattes import HEIGHT, WIDTH, box, disc
from matted.trace.contour import find_contours


def filled(contours, shape):
    """Every pixel, and how many outlines are around it."""
    count = np.zeros(shape, int)
    for contour in contours:
        (top, left), (height, width) = contour.corner, contour.region.shape
        count[top : top + height, left : left + width] += contour.region
    return count


def area(points):
    """Above 0 when clockwise on the screen."""
    x, y = points.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2


def test_when_an_edge_is_soft_then_the_outline_is_found_between_pixels():
    (found,) = find_contours(disc(160.3, 90.7, 40.25))

    assert np.abs(np.hypot(*(found.points - [160.3, 90.7]).T) - 40.25).max() < 0.1
    assert not found.hole
    assert area(found.points) == pytest.approx(np.pi * 40.25**2, rel=1e-3)


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(0, 1, width=16)))
def test_when_any_matte_is_outlined_then_every_pixel_is_inside_exactly_when_it_is_one_half(matte):
    contours = find_contours(matte)

    assert np.array_equal(filled(contours, matte.shape) % 2 == 1, matte >= 0.5)
    for contour in contours:
        assert contour.pixels == np.count_nonzero(contour.region) > 0
        assert contour.hole == (area(contour.points) < 0)
        assert len(contour.points) >= 4
        assert contour.points.min() >= 0 and (contour.points <= matte.shape[::-1]).all()


def test_when_there_is_a_hole_then_it_is_an_outline_of_its_own_that_goes_the_other_way():
    found = find_contours(disc(160, 90, 60) - disc(170, 90, 20))

    assert sorted((contour.hole, area(contour.points) < 0) for contour in found) == [(False, False), (True, True)]


def test_when_an_object_leaves_the_image_then_its_outline_follows_the_border():
    (found,) = find_contours(np.ones((HEIGHT, WIDTH), np.float32))

    assert found.points.min() == 0 and tuple(found.points.max(axis=0)) == (WIDTH, HEIGHT)
    assert area(found.points) == pytest.approx(WIDTH * HEIGHT, abs=1)


@pytest.mark.parametrize("value", [0.0, 0.49, np.nan], ids=["black", "below one half", "not a number"])
def test_when_nothing_is_inside_then_there_is_no_outline(value):
    assert find_contours(np.full((8, 9), value, np.float32)) == []


def test_when_two_pixels_touch_at_a_corner_then_what_lies_between_them_decides():
    apart, together = np.zeros((4, 4), np.float32), np.full((4, 4), 0.3, np.float32)
    for matte in (apart, together):
        matte[1, 1] = matte[2, 2] = 0.9

    assert (len(find_contours(apart)), len(find_contours(together))) == (2, 1)


def test_when_outlines_overlap_then_the_share_of_pixels_is_told():
    def found(*where):
        return find_contours(box(*where))[0]

    one = found(100, 90, 40, 20)

    assert one.overlap(one) == 1
    assert one.overlap(found(120, 90, 40, 20)) == pytest.approx(1 / 3, abs=0.01)
    assert one.overlap(found(200, 90, 40, 20)) == one.overlap(found(100, 150, 40, 20)) == 0
