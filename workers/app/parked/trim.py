"""Deletes from the parked topic what lies before its oldest open record and is older than `parked_history`."""

import asyncio
from collections.abc import Iterable, Mapping

from workers.app.sink.assignment import Ownership
from workers.app.sink.context import SinkContext
from workers.core.parked.fence import Fence
from workers.core.record import Partition
from workers.edges.aio import run_in_daemon_thread
from workers.edges.kafka.admin import open_admin
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.log import log

TRIM_EVERY_MAX_S = 600.0
TRIM_EVERY_MIN_S = 1.0
_ANSWER_WITHIN_S = 60.0


class ParkedTrim:
    """The topic has no retention of its own: only the worker knows what is still open."""

    def __init__(self, context: SinkContext, ownership: Ownership, connection: KafkaConnection) -> None:
        self._context = context
        self._ownership = ownership
        self._connection = connection

    async def run(self) -> None:
        every = max(TRIM_EVERY_MIN_S, min(TRIM_EVERY_MAX_S, self._context.spec.parked_history))
        while True:
            await asyncio.sleep(every)
            try:
                await self._trim()
            except (KafkaFailed, TimeoutError) as error:  # nothing is lost: the disk space is freed later
                say = log.debug if self._context.brokers.may_fail else log.warning
                say("parked_not_trimmed", worker=self._context.spec.name, detail=str(error))

    async def _trim(self) -> None:
        spec = self._context.spec
        loaded = [shard for shard in self._ownership.shards if shard.fences_loaded]
        places = {Partition(spec.parks, shard.number): shard for shard in loaded}
        if not places:
            return
        before_ms = self._context.wall_ms() - int(spec.parked_history * 1000)
        starts, ends, aged = await run_in_daemon_thread(lambda: self._ask(list(places), before_ms), _ANSWER_WITHIN_S)
        # A record parked from now on lies at or beyond the end; one whose offset is not acknowledged yet is queued.
        floors = {
            at: floor(min(ends[at], aged[at]), shard.fences.values())
            for at, shard in places.items()
            if self._ownership.owns(shard) and not shard.writes
        }
        if useless := {at: offset for at, offset in floors.items() if offset > starts[at]}:
            await run_in_daemon_thread(lambda: self._delete(useless), _ANSWER_WITHIN_S)
            log.info("parked_trimmed", worker=spec.name, partitions=len(useless))

    def _ask(self, places: list[Partition], before_ms: int) -> tuple[dict[Partition, int], ...]:
        with open_admin(self._connection) as admin:
            return tuple(admin.offsets(places, when) for when in ("earliest", "latest", before_ms))

    def _delete(self, offsets: Mapping[Partition, int]) -> None:
        with open_admin(self._connection) as admin:
            admin.delete_before(offsets)


def floor(limit: int, fences: Iterable[Fence]) -> int:
    """Below this offset nothing is open: the lowest first record of these fences, ``limit`` at most."""
    return min([limit, *(fence.first for fence in fences if fence.first is not None)])
