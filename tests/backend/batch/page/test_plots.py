"""Where the numbers of a shot stand in its plots."""

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.drawn_outcomes import outcome_of
from matted.batch.page.axis import Axis, line
from matted.batch.page.facts import Facts
from matted.batch.page.plots import CELLS, LEFT, RIGHT, WIDTH, plots_of, sparkline

FRAMES = st.lists(st.integers(-2000, 5000), min_size=1, max_size=40, unique=True).map(sorted)


def plots(tmp_path, **changes):
    shot = Facts(outcome_of(tmp_path / "a" / "b", "sh", **changes), 1)
    return {plot.title: plot for plot in plots_of(shot)}


@settings(deadline=None)
@given(frames=FRAMES, cells=st.integers(1, 50))
def test_when_frames_are_on_an_axis_then_they_keep_their_order_and_stay_inside(frames, cells):
    axis = Axis.over(frames, LEFT, WIDTH - RIGHT, cells)
    places = [axis.middle(group) for group in axis.groups]

    assert [frame for group in axis.groups for frame in group] == frames
    assert len(axis.groups) <= cells
    assert places == sorted(places)
    assert all(LEFT <= x <= WIDTH - RIGHT for x in places)
    ticks = axis.ticks(room=40)
    assert {frame for _, frame in ticks} & {frames[0], frames[-1]}
    assert all(later - x >= 40 for (x, _), (later, _) in pairwise(ticks))


def test_when_frames_or_numbers_are_missing_then_the_line_breaks():
    points = [(1, 0.5, [1]), (2, 0.5, [2]), (3, None, [3]), (4, 0.5, [4]), (6, 0.5, [6]), (7, 0.5, [7])]
    assert line(points, 1, lambda value: 10 * value) == "M1 5h0L2 5M4 5h0M6 5h0L7 5"


def test_when_confidence_is_plotted_then_one_is_on_top_and_zero_at_the_bottom(tmp_path):
    frames = range(1001, 1004)
    plot = plots(tmp_path, objects=("x",), frames=frames, confidence={1001: (1.0,), 1002: (0.0,), 1003: (0.5,)})[
        "Confidence"
    ]
    lane = plot.lanes[0]
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", lane.path)]
    assert heights == pytest.approx([lane.top, lane.bottom, (lane.top + lane.bottom) / 2])


def test_when_frames_are_beyond_a_threshold_then_they_are_marked_by_level_and_the_worst_is_named(tmp_path):
    low = {1003: (0.7, 0.9), 1004: (0.1, 0.9)}
    plot = plots(tmp_path, confidence=low)["Confidence"]
    assert [mark.level for mark in plot.lanes[0].marks] == ["warn", "fail"]
    assert plot.lanes[0].note.text == "0.10 at 1004"
    assert plot.lanes[1].marks == ()
    assert plot.lanes[1].note is None
    assert [limit.level for limit in plot.lanes[1].limits] == ["warn", "fail"]


def test_when_a_shot_is_longer_than_the_plot_then_a_point_is_the_worst_of_its_frames(tmp_path):
    frames = range(1, 1001)
    low = dict.fromkeys(frames, (0.9,)) | {500: (0.2,)}
    plot = plots(tmp_path, objects=("x",), frames=frames, confidence=low)["Confidence"]
    assert plot.grouped == 5
    assert len(plot.cells) == 200 <= CELLS
    assert [cell.text for cell in plot.cells if "0.20" in cell.text] == ["the worst of frames 496-500\nx 0.20"]


def test_when_values_leave_the_scale_then_they_stay_in_their_lane(tmp_path):
    for plot in plots(tmp_path, jump=1e9, flicker=1e-9).values():
        for lane in plot.lanes:
            heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([-\d.]+)", lane.path)]
            assert all(lane.top <= y <= lane.bottom for y in heights)


def test_when_there_are_twelve_objects_then_each_has_a_lane_of_its_own(tmp_path):
    names = [f"o{number}" for number in range(12)]
    for plot in plots(tmp_path, objects=names).values():
        assert [lane.name for lane in plot.lanes] == names
        assert all(above.bottom < below.top for above, below in pairwise(plot.lanes))


def test_when_confidence_has_holes_then_the_sparkline_has_them_too(tmp_path):
    shot = Facts(outcome_of(tmp_path / "a" / "b", "sh", objects=("x",), confidence={1003: (math.nan,)}), 1)
    assert sparkline(shot).count("M") == 2
