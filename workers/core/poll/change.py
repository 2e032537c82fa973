"""An order as its vendor shows it, and the change of its stage that becomes an event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Literal, TypeAlias, get_args

import orjson

Progress: TypeAlias = Literal[
    "unknown",
    "received",
    "on_hold",
    "processing",
    "partially_shipped",
    "shipped",
    "in_transit",
    "out_for_delivery",
    "delivered",
    "exception",
    "returned",
    "closed_short",
    "cancelled",
]

PROGRESS: Final[tuple[Progress, ...]] = get_args(Progress)
"""`LastPublished` stores the position in this tuple: add new words at its end."""

FINAL: Final = frozenset[Progress](("delivered", "returned", "closed_short", "cancelled"))
"""No further stage is expected; if one follows, it is published."""

QUIET: Final = FINAL | {"shipped", "in_transit", "out_for_delivery", "exception"}
"""Stages in which an order may rest: many vendors never report that a parcel arrived."""


ChangeOp: TypeAlias = Literal["snapshot", "created", "updated", "deleted"]

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Stage:
    """An order's stage, in the vendor's words and in ours."""

    name: str  # the vendor's own name or code, as text
    code: int | None
    description: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class ProofOfDelivery:
    """Who took the delivery, and when."""

    name: str | None = field(default=None, repr=False)  # personal data
    at_ms: int | None = None  # None: ``at_text`` is no readable time
    at_text: str | None = None  # as the vendor sent it


@dataclass(frozen=True, slots=True)
class VendorOrder:
    """One order as the vendor shows it now."""

    order_number: str
    stage: Stage
    digest: bytes  # of the content that matters: the same digest means no change
    fields: Mapping[str, Any]  # the vendor's top-level fields
    # The digests that former releases and other options made of this content: a row with one of them is no change.
    # Invariant: a former digest covers less than today's. Otherwise an upgrade would publish every known order again.
    former_digests: Sequence[bytes] = ()
    unread: frozenset[str] = frozenset()  # top-level fields that the vendor was not asked for
    account: str = ""
    order_id: str | None = None
    reference: str | None = None  # what the vendor keeps in the place of an order id that it cannot hold
    shipments: Sequence[Mapping[str, Any]] = ()  # in the event's own form; a field may be missing: its default holds
    back_ordered: bool | None = None  # None: the vendor does not say so
    on_hold: bool | None = None  # None: the vendor does not say so
    proof_of_delivery: ProofOfDelivery | None = None
    modified_ms: int | None = None  # by the vendor's clock; only a hint
    raw: str | None = None  # the vendor's JSON, if configured

    @property
    def key(self) -> str:
        """Identifies it to the poller: order numbers are unique in one account only."""
        return order_key(self.account, self.order_number)


@dataclass(frozen=True, slots=True)
class StageChange:
    op: ChangeOp
    sequence: int  # 1, 2, ... for the order, without a gap
    order: VendorOrder
    previous: Stage | None
    changed: tuple[str, ...]  # top-level fields that differ
    observed_ms: int


def order_key(account: str, order_number: str) -> str:
    """The key of an order's row in the state topic."""
    return f"{account}/{order_number}"


def digest(content: Any) -> bytes:
    """The hash of JSON values, the same for any order of keys."""
    return blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=DIGEST_BYTES).digest()


GONE: Final = digest(["the vendor has it no more"])
"""The digest of what was deleted."""


def event_id(vendor: str, change: StageChange) -> str:
    """Deterministic: the same whenever the same change is found, different for different content."""
    order = change.order
    return f"{vendor}:{order.account}:{order.order_number}:{change.sequence}:{order.digest.hex()}"


def stage_event(vendor: str, change: StageChange) -> dict[str, Any]:
    """The content of an `OrderStageChanged` (``schemas/order-stage-changed.avsc``)."""
    order = change.order
    return {
        "event_id": event_id(vendor, change),
        "op": change.op,
        "vendor": vendor,
        "account": order.account,
        "order_number": order.order_number,
        "order_id": order.order_id,
        **_stage(order.stage),
        "back_ordered": order.back_ordered,
        "on_hold": order.on_hold,
        "proof_of_delivery": _proof(order.proof_of_delivery),
        "previous": None if change.previous is None else _stage(change.previous),
        "changed": list(change.changed),
        "shipments": list(order.shipments),
        "sequence": change.sequence,
        "vendor_modified_at": order.modified_ms,
        "observed_at": change.observed_ms,
        "raw": order.raw,
    }


def _proof(proof: ProofOfDelivery | None) -> dict[str, Any] | None:
    return None if proof is None else {"name": proof.name, "at": proof.at_ms, "at_text": proof.at_text}


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "stage": stage.name,
        "stage_code": stage.code,
        "stage_description": stage.description,
        "progress": stage.progress,
    }
