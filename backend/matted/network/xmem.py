"""XMem (Cheng & Schwing, ECCV 2022) behind the Network protocol; state-dict names are the published ones."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Literal

import torch
from torch import Tensor, nn

from matted.network import Features
from matted.network.decoder import Decoder
from matted.network.encoders import KeyEncoder, KeyProjection, ValueEncoder
from matted.network.layers import aggregate


class XMem(nn.Module):
    """The whole network, in eval mode and without gradients.

    Args:
        key_channels: Ck.
        value_channels: Cv.
        sensory_channels: Cs; 0 builds the variant without sensory memory.
        antialias: see ``Network``; off is what the published figures were made with.
        half: run convolutions in half precision (worth it on CUDA only); keys, gates and probabilities stay single.
    """

    name = "xmem"
    stride = 16
    multiple = 16
    pad_mode: Literal["constant", "replicate"] = "constant"
    local_channels = 0

    def __init__(
        self,
        *,
        key_channels: int = 64,
        value_channels: int = 512,
        sensory_channels: int = 64,
        antialias: bool = False,
        half: bool = False,
    ) -> None:
        super().__init__()
        self.sensory_channels = sensory_channels
        self.antialias = antialias
        self._half = half
        self.key_encoder = KeyEncoder()
        self.value_encoder = ValueEncoder(value_channels, sensory_channels)
        self.key_proj = KeyProjection(key_channels)
        self.decoder = Decoder(value_channels, sensory_channels)
        self.requires_grad_(False)
        self.eval()

    def encode_key(self, image: Tensor) -> Features:
        """See :class:`matted.network.Network`; ``maps`` are f16, f8, f4."""
        with self._precision():
            maps = self.key_encoder(image[None])
            key, shrinkage, selection = self.key_proj(maps[0])
        return Features(key[0], shrinkage[0], selection[0], tuple(feature[0] for feature in maps))

    def encode_value(self, image: Tensor, features: Features, masks: Tensor) -> Tensor:
        """See :class:`matted.network.Network`."""
        with self._precision():
            value: Tensor = self.value_encoder(image[None], features.maps[0][None], masks.to(image.dtype))
        return value

    def reinforce(self, value: Tensor, sensory: Tensor) -> Tensor:
        """See :class:`matted.network.Network`; without sensory memory nothing changes."""
        if self.value_encoder.hidden_reinforce is None:
            return sensory
        with self._precision():
            reinforced: Tensor = self.value_encoder.hidden_reinforce(value, sensory)
        return reinforced

    def segment(self, features: Features, readout: Tensor, sensory: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`matted.network.Network`."""
        with self._precision():
            maps = tuple(feature[None] for feature in features.maps)
            logits, sensory = self.decoder(maps, readout.to(maps[0].dtype), sensory)
        return aggregate(logits.sigmoid()), sensory

    def _precision(self) -> ExitStack:
        """No gradients, and half precision where it was asked for."""
        stack = ExitStack()
        stack.enter_context(torch.no_grad())
        if self._half:
            stack.enter_context(torch.autocast(self.decoder.pred.weight.device.type, torch.float16))
        return stack
