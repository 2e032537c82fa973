"""Builds Komet's requests. Where the token travels depends on the method: query string, JSON body or header."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import orjson

from workers.vendors._shared.requests import (
    JSON_HEADERS,
    HeaderPairs,
    SetUpError,
    base_address,
    below,
    built,
    in_a_header,
)
from workers.vendors.contract import Credentials

EXAMPLE: Final = "https://api.kometsales.com/api"
TOKEN: Final = "authenticationToken"  # noqa: S105 - the name of a parameter and of a header
ACCOUNT_HEADER: Final = b"X-ACCOUNT"
MAX_TOKEN_CHARS: Final = 50  # documented
MAX_REQUEST_BYTES: Final = 64_000  # documented as 64 kB


@dataclass(frozen=True, slots=True)
class KometRequests:
    """The address, the token and the customer of one Customer Token."""

    base: httpx.URL
    token: str = field(repr=False)
    account: str  # the seller's company id; empty: none is known
    customer_id: str
    location_ids: tuple[str, ...]  # none: the seller has one location

    @property
    def location_id(self) -> str:
        """The location of methods that take a single one; empty: the seller has one location."""
        return self.location_ids[0] if self.location_ids else ""

    def by_query(self, method: str, parameters: Mapping[str, str]) -> httpx.Request:
        """Build a GET with the token in the query string: invoices, prebooks, customers."""
        return self._get(method, {**parameters, TOKEN: self.token}, self._headers())

    def by_body(self, method: str, body: Mapping[str, Any]) -> httpx.Request:
        """Build a POST with the token in the JSON body: ``invoice.pdf.get``."""
        return built(
            "POST", self._url(method), self._headers(), orjson.dumps({**body, TOKEN: self.token}), operation=method
        )

    def by_header(
        self, method: str, parameters: Mapping[str, str], extensions: dict[str, Any] | None = None
    ) -> httpx.Request:
        """Build a GET with the token in a header: ``ecommerce/*`` and the list of web orders."""
        return self._get(method, parameters, self._headers(in_header=True), extensions)

    def post(self, method: str, body: bytes) -> httpx.Request:
        """Build a POST of JSON with the token in a header: the writes of ``web-order*``."""
        return built("POST", self._url(method), self._headers(in_header=True), body, operation=method)

    def _get(
        self,
        method: str,
        parameters: Mapping[str, str],
        headers: HeaderPairs,
        extensions: dict[str, Any] | None = None,
    ) -> httpx.Request:
        query = urlencode(parameters, safe=",:").encode()
        return built("GET", self._url(method).copy_with(query=query), headers, extensions=extensions, operation=method)

    def _url(self, method: str) -> httpx.URL:
        return below(self.base, b"/" + method.encode())

    def _headers(self, *, in_header: bool = False) -> HeaderPairs:
        plain = ((b"Host", self.base.netloc), *JSON_HEADERS)
        if not in_header:
            return plain
        account = ((ACCOUNT_HEADER, self.account.encode()),) if self.account else ()
        return (*plain, (TOKEN.encode(), self.token.encode()), *account)


def komet_requests(credentials: Credentials) -> KometRequests:
    """Read the variables' present values; raises `SetUpError` when one is unusable."""
    names = ("BASE_URL", "TOKEN", "ACCOUNT", "CUSTOMER_ID", "LOCATION_IDS")
    return _requests(*(credentials[name] for name in names))


@lru_cache(maxsize=8)
def _requests(base_url: str, token: str, account: str, customer_id: str, locations: str) -> KometRequests:
    if not in_a_header(token):
        raise SetUpError("{TOKEN} is empty, or has characters that a header cannot hold")
    if account and not in_a_header(account):
        raise SetUpError("{ACCOUNT} has characters that a header cannot hold")
    return KometRequests(base_address(base_url, EXAMPLE), token, account, customer_id, location_ids(locations))


def variables_faults(credentials: Credentials) -> Iterator[tuple[str, str]]:
    """Ids that are no numbers, and a token that is too long to be one."""
    if len(credentials["TOKEN"]) > MAX_TOKEN_CHARS:
        yield "TOKEN", f"must have at most {MAX_TOKEN_CHARS} characters: Komet's page says so"
    for name, ids in (("ACCOUNT", [credentials["ACCOUNT"]]), ("CUSTOMER_ID", [credentials["CUSTOMER_ID"]])):
        if not all(_is_id(each) for each in filter(None, ids)):
            yield name, "must be a whole number: Komet's internal id"
    if not all(_is_id(each) for each in location_ids(credentials["LOCATION_IDS"])):
        yield "LOCATION_IDS", "must be whole numbers with commas between them: Komet's internal ids"


def location_ids(listed: str) -> tuple[str, ...]:
    """The ids in LOCATION_IDS."""
    return tuple(each.strip() for each in listed.split(",") if each.strip())


def _is_id(text: str) -> bool:
    return text == "?" or (text.isascii() and text.isdigit())
