"""`relay poll` of a poller of sets: the events that its lists would make now, without what is published already."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.model_set import START_MS, ModelRow, ModelVendor
from workers.app.config.configuration import UnreadSet
from workers.app.inspect.set_preview import steps_from
from workers.app.poll.context import SetPolling
from workers.app.poll.vendor_reads import PollFailed
from workers.core.delivery.outcome import Unavailable
from workers.core.poll.cursor import Cursor
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.core.poll.time_range import TimeRange
from workers.core.poll.vendor_set import DAY_MS, Ask, SetKind, SetReading, Updated, VendorSet

PAST = TimeRange(START_MS - 10 * DAY_MS, START_MS)


class Shop:
    """A vendor with one set; its flows are asks, which its client answers."""

    def __init__(self, *, shows_created: bool, forbids: bool = False) -> None:
        self.forbids = forbids
        self.asked: list[Ask] = []
        self.unread: list[str] = []
        self.vendor = ModelVendor(shows_created)
        self.vendor.rows_of = {str(day): ModelRow(START_MS - day * DAY_MS) for day in range(8)}

    def read(self, name: str, ask: Ask) -> Ask:
        del name
        return ask

    async def run(self, ask: Ask) -> Any:
        self.asked.append(ask)
        if self.forbids:
            return SetReading((), forbidden="the token may not list them")
        return await self.vendor.rows(ask, None) or Unavailable("HTTP 500")

    async def preview(self, kind: SetKind, state: ShardState, asked: TimeRange = PAST) -> list[tuple[str, str]]:
        """(op, key) of each event."""
        poller: Any = self
        made = VendorSet("invoices", kind, 60, "InvoiceChanged", ("status",), rows_at_once=3, days_beyond=5)
        polling = SetPolling(poller, (made,))
        context: Any = SimpleNamespace(client=self, wall_ms=lambda: START_MS + 1000)
        found = [one async for one in steps_from(state, context, polling, asked)]
        self.unread = [str(one) for one in found if isinstance(one, UnreadSet)]
        steps = [one for one in found if isinstance(one, Step)]
        changes: list[Any] = [change for step in steps for row in step.rows for change in row.changes]
        return sorted((one.op, one.item.content["invoice_number"]) for one in changes)


@pytest.mark.parametrize("kind", ["created", "whole", "updated"])
async def test_before_the_first_start_all_is_a_snapshot_as_the_poller_would_say(kind: SetKind) -> None:
    """Also in later answers, and where the vendor shows no time of creation."""
    shop = Shop(shows_created=False)
    assert await shop.preview(kind, ShardState()) == [("snapshot", str(day)) for day in range(8)]


async def test_only_what_was_created_in_the_time_range_and_is_not_published_is_shown() -> None:
    shop, state = Shop(shows_created=True), ShardState()
    started_ms = START_MS - 4 * DAY_MS + 5000
    state.accept(Step(Cursor(started_ms, started_ms, looked_ms=0, swept_ms=0), set_name="invoices"))
    asked = TimeRange(START_MS - 5 * DAY_MS, START_MS - 3 * DAY_MS)
    assert await shop.preview("created", state, asked) == [("created", "3"), ("snapshot", "4"), ("snapshot", "5")]
    shop.vendor.rows_of["4"].status = "Hold"
    assert await shop.preview("created", state, asked) == [("updated", "4")]


async def test_of_updated_rows_the_days_of_a_first_pass_are_read_with_those_far_ahead_and_long_ago() -> None:
    """An order for a day far ahead is published by the first pass, so the preview shows it too."""
    shop = Shop(shows_created=False)
    await shop.preview("updated", ShardState())
    today_ms = (START_MS + 1000) // DAY_MS * DAY_MS
    days = [((one.days.start_ms - today_ms) // DAY_MS, one.since_ms) for one in shop.asked if isinstance(one, Updated)]
    assert days == [(0, PAST.start_ms), (1, PAST.start_ms), (-5, PAST.start_ms)]


async def test_a_set_that_the_vendor_does_not_let_the_account_list_is_named() -> None:
    shop = Shop(shows_created=False, forbids=True)
    assert await shop.preview("updated", ShardState()) == []
    assert shop.unread == ["the set 'invoices' is not read: the token may not list them"]


async def test_a_vendor_that_does_not_answer_ends_the_preview_with_the_sets_name() -> None:
    shop = Shop(shows_created=True)
    shop.vendor.faults = {2}
    with pytest.raises(PollFailed, match="invoices: HTTP 500"):
        await shop.preview("created", ShardState())
