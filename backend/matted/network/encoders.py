"""XMem's encoders: an image to features and keys, an image with masks to values (XMem, Cheng & Schwing 2022)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet18, resnet50

from matted.network.layers import FeatureFusion, SensoryCell, widen

F16_CHANNELS, F8_CHANNELS, F4_CHANNELS = 1024, 512, 256
VALUE_INPUTS = 5
"""Red, green, blue, this object's mask, the sum of the other objects' masks."""


class KeyEncoder(nn.Module):
    """ResNet-50 up to stride 16."""

    def __init__(self) -> None:
        super().__init__()
        trunk = resnet50(weights=None)
        self.conv1, self.bn1, self.maxpool = trunk.conv1, trunk.bn1, trunk.maxpool
        self.res2, self.layer2, self.layer3 = trunk.layer1, trunk.layer2, trunk.layer3

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image (B, 3, H, W) to features at stride 16, 8 and 4 with 1024, 512 and 256 channels."""
        f4 = self.res2(self.maxpool(F.relu(self.bn1(self.conv1(image)))))
        f8 = self.layer2(f4)
        return self.layer3(f8), f8, f4


class KeyProjection(nn.Module):
    """Stride-16 features to key, shrinkage and selection."""

    def __init__(self, key_channels: int) -> None:
        super().__init__()
        self.key_proj = nn.Conv2d(F16_CHANNELS, key_channels, 3, padding=1)
        self.d_proj = nn.Conv2d(F16_CHANNELS, 1, 3, padding=1)
        self.e_proj = nn.Conv2d(F16_CHANNELS, key_channels, 3, padding=1)

    def forward(self, f16: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 1024, h, w) to key (B, Ck, h, w), shrinkage (B, 1, h, w) >= 1, selection (B, Ck, h, w) in 0..1."""
        shrinkage = widen(self.d_proj(f16)).square() + 1
        return widen(self.key_proj(f16)), shrinkage, widen(self.e_proj(f16)).sigmoid()


class ValueEncoder(nn.Module):
    """ResNet-18 up to stride 16 over image and masks, joined with the image's own features."""

    def __init__(self, value_channels: int, sensory_channels: int) -> None:
        super().__init__()
        trunk = resnet18(weights=None)
        self.conv1 = nn.Conv2d(VALUE_INPUTS, 64, 7, stride=2, padding=3, bias=False)
        self.bn1, self.maxpool = trunk.bn1, trunk.maxpool
        self.layer1, self.layer2, self.layer3 = trunk.layer1, trunk.layer2, trunk.layer3
        self.fuser = FeatureFusion(F16_CHANNELS, 256, value_channels)
        self.hidden_reinforce = SensoryCell(value_channels, sensory_channels) if sensory_channels else None

    def forward(self, image: Tensor, f16: Tensor, masks: Tensor) -> Tensor:
        """Image (1, 3, H, W), f16 (1, 1024, h, w), masks (O, H, W) 0..1 to values (O, Cv, h, w)."""
        masks = masks[:, None]
        others = masks.sum(dim=0, keepdim=True) - masks
        x = torch.cat((image.expand(len(masks), -1, -1, -1), masks, others), dim=1)
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        value: Tensor = self.fuser(f16, self.layer3(self.layer2(self.layer1(x))))
        return value
