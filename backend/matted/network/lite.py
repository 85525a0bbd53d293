"""``lite``: what a fresh machine runs. No part of it was trained on video or on masks.

Keys come from the first eleven blocks of an ImageNet MobileNetV2 (Sandler et al., CVPR 2018) and from colour; values
are the mask itself, cut into patches. A read is then non-parametric label propagation, and a readout already is a
mask. The stages are joined as in hypercolumns (Hariharan et al., CVPR 2015): each is whitened in part, brought to unit
length and weighted, so that the dot product of two keys is a weighted mean of cosines.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise
from math import sqrt
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import mobilenet_v2

from matted.errors import WeightsError
from matted.network import Features

FILE = Path(__file__).with_name("lite.safetensors")

BLOCKS = 11
STAGES = {"shallow": 3, "middle": 6, "deep": 10}
"""Which block's output a part of the key comes from."""
STRIDE = 8
COLOUR_SCALE = 3.0
"""Brings Lab differences over 100 to the size of those between unit features."""

SRGB_MEAN, SRGB_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
XYZ_FROM_RGB = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
D65_WHITE = (0.95047, 1.0, 1.08883)


@dataclass(frozen=True)
class LiteSettings:
    """What makes two cells alike. Tuned once on ten DAVIS sequences, see ``benchmarks/README.md``."""

    deep: float = 0.3
    """Share of block 10 in the key, 0..1; the four shares sum to 1. What a thing is."""
    middle: float = 0.25
    """Share of block 6: its parts and contours."""
    shallow: float = 0.2
    """Share of block 3: texture."""
    colour: float = 0.25
    """Share of colour: Lab in the four quarters of a cell, so that a cell on an edge knows on which side it lies."""
    temperature: float = 0.035
    """Difference in similarity, above 0, at which a match counts 1/e; lower trusts the best match more."""
    keyframe_reach: float = 0.2
    """Standard deviation of how far things move from a keyframe, in shorter sides of the image, above 0."""
    working_reach: float = 0.1
    """The same from one of the last frames; below ``keyframe_reach``."""

    @property
    def shares(self) -> dict[str, float]:
        """The shares by part of the key."""
        return {field.name: getattr(self, field.name) for field in fields(self)[:4]}


