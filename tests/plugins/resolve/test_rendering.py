"""Frames through Resolve's render queue: what it answers is not believed, and nothing of ours stays."""

import shutil
from collections import namedtuple
from contextlib import suppress

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes import drawn_plate, resolve_render
from fakes.resolve import Machine, Profile
from fakes.resolve_handles import WAYS
from fakes.resolve_render import Trouble
from matted_plugin.host import HostError, Rendering
from matted_resolve.host import leftovers as left
from matted_resolve.host import render_job, rendering
from matted_resolve.host.clip import Clip
from matted_resolve.host.leftovers import Leftovers
from matted_resolve.host.session import Session

SIZE = (drawn_plate.WIDTH, drawn_plate.HEIGHT)
LEAVES = {rendering.PRESET}
"""What may stay: our own preset, which is used again."""


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Looks follow each other without a pause."""
    monkeypatch.setattr(render_job, "_PAUSE", 0)
    monkeypatch.setattr(left, "_PAUSE", 0)
    monkeypatch.setattr(render_job, "_SETTLES", 2)
    monkeypatch.setattr(render_job, "_STARTS", 80)
    monkeypatch.setattr(render_job, "_STALLED", 60)


def plate_beside(folder):
    """The drawn plate, once for all seats of a test."""
    there = folder.parent / "plate"
    return (there / "plate.%04d.exr").as_posix() if there.is_dir() else drawn_plate.write(there)


class Seat:
    """A colorist's timeline: the clip on track 1 from its frame 1003 on, a title above it, another clip after it."""

    def __init__(self, folder, profile=None, kind=Machine, **switches):
        self.folder = folder
        self.machine = kind(profile or Profile("studio", (20, 3, 2), **switches), folder)
        artist = self.machine.artist
        artist.set_resolution(*SIZE)
        folder.mkdir(exist_ok=True)
        plate = artist.import_sequence(plate_beside(folder), drawn_plate.FIRST, drawn_plate.LAST)
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
        temporary = list(self.folder.rglob(f"{left.PREFIX}*"))
        return {**facts, "folders": temporary, "leftovers": self.leftovers.kept()}

    def shown(self, frame):
        """The clip's true picture at one of its frames, which begin with the plate's third."""
        return drawn_plate.picture(frame + self.item.source_in)

    def masked(self, frame):
        return drawn_plate.matte(frame + self.item.source_in)

    @property
    def queue(self):
        return self.machine.project.queue

    def asked(self, method):
        """The arguments of every call of a method."""
        return [call.args for call in self.machine.calls if call.method == method]

    def mask_it(self):
        self.machine.artist.set_alpha_output(self.item, drawn_plate.matte)


@pytest.fixture
def seat(tmp_path):
    made = Seat(tmp_path / "seat")
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
    seat = Seat(
        tmp_path / "seat", Profile("studio", version, **({"source_start_off_by": 0} if version < (19,) else {}))
    )
    seat.mask_it()
    clip = seat.clip(source="/plates/a.%04d.exr") if version < (19,) else seat.clip()
    made = seat.render(1002, 1006, alpha=True, clip=clip)
    assert [one.frame for one in made] == [1002, 1006]
    for one in made:
        buffer = oiio.ImageBuf(one.path)
        assert buffer.spec().channelnames == ("A",)
        assert buffer.spec().get_string_attribute("compression") == "none"
        np.testing.assert_allclose(pixels(one.path)[..., 0], seat.masked(one.frame), atol=1e-3)


def outcome(seat, act):
    """Run it as a host does, which turns whatever is raised into an error for the artist."""
    try:
        return act(seat)
    except Exception as error:
        return error


def plates(seat):
    return seat.render(1002, 1003, 1005)


def masks(seat):
    seat.mask_it()
    return seat.render(1002, 1005, alpha=True)


SOME = pytest.mark.parametrize("step", [31, pytest.param(len(WAYS), marks=pytest.mark.slow)], ids=["some", "all"])
"""Of a walk's calls: some of them; in the slow tests every one, each in one of the ways."""

