"""Builds ECDP's four requests, with as little work per call as httpx allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote

import httpx

from workers.vendors._shared.requests import (
    JSON_HEADERS,
    LOOK_UP,
    HeaderPairs,
    SetUpError,
    base_address,
    below,
    built,
    in_a_header,
)
from workers.vendors.ecdp.api import Mode, post_body
from workers.vendors.ecdp.mapping import order_id as checked


@dataclass(frozen=True, slots=True)
class EcdpRequests:
    """Addresses and headers of one ECDP account."""

    base: httpx.URL
    orders: httpx.URL
    status: httpx.URL
    api_key: str = field(repr=False)
    headers: HeaderPairs = field(repr=False)  # with the API key

    def post(self, mode: Mode, orders: list[bytes]) -> httpx.Request:
        """Build ``POST /orders``: add or replace all of them."""
        return built("POST", self.orders, self.headers, post_body(mode, orders), operation="POST /orders")

    def put(self, body: bytes) -> httpx.Request:
        """Build ``PUT /orders/status``."""
        return built("PUT", self.status, self.headers, body, operation="PUT /orders/status")

    def get(self, order_id: str) -> httpx.Request:
        """Build ``GET /orders/{id}``; raises `LimitError` for an id that would change the path."""
        return built("GET", self._order(order_id), self.headers, extensions=LOOK_UP, operation="GET /orders/{orderId}")

    def delete(self, order_id: str) -> httpx.Request:
        """Build ``DELETE /orders/{id}``; raises `LimitError` for an id that would change the path."""
        return built("DELETE", self._order(order_id), self.headers, operation="DELETE /orders/{orderId}")

    def _order(self, order_id: str) -> httpx.URL:
        """Invariant: the id is one segment of the path. Otherwise a DELETE would hit another order."""
        path = b"%b/%b" % (self.orders.raw_path, quote(checked(order_id), safe="").encode())
        url = self.base.copy_with(raw_path=path)
        assert url.raw_path == path, "the order id changed the path"
        return url


@lru_cache(maxsize=8)
def ecdp_requests(base_url: str, api_key: str) -> EcdpRequests:
    """Return an account's requests; raises `SetUpError` when a variable is unusable."""
    base = base_address(base_url, "https://api.ecdp.app")
    if not in_a_header(api_key):
        raise SetUpError("{API_KEY} is empty, or has characters that a header cannot hold")
    headers = ((b"Host", base.netloc), (b"x-api-key", api_key.encode()), *JSON_HEADERS)
    return EcdpRequests(base, below(base, b"/orders"), below(base, b"/orders/status"), api_key, headers)
