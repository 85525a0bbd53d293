"""A farm's hosts: pieces by hand, the session's daemon, and whole bundles run by the specification's own runner."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from fakes.farm_batch import FRAMES, batch_at, draw
from matted import cli, farm_session
from matted.batch.openjd import export
from matted.demo import draw_demo
from matted_protocol.connection import read_connection, running
from matted_protocol.frames import FrameRange

EXAMPLE = Path(__file__).parents[1] / "docs" / "farm"
WAIT = 60.0
"""Seconds after which something that was to happen counts as never happening."""


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("MATTED_CONNECTION_FILE")


def matted(*words):
    return CliRunner().invoke(cli.main, [str(word) for word in words])


def mattes(folder):
    """Every matte and sidecar below a folder, byte for byte; sidecars without what may differ: the plate's place."""
    found = {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.exr"))}
    assert found
    return found


def made_by_propagate(folder, names=("hero", "dog")):
    """The same shots, drawn again and made one by one."""
    draw(folder, names)
    for name in names:
        plate, masks = folder / name / "plate" / "plate.####.png", folder / name / "masks"
        made = matted("propagate", plate, "--object", f"red={masks}", "--out", folder / name / "out", "--local")
        assert made.exit_code == 0, made.output
    return {name: mattes(folder / name / "out" / "v001") for name in names}


@pytest.fixture
def example(tmp_path):
    """The shipped example with a small drawing of the demo's shot, exported as its page says; the template."""
    folder = tmp_path / "example"
    draw_demo(folder / "demo", frames=FrameRange(1001, 1009), size=(96, 54))
    shutil.copy(EXAMPLE / "jobs.toml", folder)
    exported = matted("batch", folder / "jobs.toml", "--export", "openjd", folder / "bundle")
    assert exported.exit_code == 0, exported.output
    return folder / "bundle" / "template.yaml"


def rules(folder, source, destination):
    """A farm's rules file with one rule."""
    rule = {"source_path_format": "POSIX", "source_path": str(source), "destination_path": str(destination)}
    file = folder / "rules.json"
    file.write_text(json.dumps({"version": "pathmapping-1.0", "path_mapping_rules": [rule]}))
    return file


def until(happened):
    deadline = time.monotonic() + WAIT
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_when_the_example_is_exported_then_its_template_is_the_one_shipped(example):
    assert example.read_text() == (EXAMPLE / "template.yaml").read_text()


def test_when_pieces_are_done_in_any_order_then_the_mattes_are_those_of_propagate(tmp_path):
    pieces = export(batch_at(tmp_path / "farm"), tmp_path / "bundle").with_name("pieces.json")

    told = [matted("pieces", pieces, which) for which in ("3,0-1", "2", "4-5")]

    assert [one.exit_code for one in told] == [0, 0, 0], told
    known = made_by_propagate(tmp_path / "alone")
    assert {name: mattes(tmp_path / "farm" / name / "out" / "v001") for name in known} == known
    sidecar = json.loads((tmp_path / "farm" / "hero" / "out" / "v001" / "matted.json").read_text())
    assert sidecar["state"] == "done"


def test_when_the_farm_asks_then_it_is_told_what_is_done_and_how_far(tmp_path):
    pieces = export(batch_at(tmp_path, names=["hero"]), tmp_path / "bundle").with_name("pieces.json")

    told = matted("pieces", pieces, "0-1", "--openjd")

    lines = told.stdout.splitlines()
    progress = [int(line.split()[1]) for line in lines if line.startswith("openjd_progress: ")]
    assert [line for line in lines if line.startswith("openjd_status: ")] == [
        "openjd_status: hero: frames 1001-1003",
        "openjd_status: hero: frames 1004-1007",
    ]
    assert progress == sorted(set(progress))
    assert progress[-1] == 100


def test_when_one_piece_cannot_be_done_then_the_others_are_and_the_farm_is_told(tmp_path):
    pieces = export(batch_at(tmp_path), tmp_path / "bundle").with_name("pieces.json")
    shutil.move(tmp_path / "hero", tmp_path / "gone")

    told = matted("pieces", pieces, "0,2", "--openjd")

    assert told.exit_code == 1
    assert f"openjd_fail: The plate of the shot hero is not on this host: {tmp_path}/hero/plate" in told.stdout
    assert "give a rule for it with --path-mapping" in told.stdout
    assert len(list((tmp_path / "dog" / "out" / "v001").rglob("*.exr"))) == 3


def test_when_a_host_lacks_the_weights_then_it_says_so_and_makes_nothing(tmp_path):
    (tmp_path / "XMem.pth").write_bytes(b"what only the submitting machine has")
    batch = batch_at(tmp_path, names=["hero"], weights=str(tmp_path / "XMem.pth"))
    pieces = export(batch, tmp_path / "bundle").with_name("pieces.json")
    (tmp_path / "XMem.pth").unlink()

    told = matted("pieces", pieces, "0", "--openjd")

    assert told.exit_code == 1
    assert f"openjd_fail: The weights '{tmp_path}/XMem.pth' are not at {tmp_path}/XMem.pth" in told.stdout
    assert [path.name for path in (tmp_path / "hero" / "out").rglob("*.*")] == ["matted.json"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda shot: os.utime(shot / "plate" / "plate.1003.png", (0, 0)), "is not the one the batch was planned with"),
        (
            lambda shot: (shot / "masks" / "mask.1004.exr").unlink(),
            "The masks are not those the batch was planned with",
        ),
    ],
    ids=["plate", "masks"],
)
def test_when_a_host_sees_other_files_then_it_makes_nothing_anywhere(tmp_path, change, says):
    pieces = export(batch_at(tmp_path, names=["hero"]), tmp_path / "bundle").with_name("pieces.json")
    change(tmp_path / "hero")

    told = matted("pieces", pieces, "0", "--openjd")

    assert told.exit_code == 1
    assert says in told.stdout
    assert [path.name for path in (tmp_path / "hero" / "out").iterdir()] == ["v001"]
    assert not list(tmp_path.glob("hero/out/**/*.exr"))


