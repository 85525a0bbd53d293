"""The Matted node in the stand-in Nuke against a real daemon; each test names the quirk of hosts.md it would trip over."""

import json
import os
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes.drawn_plate import FIRST, HEIGHT, LAST, WIDTH, circle, matte, write
from fakes.drawn_shot import save
from fakes.host import render_one
from fakes.nuke_rotopaint import artist_bezier
from fakes.nuke_shot import NukeShot
from fakes.running_daemon import files_in

pytestmark = pytest.mark.slow  # most press buttons to the end, with a real daemon

FRAMES = range(FIRST, LAST + 1)
VERSIONS = [(14, 1, 8), (15, 1, 5), (16, 0, 9), (17, 0, 3)]


@pytest.fixture(autouse=True)
def connected(daemon, tmp_path, monkeypatch):
    monkeypatch.setenv("MATTED_CONNECTION_FILE", str(daemon.file))
    monkeypatch.setenv("HOME", os.environ.get("HOME", str(tmp_path)))


@pytest.fixture
def shot(tmp_path):
    """A drawn shot with a Matted node, saved."""
    with NukeShot(tmp_path) as made:
        made.draw().make()
        made.host.save(tmp_path / "shot.nk")
        yield made


def alpha(shot, frame, name="Matted1"):
    return shot.host.artist.image(name, frame)["rgba.alpha"]


def worst(shot, name="Matted1"):
    return max(float(np.abs(alpha(shot, frame, name) - matte(frame)).mean()) for frame in FRAMES)


def rendered(shot):
    return sorted(path.name for path in shot.folder.rglob("work/**/plate.*.exr"))


# The walk


def test_when_propagate_is_pressed_then_mattes_come_back_through_the_node(shot, tmp_path):
    before = shot.knobs()
    flow = shot.propagated()

    assert flow.state.keyframes == [FIRST, LAST]
    assert worst(shot) < 0.04
    assert np.abs(alpha(shot, FIRST) - matte(FIRST)).mean() < 0.01
    file = (tmp_path / "matted/shot/Matted1/v001/hero/hero.%04d.exr").as_posix()
    assert shot.host.artist.knob("Matted1.MattedRead", "file") == file
    assert rendered(shot) == []
    after = shot.knobs()
    assert after.pop("Matted1.MattedRead") == file and before.pop("Matted1.MattedRead") == ""
    assert after == before
    assert shot.host.messages == shot.host.errors_in_callbacks == []


def test_when_the_mattes_are_complete_then_the_read_is_raw_black_outside_and_strict(shot):
    shot.propagated()

    knob = {
        name: shot.host.artist.knob("Matted1.MattedRead", name)
        for name in ("raw", "before", "after", "on_error", "first", "last", "origfirst", "origlast")
    }
    ends = {"first": FIRST, "last": LAST, "origfirst": FIRST, "origlast": LAST}
    assert knob == {"raw": 1, "before": "black", "after": "black", "on_error": "error", **ends}
    assert alpha(shot, FIRST - 5).max() == alpha(shot, LAST + 5).max() == 0


def test_when_nothing_was_made_yet_then_the_node_shows_the_plate(shot):
    assert np.array_equal(
        shot.host.artist.image("Matted1", FIRST)["rgba.red"], shot.host.artist.image("Read1", FIRST)["rgba.red"]
    )


def test_when_mattes_are_there_then_the_plate_s_colours_stay(shot):
    shot.propagated()

    for channel in ("rgba.red", "rgba.green", "rgba.blue"):
        seen = shot.host.artist.image("Matted1", FIRST + 3)[channel]
        assert np.array_equal(seen, shot.host.artist.image("Read1", FIRST + 3)[channel])


def test_when_a_graded_plate_feeds_the_node_then_it_is_rendered_in_half_float_at_full_size(tmp_path):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw().make()
        shot.host.save(tmp_path / "shot.nk")
        shot.propagated()

        assert rendered(shot) == [f"plate.{frame}.exr" for frame in FRAMES]
        image = oiio.ImageBuf(str(next(tmp_path.rglob(f"work/**/plate.{FIRST}.exr"))))
        assert str(image.spec().format) == "half"
        assert (image.spec().full_width, image.spec().full_height) == (WIDTH, HEIGHT)
        assert image.get_pixels(oiio.FLOAT).max() > 1.0
        assert worst(shot) < 0.04


def test_when_the_grade_is_changed_then_the_plate_is_rendered_anew_and_else_not(tmp_path):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw().make()
        shot.propagated()
        once = len(rendered(shot))
        shot.propagated()
        same = len(rendered(shot))
        shot.host.artist.set("Grade1", "multiply", 0.7)
        shot.propagated()

        assert (once, same, len(rendered(shot))) == (len(FRAMES), len(FRAMES), 2 * len(FRAMES))


