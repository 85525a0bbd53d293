"""Outcomes of a batch without any network: the drawn shot's known mattes stand for what was made of it."""

import json
from fractions import Fraction

import numpy as np

from fakes.drawn_shot import known, write_plate
from matted.batch.keyframes import MaskSource
from matted.batch.outcome import Outcome
from matted.batch.place import JobResult
from matted.batch.request import Request
from matted.batch.review import FrameReview, LeftOut, Review, Thresholds, judge
from matted.engine.suggest import Suggestion
from matted.errors import Cancelled, PlateError
from matted.media.image import Window
from matted.media.matte import MatteSettings, MatteWriter
from matted.media.plate import PlateHeader, PlateInfo

FRAMES = range(1001, 1007)
INFO = PlateInfo(96, 64, 0, 0, 1.0, Fraction(24), ("R", "G", "B"), "png", "sRGB")
HEADER = PlateHeader(Window(0, 0, 96, 64), 1.0, None, None)


def request_of(folder, name, **changes):
    masks = (MaskSource(folder / "roto", None),)
    plate = str(folder / "plate" / "plate.####.png")
    return Request(
        **{"plate": plate, "masks": masks, "out": folder / "out" / "x", "name": name, "review": True} | changes
    )


def review_of(objects, frames, *, flicker=0.05, jump=1.0, j=0.9, keyframes=None):
    """Measures that are the same everywhere, but none before the first frame."""
    keyframes = (frames[0],) if keyframes is None else keyframes
    count = len(objects)
    rows = tuple(
        FrameReview(frame, (0.1,) * count, (jump if index else None,) * count, (flicker if index else None,) * count)
        for index, frame in enumerate(frames)
    )
    kept = tuple(LeftOut(frame, (j,) * count, (j,) * count, (0.01,) * count) for frame in keyframes)
    return Review(tuple(objects), rows, kept, tuple(keyframes))


def result_of(folder, objects=("red", "blue"), frames=FRAMES, *, confidence=None, suggestions=(), **measures):
    """What a job would have left; no pixels are written."""
    sure = {frame: (0.9,) * len(objects) for frame in frames} | (confidence or {})
    suggested = tuple(
        Suggestion(frame, 1.0, f"frame {frame} looks unlike every keyframe", 1001) for frame in suggestions
    )
    return JobResult(folder, tuple(objects), sure, suggested, len(frames), review_of(objects, list(frames), **measures))


def outcome_of(folder, name, *, thresholds=None, seconds=12.0, said=(), **changes):
    """One shot, judged."""
    result, limits = result_of(folder, **changes), thresholds or Thresholds()
    verdict = judge(result.confidence, result.review, limits)
    request = request_of(folder.parents[1], name)
    return Outcome(request, verdict.state, seconds, result, verdict, None, tuple(said), limits)


def drawn_outcome(folder, name, *, frames=FRAMES, settings=None, **changes):
    """One shot whose plate, mattes and sidecar are on disk."""
    made = folder / "out" / "v001"
    write_plate(folder / "plate", frames)
    writer = MatteWriter(made, objects=("red", "blue"), settings=settings or MatteSettings(), info=INFO)
    for frame in frames:
        writer.write(frame, np.asarray(known(frame)), HEADER)
    recipe = {
        "matted": "0.1.0",
        "objects": ["red", "blue"],
        "keyframes": {f"{frames[0]}:red": "0" * 64},
        "weights": {"name": "lite", "sha256": "abcdef0123456789" * 4},
        "settings": {"working_size": 480},
    }
    (made / "matted.json").write_text(json.dumps({"state": "done", "recipe": recipe}))
    return outcome_of(made, name, frames=frames, **changes)


def failed_outcome(folder, name, message="There is no plate.", hint="Bring it."):
    return Outcome(request_of(folder, name), "error", 0.0, error=PlateError("plate_missing", message, hint=hint))


def stopped_outcome(folder, name):
    error = Cancelled("cancelled", "Stopped after frame 3.", hint="Run the same command again to go on from here.")
    return Outcome(request_of(folder, name), "error", 3.0, error=error)
