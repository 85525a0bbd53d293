"""The Matted node: a Group as .nk text, pasted in one go.

A Group travels inside the script, where a gizmo breaks on a farm machine that lacks its file, and text costs no node
handle: Nuke Indie and Non-commercial show Python at most ten nodes of a script.

Inside are a Write for rendering plate and masks (disabled but for the moment it renders, so that no render submitter
picks it up), and the Read of the mattes whose alpha goes over the plate's.
"""

from __future__ import annotations

WRITE, MASK, READ, HOLD = "MattedWrite", "MattedMask", "MattedRead", "MattedHold"
"""The nodes inside that Python ever touches."""

ALPHA = "rgba.alpha"
"""What the mask Copy takes unless told otherwise."""

CLASS = "Group"
STATE = "matted_state"
"""The hidden knob with the job, whose presence tells a Matted node from other Groups."""

_CALL_BACK = """\
try:
 from matted_nuke import start
 start.call_back({function!r}, nuke.thisNode())
except ImportError:
 pass"""
"""A script must open where the plugin is not installed."""
_ON_CREATE = "if nuke.GUI:\n " + _CALL_BACK.format(function="opened").replace("\n", "\n ")
_ON_CHANGE = "if nuke.thisKnob().name() == 'shown':\n " + _CALL_BACK.format(function="shown").replace("\n", "\n ")


def quoted(text: str) -> str:
    """A value as .nk text."""
    for plain in '\\"[]{}$':
        text = text.replace(plain, f"\\{plain}")
    return '"' + text.replace("\n", "\\n") + '"'


def _button(name: str, label: str, tip: str, *, new_line: bool = False, call: str = "") -> str:
    command = f"from matted_nuke import start; start.press({call or name!r}, nuke.thisNode())"
    flag = "+STARTLINE" if new_line else "-STARTLINE"
    return f" addUserKnob {{22 {name} l {quoted(label)} t {quoted(tip)} {flag} T {quoted(command)}}}"


def _knob(kind: int, name: str, label: str, tip: str, extra: str = "") -> str:
    return f" addUserKnob {{{kind} {name} l {quoted(label)} t {quoted(tip)}{extra}}}"


_TAB, _STRING, _FILE, _INT, _ENUM, _BOOL, _NUMBER, _TEXT = 20, 1, 2, 3, 4, 6, 7, 26


def _knobs(state: str) -> list[str]:
    return [
        f" addUserKnob {{{_TAB} matted l Matted}}",
        _button(
            "propagate",
            "Propagate",
            "Make a matte for every frame from the masks of the keyframes. Keep working: mattes fill in as they come. "
            "Press it again after a change.",
            new_line=True,
        ),
        _button(
            "cancel",
            "Cancel",
            "Stop rendering and making mattes. Finished mattes stay, and Propagate goes on from there.",
        ),
        _button("suggest", "Suggest", "Name the frames where one more mask would help most."),
        _button("show_panel", "Panel", "Open the panel: progress, suggested frames and the connection."),
        f' addUserKnob {{{_TEXT} status l "" +STARTLINE T "Draw a roto on a few frames, then press Propagate."}}',
        _knob(
            _STRING,
            "keyframes",
            "keyframes",
            "Frames whose masks are right: 1001 1030-1050x10. Empty: those keyed in the roto, found at every press.",
        ),
        _button(
            "find_keyframes",
            "Find",
            "Write the frames keyed in the roto into keyframes, in place of what is there.",
            call="fill_keyframes",
        ),
        _button("add_keyframe", "Add this frame", "Add the current frame to keyframes."),
        _button("remove_keyframe", "Remove this frame", "Take the current frame out of keyframes."),
        _knob(
            _STRING,
            "objects",
            "objects",
            "What to matte, each with the channel of the roto input that holds its mask: hero=rgba.alpha car=rgba.red. "
            "A name alone means rgba.alpha. An object whose mask is black at a keyframe counts as not in that frame.",
        ),
        " objects hero",
        _knob(
            _STRING,
            "frames",
            "frames",
            "Frames to matte: 1001-1100, or 1001-1100x2 for every other one. Empty: those the plate has within the "
            "project's range.",
        ),
        _knob(
            _FILE,
            "out",
            "mattes folder",
            "Where mattes go, each time into a new version: v001, v002. Empty: matted/ beside the script.",
        ),
        _knob(
            _ENUM,
            "layout",
            "objects as",
            "files: an EXR sequence for each object. layers: one sequence with a layer for each object.",
            " M {files layers}",
        ),
        _knob(
            _ENUM,
            "results",
            "mattes in",
            "Show the mattes in this node's alpha, or in a Read beside it for each object.",
            ' M {"this node" "Reads beside it"}',
        ),
        _knob(_ENUM, "shown", "show", "The object whose matte is the alpha of this node.", " M {hero}"),
        _button(
            "to_roto",
            "To Roto",
            "Make a Roto with editable shapes of the shown object's mattes, with few keys.",
            new_line=True,
        ),
        _knob(
            _NUMBER,
            "tolerance",
            "within",
            "How far, in pixels, a shape may be from its matte. More gives fewer points and keys: 1 for clean mattes, "
            "2 to 4 for rough ones.",
            " -STARTLINE",
        ),
        " tolerance 2",
        f" addUserKnob {{{_TAB} settings l Settings}}",
        _knob(
            _STRING,
            "weights",
            "network",
            "What makes the mattes: lite comes with matted, xmem is better and slower, or the path of a checkpoint.",
        ),
        " weights lite",
        _knob(
            _INT,
            "working_size",
            "working size",
            "Shorter side of the plate for the network, pixels: more finds finer parts and takes longer. 0: full size.",
        ),
        " working_size 480",
        _knob(
            _ENUM,
            "direction",
            "direction",
            "From each keyframe forward, backward, or both, which blends between keyframes.",
            " M {both forward backward}",
        ),
        _knob(_INT, "suggestions", "suggestions", "How many frames to suggest when the mattes are ready."),
        " suggestions 3",
        _knob(
            _ENUM,
            "transport",
            "plate goes",
            "How the daemon gets the plate. auto: as files where it can read them, else as pixels over the network.",
            ' M {auto "as files" "as pixels"}',
        ),
        _knob(
            _STRING,
            "colorspace",
            "plate colourspace",
            "The plate's colourspace by its OpenColorIO name. Empty: what the Read or the project says.",
        ),
        _knob(
            _STRING,
            "exposure",
            "exposure",
            "Stops by which the network sees the plate brighter or darker; auto suits most plates.",
        ),
        " exposure auto",
        _knob(_STRING, "view", "view", "The view to matte: left or right. Empty: the script's first."),
        f" addUserKnob {{{_INT} marked_keyframes l {quoted('keyframe marks')} +INVISIBLE}}",
        f" addUserKnob {{{_INT} marked_suggestions l {quoted('suggestion marks')} +INVISIBLE}}",
        f" addUserKnob {{{_BOOL} ready l ready +INVISIBLE}}",
        f" addUserKnob {{{_STRING} beside l beside +INVISIBLE}}",
        f" addUserKnob {{{_STRING} {STATE} l state +INVISIBLE}}",
        f" {STATE} {quoted(state)}",
    ]


