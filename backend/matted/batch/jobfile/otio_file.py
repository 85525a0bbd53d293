"""Timelines in OpenTimelineIO's own forms: ``.otio``, and ``.otioz``, which is one in a zip file."""

from __future__ import annotations

import json
import re
import zipfile
from bisect import bisect
from pathlib import Path
from typing import Any

from matted.batch.jobfile.clips import LINES, OURS, find_clips
from matted.batch.jobfile.raw import read_text, refused

LARGEST = 64 * 2**20
"""Bytes of a timeline's text; a clip takes some kilobytes."""

_CONTENT = "content.otio"
_HINT = "Export it again as OpenTimelineIO."


def read_otio(file: Path) -> Any:
    """The timeline in a file, each clip with its line in the metadata.

    Raises:
        JobFileError: the file holds no timeline.
    """
    bundled = file.suffix.lower() == ".otioz"
    text = _unzipped(file) if bundled else read_text(file, LARGEST)
    timeline = _parsed(file, text)
    if not bundled:
        _note_lines(timeline, text)
    return timeline


def _unzipped(file: Path) -> str:
    try:
        with zipfile.ZipFile(file) as bundle:
            if bundle.getinfo(_CONTENT).file_size > LARGEST:
                raise refused(file, f"Its timeline is larger than {LARGEST // 2**20} MB.", "Split it.")
            return bundle.read(_CONTENT).decode("utf-8-sig")
    except OSError as error:
        raise refused(file, f"{file} cannot be read: {error.strerror or error}.", "Check the path.") from error
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, RuntimeError) as error:
        raise refused(file, "This is no OpenTimelineIO bundle.", _HINT) from error


def _parsed(file: Path, text: str) -> Any:
    """The timeline; Python's own reader goes first, for it knows lines, and deep nesting does it no harm."""
    from opentimelineio import adapters, core
    from opentimelineio.exceptions import OTIOError

    try:
        json.loads(text)
        found = adapters.read_from_string(text, "otio_json")
    except json.JSONDecodeError as error:
        raise refused(file, f"This is not JSON: {error.msg}.", _HINT, error.lineno) from error
    except RecursionError as error:
        raise refused(file, "It is nested too deep.", _HINT) from error
    except (OTIOError, ValueError, TypeError) as error:
        raise refused(file, f"OpenTimelineIO cannot read it: {' '.join(str(error).split())}.", _HINT) from error
    if isinstance(found, core.SerializableObjectWithMetadata):
        return found
    raise refused(file, "This JSON is no OpenTimelineIO timeline.", _HINT)


def _note_lines(timeline: Any, text: str) -> None:
    """Note the line of each clip's name, and of our keys after it; clips stand in the text in their order."""
    breaks = [match.start() for match in re.finditer("\n", text)]
    timeline.metadata[LINES] = _key_lines(text, breaks, 0, timeline)
    place = 0
    for clip, _ in find_clips(timeline):
        begins = _find(text, place, "OTIO_SCHEMA", "Clip", whole=False)
        named = _find(text, max(begins, place), "name", clip.name)
        if named < 0:
            continue
        place = named
        clip.metadata[LINES] = {**_key_lines(text, breaks, max(begins, 0), clip), "": bisect(breaks, named) + 1}


def _key_lines(text: str, breaks: list[int], place: int, owner: Any) -> dict[str, int]:
    """The lines of the keys written for matted, from a place in the text on."""
    ours = owner.metadata.get(OURS)
    begins = text.find(f'"{OURS}"', place)
    if begins < 0 or not hasattr(ours, "keys"):
        return {}
    found = ((key, text.find(json.dumps(key, ensure_ascii=False), begins)) for key in ours)
    return {key: bisect(breaks, at) + 1 for key, at in found if at >= 0}


def _find(text: str, place: int, key: str, value: str, *, whole: bool = True) -> int:
    """Where ``"key": "value"`` stands from a place on, or begins to; -1 when it does not."""
    written = json.dumps(value, ensure_ascii=False)
    pattern = re.compile(rf'"{key}"\s*:\s*{re.escape(written if whole else written[:-1])}')
    match = pattern.search(text, place)
    return match.start() if match else -1
