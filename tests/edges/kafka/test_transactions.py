"""Parking in one transaction, on a real broker: all of it or nothing, and nothing from a former owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.client import KafkaConnection, KafkaFailed

if TYPE_CHECKING:
    from tests.support.kafka_rig import Side
    from workers.edges.kafka.transactions import Outgoing, Transactions

pytestmark = pytest.mark.broker


@pytest.fixture
async def transactions(connection: KafkaConnection, topics: Any) -> AsyncIterator[Transactions]:
    from workers.edges.kafka.transactions import Transactions  # noqa: PLC0415 - imports kafka: after pytest_configure

    made = Transactions(connection, topics("writer"))
    yield made
    await made.close()


def outgoing(topic: str, value: bytes | None, key: bytes | None = b"A-1", number: int = 0, **given: Any) -> Outgoing:
    from workers.edges.kafka.transactions import Outgoing  # noqa: PLC0415 - as above

    return Outgoing(Partition(topic, number), key, value, **given)


def offsets(at: dict[Partition, CommitPoint], group: Any = None) -> Any:
    from workers.edges.kafka.transactions import Offsets  # noqa: PLC0415 - as above

    return Offsets(at, group)


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
        offsets({at: CommitPoint(0, "or1r:")}, witness.assignment.group),
    )
    assert placed == [0, 1]
    records = side.read(parked)
    assert [(one.key, one.value) for one in records] == [(b"A-1", b"one"), (b"A-1", None)]
    assert list(records[0].headers) == [("relay-reason", b"rejected"), ("empty", None)]
    assert [one.value for one in side.read(state)] == [b"first at 0, last at 1"]
    assert side.committed(source) == {at: (0, "or1r:")}


async def test_transactions_follow_one_another_and_never_run_side_by_side(
    side: Side, topics: Any, transactions: Transactions
) -> None:
    parked = topics("parked", partitions=1)
    written = await asyncio.gather(
        *(transactions.write([outgoing(parked, b"%d" % n)], no_rows, offsets({})) for n in range(5))
    )
    assert [one.value for one in side.read(parked)] == [b"0", b"1", b"2", b"3", b"4"]
    assert sorted(written) == written


async def test_after_a_failure_nothing_is_visible_and_the_next_write_succeeds(
    side: Side, topics: Any, transactions: Transactions
) -> None:
    parked = topics("parked", partitions=1, config={"max.message.bytes": 2000})
    with pytest.raises(KafkaFailed, match=r"raise that topic's max\.message\.bytes"):
        await transactions.write([outgoing(parked, b"fits"), outgoing(parked, b"x" * 3000)], no_rows, offsets({}))
    assert side.read(parked) == []
    await transactions.write([outgoing(parked, b"fits")], no_rows, offsets({}))
    assert [one.value for one in side.read(parked)] == [b"fits"]


async def test_rows_that_cannot_be_written_take_their_records_with_them(
    side: Side, topics: Any, transactions: Transactions
) -> None:
    parked, state = topics("parked", partitions=1), topics("state", partitions=1, config={"max.message.bytes": 2000})
    with pytest.raises(KafkaFailed):
        await transactions.write([outgoing(parked, b"one")], lambda _: [outgoing(state, b"x" * 3000)], offsets({}))
    assert side.read(parked) == side.read(state) == []


async def test_rows_that_cannot_be_made_leave_nothing_behind(
    side: Side, topics: Any, transactions: Transactions
) -> None:
    def broken(_: list[int]) -> list[Outgoing]:
        raise ValueError("made wrong")

    parked = topics("parked", partitions=1)
    with pytest.raises(KafkaFailed, match="made wrong"):
        await transactions.write([outgoing(parked, b"one")], broken, offsets({}))
    await transactions.write([outgoing(parked, b"two")], no_rows, offsets({}))
    assert [one.value for one in side.read(parked)] == [b"two"]


async def test_a_former_owners_transaction_is_refused(
    side: Side, topics: Any, join: Any, transactions: Transactions, session: Any
) -> None:
    """KIP-447: it slept through a rebalance; what it parks now would be parked a second time by the next owner."""
    session(2_000)
    source, parked = topics(partitions=2), topics("parked", partitions=1)
    _, first = join(source, [source], "first")
    await first.until_begun(2)
    old = first.assignment.group
    _, second = join(source, [source], "second")
    await second.until(lambda: second.assignment)
    with pytest.raises(KafkaFailed, match=r"Generation|Fenced|Unknown|Commit"):
        await transactions.write(
            [outgoing(parked, b"late")], no_rows, offsets({Partition(source, 0): CommitPoint(9, "")}, old)
        )
    assert side.read(parked) == []
    assert Partition(source, 0) not in side.committed(source)


async def test_opening_fences_a_former_process_of_the_same_name_and_ends_what_it_left_open(
    side: Side, topics: Any, transactions: Transactions
) -> None:
    parked, name = topics("parked", partitions=1), str(transactions._options["transactional_id"])
    left = side.transaction(name)
    left.send(parked, partition=0, value=b"left open").get(timeout=10)
    await transactions.open()
    await transactions.write([outgoing(parked, b"ours")], no_rows, offsets({}))
    assert [one.value for one in side.read(parked)] == [b"ours"]
    left.close(timeout=0)


async def test_a_missing_topic_says_what_to_do_and_is_found_when_it_is_made(
    side: Side, topics: Any, broker: Any, transactions: Transactions
) -> None:
    transactions._options["max_block_ms"] = 500
    parked = topics("parked")
    with pytest.raises(KafkaFailed, match="relay topics apply"):
        await transactions.write([outgoing(parked, b"one")], no_rows, offsets({}))
    broker.create_topic(parked)
    await transactions.write([outgoing(parked, b"two")], no_rows, offsets({}))
    assert [one.value for one in side.read(parked)] == [b"two"]


async def test_a_parked_topic_with_too_few_partitions_says_what_to_do(topics: Any, transactions: Transactions) -> None:
    parked = topics("parked", partitions=1)
    transactions._options["max_block_ms"] = 500
    with pytest.raises(KafkaFailed, match="relay topics"):
        await transactions.write([outgoing(parked, b"one", number=5)], no_rows, offsets({}))


async def test_closing_what_was_never_opened_is_nothing(transactions: Transactions) -> None:
    await transactions.close()


def test_what_replicas_do_not_acknowledge_asks_whether_there_are_enough() -> None:
    """A broker that finds too few replicas is asked again by kafka-python until the time is up: only that shows."""
    from kafka.errors import KafkaTimeoutError  # noqa: PLC0415 - as above

    from workers.edges.kafka.transactions import NotAcknowledgedError, _send, advice  # noqa: PLC0415 - as above

    class Unheard:
        def send(self, *_: Any, **__: Any) -> Unheard:
            return self

        def get(self, timeout: float) -> None:
            raise KafkaTimeoutError(f"Timeout after waiting for {timeout} secs.")

    with pytest.raises(NotAcknowledgedError) as raised:
        _send(Unheard(), [outgoing("parked", b"1")])
    assert "min.insync.replicas" in advice(raised.value)


def test_a_record_that_is_too_large_names_the_setting_and_no_kind_of_topic() -> None:
    """A poller writes to topics too that are no parked ones."""
    from kafka.errors import MessageSizeTooLargeError  # noqa: PLC0415 - as above

    from workers.edges.kafka.transactions import advice  # noqa: PLC0415 - as above

    said = advice(MessageSizeTooLargeError())
    assert "max.message.bytes" in said
    assert "parked" not in said


def test_a_cluster_out_of_reach_is_named_once_with_what_to_look_at() -> None:
    from kafka.errors import KafkaTimeoutError  # noqa: PLC0415 - as above

    from workers.edges.kafka.transactions import advice  # noqa: PLC0415 - as above

    said = advice(KafkaTimeoutError("Unable to bootstrap from ['localhost:1']"))
    assert said.count("KafkaTimeoutError") == 1
    assert "KAFKA_BOOTSTRAP_SERVERS" in said
