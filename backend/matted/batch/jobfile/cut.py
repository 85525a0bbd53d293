"""The shots of a cut: clips that are to be matted, the same one cut in twice brought together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from matted.batch.jobfile.footage import Media
from matted.media.matte import file_names
from matted_protocol.frames import FrameRange


@dataclass(frozen=True)
class CutShot:
    """A clip that is to be matted.

    Attributes:
        name: of the shot.
        keys: as in any job file, but for plate and range.
        media: what it is cut from; None when the plate is written.
        range: in the plate's own frame numbers; None when it is written.
        lines: of the clip, under an empty key, and of its keys.
    """

    name: str
    keys: Mapping[str, Any]
    media: Media | None
    range: FrameRange | None
    lines: Mapping[str, int] = field(compare=False)

    def continues(self, other: CutShot) -> bool:
        """Whether both are of the same media, and their ranges overlap or touch: then they are one shot."""
        same = (self.name, self.keys, self.media) == (other.name, other.keys, other.media)
        if not same or self.range is None or other.range is None:
            return same and self.range == other.range
        step = self.range.step
        apart = max(self.range.first, other.range.first) - min(self.range.last, other.range.last)
        return apart <= step == other.range.step

    def joined(self, other: CutShot) -> CutShot:
        """Both as one."""
        if self.range is None or other.range is None:
            return self
        first, last = min(self.range.first, other.range.first), max(self.range.last, other.range.last)
        return replace(self, range=FrameRange(first, last, self.range.step))


def united(shots: Iterable[CutShot]) -> list[CutShot]:
    """The shots in the order of the cut, under names that differ: ``hero``, ``hero_2``.

    The same clip twice is one shot where one goes on from the other or overlaps it.
    """
    named: dict[str, list[tuple[int, CutShot]]] = {}
    for position, shot in enumerate(shots):
        named.setdefault(shot.name, []).append((position, shot))
    found = sorted((each for same in named.values() for each in _joined(same)), key=lambda each: each[0])
    ordered = [shot for _, shot in found]
    if len({shot.name.casefold() for shot in ordered}) == len(ordered):
        return ordered
    names = file_names([shot.name for shot in ordered])
    return [replace(shot, name=name) for shot, name in zip(ordered, names, strict=True)]


def _joined(same: list[tuple[int, CutShot]]) -> list[tuple[int, CutShot]]:
    """Clips of one name, those that meet as one, each with the first place it has in the cut."""
    found: list[tuple[int, CutShot]] = []
    for position, shot in sorted(same, key=lambda each: each[1].range.first if each[1].range else 0):
        meets = next((index for index, (_, other) in enumerate(found) if other.continues(shot)), None)
        if meets is None:
            found.append((position, shot))
        else:
            before, other = found[meets]
            found[meets] = (min(before, position), other.joined(shot))
    return found
