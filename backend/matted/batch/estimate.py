"""What a batch will take, said before anything of it is made: frames, time, memory, disk."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from matted.batch.outcome import Outcome
from matted.batch.rates import remember, seconds_for
from matted.batch.request import Request
from matted.batch.workload import Work, work_of
from matted.errors import MattedError
from matted.weights import choose_device, identify

GUESS = "a guess: no job has run here yet"

_BASE = {"lite": 850e6, "xmem": 1050e6}
"""Bytes of a process with the network, before it sees a picture; ``benchmarks/results/speed-lite.md``."""
_ACTIVE = {"lite": 500, "xmem": 2600}
"""Bytes of a working pixel while the network looks at it, one object."""
_KEPT = {"lite": 22, "xmem": 112}
"""Bytes of features of a working pixel, kept for the walk back."""
_KEPT_MOST = 512 * 2**20
_PLATE = 180
"""Bytes of a plate pixel while it is read, refined and written."""
_SEEN = {"lite": 19.5, "xmem": 4.1}
"""Bytes of a working pixel kept on disk of every frame, to compare frames by when some are suggested."""
_CHECKPOINT = {"lite": 90, "xmem": 110}
"""Bytes of a working pixel and object in a checkpoint of a walk."""


@dataclass(frozen=True)
class ShotPlan:
    """What one shot will take.

    Attributes:
        name: of the shot.
        work: what there is to do; None when that cannot be told.
        seconds: how long, made alone on one device.
        is_guess: whether no such shot has been made on this machine.
        memory: bytes of the process at the most.
        device_memory: bytes of the GPU at the most; 0 where there is none.
        mattes: bytes of the mattes to make.
        scratch: bytes on the same disk while it is made, gone when it is done.
        lacks: what is not as it should be, such as a plate that is not there yet; empty when all is.
    """

    name: str
    work: Work | None
    seconds: float = 0.0
    is_guess: bool = False
    memory: int = 0
    device_memory: int = 0
    mattes: int = 0
    scratch: int = 0
    lacks: str = ""


@dataclass(frozen=True)
class Plan:
    """What a batch will take.

    Attributes:
        shots: in the batch's order.
        device: what kind of device it is reckoned for.
        frames: to make mattes for, those made already not counted.
        seconds: on one such device, one shot after the other.
        is_guess: whether some of the time is a guess.
        memory, device_memory: bytes that the neediest shot takes.
        mattes: bytes of all mattes to make.
        scratch: bytes that the neediest shot takes besides while it is made.
        notices: what a person should do something about.
    """

    shots: tuple[ShotPlan, ...]
    device: str
    frames: int
    seconds: float
    is_guess: bool
    memory: int
    device_memory: int
    mattes: int
    scratch: int
    notices: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """JSON values: times in seconds, sizes in bytes."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values


def estimate(requests: Sequence[Request], *, device: str | None = None) -> Plan:
    """Reckon what a batch will take; nothing is made, and no network is loaded.

    Args:
        requests: the shots.
        device: ``cpu``, ``cuda`` or ``mps``; the fastest there is here when None.

    Raises:
        DeviceError: device_missing.
    """
    kind = choose_device(device).type
    shots = tuple(_planned(request, kind) for request in requests)
    lacking = [f"{shot.name}: {shot.lacks}" for shot in shots if shot.lacks]
    return Plan(
        shots=shots,
        device=kind,
        frames=sum(shot.work.left for shot in shots if shot.work),
        seconds=sum(shot.seconds for shot in shots),
        is_guess=any(shot.is_guess for shot in shots),
        memory=max((shot.memory for shot in shots), default=0),
        device_memory=max((shot.device_memory for shot in shots), default=0),
        mattes=sum(shot.mattes for shot in shots),
        scratch=max((shot.scratch for shot in shots), default=0),
        notices=(*lacking, *_full_disks(requests, shots)),
    )


def learn(outcome: Outcome, *, device: str | None = None) -> None:
    """Remember how long a shot took, for later plans, when it was made whole on this machine and nothing went wrong.

    Args:
        outcome: of the shot; its seconds are those it was worked on.
        device: what kind of device made it; the fastest there is here when None.
    """
    result = outcome.result
    if result is None or result.computed < len(result.confidence) or outcome.said:
        return
    with suppress(MattedError, OSError):
        work = work_of(outcome.request.job(identify(outcome.request.weights)), anew=True)
        remember(work, outcome.seconds, device=choose_device(device).type)


