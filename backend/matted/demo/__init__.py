"""A shot with known mattes, drawn by code: what a newcomer runs first and what the benchmarks run on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matted.demo.files import frame_header, save_plate, save_text
from matted.demo.scene import Scene
from matted.errors import OutputError, SettingError
from matted.media.matte import MatteSettings, MatteWriter
from matted.media.plate import PlateInfo

FIRST = 1001
"""Number of the first frame."""

REVISION = 1
"""Goes up when the drawing changes, so that frames of two drawings never mix in one folder."""

_RECORD = "demo.json"


@dataclass(frozen=True)
class DemoShot:
    """Where a demo shot lies.

    Attributes:
        plate: pattern of the plate: half-float EXR, scene-linear ACEScg.
        keyframes: folder of three EXR masks, a layer ``<object>.A`` for each object.
        mattes: for each object the folder of its known mattes: half-float EXR, channel ``A``.
    """

    plate: Path
    keyframes: Path
    mattes: dict[str, Path]


def draw_demo(folder: Path, *, frames: int = 48, size: tuple[int, int] = (960, 540)) -> DemoShot:
    """Draw the demo shot, or what is missing of it; what is there stays untouched.

    Args:
        folder: made when absent.
        frames: how many, from ``FIRST``; at least 3, for the first, the middle and the last are keyframes.
        size: (width, height) in pixels, at least 32 by 32.

    Raises:
        SettingError: bad_setting, too few frames or pixels.
        OutputError: the folder cannot be written, or holds another demo shot or other files.
    """
    width, height = size
    if frames < 3 or min(size) < 32:
        message = f"A demo shot of {frames} frames at {width}x{height} is too small."
        raise SettingError("bad_setting", message, hint="Ask for 3 frames or more, and 32x32 pixels or more.")
    folder = Path(folder)
    shot = DemoShot(
        plate=folder / "plate" / "plate.####.exr",
        keyframes=folder / "keyframes",
        mattes={name: folder / "known" / name for name in Scene.objects},
    )
    _claim(folder, {"revision": REVISION, "frames": frames, "size": list(size)})
    known, masks = _writers(shot, folder, width, height)
    keyframes = {FIRST, FIRST + frames // 2, FIRST + frames - 1}
    scene: Scene | None = None
    for frame in range(FIRST, FIRST + frames):
        plate = shot.plate.with_name(f"plate.{frame:04d}.exr")
        wanted = [known] + ([masks] if frame in keyframes else [])
        if plate.is_file() and all(writer.complete(frame) for writer in wanted):
            continue
        scene = scene or Scene(width, height)
        _draw(scene, frame, plate, wanted)
    return shot


def _draw(scene: Scene, frame: int, plate: Path, writers: list[MatteWriter]) -> None:
    """Draw one frame and write whichever of its files are missing."""
    drawing = scene.draw(frame - FIRST)
    header = frame_header(frame, *scene.size)
    if not plate.is_file():
        save_plate(plate, frame, drawing.plate, header)
    for writer in writers:
        if not writer.complete(frame):
            writer.write(frame, drawing.stacked(), header)


def _writers(shot: DemoShot, folder: Path, width: int, height: int) -> tuple[MatteWriter, MatteWriter]:
    """What writes the known mattes, and what writes the masks."""
    window = frame_header(FIRST, width, height)
    info = PlateInfo(width, height, 0, 0, 1.0, window.frame_rate, ("R", "G", "B"), "openexr", "ACEScg")
    known = MatteWriter(folder / "known", objects=Scene.objects, settings=MatteSettings(), info=info)
    layers = MatteSettings(layout="layers", name="mask")
    return known, MatteWriter(shot.keyframes, objects=Scene.objects, settings=layers, info=info)


def _claim(folder: Path, record: dict[str, Any]) -> None:
    """Make the folder the one of this very shot.

    Raises:
        OutputError: it is another's.
    """
    path = folder / _RECORD
    if path.is_file():
        if path.read_text(encoding="utf-8") == json.dumps(record):
            return
        message = f"The folder {folder} holds a demo shot of another size, length or drawing."
    elif any((folder / name).exists() for name in ("plate", "keyframes", "known")):
        message = f"The folder {folder} holds other files where the demo shot goes."
    else:
        save_text(path, json.dumps(record))
        return
    raise OutputError("output_unwritable", message, hint="Choose another folder, or remove this one.", path=folder)
