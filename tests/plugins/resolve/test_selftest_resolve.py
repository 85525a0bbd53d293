"""The self-test that a colorist runs in a real Resolve, run in the stand-in: it agrees with it, leaves nothing behind,
and every probe sees a Resolve that is otherwise."""

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import (
    resolve,
    resolve_fusion,
    resolve_fusion_tools,
    resolve_handles,
    resolve_markers,
    resolve_media,
    resolve_models,
    resolve_pictures,
    resolve_render,
    resolve_timeline,
    resolve_ui,
)
from fakes.resolve import Machine, Profile
from matted_resolve.host import leftovers, render_job

ROOT = Path(__file__).parents[3]
SELFTEST = ROOT / "plugins" / "resolve" / "selftest.py"
INSTALLED = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"


@pytest.fixture(scope="module")
def selftest():
    spec = importlib.util.spec_from_file_location("matted_resolve_selftest", SELFTEST)
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    sys.modules["matted_resolve_selftest"] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules["matted_resolve_selftest"]
        sys.path[:] = before


@pytest.fixture(autouse=True)
def quick(monkeypatch, selftest, tmp_path):
    """Nothing waits, and the temporary folder is the test's."""
    monkeypatch.setattr(selftest, "PAUSE", 0)
    monkeypatch.setattr(render_job, "_PAUSE", 0)
    monkeypatch.setattr(render_job, "_SETTLES", 2)
    monkeypatch.setattr(os, "fsync", lambda file: None)
    monkeypatch.setattr(leftovers, "_STOPPING", 0)
    monkeypatch.setattr(leftovers, "_PAUSE", 0)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A machine with a colorist's project: a marked timeline with a clip of another look, a job, a bin, a page."""

    def made(edition="studio", version=(20, 3, 2), **switches):
        machine = Machine(Profile(edition, version, **switches), tmp_path)
        artist = machine.artist
        artist.set_resolution(64, 36)
        artist.open_bin(artist.new_bin("Rushes"))
        item = artist.place(artist.import_movie(tmp_path / "theirs.mov", 50), record=7)
        artist.mark(item, 3, note="theirs")
        artist.mark_timeline(9, "Red")
        artist.set_marks(2, 20)
        artist.go_to(12)
        artist.other_job(tmp_path)
        artist.page("color")
        return machine

    return made


def given(selftest, machine, **changed):
    return replace(selftest.Given(machine.resolve, machine.fusion, machine.bmd), **changed)


def with_verdict(outcome, verdict):
    return {one.probe.id for one in outcome.results if one.verdict == verdict}


def facts(machine):
    return machine.project_facts(), dict(machine.fusion_prefs)


def saves(machine):
    return [one for one in machine.calls if one.method == "SaveProject"]


def temporary(tmp_path):
    return list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize(
    ("edition", "version"),
    [
        ("studio", (20, 3, 2)),
        ("free", (20, 3, 2)),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in (("studio", (18, 5, 0)), ("studio", (19, 1, 3)), ("studio", (21, 1, 0)), ("free", (19, 0, 3)))
        ),
    ],
    ids=str,
)
def test_when_resolve_is_as_expected_then_every_probe_passes_or_says_why_not_and_nothing_is_left(
    selftest, make, tmp_path, edition, version
):
    with make(edition, version) as machine:
        before = facts(machine)

        outcome = selftest.run(given(selftest, machine))

        assert with_verdict(outcome, "FAIL") == set() and outcome.left == ()
        assert facts(machine) == before and saves(machine) == [] and machine.modal is None
    assert {one.verdict for one in outcome.results} <= {"pass", "noted", "cannot say"}
    assert all(one.seen for one in outcome.results if one.verdict == "cannot say")
    assert {one.probe.id for one in outcome.results} == {one.id for one in selftest.PROBES}
    assert temporary(tmp_path) == [] and not selftest.journal().exists()
    assert set(machine.unknown) == {"Resolve.NoSuchMethodOfMatted"}
    windows = {"window-can-be-made", "window-has-a-clock"}
    assert windows <= with_verdict(outcome, "cannot say" if edition == "free" else "pass")
    dialogs = [one for one in machine.calls if one.method in ("UIManager", "UIDispatcher")]
    assert bool(dialogs) == (edition == "studio")


