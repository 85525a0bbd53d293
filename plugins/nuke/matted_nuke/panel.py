"""The docked panel and the clock: the only code that imports Qt. It shows what :mod:`matted_nuke.buttons` knows and
calls what is there; it computes nothing and decides nothing.

Enums are written in full, and nothing is used that only one of PySide2 (Nuke 14 and 15) and PySide6 has.
"""

from __future__ import annotations

import contextlib
import time
import traceback
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import nuke

try:
    from PySide6 import QtCore, QtGui, QtWidgets
except ImportError:  # Nuke 14 and 15
    from PySide2 import QtCore, QtGui, QtWidgets  # type: ignore[no-redef,unused-ignore]

from matted_nuke import log, start, vendor
from matted_nuke.knobs import is_limited
from matted_plugin.host import Gone, HostError
from matted_plugin.report import in_words
from matted_plugin.steps import on_worker

_BUSY, _IDLE = 15, 200
"""Milliseconds between two ticks while there is something to do, and at most when there is not."""
_REFRESH = 250
"""Milliseconds between two looks at what is to be shown."""
_THANKS = 2.0
"""Seconds for which Copy diagnostics says that it did."""

_LAMPS = {
    "off": ("Not connected yet", "#808080"),
    "connecting": ("Connecting", "#e0a030"),
    "on": ("Connected", "#4caf50"),
    "lost": ("No connection", "#e05545"),
}
_EMPTY = (
    "No Matted node is in use.\n\nSelect the plate and its Roto in the node graph and press New Matted node. Draw the "
    "roto on a frame or two, then press Propagate."
)

_clocks: list[_Clock] = []
_panels: weakref.WeakSet[Any] = weakref.WeakSet()


# What the rest of the plugin calls


def start_clock(tick: Callable[[], bool]) -> None:
    """Call ``tick`` on the main thread from now on: often while it says there was something to do, seldom else."""
    _clocks.append(_Clock(tick, _BUSY, _IDLE))


def copy(text: str) -> None:
    """Put text on the clipboard."""
    QtWidgets.QApplication.clipboard().setText(text)


def show(name: str = "") -> None:
    """Open the panel, docked, or bring it to the front; there is never a second one.

    Args:
        name: of the Matted node to show; the selected one, or the one shown before, unless given.
    """
    from nukescripts import panels

    pane = nuke.getPaneFor(start.PANEL_ID)
    if pane is None or not _living():
        panel: Any = panels.registerWidgetAsPanel(start.PANEL, "Matted", start.PANEL_ID, True)
        panel.addToPane(pane or nuke.getPaneFor("Properties.1"))
    for widget in _living():
        widget.choose(name)
        _to_front(widget)


def _living() -> list[Any]:
    """The panels there are; Python may still know one that Nuke has deleted with its tab."""
    for widget in list(_panels):
        try:
            widget.objectName()
        except RuntimeError:
            _panels.discard(widget)
    return list(_panels)


def _to_front(widget: Any) -> None:
    """Turn to the tabs a widget is in."""
    page, below, above = widget, widget, widget.parentWidget()
    while above is not None:
        if isinstance(above, QtWidgets.QStackedWidget):
            page = below
            above.setCurrentWidget(page)
        elif isinstance(above, QtWidgets.QTabWidget):
            above.setCurrentWidget(page)
        below, above = above, above.parentWidget()


class _Clock:
    """One timer on the main thread, which nothing that goes wrong in a tick stops.

    Args:
        tick: tells whether there was something to do.
        busy: milliseconds until the next tick if there was.
        idle: at most so many if there was not.
        parent: the widget to end with.
    """

    def __init__(self, tick: Callable[[], bool], busy: int, idle: int, parent: Any = None) -> None:
        self._tick, self._busy, self._idle = tick, busy, idle
        self._told: set[str] = set()
        self._timer = QtCore.QTimer(parent)
        self._timer.timeout.connect(self._turn)
        self._timer.start(busy)

    def _turn(self) -> None:
        moved = False
        try:
            moved = self._tick()
        except Exception as error:
            self._tell(error)
        pause = self._busy if moved else min(2 * self._timer.interval(), self._idle)
        if pause != self._timer.interval():
            self._timer.start(pause)

    def _tell(self, error: Exception) -> None:
        """Say once what went wrong; the clock goes on."""
        said = f"{type(error).__name__}: {error}"
        if said not in self._told:
            self._told.add(said)
            nuke.tprint(f"Matted: something unexpected happened: {said}\n{_noted()}")


