"""What an e-Courier sink adds to its worker in topics.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from workers.vendors.ecourier.numbers import HASHED, LEAST_HASH


class EcourierOptions(BaseModel):
    """How orders are numbered and looked up, and which answers mean that the session is over."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # A letter in it, for e-Courier numbers its own orders 2073: a clash would overwrite a stranger's delivery.
    order_number_prefix: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]*[A-Za-z][0-9A-Za-z_-]*$")] = "OR-"
    order_number_max: Annotated[int, Field(le=200)] = 30  # characters; a longer number becomes a hash
    look_up_first: bool = True  # an order that was never saved before is looked up, not to save over a stranger's
    dead_statuses: tuple[int, ...] = (-5, 401, 403)  # HTTP statuses, and below zero those in the body

    @model_validator(mode="after")
    def _room(self) -> EcourierOptions:
        """Invariant: a hash of 80 bits fits. Broken, two orders might share a number."""
        least = len(self.order_number_prefix) + len(HASHED) + LEAST_HASH
        if self.order_number_max < least:
            raise ValueError(f"order_number_max must be at least {least}: the prefix, and room for a hash")
        return self
