"""Timelines drawn in code: clips of the drawn shot, written by OpenTimelineIO itself."""

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from fakes.drawn_shot import FIRST, LAST, write_masks, write_plate

HOUR = 86_400
"""Frames of one hour at 24 a second: where the media's time code starts."""


def draw_media(folder, name, *, keyframes=(1003, 1010)):
    """Plate and masks of a shot, sixteen frames from 1001 on."""
    write_plate(folder / "plates" / name)
    if keyframes:
        write_masks(folder / "roto" / name, keyframes)


def span(start, length, rate=24):
    return TimeRange(RationalTime(start, rate), RationalTime(length, rate))


def files(folder, name, *, start=HOUR, rate=24, step=1):
    """The plate as numbered files."""
    count = (LAST - FIRST) // step + 1
    return otio.schema.ImageSequenceReference(
        target_url_base=(folder / "plates" / name).as_uri(),
        name_prefix="plate.",
        name_suffix=".png",
        start_frame=FIRST,
        frame_step=step,
        rate=rate,
        frame_zero_padding=4,
        available_range=span(start, count * step, rate),
    )


def url(text, available=None):
    """The plate as a URL."""
    return otio.schema.ExternalReference(target_url=text, available_range=available)


def clip(name, media, source=None, *, effects=(), **keys):
    """A clip with keys for matted."""
    metadata = {"matted": keys} if keys else {}
    return otio.schema.Clip(name, media_reference=media, source_range=source, effects=list(effects), metadata=metadata)


def write_cut(file, *tracks, **settings):
    """Write a timeline: a list of clips a video track; ``settings`` are its tables for matted."""
    timeline = otio.schema.Timeline("cut", metadata={"matted": settings} if settings else {})
    for number, clips in enumerate(tracks, 1):
        track = otio.schema.Track(f"V{number}", kind=otio.schema.TrackKind.Video)
        track.extend(clips)
        timeline.tracks.append(track)
    otio.adapters.write_to_file(timeline, str(file))
    return file


def line_of(file, text, *, nth=1):
    """The line ``text`` is in for the n-th time."""
    return [line for line, found in enumerate(file.read_text().splitlines(), 1) if text in found][nth - 1]
