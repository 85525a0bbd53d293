"""What an artist types into a Matted node's knobs, read strictly: a guess would be a wrong matte."""

from __future__ import annotations

import re
from collections.abc import Iterable

from matted_plugin.host import HostError, ObjectSource
from matted_protocol.frames import FrameRange

_WHOLE = re.compile(r"([A-Za-z]:)?/")


def listed(things: Iterable[object]) -> str:
    """Frames or names for people."""
    return ", ".join(map(str, things))


def parse_keyframes(told: str, node: str) -> list[int]:
    """Read ``1001 1030-1050x10``: ascending, each once.

    Raises:
        HostError: it is something else; ``node`` is named.
    """
    try:
        return sorted({frame for word in re.split(r"[\s,;]+", told.strip()) for frame in FrameRange.parse(word)})
    except ValueError as error:
        raise HostError(f"{node}: {error}.", "Correct it in the knob keyframes.") from error


def parse_folder(told: str, node: str) -> str:
    """A folder's whole path with forward slashes; '' when there is none.

    Raises:
        HostError: it is relative, and to what nobody can say.
    """
    folder = told.strip().replace("\\", "/").rstrip("/")
    if folder and _WHOLE.match(f"{folder}/") is None:
        raise HostError(
            f"{node}: the mattes folder {told} is not a whole path.",
            "Choose the folder with its whole path, or leave it empty: matted/ beside the script.",
        )
    return folder


def parse_objects(told: str) -> tuple[ObjectSource, ...]:
    """Read ``hero=rgba.alpha car=car.alpha``.

    Raises:
        HostError: a name is missing or given twice, or two objects have the same channel.
    """
    found: dict[str, str] = {}
    for word in re.split(r"[\s,;]+", told.strip()):
        name, _, channel = word.partition("=")
        if not re.fullmatch(r"\w[\w-]*", name) or name in found:
            raise HostError(
                f"'{told}' does not name objects.",
                "Write each name once, with its channel: hero=rgba.alpha car=rgba.red.",
            )
        taken = channel if "." in channel else f"{channel or 'rgba'}.alpha"
        same = [other for other, its in found.items() if its == taken]
        if same:
            raise HostError(
                f"{same[0]} and {name} would both be taken from {taken}.",
                "Give each object a channel of its own: hero=rgba.alpha car=rgba.red.",
            )
        found[name] = taken
    return tuple(ObjectSource(name, channel) for name, channel in found.items())
