"""The e-Courier sink and poller as processes, on a real Kafka, before a simulated e-Courier whose orders move."""

from __future__ import annotations

import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from tests.support.kafka_side import COMPACT, KafkaSide
from tests.support.relay_rig import ROOT, Relay, Vendor, fresh, launch, relay_command, wait_for
from tests.support.topics import Topic, create, write_config
from workers.devkit.simulators.ecourier_events import event_identity, identities
from workers.edges.avro.codec import Codec
from workers.edges.avro.schema_files import load_topic

PLAIN = {"min.insync.replicas": 1}
QUICK = {"retry": {"first": "50ms", "max": "500ms"}}

Event = dict[str, Any]
ByOrder = dict[str, list[Event]]
"""By the vendor's order number, in the sequence of publication."""


@dataclass
class EcourierPollRig:
    """One sink and one poller of its own: topics, names, vendor, processes."""

    kafka: KafkaSide
    folder: Path
    vendor: Vendor
    keys: Mapping[str, Any] = field(default_factory=dict)  # of the poller
    relays: list[Relay] = field(default_factory=list)

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
    def state_topic(self) -> str:
        return f"state-{self.kafka.mark}"

    @property
    def tracked_topic(self) -> str:
        assert self.kafka.tracks is not None
        return self.kafka.tracks

    def prepare(self) -> None:
        """Write topics.yaml and create its topics."""
        partitions = self.kafka.partitions
        own = {
            self.stages_topic: Topic(partitions, PLAIN, "order-stage-changed"),
            self.events_topic: Topic(partitions, PLAIN, "courier-order-event"),
            self.state_topic: Topic(partitions, COMPACT, "ecourier-poll-state"),
        }
        topics, workers = self.kafka.blocks()
        workers[self.sink] |= QUICK
        write_config(self.folder, topics | own, workers | {self.poller: self._poller()})
        self.kafka.create_topics()
        create(self.kafka.admin, own)

    def _poller(self) -> dict[str, Any]:
        return {
            "vendor": "ecourier",
            "publishes": [self.stages_topic, self.events_topic],
            "state": self.state_topic,
            "follows": self.tracked_topic,
            "credentials": "ECOURIER",
            "every": "200ms",
            "slower": [],
            **QUICK,
            **self.keys,
        }

    def environ(self, instance: str = "one") -> dict[str, str]:
        return dict(os.environ) | {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "RELAY_TOPOLOGY": str(self.folder / "topics.yaml"),
            "RELAY_REPLICATION_FACTOR": "1",
            "RELAY_HTTP_ADDR": "127.0.0.1:0",
            "RELAY_INSTANCE_ID": instance,
            **self.vendor.variables,
        }

    def start(self, *names: str, instance: str = "one") -> Relay:
        """Start these workers in one process (the poller, if none is named); the first one's status is shown."""
        names = names or (self.poller,)
        file = self.folder / f"relay-{instance}-{len(self.relays)}.log"
        relay = launch(names, self.environ(instance), file)
        self.relays.append(relay)
        return relay

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one `relay` command to its end."""
        return relay_command(self.environ(), *arguments)

    def close(self) -> None:
        for relay in self.relays:
            if relay.process.poll() is None:
                relay.kill()

    # At the vendor.

    def move(self, number: str, status: str | None = None, **event: str) -> None:
        """Set the order's status, or add an event with these fields."""
        body = {"order_number": number, "status": status, "event": event or None}
        with httpx.Client(trust_env=False) as client:
            client.post(f"{self.vendor.simulator.control_url}/_sim/orders", json=body).raise_for_status()

    def orders(self) -> dict[str, Any]:
        """Every order as the vendor has it, with what does not show yet."""
        with httpx.Client(trust_env=False) as client:
            shown: dict[str, Any] = client.get(f"{self.vendor.simulator.control_url}/_sim/orders").json()
            return shown

    def save(self, *order_ids: str) -> None:
        """Publish orders with a delivery, and wait until the sink has saved and tracked them."""
        self.kafka.publish(order_ids)
        wanted = {f"OR-{order_id}" for order_id in order_ids}
        wait_for(lambda: wanted <= self.kafka.tracked().keys(), f"the sink does not track them; {self.logs()}")

    # What was published.

    @cached_property
    def codec(self) -> Codec:
        kinds = {self.stages_topic: "order-stage-changed", self.events_topic: "courier-order-event"}
        topics = {topic: load_topic(topic, ROOT / f"schemas/{schema}.avsc") for topic, schema in kinds.items()}
        return Codec(topics, time.monotonic)

    def records(self, topic: str) -> list[Any]:
        """Every record that a reader of committed ones sees, by partition and offset."""
        found: list[Any] = self.kafka._all(topic)
        return found

    def stages(self) -> ByOrder:
        return self._by_order(self.stages_topic)

    def events(self) -> ByOrder:
        return self._by_order(self.events_topic)

    def _by_order(self, topic: str) -> ByOrder:
        found: ByOrder = defaultdict(list)
        for record in self.records(topic):
            event = self.codec.decode_any(topic, record.value)
            assert record.key.decode() == f"ecourier:{event['order_number']}"
            found[event["order_number"]].append(event)
        return found

    def tombstones(self) -> list[str]:
        """The order numbers whose row was ended, as often as it was."""
        return [one.key.decode() for one in self.records(self.tracked_topic) if one.value is None]

    def still_tracked(self) -> set[str]:
        """The order numbers whose last row is no tombstone."""
        last = {one.key.decode(): one.value for one in self.records(self.tracked_topic)}
        return {number for number, value in last.items() if value is not None}

    def wait_for_all(self, within: float = 40.0) -> tuple[ByOrder, ByOrder]:
        """Wait until each order's last stage and all its events are published; and each of them was so once."""

        def complete() -> tuple[ByOrder, ByOrder] | None:
            wanted = {number: (order["@OrderStatus"], identities(order)) for number, order in self.orders().items()}
            stages, events = self.stages(), self.events()
            found = {
                number: (stages[number][-1]["stage"], frozenset(map(event_identity, events[number])))
                for number in stages.keys() & events.keys()
            }
            return (stages, events) if found == wanted else None

        stages, events = wait_for(complete, f"what is published is not what e-Courier has; {self.logs()}", within)
        assert_once(stages, events)
        return stages, events

    def logs(self) -> str:
        return "\n".join(relay.text[-1500:] for relay in self.relays[-2:])


