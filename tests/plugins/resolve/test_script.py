"""The script inside Resolve and the companion, each in a thread, with a drawn seat and a stand-in daemon."""

import io
import json
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from fakes.daemon import FakeDaemon
from fakes.resolve import Machine, Profile
from fakes.resolve_seat import DrawnSeat
from matted_plugin.daemon import Daemon
from matted_plugin.host import HostError
from matted_resolve import link, start
from matted_resolve.answers import Answers
from matted_resolve.companion import Companion, alone
from matted_resolve.host import window
from matted_resolve.host.session import Session
from matted_resolve.script import Script, tell
from matted_resolve.view import Press

WAIT = 30.0


def until(holds, says=""):
    end = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < end, says() if callable(says) else says
        time.sleep(0.005)


class Here:
    """A companion in a thread of this process; ``opened`` counts how often its page was shown."""

    def __init__(self, daemon_file, linger=30.0):
        self.opened = []
        self.companion = Companion(
            lambda program: Daemon(program, file=daemon_file), link.contact_file(), show=self._show, linger=linger
        )
        self.thread = threading.Thread(target=self.companion.run)
        self.thread.start()
        until(lambda: link.read_contact(link.contact_file()) is not None)

    def _show(self, url):
        self.opened.append(url)
        return True

    @property
    def view(self):
        return self.companion._browser._view

    def press(self, press, **fields):
        self.companion._pressed(Press(press, **fields))

    def end(self):
        """As when it is killed: nothing is put in order."""
        remote = self.companion._board.remote
        if remote is not None:
            remote.close()
        self.companion.stop()
        self.thread.join(WAIT)
        assert not self.thread.is_alive()


@pytest.fixture
def daemon(tmp_path):
    with FakeDaemon(tmp_path / "daemon.json") as running:
        yield running


@pytest.fixture
def companions(daemon):
    """Starts companions; the latest is the last."""
    started = []

    def begin(**options):
        started.append(Here(daemon.file, **options))
        return started[-1]

    yield begin
    for one in started:
        one.end()


class Inside:
    """A script in a thread: the seat's own."""

    def __init__(self, seat_of, command=("false",), make_window=lambda press: None):
        self.said, self.logged, self.ended = [], [], None
        self.script = None
        self.thread = threading.Thread(target=self._run, args=(seat_of, command, make_window))
        self.thread.start()
        until(lambda: self.script is not None)

    def _run(self, seat_of, command, make_window):
        self.seat = seat_of()
        self.script = Script(self.seat, command, make_window=make_window, say=self.said.append, log=self.logged.append)
        self.ended = self.script.run()

    def leave(self):
        self.script._going = False
        self.seat.blocked.clear()
        self.thread.join(WAIT)
        assert not self.thread.is_alive()


@pytest.fixture
def inside(tmp_path):
    """Starts scripts with a drawn seat."""
    started = []

    def begin(clips=("a",), journal=None, path="/plate/p.%04d.exr", **options):
        started.append(Inside(lambda: DrawnSeat(tmp_path / "out", clips, journal=journal, path=path), **options))
        return started[-1]

    yield begin
    for one in started:
        one.leave()


def test_when_propagate_is_pressed_then_the_clip_gets_its_mattes(companions, inside):
    companion, script = companions(), inside()
    until(lambda: companion.view.clip is not None and "propagate" in companion.view.buttons)
    assert companion.view.about.page == "edit"
    assert companion.opened == [companion.companion._browser.url]
    companion.press("propagate", key="a")
    until(lambda: companion.view.shot is not None and "ready" in companion.view.shot.sentence, lambda: companion.view)
    clip = script.seat.all["a"]
    assert clip.rendered == [(1001, "alpha")]
    assert clip.shown[-1].complete
    assert clip.marks == ([1001], [])
    assert json.loads(clip.project)["job_state"] == "done"
    assert "Attached as a clip matte." in companion.view.shot.notes
    assert script.seat.left == []
    assert not script.logged


def test_when_the_plate_must_be_rendered_then_it_is_and_can_be_cancelled(companions, inside):
    companion, script = companions(), inside(path=None)
    until(lambda: companion.view.clip is not None)
    script.seat.all["a"].slow = 0.05
    companion.press("propagate", key="a")
    until(lambda: script.seat.left == ["render a"])
    companion.press("cancel", key="a")
    until(lambda: script.seat.left == [] and not companion.view.shot.working)
    assert companion.view.shot.sentence == "Stopped."
    script.seat.all["a"].slow = 0.0
    companion.press("propagate", key="a")
    until(lambda: "ready" in companion.view.shot.sentence, lambda: companion.view)


