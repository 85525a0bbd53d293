"""Samples that stay with the form they are on."""

import numpy as np
import pytest

from fakes.drawn_mattes import blob, box, disc, farthest
from matted.trace.contour import find_contours
from matted.trace.match import match


def matched(mattes):
    outlines = [find_contours(matte)[0].points for matte in mattes]
    return match(outlines), outlines


def in_order(samples):
    """Whether samples go once around, none overtaking another, at even distances within reason."""
    steps = np.linalg.norm(np.roll(samples, -1, axis=1) - samples, axis=2)
    return (steps > 0).all() and (steps < 4 * steps.mean(axis=1, keepdims=True)).all()


def test_when_a_form_moves_and_turns_then_its_samples_do():
    moves = [(120 + 4 * t, 90 + t, 0.01 * t) for t in range(20)]

    samples, _ = matched([box(x, y, 100, 60, turn) for x, y, turn in moves])

    for (x, y, turn), found in zip(moves, samples, strict=True):
        across, down = (found - [x, y]).T
        back = np.stack([across * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - across * np.sin(turn)], 1)
        assert np.linalg.norm(back - (samples[0] - [120, 90]), axis=1).mean() < 1.0
    assert in_order(samples)


def test_when_a_disc_moves_then_its_samples_do_not_spin():
    samples, _ = matched([disc(80 + 6.3 * t, 90 + 0.7 * t, 40) for t in range(20)])

    moved = samples - samples.mean(axis=1, keepdims=True)
    assert np.linalg.norm(moved - moved[0], axis=2).max() < 1.5


@pytest.mark.parametrize(
    "draw",
    [
        lambda t: blob(100 + 5 * t, 90, bend=0.2 * t),
        lambda t: disc(160, 90, 10 + 4 * t),
        lambda t: np.maximum(disc(120, 90, 50), box(170, 90, 20 + 12 * t, 14)),
        lambda t: disc(-20 + 10 * t, 90, 50),
        lambda t: disc(100 + 10 * t, 90, 2.2),
    ],
    ids=["deforming", "growing", "an arm that grows", "coming into the image", "tiny"],
)
def test_when_a_form_changes_then_samples_stay_in_order_and_cover_its_outline(draw):
    samples, outlines = matched([draw(t) for t in range(12)])

    assert in_order(samples)
    for found, outline in zip(samples, outlines, strict=True):
        assert farthest(found, outline) < 1e-6
        assert farthest(outline, found) < 1.5


def test_when_there_is_one_frame_then_it_is_sampled():
    samples, (outline,) = matched([disc(160, 90, 30)])

    assert samples.shape[0] == 1 and farthest(outline, samples[0]) < 0.2
