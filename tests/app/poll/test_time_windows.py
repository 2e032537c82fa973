"""A look back and a sweep find what the time windows missed, count it, and never move the cursor."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from workers.app.poll.stats import PollStats
from workers.app.poll.time_windows import Sweeps
from workers.core.poll.change import Stage, VendorOrder, digest
from workers.core.poll.cursor import Cursor
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.core.poll.time_range import TimeRange
from workers.vendors.contract import Flow, Reading

NOW = 1_790_000_000_000
HOUR = 3_600_000


@dataclass
class FakeVendor:
    """Has these orders; answers the first window with its half; remembers the requests."""

    orders: dict[str, VendorOrder]
    max_keys: int = 2
    fields: tuple[str, ...] = ("stage",)
    asked: list[Any] = field(default_factory=list)

    def window(self, shard: int, asked: TimeRange, sure_until_ms: int) -> Flow[Reading]:
        del shard
        self.asked.append(asked)
        assert sure_until_ms == asked.end_ms, "a look back reads only the past"
        read = asked if len(self.asked) > 1 else asked.half() or asked
        found = [one for one in self.orders.values() if read.start_ms <= (one.modified_ms or 0) <= read.end_ms]
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
            sweep_every=86_400.0,
            rest=30 * 86_400.0,
            forget_after=400 * 86_400.0,
            look_again=SimpleNamespace(every=3_600.0, back=6 * 3_600.0),
        )
        context: Any = SimpleNamespace(spec=spec, stats=self.stats, wall_ms=lambda: NOW, monotonic=lambda: 0.0)

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


@pytest.mark.parametrize("behind_ms", [0, 1])
async def test_a_change_that_the_next_poll_would_find_is_not_late(behind_ms: int) -> None:
    cursor = Cursor(NOW - HOUR, 0, looked_ms=NOW, swept_ms=NOW - 25 * HOUR)
    made = rig(cursor, [order("A", 10, 0)], [order("A", 20, cursor.at_ms - behind_ms)])
    await made.run()
    assert made.stats.late_found == behind_ms
