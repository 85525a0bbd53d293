import errno
import json
import os
import stat
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from PIL import Image

from matted.errors import MaskError, OutputError, SettingError
from matted.media import matte
from matted.media.image import Window
from matted.media.matte import MatteSettings, MatteWriter, file_names, next_version, read_matte
from matted.media.plate import PlateHeader, PlateInfo

WIDTH, HEIGHT = 40, 24
HEADER = PlateHeader(Window(0, 0, WIDTH, HEIGHT))


def writer(folder, objects=("hero",), header=HEADER, metadata=None, **given_settings):
    window = header.window
    info = PlateInfo(window.width, window.height, window.x, window.y, 1.0, None, ("R", "G", "B"), "openexr", "sRGB")
    return MatteWriter(folder, objects=objects, settings=MatteSettings(**given_settings), info=info, metadata=metadata)


def soft(count=1, seed=0):
    """Mattes of half-float values, 0 in a border."""
    mattes = np.random.default_rng(seed).random((count, HEIGHT, WIDTH)).astype(np.float16).astype(np.float32)
    mattes[:, :5] = mattes[:, -4:] = 0
    mattes[:, :, :7] = mattes[:, :, -6:] = 0
    return mattes


def opened(path):
    """Header and channels by OpenEXR's own reader."""
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return dict(file.header()), {name: channel.pixels for name, channel in file.channels().items()}


def test_when_a_half_matte_is_written_then_it_comes_back_exact(tmp_path):
    given_matte = soft()

    (path,) = writer(tmp_path).write(1001, given_matte, HEADER)

    assert path == tmp_path / "hero" / "hero.1001.exr"
    assert np.array_equal(read_matte(path), given_matte[0])


def test_when_written_then_it_is_one_half_channel_a_in_zips(tmp_path):
    header, channels = opened(writer(tmp_path).write(1001, soft(), HEADER)[0])

    assert {name: pixels.dtype for name, pixels in channels.items()} == {"A": np.dtype(np.float16)}
    assert header["compression"] == OpenEXR.ZIPS_COMPRESSION


def test_when_written_then_the_data_window_hugs_the_matte(tmp_path):
    drawn = np.zeros((1, HEIGHT, WIDTH), np.float32)
    drawn[0, 9, 12] = drawn[0, 15, 30] = 1e-3

    header, channels = opened(writer(tmp_path).write(1001, drawn, HEADER)[0])

    assert [tuple(corner) for corner in header["dataWindow"]] == [(12, 9), (30, 15)]
    assert [tuple(corner) for corner in header["displayWindow"]] == [(0, 0), (WIDTH - 1, HEIGHT - 1)]
    assert channels["A"].shape == (7, 19)


def test_when_the_object_is_absent_then_one_pixel_is_stored(tmp_path):
    (path,) = writer(tmp_path).write(1001, np.zeros((1, HEIGHT, WIDTH), np.float32), HEADER)

    assert opened(path)[1]["A"].shape == (1, 1)
    assert read_matte(path).shape == (HEIGHT, WIDTH) and not read_matte(path).any()


def test_when_the_plate_has_a_header_then_the_matte_carries_it(tmp_path):
    carried = (("reelName", "string", "A001"), ("worldToCamera", "matrix", tuple(float(n) for n in range(16))))
    plate = PlateHeader(Window(-8, 5, WIDTH, HEIGHT), 2.0, (0x01020304, 7), Fraction(24000, 1001), carried)

    (path,) = writer(tmp_path, header=plate, metadata={"weights": "abc"}).write(1001, soft(), plate)

    header, _ = opened(path)
    assert [tuple(corner) for corner in header["displayWindow"]] == [(-8, 5), (-8 + WIDTH - 1, 5 + HEIGHT - 1)]
    assert [tuple(corner) for corner in header["dataWindow"]] == [(-1, 10), (-8 + WIDTH - 7, 5 + HEIGHT - 5)]
    assert header["pixelAspectRatio"] == 2.0
    code = header["timeCode"]
    assert (code.hours, code.minutes, code.seconds, code.frame) == (1, 2, 3, 4)
    assert header["framesPerSecond"] == Fraction(24000, 1001)
    assert header["reelName"] == "A001"
    assert header["worldToCamera"].ravel().tolist() == list(range(16))
    assert header["matted/weights"] == "abc"
    assert np.array_equal(read_matte(path), soft()[0])


def test_when_values_are_outside_then_they_are_clamped_and_nan_is_nothing(tmp_path):
    drawn = soft()
    drawn[0, 10, 10:14] = [np.nan, np.inf, -np.inf, 7.5]

    found = read_matte(writer(tmp_path).write(1001, drawn, HEADER)[0])

    assert found[10, 10:14].tolist() == [0.0, 1.0, 0.0, 1.0]


