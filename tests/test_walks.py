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
from matted.cli import main

PAGE = (Path(__file__).parents[1] / "ARCHITECTURE.md").read_text("utf-8")
MODULES = [
    "batch.job",
    "batch.keyframes",
    "cli",
    "engine.plan",
    "engine.propagator",
    "engine.session",
    "engine.refine",
    "media.mask",
    "media.matte",
    "media.plate",
    "memory.bank",
    "network.lite",
]


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
        owner = importlib.import_module(f"matted.{module}")
        parts = module.split(".")
        rest = path[len(parts) :] if path[: len(parts)] == parts else path
        if path == ["network"] and module == "network.lite":
            owner, rest = owner.Lite, []
        for part in rest:
            owner = getattr(owner, part, None)
        function = getattr(owner, last, None)
        if inspect.isfunction(function) and function.__module__.startswith("matted."):
            return function
    return None


@pytest.fixture
def called(tmp_path):
    """The code objects run by one small propagation."""
    write_plate(tmp_path / "plate", range(1001, 1007))
    write_masks(tmp_path / "masks", [1001, 1005])
    seen = set()

    def note(frame, event, argument):
        if event == "call":
            seen.add(frame.f_code)

    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        result = CliRunner().invoke(
            main,
            [
                "propagate",
                str(tmp_path / "plate"),
                "--keyframes",
                str(tmp_path / "masks"),
                "--out",
                str(tmp_path / "out"),
            ],
        )
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    assert result.exit_code == 0, result.output
    return seen


@pytest.mark.parametrize(("title", "fewest"), [("Walk 1: one frame", 8), ("Walk 2: one keyframe", 4)])
def test_when_a_shot_is_propagated_then_every_step_of_the_walk_runs(title, fewest, called):
    named = steps(title)

    assert len(named) >= fewest, named
    assert [name for name, code in named.items() if code not in called] == []


def test_when_the_page_names_a_room_then_it_is_there():
    rooms = re.findall(r"^\| `([a-z_/.]+)`", PAGE, re.MULTILINE)

    assert len(rooms) >= 9
    assert [room for room in rooms if not (Path(__file__).parents[1] / room).exists()] == []
