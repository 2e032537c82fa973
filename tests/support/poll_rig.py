"""A poller as a process, on a real Kafka, before a simulated DCL whose orders change; and what was published."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer

from tests.support.relay_rig import ROOT, Relay, fresh, launch, relay_command, wait_for
from tests.support.topics import Topic, create, read_whole, write_config
from workers.devkit.simulators import SimulatorOptions
from workers.devkit.simulators.dcl import USERNAME
from workers.devkit.simulators.dcl import simulator as new_simulator
from workers.devkit.simulators.faults import QUIET
from workers.edges.avro.codec import Codec
from workers.edges.avro.schema_files import load_topic

T = TypeVar("T")

PASSWORD = "demo-key"
PARTITIONS = 3


class Dcl:
    """The simulator on a loop in a thread of its own; everything is done to it there."""

    def __init__(self, **knobs: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        faults = QUIET.changed({"changes": 0} | knobs)
        self.simulator = new_simulator(SimulatorOptions(secret=PASSWORD, faults=faults))
        self.url = self._wait(self.simulator.start())

    def put(self, number: str, stage: int, *, age_ms: int = 0, **how: Any) -> None:
        """Create an order or move it on; ``age_ms`` ago by DCL's clock."""
        orders = self.simulator.ledger.orders_by_number

        def put() -> None:
            clock, now = orders.clock_ms, orders.clock_ms()
            orders.clock_ms = lambda: now - age_ms
            self.simulator.ledger.put(number, stage, **how)
            orders.clock_ms = clock

        self._call(put)

    def happen(self, count: int) -> None:
        """Orders are received and move on, by chance."""
        self._call(lambda: self.simulator.ledger.happen(count, self.simulator.server.faults))

    def faults(self, **knobs: Any) -> None:
        self._wait(self.simulator.set_faults(**knobs))

    @property
    def requests(self) -> int:
        return self.simulator.server.requests.total()

    def stages(self) -> dict[str, int]:
        """The last stage of every order."""
        orders = self.simulator.ledger.orders_by_number
        return self._call(lambda: {number: versions[-1].stage for number, versions in orders.versions.items()})

    def stop(self) -> None:
        self._wait(self.simulator.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, what: Callable[[], T]) -> T:
        async def call() -> T:
            return what()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(20)

    def _wait(self, what: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)


@dataclass
class PollRig:
    """One poller of its own: topics, worker name, vendor, processes."""

    bootstrap: str
    folder: Path
    dcl: Dcl
    shards: int = 1
    mark: str = field(default_factory=lambda: fresh("p"))
    relays: list[Relay] = field(default_factory=list)

    @property
    def worker(self) -> str:
        return f"poller-{self.mark}"

    @property
    def events_topic(self) -> str:
        return f"stages-{self.mark}"

    @property
    def state_topic(self) -> str:
        return f"state-{self.mark}"

    def prepare(self, **keys: Any) -> None:
        """Write topics.yaml and create its topics."""
        compact = {"cleanup.policy": "compact", "min.insync.replicas": 1}
        topics = {
            self.events_topic: Topic(PARTITIONS, {"min.insync.replicas": 1}, "order-stage-changed"),
            self.state_topic: Topic(self.shards, compact, "dcl-poll-state"),
        }
        times = {"every": "300ms", "settle_lag": "2s", "lookback": "1h", "retry": {"first": "200ms", "max": "1s"}}
        poller = {"vendor": "dcl", "publishes": [self.events_topic], "state": self.state_topic} | times | keys
        write_config(self.folder, topics, {self.worker: poller})
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        create(admin, topics)
        admin.close()

    def environ(self, instance: str = "one") -> dict[str, str]:
        return dict(os.environ) | {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "RELAY_TOPOLOGY": str(self.folder / "topics.yaml"),
            "RELAY_HTTP_ADDR": "127.0.0.1:0",
            "RELAY_INSTANCE_ID": instance,
            "DCL_BASE_URL": self.dcl.url,
            "DCL_USERNAME": USERNAME,
            "DCL_PASSWORD": PASSWORD,
        }

    def start(self, instance: str = "one") -> Relay:
        file = self.folder / f"relay-{instance}-{len(self.relays)}.log"
        relay = launch([self.worker], self.environ(instance), file)
        self.relays.append(relay)
        return relay

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one `relay` command to its end."""
        return relay_command(self.environ(), *arguments)

    def close(self) -> None:
        for relay in self.relays:
            if relay.process.poll() is None:
                relay.kill()

    # What was published.

    def events(self) -> list[dict[str, Any]]:
        """Every event that a reader of committed records sees, by partition and offset."""
        codec = Codec(
            {self.events_topic: load_topic(self.events_topic, ROOT / "schemas/order-stage-changed.avsc")},
            time.monotonic,
        )
        return [codec.decode_any(self.events_topic, one.value) for one in self.records()]

    def records(self, topic: str | None = None, partitions: int = PARTITIONS) -> list[Any]:
        reader = KafkaConsumer(
            bootstrap_servers=self.bootstrap, enable_auto_commit=False, isolation_level="read_committed"
        )
        return read_whole(reader, topic or self.events_topic, range(partitions))

    def published(self) -> dict[str, list[dict[str, Any]]]:
        """By order number, in the order of publication."""
        found: dict[str, list[dict[str, Any]]] = {}
        for event in self.events():
            found.setdefault(event["order_number"], []).append(event)
        return found

    def wait_for_all(self, within: float = 40.0) -> dict[str, list[dict[str, Any]]]:
        """Wait until the last published stage of every order is DCL's; nothing is repeated, no sequence has a gap."""

        def complete() -> dict[str, list[dict[str, Any]]] | None:
            found = self.published()
            last = {number: events[-1]["stage_code"] for number, events in found.items()}
            return found if last == self.dcl.stages() else None

        found = wait_for(complete, f"what is published is not what DCL has; {self.logs()}", within)
        assert_once(found)
        return found

    def logs(self) -> str:
        return "\n".join(relay.text[-1500:] for relay in self.relays[-2:])


def assert_once(found: dict[str, list[dict[str, Any]]]) -> None:
    """Each order's sequence is 1, 2, ...; each event id comes once; each event tells what was before."""
    ids = [event["event_id"] for events in found.values() for event in events]
    assert len(set(ids)) == len(ids)
    for number, events in found.items():
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1)), number
        stages = [event["stage_code"] for event in events]
        assert before(events) == [None, *stages[:-1]], number


def before(events: Sequence[dict[str, Any]]) -> list[int | None]:
    return [event["previous"] and event["previous"]["stage_code"] for event in events]


@contextmanager
def open_poll_rig(bootstrap: str, folder: Path, **knobs: Any) -> Iterator[PollRig]:
    """Everything that one test needs, ended with it; ``keys`` among the knobs are the poller's."""
    with ExitStack() as ends:
        keys, shards = knobs.pop("keys", {}), knobs.pop("shards", 1)
        dcl = Dcl(**knobs)
        ends.callback(dcl.stop)
        rig = PollRig(bootstrap, folder, dcl, shards)
        rig.prepare(**keys)
        ends.callback(rig.close)
        yield rig
