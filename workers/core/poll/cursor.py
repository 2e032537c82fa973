"""A poller's cursor (high-water mark): a row of its state topic, which moves only together with its events."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Final

from workers.core.poll.time_range import TimeRange, whole_seconds

KEY: Final = "cursor"
_AHEAD_MS: Final = 2_000  # a window ends this far in the vendor's future, so that rounding misses no change


@dataclass(frozen=True, slots=True)
class Cursor:
    """Milliseconds since 1970. Its field names are those of the row."""

    at_ms: int  # by the vendor's clock: every change before it is published
    snapshot_until_ms: int  # by the vendor's clock: an unpublished order with an older stamp is a snapshot
    looked_ms: int  # when the last long look back began, by our clock
    swept_ms: int  # when the last sweep of open orders ended, by our clock
    beat_ms: int = 0  # when this row was written, by our clock: the heartbeat
    open_from_ms: int | None = None  # from where on the first picture of open orders is still to be read; None: it is

    def pack(self) -> bytes:
        """The bytes of its row; what is None is left out, so that a former release reads the row."""
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None}).encode()


@dataclass(frozen=True, slots=True)
class PollStart:
    """When a poll began, on both clocks.

    ``vendor_ms`` is the earliest time that the vendor's clock can have shown then: the answer's ``Date`` minus the
    duration of the request. With a later time the cursor might pass changes that the answer does not hold.
    """

    our_ms: int
    vendor_ms: int

    @property
    def earlier_ms(self) -> int:
        """The safe time to subtract the settle lag from."""
        return min(self.our_ms, self.vendor_ms)


def unpack_cursor(body: bytes) -> Cursor:
    """Read a packed cursor; raises `ValueError` for any other bytes."""
    try:
        return Cursor(**{name: int(value) for name, value in json.loads(body).items()})
    except (TypeError, AttributeError) as error:
        raise ValueError("not a cursor, or one of a later release") from error


def first_cursor(now_ms: int, lookback_ms: int, *, open_orders: bool = False) -> Cursor:
    """At the very first start, look back this far; orders found there are snapshots.

    ``open_orders``: whether older ones that are still open are read, too.
    """
    open_from_ms = 0 if open_orders else None
    return Cursor(now_ms - lookback_ms, now_ms, looked_ms=now_ms, swept_ms=now_ms, open_from_ms=open_from_ms)


def reset(cursor: Cursor, to_ms: int) -> Cursor:
    """Begin again at ``to_ms``: published states are not published again, and other orders are snapshots."""
    return replace(cursor, at_ms=to_ms, snapshot_until_ms=max(cursor.snapshot_until_ms, cursor.at_ms))


def reset_set(cursor: Cursor, to_ms: int) -> Cursor:
    """As `reset`, of a set: its next reading is a full one, and a first picture begins there, too."""
    open_from_ms = None if cursor.open_from_ms is None else min(cursor.open_from_ms, to_ms)
    return replace(reset(cursor, to_ms), swept_ms=0, open_from_ms=open_from_ms)


def window(cursor: Cursor, now_ms: int, skew_ms: int, settle_ms: int) -> TimeRange:
    """The time since the cursor; ``skew_ms``: how far the vendor's clock is ahead of ours.

    It begins a settle lag ago at the latest, in case a clock was set back.
    """
    end_ms = now_ms + max(0, skew_ms) + _AHEAD_MS
    return whole_seconds(min(cursor.at_ms, now_ms + min(0, skew_ms) - settle_ms), end_ms)


def advanced(cursor: Cursor, done: TimeRange, start: PollStart, settle_ms: int, beat_ms: int) -> Cursor:
    """The cursor after ``done`` was read completely, in a poll that began at ``start``.

    It never passes the poll's start minus the settle lag: a change made while pages were read, or not visible yet,
    has a later stamp, and the next poll finds it.
    """
    return replace(cursor, at_ms=min(done.end_ms, start.earlier_ms - settle_ms), beat_ms=beat_ms)
