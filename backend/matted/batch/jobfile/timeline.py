"""Timelines as job files: ``.otio``, ``.otioz`` and ``.edl``; every clip that carries keyframes is a shot.

A clip's ``metadata["matted"]`` holds keys of a shot, the timeline's the tables ``job``, ``tokens`` and ``defaults``.
What a clip does not say comes from the cut: its name, its plate, and its range in the plate's own frame numbers.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from matted.batch.jobfile.clips import OURS, Seen, find_clips, lines_of, plain, seen, written
from matted.batch.jobfile.cut import CutShot, united
from matted.batch.jobfile.edl import INSTALL, read_edl
from matted.batch.jobfile.fields import Unfit, objects, whole
from matted.batch.jobfile.footage import ClipError, Media, as_sequence, media_of, pictures
from matted.batch.jobfile.paths import VERSION, located
from matted.batch.jobfile.problem import JobFileError, Problem
from matted.batch.jobfile.raw import Key, Raw, refused
from matted.batch.jobfile.tokens import TokenError, Tokens
from matted.errors import MattedError
from matted.media.image import EXTENSIONS
from matted.media.mask import find_masks
from matted.media.matte import file_names
from matted.media.sequence import MOVIES, find_sequence
from matted_protocol.frames import FrameRange

HANDLES = "handles"
"""The key, of a clip or of the defaults, that only timelines have: frames to add on either side of the cut."""

_MASKS = ("keyframes", "objects")


def read_timeline(file: Path) -> Raw:
    """Read a timeline.

    Raises:
        JobFileError: it is none, no clip of it carries keyframes, or OpenTimelineIO is not installed.
    """
    if importlib.util.find_spec("opentimelineio") is None:
        raise refused(file, "Reading timelines needs OpenTimelineIO, which is not installed.", INSTALL)
    if file.suffix.lower() == ".edl":
        timeline, notes = read_edl(file)
    else:
        from matted.batch.jobfile.otio_file import read_otio

        timeline, notes = read_otio(file), []
    return _Cut(file, timeline, notes).raw()


class _Cut:
    """A timeline being read: shots, what is left out, what is wrong."""

    def __init__(self, file: Path, timeline: Any, notes: list[str]) -> None:
        self._file = file
        self._timeline = timeline
        self._notes = notes
        self._problems: list[Problem] = []
        self._settings: dict[str, Any] = {}
        self._defaults: Mapping[str, Any] = {}
        self._tokens = Tokens({})

    def raw(self) -> Raw:
        try:
            self._settings = written(self._timeline)
        except ClipError as error:
            raise refused(self._file, error.message, error.hint) from error
        defaults = self._settings.get("defaults")
        self._defaults = defaults if isinstance(defaults, Mapping) else {}
        tokens = self._settings.get("tokens")
        self._tokens = Tokens({key: str(text) for key, text in tokens.items()} if isinstance(tokens, Mapping) else {})
        shots = united(self._shots())
        if not shots and not self._problems:
            hint = f"Write keyframes into a clip's metadata['{OURS}'], or for all of them into the defaults."
            left = "".join(f" {note}" for note in self._notes[:3])
            self._problems.append(Problem(self._file, 0, "", f"No clip of the timeline has keyframes.{left}", hint))
        if self._problems:
            raise JobFileError(self._problems)
        return Raw(self._file, self._tree(shots), self._lines(shots), tuple(self._notes))

    def _tree(self, shots: list[CutShot]) -> dict[str, Any]:
        tree = dict(self._settings)
        if self._defaults:
            tree["defaults"] = {key: value for key, value in self._defaults.items() if key != HANDLES}
        tree["shots"] = [self._table(shot) for shot in shots]
        return tree

    def _table(self, shot: CutShot) -> dict[str, Any]:
        table: dict[str, Any] = {"name": _literal(shot.name)}
        if shot.media is not None:
            table["plate"] = _literal(shot.media.plate)
        if shot.range is not None:
            table["range"] = str(shot.range)
        return table | dict(shot.keys)

    def _lines(self, shots: list[CutShot]) -> dict[Key, int]:
        lines: dict[Key, int] = {_key(key): line for key, line in lines_of(self._timeline).items()}
        for index, shot in enumerate(shots):
            for key, line in shot.lines.items():
                lines[("shots", index, *_key(key))] = line
        return lines

    def _shots(self) -> Iterator[CutShot]:
        """The clips that are shots; of every other one that shows anything it is said why not."""
        for clip, shown in find_clips(self._timeline):
            line = lines_of(clip).get("", 0)
            try:
                shot = self._shot(clip, line, shown=shown)
            except ClipError as error:
                called = clip.name or "without a name"
                message = f"The clip '{called}': {error.message[:1].lower()}{error.message[1:]}"
                self._problems.append(Problem(self._file, line, "", message, error.hint))
            else:
                if shot is not None:
                    yield shot

    def _shot(self, clip: Any, line: int, *, shown: bool) -> CutShot | None:
        from opentimelineio import schema

        keys = written(clip)
        name = _name(clip)
        carries = any(key in keys for key in _MASKS)
        if isinstance(clip.media_reference, schema.GeneratorReference) and not carries:
            return None
        left_out = self._left_out(keys, str(keys.get("name", name)), shown=shown)
        visible = None if left_out else seen(clip)
        if visible is None:
            self._note(line, f"The clip '{clip.name}' is left out: {left_out or 'nothing of it is seen'}.")
            return None
        media = None if {"plate"} & {*keys, *self._defaults} else self._media(clip.media_reference, visible)
        frames = None
        if "range" not in keys:
            frames = self._range(clip.media_reference, media, keys, name, visible)
            if visible.said:
                self._note(line, f"The clip '{clip.name}' is taken as frames {frames}: {visible.said}.")
        name = str(keys.pop("name", name))
        keys.pop(HANDLES, None)
        lines = {key: at for key, at in lines_of(clip).items() if key != HANDLES}
        return CutShot(name, keys, media, frames, lines)

    def _left_out(self, keys: Mapping[str, Any], name: str, *, shown: bool) -> str:
        """Why a clip is no shot; empty when it is one."""
        if not shown:
            return "it is switched off"
        if any(key in keys for key in _MASKS):
            return ""
        if not any(key in self._defaults for key in _MASKS):
            return "it has no keyframes"
        places = self._mask_places(name)
        if places and not any(map(_has_masks, places)):
            return f"there are no masks at {places[0]}"
        return ""

    def _mask_places(self, name: str) -> list[Path]:
        """Where the defaults look for a clip's masks; none when they cannot be understood, which is said later."""
        template = self._defaults.get("keyframes")
        try:
            named = objects(self._defaults["objects"]) if "objects" in self._defaults else {"": None}
            texts = [(each, path or template) for each, path in named.items()]
            return [self._place(str(text), shot=name, object=each) for each, text in texts if text]
        except (TokenError, Unfit):
            return []

    def _place(self, text: str, **known: str) -> Path:
        return located(self._tokens.expand(text, {**known, "version": VERSION}), self._file.parent)

    def _media(self, reference: Any, visible: Seen) -> Media | None:
        media = media_of(reference)
        if media is None:
            return None
        if self._file.suffix.lower() == ".otioz" and not (self._file.parent / media.plate).exists():
            message = f"Its media {media.plate} lies inside the bundle."
            raise ClipError(message, "Unpack the bundle (it is a zip file) and give its content.otio.")
        return as_sequence(media, round(visible.length))

    def _range(
        self, reference: Any, media: Media | None, keys: Mapping[str, Any], name: str, visible: Seen
    ) -> FrameRange:
        """The frames a clip shows, as the shot counts them, with handles as far as there are pictures."""
        given = {**self._defaults, **keys}
        source = media or media_of(reference) or Media("")
        try:
            text = _literal(source.plate) if media or "plate" not in given else str(given["plate"])
            plate = self._place(text, shot=str(keys.get("name", name)))
        except (TokenError, Unfit):
            plate = Path(source.plate)
        if media is None and source.first is not None:  # numbers of the files the cut was made with, not of this plate
            source = replace(source, first=None, step=1)
        looked = replace(source, plate=str(plate))
        first, last = pictures(looked, visible.start, visible.length, visible.rate)
        first, last = _with_handles(looked, first, last, _count(given, HANDLES, 0))
        offset = _count(given, "frame_offset", None)
        return FrameRange(first - offset, last - offset, source.step)

    def _note(self, line: int, text: str) -> None:
        place = f"{self._file}:{line}" if line else str(self._file)
        self._notes.append(f"{place}: {text}")


