"""What a release of partitions lets the Kafka thread commit: points whose receipts are written."""

import asyncio
from collections.abc import Collection, Mapping
from typing import NamedTuple

from workers.app.sink.assignment import SinkAssignment
from workers.app.sink.commit.receipts import Receipted, Receipts
from workers.app.sink.shard import Shard
from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.client import KafkaFailed
from workers.edges.log import log

RECEIPTS_WITHIN_S = 2.0  # then the partitions go with the offsets whose receipts are written


class _Safe(NamedTuple):
    points: Mapping[Partition, CommitPoint]  # whose receipts are written
    committed: Mapping[Partition, CommitPoint]  # what was committed then


class Handover:
    """One release. The Kafka thread repeats the last commit points that it was given, until it is given others."""

    def __init__(self, worker: str, assignment: SinkAssignment, receipts: Receipts) -> None:
        self._worker = worker
        self._shards = assignment.shards
        self._receipts = receipts
        self._safe: dict[int, _Safe] = {}  # by partition number

    async def offsets(self) -> dict[Partition, CommitPoint]:
        """Write what receipts are unwritten; give what may be committed now.

        Nothing of a shard with queued writes, or with a transaction since its receipts were written: its transaction
        commits further, and this commit might come after that.
        """
        shards = [shard for shard in self._shards.values() if not shard.writes]
        committed = {shard.number: dict(shard.committed) for shard in shards}
        found = await self._written(shards)
        for shard in shards:
            points = {at: point for at, point in found.points.items() if at.number == shard.number}
            if points:
                self._safe[shard.number] = _Safe(points, committed[shard.number])
        return {
            at: point
            for number, safe in self._safe.items()
            if self._is_last(number)
            for at, point in safe.points.items()
        }

    def _is_last(self, number: int) -> bool:
        shard = self._shards[number]
        return not shard.writes and shard.committed == self._safe[number].committed

    async def _written(self, shards: Collection[Shard]) -> Receipted:
        try:
            async with asyncio.timeout(RECEIPTS_WITHIN_S):
                found = await self._receipts.before_commit(shards)
        except TimeoutError:
            found = Receipted({}, KafkaFailed(f"not acknowledged within {RECEIPTS_WITHIN_S:g} s"))
        if found.fault is not None:
            log.warning("receipts_failed", worker=self._worker, detail=str(found.fault))
        return found
