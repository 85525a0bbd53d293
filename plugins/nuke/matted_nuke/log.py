"""The plugin's log. It needs nothing but Python, so that it can tell of anything else that fails."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

NAME = "nuke.log"
LARGEST = 1 << 20
"""Bytes after which a new log is begun; the one before it is kept as ``nuke.log.1``."""


def log_file() -> Path:
    """Where the log is: in matted's data folder, or in the temporary one while that cannot be found."""
    try:
        from matted_protocol.connection import data_folder

        return data_folder() / NAME
    except Exception:
        return _fallback()


def note(text: str) -> Path:
    """Write something down, and return where it is.

    Raises:
        OSError: neither the data folder nor the temporary one can be written.
    """
    try:
        return _append(log_file(), text)
    except OSError:
        return _append(_fallback(), text)


def _fallback() -> Path:
    return Path(tempfile.gettempdir()) / f"matted-{NAME}"


def _append(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and file.stat().st_size > LARGEST:
        file.replace(file.with_name(f"{file.name}.1"))
    with file.open("a", encoding="utf-8", errors="backslashreplace") as lines:
        lines.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text.rstrip()}\n")
    return file
