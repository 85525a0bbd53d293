"""What both windows show and what can be pressed in them, as plain data.

The companion makes a :class:`View`; the page and the window in Resolve draw it and send a :class:`Press`. Neither of
them decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from matted_resolve.seat import About, Card

PRESSES = (
    "propagate",
    "propagate_selected",
    "propagate_marked",
    "suggest",
    "cancel",
    "mark",
    "unmark",
    "go_to",
    "dismiss",
    "choose",
    "render_again",
    "refresh",
    "remove",
    "diagnostics",
)
"""Everything an artist can press."""


@dataclass(frozen=True)
class Press:
    """One press of the artist.

    Attributes:
        press: one of :data:`PRESSES`.
        key: the clip that was shown when it was pressed; '' for presses that concern none.
        frame: a shot frame, for ``unmark``, ``go_to`` and ``dismiss``; None for the playhead.
        count: of frames to suggest.
        name: of the choice.
        value: of the choice.
    """

    press: str
    key: str = ""
    frame: int | None = None
    count: int = 5
    name: str = ""
    value: str = ""


@dataclass(frozen=True)
class Shot:
    """How it goes with one clip.

    Attributes:
        key: names the clip.
        name: for people.
        sentence: how it goes.
        hint: what to do, after something went wrong.
        error: whether something went wrong.
        working: whether something is done for it, here or in the daemon, or it waits for its turn.
        done: of the step at hand.
        total: of the step at hand; 0 when it has no parts.
        left: time left in words; '' when nobody knows.
        notes: what the artist should know besides.
        suggestions: frames worth masking next with the reason, the worst first.
        folder: where the mattes lie, or ''.
    """

    key: str
    name: str
    sentence: str = ""
    hint: str = ""
    error: bool = False
    working: bool = False
    done: int = 0
    total: int = 0
    left: str = ""
    notes: tuple[str, ...] = ()
    suggestions: tuple[tuple[int, str], ...] = ()
    folder: str = ""


@dataclass(frozen=True)
class View:
    """All that a window shows.

    Attributes:
        connected: whether a script in Resolve answers.
        about: which Resolve it is; the last one's when none answers.
        busy: what Resolve keeps us waiting for, and what to do; '' when it answers quickly.
        lamp: of the daemon: ``off``, ``connecting``, ``on``, ``lost``.
        lamp_tip: where the daemon is, or why it cannot be reached.
        clip: the clip under the playhead.
        shot: how it goes with it.
        shots: every clip something was pressed for, and how it goes.
        selected: how many clips are selected.
        buttons: which of :data:`PRESSES` can be pressed now.
        said: what the last press came to.
        hint: what to do, after it failed.
        error: whether it failed.
        diagnostics: text for whoever looks after matted, after it was asked for.
    """

    connected: bool = False
    about: About | None = None
    busy: str = ""
    lamp: str = "off"
    lamp_tip: str = ""
    clip: Card | None = None
    shot: Shot | None = None
    shots: tuple[Shot, ...] = ()
    selected: int = 0
    buttons: tuple[str, ...] = ()
    said: str = ""
    hint: str = ""
    error: bool = False
    diagnostics: str = ""
