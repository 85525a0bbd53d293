"""The union rule, one test a rule (hosts.md 2.3 and 8.1 item 7): each fails when its rule is taken out."""

from __future__ import annotations

import pytest

from fakes.nuke_rotopaint import MEMBERS, RotoKnob, artist_bezier, planar_track, rotopaint
from matted_nuke.roto import keyframes, names

SQUARE = [(10, 10), (50, 10), (50, 40), (10, 40)]
FIRST, LAST = 1001, 1100


def drawn(*frames, layer="", name="Bezier1", knob=None):
    knob = knob or RotoKnob()
    artist_bezier(knob, name, dict.fromkeys(frames or (1001,), SQUARE), layer=layer)
    return knob


def frames_of(knob):
    return keyframes(knob, FIRST, LAST).frames


def test_when_points_are_keyed_then_their_frames_are_keyframes():
    keys = keyframes(drawn(1001, 1040, 1100), FIRST, LAST)

    assert keys.frames == keys.point_frames == (1001, 1040, 1100)
    assert not keys.every_frame
    assert keys.notes == ()


@pytest.mark.parametrize("member", MEMBERS)
def test_when_one_member_of_the_last_point_is_keyed_then_the_frame_counts(member):
    knob = drawn(1001)
    getattr(knob.toElement("Bezier1")[3], member).addPositionKey(1033, (1, 1))

    assert frames_of(knob) == (1001, 1033)


def test_when_a_stroke_is_keyed_then_its_frames_count():
    knob = RotoKnob()
    stroke = rotopaint.Stroke(knob)
    point = rotopaint.AnimControlPoint(1, 1)
    point.addPositionKey(1007, (5, 5))
    stroke.append(point)
    knob.rootLayer.append(stroke)

    assert frames_of(knob) == (1007,)


@pytest.mark.parametrize("part", ["Translation", "Rotation", "Scale", "SkewX", "PivotPoint"])
def test_when_the_shapes_transform_is_animated_then_its_keys_count(part):
    knob = drawn(1001)
    transform = knob.toElement("Bezier1").getTransform()
    for frame in (1001, 1050):
        getattr(transform, f"add{part}Key")(frame, 1, 2, 0)

    keys = keyframes(knob, FIRST, LAST)

    assert keys.frames == (1001, 1050)
    assert keys.point_frames == (1001,)


def test_when_a_layer_above_is_animated_then_its_keys_count_for_the_shapes_below():
    knob = drawn(1001, layer="Outer/Inner")
    for frame in (1001, 1060):
        knob.toElement("Outer").getTransform().addTranslationKey(frame, frame, 0, 0)

    assert frames_of(knob) == (1001, 1060)


def test_when_the_root_layer_is_animated_then_its_keys_count():
    knob = drawn(1001)
    for frame in (1001, 1061):
        knob.rootLayer.getTransform().addTranslationKey(frame, frame, 0, 0)

    assert frames_of(knob) == (1001, 1061)


def test_when_a_layer_holds_no_shape_then_its_keys_are_nobodys():
    knob = drawn(1001, layer="Used")
    drawn(1002, layer="Empty", knob=knob)
    knob.toElement("Empty").removeAll()
    for frame in (1003, 1060):
        knob.toElement("Empty").getTransform().addTranslationKey(frame, frame, 0, 0)

    assert frames_of(knob) == (1001,)


def test_when_a_fresh_shape_carries_the_key_nuke_put_on_its_transform_then_it_does_not_count():
    knob = RotoKnob()
    shape = rotopaint.Shape(knob)
    for x, y in SQUARE:
        shape.append(rotopaint.ShapeControlPoint(x, y))
    knob.rootLayer.append(shape)
    knob.toElement("Shape1")[0].center.addPositionKey(20, (3, 3))

    assert knob.toElement("Shape1").getTransform().getTransformKeyTimes() == [1.0]
    assert keyframes(knob, 1, 100).frames == (20,)


