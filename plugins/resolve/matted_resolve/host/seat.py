"""The running Resolve as script, companion and windows see it."""

from __future__ import annotations

from typing import Any

from matted_plugin.host import HostError
from matted_resolve.host import mattes
from matted_resolve.host.leftovers import Leftovers, leftovers_file
from matted_resolve.host.session import Session, asked, numbered
from matted_resolve.host.shot import ResolveHost, speaking
from matted_resolve.seat import About, Seat


class ResolveSeat(Seat):
    """A running Resolve.

    Args:
        session: the script's view of it.
        leftovers: what has to be put back in it.
    """

    def __init__(self, session: Session, leftovers: Leftovers) -> None:
        self.program = f"resolve {numbered(session.version) or '0'}"
        self.session = session
        self._leftovers = leftovers

    def about(self) -> About:
        """Which Resolve this is, and where the artist is in it."""
        session = self.session
        project = timeline = ""
        if session.alive():
            project = str(asked(lambda: session.project().GetName()) or "")
            timeline = str(asked(lambda: session.timeline().GetName()) or "")
        return About(session.product, numbered(session.version), session.page, project, timeline, session.limits())

    def alive(self) -> bool:
        """Whether Resolve still answers."""
        return self.session.alive()

    def clips(self, which: str) -> tuple[str, ...]:
        """Keys of clips of the current timeline."""
        with speaking("the timeline"):
            return tuple(
                {"current": self.session.current, "selected": self.session.selected, "marked": self.session.marked}[
                    which
                ]()
            )

    def host(self, key: str) -> ResolveHost:
        """The clip with this key."""
        with speaking(f"clip {key}"):
            self.session.item(key)
            return ResolveHost(self.session, key, self._leftovers)

    def put_back(self) -> tuple[str, ...]:
        """Put back what an earlier script had to leave changed."""
        return self._leftovers.put_back(self.session)

    def remove(self) -> str:
        """Take back everything the plugin made in this timeline; files stay."""
        with speaking("the timeline"):
            return mattes.remove(self.session, self.session.timeline(), leftovers=self._leftovers)


def open_seat(resolve: Any = None, fusion: Any = None, bmd: Any = None) -> ResolveSeat:
    """The Resolve a script was started in, by what Resolve gave the script.

    Raises:
        HostError: Resolve gave nothing, as it does where scripts are not allowed.
    """
    found = resolve or asked(lambda: bmd.scriptapp("Resolve"))
    if not found:
        raise HostError(
            "Resolve does not let this script in.",
            "Start it from Workspace > Scripts in Resolve Studio. The free edition from 21.1 runs no Python scripts: "
            "put plate and masks into a folder and let matted work there, as the plugin's page says.",
        )
    return ResolveSeat(Session(found, fusion, bmd), Leftovers(leftovers_file()))
