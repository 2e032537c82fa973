"""What a set's events are about besides orders: an invoice, the stock of an article, a customer's credit, a return."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from workers.core.poll.change import VendorOrder


@dataclass(frozen=True, slots=True)
class ItemKind:
    """The events about one kind of item."""

    record: str  # the name of their schema's record
    identity: tuple[str, ...]  # the fields whose values, joined by colons, follow the vendor in the Kafka key
    previous: tuple[str, ...]  # the fields whose former values ``previous`` holds
    kept: tuple[str, ...] = ()  # further fields that the event of a deletion repeats
    details: tuple[str, ...] = ()  # the fields that a list does not show, only further requests


INVOICE: Final = ItemKind(
    "InvoiceChanged",
    identity=("invoice_number",),
    previous=("status", "state", "amount", "balance"),
    kept=("type", "order_number", "order_id"),
    details=("lines",),
)
INVENTORY: Final = ItemKind("InventoryChanged", identity=("inventory_id", "warehouse"), previous=("available",))
CREDIT: Final = ItemKind(
    "CreditChanged", identity=("customer_id",), previous=("credit_limit", "remaining", "balance", "open_orders")
)
RETURN: Final = ItemKind(
    "ReturnChanged",
    identity=("return_id",),
    previous=("status", "state", "resolution"),
    kept=("order_number", "order_id"),
)

ITEM_KINDS: Final[Mapping[str, ItemKind]] = {kind.record: kind for kind in (INVOICE, INVENTORY, CREDIT, RETURN)}
"""By the record of their events."""


@dataclass(frozen=True, slots=True)
class VendorItem:
    """One item as the vendor shows it now; what `VendorOrder` is for orders."""

    kind: ItemKind
    # The event's own fields, in the schema's form: decimals as by `avro_decimal`, times in milliseconds. A missing
    # field has its schema's default; the fields that all change events share are not among them.
    content: Mapping[str, Any]
    digest: bytes  # of the normalised content that matters: the same digest means no change
    fields: Mapping[str, Any]  # the vendor's top-level fields: those that differ are the event's ``changed``
    former_digests: Sequence[bytes] = ()  # as for `VendorOrder`
    unread: frozenset[str] = frozenset()  # top-level fields that were not asked for, such as those of the details
    account: str = ""
    reference: str | None = None  # as for `VendorOrder`; the order id is the content's
    modified_ms: int | None = None  # by the vendor's clock; only a hint
    raw: str | None = None  # the vendor's JSON, if configured


Item: TypeAlias = VendorOrder | VendorItem


def with_order_id(item: Item, order_id: str) -> Item:
    """The item with our id of its order. Its digest stays: the vendor says the same."""
    if isinstance(item, VendorOrder):
        return replace(item, order_id=order_id)
    return replace(item, content={**item.content, "order_id": order_id})
