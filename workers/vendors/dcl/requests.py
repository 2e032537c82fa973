"""Builds DCL's one request: GET orders."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import httpx

from workers.core.poll.time_range import SECOND_MS, TimeRange
from workers.vendors._shared.local_time import checked_time_zone, utc_text
from workers.vendors._shared.requests import HeaderPairs, SetUpError, base_address, below, built
from workers.vendors.contract import ALL, Credentials, Only
from workers.vendors.dcl.options import DclOptions
from workers.vendors.dcl.progress import SHIPPED

EXAMPLE: Final = "https://api.dclcorp.com/api/v1"
EXAMPLE_ZONE: Final = "America/Los_Angeles"


OPEN: Final = f"order_stage lt {SHIPPED}"
MAX_QUERY_CHARS: Final = 2_000  # ASP.NET takes 2,048 unless a site allows more


@dataclass(frozen=True, slots=True)
class DclRequests:
    """The address and login of one DCL account, and what is asked for in each request."""

    orders: httpx.URL
    headers: HeaderPairs = field(repr=False)
    page_size: int
    zone: ZoneInfo  # of times without an offset
    fields: Sequence[str] = ()  # none: all
    conditions: Sequence[str] = ()  # of the filter
    account: str | None = None
    only: Only = ALL

    def window(self, window: TimeRange, page: int) -> httpx.Request:
        """Build a request for the orders modified in the window, from a second earlier: DCL may exclude its bounds.

        Times always carry an offset: DCL reads a time without one as "local PST", with or without daylight saving.
        """
        stamps = {
            "modified_from": utc_text(window.start_ms - SECOND_MS),
            "modified_to": utc_text(window.end_ms),
            "page": str(page),
        }
        return self._get(stamps | self._narrowed())

    def by_number(self, numbers: Sequence[str]) -> httpx.Request:
        """Build a request for orders by number, whatever the filter; no order number holds a comma."""
        return self._get({"order_numbers": ",".join(numbers), "page": "1"})

    def first_page(self) -> httpx.Request:
        """Build a request for as many of the orders as a page holds."""
        return self._get({"page": "1"} | self._narrowed())

    def shipped_from(self) -> str | None:
        """The day from which on an order has a shipment, on DCL's clock; None: every order is asked for."""
        since_ms = self.only.shipped_since_ms
        return None if since_ms is None else datetime.fromtimestamp(since_ms / 1000, self.zone).date().isoformat()

    def _narrowed(self) -> dict[str, str]:
        account = [] if self.account is None else [f'account_number eq "{self.account}"']
        conditions = [*account, *self.conditions, *([OPEN] if self.only.open else [])]
        day = self.shipped_from()
        return ({"filter": ", ".join(conditions)} if conditions else {}) | ({"shipped_from": day} if day else {})

    def _get(self, parameters: dict[str, str]) -> httpx.Request:
        chosen = {"fields": ",".join(self.fields)} if self.fields else {}
        always = {"page_size": str(self.page_size), "extended_date": "true"}
        query = urlencode(parameters | always | chosen, safe=",")
        return built("GET", self.orders.copy_with(query=query.encode()), self.headers, operation="GET /orders")


def dcl_requests(credentials: Credentials, options: DclOptions) -> DclRequests:
    """Read the variables' present values; raises `SetUpError`."""
    username, password = credentials["USERNAME"], credentials["PASSWORD"]
    if ":" in username:
        raise SetUpError("{USERNAME} must have no colon: HTTP Basic ends the name there")
    login = b64encode(f"{username}:{password}".encode())
    headers = ((b"Authorization", b"Basic " + login), (b"Accept", b"application/json"))
    zone = checked_time_zone(credentials["TIME_ZONE"], EXAMPLE_ZONE)
    address = below(base_address(credentials["BASE_URL"], EXAMPLE), b"/orders")
    conditions = (options.filter,) if options.filter else ()
    return DclRequests(address, headers, options.page_size, zone, options.asked_fields, conditions)
