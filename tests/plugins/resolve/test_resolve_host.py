"""The buttons on a clip of the stand-in Resolve, with a real daemon."""

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes import drawn_plate
from fakes.drawn_plate import FIRST, LAST
from fakes.host import settle
from fakes.resolve import Profile
from fakes.resolve_shot import ResolveShot
from matted_resolve import choices

STUDIOS = [(19, 1, 3), (20, 3, 2), (21, 1, 0)]

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def shot(tmp_path, request):
    version, graded = getattr(request, "param", ((20, 3, 2), False))
    with ResolveShot(tmp_path, Profile("studio", version), graded=graded) as made:
        yield made
        assert made.machine.unknown == []


def propagated(desk, host):
    flow = desk.open(host)
    flow.propagate()
    settle(desk)
    assert not flow.report.error, flow.report
    return flow


def worst(folder, files, frames=range(FIRST, LAST + 1)):
    """The largest mean error of the mattes."""

    def error(frame):
        image = oiio.ImageBuf(f"{folder}/{files[0]}" % frame)
        return float(np.abs(image.get_pixels(oiio.FLOAT, image.roi_full)[..., 0] - drawn_plate.matte(frame)).mean())

    return max(map(error, frames))


@pytest.mark.parametrize(
    "shot",
    [(version, graded) for version in STUDIOS for graded in (False, True)],
    ids=[f"{'.'.join(map(str, version))} {how}" for version in STUDIOS for how in ("as it is", "rendered")],
    indirect=True,
)
def test_when_propagate_is_pressed_then_the_clip_has_its_matte_and_markers_on_frames_worth_masking(shot, desk):
    before = shot.machine.project_facts()

    flow = propagated(desk, shot.host())

    assert worst(flow.state.folder, flow.state.files) < 0.03
    after = shot.machine.project_facts()
    print(after)
    assert after["page"] == before["page"]
