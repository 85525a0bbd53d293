"""The reader of what hosts render for the wire, against OpenImageIO's writer."""

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
)
def test_when_data_and_display_windows_differ_then_it_is_what_openimageio_reads(
    tmp_path_factory, width, height, left, top, full
):
    path = tmp_path_factory.mktemp("exr") / "a.exr"
    write(path, ramp(height, width, 2), ("A", "Z"), data=(left, top), display=full)

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
    [({"compression": "zips"}, "compressed"), ({"kind": "uint", "names": ("R", "G", "B")}, "half nor")],
    ids=["compressed", "integers"],
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


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_when_a_file_is_damaged_then_it_is_refused_and_nothing_else_happens(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("exr") / "a.exr"
    write(path, ramp(4, 6, 3), ("R", "G", "B"))
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, 400))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)

    try:
        size, _, found = exr.read_pixels(path, ("R", "G", "B"))
    except exr.ExrError:
        return
    assert len(found) == size[0] * size[1] * 6
    assert max(size) <= 32768
