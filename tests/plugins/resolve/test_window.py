"""The two windows: in Resolve and in the browser. Both show the same view and press the same things."""

import http.client
import json
import threading
import time
from contextlib import closing
from queue import Queue

import pytest

from fakes.resolve import Machine, Profile
from matted_resolve.browser import Browser
from matted_resolve.host import window
from matted_resolve.host.session import Session
from matted_resolve.seat import About, Card, Choice
from matted_resolve.view import PRESSES, Press, Shot, View
from matted_resolve.wireform import from_wire, to_wire

CARD = Card(
    "c1", "shot.mov", "Read from disk.", (1001, 1004), (1001, 1003), ("hero",),
    (Choice("results", "Mattes become", "clip matte", ("clip matte", "fusion")), Choice("objects", "Objects", "hero=alpha")),
)  # fmt: skip
SHOT = Shot("c1", "shot.mov", "4 mattes are ready.", suggestions=((1002, "matte is 58% sure"),), folder="/m/v001")
VIEW = View(
    connected=True, about=About("DaVinci Resolve Studio", "20.3.2", "color"), lamp="on", clip=CARD, shot=SHOT,
    shots=(SHOT,), selected=2, buttons=PRESSES, said="Marked.",
)  # fmt: skip
STUDIO = Profile("studio", (20, 3, 2))


def seen(machine, id, field="Text"):
    return machine.screen.shown(id).attrs[field]


class Opened:
    """A window in a stand-in Resolve; ``plan`` is what the artist does in it before closing it."""

    def __init__(self, machine, view=VIEW):
        self.machine, self.pressed = machine, []
        session = Session(machine.resolve, machine.fusion, machine.bmd)
        self.window = window.make(session, lambda told: self.pressed.append(from_wire(Press, told)))
        self.view = view
        self.turns = 0

    def run(self, *plan, turn=lambda: True, closes=True):
        def turning():
            self.turns += 1
            if self.turns == 1:
                self.window.show(to_wire(self.view))
                self.machine.screen.plan.extend(plan)
                if closes:
                    self.machine.screen.plan.append(lambda: self.machine.screen.close(window.ID))
            return turn()

        ran = self.window.run(turning)
        assert not self.machine.screen.errors, self.machine.screen.errors
        assert self.machine.screen.facts() == {"windows": [], "timers": 0}
        assert not self.machine.unknown
        return ran


@pytest.mark.parametrize("form", ["property", "call"])
@pytest.mark.parametrize("loop", ["dispatcher", "named", "steps"])
@pytest.mark.parametrize("close", ["event", "silent"])
def test_when_studio_answers_then_its_window_shows_the_view(form, loop, close):
    clock = {"ui_timer": False, "step_loop": True} if loop == "steps" else {"ui_timeouts": loop}
    machine = Machine(Profile("studio", (21, 0, 0), ui_form=form, ui_close=close, **clock))
    opened = Opened(machine)
    texts = {}

    def look():
        for id in ("where", "said", "clip", "work"):
            texts[id] = seen(machine, id)
        texts["rows"] = [[row.texts[0], row.texts[1]] for row in machine.screen.shown("suggestions").rows]
        texts["list"] = seen(machine, "pick0", "CurrentText"), seen(machine, "text1"), seen(machine, "pick1", "Hidden")

    assert opened.run(look)
    assert "DaVinci Resolve Studio 20.3.2, color page" in texts["where"]
    assert texts["said"] == "Marked."
    assert "shot.mov, frames 1001 to 1004" in texts["clip"] and "1001, 1003" in texts["clip"]
    assert texts["work"] == "4 mattes are ready."
    assert texts["rows"] == [["1002", "matte is 58% sure"]]
    assert texts["list"] == ("clip matte", "hero=alpha", True)


def test_when_buttons_are_pressed_then_they_say_what_the_page_says():
    machine = Machine(STUDIO)
    screen = machine.screen
    opened = Opened(machine)
    names = [one for one in window.BUTTONS if one != "remove"]
    opened.run(
        *(lambda name=name: screen.click(name) for name in names),
        lambda: screen.click("remove"),
        lambda: screen.click("remove"),
        lambda: screen.pick("suggestions", 0),
        lambda: screen.click("dismiss"),
        lambda: screen.type("pick0", "fusion"),
        lambda: screen.type("text1", "hero=Saver1"),
    )
    assert opened.pressed == [
        *(Press(name, "c1") for name in names),
        Press("remove", "c1"),
        Press("go_to", "c1", 1002),
        Press("dismiss", "c1", 1002),
        Press("choose", "c1", name="results", value="fusion"),
        Press("choose", "c1", name="objects", value="hero=Saver1"),
    ]


def test_when_a_view_sets_fields_then_nothing_is_pressed():
    """Resolve tells of what a script sets as if the artist had done it."""
    machine = Machine(STUDIO)
    opened = Opened(machine)
    others = Card("c2", "other.mov", choices=(Choice("results", "Mattes become", "fusion", ("clip matte", "fusion")),))
    opened.run(lambda: opened.window.show(to_wire(View(connected=True, clip=others, buttons=PRESSES))), lambda: None)
    assert opened.pressed == []


def test_when_a_button_cannot_be_pressed_then_it_is_grey():
    machine = Machine(STUDIO)
    opened = Opened(machine, View(buttons=("diagnostics",)))
    opened.run(lambda: machine.screen.click("propagate"), lambda: machine.screen.click("diagnostics"))
    assert opened.pressed == [Press("diagnostics")]


