"""Job files: what lists the shots of a batch, and how a batch is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from matted.batch.jobfile.batch import Batch, Entry
from matted.batch.jobfile.build import make_batch
from matted.batch.jobfile.check import check
from matted.batch.jobfile.problem import JobFileError, Problem
from matted.batch.jobfile.raw import Raw, refused
from matted.batch.request import absolute

__all__ = ["Batch", "Entry", "JobFileError", "Problem", "Raw", "check", "read"]

ENDINGS = (".toml", ".yaml", ".yml", ".csv", ".otio", ".otioz", ".edl")
"""What a job file's name may end in."""


def read(path: str | Path, overrides: Mapping[str, Any] = MappingProxyType({})) -> Batch:
    """Read a job file. Of the disk only folders named ``{version}`` are looked for; :func:`check` looks at the rest.

    Args:
        path: the job file.
        overrides: keys of a shot and values that win over the file's, for every shot; None leaves the file's. Paths
            among them are relative to the working directory.

    Raises:
        JobFileError: with every problem of the file.
    """
    file = absolute(path)
    return make_batch(_read_raw(file), {key: value for key, value in overrides.items() if value is not None})


def _read_raw(file: Path) -> Raw:
    ending = file.suffix.lower()
    if ending == ".toml":
        from matted.batch.jobfile.toml_file import read_toml

        return read_toml(file)
    if ending in (".yaml", ".yml"):
        from matted.batch.jobfile.yaml_file import read_yaml

        return read_yaml(file)
    if ending == ".csv":
        from matted.batch.jobfile.csv_file import read_csv

        return read_csv(file)
    if ending in ENDINGS:
        from matted.batch.jobfile.timeline import read_timeline

        return read_timeline(file)
    message = f"A job file does not end in '{file.suffix}'." if ending else f"{file} has no ending."
    raise refused(file, message, f"Its name ends in one of {', '.join(ENDINGS)}.")
