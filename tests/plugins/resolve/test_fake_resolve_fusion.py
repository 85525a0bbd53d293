"""What the stand-in's Fusion page does, truth and lies."""

import numpy as np
import OpenImageIO as oiio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import drawn_plate
from fakes.resolve import Machine, NotMeasured, Profile, WrongArguments
from fakes.resolve_fusion_text import Block, parse, write
from fakes.resolve_pictures import timeline_picture

SIZE = (drawn_plate.WIDTH, drawn_plate.HEIGHT)
SQUARE = [(-0.25, -0.25), (0.25, -0.25), (0.25, 0.25), (-0.25, 0.25)]


class Scene:
    """A machine with one clip that leaves out the first two and the last two frames of its media."""

    def __init__(self, folder, **switches):
        self.folder = folder
        self.machine = Machine(Profile(**switches), folder)
        self.machine.artist.set_resolution(*SIZE)
        media = self.machine.artist.import_sequence(drawn_plate.write(folder / "plate"), 1001, 1012)
        self.item = self.machine.artist.place(media, source_in=2, source_out=9)
        project = self.machine.resolve.GetProjectManager().GetCurrentProject()
        self.handle = project.GetCurrentTimeline().GetItemListInTrack("video", 1)[0]

    def shown(self, frame=0):
        """Colour and alpha of the timeline, ``frame`` frames from the clip's start."""
        return timeline_picture(self.machine.project.timeline, self.item.start + frame, SIZE)

    def comp(self):
        """The clip's first comp, as a script has to fetch it after adding it."""
        assert self.handle.AddFusionComp() is not None
        return self.handle.GetFusionCompByIndex(1)

    def loader(self, comp, path):
        """A Loader without the file dialog."""
        self.machine.fusion.SetPrefs("Global.UserInterface.AutoClipBrowse", False)
        loader = comp.AddTool("Loader")
        loader.Clip = str(path)
        return loader


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def write_mattes(folder):
    folder.mkdir()
    for frame in range(1003, 1011):
        spec = oiio.ImageSpec(*SIZE, 4, "half")
        spec.channelnames = ("R", "G", "B", "A")
        file = oiio.ImageOutput.create(str(folder / "m.0001.exr"))
        assert file.open(str(folder / f"m.{frame:04d}.exr"), spec)
        file.write_image(np.ascontiguousarray(np.repeat(drawn_plate.matte(frame)[..., None], 4, -1)))
        file.close()
    return folder / "m.1003.exr"


# -- comps of a clip


def test_when_a_comp_is_added_then_it_goes_from_media_in_to_media_out(scene):
    assert scene.handle.GetFusionCompCount() == 0 and scene.handle.GetFusionCompByIndex(1) is None

    comp = scene.comp()

    assert scene.handle.GetFusionCompNameList() == ["Composition 1"]
    assert sorted(tool.Name for tool in comp.GetToolList().values()) == ["MediaIn1", "MediaOut1"]
    assert comp.FindTool("MediaOut1").Input.GetConnectedOutput().GetTool().Name == "MediaIn1"


@pytest.mark.parametrize("stub", [True, False])
def test_when_a_comp_was_just_added_then_what_came_back_may_keep_nothing_that_is_done_to_it(tmp_path, stub):
    scene = Scene(tmp_path, add_comp_is_stub=stub)

    scene.handle.AddFusionComp().AddTool("Merge")

    kept = scene.handle.GetFusionCompByIndex(1).FindTool("Merge1") is not None
    assert kept is not stub


def test_when_a_comp_is_exported_and_imported_then_it_is_a_second_one_that_counts(scene, tmp_path):
    scene.item.comps.artist_polygon({3: SQUARE, 7: SQUARE[:3]})
    file = tmp_path / "comp.comp"

    assert scene.handle.ExportFusionComp(str(file), 1)
    comp = scene.handle.ImportFusionComp(str(file))

    assert scene.handle.GetFusionCompNameList() == ["Composition 1", "Composition 2"]
    assert scene.item.comps.active.name == "Composition 2"
    assert comp.FindTool("Polygon1").Polyline.GetKeyFrames() == {1: 3, 2: 7}
    assert parse(scene.item.comps[0].text()).get("Tools") == parse(scene.item.comps[1].text()).get("Tools")


def test_when_there_is_nothing_to_export_or_import_then_false_and_none(scene, tmp_path):
    broken = tmp_path / "broken.comp"
    broken.write_text("Composition { Tools = ")

    assert not scene.handle.ExportFusionComp(str(tmp_path / "a.comp"), 1)
    assert scene.handle.ImportFusionComp(str(broken)) is None
    assert scene.handle.ImportFusionComp(str(tmp_path / "missing.comp")) is None
    scene.handle.AddFusionComp()
    assert not scene.handle.ExportFusionComp(str(tmp_path / "no" / "a.comp"), 1)


