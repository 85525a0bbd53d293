import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.drawn_shot import save
from matted.errors import MattedError
from matted.media.image import UnreadableError, read_channels, read_image
from matted.media.mask import read_masks
from matted.media.plate import Plate
from matted.media.sequence import find_sequence

WIDTH, HEIGHT = 32, 20
KINDS = {"exr": np.float16, "hdr": np.float32, "dpx": np.uint16, "tif": np.uint16, "png": np.uint8, "jpg": np.uint8}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One small file of each kind, as bytes by ending."""
    folder = tmp_path_factory.mktemp("whole")
    drawn = np.random.default_rng(0).random((HEIGHT, WIDTH, 3))
    files = {}
    for ending, kind in KINDS.items():
        scale = np.iinfo(kind).max if np.issubdtype(kind, np.integer) else 1
        files[ending] = save(folder / f"p.7.{ending}", (drawn * scale).astype(kind)).read_bytes()
    return files


@settings(max_examples=120, deadline=None)
@given(
    ending=st.sampled_from(sorted(KINDS)),
    damage=st.dictionaries(st.floats(0, 0.999), st.binary(min_size=1, max_size=1)),
)
def test_when_bytes_are_damaged_then_the_file_is_read_or_refused_in_words(tmp_path_factory, whole, ending, damage):
    content = bytearray(whole[ending])
    for place, byte in damage.items():
        content[int(place**2 * len(content))] = byte[0]  # most often in the header
    path = tmp_path_factory.mktemp("damaged") / f"p.7.{ending}"
    path.write_bytes(content)

    for read in (
        lambda: [Plate(find_sequence(path)).read(7)],
        lambda: read_masks(path, size=(WIDTH, HEIGHT), frame=7).values(),
    ):
        try:
            results = read()
        except MattedError as error:
            assert str(path) in error.message and error.frame == 7 and error.hint.endswith(("?", "."))
        else:
            assert all(pixels.min() >= 0 and pixels.max() <= 1 for pixels in results)


def test_when_a_header_holds_text_that_is_not_utf_8_then_it_is_read_as_latin_1(tmp_path, whole):
    path = tmp_path / "p.7.dpx"
    content = bytearray(whole["dpx"])
    content[160:170] = "Kö Studio".encode("latin-1") + b"\0"  # the creator, in the DPX file header
    path.write_bytes(content)

    image = read_image(path)

    assert image.parts[0].value("Software") == "Kö Studio"
    assert read_channels(path, image.parts[0], [0, 1, 2]).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0], [1], [2, 1, 0]])
def test_when_channels_are_asked_for_in_an_order_then_they_come_in_it(tmp_path, whole, order):
    path = tmp_path / "p.7.png"
    path.write_bytes(whole["png"])
    part = read_image(path).parts[0]

    assert np.array_equal(read_channels(path, part, order), read_channels(path, part, [0, 1, 2])[..., order])


def test_when_a_folder_is_named_like_a_picture_then_it_is_unreadable(tmp_path):
    (tmp_path / "p.exr").mkdir()

    with pytest.raises(UnreadableError, match="Is a directory"):
        read_image(tmp_path / "p.exr")
