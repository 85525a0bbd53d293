"""Every call to Resolve on the way of a press made to fail in every way: nothing half-made stays, nothing is lost."""

import shutil
from itertools import count
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes import drawn_plate
from fakes.drawn_plate import FIRST, LAST
from fakes.resolve_faults import faults
from fakes.resolve_handles import WAYS
from fakes.resolve_shot import ResolveShot
from matted_plugin.host import HostError, Mattes, Rendering
from matted_resolve.host import render_job
from matted_resolve.host.leftovers import Leftovers
from matted_resolve.host.seat import ResolveSeat
from matted_resolve.host.session import Session

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick")]


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    return drawn_plate.write(tmp_path_factory.mktemp("plate"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder with finished mattes."""
    folder = tmp_path_factory.mktemp("mattes") / "v001"
    folder.mkdir()
    for frame in range(FIRST, LAST + 1):
        file = oiio.ImageOutput.create(str(folder / "hero.exr"))
        spec = oiio.ImageSpec(drawn_plate.WIDTH, drawn_plate.HEIGHT, 4, "half")
        spec.attribute("compression", "zips")
        assert file.open(str(folder / f"hero.{frame:04d}.exr"), spec)
        assert file.write_image(np.repeat(drawn_plate.matte(frame)[..., None], 4, 2))
        file.close()
    return folder


def read(host, folder):
    host.read()
    host.signature(FIRST)
    host.card()


def keep(host, folder):
    host.stored()
    host.store('{"id": "x", "folder": "/a"}')


def mark(host, folder):
    host.show_marks([FIRST, LAST], [(FIRST + 4, "it is torn"), (FIRST + 6, "it is new")])


def mark_here(host, folder):
    host.mark(None)


def unmark(host, folder):
    host.unmark(FIRST + 2)


def go_to(host, folder):
    host.go_to(FIRST + 3)


def render_plate(host, folder):
    made = host.render([Rendering(frame, (folder / f"plate.{frame}.exr").as_posix()) for frame in (1001, 1002, 1005)])
    assert len([one for one in made if one is not None]) == 3


def render_masks(host, folder):
    made = host.render(
        [Rendering(frame, (folder / f"{frame}.exr").as_posix(), "alpha", False) for frame in (1001, 1012)]
    )
    assert len([one for one in made if one is not None]) == 2


def show_mattes(host, folder):
    host.show_mattes(Mattes({"": (folder / "v001" / "hero.%04d.exr").as_posix()}, (FIRST, LAST), True, ("hero",)))


STEPS = {
    "read": (read, {}),
    "keep": (keep, {}),
    "mark": (mark, {}),
    "mark at the playhead": (mark_here, {}),
    "unmark": (unmark, {}),
    "go to": (go_to, {}),
    "render the plate": (render_plate, {}),
    "render masks": (render_masks, {}),
    "clip matte": (show_mattes, {"results": "clip matte"}),
    "track above": (show_mattes, {"results": "track above"}),
    "fusion": (show_mattes, {"results": "fusion"}),
}


def facts(shot):
    """All that could be left behind; our own render preset is used again."""
    found = shot.machine.project_facts()
    found["render"]["presets"].pop(render_job.PRESET, None)
    return without(found, str(shot.folder))


def without(tree, folder):
    """A tree of plain values without the name of the test's folder."""
    if isinstance(tree, dict):
        return {key: without(value, folder) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [without(value, folder) for value in tree]
    return tree.replace(folder, "") if isinstance(tree, str) else tree


@pytest.mark.timeout(600)
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_when_any_call_of_a_step_fails_then_it_is_whole_or_as_if_it_had_never_begun(step, tmp_path, plate, drawn):
    act, choices = STEPS[step]
    numbers = count()
    shots = {}

    def machine():
        folder = tmp_path / f"{next(numbers)}"
        folder.mkdir()
        shutil.copytree(drawn, folder / "v001", copy_function=lambda one, other: Path(other).hardlink_to(one))
        shot = ResolveShot(folder, plate=plate)
        shot.machine.artist.mark(shot.item, 2, custom="matted:key")
        shot.machine.artist.go_to(5)
        shots[id(shot.machine)] = shot
        shot.host(**choices)
        return shot.machine

    def run(resolve):
        shot = shots[id(resolve)]
        seat = ResolveSeat(Session(resolve.resolve, resolve.fusion, resolve.bmd), shot.leftovers)
        host = seat.host(shot.item.id)
        act(host, shot.folder)

    def put_back(shot):
        """What the next script does first."""
        session = Session(shot.machine.resolve, shot.machine.fusion, shot.machine.bmd)
        return ResolveSeat(session, Leftovers(shot.folder / "leftovers.json")).put_back()

    whole = shots[id(untouched := machine())]
    before = facts(whole)
    run(untouched)
    after = facts(whole)
    for tried in faults(machine, run, WAYS, turns=step.startswith("render")):
        shot = shots.pop(id(tried.machine))
        assert tried.error is None or isinstance(tried.error, HostError), f"{tried}: {tried.error!r}"
        told = put_back(shot)
        assert told == (), f"{tried}: {told}"
        left = facts(shot)
        assert left in (before, after), f"{tried}: {differences(before, left)}, and not {differences(after, left)}"
        if tried.error is None and step != "keep":  # a state has a file beside
            assert left == after, f"{tried}: nothing was done and nobody was told"
        shutil.rmtree(shot.folder)


def differences(one, other, where=""):
    """Where two trees of plain values differ."""
    if type(one) is not type(other) or not isinstance(one, (dict, list, tuple)):
        return [] if one == other else [f"{where}: {one!r} became {other!r}"[:300]]
    if isinstance(one, dict):
        pairs = [(f"{where}.{key}", one.get(key), other.get(key)) for key in {**one, **other}]
    elif len(one) != len(other):
        return [f"{where}: {len(one)} became {len(other)}: {[each for each in other if each not in one]!r}"[:400]]
    else:
        pairs = [(f"{where}[{at}]", a, b) for at, (a, b) in enumerate(zip(one, other, strict=True))]
    return [found for name, a, b in pairs for found in differences(a, b, name)]
