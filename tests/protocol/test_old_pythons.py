"""The client on every Python a host may bring, all against one daemon."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import matted_protocol
from fakes import whole_shot
from matted_protocol.connection import VARIABLE, read_connection

VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
SOURCE = Path(matted_protocol.__file__).parents[1]
INSTALLED = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"


def interpreter(version):
    """A real interpreter of this version, if there is one here."""
    found = sorted(INSTALLED.glob(f"{version}.*/bin/python"))
    return found[-1] if found else None


@pytest.fixture(scope="session", params=VERSIONS)
def python(request, tmp_path_factory):
    """The interpreter of a fresh environment that has pyzmq and msgpack and nothing else."""
    base = interpreter(request.param)
    if base is None:
        pytest.skip(f"there is no Python {request.param} in {INSTALLED}")
    folder = tmp_path_factory.mktemp(f"python{request.param}")
    subprocess.run([base, "-m", "venv", folder], check=True, capture_output=True, timeout=120)
    made = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    command = [
        made,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        "pyzmq>=25",
        "msgpack>=1.0.2",
    ]
    install = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if install.returncode:
        pytest.skip(f"pip cannot install pyzmq and msgpack here: {install.stderr.strip().splitlines()[-1]}")
    return made


def run_whole_shot(python, file, plate, mask, folder):
    """Run the whole shot of :mod:`fakes.whole_shot` on this interpreter against the daemon of ``file``."""
    command = [python, "-W", "error", whole_shot.__file__, file, plate, mask, folder]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    made = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, env=environment)
    assert (made.returncode, made.stderr) == (0, "")
    return json.loads(made.stdout)


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """The real daemon, with its connection file, a plate and a mask of it."""
    pytest.importorskip("matted.service.daemon")
    from fakes import drawn_shot

    folder = tmp_path_factory.mktemp("served")
    file = folder / "daemon.json"
    environment = {**os.environ, VARIABLE: str(file)}
    command = [sys.executable, "-m", "matted", "serve", "--device", "cpu"]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        end = time.monotonic() + 60
        while not (file.exists() and read_connection(file).endpoint):
            assert process.poll() is None, (folder / "output").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        drawn_shot.write_masks(folder, [1001])
        yield file, drawn_shot.write_plate(folder / "plate"), folder / "mask.1001.exr"
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_when_an_old_python_talks_to_the_real_daemon_then_the_mattes_come(python, served, tmp_path):
    told = run_whole_shot(python, *served, tmp_path / "mattes")

    assert told["files"] == [f"hero/hero.{frame}.exr" for frame in range(1001, 1017)]
    assert (told["again"], told["pixels"], told["refused"]) == (True, 2, "shot_missing")
    assert told["matte"] > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_when_a_host_brings_an_old_python_then_the_client_does_a_whole_shot_on_it(python, daemon, file, tmp_path):
    told = run_whole_shot(python, file, "/plates/a.####.exr", "/masks/hero.1001.png", tmp_path / "mattes")

    assert told["files"] == [f"hero/hero.{frame}.exr" for frame in range(1001, 1011)]
    assert told["instance"] == daemon.instance
    assert (told["again"], told["refused"]) == (True, "shot_missing")


def test_when_the_whole_shot_is_run_on_this_python_then_it_does(daemon, file, tmp_path):
    told = run_whole_shot(sys.executable, file, "/plates/a.####.exr", "/masks/hero.1001.png", tmp_path / "mattes")

    assert (told["frames"], told["pixels"], told["refused"]) == (10, 2, "shot_missing")