OTHERWISE = {
    "matte_forms": {"percent": "sequence", "bracket": "still", "file": "still"},
    "sub_folder_enters": False,
    "append_null_ids": False,
    "sequence_start": "zero",
    "file_path": "first",
    "source_start_off_by": 0,
    "source_frames_from": "start",
    "delete_clips_flaky": 0,
    "deliver_state": "YouTube - 1080p",
    "marks_need_deliver": False,
    "deliver_clobbers_marks": False,
    "alpha_in_single_clip": True,
    "render_numbers": "zero",
    "render_padding": 4,
    "format_refusal": "false",
    "language": "de",
    "preset_list": "dicts",
    "add_comp_is_stub": False,
    "loader_asks": False,
    "comp_frames": "clip",
    "lock_hides": False,
    "saver_renders": True,
    "loader_starts_at_number": False,
    "ui_form": "call",
    "ui_timer": False,
    "step_loop": True,
    "current_timeline_goes": True,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "switches",
    [
        OTHERWISE,
        {"individual_range": "marks", "file_path": "percent", "matte_forms": {**OTHERWISE["matte_forms"], "percent": "nothing", "bracket": "sequence"}},
        {"individual_range": "clip", "individual_numbers": "zero", "language": "zh", "slow_start": 3, "frames_per_poll": 1},
    ],
    ids=["friendly", "marks", "clip"],
)  # fmt: skip
def test_when_what_is_from_memory_is_the_other_way_round_then_every_probe_passes(selftest, make, switches):
    with make(**switches) as machine:
        before = facts(machine)

        outcome = selftest.run(given(selftest, machine))

        assert with_verdict(outcome, "FAIL") == set() and outcome.left == ()
        assert facts(machine) == before


# A Resolve that is otherwise: for each probe with an expectation one, in which it fails


class Otherwise:
    """Switches of the machine, names that are patched, and what the script is given."""

    def __init__(self, *patches, given=(), settings=(), **switches):
        self.patches, self.given, self.settings, self.switches = patches, dict(given), dict(settings), switches


def answers(value):
    """A method that answers this and does nothing."""
    return lambda self, *arguments: value


def raises(error):
    def call(*arguments):
        raise error

    return call


def counts():
    """A method that answers something else each time."""
    told = iter(range(10**6))
    return lambda self, *arguments: f"id-{next(told)}"


def properties(**changed):
    """Media that tell other properties."""
    whole = resolve_media.clip_properties
    return resolve_media, "clip_properties", lambda machine, media: {**whole(machine, media), **changed}


def unless_found(self, name):
    if name == "NoSuchMethodOfMatted":
        raise AttributeError(name)
    return NotImplemented


def refuses_unknown(self, name=None):
    known = resolve_media.clip_properties(self._machine, self._model)
    return known[name] if name else known


def refuses_missing(self, info):
    if "none" in info["FilePath"]:
        raise ValueError("no such file")
    return SEQUENCE(self, info)


def inclusive(self, timeline, info):
    return APPEND(self, timeline, {**info, "endFrame": info["endFrame"] + 1})


def over(self, frame, *more):
    self._model.markers.pop(frame - self._marker_zero(), None)
    return ADD_MARKER(self, frame, *more)


def short(self, frame, color, name, note, duration, custom=""):
    return ADD_MARKER(self, frame, color, name, note[:50], duration, custom[:50])


def without_marks(self, job):
    return {name: value for name, value in DESCRIBED(self, job).items() if not name.startswith("Mark")}


def never_ends(self, job):
    told = STATUS(self, job)
    told.pop("TimeTakenToRenderInMs", None)
    return {**told, "JobStatus": "..."} if told.get("JobStatus") == "Complete" else told


def one_more(self, settings):
    return MARKS(self, {**settings, "MarkOut": settings["MarkOut"] + 1} if "MarkOut" in settings else settings)


def every_second(self, job):
    return (replace(one, name=f"f{2 * index:04d}.exr") for index, one in enumerate(PIECES(self, job)))


def solid(self, job, piece, shrink):
    picture = PICTURE(self, job, piece, shrink)
    picture[..., 3:] = 1
    return picture


def no_media_in(self):
    comp = START(self)
    comp.rename(comp.tools["MediaIn1"], "Input1")
    return comp


def late(self, name, time=0):
    value = GET_INPUT(self, name, time)
    return value + 3 if name == "GlobalOut" else value


