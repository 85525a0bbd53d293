"""What script and companion say to each other keeps its meaning, and nothing else is taken for it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matted_plugin.host import Asked, Gone, HostError, Mattes, ObjectSource, Plate, Rendering, Shape
from matted_protocol.messages import MatteOptions, Settings
from matted_resolve.seat import About, Card, Choice
from matted_resolve.view import Press, Shot, View
from matted_resolve.wireform import WireformError, error_from_wire, error_to_wire, from_wire, to_wire

TEXT = st.text(max_size=8)
FRAME = st.integers(-(2**31) + 1, 2**31 - 1)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
PAIR = st.tuples(FRAME, FRAME)
PLATES = st.builds(
    Plate, path=st.none() | TEXT, size=PAIR, offset=FRAME, pixel_aspect=NUMBER, colorspace=st.none() | TEXT,
    ocio=st.none() | TEXT, exposure=st.none() | NUMBER, frame_rate=st.none() | PAIR, why=TEXT,
)  # fmt: skip
ASKED = st.builds(
    Asked, plate=PLATES, frames=st.tuples(FRAME, FRAME, FRAME), keyframes=st.lists(FRAME).map(tuple),
    objects=st.lists(st.builds(ObjectSource, TEXT, TEXT, TEXT)).map(tuple), out=TEXT, transport=TEXT,
    settings=st.builds(Settings, working_size=st.integers(0, 8192)), mattes=st.just(MatteOptions(layout="rgba")),
    suggestions=FRAME, notes=st.lists(TEXT).map(tuple),
)  # fmt: skip
POINTS = st.lists(st.lists(st.tuples(NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER)).map(tuple)).map(tuple)
SHAPES = st.builds(
    Shape, TEXT, TEXT, st.lists(FRAME).map(tuple), POINTS, st.lists(PAIR).map(tuple), st.booleans(), PAIR,
)  # fmt: skip
VALUES = {
    "asked": (Asked, ASKED),
    "rendering": (Rendering, st.builds(Rendering, FRAME, TEXT, st.none() | TEXT, st.booleans())),
    "mattes": (Mattes, st.builds(Mattes, st.dictionaries(TEXT, TEXT), PAIR, st.booleans(), st.just(("a", "b")))),
    "shape": (Shape, SHAPES),
    "press": (Press, st.builds(Press, TEXT, TEXT, st.none() | FRAME, FRAME, TEXT, TEXT)),
    "card": (Card, st.builds(Card, TEXT, TEXT, choices=st.just((Choice("a", "b", "c", ("d",)),)), playhead=FRAME)),
    "view": (View, st.builds(View, about=st.none() | st.just(About("a", "b")), shots=st.just((Shot("a", "b"),)))),
}


@pytest.mark.parametrize("name", VALUES)
@given(st.data())
def test_when_plain_data_is_sent_then_it_comes_as_it_was(name, data):
    kind, values = VALUES[name]
    value = data.draw(values)
    assert from_wire(kind, json.loads(json.dumps(to_wire(value)))) == value


REFUSED = {
    "a frame that is text": (Rendering, {"frame": "1", "path": "p"}),
    "a frame that is true": (Rendering, {"frame": True, "path": "p"}),
    "a frame with a fraction": (Rendering, {"frame": 1.5, "path": "p"}),
    "a field nobody knows": (Rendering, {"frame": 1, "path": "p", "more": 1}),
    "a field too few": (Rendering, {"frame": 1}),
    "no object": (Rendering, [1, "p"]),
    "a pair of three": (tuple[int, int], [1, 2, 3]),
    "text for a list": (tuple[str, ...], "abc"),
    "something for nothing": (type(None), 1),
    "neither of two": (int | None, "1"),
    "a word that is not offered": (MatteOptions, {"format": "jpeg"}),
    "a value out of range": (Settings, {"working_size": -1}),
    "a number that is text": (float, "1.0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_when_something_else_comes_then_it_is_refused(case):
    with pytest.raises(ValueError):
        from_wire(*REFUSED[case])


def test_when_something_is_no_plain_data_then_it_is_not_sent():
    for value in (object(), {1: "a"}, b"bytes", {1, 2}):
        with pytest.raises(WireformError):
            to_wire(value)


@pytest.mark.parametrize("kind", [HostError, Gone])
def test_when_an_error_travels_then_it_says_the_same(kind):
    error = error_from_wire(json.loads(json.dumps(error_to_wire(kind("A", "B", path="/p", frame=7)))))
    assert type(error) is kind
    assert (error.message, error.hint, error.path, error.frame) == ("A", "B", "/p", 7)


@pytest.mark.parametrize("told", [None, 1, [], {}, {"path": 3, "frame": "x"}], ids=str)
def test_when_a_damaged_error_comes_then_it_is_an_error_all_the_same(told):
    assert isinstance(error_from_wire(told), HostError)
