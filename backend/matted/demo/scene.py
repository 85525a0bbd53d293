"""The demo's scene: a ball bouncing behind a fence post and a kite above it, with exactly known mattes.

Everything is drawn from formulas and seeded noise, so any size and any moment can be drawn again. Lengths are in
frame heights, times in frames, colours in scene-linear ACEScg where 0.18 is mid grey.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]

PACE = 48
"""Frames in which the ball crosses the field; a longer shot goes on at the same speed."""

_HORIZON = 0.6
_GROUND = 0.9
_SUN = np.array([0.46, 0.17])
_LIGHT = np.array([-0.5, -0.68, 0.53])
_SHUTTER = 0.5
_SAMPLES = 8


@dataclass(frozen=True)
class Drawing:
    """One frame of the scene.

    Attributes:
        plate: (H, W, 3) float32, scene-linear ACEScg, with highlights above 1 and grain that dips below 0.
        mattes: per object (H, W) float32 0..1: the share of the pixel and of the shutter time it is seen in.
    """

    plate: Pixels
    mattes: dict[str, Pixels]


@dataclass(frozen=True)
class _Layer:
    """What covers a part of the frame: ``color`` (h, w, 3), ``coverage`` (h, w) 0..1, at ``rows`` and ``columns``."""

    color: Pixels
    coverage: Pixels
    rows: slice
    columns: slice

    def over(self, picture: Pixels) -> None:
        """Lay the colour over (H, W, 3)."""
        patch = picture[self.rows, self.columns]
        patch += self.coverage[..., None] * (self.color - patch)

    def hide(self, matte: Pixels) -> None:
        """Take the covered part out of a matte (H, W) that lies behind."""
        matte[self.rows, self.columns] *= 1 - self.coverage


class Scene:
    """The scene at one frame size.

    Args:
        width: pixels.
        height: pixels.
        seed: of every texture and of the grain.
    """

    objects = ("ball", "kite")

    def __init__(self, width: int, height: int, *, seed: int = 7) -> None:
        self._width, self._height, self._seed = width, height, seed
        random = np.random.default_rng(seed)
        self._coarse, self._fine = _texture(random, roughness=1.7), _texture(random, roughness=0.9)
        rows = (np.arange(int(height * 1.12)) + 0.5) / height
        columns = (np.arange(int(width * 1.05 + 0.2 * height)) + 0.5) / height
        self._backdrop = _backdrop(rows[:, None], columns[None, :], self._coarse, self._fine)

    def draw(self, time: float) -> Drawing:
        """Draw the moment ``time``, in frames since the start, with the shutter half a frame open around it."""
        plate = np.zeros((self._height, self._width, 3), np.float32)
        mattes = {name: np.zeros((self._height, self._width), np.float32) for name in self.objects}
        backdrop = self._background(time)
        for index in range(_SAMPLES):
            self._sample(time + _SHUTTER * ((index + 0.5) / _SAMPLES - 0.5), _jitter(index), backdrop, plate, mattes)
        share = np.float32(1 / _SAMPLES)
        return Drawing(self._grain(plate * share, time), {name: matte * share for name, matte in mattes.items()})

    def _sample(
        self, time: float, jitter: npt.NDArray[np.float64], backdrop: Pixels, plate: Pixels, mattes: dict[str, Pixels]
    ) -> None:
        """Add the scene at one instant to the sums ``plate`` and ``mattes``."""
        kite, ball, post = self._kite(time, jitter), self._ball(time, jitter), self._post(time, jitter)
        picture = backdrop.copy()
        self._shadow(time).over(picture)
        for layer in (kite, ball, post):
            layer.over(picture)
        plate += picture
        for name, layer, in_front in (("kite", kite, (ball, post)), ("ball", ball, (post,))):
            seen = np.zeros_like(mattes[name])
            seen[layer.rows, layer.columns] = layer.coverage
            for other in in_front:
                other.hide(seen)
            mattes[name] += seen

    def _background(self, time: float) -> Pixels:
        top, left = (_camera(time) + 0.03) * self._height
        return _shifted(self._backdrop, top, left, self._height, self._width)

    def _grain(self, plate: Pixels, time: float) -> Pixels:
        """Film-like grain: coarser than a pixel, stronger where there is light."""
        random = np.random.default_rng([self._seed, round(time * 1000) & 0xFFFFFFFF])
        noise = random.standard_normal((self._height + 1, self._width + 1, 3), np.float32)
        noise = noise[:-1] + noise[1:]
        noise = (noise[:, :-1] + noise[:, 1:]) * np.float32(0.5)
        grainy: Pixels = plate + noise * (np.float32(0.003) + np.float32(0.02) * np.sqrt(np.clip(plate, 0, 1)))
        return grainy

    def _around(
        self, center: npt.NDArray[np.float64], reach: float | tuple[float, float]
    ) -> tuple[slice, slice, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The slices of a box around ``center`` (y, x), cut to the frame, and y and x from the centre in heights."""
        top, left = np.floor((center - np.array(reach)) * self._height).astype(int)
        bottom, right = np.ceil((center + np.array(reach)) * self._height).astype(int)
        rows = slice(min(max(top, 0), self._height), min(max(bottom, 0), self._height))
        columns = slice(min(max(left, 0), self._width), min(max(right, 0), self._width))
        y = (np.arange(rows.start, rows.stop) + 0.5) / self._height - center[0]
        x = (np.arange(columns.start, columns.stop) + 0.5) / self._height - center[1]
        return rows, columns, y[:, None], x[None, :]

    def _coverage(self, distance: npt.NDArray[np.float64], softness: float = 1.0) -> Pixels:
        """How much of each pixel lies inside an edge ``distance`` heights away (negative inside)."""
        coverage: Pixels = np.clip(0.5 - distance * self._height / softness, 0, 1).astype(np.float32)
        return coverage

    def _ball(self, time: float, jitter: npt.NDArray[np.float64]) -> _Layer:
        center, radius = _ball_at(time)
        rows, columns, y, x = self._around(center - _camera(time) + jitter / self._height, radius + 3 / self._height)
        distance = np.hypot(y, x) - radius
        normal = np.stack(np.broadcast_arrays(x / radius, y / radius, 0.0))
        normal[2] = np.sqrt(np.clip(1 - normal[0] ** 2 - normal[1] ** 2, 0, None))
        return _Layer(_ball_color(normal, time, self._fine), self._coverage(distance), rows, columns)

    def _shadow(self, time: float) -> _Layer:
        center, radius = _ball_at(time)
        height = _GROUND - center[0] - radius
        spot = np.array([_GROUND + 0.01, center[1] + 0.4 * height])
        spread = radius * (0.9 + 1.2 * height)
        rows, columns, y, x = self._around(spot - _camera(time), 2.5 * spread)
        depth = 0.75 * np.exp(-((x / spread) ** 2) - (y / (0.3 * spread)) ** 2) / (1 + 4 * height)
        color = np.broadcast_to(np.array([0.012, 0.016, 0.014], np.float32), (*depth.shape, 3))
        return _Layer(color, depth.astype(np.float32), rows, columns)

    def _kite(self, time: float, jitter: npt.NDArray[np.float64]) -> _Layer:
        center, angle, size = _kite_at(time)
        rows, columns, y, x = self._around(center - _camera(time) + jitter / self._height, 2.3 * size)
        u = (np.cos(angle) * x + np.sin(angle) * y) / size
        v = (np.cos(angle) * y - np.sin(angle) * x) / size
        distance, on_tail = _kite_distance(u, v, time)
        return _Layer(_kite_color(u, v, on_tail, self._fine), self._coverage(distance * size), rows, columns)

    def _post(self, time: float, jitter: npt.NDArray[np.float64]) -> _Layer:
        """A fence post nearer than the ball: it drifts faster with the camera and is a little out of focus."""
        top, half = 0.3, 0.043
        center = np.array([top + 0.5, 0.62]) - 1.6 * _camera(time) + jitter / self._height
        rows, columns, y, x = self._around(center, (0.56, half + 0.02))
        across = x / half
        grain = _lookup(self._fine, (y + 0.5) * 0.35, across * 0.22 + 0.3)
        round_off = np.sqrt(np.clip(1 - 0.85 * across**2, 0.05, None))
        shade = round_off * (0.55 - 0.35 * across) * (0.45 + 0.9 * grain)
        distance = np.maximum(np.abs(x) - half, -(y + 0.5) - 0.01 * np.cos(across * 1.3))
        color = (shade[..., None] * np.array([0.34, 0.21, 0.12])).astype(np.float32)
        return _Layer(color, self._coverage(distance, softness=2.5), rows, columns)


