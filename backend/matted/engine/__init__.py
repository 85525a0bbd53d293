"""One shot at work: one frame, the loop over frames, the matte's edges, the suggestions."""
