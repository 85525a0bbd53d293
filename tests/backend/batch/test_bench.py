"""What stays warm between jobs: less is computed, and every matte is the same to the bit."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from fakes.colour_network import ColourNetwork
from fakes.drawn_job import FRAMES, contents, job_at, loaded, shot_at
from fakes.drawn_shot import save
from matted.batch.bench import Bench
from matted.batch.job import Run, run
from matted.batch.suggesting import Suggesting
from matted.engine.session import SessionSettings
from matted.errors import WeightsError
from matted.media.color import ColorSettings
from matted.media.plate import Plate
from matted.weights import identify

PLENTY = 10**9


class Counting(ColourNetwork):
    """Counts what is encoded."""

    def __init__(self):
        self.keys = 0
        self.values = 0

    def encode_key(self, image):
        self.keys += 1
        return super().encode_key(image)

    def encode_value(self, image, features, masks):
        self.values += 1
        return super().encode_value(image, features, masks)


def make(job, bench, key="shot"):
    with Run(job, bench=bench, key=key) as making:
        for _ in making.steps():
            pass
        return making.result()


def keyframes_shown(bench, job, folder, key="shot"):
    """How many keyframes opening a session encodes."""
    network = job.weights.network
    before = network.values
    making = Run(replace(job, out=folder), bench=bench, key=key)
    with closing(making.steps()) as steps:
        next(steps)
        return network.values - before


@pytest.mark.parametrize(
    ("then", "encoded"),
    [((1001, 1010), 0), ((1001,), 0), ((1001, 1005), 1)],
)
def test_when_a_shot_is_warm_then_only_changed_keyframes_are_encoded_and_the_mattes_are_the_same(
    tmp_path, then, encoded
):
    bench, weights = Bench(), loaded(Counting())
    make(job_at(tmp_path, weights=weights), bench)
    changed = job_at(tmp_path, weights=weights, shot=shot_at(tmp_path, then))

    assert keyframes_shown(bench, changed, tmp_path / "look") == encoded + 1  # and 1001 once more, on the walk
    result = make(changed, bench)

    alone = run(replace(changed, out=tmp_path / "alone", weights=loaded()))
    assert contents(result.folder) == contents(alone.folder)
    assert result.confidence == alone.confidence


def test_when_a_mask_is_drawn_anew_then_that_keyframe_alone_is_encoded(tmp_path):
    bench, weights = Bench(), loaded(Counting())
    make(job_at(tmp_path, weights=weights), bench)
    drawn = job_at(tmp_path, weights=weights)
    save(tmp_path / "red" / "mask.1010.exr", np.zeros((64, 96, 1), np.float16), channels=("A",))

    assert keyframes_shown(bench, drawn, tmp_path / "look") == 1 + 1
    result = make(drawn, bench)

    alone = run(replace(drawn, out=tmp_path / "alone", weights=loaded()))
    assert contents(result.folder) == contents(alone.folder)


def brighter(job):
    plate = Plate(job.shot.plate.sequence, color=ColorSettings(exposure=1.0))
    return replace(job, shot=replace(job.shot, plate=plate))


def shifted(job):
    """The same files, each under the number of the one before."""
    plate = Plate(job.shot.plate.sequence.shifted(1))
    return replace(job, shot=replace(job.shot, plate=plate))


@pytest.mark.parametrize(
    "change",
    [
        lambda job: replace(job, session=SessionSettings(working_size=48)),
        lambda job: replace(job, weights=replace(job.weights, sha256="1" * 64)),
        brighter,
        shifted,
    ],
    ids=["settings", "weights", "colour", "offset"],
)
def test_when_what_decides_the_features_changes_then_nothing_warm_is_used(tmp_path, change):
    bench, weights = Bench(feature_budget=PLENTY), loaded(Counting())
    job = job_at(tmp_path, weights=weights)
    make(job, bench)
    weights.network.keys = 0

    result = make(change(job), bench)

    assert weights.network.keys == len(FRAMES)
    alone = run(replace(change(job), out=tmp_path / "alone"))
    assert contents(result.folder) == contents(alone.folder)


def test_when_two_artists_work_on_a_plate_then_its_frames_are_encoded_once(tmp_path):
    bench, weights = Bench(feature_budget=PLENTY), loaded(Counting())
    make(job_at(tmp_path, weights=weights), bench, key="one")
    other = job_at(tmp_path, weights=weights, shot=shot_at(tmp_path, (1005,)))

    result = make(other, bench, key="other")

    assert weights.network.keys == len(FRAMES)
    assert bench.feature_bytes > 0
    alone = run(replace(other, out=tmp_path / "alone", weights=loaded()))
    assert contents(result.folder) == contents(alone.folder)


def test_when_two_jobs_of_a_shot_take_turns_then_each_makes_its_own_mattes(tmp_path):
    bench = Bench(feature_budget=PLENTY)
    jobs = [
        job_at(tmp_path),
        job_at(tmp_path, shot=shot_at(tmp_path, (1001, 1005)), out=tmp_path / "other", suggestions=2),
    ]
    runs = [Run(job, bench=bench, key="shot") for job in jobs]
    steps = [making.steps() for making in runs]

    while sum(next(each, None) is not None for each in steps):
        pass
    results = [making.result() for making in runs]

    for index, (job, result) in enumerate(zip(jobs, results, strict=True)):
        alone = run(replace(job, out=tmp_path / f"alone{index}"))
        assert contents(result.folder) == contents(alone.folder)
        assert result.suggestions == alone.suggestions


def test_when_many_shots_are_worked_on_then_the_least_recently_used_goes_cold(tmp_path):
    bench = Bench(warm=2)
    for name in "abc":
        make(job_at(tmp_path, out=tmp_path / name), bench, key=name)
    assert bench.warm_keys == ("b", "c")

    bench.close("b")

    assert bench.warm_keys == ("c",)


def test_when_a_shot_is_closed_at_work_then_it_is_not_kept(tmp_path):
    bench = Bench()
    making = Run(job_at(tmp_path), bench=bench, key="shot")
    steps = making.steps()
    next(steps)

    bench.close("shot")
    for _ in steps:
        pass
    making.result()

    assert bench.warm_keys == ()


def test_when_shrunk_then_all_is_given_up_and_said_and_jobs_go_on(tmp_path):
    bench = Bench(feature_budget=PLENTY)
    make(job_at(tmp_path), bench)
    assert bench.feature_bytes

    said = bench.shrink()

    assert said == "the features of frames seen before and the memory of other shots"
    assert (bench.feature_bytes, bench.warm_keys, bench.shrink()) == (0, (), None)
    assert make(job_at(tmp_path, out=tmp_path / "again"), bench).computed == len(FRAMES)


def test_when_a_network_is_idle_long_enough_then_it_goes_with_all_that_hangs_on_it(tmp_path):
    time = 100.0
    bench = Bench(feature_budget=PLENTY, clock=lambda: time)
    job = job_at(tmp_path, weights=identify("lite"))
    making = Run(job, bench=bench, key="shot")
    steps = making.steps()
    next(steps)
    assert bench.loaded_names == ("lite",)
    assert bench.unload_idle(50, 1000.0) == ()  # it is at work
    time = 500.0
    steps.close()
    assert bench.warm_keys == ("shot",)

    assert bench.unload_idle(50, 549.0) == ()
    assert bench.unload_idle(50, 550.0) == ("lite",)

    assert (bench.loaded_names, bench.warm_keys, bench.feature_bytes) == ((), (), 0)
    for _ in making.steps():
        pass
    assert making.result().computed == len(FRAMES)


def test_when_the_weights_changed_since_the_job_was_asked_for_then_they_are_refused(tmp_path):
    asked = replace(identify("lite"), sha256="0" * 64)

    with pytest.raises(WeightsError, match="changed since"):
        Bench().loaded(asked)


def test_when_looked_over_twice_then_the_second_look_encodes_nothing(tmp_path):
    bench, job = Bench(feature_budget=PLENTY), job_at(tmp_path, weights=loaded(Counting()))
    found = []
    for name in ("one", "two"):
        looking = Suggesting(
            job.shot,
            weights=job.weights,
            session=job.session,
            mattes=None,
            scratch=tmp_path / name,
            bench=bench,
            key="shot",
        )
        steps = looking.steps()
        next(steps)
        steps.close()  # put down and taken up again
        for _ in looking.steps():
            pass
        found.append(looking.result(2))

    assert job.weights.network.keys == len(FRAMES)
    assert found[0] == found[1]
    assert found[0]
