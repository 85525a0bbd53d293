"""Media of clips: paths in URLs of every make, and which pictures a stretch of time is."""

import numpy as np
import opentimelineio as otio
import pytest

from fakes.drawn_cut import HOUR, clip, draw_media, span, url, write_cut
from matted.batch.jobfile.footage import ClipError, Media, _frames, as_sequence, media_of, path_of, pictures
from matted.batch.jobfile.timeline import read_timeline


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param("file:///plates/a%20b/x.exr", "/plates/a b/x.exr", id="escaped"),
        pytest.param("file:///plates/a b/x.exr", "/plates/a b/x.exr", id="not escaped"),
        pytest.param("file:///plates/x.%04d.exr", "/plates/x.%04d.exr", id="a pattern, not escaped"),
        pytest.param("file:///plates/x.%2504d.exr", "/plates/x.%04d.exr", id="a pattern, escaped"),
        pytest.param("file:///plates/x.####.exr", "/plates/x.####.exr", id="marks"),
        pytest.param("file:///plates/x.%23%23.exr", "/plates/x.##.exr", id="marks, escaped"),
        pytest.param("file:///plates/what?.exr", "/plates/what?.exr", id="a question mark"),
        pytest.param("file://localhost/plates/x.exr", "/plates/x.exr", id="this machine"),
        pytest.param("file:/plates/x.exr", "/plates/x.exr", id="one slash"),
        pytest.param("file:///P:/plates/x.exr", "P:/plates/x.exr", id="a drive"),
        pytest.param("file://P:/plates/x.exr", "P:/plates/x.exr", id="a drive as a host"),
        pytest.param("FILE:///P%3A/plates/x.exr", "P:/plates/x.exr", id="a drive, escaped"),
        pytest.param("file://server/share/x.exr", "//server/share/x.exr", id="a share"),
        pytest.param("file:////server/share/x.exr", "//server/share/x.exr", id="a share with four slashes"),
        pytest.param("P:\\plates\\x.exr", "P:/plates/x.exr", id="a drive, no URL"),
        pytest.param("\\\\server\\share\\x.exr", "//server/share/x.exr", id="a share, no URL"),
        pytest.param("plates/100%25/x.exr", "plates/100%25/x.exr", id="a relative path is as it is"),
    ],
)
def test_when_media_is_named_by_a_url_then_its_path_is_found(text, path):
    assert path_of(text) == path


@pytest.mark.parametrize("text", ["https://cloud/x.mov", "s3://bucket/x.mov", "rv:x"])
def test_when_media_is_no_file_then_it_is_refused(text):
    with pytest.raises(ClipError, match="is not a file"):
        path_of(text)


def test_when_brackets_span_the_files_numbers_then_they_are_a_pattern_that_starts_there():
    media = media_of(url("file:///plates/x_[0900-0950].exr", span(HOUR, 51)))

    assert (media.plate, media.first) == ("/plates/x_####.exr", 900)
    assert pictures(media, HOUR + 10, 5, 24) == (910, 914)


def test_when_one_file_of_a_sequence_is_named_then_a_longer_clip_means_the_sequence():
    media = media_of(url("file:///plates/x.1001.exr", span(1001, 50)))

    assert as_sequence(media, 5).plate == "/plates/x.####.exr"
    assert as_sequence(media, 1).plate == "/plates/x.1001.exr"
    assert as_sequence(Media("/plates/x2.mov"), 5).plate == "/plates/x2.mov"
    assert as_sequence(Media("/plates/x2.####.exr"), 5).plate == "/plates/x2.####.exr"


def test_when_a_reference_names_nothing_then_there_is_no_media():
    assert media_of(otio.schema.MissingReference()) is None
    assert media_of(otio.schema.ExternalReference()) is None


@pytest.mark.parametrize(
    ("available", "source", "expected"),
    [
        pytest.param(span(1001, 16), (1003, 4), (1003, 1006), id="numbers"),
        pytest.param(span(0, 16), (2, 4), (1003, 1006), id="from zero"),
        pytest.param(span(1000, 16), (1002, 4), (1003, 1006), id="numbers from one less"),
        pytest.param(span(HOUR, 16), (HOUR + 2, 4), (1003, 1006), id="time code"),
        pytest.param(span(1005, 8), (1006, 4), (1006, 1009), id="numbers of a part"),
        pytest.param(None, (1003, 4), (1003, 1006), id="numbers, nothing said of the media"),
    ],
)
def test_when_a_pattern_is_cut_then_its_own_frame_numbers_are_found(tmp_path, available, source, expected):
    draw_media(tmp_path, "hero")
    media = media_of(url((tmp_path / "plates" / "hero" / "plate.####.png").as_uri().replace("%23", "#"), available))

    assert pictures(media, *source, 24) == expected


def test_when_the_plate_is_not_there_yet_then_times_are_taken_as_its_numbers():
    assert pictures(Media("/late/x.####.exr"), 1003, 4, 24) == (1003, 1006)


@pytest.mark.parametrize(
    ("rate", "media_rate", "expected"),
    [
        pytest.param(24, 23.976, (1011, 1020), id="rates that mean the same"),
        pytest.param(24, 48, (1021, 1040), id="twice the rate"),
        pytest.param(50, 25, (1006, 1010), id="half the rate"),
    ],
)
def test_when_clip_and_media_have_other_rates_then_every_picture_seen_is_taken(rate, media_rate, expected):
    media = Media("/late/x.####.exr", start=0, length=200, first=1001, rate=media_rate)

    assert pictures(media, 10, 10, rate) == expected


@pytest.mark.parametrize(
    ("available", "source", "expected"),
    [
        pytest.param(span(HOUR, 40), span(HOUR + 4, 6), "5-10", id="with time code"),
        pytest.param(None, span(4, 6), "5-10", id="without"),
    ],
)
def test_when_a_movie_is_cut_then_its_pictures_count_from_one(tmp_path, available, source, expected):
    media = url((tmp_path / "late.mov").as_uri(), available)
    file = write_cut(tmp_path / "cut.otio", [clip("hero", media, source, keyframes="roto", out="m")])

    (shot,) = read_timeline(file).tree["shots"]

    assert shot["range"] == expected
    assert shot["plate"] == str(tmp_path / "late.mov")


def test_when_only_the_movie_itself_has_time_code_then_its_pictures_are_found_by_it(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "hero.mov"
    with av.open(str(path), "w") as container:
        container.metadata["timecode"] = "01:00:00:00"
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))

    assert pictures(Media(str(path)), HOUR + 4, 6, 24) == (5, 10)
    assert pictures(Media(str(path)), 4, 6, 24) == (5, 10)


@pytest.mark.parametrize("frame", [0, 1799, 1800, 17981, 17982, 19781, 19782, 107892 + 1803, 24 * 107892 - 1])
def test_when_time_code_drops_frames_then_they_are_counted_as_opentimelineio_counts_them(frame):
    rate = 30000 / 1001
    text = otio.opentime.to_timecode(otio.opentime.RationalTime(frame, rate), rate, drop_frame=True)

    assert _frames(packed(text), rate) == frame, text


def packed(text):
    """A drop-frame time code as OpenEXR packs it: its digits, with a flag in the frames' upper bits."""
    return int(text.replace(":", "").replace(";", ""), 16) | 1 << 6
