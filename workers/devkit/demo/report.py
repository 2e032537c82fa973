"""Reconciliation: the records that were published, against the orders at the vendor and the parked records."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from workers.app.config.specs import SinkSpec
from workers.devkit.demo.monitor import SinkView
from workers.devkit.demo.pollers import PollerReport
from workers.devkit.demo.processes import DemoError
from workers.devkit.demo.records import follow
from workers.devkit.demo.samples import CREATED, Sample
from workers.devkit.demo.start import Demo
from workers.devkit.simulators import sink_side

_READ_WITHIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Check:
    """Two counts that must be equal."""

    what: str
    wanted: int
    found: int

    @property
    def right(self) -> bool:
        return self.wanted == self.found


@dataclass(frozen=True, slots=True)
class Parked:
    """One parked record."""

    order_id: str
    topic: str  # the source topic
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class ExpectedOrder:
    """An order that the vendor should have."""

    number: str  # the vendor's
    state: str  # empty: any


@dataclass(frozen=True, slots=True)
class SinkReport:
    """The outcome of one sink's records."""

    view: SinkView
    parks: str
    orders: int  # published
    records: int  # published
    parked: tuple[Parked, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The result of the demo."""

    sinks: tuple[SinkReport, ...]
    first_delivered: float | None  # seconds after the start
    seconds: float
    meanwhile: Mapping[str, int] = field(default_factory=dict)  # by sink: records ended while another's vendor was down
    pollers: tuple[PollerReport, ...] = ()

    @property
    def right(self) -> bool:
        """Whether everything adds up."""
        checked = all(check.right for sink in self.sinks for check in sink.checks)
        return bool(self.sinks) and checked and all(one.right for one in self.pollers)

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"right": self.right}, ensure_ascii=False)


def sink_report(sink: SinkSpec, view: SinkView, demo: Demo, samples: Sequence[Sample]) -> SinkReport:
    """Compare one sink's records with its vendor and its parked topic; raises `DemoError`."""
    mine = [sample for sample in samples if sample.topic in sink.consumes]
    parked = _parked(sink, view, demo)
    checks = compare(expected_orders(mine, sink), parked, view, vendor_states(sink, demo), records=len(mine))
    orders = {sample.order_id for sample in mine if sample.creates_order}
    return SinkReport(view, sink.parks, len(orders), len(mine), parked, checks)


def expected_orders(samples: Sequence[Sample], sink: SinkSpec) -> dict[str, ExpectedOrder]:
    """Return the orders that the vendor should have if it took them all, by order id."""
    vendor = sink_side(sink.vendor)
    orders = {sample.order_id: sample.order for sample in samples if sample.creates_order}
    statuses: dict[str, list[str]] = {order_id: [] for order_id in orders}
    for sample in samples:
        if sample.order_id in orders and sample.status:
            statuses[sample.order_id].append(sample.status)
    states = {order_id: vendor.expected_state(order, statuses[order_id]) for order_id, order in orders.items()}
    return {
        order_id: ExpectedOrder(vendor.order_number(order_id, sink.options), state)
        for order_id, state in states.items()
        if state is not None
    }


def vendor_states(sink: SinkSpec, demo: Demo) -> dict[str, str]:
    """Return the state of every order that the vendor has, by its number."""
    side, orders = sink_side(sink.vendor), demo.monitor.orders_at(sink.vendor)
    numbered = ((side.number_of(number, shown), shown) for number, shown in orders.items())
    return {number: side.state(shown) for number, shown in numbered if number is not None}


def compare(
    expected: Mapping[str, ExpectedOrder],
    parked: Sequence[Parked],
    view: SinkView,
    vendor: Mapping[str, str],
    *,
    records: int,
) -> tuple[Check, ...]:
    """Each record has one outcome, and each order exists once at the vendor, in its last state."""
    refused = {record.order_id for record in parked if record.topic.endswith(CREATED)}
    partly_parked = {record.order_id for record in parked}
    wanted = {one.number for order_id, one in expected.items() if order_id not in refused}
    last = {one.number: one.state for order_id, one in expected.items() if order_id not in partly_parked and one.state}
    right = [number for number, state in last.items() if vendor.get(number) == state]
    return (
        Check("records with an outcome (delivered, parked or skipped)", records, view.ended),
        Check("orders at the vendor", len(wanted), len(vendor)),
        Check("of these, orders that were expected and not parked", len(wanted), len(wanted & set(vendor))),
        Check("orders in their last status", len(last), len(right)),
    )


def _parked(sink: SinkSpec, view: SinkView, demo: Demo) -> tuple[Parked, ...]:
    """Read the parked records of this run; the topic may hold older ones, too. Raises `DemoError`, `KafkaFailed`."""
    if not view.parked:
        return ()
    deadline = time.monotonic() + _READ_WITHIN_S
    found: tuple[Parked, ...] = ()
    with closing(follow(demo.configuration, [sink.parks])) as readings:
        for records in readings:
            found = tuple(_parked_record(one) for one in records[sink.parks] if _parked_at(one) >= demo.since)
            if len(found) >= view.parked:
                return found
            if time.monotonic() > deadline:
                break
    said = f"{len(found)} of {view.parked} records in {sink.parks}"
    raise DemoError(f"{said}; the logs are in {demo.processes.folder}")


def _parked_at(line: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(line["headers"]["relay-parked-at"])


def _parked_record(line: Mapping[str, Any]) -> Parked:
    headers = line["headers"]
    return Parked(
        order_id=line["key"] or "",
        topic=headers["relay-source-topic"],
        reason=headers["relay-reason"],
        detail=headers["relay-detail"],
    )
