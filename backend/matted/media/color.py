"""Colour: a plate's own values to the display-referred sRGB the networks were trained on.

OpenColorIO (inside OpenImageIO) brings any space to linear Rec.709; exposure, highlight roll-off and the sRGB curve are
ours, so that they are the same under every config. Mattes and masks are data and never pass through here.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from matted.errors import ColorError, SettingError
from matted.media.image import Array

BUILT_IN_CONFIG = "ocio://studio-config-v2.2.0_aces-v1.3_ocio-v2.4"
"""Pinned by name: ``ocio://default`` changes with the OpenColorIO inside the wheel. The studio config, since only it
knows the cameras' log spaces."""

SRGB = "sRGB"
CINEON = "Cineon"
CHROMATICITIES = "linear, by the file's chromaticities"

MIDDLE_GREY = 0.18
"""Linear level the automatic exposure brings a plate's log-average to (Reinhard et al. 2002, section 3.1)."""

KNEE = 0.8
"""Display level above which highlights roll off."""

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_BRIGHTEST = 65504.0
_REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
_AP0 = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
_SRGB_NAMES = frozenset({"srgb", "srgb_rec709_scene", "srgb_rec709_display", "srgb - display", "srgb - texture"})
_CINEON_NAMES = frozenset({"cineon", "kodaklog", "printing density"})
_SRGB_ENOUGH = _SRGB_NAMES | {"g22_rec709_scene"}
"""What files say that means sRGB; a PNG's gamma of 1/2.2 is the nearest that gAMA can come to sRGB's curve."""
_LINEAR_REC709 = ("lin_rec709_scene", "lin_rec709", "Linear Rec.709 (sRGB)", "lin_srgb", "Utility - Linear - sRGB")

Linearise = Callable[[Array], Array]


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
            matrix = primaries_matrix(file.chromaticities or _AP0, _REC709)
            self.colorspace, self.scene_referred, self._linearise = name, True, _by_matrix(matrix)
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
            return _finite(pixels).clip(0.0, 1.0)
        display = linear_to_srgb(np.maximum(self._light(pixels) * np.float32(self._gain), 0.0))
        if not self.scene_referred and self._gain == 1.0:
            return display.clip(0.0, 1.0)
        return roll_off(display)

    def _light(self, pixels: Array) -> Array:
        return _finite(self._linearise(_finite(pixels)))


def srgb_to_linear(display: Array) -> Array:
    """Decode sRGB (IEC 61966-2-1); the curve goes on above 1 and is mirrored below 0. Any shape, float32."""
    size = np.abs(display)
    decoded = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.copysign(decoded, display), np.float32)


def linear_to_srgb(light: Array) -> Array:
    """Encode linear Rec.709, 0 and up, to sRGB (IEC 61966-2-1); the curve goes on above 1. Any shape, float32."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def roll_off(display: Array) -> Array:
    """Bend values above ``KNEE`` towards 1: x / (1 + x) over the room left, so slope 1 at the knee and no hard clip.

    Args:
        display: encoded values, 0 and up.

    Returns:
        Same shape, 0..1, monotonic.
    """
    room = 1.0 - KNEE
    over = np.maximum(display - KNEE, 0.0) / room
    bent = np.minimum(KNEE + room * over / (1.0 + over), 1.0)
    return np.where(display <= KNEE, display, bent).astype(np.float32)


def cineon_to_linear(code: Array) -> Array:
    """Decode Cineon printing density, 0..1 over 10 bits: white 685, black 95, 0.002 density a code, negative gamma 0.6.

    Kodak, "Conversion of 10-bit Log Film Data to 8-bit Linear or Video Data for the Cineon Digital Film System", 1995.
    """
    black = 10.0 ** ((95 - 685) * 0.002 / 0.6)
    light = 10.0 ** ((np.minimum(code, 4.0) * 1023.0 - 685.0) * (0.002 / 0.6))
    return np.asarray((light - black) / (1.0 - black), np.float32)


def log_average(light: Array) -> float:
    """The log-average luminance of a linear Rec.709 frame (H, W, 3); 0 when it is empty.

    It scales with the frame, exactly: near-black (below a thousandth of the 99th percentile) and empty pixels are left
    out by a threshold that scales too.
    """
    rows = max(1, light.shape[0] // 512)
    columns = max(1, light.shape[1] // 512)
    luminance = (light[::rows, ::columns] @ _LUMINANCE).astype(np.float64)
    seen = luminance[luminance > 0]
    if seen.size == 0:
        return 0.0
    return float(np.exp(np.log(seen[seen >= np.percentile(seen, 99) / 1000]).mean()))


def primaries_matrix(source: tuple[float, ...], target: tuple[float, ...]) -> NDArray[np.float64]:
    """The 3x3 matrix from linear RGB of one set of chromaticities to another.

    Args:
        source: x, y of red, green, blue and white.
        target: the same.

    RGB to XYZ as in SMPTE RP 177; white adapted by Bradford (Lam 1985).
    """
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    cones = (bradford @ _white(target)) / (bradford @ _white(source))
    adapt = np.linalg.inv(bradford) @ np.diag(cones) @ bradford
    matrix: NDArray[np.float64] = np.linalg.inv(_to_xyz(target)) @ adapt @ _to_xyz(source)
    return matrix


def _white(chromaticities: tuple[float, ...]) -> NDArray[np.float64]:
    x, y = chromaticities[6], chromaticities[7]
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _to_xyz(chromaticities: tuple[float, ...]) -> NDArray[np.float64]:
    columns = np.array([[x, y, 1 - x - y] for x, y in zip(chromaticities[0:6:2], chromaticities[1:6:2], strict=True)]).T
    scaled: NDArray[np.float64] = columns * np.linalg.solve(columns, _white(chromaticities))
    return scaled


def _guess(file: FileColor) -> str | None:
    """The space a file is in when nobody says; None is sRGB.

    A declared space wins, then chromaticities. A bare floating-point file is linear Rec.709, as the OpenEXR
    specification has it for files without chromaticities.
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


