"""Files nobody meant as job files, and job files meant to hurt: each ends in problems, never in a traceback."""

import os
import string

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matted.batch.jobfile import JobFileError, read
from matted.batch.jobfile.fields import FIELDS
from matted.batch.jobfile.raw import LARGEST

ENDINGS = ("toml", "yaml", "csv")
FORMS = pytest.mark.parametrize("ending", ENDINGS)


def refused(file):
    with pytest.raises(JobFileError) as error:
        read(file)
    assert all(problem.message and problem.hint and problem.file == file for problem in error.value.problems)
    return error.value.problems


def content(folder, ending, data):
    file = folder / f"jobs.{ending}"
    file.write_bytes(data)
    return file


@FORMS
def test_when_the_file_is_none_then_that_is_told(tmp_path, ending):
    (tmp_path / f"folder.{ending}").mkdir()
    os.mkfifo(tmp_path / f"pipe.{ending}")

    assert "does not exist" in refused(tmp_path / f"none.{ending}")[0].message
    assert "is not a file" in refused(tmp_path / f"folder.{ending}")[0].message
    assert "is not a file" in refused(tmp_path / f"pipe.{ending}")[0].message
    assert "cannot be read" in refused(tmp_path / f"{'x' * 300}.{ending}")[0].message


@pytest.mark.parametrize("name", ["jobs", "jobs.json", "jobs.toml.bak"])
def test_when_the_ending_is_another_then_the_endings_are_told(tmp_path, name):
    assert ".toml, .yaml" in refused(tmp_path / name)[0].hint


@FORMS
def test_when_the_file_is_no_text_then_its_line_is_told(tmp_path, ending):
    assert refused(content(tmp_path, ending, b"a\nb\xff\n"))[0].line == 2
    assert refused(content(tmp_path, ending, b"a\n\nb\0\n"))[0].line == 3
    assert "UTF-8" in refused(content(tmp_path, ending, "shots = 1".encode("utf-16")))[0].hint


@FORMS
def test_when_the_file_is_huge_then_it_is_not_even_read(tmp_path, ending):
    file = tmp_path / f"jobs.{ending}"
    with file.open("wb") as opened:
        opened.truncate(100 * 2**20)

    assert f"larger than {LARGEST // 2**20} MB" in refused(file)[0].message


@pytest.mark.parametrize(
    ("ending", "opening"), [("toml", "a = ["), ("toml", "a = {a = "), ("yaml", "["), ("yaml", "- "), ("csv", "[")]
)
def test_when_it_is_nested_too_deep_then_it_is_refused(tmp_path, ending, opening):
    refused(content(tmp_path, ending, (opening + opening.removeprefix("a = ") * 3000).encode()))


def test_when_a_windows_path_breaks_toml_then_the_remedy_is_told(tmp_path):
    for path in ("C:\\shots", "C:\\users", "D:\\x64"):
        assert "single quotes" in refused(content(tmp_path, "toml", f'a = "{path}"'.encode()))[0].hint


SYNTAX = {
    "toml": ("a = 1\nb = \n", 2, "Invalid value"),
    "toml_end": ("a = 1\n\nb = [", 3, "Invalid value"),
    "toml_twice": ("a = 1\n\na = 2", 3, "overwrite"),
    "toml_path": ('a = 1\nb = "C:\\shots"', 2, "Unescaped"),
    "toml_home": ('a = 1\nb = "C:\\users"', 2, "hex"),
    "toml_number": ("a = " + "1" * 5000, 0, "digits"),
    "yaml": ("a: 1\nb: [1\nc: 2", 3, "not YAML"),
    "yaml_twice": ("shots:\n- name: a\n  name: b", 3, "The key 'name' is given twice."),
    "yaml_tag": ("shots:\n- !!python/object/apply:os.system [exit]", 2, "The tag tag:yaml.org,2002:python"),
    "yaml_own_tag": ("shots: !mine []", 1, "The tag !mine is not read."),
    "yaml_circle": ("shots: &a\n- *a", 1, "An alias names a value it is itself a part of."),
    "yaml_alias": ("shots:\n- *none", 2, "undefined alias"),
    "yaml_key": ("shots:\n- [a]: 1", 2, "A key is a list or a table."),
    "yaml_two": ("a: 1\n---\nb: 1", 2, "but found another document"),
    "yaml_list": ("- a", 1, "not a table of shots"),
    "yaml_null": ("shots:\n- name:", 2, "name is empty, which is not a value."),
    "csv_quote": ('name,out\na,"b', 2, "not CSV"),
    "csv_quotes": ('name,out\na,"b"c', 2, "not CSV"),
    "csv_columns": ("name,out,name\na,b,c", 1, "The column 'name' is given twice."),
    "csv_tables": ("thresholds,thresholds.jump\n1,2", 1, "There are columns 'thresholds' and 'thresholds.…'."),
    "csv_row": ("name,out\na,b\na,b,c", 3, "a column without a name"),
    "csv_empty": ("\n\n", 0, "The file is empty."),
    "csv_field": ("name\n" + "x" * 200_000, 2, "not CSV"),
}


