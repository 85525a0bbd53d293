"""Batch roto from Python, as its manual shows it."""

import doctest

import pytest

import matted.api as api
from fakes.drawn_batch import draw_shot, write_jobs
from matted.batch.many import Told
from matted.batch.outcome import Outcome

LENIENT = {"confidence": (0, 0), "jump": (99, 99), "flicker": (1, 1), "left_out": (0, 0)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    draw_shot(tmp_path, "hero_010")
    draw_shot(tmp_path, "hero_020")
    return tmp_path


def test_when_the_worked_examples_are_run_then_they_do_what_they_say(folder):
    write_jobs(folder, ["hero_010"], more="thresholds = { flicker = [1, 1], jump = [99, 99] }")

    failed, tried = doctest.testmod(api, optionflags=doctest.ELLIPSIS, extraglobs={})

    assert (failed, tried) == (0, 8)
    assert (folder / "hero.html").exists()


def test_when_a_shot_is_described_in_python_then_paths_objects_and_thresholds_may_be_pythons_own(folder):
    shot = {
        "name": "hero_010", "plate": folder / "plates" / "hero_010", "objects": {"red": folder / "roto" / "hero_010"},
        "out": folder / "mattes", "thresholds": LENIENT, "at": (1001, 1006), "range": "1001-1004", "suggestions": 0,
    }  # fmt: skip
    told: list[Told] = []

    batch = api.batch([shot], name="morning")
    (outcome,) = api.run(batch, local=True, tell=told.append)

    assert (batch.name, api.check(batch)) == ("morning", ())
    assert outcome.state == "pass"
    assert list(outcome.result.confidence) == [1001, 1002, 1003, 1004]
    assert told[-1] == outcome
    assert any(isinstance(each, api.Step) for each in told)
    assert isinstance(outcome, Outcome)


def test_when_python_describes_shots_wrongly_then_every_problem_is_told(folder):
    with pytest.raises(api.JobFileError) as caught:
        api.batch([{"name": "a", "plait": "x"}, {"name": "b", "plate": "{nothing}", "keyframes": "roto", "out": "out"}])

    problems = "\n".join(map(str, caught.value.problems))
    assert "plait" in problems
    assert "{nothing}" in problems


def test_when_two_ways_to_work_are_chosen_then_it_is_refused(folder):
    with pytest.raises(api.MattedError, match="workers and local cannot both be"):
        api.engine(workers=2, local=True)


def test_when_stopped_from_python_then_what_is_left_is_cancelled(folder):
    write_jobs(folder, ["hero_010", "hero_020"], more="review = false")
    steps: list[Told] = []

    outcomes = api.run(api.read("jobs.toml"), device="cpu", tell=steps.append, stopped=lambda: len(steps) > 4)

    assert [outcome.error and outcome.error.code for outcome in outcomes] == ["cancelled", "cancelled"]
    assert api.exit_code(outcomes) == 1
