"""The Nuke plugin into ``~/.nuke/matted``, with one line in ``~/.nuke/init.py``; and out again.

What Nuke does: ``~/.nuke`` is always looked at, and follows HOME or USERPROFILE; ``nuke.pluginAddPath`` in an init.py
runs the init.py of the folder it names (Foundry's support articles and Python guide). Which Nuke brings which Python:
Nuke 14 3.9, 15 3.10, 16 and 17 3.11 (VFX Reference Platform CY2022 to CY2025).
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from . import Problem, folder, package_files, unwritable, version_of, wheels

PYTHONS = {14: (3, 9), 15: (3, 10), 16: (3, 11), 17: (3, 11)}
PACKAGES = {"matted_nuke": "plugins/nuke", "matted_plugin": "plugins/common", "matted_protocol": "protocol"}
_ADDED = b"# matted's installer added this line"
_MADE = b"# matted's installer made this file"
_LINE = re.compile(rb"[^\r\n]*(?:%s|%s)[^\r\n]*" % (_ADDED, _MADE))


def nuke_folder() -> Path:
    """Where Nuke looks for a person's plug-ins: ``.nuke`` in what HOME or USERPROFILE names."""
    home = os.environ.get("HOME") or os.environ.get("USERPROFILE")
    return (Path(home) if home else Path.home()) / ".nuke"


def platforms_here() -> list[str]:
    """The platforms of Nuke on this system: on a Mac both, for Nuke runs under Rosetta too."""
    return {"win32": ["windows"], "darwin": ["mac", "mac-arm"]}.get(sys.platform, ["linux"])


def versions(given: Sequence[str]) -> list[int]:
    """The major versions meant by ``14``, ``15.1`` or ``16.0v3``.

    Raises:
        Problem: there is no plugin for one of them.
    """
    majors = []
    for word in given:
        number = re.match(r"\d+", word)
        major = int(number[0]) if number else 0
        if 0 < major < min(PYTHONS):
            raise Problem(
                f"Nuke {word} is too old: its Python is 3.7 or older, and matted's plugin needs 3.9.",
                "Use Nuke 14 or later, or make the mattes with the command line: matted propagate --help.",
            )
        if major not in PYTHONS:
            raise Problem(
                f"Nuke {word} is not known here: this version of matted is made for Nuke {_listed(PYTHONS)}.",
                "Name those you use, as in --nuke 15 16, or get a newer matted.",
            )
        majors.append(major)
    return sorted(set(majors))


def targets(nukes: Sequence[int], platforms: Sequence[str]) -> list[wheels.Target]:
    """The Pythons to bring pyzmq and msgpack for. Nuke 14 on an ARM Mac is the Intel one (Foundry's release list)."""
    pairs = {
        (PYTHONS[nuke], "mac" if (nuke, name) == (14, "mac-arm") else name) for nuke in nukes for name in platforms
    }
    return [wheels.Target(*pair) for pair in sorted(pairs)]


