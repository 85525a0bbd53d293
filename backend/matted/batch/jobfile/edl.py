"""EDLs in the CMX 3600 form, with what comments that begin with ``* MATTED`` say.

OpenTimelineIO's adapter reads the events. What it does not know, lines and our own comments, is taken out of the text
before and laid into the clips' metadata after.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from matted.batch.jobfile.clips import LINES, OURS, find_clips
from matted.batch.jobfile.problem import JobFileError, Problem
from matted.batch.jobfile.raw import Key, read_text, refused

INSTALL = "Run: python install.py --with timelines"

_MARK = "MATTED-EVENT"
_OWN = re.compile(r"\*?\s*MATTED[ _](?P<key>[^:]*?)\s*(?::\s*(?P<value>.*))?", re.IGNORECASE)
_SOUND = re.compile(r"\d+\S*\s+\S+\s+(A\d*|AA)\s")
_CODE = re.compile(r"\b\d\d:\d\d:\d\d[:;](?P<frames>\d\d)\b")
_DROP = re.compile(r"(\b\d\d:\d\d:\d\d):(\d\d\b)")
_RATE_HINT = "Write the frame rate before the first event, like: * MATTED RATE: 25"


@dataclass
class Edl:
    """An EDL's text, read as far as the adapter does not.

    Attributes:
        lines: what the adapter is to read: line number and text.
        rate: frames a second.
        tree: ``job``, ``tokens`` and ``defaults`` as of any job file.
        keys: the keys of each event's shot, by the line of the event.
        places: the line of each key: in the tree, or ``(line of the event, key)``.
        notes: what a person should know.
        problems: what is wrong with our own comments.
    """

    lines: list[tuple[int, str]] = field(default_factory=list)
    rate: float = 24.0
    tree: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[int, dict[str, Any]] = field(default_factory=dict)
    places: dict[Key, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_edl(file: Path) -> tuple[Any, list[str]]:
    """The OpenTimelineIO timeline of an EDL, what its text says laid into the metadata, and what a person should know.

    Raises:
        JobFileError: it is no EDL, a comment of ours says nothing, or the adapter is not installed.
    """
    numbered = [(line, text.strip()) for line, text in enumerate(read_text(file).splitlines(), 1) if text.strip()]
    edl = _Reader(file).read(numbered)
    edl.rate = _rate(file, edl, [text for _, text in numbered])
    if edl.problems:
        raise JobFileError(edl.problems)
    timeline = _adapted(file, edl)
    timeline.metadata[OURS] = edl.tree
    timeline.metadata[LINES] = {".".join(map(str, key)): line for key, line in edl.places.items() if key[0] in edl.tree}
    for clip, _ in find_clips(timeline):
        _lay_in(clip, edl)
    return timeline, edl.notes


def _lay_in(clip: Any, edl: Edl) -> None:
    """Note at a clip what was said of its event."""
    event = _event_line(clip)
    places = {".".join(map(str, key[1:])): line for key, line in edl.places.items() if key[0] == event}
    clip.metadata[OURS] = edl.keys.get(event, {})
    clip.metadata[LINES] = {**places, "": event}


def _event_line(clip: Any) -> int:
    """The line of the event a clip was made of."""
    for comment in clip.metadata.get("cmx_3600", {}).get("comments", ()):
        if comment.startswith(_MARK):
            return int(comment.removeprefix(_MARK))
    return 0


class _Reader:
    """Goes through an EDL's lines, keeping for the adapter what it understands."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._edl = Edl()
        self._event = ""
        self._line = 0
        self._split = 0
        self._drops = False
        self._sounds = False

    def read(self, numbered: list[tuple[int, str]]) -> Edl:
        for line, text in numbered:
            own = _OWN.fullmatch(text)
            if text[0].isdigit():
                self._begin(line, text)
            elif own:
                self._take(line, own)
            elif self._sounds:
                continue
            elif text.startswith("FCM"):
                self._drops = "NON" not in text.upper() and "DROP" in text.upper()
            elif text.startswith(("TITLE:", "SPLIT")) or self._line:
                self._split = 2 if text.startswith("SPLIT") else self._split
                self._edl.lines.append((line, text))
        if not self._line:
            raise refused(self._file, "This is no EDL: it has no event.", "Export it in the CMX 3600 form.")
        return self._edl

    def _begin(self, line: int, text: str) -> None:
        """An event; two lines of one number are a transition, two after a SPLIT share their comments."""
        digits = re.match(r"\d+", text)
        event = digits[0] if digits else ""
        if _SOUND.match(text):  # sound alone; where it has the number of a picture, comments are that one's
            self._sounds = event != self._event
            return
        self._sounds = False
        self._edl.lines.append((line, _DROP.sub(r"\1;\2", text) if self._drops else text))
        follows = event == self._event and not self._split
        self._split = max(0, self._split - 1)
        if follows:
            return
        self._event, self._line = event, line
        if not self._split:
            self._edl.lines.append((line, f"* {_MARK}{line}"))

    def _take(self, line: int, own: re.Match[str]) -> None:
        name, value = own["key"].strip(), (own["value"] or "").strip()
        if not (name and value):
            self._problem(line, "This comment says nothing.", "Write it like: * MATTED KEYFRAMES: roto/hero")
            return
        table, _, rest = name.partition(" ")
        table = {"DEFAULT": "defaults", "TOKEN": "tokens", "JOB": "job"}.get(table.upper(), "")
        if name.upper() == "RATE":
            self._put(line, self._edl.tree.setdefault("edl", {}), ("edl",), "rate", value)
        elif table and rest:
            key = rest.strip() if table == "tokens" else _key(rest)
            self._put(line, self._edl.tree.setdefault(table, {}), (table,), key, value)
        elif self._line:
            self._put(line, self._edl.keys.setdefault(self._line, {}), (self._line,), _key(name), value)
        else:
            hint = f"Write it below an event, or for all of them: * MATTED DEFAULT {name.upper()}: {value}"
            self._problem(line, "This comment stands before the first event.", hint)

    def _put(self, line: int, table: dict[str, Any], at: Key, key: str, value: str) -> None:
        """Set a key; ``thresholds.jump`` is one of the table ``thresholds``, and objects may take several lines."""
        outer, dot, inner = key.partition(".")
        self._edl.places.setdefault((*at, outer), line)
        if dot:
            nested = table.setdefault(outer, {})
            if isinstance(nested, dict):
                table, key, at = nested, inner, (*at, outer)
        if key == "objects" and key in table:
            table[key] += f"; {value}"
        elif key in table:
            self._problem(line, f"'{key}' is given twice.", "Keep one of them.")
        else:
            table[key] = value
            self._edl.places[(*at, key)] = line

    def _problem(self, line: int, message: str, hint: str) -> None:
        self._edl.problems.append(Problem(self._file, line, "", message, hint))


