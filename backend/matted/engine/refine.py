"""From a probability at working size to a matte at plate size, following the plate's edges.

Colour guided filter (He, Sun and Tang, "Guided Image Filtering", PAMI 2013, §3.5) in its subsampled form (He and Sun,
"Fast Guided Filter", 2015): the local linear models are fitted at working size and applied to the plate. It is used
only where the probability is unsure and near a solid part of the object: it would eat straps, strings and spokes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FAINT = 1 / 255
"""Less than one 8-bit step of haze or of hole is no matte: it enlarges data windows and shows when graded up."""


@dataclass(frozen=True)
class RefineSettings:
    """How far a matte's edge follows the plate."""

    radius: int = 4
    """Window of the local models in working pixels; about half a memory cell."""
    epsilon: float = 1e-3
    """Colour variance, (0..1)**2, below which the plate counts as flat and the matte is only smoothed."""
    core: int = 3
    """Half the width, in working pixels, from which an object counts as solid; thinner parts keep their probability."""
    strength: float = 1.0
    """0 keeps the upsampled probability, 1 follows the plate wherever the probability is unsure."""


def refine(probability: Tensor, plate: Tensor, *, settings: RefineSettings) -> Tensor:
    """Make mattes at plate size.

    Args:
        probability: (O+1, h, w) background first, 0..1, at working size.
        plate: (3, H, W) display-referred sRGB, 0..1.
        settings: the filter's window and strength.

    Returns:
        (O, H, W) float32, 0..1, finite; the objects of a pixel never sum above 1.
    """
    objects = torch.nan_to_num(probability[1:].float(), nan=0.0).clamp(0, 1)
    size = plate.shape[-2:]
    mattes = _upsample(objects, size)
    if settings.strength > 0 and min(objects.shape[-2:]) > 1:
        guide = F.interpolate(plate[None], objects.shape[-2:], mode="area")[0]
        models = _local_models(objects, guide, settings)
        for matte, coarse, (slope, offset) in zip(mattes, objects[:, None], models, strict=True):
            unsure = settings.strength * (1 - (2 * matte - 1) ** 4)
            unsure *= _upsample(_near_core(coarse, settings.core), size)[0]
            guided = (_upsample(slope, size) * plate).sum(0) + _upsample(offset[None], size)[0]
            matte.lerp_(guided.clamp_(0, 1), unsure)
    mattes = mattes / mattes.sum(0, keepdim=True).clamp_min(1)
    return mattes.masked_fill(mattes < FAINT, 0).masked_fill(mattes > 1 - FAINT, 1)


def _local_models(objects: Tensor, guide: Tensor, settings: RefineSettings) -> list[tuple[Tensor, Tensor]]:
    """Fit ``p = slope . colour + offset`` around every pixel: a list of (3, h, w) slopes and (h, w) offsets."""
    mean = _box(guide, settings.radius)
    products = torch.stack([guide[i] * guide[j] for i in range(3) for j in range(3)])
    covariance = _box(products, settings.radius) - (mean[:, None] * mean[None]).flatten(0, 1)
    covariance = covariance.view(3, 3, *guide.shape[1:]).permute(2, 3, 0, 1)
    inverse = torch.linalg.inv(covariance + settings.epsilon * torch.eye(3, device=guide.device))
    models = []
    for matte in objects:
        mean_matte = _box(matte[None], settings.radius)
        joint = _box(guide * matte, settings.radius) - mean * mean_matte
        slope = torch.einsum("hwij,jhw->ihw", inverse, joint)
        offset = mean_matte[0] - (slope * mean).sum(0)
        models.append((_box(slope, settings.radius), _box(offset[None], settings.radius)[0]))
    return models


def _near_core(matte: Tensor, radius: int) -> Tensor:
    """(1, h, w), 0..1: how solid the object is nearby; an opening by a square, grown by its radius."""
    eroded = -F.max_pool2d(-matte[None], 2 * radius + 1, stride=1, padding=radius)
    return F.max_pool2d(eroded, 4 * radius + 1, stride=1, padding=2 * radius)[0]


def _box(planes: Tensor, radius: int) -> Tensor:
    """Mean of (C, h, w) over a square window; the border counts only what is inside."""
    side = 2 * radius + 1
    return F.avg_pool2d(planes[None], side, stride=1, padding=radius, count_include_pad=False)[0]


def _upsample(planes: Tensor, size: torch.Size) -> Tensor:
    if planes.shape[-2:] == size:
        return planes.clone()
    return F.interpolate(planes[None], tuple(size), mode="bilinear", align_corners=False)[0]
