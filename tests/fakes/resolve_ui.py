"""The UIManager of the stand-in Resolve: windows of a script, the loop that runs them, and an artist who clicks.

The free edition lost it in 19.1: asking for it answers None and leaves a dialog up that spoils later calls (measured).
``Screen`` (``machine.screen``) is what is on the screen; what the artist does there waits until the script's loop runs.
The loop needs the script's one thread. A callback that fails is printed by Resolve and the loop goes on: see
``Screen.errors``.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from fakes.resolve_handles import SWITCHES, Handle, WouldBlock

SWITCHES.update(
    {
        "ui_form": "property",  # fusion.UIManager is the manager ("property") or gives it when called ("call")
        "ui_timer": True,  # ui.Timer is there
        "step_loop": False,  # UIDispatcher.StepLoop is there
        "ui_timeouts": "dispatcher",  # a Timeout comes to disp.On.Timeout ("dispatcher") or disp.On[its ID] ("named")
        "ui_events": "asked for",  # other events than clicks come where Events names them, or "always"
        "ui_close": "event",  # closing by the corner sends Close, or on Resolve 21 for macOS only hides ("silent")
        "ui_sets_signal": True,  # what a script sets sends Changed events as if the artist had done it
    }
)

COMMON: dict[str, Any] = {
    "ID": "",
    "Enabled": True,
    "Visible": True,
    "Hidden": False,
    "ToolTip": "",
    "StyleSheet": "",
    "Weight": 1.0,
    "MinimumSize": None,
    "MaximumSize": None,
    "FixedSize": None,
    "Font": None,
    "Alignment": None,
    "Events": None,
}
ELEMENTS: dict[str, dict[str, Any]] = {
    "Label": {"Text": "", "WordWrap": False, "OpenExternalLinks": False},
    "Button": {"Text": "", "Checkable": False, "Checked": False, "Flat": False, "Default": False, "AutoDefault": True},
    "CheckBox": {"Text": "", "Checked": False, "Checkable": True},
    "ComboBox": {"CurrentIndex": -1, "CurrentText": "", "Editable": False},
    "SpinBox": {"Value": 0, "Minimum": 0, "Maximum": 99, "SingleStep": 1, "Prefix": "", "Suffix": ""},
    "Slider": {"Value": 0, "Minimum": 0, "Maximum": 99, "Orientation": "Horizontal"},
    "LineEdit": {"Text": "", "PlaceholderText": "", "ReadOnly": False, "ClearButtonEnabled": False},
    "TextEdit": {"PlainText": "", "HTML": "", "ReadOnly": False, "PlaceholderText": "", "Text": ""},
    "Tree": {
        "ColumnCount": 1,
        "HeaderHidden": False,
        "SortingEnabled": False,
        "RootIsDecorated": True,
        "AlternatingRowColors": False,
        "SelectionMode": "SingleSelection",
        "UpdatesEnabled": True,
    },
    "TabBar": {"CurrentIndex": 0},
    "VGroup": {"Spacing": 0, "ContentsMargins": None, "Margin": 0},
    "HGroup": {"Spacing": 0, "ContentsMargins": None, "Margin": 0},
    "VGap": {},
    "HGap": {},
}
CHANGES = {
    "CurrentIndex": "CurrentIndexChanged",
    "Value": "ValueChanged",
    "Text": "TextChanged",
    "PlainText": "TextChanged",
}
SILENT = {"Label", "Button", "CheckBox"}


class Element:
    """One element of a window, as it is."""

    def __init__(self, screen: Screen, kind: str, attrs: dict[str, Any], children: list[Element]):
        unknown = set(attrs) - set(COMMON) - set(ELEMENTS[kind])
        if unknown:
            raise screen.machine.refuse(f"ui.{kind}({sorted(unknown)})")
        self.screen, self.kind, self.children = screen, kind, children
        self.attrs = {**COMMON, **ELEMENTS[kind], **attrs}
        self.items: list[str] = []
        self.rows: list[Row] = []
        self.headers: list[str] = []
        self.window: Window | None = None

    @property
    def id(self) -> str:
        return str(self.attrs["ID"])

    def walk(self) -> list[Element]:
        return [self, *(each for child in self.children for each in child.walk())]

    def change(self, name: str, value: Any, by_script: bool) -> None:
        """Set an attribute and tell the script where Resolve would."""
        before = self.attrs[name]
        self.attrs[name] = value
        if self.kind == "ComboBox" and name == "CurrentIndex":
            self.attrs["CurrentText"] = self.items[value] if 0 <= value < len(self.items) else ""
        if self.kind == "ComboBox" and name == "CurrentText" and value in self.items:
            self.attrs["CurrentIndex"] = self.items.index(value)
        event = CHANGES.get(name)
        if event is None or before == value or self.kind in SILENT or self.window is None:
            return
        if not by_script or self.screen.machine.switches.ui_sets_signal:
            self.screen.send(self.window, self.id, event)


class Row:
    """A row of a Tree."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}


