"""The keys that a DCL poller adds to its worker in topics.yaml."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from workers.core.poll.change import Progress
from workers.vendors.dcl.api import ADDRESSES, FIELDS, NEEDED
from workers.vendors.dcl.delivery_statuses import DELIVERY_STATUSES, DeliveryProgress, normal

MAX_PAGE_SIZE: Final = 100  # documented

OrderIdFrom: TypeAlias = Literal[
    "order_number",
    "po_number",
    "customer_number",
    "custom_field1",
    "custom_field2",
    "custom_field3",
    "custom_field4",
    "custom_field5",
]

Account: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,10}$")]

_TAG: Final = (
    "(order_stage|order_status|account_number|po_number|customer_number|shipping_carrier|shipping_service|order_type"
    "|system_id|custom_field[1-5])"
)
_CONDITION: Final = rf'{_TAG} (eq|neq|gt|ge|lt|le) (-?\d+|"[^",]*")'
_FILTER: Final = re.compile(rf"({_CONDITION}(, ?{_CONDITION})*)?", re.ASCII)


def _filter(text: str) -> str:
    if not _FILTER.fullmatch(text):
        raise ValueError('must be conditions of DCL\'s page such as order_type eq "REST", order_stage gt 40')
    return text


def _field_names(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = sorted(set(names) - {*FIELDS, *NEEDED})
    if unknown:
        raise ValueError(f"has no such field of DCL's orders: {', '.join(unknown)}")
    return names


class DclOptions(BaseModel):
    """Options of a DCL poller."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order_id_from: OrderIdFrom = Field("order_number", description="The field of DCL's that holds our order id.")
    accounts: tuple[Account, ...] = Field(
        (), description="DCL accounts to poll, each a shard (none: all that the login sees, as one shard)."
    )
    page_size: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = Field(
        MAX_PAGE_SIZE, description="Orders in one answer, at most 100."
    )
    filter: Annotated[str, AfterValidator(_filter)] = Field(
        "", description="Only orders that fit DCL's `filter` are read, in addition to `accounts`."
    )
    fields: Annotated[tuple[str, ...], AfterValidator(_field_names)] | Literal["all"] = Field(
        (),
        description="The fields that DCL is asked for, in addition to those that events are made of "
        "(none: all but addresses, with `raw` those too; `all`: DCL decides).",
    )
    items: bool = Field(
        True,
        description="Whether events hold the items of packages, and a change of these (serial numbers, lots) is one.",
    )
    delivery_statuses: dict[str, DeliveryProgress] = Field(
        {}, description="The progress that a package's delivery_status means, in addition to carriers' common texts."
    )
    raw: bool = Field(False, description="true: events carry DCL's own JSON, with addresses.")

    @cached_property
    def asked_fields(self) -> tuple[str, ...]:
        """The names of the fields to ask for; none: all."""
        if self.fields == "all" or (self.raw and not self.fields):
            return ()
        chosen = self.fields or tuple(name for name in FIELDS if name not in ADDRESSES)
        return tuple(dict.fromkeys((*NEEDED, self.order_id_from, *chosen)))

    @cached_property
    def unread(self) -> frozenset[str]:
        """The fields that DCL is not asked for."""
        return frozenset(FIELDS) - set(self.asked_fields) if self.asked_fields else frozenset()

    @cached_property
    def progress_by_status(self) -> Mapping[str, Progress]:
        """By the normal form of a delivery status."""
        return {**DELIVERY_STATUSES, **{normal(text): means for text, means in self.delivery_statuses.items()}}


def order_number(options: DclOptions, order_id: str) -> str | None:
    """Return DCL's number of an order; None when another field holds our id, so that only DCL's answers tell it."""
    return order_id if options.order_id_from == "order_number" else None
