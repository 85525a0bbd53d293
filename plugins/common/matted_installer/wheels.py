"""pyzmq and msgpack for a host's Python: chosen among wheels in a folder, and unpacked.

Which versions have wheels for which Python: the package index, November 2026. The Linux floor is glibc 2.17
(manylinux2014), which every supported host's system has; pyzmq 26.4 is the last with such a wheel for Python 3.10 and
3.11, so it is ranges that are asked for, and the newest that fits is taken.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from . import Problem

Version = tuple[int, ...]
OLDEST: dict[str, Version] = {"pyzmq": (25,), "msgpack": (1, 0, 2)}
"""What matted's client needs, and from which version on."""

BELOW: dict[str, Version] = {"msgpack": (2,)}


class Platform(NamedTuple):
    """Where a wheel can run: pip's name for it, the wheels' own, and the newest system a wheel may ask for."""

    pip: str
    pattern: str
    newest: Version


PLATFORMS = {
    "windows": Platform("win_amd64", r"win_amd64", ()),
    "linux": Platform("manylinux2014_x86_64", r"manylinux_(\d+)_(\d+)_x86_64|manylinux(?:1|2010|2014)_x86_64", (2, 17)),
    "mac": Platform("macosx_10_15_x86_64", r"macosx_(\d+)_(\d+)_(?:x86_64|universal2|intel)", (10, 15)),
    "mac-arm": Platform("macosx_11_0_arm64", r"macosx_(\d+)_(\d+)_(?:arm64|universal2)", (11, 0)),
}


class Target(NamedTuple):
    """A Python on a platform; its folder is named ``cp39-linux``."""

    python: tuple[int, int]
    platform: str

    @property
    def tag(self) -> str:
        """The name of its folder."""
        return f"cp{self.python[0]}{self.python[1]}-{self.platform}"

    @property
    def words(self) -> str:
        """For people."""
        return f"Python {self.python[0]}.{self.python[1]} on {self.platform}"


def download_arguments(target: Target, folder: Path) -> list[str]:
    """What ``pip download`` is told to bring a target's wheels into a folder."""
    return _asking(target, folder, [_requirement(name) for name in OLDEST])


def choose(folder: Path, target: Target) -> list[Path]:
    """The newest wheel of each package that runs there.

    Raises:
        Problem: there is none; the remedy is the command that brings it.
    """
    found = {name: _newest(folder, name, target) for name in OLDEST}
    missing = [_requirement(name) for name, wheel in found.items() if wheel is None]
    if missing:
        words = [f'"{word}"' if re.search(r"[\s<>]", word) else word for word in _asking(target, folder, missing)]
        tags = f"{target.tag.partition('-')[0]}, {PLATFORMS[target.platform].pip}"
        raise Problem(
            f"{folder} holds no wheel of {' and '.join(missing)} for {target.words} ({tags}).",
            f"On a machine with network run: python -m pip download {' '.join(words)}\n"
            "Bring what it fetched into that folder, then run the same command again.",
        )
    return [wheel for wheel in found.values() if wheel is not None]


def unpack(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a wheel, licences included, with its path in it.

    Raises:
        Problem: the wheel is damaged.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.startswith(("/", "\\")) or ".." in name.split("/"):
                    raise zipfile.BadZipFile(f"it would write to {name}")
                if not name.endswith("/"):
                    yield name, archive.read(name)
    except (zipfile.BadZipFile, EOFError) as error:
        raise Problem(
            f"The wheel {wheel} is damaged: {error}.", "Fetch it again, then run the same command."
        ) from error


def _newest(folder: Path, name: str, target: Target) -> Path | None:
    versions = {}
    for wheel in sorted(folder.glob("*.whl")):
        parts = wheel.name[: -len(".whl")].split("-")
        if len(parts) not in (5, 6) or parts[0].lower() != name or not _runs(parts[-3:], target):
            continue
        if re.fullmatch(r"\d+(\.\d+)*", parts[1]):  # no release candidates
            version = tuple(map(int, parts[1].split(".")))
            if OLDEST[name] <= version < BELOW.get(name, (10**9,)):
                versions[version] = wheel
    return versions[max(versions)] if versions else None


def _runs(tags: list[str], target: Target) -> bool:
    pythons, _, platforms = (tag.split(".") for tag in tags)
    place = PLATFORMS[target.platform]
    matches = [re.fullmatch(place.pattern, tag) for tag in platforms]
    systems = [tuple(int(number) for number in match.groups() if number) for match in matches if match]
    return f"cp{target.python[0]}{target.python[1]}" in pythons and any(system <= place.newest for system in systems)


def _requirement(name: str) -> str:
    """What pip calls it: ``msgpack>=1.0.2,<2``."""
    return f"{name}>={_dotted(OLDEST[name])}" + (f",<{_dotted(BELOW[name])}" if name in BELOW else "")


def _asking(target: Target, folder: Path, asked: list[str]) -> list[str]:
    return [
        *("--only-binary=:all:", "--no-deps", "--dest", str(folder)),
        *("--python-version", _dotted(target.python), "--platform", PLATFORMS[target.platform].pip),
        *asked,
    ]


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
