"""A session from keyframes to mattes, on a drawn shot with known mattes and a network that matches by colour."""

import pytest
import torch

from fakes.colour_network import MEMORY, ColourNetwork
from fakes.drawn_shot import FIRST, LAST, known, plate
from matted.engine.plan import Direction
from matted.engine.scratch import Scratch
from matted.engine.session import Pixels, Session, SessionSettings, SessionState
from matted.engine.working import working_shape
from matted.errors import KeyframeError, OutputError


class Shot:
    """Plate and masks drawn on demand; mattes kept; reads counted; failures on request."""

    def __init__(self, folder, *, keyframes=(1001, 1010), settings=None):
        self.written = {}
        self.reads = []
        self.fail_writing = None
        self.scratch = Scratch(folder / "scratch")
        self.settings = settings or SessionSettings(checkpoint_every=5)
        self.keyframes = keyframes

    def read_plate(self, frame):
        self.reads.append(frame)
        return plate(frame)

    def write(self, frame, mattes):
        if frame == self.fail_writing:
            raise OutputError("disk_full", "full", hint="free some space", frame=frame)
        assert frame not in self.written
        self.written[frame] = mattes

    def session(self):
        session = Session(
            ColourNetwork(),
            objects=2,
            pixels=Pixels(self.read_plate, known, self.write),
            scratch=self.scratch,
            memory=MEMORY,
            settings=self.settings,
        )
        for frame in self.keyframes:
            session.set_keyframe(frame)
        return session

    def run(self, stop_after=None):
        steps = self.session().propagate(range(FIRST, LAST + 1), job="job", finished=set(self.written))
        for count, step in enumerate(steps, 1):
            if count == stop_after:
                steps.close()
                return False
            self.last_step = step
        return True


def overlap(matte, mask):
    both, either = ((matte > 0.5) & (mask > 0.5)).sum(), ((matte > 0.5) | (mask > 0.5)).sum()
    return float(both / either) if either else 1.0


@pytest.mark.parametrize("direction", Direction)
def test_when_propagated_then_every_frame_has_a_matte_close_to_the_known_one(tmp_path, direction):
    shot = Shot(tmp_path, settings=SessionSettings(direction=direction))

    shot.run()

    assert sorted(shot.written) == list(range(FIRST, LAST + 1))
    for frame, mattes in shot.written.items():
        assert [overlap(*pair) > 0.85 for pair in zip(mattes, known(frame), strict=True)] == [True, True], frame


def test_when_propagated_then_a_keyframe_comes_back_untouched(tmp_path):
    shot = Shot(tmp_path)

    shot.run()

    for frame in shot.keyframes:
        assert torch.equal(shot.written[frame], known(frame))


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("stop_after", [1, 6, 9, 12, 17, 20])
def test_when_stopped_and_run_again_then_the_mattes_are_those_of_one_run(tmp_path, direction, stop_after):
    settings = SessionSettings(direction=direction, checkpoint_every=5)
    whole = Shot(tmp_path / "whole", settings=settings)
    whole.run()
    parts = Shot(tmp_path / "parts", settings=settings)

    parts.run(stop_after=stop_after)
    while not parts.run(stop_after=7):
        pass

    assert parts.written.keys() == whole.written.keys()
    for frame in whole.written:
        assert torch.equal(parts.written[frame], whole.written[frame]), frame


def test_when_stopped_and_run_again_then_no_frame_is_walked_twice(tmp_path):
    shot = Shot(tmp_path, settings=SessionSettings(direction=Direction.FORWARD))
    shot.run(stop_after=10)
    shot.reads.clear()

    shot.run()

    assert sorted(set(shot.reads) - {1001, 1010}) == [1011, 1012, 1013, 1014, 1015, 1016]


