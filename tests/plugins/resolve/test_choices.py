import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matted_plugin.host import HostError, ObjectSource
from matted_resolve import choices
from matted_resolve.choices import Choices, changed, load, parse_folder, parse_objects, save


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(choices, "data_folder", lambda: tmp_path / "data")


@pytest.mark.parametrize(
    ("told", "sources"),
    [
        ("hero=alpha", [ObjectSource("hero", "alpha")]),
        ("hero", [ObjectSource("hero", "alpha")]),
        ("hero=Saver1.red  car=Polygon2", [ObjectSource("hero", "Saver1.red"), ObjectSource("car", "Polygon2")]),
        ("tree=/m/tree.%04d.png", [ObjectSource("tree", "", "/m/tree.%04d.png")]),
        (
            '"tree=/my masks/t.####.exr" car=alpha',
            [ObjectSource("tree", "", "/my masks/t.####.exr"), ObjectSource("car", "alpha")],
        ),
        (r"tree=D:\masks\tree.%04d.png", [ObjectSource("tree", "", "D:/masks/tree.%04d.png")]),
        (r'tree="\\server\my masks\tree.%04d.png"', [ObjectSource("tree", "", "//server/my masks/tree.%04d.png")]),
    ],
    ids=["alpha", "no masks named", "Fusion tools", "files", "spaces", "Windows", "UNC"],
)
def test_when_objects_are_named_then_each_has_its_masks(told, sources):
    assert list(parse_objects(told)) == sources


@pytest.mark.parametrize(
    "told",
    ["", "  ", "=alpha", "a=alpha a=Saver1", "a=alpha b=alpha", "a b", "he ro=alpha", 'a="alpha', "a/b=alpha"],
    ids=["nothing", "blanks", "no name", "twice", "same masks", "same masks unnamed", "space", "quote", "slash"],
)
def test_when_objects_are_not_told_rightly_then_it_says_what_to_write(told):
    with pytest.raises(HostError) as caught:
        parse_objects(told)
    assert caught.value.message and caught.value.hint


@given(st.text())
def test_whatever_is_typed_as_objects_it_is_understood_or_refused(told):
    try:
        found = parse_objects(told)
    except HostError:
        return
    assert found and len({one.name for one in found}) == len(found)
    assert all(bool(one.channel) != bool(one.files) for one in found)


@pytest.mark.parametrize(
    ("told", "folder"),
    [
        ("", ""),
        ("  ", ""),
        ("/a/b/", "/a/b"),
        ("C:\\out\\x", "C:/out/x"),
        ("\\\\server\\x", "//server/x"),
        ("D:/", "D:"),
    ],
    ids=["empty", "blank", "posix", "drive", "unc", "root"],
)
def test_when_a_folder_is_whole_then_it_has_forward_slashes(told, folder):
    assert parse_folder(told) == folder


@pytest.mark.parametrize("told", ["mattes", "./a", "C:mattes"], ids=str)
def test_when_a_folder_is_relative_then_it_is_refused(told):
    with pytest.raises(HostError, match="whole path"):
        parse_folder(told)


def test_when_choices_are_saved_then_that_clip_has_them_again_and_a_new_one_starts_with_them():
    save("clip 1", Choices(objects="hero=Saver1", handles=8, again=3))

    assert load("clip 1") == Choices(objects="hero=Saver1", handles=8, again=3)
    assert load("clip 2") == Choices(objects="hero=Saver1", handles=8, again=0)

    save("clip 2", Choices(weights="xmem"))
    assert load("clip 1").handles == 8 and load("clip 3").weights == "xmem"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"clip": 3}', '{"clip": {"handles": "many"}}', "\x00"], ids=repr)
def test_when_the_file_is_damaged_then_choices_begin_anew_and_can_be_saved(damage):
    choices.choices_file().parent.mkdir(parents=True)
    choices.choices_file().write_text(damage)

    assert load("clip") == Choices()
    save("clip", Choices(handles=2))
    assert load("clip").handles == 2 and json.loads(choices.choices_file().read_text())


def test_when_a_window_says_nonsense_then_what_was_chosen_stays():
    before = Choices(handles=4)

    assert changed(before, {"handles": "a few", "weights": "xmem", "unknown": 1}) == Choices(handles=4, weights="xmem")
    assert changed(before, {"handles": "12"}).handles == 12


def test_when_the_disk_cannot_be_written_then_nothing_but_the_memory_is_lost(tmp_path):
    (tmp_path / "data").write_text("a file where the folder should be")

    save("clip", Choices(handles=2))

    assert load("clip") == Choices()
