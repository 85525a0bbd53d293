"""The demo's files: a scene-linear EXR plate, the known matte of every object, and a few keyframe mattes."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio

from matted.demo.scene import Pixels, Scene
from matted.errors import OutputError, SettingError
from matted.media.image import Window
from matted.media.matte import NO_DATE, MatteSettings, MatteWriter
from matted.media.plate import PlateHeader, PlateInfo
from matted_protocol.frames import FrameRange

FRAMES = FrameRange(1001, 1048)
SIZE = (960, 540)
RATE = 24
ACESCG = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)
"""x and y of ACEScg's red, green, blue and white (Academy S-2014-004)."""


@dataclass(frozen=True)
class DemoShot:
    """Where the demo's files are.

    Attributes:
        plate: pattern of the plate, ``.../plate/demo.####.exr``: RGB half, scene-linear ACEScg.
        mattes: per object the folder of its known mattes, one for every frame, channel ``A``.
        keyframes: folder of the keyframe mattes, ``<object>.A`` layers.
        frames: the plate's frames.
        keyframe_frames: the frames that have a keyframe.
    """

    plate: Path
    mattes: dict[str, Path]
    keyframes: Path
    frames: FrameRange
    keyframe_frames: tuple[int, ...]


def draw_demo(
    folder: Path,
    *,
    frames: FrameRange = FRAMES,
    size: tuple[int, int] = SIZE,
    keyframes: Collection[int] | None = None,
    on_frame: Callable[[int], None] = lambda frame: None,
) -> DemoShot:
    """Draw what is missing of the demo shot; files that are there stay as they are.

    Args:
        folder: gets ``plate``, ``known`` and ``keyframes``; made when it is not there.
        frames: what to draw. Motion is per frame: fewer frames are the beginning of the same shot.
        size: (width, height) in pixels.
        keyframes: frames that get a keyframe matte; None takes the first, a middle and the last one.
        on_frame: told each frame as it is finished.

    Raises:
        SettingError: the folder holds another demo shot, or a keyframe is none of the frames (``bad_setting``).
        OutputError: the folder cannot be written (``output_unwritable``, ``disk_full``).
    """
    everything = list(frames)
    chosen = tuple(sorted(keyframes or {everything[index * (len(everything) - 1) // 2] for index in range(3)}))
    if not set(chosen) <= set(everything):
        message = f"The demo's keyframes {', '.join(map(str, chosen))} are not all in {frames}."
        raise SettingError("bad_setting", message, hint=f"Choose keyframes inside {frames}.")
    _claim(folder, frames, size)
    info = PlateInfo(*size, 0, 0, 1.0, Fraction(RATE), ("R", "G", "B"), "openexr", "ACEScg")
    known = MatteWriter(folder / "known", objects=Scene.objects, settings=MatteSettings(), info=info)
    layers = MatteSettings(layout="layers", name="keyframe")
    masks = MatteWriter(folder / "keyframes", objects=Scene.objects, settings=layers, info=info)
    scene: Scene | None = None
    for position, frame in enumerate(everything):
        plate, wanted = _plate_path(folder, frame), [known, masks] if frame in chosen else [known]
        if plate.exists() and all(writer.complete(frame) for writer in wanted):
            continue
        scene = scene or Scene(*size)
        drawing = scene.draw(position * frames.step)
        header = PlateHeader(Window(0, 0, *size), 1.0, (_timecode(frame), 0), Fraction(RATE))
        mattes = np.stack([drawing.mattes[name] for name in Scene.objects])
        for writer in wanted:
            writer.write(frame, mattes, header)
        _write_plate(plate, frame, drawing.plate)
        on_frame(frame)
    mattes_of = {name: folder / "known" / name for name in Scene.objects}
    return DemoShot(folder / "plate" / "demo.####.exr", mattes_of, folder / "keyframes", frames, chosen)


def _claim(folder: Path, frames: FrameRange, size: tuple[int, int]) -> None:
    """Note in the folder which shot it holds, or hold it to that note."""
    note, recipe = folder / "demo.json", {"frames": str(frames), "width": size[0], "height": size[1]}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not note.exists():
            note.write_text(json.dumps(recipe), encoding="utf-8")
            return
        held = json.loads(note.read_text(encoding="utf-8"))
    except ValueError:
        held = None
    except OSError as error:
        raise _refused(folder, None, error) from error
    if held != recipe:
        message = f"The folder {folder} holds another demo shot: {held}."
        raise SettingError("bad_setting", message, hint="Choose an empty folder for this demo shot.")


def _plate_path(folder: Path, frame: int) -> Path:
    return folder / "plate" / f"demo.{frame:04d}.exr"


def _write_plate(path: Path, frame: int, pixels: Pixels) -> None:
    """Write (H, W, 3) scene-linear pixels as half, beside and then renamed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    height, width, _ = pixels.shape
    spec = oiio.ImageSpec(width, height, 3, "half")
    spec.attribute("compression", "dwaa:45")
    spec.attribute("chromaticities", "float[8]", ACESCG)
    spec.attribute("oiio:ColorSpace", "ACEScg")
    spec.attribute("framesPerSecond", "rational", (RATE, 1))
    spec.attribute("smpte:TimeCode", "timecode", (_timecode(frame), 0))
    spec.attribute("DateTime", NO_DATE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        output: Any = oiio.ImageOutput.create("exr")
        written = output.open(str(beside), spec) and output.write_image(np.ascontiguousarray(pixels, np.float16))
        if not (output.close() and written):
            full = shutil.disk_usage(path.parent).free < pixels.size * 2
            raise OSError(errno.ENOSPC if full else errno.EIO, output.geterror() or "the file did not arrive whole")
        beside.replace(path)
    except OSError as error:
        raise _refused(path, frame, error) from error
    finally:
        if path.parent.is_dir():
            beside.unlink(missing_ok=True)


def _timecode(frame: int) -> int:
    """Frame counted from 0 as SMPTE 12M time code, binary-coded decimal ``hh:mm:ss:ff`` in four bytes."""
    seconds, rest = divmod(max(frame, 0), RATE)
    packed = 0
    for value in (seconds // 3600 % 24, seconds // 60 % 60, seconds % 60, rest):
        packed = packed << 8 | (value // 10) << 4 | value % 10
    return packed


def _refused(path: Path, frame: int | None, error: OSError) -> OutputError:
    what = "The folder" if frame is None else f"The plate of frame {frame},"
    if error.errno == errno.ENOSPC:
        message = f"{what} {path} cannot be written: the disk is full."
        return OutputError("disk_full", message, hint="Free some space and run the demo again.", path=path, frame=frame)
    message = f"{what} {path} cannot be written: {error.strerror or error}."
    hint = "Give the demo a folder you may write to: matted demo DIR."
    return OutputError("output_unwritable", message, hint=hint, path=path, frame=frame)
