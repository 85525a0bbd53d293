"""Shots dropped into a folder: when they are worked on, what comes back, and that nothing of the artist's is touched."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from fakes.drawn_shot import write_masks, write_plate
from matted import cli
from matted.batch.dropped import PROBLEM, RETRY, SUGGESTIONS, Watch, look_at, plate_path
from matted.batch.place import JobResult
from matted.engine.suggest import Suggestion
from matted.errors import Cancelled, MaskError, OutputError, PlateError
from matted_protocol.errors import DaemonError

QUIET = 20.0


def drop(top, name="shot010", *, plate=("p.1001.exr", "p.1002.exr"), masks=("m.1001.exr",), size=3):
    """Put files into a shot's folders."""
    for folder, files in (("plate", plate), ("masks", masks)):
        for file in files:
            path = top / name / folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * size)
    return top / name


class Maker:
    """Makes mattes by writing one file, or fails as it is told."""

    def __init__(self):
        self.shots = []
        self.error = None

    def __call__(self, shot):
        self.shots.append(shot)
        if self.error is not None:
            raise self.error
        folder = shot.out / "v001"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "matte.1001.exr").write_bytes(b"matte")
        return JobResult(folder, ("matte",), {1001: (1.0,), 1002: (0.5,)}, (), 2)


class Seat:
    """A watch, a clock that the test turns, and what was said."""

    def __init__(self, top):
        self.top = top
        self.now = 100.0
        self.said = []
        self.make = Maker()
        self.start()

    def start(self):
        self.watch = Watch(self.top, self.make, quiet=QUIET, say=self.said.append, clock=lambda: self.now)

    def look(self, after=0.0, **options):
        self.now += after
        self.watch.look(**options)

    def settle(self):
        self.look()
        self.look(QUIET)

    @property
    def made(self):
        return [shot.folder.name for shot in self.make.shots]


@pytest.fixture
def seat(tmp_path):
    return Seat(tmp_path)


def contents(top):
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


# When


def test_when_files_have_been_quiet_then_the_mattes_are_made_once(seat):
    drop(seat.top)

    seat.look()
    seat.look(QUIET - 1)
    assert seat.made == []
    seat.look(1)
    assert seat.made == ["shot010"]
    seat.look(10 * RETRY)
    assert seat.made == ["shot010"]


@pytest.mark.parametrize("change", ["new", "grown", "touched", "gone", "mask"])
def test_when_a_file_changes_then_it_waits_again_and_then_works(seat, change):
    shot = drop(seat.top)
    seat.look()
    seat.look(QUIET / 2)

    if change == "new":
        (shot / "plate" / "p.1003.exr").write_bytes(b"x")
    elif change == "grown":
        (shot / "plate" / "p.1002.exr").write_bytes(b"xxxxx")
    elif change == "touched":
        os.utime(shot / "plate" / "p.1002.exr", ns=(1, 1))
    elif change == "gone":
        (shot / "plate" / "p.1002.exr").unlink()
    else:
        (shot / "masks" / "m.1002.exr").write_bytes(b"x")
    seat.look(QUIET)
    assert seat.made == []
    seat.look(QUIET)

    assert seat.made == ["shot010"]


def test_when_masks_are_added_after_the_mattes_then_they_are_made_again(seat):
    drop(seat.top)
    seat.settle()

    drop(seat.top, masks=("m.1002.exr",))
    seat.settle()

    assert seat.made == ["shot010", "shot010"]
    assert len(seat.make.shots[1].files) == 4


def test_when_only_hidden_files_change_then_nothing_is_made_again(seat):
    shot = drop(seat.top)
    seat.settle()

    (shot / "plate" / ".DS_Store").write_bytes(b"x")
    seat.settle()

    assert seat.made == ["shot010"]


@pytest.mark.parametrize(
    ("plate", "masks", "lacks"), [((), ("m.1.exr",), "plate"), (("p.1.exr",), (), "masks")], ids=["plate", "masks"]
)
def test_when_a_part_has_not_come_yet_then_it_says_once_what_it_waits_for(seat, plate, masks, lacks):
    shot = drop(seat.top, plate=plate, masks=masks)
    (shot / "plate").mkdir(exist_ok=True)
    (shot / "masks" / "hero").mkdir(exist_ok=True, parents=True)

    for _ in range(4):
        seat.look(QUIET)

    assert seat.made == []
    assert seat.said == [f"shot010 waits for its {lacks}."]
    assert not (shot / PROBLEM).exists()


