import json
import struct

import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matted.errors import MaskError
from matted.media import cryptomatte
from matted.media.image import Window
from matted.media.mask import read_masks
from matted.media.matte import MatteSettings, MatteWriter
from matted.media.plate import PlateHeader, PlateInfo

WIDTH, HEIGHT = 20, 12
SIZE = (WIDTH, HEIGHT)


def write(folder, mattes, names, layer="matte"):
    """Write with our own writer; returns the file."""
    info = PlateInfo(WIDTH, HEIGHT, 0, 0, 1.0, None, ("R", "G", "B"), "openexr", "sRGB")
    layout = MatteSettings(layout="cryptomatte", name=layer)
    writer = MatteWriter(folder, objects=names, settings=layout, info=info)
    return writer.write(1001, mattes, PlateHeader(Window(0, 0, WIDTH, HEIGHT)))[0]


def foreign(path, pairs, *, layer="CryptoObject", kind="float", **fields):
    """A file as a renderer writes it: beauty beside one layer of (id, coverage) pairs given per pixel."""
    ranked = np.zeros((HEIGHT, WIDTH, 4), np.float32)
    for index, (identity, coverage) in enumerate(pairs):
        ranked[..., 2 * index] = np.array(identity, np.uint32).view(np.float32)
        ranked[..., 2 * index + 1] = coverage
    spec = oiio.ImageSpec(WIDTH, HEIGHT, 7, kind)
    spec.channelnames = ("R", "G", "B", *(f"{layer}00.{channel}" for channel in "RGBA"))
    for key, text in {"name": layer, "hash": "MurmurHash3_32", "conversion": "uint32_to_float32", **fields}.items():
        spec.attribute(f"cryptomatte/0123abc/{key}", text)
    file = oiio.ImageOutput.create(str(path))
    assert file.open(str(path), spec) and file.write_image(np.dstack([np.ones((HEIGHT, WIDTH, 3), np.float32), ranked]))
    file.close()
    return path


def decoded(path):
    """Coverage by id of one Cryptomatte, by OpenEXR's own reader and the specification's rule: sum where ids match."""
    with OpenEXR.File(str(path), separate_channels=True) as file:
        header = dict(file.header())
        channels = {name: channel.pixels for name, channel in file.channels().items()}
        x, y = header["dataWindow"][0]
    header["pixels"] = {name: pixels.dtype.name for name, pixels in channels.items()}
    coverage = {}
    for name in channels:
        if name[-2:] not in (".R", ".B"):
            continue
        ids, amounts = channels[name].view(np.uint32), channels[name[:-1] + {"R": "G", "B": "A"}[name[-1]]]
        for identity in np.unique(ids[amounts > 0]):
            whole = coverage.setdefault(int(identity), np.zeros((HEIGHT, WIDTH), np.float32))
            whole[y : y + ids.shape[0], x : x + ids.shape[1]] += np.where(ids == identity, amounts, 0)
    return coverage, header


def soft(seed, count=3):
    """``count`` overlapping soft mattes, half of each empty."""
    mattes = np.random.default_rng(seed).random((count, HEIGHT, WIDTH)).astype(np.float32)
    mattes[:, :, : WIDTH // 2] *= np.arange(count)[:, None, None] == 0
    return mattes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", 0x00000000),
        ("hello", 0x248BFA47),
        ("hello, world", 0x149BBB7F),
        ("The quick brown fox jumps over the lazy dog", 0x2E4FF723),
    ],
)
def test_when_a_name_is_hashed_then_it_is_murmur3(name, expected):
    assert cryptomatte.name_hash(name) == expected


@settings(deadline=None)
@given(st.text(max_size=40))
def test_when_a_name_becomes_an_id_then_its_bits_are_an_ordinary_float(name):
    identity = cryptomatte.object_id(name)

    (value,) = struct.unpack("<f", struct.pack("<I", identity))
    assert np.isfinite(value) and abs(value) >= np.finfo(np.float32).tiny
    assert identity ^ cryptomatte.name_hash(name) in (0, 1 << 23)


