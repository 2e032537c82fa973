"""Gives up on parked records because a person said so, and leaves a trace of who and why beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from workers.app.sink.shard import Shard
from workers.app.sink.state import SinkState
from workers.app.sink.write_queue import WriteQueue
from workers.core.parked.commands import Discard
from workers.core.parked.fence import NO_KEY, Fence, ParkReason
from workers.core.parked.headers import DETAIL, REASON, discard_headers, is_original, source_record
from workers.core.record import Partition, Record
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.parked_reader import ParkedReader
from workers.edges.kafka.transactions import Outgoing
from workers.edges.log import log

_NAP = 0.05
_PARKED_WITHIN = 30.0  # seconds that records on their way into the parked topic are waited for


@dataclass(frozen=True, slots=True)
class _Wanted:
    shard: Shard
    command: Discard
    orders: Collection[str]
    done: Callable[[], None]


class Discards:
    """Carries out discards, one order after another."""

    def __init__(
        self,
        state: SinkState,
        queue: WriteQueue,
        connection: KafkaConnection,
        *,
        busy: Callable[[int, str], bool],
        wake: Callable[[], None],
    ) -> None:
        """``busy``: whether an order's parked records in a partition are being delivered: it is left alone."""
        self._state = state
        self._queue = queue
        self._reader = ParkedReader(connection)
        self._busy = busy
        self._wake = wake
        self._waiting: asyncio.Queue[_Wanted] = asyncio.Queue()

    async def run(self) -> None:
        """Carry out what is asked, until cancelled."""
        try:
            while True:
                wanted = await self._waiting.get()
                for order_id in wanted.orders:
                    await self._discard(wanted.shard, order_id, wanted.command)
                if self._is_ours(wanted.shard):
                    wanted.done()
        finally:
            await self._reader.close()

    def carry_out(self, shard: Shard, command: Discard, orders: Collection[str], done: Callable[[], None]) -> None:
        """Queue a discard; ``done`` is called when all of it has been queued to be written."""
        self._waiting.put_nowait(_Wanted(shard, command, orders, done))

    def _is_ours(self, shard: Shard) -> bool:
        return self._state.shards.get(shard.number) is shard

    async def _discard(self, shard: Shard, order_id: str, command: Discard) -> None:
        until = self._state.monotonic() + _PARKED_WITHIN  # other orders' discards stand behind this one
        while self._is_ours(shard):
            fence = shard.fences.get(order_id)
            if fence is None or fence.since_ms != command.orders[order_id] or self._busy(shard.number, order_id):
                return
            if not self._queue.holds(shard.number, order_id) and fence.first is not None:
                if await self._try(shard, order_id, fence, command):
                    return
            elif self._state.monotonic() < until:
                await asyncio.sleep(_NAP)  # its records are on their way into the parked topic
            else:
                self._left(order_id, "its records are still on their way into the parked topic")
                return

    async def _try(self, shard: Shard, order_id: str, fence: Fence, command: Discard) -> bool:
        """Whether it is done with; not so where more was parked behind meanwhile."""
        try:
            second = await self._second(shard, order_id, fence) if command.first_only else None
        except KafkaFailed as error:
            self._left(order_id, str(error))
            return True
        as_it_was = self._is_ours(shard) and shard.fences.get(order_id) is fence
        if as_it_was and not self._busy(shard.number, order_id):
            self._settle(shard, order_id, fence, second, command)
            return True
        return False

    def _left(self, order_id: str, why: str) -> None:
        log.warning("discard_skipped", worker=self._state.spec.name, order_id=order_id, detail=why)

    def _settle(self, shard: Shard, order_id: str, fence: Fence, second: Record | None, command: Discard) -> None:
        records = fence.records if second is None else 1
        if second is None:
            del shard.fences[order_id]
        else:
            shard.fences[order_id] = replace(_led_by(second, fence), command=command.id)
        now = datetime.fromtimestamp(self._state.wall_ms() / 1000, UTC)
        places = fence.first or 0, (fence.last or 0) if second is None else second.offset - 1
        trace = discard_headers(self._state.spec.name, command, records, places, now)
        at = Partition(self._state.spec.parks, shard.number)
        # The client refuses a record with neither key nor value, and its transaction would never succeed.
        key, value = (None, b"") if order_id == NO_KEY else (order_id.encode(), None)
        self._queue.say(shard.number, Outgoing(at, key, value, trace), order_id)
        self._wake()
        who = {"by": command.by, "why": command.why}
        log.info("parked_discarded", worker=self._state.spec.name, order_id=order_id, records=records, **who)

    async def _second(self, shard: Shard, order_id: str, fence: Fence) -> Record | None:
        """The order's second parked record; None when there is but one."""
        at = Partition(self._state.spec.parks, shard.number)
        begin, last, first = fence.first or 0, fence.last or 0, None
        while begin <= last and self._is_ours(shard):
            found = await self._reader.read(at, {order_id: (begin, last)})
            for one in filter(is_original, found.orders.get(order_id, ())):
                first = first or source_record(one)
                if source_record(one) != first:
                    return one
            # A pass may end early. Were it taken for all there is, the whole order would be given up.
            begin = max(begin, found.reached + 1)
        return None


def _led_by(record: Record, fence: Fence) -> Fence:
    """The fence once this is the first of its records."""
    reason = ParkReason((record.header(REASON) or b"").decode())
    detail = (record.header(DETAIL) or b"").decode("utf-8", "replace")
    return replace(fence.without_first(record.offset), reason=reason, detail=detail, create_delivered=False, replays=0)
