"""Between a message and its parts: ``[header, body, *buffers]``, two msgpack maps and then raw bytes.

Every limit is checked before anything is decoded, nothing decoded is a Python object of the sender's choice, and a
body becomes a dataclass of :mod:`matted_protocol.messages` or a :class:`WireError` that says where it is wrong.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Callable, Literal, NamedTuple, Optional, TypeVar, Union, get_args, get_origin, get_type_hints

import msgpack  # type: ignore[import-untyped]

from matted_protocol.messages import VERSION, Header, Pixels

MAX_HEADER = 4096
"""Bytes of the header."""

MAX_BODY = 1 << 20
"""Bytes of the body of a request."""

MAX_ANSWER = 16 << 20
"""Bytes of the body of a reply or an event: a list of shots is longer than anything a client asks."""

MAX_BUFFERS = 1024
"""Buffers of one message: one a matte file."""

_ITEMS = 1 << 17
"""Entries of one array or map."""

T = TypeVar("T")
Reader = Callable[[Any, str], Any]


class WireError(ValueError):
    """A message that cannot be taken.

    Attributes:
        code: ``bad_message`` (its header), ``version_mismatch``, ``too_large``, ``bad_request`` (its body) or
            ``bad_buffer``.
        header: of the message, where it could be read: an answer goes to its ``id``.
    """

    def __init__(self, code: str, says: str, header: Optional[Header] = None) -> None:
        super().__init__(says)
        self.code = code
        self.header = header


class Message(NamedTuple):
    """One message as it came: the body not yet built, the buffers not copied."""

    header: Header
    body: dict[str, Any]
    buffers: tuple[Any, ...]


def pack(header: Header, body: Any, buffers: Sequence[Any] = ()) -> list[Any]:
    """The parts of a message whose body is a dataclass; ``buffers`` are passed on as they are.

    Raises:
        WireError: ``too_large`` or ``bad_buffer``.
        ValueError: a text that is not Unicode.
    """
    parts = [msgpack.packb(to_body(header)), msgpack.packb(to_body(body))]
    _check_size(parts[0], MAX_HEADER, "header")
    _check_size(parts[1], MAX_ANSWER if header.parent is not None else MAX_BODY, "body")
    _check_count(buffers)
    return [*parts, *buffers]


def unpack(parts: Sequence[Any], *, max_body: int = MAX_BODY) -> Message:
    """Take a message apart; parts are anything that shows its bytes. The body is a map with texts for keys.

    Raises:
        WireError: ``bad_message``, ``version_mismatch``, ``too_large``, ``bad_request`` or ``bad_buffer``.
    """
    if len(parts) < 2:
        raise WireError("bad_message", f"a message has a header and a body, and this one {len(parts)} parts")
    views = [memoryview(part) for part in parts]
    try:
        _check_size(views[0], MAX_HEADER, "header")
        header = from_body(Header, _decode(views[0], "header"))
    except WireError as error:
        raise WireError("bad_message", f"header: {error}") from error
    if header.version[0] != VERSION[0]:
        says = f"protocol {VERSION[0]} is spoken here, and the message is of {header.version[0]}"
        raise WireError("version_mismatch", says, header)
    try:
        _check_size(views[1], max_body, "body")
        _check_count(views[2:])
        body = _decode(views[1], "body")
    except WireError as error:
        raise WireError(error.code, str(error), header) from error
    return Message(header, body, tuple(views[2:]))


def to_body(message: Any) -> Any:
    """A dataclass as a map of every one of its fields; tuples become arrays."""
    if is_dataclass(message):
        return {item.name: to_body(getattr(message, item.name)) for item in fields(message)}
    if isinstance(message, (tuple, list)):
        return [to_body(item) for item in message]
    if isinstance(message, dict):
        return {key: to_body(item) for key, item in message.items()}
    return message


def from_body(kind: type[T], body: Any) -> T:
    """Build a dataclass from a decoded map. Fields it does not know are ignored.

    Raises:
        WireError: ``bad_request``; a field is missing or not of its type or range. The text starts with its place,
            ``$.plate.size[0]``.
    """
    read: Callable[[Any, str], T] = _reader(kind)  # type: ignore[arg-type]  # a class can be a key
    return read(body, "$")


def check_buffers(body: Any, buffers: Sequence[Any]) -> None:
    """Hold the buffers of a request against what its body says of them.

    Raises:
        WireError: ``bad_buffer``; another number of them, or another size.
    """
    pixels: Optional[Pixels] = getattr(body, "pixels", None)
    expected = [] if pixels is None else [pixels.size]
    found = [memoryview(buffer).nbytes for buffer in buffers]
    if found != expected:
        says = f"the body speaks of buffers of {expected} bytes and the message brings {found[:8]}"
        raise WireError("bad_buffer", says)


def _check_size(part: Any, limit: int, what: str) -> None:
    size = memoryview(part).nbytes
    if size > limit:
        raise WireError("too_large", f"the {what} has {size} bytes, and {limit} are allowed")


def _check_count(buffers: Sequence[Any]) -> None:
    if len(buffers) > MAX_BUFFERS:
        raise WireError("bad_buffer", f"the message has {len(buffers)} buffers, and {MAX_BUFFERS} are allowed")


def _decode(data: memoryview, what: str) -> dict[str, Any]:
    limits = {"max_array_len": _ITEMS, "max_map_len": _ITEMS, "max_ext_len": 0, "max_bin_len": 0}
    try:
        found = msgpack.unpackb(data, strict_map_key=True, **limits)
    except Exception as error:  # its errors have no common base, and deep nesting may be a RecursionError
        raise WireError("bad_request", f"the {what} is not msgpack: {type(error).__name__}") from error
    if not isinstance(found, dict):
        raise WireError("bad_request", f"the {what} is not a map")
    return found


@cache
def _reader(kind: Any) -> Reader:
    """What turns a decoded value into one of this annotation."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _dataclass_reader(kind)
    if origin is Union:
        inner = _reader(arguments[0])  # of the unions only Optional is used
        return lambda value, place: None if value is None else inner(value, place)
    if origin is Literal:
        return lambda value, place: _chosen(value, place, arguments)
    if origin is tuple:
        return _tuple_reader(arguments)
    if origin is dict:
        return _dict_reader(*arguments)
    return {int: _whole, float: _number, str: _text, bool: _truth}[kind]


