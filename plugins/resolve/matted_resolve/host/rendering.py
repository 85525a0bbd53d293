"""Plate and alpha frames through render jobs of our own.

What Resolve answers is not believed: a render setting counts as set when it reads back, a job as there when the queue
lists it, and a frame as rendered when its file is whole, of the right size, and holds the right channels.
"""

from __future__ import annotations

import shutil
import struct
from array import array
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matted_plugin import exr
from matted_plugin.host import HostError, Rendering, Renderings
from matted_resolve.host.clip import Clip
from matted_resolve.host.deliver import PRESS, RESTORE, Deliver, disk_error
from matted_resolve.host.leftovers import Leftovers, sure
from matted_resolve.host.look import signature
from matted_resolve.host.render_job import INDIVIDUAL, PRESET, SINGLE, Jobs, pictures, whole_header
from matted_resolve.host.session import asked

if TYPE_CHECKING:
    from resolve_api import TimelineItem

    from matted_resolve.host.session import Session

__all__ = ["PRESET", "RESTORE", "frames", "signature"]

_SOLID, _LARGEST = 0x3BEC, 0x7BFF
"""0.99 and the largest number, as halves: an alpha that lies between is solid."""


def frames(
    session: Session,
    item: TimelineItem,
    clip: Clip,
    renderings: Sequence[Rendering],
    *,
    alpha: bool,
    work: Path,
    leftovers: Leftovers,
) -> Renderings:
    """Render frames of a clip as the timeline shows it, without the other tracks.

    Args:
        session: Resolve.
        item: the clip.
        clip: the same, as it was read.
        renderings: what is wanted; ``channel`` is not looked at.
        alpha: False for the colours; True for the clip's alpha output, as one half channel ``A``, uncompressed.
        work: folder on a disk with room for the frames; a temporary folder of ours is made below it.
        leftovers: where everything that is changed for the time is written down; when this ends, in whatever way, it
            has been put back.

    Yields:
        Each rendering once its file is whole; None in between.

    Raises:
        HostError: a frame could not be rendered, or not for certain; what was changed in Resolve is put back.
    """
    wanted = _wanted(clip, renderings)
    if not wanted:
        return
    deliver = Deliver(session, item, clip, leftovers)
    try:
        yield from deliver.take(work, len(wanted))
        yield from _Frames(item, deliver, wanted, alpha).render()
    except HostError as error:
        left = deliver.close()
        raise HostError(error.message, " ".join((error.hint, *left)), path=error.path, frame=error.frame) from error
    finally:
        deliver.close()


def _wanted(clip: Clip, renderings: Sequence[Rendering]) -> dict[int, list[Rendering]]:
    """What is wanted of each frame, ascending."""
    found: dict[int, list[Rendering]] = {}
    for one in sorted(renderings, key=lambda one: one.frame):
        if not clip.first <= one.frame <= clip.last:
            raise HostError(
                f"{clip.name}: frame {one.frame} is not in the clip, which has {clip.first}-{clip.last} on the"
                " timeline: Resolve cannot render it.",
                "Remove the marker at that frame, or lengthen the clip.",
                frame=one.frame,
            )
        found.setdefault(one.frame, []).append(one)
    return found


def _runs(wanted: Collection[int]) -> list[tuple[int, int]]:
    """Ranges without a gap."""
    found: list[tuple[int, int]] = []
    for frame in wanted:
        if found and frame == found[-1][1] + 1:
            found[-1] = (found[-1][0], frame)
        else:
            found.append((frame, frame))
    return found