class Window:
    """A window, as it is; ``handlers`` by (element, event)."""

    def __init__(self, screen: Screen, attrs: dict[str, Any], root: Element):
        self.screen, self.attrs, self.root, self.shown = screen, attrs, root, False
        self.handlers: dict[tuple[str, str], Callable[[Any], Any]] = {}
        for each in root.walk():
            each.window = self
        ids = [each.id for each in root.walk() if each.id]
        assert len(ids) == len(set(ids)), f"two elements of one ID: {sorted(ids)}"

    @property
    def id(self) -> str:
        return str(self.attrs.get("ID", ""))

    def element(self, id: str) -> Element | None:
        return next((each for each in self.root.walk() if each.id == id and id), None)


class TimerModel:
    def __init__(self, attrs: dict[str, Any]):
        self.attrs, self.running = attrs, False


class Screen:
    """What is on the screen, and the artist in front of it.

    Attributes:
        plan: what the artist does next, one step each time the loop has nothing else to do.
        errors: what callbacks raised.
        patience: seconds a loop without timers waits for somebody before the stand-in says that it would block.
        ticks: how many times timers may fire in all.
    """

    def __init__(self, machine: Any):
        self.machine = machine
        self.windows: list[Window] = []
        self.timers: list[TimerModel] = []
        self.events: deque[tuple[Window | None, str, str, dict[str, Any]]] = deque()
        self.plan: deque[Callable[[], Any]] = deque()
        self.handlers: dict[tuple[str, str], Callable[[Any], Any]] = {}
        self.errors: list[Exception] = []
        self.running = self.leaving = False
        self.patience, self.ticks = 5.0, 20_000

    # -- what the artist sees and does

    def shown(self, id: str) -> Element:
        """The element of that ID in a window that is open.

        Raises:
            LookupError: there is none.
        """
        for window in self.windows:
            found = window.element(id) if window.shown else None
            if found is not None:
                return found
        raise LookupError(f"no {id!r} on the screen: {sorted(each.id for w in self.windows for each in w.root.walk())}")

    def click(self, id: str) -> None:
        """Press a button or tick a box. Nothing happens where it is greyed out."""
        element = self.shown(id)
        if not element.attrs["Enabled"]:
            return
        if element.kind == "CheckBox" or element.attrs.get("Checkable"):
            element.attrs["Checked"] = not element.attrs["Checked"]
        assert element.window is not None
        self.send(element.window, id, "Clicked")

    def type(self, id: str, text: Any) -> None:
        """Type into a field, choose from a list by its text, or set a number."""
        element = self.shown(id)
        if element.kind == "ComboBox":
            element.change("CurrentIndex", element.items.index(text), False)
        elif element.kind in ("SpinBox", "Slider"):
            element.change("Value", text, False)
        else:
            element.change("PlainText" if element.kind == "TextEdit" else "Text", text, False)
            assert element.window is not None
            self.send(element.window, id, "EditingFinished")

    def pick(self, id: str, row: int, column: int = 0, event: str = "ItemClicked") -> None:
        """Click a row of a tree, or a tab of a TabBar."""
        element = self.shown(id)
        assert element.window is not None
        if element.kind == "TabBar":
            return element.change("CurrentIndex", row, False)
        self.send(element.window, id, event, item=RowHandle(self.machine, element.rows[row]), column=column)

    def close(self, id: str) -> None:
        """Close a window by its corner: where it sends an event, it stays until the script hides it."""
        window = next(each for each in self.windows if each.id == id)
        if self.machine.switches.ui_close == "silent":
            window.shown = False
        else:
            self.send(window, id, "Close")

    def send(self, window: Window | None, who: str, what: str, **more: Any) -> None:
        element = window.element(who) if window is not None else None
        events = (element.attrs["Events"] or {}) if element is not None else {what: True}
        if self.machine.switches.ui_events == "asked for" and what != "Clicked" and not events.get(what):
            return
        self.events.append((window, who, what, {"who": who, "what": what, **more}))

    def facts(self) -> dict[str, Any]:
        """What a script could leave behind here."""
        return {
            "windows": sorted(window.id for window in self.windows if window.shown),
            "timers": sum(timer.running for timer in self.timers),
        }

    # -- the loop

    def run(self) -> None:
        """Until ExitLoop."""
        self.running, self.leaving = True, False
        waited = time.monotonic() + self.patience
        try:
            while not self.leaving:
                if self.step():
                    waited = time.monotonic() + self.patience
                elif self._tick():
                    time.sleep(0.001)
                elif time.monotonic() > waited:
                    raise self.machine.refuse("RunLoop with nothing that could end it", WouldBlock)
                else:
                    time.sleep(0.002)
        finally:
            self.running = False

    def single(self) -> None:
        """What there is to do now, and back."""
        if not self.step():
            self._tick()

    def step(self) -> bool:
        """One event or one step of the artist's plan; False when there is none."""
        if not self.events and self.plan:
            self.plan.popleft()()
            return True
        if not self.events:
            return False
        window, who, what, event = self.events.popleft()
        handlers = window.handlers if window is not None else self.handlers
        handler = handlers.get((who, what))
        if handler is not None:
            self._call(handler, event)
        return True

    def _tick(self) -> bool:
        running = [timer for timer in self.timers if timer.running]
        for timer in running:
            self.ticks -= 1
            if self.ticks < 0:
                raise self.machine.refuse("timers that never came to an end", WouldBlock)
            if timer.attrs.get("SingleShot"):
                timer.running = False
            id = str(timer.attrs.get("ID", ""))
            named = self.machine.switches.ui_timeouts == "named"
            handler = self.handlers.get((id if named else "", "Timeout"))
            if handler is not None:
                self._call(handler, {"who": id, "what": "Timeout"})
        return bool(running)

    def _call(self, handler: Callable[[Any], Any], event: dict[str, Any]) -> None:
        try:
            handler(event)
        except Exception as error:
            self.errors.append(error)


