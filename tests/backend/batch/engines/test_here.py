import pytest

from fakes.drawn_batch import FRAMES, draw_shot, entry_at, mattes_of, request_at
from matted.batch import many
from matted.batch.engines import Failed, Made, Step
from matted.batch.engines.here import Here
from matted.batch.request import Request
from matted.batch.review import Thresholds
from matted.errors import Cancelled


def drain(engine, requests, *, after=None):
    """All news until every shot is over; ``after`` is called with each."""
    told = []
    for request in requests:
        engine.submit(request)
    while len([each for each in told if isinstance(each, Made | Failed)]) < len(requests):
        for news in engine.news(0.01):
            told.append(news)
            if after is not None:
                after(news)
    return told


def test_when_a_shot_is_damaged_then_it_alone_fails_and_the_higher_priority_came_first(tmp_path):
    for name in ("a", "b"):
        draw_shot(tmp_path, name)
    (tmp_path / "plates/b/plate.1004.png").write_bytes(b"no image")

    with Here() as engine:
        told = drain(engine, [request_at(tmp_path, "a"), request_at(tmp_path, "b", priority=1)])

    over = [each for each in told if isinstance(each, Made | Failed)]
    assert [(type(each).__name__, each.shot) for each in over] == [("Failed", "b"), ("Made", "a")]
    assert (over[0].error.code, over[0].error.frame) == ("plate_unreadable", 1004)
    assert list(mattes_of(tmp_path, "a")) == list(FRAMES)
    steps = [each for each in told if isinstance(each, Step) and each.shot == "a"]
    assert (steps[0].frame, steps[0].done) == (None, 0)
    assert (steps[-1].done, steps[-1].total) == (11, 11)


def test_when_stopped_then_it_ends_after_the_frame_at_hand_and_goes_on_with_what_is_left(tmp_path):
    draw_shot(tmp_path, "a")
    requests = [request_at(tmp_path, "a"), request_at(tmp_path, "b")]

    with Here() as engine:
        told = drain(engine, requests, after=lambda news: getattr(news, "done", 0) == 8 and engine.stop())
    before = mattes_of(tmp_path, "a")
    with Here() as engine:
        again = drain(engine, requests[:1])
    with Here() as engine:
        done = drain(engine, requests[:1])

    errors = {each.shot: each.error for each in told if isinstance(each, Failed)}
    assert {name: error.code for name, error in errors.items()} == {"a": "cancelled", "b": "cancelled"}
    assert "step 8 of 11" in errors["a"].message
    assert "had not begun" in errors["b"].message
    assert 0 < len(before) < 6
    assert again[-1].result.computed == 6 - len(before)
    assert mattes_of(tmp_path, "a").items() >= before.items()
    assert done[-1].result.computed == 0


def test_when_something_unforeseen_happens_then_the_shot_fails_and_asks_to_be_reported(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(Request, "job", lambda self, weights: 1 / 0)

    with Here() as engine:
        (failed,) = drain(engine, [request_at(tmp_path, "a")])

    assert failed.error.code == "internal"
    assert "ZeroDivisionError" in failed.error.message
    assert "report" in failed.error.hint
    assert "ZeroDivisionError" in caplog.text


def test_when_one_shot_is_made_then_its_failure_is_raised(tmp_path):
    draw_shot(tmp_path, "a")
    told = []

    with Here() as engine:
        result = many.make_one(request_at(tmp_path, "a"), engine, tell=told.append)
        with pytest.raises(Exception, match="There is no folder") as caught:
            many.make_one(request_at(tmp_path, "missing"), engine)

    assert result.computed == 6
    assert told[-1].done == 11
    assert caught.value.code == "plate_missing"


def test_when_one_shot_is_stopped_then_that_is_raised_and_it_goes_on_later(tmp_path):
    draw_shot(tmp_path, "a")
    told = []

    with Here() as engine, pytest.raises(Cancelled):
        many.make_one(request_at(tmp_path, "a"), engine, tell=told.append, stopped=lambda: told[-1].done >= 8)

    with Here() as engine:
        assert 0 < many.make_one(request_at(tmp_path, "a"), engine).computed < 6


def test_when_no_review_is_asked_for_then_an_earlier_one_is_not_held_against_the_shot(tmp_path):
    draw_shot(tmp_path, "a")
    strict = Thresholds(confidence=(2.0, 1.5))

    with Here() as engine:
        (first,) = many.make([entry_at(tmp_path, "a", thresholds=strict, review=True)], engine)
        (again,) = many.make([entry_at(tmp_path, "a", thresholds=strict, review=False)], engine)

    assert (first.state, again.state) == ("fail", "pass")
    assert again.verdict is None
    assert again.result.review == first.result.review


def test_when_the_weights_are_none_then_no_folder_is_taken(tmp_path):
    draw_shot(tmp_path, "a")
    (tmp_path / "weights.pth").write_bytes(b"no weights")

    with Here() as engine:
        *_, failed = drain(engine, [request_at(tmp_path, "a", weights=str(tmp_path / "weights.pth"))])

    assert failed.error.code == "weights_refused"
    assert not (tmp_path / "mattes").exists()


def test_when_the_engine_is_left_with_work_then_the_folder_is_free(tmp_path):
    draw_shot(tmp_path, "a")

    with pytest.raises(KeyboardInterrupt), Here() as left:
        left.submit(request_at(tmp_path, "a"))
        while not any(getattr(news, "done", 0) > 3 for news in left.news(0)):
            pass
        raise KeyboardInterrupt

    with Here() as engine:
        told = drain(engine, [request_at(tmp_path, "a")])
    assert isinstance(told[-1], Made)
