"""How soon a ping is answered, idle and while the device is at work; and pixels by path against pixels by wire.

    python benchmarks/wire.py
    python benchmarks/wire.py --pings 2000 --size 3840x2160

By wire: a client sends raw buffers, the daemon keeps them as files. By path: the client writes the same frames as files
and names them. Both end when the daemon has read every frame as its network will see it, so the figures compare;
MB are the megabytes of the raw buffers.
"""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from matted.demo import draw_demo
from matted.media.plate import Plate
from matted.media.sequence import find_sequence
from matted.media.spool import DTYPES, SUFFIX, write_pixels
from matted_protocol.client import Client
from matted_protocol.frames import FrameRange
from matted_protocol.messages import Pixels, PlateSource
from soak import start_daemon

KINDS = (("uint8", "RGB"), ("half", "RGB"), ("half", "RGBA"), ("float", "RGBA"))


@click.command()
@click.option("--pings", default=1000, show_default=True)
@click.option("--size", default="1920x1080", show_default=True)
@click.option("--frames", default=8, show_default=True)
@click.option("--work", default="854x480", show_default=True, help="Size of the frames that are made meanwhile.")
def main(pings: int, size: str, frames: int, work: str) -> None:
    """Measure and print."""
    width, height = (int(side) for side in size.split("x"))
    with TemporaryDirectory(prefix="matted-wire-") as name:
        folder = Path(name)
        daemon = start_daemon(folder / "daemon.json", ["--root", name])
        try:
            with Client.connect(folder / "daemon.json", start=False) as client:
                print(f"| ping of {pings}, ms | median | 95 % | 99 % | 99.9 % | worst |\n|---|---|---|---|---|---|")
                print(distribution("idle", ping(client, pings)))
                print(distribution(f"while {work} frames are made", under_load(client, folder, pings, work)))
                print(f"\n| {frames} frames of {size} | by wire, MB/s | by path, MB/s |\n|---|---|---|")
                for dtype, channels in KINDS:
                    sent, named = pixels(client, folder, (width, height), frames, dtype, channels)
                    print(f"| {channels} {dtype} | {sent:.0f} | {named:.0f} |")
        finally:
            daemon.terminate()
            daemon.wait(60)


def ping(client: Client, count: int) -> list[float]:
    """Milliseconds of each ping, one after the other."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        client.ping(timeout=60)
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(0.005)
    return times


def under_load(client: Client, folder: Path, count: int, work: str) -> list[float]:
    """Pings while a job runs, and no others."""
    width, height = (int(side) for side in work.split("x"))
    drawn = draw_demo(folder / "shot", frames=FrameRange(1001, 1024), size=(width, height))
    shot = client.open_shot(drawn.plate).shot
    for frame in drawn.keyframe_frames:
        client.set_keyframe(shot, frame, path=drawn.keyframes / f"keyframe.{frame}.exr")
    times: list[float] = []
    number = 0
    while len(times) < count:
        number += 1
        job = client.propagate(shot, out=folder / f"mattes{number}")
        running = threading.Event()

        def follow(job: str = job.job, running: threading.Event = running) -> None:
            for _ in client.follow(job):
                running.set()
            running.clear()

        thread = threading.Thread(target=follow)
        thread.start()
        running.wait(120)
        while running.is_set() and len(times) < count:
            times += ping(client, 10)
        client.cancel(job.job)
        thread.join()
    return times


def distribution(what: str, times: list[float]) -> str:
    """One row."""
    cut = statistics.quantiles(times, n=1000, method="inclusive")
    return f"| {what} | {cut[499]:.1f} | {cut[949]:.1f} | {cut[989]:.1f} | {cut[998]:.1f} | {max(times):.1f} |"


def pixels(
    client: Client, folder: Path, size: tuple[int, int], frames: int, dtype: str, channels: str
) -> tuple[float, float]:
    """MB/s by wire and by path."""
    described = Pixels(*size, tuple(channels), dtype)  # type: ignore[arg-type]
    noise = np.random.default_rng(1).random((size[1], size[0], len(channels)), np.float32)
    smooth = np.cumsum(noise, axis=1) / np.arange(1, size[0] + 1)[None, :, None]
    data = (smooth * 255).astype(np.uint8) if dtype == "uint8" else smooth.astype(DTYPES[dtype])
    megabytes = frames * described.size / 1e6

    began = time.perf_counter()
    shot = client.open_shot(PlateSource(size=size), name=f"{dtype} {channels}").shot
    for frame in range(1, frames + 1):
        client.put_plate(shot, frame, described, np.ascontiguousarray(data), timeout=300)
    state = Path(client.status().state)
    read(state / "plates" / shot)
    sent = megabytes / (time.perf_counter() - began)
    client.delete_shot(shot)

    began = time.perf_counter()
    for frame in range(1, frames + 1):
        path = folder / f"{dtype}-{channels}" / f"plate.{frame}{SUFFIX[dtype]}"
        write_pixels(path, memoryview(data).cast("B"), size=size, channels=channels, dtype=dtype)
    client.open_shot(folder / f"{dtype}-{channels}")
    read(folder / f"{dtype}-{channels}")
    return sent, megabytes / (time.perf_counter() - began)


def read(folder: Path) -> None:
    """Read every frame the way a job does."""
    plate = Plate(find_sequence(folder))
    for frame in plate.frames:
        plate.read(frame)


if __name__ == "__main__":
    main()
