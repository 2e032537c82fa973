"""OrderEvents as a simulated e-Courier keeps them: text on the account's clock, some of them late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from workers.devkit.simulators.ecourier_rules import EVENT
from workers.devkit.simulators.faults import Sort

ACCOUNT_CLOCK: Final = ZoneInfo("America/New_York")


class KeptEvent(NamedTuple):
    """One event."""

    fields: dict[str, str]  # as sent, without the ``@``
    at_ms: int  # when it happened
    visible_ms: int  # from when it is shown


class Move(BaseModel):
    """What ``POST /_sim/orders`` does to an order: its status, an event of it, or both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order_number: str
    status: str | None = Field(None, pattern="^[NAIPXT]$")
    event: dict[str, str] | None = None  # fields of an OrderEvent; an empty OrderEventID: it has none

    @field_validator("event")
    @classmethod
    def _known(cls, event: dict[str, str] | None) -> dict[str, str] | None:
        if unknown := (event or {}).keys() - EVENT:
            raise ValueError(f"an OrderEvent has no {min(unknown)}")
        return event


def identities(shown: Mapping[str, Any]) -> frozenset[tuple[str, ...]]:
    """Return the identity of each event of a shown order: its id, or its content where it has none."""
    return frozenset(_identity(event) for event in shown["OrderEvents"]["OrderEvent"])


def _identity(event: Mapping[str, str]) -> tuple[str, ...]:
    if "@OrderEventID" in event:
        return (event["@OrderEventID"],)
    return tuple(event.get(f"@{name}", "") for name in ("EventType", "EventDateTime", "EventNote"))


def event_identity(event: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the same identity of a published `CourierOrderEvent`."""
    if not event["courier_event_id"].startswith("h-"):
        return (event["courier_event_id"],)
    return tuple(event[name] or "" for name in ("event_type", "occurred_at_text", "event_note"))


def account_time(at_ms: int) -> str:
    """Return an instant as the account's clock shows it: ``11/13/2019 6:00:00 AM``."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ACCOUNT_CLOCK)
    return f"{moment.month}/{moment.day}/{moment.year} {moment.hour % 12 or 12}:{moment:%M:%S %p}"


def visible(events: Iterable[KeptEvent], now_ms: int, sort: Sort, rng: Random) -> list[KeptEvent]:
    """Return the events that show by now; how e-Courier sorts them is not documented."""
    shown = [event for event in events if event.visible_ms <= now_ms]
    match sort:
        case "ascending":
            shown.sort(key=lambda event: event.at_ms)
        case "descending":
            shown.sort(key=lambda event: -event.at_ms)
        case "unstable":
            rng.shuffle(shown)
        case "id":
            pass
    return shown
