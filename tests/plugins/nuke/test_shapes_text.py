"""Traced shapes become a Roto whose matte is the traced one."""

# ruff: noqa: B905  (strict= came with Python 3.10)

from __future__ import annotations

import math
import re
from typing import NamedTuple

import nkparser
import numpy as np
import pytest

from fakes.nuke import Nuke
from fakes.nuke_raster import fill
from fakes.nuke_rotopaint import RotoKnob
from matted_nuke.roto import keyframes
from matted_nuke.shapes import LINEAR, curves_text, roto_node_text, straighten

WIDTH, HEIGHT = 160, 120
ROUND = 4 / 3 * math.tan(math.pi / 16)


class Shape(NamedTuple):
    frames: tuple
    points: list
    lifetime: tuple = ((1001, 1020),)
    object: str = "hero"
    name: str = "shape1"
    hole: bool = False
    size: tuple = (WIDTH, HEIGHT)


def circle(x, y, radius):
    """Eight points of a circle: image coordinates, y down."""
    points = []
    for turn in range(8):
        c, s = math.cos(turn * math.pi / 4), math.sin(turn * math.pi / 4)
        bow = ROUND * radius
        points.append((x + radius * c, y + radius * s, bow * s, -bow * c, -bow * s, bow * c))
    return points


def star(x, y, radius):
    """A star with five spikes and straight sides."""
    corners = [(radius * (1 if i % 2 == 0 else 0.45), i * math.pi / 5) for i in range(10)]
    return [(x + r * math.sin(a), y - r * math.cos(a), 0, 0, 0, 0) for r, a in corners]


def drawn(outline):
    """The mask of an outline in image coordinates, drawn without any Roto."""
    path = []
    for (ax, ay, _, _, arx, ary), (bx, by, blx, bly, _, _) in zip(outline, outline[1:] + outline[:1]):
        for u in np.linspace(0, 1, 40, endpoint=False):
            weights = ((1 - u) ** 3, 3 * u * (1 - u) ** 2, 3 * u * u * (1 - u), u**3)
            path.append(
                [
                    sum(w * v for w, v in zip(weights, vs))
                    for vs in ((ax, ax + arx, bx + blx, bx), (ay, ay + ary, by + bly, by))
                ]
            )
    return fill(np.array(path) * (1, -1) + (0, HEIGHT), WIDTH, HEIGHT)


def roto(*shapes):
    knob = RotoKnob()
    knob.fromScript(curves_text(shapes))
    return knob


def matte(knob, frame):
    return knob.rasterise(frame, WIDTH, HEIGHT)


def iou(a, b):
    return np.minimum(a, b).sum() / np.maximum(a, b).sum()


@pytest.mark.parametrize("outline", [circle, star])
def test_when_a_moving_shape_is_written_then_the_rotos_matte_is_it_on_and_between_keys(outline):
    keys = {1001: (50, 40, 25), 1009: (90, 70, 35), 1020: (100, 50, 20)}
    knob = roto(Shape(tuple(keys), [outline(*key) for key in keys.values()]))

    for frame in range(1001, 1021):
        at = [np.interp(frame, list(keys), column) for column in zip(*keys.values())]
        assert iou(matte(knob, frame), drawn(outline(*at))) > 0.99


def test_when_a_shape_stands_still_then_its_pixels_are_exact_and_not_upside_down():
    square = [(10, 20, 0, 0, 0, 0), (40, 20, 0, 0, 0, 0), (40, 30, 0, 0, 0, 0), (10, 30, 0, 0, 0, 0)]
    knob = roto(Shape((1001,), [square]))

    expected = np.zeros((HEIGHT, WIDTH), np.float32)
    expected[20:30, 10:40] = 1
    assert np.array_equal(matte(knob, 1001), expected)


def test_when_a_shape_lives_in_ranges_then_it_shows_in_them_alone():
    knob = roto(
        Shape((1001, 1020), [circle(50, 50, 20)] * 2, lifetime=((1003, 1005), (1010, 1010), (1012, 1015), (1016, 1018)))
    )

    shown = [frame for frame in range(990, 1030) if matte(knob, frame).any()]

    assert shown == [1003, 1004, 1005, 1010, 1012, 1013, 1014, 1015, 1016, 1017, 1018]


def test_when_motion_blur_looks_between_frames_then_lifetimes_hold_there_too():
    knob = roto(Shape((1001,), [circle(50, 50, 20)], lifetime=((1003, 1009),)))

    assert [matte(knob, time).any() for time in (1002.75, 1003, 1009.75, 1010)] == [False, True, True, False]


def test_when_the_kind_of_a_key_is_lost_then_lifetimes_still_hold():
    text = curves_text([Shape((1001,), [circle(50, 50, 20)], lifetime=((1003, 1009),))]).replace(" 0 0 0 0 1}", "}")
    knob = RotoKnob()
    knob.fromScript(text)

    assert [frame for frame in range(990, 1030) if matte(knob, frame).any()] == list(range(1003, 1010))


def test_when_there_are_a_hole_and_an_island_then_each_is_drawn_over_what_it_lies_in():
    outer, hole, island = (Shape((1001,), [circle(60, 60, r)], name=f"r{r}", hole=r == 30) for r in (50, 30, 10))

    result = matte(roto(outer, hole, island), 1001)

    expected = drawn(circle(60, 60, 50)) - drawn(circle(60, 60, 30)) + drawn(circle(60, 60, 10))
    assert iou(result, expected) > 0.99


