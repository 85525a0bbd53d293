import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matted.batch.score import (
    Score,
    Scorer,
    boundary_measure,
    davis_tolerance,
    edge_mad,
    mean_score,
    region_similarity,
    temporal_difference,
)
from matted.errors import MaskError


def box(top, left, bottom, right, shape=(40, 60)):
    matte = np.zeros(shape, np.float32)
    matte[top:bottom, left:right] = 1
    return matte


def test_when_half_the_box_overlaps_then_j_is_a_third():
    assert region_similarity(box(0, 0, 10, 10), box(0, 5, 10, 15)) == pytest.approx(50 / 150)


def test_when_both_are_empty_then_j_and_f_are_one():
    empty = np.zeros((20, 30), np.float32)
    assert region_similarity(empty, empty) == 1
    assert boundary_measure(empty, empty, tolerance=2) == 1


@pytest.mark.parametrize("swap", [False, True])
def test_when_one_is_empty_then_j_and_f_are_zero(swap):
    pair = [np.zeros((40, 60), np.float32), box(5, 5, 20, 20)]
    ours, theirs = reversed(pair) if swap else pair
    assert region_similarity(ours, theirs) == 0
    assert boundary_measure(ours, theirs, tolerance=3) == 0


def test_when_a_pixel_is_exactly_half_then_it_counts_as_inside():
    assert region_similarity(box(0, 0, 4, 4) * 0.5, box(0, 0, 4, 4)) == 1


def test_the_davis_tolerance_of_480p_is_eight_pixels():
    assert davis_tolerance(480, 854) == 8
    assert davis_tolerance(1080, 1920) == 18


@pytest.mark.parametrize(("shift", "f"), [(3, 1.0), (4, 0.0)])
def test_when_an_edge_is_moved_then_f_holds_up_to_the_tolerance(shift, f):
    left, moved = box(0, 0, 40, 20), box(0, 0, 40, 20 + shift)
    assert boundary_measure(moved, left, tolerance=3) == f


def test_when_the_nearest_boundary_is_diagonal_then_the_disk_decides():
    dot, diagonal = box(10, 10, 11, 11), box(13, 13, 14, 14)
    # A single pixel's boundary is the 2x2 block ending at it. The blocks lie (3, 3) apart: their near corners are
    # (2, 2) apart, 2.83 px, so 1 of 4 pixels is reached at radius 3 with (2, 3), 3.6 px, still outside.
    assert boundary_measure(dot, diagonal, tolerance=2) == 0
    assert boundary_measure(dot, diagonal, tolerance=3) == pytest.approx(1 / 4)


def test_when_an_extra_island_is_matted_then_precision_falls_and_recall_does_not():
    known = box(5, 5, 15, 15)
    with_island = known + box(25, 40, 35, 50)
    # Two outlines of equal length: half of ours is right, all of theirs is found.
    assert boundary_measure(with_island, known, tolerance=1) == pytest.approx(2 * 0.5 / 1.5)


def brute_force_f(ours, theirs, radius):
    def outline(mask):
        height, width = mask.shape
        return [
            (y, x)
            for y in range(height)
            for x in range(width)
            if len({mask[v, u] for v in (y, min(y + 1, height - 1)) for u in (x, min(x + 1, width - 1))}) == 2
        ]

    def share(points, target):
        return np.mean([any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in target) for y, x in points])

    a, b = outline(ours), outline(theirs)
    if not a or not b:
        return float(not a and not b)
    precision, recall = share(a, b), share(b, a)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), radius=st.integers(1, 5), density=st.sampled_from([0.02, 0.1, 0.5]))
def test_f_equals_the_definition_pixel_by_pixel(seed, radius, density):
    random = np.random.default_rng(seed)
    ours, theirs = (random.random((9, 13)) < density for _ in range(2))
    assert boundary_measure(ours.astype(np.float32), theirs.astype(np.float32), tolerance=radius) == pytest.approx(
        brute_force_f(ours, theirs, radius)
    )


def test_when_only_the_far_inside_differs_then_the_edge_band_is_clean():
    known = box(5, 5, 35, 55)
    hollow = known.copy()
    hollow[18:22, 28:32] = 0
    assert edge_mad(hollow, known, width=3) == 0
    assert edge_mad(hollow, known, width=20) > 0


def test_when_a_hard_edge_is_known_then_the_band_is_twice_its_width_and_the_contour():
    known = box(0, 0, 40, 30)
    grey = np.where(known == 1, 1.0, 0.25).astype(np.float32)
    # The contour is column 29; the band of 4 is columns 25..33, of which 30..33 are off by 0.25.
    assert edge_mad(grey, known, width=4) == pytest.approx(0.25 * 4 / 9)