def _key(name: str) -> str:
    return re.sub(r"[ _-]+", "_", name.strip().lower())


def _rate(file: Path, edl: Edl, texts: list[str]) -> float:
    """Frames a second: said, or told by what only one rate has."""
    said = edl.tree.pop("edl", {}).get("rate")
    if said is not None:
        return _number(file, edl, said)
    events = [text for text in texts if text[0].isdigit()]
    if any(";" in text for text in events) or any(re.match(r"FCM:?\s*DROP", text) for text in texts):
        return 30000 / 1001
    largest = max((int(code["frames"]) for text in events for code in _CODE.finditer(text)), default=0)
    rate = 24.0 if largest < 24 else 25.0 if largest < 25 else 30.0
    edl.notes.append(f"{file}: An EDL does not say its frame rate; {rate:g} is assumed. {_RATE_HINT}")
    return rate


def _number(file: Path, edl: Edl, said: str) -> float:
    try:
        rate = float(Fraction(said))
    except (ValueError, ZeroDivisionError):
        rate = 0.0
    if not 1 <= rate <= 240:
        line = edl.places["edl", "rate"]
        edl.problems.append(Problem(file, line, "", f"'{said}' is no frame rate.", _RATE_HINT))
        return 24.0
    near = [base * 1000 / 1001 for base in (24, 30, 48, 60, 120)]
    return next((exact for exact in near if abs(exact - rate) < 0.011), rate)


def _adapted(file: Path, edl: Edl) -> Any:
    try:
        return _timeline(edl.lines, edl.rate)
    except Exception as error:  # the adapter lets through whatever its own parsing runs into
        import opentimelineio

        if isinstance(error, opentimelineio.exceptions.NotSupportedError):
            raise refused(file, "Reading EDLs needs OpenTimelineIO's CMX 3600 adapter.", INSTALL) from error
        line = _line_of(edl)
        hint = _RATE_HINT if isinstance(error, ValueError) and "ime" in str(error) else "Put the event right."
        message = " ".join(str(error).split()) or type(error).__name__
        raise refused(file, f"The event cannot be read: {message.removesuffix('.')}.", hint, line) from error


def _timeline(lines: list[tuple[int, str]], rate: float) -> Any:
    """What the adapter makes of these lines; when clips are recorded is not ours to judge."""
    from opentimelineio import adapters

    text = "\n".join(text for _, text in lines)
    timeline = adapters.read_from_string(text, "cmx_3600", rate=rate, ignore_timecode_mismatch=True)
    for track in timeline.tracks:
        track.source_range = None  # the adapter puts the record time there, which is no trim
    return timeline


def _line_of(edl: Edl) -> int:
    """The line the adapter stumbles over: the last of the fewest lines that it cannot read."""
    good, bad = 0, len(edl.lines)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            _timeline(edl.lines[:middle], edl.rate)
        except Exception:  # as above
            bad = middle
        else:
            good = middle
    return next(_events(edl.lines[:bad]), edl.lines[bad - 1][0])


def _events(lines: list[tuple[int, str]]) -> Iterator[int]:
    """The lines of events, the last one first."""
    return (line for line, text in reversed(lines) if text[0].isdigit())
