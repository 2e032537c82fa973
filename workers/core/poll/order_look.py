"""What one look at an order means: a change of its stage, new events, that it is done, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from workers.core.poll.change import GONE, ChangeOp, Stage, StageChange, VendorOrder
from workers.core.poll.last_published import LastPublished, adopted, change_of, deletion_of
from workers.core.poll.schedule import LookSchedule
from workers.core.poll.step import AnsweredLook, Done, OrderUpdate
from workers.core.poll.vendor_event import ObservedEvent, PublishedEventIds, VendorEvent


@dataclass(frozen=True, slots=True)
class Before:
    """What the poller knew of the order before the look."""

    last_published: LastPublished | None
    event_ids: PublishedEventIds | None
    fields: Sequence[str]  # names of the vendor's top-level fields
    missing: bool = False  # an earlier look, long enough ago, did not find the order either
    snapshot_until_ms: int = 0  # an order tracked earlier is a snapshot


def judge(before: Before, answered: AnsweredLook, schedule: LookSchedule, now_ms: int) -> OrderUpdate:
    """Compare a look with what is known. Only a look that finds no change can end an order."""
    known = before.event_ids or PublishedEventIds(answered.row.saved_ms)
    found = _change(before, answered, now_ms)
    new = known.unpublished(answered.look.events)
    ended = known.ended or any(event.ends for event in answered.look.events)
    update = OrderUpdate(answered.order_number, look=answered)
    if found is not None or new:
        return replace(
            update,
            changes=() if found is None else (found[0],),
            events=[_observed(answered, event, now_ms) for event in new],
            last_published=None if found is None else found[1],
            event_ids=PublishedEventIds(now_ms, known.ids_with(new), ended),
        )
    if answered.look.order is not None:
        update = replace(update, last_published=adopted(before.last_published, answered.look.order))
    quiet_ms = now_ms - max(known.changed_ms, answered.row.saved_ms)
    at_end = ended or (before.last_published is not None and not before.last_published.is_open)
    if not schedule.is_over(quiet_ms, ended=at_end):
        return update
    done_ids = replace(known, done_ms=now_ms, ended=ended)
    return replace(update, event_ids=done_ids, done=Done.ENDED if at_end else Done.GIVEN_UP)


def _change(before: Before, answered: AnsweredLook, now_ms: int) -> tuple[StageChange, LastPublished] | None:
    order = answered.look.order
    if order is None:
        if before.last_published is None or not before.missing:
            return None
        gone = _gone(before.last_published, answered)
        return deletion_of(before.last_published, gone, fields=before.fields, now_ms=now_ms)
    if not order.stage.name:
        return None  # the answer names no stage: the last published one stays valid
    order = replace(order, order_id=answered.order_id)
    first_op = _first_op(before, answered)
    return change_of(before.last_published, order, fields=before.fields, first_op=first_op, now_ms=now_ms)


def _first_op(before: Before, answered: AnsweredLook) -> ChangeOp:
    since_ms = answered.row.saved_ms if answered.tracked is None else answered.tracked.since_ms
    return "snapshot" if since_ms < before.snapshot_until_ms else "created"


def _gone(last_published: LastPublished, answered: AnsweredLook) -> VendorOrder:
    """A deleted order keeps its last stage; its progress is ``cancelled``."""
    stage = Stage(last_published.stage.name, None, last_published.stage.description, "cancelled")
    return VendorOrder(answered.order_number, stage, GONE, {}, order_id=answered.order_id)


def _observed(answered: AnsweredLook, event: VendorEvent, now_ms: int) -> ObservedEvent:
    status = None if answered.look.order is None else answered.look.order.stage.name
    return ObservedEvent(event, answered.order_number, answered.order_id, status or None, now_ms)
