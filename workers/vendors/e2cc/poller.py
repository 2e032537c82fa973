"""E2CC's poller: complete readings of its sets, because E2CC lists what there is and not what has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never

from workers.core.delivery.outcome import Delivered, Denied, Outcome, Unavailable
from workers.core.poll.vendor_set import Created, Details, SetReading, SetRow, VendorSet, Whole
from workers.vendors._shared.requests import SetUpError
from workers.vendors.contract import Credentials, Flow, PollFault
from workers.vendors.e2cc import items, orders
from workers.vendors.e2cc.details import DetailReads
from workers.vendors.e2cc.options import E2ccOptions
from workers.vendors.e2cc.reads import E2ccReads
from workers.vendors.e2cc.records import ListedSet, Making
from workers.vendors.e2cc.requests import e2cc_requests
from workers.vendors.e2cc.windows import SetReads

DETAILED_AT_ONCE: Final = 20
MOST_FAULTS: Final = 3  # in a row, of records asked for at once: then the fault is E2CC's

SETS: Final = (
    VendorSet(
        "orders",
        "created",
        every_s=60.0,
        publishes="OrderStageChanged",
        fields=orders.ORDER_FIELDS,
        detailed_at_once=DETAILED_AT_ONCE,
    ),
    VendorSet("shipments", "created", every_s=60.0, part_of="orders"),
    VendorSet(
        "invoices",
        "created",
        every_s=300.0,
        publishes="InvoiceChanged",
        fields=items.INVOICE_FIELDS,
        detailed_at_once=DETAILED_AT_ONCE,
    ),
    VendorSet("inventories", "whole", every_s=900.0, publishes="InventoryChanged", fields=items.INVENTORY_FIELDS),
    VendorSet("credits", "whole", every_s=900.0, publishes="CreditChanged", fields=items.CREDIT_FIELDS),
    VendorSet(
        "rmas",
        "whole",
        every_s=900.0,
        publishes="ReturnChanged",
        fields=items.RETURN_FIELDS,
        orders_in="orders",
    ),
)
_LISTED: Final[Mapping[str, ListedSet]] = {
    "orders": orders.ORDERS,
    "shipments": orders.SHIPMENTS_LIST,
    "invoices": items.INVOICES,
    "inventories": items.INVENTORIES,
    "credits": items.CREDITS,
    "rmas": items.RETURNS,
}
_UNPAGED: Final = frozenset(("credits", "rmas"))


@dataclass(frozen=True, slots=True)
class E2ccPoller:
    """`workers.vendors.contract.SetPoller` for E2CC."""

    options: E2ccOptions
    credentials: Credentials = field(repr=False)

    def read(self, name: str, ask: Created | Whole) -> Flow[SetReading | PollFault]:
        """Read a range of creation time that one page holds, or a whole set."""
        try:
            making = self._making()
        except SetUpError as error:
            return Denied(str(error))
        reads = SetReads(E2ccReads(self.options, self.credentials), _LISTED[name], making)
        match ask:
            case Created():
                return (yield from reads.created(ask))
            case Whole() if name in _UNPAGED:
                return (yield from reads.unpaged())
            case Whole():
                return (yield from reads.whole(ask))
            case _:
                assert_never(ask)

    def details(self, name: str, rows: Sequence[SetRow]) -> Flow[Details | PollFault]:
        """Read the details of orders or invoices.

        An answer that is a fault may be its record's own, so that the others are read; a fault of the account, a lost
        answer and several faults in a row end the reading, and leave what was read before.
        """
        try:
            making = self._making()
        except SetUpError as error:
            return Denied(str(error))
        reads = DetailReads(E2ccReads(self.options, self.credentials), making)
        found: list[SetRow] = []
        fault: PollFault | None = None
        faults = 0  # in a row
        for row in rows:
            detailed = yield from (reads.order(row) if name == "orders" else reads.invoice(row))
            if isinstance(detailed, SetRow):
                found.append(detailed)
                faults = 0
                continue
            fault, faults = detailed, faults + 1
            is_answer = isinstance(detailed, Unavailable) and detailed.status is not None
            if not is_answer or faults == MOST_FAULTS:
                break
        return Details(tuple(found), +making.notes) if found or fault is None else fault

    def check(self) -> Flow[Outcome]:
        """Read the credit, one row: that proves the address, and the key unless it was revoked a moment ago."""
        rows = yield from E2ccReads(self.options, self.credentials).record("/credits")
        if not isinstance(rows, Sequence):
            return rows
        return Delivered(status=200, remarks=(_CACHED,))

    def _making(self) -> Making:
        """Raises `SetUpError`."""
        return Making(self.options, e2cc_requests(self.credentials).zone)


_CACHED: Final = "E2CC accepts a revoked or rotated key for up to 5 minutes more"
