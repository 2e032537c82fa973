"""Each piece of work ends at its own limit, and the one timer for all is no sign of it."""

import asyncio

import pytest

from workers.edges.http.time_limit import TimeLimit

NEVER_S = 3600.0


async def test_what_is_done_in_time_returns_its_value() -> None:
    assert await TimeLimit(NEVER_S).hold(asyncio.sleep(0, "done")) == "done"


async def test_an_error_of_the_work_passes() -> None:
    async def fail() -> None:
        raise ValueError("of the work")

    with pytest.raises(ValueError, match="of the work"):
        await TimeLimit(NEVER_S).hold(fail())


async def test_what_takes_too_long_is_cancelled_and_its_task_goes_on() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        await TimeLimit(0.01).hold(work())
    assert ended.is_set()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "the task counts as cancelled"


async def test_each_has_a_limit_of_its_own_from_its_own_beginning() -> None:
    limit = TimeLimit(0.05)
    first = asyncio.create_task(limit.hold(asyncio.Event().wait()))
    await asyncio.sleep(0.03)
    too_long = asyncio.create_task(limit.hold(asyncio.Event().wait()))
    first_ended = asyncio.create_task(limit.hold(asyncio.wait([first])))
    await asyncio.wait([first, too_long, first_ended])
    assert isinstance(first.exception(), TimeoutError)
    assert isinstance(too_long.exception(), TimeoutError)
    assert first_ended.exception() is None, "it ended with the first one's limit"


async def test_a_task_may_work_again_after_its_limit() -> None:
    limit = TimeLimit(0.01)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await limit.hold(asyncio.Event().wait())
    assert await limit.hold(asyncio.sleep(0, "done")) == "done"


@pytest.mark.parametrize("limit_s", [0.0, NEVER_S])
async def test_a_cancellation_from_outside_passes_also_at_the_limit(limit_s: float) -> None:
    task = asyncio.create_task(TimeLimit(limit_s).hold(asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
