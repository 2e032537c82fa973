"""The requests for web orders of one account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx
import orjson

from workers.vendors._shared.requests import LOOK_UP, REDACTED, SetUpError
from workers.vendors.contract import Credentials
from workers.vendors.komet.orders.mapping import LOCATION, Item, WebOrder
from workers.vendors.komet.orders.options import ProductIdIs
from workers.vendors.komet.requests import KometRequests, komet_requests

NEEDS_ACCOUNT: Final = "{ACCOUNT} is not set: web orders need the seller's company id, which Komet's support hands out"


@dataclass(frozen=True, slots=True)
class WebShop:
    """Builds the requests; each has the token in a header."""

    komet: KometRequests
    product_id_is: ProductIdIs

    @property
    def token(self) -> str:
        """To be removed from what Komet says."""
        return self.komet.token

    @property
    def locations(self) -> Sequence[str]:
        """Where a web order may be whose location is not known; an empty one: the seller has one location."""
        return self.komet.location_ids or ("",)

    def create(self, order: WebOrder) -> httpx.Request:
        """Build ``web-order.create``: a header without items. The page does not name ``customerPo`` here."""
        body = {"companyId": _id(self.komet.account), "customerPo": order.reference}
        return self._post("web-order.create", body, order.location)

    def add(self, number: str, order: WebOrder, item: Item) -> httpx.Request:
        """Build ``web-order-item.add``: it appends, so a second one adds the item twice."""
        return self._post("web-order-item.add", {"webOrderId": _id(number), **item.body}, order.location)

    def check_out(self, number: str, order: WebOrder) -> httpx.Request:
        """Build ``web-order.checkout``."""
        body = {"webOrderId": _id(number), "customerPo": order.reference}
        return self._post("web-order.checkout", body, order.location)

    def delete(self, number: str) -> httpx.Request:
        """Build ``web-order.delete``, which cancels."""
        return self._post("web-order.delete", {"webOrderId": _id(number)})

    def details(self, status_id: int, number: str = "", location: str = "") -> httpx.Request:
        """Build ``web-order-details.list`` of one web order; without ``number`` of all of the customer's."""
        asked = {"customerId": self.komet.customer_id, "statusId": str(status_id)}
        if number:
            asked["webOrderId"] = number
        if location:
            asked[LOCATION] = location
        return self.komet.by_header("web-order-details.list", asked, LOOK_UP)

    def redacted(self) -> WebShop:
        """The same without the token, for requests that are only shown."""
        return replace(self, komet=replace(self.komet, token=REDACTED))

    def _post(self, method: str, body: Mapping[str, Any], location: str = "") -> httpx.Request:
        of = {LOCATION: _id(location)} if location else {}
        return self.komet.post(method, orjson.dumps({"customerId": _id(self.komet.customer_id), **body, **of}))


def web_shop(credentials: Credentials, product_id_is: ProductIdIs) -> WebShop:
    """Read the variables' present values; raises `SetUpError`."""
    komet = komet_requests(credentials)
    if not komet.account:
        raise SetUpError(NEEDS_ACCOUNT)
    return WebShop(komet, product_id_is)


def _id(text: str) -> int | str:
    """Komet's ids are whole numbers; its answers have them as texts, too."""
    return int(text) if text.isascii() and text.isdecimal() else text
