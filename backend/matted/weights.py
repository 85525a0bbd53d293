"""Named weights: where they come from, under which licence, and the only code that loads them.

A checkpoint is read without running any code in it, its sizes are taken from its own tensors, and every name and
shape has to match: a file that is anything else is refused with what was expected and what was found.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from matted.errors import DeviceError, OutputError, WeightsError
from matted.memory.bank import MemorySettings
from matted.network import Network
from matted.network.xmem import XMem

LITE_MEMORY = MemorySettings()
"""Memory as ``lite`` wants it."""


@dataclass(frozen=True)
class Weights:
    """One network's published weights.

    Attributes:
        name: what the artist calls it.
        file: its file name in the weights folder; None when it comes with matted.
        url: where it is downloaded from.
        licence: of the weights.
        note: one line for people.
        memory: the memory settings it was made for.
    """

    name: str
    file: str | None
    url: str | None
    licence: str
    note: str
    memory: MemorySettings


KNOWN: dict[str, Weights] = {
    "lite": Weights("lite", None, None, "MIT", "comes with matted; runs on any CPU", LITE_MEMORY),
    "xmem": Weights(
        "xmem",
        "XMem.pth",
        "https://github.com/hkchengrex/XMem/releases/download/v1.0/XMem.pth",
        "MIT",
        "62 million parameters, 249 MB, downloaded from its authors; wants a GPU",
        MemorySettings(),
    ),
}


@dataclass(frozen=True)
class Loaded:
    """A network ready to run, and what the record of a job says about it.

    Attributes:
        network: on ``device``, in eval mode.
        memory: memory settings for this network.
        name: ``lite`` or ``xmem``.
        path: the file it came from.
        sha256: of that file, in hex.
        licence: of the weights.
        device: where the network is.
        half: whether it computes in half precision.
    """

    network: Network
    memory: MemorySettings
    name: str
    path: Path
    sha256: str
    licence: str
    device: torch.device
    half: bool


def default_folder() -> Path:
    """Where downloaded weights are kept for this user."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "matted" / "weights"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "matted" / "weights"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "matted" / "weights"


def choose_device(name: str | None = None) -> torch.device:
    """The device called ``name`` (``cuda``, ``cuda:1``, ``mps``, ``cpu``); the fastest there is when None.

    Raises:
        DeviceError: device_missing.
    """
    present = ["cpu"]
    if torch.backends.mps.is_available():
        present.insert(0, "mps")
    if torch.cuda.is_available():
        present[:0] = ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name is not None and name not in present:
        raise DeviceError(
            "device_missing", f"there is no device '{name}' here", hint=f"choose one of: {', '.join(present)}"
        )
    return torch.device(name or present[0])


def load(
    name_or_path: str | Path = "lite",
    *,
    device: torch.device | None = None,
    half: bool | None = None,
    folder: Path | None = None,
) -> Loaded:
    """Load a network by name, or XMem from a checkpoint's path.

    Args:
        name_or_path: ``lite``, ``xmem``, or the path of a file in XMem.pth's form.
        device: where to put it; the fastest there is when None.
        half: compute in half precision; only on CUDA, where it is the default.
        folder: where named weights are kept; the user's own when None.

    Raises:
        WeightsError: weights_missing, weights_refused.
        DeviceError: device_missing.
    """
    device = device or choose_device()
    half = device.type == "cuda" if half is None else half and device.type == "cuda"
    path = locate(name_or_path, folder=folder)
    if name_or_path == "lite":
        from matted.network.lite import load_lite

        known, network = KNOWN["lite"], load_lite().to(device)
    else:
        known, network = KNOWN["xmem"], _load_xmem(path, device, half)
    return Loaded(network, known.memory, known.name, path, sha256(path), known.licence, device, half)