def nonsense(self, path, index):
    Path(path).write_text("nonsense")
    return True


def a_frame_late(self, tool):
    self.frame -= 1
    try:
        return LOADER(self, tool)
    finally:
        self.frame += 1


def next_channel(self, tool):
    before = tool.inputs["MatteCombine"]
    tool.inputs["MatteCombine"] = before + 1
    try:
        return MATTE_CONTROL(self, tool)
    finally:
        tool.inputs["MatteCombine"] = before


SEQUENCE = resolve_media.MediaPool._sequence
APPEND, ADD_MARKER = resolve_media.MediaPool._append, resolve_markers.Markers.AddMarker
DESCRIBED, STATUS = resolve_render.RenderQueue._described, resolve_render.RenderQueue.GetRenderJobStatus
MARKS, PIECES, PICTURE = resolve_render.RenderQueue._marks, resolve_render.Queue._pieces, resolve_render.Queue._picture
START, GET_INPUT = resolve_fusion.Comps.start, resolve_fusion.Tool.GetInput
TEXT, POLYGON = resolve_fusion_tools.CompModel.text, resolve_fusion_tools.Renderer._polylinemask
LOADER, MATTE_CONTROL = resolve_fusion_tools.Renderer._loader, resolve_fusion_tools.Renderer._mattecontrol
OPEN_PAGE, WRITE = resolve.Resolve.OpenPage, resolve_render.write_picture

Pool, Media, Item, Timeline = resolve_media.MediaPool, resolve_media.MediaPoolItem, resolve_timeline.TimelineItem, resolve_timeline.Timeline  # fmt: skip
Queue, Jobs, Tool, Marker = resolve_render.Queue, resolve_render.RenderQueue, resolve_fusion.Tool, resolve_markers.Markers  # fmt: skip
STILLS = {"percent": "nothing", "bracket": "refused", "file": "still"}

