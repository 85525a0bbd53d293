"""One job's folder belongs to one running job at a time; the system takes the lock back from a process that dies."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from matted.errors import OutputError


class FolderLock:
    """The lock of a job's folder, taken and let go by one thread after another.

    Args:
        path: the lock file; its folder is made when the lock is taken.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path, thread_local=False)

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return bool(self._lock.is_locked)

    def take(self, folder: Path) -> None:
        """Take the lock, at once or not at all.

        Args:
            folder: what to call the locked folder in messages.

        Raises:
            OutputError: job_running.
            OSError: the lock file cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise OutputError(
                "job_running",
                f"{folder} is being made by another matted right now.",
                hint="Wait until it is done, or stop it there, and run the same command again.",
                path=folder,
            ) from error

    def release(self) -> None:
        """Let go, if it is held."""
        self._lock.release(force=True)
