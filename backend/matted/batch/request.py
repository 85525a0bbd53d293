"""A job as it is asked for: plain values that can be written down, sent to another machine, and looked at there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from matted.batch.keyframes import MaskSource, find_keyframes
from matted.batch.recipe import Job
from matted.batch.shot import Shot
from matted.engine.session import SessionSettings
from matted.media.color import ColorSettings
from matted.media.matte import MatteSettings
from matted.media.plate import Plate
from matted.media.sequence import find_sequence
from matted.weights import Identity, Loaded
from matted_protocol.frames import FrameRange


@dataclass(frozen=True)
class Request:
    """What to make. Making one looks at nothing; :meth:`shot` and :meth:`job` look at the disk.

    Attributes:
        plate: a pattern, a folder, a movie or one image; absolute.
        masks: where the artist's masks are; absolute.
        out: mattes go to ``out/v001``, ``v002``, …; absolute.
        name: what people call the shot; tells it from the others of a batch.
        at: use only these masks as keyframes; None takes every mask found.
        frames: the frames to make mattes for; None takes the whole plate.
        missing: ``error`` refuses a plate with gaps in the range, ``skip`` leaves those frames out.
        frame_offset: frame ``f`` is the plate's file or picture ``f + frame_offset``.
        part, layer: the EXR part and layer the plate is in.
        color: how the plate becomes what the network sees.
        weights: ``lite``, ``xmem``, or the path of a file in XMem.pth's form.
        session: how the shot is worked on.
        mattes: how mattes are written.
        suggestions: how many frames to suggest when the mattes are done.
        review: whether the mattes are looked over when they are done, as ``batch.review`` does.
        priority: among the shots of a batch the higher comes first.
    """

    plate: str
    masks: tuple[MaskSource, ...]
    out: Path
    name: str = ""
    at: tuple[int, ...] | None = None
    frames: FrameRange | None = None
    missing: Literal["error", "skip"] = "error"
    frame_offset: int = 0
    part: str | None = None
    layer: str | None = None
    color: ColorSettings = field(default_factory=ColorSettings)
    weights: str = "lite"
    session: SessionSettings = field(default_factory=SessionSettings)
    mattes: MatteSettings = field(default_factory=MatteSettings)
    suggestions: int = 3
    review: bool = False
    priority: int = 0

    def shot(self) -> Shot:
        """Find the plate and the masks, and see that the range has all its frames.

        Raises:
            PlateError, MaskError, KeyframeError, ColorError: something is not as it should be.
        """
        plate = self.footage()
        keyframes = find_keyframes(self.masks, size=plate.info.size, plate=plate.sequence, only=self.at)
        shot = Shot(plate, keyframes, self.frames, self.missing)
        shot.wanted()
        return shot

    def footage(self) -> Plate:
        """Find the plate alone, as :meth:`shot` finds it.

        Raises:
            PlateError, ColorError: it cannot be found or read.
        """
        sequence = find_sequence(self.plate).shifted(self.frame_offset)
        return Plate(sequence, color=self.color, part=self.part, layer=self.layer)

    def job(self, weights: Identity | Loaded) -> Job:
        """The job, of what is on disk now.

        Raises:
            PlateError, MaskError, KeyframeError, ColorError: as :meth:`shot`.
        """
        return Job(self.shot(), self.out, weights, self.session, self.mattes, self.suggestions, self.review)

    def plain(self) -> dict[str, Any]:
        """JSON values; :meth:`from_plain` makes the request of them again."""
        values: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        return values

    @classmethod
    def from_plain(cls, values: Any) -> Request:
        """What :meth:`plain` wrote down.

        Raises:
            msgspec.ValidationError: these are other values.
        """
        return msgspec.convert(values, cls, dec_hook=lambda kind, value: kind(value))


def absolute(path: str | Path, folder: Path | None = None) -> Path:
    """A path that means the same from every working directory; a job is the same job wherever it is asked for.

    Args:
        path: as a person writes it; ``~`` is their home.
        folder: what it is relative to; None is the working directory.

    Raises:
        RuntimeError: there is no such home.
    """
    whole = ((folder or Path()) / Path(path).expanduser()).absolute()
    return whole.resolve() if ".." in whole.parts else whole
