"""The Resolve plugin into Resolve's folder of scripts, ``Fusion/Scripts``, and out again.

What Resolve does: Workspace > Scripts lists the files in ``Utility`` on every page and those in ``Comp`` on the Fusion
page, for a person and for all users (Blackmagic's scripting README; on Windows the README has one ``Roaming`` too many,
the folder here is the one where davinci-resolve-mcp saw scripts listed). Folders of other names are not listed
(davinci-resolve-lite-mcp), so matted's code lies in one of its own.
"""

from __future__ import annotations

import html
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import Problem, folder, package_files, unwritable, version_of

PACKAGES = {"matted_resolve": "plugins/resolve", "matted_plugin": "plugins/common", "matted_protocol": "protocol"}
OURS = "matted"
"""The folder beside ``Utility`` and ``Comp`` that holds all of matted but the scripts of the menu."""
SCRIPT = "Matted.py"
FREE_SCRIPT = "Matted (free edition).lua"
"""The menu shows names without their ends: this one must not be ``Matted`` again."""
FREE_PAGE = "free-edition.html"
SELFTEST = "Matted self-test.py"

PLACES = {
    "win32": ("APPDATA", "Blackmagic Design/DaVinci Resolve/Support/Fusion/Scripts"),
    "darwin": ("HOME", "Library/Application Support/Blackmagic Design/DaVinci Resolve/Fusion/Scripts"),
    "linux": ("HOME", ".local/share/DaVinciResolve/Fusion/Scripts"),
}
"""Where a person's scripts are, below what a variable of the environment names."""

PLACES_OF_ALL = {
    "win32": ("PROGRAMDATA", "Blackmagic Design/DaVinci Resolve/Fusion/Scripts"),
    "darwin": ("", "/Library/Application Support/Blackmagic Design/DaVinci Resolve/Fusion/Scripts"),
    "linux": ("", "/opt/resolve/Fusion/Scripts"),
}

PYTHON_FOR_THE_MENU = {
    "win32": "Resolve takes the Python 3 that FUSION_PYTHON3_HOME names, else one that came with python.org's "
    "installer. Set FUSION_PYTHON3_HOME to the folder of a Python from 3.9 on and start Resolve again.",
    "darwin": "Resolve takes the Python 3 that PYTHON3HOME names, else /usr/local/bin/python3, and no other: those of "
    "Homebrew, pyenv and uv it does not see. Install a Python from 3.9 on from python.org, or run 'launchctl setenv "
    "PYTHON3HOME /Library/Frameworks/Python.framework/Versions/3.12', naming yours, and start Resolve again.",
    "linux": "Resolve takes the system's Python 3. Install python3 from 3.9 on with the system's package manager, or "
    "set PYTHON3HOME to the folder of one, and start Resolve again.",
}
"""What to set where Matted is not listed; Studio 21.1 and later bring a Python of their own."""


def scripts_folder(
    *, all_users: bool = False, system: str = sys.platform, environment: Mapping[str, str] = os.environ
) -> Path:
    """Where Resolve looks for scripts.

    Args:
        all_users: the folder for everybody on this machine instead of a person's.
        system: as ``sys.platform``.
        environment: names the person's folders.
    """
    places = PLACES_OF_ALL if all_users else PLACES
    variable, path = places.get(system, places["linux"])
    if not variable:
        return Path(path)
    defaults = {"PROGRAMDATA": "C:/ProgramData", "APPDATA": str(Path.home() / "AppData" / "Roaming")}
    return Path(environment.get(variable) or defaults.get(variable) or Path.home()) / path


def install(
    root: Path,
    scripts: Path,
    *,
    python: str,
    daemon: Sequence[str],
    selftest: bool = False,
    system: str = sys.platform,
    say: Callable[[str], None] = print,
) -> None:
    """Install the plugin, or bring it up to date.

    Args:
        root: matted's own folder.
        scripts: Resolve's folder of scripts, see :func:`scripts_folder`.
        python: the Python of matted's environment, which the companion runs on; empty when there is none here.
        daemon: how to start the daemon on this machine; empty when nobody knows.
        selftest: whether the menu has the self-test too.
        system: as ``sys.platform``; what is told of Python in Resolve depends on it.
        say: tells a person what happens.

    Raises:
        Problem: it cannot be done.
    """
    into = scripts / OURS
    was_there = scripts.is_dir()
    try:
        held = folder.read_manifest(into)
        facts = {
            "version": version_of(root),
            "python": python,
            "companion": [python, "-m", "matted_resolve.companion"] if python else [],
            "daemon": list(daemon),
            "made": _made(scripts, held.get("made", [])),
        }
        aside = folder.install(into, _shipped(root, into, selftest=selftest), facts)
    except OSError as error:
        raise unwritable(error, scripts, host="Resolve", option="--resolve-dir") from error
    for path in aside:
        say(f"A file of yours was in the place of one of the plugin's; yours is kept as {path}")
    if not was_there:
        say(f"Resolve has not been started here yet: {scripts} was made for it.")
    say(f"matted {facts['version']} is in {scripts}")
    words = PYTHON_FOR_THE_MENU.get(system, PYTHON_FOR_THE_MENU["linux"])
    say(f"If Matted is missing in Resolve's menu: {words} Resolve Studio 21.1 and later bring their own.")


