"""The parts of Komet's rows that the poller reads. Any value may be missing, or of another type."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from workers.vendors.komet.answers.values import (
    PO_NAMES,
    Code,
    Flag,
    Money,
    Quantity,
    Text,
    code_of,
    day_of,
    instant_of,
    named_values,
)

T = TypeVar("T")

MAX_NUMBER_CHARS: Final = 512  # of what is in Kafka's keys

LIST_FIELDS: Final = (
    "id",
    "number",
    "status",
    "createdOn",
    "shipDate",
    "total",
    "subtotal",
    "balance",
    "customerId",
    "customerName",
    "customerPONumber",
    "locationId",
    "isEcommerce",
    "salesPersonName",
    "invoiceNotes",
    "carrierId",
    "carrierName",
    "dueDate",
)
"""Top-level fields that events name as changed; not ``updatedOn``, which always differs. Add new ones at the end."""

LINE_FIELDS: Final = ("details", "additionalChargesDetails")

PREBOOK_FIELDS: Final = (
    "id",
    "number",
    "truckDate",
    "type",
    "prebookStatus",
    "checkOutStatus",
    "customerId",
    "customerPONumber",
    "soNumber",
    "carrierId",
    "carrierName",
    "shipvia",
    "comments",
    "locationId",
    "isEcommerce",
)

CUSTOMER_FIELDS: Final = ("creditLimit", "availableCredit", "balance", "openOrders")

STOCK_FIELDS: Final = ("productDescription", "availableBoxes", "availableDate", "price")


def _rows(value: Any) -> Any:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else ()


Rows = Annotated[tuple[T, ...], BeforeValidator(_rows)]
Day = Annotated[date | None, BeforeValidator(day_of)]
Instant = Annotated[int | None, BeforeValidator(instant_of)]


def _named(*names: str) -> AliasChoices:
    """The names that a field may have, of which Komet's pages show none for sure: the first one with a value counts."""
    return AliasChoices(*names)


class _ApiModel(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)
    _with_values = model_validator(mode="before")(named_values)


class InvoiceRow(_ApiModel):
    """A row of ``invoice.list``: an invoice or a web order. No field is sure but its id or number."""

    id: Text = ""
    number: Text = ""
    status: Text = ""
    created_on: Text = Field("", validation_alias="createdOn")
    updated_ms: Instant = Field(None, validation_alias="updatedOn")
    ship_day: Day = Field(None, validation_alias="shipDate")
    due_on: Text = Field("", validation_alias="dueDate")
    total: Money = None
    balance: Money = None
    customer_id: Text = Field("", validation_alias="customerId")
    customer_po: Text = Field("", validation_alias=_named(*PO_NAMES))
    is_web: Flag = Field(None, validation_alias="isEcommerce")

    @property
    def code(self) -> int | None:
        """The status as a number; None when it is none."""
        return code_of(self.status)


class Line(_ApiModel):
    """A line of an invoice."""

    id: Text = Field("", validation_alias=_named("detailId", "id"))
    item_number: Text = Field("", validation_alias=_named("productCode", "productId"))
    description: Text = Field("", validation_alias=_named("productDescription", "description"))
    quantity: Quantity = Field(None, validation_alias=_named("totalUnits", "units", "totalBoxes"))
    unit_price: Money = Field(None, validation_alias=_named("unitPrice", "price"))
    boxes: Rows[dict[str, Any]] = ()


class DetailsRow(_ApiModel):
    """A row of ``invoice.details.list``; any of its lists may be missing."""

    id: Text = ""
    number: Text = ""
    lines: Rows[Line] = Field((), validation_alias="details")


class PrebookRow(_ApiModel):
    """A row of ``prebook.list``."""

    id: Text = ""
    number: Text = ""
    status: Text = Field("", validation_alias=_named("prebookStatus", "status"))
    check_out: Code = Field(None, validation_alias="checkOutStatus")
    customer_id: Text = Field("", validation_alias="customerId")
    updated_ms: Instant = Field(None, validation_alias="updatedOn")


class CustomerRow(_ApiModel):
    """The customer's credit; its names and addresses are not read."""

    id: Text = Field("", validation_alias=_named("id", "customerId"))
    credit_limit: Money = Field(None, validation_alias="creditLimit")
    remaining: Money = Field(None, validation_alias="availableCredit")
    balance: Money = None
    open_orders: Money = Field(None, validation_alias="openOrders")


class StockRow(_ApiModel):
    """A row of ``ecommerce/inventory.list``; its page names no field."""

    id: Text = Field("", validation_alias=_named("inventoryLineId", "inventoryId", "id"))
    origin: Text = Field("", validation_alias="inventoryOrigin")
    description: Text = Field("", validation_alias=_named("productDescription", "description", "productName", "name"))
    available: Quantity = Field(
        None, validation_alias=_named("availableBoxes", "availableQuantity", "boxes", "totalBoxes", "quantity")
    )
    available_on: Text = Field("", validation_alias=_named("availableDate", "availableDateFrom", "availableFrom"))
