"""A job over the drawn shot: sixteen frames, one object, two keyframes, a network that matches by colour."""

from dataclasses import replace
from pathlib import Path

import torch

from fakes.colour_network import MEMORY, ColourNetwork
from fakes.drawn_shot import FIRST, LAST, write_masks, write_plate
from matted.batch.job import Job
from matted.batch.keyframes import MaskSource, find_keyframes
from matted.batch.shot import Shot
from matted.engine.session import SessionSettings
from matted.media.matte import read_matte
from matted.media.plate import Plate
from matted.media.sequence import find_sequence
from matted.weights import Loaded

FRAMES = list(range(FIRST, LAST + 1))


def loaded(network=None):
    """The colour network, or one like it, as weights."""
    network = network or ColourNetwork()
    return Loaded(network, MEMORY, "colour", Path("colour"), "0" * 64, "MIT", torch.device("cpu"), False)


def shot_at(folder, keyframes=(1001, 1010)):
    """Draw the shot into ``folder``, what of it is not there; other masks there are left out."""
    if not (folder / "plate").exists():
        write_plate(folder / "plate")
    plate = Plate(find_sequence(folder / "plate" / "plate.####.png"))
    absent = [frame for frame in keyframes if not (folder / "red" / f"mask.{frame}.exr").exists()]
    source = MaskSource(write_masks(folder / "red", absent, 0), "red")
    return Shot(plate, find_keyframes([source], size=plate.info.size, plate=plate.sequence, only=keyframes))


def job_at(folder, **changes):
    job = Job(shot_at(folder), folder / "out", loaded(), SessionSettings(checkpoint_every=4), suggestions=0)
    return replace(job, **changes)


class Told:
    """What a run told, in order; every file must be whole when it is told of."""

    def __init__(self):
        self.frames = []
        self.confidence = {}

    def __call__(self, frame, confidence, files):
        assert files
        for path in files:
            assert read_matte(path).shape == (64, 96)
        self.frames.append(frame)
        self.confidence[frame] = confidence


def contents(folder):
    """Every matte in a folder, byte for byte."""
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.exr"))}
