"""Which files clients may name, however they spell them."""

import os
import sys

import pytest

from fakes.raw_client import Raw, another_user, connection_of, drawn_mask, drawn_pixels
from matted.errors import RequestError
from matted.service.paths import LONGEST, Paths

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the paths are POSIX ones")


@pytest.fixture
def tree(tmp_path):
    """A root ``shows`` with links in it, beside what no client may see."""
    shows, secret = tmp_path / "shows", tmp_path / "secret"
    (shows / "a").mkdir(parents=True)
    secret.mkdir()
    (secret / "plate.1001.exr").write_bytes(b"secret")
    (shows / "a" / "plate.1001.exr").write_bytes(b"open")
    (shows / "out").symlink_to(secret)
    (shows / "a" / "linked.exr").symlink_to(secret / "plate.1001.exr")
    (shows / "inside").symlink_to(shows / "a")
    (shows / "loop").symlink_to(shows / "loop")
    (shows / "round").symlink_to(shows / "about")
    (shows / "about").symlink_to(shows / "round")
    (tmp_path / "shows2").mkdir()
    return tmp_path


def refusal(paths, text, operator=True):
    with pytest.raises(RequestError) as caught:
        paths.resolve(str(text), operator=operator)
    error = caught.value
    assert error.code == "path_outside" and error.message.endswith(".") and error.hint.endswith(".")
    assert len(error.message) < 1000
    return error.message


@pytest.mark.parametrize(
    "name", ["a/plate.####.exr", "a", "", "a/new/folder", "inside/plate.1001.exr", "./a//plate.1001.exr"]
)
def test_when_a_path_is_under_a_root_then_it_is_taken(tree, name):
    found = Paths((tree / "shows",)).resolve(f"{tree}/shows/{name}", operator=False)

    assert found.is_relative_to(tree / "shows")


OUTSIDE = {
    "beside": "secret/plate.1001.exr",
    "above": "",
    "a folder that begins alike": "shows2/plate.exr",
    "a folder linked out": "shows/out",
    "below a folder linked out": "shows/out/plate.1001.exr",
    "not there yet, below a folder linked out": "shows/out/new/v001",
    "a file linked out": "shows/a/linked.exr",
}


@pytest.mark.parametrize("name", OUTSIDE.values(), ids=OUTSIDE)
@pytest.mark.parametrize("operator", [True, False], ids=["operator", "user"])
def test_when_a_path_leads_out_of_the_roots_then_it_is_refused(tree, name, operator):
    assert "outside" in refusal(Paths((tree / "shows",)), tree / name, operator)


def test_when_a_link_leads_out_then_it_is_told_where(tree):
    assert f"leads to {tree}/secret" in refusal(Paths((tree / "shows",)), tree / "shows/out")


@pytest.mark.parametrize("name", ["loop", "loop/plate.exr", "round", "round/a"])
def test_when_links_go_in_circles_then_the_answer_comes_and_nothing_outside_is_named(tree, name):
    try:
        found = Paths((tree / "shows",)).resolve(f"{tree}/shows/{name}", operator=True)
    except RequestError as error:
        assert error.code == "path_outside"
    else:
        assert found.is_relative_to(tree / "shows") and not os.path.exists(found)  # noqa: PTH110


@pytest.mark.parametrize(
    "text", ["/..", "{}/shows/../secret", "{}/shows/a/..", "{}/shows/a/../../secret/plate.1001.exr", ".."]
)
def test_when_a_path_has_dots_then_it_is_refused(tree, text):
    refusal(Paths((tree / "shows",)), text.format(tree))
    refusal(Paths(), text.format(tree))


