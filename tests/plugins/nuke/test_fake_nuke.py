"""The stand-in Nuke behaves as hosts.md says: a test for each numbered item of 8.1, and for what a plug-in lives on."""

import contextlib
import re
import threading
import time

import nkparser
import numpy as np
import OpenImageIO as oiio
import pytest

from fakes.nuke import Deadlock, NotMeasured, Nuke
from fakes.nuke_rotopaint import artist_bezier

GROUP = r"""set cut_paste_input [stack 0]
version 16.0 v1
push 0
push 0
Group {
 inputs 2
 name Matted1
 addUserKnob {20 matted l Matted}
 addUserKnob {2 render_file l "" +INVISIBLE}
 render_file "FOLDER/p.%04d.exr"
 addUserKnob {2 matte_file l "" +INVISIBLE}
 matte_file "FOLDER/m.%04d.exr"
 addUserKnob {3 rendering l "" +INVISIBLE}
 addUserKnob {1 matted_state l "" +INVISIBLE}
 matted_state "\{\"frames\": \[1001, 1002]\}\n\$x"
 addUserKnob {4 view_of l View M {Result "Plate only" ""}}
 addUserKnob {22 go l Go T "import nuke\nnuke.thisNode()\['rendering'].setValue(1)\nwith nuke.thisNode():\n    nuke.execute(nuke.toNode('Write1'), 1001, 1002)\nnuke.thisNode()\['rendering'].setValue(0)" +STARTLINE}
 addUserKnob {26 status l "" +STARTLINE T " "}
}
 Input {
  inputs 0
  name plate
 }
 Crop {
  box {0 0 {input.format.r} {input.format.t}}
  name Crop1
 }
set N1 [stack 0]
 Write {
  file "\[value parent.render_file]"
  file_type exr
  channels rgba
  create_directories true
  disable {{"parent.rendering < 1"}}
  name Write1
 }
 Input {
  inputs 0
  name roto
  number 1
 }
push $N1
 Copy {
  inputs 2
  from0 rgba.alpha
  to0 rgba.alpha
  name Copy1
 }
 Output {
  name Output1
 }
end_group
"""

NOT_NUKES = re.compile(r"end_group|variable '\$0'")
"""What nkparser 0.3 alone complains of: it looks for end_group inside the braces, and does not know ``push 0``."""


@pytest.fixture
def host(tmp_path):
    with Nuke(home=tmp_path) as running:
        yield running


def pasted(host, tmp_path, text=GROUP):
    """The Group pasted by Python, as a plug-in does it."""
    file = tmp_path / "group.nk"
    file.write_text(text.replace("FOLDER", tmp_path.as_posix()))
    return host.module.nodePaste(str(file))


def plate(host, colour=(0.1, 0.2, 0.3, 1.0)):
    return host.artist.node("Constant", channels="rgba", color=colour, format="square_256")


def exr(path, value=0.5, size=(8, 4), names=("R", "G", "B", "A"), x=0, y=0, full=None, aspect=1.0):
    spec = oiio.ImageSpec(size[0], size[1], len(names), "half")
    spec.channelnames, spec.x, spec.y = names, x, y
    spec.full_width, spec.full_height = full or size
    spec.attribute("PixelAspectRatio", aspect)
    out = oiio.ImageOutput.create(str(path))
    out.open(str(path), spec)
    out.write_image(np.full((size[1], size[0], len(names)), value, np.float32))
    out.close()


def in_thread(call):
    """What ``call`` raises in a worker thread."""
    found = []

    def run():
        try:
            found.append(call())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


# -- the module


def test_when_an_attribute_is_unknown_then_not_measured_is_raised_and_remembered(host):
    with pytest.raises(NotMeasured):
        host.module.executeBackgroundNuke("nuke", [], None)
    assert [str(error) for error in host.refused] == ["nuke.executeBackgroundNuke"]
    host.refused.clear()


def test_when_a_refusal_is_swallowed_then_leaving_the_host_raises_it(tmp_path):
    with pytest.raises(NotMeasured, match="gizmo"), Nuke(home=tmp_path) as host, contextlib.suppress(Exception):
        host.module.gizmo()


def test_when_the_host_is_left_then_its_modules_are_gone(tmp_path):
    with Nuke(home=tmp_path):
        import nuke
        import nukescripts  # noqa: F401

        assert nuke.NUKE_VERSION_MAJOR == 16
    with pytest.raises(ImportError):
        import nuke


# -- 8.1 item 1: the main thread


def test_when_a_worker_sets_a_knob_then_it_raises_and_nothing_changes(host):
    knob = host.module.root()["first_frame"]
    assert isinstance(in_thread(lambda: knob.setValue(5)), RuntimeError)
    assert knob.value() == 1


def test_when_a_worker_looks_for_a_node_then_it_raises(host):
    assert isinstance(in_thread(lambda: host.module.toNode("Read1")), RuntimeError)