@pytest.mark.parametrize(("text", "line", "words"), SYNTAX.values(), ids=SYNTAX)
def test_when_the_file_breaks_its_form_then_the_line_is_told(tmp_path, request, text, line, words):
    ending = request.node.callspec.id.partition("_")[0]

    found = [problem for problem in refused(content(tmp_path, ending, text.encode())) if words in problem.message]

    assert [problem.line for problem in found] == [line]


@pytest.mark.parametrize("levels", [20, 60])
def test_when_aliases_or_tokens_multiply_then_they_are_stopped(tmp_path, levels):
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, levels))
    tokens = "[tokens]\na0 = 'xx'\n" + "".join(f"a{i} = '{{a{i - 1}}}{{a{i - 1}}}'\n" for i in range(1, levels))

    assert "more than" in refused(content(tmp_path, "yaml", bomb.encode()))[0].message
    assert "longer than" in refused(content(tmp_path, "toml", tokens.encode()))[1].message


def test_when_the_largest_file_is_one_text_then_it_is_read(tmp_path):
    text = 'x = """' + 'a"\\n' * (LARGEST // 5) + '"""'

    assert refused(content(tmp_path, "toml", text.encode()))[-1].message == "There is no key 'x' in a job file."


FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(data=st.binary(max_size=60), ending=st.sampled_from(ENDINGS))
def test_when_the_file_is_any_bytes_then_it_is_refused(tmp_path, data, ending):
    refused(content(tmp_path, ending, data))


@FUZZ
@given(text=st.text("ab:-[]{},&*!|>'\"#%@`?~=.01 \n\t\r\\;", max_size=60), ending=st.sampled_from(ENDINGS))
def test_when_the_file_is_almost_a_form_then_it_is_refused(tmp_path, text, ending):
    refused(content(tmp_path, ending, text.encode()))


TEXTS = st.one_of(
    st.text(string.printable, max_size=6), st.sampled_from(["{shot}", "{object}", "{version}", "{t}", "~", "..", "/"])
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(), st.floats(), st.booleans(), st.dates()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=2)),
    max_leaves=4,
)
TABLES = st.dictionaries(st.sampled_from([*FIELDS]), VALUES, max_size=6)
TREES = st.fixed_dictionaries(
    {"shots": st.lists(TABLES, max_size=3) | VALUES},
    optional={"job": st.dictionaries(st.sampled_from(["name", "report"]), VALUES) | VALUES}
    | {"tokens": st.dictionaries(TEXTS, VALUES, max_size=3) | VALUES, "defaults": TABLES | VALUES},
)


@FUZZ
@given(tree=TREES)
def test_when_any_value_stands_at_any_key_then_it_is_read_or_refused(tmp_path, tree):
    file = content(tmp_path, "toml", tomlkit.dumps(tree).encode())

    try:
        batch = read(file)
    except JobFileError as error:
        assert [problem.line for problem in error.problems] == sorted(problem.line for problem in error.problems)
        assert len({str(problem) for problem in error.problems}) == len(error.problems)
    else:
        assert all(entry.request.plate.startswith(os.sep) for entry in batch.entries)
