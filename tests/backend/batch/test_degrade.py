"""Too little memory on the device: the job gives up something, says so, and goes on."""

import json

import pytest
import torch

from fakes.colour_network import ColourNetwork
from fakes.drawn_job import FRAMES, Told, contents, job_at, loaded
from fakes.drawn_shot import known
from matted.batch import degrade
from matted.batch.bench import Bench
from matted.batch.degrade import Means, with_less
from matted.batch.job import Run, claim, run
from matted.batch.leaving import LeavingOut
from matted.batch.review.left_out import read_left_out
from matted.batch.segments import Segment
from matted.engine.device import is_out_of_memory
from matted.engine.session import SessionSettings
from matted.errors import DeviceError
from matted.media.matte import read_matte
from matted.memory.bank import MemoryBank, MemorySettings

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to"),
    RuntimeError("MPS backend out of memory (MPS allocated: 1.00 GB)"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
]


class Narrow(ColourNetwork):
    """Runs out of memory on images higher than it can take, from its ``good``-th decoded frame on."""

    def __init__(self, highest, *, good=0, error=ERRORS[0]):
        self.highest = highest
        self.good = good
        self.error = error
        self.heights = []

    def segment(self, features, readout, sensory):
        height = 4 * features.key.shape[1]
        self.heights.append(height)
        if height > self.highest and len(self.heights) > self.good:
            raise self.error
        return super().segment(features, readout, sensory)


@pytest.fixture(autouse=True)
def small_plates(monkeypatch):
    monkeypatch.setattr(degrade, "SMALLEST", 20)


class Heard:
    def __init__(self):
        self.frames = []
        self.messages = []

    def __call__(self, frame, message):
        self.frames.append(frame)
        self.messages.append(message)


