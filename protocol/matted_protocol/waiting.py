"""What waits on a connection: requests for their answers, hosts for the events of the jobs they watch."""

import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, Union
from uuid import uuid4

import zmq

from matted_protocol import wire
from matted_protocol.dealer import REFUSED
from matted_protocol.errors import DaemonError
from matted_protocol.messages import REQUESTS, Header

TYPES = {request: kind for kind, (request, _) in REQUESTS.items()}
"""The type of each request's body."""


class Received(NamedTuple):
    """A reply or an event: its body, and its buffers as memoryviews."""

    body: Any
    buffers: tuple[Any, ...] = ()


class EventQueue(queue.Queue[Received]):
    """Events in the order they came. Taking one tells the daemon that another may come."""

    def __init__(self, taken: Callable[[Received], None]) -> None:
        super().__init__()
        self._taken = taken

    def get(self, block: bool = True, timeout: Optional[float] = None) -> Received:
        """As :meth:`queue.Queue.get`."""
        event = super().get(block, timeout)
        self._taken(event)
        return event


class Waiting:
    """One request on its way, until it is answered or given up."""

    def __init__(self, body: Any, buffers: Sequence[Any], events: Optional[EventQueue]) -> None:
        self.id = uuid4().hex
        self.body = body
        self.type = TYPES[type(body)]
        self.buffers = tuple(buffers)
        self.size = sum(memoryview(buffer).nbytes for buffer in buffers)
        self.events = events
        self.parts = wire.pack(Header(self.id, self.type), body)
        self.done = threading.Event()
        self.outcome: Union[Received, DaemonError, None] = None
        self.sent = False
        self.not_before = 0.0
        self.refusals = 0
        self.tracker: Optional[zmq.MessageTracker] = None
        self.watches = False  # whether its events have begun
        self.again = False  # whether nobody waits for its reply

    def finish(self, outcome: Union[Received, DaemonError]) -> None:
        """Hand the answer to whoever waits."""
        self.outcome = outcome
        self.done.set()

    def released(self) -> bool:
        """Whether the buffers have left and may change again."""
        return self.tracker is None or self.tracker.done


def closed_error() -> DaemonError:
    """``closed``: nothing can be asked any more."""
    return DaemonError("closed", "This connection is closed.", "Connect again.")


def no_answer(message: str) -> DaemonError:
    """``no_answer``: the daemon is not there, or stays silent."""
    return DaemonError("no_answer", message, "See 'matted status'; start the daemon with 'matted serve'.")


def refused_error(where: str, trouble: str, file: Path) -> DaemonError:
    """``refused``: the keys in the connection file are not those the daemon knows."""
    if trouble == REFUSED:
        message = f"The daemon at {where} does not know the key in {file}."
        return DaemonError(
            "refused", message, "Ask for a connection file made with 'matted connect-file'.", path=str(file)
        )
    message = f"What answers at {where} is no daemon, or its key is another than in {file}."
    return DaemonError(
        "refused", message, "Ask for a new connection file; the daemon may have new keys.", path=str(file)
    )
