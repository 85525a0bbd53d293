import os
import struct
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fakes.drawn_shot import save
from matted.errors import PlateError
from matted.media import image
from matted.media.color import ColorSettings
from matted.media.image import Window
from matted.media.plate import Plate
from matted.media.sequence import find_sequence

FIXED = ColorSettings(exposure=0.0)


def plate(path, **chosen):
    return Plate(find_sequence(path), **({"color": FIXED} | chosen))


def picture(width=9, height=6, seed=0, kind=np.float16):
    """(H, W, 3) random values: 0..1 coded as integers, or half floats from -1 to 4."""
    drawn = np.random.default_rng(seed).random((height, width, 3))
    if np.issubdtype(kind, np.integer):
        return (drawn * np.iinfo(kind).max).astype(kind)
    return (drawn * 5 - 1).astype(kind)


def rgb(pixels, prefix=""):
    return {f"{prefix}{name}": pixels[..., index].copy() for index, name in enumerate("RGB")}


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_when_an_exr_is_read_raw_then_every_value_is_kept(exr, tmp_path, kind):
    pixels = picture(kind=kind)
    pixels[0, :4] = [[np.nan] * 3, [np.inf] * 3, [-np.inf] * 3, [60000] * 3]
    made = plate(exr(tmp_path / "p.1001.exr", rgb(pixels)))
    assert np.array_equal(made.read_raw(1001), pixels.astype(np.float32), equal_nan=True)
    shown = made.read(1001)
    assert shown.dtype == np.float32 and np.isfinite(shown).all() and 0 <= shown.min() <= shown.max() <= 1
    assert made.info.channels == ("R", "G", "B") and made.info.file_format == "openexr" and made.info.size == (9, 6)


@settings(max_examples=30, deadline=None)
@given(
    data=st.tuples(st.integers(-6, 6), st.integers(-6, 6), st.integers(1, 9), st.integers(1, 9)),
    display=st.tuples(st.integers(-4, 4), st.integers(-4, 4), st.integers(1, 9), st.integers(1, 9)),
)
def test_when_the_data_window_lies_anywhere_then_pixels_land_in_the_display_window(tmp_path_factory, data, display):
    pixels = picture(data[2], data[3])
    path = tmp_path_factory.mktemp("windows") / "p.1.exr"
    corners = {
        name: ((x, y), (x + width - 1, y + height - 1))
        for name, (x, y, width, height) in (("dataWindow", data), ("displayWindow", display))
    }
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **corners}, rgb(pixels)).write(
        str(path)
    )
    made = plate(path)
    raw = made.read_raw(1)
    assert raw.shape == (display[3], display[2], 3) and (made.info.x, made.info.y) == display[:2]
    canvas = np.zeros((40, 40, 3), np.float32)
    canvas[10 + data[1] : 10 + data[1] + data[3], 10 + data[0] : 10 + data[0] + data[2]] = pixels
    left, top = 10 + display[0], 10 + display[1]
    assert np.array_equal(raw, canvas[top : top + display[3], left : left + display[2]])


@pytest.mark.parametrize(
    ("ending", "kind", "options"),
    [
        ("png", np.uint8, {}),
        ("png", np.uint16, {}),
        ("tif", np.uint8, {}),
        ("tif", np.uint16, {"compression": "lzw"}),
        ("tif", np.float32, {}),
        ("tif", np.int16, {}),
        ("exr", np.float16, {"compression": "piz"}),
        ("bmp", np.uint8, {}),
        ("tga", np.uint8, {}),
        ("dpx", np.uint8, {}),
        ("dpx", np.uint16, {}),
    ],
)
def test_when_a_lossless_format_is_read_then_integers_are_over_their_largest(tmp_path, ending, kind, options):
    pixels = picture(kind=kind)
    save(tmp_path / f"p.1001.{ending}", pixels, attributes=options)
    largest = np.float32(np.iinfo(kind).max) if np.issubdtype(kind, np.integer) else np.float32(1)
    assert np.array_equal(plate(tmp_path).read_raw(1001), pixels.astype(np.float32) / largest)


