"""A test's own hands on Kafka: its topics, publishing, and reading what was parked and committed."""

import json
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource
from kafka.errors import TopicAlreadyExistsError

from tests.support.topics import Reader, Topic, codec_of, create, write_config
from workers.app.events.receipts import read_receipts
from workers.core.consume.commit_metadata import FinishedOffsets
from workers.core.receipt import Receipt
from workers.core.record import Partition
from workers.edges.avro.codec import Codec
from workers.edges.kafka.client_patches.batches import producer_headers

NOW = 1_750_000_000_000
LIMIT = 1_048_588
_SINGLE_OBJECT_BYTES, _CONFLUENT_BYTES = 10, 5  # before the Avro of a value
STAMPED = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": LIMIT, "min.insync.replicas": 1}
PARKED = {"retention.ms": -1, "retention.bytes": -1, "max.message.bytes": LIMIT + 65536, "min.insync.replicas": 1}
COMPACT = {"cleanup.policy": "compact", "min.insync.replicas": 1}

Headers = Sequence[tuple[str, bytes | None]]


class Place(NamedTuple):
    """Where a record is."""

    topic: str
    partition: int
    offset: int


@dataclass
class KafkaSide:
    """The topics of one test; ``mark`` makes their names its own."""

    bootstrap: str
    mark: str
    partitions: int = 3
    vendor: str = "ecdp"
    beside: "KafkaSide | None" = None  # another vendor's sink, in the same process and from the same topics
    has_poller: bool = False  # of the same account: its state topic counts the requests
    _open: list[Any] = field(default_factory=list)

    @property
    def worker(self) -> str:
        return f"sink-{self.mark}"

    @property
    def created(self) -> str:
        return f"order-created-{(self.beside or self).mark}"

    @property
    def status(self) -> str:
        return f"order-status-{(self.beside or self).mark}"

    @property
    def parked(self) -> str:
        return f"parked-{self.mark}"

    @property
    def receipts(self) -> str:
        return f"receipts-{self.mark}"

    @property
    def tracks(self) -> str | None:
        return f"tracked-{self.mark}" if self.vendor in TRACKED else None

    @property
    def schemas(self) -> dict[str, str]:
        """Topic -> its schema among those of the repository."""
        tracked = {self.tracks: f"{self.vendor}-tracked-orders"} if self.tracks else {}
        tracked |= {name: name for name in self._budgets}
        return {self.created: "order-created", self.status: "order-status", self.receipts: "ecdp-receipts"} | tracked

    @property
    def _budgets(self) -> list[str]:
        """Where the account's requests are counted, without a poller."""
        return ["komet-poll-state"] if self.vendor == "komet" and not self.has_poller else []

    @property
    def group(self) -> str:
        return f"relay.{self.worker}"

    @property
    def configs(self) -> dict[str, dict[str, Any]]:
        tracked: dict[str, dict[str, Any]] = {self.tracks: COMPACT} if self.tracks else {}
        tracked |= dict.fromkeys(self._budgets, COMPACT)
        return tracked | {
            self.created: STAMPED,
            self.status: STAMPED,
            self.parked: PARKED,
            f"{self.parked}-state": COMPACT,
            self.receipts: {"min.insync.replicas": 1},
        }

    def write_config(self, folder: Path) -> Path:
        """Write topics.yaml and the schemas beside it."""
        return write_config(folder, *self.blocks())

    def blocks(self) -> tuple[dict[str, Topic], dict[str, Any]]:
        """All topics and workers."""
        sides = [self, self.beside] if self.beside else [self]
        topics = {name: topic for side in sides for name, topic in side.topics.items()}
        return topics, {side.worker: side._sink() for side in sides}

    @property
    def topics(self) -> dict[str, Topic]:
        return {name: Topic(self.partitions, config, self.schemas.get(name)) for name, config in self.configs.items()}

    def _sink(self) -> dict[str, Any]:
        return {
            "vendor": self.vendor,
            "consumes": [self.created, self.status],
            "parks": self.parked,
            "receipts": self.receipts,
            "credentials": self.vendor.upper(),
        } | ({"tracks": self.tracks} if self.tracks else {})

    def create_topics(self, *names: str) -> Self:
        """Create those named, or all."""
        there = self.beside.configs if self.beside else ()
        wanted = {name for name in names or self.topics if name not in {*there, *self._budgets}}
        create(self.admin, {name: topic for name, topic in self.topics.items() if name in wanted})
        for name in self._budgets:
            with suppress(TopicAlreadyExistsError):  # another test made it: its name is the vendor's
                create(self.admin, {name: self.topics[name]})
        return self

    def configure(self, topic: str, values: dict[str, Any]) -> None:
        """Change a topic's configuration."""
        self.admin.alter_configs([ConfigResource("TOPIC", topic, values)])

    def send_to(self, number: int, order_id: str, **changes: Any) -> Any:
        """Send an order's create to a partition of choice; returns its place."""
        value = self.order(order_id, **changes)
        return self.producer.send(self.created, key=order_id.encode(), value=value, partition=number).get(30)

    @cached_property
    def admin(self) -> Any:
        return self._keep(KafkaAdminClient(bootstrap_servers=self.bootstrap))

    @cached_property
    def codec(self) -> Codec:
        return codec_of(self.schemas)

    @cached_property
    def reader(self) -> Reader:
        made: Reader = self._keep(Reader(self.bootstrap))
        return made

    @cached_property
    def producer(self) -> Any:
        return self.new_producer()

    def new_producer(self, **options: Any) -> Any:
        settings = {"linger_ms": 2, "acks": "all", "enable_idempotence": True} | options
        return self._keep(KafkaProducer(bootstrap_servers=self.bootstrap, **settings))

    def close(self) -> None:
        for client in self._open:
            client.close()

    def _keep(self, client: Any) -> Any:
        self._open.append(client)
        return client

    # Publishing.

    def order(self, order_id: str, **changes: Any) -> bytes:
        """An `OrderCreated` as bytes; ``changes`` to the order's fields."""
        if self.vendor == "ecourier":
            changes = {"delivery": delivery(order_id)} | changes
        if self.vendor == "komet":
            changes = {"attributes": [{"name": "channel", "value": "komet"}], "lines": WEB_ORDER} | changes
        return self.codec.encode(
            self.created, {"event_id": "e", "occurred_at": NOW, "order": _order(order_id, changes)}
        )

    def change(self, order_id: str, state: str, later_ms: int = 0) -> bytes:
        """An `OrderStatus` as bytes; ``later_ms``: so long after its order's create it occurred."""
        event = {"event_id": "e", "occurred_at": NOW + later_ms, "order_id": order_id, "status": state}
        return self.codec.encode(self.status, event)

    def create(self, order_id: str, *, headers: Headers = (), **changes: Any) -> Any:
        """Send an order's create; a future of its place."""
        return self.send(self.created, order_id, self.order(order_id, **changes), headers)

    def set(self, order_id: str, state: str, *, later_ms: int = 0, headers: Headers = ()) -> Any:
        """Send an order's status; a future of its place."""
        return self.send(self.status, order_id, self.change(order_id, state, later_ms), headers)

    def publish_statuses_first(self, ids: Iterable[str], state: str) -> None:
        """As a publisher that waits for no acknowledgement: a broker takes a status before the create of its order."""
        for order_id in ids:
            self.set(order_id, state, later_ms=1)
        self.flush()
        for order_id in ids:
            self.create(order_id)
        self.flush()

    def send(self, topic: str, key: str, value: bytes | None, headers: Headers = ()) -> Any:
        return self.producer.send(topic, key=key.encode(), value=value, headers=producer_headers(tuple(headers)))

    def flush(self) -> None:
        self.producer.flush(timeout=30)

    def publish(self, ids: Iterable[str], *states: str) -> None:
        """All creates, then for each state all its statuses; acknowledged, the creates before a status is sent."""
        ids = list(ids)
        for order_id in ids:
            self.create(order_id)
        self.flush()  # else a broker may take a status first: then it did come before its create
        self.publish_states(ids, *states)

    def publish_states(self, ids: Iterable[str], *states: str) -> None:
        """For each state all its statuses; acknowledged."""
        for state in states:
            for order_id in ids:
                self.set(order_id, state)
        self.flush()

    # Looking.

    def committed(self) -> dict[tuple[str, int], int]:
        found = self.admin.list_group_offsets(self.group)[self.group]
        return {(at.topic, at.partition): commit.offset for at, commit in found.items() if commit.offset >= 0}

    def told(self) -> int:
        """How many records the group's commits tell to be finished: below the offsets, and in their metadata."""
        return len(self.finished())

    def finished(self) -> AbstractSet[Place]:
        """The offsets that the group's commits tell to be finished."""
        found = set()
        for at, commit in self.admin.list_group_offsets(self.group)[self.group].items():
            finished = FinishedOffsets.parse(Partition(at.topic, at.partition), commit.offset, commit.metadata)
            beyond = [offset for offset in range(finished.base, finished.end) if offset in finished] if finished else []
            found |= {Place(at.topic, at.partition, offset) for offset in (*range(commit.offset), *beyond)}
        return found

    def receipts_by_place(self) -> dict[Place, list[Receipt]]:
        """What the sink says that became of each record, the newest last."""
        found: dict[Place, list[Receipt]] = {}
        for record in self.reader.all(self.receipts, self.partitions):
            for one in read_receipts(self.codec, self.receipts, self._without_registry(record.value)):
                found.setdefault(Place(one.topic, record.partition, one.offset), []).append(one)
        return {place: sorted(receipts, key=lambda one: one.finished_at_ms) for place, receipts in found.items()}

    def _without_registry(self, value: bytes) -> bytes:
        """A value of the receipts topic as it is without a registry, whose schema id only the worker knows."""
        if not value.startswith(b"\0"):
            return value
        empty = self.codec.encode(self.receipts, {"worker": "", "instance": "", "receipts": []})
        return empty[:_SINGLE_OBJECT_BYTES] + value[_CONFLUENT_BYTES:]

    def without_receipt(self) -> AbstractSet[Place]:
        """Records that a commit has finished and that no receipt speaks of; there must be none, ever."""
        finished = self.finished()  # read first: receipts come before their commit
        there = {
            Place(one.topic, one.partition, one.offset)
            for topic in (self.created, self.status)
            for one in self.reader.all(topic, self.partitions)
        }
        return (finished & there) - self.receipts_by_place().keys()

    def ends(self) -> dict[tuple[str, int], int]:
        places = [TopicPartition(topic, n) for topic in (self.created, self.status) for n in range(self.partitions)]
        return {(at.topic, at.partition): end for at, end in self.reader.consumer.end_offsets(places).items()}

    def oldest_parked(self) -> dict[int, int]:
        """The oldest offset of each partition of the parked topic."""
        places = [TopicPartition(self.parked, number) for number in range(self.partitions)]
        return {at.partition: offset for at, offset in self.reader.consumer.beginning_offsets(places).items()}

    def all_parked(self) -> list[Any]:
        """Every parked record, by partition and offset."""
        return self.reader.all(self.parked, self.partitions)

    def tracked(self, by: str = "order_number") -> dict[str, Any]:
        """The decoded rows of the tracked orders, the last of each number, or of each ``order_id``."""
        assert self.tracks is not None
        rows = [self.codec.decode_any(self.tracks, one.value) for one in self.reader.all(self.tracks, self.partitions)]
        return {row[by]: row for row in rows}

    def fences(self) -> dict[str, dict[str, Any]]:
        """The rows of the parked state, the last of each order; ended ones left out."""
        rows = {one.key.decode(): one.value for one in self.reader.all(f"{self.parked}-state", self.partitions)}
        return {order_id: json.loads(value) for order_id, value in rows.items() if value is not None}


