"""Paths of the submitting machine, as a farm's host spells them."""

import json
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openjd.sessions import PathFormat, PathMappingRule

from fakes.drawn_batch import request_at
from matted.batch.mapping import PathMap, PathRule, read_path_map
from matted.batch.pieces import Piece
from matted.errors import RequestError
from matted.media.color import ColorSettings

NAMES = st.text("abzABZ09_ .#é\u212a", min_size=1, max_size=4).filter(lambda name: name.strip(" ."))
FOLDERS = st.lists(NAMES, min_size=1, max_size=4)
SPELLINGS = {
    PurePosixPath: (lambda parts: "/" + "/".join(parts), PathFormat.POSIX),
    PureWindowsPath: (lambda parts: "P:\\" + "\\".join(parts), PathFormat.WINDOWS),
}


@given(kind=st.sampled_from(sorted(SPELLINGS, key=str)), source=FOLDERS, path=FOLDERS, below=st.booleans())
def test_when_a_rule_is_applied_then_it_does_what_the_farms_own_library_does(kind, source, path, below):
    spell, form = SPELLINGS[kind]
    path = spell(source + path if below else path)
    rule = PathRule(kind(spell(source)), Path("/mnt/here"))
    known = PathMappingRule(
        source_path_format=form, source_path=kind(spell(source)), destination_path=PurePosixPath("/mnt/here")
    )

    changed, expected = known.apply(path=path)

    assert rule.apply(path) == (expected if changed else None)


@given(folder=FOLDERS, rest=FOLDERS)
def test_when_windows_paths_are_spelled_in_another_case_then_they_are_the_same(folder, rest):
    spell = SPELLINGS[PureWindowsPath][0]
    rule = PathRule(PureWindowsPath(spell(folder).translate({ord("a"): "A", ord("z"): "Z"})), Path("/mnt"))

    assert rule.apply(spell([*folder, *rest])) == str(Path("/mnt", *rest))


@given(FOLDERS)
def test_when_a_folders_name_only_begins_like_a_rules_then_it_stays(folder):
    spell = SPELLINGS[PurePosixPath][0]
    path = spell(folder) + "x/plate.####.exr"

    assert PathMap((PathRule(PurePosixPath(spell(folder)), Path("/mnt")),)).apply(path) == path


def rules_file(folder, *rules, version="pathmapping-1.0"):
    names = ("source_path_format", "source_path", "destination_path")
    rules = [dict(zip(names, rule, strict=True)) for rule in rules]
    file = folder / "rules.json"
    file.write_text(json.dumps({"version": version, "path_mapping_rules": rules}))
    return file


def test_when_several_rules_fit_then_the_longest_is_taken(tmp_path):
    file = rules_file(tmp_path, ("POSIX", "/jobs", "/a"), ("POSIX", "/jobs/show", "/b"), ("URI", "s3://jobs/x", "/c"))

    mapping = read_path_map(file)

    assert mapping.apply("/jobs/show/plate.####.exr") == "/b/plate.####.exr"
    assert mapping.apply("/jobs/other/plate.####.exr") == "/a/other/plate.####.exr"


def test_when_a_session_has_no_rules_then_paths_stay(tmp_path):
    (tmp_path / "rules.json").write_text("{}")

    assert read_path_map(tmp_path / "rules.json").apply("P:\\show\\a.exr") == "P:\\show\\a.exr"


@pytest.mark.parametrize(
    "text", ["", "[", "[1]", '{"version": "pathmapping-2.0", "path_mapping_rules": []}', '{"a": 1}']
)
def test_when_the_rules_are_damaged_then_the_file_is_named(tmp_path, text):
    file = tmp_path / "rules.json"
    file.write_text(text)

    with pytest.raises(RequestError, match=r"rules\.json cannot be read") as refused:
        read_path_map(file)

    assert refused.value.path == file


@pytest.mark.parametrize(
    ("weights", "config"),
    [("/jobs/XMem.pth", "/jobs/show.ocio"), ("lite", "ocio://default"), ("xmem", None)],
    ids=["files", "names", "none"],
)
def test_when_a_piece_is_read_by_rules_then_every_path_of_it_is_and_nothing_else(weights, config):
    request = request_at(Path("/jobs"), "hero", weights=weights, color=ColorSettings(config=config))
    piece = Piece(request, request.out / "v001", "finish", total=6)
    mapping = PathMap((PathRule(PurePosixPath("/jobs"), Path("/mnt")),))

    here = mapping.apply_to_piece(piece.plain())

    assert here == json.loads(json.dumps(piece.plain()).replace("/jobs/", "/mnt/"))
    assert Piece.from_plain(here).request.weights == weights.replace("/jobs/", "/mnt/")
