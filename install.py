#!/usr/bin/env python3
"""Install matted beside its source, and try it.

    python install.py demo            an environment, a drawn shot, its mattes, a score and a contact sheet
    python install.py test            the same environment with the development tools, then the test suite
    python install.py --weights xmem  also download XMem's weights from their authors

Needs Python 3.9 or later to start, and nothing but its standard library; matted itself runs on 3.10 or later, which is
looked for when this Python is older. Run it again at any time: what is there already is left as it is.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

HERE = Path(__file__).resolve().parent
OLDEST = (3, 10)
NEWEST = (3, 14)
GIB = 2**30
NEEDED = (8 if sys.platform == "linux" else 3) * GIB
"""Disk for the environment; on Linux torch brings the CUDA libraries."""

MISLEADING = ("PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX")
"""Settings of the user's that would lead pip out of the environment."""

STAMP = "matted-install.json"
EXTRAS: dict[str, tuple[str, ...]] = {"demo": (), "test": ("dev", "movie")}

FAILURES = (
    (
        r"No space left on device|Errno 28|not enough space on the disk",
        "The disk is full.",
        "Free about 8 GB there, or put the environment elsewhere with --venv DIR, and run this again.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|certificate verify failed",
        "The package index could not be trusted: its certificate does not check out.",
        "Behind a company proxy, set PIP_CERT to its certificate file and run this again.",
    ),
    (
        r"name resolution|getaddrinfo|Name or service not known|nodename nor servname|Connection refused"
        r"|Network is unreachable|No route to host|ProxyError|ConnectTimeout|ReadTimeout|Read timed out"
        r"|Connection reset|Max retries exceeded|RemoteDisconnected|IncompleteRead",
        "The package index could not be reached.",
        "Check the network or proxy (PIP_PROXY, PIP_INDEX_URL) and run this again; what was downloaded is kept.",
    ),
    (
        r"Permission denied|Errno 13|Access is denied",
        "A folder may not be written.",
        "Put the environment where you may write, with --venv DIR.",
    ),
    (
        r"[Rr]equires a different Python|Requires-Python|No matching distribution found for torch",
        "torch has no build for this Python.",
        "Install Python 3.12 and run this again with it: python3.12 install.py …",
    ),
    (
        r"MemoryError|Killed",
        "The machine ran out of memory while installing.",
        "Close other programs, or add swap, and run this again.",
    ),
)
"""What pip's last words mean: pattern, what happened, what to do."""