class _Frames:
    """The frames of a clip that are wanted.

    Args:
        item: the clip.
        deliver: the Deliver page, taken.
        wanted: what is wanted of each frame, ascending.
        alpha: whether the clip's alpha is wanted, and not its colours.
    """

    def __init__(self, item: TimelineItem, deliver: Deliver, wanted: dict[int, list[Rendering]], alpha: bool) -> None:
        self._item = item
        self._clip = deliver.clip
        self._deliver = deliver
        self._wanted = wanted
        self._alpha = alpha
        self._jobs = Jobs(deliver, alpha)
        self._solid: list[int] = []

    def render(self) -> Renderings:
        """Every wanted frame as a single clip; alphas that come out solid once more as individual clips."""
        for first, last in _runs(self._wanted):
            if self._solid:  # in one range, so in all: a single clip does not carry the alpha here
                self._solid += [frame for frame in self._wanted if first <= frame <= last]
            else:
                yield from self._single(first, last)
        if self._solid:
            solid, self._solid = self._solid, []
            yield from self._individual(solid)
        if self._solid:
            raise HostError(
                f"The alpha of {self._clip.name} at frame {self._solid[0]} is solid: nothing is masked there.",
                "On the Color page, connect the node's key output to the Alpha Output. If the object really fills the"
                " whole frame, take the mask from a file, or remove the marker there.",
                frame=self._solid[0],
            )

    def _single(self, first: int, last: int) -> Renderings:
        """A range without a gap; the numbers in the files' names are the timeline's, or they are taken in order."""
        coming = deque((self._clip.timeline_frame(frame), frame) for frame in range(first, last + 1))

        def early(folder: Path) -> Iterator[Rendering]:
            there = dict(pictures(folder))
            while len(coming) > 1 and coming[1][0] in there and coming[0][0] in there:
                number, frame = coming[0]
                if whole_header(there[number]) is None:
                    return
                coming.popleft()
                yield from self._take(frame, there[number])

        def settled(folder: Path) -> bool:
            there = pictures(folder)
            return len(there) >= len(coming) and all(whole_header(path) is not None for _, path in there)

        folder, why = yield from self._jobs.run(SINGLE, first, last, early, settled)
        there = pictures(folder)
        if len(there) > len(coming):
            raise HostError(
                f"{self._clip.name}: Resolve wrote {len(there)} files for the frames {coming[0][1]}-{last}.",
                f"{PRESS}; if it stays, copy the diagnostics.",
                path=str(folder),
                frame=coming[0][1],
            )
        by_number = dict(there)
        if len(there) == len(coming) == last - first + 1 and coming[0][0] not in by_number:
            by_number = {number: path for (number, _), (_, path) in zip(coming, there)}
        for number, frame in coming:
            if number not in by_number:
                raise self._missing(frame, folder, why)
            yield from self._take(frame, by_number[number], why)
        shutil.rmtree(folder, ignore_errors=True)

    def _individual(self, solid: list[int]) -> Renderings:
        """The alpha of these frames from the clip's own range, of which Resolve may render more than is asked for."""
        clip = self._clip
        most = max(clip.media_frames, clip.duration)
        self._see_plain(solid[0])
        self._deliver.see_room(self._deliver.folder, most)
        self._deliver.clear_clips()

        def guard(folder: Path) -> Iterator[Rendering]:
            if len(pictures(folder)) > most + 2:
                raise self._unknown(solid[0], folder, "")
            return iter(())

        folder, why = yield from self._jobs.run(
            INDIVIDUAL, solid[0], solid[-1], guard, lambda folder: self._matched(folder, solid) is not None
        )
        there = self._matched(folder, solid)
        if there is None:
            raise self._unknown(solid[0], folder, why)
        for frame in solid:
            yield from self._take(frame, there[frame], why)
        shutil.rmtree(folder, ignore_errors=True)

    def _matched(self, folder: Path, solid: list[int]) -> dict[int, Path] | None:
        """Which file of individual clips shows which frame, by how many there are; None when that is not certain."""
        clip, there = self._clip, pictures(folder)
        if not there or [number for number, _ in there] != list(range(there[0][0], there[0][0] + len(there))):
            return None
        for first, count in (
            (solid[0], solid[-1] - solid[0] + 1),
            (clip.first, clip.duration),
            (clip.media_first, clip.media_frames),
        ):
            if len(there) == count and first <= solid[0] and solid[-1] < first + count:
                return {first + index: path for index, (_, path) in enumerate(there)}
        return None

    def _unknown(self, frame: int, folder: Path, why: str) -> HostError:
        count = len(pictures(folder))
        return HostError(
            f"The alpha of {self._clip.name} is solid in a single clip, and of the {count} files of individual clips it"
            f" is not certain which shows frame {frame}{_because(why)}.",
            "Put the clip alone on a timeline without a change of speed, or draw the masks in Fusion.",
            path=str(folder),
            frame=frame,
        )

    def _see_plain(self, frame: int) -> None:
        """Individual clips come in the media's own frames: those of a clip with another speed are others."""
        if self._clip.source:
            return  # else it could not be read as it is
        # Before Resolve 19 nothing tells the source's frames.
        start = asked(lambda: sure(lambda: self._item.GetSourceStartFrame()))
        end = asked(lambda: sure(lambda: self._item.GetSourceEndFrame()))
        if start is None or end is None or not -2 <= end - start - self._clip.duration <= 1:
            raise HostError(
                f"The alpha of {self._clip.name} at frame {frame} is solid in a single clip, and it cannot be rendered"
                " otherwise: its speed is changed, or Resolve does not tell it.",
                "Connect the node's key output to the Alpha Output on the Color page; if it is, make the clip a"
                " compound clip, or draw the masks in Fusion.",
                frame=frame,
            )

    def _take(self, frame: int, path: Path, why: str = "") -> Iterator[Rendering]:
        """See whether a file is what was wanted, and bring it to its place."""
        header = whole_header(path)
        if header is None:
            raise self._missing(frame, path.parent, why, f"the file {path.name} is cut short")
        if header.size != self._clip.size:
            raise HostError(
                f"Resolve rendered frame {frame} of {self._clip.name} in {_times(header.size)} pixels, not"
                f" {_times(self._clip.size)}.",
                "See whether the timeline has a resolution of its own, and whether the Deliver page can render that"
                f" size. {PRESS}.",
                path=str(path),
                frame=frame,
            )
        names = [name for name, _ in header.channels]
        try:
            if self._alpha:
                yield from self._take_mask(frame, path, names)
            else:
                yield from self._take_plate(frame, path, names, header.compression)
        except (exr.ExrError, OSError) as error:
            raise disk_error(error, path) from error

    def _take_plate(self, frame: int, path: Path, names: list[str], compression: int) -> Iterator[Rendering]:
        if not {"R", "G", "B"} <= set(names):
            raise HostError(
                f"Resolve rendered frame {frame} of {self._clip.name} with the channels {', '.join(names)} only.",
                f"Choose EXR, RGB half, on the Deliver page. {PRESS}.",
                path=str(path),
                frame=frame,
            )
        for one in self._wanted[frame]:
            if compression and not one.compressed:
                size, dtype, content = exr.read_pixels(path, ("R", "G", "B"))
                exr.write_pixels(one.path, size, ("R", "G", "B"), dtype, content)
            elif one is self._wanted[frame][-1]:
                shutil.move(str(path), one.path)  # a rename where both are on one disk
            else:
                beside = Path(one.path).with_name(f"copy.{Path(one.path).name}")
                shutil.copyfile(path, beside)
                beside.replace(one.path)
            yield one

    def _take_mask(self, frame: int, path: Path, names: list[str]) -> Iterator[Rendering]:
        """The alpha alone; one that is missing or solid is left for later."""
        halves = None
        if "A" in names:
            size, dtype, content = exr.read_pixels(path, ("A",))
            halves = _halves(content, dtype)
        path.unlink()
        if halves is None or _SOLID <= min(halves) <= max(halves) <= _LARGEST:
            self._solid.append(frame)
            return
        for one in self._wanted[frame]:
            exr.write_pixels(one.path, size, ("A",), "half", halves.tobytes())
            yield one

    def _missing(self, frame: int, folder: Path, why: str, what: str = "there is no file") -> HostError:
        return HostError(
            f"Resolve did not render frame {frame} of {self._clip.name} to {folder}: {why or what}.",
            "See whether the disk is full, whether the clip plays at that frame, and close any dialog Resolve shows."
            f" {PRESS}: the frames that are there are kept.",
            path=str(folder),
            frame=frame,
        )


def _halves(content: bytes, dtype: str) -> array[int]:
    """Values as the codes of halves."""
    if dtype == "float":
        values = array("f", content)
        content = struct.pack(f"<{len(values)}e", *(min(max(value, -65504.0), 65504.0) for value in values))
    return array("H", content)


def _because(why: str) -> str:
    return f" ({why})" if why else ""


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
