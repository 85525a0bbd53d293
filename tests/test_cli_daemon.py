"""The command line beside a running daemon: it is used, and the files are the same."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from fakes.drawn_shot import write_masks, write_plate
from fakes.running_daemon import DaemonProcess
from matted import cli
from matted_protocol.client import Client

pytestmark = pytest.mark.slow  # each test starts programs


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with DaemonProcess(tmp_path_factory.mktemp("daemon")) as process:
        yield process.start()


@pytest.fixture
def shot(tmp_path, daemon, monkeypatch):
    monkeypatch.setenv("MATTED_CONNECTION_FILE", str(daemon.file))
    monkeypatch.chdir(tmp_path)
    write_plate(tmp_path / "plate", range(1001, 1009))
    write_masks(tmp_path / "red", [1001, 1008], row=0)
    write_masks(tmp_path / "blue", [1001], row=1)
    return tmp_path


ARGUMENTS = ["plate", "--object", "red=red", "--object", "blue=blue"]


def matted(*arguments):
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def done_jobs(daemon):
    with Client.connect(daemon.file, start=False) as client:
        return [job for job in client.list_jobs().jobs if job.state == "done"]


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["--layout", "layers", "--range", "1002-1006", "--exposure", "0.5"],
        ["--format", "png16"],
        ["--frame-offset", "1", "--at", "1001", "--range", "1000-1006"],
    ],
)
def test_when_a_daemon_runs_then_it_makes_the_same_files_bit_for_bit(shot, daemon, more):
    before = len(done_jobs(daemon))

    there = matted("propagate", *ARGUMENTS, *more, "--out", "there", "--json")
    assert len(done_jobs(daemon)) == before + 1
    here = matted("propagate", *ARGUMENTS, *more, "--out", "here", "--json", "--local")

    assert there.exit_code == here.exit_code == 0, there.output + here.output
    assert len(done_jobs(daemon)) == before + 1
    assert contents(shot / "there") == contents(shot / "here")
    told, known = json.loads(there.stdout), json.loads(here.stdout)
    assert told | {"folder": ""} == known | {"folder": ""}


def test_when_the_config_is_a_built_in_one_then_the_daemon_takes_it_by_its_name(shot, daemon, monkeypatch):
    monkeypatch.setenv("OCIO", "ocio://cg-config-v2.2.0_aces-v1.3_ocio-v2.4")

    there = matted("propagate", *ARGUMENTS, "--range", "1001-1003", "--out", "there")
    here = matted("propagate", *ARGUMENTS, "--range", "1001-1003", "--out", "here", "--local")

    assert there.exit_code == here.exit_code == 0, there.output + here.output
    assert contents(shot / "there") == contents(shot / "here")


def test_when_the_same_command_runs_again_then_nothing_is_made_again(shot, daemon):
    matted("propagate", *ARGUMENTS, "--out", "mattes")
    before = {path: path.stat().st_mtime_ns for path in (shot / "mattes").rglob("*.exr")}

    again = matted("propagate", *ARGUMENTS, "--out", "mattes", "--json")
    local = matted("propagate", *ARGUMENTS, "--out", "mattes", "--json", "--local")

    assert again.exit_code == local.exit_code == 0, again.output + local.output
    assert json.loads(local.stdout)["computed"] == 0
    assert {path: path.stat().st_mtime_ns for path in (shot / "mattes").rglob("*.exr")} == before


@pytest.mark.parametrize("more", [[], ["--method", "diversity", "--count", "2"], ["--mattes", "made/v001"]])
def test_when_a_daemon_runs_then_it_suggests_the_same_frames(shot, daemon, more):
    if "made/v001" in more:
        matted("propagate", *ARGUMENTS, "--out", "made", "--local")

    there = matted("suggest", *ARGUMENTS, *more, "--json")
    here = matted("suggest", *ARGUMENTS, *more, "--json", "--local")

    assert there.exit_code == here.exit_code == 0, there.output + here.output
    assert json.loads(there.stdout) == json.loads(here.stdout)
    assert json.loads(there.stdout)


def test_when_the_plate_is_damaged_then_the_error_is_the_one_of_a_local_run(shot, daemon):
    frame = sorted((shot / "plate").iterdir())[4]
    frame.write_bytes(frame.read_bytes()[:200])

    there = matted("propagate", *ARGUMENTS, "--out", "there", "--json")
    here = matted("propagate", *ARGUMENTS, "--out", "here", "--json", "--local")

    assert there.exit_code == here.exit_code == 1
    assert json.loads(there.stdout) == json.loads(here.stdout)


@pytest.mark.slow
def test_when_interrupted_then_the_daemons_job_is_cancelled_and_goes_on_later(shot, daemon):
    shutil.rmtree(shot / "plate")
    write_plate(shot / "plate", range(1001, 1201))
    command = [sys.executable, "-m", "matted", "propagate", *ARGUMENTS, "--out", "mattes", "--suggest", "0"]
    running = subprocess.Popen(command, cwd=shot, env=dict(os.environ), stderr=subprocess.PIPE, text=True)
    with Client.connect(daemon.file, start=False) as client:
        while not (jobs := client.list_jobs(unfinished=True).jobs):
            assert running.poll() is None, running.stderr.read()
        events = client.follow(jobs[0].job)
        next(events)
        running.send_signal(signal.SIGINT)
        last = [received.body for received in events][-1]
    _, said = running.communicate(timeout=60)

    assert last.error.code == "cancelled"
    assert running.returncode == 1
    assert "stopped: " in said
    assert "Run the same command again" in said


def test_when_another_job_is_ahead_then_the_wait_is_told(shot, daemon):
    write_plate(shot / "long", range(1001, 1151))
    write_masks(shot / "mask", [1001], row=0)
    with Client.connect(daemon.file, start=False) as client:
        long = client.open_shot(shot / "long")
        client.set_keyframe(long.shot, 1001, path=next((shot / "mask").iterdir()), object="red")
        job = client.propagate(long.shot, suggestions=0).job

        made = matted("propagate", *ARGUMENTS, "--out", "mattes")

        assert made.exit_code == 0, made.output
        assert "Waiting for 1 other job" in made.stderr
        client.cancel(job)


def test_when_the_daemon_is_stopped_then_it_has_stopped_when_the_command_ends(tmp_path, monkeypatch):
    with DaemonProcess(tmp_path / "daemon") as process:
        process.start()
        monkeypatch.setenv("MATTED_CONNECTION_FILE", str(process.file))

        stopped = matted("stop")
        again = matted("stop", "--connection", process.file)

        assert (stopped.exit_code, stopped.stderr) == (0, "The daemon has stopped.\n")
        assert process.ended() == 0
    assert again.exit_code == 1
    assert "No matted daemon runs here." in again.stderr


def test_when_the_daemon_is_asked_then_people_and_programs_can_read_the_answer(shot, daemon):
    words = matted("status")
    program = json.loads(matted("status", "--json").stdout)
    matted("propagate", *ARGUMENTS, "--out", "mattes")
    jobs = json.loads(matted("jobs", "--json").stdout)

    assert words.exit_code == 0
    assert "lite: ready" in words.stdout
    assert str(program["pid"]) in words.stdout
    assert jobs[0]["state"] == "done"
    assert jobs[0]["job"] in matted("jobs").stdout


def test_when_a_daemon_runs_then_check_finds_it_and_else_says_how_to_start_it(shot, daemon, monkeypatch):
    def finding():
        return next(found for found in json.loads(matted("check", "--json").stdout) if found["name"] == "daemon")

    there = finding()
    monkeypatch.setenv("MATTED_CONNECTION_FILE", str(shot / "none.json"))
    gone = finding()
    (shot / "open.json").write_text("{}")
    (shot / "open.json").chmod(0o644)
    monkeypatch.setenv("MATTED_CONNECTION_FILE", str(shot / "open.json"))
    readable = finding()

    assert there["ok"] and "jobs running" in there["found"]
    assert gone["ok"] and "matted serve" in gone["remedy"]
    assert not readable["ok"] and "chmod 600" in readable["remedy"]


def test_when_no_daemon_runs_then_the_commands_that_ask_it_say_so_and_propagate_works_here(tmp_path, monkeypatch):
    monkeypatch.setenv("MATTED_CONNECTION_FILE", str(tmp_path / "none.json"))
    monkeypatch.chdir(tmp_path)
    write_plate(tmp_path / "plate", range(1001, 1003))
    write_masks(tmp_path / "red", [1001], row=0)

    asked = matted("status", "--json")
    made = matted("propagate", "plate", "--object", "red=red", "--out", "mattes")

    assert asked.exit_code == 1
    assert json.loads(asked.stdout)["error"]["code"] == "connection_missing"
    assert made.exit_code == 0, made.output
    assert not (tmp_path / "none.json").exists()
