"""Pieces of a job, done by the daemon: the very files of one run, in the folder that was claimed and in no other."""

import shutil
from dataclasses import replace

import pytest

from fakes.drawn_job import contents
from fakes.drawn_shot import write_masks, write_plate
from matted.batch.job import run
from matted.batch.keyframes import MaskSource
from matted.batch.ledger import read_sidecar
from matted.batch.pieces import pieces
from matted.batch.request import Request
from matted.batch.segments import Segment
from matted.remote import do_piece
from matted.weights import identify
from matted_protocol.errors import DaemonError

LITE = identify("lite")


@pytest.fixture
def request_(tmp_path):
    plate = write_plate(tmp_path / "plate", range(1001, 1010))
    masks = write_masks(tmp_path / "red", [1003, 1006])
    return Request(str(plate), (MaskSource(masks, "red"),), tmp_path / "out", "disc", review=True)


def done_by(client, piece):
    steps = []
    do_piece(client, piece, on_step=steps.append, stopped=lambda: False)
    return steps


def test_when_the_daemon_does_every_piece_then_the_files_and_the_record_are_those_of_one_run(here, request_):
    found = pieces(request_, weights=LITE)

    for piece in found:
        done_by(here.client(), piece)

    one = run(replace(request_.job(LITE), out=request_.out.with_name("whole")))
    folder = found[0].folder
    assert contents(folder) == contents(one.folder)
    assert read_sidecar(folder) == read_sidecar(one.folder)
    assert [path.name for path in request_.out.iterdir()] == ["v001"]


def test_when_the_daemon_does_a_segment_then_in_the_folder_claimed_for_it_and_nothing_else(here, request_):
    segment = next(piece for piece in pieces(request_, weights=LITE) if piece.segment == Segment(1003, 1005))
    newer = segment.folder.with_name("v002")
    shutil.copytree(segment.folder, newer)

    done_by(here.client(), segment)

    made = [int(path.name.split(".")[1]) for path in contents(segment.folder)]
    assert (made, contents(newer)) == ([1003, 1004, 1005], {})


def test_when_a_piece_is_asked_for_again_then_only_what_is_gone_is_made(here, request_):
    segment = next(piece for piece in pieces(request_, weights=LITE) if piece.segment == Segment(1003, 1005))
    done_by(here.client(), segment)
    matte = segment.folder / "red" / "red.1004.exr"
    before = matte.read_bytes()

    assert done_by(here.client(), segment) == []
    matte.unlink()
    done_by(here.client(), segment)

    assert matte.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"segment": Segment(1002, 1005)}, "bad_request", "segments are 1001-1002, 1003-1005, 1006-1009"),
        ({"segment": None, "frame": 1004}, "bad_request", "no keyframe that can be left out"),
        ({"folder": "v002"}, "output_unwritable", "not the folder of a job"),
    ],
    ids=["segment", "keyframe", "folder"],
)
def test_when_a_piece_is_none_of_the_job_s_then_it_is_refused(here, request_, change, code, says):
    piece = pieces(request_, weights=LITE)[0]
    if "folder" in change:
        change = {"folder": piece.folder.with_name(change["folder"])}

    with pytest.raises(DaemonError, match=says) as error:
        done_by(here.client(), replace(piece, **change))

    assert error.value.code == code
    assert contents(request_.out) == {}
    assert here.client().list_jobs().jobs == (), "it was refused before it was queued"


def test_when_the_mattes_are_reviewed_later_then_only_the_review_is_made(here, request_):
    client = here.client()
    finish = pieces(replace(request_, review=False), weights=LITE)[-1]
    done_by(client, finish)
    before = contents(finish.folder)
    assert "review" not in read_sidecar(finish.folder)

    steps = done_by(client, replace(finish, request=request_))

    assert contents(finish.folder) == before
    assert steps and "review" in read_sidecar(finish.folder)