def test_when_an_8_bit_png_is_read_then_the_network_sees_its_codes_exactly(tmp_path):
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None].repeat(3, axis=2)
    Image.fromarray(codes).save(tmp_path / "p.1.png")
    gamma = PngInfo()
    gamma.add(b"gAMA", struct.pack(">I", 45455))
    Image.fromarray(codes).save(tmp_path / "p.2.png", pnginfo=gamma)
    made = plate(tmp_path, color=ColorSettings())
    for frame in (1, 2):
        assert np.array_equal(made.read(frame), codes.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize(("bits", "largest"), [(10, 1023), (12, 4095)])
def test_when_a_dpx_has_few_bits_then_its_codes_are_kept(tmp_path, bits, largest):
    codes = np.linspace(0, largest, 54).round().reshape(6, 9, 1).repeat(3, axis=2)
    pixels = np.round(codes / largest * 65535).astype(np.uint16)
    options = {"oiio:BitsPerSample": bits, "oiio:ColorSpace": "KodakLog"}
    save(tmp_path / "p.0086400.dpx", pixels, attributes=options)
    made = plate(tmp_path)
    assert np.array_equal(np.rint(made.read_raw(86400) * largest), codes)
    assert made.info.colorspace == "Cineon"
    shown = made.read(86400)[..., 0].ravel()
    assert (np.diff(shown) >= 0).all() and shown[0] == 0 and shown[-1] > 0.95  # log opened up


def test_when_a_jpeg_is_read_then_it_is_the_picture(tmp_path):
    smooth = np.linspace(40, 200, 64 * 48).reshape(48, 64, 1).repeat(3, axis=2).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "p.0001.jpg", quality=98)
    assert np.abs(plate(tmp_path).read(1) * 255 - smooth).max() <= 2


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "I;16"])
def test_when_a_png_is_of_another_kind_then_it_is_still_a_plate(tmp_path, mode):
    grey = np.array([[0, 255, 255], [255, 0, 255]], np.uint8)
    drawn = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    if mode in ("LA", "RGBA"):
        drawn.putalpha(Image.fromarray(np.full((2, 3), 7, np.uint8)))  # straight on disk: colour stays under low alpha
    drawn.save(tmp_path / "p.1.png")
    assert np.array_equal(plate(tmp_path).read(1), (grey[..., None] / 255).repeat(3, axis=2))


@pytest.mark.parametrize("name", ["Y", "Z", "grey", "depth.Y"])
def test_when_an_exr_has_one_channel_then_it_is_a_grey_plate(exr, tmp_path, name):
    grey = picture()[..., 0]
    made = plate(exr(tmp_path / "p.1.exr", {name: grey}))
    assert np.array_equal(made.read_raw(1), grey[..., None].repeat(3, axis=2)) and made.info.channels == (name,)


def test_when_an_exr_is_tiled_and_has_mixed_types_then_it_is_read(tmp_path):
    pixels = picture(70, 50, kind=np.float32)
    spec = oiio.ImageSpec(70, 50, 4, "half")
    spec.channelnames = ("R", "G", "B", "Z")
    spec.channelformats = ("half", "half", "half", "float")
    spec.tile_width = spec.tile_height = 32
    file = oiio.ImageOutput.create("exr")
    path = tmp_path / "p.1.exr"
    assert file.open(str(path), spec)
    assert file.write_image(np.dstack([pixels, np.full((50, 70), 1e6, np.float32)]))
    file.close()
    assert oiio.ImageInput.open(str(path)).spec().tile_width == 32
    assert np.array_equal(plate(path).read_raw(1), pixels.astype(np.float16))


