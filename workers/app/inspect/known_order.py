"""What Kafka shows of one order, to be compared with the vendors' own words."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from workers.core.events import Created, Event, Status


class DeliveredEvent(NamedTuple):
    """An event that a sink has delivered, or found that nothing had to be sent for."""

    at_ms: int  # of its publication
    event: Event


@dataclass(slots=True)
class KnownOrder:
    """What Kafka shows of one order."""

    delivered: defaultdict[str, list[DeliveredEvent]] = field(default_factory=lambda: defaultdict(list))  # by sink
    published: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # by vendor: the last `OrderStageChanged`
    numbers: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by vendor: its sink's, the last at the end

    def add_delivered(self, sink: str, at_ms: int, content: Any) -> None:
        """``content``: of a consumed event, decoded; empty when it could not be."""
        if "order" in content:
            self.delivered[sink].append(DeliveredEvent(at_ms, Created(content["order"]["order_id"], content)))
        elif "status" in content:
            self.delivered[sink].append(DeliveredEvent(at_ms, Status(content["order_id"], content)))

    def add_published(self, content: Mapping[str, Any]) -> None:
        """``content``: of a poller's event; only those of a stage count, the one with the greatest sequence."""
        if "progress" not in content:
            return
        before = self.published.get(content["vendor"])
        if before is None or before["sequence"] <= content["sequence"]:
            self.published[content["vendor"]] = content
