"""ECDP's four requests, built with as little work per call as httpx allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote

import httpx

from workers.vendors.ecdp.api import Mode, post_body
from workers.vendors.ecdp.mapping import order_id as checked


class SetUpError(ValueError):
    """The base URL or the API key can stand in no request."""


@dataclass(frozen=True, slots=True)
class Wire:
    """Addresses and headers of one ECDP account."""

    base: httpx.URL
    orders: httpx.URL
    status: httpx.URL
    api_key: str = field(repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)  # they hold the API key

    def post(self, mode: Mode, orders: list[bytes]) -> httpx.Request:
        """Build ``POST /orders``: add or replace all of them."""
        return self._request("POST", self.orders, post_body(mode, orders))

    def put(self, body: bytes) -> httpx.Request:
        """Build ``PUT /orders/status``."""
        return self._request("PUT", self.status, body)

    def get(self, order_id: str) -> httpx.Request:
        """Build ``GET /orders/{id}``; raises `LimitError` for an id that would change the path."""
        return self._request("GET", self._order(order_id))

    def delete(self, order_id: str) -> httpx.Request:
        """Build ``DELETE /orders/{id}``; raises `LimitError` for an id that would change the path."""
        return self._request("DELETE", self._order(order_id))

    def _order(self, order_id: str) -> httpx.URL:
        """Invariant: the id is one segment of the path. Broken, a DELETE would hit another order."""
        path = b"%b/%b" % (self.orders.raw_path, quote(checked(order_id), safe="").encode())
        url = self.base.copy_with(raw_path=path)
        assert url.raw_path == path, "the order id changed the path"
        return url

    def _request(self, method: str, url: httpx.URL, body: bytes = b"") -> httpx.Request:
        """With the stream given, httpx adds no header of its own: 4 us instead of 14."""
        headers = [*self.headers, (b"Content-Length", b"%d" % len(body))] if body else [*self.headers]
        request = httpx.Request(method, url, headers=headers, stream=httpx.ByteStream(body))
        request.read()
        return request


@lru_cache(maxsize=8)
def wire(base_url: str, api_key: str) -> Wire:
    """Return the wire of an account; raises `SetUpError` when its variables can stand in no request."""
    try:
        base = httpx.URL(base_url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise SetUpError("BASE_URL is no URL") from error
    if base.scheme not in {"http", "https"} or not base.host or base.query or base.fragment or base.userinfo:
        raise SetUpError("BASE_URL must be a plain address such as https://api.ecdp.app")
    if not (api_key.isascii() and api_key.isprintable() and api_key.strip() == api_key != ""):
        raise SetUpError("API_KEY is empty or holds characters that no header can carry")
    prefix = base.raw_path.rstrip(b"/")
    headers = (
        (b"Host", base.netloc),
        (b"x-api-key", api_key.encode()),
        (b"Content-Type", b"application/json"),
        (b"Accept", b"application/json"),
    )
    return Wire(base, _joined(base, prefix + b"/orders"), _joined(base, prefix + b"/orders/status"), api_key, headers)


def _joined(base: httpx.URL, path: bytes) -> httpx.URL:
    url = base.copy_with(raw_path=path)
    if url.raw_path != path:
        raise SetUpError("BASE_URL has a path that cannot be kept as it is")
    return url
