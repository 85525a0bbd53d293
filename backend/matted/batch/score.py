"""How close a sequence of mattes comes to known mattes: region, boundary, soft edge and flicker.

The measures are pure functions of (H, W) arrays, float 0..1; :class:`Scorer` walks a sequence one frame at a time and
keeps sums only, so its memory does not grow with the shot.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from matted.errors import MaskError

Pixels = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

TIGHT_TOLERANCE = 2
"""Pixels a boundary may be off in the strict boundary measure: what a compositor notices on an edge."""

EDGE_BAND = 8
"""Pixels on either side of the known edge that the edge-band difference looks at."""


@dataclass(frozen=True)
class FrameScore:
    """One frame's measures; 1 is best for ``j``, ``f`` and ``f_tight``, 0 is best for the others.

    Attributes:
        frame: the frame number.
        j: region similarity, intersection over union at 0.5, 0..1.
        f: boundary measure at the DAVIS tolerance, 0..1.
        f_tight: boundary measure at ``TIGHT_TOLERANCE`` pixels, 0..1.
        edge_mad: mean absolute difference in the edge band, 0..1; None where the known matte has no edge.
        flicker: dtSSD from the previous frame to this one, 0..2 in matte units; None after a gap and at the start.
    """

    frame: int
    j: float
    f: float
    f_tight: float
    edge_mad: float | None
    flicker: float | None


@dataclass(frozen=True)
class Score:
    """The means of a sequence's measures, as named in :class:`FrameScore`, and the number of frames in ``j``."""

    frames: int
    j: float
    f: float
    f_tight: float
    edge_mad: float | None
    flicker: float | None

    @property
    def j_and_f(self) -> float:
        """The mean of ``j`` and ``f``, the figure video segmentation is ranked by."""
        return (self.j + self.f) / 2


def region_similarity(matte: Pixels, known: Pixels) -> float:
    """J: intersection over union of two (H, W) mattes cut at 0.5; 1 when both are empty.

    Source: Perazzi et al., CVPR 2016, section 5.
    """
    ours, theirs = matte >= 0.5, known >= 0.5
    union = np.count_nonzero(ours | theirs)
    return 1.0 if union == 0 else float(np.count_nonzero(ours & theirs) / union)


def davis_tolerance(height: int, width: int) -> int:
    """Pixels a boundary may be off in the DAVIS benchmark: 0.008 of the frame's diagonal, rounded up."""
    return math.ceil(0.008 * math.hypot(height, width))


def boundary_measure(matte: Pixels, known: Pixels, *, tolerance: int) -> float:
    """F: harmonic mean of boundary precision and recall of two (H, W) mattes cut at 0.5.

    A boundary pixel is right when the other boundary passes within ``tolerance`` pixels of it (a disk). Both boundaries
    empty is 1, one of them empty is 0.
    Source: Perazzi et al., CVPR 2016, section 5.
    """
    ours, theirs = _boundary(matte >= 0.5), _boundary(known >= 0.5)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    precision = _share_near(ours, theirs, tolerance)
    recall = _share_near(theirs, ours, tolerance)
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def edge_mad(matte: Pixels, known: Pixels, *, width: int = EDGE_BAND) -> float | None:
    """Mean absolute difference of two (H, W) mattes near the known edge, 0..1; None when there is no edge.

    The edge is every pixel on the contour at 0.5 and every soft pixel (0.01 to 0.99) of ``known``; the band reaches
    ``width`` pixels around it.
    """
    edge = edge_of(known)
    if not edge.any():
        return None
    window = _window(edge, width)
    band = grown(edge[window], width)
    return float(np.abs(matte[window] - known[window])[band].mean(dtype=np.float64))


def edge_of(matte: Pixels) -> Mask:
    """Where the edge of a (H, W) matte is: its contour at 0.5 and every soft pixel, 0.01 to 0.99."""
    return _boundary(matte >= 0.5) | ((matte > 0.01) & (matte < 0.99))


def temporal_difference(previous: Pixels, matte: Pixels, previous_known: Pixels, known: Pixels) -> float:
    """dtSSD of one step in time: root mean square, over all pixels, of the error in the matte's change; 0..2.

    In matte units; published tables often print a hundred times this.
    Source: Erofeev et al., BMVC 2015, section 4.
    """
    error = (matte - previous) - (known - previous_known)
    return float(np.sqrt(np.mean(np.square(error), dtype=np.float64)))


