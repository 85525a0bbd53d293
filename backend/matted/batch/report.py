"""What a finished job looks like: its scores against known mattes and its contact sheet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from matted.batch.job import Job, JobResult
from matted.batch.score import Score, Scorer
from matted.errors import PlateError
from matted.media.matte import MatteWriter, read_matte
from matted.media.sequence import find_sequence
from matted.media.sheet import Column, Sheet, draw_sheet, write_sheet

COLUMNS = 6
"""Frames shown in a contact sheet."""


def score_sequence(mattes: str | Path, known: str | Path, *, leave_out: Collection[int] = ()) -> Score:
    """Compare mattes with known mattes frame by frame, over the frames both have.

    Args:
        mattes: mattes of one object: folder, pattern or file.
        known: the mattes to compare with.
        leave_out: keyframes; they were given, so they do not count.

    Raises:
        PlateError: plate_missing, or frame_missing when the two share no frame.
        MaskError: mask_size when a pair differs in size.
    """
    ours, theirs = find_sequence(mattes), find_sequence(known)
    shared = [frame for frame in ours.frames if frame in set(theirs.frames)]
    if not set(shared) - set(leave_out):
        raise PlateError(
            "frame_missing",
            f"{ours.pattern} and {theirs.pattern} share no frame to compare",
            hint="number both alike, and leave at least one frame that is not a keyframe",
        )
    scorer = Scorer(keyframes=leave_out, step=ours.step)
    for frame in shared:
        scorer.add(frame, read_matte(ours.path(frame)), read_matte(theirs.path(frame)))
    return scorer.total()


def make_sheet(job: Job, result: JobResult, path: Path, *, scores: Mapping[str, Score] | None = None) -> None:
    """Draw the contact sheet of a finished job: plate, overlay, mattes and confidence.

    Args:
        job: what was made; its plate and its mattes are read again, a frame at a time.
        result: how it went.
        path: the PNG; the caller sees to it that the path is free.
        scores: for each object its score, when the mattes could be compared with known ones.

    Raises:
        PlateError, MaskError: a frame shown cannot be read.
        OutputError: the sheet cannot be written.
    """
    keyframes = tuple(frame for frame in job.shot.keyframes.frames if frame in result.confidence)
    suggestions = tuple(found.frame for found in result.suggestions if found.frame in result.confidence)
    sheet = Sheet(
        title=Path(job.shot.plate.sequence.pattern).name,
        subtitle=_subtitle(job, result),
        objects=result.objects,
        confidence=result.confidence,
        keyframes=keyframes,
        suggestions=suggestions,
        pixel_aspect=job.shot.plate.info.pixel_aspect,
        scores={name: _in_words(score) for name, score in (scores or {}).items()},
    )
    writer = MatteWriter(result.folder, objects=result.objects, settings=job.mattes, info=job.shot.plate.info)
    shown = choose_frames(sorted(result.confidence), keyframes, suggestions, count=COLUMNS)
    columns = (Column(frame, job.shot.plate.read(frame), writer.read(frame)) for frame in shown)
    write_sheet(path, draw_sheet(sheet, columns, count=max(len(shown), COLUMNS // 2)))


def choose_frames(
    frames: Sequence[int], keyframes: Collection[int], suggestions: Sequence[int], *, count: int
) -> list[int]:
    """The frames that tell most about a shot, ascending.

    Half the room goes to the first, the last and other keyframes, then the best suggestions follow, and what is left
    goes to the frames farthest from any chosen.

    Args:
        frames: ascending; at least one.
        keyframes: some of them.
        suggestions: best first, some of them.
        count: how many frames to choose, if there are as many.
    """
    known = sorted(keyframes)
    half = max(1, count // 2)
    chosen = [known[index * (len(known) - 1) // max(1, half - 1)] for index in range(half)] if known else [frames[0]]
    chosen = list(dict.fromkeys([*chosen, *suggestions]))[:count]
    while len(chosen) < min(count, len(frames)):
        chosen.append(max(frames, key=lambda frame: min(abs(frame - other) for other in chosen)))
    return sorted(chosen)


def _subtitle(job: Job, result: JobResult) -> str:
    frames = sorted(result.confidence)
    info = job.shot.plate.info
    parts = [job.weights.name, f"{info.width}x{info.height}", f"{len(frames)} frames, {frames[0]} to {frames[-1]}"]
    return "   ".join([*parts, f"{len(job.shot.keyframes.frames)} keyframes"])


def _in_words(score: Score) -> str:
    words = [f"J {score.j:.3f}", f"F {score.f:.3f}"]
    return "  ".join(words if score.edge_mad is None else [*words, f"edge {score.edge_mad:.3f}"])
