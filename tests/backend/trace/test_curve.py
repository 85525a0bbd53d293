"""Few Bezier segments through many samples."""

import numpy as np
import pytest

from fakes.drawn_mattes import blob, box, disc, farthest, outline
from matted.trace.contour import find_contours
from matted.trace.curve import evaluate, fit
from matted.trace.match import match


def fitted(mattes, tolerance=0.5):
    outlines = [find_contours(matte)[0].points for matte in mattes]
    return fit(match(outlines), tolerance).points, outlines


def test_when_the_form_is_a_disc_then_four_points_do():
    points, outlines = fitted([disc(100 + 8 * t, 90, 50) for t in range(6)])

    assert points.shape == (6, 4, 6)
    for shape, known in zip(points, outlines, strict=True):
        assert farthest(outline(shape), known) < 0.5


@pytest.mark.parametrize("turn", [0.0, 0.3])
def test_when_the_form_has_corners_then_there_are_points_on_them(turn):
    points, _ = fitted([box(100 + 8 * t, 90, 90, 50, turn) for t in range(6)])

    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = [(100, 90) + np.array([x, y]) @ rotation for x in (-45, 45) for y in (-25, 25)]
    for corner in corners:
        assert np.linalg.norm(points[0, :, :2] - corner, axis=1).min() < 1.0
    assert points.shape[1] <= 8


@pytest.mark.parametrize("tolerance", [0.4, 0.8, 2.0])
def test_when_a_tolerance_is_given_then_every_frame_is_met_by_it(tolerance):
    points, outlines = fitted([blob(100 + 5 * t, 90, bend=0.1 * t) for t in range(12)], tolerance)

    for shape, known in zip(points, outlines, strict=True):
        assert max(farthest(outline(shape), known), farthest(known, outline(shape))) < 1.1 * tolerance


def test_when_the_tolerance_is_larger_then_there_are_fewer_points():
    counts = [fitted([blob(160, 90)], tolerance)[0].shape[1] for tolerance in (0.2, 0.5, 1.0, 3.0)]

    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]


def test_when_a_point_is_no_corner_then_its_handles_are_one_line():
    points, _ = fitted([blob(160, 90)])

    left, right = points[0, :, 2:4], points[0, :, 4:]
    cosines = (left * right).sum(axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)
    assert np.allclose(cosines, -1, atol=1e-6)


def test_when_one_frame_in_many_is_ragged_then_the_others_do_not_get_its_points():
    rng = np.random.default_rng(4)
    mattes = [disc(160, 90, 60) for _ in range(20)]
    for x, y in rng.uniform(-1, 1, (60, 2)):
        mattes[7] = np.maximum(mattes[7], disc(*((160, 90) + 61 * np.array([x, y]) / np.hypot(x, y)), 3))

    points, _ = fitted(mattes)

    assert points.shape[1] < 12


def test_when_a_segment_is_evaluated_then_it_goes_from_its_first_point_to_its_last():
    controls = np.array([[[0, 0], [1, 2], [3, 2], [4, 0]]], float)

    assert evaluate(controls, np.array([[0.0, 0.5, 1.0]])).tolist() == [[[0, 0], [2, 1.5], [4, 0]]]
