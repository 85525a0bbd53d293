"""The keys of a shot in a job file: how the value of each is read, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, get_args, get_type_hints

from matted.batch.request import Request
from matted.batch.review import Thresholds
from matted.engine.plan import Direction
from matted.media.matte import MatteSettings, file_names
from matted.media.sequence import LONGEST
from matted_protocol.frames import FrameRange

LARGEST = 2**31 - 1
"""Beyond this no number in a job file means anything: frames, sizes, priorities."""


class Unfit(Exception):
    """A value that is not what its key wants.

    Args:
        wanted: what it should have been, for ``… is not …``.
        hint: what to do; empty shows the key's example.
    """

    def __init__(self, wanted: str, hint: str = "") -> None:
        super().__init__(wanted)
        self.wanted = wanted
        self.hint = hint


@dataclass(frozen=True)
class Field:
    """A key of a shot.

    Attributes:
        read: makes the value of what is written, tokens expanded; raises :class:`Unfit`.
        example: in TOML.
        says: one line for people.
        tokens: the built-in tokens that may stand in it.
    """

    read: Callable[[Any], Any]
    example: str
    says: str
    tokens: tuple[str, ...] = ("shot",)


def text(value: Any) -> str:
    """Text that can stand in a path or a name.

    Raises:
        Unfit: something else.
    """
    if isinstance(value, str):
        if any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for letter in value):
            raise Unfit("one line of text", "Take control characters and line breaks out of it.")
        if value.strip():
            return value.strip()
        raise Unfit("text", "Leave the key away where there is nothing to say.")
    raise Unfit("text", "Put it in quotes." if isinstance(value, (int, float)) else "")


def folder_name(value: Any) -> str:
    """A name that is one on every file system."""
    name = text(value)
    fit = file_names([name])[0]
    if fit != name:
        raise Unfit("a name every file system takes", f"Call it '{fit}'.")
    return name


def whole(lowest: int) -> Callable[[Any], int]:
    """Whole numbers from ``lowest`` on."""

    def read(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"\s*[-+]?[0-9]{1,12}\s*", value):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= LARGEST:
            return value
        raise Unfit("a whole number" + ("" if lowest < 0 else f" from {lowest} on"))

    return read


def number(value: Any) -> float:
    """A finite number."""
    if isinstance(value, str) and len(value) < 40:
        try:
            value = float(value)
        except ValueError as error:
            raise Unfit("a number") from error
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST:
        return float(value)
    raise Unfit("a number")


def stops(value: Any) -> Any:
    """``auto``, or a number of stops."""
    if value == "auto":
        return value
    try:
        return number(value)
    except Unfit as error:
        raise Unfit("auto or a number of stops") from error


def flag(value: Any) -> bool:
    """True or false."""
    named = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in named:
        return named[value.strip().lower()]
    raise Unfit("true or false")


def choice(*allowed: str) -> Callable[[Any], str]:
    """One word of these."""

    def read(value: Any) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        raise Unfit(f"one of {', '.join(allowed)}")

    return read


def frame_range(value: Any) -> FrameRange:
    """Frames, first to last."""
    written = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(written, str) or len(written) > 60:
        raise Unfit("a frame range")
    try:
        frames = FrameRange.parse(written)
    except ValueError as error:
        raise Unfit("a frame range", f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    if frames.last - frames.first >= LONGEST or max(abs(frames.first), abs(frames.last)) > LARGEST:
        raise Unfit("a frame range of a shot")
    return frames


def frame_list(value: Any) -> tuple[int, ...]:
    """Frame numbers, ascending: a list, or text with spaces or commas between them."""
    if isinstance(value, str):
        value = re.split(r"[\s,;]+", value.strip(" ,;"))
    frames = value if isinstance(value, list) else [value]
    read = whole(-LARGEST)
    try:
        found = tuple(sorted({read(frame) for frame in frames}))
    except Unfit as error:
        raise Unfit("a list of frames") from error
    if not found:
        raise Unfit("a list of frames", "Leave the key away to use every mask.")
    return found


def names(value: Any) -> tuple[str, ...]:
    """Names, each once: a list, or text with semicolons between them."""
    if isinstance(value, str):
        value = [part for part in value.split(";") if part.strip()]
    if not isinstance(value, list) or not value:
        raise Unfit("a list of names")
    found = tuple(text(name) for name in value)
    refuse_twice(found)
    return found


def objects(value: Any) -> dict[str, str | None]:
    """Each object's name, and where its masks are when that is written here.

    A table ``name = path``, a list of names, or text: ``hero=path; dog=path``.
    """
    if isinstance(value, str):
        pairs = [part.partition("=") for part in value.split(";") if part.strip()]
        if any(equals for _, equals, _ in pairs):
            listed = [name.strip() for name, _, _ in pairs]
            refuse_twice(listed)
            value = dict(zip(listed, (path for _, _, path in pairs), strict=True))
        else:
            value = [name for name, _, _ in pairs]
    if isinstance(value, Mapping) and value:
        return {text(name): text(path) for name, path in value.items()}
    return dict.fromkeys(names(value))


def thresholds(value: Any) -> dict[str, tuple[float, float]]:
    """Some fields of :class:`Thresholds`, (warn, fail) each."""
    if not isinstance(value, Mapping):
        raise Unfit("a table of thresholds")
    known = asdict(Thresholds())
    for name in value:
        if name not in known:
            raise Unfit("a table of thresholds", f"There is no '{name}'; there are {', '.join(known)}.")
    return {name: _pair(name, pair, known[name]) for name, pair in value.items()}


def _pair(name: str, pair: Any, usual: tuple[float, float]) -> tuple[float, float]:
    """Where a measure warns and fails; it fails further on the side where it is worse."""
    if isinstance(pair, str):
        pair = re.split(r"[\s,;]+", pair.strip())
    wanted = f"{name} = [warn, fail]"
    if not isinstance(pair, list) or len(pair) != 2:
        raise Unfit(wanted)
    try:
        warn, fail = number(pair[0]), number(pair[1])
    except Unfit as error:
        raise Unfit(wanted) from error
    if warn < 0 or fail < 0:
        raise Unfit(wanted, "Both are 0 or more.")
    if (usual[0] - usual[1]) * (warn - fail) < 0:
        worse, order = ("Below", "not below fail") if usual[0] > usual[1] else ("Above", "not above fail")
        raise Unfit(wanted, f"{worse} is worse for {name}: warn is {order}.")
    return warn, fail


def refuse_twice(given: Iterable[str]) -> None:
    """Raises :class:`Unfit` when a name is there twice."""
    seen = set()
    for name in given:
        if name in seen:
            raise Unfit("a list of different names", f"'{name}' is there twice.")
        seen.add(name)


def _choices(owner: type, name: str) -> tuple[str, ...]:
    return get_args(get_type_hints(owner)[name])


_ANY = -LARGEST

FIELDS: dict[str, Field] = {
    "name": Field(folder_name, '"hero_010"', "What people call the shot; {shot} stands for it. Each its own.", ()),
    "plate": Field(
        text,
        '"plates/{shot}/{version}/{shot}.####.exr"',
        "The shot's images: a pattern, a folder, a movie or one image.",
        ("shot", "version"),
    ),
    "keyframes": Field(
        text,
        '"roto/{shot}/{object}.####.exr"',
        "The masks: a folder, a pattern or one file.",
        ("shot", "object", "version"),
    ),
    "objects": Field(
        objects,
        '["hero", "dog"]',
        "Names for {object} in keyframes, or a table of names and where each one's masks are.",
        ("shot", "object", "version"),
    ),
    "out": Field(
        text, '"mattes/{shot}/{version}"', "Where mattes go: v001, v002, … in this folder.", ("shot", "version")
    ),
    "range": Field(frame_range, '"1001-1048"', "Frames to make mattes for; without it the whole plate."),
    "at": Field(frame_list, "[1001, 1024]", "Use only these masks as keyframes; without it every mask."),
    "missing": Field(
        choice(*_choices(Request, "missing")), '"skip"', "Gaps in the plate: error, or skip to leave them out; error."
    ),
    "frame_offset": Field(whole(_ANY), "1000", "Frame f is the plate's file or picture f + this number; 0."),
    "part": Field(text, '"left"', "EXR part the plate is in."),
    "layer": Field(text, '"beauty"', "EXR layer the plate is in."),
    "mask_layer": Field(text, '"{object}.A"', "EXR layer or channel the masks are in.", ("shot", "object")),
    "pick": Field(names, '["hero", "dog"]', "Take only these names from a Cryptomatte."),
    "colorspace": Field(text, '"ACEScg"', "The plate's colour space; without it the file's own."),
    "exposure": Field(stops, "1.5", "Stops to add to the plate, -20 to 20, or auto; auto."),
    "ocio": Field(text, '"show/config.ocio"', "OCIO config: a file or an ocio:// name; without it matted's own."),
    "weights": Field(text, '"xmem"', "lite, xmem, or the path of an XMem.pth; lite."),
    "working_size": Field(whole(0), "720", "Shorter side at which the network sees the plate, 0 as it is; 480."),
    "direction": Field(
        choice(*(direction.value for direction in Direction)), '"forward"', "both, forward or backward; both."
    ),
    "format": Field(choice(*_choices(MatteSettings, "format")), '"png16"', "exr, png16 or png8; exr."),
    "layout": Field(
        choice(*_choices(MatteSettings, "layout")), '"layers"', "files, layers, rgba or cryptomatte; files."
    ),
    "compression": Field(text, '"dwaa"', "Of EXR mattes; zips."),
    "suggestions": Field(whole(0), "5", "How many frames to suggest; 3."),
    "priority": Field(whole(_ANY), "10", "The higher comes first; 0."),
    "review": Field(flag, "false", "Whether the mattes are looked over when they are done; true."),
    "thresholds": Field(
        thresholds,
        "{ confidence = [0.5, 0.3] }",
        "From where on a measure makes the shot warn and fail: " + ", ".join(asdict(Thresholds())) + ".",
    ),
}
"""Every key a shot may have, in the order of the manual."""