ACTS = pytest.mark.parametrize("act", [plates, masks], ids=["plates", "masks"])


def calls_of(act, folder):
    seat = Seat(folder)
    seat.machine.calls.clear()
    act(seat)
    return len(seat.machine.calls)


def assert_clean_after_fault(tmp_path, act, n, how):
    seat = Seat(tmp_path / f"{n}-{how}")
    before = seat.facts()
    seat.machine.calls.clear()
    seat.machine.fault(n, how)
    made = outcome(seat, act)
    assert seat.facts() == before, (seat.machine.calls[n - 1], how, made)
    if isinstance(made, list):  # it went on: then what it made is right
        for one in made:
            truth = seat.masked(one.frame)[..., None] if one.channel else seat.shown(one.frame)
            np.testing.assert_allclose(pixels(one.path), truth, atol=2e-3, err_msg=str((n, how)))


@SOME
@ACTS
@pytest.mark.parametrize("how", WAYS)
def test_when_any_call_fails_then_nothing_is_left_behind_and_no_frame_is_wrong(tmp_path, act, how, step):
    first = 1 + (7 if step > len(WAYS) else 1) * WAYS.index(how)
    for n in range(first, calls_of(act, tmp_path / "clean") + 1, step):
        assert_clean_after_fault(tmp_path, act, n, how)


# Cancel and kill


@ACTS
def test_when_rendering_is_cancelled_at_any_step_then_nothing_is_left_behind(tmp_path, act):
    done, steps = False, 0
    while not done:
        seat = Seat(tmp_path / f"step-{steps}")
        before = seat.facts()
        if act is masks:
            seat.mask_it()
        going = seat.frames(1002, 1005, alpha=act is masks)
        with suppress(StopIteration):
            for _ in range(steps):
                next(going)
            steps += 1
        done = going.gi_frame is None
        going.close()
        assert seat.facts() == before, steps
    assert steps > 5


class Killed(BaseException):
    """The script's process ends."""


class Mortal(Machine):
    """A Resolve whose script is killed at a call: none passes any more until another script begins."""

    left = None

    def call(self, *args):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed
        return super().call(*args)


@pytest.mark.parametrize("version", [(19, 1, 3), (20, 3, 2)], ids=str)
@SOME
@ACTS
def test_when_the_script_is_killed_at_any_call_then_the_next_one_puts_everything_back(tmp_path, act, version, step):
    for n in range(1, calls_of(act, tmp_path / "clean"), step):
        seat = Seat(tmp_path / str(n), Profile("studio", version), kind=Mortal)
        before = seat.facts()
        seat.machine.left = n
        with pytest.raises(Killed):
            act(seat)
        seat.machine.left = None
        seat.machine.hand_over()
        again = Session(seat.machine.resolve, seat.machine.fusion, seat.machine.bmd)
        assert Leftovers(seat.folder / "leftovers.json").put_back(again) == ()
        assert seat.facts() == before, n


def test_when_ours_was_stopped_and_the_artist_renders_then_cancelling_ours_leaves_theirs_alone(seat):
    theirs = seat.queue.artist_adds_job(seat.folder)
    going = seat.frames(1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008)
    while seat.queue.active is None:
        next(going)
    seat.queue.artist_stops()
    seat.queue.artist_starts([theirs])
    seat.machine.calls.clear()
    going.close()
    assert seat.asked("StopRendering") == []
    assert list(seat.queue.jobs) == [theirs]
    assert seat.queue.active.id == theirs


def test_when_ours_renders_then_cancelling_stops_it(seat):
    going = seat.frames(1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008)
    while seat.queue.active is None or seat.queue.active.done < 2:
        next(going)
    going.close()
    assert seat.asked("StopRendering") == [()]
    assert seat.queue.active is None and not seat.queue.jobs


# Others' things