@pytest.fixture
def layered(exr, tmp_path):
    """Plain, beauty and normal layers and a Cryptomatte, each of its own constant."""
    levels = {"": 0.1, "beauty.": 0.2, "normal.": 0.3, "CryptoObject00.": 0.4}
    channels = {}
    for prefix, level in levels.items():
        channels |= rgb(np.full((4, 5, 3), level, np.float16), prefix)
    channels["matte.A"] = np.full((4, 5), 0.5, np.float16)

    def write(*without):
        kept = {name: of for name, of in channels.items() if not name.startswith(without)} if without else channels
        return exr(tmp_path / "p.1001.exr", kept)

    return write


@pytest.mark.parametrize(
    ("layer", "level"),
    [(None, 0.1), ("beauty", 0.2), ("normal", 0.3), ("matte.A", 0.5), ("matte", 0.5), ("normal.G", 0.3)],
)
def test_when_a_layer_is_named_then_it_is_the_plate(layered, layer, level):
    assert plate(layered(), layer=layer).read_raw(1001) == pytest.approx(level, abs=1e-3)


def test_when_there_is_no_plain_picture_then_beauty_is_it(layered):
    plain = ("R", "G", "B")
    assert plate(layered(*plain)).info.channels == ("beauty.R", "beauty.G", "beauty.B")
    assert plate(layered(*plain, "beauty")).info.channels == ("normal.R", "normal.G", "normal.B")


def test_when_layers_are_equals_then_none_is_guessed(exr, tmp_path):
    pixels = picture()
    path = exr(tmp_path / "p.1001.exr", rgb(pixels, "left.") | rgb(pixels, "right."))
    with pytest.raises(PlateError, match=r"Frame 1001, .*p\.1001\.exr, does not show which") as raised:
        plate(path)
    assert raised.value.hint == "Choose a layer or channel: left, right."


def test_when_the_layer_does_not_exist_then_near_ones_are_offered(layered):
    with pytest.raises(PlateError, match=r"Frame 1001, .* has no layer or channel 'beaty'") as raised:
        plate(layered(), layer="beaty")
    assert raised.value.code == "plate_unreadable" and "Did you mean beauty" in raised.value.hint
    assert raised.value.frame == 1001


def test_when_an_exr_has_parts_then_the_first_with_colour_is_the_plate_and_others_go_by_name_or_number(
    exr_parts, tmp_path
):
    colour, depth, other = picture(seed=1), picture(seed=2)[..., 0], picture(seed=3)
    parts = {"depth": {"Z": depth}, "rgba": rgb(colour), "spec": rgb(other, "spec."), "mask": {"A": depth}}
    path = exr_parts(tmp_path / "p.1.exr", parts)
    assert np.array_equal(plate(path).read_raw(1), colour)
    for part in ("spec", 2, "2"):
        assert np.array_equal(plate(path, part=part).read_raw(1), other)
    assert np.array_equal(plate(path, layer="spec").read_raw(1), other)
    assert np.array_equal(plate(path, layer="mask").read_raw(1)[..., 0], depth)
    with pytest.raises(PlateError, match=r"Frame 1, .* has no part 'rgb'") as raised:
        plate(path, part="rgb")
    assert "0 (depth), 1 (rgba)" in raised.value.hint


def test_when_an_exr_carries_camera_fields_then_the_header_has_them(exr, tmp_path):
    path = exr(
        tmp_path / "p.1001.exr",
        rgb(picture()),
        display=(-2, 3, 20, 10),
        pixelAspectRatio=2.0,
        framesPerSecond=Fraction(24000, 1001),
        timeCode=OpenEXR.TimeCode(1, 2, 3, 4, *[0] * 14),
    )
    made = plate(path)
    header = made.header(1001)
    assert header.window == Window(-2, 3, 20, 10) and header.pixel_aspect == made.info.pixel_aspect == 2.0
    assert header.frame_rate == made.info.frame_rate == Fraction(24000, 1001)
    assert header.timecode is not None and f"{header.timecode[0]:08x}" == "01020304"  # binary coded, SMPTE 12M


