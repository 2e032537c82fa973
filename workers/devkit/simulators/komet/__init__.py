"""A simulated Komet Sales: invoices, web orders, prebooks, stock and credit, with what its pages leave open."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from workers.devkit.simulators import SECRET, PollerSide, SimulatorOptions, SinkSide
from workers.devkit.simulators.komet.ledger import PATH, KometLedger, rate
from workers.devkit.simulators.komet.seller import CUSTOMER_ID, Seller
from workers.devkit.simulators.komet.web_orders import CANCELED_STATE, CHECKED_OUT_STATE
from workers.devkit.simulators.server import Simulated
from workers.vendors.komet.orders.mapping import reference

FIRST_INVOICES: Final = 40  # when it starts
MOST_FIRST_NUMBERS: Final = 9_000_000
ACCOUNT: Final = {"TOKEN": SECRET, "CUSTOMER_ID": CUSTOMER_ID, "ACCOUNT": "77"}

KometSimulator: TypeAlias = Simulated[KometLedger]


def simulator(options: SimulatorOptions) -> KometSimulator:
    """Make Komet on loopback; its seller's books change by themselves, and hold something when it starts."""
    first = (
        int(time.time()) * 100 % MOST_FIRST_NUMBERS
    )  # a poller's state outlives a simulator: other numbers each time
    seller = Seller(lambda: time.time_ns() // 1_000_000, first_number=first)
    if rate(options.faults):
        seller.fill(FIRST_INVOICES)
    return Simulated(KometLedger(options.secret, seller), options, PATH)


POLLER_SIDE: Final = PollerSide(
    busy_faults={"changes": 3},
    stage=lambda shown: str(shown["stage"]),
    event_ids=lambda _: frozenset(),
    variables=ACCOUNT,
)


def _expected_state(order: Mapping[str, Any], statuses: Sequence[str]) -> str | None:
    """An order of another channel, or created as canceled, is not placed."""
    channels = [one.get("value") for one in order.get("attributes", ()) if one.get("name") == "channel"]
    if channels != ["komet"] or order.get("status") == "canceled":
        return None
    return CANCELED_STATE if "canceled" in statuses else CHECKED_OUT_STATE


SINK_SIDE: Final = SinkSide(
    variables=ACCOUNT,
    order_number=lambda order_id, _: reference(order_id),
    expected_state=_expected_state,
    state=lambda shown: str(shown["state"]),
    number_of=lambda _, shown: shown.get("reference"),
)
