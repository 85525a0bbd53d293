"""A job taken a step at a time: claimed, locked, paused, told of frame by frame."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from fakes.drawn_job import FRAMES, Told, contents, job_at, shot_at
from matted.batch.job import Run, RunState, claim, run
from matted.batch.lock import FolderLock
from matted.errors import Cancelled, OutputError
from matted.media.matte import MatteWriter


def take(steps, count):
    for _, _step in zip(range(count), steps, strict=False):
        pass


def test_when_stepped_then_every_frame_is_told_once_with_whole_files_and_its_confidence(tmp_path):
    told = Told()

    with Run(job_at(tmp_path), on_written=told) as making:
        for _ in making.steps():
            pass
        result = making.result()

    assert sorted(told.frames) == FRAMES
    assert told.confidence == result.confidence


def test_when_a_step_is_taken_then_the_frames_told_are_those_in_the_journal(tmp_path):
    told = Told()
    with Run(job_at(tmp_path), on_written=told) as making:
        making.start()
        journal = making.folder / ".matted" / "journal.jsonl"
        for _ in making.steps():
            lines = journal.read_text().splitlines() if journal.exists() else []
            assert [json.loads(line)[0] for line in lines] == told.frames


def test_when_not_every_step_and_the_result_are_taken_then_the_folder_says_running(tmp_path):
    with Run(job_at(tmp_path)) as making:
        making.start()
        said = [json.loads((making.folder / "matted.json").read_text()) for _ in making.steps()]
        before = json.loads((making.folder / "matted.json").read_text())
        making.result()
        after = json.loads((making.folder / "matted.json").read_text())

    assert {each["state"] for each in said} == {before["state"]} == {"running"}
    assert all("confidence" not in each for each in (*said, before))
    assert after["state"] == "done"


def test_when_made_then_nothing_is_touched_before_the_start(tmp_path):
    making = Run(job_at(tmp_path))

    assert making.state is RunState.WAITING
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("pause_at", [3, 20])
def test_when_paused_then_the_folder_is_free_and_the_same_run_goes_on(tmp_path, pause_at):
    whole = run(job_at(tmp_path, out=tmp_path / "whole"))
    told = Told()
    making = Run(job_at(tmp_path), on_written=told)

    steps = making.steps()
    take(steps, pause_at)
    steps.close()
    paused = list(told.frames)
    with Run(job_at(tmp_path)) as other:
        other.start()  # the folder is free
    for _ in making.steps():
        pass
    result = making.result()

    assert paused
    assert sorted(told.frames) == FRAMES
    assert (result.computed, result.confidence) == (len(FRAMES), whole.confidence)
    assert contents(result.folder) == contents(whole.folder)


@pytest.mark.parametrize("lost", [1002, 1011])
def test_when_a_matte_is_deleted_from_a_paused_job_then_it_is_made_again_and_equal(tmp_path, lost):
    whole = run(job_at(tmp_path, out=tmp_path / "whole"))
    making = Run(job_at(tmp_path))
    steps = making.steps()
    take(steps, 21)
    steps.close()

    (making.folder / "red" / f"red.{lost}.exr").unlink()
    for _ in making.steps():
        pass

    assert contents(making.result().folder) == contents(whole.folder)


@pytest.mark.parametrize("full_at", [1004, 1011])
def test_when_the_disk_was_full_then_the_next_run_completes_the_same_files(tmp_path, monkeypatch, full_at):
    whole = run(job_at(tmp_path, out=tmp_path / "whole"))
    write = MatteWriter.write

    def failing(self, frame, mattes, header):
        if frame == full_at:
            raise OutputError("disk_full", "full", hint="free some space", frame=frame)
        return write(self, frame, mattes, header)

    with monkeypatch.context() as patched:
        patched.setattr(MatteWriter, "write", failing)
        with pytest.raises(OutputError, match="full"):
            run(job_at(tmp_path))

    result = run(job_at(tmp_path))

    assert contents(result.folder) == contents(whole.folder)
    assert result.confidence == whole.confidence


def test_when_frames_are_found_finished_then_they_are_told_at_the_start(tmp_path):
    stopped = []
    with pytest.raises(Cancelled):
        run(job_at(tmp_path), on_step=stopped.append, stopped=lambda: len(stopped) >= 18)
    told = Told()

    with Run(job_at(tmp_path), on_written=told) as making:
        making.start()
        found = list(told.frames)
        for _ in making.steps():
            pass
        result = making.result()

    assert found
    assert sorted(told.frames) == FRAMES
    assert result.computed == len(FRAMES) - len(found)


def test_when_the_job_is_done_then_every_frame_is_told_and_nothing_is_locked(tmp_path):
    run(job_at(tmp_path))
    told = Told()

    making = Run(job_at(tmp_path), on_written=told)
    making.start()

    assert making.state is RunState.DONE
    assert told.frames == FRAMES
    assert list(making.steps()) == []
    assert making.result().computed == 0


def test_when_another_run_has_the_folder_then_it_is_refused_until_it_lets_go(tmp_path):
    with Run(job_at(tmp_path)) as making:
        making.start()

        with pytest.raises(OutputError, match="another matted right now") as error:
            run(job_at(tmp_path))

        assert (error.value.code, error.value.path) == ("job_running", making.folder)
    assert run(job_at(tmp_path)).computed == len(FRAMES)


def test_when_another_run_is_through_just_before_the_lock_is_ours_then_the_job_is_found_done(tmp_path, monkeypatch):
    claim(job_at(tmp_path))
    take_lock = FolderLock.take

    def late(self, folder):
        monkeypatch.setattr(FolderLock, "take", take_lock)
        run(job_at(tmp_path))
        take_lock(self, folder)

    monkeypatch.setattr(FolderLock, "take", late)
    told = Told()
    making = Run(job_at(tmp_path), on_written=told)
    making.start()

    assert (making.state, told.frames) == (RunState.DONE, FRAMES)
    assert json.loads((making.folder / "matted.json").read_text())["state"] == "done"
    FolderLock([making.folder / ".matted" / "lock"]).take(making.folder)  # it was let go


def test_when_one_lock_of_several_is_taken_then_none_is_held(tmp_path):
    theirs, ours = FolderLock([tmp_path / "b"]), FolderLock([tmp_path / "a", tmp_path / "b"])
    theirs.take(tmp_path)

    with pytest.raises(OutputError, match="another matted right now"):
        ours.take(tmp_path)

    FolderLock([tmp_path / "a"]).take(tmp_path)


def test_when_writing_fails_then_the_folder_is_free_and_what_arrived_was_told(tmp_path, monkeypatch):
    write = MatteWriter.write

    def failing(self, frame, mattes, header):
        if frame == 1009:
            raise OutputError("disk_full", "full", hint="free some space", frame=frame)
        return write(self, frame, mattes, header)

    told = Told()
    making = Run(job_at(tmp_path), on_written=told)
    with monkeypatch.context() as patched:
        patched.setattr(MatteWriter, "write", failing)
        with pytest.raises(OutputError, match="full"):
            take(making.steps(), 99)
    on_disk = {int(path.name.split(".")[1]) for path in making.folder.rglob("*.exr")}

    assert set(told.frames) == on_disk
    assert making.state is RunState.WAITING
    for _ in making.steps():
        pass
    assert sorted(told.frames) == FRAMES


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_when_killed_at_a_checkpoint_then_the_next_run_makes_the_same_files(tmp_path):
    whole = run(job_at(tmp_path, out=tmp_path / "whole"))
    script = f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from pathlib import Path
        from fakes.drawn_job import job_at
        from matted.batch.job import Run
        from matted.engine.scratch import Scratch
        puts = []
        put = Scratch.put
        def killing(self, name, tensors):
            put(self, name, tensors)
            puts.append(name)
            if puts.count("checkpoint") == 4:
                os.kill(os.getpid(), signal.SIGKILL)
        Scratch.put = killing
        for step in Run(job_at(Path({str(tmp_path)!r}))).steps():
            pass
    """
    child = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=100)
    assert child.returncode == -signal.SIGKILL, child.stderr

    result = run(job_at(tmp_path))

    assert result.folder.name == "v001"
    assert contents(result.folder) == contents(whole.folder)
    assert result.confidence == whole.confidence


