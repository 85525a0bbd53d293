"""The panel as an artist uses it: real PySide6 without a screen, in the stand-in Nuke, with a stand-in daemon."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

os.environ["QT_QPA_PLATFORM"] = "offscreen"
QtWidgets = pytest.importorskip("PySide6.QtWidgets")
shiboken6 = pytest.importorskip("shiboken6")

from PySide6.QtCore import Qt  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402

from fakes.daemon import FakeDaemon  # noqa: E402
from fakes.drawn_plate import FIRST, LAST  # noqa: E402
from fakes.nuke_shot import NukeShot  # noqa: E402

SUGGESTED = [[1003, "object looks unlike every keyframe"], [1006, "matte is 40% sure"], [1009, "matte is 50% sure"]]
PANEL = "com.matted.panel"


class Desk:
    """A started Nuke with its panel open."""

    def __init__(self, shot):
        from matted_nuke import buttons, panel

        self.shot, self.host, self.buttons, self.module = shot, shot.host, buttons, panel
        panel.show()
        self.panel = self.host.open_panels[PANEL]
        self.panel.resize(320, 800)
        self.panel.show()
        self.daemon = buttons.desk().daemon
        self.daemon.command = (sys.executable, "-c", "raise SystemExit('there is no daemon in this test')")

    def close(self):
        self.buttons.desk().close()
        self.panel.close()
        self.module._clocks.clear()

    def make(self):
        """A Matted node, made with the panel's button."""
        self.shot.draw()
        self.panel.new.click()
        return self.flow

    @property
    def flow(self):
        return self.buttons.desk().workflows[0]

    def sees(self, until):
        """Let Nuke and the panel run until something is so."""
        self.host.pump(30, until=until)

    def turn(self):
        """One look of the panel."""
        self.panel.refresh()
        self.host.pump(0.01)

    def click(self, frames, row):
        item = frames.item(row)
        QTest.mouseClick(frames.viewport(), Qt.MouseButton.LeftButton, pos=frames.visualItemRect(item).center())


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setenv("MATTED_CONNECTION_FILE", str(tmp_path / "daemon.json"))
    monkeypatch.setattr("matted_protocol.client._GRACE", 0.1)  # nobody else starts a daemon here
    with NukeShot(tmp_path) as shot:
        made = Desk(shot)
        yield made
        made.close()


def numbers(frames):
    return [int(frames.item(row).text().split()[0]) for row in range(frames.count())]


def words(label):
    return label.toPlainText() if label.isVisible() else ""


# The empty state


def test_when_no_node_is_in_use_then_it_says_what_to_do_and_offers_to_make_one(desk):
    assert desk.panel.empty.isVisible()
    assert not desk.panel.shot.isVisible()
    assert "press New Matted node" in words(desk.panel.empty.findChild(QtWidgets.QTextEdit))

    desk.make()
    desk.turn()

    assert desk.panel.shot.isVisible()
    assert not desk.panel.empty.isVisible()
    assert desk.panel.shots.currentText() == "Matted1"
    assert desk.panel.objects.text() == "hero"
    assert desk.host.artist.input("Matted1", 0) == "Read1"


def test_when_the_plugin_cannot_work_here_then_the_panel_says_why_and_nothing_is_raised(desk, monkeypatch):
    from matted_nuke import vendor

    def use():
        raise vendor.Unusable("wire_missing", "There is no pyzmq for this Python.", "Install it again.")

    monkeypatch.setattr(vendor, "use", use)
    broken = desk.module.Panel()
    told = broken.findChild(QtWidgets.QTextEdit).toPlainText()

    assert "There is no pyzmq for this Python.\nInstall it again." in told
    assert "nuke.log" in told


# The connection


def test_when_the_connection_comes_and_goes_then_lamp_word_and_endpoint_say_so(desk, tmp_path):
    seen = [desk.panel.lamp_word.text()]
    with FakeDaemon(tmp_path / "daemon.json") as daemon:
        daemon.deaf.add("hello")
        desk.panel.test.click()
        desk.sees(lambda: desk.daemon.lamp == "connecting")
        desk.turn()
        seen.append(desk.panel.lamp_word.text())
        assert not desk.panel.test.isEnabled()
        daemon.deaf.clear()
        daemon.drop_clients()
        desk.sees(lambda: desk.panel.lamp_word.text() == "Connected")
        seen.append(desk.panel.lamp_word.text())
        assert "tcp://127.0.0.1:" in words(desk.panel.endpoint)
        desk.sees(desk.panel.test.isEnabled)
        assert not words(desk.panel.why)
    desk.sees(lambda: desk.panel.lamp_word.text() == "No connection")
    seen.append(desk.panel.lamp_word.text())

    assert seen == ["Not connected yet", "Connecting", "Connected", "No connection"]
    assert desk.daemon.why.message in words(desk.panel.why)
    assert str(desk.daemon.log) in words(desk.panel.why)


