"""A vendor that works again is found soon, however long it was down and whatever the retries' own pace is."""

import asyncio
from contextlib import closing
from typing import Any

import pytest

from tests.app.poll.test_status import context
from tests.support.virtual_time import VirtualTimeLoop
from workers.app.poll.vendor_reads import PollClock, VendorReads
from workers.core.delivery.outcome import Throttled, Unavailable
from workers.core.poll.time_range import TimeRange
from workers.vendors.contract import PollFault, Reading

GOOD = Reading((), TimeRange(0, 0))


class Vendor:
    """Answers every request so until a time, and well after it."""

    session = None

    def __init__(self, loop: asyncio.AbstractEventLoop, fault: PollFault, until: float) -> None:
        self._loop, self._fault, self._until = loop, fault, until
        self.asked: list[float] = []

    async def run(self, _flow: Any, _attempts: Any) -> Reading | PollFault:
        self.asked.append(self._loop.time())
        return self._fault if self._loop.time() < self._until else GOOD


def asked_until_answered(fault: PollFault, down_s: float) -> list[float]:
    """When the vendor was asked, in seconds since it went down."""
    with closing(VirtualTimeLoop()) as loop:
        made = context(retry={"first": "1s", "max": "10m"})
        began = loop.time()
        vendor = Vendor(loop, fault, began + down_s)
        made.monotonic, made.client, made.in_flight = loop.time, vendor, 0  # type: ignore[assignment]
        loop.run_until_complete(VendorReads(made).read(lambda: None, PollClock(made)))  # type: ignore[arg-type,return-value]
        assert made.stats.last_error is None, "it works again"
    return [at - began for at in vendor.asked]


@pytest.mark.parametrize("down_s", [5.0, 75.0, 3600.0])
def test_a_vendor_that_works_again_is_found_within_ten_seconds(down_s: float) -> None:
    asked = asked_until_answered(Unavailable("HTTP 500"), down_s)
    assert down_s <= asked[-1] <= down_s + 10
    assert len(asked) <= 12 + down_s / 5, "nor is it asked all the time"


def test_a_vendor_that_asks_for_a_pause_is_asked_when_the_pause_is_over() -> None:
    asked = asked_until_answered(Throttled(120.0), 60.0)
    assert len(asked) == 2
    assert 120 <= asked[-1] <= 130
