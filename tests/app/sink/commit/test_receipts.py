"""Each finished record has a receipt, which is acknowledged before the commit."""

import asyncio
from typing import Any

import pytest

from tests.support.commits_rig import REJECTED, Stand, running
from tests.support.sink_rig import CREATED, RECEIPTS, STATUS, settled
from tests.support.traces import Recorded, attributes_of, context_of
from tests.support.waiting import until
from workers.core.consume.lanes import Entry
from workers.core.delivery.outcome import Delivered, Skipped
from workers.core.delivery.tracked_order import Mark
from workers.core.last_errors import Part
from workers.core.parked.fence import NO_KEY, Fence, ParkReason
from workers.core.parked.headers import Parking
from workers.core.receipt import Receipt
from workers.core.record import Partition

AT = Partition(STATUS, 0)


@pytest.fixture
async def stand() -> Stand:
    return Stand()


async def receipt_of(stand: Stand, entry: Entry) -> Receipt:
    async with running(stand):
        await until(lambda: stand.kafka.receipts)
    (receipt,) = stand.kafka.receipts
    assert (receipt.order_id, receipt.topic, receipt.offset) == (entry.order_id, STATUS, entry.record.offset)
    return receipt


def facts(receipt: Receipt) -> tuple[Any, ...]:
    return receipt.outcome, receipt.reason, receipt.http_status, receipt.attempts, receipt.vendor_ref


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Delivered(status=201), ("delivered", None, 201, 3, None)),
        (Delivered(found=True), ("found", None, None, 3, None)),
        (Delivered(status=200, vendor_ref="V-7"), ("delivered", None, 200, 3, "V-7")),
        (Delivered(status=200, mark=Mark("OR-A", "hash")), ("delivered", None, 200, 3, "OR-A")),
    ],
)
async def test_a_delivery_has_its_status_attempts_and_the_vendors_own_id(
    stand: Stand, outcome: Delivered, expected: tuple[Any, ...]
) -> None:
    entry = stand.rig.entry("A")
    entry.attempts = 2
    stand.rig.finisher.delivered(entry, outcome)
    assert facts(await receipt_of(stand, entry)) == expected


async def test_the_receipts_of_a_commit_have_one_span_and_its_context() -> None:
    recorded = Recorded()
    stand = Stand(tracing=recorded.worker)
    stand.kafka.without_receipts = frozenset({0})
    stand.finish("A")
    async with running(stand):
        await until(lambda: recorded.named(f"send {RECEIPTS}"))
        stand.kafka.without_receipts = frozenset()
        await until(lambda: len(stand.kafka.receipts) == 1)
        stand.park("B")
        await until(lambda: len(stand.kafka.receipts) == 2)
        await until(lambda: len(recorded.named(f"send {RECEIPTS}")) == 3)
    failed, again, parked = recorded.named(f"send {RECEIPTS}")
    assert [attributes_of(one).get("error.type") for one in (failed, again, parked)] == ["not_acknowledged", None, None]
    assert [context_of(one).encode() for one in (again, parked)] == stand.kafka.contexts


async def test_a_sink_without_a_receipts_topic_commits_and_keeps_none() -> None:
    stand = Stand(receipts=None)
    delivered, parked = stand.rig.entry("A"), stand.rig.entry("B")
    stand.rig.finisher.delivered(delivered, Delivered(status=201))
    stand.rig.finisher.park(parked, REJECTED)
    async with running(stand):
        await until(lambda: stand.rig.committable() == 2 and stand.kafka.plain)
    assert stand.kafka.receipts == []
    assert len(stand.rig.shard.receipts) == 0


async def test_a_skip_has_its_reason(stand: Stand) -> None:
    entry = stand.rig.entry("A")
    stand.rig.finisher.skipped(entry, Skipped("no delivery"))
    assert facts(await receipt_of(stand, entry)) == ("skipped", "no delivery", None, 0, None)


async def test_a_parked_record_has_the_reason_of_its_parking(stand: Stand) -> None:
    entry = stand.rig.entry("A")
    stand.rig.finisher.park(entry, Parking(ParkReason.GAVE_UP, "HTTP 503, again and again", 503, 9))
    assert facts(await receipt_of(stand, entry)) == ("parked", "gave-up", 503, 9, None)
    assert stand.kafka.appends == 0, "it is in the transaction that parks the record"


