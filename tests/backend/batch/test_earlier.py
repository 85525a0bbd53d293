"""A shot made again after something changed: what is still right is copied, what is stale is made anew."""

import errno
import json
import shutil
from dataclasses import replace

import pytest

import matted
from fakes.drawn_job import contents, job_at, shot_at
from fakes.drawn_shot import plate, save, write_masks
from matted.batch.job import Run, run
from matted.batch.keyframes import MaskSource, find_keyframes
from matted.errors import OutputError
from matted.media.color import ColorSettings
from matted.media.matte import MatteSettings
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


def another_network(found):
    return replace(found, weights=replace(found.weights, sha256="1" * 64))


def another_size(found):
    return replace(found, session=replace(found.session, working_size=48))


def another_compression(found):
    return replace(found, mattes=MatteSettings(compression="dwaa"))


def another_exposure(found):
    lighter = Plate(found.shot.plate.sequence, color=ColorSettings(exposure=1.0))
    return replace(found, shot=replace(found.shot, plate=lighter))


@pytest.mark.parametrize(
    "change",
    [another_network, another_size, another_compression, another_exposure],
    ids=["weights", "session", "mattes", "colour"],
)
def test_when_what_made_the_old_version_was_another_then_nothing_of_it_is_taken(tmp_path, change):
    run(job(tmp_path))

    assert taken_over(change(job(tmp_path))) == []


def test_when_another_matted_made_the_old_version_then_nothing_of_it_is_taken(tmp_path, monkeypatch):
    run(job(tmp_path))
    monkeypatch.setattr(matted, "__version__", "99.0")

    assert taken_over(job(tmp_path)) == []


@pytest.mark.parametrize(("frame", "kept"), [(1001, []), (1002, list(range(1003, 1017)))])
def test_when_the_exposure_comes_of_a_frame_then_its_change_makes_everything_stale(tmp_path, frame, kept):
    shot = shot_at(tmp_path, KEYFRAMES)
    automatic = replace(shot, plate=Plate(shot.plate.sequence, color=ColorSettings(exposure="auto")))
    run(job_at(tmp_path, shot=automatic))
    change_plate(tmp_path, frame)

    assert taken_over(job_at(tmp_path, shot=automatic)) == kept


def taken_over(found):
    """The frames a job has before it makes one."""
    told = []
    with Run(found, on_written=lambda frame, confidence, files: told.append(frame)) as making:
        making.start()
        assert making.folder.name != "v001"
    return told


def test_when_a_copy_is_cut_short_then_no_half_matte_has_a_matte_s_name(tmp_path, monkeypatch):
    run(job(tmp_path))
    change_plate(tmp_path, 1008)

    def full(source, target):
        target.write_bytes(source.read_bytes()[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", full)
        with pytest.raises(OutputError) as error:
            run(job(tmp_path))
    assert error.value.code == "disk_full"
    assert contents(tmp_path / "out" / "v002") == {}

    same(run(job(tmp_path)), afresh(tmp_path, job(tmp_path)))


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


@pytest.mark.parametrize("left", [0, 300], ids=["emptied", "cut-short"])
def test_when_an_old_matte_was_damaged_then_it_is_made(tmp_path, left):
    damaged = run(job(tmp_path)).folder / "red" / "red.1004.exr"
    damaged.write_bytes(damaged.read_bytes()[:left])
    change_plate(tmp_path, 1008)

    again = run(job(tmp_path))

    assert again.computed == 4 + 1
    same(again, afresh(tmp_path, job(tmp_path)))


@pytest.mark.parametrize("lost", ["red", "blue"])
def test_when_the_old_matte_of_one_object_is_gone_then_the_frame_is_made(tmp_path, lost):
    write_masks(tmp_path / "blue", [1003, 1010], row=1)
    first = run(of_two_objects(tmp_path))
    (first.folder / lost / f"{lost}.1004.exr").unlink()
    change_plate(tmp_path, 1008)

    assert taken_over(of_two_objects(tmp_path)) == [1001, 1002, 1003, 1005, *range(1010, 1017)]


def of_two_objects(folder):
    found = job(folder)
    sources = [MaskSource(folder / name, name) for name in ("red", "blue")]
    plate = found.shot.plate
    both = find_keyframes(sources, size=plate.info.size, plate=plate.sequence)
    return replace(found, shot=replace(found.shot, keyframes=both))


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
