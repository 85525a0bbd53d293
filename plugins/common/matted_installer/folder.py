"""A folder of ours among a person's own files: made, brought up to date and taken away again, losing nothing of theirs.

``matted.json`` in it holds the sha256 of every file put there. A file that is not what was put there is the person's:
it is never deleted, and moves aside as ``NAME.yours`` where a new one takes its place. Every file is written beside and
then renamed, and ``matted.json`` knows of both before the first one changes: the same command run again goes on where a
killed one stopped.

A file whose path begins with ``../`` lies beside the folder, among what others put there: Resolve lists scripts by the
folder they are in. It is treated alike; the folder around it is not ours.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from . import Problem

MANIFEST = "matted.json"
_BESIDE = "../"
_PART = ".matted-part"


def read_manifest(folder: Path) -> dict[str, Any]:
    """What ``matted.json`` says; empty when nothing is installed there.

    Raises:
        Problem: the folder is somebody else's, or ``matted.json`` is damaged.
    """
    try:
        held = json.loads((folder / MANIFEST).read_text("utf-8"))
        if isinstance(held.get("files"), dict):
            return dict(held)
    except FileNotFoundError:
        if not folder.is_dir() or all(path.name.endswith(_PART) for path in folder.iterdir()):
            return {}
    except (ValueError, AttributeError):
        pass
    raise Problem(
        f"{folder} was not made by this installer, or its {MANIFEST} is damaged.",
        "Rename that folder, then run the same command again. Nothing in it was touched.",
    )


def install(folder: Path, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> list[Path]:
    """Make the folder hold ``files``, and what was put there before no more.

    Args:
        folder: the folder; made if it is missing.
        files: what every file holds, by its path in the folder with forward slashes; ``../`` leads beside the folder.
            Those beside come last: what they lead to is there by then.
        facts: what else ``matted.json`` shall say.

    Returns:
        Where a person's own files went that were in the way.

    Raises:
        Problem: the folder is somebody else's.
        OSError: something cannot be read or written.
    """
    held = read_manifest(folder)
    wanted = {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())}
    manifest = {**facts, "files": wanted}
    changed = [path for path in wanted if _digest(_at(folder, path)) != wanted[path]]
    if held == manifest and not changed:
        return []
    ours = _ours(held)
    earlier = {path: sorted(digests - {wanted.get(path)}) for path, digests in ours.items()}
    folder.mkdir(parents=True, exist_ok=True)
    _write_manifest(folder, {**manifest, "earlier": {path: digests for path, digests in earlier.items() if digests}})
    _sweep(folder, ours.keys() | wanted.keys())
    aside = [_take_away(folder, path, ours[path]) for path in sorted(ours.keys() - wanted.keys())]
    for path in sorted(changed, key=lambda path: path.startswith(_BESIDE)):
        aside.append(_take_away(folder, path, ours.get(path, set()), replace=True))
        write(_at(folder, path), files[path])
    _remove_empty(folder, ours.keys() - wanted.keys())
    _write_manifest(folder, manifest)
    return [path for path in aside if path is not None]


def remove(folder: Path) -> list[Path]:
    """Take away what was put into the folder, and the folder when nothing else is in it.

    Returns:
        A person's own files, which stay.

    Raises:
        Problem: the folder is somebody else's.
        OSError: something cannot be deleted.
    """
    ours = _ours(read_manifest(folder))
    _sweep(folder, ours)
    for path, digests in sorted(ours.items()):
        if _digest(_at(folder, path)) in digests:
            _at(folder, path).unlink()
    _remove_empty(folder, ours)
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
    beside = [_at(folder, path) for path in ours if path.startswith(_BESIDE)]
    return sorted(
        [path for path in folder.rglob("*") if not path.is_dir()] + [path for path in beside if path.exists()]
    )


def intact(folder: Path, held: Mapping[str, Any], under: str) -> dict[str, bytes]:
    """The files that ``held``, the manifest, says were put under ``under``: all when they still are, else none."""
    found = {path: digest for path, digest in held.get("files", {}).items() if path.startswith(f"{under}/")}
    if held.get("earlier") or any(_digest(folder / path) != digest for path, digest in found.items()):
        return {}
    return {path: (folder / path).read_bytes() for path in found}


def forget(path: Path) -> None:
    """Delete what a killed :func:`write` of this file left beside it."""
    path.with_name(path.name + _PART).unlink(missing_ok=True)


def write(path: Path, content: bytes) -> None:
    """Write a file beside ``path``, then rename it: a reader sees the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + _PART)
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, beside)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    write(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode("utf-8"))


def _ours(held: Mapping[str, Any]) -> dict[str, set[str]]:
    """Every file that was put there, with the sha256 it may have: two of them after an installation that was killed."""
    found = {path: {digest} for path, digest in held.get("files", {}).items()}
    for path, digests in held.get("earlier", {}).items():
        found.setdefault(path, set()).update(digests)
    return found


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _at(folder: Path, path: str) -> Path:
    """Where a file is; beside the folder is where it stands, also when it is a link to another place."""
    return folder.parent / path[len(_BESIDE) :] if path.startswith(_BESIDE) else folder / path


def _take_away(folder: Path, path: str, digests: set[str], *, replace: bool = False) -> Path | None:
    """Delete a file of ours, unless it is about to be replaced; move a person's aside and say where it went."""
    file = _at(folder, path)
    found = _digest(file)
    if found is None:
        return None
    if found in digests:
        if not replace:
            file.unlink()
        return None
    names = (file.with_name(f"{file.name}.yours{number or ''}") for number in range(10000))
    aside = next(name for name in names if not name.exists())
    file.rename(aside)
    return aside


def _sweep(folder: Path, paths: Iterable[str]) -> None:
    """Delete what a killed installation was writing."""
    for part in folder.rglob(f"*{_PART}"):
        part.unlink()
    for path in paths:
        forget(_at(folder, path))


def _remove_empty(folder: Path, paths: Iterable[str]) -> None:
    """Remove what Python compiled beside these files of the folder, then those of their folders that are empty."""
    inside = [folder / path for path in paths if not path.startswith(_BESIDE)]
    parents = {parent for path in inside for parent in path.parents if folder in parent.parents}
    for parent in sorted(parents, key=lambda path: len(path.parts), reverse=True):
        shutil.rmtree(parent / "__pycache__", ignore_errors=True)
        with contextlib.suppress(OSError):
            parent.rmdir()
