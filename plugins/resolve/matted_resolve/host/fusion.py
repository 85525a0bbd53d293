"""Masks that the artist drew in a clip's Fusion composition: its Savers, and its Polygons and B-Splines.

Compositions are read from the text Resolve exports them to. A Polygon is drawn here from that text, so that nothing is
rendered; whatever else makes a mask in Fusion goes through a Saver (see :mod:`matted_resolve.host.saver`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matted_plugin import exr
from matted_plugin.host import HostError, Rendering
from matted_resolve import comp_text, polygon
from matted_resolve.host import saver
from matted_resolve.host.leftovers import PREFIX, sure
from matted_resolve.host.session import asked

if TYPE_CHECKING:
    from resolve_api import Composition, TimelineItem

    from matted_resolve.host.clip import Clip
    from matted_resolve.host.leftovers import Leftovers
    from matted_resolve.host.session import Session

_OUTLINE_HINT = (
    "Connect it to the alpha of the picture (MatteControl), that to a Saver, and take the masks from the Saver, as in"
    " hero=Saver1; or route it to the clip's alpha output, hero=alpha."
)


@dataclass(frozen=True)
class _Comp:
    """One composition of a clip: its index, from 1, its name, and its text."""

    index: int
    name: str
    text: comp_text.Table


def masks(session: Session, item: TimelineItem) -> tuple[str, ...]:
    """The names of the Savers, Polygons and B-Splines in a clip's compositions, in order.

    Where compositions have tools of the same name, the composition's number comes before: ``2:Polygon1``.

    Raises:
        HostError: a composition cannot be read.
    """
    comps = _comps(item)
    every = [(comp, name) for comp in comps for name in _masks(comp)]
    names = [name for _, name in every]
    return tuple(name if names.count(name) == 1 else f"{comp.index}:{name}" for comp, name in every)


def keyed(session: Session, item: TimelineItem, clip: Clip, tool: str) -> tuple[int, ...]:
    """The frames at which a Polygon or B-Spline is keyed; () for a Saver, and for one that stands still.

    Raises:
        HostError: there is no such tool, or its frames cannot be told.
    """
    comp, name, _ = _find(item, clip, tool)
    if _kind(comp, name) not in polygon.MASKS:
        return ()
    try:
        times = polygon.key_times(comp.text, name)
    except polygon.MaskError as error:
        raise _not_drawn(clip, comp, name, error, None) from error
    start = first_frame(_open(item, clip, comp), item, clip) if times else 0
    before, after = clip.whole
    frames = [clip.first + round(time) - start for time in times if time == round(time)]
    return tuple(frame for frame in frames if before <= frame <= after)


def render(
    session: Session,
    item: TimelineItem,
    clip: Clip,
    renderings: Sequence[Rendering],
    tool: str,
    *,
    work: Path,
    leftovers: Leftovers,
) -> Generator[Rendering | None, None, tuple[str, ...]]:
    """Make masks of a tool: files with one channel ``A``, uncompressed, of the plate's size.

    Args:
        session: Resolve.
        item: the clip.
        clip: the same, as it was read.
        renderings: what is wanted; their ``channel`` is not looked at.
        tool: ``Polygon1``, ``Saver1``, ``Saver1.red``; ``2:Saver1`` in the second composition.
        work: a folder on a disk with room; temporary folders of ours are made below it.
        leftovers: where is written down what is changed for the time.

    Yields:
        Each rendering once its file is whole; None in between.

    Returns:
        Sentences for the artist.

    Raises:
        HostError: there is no such tool, a frame could not be made, or it would not lie over the plate.
    """
    comp, name, channel = _find(item, clip, tool)
    _see_plain(clip, name)
    composition = _open(item, clip, comp)
    start = first_frame(composition, item, clip)
    wanted = [(one, one.frame - clip.first + start) for one in renderings]
    if _kind(comp, name) in polygon.MASKS:
        yield from _drawn(clip, comp, name, wanted)
        return ()
    place = saver.Place(comp.name, comp.index, name, channel)
    return (yield from saver.render(session, item, clip, place, wanted, work=work, leftovers=leftovers))


def _drawn(clip: Clip, comp: _Comp, name: str, wanted: Sequence[tuple[Rendering, int]]) -> Iterator[Rendering | None]:
    for one, time in wanted:
        yield None
        try:
            content = polygon.draw(comp.text, name, time, clip.size)
        except polygon.MaskError as error:
            raise _not_drawn(clip, comp, name, error, one.frame) from error
        try:
            exr.write_pixels(one.path, clip.size, ("A",), "half", content)
        except OSError as error:
            raise saver.not_written(one, error) from error
        yield one


def _not_drawn(clip: Clip, comp: _Comp, name: str, error: Exception, frame: int | None) -> HostError:
    when = "" if frame is None else f" at frame {frame}"
    return HostError(
        f"{clip.name}: the mask {name} of {comp.name} cannot be drawn as Fusion does{when}: {error}.",
        _OUTLINE_HINT,
        frame=frame,
    )


def first_frame(comp: Composition, item: TimelineItem, clip: Clip) -> int:
    """The composition's own number of the clip's first frame.

    Where a composition counts from is documented nowhere: its render range, its global range and how much of the media
    lies before the clip have to agree.

    Raises:
        HostError: they do not.
    """
    told: Any = asked(lambda: comp.GetAttrs()) or asked(lambda: comp.GetAttrs()) or {}
    names = ("COMPN_RenderStart", "COMPN_RenderEnd", "COMPN_GlobalStart", "COMPN_GlobalEnd")
    try:
        first, last, start, end = (round(float(told[name])) for name in names)
    except (KeyError, TypeError, ValueError) as error:
        raise HostError(
            f"Fusion does not tell which frames the composition of {clip.name} has.",
            "Open the clip on the Fusion page, then press the button again.",
        ) from error
    found = set()
    if last - first + 1 == clip.duration and start <= first and last <= end:
        found.add(first)
    if end - start + 1 == clip.duration:
        found.add(start)
    left = asked(lambda: item.GetLeftOffset())
    if clip.media_frames and end - start + 1 == clip.media_frames and isinstance(left, (int, float)):
        found.add(start + round(left))
    if len(found) != 1:
        raise HostError(
            f"Which frames of its composition {clip.name} shows is not certain: it renders {first}-{last} of"
            f" {start}-{end}, and the clip has {clip.duration} frames.",
            "Set the render range to the whole clip on the Fusion page (right-click the time ruler, Auto Render Range),"
            " or take the masks from the clip's alpha output.",
        )
    return found.pop()


def _comps(item: TimelineItem) -> list[_Comp]:
    count = int(sure(lambda: asked(lambda: item.GetFusionCompCount())) or 0)
    if not count:
        return []
    names = [str(name) for name in sure(lambda: asked(lambda: item.GetFusionCompNameList())) or ()]
    names += [f"Composition {index}" for index in range(len(names) + 1, count + 1)]
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        return [
            _Comp(index, name, _exported(item, index, name, Path(folder) / f"{index}.comp"))
            for index, name in enumerate(names[:count], 1)
        ]


def _exported(item: TimelineItem, index: int, name: str, path: Path) -> comp_text.Table:
    """The text of a composition; what ExportFusionComp answers is not looked at."""
    why: Exception | None = None
    for _ in range(2):
        asked(lambda: item.ExportFusionComp(str(path), index))
        try:
            return comp_text.parse(path.read_text("utf-8", "replace"))
        except (OSError, comp_text.CompTextError) as error:
            why = error
    clip = asked(lambda: item.GetName()) or "the clip"
    raise HostError(
        f"The Fusion composition {name} of {clip} cannot be read: {why}.",
        "Open the clip on the Fusion page once, then press the button again.",
    ) from why


def _masks(comp: _Comp) -> list[str]:
    return [name for name in polygon.tools(comp.text) if _kind(comp, name) in (*polygon.MASKS, "Saver")]


def _kind(comp: _Comp, name: str) -> str:
    """What a tool is. MediaOut1 was a Saver in older versions, and none of the artist's."""
    kind = polygon.tools(comp.text)[name].kind
    return "MediaOut" if kind == "Saver" and name.startswith("MediaOut") else kind


