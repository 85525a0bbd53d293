"""What the stand-in's render queue does, truth and lies."""

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes import drawn_plate
from fakes.resolve import Machine, NotMeasured, Profile
from fakes.resolve_faults import faults
from fakes.resolve_render import STOCK, Trouble


class Scene:
    """A machine with one clip of the drawn plate, its project and a folder to render to."""

    def __init__(self, folder, edition="studio", version=(20, 3, 2), **switches):
        self.machine = Machine(Profile(edition, version, **switches), folder)
        self.machine.artist.set_resolution(drawn_plate.WIDTH, drawn_plate.HEIGHT)
        pattern = drawn_plate.write(folder / "plate")
        self.media = self.machine.artist.import_sequence(pattern, drawn_plate.FIRST, drawn_plate.LAST)
        self.item = self.machine.artist.place(self.media, source_in=2, source_out=9)
        self.out = folder / "out"
        self.out.mkdir()
        self.project = self.machine.resolve.GetProjectManager().GetCurrentProject()
        self.queue = self.machine.project.queue
        self.start = self.item.start

    def pin(self, preset="ProRes Master", mode=1, **settings):
        """Everything a careful script sets; the Deliver page is open after it."""
        self.machine.resolve.OpenPage("deliver")
        assert self.project.LoadRenderPreset(preset)
        assert self.project.SetCurrentRenderFormatAndCodec("exr", "RGBHalf")
        assert self.project.SetCurrentRenderMode(mode)
        range_ = {"MarkIn": self.start + 1, "MarkOut": self.start + 3}
        assert self.project.SetRenderSettings({"TargetDir": str(self.out), "CustomName": "m_", **range_, **settings})

    def run(self, job=None, polls=60):
        """Render a job to its end and give its last status."""
        job = job or self.project.AddRenderJob()
        assert self.project.StartRendering([job])
        for _ in range(polls):
            self.project.GetRenderJobStatus(job)
        return self.project.GetRenderJobStatus(job)

    def files(self):
        return sorted(path.name for path in self.out.iterdir())

    def pixels(self, name):
        return oiio.ImageBuf(str(self.out / name)).get_pixels(oiio.FLOAT)


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def assert_shows(pixels, number):
    np.testing.assert_allclose(pixels[..., :3], drawn_plate.picture(number), atol=1e-3)


# -- what is written


def test_when_a_single_clip_is_rendered_then_its_files_carry_timeline_frames_and_the_source_picture(scene):
    scene.pin()

    assert scene.run()["JobStatus"] == "Complete"

    assert scene.files() == [f"m_{scene.start + frame:08d}.exr" for frame in (1, 2, 3)]
    assert_shows(scene.pixels(scene.files()[0]), drawn_plate.FIRST + 3)
    assert scene.pixels(scene.files()[0]).shape == (drawn_plate.HEIGHT, drawn_plate.WIDTH, 3)


def test_when_a_clip_is_retimed_then_the_timeline_s_pictures_are_rendered(scene):
    scene.machine.artist.retime(scene.item, 2)
    scene.pin()

    scene.run()

    assert_shows(scene.pixels(scene.files()[1]), drawn_plate.FIRST + 2 + 4)


def test_when_a_clip_lies_above_then_it_is_what_is_rendered_unless_its_track_is_off(scene):
    above = scene.machine.artist.place_generator(0, 8, track=2)
    scene.pin()
    scene.run()
    assert np.ptp(scene.pixels(scene.files()[0])) == 0

    scene.project.GetCurrentTimeline().SetTrackEnable("video", 2, False)
    scene.run()

    assert_shows(scene.pixels(scene.files()[0]), drawn_plate.FIRST + 3)
    assert above.enabled


def test_when_a_clip_is_graded_then_the_grade_is_in_the_files(scene):
    scene.machine.artist.grade(scene.item, lambda colours: colours * 0.5)
    scene.pin()

    scene.run()

    expected = drawn_plate.picture(drawn_plate.FIRST + 3) * 0.5
    np.testing.assert_allclose(scene.pixels(scene.files()[0]), expected, atol=1e-3)


def test_when_a_clip_is_zoomed_then_its_picture_is_larger(scene):
    scene.machine.artist.resize(scene.item, ZoomX=2.0, ZoomY=2.0)
    scene.machine.artist.set_alpha_output(scene.item, drawn_plate.matte)
    scene.machine.switches.alpha_in_single_clip = True
    scene.pin(ExportAlpha=True, AlphaMode=1)

    scene.run()

    covered = scene.pixels(scene.files()[0])[..., 3].sum()
    assert covered == pytest.approx(4 * drawn_plate.matte(drawn_plate.FIRST + 3).sum(), rel=0.05)


