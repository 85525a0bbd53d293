"""Makes a Matted node on what the artist has selected."""

from __future__ import annotations

import nuke

from matted_nuke import node as text
from matted_nuke import roto
from matted_nuke.knobs import paste, selected_nodes


def create(state: str) -> nuke.Node:
    """Make a Matted node in the current group, on the selected nodes: a Roto goes to the roto input, else the plate."""
    selected = selected_nodes()[:2]
    rotos = [one for one in selected if one.Class() in roto.CLASSES]
    plates_ = [one for one in selected if one not in rotos]
    below = rotos[0].input(0) if rotos and not plates_ else None
    if below is not None:
        plates_ = [below]  # a roto is drawn over its plate
    anchor = (plates_ or rotos)[0] if selected else None
    position = None if anchor is None else (int(anchor.xpos()), int(anchor.ypos()) + 120)
    with nuke.Undo("Matted node"):
        node = paste(text.group_text("Matted1", state, position or (0, 0)))
        node.setInput(0, plates_[0] if plates_ else None)
        node.setInput(1, rotos[0] if rotos else (plates_[1] if len(plates_) > 1 else None))
        if position is not None:  # else where Nuke has put it, which is where the artist looks
            node.setXYpos(*position)
    return node
