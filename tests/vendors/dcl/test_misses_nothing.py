"""Windows of one page miss and repeat nothing, however DCL sorts, lags and changes; naive strategies do."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vendors.dcl.vendor_model import Killed, Log, SimulatedVendor, Strategy, dcl, missed, poll, relay
from workers.core.poll.change import VendorOrder, event_id
from workers.core.poll.cursor import Cursor, PollStart
from workers.core.poll.time_range import AdaptiveWidth, TimeRange
from workers.devkit.simulators.faults import Faults, Sort
from workers.vendors.contract import Flow, Only, Reading
from workers.vendors.dcl.outcome import rows_of
from workers.vendors.dcl.poller import DclPoller
from workers.vendors.dcl.progress import SHIPPED
from workers.vendors.dcl.reading import reading_of
from workers.vendors.dcl.requests import dcl_requests

SORTS: tuple[Sort, ...] = get_args(Sort)
LAG_S = 15
SETTLE_MS = LAG_S * 1000 + 1000


def poll_without_changes(vendor: SimulatedVendor, log: Log, strategy: Strategy, page_size: int) -> None:
    """Two last polls, after all changes have become visible."""
    vendor.faults = vendor.faults.changed({"changes": 0, "changes_per_page": 0})
    for _ in range(2):
        vendor.clock.now_ms += LAG_S * 1000 + 2_000
        poll(vendor, dcl(page_size), log, strategy)


def is_gapless(log: Log) -> bool:
    sequences: dict[str, int] = {}
    for change in log.changes:
        number = change.order.order_number
        if change.sequence != sequences.get(number, 0) + 1:
            return False
        sequences[number] = change.sequence
    return True


@pytest.mark.slow
@settings(max_examples=2 * settings().max_examples)
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
    sort: Sort, lag_s: int, page_size: int, per_page: int, naive: bool, seed: int, rounds: list[tuple[int, int, int]]
) -> None:
    """Orders change between polls and during them; the process is killed before, between and after writes."""
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
    poll_without_changes(vendor, log, strategy, page_size)
    assert missed(vendor, log) == set()
    assert is_gapless(log)
    ids = [event_id("dcl", change) for change in log.changes]
    assert len(set(ids)) == len(ids)
    assert all(
        change.previous is None or change.previous != change.order.stage or change.changed for change in log.changes
    )


def killer(after: int) -> Callable[[], None]:
    """Kills at the nth call; 0: never."""
    left = after

    def maybe() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    return maybe


# Naive strategies. Each must lose changes here, or this test would prove nothing.


def all_pages(
    vendor: SimulatedVendor, poller: DclPoller, window: TimeRange, sure_until_ms: int, before: Callable[[], None]
) -> Iterator[tuple[TimeRange, Reading]]:
    """Read page after page until one is short, however wide the window is."""
    del sure_until_ms
    page, orders = 1, list[VendorOrder]()
    while True:
        reading = vendor.run(one_page(poller, window, page), before)
        orders += reading.orders
        if len(reading.orders) < poller.options.page_size:
            break
        page += 1
    yield window, Reading(tuple(orders), window)


def one_page(poller: DclPoller, window: TimeRange, page: int) -> Flow[Reading]:
    dcl = dcl_requests(poller.credentials, poller.options)
    rows = rows_of((yield dcl.window(window, page)))
    assert isinstance(rows, Sequence)
    reading = reading_of(rows, dcl.zone, poller.options, None)
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
    vendor: SimulatedVendor, poller: DclPoller, window: TimeRange, sure_until_ms: int, before: Callable[[], None]
) -> Iterator[tuple[TimeRange, Reading]]:
    return all_pages(vendor, poller, TimeRange(window.start_ms, window.end_ms + 10**9), sure_until_ms, before)


NAIVE = {
    "more than the largest seen": Strategy(0, open_ended, largest_seen(-1000)),
    "the largest seen and more": Strategy(0, open_ended, largest_seen(0)),
    "the largest seen less an overlap": Strategy(0, open_ended, largest_seen(5_000)),
    "a frozen upper bound": Strategy(0, all_pages, poll_start),
    "an open end from the poll's start": Strategy(0, open_ended, poll_start),
    "one-page windows without a settle lag": replace(relay(0), settle_ms=0),
}


def changes_lost(strategy: Strategy, sort: Sort, seed: int) -> int:
    """How many orders the strategy misses in six polls while orders change."""
    vendor = SimulatedVendor(Faults(sort=sort, changes=0, changes_per_page=1, visible_after=LAG_S))
    vendor.ledger.orders_by_number.rng.seed(seed)
    log = Log()
    for _ in range(6):
        vendor.ledger.happen(9, vendor.faults)
        poll(vendor, dcl(4), log, strategy, lookback_ms=60_000)
        vendor.clock.now_ms += 3_000
    poll_without_changes(vendor, log, strategy, 4)
    return len(missed(vendor, log))


@pytest.mark.parametrize("name", NAIVE)
def test_a_naive_strategy_loses_changes_here(name: str) -> None:
    """The same vendor and the same checks must catch each of them."""
    assert any(changes_lost(NAIVE[name], sort, seed) for seed in range(4) for sort in SORTS)


@pytest.mark.parametrize("sort", SORTS)
def test_the_relays_strategy_loses_nothing_where_the_naive_ones_do(sort: Sort) -> None:
    assert [changes_lost(relay(SETTLE_MS), sort, seed) for seed in range(2)] == [0, 0]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("applied", [True, False])
def test_the_first_picture_shows_every_open_order_and_no_other(sort: Sort, applied: bool) -> None:
    """Whether DCL applies the filter or not; many orders of one import share a second."""
    vendor = SimulatedVendor(Faults(sort=sort, changes=0))
    now_ms, chance = vendor.clock.now_ms, random.Random(3)
    for number in range(60):
        vendor.clock.now_ms = now_ms - (chance.randrange(400) * 86_400_000 if number % 3 else 86_400_000)
        vendor.ledger.put(f"O{number:02}", chance.choice((10, 20, 40, 50, 60, 70)))
    vendor.clock.now_ms = now_ms
    if not applied:
        vendor.ledger.ignores_filter = True
    found, rest, width = set[str](), TimeRange(0, now_ms), AdaptiveWidth()
    while not rest.is_empty:
        asked = width.next_range(rest)
        reading = vendor.run(dcl(4).window(0, asked, asked.end_ms, Only(open=True)))
        assert isinstance(reading, Reading)
        assert reading.time_range is not None
        found |= {order.order_number for order in reading.orders}
        width.one_page_held(reading.time_range)
        rest = rest.after(reading.time_range)
    assert found == {number for number, stage in vendor.stages().items() if stage < SHIPPED}
