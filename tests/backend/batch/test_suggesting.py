"""Suggesting a step at a time: stopped, gone on, and with too little memory."""

import shutil
from dataclasses import replace

import pytest

from fakes.colour_network import ColourNetwork
from fakes.drawn_job import loaded, shot_at
from matted.batch import degrade
from matted.batch.bench import Bench
from matted.batch.suggesting import Suggesting, suggest
from matted.engine.session import SessionSettings
from matted.errors import DeviceError


class Narrow(ColourNetwork):
    """Runs out of memory on images higher than it can take."""

    def __init__(self, highest):
        self.highest = highest

    def segment(self, features, readout, sensory):
        if 4 * features.key.shape[1] > self.highest:
            raise MemoryError
        return super().segment(features, readout, sensory)


def looking_at(folder, *, weights=None, **more):
    settings = SessionSettings(checkpoint_every=4)
    return Suggesting(
        shot_at(folder), weights=weights or loaded(), session=settings, mattes=None, scratch=folder / "scratch", **more
    )


def test_when_put_down_and_taken_up_again_then_the_suggestions_are_those_of_one_go(tmp_path):
    whole = suggest(shot_at(tmp_path), weights=loaded(), session=SessionSettings(), mattes=None, count=3)
    first = looking_at(tmp_path)
    steps = first.steps()
    for _ in range(9):
        next(steps)
    steps.close()
    first.close()

    second = looking_at(tmp_path)
    left = sum(1 for _ in second.steps())

    assert 0 < left < 30 - 5
    assert second.result(3) == whole


def test_when_memory_is_short_then_it_looks_smaller_says_so_and_still_suggests(tmp_path, monkeypatch):
    monkeypatch.setattr(degrade, "SMALLEST", 20)
    heard = []
    looking = looking_at(tmp_path, weights=loaded(Narrow(40)), on_degraded=lambda frame, message: heard.append(message))

    for _ in looking.steps():
        pass

    assert any("pixels in place of" in message for message in heard)
    assert looking.result(2)


def test_when_nothing_is_left_to_give_up_then_the_error_says_so(tmp_path):
    looking = looking_at(tmp_path, weights=loaded(Narrow(0)))

    with pytest.raises(DeviceError, match="ran out of memory") as caught:
        list(looking.steps())

    assert caught.value.code == "out_of_memory"


def test_when_the_bench_lets_go_then_it_keeps_as_much_again_but_shrinks_for_good(tmp_path):
    bench = Bench(feature_budget=10**8)
    weights = replace(loaded(), name="colour")
    for budget, give_up in ((10**8, bench.let_go), (10**8, bench.let_go), (10**8 // 2, bench.shrink)):
        looking = looking_at(tmp_path, weights=weights, bench=bench, key="shot")
        for _ in looking.steps():
            pass
        assert bench.feature_bytes > 0
        assert give_up() is not None
        assert bench.feature_bytes == 0
        assert bench.feature_budget == budget
        shutil.rmtree(tmp_path / "scratch")
