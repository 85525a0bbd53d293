"""What outlives a frame: whole or absent, and gone when told."""

import torch

from matted.engine.scratch import Scratch


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
