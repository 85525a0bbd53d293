"""Well-formed requests that cannot be carried out, requests that come twice, and pixels that come as bytes."""

import os
import re
import threading
from pathlib import Path
from uuid import uuid4

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes import drawn_shot
from fakes.raw_client import KINDS, Raw, connection_of, drawn_mask, drawn_pixels
from fakes.running_daemon import files_in

SENTENCE = re.compile(r"[A-Z0-9/'].*[.?]", re.DOTALL)


def refused(answer, code):
    """An artist reads message and hint: whole sentences, without Python in them."""
    assert answer.code == code, answer.body
    for text in (answer.body["message"], answer.body["hint"]):
        assert SENTENCE.fullmatch(text), text
        assert not re.search(r"Traceback|Errno|Error\(|None|dataclass|<.*object", text), text
    return answer.body


def watched(raw, kind, body, **watch):
    """Ask for a job and take its numbered events to the last."""
    asked = raw.ask(kind, {**body, "watch": watch})
    assert asked.type == "reply", asked.body
    events = []
    while not events or events[-1].type not in ("job_done", "job_failed"):
        event = raw.receive()
        assert event is not None, "no more events"
        events += [event] if event.type != "progress" else []
    return asked.body["job"], events


@pytest.fixture
def sent(raw):
    """The id of a shot whose pixels are sent, none so far."""
    return raw.ask("open_shot", {"plate": {"size": [96, 64]}, "name": uuid4().hex}).body["shot"]


# Opening a shot


def test_when_a_plate_is_not_there_then_it_is_told_what_is(raw, shows):
    found = refused(raw.ask("open_shot", {"plate": {"path": f"{shows}/plate/plat.####.png"}}), "plate_missing")

    assert "plate.####.png" in found["hint"]


def test_when_a_plate_is_no_image_then_it_is_refused_when_it_is_opened(raw, shows):
    (shows / "texts").mkdir(exist_ok=True)
    (shows / "texts" / "plate.1001.exr").write_text("no picture")

    refused(raw.ask("open_shot", {"plate": {"path": f"{shows}/texts/plate.####.exr"}}), "plate_unreadable")


@pytest.mark.parametrize(
    ("plate", "code"),
    [
        ({"colorspace": "no such space"}, "color_space"),
        ({"ocio": "config.ocio"}, "path_outside"),
        ({"layer": "no such layer"}, "plate_unreadable"),
        ({"part": "no such part"}, "plate_unreadable"),
        ({"exposure": 30}, "bad_request"),
    ],
    ids=["colorspace", "ocio", "layer", "part", "exposure"],
)
def test_when_a_plate_cannot_be_read_as_asked_then_it_is_told_when_it_is_opened(raw, shows, plate, code):
    refused(raw.ask("open_shot", {"plate": {"path": str(shows / "plate"), **plate}}), code)


@pytest.mark.parametrize(
    ("plate", "code"), [({"colorspace": "no such space"}, "color_space"), ({"ocio": "ocio://nothing"}, "color_config")]
)
def test_when_the_colours_of_sent_pixels_are_unknown_then_it_is_told_when_the_shot_is_opened(raw, plate, code):
    refused(raw.ask("open_shot", {"plate": {"size": [96, 64], **plate}}), code)


def test_when_an_ocio_file_is_not_there_then_it_is_told_when_the_shot_is_opened(raw, shows):
    plate = {"size": [96, 64], "ocio": str(shows / "nothing.ocio")}

    refused(raw.ask("open_shot", {"plate": plate}), "color_config")


CONFIG = """ocio_profile_version: 2
roles: {default: lin_rec709, scene_linear: lin_rec709}
file_rules: [!<Rule> {name: Default, colorspace: default}]
displays: {screen: [!<View> {name: raw, colorspace: lin_rec709}]}
active_displays: []
active_views: []
colorspaces:
  - !<ColorSpace> {name: lin_rec709}
"""


