"""When a poll began by the vendor's clock: never later than it can have been."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from workers.app.poll.clock import PollClock
from workers.app.poll.stats import PollStats

OUR_MS = 1_790_000_000_000


@dataclass
class Now:
    seconds: float = 0.0

    def tools(self) -> Any:
        return SimpleNamespace(
            spec=SimpleNamespace(name="dcl-poller"),
            stats=PollStats(),
            monotonic=lambda: self.seconds,
            wall_ms=lambda: OUR_MS + round(self.seconds * 1000),
        )


async def asked(now: Now, clock: PollClock, took: float, date_ms: int | None) -> None:
    async def send(request: httpx.Request) -> httpx.Response:
        now.seconds += took
        headers = {} if date_ms is None else {"Date": formatdate(date_ms / 1000, usegmt=True)}
        return httpx.Response(200, headers=headers, request=request)

    await clock.attempt(httpx.Request("GET", "https://api.dclcorp.com/"), 0, send)


@pytest.mark.parametrize(
    ("ahead_ms", "took", "earlier_ms"),
    [(0, 0.0, 0), (-60_000, 0.0, -60_000), (60_000, 0.0, 0), (0, 20.0, 0), (-60_000, 20.0, -60_000)],
)
async def test_the_earlier_clock_counts_and_a_slow_answer_does_not_make_it_later(
    ahead_ms: int, took: float, earlier_ms: int
) -> None:
    """The date is the answer's; the poll began before it, by as long as the request took."""
    now = Now()
    clock = PollClock(now.tools())
    await asked(now, clock, took, OUR_MS + ahead_ms + round(took * 1000))
    assert clock.start.earlier_ms == OUR_MS + earlier_ms


async def test_only_the_first_answer_tells_the_start_and_each_tells_the_skew() -> None:
    now = Now()
    tools = now.tools()
    clock = PollClock(tools)
    await asked(now, clock, 1.0, OUR_MS - 9_000)
    first = clock.start
    await asked(now, clock, 1.0, OUR_MS + 2_000)
    assert clock.start == first
    assert first.vendor_ms == OUR_MS - 10_000
    assert abs(tools.stats.skew_ms) <= 1_000


async def test_without_a_date_our_own_clock_counts() -> None:
    now = Now()
    clock = PollClock(now.tools())
    await asked(now, clock, 5.0, None)
    assert clock.start.earlier_ms == OUR_MS


@pytest.mark.parametrize("date_ms", [0, 253_402_300_799_000])
async def test_a_date_years_off_is_no_clock(date_ms: int) -> None:
    """To begin again in 1970 would publish every order that DCL ever had."""
    now = Now()
    tools = now.tools()
    clock = PollClock(tools)
    await asked(now, clock, 0.0, date_ms)
    assert clock.start.earlier_ms == OUR_MS
    assert tools.stats.skew_ms is None
    assert tools.stats.notes == {"unlikely_date": 1}
