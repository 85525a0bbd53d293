"""One clip of a timeline as plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Clip:
    """What is known of a clip, read at once.

    Attributes:
        key: the timeline item's id.
        name: as Resolve shows it.
        source: what can be read as it is: a pattern with ``%04d`` or a movie, with forward slashes; '' when the plate
            must be rendered.
        why: why it must be rendered, for people; '' when it need not.
        first: frame of the clip's first timeline frame. Frames are the files' own numbers for a sequence that is read
            as it is, Resolve's source frames for such a movie, and 1001 + frames from the clip's start when rendered.
        duration: timeline frames.
        record: timeline frame at which it starts.
        offset: what to add to a frame to get the number in the file's name, or the movie's picture, from 1.
        handles: frames the source has before and after; (0, 0) when rendered.
        size: width and height in pixels: of the source when it is read as it is, else of the timeline.
        pixel_aspect: width of a pixel over its height.
        colorspace: OpenColorIO name; None when the file says it best.
        frame_rate: of the timeline, frames a second as a fraction; None when Resolve does not say.
        track: video track, from 1.
        media_first: frame of the media's first frame.
        media_frames: how many frames the media has; 0 when nobody knows.
        notes: sentences for the artist.
    """

    key: str
    name: str
    source: str
    why: str
    first: int
    duration: int
    record: int
    offset: int
    handles: tuple[int, int]
    size: tuple[int, int]
    pixel_aspect: float
    colorspace: str | None
    frame_rate: tuple[int, int] | None
    track: int
    media_first: int
    media_frames: int
    notes: tuple[str, ...] = ()

    @property
    def last(self) -> int:
        """Frame of the clip's last timeline frame."""
        return self.first + self.duration - 1

    @property
    def whole(self) -> tuple[int, int]:
        """First and last frame with the handles."""
        return self.first - self.handles[0], self.last + self.handles[1]

    def marker(self, frame: int) -> int:
        """Where a marker on the clip stands for a frame."""
        return frame - self.first

    def timeline_frame(self, frame: int) -> int:
        """The timeline's number of a frame."""
        return self.record + frame - self.first