def test_when_a_grade_is_keyed_later_in_the_shot_then_only_those_frames_are_rendered_again(tmp_path):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw().make()
        shot.host.artist.set("Grade1", "multiply", {FIRST + 8: 0.8, FIRST + 10: 0.8})
        shot.propagated()
        shot.host.artist.set("Grade1", "multiply", {FIRST + 8: 0.8, FIRST + 10: 0.5})
        shot.propagated()

        folders = sorted(tmp_path.rglob(f"work/**/plate.{FIRST}.exr"))
        assert len(folders) == 2 and folders[0].samefile(folders[1])
        changed = [
            frame for frame in FRAMES if len({p.stat().st_ino for p in tmp_path.rglob(f"plate.{frame}.exr")}) == 3
        ]
        assert changed == [FIRST + 9, FIRST + 10, FIRST + 11]


def test_when_the_artist_goes_to_another_frame_then_the_rendered_plate_is_kept(tmp_path):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw().make()
        shot.propagated()
        once = len(rendered(shot))
        shot.host.module.frame(FIRST + 5)
        shot.propagated()

        assert len(rendered(shot)) == once
        assert shot.host.frame == FIRST + 5


@pytest.mark.parametrize("text", ["a{b", "a}b", 'a"b', "a\\b", "a[b]c", "$a", "two\nlines", "{}[]"], ids=repr)
def test_when_text_is_quoted_then_a_pasted_node_holds_it(tmp_path, text):
    with NukeShot(tmp_path) as shot:
        from matted_nuke.node import group_text

        (name, *_) = shot.host.artist.paste(group_text("Matted1", text, (0, 0)))

        assert shot.host.artist.knob(name, "matted_state") == text


def test_when_a_dot_stands_between_then_the_files_are_still_read_as_they_are(shot):
    shot.host.artist.node("Dot", "Dot1")
    shot.host.artist.connect("Dot1", 0, "Read1")
    shot.host.artist.connect("Matted1", 0, "Dot1")
    shot.propagated()

    assert rendered(shot) == []


# 1. The main thread


def test_when_pixels_go_over_the_wire_then_nuke_is_only_touched_on_its_main_thread(shot, tmp_path):
    shot.host.artist.set("Matted1", "transport", "as pixels")
    flow = shot.propagated()

    assert flow.state.local
    assert shot.host.errors_in_callbacks == []
    assert worst(shot) < 0.04
    assert len(files_in(tmp_path / "matted/shot/Matted1/v001")) == len(FRAMES)


# 2. nuke.execute fails, is cancelled, writes nothing


@pytest.mark.parametrize(
    ("trouble", "says"),
    [("fail_render_at", "could not render frame 1004"), ("empty_files_at", "wrote nothing for frame 1004")],
)
def test_when_a_frame_fails_then_it_is_named_and_everything_is_put_back(tmp_path, trouble, says):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw().make()
        before = shot.knobs()
        getattr(shot.host, trouble)(FIRST + 3)
        shot.press("propagate")
        flow = shot.settle()

        assert flow.report.error and says in flow.report.sentence
        assert says in shot.host.artist.knob("Matted1", "status")
        assert shot.knobs() == before
        assert rendered(shot) == [f"plate.{frame}.exr" for frame in range(FIRST, FIRST + 3)]


def test_when_the_artist_cancels_nukes_own_progress_then_it_stops_without_an_error(tmp_path):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw().make()
        before = shot.knobs()
        shot.host.cancel_render_at(FIRST + 3)
        shot.press("propagate")
        flow = shot.settle()

        assert not flow.report.error and flow.report.sentence.startswith("Stopped")
        assert shot.knobs() == before


def test_when_cancel_is_pressed_while_rendering_then_it_stops_at_that_frame(tmp_path):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw().make()
        shot.press("propagate")
        shot.host.pump(30, until=lambda: len(rendered(shot)) >= 3)
        shot.press("cancel")
        flow = shot.settle()

        assert 3 <= len(rendered(shot)) <= 4
        assert not flow.report.error


# 3. Nodes come and go


def test_when_the_node_is_deleted_at_work_then_nothing_breaks(tmp_path):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw().make()
        shot.press("propagate")
        shot.host.pump(30, until=lambda: len(rendered(shot)) >= 2)
        shot.host.artist.delete("Matted1")
        shot.host.pump(0.3)

        from matted_nuke import buttons

        assert buttons.desk().workflows == []
        assert shot.host.errors_in_callbacks == []


