"""How the stand-in Nuke refuses.

hosts.md 8, rule 2: what nobody measured raises ``NotMeasured`` instead of returning something plausible.
"""

from fakes import nuke_curves

__all__ = ["GONE", "Deadlock", "NotMeasured", "StaleKnob", "StaleNode", "refusals"]


refusals: list = []
"""Every refusal since the running host was entered, so that one that is swallowed still fails its test."""


class NotMeasured(nuke_curves.NotMeasured):
    """The code under test stepped where no source says what Nuke does."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        refusals.append(self)


class Deadlock(Exception):
    """The real Nuke would hang here for ever (hosts.md 2.6)."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        refusals.append(self)


GONE = "associated c++ object is NULL"  # hosts.md 2.4 and 8.1 item 3


class StaleNode(ValueError):
    """A node handle whose node was deleted, undone or closed with its script."""

    def __init__(self) -> None:
        super().__init__(f"A PythonObject is not attached to a node: {GONE}")


class StaleKnob(RuntimeError):
    """A knob handle whose node is gone. Another class than the node's, so that nobody relies on one of the two."""

    def __init__(self) -> None:
        super().__init__(f"A PythonObject is not attached to a knob: {GONE}")