def _find(item: TimelineItem, clip: Clip, tool: str) -> tuple[_Comp, str, str]:
    """The composition of a tool, its name, and the channel: of ``2:Saver1.red`` the second, Saver1 and red.

    Raises:
        HostError: there is none, or more than one.
    """
    wanted, _, channel = tool.partition(".")
    number, _, name = wanted.rpartition(":")
    comps = _comps(item)
    there = [comp for comp in comps if number in ("", str(comp.index)) and name in _masks(comp)]
    if len(there) == 1 and (_kind(there[0], name) == "Saver" or channel.lower() in ("", "alpha", "a")):
        return there[0], name, channel or "alpha"
    if len(there) == 1:
        raise HostError(f"{clip.name}: {name} is a mask and has no channel {channel}.", f"Write {wanted} alone.")
    if there:
        numbered = " or ".join(f"{comp.index}:{name}" for comp in there)
        raise HostError(
            f"{clip.name} has {name} in {len(there)} Fusion compositions.", f"Say which one is meant: {numbered}."
        )
    known = [one for comp in comps for one in _masks(comp)]
    if not known:
        raise HostError(
            f"{clip.name}: no Fusion composition of the clip has a mask {wanted}, or any.",
            "Draw a Polygon on the Fusion page, or connect a mask to a Saver there.",
        )
    raise HostError(
        f"{clip.name}: there is no mask {wanted} in Fusion.", f"There are: {', '.join(dict.fromkeys(known))}."
    )


def _open(item: TimelineItem, clip: Clip, comp: _Comp) -> Composition:
    for _ in range(2):
        found = asked(lambda: item.GetFusionCompByIndex(comp.index))
        if found:
            return found
    raise HostError(
        f"Resolve does not show the Fusion composition {comp.name} of {clip.name}.",
        "Open the clip on the Fusion page, then press the button again.",
    )


def _see_plain(clip: Clip, name: str) -> None:
    """A composition shows the media; a rendered plate shows what the timeline makes of it. They have to be alike.

    Raises:
        HostError: the timeline moves, crops, scales or retimes the picture.
    """
    if clip.source or (clip.fits_media and clip.media_frames):
        return
    raise HostError(
        f"{clip.name}: the mask {name} would not lie over the plate, which is rendered as the timeline shows it:"
        f" {clip.why}",
        "Take the masks from the clip's alpha output, as in hero=alpha.",
    )