def test_when_a_worker_asks_the_main_thread_then_pump_runs_it_there(host):
    answers = []
    nuke = host.module
    thread = threading.Thread(target=lambda: answers.append(nuke.executeInMainThreadWithResult(nuke.frame)))
    thread.start()
    host.pump(until=lambda: answers)
    thread.join()
    assert answers == [1]


def test_when_the_main_thread_asks_itself_then_it_is_a_deadlock(host):
    for ask in (host.module.executeInMainThread, host.module.executeInMainThreadWithResult):
        with pytest.raises(Deadlock):
            ask(print)
    host.refused.clear()


def test_when_what_is_waited_for_never_comes_then_pump_raises(host):
    with pytest.raises(TimeoutError):
        host.pump(0.01, until=lambda: False)


def test_when_plugin_code_holds_the_main_thread_then_it_is_measured_without_execute(host, tmp_path):
    plate(host)
    host.artist.node("Write", file=f"{tmp_path}/a.%04d.exr")
    host.artist.connect("Write1", 0, "Constant1")
    host.artist.node("NoOp")
    group = pasted(host, tmp_path, "Group {\n inputs 0\n name Hold\n addUserKnob {22 hold}\n}\nend_group\n")
    group["hold"].setCommand("import time; time.sleep(0.02)")
    host.press("Hold", "hold")
    assert host.held >= 0.02
    host.held = float("-inf")
    group["hold"].setCommand("nuke.root().begin(); nuke.execute('Write1', 1, 5)")
    slow = host.render

    def render(*arguments):
        host.executing += 1000  # as if the frames had taken long
        slow(*arguments)

    host.render = render
    host.press("Hold", "hold")
    assert host.held < 0  # a thousand seconds less than it took


# -- item 2: rendering


def test_when_executed_then_real_files_hold_what_the_graph_says(host, tmp_path):
    group = pasted(host, tmp_path)
    group.setInput(0, host.module.toNode(plate(host)))
    host.press("Matted1", "go")
    assert [path[-8:] for path in host.rendered] == ["1001.exr", "1002.exr"]
    pixels = oiio.ImageInput.open(host.rendered[0])
    assert (pixels.spec().full_width, pixels.spec().nchannels) == (256, 4)
    np.testing.assert_allclose(pixels.read_image("half")[0, 0], [0.1, 0.2, 0.3, 1], atol=1e-3)
    pixels.close()


def test_when_the_artist_cancels_then_execute_raises_and_earlier_frames_stay(host, tmp_path):
    plate(host)
    host.artist.node("Write", file=f"{tmp_path}/a.%04d.exr")
    host.artist.connect("Write1", 0, "Constant1")
    host.cancel_render_at(3)
    with pytest.raises(RuntimeError, match="Cancelled"):
        host.module.execute("Write1", 1, 5)
    assert sorted(file.name for file in tmp_path.glob("a.*")) == ["a.0001.exr", "a.0002.exr"]


def test_when_a_frame_fails_then_execute_raises_or_goes_on_as_told(host, tmp_path):
    plate(host)
    host.artist.node("Write", file=f"{tmp_path}/a.%04d.exr")
    host.artist.connect("Write1", 0, "Constant1")
    host.fail_render_at(2)
    with pytest.raises(RuntimeError, match="frame 2"):
        host.module.execute("Write1", 1, 3)
    host.module.execute("Write1", 1, 3, continueOnError=True)
    assert sorted(file.name for file in tmp_path.glob("a.*")) == ["a.0001.exr", "a.0003.exr"]


def test_when_told_so_then_a_render_succeeds_with_an_empty_file(host, tmp_path):
    plate(host)
    host.artist.node("Write", file=f"{tmp_path}/a.%04d.exr")
    host.artist.connect("Write1", 0, "Constant1")
    host.empty_files_at(2)
    host.module.execute("Write1", 1, 2)
    assert (tmp_path / "a.0001.exr").stat().st_size > 0
    assert (tmp_path / "a.0002.exr").stat().st_size == 0


def test_when_a_write_is_disabled_then_it_cannot_be_executed(host, tmp_path):
    pasted(host, tmp_path)
    with pytest.raises(RuntimeError, match="disabled"):
        host.module.execute("Matted1.Write1", 1, 1)


def test_when_nothing_is_connected_then_no_file_is_written(host, tmp_path):
    group = pasted(host, tmp_path)
    group["rendering"].setValue(1)
    with pytest.raises(RuntimeError, match="nothing is connected"):
        host.module.execute("Matted1.Write1", 1001, 1001)
    assert list(tmp_path.glob("p.*")) == []


def test_when_a_timer_fires_while_frames_render_then_it_does_not_enter_itself(host, tmp_path):
    from PySide6.QtCore import QTimer

    plate(host)
    host.artist.node("Write", file=f"{tmp_path}/a.%04d.exr")
    host.artist.connect("Write1", 0, "Constant1")
    seen = []
    renders, other = QTimer(), QTimer()

    def tick():
        renders.stop()
        host.module.execute("Write1", 1, 3)
        seen.append("rendered")

    renders.timeout.connect(tick)
    other.timeout.connect(lambda: seen.append("other"))
    renders.start(0)
    other.start(0)
    host.pump(until=lambda: "rendered" in seen)
    assert "other" in seen[: seen.index("rendered")]


