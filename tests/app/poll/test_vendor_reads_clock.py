"""The poll's start on the vendor's clock is never later than it can have been."""

from dataclasses import dataclass
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from workers.app.poll.stats import PollStats
from workers.app.poll.vendor_reads import PollClock
from workers.edges.telemetry.tracing import PassOn

OUR_MS = 1_790_000_000_000


@dataclass
class Now:
    seconds: float = 0.0

    def context(self) -> Any:
        return SimpleNamespace(
            spec=SimpleNamespace(name="dcl-poller"),
            label="dcl-poller",
            stats=PollStats(),
            tracing=PassOn(),
            monotonic=lambda: self.seconds,
            wall_ms=lambda: OUR_MS + round(self.seconds * 1000),
        )


async def asked(now: Now, clock: PollClock, took: float, date_ms: int | None) -> None:
    async def send(request: httpx.Request) -> httpx.Response:
        now.seconds += took
        headers = {} if date_ms is None else {"Date": formatdate(date_ms / 1000, usegmt=True)}
        return httpx.Response(200, headers=headers, request=request)

    await clock.attempt(httpx.Request("GET", "https://api.dclcorp.com/"), send)


@pytest.mark.parametrize(
    ("ahead_ms", "took", "earlier_ms"),
    [(0, 0.0, 0), (-60_000, 0.0, -60_000), (60_000, 0.0, 0), (0, 20.0, 0), (-60_000, 20.0, -60_000)],
)
async def test_the_earlier_clock_counts_and_a_slow_answer_makes_the_start_no_later(
    ahead_ms: int, took: float, earlier_ms: int
) -> None:
    """The date is the answer's; the poll began earlier, by the duration of the request."""
    now = Now()
    clock = PollClock(now.context())
    await asked(now, clock, took, OUR_MS + ahead_ms + round(took * 1000))
    assert clock.start.earlier_ms == OUR_MS + earlier_ms


async def test_only_the_first_answer_sets_the_start_and_each_sets_the_skew() -> None:
    now = Now()
    context = now.context()
    clock = PollClock(context)
    await asked(now, clock, 1.0, OUR_MS - 9_000)
    first = clock.start
    await asked(now, clock, 1.0, OUR_MS + 2_000)
    assert clock.start == first
    assert first.vendor_ms == OUR_MS - 10_000
    assert abs(context.stats.skew_ms) <= 1_000


@pytest.mark.parametrize(
    ("ahead_ms", "notes"), [(-50_000, {}), (-70_000, {"vendor_clock_off": 2}), (70_000, {"vendor_clock_off": 2})]
)
async def test_a_clock_that_is_off_by_more_than_a_minute_is_counted(ahead_ms: int, notes: dict[str, int]) -> None:
    now = Now()
    context = now.context()
    for _ in range(2):
        await asked(now, PollClock(context), 0.0, OUR_MS + ahead_ms)
    assert context.stats.notes == notes


async def test_without_a_date_our_clock_counts() -> None:
    now = Now()
    clock = PollClock(now.context())
    await asked(now, clock, 5.0, None)
    assert clock.start.earlier_ms == OUR_MS


@pytest.mark.parametrize("date_ms", [0, 253_402_300_799_000])
async def test_a_date_that_is_years_off_is_ignored(date_ms: int) -> None:
    """Beginning again in 1970 would publish every order that DCL ever had."""
    now = Now()
    context = now.context()
    clock = PollClock(context)
    await asked(now, clock, 0.0, date_ms)
    assert clock.start.earlier_ms == OUR_MS
    assert context.stats.skew_ms is None
    assert context.stats.notes == {"unlikely_date": 1}
