"""The page and the code say the same: versions, fields, examples, vectors, codes, the script."""

import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Literal, Union, get_args, get_origin, get_type_hints

import pytest

import matted_protocol
from matted_protocol import errors, wire
from matted_protocol import messages as m
from matted_protocol.connection import Connection

FOLDER = Path(matted_protocol.__file__).parents[1]
PAGE = (FOLDER / "README.md").read_text("utf-8")
VECTORS = json.loads((FOLDER / "vectors" / "messages.json").read_text("utf-8"))
REFUSED = json.loads((FOLDER / "vectors" / "refused.json").read_text("utf-8"))

specification = importlib.util.spec_from_file_location("make_vectors", FOLDER / "vectors" / "make.py")
make = importlib.util.module_from_spec(specification)
specification.loader.exec_module(make)
EXAMPLES = make.examples(PAGE)

REPLIES = {reply for _, reply in m.REQUESTS.values() if reply is not None} | {m.Error}
BODIES = {request for request, _ in m.REQUESTS.values()} | REPLIES | set(m.EVENTS.values())
SECTIONS = {name: request for name, (request, _) in m.REQUESTS.items()} | m.EVENTS


def section(heading):
    """The text under a heading."""
    return re.search(rf"^### {heading}\n(.*?)(?=^##)", PAGE + "\n##", flags=re.MULTILINE | re.DOTALL)[1]


def parts_of(kind, found=None):
    """A dataclass and all those in its fields."""
    found = set() if found is None else found
    found.add(kind)
    for hint in get_type_hints(kind).values():
        for inner in (hint, *get_args(hint), *(part for one in get_args(hint) for part in get_args(one))):
            if is_dataclass(inner) and inner not in found:
                parts_of(inner, found)
    return found


DOCUMENTED = set().union(*(parts_of(body) for body in BODIES)) | {m.Header}


