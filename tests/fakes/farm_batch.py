"""A batch for a farm: drawn shots, small, each with its own plate, masks and output below one folder."""

from fakes.drawn_shot import write_masks, write_plate
from matted.batch.jobfile import Batch, Entry
from matted.batch.keyframes import MaskSource
from matted.batch.request import Request
from matted.batch.review import Thresholds

FRAMES = range(1001, 1008)
KEYFRAMES = (1001, 1004, 1007)


def draw(folder, names=("hero", "dog"), frames=FRAMES, keyframes=KEYFRAMES):
    """Draw the shots; returns nothing."""
    for name in names:
        write_plate(folder / name / "plate", frames)
        write_masks(folder / name / "masks", keyframes)


def request_at(folder, name, **changes):
    """What to make of one of the shots."""
    masks = (MaskSource(folder / name / "masks", "red"),)
    return Request(str(folder / name / "plate" / "plate.####.png"), masks, folder / name / "out", name, **changes)


def batch_at(folder, names=("hero", "dog"), **changes):
    """The shots drawn into ``folder``, as a job file lists them."""
    draw(folder, names)
    file = folder / "jobs.toml"
    file.touch()
    entries = tuple(Entry(request_at(folder, name, **changes), Thresholds(), file, 1) for name in names)
    return Batch("reel 2", file, entries, folder / "report.html")
