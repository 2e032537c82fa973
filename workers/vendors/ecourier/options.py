"""The keys that an e-Courier sink, and a poller, adds to its worker in topics.yaml."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from workers.core.poll.change import Progress
from workers.vendors.ecourier.order_number import HASH_MARK, MIN_HASH_CHARS, order_number

LOGIN: Final = ("WEBSITE", "USERNAME", "PASSWORD")  # the variables of a login, which go together
DEAD_STATUSES: Final = (-5, -6, 401, 403)  # HTTP statuses, and below zero those in the body
_DEAD: Final = "Answers that end the login: HTTP statuses, and below zero statuses in the body."
_PREFIX: Final = re.compile(r"[0-9A-Za-z_-]*[A-Za-z][0-9A-Za-z_-]*")


PROGRESS: Final[dict[str, Progress]] = {"N": "received", "A": "processing", "X": "cancelled"}
DELIVERED: Final = ("POD", "CMS Order POD", "Delivered", "Web Order Delivered")


def _with_defaults(given: dict[str, Progress]) -> dict[str, Progress]:
    """The site's own meanings go first, in any case."""
    own = {name.strip().casefold() for name in given}
    return {name: progress for name, progress in PROGRESS.items() if name.casefold() not in own} | given


def _prefix(text: str) -> str:
    """The prefix needs a letter: e-Courier's own numbers are like 2073, and a clash would overwrite an order."""
    if not _PREFIX.fullmatch(text):
        raise ValueError("must be letters, digits, '_' and '-', with at least one letter")
    return text


class EcourierOptions(BaseModel):
    """Options of a sink: how orders are numbered and looked up, and which answers mean a dead session."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    order_number_prefix: Annotated[str, AfterValidator(_prefix)] = Field(
        "OR-", description="The start of our order numbers at e-Courier, so that none is one of its own."
    )
    order_number_max: Annotated[int, Field(le=200)] = Field(
        30, description="The longest order number, in characters; a longer one is replaced by a hash."
    )
    look_up_first: bool = Field(
        True, description="Whether an order's first save looks for another customer's order of the same number."
    )
    dead_statuses: tuple[int, ...] = Field(DEAD_STATUSES, description=_DEAD)

    @field_validator("order_number_max")
    @classmethod
    def _room(cls, most: int, info: ValidationInfo) -> int:
        """Invariant: a hash of 80 bits fits. Otherwise two orders might share a number."""
        least = len(info.data.get("order_number_prefix", "")) + len(HASH_MARK) + MIN_HASH_CHARS
        if most < least:
            raise ValueError(f"must be at least {least}: room for the prefix and a hash")
        return most


class EcourierPollerOptions(BaseModel):
    """Options of a poller: what a site's statuses and events mean, and which answers mean a dead session."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    progress: Annotated[dict[str, Progress], AfterValidator(_with_defaults)] = Field(
        PROGRESS,
        description="What the site means by its OrderStatus, added to the defaults; any other is `unknown`.",
    )
    picked_up_events: tuple[str, ...] = Field(
        ("Pickup", "CMS Order Pickup", "Web Order Pickup"),
        description="EventTypes after which a delivery is `in_transit`, in any case.",
    )
    delivered_events: tuple[str, ...] = Field(
        DELIVERED, description="EventTypes after which a delivery is `delivered`, in any case; they end it, too."
    )
    final_events: tuple[str, ...] = Field(
        DELIVERED, description="EventTypes that end a delivery, whether it was delivered or not, in any case."
    )
    raw: bool = Field(False, description="true: events carry e-Courier's own JSON, with addresses.")
    dead_statuses: tuple[int, ...] = Field(DEAD_STATUSES, description=_DEAD)


def number_by(options: EcourierOptions | EcourierPollerOptions, order_id: str) -> str | None:
    """Return the OrderNumber that a sink of these options gives an order; None for a poller's options."""
    if isinstance(options, EcourierPollerOptions):
        return None
    return order_number(order_id, options.order_number_prefix, options.order_number_max)
