"""The jobs in the daemon's store, and the numbered events of each."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from matted.errors import RequestError
from matted.service.database import Database

ENDS = ("job_done", "job_failed")


@dataclass(frozen=True)
class JobRow:
    """A job. ``content`` is all it needs to be run again after a restart; ``seq`` the number of its last event."""

    id: str
    number: int
    shot: str
    user: str
    kind: str
    priority: str
    state: str
    content: dict[str, Any]
    folder: str | None
    total: int
    done: int
    seq: int
    error: dict[str, Any] | None


@dataclass(frozen=True)
class EventRow:
    """One numbered event of a job."""

    seq: int
    type: str
    body: dict[str, Any]


class JobStore:
    """Jobs and events. Safe to use from several threads.

    Args:
        db: the daemon's.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.RLock()
        self._asked: Counter[str] = Counter()
        """How often each job was asked for since the start."""

    def submit(self, job: JobRow) -> JobRow:
        """Note a job, or set one that failed or was cancelled going again; a queued, running or done one stays.

        Raises:
            RequestError: ``shot_missing``: it was deleted meanwhile.
        """
        with self._lock, self._db.change() as db:
            require_shot(db, job.shot)
            self._asked[job.id] += 1
            fresh = "INSERT OR IGNORE INTO jobs(id, shot, user, kind, priority, state, content, folder, total)"
            text = json.dumps(job.content, sort_keys=True)
            row = (job.id, job.shot, job.user, job.kind, job.priority, "queued", text, job.folder, job.total)
            if not db.execute(f"{fresh} VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)", row).rowcount:
                ended = "id = ? AND state IN ('failed', 'cancelled')"
                if db.execute(f"UPDATE jobs SET state = 'queued', error = NULL WHERE {ended}", (job.id,)).rowcount:
                    self._forget_ends(db, job.id)
                unfinished = "id = ? AND state IN ('queued', 'running')"
                db.execute(f"UPDATE jobs SET priority = ? WHERE {unfinished}", (job.priority, job.id))
            return _job_row(db.execute(_JOBS.format("id = ?"), (job.id,)).fetchone())

    def again(self, job: str) -> None:
        """Set a finished job going again, because some of its mattes are gone."""
        with self._db.change() as db:
            db.execute("UPDATE jobs SET state = 'queued', error = NULL WHERE id = ?", (job,))
            self._forget_ends(db, job)

    def asked(self, job: str) -> int:
        """How often a job was asked for since the start."""
        with self._lock:
            return self._asked[job]

    def job(self, job: str) -> JobRow | None:
        """The job with this id."""
        found = self.jobs("id = ?", job)
        return found[0] if found else None

    def jobs(self, where: str = "1", *values: Any) -> list[JobRow]:
        """Jobs that satisfy an SQL condition of this module's callers, oldest first."""
        return [_job_row(row) for row in self._db.all(_JOBS.format(where), *values)]

    def set_state(self, job: str, state: str) -> None:
        """Note that a job is ``queued`` or ``running``."""
        with self._db.change() as db:
            db.execute("UPDATE jobs SET state = ? WHERE id = ?", (state, job))

    def set_folder(self, job: str, folder: str) -> None:
        """Note the version folder a job is made in."""
        with self._db.change() as db:
            db.execute("UPDATE jobs SET folder = ? WHERE id = ?", (folder, job))

    def end(self, job: str, state: str, body: Mapping[str, Any], *, asked: int | None = None) -> bool:
        """Note how a job ended, in the job and as its last event. A job that is gone stays gone.

        Args:
            job: its id.
            state: ``done``, ``failed`` or ``cancelled``.
            body: of the event.
            asked: what :meth:`asked` said when the end was decided; a job asked for again since then does not end.

        Returns:
            whether it ended.
        """
        kind = "job_done" if state == "done" else "job_failed"
        error = json.dumps(body["error"]) if "error" in body else None
        with self._lock, self._db.change() as db:
            if asked is not None and asked != self._asked[job]:
                return False
            if db.execute("UPDATE jobs SET state = ?, error = ? WHERE id = ?", (state, error, job)).rowcount:
                self._forget_ends(db, job)
                self._add_event(db, job, kind, body, None)
            return True

    def add_event(self, job: str, kind: str, body: Mapping[str, Any], *, frame: int | None = None) -> None:
        """Number and keep an event; the matte of a frame is told once."""
        with self._db.change() as db:
            known = db.execute("SELECT 1 FROM jobs WHERE id = ?", (job,)).fetchone()
            told = kind == "frame_done" and db.execute(f"{_FRAMES_DONE} AND frame = ?", (job, frame)).fetchone()
            if known and not told:
                self._add_event(db, job, kind, body, frame)

    def events(self, job: str, *, after: int, most: int) -> list[EventRow]:
        """The next events of a job."""
        found = self._db.all(
            "SELECT seq, type, body FROM events WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?", job, after, most
        )
        return [EventRow(seq, kind, json.loads(body)) for seq, kind, body in found]

    def frames_done(self, job: str) -> set[int]:
        """Frames whose mattes were told."""
        return {frame for (frame,) in self._db.all(_FRAMES_DONE, job)}

    def forget_frames(self, job: str, frames: Iterable[int]) -> None:
        """Take back the events of mattes that are no longer there."""
        with self._db.change() as db:
            rows = [(job, frame) for frame in frames]
            db.executemany("DELETE FROM events WHERE job = ? AND type = 'frame_done' AND frame = ?", rows)

    def _forget_ends(self, db: sqlite3.Connection, job: str) -> None:
        db.execute("DELETE FROM events WHERE job = ? AND type IN (?, ?)", (job, *ENDS))

    def _add_event(
        self, db: sqlite3.Connection, job: str, kind: str, body: Mapping[str, Any], frame: int | None
    ) -> None:
        """Numbers are never used twice, also not those of events that were taken back."""
        db.execute("UPDATE jobs SET seq = seq + 1 WHERE id = ?", (job,))
        number = "(SELECT seq FROM jobs WHERE id = ?)"
        row = (job, job, kind, frame, json.dumps(body))
        db.execute(f"INSERT INTO events(job, seq, type, frame, body) VALUES(?, {number}, ?, ?, ?)", row)

    def _declare(self, db: sqlite3.Connection, shot: str, names: Iterable[str]) -> None:
        for name in names:
            next_id = "(SELECT coalesce(max(id), 0) + 1 FROM objects WHERE shot = ?)"
            db.execute(f"INSERT OR IGNORE INTO objects(shot, id, name) VALUES(?, {next_id}, ?)", (shot, shot, name))


_JOBS = """SELECT id, number, shot, user, kind, priority, state, content, folder, total,
                  (SELECT count(*) FROM events e WHERE e.job = jobs.id AND e.type = 'frame_done'), seq, error
           FROM jobs WHERE {} ORDER BY number"""
_FRAMES_DONE = "SELECT frame FROM events WHERE job = ? AND type = 'frame_done'"


def require_shot(db: sqlite3.Connection, shot: str) -> None:
    """Refuse what belongs to a shot that is gone.

    Raises:
        RequestError: ``shot_missing``.
    """
    if db.execute("SELECT 1 FROM shots WHERE id = ?", (shot,)).fetchone() is None:
        raise RequestError("shot_missing", f"There is no shot {shot}.", hint="Open the shot again.")


def _job_row(row: Iterable[Any]) -> JobRow:
    values = list(row)
    values[7], values[12] = json.loads(values[7]), json.loads(values[12] or "null")
    return JobRow(*values)
