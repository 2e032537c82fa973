"""A vendor, or a firewall before it, that refuses one order alone while it takes others; and a key refused for all."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.support.sink_rig import CREATED, Rig, settled
from workers.core.delivery.gate import Reason
from workers.core.delivery.outcome import Delivered, Denied, Outcome, Throttled, Unavailable, Unknown
from workers.core.parked.fence import ParkReason

BATCH = {"max_orders": 5, "max_bytes": "1KiB", "linger": "50ms"}
RETRY = {"first": "1s", "max": "5s", "give_up_after": "60s"}
STEP_S = 0.05


@dataclass
class Firewall:
    """Answers each flight at once by ``answer`` if it holds an order that begins with T, else takes it."""

    answer: Outcome
    rig: Rig = field(default_factory=lambda: Rig(batch=BATCH, retry=RETRY))
    refuses_all: bool = False
    gate_shut_s: float = 0.0
    denials: int = 0

    async def pass_time(self, seconds: float, *, every_s: float, orders: int = 1, stem: str = "good") -> None:
        """So many orders every so many seconds; the clock moves in steps."""
        for step in range(round(seconds / STEP_S)):
            if step % round(every_s / STEP_S) == 0:
                self.rig.add(*(f"{stem}-{step}-{number}" for number in range(orders)), topic=CREATED)
            await self.answer_all()
            self.rig.now[0] += STEP_S
            self.gate_shut_s += 0 if self.rig.gate.is_open else STEP_S
        self.rig.now[0] += STEP_S
        await self.answer_all()

    async def answer_all(self) -> None:
        self.rig.vendor.group = "post"
        while True:
            self.rig.sender.pump()
            await settled()
            flights = [flight for flight in self.rig.vendor.flights if not flight.answer.done()]
            if not flights:
                return
            for flight in flights:
                bad = self.refuses_all or any(order[0] == "T" for order in flight.orders)
                self.denials += bad
                await self.rig.vendor.land(flight, self.answer if bad else Delivered())

    @property
    def parked(self) -> list[tuple[str, ParkReason]]:
        return [(entry.order_id, parking.reason) for entry, parking in self.rig.parked]


@pytest.mark.parametrize("every_s", [0.05, 0.5, 20.0])
async def test_an_order_that_alone_is_denied_is_parked_and_shuts_no_gate(every_s: float) -> None:
    wall = Firewall(Denied("the key is refused", 403))
    await wall.pass_time(1, every_s=0.5)
    wall.rig.add("T-1", topic=CREATED)
    await wall.pass_time(120, every_s=every_s)
    assert wall.parked == [("T-1", ParkReason.REJECTED)]
    ((_, parking),) = wall.rig.parked
    assert parking.detail.startswith("HTTP 403 for this order, others are taken")
    assert parking.status == 403
    assert wall.denials <= 20
    assert len(wall.rig.lanes) == 0, "all others are delivered"
    assert every_s > 1 or wall.gate_shut_s == 0


async def test_a_fault_of_another_kind_that_meets_one_order_alone_is_given_up_however_rare_others_are() -> None:
    """The gate asks another order at once; an outage that only this order saw is not counted as one."""
    for answer in (Unavailable("HTTP 451", 451), Unknown("the vendor hung up without an answer")):
        wall = Firewall(answer)
        await wall.pass_time(1, every_s=0.5)
        wall.rig.add("T-1", topic=CREATED)
        await wall.pass_time(300, every_s=100.0)
        assert wall.parked == [("T-1", ParkReason.GAVE_UP)]


async def test_some_of_many_orders_denied_at_once_stop_the_others_for_seconds_only() -> None:
    wall = Firewall(Denied("firewall", 403))
    await wall.pass_time(1, every_s=0.5)
    wall.rig.add(*(f"T-{number}" for number in range(6)), topic=CREATED)
    await wall.pass_time(60, every_s=0.1)
    assert {order for order, _ in wall.parked} == {f"T-{number}" for number in range(6)}
    assert len(wall.rig.lanes) == 0
    assert wall.gate_shut_s < 10


async def test_a_first_order_that_is_denied_after_the_start_holds_up_the_others_once() -> None:
    """No key has delivered anything yet: the gate shuts, and probes with another order."""
    wall = Firewall(Denied("firewall", 403))
    wall.rig.add("T-1", topic=CREATED)
    await wall.pass_time(60, every_s=0.5)
    assert wall.parked == [("T-1", ParkReason.REJECTED)]
    assert wall.gate_shut_s <= 6


async def test_a_key_that_is_refused_for_all_shuts_the_gate_and_parks_nothing() -> None:
    wall = Firewall(Denied("the key is refused", 403))
    await wall.pass_time(1, every_s=0.5)
    wall.rig.add("T-1", topic=CREATED)
    await wall.pass_time(3, every_s=0.5)
    wall.refuses_all = True
    denials = wall.denials
    await wall.pass_time(300, every_s=0.5, stem="later")
    assert wall.rig.gate.reason is Reason.DENIED
    assert wall.parked == []
    assert wall.denials - denials < 25, "a probe a minute in the end"
    wall.refuses_all = False
    await wall.pass_time(120, every_s=0.5, stem="last")
    assert wall.parked == [("T-1", ParkReason.REJECTED)]
    assert len(wall.rig.lanes) == 0


async def test_a_batch_that_is_too_large_for_now_is_sent_again_in_single_requests() -> None:
    wall = Firewall(Throttled(5.0, 413))
    await wall.pass_time(1, every_s=0.5)
    wall.rig.add("good", "T-1", topic=CREATED)
    await wall.pass_time(150, every_s=0.5)
    assert wall.parked == [("T-1", ParkReason.REJECTED)], "it alone is throttled for longer than give_up_after"
    assert len(wall.rig.lanes) == 0


async def test_an_order_that_meets_a_spent_budget_again_and_again_is_never_parked_for_it() -> None:
    """Others find the few requests that come back; it is no fault of the order's."""
    wall = Firewall(Throttled(5.0, why="the account's budget of requests is spent"))
    wall.rig.add("T-1", topic=CREATED)
    await wall.pass_time(150, every_s=0.5)
    assert wall.parked == []
    assert "T-1" in wall.rig.lanes
    assert "budget of requests is spent for 5.0 s" in wall.rig.gate.detail
