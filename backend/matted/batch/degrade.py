"""What a job gives up, step by step, when the device has too little memory for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from matted.batch.bench import Bench
from matted.engine.session import SessionSettings
from matted.errors import DeviceError
from matted.memory.bank import MemorySettings

SMALLEST = 240
"""Shorter side in pixels below which a network sees too little to be of use."""


@dataclass(frozen=True)
class Means:
    """What a job works with.

    Attributes:
        session: how the shot is worked on.
        memory: sizes of the memory bank.
        gave_up: what is done without, in words for an artist; empty when nothing is.
    """

    session: SessionSettings
    memory: MemorySettings
    gave_up: str = ""


class Ladder:
    """The way down from what was asked for, a rung at a time.

    Args:
        means: what was asked for.
        bench: what is warm on the device; emptied before each rung.
        size: (width, height) of the plate.
    """

    def __init__(self, means: Means, bench: Bench, *, size: tuple[int, int]) -> None:
        self.means = means
        self._rungs = with_less(means, bench, size=size)

    def down(self, lack: DeviceError) -> str:
        """Take the next rung; returns what happened, for an artist.

        Raises:
            DeviceError: ``lack`` itself, when there is nothing left to give up.
        """
        means = next(self._rungs, None)
        if means is None:
            raise lack
        self.means = means
        return f"{lack.message.removesuffix('.')}: {means.gave_up}."


def out_of_memory(error: DeviceError) -> DeviceError:
    """The same lack of memory without its traceback, which holds on to the failed step's memory; others are raised.

    Raises:
        DeviceError: ``error`` itself, when it is about something else.
    """
    if error.code != "out_of_memory":
        raise error
    return DeviceError(error.code, error.message, hint=error.hint, frame=error.frame)


def with_less(means: Means, bench: Bench, *, size: tuple[int, int]) -> Iterator[Means]:
    """Ever smaller means, each worth a try when the one before was too much; the bench is emptied before each.

    Args:
        means: what was too much.
        bench: what is warm on the device.
        size: (width, height) of the plate.
    """
    kept = bench.shrink()
    if kept is not None:
        yield replace(means, gave_up=f"{kept} were let go")
    bench.shrink()
    fewer = _remember_less(means.memory)
    if fewer != means.memory:
        said = f"it remembers {fewer.working_max} frames in place of {means.memory.working_max} from here on"
        means = replace(means, memory=fewer, gave_up=f"{said}, so mattes may drift a little more between keyframes")
        yield means
    side = _side(means.session, size)
    while side > SMALLEST:
        bench.shrink()
        smaller = max(SMALLEST, side * 3 // 4)
        said = f"it looks at the plate at {smaller} pixels in place of {side} from here on"
        session = replace(means.session, working_size=smaller)
        means = replace(means, session=session, gave_up=f"{said}, so fine detail may be softer")
        side = smaller
        yield means


def _remember_less(memory: MemorySettings) -> MemorySettings:
    """Half the working frames, a quarter of long-term memory."""
    most = max(2, memory.working_max // 2)
    if most >= memory.working_max:
        return memory
    least = min(memory.working_min, most // 2)
    long_term = min(memory.long_term_max, max(2 * memory.prototypes, memory.long_term_max // 4))
    return replace(memory, working_max=most, working_min=least, long_term_max=long_term)


def _side(session: SessionSettings, size: tuple[int, int]) -> int:
    """The shorter side in pixels at which the network sees the plate."""
    return min(size) if session.working_size <= 0 else min(*size, session.working_size)
