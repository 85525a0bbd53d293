"""Messages to bytes and back, and the bytes that are refused."""

import math
from dataclasses import fields
from typing import get_type_hints

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matted_protocol import messages as m
from matted_protocol import wire
from matted_protocol.wire import WireError, check_buffers, from_body, pack, to_body, unpack

SHOT = "0123456789abcdef"
HEADER = m.Header("1", "propagate")
KINDS = {kind for pair in m.REQUESTS.values() for kind in pair if kind} | set(m.EVENTS.values()) | {m.Error, m.Header}

RANGES = st.builds(
    lambda first, length, step: (first, first + length, step), st.integers(-9, 9), st.integers(0, 9), st.integers(1, 9)
)
PROPAGATES = st.builds(
    m.Propagate,
    st.just(SHOT),
    st.none() | st.text(max_size=30).filter(lambda text: text.isprintable()),
    st.none() | RANGES,
    st.builds(
        m.Settings,
        st.text(max_size=9).filter(str.isprintable),
        st.sampled_from(["both", "forward"]),
        st.integers(0, 8192),
    ),
    suggestions=st.integers(0, 1000),
    watch=st.none() | st.builds(m.WatchOptions, st.integers(0, 2**40), st.integers(0, 1024)),
)
SHOTS = st.builds(
    m.OpenShot,
    st.builds(
        m.PlateSource, size=st.tuples(st.integers(1, 99), st.integers(1, 99)), exposure=st.none() | st.floats(-20, 20)
    ),
    st.none() | RANGES,
    st.lists(st.text(min_size=1, max_size=5).filter(str.isprintable), unique=True, max_size=4).map(tuple),
)


def refused(code, call, *arguments, **keywords):
    with pytest.raises(WireError) as caught:
        call(*arguments, **keywords)
    assert caught.value.code == code
    return caught.value


def parts_of(body, header=HEADER):
    return [msgpack.packb(to_body(header)), msgpack.packb(body)]


@given(PROPAGATES | SHOTS)
def test_when_packed_and_unpacked_then_the_message_is_the_same(body):
    message = unpack(pack(HEADER, body, [b"pixels"]))

    assert from_body(type(body), message.body) == body
    assert message.header == HEADER
    assert [bytes(buffer) for buffer in message.buffers] == [b"pixels"]


@pytest.mark.parametrize("kind", sorted(KINDS, key=lambda kind: kind.__name__))
def test_when_a_body_is_not_a_map_then_its_place_is_told(kind):
    assert str(refused("bad_request", from_body, kind, [1])) == "$ is an array instead of a map"


@pytest.mark.parametrize("kind", sorted(KINDS, key=lambda kind: kind.__name__))
@pytest.mark.parametrize("wrong", [b"bytes", -1.5, {"a": {}}, [[]], True], ids=str)
def test_when_any_field_has_a_wrong_type_then_it_is_named(kind, wrong):
    for item in fields(kind):
        body = {other.name: example(get_type_hints(kind)[other.name], other.name) for other in fields(kind)}
        if accepts(get_type_hints(kind)[item.name], wrong):
            continue
        assert str(refused("bad_request", from_body, kind, {**body, item.name: wrong})).startswith(f"$.{item.name}")


def accepts(hint, value):
    inner = next((one for one in (hint, *wire.get_args(hint)) if wire.is_dataclass(one)), None)
    forgiving = inner in (m.Settings, m.MatteOptions, m.WatchOptions) and isinstance(value, dict)
    return forgiving or (hint in (float, wire.Optional[float]) and value == -1.5) or (hint is bool and value is True)


def example(hint, name):
    """A value of an annotation that :func:`from_body` takes."""
    text = SHOT if name in ("shot", "job") else "a"
    plain = {int: 1, str: text, float: 0.5, bool: True}
    if hint in plain:
        return plain[hint]
    arguments = wire.get_args(hint)
    if wire.is_dataclass(hint):
        if hint is m.PlateSource:
            return {"path": "/a"}
        return {item.name: example(get_type_hints(hint)[item.name], item.name) for item in fields(hint)}
    if wire.get_origin(hint) is wire.Literal:
        return arguments[0]
    if wire.get_origin(hint) is wire.Union:
        return None if name != "path" else "/a"
    if wire.get_origin(hint) is tuple and Ellipsis not in arguments:
        return [1 for _ in arguments]
    return {} if wire.get_origin(hint) is dict else [example(arguments[0], name)]


def test_when_a_field_is_unknown_then_it_is_ignored():
    assert from_body(m.Ping, {"colour": {"deep": [1]}, b"bytes": 1}) == m.Ping()
    assert from_body(m.ListShots, to_body(m.Propagate(SHOT))) == m.ListShots()


