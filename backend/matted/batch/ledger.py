"""What a job's folder says of the job: the sidecar, the journal of finished frames, and which folder is whose."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from matted.errors import OutputError
from matted.media.matte import next_version

SIDECAR = "matted.json"


def find_folder(out: Path, recipe: Mapping[str, Any]) -> Path:
    """The folder this very job had before, or the next version of ``out``.

    Raises:
        OutputError: output_unwritable, disk_full.
    """
    try:
        return known_folder(out, recipe) or next_version(out)
    except OSError as error:
        raise unwritable(out, error) from error


def known_folder(out: Path, recipe: Mapping[str, Any]) -> Path | None:
    """The folder this very job had before; nothing is made.

    Raises:
        OSError: ``out`` cannot be looked at.
    """
    versions = sorted(out.glob("v[0-9]*"), reverse=True)
    return next((folder for folder in versions if read_sidecar(folder).get("recipe") == recipe), None)


def read_sidecar(folder: Path) -> dict[str, Any]:
    """The sidecar of a job's folder; empty when there is none or it is damaged."""
    try:
        found = json.loads((folder / SIDECAR).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_sidecar(folder: Path, content: Mapping[str, Any]) -> None:
    """Write the sidecar beside, then rename.

    Raises:
        OutputError: output_unwritable, disk_full.
    """
    beside = folder / f".{SIDECAR}.part"
    try:
        beside.write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")
        beside.replace(folder / SIDECAR)
    except OSError as error:
        raise unwritable(folder, error) from error


def unwritable(path: Path, error: OSError) -> OutputError:
    """The error an artist sees when ``path`` cannot be written."""
    if error.errno == errno.ENOSPC:
        message = f"The disk of {path} is full."
        return OutputError("disk_full", message, hint="Free some space and run the same command again.", path=path)
    message = f"{path} cannot be written: {error.strerror or error}."
    hint = "Check the folder's permissions, or choose another --out folder."
    return OutputError("output_unwritable", message, hint=hint, path=path)


class Journal:
    """The confidence of every finished frame, a line each, so that a killed job still knows it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[int, tuple[float, ...]]:
        """Confidence by frame; a line that a kill cut short is left out."""
        return {int(frame): tuple(values) for frame, values in read_lines(self._path)}

    def add(self, frame: int, confidence: tuple[float, ...]) -> None:
        """Note a finished frame."""
        add_line(self._path, [frame, confidence])


def read_lines(path: Path) -> list[Any]:
    """The JSON values of a file, one a line; a line that a kill cut short is left out."""
    found = []
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def add_line(path: Path, value: Any) -> None:
    """Add a JSON value to a file of them; the file and its folder are made when there are none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(value, ensure_ascii=False) + "\n")


def digest(values: Any) -> str:
    """sha256 of plain values, the same for equal values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()
