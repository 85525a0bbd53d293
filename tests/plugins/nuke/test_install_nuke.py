"""Into Nuke, again, to a newer version, and out: a person's files are never lost, and nothing of ours stays behind."""

import hashlib
import json
import os
import shlex
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.wheel_folder import TAGS, copy_source, make_wheel, make_wheels
from matted_installer import Problem, folder, nuke, wheels

INIT_FILES = {
    "none": None,
    "empty": b"",
    "unix": b"import nuke\nnuke.knobDefault('Blur.size', '20')\n",
    "windows": b"import nuke\r\nnuke.pluginAddPath('./gizmos')\r\n",
    "unfinished": b"import nuke\nprint('hello')",
    "unfinished-windows": b"import nuke\r\nprint('hello')",
    "latin-1": "# -*- coding: latin-1 -*-\n# réglages de l'été\n".encode("latin-1"),
    "bom": b"\xef\xbb\xbfimport nuke\n",
    "blank": b"\n\n",
    "old-mac": b"import nuke\rprint(1)\r",
}


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    return copy_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session")
def wheel_folder(tmp_path_factory):
    return make_wheels(tmp_path_factory.mktemp("wheels"), tuple(TAGS))


@pytest.fixture
def home(tmp_path):
    made = tmp_path / "Joé O'Brien \\ home" / ".nuke"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def install(source, wheel_folder, home):
    """Installs into the home; returns what was said."""

    def run(**changes):
        said = []
        options = {
            "nukes": [14, 15, 16, 17],
            "platforms": ["linux"],
            "command": ["/opt/matted/bin/python", "-m", "matted", "serve"],
            "fetch": refuse,
            "given": wheel_folder,
            "say": said.append,
            **changes,
        }
        nuke.install(options.pop("root", source), options.pop("home", home), **options)
        return "\n".join(said)

    return run


def refuse(arguments):
    raise AssertionError(f"the network was asked: {arguments}")


def remove(home):
    said = []
    nuke.remove(home, say=said.append)
    return "\n".join(said)


def contents(top):
    """Every file and folder, with what is in it."""
    return {
        str(path.relative_to(top)): path.read_bytes() if path.is_file() else None
        for path in sorted([top, *top.rglob("*")])
        if top.exists()
    }


def added_paths(init):
    """The folders that an init.py names to Nuke."""
    found = []
    module = SimpleNamespace(pluginAddPath=found.append, knobDefault=lambda *unused: None)
    source = init.read_bytes().replace(b"import nuke", b"pass")
    exec(compile(source, "init.py", "exec"), {"nuke": module})
    return found


# What is installed


def test_when_installed_then_nuke_finds_the_whole_plugin(install, home, source):
    said = install()

    into = home / "matted"
    assert added_paths(home / "init.py") == [into.as_posix()]
    for package in ("matted_nuke", "matted_plugin", "matted_protocol"):
        assert (into / "python" / package / "__init__.py").is_file()
    assert (into / "menu.py").read_bytes() == (source / "plugins" / "nuke" / "menu.py").read_bytes()
    assert not list(into.rglob("matted_installer"))
    assert sorted(path.name for path in (into / "vendor").iterdir()) == ["cp310-linux", "cp311-linux", "cp39-linux"]
    assert (into / "vendor" / "cp39-linux" / "zmq" / "__init__.py").is_file()
    assert len(list((into / "vendor").rglob("LICENSE"))) == 6
    assert str(into) in said
    assert "14, 15, 16, 17" in said


def test_when_installed_then_the_manifest_tells_what_is_there(install, home):
    install()

    held = json.loads((home / "matted" / "matted.json").read_text("utf-8"))
    there = {path for path in contents(home / "matted") if (home / "matted" / path).is_file()} - {"matted.json"}
    assert held["version"]
    assert held["daemon"] == ["/opt/matted/bin/python", "-m", "matted", "serve"]
    assert set(held["files"]) == {path.replace(os.sep, "/") for path in there}
    for path, digest in held["files"].items():
        assert hashlib.sha256((home / "matted" / path).read_bytes()).hexdigest() == digest


def test_when_it_is_for_another_system_then_no_command_of_this_one_is_told(install, home):
    elsewhere = "windows" if sys.platform != "win32" else "linux"
    install(platforms=[elsewhere])

    assert json.loads((home / "matted" / "matted.json").read_text("utf-8"))["daemon"] == []