# -- item 3: lives of nodes


def test_when_a_node_is_deleted_then_its_handles_say_so(host):
    node = host.module.nodes.NoOp()
    knob = node["label"]
    host.artist.delete("NoOp1")
    for call in (node.name, lambda: node["label"], knob.value, lambda: knob.setValue("x")):
        with pytest.raises((ValueError, RuntimeError), match="associated c\\+\\+ object is NULL"):
            call()


def test_when_a_node_is_renamed_then_its_handle_follows(host):
    node = host.module.nodes.NoOp()
    host.artist.rename("NoOp1", "Other")
    assert node.name() == "Other"
    assert host.module.toNode("NoOp1") is None


def test_when_the_script_is_opened_again_then_old_handles_are_dead_and_nodes_are_there(host, tmp_path):
    node = pasted(host, tmp_path)
    host.save(tmp_path / "shot.nk")
    host.open(tmp_path / "shot.nk")
    with pytest.raises(ValueError):
        node.name()
    assert host.module.toNode("Matted1")["rendering"].value() == 0


def test_when_a_deletion_is_undone_then_the_node_is_back_and_old_handles_are_not(host):
    plate(host)
    node = host.module.toNode("Constant1")
    host.module.delete(node)
    host.undo()
    assert host.artist.nodes() == ["Constant1"]
    with pytest.raises(ValueError):
        node.name()


# -- item 4: file names


def test_when_text_with_a_range_is_typed_then_the_range_is_set_and_set_value_sets_text_only(host):
    read = host.module.nodes.Read()
    read["file"].fromUserText("/a folder/m.%04d.exr 1001-1100")
    assert read["file"].value() == "/a folder/m.%04d.exr"
    assert [read[name].value() for name in ("first", "last", "origfirst", "origlast")] == [1001, 1100, 1001, 1100]
    read["file"].setValue("/b/m.%04d.exr 5-6")
    assert (read["file"].value(), read["first"].value()) == ("/b/m.%04d.exr 5-6", 1001)


def test_when_the_folder_is_missing_then_only_create_directories_helps(host, tmp_path):
    plate(host)
    host.artist.node("Write", file=f"{tmp_path}/new/a.%04d.exr")
    host.artist.connect("Write1", 0, "Constant1")
    with pytest.raises(RuntimeError, match="No such file or directory"):
        host.module.execute("Write1", 1, 1)
    host.artist.set("Write1", "create_directories", 1)
    host.module.execute("Write1", 1, 1)
    assert (tmp_path / "new" / "a.0001.exr").is_file()


def test_when_a_windows_file_knob_has_backslashes_then_nothing_is_written(tmp_path):
    with Nuke(home=tmp_path, windows=True) as host:
        plate(host)
        host.artist.node("Write", file=str(tmp_path / "a.exr").replace("/", "\\"))
        host.artist.connect("Write1", 0, "Constant1")
        with pytest.raises(RuntimeError, match="Invalid argument"):
            host.module.execute("Write1", 1, 1)


def test_when_a_file_knob_holds_tcl_then_evaluating_it_resolves_group_and_frame(host, tmp_path):
    pasted(host, tmp_path)
    knob = host.module.toNode("Matted1.Write1")["file"]
    assert knob.value() == "[value parent.render_file]"
    assert knob.evaluate(1007) == f"{tmp_path.as_posix()}/p.1007.exr"


# -- item 5: knobs


@pytest.mark.parametrize(
    ("cls", "knob", "value"),
    [
        ("Write", "channels", "rgb"),
        ("Write", "create_directories", False),
        ("Write", "file_type", " "),
        ("Read", "on_error", "error"),
        ("Read", "before", "hold"),
        ("Roto", "output", "alpha"),
        ("Roto", "cliptype", "format"),
        ("Roto", "motionblur_shutter", 0.5),
        ("Crop", "crop", True),
        ("Reformat", "resize", "width"),
    ],
)
def test_when_a_node_is_fresh_then_its_knobs_have_nukes_defaults(host, cls, knob, value):
    assert getattr(host.module.nodes, cls)()[knob].value() == value


def test_when_a_knob_is_unknown_then_looking_it_up_raises_and_asking_gives_none(host):
    node = host.module.nodes.NoOp()
    assert node.knob("nothing") is None
    with pytest.raises(NameError):
        node["nothing"]
    host.missing_knob = KeyError
    with pytest.raises(KeyError):
        node["nothing"]


def test_when_no_file_type_is_set_then_a_write_has_no_knobs_of_a_format(host):
    write = host.module.nodes.Write()
    assert write.knob("datatype") is None
    write["file_type"].setValue("exr")
    assert write["datatype"].value() == "16 bit half"


