"""The self-test that a TD runs in a real Nuke, run in the stand-in: it agrees with it, and sees where one does not."""

import contextlib
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fakes import nuke_terminal
from fakes.nuke import Nuke
from fakes.nuke_knob_handles import Knob
from fakes.nuke_knobs import CLASSES
from fakes.nuke_render import Renderer

pytestmark = pytest.mark.slow  # each test starts programs

TESTS = Path(__file__).parents[2]
ROOT = TESTS.parent
SELFTEST = ROOT / "plugins" / "nuke" / "selftest.py"
PLUGIN = [ROOT / "plugins" / "common", ROOT / "plugins" / "nuke", ROOT / "protocol"]
INSTALLED = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The home folder and, in it, the only temporary one."""
    (tmp_path / "temporary").mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path


@contextlib.contextmanager
def loaded(**options):
    """A stand-in Nuke, and the self-test's module in it."""
    with Nuke(**options) as host:
        spec = importlib.util.spec_from_file_location("matted_selftest", SELFTEST)
        module = importlib.util.module_from_spec(spec)
        sys.modules["matted_selftest"] = module
        try:
            spec.loader.exec_module(module)
            yield host, module
        finally:
            del sys.modules["matted_selftest"]


def terminal(*words, plugin=False, python=sys.executable, version="16.0", edition="full", script=SELFTEST):
    """``nuke -t selftest.py WORDS`` in a process of its own."""
    path = os.pathsep.join(map(str, [TESTS, *(PLUGIN if plugin else [])]))
    command = [python, nuke_terminal.__file__, version, edition, script, *words]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=110, env=environment)


def answers(file):
    """The JSON file's answers by probe."""
    return {one["id"]: one for one in json.loads(file.read_text())["probes"]}


def raising(error):
    def call(*_):
        raise error

    return call


def with_status(results, status):
    return {one.probe.id for one in results if one.status == status}


@pytest.mark.parametrize(
    ("version", "edition"),
    [
        ("14.0", "full"),
        ("16.0", "nc"),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in (("15.1", "full"), ("16.0", "full"), ("17.1", "indie"))
        ),
        ("17.0", "full"),
    ],
)
def test_when_nuke_is_as_expected_then_every_probe_passes_or_says_why_it_was_not_asked(folder, version, edition):
    done = terminal(folder / "out.json", version=version, edition=edition)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    found = answers(folder / "out.json")
    assert {one["status"] for one in found.values()} == {"ok", "noted", "skipped"}
    assert all(one["seen"] for one in found.values() if one["status"] == "skipped")
    assert list((folder / "temporary").iterdir()) == []
    assert sorted(path.name for path in folder.iterdir()) == ["out.json", "temporary"]
    assert re.search(r"^\d+ of (\d+) as expected, .* none differs\.$", done.stdout, re.MULTILINE)
    assert "the plugin is not installed in this Nuke" in done.stdout


@pytest.mark.parametrize("profile", [{"hostile": False}, {"windows": True}], ids=["friendly", "windows"])
def test_when_what_is_from_memory_is_the_other_way_round_then_every_probe_passes(folder, profile):
    with loaded(gui=False, **profile) as (host, module):
        results = module.run()

        assert with_status(results, "DIFFERS") == set() and nuke_terminal.left(host) == []


def test_when_the_console_lacks_a_character_then_the_table_is_printed_all_the_same(folder, monkeypatch):
    printed = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with loaded(gui=False) as (host, module):
        monkeypatch.setattr(host.module, "scriptName", raising(OSError("Jörg")))
        monkeypatch.setattr(sys, "stdout", printed)

        assert module.main([str(folder / "out.json")]) == 1

    printed.seek(0)
    assert "OSError: J\\xf6rg" in printed.read()


def test_when_the_plugin_is_installed_then_it_is_asked_too(folder):
    done = terminal(folder / "out.json", plugin=True)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    found = answers(folder / "out.json")
    assert {one["status"] for name, one in found.items() if name.startswith("plugin-")} <= {"ok", "noted"}
    assert list((folder / "temporary").iterdir()) == []


def test_when_it_was_run_then_the_file_tells_of_the_host(folder):
    terminal(folder / "out.json", edition="nc")

    told = json.loads((folder / "out.json").read_text())
    assert (told["host"], told["edition"], told["mode"]) == ("nuke 16.0v1", "nc", "terminal")
    assert told["python"].startswith("3.") and told["platform"] and told["verdict"].endswith("none differs.")
    one = answers(folder / "out.json")["alpha-is-written-as-a"]
    assert (one["section"], one["expected"], one["seen"]) == ("2.9", ["A"], ["A"])


