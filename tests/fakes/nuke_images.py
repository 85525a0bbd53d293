"""Images of the stand-in Nuke: named float32 channels with a format and a bounding box, and the files they live in.

Nuke counts pixels from the bottom left; arrays here have their top row first. Outside its bounding box an image is
black. (Nuke repeats the edge pixels of some nodes there; which ones is not in hosts.md, so nothing relies on it.)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import OpenImageIO as oiio

from fakes.nuke_errors import NotMeasured

Box = tuple  # (x, y, r, t): left, bottom, right, top
MAIN = ("red", "green", "blue", "alpha")


class Format(NamedTuple):
    width: int
    height: int
    aspect: float = 1.0
    name: str = ""

    @property
    def box(self) -> Box:
        return (0, 0, self.width, self.height)


@dataclass
class Image:
    format: Format
    bbox: Box
    channels: dict = field(default_factory=dict)  # "rgba.red" -> float32 (t - y, r - x)

    def size(self) -> tuple:
        x, y, r, t = self.bbox
        return (t - y, r - x)


def black(shape: Format) -> Image:
    return Image(shape, shape.box, {})


def channel_names(mask: str, present: list) -> list:
    """The channels a mask such as ``rgba``, ``alpha``, ``matte`` or ``all`` stands for."""
    fixed = {
        "rgba": [f"rgba.{name}" for name in MAIN],
        "rgb": [f"rgba.{name}" for name in MAIN[:3]],
        "none": [],
        "all": list(present),
    }
    found: list = []
    for part in mask.split():
        if part in fixed:
            found += fixed[part]
        elif part in MAIN:
            found.append(f"rgba.{part}")
        elif "." in part:
            found.append(part)
        else:
            found += [name for name in present if name.split(".")[0] == part]
    return found


def inside(image: Image, box: Box) -> Image:
    """The same picture with another bounding box: cut, or filled with black."""
    x, y, r, t = (round(edge) for edge in box)
    r, t = max(x, r), max(y, t)
    ox, oy, orr, ot = image.bbox
    left, bottom, right, top = max(x, ox), max(y, oy), min(r, orr), min(t, ot)
    channels = {}
    for name, pixels in image.channels.items():
        moved = np.zeros((t - y, r - x), np.float32)
        if right > left and top > bottom:
            moved[t - top : t - bottom, left - x : right - x] = pixels[ot - top : ot - bottom, left - ox : right - ox]
        channels[name] = moved
    return Image(image.format, (x, y, r, t), channels)


def halved(image: Image) -> Image:
    """Proxy scale one half, every second pixel."""
    full = inside(image, image.format.box)
    shape = image.format._replace(width=image.format.width // 2, height=image.format.height // 2)
    cut = {name: pixels[::2, ::2][: shape.height, : shape.width] for name, pixels in full.channels.items()}
    return Image(shape, shape.box, {name: np.ascontiguousarray(pixels) for name, pixels in cut.items()})


def resized(image: Image, width: int, height: int, aspect: float) -> Image:
    """The format's pixels stretched to another size, nearest pixel."""
    full = inside(image, image.format.box)
    rows = (np.arange(height) * image.format.height) // height
    columns = (np.arange(width) * image.format.width) // width
    shape = Format(width, height, aspect)
    return Image(shape, shape.box, {name: pixels[rows][:, columns] for name, pixels in full.channels.items()})


def to_linear(pixels: np.ndarray) -> np.ndarray:
    return np.where(pixels <= 0.04045, pixels / 12.92, ((np.maximum(pixels, 0) + 0.055) / 1.055) ** 2.4)


def to_srgb(pixels: np.ndarray) -> np.ndarray:
    return np.where(pixels <= 0.0031308, pixels * 12.92, 1.055 * np.maximum(pixels, 0.0031308) ** (1 / 2.4) - 0.055)


def read_file(path: str, *, pixels: bool = True) -> Image:
    """A file as Nuke sees it: data window to bounding box, display window to format, ``A`` to ``rgba.alpha``."""
    source = oiio.ImageInput.open(path)
    if source is None:
        raise RuntimeError(oiio.geterror() or f"{path}: cannot be read")
    try:
        spec = source.spec()
        aspect = float(spec.get_float_attribute("PixelAspectRatio", 1.0))
        shape = Format(spec.full_width, spec.full_height, aspect)
        left, top = spec.x - spec.full_x, spec.full_height - (spec.y - spec.full_y)
        box = (left, top - spec.height, left + spec.width, top)
        data = source.read_image(0, 0, 0, spec.nchannels, oiio.FLOAT) if pixels else None
        if pixels and data is None:
            raise RuntimeError(f"{path}: {source.geterror()}")
        names = [_nuke_name(name) for name in spec.channelnames]
        if source.seek_subimage(1, 0):
            raise NotMeasured(f"the further parts of {path}")
    finally:
        source.close()
    if names == ["rgba.red"]:  # one channel of luminance
        names = ["rgba.red", "rgba.green", "rgba.blue"]
    blank = np.zeros((spec.height, spec.width), np.float32)
    planes = {
        name: blank if data is None else _plane(data, min(at, spec.nchannels - 1)) for at, name in enumerate(names)
    }
    return Image(shape, box, planes)


def _plane(data: np.ndarray, at: int) -> np.ndarray:
    cube = np.asarray(data, np.float32).reshape(data.shape[0], data.shape[1], -1)
    return np.ascontiguousarray(cube[:, :, at])


def _nuke_name(name: str) -> str:
    short = {"R": "red", "G": "green", "B": "blue", "A": "alpha", "Y": "red"}
    layer, _, channel = name.rpartition(".")
    return f"{layer or 'rgba'}.{short.get(channel, channel)}"


def _file_name(name: str) -> str:
    layer, _, channel = name.partition(".")
    return {"red": "R", "green": "G", "blue": "B", "alpha": "A"}.get(channel, channel) if layer == "rgba" else name


def write_file(path: str, image: Image, names: list, kind: str, datatype: str, compression: str) -> None:
    """Write the named channels; EXR keeps the bounding box as its data window (hosts.md 2.1), PNG holds the format."""
    if kind != "exr":
        image = inside(image, image.format.box)
    x, _, _, t = image.bbox
    height, width = image.size()
    if width == 0 or height == 0:
        image, x, t, width, height = inside(image, (0, 0, 1, 1)), 0, 1, 1, 1
    blank = np.zeros((height, width), np.float32)
    cube = np.stack([image.channels.get(name, blank) for name in names], axis=-1)
    kinds = {"16 bit half": "half", "32 bit float": "float", "8 bit": "uint8", "16 bit": "uint16"}
    spec = oiio.ImageSpec(width, height, len(names), kinds[datatype])
    spec.channelnames = [_file_name(name) for name in names]
    spec.x, spec.y = x, image.format.height - t
    spec.full_x, spec.full_y = 0, 0
    spec.full_width, spec.full_height = image.format.width, image.format.height
    spec.attribute("PixelAspectRatio", float(image.format.aspect))
    if kind == "exr":
        spec.attribute("compression", compression)
    target = oiio.ImageOutput.create(path)
    if target is None or not target.open(path, spec):
        raise RuntimeError(f"{path}: {oiio.geterror()}")
    target.write_image(np.ascontiguousarray(cube))
    target.close()


def over_box(first: Box, second: Box) -> Box:
    return (min(first[0], second[0]), min(first[1], second[1]), max(first[2], second[2]), max(first[3], second[3]))


def with_channels(image: Image, channels: dict) -> Image:
    return replace(image, channels={**image.channels, **channels})


def exists(path: str) -> bool:
    return Path(path).is_file()
