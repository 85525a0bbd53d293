"""How the stand-in Nuke refuses.

hosts.md 8, rule 2: what nobody measured raises ``NotMeasured`` instead of returning something plausible.
"""

from fakes.nuke_curves import NotMeasured

__all__ = ["GONE", "Deadlock", "NotMeasured", "StaleKnob", "StaleNode"]


class Deadlock(Exception):
    """The real Nuke would hang here for ever (hosts.md 2.6)."""


GONE = "associated c++ object is NULL"  # hosts.md 2.4 and 8.1 item 3


class StaleNode(ValueError):
    """A node handle whose node was deleted, undone or closed with its script."""

    def __init__(self) -> None:
        super().__init__(f"A PythonObject is not attached to a node: {GONE}")


class StaleKnob(RuntimeError):
    """A knob handle whose node is gone. Another class than the node's, so that nobody relies on one of the two."""

    def __init__(self) -> None:
        super().__init__(f"A PythonObject is not attached to a knob: {GONE}")
