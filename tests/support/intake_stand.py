"""An intake with one partition number of both of a sink's topics."""

from typing import Any, cast

from tests.support.sink_rig import CREATED, STATUS, Rig
from workers.app.sink.fetching import Fetching
from workers.app.sink.intake import Intake
from workers.core.consume.commit_metadata import FinishedOffsets
from workers.core.consume.start_position import StartAt
from workers.core.record import Partition, Record
from workers.edges.kafka.owner import Batch, Fetched

C, S = Partition(CREATED, 0), Partition(STATUS, 0)


class NoSender:
    """What is in the lanes is for the test to take."""

    gate_is_open = True

    def pump(self) -> None:
        pass


class Stand:
    """An intake with one partition number of both topics, both assigned."""

    def __init__(self, source: Any = None, **spec: Any) -> None:
        self.rig = Rig(**spec)
        rig = self.rig
        self.fetching = Fetching(rig.context, rig.ownership, source)
        self.intake = Intake(
            rig.context,
            rig.ownership,
            lanes=rig.lanes,
            sender=cast("Any", NoSender()),
            finisher=rig.finisher,
            fetching=self.fetching,
            stats=rig.stats,
            wakeups=rig.wakeups,
        )
        self.assign(0)

    def assign(self, *numbers: int) -> None:
        self.rig.assign(*numbers)
        for shard in self.rig.shards.values():
            shard.fences_loaded = False
            shard.ledgers.clear()

    def begin(self, *, finished: FinishedOffsets | None = None, start: int = 0, loaded: bool = True) -> None:
        for at in (C, S):
            self.intake.begun(1, at, StartAt(start, finished))
        if loaded:
            self.load()

    def load(self) -> None:
        """Every parked order is known."""
        for shard in self.rig.shards.values():
            shard.fences_loaded = True
            self.intake.loaded(shard)

    def fetch(
        self, *records: Record, ends: dict[Partition, int] | None = None, epoch: int = 1, asked_at_ms: int = 0
    ) -> None:
        """One hand-over; each topic's position is after its last record."""
        batches = []
        for at in (C, S):
            own = [record for record in records if record.at == at]
            if own:
                batches.append(Batch(at, own, own[-1].offset + 1))
        known = {C: 0, S: 0} | {batch.partition: batch.position for batch in batches}
        self.intake.fetched(Fetched(epoch, batches, ends or known, {}, asked_at_ms))

    def reach(self, at: Partition, position: int) -> None:
        self.intake.fetched(Fetched(1, [Batch(at, [], position)], {}, {}, 0))

    def taken(self) -> list[tuple[str, bytes | None]]:
        """What would be sent now, in its order."""
        found = []
        while (lane := self.rig.lanes.take()) is not None:
            head = self.rig.lanes.finish(lane)
            found.append((head.record.topic, head.record.value))
        return found
