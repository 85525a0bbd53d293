"""From what the store keeps to what ``batch`` works on: plates, keyframes, shots, by the rules about paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from matted.batch.keyframes import Keyframes, MaskSource, in_order
from matted.batch.shot import Shot
from matted.batch.stamp import HINT, Stamp
from matted.engine.plan import Direction
from matted.engine.session import SessionSettings
from matted.errors import KeyframeError, PlateError, RequestError
from matted.media.color import ColorSettings, ColorTransform, FileColor
from matted.media.plate import Plate
from matted.media.sequence import Sequence as FrameSequence
from matted.media.sequence import find_sequence
from matted.media.spool import SUFFIX, write_pixels
from matted.service.paths import Paths
from matted.service.store import MaskRow, ShotRow, Store
from matted_protocol.frames import FrameRange
from matted_protocol.messages import OpenShot, Pixels, PlateSource, Range, Settings

NO_PIXELS = "No pixels have been sent for this shot yet."


@dataclass(frozen=True)
class Footage:
    """Finds the pixels of shots.

    Attributes:
        store: where sent pixels and kept masks lie.
        paths: which files clients may name.
        spool_budget: bytes of sent pixels and of mattes without a folder, for all shots together.
    """

    store: Store
    paths: Paths
    spool_budget: int
    _sizes: dict[str, tuple[tuple[str, int, int], tuple[int, int]]] = field(init=False, default_factory=dict)

    def plate(self, shot: str, source: PlateSource, *, operator: bool, stamp: Stamp | None = None) -> Plate:
        """The plate of a shot, as it is on disk now; with a ``stamp`` only the frames there were then.

        Raises:
            PlateError: it is not there or cannot be read; ``plate_changed``.
            RequestError: ``path_outside``.
        """
        sequence = self._sequence(shot, source, operator=operator)
        if stamp is not None:
            sequence = stamp.narrowed(sequence)
        return Plate(sequence, color=self.color(source, operator=operator), part=source.part, layer=source.layer)

    def extent(self, shot: str, source: PlateSource, *, operator: bool) -> tuple[tuple[int, int], FrameSequence]:
        """The size of a shot's plate and the frames there are now; cheap once its first frame has been looked at.

        Raises:
            PlateError, ColorError: it is not there or cannot be read.
            RequestError: ``path_outside``.
        """
        sequence = self._sequence(shot, source, operator=operator)
        if source.size is not None:
            return source.size, sequence
        first = sequence.path(sequence.frames[0])
        try:
            stat = first.stat()
        except OSError:
            return self.plate(shot, source, operator=operator).info.size, sequence
        seen = (str(first), stat.st_size, stat.st_mtime_ns)
        known = self._sizes.get(shot)
        if known is None or known[0] != seen:
            known = self._sizes[shot] = (seen, self.plate(shot, source, operator=operator).info.size)
        return known[1], sequence

    def _sequence(self, shot: str, source: PlateSource, *, operator: bool) -> FrameSequence:
        if source.path is None:
            folder = self.store.plate_folder(shot)
            if not folder.is_dir() or not any(folder.glob("plate.*")):
                raise PlateError("plate_missing", NO_PIXELS, hint="Send the plate's frames first.")
            return find_sequence(folder)
        sequence = find_sequence(self.paths.resolve(source.path, operator=operator)).shifted(source.offset)
        self.paths.check_all(dict.fromkeys(sequence.files.values()), operator=operator)
        return sequence

    def color(self, source: PlateSource, *, operator: bool) -> ColorSettings:
        """How the plate's values become display colours."""
        ocio = source.ocio
        if ocio and not ocio.startswith("ocio://"):
            ocio = str(self.paths.resolve(ocio, operator=operator))
        return ColorSettings(source.colorspace, "auto" if source.exposure is None else source.exposure, ocio)

    def check_color(self, source: PlateSource, *, operator: bool) -> None:
        """Refuse colours that pixels still to be sent could not be read by.

        Raises:
            ColorError: ``color_config``, ``color_space``.
            SettingError: ``bad_setting``.
            RequestError: ``path_outside``.
        """
        color = self.color(source, operator=operator)
        if source.colorspace is not None or source.ocio is not None:  # without them nothing can be unknown
            ColorTransform(color, FileColor(file_format="openexr", is_float=True))

    def shot(
        self,
        row: ShotRow,
        opened: OpenShot,
        masks: Sequence[MaskRow],
        frames: Range | None,
        *,
        operator: bool,
        stamp: Stamp | None = None,
    ) -> Shot:
        """What a job works on: the plate, these masks, and the frames asked for. It is pinned: the plate must stay so.

        Args:
            row: the shot.
            opened: how it was opened.
            masks: the keyframes.
            frames: the frames asked for; None takes the shot's.
            operator: who asks.
            stamp: the plate's files when the job was submitted; None takes those there are now.

        Raises:
            KeyframeError: ``no_keyframe``, ``keyframe_outside``.
            PlateError, RequestError: the plate cannot be had; ``plate_changed``.
        """
        plate = self.plate(row.id, opened.plate, operator=operator, stamp=stamp)
        now = Stamp.of(plate.sequence)
        if stamp is not None and now != stamp:
            message = f"The plate {plate.sequence.pattern} has changed since the job was submitted."
            raise PlateError("plate_changed", message, hint=HINT, path=plate.sequence.pattern)
        if not masks:
            message = "This shot has no keyframe yet."
            raise KeyframeError("no_keyframe", message, hint="Draw a mask on at least one frame and add it.")
        for mask in masks:
            check_inside(mask.frame, plate.sequence)
        chosen = frames or opened.frames
        keyframes = self.keyframes(masks, opened.objects, plate.info.size)
        return Shot(plate, keyframes, FrameRange(*chosen) if chosen else None, opened.missing, now)

    def keyframes(self, masks: Sequence[MaskRow], declared: Sequence[str], size: tuple[int, int]) -> Keyframes:
        """The kept masks, as ``batch`` reads masks."""
        files: dict[int, list[tuple[MaskSource, Path]]] = {}
        for mask in masks:
            path = self.store.mask_path(mask.sha256, mask.name)
            source = MaskSource(path, mask.object, mask.layer, mask.pick)
            files.setdefault(mask.frame, []).append((source, path))
        names = {*declared, *(name for mask in masks for name in mask.names)}
        sources = tuple(source for found in files.values() for source, _ in found)
        return Keyframes(sources, {frame: tuple(found) for frame, found in files.items()}, in_order(names), size)

    def put(self, shot: str, source: PlateSource, frame: int, pixels: Pixels, buffer: memoryview) -> int:
        """Keep the pixels of a plate frame; returns how many frames there are now.

        Raises:
            PlateError: ``plate_size``.
            RequestError: ``bad_request``, ``spool_full``.
            OutputError: ``disk_full``.
        """
        if source.size is None:
            message = f"This shot's plate is the files {source.path}."
            raise RequestError("bad_request", message, hint="Open a shot with a size to send pixels.")
        if (pixels.width, pixels.height) != source.size:
            found, wanted = f"{pixels.width}x{pixels.height}", "x".join(map(str, source.size))
            message = f"The pixels of frame {frame} are {found}, but the plate is {wanted}."
            raise PlateError("plate_size", message, hint="Send every frame at the size of the shot.", frame=frame)
        folder = self.store.plate_folder(shot)
        path = folder / f"plate.{frame}{SUFFIX[pixels.dtype]}"
        present = list(folder.glob("plate.*"))
        if any(other.suffix != path.suffix for other in present):
            message = f"Frame {frame} is {pixels.dtype}, but the frames sent before are of another kind."
            raise RequestError("bad_request", message, hint="Send all frames as integers, or all as half or float.")
        self.check_room(pixels.size)
        rate = Fraction(*source.frame_rate) if source.frame_rate else None
        write_pixels(
            path,
            buffer,
            size=source.size,
            channels=pixels.channels,
            dtype=pixels.dtype,
            pixel_aspect=source.pixel_aspect,
            frame_rate=rate,
        )
        return len({*present, path})

    def spool_used(self) -> int:
        """Bytes of sent pixels, and of mattes that nobody named a folder for."""
        plates, mattes = (self.store.folder / name for name in ("plates", "mattes"))
        return sum(map(_size, (*plates.glob("*/plate.*"), *mattes.glob("*/v*/**/*.*"))))

    def check_room(self, size: int = 0) -> None:
        """Refuse what the spool has no room for.

        Raises:
            RequestError: ``spool_full``.
        """
        if self.spool_used() + size > self.spool_budget:
            message = f"The daemon keeps at most {self.spool_budget / 2**30:.1f} GiB of pixels, and has them."
            hint = "Delete shots that are finished, give plates and mattes by path, or raise --spool-budget."
            raise RequestError("spool_full", message, hint=hint)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another request has just deleted its shot
        return 0


def session_settings(settings: Settings) -> SessionSettings:
    """The engine's settings from those of the wire."""
    return SessionSettings(working_size=settings.working_size, direction=Direction(settings.direction))


def check_inside(frame: int, sequence: FrameSequence) -> None:
    """Refuse a keyframe on a frame the plate does not have.

    Raises:
        KeyframeError: ``keyframe_outside``.
    """
    if frame not in sequence.files:
        first, last = sequence.frames[0], sequence.frames[-1]
        message = f"The plate {sequence.title}, from {first} to {last}, has no frame {frame}."
        hint = "Number the mask like the plate frame it was drawn on."
        raise KeyframeError("keyframe_outside", message, hint=hint, frame=frame)
