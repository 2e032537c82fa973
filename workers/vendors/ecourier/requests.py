"""Builds e-Courier's requests: each is a POST of JSON, authenticated by the header UserGUID."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias, get_args

import httpx
import orjson

from workers.vendors._shared.local_time import checked_time_zone
from workers.vendors._shared.requests import (
    JSON_HEADERS,
    HeaderPairs,
    base_address,
    below,
    built,
    look_up,
)
from workers.vendors.ecourier.outcome import says_no_such_order
from workers.vendors.ecourier.wall_time import Clock

Endpoint: TypeAlias = Literal["Login", "SaveOrder", "GetJsonOrder", "RefreshGUID", "QuoteOrder"]

ENDPOINTS: Final[tuple[Endpoint, ...]] = get_args(Endpoint)
GUID_HEADER: Final = "UserGUID"
LOOK_UP: Final = look_up(says_no_such_order)
EXAMPLE: Final = "https://post.example.e-courier.com/example/software/xml/ecJsonPost.asmx"
EXAMPLE_ZONE: Final = "America/New_York"


@dataclass(frozen=True, slots=True)
class EcourierRequests:
    """The addresses of one e-Courier site, and the clock of the account's time zone."""

    urls: Mapping[Endpoint, httpx.URL]
    headers: HeaderPairs
    clock: Clock

    def save(self, order: bytes) -> httpx.Request:
        """Build SaveOrder: creates the order of that OrderNumber, or updates it."""
        return self._post("SaveOrder", order)

    def quote(self, order: bytes) -> httpx.Request:
        """Build QuoteOrder: the same body, but creates nothing."""
        return self._post("QuoteOrder", order)

    def get(self, order_number: str) -> httpx.Request:
        """Build GetJsonOrder."""
        return self._post("GetJsonOrder", orjson.dumps({"OrderNumber": order_number}), LOOK_UP)

    def login(self, website: str, username: str, password: str) -> httpx.Request:
        """Build Login; its body holds the password."""
        body = {"website": website, "username": username, "password": password}
        return self._post("Login", orjson.dumps(body))

    def refresh(self) -> httpx.Request:
        """Build RefreshGUID; it refreshes the header's GUID and ignores the body."""
        return self._post("RefreshGUID", b"{}")

    def _post(self, endpoint: Endpoint, body: bytes, extensions: dict[str, Any] | None = None) -> httpx.Request:
        return built("POST", self.urls[endpoint], self.headers, body, extensions, operation=endpoint)


@lru_cache(maxsize=8)
def ecourier_requests(base_url: str, zone: str) -> EcourierRequests:
    """Return a site's requests; raises `SetUpError` when a variable is unusable."""
    base = base_address(base_url, EXAMPLE)
    urls = {endpoint: below(base, f"/{endpoint}".encode()) for endpoint in ENDPOINTS}
    return EcourierRequests(urls, ((b"Host", base.netloc), *JSON_HEADERS), Clock(checked_time_zone(zone, EXAMPLE_ZONE)))