def test_when_a_comp_is_deleted_then_its_handles_answer_nothing(scene):
    comp = scene.comp()
    tool = comp.FindTool("MediaIn1")

    assert scene.handle.DeleteFusionCompByName("Composition 1")

    assert comp.GetToolList() is None and tool.GetAttrs() is None
    assert not scene.handle.DeleteFusionCompByName("Composition 1")


def test_when_the_clip_is_deleted_then_its_comps_answer_nothing(scene):
    comp = scene.comp()

    scene.machine.artist.delete(scene.item)

    assert comp.GetAttrs() is None


# -- the text


def test_when_a_polygon_is_exported_then_the_text_is_that_of_fusion(scene, tmp_path):
    scene.item.comps.artist_polygon({0: SQUARE})
    scene.handle.ExportFusionComp(str(tmp_path / "a.comp"), 1)

    text = (tmp_path / "a.comp").read_text()

    assert text.startswith("Composition {\n\tCurrentTime = 2,")
    assert "Tools = ordered() {" in text
    assert (
        "Polygon1 = PolylineMask {" in text
        and 'Polyline = Input { SourceOp = "Polygon1Polyline", Source = "Value"' in text
    )
    assert "Polygon1Polyline = BezierSpline {" in text and "Flags = { Linear = true, LockedY = true }" in text
    assert (
        "{ Linear = true, X = -0.25, Y = -0.25, LX = 0, LY = 0.166666666666667, RX = 0.166666666666667, RY = 0 }"
        in text
    )


def test_when_a_bspline_is_exported_then_its_points_have_no_handles(scene, tmp_path):
    scene.item.comps.artist_polygon(SQUARE, "BSpline1", "BSplineMask")
    scene.handle.ExportFusionComp(str(tmp_path / "a.comp"), 1)

    found = (
        parse((tmp_path / "a.comp").read_text()).get("Tools").get("BSpline1").get("Inputs").get("Polyline").get("Value")
    )

    assert found.kind == "BSplinePolyline" and found.get("Order") == 4
    assert found.get("Points").listed()[0].named() == {"X": -0.25, "Y": -0.25}


KEYS = (
    st.none()
    | st.from_regex(r"[A-Za-z_][A-Za-z_0-9]{0,5}", fullmatch=True)
    | st.integers(-99, 99)
    | st.text(max_size=4)
)
LEAVES = st.booleans() | st.integers() | st.floats(-1e6, 1e6).map(lambda x: float(f"{x:.15g}")) | st.text(max_size=8)
BLOCKS = st.recursive(
    LEAVES,
    lambda inside: st.builds(
        Block, st.sampled_from(["", "ordered", "Input"]), st.lists(st.tuples(KEYS, inside), max_size=4)
    ),
    max_leaves=12,
)


@given(BLOCKS)
def test_when_a_table_is_written_then_it_reads_back(value):
    assert parse(write(value)) == value


@pytest.mark.parametrize("text", ["", "{", "{ a = }", "{ [1] 2 }", "{ } }", '{ "open }'], ids=repr)
def test_when_the_text_is_broken_then_it_is_no_value(text):
    with pytest.raises(ValueError):
        parse(text)


# -- frames


@pytest.mark.parametrize(
    ("which", "whole", "used"),
    [("source", (0, 11), (2, 9)), ("clip", (0, 7), (0, 7)), ("file", (1001, 1012), (1003, 1010))],
)
def test_when_a_comp_is_asked_for_its_frames_then_the_switch_says_where_it_begins(tmp_path, which, whole, used):
    scene = Scene(tmp_path, comp_frames=which)
    comp = scene.comp()

    attrs = comp.GetAttrs()

    assert (attrs["COMPN_GlobalStart"], attrs["COMPN_GlobalEnd"]) == whole
    assert (attrs["COMPN_RenderStart"], attrs["COMPN_RenderEnd"]) == used
    assert comp.CurrentTime == used[0]
    assert comp.GetAttrs("COMPN_RenderEnd") == used[1]


@pytest.mark.parametrize("which", ["source", "clip", "file"])
def test_when_a_polygon_moves_then_the_clip_shows_it_at_the_frame_it_was_keyed(tmp_path, which):
    scene = Scene(tmp_path, comp_frames=which)
    first = int(scene.comp().GetAttrs("COMPN_RenderStart"))
    moved = [(x + 0.25, y) for x, y in SQUARE]
    mask = scene.item.comps.artist_polygon({first + 1: SQUARE, first + 5: moved})
    saver = scene.item.comps.artist_saver(mask, tmp_path / "x.exr")
    mask.comp.tools["MediaOut1"].inputs["Input"].tool = saver.name

    centres = [np.average(np.arange(SIZE[0]) + 0.5, weights=scene.shown(frame)[1].sum(0)) for frame in (0, 1, 3, 5, 7)]

    assert centres == pytest.approx([48, 48, 60, 72, 72], abs=0.01)


