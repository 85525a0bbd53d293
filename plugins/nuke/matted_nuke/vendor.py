"""pyzmq and msgpack for matted's client, without changing what the host or another plug-in imports.

Nuke may bring a zmq of its own for its frame server, and a studio may have another on its path. Where theirs is good
enough it is used; where there is none, ours is appended to ``sys.path``; where theirs is not good enough, ours is
imported beside it, seen by matted's client alone.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import pkgutil
import platform
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from matted_protocol.errors import DaemonError

FOLDER = Path(__file__).resolve().parents[2] / "vendor"
"""Where the installer puts them: ``vendor/cp311-linux``."""

NEEDED = ("zmq", "msgpack")
_REMEDY = "In matted's folder run 'python install.py nuke', then start Nuke again; plugins/nuke/README.md says more."
_lock = threading.Lock()


class Unusable(DaemonError, ImportError):
    """There is no pyzmq or msgpack for this Python. An ImportError too: the client cannot be imported."""


def use(folder: Path | None = None, *, beside: bool = True) -> bool:
    """Make ``matted_protocol.client`` importable. Quick after the first time; call it before that import.

    Returns whether it is: always, but where ``beside`` is False.

    Args:
        folder: where the folders of the Pythons are; :data:`FOLDER` unless given.
        beside: whether ours may be imported beside a host's own; else nothing is done where that is needed.

    Raises:
        Unusable: ``wire_missing`` or ``wire_broken``.
    """
    with _lock:
        if "matted_protocol.client" in sys.modules:
            return True
        lacking = [name for name in NEEDED if not _suits(name)]
        if not lacking:
            return True
        ours = _ours(FOLDER if folder is None else folder)
        is_taken = any(name in sys.modules or importlib.util.find_spec(name) is not None for name in lacking)
        if is_taken and not beside:
            return False
        try:
            if not is_taken:
                sys.path.append(str(ours))
                importlib.invalidate_caches()
                for name in lacking:
                    importlib.import_module(name)
            else:
                _import_beside(ours, lacking)
        except Exception as error:  # whatever a damaged or misplaced binary comes up with
            message = f"pyzmq and msgpack in {ours} do not work in this Python: {type(error).__name__}: {error}."
            raise Unusable("wire_broken", message, _REMEDY, path=str(ours)) from error
        return True


def tag() -> str:
    """The name of the folder for this Python on this system, ``cp311-linux``."""
    systems = {"win32": "windows", "darwin": "mac-arm" if platform.machine() == "arm64" else "mac"}
    return f"cp{sys.version_info[0]}{sys.version_info[1]}-{systems.get(sys.platform, 'linux')}"


def _ours(folder: Path) -> Path:
    """Our folder for this Python.

    Raises:
        Unusable: ``wire_missing``.
    """
    found = folder / tag()
    if found.is_dir():
        return found
    there = ", ".join(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else ""
    message = f"There is no pyzmq and msgpack for this Python, {tag()}, in {folder}; there is {there or 'nothing'}."
    raise Unusable("wire_missing", message, _REMEDY, path=str(folder))


def _suits(name: str) -> bool:
    """Whether the host's module is there and does what matted's client needs."""
    try:
        module = importlib.import_module(name)
        if name == "msgpack":
            return tuple(module.version) >= (1, 0, 2)
        return module.pyzmq_version_info() >= (25,) and bool(module.has("curve"))
    except Exception:
        return False


def _import_beside(ours: Path, names: Sequence[str]) -> None:
    """Import ``names`` from ``ours`` and matted's client with them; what others see under these names stays."""
    import matted_protocol

    world = _World(ours, names)
    with world.here():
        for name in names:
            importlib.import_module(name)
        if "zmq" in names:
            # compiled code, which _World.importing does not reach, imports zmq.utils.garbage at the first such frame
            sys.modules["zmq"].Frame(b"", copy=False)
        for module in pkgutil.iter_modules(matted_protocol.__path__):
            importlib.import_module(f"matted_protocol.{module.name}")


class _World:
    """Packages of ours under names that are taken: they see each other under these names, and nobody else does.

    Attributes:
        ours: the folder they are in.
        names: the names of the packages.
        private: their modules, as ``sys.modules`` has the host's.
    """

    def __init__(self, ours: Path, names: Sequence[str]) -> None:
        self.ours = ours
        self.names = frozenset(names)
        self.private: dict[str, ModuleType] = {}
        self._is_here = False
        self._builtins = {**vars(builtins), "__import__": self.importing}

    @contextmanager
    def here(self) -> Iterator[None]:
        """While this lasts, ``sys.modules`` has our modules instead of the host's."""
        theirs = self._take()
        sys.modules.update(self.private)
        sys.meta_path.insert(0, self)
        self._is_here = True
        try:
            yield
        finally:
            self._is_here = False
            sys.meta_path.remove(self)
            self.private = self._take()
            sys.modules.update(theirs)

    def _take(self) -> dict[str, ModuleType]:
        return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in self.names}

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Where one of our modules is; what is written in Python gets the import of :meth:`importing`."""
        top, _, rest = name.partition(".")
        if top not in self.names:
            return None
        spec = PathFinder.find_spec(name, path if rest else [str(self.ours)], target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path, self._builtins)
        return spec

    def importing(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """``import`` in our modules, also in functions that run when the host's are in their place again."""
        package = str((globals or {}).get("__package__") or "")
        full = importlib.util.resolve_name("." * level + name, package) if level else name
        top = full.partition(".")[0]
        if top not in self.names or self._is_here:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = self.private.get(full)
        if module is not None and fromlist and all(hasattr(module, word) for word in fromlist):
            return module
        with _lock, self.here():
            return builtins.__import__(name, globals, locals, fromlist or (), level)


class _Loader(SourceFileLoader):
    """Loads a module that imports in its own way: Python looks for ``__import__`` in the module's ``__builtins__``."""

    def __init__(self, name: str, path: str, names: Mapping[str, Any]) -> None:
        super().__init__(name, path)
        self._names = names

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = self._names
        super().exec_module(module)