@pytest.mark.slow
def test_when_the_farm_wants_a_piece_to_end_then_it_ends_whole_and_goes_on_later(tmp_path):
    pieces = export(batch_at(tmp_path, names=["hero"]), tmp_path / "bundle").with_name("pieces.json")
    out = tmp_path / "hero" / "out" / "v001"
    program = subprocess.Popen(
        [sys.executable, "-m", "matted", "pieces", str(pieces), "2", "--openjd"], stdout=subprocess.PIPE, text=True
    )
    with program:
        next(line for line in program.stdout if line.startswith("openjd_progress"))
        program.send_signal(signal.SIGTERM)
        lines = program.stdout.read()

    ended = program.returncode
    again = matted("pieces", pieces, "2", "--openjd")

    assert ended == 1, lines
    assert "openjd_fail: Stopped after frame" in lines
    assert again.exit_code == 0, again.output
    assert len(list(out.rglob("*.exr"))) == len(FRAMES)


@pytest.mark.parametrize("which", ["", "a", "1-2-3", "1,,2"])
def test_when_pieces_are_named_otherwise_then_the_form_is_told(which):
    told = matted("pieces", "pieces.json", which)

    assert told.exit_code == 2
    assert "is not a list of pieces like 3-7,9" in told.stderr


@pytest.mark.slow
def test_when_the_sessions_daemon_is_killed_then_it_is_started_again_and_ends_with_the_session(tmp_path, monkeypatch):
    pieces = export(batch_at(tmp_path), tmp_path / "bundle").with_name("pieces.json")
    started = matted("farm", "start", tmp_path / "session")
    file = farm_session.session_file(tmp_path / "session")
    monkeypatch.setenv("MATTED_CONNECTION_FILE", str(file))
    first = matted("pieces", pieces, "0", "--openjd")
    pid = read_connection(file).pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: farm_session.has_died(file))

    second = matted("pieces", pieces, "1-5", "--openjd")
    now = read_connection(file).pid
    stopped = matted("farm", "stop", tmp_path / "session")

    assert f"openjd_env: MATTED_CONNECTION_FILE={file}" in started.stdout.splitlines()
    assert (first.exit_code, second.exit_code) == (0, 0), second.output
    assert "openjd_status: The daemon of this session has died; it is started again" in second.stdout
    assert now != pid
    assert "has stopped" in stopped.stderr
    os.waitpid(now, 0)  # it has ended
    assert (tmp_path / "dog" / "out" / "v001" / "matted.json").exists()
    assert "had ended already" in matted("farm", "stop", tmp_path / "session").stderr


