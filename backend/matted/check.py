"""What this machine has for matted, and what to do about what it lacks."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass

import OpenImageIO as oiio
import torch

import matted
from matted.errors import MattedError
from matted.media.ocio import Config
from matted.weights import default_folder, verify
from matted_protocol.client import Client
from matted_protocol.connection import connection_file, read_connection, running
from matted_protocol.errors import DaemonError


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: what.
        ok: whether mattes can be made with it as it is.
        found: what is there.
        remedy: what to do to have it, or have it better; empty when there is nothing to do.
    """

    name: str
    ok: bool
    found: str
    remedy: str = ""


def check_all(*, ocio: str | None) -> list[Finding]:
    """Look at everything; ``ocio`` is the user's OCIO config, as ``$OCIO`` names it."""
    weights = [_weights(name) for name in ("lite", "xmem")]
    return [_python(), _device(), *weights, _openimageio(), _ocio(ocio), _disk(), _daemon()]


def _python() -> Finding:
    return Finding("Python", True, f"{platform.python_version()}, torch {torch.__version__}")


def _device() -> Finding:
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        return Finding(
            "GPU", True, f"{torch.cuda.get_device_name()}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        )
    if torch.backends.mps.is_available():
        return Finding("GPU", True, "Apple GPU (mps)")
    return Finding(
        "GPU",
        True,
        f"none; the {torch.get_num_threads()} CPU threads are used",
        "lite runs on the CPU; for xmem at speed, install an NVIDIA driver that this torch supports",
    )


def _weights(name: str) -> Finding:
    try:
        report = verify(name, folder=default_folder())
    except MattedError as error:
        return Finding(f"weights {name}", name != "lite", error.message, error.hint)
    return Finding(f"weights {name}", True, f"{report['path']}, sha256 {str(report['sha256'])[:12]}…")


def _openimageio() -> Finding:
    formats = {entry.partition(":")[0] for entry in oiio.get_string_attribute("extension_list").split(";")}
    lacking = {"openexr", "png", "jpeg", "tiff", "dpx"} - formats
    if lacking:
        return Finding(
            "OpenImageIO",
            False,
            f"{oiio.__version__} without {', '.join(sorted(lacking))}",
            "pip install -U OpenImageIO",
        )
    return Finding("OpenImageIO", True, f"{oiio.__version__}, reads EXR, DPX, TIFF, PNG and JPEG")


def _ocio(config: str | None) -> Finding:
    try:
        opened = Config(config)
    except MattedError as error:
        return Finding("OCIO config", False, error.message, error.hint)
    return Finding("OCIO config", True, f"{opened.name} ({'from $OCIO' if config else 'built in'})")


def _disk() -> Finding:
    free = shutil.disk_usage(".").free
    found = f"{free / 2**30:.1f} GiB free here"
    if free < 2**30:
        return Finding("disk", False, found, "free some space: mattes of a 2K shot take about 1 MB a frame")
    return Finding("disk", True, found)


def _daemon() -> Finding:
    try:
        connection = read_connection(connection_file())
    except DaemonError as error:
        if error.code != "connection_missing":
            return Finding("daemon", False, error.message, error.hint)
        return Finding("daemon", True, "none runs", "matted serve starts one; every command works without, too")
    if not connection.endpoint or running(connection.pid) is False:
        return Finding("daemon", True, "none runs now", "matted serve starts it; every command works without, too")
    try:
        with Client.connect(name="matted check", start=False, timeout=10.0) as client:
            status = client.status()
    except DaemonError as error:
        return Finding("daemon", False, error.message, error.hint)
    found = f"matted {status.matted} at {status.endpoint}, {status.running} jobs running, {status.queued} waiting"
    if status.matted != matted.__version__:
        return Finding("daemon", False, found, f"this is matted {matted.__version__}: matted stop, then matted serve")
    return Finding("daemon", True, found)
