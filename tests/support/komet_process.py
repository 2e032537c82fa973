"""A Komet poller and a Komet sink as processes, on a real Kafka, before a simulated Komet; and what was published."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from tests.support.kafka_side import COMPACT, KafkaSide
from tests.support.poller_process import (
    PLAIN,
    ByItem,
    ByOrder,
    Published,
    assert_stages_published_once,
    whole_units,
)
from tests.support.poller_process import QUICK as RETRY
from tests.support.relay_process import Processes, Ran, Relay
from tests.support.sink_process import fresh
from tests.support.topics import Topic, create, write_config
from tests.support.vendor import Vendor
from tests.support.waiting import PATIENCE_S, wait_for
from workers.devkit.simulators.komet.ledger import KometLedger
from workers.devkit.simulators.komet.seller import Invoice

SCHEMAS: Final = ("order-stage-changed", "invoice-changed", "inventory-changed", "credit-changed")
SETS: Final = ("invoices", "web_orders", "prebooks", "inventory", "customer")
QUICK: Final = RETRY | {"settle_lag": "1s", "look_again": {"every": "1s", "back": "1m"}}
STATUSES: Final = {2: "Draft", 0: "Pending Approval", 1: "Confirmed", 4: "Voided"}


@dataclass
class KometRig:
    """One Komet sink and one poller of one account: topics, names, vendor, processes."""

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
    def ledger(self) -> KometLedger:
        found: KometLedger = self.vendor.simulator.ledger
        return found

    @cached_property
    def _topics(self) -> dict[str, str]:
        return {f"{schema}-{self.kafka.mark}": schema for schema in SCHEMAS}

    @cached_property
    def _published(self) -> Published:
        return Published(self.kafka.reader, self._topics)

    def prepare(self, budget: Mapping[str, Any], every: str = "300ms") -> None:
        """Write topics.yaml, with one budget for both workers, and create its topics."""
        state = f"state-{self.kafka.mark}"
        own = {name: Topic(1, PLAIN, schema) for name, schema in self._topics.items()}
        own[state] = Topic(1, COMPACT, "komet-poll-state")
        sets = {name: {"every": every} for name in SETS}
        poller = {"vendor": "komet", "publishes": list(self._topics), "state": state, "sets": sets, **QUICK}
        topics, workers = self.kafka.blocks()
        workers = {self.sink: workers[self.sink] | RETRY, self.poller: poller}
        write_config(
            self.processes.folder, topics | own, {name: one | {"budget": budget} for name, one in workers.items()}
        )
        self.kafka.create_topics()
        create(self.kafka.admin, own)

    def start(self, worker: str, instance: str = "one") -> Relay:
        relay = self.processes.run(worker, instance=instance)
        relay.ends = self.kafka.ends
        return relay

    def command(self, *arguments: str) -> Ran:
        """Run one `relay` command to its end."""
        return self.processes.command(*arguments)

    def happen(self, count: int) -> None:
        """Have invoices made and changed, and now and then stock, credit and prebooks."""
        self.vendor.call(lambda: self.ledger.happen(count, self.vendor.simulator.server.faults))

    def orders(self) -> ByOrder:
        return self._published.by_order(f"order-stage-changed-{self.kafka.mark}", "komet", 1)

    def items(self, schema: str) -> ByItem:
        return self._published.by_item(f"{schema}-{self.kafka.mark}")

    def wait_for_all(self) -> ByOrder:
        """Wait until the last event of everything is Komet's state; no event is repeated, no sequence has a gap."""
        wait_for(self._is_complete, f"what is published is not Komet's; {self.processes.logs()}", 2 * PATIENCE_S)
        found = self.orders()
        assert_stages_published_once(found, "stage")
        return found

    def _is_complete(self) -> bool:
        seller, orders = self.ledger.seller, self.vendor.call(self.ledger.orders)
        stages = {number: events[-1]["stage_code"] for number, events in self.orders().items()}
        invoices = {number: _shown(events[-1]) for number, events in self.items("invoice-changed").items()}
        stock = {
            key: whole_units(events[-1]["available"], 6) for key, events in self.items("inventory-changed").items()
        }
        [credit] = self.items("credit-changed").values() or [[{"credit_limit": b""}]]
        return (
            stages == {number: order["stage"] for number, order in orders.items()}
            and invoices == {str(one.number): _state(one) for one in seller.invoices.values()}
            and stock == {f"{one.id}:{one.origin}": one.boxes for one in seller.stock}
            and whole_units(credit[-1]["credit_limit"], 2) == seller.credit_cents
        )


def _shown(event: Mapping[str, Any]) -> tuple[str, int, list[int]]:
    """An invoice's status, its total in cents, and the boxes of its lines."""
    boxes = [whole_units(line["quantity"], 6) for line in event["lines"]]
    return event["status"], whole_units(event["amount"], 2), boxes


def _state(invoice: Invoice) -> tuple[str, int, list[int]]:
    latest = invoice.latest
    return STATUSES[latest.status], latest.cents, [line.boxes for line in latest.lines]


@contextmanager
def open_komet_rig(bootstrap: str, folder: Path, budget: Mapping[str, Any], **knobs: Any) -> Iterator[KometRig]:
    """Everything that one test needs, ended with it; ``every`` among the knobs is the beat of all sets."""
    with ExitStack() as ends:
        every = knobs.pop("every", "300ms")
        kafka = KafkaSide(bootstrap, fresh("k"), 1, "komet", has_poller=True)
        ends.callback(kafka.close)
        vendor = Vendor("komet", **{"changes": 0} | knobs)
        ends.callback(vendor.stop)
        processes = Processes(bootstrap, folder, vendor.variables)
        ends.callback(processes.close)
        rig = KometRig(kafka, vendor, processes)
        rig.prepare(budget, every)
        yield rig
