"""The reader and the writer of what hosts render for the wire, against OpenImageIO's."""

import struct
import zlib

import numpy as np
import OpenImageIO as oiio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matted_plugin import exr


def write(path, pixels, names, *, data=(0, 0), display=None, compression="none", kind="half", **more):
    """Write (H, W, C) pixels whose data window begins at ``data`` in a display window of ``display`` (w, h)."""
    height, width, count = pixels.shape
    spec = oiio.ImageSpec(width, height, count, kind)
    spec.channelnames = names
    spec.x, spec.y = data
    spec.full_width, spec.full_height = display or (width, height)
    spec.attribute("compression", compression)
    for name, value in more.items():
        spec.attribute(name, value)
    file = oiio.ImageOutput.create(str(path))
    assert file.open(str(path), spec) and file.write_image(np.ascontiguousarray(pixels)), file.geterror()
    file.close()


def ramp(height, width, count, dtype=np.float16):
    return (np.arange(height * width * count).reshape(height, width, count) / 7 - 3).astype(dtype)


@pytest.mark.parametrize(("kind", "dtype"), [("half", np.float16), ("float", np.float32)], ids=["half", "float"])
def test_when_a_file_is_plain_then_its_pixels_come_as_they_are(tmp_path, kind, dtype):
    pixels = ramp(5, 7, 3, dtype)
    write(tmp_path / "a.exr", pixels, ("R", "G", "B"), kind=kind)

    size, told, content = exr.read_pixels(tmp_path / "a.exr", ("R", "G", "B"))

    assert (size, told) == ((7, 5), kind)
    assert np.array_equal(np.frombuffer(content, dtype).reshape(5, 7, 3), pixels)


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 9),
    height=st.integers(1, 9),
    left=st.integers(-12, 12),
    top=st.integers(-12, 12),
    full=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    compression=st.sampled_from(["none", "zip", "zips"]),
)
def test_when_data_and_display_windows_differ_then_it_is_what_openimageio_reads(
    tmp_path_factory, width, height, left, top, full, compression
):
    path = tmp_path_factory.mktemp("exr") / "a.exr"
    write(path, ramp(height, width, 2), ("A", "Z"), data=(left, top), display=full, compression=compression)

    size, _, content = exr.read_pixels(path, ("Z", "A"))

    image = oiio.ImageBuf(str(path))
    known = image.get_pixels(oiio.HALF, image.roi_full)[..., ::-1]
    assert size == full
    assert np.array_equal(
        np.frombuffer(content, np.float16).reshape(full[1], full[0], 2), known.reshape(full[1], full[0], 2)
    )


def test_when_only_the_header_is_wanted_then_names_come_in_the_files_order(tmp_path):
    write(tmp_path / "a.exr", ramp(2, 2, 3), ("B", "G", "R"), compression="zips")

    assert exr.channel_names(tmp_path / "a.exr") == ("B", "G", "R")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"compression": "piz"}, "compressed with PIZ"),
        ({"compression": "dwaa"}, "compressed with DWAA"),
        ({"kind": "uint", "names": ("R", "G", "B")}, "half nor"),
    ],
    ids=["piz", "dwaa", "integers"],
)
def test_when_the_file_is_of_another_kind_then_it_says_which(tmp_path, change, says):
    kind = change.pop("kind", "half")
    pixels = ramp(4, 4, 3) if kind == "half" else np.ones((4, 4, 3), np.uint32)
    write(tmp_path / "a.exr", pixels, ("R", "G", "B"), kind=kind, compression=change.get("compression", "none"))

    with pytest.raises(exr.ExrError, match=says):
        exr.read_pixels(tmp_path / "a.exr", ("R", "G", "B"))


def test_when_a_channel_is_missing_then_the_others_are_named(tmp_path):
    write(tmp_path / "a.exr", ramp(4, 4, 3), ("R", "G", "B"))

    with pytest.raises(exr.ExrError, match="no channel A, only B, G, R"):
        exr.read_pixels(tmp_path / "a.exr", ("A",))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), compression=st.sampled_from(["zip", "zips"]), kind=st.sampled_from(["half", "float"]))
