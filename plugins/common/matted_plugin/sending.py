"""Gets a shot to the daemon: plate and keyframes, as files it reads itself or as pixels over the wire."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Callable

from matted_plugin import exr
from matted_plugin.host import Asked, Host, HostError, ObjectSource, Plate, Rendering, Renderings
from matted_plugin.state import State
from matted_plugin.steps import Steps
from matted_protocol import messages as m
from matted_protocol.client import Client
from matted_protocol.errors import DaemonError
from matted_protocol.frames import FrameRange

_PREPARATION = 600.0
"""Seconds that listing a plate on slow storage may take."""

_NUMBER = re.compile(r"%0(\d+)d|#+")

_LOOKS = "frames.json"
"""Beside rendered frames: what each looked like, as :meth:`Host.signature` tells it."""


class Sender:
    """Sends one shot.

    Args:
        host: where the pictures come from.
        state: what is remembered; the rendered plate is kept between presses.
        asked: what the artist wants.
        progressing: told the step, how much of it is done, and how much there is.
        here: whether the daemon runs on this machine.

    Attributes:
        pixels: whether the plate goes over the wire. Where that is left to us: when the daemon, on another machine,
            cannot read the plate's files, or there are none.
    """

    def __init__(
        self,
        host: Host,
        state: State,
        asked: Asked,
        progressing: Callable[[str, int, int], None],
        *,
        here: bool,
    ) -> None:
        may_choose = asked.transport == "auto" and not here
        self.pixels = asked.transport == "pixels" or (may_choose and asked.plate.path is None)
        self._may_choose = may_choose
        self._host = host
        self._state = state
        self._asked = asked
        self._tell = progressing
        self._work = Path(asked.out) / "work" / state.id[:8]

    def send(self, client: Client) -> Steps:
        """Open the shot and give its keyframes; returns the daemon's :class:`messages.Shot`."""
        plate = self._asked.plate
        if not self.pixels:
            try:
                shot = yield from self._open(client, plate)
            except DaemonError as error:
                if not self._may_choose or error.code not in ("path_outside", "plate_missing"):
                    raise
                self.pixels = True
        if self.pixels:
            shot = yield from self._send_plate(client, plate)
        self._state.shot = shot.shot
        yield from self._send_masks(client, shot)
        return shot

    def _open(self, client: Client, plate: Plate) -> Steps:
        """Open the shot by the path of its files, rendered first if they are not on disk as they are."""
        path, offset = plate.path, plate.offset
        if path is None:
            path, offset = (yield from self._render_plate()), 0
        source = self._source(plate, path=path, offset=offset)
        return (yield lambda: self._open_shot(client, source))

    def _open_shot(self, client: Client, source: m.PlateSource) -> m.Shot:
        return client.open_shot(
            source,
            frames=self._asked.frames,
            objects=tuple(one.name for one in self._asked.objects),
            name=f"{self._host.program.split()[0]} {self._state.id[:16]}",
            timeout=_PREPARATION,
        )

    def _source(self, plate: Plate, **place: Any) -> m.PlateSource:
        return m.PlateSource(
            colorspace=plate.colorspace,
            exposure=plate.exposure,
            ocio=plate.ocio,
            pixel_aspect=plate.pixel_aspect,
            frame_rate=plate.frame_rate,
            **place,
        )

    def _look(self) -> Steps:
        """What the plate looks like at every frame: another text where the picture has changed since."""
        frames = list(FrameRange(*self._asked.frames))
        found = {}
        for index, frame in enumerate(frames):
            self._tell("Looking at the plate", index, len(frames))
            found[frame] = self._host.signature(frame)
            yield None
        return found

    def _render_plate(self) -> Steps:
        """Render every frame that is not there as it looks now; returns the pattern.

        Frames of earlier presses are used again; none is overwritten, for a job may still read it.
        """
        wanted: dict[int, str] = yield from self._look()
        before = Path(self._state.plate.get("folder") or "?")
        made = _read_looks(before)
        folder = before  # also when the script, and so the folder of the mattes, has a new name
        if not made or any(made.get(frame, look) != look for frame, look in wanted.items()):
            folder = self._work / "plate" / hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:16]
            self._make(folder)
        _write_looks(folder, {**_read_looks(folder), **wanted})
        self._state.plate = {"folder": folder.as_posix()}
        missing = []
        for frame, look in wanted.items():
            path = folder / _plate_name(frame)
            known = made.get(frame) == look
            if not path.exists() and not (known and _linked(before / _plate_name(frame), path)):
                missing.append(Rendering(frame, path.as_posix()))
        done = len(wanted) - len(missing)
        self._tell("Rendering the plate", done, len(wanted))
        yield None
        with closing(self._rendered(missing)) as rendered:
            for made_now in rendered:
                done += made_now is not None
                self._tell("Rendering the plate", done, len(wanted))
                yield None
        return (folder / "plate.%04d.exr").as_posix()

    def _rendered(self, renderings: Sequence[Rendering]) -> Renderings:
        """Have the host render beside, then rename: a file of ours is whole."""
        beside = {}
        for one in renderings:
            path = Path(one.path)
            part = path.with_name(f"part.{path.name}")
            part.unlink(missing_ok=True)
            beside[part.as_posix()] = one
        with closing(self._host.render([replace(one, path=part) for part, one in beside.items()])) as rendered:
            for made in rendered:
                if made is None:
                    yield None
                else:
                    one = beside[made.path]
                    Path(made.path).replace(one.path)
                    yield one

    def _send_plate(self, client: Client, plate: Plate) -> Steps:
        """Open the shot by its size, and send the pixels of every frame it does not have as it looks now."""
        wanted: dict[int, str] = yield from self._look()
        source = self._source(plate, size=plate.size)
        shot: m.Shot = yield lambda: self._open_shot(client, source)
        folder = self._work / "pixels" / shot.shot
        self._make(folder)
        sent = _read_looks(folder)
        missing = [
            Rendering(frame, (folder / _plate_name(frame)).as_posix(), compressed=False)
            for frame, look in wanted.items()
            if frame not in shot.frames or sent.get(frame) != look
        ]
        done = len(wanted) - len(missing)
        self._tell("Sending the plate", done, len(wanted))
        yield None
        with closing(self._rendered(missing)) as rendered:
            for one in rendered:
                yield None
                if one is None:
                    continue
                size, dtype, content = yield partial(_taken, Path(one.path), ("R", "G", "B"))
                pixels = m.Pixels(size[0], size[1], ("R", "G", "B"), dtype)
                yield partial(client.put_plate, shot.shot, one.frame, pixels, content)
                sent[one.frame] = wanted[one.frame]
                _write_looks(folder, sent)
                done += 1
                self._tell("Sending the plate", done, len(wanted))
        self._state.plate = {}
        return shot

    def _send_masks(self, client: Client, shot: m.Shot) -> Steps:
        """Give the masks of every keyframe, and take back those the artist no longer vouches for."""
        folder = self._work / "masks"
        self._make(folder)
        on_disk, drawn, names = [], [], {}
        for frame in self._asked.keyframes:
            for index, one in enumerate(self._asked.objects):
                if one.files:
                    on_disk.append((frame, one.name, _mask_file(one, frame)))
                    continue
                path = (folder / f"{index}.{_numbered(frame)}.exr").as_posix()
                drawn.append(Rendering(frame, path, one.channel, compressed=False))
                names[path] = one.name
        done, total = 0, len(on_disk) + len(drawn)
        self._tell("Sending keyframes", done, total)
        yield None
        for frame, name, path in on_disk:
            yield partial(client.set_keyframe, shot.shot, frame, object=name, path=path)
            done += 1
            self._tell("Sending keyframes", done, total)
        with closing(self._rendered(drawn)) as rendered:
            for made in rendered:
                yield None
                if made is None:
                    continue
                yield partial(self._send_mask, client, shot.shot, made.frame, names[made.path], Path(made.path))
                done += 1
                self._tell("Sending keyframes", done, total)
        known: m.Keyframes = yield lambda: client.list_keyframes(shot.shot)
        for keyframe in known.keyframes:
            if keyframe.frame not in self._asked.keyframes:
                yield partial(client.remove_keyframe, shot.shot, keyframe.frame)
        shutil.rmtree(folder, ignore_errors=True)

    def _send_mask(self, client: Client, shot: str, frame: int, name: str, path: Path) -> None:
        """On a worker thread. As pixels, for they are few, and hosts write the time into files: a file would be another
        mask at every press, and so another job."""
        size, dtype, content = _taken(path, (exr.channel_names(path)[0],))
        pixels = m.Pixels(size[0], size[1], ("A",), dtype)
        client.set_keyframe(shot, frame, object=name, pixels=pixels, buffer=content)

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HostError(
                f"The folder {folder} cannot be made: {error.strerror}.",
                "Choose another folder for the mattes.",
                path=str(folder),
            ) from error


