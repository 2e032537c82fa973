"""Our deliveries to e-Courier's Order object, checked against its page before anything is sent.

`LimitError` names the first bad field by its path in *our* event, with the rule and without the value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, Final, TypeAlias

import orjson

from workers.core.events import Delivery, Notifier, Piece, Stop
from workers.vendors._shared.limits import LimitError
from workers.vendors.ecourier.values import amount, degrees, filled, measure, notification, truth
from workers.vendors.ecourier.wall_time import Clock

Fields: TypeAlias = dict[str, Any]
"""An element of e-Courier's JSON: names to texts, elements and lists of elements."""

STOP_TYPES: Final = {"pickup": "P", "destination": "D", "both": "B"}
MAX_LATITUDE, MAX_LONGITUDE = 90, 180
PICKED_UP, DELIVERED = "P", "D"
DELETED, NEW = "X", "N"


def order_fields(delivery: Delivery, number: str, customer_code: str, clock: Clock) -> Fields:
    """Return the Order element of SaveOrder and QuoteOrder; raises `LimitError`."""
    _check(delivery)
    fields = _present(
        OrderNumber=number,
        CustomerCode=delivery["customer_code"] or customer_code or None,
        Service=delivery["service"],
        Auth=delivery["reference"],
        Notes=delivery["notes"],
        Description=delivery["description"],
        OtherReference=delivery["other_reference"],
        InvoiceReference=delivery["invoice_reference"],
        VehicleType=delivery["vehicle_type"],
        PodRequired=truth(delivery["pod_required"]),
        DeclaredValue=amount(delivery["declared_value"], "delivery.declared_value"),
        CodAmount=amount(delivery["cod_amount"], "delivery.cod_amount"),
    )
    if delivery["pieces"]:
        fields["Pieces"] = {"Piece": [_piece(piece, index) for index, piece in enumerate(delivery["pieces"])]}
    fields["Stops"] = {"Stop": list(_stops(delivery["stops"], clock))}
    if delivery["notifiers"]:
        fields["OrderNotifiers"] = {"OrderNotify": [_notify(*each) for each in enumerate(delivery["notifiers"])]}
    return fields


def order_json(fields: Fields) -> bytes:
    """Return the body of SaveOrder and QuoteOrder; raises `LimitError`."""
    try:
        return orjson.dumps({"Order": fields})
    except orjson.JSONEncodeError as error:
        raise LimitError("delivery", "a text in it is not valid Unicode") from error


def content_hash(fields: Fields) -> str:
    """Return the hash of an order's content; an update with the same hash would change nothing."""
    return sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _check(delivery: Delivery) -> None:
    stops = delivery["stops"]
    types = {stop["type"] for stop in stops}
    if len(stops) < 2 or not types & {"pickup", "both"} or not types & {"destination", "both"}:  # noqa: PLR2004
        raise LimitError("delivery.stops", "must hold at least a pickup stop and a destination stop")
    _check_sequences([stop["sequence"] for stop in stops], "delivery.stops")
    pieces = [piece["sequence"] for piece in delivery["pieces"]]
    _check_sequences(pieces, "delivery.pieces")
    for index, stop in enumerate(stops):
        if len(set(stop["pieces"])) < len(stop["pieces"]) or not set(stop["pieces"]) <= set(pieces):
            raise LimitError(f"delivery.stops[{index}].pieces", "must be sequences of delivery.pieces, each once")


def _check_sequences(sequences: Sequence[int], path: str) -> None:
    if len(set(sequences)) < len(sequences):
        raise LimitError(path, "each must have a sequence of its own")


def _piece(piece: Piece, index: int) -> Fields:
    path, quantity = f"delivery.pieces[{index}]", piece["quantity"]
    if quantity < 0:
        raise LimitError(f"{path}.quantity", "must be 0 or more")
    return _present(
        Sequence=str(piece["sequence"]),
        Reference=piece["reference"],
        Pieces=str(quantity),
        Weight=measure(piece["weight"], f"{path}.weight"),
        Height=measure(piece["height"], f"{path}.height"),
        Width=measure(piece["width"], f"{path}.width"),
        Description=piece["description"],
    )


def _notify(index: int, notifier: Notifier) -> Fields:
    path, template = f"delivery.notifiers[{index}]", notifier["customer_notify_id"]
    return _present(
        Sequence=str(index + 1),
        OrderNotifyID=notification(notifier["order_notify_id"], f"{path}.order_notify_id"),
        NotifyEmail=filled(notifier["notify_email"], f"{path}.notify_email"),
        FromEmail=notifier["from_email"],
        Subject=filled(notifier["subject"], f"{path}.subject"),
        StyleSheetID=str(notifier["style_sheet_id"]),
        CustomerNotifyID=None if template is None else str(template),
    )


def _stops(stops: Sequence[Stop], clock: Clock) -> Iterator[Fields]:
    """In the sequence of the tour: at a stop of both types, the pieces aboard are delivered and others picked up."""
    aboard: set[int] = set()
    for index, stop in sorted(enumerate(stops), key=lambda each: each[1]["sequence"]):
        fields = _stop(stop, clock, f"delivery.stops[{index}]")
        actions = {piece: _action(stop, aboard=piece in aboard) for piece in stop["pieces"]}
        if actions:
            taken = [{"PieceAction": action, "Sequence": str(piece)} for piece, action in actions.items()]
            fields["OrderStopPieces"] = {"OrderStopPiece": taken}
        for piece, action in actions.items():
            (aboard.add if action == PICKED_UP else aboard.discard)(piece)
        yield fields


def _action(stop: Stop, *, aboard: bool) -> str:
    if stop["type"] == "both":
        return DELIVERED if aboard else PICKED_UP
    return PICKED_UP if stop["type"] == "pickup" else DELIVERED


def _stop(stop: Stop, clock: Clock, path: str) -> Fields:
    """Times are wall times at the stop; the zone's abbreviation is that of the first time given."""
    instants = (
        ("ScheduledDateTime", "scheduled_at", stop["scheduled_at"]),
        ("EarlyDateTime", "early_at", stop["early_at"]),
        ("LateDateTime", "late_at", stop["late_at"]),
    )
    times = {
        name: clock.wall_time(at, stop["time_zone"], f"{path}.{field}")
        for name, field, at in instants
        if at is not None
    }
    return _present(
        Sequence=str(stop["sequence"]),
        StopType=STOP_TYPES[stop["type"]],
        **{name: reading.text for name, reading in times.items()},
        Name=stop["name"],
        Address=stop["address"],
        City=stop["city"],
        State=stop["state"],
        Zip=stop["postal_code"],
        Country=stop["country"],
        Phone=stop["phone"],
        Note=stop["note"],
        Room=stop["room"],
        See=stop["see"],
        CustomerShipToCode=stop["customer_ship_to_code"],
        Latitude=degrees(stop["latitude"], MAX_LATITUDE, f"{path}.latitude"),
        Longitude=degrees(stop["longitude"], MAX_LONGITUDE, f"{path}.longitude"),
        ScheduledDateTimeTZ=next((reading.zone for reading in times.values()), None),
    )


def _present(**fields: str | None) -> Fields:
    """Leave out fields that the event leaves out: most are optional."""
    return {name: value for name, value in fields.items() if value is not None}