def test_when_all_marked_clips_are_pressed_then_resolve_renders_for_one_at_a_time(companions, inside):
    companion, script = companions(), inside(clips=("a", "b", "c"), path=None)
    until(lambda: companion.view.clip is not None)
    most = []
    notes = script.seat.note
    script.seat.note = lambda what: (notes(what), most.append(len(script.seat.left)))
    companion.press("propagate_marked")
    until(
        lambda: len(companion.view.shots) == 3 and all("ready" in one.sentence for one in companion.view.shots),
        lambda: companion.view,
    )
    assert max(most) == 1
    assert [one.name for one in companion.view.shots] == ["clip a", "clip b", "clip c"]


def test_when_one_clip_of_many_fails_then_the_others_go_on_and_it_says_why(companions, inside):
    companion, script = companions(), inside(clips=("a", "b"))
    until(lambda: companion.view.clip is not None)
    script.seat.all["a"].fails = HostError("The alpha of clip a is solid.", "Connect it.", frame=1001)
    companion.press("propagate_marked")
    until(lambda: len(companion.view.shots) == 2 and not any(one.working for one in companion.view.shots))
    failed, done = companion.view.shots
    assert (failed.error, failed.sentence, failed.hint) == (True, "The alpha of clip a is solid.", "Connect it.")
    assert "ready" in done.sentence
    assert script.seat.left == []


def test_when_buttons_are_pressed_then_resolve_has_what_they_say(companions, inside):
    companion, script = companions(), inside()
    until(lambda: companion.view.clip is not None)
    seat = script.seat
    companion.press("mark", key="a")
    until(lambda: companion.view.clip.keyframes == (1001, 1002))
    companion.press("unmark", key="a", frame=1001)
    until(lambda: companion.view.clip.keyframes == (1002,))
    companion.press("go_to", key="a", frame=1003)
    until(lambda: seat.playhead == 1003)
    companion.press("choose", key="a", name="results", value="fusion")
    until(lambda: companion.view.clip.choices[0].value == "fusion")
    companion.press("choose", key="a", name="nothing", value="fusion")
    until(lambda: companion.view.error and companion.view.said == "There is no choice nothing.")
    companion.press("render_again", key="a")
    until(lambda: "rendered again" in companion.view.said and not companion.view.error)
    companion.press("remove")
    until(lambda: seat.removed == 1 and "taken out" in companion.view.said)
    companion.press("propagate")
    until(lambda: companion.view.said == "No clip is under the playhead.")
    companion.press("diagnostics")
    until(lambda: "DaVinci Resolve Studio 20.3.2" in companion.view.diagnostics)
    companion.press("no such button")
    companion.press("refresh")
    until(lambda: companion.view.diagnostics == "")


def test_when_a_clip_is_deleted_then_the_window_goes_on(companions, inside):
    companion, script = companions(), inside(clips=("a", "b"))
    until(lambda: companion.view.clip is not None)
    script.seat.deleted.add("a")
    companion.press("propagate", key="a")
    until(lambda: companion.view.error)
    assert companion.view.said == "clip a is no longer there."
    companion.press("refresh")
    until(lambda: companion.view.clip.key == "b")


def test_when_another_timeline_is_opened_then_it_is_said_and_the_mattes_are_shown_once_it_is_back(
    companions, inside, daemon
):
    daemon.state.allowed = 2
    companion, script = companions(), inside(clips=("a", "b"))
    until(lambda: companion.view.clip is not None)
    companion.press("propagate", key="b")
    until(lambda: any("2 of 4" in shot.sentence for shot in companion.view.shots), lambda: companion.view)

    script.seat.deleted.add("b")
    script.seat.timeline = "Timeline 2"
    daemon.state.allowed = 99
    until(lambda: "clip b: not in the timeline" in companion.view.said, lambda: companion.view)
    companion.press("refresh")
    until(lambda: companion.view.about.timeline == "Timeline 2")

    script.seat.deleted.clear()
    script.seat.timeline = "Timeline 1"
    companion.press("refresh")
    until(lambda: any("ready" in shot.sentence for shot in companion.view.shots), lambda: companion.view)


def test_when_the_companion_dies_while_rendering_then_it_is_put_back_and_another_goes_on(companions, inside):
    first, script = companions(), inside(path=None)
    until(lambda: first.view.clip is not None)
    script.seat.all["a"].slow = 0.05
    first.press("propagate", key="a")
    until(lambda: script.seat.left == ["render a"])
    script.script._command = ("sleep", "0")  # the next one is started here
    first.end()
    second = companions()
    until(lambda: second.view.connected and second.view.clip is not None, lambda: script.said)
    assert script.seat.left == []
    script.seat.all["a"].slow = 0.0
    second.press("propagate", key="a")
    until(lambda: second.view.shot is not None and "ready" in second.view.shot.sentence, lambda: second.view)


