"""The stand-in for nuke.rotopaint does what Nuke was measured to do (numbers: github shango/rotobridge, golden probes of Nuke 17.1v1; hosts.md 2.3, 2.4, 8.1 item 6)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fakes.nuke_curves import NukeCrashed
from fakes.nuke_rotopaint import NotMeasured, RotoKnob, artist_bezier, planar_track, rotopaint

SQUARE = [(10, 10), (50, 10), (50, 40), (10, 40)]
WIDTH, HEIGHT = 100, 60


def square(keys=None, **options):
    knob = RotoKnob()
    artist_bezier(knob, "Bezier1", keys or {1001: SQUARE}, **options)
    return knob


def curve_of(*keys):
    curve = rotopaint.AnimCurve()
    for time, value in keys:
        curve.addKey(time, value)
    return curve


def test_when_keys_are_untouched_then_values_between_them_follow_the_measured_curve():
    curve = curve_of((1, 0), (50, 20), (100, 100))

    assert [curve.evaluate(f) for f in (12, 25, 37, 62, 75, 87)] == pytest.approx(
        [1.3460, 4.3055, 9.7074, 34.4657, 54.4697, 75.6249], abs=5e-5
    )


def test_when_a_point_is_keyed_then_its_positions_between_are_the_measured_ones():
    point = rotopaint.AnimControlPoint()
    for time, x, y in ((1, 100, 100), (10, 300, 200), (20, 500, 100)):
        point.addPositionKey(time, rotopaint.CVec3(x, y, 1))

    assert tuple(point.getPosition(5)) == pytest.approx((190.766, 162.277, 1), abs=1e-3)
    assert tuple(point.getPosition(15, "main")) == pytest.approx((401.974, 168.75, 1), abs=1e-3)
    assert point.getControlPointKeyTimes() == [1.0, 10.0, 20.0]


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [(256, 0.6759, 0.6875), (3, 0.6759, 0.6875), (0, 0.6759, 0.6875), (2, 0.4898, 0.5), (1, 0.6759, 1.0)],
)
def test_when_the_middle_key_changes_kind_then_both_sides_read_as_measured(kind, before, after):
    curve = curve_of((1, 0), (50, 1), (100, 0))
    assert curve.getKey(1).interpolationType == 256

    curve.getKey(1).interpolationType = kind

    assert (curve.evaluate(25), curve.evaluate(75)) == pytest.approx((before, after), abs=5e-5)


def test_when_a_kind_nobody_measured_is_set_then_the_curve_is_not_evaluated():
    curve = curve_of((1, 0), (50, 1), (100, 0))
    curve.getKey(1).interpolationType = 5

    with pytest.raises(NotMeasured):
        curve.evaluate(25)


def test_when_linear_is_set_by_its_own_constant_then_the_key_steps():
    curve = curve_of((0, 0), (12, 12))

    curve.getKey(0).interpolationType = rotopaint.InterpolationType.eLinearInterpolationType

    assert curve.evaluate(6) == 0.0


def test_when_curve_type_is_set_then_nuke_crashes():
    with pytest.raises(NukeCrashed):
        curve_of((1, 0)).curveType = 1


def test_when_numbers_are_stored_then_they_are_float32():
    curve = curve_of((1, 0.1))

    assert curve.getKey(0).value == float(np.float32(0.1)) != 0.1


def test_when_a_point_of_a_shape_is_listed_then_it_has_six_members_and_five_are_offsets():
    point = square(feather=5).toElement("Bezier1")[0]

    corner = np.array(SQUARE[0]) - np.mean(SQUARE, axis=0)
    assert tuple(point.center.getPosition(1001)) == (10, 10, 1)
    assert tuple(point.featherCenter.getPosition(1001))[:2] == pytest.approx(tuple(5 * corner / np.hypot(*corner)))
    for name in ("leftTangent", "rightTangent", "featherLeftTangent", "featherRightTangent"):
        assert tuple(getattr(point, name).getPosition(1001)) == (0, 0, 0)
    with pytest.raises(AttributeError):
        point.feather  # noqa: B018


def test_when_a_view_is_named_by_a_number_then_it_is_refused():
    shape = square().toElement("Bezier1")

    with pytest.raises(TypeError):
        shape.getAttributes().getValue(1, "opc", 0)
    with pytest.raises(TypeError):
        shape[0].center.getPosition(1, 1)


def test_when_an_element_is_appended_then_its_old_handle_is_dead_and_the_parent_has_the_live_one():
    knob = RotoKnob()
    shape = rotopaint.Shape(knob)
    shape.append(rotopaint.ShapeControlPoint(1, 2))

    knob.rootLayer.append(shape)

    with pytest.raises(RuntimeError, match="associated c\\+\\+ object is NULL"):
        shape.name  # noqa: B018
    assert tuple(knob.rootLayer[0][0].center.getPosition(1)) == (1, 2, 1)


def test_when_the_curves_changed_then_every_handle_is_dead():
    knob = square(layer="Layer1")
    layer, shape = knob.rootLayer[0], knob.toElement("Layer1/Bezier1")
    point, curve = shape[0].center, shape.getAttributes().getCurve("opc")

    knob.changed()

    for touch in (lambda: layer.name, lambda: shape.name, lambda: point.getPosition(1), lambda: curve.evaluate(1)):
        with pytest.raises(RuntimeError, match="NULL"):
            touch()
    assert knob.toElement("Layer1/Bezier1").name == "Bezier1"


def test_when_a_matrix_is_asked_for_at_a_frame_then_there_is_no_such_call_but_evaluate_has_it():
    transform = square().toElement("Bezier1").getTransform()
    transform.addTranslationKey(1001, 200, 50, 0)

    with pytest.raises(AttributeError):
        transform.getMatrixAt(1001)
    matrix = transform.evaluate(1001).getMatrix()
    assert list(matrix) == [1, 0, 0, 200, 0, 1, 0, 50, 0, 0, 1, 0, 0, 0, 0, 1]
    assert tuple(matrix * rotopaint.CVec3(10, 20, 1)) == (210, 70, 1)


def test_when_a_shape_is_fresh_then_its_transform_is_keyed_at_one_and_never_default():
    shape = rotopaint.Shape(RotoKnob())

    assert shape.getTransform().getTransformKeyTimes() == [1.0]
    assert not shape.getTransform().isDefault()
    assert not RotoKnob().rootLayer.getTransform().isDefault()


def test_when_a_rotation_is_keyed_then_the_third_curve_turns_the_image_plane():
    transform = square().toElement("Bezier1").getTransform()
    transform.getRotationAnimCurve(2).addKey(1001, 0.5)

    assert list(transform.evaluate(1001).getMatrix())[1] == pytest.approx(-math.sin(math.radians(0.5)), abs=1e-6)
    transform.getRotationAnimCurve(0).addKey(1001, 0.5)
    with pytest.raises(NotMeasured):
        transform.evaluate(1001).getMatrix()


def test_when_a_layer_moves_then_points_and_evaluate_do_not_say_so_and_the_matte_does():
    knob = square(layer="Layer1")
    knob.rootLayer[0].getTransform().addTranslationKey(1001, 20, 5, 0)
    shape = knob.toElement("Layer1/Bezier1")

    assert tuple(shape[0].center.getPosition(1001)) == (10, 10, 1)
    assert tuple(shape.evaluate(0, 1001).getPoint(0.25)) == (50, 10, 1, 0)
    assert np.array_equal(knob.rasterise(1001, WIDTH, HEIGHT)[15:45, 30:70], np.ones((30, 40)))
    assert knob.rasterise(1001, WIDTH, HEIGHT).sum() == 1200


def test_when_the_order_of_two_transforms_matters_then_it_is_not_guessed():
    knob = square(layer="Layer1")
    knob.rootLayer[0].getTransform().addRotationKey(1001, 0, 0, 30)
    knob.toElement("Layer1/Bezier1").getTransform().addTranslationKey(1001, 40, 0, 0)

    with pytest.raises(NotMeasured):
        knob.rasterise(1001, WIDTH, HEIGHT)


def test_when_an_unknown_attribute_is_read_then_it_is_zero_and_now_exists():
    attributes = square().toElement("Bezier1").getAttributes()
    assert len(attributes) == 48

    assert attributes.getValue(1, "opacity") == 0.0

    assert len(attributes) == 49


def test_when_an_attribute_is_added_then_the_constant_hides_the_curve():
    attributes = square().toElement("Bezier1").getAttributes()
    curve = attributes.getCurve("opc", "main")
    curve.addKey(1, 1.0)
    curve.addKey(20, 0.25)
    assert attributes.getValue(10, "opc", "main") == pytest.approx(0.6447368264198303)

    attributes.add("opc", 0.5)

    assert [attributes.getValue(t, "opc", "main") for t in (1, 10, 20)] == [0.5, 0.5, 0.5]
    assert curve.evaluate(10) == pytest.approx(0.6447368264198303)


def test_when_an_attribute_is_keyed_through_the_attributes_then_no_call_works():
    attributes = square().toElement("Bezier1").getAttributes()

    with pytest.raises(TypeError):
        attributes.addKey(1, "opc", 1.0, "main")
    with pytest.raises(TypeError):
        attributes.addKey(1, 1.0)


def test_when_a_square_is_drawn_then_its_pixels_are_covered_with_row_zero_at_the_top():
    matte = square().rasterise(1001, WIDTH, HEIGHT)

    expected = np.zeros((HEIGHT, WIDTH), np.float32)
    expected[HEIGHT - 40 : HEIGHT - 10, 10:50] = 1
    assert matte.dtype == np.float32
    assert np.array_equal(matte, expected)


def test_when_an_edge_crosses_pixels_then_they_are_covered_by_the_area():
    knob = square({1001: [(10.25, 10), (50, 10), (50, 40.5), (10.25, 40.5)]})

    matte = knob.rasterise(1001, WIDTH, HEIGHT)

    assert matte[30, 10] == pytest.approx(0.75)
    assert matte[HEIGHT - 41, 30] == pytest.approx(0.5)
    assert matte.sum() == pytest.approx(39.75 * 30.5, rel=1e-6)


def test_when_a_shape_leaves_the_image_then_only_what_is_inside_is_drawn():
    knob = square({1001: [(-30, -20), (20, -20), (20, 90), (-30, 90)]})

    matte = knob.rasterise(1001, WIDTH, HEIGHT)

    assert np.array_equal(matte, np.repeat([[1.0] * 20 + [0.0] * 80], HEIGHT, axis=0))


def test_when_tangents_make_a_circle_then_its_area_is_the_circles():
    knob = RotoKnob()
    shape = rotopaint.Shape(knob)
    bow = 20 * 4 / 3 * math.tan(math.pi / 8)
    for turn in range(4):
        c, s = math.cos(turn * math.pi / 2), math.sin(turn * math.pi / 2)
        point = rotopaint.ShapeControlPoint(50 + 20 * c, 30 + 20 * s)
        point.rightTangent.setPosition((-bow * s, bow * c))
        point.leftTangent.setPosition((bow * s, -bow * c))
        shape.append(point)
    knob.rootLayer.append(shape)

    assert knob.rasterise(1, WIDTH, HEIGHT).sum() == pytest.approx(math.pi * 400, rel=2e-3)


def test_when_points_make_a_bspline_then_it_stays_inside_of_them():
    knob = RotoKnob()
    shape = rotopaint.Shape(knob, type="bspline")
    for x, y in SQUARE:
        shape.append(rotopaint.AnimControlPoint(x, y))
    knob.rootLayer.append(shape)

    matte = knob.rasterise(1, WIDTH, HEIGHT)

    assert 0 < matte.sum() < 0.75 * 1200
    assert matte[HEIGHT - 11, 10] == 0


def test_when_feather_points_lie_outside_then_the_edge_falls_off_to_them():
    matte = square(feather=8).rasterise(1001, WIDTH, HEIGHT)

    row = matte[HEIGHT - 25, :11]
    assert matte[HEIGHT - 25, 10] == pytest.approx(1, abs=0.04)
    assert np.all(np.diff(row) >= -1e-6)
    assert 0.3 < row[7] < 0.7


@pytest.mark.parametrize(
    ("name", "value", "expected"), [("opc", 0.25, 300), ("inv", 1.0, WIDTH * HEIGHT - 1200), ("vis", 0.0, 0)]
)
def test_when_an_attribute_of_the_shape_changes_then_the_matte_follows(name, value, expected):
    knob = square()
    knob.toElement("Bezier1").getAttributes().set(name, value)

    assert knob.rasterise(1001, WIDTH, HEIGHT).sum() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "alive"),
    [(0, [9, 10, 15, 20, 21]), (1, [9, 10, 15, 20]), (2, [10]), (3, [10, 15, 20, 21]), (4, [10, 15, 20])],
)
def test_when_a_lifetime_is_set_then_the_shape_shows_only_in_it(kind, alive):
    knob = square()
    for name, value in (("ltt", kind), ("ltn", 10), ("ltm", 20)):
        knob.toElement("Bezier1").getAttributes().set(name, value)

    assert [f for f in (9, 10, 15, 20, 21) if knob.rasterise(f, WIDTH, HEIGHT).any()] == alive


def test_when_a_layer_is_hidden_then_its_shapes_are():
    knob = square(layer="Layer1/Inner")
    knob.toElement("Layer1").setVisible(1001, False)

    assert not knob.rasterise(1001, WIDTH, HEIGHT).any()


@pytest.mark.parametrize(("name", "value"), [("bm", 11), ("fx", 5)])
def test_when_nobody_measured_how_it_renders_then_it_is_refused(name, value):
    knob = square()
    knob.toElement("Bezier1").getAttributes().set(name, value)

    with pytest.raises(NotMeasured):
        knob.rasterise(1001, WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("mode", "top_only", "both"), [(0, 1, 1), (1, 1, 1), (2, 0, 1), (4, 0, 1), (7, 1, 2), (12, -1, 0), (13, 1, 0)]
)
def test_when_the_first_shape_blends_then_it_is_on_top_and_the_matte_reads_as_measured(mode, top_only, both):
    knob = square({1: [(10, 10), (30, 10), (30, 30), (10, 30)]})
    artist_bezier(knob, "Below", {1: [(20, 20), (40, 20), (40, 40), (20, 40)]})
    knob.toElement("Bezier1").getAttributes().set("bm", mode)

    matte = knob.rasterise(1, WIDTH, HEIGHT)[::-1]

    assert (matte[15, 15], matte[25, 25], matte[35, 35]) == (top_only, both, 1)


def test_when_a_layer_is_asked_for_its_lifetime_then_it_gains_an_attribute_it_never_had():
    attributes = square(layer="Layer1").toElement("Layer1").getAttributes()
    before = len(attributes)

    attributes.getValue(1, "ltt")

    assert len(attributes) == before + 1


def test_when_motion_blur_is_on_then_a_moving_edge_is_soft():
    knob = square({1001: SQUARE, 1003: [(x + 16, y) for x, y in SQUARE]})

    sharp, blurred = knob.rasterise(1002, WIDTH, HEIGHT), knob.rasterise(1002, WIDTH, HEIGHT, motion_blur=True)

    assert set(np.unique(sharp)) == {0, 1}
    assert ((blurred > 0) & (blurred < 1)).any()
    assert blurred.sum() == pytest.approx(sharp.sum(), rel=1e-4)


def test_when_a_stroke_is_drawn_then_its_brush_covers_the_path():
    knob = RotoKnob()
    stroke = rotopaint.Stroke(knob)
    stroke.append(rotopaint.AnimControlPoint(20, 30))
    stroke.append(rotopaint.AnimControlPoint(80, 30))
    stroke.getAttributes().set("bs", 10.0)
    knob.rootLayer.append(stroke)

    matte = knob.rasterise(1, WIDTH, HEIGHT)

    assert matte[30, 50] == 1
    assert not matte[10].any()
    assert matte[:, 50].sum() == pytest.approx(10, abs=0.1)


def test_when_a_layer_is_planar_tracked_then_it_moves_and_every_frame_is_a_transform_key():
    knob = square(layer="Track")
    planar_track(knob, "Track", {f: (f - 1001, 0) for f in range(1001, 1021)})

    layer = knob.toElement("Track")
    assert layer.getTransform().getTransformKeyTimes() == list(range(1001, 1021))
    assert layer.getAttributes().getValue(1, "pt") == 1
    assert np.array_equal(knob.rasterise(1011, WIDTH, HEIGHT)[:, 10:], knob.rasterise(1001, WIDTH, HEIGHT)[:, :-10])


def test_when_a_curve_follows_an_expression_then_it_has_no_keys():
    knob = square()
    center = knob.toElement("Bezier1")[0].center
    center.removeAllKeys()
    curve = center.getPositionAnimCurve(0)
    curve.expressionString, curve.useExpression = "frame - 991", True

    assert center.getControlPointKeyTimes() == []
    assert center.getPosition(1003).x == 12


@pytest.mark.parametrize(
    "touch",
    [
        "rotopaint.convertToNuke6",
        "RotoKnob().setValue",
        "rotopaint.AnimControlPoint().hash",
        "RotoKnob().rootLayer.clone",
    ],
)
def test_when_something_is_not_measured_then_it_says_so(touch):
    with pytest.raises(NotMeasured):
        eval(touch)


def test_when_elements_are_looked_up_then_paths_and_selections_find_them():
    knob = square(layer="Layer1/Layer2")
    knob.toElement("Layer1/Layer2/Bezier1").setFlag(rotopaint.FlagType.eSelectedFlag, True)

    assert [e.name for e in knob.getSelected()] == ["Bezier1"]
    assert isinstance(knob.toElement("Layer1"), rotopaint.Layer)
    assert knob.getKeyList() == [1001.0]
    with pytest.raises(ValueError, match="Layer1/Other"):
        knob.toElement("Layer1/Other")


def test_when_a_snapshot_is_restored_then_the_tree_is_as_it_was_whatever_it_holds():
    knob = square(layer="Track")
    planar_track(knob, "Track", {f: (f - 1001, 0) for f in range(1001, 1021)})
    kept, handle = knob.snapshot(), knob.toElement("Track")

    knob.restore(kept)
    assert handle.name == "Track"
    knob.rootLayer.removeAll()
    knob.restore(kept)

    assert knob.toElement("Track").getTransform().getTransformKeyTimes() == list(range(1001, 1021))
    with pytest.raises(RuntimeError):
        handle.name  # noqa: B018


def everything():
    knob = square({1001: SQUARE, 1010: [(x + 7.3, y) for x, y in SQUARE]}, layer="Actor", feather=3)
    artist_bezier(knob, "Still", {1001.5: SQUARE}, layer="Actor/Hand")
    shape = knob.toElement("Actor/Bezier1")
    shape.getAttributes().set(1001, "opc", 0.5)
    shape.getAttributes().set(1010, "opc", 1.0)
    shape[0].center.getPositionAnimCurve(0).getKey(1).interpolationType = 2
    knob.rootLayer[0].getTransform().addTranslationKey(1004, 3, 4, 0)
    stroke = rotopaint.Stroke(knob)
    stroke.append(rotopaint.AnimControlPoint(20, 30))
    stroke.append(rotopaint.AnimControlPoint(80, 30))
    knob.rootLayer.append(stroke)
    return knob


def test_when_curves_go_through_their_text_then_nothing_changes():
    knob, copied = everything(), RotoKnob()

    copied.fromScript(knob.toScript())

    assert copied.toScript() == knob.toScript()
    assert copied.getKeyList() == knob.getKeyList()
    assert copied.toElement("Actor/Bezier1")[0].center.getPositionAnimCurve(0).getKey(1).interpolationType == 2
    for frame in (1001, 1004, 1007, 1010):
        assert np.array_equal(copied.rasterise(frame, WIDTH, HEIGHT), knob.rasterise(frame, WIDTH, HEIGHT))


REAL_FORM = """{{v x3f99999a}
  {f 0}
  {n
   {layer Root
    {f 2097152}
    {t x44f00000 x44870000}
    {a pt1x 0 ptmot x40800000}
    {curvegroup Bezier1 576 bezier
     {{cc
       {f 8192}
       {px x447a4000
        {0 0}
        {x41200000 x41200000}
        {0 0}
        {0 0}
        {x42480000 x41200000}
        {0 x40c00000}
        {0 xc0c00000}
        {x42480000 x42200000}
        {0 0}}}     idem}
     {tx x447a4000 x41f00000 x41c80000}
     {a osw x41200000 osf 0 str 1 ltn x447a4000 ltm x447a4000 tt x40800000}}}}}"""


@pytest.mark.parametrize(
    "wrap", ["{}", "AddMode 0 0 1 0 {}", "{{{}}}"], ids=["bare", "with-its-prefix", "as-a-script-quotes-it"]
)
def test_when_text_has_the_form_nuke_saves_then_it_is_read(wrap):
    knob = RotoKnob()

    knob.fromScript(wrap.format(REAL_FORM))

    shape = knob.toElement("Bezier1")
    assert [tuple(p.center.getPosition(1001))[:2] for p in shape] == [(10, 10), (50, 10), (50, 40)]
    assert tuple(shape[1].rightTangent.getPosition(1001)) == (0, 6, 0)
    assert shape[0].center.getControlPointKeyTimes() == shape.getTransform().getTransformKeyTimes() == [1001]
    assert tuple(shape.getTransform().evaluate(1001).pivotPoint)[:2] == (30, 25)
    assert [e.name for e in knob.getSelected()] == ["Bezier1"]
    assert knob.rasterise(1001, WIDTH, HEIGHT).sum() > 0.45 * 1200
    again = RotoKnob()
    again.fromScript(knob.toScript())
    assert again.toScript() == knob.toScript()


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("bezier", "bspline", NotMeasured),
        ("{px x447a4000\n", "{px x447a4000 x447a8000\n", NotMeasured),
        ("curvegroup", "mystery", NotMeasured),
        ("{n\n", "{n\n}", ValueError),
        ("{v x3f99999a}", "", ValueError),
    ],
    ids=["bspline", "several-times", "unknown-element", "brace", "no-version"],
)
def test_when_text_is_unknown_or_broken_then_it_is_not_read(old, new, error):
    with pytest.raises(error):
        RotoKnob().fromScript(REAL_FORM.replace(old, new))
