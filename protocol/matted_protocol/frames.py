"""Frame numbers and ranges, as hosts count them: 1001, negative, stepped; never 0-based positions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_RANGE = re.compile(r"(?P<first>-?\d+)(?:-(?P<last>-?\d+)(?:x(?P<step>\d+))?)?")


@dataclass(frozen=True)
class FrameRange:
    """Frames ``first`` to ``last`` inclusive, every ``step``-th one counted from ``first``.

    Raises:
        ValueError: ``last`` before ``first``, or ``step`` below 1.
    """

    first: int
    last: int
    step: int = 1

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"the range {self.first}-{self.last} ends before it starts")
        if self.step < 1:
            raise ValueError(f"the step of a range is 1 or more, not {self.step}")

    @classmethod
    def parse(cls, text: str) -> FrameRange:
        """Read ``1001``, ``1001-1048``, ``-5-12`` or ``1001-1100x2``.

        Raises:
            ValueError: the text is none of these.
        """
        match = _RANGE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"'{text}' is not a frame range; write 1001-1048, -5-12 or 1001-1100x2")
        first = int(match["first"])
        return cls(first, int(match["last"] or first), int(match["step"] or 1))

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last + 1, self.step))

    def __len__(self) -> int:
        return len(range(self.first, self.last + 1, self.step))

    def __contains__(self, frame: object) -> bool:
        return isinstance(frame, int) and frame in range(self.first, self.last + 1, self.step)

    def __str__(self) -> str:
        if self.first == self.last:
            return str(self.first)
        return f"{self.first}-{self.last}" + (f"x{self.step}" if self.step > 1 else "")
