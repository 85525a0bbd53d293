import pytest
import torch
from fakes import xmem_recipe
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from matted.engine.propagator import Padding, Propagator
from matted.errors import KeyframeError, MaskError
from matted.memory.bank import MemorySettings


def propagate(network, dtype=torch.float32, frames=range(xmem_recipe.FRAMES)):
    """The recipe's run: every keyframe declared before the first frame. Yields the propagator and probability."""
    propagator = Propagator(network, xmem_recipe.MEMORY)
    for frame in xmem_recipe.KEYFRAMES:
        propagator.set_keyframe(frame, xmem_recipe.image(frame, dtype), xmem_recipe.masks(frame, dtype))
    for frame in frames:
        last = frame == xmem_recipe.FRAMES - 1
        image = xmem_recipe.image(frame, dtype)
        if frame in xmem_recipe.KEYFRAMES:
            yield propagator, propagator.step_keyframe(image, xmem_recipe.masks(frame, dtype), last=last)
        else:
            yield propagator, propagator.step(image, last=last)


@pytest.fixture(scope="module")
def run(xmem):
    """Per frame: probability, frames in working memory, tokens in long-term memory."""
    return [
        (probability, propagator.bank.working_frames, propagator.bank.long_term_tokens)
        for propagator, probability in propagate(xmem)
    ]


@pytest.mark.parametrize("frame", range(xmem_recipe.FRAMES))
def test_when_recipe_propagated_then_every_frame_is_the_reference_one(run, golden, frame):
    probability = run[frame][0]
    sampled = probability[:, golden["ys"]][:, :, golden["xs"]]

    assert probability.shape == (3, 90, 121)
    assert_close(sampled, torch.tensor(golden["prob"][frame]), atol=1e-4, rtol=0)
    assert_close(probability.mean((1, 2)), torch.tensor(golden["mean"][frame]), atol=1e-5, rtol=0)


def test_when_recipe_propagated_then_memory_grows_condenses_and_evicts_as_the_reference(run, golden):
    working = {frame: run[int(frame)][1] for frame in golden["working_frames"]}
    long_term = {frame: run[int(frame)][2] for frame in golden["long_term_tokens"]}

    assert working == golden["working_frames"]
    assert long_term == golden["long_term_tokens"]


def test_when_recipe_propagated_then_pixels_fall_to_the_same_objects(run, golden):
    for frame, counts in golden["argmax"].items():
        found = run[int(frame)][0].argmax(0).flatten().bincount(minlength=3)
        assert_close(found, torch.tensor(counts), atol=2, rtol=0)