# -- what renders


def test_when_media_out_does_not_descend_from_media_in_then_the_comp_does_not_count(scene, tmp_path):
    path = write_mattes(tmp_path / "m")
    comp = scene.comp()
    loader = scene.loader(comp, path)

    assert comp.FindTool("MediaOut1").ConnectInput("Input", loader)

    np.testing.assert_allclose(scene.shown()[0], drawn_plate.picture(1003), atol=1e-3)


@pytest.mark.parametrize("by", ["attribute", "ConnectInput", "ConnectTo"])
def test_when_a_matte_is_combined_in_then_it_is_the_clip_s_alpha(tmp_path, by):
    scene = Scene(tmp_path, loader_starts_at_number=False)
    comp = scene.comp()
    matte = comp.AddTool("MatteControl")
    loader = scene.loader(comp, write_mattes(tmp_path / "m"))
    loader.GlobalIn, loader.GlobalOut = 2, 9
    matte.Background = comp.FindTool("MediaIn1").Output
    matte.SetInput("MatteCombine", 4)
    if by == "attribute":
        matte.Foreground = loader
        comp.FindTool("MediaOut1").Input = matte
    elif by == "ConnectInput":
        assert matte.ConnectInput("Foreground", loader) and comp.FindTool("MediaOut1").ConnectInput("Input", matte)
    else:
        matte.Foreground.ConnectTo(loader.Output)
        comp.FindTool("MediaOut1").Input.ConnectTo(matte.Output)

    for frame in (0, 4, 7):
        np.testing.assert_allclose(scene.shown(frame)[1], drawn_plate.matte(1003 + frame), atol=1e-3)


def test_when_a_loader_is_added_then_a_file_dialog_is_up_unless_clips_are_not_browsed(scene):
    comp = scene.comp()

    comp.AddTool("Loader")

    assert scene.machine.modal == "Open File" and comp.GetAttrs() is None
    scene.machine.artist.click_away()
    scene.machine.fusion.SetPrefs("Global.UserInterface.AutoClipBrowse", False)
    assert comp.AddTool("Loader").Name == "Loader2" and scene.machine.modal is None


def test_when_a_loader_is_made_then_its_pictures_begin_at_the_comp_frame_their_file_is_numbered(scene, tmp_path):
    comp = scene.comp()

    loader = scene.loader(comp, write_mattes(tmp_path / "m"))

    assert (loader.GetInput("GlobalIn"), loader.GetInput("GlobalOut")) == (1003, 1010)
    assert loader.GetAttrs()["TOOLIT_Clip_Length"] == {1: 8}


@pytest.mark.parametrize("hides", [True, False])
def test_when_a_tool_is_first_written_under_a_lock_then_it_reads_back_and_does_not_render(tmp_path, hides):
    scene = Scene(tmp_path, lock_hides=hides, loader_starts_at_number=False)
    comp = scene.comp()
    matte = comp.AddTool("MatteControl")
    comp.Lock()
    matte.SetInput("MatteCombine", 4)
    comp.Unlock()
    matte.Background = comp.FindTool("MediaIn1")
    comp.FindTool("MediaOut1").Input = matte

    assert matte.GetInput("MatteCombine") == 4
    assert comp.FindTool("MediaOut1").Input.GetConnectedOutput().GetTool().Name == "MatteControl1"
    assert scene.shown()[1].max() == (1 if hides else 0)


def test_when_a_tool_s_settings_are_read_from_a_file_then_it_renders_and_a_table_is_refused(scene, tmp_path):
    path = write_mattes(tmp_path / "m")
    comp = scene.comp()
    donor = scene.loader(comp, path)
    assert donor.SaveSettings(str(tmp_path / "loader.setting"))
    other = comp.AddTool("Loader")

    with pytest.raises(WrongArguments):
        other.LoadSettings({"Tools": {}})
    assert not other.LoadSettings(str(tmp_path / "missing.setting"))
    assert other.LoadSettings(str(tmp_path / "loader.setting"))

    assert other.GetInput("Clip") == str(path) and other.GetInput("GlobalIn") == 1003
    assert comp.Paste({"Tools": {}}) is False
    assert not comp.AddTool("Saver").LoadSettings(str(tmp_path / "loader.setting"))


# -- tools


def test_when_a_tool_is_asked_what_it_can_then_its_attributes_are_left_out(scene):
    tool = scene.comp().FindTool("MediaIn1")

    assert "SetInput" in dir(tool) and not {"GetAttrs", "SetAttrs"} & set(dir(tool))
    assert tool.GetAttrs()["TOOLS_RegID"] == tool.ID == "MediaIn"


