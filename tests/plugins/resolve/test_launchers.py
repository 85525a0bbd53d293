"""What Resolve's menu lists: the script of every page and of the Fusion page, and the Lua script of the free edition."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from lupa.luajit21 import LuaRuntime

from fakes.wheel_folder import ROOT, copy_source
from matted_installer import resolve

PYTHONS = sorted(Path("~/.pyenv/versions").expanduser().glob("*/bin/python"))
NEW = [python for python in PYTHONS if re.match(r"3\.(9|1\d)\.", python.parents[1].name)]
OLD = [python for python in PYTHONS if python not in NEW]

RECORDING = """
import json, os, sys

def main(resolve, fusion, bmd):
    print(json.dumps([resolve, fusion, type(bmd).__name__, os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]))
"""

MENU = """
import io, sys
class Bmd:
    def scriptapp(self, name):
        return GIVES
given = {"__name__": "__main__"}
given.update(GIVEN)
exec(compile(io.open(sys.argv[1], encoding="ascii").read(), FILE, "exec"), given)
"""
"""Runs a script as Resolve's menu does: what it gives are globals, and ``__file__`` may not be among them."""


@pytest.fixture(scope="session")
def scripts(tmp_path_factory):
    """An installation below a folder with spaces and letters of all kinds, whose script tells what it was given."""
    source = copy_source(tmp_path_factory.mktemp("source"))
    module = source / "plugins" / "resolve" / "matted_resolve" / "script.py"
    module.write_text(RECORDING)
    made = tmp_path_factory.mktemp("home") / 'Joé O\'Brien \\ "x" 日本' / "Scripts"
    resolve.install(source, made, python="", daemon=[], say=lambda text: None)
    return made


def run(script, *, python=sys.executable, given="{}", gives="None", file="sys.argv[1]", data=None):
    """What a script prints when Resolve's menu runs it."""
    code = MENU.replace("GIVEN", given).replace("GIVES", gives).replace("FILE", file)
    folder = str(data or script.parent)
    variables = {**os.environ, "XDG_DATA_HOME": folder, "LOCALAPPDATA": folder, "PYTHONIOENCODING": "utf-8"}
    command = [str(python), "-c", code, str(script)]
    done = subprocess.run(command, capture_output=True, timeout=60, env=variables)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode() + done.stderr.decode()


EVERYTHING = "{'resolve': 'R', 'fusion': 'F', 'bmd': Bmd()}"


@pytest.mark.parametrize("place", ["Utility", "Comp"])
def test_when_the_menu_runs_it_then_matted_gets_what_resolve_gives(scripts, place):
    said = run(scripts / place / "Matted.py", given=EVERYTHING)

    assert ast.literal_eval(said) == ["R", "F", "Bmd", str(scripts / "matted" / "python")]


@pytest.mark.parametrize(
    ("given", "gives", "wanted"),
    [
        ("{'resolve': 'R', 'fu': 'F', 'bmd': Bmd()}", "None", ["R", "F", "Bmd"]),
        ("{'resolve': 'R', 'app': 'A'}", "None", ["R", "A", "NoneType"]),
        ("{'resolve': None, 'fusion': 'F', 'bmd': Bmd()}", "'S'", ["S", "F", "Bmd"]),
        ("{'bmd': Bmd()}", "'S'", ["S", None, "Bmd"]),
    ],
    ids=["fu", "app", "none", "bmd"],
)
def test_when_some_of_it_is_missing_then_the_rest_is_enough(scripts, given, gives, wanted):
    said = run(scripts / "Utility" / "Matted.py", given=given, gives=gives)

    assert ast.literal_eval(said.replace("null", "None"))[:3] == wanted