def test_when_claimed_then_the_folder_says_queued_and_the_run_finds_it(tmp_path):
    folder = claim(job_at(tmp_path))

    queued = json.loads((folder / "matted.json").read_text())
    result = run(job_at(tmp_path))

    assert queued == {"state": "queued", "recipe": job_at(tmp_path).recipe()}
    assert result.folder == folder == claim(job_at(tmp_path))
    assert json.loads((folder / "matted.json").read_text())["state"] == "done"


def test_when_another_keyframe_is_claimed_then_it_gets_a_folder_of_its_own(tmp_path):
    first = claim(job_at(tmp_path))

    second = claim(job_at(tmp_path, shot=shot_at(tmp_path, (1001, 1016))))

    assert (first.name, second.name) == ("v001", "v002")


def test_when_the_folder_cannot_be_locked_then_the_error_says_so(tmp_path):
    if os.geteuid() == 0:
        (claim(job_at(tmp_path)) / ".matted").write_text("in the way")
    else:
        claim(job_at(tmp_path)).chmod(0o500)

    with pytest.raises(OutputError) as error:
        run(job_at(tmp_path))

    assert error.value.code == "output_unwritable"


def test_when_a_kill_left_files_half_written_then_the_next_run_takes_them_away(tmp_path):
    with Run(job_at(tmp_path)) as making:
        with closing(making.steps()) as steps:
            for _ in range(3):
                next(steps)
        left = making.folder / "red" / ".red.1005.exr.4711-1.part"
    left.write_bytes(b"half a matte")
    keep = left.with_name("artist's note.part")
    keep.write_bytes(b"not ours")

    run(job_at(tmp_path))

    assert not left.exists()
    assert keep.exists()
