"""The floor of the stand-in Resolve: its profile, the one gate every call passes, and what a script holds.

A script holds handles; what they stand for are plain models that the artist changes too (``fakes.resolve_artist``).
Every call on a handle is counted, recorded, checked against the stubs, and may be made to fail. As on the real one,
``hasattr`` is True for every name and an unknown one is None (measured on 19.1), so that calling it raises TypeError.
What the stubs know and nobody measured raises ``NotMeasured``; a refusal that somebody swallows is raised again when
the machine is left.

To emulate a class: subclass ``Handle``, set ``_api`` to its name in the stubs and write its methods by their real
names; they work on ``self._model`` and ``self._machine`` and never call each other. Names with a leading underscore
are ours. What rests on memory alone is a switch: ``SWITCHES`` holds its hostile default.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fakes import resolve_signatures

SWITCHES: dict[str, Any] = {}
"""Every switch with its hostile default; each module adds its own. Read them at ``machine.switches.NAME``."""

SINCE: dict[tuple[str, str], tuple[int, ...]] = {}
"""The version that brought a method; before, its name gives None as any unknown name does."""

STUDIO_ONLY = {
    ("TimelineItem", "CreateMagicMask"),
    ("TimelineItem", "RegenerateMagicMask"),
    ("TimelineItem", "Stabilize"),
    ("TimelineItem", "SmartReframe"),
    ("Timeline", "DetectSceneCuts"),
    ("Timeline", "CreateSubtitlesFromAudio"),
    ("MediaPoolItem", "TranscribeAudio"),
    ("Folder", "TranscribeAudio"),
}

CONSTANT = {"GetProductName", "GetVersion", "GetVersionString"}
"""What answers under a modal and in a wedged Resolve."""

WAYS = ("raises", "none", "false", "true")


class NotMeasured(Exception):
    """The code under test stepped where no source says what Resolve does."""


class WrongThread(Exception):
    """A second thread touched Resolve's objects."""


class WrongArguments(TypeError):
    """The number or the types of the arguments are not the documented ones."""


class WouldBlock(Exception):
    """The real Resolve would never come back from this call."""


class Injected(RuntimeError):
    """A fault the test asked for."""


class Called(NamedTuple):
    """One call a script made."""

    kind: str
    method: str
    args: tuple[Any, ...]


class Profile:
    """Which Resolve it is.

    Args:
        edition: "studio" or "free".
        version: (major, minor, patch).
        headless: started with ``-nogui``.
        os: "linux", "mac" or "windows".
        switches: quirks that differ from the hostile default.
    """

    def __init__(
        self,
        edition: str = "studio",
        version: tuple[int, ...] = (20, 3, 2),
        headless: bool = False,
        os: str = "linux",
        **switches: Any,
    ):
        assert edition in ("studio", "free"), edition
        self.edition, self.version, self.headless, self.os = edition, tuple(version), headless, os
        self.switches = switches

    @property
    def studio(self) -> bool:
        return self.edition == "studio"

    def __repr__(self) -> str:
        return f"{self.edition}-{'.'.join(map(str, self.version))}" + ("-headless" if self.headless else "")


@dataclass
class Fault:
    """How the call fails, once ``after`` more have come."""

    after: int
    how: str


@dataclass
class Gate:
    """The state of one machine's gate."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    thread: int | None = None
    faults: list[Fault] = field(default_factory=list)


class Switches:
    """The quirks of one machine, by name; a test may change them while it runs."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no such switch: {name}")

    def __setattr__(self, name: str, value: Any) -> None:
        assert name in vars(self), f"no such switch: {name}"
        vars(self)[name] = value


