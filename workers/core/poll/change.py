"""What a vendor shows of an order, and what has changed since it was last looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, TypeAlias

import orjson

from workers.core.poll.progress import Progress

ChangeOp: TypeAlias = Literal["snapshot", "created", "updated", "deleted"]

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Stage:
    """Where an order stands, in the vendor's words and in ours."""

    name: str  # the vendor's own name or code, as text
    code: int | None
    description: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class Seen:
    """One order as the vendor shows it now."""

    order_number: str
    stage: Stage
    digest: bytes  # of all that matters: two looks with the same digest are no change
    fields: Mapping[str, Any]  # the vendor's top-level fields
    account: str = ""
    order_id: str | None = None
    shipments: Sequence[Mapping[str, Any]] = ()  # in the event's own form
    modified_ms: int | None = None  # by the vendor's clock: a hint, never the truth
    raw: str | None = None  # the vendor's JSON, where the configuration wants it

    @property
    def key(self) -> str:
        """Which shadow is its own: order numbers are one account's."""
        return shadow_key(self.account, self.order_number)


@dataclass(frozen=True, slots=True)
class Change:
    """A difference to be published, once."""

    op: ChangeOp
    sequence: int  # 1, 2, ... for the order, without a gap
    seen: Seen
    previous: Stage | None
    changed: tuple[str, ...]  # top-level fields that differ
    observed_ms: int


def shadow_key(account: str, order_number: str) -> str:
    """By what a poller remembers an order."""
    return f"{account}/{order_number}"


def digest(matters: Any) -> bytes:
    """The content's hash, over values that JSON can hold; the same whatever the order of keys."""
    return blake2b(orjson.dumps(matters, option=orjson.OPT_SORT_KEYS), digest_size=DIGEST_BYTES).digest()


def event_id(vendor: str, change: Change) -> str:
    """The same for the same change, however often it is found; another one for any other content."""
    seen = change.seen
    return f"{vendor}:{seen.account}:{seen.order_number}:{change.sequence}:{seen.digest.hex()}"


def stage_event(vendor: str, change: Change) -> dict[str, Any]:
    """The content of an `OrderStageChanged` (``schemas/order-stage-changed.avsc``)."""
    seen = change.seen
    return {
        "event_id": event_id(vendor, change),
        "op": change.op,
        "vendor": vendor,
        "account": seen.account,
        "order_number": seen.order_number,
        "order_id": seen.order_id,
        **_stage(seen.stage),
        "previous": None if change.previous is None else _stage(change.previous),
        "changed": list(change.changed),
        "shipments": list(seen.shipments),
        "sequence": change.sequence,
        "vendor_modified_at": seen.modified_ms,
        "observed_at": change.observed_ms,
        "raw": seen.raw,
    }


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "stage": stage.name,
        "stage_code": stage.code,
        "stage_description": stage.description,
        "progress": stage.progress,
    }
