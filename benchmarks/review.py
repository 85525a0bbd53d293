"""What the review of finished mattes says of shots whose right mattes are known.

    python benchmarks/review.py FOLDER                                          # lite, one to four keyframes each
    python benchmarks/review.py FOLDER --every 2 --working-size 240             # quicker
    python benchmarks/review.py FOLDER --measures kept.jsonl                    # make once, judge as often as wanted

FOLDER holds sequences, or is one: ``NAME/frames`` and ``NAME/masks``, masks for every frame or for some. Keyframes are
the sequence's own masks, spread evenly; J and F are those of the frames that had none. A shot is *bad* when a frame of
it has a J below .7, *good* when its mean J&F is above .9, and a verdict is right when bad shots do not pass and good
ones do.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np

from matted.batch.bench import Bench
from matted.batch.degrade import Means
from matted.batch.job import Job, run
from matted.batch.keyframes import Keyframes, MaskSource, find_keyframes
from matted.batch.review import Review, Thresholds, Verdict, judge, measured
from matted.batch.review.looking import review
from matted.batch.score import boundary_measure, davis_tolerance, region_similarity
from matted.batch.shot import Shot
from matted.engine.session import SessionSettings
from matted.errors import MattedError
from matted.media.matte import MatteWriter
from matted.media.plate import Plate
from matted.media.sequence import find_sequence
from matted.weights import Loaded, choose_device, load

BAD, GOOD = 0.7, 0.9


@dataclass(frozen=True)
class Case:
    """One sequence made with some keyframes, looked over, and compared with the known mattes.

    Attributes:
        j, f: by frame that had a mask but was no keyframe, one number an object.
        seconds: of a frame, making it and looking it over.
    """

    sequence: str
    confidence: dict[int, tuple[float, ...]]
    review: Review
    j: dict[int, tuple[float, ...]]
    f: dict[int, tuple[float, ...]]
    seconds: tuple[float, float]

    @property
    def j_and_f(self) -> float:
        """The mean over frames and objects."""
        return float(np.mean([*self.j.values()]) + np.mean([*self.f.values()])) / 2

    @property
    def worst_j(self) -> float:
        """The lowest of any object in any frame."""
        return float(np.min([*self.j.values()]))

    def worst(self) -> dict[str, float]:
        """The worst number of every measure that a verdict counts, NaN where there is none; and the mean flicker."""
        found: dict[str, list[float]] = defaultdict(list)
        for row, _ in enumerate(self.review.objects):
            for measure, values in measured(self.confidence, self.review, row).items():
                found[measure] += [value for value in values.values() if value is not None]
        flicker = found["flicker"]
        return {
            "confidence": min(found["confidence"]),
            "left_out": min(found["left_out"], default=float("nan")),
            "jump": max(found["jump"], default=float("nan")),
            "flicker": max(flicker, default=float("nan")),
            "mean flicker": float(np.mean(flicker)) if flicker else float("nan"),
        }

    def judged(self, thresholds: Thresholds) -> Verdict:
        """The verdict."""
        return judge(self.confidence, self.review, thresholds)

    def plain(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "review": self.review.plain()}

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> Case:
        """What :meth:`plain` wrote down."""
        by_frame = {
            name: {int(frame): tuple(numbers) for frame, numbers in values[name].items()}
            for name in ("confidence", "j", "f")
        }
        return cls(**{**values, **by_frame, "review": Review.from_plain(values["review"])})


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--weights", default="lite", show_default=True)
@click.option("--keyframes", default="1,2,3,4", show_default=True, help="Numbers of keyframes.")
@click.option("--every", default=1, show_default=True, help="Take every so many frames.")
@click.option("--working-size", default=480, show_default=True)
@click.option("--device", default=None)
@click.option("--measures", type=click.Path(path_type=Path), help="A file to keep what was measured in.")
@click.option("--out", type=click.Path(path_type=Path), help="A file for the table.")
def main(
    folders: tuple[Path, ...],
    weights: str,
    keyframes: str,
    every: int,
    working_size: int,
    device: str | None,
    measures: Path | None,
    out: Path | None,
) -> None:
    """Look every sequence over, and print a table."""
    loaded = load(weights, device=choose_device(device))
    settings = SessionSettings(working_size=working_size)
    counts = [int(part) for part in keyframes.split(",")]
    kept = {(case.sequence, len(case.review.keyframes)): case for case in read(measures)}
    cases = []
    for folder in sequences(folders):
        for count in counts:
            try:
                case = kept.get((folder.name, count)) or make(folder, count, every, loaded, settings)
            except MattedError as error:
                click.echo(f"{folder.name}: {error.message}", err=True)
                break
            cases.append(case)
            if measures is not None and (folder.name, count) not in kept:
                with measures.open("a") as file:
                    file.write(json.dumps(case.plain()) + "\n")
            click.echo(line(case), err=True)
    head = f"`{loaded.name}` {loaded.sha256[:12]}, {working_size} lines, 1 frame in {every}"
    table = f"{head}\n\n{as_table(cases)}\n"
    click.echo(table)
    if out is not None:
        out.write_text(table)


def sequences(folders: Iterable[Path]) -> list[Path]:
    """Every sequence in the folders."""
    return [
        found
        for folder in folders
        for found in ([folder] if (folder / "frames").is_dir() else sorted(p.parent for p in folder.glob("*/frames")))
    ]


def read(measures: Path | None) -> list[Case]:
    """What was measured earlier."""
    if measures is None or not measures.exists():
        return []
    return [Case.from_plain(json.loads(row)) for row in measures.read_text().splitlines()]


def make(folder: Path, count: int, every: int, loaded: Loaded, settings: SessionSettings) -> Case:
    """Make one sequence's mattes from ``count`` of its masks, look them over and compare them."""
    with TemporaryDirectory(prefix="matted-review-") as temporary:
        plate = Plate(find_sequence(thinned(folder / "frames", Path(temporary) / "frames", every)))
        masks = MaskSource(thinned(folder / "masks", Path(temporary) / "masks", every, plate.frames))
        known = find_keyframes([masks], size=plate.info.size, plate=plate.sequence)
        drawn = spread(known.frames, count)
        given = find_keyframes([masks], size=plate.info.size, plate=plate.sequence, only=drawn)
        given = Keyframes(given.sources, given.files, known.objects, given.size)
        shot, bench = Shot(plate, given).pin(), Bench(loaded.device, feature_budget=2**28)
        started = time.perf_counter()
        result = run(Job(shot, Path(temporary) / "out", loaded, settings, suggestions=0))
        made = time.perf_counter()
        writer = MatteWriter(
            result.folder, objects=known.objects, settings=Job(shot, Path(), loaded).mattes, info=plate.info
        )
        hidden, means = Path(temporary) / "hidden", Means(settings, loaded.memory)
        looked = ended(review(shot, writer, weights=loaded, means=means, bench=bench, hidden=hidden, key="shot"))
        seconds = made - started, time.perf_counter() - made
        j, f = compare(writer, known, drawn)
    frames = len(plate.frames)
    return Case(folder.name, result.confidence, looked, j, f, (seconds[0] / frames, seconds[1] / frames))


