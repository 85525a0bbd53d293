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
    """A context in which ``write`` returns at once; an error of an earlier frame is raised by the next call."""

    def __init__(self, writer: MatteWriter, header: Callable[[int], PlateHeader]) -> None:
        self._writer = writer
        self._header = header
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mattes")
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        if error is None:
            self.flush()

    def write(self, frame: int, mattes: NDArray[np.float32]) -> None:
        """Queue (O, H, W) mattes of a frame.

        Raises:
            OutputError: an earlier frame could not be written.
        """
        while len(self._waiting) >= BEHIND:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._write, frame, mattes))

    def flush(self) -> None:
        """Wait until every queued frame is whole on disk.

        Raises:
            OutputError: one of them could not be written.
        """
        while self._waiting:
            self._waiting.popleft().result()

    def _write(self, frame: int, mattes: NDArray[np.float32]) -> None:
        self._writer.write(frame, mattes, self._header(frame))
