"""The size at which a network sees a plate, and how plates and masks are brought to it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def working_shape(height: int, width: int, *, size: int) -> tuple[int, int]:
    """Shape in which the network sees a plate: shorter side at most ``size``, never enlarged; 0 leaves it as it is."""
    shorter = min(height, width)
    if size <= 0 or shorter <= size:
        return height, width
    return int(size * height / shorter), int(size * width / shorter)


def working_image(plate: Tensor, *, size: int, antialias: bool) -> Tensor:
    """What the network sees: (3, H, W) display-referred sRGB, 0..1, to ImageNet-normalised at working size.

    Normalised first and resized then, by half-pixel centres, as XMem++ does.
    """
    mean = plate.new_tensor(IMAGENET_MEAN).view(3, 1, 1)
    std = plate.new_tensor(IMAGENET_STD).view(3, 1, 1)
    normalised = (plate - mean) / std
    shape = working_shape(plate.shape[-2], plate.shape[-1], size=size)
    if shape == tuple(plate.shape[-2:]):
        return normalised
    return F.interpolate(normalised[None], shape, mode="bilinear", align_corners=False, antialias=antialias)[0]


def working_masks(masks: Tensor, shape: tuple[int, int]) -> Tensor:
    """Masks (O, H, W), 0..1, at the working ``shape``; soft edges stay soft, thin parts become faint, not lost."""
    if tuple(masks.shape[-2:]) == shape:
        return masks
    return F.interpolate(masks[None], shape, mode="bilinear", align_corners=False, antialias=True)[0].clamp_(0, 1)


def resized(planes: Tensor, shape: tuple[int, int]) -> Tensor:
    """(C, h, w) brought to ``shape`` (h, w) where it was made at another working size; untouched where it was not."""
    if tuple(planes.shape[-2:]) == shape:
        return planes
    return F.interpolate(planes[None], shape, mode="bilinear", align_corners=False, antialias=True)[0]


def confidence_of(objects: Tensor) -> tuple[float, ...]:
    """How sharp each of (O, h, w) probabilities is, 0..1: the overlap of the soft matte with its own cut at 0.5.

    1 is a decided matte, and also an object that is clearly absent; a faint smear without a core is 0.
    """
    hard = (objects > 0.5).to(objects)
    shared = torch.minimum(objects, hard).sum((-2, -1))
    either = torch.maximum(objects, hard).sum((-2, -1))
    faint = either < 1e-4 * objects[0].numel()
    return tuple(torch.where(faint, torch.ones_like(either), shared / either.clamp_min(1e-6)).tolist())
