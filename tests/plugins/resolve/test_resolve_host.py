"""The buttons on a clip of the stand-in Resolve, with a real daemon."""

import copy
import threading

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes import drawn_plate
from fakes.drawn_plate import FIRST, LAST
from fakes.host import settle
from fakes.resolve import Profile
from fakes.resolve_shot import ResolveShot
from matted_plugin.daemon import Daemon
from matted_plugin.desk import Desk
from matted_resolve.host import render_job
from matted_resolve.host.leftovers import Leftovers
from matted_resolve.host.seat import ResolveSeat, open_seat
from matted_resolve.host.session import Session

STUDIOS = [(19, 1, 3), (20, 3, 2), (21, 1, 0)]
FRAMES = range(FIRST, LAST + 1)

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


def channel(path, index):
    image = oiio.ImageBuf(str(path))
    assert not image.has_error, image.geterror()
    return image.get_pixels(oiio.FLOAT, image.roi_full)[..., index]


def errors(pattern, index=0, true=drawn_plate.matte, frames=FRAMES):
    """Mean errors of the mattes, by frame."""
    return [float(np.abs(channel(pattern % frame, index) - true(frame)).mean()) for frame in frames]


def facts(shot):
    """All that could be left in the project, but for what a press is for and our render preset."""
    found = copy.deepcopy(shot.machine.project_facts())
    found["render"]["presets"].pop(render_job.PRESET, None)
    for _, media in found["bins"]:
        for each in media:
            each["mattes"], each["third_party"] = [], {}
    for timeline in found["timelines"]:
        if shot.machine.profile.version < (20,):
            del timeline["marks"]  # nothing tells them before 20, and the Deliver page has its own
        for _, _, _, items in timeline["tracks"]:
            for item in items:
                item["markers"] = [one for one in item["markers"] if not one[1]["custom"].startswith("matted:")]
    return found


def attached(shot):
    """The files of the clip's mattes as patterns, with their ranges."""
    return {told.replace(f"[{FIRST}-{LAST}]", "%04d") for told in shot.media.mattes}


def lemons(shot):
    return {FIRST + at: marker.note for at, marker in shot.item.markers.items() if marker.color == "Lemon"}


@pytest.mark.parametrize(
    "shot",
    [(version, graded) for version in STUDIOS for graded in (False, True)],
    ids=[f"{'.'.join(map(str, version))} {how}" for version in STUDIOS for how in ("as it is", "rendered")],
    indirect=True,
)
def test_when_propagate_is_pressed_then_the_clip_has_its_matte_and_markers_on_frames_worth_masking(shot, desk):
    before = facts(shot)

    flow = propagated(desk, shot.host())

    (pattern,) = attached(shot)
    assert max(errors(pattern)) < 0.03
    for key in (FIRST, LAST):
        assert np.abs(channel(pattern % key, 3) - drawn_plate.matte(key)).max() < 2e-3
    assert lemons(shot) == dict(flow.suggestions) and lemons(shot) and all(lemons(shot).values())
    assert facts(shot) == before
    assert bool(flow.state.plate) == bool(shot.item.grade)
    assert any("is attached" in note and "Add Matte" in note for note in flow.report.notes), flow.report.notes


def test_when_a_keyframe_is_added_then_a_new_version_is_attached_beside_the_first(shot, desk):
    host = shot.host()
    propagated(desk, host)
    first = attached(shot)
    worth = min(lemons(shot))
    shot.machine.artist.mark(shot.item, worth - FIRST)

    flow = propagated(desk, host)

    assert flow.state.keyframes == [FIRST, worth, LAST] and flow.state.folder.endswith("v002")
    assert first < attached(shot) and len(attached(shot)) == 2
    assert worth not in lemons(shot) and shot.item.markers[worth - FIRST].color == "Mint"


def test_when_nothing_changed_then_a_press_changes_nothing(shot, desk):
    host = shot.host(plate="rendered")
    job = propagated(desk, host).state.job
    before = shot.machine.project_facts()["bins"][0][1][0]["mattes"]

    assert propagated(desk, host).state.job == job
    assert shot.machine.project_facts()["bins"][0][1][0]["mattes"] == before


def test_when_the_grade_changed_and_render_again_is_pressed_then_the_plate_is_rendered_anew(shot, desk):
    host = shot.host(plate="rendered")
    before = propagated(desk, host).state.plate["folder"]
    shot.machine.artist.grade(shot.item, lambda colour: colour * 0.5)

    host.render_again()

    after = propagated(desk, host).state.plate["folder"]
    assert after != before
    assert channel(f"{after}/plate.{FIRST}.exr", 0).max() < 0.6 * channel(f"{before}/plate.{FIRST}.exr", 0).max()


