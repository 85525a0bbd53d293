import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fakes.drawn_shot import save
from matted.errors import MaskError
from matted.media.image import Window
from matted.media.mask import find_masks, read_masks
from matted.media.matte import MatteSettings, MatteWriter
from matted.media.plate import PlateHeader, PlateInfo

WIDTH, HEIGHT = 32, 20
SIZE = (WIDTH, HEIGHT)


def read(path, **options):
    return read_masks(path, size=options.pop("size", SIZE), frame=1012, **options)


def disc():
    """A soft disc (H, W), 0..1, in 8-bit steps."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.rint(np.clip(7.5 - np.hypot(x - 15, y - 9), 0, 1) * 255).astype(np.uint8)


def half(levels):
    return (levels / np.float32(255)).astype(np.float16)


def ids(count):
    """Index bands 0..count-1 (H, W)."""
    return (np.arange(WIDTH)[None].repeat(HEIGHT, axis=0) * count // WIDTH).astype(np.uint8)


def davis_palette(count=256):
    """The DAVIS/PASCAL colours: the bits of an index spread over red, green and blue from the top."""
    return [
        sum(((index >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(3))
        for index in range(count)
        for channel in range(3)
    ]


def write_palette(path, indices, palette=None, **options):
    image = Image.fromarray(indices)
    image.putpalette(davis_palette() if palette is None else palette)
    image.save(path, **options)
    return path


# One soft object


@pytest.mark.parametrize("ending", ["png", "tif", "bmp", "tga"])
def test_when_a_grey_picture_is_soft_then_it_is_one_object(tmp_path, ending):
    Image.fromarray(disc()).save(tmp_path / f"mask.1012.{ending}")

    found = read(tmp_path / f"mask.1012.{ending}")

    assert list(found) == [""]
    assert np.array_equal(found[""], disc() / np.float32(255))


def test_when_a_picture_has_16_bits_then_every_step_counts(tmp_path):
    levels = np.arange(WIDTH * HEIGHT, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 100
    Image.fromarray(levels).save(tmp_path / "mask.png")

    assert np.array_equal(read(tmp_path / "mask.png")[""], levels / np.float32(65535))


def test_when_a_mask_is_jpeg_then_colour_noise_makes_no_objects(tmp_path):
    Image.fromarray(disc()).convert("RGB").save(tmp_path / "mask.jpg", quality=60)

    found = read(tmp_path / "mask.jpg")

    assert list(found) == [""]
    assert np.abs(found[""] - disc() / 255).max() < 0.25


@pytest.mark.parametrize("channel", ["A", "Y", "alpha", "mask"])
@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_when_an_exr_holds_one_channel_then_it_is_the_mask_as_stored(tmp_path, exr, channel, kind):
    drawn = np.random.default_rng(0).random((HEIGHT, WIDTH)).astype(kind)

    found = read(exr(tmp_path / "mask.exr", {channel: drawn}))

    assert list(found) == [""] and found[""].dtype == np.float32
    assert np.array_equal(found[""], drawn.astype(np.float32))


def test_when_alpha_varies_then_it_is_the_mask_whatever_the_colours(tmp_path):
    picture = np.dstack([np.full((HEIGHT, WIDTH, 3), 200, np.uint8), disc()])
    Image.fromarray(picture).save(tmp_path / "cutout.png")

    assert np.array_equal(read(tmp_path / "cutout.png")[""], disc() / np.float32(255))


@pytest.mark.parametrize("alpha", [0, 255])
def test_when_alpha_is_the_same_everywhere_then_the_brightness_is_the_mask(tmp_path, alpha):
    picture = np.dstack([disc(), disc(), disc(), np.full((HEIGHT, WIDTH), alpha, np.uint8)])
    Image.fromarray(picture).save(tmp_path / "mask.png")

    assert np.array_equal(read(tmp_path / "mask.png")[""], disc() / np.float32(255))


@pytest.mark.parametrize("tint", [(1, 0, 0), (0, 1, 0), (1, 1, 0), (0.5, 1, 0.25)])
def test_when_a_soft_mask_is_tinted_then_it_stays_one_object(tmp_path, tint):
    picture = np.rint(disc()[..., None] * np.array(tint)).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "mask.png")

    found = read(tmp_path / "mask.png")

    assert list(found) == [""]
    assert np.array_equal(found[""], disc() / np.float32(255))


@pytest.mark.parametrize("content", ["grey", "rgba", "exr", "palette"])
def test_when_nothing_is_drawn_then_the_object_is_absent_not_refused(tmp_path, exr, content):
    black = np.zeros((HEIGHT, WIDTH), np.uint8)
    path = tmp_path / f"mask.{'exr' if content == 'exr' else 'png'}"
    if content == "exr":
        exr(path, {"A": black.astype(np.float16)})
    elif content == "palette":
        write_palette(path, black)
    else:
        Image.fromarray(black if content == "grey" else np.zeros((HEIGHT, WIDTH, 4), np.uint8)).save(path)

    assert not any(mask.any() for mask in read(path).values())


def test_when_values_are_outside_then_they_are_clamped_and_the_log_says_so(tmp_path, exr, caplog):
    drawn = half(disc()).copy()
    drawn[0, :5] = [np.nan, np.inf, -np.inf, -0.5, 1.5]

    with caplog.at_level(logging.WARNING):
        found = read(exr(tmp_path / "mask.exr", {"A": drawn}))[""]

    assert found[0, :5].tolist() == [0, 1, 0, 0, 1]
    assert np.array_equal(found[1:], half(disc())[1:].astype(np.float32))
    assert "5 values" in caplog.text and "1012" in caplog.text


# Palettes


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_when_a_palette_stores_few_bits_then_every_id_is_kept(tmp_path, bits):
    count = min(1 << bits, 9)
    path = write_palette(tmp_path / "mask.png", ids(count), palette=davis_palette(1 << bits), bits=bits)
    with path.open("rb") as file:
        assert file.read(26)[24:] == bytes([bits, 3])

    found = read(path)

    assert list(found) == [str(index) for index in range(1, count)]
    for name, mask in found.items():
        assert np.array_equal(mask, ids(count) == int(name))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_when_ids_are_scattered_then_another_reader_agrees(tmp_path_factory, seed, highest):
    drawn = np.random.default_rng(seed).integers(0, highest + 1, (HEIGHT, WIDTH)).astype(np.uint8)
    path = write_palette(tmp_path_factory.mktemp("mask") / "mask.png", drawn, optimize=bool(seed % 2))
    with Image.open(path) as image:
        known = np.asarray(image)

    found = read(path)

    assert set(found) == {str(index) for index in np.unique(known) if index}
    assert all(np.array_equal(mask, known == int(name)) for name, mask in found.items())


def test_when_a_palette_has_transparency_then_ids_are_kept_all_the_same(tmp_path):
    path = write_palette(tmp_path / "mask.png", ids(4), transparency=bytes([0, 128, 255, 10]))

    assert list(read(path)) == ["1", "2", "3"]


@pytest.mark.parametrize("levels", [[0, 255], [0, 64, 128, 192, 255], list(range(256))])
def test_when_a_palette_is_a_grey_ramp_to_white_then_it_is_one_soft_object(tmp_path, levels):
    drawn = ids(len(levels)) if len(levels) < WIDTH else np.arange(256, dtype=np.uint8)[None].repeat(HEIGHT, axis=0)
    path = write_palette(tmp_path / "mask.png", drawn, palette=[level for level in levels for _ in range(3)])

    found = read(path, size=(drawn.shape[1], HEIGHT))

    assert list(found) == [""]
    assert np.array_equal(found[""], np.array(levels, np.float32)[drawn] / np.float32(255))


@pytest.mark.parametrize("values", [(0, 1), (0, 1, 2, 3), (0, 1, 2, 255), (0, 9, 17)])
def test_when_ids_have_a_grey_ramp_for_a_palette_then_they_are_still_ids(tmp_path, values):
    drawn = np.array(values, np.uint8)[ids(len(values))]
    path = write_palette(tmp_path / "mask.png", drawn, palette=[level for level in range(256) for _ in range(3)])

    assert list(read(path)) == [str(value) for value in values[1:]]


def test_when_two_ids_are_0_and_255_then_there_is_one_object(tmp_path):
    found = read(write_palette(tmp_path / "mask.png", (disc() > 127).astype(np.uint8) * 255))

    (mask,) = found.values()
    assert np.array_equal(mask, disc() > 127)


# Flat colours


def test_when_colours_are_flat_then_each_is_an_object_named_by_its_hex(tmp_path):
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 128, 64], [255, 255, 255]], np.uint8)
    Image.fromarray(colours[ids(4)]).save(tmp_path / "mask.png")

    found = read(tmp_path / "mask.png")

    assert set(found) == {"ff0000", "008040", "ffffff"}
    assert np.array_equal(found["008040"], ids(4) == 2)


def test_when_colours_blend_then_the_mask_is_refused_with_what_to_export(tmp_path):
    across = np.linspace(0, 255, WIDTH).astype(np.uint8)[None].repeat(HEIGHT, axis=0)
    down = np.linspace(0, 255, HEIGHT).astype(np.uint8)[:, None].repeat(WIDTH, axis=1)
    Image.fromarray(np.dstack([across, down, 0 * down])).save(tmp_path / "mask.png")

    with pytest.raises(MaskError) as refused:
        read(tmp_path / "mask.png")

    assert refused.value.code == "mask_unreadable"
    assert "1012" in refused.value.message and str(tmp_path / "mask.png") in refused.value.message
    assert "palette PNG" in refused.value.hint


def test_when_one_flat_colour_shows_then_it_has_the_name_it_has_beside_others(tmp_path):
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    Image.fromarray(colours[ids(3)]).save(tmp_path / "both.png")
    Image.fromarray(colours[ids(3) % 2]).save(tmp_path / "red.png")

    assert set(read(tmp_path / "both.png")) == {"ff0000", "00ff00"}
    assert set(read(tmp_path / "red.png")) == {"ff0000"}


def test_when_an_exr_has_soft_mattes_in_red_and_green_then_they_are_not_merged_but_picked(tmp_path, exr):
    across = np.linspace(0, 1, WIDTH, dtype=np.float16)[None].repeat(HEIGHT, axis=0)
    down = np.linspace(0, 1, HEIGHT, dtype=np.float16)[:, None].repeat(WIDTH, axis=1)
    held = {"R": across, "G": down, "B": across * 0}
    path = exr(tmp_path / "mask.exr", held)

    with pytest.raises(MaskError) as refused:
        read(path)
    assert refused.value.code == "mask_unreadable" and "Name the channel" in refused.value.hint
    assert np.array_equal(read(path, layer="G")[""], held["G"].astype(np.float32))


def test_when_a_cutout_is_transparent_everywhere_then_the_object_is_absent(tmp_path):
    plate = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 4)).astype(np.uint8)
    plate[..., 3] = 0
    Image.fromarray(plate).save(tmp_path / "mask.png")

    found = read(tmp_path / "mask.png")

    assert list(found) == [""] and not found[""].any()


def test_when_ids_are_saved_as_dark_greys_then_the_log_says_what_to_do(tmp_path, caplog):
    Image.fromarray(ids(4)).save(tmp_path / "mask.png")

    with caplog.at_level(logging.WARNING):
        assert list(read(tmp_path / "mask.png")) == [""]

    assert "1012" in caplog.text and "nearly black" in caplog.text and "palette PNG" in caplog.text


# Layers, channels and parts


def coloured(alpha, prefix=""):
    grey = {f"{prefix}{name}": np.full((HEIGHT, WIDTH), 0.2, np.float16) for name in "RGB"}
    return {**grey, f"{prefix}A": half(alpha)}


def test_when_layers_have_colours_and_alpha_then_the_alphas_are_the_objects(tmp_path, exr):
    found = read(exr(tmp_path / "roto.exr", coloured(disc(), "hero.") | coloured(disc()[::-1], "dog.")))

    assert set(found) == {"hero", "dog"}
    assert np.array_equal(found["dog"], half(disc()[::-1]).astype(np.float32))


def test_when_parts_have_colours_and_alpha_then_the_alphas_are_the_objects(tmp_path, exr_parts):
    found = read(exr_parts(tmp_path / "roto.exr", {"hero": coloured(disc()), "dog": coloured(disc()[::-1])}))

    assert set(found) == {"hero", "dog"}


@pytest.mark.parametrize("names", [("rgba", "diffuse"), ("",), ("hero",)])
def test_when_one_picture_counts_then_its_alpha_is_the_one_object(tmp_path, exr_parts, names):
    path = exr_parts(
        tmp_path / "m.exr", {name: coloured(disc() if index == 0 else disc() * 0) for index, name in enumerate(names)}
    )

    found = read(path)

    assert list(found) == [""] and np.array_equal(found[""], half(disc()).astype(np.float32))


def layered(tmp_path, exr):
    held = {"hero.A": half(disc()), "the dog.A": half(disc()[::-1]), "主.A": half(disc()[:, ::-1])}
    return exr(tmp_path / "masks.exr", held), held


def test_when_an_exr_has_matte_layers_then_each_is_an_object(tmp_path, exr):
    path, held = layered(tmp_path, exr)

    found = read(path)

    assert set(found) == {"hero", "the dog", "主"}
    assert all(np.array_equal(found[name], held[f"{name}.A"].astype(np.float32)) for name in found)


@pytest.mark.parametrize("layer", ["the dog", "the dog.A"])
def test_when_a_layer_is_picked_then_it_alone_is_read_unnamed(tmp_path, exr, layer):
    path, held = layered(tmp_path, exr)

    found = read(path, layer=layer)

    assert list(found) == [""]
    assert np.array_equal(found[""], held["the dog.A"].astype(np.float32))


@pytest.mark.parametrize("channel", list("RGBA"))
def test_when_a_channel_is_picked_then_it_alone_is_read(tmp_path, exr, channel):
    drawn = dict(zip("RGBA", np.random.default_rng(0).random((4, HEIGHT, WIDTH)).astype(np.float16), strict=True))

    found = read(exr(tmp_path / "mask.exr", drawn), layer=channel)

    assert np.array_equal(found[""], drawn[channel].astype(np.float32))


def test_when_a_beauty_has_matte_layers_then_only_those_are_objects(tmp_path, exr):
    beauty = {name: np.ones((HEIGHT, WIDTH), np.float16) for name in ("R", "G", "B", "A", "left.R", "left.A")}

    found = read(exr(tmp_path / "render.exr", {**beauty, "hero.mask": half(disc())}))

    assert list(found) == ["hero"]


def test_when_parts_hold_one_alpha_each_then_each_part_is_an_object(tmp_path, exr_parts):
    path = exr_parts(tmp_path / "parts.exr", {"hero": {"A": half(disc())}, "dog": {"A": half(disc()[::-1])}})

    found = read(path)

    assert set(found) == {"hero", "dog"}
    assert np.array_equal(read(path, layer="dog")[""], found["dog"])


def test_when_two_views_hold_a_layer_of_one_name_then_both_are_kept(tmp_path, exr_parts):
    views = {"mask_left": {"hero.A": half(disc())}, "mask_right": {"hero.A": half(disc()[::-1])}}

    found = read(exr_parts(tmp_path / "parts.exr", views))

    assert set(found) == set(views)
    assert all(np.array_equal(found[name], views[name]["hero.A"].astype(np.float32)) for name in views)


def test_when_no_such_layer_is_there_then_near_names_are_offered(tmp_path, exr):
    path, _ = layered(tmp_path, exr)

    with pytest.raises(MaskError) as refused:
        read(path, layer="heroo")

    assert refused.value.code == "object_name"
    assert "'heroo'" in refused.value.message and "1012" in refused.value.message and str(path) in refused.value.message
    assert "hero" in refused.value.hint


@pytest.mark.parametrize("data", [(4, 3, 10, 6), (-5, -4, WIDTH + 9, HEIGHT + 8), (100, 100, 4, 4)])
def test_when_the_data_window_is_smaller_or_larger_then_the_mask_lies_in_the_display_window(tmp_path, exr, data):
    x, y, width, height = data
    stored = np.random.default_rng(0).random((height, width)).astype(np.float16)
    canvas = np.zeros((300, 300), np.float32)
    canvas[100 + y : 100 + y + height, 100 + x : 100 + x + width] = stored

    found = read(exr(tmp_path / "mask.exr", {"A": stored}, data=data, display=(0, 0, *SIZE)))

    assert np.array_equal(found[""], canvas[100 : 100 + HEIGHT, 100 : 100 + WIDTH])


@pytest.mark.parametrize("layout", ["files", "layers", "rgba", "cryptomatte"])
@pytest.mark.parametrize("count", [1, 3, 6])
def test_when_our_own_mattes_are_read_as_masks_then_every_object_comes_back(tmp_path, layout, count):
    mattes = np.random.default_rng(0).random((count, HEIGHT, WIDTH)).astype(np.float16).astype(np.float32)
    names = [f"object {index}" for index in range(count)]
    info = PlateInfo(WIDTH, HEIGHT, 0, 0, 1.0, None, ("R", "G", "B"), "openexr", "sRGB")
    writer = MatteWriter(tmp_path, objects=names, settings=MatteSettings(layout=layout), info=info)

    found = {}
    for path in writer.write(1012, mattes, PlateHeader(Window(0, 0, WIDTH, HEIGHT))):
        held = read(path)
        found.update(held if layout != "files" else {names[len(found)]: held[""]})

    assert sorted(found) == names
    assert all(np.array_equal(found[name], matte) for name, matte in zip(names, mattes, strict=True))


# Bad input


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((HEIGHT // 2, WIDTH // 2), "the plate at 50 %: render it at 32x20"),
        ((HEIGHT, WIDTH - 1), "another plate. Render it at 32x20"),
        ((WIDTH, HEIGHT), "another plate. Render it at 32x20"),
    ],
)
def test_when_the_size_is_not_the_plates_then_both_are_named(tmp_path, shape, hint):
    Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "mask.png")

    with pytest.raises(MaskError) as refused:
        read(tmp_path / "mask.png")

    assert refused.value.code == "mask_size" and refused.value.frame == 1012
    assert f"{shape[1]}x{shape[0]}" in refused.value.message and "32x20" in refused.value.message
    assert "1012" in refused.value.message and str(tmp_path / "mask.png") in refused.value.message
    assert hint in refused.value.hint


def test_when_a_tiff_keeps_a_thumbnail_then_its_size_does_not_matter(tmp_path):
    small = Image.new("L", (8, 5))
    Image.fromarray(disc()).save(tmp_path / "mask.tif", save_all=True, append_images=[small])

    assert np.array_equal(read(tmp_path / "mask.tif")[""], disc() / np.float32(255))


@pytest.mark.parametrize("ending", ["png", "exr", "tif", "jpg"])
@pytest.mark.parametrize("keep", [0, 20, 0.6])
def test_when_a_mask_is_cut_short_then_frame_file_and_remedy_are_named(tmp_path, capfd, ending, keep):
    path = tmp_path / f"mask.{ending}"
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 1)).astype(np.uint8)
    whole = save(path, half(noise) if ending == "exr" else noise).read_bytes()
    path.write_bytes(whole[: keep if keep >= 1 else int(len(whole) * keep)])

    with pytest.raises(MaskError) as refused:
        read(path)

    assert refused.value.code == "mask_unreadable" and refused.value.frame == 1012
    assert "1012" in refused.value.message and str(path) in refused.value.message
    assert "Export the mask of frame 1012 again" in refused.value.hint


@pytest.mark.parametrize("names", ["{not json", "5"])
def test_when_the_list_of_packed_objects_is_damaged_then_the_mask_is_refused(tmp_path, exr, names):
    path = exr(tmp_path / "mask.exr", {name: half(disc()) for name in "RGBA"}, **{"matted/objects": names})

    with pytest.raises(MaskError, match="list of objects is damaged"):
        read(path)


@pytest.mark.parametrize("keep", [30, 0.5, 0.9])
def test_when_a_palette_mask_is_cut_short_then_it_is_refused(tmp_path, capfd, keep):
    drawn = np.random.default_rng(0).integers(0, 9, (HEIGHT, WIDTH)).astype(np.uint8)
    path = write_palette(tmp_path / "mask.png", drawn)
    whole = path.read_bytes()
    path.write_bytes(whole[: keep if keep >= 1 else int(len(whole) * keep)])

    with pytest.raises(MaskError) as refused:
        read(path)

    assert refused.value.code == "mask_unreadable" and str(path) in refused.value.message


def test_when_the_file_is_not_there_then_it_is_named(tmp_path):
    with pytest.raises(MaskError) as refused:
        read(tmp_path / "mask.1012.png")

    assert refused.value.code == "mask_missing"
    assert str(tmp_path / "mask.1012.png") in refused.value.message and "1012" in refused.value.message


def test_when_masks_are_sparse_then_their_own_frames_are_found(tmp_path):
    for frame in (1001, 1024, 1048):
        Image.fromarray(disc()).save(tmp_path / f"hero.{frame}.png")

    assert find_masks(tmp_path).frames == (1001, 1024, 1048)


def test_when_no_masks_are_found_then_it_is_a_mask_error(tmp_path):
    with pytest.raises(MaskError) as refused:
        find_masks(tmp_path / "masks.####.png")

    assert refused.value.code == "mask_missing"
    assert str(tmp_path / "masks.####.png") in refused.value.message and refused.value.hint


@pytest.mark.parametrize("size", [(1, 1), (8192, 2)])
def test_when_the_plate_is_tiny_or_wide_then_its_masks_are_read(tmp_path, size):
    Image.new("L", size, 128).save(tmp_path / "mask.png")

    assert read(tmp_path / "mask.png", size=size)[""].shape == size[::-1]