def test_when_nuke_was_never_started_then_its_folder_is_made_and_removed_again(install, home):
    home.rmdir()
    before = contents(home.parent)

    install()
    remove(home)

    assert contents(home.parent) == before


# Again, and out


def test_when_installed_again_then_nothing_is_written_and_nobody_is_asked(install, home):
    install()
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}

    install(given=None)

    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


@pytest.mark.parametrize("content", INIT_FILES.values(), ids=INIT_FILES)
def test_when_removed_then_the_home_is_what_it_was(install, home, content):
    if content is not None:
        (home / "init.py").write_bytes(content)
    (home / "menu.py").write_bytes(b"print('mine')\r\n")
    before = contents(home)

    install()
    assert b"pluginAddPath" in (home / "init.py").read_bytes()
    assert (home / "init.py").read_bytes().startswith((content or b"").rstrip(b"\r\n"))
    install()
    compiled = home / "matted" / "python" / "matted_nuke" / "__pycache__" / "start.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"compiled")
    assert "no longer" in remove(home)

    assert contents(home) == before


@given(st.binary().filter(lambda content: b"matted's installer" not in content), st.booleans())
@settings(max_examples=300, deadline=None)
def test_when_the_line_goes_in_and_out_then_every_file_is_what_it_was(content, twice):
    line = b"import nuke; nuke.pluginAddPath('/x')  # matted's installer added this line"

    there = nuke.with_line(content, line)
    if twice:
        there = nuke.with_line(there, line.replace(b"/x", b"/elsewhere"))

    assert there.count(b"pluginAddPath('/") == 1 + content.count(b"pluginAddPath('/")
    assert nuke.without_line(there) == content


def test_when_the_artist_wrote_below_the_line_then_it_stays_in_its_place(install, home):
    (home / "init.py").write_bytes(b"first = 1\n")
    install()
    (home / "init.py").write_bytes((home / "init.py").read_bytes() + b"last = 2\n")

    install()
    assert (home / "init.py").read_bytes().splitlines()[2] == b"last = 2"
    remove(home)

    assert (home / "init.py").read_bytes() == b"first = 1\nlast = 2\n"


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_when_the_init_file_is_a_link_then_it_stays_one(install, home, tmp_path):
    kept = tmp_path / "dotfiles" / "init.py"
    kept.parent.mkdir()
    kept.write_bytes(b"mine = 1\n")
    kept.chmod(0o640)
    (home / "init.py").symlink_to(kept)

    install()
    assert added_paths(kept) == [(home / "matted").as_posix()]
    remove(home)

    assert (home / "init.py").is_symlink()
    assert (kept.read_bytes(), kept.stat().st_mode & 0o777) == (b"mine = 1\n", 0o640)


def test_when_it_is_not_there_then_removing_says_so(home):
    assert remove(home) == f"matted was not in {home}."


def test_when_the_folder_was_deleted_by_hand_then_removing_still_takes_the_line_away(install, home):
    (home / "init.py").write_bytes(b"mine = 1\n")
    install()
    folder.remove(home / "matted")

    remove(home)

    assert contents(home) == {".": None, "init.py": b"mine = 1\n"}


# Upgrades, and a person's own files


@pytest.fixture
def newer(source, tmp_path):
    """A later version: one module changed, one gone, one new."""
    made = copy_source(tmp_path / "newer")
    module = made / "plugins" / "nuke" / "matted_nuke"
    (module / "log.py").write_text("# better\n")
    (module / "start.py").unlink()
    (module / "fresh.py").write_text("# new\n")
    return made


def test_when_upgraded_then_it_is_as_if_the_newer_had_been_installed_alone(install, home, newer, tmp_path):
    install()
    install(root=newer)
    upgraded = contents(home / "matted")
    alone = tmp_path / "alone" / ".nuke"
    alone.mkdir(parents=True)
    install(root=newer, home=alone)

    assert upgraded == contents(alone / "matted")
    assert b"# better\n" in upgraded.values()


def test_when_fewer_versions_are_wanted_then_the_other_wheels_go(install, home):
    install()
    install(nukes=[16])

    assert [path.name for path in (home / "matted" / "vendor").iterdir()] == ["cp311-linux"]