def test_when_a_colourspace_has_a_tab_then_its_value_is_what_stands_before(host):
    read = host.module.nodes.Read()
    read["colorspace"].setValue("REDSpace")
    assert read["colorspace"].value() == "REDSpace"
    assert any("\t" in choice for choice in read["colorspace"].values())
    assert "REDSpace" in host.module.getColorspaceList(read["colorspace"])


def test_when_a_choice_does_not_exist_then_setting_it_is_refused(host):
    with pytest.raises(NotMeasured):
        host.module.nodes.Read()["on_error"].setValue("nearest")
    host.refused.clear()


def test_when_a_knob_is_animated_then_set_value_keys_the_current_frame(host):
    node = host.module.nodes.Switch()
    host.artist.set("Switch1", "which", {1001: 0, 1010: 9})
    assert node["which"].getValueAt(1005) == pytest.approx(4)
    host.module.frame(1020)
    node["which"].setValue(3)
    assert node["which"].getKeyList() == [1001, 1010, 1020]


# -- items 6 and 7 live in test_fake_rotopaint.py; here only that the node renders and dies


def test_when_a_roto_is_drawn_then_its_node_gives_an_alpha(host):
    plate(host, (0, 0, 0, 0))
    host.artist.node("Roto")
    host.artist.connect("Roto1", 0, "Constant1")
    square = [(64, 64), (192, 64), (192, 192), (64, 192)]
    artist_bezier(host.artist.knob("Roto1", "curves"), "Bezier1", {1001: square})
    alpha = host.artist.image("Roto1", 1001)["rgba.alpha"]
    assert alpha.shape == (256, 256)
    assert alpha[128, 128] == 1
    assert alpha[5, 5] == 0


@pytest.mark.parametrize(
    ("knobs", "blurs"),
    [
        ({}, False),
        ({"motionblur_on": 1}, True),
        ({"motionblur_mode": "global"}, True),
        ({"motionblur_mode": "global", "global_motionblur": 0, "motionblur_on": 1}, False),
    ],
    ids=["fresh", "shape", "global", "global-without-samples"],
)
def test_when_shapes_move_then_blur_follows_the_mode_and_its_switches(host, knobs, blurs):
    plate(host, (0, 0, 0, 0))
    host.artist.node("Roto", **knobs)
    host.artist.connect("Roto1", 0, "Constant1")
    at = {frame: [(x, 64), (x + 64, 64), (x + 64, 128), (x, 128)] for frame, x in ((1, 0), (3, 128))}
    artist_bezier(host.artist.knob("Roto1", "curves"), "Bezier1", at)
    row = host.artist.image("Roto1", 2)["rgba.alpha"][160]
    assert bool(((row > 0.01) & (row < 0.99)).sum() > 4) is blurs


def test_when_its_roto_is_gone_then_the_curves_knob_is_stale(host):
    host.artist.node("Roto")
    curves = host.module.toNode("Roto1")["curves"]
    assert curves.getKeyList() == []
    host.artist.delete("Roto1")
    with pytest.raises(RuntimeError, match="NULL"):
        curves.getKeyList()


# -- item 8: progress


def test_when_the_version_is_17_then_a_progress_task_takes_more_than_its_name(tmp_path):
    with Nuke(version=(17, 0), home=tmp_path) as host:
        task = host.module.ProgressTask("Matted", maximum=100)
        task.setProgress(10)
        host.cancel_progress_at = 20
        assert not task.isCancelled()
        task.setProgress(25)
        assert task.isCancelled()
        del task
        assert host.bars == {}


def test_when_the_version_is_older_then_a_progress_task_takes_its_name_only(host):
    with pytest.raises(TypeError):
        host.module.ProgressTask("Matted", maximum=100)
    task = host.module.ProgressTask("Matted")
    assert list(host.bars.values()) == ["Matted"]
    del task


# -- item 9: editions


@pytest.mark.parametrize("edition", ["nc", "indie"])
def test_when_python_touches_an_eleventh_node_then_a_small_edition_raises(tmp_path, edition):
    with Nuke(edition=edition, home=tmp_path) as host:
        nuke = host.module
        for _ in range(12):
            host.artist.node("NoOp")
        nuke.root()
        nuke.toNode("preferences")
        for number in range(1, 9):
            nuke.toNode(f"NoOp{number}")
            nuke.toNode(f"NoOp{number}")
        assert host.handles == 10
        with pytest.raises(RuntimeError, match="10 nodes"):
            nuke.toNode("NoOp9")
        with pytest.raises(RuntimeError, match="10 nodes"):
            nuke.allNodes()


def test_when_a_group_is_pasted_then_it_costs_one_handle(tmp_path):
    with Nuke(edition="nc", home=tmp_path) as host:
        pasted(host, tmp_path)
        assert host.handles == 1


