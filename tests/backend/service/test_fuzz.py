"""Thousands of messages nobody would send: each is answered once, the daemon serves on and its log holds no traceback."""

import struct

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes import drawn_shot
from fakes.raw_client import Raw, another_user, connection_of, memory_of
from fakes.running_daemon import DaemonProcess
from matted_protocol import messages as m

AT_ONCE = 20
"""Messages of one example: fewer than a client may have unanswered."""

SHOT, JOB, NOBODY = "5" * 16, "7" * 16, "0" * 16
"""Stand for the shot and the job there really are, and for one there is not."""

PIXELS = {"width": 4, "height": 3, "channels": ["R", "G", "B"], "dtype": "uint8"}
MASK = {"width": 4, "height": 3, "channels": ["A"], "dtype": "half"}

WHOLE = [
    ("hello", {"client": "fuzz"}, []),
    ("ping", {}, []),
    ("status", {}, []),
    ("open_shot", {"plate": {"size": [4, 3], "frame_rate": [24, 1]}, "objects": ["a"], "name": "fuzz"}, []),
    ("open_shot", {"plate": {"path": "{shows}/plate/plate.####.png", "colorspace": "sRGB"}, "frames": [1, 2, 1]}, []),
    ("put_plate", {"shot": SHOT, "frame": 1, "pixels": PIXELS}, [bytes(range(36))]),
    ("set_keyframe", {"shot": SHOT, "frame": 1, "object": "a", "pixels": MASK}, [b"\x00\x3c" * 12]),
    ("set_keyframe", {"shot": SHOT, "frame": 1, "path": "{shows}/masks/mask.1001.exr", "layer": "A", "pick": ["a"]}, []),
    ("remove_keyframe", {"shot": SHOT, "frame": 2, "object": "a"}, []),
    ("list_keyframes", {"shot": SHOT}, []),
    ("propagate", {"shot": SHOT, "out": "{shows}/out", "frames": [1, 1, 1], "suggestions": 0, "settings": {"working_size": 32},
                   "mattes": {"layout": "files"}, "watch": {"credit": 4}, "priority": "batch"}, []),
    ("suggest", {"shot": SHOT, "count": 1, "alpha": 0.5, "mattes": "{shows}/masks", "settings": {"working_size": 32}}, []),
    ("get_matte", {"job": JOB, "frame": 1}, []),
    ("trace", {"job": JOB, "object": "a", "frames": [1, 1, 1], "tolerance": 1.0}, []),
    ("watch", {"job": JOB, "options": {"after": 0, "credit": 2, "mattes": "bytes"}}, []),
    ("ack", {"job": JOB, "seq": 1}, []),
    ("cancel", {"job": JOB}, []),
    ("list_shots", {}, []),
    ("list_jobs", {"shot": SHOT, "unfinished": True}, []),
    ("close_shot", {"shot": SHOT}, []),
    ("delete_shot", {"shot": NOBODY}, []),
    ("shutdown", {}, []),
]  # fmt: skip

texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "",
            "\0",
            "..",
            "/",
            "\\\\server\\share",
            "{shows}/../..",
            "{shows}/" + "x" * 300,
            "\ud800",
            "xmem",
            "a" * 5000,
        ]
    ),
    st.sampled_from([SHOT, JOB, NOBODY, *m.REQUESTS, *m.EVENTS]),
)
numbers = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from([-1, 0, 1, 2**31 - 1, -(2**31), 2**31, 2**53, 2**63, 32768, 32769]),
    st.floats(),
)
leaves = st.one_of(
    texts, numbers, st.none(), st.booleans(), st.binary(max_size=12),
    st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=8)),
)  # fmt: skip
junk = st.one_of(
    leaves,
    st.lists(leaves, max_size=4),
    st.dictionaries(st.one_of(texts, st.integers(0, 9)), leaves, max_size=3),
    st.sampled_from([[0] * 3000, [[[[[[]]]]]], {"a": {"a": {"a": {}}}}]),
)
raw_bytes = st.one_of(
    st.binary(max_size=64),
    st.sampled_from(
        [b"", b"\xc1", b"\x91" * 60_000, b"\x81\xa1a" * 20_000]
        + [bytes([kind]) + struct.pack(">I", 2**32 - 1) for kind in (0xC6, 0xC9, 0xDB, 0xDD, 0xDF)]
    ),
)


def paths_in(body, so_far=()):
    """Every place in a body."""
    yield so_far
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in inner:
        yield from paths_in(value, (*so_far, key))


def replaced(body, path, value):
    """The body with something else at a place; ``...`` takes the place out."""
    if not path:
        return value
    copied = dict(body) if isinstance(body, dict) else list(body)
    if len(path) == 1 and value is ...:
        del copied[path[0]]
    else:
        copied[path[0]] = replaced(copied[path[0]], path[1:], value)
    return copied


@st.composite
def mutated(draw):
    """A request with up to three fields of its body, header or buffers that are something else."""
    kind, body, buffers = draw(st.sampled_from(WHOLE))
    header = {"id": draw(st.text("abc", min_size=1, max_size=3)), "type": kind, "version": [1, 0], "parent": None}
    for _ in range(draw(st.integers(0, 3))):
        where = draw(st.sampled_from(["body", "body", "body", "new", "header", "buffers"]))
        value = draw(junk)
        if where == "buffers":
            buffers = draw(st.lists(st.binary(max_size=40), max_size=3))
        elif where == "header":
            header = {**header, draw(st.sampled_from([*header, "more"])): value}
        elif where == "new" and isinstance(body, dict):
            body = {**body, draw(texts): value}
        else:
            path = draw(st.sampled_from(list(paths_in(body))))
            body = replaced(body, path, draw(st.sampled_from([..., value])) if path else value)
    return header, body, buffers


