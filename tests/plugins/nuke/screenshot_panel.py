"""Draw the panel as artists see it, into one picture: ``python tests/plugins/nuke/screenshot_panel.py FILE STATE...``

The states are empty, working, done and lost; without any, all four stand side by side. docs/nuke_panel.png is
``python tests/plugins/nuke/screenshot_panel.py docs/nuke_panel.png working done``. It needs PySide6 and no window.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

os.environ["QT_QPA_PLATFORM"] = "offscreen"
ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "plugins" / "common"), str(ROOT / "plugins" / "nuke")]

from PySide6 import QtGui, QtWidgets  # noqa: E402

from fakes.nuke import Nuke  # noqa: E402
from fakes.nuke_rotopaint import artist_bezier  # noqa: E402

SQUARE = [(10, 10), (50, 10), (50, 40), (10, 40)]
SIZE = (320, 660)
STATES = ("empty", "working", "done", "lost")
LOG = "/home/artist/.local/share/matted/workstation-start.log"
ENDPOINT = "tcp://127.0.0.1:52871"
MATTES = "/shows/demo/sh010/comp/matted/sh010_v003/Matted1/v001"
SUGGESTIONS = [
    [1017, "matte is 58% sure; object looks unlike every keyframe; nearest keyframe 1001"],
    [1056, "matte is 71% sure; object looks unlike every keyframe and suggestion before; nearest keyframe 1034"],
    [
        1066,
        "matte is 83% sure; object looks unlike every keyframe and suggestion before; nearest suggestion 1056",
    ],
]


def main() -> None:
    file, states = sys.argv[1], sys.argv[2:] or list(STATES)
    pictures = [picture(state) for state in states]
    gap = 12
    whole = QtGui.QImage(sum(one.width() + gap for one in pictures) - gap, SIZE[1], QtGui.QImage.Format.Format_RGB32)
    whole.fill(QtGui.QColor("#1c1c1c"))
    painter = QtGui.QPainter(whole)
    for index, one in enumerate(pictures):
        painter.drawPixmap(index * (SIZE[0] + gap), 0, one)
    painter.end()
    assert whole.save(file), f"{file} cannot be written"


def dark(application):
    """A palette like Nuke's, which the panel inherits there."""
    palette, role = QtGui.QPalette(), QtGui.QPalette.ColorRole
    colours = {
        role.Window: "#323232", role.Base: "#292929", role.AlternateBase: "#2e2e2e", role.Button: "#424242",
        role.Text: "#d0d0d0", role.WindowText: "#d0d0d0", role.ButtonText: "#d8d8d8", role.Highlight: "#c7772b",
        role.HighlightedText: "#ffffff", role.PlaceholderText: "#8a8a8a", role.Mid: "#262626",
    }  # fmt: skip
    for which, colour in colours.items():
        palette.setColor(which, QtGui.QColor(colour))
    for which in (role.Text, role.WindowText, role.ButtonText):
        palette.setColor(QtGui.QPalette.ColorGroup.Disabled, which, QtGui.QColor("#777777"))
    application.setStyle("Fusion")
    application.setPalette(palette)
    application.setFont(QtGui.QFont("DejaVu Sans", 9))


def picture(state, size=SIZE):
    """The panel in a state, as a pixmap."""
    with TemporaryDirectory() as home, Nuke(home=Path(home)) as host:
        os.environ["XDG_DATA_HOME"] = home
        dark(QtWidgets.QApplication.instance())
        from matted_nuke import buttons, panel

        desk = buttons.desk()
        desk.daemon = SimpleNamespace(lamp="off", endpoint=ENDPOINT, why=None, log=LOG, connected=None)
        if state != "empty":
            flow = shot(host, buttons)
            desk.daemon.lamp = "on"
            globals()[state](flow, desk.daemon)
        shown = panel.Panel()
        shown.resize(*size)
        shown.show()
        host.pump(0.4)
        if state == "done":
            shown.suggestions.setCurrentRow(0)
            host.pump(0.05)
        return shown.grab()


def shot(host, buttons):
    """A Matted node with a plate and a roto."""
    root = host.module.root()
    root["last_frame"].setValue(1080)
    root["first_frame"].setValue(1001)
    host.artist.node("Read", "plate", file="/shows/demo/sh010/plate.%04d.exr", first=1001, last=1080)
    host.artist.node("Roto", "Roto1")
    artist_bezier(host.artist.knob("Roto1", "curves"), "hero", dict.fromkeys((1001, 1034, 1080), SQUARE))
    host.artist.select(["plate", "Roto1"])
    flow = buttons.workflow(buttons.create())
    host.pump(0.1)
    host.artist.set("Matted1", "objects", "hero car=car.alpha")
    known = flow.state
    known.shot, known.job, known.folder, known.total = "shot", "job", MATTES, 80
    known.files, known.objects = ["hero/hero.%04d.exr"], ["hero", "car"]
    return flow


def working(flow, daemon):
    flow.state.job_state = "running"
    flow.report = type(flow.report)("Making mattes: 31 of 80.", "", False, "Making mattes", 31, 80, 118.0)


def done(flow, daemon):
    flow.state.job_state, flow.state.done, flow.state.suggestions = "done", 80, SUGGESTIONS
    flow.host.show_status(f"80 mattes are ready in {MATTES}.")


def lost(flow, daemon):
    from matted_protocol.errors import DaemonError

    daemon.lamp = "lost"
    daemon.why = DaemonError(
        "no_answer", f"The daemon at {ENDPOINT} does not answer.", "It is tried again every few seconds. Is it running?"
    )
    flow.state.job_state, flow.state.done, flow.state.suggestions = "failed", 31, SUGGESTIONS[:1]
    flow.report = type(flow.report)(
        "The mask of frame 1034 is empty in /shows/demo/sh010/comp/matted/work/5c1d/hero.1034.exr.",
        "Look at the roto on frame 1034, then press Propagate.",
        True,
        notes=("Keyframes outside the range are left out: 990.",),
    )


if __name__ == "__main__":
    main()
