"""``matted batch`` as a person at a terminal and a pipeline use it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from fakes.drawn_batch import FRAMES, draw_shot, mattes_of, write_jobs
from fakes.drawn_shot import write_plate
from matted import cli, cli_batch, telling
from matted.batch.lock import FolderLock
from matted.batch.outcome import Outcome

WAIT = 60.0
LENIENT = "thresholds = { confidence = [0, 0], jump = [99, 99], flicker = [1, 1], left_out = [0, 0] }"
STRICT = "thresholds = { confidence = [1, 1] }"
WARNING = "thresholds = { confidence = [1, 0], jump = [99, 99], flicker = [1, 1], left_out = [0, 0] }"
QUICK = "review = false"


def matted(*arguments):
    return CliRunner().invoke(cli.main, ["batch", *map(str, arguments)])


PAGE = (Path(__file__).parents[1] / "docs" / "jobs.md").read_text("utf-8").split("## Events")[1].split("\n## ")[0]
ROWS = [line.split("|") for line in PAGE.splitlines() if line.startswith("| `")]
KEYS = {row[1].strip(" `"): set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", row[3]))) for row in ROWS}
"""The keys of every event, as the manual has them."""


def events(output):
    """What was told; every event is as the manual says."""
    told = [json.loads(line) for line in output.splitlines()]
    for each in told:
        assert KEYS[each["event"]] <= set(each) - {"event"}, each
        if each["event"] != "batch_planned":
            assert KEYS[each["event"]] == set(each) - {"event"}, each
    return told


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """What is remembered of batches goes where nobody keeps anything."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Shots a and b, drawn, and the working directory elsewhere."""
    for name in "ab":
        draw_shot(tmp_path, name)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


def test_when_the_help_shows_an_example_then_the_command_takes_it():
    for line in cli_batch.BATCH_EXAMPLES.splitlines():
        if line.strip().startswith("matted "):
            assert cli_batch.batch.make_context("batch", shlex.split(line)[2:]).params


def test_when_the_report_would_replace_another_file_then_nothing_is_started(folder):
    (folder / "mine.html").write_text("mine")

    made = matted(write_jobs(folder, "a", more=LENIENT), "--local", "--report", folder / "mine.html")

    assert made.exit_code == 2
    assert "mine.html is no report of matted" in made.stderr
    assert (folder / "mine.html").read_text() == "mine"
    assert not (folder / "mattes").exists()


def test_when_every_shot_passes_then_it_is_0_and_a_table_and_the_report_say_so(folder):
    jobs = write_jobs(folder, "ab", more=LENIENT)

    made = matted(jobs, "--local")
    again = matted(jobs, "--local", "--report", folder / "again.html")

    assert made.exit_code == again.exit_code == 0, made.output
    assert made.stdout == ""
    for name in "ab":
        assert list(mattes_of(folder, name)) == list(FRAMES)
        assert re.search(rf"^{name} +pass +6 +6$", made.stderr, re.MULTILINE), made.stderr
        assert re.search(rf"^{name} +pass +6 +0$", again.stderr, re.MULTILINE), again.stderr
    assert f"Report: {folder / 'jobs.report.html'}" in made.stderr
    assert (folder / "jobs.report.html").exists()
    assert (folder / "again.html").exists()


@pytest.mark.parametrize(
    ("thresholds", "state", "code"), [(STRICT, "fail", 1), (WARNING, "warn", 3)], ids=["fail", "warn"]
)
def test_when_a_shot_does_not_pass_then_the_exit_code_and_the_worst_finding_say_so(folder, thresholds, state, code):
    result = matted(write_jobs(folder, "ab", more=LENIENT, shots={"b": thresholds}), "--local")

    assert result.exit_code == code, result.output
    assert re.search(rf"^b +{state} +6 +6  red: confidence falls", result.stderr, re.MULTILINE), result.stderr
    assert re.search(r"^a +pass +6 +6$", result.stderr, re.MULTILINE), result.stderr


def test_when_one_shot_cannot_be_made_then_the_others_are_and_it_is_1(folder):
    (folder / "plates/a/plate.1004.png").write_bytes(b"no image")

    result = matted(write_jobs(folder, "ab", more=QUICK), "--local")

    assert result.exit_code == 1
    assert re.search(r"^a +error +- +-  .*1004", result.stderr, re.MULTILINE), result.stderr
    assert re.search(r"^b +pass +6 +6$", result.stderr, re.MULTILINE), result.stderr
    assert list(mattes_of(folder, "b")) == list(FRAMES)


def test_when_the_job_file_has_problems_then_all_are_listed_and_nothing_is_started(folder):
    jobs = write_jobs(folder, ["a", "b", "c"], shots={"a": 'plait = "x"', "b": 'out = "mattes/c"'})

    words = matted(jobs, "--local")
    program = matted(jobs, "--local", "--json")

    assert words.exit_code == program.exit_code == 2, words.output
    assert re.search(rf"{re.escape(str(jobs))}:\d+: .*plait", words.stderr), words.stderr
    assert "  -> " in words.stderr
    (told,) = events(program.stdout)
    assert told["event"] == "batch_refused"
    assert told["exit_code"] == 2
    assert len(told["problems"]) >= 2
    assert {"file", "line", "shot", "message", "hint"} <= set(told["problems"][0])
    assert not (folder / "mattes").exists()


