"""Parked statuses follow the create that they waited for: in order, once, also after a restart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.support.replay_rig import Stand
from tests.support.sink_rig import CREATED
from tests.support.traces import TRACE, Recorded, attributes_of, is_below, publisher, trace_of
from tests.support.waiting import until
from workers.core.parked.fence import Fence, ParkReason
from workers.core.parked.headers import Parking
from workers.core.record import Record
from workers.edges.kafka.client import KafkaFailed

REFUSED = Parking(ParkReason.REJECTED, "no", 422, 1)


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    made = Stand()
    async with running(made):
        yield made


@asynccontextmanager
async def running(stand: Stand) -> AsyncIterator[None]:
    task = asyncio.create_task(stand.replays.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_statuses_follow_their_create_in_order_and_the_fence_ends(stand: Stand) -> None:
    stand.park("A:1", "A:2")
    stand.create()
    sent = []
    for _ in range(2):
        entry = await stand.next()
        assert entry.replay
        sent.append(entry.record.value)
        stand.deliver(entry)
    await until(lambda: not stand.fences)
    await until(lambda: stand.written and stand.written[-1] == ("A", None))
    assert sent == [b"A:1", b"A:2"]


async def test_a_replayed_record_has_a_span_and_so_has_its_copy_if_it_is_refused_again() -> None:
    recorded = Recorded()
    stand = Stand(tracing=recorded.worker)
    async with running(stand):
        place = stand.topic.append(stand.rig.record("A:1", headers=publisher()))
        stand.rig.fence("A", Fence(ParkReason.REJECTED, "no", 0, 1, place, place))
        stand.ask("A", "c1")
        stand.refuse(await stand.next(), REFUSED)
        await until(lambda: bool(stand.written))
    process, send = recorded.one("process order-status"), recorded.one("send ecdp-parked")
    assert trace_of(process) == TRACE
    assert is_below(send, process)
    assert attributes_of(process)["relay.replay"]
    assert attributes_of(process)["relay.outcome"] == "parked"


async def test_the_line_about_a_released_order_leads_to_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "order_relay")
    stand = Stand(tracing=Recorded().worker)
    async with running(stand):
        place = stand.topic.append(stand.rig.record("A:1", headers=publisher()))
        stand.rig.fence("A", Fence(ParkReason.REJECTED, "no", 0, 1, place, place))
        stand.ask("A", "c1")
        stand.deliver(await stand.next())
        await until(lambda: not stand.fences)
    (line,) = [record.values for record in caplog.records if record.getMessage() == "order_released"]  # type: ignore[attr-defined]
    assert (line["order_id"], line["trace_id"], len(line["span_id"])) == ("A", TRACE, 16)


async def test_the_create_is_finished_with_its_fences_mark_and_not_before(stand: Stand) -> None:
    """Were it committed first, a crash between would leave the statuses parked for good."""
    stand.park("A:1")
    stand.create()
    assert stand.rig.committable(CREATED) == 0
    assert stand.fences["A"].create_delivered
    await until(lambda: stand.rig.committable(CREATED) == 1)
    assert [write[0] for write in stand.written[:1]] == ["A"]


async def test_what_was_parked_behind_meanwhile_follows_too(stand: Stand) -> None:
    stand.park("A:1")
    stand.create()
    first = await stand.next()
    stand.park("A:2", parking=Parking(ParkReason.BEHIND, "behind"))
    stand.deliver(first)
    second = await stand.next()
    assert second.record.value == b"A:2"
    stand.deliver(second)
    await until(lambda: not stand.fences)


async def test_progress_is_kept_so_that_a_restart_delivers_nothing_twice(stand: Stand) -> None:
    stand.park("A:1", "A:2", "A:3")
    stand.create()
    stand.deliver(await stand.next())
    await until(lambda: any(fence and fence.first == 101 for _, fence in stand.written))
    assert stand.fences["A"].create_delivered


async def test_after_a_restart_the_replay_of_a_fence_whose_create_was_delivered_goes_on(stand: Stand) -> None:
    stand.park("A:1", "A:2")
    stand.fences.load("A", replace(stand.fences["A"], create_delivered=True, first=101))
    stand.park("B:1", order="B")
    stand.replays.loaded(stand.rig.shard)
    entry = await stand.next()
    assert entry.record.value == b"A:2"
    stand.deliver(entry)
    await until(lambda: set(stand.fences) == {"B"})


async def test_a_record_that_fails_again_stays_parked_with_all_that_follow_and_the_new_reason(stand: Stand) -> None:
    stand.park("A:1", "A:2", "A:3")
    stand.create()
    stand.deliver(await stand.next())
    failed = await stand.next()
    stand.refuse(failed, Parking(ParkReason.REJECTED, "too late", 422))
    await asyncio.sleep(0.01)
    fence = stand.fences["A"]
    assert (fence.reason, fence.detail, fence.first, fence.last, fence.create_delivered) == (
        ParkReason.REJECTED, "too late", 101, 102, False,
    )  # fmt: skip
    assert stand.rig.lanes.take() is None
    assert stand.written[-1] == ("A", fence)


async def test_a_record_that_was_parked_twice_is_delivered_once(stand: Stand) -> None:
    """A transaction whose end was lost ran twice."""
    record = stand.rig.record("A:1")
    places = [stand.topic.append(record), stand.topic.append(record)]
    stand.fences.load("A", Fence(ParkReason.UNKNOWN_ORDER, "404", 0, 1, places[0], places[1]))
    stand.create()
    stand.deliver(await stand.next())
    await until(lambda: not stand.fences)


async def test_only_the_orders_own_records_are_read(stand: Stand) -> None:
    stand.park("A:1")
    stand.park("B:1", order="B")
    stand.park("A:2")
    stand.create()
    for value in (b"A:1", b"A:2"):
        entry = await stand.next()
        assert entry.record.value == value
        stand.deliver(entry)
    await until(lambda: set(stand.fences) == {"B"})


async def test_a_foreign_record_in_the_parked_topic_holds_up_no_order(stand: Stand) -> None:
    """It was written by hand: what to deliver for it is unknown."""
    stand.topic.records.append(Record("ecdp-parked", 0, 100, 0, b"A", b"A:by hand"))
    place = stand.topic.append(stand.rig.record("A:1"))
    stand.fences.load("A", Fence(ParkReason.UNKNOWN_ORDER, "404", 0, 2, 100, place))
    stand.create()
    entry = await stand.next()
    assert entry.record.value == b"A:1"
    stand.deliver(entry)
    await until(lambda: not stand.fences)


async def test_a_cluster_out_of_reach_is_asked_again(stand: Stand) -> None:
    stand.topic.failures.append(KafkaFailed("cannot reach Kafka"))
    stand.park("A:1")
    stand.create()
    assert (await stand.next()).record.value == b"A:1"
    assert len(stand.topic.reads) == 2


async def test_records_on_their_way_into_the_parked_topic_are_waited_for(stand: Stand) -> None:
    """The fence holds from the moment a record is queued, its place is known later."""
    stand.fences.load("A", Fence(ParkReason.UNKNOWN_ORDER, "404", 0, 1))
    stand.create()
    await asyncio.sleep(0.01)
    assert stand.topic.reads == []
    place = stand.topic.append(stand.rig.record("A:1"))
    stand.fences.load("A", stand.fences["A"].with_record_at(place))
    assert (await stand.next()).record.value == b"A:1"


async def test_a_late_result_of_a_given_away_partition_ends_no_replay(stand: Stand) -> None:
    stand.park("A:1", "A:2")
    stand.create()
    entry = await stand.next()
    stand.written.clear()
    stand.rig.assign(0, epoch=2)
    stand.deliver(entry)
    await asyncio.sleep(0.01)
    assert (stand.written, list(stand.rig.shard.writes.next_writes())) == ([], [])
    assert stand.rig.lanes.take() is None


async def test_a_replay_delivers_what_is_parked_and_ends_its_command(stand: Stand) -> None:
    stand.park("A:1", "A:2", parking=Parking(ParkReason.REJECTED, "no"))
    stand.ask("A", "c1")
    assert stand.replays.is_running(stand.rig.shard, "A")
    for value in (b"A:1", b"A:2"):
        entry = await stand.next()
        assert (entry.record.value, entry.unknown) == (value, False)
        assert stand.ended == []
        stand.deliver(entry)
    await until(lambda: not stand.fences)
    assert stand.ended == ["A"]
    assert not stand.replays.is_running(stand.rig.shard, "A")


async def test_a_replay_that_is_refused_counts_and_leaves_a_copy_with_the_new_reason(stand: Stand) -> None:
    stand.park("A:1", "A:2", parking=Parking(ParkReason.REJECTED, "no"))
    for replays in (1, 2):
        stand.ask("A", f"c{replays}")
        failed = await stand.next()
        assert failed.record.value == b"A:1"
        stand.refuse(failed, Parking(ParkReason.INVALID, "still"))
        (write,) = stand.rig.shard.writes.next_writes()
        assert write.parking == Parking(ParkReason.INVALID, "still", replays=replays)
        place = stand.topic.append(failed.record, write.parking)
        stand.fences.load("A", stand.fences["A"].with_record_at(place))
        assert (stand.fences["A"].replays, stand.fences["A"].command) == (replays, f"c{replays}")
        assert len(stand.ended) == replays
        await until(lambda: not stand.rig.shard.writes)
    assert stand.fences["A"].first == 100


async def test_a_copy_with_a_newer_reason_is_never_delivered_itself(stand: Stand) -> None:
    """It lies behind what followed the record: delivered there, it would go back."""
    stand.park("A:1", "A:2", parking=Parking(ParkReason.REJECTED, "no"))
    copy = Parking(ParkReason.REJECTED, "still", replays=1)
    stand.fences.load("A", stand.fences["A"].with_record_at(stand.topic.append(stand.topic.records[0], copy)))
    stand.ask("A", "c1")
    for value in (b"A:1", b"A:2"):
        entry = await stand.next()
        assert entry.record.value == value
        stand.deliver(entry)
    await until(lambda: not stand.fences)


async def test_what_a_former_owner_sent_last_and_what_gave_up_may_have_been_applied(stand: Stand) -> None:
    stand.park("A:1", "A:2", parking=Parking(ParkReason.REJECTED, "no"))
    stand.park("B:1", order="B", parking=Parking(ParkReason.GAVE_UP, "504"))
    stand.ask("A", "c1", resumed=True)
    stand.ask("B", "c1")
    unknown = {}
    for _ in range(3):
        entry = await stand.next()
        unknown[entry.record.value] = entry.unknown
        stand.deliver(entry)
    assert unknown == {b"A:1": True, b"B:1": True, b"A:2": False}


@pytest.mark.parametrize("bound", [{"max_unfinished": 4}, {"max_unfinished_bytes": "12000B"}])
async def test_more_orders_than_memory_may_hold_go_in_turn(bound: dict[str, object]) -> None:
    stand = Stand(**bound)
    names = [f"O{number}" for number in range(20)]
    async with running(stand):
        for name in names:
            stand.park(f"{name}:1", order=name, parking=Parking(ParkReason.REJECTED, "no"))
            stand.ask(name, "c1")
        for name in names:
            entry = await stand.next()
            assert len(stand.rig.lanes) <= 4
            assert entry.order_id == name
            stand.deliver(entry)
        await until(lambda: not stand.fences)


async def test_a_replay_that_an_operator_asks_for_does_not_wait_for_a_create(stand: Stand) -> None:
    """The operator wants today's answer; a replay after the create waits like any status."""
    stand.park("A:1")
    stand.park("B:1", order="B")
    stand.ask("B", "c1")
    stand.create()
    waits = {}
    for _ in range(2):
        entry = await stand.next()
        waits[entry.order_id] = entry.wait_for_create
    assert waits == {"A": True, "B": False}