class MachineBase:
    """The gate. ``fakes.resolve.Machine`` is the whole machine.

    Attributes:
        calls: every call so far, in order.
        unknown: every use of a name no stub knows, as ``Class.name``.
        refused: every refusal (NotMeasured, WrongThread, ...), swallowed or not.
        busy: seconds every call takes.
        modal: the text of the dialog that is up, or None; while it is, nothing answers properly.
        wedged: GetCurrentDatabase gives None and everything else a trivial answer.
    """

    def __init__(self, profile: Profile):
        unknown = set(profile.switches) - set(SWITCHES)
        assert not unknown, f"no such switch: {sorted(unknown)}"
        self.profile = profile
        self.switches = Switches()
        vars(self.switches).update({**SWITCHES, **profile.switches})
        self.calls: list[Called] = []
        self.unknown: list[str] = []
        self.refused: list[Exception] = []
        self.busy = 0.0
        self.modal: str | None = None
        self.wedged = False
        self._gate = Gate()
        self._ids = 0

    # -- for the test

    def fault(self, n: int, how: str) -> None:
        """Make the n-th call from now (1 is the next one) fail once: "raises", or answer "none", "false" or "true"
        without doing anything."""
        assert how in WAYS, how
        self._gate.faults.append(Fault(n, how))

    def hand_over(self) -> None:
        """The next thread that calls is the script's: a new script was started."""
        self._gate.thread = None

    # -- for the classes of the stand-in

    def refuse(self, what: str, kind: type[Exception] = NotMeasured) -> Exception:
        """An error to raise, which is remembered."""
        error = kind(what)
        self.refused.append(error)
        return error

    def new_id(self, what: str = "id") -> str:
        """A unique id that is the same in every run."""
        self._ids += 1
        return f"{what}-0000-4000-8000-{self._ids:012d}"

    def show_modal(self, text: str) -> None:
        """A dialog is up until the artist clicks it away."""
        self.modal = text

    def since(self, kind: str, method: str) -> bool:
        """Whether this version has the method."""
        return self.profile.version >= SINCE.get((kind, method), (0,))

    def call(self, handle: Handle, method: str, function: Any, args: tuple[Any, ...]) -> Any:
        """One call through the gate."""
        self._on_the_one_thread(handle, method)
        try:
            kind = handle._api
            self.calls.append(Called(kind, method, args))
            if self.busy:
                time.sleep(self.busy)
            fault = self._due()
            if fault is not None:
                return self._fail(fault, kind, method)
            if self._away(handle, kind, method):
                return trivial(kind, method)
            if (kind, method) in STUDIO_ONLY and not self.profile.studio:
                self.show_modal(f"{method} needs DaVinci Resolve Studio")
                return trivial(kind, method)
            if function is None:
                raise self.refuse(f"{kind}.{method}{args}")
            if not handle._lenient(method) and not resolve_signatures.accepted(kind, method, args):
                raise self.refuse(f"{kind}.{method}{args}", WrongArguments)
            if self.wedged and method not in CONSTANT:
                return self._wedged(kind, method, function, args)
            return function(*args)
        finally:
            self._gate.lock.release()

    def _on_the_one_thread(self, handle: Handle, method: str) -> None:
        me = threading.get_ident()
        if self._gate.thread is None:
            self._gate.thread = me
        if self._gate.thread != me or not self._gate.lock.acquire(blocking=False):
            raise self.refuse(f"{handle._api}.{method} from {threading.current_thread().name}", WrongThread)

    def _due(self) -> str | None:
        due = None
        for fault in list(self._gate.faults):
            fault.after -= 1
            if fault.after == 0:
                self._gate.faults.remove(fault)
                due = fault.how
        return due

    def _fail(self, how: str, kind: str, method: str) -> Any:
        if how == "raises":
            raise Injected(f"{kind}.{method}")
        return {"none": None, "false": False, "true": True}[how]

    def _away(self, handle: Handle, kind: str, method: str) -> bool:
        """Nobody answers: a modal is up, or the handle's object is gone."""
        if method in CONSTANT:
            return False
        return self.modal is not None or not handle._alive()

    def _wedged(self, kind: str, method: str, function: Any, args: tuple[Any, ...]) -> Any:
        if method == "GetCurrentDatabase":
            return None
        answer = returns_object(kind, method)
        return function(*args) if answer else empty(kind, method)


class Handle:
    """What a script holds: nothing but methods that pass the gate.

    Every call that returns an object returns a new handle; two handles of one object are not equal (nobody measured
    that they were), so that a script compares unique ids.
    """

    _api = ""

    def __init__(self, machine: Any, model: Any = None):
        object.__setattr__(self, "_machine", machine)
        object.__setattr__(self, "_model", model)

    def __init_subclass__(cls) -> None:
        if cls._api:
            invented = {name for name in dir(cls) if not name.startswith("_")} - resolve_signatures.known(cls._api)
            assert not invented, f"{cls._api} has no {sorted(invented)}"

    def _alive(self) -> bool:
        """Whether what it stands for is still there; a stale handle answers None and False."""
        return True

    def _lenient(self, method: str) -> bool:
        """Whether the method judges its own arguments."""
        return False

    def _special(self, name: str) -> Any:
        """The value of a name that is no method, or NotImplemented."""
        return NotImplemented

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        machine = self._machine
        special = self._special(name)
        if special is not NotImplemented:
            return special
        if name in resolve_signatures.constants(self._api):
            raise machine.refuse(f"the value of {self._api}.{name}")
        if name not in resolve_signatures.known(self._api):
            machine.unknown.append(f"{self._api}.{name}")
            return None
        if not machine.since(self._api, name):
            return None
        return Method(self, name, getattr(type(self), name, None))

    def __setattr__(self, name: str, value: Any) -> None:
        raise self._machine.refuse(f"{self._api}.{name} = {value!r}")

    def __repr__(self) -> str:
        return f"<{self._api} of the stand-in Resolve>"


class Method:
    """A bound method of a handle."""

    def __init__(self, handle: Handle, name: str, function: Any):
        self._handle, self._name, self._function = handle, name, function

    def __call__(self, *args: Any, **named: Any) -> Any:
        handle, function = self._handle, self._function
        if named:  # the bridge takes arguments by position alone
            raise handle._machine.refuse(f"{handle._api}.{self._name}({', '.join(named)}=)", WrongArguments)
        bound = function.__get__(handle) if function is not None else None
        return handle._machine.call(handle, self._name, bound, args)


OBJECTS = set(resolve_signatures.PUBLISHED.methods) | set(resolve_signatures.LOCAL.methods)


def returns_object(kind: str, method: str) -> bool:
    """Whether the stub promises one object of Resolve."""
    words = resolve_signatures.returns(kind, method).replace("Optional[", "").replace("]", "").split(" | ")
    return bool(OBJECTS.intersection(words))


def trivial(kind: str, method: str) -> Any:
    """What comes back where nobody answers: False for a yes or no, else None."""
    return False if resolve_signatures.returns(kind, method) == "bool" else None


def empty(kind: str, method: str) -> Any:
    """The answer without content of the promised type."""
    words = resolve_signatures.returns(kind, method)
    answers: dict[str, Any] = {"bool": True, "int": 0, "float": 0.0, "str": ""}
    for start, answer in (("List", []), ("list", []), ("[", []), ("dict", {}), ("Dict", {})):
        if words.startswith(start):
            return answer
    return answers.get(words.split(" | ")[0])
