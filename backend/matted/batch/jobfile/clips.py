"""The clips of an OpenTimelineIO timeline: what is written at each, and what of its media is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matted.batch.jobfile.footage import ClipError

OURS = "matted"
"""Where in metadata a timeline and a clip keep what is meant for matted."""

LINES = "matted lines"
"""Where readers note the lines of a clip and of its keys, the clip's own under an empty key."""


@dataclass(frozen=True)
class Seen:
    """What of a clip's media a timeline shows, in the media's time.

    Attributes:
        start: the first frame's time, in frames at ``rate``.
        length: how long, in frames at ``rate``.
        rate: frames a second.
        said: what a person should know of it; empty when all is plain.
    """

    start: float
    length: float
    rate: float
    said: str = ""


def find_clips(item: Any, *, shown: bool = True) -> Iterator[tuple[Any, bool]]:
    """Every clip that is no sound, in order, nested ones too, and whether it is switched on."""
    from opentimelineio import core, schema

    if isinstance(item, schema.Timeline):
        yield from find_clips(item.tracks)
    elif isinstance(item, schema.Clip):
        yield item, shown and item.enabled
    elif isinstance(item, schema.SerializableCollection):
        for child in item:
            yield from find_clips(child)
    elif isinstance(item, core.Composition) and getattr(item, "kind", None) != schema.TrackKind.Audio:
        for child in item:
            yield from find_clips(child, shown=shown and item.enabled)


def written(owner: Any) -> dict[str, Any]:
    """What is written for matted at a clip or a timeline, as plain values.

    Raises:
        ClipError: something that is no table.
    """
    found = plain(owner.metadata.get(OURS, {}))
    if isinstance(found, dict):
        return found
    raise ClipError(f"metadata['{OURS}'] is not a table.", "Write keys of a shot and their values into it.")


def plain(value: Any) -> Any:
    """OpenTimelineIO's dictionaries and lists as ours; whole floats as whole numbers."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def lines_of(owner: Any) -> dict[str, int]:
    """The lines a reader noted of a clip, or of a timeline."""
    return {key: int(line) for key, line in plain(owner.metadata.get(LINES, {})).items()}


def seen(clip: Any) -> Seen | None:
    """What of its media a clip shows, transitions included; None when what it is nested in cuts all of it off.

    Raises:
        ClipError: the timeline does not say.
    """
    from opentimelineio.exceptions import OTIOError

    try:
        shown = clip.visible_range()
        start, end = shown.start_time, shown.end_time_exclusive()
        for outer in _around(clip):
            if outer.source_range is not None:
                window = outer.transformed_time_range(outer.source_range, clip)
                start, end = max(start, window.start_time), min(end, window.end_time_exclusive())
    except (OTIOError, ValueError) as error:
        message = "The timeline does not say which frames of its media it shows."
        raise ClipError(message, "Give the clip a source range, or a range of its own.") from error
    length = (end - start).value_rescaled_to(start.rate)
    if length <= 0:
        return None
    return _at_speed(clip, start.value, length, start.rate)


def _around(clip: Any) -> Iterator[Any]:
    """Everything a clip is nested in."""
    outer = clip.parent()
    while outer is not None:
        yield outer
        outer = outer.parent()


def _at_speed(clip: Any, start: float, length: float, rate: float) -> Seen:
    """What is shown once the clip's time effects are counted in; its source range has the length it plays for."""
    from opentimelineio import schema

    speed = 1.0
    said = ""
    for effect in clip.effects:
        if not getattr(effect, "enabled", True):
            continue
        if isinstance(effect, schema.LinearTimeWarp):
            speed *= effect.time_scalar
        elif isinstance(effect, schema.TimeEffect):
            said = f"its speed changes by '{effect.name or effect.effect_name}', which is not followed"
    if any(isinstance(effect, schema.TimeEffect) for outer in _around(clip) for effect in outer.effects):
        said = "what it is nested in plays at another speed, which is not followed"
    if speed == 0:
        return Seen(start, 1.0, rate, "it stands still, so it is one frame")
    if speed < 0:
        said = "it plays backwards; its range is counted up from the start of its source range"
    return Seen(start, max(1.0, length * abs(speed)), rate, said)
