"""A group's consumer thread on a real broker: where it starts, what it hands over, commits and releases."""

import asyncio
import threading
import time
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError

from tests.support.kafka_rig import KeepsConsumer, Side
from tests.support.waiting import until
from workers.core.consume.commit_metadata import encode
from workers.core.consume.start_position import StartAt
from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.owner import Member
from workers.edges.kafka.starting import Connector
from workers.edges.membership import Membership

pytestmark = pytest.mark.broker


async def test_a_new_group_starts_at_the_earliest_record_and_hands_over_in_fetch_order(
    side: Side, topics: Any, join: Any
) -> None:
    topic = topics(partitions=1)
    side.produce(topic, [b"%d" % n for n in range(500)])
    side.delete_before(Partition(topic, 0), 100)
    _, witness = join(topic, [topic])
    await witness.until(lambda: len(witness.records) == 400)
    assert witness.begun_at == {Partition(topic, 0): StartAt(100)}
    assert [record.offset for record in witness.records] == list(range(100, 500))


async def test_a_member_that_starts_alone_joins_once(topics: Any, join: Any) -> None:
    """A second join would revoke what has just begun."""
    topic = topics(partitions=1)
    _, witness = join(topic, [topic])
    await witness.until(lambda: sum(1 for fetched in witness.batches if fetched.ends) == 2)  # two surveys
    assert (witness.epoch, witness.released) == (1, [])


async def test_the_coordinators_answers_prove_the_membership_until_another_takes_the_members_name(
    topics: Any, join: Any
) -> None:
    topic, membership = topics(partitions=1), Membership(6.0)
    _, witness = join(topic, [topic], membership=membership, session_timeout_s=6.0)
    await witness.until(lambda: witness.assignment)
    assert membership.is_proved
    _, other = join(topic, [topic], session_timeout_s=6.0)
    await other.until(lambda: other.assignment)
    await until(lambda: not membership.is_proved, within_s=3.0)  # before the session would end


async def test_a_records_bytes_reach_the_owner_unchanged(side: Side, topics: Any, join: Any) -> None:
    topic = topics(partitions=1)
    side.produce(topic, [None], key=b"\xff\x00")
    _, witness = join(topic, [topic])
    await witness.until(lambda: witness.records)
    record = witness.records[0]
    assert (record.key, record.value, record.headers, record.at) == (b"\xff\x00", None, (), Partition(topic, 0))


async def test_the_next_owner_starts_at_the_commit_and_knows_what_had_finished_beyond_it(
    side: Side, topics: Any, join: Any
) -> None:
    topic = topics(partitions=1)
    at = Partition(topic, 0)
    side.produce(topic, [b"%d" % n for n in range(10)])
    source, witness = join(topic, [topic])
    await witness.until(lambda: len(witness.records) == 10)
    text = encode(at, 4, 10, [4, 7])
    await source.commit(witness.epoch, {at: CommitPoint(4, text)})
    await source.stop(10.0)
    assert side.committed(topic) == {at: CommitPoint(4, text)}
    _, second = join(topic, [topic])
    await second.until(lambda: len(second.records) == 6)
    start = second.begun_at[at]
    assert isinstance(start, StartAt)
    assert start.offset == 4
    assert [offset for offset in range(4, 10) if offset in (start.finished or ())] == [5, 6, 8, 9]


async def test_paused_partitions_bring_nothing_until_they_are_resumed(side: Side, topics: Any, join: Any) -> None:
    topic = topics(partitions=2)
    source, witness = join(topic, [topic])
    await witness.until_begun(2)
    paused = Partition(topic, 0)
    source.fetch_only(witness.epoch, frozenset([paused]), frozenset())
    await source.commit(witness.epoch, {paused: CommitPoint(0, "")})  # executed after the pause
    side.produce(topic, [b"held"], 0)
    side.produce(topic, [b"free"], 1)
    await witness.until(lambda: b"free" in witness.values)
    assert b"held" not in witness.values
    source.fetch_only(witness.epoch, frozenset(), frozenset())
    await witness.until(lambda: b"held" in witness.values)


