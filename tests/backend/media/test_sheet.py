import numpy as np
import OpenImageIO as oiio
import pytest

from matted.errors import OutputError
from matted.media import ink
from matted.media.sheet import Column, Sheet, draw_sheet, write_sheet
from matted.media.strip import draw_strip


def column(frame, objects=1, shape=(90, 160)):
    plate = np.full((*shape, 3), 0.25, np.float32)
    mattes = np.zeros((objects, *shape), np.float32)
    for row in range(objects):
        mattes[row, 20:70, 20 + 40 * row : 50 + 40 * row] = 1
    return Column(frame, plate, mattes)


def sheet(objects=("hero",), **given):
    confidence = {frame: (0.9,) * len(objects) for frame in range(1001, 1011)}
    return Sheet(**{"title": "shot", "subtitle": "lite", "objects": objects, "confidence": confidence, **given})


def has(picture, color):
    return bool((picture == np.array(color, np.uint8)).all(axis=-1).any())


def test_when_drawn_then_it_is_as_wide_as_asked_on_a_dark_neutral_ground():
    picture = draw_sheet(sheet(), [column(1001)], width=1200)
    assert picture.shape[1:] == (1200, 3)
    assert picture.dtype == np.uint8
    assert tuple(picture[0, 0]) == ink.GROUND
    assert max(ink.GROUND) - min(ink.GROUND) <= 2


def test_when_there_is_one_object_then_its_matte_is_white_and_its_outline_coloured():
    picture = draw_sheet(sheet(), [column(1001)])
    without = draw_sheet(sheet(scores={}), [Column(1001, column(1001).plate, np.zeros((1, 90, 160), np.float32))])
    tile = picture[300:420, 128:340]
    assert has(picture, (255, 255, 255))
    assert not np.array_equal(picture, without)
    assert tile.size > 0


def test_when_there_are_two_objects_then_their_mattes_differ_in_colour():
    rows = 3 * 8 + 40
    first = draw_sheet(sheet(("a", "b")), [column(1001, 2)])
    for row in range(2):
        tint = np.rint((0.35 + 0.65 * np.array(ink.object_color(row)) / 255) * 255)
        assert has(first[rows:], tint)


def test_when_columns_come_from_a_generator_then_only_as_many_as_there_is_room_for_are_read():
    read = []

    def columns():
        for frame in range(1001, 1011):
            read.append(frame)
            yield column(frame)

    draw_sheet(sheet(), columns(), count=3)

    assert len(read) <= 4


def test_when_there_is_nothing_to_show_then_words_and_strip_are_drawn_all_the_same():
    assert draw_sheet(sheet(), []).shape[1] == 1600
    assert draw_sheet(Sheet("shot", "lite", (), {}), []).shape[1] == 1600


@pytest.mark.parametrize("shape", [(1, 1), (4, 2000), (300, 20)])
def test_when_the_plate_has_an_odd_shape_then_the_sheet_stays_readable(shape):
    picture = draw_sheet(sheet(), [column(1001, shape=shape)])
    assert picture.shape[0] < 3000


def test_when_the_plate_is_anamorphic_then_its_tiles_are_lower():
    square = draw_sheet(sheet(), [column(1001)])
    anamorphic = draw_sheet(sheet(pixel_aspect=2.0), [column(1001)])
    assert anamorphic.shape[0] < square.shape[0]


def test_when_the_plate_is_not_finite_or_bright_then_the_sheet_is_drawn():
    broken = column(1001)
    broken.plate[:10] = np.nan
    broken.plate[10:20] = 5
    assert has(draw_sheet(sheet(), [broken]), (255, 255, 255))


def strip(confidence, *, keyframes=(), suggestions=(), objects=("hero",), width=1000):
    return draw_strip(width, objects=objects, confidence=confidence, keyframes=keyframes, suggestions=suggestions)


def bar_heights(picture, color):
    tops = np.argmax((picture == np.array(color, np.uint8)).all(axis=-1), axis=0)
    return tops[tops > 0]


def test_when_confidence_falls_then_the_bar_is_lower():
    picture = strip({1: (1.0,), 2: (0.5,), 3: (0.0,)})
    tops = bar_heights(picture, ink.object_color(0))
    highest, middle, lowest = (int(tops[index]) for index in (10, len(tops) // 2, -10))
    assert highest < middle < lowest
    assert middle - highest == pytest.approx(lowest - middle, abs=2)


def test_when_a_frame_is_missing_then_its_cell_is_empty():
    picture = strip(dict.fromkeys((1, 2, 3, 4, 6, 7, 8, 9), (0.8,)))
    coloured = (picture == np.array(ink.object_color(0), np.uint8)).all(axis=-1).any(axis=0)
    used = np.flatnonzero(coloured)
    assert len(used) < used[-1] - used[0]


def test_when_there_are_keyframes_and_suggestions_then_both_are_marked_and_explained():
    plain, keyed = strip({1: (1,), 9: (1,)}), strip({1: (1,), 9: (1,)}, keyframes=[1])
    assert not has(plain, ink.KEYFRAME)
    assert has(keyed, ink.KEYFRAME)
    assert has(strip({1: (1,), 9: (1,)}, suggestions=[5])[:60, 800:], ink.SUGGESTED)


def test_when_a_confidence_is_not_a_number_then_it_is_drawn_as_none():
    assert np.array_equal(strip({1: (float("nan"),)}), strip({1: (0.0,)}))


@pytest.mark.parametrize("frames", [[-5, -4, -3], [1001], [1, 1_000_000], list(range(1001, 4001))])
def test_when_frame_numbers_are_unusual_then_the_strip_is_drawn(frames):
    picture = strip(dict.fromkeys(frames, (0.7,)), keyframes=frames[:1])
    assert has(picture, ink.KEYFRAME)


def test_when_a_name_is_too_long_then_it_is_cut_to_its_room():
    short = ink.fitted("the hero's left sleeve, second take", 15, 60)
    assert short.endswith("…")
    assert ink.measure(short, 15) <= 60
    assert ink.fitted("hero", 15, 60) == "hero"


def test_when_a_name_is_not_latin_then_its_letters_are_drawn_and_differ():
    def drawn(word):
        canvas = ink.blank(40, 200)
        ink.write(canvas, word, 5, 30, 20, ink.BRIGHT)
        return canvas

    pictures = [drawn(word) for word in ("мяч", "球", "凧", "?")]
    assert len({picture.tobytes() for picture in pictures}) == 4


def test_when_written_then_the_png_holds_the_same_pixels_and_nothing_else_is_left(tmp_path):
    picture = draw_sheet(sheet(), [column(1001)])

    write_sheet(tmp_path / "new" / "sheet.png", picture)

    assert [path.name for path in (tmp_path / "new").iterdir()] == ["sheet.png"]
    file = oiio.ImageInput.open(str(tmp_path / "new" / "sheet.png"))
    assert np.array_equal(file.read_image("uint8"), picture)
    file.close()


def test_when_the_folder_is_a_file_then_the_error_names_the_sheet(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError) as error:
        write_sheet(tmp_path / "out" / "sheet.png", np.zeros((4, 4, 3), np.uint8))
    assert error.value.code == "output_unwritable"
    assert "sheet.png" in error.value.message
