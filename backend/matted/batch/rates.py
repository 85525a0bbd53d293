"""How long work takes: figures measured once, and put right by every shot that was made on this machine."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from matted.batch.workload import Work
from matted_protocol.connection import data_folder

KEPT = 200
"""Shots that are remembered."""

SHORTEST = 20
"""Steps below which a shot says more about starting than about working."""


@dataclass(frozen=True)
class Cost:
    """Seconds of work on one kind of device.

    Attributes:
        see: a step of the network, a working pixel.
        recall: a step's comparison with what is remembered, a working pixel times as many.
        refine: refining a frame's mattes, a working pixel and object.
        plate: reading a frame and writing its mattes, a plate pixel.
        review: looking a finished frame over, a plate pixel.
    """

    see: float
    recall: float
    refine: float
    plate: float
    review: float

    def seconds(self, work: Work) -> float:
        """How long ``work`` takes; every object after the first costs the network a fifth more."""
        step = (self.see * work.working + self.recall * work.working**2) * (0.8 + 0.2 * work.objects)
        made = work.left * (work.objects * self.refine * work.working + self.plate * work.plate)
        return (work.steps + work.left_out) * step + made + work.reviewed * self.review * work.plate


TABLE = {
    ("lite", "cpu"): Cost(0.5e-6, 3.5e-12, 0.9e-6, 0.2e-6, 0.25e-6),
    ("xmem", "cpu"): Cost(8e-6, 1e-12, 0.9e-6, 0.2e-6, 0.25e-6),
    ("lite", "cuda"): Cost(0.05e-6, 0.1e-12, 0.06e-6, 0.05e-6, 0.25e-6),
    ("xmem", "cuda"): Cost(0.15e-6, 0.02e-12, 0.06e-6, 0.05e-6, 0.25e-6),
}
"""On the CPU as ``benchmarks/speed.py`` measures one core; a GPU was not measured, its figures are a guess."""


@dataclass(frozen=True)
class Rate:
    """What one shot took.

    Attributes:
        weights: the network's name.
        device: its kind: ``cpu``, ``cuda`` or ``mps``.
        working: pixels at which the network saw a frame.
        objects: how many there were.
        step: seconds a step of the network, all else included.
        ratio: how many times as long as the table says.
    """

    weights: str
    device: str
    working: int
    objects: int
    step: float
    ratio: float


def rates_file() -> Path:
    """Where rates are kept for this user."""
    return data_folder() / "rates.json"


def remember(work: Work, seconds: float, *, device: str) -> None:
    """Note what a shot took that was made whole and alone; whatever hinders that is no harm.

    Args:
        work: all there was to do.
        seconds: how long it took.
        device: its kind: ``cpu``, ``cuda`` or ``mps``.
    """
    steps = work.steps + work.left_out
    if steps < SHORTEST or seconds <= 0:
        return
    ratio = seconds / _cost(work.weights, device).seconds(work)
    rate = Rate(work.weights, device, work.working, work.objects, seconds / steps, ratio)
    with suppress(OSError):
        _write([*remembered(), rate][-KEPT:])


def remembered() -> tuple[Rate, ...]:
    """What shots took on this machine, the latest last; nothing when the file is absent or damaged."""
    try:
        rates = msgspec.json.decode(rates_file().read_bytes(), type=tuple[Rate, ...])
    except (OSError, msgspec.MsgspecError):
        return ()
    return tuple(rate for rate in rates if rate.ratio > 0)


def seconds_for(work: Work, *, device: str) -> tuple[float, bool]:
    """How long ``work`` takes on a kind of device, and whether that is a guess: no such shot was made here yet."""
    ratios = _ratios(work, device)
    seconds = _cost(work.weights, device).seconds(work)
    return (seconds * median(ratios), False) if ratios else (seconds, True)


def _ratios(work: Work, device: str) -> list[float]:
    """The latest shots of this network and device; those of the same size alone, where there are any."""
    same = [rate for rate in remembered() if (rate.weights, rate.device) == (work.weights, device)]
    alike = [rate for rate in same if rate.objects == work.objects and 0.8 < rate.working / work.working < 1.25]
    return [rate.ratio for rate in (alike or same)[-9:]]


def _cost(weights: str, device: str) -> Cost:
    kind = "xmem" if weights != "lite" else weights
    return TABLE[kind, "cpu" if device == "cpu" else "cuda"]


def _write(rates: list[Rate]) -> None:
    file = rates_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}.part")
    values: Any = msgspec.to_builtins(rates)
    beside.write_text(json.dumps(values, indent=1), "utf-8")
    beside.replace(file)
