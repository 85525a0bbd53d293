"""Kill the daemon with SIGKILL at a random moment of a job, again and again, and see that nothing is lost.

    python benchmarks/kill.py --times 50

Each time a client sets three keyframes, propagates 24 frames and follows the job; the daemon is killed at a random
moment between the first request and the end of the job, and started again. The client stays. Lost is: an acknowledged
keyframe, a frame that was told done and is not whole, an event that is missing or told twice, a matte that differs
from an undisturbed run, a file half-written that has the name of a matte.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from matted_protocol.client import Client
from matted_protocol.messages import FrameDone, JobDone, Settings
from soak import FRAMES, draw, kill, start_daemon

KEYFRAMES = (1001, 1012, 1024)


@click.command()
@click.option("--times", default=50, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(times: int, seed: int) -> None:
    """Run it and print what came of it."""
    chance = random.Random(seed)
    found = Counter[str]()
    with TemporaryDirectory(prefix="matted-kill-") as name:
        folder = Path(name)
        draw(folder, 1)
        connection = folder / "daemon.json"
        options = ["--root", name]
        daemon = start_daemon(connection, options)
        began = time.monotonic()
        with Client.connect(connection, start=False) as client:
            whole = one(client, folder, "undisturbed", found)
            usual = time.monotonic() - began
            for number in range(times):
                moment = chance.random() * usual
                with ThreadPoolExecutor(1) as pool:
                    made = pool.submit(one, client, folder, f"run{number}", found)
                    time.sleep(moment)
                    kill(daemon)
                    daemon = start_daemon(connection, options)
                    try:
                        found["other mattes"] += made.result(300) != whole
                    except Exception as error:
                        found[f"never ended: {error}"] += 1
        daemon.terminate()
        daemon.wait(60)
    print(f"kills {times}, an undisturbed job takes {usual:.1f} s")
    print(f"lost: {({what: count for what, count in found.items() if count}) or 'nothing'}")


def one(client: Client, folder: Path, name: str, found: Counter[str]) -> dict[str, str]:
    """One shot; returns the digest of every matte."""
    drawn = folder / "shot0"
    shot = client.open_shot(drawn / "plate" / "demo.####.exr", name=name, timeout=120).shot
    for frame in KEYFRAMES:
        client.set_keyframe(shot, frame, path=drawn / "keyframes" / f"keyframe.{frame}.exr", timeout=120)
    told = {keyframe.frame for keyframe in client.list_keyframes(shot, timeout=120).keyframes}
    found["lost keyframe"] += len(set(KEYFRAMES) - told)
    out = folder / name
    job = client.propagate(shot, out=out, settings=Settings(working_size=0), timeout=120)
    numbers, frames = [], Counter[int]()
    for received in client.follow(job.job, timeout=240):
        event = received.body
        if isinstance(event, FrameDone):
            frames[event.frame] += 1
            found["told, not there"] += sum(not (Path(str(event.folder)) / file).exists() for file in event.files)
        if isinstance(event, FrameDone | JobDone):
            numbers.append(event.seq)
    found["event lost or twice"] += numbers != list(range(1, FRAMES + 2))
    found["frame lost or twice"] += frames != Counter(range(1001, 1001 + FRAMES))
    shown = [path for path in out.rglob("*") if path.is_file() and ".matted" not in path.parts]
    for path in shown:
        if path.suffix not in (".exr", ".json"):
            found[f"half-written {path.relative_to(folder)}"] += 1
    folder = Path(str(job.folder))
    files = sorted(folder.rglob("*.exr"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    main()
