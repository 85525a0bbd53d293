"""A batch held against the disk: what is missing there, at the line that asks for it, and nothing written."""

import os
from pathlib import Path

import numpy as np
import pytest

from fakes.drawn_shot import save, write_masks, write_plate
from matted.batch.jobfile import check, read
from matted.batch.jobfile.paths import with_version

FRAMES = range(1001, 1005)


def batch_at(folder, shot="", *, defaults="", plate=True, masks=(1001, 1004)):
    """A batch of one shot, whose own lines begin at 8."""
    if plate:
        write_plate(folder / "plate", FRAMES)
    if masks:
        write_masks(folder / "masks", masks)
    file = folder / "jobs.toml"
    file.write_text(
        '[defaults]\nplate = "plate/plate.####.png"\nkeyframes = "masks"\nout = "mattes/{shot}"\n'
        f'{defaults}\n[[shots]]\nname = "a"\n{shot}\n'
    )
    return read(file)


def everything(folder):
    return sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))


def test_when_all_is_there_then_there_is_no_problem_and_nothing_is_written(tmp_path):
    batch = batch_at(tmp_path)
    before = everything(tmp_path)

    assert check(batch) == ()
    assert everything(tmp_path) == before


def small_mask(folder):
    (folder / "masks").mkdir()
    save(folder / "masks/mask.1001.exr", np.zeros((10, 10, 1), np.float16), channels=("A",))


def a_file(folder):
    (folder / "mattes").write_text("no folder")


def damaged(folder):
    (folder / "plate").mkdir()
    (folder / "plate/plate.1001.png").write_bytes(b"half")


WRONG = {
    "plate_of_another_name": ({"shot": 'plate = "plate/plat.#.png"'}, None, 8, "No file matches", True),
    "no_version_yet": ({"shot": 'plate = "plate/{version}/x.#.png"'}, None, 8, "plate/{version}", True),
    "plate_half_copied": ({"plate": False, "masks": (1001,)}, damaged, 2, "plate.1001.png", True),
    "frames_to_come": ({"shot": 'range = "1001-1010"', "masks": (1001, 1010)}, None, 8, "leaves the plate", True),
    "no_layer": ({"shot": 'layer = "beauty"'}, None, 2, "beauty", True),
    "no_masks": ({"masks": ()}, None, 3, "There is no file or folder", True),
    "mask_size": ({"masks": ()}, small_mask, 3, "mask.1001.exr", False),
    "mask_beside_the_plate": ({"masks": (1001, 1010)}, None, 3, "frame 1010, which the plate", False),
    "no_mask_for_a_keyframe": ({"shot": "at = [1002]"}, None, 3, "no mask for frame 1002", False),
    "colour_space": ({"shot": 'colorspace = "Mystery"'}, None, 8, "Mystery", False),
    "colour_config": ({"defaults": 'ocio = "none.ocio"', "shot": 'colorspace = "ACEScg"'}, None, 5, "none.ocio", False),
    "weights": ({"shot": 'weights = "none.pth"'}, None, 8, "none.pth", False),
    "out_is_a_file": ({}, a_file, 4, "is not a folder", False),
}  # fmt: skip


@pytest.mark.parametrize(("told", "prepare", "line", "words", "waits"), WRONG.values(), ids=WRONG)
def test_when_something_is_not_on_disk_then_the_line_that_asks_for_it_is_told(
    tmp_path, told, prepare, line, words, waits
):
    if prepare:
        prepare(tmp_path)

    (problem,) = check(batch_at(tmp_path, **told))

    assert (problem.line, problem.shot, problem.waits) == (line, "a", waits)
    assert words in problem.message and problem.hint


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_when_a_folder_takes_no_new_ones_then_the_output_is_refused(tmp_path):
    batch = batch_at(tmp_path)
    tmp_path.chmod(0o500)
    (problem,) = check(batch)
    tmp_path.chmod(0o700)

    assert "may not write" in problem.message


def test_when_much_is_missing_then_all_of_it_is_told(tmp_path):
    batch = batch_at(tmp_path, 'objects = {x = "x", y = "y"}\nweights = "w.pth"', plate=False, masks=())

    found = check(batch)

    assert [(problem.line, problem.waits) for problem in found] == [(2, True), (8, True), (8, True), (9, False)]
    assert [name in problem.message for problem, name in zip(found, ("plate", "x", "y", "w.pth"), strict=True)]


def test_when_two_shots_miss_one_file_then_both_are_told_of(tmp_path):
    file = tmp_path / "jobs.toml"
    file.write_text(
        '[defaults]\nplate = "none.exr"\nkeyframes = "none"\nout = "{shot}"\n[[shots]]\nname = "a"\n[[shots]]\nname = "b"'
    )

    assert [(problem.shot, problem.line) for problem in check(read(file))] == [("a", 2), ("b", 2), ("a", 3), ("b", 3)]


def test_when_plate_and_masks_come_then_their_newest_version_is_found(tmp_path):
    batch = batch_at(tmp_path, 'plate = "plates/{version}/plate.####.png"\nkeyframes = "roto/{version}"')
    assert [problem.waits for problem in check(batch)] == [True, True]

    write_plate(tmp_path / "plates/v002", FRAMES)
    write_masks(tmp_path / "roto/v1001", (1001,))

    again = read(batch.file)
    assert check(again) == ()
    assert Path(again.entries[0].request.plate).parent.name == "v002"
    assert with_version(Path(batch.entries[0].request.plate)) == Path(again.entries[0].request.plate)
    assert with_version(batch.entries[0].request.masks[0].path) == again.entries[0].request.masks[0].path
