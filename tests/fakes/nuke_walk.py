"""The whole walk in the stand-in Nuke, for any Python: ``python nuke_walk.py FOLDER PLATE VERSION [installed]``.

An artist draws a roto on two frames and presses Propagate; mattes of the real daemon come back into a Read. Prints one
JSON map; any surprise ends it.
"""

import json
import platform
import sys
import time
from pathlib import Path

import numpy as np

from fakes.drawn_plate import FIRST, LAST, matte
from fakes.nuke_shot import NukeShot


def walk(folder, plate, version, installed=False):
    """Returns what happened."""
    told = {"python": platform.python_version()}
    with NukeShot(folder, plate=plate, version=version, installed=installed) as shot:
        host = shot.host
        host.pump(1.0)  # nobody presses anything within a second of Nuke's start
        shot.draw().make()
        host.save(folder / "shot.nk")
        host.undo_steps.clear()
        before = shot.knobs()
        pressed = time.monotonic()
        shot.press("propagate")
        host.pump(60, until=lambda: "v001" in host.artist.knob("Matted1.MattedRead", "file"))
        told["first_matte_seconds"] = round(time.monotonic() - pressed, 3)
        flow = shot.settle()
        assert not flow.report.error, flow.report
        assert {**shot.knobs(), "Matted1.MattedRead": ""} == before
        told.update(state=flow.state.job_state, done=flow.state.done, keyframes=flow.state.keyframes)
        told["file"] = host.artist.knob("Matted1.MattedRead", "file")
        told["suggestions"] = [frame for frame, _ in flow.suggestions]
        told["undo"] = list(host.undo_steps)
        told["worst"] = worst(host)
        told["held_ms"] = round(host.held * 1000, 1)
        told["handles"] = host.handles
        told["plugin"] = sys.modules["matted_nuke"].__file__
        told["zmq"] = sys.modules["zmq"].__file__
        told["messages"] = [*host.messages, *host.errors_in_callbacks]
    return told


def worst(host):
    """The largest mean error of the Matted node's alpha against what was drawn."""
    errors = (np.abs(host.artist.image("Matted1", frame)["rgba.alpha"] - matte(frame)).mean() for frame in FRAMES)
    return float(max(errors))


FRAMES = range(FIRST, LAST + 1)


if __name__ == "__main__":
    build = tuple(map(int, sys.argv[3].split(".")))
    print(json.dumps(walk(Path(sys.argv[1]), sys.argv[2], build, installed="installed" in sys.argv)))
