"""The keys that a DCL poller adds to its worker in topics.yaml."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

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
    raw: bool = Field(False, description="true: events carry DCL's own JSON, with addresses.")


def order_number(options: DclOptions, order_id: str) -> str | None:
    """Return DCL's number of an order; None when another field holds our id, so that only DCL's answers tell it."""
    return order_id if options.order_id_from == "order_number" else None
