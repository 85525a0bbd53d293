"""pyzmq and msgpack in a host's Python: its own, ours, or ours beside a worse one; and never ours instead of its own."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from fakes import whole_shot
from fakes.daemon import FakeDaemon
from fakes.wheel_folder import copy_source
from matted_installer import nuke as installer
from matted_installer import wheels

ROOT = Path(__file__).resolve().parents[3]
INSTALLED = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
CONNECT = """
import json, sys, types, warnings
vendor_folder, file, host_has, whole_shot, folder = sys.argv[1:6]
if host_has == "stranger":  # as Nuke's own may be: another module of that name, already imported
    for name in ("zmq", "zmq.eventloop"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["zmq"].__path__ = []
    sys.modules["msgpack"] = types.ModuleType("msgpack")
elif host_has == "old":  # an older pyzmq, at work
    sys.path.append(sys.argv[6])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import zmq as theirs
    context = theirs.Context()
    left, right = context.socket(theirs.PAIR), context.socket(theirs.PAIR)
    left.bind("inproc://theirs")
    right.connect("inproc://theirs")

def ours(name):
    return name.partition(".")[0] in ("zmq", "msgpack")

before = {name: module for name, module in sys.modules.items() if ours(name)}
path = list(sys.path)

from pathlib import Path
from matted_nuke import vendor
vendor.use(Path(vendor_folder))
vendor.use(Path(vendor_folder))
from matted_protocol import dealer

if before:
    assert sys.path == path
    assert {name: module for name, module in sys.modules.items() if ours(name)} == before
else:
    assert sys.path[:-1] == path
told = {"zmq": dealer.zmq.__file__, "curve": dealer.zmq.has("curve"), "is_theirs": dealer.zmq is sys.modules["zmq"]}

sys.path.insert(0, str(Path(whole_shot).parent))
import whole_shot
whole_shot.main(file, "/plates/a.####.exr", "/masks/hero.1001.png", folder)
if host_has == "old":
    left.send(b"still here", copy=False)
    told["theirs"] = right.recv().decode()
    left.close(0), right.close(0), context.term()
if before:
    assert {name: module for name, module in sys.modules.items() if ours(name) and name in before} == before
print(json.dumps(told))
"""


@pytest.fixture
def daemon(tmp_path):
    with FakeDaemon(tmp_path / "daemon.json") as made:
        yield made


def connect(python, code_folders, vendor_folder, daemon, host_has, *more, script=CONNECT):
    """Run a client on an interpreter that has nothing installed; returns what it tells."""
    given = [vendor_folder, daemon.file, host_has, whole_shot.__file__, daemon.file.parent / "mattes", *more]
    command = [python, "-S", "-W", "error", "-c", script, *given]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, code_folders))}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines[0] if len(lines) == 1 else {key: value for line in lines for key, value in line.items()}


HERE = (ROOT / "plugins" / "nuke", ROOT / "protocol")


@pytest.fixture(scope="session")
def vendor_folder(tmp_path_factory):
    """The pyzmq and msgpack of this environment, laid out as the installer does."""
    from matted_nuke import vendor

    folder = tmp_path_factory.mktemp("vendor")
    for name in ("pyzmq", "msgpack"):
        found = distribution(name)
        for file in found.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = folder / vendor.tag() / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(found.locate_file(file), target)
    return folder


@pytest.mark.parametrize("host_has", ["absent", "stranger"])
def test_when_ours_is_needed_then_the_client_works_and_the_host_keeps_what_it_has(vendor_folder, daemon, host_has):
    told = connect(sys.executable, HERE, vendor_folder, daemon, host_has)

    assert told["zmq"].startswith(str(vendor_folder))
    assert told["curve"]
    assert told["is_theirs"] is (host_has == "absent")
    assert (told["instance"], told["refused"]) == (daemon.instance, "shot_missing")


@pytest.mark.parametrize("is_imported", [True, False], ids=["imported", "importable"])
def test_when_the_hosts_is_good_enough_then_it_is_used_and_ours_is_not_touched(is_imported, tmp_path):
    code = (
        f"{'import zmq, msgpack' if is_imported else ''}\n"
        "import sys; from pathlib import Path; from matted_nuke import vendor; path = list(sys.path)\n"
        "vendor.use(Path(sys.argv[1])); assert sys.path == path\n"
        "from matted_protocol import dealer; assert dealer.zmq is sys.modules['zmq']\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins" / "nuke")}

    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "nothing"], capture_output=True, text=True, env=environment, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")


UNUSABLE = """
import json, sys
from pathlib import Path
from matted_nuke import vendor
from matted_protocol.errors import DaemonError
modules, path = set(sys.modules), list(sys.path)
if sys.argv[3] == "stranger":
    sys.modules["zmq"] = theirs = type(sys)("zmq")
told = []
for attempt in range(2):
    try:
        vendor.use(Path(sys.argv[1]))
    except ImportError as error:
        assert isinstance(error, DaemonError)
        told.append([error.code, error.message, error.hint, error.path])
if sys.argv[3] == "stranger":
    assert sys.modules["zmq"] is theirs
    assert sys.path == path
print(json.dumps(told))
"""


@pytest.mark.parametrize("host_has", ["absent", "stranger"])
def test_when_nothing_fits_this_python_then_it_says_what_is_there_and_how_to_add_it(tmp_path, daemon, host_has):
    from matted_nuke import vendor

    (tmp_path / "vendor" / "cp27-amiga").mkdir(parents=True)

    first, second = connect(sys.executable, HERE, tmp_path / "vendor", daemon, host_has, script=UNUSABLE)

    assert first == second
    code, message, hint, path = first
    assert (code, path) == ("wire_missing", str(tmp_path / "vendor"))
    assert vendor.tag() in message
    assert "cp27-amiga" in message
    assert "python install.py nuke" in hint


@pytest.mark.parametrize("host_has", ["absent", "stranger"])
def test_when_ours_is_damaged_then_it_says_which_folder(vendor_folder, tmp_path, daemon, host_has):
    from matted_nuke import vendor

    shutil.copytree(vendor_folder, tmp_path / "vendor")
    (tmp_path / "vendor" / vendor.tag() / "zmq" / "backend" / "__init__.py").write_text("raise OSError('a bad disk')")

    told = connect(sys.executable, HERE, tmp_path / "vendor", daemon, host_has, script=UNUSABLE)

    for code, message, hint, path in told:
        assert (code, path) == ("wire_broken", str(tmp_path / "vendor" / vendor.tag()))
        assert "a bad disk" in message
        assert "python install.py nuke" in hint


def test_when_the_tag_is_asked_then_it_is_the_installers():
    from matted_nuke import vendor

    platform = vendor.tag().split("-", 1)[1]
    assert vendor.tag() == wheels.Target(sys.version_info[:2], platform).tag
    assert platform in installer.platforms_here()


# The Pythons of Nuke 14, 15 and 16, with the wheels that pip brings


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The plugin, installed as an artist does it."""
    top = tmp_path_factory.mktemp("installed")
    source = copy_source(top / "source")
    command = [sys.executable, source / "install.py", "nuke", "--nuke-dir", top / ".nuke"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"pip cannot fetch the wheels here: {done.stderr}")
    return top / ".nuke" / "matted"


@pytest.fixture(scope="session")
def old_pyzmq(tmp_path_factory):
    """An older pyzmq that a host may ship, for one Python."""
    folders = {}

    def get(version):
        if version not in folders:
            folder = tmp_path_factory.mktemp("old")
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
            command += ["--python-version", version, "--dest", str(folder)]
            command += ["--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64"]
            done = subprocess.run([*command, "pyzmq==24.0.1"], capture_output=True, text=True, timeout=300)
            if done.returncode:
                pytest.skip(f"pip cannot fetch an old pyzmq here: {done.stderr.strip()}")
            shutil.unpack_archive(next(folder.glob("*.whl")), folder, "zip")
            folders[version] = folder
        return folders[version]

    return get


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the wheels of another system")
@pytest.mark.parametrize("host_has", ["absent", "stranger", "old"])
@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11"])
def test_when_installed_for_a_nuke_then_its_python_reaches_the_daemon(installed, old_pyzmq, daemon, version, host_has):
    python = next(iter(sorted(INSTALLED.glob(f"{version}.*/bin/python"))), None)
    if python is None:
        pytest.skip(f"there is no Python {version} in {INSTALLED}")
    more = [old_pyzmq(version)] if host_has == "old" else []

    told = connect(python, [installed / "python"], installed / "vendor", daemon, host_has, *more)

    assert told["zmq"].startswith(str(installed / "vendor" / f"cp{version.replace('.', '')}-linux"))
    assert told["curve"]
    assert (told["instance"], told["refused"]) == (daemon.instance, "shot_missing")
    assert told.get("theirs", "still here") == "still here"
