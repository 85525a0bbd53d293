"""Every call of an action made to fail in every way: what the tests of "nothing is left behind" walk through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fakes.resolve_handles import Called

WAYS = ("raises", "none", "false")


@dataclass
class Tried:
    """One run of the action in which one call failed.

    Attributes:
        machine: the Resolve it ran in, as the action left it.
        n: which call failed, from 1; ``call`` is that call, None where the action never got so far.
        how: "raises", "none" or "false".
        error: what the action raised, or None.
    """

    machine: Any
    n: int
    how: str
    call: Called | None
    error: Exception | None

    def __str__(self) -> str:
        name = f"{self.call.kind}.{self.call.method}" if self.call else "a call"
        return f"{name} (number {self.n}) {self.how}"


def faults(
    machine_factory: Callable[[], Any],
    act: Callable[[Any], object],
    ways: Sequence[str] = WAYS,
    turns: bool = False,
) -> Iterator[Tried]:
    """Run ``act`` once to count its calls, then once for each call and way of failing, each in a fresh machine.

    ``act`` has to be told apart by its machine alone: what it leaves in folders goes under ``machine.folder``. With
    ``turns`` each call fails in one of the ways only, by turns, where a run is slow.

    Raises:
        Exception: what ``act`` raises when nothing fails, and what it was refused (NotMeasured, ...) in any run.
    """
    machine = machine_factory()
    before = len(machine.calls)
    act(machine)
    _refusals(machine)
    for n in range(1, len(machine.calls) - before + 1):
        for how in [ways[n % len(ways)]] if turns else ways:
            yield _tried(machine_factory(), act, n, how)


def _tried(machine: Any, act: Callable[[Any], object], n: int, how: str) -> Tried:
    before, error = len(machine.calls), None
    machine.fault(n, how)
    try:
        act(machine)
    except Exception as raised:
        error = raised
    _refusals(machine)
    calls = machine.calls[before:]
    return Tried(machine, n, how, calls[n - 1] if n <= len(calls) else None, error)


def _refusals(machine: Any) -> None:
    if machine.refused:
        raise machine.refused[0]