def _noted() -> str:
    """Write the traceback to the log and say where that is."""
    try:
        return f"The log is {log.note(traceback.format_exc())}"
    except OSError:
        return traceback.format_exc()


# The parts of the panel


class _Lamp(QtWidgets.QWidget):
    """A dot in a colour, as large as a letter."""

    def __init__(self) -> None:
        super().__init__()
        self._colour = ""
        side = self.fontMetrics().ascent()
        self.setFixedSize(side, side)

    def set_colour(self, colour: str) -> None:
        if colour != self._colour:
            self._colour = colour
            self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setPen(QtGui.QPen(self.palette().color(QtGui.QPalette.ColorRole.Shadow)))
        painter.setBrush(QtGui.QColor(self._colour))
        painter.drawEllipse(self.rect().adjusted(1, 1, -1, -1))
        painter.end()


class _Words(QtWidgets.QTextEdit):
    """Selectable text as high as it needs to be, gone when empty. Long paths break anywhere: a label cannot do that."""

    def __init__(self, background: str = "transparent") -> None:
        super().__init__()
        self._said = ""
        self.setReadOnly(True)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setStyleSheet(f"QTextEdit {{ background: {background}; }}")
        self.setWordWrapMode(QtGui.QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(0 if background == "transparent" else self.fontMetrics().descent() * 2)
        self.hide()

    def say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self.setPlainText(text)
            self._fit()
        self.setHidden(not text)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.document().setTextWidth(self.viewport().width())
        height = int(self.document().size().height() + 0.999)
        if height != self.height():
            self.setFixedHeight(height)


class _Path(QtWidgets.QLineEdit):
    """One line, elided in the middle; clicking into it shows all of it, selected."""

    def __init__(self) -> None:
        super().__init__()
        self._path = ""
        self.setReadOnly(True)
        self.setFrame(False)
        self.setStyleSheet("QLineEdit { background: transparent; }")

    def say(self, path: str) -> None:
        if path != self._path:
            self._path = path
            self.setToolTip(path)
            self._elide()

    def _elide(self) -> None:
        room = self.width() - 2 * self.fontMetrics().averageCharWidth()
        middle = QtCore.Qt.TextElideMode.ElideMiddle
        self.setText(self._path if self.hasFocus() else self.fontMetrics().elidedText(self._path, middle, room))
        self.setCursorPosition(0)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._elide()

    def focusInEvent(self, event: Any) -> None:  # noqa: N802
        super().focusInEvent(event)
        self._elide()
        QtCore.QTimer.singleShot(0, self.selectAll)  # after the click that brought the focus

    def focusOutEvent(self, event: Any) -> None:  # noqa: N802
        super().focusOutEvent(event)
        self._elide()


class _Frames(QtWidgets.QListWidget):
    """Frame numbers with or without a sentence. What is selected stays so when the list changes."""

    def __init__(self, lines: int, advice: str) -> None:
        super().__init__()
        self._rows: list[tuple[int, str]] = []
        self._advice = advice
        self.setResizeMode(QtWidgets.QListView.ResizeMode.Adjust)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(int(self.fontMetrics().lineSpacing() * (lines + 0.5)) + 2 * self.frameWidth())

    def fill(self, rows: Sequence[tuple[int, str]]) -> None:
        if list(rows) == self._rows:
            return
        chosen, row = self.frame(), self.currentRow()
        self._rows = list(rows)
        self.clear()
        for number, sentence in rows:
            item = QtWidgets.QListWidgetItem(f"{number}   {sentence[:1].upper()}{sentence[1:]}".rstrip())
            item.setData(QtCore.Qt.ItemDataRole.UserRole, number)
            self.addItem(item)
        frames = [number for number, _ in rows]
        if chosen in frames:
            self.setCurrentRow(frames.index(chosen))
        elif chosen is not None:
            self.setCurrentRow(min(row, len(frames) - 1))

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        """Say what belongs here while there is nothing."""
        super().paintEvent(event)
        if not self._rows:
            painter = QtGui.QPainter(self.viewport())
            painter.setPen(self.palette().color(QtGui.QPalette.ColorRole.PlaceholderText))
            gap = self.fontMetrics().descent()
            flags = QtCore.Qt.AlignmentFlag.AlignCenter | QtCore.Qt.TextFlag.TextWordWrap
            painter.drawText(self.viewport().rect().adjusted(gap, gap, -gap, -gap), int(flags), self._advice)
            painter.end()

    def frame(self) -> int | None:
        """The selected frame."""
        selected = self.selectedItems()
        return int(selected[0].data(QtCore.Qt.ItemDataRole.UserRole)) if selected else None


class Panel(QtWidgets.QWidget):
    """What an artist sees of all Matted nodes in use. Nuke makes it, also when it restores a layout at its start."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._flow: Any = None
        self._flows: list[Any] = []
        self._known: Any = None
        self._lamp_seen = ""
        self._testing: Future[Any] | None = None
        self._refused = ""
        self._unexpected = ""
        self._copied = -_THANKS
        outside = QtWidgets.QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        try:
            vendor.use()
            from matted_nuke import buttons
        except Exception as error:  # the host must start, and the artist wants to know
            words = _Words()
            words.say(f"Matted cannot work here.\n\n{_told(error)}\n{_noted()}")
            outside.addWidget(words)
            outside.addStretch(1)
            return
        self._buttons = buttons
        outside.addWidget(self._build())
        _panels.add(self)
        self._clock = _Clock(self._turn, _REFRESH, _REFRESH, self)
        self.choose("")

    def sizeHint(self) -> Any:  # noqa: N802
        """About as wide as Nuke's own panels."""
        letter = self.fontMetrics().averageCharWidth()
        return QtCore.QSize(50 * letter, 100 * letter)

    # Building

    def _build(self) -> Any:
        inside = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(inside)
        self._build_connection(column)
        self.empty = QtWidgets.QWidget()
        _column(self.empty, *self._build_empty())
        column.addWidget(self.empty)
        self.shot = QtWidgets.QWidget()
        _column(self.shot, *self._build_shot(), *self._build_keyframes(), *self._build_suggestions())
        column.addWidget(self.shot, 1)
        self.error = _Words("rgba(200, 60, 50, 110)")
        self.notes = _Words()
        column.addWidget(self.error)
        column.addWidget(self.notes)
        self._build_support(column)
        area = QtWidgets.QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        area.setWidget(inside)
        return area

    def _build_connection(self, column: Any) -> None:
        self.lamp, self.lamp_word, self.endpoint = _Lamp(), QtWidgets.QLabel(), _Words()
        self.why = _Words("rgba(200, 60, 50, 110)")
        self.test = _button("Test connection", "Reach the daemon now, and start it if it does not run.", self._test)
        column.addLayout(_row(self.lamp, self.lamp_word, None, self.test))
        column.addWidget(self.endpoint)
        column.addWidget(self.why)

    def _build_empty(self) -> list[Any]:
        words = _Words()
        words.say(_EMPTY)
        self.new = _button("New Matted node", "Make a Matted node on the selected nodes.", self._create)
        return [words, self.new, None]

    def _build_shot(self) -> list[Any]:
        self.shots = QtWidgets.QComboBox()
        self.shots.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.shots.setMinimumContentsLength(8)
        self.shots.setToolTip("The Matted nodes in use.")
        self.shots.activated.connect(self._choose_row)
        self.objects = _Path()
        grid = QtWidgets.QGridLayout()
        grid.addWidget(QtWidgets.QLabel("Shot"), 0, 0)
        grid.addWidget(self.shots, 0, 1)
        grid.addWidget(QtWidgets.QLabel("Objects"), 1, 0)
        grid.addWidget(self.objects, 1, 1)
        grid.setColumnStretch(1, 1)
        return [grid]

    def _build_keyframes(self) -> list[Any]:
        self.keyframes_title = _title()
        self.keyframes = _Frames(3, "Key the roto on a frame or two, or add frames here.")
        self.keyframes.setFlow(QtWidgets.QListView.Flow.LeftToRight)
        self.keyframes.setWrapping(True)
        self.keyframes.setSpacing(2)
        self.keyframes.setMaximumHeight(self.keyframes.minimumHeight())
        self.keyframes.setToolTip("Frames whose masks matted trusts. Double-click one to go there.")
        self.keyframes.itemDoubleClicked.connect(self._jump_to)
        self.keyframes.itemSelectionChanged.connect(self._enable_lists)
        self.add = _button("Add this frame", "Add the frame the viewer is on to the keyframes.", self._add)
        self.remove = _button(
            "Remove", "Take the selected frame out of the keyframes. The roto stays as it is.", self._remove
        )
        self.find_in_roto = _button("Find from roto", "Make the frames keyed in the roto the keyframes.", self._find)
        self.keyframes_why = _Words()
        title = _row(self.keyframes_title, None, self.find_in_roto)
        return [title, self.keyframes, self.keyframes_why, _row(self.add, self.remove)]

    def _build_suggestions(self) -> list[Any]:
        self.suggestions = _Frames(4, "When the mattes are done, the frames worth masking next are listed here.")
        self.suggestions.setWordWrap(True)
        self.suggestions.setAlternatingRowColors(True)
        self.suggestions.setToolTip("Frames whose mask would help most, with the reason. Click one to go there.")
        self.suggestions.itemClicked.connect(self._jump_to)
        self.suggestions.itemActivated.connect(self._jump_to)
        self.suggestions.itemSelectionChanged.connect(self._enable_lists)
        self.dismiss = _button("Dismiss", "Do not suggest the selected frame again.", self._dismiss)
        self.status, self.bar = _Words(), QtWidgets.QProgressBar()
        press = self._buttons
        self.propagate = _button(
            "Propagate", "Make a matte for every frame from the keyframes.", lambda: self._press(press.propagate)
        )
        self.cancel = _button(
            "Cancel", "Stop. Finished mattes stay, and Propagate goes on from there.", lambda: self._press(press.cancel)
        )
        self.suggest = _button(
            "Suggest", "Ask which frames to rotoscope next. It needs mattes.", lambda: self._press(press.suggest)
        )
        self.to_roto = _button(
            "To Roto", "Turn the mattes into Bezier shapes with few keys.", lambda: self._press(press.to_roto)
        )
        grid = QtWidgets.QGridLayout()
        for index, button in enumerate((self.propagate, self.cancel, self.suggest, self.to_roto)):
            grid.addWidget(button, index // 2, index % 2)
        title = _title()
        title.setText("Suggested next")
        listed = (_row(title, None, self.dismiss), self.suggestions)
        return [*listed, self.status, self.bar, grid]

    def _build_support(self, column: Any) -> None:
        self.folder, self.log = _Path(), _Path()
        self.folder_word = QtWidgets.QLabel("Mattes")
        grid = QtWidgets.QGridLayout()
        grid.addWidget(self.folder_word, 0, 0)
        grid.addWidget(self.folder, 0, 1)
        grid.addWidget(QtWidgets.QLabel("Log"), 1, 0)
        grid.addWidget(self.log, 1, 1)
        grid.setColumnStretch(1, 1)
        column.addLayout(grid)
        self.diagnostics = _button(
            "Copy diagnostics",
            "Copy versions, connection and the last errors, for whoever looks after matted.",
            self._copy,
        )
        column.addLayout(_row(None, self.diagnostics))

    # Pressing

    def choose(self, name: str) -> None:
        """Show one Matted node: the one with that name, else the selected one, else the one shown before."""
        named = [flow for flow in self._buttons.desk().workflows if flow.host.key == name]
        if named:
            self._flow = named[0]
        elif not is_limited():  # there each selected node that is looked at counts
            with contextlib.suppress(HostError):
                self._flow = self._buttons.workflow()
        self._after()

    def _choose_row(self, row: int) -> None:
        if row < len(self._flows):
            self._flow = self._flows[row]
        self._after()

    def _press(self, call: Callable[..., Any], *more: Any) -> Any:
        """Call one of the buttons for the node shown; what it says of an error is in ``buttons.trouble``."""
        self._unexpected = ""
        made = None
        try:
            made = call(None if self._flow is None else self._flow.host.group, *more)
        except Exception as error:
            self._unexpected = f"{_told(error)}\n{_noted()}"
        self._after()
        return made

    def _after(self) -> None:
        self._known = None
        self.refresh()

    def _create(self) -> None:
        made = self._press(lambda _: self._buttons.create())
        if made is not None:
            self.choose(str(made.fullName()))

    def _add(self) -> None:
        self._press(self._buttons.add_keyframe)

    def _find(self) -> None:
        self._press(self._buttons.find_keyframes)

    def _remove(self) -> None:
        self._press(self._buttons.remove_keyframe, self.keyframes.frame())

    def _dismiss(self) -> None:
        self._press(lambda _: self._flow.dismiss(self.suggestions.frame()))

    def _copy(self) -> None:
        if self._press(self._buttons.copy_diagnostics):
            self._copied = time.monotonic()
            self.refresh()

    def _jump_to(self, item: Any) -> None:
        frame = int(item.data(QtCore.Qt.ItemDataRole.UserRole))
        self._press(lambda _: self._buttons.jump(frame))

    def _test(self) -> None:
        daemon = self._buttons.desk().daemon
        self._refused = ""
        self._testing = on_worker(lambda: daemon.client().ping(timeout=10))
        self.refresh()

    # Refreshing

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """What happened while the panel was out of sight."""
        super().showEvent(event)
        self._turn()

    def _turn(self) -> bool:
        if self.isVisible():
            self.refresh()
        return False

    def refresh(self) -> None:
        """Set what has changed. Quick: it reads a few knobs of one node, and the roto only when these changed."""
        desk = self._buttons.desk()
        self._show_connection(desk.daemon)
        try:
            self._show_shots(desk.workflows)
            self._show_shot()
        except Gone:  # between two lines of the above; the next time it is not among the workflows
            self._flow = None

    def _show_connection(self, daemon: Any) -> None:
        if self._testing is not None and self._testing.done():
            error, self._testing = self._testing.exception(), None
            self._refused = "" if error is None else _told(error)
        lamp = daemon.lamp
        word, colour = _LAMPS[lamp]
        self.lamp.set_colour(colour)
        _set_text(self.lamp_word, word)
        self.test.setEnabled(self._testing is None)
        if lamp != self._lamp_seen:  # the endpoint is read from a file
            self._lamp_seen = lamp
            self.endpoint.say("It connects when it is first needed." if lamp == "off" else daemon.endpoint)
            self._refused = "" if lamp == "on" else self._refused
        reason = _told(daemon.why) if lamp == "lost" and daemon.why is not None else self._refused
        self.why.say(f"{reason}\nLog: {daemon.log}" if reason else "")
        self.log.say(str(daemon.log))
        is_copied = time.monotonic() < self._copied + _THANKS
        _set_text(self.diagnostics, "Copied" if is_copied else "Copy diagnostics")

    def _show_shots(self, flows: list[Any]) -> None:
        self._flows = flows
        names = [flow.host.key for flow in flows]
        if names != [self.shots.itemText(row) for row in range(self.shots.count())]:
            self.shots.clear()
            self.shots.addItems(names)
        if self._flow not in flows:
            self._flow = flows[0] if flows else None
        if self._flow is not None:
            self.shots.setCurrentIndex(flows.index(self._flow))
        self.empty.setHidden(bool(flows))
        self.shot.setHidden(not flows)

    def _show_shot(self) -> None:
        flow, trouble = self._flow, self._buttons.trouble
        wrong = self._unexpected or ("" if trouble is None else _told(trouble))
        if flow is None:
            self.error.say(wrong)
            self.notes.say("")
            self._show_folder("", "")
            return
        report = flow.report
        if not wrong and report.error:
            wrong = f"{report.sentence}\n{report.hint}"
        self.error.say(wrong if wrong.strip() not in self.why.toPlainText() else "")
        told = "" if report.step or report.error else str(flow.host.group["status"].value())  # its end has the notes
        self.notes.say("\n".join(note for note in dict.fromkeys(report.notes) if note not in told))
        self._show_progress(flow, report)
        group = flow.host.group
        _show_objects(self.objects, str(group["objects"].value()))
        self._show_keyframes(flow, (flow, str(group["keyframes"].value()), str(group["frames"].value()), report.step))
        self.suggestions.fill(flow.suggestions)
        self._enable_lists()
        self._show_folder(flow.state.folder, flow.host.read_out())

    def _show_progress(self, flow: Any, report: Any) -> None:
        is_working = flow.busy or flow.state.running
        said = report.sentence if report.step or report.error else str(flow.host.group["status"].value())
        self.status.say("" if report.error else f"{said} {in_words(report.seconds_left)}".strip())
        done, total = (report.done, report.total) if is_working else (flow.state.done, flow.state.total or 1)
        self.bar.setMaximum(total)  # 0: a bar that only moves
        self.bar.setValue(min(done, total))
        self.bar.setTextVisible(is_working or done > 0)
        self.propagate.setEnabled(not is_working)
        self.cancel.setEnabled(is_working)
        self.suggest.setEnabled(not is_working and bool(flow.state.shot and flow.state.folder))
        self.to_roto.setEnabled(not is_working and bool(flow.state.job and flow.state.files))

    def _show_keyframes(self, flow: Any, known: Any) -> None:
        """The keyframes as they are now; reading a roto takes its time, so only when something was pressed or typed."""
        if known == self._known:
            return
        self._known = known
        frames: tuple[int, ...] = ()
        why = ""
        try:
            frames = flow.host.read_keyframes()
        except Gone:
            raise
        except HostError as error:  # no plate yet, or a typing error
            why = _told(error)
        self.keyframes_why.say(why)
        origin = "(typed)" if known[1].strip() else "(roto)"
        _set_text(self.keyframes_title, f"Keyframes {origin}" if frames else "Keyframes")
        self.keyframes.fill([(frame, "") for frame in frames])

    def _enable_lists(self) -> None:
        self.remove.setEnabled(self.keyframes.frame() is not None)
        self.dismiss.setEnabled(self.suggestions.frame() is not None)

    def _show_folder(self, folder: str, planned: str) -> None:
        _set_text(self.folder_word, "Mattes" if folder or not planned else "Mattes to")
        self.folder.say(folder or planned or "none yet")


# Helpers


def _told(error: Any) -> str:
    """An error in an artist's words."""
    message = getattr(error, "message", "") or f"Something unexpected happened: {type(error).__name__}: {error}."
    return f"{message}\n{getattr(error, 'hint', '')}".strip()


def _show_objects(line: Any, told: str) -> None:
    line.say(", ".join(word.split("=")[0] for word in told.replace(",", " ").replace(";", " ").split()) or "none")


def _set_text(label: Any, text: str) -> None:
    if label.text() != text:
        label.setText(text)


def _title() -> Any:
    label = QtWidgets.QLabel()
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label


def _button(label: str, tip: str, pressed: Callable[[], Any]) -> Any:
    button = QtWidgets.QPushButton(label)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.clicked.connect(lambda *_: pressed())
    return button


def _row(*parts: Any) -> Any:
    """Widgets side by side; None is room between them."""
    row = QtWidgets.QHBoxLayout()
    for part in parts:
        row.addStretch(1) if part is None else row.addWidget(part)
    return row


def _column(widget: Any, *parts: Any) -> None:
    """Widgets and layouts of a widget, one below the other."""
    column = QtWidgets.QVBoxLayout(widget)
    column.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        if part is None:
            column.addStretch(1)
        elif isinstance(part, QtWidgets.QLayout):
            column.addLayout(part)
        else:
            column.addWidget(part)
