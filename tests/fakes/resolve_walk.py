"""The whole walk in the stand-in Resolve, on any Python: ``python resolve_walk.py FOLDER PLATE EDITION VERSION SCRIPT``.

SCRIPT is the installed menu script. A colorist has masked a clip and set two markers; she starts the script, presses
Propagate in the window that opens, in Resolve or in her browser, and waits for the mattes of the real daemon. Prints one
JSON map; any surprise ends it.
"""

import builtins
import json
import os
import platform
import re
import runpy
import signal
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import OpenImageIO as oiio

from fakes.drawn_plate import FIRST, LAST, matte
from fakes.resolve import Machine, Profile
from fakes.resolve_shot import timeline_with_clip

PATIENCE = 120


def walk(folder, plate, profile, script):
    """Returns what happened."""
    lines = []
    builtins_print = builtins.print
    builtins.print = lambda *words, **_: lines.append(" ".join(map(str, words)))
    with Machine(profile, folder) as machine:
        media, item = timeline_with_clip(machine, plate)
        before = facts(machine)
        in_resolve = profile.studio
        if in_resolve:
            artist = InResolve(machine)
        else:
            artist = InBrowser(machine, lines)
        try:
            given = {"resolve": machine.resolve, "fusion": machine.fusion, "bmd": machine.bmd}
            runpy.run_path(str(script), init_globals=given)
        finally:
            builtins.print = builtins_print
            end_companion()
        assert artist.done, (artist.seen, lines)
        patterns = [told.replace(f"[{FIRST}-{LAST}]", "%04d") for told in media.mattes]
        return {
            "python": platform.python_version(),
            "said": artist.seen,
            "lines": lines,
            "mattes": patterns,
            "worst": worst(patterns[0]),
            "suggestions": [FIRST + at for at, marker in item.markers.items() if marker.color == "Lemon"],
            "reasons": all(marker.note for marker in item.markers.values() if marker.color == "Lemon"),
            "as before": facts(machine) == before,
            "saves": machine.project.saves,
            "unknown": machine.unknown,
            "errors": machine.screen.errors,
            "plugin": sys.modules["matted_resolve"].__file__,
            "client": [name for name in ("zmq", "msgpack", "matted_protocol.client") if name in sys.modules],
        }


class InResolve:
    """She presses in the window that Studio shows, and closes it when the mattes are ready."""

    def __init__(self, machine):
        self.machine, self.seen, self.pressed, self.done = machine, "", False, False
        self.end = time.monotonic() + PATIENCE
        threading.Thread(target=self.now_and_then, daemon=True).start()

    def now_and_then(self):
        """Have her look when the window's loop is idle."""
        while not self.done:
            self.machine.screen.plan.append(self.look)
            time.sleep(0.1)

    def look(self):
        """What she sees, and does about it."""
        screen = self.machine.screen
        texts = {each.id: str(each.attrs.get("Text", "")) for window in screen.windows for each in window.root.walk()}
        self.seen = " | ".join(filter(None, texts.values()))
        assert time.monotonic() < self.end, self.seen
        self.done = "mattes are ready" in self.seen
        if self.done:
            screen.close("matted")
            return
        if not self.pressed and f"{FIRST}" in self.seen and screen.shown("propagate").attrs["Enabled"]:
            self.pressed = True
            screen.click("propagate")


class InBrowser:
    """She presses on the page, and quits Resolve when the mattes are ready."""

    def __init__(self, machine, lines):
        self.machine, self.lines, self.seen, self.done = machine, lines, "", False
        threading.Thread(target=self.go, daemon=True).start()

    def go(self):
        """All she does, on a thread of her own."""
        end = time.monotonic() + PATIENCE
        while not (found := re.search(r"http://\S+", " ".join(self.lines))):
            assert time.monotonic() < end
            time.sleep(0.05)
        url, pressed = found[0], False
        with urllib.request.urlopen(url, timeout=PATIENCE) as page:
            assert "<html" in page.read().decode()
        with urllib.request.urlopen(f"{url}views", timeout=PATIENCE) as views:
            for line in views:
                if not line.startswith(b"data: "):
                    continue
                view = json.loads(line[6:])
                shot = view["shot"] or {}
                self.seen = f"{view['said']} {shot.get('sentence')} {view['about']}"
                if view["clip"] and "propagate" in view["buttons"] and not pressed:
                    pressed = True
                    press = json.dumps({"press": "propagate", "key": view["clip"]["key"]}).encode()
                    urllib.request.urlopen(urllib.request.Request(f"{url}press", press), timeout=PATIENCE).close()
                if "mattes are ready" in (shot.get("sentence") or ""):
                    break
        self.done = True
        self.machine.wedged = True


def facts(machine):
    """The project but for what a press is for, and the render preset that is used again."""
    found = machine.project_facts()
    found["render"]["presets"].pop("Matted EXR", None)
    found.pop("screen")
    for _, media in found["bins"]:
        for each in media:
            each["mattes"], each["third_party"] = [], {}
    for timeline in found["timelines"]:
        if machine.profile.version < (20,):
            del timeline["marks"]  # nothing tells them before 20, and the Deliver page has its own
        for _, _, _, items in timeline["tracks"]:
            for item in items:
                item["markers"] = [one for one in item["markers"] if not one[1]["custom"].startswith("matted:")]
    return found


def worst(pattern):
    """The largest mean error of the mattes against what was drawn."""
    errors = []
    for frame in range(FIRST, LAST + 1):
        image = oiio.ImageBuf(pattern % frame)
        errors.append(float(np.abs(image.get_pixels(oiio.FLOAT, image.roi_full)[..., 0] - matte(frame)).mean()))
    return max(errors)


def end_companion():
    """The one that was started here, as its contact file says."""
    from matted_resolve import link

    contact = link.read_contact(link.contact_file())
    if contact is not None:
        os.kill(contact.pid, signal.SIGTERM)


if __name__ == "__main__":
    edition, version = sys.argv[3], tuple(map(int, sys.argv[4].split(".")))
    told = walk(Path(sys.argv[1]), sys.argv[2], Profile(edition, version), Path(sys.argv[5]))
    print(json.dumps(told))
