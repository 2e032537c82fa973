"""What one look at one order means: its stage has changed, something has happened, it is done, or nothing of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from workers.core.delivery.tracked_order import Tracked
from workers.core.poll.change import Change, ChangeOp, Seen, Stage, digest
from workers.core.poll.last_published import LastPublished, change_of
from workers.core.poll.schedule import LookSchedule
from workers.core.poll.vendor_event import Look, ObservedEvent, PublishedEventIds, VendorEvent

GONE: Final = digest(["the vendor has it no more"])


@dataclass(frozen=True, slots=True)
class Looked:
    """A look that was answered."""

    number: str
    row_offset: int  # of the order's row when the look began
    saved_ms: int  # when that row was written
    began_ms: int
    look: Look
    tracked: Tracked | None  # what the row says; None: it cannot be read

    @property
    def order_id(self) -> str | None:
        return None if self.tracked is None else self.tracked.order_id

    @property
    def trace(self) -> str:
        """Of what saved the order; empty: a trace of its own."""
        return (self.tracked and self.tracked.traceparent) or ""


@dataclass(frozen=True, slots=True)
class Before:
    """What was known when the look was made."""

    shadow: LastPublished | None
    known: PublishedEventIds | None
    fields: Sequence[str]  # names of the vendor's top-level fields
    gone: bool = False  # an earlier look, long enough ago, did not find it either
    snapshot_until_ms: int = 0  # an order tracked before it was there before this poller


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be published, and what is to be remembered; None: as it was."""

    change: Change | None = None
    happened: Sequence[ObservedEvent] = ()
    shadow: LastPublished | None = None
    known: PublishedEventIds | None = None
    done: bool = False


def judge(before: Before, looked: Looked, pace: LookSchedule, now_ms: int) -> Verdict:
    """Compare a look with what is known. An order is done by a look that shows nothing new, and by no other."""
    known = before.known or PublishedEventIds(looked.saved_ms)
    found = _change(before, looked, now_ms)
    new = known.new_of(looked.look.happenings)
    ended = known.ended or any(one.ends for one in looked.look.happenings)
    if found is not None or new:
        change, shadow = found or (None, None)
        happened = [_happened(looked, one, now_ms) for one in new]
        return Verdict(change, happened, shadow, PublishedEventIds(now_ms, known.and_these(new), ended))
    quiet_ms = now_ms - max(known.news_ms, looked.saved_ms)
    at_end = ended or (before.shadow is not None and not before.shadow.is_open)
    if pace.is_over(quiet_ms, ended=at_end):
        return Verdict(known=replace(known, done_ms=now_ms, ended=ended), done=True)
    return Verdict()


def _change(before: Before, looked: Looked, now_ms: int) -> tuple[Change, LastPublished] | None:
    seen = looked.look.seen
    if seen is None:
        if before.shadow is None or not before.gone:
            return None
        gone = _gone(before.shadow, looked)
        found = change_of(before.shadow, gone, fields=before.fields, new="deleted", now_ms=now_ms)
        return None if found is None else (replace(found[0], op="deleted"), found[1])
    if not seen.stage.name:
        return None  # it does not say where the order stands: what was said last holds
    here = replace(seen, order_id=looked.order_id)
    return change_of(before.shadow, here, fields=before.fields, new=_first_op(before, looked), now_ms=now_ms)


def _first_op(before: Before, looked: Looked) -> ChangeOp:
    since_ms = looked.saved_ms if looked.tracked is None else looked.tracked.since_ms
    return "snapshot" if since_ms < before.snapshot_until_ms else "created"


def _gone(shadow: LastPublished, looked: Looked) -> Seen:
    """It keeps the last status that it was seen in; that it is there no more is its progress."""
    stage = Stage(shadow.stage.name, None, shadow.stage.description, "cancelled")
    return Seen(looked.number, stage, GONE, {}, order_id=looked.order_id)


def _happened(looked: Looked, happening: VendorEvent, now_ms: int) -> ObservedEvent:
    status = None if looked.look.seen is None else looked.look.seen.stage.name
    return ObservedEvent(happening, looked.number, looked.order_id, status or None, now_ms)