def test_when_there_are_several_objects_then_each_has_a_layer():
    knob = roto(
        Shape((1001,), [circle(30, 30, 9)], object="hero", name="a"),
        Shape((1001,), [circle(90, 30, 9)], object="left hand", name="a"),
        Shape((1001,), [circle(90, 90, 12)], object="hero", name="a"),
    )

    assert {layer.name: [shape.name for shape in layer] for layer in knob.rootLayer} == {
        "hero": ["a", "a_2"],
        "left_hand": ["a"],
    }


def test_when_the_text_is_read_then_keys_are_linear_and_nothing_needs_mending():
    knob = roto(Shape((1001, 1009), [circle(50, 50, 20), circle(70, 50, 20)]))
    shape = knob.toElement("hero/shape1")

    kinds = {
        shape[3].rightTangent.getPositionAnimCurve(axis).getKey(i).interpolationType for axis in (0, 1) for i in (0, 1)
    }
    assert kinds == {LINEAR}
    assert shape[3].center.getControlPointKeyTimes() == [1001, 1009]
    assert straighten(knob) == 0


def test_when_nuke_ignored_the_kind_of_the_keys_then_straightening_mends_the_motion():
    keys = {1001: (30, 50, 20), 1005: (90, 50, 20), 1020: (100, 50, 20)}
    text = curves_text([Shape(tuple(keys), [circle(*key) for key in keys.values()])])
    curved = RotoKnob()
    curved.fromScript(text.replace(f" 0 0 0 0 {LINEAR}}}", "}"))
    expected = drawn(circle(60, 50, 20))
    assert iou(matte(curved, 1003), expected) < 0.95

    stale = curved.toElement("hero/shape1")

    mended = straighten(curved)

    assert mended == 8 * 3 * 2 * 3
    assert iou(matte(curved, 1003), expected) > 0.99
    assert straighten(curved) == 0
    with pytest.raises(RuntimeError):  # Nuke was told that the curves changed
        stale.name  # noqa: B018


@pytest.mark.parametrize("member", ["center", "leftTangent", "rightTangent"])
def test_when_some_keys_are_curved_then_straightening_reaches_every_member(member):
    knob = roto(Shape((1001, 1009), [circle(50, 50, 20), circle(70, 50, 20)]))
    for point, name in ((0, "center"), (5, member)):
        getattr(knob.toElement("hero/shape1")[point], name).getPositionAnimCurve(0).getKey(0).interpolationType = 256

    straighten(knob)

    curve = getattr(knob.toElement("hero/shape1")[5], member).getPositionAnimCurve(0)
    assert curve.getKey(0).interpolationType == LINEAR


def test_when_all_shapes_stand_still_then_there_is_nothing_to_straighten():
    assert straighten(roto(Shape((1001,), [circle(50, 50, 20)]))) == 0


def test_when_the_node_is_parsed_then_it_is_one_roto_with_the_curves():
    shapes = [Shape((1001, 1009), [circle(50, 50, 20), circle(70, 50, 20)])]

    text = re.sub(
        "\n {2,}", " ", roto_node_text("Matted hero!", shapes, position=(12, -40))
    )  # the parser reads a value's first line
    script = nkparser.Script.from_string(text)

    assert script.errors() == []
    [node] = script.all_nodes()
    told = {name: node.get_string(name) for name in ("inputs", "name", "output", "xpos", "ypos")}
    assert told == {
        "inputs": "0",
        "name": "Matted_hero_",
        "output": "alpha",
        "xpos": "12",
        "ypos": "-40",
    }
    knob = RotoKnob()
    knob.fromScript(node.get_string("curves"))
    assert knob.toElement("hero/shape1")[0].center.getPosition(1001).y == HEIGHT - 50


def test_when_the_node_is_pasted_then_nuke_has_a_roto_whose_keys_are_the_traced_ones(tmp_path):
    text = roto_node_text("Matted_hero", [Shape((1001, 1009), [circle(50, 40, 25), circle(90, 70, 35)])])
    (tmp_path / "paste.nk").write_text(text, "utf-8")

    with Nuke() as host:
        node = host.module.nodePaste((tmp_path / "paste.nk").as_posix())

        assert (node.name(), node.Class()) == ("Matted_hero", "Roto")
        assert straighten(node["curves"]) == 0
        assert keyframes(node["curves"], 1001, 1020).point_frames == (1001, 1009)
        assert iou(node["curves"].rasterise(1005, WIDTH, HEIGHT), drawn(circle(70, 55, 30))) > 0.99


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([], "no shapes"),
        ([Shape((1001, 1001), [star(5, 5, 5)] * 2)], "shape1 has no ascending key frames"),
        ([Shape((1001,), [star(5, 5, 5)] * 2)], "shape1 has no ascending key frames"),
        ([Shape((1001, 1002), [star(5, 5, 5), circle(5, 5, 5)])], "shape1 has not the same points"),
        ([Shape((1001,), [star(5, 5, 5)], lifetime=())], "shape1 shows on no frame"),
    ],
    ids=["none", "twice", "too-many", "points", "lifetime"],
)
def test_when_shapes_do_not_fit_together_then_it_says_which(shapes, words):
    with pytest.raises(ValueError, match=words):
        roto_node_text("Roto1", shapes)