def test_when_the_companion_dies_while_the_daemon_works_then_the_next_finds_the_job(companions, inside, daemon):
    daemon.state.allowed = 2
    first, script = companions(), inside()
    until(lambda: first.view.clip is not None)
    first.press("propagate", key="a")
    until(lambda: first.view.shot is not None and first.view.shot.done == 2)
    script.script._command = ("sleep", "0")
    first.end()
    second = companions()
    until(lambda: second.view.shot is not None and second.view.shot.working, lambda: script.said)
    daemon.state.allowed = 99
    until(lambda: "ready" in second.view.shot.sentence, lambda: second.view)
    assert script.seat.all["a"].shown[-1].complete


def test_when_the_script_dies_then_its_clips_are_opened_again_with_the_next_one(companions, inside, daemon, tmp_path):
    daemon.state.allowed = 2
    companion, script = companions(), inside()
    until(lambda: companion.view.clip is not None)
    companion.press("propagate", key="a")
    until(lambda: companion.view.shot is not None and companion.view.shot.done == 2)
    kept = script.seat.all["a"].project
    script.leave()
    until(lambda: not companion.view.connected)
    assert companion.view.said == "Resolve is no longer connected."
    assert companion.view.buttons == ("diagnostics",)
    companion.press("propagate", key="a")
    daemon.state.allowed = 99

    def seat():
        made = DrawnSeat(tmp_path / "out", path="/plate/p.%04d.exr")
        made.all["a"].project = kept
        return made

    again = Inside(seat)
    until(lambda: companion.view.shot is not None and "ready" in companion.view.shot.sentence, lambda: companion.view)
    assert again.seat.all["a"].shown[-1].complete
    again.leave()


def test_when_a_killed_script_left_things_then_the_next_puts_them_back(companions, inside, tmp_path):
    journal = tmp_path / "journal"
    journal.write_text("render a\n")
    companions()
    script = inside(journal=journal)
    until(lambda: "Put back: render a." in script.said)
    assert journal.read_text() == ""


def test_when_a_second_script_starts_while_the_first_renders_then_it_puts_nothing_back(companions, inside, tmp_path):
    journal = tmp_path / "journal"
    companion, first = companions(), inside(journal=journal, path=None)
    until(lambda: companion.view.clip is not None)
    first.seat.all["a"].slow = 0.2
    companion.press("propagate", key="a")
    until(lambda: journal.exists() and journal.read_text() == "render a\n")
    second = inside(journal=journal)
    second.thread.join(WAIT)
    assert journal.read_text() == "render a\n"
    assert not [line for line in second.said if "Put back" in line]


def test_when_resolve_is_blocked_then_the_window_says_so_and_goes_on_after(companions, inside, monkeypatch):
    monkeypatch.setattr("matted_resolve.companion._SLOW", 0.05)
    companion, script = companions(), inside()
    until(lambda: companion.view.clip is not None)
    script.seat.blocked.set()
    companion.press("mark", key="a")
    until(lambda: "dialog" in json.loads(companion.companion._browser.shown())["busy"])
    script.seat.blocked.clear()
    until(lambda: companion.view.clip.keyframes == (1001, 1002))
    assert json.loads(companion.companion._browser.shown())["busy"] == ""


def test_when_matted_is_chosen_again_then_the_first_window_comes_to_front(companions, inside):
    companion, first = companions(), inside()
    until(lambda: companion.view.clip is not None)
    second = inside()
    second.thread.join(WAIT)
    assert second.ended == 0
    assert any("open already" in line for line in second.said)
    until(lambda: len(companion.opened) == 2)
    assert first.ended is None


def test_when_resolve_is_gone_then_the_script_ends(companions, inside, monkeypatch):
    monkeypatch.setattr("matted_resolve.script._LOOKS", 0.0)
    companion, script = companions(), inside()
    until(lambda: companion.view.clip is not None)
    script.seat.is_alive = False
    script.thread.join(WAIT)
    assert script.ended == 0
    assert any("does not answer any more" in line for line in script.said)


def test_when_nobody_looks_then_script_and_companion_end(companions, inside):
    companion = companions(linger=0.15)
    script = inside()
    script.thread.join(WAIT)
    companion.thread.join(WAIT)
    assert script.ended == 0
    assert any("matted is closed" in line for line in script.said)
    assert not link.contact_file().exists()