def test_when_a_file_is_zipped_then_its_pixels_come_as_they_are(tmp_path_factory, data, compression, kind):
    path = tmp_path_factory.mktemp("exr") / "a.exr"
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 30))
    random = np.random.default_rng(data.draw(st.integers(0, 9)))
    # Few levels zip, many do not: both ways a block can lie in the file are tried.
    pixels = random.integers(0, data.draw(st.sampled_from([2, 60000])), (height, width, 4))
    pixels = (pixels / 7 - 3).astype(np.float16 if kind == "half" else np.float32)
    write(path, pixels, ("R", "G", "B", "A"), compression=compression, kind=kind)

    size, told, content = exr.read_pixels(path, ("R", "G", "B", "A"))

    assert (size, told) == ((width, height), kind)
    assert np.array_equal(np.frombuffer(content, pixels.dtype).reshape(pixels.shape), pixels)


def test_when_a_zipped_hd_frame_is_read_then_its_alpha_comes_as_it_is(tmp_path):
    pixels = np.random.default_rng(1).random((1080, 1920, 4)).astype(np.float16)
    write(tmp_path / "a.exr", pixels, ("R", "G", "B", "A"), compression="zip")

    _, _, content = exr.read_pixels(tmp_path / "a.exr", ("A",))

    assert np.array_equal(np.frombuffer(content, np.float16).reshape(1080, 1920), pixels[..., 3])


NAMES = st.lists(
    st.sampled_from(["R", "G", "B", "A", "Z", "hero.alpha", "x" * 40]), min_size=1, max_size=5, unique=True
)


@settings(max_examples=60, deadline=None)
@given(names=NAMES, width=st.integers(1, 20), height=st.integers(1, 20), kind=st.sampled_from(["half", "float"]))
def test_when_pixels_are_written_then_openimageio_reads_the_same(tmp_path_factory, names, width, height, kind):
    path = tmp_path_factory.mktemp("exr") / "a.exr"
    pixels = ramp(height, width, len(names), np.float16 if kind == "half" else np.float32)

    exr.write_pixels(path, (width, height), names, kind, pixels.tobytes())

    file = oiio.ImageInput.open(str(path))
    spec = file.spec()
    found = file.read_image(oiio.HALF if kind == "half" else oiio.FLOAT).reshape(height, width, len(names))
    file.close()
    order = [spec.channelnames.index(name) for name in names]
    assert str(spec.format) == kind
    assert spec.getattribute("compression") == "none"
    assert (spec.full_width, spec.full_height, spec.x, spec.y) == (width, height, 0, 0)
    assert np.array_equal(found[..., order], pixels)
    assert exr.read_pixels(path, names) == ((width, height), kind, pixels.tobytes())


def test_when_the_same_pixels_are_written_twice_then_the_files_are_the_same_and_alone(tmp_path):
    for name in ("a.exr", "b.exr", "a.exr"):
        exr.write_pixels(tmp_path / name, (3, 2), ("A",), "half", bytes(12))

    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.exr", "b.exr"]


@pytest.mark.parametrize(
    ("size", "channels", "content", "says"),
    [
        ((3, 2), ("A",), bytes(10), "5 values do not fill 3 x 2"),
        ((0, 2), ("A",), b"", "no picture"),
        ((3, 2), ("A", "A"), bytes(24), "no picture"),
        ((3, 2), (), b"", "no picture"),
    ],
    ids=["short", "empty", "twice", "none"],
)
def test_when_what_is_to_be_written_makes_no_picture_then_nothing_is_written(tmp_path, size, channels, content, says):
    with pytest.raises(exr.ExrError, match=says):
        exr.write_pixels(tmp_path / "a.exr", size, channels, "half", content)

    assert not list(tmp_path.iterdir())


def test_when_the_folder_cannot_be_written_then_nothing_half_made_stays(tmp_path):
    (tmp_path / "a.exr").mkdir()

    with pytest.raises(OSError):
        exr.write_pixels(tmp_path / "a.exr", (3, 2), ("A",), "half", bytes(12))

    assert [path.name for path in tmp_path.iterdir()] == ["a.exr"]


def test_when_a_header_asks_for_more_than_a_picture_then_it_is_refused_before_memory_is_taken(tmp_path):
    write(tmp_path / "a.exr", ramp(4, 4, 3), ("R", "G", "B"))
    content = bytearray((tmp_path / "a.exr").read_bytes())
    place = content.index(b"displayWindow\0box2i\0") + 20 + 4
    content[place : place + 16] = struct.pack("<4i", 0, 0, 32767, 32767)
    (tmp_path / "a.exr").write_bytes(content)

    with pytest.raises(exr.ExrError, match="32768 x 32768"):
        exr.read_pixels(tmp_path / "a.exr", ("R", "G", "B"))


