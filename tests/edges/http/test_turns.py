"""One request at a time for a key, whichever client of the process sends it."""

import asyncio

import pytest

from workers.edges.http.turns import Turns, turns_of
from workers.vendors.contract import TooSlow


async def test_a_request_waits_for_the_one_before_in_their_sequence() -> None:
    turns, at_once, sent = Turns(), 0, list[int]()

    async def send(number: int) -> None:
        nonlocal at_once
        async with turns.turn():
            at_once += 1
            assert at_once == 1
            await asyncio.sleep(0)
            sent.append(number)
            at_once -= 1

    await asyncio.gather(*(send(number) for number in range(5)))
    assert sent == [0, 1, 2, 3, 4]


async def test_after_a_time_out_the_next_request_waits_as_long_again() -> None:
    """The vendor still works on what was given up."""
    turns, loop = Turns(), asyncio.get_running_loop()

    async def too_slow() -> None:
        async with turns.turn():
            await asyncio.sleep(0.05)
            raise TooSlow

    began = loop.time()
    with pytest.raises(TooSlow):
        await too_slow()
    async with turns.turn():
        assert loop.time() - began >= 0.09


async def test_workers_and_commands_of_one_process_share_the_turns_of_a_key() -> None:
    assert turns_of("e2cc E2CC") is turns_of("e2cc E2CC")
    assert turns_of("e2cc E2CC") is not turns_of("e2cc E2CC_WEST")


async def test_a_request_that_fails_gives_the_turn_on() -> None:
    turns = Turns()

    async def fails() -> None:
        async with turns.turn():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    async with asyncio.timeout(5), turns.turn():
        pass
