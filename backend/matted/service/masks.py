"""Masks as they come in: a copy is kept by its content, once it has been read as a job will read it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from matted.batch.keyframes import UNNAMED
from matted.errors import MaskError, RequestError
from matted.media.mask import read_masks
from matted.media.spool import SUFFIX, write_pixels
from matted.service.store import MaskRow, Store
from matted_protocol.messages import SetKeyframe

MAX_MASK = 2**30
"""Bytes of a mask file."""

_HOSTILE = re.compile(r"[^\w.-]+", re.ASCII)


@dataclass(frozen=True)
class Masks:
    """Takes in masks.

    Attributes:
        store: where they are kept.
    """

    store: Store

    def keep_file(self, body: SetKeyframe, path: Path, size: tuple[int, int]) -> MaskRow:
        """Keep a copy of a file of this machine.

        Raises:
            MaskError: it is not there, or cannot be used with a plate of this ``size``.
            RequestError: ``too_large``.
        """
        if not path.is_file():
            message = f"The mask of frame {body.frame}, {path}, does not exist."
            raise MaskError("mask_missing", message, hint="Check the path of the mask.", path=path, frame=body.frame)
        if path.stat().st_size > MAX_MASK:
            message = f"The mask {path} is {path.stat().st_size / 2**30:.1f} GiB."
            raise RequestError("too_large", message, hint="Export the mask alone, compressed.", path=path)
        try:
            content = path.read_bytes()
        except OSError as error:
            message = f"The mask of frame {body.frame}, {path}, cannot be read: {error.strerror}."
            hint = "Let whoever runs the daemon read it."
            raise MaskError("mask_unreadable", message, hint=hint, path=path, frame=body.frame) from error
        with self.store.workspace() as folder:
            copy = Path(folder) / path.name
            copy.write_bytes(content)
            return self._checked(body, copy, path, size)

    def keep_pixels(self, body: SetKeyframe, buffer: memoryview, size: tuple[int, int]) -> MaskRow:
        """Keep a raw buffer as a file.

        Raises:
            MaskError: it cannot be used with a plate of this ``size``.
            RequestError: ``bad_request``: its channels are no picture.
        """
        pixels = body.pixels
        assert pixels is not None
        name = _HOSTILE.sub("-", body.object or "mask")[:64]
        with self.store.workspace() as folder:
            copy = Path(folder) / f"{name}.{body.frame}{SUFFIX[pixels.dtype]}"
            size_sent = (pixels.width, pixels.height)
            write_pixels(copy, buffer, size=size_sent, channels=pixels.channels, dtype=pixels.dtype, compression="zip")
            return self._checked(body, copy, Path(copy.name), size)

    def _checked(self, body: SetKeyframe, copy: Path, named: Path, size: tuple[int, int]) -> MaskRow:
        """Read a copy of the mask once, then keep it: what cannot be used is refused now, not in the middle of a job.

        Raises:
            MaskError: it tells of the file as the client ``named`` it.
        """
        try:
            found = read_masks(copy, size=size, frame=body.frame, layer=body.layer, pick=body.pick)
        except MaskError as error:
            message, hint = (text.replace(str(copy), str(named)) for text in (error.message, error.hint))
            raise MaskError(error.code, message, hint=hint, path=named, frame=error.frame) from error
        names = (body.object,) if body.object is not None else tuple(object_ or UNNAMED for object_ in found)
        sha256 = self.store.keep_mask(copy.read_bytes(), copy.name)
        return MaskRow(body.frame, body.object, copy.name, sha256, names, body.layer, body.pick)
