"""What a network knows of each frame's image, kept while it fits: a frame seen again is not encoded again.

One store serves every plate of a device. A plate's identity stands for all that decides its features (files, colour,
weights, working size), so whoever works on the same plate in the same way finds what is there.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from matted.network import Features


class FeatureStore:
    """The most recently used features within a budget of bytes.

    Args:
        budget: bytes; 0 keeps nothing. XMem's features of one 480p frame are 51 MiB, lite's 5 MiB.
    """

    bytes: int
    """How much is kept now."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.bytes = 0
        self._kept: OrderedDict[tuple[str, int], Features] = OrderedDict()

    def get(self, plate: str, frame: int) -> Features | None:
        """The features of a frame, or None when they were never kept or had to go."""
        features = self._kept.get((plate, frame))
        if features is not None:
            self._kept.move_to_end((plate, frame))
        return features

    def put(self, plate: str, frame: int, features: Features) -> None:
        """Keep the features of a frame; the least recently used ones go when the budget is spent."""
        self.drop(plate, frame)
        self._kept[plate, frame] = features
        self.bytes += _size(features)
        while self.bytes > self.budget:
            self.bytes -= _size(self._kept.popitem(last=False)[1])

    def drop(self, plate: str, frame: int) -> None:
        """Forget a frame."""
        if (plate, frame) in self._kept:
            self.bytes -= _size(self._kept.pop((plate, frame)))

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)


@dataclass(frozen=True)
class PlateFeatures:
    """A store as one plate sees it.

    Attributes:
        store: shared with other plates.
        plate: the identity of this one.
    """

    store: FeatureStore
    plate: str

    def get(self, frame: int) -> Features | None:
        """The features of ``frame``, or None when they are not there."""
        return self.store.get(self.plate, frame)

    def put(self, frame: int, features: Features) -> None:
        """Keep the features of ``frame``."""
        self.store.put(self.plate, frame, features)

    def drop(self, frame: int) -> None:
        """Forget ``frame``."""
        self.store.drop(self.plate, frame)


def _size(features: Features) -> int:
    """Bytes that the tensors keep alive; those that share memory count once."""
    tensors = (features.key, features.shrinkage, features.selection, *features.maps)
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())
