"""A look at an order whose content a former release compared otherwise."""

from dataclasses import replace

from workers.core.poll.change import Stage, VendorOrder, digest
from workers.core.poll.compacted_rows import Row
from workers.core.poll.last_published import LastPublished
from workers.core.poll.order_look import Before, judge
from workers.core.poll.schedule import LookSchedule
from workers.core.poll.step import AnsweredLook
from workers.core.poll.vendor_event import Look

NOW = 1_790_000_000_000
STAGE = Stage("A", None, "", "processing")
SCHEDULE = LookSchedule(10, (), 1_000, 5_000)


def test_it_makes_no_event_and_the_row_takes_todays_digest() -> None:
    """Otherwise an upgrade would publish every known order again, or never compare what is new."""
    row = LastPublished(3, NOW - 9, STAGE, digest(["A"]), b"1234")
    shown = VendorOrder("OR-1", STAGE, digest(["A", "2"]), {"OrderStatus": "A"}, former_digests=(digest(["A"]),))
    look = AnsweredLook(Row("OR-1", 1, NOW - 9, b""), NOW, Look(shown), None)
    update = judge(Before(row, None, ("OrderStatus",)), look, SCHEDULE, NOW)
    assert (update.changes, update.last_published) == ((), replace(row, digest=shown.digest))
    assert judge(Before(update.last_published, None, ("OrderStatus",)), look, SCHEDULE, NOW).is_empty
