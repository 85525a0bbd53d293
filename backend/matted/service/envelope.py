"""From frames off the socket to a request, or to the reason why not. Sizes are looked at before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

import msgspec

from matted.errors import MattedError, RequestError
from matted_protocol import messages
from matted_protocol.messages import Header

MAX_HEADER = 4 * 2**10
MAX_BODY = 2**20
MAX_BUFFER = 640 * 2**20
"""Bytes of one buffer: an 8K frame of RGBA float is 531 MB."""

_HEADER = msgspec.msgpack.Decoder(Header)
_BODIES = {name: msgspec.msgpack.Decoder(body) for name, (body, _) in messages.REQUESTS.items()}
_BAD = (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError)
_READ_PAGE = "See the protocol page, protocol/README.md, for what the message should hold."


@dataclass(frozen=True)
class Envelope:
    """A request as it came: its id, its body, its buffers and the bytes it holds in memory."""

    id: str
    type: str
    body: Any
    buffers: tuple[memoryview, ...]
    size: int


class BadEnvelope(Exception):
    """A message that is no request; ``parent`` is its id where that could be read."""

    def __init__(self, parent: str | None, error: RequestError) -> None:
        super().__init__(error.message)
        self.parent = parent
        self.error = error


def unpack(frames: Sequence[memoryview]) -> Envelope:
    """Read ``[header, body, *buffers]``.

    Raises:
        BadEnvelope: ``bad_message``, ``too_large``, ``version_mismatch``, ``unknown_type``, ``bad_request`` or
            ``bad_buffer``.
    """
    header = _header(frames)
    decoder = _BODIES.get(header.type)
    if header.version[0] != messages.VERSION[0]:
        theirs, ours = ".".join(map(str, header.version)), ".".join(map(str, messages.VERSION))
        message = f"The client speaks version {theirs} of the protocol, this daemon {ours}."
        hint = "Install the same version of matted on both sides."
        raise BadEnvelope(header.id, RequestError("version_mismatch", message, hint=hint))
    if decoder is None:
        message = f"This daemon knows no request '{header.type[:64]}'."
        raise BadEnvelope(header.id, RequestError("unknown_type", message, hint="Update the daemon or the client."))
    if len(frames[1]) > MAX_BODY:
        message = f"The body of the {header.type} request is {len(frames[1])} bytes; {MAX_BODY} are allowed."
        raise BadEnvelope(
            header.id, RequestError("too_large", message, hint="Send pixels as buffers, not in the body.")
        )
    try:
        body = decoder.decode(frames[1])
    except _BAD as error:
        message = f"The {header.type} request is not right: {error}."
        raise BadEnvelope(header.id, RequestError("bad_request", message, hint=_READ_PAGE)) from error
    _check_buffers(header, body, frames[2:])
    return Envelope(header.id, header.type, body, tuple(frames[2:]), sum(map(len, frames)))


def pack(kind: str, body: Any, *, parent: str | None, buffers: Sequence[Any] = ()) -> list[Any]:
    """The frames of a reply, an error or an event."""
    header = msgspec.msgpack.encode(Header(uuid4().hex, kind, parent=parent))
    try:
        return [header, msgspec.msgpack.encode(body), *buffers]
    except UnicodeEncodeError:  # a file's name that is no Unicode, in a message or among the files
        return [header, msgspec.msgpack.encode(_readable(msgspec.to_builtins(body))), *buffers]


def readable(text: str) -> str:
    """A text that can be sent and logged: a file's name on disk may be no Unicode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def error_body(error: MattedError) -> messages.Error:
    """An error as it goes over the wire."""
    path = None if error.path is None else str(error.path)
    return messages.Error(error.code, error.message, error.hint, path, error.frame)


def plain(body: Any) -> dict[str, Any]:
    """A body as plain values, the way it is kept."""
    values: dict[str, Any] = msgspec.to_builtins(asdict(body))
    return values


def revive(kind: type[Any], values: Any) -> Any:
    """A body from plain values that were kept."""
    return msgspec.convert(values, kind)


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {readable(key): _readable(item) for key, item in value.items()}
    return [_readable(item) for item in value] if isinstance(value, list) else value


def _header(frames: Sequence[memoryview]) -> Header:
    if len(frames) < 2 or len(frames[0]) > MAX_HEADER:
        message = "The message does not begin with a header and a body."
        raise BadEnvelope(None, RequestError("bad_message", message, hint=_READ_PAGE))
    try:
        return _HEADER.decode(frames[0])
    except _BAD as error:
        message = f"The header of a message cannot be read: {error}."
        raise BadEnvelope(None, RequestError("bad_message", message, hint=_READ_PAGE)) from error


def _check_buffers(header: Header, body: Any, buffers: Sequence[memoryview]) -> None:
    pixels: messages.Pixels | None = getattr(body, "pixels", None)
    expected = 0 if pixels is None else 1
    if len(buffers) != expected:
        message = f"The {header.type} request came with {len(buffers)} buffers instead of {expected}."
        raise BadEnvelope(header.id, RequestError("bad_buffer", message, hint=_READ_PAGE))
    if pixels is None:
        return
    if pixels.size > MAX_BUFFER:
        message = f"Pixels of {pixels.size} bytes are more than the {MAX_BUFFER} allowed."
        hint = "Send 8-bit or half pixels, or give the plate by path."
        raise BadEnvelope(header.id, RequestError("too_large", message, hint=hint))
    if len(buffers[0]) != pixels.size:
        channels = ", ".join(pixels.channels)
        message = (
            f"The buffer holds {len(buffers[0])} bytes, but {pixels.width}x{pixels.height} {pixels.dtype} pixels of "
            f"{channels} are {pixels.size}."
        )
        hint = "Send rows from the top without padding, channels interleaved."
        raise BadEnvelope(header.id, RequestError("bad_buffer", message, hint=hint))
