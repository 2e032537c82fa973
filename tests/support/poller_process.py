"""Pollers as processes, on a real Kafka, before simulated vendors whose orders change; and what was published."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from kafka import KafkaAdminClient, KafkaProducer

from tests.support.kafka_side import COMPACT, KafkaSide
from tests.support.relay_process import HTTP, Processes, Ran, Relay
from tests.support.sink_process import fresh
from tests.support.topics import Reader, Topic, codec_of, create, write_config
from tests.support.vendor import Dcl, Vendor
from tests.support.waiting import PATIENCE_S, wait_for
from workers.devkit.simulators.ecourier_events import event_identity, identities
from workers.edges.avro.codec import Codec

PARTITIONS = 3
PLAIN = {"min.insync.replicas": 1}
QUICK = {"retry": {"first": "50ms", "max": "500ms"}}

Event: TypeAlias = dict[str, Any]
ByOrder: TypeAlias = dict[str, list[Event]]
"""By the vendor's order number, in the sequence of publication."""
ByItem: TypeAlias = dict[str, list[Event]]
"""By what an event's key names besides the vendor."""


@dataclass
class Published:
    """What a reader sees in these topics (topic -> schema), by partition and offset."""

    reader: Reader
    schemas: Mapping[str, str]

    @cached_property
    def codec(self) -> Codec:
        return codec_of(self.schemas)

    def records(self, topic: str, partitions: int = PARTITIONS) -> list[Any]:
        return self.reader.all(topic, partitions)

    def events(self, topic: str, partitions: int = PARTITIONS) -> list[Event]:
        return [self.codec.decode_any(topic, one.value) for one in self.records(topic, partitions)]

    def by_order(self, topic: str, vendor: str, partitions: int = PARTITIONS) -> ByOrder:
        found: ByOrder = defaultdict(list)
        for record in self.records(topic, partitions):
            event = self.codec.decode_any(topic, record.value)
            assert record.key.decode() == f"{vendor}:{event['order_number']}"
            found[event["order_number"]].append(event)
        return found

    def by_item(self, topic: str) -> ByItem:
        """The events of a topic of one partition, by what they are about; each sequence has no gap."""
        found: ByItem = defaultdict(list)
        for record in self.records(topic, 1):
            event = self.codec.decode_any(topic, record.value)
            found[record.key.decode().partition(":")[2]].append(event)
        for name, events in found.items():
            assert [event["sequence"] for event in events] == list(range(1, len(events) + 1)), name
        assert_ids_once(found)
        return found


def assert_stages_published_once(stages: ByOrder, field_name: str) -> None:
    """Each order's sequence is 1, 2, ...; each event id comes once; each event carries the stage before it."""
    assert_ids_once(stages)
    for number, events in stages.items():
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1)), number
        before = [event["previous"] and event["previous"][field_name] for event in events]
        assert before == [None, *(event[field_name] for event in events[:-1])], number


def assert_ids_once(found: ByOrder) -> None:
    ids = [event["event_id"] for events in found.values() for event in events]
    assert len(set(ids)) == len(ids)


def whole_units(unscaled: bytes, places: int) -> int:
    """An Avro decimal without its last so many places."""
    whole: int = int.from_bytes(unscaled, "big", signed=True) // 10**places
    return whole


def take_transactional_id(bootstrap: str, name: str) -> None:
    """Fence the owner of a shard, as its successor does."""
    with closing(KafkaProducer(bootstrap_servers=bootstrap, transactional_id=name)) as successor:
        successor.init_transactions()