def _planned(request: Request, kind: str) -> ShotPlan:
    try:
        work = work_of(request.job(identify(request.weights)))
    except MattedError as error:
        return ShotPlan(request.name, None, lacks=f"{error.message} {error.hint}")
    except OSError as error:
        return ShotPlan(request.name, None, lacks=f"{request.out} cannot be looked at: {error.strerror or error}.")
    if not (work.steps or work.left_out or work.reviewed):
        return ShotPlan(request.name, work)
    seconds, is_guess = seconds_for(work, device=kind)
    memory, device_memory = _memory(work, kind)
    mattes, scratch = work.matte * work.left, _scratch(work, request.session.checkpoint_every)
    return ShotPlan(request.name, work, seconds, is_guess, memory, device_memory, mattes, scratch)


def _memory(work: Work, kind: str) -> tuple[int, int]:
    """(bytes of the process, bytes of the GPU) at the most."""
    weights = _of(work)
    kept = min(_KEPT_MOST, _KEPT[weights] * work.working * work.gap)
    network = _ACTIVE[weights] * work.working * (0.7 + 0.3 * work.objects) + kept
    plate = _PLATE * work.plate * (0.7 + 0.3 * work.objects)
    if kind == "cpu":
        return round(_BASE[weights] + network + plate), 0
    return round(2 * _BASE["lite"] + plate), round(0.5e9 + network + plate)


def _scratch(work: Work, checkpoint_every: int) -> int:
    """Bytes a job keeps on disk while it is made: what it saw, what waits for the walk back, a checkpoint."""
    weights = _of(work)
    seen = _SEEN[weights] * work.working * work.frames
    held = 2 * (work.objects + 1) * work.working * work.gap
    longest = work.steps > checkpoint_every
    return round(seen + held + longest * _CHECKPOINT[weights] * work.working * work.objects)


def _of(work: Work) -> str:
    return "lite" if work.weights == "lite" else "xmem"


def _full_disks(requests: Iterable[Request], shots: Iterable[ShotPlan]) -> list[str]:
    """A notice for every disk that is too small for what will be written on it."""
    needed: dict[int, list[tuple[Path, ShotPlan]]] = {}
    for request, shot in zip(requests, shots, strict=True):
        folder = next((each for each in (request.out, *request.out.parents) if each.is_dir()), None)
        if folder is not None:
            needed.setdefault(folder.stat().st_dev, []).append((folder, shot))
    notices = []
    for planned in needed.values():
        folder = planned[0][0]
        total = sum(shot.mattes for _, shot in planned) + max(shot.scratch for _, shot in planned)
        free = shutil.disk_usage(folder).free
        if total > free:
            said = f"The disk of {folder} has {in_bytes(free)} free, and about {in_bytes(total)} will be written there."
            notices.append(f"{said} Free some space, or send mattes elsewhere.")
    return notices


def plan_text(plan: Plan) -> str:
    """A plan as a table, with what it comes to and what a person should know."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    for index, title in enumerate(("shot", "frames", "keyframes", "segments", "steps", "time", "memory", "disk", "+")):
        table.add_column(title, justify="right" if index else "left", no_wrap=True)
    for shot in plan.shots:
        table.add_row(*_row(shot))
    text = io.StringIO()
    Console(file=text, width=200, no_color=True, highlight=False, markup=False).print(table)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    return "\n".join([*lines, "", *_sums(plan), *plan.notices])


def _row(shot: ShotPlan) -> tuple[str, ...]:
    work = shot.work
    if work is None:
        return (shot.name, *["?"] * 8)
    frames = f"{work.left}" + (f" of {work.frames}" if work.made else "")
    counts = (str(work.keyframes), str(work.segments), str(work.steps + work.left_out))
    sizes = (in_bytes(shot.memory), in_bytes(shot.mattes), in_bytes(shot.scratch))
    return (shot.name, frames, *counts, in_time(shot.seconds), *sizes)


def _sums(plan: Plan) -> list[str]:
    many = len(plan.shots)
    guess = f" ({GUESS})" if plan.is_guess else ""
    gpu = f" and {in_bytes(plan.device_memory)} of the GPU" if plan.device_memory else ""
    return [
        f"{many} shot{'' if many == 1 else 's'}, {plan.frames} frames to make:"
        f" about {in_time(plan.seconds)} on one {plan.device.upper()}{guess}.",
        f"Memory: {in_bytes(plan.memory)}{gpu} at the most.",
        f"Disk: {in_bytes(plan.mattes)} of mattes, and {in_bytes(plan.scratch)} while the largest shot is made (+).",
    ]


def in_time(seconds: float) -> str:
    """A time that is reckoned, for people: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def in_bytes(count: float) -> str:
    """A size for people: ``12 KiB``, ``3.4 MiB``, ``1.2 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit in ("B", "KiB") or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
