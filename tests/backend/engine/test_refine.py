"""Refinement: clean values always, edges of the plate where unsure, untouched where sure."""

import pytest
import torch

from matted.engine.refine import RefineSettings, refine


def soft_disc(size, centre, radius, softness):
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    distance = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2).float().sqrt()
    return ((radius - distance) / softness + 0.5).clamp(0, 1)


def with_background(*objects):
    stacked = torch.stack(objects)
    return torch.cat([(1 - stacked.sum(0, keepdim=True)).clamp_min(0), stacked])


def test_when_the_plate_has_a_sharp_edge_then_a_blurred_matte_moves_onto_it():
    known = soft_disc((120, 160), (60, 80), 30, 1)
    plate = torch.stack([0.2 + 0.6 * known, 0.7 - 0.5 * known, 0.3 + 0.1 * known])
    blurred = soft_disc((120, 160), (60, 80), 30, 6)

    matte = refine(with_background(blurred), plate, settings=RefineSettings())[0]

    assert (matte - known).abs().mean() < 0.6 * (blurred - known).abs().mean()


def test_when_the_plate_is_larger_then_the_matte_has_its_size_and_range():
    matte = refine(
        with_background(soft_disc((30, 40), (15, 20), 8, 4)), torch.rand(3, 121, 161), settings=RefineSettings()
    )

    assert matte.shape == (1, 121, 161)
    assert matte.min() >= 0
    assert matte.max() <= 1


def test_when_the_probability_is_sure_then_refining_changes_nothing():
    hard = (soft_disc((60, 60), (30, 30), 20, 1) > 0.5).float()

    matte = refine(with_background(hard), torch.rand(3, 60, 60), settings=RefineSettings())

    torch.testing.assert_close(matte[0], hard, atol=0, rtol=0)


def test_when_the_strength_is_zero_then_only_the_size_changes():
    soft = soft_disc((60, 60), (30, 30), 20, 9)

    matte = refine(with_background(soft), torch.rand(3, 60, 60), settings=RefineSettings(strength=0))

    torch.testing.assert_close(matte[0], soft, atol=1 / 255, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (2, 3), (7, 9)])
def test_when_the_plate_is_tiny_then_there_is_still_a_matte(size):
    matte = refine(torch.full((3, *size), 1 / 3), torch.rand(3, *size), settings=RefineSettings())

    assert matte.shape == (2, *size)
    assert matte.isfinite().all()


def test_when_the_probability_has_nan_then_the_matte_has_none():
    probability = torch.full((2, 16, 16), 0.5)
    probability[1, 3:6] = float("nan")

    assert refine(probability, torch.rand(3, 32, 32), settings=RefineSettings()).isfinite().all()


def test_when_objects_touch_then_they_never_sum_above_one():
    left, right = torch.zeros(2, 40, 40)
    left[:, :22], right[:, 18:] = 0.9, 0.9

    mattes = refine(torch.stack([torch.zeros(40, 40), left, right]), torch.rand(3, 80, 80), settings=RefineSettings())

    assert mattes.sum(0).max() <= 1 + 1e-6


def test_when_there_is_a_faint_haze_or_hole_then_it_is_cleaned_and_soft_edges_stay():
    haze = torch.full((20, 20), 1e-3)
    haze[5:15, 5:15], haze[9, 9], haze[5] = 1, 0.999, 0.3

    matte = refine(with_background(haze), torch.rand(3, 20, 20), settings=RefineSettings(strength=0))[0]

    assert matte[0, 0] == 0
    assert matte[9, 9] == 1
    assert matte[5, 5] == pytest.approx(0.3)


def test_when_a_part_is_thin_then_the_filter_does_not_eat_it():
    rope = torch.zeros(60, 60)
    rope[:, 29:31] = 0.7
    plate = torch.rand(3, 60, 60, generator=torch.Generator().manual_seed(1))

    matte = refine(with_background(rope), plate, settings=RefineSettings())[0]

    torch.testing.assert_close(matte[:, 29:31], rope[:, 29:31])
