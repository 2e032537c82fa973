"""The requests for the lists of one customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from workers.vendors.komet.poll.ship_days import Days
from workers.vendors.komet.requests import KometRequests


@dataclass(frozen=True, slots=True)
class Lists:
    """Komet's lists, asked for the customer and the locations of the variables."""

    komet: KometRequests

    def invoices(self, days: Days, since_ms: int, *, web: bool = False) -> httpx.Request:
        """Invoices by ship date that were updated since; ``web``: web orders alone."""
        narrowed = {"isEcommerce": "true"} if web else {}
        asked = {"orderDateFrom": days.first.isoformat(), "orderDateTo": days.last.isoformat()}
        return self.komet.by_query(
            "invoice.list", asked | {"updatedAsOf": gmt(since_ms)} | self._customers() | narrowed
        )

    def invoice(self, name: str, number: str) -> httpx.Request:
        """One invoice, by ``order`` (its number) or ``orderId``."""
        return self.komet.by_query("invoice.list", {name: number} | self._customers())

    def lines_of_days(self, days: Days) -> httpx.Request:
        """Lines of the invoices of at most four ship days."""
        asked = {"orderDateFrom": days.first.isoformat(), "orderDateTo": days.last.isoformat()}
        return self.komet.by_query("invoice.details.list", asked | self._customers())

    def lines_of(self, invoice_id: str) -> httpx.Request:
        """Lines of one invoice."""
        return self.komet.by_query("invoice.details.list", {"orderId": invoice_id} | self._customers())

    def prebooks(self, days: Days, location_id: str) -> httpx.Request:
        """Prebooks by truck date, of one location; empty: the seller has one."""
        asked = {"dateFrom": days.first.isoformat(), "dateTo": days.last.isoformat()}
        location = {"CompanyLocationId": location_id} if location_id else {}  # with a capital C, as on its page alone
        return self.komet.by_query("prebook.list", asked | {"customerId": self.komet.customer_id} | location)

    def customer(self) -> httpx.Request:
        return self.komet.by_query("customer.details.get", {"customerId": self.komet.customer_id})

    def stock(self, location_id: str, page: int, rows: int) -> httpx.Request:
        """A page of what the web shop offers."""
        location = {"companyLocationId": location_id} if location_id else {}
        asked = {"customerId": self.komet.customer_id, "page": str(page), "rows": str(rows)}
        return self.komet.by_header("ecommerce/inventory.list", asked | location)

    def _customers(self) -> dict[str, str]:
        """Without the customer's id other customers' rows may come: whether they do is not documented."""
        locations = {"locationIds": ",".join(self.komet.location_ids)} if self.komet.location_ids else {}
        return {"customerId": self.komet.customer_id} | locations


def gmt(ms: int) -> str:
    """``updatedAsOf``: a time in GMT."""
    return datetime.fromtimestamp(max(ms, 0) / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
