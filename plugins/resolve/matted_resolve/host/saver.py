"""Masks through a Saver of a clip's Fusion composition, which writes OpenEXR alone on Resolve's Fusion page.

The Saver gets a path of ours for the time; the frames are rendered one by one, and what counts is the file. Whether
Resolve renders a Saver when a script asks for it was measured by nobody: if it does not, the frames that the artist
rendered to the Saver's own path are taken (Fusion > Render All Savers).
"""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional
from uuid import uuid4

from matted_plugin import exr
from matted_plugin.host import HostError, Rendering
from matted_resolve.host import leftovers as left
from matted_resolve.host.made import project_id
from matted_resolve.host.session import asked

if TYPE_CHECKING:
    from resolve_api import Composition, Timeline, TimelineItem, Tool

    from matted_resolve.host.clip import Clip
    from matted_resolve.host.session import Session

_PAUSE = 0.05
"""Seconds between two looks at the file."""
_SETTLES = 40
"""Looks for a file that a slow disk does not show yet."""
_LONGEST = 12000
"""Looks, ten minutes, while Fusion says that it renders."""

_CHANNELS = {"red": "R", "green": "G", "blue": "B", "alpha": "A"}
_RENDER_ALL = "On the Fusion page choose Fusion > Render All Savers, then press the button again."

_Frames = Sequence[tuple[Rendering, int]]
_Step = Generator[Optional[Rendering], None, None]


@dataclass(frozen=True)
class Place:
    """Where a mask comes from.

    Attributes:
        comp: the composition's name.
        index: its number, from 1.
        tool: the Saver's name.
        channel: ``alpha``, ``red``..., or a channel's name as the file has it.
    """

    comp: str
    index: int
    tool: str
    channel: str


def render(
    session: Session,
    item: TimelineItem,
    clip: Clip,
    place: Place,
    wanted: _Frames,
    *,
    work: Path,
    leftovers: left.Leftovers,
) -> Generator[Rendering | None, None, tuple[str, ...]]:
    """Render a Saver's frames and take one channel of each, as :func:`matted_resolve.host.fusion.render` says.

    Args:
        session: Resolve.
        item: the clip.
        clip: the same, as it was read.
        place: the Saver and its channel.
        wanted: each rendering with the composition's own number of its frame.
        work: a folder; a temporary folder of ours is made below it.
        leftovers: where is written down what is changed for the time.

    Returns:
        Sentences for the artist.

    Raises:
        HostError: a frame could not be made; the Saver has its own path again.
    """
    project, timeline = session.project(), session.timeline()
    if left.sure(lambda: asked(lambda: project.IsRenderingInProgress())):
        raise HostError(
            f"{place.tool} of {clip.name} cannot be rendered: Resolve is rendering something else.",
            "Wait until it has finished, then press the button again.",
        )
    comp, saver = _saver(item, clip, place)
    own = _path(saver)
    folder = work / f"{left.PREFIX}{uuid4().hex[:12]}"
    ids = {"project": project_id(session), "timeline": left.sure(lambda: asked(lambda: timeline.GetUniqueId()))}
    tokens = [leftovers.note("folder", path=str(folder))]
    facts = {"item": clip.key, "comp": place.comp, "tool": place.tool, "path": own, "folder": str(folder)}
    tokens.append(leftovers.note("saver", **ids, **facts))
    try:
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise HostError(
                f"The folder {folder} cannot be made: {error.strerror}.",
                "See whether the disk is full, or choose another folder for the mattes.",
                path=str(folder),
            ) from error
        by_script = yield from _rendered(comp, saver, clip, place, wanted, folder)
    except HostError as error:
        told = leftovers.put_back(session, tokens)
        raise HostError(error.message, " ".join((error.hint, *told)), path=error.path, frame=error.frame) from error
    except BaseException:
        leftovers.put_back(session, tokens)
        raise
    told = leftovers.put_back(session, tokens)
    if by_script:
        return told
    yield from _found(clip, place, wanted, own)
    return (*told, f"Resolve did not render {place.tool} by script: the masks you rendered to {own} were taken.")


