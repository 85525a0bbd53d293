"""Mattes drawn in code, and shapes made of them drawn again, as a host would."""

import cv2
import numpy as np

from matted.trace.curve import evaluate

HEIGHT, WIDTH = 180, 320
FINE = 9
Y, X = np.mgrid[:HEIGHT, :WIDTH] + 0.5


def disc(x, y, radius):
    """A disc with an edge one pixel soft: 0.5 exactly at the radius."""
    return np.clip(radius - np.hypot(X - x, Y - y) + 0.5, 0, 1).astype(np.float32)


def box(x, y, width, height, turn=0.0):
    """A rectangle around (x, y), turned by ``turn`` radians."""
    across, down = X - x, Y - y
    u, v = across * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - across * np.sin(turn)
    return np.clip(np.minimum(width / 2 - abs(u), height / 2 - abs(v)) + 0.5, 0, 1).astype(np.float32)


def blob(x, y, *, bend=0.0):
    """A form with lobes that ``bend`` deforms."""
    angle = np.arctan2(Y - y, X - x)
    radius = 55 + 9 * np.sin(3 * angle + bend) + 5 * np.cos(5 * angle)
    return np.clip(radius - np.hypot(X - x, Y - y) + 0.5, 0, 1).astype(np.float32)


def at(shape, frame):
    """A shape's points at a frame, (N, 6), in a straight line between keys."""
    keys = shape.keys.reshape(len(shape.frames), -1)
    points = [np.interp(frame, shape.frames, column) for column in keys.T]
    return np.array(points).reshape(-1, 6)


def outline(points, steps=24):
    """Points along a closed shape (N, 6)."""
    following = np.roll(points, -1, axis=0)
    start, end = points[:, :2], following[:, :2]
    controls = np.stack([start, start + points[:, 4:], end + following[:, 2:4], end], axis=1)
    along = np.tile(np.arange(steps) / steps, (len(points), 1))
    return evaluate(controls, along).reshape(-1, 2)


def alive(shapes, frame):
    return [shape for shape in shapes if any(first <= frame <= last for first, last in shape.lifetime)]


def drawn(shapes, frame, size=(HEIGHT, WIDTH)):
    """The pixels whose centres are inside the shapes at a frame, later shapes over earlier ones.

    OpenCV fills every pixel that the outline touches, so it draws larger and a pixel in the middle of each is taken.
    """
    canvas = np.zeros((FINE * size[0], FINE * size[1]), np.uint8)
    for shape in alive(shapes, frame):
        pixels = np.round((FINE * outline(at(shape, frame)) - 0.5) * 256).astype(np.int32)
        cv2.fillPoly(canvas, [pixels], 0 if shape.hole else 1, cv2.LINE_8, 8)
    return canvas[FINE // 2 :: FINE, FINE // 2 :: FINE] > 0


def overlap(shapes, frame, matte):
    """Pixels in both over pixels in either; 1 where both are empty."""
    ours, theirs = drawn(shapes, frame, matte.shape), matte >= 0.5
    either = np.count_nonzero(ours | theirs)
    return np.count_nonzero(ours & theirs) / either if either else 1.0


def farthest(points, others):
    """The largest distance of a point from the nearest of a closed row of others."""
    way = np.roll(others, -1, axis=0) - others
    to = points[:, None] - others
    share = np.clip((to * way).sum(axis=2) / np.maximum((way * way).sum(axis=1), 1e-12), 0, 1)
    return np.sqrt(((to - share[..., None] * way) ** 2).sum(axis=2)).min(axis=1).max()
