"""OpenTimelineIO timelines as job files: clips become shots in the plate's own frame numbers."""

import json
import sys

import opentimelineio as otio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.drawn_cut import HOUR, clip, draw_media, files, line_of, span, url, write_cut
from fakes.drawn_shot import FIRST, LAST, write_masks
from matted.batch.jobfile import JobFileError, check, read
from matted.batch.jobfile.timeline import read_timeline
from matted_protocol.frames import FrameRange

DEFAULTS = {"keyframes": "roto/{shot}", "out": "mattes/{shot}"}


def ranges(batch):
    return {entry.request.name: str(entry.request.frames) for entry in batch.entries}


def problem(file):
    with pytest.raises(JobFileError) as refused:
        read(file)
    assert len(refused.value.problems) == 1, refused.value.problems
    return refused.value.problems[0]


def test_when_a_clip_carries_a_folder_of_masks_then_it_is_a_shot_that_can_be_made(tmp_path):
    draw_media(tmp_path, "hero")
    keys = {"keyframes": "roto/hero", "out": "mattes/{shot}", "working_size": 64.0}
    file = write_cut(tmp_path / "cut.otio", [clip("hero", files(tmp_path, "hero"), span(HOUR + 2, 8), **keys)])

    batch = read(file)

    (entry,) = batch.entries
    assert entry.request.name == "hero"
    assert entry.request.shot().wanted() == tuple(range(1003, 1011))
    assert entry.request.shot().keyframes.frames == (1003, 1010)
    assert entry.request.session.working_size == 64
    assert check(batch) == ()
    assert batch.notes == ()


def test_when_the_timeline_says_defaults_then_only_clips_with_masks_are_shots_and_the_others_are_named(tmp_path):
    draw_media(tmp_path, "hero")
    draw_media(tmp_path, "sky", keyframes=())
    clips = [clip("hero", files(tmp_path, "hero")), clip("sky", files(tmp_path, "sky"))]
    file = write_cut(tmp_path / "cut.otio", clips, defaults=DEFAULTS)

    batch = read(file)

    assert ranges(batch) == {"hero": "1001-1016"}
    line = line_of(file, '"name": "sky"')
    assert batch.notes == (f"{file}:{line}: The clip 'sky' is left out: there are no masks at {tmp_path}/roto/sky.",)


def test_when_tokens_and_objects_are_in_the_defaults_then_masks_are_looked_for_by_them(tmp_path):
    draw_media(tmp_path, "hero", keyframes=())
    draw_media(tmp_path, "dog", keyframes=())
    newest = tmp_path / "hand" / "hero" / "v002"
    (write_masks(newest, (1003,)) / "mask.1003.exr").rename(newest / "red.1003.exr")
    defaults = {"keyframes": "{roto}/{version}/{object}.####.exr", "objects": ["red"], "out": "mattes/{shot}"}
    clips = [clip("hero", files(tmp_path, "hero")), clip("dog", files(tmp_path, "dog"))]
    file = write_cut(tmp_path / "cut.otio", clips, defaults=defaults, tokens={"roto": "hand/{shot}"})

    batch = read(file)

    assert list(ranges(batch)) == ["hero"]
    assert batch.entries[0].request.shot().keyframes.objects == ("red",)
    assert "'dog' is left out: there are no masks at" in batch.notes[0]


def test_when_a_clip_says_nothing_and_neither_do_the_defaults_then_it_is_left_out(tmp_path):
    draw_media(tmp_path, "hero")
    clips = [
        clip("sky", files(tmp_path, "hero")),
        clip("hero", files(tmp_path, "hero"), keyframes="roto/hero", out="mattes"),
    ]

    batch = read(write_cut(tmp_path / "cut.otio", clips))

    assert list(ranges(batch)) == ["hero"]
    assert "The clip 'sky' is left out: it has no keyframes." in batch.notes[0]


def test_when_a_clip_or_its_track_is_switched_off_then_it_is_left_out(tmp_path):
    draw_media(tmp_path, "hero")
    clips = [clip(name, files(tmp_path, "hero"), keyframes="roto/hero", out=f"m/{name}") for name in "ab"]
    clips[0].enabled = False
    file = write_cut(tmp_path / "cut.otio", clips, [clip("c", files(tmp_path, "hero"), keyframes="roto/hero")])
    timeline = otio.adapters.read_from_file(str(file))
    timeline.tracks[1].enabled = False
    otio.adapters.write_to_file(timeline, str(file))

    batch = read(file)

    assert list(ranges(batch)) == ["b"]
    assert [note.split("The clip ")[1] for note in batch.notes] == [
        "'a' is left out: it is switched off.",
        "'c' is left out: it is switched off.",
    ]