def test_when_there_are_several_shots_then_each_goes_by_its_own_files(seat):
    drop(seat.top, "a")
    drop(seat.top, "b")
    seat.look()
    drop(seat.top, "b", masks=("m.1002.exr",))
    seat.look(QUIET)
    assert seat.made == ["a"]

    seat.look(QUIET)

    assert seat.made == ["a", "b"]


def test_when_it_is_started_anew_then_it_asks_for_each_shot_again_and_writes_nothing_new(seat):
    drop(seat.top)
    seat.settle()
    before = {path: path.stat().st_mtime_ns for path in seat.top.rglob("*")}

    seat.start()
    seat.settle()

    assert seat.made == ["shot010", "shot010"]  # the job itself finds that it is done
    texts = [path for path in before if path.suffix == ".txt"]
    assert texts
    assert all(path.stat().st_mtime_ns == before[path] for path in texts)


def test_when_a_shot_goes_away_and_comes_back_then_it_is_a_new_one(seat):
    shot = drop(seat.top)
    seat.settle()
    shutil.rmtree(shot)
    seat.look()
    drop(seat.top)
    seat.settle()

    assert seat.made == ["shot010", "shot010"]


def test_when_it_is_to_stop_then_no_other_shot_is_begun(seat):
    drop(seat.top, "a")
    drop(seat.top, "b")
    seat.look()

    seat.look(QUIET, stopped=lambda: bool(seat.made))

    assert seat.made == ["a"]


# What is a shot


def test_when_a_folder_has_neither_part_then_it_is_no_shot(seat):
    (seat.top / "notes" / "old").mkdir(parents=True)
    (seat.top / "readme.txt").write_text("hello")
    drop(seat.top, ".hidden")

    seat.settle()

    assert (seat.made, seat.said) == ([], [])


def test_when_folders_are_named_in_capitals_then_they_are_found(seat):
    drop(seat.top).rename(seat.top / "SH 020")
    (seat.top / "SH 020" / "plate").rename(seat.top / "SH 020" / "Plate")
    (seat.top / "SH 020" / "masks").rename(seat.top / "SH 020" / "MASKS")

    seat.settle()

    assert seat.make.shots[0].plate == seat.top / "SH 020" / "Plate"


def test_when_masks_are_in_folders_then_those_are_the_objects(tmp_path):
    shot = drop(tmp_path, masks=("hero/m.1001.exr", "car/m.1001.exr", "car/m.1002.exr"))
    (shot / "masks" / "empty").mkdir()

    found = look_at(shot)

    assert found.masks is None
    assert found.objects == (("car", shot / "masks" / "car"), ("hero", shot / "masks" / "hero"))
    assert found.lacks == ""


@pytest.mark.parametrize(
    ("files", "wanted"),
    [(["a.1.exr", "a.2.exr"], ""), (["a.mov"], "a.mov"), (["a.MP4", "notes.txt"], "a.MP4"), (["notes.txt"], "")],
    ids=["sequence", "movie", "capitals", "neither"],
)
def test_when_there_is_one_plate_then_it_is_the_folder_or_its_movie(tmp_path, files, wanted):
    shot = drop(tmp_path, plate=files)

    assert plate_path(shot / "plate") == (shot / "plate" / wanted if wanted else shot / "plate")


@pytest.mark.parametrize("files", [["a.mov", "b.mov"], ["a.mov", "b.1.exr"]], ids=["movies", "both"])
def test_when_there_are_several_plates_then_it_says_which(tmp_path, files):
    shot = drop(tmp_path, plate=files)

    with pytest.raises(PlateError) as caught:
        plate_path(shot / "plate")
    assert all(file in caught.value.message for file in files)


# Problems


BAD_MASK = MaskError("mask_size", "The mask of frame 1001 is 10x10 but the plate is 20x20.", hint="Render it at 20x20.")


def test_when_mattes_cannot_be_made_then_a_text_says_why_until_it_is_solved(seat):
    shot = drop(seat.top)
    seat.make.error = BAD_MASK
    seat.settle()

    text = (shot / PROBLEM).read_text("utf-8")
    assert BAD_MASK.message in text
    assert BAD_MASK.hint in text
    assert "'plate'" in text and "'masks'" in text
    assert any(BAD_MASK.message in line for line in seat.said)
    assert seat.watch.problems == {shot}

    seat.make.error = None
    drop(seat.top, size=5)
    seat.settle()

    assert not (shot / PROBLEM).exists()
    assert (shot / SUGGESTIONS).exists()
    assert not seat.watch.problems