def test_when_nobody_looks_but_mattes_are_made_then_they_stay_until_the_mattes_are_shown(companions, inside, daemon):
    daemon.state.allowed = 1
    companion, script = companions(linger=0.15), inside()
    until(lambda: companion.view.clip is not None)
    companion.press("propagate", key="a")
    until(lambda: companion.view.shot is not None and companion.view.shot.done == 1)
    time.sleep(1.0)
    assert script.ended is None
    daemon.state.allowed = 99
    script.thread.join(WAIT)
    assert script.seat.all["a"].shown[-1].complete


def test_when_the_companion_is_of_another_version_then_it_ends_and_another_is_started(companions, inside, monkeypatch):
    old = companions()
    told = link.read_contact(link.contact_file())
    assert told is not None
    monkeypatch.setattr("matted_resolve.link.version", lambda: "2")
    script = inside(command=("sleep", "0"))
    old.thread.join(WAIT)
    new = companions()
    until(lambda: new.view.connected, lambda: script.said)


def test_when_the_companion_cannot_be_started_then_it_is_said_and_where_its_log_is(inside, monkeypatch):
    script = inside(command=("false",))
    script.thread.join(WAIT)
    assert script.ended == 1
    assert any(str(start.log_file()) in line for line in script.said)
    nowhere = inside(command=())
    nowhere.thread.join(WAIT)
    assert any("install.py resolve" in line for line in nowhere.said)
    missing = inside(command=("/no/such/python",))
    missing.thread.join(WAIT)
    assert any("/no/such/python" in line for line in missing.said)


def test_when_the_companion_is_started_then_nothing_of_resolves_python_reaches_it():
    before = {
        "PYTHONHOME": "x", "PYTHONPATH": "x", "LD_LIBRARY_PATH": "x", "DYLD_INSERT_LIBRARIES": "x", "QT_PLUGIN_PATH": "x",
        "FUSION_Python3_Home": "x", "PYTHON3HOME": "x", "PATH": "/bin", "OCIO": "/ocio", "DISPLAY": ":0",
    }  # fmt: skip
    after = start.environment(before)
    assert {name: after[name] for name in ("PATH", "OCIO", "DISPLAY")} == {
        "PATH": "/bin",
        "OCIO": "/ocio",
        "DISPLAY": ":0",
    }
    assert (Path(after["PYTHONPATH"]) / "matted_resolve").is_dir()
    assert set(after) - {"PATH", "OCIO", "DISPLAY"} == {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}


@pytest.mark.parametrize(
    "call",
    [
        {"call": "eval", "arguments": {}}, {"call": "__init__", "arguments": {}}, {"call": "_do", "arguments": {}},
        {"call": "about", "arguments": None}, {"call": "about", "arguments": {"x": 1}}, {"call": None},
        {"call": "clips", "arguments": {"which": "all"}}, {"call": "render_step", "arguments": {"token": 9}},
        {"call": "read", "arguments": {}}, {"call": "read", "arguments": {"clip": 3}}, {"call": "signature", "arguments": {"clip": "a"}},
        {"call": "read", "arguments": {"clip": "z"}},
    ],
    ids=str,
)  # fmt: skip
def test_when_a_call_makes_no_sense_then_its_answer_is_an_error(tmp_path, call):
    logged = []
    answer = Answers(DrawnSeat(tmp_path), logged.append).answer({"number": 3, **call})
    assert answer["number"] == 3
    assert answer["error"]["message"]


def test_when_two_companions_are_started_then_the_second_ends(tmp_path):
    first = alone(tmp_path / "companion.lock")
    assert first is not None
    with closing(first):
        assert alone(tmp_path / "companion.lock") is None
    again = alone(tmp_path / "companion.lock")
    assert again is not None
    again.close()


def in_studio(machine):
    """Makes the window of a stand-in Resolve."""
    return lambda press: window.make(Session(machine.resolve, machine.fusion, machine.bmd), press)