def packed(value):
    return msgpack.packb(value, unicode_errors="surrogatepass")


@st.composite
def damaged(draw):
    """A request, cut short or with a byte changed."""
    kind, body, buffers = draw(st.sampled_from(WHOLE))
    parts = [packed({"id": "d", "type": kind, "version": [1, 0]}), packed(body), *buffers]
    which = draw(st.integers(0, len(parts) - 1))
    at = draw(st.integers(0, max(len(parts[which]) - 1, 0)))
    if draw(st.booleans()) or not parts[which]:
        parts[which] = parts[which][:at]
    else:
        parts[which] = parts[which][:at] + draw(st.binary(min_size=1, max_size=1)) + parts[which][at + 1 :]
    return parts


messages = st.one_of(
    mutated(),
    mutated(),
    damaged(),
    st.lists(raw_bytes, min_size=1, max_size=20),
    st.builds(
        lambda body, buffers: ({"id": "r", "type": "hello", "version": [1, 0]}, body, buffers),
        raw_bytes,
        st.lists(raw_bytes, max_size=2),
    ),
    st.integers(2, 1000).map(lambda count: [b"\x80"] * count),
)


class Fuzzed:
    """A daemon, the client that plagues it and one that only wants to be served."""

    def __init__(self, daemon, shows, cruel, kind_one):
        self.daemon, self.shows, self.cruel, self.kind_one = daemon, shows, cruel, kind_one
        self.sent = 0
        self.codes = set()

    def plague(self, batch):
        """Send these messages; every one but ``ack`` is answered once, and both clients are served after it."""
        self._begin()
        silent = sum(self._send(message) for message in batch)
        self.sent += len(batch)
        answers = []
        last = self.cruel.say("list_shots", id="the last of the batch")
        while len(answers) < len(batch) - silent + 1 or not any(answer.parent == last for answer in answers):
            answer = self.cruel.receive()
            assert answer is not None, f"{len(answers)} answers to {len(batch)} messages"
            answers += [answer] if answer.type in ("reply", "error") else []
        assert self.kind_one.pongs()
        assert len(answers) <= len(batch) + 1
        for answer in answers:
            if answer.type == "error":
                self.codes.add(answer.code)
                assert answer.code != "internal", answer.body
                assert answer.body["message"] and answer.body["hint"], answer.body

    def tracebacks(self):
        """Lines of the daemon's log that tell of its own faults."""
        return [line for line in self.daemon.lines if "Traceback" in line or '"level": "error"' in line]

    def _begin(self):
        """The shot may have been deleted by the batch before; ids are those of content."""
        kind, body, _ = WHOLE[3]
        self.ids = {SHOT: self.cruel.ask(kind, body).body["shot"]}
        jobs = self.cruel.ask("list_jobs").body["jobs"]
        self.ids[JOB] = jobs[0]["job"] if jobs else NOBODY

    def _send(self, message):
        """Send a message; returns whether it may go unanswered."""
        if isinstance(message, tuple):
            header, body, buffers = message
            body = body if isinstance(body, bytes) else packed(self._real(body))
            parts = [packed(header), body, *buffers]
        else:
            parts = message
        self.cruel.send(*parts)
        return b"ack" in parts[0]

    def _real(self, value):
        if isinstance(value, str):
            return self.ids.get(value, value.replace("{shows}", str(self.shows)))
        if isinstance(value, dict):
            return {key: self._real(item) for key, item in value.items()}
        return [self._real(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzzed")
    drawn_shot.write_plate(folder / "shows" / "plate", frames=[1, 2])
    drawn_shot.write_masks(folder / "shows" / "masks", [1001])
    with DaemonProcess(folder, "--root", folder / "shows", "--device", "cpu") as daemon:
        daemon.start()
        with Raw(another_user(daemon, "cruel")) as cruel, Raw(connection_of(daemon)) as kind_one:
            yield Fuzzed(daemon, folder / "shows", cruel, kind_one)


def plagued(fuzzed, examples, **how):
    """Plague the daemon with this many batches; returns how many messages that were."""
    before = fuzzed.sent

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck), **how)
    @given(batch=st.lists(messages, min_size=AT_ONCE, max_size=AT_ONCE))
    def plague(batch):
        fuzzed.plague(batch)

    plague()
    assert fuzzed.tracebacks() == []
    return fuzzed.sent - before


def test_when_some_hundred_messages_are_nonsense_then_each_is_answered_and_the_daemon_serves_on(fuzzed):
    assert plagued(fuzzed, 25, derandomize=True) >= 400

    assert {"bad_message", "bad_request", "bad_buffer", "unknown_type"} <= fuzzed.codes


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_when_twenty_thousand_messages_are_nonsense_then_each_is_answered_and_nothing_grows(fuzzed):
    plagued(fuzzed, 50)
    before = memory_of(fuzzed.daemon.pid)

    assert plagued(fuzzed, 1000) >= 20_000

    assert memory_of(fuzzed.daemon.pid) - before < 200 * 2**20
