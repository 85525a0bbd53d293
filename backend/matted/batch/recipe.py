"""A job: a shot, and everything else that decides its mattes. Two jobs with one recipe are one job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import matted
from matted.batch.ledger import digest, read_sidecar
from matted.batch.shot import Shot
from matted.engine.session import SessionSettings
from matted.errors import (
    ColorError,
    KeyframeError,
    MattedError,
    OutputError,
    PlateError,
    RequestError,
    SettingError,
    WeightsError,
)
from matted.media.matte import MatteSettings
from matted.media.sequence import listed
from matted.weights import Identity, Loaded


@dataclass(frozen=True)
class Job:
    """A shot, and everything else that decides its mattes. The network itself is not needed to describe a job."""

    shot: Shot
    out: Path
    weights: Identity | Loaded
    session: SessionSettings = field(default_factory=SessionSettings)
    mattes: MatteSettings = field(default_factory=MatteSettings)
    suggestions: int = 3
    """How many frames to suggest when the mattes are done."""
    review: bool = False
    """Whether to look the mattes over when they are done."""

    def recipe(self) -> dict[str, Any]:
        """All that decides the pixels, as plain values; two jobs with one recipe are one job.

        It is the same on every host: of paths it holds the name of the plate's folder alone.

        Raises:
            ColorError: color_config: the OCIO configuration cannot be read.
        """
        recipe = {
            "matted": matted.__version__,
            "plate": self._plate(),
            "frames": listed(self.shot.wanted()),
            "objects": list(self.shot.keyframes.objects),
            "keyframes": self.shot.keyframes.hashes,
            "weights": {"name": self.weights.name, "sha256": self.weights.sha256},
            "settings": {**asdict(self.session), "memory": asdict(self.weights.memory)},
            "mattes": asdict(self.mattes),
        }
        plain: dict[str, Any] = json.loads(json.dumps(recipe, default=str))
        return plain

    def identity(self) -> str:
        """sha256 of the recipe: what tells this job from every other one, wherever its mattes go."""
        return digest(self.recipe())

    def _plate(self) -> dict[str, Any]:
        plate = self.shot.plate
        chosen = {"part": plate.part, "layer": plate.layer, "offset": plate.sequence.offset or None}
        named = {name: value for name, value in chosen.items() if value is not None}
        color = {**asdict(plate.color), "config": _same_everywhere(plate.color.config)}
        folder = plate.sequence.path(plate.frames[0]).parent.name  # v002 beside v001, where a tool makes all times one
        return {"folder": folder, "files": self.shot.stamp(), "color": color, **named}


def refuse_another(job: Job, recipe: Mapping[str, Any], folder: Path) -> None:
    """See that a folder was claimed for this very job.

    Args:
        job: what was asked for, as it is found here.
        recipe: the job's.
        folder: the version folder claimed for it, perhaps on another host.

    Raises:
        MattedError: what differs here from what the job was claimed for, or that the folder cannot be seen.
    """
    claimed = read_sidecar(folder).get("recipe")
    if claimed == recipe:
        return
    if not isinstance(claimed, dict):
        hint = "See that this host has the folder at this path, or map the path, and start the batch again."
        raise OutputError("output_unwritable", f"{folder} is not the folder of a job.", hint=hint, path=folder)
    for name, differs in _DIFFERS.items():
        if claimed.get(name) != recipe[name]:
            raise differs(job, claimed.get(name), recipe[name])
    raise AssertionError(f"{folder}: two recipes differ in nothing that is known")


def _same_everywhere(config: str | None) -> str | None:
    """An OCIO configuration by its name or, a file, by its content."""
    if config is None or config.startswith("ocio://"):
        return config
    try:
        return f"sha256:{hashlib.sha256(Path(config).read_bytes()).hexdigest()}"
    except OSError as error:
        message = f"The OCIO configuration {config} cannot be read: {error.strerror or error}."
        raise ColorError("color_config", message, hint="Check the path, or $OCIO.", path=config) from error


_AGAIN = "Start the batch again where it was started: it then plans with what is there now."


def _other_matted(job: Job, claimed: Any, here: Any) -> MattedError:
    message = f"This is matted {here}, and the batch was planned by matted {claimed}."
    return RequestError("version_mismatch", message, hint="Install the same version on every host.")


def _other_weights(job: Job, claimed: Any, here: Any) -> MattedError:
    message = f"The weights {job.weights.path} are not those the batch was planned with: {here} is not {claimed}."
    return WeightsError("weights_refused", message, hint="Copy the same file to every host.", path=job.weights.path)


def _other_masks(job: Job, claimed: Any, here: Any) -> MattedError:
    message = "The masks are not those the batch was planned with: one was changed, added or taken away."
    path = job.shot.keyframes.sources[0].path
    return KeyframeError("keyframe_changed", message, hint=_AGAIN, path=path)


def _other_plate(job: Job, claimed: Any, here: Any) -> MattedError:
    pattern = job.shot.plate.sequence.pattern
    message = f"The plate {pattern} is not the one the batch was planned with: another name, size or time of a file."
    hint = f"{_AGAIN} Where a host works on a copy, copy the times of the files too."
    return PlateError("plate_changed", message, hint=hint, path=pattern)


def _other_frames(job: Job, claimed: Any, here: Any) -> MattedError:
    message = f"The range is not the one the batch was planned with: {here} is not {claimed}."
    return PlateError("plate_changed", message, hint=_AGAIN, path=job.shot.plate.sequence.pattern)


def _other_settings(job: Job, claimed: Any, here: Any) -> MattedError:
    message = f"The settings are not those the batch was planned with: {here} is not {claimed}."
    return SettingError("bad_setting", message, hint=_AGAIN)


_DIFFERS: dict[str, Callable[[Job, Any, Any], MattedError]] = {
    "matted": _other_matted,
    "weights": _other_weights,
    "plate": _other_plate,
    "frames": _other_frames,
    "objects": _other_masks,
    "keyframes": _other_masks,
    "settings": _other_settings,
    "mattes": _other_settings,
}
