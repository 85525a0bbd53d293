"""Colour: a plate's own values to the display-referred sRGB the networks were trained on.

OpenColorIO (inside OpenImageIO) brings any space to linear Rec.709; exposure, highlight roll-off and the sRGB curve are
ours, so that they are the same under every config. Mattes and masks are data and never pass through here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from matted.errors import SettingError
from matted.media.curve import (
    AP0,
    REC709,
    Linearise,
    by_matrix,
    cineon_to_linear,
    finite,
    linear_to_srgb,
    log_average,
    primaries_matrix,
    roll_off,
    srgb_to_linear,
)
from matted.media.image import Array
from matted.media.ocio import Config

SRGB = "sRGB"
CINEON = "Cineon"
CHROMATICITIES = "linear, by the file's chromaticities"

MIDDLE_GREY = 0.18
"""Linear level the automatic exposure brings a plate's log-average to (Reinhard et al. 2002, section 3.1)."""

_SRGB_NAMES = frozenset({"srgb", "srgb_rec709_scene", "srgb_rec709_display", "srgb - display", "srgb - texture"})
_CINEON_NAMES = frozenset({"cineon", "kodaklog", "printing density"})
_SRGB_ENOUGH = _SRGB_NAMES | {"g22_rec709_scene"}
"""What files say that means sRGB; a PNG's gamma of 1/2.2 is the nearest that gAMA can come to sRGB's curve."""


@dataclass(frozen=True)
class ColorSettings:
    """How a plate's values become display colours.

    Attributes:
        colorspace: the plate's colour space by its name, alias or role in the config; ``sRGB`` and ``Cineon`` are known
            without one. None asks the file: its declared space or chromaticities, else scene-linear for floating point,
            log when a DPX header says so, sRGB for everything else.
        exposure: stops, -20..20, applied in linear light. ``auto`` brings the brightest log-average among the plate's
            first, middle and last frame to middle grey (three, since shots fade in and out) and keeps that for the
            whole shot, so nothing flickers and a plate rendered two stops darker looks the same to the network; it
            leaves display-referred plates alone, as they are exposed already.
        config: OCIO config file or ``ocio://`` name; None is ``BUILT_IN_CONFIG``.

    Raises:
        SettingError: an exposure that is no number of stops from -20 to 20.
    """

    colorspace: str | None = None
    exposure: float | Literal["auto"] = "auto"
    config: str | None = None

    def __post_init__(self) -> None:
        if self.exposure == "auto":
            return
        if isinstance(self.exposure, str) or not abs(self.exposure) <= 20:
            message = f"The exposure '{self.exposure}' is not a number of stops."
            raise SettingError("bad_setting", message, hint="Give 'auto' or stops from -20 to 20, such as 1.5.")


@dataclass(frozen=True)
class FileColor:
    """What a file says about its colour.

    Attributes:
        file_format: OpenImageIO's name, or ``movie``.
        is_float: half or float pixels.
        declared: ``oiio:ColorSpace``.
        transfer: ``dpx:Transfer``.
        chromaticities: x, y of red, green, blue and white.
        is_aces: an ACES container (SMPTE ST 2065-4).
    """

    file_format: str
    is_float: bool
    declared: str | None = None
    transfer: str | None = None
    chromaticities: tuple[float, ...] | None = None
    is_aces: bool = False


class ColorTransform:
    """One plate's colour, decided once.

    Raises:
        ColorError: the config cannot be used, or has no such colour space.
    """

    colorspace: str
    """The space the plate is read in, as the config names it."""
    scene_referred: bool
    """Whether values go beyond display white: linear and log plates do, sRGB ones do not."""

    def __init__(self, settings: ColorSettings, file: FileColor) -> None:
        self._auto = settings.exposure == "auto"
        self._gain = 1.0 if settings.exposure == "auto" else 2.0 ** float(settings.exposure)
        name = settings.colorspace or _guess(file)
        self._linearise: Linearise
        if name is None or name.lower() in _SRGB_NAMES:
            self.colorspace, self.scene_referred, self._linearise = SRGB, False, srgb_to_linear
        elif name.lower() in _CINEON_NAMES:
            self.colorspace, self.scene_referred, self._linearise = CINEON, True, cineon_to_linear
        elif name == CHROMATICITIES:
            matrix = primaries_matrix(file.chromaticities or AP0, REC709)
            self.colorspace, self.scene_referred, self._linearise = name, True, by_matrix(matrix)
        else:
            config = Config(settings.config)
            self.colorspace = config.find(name)
            self._linearise = config.linearise(self.colorspace)
            white = self._linearise(np.ones((1, 1, 3), np.float32))
            self.scene_referred = config.is_linear(self.colorspace) or float(white.max()) > 1.5
            if config.is_data(self.colorspace):  # "raw": as it is, like sRGB
                self.scene_referred, self._linearise = False, srgb_to_linear

    @property
    def needs_anchor(self) -> bool:
        """Whether :meth:`anchor` must see some of the shot before anything is converted."""
        return self._auto and self.scene_referred

    def anchor(self, frames: Iterable[Array]) -> None:
        """Fix the automatic exposure from frames (H, W, 3) in the plate's space. Limited to 10 stops either way."""
        if self.needs_anchor:
            level = max((log_average(self._light(frame)) for frame in frames), default=0.0)
            self._gain = float(np.clip(MIDDLE_GREY / level, 2.0**-10, 2.0**10)) if level > 0 else 1.0

    def __call__(self, pixels: Array) -> Array:
        """Convert (H, W, 3) float32 in the plate's space to display-referred sRGB, 0..1, finite.

        An sRGB plate at its own exposure passes through untouched. Otherwise highlights above ``KNEE`` roll off towards
        1 without reaching it, NaN and negatives become 0.
        """
        if self._linearise is srgb_to_linear and self._gain == 1.0:
            return finite(pixels).clip(0.0, 1.0)
        display = linear_to_srgb(np.maximum(self._light(pixels) * np.float32(self._gain), 0.0))
        if not self.scene_referred and self._gain == 1.0:
            return display.clip(0.0, 1.0)
        return roll_off(display)

    def _light(self, pixels: Array) -> Array:
        return finite(self._linearise(finite(pixels)))


def _guess(file: FileColor) -> str | None:
    """The space a file is in when nobody says; None is sRGB.

    What the file measures (a log transfer, chromaticities) wins over the name it gives. A bare floating-point file is
    linear Rec.709, as the OpenEXR specification has it for files without chromaticities.
    """
    if file.transfer in ("Printing density", "Logarithmic") or file.file_format == "cineon":
        return CINEON
    if file.chromaticities is not None and len(file.chromaticities) == 8 and _usable(file.chromaticities):
        return CHROMATICITIES
    if file.is_aces:
        return CHROMATICITIES
    if file.declared:
        return None if file.declared.lower() in _SRGB_ENOUGH else file.declared
    if file.is_float or file.transfer == "Linear":
        return "scene_linear"
    return None


def _usable(chromaticities: tuple[float, ...]) -> bool:
    """Whether the primaries span a triangle and white is a colour (damaged headers hold zeros)."""
    if not all(math.isfinite(value) for value in chromaticities) or chromaticities[7] <= 0:
        return False
    red, green, blue = (np.array(chromaticities[index : index + 2]) for index in (0, 2, 4))
    return bool(abs(np.linalg.det(np.stack([green - red, blue - red]))) > 1e-4)
