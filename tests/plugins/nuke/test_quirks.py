"""What of hosts.md 2 and 8.1 no other test of the plugin would miss, by number; plugins/nuke/README.md has the whole table.

Most ask a Matted node alone, without a daemon: a fact about Nuke needs no mattes.
"""

import ast
import json
import re
import sys
import threading
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes.drawn_plate import FIRST, HEIGHT, LAST, WIDTH, matte, picture, write
from fakes.host import render_one
from fakes.nuke import Nuke
from fakes.nuke_rotopaint import artist_bezier
from fakes.nuke_shot import NukeShot
from matted_plugin.host import HostError, Mattes, Rendering, Shape
from matted_protocol.client import Client

ROOT = Path(__file__).parents[3]
SOURCES = [
    file
    for folder in ("plugins/nuke", "plugins/common", "protocol")
    for file in sorted((ROOT / folder).rglob("*.py"))
    if file.name != "selftest.py"  # what it asks a real Nuke is what the plugin must not do
]


@pytest.fixture(autouse=True)
def no_config(monkeypatch):
    monkeypatch.delenv("OCIO", raising=False)


@pytest.fixture
def connected(daemon, monkeypatch):
    monkeypatch.setenv("MATTED_CONNECTION_FILE", str(daemon.file))


@pytest.fixture
def shot(tmp_path):
    """A drawn shot with a Matted node."""
    with NukeShot(tmp_path) as made:
        made.draw().make()
        yield made


@pytest.fixture
def graded(tmp_path):
    """The same with a Grade, so that the plate must be rendered."""
    with NukeShot(tmp_path, graded=True) as made:
        made.draw().make()
        yield made


def asking(shot, name="Matted1"):
    """The Matted node as the buttons see it."""
    from matted_nuke.host import NukeHost

    return NukeHost(shot.host.module.toNode(name))


def rendered(shot, path, channel=None, compressed=True, frame=FIRST):
    """One frame rendered through the Matted node; returns the file opened."""
    render_one(asking(shot), Rendering(frame, path.as_posix(), channel, compressed))
    image = oiio.ImageBuf(str(path))
    assert not image.has_error, image.geterror()
    return image


def mattes_in(folder, frames):
    """Some mattes of a half-finished job; returns their pattern."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        file = oiio.ImageOutput.create("a.exr")
        spec = oiio.ImageSpec(WIDTH, HEIGHT, 1, "half")
        spec.channelnames = ("A",)
        assert file.open(str(folder / f"hero.{frame}.exr"), spec)
        assert file.write_image(np.full((HEIGHT, WIDTH, 1), 0.5, np.float32))
        file.close()
    return (folder / "hero.%04d.exr").as_posix()


def showing(shot, pattern, complete=False, frames=(FIRST, LAST)):
    asking(shot).show_mattes(Mattes({"hero": pattern}, frames, complete, ()))


def shapes_in(shot):
    """A square that moves, as To Roto brings it in; returns the Roto's name."""
    square = tuple((x, y, 0.0, 0.0, 0.0, 0.0) for x, y in ((10, 10), (40, 10), (40, 40), (10, 40)))
    moved = tuple((x + 20, y, *rest) for x, y, *rest in square)
    shape = Shape("hero", "outline", (FIRST, LAST), (square, moved), ((FIRST, LAST),), False, (WIDTH, HEIGHT))
    return asking(shot).make_shapes([shape], "hero")


def alpha(shot, frame):
    return shot.host.artist.image("Matted1", frame)["rgba.alpha"]


# What the plugin does not use at all

NEVER = {
    "allNodes": "2.8: few nodes may be touched",
    "selectedNode": "2.8: raises when nothing is selected",
    "createNode": "2.5: connects to the selection, and not in a terminal",
    "sample": "2.2: very slow, and filtered",
    "executeInMainThread": "2.6: hangs when called from the main thread",
    "executeInMainThreadWithResult": "2.6: hangs when called from the main thread",
    "executeMultiple": "2.1: blocks for as long as it takes",
    "executeBackgroundNuke": "2.1: takes a licence",
    "ProgressTask": "2.6: another signature in each version",
    "rotopaint": "2.4: one call a point",
    "getMatrixAt": "2.3: does not exist",
    "isDefault": "2.4: never true",
    "curveType": "0.7: crashes Nuke",
    "addPositionKey": "2.4: one call a point",
    "deleteNode": "2.1: no Write of ours to take away",
    "delete": "2.1: no Write of ours to take away",
    "scriptSave": "2.7: the script is the artist's",
    "scriptSaveAs": "2.7: the script is the artist's",
    "scriptSaveToTemp": "2.1: the script is the artist's",
    "bind": "1.3: 5560 and its neighbours belong to Nuke's frame server",
}