def test_when_written_then_another_reader_finds_every_matte_under_its_manifest_id(tmp_path):
    mattes, names = soft(1), ["hero", "dog", "héros 主"]

    coverage, header = decoded(write(tmp_path, mattes, names))

    (manifest,) = (value for key, value in header.items() if key.endswith("/manifest"))
    ids = {name: int(text, 16) for name, text in json.loads(manifest).items()}
    assert list(ids) == names
    for name, matte in zip(names, mattes, strict=True):
        assert np.array_equal(coverage[ids[name]], matte)


def test_when_written_then_the_header_is_the_one_the_specification_asks_for(tmp_path):
    _, header = decoded(write(tmp_path, soft(1), ["hero", "dog", "cat"], layer="roto"))

    fields = {key.split("/")[2]: value for key, value in header.items() if key.startswith("cryptomatte/")}
    (key,) = {key.split("/")[1] for key in header if key.startswith("cryptomatte/")}
    assert key == f"{cryptomatte.name_hash('roto'):08x}"[:7]
    assert fields["name"] == "roto"
    assert (fields["hash"], fields["conversion"]) == ("MurmurHash3_32", "uint32_to_float32")
    assert header["pixels"] == {f"roto{rank:02d}.{channel}": "float32" for rank in range(2) for channel in "RGBA"}


def test_when_written_then_ranks_fall_in_coverage(tmp_path):
    ranked = cryptomatte.encode(soft(2, 5), [f"object {index}" for index in range(5)])

    assert ranked.shape == (HEIGHT, WIDTH, 12)
    assert (np.diff(ranked[..., 1::2], axis=2) <= 0).all()
    assert (ranked[..., 0::2].view(np.uint32)[ranked[..., 1::2] == 0] == 0).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(0, 1000))
def test_when_read_back_then_every_matte_is_exact(tmp_path_factory, count, seed):
    mattes, names = soft(seed, count), [f"object {index}" for index in range(count)]

    found = read_masks(write(tmp_path_factory.mktemp("crypto"), mattes, names), size=SIZE, frame=1001)

    assert set(found) == {name for name, matte in zip(names, mattes, strict=True) if matte.any()}
    for name, mask in found.items():
        assert np.array_equal(mask, mattes[names.index(name)])


def test_when_an_object_is_picked_that_this_frame_does_not_show_then_it_is_empty(tmp_path):
    mattes = soft(3)
    mattes[1] = 0
    path = write(tmp_path, mattes, ["hero", "dog", "cat"])

    found = read_masks(path, size=SIZE, frame=1001, pick=["dog", "cat"])

    assert list(found) == ["dog", "cat"]
    assert not found["dog"].any() and np.array_equal(found["cat"], mattes[2])
    assert "dog" not in read_masks(path, size=SIZE, frame=1001)


def test_when_a_plain_channel_of_a_cryptomatte_file_is_named_then_it_is_read(tmp_path):
    path = foreign(tmp_path / "render.1001.exr", [(cryptomatte.object_id("bunny"), 0.75)])

    found = read_masks(path, size=SIZE, frame=1001, layer="G")

    assert list(found) == [""] and (found[""] == 1).all()


def test_when_the_fields_stand_in_another_part_than_the_ranks_then_both_are_found(tmp_path, exr_parts):
    identity = cryptomatte.object_id("bunny")
    ids = np.full((HEIGHT, WIDTH), identity, np.uint32).view(np.float32)
    ranks = {"obj00.R": ids, "obj00.G": np.full((HEIGHT, WIDTH), 0.5, np.float32)}
    fields = {"name": "obj", "manifest": json.dumps({"bunny": f"{identity:08x}"})}
    path = exr_parts(
        tmp_path / "render.exr",
        {"rgba": {name: np.ones((HEIGHT, WIDTH), np.float16) for name in "RGB"}, "crypto": ranks},
        {"rgba": {f"cryptomatte/0123abc/{key}": text for key, text in fields.items()}},
    )

    found = read_masks(path, size=SIZE, frame=1001)

    assert list(found) == ["bunny"] and (found["bunny"] == 0.5).all()


