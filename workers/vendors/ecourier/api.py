"""e-Courier's Order object, field for field as its page names it, read with an open hand.

Every value may come as text; attributes may carry an ``@``; a collection may be a list, a single object, or empty.
What cannot be read as its documented type is None: one odd field must not hide an order. Unknown fields are kept.
The page's Jobs are Legs here: a leg is what one driver does of a delivery.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_SPELT: Final = {"id": "ID", "tz": "TZ", "avs": "AVS", "leg": "Job", "legs": "Jobs"}
DEEPEST: Final = 32  # levels of an answer that are looked into; an order has 8
_TRUE: Final = frozenset({"true", "1", "yes", "y"})
_FALSE: Final = frozenset({"false", "0", "no", "n"})


def vendor_name(field: str) -> str:
    """Return e-Courier's name of a field: ``scheduled_date_time_tz`` is ``ScheduledDateTimeTZ``."""
    return "".join(_SPELT.get(part, part.capitalize()) for part in field.split("_"))


def plain(value: Any, depth: int = DEEPEST) -> Any:
    """Return the same JSON without the ``@`` of attributes, unless an element of that name stands beside it."""
    match value:
        case dict() if depth:
            return {_bare(name, value): plain(inner, depth - 1) for name, inner in value.items()}
        case list() if depth:
            return [plain(each, depth - 1) for each in value]
        case _:
            return value


def _bare(name: str, beside: dict[str, Any]) -> str:
    bare = name.removeprefix("@")
    return name if bare in beside else bare


def members(collection: Any, name: str) -> list[dict[str, Any]]:
    """Return the objects of ``{"Piece": [...]}``, of ``{"Piece": {...}}`` or of a plain list."""
    inner = collection.get(name) if isinstance(collection, dict) else collection
    listed = inner if isinstance(inner, list) else [inner]
    return [each for each in listed if isinstance(each, dict)]


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _integer(value: Any) -> int | None:
    number = _double(value)
    return int(number) if number is not None and number.is_integer() else None


def _double(value: Any) -> float | None:
    try:
        return float(_text(value) or "")
    except ValueError:
        return None


def _boolean(value: Any) -> bool | None:
    word = (_text(value) or "").strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _of(name: str) -> BeforeValidator:
    return BeforeValidator(lambda value: members(value, name))


Text: TypeAlias = Annotated[str | None, BeforeValidator(_text)]
Integer: TypeAlias = Annotated[int | None, BeforeValidator(_integer)]
Double: TypeAlias = Annotated[float | None, BeforeValidator(_double)]
Boolean: TypeAlias = Annotated[bool | None, BeforeValidator(_boolean)]


class Answer(BaseModel):
    """What every object of e-Courier's has in common."""

    model_config = ConfigDict(extra="allow", frozen=True, alias_generator=vendor_name, populate_by_name=True)


class Piece(Answer):
    """A parcel; ``pieces`` says how many of it."""

    sequence: Integer = None
    reference: Text = None
    pieces: Double = None
    weight: Double = None
    height: Double = None
    width: Double = None
    quantity: Double = None
    description: Text = None


class StopPiece(Answer):
    """A piece that is picked up (P) or handed over (D) at a stop; all but the first two are of a driver's stop."""

    sequence: Integer = None
    piece_action: Text = None
    leg_stop_piece_id: Integer = None
    piece_id: Integer = None
    piece_action_status: Text = None
    arrive_date_time: Text = None
    entered_date_time: Text = None
    entered_user_id: Integer = None
    entered_user_name: Text = None
    entered_source: Text = None
    piece_action_status_source: Text = None
    color: Text = None


class Stop(Answer):
    """A stop as the customer asked for it, or as a driver made it (JobStop). Dates are text, in the site's manner."""

    sequence: Integer = None
    stop_type: Text = None
    scheduled_date_time: Text = None
    early_date_time: Text = None
    late_date_time: Text = None
    scheduled_date_time_tz: Text = None
    time_of_day_code: Text = Field(default=None, alias="TimeOfServiceCode")
    zone: Text = None
    dispatch_zone: Text = None
    name: Text = None
    address: Text = None
    city: Text = None
    state: Text = None
    zip: Text = None
    country: Text = None
    phone: Text = None
    see: Text = None
    room: Text = None
    note: Text = None
    customer_ship_to_code: Text = None
    location_type_id: Integer = None
    dispatch_group_id: Integer = None
    stop_miles: Double = None
    z_latitude: Double = None
    z_longitude: Double = None
    latitude: Double = None
    longitude: Double = None
    stop_id: Integer = None
    avs_quality: Integer = None
    pieces: Integer = None
    weight: Double = None
    service: Text = None
    description: Text = None
    contract_number: Text = None
    route_number: Text = None
    frequency: Text = None
    driver_pay: Double = None
    amount_charged: Double = None
    stop_class_id: Integer = None
    driver_code: Text = None
    order_stop_pieces: Annotated[list[StopPiece], _of("OrderStopPiece")] = []
    leg_stop_status: Text = None  # from here on: of a driver's stop
    arrive_date_time: Text = None
    depart_date_time: Text = None
    arrive_date_time_source: Text = None
    depart_date_time_source: Text = None
    pod_name: Text = None
    pod_date_time: Text = None
    manifest_driver_id: Integer = None
    leg_stop_pieces: Annotated[list[StopPiece], _of("JobStopPiece")] = []


