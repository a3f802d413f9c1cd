"""The program's log on stderr: lines for people, or one JSON object a line for collectors."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

FACTS = ("run", "endpoint", "state")
"""What a record may say about its subject, given to the logger as `extra`."""
_TEXT = "%(asctime)s %(levelname)s %(message)s"


class JsonLines(logging.Formatter):
    """One JSON object a line, in ASCII: time (ISO 8601, UTC), level, logger, message, and the record's facts."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: getattr(record, name) for name in FACTS if hasattr(record, name)},
        }
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return json.dumps(said)


class Lines(logging.Formatter):
    """One line of printable text a record: a message may quote an endpoint."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return "".join(each for each in text if each.isprintable() or (record.exc_info and each == "\n"))


def log_to_stderr(*, as_json: bool, level: int = logging.INFO) -> None:
    """Log ftorch's records from `level` on, and the warnings of all libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else Lines(_TEXT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("ftorch", "orchestrator", "uvicorn.access"):
        logging.getLogger(name).setLevel(level)
