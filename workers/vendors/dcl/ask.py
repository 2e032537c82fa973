"""What DCL has of an order now, in comparison with what was published of it last."""

from __future__ import annotations

from workers.core.delivery.outcome import Outcome
from workers.vendors.asking import Asked, VendorWord, missing_stage, stage_word
from workers.vendors.contract import Credentials, Flow, Reading
from workers.vendors.dcl.options import DclOptions
from workers.vendors.dcl.poller import DclPoller


def ask(options: DclOptions, credentials: Credentials, asked: Asked) -> Flow[VendorWord | Outcome]:
    """Read the order by its number; one request. Several accounts may have the number: the published one is meant."""
    reading = yield from DclPoller(options, credentials).named([asked.order_number])
    if not isinstance(reading, Reading):
        return reading
    published = asked.published
    found = [
        order
        for order in reading.orders
        if order.order_number == asked.order_number and (published is None or order.account == published["account"])
    ]
    if not found:
        return missing_stage(published)
    return stage_word(found[0], published)
