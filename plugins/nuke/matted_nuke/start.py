"""The menus and the panel's registration. Nothing is imported but nuke until something is pressed."""

from __future__ import annotations

import importlib
import threading
import traceback
from collections.abc import Callable
from typing import Any

import nuke

from matted_nuke import log

ITEMS = (
    ("Matted node", "buttons", "create"),
    (),
    ("Propagate", "buttons", "propagate"),
    ("Find keyframes", "buttons", "find_keyframes"),
    ("Suggest", "buttons", "suggest"),
    ("Cancel", "buttons", "cancel"),
    ("To Roto", "buttons", "to_roto"),
    (),
    ("Panel", "panel", "show"),
    ("Remove leftovers", "buttons", "remove_leftovers"),
    ("Copy diagnostics", "buttons", "copy_diagnostics"),
)
"""The menu: what an item is called, and the function it calls; () is a line between them."""

PANEL_ID = "com.matted.panel"
PANEL = "__import__('matted_nuke.panel').panel.Panel"
"""Nuke evaluates this when the panel is opened (nukescripts.panels puts it into a PyCustom_Knob's expression). It works
where nothing was imported before."""


def add_menus() -> None:
    """Make the menu *Matted*, the toolbar's entry and the pane menu's. Safe to call again: items are replaced."""
    menu = nuke.menu("Nuke").addMenu("Matted")
    for item in ITEMS:
        if item:
            label, module, function = item
            menu.addCommand(label, command(module, function))
        else:
            menu.addSeparator()
    nuke.menu("Nodes").addMenu("Matted", icon="matted.png").addCommand("Matted", command("buttons", "create"))
    warm_up()
    try:
        _register_panel()
    except Exception:  # the buttons of the node do all that the panel does
        log.note(f"The panel could not be registered.\n{traceback.format_exc()}")


def warm_up() -> threading.Thread:
    """Import what the first press needs, on a thread, so that it does not hold Nuke. Trouble is told at that press."""

    def run() -> None:
        try:
            from matted_nuke import vendor

            if vendor.use(beside=False):
                importlib.import_module("matted_nuke.buttons")
        except Exception as error:
            log.note(f"The first press will say what is wrong: {error}")

    thread = threading.Thread(target=run, name="matted-warm-up", daemon=True)
    thread.start()
    return thread


def command(module: str, function: str) -> Callable[[], None]:
    """What a menu item calls: the function, imported when it is first needed. What goes wrong is told, with the log."""

    def run() -> None:
        try:
            _run(module, function)
        except Exception as error:
            nuke.message(_told(error))

    return run


def press(function: str, node: Any) -> None:
    """What a button of a Matted node calls. What goes wrong is told, with the log."""
    try:
        _run("buttons", function, node)
    except Exception as error:
        nuke.message(_told(error))


def call_back(function: str, node: Any) -> None:
    """What a Matted node calls by itself, as when a script is loaded: what goes wrong goes to the log alone."""
    try:
        _run("buttons", function, node)
    except Exception as error:
        _told(error)


def _run(module: str, function: str, *arguments: Any) -> None:
    from matted_nuke import vendor

    vendor.use()
    getattr(importlib.import_module(f"matted_nuke.{module}"), function)(*arguments)


def _told(error: Exception) -> str:
    """An error in words for an artist; its traceback goes to the log."""
    message = getattr(error, "message", "") or f"Matted could not do this: {type(error).__name__}: {error}"
    hint = getattr(error, "hint", "") or "If it stays like this, send the log to whoever looks after matted."
    try:
        written = f"\n\nThe log is {log.note(traceback.format_exc())}"
    except OSError:
        written = ""
    return f"{message}\n{hint}{written}"


def _register_panel() -> None:
    from nukescripts import panels

    panels.registerWidgetAsPanel(PANEL, "Matted", PANEL_ID)
