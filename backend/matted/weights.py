"""Named weights: where they come from, under which licence, and how they become a network on a device."""

from __future__ import annotations

import errno
import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from matted.checkpoint import read_xmem, refused
from matted.errors import DeviceError, OutputError, WeightsError
from matted.memory.bank import MemorySettings
from matted.network import Network
from matted_protocol.connection import data_folder

LITE_MEMORY = MemorySettings(top_k=10, memory_every=2, working_max=4, working_min=3, long_term=False)
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
class Identity:
    """Which weights a job is made with; known without loading them.

    Attributes:
        name: ``lite`` or ``xmem``.
        path: their file.
        sha256: of that file, in hex.
        memory: the memory settings they were made for.
    """

    name: str
    path: Path
    sha256: str
    memory: MemorySettings


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
    return data_folder() / "weights"


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
            "device_missing",
            f"There is no device '{name}' here.",
            hint=f"Choose one of: {', '.join(present)}. A GPU shows up once its driver suits this torch.",
        )
    return torch.device(name or present[0])


def load(
    name_or_path: str | Path = "lite",
    *,
    device: torch.device | None = None,
    half: bool | None = None,
    antialias: bool | None = None,
    folder: Path | None = None,
) -> Loaded:
    """Load a network by name, or XMem from a checkpoint's path.

    Args:
        name_or_path: ``lite``, ``xmem``, or the path of a file in XMem.pth's form.
        device: where to put it; the fastest there is when None.
        half: compute in half precision; only on CUDA, where it is the default.
        antialias: whether plates are downsampled for it with an antialiasing filter; the network's own way when None.
        folder: where named weights are kept; the user's own when None.

    Raises:
        WeightsError: weights_missing, weights_refused.
        DeviceError: device_missing.
    """
    device = device or choose_device()
    half = device.type == "cuda" if half is None else half and device.type == "cuda"
    path = locate(name_or_path, folder=folder)
    network: Network
    if name_or_path == "lite":
        from matted.network.lite import load_lite

        known, network, half = KNOWN["lite"], _moved(load_lite(), device), False
    else:
        known, network = KNOWN["xmem"], read_xmem(path, device=device, half=half)
    if antialias is not None:
        network.antialias = antialias
    return Loaded(network, known.memory, known.name, path, _checked_sha256(path), known.licence, device, half)


def identify(name_or_path: str | Path = "lite", *, folder: Path | None = None) -> Identity:
    """Say which weights these are. The file is read when it is new or has changed, and asked for its time otherwise.

    Args:
        name_or_path: ``lite``, ``xmem``, or the path of a file in XMem.pth's form.
        folder: where named weights are kept; the user's own when None.

    Raises:
        WeightsError: weights_missing, weights_refused.
    """
    path = locate(name_or_path, folder=folder)
    known = KNOWN["lite" if name_or_path == "lite" else "xmem"]
    return Identity(known.name, path, _checked_sha256(path), known.memory)


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
            f"The weights '{name_or_path}' are not at {path}.",
            hint="Get them with `python install.py --weights xmem`, or give the path of your XMem.pth to --weights.",
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
            "weights_missing", f"There are no weights '{name}'.", hint=f"Choose one of: {', '.join(KNOWN)}."
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
        read_xmem(part, device=torch.device("cpu"), half=False)
        digest = sha256(part)
        part.replace(path)
        _digest_file(path).write_text(f"{digest}  {path.name}\n")
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


def _moved(network: Network, device: torch.device) -> Network:
    assert isinstance(network, nn.Module)
    return network.to(device)


def _digest_file(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _checked_sha256(path: Path) -> str:
    """The digest of a file, which must be the one recorded when it was downloaded, if there is a record."""
    stat = path.stat()
    digest = _known_sha256(path, stat.st_size, stat.st_mtime_ns)
    record = _digest_file(path)
    recorded = record.read_text().split()[:1] if record.is_file() else [digest]
    if recorded != [digest]:
        raise refused(path, f"its sha256 is {digest}, but {record.name} says {' '.join(recorded) or 'nothing'}")
    return digest


@lru_cache(maxsize=64)
def _known_sha256(path: Path, size: int, changed: int) -> str:
    """The digest of a file of ``size`` bytes last changed at ``changed`` nanoseconds: read once while it stays so."""
    return sha256(path)


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
        f"{url} could not be downloaded: {reason}.",
        hint="Check the connection or proxy and try again, or copy the file here and give its path to --weights.",
    )


def _not_written(error: OSError, path: Path) -> OutputError:
    code = "disk_full" if error.errno == errno.ENOSPC else "output_unwritable"
    hint = "Free some space there." if code == "disk_full" else "Choose a folder you may write to."
    return OutputError(code, f"{path} could not be written: {error.strerror or error}.", hint=hint, path=path)
