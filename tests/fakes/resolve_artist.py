"""What a person does in the stand-in Resolve, and what happens to them: nothing here passes the gate."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from fakes import resolve_media
from fakes.resolve_models import (
    BinModel,
    ItemModel,
    MarkerModel,
    MediaModel,
    ProjectModel,
    TimelineModel,
    TrackModel,
    rate_of,
)


class Artist:
    """The person at the seat; it takes and gives models, whose ids a script finds with GetUniqueId."""

    def __init__(self, machine: Any):
        self._machine = machine

    @property
    def _project(self) -> ProjectModel:
        return self._machine.project  # type: ignore[no-any-return]

    @property
    def _timeline(self) -> TimelineModel:
        assert self._project.timeline is not None, "no timeline is open"
        return self._project.timeline

    # -- the project

    def set_frame_rate(self, text: str, start: int | None = None) -> None:
        """``29.97 DF``; the timeline begins at 01:00:00:00 or at ``start``."""
        rate, drop = rate_of(text)
        hour = 107892 * round(rate) // 30 if drop else 3600 * round(rate)
        self._project.settings["timelineFrameRate"] = text
        self._timeline.start = self._timeline.playhead = hour if start is None else start

    def set_resolution(self, width: int, height: int) -> None:
        self._project.settings.update(timelineResolutionWidth=str(width), timelineResolutionHeight=str(height))

    def set_setting(self, name: str, value: str) -> None:
        self._project.settings[name] = value

    def new_project(self, name: str = "Untitled Project") -> ProjectModel:
        """Another project is opened; whatever a script held of the old one is dead."""
        return self._machine.new_project(name)  # type: ignore[no-any-return]

    def open_project(self, project: ProjectModel) -> None:
        self._machine.project = project

    def close_project(self) -> None:
        """Resolve opens an untitled one then."""
        self.new_project()

    def new_timeline(self, name: str) -> TimelineModel:
        return self._machine.new_timeline(name)  # type: ignore[no-any-return]

    def open_timeline(self, timeline: TimelineModel | None) -> None:
        self._project.timeline = timeline

    def save(self) -> None:
        """Items that an AppendToTimeline which failed in part had added are gone now (measured)."""
        self._project.saves += 1
        for timeline in self._project.timelines:
            for track in timeline.tracks["video"]:
                track.items = [item for item in track.items if item.durable]

    # -- media

    def import_sequence(
        self, pattern: str | Path, first: int, last: int, fps: str | None = None, **properties: Any
    ) -> MediaModel:
        """An image sequence on disk (``plate.%04d.exr``); ``properties`` as GetClipProperty would tell them."""
        rate = self._machine.rate if fps is None else rate_of(fps)[0]
        media = resolve_media.sequence(self._machine, str(pattern), first, last, rate)
        return self._added(media, properties)

    def import_movie(self, path: str | Path, frames: int, fps: str | None = None, **properties: Any) -> MediaModel:
        """A movie on disk, or where one once was."""
        rate, file = self._machine.rate if fps is None else rate_of(fps)[0], Path(path)
        size = resolve_media.picture_size(file)
        media = MediaModel(self._machine.new_id("media"), file.name, "movie", file.as_posix(), 0, frames, rate, size)
        return self._added(media, properties)

    def _added(self, media: MediaModel, properties: dict[str, Any]) -> MediaModel:
        media.properties.update(properties)
        self._project.bin.media.append(media)
        return media

    def new_bin(self, name: str, inside: BinModel | None = None) -> BinModel:
        parent = inside or self._project.root
        made = BinModel(self._machine.new_id("bin"), name, parent)
        parent.bins.append(made)
        return made

    def open_bin(self, folder: BinModel) -> None:
        self._project.bin = folder

    def select(self, *media: MediaModel) -> None:
        """In the media pool."""
        self._project.selected = list(media)

    def set_property(self, media: MediaModel, name: str, value: Any) -> None:
        media.properties[name] = value

    # -- the edit

    def add_track(self, name: str | None = None) -> TrackModel:
        tracks = self._timeline.tracks["video"]
        tracks.append(TrackModel(name or f"Video {len(tracks) + 1}"))
        return tracks[-1]

    def track(self, index: int) -> TrackModel:
        """Of the video tracks, from 1; made when it is not there."""
        while len(self._timeline.tracks["video"]) < index:
            self.add_track()
        return self._timeline.tracks["video"][index - 1]

    def place(
        self, media: MediaModel, record: int = 0, source_in: int = 0, source_out: int | None = None, track: int = 1
    ) -> ItemModel:
        """Put a clip on the timeline ``record`` frames from its start; source frames count from 0, both included."""
        last = media.frames - 1 if source_out is None else source_out
        rate = media.fps / self._machine.rate
        return self._placed(
            track,
            record,
            max(1, math.floor((last - source_in + 1) / rate)),
            name=media.name,
            media=media,
            source_in=source_in,
            rate=rate,
        )

    def place_generator(self, record: int, duration: int, track: int = 1, name: str = "Solid Color") -> ItemModel:
        return self._placed(track, record, duration, name=name, kind="generator")

    def place_title(self, record: int, duration: int, track: int = 1, name: str = "Text") -> ItemModel:
        return self._placed(track, record, duration, name=name, kind="title")

    def place_compound(self, record: int, duration: int, track: int = 1, name: str = "Compound Clip 1") -> ItemModel:
        """Its media pool item has no file."""
        media = MediaModel(self._machine.new_id("media"), name, "compound", frames=duration, fps=self._machine.rate)
        return self._placed(track, record, duration, name=name, kind="compound", media=self._added(media, {}))

    def _placed(self, track: int, record: int, duration: int, **facts: Any) -> ItemModel:
        item = self._machine.new_item(start=self._timeline.start + record, duration=duration, **facts)
        assert self.track(track).free(item.start, item.end), "something lies there"
        self.track(track).items.append(item)
        return item

    def trim(self, item: ItemModel, head: int = 0, tail: int = 0) -> None:
        """Take frames off its ends; markers stay with their pictures, also those that are no longer shown."""
        item.source_in += math.floor(head * item.speed * item.rate)
        item.start, item.duration = item.start + head, item.duration - head - tail
        item.markers = {frame - head: marker for frame, marker in item.markers.items()}

    def slide(self, item: ItemModel, by: int) -> None:
        """Move it along the timeline."""
        item.start += by

    def retime(self, item: ItemModel, speed: str | float | Fraction) -> None:
        """Another speed; it grows or shrinks to show the same pictures."""
        new = Fraction(speed)
        item.duration = max(1, math.floor(item.duration * abs(item.speed) / abs(new)))
        item.speed = new

    def reverse(self, item: ItemModel) -> None:
        """The last picture first."""
        item.source_in, item.speed = item.source_frame(item.end - 1), -item.speed

    def conform(self, item: ItemModel) -> None:
        """It came out of an XML: its source range is told as 0 to 0 (measured)."""
        item.reports.update(GetSourceStartFrame=0, GetSourceEndFrame=0)

    def misreport(self, item: ItemModel, **reports: Any) -> None:
        """What single methods of the clip tell instead of the truth: ``GetLeftOffset=3``."""
        item.reports.update(reports)

    def resize(self, item: ItemModel, **properties: Any) -> None:
        """``ZoomX=1.2, ZoomY=1.2, Pan=20.0``: the names of GetProperty."""
        item.properties.update(properties)

    def stabilise(self, item: ItemModel) -> None:
        """No call tells that a clip is stabilised."""
        item.stabilised = True

    def grade(self, item: ItemModel, function: Callable[[Any], Any] | None, version: str | None = None) -> None:
        """Colours (h, w, 3) to colours; a new version only when a name is given."""
        item.grade = function
        item.version = version or item.version

    def set_alpha_output(self, item: ItemModel, coverage: Callable[[int], Any] | None) -> None:
        """Connect a key to the clip's alpha output: coverage (h, w) by the number of the media's frame."""
        item.alpha = coverage

    def rename(self, thing: Any, name: str) -> None:
        """A clip, bin, timeline, project or track."""
        thing.name = name

    def delete(self, *things: Any) -> None:
        """Clips of the timeline or of the media pool."""
        for timeline in self._project.timelines:
            for track in timeline.tracks["video"]:
                track.items = [item for item in track.items if item not in things and item.media not in things]
        for each in self._project.root.walk():
            each.media = [media for media in each.media if media not in things]

    # -- markers and marks

    def mark(self, item: ItemModel, frame: int, color: str = "Mint", **facts: Any) -> None:
        """A marker on a clip, ``frame`` frames from its start."""
        item.markers[frame] = MarkerModel(color, **facts)

    def mark_timeline(self, frame: int, color: str = "Mint", **facts: Any) -> None:
        """A marker on the timeline, counted from its start."""
        self._timeline.markers[frame] = MarkerModel(color, **facts)

    def mark_media(self, media: MediaModel, frame: int, color: str = "Mint", **facts: Any) -> None:
        """A marker on a clip of the media pool, in source frames from 0."""
        media.markers[frame] = MarkerModel(color, **facts)

    def set_marks(self, first: int | None, last: int | None) -> None:
        """In and out of the timeline, counted from its start."""
        start, timeline = self._timeline.start, self._timeline
        timeline.mark_in = None if first is None else start + first
        timeline.mark_out = None if last is None else start + last

    def go_to(self, frame: int) -> None:
        """The playhead, counted from the timeline's start."""
        self._timeline.playhead = self._timeline.start + frame

    # -- the window

    def page(self, name: str) -> None:
        """Another page; the Deliver page has its own idea of the marks."""
        came, self._machine.page = self._machine.page, name
        if name == "deliver" and came != name:
            self._project.queue.opened_deliver(self._project.timeline)

    def click_away(self) -> None:
        """The dialog that is up."""
        self._machine.modal = None

    # -- the Deliver page

    def other_job(self, folder: Path, **facts: Any) -> str:
        """A render job of the artist's own; its id."""
        return self._project.queue.artist_adds_job(folder, **facts)  # type: ignore[no-any-return]

    def render(self, *jobs: str) -> None:
        """Start these jobs."""
        self._project.queue.artist_starts(list(jobs))

    def stop_rendering(self) -> None:
        self._project.queue.artist_stops()

    def clear_job(self, job: str) -> None:
        """Take a job out of the queue, also one that renders."""
        self._project.queue.artist_deletes(job)

    # -- the script's windows; ``fakes.resolve_ui.Screen`` has the rest

    def click(self, id: str) -> None:
        """A button or a box, by its ID; the script hears of it in its loop."""
        self._machine.screen.click(id)

    def type(self, id: str, text: Any) -> None:
        """Into a field; a choice of a list; a number."""
        self._machine.screen.type(id, text)
