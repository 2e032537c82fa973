"""What became of one record that a sink finished."""

from typing import Final, Literal, NamedTuple, TypeAlias

ReceiptOutcome: TypeAlias = Literal["delivered", "found", "skipped", "parked", "discarded", "passed_over"]

LONGEST_ORDER_ID: Final = 4096
"""Characters. A publisher's longer id is left out: the receipts of a commit must fit one Kafka record."""


class Receipt(NamedTuple):
    """One finished record (``schemas/ecdp-receipts.avsc``). A NamedTuple, because one is made for each record."""

    order_id: str
    topic: str  # the source's, also for a record that was replayed or discarded
    offset: int
    finished_at_ms: int  # milliseconds since 1970
    outcome: ReceiptOutcome
    reason: str | None = None  # of a skip or a parking; who gave it up, and why
    http_status: int | None = None
    attempts: int = 0
    vendor_ref: str | None = None  # the vendor's own id of the order


def given_up_by(who: str, why: str) -> str:
    """The reason of a receipt for a record that an operator has given up."""
    return f"by {who}: {why}" if why else f"by {who}"
