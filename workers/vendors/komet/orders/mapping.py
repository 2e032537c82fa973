"""Our orders to Komet's web orders, checked before anything is sent.

`LimitError` names the first bad field by its path in *our* event, with the rule and without the value.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Final

import orjson

from workers.core.events import MONEY_SCALE, Attribute, Money, Order, OrderLine, money_text
from workers.vendors._shared.limits import LimitError
from workers.vendors.komet.orders.options import ProductIdIs

MAX_PO_CHARS: Final = 50  # documented for web-order.checkout
HASH_MARK: Final = "."  # what a reference begins with that is not the order id itself
MAX_CODE_CHARS: Final = 20
MAX_PRICE: Final = 99_999_999  # (10,2)
PRICE_PLACES: Final = 2
MAX_INT: Final = 2**31 - 1
ORIGINS: Final = ("1", "2", "3", "4")

PRODUCT_FIELD: Final[Mapping[ProductIdIs, str]] = {
    "inventory_id": "inventoryIds",
    "product_code": "productCode",
    "company_product_id": "companyProductId",
}

LOCATION: Final = "companyLocationId"
CHANNEL: Final = "channel"
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_PLAIN: Final = re.compile(r"[!-~]([ -~]*[!-~])?")


@dataclass(frozen=True, slots=True)
class Item:
    """A line of a web order."""

    body: Mapping[str, Any]  # of web-order-item.add, without the account's fields and the web order's id
    product: str
    boxes: int


@dataclass(frozen=True, slots=True)
class WebOrder:
    """What an order should be at Komet."""

    reference: str  # Komet's customer PO: by it a web order is found to be ours
    location: str  # of the seller; empty: it has one
    items: tuple[Item, ...]

    @property
    def hash(self) -> str:
        """A hash of the content: an event with the same one would change nothing."""
        content = [self.reference, self.location, [dict(item.body) for item in self.items]]
        return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def reference(order_id: str) -> str:
    """The customer PO of an order: its id, or a dot and a hash of it where Komet could not keep the id as it is.

    Invariant: different orders have different references. Otherwise one order's items would go into another's web
    order. The poller reads the order id from it, or from the tracked topic by it.
    """
    if len(order_id) <= MAX_PO_CHARS and _PLAIN.fullmatch(order_id) and not order_id.startswith(HASH_MARK):
        return order_id
    digest = sha256(order_id.encode(errors="surrogatepass")).digest()
    return HASH_MARK + base64.b32encode(digest).decode()[:32]


def channel_of(order: Order) -> str | None:
    """The order's sales channel."""
    return next((one["value"] for one in order["attributes"] if one["name"] == CHANNEL), None)


def web_order(order: Order, product_id_is: ProductIdIs, locations: Sequence[str]) -> WebOrder:
    """Map an order; ``locations``: the seller's that the customer buys from. Raises `LimitError`."""
    if not order["lines"]:
        raise LimitError("lines", "a web order needs at least one")
    shared = dict(_fields(order["attributes"], "attributes"))
    location = str(shared.pop(LOCATION, "")) or (locations[0] if len(locations) == 1 else "")
    if len(locations) > 1 and not location:
        raise LimitError("attributes", f"{LOCATION} is needed: the seller has several locations")
    items = [_item(line, f"lines[{index}]", shared, product_id_is) for index, line in enumerate(order["lines"])]
    return WebOrder(reference(order["order_id"]), location, tuple(items))


def _item(line: OrderLine, at: str, shared: Mapping[str, Any], product_id_is: ProductIdIs) -> Item:
    product, boxes = _product(line["product_id"], product_id_is, f"{at}.product_id"), line["quantity"]
    if not 1 <= boxes <= MAX_INT:
        raise LimitError(f"{at}.quantity", "at least 1 box")
    own = dict(_fields(line["attributes"], f"{at}.attributes"))
    own.pop(LOCATION, None)  # a web order has one location
    body = {
        **shared,
        **own,
        PRODUCT_FIELD[product_id_is]: product,
        "quantity": boxes,
        "price": _price(line["unit_price"], f"{at}.unit_price"),
    }
    return Item(body, product, boxes)


def _product(text: str, product_id_is: ProductIdIs, at: str) -> str:
    if product_id_is == "product_code":
        return _code(text, at)
    return str(_id(text, at))  # `inventoryIds` may list several: one line is one product


def _price(money: Money, at: str) -> float:
    unscaled = int.from_bytes(money, "big", signed=True)
    if unscaled % 10 ** (MONEY_SCALE - PRICE_PLACES):
        raise LimitError(at, f"at most {PRICE_PLACES} decimal places")
    if not 0 <= unscaled <= MAX_PRICE * 10**MONEY_SCALE:
        raise LimitError(at, f"from 0 to {MAX_PRICE}")
    return float(money_text(money))  # ten digits: a double prints the same number


def _fields(attributes: Sequence[Attribute], at: str) -> Iterator[tuple[str, Any]]:
    """The attributes that are fields of web-order-item.add, by Komet's own names; others are other vendors'."""
    for attribute in attributes:
        read, value = READ.get(attribute["name"]), (attribute["value"] or "").strip()
        if read is not None and value:
            yield attribute["name"], read(value, f"{at}.{attribute['name']}")


def _id(text: str, at: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise LimitError(at, "an id of Komet's: a whole number")
    return int(text)


def _code(text: str, at: str) -> str:
    if not 1 <= len(text) <= MAX_CODE_CHARS or not text.isprintable():
        raise LimitError(at, f"1 to {MAX_CODE_CHARS} characters")
    return text


def _day(text: str, at: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise LimitError(at, "a date: YYYY-MM-DD") from error


def _origin(text: str, at: str) -> int:
    if text not in ORIGINS:
        raise LimitError(at, f"one of {', '.join(ORIGINS)}")
    return int(text)


def _flag(text: str, at: str) -> bool:
    if text.lower() not in {"true", "false", "1", "0"}:
        raise LimitError(at, "true or false")
    return text.lower() in {"true", "1"}


READ: Final[Mapping[str, Callable[[str, str], Any]]] = {
    LOCATION: _id,
    "inventoryOrigin": _origin,
    "carrierId": _id,
    "date": _day,
    "shipToId": _id,
    "markCode": _code,
    "boxTypeCode": _code,
    "reservedInventory": _flag,
}
"""How the value of each attribute is read that is a field of web-order-item.add (or, the location, of all methods)."""
