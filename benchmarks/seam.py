"""What it does to mattes to make a shot in segments cut at its keyframes, each with a fresh memory of the walk.

    python benchmarks/seam.py FOLDER                                   # every sequence in FOLDER
    python benchmarks/seam.py FOLDER --frames 40 --working-size 240    # small, on their first 40 frames

FOLDER holds sequences, ``NAME/frames`` and ``NAME/masks``, perhaps in folders of folders; the keyframes of a shot are
the first, the middle and the last of its masks. With the direction ``both`` the segments are those that a batch has
made apart. With ``forward`` the second half begins at the middle keyframe, or ``overlap`` frames before it; what is
made of the overlap itself is left away. Differences are between the mattes of the two ways of making a shot, 0..1,
before they are written: *near* is the mean over the eight frames after the seam, of pixels where either is not 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import torch

from cluster import fits, is_one
from matted.batch.keyframes import Keyframes, MaskSource, find_keyframes
from matted.batch.score import region_similarity
from matted.batch.segments import split, walked
from matted.engine.plan import Direction
from matted.engine.scratch import Scratch
from matted.engine.session import Pixels, Session, SessionSettings
from matted.media.mask import find_masks
from matted.media.plate import Plate
from matted.media.sequence import find_sequence
from matted.weights import Loaded, choose_device, load

NEAR = 8
"""Frames after a seam that are near it."""

OVERLAPS = (0, 4, 8, 16)

Mattes = dict[int, np.ndarray]


@dataclass(frozen=True)
class Seam:
    """How two ways of making the same frames differ.

    Attributes:
        most: the largest difference of a pixel, in any frame.
        near: the mean difference near the seam.
        j: the mean J between the two ways near the seam.
        worst: the lowest J of a frame, anywhere.
    """

    most: float
    near: float
    j: float
    worst: float


@dataclass(frozen=True)
class Footage:
    """A sequence, and how it is worked on."""

    plate: Plate
    known: Keyframes
    frames: tuple[int, ...]
    loaded: Loaded
    working_size: int

    def make(self, direction: Direction, frames: Iterable[int], own: Iterable[int]) -> Mattes:
        """The mattes (O, H, W) of ``own`` that a session of its own makes when it is asked for ``frames``."""
        made: Mattes = {}
        with TemporaryDirectory(prefix="matted-seam-") as scratch:
            session = Session(
                self.loaded.network,
                objects=len(self.known.objects),
                pixels=Pixels(
                    lambda frame: torch.from_numpy(self.plate.read(frame)).permute(2, 0, 1).contiguous(),
                    lambda frame: torch.from_numpy(self.known.read(frame)),
                    lambda frame, mattes: made.update({frame: mattes.numpy().copy()}),
                ),
                scratch=Scratch(Path(scratch)),
                memory=self.loaded.memory,
                settings=SessionSettings(working_size=self.working_size, direction=direction),
                device=self.loaded.device,
            )
            for frame in self.known.frames:
                session.set_keyframe(frame)
            for _ in session.propagate(frames, job="seam"):
                pass
        return {frame: made[frame] for frame in own}


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--frames", default=40, show_default=True, help="How many frames of each sequence.")
@click.option("--working-size", default=240, show_default=True)
@click.option("--weights", default="lite", show_default=True)
@click.option("--device", default=None)
def main(folder: Path, frames: int, working_size: int, weights: str, device: str | None) -> None:
    """Make every sequence whole and in segments, and print how the mattes differ."""
    loaded = load(weights, device=choose_device(device))
    found: dict[str, list[Seam]] = defaultdict(list)
    for sequence in sorted(path.parent for path in folder.rglob("frames") if is_one(path)):
        footage = read(sequence, frames, loaded, working_size)
        if len(footage.known.frames) == 3:
            for way, seam in seams(footage):
                found[way].append(seam)
                click.echo(f"{sequence.name:22} {way:26} {seam}", err=True)
    print(table(found, loaded))


def read(sequence: Path, count: int, loaded: Loaded, working_size: int) -> Footage:
    """The first frames of a sequence, with the first, the middle and the last of its masks there."""
    plate = Plate(find_sequence(sequence / "frames"))
    frames = plate.frames[:count]
    masks = MaskSource(sequence / "masks")
    inside = [frame for frame in find_masks(masks.path).frames if frame in frames and fits(masks, frame, plate)]
    only = {inside[0], inside[len(inside) // 2], inside[-1]}
    known = find_keyframes([masks], size=plate.info.size, plate=plate.sequence, only=only)
    return Footage(plate, known, frames, loaded, working_size)


def seams(footage: Footage) -> Iterable[tuple[str, Seam]]:
    """Every way of cutting a sequence, and what it does."""
    keyframes, frames = footage.known.frames, footage.frames
    whole = footage.make(Direction.BOTH, frames, frames)
    parts: Mattes = {}
    for segment in split(frames, keyframes, Direction.BOTH):
        own = [frame for frame in frames if frame in segment]
        parts |= footage.make(Direction.BOTH, walked(segment, frames, keyframes), own)
    yield "both", compare(whole, parts, keyframes[1])
    whole = footage.make(Direction.FORWARD, frames, frames)
    after = [frame for frame in frames if frame >= keyframes[1]]
    for overlap in OVERLAPS:
        begin = [frame for frame in frames if frame < keyframes[1]][len(frames) - len(after) - overlap :]
        if len(begin) == overlap:
            half = footage.make(Direction.FORWARD, begin + after, after)
            yield f"forward, overlap {overlap}", compare(whole, half, keyframes[1])


def compare(whole: Mattes, parts: Mattes, seam: int) -> Seam:
    """How ``parts`` differ from the same frames of ``whole``."""
    far = max(float(np.abs(whole[frame] - parts[frame]).max()) for frame in parts)
    j = {
        frame: np.mean([region_similarity(*pair) for pair in zip(parts[frame], whole[frame], strict=True)])
        for frame in parts
    }
    near = [frame for frame in sorted(parts) if frame > seam][:NEAR]
    differences = [np.abs(whole[n] - parts[n])[(whole[n] > 0) | (parts[n] > 0)].mean() for n in near]
    return Seam(far, float(np.mean(differences)), float(np.mean([j[frame] for frame in near])), float(min(j.values())))


def table(found: dict[str, list[Seam]], loaded: Loaded) -> str:
    """Markdown: a line a way of cutting."""
    lines = [
        f"`{loaded.name}` {loaded.sha256[:12]}, torch {torch.__version__}, {torch.get_num_threads()} threads",
        "",
        "| direction | shots | largest difference | mean near the seam | J near the seam | lowest J of a frame |",
        "|---|---|---|---|---|---|",
    ]
    for way, seams_ in found.items():
        most, worst = max(seam.most for seam in seams_), min(seam.worst for seam in seams_)
        near, j = np.mean([seam.near for seam in seams_]), np.mean([seam.j for seam in seams_])
        lines.append(f"| {way} | {len(seams_)} | {most:.4g} | {near:.5f} | {j:.4f} | {worst:.4f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
