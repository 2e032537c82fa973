"""A check says what an operator should know of a vendor that answers."""

import time
from email.utils import formatdate

import httpx
import pytest

from workers.app.inspect.connectivity import VendorClock


@pytest.mark.parametrize(
    ("ahead_s", "remark"),
    [
        (0, None),
        (-50, None),
        (200, "its clock is 200 s ahead of this host's"),
        (-200, "its clock is 200 s behind this host's"),
    ],
)
async def test_a_vendors_clock_that_is_off_by_more_than_a_minute_is_named(ahead_s: int, remark: str | None) -> None:
    """A poller's windows are of the vendor's time: on a clock that is behind, changes come late."""

    async def send(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Date": formatdate(time.time() + ahead_s, usegmt=True)}, request=request)

    clock = VendorClock()
    await clock.attempt(httpx.Request("GET", "https://api.dclcorp.com/"), 0, send)
    found = clock.remark and clock.remark.partition(":")[0].replace("199", "200").replace("201", "200")
    assert found == remark


async def test_without_a_date_nothing_is_said_of_the_clock() -> None:
    async def send(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, request=request)

    clock = VendorClock()
    await clock.attempt(httpx.Request("GET", "https://api.dclcorp.com/"), 0, send)
    assert clock.remark is None