@pytest.mark.parametrize("name", NEVER)
def test_when_the_source_is_searched_then_what_nuke_does_badly_is_not_used(name):
    used = [
        f"{file.name}:{node.lineno}"
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == name
    ]

    assert used == [], NEVER[name]


def test_when_the_source_is_searched_then_qt_is_in_the_panel_alone():
    found = {
        file.name
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("PySide")
    }

    assert found == {"panel.py"}


# 1. The main thread


def test_when_mattes_arrive_one_by_one_then_no_other_thread_ever_touches_nuke(connected, shot, tmp_path):
    shot.propagated()

    assert shot.host.strays == []


def test_when_a_call_to_the_daemon_takes_long_then_nuke_is_not_held(connected, shot, monkeypatch):
    answer = threading.Event()
    original = Client.open_shot

    def slow(*args, **more):
        assert answer.wait(30)
        return original(*args, **more)

    monkeypatch.setattr(Client, "open_shot", slow)
    shot.press("propagate")
    shot.host.pump(0.3)
    busy = shot.flow().busy
    answer.set()
    flow = shot.settle()

    assert busy and flow.state.job_state == "done"


# 2. nuke.execute


def test_when_nuke_says_it_rendered_and_there_is_no_file_then_the_frame_is_named(graded, tmp_path):
    graded.host.lose_files_at(FIRST)

    with pytest.raises(HostError, match=f"wrote nothing for frame {FIRST}"):
        rendered(graded, tmp_path / "a.exr")


def test_when_cancel_is_pressed_within_nukes_execute_then_it_stops_after_that_frame(connected, graded, tmp_path):
    """Nuke's progress bar turns the event loop, so a button can be pressed while a frame renders."""
    turn, pressed = graded.host.between_frames, []

    def between():
        turn()
        if len(graded.host.rendered) == 3 and not pressed:
            pressed.append(True)
            graded.press("cancel")

    graded.host.between_frames = between
    before = graded.knobs()
    graded.press("propagate")
    flow = graded.settle()

    assert pressed and len(graded.host.rendered) == 3
    assert not flow.report.error and flow.report.sentence.startswith("Stopped")
    assert graded.knobs() == before and graded.host.errors_in_callbacks == []


def test_when_the_clock_ticks_within_nukes_execute_then_nothing_starts_twice(connected, graded):
    turn = graded.host.between_frames

    def between():
        turn()
        from matted_nuke import buttons

        assert not buttons.tick()

    graded.host.between_frames = between
    graded.propagated()

    names = [Path(path).name for path in graded.host.rendered if "plate" in path]
    assert names == [f"part.plate.{frame}.exr" for frame in range(FIRST, LAST + 1)]


def test_when_nothing_is_rendered_then_the_write_inside_is_disabled_raw_and_half(graded, tmp_path):
    write_knobs = ("disable", "raw", "create_directories", "file_type", "datatype")

    def told():
        return [graded.host.artist.knob("Matted1.MattedWrite", name) for name in write_knobs]

    before = told()
    rendered(graded, tmp_path / "a.exr")

    assert before == told() == [1, 1, 1, "exr", "16 bit half"]


def test_when_an_artist_has_a_write_then_it_is_neither_rendered_nor_changed(graded, tmp_path):
    artist = graded.host.artist
    artist.node("Write", "Write1", file=f"{tmp_path}/theirs.%04d.exr", channels="rgba")
    artist.connect("Write1", 0, "Matted1")
    before = {name: artist.knob("Write1", name) for name in ("file", "channels", "disable", "views")}
    rendered(graded, tmp_path / "a.exr", "rgba.alpha")

    assert {name: artist.knob("Write1", name) for name in before} == before
    assert graded.host.rendered == [(tmp_path / "a.exr").as_posix()]


# 3. Nodes come and go