def _finite(pixels: Array) -> Array:
    """NaN is 0; nothing is further from it than half floats go, so that no curve overflows."""
    return np.nan_to_num(np.clip(pixels, -_BRIGHTEST, _BRIGHTEST), nan=0.0)


def _by_matrix(matrix: NDArray[np.float64]) -> Linearise:
    transposed = matrix.T.astype(np.float32)
    return lambda pixels: np.asarray(pixels @ transposed, np.float32)


class Config:
    """An OCIO config through OpenImageIO, which fails open: every answer is checked."""

    def __init__(self, name: str | None) -> None:
        self.name = name or BUILT_IN_CONFIG
        self._ocio = oiio.ColorConfig(self.name)
        said = self._ocio.geterror()
        if said or self._ocio.configname() == "built-in":
            message = f"The OCIO config {self.name} cannot be used: {said or 'OpenColorIO does not know it'}."
            hint = "Check --ocio-config or $OCIO, or unset it to use matted's own config."
            raise ColorError("color_config", message, hint=hint, path=self.name)
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
        """The way from a space to linear Rec.709; one matrix when that is all it takes."""
        target, onward = self._target()
        convert = self._converter(name, target, onward)
        probes = np.array([np.eye(3), 4 * np.eye(3), [[0, 0, 0], [0.5, 2, -1], [8, 0.1, 3]]], np.float32)
        seen = convert(probes)
        matrix = seen[0].T
        if np.allclose(seen, probes @ matrix.T, rtol=1e-4, atol=1e-4):
            return _by_matrix(matrix.astype(np.float64))
        return convert

    def _target(self) -> tuple[str, NDArray[np.float64]]:
        """A space every other can be brought to, and the matrix from there to Rec.709."""
        for name in _LINEAR_REC709:
            if self._knows(name):
                return name, np.eye(3)
        if self._knows("aces_interchange"):
            return "aces_interchange", primaries_matrix(_AP0, _REC709)
        if self._knows("scene_linear"):  # an old config without interchange roles: its linear is taken for Rec.709
            return "scene_linear", np.eye(3)
        message = f"The OCIO config {self.name} has neither a linear Rec.709 space nor a scene_linear role."
        raise ColorError("color_config", message, hint="Use another config, or matted's own.", path=self.name)

    def _converter(self, name: str, target: str, onward: NDArray[np.float64]) -> Linearise:
        turn = _by_matrix(onward)

        def convert(pixels: Array) -> Array:
            source = oiio.ImageBuf(np.ascontiguousarray(pixels, np.float32))
            result: Any = oiio.ImageBufAlgo.colorconvert(
                source, name, target, unpremult=False, colorconfig=self.name, nthreads=1
            )
            if result.has_error:
                message = f"OpenColorIO cannot convert from '{name}': {result.geterror()}."
                raise ColorError("color_space", message, hint="Choose another --colorspace.", path=self.name)
            return turn(_finite(np.asarray(result.get_pixels(oiio.FLOAT), np.float32).reshape(pixels.shape)))

        return convert

    def _knows(self, name: str) -> bool:
        return bool(self._ocio.getColorSpaceIndex(self._ocio.resolve(name)) >= 0)