def _numbered(frame: int) -> str:
    """A frame number as ``%04d`` writes it, which is how hosts look for files: -5 is ``-005``."""
    return f"{frame:04d}"


def _mask_file(one: ObjectSource, frame: int) -> str:
    """The file of an object's mask.

    Raises:
        HostError: it is not there.
    """
    path = _NUMBER.sub(lambda found: f"{frame:0{found[1] or len(found[0])}d}", one.files)
    if not Path(path).is_file():
        raise HostError(
            f"{one.name} has no mask at frame {frame}: there is no file {path}.",
            "Put the mask there, or take the keyframe away.",
            path=path,
            frame=frame,
        )
    return path


def _plate_name(frame: int) -> str:
    return f"plate.{_numbered(frame)}.exr"


def _read_looks(folder: Path) -> dict[int, str]:
    """What the frames rendered to a folder looked like; {} when nobody knows."""
    try:
        return {int(frame): str(look) for frame, look in json.loads((folder / _LOOKS).read_text("utf-8")).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _write_looks(folder: Path, looks: dict[int, str]) -> None:
    beside = folder / f".{_LOOKS}.part"
    try:
        beside.write_text(json.dumps(looks), "utf-8")
        beside.replace(folder / _LOOKS)
    except OSError as error:
        raise HostError(
            f"The folder {folder} cannot be written: {error.strerror}.",
            "See whether the disk is full, or choose another folder for the mattes.",
            path=str(folder),
        ) from error


def _linked(before: Path, path: Path) -> bool:
    """Have a frame rendered earlier in another folder too, without a second copy where the disk allows."""
    try:
        os.link(before, path)
    except OSError:
        return False
    return True


def _taken(path: Path, channels: tuple[str, ...]) -> tuple[tuple[int, int], Any, bytes]:
    """The pixels of a file the host rendered for the wire; the file goes."""
    try:
        return exr.read_pixels(path, channels)
    except (exr.ExrError, OSError) as error:
        raise HostError(
            f"What the host rendered to {path} cannot be read: {error}.",
            "Press the button again; if it stays, render the plate to disk and connect a Read.",
            path=str(path),
        ) from error
    finally:
        path.unlink(missing_ok=True)