LIES = {
    "script-is-given-its-globals": Otherwise(given={"bmd": None}),
    "standard-library-is-whole": Otherwise((sys.modules, "uuid", None)),
    "loopback-can-be-used": Otherwise(("multiprocessing.connection", "Listener", raises(OSError("refused")))),
    "own-python-can-be-started": Otherwise(("matted_resolve.start", "companion_command", lambda: ("/nowhere/python",))),
    "product-name-tells-the-edition": Otherwise((resolve.Resolve, "GetProductName", answers("Resolve"))),
    "version-is-told": Otherwise((resolve.Resolve, "GetVersionString", answers("twenty"))),
    "database-tells-that-it-lives": Otherwise((resolve.ProjectManager, "GetCurrentDatabase", answers({"Name": "x"}))),
    "unknown-names-are-none": Otherwise((resolve.Resolve, "_special", unless_found)),
    "page-is-told": Otherwise((resolve.Resolve, "GetCurrentPage", answers("Color"))),
    "project-has-an-id": Otherwise((resolve.Project, "GetUniqueId", counts())),
    "settings-tell-rate-and-resolution": Otherwise(settings={"timelineFrameRate": "fast"}),
    "colour-settings-are-told": Otherwise(settings={"colorScienceMode": ""}),
    "bin-is-made": Otherwise((Pool, "AddSubFolder", answers(None))),
    "sequence-is-one-clip": Otherwise((Pool, "ImportMedia", answers([]))),
    "missing-files-are-not-imported": Otherwise((Pool, "_sequence", refuses_missing)),
    "sequence-path-leads-to-its-files": Otherwise(properties(**{"File Path": "", "File Name": "x"})),
    "properties-count-the-frames": Otherwise(frames_wrong_by=1),
    "resolution-is-told": Otherwise(properties(Resolution="HD")),
    "sequence-takes-the-rate": Otherwise(properties(FPS=25.0)),
    "untouched-clip-is-at-rest": Otherwise((Item, "GetProperty", answers({"ZoomX": 2.0}))),
    "unknown-property-is-empty": Otherwise((Media, "GetClipProperty", refuses_unknown)),
    "third-party-metadata-is-kept": Otherwise(third_party_limit=5000),
    "third-party-metadata-can-be-emptied": Otherwise((Media, "GetThirdPartyMetadata", answers("text"))),
    "clips-have-ids": Otherwise((Item, "GetUniqueId", counts())),
    "end-frame-is-exclusive": Otherwise((Pool, "_append", inclusive)),
    "overlap-is-dropped": Otherwise((resolve_models.TrackModel, "free", answers(True))),
    "clip-ends-after-its-last-frame": Otherwise((Item, "GetEnd", answers(90000))),
    "offsets-count-the-source": Otherwise((Item, "GetLeftOffset", answers(0.0))),
    "source-frames-are-close": Otherwise(source_start_off_by=2),
    "tracks-come-and-go": Otherwise((Timeline, "SetTrackName", answers(True))),
    "track-can-be-switched": Otherwise((Timeline, "SetTrackEnable", answers(True))),
    "clip-can-be-switched": Otherwise((Item, "SetClipEnabled", answers(True))),
    "clips-can-be-deleted": Otherwise(delete_clips_flaky=2),
    "pages-can-be-opened": Otherwise(
        (resolve.Resolve, "OpenPage", lambda self, page: page == "deliver" or OPEN_PAGE(self, page))
    ),
    "playhead-can-be-moved": Otherwise((resolve_timeline, "MOVES_THE_PLAYHEAD", ("edit",))),
    "clip-under-the-playhead-is-current": Otherwise((Timeline, "GetCurrentVideoItem", answers(None))),
    "selected-media-are-listed": Otherwise((Pool, "GetSelectedClips", answers(None))),
    "clip-markers-count-from-the-media": Otherwise((Item, "_marker_zero", lambda self: 0)),
    "clip-takes-markers-where-it-shows": Otherwise((Item, "_range", lambda self: (0, 4))),
    "timeline-markers-count-from-its-start": Otherwise((Timeline, "_range", lambda self: (86400, 90000))),
    "media-markers-count-from-its-first-frame": Otherwise((Media, "_range", lambda self: (1001, 1012))),
    "marker-ids-are-numbers": Otherwise((Item, "GetMarkers", answers({"1": {}}))),
    "frame-holds-one-marker": Otherwise((Marker, "AddMarker", over)),
    "colours-are-known": Otherwise((resolve_markers, "MARKER_COLORS", ["Mint"])),
    "custom-data-is-kept": Otherwise((Marker, "AddMarker", short)),
    "note-is-kept": Otherwise((Marker, "AddMarker", short)),
    "marker-is-deleted-by-its-frame": Otherwise((Marker, "DeleteMarkerAtFrame", answers(True))),
    "marks-are-told-from-20-on": Otherwise((resolve_handles.SINCE, ("Timeline", "GetMarkInOut"), (99,))),
    "marks-are-set-as-they-are-told": Otherwise((resolve_markers.Marks, "SetMarkInOut", answers(True))),
    "half-float-exr-is-offered": Otherwise((resolve_render, "codecs", lambda version, form: {})),
    "codec-is-set-by-its-id": Otherwise((Jobs, "SetCurrentRenderFormatAndCodec", answers(True))),
    "preset-brings-settings-back": Otherwise((Jobs, "LoadRenderPreset", answers(True))),
    "preset-can-be-deleted": Otherwise((Jobs, "DeleteRenderPreset", answers(True))),
    "render-mode-is-told": Otherwise((Jobs, "SetCurrentRenderMode", answers(True))),
    "render-settings-are-taken": Otherwise((Jobs, "SetRenderSettings", answers(False))),
    "job-tells-folder-and-marks": Otherwise((Jobs, "_described", without_marks)),
    "job-status-tells-the-end": Otherwise((Jobs, "GetRenderJobStatus", never_ends)),
    "job-is-deleted-by-its-id": Otherwise((Jobs, "DeleteRenderJob", answers(True))),
    "single-clip-renders-its-marks": Otherwise((Jobs, "_marks", one_more)),
    "files-end-in-their-number": Otherwise((Queue, "_pieces", every_second)),
    "renders-have-the-size-asked-for": Otherwise(
        (Queue, "_picture", lambda self, job, piece, shrink: PICTURE(self, job, piece, 2))
    ),
    "renders-are-half-floats": Otherwise(
        (resolve_render, "write_picture", lambda path, pixels, codec="": WRITE(path, pixels, "RGBFloat"))
    ),
    "renders-are-not-squeezed": Otherwise(
        (resolve_render, "write_picture", lambda path, pixels, codec="": WRITE(path, pixels, "RGBHalfDWAA"))
    ),
    "switched-off-tracks-are-not-rendered": Otherwise((Timeline, "SetTrackEnable", answers(True))),
    "individual-clips-have-a-known-range": Otherwise((Queue, "_range", lambda self, job, item: (1, 3))),
    "switched-off-clips-are-not-rendered": Otherwise(
        (resolve_pictures, "clips", lambda timeline: timeline.items())
    ),
    "alpha-reaches-the-files": Otherwise((Queue, "_picture", solid)),
    "matte-sequence-is-taken": Otherwise(matte_forms=STILLS),
    "mattes-can-be-taken-off": Otherwise((Pool, "DeleteClipMattes", answers(True))),
    "composition-is-made": Otherwise((resolve_fusion.Comps, "start", no_media_in)),
    "composition-tells-its-frames": Otherwise((resolve_fusion_tools.CompModel, "render_range", lambda self: (0, 99))),
    "connections-can-be-followed": Otherwise((resolve_fusion.Input, "GetConnectedOutput", answers(None))),
    "asking-for-files-can-be-switched-off": Otherwise((resolve_ui.FusionApp, "SetPrefs", answers(None))),
    "tools-take-a-name": Otherwise((Tool, "SetAttrs", answers(None))),
    "tools-can-be-deleted": Otherwise((Tool, "Delete", answers(None))),
    "loader-takes-its-files": Otherwise((Tool, "GetInput", late)),
    "exported-text-tells-it": Otherwise((Item, "ExportFusionComp", nonsense)),
    "loader-becomes-the-alpha": Otherwise((resolve_fusion_tools.Renderer, "_loader", a_frame_late)),
    "red-becomes-the-alpha": Otherwise((resolve_fusion_tools.Renderer, "_mattecontrol", next_channel)),
    "polygon-text-is-drawn": Otherwise(
        (resolve_fusion_tools.CompModel, "text", lambda self: TEXT(self).replace("PolylineMask", "EllipseMask"))
    ),
    "polygon-lies-where-its-text-says": Otherwise(
        (resolve_fusion_tools.Renderer, "_polylinemask", lambda self, tool: POLYGON(self, tool)[::-1])
    ),
    "plugin-reads-the-clip": Otherwise(frames_wrong_by=1),
    "plugin-marks-the-clip": Otherwise((Marker, "DeleteMarkerAtFrame", answers(True))),
    "plugin-keeps-its-state": Otherwise(third_party_limit=5000),
    "plugin-renders-a-plate": Otherwise((Jobs, "_marks", one_more)),
    "plugin-attaches-mattes": Otherwise(matte_forms=STILLS),
    "plugin-places-mattes": Otherwise((Item, "SetClipEnabled", answers(True))),
    "plugin-builds-in-fusion": Otherwise((Item, "ExportFusionComp", nonsense)),
    "window-can-be-made": Otherwise((resolve_ui.Bmd, "UIDispatcher", answers(None))),
    "window-has-a-clock": Otherwise(ui_timer=False),
}  # fmt: skip


