"""Windows of one page miss nothing and repeat nothing, however DCL sorts, lags and changes; other ways do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vendors.dcl.vendor_model import (
    Killed,
    Log,
    SimulatedVendor,
    Strategy,
    dcl,
    missed,
    poll,
    relay,
)
from workers.core.poll.change import Seen, event_id
from workers.core.poll.cursor import Cursor, PollStart
from workers.core.poll.time_range import TimeRange
from workers.devkit.simulators.faults import Faults, Sort
from workers.vendors.contract import Flow, Reading
from workers.vendors.dcl.outcome import rows_of
from workers.vendors.dcl.poller import DclPoller
from workers.vendors.dcl.wire import wire

SORTS: tuple[Sort, ...] = get_args(Sort)
LAG_S = 15
SETTLE_MS = LAG_S * 1000 + 1000


def look_quietly(vendor: SimulatedVendor, log: Log, strategy: Strategy, page_size: int) -> None:
    """Nothing happens any more, and all of it shows: two last polls."""
    vendor.faults = vendor.faults.changed({"changes": 0, "changes_per_page": 0})
    for _ in range(2):
        vendor.clock.now_ms += LAG_S * 1000 + 2_000
        poll(vendor, dcl(page_size), log, strategy)


def is_gapless(log: Log) -> bool:
    sequences: dict[str, int] = {}
    for change in log.changes:
        number = change.seen.order_number
        if change.sequence != sequences.get(number, 0) + 1:
            return False
        sequences[number] = change.sequence
    return True


@settings(deadline=None, max_examples=2_000)
@given(
    sort=st.sampled_from(SORTS),
    lag_s=st.sampled_from([0, 3, LAG_S]),
    page_size=st.integers(2, 6),
    per_page=st.integers(0, 2),
    naive=st.booleans(),
    seed=st.integers(0, 2**16),
    rounds=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 9_000), st.integers(0, 40)), min_size=1, max_size=5),
)
def test_nothing_is_missed_and_nothing_repeated(  # noqa: PLR0917 - Hypothesis gives them by name
    sort: Sort,
    lag_s: int,
    page_size: int,
    per_page: int,
    naive: bool,
    seed: int,
    rounds: list[tuple[int, int, int]],
) -> None:
    """Orders change between polls and while pages are read; the process is killed before, between and after writes."""
    vendor = SimulatedVendor(
        Faults(sort=sort, changes=0, changes_per_page=per_page, visible_after=lag_s, naive_times=naive)
    )
    vendor.ledger.orders_by_number.rng.seed(seed)
    log, strategy = Log(), relay(SETTLE_MS)
    for changes, pause_ms, killed_after in rounds:
        vendor.ledger.happen(changes, vendor.faults)
        with suppress(Killed):
            poll(vendor, dcl(page_size), log, strategy, before=killer(killed_after), lookback_ms=60_000)
        vendor.clock.now_ms += pause_ms
    look_quietly(vendor, log, strategy, page_size)
    assert missed(vendor, log) == set()
    assert is_gapless(log)
    ids = [event_id("dcl", change) for change in log.changes]
    assert len(set(ids)) == len(ids)
    assert all(
        change.previous is None or change.previous != change.seen.stage or change.changed for change in log.changes
    )


def killer(after: int) -> Callable[[], None]:
    """Kills at the so-manieth moment; 0: never."""
    left = after

    def maybe() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    return maybe


# The ways that people write, each of which must fail here: else this test would show nothing.


def all_pages(
    vendor: SimulatedVendor, poller: DclPoller, span: TimeRange, sure_until_ms: int, before: Callable[[], None]
) -> Iterator[tuple[TimeRange, Reading]]:
    """Page after page until one is short, the window as wide as it is."""
    del sure_until_ms
    page, orders = 1, list[Seen]()
    while True:
        reading = vendor.run(one_page(poller, span, page), before)
        orders += reading.orders
        if len(reading.orders) < poller.options.page_size:
            break
        page += 1
    yield span, Reading(tuple(orders), span)


def one_page(poller: DclPoller, span: TimeRange, page: int) -> Flow[Reading]:
    dcl = wire(poller.credentials, poller.options.page_size)
    rows = rows_of((yield dcl.window(span, page, None)))
    assert isinstance(rows, Sequence)
    reading = poller._reading(dcl, rows, None)
    assert isinstance(reading, Reading)
    return reading


def largest_seen(overlap_ms: int) -> Callable[[Cursor, TimeRange, PollStart, Reading], Cursor]:
    def move(cursor: Cursor, done: TimeRange, start: PollStart, reading: Reading) -> Cursor:
        del done, start
        stamps = [order.modified_ms for order in reading.orders if order.modified_ms is not None]
        return replace(cursor, at_ms=max([cursor.at_ms, *(stamp - overlap_ms for stamp in stamps)]))

    return move


def poll_start(cursor: Cursor, done: TimeRange, start: PollStart, reading: Reading) -> Cursor:
    del done, reading
    return replace(cursor, at_ms=start.our_ms)


def open_ended(
    vendor: SimulatedVendor, poller: DclPoller, span: TimeRange, sure_until_ms: int, before: Callable[[], None]
) -> Iterator[tuple[TimeRange, Reading]]:
    return all_pages(vendor, poller, TimeRange(span.start_ms, span.end_ms + 10**9), sure_until_ms, before)


NAIVE = {
    "more than the largest seen": Strategy(0, open_ended, largest_seen(-1000)),
    "the largest seen and more": Strategy(0, open_ended, largest_seen(0)),
    "the largest seen less an overlap": Strategy(0, open_ended, largest_seen(5_000)),
    "a frozen upper bound": Strategy(0, all_pages, poll_start),
    "an open end from the poll's start": Strategy(0, open_ended, poll_start),
    "one-page windows without a settle lag": replace(relay(0), settle_ms=0),
}


@pytest.mark.parametrize("name", NAIVE)
def test_a_way_that_people_write_loses_changes_here(name: str) -> None:
    """The same vendor, the same checks: each of these must be caught missing something."""
    lost = 0
    for seed in range(4):
        for sort in SORTS:
            vendor = SimulatedVendor(Faults(sort=sort, changes=0, changes_per_page=1, visible_after=LAG_S))
            vendor.ledger.orders_by_number.rng.seed(seed)
            log = Log()
            for _ in range(6):
                vendor.ledger.happen(9, vendor.faults)
                poll(vendor, dcl(4), log, NAIVE[name], lookback_ms=60_000)
                vendor.clock.now_ms += 3_000
            look_quietly(vendor, log, NAIVE[name], 4)
            lost += len(missed(vendor, log))
    assert lost > 0


def test_the_relays_way_loses_nothing_where_the_others_do() -> None:
    for seed in range(2):
        for sort in SORTS:
            vendor = SimulatedVendor(Faults(sort=sort, changes=0, changes_per_page=1, visible_after=LAG_S))
            vendor.ledger.orders_by_number.rng.seed(seed)
            log = Log()
            for _ in range(6):
                vendor.ledger.happen(9, vendor.faults)
                poll(vendor, dcl(4), log, relay(SETTLE_MS), lookback_ms=60_000)
                vendor.clock.now_ms += 3_000
            look_quietly(vendor, log, relay(SETTLE_MS), 4)
            assert missed(vendor, log) == set()
