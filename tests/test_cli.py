"""The command line as a newcomer and a pipeline use it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from fakes.drawn_shot import write_masks, write_plate
from matted import cli

EXAMPLES = [
    line.strip()
    for name, text in vars(cli).items()
    if name.endswith("_EXAMPLES")
    for line in text.splitlines()
    if line.strip().startswith("matted ")
]


@pytest.fixture
def shot(tmp_path, monkeypatch):
    """A shot laid out as the help's examples say, in the current folder."""
    monkeypatch.chdir(tmp_path)
    write_plate(tmp_path / "shots" / "hero", range(1001, 1007))
    for name in ("hero", "dog"):
        write_masks(tmp_path / "roto" / name, [1001, 1005], row=int(name == "dog"))
    return tmp_path


def matted(*arguments):
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def commands(group=cli.main, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


@pytest.mark.parametrize("example", EXAMPLES)
def test_when_an_example_of_the_help_is_parsed_then_its_command_takes_every_option(example):
    words = shlex.split(example)[1:]
    known = dict(commands())
    path = next(path for path in known if tuple(words[: len(path)]) == path)

    context = known[path].make_context("matted", words[len(path) :])

    assert context.params


def test_when_help_is_asked_then_every_command_ends_with_examples():
    for path, command in commands():
        if path != ("weights", "fetch"):
            assert "Examples:" in matted(*path, "--help").output, path
        assert command.help, path


def test_when_propagated_then_json_is_the_result_and_the_files_are_there(shot):
    result = matted(
        "propagate",
        "shots/hero",
        "--object",
        "hero=roto/hero",
        "--object",
        "dog=roto/dog",
        "--out",
        "mattes",
        "--json",
        "--device",
        "cpu",
    )

    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["objects"] == ["dog", "hero"]
    assert set(told["confidence"]) == {str(frame) for frame in range(1001, 1007)}
    assert len(list((shot / "mattes/v001/hero").glob("hero.*.exr"))) == 6


def test_when_propagated_then_a_person_reads_where_the_mattes_are_and_what_to_mask_next(shot):
    result = matted("propagate", "shots/hero", "--keyframes", "roto/hero", "--out", "mattes", "--device", "cpu")

    assert result.exit_code == 0, result.output
    assert "6 frames in" in result.stderr
    assert re.search(r"Mask next: frame 100\d|No frame stands out", result.stderr)


def test_when_suggesting_then_json_lists_frames_with_reasons(shot):
    result = matted("suggest", "shots/hero", "--keyframes", "roto/hero", "--count", "2", "--json", "--device", "cpu")

    assert result.exit_code == 0, result.output
    for suggestion in json.loads(result.stdout):
        assert suggestion["frame"] in range(1001, 1007)
        assert suggestion["frame"] not in (1001, 1005)
        assert suggestion["reason"]


def test_when_mattes_are_scored_against_themselves_then_they_are_perfect(shot):
    result = matted("score", "roto/hero", "roto/hero", "--json")

    told = json.loads(result.stdout)
    assert (told["frames"], told["j"], told["f"], told["j_and_f"]) == (2, 1, 1, 1)


def test_when_weights_are_listed_and_verified_then_lite_is_here():
    rows = json.loads(matted("weights", "list", "--json").stdout)
    report = json.loads(matted("weights", "verify", "lite", "--json").stdout)

    assert {row["name"]: row["state"] for row in rows}["lite"] == "here"
    assert report["name"] == "lite"
    assert len(report["sha256"]) == 64


def test_when_the_machine_is_checked_then_every_lack_has_a_remedy():
    result = matted("check", "--json")

    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert {"GPU", "weights lite", "weights xmem", "OpenImageIO", "OCIO config", "disk"} <= set(findings)
    assert all(finding["remedy"] for finding in findings.values() if not finding["ok"])
    assert findings["weights lite"]["ok"]


def test_when_ocio_names_no_config_then_check_says_so_and_fails(monkeypatch):
    monkeypatch.setenv("OCIO", "/nowhere/config.ocio")

    result = matted("check", "--json")

    finding = next(f for f in json.loads(result.stdout) if f["name"] == "OCIO config")
    assert result.exit_code == 1
    assert not finding["ok"]
    assert "/nowhere/config.ocio" in finding["found"]


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C reaches a whole console on Windows")
@pytest.mark.slow
def test_when_ctrl_c_is_pressed_then_it_stops_within_a_frame_and_the_same_command_finishes(shot):
    write_plate(shot / "long", range(1, 120))
    write_masks(shot / "long-masks", [])
    os.link(shot / "roto/hero/mask.1001.exr", shot / "long-masks" / "mask.0001.exr")
    command = [
        sys.executable,
        "-m",
        "matted",
        "propagate",
        "long",
        "--keyframes",
        "long-masks",
        "--out",
        "out",
        "--device",
        "cpu",
        "--suggest",
        "0",
    ]
    running = subprocess.Popen(command, cwd=shot, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list((shot / "out").rglob("matte.*.exr"))) < 5:
        assert running.poll() is None and time.monotonic() < deadline, running.stderr.read()
        time.sleep(0.01)

    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=60)[1]

    made = len(list((shot / "out").rglob("matte.*.exr")))
    assert running.returncode == 1
    assert "same command" in said
    assert 5 <= made < 119
    again = subprocess.run([*command, "--json"], cwd=shot, capture_output=True, text=True, timeout=100)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["computed"] == 119 - made


def test_when_asked_from_another_folder_then_it_is_the_same_job(shot, monkeypatch):
    options = ["--suggest", "0", "--device", "cpu", "--json"]
    first = json.loads(matted("propagate", "shots/hero", "--keyframes", "roto/hero", "--out", "out", *options).output)
    monkeypatch.chdir(shot / "shots")

    again = matted("propagate", "hero", "--object", "hero=../roto/hero", "--out", "../out", *options)
    same = matted("propagate", "../shots/hero", "--keyframes", "../roto/hero", "--out", shot / "out", *options)

    assert json.loads(same.output) == {**first, "computed": 0}
    assert json.loads(again.output)["folder"] == str(shot / "out" / "v002")  # another name is another job


def test_when_the_device_lacks_memory_then_what_was_given_up_is_told(shot, monkeypatch):
    from matted.batch import degrade
    from matted.network.lite import Lite

    segment, heights = Lite.segment, []

    def tight(self, features, readout, sensory):
        heights.append(features.key.shape[1])
        if features.key.shape[1] == heights[0]:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        return segment(self, features, readout, sensory)

    monkeypatch.setattr(degrade, "SMALLEST", 20)
    monkeypatch.setattr(Lite, "segment", tight)
    result = matted("propagate", "shots/hero", "--keyframes", "roto/hero", "--out", "out", "--device", "cpu")

    assert result.exit_code == 0, result.output
    assert "The device ran out of memory at frame 1002" in result.output
    assert "48 pixels in place of 64" in result.output