def _name(clip: Any) -> str:
    """What a clip is called, as a folder can be: without a file's ending and frame numbers."""
    called = clip.name or ""
    reel = plain(clip.metadata.get("cmx_3600", {})).get("reel", "")
    if reel and called.isdecimal():  # an event that names no clip
        called = reel
    stem, dot, ending = called.rpartition(".")
    if dot and f".{ending.lower()}" in MOVIES | EXTENSIONS:
        called = re.sub(r"[._]?(\[[\d-]+\]|#+|@+|%0?\d*d)\Z", "", stem) or stem
    return file_names([called or "clip"])[0]


def _key(name: str) -> Key:
    return tuple(name.split(".")) if name else ()


def _literal(text: str) -> str:
    """Text in which braces are no tokens."""
    return text.replace("{", "{{").replace("}", "}}")


def _count(given: Mapping[str, Any], key: str, lowest: int | None) -> int:
    """A whole number among the keys; 0 when it is not given, or is none, which is said later where it can be."""
    if key not in given:
        return 0
    try:
        return whole(-(10**6) if lowest is None else lowest)(given[key])
    except Unfit as error:
        if key != HANDLES:
            return 0
        raise ClipError(
            f"{key} is {given[key]!r}, which is not {error.wanted}.", f"Write it like {key} = 8."
        ) from error


def _with_handles(media: Media, first: int, last: int, handles: int) -> tuple[int, int]:
    """The range with frames added on either side, as far as the plate has them."""
    if not handles:
        return first, last
    low, high = first - handles * media.step, last + handles * media.step
    try:
        frames = find_sequence(media.plate).frames
    except (MattedError, OSError):
        return low, high
    return max(low, min(first, frames[0])), min(high, max(last, frames[-1]))


def _has_masks(place: Path) -> bool:
    try:
        find_masks(place)
    except MattedError as error:
        return error.code != "mask_missing"
    return True