@pytest.mark.parametrize("error", ERRORS)
def test_when_memory_is_spent_then_it_is_one_error_whoever_says_it(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(("good", "error"), [(0, ERRORS[1]), (12, ERRORS[0])])
def test_when_the_device_is_too_small_then_the_job_goes_on_smaller_in_the_same_folder(tmp_path, good, error):
    network, heard, told = Narrow(40, good=good, error=error), Heard(), Told()
    job = job_at(tmp_path, weights=loaded(network), suggestions=2)

    with Run(job, bench=Bench(feature_budget=10**8), key="shot", on_written=told, on_degraded=heard) as making:
        for _ in making.steps():
            pass
        result = making.result()

    assert [words in message for words, message in zip(WORDS, heard.messages, strict=True)] == [True] * 4
    assert all(message.startswith("The device ran out of memory at frame 10") for message in heard.messages)
    assert sorted(told.frames) == FRAMES
    assert (result.folder.name, result.computed) == ("v001", len(FRAMES))
    assert result.suggestions
    for frame in FRAMES:
        matte = read_matte(result.folder / "red" / f"red.{frame}.exr")
        assert abs(matte - known(frame)[0].numpy()).mean() < 0.03, frame
    sidecar = json.loads((result.folder / "matted.json").read_text())
    assert sidecar["recipe"] == job.recipe()
    assert [entry["frame"] for entry in sidecar["degraded"]] == heard.frames
    assert all(entry["gave_up"] in message for entry, message in zip(sidecar["degraded"], heard.messages, strict=True))
    assert run(job).computed == 0


WORDS = [
    ": the features of frames seen before were let go.",
    "remembers 2 frames in place of 3",
    "48 pixels in place of 64",
    "36 pixels in place of 48",
]


def test_when_nothing_is_left_to_give_up_then_the_job_fails_and_its_frames_stay(tmp_path):
    heard = Heard()
    making = Run(job_at(tmp_path, weights=loaded(Narrow(0, good=12))), on_degraded=heard)

    with pytest.raises(DeviceError) as error:
        list(making.steps())

    assert error.value.code == "out_of_memory"
    assert "20 pixels" in heard.messages[-1]
    assert len(list(making.folder.rglob("*.exr"))) > 0
    with Run(job_at(tmp_path, weights=loaded())) as again:  # the folder is free, and a better device goes on
        for _ in again.steps():
            pass
        assert again.result().folder == making.folder


def test_when_giving_up_what_is_kept_is_enough_then_the_mattes_are_those_of_any_run(tmp_path):
    whole = run(job_at(tmp_path, out=tmp_path / "whole"))
    heard = Heard()
    network = Narrow(0, good=8)
    bench = Bench(feature_budget=10**8)
    giving = bench.shrink
    bench.shrink = lambda: setattr(network, "highest", 64) or giving()

    with Run(job_at(tmp_path, weights=loaded(network)), bench=bench, on_degraded=heard) as making:
        for _ in making.steps():
            pass
        result = making.result()

    assert len(heard.messages) == 1
    assert contents(result.folder) == contents(whole.folder)
    assert result.confidence == whole.confidence


def test_when_memory_frames_are_too_many_then_fewer_are_remembered_at_the_same_size(tmp_path, monkeypatch):
    read, network, heard = MemoryBank.read, Narrow(64), Heard()

    def tight(self, key, selection):
        if self.working_frames > 1:
            raise ERRORS[1]
        return read(self, key, selection)

    monkeypatch.setattr(MemoryBank, "read", tight)

    result = run(job_at(tmp_path, weights=loaded(network)), on_degraded=heard)

    assert len(heard.messages) == 1
    assert WORDS[1] in heard.messages[0]
    assert set(network.heights) == {64}
    assert result.computed == len(FRAMES)


def test_when_a_segment_was_made_with_less_then_the_whole_job_says_so(tmp_path):
    heard = Heard()
    folder = claim(job_at(tmp_path))

    run(job_at(tmp_path, weights=loaded(Narrow(40))), segment=Segment(1001, 1009), folder=folder, on_degraded=heard)
    run(job_at(tmp_path), folder=folder)

    told = json.loads((folder / "matted.json").read_text())["degraded"]
    assert [entry["frame"] for entry in told] == heard.frames != []


def test_when_a_keyframe_left_out_is_too_much_then_it_goes_on_smaller_and_holds_on_to_nothing(tmp_path):
    heard, bench = Heard(), Bench()
    job = job_at(tmp_path, weights=loaded(Narrow(40)))
    warm = []

    def told(frame, message):
        heard(frame, message)
        warm.append(bench.warm_keys)

    leaving = LeavingOut(job, claim(job), 1010, bench=bench, key="shot", on_degraded=told)
    steps = list(leaving.steps())

    assert heard.messages and all("ran out of memory" in message for message in heard.messages)
    assert warm == [()] * len(heard.messages)
    assert steps[-1].frame == 1010
    assert read_left_out(claim(job) / ".matted", 1010).j[0] > 0.8


def test_when_it_is_another_error_then_it_is_not_taken_for_lack_of_memory(tmp_path):
    heard = Heard()

    with pytest.raises(RuntimeError, match="shape"):
        run(job_at(tmp_path, weights=loaded(Narrow(0, error=RuntimeError("shape mismatch")))), on_degraded=heard)

    assert heard.messages == []
    assert not is_out_of_memory(ValueError("out of memory"))


def test_when_memory_is_spent_on_suggesting_then_the_mattes_stay_and_suggestions_come_later(tmp_path, monkeypatch):
    import matted.engine.session as sessions

    heard, suggest, calls = Heard(), sessions.suggest, []

    def tight(*args, **settings):
        calls.append(args)
        if len(calls) == 1:
            raise ERRORS[0]
        return suggest(*args, **settings)

    monkeypatch.setattr(sessions, "suggest", tight)

    result = run(job_at(tmp_path, suggestions=2), on_degraded=heard)

    assert len(heard.messages) == 1
    assert heard.frames == [None]
    assert result.suggestions


def test_when_means_shrink_then_sizes_fall_by_quarters_to_the_smallest_and_no_further(monkeypatch):
    monkeypatch.setattr(degrade, "SMALLEST", 240)

    steps = list(with_less(Means(SessionSettings(), MemorySettings()), Bench(), size=(1920, 1080)))

    assert [step.session.working_size for step in steps] == [480, 360, 270, 240]
    assert [step.memory.working_max for step in steps] == [5] * 4
    assert steps[0].memory == MemorySettings(working_max=5, working_min=2, long_term_max=2500)
    assert all(step.gave_up for step in steps)


@pytest.mark.parametrize(("working_size", "size", "first"), [(0, (800, 600), 450), (480, (500, 320), 240)])
def test_when_the_plate_is_seen_as_it_is_then_its_own_size_is_the_first_to_fall(monkeypatch, working_size, size, first):
    monkeypatch.setattr(degrade, "SMALLEST", 240)
    means = Means(SessionSettings(working_size=working_size), MemorySettings(working_max=1, working_min=0))

    steps = list(with_less(means, Bench(), size=size))

    assert steps[0].session.working_size == first
