"""One SQLite file: opened with care, changed a transaction at a time, by one thread at a time."""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from matted_protocol.errors import DaemonError


class Database:
    """The file and its one connection. Safe to use from several threads.

    Args:
        path: the file; made when it is not there.
        schema: statements that make the tables, each ended by ``;`` and a new line.
        version: of the schema.

    Raises:
        DaemonError: ``state_damaged`` or ``state_version``.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, *, schema: str, version: int) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            self._prepare(schema, version)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def all(self, query: str, *values: Any) -> list[Any]:
        """Every row that a query finds."""
        with self._lock, _as_os_error(self._path):
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it, or nothing after an exception.

        Raises:
            OSError: the disk is full or fails.
        """
        with self._lock, _as_os_error(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite takes some back by itself, as on a full disk
                    with suppress(sqlite3.Error):
                        self._db.execute("ROLLBACK")
                raise

    def _prepare(self, schema: str, version: int) -> None:
        try:
            with _as_os_error(self._path):
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.execute("PRAGMA busy_timeout=10000")
                trouble = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
                (found,) = self._db.execute("PRAGMA user_version").fetchone()
                if found == 0 and trouble == "ok":
                    self._make(schema, version)
                    found = version
        except sqlite3.DatabaseError as error:
            trouble = str(error)
        if trouble != "ok":
            message = f"The daemon's notes in {self._path} are damaged: {trouble}."
            hint = "Move its folder away and start again; open the shots anew. Mattes already made stay where they are."
            raise DaemonError("state_damaged", message, hint, path=str(self._path))
        if found != version:
            message = f"{self._path.parent} was written by another version of matted (schema {found}, here {version})."
            hint = "Start the version that wrote it, or give this one its own --state folder."
            raise DaemonError("state_version", message, hint, path=str(self._path))

    def _make(self, schema: str, version: int) -> None:
        with self.change() as db:
            for statement in schema.split(";\n"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={version}")


@contextmanager
def _as_os_error(path: Path) -> Iterator[None]:
    """A disk that is full or fails is the same news from SQLite as from any other writer."""
    try:
        yield
    except sqlite3.OperationalError as error:
        words = str(error)
        if "full" in words:
            raise OSError(errno.ENOSPC, words, str(path)) from error
        if "disk I/O error" in words or "readonly" in words or "unable to open" in words:
            raise OSError(errno.EIO, words, str(path)) from error
        raise