def install(
    root: Path,
    home: Path,
    *,
    nukes: Sequence[int],
    platforms: Sequence[str],
    command: Sequence[str],
    fetch: Callable[[list[str]], None],
    given: Path | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Install the plugin, or bring it up to date.

    Args:
        root: matted's own folder.
        home: Nuke's folder of this person, ``~/.nuke``.
        nukes: major versions, see :func:`versions`.
        platforms: names of :data:`wheels.PLATFORMS`.
        command: how to start the daemon on this machine; empty when nobody knows.
        fetch: runs ``pip download`` with these arguments.
        given: a folder of wheels to take instead of asking the package index.
        say: tells a person what happens.

    Raises:
        Problem: it cannot be done.
    """
    into = home / "matted"
    try:
        held = folder.read_manifest(into)
        files, vendor = _shipped(root), {}
        for target in targets(nukes, platforms):
            unpacked = {} if given else folder.intact(into, held, f"vendor/{target.tag}")
            vendor[target.tag] = held["vendor"][target.tag] if unpacked else []
            if not unpacked:
                unpacked, vendor[target.tag] = _vendored(target, given, fetch, say)
            files.update(unpacked)
        facts = {
            "version": version_of(root),
            "nuke": list(nukes),
            "daemon": list(command) if set(platforms) & set(platforms_here()) else [],
            "vendor": vendor,
            "made_home": held.get("made_home", not home.exists()),
        }
        aside = folder.install(into, files, facts)
        _add_line(home / "init.py", into)
    except OSError as error:
        raise unwritable(error, home, host="Nuke", option="--nuke-dir") from error
    for path in aside:
        say(f"You had changed a file of the plugin; yours is kept as {path}")
    say(f"matted {facts['version']} is in {into}, for Nuke {_listed(nukes)} on {_listed(platforms)}.")


def remove(home: Path, *, say: Callable[[str], None] = print) -> None:
    """Take the plugin out of Nuke: what is left is what was there before.

    Raises:
        Problem: it cannot be done.
    """
    into = home / "matted"
    try:
        held = folder.read_manifest(into)
        had_line = _remove_line(home / "init.py")  # first: Nuke never looks at half a plugin
        kept = folder.remove(into) if into.is_dir() else []
        if held.get("made_home") and not any(home.iterdir()):
            home.rmdir()
    except OSError as error:
        raise unwritable(error, home, host="Nuke", option="--nuke-dir") from error
    if kept:
        say(f"Your own files stay in {into}: {_listed([str(path.relative_to(into)) for path in kept])}")
    say(f"matted is no longer in {home}." if held or had_line else f"matted was not in {home}.")


def _shipped(root: Path) -> dict[str, bytes]:
    """What the plugin is made of, by its path in Nuke's folder."""
    nuke = root / "plugins" / "nuke"
    sources = {name: nuke / name for name in ("init.py", "menu.py", "selftest.py", "matted.png", "README.md")}
    sources.update({name: root / name for name in ("LICENSE", "NOTICE")})
    files = {name: path.read_bytes() for name, path in sources.items() if path.is_file()}
    return {**files, **package_files(root, PACKAGES)}


def _vendored(
    target: wheels.Target, given: Path | None, fetch: Callable[[list[str]], None], say: Callable[[str], None]
) -> tuple[dict[str, bytes], list[str]]:
    """The unpacked wheels for this Python, and their names."""
    with tempfile.TemporaryDirectory(prefix="matted-wheels-") as downloads:
        source = Path(downloads) if given is None else given
        if given is None:
            say(f"Fetching pyzmq and msgpack for {target.words}")
            fetch(wheels.download_arguments(target, source))
        chosen = wheels.choose(source, target)
        files = {f"vendor/{target.tag}/{name}": content for wheel in chosen for name, content in wheels.unpack(wheel)}
        return files, [wheel.name for wheel in chosen]


def _add_line(init: Path, into: Path) -> None:
    """Have Nuke's init.py name our folder. All else in it stays, byte for byte."""
    init = init.resolve()  # it may be a link to where somebody keeps such files
    folder.forget(init)
    before = init.read_bytes() if init.exists() else None
    found = _LINE.search(before or b"")
    mark = _MADE if before is None or (found and _MADE in found[0]) else _ADDED
    # this form of a path with forward slashes is right in every encoding, on Windows, and with quotes in it
    call = f"import nuke; nuke.pluginAddPath({into.as_posix()!a})  ".encode("ascii")
    after = with_line(before or b"", call + mark + b"; install.py nuke --remove takes it away", made=before is None)
    if after != before:
        folder.write(init, after)


def _remove_line(init: Path) -> bool:
    init = init.resolve()
    folder.forget(init)
    before = init.read_bytes() if init.exists() else b""
    found = _LINE.search(before)
    if found is None:
        return False
    after = without_line(before)
    if _MADE in found[0] and not after:
        init.unlink()
    else:
        folder.write(init, after)
    return True


def with_line(content: bytes, line: bytes, *, made: bool = False) -> bytes:
    """The content of an init.py with our line in it: in its old place, else at the end, in the file's own line ends.

    A file without a final line end gets none, so that :func:`without_line` gives back what was there.
    """
    found = _LINE.search(content)
    if found:
        return content[: found.start()] + line + content[found.end() :]
    if made:
        return line + b"\n"
    end = b"\r\n" if b"\r\n" in content else b"\n"
    if content.endswith((b"\n", b"\r")):
        return content + line + end
    return content + end + line if content else line


def without_line(content: bytes) -> bytes:
    """The content of an init.py without our line."""
    found = _LINE.search(content)
    if found is None:
        return content
    before, after = content[: found.start()], content[found.end() :]
    if after:
        return before + re.sub(rb"\A(\r\n|\n|\r)", b"", after)
    return re.sub(rb"(\r\n|\n|\r)\Z", b"", before)


def _listed(words: Iterable[object]) -> str:
    return ", ".join(map(str, words))