@pytest.mark.parametrize("frame", [1003, 1007, 1014])
def test_when_writing_fails_then_finished_mattes_stay_and_the_next_run_completes_them(tmp_path, frame):
    whole = Shot(tmp_path / "whole")
    whole.run()
    shot = Shot(tmp_path / "parts")
    shot.fail_writing = frame
    with pytest.raises(OutputError):
        shot.run()
    assert frame not in shot.written
    shot.fail_writing = None

    shot.run()

    assert all(torch.equal(shot.written[f], whole.written[f]) for f in range(FIRST, LAST + 1))


def test_when_one_matte_is_lost_then_only_its_stretch_is_walked_again(tmp_path):
    shot = Shot(tmp_path)
    shot.run()
    lost = shot.written.pop(1005)
    shot.reads.clear()

    shot.run()

    assert torch.equal(shot.written[1005], lost)
    assert max(shot.reads) == 1010


def test_when_keyframes_come_in_another_order_then_the_mattes_are_the_same(tmp_path):
    one = Shot(tmp_path / "one", keyframes=(1001, 1010, 1016))
    other = Shot(tmp_path / "other", keyframes=(1016, 1001, 1010))

    one.run()
    other.run()

    assert all(torch.equal(one.written[frame], other.written[frame]) for frame in one.written)


def test_when_a_keyframe_is_removed_then_it_is_as_if_never_set(tmp_path):
    never = Shot(tmp_path / "never", keyframes=(1001,))
    never.run()
    removed = Shot(tmp_path / "removed", keyframes=(1001, 1010))
    session = removed.session()

    session.remove_keyframe(1010)
    for _ in session.propagate(range(FIRST, LAST + 1), job="job"):
        pass

    assert all(torch.equal(never.written[frame], removed.written[frame]) for frame in never.written)


def test_when_there_is_no_keyframe_then_propagate_and_suggest_say_what_to_do(tmp_path):
    session = Shot(tmp_path, keyframes=()).session()

    assert session.state is SessionState.EMPTY
    with pytest.raises(KeyframeError, match="no keyframe") as error:
        next(session.propagate([1001], job="job"))
    assert "mask" in error.value.hint
    with pytest.raises(KeyframeError):
        session.suggest(1)


def test_when_stopped_then_the_session_takes_keyframes_again(tmp_path):
    session = Shot(tmp_path).session()
    steps = session.propagate(range(FIRST, LAST + 1), job="job")
    next(steps)
    assert session.state is SessionState.PROPAGATING

    steps.close()

    assert session.state is SessionState.READY
    session.set_keyframe(1005)


def test_when_propagated_then_steps_count_up_to_their_total(tmp_path):
    shot = Shot(tmp_path)

    shot.run()

    assert shot.last_step.done == shot.last_step.total == 25


def test_when_frames_change_by_memory_alone_then_confidence_is_high_on_clean_mattes(tmp_path):
    session = Shot(tmp_path).session()

    confidence = {step.frame: step.confidence for step in session.propagate(range(FIRST, LAST + 1), job="job")}

    assert all(len(values) == 2 and 0 <= min(values) <= max(values) <= 1 for values in confidence.values())
    assert min(confidence[1001]) > 0.9


def test_when_propagated_then_suggestions_are_real_frames_that_are_no_keyframes(tmp_path):
    session = Shot(tmp_path).session()
    for _ in session.propagate(range(FIRST, LAST + 1), job="job"):
        pass

    suggestions = session.suggest(3)

    assert 1 <= len(suggestions) <= 3
    assert {suggestion.frame for suggestion in suggestions} <= set(range(FIRST, LAST + 1)) - {1001, 1010}
    assert all(suggestion.reason for suggestion in suggestions)


@pytest.mark.parametrize(
    ("plate", "size", "shape"),
    [
        ((1080, 1920), 480, (480, 853)),
        ((480, 854), 480, (480, 854)),
        ((1, 1), 480, (1, 1)),
        ((2160, 1000), 480, (1036, 480)),
        ((1080, 1920), 0, (1080, 1920)),
    ],
)
def test_when_a_plate_is_brought_to_working_size_then_the_shorter_side_decides(plate, size, shape):
    assert working_shape(*plate, size=size) == shape
