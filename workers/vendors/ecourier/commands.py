"""e-Courier's commands: the price of a delivery."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from workers.core.delivery.outcome import Outcome
from workers.vendors.commands import Given, Shown, VendorCommand
from workers.vendors.contract import Credentials, Flow
from workers.vendors.ecourier.existing_order import ExistingOrder
from workers.vendors.ecourier.options import EcourierOptions
from workers.vendors.ecourier.sink import EcourierSink

PRICES: Final = ("AmountCharged", "AmountQuote")  # what a quote is asked for


def quote_delivery(options: EcourierOptions, credentials: Credentials, given: Given) -> Flow[Shown | Outcome]:
    """Ask what the delivery of an order would cost."""
    assert given.event is not None, "the command takes a whole order"
    found = yield from EcourierSink(options, credentials).quote(given.event)
    if not isinstance(found, ExistingOrder):
        return found
    prices = {name: found.fields[name] for name in PRICES if name in found.fields}
    document = prices | {name: value for name, value in found.fields.items() if name not in prices}
    return Shown(("field", "value"), list(_rows(document)), document)


def _rows(fields: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Name every text by its path in the answer: ``Stops.Stop[2].City``."""
    for name, value in fields.items():
        whole = f"{path}.{name}" if path else name
        if isinstance(value, dict):
            yield from _rows(value, whole)
        elif isinstance(value, list):
            numbered = {f"{name}[{number}]": each for number, each in enumerate(value, start=1)}
            yield from _rows(numbered, path)
        elif value not in {None, ""}:
            yield whole, str(value)


COMMANDS: Final = (
    VendorCommand(
        name="quote",
        meaning="Ask what the delivery of one order would cost.",
        details="Nothing is created. FILE holds one order-created event as JSON; - reads it from standard input.",
        example="relay vendor ecourier quote order.json --json",
        side="sink",
        takes="event",
        flow=quote_delivery,
    ),
)