@pytest.mark.parametrize("route", ["track above", "fusion", "files only"])
def test_when_mattes_are_to_come_another_way_then_they_are_found_there_and_remove_takes_them_back(shot, desk, route):
    before = facts(shot)
    seat = ResolveSeat(shot.session, shot.leftovers)

    flow = propagated(desk, shot.host(results=route))

    now = facts(shot)
    assert attached(shot) == set()
    assert (now == before) == (route == "files only")
    if route == "track above":
        placed = next(track for track in shot.machine.project.timeline.tracks["video"] if track.name == "Matted").items
        assert [(one.start, one.duration) for one in placed] == [(shot.item.start, shot.item.duration)]
    if route == "fusion":
        assert "Matted" in str(now["timelines"][0]["tracks"][0][3][0]["comps"])

    said = seat.remove()

    assert said and facts(shot) == before and lemons(shot) == {}
    assert max(errors(f"{flow.state.folder}/{flow.state.files[0]}")) < 0.03


def test_when_artifacts_are_removed_then_the_artists_own_markers_stay_and_files_too(shot, desk):
    shot.machine.artist.mark(shot.item, 5, color="Red", name="mine")
    flow = propagated(desk, shot.host())
    assert shot.media.mattes

    ResolveSeat(shot.session, shot.leftovers).remove()

    assert shot.media.mattes == [] and render_job.PRESET not in shot.machine.project_facts()["render"]["presets"]
    assert {at: marker.color for at, marker in shot.item.markers.items()} == {0: "Mint", 5: "Red", LAST - FIRST: "Mint"}
    assert max(errors(f"{flow.state.folder}/{flow.state.files[0]}")) < 0.03


def test_when_two_objects_are_asked_for_then_one_matte_has_both(shot, desk, tmp_path):
    """The disc from the clip's alpha, and its ground from files."""
    for frame in (FIRST, LAST):
        file = oiio.ImageOutput.create("ground.png")
        path = tmp_path / f"ground.{frame:04d}.png"
        assert file.open(str(path), oiio.ImageSpec(drawn_plate.WIDTH, drawn_plate.HEIGHT, 1, "uint8"))
        assert file.write_image(np.ascontiguousarray(1 - drawn_plate.matte(frame))[..., None])
        file.close()
    host = shot.host(objects=f'disc=alpha "ground={tmp_path.as_posix()}/ground.%04d.png"')

    propagated(desk, host)

    (pattern,) = attached(shot)
    assert max(errors(pattern, 0)) < 0.05
    assert max(errors(pattern, 1, lambda frame: 1 - drawn_plate.matte(frame))) < 0.05


def test_when_a_polygon_is_keyed_and_nobody_marked_then_its_keys_are_the_keyframes(tmp_path, desk):
    with ResolveShot(tmp_path, keys=()) as shot:
        width, height = drawn_plate.WIDTH, drawn_plate.HEIGHT
        outlines = {
            frame - FIRST: [(x / width - 0.5, y / height - 0.5) for x, y in drawn_plate.circle(frame)]
            for frame in (FIRST, LAST)
        }
        shot.item.comps.artist_polygon(outlines)

        flow = propagated(desk, shot.host(objects="disc=Polygon1"))

        assert flow.state.keyframes == [FIRST, LAST]
        (pattern,) = attached(shot)
        assert max(errors(pattern)) < 0.03


def test_when_nothing_is_marked_then_it_says_what_to_do(tmp_path, desk):
    with ResolveShot(tmp_path, keys=()) as shot:
        flow = desk.open(shot.host())
        flow.propagate()
        settle(desk)

        assert flow.report.error and "keyframe" in flow.report.sentence and "Mint" in flow.report.hint


def test_when_the_alpha_is_solid_then_it_says_which_output_to_connect_and_everything_is_put_back(shot, desk):
    shot.machine.artist.set_alpha_output(shot.item, None)
    before = facts(shot)
    flow = desk.open(shot.host())

    flow.propagate()
    settle(desk)

    assert flow.report.error and "solid" in flow.report.sentence.lower() and "lpha" in flow.report.hint
    assert facts(shot) == before and shot.leftovers.kept() == ()


