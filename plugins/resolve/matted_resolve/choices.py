"""What the artist chose for a clip: kept in a file of the user's, for a clip in Resolve has no place for it."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from matted_plugin.host import HostError, ObjectSource
from matted_protocol.connection import data_folder
from matted_resolve.seat import Choice

PLATES = ("as it is", "rendered")
"""Where the plate comes from: its source where that can be read, or always rendered through Resolve."""
RESULTS = ("clip matte", "track above", "fusion", "files only")
"""What becomes of the mattes: see :mod:`matted_resolve.host.mattes`."""
ALPHA = "alpha"
"""The mask source of a clip's own alpha output."""

_KEPT = 500
"""Clips whose choices are remembered, the latest."""


@dataclass(frozen=True)
class Choices:
    """What the artist chose for a clip.

    Attributes:
        objects: what to matte, each with its masks: ``hero=alpha car=Saver1.red sign=Polygon2 tree=/m/tree.%04d.png``.
        plate: one of :data:`PLATES`.
        handles: frames before and after the clip that get mattes too, as far as the source has them.
        results: one of :data:`RESULTS`.
        weights: ``lite``, ``xmem`` or the path of an XMem checkpoint.
        working_size: shorter side in pixels at which the network sees the plate; 0 for the plate's own.
        suggestions: how many frames to suggest.
        out: folder for the mattes, a whole path; '' for a folder of the clip's in the user's ``matted``.
        transport: ``auto``, ``paths`` or ``pixels``.
        again: how often the artist asked to have a rendered plate rendered again.
        media_first: frame of the media's first frame at the last press, and
        span: how long the clip was then with all there is before and after it; 0 before the first press.
    """

    objects: str = f"matte={ALPHA}"
    plate: str = PLATES[0]
    handles: int = 0
    results: str = RESULTS[0]
    weights: str = "lite"
    working_size: int = 480
    suggestions: int = 3
    out: str = ""
    transport: str = "auto"
    again: int = 0
    media_first: int = 0
    span: int = 0


_SHOWN = (
    (
        "objects",
        "Objects",
        (),
        "Each name with its masks: alpha, a Fusion Saver or Polygon, or files. hero=alpha car=Saver1.red",
    ),
    (
        "results",
        "Mattes become",
        RESULTS,
        "An external matte of the clip, a clip on the track above, a Loader in its comp, or files",
    ),
    ("plate", "Plate", PLATES, "The source's files where they can be read, or rendered through Resolve with its grade"),
    ("handles", "Handles", (), "Frames before and after the clip that get mattes too, as far as the source has them"),
    ("weights", "Network", ("lite", "xmem"), "lite for first looks on any machine, xmem for final mattes on a GPU"),
    (
        "working_size",
        "Working size",
        ("240", "360", "480", "720", "1080", "0"),
        "Finer detail takes more time; 0 is the plate's own",
    ),
    ("suggestions", "Suggestions", (), "How many frames are suggested for masking next"),
    ("out", "Mattes folder", (), "Versions go below it; empty: a folder of the clip's in your matted folder"),
    (
        "transport",
        "Transport",
        ("auto", "paths", "pixels"),
        "How plate and mattes travel to a daemon on another machine",
    ),
)


def shown(choices: Choices) -> tuple[Choice, ...]:
    """Choices as a window shows them."""
    return tuple(Choice(name, label, str(getattr(choices, name)), options, tip) for name, label, options, tip in _SHOWN)


def choose(choices: Choices, name: str, value: str) -> Choices:
    """Choices with one changed.

    Raises:
        HostError: the value makes no sense.
    """
    known = {shown: (label, options) for shown, label, options, _ in _SHOWN}
    label, options = known.get(name, (name, ()))
    value = value.strip()
    is_number = isinstance(getattr(choices, name, None), int)
    if name not in known or (options and not is_number and name != "weights" and value not in options):
        raise HostError(f"{label} cannot be '{value}'.", f"Choose one of {', '.join(options) or ', '.join(known)}.")
    if is_number and not re.fullmatch(r"[0-9]{1,4}", value):
        raise HostError(f"{label} cannot be '{value}'.", "Type a whole number from 0 to 9999.")
    if name == "weights" and not value:
        raise HostError("The network has no name.", "Choose lite or xmem, or type the path of an XMem checkpoint.")
    if name == "objects":
        parse_objects(value)
    if name == "out":
        value = parse_folder(value)
    return changed(choices, {name: value})


