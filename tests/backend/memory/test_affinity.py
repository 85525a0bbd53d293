import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from matted.memory import affinity
from matted.memory.affinity import (
    even_operands,
    memory_operand,
    query_operand,
    readout,
    similarity,
    top_k_affinity,
    usage,
)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def written_out(memory_key, shrinkage, query_key, selection):
    """The similarity as the paper writes it, with no algebra."""
    squares = (memory_key[None] - query_key[:, None]).square()
    return -(selection[:, None] * squares).sum(-1) * shrinkage / memory_key.shape[1] ** 0.5


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 6), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_similarity_is_the_formula(tokens, queries, channels, seed):
    memory_key, query_key = draw(tokens, channels, seed=seed), draw(queries, channels, seed=seed + 1)
    shrinkage, selection = 1 + draw(tokens, seed=seed).square(), draw(queries, channels, seed=seed).sigmoid()

    found = similarity(memory_key, shrinkage, query_key, selection)

    assert_close(found, written_out(memory_key, shrinkage, query_key, selection))


def test_when_every_query_selects_alike_then_the_narrow_operands_give_the_same_similarity():
    memory_key, query_key, selection = draw(9, 5), draw(7, 5, seed=1), draw(5, seed=2).sigmoid()
    shrinkage = 1 + draw(9).square()

    memory, query = even_operands(memory_key, shrinkage, query_key, selection)

    assert memory.shape[1] == query.shape[1] == 7
    assert_close(query @ memory.T, written_out(memory_key, shrinkage, query_key, selection.expand(7, 5)))


def operands(tokens, queries, channels=3, seed=0):
    memory = memory_operand(draw(tokens, channels, seed=seed), 1 + draw(tokens, seed=seed).square())
    return memory, query_operand(
        draw(queries, channels, seed=seed + 7), draw(queries, channels, seed=seed + 8).sigmoid()
    )


def dense(parts, values, top_k):
    """Affinity and readout with every token in one matrix."""
    scores = torch.cat([query @ memory.T for memory, query in parts], dim=1)
    value = torch.cat(values)
    top_k = min(top_k, len(value))
    threshold = scores.topk(top_k, dim=1).values[:, -1:]
    weight = scores.masked_fill(scores < threshold, -torch.inf).softmax(1)
    return weight, torch.einsum("mn,noc->moc", weight, value)


@pytest.mark.parametrize("block", [1, 40, 10_000])
@pytest.mark.parametrize("top_k", [1, 4, 30, 1000])
def test_when_memory_has_parts_then_readout_and_usage_are_those_of_one_softmax_over_all(monkeypatch, block, top_k):
    monkeypatch.setattr(affinity, "CPU_BLOCK", block)
    parts = [operands(5, 11, seed=1), operands(9, 11, seed=2), operands(3, 11, seed=3)]
    values = [draw(len(memory), 2, 4, seed=5) for memory, _ in parts]
    weight, expected = dense(parts, values, top_k)

    found = top_k_affinity(parts, top_k)
    counted = usage(found, values[:2], 2**32)

    assert_close(readout(found, values), expected)
    assert_close(torch.cat(counted).double() / 2**32, weight.sum(0)[:14], atol=1e-8, rtol=0)


def test_when_memory_is_one_token_then_readout_is_its_value():
    memory, query = operands(1, 6)
    value = draw(1, 3, 4)

    found = top_k_affinity([(memory, query)], 30)

    assert_close(readout(found, [value]), value.expand(6, 3, 4))


def test_when_top_k_is_larger_than_memory_then_all_of_it_is_read():
    found = top_k_affinity([operands(4, 2)], 30)

    assert found.index.sort().values.tolist() == [[0, 1, 2, 3]] * 2


def test_when_every_key_is_far_away_then_weights_are_finite_and_sum_to_one():
    memory = memory_operand(torch.full((40, 8), 1e4), torch.full((40,), 50.0))
    query = query_operand(torch.full((3, 8), -1e4), torch.ones(3, 8))

    found = top_k_affinity([(memory, query)], 30)

    assert_close(found.weight.sum(1), torch.ones(3))


def test_when_query_repeats_a_sharp_key_then_it_reads_that_token():
    keys, value = draw(20, 4) * 10, draw(20, 1, 2)
    parts = [
        (memory_operand(keys, torch.full((20,), 30.0, dtype=keys.dtype)), query_operand(keys, torch.ones_like(keys)))
    ]

    assert_close(readout(top_k_affinity(parts, 5), [value]), value)


def test_when_values_are_half_precision_then_readout_keeps_their_type():
    memory, query = operands(6, 2)
    value = draw(6, 1, 2)

    found = readout(top_k_affinity([(memory.float(), query.float())], 3), [value.half()])

    assert found.dtype == torch.float16
    assert_close(found.double(), readout(top_k_affinity([(memory, query)], 3), [value]), atol=2e-3, rtol=2e-3)


def test_when_usage_is_counted_then_one_read_hands_out_one_share_a_query():
    found = top_k_affinity([operands(50, 33)], 30)

    [received] = usage(found, [draw(50, 1, 1)], 2**32)

    assert received.sum().item() / 2**32 == pytest.approx(33, abs=1e-6)


@pytest.mark.parametrize(("tokens", "k"), [(40, 5), (2600, 10), (2617, 10), (8200, 30), (9, 9)])
def test_when_the_largest_scores_are_wanted_then_searching_by_groups_finds_the_same(tokens, k):
    scores = torch.randn(7, tokens, generator=torch.Generator().manual_seed(tokens))

    values, index = affinity.largest(scores, k)

    torch.testing.assert_close(values, scores.topk(k, dim=1).values, atol=0, rtol=0)
    torch.testing.assert_close(scores.gather(1, index), values, atol=0, rtol=0)