def test_when_resolve_gives_names_as_builtins_then_they_are_found(scripts):
    given = "{'__builtins__': dict(vars(__import__('builtins')))}"
    code = f"__import__('builtins').resolve = 'R'\n{MENU}"
    done = subprocess.run(
        [sys.executable, "-c", code.replace("GIVEN", given).replace("GIVES", "None").replace("FILE", "'x'"),
         str(scripts / "Utility" / "Matted.py")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert ast.literal_eval(done.stdout.replace("null", "None"))[0] == "R", done.stderr


@pytest.mark.parametrize("gives", ["None", "Nothing"])
def test_when_resolve_does_not_answer_then_a_sentence_says_where_to_start_it(scripts, gives):
    given = "{'bmd': Bmd()}" if gives == "None" else "{}"

    said = run(scripts / "Utility" / "Matted.py", given=given)

    assert "Resolve does not answer this script" in said
    assert "Workspace > Scripts > Matted" in said
    assert "Traceback" not in said


def test_when_the_home_was_moved_then_it_finds_its_code_beside_it(scripts, tmp_path):
    moved = tmp_path / "moved" / "Scripts"
    script = moved / "Utility" / "Matted.py"
    script.parent.mkdir(parents=True)
    text = (scripts / "Utility" / "Matted.py").read_text("ascii")
    script.write_text(re.sub(r"(?m)^PACKAGES = .*$", "PACKAGES = '/gone/python'", text))
    (moved / "matted").symlink_to(scripts / "matted")

    for file in ("sys.argv[1]", "None or sys.argv[1]"):
        assert ast.literal_eval(run(script, given=EVERYTHING, file=file))[:2] == ["R", "F"]


def test_when_its_code_is_gone_then_it_says_where_it_was_and_what_to_do(scripts, tmp_path):
    script = tmp_path / "Matted.py"
    script.write_text((ROOT / "plugins" / "resolve" / "Matted.py").read_text("ascii"))

    said = run(script, given=EVERYTHING)

    assert "its code is not in" in said
    assert "python install.py resolve" in said


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise ValueError('no such thing')", ["ValueError: no such thing", "python install.py resolve"]),
        (
            "e = OSError(); e.message = 'The clip is gone.'; e.hint = 'Select one.'; raise e",
            ["clip is gone", "Select one"],
        ),
    ],
    ids=["anything", "ours"],
)
def test_when_it_fails_then_the_reason_is_told_and_the_story_is_in_a_log(tmp_path, code, told):
    package = tmp_path / "matted" / "python" / "matted_resolve"
    package.mkdir(parents=True)
    protocol = package.with_name("matted_protocol")
    protocol.mkdir()
    (protocol / "__init__.py").write_text("raise ImportError('half of it is gone')")
    (package / "script.py").write_text(code)
    script = tmp_path / "Utility" / "Matted.py"
    script.parent.mkdir()
    script.write_text((ROOT / "plugins" / "resolve" / "Matted.py").read_text("ascii"))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    variables = f"import os, tempfile; tempfile.tempdir = {str(temporary)!r}\n"
    (package / "__init__.py").write_text(variables)

    said = run(script, given=EVERYTHING)

    assert all(words in said for words in told)
    assert "Traceback" not in said
    log = Path(re.search(r"The details are in (.*\.log)", said)[1])
    assert log.parent == temporary  # nobody could say where the data folder is
    assert "Traceback" in log.read_text("utf-8")


def test_when_it_fails_then_the_log_is_in_the_data_folder_with_the_scripts_own(scripts, tmp_path):
    package = scripts / "matted" / "python" / "matted_resolve"
    genuine = (package / "script.py").read_text()
    try:
        (package / "script.py").write_text("def main(*given):\n    raise RuntimeError('broken')\n")
        said = run(scripts / "Utility" / "Matted.py", given=EVERYTHING, data=tmp_path)
    finally:
        (package / "script.py").write_text(genuine)

    log = Path(re.search(r"The details are in (.*\.log)", said)[1])
    assert log.parts[-3:] == ("plugins", "resolve", "script.log")
    assert "RuntimeError: broken" in log.read_text("utf-8")


# Every Python


@pytest.mark.parametrize("python", NEW, ids=lambda python: python.parents[1].name)
def test_when_the_python_is_new_enough_then_matted_starts(scripts, python):
    said = run(scripts / "Utility" / "Matted.py", python=python, given=EVERYTHING)

    assert ast.literal_eval(said)[:2] == ["R", "F"]


@pytest.mark.parametrize("python", OLD, ids=lambda python: python.parents[1].name)
def test_when_the_python_is_too_old_then_it_says_so_and_what_to_set(scripts, python):
    said = run(scripts / "Utility" / "Matted.py", python=python, given=EVERYTHING)

    assert "needs Python 3.9 or newer" in said
    assert python.parents[1].name in said
    assert "PYTHON3HOME" in said
    assert "Traceback" not in said


