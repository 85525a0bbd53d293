"""Mattes looked over when they are done: what is measured of them, and what the measures say of a shot.

:func:`matted.batch.review.looking.review` measures; it stands apart, because what is here needs no pixels.
"""

from matted.batch.review.measures import FrameReview, LeftOut, Review
from matted.batch.review.verdict import Finding, Thresholds, Verdict, judge, measured

__all__ = ["Finding", "FrameReview", "LeftOut", "Review", "Thresholds", "Verdict", "judge", "measured"]
