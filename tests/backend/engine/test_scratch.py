"""What outlives a frame: whole or absent, bounded, and gone when told."""

import torch

from matted.engine.features import FeatureCache
from matted.engine.scratch import Scratch
from matted.network import Features


def test_when_put_then_another_scratch_on_the_folder_gets_the_same_bits(tmp_path):
    kept = {"a": torch.randn(3, 4)[:, 1:], "b": torch.tensor([7])}

    Scratch(tmp_path / "s").put("held/1001", kept)

    got = Scratch(tmp_path / "s").get("held/1001")
    assert torch.equal(got["a"], kept["a"])
    assert torch.equal(got["b"], kept["b"])


def test_when_a_file_is_torn_then_it_counts_as_absent(tmp_path):
    scratch = Scratch(tmp_path)
    scratch.put("checkpoint", {"a": torch.zeros(100)})
    whole = (tmp_path / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(whole[: len(whole) // 2])

    assert scratch.get("checkpoint") is None


def test_when_dropped_or_cleared_then_nothing_is_left(tmp_path):
    scratch = Scratch(tmp_path / "s")
    scratch.put("a", {"x": torch.zeros(1)})
    scratch.put("b/c", {"x": torch.zeros(1)})

    scratch.drop("a")
    assert not scratch.has("a")
    scratch.clear()

    assert not (tmp_path / "s").exists()


def features(size):
    plane = torch.zeros(1, 1, size)
    return Features(plane, plane, plane, (plane,))


def test_when_the_budget_is_spent_then_the_least_recently_used_goes():
    cache = FeatureCache(budget=3 * 4 * 4 * 10)
    for frame in (1, 2, 3):
        cache.put(frame, features(10))
    cache.get(1)

    cache.put(4, features(10))

    assert cache.get(2) is None
    assert cache.get(1) is not None
    assert len(cache) == 3


def test_when_one_frame_is_larger_than_the_budget_then_nothing_is_kept():
    cache = FeatureCache(budget=10)

    cache.put(1, features(10))

    assert cache.get(1) is None
    assert len(cache) == 0