def locate(name_or_path: str | Path, *, folder: Path | None = None) -> Path:
    """The file of named weights, or the path itself.

    Raises:
        WeightsError: weights_missing.
    """
    if name_or_path == "lite":
        return Path(__file__).parent / "network" / "lite.safetensors"
    known = KNOWN.get(str(name_or_path))
    path = (folder or default_folder()) / (known.file or "") if known else Path(name_or_path).expanduser()
    if not path.is_file():
        raise WeightsError(
            "weights_missing",
            f"the weights '{name_or_path}' are not at {path}",
            hint="get them with `python install.py --weights xmem`, or give the path of your XMem.pth to --weights",
            path=path,
        )
    return path


def verify(name_or_path: str | Path, *, folder: Path | None = None) -> dict[str, object]:
    """Load weights strictly on the CPU and say what they are, as plain values.

    Raises:
        WeightsError: weights_missing, weights_refused.
    """
    loaded = load(name_or_path, device=torch.device("cpu"), folder=folder)
    assert isinstance(loaded.network, nn.Module)
    return {
        "name": loaded.name,
        "path": str(loaded.path),
        "sha256": loaded.sha256,
        "licence": loaded.licence,
        "parameters": sum(parameter.numel() for parameter in loaded.network.parameters()),
        "sensory": loaded.network.sensory_channels > 0,
    }


def listing(folder: Path | None = None) -> list[dict[str, object]]:
    """Every named network as plain values: name, state, licence, path and note."""
    rows: list[dict[str, object]] = []
    for known in KNOWN.values():
        try:
            path, state = locate(known.name, folder=folder), "here"
        except WeightsError as error:
            path, state = Path(error.path or ""), "not here"
        rows.append(
            {"name": known.name, "state": state, "licence": known.licence, "path": str(path), "note": known.note}
        )
    return rows


