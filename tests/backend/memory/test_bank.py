import pytest
import torch
from torch.testing import assert_close

from matted.errors import KeyframeError, SettingError
from matted.memory.bank import MemoryBank, MemorySettings
from matted.memory.store import Tokens

SMALL = MemorySettings(top_k=6, working_max=4, working_min=2, prototypes=5, long_term_max=12)


def grids(seed, objects=2):
    """Key, shrinkage, selection and value of one 3x4 frame."""
    random = torch.Generator().manual_seed(seed)
    key, selection = (torch.rand(4, 3, 4, generator=random) for _ in range(2))
    return key, 1 + torch.rand(1, 3, 4, generator=random), selection, torch.randn(objects, 5, 3, 4, generator=random)


def entry(seed, **kwargs):
    return Tokens.from_grid(*grids(seed, **kwargs))


def read(bank, seed=100):
    key, _, selection, _ = grids(seed)
    return bank.read(key, selection)


def run(bank, steps):
    """Read and remember as a propagation does; returns every readout."""
    out = []
    for step in steps:
        out.append(read(bank, 200 + step))
        bank.remember(entry(step))
    return torch.stack(out) if out else torch.zeros(0)


def with_keyframes(*frames, settings=SMALL):
    bank = MemoryBank(settings)
    for frame in frames:
        bank.permanent[frame] = entry(1000 + frame)
    return bank


def test_when_nothing_is_remembered_then_reading_asks_for_a_keyframe():
    with pytest.raises(KeyframeError) as refused:
        read(MemoryBank())

    assert refused.value.code == "no_keyframe"


def test_when_a_keyframe_alone_is_remembered_then_readout_mixes_only_its_values():
    bank = MemoryBank(SMALL)
    key, shrinkage, selection, _ = grids(1)
    bank.permanent[1] = Tokens.from_grid(key, shrinkage, selection, torch.full((2, 5, 3, 4), 7.0))

    assert_close(read(bank), torch.full((2, 5, 3, 4), 7.0))


def test_when_a_keyframe_is_replaced_then_each_object_reads_its_own_new_value():
    bank = with_keyframes(1, 2)
    bank.permanent[2] = entry(5)
    objects = torch.arange(2.0).view(2, 1, 1, 1).expand(2, 5, 3, 4)
    for frame in (1, 2):
        bank.permanent[frame] = Tokens.from_grid(*grids(frame)[:3], objects)

    assert_close(read(bank), objects)


def test_when_a_keyframe_is_removed_then_a_whole_run_equals_never_having_set_it_to_the_bit():
    never = with_keyframes(1, 3)
    removed = with_keyframes(2, 1, 3)
    read(removed)
    removed.clear()
    del removed.permanent[2]

    assert torch.equal(run(never, range(12)), run(removed, range(12)))


def test_when_keyframes_are_set_in_another_order_then_a_whole_run_is_the_same_to_the_bit():
    assert torch.equal(run(with_keyframes(1, 2, 3), range(12)), run(with_keyframes(3, 1, 2), range(12)))


def test_when_objects_are_read_together_then_each_reads_as_if_alone():
    together = with_keyframes(1, 2)
    alone = MemoryBank(SMALL)
    for frame in (1, 2):
        *shared, value = grids(1000 + frame)
        alone.permanent[frame] = Tokens.from_grid(*shared, value[1:])

    assert_close(read(together)[1:], read(alone))


def test_when_working_memory_fills_then_old_frames_are_condensed_and_long_term_stays_bounded():
    bank = with_keyframes(1)
    counts = []
    for step in range(14):
        read(bank, 200 + step)
        bank.remember(entry(step))
        counts.append((bank.working_frames, bank.long_term_tokens))

    assert counts[:6] == [(1, 0), (2, 0), (3, 0), (2, 5), (3, 5), (2, 10)]
    assert all(frames <= 3 and tokens <= 12 for frames, tokens in counts)
    assert len(bank.permanent) == 1


def test_when_long_term_is_off_then_only_the_newest_frames_are_kept():
    bank = with_keyframes(1, settings=MemorySettings(working_max=2, working_min=1, long_term=False))

    run(bank, range(5))

    assert (bank.working_frames, bank.long_term_tokens) == (2, 0)
    assert torch.equal(bank.working.tokens.key, Tokens.cat([entry(3), entry(4)]).key)


def test_when_cleared_then_only_keyframes_remain_and_a_run_repeats_to_the_bit():
    bank = with_keyframes(1, 2)
    first = run(bank, range(8))
    bank.sensory = torch.ones(1)

    bank.clear()

    assert (bank.working_frames, bank.long_term_tokens, bank.sensory) == (0, 0, None)
    assert torch.equal(run(bank, range(8)), first)


@pytest.mark.parametrize("stop", [0, 1, 5, 9])
def test_when_restored_then_the_run_continues_to_the_bit(stop):
    whole = with_keyframes(1, 2)
    whole.sensory = torch.ones(2, 3)
    run(whole, range(stop))
    state = {name: tensor.clone() for name, tensor in whole.state().items()}
    resumed = with_keyframes(2, 1)
    run(resumed, range(3))

    resumed.restore(state)

    assert resumed.working_frames == whole.working_frames
    assert torch.equal(resumed.sensory, whole.sensory)
    assert torch.equal(run(resumed, range(stop, 14)), run(whole, range(stop, 14)))
    assert resumed.long_term_tokens == whole.long_term_tokens


def test_when_channels_carry_position_then_only_working_memory_compares_them():
    banks = []
    for shift in (0, 1000):
        bank = MemoryBank(SMALL, local_channels=1)
        key, *others = grids(1)
        key = key.clone()
        key[-1] += shift
        bank.permanent[1] = Tokens.from_grid(key, *others)
        banks.append(bank)
    near, far = banks
    assert_close(read(near), read(far))

    for bank, shift in ((near, 0), (far, 1000)):
        key, *others = grids(2)
        key = key.clone()
        key[-1] += shift
        bank.remember(Tokens.from_grid(key, *others))

    only_keyframe = MemoryBank(SMALL, local_channels=1)
    only_keyframe.permanent[1] = near.permanent[1]
    assert_close(read(far), read(only_keyframe))
    assert (read(near) - read(far)).abs().max() > 1e-3


@pytest.mark.parametrize(
    "wrong",
    [
        {"top_k": 0},
        {"memory_every": 0},
        {"working_max": 0},
        {"working_min": 10},
        {"working_min": -1},
        {"prototypes": 0},
        {"long_term_max": 127},
    ],
)
def test_when_a_setting_is_out_of_range_then_it_is_refused_by_name(wrong):
    with pytest.raises(SettingError) as refused:
        MemorySettings(**wrong)

    assert refused.value.code == "bad_setting"
    assert next(iter(wrong)) in refused.value.message
    assert next(iter(wrong)) in refused.value.hint


def test_when_every_cell_selects_alike_then_the_readout_is_that_of_any_other_selection():
    even, general = with_keyframes(1, 2), with_keyframes(1, 2)
    run(even, range(2))
    run(general, range(2))
    key = grids(7)[0]
    almost = torch.full_like(key, 0.5)
    almost[0, 0, 0] += 1e-6

    assert_close(even.read(key, torch.full_like(key, 0.5)), general.read(key, almost), atol=1e-4, rtol=1e-4)
