"""Only names matter here: the files are empty."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matted.errors import PlateError
from matted.media import sequence
from matted.media.sequence import find_sequence, listed


@pytest.fixture
def folder(tmp_path):
    """Makes empty files and returns their folder."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


@pytest.mark.parametrize("token", ["%04d", "####", "$F4", "@@@@", "#", "@", "%d", "$F"])
def test_when_named_by_a_token_then_every_frame_is_found_in_order(folder, token):
    shot = folder("plate.1003.exr", "plate.1001.exr", "plate.1002.exr", "plate.1001.png", "other.1001.exr")
    found = find_sequence(shot / f"plate.{token}.exr")
    assert found.frames == (1001, 1002, 1003)
    assert [found.path(frame).name for frame in found.frames] == [f"plate.{frame}.exr" for frame in found.frames]
    assert (found.step, found.missing, found.is_movie) == (1, (), False)
    assert found.pattern == str(shot / f"plate.{token}.exr")


@pytest.mark.parametrize(
    ("names", "pattern", "frames"),
    [
        (["p.-0002.exr", "p.-0001.exr", "p.0000.exr"], "p.####.exr", (-2, -1, 0)),
        (["p.-002.exr", "p.0001.exr"], "p.%04d.exr", (-2, 1)),  # printf counts the minus sign
        (["p.9999.exr", "p.10000.exr"], "p.####.exr", (9999, 10000)),
        (["p.8.exr", "p.1001.exr"], "p.#.exr", (8, 1001)),
        (["p.0008.exr", "p.00009.exr", "p.7.exr"], "p.####.exr", (8,)),
        (["shot-1001.exr", "shot-1002.exr"], "shot-####.exr", (1001, 1002)),
        (["clip20007.exr", "clip21001.exr", "clip30001.exr"], "clip2####.exr", (7, 1001)),
        (["20010007.exr"], "2001####.exr", (7,)),
        (["p.1001.v2.exr", "p.1002.v2.exr"], "p.####.v2.exr", (1001, 1002)),
        (["take#1.1001.exr"], "take#1.####.exr", (1001,)),
        (["p(a)+[1].1001.exr"], "p(a)+[1].####.exr", (1001,)),
        (["Größe 山.1001.exr"], "Größe 山.####.exr", (1001,)),
    ],
)
def test_when_names_are_unusual_then_the_last_token_is_the_frame_number(folder, names, pattern, frames):
    assert find_sequence(folder(*names) / pattern).frames == frames


def test_when_frames_step_or_miss_then_step_and_gaps_are_named(folder):
    shot = folder(*(f"p.{frame}.exr" for frame in (1001, 1003, 1007, 1009)))
    found = find_sequence(shot / "p.####.exr")
    assert (found.step, found.missing) == (2, (1005,))
    with pytest.raises(PlateError, match=r"Frame 1005 of .*p\.####\.exr is missing\.") as raised:
        found.path(1005)
    assert (raised.value.code, raised.value.frame) == ("frame_missing", 1005)
    assert "skip missing frames" in raised.value.hint and "Missing: 1005." in raised.value.hint


@pytest.mark.parametrize("frame", [1000, 1010])
def test_when_a_frame_is_outside_then_the_range_is_named(folder, frame):
    found = find_sequence(folder("p.1001.exr", "p.1009.exr"))
    with pytest.raises(PlateError, match=rf"Frame {frame} is outside .*from 1001 to 1009") as raised:
        found.path(frame)
    assert (raised.value.code, raised.value.frame) == ("frame_outside", frame)
    assert raised.value.hint == "Choose frames between 1001 and 1009."


@given(st.integers(-2000, 2000), st.integers(-2000, 2000))
@settings(max_examples=20)
def test_when_a_host_shifts_a_sequence_then_its_frames_are_the_files_offset_further(offset, again):
    files = {frame: Path(f"p.{frame}.exr") for frame in (1001, 1003, 1007)}
    found = sequence.Sequence("p.####.exr", tuple(files), files)

    shifted = found.shifted(again).shifted(offset)

    assert shifted == found.shifted(offset)
    assert shifted.files == {frame - offset: path for frame, path in files.items()}
    assert (shifted.frames, shifted.step) == (tuple(frame - offset for frame in found.frames), found.step)
    assert shifted.missing == (1005 - offset,)
    assert shifted.shifted(0) == found


def test_when_a_frame_of_a_shifted_sequence_is_absent_then_host_frame_and_file_number_are_named(folder):
    found = find_sequence(folder("p.1001.exr", "p.1003.exr", "p.1004.exr")).shifted(1000)
    with pytest.raises(PlateError, match=r"Frame 2 \(file number 1002\) of .*p\.####\.exr is missing\.") as missing:
        found.path(2)
    with pytest.raises(PlateError, match=r"Frame 1001 \(file number 2001\) is outside .*from 1 to 4") as outside:
        found.path(1001)
    assert (missing.value.frame, outside.value.frame) == (2, 1001)


