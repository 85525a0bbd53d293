"""What is measured of a shot's finished mattes, without anybody having drawn the right ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True)
class FrameReview:
    """One frame's measures, one number an object.

    Attributes:
        frame: the frame number.
        area: share of the picture the matte covers, 0..1, soft pixels counted by their value.
        jump: how many times faster than around here the area changes into this frame, as
            :func:`matted.batch.review.area.jumps` counts it; None where there is nothing to compare with.
        flicker: how much the edge changes into this frame without the plate moving so, 0..1, as
            :func:`matted.batch.review.flicker.edge_flicker` does; None after a gap, at the start and where there is no
            edge, or none whose motion can be followed.
    """

    frame: int
    area: tuple[float, ...]
    jump: tuple[float | None, ...]
    flicker: tuple[float | None, ...]


@dataclass(frozen=True)
class LeftOut:
    """How close the other keyframes come to one of them, had it not been drawn: one number an object.

    Attributes:
        frame: the keyframe.
        j, f: region and boundary measure, 0..1, as in :mod:`matted.batch.score`; None of an object that no other
            keyframe shows.
        edge_mad: edge difference, 0..1; None where the mask has no edge, too.
    """

    frame: int
    j: tuple[float | None, ...]
    f: tuple[float | None, ...]
    edge_mad: tuple[float | None, ...]


@dataclass(frozen=True)
class Review:
    """All that is measured of a shot.

    Attributes:
        objects: in the order of every other tuple of numbers.
        frames: ascending.
        left_out: one a keyframe that has another one beside it, ascending.
        keyframes: frames whose mattes are the artist's own, ascending.
    """

    objects: tuple[str, ...]
    frames: tuple[FrameReview, ...]
    left_out: tuple[LeftOut, ...]
    keyframes: tuple[int, ...] = ()

    def plain(self) -> dict[str, Any]:
        """JSON values, as a sidecar keeps them."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    @classmethod
    def from_plain(cls, values: Any) -> Review:
        """What :meth:`plain` wrote down.

        Raises:
            msgspec.ValidationError: these are other values.
        """
        return msgspec.convert(values, cls)