def test_when_a_dpx_says_23_976_then_the_rate_is_the_ratio(tmp_path):
    options = {"dpx:FrameRate": 23.976, "smpte:TimeCode": (oiio.TypeDesc("timecode"), (0x10203004, 0))}
    save(tmp_path / "p.1.dpx", picture(kind=np.uint16), attributes=options)
    header = plate(tmp_path).header(1)
    assert header.frame_rate == Fraction(24000, 1001)
    assert header.timecode is not None and header.timecode[0] == 0x10203004


@pytest.mark.parametrize("aspect", [0.0, -1.0, float("nan"), float("inf")])
def test_when_the_pixel_aspect_is_nonsense_then_pixels_are_square(tmp_path, aspect):
    save(tmp_path / "p.1.dpx", picture(kind=np.uint8), attributes={"PixelAspectRatio": aspect})
    assert plate(tmp_path).info.pixel_aspect == 1.0


def test_when_frames_differ_in_size_then_both_are_named(exr, tmp_path):
    exr(tmp_path / "p.1001.exr", rgb(picture(9, 6)))
    path = exr(tmp_path / "p.1002.exr", rgb(picture(8, 6)))
    with pytest.raises(PlateError) as raised:
        plate(tmp_path).read(1002)
    assert raised.value.code == "plate_size" and raised.value.frame == 1002
    assert raised.value.message == f"Frame 1002, {path}, is 8x6 but frame 1001 is 9x6."
    assert "at one size" in raised.value.hint


@pytest.mark.parametrize("size", [(1, 1), (8192, 3)])
def test_when_a_plate_is_tiny_or_wide_then_it_is_read(exr, tmp_path, size):
    pixels = picture(*size)
    made = plate(exr(tmp_path / "p.1.exr", rgb(pixels)), color=ColorSettings())
    assert made.info.size == size and np.array_equal(made.read_raw(1), pixels)
    assert made.read(1).shape == (size[1], size[0], 3)


@pytest.mark.parametrize("kept", [0.0, 0.03, 0.5, 0.97])
@pytest.mark.parametrize("ending", ["exr", "png", "jpg", "tif", "dpx", "hdr"])
def test_when_a_file_is_cut_short_then_the_frame_is_refused(tmp_path, ending, kept):
    kind = {"exr": np.float16, "hdr": np.float32, "tif": np.uint16, "dpx": np.uint16}.get(ending, np.uint8)
    for frame in (1001, 1002):
        path = save(tmp_path / f"p.{frame}.{ending}", picture(64, 48, kind=kind))
    os.truncate(path, int(path.stat().st_size * kept))
    made = plate(tmp_path)
    with pytest.raises(PlateError) as raised:
        made.read(1002)
    assert raised.value.code == "plate_unreadable" and (raised.value.frame, raised.value.path) == (1002, path)
    assert raised.value.message.startswith(f"Frame 1002, {path}, cannot be read: ")
    assert raised.value.hint == "Render or copy frame 1002 again, or leave it out and skip missing frames."
    if kept == 0:
        assert "0 bytes" in raised.value.message
    assert "\n" not in raised.value.message and ".." not in raised.value.message
    assert made.read(1001).shape == (48, 64, 3)  # the plate itself goes on


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "empty"), (b"no picture at all" * 20, "magic"), (b"\x76\x2f\x31\x01" + bytes(200), "")],
)
def test_when_the_first_frame_is_no_picture_then_the_plate_is_refused(tmp_path, content, why):
    path = tmp_path / "p.1001.exr"
    path.write_bytes(content)
    with pytest.raises(PlateError, match=rf"Frame 1001, .*p\.1001\.exr, cannot be read: .*{why}"):
        plate(path)


