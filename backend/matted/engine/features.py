"""What a network knows of each frame's image, kept while it fits: the second walk over a gap encodes nothing."""

from __future__ import annotations

from collections import OrderedDict

from matted.network import Features


class FeatureCache:
    """The most recently used features within a budget of bytes.

    Args:
        budget: bytes; 0 keeps nothing. XMem's features of one 480p frame are 51 MiB, lite's 5 MiB.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._kept: OrderedDict[int, Features] = OrderedDict()
        self._bytes = 0

    def get(self, frame: int) -> Features | None:
        """The features of ``frame``, or None when they were never kept or had to go."""
        features = self._kept.get(frame)
        if features is not None:
            self._kept.move_to_end(frame)
        return features

    def put(self, frame: int, features: Features) -> None:
        """Keep the features of ``frame``; the least recently used ones go when the budget is spent."""
        self.drop(frame)
        self._kept[frame] = features
        self._bytes += _size(features)
        while self._bytes > self.budget:
            self._bytes -= _size(self._kept.popitem(last=False)[1])

    def drop(self, frame: int) -> None:
        """Forget ``frame``."""
        if frame in self._kept:
            self._bytes -= _size(self._kept.pop(frame))

    def __len__(self) -> int:
        return len(self._kept)


def _size(features: Features) -> int:
    tensors = (features.key, features.shrinkage, features.selection, *features.maps)
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
