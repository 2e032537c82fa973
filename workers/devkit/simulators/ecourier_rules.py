"""What e-Courier's page demands of an order, written from it once more: it is to check the mapping."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


PROHIBITED: Final = frozenset({"OrderID", "SiteID", "SiteCode", "TransferID"})
STATUSES: Final = frozenset("NAIPXT")
ORDER: Final = _names(
    "OrderNumber OrderStatus OrderAlias CustomerID Notes CustomerCode CreateDate CreateUserID OrderDate Service"
    " VehicleTypeID VehicleType Weight PodRequired PodSendType AmountQuote Caller CallerPhone AmountCharged"
    " AmountReceived QualityFlag AutoVerify UserName PackageType CarrierTypeID PriorityGroup TotalMiles HolidayNameID"
    " IncludeHolidayNameID DueTimeHolidayNameID FeeMisc1 FeeMisc2 FeeMisc3 FeeMisc4 Description OtherReference"
    " InvoiceReference Auth PodName PodDateTime PodSign CodAmount DeclaredValue"
)
STOP: Final = _names(
    "Sequence StopType ScheduledDateTime EarlyDateTime LateDateTime TimeOfServiceCode Zone DispatchZone Name Address"
    " City State Zip Country Phone See Room Note CustomerShipToCode LocationTypeID DispatchGroupID StopMiles ZLatitude"
    " ZLongitude Latitude Longitude StopID AVSQuality ScheduledDateTimeTZ Pieces Weight Service Description"
    " ContractNumber RouteNumber Frequency DriverPay AmountCharged StopClassID DriverCode"
)
PIECE: Final = _names("Sequence Reference Pieces Weight Height Width Quantity Description")
NOTIFY: Final = _names("Sequence OrderNotifyID NotifyEmail FromEmail Subject StyleSheetID CustomerNotifyID")
PARTS: Final = frozenset({"Pieces", "Stops", "OrderNotifiers"})
STOP_PIECE: Final = frozenset({"PieceAction", "Sequence"})
EVENT: Final = _names("OrderEventID EventType EventDateTime UserName UserID Note EventSource EventNote EdiNote")
INTEGER: Final = re.compile(r"-?[0-9]+")
NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?")
DATE_TIME: Final = re.compile(r"[1-9][0-9]?/[1-9][0-9]?/[0-9]{4} [1-9][0-9]?:[0-9]{2}:[0-9]{2} [AP]M")


def order_errors(order: dict[str, Any], *, new: bool) -> Iterator[str]:
    """Everything that is wrong with the Order element; a new one must be whole."""
    pieces, stops = rows(order.get("Pieces"), "Piece"), rows(order.get("Stops"), "Stop")
    yield from _texts("Order", {name: order[name] for name in order if name not in PARTS}, ORDER)
    if order.get("OrderStatus", "N") not in STATUSES:
        yield "OrderStatus must be N, A, I, P, X or T"
    yield from (f"{name} is required" for name in ("CustomerCode", "Service") if new and not order.get(name))
    kinds = {stop.get("StopType") for stop in stops}
    if (new or stops) and not (kinds & {"P", "B"} and kinds & {"D", "B"}):
        yield "an order has at least a pickup stop and a destination stop"
    for piece in pieces:
        yield from _piece(piece)
    for notify in rows(order.get("OrderNotifiers"), "OrderNotify"):
        yield from _notify(notify)
    for stop in stops:
        yield from _stop(stop, {piece.get("Sequence") for piece in pieces})
    yield from _sequences("Piece", pieces)
    yield from _sequences("Stop", stops)


def rows(collection: Any, name: str) -> list[dict[str, Any]]:
    """Return the members of a collection, which may be one alone; what is no object is an empty one."""
    inner = collection.get(name, []) if isinstance(collection, dict) else []
    listed = inner if isinstance(inner, list) else [inner]
    return [row if isinstance(row, dict) else {} for row in listed]


def _sequences(name: str, listed: list[dict[str, Any]]) -> Iterator[str]:
    if len({row.get("Sequence") for row in listed}) < len(listed):
        yield f"every {name} has a Sequence of its own"


def _piece(piece: dict[str, Any]) -> Iterator[str]:
    yield from _texts("Piece", piece, PIECE)
    yield from _matches("Piece", piece, "Sequence", INTEGER, required=True)
    for name in ("Pieces", "Weight", "Height", "Width", "Quantity"):
        yield from _matches("Piece", piece, name, NUMBER)


def _notify(notify: dict[str, Any]) -> Iterator[str]:
    yield from _texts("OrderNotify", notify, NOTIFY)
    for name in ("Sequence", "OrderNotifyID", "StyleSheetID"):
        yield from _matches("OrderNotify", notify, name, INTEGER, required=True)
    yield from (f"OrderNotify: {name} is required" for name in ("NotifyEmail", "Subject") if not notify.get(name))
    if notify.get("OrderNotifyID") not in {str(number) for number in (-2, -1, *range(1, 13))}:
        yield "OrderNotifyID must be one of the documented numbers"


def _stop(stop: dict[str, Any], pieces: set[Any]) -> Iterator[str]:
    yield from _texts("Stop", {name: stop[name] for name in stop if name != "OrderStopPieces"}, STOP)
    yield from _matches("Stop", stop, "Sequence", INTEGER, required=True)
    if stop.get("StopType") not in {"P", "D", "B"}:
        yield "StopType must be P, D or B"
    dated = [name for name in ("ScheduledDateTime", "EarlyDateTime", "LateDateTime") if name in stop]
    for name in dated:
        if not _is_date_time(stop[name]):
            yield f"{name} must look like 11/13/2019 6:00:00 AM"
    if dated and not stop.get("ScheduledDateTimeTZ"):
        yield "ScheduledDateTimeTZ is required where a time is given"
    for taken in rows(stop.get("OrderStopPieces"), "OrderStopPiece"):
        yield from _texts("OrderStopPiece", taken, STOP_PIECE)
        if taken.get("PieceAction") not in {"P", "D"} or taken.get("Sequence") not in pieces:
            yield "an OrderStopPiece has a PieceAction P or D and the Sequence of a Piece"


def _texts(element: str, fields: dict[str, Any], known: frozenset[str]) -> Iterator[str]:
    for name, value in fields.items():
        if name in PROHIBITED and element == "Order":
            yield f"{name} may not be set via API"
        elif name not in known:
            yield f"{element} has no {name}"
        elif not isinstance(value, str):
            yield f"{element}: the value of {name} must be a string"


def _matches(
    element: str, of: dict[str, Any], name: str, pattern: re.Pattern[str], *, required: bool = False
) -> Iterator[str]:
    value = of.get(name)
    if value is None:
        if required:
            yield f"{element}: {name} is required"
    elif isinstance(value, str) and not pattern.fullmatch(value):
        yield f"{element}: {name} must be a number"


def _is_date_time(value: Any) -> bool:
    if not isinstance(value, str) or not DATE_TIME.fullmatch(value):
        return False
    try:
        datetime.strptime(value, "%m/%d/%Y %I:%M:%S %p")  # noqa: DTZ007 - only its form is looked at
    except ValueError:
        return False
    return True
