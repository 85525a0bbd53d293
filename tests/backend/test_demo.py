import numpy as np
import OpenImageIO as oiio
import pytest

from matted.demo import Scene, draw_demo
from matted.errors import OutputError, SettingError
from matted.media.matte import read_matte
from matted_protocol.frames import FrameRange

SMALL = (192, 108)
FEW = FrameRange(1001, 1005)


@pytest.fixture(scope="module")
def scene():
    return Scene(*SMALL)


def box_of(matte):
    rows, columns = np.nonzero(matte > 0.5)
    return rows.min(), columns.min(), rows.max(), columns.max()


def test_when_drawn_twice_then_every_pixel_is_the_same(scene):
    again = Scene(*SMALL).draw(9)
    first = scene.draw(9)
    assert np.array_equal(first.plate, again.plate)
    assert all(np.array_equal(first.mattes[name], again.mattes[name]) for name in Scene.objects)


def test_when_drawn_then_mattes_are_soft_shares_and_the_plate_is_scene_linear(scene):
    drawing = scene.draw(3)
    for matte in drawing.mattes.values():
        assert matte.min() == 0
        assert matte.max() == pytest.approx(1)
        assert ((matte > 0.05) & (matte < 0.95)).sum() > 20
    assert sum(drawing.mattes.values()).max() <= 1 + 1e-6
    assert drawing.plate.max() > 3
    assert 0.05 < np.median(drawing.plate) < 0.6


def test_when_time_passes_then_both_objects_move_and_the_camera_drifts(scene):
    early, late = scene.draw(0), scene.draw(8)
    for name in Scene.objects:
        assert box_of(early.mattes[name]) != box_of(late.mattes[name])
    ground = (slice(95, 108), slice(120, 190))
    still, moved = scene.draw(0).plate[ground], late.plate[ground]
    assert np.abs(still - moved).mean() > np.abs(still - scene.draw(0.004).plate[ground]).mean()


def test_when_the_ball_is_behind_the_post_then_the_hidden_part_is_not_in_its_matte(scene):
    areas = np.array([scene.draw(time).mattes["ball"].sum() for time in range(0, 24, 2)])
    assert areas.min() < 0.75 * np.median(areas)
    assert areas.min() > 0.25 * np.median(areas)


def test_when_an_object_moves_fast_then_its_matte_is_blurred_along_the_way(scene):
    matte = scene.draw(6).mattes["ball"]
    top, left, bottom, right = box_of(matte)
    soft = (matte > 0.02) & (matte < 0.98)
    middle_row, middle_column = (top + bottom) // 2, (left + right) // 2
    assert soft.sum() > 0
    # The ball travels mostly sideways: the soft rim is wider across its sides than over top and bottom.
    assert soft[middle_row].sum() > 2
    assert soft[:, middle_column].sum() >= 2


def test_when_the_frame_is_tiny_then_it_is_drawn_all_the_same():
    drawing = Scene(16, 9).draw(0)
    assert drawing.plate.shape == (9, 16, 3)
    assert np.isfinite(drawing.plate).all()


def test_when_an_object_has_left_the_frame_then_its_matte_is_empty(scene):
    assert scene.draw(200).mattes["ball"].max() == 0


def test_when_drawn_to_disk_then_plate_known_mattes_and_three_keyframes_are_there(tmp_path):
    seen = []

    shot = draw_demo(tmp_path / "demo", frames=FEW, size=SMALL, on_frame=seen.append)

    assert seen == list(FEW)
    assert shot.keyframe_frames == (1001, 1003, 1005)
    assert sorted(path.name for path in shot.plate.parent.iterdir()) == [f"demo.{frame}.exr" for frame in FEW]
    assert len(list(shot.keyframes.iterdir())) == 3
    for name, folder in shot.mattes.items():
        for frame in FEW:
            known = read_matte(folder / f"{name}.{frame}.exr")
            assert known.shape == (SMALL[1], SMALL[0])
        masks = read_matte(shot.keyframes / "keyframe.1003.exr", layer=name)
        assert np.array_equal(masks, read_matte(folder / f"{name}.1003.exr"))


def test_when_drawn_to_disk_then_the_plate_says_what_it_is(tmp_path):
    shot = draw_demo(tmp_path, frames=FrameRange(1026, 1026), size=SMALL)
    file = oiio.ImageInput.open(str(shot.plate).replace("####", "1026"))
    spec = file.spec()
    assert spec.format == oiio.HALF
    assert spec.channelnames == ("R", "G", "B")
    assert spec.getattribute("chromaticities")[0] == pytest.approx(0.713)
    assert spec.get_string_attribute("smpte:TimeCode") == "00:00:42:18"
    file.close()


def test_when_drawn_again_then_nothing_is_touched_and_what_is_missing_comes_back(tmp_path):
    shot = draw_demo(tmp_path, frames=FEW, size=SMALL)
    lost = shot.plate.parent / "demo.1002.exr"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.exr")}
    lost.unlink()
    seen = []

    assert draw_demo(tmp_path, frames=FEW, size=SMALL, on_frame=seen.append) == shot

    assert seen == [1002]
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.exr")}
    changed = {path for path in before if before[path] != after[path]}
    assert changed <= {lost, *(folder / f"{name}.1002.exr" for name, folder in shot.mattes.items())}


def test_when_the_folder_holds_another_demo_then_it_is_left_alone(tmp_path):
    draw_demo(tmp_path, frames=FrameRange(1001, 1001), size=(32, 18))
    with pytest.raises(SettingError) as error:
        draw_demo(tmp_path, frames=FEW, size=SMALL)
    assert str(tmp_path) in error.value.message
    assert "empty folder" in error.value.hint


def test_when_a_keyframe_is_outside_then_it_is_refused(tmp_path):
    with pytest.raises(SettingError, match="1009"):
        draw_demo(tmp_path, frames=FEW, size=SMALL, keyframes=[1009])


def test_when_the_folder_is_a_file_then_the_error_names_it(tmp_path):
    (tmp_path / "demo").write_text("")
    with pytest.raises(OutputError) as error:
        draw_demo(tmp_path / "demo", frames=FEW, size=SMALL)
    assert error.value.code == "output_unwritable"
    assert str(tmp_path / "demo") in error.value.message