def thinned(folder: Path, into: Path, every: int, only: Iterable[int] | None = None) -> Path:
    """A folder with links to every so many of the files, or to those of some frames."""
    found = find_sequence(folder)
    into.mkdir()
    for frame in found.frames[::every] if only is None else sorted(set(found.frames) & set(only)):
        (into / found.path(frame).name).symlink_to(found.path(frame).resolve())
    return into


def spread(masked: tuple[int, ...], count: int) -> tuple[int, ...]:
    """``count`` frames from the first to the last."""
    return tuple(sorted({masked[round(i * (len(masked) - 1) / max(1, count - 1))] for i in range(count)}))


def ended(steps: Iterator[Any]) -> Review:
    """What comes of all the steps."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def compare(
    writer: MatteWriter, known: Keyframes, drawn: tuple[int, ...]
) -> tuple[dict[int, tuple[float, ...]], dict[int, tuple[float, ...]]]:
    """J and F of every known frame that was not given."""
    j, f = {}, {}
    for frame in sorted(set(known.frames) - set(drawn)):
        pairs = list(zip(writer.read(frame), known.read(frame), strict=True))
        tolerance = davis_tolerance(*pairs[0][0].shape)
        j[frame] = tuple(region_similarity(*pair) for pair in pairs)
        f[frame] = tuple(boundary_measure(*pair, tolerance=tolerance) for pair in pairs)
    return j, f


def line(case: Case) -> str:
    """A row of the table."""
    verdict = case.judged(Thresholds())
    numbers = [case.j_and_f, case.worst_j, *case.worst().values()]
    figures = " | ".join("" if np.isnan(number) else f"{number:.3f}" for number in numbers)
    bad, good = case.worst_j < BAD, case.j_and_f > GOOD
    truth = "bad" if bad else "good" if good else "between"
    by = ", ".join(dict.fromkeys(finding.measure for finding in verdict.findings))
    return f"| {case.sequence} | {len(case.review.keyframes)} | {figures} | {truth} | {verdict.state} | {by} |"


def as_table(cases: list[Case]) -> str:
    """Markdown: how often the verdict is right, rank correlations, then a line a case."""
    names = list(cases[0].worst())
    rows = ["| truth | shots | pass | warn | fail |", "|---|---|---|---|---|"]
    for truth in ("good", "between", "bad"):
        states = [case.judged(Thresholds()).state for case in cases if f"| {truth} |" in line(case)]
        rows.append(
            f"| {truth} | {len(states)} | {' | '.join(str(states.count(s)) for s in ('pass', 'warn', 'fail'))} |"
        )
    rows += [
        "",
        "| measure | rank correlation with J&F | with the worst J | of single frames with their J |",
        "|---|---|---|---|",
    ]
    for name in names:
        measured = [case.worst()[name] for case in cases]
        figures = [
            correlation(measured, [case.j_and_f for case in cases]),
            correlation(measured, [case.worst_j for case in cases]),
            correlation(*singles(cases, name)),
        ]
        rows.append(f"| {name} | {' | '.join('' if np.isnan(figure) else f'{figure:+.2f}' for figure in figures)} |")
    making, looking = np.mean([case.seconds for case in cases], axis=0)
    rows += ["", f"{making:.2f} s to make a frame, {looking:.2f} s to look it over, keyframes left out and all.", ""]
    rows += [f"| sequence | keyframes | J&F | worst J | {' | '.join(names)} | truth | verdict | by |"]
    rows += ["|---" * (len(names) + 7) + "|"]
    return "\n".join([*rows, *map(line, cases)])


def singles(cases: list[Case], name: str) -> tuple[list[float], list[float]]:
    """A measure of single frames, and their J."""
    pairs = []
    for case in cases:
        frames = {frame.frame: frame for frame in case.review.frames}
        for frame, j in case.j.items():
            values = case.confidence[frame] if name == "confidence" else getattr(frames[frame], name, ())
            pairs += [pair for pair in zip(values, j, strict=bool(values)) if pair[0] is not None]
    return [value for value, _ in pairs], [j for _, j in pairs]


def correlation(ours: list[float], theirs: list[float]) -> float:
    """Spearman's, of the pairs that have both numbers; NaN of fewer than three."""
    pairs = np.array([pair for pair in zip(ours, theirs, strict=True) if np.isfinite(pair).all()])
    if len(pairs) < 3:
        return float("nan")
    return float(np.corrcoef(ranks(pairs[:, 0]), ranks(pairs[:, 1]))[0, 1])


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0 on, equal numbers sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[inverse]


if __name__ == "__main__":
    main()
