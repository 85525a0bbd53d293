import pytest
import torch
from torch.testing import assert_close

from matted.memory.store import PermanentMemory, Tokens, UsageStore


def tokens(count=4, seed=0, objects=2):
    random = torch.Generator().manual_seed(seed)
    return Tokens(
        torch.randn(count, 3, generator=random),
        1 + torch.rand(count, generator=random),
        torch.rand(count, 3, generator=random),
        torch.randn(count, objects, 5, generator=random),
    )


def equal(left, right):
    return all(
        torch.equal(getattr(left, name), getattr(right, name)) for name in ("key", "shrinkage", "selection", "value")
    )


def test_when_taken_from_grid_then_each_token_is_one_cell_of_every_object():
    key, shrinkage, selection, value = (
        torch.rand(3, 2, 4),
        torch.rand(1, 2, 4),
        torch.rand(3, 2, 4),
        torch.rand(2, 5, 2, 4),
    )

    found = Tokens.from_grid(key, shrinkage, selection, value)

    assert len(found) == 8
    assert torch.equal(found.key[6], key[:, 1, 2])
    assert torch.equal(found.shrinkage[6], shrinkage[0, 1, 2])
    assert torch.equal(found.selection[6], selection[:, 1, 2])
    assert torch.equal(found.value[6], value[:, :, 1, 2])


@pytest.mark.parametrize("order", [(1001, 1010, -5), (-5, 1010, 1001), (1010, -5, 1001)])
def test_when_keyframes_are_set_in_any_order_then_they_are_packed_in_frame_order(order):
    permanent = PermanentMemory()
    for frame in order:
        permanent[frame] = tokens(seed=frame + 10)
        permanent.packed()  # packing between two of them leaves no trace

    assert list(permanent) == [-5, 1001, 1010]
    assert equal(permanent.packed(), Tokens.cat([tokens(seed=frame + 10) for frame in (-5, 1001, 1010)]))


def test_when_keyframe_is_replaced_then_its_old_tokens_are_gone_and_each_object_keeps_its_own_value():
    permanent = PermanentMemory()
    for frame in (1, 2, 3):
        permanent[frame] = tokens(seed=frame)
    permanent.packed()

    permanent[2] = tokens(seed=99)

    assert equal(permanent.packed(), Tokens.cat([tokens(seed=seed) for seed in (1, 99, 3)]))
    assert torch.equal(permanent[2].value, tokens(seed=99).value)


def test_when_keyframe_is_removed_then_memory_is_as_if_it_had_never_been():
    permanent = PermanentMemory()
    for frame in (1, 2, 3):
        permanent[frame] = tokens(seed=frame)
    permanent.packed()

    del permanent[1]
    del permanent[3]

    assert equal(permanent.packed(), tokens(seed=2))
    del permanent[2]
    assert permanent.packed() is None


def test_when_packed_then_keyframes_share_the_block_storage():
    permanent = PermanentMemory()
    for frame in (1, 2):
        permanent[frame] = tokens(seed=frame)

    packed = permanent.packed()

    assert permanent[2].value.data_ptr() == packed.value[4:].data_ptr()
    assert equal(permanent[1], tokens(seed=1))


def test_when_tokens_are_read_then_usage_is_their_share_per_read():
    store = UsageStore()
    store.append(tokens(2))
    store.record(torch.tensor([4, 0]))
    store.append(tokens(1, seed=1))
    store.record(torch.tensor([2, 1, 5]))

    assert store.life.tolist() == [2, 2, 1]
    assert_close(store.usage(), torch.tensor([3.0, 0.5, 5.0]))


def test_when_nothing_is_kept_then_the_store_is_empty_and_can_be_filled_again():
    store = UsageStore()
    store.append(tokens(3))

    store.keep(torch.zeros(3, dtype=torch.bool))
    assert len(store) == 0
    assert store.state() == {}

    store.append(tokens(2, seed=4))
    assert equal(store.tokens, tokens(2, seed=4))
