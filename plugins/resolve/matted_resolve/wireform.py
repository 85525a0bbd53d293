"""What script and companion say to each other as JSON: dataclasses by their type hints, and errors.

Reading is strict: whatever does not fit its hint is refused, for both sides are of one version.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Optional, TypeVar, Union, get_args, get_origin

from matted_plugin.host import Gone, HostError

T = TypeVar("T")


class WireformError(ValueError):
    """What came does not fit what was expected."""


def to_wire(value: Any) -> Any:
    """A value of plain data as JSON has it: dataclasses become objects, tuples lists.

    Raises:
        WireformError: it is no plain data.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: to_wire(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise WireformError(f"The keys of {value!r} are no text.")
        return {key: to_wire(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_wire(one) for one in value]
    raise WireformError(f"{type(value).__name__} cannot be sent.")


def from_wire(kind: Any, told: Any) -> Any:
    """The value of type ``kind`` that was sent.

    Args:
        kind: a dataclass, int, float, str, bool, None, Any, Optional, Literal, tuple, list or dict of these.
        told: what JSON gave.

    Raises:
        WireformError: it does not fit.
    """
    origin = get_origin(kind)
    if kind is Any:
        return told
    if isinstance(kind, type) and origin is None:
        return _plain(kind, told)
    if origin is Union or type(kind).__name__ == "UnionType":
        return _one_of(get_args(kind), told)
    if origin is Literal:
        if told not in get_args(kind):
            raise WireformError(f"{told!r} is none of {get_args(kind)}.")
        return told
    if origin is tuple:
        return _tuple(get_args(kind), _a(list, told))
    if origin is list:
        return [from_wire(get_args(kind)[0], one) for one in _a(list, told)]
    if origin is dict:
        return {key: from_wire(get_args(kind)[1], one) for key, one in _a(dict, told).items()}
    raise WireformError(f"Nobody knows how to read {kind}.")


def error_to_wire(error: HostError) -> dict[str, Any]:
    """An error as it travels."""
    return {
        "kind": "gone" if isinstance(error, Gone) else "host",
        "message": error.message,
        "hint": error.hint,
        "path": error.path,
        "frame": error.frame,
    }


def error_from_wire(told: Any) -> HostError:
    """The error that was sent; a damaged one is an error too."""
    if not isinstance(told, dict):
        return HostError("Something went wrong in Resolve.", "Look at the plugin's log.")
    kind = Gone if told.get("kind") == "gone" else HostError
    path, frame = told.get("path"), told.get("frame")
    return kind(
        str(told.get("message")),
        str(told.get("hint")),
        path=path if isinstance(path, str) else None,
        frame=frame if isinstance(frame, int) else None,
    )


def _a(kind: type[T], told: Any) -> T:
    if not isinstance(told, kind):
        raise WireformError(f"{told!r} is no {kind.__name__}.")
    return told


def _plain(kind: Any, told: Any) -> Any:
    if is_dataclass(kind):
        return _dataclass(kind, _a(dict, told))
    if kind is type(None):
        if told is not None:
            raise WireformError(f"{told!r} is not nothing.")
        return None
    if kind is float and isinstance(told, int) and not isinstance(told, bool):
        return float(told)
    if kind not in (bool, int, float, str) or (kind is not bool and isinstance(told, bool)):
        raise WireformError(f"{told!r} is no {kind.__name__}.")
    return _a(kind, told)


def _dataclass(kind: Any, told: dict[str, Any]) -> Any:
    known = {one.name: one for one in fields(kind)}
    unknown = sorted(set(told) - set(known))
    if unknown:
        raise WireformError(f"{kind.__name__} has no {', '.join(unknown)}.")
    for name, one in known.items():
        if name not in told and one.default is MISSING and one.default_factory is MISSING:
            raise WireformError(f"{kind.__name__} came without {name}.")
    return kind(**{name: from_wire(_hint(kind, known[name].type), one) for name, one in told.items()})


def _one_of(kinds: tuple[Any, ...], told: Any) -> Any:
    for kind in kinds:
        try:
            return from_wire(kind, told)
        except WireformError:
            continue
    raise WireformError(f"{told!r} is none of {kinds}.")


def _tuple(kinds: tuple[Any, ...], told: list[Any]) -> tuple[Any, ...]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(from_wire(kinds[0], one) for one in told)
    if len(kinds) != len(told):
        raise WireformError(f"{told!r} has not {len(kinds)} parts.")
    return tuple(from_wire(kind, one) for kind, one in zip(kinds, told))


def _hint(kind: type, hint: Any) -> Any:
    """The type a field's annotation names. Python 3.9 cannot evaluate ``str | None``, which stands in our own files."""
    if not isinstance(hint, str):
        return hint
    words = {**vars(sys.modules[kind.__module__]), "Optional": Optional}
    optional = hint.endswith(" | None")
    return eval(f"Optional[{hint[:-7]}]" if optional else hint, words)
