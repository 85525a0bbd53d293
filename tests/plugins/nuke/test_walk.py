"""The whole walk, installed as an artist installs it, on the Pythons of Nuke 14, 15 and 16 and a real daemon process."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes import drawn_plate
from fakes.drawn_plate import FIRST, LAST
from fakes.running_daemon import DaemonProcess
from matted_protocol.errors import DaemonError

TESTS = Path(__file__).parents[2]
ROOT = TESTS.parent
INSTALLED = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
NUKES = {"14.1.8": "3.9", "15.1.5": "3.10", "16.0.9": "3.11"}
"""A build of Nuke, and the Python inside it."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with DaemonProcess(tmp_path_factory.mktemp("daemon")) as running:  # the plugin starts it
        yield running
        with contextlib.suppress(DaemonError):
            running.client().shutdown()


def check(told):
    """What every walk must have come to."""
    assert told["state"] == "done" and told["done"] == LAST - FIRST + 1
    assert told["keyframes"] == [FIRST, LAST]
    assert told["file"].endswith("/matted/shot/Matted1/v001/hero/hero.%04d.exr")
    assert told["suggestions"] and told["worst"] < 0.04
    assert told["undo"] == ["Matted: Propagate"]
    assert told["handles"] <= 8
    assert told["messages"] == []


def interpreter(version):
    found = sorted(INSTALLED.glob(f"{version}.*/bin/python"))
    if not found:
        pytest.skip(f"there is no Python {version} in {INSTALLED}")
    return found[-1]


def run(*command, **environment):
    """Run to the end; returns what was printed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    made = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=300, env={**kept, **environment}
    )
    assert made.returncode == 0, made.stderr[-3000:]
    return made.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("nuke", NUKES)
def test_when_the_installed_plugin_runs_on_nukes_python_then_the_walk_goes_through(daemon, tmp_path, nuke):
    python = tmp_path / "python"
    run(interpreter(NUKES[nuke]), "-m", "venv", python)
    made = python / "bin" / "python"
    install = [made, "-m", "pip", "install", "-q", "--only-binary", ":all:", "numpy", "OpenImageIO"]
    qt = ["PySide6-Essentials>=6.5,<6.12"] if nuke.startswith("16") else []
    pip = subprocess.run(list(map(str, [*install, *qt])), capture_output=True, text=True, timeout=300)
    if pip.returncode:
        pytest.skip(f"pip cannot install what the stand-in Nuke needs: {pip.stderr.strip().splitlines()[-1]}")
    home = tmp_path / "home"
    (home / ".nuke").mkdir(parents=True)
    major = nuke.split(".")[0]
    run(sys.executable, ROOT / "install.py", "nuke", "--nuke-dir", home / ".nuke", "--nuke", major)

    told = json.loads(
        run(
            made,
            TESTS / "fakes" / "nuke_walk.py",
            home,
            drawn_plate.write(tmp_path / "plate"),
            nuke,
            "installed",
            PYTHONPATH=str(TESTS),
            MATTED_CONNECTION_FILE=str(daemon.file),
            XDG_DATA_HOME=str(tmp_path / "data"),
            QT_QPA_PLATFORM="offscreen",
        ).splitlines()[-1]
    )

    check(told)
    assert told["python"].startswith(NUKES[nuke] + ".")
    assert told["plugin"].startswith(str(home)) and told["zmq"].startswith(str(home))
