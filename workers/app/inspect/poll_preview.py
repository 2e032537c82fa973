"""What a stretch of the vendor's time would give, without publishing anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from workers.app.config.configuration import Configuration
from workers.app.config.specs import PollerSpec
from workers.app.inspect.poll_preview_orders import look_at_orders
from workers.app.poll.context import PollerContext
from workers.app.poll.rows import load_state, step_events
from workers.app.poll.vendor_reads import PollFailed, words
from workers.app.runtime.build import build_poll_tools
from workers.core.poll.cursor import Cursor
from workers.core.poll.shard_state import Step
from workers.core.poll.time_range import AdaptiveWidth, TimeRange
from workers.core.record import Partition
from workers.edges.avro.codec import Codec
from workers.edges.avro.event_json import to_json
from workers.vendors.contract import Reading


async def preview(
    configuration: Configuration, spec: PollerSpec, codec: Codec, span: TimeRange
) -> AsyncIterator[dict[str, Any]]:
    """Each change that the span holds beyond what the poller has published, as the event's JSON.

    Where orders are looked at one by one: what looks at those would give that were first tracked in the span.
    Raises `PollFailed` and `KafkaFailed`. The state is read and left alone; a running poller is not disturbed.
    """
    tools = build_poll_tools(spec, configuration, codec, _fail)
    try:
        for number in range(configuration.config.topics[spec.state].partitions):
            found = _changes(tools, number, span) if spec.follows is None else look_at_orders(tools, number, span)
            async for step in found:
                for topic, event in step_events(tools, step):
                    yield to_json(tools.codec.schemas[topic].today.tree, event)
    finally:
        await tools.client.close()


async def _changes(tools: PollerContext, number: int, left: TimeRange) -> AsyncIterator[Step]:
    state = await load_state(tools.codec, tools.connection, Partition(tools.spec.state, number))
    now = tools.wall_ms()
    cursor = state.cursor or Cursor(now, snapshot_until_ms=now, looked_ms=now, swept_ms=now)
    stride = AdaptiveWidth()
    while not left.is_empty:
        reading = await tools.client.run(tools.windows.window(number, stride.ask(left), now))
        if not isinstance(reading, Reading):
            raise PollFailed(words(reading))
        assert reading.span is not None, "a window's reading has its span"
        stride.read(reading.span)
        step = state.step(reading.orders, cursor, fields=tools.windows.fields, now_ms=now)
        state.accept(step)  # in memory alone: an order that two windows show is one change
        yield step
        left = left.rest(reading.span)


def _fail(error: Exception) -> None:
    raise error
