import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from matted.memory.consolidation import consolidate, make_room
from matted.memory.store import Tokens, UsageStore


def filled(use, channels=3, objects=2):
    """A store whose tokens were each read once."""
    random = torch.Generator().manual_seed(len(use))
    count = len(use)
    store = UsageStore()
    store.append(
        Tokens(
            torch.randn(count, channels, generator=random),
            1 + torch.rand(count, generator=random),
            torch.rand(count, channels, generator=random),
            torch.randn(count, objects, 4, generator=random),
        )
    )
    store.record(torch.tensor(use))
    return store


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_eviction_leaves_room_and_never_drops_a_token_used_more_than_one_it_keeps(use, capacity):
    store = filled(use)

    make_room(store, capacity)

    kept = store.use.tolist()
    assert len(kept) <= capacity or len(kept) == len(use) <= capacity
    dropped = sorted(use)[: len(use) - len(kept)]
    assert sorted(use)[len(use) - len(kept) :] == sorted(kept)
    assert not (kept and dropped) or min(kept) > max(dropped)


def test_when_memory_is_exactly_as_large_as_the_room_then_nothing_is_evicted():
    store = filled([0, 0, 3])

    make_room(store, 3)

    assert len(store) == 3


def test_when_tokens_tie_at_the_threshold_then_all_of_them_go():
    store = filled([5, 1, 1, 1, 7])

    make_room(store, 4)

    assert store.use.tolist() == [5, 7]


def test_when_consolidated_then_the_most_used_old_tokens_become_prototypes_and_the_newest_stay():
    working = filled([3, 9, 1, 5, 100, 100])
    before = working.tokens

    condensed = consolidate(working, 2, 3)

    assert torch.equal(condensed.key, before.key[[1, 3, 0]])
    assert torch.equal(condensed.selection, before.selection[[1, 3, 0]])
    assert torch.equal(working.tokens.value, before.value[4:])
    assert working.use.tolist() == [100, 100]


def test_when_consolidated_then_prototypes_average_all_candidates_by_affinity():
    working = filled([3, 9, 1, 5, 100])
    before = working.tokens.view(0, 4)

    condensed = consolidate(working, 1, 2)

    squares = (before.key[None] - before.key[[1, 3]][:, None]).square()
    score = -(before.selection[[1, 3]][:, None] * squares).sum(-1) * before.shrinkage / 3**0.5
    weight = score.softmax(1)
    assert_close(condensed.value, torch.einsum("pn,noc->poc", weight, before.value))
    assert_close(condensed.shrinkage, weight @ before.shrinkage)


def test_when_candidates_are_fewer_than_prototypes_then_each_becomes_one():
    assert len(consolidate(filled([1, 2, 3]), 1, 128)) == 2


def test_when_nothing_is_kept_then_all_of_working_memory_is_condensed():
    working = filled([1, 2, 3])

    condensed = consolidate(working, 0, 2)

    assert len(condensed) == 2
    assert len(working) == 0


@pytest.mark.parametrize("local_channels", [1, 2])
def test_when_channels_carry_position_then_prototypes_do_not_depend_on_it(local_channels):
    here, there = filled([3, 9, 1, 5, 100]), filled([3, 9, 1, 5, 100])
    there.tokens.key[:, -local_channels:] += torch.tensor([[1.0], [50.0], [-9.0], [7.0], [2.0]])

    values = [consolidate(working, 1, 2, local_channels=local_channels).value for working in (here, there)]

    assert_close(values[0], values[1])