def test_when_a_folder_holds_one_sequence_then_all_that_is_no_image_is_passed_over(folder):
    names = ["p.1001.exr", "p.1004.exr", ".DS_Store", "._p.1001.exr", "notes.txt", "Thumbs.db"]
    found = find_sequence(folder(*names, "p.1003.exr/inside.txt"))
    assert found.frames == (1001, 1004)


def test_when_a_folder_holds_sparse_masks_then_they_are_a_sequence(folder):
    found = find_sequence(folder("m.1001.png", "m.1020.png", "m.1048.png"))
    assert found.frames == (1001, 1020, 1048)


def test_when_a_folder_holds_several_sequences_then_they_are_named_with_a_pattern_that_works(folder):
    shot = folder("a.1.exr", "a.10.exr", "b.0001.exr", "c.exr")
    with pytest.raises(PlateError, match=r"holds 3 sequences: a\.#\.exr, b\.####\.exr, c\.exr\.") as raised:
        find_sequence(shot)
    assert (
        raised.value.code == "plate_missing"
        and raised.value.hint == f"Name the one you mean, for example {shot}/a.#.exr."
    )
    assert find_sequence(shot / "a.#.exr").frames == (1, 10)


@pytest.mark.parametrize(
    ("name", "frame"),
    [("p.1001.exr", 1001), ("p.-12.exr", -12), ("shot-12.exr", 12), ("-12.exr", -12), ("grey.exr", 1), ("p_v2.exr", 2)],
)
def test_when_one_file_is_given_then_it_is_a_plate_of_one_frame(folder, name, frame):
    found = find_sequence(str(folder(name, "p.0999.exr") / name))
    assert (found.frames, found.missing, found.step) == ((frame,), (), 1)
    assert found.path(frame).name == name


@pytest.mark.parametrize(
    ("given_path", "message", "hint"),
    [
        ("plat.####.exr", "No file matches", "Did you mean {0}/plate.####.exr?"),
        ("plate.####.dpx", "No file matches", "Did you mean {0}/plate.####.exr?"),
        ("zzz.exr", "There is no file or folder", "Check the path; {0} holds deep, plate.####.exr."),
        (
            "nowhere/plate.####.exr",
            "There is no folder {0}/nowhere.",
            "Check the path; {0} holds deep, plate.####.exr.",
        ),
        (
            "no/where/p.exr",
            "There is no file or folder",
            "The folder {0}/no/where does not exist either; check the path.",
        ),
        ("deep", "There are no images in the folder {0}/deep.", "Choose another folder: {0}/deep holds notes.txt."),
    ],
)
def test_when_nothing_is_there_then_what_is_near_is_named(folder, given_path, message, hint):
    shot = folder("plate.1001.exr", "plate.1002.exr", "deep/notes.txt")
    with pytest.raises(PlateError) as raised:
        find_sequence(shot / given_path)
    assert raised.value.code == "plate_missing"
    assert raised.value.message.startswith(message.format(shot)) and raised.value.hint == hint.format(shot)


def test_when_a_folder_is_empty_then_it_says_so(tmp_path):
    with pytest.raises(PlateError) as raised:
        find_sequence(tmp_path)
    assert raised.value.hint == f"Choose another folder: {tmp_path} is empty."


def test_when_two_files_claim_one_frame_then_both_are_named(folder):
    with pytest.raises(PlateError, match=r"Two files are frame 1 of .*: p\.0001\.exr and p\.1\.exr") as raised:
        find_sequence(folder("p.0001.exr", "p.1.exr"))
    assert raised.value.frame == 1 and "Remove one" in raised.value.hint


def test_when_the_numbers_are_dates_then_no_shot_of_billions_of_frames_is_made(folder):
    shot = folder("IMG_20260101120000.jpg", "IMG_20260101120007.jpg", "IMG_20260202090003.jpg")
    with pytest.raises(PlateError, match="which is no shot") as raised:
        find_sequence(shot)
    assert "pattern" in raised.value.hint


def test_when_the_folder_cannot_be_listed_then_the_reason_is_given(folder, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    shot = folder("p.1001.exr")
    monkeypatch.setattr(sequence.Path, "iterdir", refuse)
    for given_path in (shot, shot / "p.####.exr", shot / "q.exr"):
        with pytest.raises(PlateError, match="cannot be looked for: Permission denied") as raised:
            find_sequence(given_path)
        assert "you may read it" in raised.value.hint


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(-2000, 20000), min_size=1, max_size=12))
def test_when_files_are_written_as_hosts_number_them_then_the_same_frames_are_found(tmp_path_factory, frames):
    shot = tmp_path_factory.mktemp("shot")
    for frame in frames:
        (shot / f"p.{'-' if frame < 0 else ''}{abs(frame):04d}.exr").touch()
    by_pattern, by_folder = find_sequence(shot / "p.####.exr"), find_sequence(shot)
    assert by_pattern.frames == by_folder.frames == tuple(sorted(frames))
    assert not set(by_pattern.missing) & frames
    assert all((frame - min(frames)) % by_pattern.step == 0 for frame in by_pattern.missing)


def test_when_frames_are_listed_for_people_then_runs_are_joined():
    assert listed((1003, 1007, 1008, 1009)) == "1003,1007-1009"
