"""One frame at a time: a network and a memory bank turn a working-size image into a probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matted.errors import MaskError
from matted.memory.bank import MemoryBank, MemorySettings
from matted.memory.consolidation import make_room
from matted.memory.store import Tokens
from matted.network import Features, Network
from matted.network.layers import aggregate


@dataclass(frozen=True)
class Padding:
    """Pixels added on each side; an odd one goes right or to the bottom."""

    left: int
    right: int
    top: int
    bottom: int

    @classmethod
    def to_multiple(cls, size: tuple[int, int], multiple: int) -> Padding:
        """The padding that brings ``size`` (height, width) up to multiples of ``multiple``."""
        extra_height, extra_width = (-length % multiple for length in size)
        left, top = extra_width // 2, extra_height // 2
        return cls(left, extra_width - left, top, extra_height - top)

    def add(self, image: Tensor, mode: Literal["constant", "replicate"]) -> Tensor:
        """(C, H, W) to (C, top+H+bottom, left+W+right); ``constant`` pads with 0."""
        return F.pad(image, (self.left, self.right, self.top, self.bottom), mode=mode)

    def remove(self, image: Tensor) -> Tensor:
        """The inverse of :meth:`add`."""
        height, width = image.shape[-2:]
        return image[..., self.top : height - self.bottom, self.left : width - self.right]


class Propagator:
    """Carries mattes from keyframes through frames given in order.

    Images are (3, H, W) RGB, display-referred sRGB, ImageNet-normalised, at working size, all of one size. Masks are
    (O, H, W), 0..1; O is the same for every keyframe, and an object absent from a frame has a zero mask.

    Args:
        network: any network behind the protocol.
        settings: memory settings; XMem++'s when not given.
        device: where the network lives; asked of the network when not given.
    """

    bank: MemoryBank
    """What the shot remembers."""

    def __init__(
        self, network: Network, settings: MemorySettings | None = None, *, device: torch.device | None = None
    ) -> None:
        self.network = network
        self.bank = MemoryBank(settings, local_channels=network.local_channels)
        self.device = device or _device_of(network)
        self.begin()

    def begin(self) -> None:
        """Forget all but the keyframes, as before the first frame of a pass."""
        self.bank.clear()
        self._frames_seen = 0
        self._last_memory = 0

    def set_keyframe(self, frame: int, image: Tensor, masks: Tensor, *, features: Features | None = None) -> None:
        """Put a frame with its masks into permanent memory, replacing what that frame held.

        Args:
            frame: its number.
            image: the frame.
            masks: of every object, at the image's size.
            features: what :meth:`encode` returned for this image.

        Raises:
            MaskError: mask_size.
        """
        _check_masks(image, masks, frame)
        padding, image = self._pad(image)
        features = features or self.network.encode_key(image)
        value = self.network.encode_value(image, features, self._drawn(masks, padding)[1:])
        self.bank.permanent[frame] = _tokens(features, value)

    def remove_keyframe(self, frame: int) -> None:
        """Forget a keyframe; equal to never having set it. A frame that is none is left alone."""
        self.bank.permanent.pop(frame, None)

    def encode(self, image: Tensor) -> Features:
        """What :meth:`step` would compute from the image alone, to keep and hand back to it later."""
        return self.network.encode_key(self._pad(image)[1])

    def step(self, image: Tensor, *, last: bool = False, features: Features | None = None) -> Tensor:
        """Predict the next frame.

        Every ``memory_every`` frames the result is remembered and the network's sensory memory is reinforced from
        it; on the others sensory memory follows the decoder.

        Args:
            image: the frame.
            last: no frame follows: nothing is remembered.
            features: what :meth:`encode` returned for this image.

        Returns:
            probability (O+1, H, W), background first, summing to 1.

        Raises:
            KeyframeError: no_keyframe.
        """
        padding, image = self._pad(image)
        features = features or self.network.encode_key(image)
        readout = self.bank.read(features.key, features.selection)
        sensory = self._sensory(features, len(readout))
        probability, followed = self.network.segment(features, readout, sensory)
        if self._is_memory_frame(last):
            value = self.network.encode_value(image, features, probability[1:])
            self.bank.remember(_tokens(features, value))
            self._carry(self.network.reinforce(value, sensory))
        elif not last:
            self._carry(followed)
        self._frames_seen += 1
        return padding.remove(probability)

    def step_keyframe(
        self, image: Tensor, masks: Tensor, *, last: bool = False, features: Features | None = None
    ) -> Tensor:
        """Pass a frame whose masks are given: they are the answer, and sensory memory is reinforced from them.

        Nothing is read or remembered (the keyframe is permanent memory already), but the next remembered frame comes
        ``memory_every`` frames from here. Arguments and result as :meth:`step`.

        Raises:
            MaskError: mask_size.
        """
        _check_masks(image, masks, None)
        padding, image = self._pad(image)
        probability = self._drawn(masks, padding)
        if not last and self.network.sensory_channels:
            features = features or self.network.encode_key(image)
            value = self.network.encode_value(image, features, probability[1:])
            self._carry(self.network.reinforce(value, self._sensory(features, len(masks))))
        if not last:
            self._last_memory = self._frames_seen
        self._frames_seen += 1
        return padding.remove(probability)

    def state(self) -> dict[str, Tensor]:
        """Everything but keyframes by name; restored beside the same keyframes, a pass continues to the bit."""
        counters = {"frames_seen": self._frames_seen, "last_memory": self._last_memory}
        return self.bank.state() | {name: torch.tensor(count) for name, count in counters.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from what :meth:`state` returned, also when this bank is smaller than that one was."""
        self.bank.restore({name: tensor.to(self.device) for name, tensor in state.items()})
        self._fit()
        self._frames_seen = int(state["frames_seen"])
        self._last_memory = int(state["last_memory"])

    def _fit(self) -> None:
        """Forget the oldest of what was restored where it is more than this bank holds."""
        bank, settings = self.bank, self.bank.settings
        if bank.working_frames > settings.working_max:
            tokens = len(bank.working)
            kept = settings.working_max * (tokens // bank.working_frames)
            bank.working.keep(torch.arange(tokens - kept, tokens, device=self.device))
        if bank.long_term_tokens > settings.long_term_max:
            make_room(bank.long_term, settings.long_term_max)

    def _is_memory_frame(self, last: bool) -> bool:
        due = not last and self._frames_seen - self._last_memory >= self.bank.settings.memory_every
        if due:
            self._last_memory = self._frames_seen
        return due

    def _carry(self, sensory: Tensor) -> None:
        """Take sensory memory to the next frame, in the one layout that also survives being saved."""
        self.bank.sensory = sensory.contiguous()

    def _sensory(self, features: Features, objects: int) -> Tensor:
        """Sensory memory, zeros before the first frame."""
        if self.bank.sensory is not None:
            return self.bank.sensory
        return features.key.new_zeros(objects, self.network.sensory_channels, *features.key.shape[1:])

    def _pad(self, image: Tensor) -> tuple[Padding, Tensor]:
        padding = Padding.to_multiple((image.shape[-2], image.shape[-1]), self.network.multiple)
        return padding, padding.add(image.to(self.device), self.network.pad_mode)

    def _drawn(self, masks: Tensor, padding: Padding) -> Tensor:
        """Drawn masks (O, H, W) as a padded probability (O+1, H, W)."""
        return aggregate(padding.add(masks.to(self.device), self.network.pad_mode))


def _tokens(features: Features, value: Tensor) -> Tokens:
    return Tokens.from_grid(features.key, features.shrinkage, features.selection, value)


def _device_of(network: Network) -> torch.device:
    return next(network.parameters()).device if isinstance(network, nn.Module) else torch.device("cpu")


def _check_masks(image: Tensor, masks: Tensor, frame: int | None) -> None:
    if masks.ndim != 3 or masks.shape[1:] != image.shape[1:]:
        raise MaskError(
            "mask_size",
            f"The masks are {_size(masks)} but the working image is {_size(image)}.",
            hint="Draw the masks at the plate's resolution.",
            frame=frame,
        )


def _size(image: Tensor) -> str:
    return f"{image.shape[-1]}x{image.shape[-2]}"
