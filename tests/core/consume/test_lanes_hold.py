"""A status that may have been appended before its create waits for it, within ``publish_skew``."""

import pytest

from workers.core.consume.lanes import Entry, Lane, Lanes
from workers.core.consume.ledger import Ledger
from workers.core.record import Record

FOREVER = 1e12


def entry(order: str, offset: int = 0, *, creates_order: bool = False, ledger: Ledger | None = None) -> Entry:
    record = Record("t", 0, offset, 0, order.encode(), None)
    return Entry(record, order, creates_order, ledger or Ledger(0), size=1)


def taken(lanes: Lanes) -> Lane:
    lane = lanes.take()
    assert lane is not None
    return lane


def event(offset: int, *, creates_order: bool, occurred_at: int) -> Entry:
    record = Record("created" if creates_order else "status", 0, offset, 0, b"a", None)
    return Entry(record, "a", creates_order, Ledger(0), 1, "shop", occurred_at)


def test_a_held_status_goes_when_its_create_may_no_longer_come() -> None:
    lanes = Lanes(publish_skew_s=1.0)
    lanes.add(event(0, creates_order=False, occurred_at=9), 100.0, hold=True)
    lanes.add(event(1, creates_order=False, occurred_at=9), 100.5, hold=True)
    due = lanes.next_due()
    assert due is not None
    assert 101.0 < due < 101.5
    lanes.wake(due - 0.001)
    assert lanes.take() is None
    lanes.wake_one()
    assert lanes.take() is None, "a probe takes another order"
    lanes.wake(due)
    assert taken(lanes).queue[0].record.offset == 0
    assert lanes.held_s == pytest.approx(due - 100)
    assert (lanes.held, lanes.next_due()) == (1, None)


@pytest.mark.parametrize("occurred_at", [5, 20])
def test_a_create_ends_the_hold_and_goes_first_if_it_occurred_first(occurred_at: int) -> None:
    lanes = Lanes(publish_skew_s=1.0)
    status, create = event(0, creates_order=False, occurred_at=9), event(0, creates_order=True, occurred_at=occurred_at)
    lanes.add(status, 100.0, hold=True)
    lanes.add(create, 100.2)
    first = taken(lanes)
    assert first.queue[0] is (create if occurred_at == 5 else status)
    assert lanes.held_s == pytest.approx(0.2)
    assert lanes.reordered == int(occurred_at == 5)
    lanes.finish(first)
    lanes.finish(taken(lanes))
    assert len(lanes) == 0


@pytest.mark.parametrize("landing", ["requeue", "wait"])
def test_a_create_that_came_during_a_failed_attempt_goes_before_the_next_attempt(landing: str) -> None:
    lanes = Lanes(publish_skew_s=1.0)
    status, create = event(0, creates_order=False, occurred_at=9), event(0, creates_order=True, occurred_at=5)
    lanes.add(status)
    lane = taken(lanes)
    lanes.add(create)
    assert lane.queue[0] is status, "it is in flight"
    if landing == "requeue":
        lanes.requeue(lane)
    else:
        lanes.wait(lane, 60.0)
    assert lanes.finish(taken(lanes)) is create
    assert lanes.finish(taken(lanes)) is status
    assert lanes.waiting_records == 0


def test_a_create_that_waits_for_its_retry_is_not_passed_for_ever_by_the_status_that_waits_for_it() -> None:
    lanes = Lanes(publish_skew_s=1.0)
    status, create = event(0, creates_order=False, occurred_at=5), event(0, creates_order=True, occurred_at=9)
    lanes.add(status)
    lane = taken(lanes)
    lanes.add(create)
    status.unknown_order_since = 0.0
    lanes.wait(lane, 60.0)
    lanes.wait(taken(lanes), 60.0)
    assert lanes.take() is None
    assert lanes.next_due() == 60.0


def test_a_revoked_hold_leaves_nothing_behind() -> None:
    lanes, old = Lanes(publish_skew_s=1.0), Ledger(0)
    lanes.add(entry("a", ledger=old), 0.0, hold=True)
    lanes.add(entry("b", ledger=old), 0.0, hold=True)
    lanes.add(entry("b"), 0.0)
    lanes.drop(frozenset({old}))
    assert (lanes.next_due(), [lane.order_id for lane in lanes], lanes.ready) == (None, ["b"], 1)
    lanes.wake(FOREVER)
    assert lanes.ready == 1
