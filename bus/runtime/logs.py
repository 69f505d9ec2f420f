"""Logs as JSON lines on standard error; never a payload, a row or a key."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

from opentelemetry import trace

from bus.errors import MusterError

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, logger, message, extras, error, trace id."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for ``record``."""
        content: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        content |= {key: _plain(value) for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[1] is not None:
            content["error"] = self._error(record)
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            content["trace_id"] = f"{context.trace_id:032x}"
        return json.dumps(content, ensure_ascii=False)

    def _error(self, record: logging.LogRecord) -> dict[str, str]:
        assert record.exc_info is not None
        error = record.exc_info[1]
        if isinstance(error, MusterError):
            return {"code": error.code, "message": error.message}
        # Frames only: the text of a foreign exception may quote data.
        return {"type": type(error).__name__, "traceback": self.formatException(record.exc_info)}


def configure(level: str) -> None:
    """Send all logs of this process to standard error, as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("nats").setLevel(logging.CRITICAL)


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else str(value)
