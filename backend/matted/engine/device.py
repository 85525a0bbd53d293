"""One error for every way a device says that its memory is spent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from matted.errors import DeviceError

_SAID = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "alloc_failed")
"""What torch's own errors say, in small letters: CUDA, MPS, the CPU's allocator on each system, cuBLAS."""


@contextmanager
def memory_errors(frame: Callable[[], int | None]) -> Iterator[None]:
    """Within, running out of memory is a :class:`DeviceError`.

    Args:
        frame: which frame is at work, asked when it happens; None when it is no single one.

    Raises:
        DeviceError: out_of_memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        at = frame()
        where = "" if at is None else f" at frame {at}"
        raise DeviceError(
            "out_of_memory",
            f"The device ran out of memory{where}.",
            hint="Lower the working size, or close other programs on the device.",
            frame=at,
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that there is no memory left, on the device or beside it."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _SAID)
