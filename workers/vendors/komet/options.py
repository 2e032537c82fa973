"""The keys that a Komet poller adds to its worker in topics.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from workers.core.poll.change import Progress


class KometPollerOptions(BaseModel):
    """Options of a Komet poller."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    progress: dict[str, Progress] = Field(
        {},
        description="The progress that a stage means, by its code or its name, in addition to those of Komet's pages "
        "(0 `received`, 1 `processing`, 4 `cancelled`); prebooks have the seller's own names.",
    )
    order_id_from: Literal["customer_po", "nothing"] = Field(
        "customer_po", description="What holds our order id in a web order: the customer's PO, or nothing."
    )
    raw: bool = Field(False, description="true: events carry Komet's own JSON, with names and addresses.")

    @cached_property
    def progress_by_name(self) -> Mapping[str, Progress]:
        """By the code or the name in lower case."""
        return {name.strip().lower(): means for name, means in self.progress.items()}
