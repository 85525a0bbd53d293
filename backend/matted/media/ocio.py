"""OpenColorIO through OpenImageIO: named colour spaces to linear Rec.709."""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from matted.errors import ColorError
from matted.media.curve import AP0, REC709, Linearise, by_matrix, finite, primaries_matrix, srgb_to_linear
from matted.media.image import Array

BUILT_IN_CONFIG = "ocio://studio-config-v2.2.0_aces-v1.3_ocio-v2.4"
"""Pinned by name: ``ocio://default`` changes with the OpenColorIO inside the wheel. The studio config, since only it
knows the cameras' log spaces."""

_LINEAR_REC709 = ("lin_rec709_scene", "lin_rec709", "Linear Rec.709 (sRGB)", "lin_srgb", "Utility - Linear - sRGB")


@lru_cache(maxsize=8)
def _load(name: str, changed: int) -> oiio.ColorConfig:
    """A config, loaded once until its file changes: it takes a sixth of a second.

    Raises:
        ColorError: ``color_config``.
    """
    config = oiio.ColorConfig(name)
    said = config.geterror()
    if said or config.configname() == "built-in":
        message = f"The OCIO config {name} cannot be used: {said or 'OpenColorIO does not know it'}."
        raise ColorError(
            "color_config", message, hint="Check $OCIO, or unset it to use matted's own config.", path=name
        )
    return config


class Config:
    """An OCIO config through OpenImageIO, which fails open: every answer is checked."""

    def __init__(self, name: str | None) -> None:
        self.name = name or BUILT_IN_CONFIG
        path = Path(self.name)
        self._ocio = _load(self.name, path.stat().st_mtime_ns if path.is_file() else 0)
        self._built_in = name is None

    def find(self, name: str) -> str:
        """The config's own name for a space, alias or role."""
        if name == "scene_linear" and self._built_in:
            return str(self._ocio.resolve("lin_rec709_scene"))
        if self._knows(name):
            return str(self._ocio.resolve(name))
        names = [*self._ocio.getColorSpaceNames(), *self._ocio.getRoles()]
        exact = {known.lower(): known for known in names}.get(name.lower())
        if exact is not None:
            return str(self._ocio.resolve(exact))
        lowered = {known.lower(): known for known in names}
        close = [lowered[key] for key in difflib.get_close_matches(name.lower(), lowered, n=4, cutoff=0.4)]
        message = f"The OCIO config {self.name} has no colour space '{name}'."
        hint = f"Did you mean {', '.join(close)}?" if close else f"Choose one of {', '.join(names[:12])}."
        raise ColorError("color_space", message, hint=hint, path=self.name)

    def is_linear(self, name: str) -> bool:
        """Whether a space is linear in light, as far as the config can tell."""
        return bool(self._ocio.isColorSpaceLinear(name))

    def is_data(self, name: str) -> bool:
        """Whether a space holds numbers that are no colours."""
        return bool(self._ocio.isData(name))

    def linearise(self, name: str) -> Linearise:
        """The way from a space to linear Rec.709; one matrix, or the curve of sRGB, when that is all it takes: asking
        OpenColorIO costs a twentieth of a second a picture.
        """
        target, onward = self._target()
        convert = self._converter(name, target, onward)
        ramp = np.linspace(0, 1, 1024, dtype=np.float32)
        ramps = np.stack([ramp, ramp[::-1], ramp / 2], -1)[None]
        if np.allclose(convert(ramps), srgb_to_linear(ramps), rtol=0, atol=1e-4):
            return srgb_to_linear
        probes = np.array([np.eye(3), 4 * np.eye(3), [[0, 0, 0], [0.5, 2, -1], [8, 0.1, 3]]], np.float32)
        seen = convert(probes)
        matrix = seen[0].T
        if np.allclose(seen, probes @ matrix.T, rtol=1e-4, atol=1e-4):
            return by_matrix(matrix.astype(np.float64))
        return convert

    def _target(self) -> tuple[str, NDArray[np.float64]]:
        """A space every other can be brought to, and the matrix from there to Rec.709."""
        for name in _LINEAR_REC709:
            if self._knows(name):
                return name, np.eye(3)
        if self._knows("aces_interchange"):
            return "aces_interchange", primaries_matrix(AP0, REC709)
        if self._knows("scene_linear"):  # an old config without interchange roles: its linear is taken for Rec.709
            return "scene_linear", np.eye(3)
        message = f"The OCIO config {self.name} has neither a linear Rec.709 space nor a scene_linear role."
        raise ColorError("color_config", message, hint="Use another config, or matted's own.", path=self.name)

    def _converter(self, name: str, target: str, onward: NDArray[np.float64]) -> Linearise:
        turn = by_matrix(onward)

        def convert(pixels: Array) -> Array:
            source = oiio.ImageBuf(np.ascontiguousarray(pixels, np.float32))
            result: Any = oiio.ImageBufAlgo.colorconvert(
                source, name, target, unpremult=False, colorconfig=self.name, nthreads=1
            )
            if result.has_error:
                message = f"OpenColorIO cannot convert from '{name}': {result.geterror()}."
                raise ColorError("color_space", message, hint="Choose another --colorspace.", path=self.name)
            return turn(finite(np.asarray(result.get_pixels(oiio.FLOAT), np.float32).reshape(pixels.shape)))

        return convert

    def _knows(self, name: str) -> bool:
        return bool(self._ocio.getColorSpaceIndex(self._ocio.resolve(name)) >= 0)
