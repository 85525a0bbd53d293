"""A copy of what the plugin is made of, and wheels to install it with: no network, and nothing of a checkout at work."""

import shutil
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("plugins", "protocol/matted_protocol", "backend/matted/__init__.py", "install.py", "LICENSE", "NOTICE")
TAGS = {
    "windows": "win_amd64",
    "linux": "manylinux2014_x86_64.manylinux_2_17_x86_64",
    "mac": "macosx_10_9_x86_64",
    "mac-arm": "macosx_11_0_arm64",
}


def copy_source(folder):
    """The plugin's files as they are now, in a folder of their own."""
    ignored = shutil.ignore_patterns("__pycache__")
    for part in PARTS:
        target = folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, ignore=ignored)
        else:
            shutil.copy(ROOT / part, target)
    return folder


def make_wheel(folder, name, version, tags):
    """A wheel with a package, a licence and nothing that runs."""
    folder.mkdir(parents=True, exist_ok=True)
    package = {"pyzmq": "zmq"}.get(name, name)
    path = folder / f"{name}-{version}-{tags}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{package}/__init__.py", f"version = {version!r}\n")
        archive.writestr(f"{name}-{version}.dist-info/licenses/LICENSE", "Do as you like.\n")
    return path


def make_wheels(folder, platforms=("linux",), pythons=("cp39", "cp310", "cp311")):
    """pyzmq and msgpack for these Pythons on these platforms."""
    for platform in platforms:
        for python in pythons:
            make_wheel(folder, "pyzmq", "26.4.0", f"{python}-{python}-{TAGS[platform]}")
            make_wheel(folder, "msgpack", "1.1.2", f"{python}-{python}-{TAGS[platform]}")
    return folder