def test_when_there_is_no_manifest_then_a_name_is_found_by_its_hash(tmp_path):
    path = foreign(tmp_path / "render.1001.exr", [(cryptomatte.object_id("bunny"), 0.75), (0, 0.25)])

    found = read_masks(path, size=SIZE, frame=1001, pick=["bunny"])

    assert np.array_equal(found["bunny"], np.full((HEIGHT, WIDTH), 0.75, np.float32))


def test_when_the_manifest_lies_beside_then_it_is_read(tmp_path):
    (tmp_path / "names.json").write_text(json.dumps({"bunny": f"{cryptomatte.object_id('bunny'):08x}"}))
    pairs = [(cryptomatte.object_id("bunny"), 0.5)]
    path = foreign(tmp_path / "render.1001.exr", pairs, manif_file="names.json")

    assert list(read_masks(path, size=SIZE, frame=1001)) == ["bunny"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"manifest": "{not json"}, "manifest is damaged"),
        ({"manifest": '["bunny"]'}, "manifest is damaged"),
        ({"manifest": '{"bunny": "zz"}'}, "manifest is damaged"),
        ({"manifest": '{"bunny": 5}'}, "manifest is damaged"),
        ({"manif_file": "absent.json"}, "manifest is damaged"),
        ({"manif_file": "../names.json"}, "outside its folder"),
        ({"kind": "half"}, "need 32-bit float"),
    ],
)
def test_when_the_layer_cannot_be_trusted_then_file_and_remedy_are_named(tmp_path, fields, said):
    (tmp_path / "names.json").write_text("{}")
    folder = tmp_path / "renders"
    folder.mkdir()
    path = foreign(folder / "render.1001.exr", [(cryptomatte.object_id("bunny"), 1.0)], **fields)

    with pytest.raises(MaskError) as refused:
        read_masks(path, size=SIZE, frame=1001, pick=["bunny"])

    assert refused.value.code == "mask_unreadable"
    assert said in refused.value.message and str(path) in refused.value.message and "1001" in refused.value.message
    assert "Export the mask of frame 1001 again" in refused.value.hint


def test_when_a_name_is_not_in_the_manifest_then_near_names_are_offered(tmp_path):
    path = write(tmp_path, soft(4), ["hero_body", "dog", "cat"])

    with pytest.raises(MaskError) as refused:
        read_masks(path, size=SIZE, frame=1001, pick=["dog", "hero_bdy"])

    assert refused.value.code == "object_name"
    assert "'hero_bdy'" in refused.value.message and "1001" in refused.value.message
    assert "hero_body" in refused.value.hint


def test_when_no_such_cryptomatte_is_there_then_those_that_are_get_named(tmp_path):
    path = write(tmp_path, soft(4), ["hero", "dog", "cat"], layer="roto")

    with pytest.raises(MaskError) as refused:
        read_masks(path, size=SIZE, frame=1001, layer="CryptoAsset")

    assert "'CryptoAsset'" in refused.value.message and "roto" in refused.value.hint


def test_when_hundreds_of_objects_show_then_names_are_asked_for(tmp_path):
    count = cryptomatte.MOST_NAMES + 1
    mattes = np.zeros((count, HEIGHT, WIDTH), np.float32)
    for index in range(count):
        mattes[index, index // WIDTH, index % WIDTH] = 1
    names = [f"prop{index:03d}" for index in range(count)]
    path = write(tmp_path, mattes, names)

    with pytest.raises(MaskError) as refused:
        read_masks(path, size=SIZE, frame=1001)

    assert str(count) in refused.value.message and "prop000" in refused.value.hint
    assert read_masks(path, size=SIZE, frame=1001, pick=["prop064"])["prop064"].sum() == 1
