"""Where the media of a timeline's clip lies, and which of its numbered pictures a stretch of time is."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from matted.errors import MattedError
from matted.media.image import EXTENSIONS
from matted.media.plate import Plate
from matted.media.sequence import MOVIES, Sequence, find_sequence

_SAME_RATE = 0.005
"""Rates this close, 23.976 and 24, count the same frames: editors mix them without meaning other pictures."""

_PRINTF = re.compile(r"%(?=0\d+d)")  # in a URL %04d would be read as an escape
_SPAN = re.compile(r"\[(?P<first>\d+)-(?P<last>\d+)\](?=\.[^.]+\Z)")
_NUMBER = re.compile(r"(?<!\d)(?P<first>\d+)(?=\.[^.]+\Z)")


class ClipError(Exception):
    """A clip that no shot can be made of; message and hint as of any error."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Media:
    """What a clip is cut from.

    Attributes:
        plate: as a job file's ``plate``: a pattern, a folder, a movie or one image.
        start: when the media begins, in frames at ``rate``; None when nobody says.
        length: how many frames it has; None when nobody says.
        first: the number of the file at ``start``; None when it is not known without looking.
        step: from one file's number to the next.
        rate: frames a second its numbers count; None takes the clip's.
    """

    plate: str
    start: float | None = None
    length: float | None = None
    first: int | None = None
    step: int = 1
    rate: float | None = None

    @property
    def is_movie(self) -> bool:
        """Whether its pictures are counted from 1 instead of by file names."""
        return Path(self.plate).suffix.lower() in MOVIES


def media_of(reference: Any) -> Media | None:
    """The media of an OpenTimelineIO reference; None when it names none.

    Raises:
        ClipError: it lies where matted cannot read.
    """
    available = getattr(reference, "available_range", None)
    known: dict[str, Any] = {}
    if available is not None:
        known = {"start": available.start_time.value, "length": available.duration.value}
        known["rate"] = available.start_time.rate
    if getattr(reference, "target_url_base", None) is not None:
        return _of_files(reference, known)
    url = getattr(reference, "target_url", None)
    if not url:
        return None
    plate = path_of(url)
    span = _SPAN.search(plate)
    if span:
        known["first"] = int(span["first"])
        return Media(_SPAN.sub("#" * len(span["first"]), plate), **known)
    return Media(plate, **known)


def _of_files(reference: Any, known: dict[str, Any]) -> Media:
    """A reference to numbered files, in OpenTimelineIO's terms: base, prefix, number, suffix."""
    base = path_of(reference.target_url_base)
    folder = base if base.endswith("/") or not base else f"{base}/"
    number = "#" * max(reference.frame_zero_padding, 1)
    rate = reference.rate or known.get("rate")
    if "start" in known and rate:  # numbers count at the files' own rate
        known |= {name: _converted(known[name], known["rate"], rate) for name in ("start", "length")}
    first = reference.start_frame if "start" in known else None
    plate = f"{folder}{reference.name_prefix}{number}{reference.name_suffix}"
    return Media(plate, **{**known, "first": first, "step": max(reference.frame_step, 1), "rate": rate})


def path_of(url: str) -> str:
    """The path a media URL names, as its maker's system writes it: plain paths, ``file:`` URLs, escaped or not.

    Raises:
        ClipError: it is no file's.
    """
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", url)
    if scheme is None:
        return url.replace("\\", "/")
    if scheme[1].lower() != "file":
        message = f"Its media {url} is not a file."
        raise ClipError(message, "Copy it to a disk and give its path as the clip's plate.")
    rest = unquote(_PRINTF.sub("%25", url[5:])).replace("\\", "/")
    host, slash, path = rest[2:].partition("/") if rest.startswith("//") else ("", "", rest)
    if re.fullmatch(r"[A-Za-z]:", host):
        return f"{host}/{path}"
    if host and host.lower() != "localhost":
        return f"//{host}/{path}"
    path = slash + path
    return path.lstrip("/") if re.match(r"/+[A-Za-z]:(/|\Z)", path) else path


