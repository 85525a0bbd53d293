"""Networks: pure torch, no files, no memory. Every network answers to :class:`Network`.

Shape letters: ``H W`` padded working image, ``h w`` its grid of memory cells (``H / stride``), ``O`` objects,
``Ck Cv Cs`` key, value and sensory channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor


@dataclass(frozen=True)
class Features:
    """What a network knows of one image alone: nothing here depends on a mask, so it can be cached.

    Attributes:
        key: (Ck, h, w).
        shrinkage: (1, h, w), at least 1 for XMem; how sharply a memory cell is matched.
        selection: (Ck, h, w), 0..1; which key channels a query cell cares about.
        maps: whatever ``segment`` and ``encode_value`` need beside the key, finest last, each (C, ., .).
    """

    key: Tensor
    shrinkage: Tensor
    selection: Tensor
    maps: tuple[Tensor, ...]


class Network(Protocol):
    """One video matting network behind the memory bank.

    Attributes:
        name: ``xmem`` or ``lite``.
        stride: pixels of the padded image per memory cell.
        multiple: H and W are padded to a multiple of this.
        pad_mode: how images are padded, split on both sides: ``constant`` pads normalised images with 0.
        antialias: whether the working image is downsampled with an antialiasing filter.
        sensory_channels: Cs; 0 when the network keeps no sensory memory.
        local_channels: the last so many key channels carry position; only working memory compares them.
    """

    name: str
    stride: int
    multiple: int
    pad_mode: Literal["constant", "replicate"]
    antialias: bool
    sensory_channels: int
    local_channels: int

    def encode_key(self, image: Tensor) -> Features:
        """Encode ``image`` (3, H, W): RGB, display-referred sRGB, ImageNet-normalised."""
        ...

    def encode_value(self, image: Tensor, features: Features, masks: Tensor) -> Tensor:
        """Encode masks (O, H, W), soft 0..1, into the (O, Cv, h, w) values the bank stores."""
        ...

    def reinforce(self, value: Tensor, sensory: Tensor) -> Tensor:
        """Deep update: sensory memory (O, Cs, h, w) after a memory frame's value (O, Cv, h, w)."""
        ...

    def segment(self, features: Features, readout: Tensor, sensory: Tensor) -> tuple[Tensor, Tensor]:
        """Decode a readout (O, Cv, h, w).

        Returns:
            probability (O+1, H, W), background first, summing to 1, float32; and the sensory memory (O, Cs, h, w)
            after this frame.
        """
        ...
