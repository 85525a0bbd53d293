import sys
from fractions import Fraction

import numpy as np
import pytest

from matted.errors import PlateError
from matted.media import movie
from matted.media.plate import Plate
from matted.media.sequence import find_sequence

av = pytest.importorskip("av")

HEIGHT, WIDTH, COUNT = 48, 64, 24
COLOURS = np.array([[200, 40, 40], [40, 180, 60], [50, 60, 210], [128, 128, 128]], np.uint8)


def picture(frame):
    """Four colour bars, and a strip whose grey tells the frame."""
    image = np.repeat(COLOURS[None], HEIGHT, axis=0).repeat(WIDTH // 4, axis=1)
    image[-16:] = 20 + 8 * frame
    return image


def write_movie(path, codec="libx264", pixel_format="yuv444p", count=COUNT, timecode=None, matrix=None, **options):
    """Encode ``count`` pictures; ``matrix`` is the H.273 code point the pixels are made with and tagged as."""
    with av.open(str(path), "w") as container:
        if timecode:
            container.metadata["timecode"] = timecode
        stream = container.add_stream(codec, rate=Fraction(24000, 1001), options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
        if matrix:
            stream.codec_context.colorspace = matrix
        for frame in range(1, count + 1):
            made = av.VideoFrame.from_ndarray(picture(frame), format="rgb24")
            if pixel_format != "rgb24":
                made = made.reformat(format=pixel_format, dst_colorspace=matrix or 5)
            container.mux(stream.encode(made))
        container.mux(stream.encode(None))
    return path


def told(pixels):
    """The frame number a picture carries."""
    return round((float(pixels[-8:].mean()) * 255 - 20) / 8)


@pytest.fixture(scope="module")
def long_groups(tmp_path_factory):
    """A movie with one sync frame in eight and B-frames between: seeking lands before the frame asked for."""
    path = tmp_path_factory.mktemp("movie") / "shot.mp4"
    return write_movie(path, g="8", bf="2", crf="4", timecode="01:00:00:00")


def test_when_a_movie_is_found_then_its_frames_count_from_one(long_groups):
    found = find_sequence(long_groups)

    assert found.frames == tuple(range(1, COUNT + 1))
    assert found.is_movie and found.path(7) == long_groups


def test_when_the_container_does_not_say_then_the_pictures_are_counted(tmp_path):
    assert movie.count_frames(write_movie(tmp_path / "shot.mkv", count=11, bf="2")) == 11


def test_when_frames_are_read_in_any_order_then_each_is_the_one_asked_for(long_groups):
    shot = Plate(find_sequence(long_groups))
    order = [1, 2, 3, 17, 18, 5, 24, 23, 9, 9, 1, 16]

    assert [told(shot.read(frame)) for frame in order] == order


def test_when_read_straight_through_then_every_frame_comes_once(long_groups):
    shot = Plate(find_sequence(long_groups))

    assert [told(shot.read(frame)) for frame in shot.frames] == list(shot.frames)


@pytest.mark.parametrize("matrix", [1, 5])
def test_when_the_matrix_is_tagged_then_colours_come_back(tmp_path, matrix):
    path = write_movie(tmp_path / "shot.mkv", codec="ffv1", pixel_format="yuv444p", count=1, matrix=matrix)

    pixels = Plate(find_sequence(path)).read(1)

    shown = pixels[8, WIDTH // 8 :: WIDTH // 4] * 255
    assert np.abs(shown - COLOURS).max() < 3


def test_when_a_small_movie_is_untagged_then_it_is_read_as_bt601(tmp_path):
    path = write_movie(tmp_path / "shot.mkv", codec="ffv1", count=1)

    pixels = Plate(find_sequence(path)).read(1)

    assert np.abs(pixels[8, WIDTH // 8 :: WIDTH // 4] * 255 - COLOURS).max() < 3


def test_when_ten_bits_are_stored_then_more_than_eight_are_read(tmp_path):
    path = tmp_path / "ramp.mkv"
    ramp = np.linspace(0, 65535, 1024).astype(np.uint16)[None].repeat(16, axis=0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 1024, 16, "yuv444p10le"
        made = av.VideoFrame.from_ndarray(np.repeat(ramp[..., None], 3, axis=2), format="rgb48le")
        container.mux(stream.encode(made.reformat(format="yuv444p10le", dst_colorspace=5)))
        container.mux(stream.encode(None))

    pixels = Plate(find_sequence(path)).read(1)[8, :, 1]

    assert len(np.unique(pixels)) > 600
    assert np.abs(pixels - np.linspace(0, 1, 1024)).max() < 3e-3


def test_when_a_movie_is_the_plate_then_its_rate_size_and_timecode_are_known(tmp_path):
    path = write_movie(tmp_path / "shot.mov", timecode="01:00:59:23")
    shot = Plate(find_sequence(path))

    assert shot.info.size == (WIDTH, HEIGHT)
    assert shot.header(1).frame_rate == Fraction(24000, 1001)
    assert shot.header(1).timecode == (0x01005923, 0)
    assert shot.header(2).timecode == (0x01010000, 0)


def test_when_the_timecode_drops_frames_then_none_is_carried(tmp_path):
    assert movie._timecode("01:00:00;00", 3, Fraction(30000, 1001)) is None


def test_when_a_host_shifts_a_movie_then_its_frames_are_the_pictures_offset_further(long_groups):
    plain, shifted = Plate(find_sequence(long_groups)), Plate(find_sequence(long_groups).shifted(-1000))

    assert shifted.frames == tuple(range(1001, 1001 + COUNT))
    assert [told(shifted.read(frame)) for frame in (1001, 1002, 1017, 1005, 1024)] == [1, 2, 17, 5, 24]
    assert shifted.header(1007) == plain.header(7)


def test_when_a_frame_past_the_end_is_asked_for_then_the_range_is_named(long_groups):
    with pytest.raises(PlateError) as refused:
        Plate(find_sequence(long_groups)).read(COUNT + 1)

    assert refused.value.code == "frame_outside"
    assert str(COUNT) in refused.value.hint


def test_when_a_movie_is_cut_short_then_frame_and_file_are_named(tmp_path):
    whole = write_movie(tmp_path / "whole.mkv", codec="ffv1", g="1").read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    frames = movie.count_frames(path)
    assert 0 < frames < COUNT

    reader = movie.Movie(path)
    for frame in range(1, frames):
        assert told(reader.read(frame)) == frame
    with pytest.raises(PlateError) as refused:
        reader.read(COUNT)

    assert refused.value.code == "plate_unreadable"
    assert f"Frame {COUNT}" in refused.value.message and str(path) in refused.value.message
    assert "Export the movie again" in refused.value.hint
    with pytest.raises(PlateError, match=rf"Frame {1000 + COUNT} \(picture {COUNT}\)"):
        movie.Movie(path, offset=-1000).read(1000 + COUNT)


@pytest.mark.parametrize("content", [b"", b"not a movie at all" * 40])
def test_when_the_file_is_no_movie_then_it_is_named(tmp_path, content):
    path = tmp_path / "shot.mov"
    path.write_bytes(content)

    with pytest.raises(PlateError) as refused:
        find_sequence(path)

    assert refused.value.code == "plate_unreadable"
    assert str(path) in refused.value.message
    assert "Export the movie again" in refused.value.hint


def test_when_there_is_only_sound_then_the_message_says_so(tmp_path):
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))

    with pytest.raises(PlateError, match="holds no pictures"):
        find_sequence(path)


def test_when_pyav_is_absent_then_the_remedy_is_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "shot.mov"
    path.write_bytes(b"any")
    monkeypatch.setitem(sys.modules, "av", None)

    with pytest.raises(PlateError) as refused:
        find_sequence(path)

    assert "install.py --with movies" in refused.value.hint
