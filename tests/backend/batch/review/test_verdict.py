"""Pass, warn or fail."""

import math
from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matted.batch.review import FrameReview, LeftOut, Review, Thresholds, judge

LIMITS = Thresholds((0.5, 0.3), (4, 8), (0.1, 0.2), (0.7, 0.4))
ORDER = ("pass", "warn", "fail")


def shot(*, confidence=None, jump=None, flicker=None, left_out=None, keyframes=(), frames=range(1001, 1011)):
    """One object of ten good frames, but for what is given by frame."""
    reviewed = tuple(
        FrameReview(frame, (0.1,), ((jump or {}).get(frame, 0.5),), ((flicker or {}).get(frame, 0.02),))
        for frame in frames
    )
    left = tuple(LeftOut(frame, (value,), (value,), (0.1,)) for frame, value in (left_out or {}).items())
    sure = {frame: ((confidence or {}).get(frame, 0.9),) for frame in frames}
    return sure, Review(("hero",), reviewed, left, tuple(keyframes))


def test_when_nothing_is_wrong_then_it_passes():
    assert astuple(judge(*shot(left_out={1001: 0.9}), LIMITS)) == ("pass", ())


def test_when_confidence_falls_then_it_is_said_where_and_how_far():
    verdict = judge(*shot(confidence={1004: 0.45, 1005: 0.31, 1006: 0.49, 1009: 0.4}), LIMITS)
    (finding,) = verdict.findings

    assert verdict.state == finding.level == "warn"
    assert finding.frames == (1004, 1005, 1006, 1009)
    assert (finding.worst, finding.value, finding.limit) == (1005, 0.31, 0.5)
    assert finding.words == "hero: confidence falls to 0.31 at frame 1005 (1004-1006,1009 below 0.5)"


def test_when_one_frame_is_beyond_then_its_number_stands_once():
    (finding,) = judge(*shot(jump={1004: 12.4}), LIMITS).findings

    assert finding.level == "fail"
    assert finding.words == "hero: the area jumps at frame 1004, 12 times as fast as around it"


@pytest.mark.parametrize(("measure", "value"), [("confidence", 0.1), ("jump", 20), ("flicker", 0.5), ("left_out", 0.1)])
def test_when_a_measure_is_far_beyond_then_it_fails_by_that_measure(measure, value):
    verdict = judge(*shot(**{measure: {1003: value}}), LIMITS)

    assert verdict.state == "fail"
    assert [finding.measure for finding in verdict.findings] == [measure]
    assert str(1003) in verdict.findings[0].words
    assert verdict.findings[0].words.startswith("hero: ")


@pytest.mark.parametrize("measure", ["confidence", "jump", "flicker", "left_out"])
def test_when_a_measure_is_at_a_threshold_then_it_is_not_beyond_it(measure):
    warn, fail = getattr(LIMITS, measure)

    assert judge(*shot(**{measure: {1003: warn}}), LIMITS).state == "pass"
    assert judge(*shot(**{measure: {1003: fail}}), LIMITS).state == "warn"


@pytest.mark.parametrize("row", [0, 1])
def test_when_one_of_two_objects_is_bad_then_every_finding_names_that_one(row):
    good = {"confidence": {1003: 0.9}, "jump": {1004: 0.5}, "flicker": {1005: 0.02}, "left_out": {1006: 0.9}}
    bad = {"confidence": {1003: 0.1}, "jump": {1004: 20}, "flicker": {1005: 0.5}, "left_out": {1006: 0.1}}
    confidence, review = side_by_side(*((good, bad) if row else (bad, good)))

    found = judge(confidence, review, LIMITS).findings

    assert {(one.object, one.measure, one.frames) for one in found} == {
        (review.objects[row], measure, tuple(frames)) for measure, frames in bad.items()
    }


def side_by_side(*measures):
    """One shot of the objects hero and dog, what is given of each."""
    (sure, hero), (other, dog) = (shot(**one) for one in measures)
    frames = [
        FrameReview(one.frame, one.area + two.area, one.jump + two.jump, one.flicker + two.flicker)
        for one, two in zip(hero.frames, dog.frames, strict=True)
    ]
    left_out = [
        LeftOut(one.frame, one.j + two.j, one.f + two.f, one.edge_mad + two.edge_mad)
        for one, two in zip(hero.left_out, dog.left_out, strict=True)
    ]
    return {frame: sure[frame] + other[frame] for frame in sure}, Review(
        ("hero", "dog"), tuple(frames), tuple(left_out)
    )


def test_when_several_are_found_then_failures_come_first_and_the_worst_of_them_first():
    found = judge(*shot(confidence={1003: 0.4}, jump={1004: 9}, flicker={1005: 0.9}, left_out={1006: 0.6}), LIMITS)

    assert [(one.level, one.measure) for one in found.findings] == [
        ("fail", "flicker"),
        ("fail", "jump"),
        ("warn", "confidence"),
        ("warn", "left_out"),
    ]


def test_when_a_keyframe_is_unsure_then_it_is_no_finding():
    assert judge(*shot(confidence={1004: 0.1}, keyframes=[1004]), LIMITS).findings == ()


@pytest.mark.parametrize(("measure", "value"), [("jump", 20), ("flicker", 0.5)])
def test_when_the_mattes_jump_to_a_keyframe_then_the_frame_before_it_is_to_blame(measure, value):
    (finding,) = judge(*shot(**{measure: {1004: value}}, keyframes=[1004]), LIMITS).findings

    assert finding.frames == (1003,)


def test_when_every_frame_is_a_keyframe_then_nothing_is_found():
    bad = {1001: 50.0, 1004: 50.0}

    assert judge(*shot(jump=bad, confidence={1004: 0.0}, keyframes=range(1001, 1011)), LIMITS).state == "pass"


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("confidence", math.nan),
        ("jump", math.nan),
        ("jump", None),
        ("flicker", math.nan),
        ("flicker", None),
        ("left_out", math.nan),
        ("left_out", None),
    ],
)
def test_when_a_number_is_none_then_it_is_no_finding(measure, value):
    assert judge(*shot(**{measure: {1003: value}}), LIMITS).state == "pass"


def test_when_there_are_no_frames_then_it_passes():
    assert judge({}, Review(("hero",), (), ()), LIMITS).state == "pass"


def test_when_written_down_then_the_review_comes_back():
    _, review = shot(jump={1003: None}, left_out={1001: 0.5}, keyframes=[1001, 1010])

    assert Review.from_plain(review.plain()) == review


limits = st.tuples(*[st.floats(0, 1)] * 2)
values = st.dictionaries(st.integers(1001, 1010), st.floats(0, 1))


@given(limits, limits, limits, limits, st.floats(0, 0.5), values, values, values, values)
def test_when_thresholds_are_stricter_then_the_verdict_is_never_better(
    sure, jump, flicker, left, more, confidence, jumps, flickers, left_out
):
    loose = Thresholds(sure, jump, flicker, left)
    strict = replace(
        loose,
        confidence=tuple(limit + more for limit in sure),
        jump=tuple(limit - more for limit in jump),
        flicker=tuple(limit - more for limit in flicker),
        left_out=tuple(limit + more for limit in left),
    )
    made = shot(confidence=confidence, jump=jumps, flicker=flickers, left_out=left_out, keyframes=[1001, 1007])

    assert ORDER.index(judge(*made, strict).state) >= ORDER.index(judge(*made, loose).state)
