"""The gate (circuit breaker per vendor) as ``GET /status`` shows it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from workers.core.delivery.gate import Gate


def gate_status(gate: Gate, now: float, wall_ms: int) -> dict[str, Any]:
    """Give the gate's state and, while it is shut, until when; ``now`` is on the gate's clock, in seconds."""
    until = None
    if not gate.is_open:
        left = max(0.0, gate.until - now)
        when = datetime.fromtimestamp(wall_ms / 1000, UTC) + timedelta(seconds=left)
        until = when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "state": gate.state.value,
        "reason": None if gate.reason is None else gate.reason.value,
        "detail": gate.detail or None,
        "until": until,
    }
