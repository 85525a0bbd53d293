"""A job in pieces: in any order, twice or in part, they make the very files of one run."""

import json
import os
import random
from dataclasses import replace

import pytest
import torch

from fakes.drawn_job import contents
from fakes.drawn_shot import write_masks, write_plate
from matted.batch.bench import Bench
from matted.batch.job import claim, run
from matted.batch.keyframes import MaskSource
from matted.batch.pieces import Piece, begin, do, pieces
from matted.batch.request import Request
from matted.batch.review.left_out import read_left_out
from matted.engine.plan import Direction
from matted.engine.session import SessionSettings
from matted.errors import Cancelled, KeyframeError, OutputError, PlateError, RequestError, SettingError, WeightsError
from matted.media.matte import MatteSettings
from matted.weights import identify
from matted_protocol.frames import FrameRange

LITE = identify("lite")


@pytest.fixture
def bench():
    return Bench(torch.device("cpu"))


def request_at(folder, *, keyframes=(1003, 1006, 1010), **changes):
    plate = folder / "plate"
    if not plate.exists():
        write_plate(plate, range(1001, 1013))
        write_masks(folder / "red", keyframes)
    made = Request(
        str(plate / "plate.####.png"),
        (MaskSource(folder / "red", "red"),),
        folder / "out",
        "disc",
        session=SessionSettings(checkpoint_every=3),
        review=True,
    )
    return replace(made, **changes)


def whole(request):
    return run(replace(request.job(LITE), out=request.out.with_name("whole")))


def sidecar(folder):
    return json.loads((folder / "matted.json").read_text())


@pytest.mark.parametrize("seed", [1, 2])
def test_when_pieces_are_done_in_any_order_then_every_file_is_that_of_one_run(tmp_path, bench, seed):
    request = request_at(tmp_path)
    *some, finish = pieces(request, weights=LITE)
    random.Random(seed).shuffle(some)

    for piece in some:
        made = do(piece, bench=bench)
        assert (made is None) == (piece.kind == "left_out")
    left = []
    result = do(finish, bench=bench, on_step=left.append)

    one = whole(request)
    assert contents(result.folder) == contents(one.folder)
    assert sidecar(result.folder) == sidecar(one.folder)
    assert all(step.confidence is None for step in left), "the finish had no frame to make"
    assert not (result.folder / ".matted").exists()


def test_when_a_segment_is_made_then_it_leaves_alone_what_is_not_its_own(tmp_path, bench):
    found = [piece for piece in pieces(request_at(tmp_path), weights=LITE) if piece.segment]
    folder = found[0].folder
    claimed = (folder / "matted.json").read_bytes()
    another_s = folder / "red" / ".red.1012.exr.4711-1.part"
    another_s.parent.mkdir()
    another_s.write_bytes(b"being written")

    there = set()
    for piece in found:
        own = {frame for frame in range(1001, 1013) if frame in piece.segment}
        assert do(piece, bench=bench).computed == len(own)
        assert do(piece, bench=bench).computed == 0
        there |= own
        assert {int(path.name.split(".")[1]) for path in contents(folder)} == there
        assert (folder / "matted.json").read_bytes() == claimed
        assert another_s.read_bytes() == b"being written"


def test_when_a_shot_has_keyframes_inside_then_its_pieces_share_no_frame_and_miss_none(tmp_path):
    found = pieces(request_at(tmp_path), weights=LITE)

    frames = [frame for piece in found if piece.segment for frame in range(piece.segment.first, piece.segment.last + 1)]
    assert frames == list(range(1001, 1013))
    assert [piece.frame for piece in found if piece.kind == "left_out"] == [1003, 1006, 1010]
    assert found[-1].kind == "finish"
    assert [Piece.from_plain(json.loads(json.dumps(piece.plain()))) for piece in found] == list(found)


@pytest.mark.parametrize("stop_at", [1, 3, 5])
def test_when_every_piece_is_stopped_and_done_again_then_the_files_are_the_same(tmp_path, bench, stop_at):
    request = request_at(tmp_path)
    for piece in pieces(request, weights=LITE):
        steps = []
        try:
            result = do(piece, bench=bench, on_step=steps.append, stopped=lambda steps=steps: len(steps) >= stop_at)
            assert len(steps) < stop_at
        except Cancelled:
            assert len(steps) == stop_at
            result = do(piece, bench=Bench(torch.device("cpu")))

    assert contents(result.folder) == contents(whole(request).folder)


def test_when_the_finish_comes_without_the_others_then_it_makes_everything(tmp_path, bench):
    request = request_at(tmp_path)

    result = do(pieces(request, weights=LITE)[-1], bench=bench)

    assert result.computed == 12
    assert contents(result.folder) == contents(whole(request).folder)


