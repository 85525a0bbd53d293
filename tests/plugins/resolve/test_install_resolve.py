"""Into Resolve, again, to a newer version, and out: a person's scripts are never lost, and nothing of ours stays."""

import contextlib
import html
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.wheel_folder import ROOT, copy_source
from matted_installer import Problem, folder, resolve

SYSTEMS = ("win32", "darwin", "linux")
PYTHON = "/opt/mätted/bin/python"


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    return copy_source(tmp_path_factory.mktemp("source"))


def small_source(top, version):
    """A source of few files: the scripts as they are, the packages with next to nothing in them."""
    plugin = top / "plugins" / "resolve"
    plugin.mkdir(parents=True)
    for name in ("Matted.py", "Matted.lua", "README.md"):
        shutil.copy(ROOT / "plugins" / "resolve" / name, plugin / name)
    for package, place in resolve.PACKAGES.items():
        (top / place / package).mkdir(parents=True)
        (top / place / package / "__init__.py").write_text(f"# {version}\n")
    (plugin / "matted_resolve" / f"only{version}.py").write_text("")
    (plugin / "Matted.py").write_text((plugin / "Matted.py").read_text() + f"# {version}\n")
    (top / "backend" / "matted").mkdir(parents=True)
    (top / "backend" / "matted" / "__init__.py").write_text(f'__version__ = "{version}"\n')
    return top


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    top = tmp_path_factory.mktemp("sources")
    return {version: small_source(top / version, version) for version in ("1", "2")}


def environment(home):
    return {
        "HOME": str(home),
        "APPDATA": str(home / "AppData" / "Roaming"),
        "PROGRAMDATA": str(home / "ProgramData"),
    }


@pytest.fixture(params=SYSTEMS)
def scripts(request, tmp_path):
    """Where Resolve keeps the scripts of a person, on each system, before it was ever started."""
    home = tmp_path / "Joé O'Brien \\ home"
    home.mkdir()
    return resolve.scripts_folder(system=request.param, environment=environment(home))


def install(source, scripts, **changes):
    """Install; returns what was said."""
    said = []
    options = {"python": PYTHON, "daemon": [PYTHON, "-m", "matted", "serve"], "say": said.append, **changes}
    resolve.install(source, scripts, **options)
    return "\n".join(said)


def remove(scripts):
    said = []
    resolve.remove(scripts, say=said.append)
    return "\n".join(said)


def contents(top):
    """Every file and folder, with what is in it."""
    return {
        path.relative_to(top).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted([top, *top.rglob("*")])
        if top.exists()
    }


def manifest(scripts):
    return json.loads((scripts / "matted" / "matted.json").read_text("utf-8"))


# Where


@pytest.mark.parametrize(
    ("system", "everybody", "ending"),
    [
        ("win32", False, "h/AppData/Roaming/Blackmagic Design/DaVinci Resolve/Support/Fusion/Scripts"),
        ("darwin", False, "h/Library/Application Support/Blackmagic Design/DaVinci Resolve/Fusion/Scripts"),
        ("linux", False, "h/.local/share/DaVinciResolve/Fusion/Scripts"),
        ("win32", True, "h/ProgramData/Blackmagic Design/DaVinci Resolve/Fusion/Scripts"),
        ("darwin", True, "/Library/Application Support/Blackmagic Design/DaVinci Resolve/Fusion/Scripts"),
        ("linux", True, "/opt/resolve/Fusion/Scripts"),
    ],
)
def test_when_the_system_is_known_then_the_folder_is_the_one_resolve_lists(system, everybody, ending):
    found = resolve.scripts_folder(all_users=everybody, system=system, environment=environment(Path("h")))

    assert found.as_posix() == ending


def test_when_windows_names_no_folders_then_the_usual_ones_are_taken():
    for everybody, part in ((False, "AppData/Roaming"), (True, "C:/ProgramData")):
        found = resolve.scripts_folder(all_users=everybody, system="win32", environment={})
        assert part in found.as_posix()


# What is installed