ODD = {
    "empty": "",
    "relative": "shows/a",
    "home": "~/a",
    "NUL": "/shows/a\0.exr",
    "NUL at the end": "/shows/a\0",
    "newline": "/shows/a\n",
    "escape": "/shows/\x1b[2J",
    "drive": "P:/shows/a",
    "drive without slash": "P:a",
    "backslashes": "\\shows\\a",
    "drive and backslashes": "P:\\shows\\a",
    "UNC": "\\\\server\\shows\\a",
    "UNC with slashes": "//server/shows/a",
    "device": "\\\\.\\PhysicalDrive0",
    "long device": "\\\\?\\C:\\a",
    "backslash within": "/shows/a\\..\\b",
    "too long": "/" + "a/" * LONGEST,
    "one long name": "/shows/" + "a" * 256,
    "one long name of few letters": "/shows/" + "ä" * 128,
    "URL": "file:///shows/a",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
@pytest.mark.parametrize("roots", [True, False], ids=["roots", "no roots"])
def test_when_a_path_is_no_absolute_path_of_here_then_it_is_refused(tree, text, roots):
    refusal(Paths((tree / "shows",) if roots else ()), text)


def test_when_there_is_no_root_then_only_the_operator_may_name_files(tree):
    paths = Paths()

    assert paths.resolve(str(tree / "secret"), operator=True) == tree / "secret"
    assert "--root" in refusal_hint(paths, tree / "secret")


def refusal_hint(paths, text):
    with pytest.raises(RequestError) as caught:
        paths.resolve(str(text), operator=False)
    return caught.value.hint


def test_when_a_root_is_a_link_then_paths_below_it_are_taken(tree):
    (tree / "mount").symlink_to(tree / "shows")

    for root, named in (("mount", "mount"), ("mount", "shows"), ("shows", "mount")):
        assert Paths((tree / root,)).resolve(f"{tree}/{named}/a", operator=False)


def test_when_a_plates_frame_is_a_link_outwards_then_the_plate_is_refused(tree):
    paths = Paths((tree / "shows",))
    files = [tree / "shows/a/plate.1001.exr", tree / "shows/a/linked.exr"]

    paths.check_all(files[:1], operator=True)
    with pytest.raises(RequestError, match="leads to"):
        paths.check_all(files, operator=True)


MAPPED = {
    "P:/a/plate.exr": "/mnt/shows/a/plate.exr",
    "p:/a/plate.exr": "/mnt/shows/a/plate.exr",
    "P:\\a\\plate.exr": "/mnt/shows/a/plate.exr",
    "p:\\A": "/mnt/shows/A",
    "P:/": "/mnt/shows",
    "P:": "/mnt/shows",
    "\\\\Server\\Shows\\a": "/mnt/unc/a",
    "//server/shows/a": "/mnt/unc/a",
    "/Volumes/shows/a": "/mnt/mac/a",
}


@pytest.mark.parametrize(("text", "found"), MAPPED.items(), ids=MAPPED)
def test_when_a_path_begins_as_the_map_says_then_it_is_found_here(text, found):
    mapping = (("P:/", "/mnt/shows/"), ("\\\\server\\shows", "/mnt/unc"), ("/Volumes/shows", "/mnt/mac"))

    assert str(Paths(mapping=mapping).resolve(text, operator=True)) == found


NOT_MAPPED = ["P:a", "PP:/a", "Q:/a", "//server/shows2/a", "/mnt/../P:/a", "P:/../a", "P:\\..\\secret", "P:/a\0"]


@pytest.mark.parametrize("text", NOT_MAPPED)
def test_when_a_path_only_looks_like_the_map_then_it_is_refused(text):
    refusal(Paths(mapping=(("P:/", "/mnt/shows"), ("//server/shows", "/mnt/unc"))), text)


def test_when_the_map_is_of_this_kind_of_system_then_case_counts():
    paths = Paths(mapping=(("/Volumes/shows", "/mnt/mac"),))

    assert str(paths.resolve("/volumes/shows/a", operator=True)) == "/volumes/shows/a"
    assert str(paths.resolve("/Volumes/shows2/a", operator=True)) == "/Volumes/shows2/a"


def test_when_the_map_leads_out_of_the_roots_then_it_is_refused(tree):
    refusal(Paths((tree / "shows",), (("P:", str(tree / "secret")),)), "P:/plate.1001.exr")


# By the wire


@pytest.fixture
def outside(tmp_path, shows):
    """A folder no root leads to, reached by links from ``shows``."""
    (tmp_path / "plate.1001.png").write_bytes((shows / "plate" / "plate.1001.png").read_bytes())
    (tmp_path / "mask.1001.exr").write_bytes((shows / "masks" / "mask.1001.exr").read_bytes())
    link = shows / f"link-{tmp_path.name}"
    link.symlink_to(tmp_path)
    yield tmp_path, link
    link.unlink()


def requests_about(folder, shot):
    """Every request that names a file."""
    return {
        "plate": ("open_shot", {"plate": {"path": f"{folder}/plate.####.png"}}),
        "folder": ("open_shot", {"plate": {"path": f"{folder}"}}),
        "ocio": ("open_shot", {"plate": {"size": [96, 64], "ocio": f"{folder}/config.ocio"}}),
        "mask": ("set_keyframe", {"shot": shot, "frame": 1001, "path": f"{folder}/mask.1001.exr"}),
        "out": ("propagate", {"shot": shot, "out": f"{folder}/mattes"}),
        "weights": ("propagate", {"shot": shot, "settings": {"weights": f"{folder}/XMem.pth"}}),
        "mattes": ("suggest", {"shot": shot, "mattes": f"{folder}"}),
        "weights to suggest": ("suggest", {"shot": shot, "settings": {"weights": f"{folder}/XMem.pth"}}),
    }


def test_when_any_request_names_a_file_outside_then_it_is_refused_and_nothing_is_written(raw, shot, shows, outside):
    folder, link = outside
    raw.ask("set_keyframe", {"shot": shot, "frame": 1001, "path": str(shows / "masks/mask.1001.exr"), "object": "a"})
    before = sorted(folder.iterdir())

    for spelled in (folder, link, f"{shows}/../{folder.name}", f"\\\\server{folder}", f"{shows}/a\0"):
        for what, (kind, body) in requests_about(spelled, shot).items():
            assert raw.ask(kind, body).code == "path_outside", (what, spelled)

    assert sorted(folder.iterdir()) == before


def test_when_one_frame_or_matte_is_a_link_outwards_then_the_folder_is_refused(raw, shot, shows, outside, tmp_path):
    raw.ask("set_keyframe", {"shot": shot, "frame": 1001, "path": str(shows / "masks/mask.1001.exr"), "object": "a"})
    mixed = shows / f"mixed-{tmp_path.name}"
    mixed.mkdir()
    (mixed / "plate.1001.png").symlink_to(outside[0] / "plate.1001.png")

    assert raw.ask("open_shot", {"plate": {"path": str(mixed)}}).code == "path_outside"
    assert raw.ask("suggest", {"shot": shot, "mattes": str(mixed)}).code == "path_outside"


def test_when_a_daemon_has_no_root_then_a_user_may_name_no_file_but_send_pixels(here, tmp_path):
    here.client()
    with Raw(another_user(here, "anna")) as anna:
        shot = anna.ask("open_shot", {"plate": {"size": [96, 64]}}).body["shot"]

        for kind, (pixels, buffer) in (("put_plate", drawn_pixels(1001)), ("set_keyframe", drawn_mask(1001))):
            assert anna.ask(kind, {"shot": shot, "frame": 1001, "pixels": pixels}, buffer).type == "reply"

        for what, (kind, body) in requests_about(tmp_path, shot).items():
            assert anna.ask(kind, body).code == "path_outside", what
        assert anna.ask("open_shot", {"plate": {"path": str(tmp_path)}}).code == "path_outside"
        assert (
            anna.ask("set_keyframe", {"shot": shot, "frame": 1, "path": str(tmp_path / "a.exr")}).code == "path_outside"
        )


@pytest.mark.skipif(sys.platform != "linux", reason="needs devices of Linux")
@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin", "/proc/self/mem", "/dev", "/proc/self/fd"])
def test_when_the_operator_names_a_device_then_it_is_refused_at_once(here, path):
    here.client()
    with Raw(connection_of(here)) as raw:
        shot = raw.ask("open_shot", {"plate": {"size": [96, 64]}}).body["shot"]

        assert raw.ask("open_shot", {"plate": {"path": path}}).type == "error"
        answer = raw.ask("set_keyframe", {"shot": shot, "frame": 1, "path": path})
        assert answer.code in ("mask_missing", "mask_unreadable")
