"""A Matted node in Nuke, as the buttons see it. Called on Nuke's main thread only.

In Nuke Indie and Non-commercial, which allow ten, Python touches at most eight nodes of a script: the root, the Matted
node, its Write, FrameHold and Read, the plate's Read with a Dot before it, and the Roto. Masks in other channels than
the alpha take the mask Copy too, and then no Dot.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import nuke

from matted_nuke import node as text
from matted_nuke import plate as plates
from matted_nuke import roto
from matted_nuke.asked import listed, parse_folder, parse_keyframes, parse_objects
from matted_nuke.knobs import full_size, held, is_limited, load, paste, put, quiet, still
from matted_plugin.host import (
    Asked,
    Gone,
    Host,
    HostError,
    Mattes,
    ObjectSource,
    Plate,
    Rendering,
    Renderings,
    Shape,
    rate,
)
from matted_plugin.steps import Stopped
from matted_protocol.connection import data_folder
from matted_protocol.frames import FrameRange
from matted_protocol.messages import MatteOptions, Settings

_LAYERS = 3
"""How many objects the node passes on as layers."""

_LIMITED, _FULL = 2, 20
"""How many nodes above an input are looked at: in limited editions, and else."""


class NukeHost(Host):
    """One Matted node.

    Args:
        node: its handle; found again by name when an undo made the handle stale.
    """

    how_to_key = "Draw a roto on a frame or two, or type the frames that have a mask into the knob keyframes."

    def __init__(self, node: nuke.Node) -> None:
        self.program = f"nuke {nuke.NUKE_VERSION_STRING}"
        self._node = node
        self._name = str(node.fullName())

    @property
    def group(self) -> nuke.Node:
        """The node's handle, as it is now.

        Raises:
            Gone: it was deleted, or its script closed.
        """
        try:
            self._name = str(self._node.fullName())
        except Exception:  # a stale handle: what Nuke raises differs by version
            with nuke.root():
                found = nuke.toNode(self._name)
            if found is None or found.knob(text.STATE) is None:
                raise Gone(f"The node {self._name} is no longer in the script.", "Make a new Matted node.") from None
            self._node = found
        return self._node

    @property
    def key(self) -> str:
        """The node's full name."""
        return str(self.group.fullName())

    @property
    def place(self) -> str:
        """The script's file; '' before it was ever saved."""
        try:
            return str(nuke.scriptName())
        except RuntimeError:
            return ""

    # Reading

    def read(self) -> Asked:
        """The node's knobs and what is connected to it."""
        group, root = self.group, nuke.root()
        plate_node = self._plate_node()
        objects = parse_objects(self._text("objects"))
        view = self._view()
        read, why = plates.find_read(plate_node, self._reach)
        frames = self._frames(root, plate_node)
        with full_size():
            plate = self._plate(root, plate_node, read, why, frames, view)
        keyframes, notes = self._keyframes(frames)
        if keyframes:
            self._see_channels(objects)
        return Asked(
            plate=plate,
            frames=frames,
            keyframes=keyframes,
            objects=objects,
            out=self._out(),
            transport={0: "auto", 1: "paths", 2: "pixels"}[int(group["transport"].getValue())],
            settings=self._settings(),
            mattes=MatteOptions(layout="layers" if self._text("layout") == "layers" else "files"),
            suggestions=int(group["suggestions"].value()),
            notes=(
                *notes,
                *self._layer_notes(objects),
                *((f"The plate is rendered: {plate.why}.",) if plate.why else ()),
            ),
        )

    def _layer_notes(self, objects: Sequence[ObjectSource]) -> tuple[str, ...]:
        """A Copy passes four channels on: one to the alpha, three as layers."""
        if self._text("layout") != "layers" or self._text("results").startswith("Reads") or len(objects) <= _LAYERS:
            return ()
        names = listed(one.name for one in objects[:_LAYERS])
        return (f"Only {names} are layers of {self._name}; a Read beside it has every object.",)

    def _plate_node(self) -> nuke.Node:
        found = self.group.input(0)
        if found is None:
            raise HostError(f"{self._name} has no plate.", "Connect the plate to its first input.")
        return found

    @property
    def _reach(self) -> int:
        if not is_limited():
            return _FULL
        return _LIMITED - any(one.channel != text.ALPHA for one in parse_objects(self._text("objects")))

    def _text(self, name: str) -> str:
        return str(self.group[name].value()).strip()

    def _view(self) -> str:
        told, known = self._text("view"), list(nuke.views())
        if told and told not in known:
            raise HostError(
                f"{self._name}: this script has no view {told}.", f"Type one of these into view: {listed(known)}."
            )
        return told or str(known[0])

    def _see_channels(self, objects: Sequence[ObjectSource]) -> None:
        """A mask from a channel that is not there would be the plate's own alpha."""
        masks = self.group.input(1)
        if masks is None:
            raise HostError(
                f"{self._name} has no mask.", "Connect a Roto, or anything with a matte, to its roto input."
            )
        there = [str(name) for name in masks.channels()]
        for one in objects:
            if one.channel not in there:
                raise HostError(
                    f"The mask of {one.name} is to come from {one.channel}, which {masks.name()} does not have.",
                    f"Correct it in the knob objects of {self._name}; there are {listed(sorted(there)[:12])}.",
                )

    def _settings(self) -> Settings:
        try:
            direction: Any = self._text("direction")
            return Settings(self._text("weights"), direction, int(self.group["working_size"].value()))
        except ValueError as error:
            raise HostError(f"{self._name}: {error}.", "Correct it on the tab Settings.") from error

    def _frames(self, root: nuke.Node, plate_node: nuke.Node) -> tuple[int, int, int]:
        told = self._text("frames")
        if told:
            try:
                frames = FrameRange.parse(told)
            except ValueError as error:
                raise HostError(f"{self._name}: {error}.", "Correct it in the knob frames.") from error
            return frames.first, frames.last, frames.step
        first, last = int(plate_node.firstFrame()), int(plate_node.lastFrame())
        first = max(first, int(root["first_frame"].value()))
        last = min(last, int(root["last_frame"].value()))
        if last < first:
            raise HostError(
                f"The plate of {self._name} has no frame within the project's range.",
                "Set the project's frame range, or type a range into frames.",
            )
        return first, last, 1

    def _plate(
        self,
        root: nuke.Node,
        plate_node: nuke.Node,
        read: nuke.Node | None,
        why: str,
        frames: tuple[int, int, int],
        view: str,
    ) -> Plate:
        picture = plate_node.format()
        files = plates.Files(why=why)
        if read is not None:
            files = plates.read_files(read, root, frames[:2], view)
        colours = files.colours if not files.why and files.colours else plates.working_colours(root)
        return Plate(
            path=files.path if not files.why else None,
            size=(int(picture.width()), int(picture.height())),
            offset=files.offset if not files.why else 0,
            pixel_aspect=float(picture.pixelAspect()),
            colorspace=self._text("colorspace") or colours.space,
            ocio=colours.config,
            exposure=self._exposure(),
            frame_rate=rate(float(root["fps"].value())),
            why=files.why,
        )

    def _exposure(self) -> float | None:
        told = self._text("exposure")
        if told in ("", "auto"):
            return None
        try:
            return float(told)
        except ValueError as error:
            raise HostError(
                f"{self._name}: the exposure '{told}' is no number of stops.", "Write auto, 0, 1.5 or -2."
            ) from error

    def _keyframes(self, frames: tuple[int, int, int]) -> tuple[tuple[int, ...], tuple[str, ...]]:
        told = self._text("keyframes")
        wanted = FrameRange(*frames)
        if told:
            found = parse_keyframes(told, self._name)
            notes = self._unlisted(found, wanted)
        else:
            found, notes = self.keyed(frames[0], frames[1])
        inside = tuple(frame for frame in found if frame in wanted)
        outside = [frame for frame in found if frame not in wanted]
        if outside:
            notes = (*notes, f"Keyframes outside the range are left out: {listed(outside)}.")
        return inside, notes

    def _unlisted(self, told: Sequence[int], wanted: FrameRange) -> tuple[str, ...]:
        """Say that the artist keyed more in the roto than is listed: else a fix would be passed over in silence."""
        found = self._roto()
        if found is None:
            return ()
        keys = roto.keyframes(found["curves"], wanted.first, wanted.last)
        more = [frame for frame in keys.frames if frame in wanted and frame not in told]
        if not more or keys.every_frame:
            return ()
        return (
            f"The roto is keyed at {listed(more)} too, which keyframes does not list: press Find, or empty keyframes.",
        )

    def read_keyframes(self) -> list[int]:
        """The keyframes as they are now, in the range or not: those typed, or those keyed in the roto."""
        told = self._text("keyframes")
        return parse_keyframes(told, self._name) if told else self.find_keyframes()[0]

    def find_keyframes(self) -> tuple[list[int], tuple[str, ...]]:
        """The frames keyed in the roto within the range, and notes about them."""
        first, last, _ = self._frames(nuke.root(), self._plate_node())
        return self.keyed(first, last)

    def read_out(self) -> str:
        """The folder of the mattes, as it is now; '' when what was typed is none."""
        try:
            return self._out()
        except HostError:
            return ""

    def keyed(self, first: int, last: int) -> tuple[list[int], tuple[str, ...]]:
        """The frames keyed in the roto, by the union rule of :mod:`matted_nuke.roto`, and notes about them."""
        found = self._roto()
        if found is None:
            return [], ("There is no Roto on the roto input: type the frames that have a mask into keyframes.",)
        keys = roto.keyframes(found["curves"], first, last)
        return list(keys.frames), keys.notes

    def _roto(self) -> nuke.Node | None:
        """The Roto above the roto input, through Dots; None when another kind of node is there."""
        above = self.group.input(1)
        for nodes_left in reversed(range(self._reach)):
            if above is None or above.Class() in roto.CLASSES:
                return above
            if above.Class() not in ("Dot", "NoOp"):
                return None
            above = above.input(0) if nodes_left else None
        return None

    def _out(self) -> str:
        try:
            told = parse_folder(str(cast("nuke.File_Knob", self.group["out"]).evaluate() or ""), self._name)
        except RuntimeError as error:
            raise HostError(
                f"{self._name}: the mattes folder cannot be worked out: {error}.", "Correct its expression."
            ) from error
        if told:
            return told
        if not self.place:
            return (data_folder() / "unsaved" / self._name.replace(".", "_")).as_posix()
        script = Path(self.place)
        return (script.parent / "matted" / script.stem / self._name.replace(".", "_")).as_posix()

    # Rendering

    def signature(self, frame: int) -> str:
        """Nuke's own hashes of the plate, held at this frame inside the node, so that the artist's frame stays."""
        hold = self._inner(text.HOLD)
        with quiet(), full_size(), held(hold["firstFrame"], frame):
            return f"{','.join(map(str, hold.opHashes()))} {self._view()}"

    def render(self, renderings: Sequence[Rendering]) -> Renderings:
        """Render through the Write inside the node; every knob touched is put back after each frame, without an undo
        step.
        """
        for rendering in renderings:
            self._render(rendering)
            yield rendering

    def _render(self, rendering: Rendering) -> None:
        group, write = self.group, self._inner(text.WRITE)
        view = self._view()
        frame, path = rendering.frame, rendering.path
        with contextlib.ExitStack() as put_back:
            put_back.enter_context(quiet())
            put_back.enter_context(full_size())
            if rendering.channel is not None:
                if rendering.channel != text.ALPHA:
                    put_back.enter_context(held(self._inner(text.MASK)["from0"], rendering.channel))
                still(self._roto(), put_back)
            put_back.enter_context(held(write["file"], path))
            put_back.enter_context(held(write["channels"], "rgb" if rendering.channel is None else "alpha"))
            put_back.enter_context(held(write["views"], view))
            if not rendering.compressed:
                put_back.enter_context(held(write["compression"], "none"))
            put_back.enter_context(held(write["disable"], False))
            try:
                nuke.execute(write, frame, frame, 1, [view])
            except RuntimeError as error:
                if "cancel" in str(error).lower():
                    raise Stopped from error
                raise HostError(
                    f"Nuke could not render frame {frame} for {group.name()}: {error}.",
                    "Look at that frame above the Matted node, put it right and press the button again.",
                    frame=frame,
                ) from error
        file = Path(path)
        if not file.is_file() or not file.stat().st_size:
            raise HostError(
                f"Nuke wrote nothing for frame {frame} to {path}.",
                "See whether the disk is full and the folder can be written, then press the button again.",
                path=path,
                frame=frame,
            )

    def _inner(self, name: str) -> nuke.Node:
        with nuke.root():
            found = nuke.toNode(f"{self._name}.{name}")
        if found is None:
            raise HostError(f"{name} inside {self._name} is gone.", "Make a new Matted node, connected the same way.")
        return found

    def _around(self) -> nuke.Group:
        """The group this node is in: a button's script runs with the node itself as the current group."""
        parent = self._name.rpartition(".")[0]
        with nuke.root():
            return cast("nuke.Group", nuke.toNode(parent)) if parent else nuke.root()

    # Showing

    def show_mattes(self, mattes: Mattes) -> tuple[str, ...]:
        """Load the mattes in the Read inside the node, or in Reads beside it."""
        with quiet():
            self._choices(tuple(mattes.layers or mattes.patterns))
            if self._text("results").startswith("Reads"):
                self._show_beside(mattes)
                put(self.group["ready"], False)
                return ()
            shown = self._text("shown")
            load(self._inner(text.READ), mattes.patterns.get(shown) or next(iter(mattes.patterns.values())), mattes)
            if mattes.layers:
                self._show_layers(shown, mattes.layers)
            put(self.group["ready"], True)
        return ()

    def _choices(self, names: tuple[str, ...]) -> None:
        knob = cast("nuke.Enumeration_Knob", self.group["shown"])
        if tuple(knob.values()) != names:
            chosen = str(knob.value())
            knob.setValues(list(names))
            if chosen in names:
                knob.setValue(chosen)

    def _show_layers(self, shown: str, layers: tuple[str, ...]) -> None:
        """The shown object to the alpha, the next three as layers of their own."""
        copy = self._inner("MattedCopy")
        first = shown if shown in layers else layers[0]
        put(copy["from0"], f"{first}.alpha")
        for index, name in enumerate(layers[:_LAYERS], 1):
            put(copy[f"from{index}"], f"{name}.alpha")
            put(copy[f"to{index}"], f"{name}.alpha")

    def _show_beside(self, mattes: Mattes) -> None:
        """Load the mattes in a Read for each object; one that the artist deleted comes back with new mattes only."""
        told = self._text("beside")
        known: dict[str, list[str]] = json.loads(told) if told else {}
        for index, (name, pattern) in enumerate(mattes.patterns.items()):
            read_name, shown = known.get(name, ["", ""])
            with nuke.root():
                read = nuke.toNode(read_name) if read_name else None
            if read is None and shown != pattern:
                label = name or "mattes"
                position = (int(self.group.xpos()) + 110 * (index + 1), int(self.group.ypos()))
                with self._around():
                    read = paste(text.read_text(f"Matte_{label}", label, position))
            if read is not None:
                load(read, pattern, mattes)
                known[name] = [str(read.fullName()), pattern]
        put(self.group["beside"], json.dumps(known, sort_keys=True))

    def show_marks(self, keyframes: Sequence[int], suggestions: Sequence[tuple[int, str]]) -> None:
        """Key two hidden knobs: their keys are marks on the timeline while the node's panel is open."""
        with quiet():
            suggested = [frame for frame, _ in suggestions]
            for name, frames in (("marked_keyframes", keyframes), ("marked_suggestions", suggested)):
                knob = self.group[name]
                knob.clearAnimated()
                if frames:
                    knob.setAnimated()
                    for frame in frames:
                        knob.setValueAt(1, frame)
                    for time in set(knob.getKeyList()).difference(frames):
                        knob.removeKeyAt(time)  # animating a knob keys the current frame too

    def show_status(self, sentence: str) -> None:
        """Write into the node's status line."""
        with quiet():
            put(self.group["status"], sentence)

    def make_shapes(self, shapes: Sequence[Shape], name: str) -> str:
        """Paste a Roto with the shapes beside the node, over the same plate."""
        from matted_nuke import shapes as outlines  # only whoever presses To Roto needs it

        position = (int(self.group.xpos()) - 110, int(self.group.ypos()))
        with nuke.Undo("Matted: To Roto"), self._around():
            made = paste(outlines.roto_node_text(f"Matted_{name}", shapes, position=position))
            made.setInput(0, self.group.input(0))
            made.setXYpos(*position)
            outlines.straighten(made["curves"])
        return str(made.name())

    def stored(self) -> str:
        """The hidden knob's text."""
        return str(self.group[text.STATE].value())

    def store(self, text_: str) -> None:
        """Write the hidden knob."""
        with quiet():
            put(self.group[text.STATE], text_)
