"""Ends records: delivered, skipped or parked. Each has exactly one end, and its offset is committed with it."""

from typing import Final

from workers.app.events.log_context import about
from workers.app.sink.assignment import Ownership
from workers.app.sink.context import SinkContext
from workers.app.sink.shard import Shard
from workers.app.sink.tracked_orders import TrackedOrders
from workers.app.sink.wakeups import Wakeups
from workers.core.consume.lanes import Entry
from workers.core.delivery.outcome import Delivered, Skipped
from workers.core.delivery.tracked_order import Mark
from workers.core.histograms import Histogram
from workers.core.parked.headers import Parking
from workers.core.receipt import Receipt, ReceiptOutcome
from workers.edges.log import log

_DELIVERED: Final = Delivered()


class Finisher:
    """Queues what a record's end has to write, and finishes the record when all of it has been written.

    Invariant: an entry is finished when its lane has let it go and `Entry.pending_writes` is 0, whichever comes last.
    Its receipt is in the shard's `ReceiptLog`, or in the transaction that finishes it, before its offset is committed.
    """

    def __init__(
        self,
        context: SinkContext,
        ownership: Ownership,
        tracked: TrackedOrders,
        wakeups: Wakeups,
        append_to_finish: Histogram,
    ) -> None:
        """``append_to_finish``: takes the seconds from each record's append to its end."""
        self._context = context
        self._append_to_finish = append_to_finish
        self._ownership = ownership
        self._tracked = tracked
        self._wakeups = wakeups

    def delivered(self, entry: Entry, outcome: Delivered = _DELIVERED, delayed_by: str | None = None) -> None:
        """The vendor has applied it, or had it already."""
        shard = self._ownership.shard_of(entry)
        if shard is None:
            entry.given_away()  # its next owner sends it
            return
        entry.receipt = self._receipt(
            entry,
            "found" if outcome.found else "delivered",
            delayed_by,
            status=outcome.status,
            attempts=entry.attempts + 1,
            vendor_ref=outcome.order_at_vendor,
        )
        if outcome.mark is not None:
            self._tracked.remember(shard, entry, outcome.mark)
        if entry.replay:
            self._ownership.replays.delivered(shard, entry)
        else:
            self._note_at_fence(shard, entry)
        self._finish_if_written(shard, entry)

    async def keep(self, entry: Entry, mark: Mark) -> bool:
        """Write down how far its delivery has come; returns whether it may go on: the row is durable.

        False: the partition has been given away; its next owner goes on from the row before.
        """
        shard = self._ownership.shard_of(entry)
        if shard is None:
            return False
        await self._tracked.keep(shard, entry, mark)
        return self._ownership.shard_of(entry) is shard

    def skipped(self, entry: Entry, outcome: Skipped) -> None:
        """There is nothing to send for it."""
        shard = self._ownership.shard_of(entry)
        if shard is None:
            entry.given_away()
            return
        entry.receipt = self._receipt(entry, "skipped", outcome.reason, attempts=entry.attempts)
        if entry.replay:
            self._ownership.replays.delivered(shard, entry)
        elif outcome.supersedes:  # what is parked of the order is older than what the vendor has
            self._note_at_fence(shard, entry)
        self._finish_if_written(shard, entry)

    def park(self, entry: Entry, parking: Parking) -> None:
        """The record goes to the parked topic, and the order's later records follow it there if it blocks them."""
        shard = self._ownership.shard_of(entry)
        if shard is None:
            entry.given_away()  # its next owner comes to the same end
            return
        reason = parking.reason.value
        entry.span.parks(self._context.spec.parks)
        entry.receipt = self._receipt(entry, "parked", reason, status=parking.status, attempts=parking.attempts)
        if entry.replay:
            self._ownership.replays.refused(shard, entry, parking)
            return
        name = self._context.spec.name
        log.info("parking", worker=name, **about(entry), reason=reason, detail=parking.detail)
        fence = shard.fences.block(entry, parking, self._context.wall_ms())
        if fence.records == self._context.spec.max_parked_per_order:
            log.error("parked_order_full", worker=name, **about(entry), records=fence.records)

    def finish(self, entry: Entry) -> None:
        """Nothing is left to write for it: its offset may be committed."""
        shard = self._ownership.shard_of(entry)
        if shard is not None:
            self._finish_if_written(shard, entry)

    def _receipt(
        self,
        entry: Entry,
        outcome: ReceiptOutcome,
        reason: str | None = None,
        *,
        status: int | None = None,
        attempts: int,
        vendor_ref: str | None = None,
    ) -> Receipt:
        topic, _, offset, *_ = entry.record
        now_ms = self._context.wall_ms()
        if not entry.replay:
            # A broker's clock may be ahead of ours; a sum that falls is taken for a restart by Prometheus.
            self._append_to_finish.record(max(0, now_ms - entry.record.timestamp_ms) / 1000)
        entry.span.ends(outcome, reason)
        return Receipt(entry.order_id, topic, offset, now_ms, outcome, reason, status, attempts, vendor_ref)

    def _finish_if_written(self, shard: Shard, entry: Entry) -> None:
        if not entry.pending_writes:
            shard.finish(entry)
            self._wakeups.finished()

    def _note_at_fence(self, shard: Shard, entry: Entry) -> None:
        """What the delivery means for the records of its order that are parked."""
        fence = shard.fences.get(entry.order_id)
        if fence is None:
            return
        replays = self._ownership.replays
        if fence.non_blocking:
            shard.fences.supersede(entry)
        elif entry.creates_order and not replays.is_running(shard, entry.order_id):
            shard.fences.note_create_delivered(entry)
            replays.start(shard, entry.order_id)
