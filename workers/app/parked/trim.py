"""Removes from the parked topic what nobody needs any more: whatever lies before its oldest open record."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from workers.app.sink.state import SinkState
from workers.app.sink.write_queue import WriteQueue
from workers.core.parked.fence import Fence
from workers.core.record import Partition
from workers.edges.aio import run_in_daemon_thread
from workers.edges.kafka.admin import open_admin
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.log import log

_SELDOM = 600.0
_OFTEN = 1.0
_WITHIN = 60.0


class ParkedTrim:
    """Looks now and then. The topic itself never expires: only its owner knows what is still open."""

    def __init__(self, state: SinkState, queue: WriteQueue, connection: KafkaConnection) -> None:
        self._state = state
        self._queue = queue
        self._connection = connection

    async def run(self) -> None:
        """Trim until cancelled."""
        every = max(_OFTEN, min(_SELDOM, self._state.spec.parked_history))
        while True:
            await asyncio.sleep(every)
            try:
                await self._trim()
            except (KafkaFailed, TimeoutError) as error:  # nothing is lost by it: the disk waits
                log.warning("parked_not_trimmed", worker=self._state.spec.name, detail=str(error))

    async def _trim(self) -> None:
        state = self._state
        loaded = [shard for shard in state.shards.values() if shard.fences_loaded]
        places = {Partition(state.spec.parks, shard.number): shard for shard in loaded}
        if not places:
            return
        before_ms = state.wall_ms() - int(state.spec.parked_history * 1000)
        starts, ends, aged = await run_in_daemon_thread(lambda: self._ask(list(places), before_ms), _WITHIN)
        # A record that is parked from now on lies at or beyond its end; one whose place we are not told yet is queued.
        floors = {
            at: floor(min(ends[at], aged[at]), shard.fences.values())
            for at, shard in places.items()
            if state.shards.get(at.number) is shard and at.number not in self._queue.numbers
        }
        if useless := {at: offset for at, offset in floors.items() if offset > starts[at]}:
            await run_in_daemon_thread(lambda: self._delete(useless), _WITHIN)
            log.info("parked_trimmed", worker=state.spec.name, partitions=len(useless))

    def _ask(self, places: list[Partition], before_ms: int) -> tuple[dict[Partition, int], ...]:
        with open_admin(self._connection) as admin:
            return tuple(admin.offsets(places, when) for when in ("earliest", "latest", before_ms))

    def _delete(self, offsets: Mapping[Partition, int]) -> None:
        with open_admin(self._connection) as admin:
            admin.delete_before(offsets)


def floor(limit: int, fences: Iterable[Fence]) -> int:
    """Below it nothing is open: the lowest first record of these fences, ``limit`` at most."""
    return min([limit, *(fence.first for fence in fences if fence.first is not None)])
