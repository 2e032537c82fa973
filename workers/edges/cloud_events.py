"""The headers of everything that the relay publishes: CloudEvents 1.0 in binary mode, and W3C trace context.

Rows of a ``-state`` topic are a worker's own memory without subscribers, so they have none.
"""

import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from workers.core.record import TRACEPARENT, Headers

SOURCE = "/order-relay"


def event_headers(
    type_name: str, data: Mapping[str, Any], key: str, now: datetime, context: Mapping[str, str] | None = None
) -> Headers:
    """Make the headers of an event; ``type_name`` is the schema's full name, ``now`` has a time zone.

    ``context``: the trace that it is on, as headers; empty: it begins one.
    """
    texts = {
        "ce_specversion": "1.0",
        "ce_id": str(data.get("event_id") or uuid.uuid4()),
        "ce_source": SOURCE,
        "ce_type": type_name,
        "ce_time": now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "ce_subject": key,
        "content-type": "application/avro",
        **(context or {TRACEPARENT: new_traceparent()}),
    }
    return tuple((name, text.encode()) for name, text in texts.items())


def new_traceparent() -> str:
    """Begin a trace: the order's way through the relay hangs on it."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
