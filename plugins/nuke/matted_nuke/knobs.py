"""What is done to Nuke's nodes and knobs so that nothing is left behind: no undo step, no changed knob."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import nuke

from matted_plugin.host import HostError, Mattes


def is_limited() -> bool:
    """Whether this edition of Nuke shows only a few nodes of a script to Python."""
    return bool(nuke.env.get("nc") or nuke.env.get("indie"))


def selected_nodes() -> list[nuke.Node]:
    """The nodes that are selected.

    Raises:
        HostError: they are more than this edition of Nuke shows to Python.
    """
    try:
        return list(nuke.selectedNodes())
    except RuntimeError as error:
        raise HostError(
            "More nodes are selected than this edition of Nuke shows to Python, which is 10 in a script.",
            "Save and open the script again, then select only the plate and its Roto, or the Matted node.",
        ) from error


def paste(nk: str) -> nuke.Node:
    """Make nodes from .nk text; returns the last one made."""
    with tempfile.TemporaryDirectory(prefix="matted-") as folder:
        file = Path(folder) / "paste.nk"
        file.write_text(nk, "utf-8")
        node = nuke.nodePaste(file.as_posix())
    if node is None:
        raise HostError("Nuke made no node of Matted's text.", "Press Copy diagnostics and send them on.")
    return node


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Changes inside are no undo step."""
    nuke.Undo.disable()
    try:
        yield
    finally:
        nuke.Undo.enable()


@contextlib.contextmanager
def full_size() -> Iterator[None]:
    """Proxy mode is off inside: it changes the sizes of nodes, their hashes and what is rendered."""
    proxy = nuke.root().knob("proxy")
    with contextlib.ExitStack() as put_back:
        if proxy is not None and proxy.value():
            put_back.enter_context(quiet())
            put_back.enter_context(held(proxy, False))
        yield


@contextlib.contextmanager
def same_range() -> Iterator[None]:
    """The project keeps its range, which the files of a script's only Read would change (Foundry's Root reference)."""
    knobs = [nuke.root()[name] for name in ("last_frame", "first_frame")]  # so that it never runs backwards
    before = [knob.value() for knob in knobs]
    yield
    for knob, value in zip(knobs, before):
        put(knob, value)


@contextlib.contextmanager
def held(knob: nuke.Knob, value: Any) -> Iterator[None]:
    """Set a knob and put back what was there, keys and expressions too."""
    is_animated = hasattr(knob, "isAnimated") and knob.isAnimated()
    before = knob.toScript() if is_animated else knob.value()
    if is_animated:
        knob.clearAnimated()
    knob.setValue(value)
    try:
        yield
    finally:
        if is_animated:
            knob.fromScript(before)
        else:
            knob.setValue(before)


def put(knob: nuke.Knob, value: Any) -> None:
    """Set a knob only when that changes it: a script is not modified for nothing."""
    if knob.value() != value:
        knob.setValue(value)


def still(roto_node: nuke.Node | None, put_back: contextlib.ExitStack) -> None:
    """No motion blur on the roto, whichever of its two kinds it has."""
    if roto_node is None:
        return
    mode, amount = roto_node.knob("motionblur_mode"), roto_node.knob("global_motionblur")
    if mode is not None and amount is not None:
        put_back.enter_context(held(mode, "global"))
        put_back.enter_context(held(amount, 0))


def load(read: nuke.Node, pattern: str, mattes: Mattes) -> None:
    """Show a sequence in a Read: raw, black where there is nothing, and an error only once all should be there."""
    first, last = mattes.frames
    if str(read["file"].value()) != pattern:
        with same_range():
            cast("nuke.File_Knob", read["file"]).fromUserText(f"{pattern} {first}-{last}")
    for name, value in (("first", first), ("last", last), ("origfirst", first), ("origlast", last)):
        put(read[name], value)
    put(read["raw"], True)
    put(read["before"], "black")
    put(read["after"], "black")
    put(read["on_error"], "error" if mattes.complete else "black")
    cast("nuke.Script_Knob", read["reload"]).execute()
