"""A worker's last error as ``GET /status`` shows it."""

from typing import Any

from workers.core.last_errors import LastErrors
from workers.edges.avro.json_text import time_text


def error_status(errors: LastErrors) -> dict[str, Any]:
    """What keeps the worker from working now, and since when it was last met; None: nothing does."""
    last = errors.last
    return {
        "last_error": None if last is None else last.text,
        "last_error_at": None if last is None else time_text(last.at_ms),
    }
