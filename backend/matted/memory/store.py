"""What memory is made of: tokens, one per grid cell of a remembered frame, and the stores that hold them."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import torch
from torch import Tensor

from matted.memory.affinity import memory_operand

USE_SCALE = 2**32
"""Usage is summed in whole 2**-32 steps: integer sums do not depend on their order, so every run ranks tokens alike."""


@dataclass(frozen=True)
class Tokens:
    """Memory tokens, token-major so that reading a token reads one row.

    Attributes:
        key: (N, Ck).
        shrinkage: (N,), at least 1 for XMem.
        selection: (N, Ck), 0..1.
        value: (N, O, Cv), each object's own value.
    """

    key: Tensor
    shrinkage: Tensor
    selection: Tensor
    value: Tensor

    @classmethod
    def from_grid(cls, key: Tensor, shrinkage: Tensor, selection: Tensor, value: Tensor) -> Tokens:
        """Tokens of one frame from key (Ck, h, w), shrinkage (1, h, w), selection (Ck, h, w), value (O, Cv, h, w)."""
        return cls(
            key.flatten(1).T.contiguous(),
            shrinkage.flatten().clone(),
            selection.flatten(1).T.contiguous(),
            value.flatten(2).permute(2, 0, 1).contiguous(),
        )

    @classmethod
    def cat(cls, parts: Sequence[Tokens]) -> Tokens:
        """All tokens of ``parts``, in order."""
        return cls(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def __len__(self) -> int:
        return len(self.key)

    def take(self, index: Tensor) -> Tokens:
        """A copy of the tokens at ``index`` (K,) int64, or where a (N,) bool is true."""
        return Tokens(self.key[index], self.shrinkage[index], self.selection[index], self.value[index])

    def view(self, start: int, stop: int) -> Tokens:
        """Tokens ``start`` to ``stop``, sharing storage with this object."""
        rows = slice(start, stop)
        return Tokens(self.key[rows], self.shrinkage[rows], self.selection[rows], self.value[rows])

    @cached_property
    def operand(self) -> Tensor:
        """(N, 2*Ck+1): the memory side of the similarity, kept because tokens are read far more often than written."""
        return memory_operand(self.key, self.shrinkage)


class PermanentMemory(MutableMapping[int, Tokens]):
    """Keyframes by frame number. Setting a frame again replaces it; deleting it equals never having set it.

    Frames are always iterated and packed in frame order, so the order of setting them leaves no trace.
    """

    def __init__(self) -> None:
        self._entries: dict[int, Tokens] = {}
        self._packed: Tokens | None = None

    def __getitem__(self, frame: int) -> Tokens:
        return self._entries[frame]

    def __setitem__(self, frame: int, entry: Tokens) -> None:
        self._entries[frame] = entry
        self._packed = None

    def __delitem__(self, frame: int) -> None:
        del self._entries[frame]
        self._packed = None

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def packed(self) -> Tokens | None:
        """All keyframes as one block in frame order. The entries become views of it: nothing is held twice."""
        if self._packed is None and self._entries:
            self._packed = Tokens.cat([self[frame] for frame in self])
            start = 0
            for frame in self:
                stop = start + len(self._entries[frame])
                self._entries[frame] = self._packed.view(start, stop)
                start = stop
        return self._packed


class UsageStore:
    """Tokens with a record of how much each was read: working memory and long-term memory."""

    tokens: Tokens | None
    """What is remembered, oldest first; None when empty."""
    use: Tensor
    """(N,) int64: affinity received so far, in steps of 1 / USE_SCALE."""
    life: Tensor
    """(N,) int64: number of reads since the token was written."""

    def __init__(self) -> None:
        self.clear()

    def __len__(self) -> int:
        return 0 if self.tokens is None else len(self.tokens)

    def clear(self) -> None:
        """Forget everything."""
        self.tokens = None
        self.use = self.life = torch.zeros(0, dtype=torch.int64)

    def append(self, tokens: Tokens) -> None:
        """Remember ``tokens`` as the newest, not read yet."""
        fresh = torch.zeros(len(tokens), dtype=torch.int64, device=tokens.key.device)
        if self.tokens is None:
            self.tokens, self.use, self.life = tokens, fresh, fresh.clone()
            return
        self.tokens = Tokens.cat((self.tokens, tokens))
        self.use, self.life = torch.cat((self.use, fresh)), torch.cat((self.life, fresh))

    def keep(self, index: Tensor) -> None:
        """Forget every token but those at ``index`` (K,) int64, or where a (N,) bool is true."""
        assert self.tokens is not None
        self.tokens, self.use, self.life = self.tokens.take(index), self.use[index], self.life[index]
        if not len(self.tokens):
            self.clear()

    def record(self, use: Tensor) -> None:
        """Count one read that gave the tokens ``use`` (N,) int64, in steps of 1 / USE_SCALE."""
        self.use, self.life = self.use + use, self.life + 1

    def usage(self) -> Tensor:
        """(N,) float32: affinity received per read, 0 for tokens never read."""
        return self.use.float() / self.life.clamp(min=1).float()

    def state(self) -> dict[str, Tensor]:
        """Every tensor of the store by name; nothing when empty."""
        if self.tokens is None:
            return {}
        named = {field.name: getattr(self.tokens, field.name) for field in fields(Tokens)}
        return named | {"use": self.use, "life": self.life}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Become what :meth:`state` described."""
        self.clear()
        if state:
            self.tokens = Tokens(*(state[field.name] for field in fields(Tokens)))
            self.use, self.life = state["use"], state["life"]
