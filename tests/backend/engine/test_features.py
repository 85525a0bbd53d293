"""Features kept for everybody who works on a plate: within a budget, encoded once, and never another result."""

import pytest
import torch

from fakes.colour_network import MEMORY, ColourNetwork
from fakes.drawn_shot import FIRST, LAST, known, plate
from matted.engine.features import FeatureStore, PlateFeatures
from matted.engine.plan import Direction
from matted.engine.scratch import Scratch
from matted.engine.session import Pixels, Session, SessionSettings
from matted.network import Features

FRAMES = range(FIRST, LAST + 1)


def features(size):
    return Features(*(torch.zeros(1, 1, size) for _ in range(3)), (torch.zeros(1, 1, size),))


BYTES = 4 * 4 * 10


def test_when_the_budget_is_spent_then_the_least_recently_used_goes_whatever_its_plate():
    store = FeatureStore(3 * BYTES)
    for plate_of, frame in (("a", 1), ("a", 2), ("b", 1)):
        store.put(plate_of, frame, features(10))
    store.get("a", 1)

    store.put("b", 2, features(10))

    assert store.get("a", 2) is None
    assert store.get("a", 1) is not None
    assert store.get("b", 1) is not store.get("a", 1)
    assert (len(store), store.bytes) == (3, 3 * BYTES)


def test_when_one_frame_is_larger_than_the_budget_then_nothing_is_kept():
    store = FeatureStore(10)

    store.put("a", 1, features(10))

    assert store.get("a", 1) is None
    assert (len(store), store.bytes) == (0, 0)


def test_when_dropped_replaced_or_cleared_then_the_bytes_are_given_back():
    store = FeatureStore(10**6)
    one = PlateFeatures(store, "a")
    one.put(1, features(10))
    one.put(1, features(20))
    one.put(2, features(10))
    assert store.bytes == 3 * BYTES

    one.drop(1)
    assert store.bytes == BYTES
    store.clear()

    assert (store.bytes, one.get(2)) == (0, None)


def test_when_tensors_share_memory_then_it_counts_once():
    store = FeatureStore(10**6)
    whole = torch.zeros(4, 1, 10)

    store.put("a", 1, Features(whole[:1], whole[1:2], whole[2:3], (whole[3:],)))

    assert store.bytes == BYTES


class Counting(ColourNetwork):
    """Counts how often a plate frame is encoded."""

    def __init__(self):
        self.encoded = 0

    def encode_key(self, image):
        self.encoded += 1
        return super().encode_key(image)


def propagate(folder, network, *, keyframes, direction=Direction.BOTH, shared=None):
    written = {}
    session = Session(
        network,
        objects=2,
        pixels=Pixels(plate, known, lambda frame, mattes: written.__setitem__(frame, mattes)),
        scratch=Scratch(folder),
        memory=MEMORY,
        settings=SessionSettings(direction=direction),
        features=shared,
    )
    for frame in keyframes:
        session.set_keyframe(frame)
    for _ in session.propagate(FRAMES, job="job"):
        pass
    return written


@pytest.mark.parametrize("direction", Direction)
def test_when_a_plate_is_propagated_again_then_nothing_is_encoded_and_the_mattes_are_the_same(tmp_path, direction):
    network, shared = Counting(), PlateFeatures(FeatureStore(10**9), "plate")
    first = propagate(tmp_path / "1", network, keyframes=(1001, 1010), direction=direction, shared=shared)
    assert network.encoded == len(FRAMES)

    again = propagate(tmp_path / "2", network, keyframes=(1001, 1005), direction=direction, shared=shared)

    assert network.encoded == len(FRAMES)
    for name, mattes, keyframes in (("3", first, (1001, 1010)), ("4", again, (1001, 1005))):
        alone = propagate(tmp_path / name, Counting(), keyframes=keyframes, direction=direction)
        assert all(torch.equal(mattes[frame], alone[frame]) for frame in FRAMES)


def test_when_the_budget_holds_a_few_frames_then_the_mattes_are_the_same(tmp_path):
    small = PlateFeatures(FeatureStore(3 * 4 * (3 * 24 * 16 * 2 + 24 * 16 + 3 * 64 * 96)), "plate")

    mattes = propagate(tmp_path / "1", Counting(), keyframes=(1001, 1010), shared=small)

    assert 0 < len(small.store) < len(FRAMES)
    alone = propagate(tmp_path / "2", Counting(), keyframes=(1001, 1010))
    assert all(torch.equal(mattes[frame], alone[frame]) for frame in FRAMES)


def test_when_not_shared_then_only_a_walk_that_comes_back_is_kept(tmp_path):
    network = Counting()

    propagate(tmp_path, network, keyframes=(1001, 1010), direction=Direction.FORWARD)

    assert network.encoded == len(FRAMES) + 2  # the keyframes once more, when they are set
