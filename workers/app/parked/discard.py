"""Gives up parked records on an operator's request, and leaves a trace of who asked and why behind them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from workers.app.events.log_context import about, about_order
from workers.app.parked.command_progress import CommandProgress
from workers.app.parked.replay import Replays
from workers.app.sink.context import SinkContext
from workers.app.sink.shard import Shard
from workers.core.parked.fence import NO_KEY, Fence
from workers.core.parked.headers import discard_headers, is_original, source_record
from workers.core.parked.rows import DiscardCommand
from workers.core.receipt import Receipt, given_up_by
from workers.core.record import Headers, Partition, Record
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.parked_reader import ParkedReader
from workers.edges.kafka.transactions import Outgoing
from workers.edges.log import log
from workers.edges.telemetry.headers import headers_as_they_came


@dataclass(frozen=True, slots=True)
class DiscardPolicy:
    """For records that are on their way into the parked topic."""

    poll_interval_s: float = 0.05
    wait_s: float = 30.0


@dataclass(frozen=True, slots=True)
class _Asked:
    shard: Shard
    command: DiscardCommand
    progress: CommandProgress


class _Lying(NamedTuple):
    """What lies parked of an order."""

    given_up: list[tuple[str, int]]  # topic and offset of each source
    second: Record | None  # what leads after the first has been given up; None: nothing does
    first: Record | None  # parked, whose trace the discard is on; None: no record of the relay's was found


class Discards:
    """The discards of one assignment, one order after another."""

    def __init__(
        self, context: SinkContext, replays: Replays, reader: ParkedReader, policy: DiscardPolicy | None = None
    ) -> None:
        self._context = context
        self._replays = replays
        self._reader = reader
        self._policy = policy or DiscardPolicy()
        self._asked: asyncio.Queue[_Asked] = asyncio.Queue()

    async def run(self) -> None:
        """Carry out what is asked, until cancelled."""
        try:
            while True:
                asked = await self._asked.get()
                for order_id in sorted(asked.progress.orders):
                    await self._discard(asked.shard, order_id, asked.command)
                    asked.progress.order_ended(order_id)
        finally:
            await self._reader.close()

    def ask(self, shard: Shard, command: DiscardCommand, progress: CommandProgress) -> None:
        self._asked.put_nowait(_Asked(shard, command, progress))

    async def _discard(self, shard: Shard, order_id: str, command: DiscardCommand) -> None:
        until = self._context.monotonic() + self._policy.wait_s  # other orders' discards wait for this one
        while True:
            fence = shard.fences.get(order_id)
            if fence is None or fence.since_ms != command.orders[order_id]:
                return
            if self._replays.is_running(shard, order_id):
                return  # a replay is left alone
            if not shard.writes.has_writes_of(order_id) and fence.first is not None:
                if await self._try(shard, order_id, fence, command):
                    return
            elif self._context.monotonic() < until:
                await asyncio.sleep(self._policy.poll_interval_s)
            else:
                parking = (about(entry) for entry in shard.writes.entries() if entry.order_id == order_id)
                why = "its records are still on their way into the parked topic"
                self._skip(next(parking, about_order(order_id)), why)
                return

    async def _try(self, shard: Shard, order_id: str, fence: Fence, command: DiscardCommand) -> bool:
        """Whether the order needs no other try; it does if its fence has changed in the meantime."""
        try:
            lying = await self._read(shard, order_id, fence, first_only=command.first_only)
        except KafkaFailed as error:
            self._skip(about_order(order_id), str(error))
            return True
        if shard.fences.get(order_id) is fence and not self._replays.is_running(shard, order_id):
            self._give_up(shard, order_id, fence, lying, command)
            return True
        return False

    def _skip(self, ids: Mapping[str, str], why: str) -> None:
        log.warning("discard_skipped", worker=self._context.spec.name, **ids, detail=why)

    def _give_up(self, shard: Shard, order_id: str, fence: Fence, lying: _Lying, command: DiscardCommand) -> None:
        second, now_ms = lying.second, self._context.wall_ms()
        records = fence.records if second is None else 1
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        places = fence.first or 0, (fence.last or 0) if second is None else second.offset - 1
        headers = discard_headers(self._context.spec.name, command, records, places, now)
        # The client refuses a record with neither key nor value, and its transaction would never succeed.
        key, value = (None, b"") if order_id == NO_KEY else (order_id.encode(), None)
        trace = Outgoing(
            Partition(self._context.spec.parks, shard.number), key, value, self._traced(order_id, lying.first, headers)
        )
        reason = given_up_by(command.by, command.why)
        receipts = [Receipt(order_id, *source, now_ms, "discarded", reason) for source in lying.given_up]
        if second is None:
            shard.fences.lift(order_id, trace, receipts)
        else:
            shard.fences.give_up_first(order_id, second, command.id, trace, receipts)
        name, ids, by, why = self._context.spec.name, about_order(order_id, lying.first), command.by, command.why
        log.info("parked_discarded", worker=name, **ids, records=records, by=by, why=why)

    def _traced(self, order_id: str, parked: Record | None, headers: Headers) -> Headers:
        """The headers with the order's trace context in them."""
        order = {} if parked is None else headers_as_they_came(parked)
        own = tuple((name, text.encode()) for name, text in order.items())
        span = self._context.tracing.send(self._context.spec.parks, order_id, order, outcome="discarded")
        span.end()
        return span.forwarded(headers + own)

    async def _read(self, shard: Shard, order_id: str, fence: Fence, *, first_only: bool) -> _Lying:
        """Read what is to be given up: all of the order, or what lies before its second record."""
        at = Partition(self._context.spec.parks, shard.number)
        begin, last = fence.first or 0, fence.last or 0
        given_up: dict[tuple[str, int], None] = {}
        first: Record | None = None
        while begin <= last:
            found = await self._reader.read(at, {order_id: (begin, last)})
            for parked in filter(is_original, found.orders.get(order_id, ())):
                source = _source(parked)
                if source is None:
                    continue
                first = first or parked
                if first_only and given_up and source not in given_up:
                    return _Lying(list(given_up), parked, first)
                given_up[source] = None
            # A pass may end early. Taken for the whole range, the whole order would be given up.
            begin = max(begin, found.reached + 1)
        return _Lying(list(given_up), None, first)


def _source(parked: Record) -> tuple[str, int] | None:
    """Topic and offset of the record's source; None: this relay has not written it."""
    try:
        source = source_record(parked)
    except ValueError:
        return None
    return source.topic, source.offset