def write_small_plate(folder, width=6):
    """One frame of half-float EXR, 4 pixels high, of a time that its width decides; returns it."""
    folder.mkdir(exist_ok=True)
    file = drawn_shot.save(folder / "plate.1.exr", np.full((4, width, 3), 0.5, np.float16))
    os.utime(file, (width, width))
    return file


def test_when_what_a_shot_needs_is_gone_then_the_shots_are_still_listed(raw, shows):
    config = shows / f"{uuid4().hex}.ocio"
    config.write_text(CONFIG)
    file = write_small_plate(shows / f"gone-{uuid4().hex}")
    shot = raw.ask("open_shot", {"plate": {"path": str(file.parent), "ocio": str(config)}}).body["shot"]

    def listed():
        return {found["shot"]: (found["size"], found["frames"]) for found in raw.ask("list_shots").body["shots"]}

    assert listed()[shot] == ([6, 4], [1])
    config.unlink()
    write_small_plate(file.parent, width=8)
    assert listed()[shot] == ([0, 0], [])
    file.unlink()
    assert listed()[shot] == ([0, 0], [])


def test_when_the_first_frame_is_replaced_then_its_new_size_is_told(raw, shows):
    for width in (6, 8):
        plate = write_small_plate(shows / "replaced", width).parent

        assert raw.ask("open_shot", {"plate": {"path": str(plate)}}).body["size"] == [width, 4]


def test_when_frames_lie_outside_the_plate_then_it_is_told(raw, shows, shot):
    raw.ask("set_keyframe", {"shot": shot, "frame": 1001, "path": str(shows / "masks/mask.1001.exr"), "object": "a"})

    found = refused(raw.ask("propagate", {"shot": shot, "frames": [1001, 1010, 1]}), "frame_outside")

    assert "1001-1004" in found["hint"] and found["frame"] == 1010


def test_when_a_plate_has_names_that_are_no_unicode_then_its_errors_still_come(raw, shows):
    folder = Path(os.fsdecode(os.fsencode(shows) + b"/caf\xe9"))
    folder.mkdir(exist_ok=True)
    for name in ("a.1.exr", "b.1.exr"):
        (folder / name).write_bytes(b"")
    link = shows / "cafe"
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    (shows / "names").mkdir(exist_ok=True)
    for name in (b"a\xe9.1.exr", b"b\xe9.1.exr"):
        Path(os.fsdecode(os.fsencode(shows / "names") + b"/" + name)).write_bytes(b"")

    refused(raw.ask("open_shot", {"plate": {"path": str(link)}}), "plate_missing")
    found = refused(raw.ask("open_shot", {"plate": {"path": str(shows / "names")}}), "plate_missing")
    assert "a?.#.exr" in found["message"]


# Keyframes


def test_when_a_keyframe_lies_outside_the_plate_then_it_is_told(raw, shot, shows):
    body = {"shot": shot, "frame": 999, "path": str(shows / "masks/mask.1001.exr")}

    assert refused(raw.ask("set_keyframe", body), "keyframe_outside")["frame"] == 999