def test_when_a_probe_expects_something_then_there_is_a_resolve_in_which_it_fails(selftest):
    assert set(LIES) == {one.id for one in selftest.PROBES if one.expected is not None}


@pytest.mark.parametrize("id", LIES)
def test_when_resolve_is_otherwise_then_the_probe_fails_and_the_run_goes_on(selftest, make, id, monkeypatch):
    lie = LIES[id]
    machine = make(**lie.switches)
    for name, value in lie.settings.items():
        machine.artist.set_setting(name, value)
    with pytest.MonkeyPatch.context() as patches:
        for place, name, value in lie.patches:
            if isinstance(place, dict):
                patches.setitem(place, name, value)
            else:
                patches.setattr(*((f"{place}.{name}", value) if isinstance(place, str) else (place, name, value)))

        outcome = selftest.run(given(selftest, machine, **lie.given), only=[id, "calls-are-quick"])

    assert with_verdict(outcome, "FAIL") == {id}, [one.seen for one in outcome.results]
    assert with_verdict(outcome, "noted") == {"calls-are-quick"}
    assert saves(machine) == []


def test_when_the_plugin_is_installed_then_its_own_python_is_started(selftest, make, monkeypatch):
    monkeypatch.setattr("matted_resolve.start.companion_command", lambda: (sys.executable, "-m", "x"))
    with make() as machine:
        outcome = selftest.run(given(selftest, machine), only=["own-python-can-be-started"])

    assert with_verdict(outcome, "pass") == {"own-python-can-be-started"}