@pytest.mark.parametrize(("file_format", "largest"), [("png16", 65535), ("png8", 255)])
def test_when_png_is_written_then_another_reader_finds_the_nearest_levels(tmp_path, file_format, largest):
    drawn = soft()

    (path,) = writer(tmp_path, format=file_format).write(1001, drawn, HEADER)

    with Image.open(path) as image:
        assert image.mode == {"png16": "I;16", "png8": "L"}[file_format]
        assert np.array_equal(np.asarray(image), np.rint(drawn[0] * largest))
    assert np.abs(read_matte(path) - drawn[0]).max() <= 0.5 / largest + 1e-7


def test_when_layers_are_asked_for_then_one_exr_holds_them_by_name(tmp_path):
    drawn = soft(3)
    names = ("hero", "the dog", "主")

    (path,) = writer(tmp_path, names, layout="layers").write(1001, drawn, HEADER)

    assert path == tmp_path / "matte.1001.exr"
    assert set(opened(path)[1]) == {"hero.A", "the dog.A", "主.A"}
    for name, given_matte in zip(names, drawn, strict=True):
        assert np.array_equal(read_matte(path, layer=name), given_matte)


@pytest.mark.parametrize("file_format", ["exr", "png16"])
def test_when_packed_then_four_objects_fill_red_green_blue_alpha_in_order(tmp_path, file_format):
    drawn = np.rint(soft(6) * 65535) / np.float32(65535) if file_format == "png16" else soft(6)
    names = tuple(f"object {index}" for index in range(6))

    first, second = writer(tmp_path, names, layout="rgba", format=file_format).write(1001, drawn, HEADER)

    for path, held in ((first, drawn[:4]), (second, drawn[4:])):
        config = oiio.ImageSpec()
        config.attribute("oiio:UnassociatedAlpha", 1)
        source = oiio.ImageInput.open(str(path), config)
        spec = source.spec()
        assert spec.channelnames == ("R", "G", "B", "A")
        whole = np.zeros((HEIGHT, WIDTH, 4), np.float32)
        whole[spec.y : spec.y + spec.height, spec.x : spec.x + spec.width] = source.read_image(oiio.FLOAT)
        for channel, given_matte in enumerate(held):
            assert np.allclose(whole[..., channel], given_matte, atol=1e-6)
        assert not whole[..., len(held) :].any()
    assert {first.name.rpartition(".")[2], second.name.rpartition(".")[2]} == {file_format[:3]}
    assert first != second


@pytest.mark.parametrize("file_format", ["exr", "png16"])
def test_when_one_object_is_packed_then_every_channel_shows_it_over_the_whole_picture(tmp_path, file_format):
    drawn = np.rint(soft(1) * 65535) / np.float32(65535)

    (path,) = writer(tmp_path, ("hero",), layout="rgba", format=file_format).write(1001, drawn, HEADER)

    config = oiio.ImageSpec()
    config.attribute("oiio:UnassociatedAlpha", 1)
    source = oiio.ImageInput.open(str(path), config)
    assert (source.spec().width, source.spec().height) == (WIDTH, HEIGHT)
    pixels = source.read_image(oiio.FLOAT)
    assert pixels.shape == (HEIGHT, WIDTH, 4)
    assert all(np.allclose(pixels[..., channel], drawn[0], atol=1e-3) for channel in range(4))
    if file_format == "exr":
        assert json.loads(source.spec().getattribute("matted/objects")) == ["hero"]


@pytest.mark.parametrize(
    ("frame", "number"), [(1001, "1001"), (7, "0007"), (-5, "-005"), (123456, "123456"), (0, "0000")]
)
def test_when_frames_are_numbered_then_the_name_says_so(tmp_path, frame, number):
    made = writer(tmp_path)

    assert not made.complete(frame)
    assert made.write(frame, soft(), HEADER) == made.paths(frame) == [tmp_path / "hero" / f"hero.{number}.exr"]
    assert made.complete(frame)


@pytest.mark.parametrize("layout", ["files", "layers", "rgba", "cryptomatte"])
@pytest.mark.parametrize("objects", [("hero",), ("hero", "dog", "cat", "hat", "bag")], ids=["one", "five"])
def test_when_written_in_any_layout_then_the_writer_reads_it_back(tmp_path, layout, objects):
    mattes = soft(len(objects)) / 8  # together never more than a whole pixel
    written = writer(tmp_path, objects, layout=layout)
    written.write(1001, mattes, HEADER)

    assert np.allclose(written.read(1001), mattes, atol=1e-3)


def test_when_one_object_of_a_frame_is_missing_then_it_is_not_complete(tmp_path):
    made = writer(tmp_path, ("hero", "dog"))
    made.write(1001, soft(2), HEADER)[1].unlink()

    assert not made.complete(1001)


