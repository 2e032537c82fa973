"""Transactions on a real broker: all of it or nothing, and nothing from a previous owner."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest
from kafka.errors import KafkaTimeoutError

from tests.support.kafka_rig import Side
from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.errors import NotAcknowledgedError
from workers.edges.kafka.transactions import GroupCommit, Outgoing, Transactions, send_all

pytestmark = pytest.mark.broker

NO_COMMIT = GroupCommit({}, None)


@pytest.fixture
def name(topics: Any) -> str:
    """The transactional id."""
    return str(topics("writer"))


@pytest.fixture
async def transactions(connection: KafkaConnection, name: str) -> AsyncIterator[Transactions]:
    made = Transactions(connection, name)
    yield made
    await made.close()


@pytest.fixture
async def impatient(connection: KafkaConnection, name: str) -> AsyncIterator[Transactions]:
    """One whose records wait three seconds for their topic; a busy machine needs as many to open it."""
    made = Transactions(connection, name, max_block_ms=3_000)
    yield made
    await made.close()


def outgoing(topic: str, value: bytes | None, key: bytes | None = b"A-1", number: int = 0, **given: Any) -> Outgoing:
    return Outgoing(Partition(topic, number), key, value, **given)


def no_rows(_: list[int]) -> list[Outgoing]:
    return []


async def test_records_rows_and_offsets_are_written_together(
    side: Side, topics: Any, join: Any, transactions: Transactions
) -> None:
    source, parked, state = topics(partitions=1), topics("parked", partitions=1), topics("state", partitions=1)
    _, witness = join(source, [source])
    await witness.until_begun(1)
    at = Partition(source, 0)
    placed = await transactions.write(
        [outgoing(parked, b"one", headers=(("relay-reason", b"rejected"), ("empty", None))), outgoing(parked, None)],
        lambda found: [outgoing(state, b"first at %d, last at %d" % (found[0], found[-1]))],
        GroupCommit({at: CommitPoint(0, "or1r:")}, witness.assignment.group),
    )
    assert placed == [0, 1]
    records = side.read(parked)
    assert [(one.key, one.value) for one in records] == [(b"A-1", b"one"), (b"A-1", None)]
    assert list(records[0].headers) == [("relay-reason", b"rejected"), ("empty", None)]
    assert [one.value for one in side.read(state)] == [b"first at 0, last at 1"]
    assert side.committed(source) == {at: (0, "or1r:")}


async def test_transactions_run_one_at_a_time(side: Side, topics: Any, transactions: Transactions) -> None:
    parked = topics("parked", partitions=1)
    written = await asyncio.gather(
        *(transactions.write([outgoing(parked, b"%d" % n)], no_rows, NO_COMMIT) for n in range(5))
    )
    assert [one.value for one in side.read(parked)] == [b"0", b"1", b"2", b"3", b"4"]
    assert sorted(written) == written


async def test_after_a_failure_nothing_is_visible_and_the_next_write_succeeds(
    side: Side, topics: Any, transactions: Transactions
) -> None:
    parked = topics("parked", partitions=1, config={"max.message.bytes": 2000})
    with pytest.raises(KafkaFailed, match=r"raise that topic's max\.message\.bytes"):
        await transactions.write([outgoing(parked, b"fits"), outgoing(parked, b"x" * 3000)], no_rows, NO_COMMIT)
    assert side.read(parked) == []
    await transactions.write([outgoing(parked, b"fits")], no_rows, NO_COMMIT)
    assert [one.value for one in side.read(parked)] == [b"fits"]


async def test_rows_that_cannot_be_written_abort_their_records_too(
    side: Side, topics: Any, transactions: Transactions
) -> None:
    parked, state = topics("parked", partitions=1), topics("state", partitions=1, config={"max.message.bytes": 2000})
    with pytest.raises(KafkaFailed):
        await transactions.write([outgoing(parked, b"one")], lambda _: [outgoing(state, b"x" * 3000)], NO_COMMIT)
    assert side.read(parked) == side.read(state) == []


async def test_an_error_while_rows_are_made_aborts_the_records(
    side: Side, topics: Any, transactions: Transactions
) -> None:
    def broken(_: list[int]) -> list[Outgoing]:
        raise ValueError("made wrong")

    parked = topics("parked", partitions=1)
    with pytest.raises(KafkaFailed, match="made wrong"):
        await transactions.write([outgoing(parked, b"one")], broken, NO_COMMIT)
    await transactions.write([outgoing(parked, b"two")], no_rows, NO_COMMIT)
    assert [one.value for one in side.read(parked)] == [b"two"]


async def test_a_previous_owners_transaction_is_refused(
    side: Side, topics: Any, join: Any, transactions: Transactions
) -> None:
    """KIP-447: it slept through a rebalance; the next owner parks the same records."""
    source, parked = topics(partitions=2), topics("parked", partitions=1)
    _, first = join(source, [source], "first", session_timeout_s=2.0)
    await first.until_begun(2)
    old = first.assignment.group
    _, second = join(source, [source], "second", session_timeout_s=2.0)
    await second.until(lambda: second.assignment)
    with pytest.raises(KafkaFailed, match=r"Generation|Fenced|Unknown|Commit"):
        await transactions.write(
            [outgoing(parked, b"late")], no_rows, GroupCommit({Partition(source, 0): CommitPoint(9, "")}, old)
        )
    assert side.read(parked) == []
    assert Partition(source, 0) not in side.committed(source)


async def test_opening_fences_a_previous_process_of_the_same_name_and_aborts_what_it_left_open(
    side: Side, topics: Any, transactions: Transactions, name: str
) -> None:
    parked = topics("parked", partitions=1)
    left = side.transaction(name)
    left.send(parked, partition=0, value=b"left open").get(timeout=10)
    await transactions.open()
    await transactions.write([outgoing(parked, b"ours")], no_rows, NO_COMMIT)
    assert [one.value for one in side.read(parked)] == [b"ours"]
    left.close(timeout=0)


async def test_a_missing_topic_says_what_to_do_and_is_found_when_it_is_made(
    side: Side, topics: Any, broker: Any, impatient: Transactions
) -> None:
    parked = topics("parked")
    with pytest.raises(KafkaFailed, match="relay topics apply"):
        await impatient.write([outgoing(parked, b"one")], no_rows, NO_COMMIT)
    broker.create_topic(parked)
    await impatient.write([outgoing(parked, b"two")], no_rows, NO_COMMIT)
    assert [one.value for one in side.read(parked)] == [b"two"]


async def test_a_parked_topic_with_too_few_partitions_says_what_to_do(topics: Any, impatient: Transactions) -> None:
    parked = topics("parked", partitions=1)
    with pytest.raises(KafkaFailed, match="relay topics"):
        await impatient.write([outgoing(parked, b"one", number=5)], no_rows, NO_COMMIT)


async def test_closing_before_opening_does_nothing(transactions: Transactions) -> None:
    await transactions.close()


def test_a_record_that_is_never_acknowledged_is_reported_as_that() -> None:
    """A broker that has too few replicas is asked again by kafka-python until the time is up: only that shows."""

    class Unheard:
        def send(self, *_: Any, **__: Any) -> Self:
            return self

        def get(self, timeout: float) -> None:
            raise KafkaTimeoutError(f"Timeout after waiting for {timeout} secs.")

    with pytest.raises(NotAcknowledgedError, match="not acknowledged by all in-sync replicas"):
        send_all(Unheard(), [outgoing("parked", b"1")])
