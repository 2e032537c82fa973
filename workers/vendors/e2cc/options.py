"""The keys that an E2CC poller adds to its worker in topics.yaml."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from workers.core.poll.change import Progress
from workers.vendors.e2cc.requests import MAX_PAGE_SIZE, Bounds
from workers.vendors.e2cc.states import PROGRESS_BY_STATUS, normal

OrderIdFrom: TypeAlias = Literal["customerOrder", "description", "orderNbr"]


class E2ccOptions(BaseModel):
    """Options of an E2CC poller."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order_id_from: OrderIdFrom = Field("customerOrder", description="The field of E2CC's that holds our order id.")
    progress: dict[str, Progress] = Field(
        {}, description="The progress that an order's status means, in addition to E2CC's own words."
    )
    page_size: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = Field(
        MAX_PAGE_SIZE, description="Rows in one answer, at most 1000."
    )
    conditions: Bounds = Field(
        "both",
        description="Which bounds of creation time E2CC is asked for: `both`, `from` (the only one that its page "
        "shows), or `none` (each reading of a range reads the whole list).",
    )
    fields: Literal["chosen", "all"] = Field(
        "chosen", description="Whether lists are asked for the fields that the relay reads, or for all of them."
    )
    raw: bool = Field(False, description="true: events carry E2CC's own JSON, without addresses and payment links.")

    @cached_property
    def progress_by_status(self) -> Mapping[str, Progress]:
        """By the normal form of a status."""
        return {**PROGRESS_BY_STATUS, **{normal(text): means for text, means in self.progress.items()}}