def _saver(item: TimelineItem, clip: Clip, place: Place) -> tuple[Composition, Tool]:
    for _ in range(2):
        comp = asked(lambda: item.GetFusionCompByIndex(place.index))
        saver = asked(lambda: comp.FindTool(place.tool)) if comp else None  # noqa: B023 (called at once)
        if comp and saver:
            return comp, saver
    raise HostError(
        f"Fusion does not show {place.tool} in {place.comp} of {clip.name}.",
        "Open the clip on the Fusion page, then press the button again.",
    )


def _path(saver: Tool) -> str:
    """Where a Saver writes to; '' when nobody said."""
    told = left.sure(lambda: asked(lambda: saver.GetInput("Clip")))
    return str(told.get("Filename") or "") if isinstance(told, dict) else str(told or "")


def _rendered(
    comp: Composition, saver: Tool, clip: Clip, place: Place, wanted: _Frames, folder: Path
) -> Generator[Rendering | None, None, bool]:
    """Have Fusion render each frame to our folder; False when it renders none."""
    # not within Lock: what is first written there reads back and does not render (measured by davinci-resolve-mcp)
    asked(lambda: saver.SetInput("Clip", str(folder / "mask_.exr")))
    for index, (one, number) in enumerate(wanted):
        yield None
        before = set(folder.iterdir())
        settings = {"Tool": saver, "FrameRange": f"{number}..{number}", "Wait": True}
        asked(lambda: comp.Render(settings))  # noqa: B023 (called at once)
        path = yield from _new(comp, folder, before, number)
        if path is None and index == 0:
            return False
        if path is None:
            raise HostError(
                f"{clip.name}: Fusion wrote no frame {number} of {place.tool} in {place.comp}.", _RENDER_ALL,
                frame=one.frame,
            )  # fmt: skip
        _take(clip, place, one, path)
        path.unlink()
        yield one
    return True


def _new(
    comp: Composition, folder: Path, before: set[Path], number: int
) -> Generator[Rendering | None, None, Path | None]:
    """The file that has come into our folder, once it is whole; None when none comes."""
    looks = 0
    while looks < _LONGEST:
        there = sorted(set(folder.iterdir()) - before)
        there = [path for path in there if _number(path) == number] if len(there) > 1 else there
        if there and _is_whole(there[0]):
            return there[0]
        looks += 1
        if looks >= _SETTLES and asked(lambda: comp.GetAttrs("COMPB_Rendering")) is not True:
            return there[0] if there else None
        time.sleep(_PAUSE)
        yield None
    return None


def _number(path: Path) -> int | None:
    found = re.search(r"(-?\d+)$", path.stem)
    return int(found[1]) if found else None


def _is_whole(path: Path) -> bool:
    try:
        exr.read_pixels(path, exr.channel_names(path)[:1])
    except (OSError, exr.ExrError, IndexError):
        return False
    return True


def _take(clip: Clip, place: Place, one: Rendering, path: Path) -> None:
    """Write the wanted channel of a Saver's file where the mask is wanted.

    Raises:
        HostError: the file lacks it, is of another size than the plate, or cannot be read.
    """
    name = _CHANNELS.get(place.channel.lower(), place.channel)
    try:
        there = exr.channel_names(path)
        if name not in there:
            raise HostError(
                f"{clip.name}: what {place.tool} of {place.comp} wrote for frame {one.frame} has no channel"
                f" {place.channel}, only {', '.join(there)}.",
                "Connect the mask to the alpha of a picture (MatteControl) and that to the Saver, or name another"
                f" channel, as in {place.tool}.red.",
                path=str(path),
                frame=one.frame,
            )
        size, dtype, content = exr.read_pixels(path, (name,))
    except (OSError, exr.ExrError) as error:
        raise HostError(
            f"{clip.name}: what {place.tool} of {place.comp} wrote for frame {one.frame} cannot be read: {error}.",
            "Set the Saver's file type to OpenEXR, and in its Format tab the compression to ZIP.",
            path=str(path),
            frame=one.frame,
        ) from error
    if size != clip.size:
        raise HostError(
            f"{clip.name}: {place.tool} of {place.comp} writes {size[0]} x {size[1]} pixels at frame {one.frame}; the"
            f" plate has {clip.size[0]} x {clip.size[1]}.",
            "Connect the Saver where the picture has the size of the clip.",
            path=str(path),
            frame=one.frame,
        )
    try:
        exr.write_pixels(one.path, size, ("A",), dtype, content)
    except OSError as error:
        raise not_written(one, error) from error


