"""A shot made again after something changed: what is still right is copied, what is stale is made anew."""

import json
from dataclasses import replace

import pytest

from fakes.drawn_job import contents, job_at, shot_at
from fakes.drawn_shot import plate, save, write_masks
from matted.batch.job import run
from matted.media.color import ColorSettings
from matted.media.plate import Plate
from matted_protocol.frames import FrameRange

KEYFRAMES = (1003, 1006, 1010, 1014)


def job(folder, **changes):
    shot = shot_at(folder, KEYFRAMES)
    fixed = Plate(shot.plate.sequence, color=ColorSettings(exposure=0.0))
    return job_at(folder, shot=replace(shot, plate=fixed, **changes), suggestions=2)


def change_plate(folder, frame):
    pixels = (plate(frame).flip(0).permute(1, 2, 0) * 255).round().byte().numpy()
    save(folder / "plate" / f"plate.{frame}.png", pixels[:, ::-1])


def afresh(folder, found):
    """The same job where nothing was made before."""
    return run(replace(found, out=folder / "afresh"))


def same(made, other):
    assert contents(made.folder) == contents(other.folder)
    assert made.confidence == other.confidence


@pytest.mark.parametrize(
    ("frame", "stale"),
    [(1002, range(1001, 1003)), (1008, range(1006, 1010)), (1015, range(1014, 1017))],
    ids=["before", "between", "after"],
)
def test_when_a_plate_frame_changed_then_its_segment_alone_is_made_anew(tmp_path, frame, stale):
    first = run(job(tmp_path))
    change_plate(tmp_path, frame)

    again = run(job(tmp_path))

    assert again.folder.name == "v002"
    assert again.computed == len(stale)
    same(again, afresh(tmp_path, job(tmp_path)))
    changed = {path for path, data in contents(again.folder).items() if data != contents(first.folder)[path]}
    assert {int(path.name.split(".")[1]) for path in changed} <= set(stale)


def test_when_the_plate_of_a_keyframe_changed_then_everything_is_made_anew(tmp_path):
    run(job(tmp_path))
    change_plate(tmp_path, 1010)

    assert run(job(tmp_path)).computed == 16


def test_when_a_mask_changed_then_everything_is_made_anew(tmp_path):
    run(job(tmp_path))
    path = write_masks(tmp_path / "red", [1006], row=1) / "mask.1006.exr"

    assert path.exists()
    assert run(job(tmp_path)).computed == 16


def test_when_the_range_grows_then_only_what_it_grew_into_is_made(tmp_path):
    run(job(tmp_path, frames=FrameRange(1004, 1010)))

    again = run(job(tmp_path, frames=FrameRange(1004, 1013)))

    assert again.computed == 4  # the keyframe 1010 is where the new segment begins
    same(again, afresh(tmp_path, job(tmp_path, frames=FrameRange(1004, 1013))))


def test_when_an_old_matte_is_gone_then_it_is_made(tmp_path):
    first = run(job(tmp_path))
    (first.folder / "red" / "red.1004.exr").unlink()
    change_plate(tmp_path, 1008)

    again = run(job(tmp_path))

    assert again.computed == 4 + 1
    same(again, afresh(tmp_path, job(tmp_path)))


def test_when_the_old_version_was_made_with_less_memory_then_nothing_of_it_is_taken(tmp_path):
    first = run(job(tmp_path))
    said = json.loads((first.folder / "matted.json").read_text())
    said["degraded"] = [{"frame": 1005, "gave_up": "half the working size"}]
    (first.folder / "matted.json").write_text(json.dumps(said))
    change_plate(tmp_path, 1008)

    assert run(job(tmp_path)).computed == 16


def test_when_mattes_were_taken_over_then_suggestions_look_at_them_too(tmp_path):
    run(job(tmp_path))
    change_plate(tmp_path, 1008)

    again = run(job(tmp_path))

    fresh = afresh(tmp_path, job(tmp_path))
    assert [found.frame for found in again.suggestions] == [found.frame for found in fresh.suggestions]
