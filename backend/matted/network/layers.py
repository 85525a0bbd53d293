"""The small parts XMem is built from, and the soft aggregation every network ends in.

Parameter names are those of the published checkpoints. Objects ride in the batch: ``(O, C, h, w)`` everywhere,
and what depends on the image alone stays ``(1, C, h, w)`` so that it is computed once however many objects there are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PROBABILITY_FLOOR = 1e-7


def widen(tensor: Tensor) -> Tensor:
    """``tensor`` in at least single precision: logits, gates and keys lose too much in half."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def aggregate(masks: Tensor) -> Tensor:
    """Turn independent object probabilities into one distribution (STM's soft aggregation, also in XMem).

    The background is ``prod(1 - p)``; every probability becomes odds ``p / (1 - p)`` and the odds are normalised.

    Args:
        masks: (O, H, W), 0..1, drawn or predicted.

    Returns:
        (O+1, H, W), background first, summing to 1, at least single precision.
    """
    masks = widen(masks)
    background = torch.prod(1 - masks, dim=0, keepdim=True)
    probability = torch.cat((background, masks)).clamp(PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    return torch.logit(probability).softmax(dim=0)


def split_conv(conv: nn.Conv2d, objects: Tensor, image: Tensor) -> Tensor:
    """``conv(cat(image, objects))`` with the image half computed once for all objects.

    Args:
        conv: padding-preserving convolution over the concatenation, image channels first.
        objects: (O, Co, h, w).
        image: (1, Ci, h, w).
    """
    if len(objects) == 1:
        whole: Tensor = conv(torch.cat((image, objects), dim=1))
        return whole
    channels = image.shape[1]
    shared = F.conv2d(image, conv.weight[:, :channels], conv.bias, padding=1)
    return F.conv2d(objects, conv.weight[:, channels:], padding=1) + shared


class ResidualBlock(nn.Module):
    """Two pre-activated 3x3 convolutions without normalisation; the skip is a 3x3 convolution when channels change."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.downsample = None if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)

    def forward(self, objects: Tensor) -> Tensor:
        """(O, Cin, h, w) to (O, Cout, h, w)."""
        skip = objects if self.downsample is None else self.downsample(objects)
        out: Tensor = self.conv2(F.relu(self.conv1(F.relu(objects)))) + skip
        return out

    def fuse(self, objects: Tensor, image: Tensor) -> Tensor:
        """The same over ``cat(image, objects)``: image (1, Ci, h, w), objects (O, Cin - Ci, h, w)."""
        assert self.downsample is not None
        hidden = split_conv(self.conv1, F.relu(objects), F.relu(image))
        out: Tensor = self.conv2(F.relu(hidden)) + split_conv(self.downsample, objects, image)
        return out


class _ChannelGate(nn.Module):
    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        narrow = channels // reduction
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(channels, narrow), nn.ReLU(), nn.Linear(narrow, channels))

    def forward(self, x: Tensor) -> Tensor:
        logits = self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1))
        gated: Tensor = x * logits.sigmoid()[:, :, None, None]
        return gated


class _SpatialConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3)


class _SpatialGate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.spatial = _SpatialConv()

    def forward(self, x: Tensor) -> Tensor:
        summary = torch.cat((x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)), dim=1)
        gated: Tensor = x * self.spatial.conv(summary).sigmoid()
        return gated


class AttentionGate(nn.Module):
    """Channel gate, then spatial gate (CBAM, Woo et al. 2018, without batch norm)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ChannelGate = _ChannelGate(channels)
        self.SpatialGate = _SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        """(O, C, h, w) to the same shape."""
        gated: Tensor = self.SpatialGate(self.ChannelGate(x))
        return gated


class FeatureFusion(nn.Module):
    """Joins image features with per-object features."""

    def __init__(self, image_channels: int, object_channels: int, channels: int) -> None:
        super().__init__()
        self.block1 = ResidualBlock(image_channels + object_channels, channels)
        self.attention = AttentionGate(channels)
        self.block2 = ResidualBlock(channels, channels)

    def forward(self, image: Tensor, objects: Tensor) -> Tensor:
        """Image (1, Ci, h, w), objects (O, Co, h, w) to (O, C, h, w)."""
        fused = self.block1.fuse(objects, image)
        out: Tensor = self.block2(fused + self.attention(fused))
        return out


class SensoryCell(nn.Module):
    """Gated update of sensory memory: ``F*h*(1-U) + U*N``, where N, unlike a GRU's, sees the ungated h."""

    def __init__(self, input_channels: int, sensory_channels: int) -> None:
        super().__init__()
        self.transform = nn.Conv2d(input_channels + sensory_channels, 3 * sensory_channels, 3, padding=1)

    def forward(self, inputs: Tensor, sensory: Tensor) -> Tensor:
        """Inputs (O, Ci, h, w), sensory (O, Cs, h, w) to the next sensory memory."""
        gates = widen(self.transform(torch.cat((inputs, sensory.to(inputs.dtype)), dim=1)))
        forget, update, new = gates.chunk(3, dim=1)
        update = update.sigmoid()
        return forget.sigmoid() * sensory * (1 - update) + update * new.tanh()