def test_when_sound_gaps_and_generated_pictures_are_there_then_nothing_is_said_of_them(tmp_path):
    draw_media(tmp_path, "hero")
    black = otio.schema.GeneratorReference(generator_kind="black")
    clips = [
        otio.schema.Gap(source_range=span(0, 5)),
        clip("black", black, span(0, 5)),
        clip("hero", files(tmp_path, "hero")),
    ]
    file = write_cut(tmp_path / "cut.otio", clips, [clip("music", files(tmp_path, "hero"))], defaults=DEFAULTS)
    timeline = otio.adapters.read_from_file(str(file))
    timeline.tracks[1].kind = otio.schema.TrackKind.Audio
    otio.adapters.write_to_file(timeline, str(file))

    batch = read(file)

    assert list(ranges(batch)) == ["hero"]
    assert batch.notes == ()


def test_when_no_clip_carries_masks_then_that_is_the_problem(tmp_path):
    draw_media(tmp_path, "sky", keyframes=())

    found = problem(write_cut(tmp_path / "cut.otio", [clip("sky", files(tmp_path, "sky"))]))

    assert found.message.startswith("No clip of the timeline has keyframes.")
    assert "'sky' is left out" in found.message


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        pytest.param((6, 4), {"hero": "1003-1010"}, id="overlapping"),
        pytest.param((7, 4), {"hero": "1003-1011"}, id="touching"),
        pytest.param((3, 1), {"hero": "1003-1007"}, id="inside"),
        pytest.param((8, 4), {"hero": "1003-1007", "hero_2": "1009-1012"}, id="apart"),
    ],
)
def test_when_a_clip_is_cut_in_twice_then_it_is_one_shot_where_its_frames_meet(tmp_path, second, expected):
    draw_media(tmp_path, "hero")
    keys = {"keyframes": "roto/hero", "out": "mattes/{shot}"}
    media = files(tmp_path, "hero")
    cuts = [span(HOUR + 2, 5), span(HOUR + second[0], second[1])]
    file = write_cut(tmp_path / "cut.otio", *[[clip("hero", media.clone(), cut, **keys)] for cut in cuts])

    assert ranges(read(file)) == expected


def test_when_a_clip_bridges_two_others_of_itself_then_all_are_one_shot(tmp_path):
    draw_media(tmp_path, "hero")
    keys = {"keyframes": "roto/hero", "out": "mattes/{shot}"}
    cuts = [span(HOUR, 3), span(HOUR + 9, 4), span(HOUR + 2, 8)]
    clips = [clip("hero", files(tmp_path, "hero"), cut, **keys) for cut in cuts]

    assert ranges(read(write_cut(tmp_path / "cut.otio", clips))) == {"hero": "1001-1013"}


def test_when_clips_of_one_name_have_other_keys_then_they_are_two_shots(tmp_path):
    draw_media(tmp_path, "hero")
    clips = [
        clip("hero", files(tmp_path, "hero"), keyframes="roto/hero", out="mattes/{shot}", direction=direction)
        for direction in ("forward", "backward")
    ]

    assert list(ranges(read(write_cut(tmp_path / "cut.otio", clips)))) == ["hero", "hero_2"]


def test_when_stacks_are_nested_then_their_trim_counts(tmp_path):
    draw_media(tmp_path, "hero")
    inner = otio.schema.Track("inner", kind=otio.schema.TrackKind.Video)
    inner.append(otio.schema.Gap(source_range=span(0, 3)))
    inner.append(clip("hero", files(tmp_path, "hero"), span(HOUR + 1, 10)))
    inner.append(clip("unseen", files(tmp_path, "hero"), keyframes="roto/hero", out="m"))
    stack = otio.schema.Stack("nested", source_range=span(5, 4))
    stack.append(inner)

    batch = read(write_cut(tmp_path / "cut.otio", [stack], defaults=DEFAULTS))

    assert ranges(batch) == {"hero": "1004-1007"}
    assert "'unseen' is left out: nothing of it is seen." in batch.notes[0]


def test_when_clips_dissolve_then_the_frames_under_the_dissolve_are_made_too(tmp_path):
    for name in ("hero", "dog"):
        draw_media(tmp_path, name)
    dissolve = otio.schema.Transition(
        transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
        in_offset=otio.opentime.RationalTime(2, 24),
        out_offset=otio.opentime.RationalTime(3, 24),
    )
    clips = [
        clip("hero", files(tmp_path, "hero"), span(HOUR + 2, 6)),
        dissolve,
        clip("dog", files(tmp_path, "dog"), span(HOUR + 4, 6)),
    ]

    assert ranges(read(write_cut(tmp_path / "cut.otio", clips, defaults=DEFAULTS))) == {
        "hero": "1003-1011",
        "dog": "1003-1010",
    }


