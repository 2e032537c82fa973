"""Commits: one at a time, nothing unsafe, one bad partition stopping no other."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from tests.support.commits_rig import REJECTED, Stand, running
from tests.support.sink_rig import STATUS, settled
from tests.support.waiting import until
from workers.app.sink.write_queue import Write, WriteLimits
from workers.core.consume.commit_metadata import FinishedOffsets
from workers.core.consume.commit_pacing import Pacing
from workers.core.consume.lanes import Entry
from workers.core.consume.start_position import NeedsOperator, StartAt, stop_reason
from workers.core.parked.fence import Fence, ParkReason
from workers.core.record import Partition
from workers.edges.kafka.client import KafkaFailed, MetadataTooLarge
from workers.edges.kafka.transactions import Outgoing

AT = Partition(STATUS, 0)
NEVER_AGAIN = Pacing(
    commit_every_s=3_600.0, longest_between_commits_s=3_600.0, pause_factor=1e12, longest_pause_s=3_600.0
)


@pytest.fixture
async def stand() -> Stand:
    return Stand()


async def test_what_has_finished_is_committed_with_what_lies_beyond_in_the_metadata(stand: Stand) -> None:
    entries = [stand.rig.entry(order) for order in "ABC"]
    stand.rig.finisher.delivered(entries[0])
    stand.rig.finisher.delivered(entries[2])
    async with running(stand):
        await until(lambda: stand.kafka.plain)
    offset, text = stand.kafka.plain[0][AT]
    assert offset == 1
    assert 2 in (FinishedOffsets.parse(AT, offset, text) or ())


async def test_a_commit_is_not_repeated_but_for_the_proof_of_membership(stand: Stand) -> None:
    """Only a commit tells an idle member that another process has taken its name: both would deliver."""
    stand.finish("A")
    async with running(stand):
        await asyncio.sleep(2.9)
        assert len(stand.kafka.plain) == 1
        await asyncio.sleep(3.0)
    whole, proof = stand.kafka.plain
    assert len(proof) == 1
    assert proof.items() <= whole.items()


async def test_a_parked_record_is_committed_in_the_transaction_that_parks_it(stand: Stand) -> None:
    async with running(stand):
        stand.park("A")
        await until(lambda: stand.rig.committable() == 1)
    ((values, keys, offsets),) = stand.kafka.written
    assert (values, keys) == ([b"A"], [b"A"])
    assert offsets.offsets[AT][0] == 1
    assert offsets.group == "generation 1"
    fence = stand.rig.shard.fences["A"]
    assert (fence.first, fence.last) == (100, 100)
    assert stand.rig.stats.parked == {"rejected": 1}


async def test_a_parked_record_of_before_a_new_beginning_says_nothing_about_the_records_after_it(stand: Stand) -> None:
    """`relay offsets --to` went back behind it: it must not count as finished among what is read again."""
    stand.rig.next_offset[AT] = 5
    stand.park("A")
    stand.rig.shard.begin(AT, StartAt(2))
    async with running(stand):
        await until(lambda: stand.kafka.written)
    assert stand.kafka.written[0][2].offsets[AT] == stand.rig.shard.ledgers[AT].commit_point(AT)


async def test_a_fence_alone_is_written_with_offsets_too(stand: Stand) -> None:
    """Without them no generation is checked: a former owner could take a fence away that the present one needs."""
    stand.rig.entry("A")
    async with running(stand):
        stand.rig.fence("B", Fence(ParkReason.REJECTED, "no", 0, 1, 5, 5))
        stand.rig.shard.fences.lift("B")
        await until(lambda: stand.kafka.written)
    _, keys, offsets = stand.kafka.written[0]
    assert keys == [b"B"]
    assert offsets.offsets[AT][0] == 0
    assert offsets.group == "generation 1"


async def test_a_stopped_partitions_commit_is_left_as_an_operator_sets_it(stand: Stand) -> None:
    stand.rig.shard.stopped[AT] = NeedsOperator("expired")
    async with running(stand):
        stand.park("A")
        await until(lambda: stand.kafka.written and stand.kafka.plain)
    assert AT not in stand.kafka.written[0][2].offsets
    assert all(AT not in offsets for offsets in stand.kafka.plain)


async def test_what_was_read_before_a_damaged_record_is_committed_and_then_why_it_stopped(stand: Stand) -> None:
    """`relay offsets` reads it there; while a record before it is unfinished, an operator must not pass over it yet."""
    shard, entry = stand.rig.shard, stand.rig.entry("A")
    shard.stopped[AT] = NeedsOperator("damaged", damaged=True)
    assert shard.committable()[AT] == shard.ledgers[AT].commit_point(AT)
    assert stop_reason(shard.committable()[AT][1]) is None
    async with running(stand):
        stand.rig.finisher.delivered(entry)
        await until(lambda: any(stop_reason(offsets[AT][1]) for offsets in stand.kafka.plain if AT in offsets))
    assert stand.kafka.plain[-1][AT][0] == 1


async def test_plain_commits_and_transactions_never_run_at_the_same_time(stand: Stand) -> None:
    async with running(stand):
        for number in range(50):
            stand.finish(f"A-{number}")
            stand.park(f"B-{number}")
            await asyncio.sleep(0.05)
        await until(lambda: stand.rig.committable() == 100)
        await until(lambda: stand.kafka.plain)


async def test_commits_that_are_due_come_between_transactions_that_never_end(stand: Stand) -> None:
    """A stream that is parked without pause must not keep the other partitions' progress from the broker."""
    stand.rig.assign(0, 1)
    delivered = stand.rig.entry("D", number=1)

    def feed(_: Sequence[Any]) -> bool:
        stand.park("A")
        return False

    stand.kafka.refuse = feed
    async with running(stand):
        stand.park("A")
        stand.rig.finisher.delivered(delivered)
        await until(lambda: any(offsets.get(Partition(STATUS, 1), (0,))[0] == 1 for offsets in stand.kafka.plain))
        stand.kafka.refuse = lambda _: False


