"""Edge flicker: what changes along the edge and does not move with the plate."""

import numpy as np
import pytest

from matted.batch.review.flicker import BAND, edge_flicker, look

HEIGHT, WIDTH = 96, 144
Y, X = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)


def disc(x=70.0, y=48.0, radius=24.0):
    """A matte with an edge one pixel soft."""
    return np.clip(radius - np.hypot(X - x, Y - y) + 0.5, 0, 1).astype(np.float32)


def textured(x=0.0, y=0.0, light=1.0):
    """A plate with something to follow everywhere, moved by (x, y) pixels."""
    across, down = X - x, Y - y
    luma = 0.5 + 0.15 * np.sin(across / 3.1) * np.cos(down / 3.7) + 0.15 * np.sin(across / 8 + down / 5)
    return np.repeat(light * luma[..., None], 3, axis=2).astype(np.float32)


def flicker(before, now, mattes, others):
    return edge_flicker(look(before, np.stack(mattes)), look(now, np.stack(others)))


@pytest.mark.parametrize(("x", "y"), [(0, 0), (3, 0), (0, -2), (1.5, 2.25), (-4, 1)])
def test_when_a_matte_moves_with_its_plate_then_it_does_not_flicker(x, y):
    (found,) = flicker(textured(), textured(x, y), [disc()], [disc(70 + x, 48 + y)])

    assert found < 0.03


def test_when_only_the_plate_moves_then_the_matte_flickers():
    (still,) = flicker(textured(), textured(), [disc()], [disc()])
    (left,) = flicker(textured(), textured(3), [disc()], [disc()])

    assert still == 0
    assert left > 0.15


def test_when_the_edge_swells_by_a_pixel_then_the_number_is_what_is_told_of_it():
    (found,) = flicker(textured(), textured(), [disc()], [disc(radius=25)])

    assert found == pytest.approx(1 / (2 * BAND), rel=0.35)


def test_when_the_edge_gets_noisier_then_it_flickers_more():
    noise = np.random.default_rng(7).standard_normal((HEIGHT, WIDTH)).astype(np.float32)
    edge = (disc() > 0.01) & (disc() < 0.99)
    found = [
        flicker(textured(), textured(), [disc()], [np.clip(disc() + share * noise * edge, 0, 1)])[0]
        for share in (0, 0.1, 0.3, 0.6)
    ]

    assert found == sorted(found)
    assert found[0] == 0 < found[1]


def test_when_there_is_no_edge_then_there_is_no_number():
    empty, full = np.zeros((HEIGHT, WIDTH), np.float32), np.ones((HEIGHT, WIDTH), np.float32)

    assert flicker(textured(), textured(), [empty, full, disc()], [empty, full, disc()]) == (None, None, 0.0)


def test_when_the_plate_cuts_to_another_picture_then_there_is_no_number():
    other = np.random.default_rng(3).random((HEIGHT, WIDTH, 3)).astype(np.float32)

    assert flicker(textured(light=0.2), np.maximum(other, 0.6), [disc()], [disc()]) == (None,)


def test_when_a_plate_is_large_then_it_flickers_as_when_it_is_small():
    def large(plane):
        return np.repeat(np.repeat(plane, 8, axis=0), 8, axis=1)

    (found,) = flicker(large(textured()), large(textured(2)), [large(disc())], [large(disc(72))])

    assert found < 0.03