def test_when_the_node_is_renamed_at_work_then_the_mattes_still_come(tmp_path):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw().make()
        shot.press("propagate")
        shot.host.pump(30, until=lambda: len(rendered(shot)) >= 2)
        shot.host.artist.rename("Matted1", "Hero_roto")
        flow = shot.settle("Hero_roto")

        assert flow.state.job_state == "done"
        assert worst(shot, "Hero_roto") < 0.04


def test_when_something_else_is_undone_at_work_then_the_mattes_still_come(tmp_path):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw().make()
        shot.press("propagate")
        shot.host.pump(30, until=lambda: len(rendered(shot)) >= 2)
        shot.host.undo()
        flow = shot.settle()

        assert flow.state.job_state == "done", flow.report


def test_when_the_script_is_closed_and_opened_then_the_node_finds_its_job(tmp_path, daemon):
    with NukeShot(tmp_path) as shot:
        shot.draw().make()
        shot.host.save(tmp_path / "shot.nk")
        shot.press("propagate")
        flow = shot.flow()
        shot.host.pump(30, until=lambda: flow.state.running and flow.state.job)
        shot.host.save(tmp_path / "shot.nk")
        shot.host.close()
        shot.host.open(tmp_path / "shot.nk")
        shot.host.pump(0.1)
        again = shot.settle()

        assert again is not flow and again.state.job == flow.state.job
        assert again.state.job_state == "done"
        assert worst(shot) < 0.04


def test_when_nuke_is_killed_and_the_last_save_knew_no_job_then_the_job_is_still_found(tmp_path):
    with NukeShot(tmp_path) as shot:
        shot.draw().make()
        shot.host.save(tmp_path / "shot.nk")
        shot.press("propagate")
        flow = shot.flow()
        shot.host.pump(30, until=lambda: flow.state.running and flow.state.job)
        job, plate = flow.state.job, shot.plate
        shot.host.kill()
    with NukeShot(tmp_path, plate=plate) as shot:
        shot.host.open(tmp_path / "shot.nk")
        shot.host.pump(0.1)
        again = shot.settle()

        assert again.state.job == job and again.state.job_state == "done", again.report
        assert worst(shot) < 0.04


def test_when_the_node_is_copied_then_both_go_their_own_way(shot):
    shot.propagated()
    from matted_nuke.node import group_text

    shot.host.artist.paste(group_text("Matted1", shot.host.artist.knob("Matted1", "matted_state"), (0, 0)))
    shot.host.artist.connect("Matted2", 0, "Read1")
    shot.host.artist.connect("Matted2", 1, "Roto1")
    shot.host.pump(0.1)

    one, other = shot.flow("Matted1"), shot.flow("Matted2")
    assert one is not other and one.state.id != other.state.id
    assert one.state.job == other.state.job


# 4. and 5. Paths and knob defaults


@pytest.mark.parametrize("windows", [False, True], ids=["posix", "windows"])
def test_when_the_folder_has_spaces_then_the_read_finds_the_mattes(tmp_path, windows):
    folder = tmp_path / "a shot with spaces"
    with NukeShot(folder, windows=windows) as shot:
        shot.draw().make()
        shot.host.artist.set("Matted1", "out", (folder / "my mattes").as_posix())
        shot.propagated()

        assert worst(shot) < 0.04
        assert not list(folder.rglob("my mattes/work/**/*.exr"))


def test_when_a_mask_is_rendered_then_its_file_has_the_alpha(shot, monkeypatch):
    from matted_nuke.host import NukeHost
    from matted_plugin.exr import channel_names
    from matted_plugin.host import Rendering

    path = (shot.folder / "mask.exr").as_posix()
    render_one(NukeHost(shot.host.module.toNode("Matted1")), Rendering(FIRST, path, "rgba.alpha"))

    assert channel_names(path) == ("A",)


def test_when_a_wanted_knob_does_not_exist_then_that_is_no_surprise(tmp_path):
    with NukeShot(tmp_path) as shot:
        shot.host.missing_knob = KeyError
        shot.draw().make()
        shot.propagated()

        assert shot.host.errors_in_callbacks == []


# 9. Editions that show Python few nodes


@pytest.mark.parametrize("edition", ["nc", "indie"])
def test_when_the_edition_shows_ten_nodes_then_a_whole_shot_takes_eight_at_most(tmp_path, edition):
    with NukeShot(tmp_path, graded=True, edition=edition) as shot:
        shot.draw()
        for number in range(30):
            shot.host.artist.node("NoOp", f"Busy{number}")
        shot.make()
        shot.propagated()
        shot.host.artist.set("Matted1", "keyframes", f"{FIRST}")
        shot.propagated()

        assert shot.host.handles <= 8
        assert shot.host.errors_in_callbacks == []


