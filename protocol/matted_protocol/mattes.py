"""Writes the matte files that came over the wire: whole or not at all, and never over another file."""

import os
from pathlib import Path, PurePosixPath
from typing import Any, Union
from uuid import uuid4

from matted_protocol.errors import DaemonError
from matted_protocol.waiting import Received


def save_matte(received: Received, folder: Union[str, "os.PathLike[str]"]) -> list[Path]:
    """Write the files of a ``frame_done`` event or a ``get_matte`` reply below ``folder``.

    A file that is there already with the same content is left as it is.

    Raises:
        DaemonError: ``path_outside`` when a name would leave the folder, ``output_unwritable`` when there is another
            file of that name or none can be written, ``bad_buffer`` when the message does not bring the files.
    """
    names: tuple[str, ...] = received.body.files
    if len(names) != len(received.buffers):
        message = f"Frame {received.body.frame} names {len(names)} files and brings {len(received.buffers)}."
        raise DaemonError("bad_buffer", message, "Watch the job with mattes='bytes', or use get_matte.")
    root = Path(folder)
    targets = [_inside(root, name) for name in names]
    for target, content in zip(targets, received.buffers):
        try:
            _publish(target, content)
        except OSError as error:
            message = f"{target} cannot be written: {error.strerror}."
            hint = "Give another folder, or move away what is there."
            raise DaemonError("output_unwritable", message, hint, path=str(target)) from error
    return targets


def _inside(root: Path, name: str) -> Path:
    pieces = PurePosixPath(name).parts
    strange = any(letter in name for letter in "\\:\0") or any(ord(letter) < 32 for letter in name)
    target = root.joinpath(*pieces)
    if strange or not pieces or ".." in pieces or name.startswith("/") or not _is_below(root, target):
        message = f"The daemon named a matte {name!r}, which is not inside {root}."
        raise DaemonError("path_outside", message, "Report this: a daemon never does that.", path=name)
    return target


def _is_below(root: Path, target: Path) -> bool:
    """Whether a file lies below a folder once links are followed."""
    resolved = root.resolve()
    return resolved in target.parent.resolve().parents or resolved == target.parent.resolve()


def _publish(target: Path, content: Any) -> None:
    if _is_there(target, content):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{uuid4().hex}.part")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _rename_new(beside, target)
    except FileExistsError:
        if not _is_there(target, content):  # else somebody wrote the same meanwhile, as after opening a project again
            raise
    finally:
        beside.unlink(missing_ok=True)


def _is_there(target: Path, content: Any) -> bool:
    return target.is_file() and target.read_bytes() == bytes(content)


def _rename_new(beside: Path, target: Path) -> None:
    """Rename, but never over another file."""
    try:
        os.link(beside, target)  # unlike a rename on POSIX it refuses a name that is taken
    except FileExistsError:
        raise
    except (OSError, AttributeError):  # a file system without hard links
        if target.exists():
            raise FileExistsError(17, "another file has this name") from None
        beside.rename(target)
