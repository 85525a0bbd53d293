"""What a shot in the host remembers of its job: kept in the host's project, and in a file that outlives the host.

The copy with the higher ``saves`` is the later one: a host that was killed finds its job by the file, a project that
moved to another machine finds it by its own copy. A project saved under another name, or a shot copied into another
project, begins with the same id; then the file is only the project's that wrote it last.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from matted_protocol.connection import data_folder

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass
class State:
    """What is known of a shot between two presses of a button.

    Attributes:
        id: names this shot in the host for good.
        saves: counts the times it was kept.
        place: the project it was kept for.
        shot: the daemon's id of the shot, or ''.
        job: the daemon's id of the last job, or ''.
        kind: ``propagate`` or ``suggest``.
        job_state: ``queued``, ``running``, ``done``, ``failed``, ``cancelled``, or '' without a job.
        seq: number of the last event of the job dealt with.
        done: frames there are mattes of.
        total: frames asked for.
        frames: first and last frame asked for.
        folder: where the mattes lie, or ''.
        files: names of the first finished frame's files, relative to ``folder``, with ``%04d`` for the frame.
        local: whether the mattes are written here from what the daemon sends.
        objects: names of the objects matted.
        keyframes: the frames whose masks were sent last.
        suggestions: ``[frame, reason]`` of the frames worth masking next.
        dismissed: suggested frames the artist does not want to see again.
        plate: the rendered plate's ``folder``; {} when it is read from disk.
    """

    id: str = field(default_factory=lambda: uuid4().hex)
    saves: int = 0
    place: str = ""
    shot: str = ""
    job: str = ""
    kind: str = "propagate"
    job_state: str = ""
    seq: int = 0
    done: int = 0
    total: int = 0
    frames: list[int] = field(default_factory=list)
    folder: str = ""
    files: list[str] = field(default_factory=list)
    local: bool = False
    objects: list[str] = field(default_factory=list)
    keyframes: list[int] = field(default_factory=list)
    suggestions: list[list[Any]] = field(default_factory=list)
    dismissed: list[int] = field(default_factory=list)
    plate: dict[str, Any] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether the daemon still has something to do for it."""
        return self.job_state in ("queued", "running")

    def text(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)


def parse(text: str) -> State | None:
    """A state from its text; None when there is none or it is damaged, so that a bad file never stops an artist."""
    try:
        told = json.loads(text)
        known = {one.name: type(getattr(State(), one.name)) for one in fields(State)}
        state = State(**{name: told[name] for name in known if isinstance(told.get(name), known[name])})
    except (ValueError, AttributeError, TypeError):
        return None
    return state if told.get("id") == state.id and _ID.fullmatch(state.id) else None


def state_file(id: str) -> Path:
    """Where the state of a shot outlives the host."""
    return data_folder() / "plugins" / f"{id}.json"


def load(stored: str, place: str = "") -> State:
    """The later of what the project at ``place`` and the file say; a new one when neither says anything."""
    ours = parse(stored)
    if ours is None:
        return State()
    try:
        theirs = parse(state_file(ours.id).read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        theirs = None
    if theirs is None or theirs.id != ours.id or theirs.saves <= ours.saves:
        return ours
    return theirs if theirs.place == place else copied(ours)


def save(state: State) -> str:
    """Keep a state in its file, whole or not at all; returns the text for the host's project.

    A folder that cannot be written is no reason to stop: the project has its own copy.
    """
    state.saves += 1
    text = state.text()
    file = state_file(state.id)
    beside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, "utf-8")
        beside.replace(file)
    except OSError:
        pass
    return text


def copied(state: State) -> State:
    """The state of a copy of the shot: the same job, an id of its own."""
    return replace(state, id=uuid4().hex, saves=0)
