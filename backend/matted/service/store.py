"""What the daemon must not forget: shots, objects, keyframes and jobs, in SQLite beside plain files.

Everything acknowledged was committed first, so that a killed daemon finds it again. Masks are kept by content, so a
job's snapshot of the keyframes costs nothing and stays true when the artist's file changes.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matted.service.database import Database
from matted.service.job_store import JobStore, require_shot

SCHEMA = """
CREATE TABLE shots(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, user TEXT NOT NULL,
                   content TEXT NOT NULL);
CREATE TABLE objects(shot TEXT NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL,
                     PRIMARY KEY(shot, id), UNIQUE(shot, name));
CREATE TABLE keyframes(shot TEXT NOT NULL, frame INTEGER NOT NULL, object TEXT NOT NULL, mask TEXT NOT NULL,
                       PRIMARY KEY(shot, frame, object));
CREATE TABLE jobs(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, shot TEXT NOT NULL,
                  user TEXT NOT NULL, kind TEXT NOT NULL, priority TEXT NOT NULL, state TEXT NOT NULL,
                  content TEXT NOT NULL, folder TEXT, total INTEGER NOT NULL, seq INTEGER NOT NULL DEFAULT 0,
                  error TEXT);
CREATE INDEX jobs_of_shot ON jobs(shot);
CREATE TABLE events(job TEXT NOT NULL, seq INTEGER NOT NULL, type TEXT NOT NULL, frame INTEGER, body TEXT NOT NULL,
                    PRIMARY KEY(job, seq));
