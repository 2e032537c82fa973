"""A schema none of whose first records can be decoded stops its partition, so that no whole stream is parked."""

from dataclasses import dataclass, field

from tests.support.intake_stand import S, Stand
from tests.support.sink_rig import PlainCodec
from workers.core.consume.start_position import NeedsOperator, stop_reason
from workers.core.events import Event, EventHead
from workers.core.record import Headers, Partition, Record
from workers.edges.avro.reader import Undecodable


@dataclass
class Kafka:
    """The Kafka thread: keeps what it is told."""

    told: list[tuple[object, ...]] = field(default_factory=list)

    def stop_at(self, epoch: int, at: Partition, stop: NeedsOperator) -> None:
        self.told.append(("stop", epoch, at, stop))

    def restart_at(self, epoch: int, at: Partition, offset: int) -> None:
        self.told.append(("restart", epoch, at, offset))

    def fetch_only(self, *_: object) -> None:
        pass


class SchemaCodec(PlainCodec):
    """A codec for which a schema's records decode once the schema is known; ``x`` is broken all the same."""

    def decode(self, topic: str, value: bytes, headers: Headers = ()) -> Event:
        if not self.known or value.endswith(b"x"):
            raise Undecodable("has a schema of another kind")
        return super().decode(topic, value[5:], headers)

    def head(self, topic: str, value: bytes, headers: Headers = ()) -> EventHead:
        if not self.known:
            raise Undecodable("has a schema of another kind")
        return super().head(topic, value[5:], headers)


def suspect_stand() -> tuple[Stand, Kafka]:
    kafka = Kafka()
    stand = Stand(source=kafka, codec=SchemaCodec(), suspect_after=3)
    stand.begin()
    return stand, kafka


def of_schema(stand: Stand, *values: str) -> list[Record]:
    return [stand.rig.record(f"\x00\x00\x00\x00\x07{value}", key=value.encode()) for value in values]


def test_a_schema_none_of_whose_first_records_decodes_stops_its_partition_and_goes_on_once_it_is_readable() -> None:
    stand, kafka = suspect_stand()
    stand.fetch(*of_schema(stand, "A", "B", "C", "D", "E"))
    assert len(stand.taken()) == 3, "as many as suspect_after are parked"
    ((_, epoch, at, stop),) = kafka.told
    assert (epoch, at) == (1, S)
    assert isinstance(stop, NeedsOperator)
    assert "none of the first 3 records of a schema could be decoded" in stop.reason
    stand.rig.codec.known = True
    stand.intake.fill()
    assert stand.taken() == [], "the Kafka thread has not stopped yet: it would stop after it was restarted"
    stand.intake.stopped(1, S, stop)
    assert "order-status/0 stopped: none of the first" in (stand.rig.stats.last_error or "")
    stand.intake.fill()
    assert len(stand.taken()) == 2
    assert kafka.told[1:] == [("restart", 1, S, 5)]
    assert stand.rig.shard.stopped == {}


def test_a_schema_whose_records_decode_stops_nothing_however_many_are_broken() -> None:
    stand, kafka = suspect_stand()
    stand.rig.codec.known = True
    stand.fetch(*of_schema(stand, "Ax", "Bx", "C", *(f"{number}x" for number in range(9))))
    assert len(stand.taken()) == 12
    assert kafka.told == []


def test_an_operator_passes_over_what_a_suspect_schema_wrote() -> None:
    stand, kafka = suspect_stand()
    stand.fetch(*of_schema(stand, "A", "B", "C", "D", "E"))
    stop = stand.rig.shard.suspect
    assert stop is not None
    stand.intake.stopped(1, S, stop)
    while (lane := stand.rig.lanes.take()) is not None:
        stand.rig.finisher.delivered(stand.rig.lanes.finish(lane))
    offset, metadata = stand.rig.shard.committable()[S]
    assert (offset, stop_reason(metadata)) == (3, stop.reason), "`relay offsets` moves only what has stopped"
    stand.fetching.restart(stand.rig.shard, S, 5)
    stand.intake.fill()
    assert stand.taken() == []
    assert stand.rig.shard.suspect is None
    assert kafka.told[1:] == [("restart", 1, S, 5)]
