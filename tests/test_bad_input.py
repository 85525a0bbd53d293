"""Bad input and bad luck, from the command line: every error names the file and the frame and says what to do."""

import errno
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fakes.drawn_shot import FIRST, save, write_masks, write_plate
from matted.cli import main
from matted.media.matte import read_matte


@pytest.fixture
def shot(tmp_path):
    """A healthy shot to spoil: ``plate/``, ``masks/`` with keyframe 1001."""
    write_plate(tmp_path / "plate", range(FIRST, FIRST + 4))
    write_masks(tmp_path / "masks", [FIRST])
    return tmp_path


def propagate(folder, *options, plate="plate", keyframes="masks"):
    arguments = ["propagate", str(folder / plate), "--out", str(folder / "out"), "--device", "cpu", "--json"]
    arguments += ["--keyframes", str(folder / keyframes)] if keyframes else []
    return CliRunner().invoke(main, [*arguments, *options])


def frame_file(folder, frame=1003):
    return folder / "plate" / f"plate.{frame}.png"


def truncate(folder):
    whole = frame_file(folder).read_bytes()
    frame_file(folder).write_bytes(whole[: len(whole) // 2])


def empty(folder):
    frame_file(folder).write_bytes(b"")


def remove(folder):
    frame_file(folder).unlink()


def resize(folder):
    save(frame_file(folder), np.zeros((32, 48, 3), np.uint8))


def small_mask(folder):
    save(folder / "masks" / "mask.1001.exr", np.ones((32, 48, 1), np.float16), channels=("A",))


def square_mask(folder):
    save(folder / "masks" / "mask.1001.exr", np.ones((64, 64, 1), np.float16), channels=("A",))


def late_mask(folder):
    write_masks(folder / "masks", [1040])


def no_masks(folder):
    (folder / "masks" / "mask.1001.exr").unlink()


def broken_mask(folder):
    (folder / "masks" / "mask.1001.exr").write_bytes(b"not an image")


def blocked(folder):
    (folder / "out").write_text("a file where the folder should be")


def nothing(folder):
    pass


CASES = [
    # what happens, options, code, frame, words of message and file, words of hint
    ("a frame is cut short", truncate, (), "plate_unreadable", 1003, "plate.1003.png", ""),
    ("a frame is empty", empty, (), "plate_unreadable", 1003, "plate.1003.png", ""),
    ("a frame is missing", remove, (), "frame_missing", 1003, "1003", "--missing skip"),
    ("a frame has another size", resize, (), "plate_size", 1003, "48x32", ""),
    ("a mask is half the size", small_mask, (), "mask_size", 1001, "mask.1001.exr", "96x64"),
    ("a mask has another aspect", square_mask, (), "mask_size", 1001, "mask.1001.exr", "96x64"),
    ("a mask is for no plate frame", late_mask, (), "keyframe_outside", 1040, "mask.1040.exr", "number"),
    ("the mask folder is empty", no_masks, (), "mask_missing", None, "masks", ""),
    ("a mask is no image", broken_mask, (), "mask_unreadable", 1001, "mask.1001.exr", ""),
    ("the output cannot be written", blocked, (), "output_unwritable", None, "out", ""),
    ("the range leaves the plate", nothing, ("--range", "1001-1099"), "frame_outside", 1099, "1099", "1001-1004"),
    ("the range is before the plate", nothing, ("--range", "1-10"), "frame_outside", 1, "1-10", "1001-1004"),
    ("a keyframe is asked for that has no mask", nothing, ("--at", "1002"), "no_keyframe", 1002, "1002", "name"),
    ("the colour space is not known", nothing, ("--colorspace", "ACEScgg"), "color_space", None, "ACEScgg", "ACEScg"),
    ("the device is not here", nothing, ("--device", "cuda:77"), "device_missing", None, "cuda:77", "cpu"),
    (
        "the weights are not here",
        nothing,
        ("--weights", "nowhere.pth"),
        "weights_missing",
        None,
        "nowhere.pth",
        "--weights",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "options", "code", "frame", "said", "advice"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_when_input_is_bad_then_the_error_says_which_file_and_frame_and_what_to_do(
    shot, spoil, options, code, frame, said, advice
):
    spoil(shot)

    result = propagate(shot, *options)

    assert result.exit_code == 1, result.output
    error = json.loads(result.stdout)["error"]
    assert (error["code"], error["frame"]) == (code, frame)
    assert said in f"{error['message']} {error['path']}"
    assert error["hint"]
    assert advice.lower() in error["hint"].lower()


@pytest.mark.parametrize("name", ["gone", "gone/plate.####.exr"])
def test_when_the_plate_is_not_there_then_the_error_names_it(shot, name):
    result = propagate(shot, plate=name)

    error = json.loads(result.stdout)["error"]
    assert (result.exit_code, error["code"]) == (1, "plate_missing")
    assert "gone" in error["message"]
    assert error["hint"]


def test_when_no_keyframe_is_given_then_the_error_says_how(shot):
    result = propagate(shot, keyframes=None)

    error = json.loads(result.stdout)["error"]
    assert (result.exit_code, error["code"]) == (1, "no_keyframe")
    assert "--keyframes" in error["hint"]


def test_when_a_late_frame_is_damaged_then_the_mattes_before_it_stay_and_mending_it_completes_them(shot):
    whole = frame_file(shot).read_bytes()
    truncate(shot)
    assert propagate(shot).exit_code == 1
    before = sorted((shot / "out").rglob("*.exr"))
    assert [path.name for path in before] == ["matte.1001.exr", "matte.1002.exr"]

    frame_file(shot).write_bytes(whole)
    result = propagate(shot)

    assert result.exit_code == 0, result.output
    assert all(path.exists() for path in before)


def test_when_the_disk_is_full_then_it_says_so_keeps_what_is_done_and_goes_on_later(shot, monkeypatch):
    import matted.media.matte as media

    real, calls = media._write, []

    def full(*arguments):
        calls.append(arguments)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(media, "_write", full)
    result = propagate(shot)
    error = json.loads(result.stdout)["error"]
    assert (result.exit_code, error["code"]) == (1, "disk_full")
    assert error["path"]
    assert "space" in error["hint"]
    assert len(list((shot / "out").rglob("matte.*.exr"))) == 2
    monkeypatch.setattr(media, "_write", real)

    again = propagate(shot)

    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["computed"] < 4
    assert len(list((shot / "out/v001").rglob("matte.*.exr"))) == 4


class Bomb:
    def __reduce__(self):
        return (Path("bombed").touch, ())


@pytest.mark.parametrize("content", [b"", b"no checkpoint", pickle.dumps(Bomb()), pickle.dumps({"a": 1})])
def test_when_the_checkpoint_is_not_one_then_it_is_refused_and_runs_nothing(shot, monkeypatch, content):
    monkeypatch.chdir(shot)
    (shot / "XMem.pth").write_bytes(content)

    result = propagate(shot, "--weights", str(shot / "XMem.pth"))

    error = json.loads(result.stdout)["error"]
    assert (result.exit_code, error["code"]) == (1, "weights_refused")
    assert "XMem.pth" in error["message"]
    assert not (shot / "bombed").exists()


def test_when_a_mask_is_empty_then_the_object_is_absent_and_the_job_runs(shot):
    save(shot / "masks" / "mask.1001.exr", np.zeros((64, 96, 1), np.float16), channels=("A",))

    result = propagate(shot)

    assert result.exit_code == 0, result.output
    assert all(read_matte(path).max() < 0.5 for path in (shot / "out").rglob("*.exr"))


def test_when_the_plate_has_nan_and_inf_then_the_mattes_are_finite(shot):
    pixels = np.full((64, 96, 3), 0.2, np.float16)
    pixels[:20], pixels[20:40], pixels[40:50] = np.nan, np.inf, -np.inf
    for frame in range(1001, 1004):
        save(shot / "hdr" / f"hdr.{frame}.exr", pixels) if (shot / "hdr").mkdir(exist_ok=True) is None else None

    result = propagate(shot, plate="hdr")

    assert result.exit_code == 0, result.output
    assert all(np.isfinite(read_matte(path)).all() for path in (shot / "out").rglob("*.exr"))


@pytest.mark.parametrize("size", [(1, 1), (8192, 8), (7, 300)])
def test_when_the_plate_is_tiny_or_very_wide_then_it_has_mattes(shot, size):
    width, height = size
    for name in ("odd", "odd-masks"):
        (shot / name).mkdir()
    for frame in (1, 2):
        save(shot / "odd" / f"odd.{frame}.png", np.full((height, width, 3), 90, np.uint8))
    save(shot / "odd-masks" / "odd.1.exr", np.ones((height, width, 1), np.float16), channels=("A",))

    result = propagate(shot, plate="odd", keyframes="odd-masks")

    assert result.exit_code == 0, result.output
    assert [read_matte(path).shape for path in sorted((shot / "out").rglob("*.exr"))] == [(height, width)] * 2


@pytest.mark.parametrize("name", ["the hero", "主人公", "Straße 7", "a/b"])
def test_when_an_object_has_an_unusual_name_then_its_mattes_carry_it(shot, name):
    result = propagate(shot, "--object", f"{name}={shot / 'masks'}", keyframes=None)

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["objects"] == [name]
    assert len(list((shot / "out" / "v001").rglob("*.exr"))) == 4


def test_when_an_object_is_named_twice_then_it_is_refused(shot):
    result = propagate(shot, "--object", f"hero={shot / 'masks'}", "--object", f"hero={shot / 'masks'}", keyframes=None)

    error = json.loads(result.stdout)["error"]
    assert (result.exit_code, error["code"]) == (1, "object_name")
    assert "'hero'" in error["message"]


@pytest.mark.parametrize(
    "options", [("--range", "ten"), ("--range", "9-1"), ("--object", "hero"), ("--at", "a"), ("--exposure", "x")]
)
def test_when_an_option_is_not_understood_then_the_exit_code_is_2_and_nothing_is_written(shot, options):
    result = propagate(shot, *options)

    assert result.exit_code == 2
    assert options[0] in result.output
    assert not (shot / "out").exists()