def test_when_a_file_is_there_then_it_is_kept(folder):
    (folder / "out.json").write_text("mine")

    done = terminal(folder / "out.json")

    assert (folder / "out.json").read_text() == "mine"
    assert answers(folder / "out-2.json") and "out-2.json" in done.stdout


def test_when_no_file_is_named_then_it_is_in_the_home_folder(folder):
    terminal()

    assert answers(folder / "matted-selftest-16.0v1-full-terminal.json")


def test_when_the_file_cannot_be_written_then_the_table_is_there_all_the_same(folder):
    done = terminal(folder / "missing" / "out.json")

    assert done.returncode == 0 and "could not be written" in done.stdout and "alpha-is-written-as-a" in done.stdout


def test_when_python_runs_it_without_nuke_then_it_says_how_to(folder):
    done = subprocess.run([sys.executable, SELFTEST], capture_output=True, text=True, timeout=60)

    assert done.returncode == 1 and "nuke -t selftest.py" in done.stderr and "Traceback" not in done.stderr


def test_when_the_script_has_unsaved_changes_then_it_is_not_touched(folder, capsys):
    with loaded(gui=False) as (host, module):
        host.artist.node("Constant", "Mine")
        host.is_modified = True

        assert module.main([str(folder / "out.json")]) == 1

        assert host.artist.nodes() == ["Mine"] and host.is_modified
    assert "unsaved changes" in capsys.readouterr().out and not (folder / "out.json").exists()


def test_when_an_empty_script_counts_as_modified_then_it_is_used(folder):
    with loaded(gui=False) as (host, module):
        host.is_modified = True

        assert module.main([str(folder / "out.json")]) == 0


def test_when_the_artist_is_at_work_then_nothing_of_theirs_changes(folder):
    with loaded() as (host, module):
        host.artist.node("Constant", "Mine")
        host.artist.node("NoOp", "Below")
        host.artist.connect("Below", 0, "Mine")
        host.artist.select(["Mine"])
        for name, value in {"first_frame": 1001, "last_frame": 1100, "frame": 1042, "fps": 25}.items():
            host.artist.set("root", name, value)
        host.is_modified = False
        host.undo_steps.clear()
        text = host.text()

        results = module.run()

        assert with_status(results, "DIFFERS") == set()
        assert host.text() == text and host.module.selectedNode().name() == "Mine"
        assert nuke_terminal.left(host) == ["the node Mine", "the node Below"]
        assert host.undo_steps == [] and host.menus["Nuke"].items() == []
        skipped = {one.probe.id: one.seen for one in results if one.status == "skipped"}
        assert "new, empty script" in skipped["undo-group-is-one-step"]
    assert list((folder / "temporary").iterdir()) == []


def test_when_the_gui_has_a_new_script_then_undo_is_asked_too(folder):
    with loaded() as (host, module):
        results = module.run()

        assert {"undo-group-is-one-step", "disabled-undo-makes-no-step", "pasting-is-one-step"} <= with_status(
            results, "ok"
        )
        assert with_status(results, "DIFFERS") == set() and nuke_terminal.left(host) == []


def test_when_the_gui_shows_few_nodes_then_it_names_the_terminal(folder):
    with loaded(edition="nc") as (host, module):
        results = module.run()

        skipped = {one.probe.id: one.seen for one in results if one.status == "skipped"}
        assert "nuke --nc -t selftest.py" in skipped["copy-takes-from-input-one"]
        assert with_status(results, "DIFFERS") == set() and host.handles <= 2


def test_when_a_probe_needs_nodes_then_a_limited_edition_has_enough_of_them(folder, monkeypatch):
    most = []
    with loaded(edition="nc", gui=False) as (host, module):
        clear = host.clear
        monkeypatch.setattr(host, "clear", lambda: (most.append(host.handles), clear()))

        module.run()

    assert max(most) <= 8


# Hosts that behave otherwise


def same(*_):
    return 1


def other_defaults(host, monkeypatch):
    monkeypatch.setitem(CLASSES["Write"], "channels", ["ChannelMask_Knob", "rgba"])


def no_reload(host, monkeypatch):
    monkeypatch.setattr(host, "reload", lambda node: None)


def equal_hashes(host, monkeypatch):
    monkeypatch.setattr(host, "hash_of", same)


def paste_gives_nothing(host, monkeypatch):
    paste = host.module.nodePaste
    monkeypatch.setattr(host.module, "nodePaste", lambda path: paste(path) and None)


def no_on_create(host, monkeypatch):
    monkeypatch.setattr(host, "created", lambda node: None)


def inputs_the_other_way(host, monkeypatch):
    copy = Renderer._copy

    def swapped(self, node, frame, view):
        inputs = node.inputs
        node.inputs = inputs[::-1]
        try:
            return copy(self, node, frame, view)
        finally:
            node.inputs = inputs

    monkeypatch.setattr(Renderer, "_copy", swapped)


