"""The whole walk in the stand-in Nuke, for any Python: ``python nuke_walk.py FOLDER CONNECTION_FILE PLATE VERSION``.

An artist draws a roto on two frames and presses Propagate; mattes of the real daemon come back into a Read. Prints one
JSON map; any surprise ends it. The plugin is the one on ``PYTHONPATH`` or in ``FOLDER/.nuke``.
"""

import json
import platform
import sys
import time
from pathlib import Path

import numpy as np

from fakes.drawn_plate import FIRST, LAST, circle
from fakes.nuke import Nuke
from fakes.nuke_rotopaint import artist_bezier

KEYS = (FIRST, LAST)


def draw(host, plate):
    """A Read, and a Roto over it keyed on two frames, as an artist makes them; both selected."""
    artist = host.artist
    artist.node("Read", "Read1", file=str(plate), first=FIRST, last=LAST, origfirst=FIRST, origlast=LAST)
    artist.set("root", "first_frame", FIRST)
    artist.set("root", "last_frame", LAST)
    artist.node("Roto", "Roto1")
    artist.connect("Roto1", 0, "Read1")
    artist_bezier(artist.knob("Roto1", "curves"), "Bezier1", {frame: circle(frame) for frame in KEYS})
    artist.select(["Read1", "Roto1"])


def walk(folder, plate, version):
    """Returns what happened."""
    told = {"python": platform.python_version()}
    with Nuke(version=version, gui=True, home=folder) as host:
        host.startup()
        assert host.broken is None, host.broken
        draw(host, plate)
        host.choose("Nuke", "Matted/Matted node")
        host.pump(0.05)
        host.undo_steps.clear()
        host.save(folder / "shot.nk")
        pressed = time.monotonic()
        host.press("Matted1", "propagate")
        from matted_nuke import buttons

        flow = buttons.workflow("Matted1")
        host.pump(60, until=lambda: flow.state.done >= 1)
        host.pump(60, until=lambda: "v001" in str(host.artist.knob("Matted1.MattedRead", "file")))
        told["first_matte_seconds"] = round(time.monotonic() - pressed, 3)
        host.pump(120, until=lambda: not (flow.busy or flow.state.running))
        assert not flow.report.error, flow.report
        told.update(state=flow.state.job_state, done=flow.state.done, keyframes=flow.state.keyframes)
        told["file"] = host.artist.knob("Matted1.MattedRead", "file")
        told["suggestions"] = [frame for frame, _ in flow.suggestions]
        told["undo"] = list(host.undo_steps)
        told["worst"] = worst(host)
        told["held_ms"] = round(host.held * 1000, 1)
        told["handles"] = host.handles
        told["messages"] = list(host.messages)
        told["nodes"] = host.artist.nodes()
    return told


def worst(host):
    """The largest mean error of the Matted node's alpha against what was drawn."""
    from fakes.drawn_plate import matte

    return max(
        float(np.abs(host.artist.image("Matted1", frame)["rgba.alpha"] - matte(frame)).mean())
        for frame in range(FIRST, LAST + 1)
    )


if __name__ == "__main__":
    folder, plate, version = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    print(json.dumps(walk(folder, plate, tuple(map(int, version.split("."))))))
