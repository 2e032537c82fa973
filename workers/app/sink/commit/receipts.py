"""Writes the receipts of what has finished, before it is committed."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from workers.app.events.receipts import ReceiptDraft, ReceiptWriter
from workers.app.sink.context import SinkContext
from workers.app.sink.shard import Shard
from workers.core.receipt import Receipt
from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.publisher import Appended, Records
from workers.edges.log import log
from workers.edges.telemetry.tracing import UNTRACED

NOT_ACKNOWLEDGED: Final = "not_acknowledged"  # what the span of a batch fails with


class Appending(Protocol):
    """Writes records without a transaction (`workers.edges.kafka.publisher.Appender`)."""

    async def append(self, records: Records) -> Appended: ...

    async def close(self) -> None: ...


class Receipted(NamedTuple):
    """What may be committed: the receipts of all that it finishes are written."""

    points: dict[Partition, CommitPoint]
    fault: KafkaFailed | None = None  # why the points of some shards are missing


class Receipts:
    """The only part that writes receipts of its own accord; the transactions take theirs along (`draft`)."""

    def __init__(self, context: SinkContext, appender: Appending) -> None:
        self._context = context
        self._appender = appender
        self._writer = ReceiptWriter(context.spec.name, context.instance)

    def start(self) -> None:
        """Say so where the sink writes none. The schema of the batches must have been learnt."""
        if self._context.spec.receipts is None:
            detail = "topics.yaml has no topic for them, so 'relay order' cannot say what became of an order"
            log.warning("no_receipts", worker=self._context.spec.name, detail=detail)

    async def close(self) -> None:
        await self._appender.close()

    def draft(self, receipts: Mapping[int, Sequence[Receipt]]) -> ReceiptDraft | None:
        """By partition number; None: the sink writes none."""
        context = self._context
        if context.spec.receipts is None:
            return None
        topic = context.spec.receipts
        span = context.tracing.send(topic, None, {}) if any(receipts.values()) else UNTRACED
        return ReceiptDraft(context.codec, topic, self._writer, context.wall_ms(), receipts, span)

    async def before_commit(self, shards: Collection[Shard]) -> Receipted:
        """Write what is unwritten of these shards; returns what could be committed when this was called.

        What finishes while the receipts are on their way is not among it: its receipts are not.
        """
        points = {at: point for shard in shards for at, point in shard.committable().items()}
        unwritten = {shard: shard.receipts.unwritten() for shard in shards if shard.receipts}
        if not unwritten:
            return Receipted(points)
        draft = self.draft({shard.number: one.receipts for shard, one in unwritten.items()})
        if draft is None:
            for shard, one in unwritten.items():
                shard.receipts.written(one.up_to)
            return Receipted(points)
        appended = await self._appender.append(draft)
        draft.span.end(None if appended.fault is None else NOT_ACKNOWLEDGED)
        acknowledged = {at.number for at in appended.partitions}
        for shard, one in unwritten.items():
            if shard.number in acknowledged:
                shard.receipts.written(one.up_to)
        missing = {shard.number for shard in unwritten} - acknowledged
        return Receipted({at: point for at, point in points.items() if at.number not in missing}, appended.fault)
