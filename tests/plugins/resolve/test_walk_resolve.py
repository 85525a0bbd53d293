"""The whole walk, installed as an artist installs it: menu script, companion and daemon are processes of their own."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes import drawn_plate
from fakes.running_daemon import DaemonProcess
from matted_protocol.errors import DaemonError

TESTS = Path(__file__).parents[2]
ROOT = TESTS.parent
INSTALLED = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
SEATS = {"Studio 19.1.3": "3.9", "Studio 20.3.2": "", "Studio 21.1.0": "", "free 20.3.2": ""}
"""A Resolve, and the Python that lies in its menu's way: 3.9, or this one."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with DaemonProcess(tmp_path_factory.mktemp("daemon")) as running:  # the plugin starts it
        yield running
        with contextlib.suppress(DaemonError):
            running.client().shutdown()


def python_of(version, folder):
    """A Python of this version with what the stand-in Resolve needs, and nothing of matted's."""
    if not version:
        return sys.executable
    found = sorted(INSTALLED.glob(f"{version}.*/bin/python"))
    if not found:
        pytest.skip(f"there is no Python {version} in {INSTALLED}")
    subprocess.run([found[-1], "-m", "venv", folder], check=True, timeout=120)
    made = folder / "bin" / "python"
    pip = [made, "-m", "pip", "install", "-q", "--only-binary", ":all:", "numpy", "OpenImageIO", "fusionscript-stubs"]
    pip = subprocess.run(pip, capture_output=True, text=True, timeout=300)
    if pip.returncode:
        pytest.skip(f"pip cannot install what the stand-in Resolve needs: {pip.stderr.strip().splitlines()[-1]}")
    return made


@pytest.mark.parametrize("seat", SEATS)
def test_when_the_installed_script_is_started_then_the_walk_goes_through(daemon, tmp_path, seat):
    edition, version = seat.lower().split()
    home, scripts = tmp_path / "home", tmp_path / "home" / "Fusion" / "Scripts"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MATTED_CONNECTION_FILE")}
    own = {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "MATTED_CONNECTION_FILE": str(daemon.file)}
    own = {**kept, **own, "BROWSER": "true"}
    subprocess.run(
        [sys.executable, ROOT / "install.py", "resolve", "--resolve-dir", scripts, "--venv", sys.prefix],
        env=own,
        check=True,
        timeout=120,
    )
    python = python_of(SEATS[seat], tmp_path / "python")

    plate = drawn_plate.write(tmp_path / "plate")
    made = subprocess.run(
        [python, TESTS / "fakes" / "resolve_walk.py", home, plate, edition, version, scripts / "Utility" / "Matted.py"],
        env={**own, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    told = json.loads(made.stdout.splitlines()[-1])

    assert told["python"].startswith(SEATS[seat]) and told["plugin"].startswith(str(scripts)), told
    assert told["client"] == [] and told["unknown"] == [] and told["errors"] == []
    assert told["worst"] < 0.04 and len(told["mattes"]) == 1 and str(home / "matted") in told["mattes"][0]
    assert told["suggestions"] and told["reasons"]
    assert told["as before"] and told["saves"] == 0
    said = f"{'DaVinci Resolve Studio' if edition == 'studio' else 'DaVinci Resolve'} {version}, Color page."
    assert told["lines"][0].endswith(said), told["lines"]