def test_when_a_file_of_ours_was_changed_by_hand_then_it_is_kept_aside_and_told(install, home, newer):
    install()
    module = home / "matted" / "python" / "matted_nuke"
    (module / "log.py").write_text("# mine\n")
    (module / "start.py").write_text("# mine too\n")
    (module / "notes.txt").write_text("remember\n")

    said = install(root=newer)

    assert (module / "log.py").read_text() == "# better\n"
    assert (module / "log.py.yours").read_text() == "# mine\n"
    assert (module / "start.py.yours").read_text() == "# mine too\n"
    assert not (module / "start.py").exists()
    assert (module / "notes.txt").read_text() == "remember\n"
    assert str(module / "log.py.yours") in said


def test_when_it_was_changed_by_hand_twice_then_both_are_kept(install, home):
    install()
    menu = home / "matted" / "menu.py"
    for mine in ("first", "second"):
        menu.write_text(mine)
        install()

    assert [path.read_text() for path in sorted(menu.parent.glob("menu.py.yours*"))] == ["first", "second"]


def test_when_removed_then_a_persons_own_files_stay_and_are_told(install, home):
    install()
    (home / "matted" / "menu.py").write_text("mine\n")
    (home / "matted" / "python" / "extra.py").write_text("mine\n")

    said = remove(home)

    assert set(contents(home)) == {".", "matted", "matted/menu.py", "matted/python", "matted/python/extra.py"}
    assert "menu.py" in said
    assert "extra.py" in said


@pytest.mark.parametrize("files", [{"gizmo.gizmo": "theirs"}, {"matted.json": "{"}, {"matted.json": "[]"}])
def test_when_a_folder_of_that_name_is_somebody_elses_then_nothing_is_touched(install, home, files):
    (home / "matted").mkdir()
    for name, content in files.items():
        (home / "matted" / name).write_text(content)
    before = contents(home)

    for attempt in (install, lambda: remove(home)):
        with pytest.raises(Problem, match="matted") as caught:
            attempt()
        assert "Rename" in caught.value.remedy
        assert contents(home) == before


# Killed


class Killed(BaseException):
    pass