def renders_what_is_disabled(host, monkeypatch):
    render = host._render

    def enabled(node, *more):
        knob = node.knob("disable")
        before, knob.value = knob.value, [0.0]
        try:
            render(node, *more)
        finally:
            knob.value = before

    monkeypatch.setattr(host, "_render", enabled)


def invisible_shows(host, monkeypatch):
    monkeypatch.setattr(Knob, "visible", lambda self: True)


def no_views(host, monkeypatch):
    monkeypatch.setattr(host.module, "views", raising(TypeError("views() takes no such thing")))


def nothing_can_be_cleared(host, monkeypatch):
    monkeypatch.setattr(host.module, "scriptClear", raising(RuntimeError("The script cannot be cleared.")))


@pytest.mark.parametrize(
    ("otherwise", "differs"),
    [
        (other_defaults, "write-has-the-defaults"),
        (no_reload, "reload-shows-the-new-file"),
        (equal_hashes, "op-hashes-change-with-what-is-above"),
        (paste_gives_nothing, "paste-returns-the-group"),
        (no_on_create, "on-create-runs-on-paste"),
        (inputs_the_other_way, "copy-takes-from-input-one"),
        (renders_what_is_disabled, "disabled-write-writes-nothing"),
        (invisible_shows, "invisible-flag-hides"),
        (no_views, "views-are-texts"),
        (nothing_can_be_cleared, "raw-writes-the-numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_when_nuke_behaves_otherwise_then_the_probe_differs_and_the_run_goes_on(folder, capsys, otherwise, differs):
    with loaded(gui=False) as (host, module):
        with pytest.MonkeyPatch.context() as patches:
            otherwise(host, patches)

            assert module.main([str(folder / "out.json")]) == 1

        host.refused.clear()
    told = capsys.readouterr().out
    assert answers(folder / "out.json")[differs]["status"] == "DIFFERS"
    assert re.search(rf"^DIFFERS {differs} ", told, re.MULTILINE) and re.search(rf"these differ: .*{differs}", told)
    assert len(answers(folder / "out.json")) == len(module.PROBES)
    assert list((folder / "temporary").iterdir()) == []


def test_when_an_error_has_another_class_then_it_is_seen(folder, monkeypatch):
    with loaded(gui=False) as (host, module):
        monkeypatch.setattr(host.module, "scriptName", raising(OSError("no name")))

        differs = with_status(module.run(), "DIFFERS")

    assert differs == {"unsaved-script-has-no-name"}


def test_when_it_is_told_to_take_risks_then_it_does(folder):
    with loaded(gui=False) as (host, module):
        host.module.__dict__["cancel"] = lambda: host.cancel_render_at(2)

        found = {one.probe.id: one for one in module.run(is_risky=True)}

    assert found["cancelled-render-says-so"].status == "ok"
    assert found["knob-set-from-a-thread"].status == "noted"
    assert found["knob-set-from-a-thread"].seen.startswith("RuntimeError")


# The page


def test_when_a_probe_changes_then_the_readme_tells_of_it():
    page = (ROOT / "plugins" / "nuke" / "README.md").read_text(encoding="utf-8")
    table = page.split("<!-- facts -->\n")[1].split("\n<!-- /facts -->")[0]

    with loaded(gui=False) as (_, module):
        assert table == module.facts(), "python tests/fakes/nuke_terminal.py 16.0 full plugins/nuke/selftest.py --facts"


def test_when_a_fact_names_a_source_then_the_readme_says_what_it_is():
    page = (ROOT / "plugins" / "nuke" / "README.md").read_text(encoding="utf-8")
    with loaded(gui=False) as (_, module):
        sources = {part for one in module.PROBES for part in re.findall(r"\b[A-Z][A-Z0-9]{1,2}N?\b", one.source)}

    assert {source for source in sources if f"| {source} |" not in page} == set()


# Another Python


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_when_nuke_brings_python_3_9_then_the_self_test_runs_on_it(folder):
    found = sorted(INSTALLED.glob("3.9.*/bin/python"))
    if not found:
        pytest.skip(f"there is no Python 3.9 in {INSTALLED}")
    subprocess.run([found[-1], "-m", "venv", folder / "python"], check=True, capture_output=True, timeout=120)
    python = folder / "python" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--only-binary", ":all:", "numpy", "OpenImageIO"]
    pip = subprocess.run(install, capture_output=True, text=True, timeout=300)
    if pip.returncode:
        pytest.skip(f"pip cannot install what the stand-in Nuke needs: {pip.stderr.strip().splitlines()[-1]}")

    done = terminal(folder / "out.json", python=python, version="14.1")

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert json.loads((folder / "out.json").read_text())["python"].startswith("3.9.")
