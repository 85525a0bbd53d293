"""What an earlier version of a shot holds that is still right: only what is stale is made anew.

A segment's mattes come of its own plate files, those of the keyframes, every mask, the settings and the weights. Where
all of these are as they were, the files of the earlier version are copied.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from matted.batch.ledger import digest, read_sidecar
from matted.batch.place import Place, degraded, journaled
from matted.batch.recipe import Job
from matted.batch.segments import walked
from matted.batch.stamp import Stamp
from matted.errors import MaskError
from matted.media.matte import MatteWriter


def origins(job: Job, place: Place) -> dict[str, str]:
    """For each segment the digest of all that decides its mattes; two segments with one digest have the same mattes.

    Raises:
        PlateError: plate_changed.
    """
    keyframes = job.shot.keyframes.frames
    shared = {key: value for key, value in place.recipe.items() if key not in ("plate", "frames")}
    plate = {key: value for key, value in place.recipe["plate"].items() if key != "files"}
    found = {}
    for segment in place.segments:
        frames = walked(segment, job.shot.wanted(), keyframes)
        seen = {*frames, *keyframes, *_exposed_by(job)}
        sequence = job.shot.plate.sequence
        files = Stamp.of(replace(sequence, frames=tuple(sorted(seen)))).digest
        found[str(segment)] = digest([shared, plate, frames, files])
    return found


def take_over(place: Place, known: Mapping[str, str], finished: Collection[int]) -> None:
    """Copy what earlier versions hold of the frames of ``place`` that are not ``finished``, and note it in its journal.

    Args:
        place: where to; its lock is held.
        known: the :func:`origins` of its segments.
        finished: frames that are there.

    Raises:
        OSError: a file cannot be copied.
    """
    left = {
        frame: known[str(segment)]
        for segment in place.segments
        for frame in place.frames
        if frame in segment and frame not in finished
    }
    for folder, same, noted in _earlier(place):
        for frame in [frame for frame, origin in left.items() if origin in same and frame in noted]:
            if _copy(place, folder, frame):
                place.journal.add(frame, noted[frame])
                del left[frame]


def _earlier(place: Place) -> Iterator[tuple[Path, set[str], dict[int, tuple[float, ...]]]]:
    """The other versions, the newest first: folder, digests of its segments, confidence of its frames."""
    for folder in sorted(place.folder.parent.glob("v[0-9]*"), reverse=True):
        sidecar = read_sidecar(folder)
        if folder != place.folder and "segments" in sidecar and not degraded(folder):
            yield folder, set(sidecar["segments"].values()), journaled(folder, sidecar)


def _copy(place: Place, folder: Path, frame: int) -> bool:
    """Copy a frame's files, each beside and renamed; False when one is not there or can no longer be read."""
    targets = place.writer.paths(frame)
    sources = [folder / target.relative_to(place.folder) for target in targets]
    if not all(source.is_file() for source in sources):
        return False
    for source, target in zip(sources, targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.copy.part")
        shutil.copyfile(source, beside)
        beside.replace(target)
    return _can_be_read(place.writer, frame)


def _can_be_read(writer: MatteWriter, frame: int) -> bool:
    """Whether a frame is whole: an earlier version may have been damaged since, by a full disk or a half copy."""
    try:
        writer.read(frame)
    except MaskError:
        return False
    return True


def _exposed_by(job: Job) -> tuple[int, ...]:
    """The frames that the exposure of the whole shot is taken from."""
    frames = job.shot.plate.frames
    return (frames[0], frames[len(frames) // 2], frames[-1]) if job.shot.plate.color.exposure == "auto" else ()
