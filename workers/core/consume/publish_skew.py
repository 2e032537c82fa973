"""Publishers that wait for no acknowledgement: the brokers may append a status before the create of its order.

Two events of one producer, one in each topic, are delivered in the order of their ``occurred_at`` if they were
appended within ``publish_skew`` of each other. Everything else keeps the sequence of the merge.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.core.consume.lanes import Entry

LOOK_BACK = 100  # entries of a lane: with more of them within `publish_skew` each new one would cost a long search


def goes_before(entry: Entry, earlier: Entry, skew_ms: int) -> bool:
    """Whether ``entry`` is to be delivered before an entry that the brokers appended earlier."""
    return (
        entry.producer is not None
        and entry.producer == earlier.producer
        and entry.occurred_at < earlier.occurred_at
        and entry.record.topic != earlier.record.topic
        and abs(entry.record.timestamp_ms - earlier.record.timestamp_ms) <= skew_ms
    )


def place(queue: deque[Entry], entry: Entry, first: int, skew_ms: int) -> bool:
    """Queue an entry behind everything but what it goes before; ``first``: the first index that may still change.

    Returns whether it went before anything. Invariant: the records of one topic keep their sequence, so those of
    the entry's own topic go first with it, and the others stay in line behind it.
    """
    start = None
    for index in range(len(queue) - 1, max(first, len(queue) - LOOK_BACK) - 1, -1):
        if queue[index].record.timestamp_ms < entry.record.timestamp_ms - skew_ms:
            break  # what lies before it was appended earlier still
        if goes_before(entry, queue[index], skew_ms):
            start = index
    if start is None:
        queue.append(entry)
        return False
    behind = [queue.pop() for _ in range(len(queue) - start)][::-1]
    topic = entry.record.topic
    queue.extend(one for one in behind if one.record.topic == topic)
    queue.append(entry)
    queue.extend(one for one in behind if one.record.topic != topic)
    return True


@dataclass(slots=True)
class DeliveredOrders:
    """The ids of the orders that this process delivered last: at least ``most``, at most twice as many."""

    most: int
    _recent: set[str] = field(default_factory=set)
    _older: set[str] = field(default_factory=set)

    def add(self, order_id: str) -> None:
        self._recent.add(order_id)
        if len(self._recent) >= self.most:
            self._older, self._recent = self._recent, set()

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._recent or order_id in self._older
