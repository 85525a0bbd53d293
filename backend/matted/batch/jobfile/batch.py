"""What a job file that was understood asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from matted.batch.request import Request
from matted.batch.review import Thresholds


@dataclass(frozen=True)
class Entry:
    """One shot of a job file.

    Attributes:
        request: what to make; ``request.name`` tells it from the others.
        thresholds: from where on it warns or fails.
        file: the job file.
        line: where the shot begins there; 0 where a file has no lines.
        lines: the line of each of its keys, also of those that stand in the defaults.
    """

    request: Request
    thresholds: Thresholds
    file: Path
    line: int
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Batch:
    """A job file that was understood.

    Attributes:
        name: what people call it; the file's own name without its ending when it does not say.
        file: the job file, absolute.
        entries: in the order of the file; names and outputs differ.
        report: where the HTML report goes, absolute.
        notes: what a person should know and is no problem, such as a timeline's clips that are left out.
    """

    name: str
    file: Path
    entries: tuple[Entry, ...]
    report: Path
    notes: tuple[str, ...] = ()
