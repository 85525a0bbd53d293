"""Many clients, many shots, one daemon, for a while; clients and, if asked, the daemon are killed on the way.

    python benchmarks/soak.py                                            # 8 clients, 3 shots, 5 minutes
    python benchmarks/soak.py --clients 16 --minutes 30 --kill-daemon 60

Each client is a process that opens shots, sets and removes keyframes, propagates, asks for suggestions, fetches mattes
by wire, cancels, provokes errors on purpose and reconnects. A frame is lost when the daemon told that it is done, or
that its job is, and its file is not whole on disk; or when a job that was accepted never ends.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from matted_protocol.client import Client
from matted_protocol.connection import read_connection
from matted_protocol.errors import DaemonError
from matted_protocol.messages import FrameDone, JobDone, JobFailed, Settings

FRAMES = 24
SIZE = (240, 136)
PROVOKED = {"path_outside", "shot_missing", "bad_request", "keyframe_outside"}


@click.command()
@click.option("--clients", default=8, show_default=True)
@click.option("--shots", default=3, show_default=True)
@click.option("--minutes", default=5.0, show_default=True)
@click.option(
    "--kill-client", default=20.0, show_default=True, help="Seconds between two kills of a client; 0 for none."
)
@click.option(
    "--kill-daemon", default=0.0, show_default=True, help="Seconds between two kills of the daemon; 0 for none."
)
@click.option("--memory-budget", default="1500M", show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(
    clients: int, shots: int, minutes: float, kill_client: float, kill_daemon: float, memory_budget: str, seed: int
) -> None:
    """Run the soak and print what came of it."""
    with TemporaryDirectory(prefix="matted-soak-") as name:
        folder = Path(name)
        draw(folder, shots)
        options = ["--root", name, "--memory-budget", memory_budget, "--state", str(folder / "state")]
        daemon = start_daemon(folder / "daemon.json", options)
        workers = [start_worker(folder, number, shots, seed) for number in range(clients)]
        memory: list[list[tuple[float, int]]] = [[]]
        chance = random.Random(seed)
        began = time.monotonic()
        killed = Counter[str]()
        next_client, next_daemon = began + (kill_client or 1e9), began + (kill_daemon or 1e9)
        while time.monotonic() - began < minutes * 60:
            time.sleep(1.0)
            now = time.monotonic()
            memory[-1].append((now - began, resident(daemon.pid)))
            if now > next_client:
                number = chance.randrange(clients)
                kill(workers[number])
                workers[number] = start_worker(folder, number, shots, seed + killed["clients"] + 100)
                killed["clients"] += 1
                next_client = now + kill_client
            if now > next_daemon:
                kill(daemon)
                daemon = start_daemon(folder / "daemon.json", options)
                memory.append([])
                killed["daemon"] += 1
                next_daemon = now + kill_daemon
            for number, worker in enumerate(workers):
                if worker.poll() is not None:
                    killed["clients that ended by themselves"] += 1
                    workers[number] = start_worker(folder, number, shots, seed + 1000)
        (folder / "stop").touch()
        for worker in workers:
            with suppress(subprocess.TimeoutExpired):
                worker.wait(120)
            kill(worker)
        report(folder, memory, killed, time.monotonic() - began)
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)


def draw(folder: Path, shots: int) -> None:
    """Small drawn shots with known mattes."""
    from matted.demo import draw_demo
    from matted_protocol.frames import FrameRange

    for number in range(shots):
        draw_demo(folder / f"shot{number}", frames=FrameRange(1001, 1000 + FRAMES), size=SIZE)


def start_daemon(connection: Path, options: list[str]) -> subprocess.Popen[bytes]:
    """A daemon that answers."""
    command = [sys.executable, "-m", "matted", "serve", "--connection", str(connection), *options]
    with (connection.parent / "daemon.log").open("ab") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    while True:
        with suppress(DaemonError):
            if read_connection(connection).pid == daemon.pid:
                return daemon
        if daemon.poll() is not None:
            raise SystemExit((connection.parent / "daemon.log").read_text()[-2000:])
        time.sleep(0.05)


def start_worker(folder: Path, number: int, shots: int, seed: int) -> subprocess.Popen[bytes]:
    """A client in a process of its own."""
    script = f"import soak; soak.work({str(folder)!r}, {number}, {shots}, {seed})"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with (folder / "workers.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=log, stderr=log)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL, at whatever moment this is."""
    if process.poll() is None:
        process.kill()
    process.wait()


