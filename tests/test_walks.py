"""ARCHITECTURE.md's walks, walked: every step it names runs when a shot is propagated."""

import importlib
import inspect
import re
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from fakes.drawn_shot import write_masks, write_plate
from fakes.nuke_shot import NukeShot
from fakes.resolve_shot import ResolveShot
from fakes.resolve_walk import InResolve
from fakes.running_daemon import DaemonHere
from matted.cli import main
from matted_plugin.daemon import Daemon
from matted_resolve import link, script
from matted_resolve.companion import Companion

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
IN_NUKE = [
    "matted_nuke.buttons",
    "matted_nuke.host",
    "matted_nuke.plate",
    "matted_nuke.roto",
    "matted_nuke.start",
    "matted_plugin.desk",
    "matted_plugin.exr",
    "matted_plugin.sending",
    "matted_plugin.state",
    "matted_plugin.steps",
    "matted_plugin.workflow",
]
"""Those of the third walk; they need a Nuke to be imported in."""
IN_RESOLVE = [
    "matted_resolve.host.clip",
    "matted_resolve.host.leftovers",
    "matted_resolve.host.marks",
    "matted_resolve.host.mattes",
    "matted_resolve.host.rendering",
    "matted_resolve.script",
]
"""Those of the fourth."""
HERE_ALONE = {"batch.job.run"}
"""Named because it is the other way."""


def steps(title, modules=MODULES):
    """The functions a walk names, as code objects by the name it uses."""
    section = PAGE.split(f"## {title}")[1].split("\n## ")[0]
    found = {}
    for name in re.findall(r"`([A-Za-z_.]+)(?:\([^`]*\))?`", section):
        function = resolve(name, modules)
        if function is not None:
            found[name] = function.__code__
    return found


def resolve(name, modules):
    """``Session.propagate``, ``media.plate.Plate.read`` or ``network.segment``: the function, if it is one."""
    *path, last = name.split(".")
    for module in modules:
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


@contextmanager
def noted():
    """The code objects run meanwhile, in every thread."""
    seen = set()

    def note(frame, event, argument):
        if event == "call":
            seen.add(frame.f_code)

    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(before)
        threading.setprofile(None)


@pytest.fixture(scope="module")
def called(tmp_path_factory):
    """What is run by one small propagation, the command line and the daemon both in this process."""
    folder = tmp_path_factory.mktemp("walks")
    write_plate(folder / "plate", range(1001, 1007))
    write_masks(folder / "masks", [1001, 1005])
    with noted() as seen, DaemonHere(folder) as daemon, pytest.MonkeyPatch.context() as patch:
        daemon.client()
        patch.setenv("MATTED_CONNECTION_FILE", str(daemon.file))
        words = ["propagate", folder / "plate", "--keyframes", folder / "masks", "--out", folder / "out"]
        result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return seen


@pytest.mark.parametrize(("title", "fewest"), [("Walk 1: one frame", 22), ("Walk 2: one keyframe", 7)])
def test_when_a_shot_is_propagated_then_every_step_of_the_walk_runs(title, fewest, called):
    named = steps(title)

    assert len(named) >= fewest, named
    assert [name for name, code in named.items() if code not in called and name not in HERE_ALONE] == []


def test_when_propagate_is_pressed_in_nuke_then_every_step_of_the_walk_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with DaemonHere(tmp_path / "daemon") as daemon:
        daemon.client()
        monkeypatch.setenv("MATTED_CONNECTION_FILE", str(daemon.file))
        with noted() as seen, NukeShot(tmp_path) as shot:
            shot.draw().make()
            shot.propagated()  # the plate is read from disk
            shot.host.artist.node("Grade", "Grade1")
            shot.host.artist.connect("Grade1", 0, "Read1")
            shot.host.artist.connect("Matted1", 0, "Grade1")
            shot.host.artist.set("Matted1", "transport", "as pixels")
            shot.propagated()
            shot.host.save(tmp_path / "shot.nk")
            shot.host.close()
            shot.host.open(tmp_path / "shot.nk")
            shot.host.pump(0.2)
            named = steps("Walk 3: a press in Nuke", IN_NUKE)

    assert len(named) >= 14, named
    assert [name for name, code in named.items() if code not in seen] == []


def test_when_propagate_is_pressed_in_resolve_then_every_step_of_the_walk_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with DaemonHere(tmp_path / "daemon") as daemon, noted() as seen:
        daemon.client()
        companion = Companion(lambda program: Daemon(program, file=daemon.file), link.contact_file())
        thread = threading.Thread(target=companion.run)
        thread.start()
        try:
            while link.read_contact(link.contact_file()) is None:
                time.sleep(0.01)
            with ResolveShot(tmp_path) as shot:
                artist = InResolve(shot.machine)
                assert script.main(shot.machine.resolve, shot.machine.fusion, shot.machine.bmd) == 0
        finally:
            companion.stop()
            thread.join()
    named = steps("Walk 4: a press in Resolve", IN_RESOLVE)

    assert artist.done and shot.media.mattes
    assert len(named) >= 7, named
    assert [name for name, code in named.items() if code not in seen] == []


def test_when_the_page_names_a_room_then_it_is_there():
    rooms = re.findall(r"^\| `([a-z_/.]+)`", PAGE, re.MULTILINE)

    assert len(rooms) >= 10
    assert [room for room in rooms if not (Path(__file__).parents[1] / room).exists()] == []
