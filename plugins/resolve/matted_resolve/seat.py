"""What script, companion and windows ask of a Resolve beyond :class:`matted_plugin.host.Host`, as plain data.

:class:`Seat` is all of Resolve, :class:`ClipHost` one clip of its timeline; ``matted_resolve.host`` has both for the
real one. Everything here is called on the script's only thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from matted_plugin.host import Host

WHICH = ("current", "selected", "marked")
"""Clips of the timeline: under the playhead, selected, or with a keyframe marker of ours."""


@dataclass(frozen=True)
class About:
    """Which Resolve this is, and where the artist is in it.

    Attributes:
        product: ``DaVinci Resolve Studio``.
        version: ``20.3.2``.
        page: ``color``; '' where that is unknown.
        project: the open project's name.
        timeline: the current timeline's name, or ''.
        limits: what is not possible here, and what to do instead, in sentences.
    """

    product: str
    version: str
    page: str = ""
    project: str = ""
    timeline: str = ""
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """One thing the artist chooses for a clip.

    Attributes:
        name: of the choice, as :meth:`ClipHost.choose` takes it.
        label: for people.
        value: chosen now.
        options: what there is to choose from; () for any text.
        tip: what it means.
    """

    name: str
    label: str
    value: str
    options: tuple[str, ...] = ()
    tip: str = ""


@dataclass(frozen=True)
class Card:
    """What the window shows of a clip.

    Attributes:
        key: names the clip in this project.
        name: for people.
        plate: one sentence: the files that are read, or why the plate has to be rendered.
        frames: first and last shot frame.
        keyframes: shot frames with a keyframe marker, ascending.
        objects: names of what is matted.
        choices: what the artist chose.
        notes: what the artist should know.
        playhead: the shot frame under the playhead; None when it is elsewhere.
    """

    key: str
    name: str
    plate: str = ""
    frames: tuple[int, int] = (0, 0)
    keyframes: tuple[int, ...] = ()
    objects: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    notes: tuple[str, ...] = ()
    playhead: int | None = None


class ClipHost(Host):
    """One clip of the timeline."""

    how_to_key = (
        "Mask the subject on a frame or two, and put a Mint marker on the clip at each (the button Mark frame does)."
    )

    @abstractmethod
    def card(self) -> Card:
        """What the window shows of it, quick to read.

        Raises:
            HostError: the clip cannot be read; Gone: it is no longer there.
        """

    @abstractmethod
    def choose(self, name: str, value: str) -> None:
        """Keep a choice of the artist with the clip.

        Raises:
            HostError: the value makes no sense.
        """

    @abstractmethod
    def mark(self, frame: int | None) -> str:
        """Put a keyframe marker at a shot frame, or under the playhead; returns what to tell.

        Raises:
            HostError: the playhead is not over the clip, or Resolve refuses.
        """

    @abstractmethod
    def unmark(self, frame: int | None) -> str:
        """Take the keyframe marker at a shot frame, or under the playhead, away; returns what to tell.

        Raises:
            HostError: there is none, or Resolve refuses.
        """

    @abstractmethod
    def go_to(self, frame: int) -> str:
        """Put the playhead on a shot frame; returns what to tell, as that the page was changed for it.

        Raises:
            HostError: Resolve refuses.
        """

    @abstractmethod
    def render_again(self) -> str:
        """Have the plate rendered anew at the next press, as after a grade was changed; returns what to tell."""


class Seat(ABC):
    """A running Resolve."""

    program: str
    """``resolve 20.3.2``: who talks to the daemon."""

    @abstractmethod
    def about(self) -> About:
        """Which Resolve this is.

        Raises:
            HostError: it does not answer.
        """

    @abstractmethod
    def alive(self) -> bool:
        """Whether Resolve still answers."""

    @abstractmethod
    def clips(self, which: str) -> tuple[str, ...]:
        """Keys of clips of the current timeline; ``which`` is one of :data:`WHICH`.

        Raises:
            HostError: no timeline is open.
        """

    @abstractmethod
    def host(self, key: str) -> ClipHost:
        """The clip with this key.

        Raises:
            Gone: it is no longer there.
        """

    @abstractmethod
    def put_back(self) -> tuple[str, ...]:
        """Put back what an earlier script had to leave changed; returns what to tell."""

    @abstractmethod
    def remove(self) -> str:
        """Take back everything the plugin made in this timeline; files stay. Returns what to tell.

        Raises:
            HostError: something could not be taken back.
        """