def test_when_the_artist_has_jobs_then_they_are_neither_started_nor_deleted(seat):
    theirs = seat.queue.artist_adds_job(seat.folder)
    seat.render(1001, 1003)
    assert list(seat.queue.jobs) == [theirs]
    assert seat.queue.jobs[theirs].state == "ready"
    assert all(args and isinstance(args[0], list) and theirs not in args[0] for args in seat.asked("StartRendering"))
    assert not seat.asked("DeleteAllRenderJobs") and not seat.asked("SaveProject")


def test_when_resolve_renders_already_then_we_refuse_and_change_nothing(seat):
    theirs = seat.queue.artist_adds_job(seat.folder)
    seat.queue.artist_starts([theirs])
    seat.queue.poll(), seat.queue.poll()
    before = seat.facts()
    with pytest.raises(HostError, match="Resolve is rendering something else") as refused:
        seat.render(1001)
    assert "Wait" in refused.value.hint
    assert seat.facts() == before
    assert not seat.asked("StopRendering") and not seat.asked("SetRenderSettings")


def test_when_the_artist_starts_a_job_before_ours_begins_then_we_give_way(seat):
    theirs = seat.queue.artist_adds_job(seat.folder)
    going = seat.frames(1001)
    before = seat.facts()
    start = resolve_render.RenderQueue.StartRendering

    def theirs_first(self, *args):
        seat.queue.artist_starts([theirs])
        return start(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            type(seat.machine.resolve.GetProjectManager().GetCurrentProject()), "StartRendering", theirs_first
        )
        with pytest.raises(HostError, match="frame 1001"):
            list(going)
    assert not seat.asked("StopRendering")
    assert seat.queue.jobs[theirs].state in ("rendering", "complete")
    assert list(seat.queue.jobs) == [theirs]
    assert seat.facts()["page"] == before["page"]


def test_when_the_artist_is_on_the_deliver_page_then_they_stay_there(seat):
    seat.machine.artist.page("deliver")
    before = seat.facts()
    seat.render(1001)
    assert seat.facts() == before
    assert seat.asked("OpenPage") == []


@pytest.mark.parametrize("version", [(19, 1, 3), (20, 3, 2)], ids=str)
def test_when_the_deliver_page_takes_the_marks_then_the_artists_are_back_afterwards(tmp_path, version):
    seat = Seat(tmp_path / "seat", Profile("studio", version))
    before = seat.facts()
    seat.render(1001)
    assert seat.facts() == before


@pytest.mark.parametrize("marks", [(None, None), (4, None), (None, 6)], ids=["none", "in", "out"])
def test_when_only_some_marks_were_set_then_these_are_back(seat, marks):
    timeline = seat.machine.project.timeline
    seat.machine.artist.set_marks(*marks)
    before = (timeline.mark_in, timeline.mark_out)
    seat.render(1001)
    assert all(was in (None, now) for was, now in zip(before, (timeline.mark_in, timeline.mark_out), strict=True))
    assert before != (None, None) or timeline.mark_in is None


def test_when_the_project_is_closed_meanwhile_then_we_say_so_and_finish_when_it_is_open_again(seat):
    project, before = seat.machine.project, seat.facts()
    going = seat.frames(1001, 1002, 1003)
    for _ in range(2):
        next(going)
    seat.machine.artist.close_project()
    with pytest.raises(HostError, match="was closed") as said:
        list(going)
    assert said.value.hint.count("Something is left to put back in Demo") == 1
    assert seat.leftovers.kept()
    seat.machine.artist.open_project(project)
    seat.machine.artist.page("color")
    assert seat.leftovers.put_back(seat.session) == ()
    assert seat.facts() == before


def test_when_another_timeline_is_opened_meanwhile_then_no_job_is_made_of_it(seat):
    timeline, before = seat.machine.project.timeline, seat.facts()
    going = seat.frames(1001, 1003)
    for _ in range(3):
        next(going)
    seat.machine.artist.new_timeline("Other")
    with pytest.raises(HostError, match="Another timeline"):
        list(going)
    seat.machine.project.timelines.pop()
    seat.machine.artist.open_timeline(timeline)
    assert seat.facts() == before


