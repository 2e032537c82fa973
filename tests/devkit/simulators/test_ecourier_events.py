"""Orders at a simulated e-Courier move on: statuses and OrderEvents, and the knobs that shape them."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import httpx
import pytest

from workers.devkit.simulators import SimulatorOptions
from workers.devkit.simulators.ecourier import BASE_PATH, EcourierLedger, EcourierSimulator
from workers.devkit.simulators.ecourier import simulator as new_simulator
from workers.devkit.simulators.ecourier_events import ACCOUNT_CLOCK, KeptEvent, account_time
from workers.devkit.simulators.ecourier_life import WAY, Life
from workers.devkit.simulators.ecourier_orders import Orders
from workers.devkit.simulators.faults import QUIET

KEY = "demo-key"
NOON = int(datetime(2026, 11, 22, 17, tzinfo=UTC).timestamp() * 1000)  # 12:00 at the account


class Clock:
    ms = NOON

    def __call__(self) -> int:
        return self.ms


def life(orders: int = 1) -> tuple[Life, Clock]:
    """So many orders that were just saved."""
    clock = Clock()
    kept = Orders(clock)
    for number in range(orders):
        kept.save({"OrderNumber": f"OR-{number}"})
    return Life(kept), clock


def events_of(lived: Life, number: str = "OR-0") -> list[KeptEvent]:
    """All but those of our own saves."""
    return [event for event in lived.orders.by_number[number].events if event.fields["EventSource"] != "API"]


@pytest.fixture
async def ecourier() -> AsyncIterator[EcourierSimulator]:
    simulator = new_simulator(SimulatorOptions(secret=KEY))
    await simulator.start()
    simulator.ledger.kept.save({"OrderNumber": "OR-1"})
    yield simulator
    await simulator.stop()


async def look(ecourier: EcourierSimulator, number: str = "OR-1") -> Any:
    """What GetJsonOrder answers: the order, or what is said instead."""
    async with httpx.AsyncClient(trust_env=False, headers={"UserGUID": KEY}) as client:
        url = f"{ecourier.server.base_url}{BASE_PATH}/GetJsonOrder"
        answer = (await client.post(url, json={"OrderNumber": number})).json()
        return answer.get("Order", answer.get("statusdescription"))


class TestLife:
    def test_an_order_moves_on_to_the_proof_of_delivery_and_stops_there(self) -> None:
        lived, _ = life()
        lived.happen(100, QUIET)
        types = [event.fields["EventType"] for event in events_of(lived) if event.fields["EventType"] != "Unassign"]
        assert types[-len(WAY) :] == [step.event_type for step in WAY]
        assert lived.orders.by_number["OR-0"].status == "I"
        before = len(events_of(lived))
        lived.happen(10, QUIET)
        assert len(events_of(lived)) == before

    def test_a_deleted_order_moves_no_more(self) -> None:
        lived, _ = life(100)
        lived.happen(1000, QUIET.changed({"deleted": 0.1}))
        gone = [number for number, kept in lived.orders.by_number.items() if kept.status == "X"]
        assert 10 < len(gone) < 90
        assert all(events_of(lived, number)[-1].fields["EventType"] == "Order delete" for number in gone)

    def test_orders_move_at_the_rate_of_the_knob(self) -> None:
        lived, clock = life(100)
        faults = QUIET.changed({"changes": 2})
        lived.live(faults)
        clock.ms += 10_000
        lived.live(faults)
        assert sum(len(events_of(lived, number)) for number in lived.orders.by_number) == 20
        clock.ms += 10_000
        lived.live(QUIET)
        lived.live(faults)
        assert sum(len(events_of(lived, number)) for number in lived.orders.by_number) == 20, (
            "time at rest does not count"
        )

    def test_late_events_are_dated_before_they_are_entered(self) -> None:
        lived, clock = life(50)
        lived.happen(200, QUIET.changed({"late_events": 0.5}))
        events = [event for number in lived.orders.by_number for event in events_of(lived, number)]
        late = [event for event in events if event.at_ms < clock.ms]
        assert 60 < len(late) < 140
        assert all(event.fields["EventDateTime"] == account_time(event.at_ms) for event in events)
        times = [[event.at_ms for event in events_of(lived, number)] for number in lived.orders.by_number]
        assert any(after < before for one in times for before, after in pairwise(one))

    def test_event_ids_are_unique_and_some_events_have_none(self) -> None:
        lived, _ = life(50)
        lived.happen(200, QUIET.changed({"events_without_id": 0.3}))
        events = [event.fields for number in lived.orders.by_number for event in events_of(lived, number)]
        ids = [event["OrderEventID"] for event in events if "OrderEventID" in event]
        assert 100 < len(ids) < 180
        assert len(set(ids)) == len(ids)
        contents = Counter(tuple(sorted(event.items())) for event in events)
        assert max(contents.values()) == 1


class TestClock:
    @pytest.mark.parametrize(
        ("utc", "shown"),
        [
            (datetime(2026, 3, 8, 6, 59, 59, tzinfo=UTC), "3/8/2026 1:59:59 AM"),
            (datetime(2026, 3, 8, 7, tzinfo=UTC), "3/8/2026 3:00:00 AM"),
            (datetime(2026, 11, 1, 5, 30, tzinfo=UTC), "11/1/2026 1:30:00 AM"),
            (datetime(2026, 11, 1, 6, 30, tzinfo=UTC), "11/1/2026 1:30:00 AM"),
            (datetime(2026, 11, 22, 17, tzinfo=UTC), "11/22/2026 12:00:00 PM"),
        ],
    )
    def test_times_are_in_the_accounts_zone_without_an_offset(self, utc: datetime, shown: str) -> None:
        assert str(ACCOUNT_CLOCK) == "America/New_York"
        assert account_time(int(utc.timestamp() * 1000)) == shown


class TestAnswers:
    async def test_events_show_late_and_orders_move_while_they_are_read(self, ecourier: EcourierSimulator) -> None:
        await ecourier.set_faults(visible_after=3600, changes_per_page=1)
        order = await look(ecourier)
        assert order["@OrderStatus"] == "A"
        assert len(order["OrderEvents"]["OrderEvent"]) == 1
        assert len(ecourier.ledger.orders()["OR-1"]["OrderEvents"]["OrderEvent"]) == 2

    @pytest.mark.parametrize("sort", ["ascending", "descending", "unstable", "id"])
    async def test_events_come_in_the_sequence_of_the_knob(self, sort: str, ecourier: EcourierSimulator) -> None:
        kept = ecourier.ledger.kept.by_number["OR-1"]
        for hours in (3, 1, 2):
            ecourier.ledger.kept.enter(kept, {"EventType": f"{hours}"}, at_ms=NOON + hours * 3_600_000)
        kept.events.pop(0)
        await ecourier.set_faults(sort=sort)
        types = [event["@EventType"] for event in (await look(ecourier))["OrderEvents"]["OrderEvent"]]
        expected = {"ascending": ["1", "2", "3"], "descending": ["3", "2", "1"], "id": ["3", "1", "2"]}
        assert types == expected.get(sort, types)
        assert sorted(types) == ["1", "2", "3"]


def test_without_a_knob_orders_do_not_move() -> None:
    ledger = EcourierLedger(KEY)
    ledger.kept.save({"OrderNumber": "OR-1"})
    ledger.life.lived_ms = 0
    ledger.life.live(QUIET)
    assert ledger.stats()["orders_by_status"] == {"N": 1}
