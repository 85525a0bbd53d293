"""What a batch will take: counts that runs keep to, sizes near what is written, times learnt from shots made."""

from dataclasses import replace

import msgspec
import pytest

from fakes.drawn_batch import draw_shot, request_at
from matted.batch import estimate as estimating
from matted.batch.estimate import GUESS, Plan, estimate, in_bytes, in_time, learn, plan_text
from matted.batch.job import Run, run
from matted.batch.keyframes import MaskSource
from matted.batch.outcome import Outcome
from matted.batch.rates import KEPT, rates_file, remember, remembered, seconds_for
from matted.batch.workload import Work, work_of
from matted.engine.plan import Direction
from matted.engine.session import SessionSettings
from matted.errors import Cancelled
from matted.weights import identify
from matted_protocol.frames import FrameRange

WORK = Work("lite", 1, 40, 0, 2, 1, 78, 78, 40, 39, 90_000, 90_000, 5_000)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Rates are kept in a folder of the test's own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "home"))
    monkeypatch.setattr("matted.batch.rates.data_folder", lambda: tmp_path / "home" / "matted")


def job_at(folder, name="hero", keyframes=(1001, 1006), **changes):
    draw_shot(folder, name, frames=range(1001, 1008), keyframes=keyframes)
    return request_at(folder, name, **changes).job(identify("lite"))


@pytest.mark.parametrize(
    ("direction", "keyframes"),
    [
        pytest.param(Direction.BOTH, (1001, 1006), id="both ways"),
        pytest.param(Direction.BOTH, (1002, 1004, 1006), id="both ways, three keyframes"),
        pytest.param(Direction.FORWARD, (1002, 1005), id="forward"),
        pytest.param(Direction.BACKWARD, (1003,), id="backward, one keyframe"),
    ],
)
def test_when_a_shot_is_counted_then_its_run_takes_as_many_steps(tmp_path, direction, keyframes):
    job = job_at(tmp_path, keyframes=keyframes, session=SessionSettings(direction=direction), review=True)

    work = work_of(job)
    with Run(job) as making:
        steps = sum(1 for _ in making.steps())

    assert work.steps + work.left_out + work.reviewed == steps
    assert (work.frames, work.made, work.keyframes, work.objects) == (7, 0, len(keyframes), 1)


def test_when_a_job_was_stopped_then_only_what_is_left_is_counted(tmp_path):
    job = job_at(tmp_path)
    with pytest.raises(Cancelled):
        run(job, on_step=(seen := []).append, stopped=lambda: len(seen) == 7)

    work = work_of(job)
    again = run(job)

    assert 0 < work.made < 7
    assert work.left == again.computed
    assert work_of(job, anew=True).left == 7


def test_when_a_job_is_done_then_nothing_is_left(tmp_path):
    request = request_at(tmp_path, "hero", review=True)
    job = job_at(tmp_path, review=True)
    run(job)

    plan = estimate([request], device="cpu")

    assert (plan.frames, plan.seconds, plan.mattes, plan.scratch) == (0, 0, 0, 0)