class Problem(Exception):
    """Something a person has to put right: what happened, and what to do."""

    def __init__(self, happened: str, remedy: str) -> None:
        super().__init__(happened)
        self.happened = happened
        self.remedy = remedy


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Install, then do what was asked; returns the exit code: 0 done, 1 failed, 2 not understood."""
    asked = parse(arguments)
    try:
        python = install(Path(asked.venv).resolve(), asked.what)
        if asked.weights and run([python, "-m", "matted", "weights", "fetch", asked.weights]):
            return 1
        if asked.what == "demo":
            return 1 if run([python, "-m", "matted", "demo", asked.folder]) else 0
        if asked.what == "test":
            return 1 if run([python, "-m", "pytest", *asked.pytest], folder=HERE) else 0
        return 0
    except Problem as problem:
        print(f"\n{problem.happened}\n  -> {problem.remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to go on.", file=sys.stderr)
        return 1


def parse(arguments: Optional[Sequence[str]]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="install.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--venv", default=argparse.SUPPRESS, metavar="DIR", help="the environment [.venv beside this]")
    common.add_argument("--weights", default=argparse.SUPPRESS, choices=["xmem"], help="also download these weights")
    parser.add_argument("--venv", default=str(HERE / ".venv"), metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--weights", default=None, choices=["xmem"], help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="what", metavar="demo | test")
    demo = commands.add_parser("demo", parents=[common], help="draw a shot, matte it, show the result")
    demo.add_argument("folder", nargs="?", default=str(HERE / "demo"), help="where to [demo/ beside this]")
    test = commands.add_parser("test", parents=[common], help="run the test suite")
    test.epilog = "Anything else is passed on to pytest."
    asked, asked.pytest = parser.parse_known_args(arguments)
    if asked.pytest and asked.what != "test":
        parser.error(f"unrecognized arguments: {' '.join(asked.pytest)}")
    if asked.what is None and asked.weights is None:
        parser.print_help()
        raise SystemExit(2)
    return asked


def install(venv: Path, what: Optional[str]) -> str:
    """Bring the environment up to date; returns its Python.

    Raises:
        Problem: anything a person has to put right.
    """
    extras = EXTRAS.get(what or "demo", ())
    python = venv_python(venv)
    if up_to_date(venv, extras):
        return str(python)
    if not python.exists():
        make_venv(find_python(), venv)
    check_disk(venv)
    wanted = f"{HERE}[{','.join(extras)}]" if extras else str(HERE)
    print(f"Installing matted into {venv} (torch is large; this can take minutes)", flush=True)
    with tempfile.TemporaryDirectory(dir=str(venv)) as room:  # /tmp is often too small for torch
        pip([str(python), "-m", "pip", "install", "--no-input", "--progress-bar", "off", "-e", wanted], room)
    known = set(read_stamp(venv).get("extras", [])) if same_source(venv) else set()
    stamp = {"source": source_digest(), "extras": sorted(known | set(extras))}
    (venv / STAMP).write_text(json.dumps(stamp))
    return str(python)


def find_python() -> str:
    """This Python if matted runs on it, else the newest on this machine that does.

    Raises:
        Problem: there is none.
    """
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and version_of(found) == (3, minor):
            print(f"Python {sys.version_info[0]}.{sys.version_info[1]} is not one torch is built for; using {found}")
            return found
    raise Problem(
        f"This is Python {sys.version_info[0]}.{sys.version_info[1]}; matted needs {OLDEST[0]}.{OLDEST[1]} to"
        f" {NEWEST[0]}.{NEWEST[1]}, since torch is built for those, and none is on this machine.",
        "Install Python 3.12 (python.org, your package manager, or pyenv) and run this again with it.",
    )


def version_of(python: str) -> Optional[tuple[int, int]]:
    """Major and minor version of an interpreter; None when it does not start."""
    try:
        said = subprocess.run(
            [python, "-c", "import sys; print(*sys.version_info[:2])"], stdout=subprocess.PIPE, timeout=30, check=True
        ).stdout.split()
        return int(said[0]), int(said[1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def make_venv(python: str, venv: Path) -> None:
    """Make the environment.

    Raises:
        Problem: this Python comes without venv, or the folder cannot be written.
    """
    if venv.exists() and any(venv.iterdir()) and not (venv / "pyvenv.cfg").exists():
        raise Problem(f"{venv} is a folder with other things in it.", "Choose another with --venv DIR.")
    made = subprocess.run(
        [python, "-m", "venv", str(venv)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if made.returncode == 0:
        return
    if re.search(r"No module named '?(venv|ensurepip)|ensurepip is not\s+available", made.stdout):
        version = version_of(python) or OLDEST
        raise Problem(
            f"{python} comes without the venv module.",
            f"On Debian or Ubuntu: sudo apt install python{version[0]}.{version[1]}-venv; then run this again.",
        )
    raise explain(made.stdout, f"{venv} could not be made.")


def check_disk(venv: Path) -> None:
    """Refuse early rather than fail after minutes.

    Raises:
        Problem: too little room.
    """
    free = shutil.disk_usage(str(next(folder for folder in (venv, *venv.parents) if folder.exists()))).free
    have_torch = any(venv.glob("*/*/site-packages/torch")) or any(venv.glob("Lib/site-packages/torch"))
    if free < NEEDED and not have_torch:
        raise Problem(
            f"{venv} has {free / GIB:.1f} GiB of disk left; the environment needs about {NEEDED // GIB}.",
            "Free some space, or put the environment on another disk with --venv DIR.",
        )


def pip(command: list[str], room: Optional[str] = None) -> None:
    """Run pip, unpacking in the folder ``room``, and tell what it is busy with.

    Raises:
        Problem: it failed; its words are explained.
    """
    started = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    environment.update(PYTHONUNBUFFERED="1", PIP_DISABLE_PIP_VERSION_CHECK="1", **({"TMPDIR": room} if room else {}))
    words: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            words.append(line)
            busy = busy_with(line)
            if busy:
                print(f"  {time.monotonic() - started:4.0f} s  {busy}", flush=True)
    if running.returncode:
        raise explain("".join(words), "pip could not install matted.")


def busy_with(line: str) -> Optional[str]:
    """What a line of pip's means for a person; None when nothing."""
    found = re.match(r"\s*Downloading (?:\S*/)?([\w.]+?)-(\d[\w.]*)\S*(?: \((.+)\))?", line)
    if found and not line.rstrip().endswith(".metadata"):
        size = re.sub(r"\.0\b", "", found[3] or "")
        if re.search(r"[MG]B", size):
            return f"downloading {found[1]} {found[2]} ({size})"
        return None
    if line.startswith("Installing collected packages"):
        return f"installing {line.count(',') + 1} packages"
    if line.startswith("Building wheels") or "Preparing editable metadata" in line:
        return "building matted"
    return None


def explain(words: str, happened: str) -> Problem:
    """What the last words of a failed tool mean."""
    for pattern, meaning, remedy in FAILURES:
        if re.search(pattern, words):
            return Problem(meaning, remedy)
    last = "\n".join(words.strip().splitlines()[-15:])
    return Problem(f"{happened} It said:\n{last}", "Put that right and run this again.")


def up_to_date(venv: Path, extras: Sequence[str]) -> bool:
    """Whether the environment already holds what this source needs."""
    return venv_python(venv).exists() and same_source(venv) and set(extras) <= set(read_stamp(venv).get("extras", []))


def same_source(venv: Path) -> bool:
    """Whether the environment was made for this pyproject.toml, in this folder."""
    return read_stamp(venv).get("source") == source_digest()


def read_stamp(venv: Path) -> dict[str, object]:
    """What was installed; empty when nothing, or when that did not end well."""
    try:
        stamp = json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def source_digest() -> str:
    """Tells one source from another: where it lies, and what it depends on."""
    return hashlib.sha256(str(HERE).encode() + (HERE / "pyproject.toml").read_bytes()).hexdigest()


def venv_python(venv: Path) -> Path:
    """The environment's interpreter."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def run(command: Sequence[str], folder: Optional[Path] = None) -> int:
    """Run a command in the open; returns its exit code."""
    sys.stdout.flush()
    return subprocess.call(list(command), cwd=None if folder is None else str(folder))


if __name__ == "__main__":
    raise SystemExit(main())