# -- what a script holds


class UIHandle(Handle):
    """Every name is one of ``CALLS`` or an attribute of the model; others are refused."""

    CALLS: tuple[str, ...] = ()

    def __init__(self, machine: Any, model: Any = None):
        super().__init__(machine, model)
        object.__setattr__(self, "_api", type(self).__name__)

    def _lenient(self, method: str) -> bool:
        return True

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        if name in type(self).CALLS:
            call = object.__getattribute__(self, name)
            return lambda *args: self._machine.call(self, name, call, args)
        special = self._special(name)
        if special is NotImplemented:
            raise self._machine.refuse(f"{type(self).__name__}.{name}")
        return special

    def __dir__(self) -> list[str]:
        return list(type(self).CALLS)


class UIManager(UIHandle):
    """Makes elements: ``ui.Label({...})``, ``ui.VGroup({...}, [children])``."""

    CALLS = ("FindWindow", "Timer", "QueueEvent", *ELEMENTS)

    def __getattribute__(self, name: str) -> Any:
        if name == "Timer" and not self._machine.switches.ui_timer:
            return None
        if name in ELEMENTS:
            return lambda *args: self._machine.call(self, name, lambda *given: self._element(name, given), args)
        return super().__getattribute__(name)

    def _element(self, kind: str, given: tuple[Any, ...]) -> Element:
        attrs: dict[str, Any] = {}
        children: list[Element] = []
        for each in given:
            if isinstance(each, dict):
                attrs.update(each)
            elif isinstance(each, (list, tuple)):
                children += each
            elif kind in ("VGap", "HGap") and isinstance(each, (int, float)):
                continue
            else:
                raise self._machine.refuse(f"ui.{kind}{given!r}")
        if not all(isinstance(child, Element) for child in children) or (children and not kind.endswith("Group")):
            raise self._machine.refuse(f"ui.{kind} with {children!r}")
        return Element(self._machine.screen, kind, attrs, children)

    def Timer(self, attrs: dict[str, Any]) -> Any:
        timer = TimerModel(attrs)
        self._machine.screen.timers.append(timer)
        return Timer(self._machine, timer)

    def QueueEvent(self, who: str, what: str, more: dict[str, Any]) -> None:
        self._machine.screen.send(None, who, what, **more)

    def FindWindow(self, id: str) -> Any:
        found = next((each for each in self._machine.screen.windows if each.id == id), None)
        return None if found is None else UIWindow(self._machine, found)