def test_when_many_dots_stand_before_the_read_in_such_an_edition_then_the_plate_is_rendered(tmp_path):
    with NukeShot(tmp_path, edition="nc") as shot:
        shot.draw()
        above = "Read1"
        for number in range(6):
            shot.host.artist.node("Dot", f"Dot{number}")
            shot.host.artist.connect(f"Dot{number}", 0, above)
            above = f"Dot{number}"
        shot.host.artist.select([above, "Roto1"])
        shot.make()
        shot.propagated()

        assert shot.host.handles <= 8
        assert len(rendered(shot)) == len(FRAMES)


# 10. A terminal


def test_when_nuke_runs_in_a_terminal_then_the_same_calls_work_to_the_end(tmp_path, monkeypatch):
    with NukeShot(tmp_path) as shot:
        shot.draw().make()
        shot.host.save(tmp_path / "shot.nk")
    with NukeShot(tmp_path, gui=False) as shot:
        shot.host.open(tmp_path / "shot.nk")
        from matted_nuke import buttons

        buttons.propagate("Matted1")

        assert worst(shot) < 0.04
        assert any("mattes are ready" in line for line in shot.host.printed)
        with pytest.raises(Exception, match="No Matted node"):
            buttons.propagate("Nothing")


def test_when_a_terminal_opens_a_script_then_nothing_of_ours_is_loaded(tmp_path):
    import sys

    with NukeShot(tmp_path) as shot:
        shot.draw().make()
        shot.host.save(tmp_path / "shot.nk")
    with NukeShot(tmp_path, gui=False) as shot:
        shot.host.open(tmp_path / "shot.nk")

        assert not [name for name in sys.modules if name.startswith("matted_nuke.")]


# 11. Versions


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: f"nuke{version[0]}")
def test_when_nuke_is_of_any_supported_version_then_the_walk_goes_through(tmp_path, version):
    with NukeShot(tmp_path, graded=True, version=version) as shot:
        shot.draw().make()
        shot.propagated()

        assert worst(shot) < 0.04
        assert shot.host.errors_in_callbacks == []


# 12. Proxy, formats, boxes, views


def test_when_proxy_mode_is_on_then_masks_and_plate_are_full_size_and_proxy_stays_on(tmp_path):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw().make()
        shot.host.artist.set("root", "proxy", True)
        shot.propagated()

        image = oiio.ImageBuf(str(next(tmp_path.rglob(f"work/**/plate.{FIRST}.exr"))))
        assert image.spec().full_width == WIDTH
        assert shot.host.artist.knob("root", "proxy") == 1


def test_when_the_roto_has_another_format_then_masks_have_the_plates(shot):
    shot.host.artist.connect("Roto1", 0, None)
    shot.host.artist.set("Roto1", "cliptype", "no clip")
    shot.propagated()

    assert worst(shot) < 0.05


@pytest.mark.parametrize("kind", ["Read", "Cryptomatte"])
def test_when_masks_come_from_something_else_than_a_roto_then_the_typed_frames_are_taken(shot, tmp_path, kind):
    for frame in (FIRST, LAST):
        save(tmp_path / f"mask.{frame}.exr", matte(frame)[..., None].astype(np.float16), ("A",))
    artist = shot.host.artist
    ends = {"first": FIRST, "last": LAST, "origfirst": FIRST, "origlast": LAST, "raw": True}
    artist.node("Read", "Masks", file=(tmp_path / "mask.%04d.exr").as_posix(), on_error="black", **ends)
    if kind == "Cryptomatte":
        artist.node("Cryptomatte", "Pick")
        artist.connect("Pick", 0, "Masks")
    artist.connect("Matted1", 1, "Pick" if kind == "Cryptomatte" else "Masks")
    artist.set("Matted1", "keyframes", f"{FIRST} {LAST}")
    flow = shot.propagated()

    assert flow.state.keyframes == [FIRST, LAST]
    assert worst(shot) < 0.04


def test_when_the_matte_is_not_in_the_alpha_then_its_channel_is_taken(tmp_path):
    with NukeShot(tmp_path) as shot:
        shot.draw()
        shot.host.artist.connect("Roto1", 0, None)
        shot.host.artist.set("Roto1", "cliptype", "no clip")
        shot.host.artist.set("Roto1", "output", "rgba.red")
        shot.make()
        shot.host.artist.set("Matted1", "objects", "hero=rgba.red")
        shot.propagated()

        assert np.abs(alpha(shot, FIRST) - matte(FIRST)).mean() < 0.01


def test_when_the_roto_has_motion_blur_then_keyframes_are_sharp_and_the_roto_stays_as_it_was(shot):
    shot.host.artist.set("Roto1", "motionblur_mode", "shape")
    before = shot.knobs()["roto"]
    shot.propagated()

    assert np.abs(alpha(shot, FIRST) - matte(FIRST)).mean() < 0.01
    assert shot.knobs()["roto"] == before


