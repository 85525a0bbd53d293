"""EDLs as job files: events become shots, comments their keys, and every problem has its line."""

import re
from pathlib import Path

import opentimelineio as otio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentimelineio.opentime import RationalTime, TimeRange, to_timecode

from fakes.drawn_cut import draw_media
from fakes.drawn_shot import plate, save
from matted.batch.jobfile import JobFileError, check, read
from matted.batch.jobfile.timeline import read_timeline
from matted.batch.review import Thresholds

HEADER = """TITLE: reel one
FCM: NON-DROP FRAME

* MATTED RATE: 24
* MATTED DEFAULT OUT: mattes/{shot}
"""
MEDIA = "* FROM CLIP: {folder}/plates/{name}/plate.[1001-1016].png"


def event(number, first, last, name, folder, *more, reel="A001", rate=24, kind="C"):
    """An event of the drawn shot, whose first file has the time code of one hour."""
    codes = [f"01:00:{second:02d}:{frame:02d}" for second, frame in (divmod(t - 1001, rate) for t in (first, last + 1))]
    record = f"{codes[0]} {codes[1]}"
    lines = [f"{number:03d}  {reel}     V     {kind}        {codes[0]} {codes[1]} {record}"]
    lines += [f"* FROM CLIP NAME: {name}", f"* MATTED PLATE: {folder}/plates/{name}/plate.####.png", *more]
    return "\n".join(lines) + "\n"


def written(folder, text):
    file = folder / "cut.edl"
    file.write_text(text)
    return file


def problems(file):
    with pytest.raises(JobFileError) as refused:
        read(file)
    return refused.value.problems


def test_when_an_event_names_its_masks_then_it_is_a_shot_that_can_be_made(tmp_path):
    draw_media(tmp_path, "hero")
    line = "001  A001C003 V     C        01:00:00:02 01:00:00:10 01:00:00:00 01:00:00:08"
    more = [
        "* FROM CLIP NAME: hero",
        MEDIA.format(folder=tmp_path, name="hero"),
        "* MATTED KEYFRAMES: roto/hero",
        "* Matted Working Size: 64",
        "* MATTED THRESHOLDS.JUMP: 3 5",
        "* MATTED PRIORITY: 4",
    ]
    file = written(tmp_path, HEADER + "\n".join([line, *more]))

    batch = read(file)

    (entry,) = batch.entries
    assert entry.request.name == "hero"
    assert entry.request.shot().wanted() == tuple(range(1001, 1009))
    assert (entry.request.session.working_size, entry.request.priority) == (64, 4)
    assert entry.thresholds == Thresholds(jump=(3.0, 5.0))
    assert entry.line == 6
    assert entry.lines["keyframes"] == 9
    assert entry.lines["out"] == 5
    assert check(batch) == ()


def test_when_the_plate_has_time_code_then_source_times_find_its_own_frame_numbers(tmp_path):
    draw_media(tmp_path, "hero")
    timed_plate(tmp_path / "plates" / "hero")
    file = written(tmp_path, HEADER + event(1, 1003, 1010, "hero", tmp_path, "* MATTED KEYFRAMES: roto/hero"))

    (entry,) = read(file).entries

    assert str(entry.request.frames) == "1003-1010"
    assert entry.request.shot().wanted() == tuple(range(1003, 1011))


def timed_plate(folder, hour=1):
    """The drawn plate as EXR with time code, in place of the PNGs, called the same."""
    for file in sorted(folder.glob("*.png")):
        frame = int(file.name.split(".")[1])
        packed = hour << 24 | (frame - 1001) // 10 << 4 | (frame - 1001) % 10
        pixels = plate(frame).permute(1, 2, 0).numpy()
        timed = folder / f"plate.{frame}.exr"
        save(timed, pixels, attributes={"smpte:TimeCode": ("timecode", (packed, 0))})
        file.unlink()
        timed.rename(file)