def test_when_the_artist_renders_then_ours_waits_and_theirs_goes_on(shot, desk, tmp_path):
    (tmp_path / "theirs").mkdir()
    shot.machine.artist.render(shot.machine.artist.other_job(tmp_path / "theirs"))
    flow = desk.open(shot.host())

    flow.propagate()
    settle(desk)

    assert flow.report.error and "render" in flow.report.sentence.lower(), flow.report
    assert len(shot.machine.project_facts()["render"]["jobs"]) == 1
    assert "StopRendering" not in [one.method for one in shot.machine.calls]


def test_when_cancelled_while_resolve_renders_then_all_is_as_before_and_a_new_press_goes_on(shot, desk):
    before = facts(shot)
    flow = desk.open(shot.host(plate="rendered"))
    flow.propagate()
    settle(desk, until=lambda: flow.report.step == "Rendering the plate" and flow.report.done > 2)

    flow.cancel()

    assert facts(shot) == before and shot.leftovers.kept() == ()
    propagated(desk, flow.host)
    assert max(errors(f"{flow.state.folder}/{flow.state.files[0]}")) < 0.03


def test_when_the_script_is_killed_while_resolve_renders_then_the_next_one_puts_all_back(shot, desk, tmp_path):
    before = facts(shot)
    flow = desk.open(shot.host(plate="rendered"))
    flow.propagate()
    settle(desk, until=lambda: flow.report.step == "Rendering the plate" and flow.report.done > 2)
    assert facts(shot) != before

    machine = shot.machine
    later = ResolveSeat(Session(machine.resolve, machine.fusion, machine.bmd), Leftovers(tmp_path / "leftovers.json"))
    told = later.put_back()

    assert facts(shot) == before, told
    flow.leave()


def test_when_the_script_starts_again_then_it_finds_the_job_and_shows_its_mattes_once(shot, served):
    for _ in range(2):
        desk = Desk(Daemon("resolve 20.3.2", file=served.file))
        host = ResolveSeat(shot.session, shot.leftovers).host(shot.item.id)
        host.choose("out", (shot.folder / "mattes").as_posix())
        flow = desk.open(host)
        if not flow.state.job:
            flow.propagate()
            settle(desk, until=lambda flow=flow: flow.state.running and not flow.busy)
            assert not shot.media.mattes
        else:
            flow.attach()
            settle(desk)
            assert flow.state.job_state == "done" and len(shot.media.mattes) == 1
        desk.close()


def test_when_several_clips_are_marked_then_each_gets_its_own_matte(shot, desk, tmp_path):
    artist = shot.machine.artist
    later = artist.place(shot.media, record=50, source_in=2, source_out=9)
    artist.mark(later, 0)
    artist.set_alpha_output(later, drawn_plate.matte)
    artist.place(shot.media, record=90)
    seat = ResolveSeat(shot.session, shot.leftovers)
    assert seat.clips("marked") == (shot.item.id, later.id)

    flows = []
    for number, key in enumerate(seat.clips("marked")):
        host = seat.host(key)
        host.choose("out", (tmp_path / f"mattes {number}").as_posix())
        flows.append(propagated(desk, host))

    assert flows[1].state.frames == [FIRST + 2, FIRST + 9] and len(shot.media.mattes) == 2
    assert all((tmp_path / f"mattes {number}" / "v001").is_dir() for number in range(2))


def test_when_a_call_takes_seconds_then_nothing_is_asked_on_another_thread(shot, desk):
    host = shot.host()
    found = []

    def elsewhere():
        try:
            host.read()
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()

    assert found and shot.machine.refused
    shot.machine.refused.clear()


@pytest.mark.parametrize(
    ("edition", "version", "words"),
    [
        ("studio", (19, 1, 3), ()),
        ("studio", (21, 1, 0), ()),
        ("studio", (18, 1, 4), ("18.5",)),
        ("free", (18, 6, 6), ("Studio",)),
        ("free", (19, 1, 3), ("Studio", "window")),
        ("free", (21, 0, 3), ("Studio", "window")),
        ("free", (21, 1, 0), ("Python", "folder", "matted")),
    ],
    ids=lambda told: (
        ".".join(map(str, told)) if isinstance(told, tuple) and told and isinstance(told[0], int) else None
    ),
)
def test_when_it_says_which_resolve_it_is_then_also_what_is_not_possible_there(tmp_path, edition, version, words):
    with ResolveShot(tmp_path, Profile(edition, version)) as shot:
        seat = open_seat(shot.machine.resolve, shot.machine.fusion, shot.machine.bmd)

        about = seat.about()

        assert about.version == ".".join(map(str, version)) and about.page == "color"
        assert ("Studio" in about.product) == (edition == "studio")
        said = " ".join(about.limits)
        assert all(word in said for word in words) and bool(said) == bool(words), said
        assert not any("UIManager" in str(call) for call in shot.machine.calls)


