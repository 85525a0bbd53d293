"""What every host promises the buttons, on each host there is. A host that breaks a line here breaks the buttons."""

import threading

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes import drawn_plate, drawn_shot
from fakes.host import FakeHost, render_one
from fakes.nuke_shot import NukeShot
from fakes.resolve import Profile
from fakes.resolve_shot import ResolveShot
from matted_plugin import exr, state
from matted_plugin.host import Asked, Gone, Mattes, Rendering
from matted_protocol.frames import FrameRange


class OnFake:
    """FakeHost itself."""

    first, size = drawn_shot.FIRST, (96, 64)

    def __init__(self, folder):
        self.host = FakeHost(folder / "out")
        self.channel = "red.alpha"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def plate(self, frame):
        return drawn_shot.plate(frame).permute(1, 2, 0).numpy()

    def mask(self, frame):
        return drawn_shot.known(frame)[0].numpy()

    def delete(self):
        self.host.deleted = True


class OnNuke:
    """NukeHost on the stand-in Nuke."""

    first, size = drawn_plate.FIRST, (drawn_plate.WIDTH, drawn_plate.HEIGHT)
    version = (16, 0, 9)

    def __init__(self, folder):
        self.shot = NukeShot(folder, graded=False, version=self.version)
        self.channel = "rgba.alpha"

    def __enter__(self):
        self.shot.__enter__().draw().make()
        from matted_nuke.host import NukeHost

        self.host = NukeHost(self.shot.host.module.toNode("Matted1"))
        return self

    def __exit__(self, *why):
        self.shot.__exit__(*why)

    def plate(self, frame):
        return drawn_plate.picture(frame)

    def mask(self, frame):
        return drawn_plate.matte(frame)

    def delete(self):
        self.shot.host.artist.delete("Matted1")


class OnOldNuke(OnNuke):
    version = (14, 1, 8)


class OnResolve:
    """ResolveHost on the stand-in Resolve, whose source can be read as it is."""

    first, size = drawn_plate.FIRST, (drawn_plate.WIDTH, drawn_plate.HEIGHT)
    version = (20, 3, 2)
    rendered = False

    def __init__(self, folder):
        self.shot = ResolveShot(folder, Profile("studio", self.version), graded=self.rendered)
        self.channel = "alpha"

    def __enter__(self):
        self.host = self.shot.__enter__().host()
        return self

    def __exit__(self, *why):
        self.shot.__exit__(*why)
        assert self.shot.machine.unknown == []

    def plate(self, frame):
        return drawn_plate.picture(frame) * (0.8 if self.rendered else 1)

    def mask(self, frame):
        return drawn_plate.matte(frame)

    def delete(self):
        self.shot.machine.artist.delete(self.shot.item)


class OnOldResolve(OnResolve):
    version = (19, 1, 3)
    rendered = True


class OnNewResolve(OnResolve):
    version = (21, 1, 0)
    rendered = True


@pytest.fixture(
    params=[OnFake, OnNuke, OnOldNuke, OnResolve, OnOldResolve, OnNewResolve], ids=lambda kind: kind.__name__
)
def place(request, tmp_path):
    with request.param(tmp_path) as made:
        yield made


def pixels(path):
    image = oiio.ImageBuf(str(path))
    assert not image.has_error, image.geterror()
    return image, image.get_pixels(oiio.FLOAT, image.roi_full)


def test_when_asked_then_everything_an_action_needs_is_there(place):
    asked = place.host.read()

    assert isinstance(asked, Asked)
    assert asked.plate.size == place.size and asked.plate.pixel_aspect > 0
    assert asked.objects and asked.out
    assert set(asked.keyframes) <= set(FrameRange(*asked.frames)) and asked.keyframes
    assert asked.plate.path is not None or asked.plate.why


def test_when_nothing_changed_then_the_plate_looks_the_same_at_every_frame(place):
    frames = range(place.first, place.first + 4)
    before = [place.host.signature(frame) for frame in frames]

    assert all(before) and [place.host.signature(frame) for frame in frames] == before