def test_when_nothing_tells_which_frames_of_the_plate_are_meant_then_a_range_is_asked_for(tmp_path):
    draw_media(tmp_path, "hero")
    file = written(tmp_path, HEADER + event(1, 1003, 1010, "hero", tmp_path, "* MATTED KEYFRAMES: roto/hero"))

    (found,) = problems(file)

    assert found.line == 6
    assert "86402-86409" in found.message
    assert "1001-1016" in found.message
    assert "range" in found.hint

    file.write_text(file.read_text() + "* MATTED RANGE: 1003-1010\n")
    assert str(read(file).entries[0].request.frames) == "1003-1010"


def test_when_defaults_name_the_masks_then_events_without_any_are_left_out_with_their_lines(tmp_path):
    draw_media(tmp_path, "hero")
    text = HEADER + "* MATTED DEFAULT KEYFRAMES: {where}/{shot}\n* MATTED TOKEN where: roto\n"
    text += event(1, 1003, 1010, "hero", tmp_path, "* MATTED RANGE: 1003-1010")
    text += event(2, 1003, 1010, "sky", tmp_path)
    file = written(tmp_path, text)

    batch = read(file)

    assert [entry.request.name for entry in batch.entries] == ["hero"]
    assert batch.notes == (f"{file}:12: The clip 'sky' is left out: there are no masks at {tmp_path}/roto/sky.",)


def test_when_a_dissolve_and_a_speed_change_are_cut_then_all_frames_seen_are_made(tmp_path):
    for name in ("hero", "dog"):
        draw_media(tmp_path, name)
    media = [MEDIA.format(folder=tmp_path, name=name) for name in ("hero", "dog")]
    text = f"""{HEADER}* MATTED DEFAULT KEYFRAMES: roto/{{shot}}
001  A001 V     C        01:00:00:00 01:00:00:06 01:00:00:00 01:00:00:06
* FROM CLIP NAME: hero
{media[0]}
002  A001 V     C        01:00:00:06 01:00:00:06 01:00:00:06 01:00:00:06
002  A002 V     D    004 01:00:00:00 01:00:00:08 01:00:00:06 01:00:00:10
* FROM CLIP NAME: hero
* TO CLIP NAME: dog
{media[1]}
M2   A002       048.0                01:00:00:00
"""

    batch = read(written(tmp_path, text))

    found = {entry.request.name: (str(entry.request.frames), entry.line) for entry in batch.entries}
    assert found == {"hero": ("1001-1010", 7), "dog": ("1001-1008", 10)}


def test_when_the_list_is_drop_frame_then_times_count_so(tmp_path):
    line = "001  A001     V     C        {0} {1} {0} {1}"
    for header, codes in (
        ("FCM: DROP FRAME\n", ("01:01:00:02", "01:01:00:06")),
        ("", ("01:01:00;02", "01:01:00;06")),
    ):
        text = f"{header}{line.format(*codes)}\n* FROM CLIP NAME: hero\n* MATTED PLATE: late/x.####.exr\n"
        file = written(tmp_path, text + "* MATTED KEYFRAMES: roto/hero\n* MATTED OUT: mattes\n")

        batch = read(file)

        assert str(batch.entries[0].request.frames) == "109692-109695"
        assert batch.notes == ()


def test_when_the_list_does_not_say_its_rate_then_the_one_assumed_is_told(tmp_path):
    text = event(1, 1003, 1010, "hero", tmp_path, "* MATTED KEYFRAMES: x", "* MATTED RANGE: 3", "* MATTED OUT: m")

    batch = read(written(tmp_path, text.replace("\n", "\r\n")))

    assert "24 is assumed" in batch.notes[0]
    assert "* MATTED RATE: 25" in batch.notes[0]