async def test_until_the_removal_of_the_fence_is_acknowledged_nothing_of_the_order_is_sent(stand: Stand) -> None:
    """Sent before, it would be followed by the parked records once more if the worker died between."""
    stand.park("A:1")
    stand.ask("A", "c1")
    entry = await stand.next()
    stand.deliver(entry)
    assert not stand.fences
    assert stand.fences.is_being_lifted("A")
    await until(lambda: not stand.fences.is_being_lifted("A"))
    assert stand.written[-1] == ("A", None)


async def test_an_order_whose_parked_records_were_deleted_is_never_called_delivered(stand: Stand) -> None:
    """The topic was recreated: to lift the fence would hide the loss; no other order waits for it."""
    stand.park("A:1", "A:2", parking=Parking(ParkReason.REJECTED, "no"))
    stand.topic.records.clear()
    stand.park("B:1", order="B", parking=Parking(ParkReason.REJECTED, "no"))
    for name in ("A", "B"):
        stand.ask(name, "c1")
    stand.deliver(await stand.next())
    await until(lambda: len(stand.ended) == 2)
    assert set(stand.fences) == {"A"}
    kept = stand.fences["A"]
    assert (kept.records, kept.reason, kept.command, kept.create_delivered) == (2, ParkReason.REJECTED, "c1", False)
    assert "no longer in ecdp-parked" in kept.detail


async def test_an_order_of_which_only_a_copy_with_the_newest_reason_is_left_is_done(stand: Stand) -> None:
    """A former owner delivered the record itself, moved on behind it, and died before it ended the fence."""
    stand.park("A:1", parking=Parking(ParkReason.REJECTED, "no"))
    stand.park("A:1", parking=Parking(ParkReason.REJECTED, "no", replays=1))
    stand.fences.load("A", stand.fences["A"].without_first(101))
    stand.fences.load("B", Fence(ParkReason.REJECTED, "no", 0, 1, first=51, last=50))  # it had no time to end this one
    for name in ("A", "B"):
        stand.ask(name, "c1", resumed=True)
    await until(lambda: set(stand.ended) == {"A", "B"})
    assert not stand.fences