def test_when_a_plan_is_made_then_nothing_is_written_beside_the_shot(tmp_path):
    job_at(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    estimate([request_at(tmp_path, "hero")], device="cpu")

    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("keyframes", [(1001,), (1001, 1007)], ids=["one keyframe", "a gap"])
def test_when_disk_is_reckoned_then_it_is_near_what_a_run_writes(tmp_path, keyframes):
    job = job_at(tmp_path, keyframes=keyframes, suggestions=3)
    (shot,) = estimate([request_at(tmp_path, "hero", suggestions=3)], device="cpu").shots
    most = 0
    with Run(job) as making:
        for _ in making.steps():
            hidden = making.folder / ".matted"
            most = max(most, sum(path.stat().st_size for path in hidden.rglob("*.safetensors")))
        folder = making.result().folder

    written = sum(path.stat().st_size for path in folder.rglob("*.exr"))
    assert 0.5 < shot.mattes / written < 3  # drawn edges are cleaner than those of footage
    assert 0.5 < shot.scratch / most < 2


def test_when_mattes_are_written_otherwise_then_their_size_follows(tmp_path):
    job = job_at(tmp_path)
    lossy, packed = (replace(job.mattes, **change) for change in ({"format": "png8"}, {"layout": "rgba"}))

    assert work_of(replace(job, mattes=lossy)).matte < work_of(job).matte < work_of(replace(job, mattes=packed)).matte


def test_when_there_are_more_frames_then_everything_is_more(tmp_path):
    job_at(tmp_path)
    few = estimate([request_at(tmp_path, "hero", frames=FrameRange(1001, 1004))], device="cpu")
    many = estimate([request_at(tmp_path, "hero")], device="cpu")

    assert (few.frames, many.frames) == (4, 7)
    assert few.seconds < many.seconds
    assert few.mattes < many.mattes
    assert few.scratch < many.scratch
    assert few.memory <= many.memory


def test_when_a_plate_is_not_there_yet_then_the_others_are_planned_and_it_is_said(tmp_path):
    job_at(tmp_path)
    late = request_at(tmp_path, "late")

    plan = estimate([late, request_at(tmp_path, "hero")], device="cpu")

    assert [shot.work is None for shot in plan.shots] == [True, False]
    assert plan.frames == 7
    assert "plates/late" in plan.notices[0].replace("\\", "/")
    assert plan.notices[0].startswith("late: ")
    assert plan.notices[0] in plan_text(plan)


def test_when_the_disk_is_too_small_then_it_is_said_which_and_how_much_is_missing(tmp_path, monkeypatch):
    job_at(tmp_path)
    job_at(tmp_path, "dog")
    requests = [request_at(tmp_path, name) for name in ("hero", "dog")]
    monkeypatch.setattr(estimating.shutil, "disk_usage", lambda folder: Usage(100, 90, 10))

    (notice,) = estimate(requests, device="cpu").notices

    assert notice.startswith(f"The disk of {tmp_path} has 10 B free, and about ")
    assert "Free some space" in notice


class Usage:
    def __init__(self, total, used, free):
        self.total, self.used, self.free = total, used, free


def test_when_no_shot_was_made_here_then_the_time_is_called_a_guess_and_else_not(tmp_path):
    job_at(tmp_path)
    request = request_at(tmp_path, "hero")
    assert GUESS in plan_text(estimate([request], device="cpu"))

    remember(WORK, 50.0, device="cpu")

    assert GUESS not in plan_text(estimate([request], device="cpu"))


def test_when_a_shot_was_made_then_one_like_it_takes_as_long():
    remember(WORK, 123.0, device="cpu")

    assert seconds_for(WORK, device="cpu") == (pytest.approx(123.0), False)
    half = replace(WORK, steps=39, left_out=39, reviewed=20, made=20)
    assert seconds_for(half, device="cpu")[0] == pytest.approx(61.5)
    assert seconds_for(WORK, device="cuda")[1]
    assert seconds_for(replace(WORK, weights="xmem"), device="cpu")[1]


def test_when_shots_of_several_sizes_were_made_then_those_of_the_same_size_count():
    large = replace(WORK, working=400_000, plate=2_000_000)
    remember(WORK, 100.0, device="cpu")
    for seconds in (5000.0, 6000.0, 7000.0):
        remember(large, seconds, device="cpu")

    assert seconds_for(WORK, device="cpu")[0] == pytest.approx(100.0)
    assert seconds_for(large, device="cpu")[0] == pytest.approx(6000.0)


def test_when_many_shots_were_made_then_the_latest_are_kept():
    for seconds in range(1, KEPT + 6):
        remember(WORK, float(seconds), device="cpu")

    assert len(remembered()) == KEPT
    assert remembered()[-1].step == pytest.approx((KEPT + 5) / 156)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\x00", id="no text"),
        pytest.param(b'[{"weights": "lite"}]', id="of another form"),
        pytest.param(
            b'[{"weights": "lite", "device": "cpu", "working": 1, "objects": 1, "step": 1, "ratio": -1}]', id="below 0"
        ),
    ],
)
def test_when_what_is_remembered_is_damaged_then_it_is_as_if_there_were_none(content):
    rates_file().parent.mkdir(parents=True)
    rates_file().write_bytes(content)

    assert remembered() == ()
    remember(WORK, 5.0, device="cpu")
    assert len(remembered()) == 1


def test_when_nothing_can_be_remembered_then_no_harm_is_done(tmp_path):
    (tmp_path / "home").write_text("in the way")

    remember(WORK, 5.0, device="cpu")

    assert remembered() == ()


def test_when_a_shot_was_made_whole_then_it_is_learnt_from_and_else_not(tmp_path):
    job = job_at(tmp_path, keyframes=(1001, 1004, 1007), review=True)
    request = request_at(tmp_path, "hero", review=True)
    result = run(job)
    made = Outcome(request, "pass", 12.0, result)

    learn(replace(made, result=None), device="cpu")
    learn(replace(made, result=replace(result, computed=4)), device="cpu")
    learn(replace(made, said=("it looks at the plate at 240 pixels",)), device="cpu")
    learn(replace(made, request=replace(request, masks=(MaskSource(tmp_path / "gone"),))), device="cpu")
    assert remembered() == ()

    learn(made, device="cpu")
    (rate,) = remembered()
    assert (rate.weights, rate.device, rate.working, rate.objects) == ("lite", "cpu", 96 * 64, 1)
    assert estimate([replace(request, out=tmp_path / "else")], device="cpu").seconds == pytest.approx(12.0)


def test_when_a_plan_is_written_down_then_it_comes_back(tmp_path):
    job_at(tmp_path)
    plan = estimate([request_at(tmp_path, "hero"), request_at(tmp_path, "late")], device="cpu")

    assert msgspec.convert(plan.plain(), Plan) == plan


def test_when_a_plan_is_told_then_every_shot_and_the_sums_are_there(tmp_path):
    job_at(tmp_path)
    text = plan_text(estimate([request_at(tmp_path, "hero")], device="cpu"))

    title, row, _, *sums = text.splitlines()
    assert title.split() == ["shot", "frames", "keyframes", "segments", "steps", "time", "memory", "disk", "+"]
    assert row.split()[:5] == ["hero", "7", "2", "2", "12"]
    assert sums[0].startswith("1 shot, 7 frames to make: about ")


def test_when_times_and_sizes_are_told_then_in_the_unit_people_use():
    assert [in_time(seconds) for seconds in (0, 12.4, 600, 9000)] == ["0 s", "12 s", "10 min", "2.5 h"]
    sizes = [in_bytes(count) for count in (12, 5000, 3.4 * 2**20, 1.25 * 2**30, 3 * 2**40)]
    assert sizes == ["12 B", "5 KiB", "3.4 MiB", "1.2 GiB", "3.0 TiB"]
