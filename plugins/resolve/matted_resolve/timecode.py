"""Timecode and timeline frames.

SMPTE ST 12-1: drop-frame timecode leaves out the first numbers of each minute but every tenth, so that 29.97 and
59.94 frames a second keep step with the clock. No frame is dropped, only numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from matted_plugin.host import rate

_TIMECODE = re.compile(r"(\d+)[:;.](\d\d)[:;.](\d\d)([:;.])(\d\d\d?)")


@dataclass(frozen=True)
class Counting:
    """How a timeline counts.

    Attributes:
        rate: frames a second.
        drop: whether its timecode drops numbers.
    """

    rate: Fraction
    drop: bool = False

    @property
    def nominal(self) -> int:
        """Numbers in a second: 30 at 29.97."""
        return round(self.rate)

    @property
    def day(self) -> int:
        """Frames from one midnight to the next."""
        return self.nominal * 86400 - self._dropped(1440)

    def frame(self, timecode: str) -> int:
        """The frame, from midnight, of ``01:00:00:00``, or of ``01:00:00;00`` with dropped numbers.

        Raises:
            ValueError: it is none, or one that this counting leaves out.
        """
        found = _TIMECODE.fullmatch(timecode.strip())
        if found is None:
            raise ValueError(f"'{timecode}' is no timecode")
        hours, minutes, seconds, number = (int(found[group]) for group in (1, 2, 3, 5))
        left_out = self.drop and seconds == 0 and number < self._drops and minutes % 10 != 0
        if minutes > 59 or seconds > 59 or number >= self.nominal or left_out:
            raise ValueError(f"there is no timecode {timecode} at {float(self.rate):g} frames a second")
        minutes += 60 * hours
        return (60 * minutes + seconds) * self.nominal + number - self._dropped(minutes)

    def timecode(self, frame: int) -> str:
        """The timecode of a frame counted from midnight; ``;`` before the frames when numbers are dropped."""
        frame %= self.day
        if self.drop:
            tens, rest = divmod(frame, 600 * self.nominal - 9 * self._drops)
            minute = max(0, rest - self._drops) // (60 * self.nominal - self._drops)  # the first of ten drops none
            frame += self._dropped(10 * tens + minute)
        seconds, number = divmod(frame, self.nominal)
        minutes, second = divmod(seconds, 60)
        digits = 3 if self.nominal > 100 else 2
        mark = ";" if self.drop else ":"
        return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}{mark}{number:0{digits}d}"

    @property
    def _drops(self) -> int:
        """Numbers left out at the start of a minute: 2 at 29.97, 4 at 59.94."""
        return self.nominal // 15

    def _dropped(self, minutes: int) -> int:
        return self._drops * (minutes - minutes // 10) if self.drop else 0


def read_counting(setting: object) -> Counting | None:
    """The counting of a ``timelineFrameRate`` setting: 24, ``23.976``, ``29.97 DF``; None when it is none.

    Blackmagic's scripting README: "29.97 DF" enables drop frame and "29.97" disables it.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(DF)?\s*", str(setting), re.IGNORECASE)
    fraction = rate(float(found[1])) if found else None
    if found is None or fraction is None:
        return None
    drop = bool(found[2]) and fraction[1] == 1001 and round(fraction[0] / 1001) % 30 == 0
    return Counting(Fraction(*fraction), drop)