def _camera(time: float) -> npt.NDArray[np.float64]:
    """Where the camera looks, (y, x): a slow pan with a hand's wobble."""
    sway = np.array([0.006 * np.sin(0.31 * time), 0.005 * np.sin(0.23 * time + 1)])
    return sway + np.array([0.0003, 0.0022]) * time


def _ball_at(time: float) -> tuple[npt.NDArray[np.float64], float]:
    """The ball's centre (y, x) and radius: it bounces from left to right and comes a little nearer."""
    progress = time / PACE
    radius = 0.105 + 0.025 * progress
    bounce = (0.36 - 0.12 * progress) * abs(np.sin(np.pi * (2.6 * progress + 0.3)))
    return np.array([_GROUND - radius - bounce, 0.27 + 1.3 * progress]), radius


def _kite_at(time: float) -> tuple[npt.NDArray[np.float64], float, float]:
    """The kite's centre (y, x), angle in radians and size: it sways, turns and comes nearer."""
    phase = 2 * np.pi * time / PACE
    center = np.array([0.27 + 0.07 * np.cos(1.4 * phase), 1.15 + 0.3 * np.sin(0.8 * phase - 0.6)])
    return center, 0.15 + 0.45 * np.sin(1.1 * phase + 0.5), 0.125 + 0.025 * np.sin(phase - 1.2)


