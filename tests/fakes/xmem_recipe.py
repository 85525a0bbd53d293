"""Deterministic XMem weights and frames: what the figures in ``data/xmem_golden.json`` were measured with.

The names and shapes come from the published checkpoint's own list (``data/xmem_state_dict.tsv``), not from our code.
"""

import zlib
from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.random import RandomState

from matted.memory.bank import MemorySettings

DATA = Path(__file__).parents[1] / "data"
HEIGHT, WIDTH, FRAMES = 90, 121, 24
KEYFRAMES = (0, 7)
MEMORY = MemorySettings(top_k=30, memory_every=2, working_max=4, working_min=2, prototypes=16, long_term_max=60)
FUSED = "decoder.fuser.block1", "value_encoder.fuser.block1"


def shapes():
    """Name to shape, in the order of the published checkpoint."""
    rows = (line.split("\t") for line in (DATA / "xmem_state_dict.tsv").read_text().splitlines() if line[0] != "#")
    return {name: () if shape == "scalar" else tuple(map(int, shape.split("x"))) for name, shape, *_ in rows}


def state_dict(dtype=torch.float32):
    return {name: _tensor(name, shape, dtype) for name, shape in shapes().items()}


def _tensor(name, shape, dtype):
    if name.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.int64)
    return torch.from_numpy(_values(name, shape)).to(dtype)


def _values(name, shape):
    random = RandomState(zlib.crc32(name.encode()))
    if name.endswith("running_mean"):
        return 0.1 * random.standard_normal(shape)
    if name.endswith("running_var"):
        return 1 + 0.5 * random.random_sample(shape)
    if name == "decoder.pred.bias":
        return np.full(shape, -4.0)
    if len(shape) == 1:
        if ".bn" in name or "downsample.1." in name:
            return float(name.endswith("weight")) + 0.1 * random.standard_normal(shape)
        return 0.05 * random.standard_normal(shape)
    values = (2 / prod(shape[1:])) ** 0.5 * _gain(name) * random.standard_normal(shape)
    if name == "value_encoder.conv1.weight":
        values[:, 3:] *= 6
    if name.startswith(FUSED) and name.endswith((".conv1.weight", ".downsample.weight")):
        values[:, :1024] *= 0.1
    if name.endswith("skip_conv.weight"):
        values *= 0.2
    return values


def _gain(name):
    gain = 0.5 if name.startswith("key_encoder") and ".conv3." in name else 1.0
    if name.startswith(("value_encoder.fuser", "value_encoder.hidden_reinforce", "key_proj", "decoder")):
        gain *= 0.6
    if name.startswith("key_proj."):
        gain *= 0.5
    return gain * 0.6 if name.startswith("key_proj.d_proj") else gain


def image(frame, dtype=torch.float32):
    """(3, H, W), already normalised: two gratings and two moving discs."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    left, right = _discs(frame)
    channels = [
        np.sin(2 * np.pi * ((c + 1) * x / WIDTH + 0.7 * y / HEIGHT + 0.013 * (c + 1) * frame))
        + np.cos(2 * np.pi * ((c + 2) * y / HEIGHT - 0.5 * x / WIDTH - 0.02 * frame))
        + 1.5 * (c - 1) * left
        + 1.2 * (1 - 0.7 * c) * right
        for c in range(3)
    ]
    return torch.from_numpy(np.stack(channels)).to(dtype)


def masks(frame, dtype=torch.float32):
    """(2, H, W) of 0 and 1: the first disc, and what it leaves of the second."""
    left, right = _discs(frame)
    return torch.from_numpy(np.stack([left, right & ~left])).to(dtype)


def _discs(frame):
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    left = (x - 30 - frame) ** 2 + (y - 40) ** 2 < 18**2
    return left, (x - 90) ** 2 + (y - 55 + frame) ** 2 < 15**2
