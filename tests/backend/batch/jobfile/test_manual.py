"""docs/jobs.md held to the code: its table of keys, its examples, what counts when nothing is said."""

import re
from pathlib import Path

import pytest

from matted.batch.jobfile import read
from matted.batch.jobfile.fields import FIELDS

MANUAL = (Path(__file__).parents[4] / "docs" / "jobs.md").read_text("utf-8")


def example(form):
    return re.search(rf"```{form}\n(.*?)```", MANUAL, re.DOTALL)[1]


def batch_of(folder, form, text=None):
    file = folder / f"jobs.{form}"
    file.write_text(text or example(form), "utf-8")
    return read(file)


def test_when_the_manual_lists_keys_then_they_are_those_that_are_read():
    section = MANUAL.partition("## The keys of a shot")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \| (.+) \|$", section, re.MULTILINE)

    assert rows == [(key, field.example, field.says) for key, field in FIELDS.items()]


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_when_the_manual_says_the_same_in_another_form_then_it_is(tmp_path, form):
    def asked(batch):
        return [(entry.request, entry.thresholds) for entry in batch.entries]

    assert asked(batch_of(tmp_path, form)) == asked(batch_of(tmp_path, "toml"))


def test_when_the_manual_shows_a_whole_file_then_names_are_its_own(tmp_path):
    batch = batch_of(tmp_path, "toml")

    assert (batch.name, batch.report) == ("night", tmp_path / "reports/night.html")
    assert batch.entries[1].thresholds.jump == (5, 10)


@pytest.mark.parametrize("key", FIELDS)
def test_when_a_key_is_written_like_its_example_then_it_is_read(tmp_path, key):
    shot = {"name": '"a"', "plate": '"p"', "keyframes": '"{object}"', "out": '"o"', "objects": '["x"]'}
    shot[key] = FIELDS[key].example
    text = "[[shots]]\n" + "".join(f"{name} = {value}\n" for name, value in shot.items())

    assert len(batch_of(tmp_path, "toml", text).entries) == 1


def test_when_nothing_is_said_then_what_the_manual_says_counts(tmp_path):
    text = '[[shots]]\nname = "a"\nplate = "p"\nkeyframes = "k"\nout = "o"\n'
    said = {key: field.says.rpartition("; ")[2].rstrip(".") for key, field in FIELDS.items()}
    spelled = [f"{key} = {value}\n" for key, value in said.items() if re.fullmatch(r"-?\d+|true|false", value)]
    quoted = ("missing", "exposure", "weights", "direction", "format", "layout", "compression")
    spelled += [f'{key} = "{said[key]}"\n' for key in quoted]

    assert len(spelled) == 12
    assert batch_of(tmp_path, "toml", text) == batch_of(tmp_path, "toml", text + "".join(spelled))
