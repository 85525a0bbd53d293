"""Writes mattes that come over the wire, in the order they came, on one worker at a time."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from matted_plugin.steps import on_worker
from matted_protocol.client import Received, save_matte


class Saver:
    """Called on the host's main thread; never waits."""

    def __init__(self) -> None:
        self._received: list[Received] = []
        self._saving: Future[Any] | None = None

    @property
    def busy(self) -> bool:
        """Whether a matte is not written yet."""
        return self._saving is not None or bool(self._received)

    def take(self, event: Received) -> None:
        """A frame's mattes that are to be written."""
        self._received.append(event)

    def forget(self) -> None:
        """Write no more of what was taken; what is being written is finished."""
        self._received = []

    def step(self, folder: str) -> bool:
        """Go on, writing below ``folder``; returns whether something was written.

        Raises:
            DaemonError: a matte cannot be written.
        """
        saved = self._saving
        if saved is not None and saved.done():
            self._saving = None
            saved.result()
        if self._saving is None and self._received:
            events, self._received = self._received, []
            self._saving = on_worker(lambda: [save_matte(event, folder) for event in events])
        return saved is not None and self._saving is not saved
