import os
import time

import pytest

from fakes.drawn_batch import draw_shot, entry_at
from fakes.drawn_shot import write_masks, write_plate
from fakes.quick_engine import QuickEngine
from matted.batch import many
from matted.batch.engines import Said
from matted.batch.many import exit_code, in_words, make
from matted.batch.outcome import Outcome
from matted.errors import OutputError, PlateError
from matted_protocol.frames import FrameRange

BROKEN = PlateError("plate_unreadable", "Frame 1003 cannot be read.", hint="Render it again.", frame=1003)
BUSY = OutputError("job_running", "Another matted makes these mattes.", hint="Wait for it.")
WHOLE = FrameRange(1001, 1006)


def names(outcomes):
    return [(outcome.request.name, outcome.state) for outcome in outcomes]


def test_when_shots_have_priorities_then_the_highest_is_handed_over_first_and_outcomes_keep_their_order(tmp_path):
    entries = [entry_at(tmp_path, name, priority=priority) for name, priority in (("a", 0), ("b", 5), ("c", 5))]

    with QuickEngine() as engine:
        outcomes = make(entries, engine)

    assert engine.submitted == ["b", "c", "a"]
    assert names(outcomes) == [("a", "pass"), ("b", "pass"), ("c", "pass")]


def test_when_a_shot_fails_then_the_others_are_made_and_everything_is_told(tmp_path):
    told = []

    with QuickEngine({"b": [BROKEN]}) as engine:
        outcomes = make([entry_at(tmp_path, name) for name in "abc"], engine, tell=told.append)

    assert names(outcomes) == [("a", "pass"), ("b", "error"), ("c", "pass")]
    assert outcomes[1].error is BROKEN
    assert outcomes[1].result is None
    assert [each for each in told if isinstance(each, Outcome)] == list(outcomes)


@pytest.mark.parametrize(
    ("states", "code"),
    [("pass pass", 0), ("pass warn", 3), ("warn fail", 1), ("pass error", 1), ("warn error", 1), ("", 0)],
    ids=str,
)
def test_when_a_batch_is_over_then_its_exit_code_is_that_of_the_worst_shot(tmp_path, states, code):
    request = entry_at(tmp_path, "a").request

    assert exit_code([Outcome(request, state, 0.0) for state in states.split()]) == code


def test_when_another_matted_is_at_a_shot_then_the_others_go_on_and_it_is_tried_again(tmp_path):
    told = []

    with QuickEngine({"a": [BUSY, BUSY]}) as engine:
        outcomes = make([entry_at(tmp_path, name) for name in "ab"], engine, tell=told.append, clock=engine.clock)

    assert names(outcomes) == [("a", "pass"), ("b", "pass")]
    assert engine.submitted == ["a", "b", "a", "a"]
    _, _, second, third = engine.times
    assert third - second >= many.BUSY
    assert len([each for each in told if isinstance(each, Said)]) == 1
    assert "Another matted" in outcomes[0].said[0]


def test_when_stopped_then_what_waits_is_cancelled_and_says_how_to_go_on(tmp_path):
    entries = [entry_at(tmp_path, "a", frames=WHOLE), entry_at(tmp_path, "b", frames=WHOLE)]

    with QuickEngine() as engine:
        outcomes = make(entries, engine, wait=1000, clock=engine.clock, stopped=lambda: engine.now > 1003)

    assert names(outcomes) == [("a", "error"), ("b", "error")]
    assert engine.submitted == []
    assert {outcome.error.code for outcome in outcomes} == {"cancelled"}
    assert "same command" in outcomes[0].error.hint


def test_when_stopped_while_another_matted_is_at_a_shot_then_it_is_not_tried_again(tmp_path):
    with QuickEngine({"a": [BUSY] * 99}) as engine:
        outcomes = make([entry_at(tmp_path, "a")], engine, clock=engine.clock, stopped=lambda: engine.now > 1005)

    assert outcomes[0].error.code == "cancelled"


# Plates that come late


def late(folder, engine, **changes):
    return make([entry_at(folder, "a", frames=WHOLE, **changes)], engine, wait=60, clock=engine.clock)


@pytest.mark.parametrize("when", [time.time() + 86400, 0.0, time.time()], ids=["tomorrow", "1970", "now"])
def test_when_a_plate_comes_frame_by_frame_then_it_is_begun_once_it_is_whole_whatever_the_files_time(tmp_path, when):
    write_masks(tmp_path / "roto" / "a", [1001])

    def come(frame):
        file = write_plate(tmp_path / "plates" / "a", [frame]).with_name(f"plate.{frame}.png")
        os.utime(file, (when, when))

    with QuickEngine() as engine:
        engine.turns = [lambda frame=frame: come(frame) for frame in WHOLE]
        outcomes = late(tmp_path, engine)

    assert names(outcomes) == [("a", "pass")]
    assert engine.now >= 1000 + len(WHOLE) + 2
    assert outcomes[0].seconds == 0, "waiting is not counted"


def test_when_a_file_still_grows_then_its_shot_is_not_begun(tmp_path):
    draw_shot(tmp_path, "a")
    file = tmp_path / "plates" / "a" / "plate.1006.png"
    whole = file.read_bytes()
    sizes = []

    def grow(count):
        assert not engine.submitted
        file.write_bytes(whole[:count])
        sizes.append(count)

    with QuickEngine() as engine:
        engine.turns = [lambda count=count: grow(count) for count in range(0, 12)] + [lambda: file.write_bytes(whole)]
        outcomes = late(tmp_path, engine)

    assert names(outcomes) == [("a", "pass")]
    assert len(sizes) == 12


