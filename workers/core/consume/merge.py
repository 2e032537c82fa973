"""One sequence out of the co-partitioned topics of a sink.

Each fetched batch is stamped with the end offset of the same partition number
of the other topics, asked *after* the fetch. A record of another topic at or
beyond that stamp was appended later for sure; one below it may be earlier and
is waited for. So what was acknowledged to its publisher before an event was
sent goes before it, across topics, without trusting any publisher's clock.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from workers.core.record import Record

EndOffsets = dict[str, int | None]  # topic -> its end offset after the fetch; None: the broker has not answered yet


class Side:
    """One topic of the merge: its fetched records, and how far it has been read."""

    def __init__(self, topic: str, position: int) -> None:
        self.topic = topic
        self.queue: deque[tuple[Record, EndOffsets]] = deque()
        self.position = position
        self.unreachable_since: float | None = None  # it cannot be fetched at present


class Merge:
    """The merge of one shard. Decides only which record goes next; holds no clock."""

    def __init__(self, positions: Mapping[str, int], merge_wait: float) -> None:
        """``positions``: topic -> first offset to be fetched, in the order of the sink's ``consumes``."""
        self._sides = {topic: Side(topic, position) for topic, position in positions.items()}
        self._merge_wait = merge_wait
        self.passed_unreachable = 0  # records that went on without a side that could not be fetched

    def push(self, topic: str, records: Sequence[Record], stamps: EndOffsets, position: int) -> None:
        """Add a batch in fetch order; ``position`` is the topic's next fetch offset."""
        side = self._sides[topic]
        self._stamp_earlier(side, stamps)
        side.queue.extend((record, stamps) for record in records)
        side.position = max(side.position, position)

    def restamp(self, topic: str, end: int) -> None:
        """Stamp records that could not be stamped at their fetch: a later end offset only makes them wait longer."""
        for side in self._sides.values():
            if side.topic == topic:
                continue
            for _, stamps in side.queue:
                if stamps.get(topic) is None:
                    stamps[topic] = end

    def reached(self, topic: str, position: int) -> None:
        """The topic has been read up to ``position``, with or without records."""
        side = self._sides[topic]
        side.position = max(side.position, position)

    def restart(self, topic: str, position: int) -> None:
        """The topic is fetched from ``position``, whatever was fetched before."""
        side = self._sides[topic]
        side.queue.clear()
        side.position = position
        side.unreachable_since = None

    def unreachable(self, topic: str, since: float | None) -> None:
        """Say since when the topic cannot be fetched; None: it can."""
        self._sides[topic].unreachable_since = since

    def pop(self, now: float) -> Record | None:
        """Return the next record in sequence, or None when there is none or another side must be read first."""
        head = self._first_head()
        if head is None:
            return None
        record, stamps = head.queue[0]
        passed = False
        for side in self._sides.values():
            if side is head or side.queue or self._read_up_to(side, stamps):
                continue
            if not self._given_up(side, now):
                return None
            passed = True
        self.passed_unreachable += passed
        head.queue.popleft()
        return record

    def awaited(self) -> list[str]:
        """Topics that must be read before the next record can go; all that was fetched of them has gone."""
        head = self._first_head()
        if head is None:
            return []
        stamps = head.queue[0][1]
        return [
            side.topic
            for side in self._sides.values()
            if side is not head and not side.queue and not self._read_up_to(side, stamps)
        ]

    @property
    def queued(self) -> int:
        """Records that wait for their turn."""
        return sum(len(side.queue) for side in self._sides.values())

    def queued_records(self) -> Iterator[Record]:
        """The same, one topic after the other."""
        for side in self._sides.values():
            yield from (record for record, _ in side.queue)

    def queued_of(self, topic: str) -> int:
        """Records of one topic that wait for their turn."""
        return len(self._sides[topic].queue)

    def _first_head(self) -> Side | None:
        """The head that surely came after no other one; of several, the earliest by timestamp, then by `consumes`."""
        heads = [side for side in self._sides.values() if side.queue]
        if len(heads) <= 1:
            return heads[0] if heads else None
        # Stamps before timestamps, for all heads at once: timestamps may form a circle with them.
        first = [side for side in heads if not any(self._surely_after(side, other) for other in heads)]
        return min(first or heads, key=lambda side: side.queue[0][0].timestamp_ms)

    @staticmethod
    def _surely_after(side: Side, other: Side) -> bool:
        """Whether the head of ``side`` was appended after the head of ``other`` had been fetched."""
        end = other.queue[0][1].get(side.topic) if side is not other else None
        return end is not None and side.queue[0][0].offset >= end

    @staticmethod
    def _stamp_earlier(side: Side, stamps: EndOffsets) -> None:
        """Queued records were fetched before this batch: those without a stamp take this batch's."""
        filled: EndOffsets | None = None
        for _, earlier in reversed(side.queue):
            if earlier is filled:
                continue  # one batch's records share their stamps
            missing = {topic: end for topic, end in stamps.items() if end is not None and earlier.get(topic) is None}
            if not missing:
                return  # nor does any before it miss one
            earlier.update(missing)
            filled = earlier

    @staticmethod
    def _read_up_to(side: Side, stamps: EndOffsets) -> bool:
        end = stamps.get(side.topic)
        return end is not None and side.position >= end

    def _given_up(self, side: Side, now: float) -> bool:
        return side.unreachable_since is not None and now - side.unreachable_since >= self._merge_wait