# Resolve's lies about files


@pytest.mark.parametrize("preset_list", ["names", "dicts"])
@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_when_the_interface_speaks_another_language_then_the_end_is_known_all_the_same(tmp_path, language, preset_list):
    seat = Seat(tmp_path / "seat", language=language, preset_list=preset_list)
    before = seat.facts()
    assert len(seat.render(1001, 1002, 1003)) == 3
    assert seat.facts() == before


@pytest.mark.parametrize("key", ["ExportVideo", "ExportAudio", "CustomName", "TargetDir", "MarkOut"])
def test_when_resolve_refuses_a_setting_then_the_others_are_set_and_no_wrong_frame_is_taken(tmp_path, key):
    seat = Seat(tmp_path / key, settings_refuse=(key,))
    before = seat.facts()
    numbers = (1001, 1002, 1003)
    if key in ("TargetDir", "MarkOut"):
        with pytest.raises(HostError):
            seat.render(*numbers)
    else:
        assert [one.frame for one in seat.render(*numbers)] == list(numbers)
    assert seat.facts() == before


@pytest.mark.parametrize("padding", [4, 8])
@pytest.mark.parametrize("numbers", ["timeline", "zero"])
def test_when_files_are_numbered_otherwise_then_frames_are_told_by_order(tmp_path, numbers, padding):
    seat = Seat(tmp_path / "seat", render_numbers=numbers, render_padding=padding)
    for one in seat.render(1002, 1003, 1006):
        np.testing.assert_allclose(pixels(one.path), seat.shown(one.frame), rtol=2e-3)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("empty file", "is cut short"),
        ("missing last", "there is no file"),
        ("cut off", "is cut short"),
        ("wrong size", "48 x 32 pixels"),
        ("fails", "The clip could not be processed"),
        ("disk full", "Disk full"),
        ("stalls", "nothing more came"),
        ("vanishes", "taken out of the render queue"),
    ],
)
def test_when_a_file_is_not_what_it_should_be_then_the_frame_is_named_and_nothing_stays(seat, kind, words):
    before = seat.facts()
    seat.queue.trouble = Trouble(kind, after=1)
    made = []
    with pytest.raises(HostError, match=words) as said:
        made.extend(one.frame for one in seat.frames(1002, 1003, 1004) if one is not None)
    assert seat.item.name in said.value.message
    assert said.value.frame is not None and f"frame {said.value.frame}" in said.value.message
    assert "Press the button again" in said.value.hint
    assert seat.facts() == before


def test_when_a_job_fails_late_then_the_frames_before_it_are_handed_on(seat):
    seat.queue.trouble = Trouble("fails", after=2)
    made = []
    with pytest.raises(HostError, match="frame 1004"):
        for one in seat.frames(1002, 1003, 1004):
            made.append(one)
    assert [one.frame for one in made if one is not None] == [1002, 1003]


def test_when_the_artist_cancels_on_the_deliver_page_then_we_say_so(seat):
    before = seat.facts()
    going = seat.frames(1001, 1002, 1003, 1004, 1005, 1006)
    with pytest.raises(HostError, match="it was stopped on the Deliver page"):
        for _ in going:
            if seat.queue.active is not None and seat.queue.active.done > 1:
                seat.queue.artist_stops()
    assert seat.facts() == before


def test_when_a_preset_writes_no_picture_then_the_next_one_is_tried(seat):
    seat.queue.trouble = Trouble("no files")
    assert len(seat.render(1001, 1002)) == 2
    assert [args[0] for args in seat.asked("LoadRenderPreset")][:2] == ["H.264 Master", "ProRes Master"]


def test_when_our_own_preset_went_bad_then_it_is_made_anew(seat):
    bad = resolve_render.STOCK["Audio Only"]
    seat.queue.presets[rendering.PRESET] = resolve_render.copy.deepcopy(bad)
    assert len(seat.render(1001, 1002)) == 2
    assert seat.queue.presets[rendering.PRESET].video


