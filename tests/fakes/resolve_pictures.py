"""What the stand-in Resolve shows: a clip's picture from its real files, sized, graded, with its alpha output."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio

from fakes.resolve_models import ItemModel, MediaModel, ProjectModel, TimelineModel


def clips(timeline: TimelineModel) -> Iterator[tuple[int, ItemModel]]:
    """(track, item) of every clip that is switched on, lowest track first, in order."""
    return (
        (index, item)
        for index, item in timeline.items()
        if timeline.tracks["video"][index - 1].enabled and item.enabled
    )


def extent(timeline: TimelineModel) -> tuple[int, int]:
    """First and last frame of the timeline."""
    return timeline.start, max(timeline.start, timeline.end - 1)


def resolution(project: ProjectModel, timeline: TimelineModel) -> tuple[int, int]:
    """Width and height of the timeline."""
    settings = {**project.settings, **timeline.settings}
    return int(settings["timelineResolutionWidth"]), int(settings["timelineResolutionHeight"])


def source_frame(item: ItemModel, frame: int) -> int:
    """Which frame of the media, from 0, a timeline frame shows; the media's ends go on for ever."""
    return min(max(item.source_frame(frame), 0), item.media.frames - 1) if item.media is not None else 0


def timeline_picture(timeline: TimelineModel, frame: int, size: tuple[int, int]) -> tuple[Any, Any]:
    """Colour (height, width, 3) and alpha (height, width) of the top-most clip at a timeline frame."""
    shown = timeline.at(frame)
    if shown is None:
        return np.zeros((size[1], size[0], 3), np.float32), np.zeros((size[1], size[0]), np.float32)
    return item_picture(shown, frame, size)


def item_picture(item: ItemModel, frame: int, size: tuple[int, int]) -> tuple[Any, Any]:
    """The same of one clip: its Fusion comp, its grade, its sizing, its alpha output."""
    if item.media is None or not item.media.source:
        return np.full((size[1], size[0], 3), 0.18, np.float32), np.ones((size[1], size[0]), np.float32)
    return source_picture(item, source_frame(item, frame), size)


def source_picture(item: ItemModel, index: int, size: tuple[int, int]) -> tuple[Any, Any]:
    """Colour and alpha of a frame of the clip's media, counted from 0, as the clip treats it."""
    assert item.media is not None
    colour = media_picture(item.media, index)[..., :3]
    alpha = np.ones(colour.shape[:2], np.float32)
    if item.comps:
        colour, alpha = item.comps.processed(index, colour, alpha)
    if item.alpha is not None:
        alpha = np.asarray(item.alpha(index + item.media.first), np.float32)
    if item.grade is not None:
        colour = np.asarray(item.grade(colour), np.float32)
    both = placed(np.concatenate([colour, alpha[..., None]], -1), item.properties, size)
    if item.stabilised:
        both = np.roll(both, 1, axis=1)
    return both[..., :3], both[..., 3]


def media_picture(media: MediaModel, index: int) -> Any:
    """The pixels of a frame of the media, counted from 0: (height, width, channels), float32."""
    if media.kind == "movie":
        return movie_picture(media.source, index)
    return read_picture(str(media.file(media.first + index)))


def read_picture(path: str) -> Any:
    """A picture file; black where it is missing, as Resolve shows media that is offline."""
    file = Path(path)
    if not file.is_file():
        return np.zeros((16, 16, 3), np.float32)
    return _read(path, file.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: str, _changed: int) -> Any:
    image = oiio.ImageBuf(path)
    pixels = image.get_pixels(oiio.FLOAT, image.roi_full)
    assert not image.has_error, image.geterror()
    return pixels


@lru_cache(maxsize=64)
def movie_picture(path: str, index: int) -> Any:
    """A frame of a movie, counted from 0."""
    file = oiio.ImageInput.open(path)
    assert file is not None and file.seek_subimage(index, 0), (path, index)
    pixels = file.read_image(oiio.FLOAT)
    file.close()
    return pixels


def placed(pixels: Any, properties: dict[str, Any], size: tuple[int, int]) -> Any:
    """The picture fitted into the frame and moved as the clip's sizing says; nothing (0) around it."""
    height, width = pixels.shape[:2]
    zoom = properties.get("ZoomX", 1.0), properties.get("ZoomY", 1.0)
    pan = properties.get("Pan", 0.0), properties.get("Tilt", 0.0)
    flips = bool(properties.get("FlipX")), bool(properties.get("FlipY"))
    if (width, height) == size and zoom == (1.0, 1.0) and pan == (0.0, 0.0) and flips == (False, False):
        return pixels
    fit = min(size[0] / width, size[1] / height)
    y, x = np.mgrid[: size[1], : size[0]] + 0.5
    u = (x - size[0] / 2 - pan[0]) / (fit * zoom[0]) * (-1 if flips[0] else 1) + width / 2
    v = (y - size[1] / 2 + pan[1]) / (fit * zoom[1]) * (-1 if flips[1] else 1) + height / 2
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    return sampled(pixels, u, v) * inside[..., None]


def sampled(pixels: Any, u: Any, v: Any) -> Any:
    """Bilinear samples at pixel positions (centres at .5)."""
    height, width = pixels.shape[:2]
    x, y = np.clip(u - 0.5, 0, width - 1), np.clip(v - 0.5, 0, height - 1)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    upper = pixels[top, left] * (1 - across) + pixels[top, right] * across
    lower = pixels[below, left] * (1 - across) + pixels[below, right] * across
    return (upper * (1 - down) + lower * down).astype(np.float32)
