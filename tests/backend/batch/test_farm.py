"""What a farm's hosts are handed, and what they refuse before they make anything."""

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from fakes.farm_batch import batch_at
from matted.batch.farm import Handout, hand_out, outcomes, read_handout, write_handout
from matted.batch.mapping import PathMap, PathRule
from matted.batch.review import FrameReview, Review, Thresholds
from matted.errors import MattedError, OutputError, RequestError


@pytest.fixture
def handed(tmp_path):
    """Two shots, handed out."""
    batch = batch_at(tmp_path)
    return hand_out(batch.name, batch.entries)


def test_when_a_batch_is_handed_out_then_finishes_come_last_and_every_shot_has_one(handed):
    kinds = [piece["kind"] for piece in handed.pieces]

    assert kinds == ["segment"] * 4 + ["finish"] * 2
    assert [handed.pieces[place]["request"]["name"] for place in handed.finishes] == ["hero", "dog"]


def test_when_a_shot_has_priority_then_its_pieces_come_first(tmp_path):
    entries = batch_at(tmp_path).entries
    urgent = replace(entries[1], request=replace(entries[1].request, priority=1))

    handed = hand_out("reel", (entries[0], urgent))

    assert [piece["request"]["name"] for piece in handed.pieces] == ["dog", "dog", "hero", "hero", "dog", "hero"]


def test_when_it_is_written_and_read_then_it_is_the_same(handed, tmp_path):
    write_handout(tmp_path / "pieces.json", handed)

    read = read_handout(tmp_path / "pieces.json")

    assert [read.piece(place, PathMap()) for place in range(6)] == [
        handed.piece(place, PathMap()) for place in range(6)
    ]
    assert replace(read, pieces=()) == replace(handed, pieces=())
    assert [path.name for path in tmp_path.glob(".*")] == []


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"form": "matted pieces 1", "pieces": 3}', '{"form": "another"}'])
def test_when_the_pieces_are_damaged_then_the_file_is_named(tmp_path, text):
    file = tmp_path / "pieces.json"
    file.write_text(text)

    with pytest.raises(RequestError, match=r"pieces\.json cannot be read") as refused:
        read_handout(file)

    assert refused.value.code == "bad_request"


def test_when_another_matted_planned_the_pieces_then_both_versions_are_named(handed, tmp_path):
    write_handout(tmp_path / "pieces.json", replace(handed, matted="99.0"))

    with pytest.raises(RequestError, match=r"planned by matted 99\.0; this host has") as refused:
        read_handout(tmp_path / "pieces.json")

    assert refused.value.code == "version_mismatch"
    assert "Install matted 99.0" in refused.value.hint


def test_when_the_storage_is_mounted_elsewhere_then_rules_find_it(handed, tmp_path):
    shutil.move(tmp_path / "hero", tmp_path / "moved")
    rule = PathRule(PurePosixPath(tmp_path / "hero"), tmp_path / "moved")

    piece = handed.piece(0, PathMap((rule,)))

    assert Path(piece.request.plate) == tmp_path / "moved" / "plate" / "plate.####.png"
    assert piece.request.masks[0].path == tmp_path / "moved" / "masks"
    assert (piece.request.out, piece.folder) == (tmp_path / "moved" / "out", tmp_path / "moved" / "out" / "v001")


@pytest.mark.parametrize(
    ("gone", "code"),
    [("hero/plate", "plate_missing"), ("hero/masks", "mask_missing"), ("hero/out/v001", "output_unwritable")],
    ids=["plate", "masks", "folder"],
)
def test_when_something_is_not_on_this_host_then_it_is_named_with_what_to_do(handed, tmp_path, gone, code):
    shutil.move(tmp_path / "hero", tmp_path / "elsewhere")
    shutil.copytree(tmp_path / "elsewhere", tmp_path / "hero")
    shutil.rmtree(tmp_path / gone)
    if gone == "hero/masks":  # a pattern's folder is enough to look further, so its parent goes as well
        handed = Handout(handed.batch, (_with_mask_in(handed.pieces[0], tmp_path / gone),), {})
    rules = PathMap((PathRule(PurePosixPath("/other"), Path("/mnt")),), tmp_path / "rules.json")

    with pytest.raises(MattedError, match="of the shot hero is not on this host") as refused:
        handed.piece(0, rules)

    assert refused.value.code == code
    assert str(tmp_path / gone) in refused.value.message
    assert f"no rule in {tmp_path / 'rules.json'} speaks of it" in refused.value.hint