class Timer(UIHandle):
    CALLS = ("Start", "Stop")

    def Start(self) -> None:
        self._model.running = True

    def Stop(self) -> None:
        self._model.running = False

    def _special(self, name: str) -> Any:
        return {"IsActive": self._model.running, **self._model.attrs}.get(name, NotImplemented)


class On:
    """``win.On.Go.Clicked = fn`` and ``win.On["Go"].Clicked = fn``; a dispatcher takes ``disp.On.Timeout = fn`` too."""

    def __init__(self, machine: Any, owner: Any):
        vars(self).update(_machine=machine, _owner=owner)

    def __getattr__(self, id: str) -> Any:
        return OnOne(self._owner, id)

    def __getitem__(self, id: str) -> Any:
        return OnOne(self._owner, id)

    def __setattr__(self, what: str, handler: Any) -> None:
        if not isinstance(self._owner, Screen):
            raise self._machine.refuse(f"win.On.{what} = ...")
        self._owner.handlers["", what] = handler


class OnOne:
    def __init__(self, owner: Any, id: str):
        vars(self).update(_owner=owner, _id=id)

    def __setattr__(self, what: str, handler: Any) -> None:
        self._owner.handlers[self._id, what] = handler


class UIDispatcher(UIHandle):
    CALLS = ("AddWindow", "RunLoop", "ExitLoop", "StepLoop")

    def __getattribute__(self, name: str) -> Any:
        if name == "StepLoop" and not self._machine.switches.step_loop:
            return None
        if name in ("RunLoop", "StepLoop"):  # callbacks make calls themselves: past the gate, then outside of it
            screen = self._machine.screen
            return lambda: self._run(name, screen.run if name == "RunLoop" else screen.single)
        return super().__getattribute__(name)

    def _run(self, name: str, loop: Callable[[], None]) -> int:
        if self._machine.call(self, name, lambda: True, ()):
            loop()
        return 0

    def _special(self, name: str) -> Any:
        return On(self._machine, self._machine.screen) if name == "On" else NotImplemented

    def AddWindow(self, attrs: dict[str, Any], layout: Any) -> Any:
        children = layout if isinstance(layout, list) else [layout]
        if not all(isinstance(each, Element) for each in children):
            raise self._machine.refuse(f"AddWindow with {layout!r}")
        screen = self._machine.screen
        window = Window(screen, attrs, Element(screen, "VGroup", {}, children))
        screen.windows.append(window)
        return UIWindow(self._machine, window)

    def StepLoop(self) -> int:
        return 0

    def RunLoop(self) -> int:
        return 0

    def ExitLoop(self, code: int = 0) -> None:
        self._machine.screen.leaving = True