@pytest.mark.parametrize("times", [2, 0.5], ids=["larger", "smaller"])
def test_when_the_timeline_scales_the_whole_picture_then_the_source_is_read_and_masks_are_of_its_size(
    shot, desk, times
):
    shot.machine.artist.set_resolution(int(drawn_plate.WIDTH * times), int(drawn_plate.HEIGHT * times))

    flow = propagated(desk, shot.host())

    assert not flow.state.plate
    (pattern,) = attached(shot)
    assert max(errors(pattern)) < 0.05


def test_when_the_timeline_has_another_shape_then_the_plate_is_rendered_as_the_timeline_shows_it(shot, desk):
    shot.machine.artist.set_resolution(drawn_plate.WIDTH, drawn_plate.WIDTH)

    flow = propagated(desk, shot.host())

    assert flow.state.plate
    image = oiio.ImageBuf(f"{flow.state.folder}/{flow.state.files[0]}" % FIRST)
    assert (image.spec().full_width, image.spec().full_height) == (drawn_plate.WIDTH, drawn_plate.WIDTH)
    assert not attached(shot) and any("Matted" in note for note in flow.report.notes), flow.report.notes


def began(desk, host):
    """A press whose job the daemon has, and which Resolve was not shown anything of yet."""
    flow = desk.open(host)
    flow.propagate()
    settle(desk, until=lambda: flow.state.running and not flow.busy)
    return flow


def test_when_a_rendered_clip_is_trimmed_meanwhile_then_mattes_and_suggestions_stay_with_their_pictures(shot, desk):
    flow = began(desk, shot.host(plate="rendered"))

    shot.machine.artist.trim(shot.item, head=2, tail=1)
    settle(desk)

    (told,) = shot.media.mattes
    pattern, first = told.rpartition("[")[0] + "%04d.exr", int(told.rpartition("[")[2][:4])
    assert max(errors(pattern, frames=[first + 5], true=lambda number: drawn_plate.matte(FIRST + 5))) < 0.05
    reasons = {FIRST + 2 + at: marker.note for at, marker in shot.item.markers.items() if marker.note}
    assert reasons and reasons.items() <= dict(flow.suggestions).items()


def test_when_a_rendered_clip_is_trimmed_then_its_frames_keep_their_numbers(shot, desk):
    host = shot.host(plate="rendered")
    propagated(desk, host)
    before = host.card()
    assert before.plate == "Rendered through Resolve: you chose to have it rendered."

    shot.machine.artist.trim(shot.item, head=2)

    assert host.card().frames == (before.frames[0] + 2, before.frames[1])
    flow = propagated(desk, host)
    assert flow.state.frames == list(host.card().frames) and flow.state.keyframes == [before.frames[1]]


def test_when_the_speed_is_changed_meanwhile_then_no_matte_is_shown_at_another_frame(shot, desk):
    flow = began(desk, shot.host(plate="rendered"))

    shot.machine.artist.retime(shot.item, 2)
    settle(desk)

    assert flow.state.job_state == "done" and not shot.media.mattes and not lemons(shot)
    assert any("speed" in note for note in flow.report.notes), flow.report.notes


def test_when_a_long_clip_is_looked_at_then_resolve_is_asked_once_and_not_for_every_frame(shot):
    host = shot.host(plate="rendered")
    host.read()
    host.signature(FIRST)
    before = len(shot.machine.calls)

    assert len({host.signature(frame) for frame in range(FIRST, FIRST + 5000)}) == 1
    assert len(shot.machine.calls) == before


@pytest.mark.parametrize("keyed", [None, FIRST], ids=["at every keyframe", "at one of two"])
def test_when_the_mask_is_black_at_every_keyframe_then_it_is_said_before_mattes_are_made(shot, desk, keyed):
    shot.machine.artist.set_alpha_output(shot.item, lambda number: drawn_plate.matte(number) * (number == keyed))
    before = facts(shot)
    flow = desk.open(shot.host())

    flow.propagate()
    settle(desk)

    assert flow.report.error == (keyed is None), flow.report
    if keyed is None:
        assert f"{FIRST}, {LAST}" in flow.report.sentence and not shot.media.mattes
    assert facts(shot) == before