def header(record: Any, name: str) -> str:
    """The one header of that name, as text."""
    found = [value for key, value in record.headers if key == name]
    assert len(found) == 1, (name, record.headers)
    return bytes(found[0]).decode()


def reasons(parked: Iterable[Any]) -> list[tuple[str, str]]:
    """(key, reason) of parked records."""
    return [(one.key.decode(), header(one, "relay-reason")) for one in parked]


def delivery(order_id: str, **changes: Any) -> dict[str, Any]:
    """A delivery with all that e-Courier requires."""
    stops = [{"sequence": 1, "type": "pickup"}, {"sequence": 2, "type": "destination", "scheduled_at": NOW}]
    return {"service": "Route", "reference": f"R-{order_id}", "stops": stops} | changes


def _order(order_id: str, changes: dict[str, Any]) -> dict[str, Any]:
    order = {
        "order_id": order_id,
        "placed_at": NOW,
        "total_value": (150_000).to_bytes(4, "big"),
        "customer": {"email": "ada@example.com"},
        "lines": [_LINE],
    }
    return order | changes


TRACKED = ("ecourier", "komet")  # vendors whose sinks keep marks
WEB_ORDER = [
    {"product_id": product, "name": "Roses", "unit_price": (12_500).to_bytes(4, "big"), "quantity": boxes}
    for product, boxes in (("7001", 2), ("7002", 1), ("7001", 3))
]
_LINE = {"product_id": "p", "name": "n", "unit_price": (150_000).to_bytes(4, "big"), "quantity": 1}
