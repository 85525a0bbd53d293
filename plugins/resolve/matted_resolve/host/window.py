"""The window in Resolve, where Studio lets a script show one: the same view and presses as the page in the browser.

Resolve's UIManager is hardly documented. What is relied on here was seen in public scripts: elements by
``ui.Label({...})``, handlers by ``window.On[id].Clicked``, other events where ``Events`` names them. A ``Timer``'s
``Timeout`` comes to ``dispatcher.On.Timeout``, in some versions to ``dispatcher.On[id].Timeout`` (TAPNext and
MHL MediaManagement saw the first alone). On Resolve 21 for macOS a window may be closed without a Close event
(S-Log MetaRaw). The loop keeps the script's only thread, so without a timer that fires the window is of no use: then
the page is.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any, Callable

from matted_plugin.report import counted
from matted_resolve.host.session import Session, asked
from matted_resolve.seat import Card, Choice
from matted_resolve.view import Press, Shot, View
from matted_resolve.wireform import WireformError, from_wire, to_wire

ID = "matted"
TIMER = "matted_clock"
INTERVAL = 50
"""Milliseconds between two turns."""
_LOOKS = 10
"""Turns between two looks whether the window is still there; two in vain end it."""
SLOTS = 10
"""Choices there is room for."""

LAMPS = {
    "off": "daemon not needed yet",
    "connecting": "connecting to the daemon",
    "on": "daemon connected",
    "lost": "daemon not reached",
}
BUTTONS = {
    "propagate": ("Propagate", "Make a matte for every frame of this clip"),
    "cancel": ("Cancel", "Stop; finished mattes stay"),
    "suggest": ("Suggest frames", "Name more frames worth masking next"),
    "propagate_selected": ("Selected", "Make mattes for every clip whose media is selected in the media pool"),
    "propagate_marked": ("All marked clips", "Make mattes for every clip with a keyframe marker, one after the other"),
    "mark": ("Mark frame", "Put a keyframe marker under the playhead"),
    "unmark": ("Unmark", "Take the keyframe marker under the playhead away"),
    "refresh": ("Refresh", "Look at Resolve again"),
    "render_again": ("Render again", "The grade was changed: render the plate again at the next press"),
    "remove": ("Remove Matted artifacts", "Take all that matted made out of this timeline; files on disk stay"),
    "diagnostics": ("Diagnostics", "What whoever looks after matted wants to know"),
}
_REALLY = "Really remove: press again"


def make(session: Session, press: Callable[[dict[str, Any]], None]) -> Window | None:
    """The window, not yet shown; None where this Resolve shows scripts none, which the free edition is never asked.

    Args:
        session: the script's view of Resolve.
        press: takes what the artist pressed, as JSON has it.
    """
    if not session.studio:
        return None
    fusion: Any = session.fusion or asked(lambda: session.resolve.Fusion())
    offered: Any = asked(lambda: fusion.UIManager)
    for manager in (offered, asked(lambda: offered())):  # an object, or what gives it: both are in public scripts
        dispatcher = asked(lambda: session.bmd.UIDispatcher(manager)) if manager else None  # noqa: B023 (called at once)
        if dispatcher:
            return asked(lambda: Window(manager, dispatcher, press))  # noqa: B023 (called at once)
    return None


class Window:
    """The window.

    Args:
        ui: Resolve's UIManager.
        dispatcher: its dispatcher.
        press: takes what the artist pressed.

    Raises:
        RuntimeError: it has neither a timer nor a loop of steps.
    """

    def __init__(self, ui: Any, dispatcher: Any, press: Callable[[dict[str, Any]], None]) -> None:
        self._dispatcher = dispatcher
        self._press = press
        self._timer: Any = asked(lambda: ui.Timer({"ID": TIMER, "Interval": INTERVAL}))
        if not self._timer and not callable(asked(lambda: dispatcher.StepLoop)):
            raise RuntimeError("this UIManager has neither a timer nor a loop of steps")
        self._view = View()
        self._told: dict[tuple[str, str], Any] = {}
        self._removing = False
        self._picked_frame: int | None = None
        self._turn: Callable[[], bool] = bool
        self._turning = self._over = self._was_seen = False
        self._ticks = self._missed = 0
        self._window = dispatcher.AddWindow(
            {"ID": ID, "WindowTitle": "matted", "Geometry": [120, 120, 560, 760]}, _layout(ui)
        )
        self._items = self._window.GetItems()
        self._connect()
        self._draw()

    def show(self, view: dict[str, Any]) -> None:
        """Show a view."""
        with contextlib.suppress(WireformError):
            self._view = from_wire(View, view)
            self._draw()

    def front(self) -> None:
        """Bring it before the other windows."""
        asked(lambda: self._window.Show())
        asked(lambda: self._window.Raise())

    def run(self, turn: Callable[[], bool]) -> bool:
        """Show the window and call ``turn`` often until it returns False or the window is closed.

        Returns whether the clock ever went: without, the window is of no use here.
        """
        self._turn = turn
        self._window.Show()
        try:
            if self._timer:
                self._dispatcher.On.Timeout = self._tick
                self._dispatcher.On[TIMER].Timeout = self._tick
                self._timer.Start()
                self._dispatcher.RunLoop()
            else:
                while not self._over:
                    self._dispatcher.StepLoop()
                    self._tick()
                    time.sleep(INTERVAL / 2000)
        finally:
            self.close()
        return self._ticks > 0

    def close(self) -> None:
        """Take it away."""
        if self._timer:
            asked(lambda: self._timer.Stop())
        asked(lambda: self._window.Hide())

    # What happens in it

    def _tick(self, event: Any = None) -> None:
        if self._turning or self._over:  # a dialog in Resolve may turn the loop within a turn
            return
        self._ticks += 1
        self._turning = True
        try:
            goes_on = self._turn() and not self._is_gone()
        finally:
            self._turning = False
        if not goes_on:
            self._end()

    def _is_gone(self) -> bool:
        """Whether the artist closed the window and nobody said so."""
        if self._ticks % _LOOKS == 1:
            visible = asked(lambda: self._window.Visible)
            self._was_seen = self._was_seen or visible is True  # else this Resolve does not tell
            self._missed = self._missed + 1 if self._was_seen and visible is False else 0
        return self._missed > 1

    def _end(self, event: Any = None) -> None:
        if not self._over:
            self._over = True
            asked(lambda: self._dispatcher.ExitLoop())

    def _connect(self) -> None:
        on = self._window.On
        on[ID].Close = self._end
        for name in BUTTONS:
            on[name].Clicked = self._pressing(name)
        on["dismiss"].Clicked = lambda event: self._dismiss()
        on["suggestions"].ItemClicked = self._picked
        for slot in range(SLOTS):
            on[f"pick{slot}"].CurrentIndexChanged = self._choosing(slot, f"pick{slot}", "CurrentText")
            on[f"text{slot}"].EditingFinished = self._choosing(slot, f"text{slot}", "Text")

    def _pressing(self, name: str) -> Callable[[Any], None]:
        def pressed(event: Any) -> None:
            asks = name == "remove" and not self._removing
            self._removing = asks
            if not asks:
                self._send(name)
            self._draw()

        return pressed

    def _choosing(self, slot: int, element: str, field: str) -> Callable[[Any], None]:
        def chosen(event: Any) -> None:
            card = self._view.clip
            if card is None or slot >= len(card.choices):
                return
            value = str(getattr(self._items[element], field) or "")
            self._told[element, field] = value
            if value != card.choices[slot].value:  # Resolve says so too when it was set from here
                self._send("choose", name=card.choices[slot].name, value=value)

        return chosen

    def _picked(self, event: Any) -> None:
        frame = _number(asked(lambda: event["item"].Text[0]))
        if frame is not None:
            self._picked_frame = frame
            self._send("go_to", frame=frame)

    def _dismiss(self) -> None:
        if self._picked_frame is not None:
            self._send("dismiss", frame=self._picked_frame)

    def _send(self, press: str, **fields: Any) -> None:
        key = self._view.clip.key if self._view.clip is not None else ""
        self._press(to_wire(Press(press, key, **fields)))

    # What it shows

    def _draw(self) -> None:
        view, card, shot = self._view, self._view.clip, self._view.shot
        self._set("where", "Text", _where(view))
        self._set("said", "Text", "\n".join(filter(None, (view.busy, view.said, view.hint))))
        self._set("clip", "Text", _clip(view, card))
        self._set("work", "Text", _work(shot))
        self._set("limits", "Text", "\n".join(view.about.limits) if view.about is not None else "")
        for name in BUTTONS:
            self._set(name, "Enabled", name in view.buttons)
        self._set("propagate_selected", "Text", counted(view.selected, "selected clip"))
        self._set("remove", "Text", _REALLY if self._removing else BUTTONS["remove"][0])
        self._set("dismiss", "Enabled", shot is not None and bool(shot.suggestions))
        self._rows("suggestions", [(str(frame), why) for frame, why in shot.suggestions] if shot is not None else [])
        self._rows("shots", [(one.name, f"{one.sentence} {one.hint}".strip()) for one in view.shots])
        self._set("diagnostics_text", "PlainText", view.diagnostics)
        self._set("diagnostics_text", "Hidden", not view.diagnostics)
        choices = card.choices if card is not None else ()
        for slot in range(SLOTS):
            self._draw_choice(slot, choices[slot] if slot < len(choices) else None)

    def _draw_choice(self, slot: int, choice: Choice | None) -> None:
        pick, text = f"pick{slot}", f"text{slot}"
        is_list = choice is not None and bool(choice.options)
        self._set(f"label{slot}", "Text", "" if choice is None else choice.label)
        self._set(f"label{slot}", "Hidden", choice is None)
        self._set(pick, "Hidden", not is_list)
        self._set(text, "Hidden", choice is None or is_list)
        if choice is None:
            return
        self._set(pick if is_list else text, "ToolTip", choice.tip)
        if not is_list:
            self._set(text, "Text", choice.value)
            return
        options = choice.options if choice.value in choice.options else (choice.value, *choice.options)
        if self._told.get((pick, "options")) != options:
            self._told[pick, "options"] = options
            self._told.pop((pick, "CurrentText"), None)
            self._items[pick].Clear()
            self._items[pick].AddItems(list(options))
        if self._told.get((pick, "CurrentText")) != choice.value:
            self._told[pick, "CurrentText"] = choice.value
            self._items[pick].CurrentIndex = options.index(choice.value)

    def _set(self, element: str, field: str, value: Any) -> None:
        """Set what has changed: each setting is a call, and some are answered with an event."""
        if self._told.get((element, field)) != value:
            setattr(self._items[element], field, value)
            self._told[element, field] = value

    def _rows(self, element: str, rows: Sequence[tuple[str, str]]) -> None:
        if self._told.get((element, "rows")) == rows:
            return
        self._told[element, "rows"] = rows
        tree = self._items[element]
        tree.Clear()
        for row in rows:
            item = tree.NewItem()
            for column, text in enumerate(row):
                item.Text[column] = text
            tree.AddTopLevelItem(item)


def _layout(ui: Any) -> list[Any]:
    """The elements from top to bottom."""
    return [
        ui.VGroup(
            {"Spacing": 6},
            [
                ui.Label({"ID": "where", "WordWrap": True, "Weight": 0}),
                ui.Label({"ID": "said", "WordWrap": True, "Weight": 0}),
                ui.Label({"ID": "clip", "WordWrap": True, "Weight": 0}),
                _buttons(ui, "mark", "unmark", "refresh"),
                _buttons(ui, "propagate", "cancel", "suggest"),
                _buttons(ui, "propagate_selected", "propagate_marked"),
                ui.Label({"ID": "work", "WordWrap": True, "Weight": 0}),
                _rows(ui, "suggestions", ItemClicked=True),
                ui.Button({"ID": "dismiss", "Text": "Dismiss the chosen frame", "Weight": 0}),
                *(_choice(ui, slot) for slot in range(SLOTS)),
                _rows(ui, "shots"),
                ui.Label({"ID": "limits", "WordWrap": True, "Weight": 0}),
                _buttons(ui, "render_again", "remove", "diagnostics"),
                ui.TextEdit({"ID": "diagnostics_text", "ReadOnly": True, "Hidden": True}),
            ],
        )
    ]


def _buttons(ui: Any, *names: str) -> Any:
    """Buttons side by side."""
    made = [ui.Button({"ID": name, "Text": BUTTONS[name][0], "ToolTip": BUTTONS[name][1]}) for name in names]
    return ui.HGroup({"Weight": 0}, made)


def _rows(ui: Any, name: str, **events: bool) -> Any:
    """Rows of two columns."""
    look = {"ColumnCount": 2, "HeaderHidden": True, "RootIsDecorated": False}
    return ui.Tree({"ID": name, **look, "Events": events})


def _choice(ui: Any, slot: int) -> Any:
    """Room for one choice: its label, and a list or a field, of which one is hidden."""
    room = {"Hidden": True, "Weight": 0.7}
    return ui.HGroup(
        {"Weight": 0},
        [
            ui.Label({"ID": f"label{slot}", "Hidden": True, "Weight": 0.3}),
            ui.ComboBox({"ID": f"pick{slot}", **room, "Events": {"CurrentIndexChanged": True}}),
            ui.LineEdit({"ID": f"text{slot}", **room, "Events": {"EditingFinished": True}}),
        ],
    )


def _where(view: View) -> str:
    about = view.about
    told = "" if about is None else f"{about.product} {about.version}, {about.page} page, {about.timeline}"
    return " | ".join(filter(None, (told, LAMPS.get(view.lamp, ""), view.lamp_tip)))


def _clip(view: View, card: Card | None) -> str:
    if not view.connected:
        return "Connecting."
    if card is None:
        return "No clip is under the playhead."
    first, last = card.frames
    keyframes = ", ".join(map(str, card.keyframes)) or "none yet: mask a frame, then mark it"
    lines = (f"{card.name}, frames {first} to {last}", card.plate, f"Keyframes: {keyframes}", *card.notes)
    return "\n".join(filter(None, lines))


def _work(shot: Shot | None) -> str:
    if shot is None:
        return ""
    return "\n".join(filter(None, (f"{shot.sentence} {shot.left}".strip(), shot.hint, *shot.notes)))


def _number(text: Any) -> int | None:
    try:
        return int(str(text))
    except ValueError:
        return None