class Driver(Answer):
    """Who drives a leg, and what for."""

    sequence: Integer = None
    driver_id: Integer = None
    driver_code: Text = None
    driver_pay: Double = None
    driver_base_amount: Double = None
    driver_commission_percent: Double = None
    driver_base_amount_override: Boolean = None


class Leg(Answer):
    """What a single driver does of a delivery (the page's Job)."""

    sequence: Integer = None
    leg_number: Text = None
    delivery_sequence: Integer = None
    leg_id: Integer = None
    leg_status: Text = None
    leg_date: Text = None
    site_id: Integer = None
    service: Text = None
    vehicle_type_id: Integer = None
    pieces: Double = None
    weight: Double = None
    dispatch_group_id: Integer = None
    dispatch_group_override: Integer = None
    manifest_driver_id: Integer = None
    split_percentage: Integer = None
    route_number: Text = None
    leg_mode_id: Integer = None
    drivers: Annotated[list[Driver], _of("Driver")] = []
    leg_stops: Annotated[list[Stop], _of("JobStop")] = []


class OrderNotify(Answer):
    """One notification: -2 dispatched, 1 stop, 2 proof of delivery and so on."""

    sequence: Integer = None
    order_notify_id: Integer = None
    notify_email: Text = None
    notify_date_time: Text = None
    from_email: Text = None
    subject: Text = None
    style_sheet_id: Integer = Field(default=None, alias="StyleSheetID")
    customer_notify_id: Integer = None


class OrderEvent(Answer):
    """A milestone in the life of a delivery: picked up, handed over, changed."""

    order_event_id: Text = None  # an integer by the page; kept as text, for it is an identity and no quantity
    event_type: Text = None
    event_date_time: Text = None
    user_name: Text = None
    user_id: Text = None
    note: Text = None
    event_source: Text = None
    event_note: Text = None
    edi_note: Text = None


class OrderFee(Answer):
    """A line of the price."""

    sequence: Integer = None
    sub_sequence: Integer = None
    fee_amount: Double = None
    fee_value: Text = None
    override_flag: Boolean = None
    notes: Text = None
    fee_title: Text = None
    fee_code: Text = None


class Customer(Answer):
    """Who pays."""

    customer_id: Integer = None
    customer_code: Text = None
    name: Text = None
    address: Text = None
    city: Text = None
    state: Text = None
    zip: Text = None
    country: Text = None
    phone: Text = None
    see: Text = None
    p_state: Text = None
    p_country: Text = None
    notes: Text = None
    service: Text = None
    vehicle_type_id: Integer = None
    created_date: Text = None
    reference_prompt: Text = None
    site_id: Integer = None
    customer_type_id: Integer = None
    site_code: Text = None
    ok_credit_status: Integer = None


class Order(Answer):
    """A delivery, as GetJsonOrder and QuoteOrder answer it."""

    order_id: Integer = None
    site_id: Integer = None
    site_code: Text = None
    site_order_id: Integer = None
    order_number: Text = None
    order_status: Text = None
    order_alias: Text = None
    transfer_id: Integer = None
    customer_id: Integer = None
    customer_code: Text = None
    notes: Text = None
    create_date: Text = None
    create_user_id: Integer = None
    order_date: Text = None
    service: Text = None
    vehicle_type_id: Integer = None
    vehicle_type: Text = None
    piece_count: Double = Field(default=None, alias="@Pieces")
    weight: Double = None
    pod_required: Boolean = None
    pod_send_type: Integer = None
    amount_quote: Double = None
    caller: Text = None
    caller_phone: Text = None
    amount_charged: Text = None  # a Double by the page, "$40.00" in its example
    amount_received: Double = None
    quality_flag: Boolean = None
    auto_verify: Boolean = None
    user_name: Text = None
    package_type: Text = None
    carrier_type_id: Integer = None
    priority_group: Text = None
    total_miles: Double = None
    holiday_name_id: Integer = None
    include_holiday_name_id: Integer = None
    due_time_holiday_name_id: Integer = None
    fee_misc1: Boolean = None
    fee_misc2: Boolean = None
    fee_misc3: Boolean = None
    fee_misc4: Boolean = None
    description: Text = None
    other_reference: Text = None
    invoice_reference: Text = None
    auth: Text = None
    pod_name: Text = None
    pod_date_time: Text = None
    pod_sign: Text = None
    cod_amount: Double = None
    declared_value: Double = None
    ready_date_time: Text = None  # from here to driver_code: in the page's example of a quote only
    due_date_time: Text = None
    caller_email: Text = None
    complete_order: Text = None
    driver_code: Text = None
    pieces: Annotated[list[Piece], _of("Piece")] = []
    stops: Annotated[list[Stop], _of("Stop")] = []
    legs: Annotated[list[Leg], _of("Job")] = []
    order_fees: Annotated[list[OrderFee], _of("OrderFee")] = []
    order_notifiers: Annotated[list[OrderNotify], _of("OrderNotify")] = []
    order_events: Annotated[list[OrderEvent], _of("OrderEvent")] = []
    customer: Customer | None = None

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, given: Any) -> Any:
        """``Pieces`` names both a count and the collection, and an empty element comes as a text."""
        if not isinstance(given, dict):
            return given
        apart = dict(given)
        if isinstance(given.get("Pieces"), str | int | float):
            apart["@Pieces"] = apart.pop("Pieces")
        if not isinstance(given.get("Customer"), dict):
            apart.pop("Customer", None)
        return apart
