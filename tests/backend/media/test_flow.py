"""How a plate moves, and what is carried along with it."""

import numpy as np
import pytest

from matted.media import flow

HEIGHT, WIDTH = 96, 144


def textured(x=0.0, y=0.0):
    """A luma with something to follow everywhere, moved by (x, y) pixels."""
    down, across = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    across, down = across - x, down - y
    luma = 0.5 + 0.15 * np.sin(across / 3.1) * np.cos(down / 3.7) + 0.15 * np.sin(across / 8 + down / 5)
    return luma.astype(np.float32)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (3, 0), (0, -2), (1.5, 2.25)])
def test_when_a_plate_moves_then_the_motion_says_where_it_came_from(x, y):
    inside = flow.motion(textured(), textured(x, y))[16:-16, 16:-16]

    assert np.abs(np.median(inside, axis=(0, 1)) - (-x, -y)).max() < 0.1


def test_when_carried_then_the_previous_frame_looks_like_this_one():
    before, now = textured(), textured(3, -2)
    moved = flow.motion(before, now)

    assert np.abs(flow.carried(before, moved) - now)[8:-8, 8:-8].mean() < 0.01
    assert flow.followed(before, now, moved)[8:-8, 8:-8].mean() > 0.98


def test_when_something_new_appears_then_it_is_not_followed():
    before, now = textured(), textured()
    now[30:60, 50:90] = 1.0
    known = flow.followed(before, now, flow.motion(before, now))

    assert known[36:54, 56:84].mean() < 0.4
    assert known[:20].mean() > 0.95


@pytest.mark.parametrize("shape", [(1, 1), (4, 200), (15, 15), (16, 16)])
def test_when_a_picture_is_tiny_then_nothing_breaks(shape):
    plane = np.full(shape, 0.5, np.float32)

    assert flow.motion(plane, plane).shape == (*shape, 2)
    assert np.array_equal(flow.carried(plane, flow.motion(plane, plane)), plane)


def test_when_a_picture_is_large_then_it_is_brought_to_its_lines_and_keeps_its_mean():
    picture = np.random.default_rng(1).random((1080, 1920, 3)).astype(np.float32)
    smaller = flow.small(picture)

    assert smaller.shape == (480, 853, 3)
    assert smaller.mean() == pytest.approx(picture.mean(), abs=1e-3)
    assert flow.small(smaller) is smaller


def test_when_a_picture_is_grey_then_its_luma_is_its_value():
    assert flow.grey(np.full((4, 5, 3), 0.25, np.float64)) == pytest.approx(0.25)