@pytest.mark.parametrize("what", ["plates/a/plate.1006.png", "roto/a/mask.1001.exr"], ids=["plate", "mask"])
def test_when_a_file_of_its_full_size_is_still_written_then_its_shot_is_not_begun(tmp_path, what):
    draw_shot(tmp_path, "a")
    begun = []

    def write(second):
        begun.extend(engine.submitted)
        os.utime(tmp_path / what, (second, second))

    with QuickEngine() as engine:
        engine.turns = [lambda second=second: write(second) for second in range(12)]
        outcomes = late(tmp_path, engine)

    assert names(outcomes) == [("a", "pass")]
    assert (begun, engine.turns) == ([], [])


def test_when_a_plate_without_a_range_has_a_gap_then_it_is_waited_for(tmp_path):
    draw_shot(tmp_path, "a", frames=[1001, 1002, 1004])

    def come():
        assert not engine.submitted
        write_plate(tmp_path / "plates" / "a", [1003])

    with QuickEngine() as engine:
        engine.turns = [lambda: None] * 8 + [come]
        outcomes = make([entry_at(tmp_path, "a")], engine, wait=60, clock=engine.clock)

    assert names(outcomes) == [("a", "pass")]
    assert not engine.turns


def test_when_frames_are_counted_from_elsewhere_then_the_files_of_that_range_are_waited_for(tmp_path):
    draw_shot(tmp_path, "a", frames=range(1001, 1006))
    changes = {"frames": FrameRange(1, 6), "frame_offset": 1000}

    def come():
        assert not engine.submitted
        write_plate(tmp_path / "plates" / "a", [1006])

    with QuickEngine() as engine:
        engine.turns = [lambda: None] * 8 + [come]
        outcomes = make([entry_at(tmp_path, "a", **changes)], engine, wait=60, clock=engine.clock)

    assert names(outcomes) == [("a", "pass")]
    assert not engine.turns


def test_when_the_wait_is_over_then_the_shot_fails_and_says_how_long_it_was_waited_for(tmp_path):
    draw_shot(tmp_path, "a", frames=[1001, 1002, 1004])
    draw_shot(tmp_path, "b")
    entries = [entry_at(tmp_path, name, frames=WHOLE) for name in "ab"]

    with QuickEngine() as engine:
        outcomes = make(entries, engine, wait=5400, clock=engine.clock)

    error = outcomes[0].error
    assert names(outcomes) == [("a", "error"), ("b", "pass")]
    assert (error.code, error.frame) == ("plate_missing", 1003)
    assert "1003,1005-1006" in error.message
    assert "1 h 30 min" in error.message
    assert "only this shot" in error.hint


def test_when_a_plate_has_no_file_and_no_range_then_it_is_not_waited_for(tmp_path):
    with QuickEngine() as engine:
        outcomes = make([entry_at(tmp_path, "a")], engine, wait=3600, clock=engine.clock)

    assert outcomes[0].error.code == "plate_missing"
    assert "no range" in outcomes[0].error.message
    assert engine.now < 1010


@pytest.mark.parametrize("what", ["plates/a/plate.1002.png", "roto/a/mask.1001.exr"])
def test_when_a_file_stays_empty_then_it_is_named(tmp_path, what):
    draw_shot(tmp_path, "a")
    (tmp_path / what).write_bytes(b"")

    with QuickEngine() as engine:
        (outcome,) = late(tmp_path, engine)

    assert outcome.error.code == ("plate_missing" if what.startswith("plates") else "mask_missing")
    assert "is empty" in outcome.error.message
    assert outcome.error.path == tmp_path / what


def test_when_masks_come_late_then_they_are_waited_for(tmp_path):
    write_plate(tmp_path / "plates" / "a", WHOLE)

    with QuickEngine() as engine:
        engine.turns = [lambda: None] * 5 + [lambda: write_masks(tmp_path / "roto" / "a", [1001])]
        engine.turns += [lambda: None] * 5 + [lambda: write_masks(tmp_path / "roto" / "a", [1006])]
        outcomes = late(tmp_path, engine, at=(1001, 1006))

    assert names(outcomes) == [("a", "pass")]
    assert engine.now > 1012


def test_when_a_version_comes_late_then_the_shot_is_made_of_it(tmp_path):
    write_masks(tmp_path / "roto" / "a", [1001])
    plate = str(tmp_path / "plates" / "{version}" / "plate.####.png")

    with QuickEngine() as engine:
        engine.turns = [lambda: None] * 3 + [lambda: write_plate(tmp_path / "plates" / "v001", WHOLE)]
        (outcome,) = late(tmp_path, engine, plate=plate)

    assert outcome.state == "pass"
    assert outcome.request.plate == str(tmp_path / "plates" / "v001" / "plate.####.png")


def test_when_gaps_are_skipped_then_what_is_there_when_the_wait_is_over_is_made(tmp_path):
    draw_shot(tmp_path, "a", frames=[1001, 1002, 1006])

    with QuickEngine() as engine:
        outcomes = late(tmp_path, engine, missing="skip")

    assert names(outcomes) == [("a", "pass")]
    assert engine.now >= 1060


@pytest.mark.parametrize(
    ("seconds", "words"), [(7200, "2 h"), (5400, "1 h 30 min"), (45, "45 s"), (0, "0 s"), (61.2, "1 min 1 s")]
)
def test_when_a_time_is_told_then_it_is_in_words(seconds, words):
    assert in_words(seconds) == words
