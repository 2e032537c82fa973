"""Events with readable values, and an e-Courier sink with an account of its own."""

from typing import Any

import httpx
import pytest

from tests.support.events import created_with, millis, money, status_with
from workers.core.delivery.tracked_order import Tracked
from workers.core.events import Created, Event, OrderState, Status
from workers.vendors.contract import Attempt, Call, Flow
from workers.vendors.ecourier.options import EcourierOptions
from workers.vendors.ecourier.session import EcourierSession
from workers.vendors.ecourier.sink import EcourierSink

ACCOUNT = {
    "BASE_URL": "https://post.example.e-courier.com/example/software/xml/ecJsonPost.asmx",
    "WEBSITE": "example",
    "USERNAME": "user1",
    "PASSWORD": "password-canary",
    "USER_GUID": "guid-canary",
    "CUSTOMER_CODE": "Alpha",
    "TIME_ZONE": "America/New_York",
}
PIECE: dict[str, Any] = {"sequence": 1, "reference": None, "quantity": 1, "weight": None, "description": None}
PIECE |= dict.fromkeys(("height", "width"))
STOP: dict[str, Any] = {
    "sequence": 1,
    "type": "pickup",
    **dict.fromkeys(("scheduled_at", "early_at", "late_at", "time_zone", "name", "address", "city", "state")),
    **dict.fromkeys(("postal_code", "country", "phone", "note", "room", "see")),
    **dict.fromkeys(("customer_ship_to_code", "latitude", "longitude")),
    "pieces": [],
}
STOPS = [{"sequence": 1, "type": "pickup"}, {"sequence": 2, "type": "destination"}]
DELIVERY: dict[str, Any] = {
    "customer_code": None,
    "service": "Route",
    "reference": "1234779",
    "notes": None,
    **dict.fromkeys(("description", "other_reference", "invoice_reference", "vehicle_type")),
    **dict.fromkeys(("pod_required", "declared_value", "cod_amount")),
    "notifiers": [],
    "pieces": [],
    "stops": STOPS,
}


def stop_of(given: dict[str, Any]) -> dict[str, Any]:
    stop = STOP | given
    times = {name: stop[name] for name in ("scheduled_at", "early_at", "late_at")}
    return stop | {name: None if at is None else millis(at) for name, at in times.items()}


def created_of(order_id: str = "A-1", *, state: OrderState | None = None, bare: bool = False, **given: Any) -> Created:
    """An order with a delivery that has the given fields; ``bare``: without a delivery."""
    delivery = DELIVERY | given
    pieces = [PIECE | each for each in delivery["pieces"]]
    amounts = {name: delivery[name] for name in ("declared_value", "cod_amount") if isinstance(delivery[name], str)}
    delivery |= {name: money(text) for name, text in amounts.items()}
    delivery |= {"pieces": pieces, "stops": [stop_of(each) for each in delivery["stops"]]}
    order: Any = {"order_id": order_id, "status": state, "delivery": None if bare else delivery}
    return created_with(order)


def status_of(order_id: str = "A-1", status: Any = "canceled") -> Status:
    return status_with(order_id, status)


def sink_of(account: dict[str, str] | None = None, *, proven: bool = True, **options: Any) -> Any:
    """``proven``: the site has found one of our numbers before."""
    sink = EcourierSink(EcourierOptions(**options), ACCOUNT | (account or {}))
    if proven:
        sink.numbering.found()
    return sink


def session_of(account: dict[str, str] | None = None, **options: Any) -> Any:
    return EcourierSession(EcourierOptions(**options), ACCOUNT | (account or {}))


def attempt_of(
    event: Event | None = None, number: int = 1, *, unknown: bool = False, known: Tracked | None = None
) -> Attempt:
    call = sink_of().prepare(event or created_of(), known)
    assert isinstance(call, Call)
    return Attempt(call, number, unknown)


def talk_of(flow: Flow[Any], *answers: httpx.Response | Exception) -> tuple[list[httpx.Request], Any]:
    """Give the answers in turn; return the requests and the flow's value."""
    asked: list[httpx.Request] = []
    try:
        asked.append(next(flow))
        for answer in answers:
            request = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
            asked.append(request)
    except StopIteration as stop:
        return asked, stop.value
    pytest.fail(f"the flow sends another request: {asked[-1].url}")
