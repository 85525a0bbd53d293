"""Named arrays kept on disk between frames, so that memory does not grow with the shot and a stopped job resumes.

The engine owns what lies here and nothing else reads it: held probabilities, keys for the suggestions, the state of a
walk. Files are written beside and renamed, so an array is whole or absent.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor


class Scratch:
    """A folder of named groups of tensors.

    Args:
        folder: made on the first ``put``; one propagation at a time may use it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Keep a group of tensors of any shape and dtype under ``name``, replacing what was there.

        Raises:
            OSError: the folder cannot be written, or the disk is full; what was there before stays.
        """
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        try:
            save_file({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, beside)
            beside.replace(path)
        except SafetensorError as error:
            raise OSError(errno.ENOSPC if "os error 28" in str(error) else errno.EIO, str(error), str(path)) from error
        finally:
            beside.unlink(missing_ok=True)

    def get(self, name: str) -> dict[str, Tensor] | None:
        """The tensors kept under ``name``, on the CPU, or None when there are none or the file is damaged."""
        try:
            return load_file(self._path(name))
        except (OSError, SafetensorError):
            return None

    def has(self, name: str) -> bool:
        """Whether anything is kept under ``name``."""
        return self._path(name).exists()

    def drop(self, name: str) -> None:
        """Forget what is kept under ``name``."""
        self._path(name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"


def as_half(tensor: Tensor) -> Tensor:
    """Probabilities are kept in half: 2**-11 of error is a hundredth of an 8-bit step near 1, and half the disk."""
    return tensor.to(torch.float16)
