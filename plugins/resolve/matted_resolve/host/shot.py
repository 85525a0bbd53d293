"""One clip of a timeline as the buttons see it."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar, cast

from matted_plugin import exr
from matted_plugin.host import Asked, HostError, Mattes, Plate, Rendering, Renderings, Shape
from matted_protocol.messages import MatteOptions, Settings
from matted_resolve import choices as chosen
from matted_resolve.choices import ALPHA, Choices
from matted_resolve.host import clip as clips
from matted_resolve.host import fusion, kept, marks, rendering
from matted_resolve.host import mattes as results
from matted_resolve.host.clip import Clip
from matted_resolve.host.leftovers import Leftovers
from matted_resolve.host.session import Session, numbered
from matted_resolve.seat import Card, ClipHost

if TYPE_CHECKING:
    from resolve_api import TimelineItem

_Call = TypeVar("_Call", bound=Callable[..., Any])
_Result = TypeVar("_Result")


@contextlib.contextmanager
def speaking(name: str) -> Iterator[None]:
    """Turn what Resolve throws into a :class:`HostError`: a method it lacks is None, and to call that is an error."""
    try:
        yield
    except HostError:
        raise
    except Exception as error:
        raise HostError(
            f"Resolve failed while it was asked about {name}: {error}.",
            "Close any dialog that Resolve shows, then press again; if it stays, copy the diagnostics.",
        ) from error


def told(call: _Call) -> _Call:
    """A method that speaks to Resolve about its clip."""

    @functools.wraps(call)
    def asking(self: ResolveHost, *args: Any, **named: Any) -> Any:
        with speaking(self.name):
            return call(self, *args, **named)

    return cast("_Call", asking)


class ResolveHost(ClipHost):
    """One clip of the timeline the artist looks at.

    Args:
        session: the script's view of Resolve.
        key: the timeline item's id.
        leftovers: what has to be put back in Resolve.

    Attributes:
        name: the clip's, for people.
        choices: what the artist chose for it.
    """

    def __init__(self, session: Session, key: str, leftovers: Leftovers) -> None:
        self.program = f"resolve {numbered(session.version)}"
        self.choices: Choices = chosen.load(key)
        self.name = key
        self._session = session
        self._key = key
        self._leftovers = leftovers
        self._looks = ""
        self._said: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The timeline item's id, once Resolve has found it."""
        self._item()
        return self._key

    @property
    def place(self) -> str:
        """The project, by its id: it is no file."""
        with speaking(self.name):
            return str(self._session.project().GetUniqueId())

    @told
    def read(self) -> Asked:
        """The clip, its keyframe markers, and what the artist chose."""
        item, clip = self._item(), self._read_anew()
        self._looks, self._said = self._look(item, clip), ()
        objects = chosen.parse_objects(self.choices.objects)
        frames = self._frames(clip)
        keyframes, notes = marks.read(self._session, item, clip)
        if not keyframes:
            keyframes, notes = self._keyed(item, clip, notes)
        within = tuple(frame for frame in keyframes if frames[0] <= frame <= frames[1])
        return Asked(
            plate=Plate(
                path=clip.source or None,
                size=clip.size,
                offset=clip.offset,
                pixel_aspect=clip.pixel_aspect,
                colorspace=clip.colorspace,
                frame_rate=clip.frame_rate,
                why=clip.why,
            ),
            frames=(*frames, 1),
            keyframes=within,
            objects=objects,
            out=self._out(),
            transport=self.choices.transport,
            settings=Settings(weights=self.choices.weights, working_size=self.choices.working_size),
            mattes=MatteOptions(layout="rgba", name=_plain(clip.name)),
            suggestions=self.choices.suggestions,
            notes=(*notes, *clip.notes, *((f"The plate is rendered: {clip.why}",) if clip.why else ())),
        )

    @told
    def signature(self, frame: int) -> str:
        """All of the clip that can be read, as it was when an action last read it: the same at every frame. Its grade
        cannot be read, so the artist says when to render again.
        """
        if not self._looks:
            self._looks = self._look(self._item(), self._read())
        return self._looks

    def _look(self, item: TimelineItem, clip: Clip) -> str:
        return rendering.signature(self._session, item, clip, clip.first, self.choices.again)

    def render(self, renderings: Sequence[Rendering]) -> Renderings:
        """Render the plate, the clip's alpha, or masks of its Fusion composition."""
        with speaking(self.name):
            yield from self._render(renderings)

    def _render(self, renderings: Sequence[Rendering]) -> Renderings:
        self._said += self._leftovers.put_back(self._session)  # what an earlier press could not
        item, clip = self._item(), self._read()
        for channel, some in groupby(sorted(renderings, key=lambda one: one.channel or ""), lambda one: one.channel):
            wanted = tuple(some)
            work = Path(wanted[0].path).parent
            if channel is None:
                yield from rendering.frames(
                    self._session, item, clip, wanted, alpha=False, work=work, leftovers=self._leftovers
                )
            elif channel == ALPHA:
                masks = rendering.frames(
                    self._session, item, clip, wanted, alpha=True, work=work, leftovers=self._leftovers
                )
                yield from _masks(clip, masks)
            else:
                rendered = fusion.render(
                    self._session, item, clip, wanted, channel, work=work, leftovers=self._leftovers
                )
                self._said += yield from _masks(clip, rendered)

    @told
    def show_mattes(self, mattes: Mattes) -> tuple[str, ...]:
        """Bring the mattes into the project once all are there: Resolve reads a sequence once."""
        if not mattes.complete:
            return ()
        said = results.show(
            self._session, self._item(), self._as_pressed(), mattes, self.choices.results, leftovers=self._leftovers
        )
        return (*dict.fromkeys(self._said), *((said,) if said else ()))

    @told
    def show_marks(self, keyframes: Sequence[int], suggestions: Sequence[tuple[int, str]]) -> None:
        """Mark suggestions with markers of another colour, the reason in the note; keyframes have the artist's."""
        self._said += marks.show(self._session, self._item(), self._as_pressed(), keyframes, suggestions)

    def show_status(self, sentence: str) -> None:
        """Nothing to see: the windows say it, a clip has no place for it."""
        self._item()

    def make_shapes(self, shapes: Sequence[Shape], name: str) -> str:
        """Not in Resolve.

        Raises:
            HostError: always.
        """
        raise HostError("Resolve takes mattes as pictures, not as shapes.", "Use To Roto in Nuke, or the mattes.")

    @told
    def stored(self) -> str:
        """The state in the metadata of the clip's media."""
        return kept.stored(self._session, self._item())

    @told
    def store(self, text: str) -> None:
        """Keep the state in the metadata of the clip's media."""
        kept.store(self._session, self._item(), text)

    # The windows

    @told
    def card(self) -> Card:
        """What the window shows of it."""
        item, clip = self._item(), self._read()
        keyframes, notes = marks.read(self._session, item, clip)
        try:
            objects = tuple(one.name for one in chosen.parse_objects(self.choices.objects))
        except HostError as error:
            objects, notes = (), (*notes, f"{error.message} {error.hint}")
        return Card(
            key=self._key,
            name=clip.name,
            plate=f"Rendered through Resolve: {clip.why}" if clip.why else f"Read from {clip.source}.",
            frames=self._frames(clip),
            keyframes=tuple(keyframes),
            objects=objects,
            choices=chosen.shown(self.choices),
            notes=(*notes, *clip.notes),
            playhead=self._playhead(clip),
        )

    def choose(self, name: str, value: str) -> None:
        """Keep a choice of the artist with the clip."""
        self.choices = chosen.choose(self.choices, name, value)
        chosen.save(self._key, self.choices)

    @told
    def mark(self, frame: int | None) -> str:
        """Put a keyframe marker at a shot frame, or under the playhead."""
        item, clip = self._item(), self._read()
        frame = marks.at_playhead(self._session, clip) if frame is None else frame
        marks.mark(self._session, item, clip, frame)
        return f"Frame {frame} of {clip.name} is a keyframe."

    @told
    def unmark(self, frame: int | None) -> str:
        """Take the keyframe marker at a shot frame, or under the playhead, away."""
        item, clip = self._item(), self._read()
        frame = marks.at_playhead(self._session, clip) if frame is None else frame
        marks.unmark(self._session, item, clip, frame)
        return f"Frame {frame} of {clip.name} is no keyframe any more."

    @told
    def go_to(self, frame: int) -> str:
        """Put the playhead on a shot frame; the page may have to change for it."""
        return marks.go_to(self._session, self._read(), frame)

    def render_again(self) -> str:
        """Have the plate rendered anew at the next press."""
        self.choices = replace(self.choices, again=self.choices.again + 1)
        chosen.save(self._key, self.choices)
        return "The plate is rendered anew at the next press."

    def _playhead(self, clip: Clip) -> int | None:
        try:
            return marks.at_playhead(self._session, clip)
        except HostError:
            return None

    def _item(self) -> TimelineItem:
        return self._session.item(self._key)

    def _read(self) -> Clip:
        """The clip with its frames counted as at the last press, so that trimming a rendered clip moves none."""
        return self._counted(self._clip())

    def _read_anew(self) -> Clip:
        """The clip at a press: files that are read have their own numbers."""
        clip = self._clip()
        clip = clip if clip.source else self._counted(clip)
        if (clip.media_first, clip.span) != (self.choices.media_first, self.choices.span):
            self.choices = replace(self.choices, media_first=clip.media_first, span=clip.span)
            chosen.save(self._key, self.choices)
        return clip

    def _clip(self) -> Clip:
        clip = clips.read_clip(self._session, self._item(), rendered=self.choices.plate == chosen.PLATES[1])
        self.name = clip.name
        return clip

    def _counted(self, clip: Clip) -> Clip:
        return clip.counted_from(self.choices.media_first) if clip.span == self.choices.span else clip

    def _as_pressed(self) -> Clip:
        """The clip, for what was made of it since the last press.

        Raises:
            HostError: nobody knows which of its frames are meant.
        """
        clip = self._read()
        if self.choices.span and clip.span != self.choices.span:
            raise HostError(
                f"The speed or the length of {clip.name} was changed since Propagate was pressed: mattes and"
                " suggestions are of other frames than it shows now.",
                "Press Propagate again; the finished mattes stay in their folder.",
            )
        return clip

    def _frames(self, clip: Clip) -> tuple[int, int]:
        """First and last frame to matte, with as many handles as are wanted and there."""
        before, after = (min(max(self.choices.handles, 0), there) for there in clip.handles)
        return clip.first - before, clip.last + after

    def _keyed(self, item: TimelineItem, clip: Clip, notes: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Where nobody set a marker: the frames at which the masks' own Polygons are keyed."""
        found: set[int] = set()
        for one in chosen.parse_objects(self.choices.objects):
            if not one.files and one.channel != ALPHA:
                found.update(fusion.keyed(self._session, item, clip, one.channel))
        if not found:
            return (), notes
        return tuple(sorted(found)), (*notes, "There are no keyframe markers: the keys of the Polygons are taken.")

    def _out(self) -> str:
        folder = chosen.parse_folder(self.choices.out)
        if folder:
            return folder
        project = _plain(str(self._session.project().GetName()))
        return (Path.home() / "matted" / project / f"{_plain(self.name)}-{self._key[:6]}").as_posix()


def _masks(
    clip: Clip, rendered: Generator[Rendering | None, None, _Result]
) -> Generator[Rendering | None, None, _Result]:
    """Masks as they are rendered.

    Raises:
        HostError: in the end, when there is nothing in any of them.
    """
    frames: list[int] = []
    is_empty = True
    with contextlib.closing(rendered):
        while True:
            try:
                one = next(rendered)
            except StopIteration as end:
                if frames and is_empty:
                    raise HostError(
                        f"{clip.name}: the mask is black at every keyframe ({', '.join(map(str, sorted(frames)))}).",
                        "See that the mask reaches its output at these frames, or put the Mint markers where the"
                        " object is in the picture.",
                        frame=min(frames),
                    ) from None
                return cast("_Result", end.value)
            if one is not None:
                frames.append(one.frame)
                is_empty = is_empty and not any(exr.read_pixels(one.path, (exr.channel_names(one.path)[0],))[2])
            yield one


def _plain(name: str) -> str:
    """A name for files, without the range and the ending that a clip's name has of its own files."""
    stem = re.sub(r"\.[A-Za-z][A-Za-z0-9]{1,4}$", "", name)
    stem = re.sub(r"[._ -]?\[[^\]]*\]$", "", stem)
    return re.sub(r"[^\w-]+", "_", stem).strip("_-") or "clip"