class UIWindow(UIHandle):
    CALLS = ("Show", "Hide", "Raise", "ActivateWindow", "Find", "GetItems", "RecalcLayout", "Resize")
    ATTRS = ("ID", "WindowTitle", "Geometry", "WindowFlags", "StyleSheet", "Events", "MinimumSize", "Visible")

    def Show(self) -> None:
        self._model.shown = True

    def Hide(self) -> None:
        self._model.shown = False

    def Raise(self) -> None:
        return None

    ActivateWindow = RecalcLayout = Raise

    def Resize(self, size: Any) -> None:
        return None

    def Find(self, id: str) -> Any:
        found = self._model.element(id)
        return None if found is None else UIElement(self._machine, found)

    def GetItems(self) -> dict[str, Any]:
        return {each.id: UIElement(self._machine, each) for each in self._model.root.walk() if each.id}

    def _special(self, name: str) -> Any:
        if name == "On":
            return On(self._machine, self._model)
        if name == "Visible":
            return self._model.shown
        return self._model.attrs.get(name) if name in type(self).ATTRS else NotImplemented

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in type(self).ATTRS:
            raise self._machine.refuse(f"UIWindow.{name} = {value!r}")
        if name == "Visible":
            self._model.shown = value
        self._machine.call(self, "__setattr__", self._model.attrs.__setitem__, (name, value))


class UIElement(UIHandle):
    CALLS = (
        *("AddItem", "AddItems", "Clear", "Count", "AddTab", "RemoveTab", "Append", "SetFocus", "Update"),
        *("NewItem", "AddTopLevelItem", "AddTopLevelItems", "TopLevelItem", "TopLevelItemCount", "SetHeaderLabels"),
    )

    def _of(self, *kinds: str) -> Element:
        if self._model.kind not in kinds:
            raise self._machine.refuse(f"a {self._model.kind} has no such call")
        return self._model

    def _special(self, name: str) -> Any:
        if name not in self._model.attrs:
            return NotImplemented
        return self._machine.call(self, name, self._model.attrs.__getitem__, (name,))

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._model.attrs:
            raise self._machine.refuse(f"{self._model.kind}.{name} = {value!r}")
        self._machine.call(self, "__setattr__", lambda *_: self._model.change(name, value, True), (name, value))

    def AddItem(self, text: str) -> None:
        element = self._of("ComboBox")
        element.items.append(text)
        if len(element.items) == 1:
            element.change("CurrentIndex", 0, True)  # as Qt does

    def AddItems(self, texts: Any) -> None:
        for text in texts:
            self.__class__.AddItem(self, text)

    def Count(self) -> int:
        return len(self._of("ComboBox").items)

    def AddTab(self, text: str) -> int:
        element = self._of("TabBar")
        element.items.append(text)
        return len(element.items) - 1

    def RemoveTab(self, index: int) -> None:
        del self._of("TabBar").items[index]

    def Append(self, text: str) -> None:
        element = self._of("TextEdit")
        element.change("PlainText", "\n".join(filter(None, [element.attrs["PlainText"], text])), True)

    def SetFocus(self, reason: str = "") -> None:
        return None

    def Update(self) -> None:
        return None

    def Clear(self) -> None:
        element = self._of("ComboBox", "Tree", "LineEdit", "TextEdit")
        element.rows.clear()
        if element.kind == "ComboBox":
            element.items.clear()
            element.change("CurrentIndex", -1, True)
        for name in {"LineEdit": ["Text"], "TextEdit": ["PlainText"]}.get(element.kind, []):
            element.change(name, "", True)

    # -- trees

    def NewItem(self) -> Any:
        self._of("Tree")
        return RowHandle(self._machine, Row())

    def AddTopLevelItem(self, row: Any) -> None:
        self._of("Tree").rows.append(row._model)

    def AddTopLevelItems(self, rows: Any) -> None:
        for row in rows:
            self._of("Tree").rows.append(row._model)

    def TopLevelItem(self, index: int) -> Any:
        return RowHandle(self._machine, self._of("Tree").rows[index])

    def TopLevelItemCount(self) -> int:
        return len(self._of("Tree").rows)

    def SetHeaderLabels(self, labels: list[str]) -> None:
        element = self._of("Tree")
        element.headers[:] = labels
        element.attrs["ColumnCount"] = len(labels)


