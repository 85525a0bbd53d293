"""A batch on two local workers with one killed in the middle against one process: the same files, and the time taken.

    python benchmarks/cluster.py FOLDER                                  # every sequence in FOLDER, at most 12
    python benchmarks/cluster.py FOLDER --frames 12 --working-size 240   # their first 12 frames, small

FOLDER holds sequences, ``NAME/frames`` and ``NAME/masks``, perhaps in folders of folders. The keyframes of a shot are
three of its own masks: the first, the middle and the last among the frames. Every worker, and the one process, has
``--threads`` threads of torch, since sums in another order end in other last bits.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from matted.batch.engines import Engine, Failed, Made, News, Said, Step
from matted.batch.keyframes import MaskSource, find_keyframes
from matted.batch.request import Request
from matted.engine.session import SessionSettings
from matted.errors import MaskError, PlateError
from matted.media.mask import find_masks
from matted.media.plate import Plate
from matted.media.sequence import find_sequence
from matted_protocol.frames import FrameRange


@dataclass(frozen=True)
class Ran:
    """A batch that was made.

    Attributes:
        seconds: from the first shot submitted to the last one made; the engine was there before.
        files: sha256 of every file, by shot and name.
        said: what the engine had to say.
    """

    seconds: float
    files: dict[str, str]
    said: tuple[str, ...]


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--frames", default=12, show_default=True, help="How many frames of each sequence.")
@click.option("--working-size", default=240, show_default=True)
@click.option("--threads", default=1, show_default=True, help="Threads of torch in every process.")
@click.option("--repeat", default=1, show_default=True, help="How often to time one and two workers; the best counts.")
@click.option("--review/--no-review", default=True, show_default=True)
def main(folder: Path, frames: int, working_size: int, threads: int, repeat: int, review: bool) -> None:
    """Make the batch in one process, by one and two workers, and by two with one killed; print what came of it."""
    import torch

    from matted.batch.engines.cluster import Cluster
    from matted.batch.engines.here import Here

    torch.set_num_threads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    found = sorted(path.parent for path in folder.rglob("frames") if is_one(path))[:12]
    with TemporaryDirectory(prefix="matted-cluster-benchmark-") as name:

        def batch(label: str) -> list[Request]:
            out = Path(name) / label
            return [request(path, out / path.name, frames, working_size, review) for path in found]

        one = run(Here(), batch("one"))
        tell("one process, no Dask", one, one)
        best = {1: float("inf"), 2: float("inf")}
        for round_ in range(repeat):
            for workers in best:
                ran = run(Cluster.here(workers), batch(f"{workers} workers {round_}"))
                best[workers] = min(best[workers], ran.seconds)
                tell(f"{workers} worker{'s' * (workers > 1)}", ran, one)
        killed = run(Cluster.here(2), batch("killed"), meanwhile=KillOne())
        tell("2 workers, one killed in the middle", killed, one)
        print(*killed.said, sep="\n")
    print(f"one worker takes {best[1] / best[2]:.2f} times as long as two")


def is_one(folder: Path) -> bool:
    """Whether a folder holds one sequence."""
    try:
        find_sequence(folder)
    except PlateError:
        return False
    return True


def request(sequence: Path, out: Path, count: int, working_size: int, review: bool) -> Request:
    """The first ``count`` frames of a sequence, with three of its masks as keyframes."""
    plate = Plate(find_sequence(sequence / "frames"))
    frames = plate.frames[:count]
    masks = MaskSource(sequence / "masks")
    inside = [frame for frame in find_masks(masks.path).frames if frame in frames and fits(masks, frame, plate)]
    at = tuple(sorted({inside[0], inside[len(inside) // 2], inside[-1]}))
    return Request(
        str(sequence / "frames"),
        (masks,),
        out,
        name=sequence.name,
        at=at,
        frames=FrameRange(frames[0], frames[-1]),
        session=SessionSettings(working_size=working_size),
        review=review,
    )


def fits(masks: MaskSource, frame: int, plate: Plate) -> bool:
    """Whether a mask has the plate's size."""
    try:
        find_keyframes([masks], size=plate.info.size, plate=plate.sequence, only=[frame])
    except MaskError:
        return False
    return True


class KillOne:
    """Kills one worker with SIGKILL when half of the batch's steps are done."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._done = False

    def __call__(self, news: News, shots: int) -> None:
        if isinstance(news, Step):
            self._steps[news.shot] = news
        done = sum(step.done / step.total for step in self._steps.values())
        if not self._done and done > shots / 2:
            self._done = True
            multiprocessing.active_children()[0].kill()


def run(
    engine: Engine, requests: list[Request], meanwhile: Callable[[News, int], None] = lambda news, shots: None
) -> Ran:
    """Make every shot.

    Raises:
        MattedError: a shot could not be made.
    """
    left, said = len(requests), []
    with engine:
        began = time.perf_counter()
        for asked in requests:
            engine.submit(asked)
        while left:
            for news in engine.news(1.0):
                meanwhile(news, len(requests))
                if isinstance(news, Failed):
                    raise news.error
                if isinstance(news, Said):
                    said.append(f"{news.shot}: {news.text}")
                left -= isinstance(news, Made)
        seconds = time.perf_counter() - began
    return Ran(
        seconds, {f"{asked.name}/{name}": sha for asked in requests for name, sha in files(asked.out)}, tuple(said)
    )


def files(folder: Path) -> list[tuple[str, str]]:
    """Name and sha256 of every file in a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths]


def tell(label: str, ran: Ran, one: Ran) -> None:
    """Print a line about a batch and how its files compare."""
    other = [name for name in ran.files.keys() | one.files.keys() if ran.files.get(name) != one.files.get(name)]
    shots = len({name.split("/")[0] for name in ran.files})
    verdict = "every one as of one process, bit for bit" if not other else f"OTHER: {sorted(other)[:5]}"
    print(f"{label:36} {ran.seconds:7.1f} s   {shots} shots, {len(ran.files)} files, {verdict}", flush=True)


if __name__ == "__main__":
    main()
