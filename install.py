#!/usr/bin/env python3
"""Make matted's environment and start with it: ``python install.py demo``.

Python 3.9 and its standard library are enough to start. matted itself needs a newer Python, which is looked for and
used. Running this again is quick: what is installed and up to date stays as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import platform
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, NoReturn

HERE = Path(__file__).resolve().parent
OLDEST = (3, 10)
BEST_MINORS = (12, 13, 11, 14, 10)
DISK_GB = 8.0 if sys.platform.startswith("linux") else 3.0
LOG = "matted-install.log"
STAMP = "matted-install.json"
EXTRAS = ["movies", "cluster", "timelines"]
EXAMPLES = """examples:
  python install.py demo
  python install.py demo first-matte
  python install.py test
  python install.py --weights xmem
  python install.py --with cluster --with timelines
  python install.py demo --venv D:/envs/matted
  python install.py nuke
  python install.py nuke --nuke 15 16 --wheels D:/wheels
  python install.py nuke --remove
  python install.py resolve
  python install.py resolve --remove
"""


class Problem(Exception):
    """Something a person has to put right: what happened, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class Diagnosis(NamedTuple):
    """How a failure of pip is recognised in its output, and explained."""

    pattern: str
    what: str
    remedy: str


DIAGNOSES = (
    Diagnosis(
        r"No space left on device|\[Errno 28\]|\[Errno 122\]|WinError 112|not enough space on the disk",
        "The disk is full.",
        "Free some space, {gb:.0f} GB in all, or put the environment on another disk with --venv DIR. Then run the "
        "same command again: it goes on where it was. 'pip cache purge' frees what earlier downloads keep.",
    ),
    Diagnosis(
        r"[Rr]ead timed out|ReadTimeoutError|ConnectTimeoutError|connection timed out|The read operation timed out",
        "The network is too slow or stopped answering.",
        "Run the same command again: finished downloads are kept. On a slow line set PIP_DEFAULT_TIMEOUT=300 first.",
    ),
    Diagnosis(
        r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError|SSLError",
        "The package index's certificate is not trusted on this machine.",
        "Studio networks often have a certificate of their own: ask for its file and set PIP_CERT to it. Check this "
        "machine's clock too.",
    ),
    Diagnosis(
        r"Cannot connect to proxy|ProxyError|407 Proxy Authentication",
        "The proxy refused the connection.",
        "Set HTTPS_PROXY to the studio's proxy, with user and password if it wants them.",
    ),
    Diagnosis(
        r"NewConnectionError|NameResolutionError|getaddrinfo failed|Name or service not known|nodename nor servname"
        r"|Temporary failure in name resolution|Network is unreachable|Connection refused|No route to host"
        r"|Connection reset by peer|Connection aborted|RemoteDisconnected|IncompleteRead",
        "The package index could not be reached.",
        "Check the network. Behind a proxy set HTTPS_PROXY; with a mirror set PIP_INDEX_URL; without any network put "
        "the packages in a folder on another machine ('pip download'), and set PIP_NO_INDEX=1 and PIP_FIND_LINKS.",
    ),
    Diagnosis(
        r"DO NOT MATCH THE HASHES|invalid wheel|BadZipFile|is not a valid wheel",
        "A downloaded package is damaged.",
        "Run 'pip cache purge', then the same command again.",
    ),
    Diagnosis(
        r"No matching distribution found for (?P<package>[\w.\-]+)",
        "There is no {package} for Python {python} on this machine ({machine}).",
        "Use another Python with --python PATH; 3.12 has every package on Windows, Linux and macOS, 64-bit.",
    ),
    Diagnosis(
        r"enable long path|long path support",
        "A path is too long for Windows.",
        "Put the environment in a short folder, for example --venv C:\\matted, or enable long paths in Windows.",
    ),
    Diagnosis(
        r"Permission denied|\[Errno 13\]|\[WinError 5\]|Access is denied|Read-only file system",
        "The environment cannot be written.",
        "Close programs that use it, or choose a folder you may write to with --venv DIR.",
    ),
    Diagnosis(
        r"MemoryError|Cannot allocate memory",
        "This machine ran out of memory while installing.",
        "Close other programs and run the same command again.",
    ),
)


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped."""
    options = parse(arguments)
    try:
        if options.command == "nuke":
            return nuke(options)
        if options.command == "resolve":
            return resolve(options)
        python = make_environment(options.venv, wanted_extras(options.command, options.extras), options.python)
        if options.weights:
            say(f"Fetching the weights '{options.weights}'")
            code = run([python, "-m", "matted", "weights", "fetch", options.weights])
            if code:
                return code
        return start(options, python)
    except Problem as problem:
        print(f"\nNot done: {problem.what}\nWhat to do: {problem.remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again: it goes on where it was.", file=sys.stderr)
        return 130


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="install.py",
        description="Make matted's environment, then draw and matte the demo shot, run the tests or install a plugin.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser, venv=HERE / ".venv", python=None, weights=None, extras=[])
    common = argparse.ArgumentParser(add_help=False)
    nothing = argparse.SUPPRESS
    add_options(common, venv=nothing, python=nothing, weights=nothing, extras=nothing)
    commands = parser.add_subparsers(dest="command", metavar="demo | test | nuke | resolve")
    demo = commands.add_parser("demo", parents=[common], help="install, and make the first mattes of a drawn shot")
    demo.add_argument("folder", type=Path, nargs="?", default=HERE / "demo", help="where the shot goes [demo]")
    commands.add_parser(
        "test", parents=[common], help="install the tools too, and run the tests; takes pytest's options"
    )
    only_venv = argparse.ArgumentParser(add_help=False)
    only_venv.add_argument(
        "--venv", type=Path, metavar="DIR", default=argparse.SUPPRESS, help="matted's environment [.venv]"
    )
    plugin = commands.add_parser("nuke", parents=[only_venv], help="put the plugin into Nuke, or take it out")
    plugin.add_argument("--nuke-dir", type=Path, metavar="DIR", help="Nuke's folder of this person [~/.nuke]")
    plugin.add_argument(
        "--nuke",
        nargs="+",
        metavar="VERSION",
        default=["14", "15", "16", "17"],
        help="for these versions [14 15 16 17]",
    )
    plugin.add_argument(
        "--platform", nargs="+", choices=["windows", "linux", "mac", "mac-arm"], help="for these systems [this one]"
    )
    plugin.add_argument("--wheels", type=Path, metavar="DIR", help="take wheels from here, not from the network")
    plugin.add_argument("--remove", action="store_true", help="take the plugin out of Nuke again")
    plugin = commands.add_parser(
        "resolve", parents=[only_venv], help="put the plugin into DaVinci Resolve, or take it out"
    )
    plugin.add_argument(
        "--resolve-dir", type=Path, metavar="DIR", help="Resolve's folder Fusion/Scripts [this person's]"
    )
    plugin.add_argument("--all-users", action="store_true", help="for everybody on this machine")
    plugin.add_argument("--selftest", action="store_true", help="also the self-test, see plugins/resolve/README.md")
    plugin.add_argument("--remove", action="store_true", help="take the plugin out of Resolve again")
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command != "test":
        parser.error(f"unknown: {' '.join(rest)}")
    options.pytest = rest
    options.venv = options.venv.expanduser().absolute()
    return options


def add_options(parser: argparse.ArgumentParser, **defaults: object) -> None:
    """The options that may stand before and after the command."""
    parser.add_argument(
        "--venv", type=Path, metavar="DIR", default=defaults["venv"], help="the environment's folder [.venv]"
    )
    parser.add_argument(
        "--python", metavar="PATH", default=defaults["python"], help="the Python to make it with [a fitting one]"
    )
    parser.add_argument("--weights", metavar="NAME", default=defaults["weights"], help="also fetch these weights: xmem")
    parser.add_argument(
        "--with",
        dest="extras",
        action="append",
        choices=EXTRAS,
        default=defaults["extras"],
        help="also what movies, clusters or timelines need; may be given again",
    )


def wanted_extras(command: str | None, chosen: list[str]) -> set[str]:
    """The optional dependencies a command needs, and those that were asked for."""
    return {"dev", *EXTRAS} if command == "test" else set(chosen)


def start(options: argparse.Namespace, python: Path) -> int:
    """Run what the environment was made for; returns its exit code."""
    if options.command == "demo":
        return run([python, "-m", "matted", "demo", options.folder.expanduser().absolute()])
    if options.command == "test":
        beside = ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]
        return run([python, "-m", "pytest", *beside, *options.pytest], folder=HERE)
    say(f"matted is ready: {script_folder(options.venv) / 'matted'} --help")
    return 0


def nuke(options: argparse.Namespace) -> int:
    """Put the plugin into Nuke, or take it out; returns the exit code.

    Raises:
        Problem: it cannot be done.
    """
    installer = load_installer("nuke")
    home = (options.nuke_dir or installer.nuke_folder()).expanduser().absolute()
    try:
        if options.remove:
            installer.remove(home, say=say)
            return 0
        command = daemon_command(options.venv)
        installer.install(
            HERE,
            home,
            nukes=installer.versions(options.nuke),
            platforms=options.platform or installer.platforms_here(),
            command=command,
            fetch=lambda arguments: pip_download(arguments, options.venv),
            given=options.wheels and options.wheels.expanduser().absolute(),
            say=say,
        )
    except installer.Problem as problem:
        raise Problem(problem.what, problem.remedy) from problem
    if not command:
        say(
            "The plugin will look for matted's daemon; run 'python install.py' here too, and it can start it by itself."
        )
    say("Start Nuke: the menu Matted is in its menu bar. To take it out again: python install.py nuke --remove")
    return 0


def resolve(options: argparse.Namespace) -> int:
    """Put the plugin into DaVinci Resolve, or take it out; returns the exit code.

    Raises:
        Problem: it cannot be done.
    """
    installer = load_installer("resolve")
    scripts = options.resolve_dir or installer.scripts_folder(all_users=options.all_users)
    scripts = scripts.expanduser().absolute()
    try:
        if options.remove:
            installer.remove(scripts, say=say)
            return 0
        command = daemon_command(options.venv)
        python = environment_python(options.venv)
        has_matted = command[:1] == [str(python)]
        ours = str(python) if has_matted else ""
        installer.install(HERE, scripts, python=ours, daemon=command, selftest=options.selftest, say=say)
    except installer.Problem as problem:
        raise Problem(problem.what, problem.remedy) from problem
    if not has_matted:
        say("matted itself is not installed here yet: run 'python install.py', then 'python install.py resolve' again.")
    say("In Resolve: Workspace > Scripts > Matted. To take it out again: python install.py resolve --remove")
    return 0


def load_installer(host: str) -> ModuleType:
    """The module that installs a host's plugin, by its path: the plugins are never on ``sys.path``."""
    folder = HERE / "plugins" / "common" / "matted_installer"
    found = importlib.util.spec_from_file_location(
        folder.name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if found is None or found.loader is None or not (folder / "__init__.py").is_file():
        raise Problem(f"{folder} is not there.", "Run install.py inside the complete folder of matted.")
    package = importlib.util.module_from_spec(found)
    sys.modules[folder.name] = package
    found.loader.exec_module(package)
    return importlib.import_module(f"{folder.name}.{host}")


def daemon_command(venv: Path) -> list[str]:
    """How a host starts the daemon on this machine; empty when matted is not installed here."""
    if shutil.which("matted", path=str(script_folder(venv))):
        return [str(environment_python(venv)), "-m", "matted", "serve"]
    found = shutil.which("matted")
    return [found, "serve"] if found else []


def pip_download(arguments: list[str], venv: Path) -> None:
    """Run ``pip download`` by the environment if there is one, else by this Python.

    Raises:
        Problem: there is no pip, or it failed.
    """
    pythons = [str(environment_python(venv)), sys.executable]
    python = next((path for path in pythons if version_of(path) and has_pip(path)), None)
    by_hand = "Wheels fetched on another machine do as well: --wheels DIR; plugins/nuke/README.md says how."
    if python is None:
        raise Problem("This Python comes without pip.", f"Run 'python install.py' first: it brings pip. {by_hand}")
    command = [python, "-u", "-m", "pip", "download", "--no-input", "--progress-bar", "off", *arguments]
    code, output = follow(command, clean_environment())
    if not code:
        return
    known = next((diagnosis for diagnosis in DIAGNOSES if re.search(diagnosis.pattern, output)), None)
    if known is not None and "{" not in known.what + known.remedy:
        raise Problem(known.what, f"{known.remedy} {by_hand}")
    said = [line for line in output.splitlines() if line.startswith("ERROR")] or output.splitlines()
    raise Problem(f"pip could not fetch them: {' '.join(said[-1:])} (pip download {' '.join(arguments)})", by_hand)


def has_pip(python: str) -> bool:
    """Whether a Python has pip."""
    command = [python, "-c", "import pip"]
    return subprocess.run(command, stderr=subprocess.DEVNULL, env=clean_environment()).returncode == 0


def make_environment(venv: Path, extras: set[str], python: str | None = None) -> Path:
    """Make the environment, or bring it up to date; returns its Python.

    Raises:
        Problem: it cannot be made.
    """
    if not (HERE / "pyproject.toml").is_file():
        raise Problem(f"{HERE} does not hold matted's files.", "Run install.py inside the complete folder of matted.")
    inside = environment_python(venv)
    version = version_of(inside)
    if version is None:
        create(venv, find_python(python))
        version = version_of(inside)
    if version is None or version < OLDEST:
        found = "does not start" if version is None else f"is {dotted(version)}, and matted needs {dotted(OLDEST)}"
        raise Problem(f"The Python of {venv} {found}.", "Remove that folder, or choose another one with --venv DIR.")
    held = read_stamp(venv)
    digest = digest_of(version)
    if held.digest == digest and extras <= held.extras:
        return inside
    check_disk(venv)
    install(inside, venv, extras | held.extras, version)
    stamp = {"digest": digest, "extras": sorted(extras | held.extras)}
    (venv / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
    return inside


def script_folder(venv: Path) -> Path:
    """Where an environment keeps its programs."""
    return venv / ("Scripts" if os.name == "nt" else "bin")


def environment_python(venv: Path) -> Path:
    """The Python of an environment."""
    return script_folder(venv) / ("python.exe" if os.name == "nt" else "python")


def digest_of(version: tuple[int, int]) -> str:
    """Changes when what is installed may have to change: project, place or Python."""
    parts = [(HERE / "pyproject.toml").read_bytes(), str(HERE).encode(), dotted(version).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


class Stamp(NamedTuple):
    """What a finished installation leaves behind: what it was made from, and the optional dependencies it has."""

    digest: str = ""
    extras: frozenset[str] = frozenset()


def read_stamp(venv: Path) -> Stamp:
    """The stamp of an environment; an empty one when there was no finished installation."""
    try:
        held = json.loads((venv / STAMP).read_text(encoding="utf-8"))
        return Stamp(str(held["digest"]), frozenset(map(str, held["extras"])))
    except (OSError, ValueError, KeyError, TypeError):
        return Stamp()


def find_python(given: str | None) -> str:
    """A Python new enough for matted.

    Raises:
        Problem: there is none, or the one asked for is not.
    """
    if given is not None:
        version = version_of(given)
        if version is None:
            raise Problem(f"'{given}' is no Python that starts.", "Give --python the full path of a Python program.")
        if version < OLDEST:
            raise too_old(f"'{given}' is Python {dotted(version)}")
        return given
    if sys.version_info[:2] >= OLDEST:
        return sys.executable
    for candidate in candidates():
        version = version_of(candidate)
        if version is not None and version >= OLDEST:
            say(f"Python {dotted(sys.version_info[:2])} is too old for PyTorch; using {candidate}, {dotted(version)}")
            return candidate
    raise too_old(f"This is Python {dotted(sys.version_info[:2])}, and no newer one was found")


def too_old(found: str) -> Problem:
    """Explain that PyTorch needs a newer Python."""
    what = f"{found}. PyTorch, which matted computes with, needs Python {dotted(OLDEST)} or newer."
    ways = {
        "win32": "install Python 3.12 from python.org or the Microsoft Store",
        "darwin": "install Python 3.12 from python.org, or with 'brew install python@3.12'",
    }
    way = ways.get(sys.platform, "install Python 3.12 with the system's package manager, or from python.org")
    return Problem(what, f"Please {way}, and run this again; or name one with --python PATH.")


def candidates() -> Iterator[str]:
    """Programs that may be a newer Python, best first."""
    names = [f"python3.{minor}" for minor in BEST_MINORS]
    for name in [*names, "python3", "python"]:
        found = shutil.which(name)
        if found:
            yield found
    folders = [Path.home() / ".pyenv" / "versions", Path.home() / ".local" / "share" / "uv" / "python"]
    for folder in folders:
        for minor in BEST_MINORS:
            yield from (str(path) for path in sorted(folder.glob(f"*3.{minor}.*/bin/python3"), reverse=True))
    for folder in (Path("/opt/homebrew/bin"), Path("/usr/local/bin")):
        yield from (str(folder / name) for name in names if (folder / name).is_file())
    programs = Path(os.environ.get("LOCALAPPDATA", "")) / "Programs" / "Python"
    if os.name == "nt" and programs.is_dir():
        yield from (str(path) for path in sorted(programs.glob("Python31[0-4]/python.exe"), reverse=True))


def version_of(python: str | Path) -> tuple[int, int] | None:
    """(3, minor) of a Python program; None when it does not start or is a 32-bit one, which has no PyTorch."""
    code = "import sys; print(sys.version_info[0], sys.version_info[1], int(sys.maxsize > 2**32))"
    try:
        done = subprocess.run(
            [str(python), "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
            env=clean_environment(),
        )
        major, minor, is_wide = (int(word) for word in done.stdout.split())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return (major, minor) if is_wide else None


def dotted(version: tuple[int, ...]) -> str:
    """``3.12`` for (3, 12)."""
    return ".".join(map(str, version))


def create(venv: Path, python: str) -> None:
    """Make an empty environment with pip in it.

    Raises:
        Problem: the folder holds something else, or Python lacks what it takes.
    """
    is_environment = (venv / "pyvenv.cfg").is_file()
    if venv.exists() and not is_environment and (not venv.is_dir() or any(venv.iterdir())):
        raise Problem(f"{venv} exists and is no Python environment.", "Choose another folder with --venv DIR.")
    check_disk(venv)
    probe = subprocess.run(
        [python, "-c", "import venv, ensurepip"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    )
    if probe.returncode:
        raise no_venv_module(python)
    say(f"Making the environment {venv}")
    command = [python, "-m", "venv", *(["--clear"] if is_environment else []), str(venv)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=clean_environment()
    )
    if done.returncode:
        if "ensurepip" in done.stdout:
            raise no_venv_module(python)
        explain(done.stdout, venv, version_of(python) or OLDEST)


def no_venv_module(python: str) -> Problem:
    """Explain what Debian and its descendants leave out."""
    version = dotted(version_of(python) or sys.version_info[:2])
    return Problem(
        f"{python} comes without the venv module, so it cannot make an environment.",
        f"On Debian and Ubuntu: sudo apt install python{version}-venv (or python3-venv). Elsewhere install Python from "
        "python.org, or name another one with --python PATH.",
    )


def check_disk(venv: Path) -> None:
    """Refuse to start what cannot end well.

    Raises:
        Problem: there is too little room for a first installation.
    """
    torch = "site-packages/torch/version.py"
    if any(venv.glob(f"lib/python*/{torch}")) or (venv / "Lib" / torch).is_file():
        return
    folder = next(parent for parent in (venv, *venv.parents) if parent.exists())
    free = shutil.disk_usage(folder).free / 1e9
    if free < DISK_GB:
        raise Problem(
            f"The disk of {folder} has {free:.1f} GB left, and the environment needs about {DISK_GB:.0f} GB.",
            "Free some space, or put the environment on another disk with --venv DIR.",
        )


def install(python: Path, venv: Path, extras: set[str], version: tuple[int, int]) -> None:
    """Install matted and all it needs, with progress.

    Raises:
        Problem: pip failed.
    """
    say("Installing matted and what it needs; PyTorch is large, so the first time takes some minutes")
    target = f"{HERE}[{','.join(sorted(extras))}]" if extras else str(HERE)
    command = [str(python), "-u", "-m", "pip", "install", "--no-input", "--progress-bar", "off", "--editable", target]
    began = time.monotonic()
    with roomy_temporary_folder(venv) as environment:
        code, output = follow(command, environment)
    with contextlib.suppress(OSError):
        (venv / LOG).write_text(output, encoding="utf-8")
    if code:
        explain(output, venv, version)
    say(f"Installed in {time.monotonic() - began:.0f} s")


@contextlib.contextmanager
def roomy_temporary_folder(venv: Path) -> Iterator[dict[str, str]]:
    """An environment for pip whose temporary folder can hold the downloads, though ``/tmp`` may be small."""
    environment = clean_environment()
    if shutil.disk_usage(tempfile.gettempdir()).free / 1e9 >= DISK_GB / 2:
        yield environment
        return
    with tempfile.TemporaryDirectory(prefix="downloads-", dir=str(venv)) as folder:
        yield {**environment, "TMPDIR": folder, "TEMP": folder, "TMP": folder}


def clean_environment() -> dict[str, str]:
    """This process's environment without what would make another Python load strange modules or install elsewhere."""
    foreign = {"PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "__PYVENV_LAUNCHER__"}
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return {**kept, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONIOENCODING": "utf-8"}


def follow(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run pip and tell what it does, a line a package; returns its exit code and everything it said."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=read_lines, args=(process.stdout, lines), daemon=True)
    reader.start()
    said: list[str] = []
    progress = Progress()
    try:
        while True:
            try:
                line = lines.get(timeout=1)
            except queue.Empty:
                progress.wait()
                continue
            if line is None:
                break
            said.append(line)
            progress.show(line)
    finally:
        progress.clear()
        finish(process)
        reader.join(timeout=10)
        if not reader.is_alive() and process.stdout is not None:
            process.stdout.close()
    return process.returncode, "".join(said)


def read_lines(stream: Iterator[str], lines: queue.Queue[str | None]) -> None:
    """Hand a stream's lines to a queue; None is its end."""
    for line in stream:
        lines.put(line)
    lines.put(None)


class Progress:
    """pip's output in a person's words: packages with their sizes, and the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._told = self._began
        self._doing = "starting"
        self._is_terminal = sys.stdout.isatty()

    def show(self, line: str) -> None:
        """Tell what one line of pip means, if it means something."""
        words = line.strip()
        package = re.match(
            r"(?:Downloading|Using cached) (?:\S+/)?(?P<file>\S+?)(?:\.metadata)? \((?P<size>[^)]+)\)", words
        )
        if package and ".metadata" not in words:
            name = re.match(r"(?P<name>[^-]+)-(?P<version>[^-]+)", package["file"])
            label = f"{name['name']} {name['version']}" if name else package["file"]
            self._doing = f"{'downloading' if words.startswith('D') else 'taking'} {label}"
            self._tell(f"{label} ({package['size']})")
        elif words.startswith("Installing collected packages"):
            count = words.count(",") + 1
            self._doing = f"unpacking {count} packages"
            self._tell(f"unpacking {count} packages")

    def wait(self) -> None:
        """Show that it still goes on: every second on a terminal, every half minute in a log."""
        if self._is_terminal:
            print(f"\r  {self._clock()} {self._doing} ...\033[K", end="", flush=True)
        elif time.monotonic() - self._told > 30:
            self._tell(f"{self._doing} ...")

    def clear(self) -> None:
        """Take the waiting line away."""
        if self._is_terminal:
            print("\r\033[K", end="", flush=True)

    def _tell(self, text: str) -> None:
        self.clear()
        print(f"  {self._clock()} {text}", flush=True)
        self._told = time.monotonic()

    def _clock(self) -> str:
        return f"{time.monotonic() - self._began:4.0f} s"


def explain(output: str, venv: Path, version: tuple[int, int]) -> NoReturn:
    """Turn a failure of pip or venv into a problem with a remedy.

    Raises:
        Problem: always.
    """
    for diagnosis in DIAGNOSES:
        found = re.search(diagnosis.pattern, output)
        if found:
            facts = {
                "package": found.groupdict().get("package", ""),
                "python": dotted(version),
                "machine": f"{platform.system()} {platform.machine()}",
                "gb": DISK_GB,
            }
            raise Problem(diagnosis.what.format(**facts), diagnosis.remedy.format(**facts))
    last = [line for line in output.splitlines() if line.strip()][-3:]
    what = "Installing failed. pip said last: " + " / ".join(line.strip() for line in last)
    raise Problem(what, f"Everything it said is in {venv / LOG}. Run the same command again, or remove {venv} first.")


def run(command: list[str | Path], *, folder: Path | None = None) -> int:
    """Run a program of the environment in this terminal; returns its exit code."""
    process = subprocess.Popen([str(word) for word in command], cwd=folder, env=clean_environment())
    try:
        return process.wait()
    finally:
        finish(process)


def finish(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """See a program to its end: after Ctrl-C, which reached it too, it has ten seconds to clean up."""
    with contextlib.suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
        process.wait(timeout=10)
    if process.poll() is None:
        process.kill()
        process.wait()


def say(text: str) -> None:
    """Tell what happens now."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