# What must not be touched

SOME = ["version-is-told", "end-frame-is-exclusive", "single-clip-renders-its-marks", "plugin-builds-in-fusion"]


def test_when_the_project_was_never_saved_then_nothing_is_made_in_it(selftest, make):
    with make() as machine:
        machine.artist.rename(machine.project, "Untitled Project")
        before = facts(machine)

        outcome = selftest.run(given(selftest, machine))

        assert facts(machine) == before
        changing = {"AddSubFolder", "ImportMedia", "OpenPage", "SaveAsNewRenderPreset", "CreateEmptyTimeline"}
        assert not changing & {one.method for one in machine.calls}
    silent = {one.probe.id: one.seen for one in outcome.results if one.verdict == "cannot say"}
    assert "save it under a name" in silent["end-frame-is-exclusive"]
    assert {"version-is-told", "window-has-a-clock"} <= with_verdict(outcome, "pass")


def test_when_resolve_renders_then_nothing_is_rendered_beside_it(selftest, make, tmp_path):
    with make(slow_start=10**6) as machine:
        job = machine.artist.other_job(tmp_path, name="Long")
        machine.artist.render(job)
        machine.project.queue.active.state = "rendering"

        outcome = selftest.run(given(selftest, machine), only=SOME)

        assert machine.project.queue.active.id == job and outcome.left == ()
    silent = {one.probe.id: one.seen for one in outcome.results if one.verdict == "cannot say"}
    assert "has finished" in silent["single-clip-renders-its-marks"]
    assert "end-frame-is-exclusive" in with_verdict(outcome, "pass")


def test_when_it_is_the_deliver_page_of_an_older_version_then_the_marks_are_not_risked(selftest, make):
    with make("studio", (19, 1, 3)) as machine:
        machine.artist.page("deliver")
        before = facts(machine)

        outcome = selftest.run(given(selftest, machine), only=SOME)

        assert facts(machine) == before
    silent = {one.probe.id: one.seen for one in outcome.results if one.verdict == "cannot say"}
    assert "go to another page" in silent["end-frame-is-exclusive"]


@pytest.mark.parametrize("page", ["deliver", "fusion"])
def test_when_it_is_another_page_then_it_comes_back(selftest, make, page):
    with make() as machine:
        machine.artist.page(page)
        machine.artist.set_marks(4, 9)
        before = facts(machine)

        outcome = selftest.run(given(selftest, machine), only=SOME)

        assert facts(machine) == before and outcome.left == ()


def test_when_no_timeline_was_open_then_what_is_left_is_told(selftest, make):
    with make(current_timeline_goes=False) as machine:
        machine.project.timelines.clear()
        machine.artist.open_timeline(None)

        outcome = selftest.run(given(selftest, machine), only=["end-frame-is-exclusive"])

        assert with_verdict(outcome, "pass") == {"end-frame-is-exclusive"}
        assert len(machine.project.timelines) == 1
    assert "delete it in the media pool" in outcome.left[0]


def interrupted(selftest, monkeypatch, at):
    """Whoever presses Ctrl-C when a probe is asked."""
    probes = [replace(one, ask=raises(KeyboardInterrupt())) if one.id == at else one for one in selftest.PROBES]
    monkeypatch.setattr(selftest, "PROBES", probes)


@pytest.mark.parametrize("at", SOME[1:])
def test_when_it_is_interrupted_then_everything_is_as_it_was(selftest, make, tmp_path, monkeypatch, at):
    interrupted(selftest, monkeypatch, at)
    with make() as machine:
        before = facts(machine)

        with pytest.raises(KeyboardInterrupt):
            selftest.run(given(selftest, machine), only=SOME)

        assert facts(machine) == before
    assert temporary(tmp_path) == [] and not selftest.journal().exists()