_INSIDE = f"""\
Input {{
 inputs 0
 name roto
 xpos 160
 ypos -300
 number 1
}}
set Nroto [stack 0]
Input {{
 inputs 0
 name plate
 xpos 0
 ypos -300
}}
set Nplate [stack 0]
FrameHold {{
 firstFrame 0
 name {HOLD}
 xpos 0
 ypos -180
}}
push $Nroto
push $Nplate
Copy {{
 inputs 2
 from0 rgba.alpha
 to0 rgba.alpha
 name {MASK}
 xpos 160
 ypos -180
}}
Crop {{
 box {{0 0 {{input.width}} {{input.height}}}}
 name MattedFormat
 xpos 160
 ypos -100
}}
Write {{
 channels rgb
 file_type exr
 raw true
 create_directories true
 disable true
 name {WRITE}
 xpos 160
 ypos -20
}}
Read {{
 inputs 0
 before black
 after black
 on_error black
 raw true
 name {READ}
 xpos -160
 ypos -180
}}
push $Nplate
Copy {{
 inputs 2
 from0 rgba.alpha
 to0 rgba.alpha
 disable {{{{!parent.ready}}}}
 name MattedCopy
 xpos 0
 ypos 60
}}
Output {{
 name Output1
 xpos 0
 ypos 160
}}
"""


def group_text(name: str, state: str, position: tuple[int, int]) -> str:
    """A Matted node.

    Args:
        name: of the node; Nuke numbers it when it is taken.
        state: the JSON of :mod:`matted_plugin.state`.
        position: x and y in the node graph.
    """
    head = [
        "Group {",
        " inputs 0",
        f" name {name}",
        " tile_color 0x3f7f5fff",
        f" onCreate {quoted(_ON_CREATE)}",
        f" knobChanged {quoted(_ON_CHANGE)}",
        f" xpos {position[0]}",
        f" ypos {position[1]}",
    ]
    return "\n".join([*head, *_knobs(state), "}", _INSIDE + "end_group", ""])


def read_text(name: str, label: str, position: tuple[int, int]) -> str:
    """A Read for mattes, beside the Matted node."""
    lines = ["Read {", " inputs 0", " before black", " after black", " on_error black", " raw true", f" name {name}"]
    lines += [f" label {quoted(label)}", f" xpos {position[0]}", f" ypos {position[1]}", "}", ""]
    return "\n".join(lines)
