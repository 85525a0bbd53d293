"""The installer explains what goes wrong; no test here reaches a network or installs a package."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "install.py"
INTERPRETERS = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3"))

NO_ROOM = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
NO_NETWORK = (
    "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(<pip._vendor.urllib3.connection."
    "HTTPSConnection object>: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')'\n"
    "ERROR: Could not find a version that satisfies the requirement torch>=2.6 (from matted)\n"
    "ERROR: No matching distribution found for torch>=2.6"
)
NO_TRUST = (
    "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed')) - skipping"
)
NO_TORCH = "ERROR: No matching distribution found for torch>=2.6"
NO_RIGHT = "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/usr/lib/x'"


@pytest.fixture
def installer():
    spec = importlib.util.spec_from_file_location("installer", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("words", "happened", "remedy"),
    [
        (NO_ROOM, "disk is full", "--venv"),
        (NO_NETWORK, "could not be reached", "network"),
        (NO_TRUST, "certificate", "PIP_CERT"),
        (NO_TORCH, "no build for this Python", "3.12"),
        (NO_RIGHT, "may not be written", "--venv"),
        ("ERROR: something new", "something new", "again"),
    ],
)
def test_when_pip_fails_then_its_words_are_explained_with_a_remedy(installer, words, happened, remedy):
    failing = [sys.executable, "-c", f"print({words!r}); raise SystemExit(1)"]

    with pytest.raises(installer.Problem) as problem:
        installer.pip(failing)

    assert happened in problem.value.happened
    assert remedy in problem.value.remedy


def test_when_pip_downloads_then_large_packages_and_installing_are_told(installer, capsys):
    lines = [
        "Collecting torch>=2.6 (from matted==0.1.0)",
        "  Downloading torch-2.15.0-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (29 kB)",
        "Downloading torch-2.15.0-cp311-cp311-manylinux_2_28_x86_64.whl (812.3 MB)",
        "Downloading click-8.1.7-py3-none-any.whl (97 kB)",
        "Installing collected packages: mpmath, torch, matted",
    ]

    installer.pip([sys.executable, "-c", "\n".join(f"print({line!r})" for line in lines)])

    told = capsys.readouterr().out
    assert "downloading torch 2.15.0 (812.3 MB)" in told
    assert "installing 3 packages" in told
    assert "click" not in told
    assert told.count("torch") == 1


@pytest.mark.skipif(not INTERPRETERS, reason="no other interpreters here")
@pytest.mark.parametrize("python", INTERPRETERS, ids=lambda python: python.parents[1].name)
def test_when_started_on_a_real_interpreter_then_39_and_later_show_the_help(python):
    version = tuple(int(part) for part in python.parents[1].name.split(".")[:2])
    if version < (3, 9):
        pytest.skip("older than 3.9")

    shown = subprocess.run([str(python), str(SOURCE), "--help"], capture_output=True, text=True, timeout=60)

    assert shown.returncode == 0, shown.stderr
    assert "demo" in shown.stdout


@pytest.mark.skipif(not any("3.9." in str(python) for python in INTERPRETERS), reason="no Python 3.9 here")
def test_when_python_is_too_old_and_no_other_is_there_then_it_says_which_to_install(tmp_path):
    old = next(python for python in INTERPRETERS if "3.9." in str(python))

    told = subprocess.run(
        [str(old), str(SOURCE), "demo", "--venv", str(tmp_path / "venv")],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PATH": str(tmp_path)},
    )

    assert told.returncode == 1
    assert "This is Python 3.9" in told.stderr
    assert "Install Python 3.12" in told.stderr
    assert not (tmp_path / "venv").exists()


def stub(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands for the interpreter")
def test_when_the_python_lacks_venv_then_the_package_to_install_is_named(installer, tmp_path):
    python = stub(
        tmp_path / "python",
        'case "$1" in -c) echo 3 11;; *) echo "The virtual environment was not created successfully because'
        ' ensurepip is not available."; exit 1;; esac',
    )

    with pytest.raises(installer.Problem) as problem:
        installer.make_venv(python, tmp_path / "venv")

    assert "python3.11-venv" in problem.value.remedy


def test_when_the_disk_is_nearly_full_then_nothing_is_begun(installer, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12 - 10**9, 10**9))

    with pytest.raises(installer.Problem, match=r"0\.9 GiB"):
        installer.check_disk(tmp_path / "not" / "there")


def test_when_the_folder_holds_other_things_then_it_is_left_alone(installer, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(installer.Problem, match="other things"):
        installer.make_venv(sys.executable, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_when_installed_then_it_is_up_to_date_until_the_source_or_the_extras_change(installer, tmp_path, monkeypatch):
    python = installer.venv_python(tmp_path)
    python.parent.mkdir(parents=True)
    python.touch()
    stamp = {"source": installer.source_digest(), "extras": ["dev"]}
    (tmp_path / installer.STAMP).write_text(json.dumps(stamp))

    assert installer.up_to_date(tmp_path, [])
    assert installer.up_to_date(tmp_path, ["dev"])
    assert not installer.up_to_date(tmp_path, ["dev", "movie"])
    monkeypatch.setattr(installer, "source_digest", lambda: "changed")
    assert not installer.up_to_date(tmp_path, [])


def test_when_the_stamp_is_torn_then_it_installs_again(installer, tmp_path):
    (tmp_path / installer.STAMP).write_text('{"source": "')

    assert not installer.up_to_date(tmp_path, [])


@pytest.mark.parametrize("arguments", [[], ["paint"], ["demo", "--colour"], ["--weights", "other"]])
def test_when_the_command_is_not_understood_then_the_exit_code_is_2(arguments):
    told = subprocess.run([sys.executable, str(SOURCE), *arguments], capture_output=True, text=True, timeout=60)

    assert told.returncode == 2


def test_when_a_test_run_is_asked_for_then_options_reach_pytest(installer):
    asked = installer.parse(["test", "-q", "--co", "--venv", "there"])

    assert asked.pytest == ["-q", "--co"]
    assert asked.venv == "there"