def test_when_a_problem_stays_then_it_is_tried_now_and_then_and_told_once(seat):
    shot = drop(seat.top)
    seat.make.error = OutputError("disk_full", "The disk is full.", hint="Free some space.")
    seat.settle()
    said = list(seat.said)
    for _ in range(3):
        seat.look(RETRY)

    assert len(seat.made) == 4
    assert seat.said == said

    seat.make.error = None
    seat.look(RETRY)
    assert not (shot / PROBLEM).exists()


def test_when_the_problem_is_another_one_then_the_text_is_too(seat):
    shot = drop(seat.top)
    for message in ("first", "second"):
        seat.make.error = DaemonError("no_answer", message, "Wait.")
        seat.settle()
        seat.look(RETRY)
        assert message in (shot / PROBLEM).read_text("utf-8")


@pytest.mark.parametrize("part", ["plate", "masks"])
def test_when_a_file_is_empty_then_it_is_named_and_nothing_is_made(seat, part):
    shot = drop(seat.top)
    empty = shot / part / "x.1002.exr"
    empty.write_bytes(b"")

    seat.settle()

    assert seat.made == []
    assert str(empty) in (shot / PROBLEM).read_text("utf-8")


def test_when_one_shot_has_a_problem_then_the_others_go_on(seat):
    for name in ("a", "b", "c"):
        drop(seat.top, name)
    make = seat.make

    def fails_once(shot):
        make.error = ValueError("never thought of") if shot.folder.name == "b" else None
        return make(shot)

    seat.make = fails_once
    seat.start()
    seat.settle()

    assert [(seat.top / name / PROBLEM).exists() for name in ("a", "b", "c")] == [False, True, False]
    assert "ValueError: never thought of" in (seat.top / "b" / PROBLEM).read_text("utf-8")
    assert any("Traceback" in line for line in seat.said)


def test_when_masks_are_taken_away_then_the_problem_goes_with_them(seat):
    shot = drop(seat.top)
    seat.make.error = BAD_MASK
    seat.settle()
    shutil.rmtree(shot / "masks")
    seat.settle()
    assert not (shot / PROBLEM).exists()

    drop(seat.top)
    seat.settle()
    assert (shot / PROBLEM).exists()


def test_when_another_matted_is_at_it_then_it_is_no_problem_and_comes_later(seat):
    shot = drop(seat.top)
    seat.make.error = OutputError("job_running", "It is being made.", hint="Wait.")
    seat.settle()
    assert not (shot / PROBLEM).exists()

    seat.make.error = None
    seat.look(1)
    assert (shot / SUGGESTIONS).exists()


def test_when_it_is_stopped_at_the_terminal_then_it_ends_and_when_cancelled_elsewhere_it_goes_on(seat):
    shot = drop(seat.top)
    seat.make.error = Cancelled("cancelled", "Stopped.", hint="Again.")
    seat.settle()
    assert not (shot / PROBLEM).exists()
    seat.look(10 * RETRY)
    assert len(seat.made) == 1

    drop(seat.top, size=7)
    seat.look()
    with pytest.raises(Cancelled):
        seat.look(QUIET, stopped=lambda: len(seat.made) == 2)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read anything")
def test_when_a_folder_cannot_be_read_then_it_is_told_and_the_others_go_on(seat):
    drop(seat.top, "a")
    closed = drop(seat.top, "b") / "plate"
    closed.chmod(0)
    try:
        seat.settle()
    finally:
        closed.chmod(0o700)

    assert seat.made == ["a"]
    assert any(str(closed) in line for line in seat.said)


def test_when_the_watched_folder_goes_away_then_it_is_told_once_and_found_again(seat):
    drop(seat.top)
    away = seat.top.with_name(seat.top.name + "-away")
    seat.top.rename(away)
    seat.look()
    seat.look()
    away.rename(seat.top)
    seat.settle()

    assert len([line for line in seat.said if "cannot be read" in line]) == 1
    assert seat.made == ["shot010"]


# What comes back


def test_when_mattes_are_made_then_the_artists_files_are_as_they_were(seat):
    shot = drop(seat.top, masks=("hero/m.1001.exr",))
    (shot / "notes.txt").write_text("mine")
    before = contents(shot)

    seat.settle()

    after = contents(shot)
    assert {path: after[path] for path in before} == before
    assert set(after) - set(before) == {"mattes/v001/matte.1001.exr", SUGGESTIONS}


@pytest.mark.parametrize("name", [PROBLEM, SUGGESTIONS])
def test_when_the_artist_has_a_text_of_that_name_then_it_stays(seat, name):
    shot = drop(seat.top)
    (shot / name).write_text("my own list")
    seat.make.error = BAD_MASK if name == PROBLEM else None

    seat.settle()
    seat.make.error = None
    drop(seat.top, size=9)
    seat.settle()

    assert (shot / name).read_text() == "my own list"