def test_when_the_node_is_deleted_and_that_is_undone_then_its_buttons_still_work(graded, tmp_path):
    host = asking(graded)
    render_one(host, Rendering(FIRST, (tmp_path / "a.exr").as_posix(), "rgba.alpha"))
    graded.host.remove(graded.host.model("Matted1"))
    graded.host.undo()
    graded.host.artist.connect("Matted1", 0, "Grade1")
    graded.host.artist.connect("Matted1", 1, "Roto1")
    render_one(host, Rendering(FIRST, (tmp_path / "b.exr").as_posix(), "rgba.alpha"))

    assert (tmp_path / "b.exr").stat().st_size


def test_when_an_undo_comes_right_before_cancel_then_the_work_at_hand_is_stopped(connected, graded):
    """The button's code runs inside the Group, where a name from the root is not found."""
    graded.press("propagate")
    flow = graded.flow()
    graded.host.pump(30, until=lambda: len(graded.host.rendered) >= 2)
    graded.host.undo()
    graded.press("cancel")

    assert graded.settle() is flow and flow.report.sentence.startswith("Stopped")


def test_when_another_roto_is_connected_then_its_keys_are_read(shot):
    host = asking(shot)
    before = list(host.read_keyframes())
    artist = shot.host.artist
    artist.delete("Roto1")
    artist.node("RotoPaint", "Other")
    artist_bezier(artist.knob("Other", "curves"), "Bezier1", {FIRST + 3: [(1, 1), (9, 1), (9, 9)]})
    artist.connect("Matted1", 1, "Other")

    assert before == [FIRST, LAST]
    assert list(host.read_keyframes()) == [FIRST + 3]


@pytest.mark.parametrize("name", ["MattedWrite", "MattedMask"])
def test_when_a_node_inside_is_gone_then_it_is_named_and_nothing_is_left_changed(graded, tmp_path, name):
    host = asking(graded)
    graded.host.artist.delete(f"Matted1.{name}")
    before = graded.knobs()

    with pytest.raises(HostError, match=f"{name} inside Matted1 is gone"):
        render_one(host, Rendering(FIRST, (tmp_path / "a.exr").as_posix(), "rgba.red"))
    assert graded.knobs() == before


def test_when_a_read_beside_the_node_was_deleted_then_another_is_made(shot, tmp_path):
    shot.host.artist.set("Matted1", "results", "Reads beside it")
    showing(shot, mattes_in(tmp_path / "v001", [FIRST]))
    shot.host.artist.delete("Matte_hero")
    showing(shot, mattes_in(tmp_path / "v002", [FIRST]))

    assert "v002" in shot.host.artist.knob("Matte_hero", "file")


@pytest.mark.parametrize("place", ["", "Shot1"], ids=["root", "group"])
def test_when_code_runs_inside_the_group_then_a_read_beside_it_is_made_around_it_and_only_once(shot, tmp_path, place):
    from matted_nuke.node import group_text

    artist, name = shot.host.artist, "Matted1"
    if place:
        artist.node("Group", place)
        (name,) = artist.paste(group_text("Matted1", "", (0, 0)), place)
    artist.set(name, "results", "Reads beside it")
    host = asking(shot, name)
    for version in ("v001", "v002"):
        with host.group:
            host.show_mattes(Mattes({"hero": mattes_in(tmp_path / version, [FIRST])}, (FIRST, LAST), False, ()))

    made = [found for found in artist.nodes() if "Matte_hero" in found]
    assert made == [f"{place}.Matte_hero".lstrip(".")]
    assert "v002" in artist.knob(made[0], "file")


def test_when_the_script_is_saved_at_work_then_it_holds_the_state_of_that_moment(connected, shot, tmp_path):
    shot.press("propagate")
    flow = shot.flow()
    shot.host.pump(30, until=lambda: flow.state.running and flow.state.job)
    flow.state.done = 7
    shot.host.save(tmp_path / "shot.nk")

    assert json.loads(shot.host.artist.knob("Matted1", "matted_state"))["done"] == 7
    assert '\\"done\\":7' in (tmp_path / "shot.nk").read_text()


# 4. Paths


def test_when_the_folder_is_missing_then_the_write_makes_it(graded, tmp_path):
    rendered(graded, tmp_path / "not" / "there" / "a.exr")


def test_when_windows_gives_backslashes_then_every_knob_gets_forward_slashes(connected, tmp_path):
    with NukeShot(tmp_path, graded=True, windows=True) as shot:
        shot.draw().make()
        shot.host.artist.set("Matted1", "out", str(tmp_path / "my mattes").replace("/", "\\"))
        flow = shot.propagated()
        flow.state.folder = flow.state.folder.replace("/", "\\")
        flow.show()

        file = shot.host.artist.knob("Matted1.MattedRead", "file")
        assert file == (tmp_path / "my mattes/v001/hero/hero.%04d.exr").as_posix()


