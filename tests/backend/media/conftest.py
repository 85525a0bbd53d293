import numpy as np
import OpenEXR
import pytest


@pytest.fixture
def exr():
    """Write an EXR with OpenEXR's own library: channels by name, windows as (x, y, width, height)."""

    def write(path, channels, *, data=None, display=None, **header):
        height, width = next(iter(channels.values())).shape
        x, y = (data or (0, 0))[:2]
        shown = display or (x, y, width, height)
        fields = {
            "compression": OpenEXR.ZIP_COMPRESSION,
            "type": OpenEXR.scanlineimage,
            "dataWindow": ((x, y), (x + width - 1, y + height - 1)),
            "displayWindow": ((shown[0], shown[1]), (shown[0] + shown[2] - 1, shown[1] + shown[3] - 1)),
        }
        OpenEXR.File(fields | header, {name: np.ascontiguousarray(of) for name, of in channels.items()}).write(
            str(path)
        )
        return path

    return write


@pytest.fixture
def exr_parts():
    """Write a multi-part EXR with OpenEXR's own library: {part: {channel: pixels}}, and optionally {part: header}."""

    def write(path, parts, headers=None):
        made = [
            OpenEXR.Part(
                {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage} | (headers or {}).get(name, {}),
                {channel: np.ascontiguousarray(pixels) for channel, pixels in channels.items()},
                name,
            )
            for name, channels in parts.items()
        ]
        OpenEXR.File(made).write(str(path))
        return path

    return write
