"""Puts a host's plugin where the host looks for it. ``install.py`` loads it by its path; Python 3.9's stdlib alone."""


class Problem(Exception):
    """Something a person has to put right: what happened, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