async def test_a_record_without_an_order_has_a_receipt_without_one(stand: Stand) -> None:
    for order_id in ("", NO_KEY):
        entry = stand.rig.entry("A")
        entry.order_id = order_id
        stand.rig.finisher.delivered(entry)
    async with running(stand):
        await until(lambda: stand.kafka.receipts)
    assert [one.order_id for one in stand.kafka.receipts] == ["", ""]


async def test_a_commit_waits_for_its_receipts(stand: Stand) -> None:
    stand.kafka.appending.clear()
    stand.finish("A")
    async with running(stand):
        await until(lambda: stand.kafka.appends)
        stand.finish("B")
        await asyncio.sleep(5)
        assert stand.kafka.plain == []
        stand.kafka.appending.set()
        await until(lambda: stand.kafka.plain)
    assert stand.kafka.plain[0][AT].offset == 1, (
        "B finished while the receipts were on their way: its own is not written"
    )


async def test_receipts_that_are_not_acknowledged_are_written_again_and_hold_up_no_other_partition(
    stand: Stand,
) -> None:
    stand.rig.assign(0, 1)
    stand.kafka.without_receipts = frozenset([0])
    stand.finish("A")
    stand.finish("B", number=1)
    async with running(stand):
        await until(lambda: stand.kafka.plain)
        assert {at.number for points in stand.kafka.plain for at in points if points[at].offset} == {1}
        assert stand.rig.stats.errors.of(Part.RECEIPTS) == "cannot write receipts to ecdp-receipts: no leader"
        stand.kafka.without_receipts = frozenset()
        await until(lambda: any(points.get(AT, (0,))[0] == 1 for points in stand.kafka.plain))
    assert sorted(one.order_id for one in stand.kafka.receipts) == ["A", "B"]
    assert stand.rig.stats.errors.last is None


async def test_a_transaction_takes_along_the_receipts_of_all_that_its_commit_finishes(stand: Stand) -> None:
    stand.kafka.appending.clear()
    stand.finish("A")
    stand.park("B")
    async with running(stand):
        await until(lambda: stand.kafka.written)
        await settled()
        assert [(one.order_id, one.outcome) for one in stand.kafka.receipts] == [("A", "delivered"), ("B", "parked")]
        stand.kafka.appending.set()
        await asyncio.sleep(5)
    assert len(stand.kafka.receipts) == 2, "what a transaction has written is not written again"


async def test_a_replayed_record_has_a_receipt_for_its_source(stand: Stand) -> None:
    """It is delivered from the parked topic; its offset was committed when it was parked."""
    entry = stand.rig.entry("A")
    entry.replay, entry.ledger = True, stand.rig.shard.replay_ledger
    stand.rig.finisher.delivered(entry)
    assert facts(await receipt_of(stand, entry))[0] == "delivered"


async def test_a_replay_that_is_refused_again_has_a_receipt_with_the_new_reason(stand: Stand) -> None:
    stand.rig.fence("A", Fence(ParkReason.REJECTED, "no", 0, 1, 5, 5))
    entry = stand.rig.entry("A")
    entry.replay, entry.ledger = True, stand.rig.shard.replay_ledger
    stand.rig.finisher.park(entry, Parking(ParkReason.INVALID, "too long"))
    stand.rig.shard.fences.refuse("A", REJECTED, 5, "c1", entry)
    assert facts(await receipt_of(stand, entry))[:2] == ("parked", "invalid")


async def test_a_delivery_with_two_writes_has_one_receipt_in_the_transaction_that_finishes_it(stand: Stand) -> None:
    entry = stand.rig.entry("A", CREATED)
    stand.rig.fence("A", Fence(ParkReason.UNKNOWN_ORDER, "404", 0, 1, 5, 5))
    stand.rig.finisher.delivered(entry)
    async with running(stand):
        await until(lambda: stand.kafka.written)
        await asyncio.sleep(1)
    assert [(one.topic, one.outcome) for one in stand.kafka.receipts] == [(CREATED, "delivered")]
