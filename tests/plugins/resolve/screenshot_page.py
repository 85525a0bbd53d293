"""Draw the page as artists see it into a picture: ``python tests/plugins/resolve/screenshot_page.py FILE STATE [light]``.

The states are ``empty``, ``working``, ``done``, ``batch`` and ``lost``. It needs a ``chromium`` on PATH.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / one) for one in ("plugins/resolve", "plugins/common", "protocol")]

from matted_resolve.browser import Browser  # noqa: E402
from matted_resolve.seat import About, Card, Choice  # noqa: E402
from matted_resolve.view import PRESSES, Shot, View  # noqa: E402

ABOUT = About("DaVinci Resolve Studio", "20.3.2", "color", "Harbour", "sc010 grade v04")
CARD = Card(
    "c1", "A014C012_230511_R2KL.mov", "Rendered through Resolve: the clip is retimed.", (1001, 1148), (1001, 1062, 1131),
    ("hero", "boat"),
    (
        Choice("objects", "Objects", "hero=alpha boat=Saver1.red", (), "Each object with its masks"),
        Choice("results", "Mattes become", "clip matte", ("clip matte", "track above", "fusion", "files only")),
        Choice("plate", "Plate", "as it is", ("as it is", "rendered")),
        Choice("handles", "Handles", "0"), Choice("weights", "Network", "lite", ("lite", "xmem")),
        Choice("working_size", "Working size", "480"), Choice("out", "Mattes folder", ""),
    ),
    playhead=1040,
)  # fmt: skip
HINTS = (
    (1017, "matte is 58% sure; object looks unlike every keyframe; nearest keyframe 1001"),
    (1089, "matte is 71% sure; object looks unlike every keyframe and suggestion before; nearest keyframe 1062"),
)
FOLDER = "/home/artist/matted/Harbour/A014C012-3f9a12/v002"
WORKING = Shot("c1", CARD.name, "Making mattes: 61 of 148.", working=True, done=61, total=148, left="About 2 min left.",
               notes=("The plate is rendered: the clip is retimed.",), folder=FOLDER)  # fmt: skip
DONE = Shot("c1", CARD.name, f"148 mattes are ready in {FOLDER}.", done=148, total=148, suggestions=HINTS, folder=FOLDER,
            notes=("Attached to the clip as a matte: add it with Add Matte in the node graph.",))  # fmt: skip
OTHERS = (
    Shot("c2", "A014C013_230511_R2KL.mov", "The alpha of A014C013 at frame 1033 is solid.",
         "Connect the node's key output to the Alpha Output on the Color page.", error=True),
    Shot("c3", "B002C004_230511_R1XX.exr", "Rendering the plate: 12 of 96.", working=True, done=12, total=96),
    Shot("c4", "B002C007_230511_R1XX.exr", "Waits for its turn.", working=True),
)  # fmt: skip
VIEWS = {
    "empty": View(True, ABOUT, clip=Card("c1", CARD.name, "Read from disk: /shows/harbour/A014C012.mov", (0, 147), choices=CARD.choices, playhead=12),
                  buttons=tuple(one for one in PRESSES if one != "suggest")),
    "working": View(True, ABOUT, "", "on", "", CARD, WORKING, (WORKING,), 2, tuple(one for one in PRESSES if one != "propagate")),
    "done": View(True, ABOUT, "", "on", "", CARD, DONE, (DONE,), 0, PRESSES, "Marked frame 1131 of A014C012 as a keyframe."),
    "batch": View(True, ABOUT, "Resolve is busy. If it stays so, look for a dialog that waits in Resolve and close it. What you press here is done when Resolve answers.",
                  "on", "", CARD, WORKING, (WORKING, *OTHERS), 2, PRESSES, "4 clips to do, one after the other."),
    "lost": View(False, About(ABOUT.product, ABOUT.version, limits=("From 19.1 on, DaVinci Resolve without Studio lets scripts show no windows: matted opens its page in your browser instead.",)),
                 "", "lost", "The daemon does not answer. Run matted serve in a terminal and see what it says.", None, None, (DONE,), 0, ("diagnostics",),
                 "Resolve is no longer connected.", "In Resolve choose Workspace > Scripts > Utility > Matted: it goes on from here. Jobs run on meanwhile.", True),
}  # fmt: skip


def main() -> None:
    file, state = Path(sys.argv[1]).resolve(), sys.argv[2]
    browser = Browser(lambda press: None, lambda view: view)
    browser.publish(VIEWS[state])
    light = ["--blink-settings=preferredColorScheme=1"] if "light" in sys.argv else ["--force-dark-mode"]
    with TemporaryDirectory() as profile:
        process = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--timeout=4000", *light,
             f"--user-data-dir={profile}", f"--window-size={sys.argv[-1] if sys.argv[-1][0].isdigit() else '900,640'}",
             f"--screenshot={file}", browser.url],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        process.wait(60)
    browser.close()


if __name__ == "__main__":
    main()
