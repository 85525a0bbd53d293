"""How the Nuke plugin feels: seconds from the press to the first matte, and how long Nuke's main thread is held.

    python benchmarks/press.py [--scale 10 20]

Runs the plugin in the stand-in Nuke of tests/fakes, with a real daemon process on the CPU, on the drawn shot enlarged:
scale 10 is 960x640, scale 20 is 1920x1280. Each case is a press of Propagate on a shot the daemon does not know. "held"
is the longest the main thread was kept by the plugin in one go, outside nuke.execute; "rendering" is the time inside
nuke.execute, one frame at a time, which Nuke itself needs and the stand-in only imitates.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1] / room) for room in ("tests", "plugins/common", "plugins/nuke")]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from fakes import drawn_plate  # noqa: E402
from fakes.drawn_shot import save  # noqa: E402
from fakes.nuke_shot import NukeShot  # noqa: E402
from fakes.running_daemon import DaemonProcess  # noqa: E402

KINDS = ("files", "rendered", "pixels")
"""The plate is read from disk, rendered by Nuke first, or rendered and sent over the wire."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--scale", type=int, nargs="+", default=[10, 20])
    scales = options.parse_args().scale
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["XDG_DATA_HOME"] = str(root / "data")
        with DaemonProcess(root / "daemon") as daemon:
            os.environ["MATTED_CONNECTION_FILE"] = str(daemon.file)
            print("| plate | size | first matte | all 12 | held | rendering |")
            print("|---|---|---|---|---|---|")
            for scale in scales:
                for kind in KINDS:
                    print(case(root / f"{kind}{scale}", scale, kind), flush=True)


def enlarged(folder: Path, scale: int) -> str:
    """The drawn plate, each pixel ``scale`` times as wide and high."""
    folder.mkdir(parents=True)
    for frame in range(drawn_plate.FIRST, drawn_plate.LAST + 1):
        picture = np.kron(drawn_plate.picture(frame), np.ones((scale, scale, 1))).astype(np.float16)
        save(folder / f"plate.{frame}.exr", picture, ("R", "G", "B"))
    return (folder / "plate.%04d.exr").as_posix()


def case(folder: Path, scale: int, kind: str) -> str:
    """One press, as a row of the table."""
    plate = enlarged(folder / "plate", scale)

    def outline(frame: int) -> list[tuple[float, float]]:
        return [(x * scale, y * scale) for x, y in drawn_plate.circle(frame)]

    with NukeShot(folder, plate=plate, graded=kind != "files", outline=outline) as shot:
        host, artist = shot.host, shot.host.artist
        host.pump(1.0)
        shot.draw()
        host.held = 0.0
        shot.make()
        host.save(folder / "shot.nk")
        if kind == "pixels":
            artist.set("Matted1", "transport", "as pixels")
        rendering = host.executing
        pressed = time.monotonic()
        shot.press("propagate")
        host.pump(600, until=lambda: "v001" in artist.knob("Matted1.MattedRead", "file"))
        first = time.monotonic() - pressed
        flow = shot.settle(seconds=600)
        assert flow.state.job_state == "done", flow.report
        size = f"{drawn_plate.WIDTH * scale}x{drawn_plate.HEIGHT * scale}"
        took, rendering = time.monotonic() - pressed, host.executing - rendering
        held = f"{host.held * 1000:.0f} ms"
        return f"| {kind} | {size} | {first:.1f} s | {took:.1f} s | {held} | {rendering:.1f} s |"


if __name__ == "__main__":
    main()
