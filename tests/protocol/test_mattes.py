"""Matte files that came over the wire, on disk."""

import os
import stat

import pytest

from matted_protocol import messages as m
from matted_protocol.client import save_matte
from matted_protocol.errors import DaemonError
from matted_protocol.waiting import Received


def matte(*names, buffers=None):
    body = m.Matte("0" * 16, 1001, names)
    return Received(body, tuple(name.encode() for name in names) if buffers is None else buffers)


def files_below(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_when_saved_then_the_files_are_where_their_names_say_and_nothing_else_is(tmp_path):
    saved = save_matte(matte("hero/hero.1001.exr", "sign.1001.exr"), tmp_path / "out")

    assert [path.read_bytes() for path in saved] == [b"hero/hero.1001.exr", b"sign.1001.exr"]
    assert files_below(tmp_path) == sorted(saved)


@pytest.mark.skipif(os.name != "posix", reason="POSIX rights")
def test_when_saved_then_others_may_read_them_as_the_umask_says(tmp_path):
    before = os.umask(0o022)
    try:
        (path,) = save_matte(matte("a.exr"), tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_when_saved_again_then_the_file_is_left_as_it_is(tmp_path):
    (path,) = save_matte(matte("a.exr"), tmp_path)
    before = path.stat()
    save_matte(matte("a.exr"), tmp_path)

    assert path.stat().st_ino == before.st_ino
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("written", ["the same", "other"])
def test_when_somebody_writes_the_file_meanwhile_then_only_another_content_is_refused(tmp_path, monkeypatch, written):
    link = os.link

    def late(source, target):
        target.write_bytes(source.read_bytes() if written == "the same" else b"other")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    if written == "other":
        with pytest.raises(DaemonError, match="cannot be written"):
            save_matte(matte("a.exr"), tmp_path)
    else:
        save_matte(matte("a.exr"), tmp_path)

    assert [path.name for path in files_below(tmp_path)] == ["a.exr"]


def test_when_another_file_has_the_name_then_it_is_not_overwritten(tmp_path):
    (tmp_path / "a.exr").write_bytes(b"the artist's own")

    with pytest.raises(DaemonError, match=r"a\.exr") as caught:
        save_matte(matte("a.exr"), tmp_path)

    assert caught.value.code == "output_unwritable"
    assert (tmp_path / "a.exr").read_bytes() == b"the artist's own"
    assert files_below(tmp_path) == [tmp_path / "a.exr"]


@pytest.mark.parametrize("linkless", [OSError(95, "no hard links here"), AttributeError("link")])
def test_when_the_file_system_has_no_hard_links_then_files_are_saved_and_still_not_overwritten(
    tmp_path, monkeypatch, linkless
):
    def refuse(*paths):
        raise linkless

    monkeypatch.setattr(os, "link", refuse)
    (path,) = save_matte(matte("a.exr"), tmp_path)

    assert path.read_bytes() == b"a.exr"
    with pytest.raises(DaemonError, match=r"a\.exr"):
        save_matte(matte("a.exr", buffers=(b"other",)), tmp_path)
    assert files_below(tmp_path) == [path]


@pytest.mark.parametrize(
    "name",
    [
        "../a.exr",
        "hero/../../a.exr",
        "/etc/a.exr",
        "//host/a.exr",
        r"..\a.exr",
        r"C:\a.exr",
        "C:a.exr",
        "a\0.exr",
        "",
        ".",
        "a\n.exr",
    ],
)
def test_when_a_name_leaves_the_folder_then_nothing_is_written(tmp_path, name):
    with pytest.raises(DaemonError) as caught:
        save_matte(matte("good.exr", name), tmp_path / "out")

    assert caught.value.code == "path_outside"
    assert files_below(tmp_path) == []


def test_when_a_link_leaves_the_folder_then_nothing_is_written(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "hero").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(DaemonError) as caught:
        save_matte(matte("hero/a.exr"), tmp_path / "out")

    assert caught.value.code == "path_outside"
    assert files_below(tmp_path) == []


def test_when_the_message_brings_no_files_then_that_is_said(tmp_path):
    with pytest.raises(DaemonError, match="brings 0") as caught:
        save_matte(matte("a.exr", buffers=()), tmp_path)
    assert caught.value.code == "bad_buffer"
