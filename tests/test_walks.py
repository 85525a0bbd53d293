"""ARCHITECTURE.md's two walks, walked: every step it names runs when a shot is propagated."""

import importlib
import inspect
import re
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from fakes.drawn_shot import write_masks, write_plate
from fakes.running_daemon import DaemonHere
from matted.cli import main

PAGE = (Path(__file__).parents[1] / "ARCHITECTURE.md").read_text("utf-8")
MODULES = [
    "matted.batch.bench",
    "matted.batch.job",
    "matted.batch.keyframes",
    "matted.batch.ledger",
    "matted.cli",
    "matted.engine.plan",
    "matted.engine.propagator",
    "matted.engine.session",
    "matted.engine.refine",
    "matted.media.mask",
    "matted.media.matte",
    "matted.media.plate",
    "matted.memory.bank",
    "matted.network.lite",
    "matted.remote",
    "matted.service.crew",
    "matted.service.envelope",
    "matted.service.handlers",
    "matted.service.paths",
    "matted.service.scheduler",
    "matted.service.server",
    "matted.service.store",
    "matted.service.task",
    "matted_protocol.client",
    "matted_protocol.wire",
]
HERE_ALONE = {"batch.job.run"}
"""Named because it is the other way."""


def steps(title):
    """The functions a walk names, as code objects by the name it uses."""
    section = PAGE.split(f"## {title}")[1].split("\n## ")[0]
    found = {}
    for name in re.findall(r"`([A-Za-z_.]+)(?:\([^`]*\))?`", section):
        function = resolve(name)
        if function is not None:
            found[name] = function.__code__
    return found


def resolve(name):
    """``Session.propagate``, ``media.plate.Plate.read`` or ``network.segment``: the function, if it is one."""
    *path, last = name.split(".")
    for module in MODULES:
        owner = importlib.import_module(module)
        parts = module.split(".")[1:]
        rest = next((path[len(known) :] for known in (parts, parts[-1:]) if path[: len(known)] == known), path)
        if path == ["network"] and module == "matted.network.lite":
            owner, rest = owner.Lite, []
        for part in rest:
            owner = getattr(owner, part, None)
        function = getattr(owner, last, None)
        if inspect.isfunction(function) and function.__module__.startswith("matted"):
            return function
    return None


@pytest.fixture(scope="module")
def called(tmp_path_factory):
    """The code objects run by one small propagation, the command line and the daemon both in this process."""
    folder = tmp_path_factory.mktemp("walks")
    write_plate(folder / "plate", range(1001, 1007))
    write_masks(folder / "masks", [1001, 1005])
    seen = set()

    def note(frame, event, argument):
        if event == "call":
            seen.add(frame.f_code)

    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        with DaemonHere(folder) as daemon, pytest.MonkeyPatch.context() as patch:
            daemon.client()
            patch.setenv("MATTED_CONNECTION_FILE", str(daemon.file))
            words = ["propagate", folder / "plate", "--keyframes", folder / "masks", "--out", folder / "out"]
            result = CliRunner().invoke(main, [str(word) for word in words])
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    assert result.exit_code == 0, result.output
    return seen


@pytest.mark.parametrize(("title", "fewest"), [("Walk 1: one frame", 22), ("Walk 2: one keyframe", 7)])
def test_when_a_shot_is_propagated_then_every_step_of_the_walk_runs(title, fewest, called):
    named = steps(title)

    assert len(named) >= fewest, named
    assert [name for name, code in named.items() if code not in called and name not in HERE_ALONE] == []


def test_when_the_page_names_a_room_then_it_is_there():
    rooms = re.findall(r"^\| `([a-z_/.]+)`", PAGE, re.MULTILINE)

    assert len(rooms) >= 10
    assert [room for room in rooms if not (Path(__file__).parents[1] / room).exists()] == []