class Texts:
    """``row.Text[column]``."""

    def __init__(self, row: Row):
        self._row = row

    def __getitem__(self, column: int) -> str:
        return self._row.texts.get(column, "")

    def __setitem__(self, column: int, text: str) -> None:
        self._row.texts[column] = str(text)


class RowHandle(UIHandle):
    def _special(self, name: str) -> Any:
        return Texts(self._model) if name == "Text" else NotImplemented


class FusionApp(Handle):
    """The ``fusion`` global, and with it the screen."""

    _api = "Fusion"

    def __init__(self, machine: Any):
        super().__init__(machine)
        machine.screen = Screen(machine)
        machine.fusion_prefs = {"Global.UserInterface.AutoClipBrowse": True}

    def _special(self, name: str) -> Any:
        if name != "UIManager":
            return NotImplemented
        machine = self._machine
        if machine.switches.ui_form == "call":
            return lambda: machine.call(self, "UIManager", self._manager, ())
        return machine.call(self, "UIManager", self._manager, ())

    def _lenient(self, method: str) -> bool:
        return method == "UIManager"

    def _manager(self) -> Any:
        machine = self._machine
        if not machine.profile.studio and machine.profile.version >= (19, 1):
            machine.show_modal("UIManager needs DaVinci Resolve Studio")
            return None
        return UIManager(machine)

    def GetResolve(self) -> Any:
        return self._machine.resolve

    def GetPrefs(self, name: str = "") -> Any:
        if name not in self._machine.fusion_prefs:
            raise self._machine.refuse(f"GetPrefs({name!r})")
        return self._machine.fusion_prefs[name]

    def SetPrefs(self, name: str, value: Any) -> None:
        if name not in self._machine.fusion_prefs:
            raise self._machine.refuse(f"SetPrefs({name!r})")
        self._machine.fusion_prefs[name] = value

    def GetCurrentComp(self) -> Any:
        """The comp of the clip under the playhead, on the Fusion page alone."""
        from fakes.resolve_fusion import Composition  # the Fusion page and the UI are two things

        timeline = self._machine.project.timeline if self._machine.project is not None else None
        item = timeline.at(timeline.playhead) if timeline is not None else None
        active = getattr(item.comps, "active", None) if item is not None else None
        return Composition(self._machine, active) if active is not None and self._machine.page == "fusion" else None


class Bmd(Handle):
    """The ``bmd`` global."""

    _api = "Bmd"

    def scriptapp(self, name: str, host: str = "") -> Any:
        """Resolve from outside: never in the free edition."""
        if not self._machine.profile.studio:
            return None
        return {"Resolve": self._machine.resolve, "Fusion": self._machine.fusion}.get(name)

    def _lenient(self, method: str) -> bool:
        return method == "UIDispatcher"

    def UIDispatcher(self, ui: Any) -> Any:
        return UIDispatcher(self._machine, None) if isinstance(ui, UIManager) else None
