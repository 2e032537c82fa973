"""What a poller of sets would publish of a time range, as far as the vendor's lists show it."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from workers.app.config.configuration import UnreadSet
from workers.app.poll.context import PollerContext, SetPolling
from workers.app.poll.rows import load_state
from workers.app.poll.vendor_reads import PollFailed
from workers.core.poll.cursor import first_cursor
from workers.core.poll.sets.book import SetBook
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.core.poll.time_range import AdaptiveWidth, TimeRange
from workers.core.poll.vendor_set import Ask, Created, SetReading, Updated, VendorSet, Whole
from workers.core.record import Partition
from workers.vendors.contract import LoginFailed


async def set_steps(
    context: PollerContext, polling: SetPolling, shard: int, asked: TimeRange
) -> AsyncIterator[Step | UnreadSet]:
    """The steps of the shard, by its state in Kafka; raises `PollFailed`."""
    state = await load_state(context.codec, context.connection, Partition(context.spec.state, shard))
    async for step in steps_from(state, context, polling, asked):
        yield step


async def steps_from(
    state: ShardState, context: PollerContext, polling: SetPolling, asked: TimeRange
) -> AsyncIterator[Step | UnreadSet]:
    """One step for each answer; raises `PollFailed`. Details are not asked for: they cost a request for each row.

    ``state`` is changed.
    """
    now_ms = context.wall_ms()
    first = replace(first_cursor(now_ms, 0), open_from_ms=asked.start_ms)  # of a set that was never read
    for vendor_set in polling.sets:
        book = SetBook(vendor_set, state)
        cursor = state.sets[vendor_set.name].cursor or first
        async for reading in _readings(context, polling, vendor_set, asked):
            if reading.forbidden is not None:
                yield UnreadSet(vendor_set.name, reading.forbidden)
                break
            step = book.step(book.changed(reading), cursor, now_ms, done=reading.done, touches=Counter())
            state.accept(step)  # in memory only: a row that two answers show is one change
            yield step


async def _readings(
    context: PollerContext, polling: SetPolling, vendor_set: VendorSet, asked: TimeRange
) -> AsyncIterator[SetReading]:
    """Rows that were created or updated in the time range; all of a set without times."""
    if vendor_set.kind == "whole":
        yield await _read(context, polling, vendor_set, Whole())
        return
    for whole in _ranges(context, vendor_set, asked):
        rest, width = whole, AdaptiveWidth()
        while not rest.is_empty:
            part = width.next_range(rest)
            ask = Created(part) if vendor_set.kind == "created" else Updated(asked.start_ms, part)
            reading = await _read(context, polling, vendor_set, ask)
            yield reading
            if reading.done is None:  # forbidden
                return
            width.one_page_held(reading.done)
            rest = rest.after(reading.done)


def _ranges(context: PollerContext, vendor_set: VendorSet, asked: TimeRange) -> Sequence[TimeRange]:
    """What to ask for; of kind ``updated`` the days of a poller's first pass, in its sequence."""
    if vendor_set.kind == "created":
        return (asked,)
    now_ms = context.wall_ms()
    beyond = vendor_set.beyond(now_ms)
    return vendor_set.days(now_ms), beyond.later, beyond.earlier


async def _read(context: PollerContext, polling: SetPolling, vendor_set: VendorSet, ask: Ask) -> SetReading:
    try:
        found = await context.client.run(polling.poller.read(vendor_set.name, ask))
    except LoginFailed as failed:
        raise PollFailed(f"{vendor_set.name}: {failed.outcome.reason}") from failed
    if not isinstance(found, SetReading):
        raise PollFailed(f"{vendor_set.name}: {found.reason}")
    return found