def test_when_installed_then_the_menu_has_the_scripts_and_only_the_hidden_folder_the_rest(source, scripts):
    said = install(source, scripts)

    files = {path for path, content in contents(scripts).items() if content is not None}
    menu = {"Utility/Matted.py", "Comp/Matted.py", "Utility/Matted (free edition).lua"}
    assert {path for path in files if not path.startswith("matted/")} == menu
    assert len({Path(path).stem for path in menu if path.startswith("Utility")}) == 2  # the menu shows the names so
    for package in resolve.PACKAGES:
        assert f"matted/python/{package}/__init__.py" in files
    assert not any("installer" in path or "stubs" in path or "__pycache__" in path for path in files)
    assert {"matted/README.md", "matted/LICENSE", "matted/NOTICE", "matted/free-edition.html"} <= files
    assert str(scripts) in said
    assert "has not been started here yet" in said


def test_when_installed_then_the_manifest_tells_how_to_start_companion_and_daemon(source, scripts):
    install(source, scripts)

    held = manifest(scripts)
    assert held["version"]
    assert held["companion"] == [PYTHON, "-m", "matted_resolve.companion"]
    assert held["daemon"] == [PYTHON, "-m", "matted", "serve"]
    assert {"../Utility/Matted.py", "../Comp/Matted.py", "../Utility/Matted (free edition).lua"} <= set(held["files"])


def test_when_matted_itself_is_not_there_then_no_companion_is_told(source, scripts):
    install(source, scripts, python="", daemon=[])

    assert (manifest(scripts)["companion"], manifest(scripts)["daemon"]) == ([], [])


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ("darwin", ["PYTHON3HOME", "/usr/local/bin/python3", "launchctl setenv"]),
        ("win32", ["FUSION_PYTHON3_HOME", "python.org"]),
        ("linux", ["package manager"]),
    ],
)
def test_when_installed_then_it_says_which_python_resolve_takes_there(sources, tmp_path, system, words):
    said = install(sources["1"], tmp_path / "Scripts", system=system)

    assert all(word in said for word in [*words, "3.9", "21.1"])


def test_when_installed_then_the_page_of_the_free_edition_is_the_plugins_own(source, scripts):
    install(source, scripts)

    readme = (ROOT / "plugins" / "resolve" / "README.md").read_text("utf-8")
    page = html.unescape((scripts / "matted" / "free-edition.html").read_text("utf-8"))
    assert resolve.free_steps(readme) in page
    assert readme.isascii()


# Again, and out


def test_when_installed_again_then_nothing_is_written(source, scripts):
    install(source, scripts)
    before = {path: path.stat().st_mtime_ns for path in scripts.rglob("*")}

    said = install(source, scripts)

    assert {path: path.stat().st_mtime_ns for path in scripts.rglob("*")} == before
    assert "not been started" not in said


def test_when_resolve_was_never_there_then_removing_leaves_no_folder(source, scripts, tmp_path):
    before = contents(tmp_path)

    install(source, scripts)
    assert "no longer" in remove(scripts)

    assert contents(tmp_path) == before


def test_when_removed_then_a_persons_scripts_and_empty_folders_are_as_they_were(source, scripts):
    (scripts / "Comp").mkdir(parents=True)
    (scripts / "Utility" / "__pycache__").mkdir(parents=True)
    (scripts / "Utility" / "mine.lua").write_bytes(b"print('mine')\r\n")
    (scripts / "Utility" / "__pycache__" / "mine.pyc").write_bytes(b"compiled")
    (scripts / "mine.matted-part.txt").write_bytes(b"also mine")
    before = contents(scripts)

    install(source, scripts)
    compiled = scripts / "matted" / "python" / "matted_resolve" / "__pycache__" / "script.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"compiled")
    remove(scripts)

    assert contents(scripts) == before


def test_when_it_is_not_there_then_removing_says_so(tmp_path):
    assert remove(tmp_path / "Scripts") == f"matted was not in {tmp_path / 'Scripts'}."
    assert contents(tmp_path) == {".": None}


# Upgrades, and a person's own files


def test_when_upgraded_then_it_is_as_if_the_newer_had_been_installed_alone(sources, tmp_path):
    install(sources["1"], tmp_path / "Scripts")
    install(sources["2"], tmp_path / "Scripts")
    upgraded = contents(tmp_path / "Scripts")
    remove(tmp_path / "Scripts")
    install(sources["2"], tmp_path / "Scripts")

    assert upgraded == contents(tmp_path / "Scripts")
    assert b"# 2\n" in upgraded["Utility/Matted.py"]