def test_when_a_non_commercial_script_is_saved_then_its_text_cannot_be_read_but_it_opens(tmp_path):
    with Nuke(edition="nc", home=tmp_path) as host:
        pasted(host, tmp_path)
        host.save(tmp_path / "shot.nknc")
        assert "Matted1" not in (tmp_path / "shot.nknc").read_text()
        host.open(tmp_path / "shot.nknc")
        assert "Matted1.Write1" in host.artist.nodes()


# -- item 10: terminal


def test_when_there_is_no_gui_then_menus_panels_timers_and_create_node_are_missing(tmp_path):
    with Nuke(gui=False, version=(15, 0), home=tmp_path) as host:
        nuke = host.module
        from PySide2.QtCore import QTimer

        assert not nuke.GUI and not nuke.env["gui"]
        assert not hasattr(nuke, "menu")
        with pytest.raises(RuntimeError, match="non-gui"):
            nuke.createNode("Read")
        assert nuke.nodes.Read().Class() == "Read"
        import nukescripts

        with pytest.raises(RuntimeError):
            nukescripts.panels.registerWidgetAsPanel("a.B", "Matted", "matted.panel")
        fired = []
        timer = QTimer()
        timer.timeout.connect(lambda: fired.append(1))
        timer.start(0)
        host.pump(0.02)
        assert fired == []


# -- item 11: versions


@pytest.mark.parametrize(
    ("version", "own", "other"), [((15, 1), "PySide2", "PySide6"), ((16, 0), "PySide6", "PySide2")]
)
def test_when_a_version_runs_then_only_its_qt_can_be_imported_and_its_timers_fire(tmp_path, version, own, other):
    with Nuke(version=version, home=tmp_path) as host:
        core = __import__(f"{own}.QtCore", fromlist=["QTimer"])
        with pytest.raises(ImportError):
            __import__(f"{other}.QtCore", fromlist=["QTimer"])
        fired = []
        timer = core.QTimer()
        timer.setInterval(0)
        timer.timeout.connect(lambda: fired.append(1))
        timer.start()
        host.pump(until=lambda: len(fired) >= 3)
        timer.stop()
        assert not timer.isActive()


def test_when_the_version_is_17_then_wrong_argument_types_are_refused(tmp_path):
    with Nuke(version=(17, 0), home=tmp_path) as host:
        root = host.module.root()
        with pytest.raises(TypeError):
            root["first_frame"].setValue(1.5)
        with pytest.raises(TypeError):
            root["project_directory"].setValue(5)
        with pytest.raises(TypeError):
            host.module.execute("Write1", 1.0, 2.0)
        root["first_frame"].setValue(7)
    with Nuke(version=(15, 0), home=tmp_path) as host:
        host.module.root()["first_frame"].setValue(1.5)


# -- item 12: sizes


def test_when_a_data_window_is_smaller_or_larger_than_the_format_then_bbox_tells(host, tmp_path):
    exr(tmp_path / "small.exr", size=(4, 2), x=2, y=1, full=(8, 4))
    exr(tmp_path / "large.exr", size=(12, 8), x=-2, y=-2, full=(8, 4))
    read = host.module.nodes.Read(file=str(tmp_path / "small.exr"))
    box = read.bbox()
    assert (box.x(), box.y(), box.w(), box.h()) == (2, 1, 4, 2)
    assert (read.width(), read.height()) == (8, 4)
    read["file"].setValue(str(tmp_path / "large.exr"))
    assert (read.bbox().x(), read.bbox().w(), read.format().width()) == (-2, 12, 8)


def test_when_overscan_is_written_then_the_data_window_is_the_bbox_unless_cropped(host, tmp_path):
    exr(tmp_path / "large.exr", size=(12, 8), x=-2, y=-2, full=(8, 4))
    host.artist.node("Read", file=str(tmp_path / "large.exr"))
    host.artist.node("Write", file=str(tmp_path / "out.exr"))
    host.artist.connect("Write1", 0, "Read1")
    host.module.execute("Write1", 1, 1)
    source = oiio.ImageInput.open(str(tmp_path / "out.exr"))
    assert (source.spec().width, source.spec().x, source.spec().full_width) == (12, -2, 8)
    source.close()
    group = pasted(host, tmp_path)
    host.artist.connect("Matted1", 0, "Read1")
    group["rendering"].setValue(1)
    host.module.execute("Matted1.Write1", 1001, 1001)
    source = oiio.ImageInput.open(str(tmp_path / "p.1001.exr"))
    assert (source.spec().width, source.spec().height, source.spec().x) == (8, 4, 0)
    source.close()


def test_when_a_plate_is_anamorphic_then_its_format_says_so(host, tmp_path):
    exr(tmp_path / "wide.exr", aspect=2.0)
    read = host.module.nodes.Read(file=str(tmp_path / "wide.exr"))
    assert (read.pixelAspect(), read.format().pixelAspect(), read.width()) == (2.0, 2.0, 8)


