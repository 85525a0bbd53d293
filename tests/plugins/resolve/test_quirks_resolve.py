"""What Resolve does to a plugin and no other test would miss; plugins/resolve/README.md has the whole table."""

import ast
import re
import string
import subprocess
import sys
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes import drawn_plate, resolve_media, resolve_render
from fakes.drawn_plate import FIRST, LAST
from fakes.resolve import Machine, Profile, Resolve
from fakes.resolve_fusion import Tool
from fakes.resolve_media import MediaPool
from fakes.resolve_shot import ResolveShot
from fakes.resolve_timeline import Timeline, TimelineItem
from matted_plugin.host import HostError, Mattes, Rendering
from matted_resolve.host import leftovers, render_job
from matted_resolve.host.seat import ResolveSeat, open_seat
from matted_resolve.host.session import found

ROOT = Path(__file__).parents[3]
PLUGIN = ROOT / "plugins/resolve"
HOST = sorted((PLUGIN / "matted_resolve/host").glob("*.py"))

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(leftovers, "_PAUSE", 0)
    monkeypatch.setattr(leftovers, "_STOPPING", 0.05)
    monkeypatch.setattr(render_job, "_STARTS", 40)


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    return drawn_plate.write(tmp_path_factory.mktemp("plate"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The pattern of finished mattes of one object, and of another version of them."""
    folder = tmp_path_factory.mktemp("mattes")
    for version in ("v001", "v002"):
        (folder / version).mkdir()
        for frame in range(FIRST, LAST + 1):
            file = oiio.ImageOutput.create("hero.exr")
            spec = oiio.ImageSpec(drawn_plate.WIDTH, drawn_plate.HEIGHT, 4, "half")
            assert file.open(str(folder / version / f"hero.{frame}.exr"), spec)
            assert file.write_image(np.repeat(drawn_plate.matte(frame)[..., None], 4, 2))
            file.close()
    return (folder / "{}" / "hero.%04d.exr").as_posix()


@pytest.fixture
def make_shot(tmp_path, plate):
    """Makes a shot with these switches; what it was refused is raised at the end."""
    made = []

    def make(profile=None, **switches):
        made.append(ResolveShot(tmp_path, profile or Profile("studio", (20, 3, 2), **switches), plate=plate))
        return made[-1]

    yield make
    for one in made:
        with one.machine:
            assert one.machine.unknown == []


@pytest.fixture
def shot(make_shot):
    return make_shot()


def show(shot, drawn, route, version="v001"):
    told = Mattes({"": drawn.format(version)}, (FIRST, LAST), True, ("hero",))
    return shot.host(results=route).show_mattes(told)


def wanted(shot, *frames, **how):
    out = shot.folder / "out"
    out.mkdir(exist_ok=True)
    return [Rendering(frame, (out / f"{frame}.exr").as_posix(), **how) for frame in frames]


def rendered(shot, *frames, **how):
    """The paths of frames of a plate that is rendered, or of masks."""
    host = shot.host(plate="rendered")
    return [one.path for one in host.render(wanted(shot, *frames, **how)) if one is not None]


def facts(shot):
    """All that could be left behind."""
    found = shot.machine.project_facts()
    found["render"]["presets"].pop(render_job.PRESET, None)
    return {**found, "kept": shot.leftovers.kept()}


def asked(shot, method):
    return [call.args for call in shot.machine.calls if call.method == method]


def tracks(shot):
    return {track.name: track.items for track in shot.machine.project.timeline.tracks["video"]}


def lies(monkeypatch, kind, method, answer=True):
    """A call that answers, and does nothing."""
    monkeypatch.setattr(kind, method, lambda self, *args: answer)


# What the plugin does not use at all, by the number of its row

NOT_USED = {
    "2b": {"SaveProject"},
    "4f": {"GetTrackTypeAndIndex"},
    "5c": {"GetMarkerByCustomData", "GetMarkerCustomData", "UpdateMarkerCustomData", "DeleteMarkerByCustomData",
           "DeleteMarkersByColor"},
    "7e": {"GetMetadata", "SetMetadata"},
    "9b": {"Lock", "Unlock"},
    "9c": {"dir"},
    "10c": {"GetCurrentClipThumbnailImage"},
    "11b": {"SetClipColor", "GetClipColor", "ClearClipColor"},
    "5.1a": {"DaVinciResolveScript", "fusionscript"},
    "5.2a": {"CreateMagicMask", "RegenerateMagicMask", "Stabilize", "SmartReframe", "DetectSceneCuts",
             "CreateSubtitlesFromAudio", "TranscribeAudio"},
    "5.4a": {"GetTimelineByName"},
    "5.4d": {"ExportCurrentFrameAsStill", "ExportStills", "GrabStill", "GrabAllStills"},
    "5.4l": {"Execute", "RunScript", "Paste"},
    "5.6d": {"DeleteAllRenderJobs"},
    "5.7a": {"hasattr"},
    "5.7b": {"ImportTimelineFromFile"},
    "5.7c": {"Transcription"},
    "5.7d": {"AutoSyncAudio"},
}  # fmt: skip


def words(file):
    """Every name of a file, and every text in it that is one word."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (name.name for name in node.names)
            yield getattr(node, "module", None) or ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_when_the_source_is_searched_then_what_resolve_does_badly_is_not_used():
    for file in (*HOST, PLUGIN / "Matted.py", PLUGIN / "matted_resolve/script.py"):
        found = set(words(file))
        for number, names in NOT_USED.items():
            assert not names & found, (file.name, number)


def test_when_what_touches_resolve_is_read_then_it_starts_no_thread():
    for file in (*HOST, PLUGIN / "matted_resolve/script.py", PLUGIN / "matted_resolve/answers.py"):
        assert not {"threading", "_thread", "asyncio", "concurrent.futures", "multiprocessing"} & set(words(file)), file


ALONE = """
import sys
sys.path[:0] = sys.argv[1].split(";")
before = set(sys.modules)
import matted_resolve.script, matted_resolve.host.seat, matted_resolve.host.window
print(sorted({name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))
"""


def test_when_only_pythons_own_library_is_there_then_all_that_runs_in_resolve_is_imported():
    paths = ";".join(str(ROOT / one) for one in ("plugins/resolve", "plugins/common", "protocol"))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", ALONE, paths], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert ast.literal_eval(done.stdout) == ["matted_plugin", "matted_protocol", "matted_resolve"]


# 1. Editions


def test_when_resolve_lets_no_script_in_then_it_says_where_to_start_it():
    machine = Machine(Profile("free", (20, 3, 2)))

    with pytest.raises(HostError, match="does not let this script in") as told:
        open_seat(None, None, machine.bmd)
    assert "Workspace > Scripts" in told.value.hint and "folder" in told.value.hint
    assert machine.modal is None


# 3. Importing


def test_when_the_artist_has_another_bin_open_then_mattes_come_into_ours_and_theirs_is_open_again(shot, drawn):
    artist = shot.machine.artist
    theirs = artist.new_bin("Rushes")
    artist.open_bin(theirs)
    show(shot, drawn, "track above")
    show(shot, drawn, "track above", "v002")

    bins = {each.name: len(each.media) for each in shot.machine.project.root.walk()}
    assert (bins["Matted"], bins["Rushes"]) == (2, 0)
    assert shot.machine.project.bin is theirs


# 4. Placing


def test_when_resolve_drops_what_it_was_to_place_then_it_is_said_and_nothing_stays(shot, drawn, monkeypatch):
    before = facts(shot)
    append = MediaPool.AppendToTimeline

    def elsewhere(self, infos):
        return append(self, [{**infos[0], "trackIndex": 1}])

    monkeypatch.setattr(MediaPool, "AppendToTimeline", elsewhere)
    with pytest.raises(HostError, match="did not place"):
        show(shot, drawn, "track above")
    assert facts(shot) == before


def test_when_the_project_is_saved_then_what_was_placed_is_still_there(shot, drawn):
    show(shot, drawn, "track above")
    shot.machine.artist.save()

    assert [(one.start, one.duration) for one in tracks(shot)["Matted"]] == [(shot.item.start, LAST - FIRST + 1)]


def test_when_a_sequence_came_in_at_another_rate_then_it_is_given_the_timelines(shot, drawn, monkeypatch):
    made = []

    def too_fast(*args):
        made.append(sequence(*args))
        made[-1].properties["FPS"] = 30.0
        return made[-1]

    sequence = resolve_media.sequence
    monkeypatch.setattr(resolve_media, "sequence", too_fast)
    show(shot, drawn, "track above")

    assert [media.properties["FPS"] for media in made] == ["24"] or [media.properties["FPS"] for media in made] == [24]


# 5. Markers


def test_when_markers_are_read_then_their_frames_are_whole_numbers(shot):
    shot.machine.artist.mark_timeline(3)
    shot.machine.artist.mark_media(shot.media, 5)
    read = shot.host().read()

    assert read.keyframes == (FIRST, FIRST + 3, FIRST + 5, LAST)
    assert {type(frame) for frame in read.keyframes} == {int}
    shot.host().show_marks(read.keyframes, [(FIRST + 7, "it moves")])
    assert all(type(args[0]) is int for args in asked(shot, "AddMarker"))


# 6. Rendering


@pytest.mark.parametrize("method", ["SetRenderSettings", "SetCurrentRenderFormatAndCodec"])
def test_when_resolve_says_it_took_the_format_and_did_not_then_no_job_is_made_and_it_is_said(shot, monkeypatch, method):
    if method == "SetRenderSettings":  # it changes the format
        monkeypatch.setattr(resolve_render, "MOVIES_ONLY", {"CustomName"})
    else:  # it does nothing
        lies(monkeypatch, resolve_render.RenderQueue, method)
    before = facts(shot)

    with pytest.raises(HostError, match="does not take the settings"):
        rendered(shot, 1002)
    assert not asked(shot, "AddRenderJob") and not asked(shot, "StartRendering")
    assert facts(shot) == before


def test_when_the_marks_are_not_taken_then_no_other_range_is_rendered(shot, monkeypatch):
    lies(monkeypatch, resolve_render.RenderQueue, "_marks", None)
    before = facts(shot)

    with pytest.raises(HostError, match="would render the timeline's frames"):
        rendered(shot, 1002)
    assert not asked(shot, "StartRendering")
    assert facts(shot) == before


# 7. Properties

READ = ("File Path", "FPS", "Frames", "Start", "End", "Resolution", "Type", "Online Status", "PAR", "Super Scale",
        "Input Color Space", "Video Codec", "H-FLIP", "File Name", "Clip Name")  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_when_a_property_is_not_known_then_no_frame_is_taken_for_another(shot, name):
    whole = shot.host().read()
    assert whole.plate.path
    shot.machine.artist.set_property(shot.media, name, "")
    shot.machine.artist.retime(shot.item, "0.5")

    read = shot.host().read()

    assert read.plate.path is None and read.plate.why
    assert read.frames == (1001, 1000 + shot.item.duration, 1)


@pytest.mark.parametrize("path", ["bracket", "percent", "first"])
def test_when_a_clip_was_renamed_then_its_files_are_found_by_its_path_however_that_is_written(make_shot, path):
    shot = make_shot(file_path=path)
    shot.machine.artist.rename(shot.media, "hero")
    shot.machine.artist.trim(shot.item, head=2)

    read = shot.host().read()

    assert read.plate.path == shot.media.source and read.plate.offset == 0
    assert read.frames == (FIRST + 2, LAST, 1)


# 10. Pages


def test_when_the_deliver_page_does_not_open_then_nothing_is_rendered(shot, monkeypatch):
    lies(monkeypatch, Resolve, "OpenPage")
    before = facts(shot)

    with pytest.raises(HostError, match="does not go to the Deliver page"):
        rendered(shot, 1002)
    assert not asked(shot, "StartRendering")
    assert facts(shot) == before


def test_when_the_edit_page_does_not_open_then_nothing_is_placed(shot, drawn, monkeypatch):
    lies(monkeypatch, Resolve, "OpenPage")
    before = facts(shot)

    with pytest.raises(HostError, match="does not open the Edit page"):
        show(shot, drawn, "track above")
    assert not asked(shot, "AppendToTimeline") and not asked(shot, "AddTrack")
    assert facts(shot) == before


def test_when_resolve_has_no_window_then_it_renders_all_the_same(make_shot):
    shot = make_shot(Profile("studio", (20, 3, 2), headless=True, marks_need_deliver=False))

    assert len(rendered(shot, 1002, 1003)) == 2
    assert not asked(shot, "OpenPage")


@pytest.mark.parametrize("fails", [1, 2])
def test_when_clips_of_ours_are_deleted_then_it_is_on_the_edit_page_and_looked_at(make_shot, drawn, fails):
    shot = make_shot(delete_clips_flaky=fails)
    show(shot, drawn, "track above")
    shot.machine.flaky_deletes = fails
    shot.machine.artist.page("color")

    said = ResolveSeat(shot.session, shot.leftovers).remove()

    assert ("Matted" in tracks(shot)) == ("still" in said), said
    assert shot.machine.page == "color"


def test_when_a_killed_script_had_placed_mattes_then_the_next_takes_them_back_from_any_page(shot, drawn):
    show(shot, drawn, "track above")
    facts = {"project": shot.machine.project.id, "timeline": shot.machine.project.timeline.id}
    shot.leftovers.note("placed", **facts, folder=Path(drawn.format("v001")).parent.as_posix(), before=[])
    shot.machine.artist.page("color")

    assert shot.leftovers.put_back(shot.session) == ()
    assert tracks(shot)["Matted"] == []


# 11. What is not what it should be


@pytest.mark.parametrize("answer", ["Failed: no model", True, None, False, ""], ids=repr)
def test_when_something_else_comes_where_an_object_should_then_it_is_none(answer):
    assert found(lambda: answer) is None


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_when_the_clip_has_other_mattes_then_ours_is_told_from_them_in_any_order(shot, drawn, name):
    theirs = f"/{name}/theirs.[0001-0012].exr"
    shot.media.mattes.append(theirs)
    said = show(shot, drawn, "clip matte")

    (ours,) = set(shot.media.mattes) - {theirs}
    assert theirs in shot.media.mattes and f"[{FIRST}-{LAST}]" in ours
    assert "is attached" in " ".join(said), said


# 12. One thread, and patience


def test_when_resolve_is_slow_then_no_step_asks_it_much(shot):
    """Between two steps the window is served and Cancel is heard."""
    most, before = 0, 0
    for _ in shot.host(plate="rendered").render(wanted(shot, *range(1001, 1013))):
        most, before = max(most, len(shot.machine.calls) - before), len(shot.machine.calls)

    assert most < 100


def test_when_a_job_renders_then_every_look_at_it_is_a_step_of_its_own(make_shot):
    shot = make_shot(slow_start=10)
    looks = []
    for _ in shot.host(plate="rendered").render(wanted(shot, 1001, 1002)):
        looks.append(len(asked(shot, "GetRenderJobStatus")))

    assert looks[-1] > 3 and max(np.diff(looks)) <= 2


def test_when_the_interface_speaks_another_language_then_a_job_is_watched_no_longer(make_shot):
    looks = []
    for language in ("en", "de", "zh"):
        shot = make_shot(language=language)
        assert len(rendered(shot, 1001, 1002, 1003)) == 3
        looks.append(len(asked(shot, "GetRenderJobStatus")))

    assert looks[1] == looks[2] <= looks[0] + 1


def test_when_the_artists_job_renders_then_ours_is_deleted_and_theirs_goes_on(shot):
    project, artist = shot.session.project(), shot.machine.artist
    folder = shot.folder / "matted-job"
    folder.mkdir()
    project.SetRenderSettings({"TargetDir": str(folder)})
    project.AddRenderJob()
    shot.leftovers.note("job", project=project.GetUniqueId(), folder=str(folder))
    start = shot.machine.project.timeline.start
    theirs = artist.other_job(shot.folder, first=start, last=start + 200)
    artist.render(theirs)
    while not project.IsRenderingInProgress():
        pass

    assert shot.leftovers.put_back(shot.session) == ()
    assert list(shot.machine.project.queue.jobs) == [theirs]
    assert project.IsRenderingInProgress() and not asked(shot, "StopRendering")


# 5.4 The rest


def test_when_the_playhead_does_not_move_then_it_is_said(shot, monkeypatch):
    lies(monkeypatch, Timeline, "SetCurrentTimecode")

    with pytest.raises(HostError, match=f"did not go to frame {FIRST + 5}") as told:
        shot.host().go_to(FIRST + 5)
    assert "01:00:00:05" in told.value.hint


def test_when_a_loader_is_set_then_it_is_by_a_file_and_not_by_a_table(shot, drawn, monkeypatch):
    given = []
    load = Tool.LoadSettings
    monkeypatch.setattr(Tool, "LoadSettings", lambda self, path: given.append(load(self, path)))
    show(shot, drawn, "fusion")

    assert given == [True]


def test_when_a_clip_is_stabilized_and_its_plate_rendered_then_it_is_as_the_artist_sees_it(shot):
    shot.machine.artist.stabilise(shot.item)
    (path,) = rendered(shot, 1003)

    picture = oiio.ImageBuf(path).get_pixels(oiio.FLOAT)[..., :3]
    np.testing.assert_allclose(picture, np.roll(drawn_plate.picture(FIRST + 2), 1, axis=1), rtol=2e-3)


# 5.7 Changes that are answered with True


def switch_tracks(shot, drawn):
    shot.machine.artist.place(shot.media, track=2)
    rendered(shot, 1002)


def place(shot, drawn):
    show(shot, drawn, "track above")


CHANGES = {
    "SetTrackEnable": (Timeline, switch_tracks, "cannot be switched"),
    "SetTrackName": (Timeline, place, "did not call its new video track"),
    "AddTrack": (Timeline, place, "added no video track"),
    "SetClipEnabled": (TimelineItem, place, "does not switch the mattes"),
    "SetCurrentFolder": (MediaPool, place, "did not open the bin"),
    "AddMarker": (TimelineItem, lambda shot, drawn: shot.host().mark(FIRST + 4), "put no marker"),
}


@pytest.mark.parametrize("method", CHANGES)
def test_when_a_change_is_answered_true_and_not_made_then_it_is_said(make_shot, drawn, monkeypatch, method):
    kind, act, told = CHANGES[method]
    shot = make_shot(sub_folder_enters=False)
    lies(monkeypatch, kind, method)

    with pytest.raises(HostError, match=told):
        act(shot, drawn)


# The table


def rows():
    page = (PLUGIN / "README.md").read_text("utf-8")
    table = re.search(r"<!-- quirks -->\n(.*)<!-- /quirks -->", page, re.DOTALL)
    assert table, "the README has no table of quirks"
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in table.group(1).splitlines()[2:]
        if line.startswith("|")
    ]


def test_when_a_test_is_named_in_the_table_then_it_exists():
    known = {
        f"{file.stem}::{node.name}"
        for file in Path(__file__).parent.glob("test_*.py")
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    for number, *_, tests in rows():
        named = re.findall(r"`(test_\w+::test_\w+)`", tests)
        assert named and 2 * len(named) == tests.count("`"), f"the row {number} names no test, or a bad one"
        assert set(named) <= known, (number, set(named) - known)


def test_when_the_table_is_read_then_each_quirk_is_in_it_once_and_none_is_left_out():
    numbers = [row[0] for row in rows()]
    heads = [str(one) for one in range(1, 13)] + [f"5.{one}" for one in range(1, 9)]

    for head in heads:
        letters = [number.removeprefix(head) for number in numbers if re.fullmatch(rf"{re.escape(head)}[a-z]", number)]
        assert letters == list(string.ascii_lowercase[: len(letters)]) and letters, head
    assert len(numbers) == len(set(numbers))
    assert {re.fullmatch(r"([\d.]+)[a-z]", number)[1] for number in numbers} == set(heads)


def test_when_a_row_says_not_used_then_the_source_is_searched_for_it():
    search = test_when_the_source_is_searched_then_what_resolve_does_badly_is_not_used.__name__

    assert {number for number, *_, tests in rows() if f"test_quirks_resolve::{search}" in tests} == set(NOT_USED)
    assert {number for number, says, *_ in rows() if says.endswith("Not used.")} <= set(NOT_USED)
