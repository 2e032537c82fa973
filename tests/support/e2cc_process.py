"""An E2CC poller as a process, on a real Kafka, before a simulated E2CC whose books change; and what was published."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from kafka import KafkaAdminClient

from tests.support.kafka_side import COMPACT
from tests.support.poller_process import (
    PLAIN,
    ByItem,
    ByOrder,
    Published,
    assert_stages_published_once,
    whole_units,
)
from tests.support.relay_process import Processes, Relay
from tests.support.sink_process import fresh
from tests.support.topics import Reader, Topic, create, write_config
from tests.support.vendor import KEY, Vendor
from tests.support.waiting import PATIENCE_S, wait_for
from workers.devkit.simulators.e2cc.books import Books

SCHEMAS: Final = ("order-stage-changed", "invoice-changed", "inventory-changed", "credit-changed", "return-changed")
SETS: Final = ("orders", "shipments", "invoices", "inventories", "credits", "rmas")
QUICK: Final = {"retry": {"first": "100ms", "max": "500ms"}, "sets": {name: {"every": "300ms"} for name in SETS}}


class E2cc(Vendor):
    """A simulated E2CC; its books change only when a test says so."""

    def __init__(self, **knobs: Any) -> None:
        super().__init__("e2cc", **{"changes": 0} | knobs)

    @property
    def books(self) -> Books:
        found: Books = self.simulator.ledger.books
        return found

    def happen(self, count: int) -> None:
        self.call(lambda: self.simulator.ledger.happen(count, self.simulator.server.faults))

    def states(self) -> dict[str, tuple[str, dict[str, str]]]:
        """Of every order, its status and those of its shipments."""
        orders = self.call(self.simulator.ledger.orders)
        return {number: (order["status"], order["shipments"]) for number, order in orders.items()}


@dataclass
class E2ccRig:
    """One poller of its own: topics, worker name, vendor, processes, and its key in a mounted file."""

    e2cc: E2cc
    processes: Processes
    reader: Reader
    key_file: Path
    mark: str = field(default_factory=lambda: fresh("p"))

    @property
    def worker(self) -> str:
        return f"poller-{self.mark}"

    @cached_property
    def _topics(self) -> dict[str, str]:
        return {f"{schema}-{self.mark}": schema for schema in SCHEMAS}

    @cached_property
    def _published(self) -> Published:
        return Published(self.reader, self._topics)

    def prepare(self, **keys: Any) -> None:
        """Write topics.yaml and create its topics."""
        topics = {name: Topic(1, PLAIN, schema) for name, schema in self._topics.items()}
        topics[f"state-{self.mark}"] = Topic(1, COMPACT, "e2cc-poll-state")
        poller = {"vendor": "e2cc", "publishes": list(self._topics), "state": f"state-{self.mark}"} | QUICK | keys
        write_config(self.processes.folder, topics, {self.worker: poller})
        admin = KafkaAdminClient(bootstrap_servers=self.processes.bootstrap)
        create(admin, topics)
        admin.close()

    def start(self, instance: str = "one") -> Relay:
        return self.processes.run(self.worker, instance=instance)

    def orders(self) -> ByOrder:
        return self._published.by_order(f"order-stage-changed-{self.mark}", "e2cc", 1)

    def items(self, schema: str) -> ByItem:
        return self._published.by_item(f"{schema}-{self.mark}")

    def wait_for_all(self) -> ByOrder:
        """Wait until the last event of everything is E2CC's state; no event is repeated, no sequence has a gap."""
        wait_for(self._is_complete, f"what is published is not E2CC's; {self.processes.logs()}", 2 * PATIENCE_S)
        found = self.orders()
        assert_stages_published_once(found, "stage")
        return found

    def _is_complete(self) -> bool:
        books, orders = self.e2cc.books, self.e2cc.states()
        last = {number: events[-1] for number, events in self.orders().items() if events[-1]["op"] != "deleted"}
        invoices = {number: events[-1]["status"] for number, events in self.items("invoice-changed").items()}
        stock = {
            key: whole_units(events[-1]["available"], 6) for key, events in self.items("inventory-changed").items()
        }
        return (
            last.keys() == orders.keys()
            and all(_shows(last[number], *order) for number, order in orders.items())
            and invoices == {one.number: one.status for one in books.invoices.records}
            and stock == {f"{one.number}:{one.warehouse}": one.quantity for one in books.items}
            and set(self.items("return-changed")) == {str(one.number) for one in books.returns}
        )


def _shows(event: dict[str, Any], status: str, shipments: dict[str, str]) -> bool:
    """Whether the event is the order as it is; of what was closed at the first start, no details are read."""
    shown = {one["shipment_id"]: one["packages"][0]["delivery_status"] for one in event["shipments"]}
    return event["stage"] == status and (event["op"] == "snapshot" or shown == shipments)


@contextmanager
def open_e2cc_rig(bootstrap: str, folder: Path, **knobs: Any) -> Iterator[E2ccRig]:
    """Everything that one test needs, ended with it; ``keys`` among the knobs are the poller's."""
    with ExitStack() as ends:
        keys = knobs.pop("keys", {})
        e2cc = E2cc(**knobs)
        ends.callback(e2cc.stop)
        key_file = folder / "access-key"
        key_file.write_text(KEY)
        processes = Processes(bootstrap, folder, {"E2CC_BASE_URL": e2cc.url, "E2CC_ACCESS_KEY_FILE": str(key_file)})
        ends.callback(processes.close)
        rig = E2ccRig(e2cc, processes, ends.enter_context(closing(Reader(bootstrap))), key_file)
        rig.prepare(**keys)
        yield rig
