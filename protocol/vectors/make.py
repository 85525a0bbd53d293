"""Writes the byte vectors from the examples of ``protocol/README.md``: ``python protocol/vectors/make.py``.

``messages.json``: every example and its bytes. ``refused.json``: messages that must be refused, and with which code.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]

from matted_protocol import messages, wire
from matted_protocol.messages import ERROR, EVENTS, REPLY, REQUESTS, Error, Header

HERE = Path(__file__).parent
PAGE = HERE.parent / "README.md"

SHOT = "5f0c1d2e3b4a5968"
PIXELS = {"width": 2, "height": 1, "channels": ["A"], "dtype": "half"}
PUT = {"shot": SHOT, "frame": 1001, "pixels": PIXELS}


def examples(page: str) -> list[tuple[str, dict[str, Any]]]:
    """Every example: the heading it stands under, and its header, body and buffers as JSON."""
    pieces = re.split(r"^#+ (.+)$", page, flags=re.MULTILINE)
    found = []
    for heading, text in zip(pieces[1::2], pieces[2::2]):
        for block in re.findall(r"^```json\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
            found.append((heading, json.loads(block)))
    return found


def kind_of(heading: str, header: dict[str, Any]) -> Any:
    """The dataclass of an example's body."""
    if header["type"] == REPLY:
        return getattr(messages, heading)
    known = {ERROR: Error, **EVENTS, **{name: request for name, (request, _) in REQUESTS.items()}}
    return known[header["type"]]


def frames_of(heading: str, example: dict[str, Any]) -> list[str]:
    """The parts of an example as they go over the wire, in hexadecimal."""
    header = wire.from_body(Header, example["header"])
    body = wire.from_body(kind_of(heading, example["header"]), example["body"])
    buffers = [bytes.fromhex(text) for text in example["buffers"]]
    return [bytes(part).hex() for part in wire.pack(header, body, buffers)]


def refused() -> list[dict[str, Any]]:
    """Messages that no decoder may take: a name, the code to answer, and the parts."""
    ping, put, shot = packed(header("ping")), packed(header("put_plate")), packed(header("open_shot"))
    listed = packed(header("list_keyframes"))
    cases: list[tuple[str, str, list[bytes]]] = [
        ("no body", "bad_message", [ping]),
        ("header of 4097 bytes", "bad_message", [b"\x81\xa1x\xda\x0f\xfb" + b"x" * 4091, packed({})]),
        ("header is an array", "bad_message", [packed([]), packed({})]),
        ("header with an integer for a key", "bad_message", [packed({1: 2}), packed({})]),
        ("header without an id", "bad_message", [packed({"type": "ping", "version": [1, 0]}), packed({})]),
        ("id is a number", "bad_message", [packed(header("ping", id=5)), packed({})]),
        ("id is empty", "bad_message", [packed(header("ping", id="")), packed({})]),
        ("id is longer than 64", "bad_message", [packed(header("ping", id="x" * 65)), packed({})]),
        ("version of one number", "bad_message", [packed(header("ping", version=[1])), packed({})]),
        ("header cut short", "bad_message", [ping[:-3], packed({})]),
        ("header with a byte too many", "bad_message", [ping + b"\x00", packed({})]),
        ("header nested too deep", "bad_message", [b"\x81\xa2id" + b"\x91" * 4000, packed({})]),
        ("header that claims 4 billion entries", "bad_message", [b"\xdf\xff\xff\xff\xff", packed({})]),
        ("id is an extension type", "bad_message", [packed(header("ping", id=msgpack.ExtType(5, b"x"))), packed({})]),
        ("id is not UTF-8", "bad_message", [ping.replace(b"\xa11", b"\xa1\xff"), packed({})]),
        ("another major version", "version_mismatch", [packed(header("ping", version=[2, 0])), packed({})]),
        ("unknown type", "unknown_type", [packed(header("frobnicate")), packed({})]),
        ("body is an array", "bad_request", [listed, packed([])]),
        ("body is cut short", "bad_request", [listed, packed({"shot": SHOT})[:-1]]),
        ("body with an integer for a key", "bad_request", [listed, packed({5: SHOT})]),
        ("body nested too deep", "bad_request", [listed, b"\x81\xa4shot" + b"\x91" * 5000]),
        ("body that claims 4 billion letters", "bad_request", [listed, b"\x81\xa4shot\xdb\xff\xff\xff\xff"]),
        ("field missing", "bad_request", [listed, packed({})]),
        ("field of another type", "bad_request", [listed, packed({"shot": 5})]),
        ("bytes for a text", "bad_request", [listed, packed({"shot": SHOT.encode()})]),
        ("id that is none", "bad_request", [listed, packed({"shot": "../etc"})]),
        ("number for a whole number", "bad_request", [put, packed({**PUT, "frame": 1001.5}), bytes(4)]),
        ("truth for a whole number", "bad_request", [put, packed({**PUT, "frame": True}), bytes(4)]),
        ("frame beyond its range", "bad_request", [put, packed({**PUT, "frame": 2**31}), bytes(4)]),
        ("word that is none of its words", "bad_request", [put, packed(pixels(dtype="double")), bytes(4)]),
        ("channel named twice", "bad_request", [put, packed(pixels(channels=["A", "A"])), bytes(8)]),
        ("width of nothing", "bad_request", [put, packed(pixels(width=0)), b""]),
        ("path and size", "bad_request", [shot, packed({"plate": {"path": "/a", "size": [1, 1]}})]),
        ("neither path nor size", "bad_request", [shot, packed({"plate": {}})]),
        ("size of three", "bad_request", [shot, packed({"plate": {"size": [1, 1, 1]}})]),
        ("exposure is not a number", "bad_request", [shot, packed({"plate": {"path": "/a", "exposure": math.nan}})]),
        ("range ends before it starts", "bad_request", [shot, packed({"plate": {"path": "/a"}, "frames": [2, 1, 1]})]),
        ("buffer missing", "bad_buffer", [put, packed(PUT)]),
        ("buffer too short", "bad_buffer", [put, packed(PUT), bytes(3)]),
        ("buffer too long", "bad_buffer", [put, packed(PUT), bytes(5)]),
        ("one buffer too many", "bad_buffer", [put, packed(PUT), bytes(4), bytes(4)]),
        ("buffer nobody speaks of", "bad_buffer", [ping, packed({}), b"x"]),
    ]  # fmt: skip
    return [{"name": name, "code": code, "frames": [part.hex() for part in parts]} for name, code, parts in cases]


def header(kind: str, **changed: Any) -> dict[str, Any]:
    """A header as a map, right or wrong."""
    return {"id": "1", "type": kind, "version": [1, 0], "parent": None, **changed}


def pixels(**changed: Any) -> dict[str, Any]:
    """The body of a ``put_plate`` with other pixels."""
    return {**PUT, "pixels": {**PIXELS, **changed}}


def packed(value: Any) -> bytes:
    """As msgpack."""
    packed: bytes = msgpack.packb(value)
    return packed


def main() -> None:
    """Write both files."""
    told = [
        {"name": heading, **example, "frames": frames_of(heading, example)}
        for heading, example in examples(PAGE.read_text("utf-8"))
    ]
    for name, content in (("messages.json", told), ("refused.json", refused())):
        (HERE / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