def _ball_color(normal: npt.NDArray[np.float64], time: float, weave: Pixels) -> Pixels:
    """Six panels, two caps and a seam, rolling; (3, h, w) unit normals in, (h, w, 3) lit colours out."""
    roll, tilt = 0.1 * time + 0.4, 0.5
    x = normal[0] * np.cos(roll) + normal[1] * np.sin(roll)
    y = normal[1] * np.cos(roll) - normal[0] * np.sin(roll)
    y, z = y * np.cos(tilt) - normal[2] * np.sin(tilt), y * np.sin(tilt) + normal[2] * np.cos(tilt)
    longitude = (np.arctan2(x, y) / (2 * np.pi)) % 1
    panels = np.array([(0.62, 0.05, 0.04), (0.72, 0.7, 0.64), (0.06, 0.13, 0.5), (0.75, 0.46, 0.04)] * 2)[:6]
    color = panels[(longitude * 6).astype(int) % 6]
    seam = np.abs((longitude * 6 + 0.5) % 1 - 0.5) < 0.035 / np.sqrt(np.clip(1 - z**2, 0.02, 1))
    color = np.where((seam | (np.abs(z) > 0.9))[..., None], [0.5, 0.48, 0.44], color)
    color = color * (0.75 + 0.5 * _lookup(weave, x * 0.3, y * 0.3))[..., None]
    facing = np.tensordot(_LIGHT / np.linalg.norm(_LIGHT), normal, 1)
    light = 0.16 + 0.12 * np.clip(normal[1], 0, 1) + 0.95 * np.clip(facing, 0, 1)
    mirror = 2 * facing * normal[2] - _LIGHT[2] / np.linalg.norm(_LIGHT)
    shine = 6 * np.clip(mirror, 0, 1) ** 60
    lit: Pixels = (color * light[..., None] + shine[..., None] * np.array([1, 0.95, 0.85])).astype(np.float32)
    return lit


