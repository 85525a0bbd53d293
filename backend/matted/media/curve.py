"""The arithmetic of colour: curves and matrices between encoded values and light, the same under every OCIO config."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from matted.media.image import Array

Linearise = Callable[[Array], Array]
"""The way from a plate's own values (H, W, 3) to linear Rec.709."""

BRIGHTEST = 65504.0
"""The largest half float."""

KNEE = 0.8
"""Display level above which highlights roll off."""

REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
"""x, y of red, green, blue and white of ITU-R BT.709."""

AP0 = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
"""x, y of red, green, blue and white of ACES2065-1 (SMPTE ST 2065-1)."""

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


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


def finite(pixels: Array) -> Array:
    """NaN is 0; nothing is further from it than half floats go, so that no curve overflows."""
    return np.nan_to_num(np.clip(pixels, -BRIGHTEST, BRIGHTEST), nan=0.0)


def by_matrix(matrix: NDArray[np.float64]) -> Linearise:
    """The way from linear RGB (H, W, 3) through a 3x3 matrix."""
    transposed = matrix.T.astype(np.float32)
    return lambda pixels: np.asarray(pixels @ transposed, np.float32)
