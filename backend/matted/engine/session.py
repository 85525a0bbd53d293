"""One shot at work: keyframes in, mattes out, and the frames worth masking next.

A session owns a network's memory of one shot. Pixels reach it through three callables, so it knows no file, no colour
and no wire; what must outlive a frame lies in a :class:`~matted.engine.scratch.Scratch`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import Enum

import torch
from torch import Tensor

from matted.engine.device import memory_errors
from matted.engine.features import FeatureStore, PlateFeatures
from matted.engine.plan import Direction, Role, Walk, plan
from matted.engine.propagator import Propagator
from matted.engine.refine import RefineSettings, refine
from matted.engine.scratch import Scratch, as_half
from matted.engine.suggest import Sight, Suggestion, SuggestSettings, suggest
from matted.engine.working import confidence_of, resized, working_image, working_masks
from matted.errors import KeyframeError
from matted.memory.bank import MemorySettings
from matted.network import Features, Network

SUGGEST_STRIDE = 16
"""Pixels a cell when frames are compared for suggestions; a finer grid costs more and chooses the same frames."""


class SessionState(Enum):
    """What a session can be asked for."""

    EMPTY = "empty"
    """No keyframe yet."""
    READY = "ready"
    """Has keyframes; propagate and suggest are welcome."""
    PROPAGATING = "propagating"
    """Walking the frames; keyframes wait."""
    CLOSED = "closed"
    """Its memory is gone."""


@dataclass(frozen=True)
class Pixels:
    """Where a session's pixels come from and go to, by frame number.

    Attributes:
        read_plate: (3, H, W) float32, display-referred sRGB, 0..1, finite. Called from another thread, one at a time.
        read_masks: (O, H, W) float32, 0..1, the artist's masks of a keyframe at plate size.
        write_mattes: takes (O, H, W) float32, 0..1, on the CPU; may return before the files are whole.
        flush: returns when everything written so far is whole on disk.
    """

    read_plate: Callable[[int], Tensor]
    read_masks: Callable[[int], Tensor]
    write_mattes: Callable[[int, Tensor], None] = lambda frame, mattes: None
    flush: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class SessionSettings:
    """How a shot is worked on."""

    working_size: int = 480
    """Shorter side in pixels at which the network sees the plate; smaller plates, and any plate at 0, as they are."""
    direction: Direction = Direction.BOTH
    """Where mattes are carried from the keyframes."""
    refine: RefineSettings = field(default_factory=RefineSettings)
    """How a matte follows the plate's edges."""
    feature_budget: int = 512 * 2**20
    """Bytes of image features kept between walks."""
    checkpoint_every: int = 50
    """Frames between two checkpoints of a walk; what a crash costs at most."""


@dataclass(frozen=True)
class FrameDone:
    """One step of a propagation.

    Attributes:
        frame: the frame just visited.
        confidence: 0..1 an object, how sharp the network's decision is; None while the frame waits for the walk back.
        done, total: steps finished and to do, counting both walks over a gap.
    """

    frame: int
    confidence: tuple[float, ...] | None
    done: int
    total: int


