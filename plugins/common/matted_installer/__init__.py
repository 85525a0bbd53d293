"""Puts a host's plugin where the host looks for it. ``install.py`` loads it by its path; Python 3.9's stdlib alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


class Problem(Exception):
    """Something a person has to put right: what happened, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def package_files(root: Path, packages: Mapping[str, str]) -> dict[str, bytes]:
    """Packages as a plugin carries them, by their paths in its folder: below ``python``.

    Args:
        root: matted's own folder.
        packages: for each package the folder of ``root`` it is in.
    """
    found = {}
    for package, place in packages.items():
        top = root / place
        for path in (top / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found[f"python/{path.relative_to(top).as_posix()}"] = path.read_bytes()
    return found


def version_of(root: Path) -> str:
    """matted's version, as its source says."""
    found = re.search(r'__version__ = "([^"]+)"', (root / "backend" / "matted" / "__init__.py").read_text("utf-8"))
    return found[1] if found else ""


def unwritable(error: OSError, home: Path, *, host: str, option: str) -> Problem:
    """The problem a person has to put right when ``home`` cannot be written."""
    return Problem(
        f"{error.filename or home}: {error.strerror or error}.",
        f"Close {host} if it runs, see that you may write in {home} and that its disk has room, or choose another "
        f"folder with {option} DIR. Then run the same command again: it goes on where it was.",
    )
