"""Script and companion as real processes, of two Pythons, killed and stopped at the worst moment."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from queue import Empty, Queue

import pytest

from fakes.daemon import FakeDaemon
from matted_resolve import link

ROOT = Path(__file__).resolve().parents[3]
WAIT = 40.0
PACKAGES = {"matted_resolve": "plugins/resolve", "matted_plugin": "plugins/common", "matted_protocol": "protocol"}
OLD = sorted(Path.home().glob(".pyenv/versions/3.9.*/bin/python"))
SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from fakes.resolve_seat import DrawnSeat
from matted_resolve import start
from matted_resolve.script import Script
seat = DrawnSeat(sys.argv[3], journal=Path(sys.argv[4]))
seat.all["a"].slow = float(sys.argv[5])
states = Path(sys.argv[4] + ".state")
seat.all["a"].project = states.read_text() if states.exists() else ""
keep = seat.all["a"].store
seat.all["a"].store = lambda text: (keep(text), states.write_text(text))
sys.exit(Script(seat, start.companion_command(), say=lambda line: print(line, flush=True)).run())
"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals of this kind")]


class Process:
    """A script in a process of its own."""

    def __init__(self, folder, slow=0.0, python=None):
        self.lines, self.come = [], Queue()
        there = [str(folder / "python"), str(ROOT / "tests"), str(folder / "out"), str(folder / "journal"), str(slow)]
        self.process = subprocess.Popen(
            [str(python or sys.executable), "-S", "-c", SCRIPT, *there],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(line)
                self.come.put(line)

    def line(self, words):
        """Wait for a line with these words."""
        end = time.monotonic() + WAIT
        while True:
            try:
                line = self.come.get(timeout=max(0.01, end - time.monotonic()))
            except Empty:
                raise AssertionError(self.lines) from None
            if words in line:
                return line

    def page(self):
        return Page(re.search(r"http://127\.0\.0\.1:(\d+)/([^/]+)/", self.line("http://")))

    def ended(self):
        status = self.process.wait(WAIT)
        self.reader.join(WAIT)
        return status

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.ended()


class Page:
    """The page, as a browser has it."""

    def __init__(self, address):
        self.port, self.secret = int(address[1]), address[2]

    def press(self, press, **fields):
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)) as connection:
            body = json.dumps({"press": press, "key": "a", **fields})
            connection.request("POST", f"/{self.secret}/press", body)
            assert connection.getresponse().status == 204

    def until(self, holds):
        """Read views until one holds."""
        view = None
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)) as connection:
            connection.request("GET", f"/{self.secret}/views")
            with connection.getresponse() as answer:
                end = time.monotonic() + WAIT
                while time.monotonic() < end:
                    line = answer.readline()
                    if line.startswith(b"data: "):
                        view = json.loads(line[6:])
                        if holds(view):
                            return view
        raise AssertionError(view)


def has_clip(view):
    return view["clip"] is not None


def is_ready(view):
    return view["shot"] is not None and "ready" in view["shot"]["sentence"]


@pytest.fixture
def folder(tmp_path):
    """The plugin as it is installed."""
    for name, place in PACKAGES.items():
        shutil.copytree(ROOT / place / name, tmp_path / "python" / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "matted_resolve.companion", "--no-browser"]
    (tmp_path / "matted.json").write_text(json.dumps({"version": "9.9", "companion": command, "daemon": ["false"]}))
    return tmp_path


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    monkeypatch.setenv("MATTED_CONNECTION_FILE", str(tmp_path / "daemon.json"))
    with FakeDaemon(tmp_path / "daemon.json") as running:
        yield running


@pytest.fixture
def scripts(folder, daemon):
    """Starts scripts; whatever they started is gone in the end."""
    started = []

    def begin(**options):
        started.append(Process(folder, **options))
        return started[-1]

    yield begin
    for one in started:
        one.kill()
    end_companion()


def companion_pid():
    contact = link.read_contact(link.contact_file())
    return None if contact is None else contact.pid


def end_companion():
    pid = companion_pid()
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("python", [None, *OLD[:1]], ids=["same Python", *["3.9"] * len(OLD[:1])])
def test_when_the_script_runs_then_the_companion_makes_mattes_and_is_started_again_once_ended(scripts, folder, python):
    script = scripts(python=python)
    assert "One thing is not possible." in script.line("not possible")
    page = script.page()
    page.until(has_clip)
    page.press("propagate")
    view = page.until(is_ready)
    assert view["lamp"] == "on"
    assert not (folder / "journal").read_text()
    assert not list((folder / "python").rglob("__pycache__"))
    pid = companion_pid()
    os.kill(pid, signal.SIGTERM)  # as when the artist logs out
    assert "started again" in script.line("companion ended")
    script.page().until(has_clip)
    assert companion_pid() not in (None, pid)


def test_when_the_companion_is_killed_while_rendering_then_the_script_puts_back_and_goes_on(scripts, folder):
    script = scripts(slow=0.3)
    page = script.page()
    page.until(has_clip)
    page.press("propagate")
    page.until(lambda view: view["shot"] is not None and "Rendering" in view["shot"]["sentence"])
    os.kill(companion_pid(), signal.SIGKILL)
    script.line("started again")
    page = script.page()
    page.until(has_clip)
    assert not (folder / "journal").read_text()
    page.press("propagate")
    page.until(is_ready)


def test_when_the_script_is_killed_while_rendering_then_the_next_puts_back_and_nothing_is_lost(scripts, folder, daemon):
    script = scripts(slow=0.3)
    page = script.page()
    page.until(has_clip)
    page.press("propagate")
    page.until(lambda view: (folder / "journal").exists() and "render a" in (folder / "journal").read_text())
    script.kill()
    view = page.until(lambda view: not view["connected"])
    assert view["said"] == "Resolve is no longer connected."
    again = scripts()
    page = again.page()
    again.line("Put back: render a.")
    page.until(has_clip)
    page.press("propagate")
    page.until(is_ready)


def test_when_the_script_is_killed_while_the_daemon_works_then_the_next_shows_the_mattes(scripts, folder, daemon):
    daemon.state.allowed = 2
    script = scripts()
    page = script.page()
    page.until(has_clip)
    page.press("propagate")
    page.until(lambda view: view["shot"] is not None and view["shot"]["sentence"] == "Making mattes: 2 of 4.")
    script.kill()
    os.kill(companion_pid(), signal.SIGKILL)
    daemon.state.allowed = 99
    scripts().page().until(is_ready)


def test_when_resolve_stops_answering_then_the_page_says_so_and_goes_on_after(scripts):
    script = scripts()
    page = script.page()
    page.until(has_clip)
    script.process.send_signal(signal.SIGSTOP)
    page.press("mark")
    page.until(lambda view: "dialog" in view["busy"])
    script.process.send_signal(signal.SIGCONT)
    page.until(lambda view: view["clip"]["keyframes"] == [1001, 1002] and not view["busy"])


def test_when_it_is_started_twice_then_there_is_one_companion_and_one_script(scripts):
    first = scripts()
    page = first.page()
    page.until(has_clip)
    pid = companion_pid()
    second = scripts()
    second.line("open already")
    assert second.ended() == 0
    assert companion_pid() == pid
    assert first.process.poll() is None