class Lite(nn.Module):
    """The network behind the name ``lite``; see :class:`matted.network.Network`.

    Args:
        settings: what makes two cells alike.
    """

    name = "lite"
    stride = STRIDE
    multiple = 32
    pad_mode: Literal["constant", "replicate"] = "replicate"
    antialias = True
    sensory_channels = 0
    local_channels = 2

    def __init__(self, settings: LiteSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or LiteSettings()
        self.trunk = _dilated(mobilenet_v2().features[:BLOCKS])
        for stage, channels in {"deep": 64, "middle": 32, "shallow": 24}.items():
            self.register_buffer(f"{stage}_whitening", torch.eye(channels))

    def encode_key(self, image: Tensor) -> Features:
        """Encode ``image`` (3, H, W): RGB, display-referred sRGB, ImageNet-normalised.

        Scaled so that the bank's similarity is ``(cos - 1) / temperature`` less the squared distance of the cells over
        twice their reach, squared: ``|a - b|**2 = 2 - 2 cos`` for unit keys.
        """
        stages = self.stages(image)
        parts = [sqrt(share) * self._part(name, stages[name]) for name, share in self.settings.shares.items()]
        appearance = torch.cat(parts)
        channels = len(appearance) + 4
        key = torch.cat((appearance / sqrt(2 * self.settings.temperature), self._position(appearance)))
        key = key * channels**0.25
        return Features(key, torch.ones_like(key[:1]), torch.ones_like(key), ())

    def encode_value(self, image: Tensor, features: Features, masks: Tensor) -> Tensor:
        """Cut masks (O, H, W), soft 0..1, into patches of one cell each: (O, 64, h, w)."""
        return F.pixel_unshuffle(masks[:, None], STRIDE)

    def reinforce(self, value: Tensor, sensory: Tensor) -> Tensor:
        """Return ``sensory`` (O, 0, h, w) as it is: ``lite`` has no sensory memory."""
        return sensory

    def segment(self, features: Features, readout: Tensor, sensory: Tensor) -> tuple[Tensor, Tensor]:
        """Put the patches of a readout (O, 64, h, w) together again.

        What no object claims is background. A readout is a mean of remembered masks, which already share each pixel
        out; soft aggregation on top would sharpen them, which costs accuracy as memory fills.

        Returns:
            probability (O+1, H, W), background first, summing to 1, float32; and ``sensory``.
        """
        objects = F.pixel_shuffle(readout.float(), STRIDE)[:, 0].clamp(0, 1)
        objects = objects / objects.sum(dim=0).clamp_min(1)
        background = 1 - objects.sum(dim=0, keepdim=True)
        return torch.cat((background.clamp_min(0), objects)), sensory

    def stages(self, image: Tensor) -> dict[str, Tensor]:
        """What the key is made of, on the grid of cells: (C, h, w) each. ``image`` as for :meth:`encode_key`."""
        quarters = F.avg_pool2d(lab(image), STRIDE // 2)
        outputs = {"colour": F.pixel_unshuffle(quarters, 2) / 2}
        wanted = {block: stage for stage, block in STAGES.items()}
        x = image[None].contiguous(memory_format=torch.channels_last)
        for index, block in enumerate(self.trunk):
            x = block(x)
            if index in wanted:
                cells = x.shape[-1] * STRIDE // image.shape[-1]
                outputs[wanted[index]] = F.avg_pool2d(x, cells)[0]
        return outputs

    def _part(self, stage: str, raw: Tensor) -> Tensor:
        """(C, h, w) less its mean over the image, so that a change of light counts little.

        Features are whitened in part and brought to length 1; colour only scaled, for a small difference between greys
        must stay small.
        """
        centred = raw - raw.mean(dim=(1, 2), keepdim=True)
        if stage == "colour":
            return COLOUR_SCALE * centred
        return F.normalize(torch.einsum("ij,jhw->ihw", self.get_buffer(f"{stage}_whitening"), centred), dim=0)

    def _position(self, grid: Tensor) -> Tensor:
        """(4, h, w): row and column as everything is compared by, then as only working memory is besides."""
        height, width = grid.shape[-2:]
        near, far = self.settings.working_reach, self.settings.keyframe_reach
        # a reach below one cell would tie every cell to its own place
        unit = 1 / max(min(height, width), 1 / near)
        rows = torch.arange(height, device=grid.device, dtype=grid.dtype) * unit
        columns = torch.arange(width, device=grid.device, dtype=grid.dtype) * unit
        place = torch.stack(torch.meshgrid(rows, columns, indexing="ij")) / sqrt(2)
        return torch.cat((place / far, place * sqrt(near**-2 - far**-2)))


def load_lite() -> Lite:
    """The network with the weights that come with matted, on the CPU, in eval mode.

    Raises:
        WeightsError: weights_missing, weights_refused.
    """
    hint = "Install matted again: its package is not whole."
    if not FILE.is_file():
        raise WeightsError("weights_missing", f"The weights of lite are not at {FILE}.", hint=hint, path=FILE)
    network = Lite()
    try:
        tensors = {name: tensor.float() for name, tensor in load_file(FILE).items()}
        network.load_state_dict({**_batch_counts(network), **tensors})
    except Exception as error:
        raise WeightsError(
            "weights_refused", f"{FILE} does not hold the weights of lite.", hint=hint, path=FILE
        ) from error
    network.requires_grad_(False).eval()
    _fold(network.trunk)
    return network


def lab(image: Tensor) -> Tensor:
    """CIE 1976 L*a*b* over 100, white D65, from ``image`` (3, H, W): sRGB, ImageNet-normalised.

    Source: IEC 61966-2-1 (sRGB) and CIE 15 (Lab).
    """
    mean, std = image.new_tensor(SRGB_MEAN), image.new_tensor(SRGB_STD)
    encoded = (image * std[:, None, None] + mean[:, None, None]).clamp(0, 1)
    linear = torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    matrix = image.new_tensor(XYZ_FROM_RGB) / image.new_tensor(D65_WHITE)[:, None]
    tristimulus = torch.einsum("ij,jhw->ihw", matrix, linear)
    fx, fy, fz = torch.where(
        tristimulus > (6 / 29) ** 3,
        tristimulus.clamp_min(1e-6) ** (1 / 3),
        tristimulus * (29 / 6) ** 2 / 3 + 4 / 29,
    )
    return torch.stack((116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz))) / 100


def _dilated(trunk: nn.Sequential) -> nn.Sequential:
    """Blocks beyond the stride keep its grid and look twice as far instead (Yu and Koltun, ICLR 2016)."""
    for block in trunk[STAGES["middle"] + 1 :]:
        for conv in block.modules():
            if isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3):
                conv.stride, conv.dilation, conv.padding = (1, 1), (2, 2), (2, 2)
    return trunk


def _fold(module: nn.Module) -> None:
    """Fold every batch norm into the convolution before it; the same figures, a fifth less time."""
    children = list(module.named_children())
    for (name, conv), (following, norm) in pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(conv, norm))
            setattr(module, following, nn.Identity())
    for _, child in children:
        _fold(child)


def _batch_counts(network: nn.Module) -> dict[str, Tensor]:
    """Training's counters, which the file leaves out."""
    return {name: tensor for name, tensor in network.state_dict().items() if name.endswith("num_batches_tracked")}
