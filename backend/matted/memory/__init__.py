"""Memory of one shot: what was seen, kept as tokens, and how it is found again. Pure torch, no network."""
