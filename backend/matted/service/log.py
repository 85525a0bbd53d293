"""The daemon's log: one JSON object a line, with the request or job it belongs to."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from pathlib import Path

FIELDS = ("request", "job", "type", "user", "code", "seconds", "frame", "device")
"""What a record may carry besides its words."""


class JsonLines(logging.Formatter):
    """A record as one line of JSON; a traceback is one string in it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "message": record.getMessage(),
        }
        line.update({name: getattr(record, name) for name in FIELDS if getattr(record, name, None) is not None})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def start_log(path: Path, *, level: int = logging.INFO) -> None:
    """Write what ``matted`` logs to ``path``, four files of 10 MB at most, and to standard error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger("matted")
    root.setLevel(level)
    for handler in (
        RotatingFileHandler(path, maxBytes=10 * 2**20, backupCount=3, encoding="utf-8"),
        logging.StreamHandler(),
    ):
        handler.setFormatter(JsonLines())
        root.addHandler(handler)
