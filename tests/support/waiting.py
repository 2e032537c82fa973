"""Waits until a condition holds, and fails with the reason when it does not come."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE_S = 40.0
"""A condition that does not hold after so long counts as one that never will."""

SOONEST_S, LATEST_S, LATER = 0.03, 0.25, 0.05
"""The next look comes after a twentieth of the wait so far: a look at a worker costs processor time, on both sides."""


def wait_for(what: Callable[[], T | None], why: str, within_s: float = PATIENCE_S) -> T:
    """Return the first truthy value of ``what``, in a test that may block; fails with ``why``."""
    begun = time.monotonic()
    while (waited := time.monotonic() - begun) < within_s:
        value = what()
        if value:
            return value
        time.sleep(min(max(SOONEST_S, waited * LATER), LATEST_S))
    raise AssertionError(f"not within {within_s:g} s: {why}")


async def until(what: Callable[[], Any], why: str = "the awaited state", within_s: float = 60.0) -> None:
    """Return when ``what`` holds, in an async test; the loop goes on meanwhile. Fails with ``why``."""
    try:
        async with asyncio.timeout(within_s):
            pause_s = 0.001
            while not what():
                await asyncio.sleep(pause_s)  # a state is awaited, to which several parts lead: there is no event
                pause_s = min(pause_s * 1.1, 0.02)
    except TimeoutError:
        raise AssertionError(f"not within {within_s:g} s: {why}") from None
