"""A job from files to files: versions, resuming, the record it keeps."""

import copy
import hashlib
import json
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
import torch

from fakes.colour_network import MEMORY, ColourNetwork
from fakes.drawn_shot import FIRST, LAST, known, save, write_masks, write_plate
from matted.batch.job import Job, run
from matted.batch.keyframes import MaskSource, find_keyframes
from matted.batch.shot import Shot
from matted.batch.suggesting import suggest
from matted.engine.plan import Direction
from matted.engine.session import SessionSettings
from matted.errors import Cancelled, ColorError, KeyframeError, MaskError, PlateError
from matted.media.color import ColorSettings
from matted.media.matte import MatteSettings, read_matte
from matted.media.plate import Plate
from matted.media.sequence import find_sequence
from matted.weights import Loaded
from matted_protocol.frames import FrameRange

WEIGHTS = Loaded(ColourNetwork(), MEMORY, "colour", Path("colour"), "0" * 64, "MIT", torch.device("cpu"), False)


def shot_at(folder, *, keyframes=(1001, 1010), frames=None, missing="error"):
    found = Plate(find_sequence(write_plate(folder / "plate")))
    sources = [
        MaskSource(write_masks(folder / "red", keyframes, 0), "red"),
        MaskSource(write_masks(folder / "blue", keyframes, 1), "blue"),
    ]
    masks = find_keyframes(sources, size=found.info.size, plate=found.sequence, only=keyframes)
    return Shot(found, masks, frames, missing)


def job_at(folder, **changes):
    return replace(Job(shot_at(folder), folder / "out", WEIGHTS, SessionSettings(checkpoint_every=4)), **changes)


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.exr"))
    }


def test_when_run_then_every_object_has_a_matte_for_every_frame_close_to_the_known_one(tmp_path):
    result = run(job_at(tmp_path))

    assert result.folder == tmp_path / "out" / "v001"
    assert result.computed == LAST - FIRST + 1
    for frame in range(FIRST, LAST + 1):
        for row, name in enumerate(result.objects):
            matte = read_matte(result.folder / name / f"{name}.{frame}.exr")
            theirs = known(frame)[("red", "blue").index(name)].numpy()
            assert np.abs(matte - theirs).mean() < 0.03, (frame, row)


def test_when_run_then_a_keyframe_comes_back_untouched(tmp_path):
    result = run(job_at(tmp_path))

    for name in ("red", "blue"):
        for frame in (1001, 1010):
            given = read_matte(tmp_path / name / f"mask.{frame}.exr")
            assert np.array_equal(read_matte(result.folder / name / f"{name}.{frame}.exr"), given)


