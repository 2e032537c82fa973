"""The content of order events, as Avro decodes it by ``schemas/``.

Plain typed dictionaries: the decoder has checked every type, so the hot path
checks none again. Timestamps are `Millis` and amounts are `Money`, exact to the
last digit.
"""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias, TypedDict, get_args

Millis: TypeAlias = int  # milliseconds since 1970, UTC (Avro timestamp-millis)
Money: TypeAlias = bytes  # Avro decimal(18,4): the unscaled integer, two's complement, big-endian
OrderState: TypeAlias = Literal["placed", "paid", "completed", "canceled"]
ORDER_STATES: Final = frozenset(get_args(OrderState))
StopType: TypeAlias = Literal["pickup", "destination", "both"]

MONEY_SCALE = 4


class Attribute(TypedDict):
    name: str
    value: str | None


class Customer(TypedDict):
    email: str | None
    phone: str | None
    crm_id: str | None


class OrderLine(TypedDict):
    product_id: str
    name: str
    unit_price: Money
    quantity: int
    returned: int | None
    url: str | None
    image_url: str | None
    category: str | None
    attributes: list[Attribute]


class Piece(TypedDict):
    sequence: int
    reference: str | None
    quantity: int
    weight: float | None
    description: str | None
    height: float | None
    width: float | None


class Stop(TypedDict):
    sequence: int
    type: StopType
    scheduled_at: Millis | None
    early_at: Millis | None
    late_at: Millis | None
    time_zone: str | None
    name: str | None
    address: str | None
    city: str | None
    state: str | None
    postal_code: str | None
    country: str | None
    phone: str | None
    note: str | None
    room: str | None
    see: str | None
    customer_ship_to_code: str | None
    latitude: float | None
    longitude: float | None
    pieces: list[int]


class Notifier(TypedDict):
    order_notify_id: int
    notify_email: str
    subject: str
    style_sheet_id: int
    from_email: str | None
    customer_notify_id: int | None


class Delivery(TypedDict):
    customer_code: str | None
    service: str
    reference: str | None
    notes: str | None
    description: str | None
    other_reference: str | None
    invoice_reference: str | None
    vehicle_type: str | None
    pod_required: bool | None
    declared_value: Money | None
    cod_amount: Money | None
    notifiers: list[Notifier]
    pieces: list[Piece]
    stops: list[Stop]


class Order(TypedDict):
    order_id: str
    placed_at: Millis
    time_zone: str | None
    website_id: int | None
    status: OrderState | None
    currency: str | None
    total_value: Money
    returns_value: Money | None
    customer: Customer
    lines: list[OrderLine]
    attributes: list[Attribute]
    delivery: Delivery | None


class OrderCreated(TypedDict):
    event_id: str
    occurred_at: Millis
    producer: str
    order: Order


class OrderStatus(TypedDict):
    event_id: str
    occurred_at: Millis
    producer: str
    order_id: str
    status: OrderState
    reason: str | None
    website_id: int | None


@dataclass(frozen=True, slots=True)
class Created:
    """An `OrderCreated` event: it creates an order at a vendor, or replaces it."""

    order_id: str
    content: OrderCreated


@dataclass(frozen=True, slots=True)
class Status:
    """An `OrderStatus` event: it follows the create of its order."""

    order_id: str
    content: OrderStatus


Event: TypeAlias = Created | Status


class EventHead(NamedTuple):
    """What decides on an event's place in the sequence of its order."""

    order_id: str
    producer: str | None = None  # None: not known
    occurred_at: Millis = 0


def money_text(money: Money) -> str:
    """Exact decimal text with at least two and at most four places: ``150.00``, ``0.1234``.

    A JSON number written from it never passes through a float.
    """
    unscaled = int.from_bytes(money, "big", signed=True)
    sign = "-" if unscaled < 0 else ""
    digits = str(abs(unscaled)).rjust(MONEY_SCALE + 1, "0")
    whole, places = digits[:-MONEY_SCALE], digits[-MONEY_SCALE:]
    places = places[:2] + places[2:].rstrip("0")
    return f"{sign}{whole}.{places}"