def test_when_the_script_ends_then_the_window_goes():
    machine = Machine(STUDIO)
    opened = Opened(machine)
    assert opened.run(turn=lambda: opened.turns < 5, closes=False)
    assert opened.turns == 5


def test_when_the_clock_never_goes_then_closing_the_window_says_so():
    machine = Machine(STUDIO)
    opened = Opened(machine)
    machine.screen.plan.append(lambda: machine.screen.timers.clear())
    machine.screen.plan.append(lambda: machine.screen.close(window.ID))
    opened.window._timer = type("Timer", (), {"Start": lambda self: None, "Stop": lambda self: None})()
    assert opened.window.run(lambda: True) is False


@pytest.mark.parametrize("version", [(18, 6, 6), (19, 1, 3), (20, 3, 2), (21, 0, 0)], ids=str)
def test_when_it_is_the_free_edition_then_its_window_manager_is_never_touched(version):
    machine = Machine(Profile("free", version))
    session = Session(machine.resolve, machine.fusion, machine.bmd)
    assert window.make(session, print) is None
    assert not [call for call in machine.calls if "UI" in str(call)]
    assert machine.modal is None


def test_when_there_is_neither_timer_nor_steps_then_there_is_no_window():
    machine = Machine(Profile("studio", (20, 3, 2), ui_timer=False, step_loop=False))
    assert window.make(Session(machine.resolve, machine.fusion, machine.bmd), print) is None
    machine = Machine(STUDIO)
    assert window.make(Session(machine.resolve, None, None), print) is None


# The page


@pytest.fixture
def page():
    pressed = Queue()
    browser = Browser(pressed.put, lambda view: view)
    yield browser, pressed
    browser.close()


def asked(browser, method="GET", what="", body=None, **headers):
    with closing(http.client.HTTPConnection("127.0.0.1", browser.port, timeout=10)) as connection:
        path = what if what.startswith("/") else f"/{browser.secret}/{what}"
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers


def test_when_the_page_is_asked_for_then_it_comes_whole_and_closed_to_the_outside(page):
    browser, _ = page
    browser.publish(View(said="</script><script>alert(1)</script>"))
    status, content, headers = asked(browser)
    assert status == 200
    text = content.decode()
    assert "<title>matted</title>" in text
    assert "</script><script>alert" not in text
    assert not [word for word in ("http://", "https://", "src=", "@import") if word in text]
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_when_views_change_then_the_page_is_told_and_a_closed_one_is_missed(page):
    browser, _ = page
    with closing(http.client.HTTPConnection("127.0.0.1", browser.port, timeout=10)) as connection:
        connection.request("GET", f"/{browser.secret}/views")
        answer = connection.getresponse()
        assert from_wire(View, json.loads(answer.readline()[6:])) == View()
        assert browser.open
        browser.publish(VIEW)
        answer.readline()
        assert from_wire(View, json.loads(answer.readline()[6:])) == VIEW
        answer.close()
    end = time.monotonic() + 20
    number = 0
    while browser.open:
        browser.publish(View(said=str(number := number + 1)))
        assert time.monotonic() < end
        time.sleep(0.01)
    assert browser.left > 0


@pytest.mark.parametrize(
    "press",
    [Press("propagate", "c1"), Press("go_to", "c1", 1002), Press("choose", "c1", name="a", value="b")],
    ids=lambda one: one.press,
)
def test_when_the_page_presses_then_it_is_taken(page, press):
    browser, pressed = page
    assert asked(browser, "POST", "press", json.dumps(to_wire(press)))[0] == 204
    assert pressed.get(timeout=10) == press


@pytest.mark.parametrize(
    ("method", "what", "body", "headers", "status"),
    [
        ("GET", "/", None, {}, 403),
        ("GET", "/wrong/", None, {}, 403),
        ("POST", "/wrong/press", "{}", {}, 403),
        ("GET", "", None, {"Host": "evil.example"}, 403),
        ("GET", "", None, {"Origin": "http://evil.example"}, 403),
        ("POST", "press", '{"press": "remove"}', {"Origin": "http://evil.example"}, 403),
        ("POST", "press", '{"press": "remove"}', {"Origin": "null"}, 403),
        ("GET", "other", None, {}, 404),
        ("GET", "../../etc/passwd", None, {}, 404),
        ("POST", "press", "{", {}, 400),
        ("POST", "press", "[]", {}, 400),
        ("POST", "press", '{"press": 3}', {}, 400),
        ("POST", "press", '{"press": "remove", "more": 1}', {}, 400),
        ("POST", "press", "x" * 70_000, {}, 400),
        ("POST", "press", None, {"Content-Length": "-1"}, 400),
        ("POST", "press", None, {"Content-Length": "many"}, 400),
        ("POST", "views", "{}", {}, 400),
        ("DELETE", "", None, {}, 501),
    ],
    ids=str,
)  # fmt: skip
def test_when_anybody_else_asks_then_they_get_nothing(page, method, what, body, headers, status):
    browser, pressed = page
    answer, content, _ = asked(browser, method, what, body, **headers)
    assert answer == status
    assert browser.secret.encode() not in content
    assert pressed.empty()


def test_when_a_stranger_holds_connections_then_the_page_still_comes(page):
    browser, _ = page
    held = [http.client.HTTPConnection("127.0.0.1", browser.port) for _ in range(5)]
    for one in held:
        one.connect()
    assert asked(browser)[0] == 200
    for one in held:
        one.close()


def test_when_many_threads_press_then_every_press_comes(page):
    browser, pressed = page
    body = json.dumps(to_wire(Press("refresh")))
    threads = [threading.Thread(target=asked, args=(browser, "POST", "press", body)) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert pressed.qsize() == 8