def test_when_any_python_3_reads_it_then_it_parses():
    source = (ROOT / "plugins" / "resolve" / "Matted.py").read_text("ascii")

    for minor in range(4, 14):
        ast.parse(source, feature_version=(3, minor))


# The free edition


def lua_says(script, *, product="DaVinci Resolve", version="21.1.0.9", page="edit", setup=""):
    """What the Lua script prints, and what it had opened; Resolve runs LuaJIT."""
    lua = LuaRuntime(unpack_returned_tuples=True, encoding="utf-8")
    lines = []
    lua.globals().print = lambda *words: lines.append("\t".join(map(str, words)))
    lua.execute(
        f"""
        opened = {{}}
        bmd = {{ openfileexternal = function(how, what) table.insert(opened, what) end }}
        local answers = {{ GetProductName = {resolve.lua_text(product)}, GetVersionString = {resolve.lua_text(version)},
                           GetCurrentPage = {resolve.lua_text(page)} }}
        resolve = setmetatable({{}}, {{ __index = function(_, name)
            if answers[name] == nil then error("asked for " .. name) end
            return function() return answers[name] end
        end }})
        {setup}
        """
    )
    lua.execute(script.read_text("ascii"))
    return "\n".join(lines), list(lua.globals().opened.values())


@pytest.fixture(scope="session")
def free_script(scripts):
    return scripts / "Utility" / resolve.FREE_SCRIPT


@pytest.mark.parametrize("version", ["19.1.4.11", "20.3.2.9", "21.0.3.7", "21.1.0.9"])
def test_when_the_edition_is_free_then_the_steps_are_printed_and_their_page_opened(scripts, free_script, version):
    said, opened = lua_says(free_script, version=version)

    steps = resolve.free_steps((ROOT / "plugins" / "resolve" / "README.md").read_text("utf-8"))
    assert said.startswith(f"Matted in DaVinci Resolve {version}, page: edit")
    assert steps in said
    assert opened == [str(scripts / "matted" / "free-edition.html")]
    assert Path(opened[0]).is_file()
    assert opened[0] in said


def test_when_the_edition_is_studio_then_it_points_to_matted_and_opens_nothing(free_script):
    said, opened = lua_says(free_script, product="DaVinci Resolve Studio", page="color")

    assert "Workspace > Scripts > Matted" in said
    assert "page: color" in said
    assert "watch folder" not in said
    assert opened == []


@pytest.mark.parametrize(
    "setup",
    [
        "resolve = nil",
        "bmd = nil",
        "bmd.openfileexternal = function() error('no') end",
        "resolve = setmetatable({}, { __index = function() return nil end })",
        "resolve = nil; bmd = nil; app = nil",
    ],
    ids=["no-resolve", "no-bmd", "cannot-open", "no-methods", "nothing"],
)
def test_when_resolve_answers_less_then_the_steps_still_come(free_script, setup):
    said, _ = lua_says(free_script, setup=setup)

    assert "matted folder DIR" in said


@pytest.mark.parametrize(
    "setup",
    [
        "local it = resolve; resolve = nil; Resolve = function() return it end",
        "local it = resolve; resolve = nil; bmd.scriptapp = function() return it end",
        "local it = resolve; resolve = nil; app = { GetResolve = function() return it end }",
    ],
    ids=["Resolve()", "scriptapp", "app"],
)
def test_when_resolve_is_not_given_then_it_is_asked_for(free_script, setup):
    said, _ = lua_says(free_script, setup=setup, version="20.0.1")

    assert "DaVinci Resolve 20.0.1" in said


def test_when_it_was_not_installed_then_it_says_how():
    said, opened = lua_says(ROOT / "plugins" / "resolve" / "Matted.lua")

    assert "python install.py resolve" in said
    assert opened == []


@pytest.mark.parametrize("text", ["", 'a "b" \\ c\nd\te', "Joé 日本 \\065", "1\x001", "%s [[x]] ]==]", "\r\n9"])
def test_when_a_text_is_written_for_lua_then_lua_reads_it_back(text):
    assert LuaRuntime(encoding="utf-8").eval(resolve.lua_text(text)) == text