async def test_a_partition_that_cannot_be_parked_stops_no_other(stand: Stand) -> None:
    stand.rig.assign(0, 1)
    stand.kafka.refuse = lambda records: any(one.value == b"huge" for one in records)
    async with running(stand):
        stand.park("huge", 0)
        stand.park("B", 1)
        await until(lambda: stand.rig.committable(number=1) == 1)
    assert stand.rig.committable(number=0) == 0
    assert "cannot park in ecdp-parked: too large" in (stand.rig.stats.last_error or "")
    assert [values for values, _, _ in stand.kafka.written] == [[b"B"]]


async def test_parking_that_failed_is_tried_again(stand: Stand) -> None:
    stand.kafka.refuse = lambda _: True
    async with running(stand):
        stand.park("A")
        await until(lambda: stand.rig.stats.last_error)
        stand.kafka.refuse = lambda _: False
        await until(lambda: stand.rig.committable() == 1)


async def test_a_commit_that_fails_is_made_again(stand: Stand) -> None:
    stand.kafka.failure = KafkaFailed("coordinator moves")
    stand.finish("A")
    async with running(stand):
        await asyncio.sleep(1.5)
        stand.kafka.failure = None
        await until(lambda: stand.kafka.plain)
    assert stand.kafka.plain[0][AT][0] == 1


def finish_every_second(stand: Stand, count: int) -> list[Entry]:
    """Returns what stays unfinished, the first of it at offset 0."""
    entries = [stand.rig.entry(f"o{number}") for number in range(count)]
    choose = Random(1).random
    done = [entry for entry in entries[1:] if choose() < 0.5]
    for entry in done:
        stand.rig.finisher.delivered(entry)
    return [entry for entry in entries if entry not in done]


@pytest.mark.parametrize("longest", [256, 1, 0])
async def test_commits_and_parking_go_on_where_the_broker_keeps_less_metadata(stand: Stand, longest: int) -> None:
    stand.kafka.longest_metadata = longest
    left = finish_every_second(stand, 4_000)
    stand.rig.finisher.park(left[0], REJECTED)
    async with running(stand):
        await until(lambda: stand.kafka.written)
        offset, text = stand.kafka.written[0][2].offsets[AT]
        assert offset == left[1].record.offset
        assert len(text) <= longest
        refused = stand.kafka.refused
        assert 0 < refused < 12
        stand.rig.finisher.delivered(left[1])
        await until(lambda: stand.kafka.plain)
    assert stand.kafka.plain[0][AT].offset == left[2].record.offset
    assert stand.kafka.refused == refused, "the limit is remembered"