def test_when_a_file_vanishes_after_it_was_found_then_its_frame_is_named(exr, tmp_path):
    exr(tmp_path / "p.1.exr", rgb(picture()))
    path = exr(tmp_path / "p.2.exr", rgb(picture()))
    made = plate(tmp_path)
    path.unlink()
    with pytest.raises(PlateError, match=r"Frame 2, .* cannot be read: No such file") as raised:
        made.header(2)
    assert raised.value.frame == 2


@pytest.mark.parametrize("size", [(40000, 40000), (9, 655380)])
def test_when_a_header_claims_more_than_memory_then_it_is_refused_unread(exr, tmp_path, size):
    with pytest.raises(PlateError, match=f"its header claims {size[0]}x{size[1]} pixels"):
        plate(exr(tmp_path / "p.1.exr", rgb(picture()), display=(0, 0, *size))).read(1)
    assert image.LARGEST >= 16384 * 16384


def test_when_an_exr_is_deep_then_it_is_refused_and_not_read_as_whatever_memory_holds(tmp_path):
    spec = oiio.ImageSpec(4, 3, 3, "half")
    spec.deep, spec.channelformats = True, ("half",) * 3
    file = oiio.ImageOutput.create("exr")
    assert file.open(str(tmp_path / "p.7.exr"), spec)
    samples = oiio.DeepData()
    samples.init(12, 3, spec.channelformats, ("R", "G", "B"))
    assert file.write_deep_image(samples)
    file.close()
    with pytest.raises(PlateError, match=r"Frame 7, .*p\.7\.exr, cannot be read: it is a deep image"):
        plate(tmp_path).read(7)


def test_when_a_plate_is_two_stops_off_then_the_network_sees_nearly_the_same(exr, tmp_path):
    pixels = np.random.default_rng(5).lognormal(-2, 1, (40, 60, 3)).astype(np.float32)
    seen = []
    for stops in (-2, 0, 2):
        folder = tmp_path / str(stops)
        folder.mkdir()
        for frame, level in ((1, 0.001), (2, 1.0), (3, 0.5)):  # fades in
            exr(folder / f"p.{frame}.exr", rgb((pixels * level * 2.0**stops).astype(np.float16)))
        seen.append(plate(folder, color=ColorSettings(exposure="auto")).read(2))
    assert np.abs(seen[1] - seen[0]).max() < 2e-3 and np.abs(seen[1] - seen[2]).max() < 2e-3
    assert 0.3 < seen[1].mean() < 0.6


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 1, 3)])
def test_when_frames_are_read_in_any_order_then_the_automatic_exposure_is_the_same(exr, tmp_path, order):
    for frame in (1, 2, 3):
        exr(tmp_path / f"p.{frame}.exr", rgb(np.full((4, 4, 3), frame / 10, np.float16)))
    made = plate(tmp_path, color=ColorSettings())
    seen = {frame: float(made.read(frame).mean()) for frame in order}
    assert seen[3] == pytest.approx(0.4614, abs=1e-3) and seen[1] < seen[2] < seen[3]


def test_when_a_frame_that_sets_the_exposure_is_damaged_then_the_others_are_read(exr, tmp_path):
    for frame in (1, 2, 3):
        exr(tmp_path / f"p.{frame}.exr", rgb(np.full((4, 4, 3), 0.5, np.float16)))
    (tmp_path / "p.3.exr").write_bytes(b"")
    assert plate(tmp_path, color=ColorSettings()).read(1).mean() == pytest.approx(0.4614, abs=1e-3)


def test_when_frames_are_read_in_threads_then_each_gets_its_own(exr, tmp_path):
    for frame in range(1, 9):
        exr(tmp_path / f"p.{frame}.exr", rgb(picture(seed=frame)))
    made = plate(tmp_path, color=ColorSettings())
    alone = [plate(tmp_path, color=ColorSettings()).read(frame) for frame in range(1, 9)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(made.read, range(1, 9)))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))
