"""Which outline is which of the next frame."""

import numpy as np

from fakes.drawn_mattes import disc
from matted.trace.contour import find_contours
from matted.trace.follow import Follower


def tracks(draw, frames=range(20)):
    """(first, last, hole) of every track of the mattes drawn."""
    follower = Follower()
    for frame in frames:
        follower.add(frame, find_contours(draw(frame)))
    for track in follower.tracks:
        assert list(track.outlines) == list(range(min(track.outlines), max(track.outlines) + 1))
    return sorted((min(track.outlines), max(track.outlines), track.hole) for track in follower.tracks)


def test_when_objects_move_then_each_is_one_track():
    assert tracks(lambda t: disc(40 + 5 * t, 60, 20) + disc(250 - 4 * t, 130, 30)) == [(0, 19, False)] * 2


def test_when_an_object_comes_and_goes_then_its_track_begins_and_ends_there():
    assert tracks(lambda t: disc(160, 90, 40) * (5 <= t < 12)) == [(5, 11, False)]


def test_when_an_object_falls_apart_then_it_ends_and_the_parts_begin():
    assert tracks(lambda t: np.maximum(disc(160 - 4 * t, 90, 30), disc(160 + 4 * t, 90, 30))) == [
        (0, 7, False), (8, 19, False), (8, 19, False)
    ]  # fmt: skip


def test_when_objects_join_then_they_end_and_the_whole_begins():
    assert tracks(lambda t: np.maximum(disc(80 + 4 * t, 90, 30), disc(240 - 4 * t, 90, 30))) == [
        (0, 12, False), (0, 12, False), (13, 19, False)
    ]  # fmt: skip


def test_when_a_small_part_comes_off_or_joins_then_the_object_goes_on():
    def draw(t):
        return np.maximum(disc(120, 90, 40), disc(170 + 40 * (5 <= t < 12), 90, 12))

    assert tracks(draw) == [(0, 19, False), (5, 11, False)]


def test_when_there_are_a_hole_and_an_island_in_it_then_each_is_a_track_of_its_own():
    def draw(t):
        return np.maximum(disc(150 + t, 90, 70) - disc(150 + t, 90, 45), disc(150 + t, 90, 20))

    assert tracks(draw) == [(0, 19, False), (0, 19, False), (0, 19, True)]


def test_when_a_small_object_is_too_quick_to_overlap_then_it_is_still_one_track():
    assert tracks(lambda t: disc(20 + 14 * t, 90, 6) + disc(160, 150, 20)) == [(0, 19, False)] * 2


def test_when_something_unlike_it_appears_elsewhere_then_it_is_another_track():
    assert tracks(lambda t: disc(30, 90, 20) if t < 10 else disc(290, 90, 20)) == [(0, 9, False), (10, 19, False)]
    assert tracks(lambda t: disc(60, 90, 20) if t < 10 else disc(110, 90, 8)) == [(0, 9, False), (10, 19, False)]
