"""Builds DCL's one request: GET orders."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx

from workers.core.poll.time_range import SECOND_MS, TimeRange
from workers.vendors._shared.local_time import utc_text
from workers.vendors._shared.requests import HeaderPairs, SetUpError, base_address, below, built
from workers.vendors.contract import Credentials

EXAMPLE: Final = "https://api.dclcorp.com/api/v1"


@dataclass(frozen=True, slots=True)
class DclRequests:
    """The address, login and page size of one DCL account."""

    orders: httpx.URL
    headers: HeaderPairs = field(repr=False)
    page_size: int
    zone: ZoneInfo  # of times without an offset

    def window(self, window: TimeRange, page: int, account: str | None) -> httpx.Request:
        """Build a request for the orders modified in the window, from a second earlier: DCL may exclude its bounds.

        Times always carry an offset: DCL reads a time without one as "local PST", with or without daylight saving.
        """
        stamps = {
            "modified_from": utc_text(window.start_ms - SECOND_MS),
            "modified_to": utc_text(window.end_ms),
            "page": str(page),
        }
        return self._get(stamps | ({"filter": f'account_number eq "{account}"'} if account else {}))

    def by_number(self, numbers: Sequence[str]) -> httpx.Request:
        """Build a request for orders by number; no order number holds a comma."""
        return self._get({"order_numbers": ",".join(numbers), "page": "1"})

    def _get(self, parameters: dict[str, str]) -> httpx.Request:
        query = urlencode(parameters | {"page_size": str(self.page_size), "extended_date": "true"})
        return built("GET", self.orders.copy_with(query=query.encode()), self.headers)


def dcl_requests(credentials: Credentials, page_size: int) -> DclRequests:
    """Read the variables' present values; raises `SetUpError`."""
    username, password = credentials["USERNAME"], credentials["PASSWORD"]
    if ":" in username:
        raise SetUpError("USERNAME must have no colon: HTTP Basic ends the name there")
    login = b64encode(f"{username}:{password}".encode())
    headers = ((b"Authorization", b"Basic " + login), (b"Accept", b"application/json"))
    try:
        zone = ZoneInfo(credentials["TIME_ZONE"])
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise SetUpError("TIME_ZONE must be an IANA name such as America/Los_Angeles") from error
    return DclRequests(below(base_address(credentials["BASE_URL"], EXAMPLE), b"/orders"), headers, page_size, zone)
