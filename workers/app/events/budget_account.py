"""A vendor's budget as one process spends it: its row in the poller's state topic, and those of the others."""

import asyncio
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from workers.app.config.configuration import Configuration
from workers.app.config.specs import BudgetSpec, PollerSpec, SinkSpec
from workers.core.budget import Budget, BudgetPolicy, Spent, Use, unpack_spent
from workers.core.delivery.outcome import Throttled, Unavailable
from workers.core.poll.shard_state import ROW_VERSION, RowKind
from workers.core.record import Partition, Record
from workers.edges.avro.codec import Codec, UnknownSchema
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryRefused, RegistryUnavailable
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.publisher import Appender
from workers.edges.kafka.table import StartGoneError, read_all
from workers.edges.kafka.transactions import Outgoing
from workers.edges.log import log
from workers.vendors.contract import LoginFailed

SPENT: Final = "the account's budget of requests is spent"
_KEY: Final = "budget:"  # before the spender's name
_RESERVED_SHARE: Final = 200  # so many reservations make the budget: a crash loses one at most
_GIVE_BACK_WITHIN_S: Final = 2.0
_RESERVE: Final = 0.3  # of the requests, for writes


def budget_policy(spec: BudgetSpec) -> BudgetPolicy:
    reserve = round(spec.requests * _RESERVE) if spec.reserve is None else spec.reserve
    return BudgetPolicy(spec.requests, round(spec.per * 1000), reserve)


def budget_topic(configuration: Configuration, spec: SinkSpec | PollerSpec) -> str:
    """The state topic of the account's first poller, or the one that it would have: one topic for all its workers."""
    pollers = configuration.config.pollers.values()
    return next((one.state for one in pollers if one.account == spec.account), f"{spec.vendor}-poll-state")


def open_account(
    configuration: Configuration, spec: SinkSpec | PollerSpec, codec: Codec, wall_ms: Callable[[], int], use: Use
) -> "BudgetAccount | None":
    """The account of a worker or a command; None: its vendor counts no requests."""
    if spec.budget is None:
        return None
    settings, budget = configuration.settings, Budget(budget_policy(spec.budget))
    spender = f"{own_spenders(spec.name)}{settings.instance_id}/{os.getpid()}-{secrets.token_hex(4)}"
    partition = Partition(budget_topic(configuration, spec), 0)
    return BudgetAccount(budget, BudgetRows(codec, settings.kafka, partition, budget), spender, wall_ms, use)


def own_spenders(worker: str) -> str:
    """What the names of a worker's spenders begin with."""
    return f"{worker}/"


@dataclass(frozen=True, slots=True)
class _Records:
    records_: Sequence[Outgoing]

    def records(self) -> Sequence[Outgoing]:
        return self.records_


class BudgetRows:
    """The rows of all spenders, read from the state topic; and this process's row, written to it."""

    def __init__(self, codec: Codec, connection: KafkaConnection, partition: Partition, budget: Budget) -> None:
        self._codec = codec
        self._connection = connection
        self._partition = partition
        self._budget = budget
        self._appender = Appender(connection)
        self._end: int | None = None  # as far as it was read
        self._loop = asyncio.get_running_loop()

    async def refresh(self) -> None:
        """Read what was written since; raises `KafkaFailed`.

        Invariant: rows are read beyond open transactions. Otherwise two processes that write their rows while the
        poller's transaction is open would not see each other's, and both would spend the last request.
        """
        try:
            self._end = await read_all(self._connection, self._partition, self._take, self._end, committed=False)
        except StartGoneError:
            self._end = None
            raise
        except (RegistryUnavailable, RegistryRefused) as error:  # for a row of another release's schema
            raise KafkaFailed(f"{self._partition.topic}: {error}") from error

    async def write(self, spender: str, spent: Spent | None) -> None:
        """Write a row, or its tombstone, and wait until it is acknowledged; raises `KafkaFailed`."""
        try:
            await self._codec.prepare([self._partition.topic])
        except (RegistryUnavailable, RegistryRefused) as error:
            raise KafkaFailed(f"{self._partition.topic}: {error}") from error
        row = None if spent is None else {"kind": RowKind.BUDGET, "version": ROW_VERSION, "body": spent.pack()}
        value = None if row is None else self._codec.encode(self._partition.topic, row)
        record = Outgoing(self._partition, f"{_KEY}{spender}".encode(), value)
        if (fault := (await self._appender.append(_Records([record]))).fault) is not None:
            raise fault

    async def close(self) -> None:
        await self._appender.close()

    def _take(self, records: list[Record]) -> None:
        """In the reading thread, which alone changes the others' rows."""
        for record in records:
            key = (record.key or b"").decode("utf-8", "replace")
            if key.startswith(_KEY):
                self._apply(key.removeprefix(_KEY), record)

    def _apply(self, spender: str, record: Record) -> None:
        if record.value is None:
            self._budget.spenders.pop(spender, None)
            return
        try:
            row = self._decoded(record.topic, record.value)
            self._budget.spenders[spender] = unpack_spent(row["body"])
        except (ValueError, Undecodable) as error:
            raise KafkaFailed(f"{record.at}, offset {record.offset}: {error}; run a release that reads it") from error

    def _decoded(self, topic: str, value: bytes) -> dict[str, bytes]:
        try:
            return self._codec.decode_any(topic, value)
        except UnknownSchema as unknown:
            asyncio.run_coroutine_threadsafe(self._codec.learn(unknown.schema_id), self._loop).result()
            return self._codec.decode_any(topic, value)