def test_when_a_file_of_a_frame_was_emptied_then_it_is_not_complete(tmp_path):
    made = writer(tmp_path, ("hero", "dog"))
    made.write(1001, soft(2), HEADER)[1].write_bytes(b"")

    assert not made.complete(1001)


def test_when_written_twice_then_the_files_are_the_same_to_the_byte(tmp_path):
    drawn = soft()
    first, second = (writer(tmp_path / name).write(1001, drawn, HEADER)[0].read_bytes() for name in ("a", "b"))

    assert first == second


def test_when_written_over_then_the_new_matte_is_whole(tmp_path):
    made = writer(tmp_path)
    made.write(1001, soft(seed=1), HEADER)

    (path,) = made.write(1001, soft(seed=2), HEADER)

    assert np.array_equal(read_matte(path), soft(seed=2)[0])
    assert sorted(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("file_format", ["exr", "png8"])
def test_when_written_then_others_may_read_it_as_the_umask_allows(tmp_path, file_format):
    before = os.umask(0o027)
    try:
        (path,) = writer(tmp_path, format=file_format).write(1001, soft(), HEADER)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("compression", [*sorted(matte.LOSSLESS), "dwaa", "dwab"])
def test_when_a_compression_is_allowed_then_it_is_used_and_changes_nothing(tmp_path, compression):
    (path,) = writer(tmp_path, compression=compression).write(1001, soft(), HEADER)

    assert oiio.ImageInput.open(str(path)).spec()["compression"].partition(":")[0] == compression
    assert np.array_equal(read_matte(path), soft()[0])


@pytest.mark.parametrize(
    "contradiction",
    [
        {"compression": "b44"},
        {"compression": "htj2k"},
        {"compression": "dwaa", "layout": "rgba"},
        {"compression": "dwaa", "layout": "cryptomatte"},
        {"compression": "pxr24", "layout": "cryptomatte"},
        {"format": "png16", "layout": "layers"},
        {"format": "png8", "layout": "cryptomatte"},
    ],
)
def test_when_settings_contradict_each_other_then_both_are_named(contradiction):
    with pytest.raises(SettingError) as refused:
        MatteSettings(**contradiction)

    assert refused.value.code == "bad_setting"
    assert all(f"{value}" in refused.value.message for value in contradiction.values())
    assert refused.value.hint.startswith("Use ")


def test_when_two_objects_share_a_name_then_it_is_named(tmp_path):
    with pytest.raises(MaskError) as refused:
        writer(tmp_path, ("hero", "dog", "hero"))

    assert refused.value.code == "object_name" and "'hero'" in refused.value.message


@pytest.mark.parametrize("names", [("", "object"), ("hero", "\udcff")])
def test_when_a_name_would_be_lost_in_the_file_then_it_is_refused(tmp_path, names):
    with pytest.raises(MaskError) as refused:
        writer(tmp_path, names, layout="layers")

    assert refused.value.code == "object_name" and refused.value.hint.startswith("Give ")
    refused.value.message.encode()


NAMES = [
    "the hero",
    "主役",
    "Élan",
    "a/b",
    "../up",
    "..",
    "",
    "con",
    "NUL.x",
    "a#%04d@",
    "Hero",
    "hero",
    " x ",
    "A" * 300,
]


def test_when_names_are_hostile_then_files_stay_in_the_folder_and_apart(tmp_path):
    made = writer(tmp_path / "out", NAMES)
    drawn = soft(len(NAMES))

    paths = made.write(-12, drawn, HEADER)

    inside = (tmp_path / "out").resolve()
    assert all(path.resolve().is_relative_to(inside) and path.is_file() for path in paths)
    assert len({str(path).casefold() for path in paths}) == len(NAMES)
    for path, given_matte in zip(paths, drawn, strict=True):
        assert np.array_equal(read_matte(path), given_matte)
    assert [path.parent.name for path in paths[:3]] == ["the_hero", "主役", "Élan"]


@examples(deadline=None)
@given(st.lists(st.text(max_size=8), unique=True, max_size=12))
def test_when_any_names_are_given_then_no_two_files_collide(names):
    safe = file_names(names)

    assert len({name.casefold() for name in safe}) == len(names)
    assert all(Path(name).name == name and not name.startswith(".") for name in safe)


def test_when_the_folder_cannot_be_made_then_frame_file_and_remedy_are_named(tmp_path):
    (tmp_path / "out").write_text("a file where the folder should be")

    with pytest.raises(OutputError) as refused:
        writer(tmp_path / "out").write(1042, soft(), HEADER)

    assert refused.value.code == "output_unwritable"
    assert refused.value.frame == 1042 and "1042" in refused.value.message
    assert str(tmp_path / "out" / "hero" / "hero.1042.exr") in refused.value.message
    assert "choose another --out folder" in refused.value.hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("file_format", ["exr", "png16", "png8"])
@pytest.mark.parametrize("size", [1, 64, 600])
def test_when_the_disk_is_full_then_it_is_said_and_nothing_is_left(tmp_path, monkeypatch, file_format, size):
    header = PlateHeader(Window(0, 0, size, size))
    drawn = np.random.default_rng(0).random((1, size, size)).astype(np.float32)
    replaced = []
    monkeypatch.setattr(Path, "replace", lambda *paths: replaced.append(paths))
    write = matte._write

    def write_to_full_disk(beside, *rest):
        beside.symlink_to("/dev/full")
        write(beside, *rest)

    monkeypatch.setattr(matte, "_write", write_to_full_disk)

    with pytest.raises(OutputError) as refused:
        writer(tmp_path, header=header, format=file_format).write(1042, drawn, header)

    assert refused.value.code == "disk_full"
    assert refused.value.frame == 1042 and "hero.1042." in refused.value.message
    assert "Free space" in refused.value.hint
    assert not replaced and list((tmp_path / "hero").iterdir()) == []


BOUNDED = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from matted.errors import OutputError
from matted.media.image import Window
from matted.media.matte import MatteSettings, MatteWriter
from matted.media.plate import PlateHeader, PlateInfo

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
info = PlateInfo(40, 24, 0, 0, 1.0, None, ("R", "G", "B"), "openexr", "sRGB")
writer = MatteWriter(Path(sys.argv[1]), objects=["hero"], settings=MatteSettings(), info=info)
header = PlateHeader(Window(0, 0, 40, 24))
writer.write(1001, np.zeros((1, 24, 40), np.float32), header)
try:
    writer.write(1002, np.random.default_rng(0).random((1, 24, 40), np.float32), header)
except OutputError as error:
    print(error.code, error.frame)
"""


def test_when_a_file_may_not_grow_then_its_frame_is_refused_and_nothing_is_left(tmp_path):
    run = subprocess.run([sys.executable, "-c", BOUNDED, tmp_path], capture_output=True, text=True, timeout=60)

    assert run.stdout.split() == ["output_unwritable", "1002"], run.stderr
    assert [path.name for path in (tmp_path / "hero").iterdir()] == ["hero.1001.exr"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_when_renaming_finds_no_room_then_it_counts_as_full(tmp_path, monkeypatch, number):
    def refuse(*paths):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(Path, "replace", refuse)

    with pytest.raises(OutputError) as refused:
        writer(tmp_path).write(1001, soft(), HEADER)

    assert refused.value.code == "disk_full"
    assert list((tmp_path / "hero").iterdir()) == []


def test_when_a_folder_has_versions_then_the_next_is_new_and_gaps_stay(tmp_path):
    for name in ("v001", "v004", "notes", "v4b"):
        (tmp_path / name).mkdir()

    assert next_version(tmp_path).name == "v005"
    assert next_version(tmp_path).name == "v006"
    assert next_version(tmp_path / "new").name == "v001"


def test_when_versions_pass_999_then_they_go_on(tmp_path):
    (tmp_path / "v999").mkdir()

    assert [next_version(tmp_path).name for _ in range(2)] == ["v1000", "v1001"]


def test_when_the_output_is_a_file_then_it_is_named(tmp_path):
    (tmp_path / "out").touch()

    with pytest.raises(OutputError) as refused:
        next_version(tmp_path / "out")

    assert refused.value.code == "output_unwritable"
    assert str(tmp_path / "out") in refused.value.message and "--out" in refused.value.hint


def test_when_a_matte_is_damaged_then_it_is_named(tmp_path):
    (path,) = writer(tmp_path).write(1001, soft(), HEADER)
    path.write_bytes(path.read_bytes()[:-40])

    with pytest.raises(MaskError) as refused:
        read_matte(path)

    assert refused.value.code == "mask_unreadable" and str(path) in refused.value.message


def test_when_a_matte_has_no_such_layer_then_those_it_has_are_named(tmp_path):
    (path,) = writer(tmp_path, ("hero", "dog"), layout="layers").write(1001, soft(2), HEADER)

    for layer in ("cat", None):
        with pytest.raises(MaskError) as refused:
            read_matte(path, layer=layer)
        assert refused.value.code == "object_name" and "hero.A" in refused.value.hint


@pytest.mark.parametrize("size", [(1, 1), (8192, 3)])
def test_when_the_plate_is_tiny_or_wide_then_it_is_written(tmp_path, size):
    header = PlateHeader(Window(0, 0, *size))
    drawn = np.full((1, size[1], size[0]), 0.5, np.float32)

    assert np.array_equal(read_matte(writer(tmp_path, header=header).write(1, drawn, header)[0]), drawn[0])