def test_when_a_mask_cannot_be_used_then_its_own_path_is_told_and_nothing_is_kept(raw, served, shot, shows):
    odd = shows / "odd"
    odd.mkdir(exist_ok=True)
    (odd / "text.png").write_text("no picture")
    (odd / "nothing.exr").write_bytes(b"")
    drawn_shot.save(odd / "small.png", np.zeros((32, 48, 1), np.uint8))
    whole = (shows / "masks/mask.1001.exr").read_bytes()
    (odd / "cut.exr").write_bytes(whole[: len(whole) // 2])
    before = raw.ask("list_keyframes", {"shot": shot}).body
    kept = files_in(served.state / "masks") if (served.state / "masks").exists() else {}

    for name, code in (
        ("text.png", "mask_unreadable"), ("nothing.exr", "mask_unreadable"), ("cut.exr", "mask_unreadable"),
        ("small.png", "mask_size"), ("absent.png", "mask_missing"), ("", "mask_missing"),
    ):  # fmt: skip
        told = refused(raw.ask("set_keyframe", {"shot": shot, "frame": 1002, "path": f"{odd}/{name}"}), code)
        assert str(odd / name) in told["message"] and str(served.state) not in str(told)

    assert raw.ask("list_keyframes", {"shot": shot}).body == before
    assert (files_in(served.state / "masks") if (served.state / "masks").exists() else {}) == kept


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "a/b", "/", "..", "\0", "a\nb", "ä" * 200, "🎬" * 200, " ", ".", "con", "%04d####"],
    ids=range(12),
)
def test_when_an_object_has_an_odd_name_then_its_mask_is_kept_and_its_mattes_stay_in_their_folder(
    raw, sent, shows, name
):
    pixels, buffer = drawn_pixels(1001)
    mask, coverage = drawn_mask(1001)
    raw.ask("put_plate", {"shot": sent, "frame": 1001, "pixels": pixels}, buffer)

    told = raw.ask("set_keyframe", {"shot": sent, "frame": 1001, "object": name, "pixels": mask}, coverage)

    assert told.type == "reply", told.body
    assert [found["name"] for found in told.body["objects"]] == [name]
    out = shows / f"odd-{uuid4().hex}"
    _, events = watched(raw, "propagate", {"shot": sent, "out": str(out), "suggestions": 0})
    assert events[-1].type == "job_done", events[-1].body
    (file,) = events[0].body["files"]
    assert (out / "v001" / file).resolve().is_relative_to(out / "v001") and (out / "v001" / file).is_file()


def test_when_a_mask_of_pixels_has_another_size_then_it_is_told(raw, shot):
    pixels = {"width": 3, "height": 2, "channels": ["A"], "dtype": "uint8"}

    found = refused(raw.ask("set_keyframe", {"shot": shot, "frame": 1001, "pixels": pixels}, bytes(6)), "mask_size")

    assert "96x64" in found["message"] and "3x2" in found["message"]


def test_when_a_keyframe_that_is_not_there_is_removed_then_all_stays_as_it_is(raw, shot):
    before = raw.ask("list_keyframes", {"shot": shot}).body

    assert raw.ask("remove_keyframe", {"shot": shot, "frame": 7, "object": "nobody"}).body == before


# Plates by wire


def test_when_pixels_come_for_a_plate_of_files_then_they_are_refused(raw, shot):
    pixels, buffer = drawn_pixels(1001)

    refused(raw.ask("put_plate", {"shot": shot, "frame": 1001, "pixels": pixels}, buffer), "bad_request")


def test_when_pixels_have_another_size_than_the_shot_then_they_are_refused(raw, sent):
    pixels = {"width": 3, "height": 2, "channels": ["A"], "dtype": "uint8"}

    refused(raw.ask("put_plate", {"shot": sent, "frame": 1, "pixels": pixels}, bytes(6)), "plate_size")


@pytest.mark.parametrize(
    "channels", [["R", "G"], ["X", "Y", "Z"], ["r", "g", "b"], ["R", "G", "A"], ["A", "Z"]], ids="".join
)
def test_when_channels_are_no_picture_then_they_are_refused(raw, sent, channels):
    pixels = {"width": 96, "height": 64, "channels": channels, "dtype": "uint8"}
    buffer = bytes(96 * 64 * len(channels))

    refused(raw.ask("put_plate", {"shot": sent, "frame": 1, "pixels": pixels}, buffer), "bad_request")
    assert (
        raw.ask("put_plate", {"shot": sent, "frame": 1, "pixels": drawn_pixels(1)[0]}, drawn_pixels(1)[1]).body[
            "frames"
        ]
        == 1
    )


def test_when_integers_and_floats_are_mixed_then_they_are_refused(raw, sent):
    for frame, dtype in ((1, "half"), (2, "float")):
        pixels, buffer = drawn_pixels(1001, dtype)
        assert raw.ask("put_plate", {"shot": sent, "frame": frame, "pixels": pixels}, buffer).type == "reply"

    pixels, buffer = drawn_pixels(1001, "uint8")
    refused(raw.ask("put_plate", {"shot": sent, "frame": 3, "pixels": pixels}, buffer), "bad_request")