def test_when_mattes_are_loaded_then_the_projects_range_stays(tmp_path):
    """A script's only Read moves the range of a script that is not locked (hosts.md 2.7)."""
    with NukeShot(tmp_path) as shot:
        shot.draw().make()
        shot.host.artist.delete("Read1")
        shot.host.artist.set("root", "first_frame", 990)
        shot.host.artist.set("root", "last_frame", 1200)
        showing(shot, mattes_in(tmp_path / "v001", [FIRST]))

        assert [shot.host.artist.knob("root", name) for name in ("first_frame", "last_frame")] == [990, 1200]


# 5. What knobs start as


def test_when_mattes_are_still_coming_then_missing_ones_are_black_and_no_error(shot, tmp_path):
    pattern = mattes_in(tmp_path / "v001", [FIRST])
    showing(shot, pattern)

    assert alpha(shot, FIRST).max() == 0.5
    assert alpha(shot, FIRST + 4).max() == 0
    mattes_in(tmp_path / "v001", [FIRST + 4])
    showing(shot, pattern)
    assert alpha(shot, FIRST + 4).max() == 0.5


def test_when_all_mattes_should_be_there_then_a_missing_one_is_an_error(shot, tmp_path):
    showing(shot, mattes_in(tmp_path / "v001", [FIRST]), complete=True)

    with pytest.raises(RuntimeError, match="No such file"):
        alpha(shot, FIRST + 4)


def test_when_mattes_are_loaded_then_no_knob_of_the_read_changes_their_numbers(shot, tmp_path):
    showing(shot, mattes_in(tmp_path / "v001", [FIRST]))

    told = {name: shot.host.artist.knob("Matted1.MattedRead", name) for name in ("raw", "premultiplied", "auto_alpha")}
    assert told == {"raw": 1, "premultiplied": 0, "auto_alpha": 0}


def test_when_a_colourspace_has_a_label_then_its_name_is_sent(shot):
    shot.host.artist.set("root", "colorManagement", "OCIO")
    shot.host.artist.set("root", "OCIO_config", "fn-nuke_cg-config-v1.0.0_aces-v1.3_ocio-v2.1")
    space = shot.host.model("Read1").knob("colorspace")
    space.choices = ["default", "ACES - ACEScg\tScene (ACES - ACEScg)"]
    space.choose("ACES - ACEScg")

    assert asking(shot).read().plate.colorspace == "ACES - ACEScg"


def test_when_other_nodes_are_selected_too_then_the_matted_one_is_meant(shot):
    shot.host.artist.select(["Read1", "Roto1", "Matted1"])
    shot.host.choose("Nuke", "Matted/Find keyframes")

    assert shot.host.artist.knob("Matted1", "keyframes") == f"{FIRST} {LAST}"
    assert shot.host.messages == []


# The plate's own files, or a render (hosts.md 2.1, 2.5 and 2.9)


@pytest.mark.parametrize(
    ("knob", "value", "says"),
    [
        ("premultiplied", True, "unpremultiplies"),
        ("disable", True, "is disabled"),
        ("frame", "frame + 1", "picks its frames by an expression"),
        ("file", "[getenv SHOTS]/plate.%04d.exr", "an expression or relative"),
        ("file", "plate.%04d.exr", "an expression or relative"),
        ("file", "/shots/plate.mov", "settings of its own"),
        ("file", "/shots/plate.%04d.dpx", "settings of its own"),
        ("colorspace", "Cineon", "Nuke's own"),
        ("last", FIRST + 3, f"has frames {FIRST}-{FIRST + 3} only"),
    ],
    ids=["premultiplied", "disabled", "expression", "tcl", "relative", "movie", "log", "curve", "short"],
)
def test_when_a_read_does_not_show_its_files_as_they_are_then_the_plate_is_rendered(shot, knob, value, says):
    shot.host.artist.set("Matted1", "frames", f"{FIRST}-{LAST}")
    as_it_is = asking(shot).read().plate
    shot.host.artist.set("Read1", knob, value)
    plate = asking(shot).read().plate

    assert as_it_is.path == shot.plate and as_it_is.why == ""
    assert plate.path is None and says in plate.why
    assert plate.colorspace == "lin_rec709"


