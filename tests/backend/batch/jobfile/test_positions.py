"""Lines of TOML keys: whatever the spelling, the line is the one where a person finds the key."""

import json
import re
import sys

import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from matted.batch.jobfile.positions import key_lines

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LETTERS = st.text("ab \"'\\#[]{}=,.\n\té", max_size=8)
SPELLINGS = ("{}", '"{}"', "'{}'", ' "{}" ', "{} ")


def multi_line(text):
    return '"""\n' + text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"') + '"""'


def literal(text):
    return "'" + text.replace("'", "").replace("\n", "").replace("\t", "") + "'"


def multi_literal(text):
    return "'''" + re.sub("''+", "", text) + "'''"


SCALARS = st.one_of(
    LETTERS.map(json.dumps),
    LETTERS.map(multi_line),
    LETTERS.map(literal),
    LETTERS.map(multi_literal),
    st.sampled_from(
        ['""""a""b"""""', "''''b'''''", '""', "''", "1001", "-0.5e3", "true", "inf", "1979-05-27 07:32:00Z"]
    ),
)
"""``@`` is a key yet to be named."""
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ", # no ] here\n\n".join([*items, "]"])),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: "[" + ",".join(items) + "\n]"),
        st.lists(inner, max_size=3).map(lambda items: "{" + ", ".join(f"@ = {item}" for item in items) + "}"),
    ),
    max_leaves=6,
)
LINES = st.one_of(
    VALUES.map(lambda value: f"  @ = {value} # @"),
    VALUES.map(lambda value: f"@.@ = {value}"),
    st.sampled_from(["[@]", "[ @ . @ ] # [no]", "[[@]]", "# = [ \" '''", "", "\t"]),
)


@st.composite
def documents(draw):
    """A document in which every key is called differently."""
    template = "\n".join(draw(st.lists(LINES, max_size=8)))
    parts = re.split("(?<!# )@", template)
    text = parts[0]
    for number, part in enumerate(parts[1:]):
        text += draw(st.sampled_from(SPELLINGS)).format(f"k{number}_") + part
    return text


def paths(value, path=()):
    """Every key of a document that was read, list items included."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        yield (*path, key)
        yield from paths(inside, (*path, key))


@given(documents())
def test_when_a_document_is_spelled_in_any_way_then_each_key_has_the_line_it_stands_on(text):
    lines = key_lines(text)

    found = set(paths(tomllib.loads(text)))
    assert set(lines) == found
    for path in found:
        if isinstance(path[-1], str):
            assert lines[path] == text.count("\n", 0, text.index(path[-1])) + 1


PLAIN = st.recursive(
    st.one_of(st.booleans(), st.integers(-9, 9999), LETTERS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.integers(), inner, max_size=3)),
    max_leaves=20,
)


def renamed(value, counter):
    """The value with every key called differently."""
    if isinstance(value, dict):
        return {f"k{next(counter)}_": renamed(inside, counter) for inside in value.values()}
    return [renamed(inside, counter) for inside in value] if isinstance(value, list) else value


@given(st.dictionaries(st.integers(), PLAIN, max_size=5))
def test_when_another_writer_wrote_a_document_then_each_key_has_the_line_it_stands_on(values):
    text = tomlkit.dumps(renamed(values, iter(range(10_000))))
    lines = key_lines(text)

    found = set(paths(tomllib.loads(text)))
    assert set(lines) == found
    for path in found:
        if isinstance(path[-1], str):
            assert lines[path] == text.count("\n", 0, text.index(path[-1])) + 1


def test_when_tables_are_in_arrays_of_arrays_then_each_has_the_line_of_its_header():
    text = "[[a]]\n[[a.b]]\nx = 1\n[[a.b]]\n[a.b.c]\n[[a]]\n\n[[a.b]]\nx = 2\n"

    lines = key_lines(text)

    assert [lines[key] for key in (("a", 0), ("a", 0, "b", 0), ("a", 0, "b", 1), ("a", 0, "b", 1, "c"))] == [1, 2, 4, 5]
    assert [lines[key] for key in (("a", 1), ("a", 1, "b", 0), ("a", 1, "b", 0, "x"))] == [6, 8, 9]
