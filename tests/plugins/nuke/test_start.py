"""Nuke starts, whatever is wrong with the plugin; and what is wrong is told."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fakes.nuke import Nuke
from fakes.wheel_folder import copy_source, make_wheels
from matted_installer import nuke as installer

pytestmark = pytest.mark.slow  # each test starts programs

TESTS = Path(__file__).resolve().parents[2]
STARTED = """
import json, sys
from pathlib import Path
from fakes.nuke import Nuke

with Nuke(version=tuple(json.loads(sys.argv[2])), home=Path(sys.argv[1]), gui=sys.argv[3] == "gui") as host:
    if sys.argv[4]:
        exec(sys.argv[4])
    host.startup()
    menus = {name: [item.name() for item in host.menus[name].items()] for name in host.menus} if host.gui else {}
    for name in ("Matted: failed to load (see log)...", "Matted/Copy diagnostics"):
        item = host.menus["Nuke"].findItem(name) if host.gui else None
        if item is not None and (len(sys.argv) > 5 or "failed" in name):
            item.invoke()
    loaded = [name for name in ("zmq", "msgpack", "matted_plugin", "matted_protocol.client") if name in sys.modules]
    print(json.dumps({"broken": host.broken, "menus": menus, "messages": host.messages, "loaded": loaded,
                      "python": [path for path in sys.path if path.endswith("python")],
                      "first": sys.path[:2], "errors": host.errors_in_callbacks}))
"""
FAILED = "Matted: failed to load (see log)..."
ITEMS = [
    "Matted node",
    "Propagate",
    "Find keyframes",
    "Suggest",
    "Cancel",
    "To Roto",
    "Panel",
    "Remove leftovers",
    "Copy diagnostics",
]


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A home with the plugin in it."""
    top = tmp_path_factory.mktemp("installed")
    installer.install(
        copy_source(top / "source"),
        top / "home" / ".nuke",
        nukes=[14, 15, 16, 17],
        platforms=["linux"],
        command=[],
        fetch=lambda arguments: None,
        given=make_wheels(top / "wheels"),
        say=lambda text: None,
    )
    return top / "home"


@pytest.fixture
def home(installed, tmp_path):
    """A home of one's own, with the plugin in it."""
    made = tmp_path / "home"
    shutil.copytree(installed, made)
    init = made / ".nuke" / "init.py"
    init.write_text(init.read_text().replace(installed.as_posix(), made.as_posix()))
    return made