@pytest.mark.parametrize("cls", ["TimeOffset", "FrameHold", "Reformat", "Crop", "Shuffle2"])
def test_when_anything_but_a_dot_stands_between_then_the_plate_is_rendered(shot, cls):
    shot.host.artist.node(cls, "Between")
    shot.host.artist.connect("Between", 0, "Read1")
    shot.host.artist.connect("Matted1", 0, "Between")

    assert f"Between ({cls}) changes the plate" in asking(shot).read().plate.why


@pytest.mark.parametrize(
    ("mode", "number", "first", "offset"),
    [
        ("start at", "1001", 1, -1000),
        ("offset", "-1000", 1, -1000),
        ("offset", "10", 1001, 10),
        ("expression", "", 1001, 0),
    ],
    ids=["start-at", "offset", "offset-on", "none"],
)
def test_when_a_read_slides_its_files_then_the_offset_says_which_file_a_frame_is(tmp_path, mode, number, first, offset):
    with NukeShot(tmp_path, plate=write(tmp_path / "slid", offset=offset)) as shot:
        shot.draw()
        last = first + LAST - FIRST + (10 if offset == 10 else 0)
        for knob, value in (("first", first), ("last", last), ("frame_mode", mode), ("frame", number)):
            shot.host.artist.set("Read1", knob, value)
        shot.make()
        plate = asking(shot).read().plate
        seen = shot.host.artist.image("Read1", FIRST + 2)["rgba.red"]

        assert (plate.path, plate.offset) == (shot.plate, offset)
        assert np.abs(seen - picture(FIRST + 2)[..., 0]).max() < 2e-3


def test_when_colours_go_by_ocio_then_space_and_config_are_sent_and_a_default_is_rendered(shot):
    artist = shot.host.artist
    artist.set("root", "colorManagement", "OCIO")
    artist.set("root", "OCIO_config", "custom")
    artist.set("root", "customOCIOConfigPath", "/configs/aces/config.ocio")
    by_default = asking(shot).read().plate
    artist.set("Read1", "raw", True)
    raw = asking(shot).read().plate

    assert by_default.path is None and by_default.why and by_default.ocio == "/configs/aces/config.ocio"
    assert (raw.path, raw.ocio) == (shot.plate, "/configs/aces/config.ocio")
    assert by_default.colorspace == raw.colorspace == artist.knob("root", "workingSpaceLUT")


@pytest.mark.parametrize(
    ("space", "sent"), [("default", "lin_rec709"), ("sRGB", "srgb_tx"), ("Gamma2.2", "g22_rec709_tx")]
)
def test_when_nuke_manages_colours_then_the_reads_curve_is_sent_by_its_ocio_name(shot, space, sent):
    shot.host.artist.set("Read1", "colorspace", space)

    assert asking(shot).read().plate.colorspace == sent


def test_when_a_read_is_raw_then_its_files_are_in_the_working_space(shot):
    shot.host.artist.set("Read1", "colorspace", "sRGB")
    shot.host.artist.set("Read1", "raw", True)

    assert asking(shot).read().plate.colorspace == "lin_rec709"


def test_when_the_range_is_before_zero_then_frames_keep_their_numbers(connected, tmp_path):
    with NukeShot(tmp_path, graded=True) as shot:
        shot.draw().make()
        shot.host.artist.node("TimeOffset", "Back", time_offset=-1005)
        shot.host.artist.connect("Back", 0, "Grade1")
        shot.host.artist.connect("Matted1", 0, "Back")
        shot.host.artist.set("Matted1", "frames", "-4-2")
        shot.host.artist.set("Matted1", "keyframes", "-4 2")
        artist_bezier(
            shot.host.artist.knob("Roto1", "curves"), "Early", {frame: [(5, 5), (50, 5), (50, 50)] for frame in (-4, 2)}
        )
        flow = shot.propagated()

        assert flow.state.frames == [-4, 2] and flow.state.keyframes == [-4, 2]
        assert [int(number) for number in re.findall(r"plate\.(-?\d+)\.exr", "".join(shot.host.rendered))] == list(
            range(-4, 3)
        )


def test_when_a_script_was_never_saved_then_mattes_have_a_folder(tmp_path):
    with NukeShot(tmp_path) as shot:
        shot.draw().make()
        unsaved = asking(shot).read().out
        shot.host.save(tmp_path / "shot.nk")

        assert unsaved == (tmp_path / "data/matted/unsaved/Matted1").as_posix()
        assert asking(shot).read().out == (tmp_path / "matted/shot/Matted1").as_posix()


