"""Whose turn it is: interactive work before batch, users in fair shares, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass

BATCH_SHARE = 8
"""While both wait, a device gives one turn in this many to batch work: interactive comes first, batch never starves."""


@dataclass(frozen=True)
class Ticket:
    """A job that wants a device.

    Attributes:
        job: its id.
        number: the order of submission; a user's jobs are served in it.
        user: whose share it uses.
        batch: whether it yields to interactive work.
        folder: two jobs in one folder never run at once.
    """

    job: str
    number: int
    user: str
    batch: bool
    folder: Hashable

    @property
    def share(self) -> tuple[str, bool]:
        """What its time is counted against: interactive and batch work of a user are two accounts."""
        return self.user, self.batch


class Scheduler:
    """The queue in front of the devices. Safe to use from several threads; time comes from its callers, in seconds."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, Ticket] = {}
        self._owner: dict[str, object] = {}
        self._spent: dict[tuple[str, bool], float] = {}
        self._since_batch: dict[object, int] = {}

    def add(self, ticket: Ticket) -> None:
        """Queue a job; one that is queued already takes the new ticket."""
        with self._changed:
            shares = {waiting.share for waiting in self._waiting.values()}
            if ticket.share not in shares:  # whoever comes back has nothing in hand, but still owes what he owed
                least = min((self._owed(share) for share in shares if share[1] == ticket.batch), default=0.0)
                self._spent[ticket.share] = max(self._owed(ticket.share), least)
            self._waiting[ticket.job] = ticket
            self._changed.notify_all()

    def remove(self, job: str) -> None:
        """Take a job out: it ended, or was cancelled while it waited."""
        with self._changed:
            self._waiting.pop(job, None)
            self._owner.pop(job, None)
            self._changed.notify_all()

    def withdraw(self, job: str) -> bool:
        """Take out a job that no device has begun; returns whether it was so."""
        with self._changed:
            if job in self._owner:
                return False
            return self._waiting.pop(job, None) is not None

    def take(self, device: object, *, wait: float = 0.0) -> Ticket | None:
        """The job whose turn it is on a device. It belongs to this device until it is removed."""
        with self._changed:
            ticket = self._choose(device)
            if ticket is None and wait > 0:
                self._changed.wait(wait)
                ticket = self._choose(device)
            if ticket is not None:
                self._owner[ticket.job] = device
                self._since_batch[device] = 0 if ticket.batch else self._since_batch.get(device, 0) + 1
            return ticket

    def charge(self, ticket: Ticket, seconds: float) -> None:
        """Count device time against a user's share of this kind of work."""
        with self._changed:
            self._spent[ticket.share] = self._owed(ticket.share) + seconds

    def knows(self, job: str) -> bool:
        """Whether a job waits or was begun."""
        with self._changed:
            return job in self._waiting

    def begun(self, device: object) -> list[str]:
        """The jobs that belong to a device."""
        with self._changed:
            return [job for job, owner in self._owner.items() if owner is device and job in self._waiting]

    def ahead(self, job: str) -> int:
        """How many jobs wait or run before this one, if nothing else came."""
        with self._changed:
            mine = self._waiting.get(job)
            if mine is None:
                return 0
            order = (mine.batch, mine.number)
            return sum((other.batch, other.number) < order for other in self._waiting.values())

    def counts(self) -> tuple[int, int]:
        """How many jobs wait, and how many a device has begun."""
        with self._changed:
            begun = sum(job in self._owner for job in self._waiting)
            return len(self._waiting) - begun, begun

    def wake(self) -> None:
        """Let every device that waits look again."""
        with self._changed:
            self._changed.notify_all()

    def _choose(self, device: object) -> Ticket | None:
        free = [ticket for ticket in self._waiting.values() if self._may(ticket, device)]
        interactive = [ticket for ticket in free if not ticket.batch]
        batch = [ticket for ticket in free if ticket.batch]
        since = self._since_batch.get(device, 0)
        due = batch if not interactive or (batch and since >= BATCH_SHARE - 1) else interactive
        return min(due, key=lambda ticket: (self._owed(ticket.share), ticket.number), default=None)

    def _owed(self, share: tuple[str, bool]) -> float:
        return self._spent.get(share, 0.0)

    def _may(self, ticket: Ticket, device: object) -> bool:
        """A job stays on the device that began it, and keeps other jobs out of its folder."""
        if self._owner.get(ticket.job, device) is not device:
            return False
        began = (self._waiting[job] for job in self._owner if job in self._waiting and job != ticket.job)
        return ticket.job in self._owner or all(other.folder != ticket.folder for other in began)
