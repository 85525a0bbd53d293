"""Shots that are dropped into a folder: mattes come back beside them, for whoever has files and nothing else.

Each folder in the watched one is a shot. What an artist puts into its ``plate`` and ``masks`` is only read. ``mattes``
gets the versions; ``SUGGESTIONS.txt`` tells which frames to mask next, ``PROBLEM.txt`` why there are no mattes. Nothing
else is kept: a job is known by its recipe, so looking at everything anew after a restart makes nothing twice.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from matted.batch.place import JobResult
from matted.errors import MattedError, PlateError
from matted.media.image import EXTENSIONS
from matted.media.sequence import MOVIES
from matted_protocol.errors import DaemonError

PLATE, MASKS, MATTES = "plate", "masks", "mattes"
PROBLEM, SUGGESTIONS = "PROBLEM.txt", "SUGGESTIONS.txt"

RETRY = 60.0
"""Seconds after which what failed is tried again, though its files are the same: a disk may have room by then."""

_SIGNATURE = "matted: "
"""How the texts begin that are ours to replace and to delete."""

_LAYOUT = (
    f"A shot's folder holds '{PLATE}', with one image sequence or one movie, and '{MASKS}', with files numbered as the "
    f"plate's frames, or with a folder of such files for each object."
)


@dataclass(frozen=True)
class Dropped:
    """A shot's folder as it is now.

    Attributes:
        folder: the shot's folder.
        plate: its folder of the plate; None when it is missing or empty.
        masks: its folder of masks, when there are files right in it.
        objects: name and folder of each object that has files.
        files: path, size in bytes and time of change of everything in plate and masks; hidden files do not count.
    """

    folder: Path
    plate: Path | None
    masks: Path | None
    objects: tuple[tuple[str, Path], ...]
    files: tuple[tuple[str, int, int], ...]

    @property
    def lacks(self) -> str:
        """What has to come before anything can be made; empty when it is there."""
        return PLATE if self.plate is None else "" if self.masks or self.objects else MASKS

    @property
    def out(self) -> Path:
        """Where the versions of its mattes go."""
        return self.folder / MATTES


def look_at(folder: Path) -> Dropped | None:
    """The shot in a folder; None when it has neither a folder ``plate`` nor ``masks``, in any case.

    Raises:
        OSError: it cannot be read.
    """
    inside = {child.name.lower(): child for child in _folders(folder)}
    plate, masks = inside.get(PLATE), inside.get(MASKS)
    if plate is None and masks is None:
        return None
    objects = [] if masks is None else [(child.name, child) for child in _folders(masks) if _facts([child])]
    here = [] if masks is None else [file for file in _visible(masks) if file.is_file()]
    return Dropped(
        folder,
        plate if plate is not None and _facts([plate]) else None,
        masks if here else None,
        tuple(objects),
        _facts(found for found in (plate, masks) if found is not None),
    )


def plate_path(folder: Path) -> Path:
    """What is the plate in a shot's folder of it: the folder itself for an image sequence, else the movie in it.

    Raises:
        PlateError: plate_missing when it is not one plate.
    """
    files = [file for file in _visible(folder) if file.is_file()]
    movies = [file for file in files if file.suffix.lower() in MOVIES]
    images = [file for file in files if file.suffix.lower() in EXTENSIONS]
    if not movies:
        return folder
    if len(movies) > 1 or images:
        names = ", ".join(file.name for file in [*movies, *images[:1]])
        message = f"{folder} holds more than one plate: {names}."
        raise PlateError("plate_missing", message, hint="Leave one movie or one image sequence in it.", path=folder)
    return movies[0]


class Watch:
    """Looks at a folder of shots again and again, and has mattes made of those that are whole.

    Args:
        top: the folder.
        make: makes the mattes of one shot; raises MattedError or DaemonError for what a person has to put right.
        quiet: seconds in which no file of a shot may have changed.
        say: tells a person what happens.
        clock: seconds, going on steadily.
    """

    def __init__(
        self,
        top: Path,
        make: Callable[[Dropped], JobResult],
        *,
        quiet: float,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.top = top
        self.problems: set[Path] = set()
        self._make = make
        self._quiet = quiet
        self._say = say
        self._clock = clock
        self._seen: dict[Path, tuple[Dropped, float]] = {}
        self._tried: dict[Path, tuple[Dropped, float]] = {}
        self._said: dict[Path, str] = {}

    def look(self, *, stopped: Callable[[], bool] = lambda: False) -> None:
        """Look at every shot once, and make the mattes of each that has been quiet for long enough.

        Raises:
            MattedError, DaemonError: ``cancelled``, when the person at the terminal stopped it.
        """
        shots = self._shots()
        self._forget({shot.folder for shot in shots})
        for shot in shots:
            if not stopped() and self._is_due(shot):
                self._work(shot, stopped)

    def _shots(self) -> list[Dropped]:
        """What can be read of the folder; what cannot is told, and is tried again at the next look."""
        found: list[Dropped] = []
        try:
            for folder in _folders(self.top):
                shot = self._readable(folder)
                found += [shot] if shot is not None else []
            self._tell(self.top, "")
        except OSError as error:
            self._tell(self.top, f"{self.top} cannot be read: {error.strerror}.")
        return found

    def _readable(self, folder: Path) -> Dropped | None:
        try:
            return look_at(folder)
        except FileNotFoundError:
            return None  # it changes while we look: there is another time
        except OSError as error:
            self._tell(folder, f"{error.filename or folder} cannot be read: {error.strerror}.")
            return None

    def _is_due(self, shot: Dropped) -> bool:
        now = self._clock()
        before, since = self._seen.get(shot.folder, (None, now))
        if before != shot:
            self._seen[shot.folder] = (shot, now)
            return False
        if shot.lacks:
            self._tell(shot.folder, f"{shot.folder.name} waits for its {shot.lacks}.")
            self._solved(shot)
            self._tried.pop(shot.folder, None)
            return False
        tried, when = self._tried.get(shot.folder, (None, now))
        again = shot.folder in self.problems and now - when >= RETRY
        return now - since >= self._quiet and (tried != shot or again)

    def _work(self, shot: Dropped, stopped: Callable[[], bool]) -> None:
        if shot.folder not in self.problems:
            self._say(f"{shot.folder.name}: making mattes")
        try:
            _refuse_empty(shot)
            result = self._make(shot)
        except (MattedError, DaemonError) as error:
            if error.code == "cancelled" and stopped():
                raise
            if error.code == "job_running":
                self._tell(shot.folder, f"{shot.folder.name} is being made by another matted.")
                return
            if error.code == "cancelled":  # by somebody else, at the daemon
                self._tell(shot.folder, f"{shot.folder.name} was cancelled; it is made when one of its files changes.")
            else:
                self._failed(shot, error.message, error.hint)
        except Exception as error:
            self._say(traceback.format_exc())
            hint = "This is a mistake of matted's: please report it, with what the terminal shows. It is tried again."
            self._failed(shot, f"{type(error).__name__}: {error}", hint)
        else:
            self._solved(shot)
            self._write(shot.folder / SUGGESTIONS, suggestions_text(shot, result))
            self._tell(shot.folder, f"{shot.folder.name}: {len(result.confidence)} mattes in {result.folder}")
        self._tried[shot.folder] = (shot, self._clock())

    def _failed(self, shot: Dropped, message: str, hint: str) -> None:
        self.problems.add(shot.folder)
        self._tell(shot.folder, f"{shot.folder.name}: {message}\n  -> {hint}")
        self._write(shot.folder / PROBLEM, f"the mattes could not be made.\n\n{message}\n{hint}\n\n{_LAYOUT}\n")

    def _solved(self, shot: Dropped) -> None:
        self.problems.discard(shot.folder)
        file = shot.folder / PROBLEM
        if _is_ours(file):
            file.unlink(missing_ok=True)

    def _write(self, file: Path, text: str) -> None:
        """Write a text of ours, unless it says so already or an artist has a file of that name."""
        text = _SIGNATURE + text
        try:
            if file.exists() and (not _is_ours(file) or file.read_text("utf-8") == text):
                return
            beside = file.with_name(f".{file.name}.part")
            beside.write_text(text, "utf-8")
            beside.replace(file)
        except OSError as error:
            self._say(f"{file} cannot be written: {error.strerror}.")

    def _tell(self, about: Path, text: str) -> None:
        """Say something once, until there is something else to say."""
        if text and self._said.get(about) != text:
            self._say(text)
        self._said[about] = text

    def _forget(self, there: set[Path]) -> None:
        for known in (self._seen, self._tried):
            for folder in known.keys() - there:
                del known[folder]
        self.problems &= there


def suggestions_text(shot: Dropped, result: JobResult) -> str:
    """What ``SUGGESTIONS.txt`` says of a finished job."""
    folder = result.folder.relative_to(shot.folder) if shot.folder in result.folder.parents else result.folder
    lines = [f"{len(result.confidence)} mattes are in {folder.as_posix()}.", ""]
    if result.suggestions:
        lines.append(f"Mask these frames next, best first, and put the masks into '{MASKS}':")
        lines += [f"  frame {found.frame}: {found.reason}" for found in result.suggestions]
    else:
        lines.append("No frame stands out: another mask would add little.")
    return "\n".join([*lines, ""])


def _refuse_empty(shot: Dropped) -> None:
    for name, size, _ in shot.files:
        if not size:
            raise PlateError("plate_unreadable", f"{name} is empty.", hint="Render or copy it again.", path=name)


def _facts(tops: Iterable[Path]) -> tuple[tuple[str, int, int], ...]:
    """Path, size and time of every file below; one that goes away meanwhile is left out."""
    found: list[tuple[str, int, int]] = []
    for top in tops:
        for path in _visible(top):
            if path.is_dir():
                found += _facts([path])
                continue
            try:
                facts = path.stat()
            except FileNotFoundError:
                continue
            found.append((str(path), facts.st_size, facts.st_mtime_ns))
    return tuple(found)


def _folders(top: Path) -> list[Path]:
    return [child for child in _visible(top) if child.is_dir()]


def _visible(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if not child.name.startswith("."))


def _is_ours(file: Path) -> bool:
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            return lines.read(len(_SIGNATURE)) == _SIGNATURE
    except OSError:
        return False
