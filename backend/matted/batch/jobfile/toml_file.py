"""Job files in TOML."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from matted.batch.jobfile.positions import key_lines
from matted.batch.jobfile.raw import Raw, read_text, refused

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)")


def read_toml(file: Path) -> Raw:
    """Read a job file in TOML.

    Raises:
        JobFileError: it is no TOML.
    """
    text = read_text(file)
    try:
        return Raw(file, tomllib.loads(text), key_lines(text))
    except RecursionError as error:
        raise refused(file, "Tables or lists are nested too deep.", "Write one table a shot.") from error
    except ValueError as error:
        place = _PLACE.search(str(error))
        line = int(place["line"] or text.rstrip().count("\n") + 1) if place else 0
        said = _PLACE.sub("", str(error))
        raise refused(file, f"This is not TOML: {said}.", _hint(said), line) from error


def _hint(said: str) -> str:
    if "\\" in said or "hex" in said:  # C:\shots, C:\users
        return "Put paths with backslashes in single quotes, or write them with forward slashes."
    return "Text stands in quotes, a key is given once, and a shot begins with [[shots]]."