@pytest.mark.parametrize(
    ("effect", "expected", "said"),
    [
        pytest.param(otio.schema.LinearTimeWarp(time_scalar=2.0), "1003-1010", "", id="twice as fast"),
        pytest.param(otio.schema.LinearTimeWarp(time_scalar=0.5), "1003-1004", "", id="half as fast"),
        pytest.param(otio.schema.LinearTimeWarp(time_scalar=-1.0), "1003-1006", "plays backwards", id="backwards"),
        pytest.param(otio.schema.FreezeFrame(), "1003", "stands still", id="frozen"),
        pytest.param(otio.schema.TimeEffect(effect_name="curve"), "1003-1006", "'curve'", id="a curve"),
        pytest.param(otio.schema.Effect(effect_name="glow"), "1003-1006", "", id="no change of speed"),
    ],
)
def test_when_a_clip_plays_at_another_speed_then_its_range_is_what_is_seen_of_the_plate(
    tmp_path, effect, expected, said
):
    draw_media(tmp_path, "hero")
    clips = [clip("hero", files(tmp_path, "hero"), span(HOUR + 2, 4), effects=[effect.clone()])]

    batch = read(write_cut(tmp_path / "cut.otio", clips, defaults=DEFAULTS))

    assert ranges(batch) == {"hero": expected}
    assert [said in note for note in batch.notes] == ([True] if said else [])


@pytest.mark.parametrize(
    ("handles", "expected"),
    [pytest.param(2, "1003-1010", id="inside the plate"), pytest.param("9", "1001-1016", id="beyond the plate")],
)
def test_when_handles_are_asked_for_then_the_range_grows_as_far_as_the_plate_does(tmp_path, handles, expected):
    draw_media(tmp_path, "hero")
    clips = [clip("hero", files(tmp_path, "hero"), span(HOUR + 4, 4))]
    file = write_cut(tmp_path / "cut.otio", clips, defaults={**DEFAULTS, "handles": handles})

    assert ranges(read(file)) == {"hero": expected}


def test_when_a_clip_has_its_own_range_and_plate_then_they_win(tmp_path):
    draw_media(tmp_path, "hero")
    keys = {"keyframes": "roto/hero", "out": "m", "range": "1005-1007", "plate": "plates/{shot}/plate.####.png"}

    batch = read(write_cut(tmp_path / "cut.otio", [clip("hero", url("proxy.mov", span(0, 9)), **keys)]))

    assert ranges(batch) == {"hero": "1005-1007"}
    assert batch.entries[0].request.shot().wanted() == (1005, 1006, 1007)


def test_when_frames_are_shifted_then_the_range_is_too(tmp_path):
    draw_media(tmp_path, "hero", keyframes=(3, 10))
    clips = [clip("hero", files(tmp_path, "hero"), span(HOUR + 4, 4), frame_offset=1000)]

    batch = read(write_cut(tmp_path / "cut.otio", clips, defaults=DEFAULTS))

    assert ranges(batch) == {"hero": "5-8"}
    assert batch.entries[0].request.shot().wanted() == (5, 6, 7, 8)


def test_when_every_second_frame_has_a_file_then_the_range_steps(tmp_path):
    draw_media(tmp_path, "hero", keyframes=(1003,))
    for frame in range(FIRST + 1, LAST + 1, 2):
        (tmp_path / "plates" / "hero" / f"plate.{frame}.png").unlink()
    clips = [clip("hero", files(tmp_path, "hero", step=2), span(HOUR + 1, 7))]

    batch = read(write_cut(tmp_path / "cut.otio", clips, defaults=DEFAULTS))

    assert batch.entries[0].request.frames == FrameRange(1003, 1008, 2)
    assert batch.entries[0].request.shot().wanted() == (1003, 1005, 1007)


def test_when_a_name_holds_braces_and_slashes_then_they_are_no_tokens_and_no_folders(tmp_path):
    draw_media(tmp_path, "a{b}")
    keys = {"keyframes": "roto/a{{b}}", "out": "m/{shot}"}

    batch = read(write_cut(tmp_path / "cut.otio", [clip("seq/{hero}.exr", files(tmp_path, "a{b}"), **keys)]))

    (entry,) = batch.entries
    assert entry.request.name == "seq_{hero}"
    assert entry.request.shot().wanted() == tuple(range(FIRST, LAST + 1))


def test_when_a_key_of_a_clip_is_wrong_then_its_line_is_named(tmp_path):
    draw_media(tmp_path, "hero")
    keys = {"keyframes": "roto/hero", "out": "m", "directoin": "forward"}
    file = write_cut(tmp_path / "cut.otio", [clip("hero", files(tmp_path, "hero"), **keys)])

    found = problem(file)

    assert (found.line, found.shot) == (line_of(file, "directoin"), "hero")
    assert found.hint == "Did you mean 'direction'?"


