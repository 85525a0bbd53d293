"""What the menu, the node's buttons and the panel call, and scripts: ``buttons.propagate("Matted1")`` in ``nuke -t``.

In the GUI everything returns at once and a timer on the main thread goes on with it. In a terminal there is no event
loop, so each call works until it is done.
"""

from __future__ import annotations

import contextlib
import json
import platform
import shutil
import time
from pathlib import Path
from typing import Any

import nuke

from matted_nuke import vendor

vendor.use()  # before anything imports the client, also for a script in ``nuke -t``

from matted_nuke import node as text  # noqa: E402
from matted_nuke.host import NukeHost  # noqa: E402
from matted_nuke.knobs import is_limited, quiet, selected_nodes  # noqa: E402
from matted_nuke.making import create as make_node  # noqa: E402
from matted_plugin import state  # noqa: E402
from matted_plugin.daemon import Daemon  # noqa: E402
from matted_plugin.desk import Desk  # noqa: E402
from matted_plugin.host import Gone, HostError  # noqa: E402
from matted_plugin.report import counted  # noqa: E402
from matted_plugin.workflow import Workflow  # noqa: E402
from matted_protocol import dealer, wire  # noqa: E402
from matted_protocol.errors import DaemonError  # noqa: E402

_TERMINAL_PAUSE = 0.02
"""Seconds between two looks where there is no timer."""

_desk: Desk | None = None
trouble: HostError | DaemonError | None = None
"""Why the last button did nothing; None when it went well. For the panel."""
_opened: list[str] = []
"""Names of Matted nodes a script being loaded has brought; looked at when it is loaded."""


def desk() -> Desk:
    """All Matted nodes in use, and the connection; made when first needed."""
    global _desk
    if _desk is None:
        _desk = Desk(Daemon(f"nuke {nuke.NUKE_VERSION_STRING}", command=installed().get("daemon") or ()))
        nuke.addOnScriptClose(_script_closed)
        nuke.addOnScriptSave(_script_saved)
        if nuke.GUI:
            from matted_nuke import panel

            panel.start_clock(_turn)
    return _desk