def test_when_a_tool_is_renamed_or_deleted_then_what_it_feeds_follows(scene):
    comp = scene.comp()
    comp.FindTool("MediaIn1").SetAttrs({"TOOLS_Name": "Plate"})
    out = comp.FindTool("MediaOut1")
    assert out.Input.GetConnectedOutput().GetTool().Name == "Plate"

    comp.FindTool("Plate").Delete()

    assert out.Input.GetConnectedOutput() is None and comp.FindTool("Plate") is None


def test_when_an_older_version_names_media_out_then_it_looks_like_a_saver(tmp_path):
    scene = Scene(tmp_path, media_out_class="Saver")
    comp = scene.comp()

    assert [tool.Name for tool in comp.GetToolList(False, "Saver").values()] == ["MediaOut1"]
    scene.handle.ExportFusionComp(str(tmp_path / "a.comp"), 1)
    assert "MediaOut1 = Saver {" in (tmp_path / "a.comp").read_text()
    assert scene.handle.ImportFusionComp(str(tmp_path / "a.comp")) is not None


def test_when_nobody_measured_a_tool_then_it_is_not_made_up(scene):
    comp = scene.comp()

    with pytest.raises(NotMeasured):
        comp.AddTool("MagicMask")
    with pytest.raises(NotMeasured):
        comp.FindTool("MediaOut1").Nothing = 1
    assert comp.FindTool("MediaOut1").Nothing is None


def test_when_undo_is_bracketed_then_what_is_open_is_told(scene):
    comp = scene.comp()
    comp.StartUndo("Matted")
    comp.Lock()
    assert scene.machine.project_facts() != (comp.Unlock(), comp.EndUndo(True), scene.machine.project_facts())[-1]

    assert scene.item.comps.active.undos == ["Matted"]


# -- Savers


def test_when_the_artist_renders_savers_then_their_files_hold_the_mask(scene, tmp_path):
    mask = scene.item.comps.artist_polygon(SQUARE)
    scene.item.comps.artist_saver(mask, tmp_path / "keys" / "mask.exr")

    scene.item.comps.artist_renders_savers(3, 4)

    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["mask0003.exr", "mask0004.exr"]
    alpha = oiio.ImageBuf(str(tmp_path / "keys" / "mask0003.exr")).get_pixels(oiio.FLOAT)[..., 3]
    expected = np.zeros(SIZE[::-1])
    expected[16:48, 24:72] = 1
    np.testing.assert_array_equal(alpha, expected)


@pytest.mark.parametrize("renders", [True, False])
def test_when_a_script_renders_a_saver_then_the_switch_says_whether_files_come(tmp_path, renders):
    scene = Scene(tmp_path, saver_renders=renders)
    scene.item.comps.artist_saver(scene.item.comps.artist_polygon(SQUARE), tmp_path / "mask.0000.exr")
    comp = scene.handle.GetFusionCompByIndex(1)
    settings = {"Tool": comp.FindTool("Saver1"), "FrameRange": "2..3,5", "Wait": True}

    assert comp.Render(settings) is renders

    expected = ["mask.0002.exr", "mask.0003.exr", "mask.0005.exr"] if renders else []
    assert sorted(path.name for path in tmp_path.glob("mask*")) == expected


def test_when_a_saver_writes_something_other_than_exr_then_no_file_comes(tmp_path):
    scene = Scene(tmp_path, saver_renders=True)
    scene.item.comps.artist_saver(scene.item.comps.artist_polygon(SQUARE), tmp_path / "mask.png")
    comp = scene.handle.GetFusionCompByIndex(1)

    assert comp.Render({"Tool": comp.FindTool("Saver1"), "FrameRange": "2", "Wait": True}) is False

    assert not list(tmp_path.glob("mask*"))


@pytest.mark.parametrize(
    ("inputs", "inside", "outside"),
    [({}, 1, 0), ({"Level": 0.5}, 0.5, 0), ({"Invert": 1}, 0, 1)],
    ids=["plain", "level", "inverted"],
)
def test_when_a_polygon_has_controls_then_its_mask_has_them(scene, tmp_path, inputs, inside, outside):
    mask = scene.item.comps.artist_polygon(SQUARE, **inputs)
    scene.item.comps.artist_saver(mask, tmp_path / "mask.exr")

    scene.item.comps.artist_renders_savers(2, 2)

    alpha = oiio.ImageBuf(str(tmp_path / "mask0002.exr")).get_pixels(oiio.FLOAT)[..., 3]
    assert (alpha[32, 48], alpha[2, 2]) == (inside, outside)