# -- alpha


def test_when_alpha_is_asked_of_a_single_clip_then_it_is_solid_whatever_the_artist_routed(scene):
    scene.machine.artist.set_alpha_output(scene.item, drawn_plate.matte)
    scene.pin(ExportAlpha=True, AlphaMode=1)

    scene.run()

    assert scene.pixels(scene.files()[0])[..., 3].min() == 1


def test_when_alpha_is_asked_of_individual_clips_then_it_is_the_alpha_output_of_the_whole_media(scene):
    scene.machine.artist.set_alpha_output(scene.item, drawn_plate.matte)
    scene.pin(mode=0, ExportAlpha=True, AlphaMode=1)

    scene.run()

    numbers = range(drawn_plate.FIRST, drawn_plate.LAST + 1)
    assert scene.files() == [f"m__V1-0001_{number:08d}.exr" for number in numbers]
    np.testing.assert_allclose(scene.pixels(scene.files()[4])[..., 3], drawn_plate.matte(numbers[4]), atol=1e-3)


@pytest.mark.parametrize(("which", "count"), [("media", 12), ("clip", 8), ("marks", 3)])
def test_when_individual_clips_are_rendered_then_the_switch_says_how_much_of_each(tmp_path, which, count):
    scene = Scene(tmp_path, individual_range=which)
    scene.pin(mode=0)

    scene.run()

    assert len(scene.files()) == count


def test_when_clips_have_no_media_or_their_track_is_off_then_they_are_no_individual_clips(scene):
    scene.machine.artist.place_generator(20, 4)
    scene.machine.artist.place_compound(30, 4)
    scene.machine.artist.place(scene.media, track=2)
    scene.machine.artist.track(2).enabled = False
    scene.pin(mode=0)

    scene.run()

    assert {name[:12] for name in scene.files()} == {"m__V1-0001_0"}


def test_when_alpha_is_premultiplied_then_colour_is_black_where_it_is_clear(tmp_path):
    scene = Scene(tmp_path, alpha_in_single_clip=True)
    scene.machine.artist.set_alpha_output(scene.item, drawn_plate.matte)
    scene.pin(ExportAlpha=True)

    scene.run()

    assert scene.pixels(scene.files()[0])[0, 0].tolist() == [0, 0, 0, 0]


# -- what the page holds


def test_when_the_page_held_audio_only_then_the_job_says_video_and_the_folder_has_none(scene):
    scene.pin(preset="Audio Only", ExportVideo=True)

    status = scene.run()

    assert scene.project.GetRenderJobList()[0]["IsExportVideo"] is True
    assert status["JobStatus"] == "Complete" and scene.files() == ["m_.wav"]


def test_when_a_preset_is_saved_and_loaded_then_the_page_is_as_it_was(scene):
    before = scene.queue.facts()["deliver"]
    assert scene.project.SaveAsNewRenderPreset("Matted restore 1")
    scene.pin(ExportAlpha=True)
    assert scene.queue.facts()["deliver"] != before

    assert scene.project.LoadRenderPreset("Matted restore 1") and scene.project.DeleteRenderPreset("Matted restore 1")

    assert scene.queue.facts()["deliver"] == before
    assert sorted(scene.project.GetRenderPresetList()) == sorted(STOCK)


def test_when_a_preset_s_name_is_taken_or_stock_then_it_is_neither_saved_nor_deleted(scene):
    assert not scene.project.SaveAsNewRenderPreset("Audio Only")
    assert not scene.project.DeleteRenderPreset("Audio Only")
    assert not scene.project.LoadRenderPreset("nothing of that name")


@pytest.mark.parametrize("form", ["EXR", "exr", "png"])
@pytest.mark.parametrize("codec", ["RGB half (Uncompressed)", "RGBHalf", "RGB8"])
def test_when_a_format_is_not_an_id_then_true_comes_back_and_nothing_changed(scene, form, codec):
    before = scene.project.GetCurrentRenderFormatAndCodec()

    assert scene.project.SetCurrentRenderFormatAndCodec(form, codec)

    known = (form, codec) == ("exr", "RGBHalf")
    expected = {"format": "exr", "codec": "RGBHalf"} if known else before
    assert scene.project.GetCurrentRenderFormatAndCodec() == expected