def installed() -> dict[str, Any]:
    """What the installer wrote beside the plugin: version, and the command that starts the daemon; {} without it."""
    try:
        told = json.loads((Path(__file__).resolve().parents[2] / "matted.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def tick() -> bool:
    """Move everything a little; returns whether there was something to do."""
    while _opened:
        node = nuke.toNode(_opened.pop(0))
        if node is not None and node.knob(text.STATE) is not None:
            with contextlib.suppress(Gone):
                desk().open(NukeHost(node)).attach()
    return desk().tick()


def _turn() -> bool:
    """A turn of the clock, which stays quick while an action waits for an answer."""
    return tick() or desk().acting


def workflow(node: nuke.Node | str | None = None) -> Workflow:
    """The buttons of a Matted node: a handle, a name, or the one that is selected or the only one in use.

    Raises:
        HostError: there is no such node, or more are selected than this edition of Nuke shows.
    """
    if isinstance(node, str):
        found = nuke.toNode(node)
    elif node is not None:
        found = node
    else:
        try:
            found = next((one for one in selected_nodes() if one.knob(text.STATE) is not None), None)
        except HostError:
            if len(desk().workflows) != 1:
                raise
            found = None
    if found is None and node is None and len(desk().workflows) == 1:
        return desk().workflows[0]
    if found is None or found.knob(text.STATE) is None:
        raise HostError("No Matted node is selected.", "Select one, or make one: menu Matted, Matted node.")
    return desk().open(NukeHost(found))


# The menu and the node's buttons


def create() -> nuke.Node | None:
    """Make a Matted node on the selection."""
    with _telling():
        node = make_node(state.save(state.State()))
        desk().open(NukeHost(node))
        return node


def propagate(node: nuke.Node | str | None = None) -> None:
    """Make a matte for every frame."""
    with _telling(node):
        flow = workflow(node)
        with nuke.Undo("Matted: Propagate"):
            flow.host.group["status"].setValue("Propagate pressed.")  # type: ignore[attr-defined]
        flow.propagate()
        _until_done(flow)


def suggest(node: nuke.Node | str | None = None) -> None:
    """Name more frames worth rotoscoping next."""
    with _telling(node):
        flow = workflow(node)
        with nuke.Undo("Matted: Suggest"):
            flow.host.group["status"].setValue("Suggest pressed.")  # type: ignore[attr-defined]
        flow.suggest()
        _until_done(flow)


def cancel(node: nuke.Node | str | None = None) -> None:
    """Stop; every finished matte stays."""
    with _telling(node):
        flow = workflow(node)
        flow.cancel()
        _until_done(flow)


def find_keyframes(node: nuke.Node | str | None = None) -> None:
    """Write the frames keyed in the roto into the keyframes knob."""
    with _telling(node):
        host = _host(workflow(node))
        frames, notes = host.find_keyframes()
        if not frames:  # what was typed stays
            raise HostError(f"No keyframe was found for {host.key}.", " ".join(notes))
        with nuke.Undo("Matted: Find keyframes"):
            host.group["keyframes"].setValue(" ".join(map(str, frames)))
        host.show_status(" ".join([f"{counted(len(frames), 'keyframe')} found.", *notes]))


fill_keyframes = find_keyframes


def add_keyframe(node: nuke.Node | str | None = None) -> None:
    """Add the current frame to the keyframes."""
    _edit_keyframes(node, "Matted: Add keyframe", lambda frames: frames | {int(nuke.frame())})


def remove_keyframe(node: nuke.Node | str | None = None, frame: int | None = None) -> None:
    """Take a frame out of the keyframes, the current one unless given."""
    gone = int(nuke.frame()) if frame is None else frame
    _edit_keyframes(node, "Matted: Remove keyframe", lambda frames: frames - {gone})


def _edit_keyframes(node: nuke.Node | str | None, step: str, edit: Any) -> None:
    with _telling(node):
        host = _host(workflow(node))
        frames = sorted(edit(set(host.read_keyframes())))
        with nuke.Undo(step):
            host.group["keyframes"].setValue(" ".join(map(str, frames)))


def to_roto(node: nuke.Node | str | None = None) -> None:
    """Turn the shown object's mattes into editable Bezier shapes with few keys, within the node's tolerance."""
    with _telling(node):
        flow = workflow(node)
        group = _host(flow).group
        flow.make_shapes(str(group["shown"].value()), min(max(float(group["tolerance"].value()), 0.25), 100.0))
        _until_done(flow)


def jump(frame: int) -> None:
    """Go to a frame."""
    nuke.frame(frame)


def show_panel(node: nuke.Node | str | None = None) -> None:
    """Open the docked panel, on this node."""
    name = workflow(node).host.key if node is not None else ""
    if nuke.GUI:
        from matted_nuke import panel

        panel.show(name)


def remove_leftovers(node: nuke.Node | str | None = None) -> None:
    """Delete the plate frames rendered for a Matted node; mattes are never touched."""
    with _telling(node):
        flow = workflow(node)
        if flow.busy or flow.state.running:
            raise HostError("The plate is still needed.", "Wait until the mattes are done, or press Cancel.")
        own = flow.state.id[:8]
        out = _host(flow).read_out()
        folders = {Path(out) / "work" / own} if out else set()
        rendered = Path(str(flow.state.plate.get("folder") or "."))  # .../work/<own>/plate/<signature>
        if own in rendered.parts:
            folders.add(rendered.parents[1])
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        flow.state.plate = {}
        flow.keep()
        flow.host.show_status("Removed the rendered plate. Propagate renders it again; the mattes are still there.")


def diagnostics() -> str:
    """What whoever looks after matted wants to know, as text."""
    zmq, msgpack = vars(dealer)["zmq"], vars(wire)["msgpack"]  # the ones the client uses, which may be ours alone
    found = desk()
    lines = [
        f"nuke {nuke.NUKE_VERSION_STRING}{' (limited edition)' if is_limited() else ''}",
        f"python {platform.python_version()} on {platform.platform()}",
        f"plugin {installed().get('version', 'not installed by install.py')} in {Path(__file__).resolve().parents[2]}",
        f"zmq {zmq.__version__} from {zmq.__file__}",
        f"msgpack {msgpack.version} from {msgpack.__file__}",
        f"connection file {found.daemon.file}",
        f"daemon {found.daemon.endpoint}, lamp {found.daemon.lamp}, log {found.daemon.log}",
    ]
    trouble = found.daemon.why
    if trouble is not None:
        lines.append(f"trouble {trouble.code}: {trouble.message} {trouble.hint}")
    client = found.daemon.connected
    if client is not None and client.welcome is not None:
        lines.append(f"daemon version {client.welcome.matted}, protocol {client.welcome.version}")
    root = nuke.root()
    colour = {name: root[name].value() for name in ("colorManagement", "OCIO_config") if root.knob(name) is not None}
    lines.append(f"colour {colour}")
    for flow in found.workflows:
        lines += [f"{flow.host.key}: {flow.report.sentence} {flow.report.hint}", f"  {flow.state.text()}"]
    return "\n".join(lines)


def copy_diagnostics(node: nuke.Node | str | None = None) -> str:
    """Put :func:`diagnostics` on the clipboard, or print it in a terminal."""
    told = diagnostics()
    if nuke.GUI:
        from matted_nuke import panel

        panel.copy(told)
    else:
        nuke.tprint(told)
    return told


# Callbacks


def opened(node: nuke.Node) -> None:
    """A Matted node appeared, with a script or by pasting: find its job again once the script is loaded."""
    _opened.append(str(node.fullName()))
    if nuke.GUI:
        desk()


def attach(node: nuke.Node) -> None:
    """Find a node's job again and work until it is done: what a terminal calls after loading a script."""
    with _telling(node):
        flow = workflow(node)
        flow.attach()
        _until_done(flow)


def shown(node: nuke.Node) -> None:
    """Another object was chosen in the node."""
    with _telling(node):
        workflow(node).show()


def _script_closed() -> None:
    _opened.clear()
    if _desk is not None:
        _desk.forget()


def _script_saved() -> None:
    if _desk is not None:
        for flow in _desk.workflows:
            with contextlib.suppress(HostError):
                flow.keep()


# Helpers


def _host(flow: Workflow) -> NukeHost:
    assert isinstance(flow.host, NukeHost)
    return flow.host


@contextlib.contextmanager
def _telling(node: nuke.Node | str | None = None) -> Any:
    """Tell the artist what went wrong, in the node's status and in the panel, never in a window."""
    global trouble
    trouble = None
    try:
        yield
    except (HostError, DaemonError) as error:
        trouble = error
        said, is_seen = f"{error.message} {error.hint}", False
        with contextlib.suppress(Exception), quiet():
            target = nuke.toNode(node) if isinstance(node, str) else node
            if target is not None:
                target["status"].setValue(said)
                is_seen = True
        nuke.tprint(f"Matted: {said}")
        if not nuke.GUI:
            raise
        if not is_seen:  # no node to say it: the panel does
            show_panel()


def _until_done(flow: Workflow) -> None:
    """In a terminal: work until there is nothing left to do, then fail if it failed."""
    if nuke.GUI:
        return
    told = ""
    try:
        while flow.busy or flow.state.running:
            if not tick():
                time.sleep(_TERMINAL_PAUSE)
            if flow.report.sentence != told:
                told = flow.report.sentence
                nuke.tprint(f"Matted: {told}")
    except KeyboardInterrupt:
        flow.cancel()
        raise
    if flow.report.error:
        raise HostError(flow.report.sentence, flow.report.hint)
