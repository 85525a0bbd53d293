"""Paths of one machine as another one spells them, by the rules a farm hands its hosts.

The rules are those of Open Job Description: a file in the form ``pathmapping-1.0``, the most specific rule first, whole
path components, Windows paths without regard to case ("How Jobs Are Run", Path Mapping).
"""

from __future__ import annotations

import json
import string
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from matted.errors import RequestError
from matted.weights import KNOWN

_FORMATS: dict[str, type[PurePath]] = {"POSIX": PurePosixPath, "WINDOWS": PureWindowsPath}
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True)
class PathRule:
    """Everything in the folder ``source`` of the submitting machine is in ``destination`` here."""

    source: PurePath
    destination: Path

    def apply(self, path: str) -> str | None:
        """The path here; None when the rule does not speak of it."""
        theirs = type(self.source)(path)
        length = len(self.source.parts)
        if not length or _folded(theirs)[:length] != _folded(self.source):
            return None
        return str(self.destination.joinpath(*theirs.parts[length:]))


@dataclass(frozen=True)
class PathMap:
    """Rules in the order they are tried, and where they come from; without any every path stays as it is."""

    rules: tuple[PathRule, ...] = ()
    file: Path | None = None

    def apply(self, path: str) -> str:
        """The path as it is spelled here."""
        found = (rule.apply(path) for rule in self.rules)
        return next((here for here in found if here is not None), path)

    def apply_to_piece(self, piece: dict[str, Any]) -> dict[str, Any]:
        """A piece's plain values with every path as it is spelled here."""
        request = piece["request"]
        color, weights = request["color"], request["weights"]
        here = {
            "plate": self.apply(request["plate"]),
            "masks": [{**mask, "path": self.apply(mask["path"])} for mask in request["masks"]],
            "out": self.apply(request["out"]),
            "color": {**color, "config": color["config"] and self.apply(color["config"])},
            "weights": weights if weights in KNOWN else self.apply(weights),
        }
        return {**piece, "folder": self.apply(piece["folder"]), "request": {**request, **here}}


def read_path_map(file: Path) -> PathMap:
    """Read a farm's rules. A file with nothing in it is that of a session without rules.

    Raises:
        RequestError: bad_request when the file is not there or in another form.
    """
    try:
        content = json.loads(file.read_text("utf-8"))
        if not content:
            return PathMap(file=file)
        if content["version"] != "pathmapping-1.0":
            raise ValueError(f"its version is {content['version']}")
        # other formats than these two speak of no file's path
        given = [rule for rule in content["path_mapping_rules"] if rule["source_path_format"].upper() in _FORMATS]
        rules = [
            PathRule(_FORMATS[rule["source_path_format"].upper()](rule["source_path"]), Path(rule["destination_path"]))
            for rule in given
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"The path mapping rules {file} cannot be read: {error}."
        hint = "Give a file of the form pathmapping-1.0, as {{Session.PathMappingRulesFile}} names it."
        raise RequestError("bad_request", message, hint=hint, path=file) from error
    return PathMap(tuple(sorted(rules, key=lambda rule: -len(rule.source.parts))), file)


def _folded(path: PurePath) -> tuple[str, ...]:
    """The components, as they are compared: Windows' without regard to the case of ASCII letters."""
    return tuple(part.translate(_LOWER) for part in path.parts) if isinstance(path, PureWindowsPath) else path.parts