@pytest.mark.parametrize("name", ["opc", "inv", "fo", "fx", "fy", "ff"])
def test_when_an_attribute_that_changes_the_matte_is_animated_then_its_keys_count(name):
    knob = drawn(1001)
    for frame, value in ((1001, 1.0), (1070, 0.5)):
        knob.toElement("Bezier1").getAttributes().getCurve(name).addKey(frame, value)

    assert frames_of(knob) == (1001, 1070)


def test_when_an_attribute_that_leaves_the_matte_alone_is_animated_then_its_keys_do_not_count():
    knob = drawn(1001)
    for frame in (1001, 1070):
        knob.toElement("Bezier1").getAttributes().getCurve("ro").addKey(frame, 1.0)

    assert frames_of(knob) == (1001,)


def test_when_only_visibility_is_keyed_then_the_frame_it_comes_on_counts_and_the_frame_it_goes_off_does_not():
    knob = drawn(1001)
    for frame, shown in ((1001, False), (1020, True), (1080, False)):
        knob.toElement("Bezier1").setVisible(frame, shown)

    assert frames_of(knob) == (1020,)


@pytest.mark.parametrize("path", ["Layer1", "Layer1/Bezier1"])
def test_when_a_shape_or_its_layer_is_hidden_at_a_key_then_that_frame_is_no_keyframe(path):
    knob = drawn(1001, 1010, 1020, layer="Layer1")
    for frame, shown in ((1009, True), (1010, False), (1015, True)):
        knob.toElement(path).setVisible(frame, shown)

    assert 1010 not in frames_of(knob)
    assert {1001, 1020} <= set(frames_of(knob))


def test_when_points_are_keyed_while_hidden_then_they_are_no_point_frames_either():
    knob = drawn(1001, 1010)
    knob.toElement("Bezier1").setVisible(1009, True)
    knob.toElement("Bezier1").setVisible(1010, False)

    assert keyframes(knob, FIRST, LAST).point_frames == (1001,)


@pytest.mark.parametrize("name", ["opc", "vis"])
def test_when_a_layers_own_attribute_is_animated_then_its_keys_count(name):
    knob = drawn(1001, layer="Layer1")
    for frame, value in ((1001, 1.0), (1070, 0.75)):
        knob.toElement("Layer1").getAttributes().getCurve(name).addKey(frame, value)

    assert frames_of(knob) == (1001, 1070)


def test_when_a_key_between_frames_lies_outside_of_the_range_then_nobody_is_told():
    assert keyframes(drawn(1001, 1200.5), FIRST, LAST).notes == ()


def test_when_a_hidden_shape_shares_a_frame_with_a_visible_one_then_the_frame_counts():
    knob = drawn(1001, 1010)
    knob.toElement("Bezier1").setVisible(1001, False)
    drawn(1010, name="Bezier2", knob=knob)

    assert frames_of(knob) == (1010,)


def test_when_a_shape_is_fully_transparent_at_a_key_then_that_frame_is_no_keyframe():
    knob = drawn(1001, 1010, 1020)
    for frame, value in ((1001, 1), (1010, 0), (1020, 1)):
        knob.toElement("Bezier1").getAttributes().getCurve("opc").addKey(frame, value)

    assert frames_of(knob) == (1001, 1020)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(0, (1001, 1010, 1020, 1030)), (1, (1001, 1010, 1020)), (2, (1010,)), (3, (1010, 1020, 1030)), (4, (1010, 1020))],
)
def test_when_a_key_lies_outside_of_the_shapes_lifetime_then_it_does_not_count(kind, expected):
    knob = drawn(1001, 1010, 1020, 1030)
    for name, value in (("ltt", kind), ("ltn", 1010), ("ltm", 1020)):
        knob.toElement("Bezier1").getAttributes().set(name, value)

    assert frames_of(knob) == expected


def test_when_keys_lie_outside_of_the_range_then_they_do_not_count():
    assert frames_of(drawn(990, 1001, 1100, 1101)) == (1001, 1100)


