"""Mattes written in a thread of their own, a few frames behind the network and never more."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from matted.media.matte import MatteWriter
from matted.media.plate import PlateHeader

BEHIND = 4
"""Frames that may wait for the disk; memory is bounded by it."""


class WriteBehind:
    """A context in which ``write`` returns at once; an error of an earlier frame is raised by every later call.

    Args:
        writer: writes the files.
        header: what a frame's mattes take over from the plate.
        on_written: told of every frame whose files are whole, in order, on the thread that calls this object.
    """

    def __init__(
        self,
        writer: MatteWriter,
        header: Callable[[int], PlateHeader],
        on_written: Callable[[int], None] = lambda frame: None,
    ) -> None:
        self._writer = writer
        self._header = header
        self._on_written = on_written
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mattes")
        self._waiting: deque[tuple[int, Future[None]]] = deque()
        self._failed: Exception | None = None

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        try:
            if error is None:
                self.flush()
        finally:
            for frame, written in self._waiting:  # what did arrive is whole, whatever went wrong
                if written.exception() is None:
                    self._on_written(frame)

    def write(self, frame: int, mattes: NDArray[np.float32]) -> None:
        """Queue (O, H, W) mattes of a frame.

        Raises:
            OutputError: an earlier frame could not be written.
        """
        self._check()
        while len(self._waiting) >= BEHIND:
            self._settle_first()
        self._waiting.append((frame, self._pool.submit(self._write, frame, mattes)))

    def settle(self) -> None:
        """Tell of the frames that have arrived by now; waits for none.

        Raises:
            OutputError: one of them could not be written.
        """
        self._check()
        while self._waiting and self._waiting[0][1].done():
            self._settle_first()

    def flush(self) -> None:
        """Wait until every queued frame is whole on disk.

        Raises:
            OutputError: one of them could not be written.
        """
        self._check()
        while self._waiting:
            self._settle_first()

    def _settle_first(self) -> None:
        frame, written = self._waiting.popleft()
        try:
            written.result()
            self._on_written(frame)
        except Exception as error:
            self._failed = error
            raise

    def _check(self) -> None:
        """A frame that did not arrive stays missing: nobody may go on as if everything were whole."""
        if self._failed is not None:
            raise self._failed

    def _write(self, frame: int, mattes: NDArray[np.float32]) -> None:
        self._writer.write(frame, mattes, self._header(frame))