# 2.3 Masks


@pytest.mark.parametrize(
    "blur",
    [
        {"motionblur_mode": "shape", "motionblur_on": True},
        {"motionblur_mode": "global", "global_motionblur": 1},
    ],
    ids=["shape", "global"],
)
def test_when_a_roto_blurs_then_its_mask_does_not_and_the_blur_stays_on(shot, tmp_path, blur):
    artist, frame = shot.host.artist, FIRST + 4
    artist.set("Roto1", "motionblur_mode", "global")
    artist.set("Roto1", "global_motionblur", 0)
    sharp = artist.image("Roto1", frame)["rgba.alpha"]
    for name, value in blur.items():
        artist.set("Roto1", name, value)
    mask = rendered(shot, tmp_path / "a.exr", "rgba.alpha", frame=frame).get_pixels(oiio.FLOAT)[..., 0]

    assert np.abs(artist.image("Roto1", frame)["rgba.alpha"] - sharp).max() > 0.1
    assert np.abs(mask - sharp).max() < 2e-3
    assert {name: artist.knob("Roto1", name) for name in blur} == blur


# 6. To Roto


def test_when_nuke_draws_curved_motion_then_pasted_shapes_are_straightened(shot, monkeypatch):
    from matted_nuke import shapes as outlines

    text = outlines.roto_node_text
    monkeypatch.setattr(outlines, "roto_node_text", lambda *a, **b: text(*a, **b).replace(" 0 0 0 0 2}", "}"))
    name = shapes_in(shot)

    curves = shot.host.artist.knob(name, "curves")
    key = curves.toElement("hero/outline")[0].center.getPositionAnimCurve(0).getKey(0)
    assert key.interpolationType == outlines.LINEAR


def test_when_shapes_are_pasted_then_they_are_drawn_as_in_any_roto(shot):
    shot.host.artist.select(["Matted1"])
    name = shapes_in(shot)
    fresh = shot.host.artist.node("Roto", "Fresh")
    knobs = ("output", "cliptype", "premultiply", "replace", "feather_on", "motionblur_on")

    assert [shot.host.artist.knob(name, knob) for knob in knobs] == [
        shot.host.artist.knob(fresh, knob) for knob in knobs
    ]
    assert shot.host.artist.input(name) == "Read1"
    assert shot.host.artist.image(name, FIRST)["rgba.alpha"].max() == pytest.approx(1, abs=1e-3)


# 9. Editions that show Python few nodes


@pytest.mark.parametrize("edition", ["nc", "indie"])
def test_when_the_edition_shows_few_nodes_then_one_dot_before_the_read_is_all_that_is_followed(tmp_path, edition):
    with NukeShot(tmp_path, edition=edition) as shot:
        shot.draw().make()
        above = "Read1"
        for number in range(6):
            above, below = shot.host.artist.node("Dot", f"Dot{number}"), above
            shot.host.artist.connect(above, 0, below)
        shot.host.artist.connect("Matted1", 0, above)

        assert "many nodes stand between" in asking(shot).read().plate.why
        assert shot.host.handles <= 8


@pytest.mark.parametrize("item", ["Matted node", "Propagate"])
def test_when_more_nodes_are_selected_than_the_edition_shows_then_it_says_so(tmp_path, item):
    with NukeShot(tmp_path, edition="nc") as shot:
        shot.draw()
        names = [shot.host.artist.node("NoOp", f"Busy{number}") for number in range(30)]
        shot.host.artist.select(names)
        before = shot.host.artist.nodes()
        shot.host.choose("Nuke", f"Matted/{item}")

        told = " ".join([*shot.host.messages, *shot.host.printed])
        assert "selected" in told and "10" in told
        assert shot.host.artist.nodes() == before


def test_when_too_much_is_selected_and_one_node_is_in_use_then_that_one_is_meant(tmp_path):
    with NukeShot(tmp_path, edition="nc") as shot:
        shot.draw().make()
        shot.press("find_keyframes")
        shot.host.artist.set("Matted1", "keyframes", "")
        shot.host.artist.select([shot.host.artist.node("NoOp", f"Busy{number}") for number in range(30)])
        shot.host.choose("Nuke", "Matted/Find keyframes")

        assert shot.host.artist.knob("Matted1", "keyframes") == f"{FIRST} {LAST}"


