"""The one error of the client: what the daemon refused, or why it could not be reached."""

from typing import Optional


class DaemonError(Exception):
    """Something went wrong on the way to the daemon or in it.

    Attributes:
        code: a stable word for programs. Besides the daemon's own: ``connection_missing``, ``connection_damaged``,
            ``key_readable``, ``daemon_failed`` (it would not start), ``no_answer``, ``refused`` (keys), ``closed``.
        message: what happened, to which file and frame.
        hint: what to do next.
        path: the file concerned, if any.
        frame: the frame concerned, if any.
    """

    def __init__(
        self, code: str, message: str, hint: str, *, path: Optional[str] = None, frame: Optional[int] = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.path = path
        self.frame = frame
