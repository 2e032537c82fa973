"""Ranges of creation time and whole lists: no row is missed, whatever the sequence of rows and the size of pages."""

from datetime import datetime
from typing import Any

import pytest

from tests.vendors.e2cc.account import answer
from tests.vendors.e2cc.simulated import NOW_MS, Simulated, books, ever
from workers.core.delivery.outcome import Unavailable
from workers.core.poll.time_range import TimeRange, whole_seconds
from workers.core.poll.vendor_set import Created, Whole
from workers.devkit.simulators.e2cc.books import DAY_MS
from workers.vendors.e2cc.options import E2ccOptions

SMALL = E2ccOptions(page_size=7)
KNOBS: list[dict[str, Any]] = [
    {},
    {"sort": "unstable"},
    {"sort": "descending", "row_per_line": True},
    {"page_cap": 3},
    {"padding": True, "entities": True, "sort": "unstable"},
    {"uncreated": True},
    {"ignores_filters": True},
]


@pytest.mark.parametrize("knobs", KNOBS, ids=str)
@pytest.mark.parametrize("name", ["orders", "shipments", "invoices"])
def test_every_row_of_a_range_is_read(name: str, knobs: dict[str, Any]) -> None:
    e2cc = Simulated(options=SMALL)
    e2cc.turn(**knobs)
    books = e2cc.ledger.books
    number = {
        "orders": [f"/{order.name}" for order in books.orders.records],
        "shipments": [f"{one.number}/{one.order.name}" for one in books.shipments.records],
        "invoices": [f"Invoice/{one.number}" for one in books.invoices.records],
    }[name]
    assert sorted(e2cc.read_all(name)) == sorted(number)


def test_a_range_that_one_page_holds_is_read_to_an_empty_page() -> None:
    e2cc = Simulated()
    reading = e2cc.read("orders")
    assert (len(reading.rows), reading.done) == (30, ever())
    assert [request.url.params["page"] for request in e2cc.asked] == ["1", "2"]


def test_an_empty_range_takes_one_request() -> None:
    e2cc = Simulated(books(0))
    assert e2cc.read("orders").rows == ()
    assert len(e2cc.asked) == 1


def test_a_range_is_halved_until_one_page_holds_it() -> None:
    e2cc = Simulated(options=SMALL)
    reading = e2cc.read("orders")
    assert reading.done
    assert reading.done.end_ms < ever().end_ms
    assert len(reading.rows) < 7


def test_a_second_that_no_page_holds_is_walked_until_two_walks_agree() -> None:
    e2cc = Simulated(books(0), options=SMALL)
    for _ in range(12):
        e2cc.books.new_order(NOW_MS - DAY_MS)
    around = whole_seconds(NOW_MS - DAY_MS - 5_000, NOW_MS - DAY_MS + 5_000)
    for sort in ("id", "unstable"):
        e2cc.turn(sort=sort)
        assert len(e2cc.read_all("orders", around)) == 12


def test_rows_created_at_another_time_are_left_out_and_counted() -> None:
    e2cc = Simulated()
    e2cc.turn(ignores_filters=True)
    recent = whole_seconds(NOW_MS - 100 * DAY_MS, NOW_MS)
    reading = e2cc.read("orders", Created(recent))
    expected = [f"/{order.name}" for order in e2cc.books.orders.records if order.created_ms >= recent.start_ms]
    assert [row.key for row in reading.rows] == expected
    assert reading.notes["outside_window"] == 30 - len(expected)


@pytest.mark.parametrize(
    ("created", "asked_from", "is_shown"),
    [
        ("2026-11-01T01:30:00", "2026-11-01T05:25:00Z", True),  # the hour that occurs twice, for the first time
        ("2026-11-01T01:30:00", "2026-11-01T06:25:00Z", True),  # for the second time
        ("2026-11-01T01:30:00", "2026-11-01T07:25:00Z", False),
        ("2026-07-01T01:30:00", "2026-07-01T05:25:00Z", True),
        ("2026-07-01T01:30:00", "2026-07-01T06:25:00Z", False),  # winter time in summer
    ],
)
def test_a_row_of_the_hour_that_occurs_twice_is_created_in_both(created: str, asked_from: str, is_shown: bool) -> None:
    """Otherwise a row of its second time would be found hours later, by the next full reading."""
    start_ms = round(datetime.fromisoformat(asked_from).timestamp() * 1000)
    asked = TimeRange(start_ms, start_ms + 600_000)
    row = {"orderType": "SO", "orderNbr": "000001", "status": "Open", "createdDateTime": created}
    flow = Simulated().poller.read("orders", Created(asked))
    next(flow)
    flow.send(answer([row]))
    with pytest.raises(StopIteration) as stop:
        flow.send(answer([]))
    shown = stop.value.value.rows
    assert len(shown) == is_shown
    assert all(one.created_ms is None or asked.start_ms <= one.created_ms <= asked.end_ms for one in shown)


