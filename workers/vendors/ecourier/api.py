"""e-Courier's Order object, with the fields of its API page. Reading is tolerant.

Any value may be sent as text, attributes may carry an ``@``, and a collection may be a list, a single object or empty.
A value that is not of its documented type is read as None, so that one bad field does not hide an order. Unknown
fields are kept.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_ACRONYMS: Final = frozenset({"id", "tz", "avs"})
MAX_DEPTH: Final = 32  # levels of an answer that are read; an order has 8
_TRUE: Final = frozenset({"true", "1", "yes", "y"})
_FALSE: Final = frozenset({"false", "0", "no", "n"})


def vendor_name(field: str) -> str:
    """Return e-Courier's name of a field: ``scheduled_date_time_tz`` is ``ScheduledDateTimeTZ``."""
    return "".join(part.upper() if part in _ACRONYMS else part.capitalize() for part in field.split("_"))


def plain(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Return the same JSON without the ``@`` of attributes, unless the object also has an element of that name."""
    match value:
        case dict() if depth:
            return {_without_at(name, value): plain(inner, depth - 1) for name, inner in value.items()}
        case list() if depth:
            return [plain(each, depth - 1) for each in value]
        case _:
            return value


def _without_at(name: str, siblings: dict[str, Any]) -> str:
    bare = name.removeprefix("@")
    return name if bare in siblings else bare


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


class ApiModel(BaseModel):
    """Reads any object of e-Courier's API."""

    model_config = ConfigDict(extra="allow", frozen=True, alias_generator=vendor_name, populate_by_name=True)


class EcourierPiece(ApiModel):
    """A kind of parcel; ``pieces`` is how many there are of it."""

    sequence: Integer = None
    reference: Text = None
    pieces: Double = None
    weight: Double = None
    height: Double = None
    width: Double = None
    quantity: Double = None
    description: Text = None


class StopPiece(ApiModel):
    """A piece that is picked up (P) or delivered (D) at a stop; a JobStop has all fields, an order's stop two."""

    sequence: Integer = None
    piece_action: Text = None
    job_stop_piece_id: Integer = None
    piece_id: Integer = None
    piece_action_status: Text = None
    arrive_date_time: Text = None
    entered_date_time: Text = None
    entered_user_id: Integer = None
    entered_user_name: Text = None
    entered_source: Text = None
    piece_action_status_source: Text = None
    color: Text = None


class EcourierStop(ApiModel):
    """A stop as the customer ordered it, or as a driver made it (JobStop). Dates are text, in the site's format."""

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
    job_stop_status: Text = None  # this field and those below: JobStop only
    arrive_date_time: Text = None
    depart_date_time: Text = None
    arrive_date_time_source: Text = None
    depart_date_time_source: Text = None
    pod_name: Text = None
    pod_date_time: Text = None
    manifest_driver_id: Integer = None
    job_stop_pieces: Annotated[list[StopPiece], _of("JobStopPiece")] = []


class Driver(ApiModel):
    """Who drives a job, and the pay."""

    sequence: Integer = None
    driver_id: Integer = None
    driver_code: Text = None
    driver_pay: Double = None
    driver_base_amount: Double = None
    driver_commission_percent: Double = None
    driver_base_amount_override: Boolean = None


class Job(ApiModel):
    """One driver's part of a delivery."""

    sequence: Integer = None
    job_number: Text = None
    delivery_sequence: Integer = None
    job_id: Integer = None
    job_status: Text = None
    job_date: Text = None
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
    job_mode_id: Integer = None
    drivers: Annotated[list[Driver], _of("Driver")] = []
    job_stops: Annotated[list[EcourierStop], _of("JobStop")] = []


class OrderNotify(ApiModel):
    """One notification: -2 dispatched, 1 stop, 2 proof of delivery, and others."""

    sequence: Integer = None
    order_notify_id: Integer = None
    notify_email: Text = None
    notify_date_time: Text = None
    from_email: Text = None
    subject: Text = None
    style_sheet_id: Integer = Field(default=None, alias="StyleSheetID")
    customer_notify_id: Integer = None


class OrderEvent(ApiModel):
    """An event of a delivery: picked up, delivered, changed."""

    order_event_id: Text = None  # documented as an integer; kept as text, because it is an identifier
    event_type: Text = None
    event_date_time: Text = None
    user_name: Text = None
    user_id: Text = None
    note: Text = None
    event_source: Text = None
    event_note: Text = None
    edi_note: Text = None


class OrderFee(ApiModel):
    """A line of the price."""

    sequence: Integer = None
    sub_sequence: Integer = None
    fee_amount: Double = None
    fee_value: Text = None
    override_flag: Boolean = None
    notes: Text = None
    fee_title: Text = None
    fee_code: Text = None


class EcourierCustomer(ApiModel):
    """The customer who pays."""

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


class EcourierOrder(ApiModel):
    """A delivery, as GetJsonOrder and QuoteOrder return it."""

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
    amount_charged: Text = None  # documented as a Double; "$40.00" in the page's example
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
    ready_date_time: Text = None  # this field to driver_code: only in the page's example of a quote
    due_date_time: Text = None
    caller_email: Text = None
    complete_order: Text = None
    driver_code: Text = None
    pieces: Annotated[list[EcourierPiece], _of("Piece")] = []
    stops: Annotated[list[EcourierStop], _of("Stop")] = []
    jobs: Annotated[list[Job], _of("Job")] = []
    order_fees: Annotated[list[OrderFee], _of("OrderFee")] = []
    order_notifiers: Annotated[list[OrderNotify], _of("OrderNotify")] = []
    order_events: Annotated[list[OrderEvent], _of("OrderEvent")] = []
    customer: EcourierCustomer | None = None

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, given: Any) -> Any:
        """``Pieces`` is the name of a count and of the collection; an empty element is sent as text."""
        if not isinstance(given, dict):
            return given
        apart = dict(given)
        if isinstance(given.get("Pieces"), str | int | float):
            apart["@Pieces"] = apart.pop("Pieces")
        if not isinstance(given.get("Customer"), dict):
            apart.pop("Customer", None)
        return apart
