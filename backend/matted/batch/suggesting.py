"""Which frames of a shot are worth masking next, a step at a time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import torch

from matted.batch.bench import Bench
from matted.batch.keyframes import Keyframes, MaskSource, find_keyframes
from matted.batch.shot import Shot
from matted.engine.scratch import Scratch
from matted.engine.session import FrameDone, Session, SessionSettings
from matted.engine.suggest import Suggestion, SuggestSettings
from matted.weights import Identity, Loaded


class Suggesting:
    """Looks at every frame of a shot, then compares them.

    Args:
        shot: what to look at.
        weights: the network to look with.
        session: how to propagate where there are no mattes yet.
        mattes: mattes made earlier, one folder or pattern for the shot or a job's folder with one for each object;
            None makes them now and keeps none.
        scratch: an empty folder for the time it takes.
        bench: the device's networks; one of its own when None.
    """

    def __init__(
        self,
        shot: Shot,
        *,
        weights: Identity | Loaded,
        session: SessionSettings,
        mattes: Path | None,
        scratch: Path,
        bench: Bench | None = None,
    ) -> None:
        self._shot = shot
        self._weights = weights
        self._settings = session
        self._mattes = mattes
        self._scratch = Scratch(scratch)
        self._bench = bench or Bench()
        self._session: Session | None = None

    def steps(self) -> Generator[FrameDone, None, None]:
        """Look at the frames, one a step.

        Raises:
            MattedError: bad plate, keyframes, mattes or device.
        """
        session = self._session = self._bench.open(
            self._shot, weights=self._weights, settings=self._settings, scratch=self._scratch
        )
        frames = self._shot.wanted()
        if self._mattes is None:
            with closing(session.propagate(frames, job="")) as steps:
                yield from steps
            return
        made = _made(self._mattes, self._shot)
        there = [frame for frame in frames if frame in made.files]
        for done, frame in enumerate(there, 1):
            session.observe(frame, torch.from_numpy(made.read(frame)))
            yield FrameDone(frame, None, done, len(there))

    def result(self, count: int, *, settings: SuggestSettings | None = None) -> list[Suggestion]:
        """The frames most worth masking next among those looked at, best first, at most ``count``."""
        assert self._session is not None, "take the steps first"
        return self._session.suggest(count, settings=settings)


def _made(mattes: Path, shot: Shot) -> Keyframes:
    """Mattes made earlier, read like masks."""
    folders = [mattes / name for name in shot.keyframes.objects]
    sources = [MaskSource(folder, folder.name) for folder in folders if folder.is_dir()] or [MaskSource(mattes)]
    return find_keyframes(sources, size=shot.plate.info.size, plate=shot.plate.sequence)