@dataclass
class DclRig:
    """One DCL poller of its own: topics, worker name, vendor, processes."""

    dcl: Dcl
    processes: Processes
    reader: Reader
    shards: int = 1
    mark: str = field(default_factory=lambda: fresh("p"))

    @property
    def worker(self) -> str:
        return f"poller-{self.mark}"

    @property
    def events_topic(self) -> str:
        return f"stages-{self.mark}"

    @property
    def state_topic(self) -> str:
        return f"state-{self.mark}"

    @cached_property
    def _published(self) -> Published:
        return Published(self.reader, {self.events_topic: "order-stage-changed"})

    def prepare(self, **keys: Any) -> None:
        """Write topics.yaml and create its topics."""
        topics = {
            self.events_topic: Topic(PARTITIONS, PLAIN, "order-stage-changed"),
            self.state_topic: Topic(self.shards, COMPACT, "dcl-poll-state"),
        }
        times = {"every": "300ms", "settle_lag": "2s", "lookback": "1h", "retry": {"first": "200ms", "max": "1s"}}
        poller = {"vendor": "dcl", "publishes": [self.events_topic], "state": self.state_topic} | times | keys
        write_config(self.processes.folder, topics, {self.worker: poller})
        admin = KafkaAdminClient(bootstrap_servers=self.processes.bootstrap)
        create(admin, topics)
        admin.close()

    def start(self, instance: str = "one") -> Relay:
        return self.processes.run(self.worker, instance=instance)

    def command(self, *arguments: str) -> Ran:
        """Run one `relay` command to its end."""
        return self.processes.command(*arguments)

    def events(self) -> list[Event]:
        return self._published.events(self.events_topic)

    def records(self) -> list[Any]:
        return self._published.records(self.events_topic)

    def wait_for_all(self) -> ByOrder:
        """Wait until the last published stage of every order is DCL's; no event is repeated, no sequence has a gap."""

        def complete() -> ByOrder | None:
            found = self._published.by_order(self.events_topic, "dcl")
            last = {number: events[-1]["stage_code"] for number, events in found.items()}
            return found if last == self.dcl.stages() else None

        found = wait_for(complete, f"the published stages are not DCL's; {self.processes.logs()}", PATIENCE_S)
        assert_stages_published_once(found, "stage_code")
        return found


@contextmanager
def open_dcl_rig(bootstrap: str, folder: Path, **knobs: Any) -> Iterator[DclRig]:
    """Everything that one test needs, ended with it; ``keys`` among the knobs are the poller's."""
    with ExitStack() as ends:
        keys, shards = knobs.pop("keys", {}), knobs.pop("shards", 1)
        dcl = Dcl(**knobs)
        ends.callback(dcl.stop)
        processes = Processes(bootstrap, folder, dcl.variables)
        ends.callback(processes.close)
        rig = DclRig(dcl, processes, ends.enter_context(closing(Reader(bootstrap))), shards)
        rig.prepare(**keys)
        yield rig


