"""A plate replaced on disk under a job: real files, replaced between steps."""

import json
import os
from contextlib import closing
from dataclasses import replace

import pytest

from fakes.drawn_job import job_at
from fakes.drawn_shot import plate, save, write_plate
from matted.batch.job import Job, Run, claim
from matted.batch.stamp import Stamp
from matted.errors import PlateError
from matted.media.plate import Plate
from matted.media.sequence import find_sequence


def render_again(folder, frame, *, changed=2_000_000_000):
    """The same picture in another file, as a render written anew."""
    path = folder / "plate" / f"plate.{frame}.png"
    beside = save(path.with_name("beside.png"), (plate(frame).permute(1, 2, 0) * 255).round().byte().numpy())
    beside.replace(path)
    os.utime(path, (changed, changed))


def test_when_a_frame_is_replaced_under_a_job_then_the_job_stops_there_and_names_it(tmp_path):
    making = Run(job_at(tmp_path))

    with pytest.raises(PlateError, match="not the file it was") as error, closing(making.steps()) as steps:
        for _ in range(3):
            next(steps)
        render_again(tmp_path, 1008)
        list(steps)

    assert (error.value.code, error.value.frame) == ("plate_changed", 1008)
    assert error.value.path == tmp_path / "plate" / "plate.1008.png"
    assert "propagate again" in error.value.hint


def test_when_a_frame_is_replaced_while_it_is_read_then_it_is_refused(tmp_path, monkeypatch):
    shot = job_at(tmp_path).shot.pin()
    read = Plate.read

    def slow(self, frame):
        pixels = read(self, frame)
        render_again(tmp_path, frame)
        return pixels

    monkeypatch.setattr(Plate, "read", slow)

    with pytest.raises(PlateError) as error:
        shot.read_plate(1004)
    assert error.value.code == "plate_changed"


def test_when_the_plate_changed_since_the_job_was_asked_for_then_a_restart_refuses_it(tmp_path):
    job = replace(job_at(tmp_path), shot=job_at(tmp_path).shot.pin())
    folder = claim(job)
    kept = json.loads(json.dumps(job.shot.pinned.files))
    render_again(tmp_path, 1001)

    again = replace(job_at_now(tmp_path, job), shot=replace(job.shot, pinned=Stamp.from_plain(kept)))

    assert claim(again) == folder
    with pytest.raises(PlateError) as error:
        list(Run(again).steps())
    assert (error.value.code, error.value.frame) == ("plate_changed", 1001)
    assert claim(job_at_now(tmp_path, job)).name == "v002"


def job_at_now(folder, job) -> Job:
    """The job asked for anew, with the plate as it is on disk."""
    found = Plate(find_sequence(folder / "plate"))
    return replace(job, shot=replace(job.shot, plate=found, pinned=None))


def test_when_frames_were_added_since_then_the_stamp_gives_the_plate_of_then(tmp_path):
    pattern = write_plate(tmp_path / "plate", range(1001, 1005))
    then = find_sequence(pattern)
    stamp = Stamp.of(then)
    write_plate(tmp_path / "plate", range(1005, 1008))

    assert stamp.narrowed(find_sequence(pattern)) == then

    (tmp_path / "plate" / "plate.1003.png").unlink()
    with pytest.raises(PlateError, match=r"lost plate\.1003\.png"):
        stamp.narrowed(find_sequence(pattern))


def test_when_nothing_changed_then_the_digest_is_the_same_and_no_frame_is_refused(tmp_path):
    sequence = find_sequence(write_plate(tmp_path / "plate", range(1001, 1004)))

    stamp = Stamp.of(sequence)
    for frame in sequence.frames:
        stamp.check(frame, sequence.path(frame))

    assert stamp == Stamp.of(sequence)
    assert stamp.digest == Stamp.from_plain(json.loads(json.dumps(stamp.files))).digest


def test_when_a_file_went_away_then_stamping_says_which(tmp_path):
    sequence = find_sequence(write_plate(tmp_path / "plate", range(1001, 1004)))
    sequence.path(1002).unlink()

    with pytest.raises(PlateError, match=r"plate\.1002\.png") as error:
        Stamp.of(sequence)
    assert error.value.code == "plate_changed"


def test_when_files_differ_by_less_than_a_microsecond_then_the_digest_is_the_same_and_else_it_is_another():
    def digest(*file):
        return Stamp((file,)).digest

    base = digest("p.1001.exr", 100, 5_000_000_000)

    assert digest("p.1001.exr", 100, 5_000_000_999) == base
    for other in (
        ("p.1002.exr", 100, 5_000_000_000),
        ("p.1001.exr", 101, 5_000_000_000),
        ("p.1001.exr", 100, 5_000_001_000),
    ):
        assert digest(*other) != base