@pytest.mark.slow
def test_when_a_sessions_daemon_hangs_then_it_is_ended_and_that_of_another_session_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(farm_session, "PATIENCE", 1.0)
    hung, other = (read_connection(farm_session.start(tmp_path / name)).pid for name in ("hung", "other"))
    os.kill(hung, signal.SIGSTOP)

    stopped = matted("farm", "stop", tmp_path / "hung")

    assert stopped.exit_code == 0
    assert os.waitstatus_to_exitcode(os.waitpid(hung, 0)[1]) == -signal.SIGKILL
    assert not farm_session.has_died(farm_session.session_file(tmp_path / "other"))
    assert farm_session.stop(tmp_path / "other")
    assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 0


def openjd_run(template, *words):
    """Run a bundle as ``openjd run`` does, with this very matted as the command."""
    openjd, matted = (Path(sys.executable).with_name(name) for name in ("openjd", "matted"))
    command = [openjd, "run", template, *words, "-p", f"MattedCommand={matted}"]
    return subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def connection_in(lines):
    """The connection file of the session's daemon, as the run told it."""
    told = next(line for line in lines if "openjd_env: MATTED_CONNECTION_FILE=" in line)
    return Path(told.rpartition("=")[2].strip())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_when_the_example_runs_on_moved_storage_then_it_makes_what_propagate_makes_and_leaves_nothing(
    example, tmp_path
):
    moved, alone = tmp_path / "moved", tmp_path / "alone"
    shutil.copytree(tmp_path / "example" / "demo", alone / "demo")
    bundle = shutil.move(example.parent, tmp_path / "bundle")
    shutil.move(tmp_path / "example", moved)
    mapping = rules(tmp_path, tmp_path / "example", moved)
    template = bundle / "template.yaml"

    check = subprocess.run(
        [Path(sys.executable).with_name("openjd"), "check", template], capture_output=True, text=True
    )
    with openjd_run(template, "--path-mapping-rules", f"file://{mapping}", "-p", "Accept=fail") as run:
        told = run.stdout.read()
    plate, masks = alone / "demo" / "plate" / "demo.####.exr", alone / "demo" / "keyframes"
    known = matted("propagate", plate, "--keyframes", masks, "--out", alone / "mattes", "--local")

    assert check.returncode == 0, check.stdout
    assert run.returncode == 0, told
    assert known.exit_code == 0, known.output
    assert [path.name for path in (moved / "mattes").iterdir()] == ["v001"]
    assert mattes(moved / "mattes" / "v001") == mattes(alone / "mattes" / "v001")
    sidecar = json.loads((moved / "mattes" / "v001" / "matted.json").read_text())
    assert sidecar["state"] == "done"
    assert len(sidecar["review"]["left_out"]) == 3
    assert "demo" in (bundle / "report.html").read_text()
    assert "The daemon of this session has stopped." in told
    assert not connection_in(told.splitlines()).exists()
    assert not (tmp_path / "example").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_when_a_run_is_ended_in_the_middle_then_the_next_makes_only_what_is_missing(tmp_path):
    template = export(batch_at(tmp_path), tmp_path / "bundle")
    lines = []
    with openjd_run(template, "--step", "Finish", "--run-dependencies") as run:
        for line in run.stdout:
            lines.append(line)
            if sum("openjd_progress" in told for told in lines) == 4:
                break
        pid = read_connection(connection_in(lines)).pid
        run.send_signal(signal.SIGINT)
        lines += run.stdout.readlines()
    begun = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("out/v001/**/*.exr")}

    with openjd_run(template, "--step", "Finish", "--run-dependencies") as again:
        told = again.stdout.read()

    assert run.returncode != 0
    until(lambda: not running(pid))
    assert 0 < len(begun) < 2 * len(FRAMES), "".join(lines)
    assert again.returncode == 0, told
    assert {path: path.stat().st_mtime_ns for path in begun} == begun
    known = made_by_propagate(tmp_path / "alone")
    assert {name: mattes(tmp_path / name / "out" / "v001") for name in known} == known
