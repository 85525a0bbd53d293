"""What a finished job looks like: its scores against known mattes and its contact sheet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from matted.batch.job import Job, JobResult
from matted.batch.score import Score, Scorer
from matted.errors import PlateError
from matted.media.matte import read_matte
from matted.media.sequence import find_sequence
from matted.media.sheet import draw_sheet

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
    """Draw the contact sheet of a finished job: plate, overlay, mattes and confidence."""