def test_when_it_was_killed_while_it_rendered_then_the_next_run_puts_everything_back(selftest, make, tmp_path):
    with make() as machine:
        before = facts(machine)
        with pytest.MonkeyPatch.context() as patches:

            def killed(*_):
                patches.setattr(leftovers.Leftovers, "put_back", lambda self, session, tokens=None: ())
                raise KeyboardInterrupt

            patches.setattr(selftest.Bench, "_watch", killed)
            with pytest.raises(KeyboardInterrupt):
                selftest.run(given(selftest, machine), only=["bin-is-made", "renders-are-half-floats"])
        assert facts(machine) != before and len(machine.project.queue.jobs) == 2 and temporary(tmp_path)

        outcome = selftest.run(given(selftest, machine), only=["version-is-told"])

        assert (with_verdict(outcome, "pass"), outcome.left) == ({"version-is-told"}, ())
        assert facts(machine) == before and temporary(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(("how", "first"), [("raises", 40), ("none", 240), ("false", 440)])
def test_when_a_call_fails_then_nothing_is_left_or_it_is_told(selftest, make, tmp_path, how, first):
    whole = make()
    selftest.run(given(selftest, whole))
    for n in range(first, len(whole.calls), 599):
        machine = make()
        before = facts(machine)
        machine.fault(n, how)

        outcome = selftest.run(given(selftest, machine))

        assert facts(machine) == before or outcome.left, (n, how, machine.calls[n])
        assert not selftest.journal().exists() or outcome.left
        selftest.journal().unlink(missing_ok=True)


def test_when_resolve_does_not_answer_then_it_says_so(selftest, make):
    machine = make()
    machine.wedged = True

    outcome = selftest.run(given(selftest, machine))

    assert outcome.results == [] and "Close any dialog" in outcome.refusal


# What is told


def test_when_it_was_run_then_the_table_and_the_file_tell_of_it(selftest, make, tmp_path, capsys):
    with make() as machine:
        assert selftest.main([*SOME, "--json", str(tmp_path / "out.json")], given(selftest, machine)) == 0

    told = json.loads((tmp_path / "out.json").read_text())
    printed = capsys.readouterr().out
    assert (told["host"], told["left"], told["started"]) == ("DaVinci Resolve Studio 20.3.2", [], "menu")
    assert re.search(r"^\d+ of (\d+) as expected, .* none fails\.$", printed, re.MULTILINE)
    assert "out.json" in printed and "pass    end-frame-is-exclusive" in printed
    one = next(one for one in told["probes"] if one["id"] == "end-frame-is-exclusive")
    assert (
        (one["verdict"], one["expected"], one["seen"]) == ("pass", "[4, 5]", [4, 5])
        and one["otherwise"]
        and one["source"]
    )


def test_when_a_probe_fails_then_the_table_says_what_was_expected_and_what_it_means(selftest, make, tmp_path, capsys):
    machine = make(third_party_limit=5000)

    code = selftest.main(["third-party-metadata-is-kept", "--json", str(tmp_path / "o.json")], given(selftest, machine))

    printed = capsys.readouterr().out
    assert code == 1 and "these fail: third-party-metadata-is-kept." in printed
    assert "expected  at least 65000" in printed and "seen      4000" in printed and "kept in a file" in printed


def test_when_a_file_is_there_then_it_is_kept(selftest, make, tmp_path):
    (tmp_path / "out.json").write_text("mine")
    with make() as machine:
        selftest.main(["version-is-told", "--json", str(tmp_path / "out.json")], given(selftest, machine))

    assert (tmp_path / "out.json").read_text() == "mine" and (tmp_path / "out-2.json").exists()


def test_when_no_file_is_named_then_it_is_in_the_home_folder(selftest, make, tmp_path):
    with make("free", (19, 0, 3)) as machine:
        selftest.main(["version-is-told"], given(selftest, machine))

    assert (tmp_path / "matted-selftest-davinci-resolve-19.0.3.json").exists()


def test_when_the_file_cannot_be_written_then_the_table_is_there_all_the_same(selftest, make, tmp_path, capsys):
    with make() as machine:
        selftest.main(["version-is-told", "--json", str(tmp_path / "no" / "out.json")], given(selftest, machine))

    printed = capsys.readouterr().out
    assert "could not be written" in printed and "pass    version-is-told" in printed


def test_when_the_console_lacks_a_character_then_the_table_is_printed_all_the_same(selftest, make, monkeypatch):
    printed = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    machine = make()
    monkeypatch.setattr(resolve.Resolve, "GetProductName", answers("Résolve"))
    with monkeypatch.context() as patches:
        patches.setattr(sys, "stdout", printed)
        selftest.main(["product-name-tells-the-edition"], given(selftest, machine))

    printed.seek(0)
    assert "R\\xe9solve" in printed.read()


def test_when_a_probe_hangs_then_what_was_found_before_is_in_the_file(selftest, make, tmp_path, monkeypatch):
    interrupted(selftest, monkeypatch, "bin-is-made")
    with make() as machine, pytest.raises(KeyboardInterrupt):
        selftest.main(["--json", str(tmp_path / "out.json")], given(selftest, machine))

    told = json.loads((tmp_path / "out.json").read_text())
    assert [one["id"] for one in told["probes"]][-1] == "colour-settings-are-told"


def test_when_the_probes_are_listed_then_resolve_is_not_asked(selftest, capsys):
    assert selftest.main(["--list"]) == 0

    printed = capsys.readouterr().out
    assert all(one.id in printed for one in selftest.PROBES)


@pytest.mark.parametrize("words", [["--nonsense"], ["no-such-probe"]], ids=" ".join)
def test_when_the_words_are_wrong_then_it_says_so(selftest, words, capsys):
    with pytest.raises(SystemExit) as error:
        selftest.main(words)

    assert error.value.code == 2 and words[0] in capsys.readouterr().err


def test_when_a_terminal_runs_it_without_resolve_then_it_says_how_to_start_it(tmp_path):
    environment = {**os.environ, "RESOLVE_SCRIPT_API": str(tmp_path)}

    done = subprocess.run([sys.executable, SELFTEST], capture_output=True, text=True, timeout=60, env=environment)

    assert done.returncode == 1 and "Workspace > Scripts" in done.stdout and done.stderr == ""


def test_when_a_terminal_reaches_resolve_then_it_asks_it(tmp_path):
    (tmp_path / "Modules").mkdir()
    (tmp_path / "Modules" / "DaVinciResolveScript.py").write_text(
        f"import sys; sys.path[:0] = [{str(ROOT / 'tests')!r}]\n"
        "from fakes.resolve import Machine, Profile\n"
        "from pathlib import Path\n"
        f"machine = Machine(Profile(), Path({str(tmp_path)!r}))\n"
        "scriptapp = machine.bmd.scriptapp\n"
    )
    environment = {**os.environ, "RESOLVE_SCRIPT_API": str(tmp_path)}
    command = [
        sys.executable,
        SELFTEST,
        "version-is-told",
        "script-is-given-its-globals",
        "--json",
        tmp_path / "o.json",
    ]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)

    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads((tmp_path / "o.json").read_text())
    assert [one["verdict"] for one in told["probes"]] == ["cannot say", "pass"] and told["started"] == "terminal"