def test_when_nothing_has_been_sent_then_there_is_nothing_to_propagate(raw, sent):
    refused(raw.ask("propagate", {"shot": sent}), "plate_missing")
    refused(raw.ask("suggest", {"shot": sent}), "plate_missing")


def test_when_frames_are_numbered_far_apart_then_they_are_no_shot(raw, sent):
    pixels, buffer = drawn_pixels(1001)
    for frame in (-(2**31) + 1, 0, 7, 2**31 - 1):
        raw.ask("put_plate", {"shot": sent, "frame": frame, "pixels": pixels}, buffer)
    mask, coverage = drawn_mask(1001)
    raw.ask("set_keyframe", {"shot": sent, "frame": 0, "pixels": mask}, coverage)

    refused(raw.ask("propagate", {"shot": sent}), "plate_missing")


def test_when_frames_have_negative_numbers_then_their_mattes_have_them_too(raw, sent):
    for frame in (-1, 0, 1):
        pixels, buffer = drawn_pixels(1002 + frame)
        raw.ask("put_plate", {"shot": sent, "frame": frame, "pixels": pixels}, buffer)
    mask, coverage = drawn_mask(1001)
    raw.ask("set_keyframe", {"shot": sent, "frame": -1, "pixels": mask, "object": "a"}, coverage)

    _, events = watched(raw, "propagate", {"shot": sent, "suggestions": 0})

    assert sorted(event.body["frame"] for event in events[:-1]) == [-1, 0, 1]


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize(
    "channels", [["R", "G", "B"], ["B", "G", "R", "A"], ["A", "R", "G", "B", "Z"], ["mask"]], ids="".join
)
def test_when_pixels_are_sent_then_they_are_kept_value_for_value(raw, served, sent, dtype, channels):
    kind = np.dtype(KINDS[dtype][1])
    values = np.random.default_rng(3).random((64, 96, len(channels))) * 2 - 0.5
    values = (values * 65535 % 256**kind.itemsize).astype(kind) if kind.kind == "u" else values.astype(kind)
    pixels = {"width": 96, "height": 64, "channels": channels, "dtype": dtype}

    raw.ask("put_plate", {"shot": sent, "frame": 12, "pixels": pixels}, values.tobytes())

    (file,) = (served.state / "plates" / sent).glob("plate.*")
    as_it_is = oiio.ImageSpec()
    as_it_is["oiio:UnassociatedAlpha"] = 1
    image = oiio.ImageInput.open(str(file), as_it_is)
    kept, names = image.read_image(image.spec().format), list(image.spec().channelnames)
    image.close()
    wanted = [name for name in "RGBA" if name in channels] or ["Y"]
    order = [channels.index(name) for name in wanted] if len(channels) > 1 else [0]
    assert kept.shape[2] == len(order) and str(kept.dtype) == str(kind)
    if file.suffix == ".exr":
        assert names == wanted
    np.testing.assert_array_equal(kept, values[..., order])


def test_when_pixels_come_by_wire_then_the_mattes_are_those_of_the_same_files(raw, shows, sent):
    (shows / "tiff").mkdir(exist_ok=True)
    for frame in range(1001, 1004):
        _, buffer = drawn_pixels(frame, "uint16")
        values = np.frombuffer(buffer, "<u2").reshape(64, 96, 3)
        drawn_shot.save(shows / "tiff" / f"plate.{frame}.tif", values)
        bgra = {"width": 96, "height": 64, "channels": ["B", "G", "R", "A"], "dtype": "uint16"}
        swapped = np.dstack([values[..., ::-1], np.full((64, 96), 65535, np.uint16)])
        told = raw.ask("put_plate", {"shot": sent, "frame": frame, "pixels": bgra}, swapped.tobytes())
        assert told.type == "reply", told.body
    by_path = raw.ask("open_shot", {"plate": {"path": str(shows / "tiff")}}).body["shot"]
    mask, coverage = drawn_mask(1001)

    made = []
    for shot in (by_path, sent):
        raw.ask("set_keyframe", {"shot": shot, "frame": 1001, "object": "a", "pixels": mask}, coverage)
        _, events = watched(raw, "propagate", {"shot": shot, "suggestions": 0}, mattes="bytes")
        mattes = {event.body["frame"]: oiio_values(event.buffers[0]) for event in events[:-1]}
        made.append(mattes)

    assert sorted(made[0]) == [1001, 1002, 1003]
    for frame in made[0]:
        np.testing.assert_array_equal(made[0][frame], made[1][frame])
    assert made[0][1002].max() > 0.5


