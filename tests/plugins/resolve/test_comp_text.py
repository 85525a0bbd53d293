"""The reader of Fusion's composition text, against a writer of its own and texts as Fusion writes them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matted_resolve.comp_text import CompTextError, Table, parse

POLYGON = """{
\tTools = ordered() {
\t\tPolygon1 = PolylineMask {
\t\t\tDrawMode = "InsertAndModify",
\t\t\tInputs = {
\t\t\t\tOutputSize = Input { Value = FuID { "Custom" }, },
\t\t\t\t["Gamut.SLogVersion"] = Input { Value = FuID { 'SLog2' }, },
\t\t\t\tPixelAspect = Input { Value = { 1, 1 }, },
\t\t\t\tPolyline = Input { SourceOp = "Polygon1Polyline", Source = "Value", },
\t\t\t},
\t\t\tViewInfo = OperatorInfo { Pos = { 4600.94, -3072.32 } }, -- where it lies
\t\t},
\t\tPolygon1Polyline = BezierSpline {
\t\t\tKeyFrames = {
\t\t\t\t[-3.5] = { 0, Flags = { Linear = true, LockedY = true }, Value = Polyline {
\t\t\t\t\tClosed = true, Points = { { X = -0.5, Y = 1e-09, LX = -1.5E-2 }, { X = .5, Y = 0 } } } },
\t\t\t}
\t\t},
\t\tBlur1 = ofx.com.example.Blur { PassThrough = true }
\t},
\tActiveTool = "Polygon1"
}
"""


def test_when_a_setting_is_read_then_its_tables_keys_and_values_are_there():
    found = parse(POLYGON)

    tools = found.table("Tools")
    polygon, spline = tools.table("Polygon1"), tools.table("Polygon1Polyline")
    key = spline.table("KeyFrames").table(-3.5)
    assert list(tools.items) == ["Polygon1", "Polygon1Polyline", "Blur1"]
    assert (tools.kind, polygon.kind, tools.table("Blur1").kind) == ("ordered", "PolylineMask", "ofx.com.example.Blur")
    assert polygon.table("Inputs").table("Gamut.SLogVersion").table("Value") == Table("FuID", {}, ["SLog2"])
    assert polygon.table("ViewInfo").table("Pos").values == [4600.94, -3072.32]
    assert key.values == [0] and key.table("Flags").items == {"Linear": True, "LockedY": True}
    assert key.table("Value").table("Points").values == [
        Table("", {"X": -0.5, "Y": 1e-09, "LX": -0.015}),
        Table("", {"X": 0.5, "Y": 0}),
    ]
    assert found.items["ActiveTool"] == "Polygon1"
    assert found.table("Nowhere") == Table()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\"b\\c\n\t\65"', 'a"b\\c\n\tA'),
        (r"'it\'s'", "it's"),
        (r'"caf\195\169"', "café"),
        ('"\\\n"', "\n"),
        ("[[\nC:\\no escape]]", "C:\\no escape"),
        ("[==[a]]b]==]", "a]]b"),
        ("-0x10", -16),
        ("+1.", 1.0),
        ("-1e+3", -1000.0),
        ("nil", None),
        ("true", True),
    ],
    ids=["escapes", "single", "bytes", "line end", "long", "levels", "hex", "plus", "exponent", "nil", "true"],
)
def test_when_lua_has_several_ways_to_write_a_value_then_each_is_read(text, value):
    assert parse(f"{{ {text}; --[[ a\n comment ]] }}").values == [value]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "the text ends"),
        ("{\n a = 1,\n b = 2", 3, "the text ends"),
        ("{\n\n a = @ }", 3, "'@' comes"),
        ("{ a = 1 } { }", 1, "nothing after it"),
        ("{ a = 1 b = 2 }", 1, "'b' comes where '}' should be"),
        ("{\n[{}] = 1 }", 2, "as key"),
        ('{\n a = "never ended }', 2, "comes"),
        ("{ a = os.exit(1) }", 1, "'1' comes where ')'"),
        ("{ a = function() end }", 1, "'end' comes where '{'"),
        ("{ a = 1 + 2 }", 1, "'+' comes"),
        ("{ 12abc }", 1, "comes"),
        (r'{ "\300" }', 1, "a byte"),
        ("1", 1, "one table"),
        ("{" * 5000 + "}" * 5000, 1, "within more than 100"),
    ],
    ids=[
        "empty",
        "cut",
        "sign",
        "two",
        "no comma",
        "key",
        "string",
        "call",
        "function",
        "sum",
        "number",
        "byte",
        "no table",
        "deep",
    ],
)
def test_when_the_text_is_no_table_then_the_line_is_named(text, line, says):
    with pytest.raises(CompTextError, match=f"line {line}: ") as caught:
        parse(text)

    assert says in str(caught.value)


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in "true false nil")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
KEYS = NAMES | TEXTS | NUMBERS
TREES = st.recursive(
    TEXTS | NUMBERS | st.booleans() | st.none(),
    lambda inner: st.builds(
        Table, NAMES | st.just(""), st.dictionaries(KEYS, inner, max_size=4), st.lists(inner, max_size=4)
    ),
    max_leaves=25,
)


def write(value, space):
    if isinstance(value, Table):
        entries = [f"[{write(key, space)}]{space}={space}{write(item, space)}" for key, item in value.items.items()]
        entries += [write(item, space) for item in value.values]
        return f"{value.kind}{space}{{{space}{f',{space}'.join(entries)}{space}}}"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return (
        {True: "true", False: "false", None: "nil"}[value]
        if value is None or value is True or value is False
        else repr(value)
    )


@settings(max_examples=200, deadline=None)
@given(
    tree=st.builds(Table, st.just(""), st.dictionaries(KEYS, TREES, max_size=5), st.lists(TREES, max_size=5)),
    space=st.sampled_from(["", " ", "\r\n\t", " -- so\n"]),
)
def test_when_any_tree_is_written_then_the_same_is_read(tree, space):
    assert parse(write(tree, space)) == tree


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_when_a_text_is_damaged_then_it_is_read_or_refused(data):
    place = data.draw(st.integers(0, len(POLYGON)))
    cut = data.draw(st.integers(0, 5))
    damaged = POLYGON[:place] + data.draw(st.text("{}[]=\"'\\-0a.,(", max_size=3)) + POLYGON[place + cut :]

    try:
        assert isinstance(parse(damaged), Table)
    except CompTextError as error:
        assert str(error).startswith("line ")
