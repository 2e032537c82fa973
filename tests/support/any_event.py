"""Any event that a schema allows, for Hypothesis; and plain ones, which every vendor accepts."""

from typing import Any

from hypothesis import strategies as st

from workers.core.events import Created, Event, Status


def money(unscaled: int) -> bytes:
    return unscaled.to_bytes((unscaled.bit_length() + 8) // 8, "big", signed=True)


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


texts = st.text(max_size=8) | st.sampled_from([".", "..", "a/b", "\n", "x" * 129, "x" * 2049, "\ud800", "ł%2F?#"])
ids = st.text("abc-/.%", min_size=1, max_size=8) | texts
moments = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 4 * 10**12)
amounts = st.integers(-(10**18) + 1, 10**18 - 1).map(money)
ints = st.integers(-(2**31), 2**31 - 1)
states = st.sampled_from(["placed", "paid", "completed", "canceled"])
zones = optional(st.sampled_from(["Europe/Warsaw", "UTC", "Pacific Standard Time", "nowhere"]) | texts)
attributes = st.lists(st.fixed_dictionaries({"name": texts, "value": optional(texts)}), max_size=2)
lines = st.fixed_dictionaries(
    {
        "product_id": texts,
        "name": texts,
        "unit_price": amounts,
        "quantity": ints,
        "returned": optional(ints),
        "url": optional(texts),
        "image_url": optional(texts),
        "category": optional(texts),
        "attributes": attributes,
    }
)
pieces = st.fixed_dictionaries(
    {
        "sequence": ints,
        "reference": optional(texts),
        "quantity": ints,
        "weight": optional(st.floats()),
        "description": optional(texts),
        **dict.fromkeys(("height", "width"), optional(st.floats())),
    }
)
notifiers = st.fixed_dictionaries(
    {
        "order_notify_id": ints | st.integers(-2, 12),
        "notify_email": texts,
        "subject": texts,
        "style_sheet_id": ints,
        "from_email": optional(texts),
        "customer_notify_id": optional(ints),
    }
)
stops = st.fixed_dictionaries(
    {
        "sequence": ints,
        "type": st.sampled_from(["pickup", "destination", "both"]),
        **dict.fromkeys(("scheduled_at", "early_at", "late_at"), optional(moments)),
        "time_zone": zones,
        **dict.fromkeys(
            ("name", "address", "city", "state", "postal_code", "country", "phone", "note"), optional(texts)
        ),
        **dict.fromkeys(("room", "see", "customer_ship_to_code"), optional(texts)),
        **dict.fromkeys(("latitude", "longitude"), optional(st.floats())),
        "pieces": st.lists(ints, max_size=2),
    }
)
deliveries = st.fixed_dictionaries(
    {
        "customer_code": optional(texts),
        "service": texts,
        "reference": optional(texts),
        "notes": optional(texts),
        **dict.fromkeys(("description", "other_reference", "invoice_reference", "vehicle_type"), optional(texts)),
        "pod_required": optional(st.booleans()),
        **dict.fromkeys(("declared_value", "cod_amount"), optional(amounts)),
        "notifiers": st.lists(notifiers, max_size=2),
        "pieces": st.lists(pieces, max_size=2),
        "stops": st.lists(stops, max_size=2),
    }
)
orders = st.fixed_dictionaries(
    {
        "order_id": ids,
        "placed_at": moments,
        "time_zone": zones,
        "website_id": optional(ints),
        "status": optional(states),
        "currency": optional(st.sampled_from(["USD", "EUR", "zł"]) | texts),
        "total_value": amounts,
        "returns_value": optional(amounts),
        "customer": st.fixed_dictionaries({name: optional(texts) for name in ("email", "phone", "crm_id")}),
        "lines": st.lists(lines, max_size=3),
        "attributes": attributes | attributes.map(lambda own: [*own, {"name": "channel", "value": "komet"}]),
        "delivery": optional(deliveries),
    }
)
envelopes = st.fixed_dictionaries({"event_id": texts, "occurred_at": moments, "producer": texts})


def created_of(envelope: Any, order: Any) -> Created:
    content: Any = {**envelope, "order": order}
    return Created(order["order_id"], content)


def status_of(envelope: Any, change: Any) -> Status:
    content: Any = {**envelope, **change}
    return Status(change["order_id"], content)


changes = st.fixed_dictionaries(
    {"order_id": ids, "status": states, "reason": optional(texts), "website_id": optional(ints)}
)
events: st.SearchStrategy[Event] = st.builds(created_of, envelopes, orders) | st.builds(status_of, envelopes, changes)

STOP = {
    "sequence": 1,
    "type": "destination",
    **dict.fromkeys(("scheduled_at", "early_at", "late_at"), 1_700_000_000_000),
    "time_zone": "America/New_York",
    **dict.fromkeys(("name", "address", "city", "phone", "note", "room", "see", "customer_ship_to_code"), "x"),
    **dict.fromkeys(("latitude", "longitude"), 40.5),
    "state": "NY",
    "postal_code": "10001",
    "country": "US",
    "pieces": [1],
}
PIECE = {"sequence": 1, "reference": "r", "quantity": 1, "weight": 1.0, "description": "d", "height": 1.0, "width": 2.0}
NOTIFIER = {
    "order_notify_id": 2,
    "notify_email": "a@b.example",
    "subject": "s",
    "style_sheet_id": 1,
    **dict.fromkeys(("from_email", "customer_notify_id")),
}
DELIVERY = {
    "customer_code": "c",
    "service": "s",
    "reference": None,
    "notes": None,
    **dict.fromkeys(("description", "other_reference", "invoice_reference", "vehicle_type"), "x"),
    "pod_required": True,
    "declared_value": money(10_000),
    "cod_amount": None,
    "notifiers": [NOTIFIER],
    "pieces": [PIECE],
    "stops": [{**STOP, "type": "pickup"}, {**STOP, "sequence": 2}],
}
LINE: dict[str, Any] = {
    "product_id": "17",
    "name": "Roses",
    "unit_price": money(5_000),
    "quantity": 1,
    **dict.fromkeys(("returned", "url", "image_url", "category")),
    "attributes": [],
}
ENVELOPE = {"event_id": "e", "occurred_at": 1_700_000_000_000, "producer": "shop"}


def plain_order(order_id: str) -> Created:
    """An order that every vendor accepts."""
    order = {
        "order_id": order_id,
        "placed_at": 1_700_000_000_000,
        "time_zone": None,
        "website_id": None,
        "status": None,
        "currency": "USD",
        "total_value": money(1_500_000),
        "returns_value": None,
        "customer": {"email": "a@b.example", "phone": None, "crm_id": None},
        "lines": [LINE],
        "attributes": [{"name": "channel", "value": "komet"}],
        "delivery": DELIVERY,
    }
    return created_of(ENVELOPE, order)


def plain_status() -> Status:
    return status_of(ENVELOPE, {"order_id": "A-1", "status": "canceled", "reason": None, "website_id": None})