def test_when_proxy_is_on_then_sizes_halve_and_the_proxy_file_is_written(host, tmp_path):
    plate(host)
    host.artist.node("Write", file=f"{tmp_path}/full.exr", proxy=f"{tmp_path}/half.exr")
    host.artist.connect("Write1", 0, "Constant1")
    host.artist.set("root", "proxy", 1)
    host.module.execute("Write1", 1, 1)
    assert not (tmp_path / "full.exr").exists()
    assert host.module.toNode("Constant1").width() == 128
    source = oiio.ImageInput.open(str(tmp_path / "half.exr"))
    assert source.spec().width == 128
    source.close()


# -- item 13: undo


def test_when_changes_are_grouped_then_they_are_one_step_else_one_each(host):
    nuke = host.module
    node = nuke.nodes.NoOp()
    host.undo_steps.clear()
    node["label"].setValue("a")
    node["tile_color"].setValue(7)
    assert len(host.undo_steps) == 2
    host.undo_steps.clear()
    with nuke.Undo("Both"):
        node["label"].setValue("b")
        node["tile_color"].setValue(8)
    assert host.undo_steps == ["Both"]
    nuke.Undo.disable()
    node["label"].setValue("c")
    nuke.Undo.enable()
    assert host.undo_steps == ["Both"]
    host.undo()
    assert host.artist.knob("NoOp1", "tile_color") == 7


def test_when_a_paste_is_undone_then_its_nodes_are_gone_and_knobs_are_back(host, tmp_path):
    plate(host)
    host.undo_steps.clear()
    nuke = host.module
    nuke.Undo.begin("Create")
    group = pasted(host, tmp_path)
    group.setInput(0, nuke.toNode("Constant1"))
    nuke.Undo.end()
    assert host.undo_steps == ["Create"]
    host.undo()
    assert host.artist.nodes() == ["Constant1"]
    with pytest.raises(ValueError):
        group.name()


def test_when_an_undo_group_changes_nothing_then_there_is_no_step(host):
    with host.module.Undo("Nothing"):
        pass
    assert host.undo_steps == []


# -- item 14: starting


def test_when_init_or_menu_raises_then_the_host_is_broken(host, tmp_path):
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "menu.py").write_text("import nuke\nnuke.menu('Nuke').addCommand('Matted/Open', 'x = 1')\n")
    host.startup([tmp_path / "good"])
    assert host.broken is None
    host.choose("Nuke", "Matted/Open")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "init.py").write_text("raise ValueError('a dependency is missing')\n")
    host.startup([tmp_path / "bad"])
    assert "a dependency is missing" in host.broken


def test_when_init_adds_a_path_then_that_folders_init_and_menu_run_too(host, tmp_path):
    home, plugin = tmp_path / ".nuke", tmp_path / "plugin"
    for folder in (home, plugin):
        folder.mkdir()
    (home / "init.py").write_text(f"import nuke\nnuke.pluginAddPath({str(plugin)!r})\n")
    (plugin / "init.py").write_text("ran = ['init']\n")
    (plugin / "menu.py").write_text("ran.append('menu')\n")
    host.startup()
    assert host.main.ran == ["init", "menu"]
    assert host.module.pluginPath()[0] == str(plugin)


# -- item 15: neighbours


def test_when_nukes_own_zmq_and_frame_server_are_there_then_both_stay_untouched(host):
    import socket
    import sys

    theirs = host.preload_zmq()
    assert sys.modules["zmq"] is theirs
    host.occupy_frame_server_port()
    with socket.socket() as late, pytest.raises(OSError):
        late.bind(("127.0.0.1", 5560))


# -- what a plug-in lives on


def test_when_a_button_is_pressed_then_this_node_is_its_node_and_only_then(host, tmp_path):
    pasted(host, tmp_path)
    with pytest.raises(RuntimeError):
        host.module.thisNode()
    host.module.toNode("Matted1")["go"].setCommand("seen = nuke.thisNode().name(), nuke.thisKnob().name()")
    host.press("Matted1", "go")
    assert host.main.seen == ("Matted1", "go")


def test_when_a_groups_button_runs_then_the_group_is_the_current_group(host, tmp_path):
    pasted(host, tmp_path)
    host.artist.node("NoOp")
    host.module.toNode("Matted1")["go"].setCommand("seen = nuke.toNode('NoOp1'), nuke.toNode('Write1').name()")
    host.press("Matted1", "go")
    assert host.main.seen == (None, "Write1")


def test_when_text_is_pasted_then_its_first_chain_hangs_on_the_selection(host, tmp_path):
    plate(host)
    host.artist.select("Constant1")
    (tmp_path / "dot.nk").write_text("Dot {\n name Dot1\n}\n")
    host.module.nodePaste(str(tmp_path / "dot.nk"))
    assert host.artist.input("Dot1") == "Constant1"
    assert [node.name() for node in host.module.selectedNodes()] == ["Dot1"]


def test_when_pasted_text_names_an_unknown_class_or_knob_then_it_is_an_error(host, tmp_path):
    (tmp_path / "a.nk").write_text("Matting {\n name A\n}\n")
    (tmp_path / "b.nk").write_text("Dot {\n nothing 1\n}\n")
    for name in ("a.nk", "b.nk"):
        with pytest.raises(RuntimeError):
            host.module.nodePaste(str(tmp_path / name))


