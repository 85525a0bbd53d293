"""Similarity of query cells and memory tokens, and the sparse top-k affinity read from it (XMem sections 3.2-3.3).

    S[query, token] = -shrinkage[token] / sqrt(Ck) * sum_c selection[query, c] * (key[token, c] - key[query, c])**2

The square is multiplied out so that S is one matrix product of a memory operand (N, 2*Ck+1) and a query operand
(M, 2*Ck+1). Only ``k`` affinities per query are not zero, so they are kept as indices and weights and the readout
gathers ``k`` rows; queries are taken in blocks, and no (M, N) matrix ever exists as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

CPU_BLOCK, GPU_BLOCK = 2**24, 2**27
"""Elements of similarity held at once: 64 MiB keep a CPU's matrix product busy, more fill a GPU."""

GROUP = 32
"""Scores of which only the largest is looked at first, when the ``k`` largest of many are wanted."""


@dataclass(frozen=True)
class Affinity:
    """The ``k`` memory tokens each of M query cells reads.

    Attributes:
        index: (M, k) int64, rows of the concatenated memory.
        weight: (M, k), rows sum to 1.
    """

    index: Tensor
    weight: Tensor


def memory_operand(key: Tensor, shrinkage: Tensor) -> Tensor:
    """The memory side of the similarity: key (N, Ck), shrinkage (N,) to (N, 2*Ck+1)."""
    parts = torch.cat((-key.square(), 2 * key, -torch.ones_like(key[:, :1])), dim=1)
    return parts * (shrinkage / sqrt(key.shape[1]))[:, None]


def query_operand(key: Tensor, selection: Tensor) -> Tensor:
    """The query side of the similarity: key and selection (M, Ck) to (M, 2*Ck+1)."""
    selected = key * selection
    return torch.cat((selection, selected, (selected * key).sum(dim=1, keepdim=True)), dim=1)


def even_operands(memory_key: Tensor, shrinkage: Tensor, query_key: Tensor, selection: Tensor) -> tuple[Tensor, Tensor]:
    """Memory and query operands when every query selects alike: half as wide, so the product costs half.

    Args:
        memory_key: (N, Ck).
        shrinkage: (N,).
        query_key: (M, Ck).
        selection: (Ck,), the one selection of all queries.

    Returns:
        (N, Ck+2) and (M, Ck+2); their product is the similarity.
    """
    scale = (shrinkage / sqrt(memory_key.shape[1]))[:, None]
    squares = -(memory_key.square() @ selection)[:, None]
    memory = torch.cat((2 * memory_key, squares, -torch.ones_like(squares)), dim=1) * scale
    selected = query_key * selection
    offsets = (selected * query_key).sum(dim=1, keepdim=True)
    return memory, torch.cat((selected, torch.ones_like(offsets), offsets), dim=1)


def similarity(memory_key: Tensor, shrinkage: Tensor, query_key: Tensor, selection: Tensor) -> Tensor:
    """S as (M, N), at most 0 up to rounding: memory_key (N, Ck), shrinkage (N,), query_key and selection (M, Ck)."""
    return query_operand(query_key, selection) @ memory_operand(memory_key, shrinkage).T


def top_k_affinity(parts: Sequence[tuple[Tensor, Tensor]], top_k: int) -> Affinity:
    """One softmax over the most similar tokens of all parts of memory together.

    Args:
        parts: for each part of memory, its operand (N_i, C) and the query operand (M, C) it is read with.
        top_k: tokens read by each query; the whole memory when it holds fewer.
    """
    tokens = sum(len(memory) for memory, _ in parts)
    queries = len(parts[0][1])
    limit = CPU_BLOCK if parts[0][0].device.type == "cpu" else GPU_BLOCK
    block = min(queries, max(1, limit // tokens))
    buffer = parts[0][0].new_empty(block, tokens)
    found = [_nearest(parts, slice(at, at + block), buffer, min(top_k, tokens)) for at in range(0, queries, block)]
    # softmax subtracts the row's maximum, so that even the farthest keys give finite weights
    return Affinity(
        index=torch.cat([index for _, index in found]),
        weight=torch.cat([score for score, _ in found]).softmax(dim=1),
    )


def _nearest(parts: Sequence[tuple[Tensor, Tensor]], rows: slice, buffer: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """The ``top_k`` largest similarities of the queries in ``rows`` and their tokens, both (M', k)."""
    start = 0
    scores = buffer
    for memory, query in parts:
        query = query[rows]
        scores = buffer[: len(query)]
        torch.mm(query, memory.T, out=scores[:, start : start + len(memory)])
        start += len(memory)
    return largest(scores, top_k)


def largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` largest of each row of (M, N), descending, and where they are.

    The ``k`` largest lie in the ``k`` groups with the largest maxima, so only those are searched: a third of the time
    of one search through everything. The result is the same but for the choice among equal scores.
    """
    groups = scores.shape[1] // GROUP
    if groups < 8 * k:
        values, index = scores.topk(k, dim=1)
        return values, index
    grouped = scores[:, : groups * GROUP].view(len(scores), GROUP, groups)
    best = grouped.amax(dim=1).topk(k, dim=1, sorted=False).indices
    members = torch.arange(GROUP, device=scores.device) * groups
    rest = torch.arange(groups * GROUP, scores.shape[1], device=scores.device).expand(len(scores), -1)
    candidates = torch.cat(((best[:, :, None] + members).flatten(1), rest), dim=1)
    values, place = scores.gather(1, candidates).topk(k, dim=1)
    return values, candidates.gather(1, place)


def readout(affinity: Affinity, values: Sequence[Tensor]) -> Tensor:
    """Blend remembered values into the query cells.

    Args:
        affinity: over the concatenation of ``values``.
        values: for each part of memory (N_i, O, Cv).

    Returns:
        (M, O, Cv), dtype of the values.
    """
    total: Tensor | None = None
    for index, weight, value in _by_part(affinity, values):
        part = F.embedding_bag(index, value.flatten(1), mode="sum", per_sample_weights=weight.to(value.dtype))
        total = part if total is None else total + part
    assert total is not None
    return total.reshape(len(total), *values[0].shape[1:])


def usage(affinity: Affinity, values: Sequence[Tensor], scale: int) -> list[Tensor]:
    """What each token received, summed over queries, for the first parts of memory.

    Args:
        affinity: over all parts of memory.
        values: (N_i, O, Cv) of as many leading parts as are counted.
        scale: steps in a weight of 1.

    Returns:
        (N_i,) int64 for each of them.
    """
    received = []
    for index, weight, value in _by_part(affinity, values):
        steps = (weight * scale).round().long().flatten()
        received.append(steps.new_zeros(len(value)).index_add_(0, index.flatten(), steps))
    return received


def _by_part(affinity: Affinity, values: Sequence[Tensor]) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Index, weight and value for each part; tokens of other parts keep a valid index and weigh nothing."""
    split, start = [], 0
    for value in values:
        index = affinity.index - start
        inside = (index >= 0) & (index < len(value))
        split.append((index.where(inside, 0), affinity.weight * inside, value))
        start += len(value)
    return split