def oiio_values(content):
    """The pixels of an EXR's bytes."""
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile(suffix=".exr") as file:
        file.write(content)
        file.flush()
        return oiio.ImageBuf(file.name).get_pixels()


def test_when_pixels_are_no_numbers_then_the_mattes_still_are(raw, sent):
    for frame in (1001, 1002):
        pixels, buffer = drawn_pixels(frame, "half")
        values = np.frombuffer(buffer, "<f2").reshape(64, 96, 3).copy()
        values[::7, ::5], values[1::7, ::5], values[2::7, ::5] = np.nan, np.inf, -np.inf
        raw.ask("put_plate", {"shot": sent, "frame": frame, "pixels": pixels}, values.tobytes())
    mask, coverage = drawn_mask(1001)
    values = np.frombuffer(coverage, "<f2").reshape(64, 96).copy()
    values[::9, ::9] = np.nan
    raw.ask("set_keyframe", {"shot": sent, "frame": 1001, "object": "a", "pixels": mask}, values.tobytes())

    _, events = watched(raw, "propagate", {"shot": sent}, mattes="bytes")

    assert events[-1].type == "job_done", events[-1].body
    for event in events[:-1]:
        matte = oiio_values(event.buffers[0])
        assert np.isfinite(matte).all() and 0 <= matte.min() <= matte.max() <= 1


def test_when_mattes_come_as_bytes_then_they_are_the_files_on_disk(raw, served, shot, shows):
    raw.ask("set_keyframe", {"shot": shot, "frame": 1001, "path": str(shows / "masks/mask.1001.exr"), "object": "a"})
    out = shows / f"out-{uuid4().hex}"

    job, events = watched(raw, "propagate", {"shot": shot, "out": str(out)}, mattes="bytes")

    told = {name: event.buffers[index] for event in events[:-1] for index, name in enumerate(event.body["files"])}
    on_disk = {name: content for name, content in files_in(out / "v001").items() if name.endswith(".exr")}
    assert told == on_disk and len(told) == 4
    for event in events[:-1]:
        again = raw.ask("get_matte", {"job": job, "frame": event.body["frame"]})
        assert (again.body["files"], again.buffers) == (event.body["files"], event.buffers)
    refused(raw.ask("get_matte", {"job": job, "frame": 7}), "matte_missing")


def test_when_a_matte_is_taken_away_then_it_is_told(raw, shot, shows):
    raw.ask("set_keyframe", {"shot": shot, "frame": 1001, "path": str(shows / "masks/mask.1001.exr"), "object": "a"})
    out = shows / f"out-{uuid4().hex}"
    job, events = watched(raw, "propagate", {"shot": shot, "out": str(out), "suggestions": 0})

    (out / "v001" / events[0].body["files"][0]).unlink()

    refused(raw.ask("get_matte", {"job": job, "frame": events[0].body["frame"]}), "matte_missing")


# Jobs


