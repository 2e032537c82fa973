"""What Komet has of an order now, in comparison with what was delivered to it and published of it last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workers.core.delivery.outcome import Denied, Outcome
from workers.core.poll.change import VendorOrder
from workers.vendors._shared.requests import SetUpError
from workers.vendors.asking import Asked, VendorWord, missing_stage, stage_word
from workers.vendors.contract import Credentials, Flow
from workers.vendors.komet.options import KometPollerOptions
from workers.vendors.komet.orders.ask import ask_web_order
from workers.vendors.komet.orders.options import KometOptions
from workers.vendors.komet.poll.api import InvoiceRow
from workers.vendors.komet.poll.asking import fault_of, listed
from workers.vendors.komet.poll.invoices import INVOICES
from workers.vendors.komet.poll.lists import Lists
from workers.vendors.komet.poll.mapping import Mapper
from workers.vendors.komet.requests import komet_requests


def ask(options: Any, credentials: Credentials, asked: Asked) -> Flow[VendorWord | Outcome]:
    """Read the invoice of a web order that the poller has published; of one that only the sink knows, the web order."""
    try:
        if asked.published is None:
            known = options if isinstance(options, KometOptions) else KometOptions()
            return (yield from ask_web_order(known, credentials, asked))
        return (yield from _invoice(Lists(komet_requests(credentials)), asked))
    except SetUpError as error:
        return Denied(str(error))


def _invoice(lists: Lists, asked: Asked) -> Flow[VendorWord | Outcome]:
    """The stage of the invoice that the web order has become; one request."""
    assert asked.published is not None, "its number is the invoice's"
    found = yield from listed(lists.invoice("order", asked.order_number), INVOICES, lists.komet.token)
    if not isinstance(found, Sequence):
        return fault_of(found)
    mapper = Mapper(asked.poller_options or KometPollerOptions())
    for fields in found:
        row = InvoiceRow.model_validate(fields)
        order = mapper.web_order(row, fields).item
        if asked.order_number in {row.id, row.number} and isinstance(order, VendorOrder):
            return stage_word(order, asked.published)
    return missing_stage(asked.published)
