"""Builds E2CC's requests: lists by creation time and page, single records, access keys."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import httpx
import orjson

from workers.core.poll.time_range import SECOND_MS, TimeRange
from workers.vendors._shared.local_time import checked_time_zone
from workers.vendors._shared.requests import JSON_HEADERS, SetUpError, base_address, below, built, in_a_header
from workers.vendors.contract import Credentials

EXAMPLE: Final = "https://portal.e2cc.com/api"
EXAMPLE_ZONE: Final = "America/New_York"
MAX_PAGE_SIZE: Final = 1000  # the page's default; whether more is allowed is not documented
LISTS: Final = frozenset(("/orders", "/shipments", "/invoices", "/inventories"))
_HOUR: Final = timedelta(hours=1)

# Only such a number goes into a path: no other text of a vendor's may form a request.
_NUMBER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)

Bounds: TypeAlias = Literal["both", "from", "none"]
"""Which bounds of creation time `conditions` is asked for: the page shows ``gt`` alone."""


def is_safe(number: str) -> bool:
    """Whether a record's number may be put into an address."""
    return _NUMBER.fullmatch(number) is not None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    path: str  # such as ``/orders``
    number: int  # from 1
    size: int
    fields: Sequence[str] = ()  # none: all
    created: TimeRange | None = None  # None: whenever they were created
    filters: Mapping[str, str] = field(default_factory=dict)  # equal values by PascalCase names; safe texts only


@dataclass(frozen=True, slots=True)
class E2ccRequests:
    """The address, the key and the zone of one E2CC account."""

    base: httpx.URL
    key: str = field(repr=False)
    zone: ZoneInfo  # of times without an offset
    bounds: Bounds = "both"

    def page(self, page: Page) -> httpx.Request:
        """Build a request for a page of rows, with a bound on their creation where one is asked for."""
        condition = "" if page.created is None else self._condition(page.created)
        parameters = {"pageSize": str(page.size), "page": str(page.number)}
        parameters |= {"fields": ",".join(page.fields)} if page.fields else {}
        parameters |= ({"conditions": condition} if condition else {}) | dict(page.filters)
        query = urlencode(parameters, quote_via=quote, safe=",")
        return self._get(page.path, query, operation=f"GET {page.path if page.path in LISTS else '/shipments/:nbr'}")

    def whole(self, path: str, number: str = "") -> httpx.Request:
        """Build a request for what E2CC does not page; ``number``: of one record, which `is_safe` allows."""
        return self._get(f"{path}/{number}" if number else path, operation=f"GET {path}{'/:id' if number else ''}")

    def keys(self, page: int, size: int, wanted: Mapping[str, str]) -> httpx.Request:
        """Build a request for a page of the account's access keys; ``wanted``: E2CC's own filters."""
        query = urlencode({"page": page, "pageSize": size, **wanted})
        return self._get("/access-key", query, operation="GET /access-key")

    def create_key(self, wanted: dict[str, Any]) -> httpx.Request:
        return self._send("POST", "/access-key", orjson.dumps(wanted))

    def rotate_key(self, key: str, wanted: dict[str, Any]) -> httpx.Request:
        return self._send("PATCH", self._of_key(key), orjson.dumps(wanted))

    def remove_key(self, key: str, *, for_good: bool) -> httpx.Request:
        """Build a request that revokes the key, or deletes it permanently."""
        query = "?action=delete" if for_good else ""
        return self._send("DELETE", self._of_key(key) + query)

    def _condition(self, created: TimeRange) -> str:
        """Ask for a second more on both sides: whether a bound is included is not documented."""
        first, last = _wall_times(created, self.zone)
        lower = f"CreatedDateTime gt datetime'{first}'"
        upper = f"CreatedDateTime lt datetime'{last}'"
        return {"both": f"{lower} and {upper}", "from": lower, "none": ""}[self.bounds]

    @staticmethod
    def _of_key(key: str) -> str:
        return f"/access-key/{quote(key, safe='')}"

    def _get(self, path: str, query: str = "", *, operation: str) -> httpx.Request:
        whole = f"{path}?{query}" if query else path
        headers = ((b"Authorization", b"Bearer " + self.key.encode()), (b"Accept", b"application/json"))
        return built("GET", self._address(whole), headers, operation=operation)

    def _send(self, method: str, path: str, body: bytes = b"") -> httpx.Request:
        headers = ((b"Authorization", b"Bearer " + self.key.encode()), *JSON_HEADERS)
        return built(method, self._address(path), headers, body, operation=f"{method} /access-key")

    def _address(self, path: str) -> httpx.URL:
        return below(self.base, path.encode())


def e2cc_requests(credentials: Credentials, bounds: Bounds = "both") -> E2ccRequests:
    """Read the variables' present values; raises `SetUpError`."""
    key = credentials["ACCESS_KEY"]
    if not in_a_header(key):
        raise SetUpError("{ACCESS_KEY} has characters that no header can hold")
    zone = checked_time_zone(credentials["TIME_ZONE"], EXAMPLE_ZONE)
    return E2ccRequests(base_address(credentials["BASE_URL"], EXAMPLE), key, zone, bounds)


def _wall_times(created: TimeRange, zone: ZoneInfo) -> tuple[str, str]:
    """The range on E2CC's clock, which shows no offset; an hour more on both sides where the clocks change."""
    first, last = (
        datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
        for at in (max(created.start_ms - SECOND_MS, 0), created.end_ms + SECOND_MS)
    )
    changes = (first - 3 * _HOUR).utcoffset() != (last + 3 * _HOUR).utcoffset()
    extra = _HOUR if changes else timedelta()
    return (_wall(first - extra), _wall(last + extra))


def _wall(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(timespec="seconds")
