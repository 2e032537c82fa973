"""The first picture, a look back and a sweep find what the time windows miss, and never move the cursor."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from workers.app.poll.stats import PollStats
from workers.app.poll.sweeps import Sweeps
from workers.core.delivery.outcome import Unavailable
from workers.core.poll.change import Stage, VendorOrder, digest
from workers.core.poll.cursor import Cursor, first_cursor
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.core.poll.time_range import TimeRange
from workers.edges.telemetry.tracing import PassOn
from workers.vendors.contract import ALL, Flow, Only, PollFault, Reading

NOW = 1_790_000_000_000
HOUR = 3_600_000


@dataclass
class FakeVendor:
    """Has these orders; answers the first window with its half; remembers the requests."""

    orders: dict[str, VendorOrder]
    max_keys: int = 2
    fields: tuple[str, ...] = ("stage",)
    reads_only: bool = False
    refuses: bool = False  # requests for some orders only
    shipped_days: dict[str, int] = field(default_factory=dict)  # by order number
    asked: list[Any] = field(default_factory=list)

    def window(self, shard: int, asked: TimeRange, sure_until_ms: int, only: Only = ALL) -> Flow[Reading | PollFault]:
        del shard
        self.asked.append(asked if only == ALL else (asked, only))
        assert sure_until_ms == asked.end_ms, "a look back reads only the past"
        if self.refuses and only != ALL:
            return Unavailable("HTTP 400: The filter is not understood.")
        read = asked if len(self.asked) > 1 else asked.half() or asked
        found = [one for one in self.orders.values() if read.start_ms <= (one.modified_ms or 0) <= read.end_ms]
        if only.shipped_since_ms is not None:
            found = [one for one in found if self.shipped_days.get(one.order_number, 0) >= only.shipped_since_ms]
        return Reading(tuple(found), read)
        yield

    def by_key(self, shard: int, keys: list[str]) -> Flow[Reading]:
        del shard
        self.asked.append(tuple(keys))
        return Reading(tuple(self.orders[key] for key in keys if key in self.orders))
        yield


class Reads:
    async def read(self, flow: Callable[[], Flow[Reading]], clock: Any) -> Reading:
        del clock
        try:
            next(flow())
        except StopIteration as stop:
            reading: Reading = stop.value
            return reading
        raise AssertionError("the fake vendor sends no request")

    async def admitted(self) -> None:
        pass

    async def read_once(self, flow: Flow[Any], clock: Any, failures: int) -> Any:
        del failures
        return await self.read(lambda: flow, clock)


def order(number: str, stage: int, modified_ms: int) -> VendorOrder:
    progress = Stage(str(stage), stage, "", "delivered" if stage == 60 else "processing")
    return VendorOrder(number, progress, digest(stage), {"stage": stage}, modified_ms=modified_ms)


@dataclass
class Rig:
    vendor: FakeVendor
    state: ShardState
    stats: PollStats = field(default_factory=PollStats)
    written: list[Step] = field(default_factory=list)

    def sweeps(self) -> Sweeps:
        spec = SimpleNamespace(
            name="dcl-poller",
            lookback=7 * 86_400.0,
            every=60.0,
            sweep_every=86_400.0,
            rest=30 * 86_400.0,
            forget_after=400 * 86_400.0,
            look_again=SimpleNamespace(every=3_600.0, back=6 * 3_600.0),
        )
        context: Any = SimpleNamespace(
            spec=spec, stats=self.stats, tracing=PassOn(), wall_ms=lambda: NOW, monotonic=lambda: 0.0
        )

        async def write(step: Step) -> None:
            self.written.append(step)
            self.state.accept(step)

        reads: Any = Reads()
        vendor: Any = self.vendor
        return Sweeps(0, context, vendor, reads, self.state, write)

    async def run(self) -> None:
        sweeps = self.sweeps()
        while await sweeps.step():
            pass


def rig(cursor: Cursor, known: list[VendorOrder], there: list[VendorOrder]) -> Rig:
    made = Rig(FakeVendor({one.key: one for one in there}), ShardState())
    made.state.accept(made.state.step(known, cursor, fields=("stage",), now_ms=NOW))
    return made


async def test_nothing_is_read_before_it_is_due() -> None:
    made = rig(Cursor(NOW - 1000, 0, looked_ms=NOW - 1000, swept_ms=NOW - 1000), [], [])
    await made.run()
    assert made.written == []


async def test_a_look_back_reads_hours_again_and_counts_what_was_missed() -> None:
    """Changes behind the cursor had been missed; the cursor does not move."""
    cursor = Cursor(NOW - HOUR, 0, looked_ms=NOW - 2 * HOUR, swept_ms=NOW)
    missed, known = order("A", 20, NOW - 3 * HOUR), order("B", 10, NOW - 2 * HOUR)
    made = rig(cursor, [order("A", 10, NOW - 5 * HOUR), known], [missed, known])
    await made.run()
    assert made.vendor.asked[0] == TimeRange(NOW - 6 * HOUR, NOW - HOUR)
    assert [change.order.order_number for step in made.written for change in step.changes] == ["A"]
    assert made.stats.late_found == 1
    assert made.state.cursor is not None
    assert (made.state.cursor.at_ms, made.state.cursor.looked_ms) == (NOW - HOUR, NOW)
    await made.run()
    assert len(made.vendor.asked) == 2


async def test_a_sweep_asks_for_every_open_order_in_batches() -> None:
    cursor = Cursor(NOW - HOUR, 0, looked_ms=NOW, swept_ms=NOW - 25 * HOUR)
    known = [order(number, 10, NOW - 9 * HOUR) for number in "ABC"] + [order("DONE", 60, NOW - 9 * HOUR)]
    made = rig(cursor, known, [known[0], order("B", 20, NOW - 8 * HOUR)])
    await made.run()
    assert made.vendor.asked == [("/A", "/B"), ("/C",)]
    assert made.stats.late_found == 1
    assert made.stats.notes == {"not_found_by_sweep": 1}
    assert made.state.cursor is not None
    assert (made.state.cursor.at_ms, made.state.cursor.swept_ms) == (NOW - HOUR, NOW)


async def test_the_first_start_reads_older_open_orders_as_snapshots_and_a_restart_goes_on() -> None:
    """Ended ones among them are no open orders; an upgrade of a poller that has started before reads nothing."""
    older = NOW - 30 * 24 * HOUR
    there = [order("OPEN", 10, older), order("ENDED", 60, older), order("LATER", 20, NOW - 8 * 24 * HOUR)]
    made = rig(first_cursor(NOW, 7 * 24 * HOUR, open_orders=True), [], there)
    begin = NOW - 7 * 24 * HOUR
    assert await made.sweeps().step()
    assert made.state.cursor is not None
    assert made.state.cursor.open_from_ms == begin // 2, "the vendor's answer held half of the range"
    await made.run()
    assert made.vendor.asked == [
        (TimeRange(0, begin), Only(open=True)),
        (TimeRange(begin // 2, begin), Only(open=True)),
    ]
    changes = [change for step in made.written for change in step.changes]
    assert [(change.order.order_number, change.op) for change in changes] == [
        ("OPEN", "snapshot"),
        ("LATER", "snapshot"),
    ]
    assert made.state.orders.keys() == {"/OPEN", "/LATER"}
    assert made.written[-1].cursor == replace(first_cursor(NOW, NOW - begin), beat_ms=NOW)
    assert made.stats.late_found == 0


async def test_a_vendor_that_refuses_the_narrower_requests_keeps_no_poll_waiting() -> None:
    """The first picture is tried again after each poll; the net for shipments with the next look back."""
    cursor = replace(first_cursor(NOW, 7 * 24 * HOUR, open_orders=True), looked_ms=NOW - 2 * HOUR)
    made = rig(cursor, [], [])
    made.vendor.reads_only = made.vendor.refuses = True
    await made.run()
    assert made.state.cursor is not None
    assert (made.state.cursor.open_from_ms, made.state.cursor.looked_ms) == (0, NOW)
    made.vendor.refuses = False
    await made.run()
    assert made.state.cursor.open_from_ms is None


async def test_a_look_back_finds_shipments_that_left_the_orders_stamp_as_it_was() -> None:
    cursor = Cursor(NOW - HOUR, 0, looked_ms=NOW - 2 * HOUR, swept_ms=NOW)
    shipped, other = order("A", 60, NOW - 90 * HOUR), order("OLD", 60, NOW - 80 * HOUR)
    made = rig(cursor, [order("A", 10, NOW - 90 * HOUR)], [shipped, other])
    made.vendor.reads_only, made.vendor.shipped_days = True, {"A": NOW - HOUR}
    await made.run()
    back = NOW - 6 * HOUR
    assert made.vendor.asked[-1] == (TimeRange(0, back), Only(shipped_since_ms=back))
    assert [change.order.order_number for step in made.written for change in step.changes] == ["A"]
    assert made.stats.late_found == 1
    assert made.state.cursor is not None
    assert made.state.cursor.looked_ms == NOW, "the next one is an hour later"


@pytest.mark.parametrize("behind_ms", [0, 1])
async def test_a_change_that_the_next_poll_would_find_is_not_late(behind_ms: int) -> None:
    cursor = Cursor(NOW - HOUR, 0, looked_ms=NOW, swept_ms=NOW - 25 * HOUR)
    made = rig(cursor, [order("A", 10, 0)], [order("A", 20, cursor.at_ms - behind_ms)])
    await made.run()
    assert made.stats.late_found == behind_ms