def test_when_the_same_job_runs_again_then_nothing_is_computed_or_touched(tmp_path):
    first = run(job_at(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}

    again = run(job_at(tmp_path))

    assert (again.folder, again.computed) == (first.folder, 0)
    assert (again.confidence, again.suggestions) == (first.confidence, first.suggestions)
    assert before == {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}


def shifted_at(folder, offset):
    """The same shot, and the same masks, as a host counts that shifts the plate."""
    plate = Plate(find_sequence(write_plate(folder / "plate")).shifted(offset))
    (folder / f"red{offset}").mkdir()
    for frame in (1001, 1010):
        save(
            (folder / f"red{offset}" / f"mask.{frame - offset}.exr"),
            known(frame)[0, :, :, None].numpy().astype(np.float16),
            channels=("A",),
        )
    source = MaskSource(folder / f"red{offset}", "red")
    return Shot(plate, find_keyframes([source], size=plate.info.size, plate=plate.sequence))


def test_when_a_host_shifts_the_plate_then_mattes_have_its_numbers_and_the_same_pixels(tmp_path):
    plain, shifted = (replace(job_at(tmp_path), shot=shifted_at(tmp_path, offset)) for offset in (0, 1000))

    first, second = run(plain), run(shifted)

    assert (first.folder.name, second.folder.name) == ("v001", "v002")
    assert list(second.confidence) == [frame - 1000 for frame in first.confidence]
    for frame in first.confidence:
        ours = read_matte(second.folder / "red" / f"red.{frame - 1000:04}.exr")
        assert np.array_equal(ours, read_matte(first.folder / "red" / f"red.{frame}.exr"))
    assert shifted.recipe()["plate"]["offset"] == 1000
    assert "offset" not in plain.recipe()["plate"]


def test_when_another_part_or_layer_is_asked_for_then_it_is_another_job(tmp_path):
    shot = shot_at(tmp_path)
    chosen = [{}, {"part": "left"}, {"part": "right"}, {"layer": "left"}]

    jobs = [replace(job_at(tmp_path), shot=replace(shot, plate=another(shot.plate, **each))) for each in chosen]

    assert len({job.identity() for job in jobs}) == 4


def test_when_the_ocio_configuration_is_a_file_then_its_content_counts_and_not_its_place(tmp_path):
    shot = shot_at(tmp_path)
    for name, text in (("show", "one"), ("mounted", "one"), ("other", "two")):
        (tmp_path / f"{name}.ocio").write_text(text)

    show, mounted, other = (
        replace(job_at(tmp_path), shot=replace(shot, plate=another(shot.plate, color=ColorSettings(config=str(file)))))
        for file in (tmp_path / f"{name}.ocio" for name in ("show", "mounted", "other"))
    )

    assert show.identity() == mounted.identity() != other.identity()
    (tmp_path / "show.ocio").write_text("two")
    assert show.identity() == other.identity()
    (tmp_path / "show.ocio").unlink()
    with pytest.raises(ColorError) as error:
        show.identity()
    assert (error.value.code, error.value.path) == ("color_config", str(tmp_path / "show.ocio"))


def another(plate, **changes):
    """The plate with other settings; nothing of it is read."""
    found = copy.copy(plate)
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def test_when_the_plate_is_shifted_by_another_offset_then_it_is_another_job(tmp_path):
    shot = shot_at(tmp_path, keyframes=(1003,), frames=FrameRange(1003, 1008))
    jobs = [
        replace(job_at(tmp_path), shot=replace(shot, plate=Plate(shot.plate.sequence.shifted(offset))))
        for offset in (0, 2, -2)
    ]

    assert len({job.identity() for job in jobs}) == 3
    assert len({shot.stamp() for shot in (job.shot for job in jobs)}) == 1


def test_when_a_range_leaves_a_shifted_plate_then_its_own_numbers_and_the_offset_are_named(tmp_path):
    shot = replace(shifted_at(tmp_path, 1000), frames=FrameRange(1, 17))

    with pytest.raises(PlateError, match=r"1-17 leaves the plate .* \(frame offset 1000\), from 1 to 16\.") as error:
        shot.wanted()

    assert (error.value.code, error.value.frame) == ("frame_outside", 17)


def test_when_a_keyframe_changes_then_the_next_version_is_made_and_the_old_one_stays(tmp_path):
    first = run(job_at(tmp_path))
    before = digests(first.folder)
    save(tmp_path / "red" / "mask.1010.exr", np.zeros((64, 96, 1), np.float16), channels=("A",))

    changed = Job(shot_at_again(tmp_path), tmp_path / "out", WEIGHTS, SessionSettings(checkpoint_every=4))
    second = run(changed)

    assert second.folder == tmp_path / "out" / "v002"
    assert digests(first.folder) == before
    assert read_matte(second.folder / "red" / "red.1010.exr").max() == 0


def shot_at_again(folder):
    found = Plate(find_sequence(folder / "plate"))
    sources = [MaskSource(folder / "red", "red"), MaskSource(folder / "blue", "blue")]
    return Shot(found, find_keyframes(sources, size=found.info.size, plate=found.sequence))


@pytest.mark.parametrize("stop_at", [1, 7, 13, 20])
def test_when_stopped_and_run_again_then_the_files_are_those_of_one_run(tmp_path, stop_at):
    whole = run(job_at(tmp_path, out=tmp_path / "whole"))
    job = job_at(tmp_path)
    seen = []

    with pytest.raises(Cancelled, match="Stopped") as stopped:
        run(job, on_step=seen.append, stopped=lambda: len(seen) >= stop_at)
    result = run(job)

    assert "same command" in stopped.value.hint
    assert result.folder.name == "v001"
    assert digests(result.folder) == digests(whole.folder)
    assert result.confidence == whole.confidence
    assert not (result.folder / ".matted").exists()


def test_when_a_matte_is_deleted_then_only_it_is_made_again_and_equal(tmp_path):
    result = run(job_at(tmp_path))
    before = digests(result.folder)
    (result.folder / "red" / "red.1005.exr").unlink()

    again = run(job_at(tmp_path))

    assert again.computed == 1
    assert digests(again.folder) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_when_killed_then_no_half_matte_shows_and_the_next_run_completes_the_same_files(tmp_path):
    whole = run(job_at(tmp_path, out=tmp_path / "whole"))
    script = f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_job import job_at, run
        steps = []
        def step(done):
            steps.append(done)
            if len(steps) == 11:
                os.kill(os.getpid(), signal.SIGKILL)
        run(job_at(Path({str(tmp_path)!r})), on_step=step)
    """
    child = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=100)
    assert child.returncode == -signal.SIGKILL, child.stderr
    for path in (tmp_path / "out" / "v001").rglob("*.exr"):
        assert read_matte(path).shape == (64, 96)

    result = run(job_at(tmp_path))

    assert result.folder.name == "v001"
    assert digests(result.folder) == digests(whole.folder)


def test_when_run_then_the_sidecar_and_the_files_say_what_made_them(tmp_path):
    result = run(job_at(tmp_path))

    sidecar = json.loads((result.folder / "matted.json").read_text())
    assert sidecar["state"] == "done"
    assert sidecar["recipe"]["weights"] == {"name": "colour", "sha256": "0" * 64}
    expected = hashlib.sha256((tmp_path / "red/mask.1001.exr").read_bytes()).hexdigest()
    assert expected in sidecar["recipe"]["keyframes"].values()
    assert set(sidecar["confidence"]) == {str(frame) for frame in range(FIRST, LAST + 1)}
    spec = oiio.ImageBuf(str(result.folder / "red" / "red.1005.exr")).spec()
    assert spec.get_string_attribute("matted/weights").startswith("colour")
    assert spec.get_string_attribute("matted/keyframes")


def test_when_a_range_is_given_then_only_its_frames_are_made_with_all_keyframes(tmp_path):
    shot = shot_at(tmp_path, frames=FrameRange(1003, 1007, 2))

    result = run(Job(shot, tmp_path / "out", WEIGHTS))

    assert sorted(result.confidence) == [1003, 1005, 1007]
    assert len(list((result.folder / "red").iterdir())) == 3


@pytest.mark.parametrize(("frames", "frame"), [(FrameRange(990, 1005), 990), (FrameRange(1005, 1020), 1020)])
def test_when_the_range_leaves_the_plate_then_the_error_names_the_frame_and_the_plate(tmp_path, frames, frame):
    with pytest.raises(PlateError) as error:
        run(Job(shot_at(tmp_path, frames=frames), tmp_path / "out", WEIGHTS))

    assert (error.value.code, error.value.frame) == ("frame_outside", frame)
    assert "1001" in error.value.hint
    assert not (tmp_path / "out").exists()


def test_when_the_plate_has_a_gap_then_it_is_named_or_skipped(tmp_path):
    shot = shot_at(tmp_path)
    (tmp_path / "plate" / "plate.1006.png").unlink()
    shot = replace(shot, plate=Plate(find_sequence(tmp_path / "plate")))

    with pytest.raises(PlateError) as error:
        run(Job(shot, tmp_path / "out", WEIGHTS))
    assert (error.value.code, error.value.frame) == ("frame_missing", 1006)
    assert "--missing skip" in error.value.hint

    result = run(Job(replace(shot, missing="skip"), tmp_path / "out", WEIGHTS))
    assert 1006 not in result.confidence
    assert len(result.confidence) == 15


def test_when_a_mask_is_for_no_plate_frame_then_the_error_names_both(tmp_path):
    shot_at(tmp_path)
    write_masks(tmp_path / "red", [1099])

    with pytest.raises(KeyframeError) as error:
        shot_at_again(tmp_path)

    assert (error.value.code, error.value.frame) == ("keyframe_outside", 1099)
    assert "mask.1099.exr" in error.value.message


def test_when_an_object_is_named_twice_then_it_is_refused(tmp_path):
    found = Plate(find_sequence(write_plate(tmp_path / "plate")))
    masks = write_masks(tmp_path / "red", [1001])

    with pytest.raises(MaskError, match="'hero' is given twice"):
        find_keyframes(
            [MaskSource(masks, "hero"), MaskSource(masks, "hero")], size=found.info.size, plate=found.sequence
        )


def test_when_no_keyframe_is_given_then_the_error_says_how(tmp_path):
    found = Plate(find_sequence(write_plate(tmp_path / "plate")))

    with pytest.raises(KeyframeError) as error:
        find_keyframes([], size=found.info.size, plate=found.sequence)

    assert error.value.code == "no_keyframe"
    assert "--keyframes" in error.value.hint


def test_when_a_mask_is_empty_then_the_object_is_absent_there(tmp_path):
    shot_at(tmp_path)
    save(tmp_path / "blue" / "mask.1010.exr", np.zeros((64, 96, 1), np.float16), channels=("A",))

    result = run(Job(shot_at_again(tmp_path), tmp_path / "out", WEIGHTS))

    assert read_matte(result.folder / "blue" / "blue.1010.exr").max() == 0
    assert read_matte(result.folder / "blue" / "blue.1002.exr").max() > 0.9


def test_when_mattes_exist_then_suggesting_from_them_needs_no_propagation(tmp_path):
    job = job_at(tmp_path)
    result = run(job)
    steps = []

    found = suggest(job.shot, weights=WEIGHTS, session=job.session, mattes=result.folder, count=2, on_step=steps.append)

    assert not steps
    assert found
    assert {suggestion.frame for suggestion in found} <= set(range(FIRST, LAST + 1)) - {1001, 1010}


def test_when_there_are_no_mattes_then_suggesting_propagates_and_writes_nothing(tmp_path):
    job = job_at(tmp_path)

    found = suggest(job.shot, weights=WEIGHTS, session=job.session, mattes=None, count=2)

    assert found
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("layout", "files"), [("layers", 16), ("rgba", 16), ("cryptomatte", 16), ("files", 32)])
def test_when_a_layout_is_chosen_then_its_files_hold_every_object(tmp_path, layout, files):
    result = run(job_at(tmp_path, mattes=MatteSettings(layout=layout)))

    assert len(list(result.folder.rglob("*.exr"))) == files


def test_when_walked_forward_only_then_the_job_is_another_one(tmp_path):
    one = run(job_at(tmp_path))

    other = run(job_at(tmp_path, session=SessionSettings(direction=Direction.FORWARD)))

    assert one.folder != other.folder


def test_when_keyframes_are_a_cryptomatte_then_only_the_picked_names_become_objects(tmp_path):
    made = run(job_at(tmp_path, mattes=MatteSettings(layout="cryptomatte")))
    found = Plate(find_sequence(tmp_path / "plate"))

    def objects(pick):
        source = MaskSource(made.folder, pick=pick)
        return find_keyframes([source], size=found.info.size, plate=found.sequence, only=[1004]).objects

    assert objects(None) == ("blue", "red")
    assert objects(("red",)) == ("red",)
    with pytest.raises(MaskError, match="green"):
        objects(("green",))
