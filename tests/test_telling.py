import json
import sys

import pytest

from fakes.drawn_batch import entry_at
from matted.batch.engines import Said, Step
from matted.batch.jobfile import Batch
from matted.batch.outcome import Outcome
from matted.errors import PlateError
from matted.telling import Events, Lines

NAME = "hero_[bold]"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def batch(tmp_path):
    return Batch("night", tmp_path / "jobs.toml", (entry_at(tmp_path, NAME),), tmp_path / "jobs.html", ("A note.",))


@pytest.fixture
def outcome(batch):
    error = PlateError("plate_unreadable", "Frame 1003 cannot be read.", hint="Render it again.", frame=1003)
    return Outcome(batch.entries[0].request, "error", 1.5, error=error)


@pytest.mark.parametrize("terminal", [False, True], ids=["log", "terminal"])
def test_when_people_are_told_then_every_line_is_whole_and_nothing_is_taken_for_markup(
    batch, outcome, terminal, monkeypatch, capsys
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)

    with Lines() as lines:
        lines.started(batch, "here")
        lines.tell(Step(NAME, None, 0, 6))
        lines.tell(Step(NAME, 1001, 1, 6))
        lines.tell(Said("", "A worker was lost. " + "It was a long story. " * 9))
        lines.tell(outcome)
        lines.done([outcome], 1, batch.report)

    said = capsys.readouterr()
    assert said.out == ""
    for line in (
        "A note.", "night: 1 shot, made in this process", f"{NAME}: begun", "A worker was lost. " + "It was a long story. " * 9,
        f"{NAME}: error: Frame 1003 cannot be read.", f"{NAME}  error       -         -  Frame 1003 cannot be read.",
        f"Report: {batch.report}",
    ):  # fmt: skip
        assert line.strip() in said.err


def test_when_steps_come_fast_then_a_log_gets_a_line_now_and_then(batch, capsys):
    clock = Clock()

    with Lines(clock) as lines:
        lines.started(batch, "daemon")
        for frame in range(100):
            clock.now += 1
            lines.tell(Step(NAME, frame, frame + 1, 100))

    shown = [line for line in capsys.readouterr().err.splitlines() if "% of all" in line]
    assert 10 < len(shown) < 20
    assert shown[-1].startswith("0 of 1 shot done, 9")


def test_when_steps_come_fast_then_programs_hear_of_one_a_second_and_of_the_last(batch, capsys):
    clock = Clock()

    with Events(clock) as events:
        for frame in range(40):
            events.tell(Step(NAME, frame, frame + 1, 40))
            clock.now += 0.125

    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[0] == {"event": "shot_started", "shot": NAME}
    assert [each["done"] for each in told[1:]] == [1, 9, 17, 25, 33, 40]
