"""The keys that a Komet sink adds to its worker in topics.yaml."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

ProductIdIs: TypeAlias = Literal["inventory_id", "product_code", "company_product_id"]


class KometOptions(BaseModel):
    """Options of a Komet sink: which orders are its own, and what their products are called at the seller."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: str = Field(
        "komet",
        min_length=1,
        description="An order whose attribute `channel` has this value becomes a web order; others are skipped.",
    )
    product_id_is: ProductIdIs = Field(
        "inventory_id",
        description="What a line's `product_id` is at the seller: an inventory id of the web shop, a product code, or "
        "the buyer company's product id.",
    )
