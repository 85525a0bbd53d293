"""What an artist is told, and how long it will still take."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass
class Report:
    """What to tell the artist now.

    Attributes:
        sentence: how it goes, in one sentence.
        hint: what to do, after something went wrong; else ''.
        error: whether something went wrong.
        step: what is being done, ``Rendering the plate``; '' when nothing is.
        done: of the step at hand.
        total: of the step at hand; 0 when it has no parts.
        seconds_left: an estimate, or None.
        notes: what the artist should know besides.
    """

    sentence: str = ""
    hint: str = ""
    error: bool = False
    step: str = ""
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    notes: tuple[str, ...] = ()


@dataclass
class Pace:
    """How fast frames come."""

    first: tuple[float, int] | None = None

    def left(self, done: int, total: int) -> float | None:
        """Seconds left by the pace of this run; None before two frames."""
        now = time.monotonic()
        if self.first is None or done < self.first[1]:
            self.first = (now, done)
        began, before = self.first
        return (now - began) / (done - before) * (total - done) if done > before else None


def counted(number: int, thing: str) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def in_words(seconds: float | None) -> str:
    """Time left in words: ``About 2 min left.``; '' for None."""
    if seconds is None:
        return ""
    if seconds < 10:
        return "A few seconds left."
    if seconds < 90:
        return f"About {round(seconds / 10) * 10} s left."
    minutes = round(seconds / 60)
    return f"About {minutes} min left." if minutes < 90 else f"About {minutes // 60} h {minutes % 60} min left."
