"""Raw buffers kept as image files."""

from fractions import Fraction

import numpy as np
import OpenImageIO as oiio
import pytest

from matted.errors import OutputError, RequestError
from matted.media.image import read_image
from matted.media.plate import Plate
from matted.media.sequence import find_sequence
from matted.media.spool import DTYPES, SUFFIX, write_pixels

SIZE = (7, 5)
"""Width and height that are no multiples of anything."""


def values_of(dtype, channels):
    """(5, 7, C) values of this type, no two pixels alike; floats below 0 and above 1 among them."""
    count = 5 * 7 * channels
    if dtype.startswith("uint"):
        return (np.arange(count) * 251 % (np.iinfo(dtype).max + 1)).astype(dtype).reshape(5, 7, channels)
    return (np.arange(count) / 32 - 1).astype(DTYPES[dtype]).reshape(5, 7, channels)


def read_raw(path):
    """The file's values as they are, and its channel names."""
    as_it_is = oiio.ImageSpec()
    as_it_is["oiio:UnassociatedAlpha"] = 1
    image = oiio.ImageInput.open(str(path), as_it_is)
    kept = image.read_image(image.spec().format)
    names = tuple(image.spec().channelnames)
    image.close()
    return kept, names


def keep(folder, dtype, channels, values, **options):
    path = folder / f"plate.1{SUFFIX[dtype]}"
    write_pixels(path, memoryview(values.tobytes()), size=SIZE, channels=channels, dtype=dtype, **options)
    return path


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("channels", "kept"),
    [("RGB", "RGB"), ("RGBA", "RGBA"), ("BGRA", "RGBA"), ("ABGR", "RGBA"), ("GZRXB", "RGB"), ("A", "Y"), ("Z", "Y")],
)
def test_when_pixels_are_kept_then_they_read_back_value_for_value(tmp_path, dtype, channels, kept):
    values = values_of(dtype, len(channels))

    found, names = read_raw(keep(tmp_path, dtype, tuple(channels), values))

    order = [channels.index(name) for name in kept] if len(channels) > 1 else [0]
    assert found.dtype == DTYPES[dtype]
    np.testing.assert_array_equal(found, values[..., order])
    assert names == tuple(kept) or (SUFFIX[dtype] == ".tif" and len(names) == len(kept))
    assert [path.name for path in tmp_path.iterdir()] == [f"plate.1{SUFFIX[dtype]}"]


@pytest.mark.parametrize("dtype", ["half", "float"])
def test_when_values_are_no_numbers_then_they_are_kept_as_they_are(tmp_path, dtype):
    values = values_of(dtype, 3)
    values[0, 0] = np.nan, np.inf, -np.inf

    found, _ = read_raw(keep(tmp_path, dtype, ("R", "G", "B"), values))

    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("dtype", DTYPES)
def test_when_pixels_are_kept_then_the_plate_has_their_shape(tmp_path, dtype):
    values = np.full((5, 7, 3), 0.5 if SUFFIX[dtype] == ".exr" else np.iinfo(dtype).max // 2, DTYPES[dtype])

    keep(tmp_path, dtype, ("R", "G", "B"), values, pixel_aspect=2.0, frame_rate=Fraction(24000, 1001))

    info = Plate(find_sequence(tmp_path)).info
    assert (info.size, info.pixel_aspect) == (SIZE, 2.0)
    if SUFFIX[dtype] == ".exr":
        assert info.frame_rate == Fraction(24000, 1001)


@pytest.mark.parametrize("dtype", SUFFIX)
def test_when_pixels_are_kept_then_the_file_says_nothing_of_the_time(tmp_path, dtype):
    path = tmp_path / f"one{SUFFIX[dtype]}"
    nothing = memoryview(np.zeros((2, 4), DTYPES[dtype])).cast("B")
    write_pixels(path, nothing, size=(4, 2), channels=("A",), dtype=dtype)

    assert oiio.ImageBuf(str(path)).spec().get_string_attribute("DateTime") == "1970:01:01 00:00:00"


def test_when_pixels_come_again_then_the_later_ones_are_kept(tmp_path):
    keep(tmp_path, "uint8", ("R", "G", "B"), values_of("uint8", 3))
    later = values_of("uint8", 3)[::-1].copy()

    path = keep(tmp_path, "uint8", ("R", "G", "B"), later)

    np.testing.assert_array_equal(read_raw(path)[0], later)


@pytest.mark.parametrize("channels", [("R", "G"), ("r", "g", "b"), ("X", "Y", "Z"), ("R", "G", "A"), ("A", "Z")])
def test_when_channels_are_no_picture_then_nothing_is_kept(tmp_path, channels):
    with pytest.raises(RequestError) as caught:
        keep(tmp_path, "uint8", channels, values_of("uint8", len(channels)))

    assert caught.value.code == "bad_request" and ", ".join(channels) in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_when_the_file_cannot_be_written_then_it_is_told_and_nothing_is_left(tmp_path, monkeypatch):
    before = keep(tmp_path, "uint8", ("R", "G", "B"), values_of("uint8", 3))
    whole = before.read_bytes()
    monkeypatch.setattr("matted.media.spool._whole", lambda path: False)

    with pytest.raises(OutputError) as caught:
        keep(tmp_path, "uint8", ("R", "G", "B"), values_of("uint8", 3) + 1)

    assert caught.value.code == "disk_full" and "plate.1.tif" in caught.value.message
    assert before.read_bytes() == whole and list(tmp_path.iterdir()) == [before]


def test_when_a_file_was_cut_short_then_it_is_not_taken_for_whole(tmp_path):
    from matted.media.spool import _whole

    path = keep(tmp_path, "half", ("R", "G", "B"), np.random.default_rng(1).random((5, 7, 3)).astype(np.float16))
    assert _whole(path) and read_image(path).parts

    path.write_bytes(path.read_bytes()[:-40])

    assert not _whole(path)