def _dataclass_reader(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    readers = {item.name: _reader(hints[item.name]) for item in fields(kind)}
    required = {item.name for item in fields(kind) if item.default is MISSING and item.default_factory is MISSING}

    def read(value: Any, place: str) -> Any:
        if not isinstance(value, Mapping):
            raise _wrong(place, "a map", value)
        missing = sorted(required - value.keys())
        if missing:
            raise WireError("bad_request", f"{place}.{missing[0]} is missing")
        found = {name: reader(value[name], f"{place}.{name}") for name, reader in readers.items() if name in value}
        try:
            return kind(**found)
        except ValueError as error:
            raise WireError("bad_request", f"{place}: {error}") from error

    return read


def _tuple_reader(arguments: tuple[Any, ...]) -> Reader:
    if arguments[-1] is Ellipsis:
        each = _reader(arguments[0])
        return lambda value, place: tuple(each(item, f"{place}[{i}]") for i, item in enumerate(_array(value, place)))
    readers = [_reader(argument) for argument in arguments]

    def read(value: Any, place: str) -> Any:
        if len(_array(value, place)) != len(readers):
            raise WireError("bad_request", f"{place} has {len(value)} entries instead of {len(readers)}")
        return tuple(reader(item, f"{place}[{i}]") for i, (reader, item) in enumerate(zip(readers, value)))

    return read


def _dict_reader(key: Any, item: Any) -> Reader:
    read_key, read_item = _reader(key), _reader(item)

    def read(value: Any, place: str) -> Any:
        if not isinstance(value, Mapping):
            raise _wrong(place, "a map", value)
        return {read_key(name, place): read_item(found, f"{place}.{name}") for name, found in value.items()}

    return read


def _array(value: Any, place: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise _wrong(place, "an array", value)
    return value


def _chosen(value: Any, place: str, words: tuple[Any, ...]) -> Any:
    if not isinstance(value, str) or value not in words:
        raise WireError("bad_request", f"{place} is none of {', '.join(words)}")
    return value


def _whole(value: Any, place: str) -> int:
    if type(value) is not int:
        raise _wrong(place, "a whole number", value)
    return value


def _number(value: Any, place: str) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise _wrong(place, "a finite number", value)
    return float(value)


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise _wrong(place, "a text", value)
    return value


def _truth(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(place, "true or false", value)
    return value


def _wrong(place: str, wanted: str, value: Any) -> WireError:
    names = {dict: "a map", list: "an array", str: "a text", int: "a whole number", float: "a number", bool: "a truth"}
    return WireError("bad_request", f"{place} is {names.get(type(value), 'nothing')} instead of {wanted}")
