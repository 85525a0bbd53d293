"""A job: a shot, and everything else that decides its mattes. Two jobs with one recipe are one job."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import matted
from matted.batch.ledger import digest
from matted.batch.shot import Shot
from matted.engine.session import SessionSettings
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

    def recipe(self) -> dict[str, Any]:
        """All that decides the pixels, as plain values; two jobs with one recipe are one job."""
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
        return {
            "pattern": plate.sequence.pattern,
            "files": self.shot.stamp(),
            "color": asdict(plate.color),
            **named,
        }