def test_when_each_lamp_is_painted_then_its_colour_is_another_one(desk):
    colours = set()
    for _, colour in desk.module._LAMPS.values():
        desk.panel.lamp.set_colour(colour)
        image = desk.panel.lamp.grab().toImage()
        colours.add(image.pixelColor(image.width() // 2, image.height() // 2).name())

    assert colours == {colour for _, colour in desk.module._LAMPS.values()}


def test_when_the_daemon_cannot_be_started_then_the_test_says_why_and_where_the_log_is(desk):
    desk.panel.test.click()
    desk.sees(lambda: words(desk.panel.why))

    assert "there is no daemon in this test" in words(desk.panel.why)
    assert str(desk.daemon.log) in words(desk.panel.why)
    assert desk.panel.lamp_word.text() == "No connection"


def test_when_the_connection_is_tested_then_the_main_thread_does_not_wait(desk, monkeypatch):
    threads = []
    monkeypatch.setattr(desk.daemon, "client", lambda: threads.append(threading.current_thread()))
    desk.panel.test.click()
    desk.sees(lambda: threads)

    assert threads[0] is not threading.main_thread()


# Keyframes


def test_when_the_roto_is_keyed_then_its_keyframes_are_listed_and_a_double_click_goes_there(desk):
    desk.make()
    keyframes = desk.panel.keyframes
    assert numbers(keyframes) == [FIRST, LAST]
    assert desk.panel.keyframes_title.text() == "Keyframes (roto)"

    keyframes.itemDoubleClicked.emit(keyframes.item(1))

    assert desk.host.module.frame() == LAST


def test_when_a_frame_is_added_and_one_removed_then_list_and_node_have_it(desk):
    desk.make()
    desk.host.module.frame(1005)
    desk.panel.add.click()

    assert numbers(desk.panel.keyframes) == [FIRST, 1005, LAST]
    assert desk.panel.keyframes_title.text() == "Keyframes (typed)"
    assert not desk.panel.remove.isEnabled()

    desk.click(desk.panel.keyframes, 0)
    desk.panel.remove.click()

    assert numbers(desk.panel.keyframes) == [1005, LAST]
    assert desk.host.artist.knob("Matted1", "keyframes") == f"1005 {LAST}"

    desk.panel.find_in_roto.click()

    assert numbers(desk.panel.keyframes) == [FIRST, LAST]
    assert words(desk.panel.status) == "2 keyframes found."


def test_when_nothing_is_pressed_or_typed_then_the_roto_is_not_read_again(desk, monkeypatch):
    flow = desk.make()
    read, reads = flow.host.read_keyframes, []
    monkeypatch.setattr(flow.host, "read_keyframes", lambda: reads.append(1) or read())
    for _ in range(5):
        desk.turn()
    assert reads == []

    desk.host.artist.set("Matted1", "keyframes", "1002 1004")
    desk.turn()

    assert len(reads) == 1
    assert numbers(desk.panel.keyframes) == [1002, 1004]


def test_when_the_keyframes_make_no_sense_then_the_panel_says_why(desk):
    desk.make()
    desk.host.artist.set("Matted1", "keyframes", "ten")
    desk.turn()

    assert numbers(desk.panel.keyframes) == []
    assert "Correct it in the knob keyframes." in words(desk.panel.keyframes_why)


# Suggestions


@pytest.fixture
def suggested(desk):
    flow = desk.make()
    flow.state.suggestions = SUGGESTED
    desk.turn()
    return flow


def test_when_a_suggestion_is_clicked_then_nuke_goes_there(desk, suggested):
    assert numbers(desk.panel.suggestions) == [1003, 1006, 1009]
    assert desk.panel.suggestions.item(1).text() == "1006   Matte is 40% sure"

    desk.click(desk.panel.suggestions, 1)

    assert desk.host.module.frame() == 1006


def test_when_a_suggestion_is_dismissed_then_it_stays_away_and_the_next_is_selected(desk, suggested):
    assert not desk.panel.dismiss.isEnabled()
    desk.click(desk.panel.suggestions, 1)
    desk.panel.dismiss.click()

    assert numbers(desk.panel.suggestions) == [1003, 1009]
    assert suggested.state.dismissed == [1006]
    assert desk.panel.suggestions.frame() == 1009


def test_when_a_list_changes_then_the_selected_frame_stays_selected(desk, suggested):
    desk.panel.suggestions.setCurrentRow(1)
    desk.panel.keyframes.setCurrentRow(1)
    suggested.state.suggestions = [[1008, "matte is 20% sure"], *SUGGESTED]
    desk.host.artist.set("Matted1", "keyframes", f"1001 1002 {LAST}")
    desk.turn()

    assert (desk.panel.suggestions.frame(), desk.panel.suggestions.currentRow()) == (1006, 2)
    assert (desk.panel.keyframes.frame(), desk.panel.keyframes.currentRow()) == (LAST, 2)


def test_when_nothing_changes_then_no_widget_is_touched(desk, suggested):
    desk.turn()
    touched = []
    for frames in (desk.panel.keyframes, desk.panel.suggestions):
        frames.model().modelReset.connect(lambda: touched.append("list"))
        frames.model().rowsInserted.connect(lambda *_: touched.append("list"))
    for text in desk.panel.findChildren(QtWidgets.QTextEdit):
        text.textChanged.connect(lambda: touched.append("text"))
    for line in desk.panel.findChildren(QtWidgets.QLineEdit):
        line.textChanged.connect(lambda _: touched.append("line"))
    desk.panel.bar.valueChanged.connect(lambda _: touched.append("bar"))
    for _ in range(3):
        desk.turn()

    assert touched == []


# Progress, errors, buttons


def enabled(panel):
    return [one for one in ("propagate", "suggest", "to_roto", "cancel") if getattr(panel, one).isEnabled()]


def test_when_a_shot_is_new_then_only_propagate_can_be_pressed(desk):
    desk.make()

    assert enabled(desk.panel) == ["propagate"]
    assert words(desk.panel.status) == "Draw a roto on a few frames, then press Propagate."


def test_when_the_daemon_is_at_work_then_words_bar_and_time_left_say_how_far(desk):
    flow = desk.make()
    flow.state.job_state = "running"
    flow.report = type(flow.report)("Making mattes: 3 of 12.", "", False, "Making mattes", 3, 12, 100.0, ("A note.",))
    desk.turn()

    assert words(desk.panel.status) == "Making mattes: 3 of 12. About 2 min left."
    assert (desk.panel.bar.value(), desk.panel.bar.maximum()) == (3, 12)
    assert words(desk.panel.notes) == "A note."
    assert enabled(desk.panel) == ["cancel"]


def test_when_mattes_are_made_then_every_button_of_the_panel_works(desk, tmp_path):
    flow = desk.make()
    with FakeDaemon(tmp_path / "daemon.json") as daemon:
        daemon.state.allowed = 4
        desk.panel.propagate.click()
        assert enabled(desk.panel) == ["cancel"]
        desk.sees(lambda: desk.panel.bar.value() == 4)
        assert words(desk.panel.status).startswith("Making mattes: 4 of 12.")
        desk.panel.cancel.click()
        desk.sees(lambda: enabled(desk.panel) == ["propagate", "suggest", "to_roto"])
        assert "cancel" in [kind for kind, _ in daemon.seen]
        assert flow.state.job_state == "cancelled"
        daemon.state.allowed = 1 << 30
        desk.panel.propagate.click()
        desk.sees(lambda: words(desk.panel.status).startswith("12 mattes are ready"))

    assert desk.panel.bar.value() == desk.panel.bar.maximum() == 12
    assert desk.panel.folder.toolTip() == flow.state.folder
    assert not words(desk.panel.error)


def test_when_propagate_fails_then_the_error_box_says_what_to_do_and_can_be_selected(desk):
    desk.make()
    desk.host.artist.connect("Matted1", 0, None)
    desk.panel.propagate.click()
    desk.sees(lambda: words(desk.panel.error))

    assert words(desk.panel.error) == "Matted1 has no plate.\nConnect the plate to its first input."
    assert desk.panel.error.textInteractionFlags() & Qt.TextInteractionFlag.TextSelectableByMouse
    assert enabled(desk.panel) == ["propagate"]


def test_when_a_button_fails_then_the_panel_says_so_until_the_next_one(desk):
    desk.make()
    desk.host.artist.connect("Matted1", 0, None)
    desk.panel.add.click()
    assert "Connect the plate" in words(desk.panel.error)

    desk.host.artist.connect("Matted1", 0, "Read1")
    desk.panel.add.click()

    assert not words(desk.panel.error)
    assert desk.host.messages == []


def test_when_something_unexpected_happens_then_the_panel_names_it_and_the_log(desk, monkeypatch):
    desk.make()

    def jump(frame):
        raise KeyError("frame")

    monkeypatch.setattr(desk.buttons, "jump", jump)
    desk.panel.keyframes.itemDoubleClicked.emit(desk.panel.keyframes.item(0))

    assert "Something unexpected happened: KeyError" in words(desk.panel.error)
    assert "nuke.log" in words(desk.panel.error)


def test_when_copy_diagnostics_is_pressed_then_they_are_on_the_clipboard(desk):
    desk.make()
    desk.panel.diagnostics.click()
    told = QtWidgets.QApplication.clipboard().text()

    assert desk.panel.diagnostics.text() == "Copied"
    assert told.startswith("nuke 16.0")
    assert "Matted1" in told


def test_when_a_path_is_long_then_it_is_elided_and_a_click_shows_all_of_it(desk):
    desk.make()
    path = "/shows/demo/sequence/shot/comp/matted/sh010_comp_v0031/Matted1"
    desk.host.artist.set("Matted1", "out", path)
    desk.turn()
    shown = desk.panel.folder
    assert "…" in shown.text()
    assert shown.toolTip() == path

    desk.panel.activateWindow()
    shown.setFocus()
    desk.sees(lambda: shown.selectedText() == path)
    desk.panel.log.setFocus()

    assert "…" in shown.text()


# Nodes come and go


def test_when_the_node_is_deleted_then_the_panel_is_empty_again(desk):
    desk.make()
    desk.host.artist.delete("Matted1")
    desk.turn()

    assert desk.panel.empty.isVisible()
    assert desk.host.printed == []


def test_when_the_node_goes_while_the_panel_looks_then_the_next_look_is_right(desk, monkeypatch):
    flow = desk.make()

    def gone():
        desk.host.artist.delete("Matted1")
        return flow.host.group

    monkeypatch.setattr(flow.host, "read_out", gone)
    desk.turn()
    desk.turn()

    assert desk.panel.empty.isVisible()


def test_when_a_node_is_renamed_then_the_chooser_follows(desk):
    desk.make()
    desk.host.artist.rename("Matted1", "Hero")
    desk.turn()

    assert desk.panel.shots.currentText() == "Hero"


def test_when_another_shot_is_chosen_then_its_objects_are_shown(desk):
    desk.make()
    desk.host.choose("Nuke", "Matted/Matted node")
    desk.host.artist.set("Matted2", "objects", "hero car=car.alpha")
    desk.host.artist.select([])
    desk.turn()
    assert desk.panel.shots.currentText() == "Matted1"

    desk.panel.shots.setCurrentIndex(1)
    desk.panel.shots.activated.emit(1)
    desk.turn()

    assert desk.panel.shots.currentText() == "Matted2"
    assert desk.panel.objects.text() == "hero, car"


def test_when_the_panel_is_asked_for_again_then_there_is_still_one_on_the_node_asked_for(desk):
    desk.make()
    desk.host.choose("Nuke", "Matted/Matted node")
    desk.host.press("Matted2", "show_panel")
    desk.turn()

    assert desk.host.open_panels == {PANEL: desk.panel}
    assert len(desk.module._panels) == 1
    assert desk.panel.shots.currentText() == "Matted2"


def test_when_the_panel_is_behind_another_tab_then_asking_for_it_brings_it_to_the_front(desk):
    tabs = QtWidgets.QTabWidget()
    tabs.addTab(QtWidgets.QWidget(), "Properties")
    page = QtWidgets.QWidget()
    QtWidgets.QVBoxLayout(page).addWidget(desk.panel)
    tabs.addTab(page, "Matted")
    desk.module.show()

    assert tabs.currentWidget() is page
    desk.panel.setParent(None)


def test_when_the_panel_was_closed_with_its_tab_then_asking_for_it_opens_another(desk):
    closed = desk.panel
    shiboken6.delete(closed)
    desk.host.panes.discard(PANEL)
    desk.module.show()
    desk.panel = desk.host.open_panels[PANEL]

    assert desk.panel is not closed
    assert desk.module._living() == [desk.panel]
    desk.host.pump(0.5)
    assert desk.host.printed == []


def test_when_the_panel_opens_in_a_limited_edition_then_selected_nodes_are_not_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("MATTED_CONNECTION_FILE", str(tmp_path / "daemon.json"))
    with NukeShot(tmp_path, edition="nc") as shot:
        shot.host.artist.select([shot.host.artist.node("NoOp") for _ in range(12)])
        made = Desk(shot)

        assert shot.host.handles == 0
        made.close()


def test_when_a_look_goes_wrong_then_it_is_told_once_and_the_panel_goes_on(desk, monkeypatch):
    flow = desk.make()
    monkeypatch.setattr(flow.host, "read_out", lambda: 1 / 0)
    desk.sees(lambda: any("ZeroDivisionError" in line for line in desk.host.printed))
    desk.host.pump(0.6)
    assert len([line for line in desk.host.printed if "ZeroDivisionError" in line]) == 1

    monkeypatch.undo()
    flow.report.notes = ("It goes on.",)
    desk.sees(lambda: words(desk.panel.notes) == "It goes on.")


# Sizes


@pytest.mark.parametrize("width", [260, 500])
def test_when_the_dock_is_narrow_or_wide_then_everything_fits(desk, suggested, width):
    suggested.report = type(suggested.report)(
        "The file /shows/demo/sequence/shot/comp/matted/work/a_very_long_name.1034.exr is empty.", "Look.", True
    )
    desk.panel.resize(width, 800)
    desk.turn()
    inside = desk.panel.findChild(QtWidgets.QScrollArea)
    right = inside.viewport().mapToGlobal(inside.viewport().rect().topRight()).x()
    parts = [one for one in desk.panel.findChildren(QtWidgets.QWidget) if one.isVisible() and one.width() > 1]

    assert desk.panel.width() == width
    assert [one for one in parts if one.mapToGlobal(one.rect().topRight()).x() > right and one is not inside] == []
    error = desk.panel.error
    assert error.document().size().height() <= error.height()


def test_when_the_dock_is_resized_then_every_reason_can_be_read_to_its_end(desk, suggested):
    suggested.state.suggestions = [[1003, "matte is 58% sure; object looks unlike every keyframe; nearest 1001"]]
    listed = desk.panel.suggestions
    for width in (260, 320, 500):
        desk.panel.resize(width, 800)
        desk.turn()
        desk.host.pump(0.01)
        cell = listed.visualItemRect(listed.item(0))
        margin = listed.style().pixelMetric(QtWidgets.QStyle.PixelMetric.PM_FocusFrameHMargin) + 1
        room = cell.adjusted(margin, 0, -margin, 999)
        needed = listed.fontMetrics().boundingRect(room, Qt.TextFlag.TextWordWrap, listed.item(0).text())

        assert needed.height() <= cell.height(), width


# The clock


def test_when_a_tick_raises_then_the_clock_goes_on_and_it_is_told_once(desk):
    ticks = []

    def tick():
        ticks.append(1)
        raise ValueError("a tick went wrong")

    desk.module.start_clock(tick)
    desk.sees(lambda: len(ticks) > 3)

    told = [line for line in desk.host.printed if "a tick went wrong" in line]
    assert len(told) == 1
    assert "nuke.log" in told[0]


def test_when_there_is_nothing_to_do_then_the_clock_slows_down_and_wakes_again(desk):
    busy = [False]
    desk.module.start_clock(lambda: busy[0])
    timer = desk.module._clocks[-1]._timer
    desk.sees(lambda: timer.interval() == 200)
    busy[0] = True
    desk.sees(lambda: timer.interval() == 15)


def test_when_docs_show_the_panel_then_every_state_can_be_drawn(tmp_path):
    file = tmp_path / "panel.png"
    script = Path(__file__).with_name("screenshot_panel.py")
    subprocess.run([sys.executable, str(script), str(file)], check=True, capture_output=True, timeout=60)

    assert file.stat().st_size > 20_000