class Session:
    """The memory of one shot, and the loop over its frames.

    Args:
        network: on its device, in eval mode.
        objects: how many objects the shot has; all are declared up front, an absent one has an empty mask.
        pixels: where pixels come from and go to.
        scratch: holds what must outlive a frame, and the checkpoint from which a stopped propagate goes on.
        memory: sizes and cadence of the memory bank.
        settings: see :class:`SessionSettings`.
        device: where the network lives.
        features: where the features of every frame are kept for all who work on this plate; without it the session
            keeps those of a walk that comes back, within its own budget.
    """

    def __init__(
        self,
        network: Network,
        *,
        objects: int,
        pixels: Pixels,
        scratch: Scratch,
        memory: MemorySettings,
        settings: SessionSettings | None = None,
        device: torch.device | None = None,
        features: PlateFeatures | None = None,
    ) -> None:
        self.state = SessionState.EMPTY
        self.keyframes: set[int] = set()
        self._network = network
        self._objects = objects
        self._pixels = pixels
        self._scratch = scratch
        self._settings = settings or SessionSettings()
        self._device = device or torch.device("cpu")
        self._propagator = Propagator(network, memory)
        self._grid: tuple[int, int] | None = None
        self._shares = features is not None
        self._features = features or PlateFeatures(FeatureStore(self._settings.feature_budget), "")

    def set_keyframe(self, frame: int) -> None:
        """Read the plate and the masks of ``frame`` and keep them in permanent memory, replacing an earlier mask.

        Raises:
            DeviceError: out_of_memory.
            MattedError: whatever the callables raise.
        """
        self._require(SessionState.EMPTY, SessionState.READY)
        with memory_errors(lambda: frame):
            image = self._image(self._pixels.read_plate(frame))
            masks = self._masks(frame, image)
            self._propagator.set_keyframe(frame, image, masks, features=self._look(frame, image))
        self.keyframes.add(frame)
        self.state = SessionState.READY

    def remove_keyframe(self, frame: int) -> None:
        """Forget a keyframe: the session is as if it had never been set."""
        self._require(SessionState.EMPTY, SessionState.READY)
        self.keyframes.discard(frame)
        self._propagator.remove_keyframe(frame)
        self.state = SessionState.READY if self.keyframes else SessionState.EMPTY

    def attach(self, pixels: Pixels, scratch: Scratch) -> None:
        """Read and write elsewhere from now on, and start from another scratch; what is remembered stays."""
        self._require(SessionState.EMPTY, SessionState.READY)
        self._pixels = pixels
        self._scratch = scratch

    def propagate(
        self, frames: Iterable[int], *, job: str, finished: Collection[int] = ()
    ) -> Generator[FrameDone, None, None]:
        """Carry mattes from the keyframes over ``frames``.

        Stop by closing the iterator: nothing half-done is written, and the same call goes on where it stopped.

        Args:
            frames: frames to make mattes for, in any order.
            job: tells this propagation from others in the same scratch; same job, same keyframes and settings.
            finished: frames whose mattes are on disk from an earlier, stopped run of the same job.

        Raises:
            KeyframeError: no_keyframe.
            DeviceError: out_of_memory.
            MattedError: whatever the callables raise.
        """
        if self.state is SessionState.EMPTY:
            raise KeyframeError(
                "no_keyframe", "This shot has no keyframe yet.", hint="Draw a mask on at least one frame and add it."
            )
        self._require(SessionState.READY)
        walks = plan(frames, self.keyframes, self._settings.direction)
        # a checkpoint of another working size is of no use: its memory has another shape
        run = _Run(f"{job} {self._settings.working_size}", written=set(finished))
        left_over = [self._left_over(run, walk) for walk in walks]
        run.total = sum(len(rest) for rest in left_over)
        self.state = SessionState.PROPAGATING
        try:
            with memory_errors(lambda: run.frame):
                for index, (walk, rest) in enumerate(zip(walks, left_over, strict=True)):
                    if rest:
                        yield from self._walk(run, index, walk, rest)
                self._pixels.flush()
            self._scratch.drop("checkpoint")
        finally:
            self.state = SessionState.READY

    def observe(self, frame: int, mattes: Tensor) -> None:
        """Note a matte (O, H, W) made earlier, so that :meth:`suggest` knows this frame without propagating."""
        image = self._image(self._pixels.read_plate(frame))
        small = working_masks(mattes.to(self._device), (image.shape[-2], image.shape[-1]))
        self._note(frame, self._look(frame, image), small, confidence_of(small))

    def observed(self) -> list[int]:
        """Frames :meth:`suggest` can choose from."""
        return sorted(int(path.stem) for path in (self._scratch.folder / "seen").glob("*.safetensors"))

    def suggest(self, count: int, *, settings: SuggestSettings | None = None) -> list[Suggestion]:
        """The frames most worth masking next among those propagated or observed, best first, with reasons.

        Raises:
            KeyframeError: no_keyframe.
            DeviceError: out_of_memory.
        """
        if not self.keyframes:
            raise KeyframeError(
                "no_keyframe",
                "There is no keyframe to compare frames with yet.",
                hint="Draw a mask on at least one frame and add it.",
            )
        settings = settings or SuggestSettings(method="doubt")
        with memory_errors(lambda: None):
            for frame in self.keyframes - set(self.observed()):
                self.observe(frame, self._pixels.read_masks(frame))
            return suggest(
                self.observed(),
                self._sight,
                keyframes=sorted(self.keyframes),
                count=count,
                settings=replace(settings, pool=max(settings.pool, SUGGEST_STRIDE // self._network.stride)),
                local_channels=self._network.local_channels,
            )

    def close(self) -> None:
        """Let go of the memory; the scratch stays."""
        self.state = SessionState.CLOSED
        self._propagator.begin()
        self._features = PlateFeatures(FeatureStore(0), "")

    def _walk(self, run: _Run, index: int, walk: Walk, rest: tuple[int, ...]) -> Generator[FrameDone, None, None]:
        self._propagator.begin()
        start = self._resume(run, walk, index)
        run.done += start
        position = start
        try:
            with closing(self._plates(rest[start:])) as plates:
                for position, (frame, plate) in enumerate(plates, start + 1):
                    run.frame = frame
                    confidence = self._visit(run, walk, frame, plate, last=frame == walk.frames[-1])
                    run.done += 1
                    yield FrameDone(frame, confidence, run.done, run.total)
                    if position % self._settings.checkpoint_every == 0:  # the step has been noted by now
                        self._checkpoint(run, index, position)
        except GeneratorExit:
            self._checkpoint(run, index, position)
            raise

    def _visit(self, run: _Run, walk: Walk, frame: int, plate: Tensor, *, last: bool) -> tuple[float, ...] | None:
        image = self._image(plate)
        features = self._look(frame, image, returns=walk.role is Role.HOLD)
        if frame in self.keyframes:
            probability = self._propagator.step_keyframe(image, self._masks(frame, image), last=last, features=features)
            mattes = self._pixels.read_masks(frame)
        else:
            probability = self._propagator.step(image, last=last, features=features)
            if walk.role is Role.HOLD:
                self._scratch.put(f"held/{frame}", {"probability": as_half(probability)})
                return None
            if walk.role is Role.BLEND:
                probability = self._blend(walk, frame, probability)
            mattes = refine(probability, plate.to(self._device), settings=self._settings.refine).cpu()
        confidence = confidence_of(probability[1:])
        if frame not in run.written:
            self._pixels.write_mattes(frame, mattes)
            run.written.add(frame)
            self._note(frame, features, probability[1:], confidence)
        return confidence

    def _blend(self, walk: Walk, frame: int, probability: Tensor) -> Tensor:
        held = self._scratch.get(f"held/{frame}")
        if held is None:
            return probability
        self._scratch.drop(f"held/{frame}")
        waiting = resized(held["probability"].to(probability), (probability.shape[-2], probability.shape[-1]))
        return torch.lerp(probability, waiting, walk.weight_of_held(frame))

    def _plates(self, frames: tuple[int, ...]) -> Generator[tuple[int, Tensor], None, None]:
        """Read one frame ahead, so that decoding hides behind the network."""
        with ThreadPoolExecutor(1, thread_name_prefix="plate") as reader:
            ahead = [reader.submit(self._pixels.read_plate, frame) for frame in frames[:1]]
            for frame, following in zip(frames, [*frames[1:], None], strict=True):
                plate = ahead.pop().result()
                if following is not None:
                    ahead.append(reader.submit(self._pixels.read_plate, following))
                yield frame, plate

    def _look(self, frame: int, image: Tensor, *, returns: bool = False) -> Features:
        """The features of a frame. Not shared, they are kept only when the walk ``returns``: memory stays flat."""
        features = self._features.get(frame)
        known = features is not None
        features = features or self._propagator.encode(image)
        self._grid = (features.key.shape[-2], features.key.shape[-1])
        if not (self._shares or returns):
            self._features.drop(frame)
        elif not known:
            self._features.put(frame, features)
        return features

    def _note(self, frame: int, features: Features, mattes: Tensor, confidence: tuple[float, ...]) -> None:
        seen = {
            "key": features.key,
            "shrinkage": features.shrinkage,
            "selection": features.selection,
            "mask": as_half(mattes.amax(0)),
            "confidence": torch.tensor(min(confidence, default=1.0)),
        }
        self._scratch.put(f"seen/{frame}", seen)

    def _sight(self, frame: int) -> Sight:
        seen = self._scratch.get(f"seen/{frame}")
        assert seen is not None, frame
        on_device = {name: value.to(self._device).float() for name, value in seen.items()}
        assert self._grid is not None, "a session without keyframes suggests nothing"
        return Sight(
            resized(on_device["key"], self._grid),
            resized(on_device["shrinkage"], self._grid),
            resized(on_device["selection"], self._grid),
            on_device["mask"],
            float(on_device["confidence"]),
        )

    def _checkpoint(self, run: _Run, walk: int, position: int) -> None:
        self._pixels.flush()
        place = {
            "place": torch.tensor([walk, position]),
            "job": torch.tensor(list(run.job.encode()), dtype=torch.uint8),
        }
        self._scratch.put("checkpoint", {**place, **self._propagator.state()})

    def _left_over(self, run: _Run, walk: Walk) -> tuple[int, ...]:
        """The part of a walk that still has to be visited: up to the last frame without a result."""
        needed = 0
        for index, frame in enumerate(walk.frames, 1):
            if not self._has_result(run, walk, frame):
                needed = index
        return walk.frames[:needed]

    def _has_result(self, run: _Run, walk: Walk, frame: int) -> bool:
        held = walk.role is Role.HOLD and self._scratch.has(f"held/{frame}")
        return held or frame in run.written or (walk.role is Role.BLEND and frame in self.keyframes)

    def _resume(self, run: _Run, walk: Walk, index: int) -> int:
        """Restore the checkpoint if it is of use to this walk; returns how many of its frames are behind us.

        It is of none when a frame behind it has lost its result: then the walk begins anew.
        """
        saved = self._scratch.get("checkpoint")
        if saved is None or bytes(saved.pop("job").tolist()) != run.job.encode():
            return 0
        place, position = saved.pop("place").tolist()
        if place != index or not all(self._has_result(run, walk, frame) for frame in walk.frames[:position]):
            return 0
        self._propagator.restore({name: value.to(self._device) for name, value in saved.items()})
        return int(position)

    def _image(self, plate: Tensor) -> Tensor:
        size, antialias = self._settings.working_size, self._network.antialias
        return working_image(plate.to(self._device), size=size, antialias=antialias)

    def _masks(self, frame: int, image: Tensor) -> Tensor:
        masks = self._pixels.read_masks(frame).to(self._device)
        return working_masks(masks, (image.shape[-2], image.shape[-1]))

    def _require(self, *states: SessionState) -> None:
        if self.state not in states:
            raise AssertionError(f"the session is {self.state.value}, not {' or '.join(s.value for s in states)}")


@dataclass
class _Run:
    """Where a propagation stands."""

    job: str
    written: set[int]
    total: int = 0
    done: int = 0
    frame: int | None = None
