"""Paths in a job file: relative to it, the same from every working directory, the newest version found."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from matted.batch.jobfile.fields import Unfit
from matted.batch.request import absolute

VERSION = "\1"
"""Stands for ``{version}`` until it is known; no text of a job file holds it, and a file system can be asked for it."""

_NOT_YET = "{version}"
"""Stays in a path where there is no version to take."""

_WINDOWS = re.compile(r"[A-Za-z]:|.*\\", re.DOTALL)
_FRAMES = re.compile(r"#|@@|%0?\d*d|\$F")


def located(text: str, folder: Path) -> Path:
    """The absolute path ``text`` names in a job file that lies in ``folder``; ``{version}`` is the newest one there.

    Where there is no version yet, ``{version}`` stays in the path: a plate may be on its way.

    Raises:
        Unfit: it is no path here.
    """
    if os.name != "nt" and _WINDOWS.match(text):
        raise Unfit("a path of this system", "Write forward slashes, and paths as this machine knows them.")
    try:
        path = absolute(text, folder)
    except (OSError, RuntimeError, ValueError) as error:
        raise Unfit("a path", f"{error}.") from error
    return _newest(path)


def with_version(path: Path) -> Path:
    """A path that :func:`located` left with a ``{version}`` in it: with the newest one, once there is one."""
    return _newest(Path(str(path).replace(_NOT_YET, VERSION)))


def output(text: str, folder: Path) -> Path:
    """The folder of ``out``, which each job gives a version of its own; ``{version}`` at its end says so.

    Raises:
        Unfit: it is no folder's path.
    """
    bare = re.sub(rf"(?:^|(?<=[/\\])){VERSION}[/\\]*\Z", "", text)
    if VERSION in bare:
        raise Unfit("a folder", "Put {version} last, or leave it away: every job makes its own v001, v002, …")
    if _FRAMES.search(bare):
        raise Unfit("a folder", "Name the folder alone; matted names the files in it.")
    return located(bare or ".", folder)


def _newest(path: Path) -> Path:
    """The path with the newest version folder there is, the same wherever the version is repeated."""
    for index, part in enumerate(path.parts):
        if VERSION in part:
            name = re.compile("(v[0-9]{3,})".join(map(re.escape, part.split(VERSION))), re.IGNORECASE)
            found = [match[1] for match in map(name.fullmatch, _folders(Path(*path.parts[:index]))) if match]
            newest = max(found, key=lambda version: (int(version[1:]), version), default=_NOT_YET)
            return Path(*(part.replace(VERSION, newest) for part in path.parts))
    return path


def _folders(parent: Path) -> Iterator[str]:
    try:
        with os.scandir(parent) as entries:
            yield from (entry.name for entry in entries if entry.is_dir())
    except (OSError, ValueError):
        return