class BudgetAccount:
    """Spends the account's requests for one use: writes a reservation, reads those of the others, and only then sends.

    Of two processes that reserve at the same time the later one reads both rows. So together they never spend more
    than there is; and what a process has reserved counts as spent after it was killed.
    """

    def __init__(self, budget: Budget, rows: BudgetRows, spender: str, wall_ms: Callable[[], int], use: Use) -> None:
        self.budget = budget
        self._rows = rows
        self._spender = spender
        self._wall_ms = wall_ms
        self._use = use
        self._own = Spent()
        self._reserved = 0
        self._slot = 0  # that the reservation counts in
        self._one = asyncio.Lock()

    @property
    def limit(self) -> int:
        """Requests of a period that this use may spend, together with all others."""
        return self.budget.policy.most(self._use)

    @property
    def left(self) -> int:
        """Requests that this use may send now: polls leave the reserve of the writes."""
        return self.budget.left(self._use, self._wall_ms())

    def stretch(self, requests_per_ms: float) -> float:
        """See `Budget.stretch`."""
        return self.budget.stretch(requests_per_ms, self._wall_ms(), own=own_spenders(self._spender.partition("/")[0]))

    async def spend(self) -> None:
        """Take one request; raises `LoginFailed` when none is left, or when that cannot be read."""
        async with self._one:
            now_ms = self._wall_ms()
            slot = now_ms // self.budget.policy.slot_ms
            if slot != self._slot:
                self._slot, self._reserved = slot, 0  # what is sent later counts later
            if not self._reserved:
                try:
                    await self._reserve(now_ms)
                except KafkaFailed as error:
                    raise LoginFailed(Unavailable(f"the budget of requests cannot be read: {error}")) from error
            self._reserved -= 1

    async def refresh(self) -> None:
        """Read what all have spent; raises `KafkaFailed`."""
        await self._rows.refresh()

    async def close(self) -> None:
        """Give back what was reserved and not sent, and spend no more.

        Each command is a process of its own: otherwise its one request would cost the whole reservation.
        """
        with suppress(KafkaFailed, TimeoutError):  # then it counts as spent
            async with asyncio.timeout(_GIVE_BACK_WITHIN_S), self._one:
                now_ms = self._wall_ms()
                if self._reserved and now_ms // self.budget.policy.slot_ms == self._slot:
                    await self._write(-self._reserved, now_ms)
                    self._reserved = 0
        await self._rows.close()

    async def _reserve(self, now_ms: int) -> None:
        await self._rows.refresh()
        left = self.budget.left(self._use, now_ms)
        if left == 0:
            raise self._spent(now_ms)
        wanted = max(1, min(left, self.budget.policy.requests // _RESERVED_SHARE, left // 4))
        await self._write(wanted, now_ms)
        await self._rows.refresh()
        if self.budget.spent(now_ms) > self.budget.policy.most(self._use):
            await self._write(-wanted, now_ms)
            raise self._spent(now_ms)
        self._reserved = wanted
        await self._tidy(now_ms)

    async def _write(self, requests: int, now_ms: int) -> None:
        after = self._own.plus(requests, now_ms, self.budget.policy)
        await self._rows.write(self._spender, after)
        self._own = self.budget.spenders[self._spender] = after

    async def _tidy(self, now_ms: int) -> None:
        """Delete the rows of former processes, long after they counted last."""
        long_ago_ms = now_ms - self.budget.policy.per_ms
        over = [name for name, one in self.budget.spenders.items() if one.is_over(long_ago_ms, self.budget.policy)]
        for name in over:
            await self._rows.write(name, None)

    def _spent(self, now_ms: int) -> LoginFailed:
        wait_s = self.budget.wait_ms(self._use, now_ms) / 1000
        log.info("budget_spent", spender=self._spender, use=self._use.value, wait_s=round(wait_s))
        return LoginFailed(Throttled(max(1.0, wait_s), why=SPENT))
