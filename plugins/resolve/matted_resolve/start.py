"""Finds the companion of this user, or starts it, detached: it outlives the script and Resolve."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matted_resolve.link import Link, LinkError, connect, contact_file, folder, installed, read_contact

PATIENCE = 30.0
"""Seconds a companion may take to answer after it was started."""

_OURS = ("PYTHON", "LD_", "DYLD_", "QT_", "QML", "FUSION_PYTHON", "RESOLVE_SCRIPT", "VIRTUAL_ENV", "__PYVENV")
"""How the names of variables begin that Resolve or its Python set for themselves."""

_LARGEST_LOG = 1 << 20


class _Detached(subprocess.Popen):  # type: ignore[type-arg]
    """A process that outlives us on purpose, of which Python would warn."""

    def __del__(self) -> None:
        pass


def log_file() -> Path:
    """Where the companion prints to."""
    return folder() / "companion.log"


def companion_command() -> tuple[str, ...]:
    """How to start the companion, as the installer wrote it; () without it."""
    told = installed().get("companion")
    return tuple(map(str, told)) if isinstance(told, list) else ()


def reach(command: Sequence[str], *, patience: float = PATIENCE) -> Link:
    """A link to the companion, which is started when it does not answer.

    Args:
        command: what starts it.
        patience: seconds to wait for it.

    Raises:
        LinkError: it cannot be started, or does not answer.
    """
    link = _found()
    if link is not None:
        return link
    if not command:
        raise LinkError(
            "The plugin does not know matted's own Python: in matted's folder run 'python install.py resolve'."
        )
    process = _start(command)
    end = time.monotonic() + patience
    while time.monotonic() < end:
        link = _found()
        if link is not None:
            return link
        if process.poll() not in (None, 0):  # 0: another one was quicker
            break
        time.sleep(0.05)
    raise LinkError(f"The companion does not answer; it said: {last_words(log_file())} Its log is {log_file()}.")


def environment(before: Mapping[str, str]) -> dict[str, str]:
    """The environment for matted's own Python: without what Resolve sets for itself, with our package."""
    kept = {name: value for name, value in before.items() if not name.upper().startswith(_OURS)}
    package = Path(__file__).resolve().parents[1]
    return {**kept, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}


def last_words(log: Path) -> str:
    """The last line of a log."""
    try:
        lines = log.read_text("utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "nothing."
    return lines[-1] if lines else "nothing."


def append(log: Path, text: str) -> None:
    """Write a line into a log that only its owner reads; a full disk is no reason to stop."""
    try:
        with open_log(log) as lines:
            lines.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text.rstrip()}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass


def open_log(log: Path) -> Any:
    """A log to append to; a long one is kept beside as ``.1`` and begun anew.

    Raises:
        OSError: it cannot be written.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LARGEST_LOG:
        log.replace(log.with_name(f"{log.name}.1"))
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _found() -> Link | None:
    contact = read_contact(contact_file())
    if contact is None:
        return None
    try:
        return connect(contact)
    except LinkError:
        return None  # what it left when it was killed


def _start(command: Sequence[str]) -> _Detached:
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    try:
        with open_log(log_file()) as output:
            return _Detached(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(os.environ),
                cwd=str(folder()),
                **detached,
            )
    except OSError as error:
        raise LinkError(
            f"The companion could not be started with '{' '.join(command)}': {error}. "
            "In matted's folder run 'python install.py resolve' again."
        ) from error
