"""Filled outlines, against numpy and OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matted_resolve import outline


def picture(covered, size):
    return np.frombuffer(covered, np.uint8).reshape(size[1], size[0]) / 255


def area(polygon):
    x, y = np.array(polygon).T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def known(polygon, size, finer=16):
    """The same by OpenCV, which alternates, on a finer grid: its pixels' middles lie at whole numbers."""
    fine = np.zeros((size[1] * finer, size[0] * finer), np.float32)
    places = np.round((np.array(polygon) * finer - 0.5) * 256).astype(np.int32)
    cv2.fillPoly(fine, [places], 1.0, shift=8)
    return fine.reshape(size[1], finer, size[0], finer).mean((1, 3))


CORNERS = st.tuples(st.floats(-0.8, 0.8), st.floats(-0.8, 0.8))
HANDLES = st.tuples(*[st.floats(-0.4, 0.4)] * 4)


@settings(max_examples=80, deadline=None)
@given(points=st.lists(st.builds(lambda at, handles: (*at, *handles), CORNERS, HANDLES), min_size=2, max_size=7))
def test_when_any_bezier_outline_is_filled_then_it_is_what_opencv_fills(points):
    size = (40, 24)

    polygon = outline.bezier(points, size)
    found = picture(outline.coverage(polygon, size), size)

    difference = np.abs(found - known(polygon, size))
    # OpenCV also fills the fine pixels its border touches: each side may be 1/16 of a pixel further out.
    assert difference.mean() < 0.03
    assert np.quantile(difference, 0.95) < 0.2


@settings(max_examples=60, deadline=None)
@given(
    centre=st.tuples(st.floats(10, 30), st.floats(10, 30)),
    radii=st.lists(st.floats(1, 9), min_size=3, max_size=12),
    winding=st.booleans(),
)
def test_when_an_outline_does_not_cross_itself_then_its_area_is_covered(centre, radii, winding):
    angles = np.arange(len(radii)) * 2 * np.pi / len(radii)
    polygon = [(centre[0] + r * np.cos(a), centre[1] + r * np.sin(a)) for r, a in zip(radii, angles, strict=True)]

    found = picture(outline.coverage(polygon, (40, 40), winding=winding), (40, 40))

    assert found.sum() == pytest.approx(area(polygon), abs=0.02 * len(polygon) + 0.01 * area(polygon))
    assert np.array_equal(found, picture(outline.coverage(polygon[::-1], (40, 40), winding=winding), (40, 40)))


def test_when_sides_lie_between_pixels_then_those_are_covered_in_part():
    found = picture(outline.coverage([(1.25, 1.5), (3.5, 1.5), (3.5, 3), (1.25, 3)], (5, 4)), (5, 4))

    assert np.allclose(found, np.outer([0, 0.5, 1, 0], [0, 0.75, 1, 0.5, 0]), atol=1 / 255)


def test_when_the_outline_lies_around_the_picture_then_all_is_covered_and_beside_it_nothing():
    around = [(-900.0, -900.0), (900.0, -900.0), (900.0, 900.0), (-900.0, 900.0)]

    assert outline.coverage(around, (7, 5)) == b"\xff" * 35
    assert outline.coverage([(x + 2000, y) for x, y in around], (7, 5)) == bytes(35)
    assert outline.coverage([(x, y - 2000) for x, y in around], (7, 5)) == bytes(35)


@pytest.mark.parametrize("winding", [False, True], ids=["alternate", "winding"])
def test_when_an_outline_goes_around_twice_then_the_fill_method_decides(winding):
    twice = [(1, 1), (9, 1), (9, 9), (1, 9), (1, 1), (3, 3), (7, 3), (7, 7), (3, 7), (3, 3)]

    found = picture(outline.coverage(twice, (10, 10), winding=winding), (10, 10))

    assert found[5, 2] == 1 and found[0, 0] == 0
    assert found[5, 5] == (1 if winding else 0)


def test_when_points_are_given_then_x_goes_by_width_and_y_up_by_height():
    corners = [(-0.25, 0.5), (0.5, 0.5), (0.5, 0.25), (-0.25, 0.25)]

    polygon = outline.bezier([(*corner, 0, 0, 0, 0) for corner in corners], (40, 20))

    assert {(10, 0), (40, 0), (40, 5), (10, 5)} <= set(polygon)
    assert area(polygon) == pytest.approx(150)


def test_when_handles_bend_a_side_then_the_polygon_keeps_to_the_curve():
    k = 0.5523 * 0.4
    circle = [
        (0, 0.4, -k, 0, k, 0),
        (0.4, 0, 0, k, 0, -k),
        (0, -0.4, k, 0, -k, 0),
        (-0.4, 0, 0, -k, 0, k),
    ]

    polygon = np.array(outline.bezier(circle, (1000, 1000)))

    assert np.abs(np.hypot(*(polygon - 500).T) - 400).max() < 0.2
    assert area(polygon) == pytest.approx(np.pi * 400**2, rel=1e-3)
    assert len(polygon) < 400


@settings(max_examples=40, deadline=None)
@given(points=st.lists(CORNERS, min_size=3, max_size=8))
def test_when_a_bspline_is_filled_then_it_is_the_uniform_cubic_one(points):
    t = np.linspace(0, 1, 200, endpoint=False)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
    points = np.array(points)
    curve = np.vstack([weights @ np.roll(np.vstack([points] * 2), 1 - index, 0)[:4] for index in range(len(points))])
    reference = np.stack([(0.5 + curve[:, 0]) * 40, (0.5 - curve[:, 1]) * 24], 1)

    found = np.array(outline.bspline([tuple(point) for point in points.tolist()], (40, 24)))

    nearest = np.abs(found[:, None] - reference[None]).max(2).min(1)
    assert nearest.max() < 0.3
    assert area(found) == pytest.approx(area(reference), abs=1.5)  # a tenth of a pixel along the outline


def test_when_coverage_becomes_values_then_level_and_inversion_count():
    covered = bytes([0, 51, 255])

    assert np.allclose(np.frombuffer(outline.halves(covered), np.float16), [0, 0.2, 1], atol=1e-3)
    assert np.allclose(np.frombuffer(outline.halves(covered, level=0.5), np.float16), [0, 0.1, 0.5], atol=1e-3)
    assert np.allclose(np.frombuffer(outline.halves(covered, inverted=True), np.float16), [1, 0.8, 0], atol=1e-3)
