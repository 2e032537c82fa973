"""The gate (circuit breaker per vendor) as ``GET /status`` shows it."""

from typing import Any

from workers.core.delivery.gate import Gate
from workers.edges.avro.json_text import time_text


def gate_status(gate: Gate, now: float, wall_ms: int) -> dict[str, Any]:
    """Give the gate's state and, while it is not open, since and until when; ``now``: seconds on the gate's clock."""
    left_ms = round(max(0.0, gate.until - now) * 1000)
    since_ms = None if gate.shut_at is None else wall_ms - round((now - gate.shut_at) * 1000)
    return {
        "state": gate.state.value,
        "reason": None if gate.reason is None else gate.reason.value,
        "detail": gate.detail or None,
        "since": None if since_ms is None else time_text(since_ms),
        "shut_seconds": 0.0 if gate.shut_at is None else round(now - gate.shut_at, 1),
        "until": None if gate.is_open else time_text(wall_ms + left_ms),
    }