def test_when_a_plate_is_not_there_then_it_is_a_problem_with_its_line(folder):
    result = matted(write_jobs(folder, ["a", "nowhere"]), "--local")

    assert result.exit_code == 2
    assert re.search(r"jobs.toml:\d+: nowhere: ", result.stderr), result.stderr
    assert "2 problems; nothing was started." in result.stderr
    assert not (folder / "mattes").exists()


def test_when_only_some_shots_are_wanted_then_only_these_are_made(folder):
    jobs = write_jobs(folder, ["a", "b", "nowhere"], more=QUICK)

    result = matted(jobs, "--local", "--only", "b")
    wrong = matted(jobs, "--local", "--only", "b,nowere")

    assert result.exit_code == 0, result.output
    assert not (folder / "mattes/a").exists()
    assert wrong.exit_code == 2
    assert "did you mean nowhere?" in wrong.stderr


def test_when_settings_are_given_on_the_command_line_then_they_win(folder):
    result = matted(write_jobs(folder, "a", more=f"{QUICK}\nworking_size = 64"), "--working-size", 32, "--local")

    assert result.exit_code == 0, result.output
    sidecar = json.loads((folder / "mattes/a/v001/matted.json").read_text())
    assert sidecar["recipe"]["settings"]["working_size"] == 32


def test_when_a_plan_is_asked_for_then_it_is_told_and_nothing_is_made(folder):
    jobs = write_jobs(folder, "ab", more=LENIENT)

    words = matted(jobs, "--plan")
    (program,) = events(matted(jobs, "--plan", "--json").stdout)

    assert words.exit_code == 0, words.output
    assert "2 shots, 12 frames to make" in words.stdout
    assert (program["event"], program["frames"], len(program["shots"])) == ("batch_planned", 12, 2)
    assert not (folder / "mattes").exists()


def test_when_a_batch_was_made_then_a_later_plan_is_no_guess(folder):
    jobs = write_jobs(folder, "a", more=LENIENT)
    before = events(matted(jobs, "--plan", "--json").stdout)[0]["is_guess"]
    matted(jobs, "--device", "cpu")
    draw_shot(folder, "b")

    after = events(matted(write_jobs(folder, "ab", more=LENIENT), "--plan", "--device", "cpu", "--json").stdout)[0]

    assert (before, after["is_guess"], after["frames"]) == (True, False, 6)


@pytest.mark.parametrize(
    "words",
    [["--workers", "2", "--local"], ["--scheduler", "tcp://x:1", "--workers", "2"], ["--wait", "soon"]],
    ids=lambda words: words[0],
)
def test_when_options_make_no_sense_then_it_is_2_and_nothing_runs(folder, words):
    result = matted(write_jobs(folder, "a"), *words)

    assert result.exit_code == 2
    assert "Usage:" in result.stderr


def test_when_a_device_is_not_there_then_it_is_said(folder):
    result = matted(write_jobs(folder, "a"), "--device", "cuda:77")

    assert result.exit_code == 1
    assert "cuda:77" in result.stderr


# Events


def test_when_json_is_asked_for_then_events_are_complete_and_in_order(folder):
    (folder / "plates/a/plate.1004.png").write_bytes(b"no image")
    jobs = write_jobs(folder, "ab", more=LENIENT)

    result = matted(jobs, "--local", "--json")
    told = events(result.stdout)

    assert result.exit_code == 1
    first, last = told[0], told[-1]
    assert first == {
        "event": "batch_started", "batch": "jobs", "file": str(jobs), "engine": "here", "shots": ["a", "b"], "notes": [],
    }  # fmt: skip
    assert (last["event"], last["exit_code"]) == ("batch_done", 1)
    assert last["states"] == {"pass": 1, "warn": 0, "fail": 0, "error": 1}
    assert last["report"] == str(folder / "jobs.report.html")
    for name in "ab":
        mine = [each["event"] for each in told if each.get("shot") == name]
        assert mine[0] == "shot_started"
        assert mine[-1] == "shot_done"
        assert mine.count("shot_started") == mine.count("shot_done") == 1
    failed, made = (each for each in told if each["event"] == "shot_done")
    assert (failed["state"], failed["error"]["code"], failed["error"]["frame"]) == ("error", "plate_unreadable", 1004)
    assert (made["state"], made["frames"], made["computed"], made["error"]) == ("pass", 6, 6, None)
    assert made["folder"] == str(folder / "mattes/b/v001")