def test_when_a_field_with_a_default_is_missing_then_it_has_it():
    assert from_body(m.Propagate, {"shot": SHOT}) == m.Propagate(SHOT)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "$.plate is missing"),
        ({"plate": None}, "$.plate is nothing instead of a map"),
        ({"plate": {"size": [1]}}, "$.plate.size has 1 entries instead of 2"),
        ({"plate": {"size": [1, "2"]}}, "$.plate.size[1] is a text instead of a whole number"),
        ({"plate": {"size": [1, True]}}, "$.plate.size[1] is a truth instead of a whole number"),
        ({"plate": {"size": [0, 1]}}, "$.plate: width and height are 1 to 32768 pixels"),
        ({"plate": {"path": "/a", "size": [1, 1]}}, "$.plate: a plate has either a path or a size"),
        ({"plate": {"path": "/a", "exposure": math.nan}}, "$.plate.exposure is a number instead of a finite number"),
        ({"plate": {"path": "/a", "exposure": 21}}, "$.plate: exposure is -20 to 20 stops"),
        ({"plate": {"path": "/a"}, "missing": "guess"}, "$.missing is none of error, skip"),
        ({"plate": {"path": "/a"}, "missing": ["skip"]}, "$.missing is none of error, skip"),
        ({"plate": {"path": "/a"}, "frames": [2, 1, 1]}, "$: the range 2-1 ends before it starts"),
        (
            {"plate": {"path": "/a"}, "frames": [1, 2**31, 1]},
            f"$: frame {2**31} is not between -{2**31 - 1} and {2**31 - 1}",
        ),
        ({"plate": {"path": "/a"}, "objects": ["a", "a"]}, "$: every object has a name of its own"),
    ],
    ids=str,
)
def test_when_a_body_is_wrong_then_the_place_and_the_reason_are_told(body, says):
    assert str(refused("bad_request", from_body, m.OpenShot, body)) == says


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x80",
        msgpack.packb([1]),
        msgpack.packb({1: 2}),
        msgpack.packb({"id": "1", "type": 5, "version": [1, 0]}),
        msgpack.packb({"id": "1", "type": "ping", "version": [1]}),
        msgpack.packb({"id": "", "type": "ping", "version": [1, 0]}),
        msgpack.packb({"id": "x" * 65, "type": "ping", "version": [1, 0]}),
        msgpack.packb({"id": "1", "type": "ping", "version": [1, 0]}) + b"\x80",
        b"\x91" * 4000,
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xa1a\xc7\x01\x05\x00",
        b"\x81\xa1a\xc4\x01\x00",
        b"\x81\xa1\xff\x01",
        b"\xc1",
    ],
    ids=lambda bad: repr(bytes(bad)[:24]),
)
def test_when_a_header_cannot_be_read_then_the_message_is_bad(bad):
    assert refused("bad_message", unpack, [bad, b"\x80"]).header is None


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\xc0",
        b"\x93",
        b"\x81\x01\x01",
        b"\x80\x80",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 5000,
        b"\x81\xa1a\xd4\x01\x00",
    ],
)
def test_when_a_body_cannot_be_read_then_the_answer_can_go_to_its_id(bad):
    assert refused("bad_request", unpack, [parts_of({})[0], bad]).header == HEADER


@pytest.mark.parametrize("parts", [[], [b"\x80"]])
def test_when_parts_are_missing_then_the_message_is_bad(parts):
    refused("bad_message", unpack, parts)


def test_when_parts_are_too_large_then_they_are_refused_before_they_are_decoded():
    garbage = b"\xc1"

    assert "4097 bytes" in str(refused("bad_message", unpack, [garbage * (wire.MAX_HEADER + 1), b"\x80"]))
    refused("too_large", unpack, [parts_of({})[0], garbage * (wire.MAX_BODY + 1)])
    refused("bad_buffer", unpack, [*parts_of({}), *[b""] * (wire.MAX_BUFFERS + 1)])
    refused("too_large", pack, HEADER, m.OpenShot(m.PlateSource(path="a" * wire.MAX_BODY)))


def test_when_an_answer_is_longer_than_a_request_may_be_then_it_is_taken():
    shots = m.Shots(tuple(m.Shot(SHOT, "", "", None, (1, 1), tuple(range(1000)), (), ()) for _ in range(400)))
    parts = pack(m.Header("1", m.REPLY, parent="2"), shots)

    assert len(parts[1]) > wire.MAX_BODY
    assert from_body(m.Shots, unpack(parts, max_body=wire.MAX_ANSWER).body) == shots
    refused("too_large", unpack, parts)


def test_when_the_major_version_is_another_then_that_is_said_and_a_newer_minor_is_taken():
    newer = m.Header("1", "ping", (m.VERSION[0], m.VERSION[1] + 7))

    assert unpack(parts_of({}, newer)).header == newer
    other = refused("version_mismatch", unpack, parts_of(5, m.Header("1", "ping", (m.VERSION[0] + 1, 0))))
    assert other.header.id == "1"


@pytest.mark.parametrize(
    ("body", "buffers", "fits"),
    [
        (m.Ping(), [], True),
        (m.Ping(), [b""], False),
        (m.PutPlate(SHOT, 1, m.Pixels(4, 2, ("R", "G", "B"), "half")), [bytes(48)], True),
        (m.PutPlate(SHOT, 1, m.Pixels(4, 2, ("R", "G", "B"), "half")), [bytes(47)], False),
        (m.PutPlate(SHOT, 1, m.Pixels(4, 2, ("R", "G", "B"), "half")), [], False),
        (m.PutPlate(SHOT, 1, m.Pixels(4, 2, ("A",), "uint8")), [bytes(8), bytes(8)], False),
        (m.SetKeyframe(SHOT, 1, path="/a"), [], True),
        (m.SetKeyframe(SHOT, 1, path="/a"), [b"x"], False),
        (m.SetKeyframe(SHOT, 1, pixels=m.Pixels(2, 2, ("A",), "float")), [memoryview(bytes(16))], True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_when_buffers_do_not_match_the_body_then_they_are_refused(body, buffers, fits):
    if fits:
        check_buffers(body, buffers)
    else:
        refused("bad_buffer", check_buffers, body, buffers)


@given(st.binary(max_size=200))
def test_when_bytes_are_noise_then_only_a_wire_error_comes_of_it(noise):
    for parts in ([noise, b"\x80"], [parts_of({})[0], noise]):
        try:
            from_body(m.Propagate, unpack(parts).body)
        except WireError as error:
            assert error.code in ("bad_message", "version_mismatch", "bad_request")