@pytest.mark.parametrize(
    ("keys", "media", "said"),
    [
        pytest.param({}, url("https://cloud/hero.mov", span(0, 9)), "is not a file", id="no file"),
        pytest.param({}, otio.schema.MissingReference(), "does not say which frames", id="no range"),
        pytest.param({"handles": "x"}, url("plates/hero", span(0, 9)), "handles is 'x'", id="no handles"),
    ],
)
def test_when_a_clip_cannot_be_understood_then_its_line_and_what_to_do_are_told(tmp_path, keys, media, said):
    draw_media(tmp_path, "hero")
    file = write_cut(tmp_path / "cut.otio", [clip("hero", media.clone(), keyframes="roto/hero", out="m", **keys)])

    found = problem(file)

    assert said in found.message
    assert found.message.startswith("The clip 'hero': ")
    assert found.line == line_of(file, '"name": "hero"')
    assert found.hint


def test_when_metadata_is_no_table_then_that_is_told(tmp_path):
    file = write_cut(tmp_path / "cut.otio", [clip("hero", url("hero.mov", span(0, 9)))])
    text = json.loads(file.read_text())
    text["metadata"] = {"matted": [1]}
    file.write_text(json.dumps(text))

    assert "metadata['matted'] is not a table" in problem(file).message


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="no timeline"),
        pytest.param(b"[1, 2]", id="a list"),
        pytest.param(b"{\n\n]", id="no JSON"),
        pytest.param(b"[" * 100_000, id="nested deep"),
        pytest.param(b'{"OTIO_SCHEMA": "Timeline.99"}', id="a later form"),
        pytest.param(b'{"OTIO_SCHEMA": "Timeline.1", "tracks": 3}', id="no tracks"),
        pytest.param(b'{"OTIO_SCHEMA": "Poem.1"}', id="another thing"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
    ],
)
@pytest.mark.parametrize("ending", [".otio", ".otioz", ".edl"])
def test_when_the_file_is_no_timeline_then_it_is_one_problem(tmp_path, content, ending):
    file = tmp_path / f"cut{ending}"
    file.write_bytes(content)

    assert problem(file).file == file


def test_when_a_bundle_is_given_then_its_timeline_is_read(tmp_path):
    draw_media(tmp_path, "hero")
    timeline = otio.adapters.read_from_file(
        str(write_cut(tmp_path / "cut.otio", [clip("hero", files(tmp_path, "hero"))], defaults=DEFAULTS))
    )
    bundle = tmp_path / "cut.otioz"
    policy = otio.adapters.file_bundle_utils.MediaReferencePolicy.MissingIfNotFile
    media = timeline.find_clips()[0].media_reference.clone()
    timeline.find_clips()[0].source_range = span(HOUR, 4)
    timeline.find_clips()[0].metadata["matted"] = {"plate": "plates/hero/plate.####.png", "range": "1001-1004"}
    otio.adapters.write_to_file(timeline, str(bundle), media_policy=policy)

    assert media.name_prefix == "plate."
    assert ranges(read(bundle)) == {"hero": "1001-1004"}


def test_when_opentimelineio_is_not_installed_then_it_is_told_how_to_get_it(tmp_path, monkeypatch):
    file = write_cut(tmp_path / "cut.otio", [clip("hero", url("hero.mov", span(0, 9)))])
    monkeypatch.setitem(sys.modules, "opentimelineio", None)

    found = problem(file)

    assert "OpenTimelineIO, which is not installed" in found.message
    assert "python install.py --with timelines" in found.hint


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.integers(0, 15),
    length=st.integers(1, 16),
    handles=st.integers(0, 20),
    rate=st.sampled_from([24, 25, 30, 23.976, 29.97, 24000 / 1001, 60]),
    begins=st.sampled_from([0, 1001, HOUR, 107_892]),
)
def test_when_written_and_read_back_then_the_range_is_what_was_cut(tmp_path, start, length, handles, rate, begins):
    if not (tmp_path / "roto").exists():
        draw_media(tmp_path, "hero")
    length = min(length, 16 - start)
    media = files(tmp_path, "hero", start=begins, rate=rate)
    clips = [clip("hero", media, span(begins + start, length, rate))]
    file = write_cut(tmp_path / "cut.otio", clips, defaults={**DEFAULTS, "handles": handles})

    raw = read_timeline(file)

    first, last = max(FIRST, FIRST + start - handles), min(LAST, FIRST + start + length - 1 + handles)
    assert raw.tree["shots"][0]["range"] == str(FrameRange(first, last))
