"""What the hosts of a farm are handed: one file with the pieces of every shot of a batch, and how a host reads it.

The file spells paths as the submitting machine does. A host reads them by its path mapping rules, looks whether plate,
masks and the claimed folder are there, and refuses what another matted wrote, all before it makes anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import matted
from matted.batch.jobfile import Entry
from matted.batch.ledger import read_sidecar, unwritable
from matted.batch.mapping import PathMap
from matted.batch.outcome import Outcome
from matted.batch.pieces import Piece, pieces
from matted.batch.place import JobResult, read_result
from matted.batch.review import Thresholds, judge
from matted.errors import MaskError, MattedError, OutputError, PlateError, RequestError
from matted.weights import default_folder, identify

FORM = "matted pieces 1"
"""What the file says it is."""


@dataclass(frozen=True)
class Handout:
    """The pieces of a batch, in an order in which they can be done: finishes come last.

    Attributes:
        batch: the batch's name.
        pieces: plain values, with paths as the submitting machine spells them.
        thresholds: by shot, from where on its measures make it warn or fail.
        matted: the version that planned them.
    """

    batch: str
    pieces: tuple[dict[str, Any], ...]
    thresholds: dict[str, Thresholds]
    matted: str = matted.__version__

    @property
    def finishes(self) -> tuple[int, ...]:
        """The places of the pieces that finish a shot, one a shot."""
        return tuple(place for place, piece in enumerate(self.pieces) if piece["kind"] == "finish")

    def total(self, place: int) -> int:
        """About how many steps a piece takes.

        Raises:
            RequestError: bad_request when there is no such piece.
        """
        if not 0 <= place < len(self.pieces):
            message = f"There is no piece {place}: the batch {self.batch} has pieces 0 to {len(self.pieces) - 1}."
            raise RequestError("bad_request", message, hint="Export the batch again, or ask for one of those.")
        return int(self.pieces[place]["total"])

    def piece(self, place: int, paths: PathMap, *, weights: str = "") -> Piece:
        """One piece, with its paths as they are spelled here and everything it needs in reach.

        Args:
            place: its place in the file.
            paths: the rules that hold on this machine.
            weights: where this machine has the weights, or their name; empty takes what the batch names.

        Raises:
            PlateError, MaskError, OutputError: plate, masks or the claimed folder are not on this machine.
        """
        theirs = self.pieces[place]
        here = paths.apply_to_piece(theirs)
        if weights:
            here["request"]["weights"] = weights
        _see(theirs, here, paths)
        return Piece.from_plain(here)


def outcomes(handout: Handout, paths: PathMap) -> list[Outcome]:
    """What became of every shot, as its folder tells; one that is not finished, or not on this host, has an error."""
    return [_outcome(handout, place, paths) for place in handout.finishes]


def hand_out(name: str, entries: Iterable[Entry]) -> Handout:
    """Plan a batch: claims every shot's folder. Shots of higher priority come first.

    Raises:
        MattedError: a shot's plate, masks, weights or output are not as they should be.
    """
    ordered = sorted(entries, key=lambda entry: -entry.request.priority)
    planned = [piece for entry in ordered for piece in _planned(entry)]
    planned.sort(key=lambda piece: piece.kind == "finish")
    thresholds = {entry.request.name: entry.thresholds for entry in ordered}
    return Handout(name, tuple(piece.plain() for piece in planned), thresholds)


def write_handout(file: Path, handout: Handout) -> None:
    """Write the file beside, then rename.

    Raises:
        OutputError: output_unwritable, disk_full.
    """
    write_whole(file, json.dumps({"form": FORM, **msgspec.to_builtins(handout)}, indent=1, ensure_ascii=False))


def read_handout(file: Path) -> Handout:
    """Read what was written by this very version of matted.

    Raises:
        RequestError: bad_request when it is not there or damaged; version_mismatch.
    """
    try:
        content = json.loads(file.read_text("utf-8"))
        if content.pop("form") != FORM:
            raise ValueError("it says that it is something else")
        found = msgspec.convert(content, Handout)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        message = f"The pieces in {file} cannot be read: {error}."
        hint = "Give the pieces.json of a bundle that 'matted batch JOBS --export' has written."
        raise RequestError("bad_request", message, hint=hint, path=file) from error
    if found.matted != matted.__version__:
        message = f"The pieces in {file} were planned by matted {found.matted}; this host has {matted.__version__}."
        hint = f"Install matted {found.matted} on this host, or export the batch again with {matted.__version__}."
        raise RequestError("version_mismatch", message, hint=hint, path=file)
    return found


def write_whole(file: Path, text: str) -> None:
    """Write a text file beside, then rename.

    Raises:
        OutputError: output_unwritable, disk_full.
    """
    beside = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, "utf-8")
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise unwritable(file, error) from error


def refuse_other_folder(folder: Path, pieces: str) -> None:
    """See that a folder is new, empty, or holds an earlier export, whose pieces are in the file ``pieces``.

    Raises:
        OutputError: output_unwritable.
    """
    try:
        if not folder.exists() or not any(folder.iterdir()) or FORM in (folder / pieces).read_text("utf-8")[:100]:
            return
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            raise unwritable(folder, error) from error
    message = f"{folder} holds something else than an earlier export; nothing was written."
    raise OutputError("output_unwritable", message, hint="Choose a new or an empty folder.", path=folder)


def _outcome(handout: Handout, place: int, paths: PathMap) -> Outcome:
    request = Piece.from_plain(paths.apply_to_piece(handout.pieces[place])).request
    try:
        result = _finished(handout.piece(place, paths))
    except MattedError as error:
        return Outcome(request, "error", 0.0, error=error)
    if result.review is None:
        return Outcome(request, "pass", 0.0, result)
    limits = handout.thresholds[request.name]
    verdict = judge(result.confidence, result.review, limits)
    return Outcome(request, verdict.state, 0.0, result, verdict, thresholds=limits)


def _finished(piece: Piece) -> JobResult:
    sidecar = read_sidecar(piece.folder)
    if sidecar.get("state") != "done":
        message = f"The mattes of the shot {piece.request.name} in {piece.folder} are not finished."
        hint = "Have its pieces done, or done again, and make the report again."
        raise RequestError("matte_missing", message, hint=hint, path=piece.folder)
    return read_result(piece.folder, sidecar, computed=0)


def _planned(entry: Entry) -> tuple[Piece, ...]:
    request = entry.request
    return pieces(request, weights=identify(request.weights, folder=default_folder()))


def _see(theirs: Mapping[str, Any], here: Mapping[str, Any], paths: PathMap) -> None:
    """Refuse a piece whose files are not on this machine.

    Raises:
        PlateError, MaskError, OutputError: of what is missing, as it is spelled on both machines.
    """
    asked, found = theirs["request"], here["request"]
    masks = [(mask["path"], ours["path"]) for mask, ours in zip(asked["masks"], found["masks"], strict=True)]
    wanted: list[tuple[type[MattedError], str, str, str, str]] = [
        (PlateError, "plate_missing", "plate", asked["plate"], found["plate"]),
        *((MaskError, "mask_missing", "masks", there, ours) for there, ours in masks),
        (OutputError, "output_unwritable", "claimed folder", theirs["folder"], here["folder"]),
    ]
    for error, code, what, there, ours in wanted:
        seen = Path(ours).is_dir() if code == "output_unwritable" else Path(ours).exists() or Path(ours).parent.is_dir()
        if not seen:
            mapped = "" if there == ours else f", which the submitting machine calls {there}"
            message = f"The {what} of the shot {found['name']} is not on this host: {ours}{mapped}."
            raise error(code, message, hint=_mount(there, paths), path=ours)


def _mount(there: str, paths: PathMap) -> str:
    """What to do about a path that is not on this host."""
    rules = f"correct the rule for it in {paths.file}" if paths.file else "give a rule for it with --path-mapping"
    if paths.file and paths.apply(there) == there:
        rules = f"add a rule for it to the farm's path mapping (no rule in {paths.file} speaks of it)"
    return f"Mount the storage on this host, or {rules}."
