"""A whole sink worker on edges that a test answers for."""

import asyncio
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from tests.support.sink_rig import Flight, PlainCodec, Vendor, sink_context
from workers.app.runtime.sink_pipe import SinkEdges
from workers.app.runtime.sink_worker import SinkWorker
from workers.core.delivery.outcome import (
    Delivered,
    Denied,
    Outcome,
    Rejected,
    Skipped,
    Unavailable,
    Unknown,
    UnknownOrder,
)
from workers.core.record import Partition, Record
from workers.edges.kafka.client import KafkaConnection
from workers.edges.kafka.owner import Member
from workers.edges.kafka.parked_reader import Bound, Wave
from workers.edges.kafka.publisher import Appended, Records

_REFUSALS = [Rejected("no"), Rejected("no"), Rejected("not now", blocks_following=False), UnknownOrder("404")]
_FAULTS = [Unavailable("500"), Unknown("time-out"), Denied("401")]
_SUCCESSES = [Delivered(), Delivered(), Skipped("unchanged"), Skipped("unchanged", supersedes=True)]
OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from([*_SUCCESSES, *_REFUSALS, *_FAULTS])
"""What a vendor may answer to one request."""


class FakeKafka:
    """The Kafka thread, the producer, the parked state's table and the parked topic's reader, all in one."""

    polled_at = 0.0
    stuck: str | None = None
    fetched_at: float | None = None
    connection = KafkaConnection()

    def commit(self, epoch: int, offsets: Mapping[Partition, tuple[int, str]]) -> asyncio.Future[None]:
        raise NotImplementedError

    def fetch_only(self, epoch: int, paused: frozenset[Partition], awaited: frozenset[Partition]) -> None:
        pass

    def restart_at(self, epoch: int, at: Partition, offset: int) -> None:
        pass

    async def open(self) -> None:
        pass

    async def write(self, records: Any, rows: Any, offsets: Any) -> list[int]:
        raise NotImplementedError

    async def append(self, records: Records) -> Appended:
        raise NotImplementedError

    def follow(self, numbers: frozenset[int], reader: Any) -> None:
        raise NotImplementedError

    async def read(self, at: Partition, wanted: Mapping[str, tuple[int, int]], bound: Bound | None = None) -> Wave:
        raise NotImplementedError

    def start(self) -> None:
        pass

    async def stop(self, within: float) -> None:
        pass

    async def close(self) -> None:
        pass

    def edges(self) -> SinkEdges:
        one: Any = self
        return SinkEdges(one, one, one, one, None, self.connection, lambda: one)


class WorkerRig:
    """To be made in a running loop, whose clock is the worker's."""

    def __init__(self, kafka: FakeKafka, codec: Any = None, **spec: Any) -> None:
        loop = asyncio.get_running_loop()
        self.vendor = Vendor()
        self.failures: list[Exception] = []
        context = sink_context(
            self.vendor, codec or PlainCodec(), monotonic=loop.time, failed=self.failures.append, **spec
        )
        member = Member(kafka.connection, "relay.ecdp-sink", "one")
        self.worker = SinkWorker(context, member, kafka.edges())

    def source_of(self, flight: Flight) -> Record:
        """The record that a flight carries: the head of its order's lane."""
        lane = self.worker.pipe.lanes.get(flight.orders[0])
        assert lane is not None
        return lane.queue[0].record

    async def kill(self) -> None:
        """End every task of the process; a dead one sends nothing new."""
        self.worker.pipe.close()
        current = asyncio.current_task()
        while tasks := [task for task in asyncio.all_tasks() if task is not current]:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