async def test_a_hand_over_carries_the_ends_of_all_co_partitions_asked_after_the_fetch(
    side: Side, topics: Any, join: Any
) -> None:
    created, status = topics("created", partitions=2), topics("status", partitions=2)
    side.produce(created, [b"c"] * 7, 1)
    side.produce(status, [b"s"] * 3, 1)
    _, witness = join(created, [created, status])
    await witness.until(lambda: len(witness.records) == 10)
    with_records = [fetched for fetched in witness.batches if any(batch.records for batch in fetched.batches)]
    assert with_records
    for fetched in with_records:
        assert fetched.ends[Partition(created, 1)] == 7
        assert fetched.ends[Partition(status, 1)] == 3


async def test_an_end_counts_records_behind_another_publishers_open_transaction(
    side: Side, topics: Any, join: Any
) -> None:
    """So a create that was acknowledged before its status was sent lies below the status's stamp."""
    created, status = topics("created", partitions=1), topics("status", partitions=1)
    stranger = side.transaction()
    stranger.send(created, partition=0, value=b"open").get(timeout=10)
    side.produce(created, [b"create"])
    side.produce(status, [b"paid"])
    _, witness = join(created, [created, status])
    await witness.until(lambda: b"paid" in witness.values)
    stamped = next(f for f in witness.batches if any(one.value == b"paid" for b in f.batches for one in b.records))
    assert stamped.ends[Partition(created, 0)] > 1, "the create at offset 1 was not seen to be there"
    stranger.abort_transaction()
    stranger.close()


async def test_positions_move_past_transaction_markers_and_aborted_records(side: Side, topics: Any, join: Any) -> None:
    topic = topics(partitions=1)
    at = Partition(topic, 0)
    side.in_transaction(topic, [b"a", b"b"])
    side.in_transaction(topic, [b"never"], commit=False)
    _, witness = join(topic, [topic])
    await witness.until(lambda: witness.positions.get(at) == 5)
    assert witness.values == [b"a", b"b"]


async def test_a_commit_of_an_earlier_epoch_is_refused(side: Side, topics: Any, join: Any) -> None:
    topic = topics(partitions=1)
    source, witness = join(topic, [topic])
    await witness.until_begun(1)
    with pytest.raises(KafkaFailed, match="given away"):
        await source.commit(witness.epoch - 1, {Partition(topic, 0): CommitPoint(0, "")})
    assert side.committed(topic) == {}


async def test_a_leaving_member_commits_what_its_owner_calls_committable(side: Side, topics: Any, join: Any) -> None:
    topic = topics(partitions=1)
    at = Partition(topic, 0)
    side.produce(topic, [b"a", b"b"])
    source, witness = join(topic, [topic])
    await witness.until(lambda: len(witness.records) == 2)

    def let_go(release: Any) -> None:
        release.offsets = {at: CommitPoint(2, "")}
        release.done = True

    witness.on_release = let_go
    await source.stop(10.0)
    assert side.committed(topic) == {at: (2, "")}


async def test_a_revocation_waits_for_the_owner_and_keeps_the_membership(side: Side, topics: Any, join: Any) -> None:
    """A drain longer than the session: without heartbeats the next owner would begin beside us."""
    topic = topics(partitions=2)
    _, first = join(topic, [topic], "first", session_timeout_s=1.5)
    await first.until_begun(2)
    drained: list[float] = []

    def drain(release: Any) -> None:
        release.offsets = {Partition(topic, 0): CommitPoint(0, "kept")}
        asyncio.get_running_loop().call_later(2.5, end, release)

    def end(release: Any) -> None:
        drained.append(time.monotonic())
        release.done = True

    first.on_release = drain
    _, second = join(topic, [topic], "second", session_timeout_s=1.5)
    await second.until(lambda: second.assignment)
    assert drained, "the second member got partitions while the first was still draining them"
    await first.until(lambda: len(first.assignment.partitions) == 1)
    assert first.lost_epochs == []
    assert len(second.assignment.partitions) == 1
    assert side.committed(topic)[Partition(topic, 0)] == (0, "kept")
    first.on_release = None