def test_when_a_zipped_block_swells_beyond_its_lines_then_it_is_refused(tmp_path):
    write(tmp_path / "a.exr", np.zeros((1, 64, 3), np.float16), ("R", "G", "B"), compression="zips")
    content = bytearray((tmp_path / "a.exr").read_bytes())
    header = exr.read_header(bytes(content))
    swelling = zlib.compress(bytes(200_000))
    content[header.end + 8 :] = struct.pack("<ii", 0, len(swelling)) + swelling
    (tmp_path / "a.exr").write_bytes(content)

    with pytest.raises(exr.ExrError, match="damaged"):
        exr.read_pixels(tmp_path / "a.exr", ("R", "G", "B"))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), compression=st.sampled_from(["none", "zip", "zips"]))
def test_when_a_file_is_damaged_then_it_is_refused_and_nothing_else_happens(tmp_path_factory, data, compression):
    path = tmp_path_factory.mktemp("exr") / "a.exr"
    write(path, ramp(4, 6, 3) * 0, ("R", "G", "B"), compression=compression)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)

    try:
        size, _, found = exr.read_pixels(path, ("R", "G", "B"))
    except exr.ExrError:
        return
    assert len(found) == size[0] * size[1] * 6
    assert max(size) <= 32768


@settings(max_examples=30, deadline=None)
@given(
    display=st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 9), st.integers(1, 9)),
    names=st.sampled_from([("A",), ("R", "G", "B", "A")]),
    compression=st.sampled_from(["none", "zips", "piz"]),
)
def test_when_an_empty_picture_is_written_then_it_is_black_in_the_other_files_form(
    tmp_path_factory, display, names, compression
):
    folder = tmp_path_factory.mktemp("exr")
    left, top = display[:2]
    spec = oiio.ImageSpec(3, 2, len(names), "half")
    spec.channelnames = names
    spec.x, spec.y = left + 1, top
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = display
    spec.attribute("compression", compression)
    spec.attribute("PixelAspectRatio", 2.0)
    file = oiio.ImageOutput.create(str(folder / "like.exr"))
    assert file.open(str(folder / "like.exr"), spec) and file.write_image(ramp(2, 3, len(names)))
    file.close()

    exr.write_empty(folder / "empty.exr", folder / "like.exr")

    picture = oiio.ImageBuf(str(folder / "empty.exr"))
    told = picture.spec()
    assert sorted(told.channelnames) == sorted(names)
    assert (told.full_x, told.full_y, told.full_width, told.full_height) == display
    assert told.getattribute("PixelAspectRatio") == 2.0
    assert not picture.get_pixels("float", picture.roi_full).any()


@pytest.mark.parametrize("compression", ["none", "rle", "zips", "zip", "piz", "pxr24", "b44", "dwaa", "dwab"])
def test_when_every_block_of_a_file_is_there_then_it_is_whole_however_it_is_compressed(tmp_path, compression):
    pixels = ramp(70, 11, 3)
    write(tmp_path / "a.exr", pixels, ("R", "G", "B"), compression=compression)
    assert exr.whole_header(tmp_path / "a.exr").size == (11, 70)
    whole = (tmp_path / "a.exr").read_bytes()
    for end in (0, 7, 60, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.exr").write_bytes(whole[:end])
        with pytest.raises(exr.ExrError):
            exr.whole_header(tmp_path / "cut.exr")


def test_when_a_file_is_still_being_written_then_it_is_not_whole(tmp_path):
    write(tmp_path / "a.exr", ramp(40, 11, 3), ("R", "G", "B"))
    content = bytearray((tmp_path / "a.exr").read_bytes())
    table = exr.whole_header(tmp_path / "a.exr").end
    content[table + 8 * 39 : table + 8 * 40] = bytes(8)  # libraries fill the table in at the end
    (tmp_path / "a.exr").write_bytes(content)
    with pytest.raises(exr.ExrError, match="cut short"):
        exr.whole_header(tmp_path / "a.exr")