async def test_a_plain_commit_with_too_much_metadata_is_made_again_at_once(stand: Stand) -> None:
    stand.kafka.longest_metadata = 100
    finish_every_second(stand, 4_000)
    async with running(stand):
        await asyncio.sleep(1.1)
    assert stand.kafka.plain[0][AT].offset == 0
    assert stand.kafka.refused


async def test_a_refusal_that_less_metadata_cannot_mend_is_tried_again_at_the_usual_pace(stand: Stand) -> None:
    stand.kafka.failure = MetadataTooLarge("whatever is sent")
    stand.finish("A")
    async with running(stand):
        await asyncio.sleep(5)
    assert stand.kafka.under_way == 0


async def test_settling_waits_for_what_is_queued_and_under_way(stand: Stand) -> None:
    stand.kafka.gate.clear()
    async with running(stand):
        stand.park("A")
        await settled()
        settling = asyncio.create_task(stand.commits.settled())
        await asyncio.sleep(5)
        assert not settling.done()
        stand.kafka.gate.set()
        await asyncio.wait_for(settling, 60)
    assert stand.rig.committable() == 1


async def test_a_release_does_not_wait_for_a_plain_commit_that_the_blocked_kafka_thread_ignores(stand: Stand) -> None:
    stand.finish("A")
    stand.kafka.gate.clear()
    async with running(stand):
        await until(lambda: stand.kafka.under_way)
        stand.commits.abandon_plain_commit()
        await asyncio.wait_for(stand.commits.settled(), 60)
        stand.kafka.gate.set()
    assert stand.kafka.plain == []


async def test_a_transaction_that_ends_after_the_partitions_went_finishes_nothing(stand: Stand) -> None:
    stand.kafka.gate.clear()
    async with running(stand):
        stand.park("A")
        await until(lambda: stand.kafka.under_way)
        stand.rig.assign(0, epoch=2)
        stand.kafka.gate.set()
        await until(lambda: stand.kafka.written)
        await settled()
    assert stand.rig.committable() == 0
    assert dict(stand.rig.shard.fences) == {}


async def test_settling_waits_for_no_pause() -> None:
    stand = Stand(NEVER_AGAIN)
    async with running(stand):
        stand.park("A:1")
        await until(lambda: stand.kafka.written)
        stand.park("A:2")
        await settled()
        await asyncio.wait_for(stand.commits.settled(), 60)
    assert [values for values, _, _ in stand.kafka.written] == [[b"A:1"], [b"A:2"]]


async def test_what_one_transaction_cannot_take_goes_at_once_with_the_next() -> None:
    stand = Stand(NEVER_AGAIN, WriteLimits(writes=2))
    for number in range(6):
        stand.park(f"A:{number}")
    async with running(stand):
        await until(lambda: not stand.rig.shard.writes)
    assert [len(values) for values, _, _ in stand.kafka.written] == [2, 2, 2]


async def test_a_partition_that_cannot_be_parked_shortens_no_pause_of_the_others() -> None:
    """Its queue grows beyond a transaction's size; theirs are as short as ever."""
    stand = Stand(NEVER_AGAIN, WriteLimits(writes=2))
    stand.rig.assign(0, 1)
    stand.kafka.refuse = lambda records: any(one.partition.number == 0 for one in records)
    for order in "ABC":
        stand.park(order)
    stand.park("D", number=1)
    async with running(stand):
        await until(lambda: stand.kafka.written)
        stand.park("E", number=1)
        await asyncio.sleep(100)
    assert [values for values, _, _ in stand.kafka.written] == [[b"D"]]


async def test_a_delivered_record_with_two_writes_is_committed_with_the_second() -> None:
    """Its mark would be lost if the record were finished with its fence's row alone and the worker died."""
    stand = Stand(limits=WriteLimits(writes=1))
    entry = stand.rig.entry("A")
    mark = Outgoing(Partition("tracked", 0), b"OR-A", b"")
    stand.rig.shard.writes.append(Write(entry=entry, extra_record=mark))
    stand.rig.fence("A", Fence(ParkReason.REJECTED, "no", 0, 1, 5, 5, non_blocking=True))
    stand.rig.finisher.delivered(entry)
    assert entry.pending_writes == 2
    async with running(stand):
        await until(lambda: len(stand.kafka.written) == 2)
    assert [offsets.offsets[AT][0] for _, _, offsets in stand.kafka.written] == [0, 1]
    assert stand.rig.committable() == 1
