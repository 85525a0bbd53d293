"""From frames to a request, or to the reason why not."""

import struct

import msgpack
import pytest

from matted.service.envelope import MAX_BODY, MAX_BUFFER, BadEnvelope, pack, unpack
from matted_protocol import messages as m

SHOT = "0123456789abcdef"
HEADER = {"id": "a" * 32, "type": "ping", "version": [1, 0], "parent": None}
PIXELS = {"width": 2, "height": 2, "channels": ["R", "G", "B"], "dtype": "half"}


def take(header, body, *buffers):
    parts = [part if isinstance(part, bytes) else msgpack.packb(part) for part in (header, body)]
    return unpack([memoryview(part) for part in (*parts, *buffers)])


def refusal(header, body, *buffers):
    with pytest.raises(BadEnvelope) as caught:
        take(header, body, *buffers)
    error = caught.value.error
    assert error.message.endswith(".") and error.hint.endswith(".")
    return caught.value.parent, error.code


def request_of(kind, **body):
    return {**HEADER, "type": kind}, body


def nested(depth):
    """msgpack of arrays in arrays, a byte each."""
    return b"\x91" * depth + b"\xc0"


def in_a_field(value):
    """The body {"x": value} of bytes that are already msgpack."""
    return b"\x81\xa1x" + value


def test_when_a_request_is_whole_then_it_is_taken():
    request = take(HEADER, {})

    assert (request.id, request.type, request.body, request.buffers) == ("a" * 32, "ping", m.Ping(), ())


def test_when_fields_are_unknown_then_they_are_ignored():
    header = {**HEADER, "type": "hello", "colour": {"deep": [1, 2]}}

    assert take(header, {"client": "nuke", "since": [1, {"2": 3}]}).body == m.Hello("nuke")


def test_when_the_minor_version_is_newer_then_it_is_taken():
    assert take({**HEADER, "version": [1, 99]}, {}).type == "ping"


@pytest.mark.parametrize("frames", [[], [b""], [msgpack.packb(HEADER)], [b"", b""], [b"", b"", b""]], ids=range(5))
def test_when_there_is_no_header_and_body_then_the_message_is_bad(frames):
    with pytest.raises(BadEnvelope) as caught:
        unpack([memoryview(frame) for frame in frames])

    assert caught.value.error.code == "bad_message" and caught.value.parent is None


BAD_HEADERS = {
    "no id": {"type": "ping", "version": [1, 0]},
    "no type": {"id": "a"},
    "empty id": {**HEADER, "id": ""},
    "long id": {**HEADER, "id": "a" * 65},
    "id a number": {**HEADER, "id": 7},
    "type nothing": {**HEADER, "type": None},
    "version a text": {**HEADER, "version": "1.0"},
    "version too short": {**HEADER, "version": [1]},
    "version of fractions": {**HEADER, "version": [1.5, 0]},
    "parent a list": {**HEADER, "parent": []},
    "a list": [HEADER],
    "nothing": None,
    "a number": 1,
    "keys that are numbers": {1: 2},
    "an extension": msgpack.packb(msgpack.ExtType(4, b"x")),
    "a timestamp": msgpack.packb(msgpack.Timestamp(1)),
    "too long": {**HEADER, "x": "a" * 5000},
    "cut short": msgpack.packb(HEADER)[:-3],
    "with a tail": msgpack.packb(HEADER) + b"\x00",
    "nested": nested(4000),
    "nested in a field": in_a_field(nested(4000)),
    "not a byte of msgpack": b"\xc1",
    "not Unicode": b"\x81\xa2id\xa2\xff\xfe",
    "half a surrogate": b"\x81\xa2id\xa3\xed\xa0\x80",
    "a map of 4 billion": b"\xdf\xff\xff\xff\xff",
    "an array of 4 billion": b"\xdd\xff\xff\xff\xff",
    "a text of 4 billion": b"\xdb\xff\xff\xff\xff",
    "bytes of 4 billion": b"\xc6\xff\xff\xff\xff",
    "an extension of 4 billion": b"\xc9\xff\xff\xff\xff\x01",
}


