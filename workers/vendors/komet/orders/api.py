"""Web orders as ``web-order-details.list`` shows them. Its page names the fields of an item in part only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from workers.vendors.komet.answers.values import PO_NAMES, Code, Text, named_values, text_of
from workers.vendors.komet.orders.mapping import Item, WebOrder
from workers.vendors.komet.orders.options import ProductIdIs

PENDING, CHECKED_OUT = 1, 2  # documented values of statusId
OPEN_LIFE_S: Final = 3 * 86_400.0  # after it Komet cancels a web order that is not checked out

PRODUCT_NAMES: Final[Mapping[ProductIdIs, Sequence[str]]] = {
    "inventory_id": ("inventoryIds", "inventoryId", "inventoryLineIds", "inventoryLineId"),
    "product_code": ("productCode",),
    "company_product_id": ("companyProductId",),
}
BOXES_NAMES: Final = ("quantity", "boxes", "totalBoxes")


def _items(value: Any) -> Any:
    return value if isinstance(value, list) and all(isinstance(each, dict) for each in value) else None


class WebOrderRow(BaseModel):
    """A web order at Komet."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    _named = model_validator(mode="before")(named_values)

    id: Text = Field("", validation_alias=AliasChoices("id", "webOrderId"))
    status: Code = Field(None, validation_alias="statusId")
    reference: Text = Field("", validation_alias=AliasChoices(*PO_NAMES))
    items: Annotated[list[dict[str, Any]] | None, BeforeValidator(_items)] = None  # None: they cannot be read


def row_of(row: Mapping[str, Any]) -> WebOrderRow:
    """Read a row; what is unreadable counts as missing."""
    try:
        return WebOrderRow.model_validate(row)
    except ValidationError:
        return WebOrderRow()


def missing_items(row: WebOrderRow, wanted: WebOrder, product_id_is: ProductIdIs) -> tuple[Item, ...] | None:
    """The items that the web order at Komet lacks; None: it holds something else, or something unreadable.

    Two lines of one product count as equal to one of their sum: Komet may have added them up.
    """
    found = None if row.items is None else [_read(item, product_id_is) for item in row.items]
    if found is None or None in found:
        return None
    held = Counter(pair for pair in found if pair is not None)
    lacking: list[Item] = []
    for product in dict.fromkeys(item.product for item in wanted.items):
        items = [item for item in wanted.items if item.product == product]
        boxes = [number for (name, number), count in held.items() if name == product for _ in range(count)]
        if sum(boxes) != sum(item.boxes for item in items):
            for item in items:
                if item.boxes in boxes:
                    boxes.remove(item.boxes)
                else:
                    lacking.append(item)
            if boxes:
                return None
    return tuple(lacking) if {name for name, _ in held} <= {item.product for item in wanted.items} else None


def _read(item: Mapping[str, Any], product_id_is: ProductIdIs) -> tuple[str, int] | None:
    product = next((text_of(item[name]) for name in PRODUCT_NAMES[product_id_is] if text_of(item.get(name))), "")
    boxes = next((text_of(item[name]) for name in BOXES_NAMES if text_of(item.get(name))), "")
    whole, _, places = boxes.partition(".")  # ``2.00`` is two boxes
    return (product, int(whole)) if product and whole.isdecimal() and not places.strip("0") else None