CREATE UNIQUE INDEX one_matte_a_frame ON events(job, frame) WHERE type = 'frame_done';
"""
SCHEMA_VERSION = 1

WORKSPACE = ".matted-"
"""How folders begin that are gone after use."""


@dataclass(frozen=True)
class ShotRow:
    """A shot as it was opened: ``content`` is the body of ``open_shot``."""

    id: str
    user: str
    content: dict[str, Any]


@dataclass(frozen=True)
class MaskRow:
    """A mask that was given: the file's name and content, how to read it, and the objects found in it.

    ``object`` None stands for the names in the file.
    """

    frame: int
    object: str | None
    name: str
    sha256: str
    names: tuple[str, ...]
    layer: str | None = None
    pick: tuple[str, ...] | None = None


class Store(JobStore):
    """The daemon's memory on disk. Safe to use from several threads.

    Args:
        folder: the state folder, this daemon's alone.

    Raises:
        DaemonError: ``state_damaged`` or ``state_version``.
        OSError: the folder cannot be written; any method may find its disk full.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        super().__init__(Database(folder / "matted.db", schema=SCHEMA, version=SCHEMA_VERSION))
        self._coming: Counter[str] = Counter()
        """Masks that are kept and not noted yet, by sha256; those that were refused stay here until the next start."""
        self._sweep()
        self._drop_halves()

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    # Shots

    def open_shot(self, user: str, content: Mapping[str, Any]) -> ShotRow:
        """The shot of this user and content, made now if there is none."""
        shot = identity([user, content])
        with self._lock, self._db.change() as db:
            text = json.dumps(content, sort_keys=True)
            db.execute("INSERT OR IGNORE INTO shots(id, user, content) VALUES(?, ?, ?)", (shot, user, text))
            self._declare(db, shot, content.get("objects", ()))
        return ShotRow(shot, user, dict(content))

    def shot(self, shot: str) -> ShotRow | None:
        """The shot with this id."""
        found = self._db.all("SELECT id, user, content FROM shots WHERE id = ?", shot)
        return ShotRow(found[0][0], found[0][1], json.loads(found[0][2])) if found else None

    def shots(self, user: str | None = None) -> list[ShotRow]:
        """Shots of a user, or all, oldest first."""
        found = self._db.all("SELECT id, user, content FROM shots WHERE ?1 IS NULL OR user = ?1 ORDER BY number", user)
        return [ShotRow(shot, owner, json.loads(content)) for shot, owner, content in found]

    def delete_shot(self, shot: str) -> None:
        """Forget a shot, its keyframes, jobs, sent pixels and kept mattes."""
        with self._db.change() as db:
            db.execute("DELETE FROM events WHERE job IN (SELECT id FROM jobs WHERE shot = ?)", (shot,))
            for table in ("jobs", "keyframes", "objects"):
                db.execute(f"DELETE FROM {table} WHERE shot = ?", (shot,))
            db.execute("DELETE FROM shots WHERE id = ?", (shot,))
        self._sweep()

    def objects(self, shot: str) -> list[tuple[int, str]]:
        """(id, name) of every object of a shot, by id."""
        return [(number, name) for number, name in self._db.all(
            "SELECT id, name FROM objects WHERE shot = ? ORDER BY id", shot)]  # fmt: skip

    # Keyframes

    def set_keyframe(self, shot: str, mask: MaskRow) -> None:
        """Note the mask of an object in a frame, replacing an earlier one, and the objects it brings.

        Raises:
            RequestError: ``shot_missing``: it was deleted meanwhile.
        """
        content = {key: value for key, value in asdict(mask).items() if key not in ("frame", "object")}
        with self._db.change() as db:
            require_shot(db, shot)
            row = (shot, mask.frame, mask.object or "", json.dumps(content))
            db.execute("INSERT OR REPLACE INTO keyframes VALUES(?, ?, ?, ?)", row)
            self._declare(db, shot, mask.names)
        with self._lock:
            self._coming[mask.sha256] -= 1

    def remove_keyframe(self, shot: str, frame: int, name: str | None) -> int:
        """Forget the masks of a frame, or one object's; returns how many there were."""
        with self._db.change() as db:
            where = "shot = ? AND frame = ? AND (? IS NULL OR object = ?)"
            return db.execute(f"DELETE FROM keyframes WHERE {where}", (shot, frame, name, name)).rowcount

    def keyframes(self, shot: str) -> list[MaskRow]:
        """Every mask of a shot, by frame and object."""
        found = self._db.all("SELECT frame, object, mask FROM keyframes WHERE shot = ? ORDER BY frame, object", shot)
        return [mask_row({"frame": frame, "object": name or None, **json.loads(mask)}) for frame, name, mask in found]

    def keep_mask(self, content: bytes, name: str) -> str:
        """Keep a mask file by its content, until a keyframe or a job needs it; returns its sha256."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.mask_path(sha256, name)
        with self._lock:
            self._coming[sha256] += 1
        if not path.exists():
            write_whole(path, content)
        return sha256

    def mask_path(self, sha256: str, name: str) -> Path:
        """Where a kept mask lies."""
        return self.folder / "masks" / sha256 / name

    def workspace(self) -> tempfile.TemporaryDirectory[str]:
        """A folder on this disk that is gone after use."""
        return tempfile.TemporaryDirectory(dir=self.folder, prefix=WORKSPACE)

    def scratch_folder(self, job: str) -> Path:
        """What a job without a folder of its own needs to go on; gone when it is done."""
        return self.folder / "scratch" / job

    def plate_folder(self, shot: str) -> Path:
        """Where the pixels sent for a shot lie."""
        return self.folder / "plates" / shot

    def matte_folder(self, shot: str) -> Path:
        """Where mattes lie that were asked for without a folder."""
        return self.folder / "mattes" / shot

    def _sweep(self) -> None:
        """Delete the files that nobody needs: those of shots that are gone, masks replaced or refused."""
        with self._lock:
            shots = {row.id for row in self.shots()}
            masks = {json.loads(text)["sha256"] for (text,) in self._db.all("SELECT mask FROM keyframes")}
            jobs = set()
            for job, content in self._db.all("SELECT id, content FROM jobs"):
                jobs.add(job)
                masks.update(mask["sha256"] for mask in json.loads(content)["masks"])
            masks.update(sha256 for sha256, count in self._coming.items() if count > 0)
            for name, needed in (("masks", masks), ("plates", shots), ("mattes", shots), ("scratch", jobs)):
                _keep_only(self.folder / name, needed)

    def _drop_halves(self) -> None:
        """Delete what a killed daemon was writing."""
        for pattern in (f"{WORKSPACE}*", "masks/*/.*", "plates/*/.*"):
            for path in self.folder.glob(pattern):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _keep_only(folder: Path, names: set[str]) -> None:
    """Delete what lies in ``folder`` under an id of ours that is not among ``names``."""
    for path in folder.glob("*"):
        if re.fullmatch(r"[0-9a-f]{16}|[0-9a-f]{64}", path.name) and path.name not in names:
            shutil.rmtree(path, ignore_errors=True)


def mask_row(found: Mapping[str, Any]) -> MaskRow:
    """A mask as it was kept in JSON."""
    pick = found.get("pick")
    return MaskRow(**{**found, "names": tuple(found["names"]), "pick": tuple(pick) if pick is not None else None})


def identity(values: Any) -> str:
    """16 hexadecimal digits, the same for the same plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def write_whole(path: Path, content: bytes) -> None:
    """Write beside, then rename: a file here is whole or absent.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as beside:
        try:
            beside.write(content)
            beside.close()
            Path(beside.name).replace(path)
        except BaseException:
            Path(beside.name).unlink(missing_ok=True)
            raise
