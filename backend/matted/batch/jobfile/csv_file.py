"""Job files in CSV: a header of keys, a row a shot."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matted.batch.jobfile.problem import JobFileError, Problem
from matted.batch.jobfile.raw import Key, Raw, read_text, refused

_DELIMITERS = ",;\t"
_HINT = "The first line names the keys; text that holds the delimiter or a quote stands in double quotes."


def read_csv(file: Path) -> Raw:
    """Read a job file in CSV; every value is text, and what stands between commas may stand between ; or tabs.

    Raises:
        JobFileError: it is no CSV, or a row and the header do not agree.
    """
    text = read_text(file)
    rows = list(_rows(file, text))
    if not rows:
        raise refused(file, "The file is empty.", _HINT)
    (first, header), *rest = rows
    keys = [name.strip() for name in header]
    problems = [Problem(file, first, "", message, "Keep one of them.") for message in _clashing(keys)]
    shots: list[dict[str, Any]] = []
    lines: dict[Key, int] = {}
    for line, cells in rest:
        if any(cell.strip() for cell in _unnamed(keys, cells)):
            problems.append(Problem(file, line, "", "The row has a value in a column without a name.", _HINT))
        lines["shots", len(shots)] = line
        shots.append(_shot(keys, cells))
    if problems:
        raise JobFileError(problems)
    return Raw(file, {"shots": shots}, lines)


def _rows(file: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not blank, and the line it begins on."""
    header = text.lstrip("\n").partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise refused(file, f"This is not CSV: {error}.", _HINT, line) from error


def _shot(keys: list[str], cells: list[str]) -> dict[str, Any]:
    """A row as a shot: an empty cell is a key that is not given, ``thresholds.jump`` is one of the table."""
    shot: dict[str, Any] = {}
    for key, cell in zip(keys, cells, strict=False):
        if not (key and cell.strip()):
            continue
        table, dot, name = key.partition(".")
        if dot:
            shot[table] = {**_table(shot.get(table)), name: cell.strip()}
        else:
            shot[key] = cell.strip()
    return shot


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _unnamed(keys: list[str], cells: list[str]) -> list[str]:
    named = [bool(key) for key in keys] + [False] * len(cells)
    return [cell for cell, name in zip(cells, named, strict=False) if not name]


def _clashing(keys: list[str]) -> list[str]:
    """What is wrong with columns that would fill one value."""
    twice = sorted({key for key in keys if key and keys.count(key) > 1})
    tables = sorted({key.partition(".")[0] for key in keys if "." in key} & set(keys))
    return [f"The column '{key}' is given twice." for key in twice] + [
        f"There are columns '{key}' and '{key}.…'." for key in tables
    ]
