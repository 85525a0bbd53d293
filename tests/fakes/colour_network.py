"""A network that matches by colour: small, deterministic, and right about plates drawn in flat colours."""

import torch
import torch.nn.functional as F

from matted.memory.bank import MemorySettings
from matted.network import Features

MEMORY = MemorySettings(top_k=8, memory_every=2, working_max=3, working_min=1, long_term_max=200, prototypes=8)


class ColourNetwork:
    """Keys are mean colours of 4x4 cells, values the cells' mask pixels; sensory memory counts the frames decoded."""

    name = "colour"
    stride = 4
    multiple = 4
    pad_mode = "constant"
    antialias = True
    sensory_channels = 1
    local_channels = 0

    def encode_key(self, image):
        key = 3 * F.avg_pool2d(image[None], 4)[0]
        return Features(key, torch.ones_like(key[:1]), torch.ones_like(key), (image,))

    def encode_value(self, image, features, masks):
        return F.pixel_unshuffle(masks[:, None], 4)

    def reinforce(self, value, sensory):
        return sensory + 1

    def segment(self, features, readout, sensory):
        objects = F.pixel_shuffle(readout, 4)[:, 0].clamp(0, 1)
        background = (1 - objects.sum(0, keepdim=True)).clamp_min(0)
        probability = torch.cat([background, objects])
        return probability / probability.sum(0, keepdim=True), sensory + 1
