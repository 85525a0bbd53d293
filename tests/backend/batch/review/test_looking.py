"""A finished job looked over, from files to numbers."""

from dataclasses import replace

import numpy as np
import pytest

from fakes.colour_network import MEMORY
from fakes.drawn_job import FRAMES, job_at, loaded, shot_at
from matted.batch.bench import Bench
from matted.batch.degrade import Means
from matted.batch.job import run
from matted.batch.review import Thresholds, judge
from matted.batch.review.left_out import left_out_file
from matted.batch.review.looking import review, review_steps
from matted.errors import MaskError
from matted.media.matte import MatteWriter
from matted_protocol.frames import FrameRange


def ended(steps):
    """Takes every step; returns the steps and what the generator returned."""
    taken = []
    while True:
        try:
            taken.append(next(steps))
        except StopIteration as end:
            return taken, end.value


def writer_of(job, folder):
    return MatteWriter(folder, objects=job.shot.keyframes.objects, settings=job.mattes, info=job.shot.plate.info)


def looked(job, folder, hidden):
    means = Means(job.session, MEMORY)
    return review(job.shot, writer_of(job, folder), weights=loaded(), means=means, bench=Bench(), hidden=hidden)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished job with three keyframes, which no test may change; and what it left behind."""
    folder = tmp_path_factory.mktemp("made")
    job = job_at(folder, shot=shot_at(folder, (1001, 1006, 1016)))
    return job, run(job)


def test_when_looked_over_then_every_frame_and_every_keyframe_is_measured(tmp_path, made):
    job, result = made
    told = review_steps(job.shot, job.session.direction, tmp_path / "hidden")
    steps, found = ended(looked(job, result.folder, tmp_path / "hidden"))

    assert found.objects == ("red",)
    assert [frame.frame for frame in found.frames] == FRAMES
    assert [one.frame for one in found.left_out] == [1001, 1006, 1016]
    assert found.keyframes == (1001, 1006, 1016)
    assert found.frames[5].area[0] == pytest.approx(writer_of(job, result.folder).read(1006).mean(), rel=1e-4)
    assert all(frame.flicker[0] is not None for frame in found.frames[1:])
    assert judge(result.confidence, found, Thresholds()).state == "pass"
    assert [step.done for step in steps] == sorted({step.done for step in steps})
    assert steps[-1].done == steps[-1].total == len(steps) == told


def test_when_looked_over_then_no_file_of_the_job_changes(tmp_path):
    job = job_at(tmp_path, shot=shot_at(tmp_path, (1001, 1006, 1016)))
    folder = run(job).folder
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}
    ended(looked(job, folder, folder / ".matted"))
    after = {path: path for path in folder.rglob("*") if path.is_file() and ".matted" not in path.parts}

    assert set(after) == set(before)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before} == before


def test_when_one_frame_is_blown_up_then_it_is_found_there(tmp_path):
    job = job_at(tmp_path)
    result = run(job)
    writer = writer_of(job, result.folder)
    writer.write(1005, np.full((1, 64, 96), 0.9, np.float32), job.shot.plate.header(1005))
    _, found = ended(looked(job, result.folder, tmp_path / "hidden"))
    verdict = judge(result.confidence, found, Thresholds())

    assert verdict.state == "fail"
    assert {finding.measure: finding.worst for finding in verdict.findings}["jump"] == 1005


def test_when_a_keyframe_fits_no_other_then_leaving_it_out_finds_it(tmp_path, made):
    (job, result), shot = made, made[0].shot
    _, right = ended(looked(job, result.folder, tmp_path / "right"))
    files = dict(shot.keyframes.files)
    files[1006] = files[1016]  # drawn on another frame, ten frames on
    wrong = replace(shot, keyframes=replace(shot.keyframes, files=files))
    _, found = ended(looked(replace(job, shot=wrong), result.folder, tmp_path / "hidden"))

    assert right.left_out[1].frame == found.left_out[1].frame == 1006
    assert found.left_out[1].j[0] < 0.3 < 0.9 < right.left_out[1].j[0]


def test_when_stopped_in_the_middle_then_what_was_left_out_is_not_done_again(tmp_path, made):
    (job, result), hidden = made, tmp_path / "hidden"
    folder = result.folder
    whole, found = ended(looked(job, folder, tmp_path / "other"))
    steps = looked(job, folder, hidden)
    for _ in steps:
        if left_out_file(hidden, 1006).exists():
            break
    steps.close()
    rest, again = ended(looked(job, folder, hidden))

    assert len(rest) < len(whole)
    assert again == found


def test_when_the_range_is_a_part_then_keyframes_outside_it_are_not_left_out(tmp_path):
    shot = replace(shot_at(tmp_path, (1001, 1006, 1016)), frames=FrameRange(1003, 1010))
    job = job_at(tmp_path, shot=shot)
    _, found = ended(looked(job, run(job).folder, tmp_path / "hidden"))

    assert [frame.frame for frame in found.frames] == list(range(1003, 1011))
    assert [one.frame for one in found.left_out] == [1006]
    assert found.keyframes == (1006,)


def test_when_frames_are_missing_then_nothing_is_compared_over_the_gap(tmp_path):
    shot_at(tmp_path)
    (tmp_path / "plate" / "plate.1008.png").unlink()
    job = job_at(tmp_path, shot=replace(shot_at(tmp_path), missing="skip"))
    _, found = ended(looked(job, run(job).folder, tmp_path / "hidden"))
    after = next(frame for frame in found.frames if frame.frame == 1009)

    assert after.jump == after.flicker == (None,)
    assert len(found.frames) == len(FRAMES) - 1


def test_when_a_matte_is_gone_then_it_is_said_which(tmp_path):
    job = job_at(tmp_path)
    folder = run(job).folder
    gone = writer_of(job, folder).paths(1005)[0]
    gone.unlink()

    with pytest.raises(MaskError) as caught:
        ended(looked(job, folder, tmp_path / "hidden"))

    assert str(gone) in caught.value.message
