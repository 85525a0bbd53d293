"""How working memory becomes long-term memory, and how long-term memory forgets (XMem section 3.2, 'Long-Term Memory').

Permanent memory takes no part in either.
"""

from __future__ import annotations

import torch
from torch import Tensor

from matted.memory.affinity import similarity
from matted.memory.store import Tokens, UsageStore


def make_room(long_term: UsageStore, capacity: int) -> None:
    """Evict the least used tokens until at most ``capacity`` are left; a tie at the threshold goes as a whole."""
    excess = len(long_term) - capacity
    if excess > 0:
        usage = long_term.usage()
        long_term.keep(usage > usage.sort().values[excess - 1])


def consolidate(working: UsageStore, kept: int, prototypes: int, *, local_channels: int = 0) -> Tokens:
    """Take all but the newest ``kept`` tokens out of working memory and condense them.

    The most used of them become prototypes: key and selection as they are, value and shrinkage averaged over all
    that were taken, by affinity to the prototype ("potentiation"; here the softmax has no top-k).

    Args:
        working: loses its oldest ``len(working) - kept`` tokens.
        kept: newest tokens that stay.
        prototypes: P; all candidates when they are fewer.
        local_channels: the last so many channels carry position and are left out of the affinity.

    Returns:
        min(P, candidates) tokens, the most used first.
    """
    assert working.tokens is not None
    count = len(working) - kept
    candidates = working.tokens.view(0, count)
    ranked = working.usage()[:count].sort(descending=True, stable=True).indices
    chosen = candidates.take(ranked[:prototypes])
    weight = _potentiation(candidates, chosen, local_channels)
    value = weight.to(candidates.value.dtype) @ candidates.value.flatten(1)
    condensed = Tokens(chosen.key, weight @ candidates.shrinkage, chosen.selection, value.reshape(chosen.value.shape))
    working.keep(torch.arange(count, len(working), device=weight.device))
    return condensed


def _potentiation(candidates: Tokens, chosen: Tokens, local_channels: int) -> Tensor:
    """(P, N): how much each candidate gives to each prototype; rows sum to 1."""
    selection = without_position(chosen.selection, local_channels)
    return similarity(candidates.key, candidates.shrinkage, chosen.key, selection).softmax(dim=1)


def without_position(selection: Tensor, local_channels: int) -> Tensor:
    """``selection`` (N, Ck) with the last ``local_channels`` channels at 0: matched wherever the cell is."""
    if local_channels == 0:
        return selection
    selection = selection.clone()
    selection[:, -local_channels:] = 0
    return selection