class Scorer:
    """The running score of one object's mattes, fed one frame at a time in frame order.

    Args:
        keyframes: frames the artist drew. They count in ``flicker``, where a pop shows, but in no other mean.
        step: distance between neighbouring frames; a larger jump starts ``flicker`` anew.
    """

    def __init__(self, *, keyframes: Collection[int] = (), step: int = 1) -> None:
        self._keyframes = frozenset(keyframes)
        self._step = step
        self._sums = {field.name: 0.0 for field in fields(FrameScore)[1:]}
        self._counts = dict.fromkeys(self._sums, 0)
        self._previous: tuple[int, Pixels, Pixels] | None = None

    def add(self, frame: int, matte: Pixels, known: Pixels) -> FrameScore:
        """Measure one frame's (H, W) matte against the known one and add it to the sums.

        Raises:
            MaskError: the two differ in size (``mask_size``).
        """
        _refuse_other_size(frame, matte, known)
        score = FrameScore(
            frame,
            region_similarity(matte, known),
            boundary_measure(matte, known, tolerance=davis_tolerance(*known.shape)),
            boundary_measure(matte, known, tolerance=TIGHT_TOLERANCE),
            edge_mad(matte, known),
            self._flicker(frame, matte, known),
        )
        self._previous = (frame, matte.copy(), known.copy())
        for name in self._sums:
            value = getattr(score, name)
            if value is not None and (name == "flicker" or frame not in self._keyframes):
                self._sums[name] += value
                self._counts[name] += 1
        return score

    def total(self) -> Score:
        """The means so far; ``j``, ``f`` and ``f_tight`` are NaN before the first frame that counts."""
        means = {name: self._sums[name] / count if count else None for name, count in self._counts.items()}
        j, f, f_tight = (math.nan if means[name] is None else means[name] or 0.0 for name in ("j", "f", "f_tight"))
        return Score(self._counts["j"], j, f, f_tight, means["edge_mad"], means["flicker"])

    def _flicker(self, frame: int, matte: Pixels, known: Pixels) -> float | None:
        if self._previous is None:
            return None
        previous_frame, previous, previous_known = self._previous
        if frame - previous_frame != self._step or previous.shape != matte.shape:
            return None
        return temporal_difference(previous, matte, previous_known, known)


def mean_score(scores: Iterable[Score]) -> Score:
    """The mean over objects or sequences, equally weighted; a measure that one of them lacks is left out of its mean.

    Raises:
        ValueError: there is nothing to average.
    """
    several = list(scores)
    if not several:
        raise ValueError("there is no score to average")
    means: dict[str, float | None] = {}
    for field in fields(Score)[1:]:
        values = [value for score in several if (value := getattr(score, field.name)) is not None]
        means[field.name] = sum(values) / len(values) if values else None
    return Score(frames=sum(score.frames for score in several), **means)  # type: ignore[arg-type]


def _refuse_other_size(frame: int, matte: Pixels, known: Pixels) -> None:
    if matte.shape == known.shape and matte.ndim == 2:
        return
    ours, theirs = ("x".join(map(str, reversed(array.shape))) for array in (matte, known))
    raise MaskError(
        "mask_size",
        f"The matte of frame {frame} is {ours}, and the known matte is {theirs}.",
        hint="Give known mattes of the size the mattes were written in.",
        frame=frame,
    )


def _boundary(mask: Mask) -> Mask:
    """Pixels of (H, W) that differ from their right, lower or lower right neighbour; the frame's rim is no boundary."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    here = padded[:-1, :-1]
    edges: Mask = (here != padded[:-1, 1:]) | (here != padded[1:, :-1]) | (here != padded[1:, 1:])
    return edges


def _share_near(points: Mask, target: Mask, radius: int) -> float:
    """The share of ``points`` with a ``target`` pixel inside a disk of ``radius``, both (H, W) and not empty.

    Row sums answer "is there a target in this span?" in one subtraction, and only the points are asked, row of the disk
    by row: 480p takes a few milliseconds at any radius.
    """
    height, width = target.shape
    sums = _row_sums(target)
    rows, columns = np.nonzero(points)
    near = np.zeros(len(rows), bool)
    for offset, reach in _disk_rows(radius):
        row = rows + offset
        inside = (row >= 0) & (row < height)
        row = row.clip(0, height - 1)
        span = sums[row, (columns + reach + 1).clip(max=width)] - sums[row, (columns - reach).clip(min=0)]
        near |= inside & (span > 0)
    return float(near.mean())


def grown(mask: Mask, radius: int) -> Mask:
    """Grow the (H, W) mask by a disk of ``radius`` pixels."""
    height, width = mask.shape
    columns = np.arange(width)
    sums = _row_sums(mask)
    result = np.zeros_like(mask)
    for offset, reach in _disk_rows(radius):
        if abs(offset) >= height:
            continue
        span = sums[:, (columns + reach + 1).clip(max=width)] > sums[:, (columns - reach).clip(min=0)]
        source, target = (
            slice(max(0, offset), height + min(0, offset)),
            slice(max(0, -offset), height + min(0, -offset)),
        )
        result[target] |= span[source]
    return result


def _row_sums(mask: Mask) -> npt.NDArray[np.int32]:
    """(H, W+1): entry x is how many pixels left of column x are set."""
    sums = np.zeros((mask.shape[0], mask.shape[1] + 1), np.int32)
    np.cumsum(mask, axis=1, out=sums[:, 1:])
    return sums


def _disk_rows(radius: int) -> Iterable[tuple[int, int]]:
    """The disk ``x*x + y*y <= radius*radius`` as (row offset, reach to either side)."""
    return [(offset, math.isqrt(radius * radius - offset * offset)) for offset in range(-radius, radius + 1)]


def _window(mask: Mask, margin: int) -> tuple[slice, slice]:
    """The slices of the set pixels' bounding box with ``margin`` around it."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(0, rows[0] - margin), rows[-1] + margin + 1),
        slice(max(0, columns[0] - margin), columns[-1] + margin + 1),
    )