def test_when_the_roto_s_motion_blur_is_animated_then_its_keys_stay(shot):
    shot.host.artist.set("Roto1", "motionblur_mode", "global")
    shot.host.artist.set("Roto1", "global_motionblur", {FIRST: 1, LAST: 2})
    before = shot.host.module.toNode("Roto1")["global_motionblur"].toScript()
    shot.propagated()

    assert shot.host.module.toNode("Roto1")["global_motionblur"].toScript() == before


# 13. Undo


def test_when_buttons_are_pressed_then_each_is_one_undo_step(tmp_path):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw()
        shot.host.undo_steps.clear()
        shot.make()
        shot.press("propagate")
        shot.settle()
        shot.press("find_keyframes")
        shot.press("add_keyframe")
        shot.press("remove_keyframe")
        shot.press("suggest")
        shot.settle()
        shot.press("cancel")
        shot.settle()

        assert shot.host.undo_steps == [
            "Matted node",
            "Matted: Propagate",
            "Matted: Find keyframes",
            "Matted: Add keyframe",
            "Matted: Remove keyframe",
            "Matted: Suggest",
        ]


def test_when_making_the_node_is_undone_then_nothing_is_left_of_it(tmp_path):
    with NukeShot(tmp_path) as shot:
        shot.draw()
        before = shot.host.artist.nodes()
        shot.make()
        shot.host.undo()

        assert shot.host.artist.nodes() == before


# What is told


def test_when_the_plate_is_missing_then_it_says_so_in_the_node(shot):
    shot.host.artist.connect("Matted1", 0, None)
    shot.press("propagate")
    flow = shot.settle()

    assert flow.report.error and "has no plate" in flow.report.sentence
    assert "Connect" in shot.host.artist.knob("Matted1", "status")


@pytest.mark.parametrize(
    ("knob", "value", "says"),
    [
        ("keyframes", "monday", "not a frame range"),
        ("frames", "1010-1001", "ends before it starts"),
        ("objects", "hero hero", "does not name objects"),
        ("exposure", "bright", "no number of stops"),
        ("keyframes", "5", "no keyframe"),
    ],
    ids=["keyframes", "frames", "objects", "exposure", "outside"],
)
def test_when_a_knob_makes_no_sense_then_it_is_named(shot, knob, value, says):
    shot.host.artist.set("Matted1", knob, value)
    shot.press("propagate")
    flow = shot.settle()

    assert flow.report.error and says in f"{flow.report.sentence} {flow.report.hint}"


def test_when_keyframes_are_typed_then_they_are_taken_instead_of_the_rotos(shot):
    shot.host.artist.set("Matted1", "keyframes", f"{FIRST} {FIRST + 4}-{FIRST + 8}x4")
    flow = shot.propagated()

    assert flow.state.keyframes == [FIRST, FIRST + 4, FIRST + 8]


def test_when_keyframes_are_found_then_they_stand_in_the_knob(shot):
    shot.press("find_keyframes")

    assert shot.host.artist.knob("Matted1", "keyframes") == f"{FIRST} {LAST}"


def test_when_the_current_frame_is_added_and_taken_out_then_the_knob_says_so(shot):
    shot.host.module.frame(FIRST + 2)
    shot.press("add_keyframe")
    added = shot.host.artist.knob("Matted1", "keyframes")
    shot.press("remove_keyframe")

    assert added == f"{FIRST} {FIRST + 2} {LAST}"
    assert shot.host.artist.knob("Matted1", "keyframes") == f"{FIRST} {LAST}"


def test_when_suggestions_come_then_the_timeline_is_marked(shot):
    flow = shot.propagated()

    marks = shot.host.module.toNode("Matted1")["marked_suggestions"]
    assert [int(frame) for frame in marks.getKeyList()] == sorted(frame for frame, _ in flow.suggestions)


# As an artist works: in any order


def test_when_propagate_is_pressed_again_later_without_a_change_then_it_is_the_same_job(shot):
    first = shot.propagated().state.job
    shot.host.pump(1.1)  # files carry the second they were written in
    again = shot.propagated().state

    assert again.job == first and again.folder.endswith("v001")


def key_roto(shot, frame):
    """One more shape, keyed on one more frame."""
    artist_bezier(shot.host.artist.knob("Roto1", "curves"), "Fix", {frame: circle(frame)})


def test_when_the_roto_is_keyed_again_after_find_then_the_artist_is_told_what_the_list_leaves_out(shot):
    shot.press("find_keyframes")
    key_roto(shot, FIRST + 4)
    flow = shot.propagated()

    assert flow.state.keyframes == [FIRST, LAST]
    (note,) = flow.report.notes
    assert f"keyed at {FIRST + 4} too" in note and "press Find" in note
    assert shot.host.artist.knob("Matted1", "status").endswith(note)


