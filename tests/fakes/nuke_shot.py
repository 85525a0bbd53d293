"""A shot in the stand-in Nuke, with the plugin of this checkout: what an artist has before the first press."""

from pathlib import Path

from fakes import drawn_plate
from fakes.drawn_plate import FIRST, LAST, circle
from fakes.nuke import Nuke
from fakes.nuke_rotopaint import artist_bezier

PLUGIN = Path(__file__).parents[2] / "plugins" / "nuke"


class NukeShot:
    """A started Nuke with a Read and a Roto keyed on the first and the last frame, both selected.

    Args:
        folder: the artist's home; plate and script go there too.
        installed: whether the installer has put the plugin into ``folder/.nuke``; else this checkout's is used.
        graded: whether a Grade stands between Read and Roto, so that the plate must be rendered.
        keys: frames the roto is keyed on, with ``outline`` of each.
        options: of :class:`fakes.nuke.Nuke`.
    """

    def __init__(
        self, folder, graded=False, plate=None, keys=(FIRST, LAST), outline=circle, installed=False, **options
    ):
        self.folder, self.graded, self.installed = Path(folder), graded, installed
        self.keys = {frame: outline(frame) for frame in keys}
        self.plate = plate or drawn_plate.write(self.folder / "plate")
        self.host = Nuke(home=self.folder, **options)

    def __enter__(self):
        if not self.installed:
            settings = self.folder / ".nuke"
            settings.mkdir(parents=True, exist_ok=True)
            (settings / "init.py").write_text(f"import nuke\nnuke.pluginAddPath({PLUGIN.as_posix()!r})\n")
        self.host.__enter__()
        self.host.startup()
        assert self.host.broken is None, self.host.broken
        return self

    def __exit__(self, *why):
        if why == (None, None, None):
            assert self.host.strays == [], "Nuke was touched on another thread"
        return self.host.__exit__(*why)

    def draw(self):
        """The graph an artist has."""
        artist = self.host.artist
        artist.set("root", "first_frame", FIRST)
        artist.set("root", "last_frame", LAST)
        ends = {"first": FIRST, "last": LAST, "origfirst": FIRST, "origlast": LAST}
        artist.node("Read", "Read1", file=self.plate, **ends)
        artist.node("Roto", "Roto1")
        above = "Read1"
        if self.graded:
            artist.node("Grade", "Grade1", multiply=0.8)
            artist.connect("Grade1", 0, "Read1")
            above = "Grade1"
        artist.connect("Roto1", 0, above)
        artist_bezier(artist.knob("Roto1", "curves"), "Bezier1", self.keys)
        artist.select([above, "Roto1"])
        return self

    def make(self):
        """A Matted node on the selection; returns its name."""
        self.host.choose("Nuke", "Matted/Matted node")
        assert self.host.messages == []
        return "Matted1"

    def flow(self, name="Matted1"):
        """The buttons of a node."""
        from matted_nuke import buttons

        return buttons.workflow(name)

    def press(self, button, name="Matted1"):
        self.host.press(name, button)

    def settle(self, name="Matted1", seconds=90):
        """Let Nuke run until nothing is left to do for a node; returns its buttons."""
        flow = self.flow(name)
        self.host.pump(seconds, until=lambda: not (flow.busy or flow.state.running))
        return flow

    def propagated(self, name="Matted1"):
        """Press Propagate and wait for the mattes."""
        self.press("propagate", name)
        flow = self.settle(name)
        assert not flow.report.error, flow.report
        assert flow.state.job_state == "done", (flow.state, flow.report)
        return flow

    def knobs(self):
        """Every knob of the artist's own nodes, and what the root says: what an action must leave as it was."""
        artist = self.host.artist
        told = {name: artist.knob(name, "file") for name in artist.nodes() if artist.cls(name) in ("Read", "Write")}
        told["roto"] = [artist.knob("Roto1", name) for name in ("motionblur_mode", "global_motionblur")]
        told["root"] = [artist.knob("root", name) for name in ("first_frame", "last_frame", "proxy")]
        told["frame"] = self.host.frame
        return told
