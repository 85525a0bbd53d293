"""What stays warm between jobs on one device: networks, features of plates, sessions of shots."""

from __future__ import annotations

import gc
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import torch

from matted.batch.ledger import digest
from matted.batch.shot import Shot, shot_pixels
from matted.batch.writing import WriteBehind
from matted.engine.device import memory_errors
from matted.engine.features import FeatureStore, PlateFeatures
from matted.engine.scratch import Scratch
from matted.engine.session import Session, SessionSettings, SessionState
from matted.engine.working import working_shape
from matted.errors import WeightsError
from matted.memory.bank import MemorySettings
from matted.weights import Identity, Loaded, choose_device, load


@dataclass
class _Warm:
    """A session, and what it was opened for."""

    session: Session
    opened_for: tuple[object, ...]
    weights: str
    key: str | None
    keyframes: dict[int, str] = field(default_factory=dict)
    """Fingerprint of the masks it holds, by frame."""


class Bench:
    """One device and what is warm on it. It belongs to one thread; its properties may be read from any.

    Args:
        device: where networks run; the fastest there is when None.
        feature_budget: bytes of image features kept for everybody; with 0 each session keeps what it needs itself.
        warm: how many sessions stay open between jobs.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        device: torch.device | None = None,
        *,
        feature_budget: int = 0,
        warm: int = 4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device = device
        self._features = FeatureStore(feature_budget)
        self._most = warm
        self._clock = clock
        self._networks: dict[str, Loaded] = {}
        self._used: dict[str, float] = {}
        self._warm: OrderedDict[str, _Warm] = OrderedDict()
        self._lent: list[_Warm] = []

    @property
    def loaded_names(self) -> tuple[str, ...]:
        """The names of the networks that are loaded."""
        return tuple(loaded.name for loaded in list(self._networks.values()))

    @property
    def feature_bytes(self) -> int:
        """How much the features kept for everybody take."""
        return self._features.bytes

    @property
    def feature_budget(self) -> int:
        """How much they may take."""
        return self._features.budget

    @property
    def warm_keys(self) -> tuple[str, ...]:
        """The shots whose sessions are warm, the least recently used first."""
        return tuple(self._warm)

    def loaded(self, weights: Identity | Loaded) -> Loaded:
        """The network of these weights, loaded when it is not there yet.

        Raises:
            WeightsError: weights_missing, weights_refused.
            DeviceError: device_missing, out_of_memory.
        """
        if isinstance(weights, Loaded):
            return weights
        found = self._networks.get(weights.sha256)
        if found is None:
            name = "lite" if weights.name == "lite" else weights.path
            with memory_errors(lambda: None):
                found = load(name, device=self._device or choose_device())
            if found.sha256 != weights.sha256:
                message = f"The weights {weights.path} have changed since the job was asked for."
                raise WeightsError("weights_refused", message, hint="Ask for the job again.", path=weights.path)
            self._networks[weights.sha256] = found
        self._used[weights.sha256] = self._clock()
        return found

    def open(
        self,
        shot: Shot,
        *,
        weights: Identity | Loaded,
        settings: SessionSettings,
        scratch: Scratch,
        writing: WriteBehind | None = None,
        memory: MemorySettings | None = None,
        key: str | None = None,
    ) -> Session:
        """A session with every keyframe of ``shot``, also those outside its range; to be handed back to :meth:`keep`.

        Args:
            shot: what to work on.
            weights: the network to work with.
            settings: see :class:`~matted.engine.session.SessionSettings`.
            scratch: what must outlive a frame.
            writing: where mattes go; without it nowhere.
            memory: memory settings; those of the weights when None.
            key: names the shot among those that are warm; None keeps nothing.

        Raises:
            PlateError, MaskError: a keyframe's plate or mask cannot be read.
            WeightsError: weights_missing, weights_refused.
            DeviceError: device_missing, out_of_memory.
        """
        loaded = self.loaded(weights)
        memory = memory or loaded.memory
        plate = plate_identity(shot, loaded, settings)
        opened_for = (plate, shot.keyframes.objects, settings, memory, loaded.device)
        pixels = shot_pixels(shot, writing)
        found = self._warm.pop(key, None) if key is not None else None
        if found is None or found.opened_for != opened_for:
            session = Session(
                loaded.network,
                objects=len(shot.keyframes.objects),
                pixels=pixels,
                scratch=scratch,
                memory=memory,
                settings=settings,
                device=loaded.device,
                features=PlateFeatures(self._features, plate) if self._features.budget else None,
            )
            found = _Warm(session, opened_for, loaded.sha256, key)
        found.session.attach(pixels, scratch)
        _show_keyframes(found, shot)
        self._lent.append(found)
        return found.session

    def keep(self, session: Session) -> None:
        """Take back what :meth:`open` gave, and keep it warm if it has a key and nothing went wrong."""
        for lent in [lent for lent in self._lent if lent.session is session]:
            self._lent.remove(lent)
            self._used[lent.weights] = self._clock()
            if lent.key is not None and session.state is SessionState.READY:
                self._warm[lent.key] = lent
                self._warm.move_to_end(lent.key)
        while len(self._warm) > self._most:
            self._warm.popitem(last=False)

    def close(self, key: str) -> None:
        """Let go of what is warm of a shot; a session at work goes when it is handed back."""
        self._warm.pop(key, None)
        for lent in self._lent:
            if lent.key == key:
                lent.key = None

    def shrink(self) -> str | None:
        """Give up what is kept for later; where features were kept, keep half as many from now on.

        Returns:
            what was given up, in words; None when nothing was kept.
        """
        if self._features.bytes:
            self._features.budget //= 2
        return self.let_go()

    def let_go(self) -> str | None:
        """Give up what is kept for later.

        Returns:
            what was given up, in words; None when nothing was kept.
        """
        kept = ["the features of frames seen before"] if self._features.bytes else []
        kept += ["the memory of other shots"] if self._warm else []
        self._features.clear()
        self._warm.clear()
        for lent in self._lent:
            lent.key = None
        self._empty()
        return " and ".join(kept) or None

    def unload_idle(self, older_than: float, now: float | None = None) -> tuple[str, ...]:
        """Let go of networks that nothing has used for ``older_than`` seconds, and of all that hangs on them.

        Args:
            older_than: seconds.
            now: the clock's time; asked of it when None.

        Returns:
            the names of the networks that went.
        """
        now = self._clock() if now is None else now
        busy = {lent.weights for lent in self._lent}
        idle = [sha for sha in self._networks if sha not in busy and now - self._used[sha] >= older_than]
        names = tuple(self._networks.pop(sha).name for sha in idle)
        for key in [key for key, warm in self._warm.items() if warm.weights in idle]:
            del self._warm[key]
        if idle and not self._networks:
            self._features.clear()
        if idle:
            self._empty()
        return names

    def _empty(self) -> None:
        """Give freed memory back to the system."""
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if torch.backends.mps.is_available():
            torch.mps.empty_cache()


def plate_identity(shot: Shot, loaded: Loaded, settings: SessionSettings) -> str:
    """Digest of all that decides the features of a plate's frames."""
    plate = shot.plate
    width, height = plate.info.size
    return digest(
        {
            "folder": plate.sequence.path(plate.frames[0]).parent,
            "files": shot.stamp(),
            "offset": plate.sequence.offset,
            "color": asdict(plate.color),
            "picture": [plate.part, plate.layer],
            "working": working_shape(height, width, size=settings.working_size),
            "network": [loaded.sha256, loaded.half, loaded.network.antialias, str(loaded.device)],
        }
    )


def _show_keyframes(warm: _Warm, shot: Shot) -> None:
    """Make the session's keyframes those of ``shot``; only what changed is encoded."""
    wanted = {frame: shot.keyframes.fingerprint(frame) for frame in shot.keyframes.frames}
    for frame in warm.keyframes.keys() - wanted.keys():
        warm.session.remove_keyframe(frame)
    for frame, fingerprint in wanted.items():
        if warm.keyframes.get(frame) != fingerprint:
            warm.session.set_keyframe(frame)
    warm.keyframes = wanted