def test_when_there_are_suggestions_then_the_text_lists_them_with_their_reasons(seat):
    shot = drop(seat.top)
    genuine = seat.make

    def suggesting(dropped):
        found = genuine(dropped)
        frames = (suggestion(1017, "fast motion"), suggestion(1004, "low overlap"))
        return JobResult(found.folder, found.objects, found.confidence, frames, found.computed)

    seat.make = suggesting
    seat.start()
    seat.settle()

    lines = (shot / SUGGESTIONS).read_text("utf-8").splitlines()
    assert lines[0] == "matted: 2 mattes are in mattes/v001."
    assert lines[-2:] == ["  frame 1017: fast motion", "  frame 1004: low overlap"]


def suggestion(frame, reason):
    values = {"frame": frame, "reason": reason}
    return Suggestion(**{name: values.get(name, 0.0) for name in Suggestion.__dataclass_fields__})


# The command


def folder_command(top, *options):
    return CliRunner().invoke(cli.main, ["folder", str(top), "--once", "--quiet", "0", *options])


def test_when_the_command_runs_once_then_a_drawn_shot_gets_its_mattes_and_nothing_is_made_twice(tmp_path):
    shot = tmp_path / "Shot 10 é"
    write_plate(shot / "plate", range(1001, 1007))
    write_masks(shot / "masks" / "hero", [1001, 1005])
    write_masks(shot / "masks" / "dog", [1001], row=1)
    before = contents(shot)

    first = folder_command(tmp_path, "--layout", "rgba", "--device", "cpu")
    mattes = {path: path.stat().st_mtime_ns for path in shot.rglob("*") if path.is_file()}
    second = folder_command(tmp_path, "--layout", "rgba", "--device", "cpu")

    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert len(list((shot / "mattes" / "v001").rglob("*.exr"))) == 6
    assert {path: path.stat().st_mtime_ns for path in shot.rglob("*") if path.is_file()} == mattes
    assert (shot / SUGGESTIONS).read_text("utf-8").startswith("matted: 6 mattes are in mattes/v001.")
    assert {path: contents(shot)[path] for path in before} == before


def test_when_a_mask_does_not_fit_then_the_command_fails_with_a_text_and_mends_when_it_does(tmp_path):
    shot = tmp_path / "shot"
    write_plate(shot / "plate", range(1001, 1004))
    write_masks(shot / "masks", [1009])

    failed = folder_command(tmp_path, "--device", "cpu")
    text = (shot / PROBLEM).read_text("utf-8")
    shutil.rmtree(shot / "masks")
    write_masks(shot / "masks", [1002])
    mended = folder_command(tmp_path, "--device", "cpu")

    assert (failed.exit_code, mended.exit_code) == (1, 0), mended.output
    assert "1009" in text
    assert "Number the mask like the plate frame" in text
    assert not (shot / PROBLEM).exists()
    assert Path(shot / "mattes" / "v001").is_dir()


@pytest.mark.slow
def test_when_it_is_killed_at_work_then_it_goes_on_when_it_is_started_again(tmp_path):
    shot = tmp_path / "shot"
    write_plate(shot / "plate", range(1, 120))
    write_masks(shot / "masks", [])
    shutil.copy(write_masks(tmp_path / "drawn", [1001]) / "mask.1001.exr", shot / "masks" / "mask.0001.exr")
    command = [sys.executable, "-m", "matted", "folder", str(tmp_path), "--quiet", "0", "--device", "cpu"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while len(list(shot.rglob("matte.*.exr"))) < 5:
        assert running.poll() is None and time.monotonic() < until, running.communicate()
        time.sleep(0.01)
    running.kill()
    running.communicate()
    before = {path: path.stat().st_mtime_ns for path in shot.rglob("matte.*.exr")}

    again = folder_command(tmp_path, "--device", "cpu")

    assert again.exit_code == 0, again.output
    assert 5 <= len(before) < 119
    assert len(list((shot / "mattes" / "v001").rglob("matte.*.exr"))) == 119
    assert [path.name for path in (shot / "mattes").iterdir()] == ["v001"]
    assert sum(path.stat().st_mtime_ns == when for path, when in before.items()) >= 4  # one may not have been noted


def test_when_there_is_no_such_folder_then_it_is_wrong_usage(tmp_path):
    assert folder_command(tmp_path / "nowhere").exit_code == 2