def test_when_studio_shows_windows_then_presses_there_do_what_they_do_on_the_page(companions, inside):
    machine = Machine(Profile("studio", (20, 3, 2)))
    machine.screen.ticks = 10**9
    companion, script = companions(), inside(make_window=in_studio(machine))
    until(lambda: companion.view.clip is not None and machine.screen.running)
    until(lambda: machine.screen.shown("clip").attrs["Text"].startswith("clip a"))
    assert companion.opened == []
    machine.screen.plan.append(lambda: machine.screen.click("mark"))
    until(lambda: companion.view.clip.keyframes == (1001, 1002))
    until(lambda: "1001, 1002" in machine.screen.shown("clip").attrs["Text"])
    machine.screen.plan.append(lambda: machine.screen.click("propagate"))
    until(lambda: "ready" in machine.screen.shown("work").attrs["Text"])
    machine.screen.plan.append(lambda: machine.screen.close(window.ID))
    script.thread.join(WAIT)
    assert script.ended == 0
    assert machine.screen.facts() == {"windows": [], "timers": 0}
    assert not machine.screen.errors
    assert companion.opened == []


def test_when_the_window_is_closed_while_mattes_are_made_then_the_script_stays_until_they_are_shown(
    companions, inside, daemon
):
    daemon.state.allowed = 1
    machine = Machine(Profile("studio", (20, 3, 2)))
    machine.screen.ticks = 10**9
    companion, script = companions(linger=0.15), inside(make_window=in_studio(machine))
    until(lambda: companion.view.clip is not None and machine.screen.running)
    companion.press("propagate", key="a")
    until(lambda: companion.view.shot is not None and companion.view.shot.done == 1)
    machine.screen.plan.append(lambda: machine.screen.close(window.ID))
    until(lambda: not machine.screen.running)
    daemon.state.allowed = 99
    script.thread.join(WAIT)
    assert script.seat.all["a"].shown[-1].complete


def test_when_the_windows_clock_never_goes_then_the_page_is_opened(companions, inside, monkeypatch):
    monkeypatch.setattr("matted_resolve.companion._TICKING", 0.1)
    machine = Machine(Profile("studio", (20, 3, 2)))
    machine.screen.patience = WAIT
    monkeypatch.setattr(machine.screen, "_tick", lambda: False)
    companion, script = companions(), inside(make_window=in_studio(machine))
    until(lambda: companion.opened)
    machine.screen.plan.append(lambda: machine.screen.close(window.ID))
    until(lambda: companion.view.clip is not None)  # it waited for the script's first answer
    assert any("goes on in your browser" in line for line in script.said)
    companion.press("mark", key="a")
    until(lambda: companion.view.clip.keyframes == (1001, 1002))


def test_when_matted_is_chosen_again_then_the_window_in_resolve_comes_to_front(companions, inside):
    machine = Machine(Profile("studio", (20, 3, 2)))
    machine.screen.ticks = 10**9
    companion, script = companions(), inside(make_window=in_studio(machine))
    until(lambda: companion.view.clip is not None and machine.screen.running)
    raised = len([call for call in machine.calls if "Raise" in str(call)])
    second = inside()
    second.thread.join(WAIT)
    until(lambda: len([call for call in machine.calls if "Raise" in str(call)]) > raised)
    assert companion.opened == []
    script.leave()


def test_when_the_companion_dies_behind_the_window_then_the_window_goes_on_with_another(companions, inside):
    machine = Machine(Profile("studio", (20, 3, 2)))
    machine.screen.ticks = 10**9
    first, script = companions(), inside(make_window=in_studio(machine))
    until(lambda: first.view.clip is not None and machine.screen.running)
    script.script._command = ("sleep", "0")
    first.end()
    second = companions()
    until(lambda: second.view.clip is not None)
    machine.screen.plan.append(lambda: machine.screen.click("mark"))
    until(lambda: second.view.clip.keyframes == (1001, 1002))
    script.leave()


@pytest.mark.parametrize("broken", ["show", "run"])
def test_when_the_window_breaks_then_the_page_goes_on(companions, inside, broken):
    machine = Machine(Profile("studio", (20, 3, 2)))
    machine.screen.ticks = 10**9

    def breaking(press):
        made = in_studio(machine)(press)
        whole = made.show

        def fails(*_):
            setattr(made, broken, whole)
            raise AttributeError("no such element")

        setattr(made, broken, fails)
        return made

    companion, script = companions(), inside(make_window=breaking)
    until(lambda: companion.view.clip is not None)
    until(lambda: companion.opened)
    companion.press("mark", key="a")
    until(lambda: companion.view.clip.keyframes == (1001, 1002))
    assert any("no such element" in text for text in script.logged)
    script.leave()


def test_when_the_console_knows_ascii_alone_or_is_gone_then_nothing_is_raised(monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
    monkeypatch.setattr(sys, "stdout", console)
    tell("Öffne plate_é.mov")
    assert console.buffer.getvalue() == b"\\xd6ffne plate_\\xe9.mov\n"
    console.close()
    tell("still here")