@dataclass
class EcourierRig:
    """One e-Courier sink and one poller of its own: topics, names, vendor, processes."""

    kafka: KafkaSide
    vendor: Vendor
    processes: Processes

    @property
    def sink(self) -> str:
        return self.kafka.worker

    @property
    def poller(self) -> str:
        return f"poller-{self.kafka.mark}"

    @property
    def stages_topic(self) -> str:
        return f"stages-{self.kafka.mark}"

    @property
    def events_topic(self) -> str:
        return f"events-{self.kafka.mark}"

    @property
    def tracked_topic(self) -> str:
        assert self.kafka.tracks is not None
        return self.kafka.tracks

    @cached_property
    def _published(self) -> Published:
        schemas = {self.stages_topic: "order-stage-changed", self.events_topic: "courier-order-event"}
        return Published(self.kafka.reader, schemas)

    @property
    def codec(self) -> Codec:
        return self._published.codec

    def prepare(self, keys: Mapping[str, Any]) -> None:
        """Write topics.yaml, with ``keys`` for the poller, and create its topics."""
        state, partitions = f"state-{self.kafka.mark}", self.kafka.partitions
        own = {
            self.stages_topic: Topic(partitions, PLAIN, "order-stage-changed"),
            self.events_topic: Topic(partitions, PLAIN, "courier-order-event"),
            state: Topic(partitions, COMPACT, "ecourier-poll-state"),
        }
        poller = {
            "vendor": "ecourier",
            "publishes": [self.stages_topic, self.events_topic],
            "state": state,
            "follows": self.tracked_topic,
            "credentials": "ECOURIER",
            "every": "200ms",
            "slower": [],
            **QUICK,
            **keys,
        }
        topics, workers = self.kafka.blocks()
        workers[self.sink] |= QUICK
        write_config(self.processes.folder, topics | own, workers | {self.poller: poller})
        self.kafka.create_topics()
        create(self.kafka.admin, own)

    def start(self, *names: str, instance: str = "one") -> Relay:
        """Start these workers in one process (the poller, if none is named)."""
        relay = self.processes.run(*(names or (self.poller,)), instance=instance)
        relay.ends = self.kafka.ends
        return relay

    def command(self, *arguments: str) -> Ran:
        """Run one `relay` command to its end."""
        return self.processes.command(*arguments)

    def logs(self) -> str:
        return self.processes.logs()

    # At the vendor.

    def move(self, number: str, status: str | None = None, **event: str) -> None:
        """Set the order's status, or add an event with these fields."""
        body = {"order_number": number, "status": status, "event": event or None}
        HTTP.post(f"{self.vendor.simulator.control_url}/_sim/orders", json=body).raise_for_status()

    def orders(self) -> dict[str, Any]:
        """Every order as the vendor has it, with what does not show yet."""
        shown: dict[str, Any] = HTTP.get(f"{self.vendor.simulator.control_url}/_sim/orders").json()
        return shown

    def save(self, *order_ids: str) -> None:
        """Publish orders with a delivery, and wait until the sink has saved and tracked them."""
        self.kafka.publish(order_ids)
        wanted = {f"OR-{order_id}" for order_id in order_ids}
        wait_for(lambda: wanted <= self.kafka.tracked().keys(), f"the sink does not track them; {self.logs()}")

    # What was published.

    def records(self, topic: str) -> list[Any]:
        return self._published.records(topic, self.kafka.partitions)

    def stages(self) -> ByOrder:
        return self._published.by_order(self.stages_topic, "ecourier", self.kafka.partitions)

    def events(self) -> ByOrder:
        return self._published.by_order(self.events_topic, "ecourier", self.kafka.partitions)

    def tombstones(self) -> list[str]:
        """The order numbers whose row was ended, as often as it was."""
        return [one.key.decode() for one in self.records(self.tracked_topic) if one.value is None]

    def still_tracked(self) -> set[str]:
        """The order numbers whose last row is no tombstone."""
        last = {one.key.decode(): one.value for one in self.records(self.tracked_topic)}
        return {number for number, value in last.items() if value is not None}

    def wait_for_all(self) -> tuple[ByOrder, ByOrder]:
        """Wait until each order's last stage and all its events are published; each of them only once."""

        def complete() -> tuple[ByOrder, ByOrder] | None:
            wanted = {number: (order["@OrderStatus"], identities(order)) for number, order in self.orders().items()}
            stages, events = self.stages(), self.events()
            found = {
                number: (stages[number][-1]["stage"], frozenset(map(event_identity, events[number])))
                for number in stages.keys() & events.keys()
            }
            return (stages, events) if found == wanted else None

        stages, events = wait_for(complete, f"what is published is not what e-Courier has; {self.logs()}", PATIENCE_S)
        assert_stages_published_once(stages, "stage")
        assert_ids_once(events)
        for number, listed in events.items():
            assert len({event_identity(event) for event in listed}) == len(listed), number
        return stages, events


@contextmanager
def open_ecourier_rig(bootstrap: str, folder: Path, partitions: int = 3, **keys: Any) -> Iterator[EcourierRig]:
    """Everything that one test needs, ended with it; ``keys`` are the poller's."""
    with ExitStack() as ends:
        kafka = KafkaSide(bootstrap, fresh("e"), partitions, "ecourier")
        ends.callback(kafka.close)
        vendor = Vendor("ecourier")
        ends.callback(vendor.stop)
        processes = Processes(bootstrap, folder, vendor.variables)
        ends.callback(processes.close)
        rig = EcourierRig(kafka, vendor, processes)
        rig.prepare(keys)
        yield rig