def test_when_a_shot_has_no_keyframe_then_there_is_nothing_to_go_by(raw, shows):
    shot = raw.ask("open_shot", {"plate": {"path": str(shows / "plate")}, "name": uuid4().hex}).body["shot"]

    for kind in ("propagate", "suggest"):
        refused(raw.ask(kind, {"shot": shot}), "no_keyframe")


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("propagate", {"mattes": {"layout": "layers", "format": "png8"}}, "bad_setting"),
        ("propagate", {"mattes": {"compression": "jpeg"}}, "bad_setting"),
        ("propagate", {"settings": {"weights": "XMem.pth"}}, "path_outside"),
        ("propagate", {"settings": {"weights": ""}}, "path_outside"),
        ("propagate", {"settings": {"weights": "{shows}/nothing.pth"}}, "weights_missing"),
        ("propagate", {"settings": {"weights": "{shows}"}}, "weights_missing"),
        ("propagate", {"settings": {"weights": "xmem"}}, "weights_missing"),
        ("propagate", {"out": "{shows}/masks/mask.1001.exr"}, "output_unwritable"),
        ("propagate", {"out": "{shows}/masks/mask.1001.exr/deep"}, "output_unwritable"),
        ("suggest", {"settings": {"weights": "{shows}/nothing.pth"}}, "weights_missing"),
    ],
)  # fmt: skip
def test_when_a_job_cannot_be_made_then_it_is_told_when_it_is_asked_for(raw, shot, shows, kind, body, code):
    raw.ask("set_keyframe", {"shot": shot, "frame": 1001, "path": str(shows / "masks/mask.1001.exr"), "object": "a"})
    body = {name: value.format(shows=shows) if isinstance(value, str) else value for name, value in body.items()}
    if "weights" in body.get("settings", {}):
        body["settings"] = {"weights": body["settings"]["weights"].format(shows=shows)}

    refused(raw.ask(kind, {"shot": shot, **body}), code)


@pytest.mark.parametrize("name", ["nothing", "texts"])
def test_when_there_are_no_mattes_to_suggest_from_then_the_job_says_so(raw, shot, shows, name):
    (shows / "texts").mkdir(exist_ok=True)
    raw.ask("set_keyframe", {"shot": shot, "frame": 1001, "path": str(shows / "masks/mask.1001.exr"), "object": "a"})

    _, events = watched(raw, "suggest", {"shot": shot, "mattes": str(shows / name)})

    assert events[-1].type == "job_failed"
    error = events[-1].body["error"]
    assert SENTENCE.fullmatch(error["message"]) and SENTENCE.fullmatch(error["hint"]) and error["code"] != "internal"


def test_when_a_job_or_shot_is_unknown_then_it_is_told(raw):
    nobody = "0" * 16
    for kind in ("watch", "cancel"):
        refused(raw.ask(kind, {"job": nobody}), "job_missing")
    refused(raw.ask("get_matte", {"job": nobody, "frame": 1}), "job_missing")
    for kind in ("list_keyframes", "propagate", "suggest", "close_shot", "delete_shot"):
        refused(raw.ask(kind, {"shot": nobody}), "shot_missing")
    refused(raw.ask("remove_keyframe", {"shot": nobody, "frame": 1}), "shot_missing")
    assert raw.ask("list_jobs", {"shot": nobody}).body == {"jobs": []}


def test_when_an_answer_tells_what_is_wrong_with_a_message_then_in_whole_sentences(raw):
    header = {"kind": "hello", "version": [3, 0]}
    refused(raw.ask(**header), "version_mismatch")
    refused(raw.ask("dream"), "unknown_type")
    refused(raw.ask("list_keyframes", {"shot": 7}), "bad_request")
    refused(raw.ask("list_keyframes", {}), "bad_request")
    refused(raw.ask("ping", {}, b"x"), "bad_buffer")
    refused(raw.ask("hello", {"client": "x" * (1 << 20)}), "too_large")


# The same request twice


def twice(raw, kind, body, *buffers):
    """What the same request with the same id answers, sent twice without waiting."""
    asked = {raw.say(kind, body, *buffers, id="again") for _ in range(2)}
    answers = [raw.answer_to(*asked) for _ in range(2)]
    assert answers[0].type == answers[1].type == "reply", answers
    return answers[0].body, answers[1].body