def changed(choices: Choices, told: dict[str, Any]) -> Choices:
    """Choices with what a window says; what it does not say, or says in another form, stays as it is."""
    known = {one.name: type(getattr(choices, one.name)) for one in fields(Choices)}
    taken = {}
    for name, kind in known.items():
        try:
            taken[name] = kind(told[name])
        except (KeyError, TypeError, ValueError):
            continue
    return replace(choices, **taken)


def choices_file() -> Path:
    """Where choices are kept."""
    return data_folder() / "plugins" / "resolve" / "choices.json"


def load(clip: str) -> Choices:
    """The choices for a clip, by its key; the last ones made when it has none of its own."""
    kept = _read()
    own = {"again": 0, "media_first": 0, "span": 0}
    return changed(Choices(), kept.get(clip) or {**(list(kept.values()) or [{}])[-1], **own})


def save(clip: str, choices: Choices) -> None:
    """Keep the choices for a clip. A disk that cannot be written costs the memory of them alone."""
    kept = _read()
    kept.pop(clip, None)
    kept[clip] = asdict(choices)
    file = choices_file()
    beside = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(dict(list(kept.items())[-_KEPT:]), indent=1), "utf-8")
        beside.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()


def _read() -> dict[str, dict[str, Any]]:
    try:
        told = json.loads(choices_file().read_text("utf-8"))
        return {str(clip): dict(one) for clip, one in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def parse_objects(told: str) -> tuple[ObjectSource, ...]:
    """Read ``hero=alpha car=Saver1.red "tree=/my masks/tree.%04d.png"``: each object once, each with its masks.

    Raises:
        HostError: a name is missing or given twice, or two objects have the same masks.
    """
    form = "Write each name once, with its masks: hero=alpha car=Saver1.red tree=/masks/tree.%04d.png."
    found: dict[str, str] = {}
    try:
        words = _words(told)
    except ValueError as error:
        raise HostError(f"'{told}' has a quotation mark too many or too few.", form) from error
    for word in words:
        name, _, masks = word.partition("=")
        if not re.fullmatch(r"\w[\w-]*", name) or name in found:
            raise HostError(f"'{told}' does not name objects.", form)
        masks = masks.strip() or ALPHA
        same = [other for other, its in found.items() if its == masks]
        if same:
            raise HostError(
                f"{same[0]} and {name} would both be taken from {masks}.", "Give each object masks of its own."
            )
        found[name] = masks
    if not found:
        raise HostError("There is nothing to matte.", form)
    return tuple(_source(name, masks) for name, masks in found.items())


def _words(told: str) -> list[str]:
    """Words, in which spaces may be quoted; a backslash is a backslash, for it may be a Windows path."""
    reader = shlex.shlex(told, posix=True)
    reader.whitespace_split, reader.escape, reader.commenters = True, "", ""
    return list(reader)


def _source(name: str, masks: str) -> ObjectSource:
    if re.search(r"[/\\]", masks):
        return ObjectSource(name, "", masks.replace("\\", "/"))
    return ObjectSource(name, masks)


def parse_folder(told: str) -> str:
    """A folder's whole path with forward slashes; '' when there is none.

    Raises:
        HostError: it is relative, and to what nobody can say.
    """
    folder = told.strip().replace("\\", "/").rstrip("/")
    if folder and not re.match(r"([A-Za-z]:)?/", f"{folder}/"):
        raise HostError(
            f"The mattes folder {told} is not a whole path.",
            "Choose the folder with its whole path, or leave it empty: a folder of the clip's in your matted folder.",
        )
    return folder