def kill_at(monkeypatch, number):
    """As kill -9 does: after so many files, in the middle of the next."""
    genuine, written = folder.write, []

    def write(path, content):
        if len(written) == number:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(path.name + ".matted-part").write_bytes(content[: len(content) // 2])
            raise Killed
        written.append(path)
        genuine(path, content)

    monkeypatch.setattr(folder, "write", write)


@pytest.mark.parametrize("number", [0, 1, 2, 7, -2, -1])
@pytest.mark.parametrize("then", ["install", "upgrade", "remove"])
def test_when_killed_at_any_file_then_the_next_command_goes_on(install, home, newer, monkeypatch, number, then):
    (home / "init.py").write_bytes(b"mine = 1\n")
    before = contents(home)
    install()
    last = len(json.loads((home / "matted" / "matted.json").read_text("utf-8"))["files"]) + 3  # manifest twice, init.py
    remove(home)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        kill_at(patched, number % last)
        install()
    if then == "remove":
        remove(home)
        assert contents(home) == before
    else:
        said = install(root=newer) if then == "upgrade" else install()
        assert "yours" not in said
        assert not list(home.rglob("*.matted-part"))
        remove(home)
        assert contents(home) == before


@pytest.mark.parametrize("number", [0, 1, 2, 3])
@pytest.mark.parametrize("back", [True, False], ids=["back", "on"])
def test_when_an_upgrade_is_killed_then_either_version_can_follow(install, home, newer, monkeypatch, number, back):
    install()
    with monkeypatch.context() as patched, pytest.raises(Killed):
        kill_at(patched, number)
        install(root=newer)

    said = install() if back else install(root=newer)

    assert "yours" not in said
    assert not list(home.rglob("*.yours*"))
    remove(home)
    assert contents(home) == {".": None}


# What cannot be done


def test_when_the_home_cannot_be_written_then_it_says_which_file_and_what_to_do(install, tmp_path):
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(Problem, match="file") as caught:
        install(home=tmp_path / "file" / ".nuke")
    assert "--nuke-dir" in caught.value.remedy


def test_when_a_wheel_is_missing_then_it_is_named_with_the_command_that_brings_it(install, tmp_path):
    wheel_folder = make_wheels(tmp_path / "few wheels", pythons=("cp310", "cp311"))
    make_wheel(wheel_folder, "pyzmq", "27.3.0", "cp39-cp39-manylinux2014_x86_64")
    make_wheel(wheel_folder, "msgpack", "1.1.2", "cp39-cp39-win_amd64")

    with pytest.raises(Problem) as caught:
        install(given=wheel_folder)
    assert str(wheel_folder) in caught.value.what
    assert "msgpack>=1.0.2,<2 for Python 3.9 on linux (cp39, manylinux2014_x86_64)" in caught.value.what
    assert "pyzmq" not in caught.value.what
    for word in ("pip download", "--python-version 3.9", "--platform manylinux2014_x86_64", f'"{wheel_folder}"'):
        assert word in caught.value.remedy


@pytest.mark.parametrize("damage", ["empty", "cut"])
def test_when_a_wheel_is_damaged_then_it_is_named(install, home, tmp_path, damage):
    wheel_folder = make_wheels(tmp_path / "wheels")
    wheel = next(wheel_folder.glob("msgpack*cp310*"))
    wheel.write_bytes(b"" if damage == "empty" else wheel.read_bytes()[:-40])

    with pytest.raises(Problem, match=wheel.name):
        install(given=wheel_folder)
    assert contents(home) == {".": None}


def test_when_a_wheel_would_write_elsewhere_then_it_is_refused(install, home, tmp_path):
    import zipfile

    wheel_folder = make_wheels(tmp_path / "wheels")
    with zipfile.ZipFile(next(wheel_folder.glob("pyzmq*cp39*")), "a") as archive:
        archive.writestr("../../menu.py", "evil")

    with pytest.raises(Problem, match="menu"):
        install(given=wheel_folder)
    assert contents(home) == {".": None}


@pytest.mark.parametrize(("words", "majors"), [(["14"], [14]), (["16.0v3", "15", "16"], [15, 16]), (["17.1"], [17])])
def test_when_versions_are_named_as_people_do_then_they_are_understood(words, majors):
    assert nuke.versions(words) == majors


@pytest.mark.parametrize(
    ("word", "why"), [("13", "3.7"), ("13.2v9", "3.7"), ("18", "not known"), ("latest", "not known")]
)
def test_when_a_version_has_no_plugin_then_the_reason_is_told(word, why):
    with pytest.raises(Problem, match=why) as caught:
        nuke.versions(["16", word])
    assert word in caught.value.what
    assert caught.value.remedy


# Which wheels


@pytest.mark.parametrize(
    ("names", "python", "platform", "chosen"),
    [
        (
            [
                "26.4.0-cp310-cp310-manylinux2014_x86_64.manylinux_2_17_x86_64",
                "27.3.0-cp310-cp310-manylinux_2_26_x86_64",
            ],
            (3, 10),
            "linux",
            "26.4.0",
        ),
        (
            ["25.1.0-cp39-cp39-manylinux_2_12_x86_64", "24.9.0-cp39-cp39-manylinux2014_x86_64"],
            (3, 9),
            "linux",
            "25.1.0",
        ),
        (
            ["26.9-cp311-cp311-win_amd64", "26.10-cp311-cp311-win_amd64", "27-cp311-cp311-win32"],
            (3, 11),
            "windows",
            "26.10",
        ),
        (
            ["27.3.0-cp310-cp310-macosx_10_15_universal2", "28-cp310-cp310-macosx_13_0_arm64"],
            (3, 10),
            "mac-arm",
            "27.3.0",
        ),
        (["27.3.0-cp310-cp310-macosx_10_15_universal2", "28-cp310-cp310-macosx_11_0_x86_64"], (3, 10), "mac", "27.3.0"),
        (["26.0-cp39-cp39-win_amd64", "27.0rc1-cp39-cp39-win_amd64"], (3, 9), "windows", "26.0"),
        (["26.0-1-cp39-cp39-win_amd64"], (3, 9), "windows", "26.0"),
    ],
    ids=["glibc", "oldest", "ordered", "arm", "intel", "candidate", "build"],
)
def test_when_several_wheels_are_there_then_the_newest_that_runs_is_taken(tmp_path, names, python, platform, chosen):
    target = wheels.Target(python, platform)
    for name in names:
        make_wheel(tmp_path, "pyzmq", *name.split("-", 1))
    make_wheel(tmp_path, "msgpack", "1.1.2", f"{target.tag.split('-')[0]}-x-{TAGS[platform].split('.')[0]}")
    make_wheel(tmp_path, "msgpack", "2.0", f"{target.tag.split('-')[0]}-x-{TAGS[platform].split('.')[0]}")

    found = wheels.choose(tmp_path, target)

    assert [wheel.name.split("-")[1] for wheel in found] == [chosen, "1.1.2"]


def test_when_nuke_14_is_on_an_arm_mac_then_it_gets_the_intel_wheels():
    tags = [target.tag for target in nuke.targets([14, 16, 17], ["mac-arm"])]

    assert tags == ["cp39-mac", "cp311-mac-arm"]


def test_when_there_is_no_wheel_folder_then_pip_brings_them_for_each_python(install, home):
    asked = []

    def fetch(arguments):
        asked.append(arguments)
        python = "cp" + arguments[arguments.index("--python-version") + 1].replace(".", "")
        make_wheels(type(home)(arguments[arguments.index("--dest") + 1]), pythons=(python,))

    install(given=None, fetch=fetch, nukes=[14, 16, 17])

    versions = [arguments[arguments.index("--python-version") + 1] for arguments in asked]
    assert versions == ["3.9", "3.11"]
    assert all("--only-binary=:all:" in arguments and "pyzmq>=25" in arguments for arguments in asked)


# The command line


@pytest.mark.parametrize(
    ("variables", "where"),
    [({"HOME": "/h"}, "/h"), ({"HOME": "", "USERPROFILE": "/u"}, "/u"), ({"HOME": "/h", "USERPROFILE": "/u"}, "/h")],
    ids=["home", "profile", "both"],
)
def test_when_the_environment_says_where_home_is_then_nukes_folder_is_there(monkeypatch, variables, where):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert nuke.nuke_folder().as_posix() == f"{where}/.nuke"


def command_line(source, *arguments, home):
    command = [sys.executable, "-S", "-E", str(source / "install.py"), "nuke", *map(str, arguments)]
    environment = {**os.environ, "HOME": str(home), "PATH": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


def test_when_typed_by_a_person_then_it_goes_in_and_out_without_pip_or_network(source, wheel_folder, home):
    before = contents(home.parent)

    first = command_line(source, "--wheels", wheel_folder, "--platform", "linux", "mac-arm", home=home.parent)
    second = command_line(source, "--wheels", wheel_folder, "--platform", "linux", "mac-arm", home=home.parent)
    there = contents(home)
    out = command_line(source, "--remove", home=home.parent)

    assert (first.returncode, first.stderr) == (0, "")
    assert (second.returncode, out.returncode) == (0, 0)
    assert any("cp310-mac-arm" in path for path in there)
    assert "python install.py" in first.stdout  # nothing here can start the daemon, and it says how
    assert contents(home.parent) == before


def test_when_it_cannot_be_done_then_the_command_line_says_what_to_do(source, wheel_folder, home):
    done = command_line(source, "--nuke", "13", "--wheels", wheel_folder, home=home.parent)

    assert done.returncode == 1
    assert "Not done: Nuke 13" in done.stderr
    assert "What to do: Use Nuke 14" in done.stderr
    assert contents(home) == {".": None}


def test_when_the_platform_is_unknown_then_it_is_wrong_usage(source, home):
    assert command_line(source, "--platform", "amiga", home=home.parent).returncode == 2


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_when_the_index_has_no_wheels_then_it_says_how_to_bring_them(source, home):
    environment = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(source)}
    command = [sys.executable, source / "install.py", "nuke", "--nuke-dir", home, "--nuke", "15"]

    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=200, env=environment)

    assert done.returncode == 1
    for word in ("pyzmq", "--python-version 3.10", "--wheels DIR", "plugins/nuke/README.md"):
        assert word in done.stderr
    assert contents(home) == {".": None}


# The page


def test_when_the_page_tells_how_to_fetch_wheels_then_it_is_what_the_installer_takes(source, tmp_path):
    page = (source / "plugins" / "nuke" / "README.md").read_text("utf-8").split("### Without a network")[1]
    page = page.split("\n### ")[0]
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| 1")
    ]
    [command] = [line for line in page.splitlines() if line.startswith("python -m pip download")]

    assert {int(row[0]): tuple(map(int, row[1].split("."))) for row in rows} == nuke.PYTHONS
    assert {row[3]: row[4] for row in rows} == {name: place.pip for name, place in wheels.PLATFORMS.items()}
    target = wheels.Target((3, 11), "windows")
    asked = wheels.download_arguments(target, type(tmp_path)("wheels"))
    assert sorted(shlex.split(command)[4:]) == sorted(asked)