def test_when_a_batch_runs_twice_at_once_then_the_second_waits_for_a_shot_and_finds_it_done(folder, monkeypatch):
    monkeypatch.setattr("matted.batch.many.BUSY", 0.05)
    jobs = write_jobs(folder, "ab", more=QUICK)
    assert matted(jobs, "--local").exit_code == 0
    taken = folder / "mattes/a/v001/red/red.1003.exr"
    taken.unlink()
    lock = FolderLock([folder / "mattes/a/v001/.matted/lock"])
    lock.take(folder / "mattes/a/v001")

    after_a_shot(monkeypatch, lock.release)
    result = matted(jobs, "--local", "--json")
    told = events(result.stdout)

    assert result.exit_code == 0, result.output
    assert [each["shot"] for each in told if each["event"] == "shot_done"] == ["b", "a"]
    assert "Another matted" in next(each["text"] for each in told if each["event"] == "said")
    assert taken.exists()


def test_when_a_plate_comes_while_it_waits_then_its_shot_is_made(folder, monkeypatch):
    monkeypatch.setattr("matted.batch.many.LOOK", 0.05)
    draw_shot(folder, "late", frames=[1001])
    jobs = write_jobs(folder, ["late", "a"], more=f'range = "1001-1006"\n{QUICK}')
    after_a_shot(monkeypatch, lambda: write_plate(folder / "plates/late", FRAMES))

    refused = matted(jobs, "--local")
    told = events(matted(jobs, "--local", "--wait", "60s", "--json").stdout)

    assert refused.exit_code == 2
    assert told[-1]["exit_code"] == 0
    assert [each["shot"] for each in told if each["event"] == "shot_done"] == ["a", "late"]
    assert "1002-1006" in next(each["text"] for each in told if each["event"] == "said")


def after_a_shot(monkeypatch, call):
    """Have ``call`` called whenever a shot's outcome has been told."""
    tell = telling.Events.tell

    def told_then_called(self, told):
        tell(self, told)
        if isinstance(told, Outcome):
            call()

    monkeypatch.setattr(telling.Events, "tell", told_then_called)


# With programs of its own


def start(folder, *words, **environment):
    command = [sys.executable, "-m", "matted", "batch", folder / "jobs.toml", *words]
    return subprocess.Popen(
        [str(word) for word in command],
        cwd=folder, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def long_batch(folder, names="ab"):
    for name in names:
        draw_shot(folder, name, frames=range(1001, 1041), keyframes=(1001, 1040))
    return write_jobs(folder, names, more=QUICK)


def wait_until(holds, running):
    until = time.monotonic() + WAIT
    while not holds():
        assert running.poll() is None and time.monotonic() < until, running.communicate(timeout=WAIT)
        time.sleep(0.01)


def files(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "mattes").rglob("red.*.exr")}


@pytest.mark.slow
def test_when_killed_in_the_middle_then_the_next_run_makes_only_what_is_missing(tmp_path):
    (tmp_path / "whole").mkdir()
    long_batch(tmp_path / "whole")
    long_batch(tmp_path)

    with start(tmp_path, "--local", "--json") as killed:
        wait_until(lambda: len(files(tmp_path)) > 50, killed)
        killed.kill()
    before = files(tmp_path)
    resumed = matted(tmp_path / "jobs.toml", "--local", "--json")
    whole = matted(tmp_path / "whole" / "jobs.toml", "--local")

    assert resumed.exit_code == whole.exit_code == 0
    made = {each["shot"]: each["computed"] for each in events(resumed.stdout) if each["event"] == "shot_done"}
    assert made["a"] == 0
    after = files(tmp_path)
    again = [path for path, when in before.items() if after[path] != when]
    assert made["b"] == 80 - len(before) + len(again)
    assert len(again) <= 1  # the kill came between its file and its line in the journal
    for name in "ab":
        assert mattes_of(tmp_path, name) == mattes_of(tmp_path / "whole", name)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C reaches a whole console on Windows")
def test_when_ctrl_c_is_pressed_then_it_stops_writes_the_report_and_says_how_to_go_on(tmp_path):
    long_batch(tmp_path)

    with start(tmp_path, "--local") as running:
        wait_until(lambda: len(files(tmp_path)) > 5, running)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=WAIT)[1]

    assert running.returncode == 1
    assert "Ctrl-C again stops at once" in said
    assert "same command again" in said
    assert re.search(r"^b +error .*had not begun", said, re.MULTILINE), said
    assert (tmp_path / "jobs.report.html").exists()
    assert len(files(tmp_path)) < 40


@pytest.mark.slow
def test_when_no_daemon_runs_then_one_is_started_for_the_batch_and_stopped_after_it(tmp_path):
    draw_shot(tmp_path, "a")
    write_jobs(tmp_path, "a", more=QUICK)

    with start(tmp_path, "--json", MATTED_CONNECTION_FILE=str(tmp_path / "daemon.json")) as running:
        told = events(running.communicate(timeout=WAIT)[0])

    assert running.returncode == 0
    assert told[0]["engine"] == "daemon"
    assert list(mattes_of(tmp_path, "a")) == list(FRAMES)
    until = time.monotonic() + WAIT
    while json.loads((tmp_path / "daemon.json").read_text())["endpoint"]:
        assert time.monotonic() < until
        time.sleep(0.05)