@pytest.mark.parametrize("version", [(18, 5), (19, 1, 3), (20, 3, 2), (21, 1)], ids=str)
def test_when_versions_differ_then_descriptions_do_and_ids_do_not(tmp_path, version):
    project = Scene(tmp_path, version=version).project

    exr = project.GetRenderCodecs("exr")

    assert exr == project.GetRenderCodecs("EXR")
    assert {"RGBHalf", "RGBHalfZIP", "RGBFloat"} < set(exr.values())
    assert ("png" in project.GetRenderFormats().values()) == (version >= (21,))
    assert not any("alpha" in each.lower() for each in project.GetRenderCodecs("png"))


def test_when_versions_are_compared_then_exr_is_described_in_three_ways(tmp_path):
    told = set()
    for version in ((18, 5), (19, 1, 3), (20, 3, 2)):
        (tmp_path / str(version)).mkdir()
        codecs = Scene(tmp_path / str(version), version=version).project.GetRenderCodecs("exr")
        told.add({id: words for words, id in codecs.items()}["RGBHalf"])

    assert len(told) == 3


def test_when_alpha_is_asked_of_a_format_without_then_true_comes_back_and_it_is_off(tmp_path):
    scene = Scene(tmp_path, version=(21, 1))
    scene.pin()
    scene.project.SetCurrentRenderFormatAndCodec("png", "RGB16")

    assert scene.project.SetRenderSettings({"ExportAlpha": True})

    scene.run()
    assert scene.pixels(scene.files()[0]).shape[2] == 3


def test_when_a_setting_does_not_suit_the_format_then_the_format_is_another_one_again(scene):
    scene.pin()

    assert scene.project.SetRenderSettings({"EncodingProfile": "Main10"})

    assert scene.project.GetCurrentRenderFormatAndCodec()["format"] != "exr"


def test_when_a_setting_is_unknown_or_of_the_wrong_type_then_it_is_refused(scene):
    assert not scene.project.SetRenderSettings({"MarkIn": "86400"})
    assert not scene.project.SetRenderSettings({"ExportAlpha": 1})
    with pytest.raises(NotMeasured):
        scene.project.SetRenderSettings({"Compression": "ZIP"})


# -- marks


def test_when_the_deliver_page_is_opened_then_the_artist_s_marks_are_gone(scene):
    scene.machine.artist.set_marks(2, 4)

    scene.machine.resolve.OpenPage("deliver")

    timeline = scene.machine.project.timeline
    assert (timeline.mark_in, timeline.mark_out) == (scene.start, scene.start + 7)


def test_when_a_range_is_set_then_it_is_the_timeline_s_own_marks(scene):
    scene.pin()

    timeline = scene.machine.project.timeline
    assert (timeline.mark_in, timeline.mark_out) == (scene.start + 1, scene.start + 3)


def test_when_a_range_is_set_off_the_deliver_page_then_true_comes_back_and_it_is_not_taken(scene):
    scene.machine.artist.set_marks(5, 6)

    assert scene.project.SetRenderSettings({"MarkIn": scene.start, "MarkOut": scene.start})

    assert scene.machine.project.timeline.mark_in == scene.start + 5


# -- jobs


def test_when_the_folder_is_missing_then_no_job_is_added(scene):
    scene.pin(TargetDir=str(scene.out / "missing"))

    assert scene.project.AddRenderJob() == ""
    assert scene.project.GetRenderJobList() == []


def test_when_a_job_is_started_then_its_files_come_as_somebody_asks(scene):
    scene.pin()
    job = scene.project.AddRenderJob()

    assert scene.project.StartRendering([job])

    assert scene.files() == []
    assert scene.project.IsRenderingInProgress() is False  # it takes a while until it says so
    assert scene.project.IsRenderingInProgress() is True
    assert 0 < scene.project.GetRenderJobStatus(job)["CompletionPercentage"] <= 100


def test_when_no_ids_are_given_then_the_artist_s_jobs_are_rendered_too(scene, tmp_path):
    (tmp_path / "theirs").mkdir()
    theirs = scene.machine.artist.other_job(tmp_path / "theirs")
    scene.pin()
    mine = scene.project.AddRenderJob()

    scene.project.StartRendering()

    for _ in range(60):
        scene.project.IsRenderingInProgress()
    assert list((tmp_path / "theirs").iterdir()) and scene.files()
    assert {theirs, mine} == {job["JobId"] for job in scene.project.GetRenderJobList()}


