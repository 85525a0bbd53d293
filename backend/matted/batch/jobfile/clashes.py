"""Shots of a job file that cannot be made beside each other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from matted.batch.jobfile.draft import Draft
from matted.batch.jobfile.problem import Problem
from matted.batch.request import Request
from matted.media.image import EXTENSIONS
from matted.media.sequence import MOVIES

_VERSION_FOLDER = re.compile(r"v[0-9]{3,}|\{version\}", re.IGNORECASE)

Made = Sequence[tuple[Draft, Request]]


def clashes(drafts: Sequence[Draft], requests: Sequence[Request | None]) -> Iterator[Problem]:
    """A problem for every shot with the name or the output of one before it, or that writes where files are read.

    Names and folders that differ in case alone are the same: on some file systems they are.

    Args:
        drafts: the shots.
        requests: the request of each; None where problems left none to compare.
    """
    made = [(draft, request) for draft, request in zip(drafts, requests, strict=True) if request]
    yield from _same_names(drafts)
    yield from _same_outputs(made)
    yield from _outputs_in_plates(made)
    yield from _outputs_among_versions(made)


def _same_names(drafts: Sequence[Draft]) -> Iterator[Problem]:
    first: dict[str, Draft] = {}
    for draft in drafts:
        if draft.shot:
            before = first.setdefault(_folded(draft.shot), draft)
            if before is not draft:
                message = f"The shot of line {before.line('name')} is called '{before.shot}' too."
                yield _problem(draft, "name", message, "Give every shot a name of its own.")


def _same_outputs(made: Made) -> Iterator[Problem]:
    first: dict[str, Draft] = {}
    for draft, request in made:
        before = first.setdefault(_folded(request.out), draft)
        if before is not draft and _folded(before.shot) != _folded(draft.shot):
            message = f"The mattes would go to {request.out}, where those of '{before.shot}' go."
            yield _problem(draft, "out", message, "Put {shot} into out.")


def _outputs_in_plates(made: Made) -> Iterator[Problem]:
    """A shot may write below its own plate, and where plates lie side by side; not into another shot's folder."""
    plates: dict[str, Draft] = {}
    for draft, request in made:
        plates.setdefault(_folded(_plate_folder(request)), draft)
    for draft, request in made:
        own = _plate_folder(request)
        for folder in (request.out, *request.out.parents):
            other = plates.get(_folded(folder))
            if other not in (None, draft) and not own.is_relative_to(folder):
                assert other is not None
                message = f"The mattes would go to {request.out}, into the plate of '{other.shot}'."
                yield _problem(draft, "out", message, "Choose a folder outside of every plate.")
                break


def _outputs_among_versions(made: Made) -> Iterator[Problem]:
    """A job's version folder must never be the newest ``{version}`` of a plate or of masks."""
    looked_in = {
        _folded(folder.parent): (what, draft)
        for draft, request in made
        for what, path in _newest_wanted(draft, request)
        for folder in (path, *path.parents)
        if _VERSION_FOLDER.fullmatch(folder.name)
    }
    for draft, request in made:
        what, other = looked_in.get(_folded(request.out), ("", draft))
        if what:
            message = (
                f"The mattes would be the newest version in {request.out}, where {what} of '{other.shot}' are sought."
            )
            yield _problem(draft, "out", message, "Choose a folder of its own for mattes.")


def _newest_wanted(draft: Draft, request: Request) -> Iterator[tuple[str, Path]]:
    """Paths in which somebody wrote ``{version}``."""
    if draft.has("plate", "version"):
        yield "plates", Path(request.plate)
    if draft.has("keyframes", "version") or draft.has("objects", "version"):
        yield from (("masks", source.path) for source in request.masks)


def _plate_folder(request: Request) -> Path:
    plate = Path(request.plate)
    return plate.parent if plate.suffix.lower() in EXTENSIONS | MOVIES else plate


def _folded(name: str | Path) -> str:
    return unicodedata.normalize("NFC", str(name)).casefold()


def _problem(draft: Draft, key: str, message: str, hint: str) -> Problem:
    """At the shot's own line where the key is not its own."""
    found = draft.given.get(key)
    own = found is not None and found.at is not None and found.at[0] == "shots"
    return Problem(draft.raw.file, draft.line(key if own else None), draft.shot, message, hint)
