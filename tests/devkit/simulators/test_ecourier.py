"""The simulated e-Courier counts what was applied, and its orders move on as the knobs say."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.vendors.ecourier.conftest import ACCOUNT, created_of
from workers.core.delivery.outcome import Delivered, Denied, Outcome
from workers.core.delivery.tracked_order import Tracked
from workers.devkit.simulators import SECRET, SimulatorOptions
from workers.devkit.simulators.ecourier import BASE_PATH, EcourierSimulator
from workers.devkit.simulators.ecourier import simulator as new_simulator
from workers.devkit.simulators.ecourier_events import account_time
from workers.devkit.simulators.ecourier_life import WAY, Life
from workers.devkit.simulators.ecourier_orders import Orders
from workers.devkit.simulators.faults import QUIET
from workers.edges.http.client import open_client
from workers.edges.http.transport import TransportPolicy
from workers.vendors.contract import Attempt, Call
from workers.vendors.ecourier.options import EcourierOptions
from workers.vendors.ecourier.session import EcourierSession
from workers.vendors.ecourier.sink import EcourierSink

NOON = int(datetime(2026, 11, 22, 17, tzinfo=UTC).timestamp() * 1000)  # 12:00 at the account


@pytest.fixture
async def ecourier() -> AsyncIterator[EcourierSimulator]:
    simulator = new_simulator(SimulatorOptions())
    await simulator.start()
    yield simulator
    await simulator.stop()


async def ask(ecourier: EcourierSimulator, endpoint: str, body: Any) -> Any:
    async with httpx.AsyncClient(trust_env=False, verify=False, headers={"UserGUID": SECRET}) as client:
        return (await client.post(f"{ecourier.server.base_url}{BASE_PATH}/{endpoint}", json=body)).json()


async def test_creates_updates_repeats_and_duplicates_are_told_apart(ecourier: EcourierSimulator) -> None:
    order = {"CustomerCode": "Alpha", "Service": "Route", "Auth": "1234779"}
    numbered, changes = order | {"OrderNumber": "OR-1"}, ({"Notes": "new"}, {"OrderStatus": "X"})
    for each in (numbered, numbered, *({"OrderNumber": "OR-1"} | change for change in changes), order):
        ecourier.ledger.kept.save(each)
    stats = ecourier.server.stats()
    assert [effect.what for effect in ecourier.ledger.effects] == ["create", "update", "update", "cancel", "create"]
    assert (stats["orders"], stats["repeats"], stats["duplicates"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("sort", "expected"), [("ascending", ["1", "2", "3"]), ("descending", ["3", "2", "1"]), ("id", ["3", "1", "2"])]
)
async def test_events_come_in_the_sequence_of_the_knob(
    sort: str, expected: list[str], ecourier: EcourierSimulator
) -> None:
    ecourier.ledger.kept.save({"OrderNumber": "OR-1"})
    kept = ecourier.ledger.kept.by_number["OR-1"]
    for hours in (3, 1, 2):
        ecourier.ledger.kept.enter(kept, {"EventType": f"{hours}"}, at_ms=NOON + hours * 3_600_000)
    kept.events.pop(0)
    await ecourier.set_faults(sort=sort)
    shown = (await ask(ecourier, "GetJsonOrder", {"OrderNumber": "OR-1"}))["Order"]["OrderEvents"]["OrderEvent"]
    assert [event["@EventType"] for event in shown] == expected


def life(orders: int) -> Life:
    """So many orders that were just saved."""
    kept = Orders(lambda: NOON)
    for number in range(orders):
        kept.save({"OrderNumber": f"OR-{number}"})
    return Life(kept)


def events_of(lived: Life) -> list[list[Any]]:
    """Each order's events, without those of our own saves."""
    orders = lived.orders.by_number.values()
    return [[event for event in order.events if event.fields["EventSource"] != "API"] for order in orders]


def test_an_order_moves_on_to_the_proof_of_delivery_and_stops_there() -> None:
    lived = life(1)
    lived.happen(100, QUIET)
    [events] = events_of(lived)
    types = [event.fields["EventType"] for event in events if event.fields["EventType"] != "Unassign"]
    assert types[-len(WAY) :] == [step.event_type for step in WAY]
    lived.happen(10, QUIET)
    assert events_of(lived) == [events]


def test_events_come_late_without_an_id_and_with_a_deletion_as_often_as_the_knobs_say() -> None:
    lived = life(50)
    lived.happen(200, QUIET.changed({"late_events": 0.5, "events_without_id": 0.3, "deleted": 0.05}))
    orders = events_of(lived)
    events = [event for order in orders for event in order]
    ids = [event.fields["OrderEventID"] for event in events if "OrderEventID" in event.fields]
    assert 0.5 < len(ids) / len(events) < 0.9
    assert 0.3 < sum(event.at_ms < NOON for event in events) / len(events) < 0.7
    assert any(after.at_ms < before.at_ms for order in orders for before, after in pairwise(order))
    assert len(set(ids)) == len(ids)
    assert max(Counter(tuple(sorted(event.fields.items())) for event in events).values()) == 1
    gone = [order for order in lived.orders.by_number.values() if order.status == "X"]
    assert gone
    assert all(order.events[-1].fields["EventType"] == "Order delete" for order in gone)


@pytest.mark.parametrize(
    ("utc", "shown"),
    [
        (datetime(2026, 3, 8, 6, 59, 59, tzinfo=UTC), "3/8/2026 1:59:59 AM"),
        (datetime(2026, 3, 8, 7, tzinfo=UTC), "3/8/2026 3:00:00 AM"),
        (datetime(2026, 11, 1, 6, 30, tzinfo=UTC), "11/1/2026 1:30:00 AM"),
    ],
)
def test_times_are_in_the_accounts_zone_without_an_offset(utc: datetime, shown: str) -> None:
    assert account_time(int(utc.timestamp() * 1000)) == shown


async def test_a_site_that_numbers_orders_by_itself_gets_each_order_once(ecourier: EcourierSimulator) -> None:
    """The real sink over the real client: the second order waits, and so does an update of the first one."""
    account = ACCOUNT | {"BASE_URL": f"{ecourier.server.base_url}{BASE_PATH}", "USER_GUID": SECRET}
    sink, base = EcourierSink(EcourierOptions(), account), httpx.URL(account["BASE_URL"])
    session = EcourierSession(EcourierOptions(), account)
    client = open_client(base, TransportPolicy(max_in_flight=4, request_timeout_s=5.0), session, environ={})

    async def deliver(event: Any, known: Tracked | None = None) -> Outcome:
        call = sink.prepare(event, known)
        assert isinstance(call, Call)
        [outcome] = await client.run(sink.deliver([Attempt(call)]))
        return outcome

    await ecourier.set_faults(own_numbers=True)
    saved = await deliver(created_of("A-1"))
    assert isinstance(saved, Delivered)
    assert saved.note == "saved_order_not_found"
    assert isinstance(await deliver(created_of("B-2")), Denied)
    known = Tracked("OR-A-1", "A-1", since_ms=1, content_hash="other")
    assert isinstance(await deliver(created_of("A-1", notes="new"), known), Denied)
    assert [effect.what for effect in ecourier.ledger.effects] == ["create"]
    await client.close()