def test_when_a_script_is_saved_then_nkparser_reads_it_and_opening_it_changes_nothing(host, tmp_path):
    pasted(host, tmp_path)
    plate(host)
    host.artist.node("Roto")
    artist_bezier(
        host.artist.knob("Roto1", "curves"), "Bezier1", {1: [(0, 0), (9, 0), (9, 9)], 5: [(1, 0), (9, 0), (9, 9)]}
    )
    host.artist.node("Switch")
    host.artist.set("Switch1", "which", {1001: 1, 1010: 1.5})
    host.artist.connect("Matted1", 1, "Roto1")
    host.artist.connect("Matted1", 0, "Constant1")
    host.save(tmp_path / "shot.nk")
    first = (tmp_path / "shot.nk").read_text()
    parsed = nkparser.Script.from_string(first)
    assert [error for error in parsed.errors() if not NOT_NUKES.search(str(error))] == []
    assert {node.class_name for node in parsed.all_nodes()} >= {"Group", "Write", "Crop", "Copy", "Roto", "Switch"}
    host.open(tmp_path / "shot.nk")
    assert host.artist.knob("Matted1", "matted_state") == '{"frames": [1001, 1002]}\n$x'
    assert (host.artist.input("Matted1", 0), host.artist.input("Matted1", 1)) == ("Constant1", "Roto1")
    host.save(tmp_path / "shot.nk")
    assert (tmp_path / "shot.nk").read_text() == first


def test_when_a_script_was_never_saved_then_it_has_no_name(host, tmp_path):
    with pytest.raises(RuntimeError):
        host.module.scriptName()
    assert host.module.root().name() == "Root"
    host.save(tmp_path / "my shot.nk")
    assert host.module.scriptName() == host.module.root().name() == (tmp_path / "my shot.nk").as_posix()
    host.open(tmp_path / "my shot.nk")


def test_when_the_script_changes_hands_then_the_callbacks_run_and_a_kill_runs_none(tmp_path):
    seen = []
    with Nuke(home=tmp_path) as host:
        for name in ("Load", "Save", "Close"):
            getattr(host.module, f"addOnScript{name}")(lambda name=name: seen.append(name))
        host.save(tmp_path / "a.nk")
        host.open(tmp_path / "a.nk")
        assert seen == ["Save", "Close", "Load"]
        host.kill()
    assert seen == ["Save", "Close", "Load"]


def test_when_a_node_with_on_create_is_pasted_or_loaded_then_its_code_runs(host, tmp_path):
    host.main.seen = []
    pasted(host, tmp_path, 'NoOp {\n inputs 0\n onCreate "seen.append(nuke.thisNode().name())"\n}\n')
    host.save(tmp_path / "a.nk")
    host.open(tmp_path / "a.nk")
    assert host.main.seen == ["NoOp1", "NoOp1"]
    assert host.errors_in_callbacks == []


def test_when_a_knob_changes_then_callbacks_know_which(host):
    seen = []
    nuke = host.module
    nuke.addKnobChanged(lambda: seen.append((nuke.thisNode().name(), nuke.thisKnob().name())), nodeClass="NoOp")
    nuke.nodes.NoOp()["label"].setValue("x")
    nuke.nodes.Dot()["label"].setValue("x")
    assert seen == [("NoOp1", "label")]


def test_when_files_arrive_after_a_read_looked_then_only_reload_shows_them(host, tmp_path):
    read = host.module.nodes.Read(file=f"{tmp_path}/m.%04d.exr", first=1, last=3, on_error="black")
    assert "rgba.alpha" not in host.artist.image("Read1", 2)
    exr(tmp_path / "m.0002.exr", names=("A",))
    assert "rgba.alpha" not in host.artist.image("Read1", 2)
    before = read.opHashes()
    read["reload"].execute()
    assert host.artist.image("Read1", 2)["rgba.alpha"].max() == 0.5
    assert read.opHashes() != before


@pytest.mark.parametrize(
    ("knobs", "frame", "shown"),
    [
        ({"before": "black"}, 0, None),
        ({"before": "hold"}, 0, 1),
        ({"after": "loop"}, 5, 2),
        ({"after": "bounce"}, 4, 2),
        ({"frame_mode": "start at", "frame": "1001"}, 1002, 2),
        ({"frame_mode": "offset", "frame": "-10"}, 13, 3),
        ({"frame_mode": "expression", "frame": "frame-1000"}, 1003, 3),
    ],
    ids=["before-black", "hold", "loop", "bounce", "start-at", "offset", "expression"],
)
def test_when_a_read_is_moved_in_time_then_it_shows_the_right_file(host, tmp_path, knobs, frame, shown):
    for number in (1, 2, 3):
        exr(tmp_path / f"m.{number:04d}.exr", value=number / 4)
    host.artist.node("Read", file=f"{tmp_path}/m.####.exr", last=3, **knobs)
    red = host.artist.image("Read1", frame).get("rgba.red")
    assert (None if red is None else red.max() * 4) == shown


