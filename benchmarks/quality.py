"""How close mattes come to known ones, with one, three and five keyframes chosen in three ways.

    python benchmarks/quality.py FOLDER                                # lite, on every sequence in FOLDER
    python benchmarks/quality.py FOLDER --weights XMem.pth --device cuda
    python benchmarks/quality.py FOLDER --keyframes 1,3 --choose suggested

FOLDER holds sequences, or is one: ``NAME/frames`` and ``NAME/masks``, masks for every frame or for some, 0/255 or
palette ids. Keyframes are the sequence's own masks: the first, then those ``suggested`` by matted itself two at a
time, spread ``uniform``ly, or drawn at ``random`` with a fixed seed. Given frames are left out of the score; the
column *all* has them in, but the first.
"""

from __future__ import annotations

import csv
import random
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import torch

from matted.batch.keyframes import Keyframes, MaskSource, find_keyframes
from matted.batch.score import Scorer, mean_score
from matted.engine.plan import Direction
from matted.engine.scratch import Scratch
from matted.engine.session import Pixels, Session, SessionSettings
from matted.engine.suggest import SuggestSettings
from matted.errors import MattedError
from matted.media.plate import Plate
from matted.media.sequence import find_sequence
from matted.weights import Loaded, choose_device, load


@dataclass(frozen=True)
class Row:
    """One sequence scored once."""

    sequence: str
    choose: str
    keyframes: tuple[int, ...]
    j: float
    f: float
    f_tight: float
    all_frames: float
    seconds: float

    @property
    def j_and_f(self) -> float:
        """The mean of J and F over frames that were not given."""
        return (self.j + self.f) / 2


class Mattes:
    """Takes the place of files: keeps the mattes of a run, by frame, as bytes."""

    def __init__(self) -> None:
        self.kept: dict[int, np.ndarray] = {}

    def keep(self, frame: int, mattes: torch.Tensor) -> None:
        """Keep (O, H, W) mattes, 0..1."""
        self.kept[frame] = (mattes * 255).round().byte().numpy()


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--weights", default="lite", show_default=True)
@click.option("--keyframes", default="1,3,5", show_default=True, help="Numbers of keyframes.")
@click.option("--choose", default="suggested,uniform,random", show_default=True)
@click.option("--method", type=click.Choice(["doubt", "diversity"]), default="doubt", show_default=True)
@click.option("--direction", type=click.Choice([d.value for d in Direction]), default="both", show_default=True)
@click.option("--device", default=None)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for quality.md, quality.csv and quality.png.")
def main(
    folder: Path,
    weights: str,
    keyframes: str,
    choose: str,
    method: str,
    direction: str,
    device: str | None,
    out: Path | None,
) -> None:
    """Score every sequence, and print a table."""
    loaded = load(weights, device=choose_device(device))
    counts = sorted(int(part) for part in keyframes.split(","))
    settings = SessionSettings(direction=Direction(direction))
    how = SuggestSettings(method=method)  # type: ignore[arg-type]
    rows: list[Row] = []
    sequences = [folder] if (folder / "frames").is_dir() else sorted(p.parent for p in folder.glob("*/frames"))
    for sequence in sequences:
        try:
            for row in score(sequence, loaded, counts, choose.split(","), settings, how):
                rows.append(row)
                click.echo(f"{row.sequence:22} {row.choose:10} {row.j:.3f} {row.f:.3f} {list(row.keyframes)}", err=True)
        except MattedError as error:
            click.echo(f"{sequence.name}: {error.message}", err=True)
    table = as_table(rows, loaded)
    click.echo(table)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "quality.md").write_text(table + "\n")
        write_csv(rows, out / "quality.csv")
        plot(rows, out / "quality.png", loaded.name)


def score(
    folder: Path, loaded: Loaded, counts: list[int], choose: list[str], settings: SessionSettings, how: SuggestSettings
) -> list[Row]:
    """Score one sequence in every way asked."""
    plate = Plate(find_sequence(folder / "frames"))
    known = find_keyframes([MaskSource(folder / "masks")], size=plate.info.size, plate=plate.sequence)
    rows = []
    with TemporaryDirectory(prefix="matted-quality-") as scratch:
        mattes = Mattes()
        pixels = Pixels(
            read_plate=lambda frame: torch.from_numpy(plate.read(frame)).permute(2, 0, 1).contiguous(),
            read_masks=lambda frame: torch.from_numpy(known.read(frame)),
            write_mattes=mattes.keep,
        )
        session = Session(
            loaded.network,
            objects=len(known.objects),
            pixels=pixels,
            scratch=Scratch(Path(scratch)),
            memory=loaded.memory,
            settings=settings,
            device=loaded.device,
        )
        for way in choose if max(counts) > 1 else choose[:1]:
            given = (known.frames[0],)
            for count in counts:
                if count == 1 and way != choose[0]:
                    continue
                started = time.perf_counter()
                given = pick(way, given, count, known.frames, session, how)
                run(session, given, known, mattes, plate.frames)
                seconds = (time.perf_counter() - started) / len(plate.frames)
                rows.append(measure(folder.name, "first" if count == 1 else way, given, known, mattes, seconds))
    return rows