def test_when_something_renders_then_nothing_else_starts_and_stop_stops_it_whoever_started_it(scene, tmp_path):
    (tmp_path / "theirs").mkdir()
    theirs = scene.machine.artist.other_job(tmp_path / "theirs")
    scene.queue.artist_starts([theirs])
    scene.pin()

    assert not scene.project.StartRendering([scene.project.AddRenderJob()])
    scene.project.StopRendering()

    assert scene.project.GetRenderJobStatus(theirs)["JobStatus"] == "Cancelled"


def test_when_a_job_renders_then_it_cannot_be_deleted(scene):
    scene.pin()
    job = scene.project.AddRenderJob()
    scene.project.StartRendering([job])

    assert not scene.project.DeleteRenderJob(job)
    scene.project.StopRendering()

    assert scene.project.DeleteRenderJob(job)
    assert scene.project.GetRenderJobStatus(job) == {}
    assert not scene.project.DeleteRenderJob(job)


@pytest.mark.parametrize(("language", "words"), [("en", "Complete"), ("de", "Abgeschlossen"), ("zh", "完成")])
def test_when_the_interface_speaks_another_language_then_so_does_the_status(tmp_path, language, words):
    scene = Scene(tmp_path, language=language)
    scene.pin()

    assert scene.run() == {"JobStatus": words, "CompletionPercentage": 100, "TimeTakenToRenderInMs": 120}


@pytest.mark.parametrize("kind", ["fails", "disk full"])
def test_when_a_job_fails_then_its_status_says_so_and_some_files_are_there(scene, kind):
    scene.pin()
    scene.queue.trouble = Trouble(kind)

    status = scene.run()

    assert status["JobStatus"] == "Failed" and status["Error"]
    assert len(scene.files()) == 1


def test_when_a_job_stalls_then_it_never_ends(scene):
    scene.pin()
    scene.queue.trouble = Trouble("stalls")

    assert scene.run()["JobStatus"] == "Rendering"


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [("missing last", [1, 1]), ("no files", []), ("empty file", [1, 0, 1])],
)
def test_when_files_are_missing_or_empty_then_the_job_says_that_it_is_complete(scene, kind, sizes):
    scene.pin()
    scene.queue.trouble = Trouble(kind)

    assert scene.run()["JobStatus"] == "Complete"

    assert [int(path.stat().st_size > 0) for path in sorted(scene.out.iterdir())] == sizes


@pytest.mark.parametrize("kind", ["wrong size", "cut off"])
def test_when_a_file_is_not_what_was_asked_then_the_job_says_that_it_is_complete(scene, kind):
    scene.pin()
    scene.run()
    whole = {path.name: path.stat().st_size for path in scene.out.iterdir()}
    scene.queue.trouble = Trouble(kind)

    assert scene.run()["JobStatus"] == "Complete"

    assert any(path.stat().st_size < whole[path.name] for path in scene.out.iterdir())


def test_when_the_artist_clears_a_job_then_it_is_gone_while_it_renders(scene):
    scene.pin()
    scene.queue.trouble = Trouble("vanishes")

    assert scene.run() == {}


def test_when_the_folder_is_removed_before_the_start_then_the_job_fails(scene):
    scene.pin()
    job = scene.project.AddRenderJob()
    scene.out.rmdir()

    assert scene.run(job)["JobStatus"] == "Failed"


# -- faults


def test_when_every_call_is_made_to_fail_then_each_is_tried_in_each_way_in_a_fresh_machine(tmp_path):
    def make():
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        return Scene(folder).machine

    def act(machine):
        project = machine.resolve.GetProjectManager().GetCurrentProject()
        if project is None or not project.SaveAsNewRenderPreset("mine"):
            raise RuntimeError("not saved")
        project.DeleteRenderPreset("mine")

    tried = list(faults(make, act))

    methods = ["GetProjectManager", "GetCurrentProject", "SaveAsNewRenderPreset", "DeleteRenderPreset"]
    assert [(each.call.method, each.how) for each in tried] == [
        (method, how) for method in methods for how in ("raises", "none", "false")
    ]
    left = [str(each) for each in tried if "mine" in each.machine.project.queue.presets]
    assert left == [f"Project.DeleteRenderPreset (number 4) {how}" for how in ("raises", "none", "false")]
    assert [each.error for each in tried if each.call.method == "DeleteRenderPreset" and each.how != "raises"] == [
        None
    ] * 2
