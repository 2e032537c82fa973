"""The parts of DCL's answer to GET orders that the relay reads. Any list and any text may be null."""

from collections import Counter
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import partial
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from workers.vendors._shared.decimals import MONEY_SCALE, QUANTITY_SCALE, unscaled
from workers.vendors._shared.event_size import UNREADABLE

T = TypeVar("T")

FIELDS: Final = (
    "order_status",
    "order_number",
    "location",
    "order_stage",
    "stage_description",
    "is_cancelled",
    "is_back_order",
    "account_number",
    "order_type",
    "system_id",
    "ordered_date",
    "received_date",
    "po_number",
    "customer_number",
    "freight_account",
    "consignee_number",
    "shipping_carrier",
    "shipping_service",
    "shipping_address",
    "billing_address",
    "international_code",
    "order_subtotal",
    "shipping_handling",
    "sales_tax",
    "international_handling",
    "total_due",
    "amount_paid",
    "net_due_currency",
    "balance_due_us",
    "international_declared_value",
    "insurance",
    "payment_type",
    "terms",
    "fob",
    "packing_list_type",
    "packing_list_comments",
    "shipping_instructions",
    "custom_field1",
    "custom_field2",
    "custom_field3",
    "custom_field4",
    "custom_field5",
    "order_lines",
    "shipments",
)
"""Top-level fields that events name as changed; not ``modified_at``, which always differs. Add new ones at the end."""


ADDRESSES: Final = ("shipping_address", "billing_address")
NEEDED: Final = (
    "order_number",
    "account_number",
    "order_stage",
    "stage_description",
    "order_status",
    "is_cancelled",
    "is_back_order",
    "shipments",
    "modified_at",
)
"""What events are made of: no choice of fields leaves these out."""

MAX_NUMBER_CHARS: Final = 512  # both are in the keys of Kafka


def _text(value: Any) -> Any:
    return "" if value is None else value


def _flag(value: Any) -> Any:
    return False if value is None else value


def _items(value: Any) -> Any:
    return () if value is None else value


Text = Annotated[str, BeforeValidator(_text)]  # null becomes empty
TextOrNull = str | None  # in the many parts of an order: a third of the time that `Text` takes
Flag = Annotated[bool, BeforeValidator(_flag)]
Int32 = Annotated[int, Field(gt=-(2**31), lt=2**31)]
List = Annotated[tuple[T, ...], BeforeValidator(_items)]
Money = Annotated[int | None, BeforeValidator(partial(unscaled, scale=MONEY_SCALE))]  # without its point
Quantity = Annotated[int | None, BeforeValidator(partial(unscaled, scale=QUANTITY_SCALE))]


class _ApiModel(BaseModel):
    # DCL sends ids as text or number.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, coerce_numbers_to_str=True)


class LotDetail(_ApiModel):
    """How many of an item are of one lot."""

    lot_number: TextOrNull = None
    quantity: Quantity = None


class Item(_ApiModel):
    """Goods in a package."""

    item_number: TextOrNull = None
    description: TextOrNull = None
    line_number: Int32 | None = None
    quantity: Quantity = None
    serial_numbers: List[TextOrNull] = ()
    lot_numbers: List[TextOrNull] = ()
    lot_details: List[LotDetail] = ()


class Package(_ApiModel):
    """A package of a shipment."""

    carton_id: TextOrNull = None
    tracking_number: TextOrNull = None
    delivery_status: TextOrNull = None
    delivery_date: TextOrNull = None
    items: List[Item] = Field((), alias="shipped_items")


class Shipment(_ApiModel):
    """A shipment, with its packages."""

    ship_id: TextOrNull = None
    ship_date: TextOrNull = None
    carrier: TextOrNull = Field(None, alias="shipping_carrier")
    sent_by: TextOrNull = Field(None, alias="shipping_service")  # GROUND, 2DAY
    reference: TextOrNull = Field(None, alias="reference1")
    return_tracking_number: TextOrNull = Field(None, alias="rs_tracking_number")
    freight_charge: Money = Field(None, alias="total_charge")
    packages: List[Package] = ()


class DclOrder(_ApiModel):
    """A row of the answer; everything but the order number may be missing."""

    order_number: Annotated[Text, Field(min_length=1, max_length=MAX_NUMBER_CHARS)]
    account_number: Annotated[Text, Field(max_length=MAX_NUMBER_CHARS)] = ""
    order_stage: Int32 | None = None  # None: missing, or not a 32-bit integer
    stage_description: Text = ""
    order_status: int | None = None
    is_cancelled: Flag = False
    is_back_order: bool | None = None
    shipments: List[Shipment] = ()


def order_of(row: Mapping[str, Any], notes: Counter[str]) -> DclOrder:
    """Read a row; unreadable fields count as missing. Raises pydantic's ValidationError when it has no order number.

    Invariant: one order's bad field blocks no other order. Otherwise its whole window would never be read.
    """
    try:
        return DclOrder.model_validate(row)
    except ValidationError as error:
        odd = [one["loc"] for one in error.errors(include_input=False, include_url=False)]
        found = DclOrder.model_validate(_without(row, odd))
        notes[UNREADABLE] += len(odd)
        return found


def _without(row: Mapping[str, Any], places: Iterable[tuple[int | str, ...]]) -> Any:
    """A copy without these places; from the end, because deleting from a list shifts its later places."""
    copy = deepcopy(dict(row))
    for *path, last in sorted(places, reverse=True):
        inner: Any = copy
        for step in path:
            inner = inner[step]
        inner.pop(last, None) if isinstance(inner, dict) else inner.pop(last)
    return copy