def pick(
    way: str, given: tuple[int, ...], count: int, masked: tuple[int, ...], session: Session, how: SuggestSettings
) -> tuple[int, ...]:
    """``count`` keyframes, the first mask always among them."""
    if count <= 1:
        return masked[:1]
    if way == "uniform":
        return tuple(sorted({masked[round(i * (len(masked) - 1) / (count - 1))] for i in range(count)}))
    if way == "random":
        return (masked[0], *sorted(random.Random(count).sample(masked[1:], min(count, len(masked)) - 1)))
    all_masked = set(session.observed()) <= set(masked)
    suggestions = session.suggest(count - len(given) if all_masked else len(masked), settings=how)
    wanted = [suggestion.frame for suggestion in suggestions if suggestion.frame in masked]
    return tuple(sorted({*given, *wanted[: count - len(given)]}))


def run(session: Session, given: tuple[int, ...], known: Keyframes, mattes: Mattes, frames: tuple[int, ...]) -> None:
    """Propagate from exactly these keyframes."""
    for frame in set(session.keyframes) - set(given):
        session.remove_keyframe(frame)
    for frame in set(given) - session.keyframes:
        session.set_keyframe(frame)
    mattes.kept.clear()
    for _ in session.propagate(frames, job=repr(given)):
        pass


def measure(name: str, choose: str, given: tuple[int, ...], known: Keyframes, mattes: Mattes, seconds: float) -> Row:
    """The scores of a run, averaged over objects."""
    kept_out, all_in = [], []
    for row, _ in enumerate(known.objects):
        scorer, everything = Scorer(keyframes=given), Scorer(keyframes=known.frames[:1])
        for frame in known.frames:
            ours, theirs = mattes.kept[frame][row].astype(np.float32) / 255, known.read(frame)[row]
            scorer.add(frame, ours, theirs)
            everything.add(frame, ours, theirs)
        kept_out.append(scorer.total())
        all_in.append(everything.total())
    mean, whole = mean_score(kept_out), mean_score(all_in)
    return Row(name, choose, given, mean.j, mean.f, mean.f_tight, whole.j_and_f, seconds)


def as_table(rows: list[Row], loaded: Loaded) -> str:
    """Markdown: the means, then a line a run."""
    groups: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.choose, len(row.keyframes)].append(row)
    lines = [
        f"`{loaded.name}` {loaded.sha256[:12]}, torch {torch.__version__}, {torch.get_num_threads()} threads",
        "",
        "| keyframes | chosen | sequences | J | F | J&F | all | F 2 px | s a frame |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (choose, count), group in groups.items():
        means = [
            np.mean([getattr(row, name) for row in group]) for name in ("j", "f", "j_and_f", "all_frames", "f_tight")
        ]
        figures = " | ".join(f"{mean:.3f}" for mean in means)
        seconds = np.mean([row.seconds for row in group])
        lines.append(f"| {count} | {choose} | {len(group)} | {figures} | {seconds:.2f} |")
    lines += ["", "| sequence | chosen | keyframes | J | F | J&F |", "|---|---|---|---|---|---|"]
    for row in rows:
        frames = ", ".join(str(frame) for frame in row.keyframes)
        lines.append(f"| {row.sequence} | {row.choose} | {frames} | {row.j:.3f} | {row.f:.3f} | {row.j_and_f:.3f} |")
    return "\n".join(lines)


def write_csv(rows: list[Row], path: Path) -> None:
    """One line a run."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sequence", "chosen", "keyframes", "j", "f", "f_2px", "j_and_f", "all", "seconds"])
        for row in rows:
            figures = (row.j, row.f, row.f_tight, row.j_and_f, row.all_frames, row.seconds)
            writer.writerow(
                [row.sequence, row.choose, " ".join(map(str, row.keyframes)), *(f"{x:.4f}" for x in figures)]
            )


def plot(rows: list[Row], path: Path, name: str) -> None:
    """Mean J&F against the number of keyframes, a line a way of choosing them."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), dpi=120)
    one = np.mean([row.j_and_f for row in rows if row.choose == "first"])
    for way in dict.fromkeys(row.choose for row in rows if row.choose != "first"):
        counts = sorted({len(row.keyframes) for row in rows if row.choose == way})
        means = [np.mean([r.j_and_f for r in rows if r.choose == way and len(r.keyframes) == n]) for n in counts]
        axes.plot([1, *counts], [one, *means], marker="o", label=way)
    axes.set(xlabel="keyframes", ylabel="mean J&F of the other frames", title=f"{name}: how keyframes are chosen")
    axes.set_xticks(sorted({len(row.keyframes) for row in rows}))
    axes.legend()
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    main()