# 10. A terminal


def test_when_there_is_no_window_then_every_function_works_or_says_why(connected, tmp_path):
    with NukeShot(tmp_path) as shot:
        shot.draw().make()
        shot.host.save(tmp_path / "shot.nk")
    with NukeShot(tmp_path, gui=False) as shot:
        shot.host.open(tmp_path / "shot.nk")
        from matted_nuke import buttons

        buttons.find_keyframes("Matted1")
        buttons.show_panel("Matted1")
        buttons.copy_diagnostics()
        shot.host.artist.set("Matted1", "objects", "hero hero")
        with pytest.raises(HostError, match="does not name objects"):
            buttons.propagate("Matted1")

        assert "matted_nuke.panel" not in sys.modules  # there is no Qt to speak of
        assert any("python 3" in line for line in shot.host.printed)
        assert shot.host.artist.knob("Matted1", "keyframes") == f"{FIRST} {LAST}"


# 11. Versions


def test_when_more_frames_are_wanted_then_the_read_follows_in_whole_numbers(tmp_path):
    with NukeShot(tmp_path, version=(17, 0, 3)) as shot:
        shot.draw().make()
        pattern = mattes_in(tmp_path / "v001", [FIRST])
        showing(shot, pattern)
        showing(shot, pattern, frames=(FIRST - 4, LAST + 5))

        told = [
            shot.host.artist.knob("Matted1.MattedRead", name) for name in ("first", "last", "origfirst", "origlast")
        ]
        assert told == [FIRST - 4, LAST + 5] * 2


# 12. Proxy, formats, boxes, views


@pytest.mark.parametrize(
    ("size", "corner"),
    [((WIDTH + 20, HEIGHT + 12), (-10, -6)), ((WIDTH - 40, HEIGHT - 20), (15, 8))],
    ids=["over", "under"],
)
def test_when_the_data_window_is_not_the_format_then_the_daemon_gets_the_format(graded, tmp_path, size, corner):
    for frame in range(FIRST, LAST + 1):
        spec = oiio.ImageSpec(size[0], size[1], 3, "half")
        (spec.x, spec.y), spec.full_width, spec.full_height = corner, WIDTH, HEIGHT
        file = oiio.ImageOutput.create("a.exr")
        assert file.open(str(tmp_path / f"box.{frame}.exr"), spec)
        assert file.write_image(np.full((size[1], size[0], 3), 0.25, np.float32))
        file.close()
    graded.host.artist.set("Read1", "file", (tmp_path / "box.%04d.exr").as_posix())
    spec = rendered(graded, tmp_path / "a.exr").spec()

    assert asking(graded).read().plate.size == (WIDTH, HEIGHT)
    assert (spec.x, spec.y, spec.width, spec.height) == (0, 0, WIDTH, HEIGHT)
    assert (spec.full_width, spec.full_height) == (WIDTH, HEIGHT)


def test_when_the_plate_is_anamorphic_then_its_pixel_aspect_is_sent_and_no_pixel_is_squeezed(graded, tmp_path):
    spec = oiio.ImageSpec(WIDTH, HEIGHT, 3, "half")
    spec.attribute("PixelAspectRatio", 2.0)
    file = oiio.ImageOutput.create("a.exr")
    assert file.open(str(tmp_path / f"wide.{FIRST}.exr"), spec)
    assert file.write_image(np.ascontiguousarray(picture(FIRST)))
    file.close()
    graded.host.artist.set("Read1", "file", (tmp_path / "wide.%04d.exr").as_posix())
    plate = asking(graded).read().plate

    assert (plate.size, plate.pixel_aspect) == ((WIDTH, HEIGHT), 2.0)
    assert rendered(graded, tmp_path / "a.exr").spec().width == WIDTH


def test_when_proxy_mode_is_on_then_what_is_told_of_the_plate_is_the_same(graded, tmp_path):
    before = asking(graded).read().plate
    graded.host.artist.set("root", "proxy", True)
    graded.host.undo_steps.clear()
    with_proxy = asking(graded).read().plate

    assert with_proxy == before and before.size == (WIDTH, HEIGHT)
    assert graded.host.artist.knob("root", "proxy") == 1 and graded.host.undo_steps == []
    assert rendered(graded, tmp_path / "a.exr", "rgba.alpha").spec().width == WIDTH