def _with_mask_in(piece, folder):
    masks = [{**mask, "path": str(folder / "mask.####.exr")} for mask in piece["request"]["masks"]]
    return {**piece, "request": {**piece["request"], "masks": masks}}


def test_when_a_rule_leads_nowhere_then_both_spellings_and_the_rules_are_named(handed, tmp_path):
    rules = PathMap((PathRule(PurePosixPath(tmp_path), Path("/nowhere")),), tmp_path / "rules.json")

    with pytest.raises(MattedError) as refused:
        handed.piece(0, rules)

    assert "/nowhere/hero/plate" in refused.value.message
    assert f"which the submitting machine calls {tmp_path / 'hero' / 'plate'}" in refused.value.message
    assert "correct the rule" in refused.value.hint


@pytest.mark.parametrize("place", [-1, 6])
def test_when_there_is_no_such_piece_then_those_there_are_are_named(handed, place):
    with pytest.raises(RequestError, match=f"no piece {place}: the batch reel 2 has pieces 0 to 5"):
        handed.total(place)


def test_when_a_host_has_its_own_weights_then_they_are_asked_for(handed):
    assert handed.piece(0, PathMap(), weights="/opt/XMem.pth").request.weights == "/opt/XMem.pth"


def test_when_a_shot_is_not_finished_then_its_outcome_is_an_error(handed, tmp_path):
    sidecar = tmp_path / "hero" / "out" / "v001" / "matted.json"
    done = {"confidence": {"1001": [1.0]}, "suggestions": [], **json.loads(sidecar.read_text()), "state": "done"}
    sidecar.write_text(json.dumps(done))

    hero, dog = outcomes(handed, PathMap())

    assert (hero.state, hero.result.confidence) == ("pass", {1001: (1.0,)})
    assert (dog.state, dog.error.code) == ("error", "matte_missing")
    assert str(tmp_path / "dog" / "out" / "v001") in dog.error.message


def test_when_a_shot_that_was_done_is_made_again_then_it_is_not_taken_for_finished(handed, tmp_path):
    sidecar = tmp_path / "hero" / "out" / "v001" / "matted.json"
    again = {"confidence": {"1001": [1.0]}, "suggestions": [], **json.loads(sidecar.read_text()), "state": "running"}
    sidecar.write_text(json.dumps(again))

    assert outcomes(handed, PathMap())[0].error.code == "matte_missing"


@pytest.mark.parametrize(("limits", "state"), [((0.5, 0.3), "fail"), ((0.2, 0.1), "pass")])
def test_when_a_shot_is_judged_then_by_the_thresholds_it_was_handed_out_with(handed, tmp_path, limits, state):
    sidecar = tmp_path / "hero" / "out" / "v001" / "matted.json"
    review = Review(("red",), (FrameReview(1002, (0.1,), (None,), (None,)),), ())
    done = {"confidence": {"1002": [0.25]}, "suggestions": [], "state": "done", "review": review.plain()}
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), **done}))
    thresholds = {**handed.thresholds, "hero": Thresholds(confidence=limits)}
    write_handout(tmp_path / "pieces.json", replace(handed, thresholds=thresholds))

    hero, _ = outcomes(read_handout(tmp_path / "pieces.json"), PathMap())

    assert (hero.state, hero.thresholds.confidence) == (state, limits)


def test_when_the_disk_is_full_then_the_pieces_written_before_stay_whole(handed, tmp_path, monkeypatch):
    file = tmp_path / "pieces.json"
    write_handout(file, handed)
    before = file.read_bytes()

    def full(path, text, encoding):
        path.write_bytes(text[:50].encode(encoding))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)

    with pytest.raises(OutputError) as refused:
        write_handout(file, handed)
    assert refused.value.code == "disk_full"
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_when_a_shot_is_not_on_this_host_then_that_is_its_outcome_and_others_have_theirs(handed, tmp_path):
    shutil.move(tmp_path / "hero", tmp_path / "elsewhere")

    hero, dog = outcomes(handed, PathMap())

    assert (hero.state, hero.request.name, hero.error.code) == ("error", "hero", "plate_missing")
    assert dog.error.code == "matte_missing"
