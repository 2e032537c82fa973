"""What `relay publish` sends has a trace whose root exists."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tests.support.traces import Recorded, attributes_of, context_of
from workers.app.events.json_lines import Ready
from workers.cli.publish import Done
from workers.core.record import Headers, Partition
from workers.edges.cloud_events import event_headers
from workers.edges.kafka.publisher import Placed

EVENT = Ready(1, b"A-1", b"", event_headers("OrderCreated", {}, "A-1", datetime(2026, 1, 1, tzinfo=UTC)), {})


class Publisher:
    """Acknowledges at once, or never."""

    def __init__(self, *, acknowledges: bool) -> None:
        self.acknowledged = 0
        self.unacknowledged = 0 if acknowledges else 1
        self.headers: list[Headers] = []
        self._acknowledges = acknowledges

    def send(self, topic: str, key: bytes, value: bytes, headers: Headers) -> None:  # noqa: ARG002
        self.headers.append(headers)

    def take_placed(self) -> list[Placed]:
        return [Placed(Partition("order-created", 0), 7)] if self._acknowledges else []


@pytest.mark.parametrize("acknowledges", [True, False])
def test_an_event_carries_the_context_of_its_own_span(*, acknowledges: bool) -> None:
    recorded, publisher = Recorded(), cast("Any", Publisher(acknowledges=acknowledges))
    done = Done("order-created", recorded.tracing, as_json=True)
    done.send(publisher, EVENT)
    if not acknowledges:
        done.end(publisher)
    span = recorded.one("send order-created")
    assert span.parent is None
    assert dict(publisher.headers[0])["traceparent"] == context_of(span).encode()
    assert dict(publisher.headers[0])["ce_subject"] == b"A-1"
    assert attributes_of(span).get("error.type") == (None if acknowledges else "unacknowledged")
