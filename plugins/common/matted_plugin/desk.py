"""All the shots open in a host, and the clock that moves them."""

from __future__ import annotations

import queue
import time

from matted_plugin import state
from matted_plugin.daemon import Daemon
from matted_plugin.host import Gone, Host, HostError
from matted_plugin.workflow import Workflow

_TURN = 0.010
"""Seconds of the host's main thread one tick may take besides a frame's rendering."""


class Desk:
    """What a host's plugin holds once per process. Everything here is called on the host's main thread.

    Attributes:
        daemon: the one connection.
    """

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self._workflows: list[Workflow] = []
        self._ticking = False

    @property
    def workflows(self) -> list[Workflow]:
        """The shots still in the host."""
        self._workflows = [one for one in self._workflows if _key(one.host) is not None]
        return list(self._workflows)

    @property
    def opened(self) -> list[Workflow]:
        """The shots that were opened, without asking whether they are still in the host."""
        return list(self._workflows)

    def open(self, host: Host) -> Workflow:
        """The buttons of a shot; a copy of another shot gets an id of its own.

        Raises:
            Gone: the shot is no longer in the host.
        """
        key = host.key
        for known in self.workflows:
            if known.host.key == key:
                return known
        workflow = Workflow(host, self.daemon)
        if any(known.state.id == workflow.state.id for known in self._workflows):
            workflow.state = state.copied(workflow.state)
            host.store(state.save(workflow.state))
        self._workflows.append(workflow)
        return workflow

    def forget(self) -> None:
        """Let go of every shot, as when the project closes; jobs run on."""
        for workflow in self.workflows:
            workflow.leave()
        self._workflows = []

    def tick(self) -> bool:
        """Move everything a little; returns whether there was something to do. Takes a frame's rendering at most.

        A host that turns its event loop while it renders calls this from within itself; then it does nothing.
        """
        if self._ticking:
            return False
        self._ticking = True
        try:
            return self._tick()
        finally:
            self._ticking = False

    def _tick(self) -> bool:
        end = time.monotonic() + _TURN
        moved = self._hear(end)
        for workflow in list(self._workflows):
            try:
                moved = workflow.tick() or moved
            except Gone:
                self._workflows.remove(workflow)
            if time.monotonic() > end:
                break
        if len(self._workflows) > 1:
            self._workflows.append(self._workflows.pop(0))  # the next one first at the next tick
        return moved

    def _hear(self, end: float) -> bool:
        client = self.daemon.connected
        heard = False
        while client is not None and time.monotonic() < end:
            try:
                event = client.events.get_nowait()
            except queue.Empty:
                break
            heard = True
            for workflow in list(self._workflows):
                if workflow.state.job == event.body.job:
                    try:
                        workflow.hear(event)
                    except Gone:
                        self._workflows.remove(workflow)
        return heard

    @property
    def acting(self) -> bool:
        """Whether an action is on its way here, if only waiting for an answer."""
        return any(one.busy for one in self._workflows)

    @property
    def busy(self) -> bool:
        """Whether something is being done for a shot, here or in the daemon."""
        return any(one.busy or one.state.running for one in self._workflows)

    def close(self) -> None:
        """Let go of everything."""
        self.forget()
        self.daemon.close()


def _key(host: Host) -> str | None:
    try:
        return host.key
    except HostError:
        return None
