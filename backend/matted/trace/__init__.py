"""From mattes to shapes an artist can edit: outlines, what becomes of them in time, curves, and the fewest keys."""
