"""Every error matted raises on purpose.

    MattedError
    ├── PlateError      plate_missing · plate_unreadable · plate_size · plate_changed · frame_missing · frame_outside
    ├── MaskError       mask_missing · mask_unreadable · mask_size · object_name
    ├── KeyframeError   no_keyframe · keyframe_outside · keyframe_changed
    ├── ColorError      color_config · color_space
    ├── OutputError     output_unwritable · disk_full · output_format · job_running
    ├── WeightsError    weights_missing · weights_refused
    ├── DeviceError     device_missing · out_of_memory
    ├── ClusterError    cluster_missing · cluster_lost · worker_missing · worker_refused · worker_lost · worker_failed
    ├── SettingError    bad_setting
    ├── BatchError      job_file
    ├── RequestError    bad_message · bad_request · bad_buffer · unknown_type · version_mismatch · too_large · busy ·
    │                   not_allowed · path_outside · shot_missing · job_missing · matte_missing · spool_full ·
    │                   closing · internal
    └── Cancelled       cancelled

``code`` is the stable word a program acts on, ``message`` says what happened and to which file and frame, and
``hint`` says what to do next. Artists see message and hint; tracebacks belong in logs.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class MattedError(Exception):
    """Base of the tree.

    Args:
        code: one of the words in the class's ``codes``.
        message: what happened, to which file and frame.
        hint: what the artist does next.
        path: the file concerned, if any.
        frame: the frame concerned, in the host's own numbers, if any.
    """

    codes: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self, code: str, message: str, *, hint: str, path: Path | str | None = None, frame: int | None = None
    ) -> None:
        assert code in self.codes, f"{code} is not a code of {type(self).__name__}"
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.path = path
        self.frame = frame


class PlateError(MattedError):
    """The plate cannot be found or read."""

    codes = frozenset(
        {"plate_missing", "plate_unreadable", "plate_size", "plate_changed", "frame_missing", "frame_outside"}
    )


class MaskError(MattedError):
    """A mask cannot be found, read, or made to fit the plate."""

    codes = frozenset({"mask_missing", "mask_unreadable", "mask_size", "object_name"})


class KeyframeError(MattedError):
    """The keyframes given do not allow the request."""

    codes = frozenset({"no_keyframe", "keyframe_outside", "keyframe_changed"})


class ColorError(MattedError):
    """The colour configuration or a colour space is not what was asked for."""

    codes = frozenset({"color_config", "color_space"})


class OutputError(MattedError):
    """A matte, report or sidecar cannot be written."""

    codes = frozenset({"output_unwritable", "disk_full", "output_format", "job_running"})


class WeightsError(MattedError):
    """A checkpoint is absent or is not one of the networks we know."""

    codes = frozenset({"weights_missing", "weights_refused"})


class DeviceError(MattedError):
    """The compute device is absent or out of memory."""

    codes = frozenset({"device_missing", "out_of_memory"})


class ClusterError(MattedError):
    """The cluster does not answer, or its workers cannot do what is asked of them."""

    codes = frozenset(
        {"cluster_missing", "cluster_lost", "worker_missing", "worker_refused", "worker_lost", "worker_failed"}
    )


class SettingError(MattedError):
    """A setting is outside its range, or two settings contradict each other."""

    codes = frozenset({"bad_setting"})


class BatchError(MattedError):
    """A batch cannot be made as it was asked for."""

    codes = frozenset({"job_file"})


class RequestError(MattedError):
    """A client asked the daemon for what it cannot or may not do."""

    codes = frozenset(
        {
            "bad_message",
            "bad_request",
            "bad_buffer",
            "unknown_type",
            "version_mismatch",
            "too_large",
            "busy",
            "not_allowed",
            "path_outside",
            "shot_missing",
            "job_missing",
            "matte_missing",
            "spool_full",
            "closing",
            "internal",
        }
    )


class Cancelled(MattedError):
    """The artist stopped the job; what is on disk is whole and the job resumes where it was."""

    codes = frozenset({"cancelled"})