# The menu


def test_when_it_is_wanted_in_the_menu_then_it_finds_the_plugin_and_goes_again(tmp_path):
    """Nothing of matted's folder is on the path of the script in the menu."""
    scripts = tmp_path / "Scripts"
    install = [sys.executable, ROOT / "install.py", "resolve", "--resolve-dir", scripts, "--venv", tmp_path / "none"]
    for words, there in ((["--selftest"], True), ([], False)):
        subprocess.run([*install, *words], check=True, capture_output=True, timeout=60)
        script = scripts / "Utility" / "Matted self-test.py"
        assert script.exists() == there
        if there:
            done = subprocess.run([sys.executable, "-I", script, "--list"], capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stderr) == (0, "") and "end-frame-is-exclusive" in done.stdout


# The page


def test_when_a_probe_changes_then_the_readme_tells_of_it(selftest):
    page = (ROOT / "plugins" / "resolve" / "README.md").read_text(encoding="utf-8")
    table = page.split("<!-- facts -->\n")[1].split("\n<!-- /facts -->")[0]

    assert table == selftest.facts(), "python plugins/resolve/selftest.py --facts"


def test_when_it_is_searched_then_the_project_is_never_saved_and_no_dialog_is_opened():
    source = SELFTEST.read_text(encoding="utf-8")

    assert not re.search(r"SaveProject|DeleteAllRenderJobs|CreateMagicMask|GrabStill|StopRendering", source)


# Another Python


@pytest.mark.slow
def test_when_resolve_finds_python_3_9_then_the_self_test_runs_on_it(tmp_path):
    found = sorted(INSTALLED.glob("3.9.*/bin/python"))
    if not found:
        pytest.skip(f"there is no Python 3.9 in {INSTALLED}")

    done = subprocess.run([found[-1], "-I", SELFTEST, "--list"], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "") and "end-frame-is-exclusive" in done.stdout
