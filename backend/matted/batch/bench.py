"""What stays warm between jobs on one device."""

from __future__ import annotations

import torch

from matted.batch.shot import Shot, open_session
from matted.batch.writing import WriteBehind
from matted.engine.scratch import Scratch
from matted.engine.session import Session, SessionSettings
from matted.errors import WeightsError
from matted.weights import Identity, Loaded, choose_device, load


class Bench:
    """One device with the networks it has loaded. It belongs to one thread.

    Args:
        device: where networks run; the fastest there is when None.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._device = device
        self._networks: dict[str, Loaded] = {}

    def loaded(self, weights: Identity | Loaded) -> Loaded:
        """The network of these weights, loaded when it is not there yet.

        Raises:
            WeightsError: weights_missing, weights_refused.
        """
        if isinstance(weights, Loaded):
            return weights
        found = self._networks.get(weights.sha256)
        if found is None:
            found = load("lite" if weights.name == "lite" else weights.path, device=self._device or choose_device())
            if found.sha256 != weights.sha256:
                message = f"The weights {weights.path} have changed since the job was asked for."
                raise WeightsError("weights_refused", message, hint="Ask for the job again.", path=weights.path)
            self._networks[weights.sha256] = found
        return found

    def open(
        self,
        shot: Shot,
        *,
        weights: Identity | Loaded,
        settings: SessionSettings,
        scratch: Scratch,
        writing: WriteBehind | None = None,
    ) -> Session:
        """A session with every keyframe of ``shot``; without ``writing`` mattes go nowhere.

        Raises:
            PlateError, MaskError: a keyframe's plate or mask cannot be read.
            WeightsError: weights_missing, weights_refused.
        """
        return open_session(shot, weights=self.loaded(weights), settings=settings, scratch=scratch, writing=writing)