def test_when_the_roto_is_keyed_again_and_nothing_is_listed_then_the_frame_counts(shot):
    key_roto(shot, FIRST + 4)
    flow = shot.propagated()

    assert flow.state.keyframes == [FIRST, FIRST + 4, LAST] and flow.report.notes == ()


def test_when_find_finds_nothing_then_what_was_typed_stays_and_it_says_why(shot):
    shot.host.artist.set("Matted1", "keyframes", "1001 1005")
    shot.host.artist.connect("Matted1", 1, "Read1")
    shot.press("find_keyframes")

    assert shot.host.artist.knob("Matted1", "keyframes") == "1001 1005"
    assert "No keyframe was found" in shot.host.artist.knob("Matted1", "status")


def test_when_one_frame_is_found_then_it_is_said_in_the_singular(shot):
    shot.host.artist.set("Matted1", "frames", f"{FIRST}-{FIRST + 3}")
    shot.press("find_keyframes")

    assert shot.host.artist.knob("Matted1", "keyframes") == f"{FIRST}"
    assert shot.host.artist.knob("Matted1", "status") == "1 keyframe found."


def test_when_a_frame_is_added_then_listed_frames_outside_the_range_are_not_lost(shot):
    shot.host.artist.set("Matted1", "keyframes", "990 1001")
    shot.host.module.frame(FIRST + 2)
    shot.press("add_keyframe")

    assert shot.host.artist.knob("Matted1", "keyframes") == f"990 {FIRST} {FIRST + 2}"


@pytest.mark.parametrize(
    ("knob", "value", "says"),
    [
        ("objects", "car=car.alpha", "car.alpha, which Roto1 does not have"),
        ("objects", "hero car", "both be taken from rgba.alpha"),
        ("view", "left", "no view left"),
        ("out", "mattes", "not a whole path"),
    ],
    ids=["channel", "twice", "view", "relative"],
)
def test_when_a_knob_would_give_wrong_mattes_then_nothing_is_made(shot, knob, value, says):
    shot.host.artist.set("Matted1", knob, value)
    shot.press("propagate")
    flow = shot.settle()

    assert flow.report.error and says in flow.report.sentence and flow.report.hint
    assert flow.state.job == ""


def test_when_a_read_fills_in_for_a_missing_file_then_the_plate_is_rendered_as_the_artist_sees_it(shot):
    Path(shot.plate % (FIRST + 4)).unlink()
    shot.press("propagate")
    flow = shot.settle()
    told = flow.report
    shot.host.artist.set("Read1", "on_error", "nearest frame")
    shot.propagated()

    assert told.error and f"no frame {FIRST + 4}" in told.sentence and "another range" in told.hint
    assert len(rendered(shot)) == len(FRAMES)


def test_when_a_read_would_fill_in_but_no_file_is_missing_then_nothing_is_rendered(shot):
    shot.host.artist.set("Read1", "on_error", "black")
    shot.propagated()

    assert rendered(shot) == []


def test_when_the_folder_is_an_expression_then_mattes_go_where_it_points(shot, tmp_path):
    shot.host.artist.set("Matted1", "out", "[value root.name]_mattes")
    flow = shot.propagated()

    assert flow.state.folder == f"{tmp_path.as_posix()}/shot.nk_mattes/v001"


def test_when_frames_are_stepped_then_frames_between_are_black_and_no_error(tmp_path):
    with NukeShot(tmp_path, keys=(FIRST, FIRST + 10)) as shot:
        shot.draw().make()
        shot.host.artist.set("Matted1", "frames", f"{FIRST}-{FIRST + 10}x2")
        shot.propagated()

        assert alpha(shot, FIRST + 1).max() == 0 and alpha(shot, FIRST + 2).max() > 0.9


def test_when_the_range_grows_then_only_its_new_frames_are_rendered(tmp_path):
    with NukeShot(tmp_path, graded=True, keys=(FIRST,)) as shot:
        shot.draw().make()
        shot.host.artist.set("Matted1", "frames", f"{FIRST}-{FIRST + 4}")
        shot.propagated()
        shot.host.artist.set("Matted1", "frames", f"{FIRST}-{FIRST + 6}")
        shot.propagated()

        assert rendered(shot) == [f"plate.{frame}.exr" for frame in range(FIRST, FIRST + 7)]