@pytest.fixture
def start(home, tmp_path):
    """Starts the stand-in Nuke in a process of its own; returns what came of it."""

    def run(*, version=(16, 0), gui=True, before="", press=False, data=tmp_path / "data"):
        arguments = [home, json.dumps(version), "gui" if gui else "terminal", before, *(["press"] if press else [])]
        environment = {**os.environ, "XDG_DATA_HOME": str(data), "PYTHONPATH": str(TESTS), "TMPDIR": str(tmp_path)}
        command = [sys.executable, "-c", STARTED, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
        assert done.returncode == 0, done.stderr
        return {**json.loads(done.stdout.splitlines()[-1]), "stderr": done.stderr}

    return run


def module(home, name):
    return home / ".nuke" / "matted" / "python" / "matted_nuke" / name


# Everything as it should be


def test_when_nuke_starts_then_the_menus_are_there_and_nothing_heavy_is_loaded(start):
    told = start()

    assert told["broken"] is None
    assert told["menus"]["Nuke"] == ["Matted"]
    assert told["menus"]["Nodes"] == ["Matted"]
    assert told["menus"]["Pane"] == ["Matted"]
    assert (told["loaded"], told["messages"], told["stderr"]) == ([], [], "")


def test_when_nuke_starts_without_a_window_then_the_plugin_can_be_imported_and_is_not(start, home):
    told = start(gui=False)

    assert told["broken"] is None
    assert told["python"] == [str(home / ".nuke" / "matted" / "python")]
    assert (told["menus"], told["loaded"], told["messages"], told["stderr"]) == ({}, [], [], "")


@pytest.mark.parametrize("version", [(14, 0), (15, 1), (17, 0)], ids=str)
def test_when_it_is_another_nuke_then_it_starts_too(start, version):
    assert start(version=version)["menus"]["Nuke"] == ["Matted"]


def test_when_the_plugin_is_on_the_path_then_it_shadows_nothing(start, home):
    (module(home, "x").parent.parent / "json.py").write_text("raise SystemExit('shadowed')")

    told = start()

    assert (told["broken"], told["menus"]["Nuke"]) == (None, ["Matted"])


def test_when_the_menu_is_made_then_each_item_calls_its_function_when_it_is_pressed(tmp_path, monkeypatch):
    called = []
    with Nuke(home=tmp_path) as host:
        from matted_nuke import start, vendor

        monkeypatch.setattr(vendor, "use", lambda: called.append("vendor"))
        for name in {item[1] for item in start.ITEMS if item}:
            functions = {item[2]: item[2] for item in start.ITEMS if item and item[1] == name}
            made = type(sys)(f"matted_nuke.{name}")
            for function in functions:
                setattr(made, function, lambda which=f"{name}.{function}": called.append(which))
            monkeypatch.setitem(sys.modules, f"matted_nuke.{name}", made)
        start.add_menus()
        start.add_menus()  # as when a person runs menu.py again
        menu = host.menus["Nuke"].findItem("Matted")
        assert [item.name() for item in menu.items() if item.name()][: len(ITEMS)] == ITEMS
        for label in ITEMS:
            menu.findItem(label).invoke()
        host.menus["Nodes"].findItem("Matted/Matted").invoke()

        assert [name for name in called if name != "vendor"] == [
            *("buttons.create", "buttons.propagate", "buttons.find_keyframes", "buttons.suggest", "buttons.cancel"),
            *(
                "buttons.to_roto",
                "panel.show",
                "buttons.remove_leftovers",
                "buttons.copy_diagnostics",
                "buttons.create",
            ),
        ]
        assert host.messages == []


def test_when_the_panel_is_registered_then_its_expression_needs_nothing_imported(tmp_path, monkeypatch):
    with Nuke(home=tmp_path) as host:
        from matted_nuke import start

        start.add_menus()
        made = type(sys)("matted_nuke.panel")
        made.Panel = "the widget"
        monkeypatch.setitem(sys.modules, "matted_nuke.panel", made)
        monkeypatch.setattr(sys.modules["matted_nuke"], "panel", made, raising=False)

        assert eval(host.panels["com.matted.panel"], {}) == "the widget"


# Everything that can be wrong


def break_start(home):
    module(home, "start.py").write_text("def add_menus(:\n")


def break_log_too(home):
    break_start(home)
    module(home, "log.py").write_text("import nothing_of_that_name\n")


def break_package(home):
    module(home, "__init__.py").write_text("raise SystemExit(3)\n")


def break_by_cutting(home):
    module(home, "start.py").write_text("import nuke\n")


def break_by_deleting(home):
    shutil.rmtree(module(home, "start.py").parents[1])


def break_halfway(home):
    text = module(home, "start.py").read_text()
    module(home, "start.py").write_text(text.replace('nuke.menu("Nodes")', "(1 / 0)"))


BREAKS = [break_start, break_log_too, break_package, break_by_cutting, break_by_deleting, break_halfway]


@pytest.mark.parametrize("spoil", BREAKS, ids=lambda spoil: spoil.__name__)
def test_when_the_plugin_is_broken_then_nuke_starts_with_one_item_that_tells_why(start, home, spoil, tmp_path):
    spoil(home)

    told = start()

    assert told["broken"] is None
    assert told["menus"] == {"Nuke": [FAILED], "Nodes": [], "Pane": []}
    [message] = told["messages"]  # because the item was pressed
    assert "could not be loaded" in message
    assert "python install.py nuke" in message
    logs = [path for path in tmp_path.rglob("*nuke.log") if str(path) in message]
    assert "Traceback" in logs[0].read_text()


@pytest.mark.parametrize("spoil", BREAKS, ids=lambda spoil: spoil.__name__)
def test_when_the_plugin_is_broken_then_a_render_starts_and_says_nothing(start, home, spoil):
    spoil(home)

    told = start(gui=False)

    assert (told["broken"], told["messages"], told["stderr"]) == (None, [], "")


def test_when_no_log_can_be_written_then_the_item_tells_the_reason_itself(start, home, tmp_path):
    break_start(home)
    (tmp_path / "full").write_text("a file where a folder should be")

    told = start(data=tmp_path / "full", before="import tempfile; tempfile.tempdir = sys.argv[1] + '/nowhere'")

    assert (told["broken"], told["menus"]["Nuke"]) == (None, [FAILED])
    assert "SyntaxError" in told["messages"][0]


def test_when_the_data_folder_cannot_be_written_then_the_log_is_in_the_temporary_one(start, home, tmp_path):
    break_start(home)
    (tmp_path / "full").write_text("a file where a folder should be")

    told = start(data=tmp_path / "full")

    assert str(tmp_path / "matted-nuke.log") in told["messages"][0]


def test_when_there_are_no_panels_then_the_menu_is_there_all_the_same(start, tmp_path):
    told = start(before="del sys.modules['nukescripts']; sys.modules['nukescripts'] = None")

    assert told["menus"]["Nuke"] == ["Matted"]
    assert "could not be registered" in (tmp_path / "data" / "matted" / "nuke.log").read_text()


def test_when_the_hosts_zmq_is_of_another_kind_and_ours_does_not_work_then_a_press_says_what_to_do(start, tmp_path):
    told = start(before="host.preload_zmq()", press=True)

    assert told["broken"] is None
    [message] = told["messages"]
    assert "pyzmq" in message
    assert "python install.py nuke" in message
    assert str(tmp_path / "data" / "matted" / "nuke.log") in message


@pytest.mark.parametrize("name", ["init.py", "menu.py"])
@pytest.mark.parametrize("version", ["2.7", "3.7"])
def test_when_an_older_nuke_shares_the_folder_then_its_python_can_read_what_runs_there(home, name, version):
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    python = next(iter(versions.glob(f"{version}.*/bin/python")), None)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    code = (
        "import sys, types\n"
        "class Menu:\n"
        "    def __init__(self, name): pass\n"
        "    def findItem(self, name): return None\n"
        "    def addCommand(self, name, command): command()\n"
        "module = sys.modules['nuke'] = types.ModuleType('nuke')\n"
        "module.menu, module.message = Menu, sys.stdout.write\n"
        "exec(compile(open(sys.argv[1]).read(), sys.argv[1], 'exec'), {'__file__': sys.argv[1]})\n"
        "assert not [path for path in sys.path if path.endswith('python')]\n"
    )

    done = subprocess.run(
        [python, "-c", code, home / ".nuke" / "matted" / name], capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert ("Nuke 14 and later" in done.stdout) is (name == "menu.py")


# The log


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    from matted_nuke import log

    return log


def test_when_something_is_noted_then_the_log_has_it_with_the_time(log):
    log.note("first")
    file = log.note("second \udcff")

    assert file == log.log_file()
    lines = file.read_text("utf-8").splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["first", "second \\udcff"]


def test_when_the_log_grows_then_the_older_half_is_kept_beside_it(log, monkeypatch):
    monkeypatch.setattr(log, "LARGEST", 10)
    for word in ("one", "two", "three"):
        file = log.note(word)

    assert "three" in file.read_text()
    assert "two" in file.with_name("nuke.log.1").read_text()


def test_when_the_clients_package_is_gone_then_the_log_is_in_the_temporary_folder(log, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matted_protocol.connection", None)

    assert log.note("still here") == tmp_path / "matted-nuke.log"
