"""How far a delivery has come: from its jobs' stops and their pieces, its proof of delivery and its events.

The page says that an order's data tells "the status of each stop and piece", and names no values of JobStopStatus and
PieceActionStatus. So the relay reads the documented times and none of those texts (NOTES.md has the rules).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from workers.core.poll.change import FINAL, Progress, ProofOfDelivery
from workers.vendors._shared.event_size import cut
from workers.vendors._shared.local_time import parse_local_time, possible_instants
from workers.vendors.ecourier.api import ApiModel, Text, members
from workers.vendors.ecourier.options import EcourierPollerOptions
from workers.vendors.ecourier.wall_time import parse_wall_time

YEARS: Final = range(1901, 9999)  # databases use the years 1 and 1900 for "no date", and 9999 for "no end"
BEFORE_TRANSIT: Final = frozenset[Progress](("unknown", "received", "processing"))
DESTINATIONS: Final = frozenset({"D", "B"})
PICKUPS: Final = frozenset({"P", "B"})

Happened: TypeAlias = Callable[[str | None], bool]
"""Whether a text is a time at which something happened."""


@dataclass(frozen=True, slots=True)
class Milestones:
    """What is known besides the order's status; each source by itself."""

    stops: tuple[bool, bool] = (False, False)  # picked up, delivered: as the jobs' stops and pieces say
    events: tuple[bool, bool] = (False, False)  # the same, as the OrderEvents say
    proof: ProofOfDelivery | None = None

    @property
    def delivered(self) -> bool:
        return self.proof is not None or self.stops[1] or self.events[1]

    def progress(self, of_status: Progress) -> Progress:
        """The order's progress; ``of_status``: what the site means by its OrderStatus."""
        if of_status in FINAL:
            return of_status
        if self.delivered:
            return "delivered"
        return "in_transit" if of_status in BEFORE_TRANSIT and (self.stops[0] or self.events[0]) else of_status


class JobStopPiece(ApiModel):
    """What was done with a piece at a job's stop."""

    piece_action: Text = None
    arrive_date_time: Text = None


class Signed(ApiModel):
    """The proof of delivery of an order, or of a job's stop."""

    pod_name: Text = None
    pod_date_time: Text = None


class JobStop(Signed):
    """A stop of a driver's job."""

    stop_type: Text = None
    stop_id: Text = None
    arrive_date_time: Text = None
    depart_date_time: Text = None
    pieces: tuple[JobStopPiece, ...] = ()


class OrderStop(ApiModel):
    """A stop as the customer ordered it."""

    stop_type: Text = None
    stop_id: Text = None


def milestones_of(
    fields: dict[str, Any],
    event_types: Sequence[str | None],
    zone: ZoneInfo,
    options: EcourierPollerOptions,
    notes: Counter[str],
) -> Milestones:
    """Read an order's milestones; never raises."""

    def happened(text: str | None) -> bool:
        return occurred(text, zone) is not None

    stops = list(_job_stops(fields))
    types = {_folded(each) for each in event_types}
    by_stops = _picked_up(stops, happened), _delivered(stops, fields, happened)
    signed = Signed.model_validate(fields)
    if not happened(signed.pod_date_time) and by_stops[1]:
        signed = max(filter(_is_destination, stops), key=lambda stop: occurred(stop.pod_date_time, zone) or 0)
    return Milestones(
        stops=by_stops,
        events=(bool(types & _all(options.picked_up_events)), bool(types & _all(options.delivered_events))),
        proof=_proof(signed, zone, notes),
    )


def ends_delivery(event_type: str | None, options: EcourierPollerOptions) -> bool:
    """Whether an OrderEvent of this type is the delivery's last."""
    return _folded(event_type) in _all(options.final_events) | _all(options.delivered_events)


def occurred(text: str | None, zone: ZoneInfo) -> int | None:
    """The instant of a time on the account's clock; None when it is unreadable or stands for none.

    In the hour that occurs twice, the earlier instant; a time that the clocks skip lies before the gap.
    """
    wall: datetime | None = parse_wall_time(text or "")
    found = parse_local_time((text or "").strip(), zone) if wall is None else possible_instants(wall, zone)
    return found.earlier_ms if found is not None and _year(found.earlier_ms) in YEARS else None


def _year(ms: int) -> int:
    """The approximate year: in the first and last hours of a year it may be the neighbouring one."""
    return 1970 + int(ms // (365.2425 * 86_400_000))


def _job_stops(fields: dict[str, Any]) -> Iterator[JobStop]:
    for job in members(fields.get("Jobs"), "Job"):
        for stop in members(job.get("JobStops"), "JobStop"):
            pieces = map(JobStopPiece.model_validate, members(stop.get("JobStopPieces"), "JobStopPiece"))
            yield JobStop.model_validate(stop).model_copy(update={"pieces": tuple(pieces)})


def _picked_up(stops: Sequence[JobStop], happened: Happened) -> bool:
    """A driver has left a pickup, or a piece of it was scanned there, or a driver has come to a destination."""
    return any(
        happened(stop.arrive_date_time)
        if _kind(stop) == "D"
        else happened(stop.depart_date_time) or any(happened(each.arrive_date_time) for each in _acted(stop, "P"))
        for stop in stops
        if _kind(stop) in PICKUPS | DESTINATIONS
    )


def _delivered(stops: Sequence[JobStop], fields: dict[str, Any], happened: Happened) -> bool:
    """Every destination of every job is done, and every destination that the customer ordered is among them.

    A job that ends at a depot has a destination, too: it must not count as the customer's.
    """
    destinations = list(filter(_is_destination, stops))
    if not destinations or not all(_is_done(stop, happened) for stop in destinations):
        return False
    ordered = list(filter(_is_destination, map(OrderStop.model_validate, members(fields.get("Stops"), "Stop"))))
    reached = {stop.stop_id for stop in destinations}
    if all(stop.stop_id for stop in ordered) and all(reached):
        return {stop.stop_id for stop in ordered} <= reached
    return len(destinations) >= len(ordered)


def _is_done(stop: JobStop, happened: Happened) -> bool:
    """It has a time of POD; or the driver has left it, and every piece for it was scanned there."""
    pieces = _acted(stop, "D")
    scanned = bool(pieces) and all(happened(piece.arrive_date_time) for piece in pieces)
    return happened(stop.pod_date_time) or (scanned and happened(stop.depart_date_time))


def _acted(stop: JobStop, action: str) -> list[JobStopPiece]:
    return [piece for piece in stop.pieces if (piece.piece_action or "").strip().upper() == action]


def _proof(signed: Signed, zone: ZoneInfo, notes: Counter[str]) -> ProofOfDelivery | None:
    """None without a time: a name may stand there before the delivery."""
    at_ms = occurred(signed.pod_date_time, zone)
    if at_ms is None:
        return None
    name, text = (signed.pod_name or "").strip(), (signed.pod_date_time or "").strip()
    return ProofOfDelivery(cut(name, notes) or None, at_ms, cut(text, notes))


def _is_destination(stop: JobStop | OrderStop) -> bool:
    return _kind(stop) in DESTINATIONS


def _kind(stop: JobStop | OrderStop) -> str:
    return (stop.stop_type or "").strip().upper()


def _folded(text: str | None) -> str:
    return " ".join((text or "").casefold().split())


@lru_cache(maxsize=16)
def _all(names: tuple[str, ...]) -> frozenset[str]:
    """Event types of the options."""
    return frozenset(map(_folded, names))
