"""XMem's decoder: a memory readout to one logit per pixel and object, and the per-frame sensory update."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matted.network.encoders import F4_CHANNELS, F8_CHANNELS, F16_CHANNELS
from matted.network.layers import FeatureFusion, ResidualBlock, SensoryCell, widen

G16_CHANNELS, G8_CHANNELS, G4_CHANNELS, SENSORY_INPUTS = 512, 256, 256, 256


class _Upsample(nn.Module):
    """Doubles the resolution and adds the image's features of that resolution."""

    def __init__(self, skip_channels: int, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.skip_conv = nn.Conv2d(skip_channels, channels_in, 3, padding=1)
        self.out_conv = ResidualBlock(channels_in, channels_out)

    def forward(self, skip: Tensor, objects: Tensor) -> Tensor:
        doubled = F.interpolate(objects, scale_factor=2, mode="bilinear", align_corners=False)
        out: Tensor = self.out_conv(self.skip_conv(skip) + doubled)
        return out


class _SensoryUpdate(SensoryCell):
    """Feeds all three decoder scales to the cell; finer ones are reduced by plain means."""

    def __init__(self, sensory_channels: int) -> None:
        super().__init__(SENSORY_INPUTS, sensory_channels)
        self.g16_conv = nn.Conv2d(G16_CHANNELS, SENSORY_INPUTS, 1)
        self.g8_conv = nn.Conv2d(G8_CHANNELS, SENSORY_INPUTS, 1)
        self.g4_conv = nn.Conv2d(G4_CHANNELS + 1, SENSORY_INPUTS, 1)

    def gather(self, g16: Tensor, g8: Tensor, g4: Tensor) -> Tensor:
        """(O, 512, h, w), (O, 256, 2h, 2w), (O, 257, 4h, 4w) to (O, 256, h, w)."""
        gathered: Tensor = self.g16_conv(g16) + self.g8_conv(F.avg_pool2d(g8, 2)) + self.g4_conv(F.avg_pool2d(g4, 4))
        return gathered


class Decoder(nn.Module):
    """Readout and sensory memory to logits, through image features at stride 16, 8 and 4."""

    def __init__(self, value_channels: int, sensory_channels: int) -> None:
        super().__init__()
        self.hidden_update = _SensoryUpdate(sensory_channels) if sensory_channels else None
        self.fuser = FeatureFusion(F16_CHANNELS, value_channels + sensory_channels, G16_CHANNELS)
        self.up_16_8 = _Upsample(F8_CHANNELS, G16_CHANNELS, G8_CHANNELS)
        self.up_8_4 = _Upsample(F4_CHANNELS, G8_CHANNELS, G4_CHANNELS)
        self.pred = nn.Conv2d(G4_CHANNELS, 1, 3, padding=1)

    def forward(self, maps: tuple[Tensor, ...], readout: Tensor, sensory: Tensor) -> tuple[Tensor, Tensor]:
        """Decode one frame.

        Args:
            maps: f16, f8, f4, each (1, C, ., .).
            readout: (O, Cv, h, w).
            sensory: (O, Cs, h, w); Cs may be 0.

        Returns:
            logits (O, H, W), at least single precision, and the next sensory memory (O, Cs, h, w).
        """
        f16, f8, f4 = maps
        g16 = self.fuser(f16, torch.cat((readout, sensory.to(readout.dtype)), dim=1))
        g8 = self.up_16_8(f8, g16)
        g4 = self.up_8_4(f4, g8)
        logits = self.pred(F.relu(g4))
        if self.hidden_update is not None:
            scales = self.hidden_update.gather(g16, g8, torch.cat((g4, logits.to(g4.dtype)), dim=1))
            sensory = self.hidden_update(scales, sensory)
        full = F.interpolate(widen(logits), scale_factor=4, mode="bilinear", align_corners=False)
        return full[:, 0], sensory
