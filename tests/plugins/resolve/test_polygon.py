"""Masks drawn from a composition's text: right, or refused by name."""

import numpy as np
import pytest

from matted_resolve.comp_text import parse
from matted_resolve.polygon import MaskError, draw, key_times, tools

SIZE = (40, 20)


def corners(left, bottom, right, top):
    """A Polyline around a box, in widths and heights from the middle, y up."""
    places = [(left, bottom), (right, bottom), (right, top), (left, top)]
    listed = ", ".join(f"{{ Linear = true, X = {x}, Y = {y} }}" for x, y in places)
    return f"Polyline {{ Closed = true, Points = {{ {listed} }} }}"


BOX = corners(-0.25, 0, 0.25, 0.5)
"""The middle half of the width, the upper half of the height."""


def mask(name="Polygon1", polyline=f"Input {{ Value = {BOX} }}", kind="PolylineMask", more="", **inputs):
    written = "".join(f"{key} = Input {{ Value = {value} }}, " for key, value in inputs.items())
    return f"{name} = {kind} {{ {more} Inputs = {{ {written} Polyline = {polyline}, }} }},\n"


def keys(name="Polygon1Polyline", **frames):
    """A spline: by f and the frame (m for minus) the rest of each key."""
    listed = ", ".join(
        f"[{frame[1:].replace('m', '-').replace('_', '.')}] = {{ {key} }}" for frame, key in frames.items()
    )
    return f"{name} = BezierSpline {{ KeyFrames = {{ {listed} }} }},\n"


KEYED = 'Input { SourceOp = "Polygon1Polyline", Source = "Value" }'
PLAIN = "Flags = { Linear = true, LockedY = true }"


def comp(*written):
    return parse(f"Composition {{ Tools = ordered() {{\n{''.join(written)}}} }}")


def picture(*written, name="Polygon1", time=0):
    return np.frombuffer(draw(comp(*written), name, time, SIZE), np.float16).reshape(SIZE[1], SIZE[0]).astype(float)


def box(left, top, right, bottom):
    found = np.zeros((SIZE[1], SIZE[0]))
    found[top:bottom, left:right] = 1
    return found


def test_when_a_mask_stands_still_then_it_is_the_same_at_every_frame_and_has_no_keys():
    assert np.array_equal(picture(mask()), box(10, 0, 30, 10))
    assert np.array_equal(picture(mask(), time=-70), box(10, 0, 30, 10))
    assert key_times(comp(mask()), "Polygon1") == ()


@pytest.mark.parametrize(
    ("inputs", "known"),
    [
        ({"Invert": 1}, 1 - box(10, 0, 30, 10)),
        ({"Level": 0.5}, 0.5 * box(10, 0, 30, 10)),
        ({"Center": "{ 0.6, 0.4 }"}, box(14, 2, 34, 12)),
        ({"Size": 0.5}, box(15, 5, 25, 10)),
        ({"Center": "{ 0.6, 0.4 }", "Size": 0.5}, box(19, 7, 29, 12)),
        ({"Solid": 1, "SoftEdge": 0, "BorderWidth": "Number { Value = 0 }"}, box(10, 0, 30, 10)),
        ({"OutputSize": 'FuID { "Custom" }', "MaskWidth": 7, "Filter": 'FuID { "Gaussian" }'}, box(10, 0, 30, 10)),
    ],
    ids=["inverted", "level", "centre", "size", "both", "defaults", "harmless"],
)
def test_when_an_input_moves_or_weighs_the_mask_then_it_is_followed(inputs, known):
    assert np.allclose(picture(mask(**inputs)), known, atol=1e-3)


@pytest.mark.parametrize("time", [-3, 0, 2.5, 5, 10, 99], ids=str)
def test_when_points_are_keyed_then_they_go_straight_between_keys_and_hold_outside(time):
    first, last = corners(-0.5, -0.5, -0.25, 0.5), corners(-0.25, -0.5, 0.25, 0.5)
    spline = keys(
        f0=f"0, RH = {{ 3.3333333, 0.3333333 }}, {PLAIN}, Value = {first}",
        f10=f"1, LH = {{ 6.6666667, 0.6666667 }}, {PLAIN}, Value = {last}",
    )
    part = min(max(time / 10, 0), 1)

    found = picture(mask(polyline=KEYED), spline, time=time)

    known = np.interp(np.arange(41), [10 * part, 10 + 20 * part], [0, 10 + 10 * part])
    assert np.allclose(found, np.tile(np.diff(known), (20, 1)), atol=0.01)
    assert key_times(comp(mask(polyline=KEYED), spline), "Polygon1") == (0, 10)


