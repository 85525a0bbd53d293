"""XMem from a checkpoint file that nobody vouches for: what :mod:`matted.weights` trusts before it names anything.

No code in the file runs, the network's sizes are taken from its own tensors, and every name and shape has to match:
a file that is anything else is refused with what was expected and what was found.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from torch import Tensor

from matted.errors import WeightsError
from matted.network.xmem import XMem

KEY = "key_proj.key_proj.weight"
VALUE = "value_encoder.fuser.block2.conv2.weight"
SENSORY = "decoder.hidden_update.transform.weight"
VALUE_INPUT = "value_encoder.conv1.weight"
MOST_CHANNELS = 4096


def read_xmem(path: Path, *, device: torch.device, half: bool) -> XMem:
    """The network of a checkpoint in XMem.pth's form, on ``device``.

    Raises:
        WeightsError: weights_refused.
    """
    tensors = _read(path)
    first = tensors.get(VALUE_INPUT)
    if first is not None and first.ndim == 4 and first.shape[1] == 4:
        # a single-object checkpoint: one more input, the other objects' masks, to which it pays no attention
        tensors[VALUE_INPUT] = torch.cat((first, torch.zeros_like(first[:, :1])), dim=1)
    key, value, sensory = _channels(tensors, path)
    with torch.device("meta"):
        network = XMem(key_channels=key, value_channels=value, sensory_channels=sensory, half=half)
    _check(network.state_dict(), tensors, path)
    network.to_empty(device=device)
    network.load_state_dict(tensors, strict=True)
    return network.to(memory_format=torch.channels_last)


def refused(path: Path, found: str) -> WeightsError:
    """The error for a file that is no XMem checkpoint, saying what was ``found``."""
    return WeightsError(
        "weights_refused",
        f"{path} is not an XMem checkpoint (412 plain tensors, 402 without sensory memory): {found}.",
        hint="Download it anew with `python install.py --weights xmem`, or use --weights lite, which needs no file.",
        path=path,
    )


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, still on disk where its form allows."""
    if path.stat().st_size == 0:
        raise refused(path, "the file is empty")
    archive = zipfile.is_zipfile(path)
    if archive and any(name.endswith("/constants.pkl") for name in zipfile.ZipFile(path).namelist()):
        raise refused(path, "it is a TorchScript program")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except Exception as error:  # a damaged pickle can fail in any way at all
        raise refused(path, f"it cannot be read as plain tensors ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise refused(path, f"it holds a {type(content).__name__}")
    for name, value in content.items():
        if not (isinstance(name, str) and isinstance(value, Tensor) and _is_plain(value)):
            raise refused(path, f"it holds '{name}', no plain tensor; if the network is inside, save that part alone")
    return dict(content)


def _is_plain(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not (tensor.is_quantized or tensor.is_complex())


def _channels(tensors: dict[str, Tensor], path: Path) -> tuple[int, int, int]:
    """Ck, Cv and Cs as the checkpoint's own shapes say; no sensory entries means the variant without."""
    for name in (KEY, VALUE, SENSORY) if SENSORY in tensors else (KEY, VALUE):
        if name not in tensors or tensors[name].ndim != 4 or not 0 < len(tensors[name]) <= MOST_CHANNELS:
            raise refused(path, f"'{name}' is not there as a convolution among its {len(tensors)} tensors")
    return len(tensors[KEY]), len(tensors[VALUE]), len(tensors[SENSORY]) // 3 if SENSORY in tensors else 0


def _check(expected: dict[str, Tensor], found: dict[str, Tensor], path: Path) -> None:
    """Refuse missing and unknown names, other shapes, and values that are not finite."""
    shared = [name for name in expected if name in found]
    differences = {
        "missing": [name for name in expected if name not in found],
        "not known": [name for name in found if name not in expected],
        "of another shape": [
            f"{name} is {_shape(found[name])}, expected {_shape(expected[name])}"
            for name in shared
            if found[name].shape != expected[name].shape
        ],
        "not finite": [name for name in shared if not found[name].isfinite().all()],
    }
    for what, names in differences.items():
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise refused(
                path,
                f"of {len(found)} tensors where {len(expected)} belong, {len(names)} are {what}: "
                f"{'; '.join(names[:3])}{more}",
            )


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