def test_when_frames_are_missing_then_on_error_decides(host, tmp_path):
    exr(tmp_path / "m.0001.exr")
    host.artist.node("Read", file=f"{tmp_path}/m.%04d.exr", last=9)
    with pytest.raises(RuntimeError, match="No such file"):
        host.artist.image("Read1", 4)
    assert host.module.toNode("Read1").hasError() is False
    host.module.frame(4)
    assert host.module.toNode("Read1").hasError() is True
    host.artist.set("Read1", "on_error", "nearest frame")
    assert host.artist.image("Read1", 4)["rgba.red"].max() == 0.5


def test_when_an_eight_bit_png_is_written_and_read_then_srgb_is_undone_unless_raw(host, tmp_path):
    plate(host, (0.2, 0.2, 0.2, 1))
    host.artist.node("Write", file=f"{tmp_path}/a.png", channels="rgba")
    host.artist.connect("Write1", 0, "Constant1")
    host.module.execute("Write1", 1, 1)
    host.artist.node("Read", file=f"{tmp_path}/a.png")
    assert host.artist.image("Read1", 1)["rgba.red"].max() == pytest.approx(0.2, abs=0.01)
    host.artist.set("Read1", "raw", 1)
    assert host.artist.image("Read1", 1)["rgba.red"].max() == pytest.approx(0.4845, abs=0.01)


def test_when_a_script_is_stereo_then_each_view_gets_its_file(host, tmp_path):
    host.views = ["left", "right"]
    plate(host)
    host.artist.node("Write", file=f"{tmp_path}/a.%V.exr")
    host.artist.connect("Write1", 0, "Constant1")
    host.module.execute("Write1", 1, 1, 1, ["left", "right"])
    assert sorted(file.name for file in tmp_path.glob("a.*")) == ["a.left.exr", "a.right.exr"]


def test_when_nodes_shift_time_or_colour_then_the_picture_follows(host, tmp_path):
    for number in (1, 2, 3):
        exr(tmp_path / f"m.{number:04d}.exr", value=number / 4)
    host.artist.node("Read", file=f"{tmp_path}/m.%04d.exr", last=3)
    above = "Read1"
    for cls, knobs in (
        ("TimeOffset", {"time_offset": 1000}),
        ("Grade", {"multiply": 2}),
        ("FrameHold", {"firstFrame": 1002}),
        ("Reformat", {"type": "to box", "box_width": 4, "box_height": 2}),
        ("OneView", {}),
        ("Dot", {}),
    ):
        name = host.artist.node(cls, **knobs)
        host.artist.connect(name, 0, above)
        above = name
    red = host.artist.image("Dot1", 1)["rgba.red"]
    assert (red.shape, float(red.max())) == ((2, 4), 1.0)
    offset = host.module.toNode("TimeOffset1")
    assert (offset.firstFrame(), offset.lastFrame()) == (1001, 1003)


def test_when_a_panel_is_registered_then_its_text_is_evaluated_on_opening(host):
    import nukescripts

    with pytest.raises(TypeError):
        nukescripts.panels.registerWidgetAsPanel(dict, "Matted", "matted.panel")
    nukescripts.panels.registerWidgetAsPanel("__import__('collections').OrderedDict", "Matted", "matted.panel")
    assert host.module.getPaneFor("matted.panel") is None
    host.choose("Pane", "Matted")
    assert host.open_panels["matted.panel"] == {}
    assert host.module.getPaneFor("matted.panel") is not None


def test_when_python_adds_a_knob_then_it_is_saved_with_the_node_unless_told_not_to(host, tmp_path):
    nuke = host.module
    node = nuke.nodes.NoOp()
    kept, left = nuke.String_Knob("kept", "Kept"), nuke.Int_Knob("left")
    left.setFlag(nuke.DO_NOT_WRITE)
    for knob in (nuke.Tab_Knob("tab", "Matted"), kept, left):
        node.addKnob(knob)
    kept.setValue('a [b] {c} "d" \\e')
    host.save(tmp_path / "a.nk")
    host.open(tmp_path / "a.nk")
    node = nuke.toNode("NoOp1")
    assert node["kept"].value() == 'a [b] {c} "d" \\e'
    assert node.knob("left") is None


def test_when_the_only_read_gets_its_range_then_an_unlocked_script_follows(host):
    read = host.module.nodes.Read()
    read["file"].fromUserText("/a/m.%04d.exr 1001-1100")
    assert host.module.root()["first_frame"].value() == 1001
    host.artist.set("root", "lock_range", 1)
    read["file"].fromUserText("/a/m.%04d.exr 1-2")
    assert host.module.root()["first_frame"].value() == 1001


def test_when_time_passes_in_the_pump_then_it_ends_on_time(host):
    started = time.monotonic()
    host.pump(0.01)
    assert time.monotonic() >= started + 0.01
