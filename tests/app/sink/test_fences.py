"""Fences change in one place, each change queues its row, and a record is finished with what its end has to write."""

from collections.abc import Callable

import pytest

from tests.support.sink_rig import CREATED, Rig
from workers.core.parked.fence import Fence, ParkReason
from workers.core.parked.headers import Parking
from workers.edges.kafka.transactions import Outgoing

REJECTED = Parking(ParkReason.REJECTED, "no", 422, 3)
BEHIND = Parking(ParkReason.BEHIND, "behind")
PARKED = Fence(ParkReason.UNKNOWN_ORDER, "404", 0, 2, 100, 101)
ALONE = Fence(ParkReason.REJECTED, "unable to modify", 0, 1, 100, 100, creates_order=True, non_blocking=True)


@pytest.fixture
def rig() -> Rig:
    return Rig()


CHANGES: dict[str, Callable[[Rig], object]] = {
    "block": lambda rig: rig.shard.fences.block(rig.entry("A"), BEHIND, 0),
    "create delivered": lambda rig: rig.shard.fences.note_create_delivered(rig.entry("A", CREATED)),
    "supersede": lambda rig: rig.shard.fences.supersede(rig.entry("A")),
    "advance": lambda rig: rig.shard.fences.advance("A", 101),
    "refuse": lambda rig: rig.shard.fences.refuse("A", REJECTED, 100, "c1"),
    "lift": lambda rig: rig.shard.fences.lift("A"),
    "give up first": lambda rig: rig.shard.fences.give_up_first("A", parked_record(rig), "c1", trace(rig)),
}


def parked_record(rig: Rig):  # type: ignore[no-untyped-def] # noqa: ANN201
    return rig.record("A", headers=(("relay-reason", b"behind"), ("relay-detail", b"behind")))


def trace(rig: Rig) -> Outgoing:
    return Outgoing(rig.record("A").at, b"A", None)


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_queues_the_orders_row(rig: Rig, change: str) -> None:
    """A change without its row would be lost with this process: the next owner would not know."""
    rig.fence("A", PARKED)
    CHANGES[change](rig)
    assert rig.shard.fences.get("A") != PARKED
    assert [write.order_id for write in rig.shard.writes.next_writes()] == ["A"]


def test_a_parked_record_fences_its_order_at_once(rig: Rig) -> None:
    rig.finisher.park(rig.entry("A"), REJECTED)
    fence = rig.shard.fences["A"]
    assert (fence.reason, fence.records, fence.first) == (ParkReason.REJECTED, 1, None)
    assert rig.committable() == 0, "it is not safe yet"


def test_records_behind_keep_the_first_reason_and_are_counted(rig: Rig) -> None:
    rig.finisher.park(rig.entry("A"), REJECTED)
    rig.finisher.park(rig.entry("A", CREATED), BEHIND)
    fence = rig.shard.fences["A"]
    assert (fence.reason, fence.records, fence.creates_order) == (ParkReason.REJECTED, 2, True)


def test_a_record_that_was_refused_for_itself_alone_is_listed_and_blocks_nothing(rig: Rig) -> None:
    alone = Parking(ParkReason.REJECTED, "Order Unable to Modify", 409, 1, blocks_following=False)
    rig.finisher.park(rig.entry("A", CREATED), alone)
    fence = rig.shard.fences["A"]
    assert (fence.reason, fence.records, fence.blocks(creates_order=False)) == (ParkReason.REJECTED, 1, False)
    rig.finisher.park(rig.entry("A"), REJECTED)
    assert rig.shard.fences["A"].blocks(creates_order=False)


def test_a_record_without_an_order_fences_nothing(rig: Rig) -> None:
    rig.finisher.park(rig.entry("", key=None), Parking(ParkReason.UNDECODABLE, "begins wrong"))
    assert all(order.startswith("\0") for order in rig.shard.fences), "no order's id has a control character"
    assert len(rig.parked) == 1


def test_a_record_of_a_partition_that_was_given_away_is_not_parked(rig: Rig) -> None:
    entry = rig.entry("A")
    rig.assign(0, epoch=2)
    rig.finisher.park(entry, REJECTED)
    assert not rig.shard.writes
    assert dict(rig.shard.fences) == {}


def test_the_missing_create_is_finished_with_the_row_that_says_so_and_not_before(rig: Rig) -> None:
    """If it were committed first, a crash in between would leave the statuses parked for good."""
    rig.fence("A", PARKED)
    create = rig.entry("A", CREATED)
    rig.finisher.delivered(create)
    assert rig.shard.fences["A"].create_delivered
    assert rig.replays.started == ["A"]
    assert rig.committable(CREATED) == 0
    (finished,) = rig.shard.fences.acknowledge(rig.shard.writes.next_writes(), {})
    rig.finisher.finish(finished)
    assert rig.committable(CREATED) == 1


def test_a_create_of_an_order_that_is_being_replayed_is_finished_at_once(rig: Rig) -> None:
    rig.fence("A", PARKED)
    rig.replays.running.add("A")
    rig.finisher.delivered(rig.entry("A", CREATED))
    assert (rig.replays.started, rig.committable(CREATED)) == ([], 1)


def test_a_delivery_supersedes_what_was_refused_for_itself_alone(rig: Rig) -> None:
    """A replay of it would undo the delivery. The next owner must know before the delivered record is finished."""
    rig.fence("A", ALONE)
    rig.finisher.delivered(rig.entry("A", CREATED))
    assert (rig.shard.fences["A"].create_delivered, rig.shard.fences["A"].superseded) == (False, 1)
    assert (rig.replays.started, rig.committable(CREATED)) == ([], 0)
    rig.finisher.delivered(rig.entry("A", CREATED))
    assert len(rig.shard.writes) == 1, "it is known"


def test_a_delivery_without_a_fence_is_finished_at_once(rig: Rig) -> None:
    rig.finisher.delivered(rig.entry("A", CREATED))
    assert (len(rig.shard.writes), rig.committable(CREATED)) == (0, 1)


def test_a_fence_is_being_lifted_until_its_removal_is_acknowledged(rig: Rig) -> None:
    rig.fence("A", PARKED)
    rig.shard.fences.lift("A")
    assert rig.shard.fences.is_being_lifted("A")
    rig.shard.fences.acknowledge(rig.shard.writes.next_writes(), {"A": None})
    assert not rig.shard.fences.is_being_lifted("A")


def test_acknowledged_offsets_never_move_a_fence_back() -> None:
    grown = Fence(ParkReason.REJECTED, "no", 0, records=5, first=120, last=130)
    written = Fence(ParkReason.REJECTED, "no", 0, records=4, first=100, last=140)
    present = grown.with_acknowledged(written)
    assert (present.first, present.last, present.records) == (120, 140, 5)
