"""What is said and shown of a finished job."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
import torch

from fakes.colour_network import MEMORY, ColourNetwork
from fakes.drawn_shot import FIRST, LAST, write_masks, write_plate
from matted.batch.job import Job, run
from matted.batch.keyframes import MaskSource, find_keyframes
from matted.batch.report import choose_frames, make_sheet, score_sequence
from matted.batch.shot import Shot
from matted.engine.suggest import Suggestion
from matted.errors import OutputError, PlateError
from matted.media import ink
from matted.media.matte import MatteSettings
from matted.media.plate import Plate
from matted.media.sequence import find_sequence
from matted.weights import Loaded
from matted_protocol.frames import FrameRange

WEIGHTS = Loaded(ColourNetwork(), MEMORY, "colour", Path("colour"), "0" * 64, "MIT", torch.device("cpu"), False)
KEYFRAMES = (1001, 1010)
LAYOUTS = [
    MatteSettings(layout="layers"),
    MatteSettings(layout="rgba"),
    MatteSettings(layout="cryptomatte"),
    MatteSettings(format="png16"),
    MatteSettings(format="png16", layout="rgba"),
]


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A shot with a red and a blue disc, not run yet."""
    folder = tmp_path_factory.mktemp("shot")
    plate = Plate(find_sequence(write_plate(folder / "plate")))
    sources = [
        MaskSource(write_masks(folder / "red", KEYFRAMES, 0), "red"),
        MaskSource(write_masks(folder / "blue", KEYFRAMES, 1), "blue"),
    ]
    masks = find_keyframes(sources, size=plate.info.size, plate=plate.sequence)
    return Job(Shot(plate, masks), folder / "out", WEIGHTS)


@pytest.fixture(scope="module")
def result(job):
    return run(job)


def sheet_of(job, result, path, **given):
    make_sheet(job, result, path, **given)
    file = oiio.ImageInput.open(str(path))
    picture = file.read_image("uint8")
    file.close()
    return picture


def has(picture, color):
    return bool((picture == np.array(color, np.uint8)).all(axis=-1).any())


def test_when_a_job_is_done_then_its_sheet_shows_plate_mattes_and_keyframes(job, result, tmp_path):
    picture = sheet_of(job, result, tmp_path / "sheet.png")

    assert picture.shape[1:] == (1600, 3)
    assert has(picture, ink.KEYFRAME)
    assert all(has(picture, ink.object_color(row)) for row in range(2))
    plate = np.rint(job.shot.plate.read(FIRST)[0, 0] * 255)
    assert has(picture, plate)


def test_when_frames_are_suggested_then_they_are_shown_and_those_without_mattes_are_not(job, result, tmp_path):
    suggested = replace(result, suggestions=(Suggestion(1005, 1.0, "", 1001), Suggestion(9999, 0.5, "", 1010)))

    with_marks = sheet_of(job, suggested, tmp_path / "suggested.png")

    plain = sheet_of(job, replace(result, suggestions=()), tmp_path / "plain.png")
    assert with_marks.shape == plain.shape
    assert not np.array_equal(with_marks, plain)


@pytest.mark.parametrize("settings", LAYOUTS, ids=lambda settings: f"{settings.format}-{settings.layout}")
def test_when_mattes_are_written_in_another_layout_then_the_sheet_is_the_same(job, result, settings, tmp_path):
    other = replace(job, out=tmp_path / "out", mattes=settings)

    theirs = sheet_of(other, run(other), tmp_path / "sheet.png").astype(int)

    ours = sheet_of(job, result, tmp_path / "files.png").astype(int)
    assert ours.shape == theirs.shape
    # Quantisation may move a contour's edge by a shade; a matte in the wrong row would change thousands of pixels.
    assert (np.abs(ours - theirs).max(axis=2) > 8).mean() < 1e-3


def test_when_scores_are_known_then_they_are_written_on_the_sheet(job, result, tmp_path):
    score = score_sequence(result.folder / "red", result.folder / "red", leave_out=KEYFRAMES)

    scored = sheet_of(job, result, tmp_path / "scored.png", scores={"red": score})

    changed = np.argwhere((scored != sheet_of(job, result, tmp_path / "plain.png")).any(axis=2))
    assert len(changed) > 50
    assert changed[:, 0].max() < 140


def test_when_the_shot_is_one_frame_then_its_sheet_is_drawn(job, tmp_path):
    short = replace(job, shot=replace(job.shot, frames=FrameRange(1001, 1001)), out=tmp_path / "out")

    assert sheet_of(short, run(short), tmp_path / "sheet.png").shape[1] == 1600


def test_when_the_sheet_cannot_be_written_then_the_error_names_it(job, result, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError) as error:
        make_sheet(job, result, tmp_path / "taken" / "sheet.png")
    assert str(tmp_path / "taken" / "sheet.png") in error.value.message


def test_when_mattes_are_compared_with_themselves_then_only_frames_without_a_mask_count(result):
    score = score_sequence(result.folder / "red", result.folder / "red", leave_out=KEYFRAMES)
    assert score.frames == LAST - FIRST + 1 - len(KEYFRAMES)
    assert score.j == score.f == 1


def test_when_two_sequences_share_no_frame_then_both_are_named(result, tmp_path):
    elsewhere = write_masks(tmp_path / "elsewhere", [1], 0)
    (elsewhere / "mask.1.exr").rename(elsewhere / "mask.0001.exr")
    with pytest.raises(PlateError) as error:
        score_sequence(result.folder / "red", elsewhere)
    assert error.value.code == "frame_missing"
    assert "elsewhere" in error.value.message
    assert "red" in error.value.message


FRAMES = list(range(1001, 1049))


@pytest.mark.parametrize(
    ("keyframes", "suggestions", "wanted"),
    [
        ([], [], {1001, 1048}),
        ([1024], [], {1001, 1024, 1048}),
        ([1001, 1024, 1048], [1040, 1010, 1030], {1001, 1010, 1024, 1030, 1040, 1048}),
        (FRAMES[::4], [1010, 1030], {1001, 1045, 1010, 1030}),
        ([1001], [1048, 1020, 1030, 1040, 1010, 1005], {1001, 1048, 1020, 1030, 1040, 1010}),
    ],
)
def test_when_frames_are_chosen_then_keyframes_and_the_best_suggestions_are_among_them(keyframes, suggestions, wanted):
    chosen = choose_frames(FRAMES, keyframes, suggestions, count=6)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 6
    assert wanted <= set(chosen)


def test_when_there_are_fewer_frames_than_room_then_all_are_chosen():
    assert choose_frames([7, 9, 11], [9], [11], count=6) == [7, 9, 11]
