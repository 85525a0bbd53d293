"""Actions: a little at a time on one thread, calls on another, and always put right at the end."""

import threading
import time

import pytest

from matted_plugin.steps import Action, Stopped


def finish(action, seconds=10):
    end = time.monotonic() + seconds
    while not action.done:
        assert time.monotonic() < end
        if not action.step():
            time.sleep(0.001)


def test_when_a_function_is_yielded_then_it_runs_on_another_thread_and_its_answer_comes_back():
    seen = []

    def steps():
        seen.append(threading.current_thread())
        seen.append((yield threading.current_thread))
        seen.append(threading.current_thread())

    action = Action("Test", steps())
    finish(action)

    assert seen[0] is seen[2] is threading.main_thread()
    assert seen[1] is not threading.main_thread() and seen[1].daemon
    assert action.error is None


def test_when_a_call_takes_long_then_a_step_does_not_wait_for_it():
    gate = threading.Event()

    def steps():
        yield gate.wait

    action = Action("Test", steps())
    action.step()
    began = time.monotonic()
    moved = [action.step() for _ in range(100)]
    took = time.monotonic() - began
    gate.set()
    finish(action)

    assert not any(moved) and took < 5


def test_when_a_call_fails_then_the_action_may_catch_it():
    def broken():
        raise ValueError("no")

    seen = []

    def steps():
        try:
            yield broken
        except ValueError as error:
            seen.append(str(error))

    action = Action("Test", steps())
    finish(action)

    assert seen == ["no"] and action.error is None


def test_when_nobody_catches_it_then_the_action_ends_with_it():
    def steps():
        yield None
        raise KeyError("lost")

    action = Action("Test", steps())
    finish(action)

    assert isinstance(action.error, KeyError)


def test_when_stopped_then_what_was_changed_is_put_back_and_the_call_is_not_waited_for():
    gate, put_back = threading.Event(), []

    def steps():
        try:
            yield gate.wait
        finally:
            put_back.append(True)

    action = Action("Test", steps())
    action.step()
    action.stop()

    assert action.done and put_back == [True] and isinstance(action.error, Stopped)
    gate.set()


def test_when_stopped_from_within_a_step_then_it_stops_after_that_step():
    put_back = []

    def steps():
        try:
            action.stop()
            put_back.append("went on")
            yield None
            put_back.append("never")
        finally:
            put_back.append("put back")

    action = Action("Test", steps())
    action.step()

    assert put_back == ["went on", "put back"] and action.done


def test_when_stepped_from_within_a_step_then_nothing_happens():
    moved = []

    def steps():
        moved.append(action.step())
        yield None

    action = Action("Test", steps())
    finish(action)

    assert moved == [False] and action.error is None


@pytest.mark.parametrize("times", [1, 3])
def test_when_stopped_twice_or_after_the_end_then_nothing_more_happens(times):
    def steps():
        yield None

    action = Action("Test", steps())
    finish(action)
    for _ in range(times):
        action.stop()

    assert action.done and action.error is None
