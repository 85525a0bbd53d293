"""The page written as one file: beside, then renamed, a shot at a time."""

from __future__ import annotations

import os
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

import matted
from matted.batch.ledger import unwritable
from matted.batch.many import in_words
from matted.batch.outcome import Outcome
from matted.batch.page.facts import STATES, Facts, counts, ranked
from matted.batch.page.pictures import Pictures, draw, looks_of
from matted.batch.page.plots import LEFT, RIGHT, TOP, WIDTH, Plot, plots_of, sparkline
from matted.errors import OutputError
from matted.media import ink
from matted.media.sequence import listed

PICTURED = 60
"""Shots that get pictures, the worst first; a page of more could not be mailed, nor opened on a laptop."""

OPEN = 12
"""Shots up to which every section is open; with more, only those that need a person are."""

_MARK = b'<meta name="generator" content="matted '


def write_page(path: Path, outcomes: Sequence[Outcome], *, title: str, notes: Sequence[str] = ()) -> None:
    """Write the report of a batch: one HTML file that needs no other, no network and no program but a browser.

    Pictures are drawn anew from plates and mattes; a shot whose files are gone says so instead.

    Args:
        path: the page; its folder is made, an earlier report there is replaced.
        outcomes: what became of the shots, in any order.
        title: the batch's name.
        notes: sentences that belong to the whole batch.

    Raises:
        OutputError: output_unwritable when ``path`` is no report of ours or cannot be written, disk_full.
    """
    refuse_foreign(path)
    shots = ranked(Facts(outcome, number) for number, outcome in enumerate(outcomes, 1))
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = _environment().get_template("page.html").stream(_values(shots, title, notes))
        stream.enable_buffering(50)
        with beside.open("wb") as file:
            # A name that is no text, made of bytes of a command line, is shown by its numbers.
            stream.dump(file, encoding="utf-8", errors="backslashreplace")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        with suppress(OSError):  # whatever stopped the writing may stop this too, and is what to report
            beside.unlink(missing_ok=True)


def refuse_foreign(path: Path) -> None:
    """See that a report may be written to ``path``: nothing is there, or an earlier report.

    Raises:
        OutputError: output_unwritable.
    """
    try:
        if not path.exists():
            return
        with path.open("rb") as file:
            if _MARK in file.read(2000):
                return
    except OSError as error:
        raise _refused(path, error) from error
    message = f"{path} is no report of matted, so it was left as it is."
    raise OutputError("output_unwritable", message, hint="Choose another file for the report.", path=path)


def _refused(path: Path, error: OSError) -> OutputError:
    found = unwritable(path, error)
    if found.code == "output_unwritable":
        found.hint = "Check the folder's permissions, or choose another file for the report."
    return found


@dataclass(frozen=True)
class _Section:
    """A shot's section of the page."""

    shot: Facts
    pictures: Pictures
    plots: tuple[Plot, ...]
    is_open: bool


def _sections(shots: Sequence[Facts]) -> Iterator[_Section]:
    """One after another, so that the pictures of one shot at a time are held."""
    for place, shot in enumerate(shots):
        if place < PICTURED:
            pictures = draw(shot)
        else:
            missing = f"No pictures: a page shows those of the {PICTURED} shots that need a person most."
            pictures = Pictures(None, looks_of(shot), missing if shot.frames else "")
        is_open = len(shots) <= OPEN or shot.state not in ("pass", "unreviewed")
        yield _Section(shot, pictures, tuple(plots_of(shot)), is_open)


def _values(shots: Sequence[Facts], title: str, notes: Sequence[str]) -> dict[str, Any]:
    script = _asset("page.js")
    return {
        "title": title,
        "notes": notes,
        "version": matted.__version__,
        "shots": shots,
        "sections": _sections(shots),
        "counted": Counter(shot.state for shot in shots),
        "frames": sum(len(shot.frames) for shot in shots),
        "computed": sum(shot.result.computed for shot in shots if shot.result),
        "seconds": sum(shot.outcome.seconds for shot in shots),
        "pictured": PICTURED,
        "style": _asset("page.css"),
        "script": script,
        "script_hash": b64encode(sha256(script.encode()).digest()).decode(),
    }


def _asset(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text("utf-8")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(
        states=STATES,
        sparkline=sparkline,
        settings_of=_settings,
        plot_width=WIDTH,
        plot_left=LEFT,
        plot_right=WIDTH - RIGHT,
        plot_top=TOP,
    )
    environment.filters.update(
        decimal=_decimal,
        listed=listed,
        took=in_words,
        object_color=_object_color,
        address=_address,
        shortened=_shortened,
    )
    return environment


def _decimal(value: float | None, places: int = 2, unit: str = "") -> str:
    """A number for a person; a dash where there is none."""
    return f"{value:.{places}f}{unit}" if value is not None and counts(value) else "–"


def _object_color(row: int) -> str:
    """The colour an object has in the pictures."""
    return "#" + bytes(ink.object_color(row)).hex()


def _address(folder: Path) -> str:
    return folder.as_uri() if folder.is_absolute() else ""


def _shortened(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _settings(shot: Facts) -> list[tuple[str, str]]:
    """What decided the mattes: names and values, as the sidecar has them, flat."""
    request = shot.outcome.request
    recipe = shot.sidecar.get("recipe", {})
    asked = {
        "plate": request.plate,
        "masks": [f"{source.object}: {source.path}" if source.object else source.path for source in request.masks],
        "range": request.frames,
        "weights": request.weights,
    }
    made = {name: recipe[name] for name in ("matted", "weights", "settings", "mattes") if name in recipe}
    color = {"color": recipe.get("plate", {}).get("color", {})}
    return [*_flat(asked), *_flat(made, "made with"), *_flat(color, "made with")]


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        whole = f"{before} {name}".strip()
        if isinstance(value, Mapping):
            yield from _flat(value, whole)
        elif isinstance(value, list):
            yield whole, ", ".join(map(str, value))
        elif value is not None:
            yield whole, str(value)[:12] if name == "sha256" else str(value)