def resident(pid: int) -> int:
    """Bytes of memory a process holds."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def work(folder_name: str, number: int, shots: int, seed: int) -> None:
    """One client: until the file ``stop`` appears, or somebody kills it."""
    folder, chance = Path(folder_name), random.Random(seed * 1000 + number)
    with (folder / f"notes-{number}.jsonl").open("a") as notes:

        def note(**values: Any) -> None:
            notes.write(json.dumps(values) + "\n")
            notes.flush()

        while not (folder / "stop").exists():
            try:
                with Client.connect(folder / "daemon.json", name=f"soak {number}", start=False, timeout=60) as client:
                    for _ in range(chance.randrange(1, 4)):
                        one_shot(client, folder, chance.randrange(shots), f"{number}-{chance.random()}", chance, note)
                        if (folder / "stop").exists():
                            return
            except DaemonError as error:
                note(error=error.code, message=error.message)


def one_shot(client: Client, folder: Path, number: int, name: str, chance: random.Random, note: Any) -> None:
    """What an artist does with a shot, quickly."""
    drawn = folder / f"shot{number}"
    out = folder / "out" / name
    shot = client.open_shot(drawn / "plate" / "demo.####.exr", name=name, timeout=120).shot
    keyframes = [1001, 1001 + (FRAMES - 1) // 2, 1000 + FRAMES]
    for frame in chance.sample(keyframes, chance.randrange(1, 4)):
        client.set_keyframe(shot, frame, path=drawn / "keyframes" / f"keyframe.{frame}.exr", timeout=120)
    asked = time.monotonic()
    client.ping(timeout=60)
    note(ping=time.monotonic() - asked, requests=3)
    provoke(client, shot, chance, note)
    settings = Settings(working_size=0)
    job = client.propagate(shot, out=out, settings=settings, suggestions=chance.randrange(3), timeout=120)
    note(accepted=job.job, folder=job.folder, requests=1)
    cut = chance.random() < 0.2
    frames = 0
    for received in client.follow(job.job, timeout=120):
        event = received.body
        if isinstance(event, FrameDone):
            frames += 1
            note(frame=event.frame, missing=[n for n in event.files if not (Path(str(event.folder)) / n).exists()])
            if cut and frames == 5:
                client.cancel(job.job, timeout=60)
        elif isinstance(event, JobFailed) and event.error.code != "cancelled":
            note(error=event.error.code, message=event.error.message)
        elif isinstance(event, JobDone):
            note(finished=job.job, frames=frames, requests=1)
            if frames != FRAMES:
                note(lost=job.job, told=frames)
            files = client.get_matte(job.job, 1003, timeout=120)
            on_disk = [(Path(str(job.folder)) / file).read_bytes() for file in files.body.files]
            if [bytes(buffer) for buffer in files.buffers] != on_disk:
                note(lost=job.job, told="other bytes")
    if cut:
        client.propagate(shot, out=out, settings=settings, suggestions=0, timeout=120)
        last = [received.body for received in client.follow(job.job, timeout=120)]
        note(finished=job.job if any(isinstance(event, JobDone) for event in last) else None, requests=2)
    if chance.random() < 0.3:
        client.delete_shot(shot, timeout=120)
        note(requests=1)
    elif chance.random() < 0.5:
        client.close_shot(shot, timeout=120)
        note(requests=1)


def provoke(client: Client, shot: str, chance: random.Random, note: Any) -> None:
    """Something wrong, on purpose."""
    try:
        if chance.random() < 0.5:
            client.open_shot("/etc/passwd")
        else:
            client.list_keyframes("0" * 16)
        note(error="accepted", message="what should have been refused")
    except DaemonError as error:
        note(provoked=error.code, requests=1)
        if error.code not in PROVOKED:
            note(error=error.code, message=error.message)


def report(folder: Path, memory: list[list[tuple[float, int]]], killed: Counter[str], seconds: float) -> None:
    """Count, and look for every accepted job."""
    notes: list[dict[str, Any]] = []
    for path in sorted(folder.glob("notes-*.jsonl")):
        for line in path.read_text().splitlines():
            with suppress(ValueError):  # a kill cuts lines short
                notes.append(json.loads(line))
    accepted = {entry["accepted"]: entry["folder"] for entry in notes if "accepted" in entry}
    with Client.connect(folder / "daemon.json", start=False, timeout=60) as client:
        waiting = time.monotonic() + 300
        while client.list_jobs(unfinished=True, timeout=60).jobs and time.monotonic() < waiting:
            time.sleep(0.5)
        jobs = {job.job: job for job in client.list_jobs(timeout=60).jobs}
        shots = len(client.list_shots(timeout=120).shots)
    lost = [entry for entry in notes if "lost" in entry or entry.get("missing")]
    for name, job in jobs.items():
        if job.state in ("queued", "running"):
            lost.append({"lost": name, "told": "never ended"})
        elif job.state == "done" and job.kind == "propagate":
            lost += [{"lost": name, "told": missing} for missing in incomplete(Path(str(job.folder)))]
    errors = [entry for entry in notes if "error" in entry]
    pings = sorted(entry["ping"] * 1000 for entry in notes if "ping" in entry)
    print(f"seconds           {seconds:.0f}")
    print(f"requests          {sum(entry.get('requests', 0) for entry in notes)}")
    print(f"errors provoked   {sum('provoked' in entry for entry in notes)}")
    print(f"jobs accepted     {len(accepted)}, known at the end {len(jobs)}, shots {shots}")
    print(f"jobs done         {sum(job.state == 'done' for job in jobs.values())}")
    print(f"frames told       {sum('frame' in entry for entry in notes)}")
    print(f"lost frames       {len(lost)}")
    print(f"errors not asked  {len(errors)}  {dict(Counter(entry['error'] for entry in errors))}")
    print(f"killed            {dict(killed)}")
    if pings:
        q = statistics.quantiles(pings, n=100, method="inclusive") if len(pings) > 1 else pings * 99
        print(f"ping, ms          median {q[49]:.1f}, 95 % {q[94]:.1f}, 99 % {q[98]:.1f}, worst {pings[-1]:.1f}")
    for life in memory:
        print("daemon's memory   " + growth(life))
    for entry in (lost + errors)[:10]:
        print("  ", entry)


def incomplete(folder: Path) -> list[str]:
    """Frames of a finished job that are not whole on disk."""
    from matted.media.matte import read_matte

    found = []
    for name in ("ball", "kite"):
        for frame in range(1001, 1001 + FRAMES):
            try:
                read_matte(folder / name / f"{name}.{frame}.exr")
            except Exception as error:
                found.append(f"{name} {frame}: {error}")
    return found


def growth(life: list[tuple[float, int]]) -> str:
    """Memory in the second and the last fifth of a life, in MiB."""
    if len(life) < 10:
        return "too short a life"
    fifth = len(life) // 5
    early = statistics.median(size for _, size in life[fifth : 2 * fifth]) / 2**20
    late = statistics.median(size for _, size in life[-fifth:]) / 2**20
    return f"{early:.0f} MiB early, {late:.0f} MiB late, most {max(size for _, size in life) / 2**20:.0f} MiB"


if __name__ == "__main__":
    main()