def test_when_a_piece_is_at_work_then_its_twin_and_the_whole_are_refused_and_others_are_not(tmp_path, bench):
    first, second, *_, finish = pieces(request_at(tmp_path), weights=LITE)
    working = begin(first, bench=bench)
    working.start()

    for piece in (first, finish):
        with pytest.raises(OutputError) as error:
            do(piece, bench=Bench(torch.device("cpu")))
        assert error.value.code == "job_running"
    do(second, bench=Bench(torch.device("cpu")))
    working.close()

    do(finish, bench=bench)


def test_when_a_keyframe_is_being_left_out_then_nobody_else_takes_it_up(tmp_path, bench):
    piece, other = (
        piece for piece in pieces(request_at(tmp_path, keyframes=(1003, 1006)), weights=LITE) if piece.frame
    )
    working = begin(piece, bench=bench)
    working.start()

    with pytest.raises(OutputError) as error:
        do(piece, bench=bench)
    assert error.value.code == "job_running"
    do(other, bench=bench)
    working.close()

    steps = []
    do(piece, bench=bench, on_step=steps.append)
    assert steps


def test_when_the_plate_is_replaced_under_a_keyframe_left_out_then_the_piece_stops_and_finds_nothing(tmp_path, bench):
    piece = next(piece for piece in pieces(request_at(tmp_path), weights=LITE) if piece.frame == 1006)
    working = begin(piece, bench=bench)
    working.start()
    os.utime(tmp_path / "plate" / "plate.1005.png", (1_100_000_000, 1_100_000_000))

    with pytest.raises(PlateError) as error:
        list(working.steps())

    assert (error.value.code, error.value.frame) == ("plate_changed", 1005)
    assert read_left_out(piece.folder / ".matted", 1006) is None


def test_when_the_walk_is_one_then_there_is_nothing_to_cut(tmp_path):
    request = request_at(tmp_path, session=SessionSettings(direction=Direction.FORWARD), review=False)

    assert [piece.kind for piece in pieces(request, weights=LITE)] == ["finish"]


def test_when_a_piece_of_a_done_job_is_done_then_nothing_is_touched(tmp_path, bench):
    found = pieces(request_at(tmp_path), weights=LITE)
    folder = do(found[-1], bench=bench).folder
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    for piece in found:
        do(piece, bench=bench)

    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def plate_again(request, folder):
    path = folder / "plate" / "plate.1004.png"
    os.utime(path, (1_100_000_000, 1_100_000_000))
    return request


def plate_gone(request, folder):
    (folder / "plate" / "plate.1012.png").unlink()
    return request


def another_mask(request, folder):
    write_masks(folder / "red", [1008])
    return request


def another_range(request, folder):
    return replace(request, frames=FrameRange(1001, 1004))


def another_size(request, folder):
    return replace(request, session=SessionSettings(working_size=240))


def another_version(request, folder):
    said = sidecar(folder / "out" / "v001")
    said["recipe"]["matted"] = "0.0.0"
    (folder / "out" / "v001" / "matted.json").write_text(json.dumps(said))
    return request


def another_network(request, folder):
    said = sidecar(folder / "out" / "v001")
    said["recipe"]["weights"]["sha256"] = "1" * 64
    (folder / "out" / "v001" / "matted.json").write_text(json.dumps(said))
    return request


def another_form(request, folder):
    return replace(request, mattes=MatteSettings(compression="dwaa"))


def folder_gone(request, folder):
    (folder / "out" / "v001" / "matted.json").unlink()
    return request


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        (plate_again, PlateError, "not the one the batch was planned with"),
        (plate_gone, PlateError, "not the one the batch was planned with"),
        (another_mask, KeyframeError, "masks are not those"),
        (another_range, PlateError, "range is not the one"),
        (another_size, SettingError, "settings are not those"),
        (another_form, SettingError, "settings are not those"),
        (another_network, WeightsError, "weights .* are not those"),
        (another_version, RequestError, "planned by matted 0.0.0"),
        (folder_gone, OutputError, "not the folder of a job"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_when_a_host_finds_something_else_than_was_planned_then_it_says_what_and_makes_nothing(
    tmp_path, bench, change, kind, says
):
    found = pieces(request_at(tmp_path), weights=LITE)
    request = change(found[0].request, tmp_path)

    for piece in found:
        with pytest.raises(kind, match=says):
            do(replace(piece, request=request), bench=bench)

    assert contents(tmp_path / "out") == {}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["v001"]


def test_when_the_plate_lies_elsewhere_on_this_host_then_the_job_is_the_same(tmp_path, bench):
    request = request_at(tmp_path)
    folder = claim(request.job(LITE))
    (tmp_path / "mounted").mkdir()
    (tmp_path / "plate").rename(tmp_path / "mounted" / "plate")

    moved = replace(request, plate=str(tmp_path / "mounted" / "plate" / "plate.####.png"))

    assert claim(moved.job(LITE)) == folder
