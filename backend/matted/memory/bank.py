"""The memory of one shot: permanent keyframes, working and long-term memory read together, and sensory memory.

All objects of a shot form one group declared up front; an object absent from a frame has a zero mask there. Every
read is one softmax over [long-term, working, permanent] tokens: a keyframe competes with everything else.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from matted.errors import KeyframeError, SettingError
from matted.memory import affinity
from matted.memory.consolidation import consolidate, make_room, without_position
from matted.memory.store import USE_SCALE, PermanentMemory, Tokens, UsageStore


@dataclass(frozen=True)
class MemorySettings:
    """How much is remembered, and for how long. The defaults are XMem++'s.

    Raises:
        SettingError: bad_setting.
    """

    top_k: int = 30
    """Tokens each cell reads, 1 or more; more blurs the match, fewer makes it noisy."""
    memory_every: int = 10
    """Frames from one remembered frame to the next, 1 or more."""
    working_max: int = 10
    """Remembered frames that make working memory full, 1 or more."""
    working_min: int = 5
    """Newest frames that stay in working memory when the rest is condensed, below ``working_max``."""
    long_term_max: int = 10_000
    """Tokens of long-term memory, at least ``prototypes``."""
    prototypes: int = 128
    """Tokens that each condensing adds to long-term memory, 1 or more."""
    long_term: bool = True
    """Condense old frames; when off they are forgotten."""

    def __post_init__(self) -> None:
        for name in ("top_k", "memory_every", "working_max", "prototypes"):
            self._check(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}", f"set {name} to 1 or more")
        self._check(
            0 <= self.working_min < self.working_max,
            f"working_min is {self.working_min} with working_max {self.working_max}",
            "set working_min to 0 or more and below working_max",
        )
        self._check(
            self.long_term_max >= self.prototypes,
            f"long_term_max is {self.long_term_max} with prototypes {self.prototypes}",
            "set long_term_max to at least prototypes",
        )

    def _check(self, holds: bool, message: str, hint: str) -> None:
        if not holds:
            raise SettingError("bad_setting", f"Memory setting {message}.", hint=f"{hint.capitalize()}.")


class MemoryBank:
    """The four stores of one shot.

    Args:
        settings: how much is remembered.
        local_channels: the last so many key channels carry position; only working memory compares them.
    """

    permanent: PermanentMemory
    """Keyframes by frame number: never counted, condensed or evicted."""
    working: UsageStore
    """The last remembered frames, whole, oldest first."""
    long_term: UsageStore
    """Prototypes condensed from older frames."""
    sensory: Tensor | None
    """(O, Cs, h, w), what the network carries from each frame to the next; None before the first frame."""

    def __init__(self, settings: MemorySettings | None = None, *, local_channels: int = 0) -> None:
        self.settings = settings or MemorySettings()
        self.local_channels = local_channels
        self.permanent = PermanentMemory()
        self.working = UsageStore()
        self.long_term = UsageStore()
        self.sensory = None
        self._frame_tokens = 0

    @property
    def working_frames(self) -> int:
        """Frames in working memory."""
        return len(self.working) // self._frame_tokens if len(self.working) else 0

    @property
    def long_term_tokens(self) -> int:
        """Tokens in long-term memory."""
        return len(self.long_term)

    def read(self, key: Tensor, selection: Tensor) -> Tensor:
        """Recall the values of the cells most like each query cell, and count what was used.

        Args:
            key: (Ck, h, w).
            selection: (Ck, h, w), 0..1.

        Returns:
            (O, Cv, h, w), dtype of the values.

        Raises:
            KeyframeError: no_keyframe, when nothing is remembered yet.
        """
        stores = [store for store in (self.long_term, self.working) if len(store)]
        held = [store.tokens for store in stores] + [self.permanent.packed()]
        parts = [tokens for tokens in held if tokens is not None]
        if not parts:
            raise KeyframeError("no_keyframe", "There is no keyframe to work from.", hint="Set a keyframe first.")
        found = affinity.top_k_affinity(
            self._operands(parts, key.flatten(1).T, selection.flatten(1).T), self.settings.top_k
        )
        values = [tokens.value for tokens in parts]
        for store, received in zip(stores, affinity.usage(found, values[: len(stores)], USE_SCALE), strict=True):
            store.record(received)
        readout = affinity.readout(found, values)
        return readout.permute(1, 2, 0).reshape(*readout.shape[1:], *key.shape[1:])

    def remember(self, entry: Tokens) -> None:
        """Add one predicted frame to working memory, condensing the oldest frames when it is full."""
        self._frame_tokens = len(entry)
        self.working.append(entry)
        settings = self.settings
        if not settings.long_term:
            self._forget_beyond(settings.working_max)
        elif self.working_frames >= settings.working_max:
            make_room(self.long_term, settings.long_term_max - settings.prototypes)
            kept = settings.working_min * self._frame_tokens
            self.long_term.append(
                consolidate(self.working, kept, settings.prototypes, local_channels=self.local_channels)
            )

    def clear(self) -> None:
        """Forget everything but the keyframes."""
        self.working.clear()
        self.long_term.clear()
        self.sensory = None

    def state(self) -> dict[str, Tensor]:
        """Everything but the keyframes, by name; enough to continue to the bit."""
        named = {f"working.{name}": tensor for name, tensor in self.working.state().items()}
        named |= {f"long_term.{name}": tensor for name, tensor in self.long_term.state().items()}
        if len(self.working):
            named["working.frame_tokens"] = self.working.use.new_tensor(self._frame_tokens)
        if self.sensory is not None:
            named["sensory"] = self.sensory
        return named

    def restore(self, state: dict[str, Tensor]) -> None:
        """Become what :meth:`state` described; keyframes stay as they are. Unknown names are ignored."""
        self.working.restore(_under("working.", state))
        self.long_term.restore(_under("long_term.", state))
        self._frame_tokens = int(state["working.frame_tokens"]) if "working.frame_tokens" in state else 0
        self.sensory = state.get("sensory")

    def _operands(self, parts: list[Tokens], key: Tensor, selection: Tensor) -> list[tuple[Tensor, Tensor]]:
        """For each part of memory its operand and the query's; position counts in working memory alone."""
        even = bool((selection == selection[0]).all())
        anywhere = without_position(selection, self.local_channels)
        pairs = []
        for tokens in parts:
            chosen = selection if tokens is self.working.tokens else anywhere
            if even:
                pairs.append(affinity.even_operands(tokens.key, tokens.shrinkage, key, chosen[0]))
            else:
                pairs.append((tokens.operand, affinity.query_operand(key, chosen)))
        return pairs

    def _forget_beyond(self, frames: int) -> None:
        excess = len(self.working) - frames * self._frame_tokens
        if excess > 0:
            self.working.keep(self.working.use.new_tensor(range(excess, len(self.working))))


def _under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