def fetch(name: str, folder: Path, progress: Callable[[int, int | None], None] = lambda done, total: None) -> Path:
    """Download named weights, check that they load, and only then put them in place with their sha256 beside them.

    Args:
        name: a name in :data:`KNOWN`.
        folder: where to put them; made when absent.
        progress: told bytes done and the total, None when the server does not say.

    Raises:
        WeightsError: weights_missing (no such name, no connection), weights_refused (not what was published).
        OutputError: disk_full, output_unwritable.
    """
    known = KNOWN.get(name)
    if known is None:
        raise WeightsError(
            "weights_missing", f"there are no weights '{name}'", hint=f"choose one of: {', '.join(KNOWN)}"
        )
    if known.file is None or known.url is None:
        return locate(name)
    path = folder / known.file
    part = path.with_name(path.name + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(error, folder) from error
    try:
        _download(known.url, part, progress)
        _load_xmem(part, torch.device("cpu"), False)
        path.with_name(path.name + ".sha256").write_text(f"{sha256(part)}  {path.name}\n")
        part.replace(path)
    except OSError as error:
        raise _not_written(error, path) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _download(url: str, part: Path, progress: Callable[[int, int | None], None]) -> None:
    try:
        response = urllib.request.urlopen(url, timeout=60)
    except urllib.error.HTTPError as error:
        error.close()
        raise _not_downloaded(url, error) from error
    except (urllib.error.URLError, TimeoutError) as error:
        raise _not_downloaded(url, getattr(error, "reason", error)) from error
    with response, part.open("wb") as file:
        length = response.headers.get("Content-Length")
        total = int(length) if length else None
        done = 0
        while block := _received(response, url):
            file.write(block)
            done += len(block)
            progress(done, total)
    if total is not None and done != total:
        raise _not_downloaded(url, f"the connection ended after {done} of {total} bytes")


def _received(response: Any, url: str) -> bytes:
    """The next block; a lost connection is told apart from a disk that cannot be written."""
    try:
        block: bytes = response.read(1 << 18)
    except OSError as error:
        raise _not_downloaded(url, error) from error
    return block


def _not_downloaded(url: str, reason: object) -> WeightsError:
    return WeightsError(
        "weights_missing",
        f"{url} could not be downloaded: {reason}",
        hint="check the connection or proxy and try again, or copy the file here and give its path to --weights",
    )


def _not_written(error: OSError, path: Path) -> OutputError:
    code = "disk_full" if error.errno == errno.ENOSPC else "output_unwritable"
    hint = "free some space there" if code == "disk_full" else "choose a folder you may write to"
    return OutputError(code, f"{path} could not be written: {error.strerror or error}", hint=hint, path=path)


def _load_xmem(path: Path, device: torch.device, half: bool) -> XMem:
    tensors = _read_checkpoint(path)
    first = "value_encoder.conv1.weight"
    if first in tensors and tensors[first].ndim == 4 and tensors[first].shape[1] == 4:
        # a single-object checkpoint: one more input, the other objects' masks, to which it pays no attention
        tensors[first] = torch.cat((tensors[first], torch.zeros_like(tensors[first][:, :1])), dim=1)
    with torch.device("meta"):
        key, value, sensory = _channels(tensors, path)
        network = XMem(key_channels=key, value_channels=value, sensory_channels=sensory, half=half)
    _check_tensors(network.state_dict(), tensors, path)
    network.to_empty(device=device)
    network.load_state_dict(tensors, strict=True)
    return network.to(memory_format=torch.channels_last)


def _read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, copied lazily from disk where its form allows."""
    if path.stat().st_size == 0:
        raise _refused(path, "the file is empty")
    archive = zipfile.is_zipfile(path)
    if archive and any(name.endswith("/constants.pkl") for name in zipfile.ZipFile(path).namelist()):
        raise _refused(path, "it is a TorchScript program")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except Exception as error:  # a damaged pickle can fail in any way at all
        raise _refused(path, f"it cannot be read as plain tensors ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise _refused(path, f"it holds a {type(content).__name__}")
    wrong = [name for name, value in content.items() if not (isinstance(name, str) and isinstance(value, Tensor))]
    if wrong:
        raise _refused(
            path, f"it holds '{wrong[0]}', which is not a tensor; save that entry alone if it is the network's"
        )
    return dict(content)


def _channels(tensors: dict[str, Tensor], path: Path) -> tuple[int, int, int]:
    """Ck, Cv and Cs as the checkpoint's own shapes say; no sensory entries means the variant without."""
    update = "decoder.hidden_update.transform.weight"
    wanted = ("key_proj.key_proj.weight", "value_encoder.fuser.block2.conv2.weight")
    for name in wanted:
        if name not in tensors or tensors[name].ndim != 4 or not 0 < tensors[name].shape[0] <= 4096:
            raise _refused(path, f"'{name}' is not there as a convolution among its {len(tensors)} tensors")
    key, value = (tensors[name].shape[0] for name in wanted)
    return key, value, len(tensors[update]) // 3 if update in tensors else 0


def _check_tensors(expected: dict[str, Tensor], found: dict[str, Tensor], path: Path) -> None:
    shapes = [
        f"{name} is {_shape(found[name])}, expected {_shape(expected[name])}"
        for name in expected
        if name in found and found[name].shape != expected[name].shape
    ]
    differences = (
        ("missing", [name for name in expected if name not in found]),
        ("not known", [name for name in found if name not in expected]),
        ("of another shape", shapes),
        ("not finite", [name for name, tensor in found.items() if name in expected and not tensor.isfinite().all()]),
    )
    for what, names in differences:
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise _refused(
                path,
                f"of {len(found)} tensors where {len(expected)} belong, {len(names)} are {what}: "
                f"{'; '.join(names[:3])}{more}",
            )


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def _refused(path: Path, found: str) -> WeightsError:
    return WeightsError(
        "weights_refused",
        f"{path} is not an XMem checkpoint (412 plain tensors, 402 without sensory memory): {found}",
        hint="download it anew with `python install.py --weights xmem`, or use --weights lite, which needs no file",
        path=path,
    )