async def test_commits_asked_for_during_a_revocation_fail_at_once(topics: Any, join: Any) -> None:
    """The thread is blocked in the rebalance: an owner that waited for such a commit would hold up its own drain."""
    topic = topics(partitions=2)
    source, first = join(topic, [topic], "first", session_timeout_s=2.0)
    await first.until_begun(2)
    answers: list[BaseException | None] = []

    def drain(release: Any) -> None:
        asyncio.get_running_loop().create_task(commit_first(release))

    async def commit_first(release: Any) -> None:
        try:
            async with asyncio.timeout(2.0):
                await source.commit(release.epoch, {Partition(topic, 0): CommitPoint(0, "")})
        except (KafkaFailed, TimeoutError) as error:
            answers.append(error)
        release.done = True

    first.on_release = drain
    _, second = join(topic, [topic], "second", session_timeout_s=2.0)
    await second.until(lambda: second.assignment)
    assert [type(answer) for answer in answers] == [KafkaFailed]
    first.on_release = None


async def test_a_member_that_was_thrown_out_hears_that_its_partitions_are_lost(
    side: Side, topics: Any, join: Any
) -> None:
    """Its IO hangs longer than its session; what it commits afterwards is refused."""
    topic, connector = topics(partitions=1), KeepsConsumer()
    source, witness = join(topic, [topic], session_timeout_s=1.0, connector=connector)
    await witness.until_begun(1)
    epoch = witness.epoch
    connector.member_consumer._net.call_soon(_sleep)
    await witness.until(lambda: witness.lost_epochs)
    assert witness.lost_epochs == [epoch]
    with pytest.raises(KafkaFailed):
        await source.commit(epoch, {Partition(topic, 0): CommitPoint(0, "")})
    await witness.until(lambda: witness.epoch > epoch)


async def _sleep() -> None:
    """Stop the client's IO as a machine that sleeps would: no heartbeat leaves."""
    time.sleep(2.0)  # noqa: ASYNC251 - on purpose


async def test_a_second_process_of_the_same_name_ends_the_first(side: Side, topics: Any, join: Any) -> None:
    topic = topics(partitions=1)
    source, first = join(topic, [topic], "same")
    await first.until_begun(1)
    _, second = join(topic, [topic], "same")
    await second.until_begun(1)
    with pytest.raises(KafkaFailed, match="Fenced"):
        await source.commit(first.epoch, {Partition(topic, 0): CommitPoint(0, "")})
    await first.until(lambda: first.failure)
    assert "RELAY_INSTANCE_ID" in str(first.failure)


class DownAtFirst(Connector):
    """A cluster that refuses two connections; notes when the source had last moved at each try."""

    def __init__(self) -> None:
        self.source: Any = None
        self.known = threading.Event()
        self.moved_at: list[float] = []

    def ends(self, member: Member) -> Any:
        self.known.wait(10)
        self.moved_at.append(self.source.polled_at)
        if len(self.moved_at) <= 2:
            raise KafkaConnectionError("refused")
        return super().ends(member)


async def test_a_cluster_that_is_down_is_waited_for_without_seeming_stuck(topics: Any, join: Any) -> None:
    connector = DownAtFirst()
    connector.source, witness = join(topics(), [topics(partitions=1)], connector=connector)
    connector.known.set()
    await witness.until_begun(1)
    assert connector.moved_at == sorted(set(connector.moved_at))
    assert len(connector.moved_at) == 3


@pytest.mark.parametrize("session", [1.0, 6.0, 45.0, 1800.0])
def test_a_drain_and_several_heartbeats_fit_a_session(connection: KafkaConnection, session: float) -> None:
    member = Member(connection, "g", "one", session)
    options = member.options()
    assert options["session_timeout_ms"] == session * 1000
    assert options["heartbeat_interval_ms"] * 3 <= options["session_timeout_ms"]
    assert member.release_within_s < session / 2


async def test_a_session_timeout_that_the_cluster_refuses_ends_the_worker_with_the_bounds(
    topics: Any, join: Any
) -> None:
    _, witness = join(topics(), [topics(partitions=1)], session_timeout_s=0.5)
    await witness.until(lambda: witness.failure)
    assert "group.min.session.timeout.ms" in str(witness.failure)