@pytest.mark.parametrize(
    ("keyed", "says"),
    [
        ({"f0": f"0, RH = {{ 3, 0 }}, {PLAIN}, Value = {BOX}", "f10": f"1, {PLAIN}, Value = {BOX}"}, "eased"),
        ({"f0": f"0, Flags = {{ StepIn = true }}, Value = {BOX}", "f10": f"1, Value = {BOX}"}, "StepIn"),
        (
            {"f0": f"0, Value = {BOX}", "f10": "1, Value = Polyline { Closed = true, Points = { {}, {}, {} } }"},
            "4 points",
        ),
        ({"f0": f"0, Value = {BOX}", "f10": "Value = 7"}, "no value"),
    ],
    ids=["eased", "step", "points", "empty"],
)
def test_when_only_fusion_knows_what_lies_between_keys_then_the_keys_alone_are_drawn(keyed, says):
    written = mask(polyline=KEYED), keys(**keyed)

    assert np.array_equal(picture(*written, time=0), box(10, 0, 30, 10))
    with pytest.raises(MaskError, match=says):
        picture(*written, time=5)


def test_when_keys_repeat_in_a_loop_then_frames_outside_are_refused():
    written = mask(polyline=KEYED), keys(f0=f"0, Flags = {{ Loop = true }}, Value = {BOX}")

    assert picture(*written, time=0).any()
    with pytest.raises(MaskError, match="set to Loop"):
        picture(*written, time=1)


FED = 'EffectMask = Input { SourceOp = "Polygon2", Source = "Mask" },'
RIGHT = f"Input {{ Value = {corners(0, -0.5, 0.5, 0.5)} }}"


def chain(mode="", second=None, **inputs):
    """Polygon1, the box, on Polygon2, the right half."""
    painted = {"PaintMode": f'FuID {{ "{mode}" }}'} if mode else {}
    first = mask(**painted, **inputs).replace("Inputs = {", f"Inputs = {{ {FED}")
    return first, second or mask("Polygon2", RIGHT)


@pytest.mark.parametrize(
    ("mode", "combined"),
    [
        ("", np.maximum),
        ("Merge", np.maximum),
        ("Add", np.maximum),
        ("Maximum", np.maximum),
        ("Minimum", np.minimum),
        ("Multiply", np.multiply),
        ("Subtract", lambda one, other: np.maximum(other - one, 0)),
    ],
    ids=["default", "merge", "add", "maximum", "minimum", "multiply", "subtract"],
)
def test_when_a_mask_is_fed_by_another_then_its_paint_mode_combines_them(mode, combined):
    assert np.array_equal(picture(*chain(mode)), combined(box(10, 0, 30, 10), box(20, 0, 40, 20)))


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ((mask(SoftEdge=0.01),), "SoftEdge at 0.01"),
        ((mask(BorderWidth=-0.01),), "BorderWidth"),
        ((mask(Solid=0),), "Solid at 0, not 1"),
        ((mask(ZRotation=30),), "ZRotation at 30"),
        ((mask(Invert=1, Level=0.5),), "inverted and its Level"),
        ((mask(GlobalIn=3),), "GlobalIn set"),
        ((mask(FillMethod='FuID { "Other" }'),), "Fill Method"),
        ((mask(Center="7"),), "no point"),
        ((mask(Level='"much"'),), "no number"),
        ((mask(more="PassThrough = true,"),), "switched off"),
        ((mask(more='SourceOp = "Polygon7",'),), "instance of Polygon7"),
        (
            (mask().replace("Inputs = {", 'Inputs = { Level = Input { SourceOp = "Level", Source = "Value" },'),),
            "Level is animated",
        ),
        (
            (mask().replace("Inputs = {", 'Inputs = { Size = Input { Value = 1, Expression = "time" },'),),
            "Size is animated",
        ),
        ((mask(polyline=f"Input {{ Value = {BOX.replace('Closed = true', 'Closed = false')} }}"),), "not closed"),
        ((mask(polyline="Input { Value = Polyline { Closed = true, Points = { } } }"),), "no outline"),
        ((mask(polyline="Input { }"),), "nothing, not a Polyline"),
        ((mask(polyline=f"Input {{ Value = {BOX.replace('0.25', '1e999')} }}"),), "lies nowhere"),
        ((mask(polyline=KEYED), "Polygon1Polyline = PerturbPolyLine { },"), "moved by Polygon1Polyline"),
        ((mask(polyline=KEYED), keys()), "no keys"),
        ((mask(kind="EllipseMask"),), "is a EllipseMask"),
        ((mask("Polygon9"),), "tool of another composition"),
        (chain("Average"), "Paint Mode Average"),
        (chain(Invert=1), "combined with another mask"),
        (chain(second=mask("Polygon2", RIGHT, Level=0.5)), "combined with another mask"),
        (chain(second=mask("Polygon2", kind="EllipseMask")), "Polygon2 is a EllipseMask"),
        (
            chain(second=chain()[0].replace("Polygon1 =", "Polygon2 =").replace('"Polygon2"', '"Polygon1"')),
            "in a circle",
        ),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_when_a_mask_is_more_than_an_outline_then_it_is_refused_by_name(written, says):
    with pytest.raises(MaskError, match=says):
        picture(*written)


