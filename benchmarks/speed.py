"""Time per frame by stage, and peak memory against the number of frames.

    python benchmarks/speed.py                                   # lite, 1, 10, 100 and 1000 frames at 854x480
    python benchmarks/speed.py --weights XMem.pth --frames 1,10,100 --size 1920x1080 --device cuda

Every count runs in a process of its own, on frames of the demo shot played to and fro. A stage's time is what the
calling thread spends in it; decoding and writing run beside the network, so their times overlap the others'.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

STAGES = ("decode", "encode key", "read memory", "segment", "encode value", "refine", "write")


@click.command()
@click.option("--weights", default="lite", show_default=True)
@click.option("--frames", default="1,10,100,1000", show_default=True)
@click.option("--size", default="854x480", show_default=True)
@click.option("--device", default=None)
@click.option("--out", type=click.Path(path_type=Path), help="Also write the table there.")
@click.option("--child", hidden=True, type=int)
@click.option("--plate", hidden=True)
def main(
    weights: str, frames: str, size: str, device: str | None, out: Path | None, child: int | None, plate: str
) -> None:
    """Measure, and print a table."""
    if child is not None:
        click.echo(json.dumps(measure(Path(plate), child, weights, device)))
        return
    width, height = (int(part) for part in size.split("x"))
    with TemporaryDirectory(prefix="matted-speed-") as folder:
        drawn = draw(Path(folder), width, height)
        rows = []
        for count in (int(part) for part in frames.split(",")):
            link(drawn, Path(folder) / f"plate{count}", count)
            command = [sys.executable, __file__, "--weights", weights, "--child", str(count), "--plate", folder]
            command += ["--device", device] if device else []
            told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            rows.append(json.loads(told.splitlines()[-1]))
            click.echo(f"{count} frames: {rows[-1]['total']:.3f} s a frame, {rows[-1]['peak']:.0f} MiB", err=True)
    table = as_table(rows, weights, size)
    click.echo(table)
    if out is not None:
        out.write_text(table + "\n")


def draw(folder: Path, width: int, height: int) -> list[Path]:
    """The demo plate, and its first mask."""
    from matted.demo import draw_demo

    demo = draw_demo(folder / "demo", size=(width, height))
    (folder / "masks").mkdir()
    first = sorted(Path(demo.keyframes).glob("*.exr"))[0]
    os.link(first, folder / "masks" / "mask.0001.exr")
    return sorted(Path(demo.plate).parent.glob("*.exr"))


def link(drawn: list[Path], folder: Path, count: int) -> None:
    """A plate of ``count`` frames that plays ``drawn`` to and fro without copying a pixel."""
    folder.mkdir()
    there_and_back = drawn + drawn[-2:0:-1]
    for frame in range(count):
        os.link(there_and_back[frame % len(there_and_back)], folder / f"plate.{frame + 1:04d}.exr")


def measure(folder: Path, count: int, weights: str, device: str | None) -> dict[str, Any]:
    """Propagate one keyframe over ``count`` frames; seconds a frame for each stage and peak MiB."""
    import matted.batch.shot as shots
    import matted.engine.session as sessions
    from matted.batch.job import Job, run
    from matted.batch.keyframes import MaskSource, find_keyframes
    from matted.media.matte import MatteWriter
    from matted.media.plate import Plate
    from matted.media.sequence import find_sequence
    from matted.memory.bank import MemoryBank
    from matted.weights import choose_device, load

    spent: dict[str, float] = defaultdict(float)
    loaded = load(weights, device=choose_device(device))
    plate = Plate(find_sequence(folder / f"plate{count}"))
    masks = find_keyframes([MaskSource(folder / "masks")], size=plate.info.size, plate=plate.sequence)
    for stage, owner, name in (
        ("decode", Plate, "read"),
        ("encode key", type(loaded.network), "encode_key"),
        ("read memory", MemoryBank, "read"),
        ("segment", type(loaded.network), "segment"),
        ("encode value", type(loaded.network), "encode_value"),
        ("refine", sessions, "refine"),
        ("write", MatteWriter, "write"),
    ):
        setattr(owner, name, timed(getattr(owner, name), spent, stage, loaded.device.type))
    started = time.perf_counter()
    run(Job(shots.Shot(plate, masks), folder / f"out{count}", loaded, suggestions=0))
    total = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return {"frames": count, "total": total / count, "peak": peak, **{s: spent[s] / count for s in STAGES}}


def timed(function: Callable[..., Any], spent: dict[str, float], stage: str, device: str) -> Callable[..., Any]:
    """``function``, its time added to ``spent[stage]``; a GPU is waited for, so that work counts where it belongs."""
    import torch

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            if device == "cuda":
                torch.cuda.synchronize()
            spent[stage] += time.perf_counter() - started

    return wrapped


def as_table(rows: list[dict[str, Any]], weights: str, size: str) -> str:
    """Markdown: a row a frame count, milliseconds a frame."""
    import torch

    lines = [
        f"`{Path(weights).name}`, {size}, {platform.machine()}, {torch.get_num_threads()} threads,"
        f" torch {torch.__version__}; milliseconds a frame, one keyframe",
        "",
        f"| frames | all | {' | '.join(STAGES)} | peak MiB |",
        "|---" * (len(STAGES) + 3) + "|",
    ]
    for row in rows:
        times = " | ".join(f"{1000 * row[stage]:.0f}" for stage in STAGES)
        lines.append(f"| {row['frames']} | {1000 * row['total']:.0f} | {times} | {row['peak']:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