def as_sequence(media: Media, count: int) -> Media:
    """The same media, where one numbered image stands for the whole sequence it is of."""
    numbered = _NUMBER.search(media.plate)
    if count > 1 and numbered and Path(media.plate).suffix.lower() in EXTENSIONS and "#" not in media.plate:
        return Media(_NUMBER.sub("#" * len(numbered["first"]), media.plate), media.start, media.length, rate=media.rate)
    return media


def pictures(media: Media, start: float, length: float, rate: float) -> tuple[int, int]:
    """The numbers of the first and the last picture shown from ``start`` on.

    Args:
        media: what they are of; its ``plate`` absolute, so that it can be looked at.
        start: time in the clip's terms, frames at ``rate``.
        length: how long, frames at ``rate``.
        rate: frames a second.

    Raises:
        ClipError: the time cannot be told from the plate's files.
    """
    counted = media.rate or rate
    begin, end = (_converted(value, rate, counted) for value in (start, start + length))
    first = math.floor(begin + 1e-3)
    last = max(first, math.ceil(end - 1e-3) - 1)
    shift = _shift(media, first, last, counted)
    first, last = first + shift, last + shift
    if media.step > 1 and media.first is not None:
        first = media.first + -(-(first - media.first) // media.step) * media.step
        last = max(first, last)
    return first, last


def _shift(media: Media, first: int, last: int, rate: float) -> int:
    """What to add to a time to get a picture's number."""
    begins = None if media.start is None else round(media.start)
    if media.first is not None and begins is not None:
        return media.first - begins
    found = _look(media.plate)
    if media.is_movie:
        if begins is None:
            coded = _coded(found, rate)
            begins = coded if coded is not None and coded <= first else 0
        return 1 - begins
    if found is None:
        return 0
    low, high = found.frames[0], found.frames[-1]
    if begins is not None and media.length is not None and round(media.length) == high - low + 1:
        return low - begins
    if low <= first and last <= high:
        return 0
    coded = begins if begins is not None else _coded(found, rate)
    if coded is None or not low <= first + low - coded <= last + low - coded <= high:
        message = f"Its frames {first}-{last} are none of the plate {found.title}, which has {low}-{high}"
        why = "" if begins is not None else ", and no time code says which they are"
        raise ClipError(f"{message}{why}.", "Give the clip a range in the plate's own frame numbers.")
    return low - coded


def _look(plate: str) -> Sequence | None:
    """The plate's files; None while they are not there, or cannot be read: that is said when the batch is checked."""
    with suppress(MattedError, OSError, ValueError):
        return find_sequence(plate)
    return None


def _coded(found: Sequence | None, rate: float) -> int | None:
    """The SMPTE time code of the first picture, in frames; None when there is none."""
    if found is None:
        return None
    with suppress(MattedError, OSError):
        header = Plate(found).header(found.frames[0])
        if header.timecode is not None:
            return _frames(header.timecode[0], rate)
    return None


def _frames(packed: int, rate: float) -> int:
    """Frames since midnight of a time code packed as OpenEXR does: BCD, flags in the upper bits of each byte."""
    hours, minutes, seconds, frames = (
        10 * (byte >> 4 & tens) + (byte & 15)
        for byte, tens in zip(packed.to_bytes(4, "big"), (3, 7, 7, 3), strict=True)
    )
    base = round(rate)
    minute = hours * 60 + minutes
    total = (minute * 60 + seconds) * base + frames
    is_drop = packed >> 6 & 1 and base % 30 == 0
    return total - (minute - minute // 10) * 2 * (base // 30) if is_drop else total


def _converted(frames: float, rate: float, to: float) -> float:
    """Frames at another rate."""
    return frames if abs(rate - to) <= _SAME_RATE * to else frames * to / rate
