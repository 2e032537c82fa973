"""A release commits only what has its receipts, and never less than a transaction has committed."""

import asyncio
from typing import Any

import pytest

from tests.support.commits_rig import Stand, running
from tests.support.sink_rig import STATUS
from tests.support.waiting import until
from workers.app.sink.commit.handover import Handover
from workers.app.sink.commit.receipts import Receipts
from workers.core.record import Partition

AT = Partition(STATUS, 0)


@pytest.fixture
async def stand() -> Stand:
    return Stand()


def handover(stand: Stand) -> Handover:
    assignment, kafka = stand.rig.ownership.assignment, stand.kafka
    assert assignment is not None
    one: Any = kafka
    return Handover("ecdp-sink", assignment, Receipts(stand.rig.context, one))


async def test_what_has_finished_is_given_with_its_receipts_written(stand: Stand) -> None:
    stand.finish("A")
    assert (await handover(stand).offsets())[AT].offset == 1
    assert [one.order_id for one in stand.kafka.receipts] == ["A"]


async def test_without_receipts_the_former_offsets_stay(stand: Stand) -> None:
    leaving = handover(stand)
    await leaving.offsets()
    stand.finish("A")
    stand.kafka.without_receipts = frozenset([0])
    assert (await leaving.offsets())[AT].offset == 0


async def test_receipts_that_are_not_acknowledged_in_time_hold_up_no_release(stand: Stand) -> None:
    stand.kafka.appending.clear()
    stand.finish("A")
    assert await asyncio.wait_for(handover(stand).offsets(), 10) == {}


async def test_a_shard_with_queued_writes_is_left_to_its_transaction(stand: Stand) -> None:
    stand.park("A")
    assert await handover(stand).offsets() == {}


async def test_a_transaction_meanwhile_is_never_taken_back(stand: Stand) -> None:
    """It commits further than what had finished when the receipts were on their way."""
    stand.kafka.appending.clear()
    leaving = handover(stand)
    stand.finish("A")
    asked = asyncio.create_task(leaving.offsets())
    await until(lambda: stand.kafka.appends)
    stand.park("B")
    async with running(stand):
        await until(lambda: not stand.rig.shard.writes)
    stand.kafka.appending.set()
    assert await asked == {}
    assert (await leaving.offsets())[AT].offset == 2