def not_written(one: Rendering, error: OSError) -> HostError:
    """What to say when a mask's file cannot be written."""
    return HostError(
        f"The mask of frame {one.frame} cannot be written to {one.path}: {error.strerror}.",
        "See whether the disk is full, or choose another folder for the mattes.",
        path=one.path,
        frame=one.frame,
    )


def _found(clip: Clip, place: Place, wanted: _Frames, own: str) -> _Step:
    """Take the files that the artist had the Saver write, by the composition's frame in their names."""
    for one, number in wanted:
        yield None
        path = _file(own, number)
        if path is None or not path.is_file():
            raise HostError(
                f"{clip.name}: Resolve does not render {place.tool} of {place.comp} by script, and frame {one.frame}"
                f" is not at {path or own or 'any path'}.",
                _RENDER_ALL if own else f"Choose a file for {place.tool}. {_RENDER_ALL}",
                path=str(path) if path else None,
                frame=one.frame,
            )
        _take(clip, place, one, path)
        yield one


def _file(own: str, number: int) -> Path | None:
    """The file of a frame: Fusion counts in the digits at the name's end, or adds four. None without a path on disk."""
    path = Path(own)
    if not own or not path.is_absolute():  # such as Comp:/masks.exr, which Fusion alone resolves
        return None
    stem, digits = re.fullmatch(r"(.*?)(\d*)", path.stem).groups()  # type: ignore[union-attr]
    return path.with_name(f"{stem}{number:0{len(digits) or 4}d}{path.suffix}")


def _put_back(session: Session, facts: left.Facts) -> None:
    """Facts: project, timeline, item (unique ids), comp and tool (names), path: its own, folder: ours."""
    saver = _noted(session, facts) or _noted(session, facts)  # one failing answer is no reason to take it for deleted
    if saver is None or not _is_within(_path(saver), facts["folder"]):
        return
    saver.SetInput("Clip", facts["path"])
    if _is_within(_path(saver), facts["folder"]):
        raise left.NotBack(
            f"{facts['tool']} of {facts['comp']} does not have its own path again: set it to {facts['path'] or 'none'}."
        )


def _noted(session: Session, facts: left.Facts) -> Tool | None:
    """The Saver of an entry, in a timeline that may not be the current one; None when it was deleted."""
    timeline = left.find_timeline(session.project(), facts["timeline"])
    item = _item(timeline, facts["item"]) if timeline is not None else None
    names = list(item.GetFusionCompNameList() or ()) if item is not None else []
    if item is None or facts["comp"] not in names:
        return None
    comp = item.GetFusionCompByIndex(names.index(facts["comp"]) + 1)
    return comp.FindTool(facts["tool"]) or None if comp else None


def _item(timeline: Timeline, key: str) -> TimelineItem | None:
    for track in range(1, left.sure(lambda: int(timeline.GetTrackCount("video"))) + 1):
        for item in timeline.GetItemListInTrack("video", track) or ():
            if item.GetUniqueId() == key:
                return item
    return None


def _is_within(path: str, folder: str) -> bool:
    return path.replace("\\", "/").startswith(folder.replace("\\", "/"))


left.KINDS["saver"] = _put_back
