"""A cluster of a few records for `relay order`, and a timeline that reads it."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import orjson

from workers.app.inspect.order_timeline import Timeline
from workers.core.record import Headers, Partition, Record
from workers.edges.kafka.reader import partition_of

PARTITIONS = 4
STAGES, EVENTS, TRACKED = "order-stage-changed", "courier-order-event", "ecourier-tracked-orders"


class Cluster:
    """Topics of JSON values; notes which partitions are read."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.read: set[Partition] = set()
        named = {STAGES: "OrderStageChanged", EVENTS: "CourierOrderEvent", TRACKED: "TrackedOrder"}
        self.schemas = {topic: SimpleNamespace(today=SimpleNamespace(name=name)) for topic, name in named.items()}
        self.codec = self

    def put(self, topic: str, key: str, at: str = "", **content: Any) -> None:
        self.append(topic, key, at, orjson.dumps(content))

    def append(
        self, topic: str, key: str, at: str = "", value: bytes | None = None, *, ms: int = 5, headers: Headers = ()
    ) -> Record:
        number = partition_of((at or key).encode(), PARTITIONS)
        self.records.append(Record(topic, number, len(self.records), ms, key.encode(), value, headers))
        return self.records[-1]

    def since(self, at: Partition, ms: int, end: int) -> int:
        return next((one.offset for one in self.records if one.at == at and one.timestamp_ms >= ms), end)

    def partitions(self, topic: str) -> list[Partition]:
        return [Partition(topic, number) for number in range(PARTITIONS)]

    def bounds(self, partitions: list[Partition]) -> dict[Partition, tuple[int, int]]:
        return dict.fromkeys(partitions, (0, len(self.records)))

    def stretch(
        self, at: Partition, first: int, end: int, containing: tuple[bytes, ...] = ()
    ) -> Iterator[list[Record]]:
        self.read.add(at)
        found = [one for one in self.records if one.at == at and first <= one.offset < end]
        yield [one for one in found if not containing or any(needle in _bytes(one) for needle in containing)]

    def decode(self, topic: str, value: bytes, headers: Headers = ()) -> Any:  # noqa: ARG002
        return orjson.loads(value)

    def decode_any(self, topic: str, value: bytes) -> Any:
        return self.decode(topic, value)


def _bytes(record: Record) -> bytes:
    return b"".join([record.key or b"", record.value or b"", *(value or b"" for _, value in record.headers)])


def timeline_of(cluster: Cluster, order_id: str) -> Timeline:
    return Timeline(order_id, cast("Any", cluster), cast("Any", cluster), lambda *_: None)
