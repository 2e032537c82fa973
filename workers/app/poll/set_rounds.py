"""A shard's rounds at a vendor that lists what there is: each set has a beat, a gate and failures of its own."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from workers.app.poll.context import PollerContext, SetPolling, WriteStep
from workers.app.poll.set_asks import SetAsks
from workers.app.poll.set_pass import SetPass
from workers.app.poll.vendor_reads import VendorReads
from workers.core.poll.sets.beat import next_due_s
from workers.core.poll.sets.book import SetBook
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.core.poll.vendor_set import VendorSet
from workers.edges.http.client import RequestBudget

IDLE_S: Final = 3600.0  # the longest sleep at once


@dataclass(slots=True, eq=False)
class Pace:
    """How many requests all sets send, and by what factor a budget slows them down."""

    _budget: RequestBudget | None
    _per_ms: dict[str, float] = field(default_factory=dict)  # by the set's name, at its own beat

    def stretch(self, name: str, requests: int, every_s: float) -> float:
        """After a pass of so many requests; passes vary, so the ones before count too."""
        if self._budget is None:
            return 1.0
        per_ms = requests / (every_s * 1000)
        self._per_ms[name] = (self._per_ms.get(name, per_ms) + per_ms) / 2
        return self._budget.stretch(sum(self._per_ms.values()))


@dataclass(slots=True, eq=False)
class SetRound:
    """One set: reads it when it is due, from a load of the state to the next."""

    vendor_set: VendorSet
    context: PollerContext  # the set's own: gate, counters, last errors
    _asks: SetAsks
    _pace: Pace
    wake: asyncio.Event = field(default_factory=asyncio.Event)  # a part of one of its rows has changed
    due_s: float = 0.0  # when the next reading begins, by the monotonic clock
    beat_s: float = 0.0  # from the beginning of the last reading to that of the next; 0: none has ended yet
    rested_s: float = 0.0  # no reading begins earlier, not even of a row whose part has changed
    took_s: float = 0.0  # how long the last reading took

    @property
    def is_forbidden(self) -> bool:
        """Whether the vendor does not let the account list the set: it is not complete, and holds no other set back."""
        return self._asks.is_forbidden

    @property
    def every_s(self) -> float:
        return self.context.spec.sets[self.vendor_set.name].every

    async def run(self, state: ShardState, write: WriteStep, writing: asyncio.Lock) -> None:
        """Read the set again and again, until it is cancelled or a write fails."""
        book = SetBook(self.vendor_set, state)
        reading = SetPass(self.context, self._asks, book, write, writing)
        while True:
            await self._sleep()
            self.wake.clear()
            began_s = self.context.monotonic()
            requests = await reading.run()
            stretch = self._pace.stretch(self.vendor_set.name, requests, self.every_s)
            ended_s = self.context.monotonic()
            self.took_s = ended_s - began_s
            self.due_s = next_due_s(began_s, ended_s, self.every_s, stretch)
            self.beat_s = self.due_s - began_s
            self.rested_s = next_due_s(began_s, ended_s, 0.0)

    async def _sleep(self) -> None:
        while (wait_s := self._wait_s()) > 0:
            try:
                async with asyncio.timeout(min(wait_s, IDLE_S)):
                    await (asyncio.sleep(wait_s) if self.wake.is_set() else self.wake.wait())
            except TimeoutError:
                continue

    def _wait_s(self) -> float:
        due_s = min(self.due_s, self.rested_s) if self.wake.is_set() else self.due_s
        return due_s - self.context.monotonic()


class SetRounds:
    """All sets of the poller; a failed write ends the rounds of all."""

    def __init__(self, context: PollerContext, polling: SetPolling) -> None:
        pace = Pace(context.client.budget)
        self.rounds = [_round(context, polling, one, pace) for one in polling.sets]
        self._by_name = {one.vendor_set.name: one for one in self.rounds}

    async def run(self, state: ShardState, write: WriteStep) -> None:
        """Read until it is cancelled, or a write fails."""

        async def write_and_wake(step: Step) -> None:
            await write(step)
            for name in {row.set_name for row in step.rows} - {step.set_name}:
                self._by_name[name].wake.set()

        writing = asyncio.Lock()
        tasks = [asyncio.ensure_future(one.run(state, write_and_wake, writing)) for one in self.rounds]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # raises what ended it
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def log_gates(self) -> None:
        for one in self.rounds:
            one.context.log_gate()


def _round(context: PollerContext, polling: SetPolling, vendor_set: VendorSet, pace: Pace) -> SetRound:
    own = context.of_set(vendor_set.name)
    asks = SetAsks(own, polling.poller, VendorReads(own), vendor_set.name, polling.order_ids)
    return SetRound(vendor_set, own, asks, pace)