def word(hint):
    """How the page calls a type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"  # of the parts none shares its name with a request
    if origin is Union:
        return f"{word(arguments[0])} or null"
    if origin is Literal:
        return " ".join(f"`{one}`" for one in arguments)
    if origin is dict:
        return f"map of {word(arguments[1])}"
    if origin is tuple:
        count = "" if arguments[-1] is Ellipsis else f"{len(arguments)} "
        return f"array of {count}{word(arguments[0])}"
    return {int: "int", float: "number", str: "text", bool: "bool"}[hint]


def default(item):
    if item.default is not MISSING:
        return f"`{json.dumps(wire.to_body(item.default))}`"
    return "its defaults" if item.default_factory is not MISSING else ""


def test_when_the_page_is_read_then_its_version_is_the_code_s():
    assert re.search(r"^Version: (\d+)\.(\d+)$", PAGE, flags=re.MULTILINE).groups() == tuple(map(str, m.VERSION))
    assert f"| {m.VERSION[0]}.{m.VERSION[1]} |" in PAGE.split("## Changes")[1]


def test_when_every_message_is_looked_for_then_it_has_exactly_one_example():
    shown = [(heading, example["header"]["type"]) for heading, example in EXAMPLES]
    expected = [(name, name) for name in [*m.REQUESTS, *m.EVENTS]]
    expected += [(kind.__name__, m.ERROR if kind is m.Error else m.REPLY) for kind in REPLIES]

    assert sorted(shown) == sorted(expected)


@pytest.mark.parametrize(("heading", "example"), EXAMPLES, ids=[heading for heading, _ in EXAMPLES])
def test_when_an_example_is_packed_then_it_is_the_vector_and_comes_back_the_same(heading, example):
    kind = make.kind_of(heading, example["header"])
    body = wire.from_body(kind, example["body"])
    header = wire.from_body(m.Header, example["header"])
    (vector,) = [one for one in VECTORS if one["name"] == heading]

    assert wire.to_body(body) == example["body"], "an example shows every field and no other"
    assert make.frames_of(heading, example) == vector["frames"]
    frames = [bytes.fromhex(part) for part in vector["frames"]]
    message = wire.unpack(frames, max_body=wire.MAX_ANSWER)
    assert wire.from_body(kind, message.body) == body
    assert message.header == header
    if heading in m.REQUESTS:
        wire.check_buffers(body, message.buffers)
    else:
        assert len(message.buffers) == len(getattr(body, "files", getattr(body, "shapes", ())))
        assert header.parent is not None


def test_when_the_vectors_are_made_anew_then_they_are_the_same():
    assert [(one["name"], one["header"], one["body"]) for one in VECTORS] == [
        (heading, example["header"], example["body"]) for heading, example in EXAMPLES
    ]
    assert make.refused() == REFUSED


@pytest.mark.parametrize("case", REFUSED, ids=[case["name"] for case in REFUSED])
def test_when_a_vector_is_to_be_refused_then_it_is_with_its_code(case):
    with pytest.raises(wire.WireError) as caught:
        message = wire.unpack([bytes.fromhex(part) for part in case["frames"]])
        if message.header.type not in m.REQUESTS:
            raise wire.WireError("unknown_type", message.header.type)
        wire.check_buffers(wire.from_body(m.REQUESTS[message.header.type][0], message.body), message.buffers)
    assert caught.value.code == case["code"]


@pytest.mark.parametrize("kind", sorted(DOCUMENTED, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_when_a_message_s_table_is_read_then_it_has_the_fields_types_and_defaults_of_the_code(kind):
    heading = next((name for name, body in SECTIONS.items() if body is kind), kind.__name__)
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.+) \|$", section(heading), flags=re.MULTILINE)

    hints = get_type_hints(kind)
    assert [row[:3] for row in rows] == [(item.name, word(hints[item.name]), default(item)) for item in fields(kind)]


def test_when_a_request_is_looked_up_then_the_page_names_its_reply_and_known_codes():
    codes = set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", PAGE.split("## Errors")[1], flags=re.MULTILINE))
    for name, (_, reply) in m.REQUESTS.items():
        told = re.search(r"^Reply: (?:\[(\w+)\]\(#[\w-]+\)|none)\. Errors: (.*)\.$", section(name), flags=re.MULTILINE)

        assert told[1] == (None if reply is None else reply.__name__)
        assert set(re.findall(r"`(\w+)`", told[2])) <= codes


def test_when_the_daemon_s_codes_are_counted_then_the_page_has_them_all():
    backend = pytest.importorskip("matted.errors")
    of_batches = (backend.BatchError, backend.ClusterError)  # met before a daemon is asked, or without one
    kinds = [kind for kind in all_below(backend.MattedError) if not issubclass(kind, of_batches)]
    known = set().union(*(kind.codes for kind in kinds))
    table = PAGE.split("## Errors")[1].split("## Vectors")[0]

    assert set(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)) == known
    own = re.findall(r"``(\w+)``", errors.DaemonError.__doc__)
    assert set(own) == set(re.findall(r"`(\w+)`", table.split("no daemon answered:")[1]))


def all_below(kind):
    return {kind}.union(*(all_below(below) for below in kind.__subclasses__()))


def test_when_links_on_the_page_are_followed_then_they_lead_to_headings():
    seen, anchors = {}, set()
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL), flags=re.MULTILINE):
        anchor = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        anchors.add(anchor if anchor not in seen else f"{anchor}-{seen[anchor]}")
        seen[anchor] = seen.get(anchor, 0) + 1

    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= anchors


def test_when_the_limits_are_read_then_they_are_the_code_s():
    limits = dict(re.findall(r"^\| ([\w ]+) \| (.+) \|$", section_of("## Messages"), flags=re.MULTILINE))

    assert limits["header"] == f"{wire.MAX_HEADER} bytes"
    assert limits["body of a request"] == f"{wire.MAX_BODY >> 20} MiB"
    assert limits["body of a reply or event"] == f"{wire.MAX_ANSWER >> 20} MiB"
    assert limits["one array or map"] == f"{wire._ITEMS} entries"


def test_when_the_connection_file_is_described_then_every_field_is():
    rows = re.findall(r"^\| `(\w+)` \|", section_of("## Transport"), flags=re.MULTILINE)

    assert rows == [item.name for item in fields(Connection)]


def section_of(heading):
    return PAGE.split(f"{heading}\n")[1].split("\n## ")[0]


def test_when_the_page_s_script_is_run_then_it_does_a_whole_shot(daemon, file, tmp_path):
    script = tmp_path / "shot.py"
    script.write_text(re.search(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)[1], "utf-8")
    arguments = ["plate.####.exr", "hero.1001.png", "mattes"]
    command = [sys.executable, "-W", "error", str(script), *arguments]

    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert (made.returncode, made.stderr) == (0, "")
    assert len(re.findall(r"^frame \d+: ", made.stdout, flags=re.MULTILINE)) == 10
    assert f"mattes are in {tmp_path}/mattes/v001" in made.stdout
    (job,) = daemon.state.jobs.values()
    assert daemon.state.shots[job.shot].keyframes == (1001,)
