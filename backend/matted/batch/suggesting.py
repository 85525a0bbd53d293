"""The frames of a shot most worth masking next, found a step at a time; nothing is written but scratch."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from matted.batch.bench import Bench
from matted.batch.degrade import Ladder, Means, out_of_memory
from matted.batch.keyframes import Keyframes, MaskSource, find_keyframes
from matted.batch.shot import Shot, until
from matted.engine.scratch import Scratch
from matted.engine.session import FrameDone, Session, SessionSettings
from matted.engine.suggest import Suggestion, SuggestSettings
from matted.errors import DeviceError
from matted.weights import Identity, Loaded


class Suggesting:
    """One look over a shot, on one thread. Making one touches nothing.

    Args:
        shot: what to look at.
        weights: the network to look with.
        session: how to propagate where there are no mattes yet.
        mattes: mattes made earlier, one folder or pattern for the shot or a job's folder with one for each object;
            None makes them now and keeps none.
        scratch: a folder of its own.
        bench: what is warm on the device; one of its own when None.
        key: names the shot among those that stay warm on the bench; None keeps nothing of it.
        on_degraded: told ``(frame, message)`` of what was given up for lack of memory.
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
        key: str | None = None,
        on_degraded: Callable[[int | None, str], None] = lambda frame, message: None,
    ) -> None:
        self._shot = shot
        self._weights = weights
        self._mattes = mattes
        self._scratch = Scratch(scratch)
        self._bench = bench or Bench()
        self._key = key
        self._on_degraded = on_degraded
        self._session: Session | None = None
        self._ladder = Ladder(Means(session, weights.memory), self._bench, size=shot.plate.info.size)

    def steps(self) -> Generator[FrameDone, None, None]:
        """Look at every frame. Closing the iterator keeps what is done; called again, it goes on from there.

        Raises:
            MattedError: bad plate, keyframes, mattes or device.
        """
        while True:
            try:
                yield from self._attempt()
                return
            except DeviceError as error:
                lack = out_of_memory(error)
            before = self._ladder.means.session
            self._on_degraded(lack.frame, self._ladder.down(lack))
            if self._ladder.means.session != before:
                self._scratch.clear()  # what was seen at another size does not compare

    def _attempt(self) -> Generator[FrameDone, None, None]:
        self.close()
        shot = self._shot = self._shot.pin()
        frames = shot.wanted()
        made = None if self._mattes is None else _made(self._mattes, shot)
        session = self._session = self._bench.open(
            shot,
            weights=self._weights,
            settings=self._ladder.means.session,
            memory=self._ladder.means.memory,
            scratch=self._scratch,
            key=self._key,
        )
        try:
            if made is None:
                yield from session.propagate(frames, job="", finished=session.observed())
            else:
                yield from _observe(session, made, frames)
        except BaseException:
            self.close()
            raise

    def result(self, count: int, *, settings: SuggestSettings | None = None) -> list[Suggestion]:
        """At most ``count`` frames, best first, once every step has been taken."""
        assert self._session is not None, "no step has been taken"
        found = self._session.suggest(count, settings=settings)
        self.close()
        return found

    def close(self) -> None:
        """Let go of the session."""
        if self._session is not None:
            self._bench.keep(self._session)
            self._session = None


def suggest(
    shot: Shot,
    *,
    weights: Identity | Loaded,
    session: SessionSettings,
    mattes: Path | None,
    count: int,
    settings: SuggestSettings | None = None,
    on_step: Callable[[FrameDone], None] = lambda step: None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Suggestion]:
    """The frames of a shot most worth masking next.

    Args:
        shot: what to look at.
        weights: the network to look with.
        session: how to propagate where there are no mattes yet.
        mattes: see :class:`Suggesting`.
        count: how many frames at most.
        settings: how frames are compared.
        on_step: told of every step while mattes are made.
        stopped: asked after every step.

    Raises:
        Cancelled: ``stopped`` said so.
        MattedError: bad plate, keyframes, mattes or device.
    """
    with TemporaryDirectory(prefix="matted-") as folder:
        looking = Suggesting(shot, weights=weights, session=session, mattes=mattes, scratch=Path(folder))
        with closing(looking.steps()) as steps:
            for step in until(steps, stopped):
                if mattes is None:
                    on_step(step)
        return looking.result(count, settings=settings)


def _observe(session: Session, made: Keyframes, frames: tuple[int, ...]) -> Generator[FrameDone, None, None]:
    seen = set(session.observed())
    present = set(made.frames)
    left = [frame for frame in frames if frame in present and frame not in seen]
    for done, frame in enumerate(left, 1):
        session.observe(frame, torch.from_numpy(made.read(frame)))
        yield FrameDone(frame, None, done, len(left))


def _made(mattes: Path, shot: Shot) -> Keyframes:
    """Mattes made earlier, read like masks."""
    folders = [mattes / name for name in shot.keyframes.objects]
    sources = [MaskSource(folder, folder.name) for folder in folders if folder.is_dir()] or [MaskSource(mattes)]
    return find_keyframes(sources, size=shot.plate.info.size, plate=shot.plate.sequence)
