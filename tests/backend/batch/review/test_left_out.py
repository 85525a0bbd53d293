"""Leave one out: what the other keyframes make of one of them."""

from dataclasses import replace

import numpy as np
import pytest

from fakes.colour_network import MEMORY
from fakes.drawn_job import job_at, loaded, shot_at
from fakes.drawn_shot import write_masks
from matted.batch.bench import Bench
from matted.batch.degrade import Means
from matted.batch.job import run
from matted.batch.keyframes import MaskSource, find_keyframes
from matted.batch.review.left_out import (
    _predict,
    frames_to_leave_out,
    leave_out,
    left_out_file,
    read_left_out,
    steps_without,
)
from matted.batch.score import boundary_measure, davis_tolerance, edge_mad, region_similarity
from matted.engine.plan import Direction
from matted.engine.scratch import Scratch
from matted.engine.session import SessionSettings
from matted.errors import OutputError
from matted.media.matte import MatteWriter

DIRECTIONS = [pytest.param(direction, id=direction.value) for direction in Direction]


def ended(steps):
    """Takes every step; returns the steps and what the generator returned."""
    taken = []
    while True:
        try:
            taken.append(next(steps))
        except StopIteration as end:
            return taken, end.value


def leaving(shot, frame, hidden, *, direction=Direction.BOTH, bench=None, key=None):
    means = Means(SessionSettings(checkpoint_every=2, direction=direction), MEMORY)
    return leave_out(shot, frame, weights=loaded(), means=means, bench=bench or Bench(), hidden=hidden, key=key)


def without(shot, frame):
    files = {other: found for other, found in shot.keyframes.files.items() if other != frame}
    return replace(shot, keyframes=replace(shot.keyframes, files=files))


@pytest.mark.parametrize("frame", [1001, 1006, 1016])
def test_when_a_keyframe_is_left_out_then_its_matte_is_that_of_a_job_without_it(tmp_path, frame):
    shot = shot_at(tmp_path, (1001, 1006, 1012, 1016))
    other = job_at(tmp_path, shot=without(shot, frame))
    result = run(other)

    means = Means(other.session, MEMORY)
    _, mattes = ended(_predict(shot, frame, loaded(), means, Bench(), Scratch(tmp_path / "walk"), None))

    writer = MatteWriter(result.folder, objects=result.objects, settings=other.mattes, info=shot.plate.info)
    assert np.array_equal(mattes.astype(np.float16), writer.read(frame).astype(np.float16))


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("frame", [1001, 1006, 1012])
def test_when_a_keyframe_is_left_out_then_as_many_steps_are_taken_as_were_told(tmp_path, frame, direction):
    shot = shot_at(tmp_path, (1001, 1006, 1012))
    steps, _ = ended(leaving(shot, frame, tmp_path / "hidden", direction=direction))

    assert len(steps) == steps_without(shot, frame, direction)
    assert len(steps) <= 13
    assert steps[-1].frame == frame


def test_when_only_the_keyframe_left_out_shows_an_object_then_the_others_alone_are_compared(tmp_path):
    shot = shot_at(tmp_path, (1001, 1006, 1012))
    sources = [MaskSource(tmp_path / "red", "red"), MaskSource(write_masks(tmp_path / "blue", [1006], 1), "blue")]
    both = find_keyframes(sources, size=shot.plate.info.size, plate=shot.plate.sequence)
    shot = replace(shot, keyframes=both)
    means = Means(SessionSettings(checkpoint_every=2), MEMORY)
    _, mattes = ended(_predict(shot, 1006, loaded(), means, Bench(), Scratch(tmp_path / "walk"), None))
    assert both.objects == ("blue", "red")
    matte, mask = mattes[1], both.read(1006)[1]

    _, found = ended(leaving(shot, 1006, tmp_path / "hidden"))

    assert found.j == (None, region_similarity(matte, mask))
    assert found.f == (None, boundary_measure(matte, mask, tolerance=davis_tolerance(64, 96)))
    assert found.edge_mad == (None, edge_mad(matte, mask))
    assert len({found.j[1], found.f[1], found.edge_mad[1]}) == 3, "so that none can stand in the place of another"


def test_when_found_once_then_it_is_read_and_no_step_is_taken(tmp_path):
    shot = shot_at(tmp_path, (1001, 1006, 1012))
    _, first = ended(leaving(shot, 1006, tmp_path / "hidden"))
    steps, again = ended(leaving(shot, 1006, tmp_path / "hidden"))

    assert first == again == read_left_out(tmp_path / "hidden", 1006)
    assert not steps
    assert [path.name for path in (tmp_path / "hidden" / "left_out").iterdir()] == ["1006.json"]


def test_when_stopped_then_nothing_stays_and_the_next_finds_the_same(tmp_path):
    shot = shot_at(tmp_path, (1001, 1006, 1012))
    _, whole = ended(leaving(shot, 1006, tmp_path / "whole"))
    steps = leaving(shot, 1006, tmp_path / "hidden")
    for _ in range(7):
        next(steps)
    steps.close()

    assert list((tmp_path / "hidden" / "left_out").iterdir()) == []
    assert ended(leaving(shot, 1006, tmp_path / "hidden"))[1] == whole


def test_when_two_are_at_the_same_keyframe_then_both_find_the_same(tmp_path):
    shot = shot_at(tmp_path, (1001, 1006, 1012))
    slow, quick = (leaving(shot, 1006, tmp_path / "hidden") for _ in range(2))
    for _ in range(7):  # on its way back, where it needs what it held on the way there
        next(slow)
    _, found = ended(quick)

    assert ended(slow)[1] == found == read_left_out(tmp_path / "hidden", 1006)


def test_when_the_folder_cannot_be_written_then_it_is_said(tmp_path):
    (tmp_path / "hidden").write_text("a file")

    with pytest.raises(OutputError) as caught:
        ended(leaving(shot_at(tmp_path, (1001, 1006)), 1006, tmp_path / "hidden"))

    assert caught.value.code == "output_unwritable"
    assert str(tmp_path / "hidden") in caught.value.message


def test_when_its_file_is_damaged_then_it_is_found_again(tmp_path):
    shot = shot_at(tmp_path, (1001, 1006, 1012))
    _, first = ended(leaving(shot, 1006, tmp_path / "hidden"))
    left_out_file(tmp_path / "hidden", 1006).write_text('{"frame": 1006, "j": ')
    steps, again = ended(leaving(shot, 1006, tmp_path / "hidden"))

    assert steps
    assert first == again


def test_when_the_bench_is_warm_then_the_keyframe_is_back_for_the_next_job(tmp_path):
    shot, bench = shot_at(tmp_path, (1001, 1006, 1012)), Bench()
    _, warm = ended(leaving(shot, 1006, tmp_path / "warm", bench=bench, key="shot"))
    _, other = ended(leaving(shot, 1012, tmp_path / "warm", bench=bench, key="shot"))

    assert bench.warm_keys == ("shot",)
    assert warm == ended(leaving(shot, 1006, tmp_path / "cold"))[1]
    assert other == ended(leaving(shot, 1012, tmp_path / "cold"))[1]


def test_when_there_is_one_keyframe_then_none_can_be_left_out(tmp_path):
    assert frames_to_leave_out(shot_at(tmp_path, (1006,))) == ()
    assert frames_to_leave_out(shot_at(tmp_path, (1006, 1012))) == (1006, 1012)
