"""A batch drawn in code: shots of a few 96x64 frames with two keyframes each, and the job file that lists them."""

from dataclasses import replace

from fakes.drawn_shot import write_masks, write_plate
from matted.batch.keyframes import MaskSource
from matted.batch.many import Entry
from matted.batch.request import Request
from matted.batch.review import Thresholds
from matted.media.matte import read_matte

FRAMES = range(1001, 1007)
LENIENT = Thresholds(confidence=(0.0, 0.0), jump=(99.0, 99.0), flicker=(1.0, 1.0), left_out=(0.0, 0.0))
"""What every shot passes."""


def draw_shot(folder, name, *, frames=FRAMES, keyframes=(1001, 1006)):
    """Plate and masks of one shot."""
    write_plate(folder / "plates" / name, frames)
    write_masks(folder / "roto" / name, keyframes)


def request_at(folder, name, **changes):
    """What to make of a shot; it has a range and no review."""
    request = Request(
        plate=str(folder / "plates" / name / "plate.####.png"),
        masks=(MaskSource(folder / "roto" / name, "red"),),
        out=folder / "mattes" / name,
        name=name,
        suggestions=0,
    )
    return replace(request, **changes)


def entry_at(folder, name, *, thresholds=LENIENT, **changes):
    return Entry(request_at(folder, name, **changes), thresholds, folder / "jobs.toml", 1)


def write_jobs(folder, names, *, more="", shots=None):
    """A job file of these shots; ``more`` goes into its defaults, ``shots`` maps names to keys of one."""
    text = f"""[defaults]
plate = "plates/{{shot}}/plate.####.png"
objects = ["red"]
keyframes = "roto/{{shot}}"
out = "mattes/{{shot}}"
suggestions = 0
{more}
"""
    for name in names:
        text += f'\n[[shots]]\nname = "{name}"\n{(shots or {}).get(name, "")}\n'
    (folder / "jobs.toml").write_text(text)
    return folder / "jobs.toml"


def mattes_of(folder, name, version="v001"):
    """Every matte of a shot, by frame; each is whole."""
    files = sorted((folder / "mattes" / name / version).rglob("*.exr"))
    for file in files:
        assert read_matte(file).shape == (64, 96)
    return {int(file.name.split(".")[-2]): file.read_bytes() for file in files}
