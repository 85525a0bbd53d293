"""install.py as a newcomer meets it: real interpreters, and pip's real words when things go wrong."""

import importlib.util
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

INSTALL = Path(__file__).resolve().parents[1] / "install.py"
needs_posix = pytest.mark.skipif(os.name == "nt", reason="stand-in programs are shell scripts")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """The script as a module, standing in a small project of its own."""
    spec = importlib.util.spec_from_file_location("install_under_test", INSTALL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text("[project]\nname = 'matted'\n")
    monkeypatch.setattr(module, "HERE", project)
    monkeypatch.setattr(module, "DISK_GB", 0.001)
    return module


def program(path, *lines):
    """A shell script that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def fake_environment(venv, *pip):
    """An environment whose Python answers its version, and does ``pip`` when asked for anything else."""
    venv.mkdir(parents=True, exist_ok=True)
    (venv / "pyvenv.cfg").write_text("home = /usr/bin\n")
    answer = f'case "$1" in -c) exec {sys.executable} "$@";; esac'
    program(venv / "bin" / "python", f'echo "$@" >> {venv}/calls', answer, *(pip or ["exit 0"]))
    return venv


def pips(venv):
    return [line for line in (venv / "calls").read_text().splitlines() if "pip install" in line]


def old_python():
    """A real Python 3.9, which is too old for torch and new enough to say so."""
    found = [shutil.which("python3.9"), *map(str, Path.home().glob(".pyenv/versions/3.9.*/bin/python3.9"))]
    return next((path for path in found if path and subprocess.run([path, "--version"]).returncode == 0), None)


def test_when_python_3_9_is_all_there_is_then_it_says_what_to_install(tmp_path):
    python = old_python()
    if python is None:
        pytest.skip("no Python 3.9 here")
    code = (
        f"import importlib.util as u; s = u.spec_from_file_location('i', {str(INSTALL)!r});"
        "m = u.module_from_spec(s); s.loader.exec_module(m); m.candidates = lambda: iter(());"
        f"raise SystemExit(m.main(['demo', '--venv', {str(tmp_path / 'venv')!r}]))"
    )

    done = subprocess.run([python, "-c", code], capture_output=True, text=True)

    assert done.returncode == 1
    assert "Python 3.9" in done.stderr
    assert "needs Python 3.10" in done.stderr
    assert "--python" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "venv").exists()


@needs_posix
def test_when_python_3_9_starts_it_then_a_newer_one_on_the_path_is_used(tmp_path):
    python = old_python()
    if python is None:
        pytest.skip("no Python 3.9 here")
    newer = program(tmp_path / "bin" / "python3.12", f'exec {sys.executable} "$@"')
    code = (
        f"import importlib.util as u; s = u.spec_from_file_location('i', {str(INSTALL)!r});"
        "m = u.module_from_spec(s); s.loader.exec_module(m); print(m.find_python(None))"
    )

    done = subprocess.run(
        [python, "-c", code], env={"HOME": str(tmp_path), "PATH": str(newer.parent)}, capture_output=True, text=True
    )

    assert done.stdout.splitlines()[-1] == str(newer), done.stderr
    assert "too old" in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["test", "--help"]])
def test_when_help_is_asked_then_it_needs_nothing_installed(arguments, tmp_path):
    interpreter = old_python() or sys.executable
    done = subprocess.run(
        [interpreter, "-S", "-E", str(INSTALL), *arguments], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0
    assert "--venv" in done.stdout


def test_when_an_option_is_unknown_then_it_is_wrong_usage(install):
    with pytest.raises(SystemExit) as error:
        install.main(["demo", "--fast"])
    assert error.value.code == 2


def test_when_testing_then_unknown_options_are_pytests(install):
    options = install.parse(["test", "-k", "score", "--venv", "elsewhere", "tests/backend"])
    assert options.pytest == ["-k", "score", "tests/backend"]
    assert options.venv == Path("elsewhere").absolute()


@pytest.mark.parametrize("arguments", [["--venv", "x", "demo"], ["demo", "--venv", "x"]])
def test_when_an_option_stands_before_or_after_the_command_then_it_is_read(install, arguments):
    assert install.parse(arguments).venv == Path("x").absolute()


# What pip 23 to 26 print, cut to the lines that matter.
FAILURES = {
    "disk": (
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        "disk is full",
        "Free some space",
    ),
    "disk on Windows": (
        "ERROR: Could not install packages due to an OSError: [WinError 112] There is not enough space on the disk",
        "disk is full",
        "--venv DIR",
    ),
    "no name server": (
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<HTTPSConnection>: Failed to "
        "establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/click/\n"
        "ERROR: Could not find a version that satisfies the requirement click (from versions: none)\n"
        "ERROR: No matching distribution found for click",
        "could not be reached",
        "HTTPS_PROXY",
    ),
    "timeout": (
        "pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool(host='index', port=443): Read timed out.",
        "too slow",
        "PIP_DEFAULT_TIMEOUT",
    ),
    "certificate": (
        "Could not fetch URL: There was a problem confirming the ssl certificate: [SSL: CERTIFICATE_VERIFY_FAILED] "
        "certificate verify failed: self-signed certificate in certificate chain - skipping",
        "certificate",
        "PIP_CERT",
    ),
    "proxy": (
        "WARNING: Retrying after connection broken by 'ProxyError('Cannot connect to proxy.', OSError('Tunnel connection "
        "failed: 407 Proxy Authentication Required'))'",
        "proxy refused",
        "user and password",
    ),
    "no torch": (
        "ERROR: Could not find a version that satisfies the requirement torch>=2.6 (from matted) (from versions: none)\n"
        "ERROR: No matching distribution found for torch>=2.6",
        "no torch for Python",
        "--python",
    ),
    "no right": (
        "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/opt/venv/bin/click'",
        "cannot be written",
        "--venv DIR",
    ),
    "damaged": (
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
        "damaged",
        "pip cache purge",
    ),
    "unheard of": ("something\nERROR: the moon is in the wrong house", "moon", "matted-install.log"),
}


@needs_posix
@pytest.mark.parametrize("case", FAILURES)
def test_when_pip_fails_then_the_reason_and_the_remedy_are_told(install, tmp_path, capsys, case):
    words, what, remedy = FAILURES[case]
    (tmp_path / "words").write_text(words)
    venv = fake_environment(tmp_path / "venv", f"cat {tmp_path}/words >&2", "exit 1")

    code = install.main(["--venv", str(venv)])

    told = capsys.readouterr().err
    assert code == 1
    assert what in told
    assert remedy in told
    assert words.splitlines()[-1] in (venv / "matted-install.log").read_text()
    assert not (venv / "matted-install.json").exists()


@needs_posix
def test_when_installed_before_then_pip_is_not_asked_again(install, tmp_path):
    venv = fake_environment(tmp_path / "venv")
    assert install.main(["--venv", str(venv)]) == 0
    assert install.main(["--venv", str(venv)]) == 0
    assert len(pips(venv)) == 1


@needs_posix
def test_when_the_project_changed_then_it_is_installed_anew(install, tmp_path):
    venv = fake_environment(tmp_path / "venv")
    install.main(["--venv", str(venv)])
    (install.HERE / "pyproject.toml").write_text("[project]\nname = 'matted'\ndependencies = ['click']\n")
    install.main(["--venv", str(venv)])
    assert len(pips(venv)) == 2


@needs_posix
def test_when_tests_were_installed_then_the_demo_needs_no_more_and_a_change_keeps_them(install, tmp_path):
    venv = fake_environment(tmp_path / "venv")
    install.make_environment(venv, {"dev"})
    install.make_environment(venv, set())
    assert len(pips(venv)) == 1
    (install.HERE / "pyproject.toml").write_text("changed")
    install.make_environment(venv, set())
    assert pips(venv)[1].endswith("[dev]")


@needs_posix
def test_when_an_installation_failed_then_the_next_run_tries_again(install, tmp_path):
    venv = fake_environment(tmp_path / "venv", "exit 1")
    assert install.main(["--venv", str(venv)]) == 1
    fake_environment(venv)
    assert install.main(["--venv", str(venv)]) == 0


@needs_posix
def test_when_pip_works_then_packages_are_shown_with_their_sizes(install, tmp_path, capsys):
    lines = [
        "Collecting torch>=2.6",
        "  Downloading torch-2.15.0-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (29 kB)",
        "Downloading torch-2.15.0-cp311-cp311-manylinux_2_28_x86_64.whl (539.1 MB)",
        "Using cached click-8.5.1-py3-none-any.whl (98 kB)",
        "Installing collected packages: torch, click, matted",
    ]
    venv = fake_environment(tmp_path / "venv", *(f"echo '{line}'" for line in lines))

    install.main(["--venv", str(venv)])

    told = capsys.readouterr().out
    assert "torch 2.15.0 (539.1 MB)" in told
    assert "click 8.5.1 (98 kB)" in told
    assert "unpacking 3 packages" in told
    assert "29 kB" not in told


@needs_posix
def test_when_the_demo_is_asked_for_then_the_environment_runs_it_and_its_exit_code_is_ours(install, tmp_path):
    venv = fake_environment(tmp_path / "venv", 'case "$2" in matted) exit 7;; esac')
    assert install.main(["demo", str(tmp_path / "shot"), "--venv", str(venv)]) == 7
    assert (venv / "calls").read_text().splitlines()[-1] == f"-m matted demo {tmp_path / 'shot'}"


@needs_posix
def test_when_weights_are_asked_for_then_they_are_fetched_before_the_demo(install, tmp_path):
    venv = fake_environment(tmp_path / "venv")
    install.main(["demo", "--weights", "xmem", "--venv", str(venv)])
    calls = [line for line in (venv / "calls").read_text().splitlines() if line.startswith("-m matted")]
    assert calls[0] == "-m matted weights fetch xmem"
    assert calls[1].startswith("-m matted demo")


@needs_posix
def test_when_fetching_weights_fails_then_nothing_else_is_run(install, tmp_path):
    venv = fake_environment(tmp_path / "venv", 'case "$3" in weights) exit 1;; esac')
    assert install.main(["demo", "--weights", "xmem", "--venv", str(venv)]) == 1
    assert "demo" not in (venv / "calls").read_text()


@needs_posix
def test_when_python_comes_without_venv_then_debians_package_is_named(install, tmp_path, capsys):
    python = program(
        tmp_path / "python",
        'case "$2" in *ensurepip*) echo "No module named ensurepip" >&2; exit 1;; esac',
        f'exec {sys.executable} "$@"',
    )
    code = install.main(["--venv", str(tmp_path / "venv"), "--python", str(python)])
    told = capsys.readouterr().err
    assert code == 1
    assert "without the venv module" in told
    assert f"python3.{sys.version_info[1]}-venv" in told


@needs_posix
def test_when_debian_stops_halfway_for_want_of_ensurepip_then_the_same_is_told(install, tmp_path, capsys):
    said = "The virtual environment was not created successfully because ensurepip is not available."
    python = program(
        tmp_path / "python", f'case "$2" in venv) echo "{said}"; exit 1;; esac', f'exec {sys.executable} "$@"'
    )
    assert install.main(["--venv", str(tmp_path / "venv"), "--python", str(python)]) == 1
    assert "sudo apt install" in capsys.readouterr().err


def test_when_the_folder_holds_something_else_then_it_is_left_alone(install, tmp_path, capsys):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "roto.nk").write_text("precious")

    code = install.main(["--venv", str(tmp_path / "work")])

    assert code == 1
    assert "no Python environment" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["roto.nk"]


def test_when_the_disk_is_too_small_then_it_says_so_before_it_starts(install, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(install, "DISK_GB", 1e6)
    code = install.main(["--venv", str(tmp_path / "deep" / "venv")])
    told = capsys.readouterr().err
    assert code == 1
    assert str(tmp_path) in told
    assert "1000000 GB" in told
    assert not (tmp_path / "deep").exists()


@needs_posix
def test_when_the_temporary_folder_is_too_small_then_downloads_go_beside_the_environment(
    install, tmp_path, monkeypatch
):
    venv = fake_environment(tmp_path / "venv", f"echo $TMPDIR > {tmp_path}/told")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        install.shutil,
        "disk_usage",
        lambda path: usage if "venv" in str(path) else usage._replace(free=0),
    )

    install.main(["--venv", str(venv)])

    assert (tmp_path / "told").read_text().startswith(str(venv))
    assert not list(venv.glob("downloads-*"))


def test_when_the_script_stands_alone_then_it_asks_for_the_whole_project(install, tmp_path, capsys):
    (install.HERE / "pyproject.toml").unlink()
    assert install.main(["--venv", str(tmp_path / "venv")]) == 1
    assert "complete folder" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["/nowhere/python", "true"])
def test_when_the_python_named_does_not_start_then_it_is_refused(install, tmp_path, capsys, given):
    assert install.main(["--venv", str(tmp_path / "venv"), "--python", given]) == 1
    assert given in capsys.readouterr().err


@needs_posix
def test_when_the_stamp_is_broken_then_it_is_installed_again(install, tmp_path):
    venv = fake_environment(tmp_path / "venv")
    (venv / "matted-install.json").write_text("[1, 2")
    assert install.main(["--venv", str(venv)]) == 0
    assert json.loads((venv / "matted-install.json").read_text())["extras"] == []


@needs_posix
def test_when_stopped_while_installing_then_it_ends_at_once_without_a_traceback(tmp_path):
    venv = fake_environment(tmp_path / "venv", f"touch {tmp_path}/started", "exec sleep 60")
    running = subprocess.Popen(
        [sys.executable, str(INSTALL), "--venv", str(venv)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)

    os.killpg(running.pid, signal.SIGINT)
    _, told = running.communicate(timeout=30)

    assert running.returncode == 130
    assert "Run the same command again" in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_when_the_index_cannot_be_reached_then_a_real_environment_says_so(install, tmp_path, capsys, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1", "PIP_CONFIG_FILE": os.devnull}
    for name, value in nowhere.items():
        monkeypatch.setenv(name, value)
    (install.HERE / "pyproject.toml").write_text(
        "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n"
        "[project]\nname = 'matted'\nversion = '0'\n"
    )

    code = install.main(["--venv", str(tmp_path / "venv")])

    told = capsys.readouterr()
    assert code == 1
    assert "Making the environment" in told.out
    assert "could not be reached" in told.err


@pytest.mark.slow
def test_when_the_environment_lost_its_python_then_it_is_made_anew(install, tmp_path):
    venv = tmp_path / "venv"
    install.create(venv, sys.executable)
    inside = install.script_folder(venv) / Path("python.exe" if os.name == "nt" else "python")
    assert install.version_of(inside) == sys.version_info[:2]
    inside.unlink()
    (venv / "left-over").write_text("")

    install.create(venv, sys.executable)

    assert install.version_of(inside) == sys.version_info[:2]
    assert not (venv / "left-over").exists()