def test_when_sound_is_cut_too_then_nothing_is_said_of_it(tmp_path):
    draw_media(tmp_path, "hero")
    text = HEADER + event(1, 1003, 1010, "hero", tmp_path, "* MATTED KEYFRAMES: roto/hero", "* MATTED RANGE: 1003")
    text += "001  A001     AA    C        01:00:00:00 01:00:01:00 01:00:00:00 01:00:01:00\n* MATTED PRIORITY: 3\n"
    text += "002  A001     A2    C        01:00:00:00 01:00:01:00 01:00:00:00 01:00:01:00\n* FROM CLIP NAME: music\n"

    batch = read(written(tmp_path, text))

    assert [(entry.request.name, entry.request.priority) for entry in batch.entries] == [("hero", 3)]
    assert batch.notes == ()


def test_when_picture_and_sound_are_split_then_both_lines_share_the_comments(tmp_path):
    draw_media(tmp_path, "hero")
    times = "01:00:00:00 01:00:00:08 01:00:00:00 01:00:00:08"
    text = f"""{HEADER}SPLIT:    AUDIO DELAY=  00:00:00:02
001  A001     V     C        {times}
002  A001     B     C        {times}
* FROM CLIP NAME: hero
{MEDIA.format(folder=tmp_path, name="hero")}
* MATTED KEYFRAMES: roto/hero
"""

    batch = read(written(tmp_path, text))

    assert [(entry.request.name, str(entry.request.frames)) for entry in batch.entries] == [("hero", "1001-1008")]


def test_when_an_event_names_no_clip_then_its_reel_does(tmp_path):
    text = HEADER + "001  A001C007 V     C        01:00:00:00 01:00:00:08 01:00:00:00 01:00:00:08\n"
    text += "* MATTED KEYFRAMES: roto\n* MATTED PLATE: late/x.####.exr\n"

    assert read(written(tmp_path, text)).entries[0].request.name == "A001C007"


def test_when_objects_take_several_lines_then_all_are_meant(tmp_path):
    draw_media(tmp_path, "hero")
    more = ["* MATTED OBJECTS: red=roto/hero", "* MATTED OBJECTS: blue=roto/hero", "* MATTED RANGE: 1003-1010"]

    batch = read(written(tmp_path, HEADER + event(1, 1003, 1010, "hero", tmp_path, *more)))

    assert [mask.object for mask in batch.entries[0].request.masks] == ["red", "blue"]


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        pytest.param("* MATTED KEYFRAMES", "says nothing", id="no value"),
        pytest.param("* MATTED KEYFRAMES:", "says nothing", id="an empty value"),
        pytest.param("* MATTED OUT: a\n* MATTED OUT: b", "'out' is given twice", id="twice"),
        pytest.param("* MATTED DIRECTOIN: forward", "'directoin'", id="an unknown key"),
        pytest.param("* MATTED RATE: fast", "'fast' is no frame rate", id="no rate"),
    ],
)
def test_when_a_comment_is_wrong_then_its_line_is_named(tmp_path, comment, said):
    header = HEADER.replace("* MATTED RATE: 24\n", "") if "RATE" in comment else HEADER
    text = header + event(1, 1003, 1010, "hero", tmp_path, "* MATTED KEYFRAMES: x", "* MATTED RANGE: 3", comment)
    file = written(tmp_path, text)

    (found,) = problems(file)

    assert said in found.message
    assert found.line == len(text.splitlines())


def test_when_a_comment_stands_before_every_event_then_it_is_told_how_to_mean_all_of_them(tmp_path):
    file = written(tmp_path, "* MATTED OUT: m\n" + HEADER + event(1, 1003, 1010, "hero", tmp_path))

    (found,) = problems(file)

    assert found.line == 1
    assert "* MATTED DEFAULT OUT: m" in found.hint


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("002  A001 V  C  01:00:00:00", id="cut off"),
        pytest.param("002  A001 V  C  01:00:00:30 01:00:01:00 01:00:00:00 01:00:01:00", id="no such frame"),
        pytest.param("002  A001 V  Q  01:00:00:00 01:00:01:00 01:00:00:00 01:00:01:00", id="no such edit"),
        pytest.param("2x", id="no event"),
    ],
)
def test_when_an_event_is_broken_then_its_line_is_named(tmp_path, line):
    good = [event(number, 1003, 1010, "hero", tmp_path, "* MATTED KEYFRAMES: x") for number in (1, 3, 4)]
    text = HEADER + good[0] + line + "\n" + good[1] + good[2]
    file = written(tmp_path, text)

    (found,) = problems(file)

    assert found.line == text.splitlines().index(line) + 1
    assert found.message.startswith("The event cannot be read: ")


