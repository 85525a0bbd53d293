"""Mattes looked over when they are done: what is measured of them, and what the measures say of a shot."""

from matted.batch.review.measures import FrameReview, LeftOut, Review
from matted.batch.review.verdict import Finding, Thresholds, Verdict, judge

__all__ = ["Finding", "FrameReview", "LeftOut", "Review", "Thresholds", "Verdict", "judge"]
