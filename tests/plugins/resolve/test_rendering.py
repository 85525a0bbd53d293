"""Frames through Resolve's render queue: what it answers is not believed, and nothing of ours stays."""

import json
import os
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes import drawn_plate
from fakes.resolve import Machine, Profile
from fakes.resolve_handles import WAYS
from fakes.resolve_models import ItemModel
from fakes.resolve_render import Trouble
from matted_plugin.host import HostError, Rendering
from matted_resolve.host import leftovers as left
from matted_resolve.host import rendering
from matted_resolve.host.clip import Clip
from matted_resolve.host.leftovers import Leftovers
from matted_resolve.host.session import Session

SIZE = (drawn_plate.WIDTH, drawn_plate.HEIGHT)
LEAVES = {rendering.PRESET}
"""What may stay: our own preset, which is used again."""


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Looks follow each other without a pause."""
    monkeypatch.setattr(rendering, "_PAUSE", 0)
    monkeypatch.setattr(rendering, "_SETTLES", 2)
    monkeypatch.setattr(rendering, "_STARTS", 80)
    monkeypatch.setattr(rendering, "_STALLED", 60)


class Seat:
    """A colorist's timeline: the clip on track 1 from its frame 1003 on, a title above it, another clip after it."""

    def __init__(self, folder, profile=None):
        self.folder = folder
        self.machine = Machine(profile or Profile("studio", (20, 3, 2)), folder)
        artist = self.machine.artist
        artist.set_resolution(*SIZE)
        plate = artist.import_sequence(drawn_plate.write(folder / "plate"), drawn_plate.FIRST, drawn_plate.LAST)
        self.item = artist.place(plate, record=10, source_in=2, source_out=9)
        self.after = artist.place(plate, record=40, source_in=0, source_out=3)
        self.above = artist.place(plate, record=0, track=2)
        artist.grade(self.above, lambda colour: colour * 0)
        artist.track(3).enabled = False
        artist.set_marks(3, 5)
        artist.page("color")
        self.session = Session(self.machine.resolve, self.machine.fusion, self.machine.bmd)
        self.leftovers = Leftovers(folder / "leftovers.json")

    def clip(self, **changed):
        facts = {
            "key": self.item.id,
            "name": self.item.name,
            "source": "",
            "why": "it is graded",
            "first": 1001,
            "duration": self.item.duration,
            "record": self.item.start,
            "offset": 0,
            "handles": (0, 0),
            "size": SIZE,
            "pixel_aspect": 1.0,
            "colorspace": None,
            "frame_rate": (24, 1),
            "track": 1,
            "media_first": 1001 - self.item.source_in,
            "media_frames": self.item.media.frames if self.item.media else 0,
        }
        return Clip(**{**facts, **changed})

    def frames(self, *numbers, alpha=False, clip=None, compressed=True):
        clip = clip or self.clip()
        out = self.folder / "out"
        out.mkdir(exist_ok=True)
        kind = "mask" if alpha else "plate"
        wanted = [
            Rendering(each, (out / f"{kind}.{each:04d}.exr").as_posix(), "alpha" if alpha else None, compressed)
            for each in numbers
        ]
        item = self.session.item(clip.key)
        return rendering.frames(
            self.session, item, clip, wanted, alpha=alpha, work=out, leftovers=self.leftovers
        )  # fmt: skip

    def render(self, *numbers, **how):
        return [one for one in self.frames(*numbers, **how) if one is not None]

    def facts(self):
        facts = self.machine.project_facts()
        facts["render"]["presets"] = {
            name: state for name, state in facts["render"]["presets"].items() if name not in LEAVES
        }
        temporary = [path for path in self.folder.rglob(f"{left.PREFIX}*")]
        return {**facts, "folders": temporary, "leftovers": self.leftovers.kept()}

    def shown(self, frame):
        """The clip's true picture at one of its frames, which begin with the plate's third."""
        return drawn_plate.picture(frame + self.item.source_in)

    def masked(self, frame):
        return drawn_plate.matte(frame + self.item.source_in)

    def mask_it(self):
        self.machine.artist.set_alpha_output(self.item, drawn_plate.matte)


@pytest.fixture
def seat(tmp_path):
    made = Seat(tmp_path)
    yield made
    assert made.machine.unknown == []
    assert made.machine.refused == []


def pixels(path):
    return oiio.ImageBuf(str(path)).get_pixels(oiio.FLOAT)


def test_when_a_range_is_rendered_then_each_file_is_that_frame_of_the_clip_alone(seat):
    before = seat.facts()
    made = seat.render(1002, 1003, 1004)
    assert [one.frame for one in made] == [1002, 1003, 1004]
    for one in made:
        np.testing.assert_allclose(pixels(one.path), seat.shown(one.frame), rtol=2e-3)
    assert seat.facts() == before


@pytest.mark.parametrize("version", [(18, 5), (19, 1, 3), (20, 3, 2), (21, 1)], ids=str)
def test_when_masks_are_rendered_then_each_is_the_clips_own_alpha(tmp_path, version):
    seat = Seat(tmp_path, Profile("studio", version, **({"source_start_off_by": 0} if version < (19,) else {})))
    seat.mask_it()
    clip = seat.clip(source="/plates/a.%04d.exr") if version < (19,) else seat.clip()
    made = seat.render(1002, 1006, alpha=True, clip=clip)
    assert [one.frame for one in made] == [1002, 1006]
    for one in made:
        buffer = oiio.ImageBuf(one.path)
        assert buffer.spec().channelnames == ("A",)
        assert buffer.spec().get_string_attribute("compression") == "none"
        np.testing.assert_allclose(pixels(one.path)[..., 0], seat.masked(one.frame), atol=1e-3)