def test_when_the_script_gets_another_name_then_the_rendered_plate_serves_on_and_can_be_removed(tmp_path):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw().make()
        shot.host.save(tmp_path / "shot_v001.nk")
        shot.propagated()
        before = shot.host.artist.knob("Matted1.MattedRead", "file")
        shot.host.save(tmp_path / "shot_v002.nk")
        shot.host.pump(0.1)
        saved = shot.host.artist.knob("Matted1.MattedRead", "file")
        flow = shot.propagated()

        assert saved == before
        assert flow.state.folder.endswith("matted/shot_v002/Matted1/v001")
        assert len(rendered(shot)) == len(FRAMES)
        shot.host.artist.select(["Matted1"])
        shot.host.choose("Nuke", "Matted/Remove leftovers")
        assert rendered(shot) == []


def test_when_a_read_beside_was_deleted_then_opening_the_script_does_not_bring_it_back(shot, tmp_path):
    shot.host.artist.set("Matted1", "results", "Reads beside it")
    shot.propagated()
    shot.host.artist.delete("Matte_hero")
    shot.host.save(tmp_path / "shot.nk")
    shot.host.open(tmp_path / "shot.nk")
    shot.host.pump(0.1)

    assert "Matte_hero" not in shot.host.artist.nodes()


def test_when_another_object_is_shown_then_the_reads_beside_stay_the_same(shot):
    two_objects(shot)
    shot.host.artist.set("Matted1", "results", "Reads beside it")
    shot.propagated()
    before = shot.host.artist.nodes()
    shot.host.artist.set("Matted1", "shown", "ball")
    shot.host.pump(0.1)

    assert shot.host.artist.nodes() == before


def test_when_a_roto_alone_is_selected_then_its_plate_is_connected_too(tmp_path):
    with NukeShot(tmp_path) as shot:
        shot.draw()
        shot.host.artist.select(["Roto1"])
        shot.make()

        assert [shot.host.artist.input("Matted1", index) for index in (0, 1)] == ["Read1", "Roto1"]


def test_when_nothing_is_selected_then_the_node_stays_where_nuke_puts_it(tmp_path):
    with NukeShot(tmp_path) as shot:
        shot.draw()
        shot.host.artist.select([])
        shot.make()

        assert shot.host.artist.knob("Matted1", "xpos") == 37  # where the stand-in's pasted nodes land


def test_when_the_menu_is_pressed_without_a_node_then_the_panel_opens_and_says_so(tmp_path):
    with NukeShot(tmp_path) as shot:
        shot.draw()
        shot.host.choose("Nuke", "Matted/Propagate")
        from matted_nuke import buttons, start

        assert start.PANEL_ID in shot.host.panes
        assert "No Matted node" in buttons.trouble.message


# Where the mattes show


def test_when_mattes_are_wanted_beside_then_a_read_of_each_object_appears_once(shot):
    shot.host.artist.set("Matted1", "results", "Reads beside it")
    shot.propagated()
    shot.host.artist.set("Matted1", "keyframes", str(FIRST))
    shot.propagated()

    reads = [name for name in shot.host.artist.nodes() if shot.host.artist.cls(name) == "Read"]
    assert sorted(reads) == ["Matte_hero", "Matted1.MattedRead", "Read1"]
    assert "v002" in shot.host.artist.knob("Matte_hero", "file")
    assert np.abs(alpha(shot, FIRST, "Matte_hero") - matte(FIRST)).mean() < 0.01


def two_objects(shot):
    """A second object: the same roto in the red channel."""
    shot.host.artist.set("Matted1", "objects", "hero ball=rgba.red")


def test_when_there_are_two_objects_then_the_chosen_one_is_shown(shot):
    two_objects(shot)
    shot.propagated()
    one = shot.host.artist.knob("Matted1.MattedRead", "file")
    shot.host.artist.set("Matted1", "shown", "ball")
    shot.host.pump(0.1)

    assert (one.count("/hero/"), shot.host.artist.knob("Matted1.MattedRead", "file").count("/ball/")) == (1, 1)


def test_when_objects_are_layers_then_the_node_carries_them(shot):
    two_objects(shot)
    shot.host.artist.set("Matted1", "layout", "layers")
    shot.propagated()

    image = shot.host.artist.image("Matted1", FIRST)
    assert np.abs(image["hero.alpha"] - matte(FIRST)).mean() < 0.01
    assert "ball.alpha" in image
    assert np.array_equal(image["rgba.alpha"], image["hero.alpha"])


def test_when_there_are_more_objects_than_layers_then_the_artist_is_told(shot):
    shot.host.artist.set("Matted1", "objects", "a b=rgba.red c=rgba.green d=rgba.blue")
    shot.host.artist.set("Matted1", "layout", "layers")
    shot.press("propagate")
    flow = shot.settle()

    assert any("Only a, b, c are layers" in note for note in flow.report.notes), flow.report


BUILT_IN = "fn-nuke_cg-config-v1.0.0_aces-v1.3_ocio-v2.1"