def test_when_an_older_installation_noted_less_then_it_is_brought_up_to_date(sources, tmp_path):
    scripts = tmp_path / "Scripts"
    old = {"python/matted_resolve/start.py": b"# old\n", "../Utility/Matted.py": b"# old\n"}
    folder.install(scripts / "matted", old, {"version": "0.0"})

    said = install(sources["2"], scripts)

    assert "yours" not in said
    assert not (scripts / "matted" / "python" / "matted_resolve" / "start.py").exists()
    assert manifest(scripts)["version"] == "2"
    remove(scripts)
    assert not any(content is not None for content in contents(scripts).values())


def test_when_a_script_of_ours_was_changed_by_hand_then_it_is_kept_aside_and_told(sources, tmp_path):
    scripts = tmp_path / "Scripts"
    install(sources["1"], scripts)
    (scripts / "Utility" / "Matted.py").write_text("# mine\n")

    said = install(sources["2"], scripts)

    assert (scripts / "Utility" / "Matted.py.yours").read_text() == "# mine\n"
    assert b"# 2\n" in (scripts / "Utility" / "Matted.py").read_bytes()
    assert str(scripts / "Utility" / "Matted.py.yours") in said


def test_when_somebody_elses_script_has_the_name_then_it_is_kept_aside_and_stays(sources, tmp_path):
    scripts = tmp_path / "Scripts"
    (scripts / "Comp").mkdir(parents=True)
    (scripts / "Comp" / "Matted.py").write_text("# theirs\n")

    said = install(sources["1"], scripts)
    remove(scripts)

    assert str(scripts / "Comp" / "Matted.py.yours") in said
    assert contents(scripts) == {".": None, "Comp": None, "Comp/Matted.py.yours": b"# theirs\n"}


def test_when_removed_then_changed_scripts_stay_and_are_told(sources, tmp_path):
    scripts = tmp_path / "Scripts"
    install(sources["1"], scripts)
    (scripts / "Utility" / "Matted.py").write_text("# mine\n")
    (scripts / "matted" / "notes.txt").write_text("remember\n")

    said = remove(scripts)

    assert {path for path, content in contents(scripts).items() if content} == {"Utility/Matted.py", "matted/notes.txt"}
    assert str(scripts / "Utility" / "Matted.py") in said
    assert "notes.txt" in said


@pytest.mark.parametrize("name", ["notes.txt", "matted.json"])
def test_when_a_folder_of_that_name_is_somebody_elses_then_nothing_is_touched(sources, tmp_path, name):
    scripts = tmp_path / "Scripts"
    (scripts / "matted").mkdir(parents=True)
    (scripts / "matted" / name).write_text("theirs")
    before = contents(scripts)

    for attempt in (lambda: install(sources["1"], scripts), lambda: remove(scripts)):
        with pytest.raises(Problem, match="matted") as caught:
            attempt()
        assert "Rename" in caught.value.remedy
        assert contents(scripts) == before


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_when_our_folder_is_a_link_then_the_scripts_are_still_in_the_menus_folder(sources, tmp_path):
    scripts, elsewhere = tmp_path / "Scripts", tmp_path / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    scripts.mkdir()
    (scripts / "matted").symlink_to(elsewhere)

    install(sources["1"], scripts)

    assert (scripts / "Utility" / "Matted.py").is_file()
    assert (elsewhere / "matted.json").is_file()


# Killed


class Killed(BaseException):
    pass


