"""Once a record of an order is parked, its later ones go behind it; a missing create alone may still come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.core.parked.fence import Fence, ParkReason

OTHERS = [reason for reason in ParkReason if reason is not ParkReason.UNKNOWN_ORDER]


def fence(reason: ParkReason) -> Fence:
    return Fence(reason, "why", since_ms=1, records=1)


@pytest.mark.parametrize("reason", OTHERS)
@pytest.mark.parametrize("creates_order", [True, False])
def test_a_parked_record_blocks_every_later_one(reason: ParkReason, creates_order: bool) -> None:
    assert fence(reason).blocks(creates_order=creates_order)


def test_a_status_of_an_unknown_order_blocks_statuses_and_lets_the_create_pass() -> None:
    unknown = fence(ParkReason.UNKNOWN_ORDER)
    assert unknown.blocks(creates_order=False)
    assert not unknown.blocks(creates_order=True)
    assert not unknown.with_one_more().blocks(creates_order=True), "more statuses behind it change nothing"


def test_a_create_parked_behind_an_unknown_order_blocks_the_next_create() -> None:
    """Else the second create would overtake the first, which a replay would then deliver over it."""
    held = fence(ParkReason.UNKNOWN_ORDER).with_one_more(creates_order=True)
    assert held.blocks(creates_order=True)
    assert held.with_one_more().blocks(creates_order=True)
    assert held.reason is ParkReason.UNKNOWN_ORDER


@given(offsets=st.lists(st.integers(0, 1_000), min_size=1))
def test_acknowledged_places_widen_its_range(offsets: list[int]) -> None:
    parked = fence(ParkReason.REJECTED)
    for offset in offsets:
        parked = parked.with_one_more().with_record_at(offset)
    assert (parked.first, parked.last) == (min(offsets), max(offsets))
    assert parked.records == 1 + len(offsets)
    assert (parked.reason, parked.detail, parked.since_ms) == (ParkReason.REJECTED, "why", 1)


def test_what_was_refused_for_itself_alone_lets_everything_pass_until_a_record_fences() -> None:
    alone = Fence(ParkReason.REJECTED, "no", since_ms=1, records=1, creates_order=True, non_blocking=True)
    twice = alone.with_one_more(creates_order=True, blocks_following=False)
    for creates_order in (True, False):
        assert not alone.blocks(creates_order=creates_order)
        assert not twice.blocks(creates_order=creates_order)
        assert twice.with_one_more().blocks(creates_order=creates_order), (
            "once something fences, later ones would pass it"
        )
        assert fence(ParkReason.REJECTED).with_one_more(blocks_following=False).blocks(creates_order=creates_order), (
            "a fence that holds stays"
        )


def test_superseded_records_are_counted_from_the_first_record_on() -> None:
    alone = Fence(ParkReason.REJECTED, "no", since_ms=1, records=1, first=5, last=5, non_blocking=True, superseded=1)
    grown = alone.with_one_more().with_record_at(9)
    assert (grown.superseded, grown.records) == (1, 2), "what is parked later is newer"
    assert grown.without_first(9).superseded == 0
    assert grown.without_first(9).without_first(10).superseded == 0