SPLINE = "BSplinePolyline {{ Closed = true, Points = {{ {points} }}, Order = {order}, Knots = {{ {knots} }} }}"
AROUND = ", ".join(f"{{ X = {x}, Y = {y} }}" for x, y in [(-0.4, -0.4), (0.4, -0.4), (0.4, 0.4), (-0.4, 0.4)])


def bspline(points=AROUND, order=4, knots="0, 1, 2, 3, 4, 5, 6, 7"):
    value = SPLINE.format(points=points, order=order, knots=knots)
    return mask("BSpline1", f"Input {{ Value = {value} }}", "BSplineMask")


def test_when_a_bspline_is_uniform_then_it_is_drawn_inside_its_points():
    found = picture(bspline(), name="BSpline1")

    assert found[10, 20] == 1 and found[2, 4] == 0  # the corner at (4, 2) is only come near
    assert found[10].sum() == pytest.approx(2 * 40 * 0.4 * 11 / 12, abs=0.2)
    assert np.allclose(found, found[::-1, ::-1], atol=0.01)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"order": 3}, "uniform and cubic"),
        ({"knots": "0, 0, 0, 0, 1, 2, 2, 2"}, "uniform and cubic"),
        ({"points": AROUND.replace("Y = -0.4 }", "Y = -0.4, W = 2 }", 1)}, "tension"),
    ],
    ids=["order", "knots", "tension"],
)
def test_when_a_bspline_is_of_another_kind_then_it_is_refused(changed, says):
    with pytest.raises(MaskError, match=says):
        picture(bspline(**changed), name="BSpline1")


def test_when_a_mask_lies_in_a_group_then_it_is_found():
    grouped = f"Group1 = GroupOperator {{ Tools = ordered() {{ {mask()} }} }},"

    assert list(tools(comp(grouped))) == ["Polygon1", "Group1"]
    assert np.array_equal(picture(grouped), box(10, 0, 30, 10))


@pytest.mark.parametrize(
    ("method", "inside"), [("Alternate", 0), ("Non Zero Winding", 1)], ids=["alternate", "winding"]
)
def test_when_an_outline_goes_around_twice_then_its_fill_method_decides(method, inside):
    twice = BOX.replace("} }", f"}}, {corners(-0.1, 0.1, 0.1, 0.4).split('Points = { ')[1].split(' } }')[0]} }} }}", 1)

    found = picture(mask(polyline=f"Input {{ Value = {twice} }}", FillMethod=f'FuID {{ "{method}" }}'))

    assert found[5, 20] == inside
