"""matted: mattes for every frame of a shot from a few keyframe mattes."""

__version__ = "0.1.0"
