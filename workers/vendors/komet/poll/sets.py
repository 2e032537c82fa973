"""The sets that Komet's poller reads, and how often: their beats take about half of a day's requests."""

from __future__ import annotations

from typing import Final

from workers.core.poll.vendor_set import VendorSet
from workers.vendors.komet.poll.api import CUSTOMER_FIELDS, LINE_FIELDS, LIST_FIELDS, PREBOOK_FIELDS, STOCK_FIELDS

MINUTE_S: Final = 60.0
HOUR_S: Final = 3_600.0
REQUESTS_A_DAY: Final = 1_000  # documented, for each paid user of the seller's plan
DAYS_BEFORE, DAYS_AHEAD = 120, 60  # together the six months that one request may bound
DAYS_BEYOND: Final = 180  # one request each: orders are placed, and voided, months before and after they are shipped
DETAILED_AT_ONCE: Final = 40  # invoices; those of four ship days share a request

SETS: Final = (
    VendorSet(
        "invoices",
        "updated",
        5 * MINUTE_S,
        "InvoiceChanged",
        (*LIST_FIELDS, *LINE_FIELDS),
        detailed_at_once=DETAILED_AT_ONCE,
        tells_deletions=False,
        days_before=DAYS_BEFORE,
        days_ahead=DAYS_AHEAD,
        days_beyond=DAYS_BEYOND,
    ),
    VendorSet(
        "prebooks",
        "updated",
        HOUR_S,
        "OrderStageChanged",
        PREBOOK_FIELDS,
        tells_deletions=False,
        days_before=DAYS_BEFORE,
        days_ahead=DAYS_AHEAD,
        days_beyond=DAYS_BEYOND,
    ),
    VendorSet(
        "web_orders",
        "updated",
        10 * MINUTE_S,
        "OrderStageChanged",
        LIST_FIELDS,
        tells_deletions=False,
        days_before=DAYS_BEFORE,
        days_ahead=DAYS_AHEAD,
        days_beyond=DAYS_BEYOND,
    ),
    VendorSet("inventory", "whole", HOUR_S, "InventoryChanged", STOCK_FIELDS, needs="ACCOUNT"),
    VendorSet("customer", "whole", HOUR_S, "CreditChanged", CUSTOMER_FIELDS),
)
