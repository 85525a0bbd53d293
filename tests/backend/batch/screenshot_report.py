"""Draw the report as people see it, into one picture: ``python tests/backend/batch/screenshot_report.py FILE [dark]``

docs/report.png is made by ``python tests/backend/batch/screenshot_report.py docs/report.png``. The shots are the demo,
masked well, sparsely and in one frame alone, and one that has no plate. It needs a Chromium and a minute.
"""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "backend"), str(ROOT / "protocol")]

from matted.batch.engines.here import Here  # noqa: E402
from matted.batch.keyframes import MaskSource  # noqa: E402
from matted.batch.many import Entry, make  # noqa: E402
from matted.batch.outcome import Outcome  # noqa: E402
from matted.batch.page import write_page  # noqa: E402
from matted.batch.request import Request  # noqa: E402
from matted.batch.review import Thresholds  # noqa: E402
from matted.demo import draw_demo  # noqa: E402
from matted.engine.session import SessionSettings  # noqa: E402
from matted.errors import PlateError  # noqa: E402
from matted_protocol.frames import FrameRange  # noqa: E402

SIZE = (1366, 1420)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SHOTS = {
    "sh010": (1001, 1006, 1012, 1018, 1024),
    "sh020": (1001,),
    "sh030": (1012, 1024),
}
FRAMES = FrameRange(1001, 1024)
GONE = PlateError(
    "plate_missing",
    "There is no folder /shows/reel2/sh040/plate.",
    hint="Check the path; /shows/reel2/sh040 holds comp, roto.",
)


def main() -> None:
    file, scheme = Path(sys.argv[1]).absolute(), "0" if "dark" in sys.argv[2:] else "1"
    with TemporaryDirectory() as folder:
        page, shown = Path(folder) / "report.html", Path(folder) / "page.png"
        write_page(page, outcomes(Path(folder)), title="reel 2, night batch")
        photograph(page, shown, scheme, Path(folder) / "browser")
        Image.open(shown).convert("RGB").quantize(256, Image.Quantize.FASTOCTREE).save(file, optimize=True)


def outcomes(folder):
    """The demo's shots, made; one has no plate."""
    masks = sorted({frame for frames in SHOTS.values() for frame in frames})
    demo = draw_demo(folder / "demo", frames=FRAMES, size=(640, 360), keyframes=masks)
    entries = [entry(folder, demo, name, at) for name, at in SHOTS.items()]
    with Here() as here:
        made = make(entries, here)
    return [*made, Outcome(replace(made[0].request, name="sh040"), "error", 0.0, error=GONE)]


def entry(folder, demo, name, at):
    masks, session = (MaskSource(demo.keyframes),), SessionSettings(working_size=240)
    request = Request(str(demo.plate), masks, folder / name, name, at=at, frames=FRAMES, review=True, session=session)
    return Entry(request, Thresholds(), folder / "jobs.toml", 1)


def photograph(page, shown, scheme, profile):
    """What a browser shows of the page."""
    browser = next(found for name in BROWSERS if (found := shutil.which(name)))
    window = f"--window-size={SIZE[0]},{SIZE[1]}"
    setting = f"--blink-settings=preferredColorScheme={scheme}"
    command = [browser, *QUIET, f"--user-data-dir={profile}", window, setting, f"--screenshot={shown}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main()