def test_when_our_preset_is_there_then_it_is_used_and_no_other_is_made(seat):
    seat.render(1001)
    seat.machine.calls.clear()
    seat.render(1002)
    assert seat.asked("LoadRenderPreset")[0] == (rendering.PRESET,)
    assert [args[0].startswith(rendering.RESTORE) for args in seat.asked("SaveAsNewRenderPreset")] == [True]


def test_when_only_audio_presets_write_then_nobody_waits_forever(seat):
    for name in list(seat.queue.presets):
        seat.queue.presets[name].video = False
    before = seat.facts()
    with pytest.raises(HostError, match="wrote no picture"):
        seat.render(1001)
    assert seat.facts() == before


def only(monkeypatch, codec):
    """A Resolve whose EXR has one codec."""
    codecs = resolve_render.codecs

    def fewer(version, form):
        return {words: id for words, id in codecs(version, form).items() if form != "exr" or id == codec}

    monkeypatch.setattr(resolve_render, "codecs", fewer)


def test_when_pixels_are_read_here_then_a_zipped_plate_is_unpacked(seat, monkeypatch):
    only(monkeypatch, "RGBHalfZIP")
    (one,) = seat.render(1002, compressed=False)
    assert oiio.ImageBuf(one.path).spec().get_string_attribute("compression") == "none"
    np.testing.assert_allclose(pixels(one.path), seat.shown(1002), rtol=2e-3)


def test_when_exr_has_no_half_floats_without_loss_then_we_say_so(seat, monkeypatch):
    only(monkeypatch, "RGBHalfDWAA")
    before = seat.facts()
    with pytest.raises(HostError, match="half floats"):
        seat.render(1001)
    assert seat.facts() == before


# Masks


@pytest.mark.parametrize("numbers", ["media", "zero"])
@pytest.mark.parametrize("which", ["media", "clip", "marks"])
def test_when_individual_clips_render_more_than_asked_then_the_masks_are_of_the_right_frames(tmp_path, which, numbers):
    seat = Seat(tmp_path / "seat", individual_range=which, individual_numbers=numbers)
    before = seat.facts()
    seat.mask_it()
    made = seat.render(1003, 1006, alpha=True)
    for one in made:
        np.testing.assert_allclose(pixels(one.path)[..., 0], seat.masked(one.frame), atol=1e-3)
    assert [one.frame for one in made] == [1003, 1006]
    assert seat.facts() == before


def test_when_a_single_clip_carries_the_alpha_then_no_clip_is_touched(tmp_path):
    seat = Seat(tmp_path / "seat", alpha_in_single_clip=True)
    seat.mask_it()
    for one in seat.render(1001, 1004, alpha=True):
        np.testing.assert_allclose(pixels(one.path)[..., 0], seat.masked(one.frame), atol=1e-3)
    assert not seat.asked("SetClipEnabled")
    assert set(seat.asked("SetCurrentRenderMode")) == {(1,)}


def test_when_nothing_is_masked_then_we_say_where_to_connect_the_key(seat):
    before = seat.facts()
    with pytest.raises(HostError, match="at frame 1003 is solid") as said:
        seat.render(1003, 1005, alpha=True)
    assert "Alpha Output" in said.value.hint
    assert said.value.frame == 1003
    assert seat.facts() == before


def test_when_the_object_is_away_then_an_empty_mask_is_a_mask(seat):
    seat.machine.artist.set_alpha_output(seat.item, lambda number: np.zeros((SIZE[1], SIZE[0]), np.float32))
    (one,) = seat.render(1003, alpha=True)
    assert pixels(one.path).max() == 0


def test_when_the_speed_is_changed_then_the_alpha_of_individual_clips_is_not_guessed(seat):
    seat.mask_it()
    seat.item.speed = -seat.item.speed
    before = seat.facts()
    with pytest.raises(HostError, match="speed is changed"):
        seat.render(1003, alpha=True)
    assert seat.facts() == before