def test_when_the_known_edge_is_soft_then_the_band_covers_all_of_it():
    known = np.tile(np.linspace(0, 1, 60, dtype=np.float32), (10, 1))
    assert edge_mad(known * 0.5, known, width=0) == pytest.approx(0.25, abs=0.01)


def test_when_the_known_matte_has_no_edge_then_there_is_no_edge_difference():
    assert edge_mad(box(0, 0, 5, 5), np.zeros((40, 60), np.float32)) is None


def test_when_the_error_stays_the_same_then_the_mattes_do_not_flicker():
    known = [box(5, 5, 15, 15), box(5, 8, 15, 18)]
    ours = [matte * 0.5 + 0.1 * 0.5 for matte in known]
    constant = [matte + 0.25 for matte in known]
    assert temporal_difference(*constant, *known) == pytest.approx(0, abs=1e-7)
    assert temporal_difference(*ours, *known) > 0


def test_when_a_tenth_of_the_pixels_pops_on_then_flicker_is_its_root_mean_square():
    known = np.zeros((10, 10), np.float32)
    popped = known.copy()
    popped[0] = 1
    assert temporal_difference(known, popped, known, known) == pytest.approx(math.sqrt(0.1))


def test_when_frames_are_added_then_the_total_is_their_mean():
    known = box(5, 5, 15, 15)
    scorer = Scorer()

    first = scorer.add(1001, known, known)
    second = scorer.add(1002, np.zeros_like(known), known)

    assert (first.j, first.f, first.f_tight, first.edge_mad, first.flicker) == (1, 1, 1, 0, None)
    assert second.flicker == pytest.approx(math.sqrt(100 / 2400))
    total = scorer.total()
    assert (total.frames, total.j, total.f, total.j_and_f) == (2, 0.5, 0.5, 0.5)
    assert total.flicker == second.flicker


def test_when_a_frame_is_a_keyframe_then_it_counts_in_flicker_alone():
    known, nothing = box(5, 5, 15, 15), np.zeros((40, 60), np.float32)
    scorer = Scorer(keyframes=[1002])
    scorer.add(1001, nothing, known)
    popped = scorer.add(1002, known, known)
    total = scorer.total()
    assert (total.frames, total.j) == (1, 0)
    assert total.flicker == popped.flicker > 0


def test_when_frames_are_missing_then_flicker_starts_anew():
    known = box(5, 5, 15, 15)
    scorer = Scorer()
    scorer.add(1001, known, known)
    assert scorer.add(1003, known * 0, known).flicker is None
    assert scorer.total().flicker is None


def test_when_the_range_is_stepped_then_its_steps_are_neighbours():
    known = box(5, 5, 15, 15)
    scorer = Scorer(step=2)
    scorer.add(-3, known, known)
    assert scorer.add(-1, known, known).flicker == 0


def test_when_the_callers_array_is_reused_then_flicker_still_sees_the_previous_frame():
    known = box(5, 5, 15, 15)
    matte = known.copy()
    scorer = Scorer()
    scorer.add(1, matte, known)
    matte[:] = 0
    assert scorer.add(2, matte, known).flicker > 0


def test_when_no_frame_counts_then_the_means_are_not_numbers():
    assert math.isnan(Scorer().total().j)
    assert Scorer().total().frames == 0


def test_when_sizes_differ_then_the_error_names_frame_and_sizes():
    with pytest.raises(MaskError) as error:
        Scorer().add(1007, np.zeros((4, 6), np.float32), np.zeros((8, 12), np.float32))
    assert error.value.code == "mask_size"
    assert "1007" in error.value.message
    assert "6x4" in error.value.message
    assert "12x8" in error.value.message


def test_when_scores_are_averaged_then_each_weighs_the_same_and_absent_measures_are_left_out():
    one = Score(10, 1.0, 0.5, 0.5, 0.1, None)
    other = Score(30, 0.0, 0.5, 0.0, None, None)
    mean = mean_score([one, other])
    assert mean == Score(40, 0.5, 0.5, 0.25, 0.1, None)
    with pytest.raises(ValueError, match="no score"):
        mean_score([])


def test_when_many_frames_are_added_then_memory_does_not_grow():
    matte = box(5, 5, 15, 15)
    scorer = Scorer()

    def held_after(frames):
        for frame in frames:
            scorer.add(frame, matte, matte)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    early = held_after(range(300))
    late = held_after(range(300, 500))
    tracemalloc.stop()
    assert late - early < matte.nbytes