def test_only_a_list_by_creation_time_is_asked_for_creation_times() -> None:
    """Which names of fields each list knows is not documented."""
    e2cc = Simulated()
    e2cc.read("orders")
    assert "createdDateTime" in e2cc.asked[0].url.params["fields"]
    for name in ("inventories", "credits", "rmas"):
        e2cc.whole(name)
        assert "createdDateTime" not in e2cc.asked[0].url.params.get("fields", "")


def test_a_list_that_ignores_the_range_is_read_whole_instead_of_halved() -> None:
    e2cc = Simulated(options=SMALL)
    e2cc.turn(ignores_filters=True)
    recent = whole_seconds(NOW_MS - 100 * DAY_MS, NOW_MS)
    reading = e2cc.read("orders", Created(recent))
    assert reading.done == recent
    assert reading.notes["conditions_ignored"] == 1


def test_only_the_bounds_that_e2cc_understands_are_asked_for() -> None:
    e2cc = Simulated(options=E2ccOptions(conditions="from"))
    e2cc.turn(conditions="gt")
    early = TimeRange(ever().start_ms, whole_seconds(NOW_MS - 300 * DAY_MS, NOW_MS).start_ms)
    assert 0 < len(e2cc.read("orders", Created(early)).rows) < 30
    e2cc.options = E2ccOptions()
    assert isinstance(e2cc.run(e2cc.poller.read("orders", Created(early))), Unavailable)


def test_without_creation_times_a_full_second_is_a_fault() -> None:
    """Nothing would tell whether E2CC applies the condition: everything would be of every second."""
    e2cc = Simulated(options=SMALL)
    e2cc.turn(ignores_filters=True, uncreated=True)
    assert isinstance(e2cc.run(e2cc.poller.read("orders", Created(ever()))), Unavailable)


def test_rows_that_move_between_two_pages_are_noticed() -> None:
    e2cc = Simulated(books(0, 50), options=SMALL)
    still = e2cc.whole("inventories")
    assert (len(still.rows), still.moved, still.pages) == (50, False, 8)
    e2cc.turn(sort="unstable")
    assert e2cc.whole("inventories").moved
    assert e2cc.whole("inventories", walk=3).rows
    assert e2cc.asked[0].url.params["pageSize"] != "7", "another walk has other pages"


def test_credits_and_returns_are_one_answer() -> None:
    e2cc = Simulated()
    e2cc.ledger.happen(400, e2cc.faults)
    assert [row.key for row in e2cc.whole("credits").rows] == ["C99999"]
    assert len(e2cc.whole("rmas").rows) == len(e2cc.books.returns) > 0
    e2cc.turn(rmas_down=True)
    assert isinstance(e2cc.run(e2cc.poller.read("rmas", Whole())), Unavailable)
    assert e2cc.whole("credits").rows


def test_padding_entities_and_sequence_are_no_change() -> None:
    plain, worn = Simulated(), Simulated()
    worn.turn(padding=True, entities=True, sort="unstable")
    for name in ("orders", "shipments", "invoices"):
        theirs = {row.key: row.digest for row in worn.read(name).rows}
        assert theirs == {row.key: row.digest for row in plain.read(name).rows}


def test_rows_without_a_number_are_a_fault_when_all_are() -> None:
    e2cc = Simulated()
    flow = e2cc.poller.read("orders", Created(ever()))
    next(flow)
    flow.send(answer([{"number": "1"}]))
    with pytest.raises(StopIteration) as stop:
        flow.send(answer([]))
    assert isinstance(stop.value.value, Unavailable)
