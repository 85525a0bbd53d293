"""What comes back from the daemon: where the mattes lie, and shapes with their numbers."""

from __future__ import annotations

import re
import struct
from pathlib import Path, PurePosixPath

from matted_plugin.host import HostError, Mattes, Shape
from matted_plugin.state import State
from matted_protocol.client import Received

_NUMBER = re.compile(r"(-?\d+)(?=\.[^.]+$)")


def unnumbered(name: str) -> str:
    """The name of a frame's file as a pattern: ``hero/hero.%04d.exr``."""
    return _NUMBER.sub("%04d", name)


def mattes_of(known: State, *, complete: bool) -> Mattes | None:
    """The mattes there are; None before the first."""
    if not (known.folder and known.files and known.frames):
        return None
    root = PurePosixPath(known.folder.replace("\\", "/"))
    first, last = known.frames
    whole = complete and known.total == last - first + 1  # frames left out by a step have no matte
    if len(known.files) == len(known.objects) and known.files[0].count("/"):
        patterns = {PurePosixPath(name).parts[0]: str(root / name) for name in known.files}
        return Mattes(patterns, (first, last), whole)
    names = [""] if len(known.files) == 1 else [PurePosixPath(name).name.split(".")[0] for name in known.files]
    patterns = {name: str(root / file) for name, file in zip(names, known.files)}
    return Mattes(patterns, (first, last), whole, tuple(known.objects))


def new_version(out: str) -> str:
    """Make ``<out>/v001``, or the next that is not there yet.

    Raises:
        HostError: it cannot be made.
    """
    root = Path(out)
    number = 1 + max((int(one.name[1:]) for one in root.glob("v[0-9]*") if one.name[1:].isdigit()), default=0)
    while True:
        folder = root / f"v{number:03d}"
        try:
            folder.mkdir(parents=True)
            return folder.as_posix()
        except FileExistsError:
            number += 1
        except OSError as error:
            raise HostError(
                f"The folder {folder} cannot be made: {error.strerror}.", "Choose another folder for the mattes."
            ) from error


def unpack(traced: Received) -> list[Shape]:
    """The shapes of a ``trace`` reply with their numbers."""
    shapes = []
    for told, buffer in zip(traced.body.shapes, traced.buffers):
        keys = struct.iter_unpack(f"<{told.points * 6}f", buffer)
        points = tuple(tuple(key[at : at + 6] for at in range(0, len(key), 6)) for key in keys)
        shapes.append(Shape(told.object, told.name, told.frames, points, told.lifetime, told.hole, told.size))
    return shapes
