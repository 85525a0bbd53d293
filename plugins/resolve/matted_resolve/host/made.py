"""What we made in a project: in a file of the user's from before it is made, so that it is known as ours later.

What the file does not know (it was lost, or the project came from another machine) is known by where the files lie:
see :func:`is_ours`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from matted_plugin.host import HostError
from matted_protocol.connection import data_folder, write_private
from matted_resolve.host import matte_files
from matted_resolve.host.session import asked

if TYPE_CHECKING:
    from matted_resolve.host.leftovers import Leftovers
    from matted_resolve.host.session import Session

NAME = "Matted"
"""Of our bin, of our tracks (with a number from the second on), and before the _ in the names of our Fusion tools."""

_T = TypeVar("_T")


class Made:
    """The things made in one project.

    Args:
        project: the project's unique id.
    """

    def __init__(self, project: str) -> None:
        safe = re.sub(r"[^\w-]", "_", project)
        self._file = data_folder() / "plugins" / "resolve" / "made" / f"{safe}.json"

    def note(self, kind: str, **facts: Any) -> None:
        """Write down what is about to be made.

        Args:
            kind: ``folder`` of files (path), ``track`` (timeline), ``bin`` or ``comp`` (item, name).
            facts: plain data.

        Raises:
            HostError: it cannot be written.
        """
        entry = {"kind": kind, **facts}
        known = self._read()
        if entry not in known:
            self._write([*known, entry])

    def known(self, kind: str) -> list[dict[str, Any]]:
        """What was noted of this kind."""
        return [entry for entry in self._read() if entry["kind"] == kind]

    def forget(self, kind: str, **facts: Any) -> None:
        """Strike out what is gone: everything of this kind with these facts."""
        gone = {"kind": kind, **facts}
        self._write([entry for entry in self._read() if any(entry.get(name) != gone[name] for name in gone)])

    def is_ours(self, path: str) -> bool:
        """Whether a file that Resolve names is a matte of ours: it was noted, or lies where only mattes lie."""
        folder = folder_of(path)
        if not folder:
            return False
        if any(same_path(entry["path"], folder) for entry in self.known("folder")):
            return True
        return Path(folder).name.startswith(matte_files.FOLDER) and matte_files.is_lined_up(folder)

    def _read(self) -> list[dict[str, Any]]:
        try:
            told = json.loads(self._file.read_text("utf-8"))
            return [entry for entry in told if isinstance(entry, dict) and isinstance(entry.get("kind"), str)]
        except (OSError, ValueError, TypeError):
            return []

    def _write(self, entries: list[dict[str, Any]]) -> None:
        try:
            if entries:
                write_private(self._file, json.dumps(entries, indent=1))
            else:
                self._file.unlink(missing_ok=True)
        except OSError as error:
            raise HostError(
                f"The file {self._file} cannot be written: {error.strerror}.",
                "See whether the disk is full and the folder can be written: nothing is made in Resolve before it is"
                " written down there as matted's.",
                path=str(self._file),
            ) from error


def made_in(session: Session) -> Made:
    """The things made in the open project.

    Raises:
        HostError: no project is open, or it does not say which it is.
    """
    return Made(project_id(session))


def project_id(session: Session) -> str:
    """The unique id of the open project.

    Raises:
        HostError: there is none.
    """
    project = session.project()
    found = text(lambda: project.GetUniqueId())
    if not found:
        raise HostError("Resolve does not say which project is open.", "Press the button again.")
    return found


def page_of(session: Session) -> str:
    """The page that is open; '' when Resolve shows none."""
    return text(lambda: session.resolve.GetCurrentPage())


def folder_of(path: str) -> str:
    """The folder of a file as Resolve names it, with forward slashes; '' when it names none."""
    return path.replace("\\", "/").rpartition("/")[0]


def same_path(one: str, other: str) -> bool:
    """Whether two texts name the same file or folder, as far as the texts tell."""
    return one.replace("\\", "/").rstrip("/").casefold() == other.replace("\\", "/").rstrip("/").casefold()


def several(call: Callable[[], Any]) -> list[Any]:
    """The list that Resolve answers with; asked again when nothing comes, for one failing answer is no empty list."""
    for _ in range(2):
        found = asked(call)
        if isinstance(found, (list, tuple)) and found:
            return [one for one in found if one]
        if isinstance(found, dict) and found:
            return list(found.values())
    return []


def text(call: Callable[[], Any]) -> str:
    """The text that Resolve answers with; asked again when none comes, and '' when there is none."""
    for _ in range(2):
        found = asked(call)
        if isinstance(found, str) and found:
            return found
    return ""


def number(call: Callable[[], Any]) -> int | None:
    """The whole number that Resolve answers with, which it may give as a float; asked again when none comes."""
    for _ in range(2):
        found = asked(call)
        if isinstance(found, (int, float)) and not isinstance(found, bool):
            return round(found)
    return None


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


class Change:
    """What one action does to Resolve, so that it can be undone when it fails.

    Attributes:
        moved: tokens of what is put back in any case.
        made: tokens of what is taken back only if the action fails.
        told: sentences about what could not be put back, once the action is over.
    """

    def __init__(self, leftovers: Leftovers) -> None:
        self._leftovers = leftovers
        self.moved: list[int] = []
        self.made: list[int] = []
        self.told: tuple[str, ...] = ()

    def will_move(self, kind: str, **facts: Any) -> None:
        """Note what is put back in any case: the page, the current bin."""
        self.moved.append(self._leftovers.note(kind, **facts))

    def will_make(self, kind: str, **facts: Any) -> None:
        """Note what is taken back only if the action fails."""
        self.made.append(self._leftovers.note(kind, **facts))


@contextmanager
def changing(session: Session, leftovers: Leftovers) -> Iterator[Change]:
    """Leave what was made if all goes well, take it back if not; put page and bin back in any case.

    Raises:
        HostError: what happened, with what could not be taken back.
    """
    change = Change(leftovers)
    try:
        yield change
    except HostError as error:
        told = leftovers.put_back(session, [*change.moved, *change.made])
        if told:
            raise HostError(
                f"{error.message} {' '.join(told)}", error.hint, path=error.path, frame=error.frame
            ) from error
        raise
    except BaseException as error:
        told = leftovers.put_back(session, [*change.moved, *change.made])
        if not isinstance(error, Exception):
            raise
        raise HostError(
            " ".join((f"Resolve did not take the mattes: {error}.", *told)),
            "Press the button again; the mattes are on disk.",
        ) from error
    for token in change.made:
        leftovers.forget(token)
    change.told = leftovers.put_back(session, change.moved)