def remove(scripts: Path, *, say: Callable[[str], None] = print) -> None:
    """Take the plugin out of Resolve: what is left is what was there before.

    Raises:
        Problem: it cannot be done.
    """
    into = scripts / OURS
    try:
        held = folder.read_manifest(into)
        kept = folder.remove(into) if into.is_dir() else []
        for place in map(Path, held.get("made", [])):
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()
    except OSError as error:
        raise unwritable(error, scripts, host="Resolve", option="--resolve-dir") from error
    if kept:
        say(f"Your own files stay: {', '.join(str(path) for path in kept)}")
    say(f"matted is no longer in {scripts}." if held else f"matted was not in {scripts}.")


def _made(scripts: Path, before: Sequence[str]) -> list[str]:
    """The folders around ours that are made, innermost first: those made ``before``, and those that are missing now."""
    around = [scripts / "Utility", scripts / "Comp", scripts, *scripts.parents]
    return [str(place) for place in around if str(place) in before or not place.exists()]


def _shipped(root: Path, into: Path, *, selftest: bool) -> dict[str, bytes]:
    """What the plugin is made of, by its path in ``into``."""
    plugin = root / "plugins" / "resolve"
    sources = {name: plugin / name for name in ("README.md", "selftest.py")}
    sources.update({name: root / name for name in ("LICENSE", "NOTICE")})
    steps = free_steps((plugin / "README.md").read_text("utf-8"))
    script = _filled((plugin / SCRIPT).read_bytes(), b"PACKAGES", ascii(str(into / "python")))
    asking = (plugin / "selftest.py").read_bytes() if selftest else b""
    lua = _filled((plugin / "Matted.lua").read_bytes(), b"local STEPS", lua_text(steps))
    lua = _filled(lua, b"local PAGE", lua_text(str(into / FREE_PAGE)))
    return {
        **{name: path.read_bytes() for name, path in sources.items() if path.is_file()},
        **package_files(root, PACKAGES),
        FREE_PAGE: _page(steps),
        f"../Utility/{SCRIPT}": script,
        f"../Comp/{SCRIPT}": script,
        f"../Utility/{FREE_SCRIPT}": lua,
        **({f"../Utility/{SELFTEST}": _filled(asking, b"PACKAGES", ascii(str(into / "python")))} if asking else {}),
    }


def free_steps(readme: str) -> str:
    """What the plugin's page says of the free edition, without its heading."""
    found = re.search(r"^## Free edition\n+(.*?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL)
    if found is None:
        raise Problem("plugins/resolve/README.md is damaged.", "Get matted's folder anew, and run this again.")
    return found[1].strip() + "\n"


def lua_text(text: str) -> str:
    """A text as Lua writes it, in ASCII alone, in UTF-8 when read."""
    plain = {ord("\n"): "\\n", ord('"'): '\\"', ord("\\"): "\\\\"}
    letters = (plain.get(byte, chr(byte) if 32 <= byte < 127 else f"\\{byte:03}") for byte in text.encode("utf-8"))
    return f'"{"".join(letters)}"'


def _filled(source: bytes, name: bytes, value: str) -> bytes:
    """A script with what only the installer knows, in place of the empty text that ``name`` is set to."""
    line = name + b' = ""'
    if source.count(line) != 1:
        raise Problem("A script of plugins/resolve is damaged.", "Get matted's folder anew, and run this again.")
    return source.replace(line, name + b" = " + value.encode("ascii"))


def _page(steps: str) -> bytes:
    style = "body{font:16px/1.5 sans-serif;max-width:50em;margin:3em auto;padding:0 1em;white-space:pre-wrap}"
    head = f'<!doctype html><meta charset="utf-8"><title>Matted in the free edition</title><style>{style}</style>'
    return f"{head}<body>{html.escape(steps)}</body>\n".encode()