def _kite_distance(
    u: npt.NDArray[np.float64], v: npt.NDArray[np.float64], time: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Distance to the kite's edge in kite sizes, negative inside, and where the tail is nearer than the sail."""
    corners = np.array([(0, -1), (0.72, -0.2), (0, 1.05), (-0.72, -0.2)])
    sail = np.full(u.shape, -np.inf)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = (end - start) / np.linalg.norm(end - start)
        sail = np.maximum(sail, (u - start[0]) * along[1] - (v - start[1]) * along[0])
    wave, phase = 0.2 * (v - 1), 3.5 * v - 0.45 * time
    slope = 0.2 * np.sin(phase) + wave * 3.5 * np.cos(phase)
    middle = wave * np.sin(phase)
    bow = np.abs((v - 1.05) / 0.36 % 1 - 0.5)
    breadth = 0.05 + 0.16 * np.clip(0.32 - bow, 0, None) / 0.32
    tail = np.maximum((np.abs(u - middle) - breadth) / np.hypot(1, slope), np.maximum(0.95 - v, v - 2.15))
    return np.minimum(sail, tail), tail < sail


def _kite_color(
    u: npt.NDArray[np.float64], v: npt.NDArray[np.float64], on_tail: npt.NDArray[np.bool_], weave: Pixels
) -> Pixels:
    """Four panels with stripes and dark spars, and a red tail; (h, w) in, (h, w, 3) out."""
    panels = np.array([(0.75, 0.22, 0.03), (0.05, 0.3, 0.33), (0.6, 0.06, 0.2), (0.8, 0.68, 0.36)])
    color = panels[2 * (v > -0.2) + (u > 0)]
    stripe = np.sin(9 * (np.abs(u) * 0.82 + np.abs(v + 0.2) * 0.57)) > 0.45
    color = np.where(stripe[..., None], color * 0.45 + 0.05, color)
    spar = (np.abs(u) < 0.025) | (np.abs(v + 0.2) < 0.025)
    color = np.where(spar[..., None], [0.05, 0.035, 0.03], color)
    color = np.where(on_tail[..., None], [0.5, 0.035, 0.05], color)
    light = (0.95 - 0.3 * u) * (0.75 + 0.4 * _lookup(weave, u * 0.25, v * 0.25))
    return (color * light[..., None]).astype(np.float32)


def _backdrop(y: npt.NDArray[np.float64], x: npt.NDArray[np.float64], coarse: Pixels, fine: Pixels) -> Pixels:
    """Sky with clouds and a sun, hills, a line of trees and a meadow; (h, 1) and (1, w) in, (h, w, 3) out."""
    picture = _sky(y, x, coarse)
    for depth, (height, color, texture) in enumerate(
        [(0.09, (0.2, 0.24, 0.34), 0.12), (0.05, (0.11, 0.15, 0.15), 0.3), (0.03, (0.035, 0.055, 0.022), 0.8)]
    ):
        ridge = (
            _HORIZON + 0.01 * depth - height * (0.2 + _lookup(coarse, 0.13 + 0.3 * depth, x * (0.22 + 0.35 * depth)))
        )
        leaves = _lookup(fine, y * (0.8 + depth), x * (0.8 + depth))
        ridge = ridge - 0.05 * texture * (leaves - 0.5)
        shade = np.array(color) * (1 + 1.6 * texture * (leaves - 0.5))[..., None]
        picture = np.where((y > ridge)[..., None], shade, picture)
    return np.where((y > _HORIZON + 0.015)[..., None], _meadow(y, x, coarse, fine), picture).astype(np.float32)


def _sky(y: npt.NDArray[np.float64], x: npt.NDArray[np.float64], coarse: Pixels) -> npt.NDArray[np.float64]:
    rise = np.clip(1 - y / _HORIZON, 0, 1)
    sky = np.array([0.62, 0.52, 0.44]) + (rise**0.7)[..., None] * np.array([-0.5, -0.3, 0.06])
    cloud = np.clip(2.6 * _lookup(coarse, y * 0.42, x * 0.2) - 1.15, 0, 1) * (0.5 + 0.5 * rise)
    sky = sky + cloud[..., None] * (np.array([0.95, 0.86, 0.78]) * (0.7 + 0.5 * rise)[..., None] - sky)
    distance = np.hypot(y - _SUN[0], x - _SUN[1])[..., None]
    glow = 0.9 * np.exp(-distance / 0.16) + 14 * np.clip((0.036 - distance) / 0.006, 0, 1)
    lit: npt.NDArray[np.float64] = sky + glow * np.array([1, 0.78, 0.48])
    return lit


def _meadow(
    y: npt.NDArray[np.float64], x: npt.NDArray[np.float64], coarse: Pixels, fine: Pixels
) -> npt.NDArray[np.float64]:
    """Grass seen in perspective: the texture shrinks towards the horizon."""
    depth = 0.2 / np.clip(y - _HORIZON + 0.06, 0.02, None)
    across = (x - 0.9) * depth
    blades = 0.55 * _lookup(fine, depth * 1.1, across * 0.9) + 0.45 * _lookup(fine, depth * 4.3, across * 3.1)
    patches = _lookup(coarse, depth * 0.45, across * 0.3)
    color = np.array([0.07, 0.12, 0.025]) + patches[..., None] * np.array([0.17, 0.11, 0.035])
    flowers = np.clip(8 * _lookup(fine, depth * 2.7 + 0.4, across * 2.1) - 6.6, 0, 1)[..., None]
    color = color * (0.35 + 1.3 * blades)[..., None]
    grass: npt.NDArray[np.float64] = color + flowers * (np.array([0.62, 0.5, 0.3]) - color)
    return grass


def _texture(random: np.random.Generator, *, roughness: float, size: int = 512) -> Pixels:
    """A tileable (size, size) cloud of noise, 0..1, whose amplitude falls with frequency to the power ``roughness``."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(np.fft.rfft2(random.standard_normal((size, size))) / frequency**roughness, (size, size))
    low, high = np.percentile(noise, [1, 99])
    texture: Pixels = np.clip((noise - low) / (high - low), 0, 1).astype(np.float32)
    return texture


def _lookup(texture: Pixels, y: npt.NDArray[np.float64] | float, x: npt.NDArray[np.float64]) -> Pixels:
    """Bilinear samples of a tileable texture; one unit of ``y`` and ``x`` is one tile."""
    size = len(texture)
    row, column = np.broadcast_arrays(np.asarray(y) * size, x * size)
    top, left = np.floor(row).astype(int), np.floor(column).astype(int)
    down, right = (row - top).astype(np.float32), (column - left).astype(np.float32)
    top, left, below, beside = top % size, left % size, (top + 1) % size, (left + 1) % size
    upper = texture[top, left] * (1 - right) + texture[top, beside] * right
    lower = texture[below, left] * (1 - right) + texture[below, beside] * right
    sample: Pixels = upper * (1 - down) + lower * down
    return sample


def _shifted(canvas: Pixels, top: float, left: float, height: int, width: int) -> Pixels:
    """The (height, width, 3) part of a canvas at a fractional corner; it stops at the canvas's end."""
    row = min(max(int(top), 0), canvas.shape[0] - height - 1)
    column = min(max(int(left), 0), canvas.shape[1] - width - 1)
    down, right = np.float32(np.clip(top - row, 0, 1)), np.float32(np.clip(left - column, 0, 1))
    rows = canvas[row : row + height + 1, column : column + width + 1]
    rows = rows[:-1] * (1 - down) + rows[1:] * down
    part: Pixels = rows[:, :-1] * (1 - right) + rows[:, 1:] * right
    return part


def _jitter(index: int) -> npt.NDArray[np.float64]:
    """A (y, x) offset within a pixel, different for each of the samples in time."""
    return np.array([(index * 3 % _SAMPLES + 0.5) / _SAMPLES - 0.5, (index * 5 % _SAMPLES + 0.5) / _SAMPLES - 0.5])