def test_when_two_objects_want_the_same_frame_then_both_get_it(seat):
    seat.mask_it()
    clip, out = seat.clip(), seat.folder / "out"
    out.mkdir()
    wanted = [Rendering(1003, (out / f"{name}.exr").as_posix(), "alpha", False) for name in "ab"]
    item = seat.session.item(seat.item.id)
    made = list(rendering.frames(seat.session, item, clip, wanted, alpha=True, work=out, leftovers=seat.leftovers))
    assert [one for one in made if one] == wanted
    assert (out / "a.exr").read_bytes() == (out / "b.exr").read_bytes()


def test_when_a_mask_is_rendered_twice_then_its_files_are_the_same_bytes(seat):
    seat.mask_it()
    seat.render(1003, alpha=True)
    first = (seat.folder / "out" / "mask.1003.exr").read_bytes()
    seat.render(1003, alpha=True)
    assert (seat.folder / "out" / "mask.1003.exr").read_bytes() == first


# What cannot be rendered at all


def test_when_a_frame_is_not_in_the_clip_then_it_is_named(seat):
    with pytest.raises(HostError, match="frame 1009 is not in the clip"):
        seat.render(1001, 1009)
    assert not seat.machine.project.queue.jobs


def test_when_the_clip_is_disabled_then_we_say_so(seat):
    seat.item.enabled = False
    with pytest.raises(HostError, match="is disabled"):
        seat.render(1001)


def test_when_the_disk_is_full_then_we_say_so_before_anything_is_changed(seat, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    before = seat.facts()
    with pytest.raises(HostError, match="GB free"):
        seat.render(1001)
    assert seat.facts() == before


def test_when_the_timeline_has_another_shape_than_the_files_then_masks_are_refused(seat):
    seat.machine.artist.set_resolution(96, 40)
    with pytest.raises(HostError, match="would not lie over its files"):
        seat.render(1001, alpha=True, clip=seat.clip(source="/plates/plate.%04d.exr"))


def test_when_the_timeline_shows_the_files_smaller_then_masks_come_in_their_size(seat):
    seat.machine.artist.set_resolution(48, 32)
    seat.mask_it()
    (one,) = seat.render(1003, alpha=True, clip=seat.clip(source="/plates/plate.%04d.exr"))
    assert pixels(one.path).shape[:2] == (SIZE[1], SIZE[0])


def test_when_the_folder_cannot_be_made_then_it_is_named(seat):
    (seat.folder / "out").write_text("a file")
    clip, item = seat.clip(), seat.session.item(seat.item.id)
    wanted = [Rendering(1001, (seat.folder / "x.exr").as_posix())]
    before = seat.facts()
    with pytest.raises(HostError, match="out"):
        list(
            rendering.frames(
                seat.session, item, clip, wanted, alpha=False, work=seat.folder / "out", leftovers=seat.leftovers
            )
        )
    assert seat.facts() == before


# Signature


def signed(seat, frame=1001, again=0):
    return rendering.signature(seat.session, seat.session.item(seat.item.id), seat.clip(), frame, again)


def test_when_nothing_changes_then_the_signature_stays(seat):
    assert signed(seat) == signed(seat)
    before = signed(seat)
    seat.machine.artist.slide(seat.item, 2)
    assert signed(seat) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda seat: seat.machine.artist.resize(seat.item, ZoomX=1.2),
        lambda seat: seat.machine.artist.grade(seat.item, None, "Version 2"),
        lambda seat: setattr(seat.item.nodes[0], "lut", "film.cube"),
        lambda seat: seat.machine.artist.set_setting("colorSpaceOutput", "sRGB"),
        lambda seat: setattr(seat.item, "source_in", 3),
    ],
    ids=["sizing", "version", "lut", "colour", "slip"],
)
def test_when_the_clip_may_look_different_then_the_signature_does(seat, change):
    before = signed(seat)
    change(seat)
    assert signed(seat) != before
    assert signed(seat, again=1) != signed(seat)