@pytest.mark.parametrize(
    ("config", "space", "told"),
    [
        ("nuke-default", "linear", (True, "lin_rec709", None)),
        ("nuke-default", "SLog3", (False, "lin_rec709", None)),
        (BUILT_IN, "sRGB", (False, "scene_linear", None)),
        ("custom", "sRGB", (True, "sRGB", "/studio/config.ocio")),
        ("custom", "default", (False, "linear", "/studio/config.ocio")),
    ],
    ids=["curves", "camera", "inside", "studio", "default"],
)
def test_when_colours_go_by_opencolorio_then_only_names_the_daemon_knows_are_sent(
    shot, monkeypatch, config, space, told
):
    monkeypatch.delenv("OCIO", raising=False)
    for knob, value in (("colorManagement", "OCIO"), ("OCIO_config", config)):
        shot.host.artist.set("root", knob, value)
    shot.host.artist.set("root", "customOCIOConfigPath", "/studio/config.ocio")
    shot.host.artist.set("Read1", "colorspace", space)
    from matted_nuke.host import NukeHost

    plate = NukeHost(shot.host.module.toNode("Matted1")).read().plate

    assert (plate.path is not None, plate.colorspace, plate.ocio) == told


def test_when_a_read_slides_its_files_then_they_are_read_with_the_offset(tmp_path):
    plate = write(tmp_path / "slid", offset=-1000)
    with NukeShot(tmp_path, plate=plate) as shot:
        shot.draw()
        for knob, value in (("first", 1), ("last", 12), ("origfirst", 1), ("origlast", 12)):
            shot.host.artist.set("Read1", knob, value)
        shot.host.artist.set("Read1", "frame_mode", "start at")
        shot.host.artist.set("Read1", "frame", str(FIRST))
        shot.make()
        flow = shot.propagated()

        assert rendered(shot) == []
        assert flow.state.frames == [FIRST, LAST]
        assert worst(shot) < 0.04


def test_when_frames_are_negative_then_the_mattes_are_found(tmp_path):
    with NukeShot(tmp_path, keys=(-5, 6), outline=lambda frame: circle(frame + 1006)) as shot:
        shot.draw()
        artist = shot.host.artist
        artist.set("Read1", "frame_mode", "start at")
        artist.set("Read1", "frame", "-5")
        artist.set("root", "last_frame", 6)
        artist.set("root", "first_frame", -5)
        shot.make()
        flow = shot.propagated()

        assert (flow.state.frames, flow.state.keyframes) == ([-5, 6], [-5, 6])
        assert max(np.abs(alpha(shot, frame) - matte(frame + 1006)).mean() for frame in range(-5, 7)) < 0.04


def test_when_the_state_is_stored_then_it_travels_in_the_script(shot, tmp_path):
    flow = shot.propagated()
    shot.host.save(tmp_path / "shot.nk")

    assert flow.state.job in (tmp_path / "shot.nk").read_text()
    assert json.loads(shot.host.artist.knob("Matted1", "matted_state"))["job"] == flow.state.job


def test_when_diagnostics_are_copied_then_they_say_what_support_asks(shot):
    shot.propagated()
    from matted_nuke import buttons

    told = buttons.diagnostics()
    for word in ("nuke 16.0", "python 3", "zmq", "msgpack", "daemon tcp://127.0.0.1", "log", "Matted1", "colour"):
        assert word in told


def test_when_the_rendered_plate_is_removed_then_mattes_stay(tmp_path):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw().make()
        shot.propagated()
        shot.host.artist.select(["Matted1"])
        shot.host.choose("Nuke", "Matted/Remove leftovers")

        assert rendered(shot) == []
        assert worst(shot) < 0.04


def test_when_mattes_become_shapes_then_the_roto_draws_what_the_mattes_show_and_it_is_one_undo_step(shot):
    shot.propagated()
    before = set(shot.host.artist.nodes())
    shot.host.artist.set("Matted1", "tolerance", 1)
    shot.host.undo_steps.clear()
    shot.press("to_roto")
    flow = shot.settle()

    assert not flow.report.error, flow.report
    (made,) = set(shot.host.artist.nodes()) - before
    assert made == "Matted_hero" and shot.host.artist.input(made) == "Read1"
    assert shot.host.undo_steps == ["Matted: To Roto"]
    for frame in FRAMES:
        drawn, known = alpha(shot, frame, made) > 0.5, alpha(shot, frame) > 0.5
        overlap = (drawn & known).sum() / (drawn | known).sum()
        assert overlap > 0.93, (frame, overlap)  # a pixel along the whole outline of so small a disc is 0.15
    keys = {int(time) for time in shot.host.module.toNode(made)["curves"].getKeyList()}
    assert len(keys & set(FRAMES)) < len(FRAMES)  # outside are those that hide the shape