def assert_once(stages: ByOrder, events: ByOrder) -> None:
    """Each event comes once; each order's sequence is 1, 2, ...; each stage tells what was before."""
    for found in (stages, events):
        ids = [event["event_id"] for listed in found.values() for event in listed]
        assert len(set(ids)) == len(ids)
    for number, listed in events.items():
        found_once = {event_identity(event) for event in listed}
        assert len(found_once) == len(listed), number
    for number, listed in stages.items():
        assert [event["sequence"] for event in listed] == list(range(1, len(listed) + 1)), number
        names = [event["stage"] for event in listed]
        assert before(listed) == [None, *names[:-1]], number


def before(listed: Sequence[Event]) -> list[str | None]:
    return [event["previous"] and event["previous"]["stage"] for event in listed]


@contextmanager
def open_ecourier_poll_rig(bootstrap: str, folder: Path, partitions: int = 3, **keys: Any) -> Iterator[EcourierPollRig]:
    """Everything that one test needs, ended with it; ``keys`` are the poller's."""
    with ExitStack() as ends:
        kafka = KafkaSide(bootstrap, fresh("e"), partitions, "ecourier")
        ends.callback(kafka.close)
        vendor = Vendor("ecourier")
        ends.callback(vendor.stop)
        rig = EcourierPollRig(kafka, folder, vendor, keys)
        rig.prepare()
        ends.callback(rig.close)
        yield rig


MakeEcourierPollRig = Callable[..., EcourierPollRig]