def test_when_asked_twice_then_the_answer_is_the_same(place):
    assert place.host.read() == place.host.read()


@pytest.mark.parametrize("compressed", [True, False], ids=["compressed", "plain"])
def test_when_a_plate_frame_is_rendered_then_it_is_the_picture_in_half_float_and_the_whole_format(
    place, tmp_path, compressed
):
    path = tmp_path / "frame.exr"
    render_one(place.host, Rendering(place.first + 2, path.as_posix(), None, compressed))

    image, content = pixels(path)
    assert str(image.spec().format) == "half"
    assert {"R", "G", "B"} <= set(image.spec().channelnames)
    assert content.shape[:2] == (place.size[1], place.size[0])
    order = [image.spec().channelnames.index(name) for name in "RGB"]
    assert np.abs(content[..., order] - place.plate(place.first + 2)).max() < 2e-3


def test_when_pixels_are_wanted_then_the_file_can_be_read_back_without_a_library(place, tmp_path):
    path = tmp_path / "frame.exr"
    render_one(place.host, Rendering(place.first, path.as_posix(), None, False))

    size, dtype, content = exr.read_pixels(path, ("R", "G", "B"))
    assert (size, dtype) == (place.size, "half")
    picture = np.frombuffer(content, np.float16).reshape(size[1], size[0], 3)
    assert np.abs(picture - place.plate(place.first)).max() < 2e-3


@pytest.mark.parametrize("compressed", [True, False], ids=["compressed", "plain"])
def test_when_a_mask_is_rendered_then_the_file_has_that_channel_alone(place, tmp_path, compressed):
    path = tmp_path / "mask.exr"
    render_one(place.host, Rendering(place.first, path.as_posix(), place.channel, compressed))

    _, content = pixels(path)
    assert exr.channel_names(path) == ("A",)
    assert content.shape[:2] == (place.size[1], place.size[0])
    assert np.abs(content[..., 0] - place.mask(place.first)).mean() < 0.01


def test_when_frames_were_rendered_then_the_host_answers_as_before(place, tmp_path):
    before = place.host.read()
    render_one(place.host, Rendering(place.first, (tmp_path / "a.exr").as_posix()))
    render_one(place.host, Rendering(place.first, (tmp_path / "b.exr").as_posix(), place.channel))

    assert place.host.read() == before


def test_when_a_state_is_stored_then_it_is_read_back_as_it_was(place):
    text = state.State(job="0123456789abcdef", folder='/a folder/with "quotes" and $signs [tcl]', done=3).text()

    place.host.store(text)

    assert place.host.stored() == text
    assert state.parse(place.host.stored()).folder == '/a folder/with "quotes" and $signs [tcl]'


def test_when_told_things_then_the_host_takes_them_again_and_again(place, tmp_path):
    mattes = Mattes({"hero": (tmp_path / "v001/hero/hero.%04d.exr").as_posix()}, (place.first, place.first + 3), False)
    for _ in range(2):
        place.host.show_mattes(mattes)
        place.host.show_marks([place.first], [(place.first + 1, "it is torn"), (place.first + 2, "")])
        place.host.show_marks([], [])
        place.host.show_status('It goes "well" [so far] $1 {ok}')

    assert place.host.stored() == place.host.stored()


def test_when_the_shot_is_deleted_then_every_call_says_it_is_gone(place, tmp_path):
    place.delete()

    for call in (
        lambda: place.host.key,
        place.host.stored,
        lambda: place.host.store("{}"),
        place.host.read,
        lambda: place.host.show_status("x"),
        lambda: render_one(place.host, Rendering(place.first, (tmp_path / "x.exr").as_posix())),
    ):
        with pytest.raises(Gone):
            call()


def test_when_the_host_names_itself_then_program_and_version_are_told(place):
    program, version = place.host.program.split(" ", 1)

    assert program.islower() and version[0].isdigit()


def test_when_this_suite_runs_then_it_is_the_main_thread():
    assert threading.current_thread() is threading.main_thread()
