"""Waits until a condition holds, and fails with the reason when it does not come."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE_S = 40.0
"""A condition that does not hold after so long counts as one that never will."""


def wait_for(what: Callable[[], T | None], why: str, within_s: float = PATIENCE_S) -> T:
    """Return the first truthy value of ``what``, in a test that may block; fails with ``why``."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        value = what()
        if value:
            return value
        time.sleep(0.03)
    raise AssertionError(f"not within {within_s:g} s: {why}")


async def until(what: Callable[[], Any], why: str = "the awaited state", within_s: float = 60.0) -> None:
    """Return when ``what`` holds, in an async test; the loop goes on meanwhile. Fails with ``why``."""
    try:
        async with asyncio.timeout(within_s):
            while not what():  # noqa: ASYNC110 - the condition is a state, and several parts lead to it
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(f"not within {within_s:g} s: {why}") from None
