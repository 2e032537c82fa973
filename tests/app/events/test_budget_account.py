"""Processes that spend one budget: never more than there is, and nothing lost when one is killed."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from kafka import KafkaProducer

from tests.conftest import Topics
from workers.app.events.budget_account import BudgetAccount, BudgetRows
from workers.core.budget import Budget, BudgetPolicy, Spent, Use
from workers.core.delivery.outcome import Throttled, Unavailable
from workers.core.record import Partition
from workers.devkit.broker.broker import Broker
from workers.edges.avro.codec import UnknownSchema
from workers.edges.avro.framing import SchemaId
from workers.edges.avro.registry import RegistryUnavailable
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.vendors.contract import LoginFailed

HOUR_MS = 3_600_000
POLICY = BudgetPolicy(requests=20, per_ms=24 * HOUR_MS, reserve=6)


@dataclass
class Topic:
    """The rows in Kafka; each account reads them when it refreshes."""

    rows: dict[str, Spent] = field(default_factory=dict)
    is_down: bool = False


@dataclass
class Rows:
    """`BudgetRows` of one process."""

    topic: Topic
    budget: Budget

    async def refresh(self) -> None:
        await asyncio.sleep(0)
        if self.topic.is_down:
            raise KafkaFailed("no broker answers")
        self.budget.spenders.clear()
        self.budget.spenders.update(self.topic.rows)

    async def write(self, spender: str, spent: Spent | None) -> None:
        await asyncio.sleep(0)
        if self.topic.is_down:
            raise KafkaFailed("no broker answers")
        if spent is None:
            del self.topic.rows[spender]
        else:
            self.topic.rows[spender] = spent

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Clock:
    now_ms: int = 0

    def __call__(self) -> int:
        return self.now_ms


def account(
    topic: Topic, name: str, clock: Clock, use: Use = Use.WRITE, policy: BudgetPolicy = POLICY
) -> BudgetAccount:
    budget = Budget(policy)
    rows: Any = Rows(topic, budget)
    return BudgetAccount(budget, rows, name, clock, use)


async def spend_all(one: BudgetAccount) -> int:
    """How many requests it gets, until it must wait."""
    count, refused = 0, None
    while refused is None:
        try:
            await one.spend()
            count += 1
        except LoginFailed as found:
            refused = found.outcome
    assert isinstance(refused, Throttled)
    return count


async def test_two_processes_that_spend_at_once_never_spend_more_than_there_is() -> None:
    topic, clock = Topic(), Clock()
    found = await asyncio.gather(*(spend_all(account(topic, name, clock)) for name in "abc"))
    assert 17 <= sum(found) <= 20, "those that reserve the last ones at the same time may all give them back"


async def test_polls_leave_the_reserve_and_wait_until_requests_come_back() -> None:
    topic, clock = Topic(), Clock()
    poller = account(topic, "poller", clock, Use.READ)
    assert await spend_all(poller) == 14
    sink = account(topic, "sink", clock)
    await sink.refresh()
    assert [(one.left, one.limit) for one in (poller, sink)] == [(0, 14), (6, 20)], "each counts what it may spend"
    assert await spend_all(sink) == 6
    clock.now_ms = 26 * HOUR_MS
    assert await spend_all(poller) == 14


async def test_what_a_killed_process_has_spent_still_counts() -> None:
    topic, clock = Topic(), Clock()
    await account(topic, "killed", clock).spend()
    assert await spend_all(account(topic, "next", clock)) == 19


async def test_what_was_reserved_in_another_hour_is_not_spent_in_this_one() -> None:
    topic, clock = Topic(), Clock()
    one = account(topic, "a", clock, policy=BudgetPolicy(2000, 24 * HOUR_MS, 0))
    await one.spend()
    clock.now_ms = 2 * HOUR_MS
    await one.spend()
    assert topic.rows["a"].slots == {0: 10, 2 * HOUR_MS: 10}


async def test_the_row_of_a_former_process_is_deleted_long_after_it_counted_last() -> None:
    topic, clock = Topic({"former": Spent({0: 3})}), Clock(30 * HOUR_MS)
    await account(topic, "a", clock).spend()
    assert "former" in topic.rows
    clock.now_ms = 60 * HOUR_MS
    await account(topic, "b", clock).spend()
    assert "former" not in topic.rows


class OfANewSchema:
    """A codec that meets a schema which only the registry has, and the registry is down."""

    def decode_any(self, topic: str, value: bytes) -> None:  # noqa: ARG002
        raise UnknownSchema(7)

    async def learn(self, schema_id: SchemaId) -> None:  # noqa: ARG002
        raise RegistryUnavailable("the registry is down")


@pytest.mark.broker
async def test_rows_of_a_new_schema_wait_for_the_registry(broker: Broker, topics: Topics) -> None:
    topic = topics("poll-state", 1)
    with KafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        producer.send(topic, b"x", key=b"budget:other", partition=0).get(10)
    rows = BudgetRows(
        cast("Any", OfANewSchema()), KafkaConnection(bootstrap=(broker.bootstrap,)), Partition(topic, 0), Budget(POLICY)
    )
    with pytest.raises(KafkaFailed, match="the registry is down"):
        await rows.refresh()
    await rows.close()


async def test_without_kafka_no_request_is_sent() -> None:
    with pytest.raises(LoginFailed) as refused:
        await account(Topic(is_down=True), "a", Clock()).spend()
    assert refused.value.outcome == Unavailable("the budget of requests cannot be read: no broker answers")


@pytest.mark.parametrize(("is_down", "counted"), [(False, 1), (True, 5)], ids=["given back", "Kafka is down"])
async def test_a_command_that_ends_costs_what_it_has_sent_and_not_what_it_had_reserved(
    is_down: bool, counted: int
) -> None:
    topic, policy = Topic(), BudgetPolicy(requests=1_000, per_ms=24 * HOUR_MS, reserve=300)
    command = account(topic, "komet-sink/cli", Clock(), policy=policy)
    await command.spend()
    topic.is_down = is_down
    await command.close()
    assert Budget(policy, dict(topic.rows)).spent(0) == counted