def killing(number):
    """As kill -9 does: after so many files, in the middle of the next."""
    genuine, written = folder.write, []

    def write(path, content):
        if len(written) == number:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(path.name + ".matted-part").write_bytes(content[: len(content) // 2])
            raise Killed
        written.append(path)
        genuine(path, content)

    return write


@pytest.mark.parametrize("number", range(11))
@pytest.mark.parametrize("then", ["install", "upgrade", "remove"])
def test_when_killed_at_any_file_then_the_next_command_goes_on(sources, tmp_path, monkeypatch, number, then):
    scripts = tmp_path / "Scripts"
    (scripts / "Utility").mkdir(parents=True)
    before = contents(scripts)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(folder, "write", killing(number))
        install(sources["1"], scripts)

    if then != "remove":
        said = install(sources["2" if then == "upgrade" else "1"], scripts)
        assert "yours" not in said
        assert not list(scripts.rglob("*.matted-part"))
    remove(scripts)

    assert contents(scripts) == before


def test_when_killed_then_no_script_is_in_the_menu_before_its_code_is_there(sources, tmp_path, monkeypatch):
    scripts = tmp_path / "Scripts"
    install(sources["1"], scripts)
    files = len(manifest(scripts)["files"])
    remove(scripts)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(folder, "write", killing(1 + files - 3))  # the manifest, then all but the three scripts
        install(sources["1"], scripts)

    assert (scripts / "matted" / "python" / "matted_resolve" / "__init__.py").is_file()
    assert not (scripts / "Utility" / "Matted.py").exists()


# Anything in any order

names = st.sampled_from(
    ["Utility/mine.py", "Utility/Other/x.lua", "Comp/Matted.lua", "Deliver/d.py", "top.txt", "é ö/n"]
)
persons = st.dictionaries(names, st.binary(max_size=8), max_size=4)
steps = st.one_of(
    st.sampled_from(["install 1", "install 2", "remove"]),
    st.tuples(st.sampled_from(["1", "2"]), st.integers(0, 12)),
)


@given(persons, st.lists(steps, max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_when_it_went_in_and_out_in_any_order_then_the_folder_is_what_it_was(sources, tmp_path, files, taken):
    scripts = tmp_path / "Scripts"
    shutil.rmtree(scripts, ignore_errors=True)
    scripts.mkdir()
    for name, content in files.items():
        (scripts / name).parent.mkdir(parents=True, exist_ok=True)
        (scripts / name).write_bytes(content)
    before = contents(scripts)

    for step in taken:
        if step == "remove":
            remove(scripts)
        elif isinstance(step, str):
            assert "yours" not in install(sources[step[-1]], scripts)
        else:
            version, number = step
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(folder, "write", killing(number))
                with contextlib.suppress(Killed):
                    install(sources[version], scripts)
    remove(scripts)

    assert contents(scripts) == before


# What cannot be done, and the command line


def test_when_the_folder_cannot_be_written_then_it_says_which_and_what_to_do(sources, tmp_path):
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(Problem, match="file") as caught:
        install(sources["1"], tmp_path / "file" / "Scripts")
    assert "--resolve-dir" in caught.value.remedy


def test_when_the_source_is_incomplete_then_nothing_is_installed(sources, tmp_path):
    damaged = shutil.copytree(sources["1"], tmp_path / "damaged")
    (damaged / "plugins" / "resolve" / "Matted.py").write_text("")

    with pytest.raises(Problem, match="damaged"):
        install(damaged, tmp_path / "Scripts")
    assert not (tmp_path / "Scripts").exists()


def command_line(source, *arguments, home):
    command = [sys.executable, "-S", "-E", str(source / "install.py"), "resolve", *map(str, arguments)]
    everything = {**os.environ, **environment(home), "PATH": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=everything)


def test_when_typed_by_a_person_then_it_goes_in_and_out(source, tmp_path):
    before = contents(tmp_path)

    first = command_line(source, home=tmp_path)
    second = command_line(source, home=tmp_path)
    there = contents(tmp_path)
    out = command_line(source, "--remove", home=tmp_path)

    assert (first.returncode, first.stderr) == (0, "")
    assert (second.returncode, out.returncode) == (0, 0)
    assert any(path.endswith("Fusion/Scripts/Utility/Matted.py") for path in there)
    assert "python install.py" in first.stdout  # matted itself is not there, and it says how to get it
    assert "Workspace > Scripts > Matted" in first.stdout
    assert contents(tmp_path) == before


def test_when_a_folder_is_named_then_it_is_taken(source, tmp_path):
    done = command_line(source, "--resolve-dir", tmp_path / "Eigene Skripte", home=tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "Eigene Skripte" / "Comp" / "Matted.py").is_file()


def test_when_it_cannot_be_done_then_the_command_line_says_what_to_do(source, tmp_path):
    (tmp_path / "file").write_text("")

    done = command_line(source, "--resolve-dir", tmp_path / "file", home=tmp_path)

    assert done.returncode == 1
    assert "Not done" in done.stderr
    assert "--resolve-dir" in done.stderr


@pytest.mark.parametrize(("system", "separator"), [("win32", "\\"), ("darwin", "/"), ("linux", "/")])
def test_when_the_page_tells_of_folders_then_they_are_the_installers(system, separator):
    page = (ROOT / "plugins" / "resolve" / "README.md").read_text("utf-8")

    assert resolve.PLACES[system][1].replace("/", separator) in page