def test_when_a_key_lies_between_frames_then_the_nearest_counts_and_the_artist_is_told():
    keys = keyframes(drawn(1001, 1010.25, 1020.75), FIRST, LAST)

    assert keys.frames == (1001, 1010, 1021)
    assert keys.notes == ("Bezier1 is keyed between frames (1010.25): the nearest frame counts.",)


def test_when_a_planar_track_keys_every_frame_then_only_keyed_points_count_and_the_artist_is_told():
    knob = drawn(1001, 1050, layer="Track")
    planar_track(knob, "Track", {frame: (frame - 1001, 0) for frame in range(FIRST, LAST + 1)})

    keys = keyframes(knob, FIRST, LAST)

    assert keys.every_frame
    assert keys.frames == keys.point_frames == (1001, 1050)
    assert keys.notes == ("100 of 100 frames are keyed, as by a planar track: only the 2 with keyed points count.",)


@pytest.mark.parametrize(("count", "crowded"), [(60, False), (61, True)])
def test_when_transform_keys_pass_six_tenths_of_the_range_then_they_are_a_trackers(count, crowded):
    knob = drawn(1001)
    for frame in range(FIRST, FIRST + count):
        knob.toElement("Bezier1").getTransform().addTranslationKey(frame, frame, 0, 0)

    keys = keyframes(knob, FIRST, LAST)

    assert keys.every_frame == crowded
    assert len(keys.frames) == (1 if crowded else count)


def test_when_points_themselves_are_keyed_everywhere_then_all_count_and_the_artist_is_told():
    keys = keyframes(drawn(*range(FIRST, LAST + 1)), FIRST, LAST)

    assert keys.every_frame
    assert keys.frames == tuple(range(FIRST, LAST + 1))
    assert keys.notes == ("100 of 100 frames are keyed. If not by hand, type the good ones into keyframes.",)


def test_when_an_expression_drives_a_point_then_the_artist_is_told():
    knob = drawn(1001)
    drawn(1002, name="Linked", layer="Hand", knob=knob)
    tangent = knob.toElement("Hand/Linked")[2].leftTangent
    tangent.removeAllKeys()
    tangent.getPositionAnimCurve(1).expressionString = "frame"
    tangent.getPositionAnimCurve(1).useExpression = True

    keys = keyframes(knob, FIRST, LAST)

    assert keys.frames == (1001, 1002)
    assert keys.notes == ("Hand/Linked follows an expression, which has no keys: add its keyframes by hand.",)


@pytest.mark.parametrize("knob", [RotoKnob(), drawn(1500)], ids=["empty", "keyed-elsewhere"])
def test_when_nothing_is_keyed_within_the_frames_then_the_artist_is_told(knob):
    keys = keyframes(knob, FIRST, LAST)

    assert keys.frames == ()
    assert keys.notes == ("The roto has no key within the frames: add keyframes by hand.",)


def test_when_keys_are_read_then_the_roto_is_left_exactly_as_it_was():
    knob = drawn(1001, 1010, layer="Layer1/Layer2")
    stroke = rotopaint.Stroke(knob)
    stroke.append(rotopaint.AnimControlPoint(1, 1))
    knob.rootLayer.append(stroke)
    counts = [len(knob.toElement(path).getAttributes()) for path in names(knob)]
    text = knob.toScript()

    keyframes(knob, FIRST, LAST)

    assert [len(knob.toElement(path).getAttributes()) for path in names(knob)] == counts
    assert knob.toScript() == text


def test_when_names_are_asked_for_then_each_finds_its_element():
    knob = drawn(1001, layer="Layer1/Layer2")
    drawn(1001, name="Other", knob=knob)

    assert names(knob) == ("Layer1", "Layer1/Layer2", "Layer1/Layer2/Bezier1", "Other")
    assert [knob.toElement(path).name for path in names(knob)] == ["Layer1", "Layer2", "Bezier1", "Other"]