def test_when_a_script_is_stereo_then_the_view_of_the_knob_is_matted(graded, tmp_path):
    for view, gain in (("left", 1.0), ("right", 0.5)):
        for frame in (FIRST, LAST):
            file = oiio.ImageOutput.create("a.exr")
            assert file.open(str(tmp_path / f"plate.{view}.{frame}.exr"), oiio.ImageSpec(WIDTH, HEIGHT, 3, "half"))
            assert file.write_image(np.full((HEIGHT, WIDTH, 3), gain, np.float32))
            file.close()
    graded.host.views = ["left", "right"]
    artist = graded.host.artist
    artist.set("Read1", "file", (tmp_path / "plate.%V.%04d.exr").as_posix())

    def red(view):
        artist.set("Matted1", "view", view)
        return rendered(graded, tmp_path / f"{view or 'first'}.exr").get_pixels(oiio.FLOAT)[..., 0].max()

    assert (red("left"), red("right"), red("")) == pytest.approx((0.8, 0.4, 0.8), abs=1e-3)
    artist.connect("Matted1", 0, "Read1")
    artist.set("Matted1", "view", "right")
    assert asking(graded).read().plate.path == (tmp_path / "plate.right.%04d.exr").as_posix()


# 13. Undo


def test_when_a_button_says_what_is_wrong_then_that_is_no_undo_step(shot):
    shot.host.artist.set("Matted1", "objects", "hero hero")
    shot.host.artist.set("Matted1", "keyframes", "monday")
    shot.host.undo_steps.clear()
    shot.press("add_keyframe")

    assert "monday" in shot.host.artist.knob("Matted1", "status")
    assert shot.host.undo_steps == []


# 14. What must never stop Nuke, or a script from opening


def test_when_a_button_or_callback_raises_then_the_artist_is_told_and_nothing_reaches_nuke(shot, monkeypatch):
    from matted_nuke import buttons

    def fails(*_):
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(buttons, "propagate", fails)
    monkeypatch.setattr(buttons, "shown", fails)
    shot.press("propagate")
    told = list(shot.host.messages)
    shot.host.module.toNode("Matted1")["shown"].setValue(0)

    assert len(told) == 1 and "on purpose" in told[0] and "log" in told[0]
    assert shot.host.messages == told and shot.host.errors_in_callbacks == []


def test_when_the_plugin_is_not_installed_then_the_script_still_opens_and_renders(shot, tmp_path):

    showing(shot, mattes_in(tmp_path / "v001", [FIRST]))
    shot.host.save(tmp_path / "shot.nk")
    shot.host.kill()
    sys.path[:] = [path for path in sys.path if "plugins" not in path]
    with Nuke(home=tmp_path / "farm", gui=True) as farm:
        farm.open(tmp_path / "shot.nk")
        farm.artist.set("Matted1", "shown", "hero")

        assert farm.artist.image("Matted1", FIRST)["rgba.alpha"].max() == 0.5
        assert farm.errors_in_callbacks == []


# 15. Nuke's own neighbours


def test_when_nukes_frame_server_is_there_then_the_walk_goes_through(connected, tmp_path):
    with NukeShot(tmp_path) as shot:
        shot.host.occupy_frame_server_port()
        shot.draw().make()
        shot.propagated()

        assert np.abs(alpha(shot, FIRST) - matte(FIRST)).mean() < 0.01


# The table


def rows():
    page = (ROOT / "plugins/nuke/README.md").read_text("utf-8")
    table = re.search(r"<!-- quirks -->\n(.*)<!-- /quirks -->", page, re.DOTALL)
    assert table, "the README has no table of quirks"
    return [line.strip("|").split(" | ") for line in table.group(1).splitlines()[2:] if line.startswith("|")]


def test_when_a_test_is_named_in_the_table_then_it_exists():
    known = {
        f"{file.stem}::{node.name}"
        for file in Path(__file__).parents[1].rglob("test_*.py")
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    for number, *_, tests in rows():
        named = re.findall(r"`(test_\w+::test_\w+)`", tests)
        assert named, f"the row {number} names no test"
        assert set(named) <= known, number


def test_when_the_table_is_read_then_each_quirk_is_in_it_once():
    numbers = [row[0].strip() for row in rows()]

    assert len(numbers) == len(set(numbers))
    assert {int(re.match(r"\d+", number)[0]) for number in numbers if "." not in number} == set(range(1, 16))
