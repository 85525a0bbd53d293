"""Frames belong to one running job at a time; the system takes the lock back from a process that dies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from matted.errors import OutputError


class FolderLock:
    """The lock of what is made in a job's folder, taken and let go by one thread after another.

    Args:
        paths: the lock files, held all or none; their folders are made when the lock is taken. Who makes the whole job
            holds those of its segments too.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._locks = tuple(FileLock(path, thread_local=False) for path in paths)

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return all(lock.is_locked for lock in self._locks)

    def take(self, folder: Path) -> None:
        """Take the lock, at once or not at all.

        Args:
            folder: what to call the locked folder in messages.

        Raises:
            OutputError: job_running.
            OSError: a lock file cannot be written.
        """
        try:
            for path, lock in zip(self._paths, self._locks, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                lock.acquire(timeout=0)
        except Timeout as error:
            self.release()
            raise OutputError(
                "job_running",
                f"{folder} is being made by another matted right now.",
                hint="Wait until it is done, or stop it there, and run the same command again.",
                path=folder,
            ) from error
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let go of what is held."""
        for lock in self._locks:
            lock.release(force=True)