def test_when_any_request_comes_twice_then_it_has_its_effect_once(raw, shows):
    plate = {"plate": {"path": str(shows / "plate")}, "name": uuid4().hex}
    pixels, buffer = drawn_pixels(1001)
    mask, coverage = drawn_mask(1001)
    out = shows / f"out-{uuid4().hex}"
    before = len(raw.ask("list_shots").body["shots"])

    opened, again = twice(raw, "open_shot", plate)
    assert opened == again and len(raw.ask("list_shots").body["shots"]) == before + 1
    shot = {"shot": opened["shot"]}

    own = raw.ask("open_shot", {"plate": {"size": [96, 64]}, "name": uuid4().hex}).body["shot"]
    assert twice(raw, "put_plate", {"shot": own, "frame": 1, "pixels": pixels}, buffer) == ({"frames": 1},) * 2

    body = {**shot, "frame": 1001, "object": "a", "path": str(shows / "masks/mask.1001.exr")}
    first, second = twice(raw, "set_keyframe", body)
    assert first == second and len(first["keyframes"]) == 1
    body = {**shot, "frame": 1003, "object": "a", "pixels": mask}
    first, second = twice(raw, "set_keyframe", body, coverage)
    assert first == second and len(first["keyframes"]) == len(first["objects"]) + 1 == 2
    first, second = twice(raw, "remove_keyframe", {**shot, "frame": 1003})
    assert first == second and len(first["keyframes"]) == 1

    for kind, body in (("propagate", {**shot, "out": str(out)}), ("suggest", shot)):
        first, second = twice(raw, kind, body)
        assert first["job"] == second["job"]
        raw.ask("watch", {"job": first["job"]})
        while raw.receive().type != "job_done":
            pass
        assert len([found for found in raw.ask("list_jobs", shot).body["jobs"] if found["kind"] == kind]) == 1
    assert [found.name for found in out.iterdir()] == ["v001"]

    job = {"job": raw.ask("propagate", {**shot, "out": str(out)}).body["job"]}
    for kind, body in (
        ("cancel", job), ("watch", {**job, "options": {"credit": 0}}), ("get_matte", {**job, "frame": 1001}), ("trace", job),
        ("list_keyframes", shot), ("list_jobs", shot), ("list_shots", {}), ("close_shot", shot), ("ping", {}), ("hello", {}),
    ):  # fmt: skip
        first, second = twice(raw, kind, body)
        assert first == second, kind

    assert raw.ask("delete_shot", shot, id="gone").type == "reply"
    refused(raw.ask("delete_shot", shot, id="gone"), "shot_missing")


def test_when_many_connections_ask_for_one_job_at_once_then_it_is_one_job_in_one_folder(served, raw, shows):
    shot = raw.ask("open_shot", {"plate": {"path": str(shows / "plate")}, "name": uuid4().hex}).body["shot"]
    raw.ask("set_keyframe", {"shot": shot, "frame": 1001, "path": str(shows / "masks/mask.1001.exr"), "object": "a"})
    out = shows / f"out-{uuid4().hex}"
    crowd = [Raw(connection_of(served)) for _ in range(8)]

    asked = [(client, client.say("propagate", {"shot": shot, "out": str(out), "suggestions": 0})) for client in crowd]
    found = {client.answer_to(request).body["job"] for client, request in asked}

    for client in crowd:
        client.socket.close()
    assert len(found) == 1
    assert [folder.name for folder in out.iterdir()] == ["v001"]


def test_when_two_jobs_ask_for_one_folder_at_once_then_each_has_a_version(served, raw, shows):
    shot = raw.ask("open_shot", {"plate": {"path": str(shows / "plate")}, "name": uuid4().hex}).body["shot"]
    raw.ask("set_keyframe", {"shot": shot, "frame": 1001, "path": str(shows / "masks/mask.1001.exr"), "object": "a"})
    out = shows / f"out-{uuid4().hex}"
    crowd = [Raw(connection_of(served)) for _ in range(6)]
    ready = threading.Barrier(6)
    found = []

    def ask(client, size):
        ready.wait(30)
        body = {"shot": shot, "out": str(out), "suggestions": 0, "settings": {"working_size": size}}
        found.append(client.ask("propagate", body).body["folder"])

    threads = [threading.Thread(target=ask, args=(client, 32 + 16 * number)) for number, client in enumerate(crowd)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for client in crowd:
        client.socket.close()
    assert sorted(found) == [f"{out}/v{number:03}" for number in range(1, 7)]