def test_when_the_adapter_is_not_installed_then_it_is_told_how_to_get_it(tmp_path, monkeypatch):
    def unknown(*args, **kwargs):
        raise otio.exceptions.NotSupportedError("cmx_3600")

    monkeypatch.setattr(otio.adapters, "read_from_string", unknown)
    file = written(tmp_path, HEADER + event(1, 1003, 1010, "hero", tmp_path, "* MATTED KEYFRAMES: x"))

    (found,) = problems(file)

    assert "python install.py --with timelines" in found.hint


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.integers(0, 100_000),
    length=st.integers(1, 2_000),
    rate=st.sampled_from([24, 25, 30, 30000 / 1001, 24000 / 1001]),
)
def test_when_opentimelineio_writes_the_list_then_ranges_come_back(tmp_path, start, length, rate):
    span = TimeRange(RationalTime(start, rate), RationalTime(length, rate))
    clip = otio.schema.Clip("hero", source_range=span, metadata={"cmx_3600": {"comments": []}})
    clip.media_reference = otio.schema.ExternalReference("/late/x.####.exr")
    track = otio.schema.Track("V", kind=otio.schema.TrackKind.Video, children=[clip])
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(track)
    text = otio.adapters.write_to_string(timeline, "cmx_3600", rate=rate)
    said = f"* MATTED RATE: {rate:.6g}\n* MATTED DEFAULT OUT: m\n"
    file = written(tmp_path, said + text + "\n* MATTED KEYFRAMES: roto\n")

    (shot,) = read_timeline(file).tree["shots"]

    assert to_timecode(span.start_time, rate) in text
    assert shot["range"] == (f"{start}-{start + length - 1}" if length > 1 else str(start))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.one_of(
            st.text(max_size=30),
            st.sampled_from(
                [
                    "001  A V  C  01:00:00:00 01:00:01:00 01:00:00:00 01:00:01:00",
                    "001  A V  D 012  01:00:00:00 01:00:01:00 01:00:00:00 01:00:01:00",
                    "SPLIT: VIDEO DELAY= 1",
                    "M2 A -024.0 01:00:00:00",
                    "* FREEZE FRAME",
                    "* ASC_SOP (x)",
                    "* MATTED KEYFRAMES: {shot}",
                    "* MATTED THRESHOLDS: x",
                    "* MATTED THRESHOLDS.JUMP: x",
                    "* MATTED DEFAULT: x",
                    "* FROM CLIP: [1-2].exr",
                    "FCM: DROP FRAME",
                ]
            ),
        ),
        max_size=8,
    )
)
def test_when_a_list_is_hostile_then_it_is_read_or_refused_with_problems(tmp_path, lines):
    file = tmp_path / "cut.edl"
    file.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    try:
        read(file)
    except JobFileError as error:
        assert error.problems


def test_when_the_manual_shows_a_list_then_it_can_be_read(tmp_path):
    manual = (Path(__file__).parents[4] / "docs" / "jobs.md").read_text("utf-8")
    (shown,) = re.findall(r"```\n(TITLE: .*?)```", manual, re.DOTALL)

    batch = read(written(tmp_path, shown))

    first, second = (entry.request for entry in batch.entries)
    assert (first.name, str(first.frames)) == ("a010", "1001-1116")
    assert second.plate == str(Path("/mnt/moon/plates/a020/a020.####.exr"))
    assert [mask.object for mask in second.masks] == ["hero", "dog"]
    assert batch.notes == ()
