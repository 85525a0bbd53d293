import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from fakes import xmem_recipe
from matted import weights
from matted.engine.propagator import Padding, Propagator
from matted.errors import KeyframeError, MaskError
from matted.memory.bank import MemorySettings
from matted.network.xmem import XMem


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


def small(frame):
    """A small plate: the recipe's middle part."""
    return xmem_recipe.image(frame)[:, 20:53, 10:59]


def small_masks(frame):
    return xmem_recipe.masks(frame)[:, 20:53, 10:59]


SETTINGS = MemorySettings(top_k=6, memory_every=2, working_max=3, working_min=1, prototypes=4, long_term_max=8)


def small_propagator(network, *keyframes):
    propagator = Propagator(network, SETTINGS)
    for frame in keyframes:
        propagator.set_keyframe(frame, small(frame), small_masks(frame))
    return propagator


def walk(propagator, frames):
    return torch.stack([propagator.step(small(frame)) for frame in frames])


def test_when_keyframe_is_removed_then_the_pass_equals_never_having_set_it_to_the_bit(xmem):
    never, removed = small_propagator(xmem, 0, 7), small_propagator(xmem, 4, 7, 0)
    removed.remove_keyframe(4)
    removed.remove_keyframe(5)

    assert torch.equal(walk(never, range(3)), walk(removed, range(3)))


def test_when_keyframe_is_drawn_anew_then_the_pass_equals_drawing_it_so_at_once(xmem):
    once, twice = small_propagator(xmem, 0), Propagator(xmem, SETTINGS)
    twice.set_keyframe(0, small(0), 1 - small_masks(0))
    twice.set_keyframe(0, small(0), small_masks(0))

    assert torch.equal(walk(once, range(2)), walk(twice, range(2)))


def test_when_a_pass_begins_again_then_it_repeats_to_the_bit(xmem):
    propagator = small_propagator(xmem, 0)
    first = walk(propagator, range(5))

    propagator.begin()

    assert torch.equal(walk(propagator, range(5)), first)


def test_when_stopped_and_restored_from_disk_then_the_pass_continues_to_the_bit(xmem, tmp_path):
    whole = small_propagator(xmem, 0)
    before = whole.step_keyframe(small(0), small_masks(0))
    walk(whole, range(1, 8))
    save_file(whole.state(), tmp_path / "state.safetensors")
    resumed = small_propagator(xmem, 0)

    resumed.restore(load_file(tmp_path / "state.safetensors"))

    assert before.shape == (3, 33, 49)
    assert whole.bank.long_term_tokens > 0
    assert torch.equal(walk(resumed, range(8, 12)), walk(whole, range(8, 12)))


def test_when_features_are_handed_in_then_nothing_changes(xmem):
    fresh, cached = small_propagator(xmem, 0), small_propagator(xmem, 0)

    handed = [cached.step(small(frame), features=cached.encode(small(frame))) for frame in range(3)]

    assert torch.equal(walk(fresh, range(3)), torch.stack(handed))


def test_when_a_frame_has_a_keyframe_then_its_masks_come_back(xmem):
    propagator = small_propagator(xmem, 0)

    probability = propagator.step_keyframe(small(0), small_masks(0))

    assert_close(probability[1:], small_masks(0), atol=1e-6, rtol=0)
    assert propagator.bank.working_frames == 0


def test_when_a_keyframe_is_passed_then_the_next_memory_frame_is_counted_from_it(xmem):
    propagator = small_propagator(xmem, 0)
    counts = []
    for frame in range(6):
        if frame == 3:
            propagator.step_keyframe(small(frame), small_masks(frame))
        else:
            propagator.step(small(frame))
        counts.append(propagator.bank.working_frames)

    assert counts == [0, 0, 1, 1, 1, 2]


def test_when_the_frame_is_the_last_then_nothing_is_remembered(xmem):
    propagator = small_propagator(xmem, 0)
    walk(propagator, range(2))
    sensory = propagator.bank.sensory

    propagator.step(small(2), last=True)

    assert propagator.bank.working_frames == 0
    assert propagator.bank.sensory is sensory


def test_when_an_object_is_absent_from_every_keyframe_then_it_stays_out(xmem):
    propagator = Propagator(xmem, SETTINGS)
    masks = torch.cat((small_masks(0)[:1], torch.zeros(1, 33, 49)))

    propagator.set_keyframe(0, small(0), masks)

    assert propagator.step_keyframe(small(0), masks)[2].max() < 1e-6
    assert propagator.step(small(1)).shape == (3, 33, 49)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 3)])
def test_when_the_plate_is_tiny_then_it_is_still_propagated(xmem, size):
    propagator = Propagator(xmem)
    image = torch.rand(3, *size)

    propagator.set_keyframe(1, image, torch.ones(1, *size))
    probability = propagator.step(image)

    assert probability.shape == (2, *size)
    assert_close(probability.sum(0), torch.ones(size))


def test_when_there_is_no_keyframe_then_a_step_asks_for_one(xmem):
    with pytest.raises(KeyframeError) as refused:
        Propagator(xmem).step(small(0))

    assert refused.value.code == "no_keyframe"


def test_when_masks_have_another_size_then_both_sizes_and_the_frame_are_named(xmem):
    with pytest.raises(MaskError) as refused:
        Propagator(xmem).set_keyframe(1012, small(0), torch.zeros(1, 8, 9))

    assert refused.value.frame == 1012
    assert "9x8" in refused.value.message and "49x33" in refused.value.message


@given(
    st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 4, 16, 32]), st.sampled_from(["constant", "replicate"])
)
def test_padding_reaches_a_multiple_and_comes_off_again(height, width, multiple, mode):
    image = torch.arange(height * width, dtype=torch.float32).view(1, height, width)
    padding = Padding.to_multiple((height, width), multiple)

    padded = padding.add(image, mode)

    assert padded.shape[1] % multiple == padded.shape[2] % multiple == 0
    assert padded.shape[1] - height < multiple and padded.shape[2] - width < multiple
    assert torch.equal(padding.remove(padded), image)
    assert 0 <= padding.right - padding.left <= 1 and 0 <= padding.bottom - padding.top <= 1


def test_when_90x121_is_padded_to_16_then_the_odd_pixel_goes_right():
    assert Padding.to_multiple((90, 121), 16) == Padding(left=3, right=4, top=3, bottom=3)


def test_when_half_precision_is_asked_for_then_keys_and_probabilities_stay_single_and_near_the_full_ones(xmem):
    with torch.device("meta"):
        network = XMem(half=True)
    network.load_state_dict(xmem.state_dict(), assign=True)
    half, full = small_propagator(network, 0), small_propagator(xmem, 0)

    assert_close(half.step(small(1)), full.step(small(1)), atol=2e-2, rtol=0)
    assert half.bank.permanent[0].value.dtype == torch.float16
    assert half.bank.permanent[0].key.dtype == torch.float32


@pytest.mark.gpu
def test_when_recipe_propagated_on_cuda_then_single_precision_is_the_reference_and_half_is_close(
    checkpoint, golden, monkeypatch
):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    for half, tolerance in ((False, 1e-4), (True, 5e-2)):
        network = weights.load(checkpoint, device=torch.device("cuda"), half=half).network
        for frame, (_, probability) in enumerate(propagate(network)):
            sampled = probability.cpu()[:, golden["ys"]][:, :, golden["xs"]]
            assert_close(sampled, torch.tensor(golden["prob"][frame]), atol=tolerance, rtol=0)