@pytest.mark.parametrize("header", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_when_the_header_is_none_then_the_message_is_bad(header):
    assert refusal(header, {}) == (None, "bad_message")


@pytest.mark.parametrize("version", [[0, 9], [2, 0], [-1, 0], [2**63, 2**63]], ids=str)
def test_when_the_major_version_is_another_then_it_is_told(version):
    assert refusal({**HEADER, "version": version}, {}) == ("a" * 32, "version_mismatch")


def test_when_version_and_type_are_of_the_future_then_the_version_is_what_is_told():
    assert refusal({**HEADER, "version": [2, 0], "type": "dream"}, [1, 2]) == ("a" * 32, "version_mismatch")


@pytest.mark.parametrize(
    "kind", ["", "Ping", "ping ", "reply", "error", "frame_done", "__init__", "x" * 4000], ids=repr
)
def test_when_the_type_is_unknown_then_it_is_told(kind):
    assert refusal({**HEADER, "type": kind}, {}) == ("a" * 32, "unknown_type")


BAD_BODIES = {
    "nothing": ("list_keyframes", None),
    "a list": ("list_keyframes", [SHOT]),
    "missing field": ("list_keyframes", {}),
    "null field": ("list_keyframes", {"shot": None}),
    "wrong type": ("list_keyframes", {"shot": 7}),
    "bytes for a text": ("list_keyframes", {"shot": SHOT.encode()}),
    "no id": ("list_keyframes", {"shot": "../../etc"}),
    "upper case id": ("list_keyframes", {"shot": SHOT.upper()}),
    "id with a newline": ("list_keyframes", {"shot": SHOT + "\n"}),
    "keys that are numbers": ("hello", {1: 2}),
    "keys that are lists": ("hello", b"\x81\x90\x01"),
    "an extension": ("hello", msgpack.packb(msgpack.ExtType(4, b"x"))),
    "an extension in a field": ("hello", {"client": msgpack.ExtType(4, b"x")}),
    "long name": ("hello", {"client": "x" * 201}),
    "cut short": ("hello", msgpack.packb({"client": "nuke"})[:-1]),
    "with a tail": ("hello", msgpack.packb({}) + msgpack.packb({})),
    "nested": ("hello", nested(100_000)),
    "nested in a field": ("hello", in_a_field(nested(100_000))),
    "not Unicode": ("hello", b"\x81\xa6client\xa2\xff\xfe"),
    "half a surrogate": ("hello", b"\x81\xa6client\xa3\xed\xa0\x80"),
    "a text of 4 billion": ("hello", b"\x81\xa6client\xdb\xff\xff\xff\xff"),
    "an array of 4 billion": ("open_shot", b"\x81\xa7objects\xdd\xff\xff\xff\xff"),
    "a map of 4 billion": ("open_shot", b"\x81\xa5plate\xdf\xff\xff\xff\xff"),
    "unknown bytes of 4 billion": ("hello", in_a_field(b"\xc6\xff\xff\xff\xff")),
    "a frame with a fraction": ("remove_keyframe", {"shot": SHOT, "frame": 1.5}),
    "a frame that is true": ("remove_keyframe", {"shot": SHOT, "frame": True}),
    "a frame that is a text": ("remove_keyframe", {"shot": SHOT, "frame": "1001"}),
    "a frame too far": ("remove_keyframe", {"shot": SHOT, "frame": 2**31}),
    "a frame of 64 bits": ("remove_keyframe", {"shot": SHOT, "frame": 2**64 - 1}),
    "a frame that is infinite": ("remove_keyframe", {"shot": SHOT, "frame": float("inf")}),
    "alpha not a number": ("suggest", {"shot": SHOT, "alpha": float("nan")}),
    "alpha infinite": ("suggest", {"shot": SHOT, "alpha": float("inf")}),
    "exposure not a number": ("open_shot", {"plate": {"path": "/a", "exposure": float("nan")}}),
    "exposure infinite": ("open_shot", {"plate": {"path": "/a", "exposure": float("-inf")}}),
    "pixel aspect not a number": ("open_shot", {"plate": {"path": "/a", "pixel_aspect": float("nan")}}),
    "pixel aspect of nothing": ("open_shot", {"plate": {"path": "/a", "pixel_aspect": 0}}),
    "frame rate over 0": ("open_shot", {"plate": {"path": "/a", "frame_rate": [24, 0]}}),
    "a frame offset too far": ("open_shot", {"plate": {"path": "/a", "offset": 2**31}}),
    "a frame offset of sent pixels": ("open_shot", {"plate": {"size": [9, 9], "offset": 1}}),
    "a path and a size": ("open_shot", {"plate": {"path": "/a", "size": [9, 9]}}),
    "neither": ("open_shot", {"plate": {}}),
    "a size of 0": ("open_shot", {"plate": {"size": [0, 9]}}),
    "a size beyond": ("open_shot", {"plate": {"size": [32769, 9]}}),
    "a size of three": ("open_shot", {"plate": {"size": [9, 9, 9]}}),
    "an object twice": ("open_shot", {"plate": {"path": "/a"}, "objects": ["a", "a"]}),
    "an object without a name": ("open_shot", {"plate": {"path": "/a"}, "objects": [""]}),
    "too many objects": ("open_shot", {"plate": {"path": "/a"}, "objects": [str(i) for i in range(257)]}),
    "a range backwards": ("open_shot", {"plate": {"path": "/a"}, "frames": [9, 1, 1]}),
    "a step of 0": ("open_shot", {"plate": {"path": "/a"}, "frames": [1, 9, 0]}),
    "a range of two": ("open_shot", {"plate": {"path": "/a"}, "frames": [1, 9]}),
    "an unknown word": ("open_shot", {"plate": {"path": "/a"}, "missing": "guess"}),
    "a tolerance of nothing": ("trace", {"job": SHOT, "tolerance": 0}),
    "a tolerance that is no number": ("trace", {"job": SHOT, "tolerance": float("nan")}),
    "credit beyond": ("watch", {"job": SHOT, "options": {"credit": 1025}}),
    "after nothing": ("watch", {"job": SHOT, "options": {"after": -1}}),
    "a mask twice": ("set_keyframe", {"shot": SHOT, "frame": 1, "path": "/a", "pixels": PIXELS}),
    "no mask": ("set_keyframe", {"shot": SHOT, "frame": 1}),
    "an empty pick": ("set_keyframe", {"shot": SHOT, "frame": 1, "path": "/a", "pick": []}),
    "pixels of a word": ("put_plate", {"shot": SHOT, "frame": 1, "pixels": {**PIXELS, "dtype": "double"}}),
    "pixels without channels": ("put_plate", {"shot": SHOT, "frame": 1, "pixels": {**PIXELS, "channels": []}}),
    "a channel twice": ("put_plate", {"shot": SHOT, "frame": 1, "pixels": {**PIXELS, "channels": ["R", "R"]}}),
    "pixels too wide": ("put_plate", {"shot": SHOT, "frame": 1, "pixels": {**PIXELS, "width": 32769}}),
    "pixels of less than nothing": (
        "put_plate",
        {"shot": SHOT, "frame": 1, "pixels": {**PIXELS, "width": -2, "height": -2}},
    ),
}


@pytest.mark.parametrize(("kind", "body"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_when_the_body_is_not_as_the_page_says_then_the_request_is_bad(kind, body):
    assert refusal({**HEADER, "type": kind}, body) == ("a" * 32, "bad_request")


def test_when_the_body_is_too_long_then_it_is_told_before_it_is_decoded():
    assert refusal({**HEADER, "type": "hello"}, b"\xc1" * (MAX_BODY + 1)) == ("a" * 32, "too_large")


def test_when_pixels_fit_their_buffer_then_they_are_taken_without_a_copy():
    header, body = request_of("put_plate", shot=SHOT, frame=1, pixels=PIXELS)
    buffer = bytearray(24)

    request = take(header, body, buffer)

    buffer[0] = 9
    assert request.buffers[0][0] == 9
    assert request.size == len(msgpack.packb(header)) + len(msgpack.packb(body)) + 24


@pytest.mark.parametrize("buffers", [[], [b""], [b"x" * 23], [b"x" * 25], [b"x" * 24] * 2, [b"x" * 24] + [b""] * 998])
def test_when_buffers_do_not_fit_the_pixels_then_they_are_bad(buffers):
    header, body = request_of("put_plate", shot=SHOT, frame=1, pixels=PIXELS)

    assert refusal(header, body, *buffers) == ("a" * 32, "bad_buffer")


@pytest.mark.parametrize("kind", sorted(set(m.REQUESTS) - {"put_plate"}))
def test_when_a_request_without_pixels_brings_a_buffer_then_it_is_bad(kind):
    least = {"plate": {"path": "/a"}, "shot": SHOT, "job": SHOT, "frame": 1, "seq": 1, "path": "/a"}

    assert refusal(*request_of(kind, **least), b"x") == ("a" * 32, "bad_buffer")


def test_when_pixels_are_larger_than_any_buffer_may_be_then_they_are_too_large():
    header, body = request_of(
        "put_plate", shot=SHOT, frame=1, pixels={**PIXELS, "width": 32768, "height": 32768, "dtype": "float"}
    )

    assert MAX_BUFFER < 32768 * 32768 * 12
    assert refusal(header, body, b"x") == ("a" * 32, "too_large")


def test_when_a_request_has_all_its_integers_at_their_ends_then_it_is_taken():
    body = {"shot": SHOT, "frame": -(2**31) + 1}

    assert take({**HEADER, "type": "remove_keyframe"}, body).body.frame == -(2**31) + 1


def test_when_a_text_comes_from_a_file_name_that_is_no_unicode_then_the_message_still_goes_out():
    error = m.Error("plate_missing", "There is no \udce9t\udce9.exr.", "Look.", path="/\udce9t\udce9.exr")

    _, body, *_ = pack("error", error, parent="a")

    assert msgpack.unpackb(body)["message"] == "There is no ?t?.exr."
    assert msgpack.unpackb(body)["path"] == "/?t?.exr"


def test_when_an_event_has_buffers_then_they_follow_header_and_body():
    header, body, *buffers = pack("frame_done", {"job": SHOT}, parent="a" * 32, buffers=[b"one", b"two"])

    told = msgpack.unpackb(header)
    assert (told["type"], told["version"], told["parent"]) == ("frame_done", [1, 0], "a" * 32)
    assert msgpack.unpackb(body) == {"job": SHOT} and buffers == [b"one", b"two"]


def test_when_lengths_lie_then_no_memory_is_taken_for_them():
    lie = b"\x82\xa4shot\xb0" + SHOT.encode() + b"\xa4pick\xdd" + struct.pack(">I", 2**32 - 1)

    assert refusal({**HEADER, "type": "set_keyframe"}, lie) == ("a" * 32, "bad_request")
