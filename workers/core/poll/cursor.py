"""Where a poller continues: kept in its state topic, moved only together with its events."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Final

from workers.core.poll.time_range import TimeRange, span

KEY: Final = "cursor"
_AHEAD_MS: Final = 2_000  # a window ends so far behind the vendor's clock: no change is missed for a rounding


@dataclass(frozen=True, slots=True)
class Cursor:
    """Milliseconds since 1970, by the vendor's clock where it is the vendor's time."""

    at_ms: int  # every change made before it is published
    snapshot_until_ms: int  # orders first seen with an older stamp were there before us: a snapshot
    looked_ms: int  # when the last long look back began, by our clock
    swept_ms: int  # when the last sweep of open orders ended, by our clock
    beat_ms: int = 0  # when this was written, by our clock: the heartbeat

    def pack(self) -> bytes:
        """The bytes of its row."""
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class PollStart:
    """The moment at which a poll began, on both clocks.

    ``vendor_ms`` is the earliest that the vendor's clock can have shown then: the answer's ``Date`` less the
    whole time that the request took. A later one could lie behind what the answer was read from.
    """

    our_ms: int
    vendor_ms: int

    @property
    def earlier_ms(self) -> int:
        """The safe one to count a settle lag from."""
        return min(self.our_ms, self.vendor_ms)


def unpack_cursor(body: bytes) -> Cursor:
    """Read a packed cursor; raises `ValueError` for bytes that are none."""
    try:
        return Cursor(**{name: int(value) for name, value in json.loads(body).items()})
    except (TypeError, AttributeError) as error:
        raise ValueError("no cursor, or that of a later release") from error


def first_cursor(now_ms: int, lookback_ms: int) -> Cursor:
    """Look back so far at the very first start; all that is found there is a snapshot."""
    return Cursor(now_ms - lookback_ms, snapshot_until_ms=now_ms, looked_ms=now_ms, swept_ms=now_ms)


def reset(cursor: Cursor, to_ms: int) -> Cursor:
    """Begin again at ``to_ms``: what the shadows know is not published again, what they do not know is a snapshot."""
    return replace(cursor, at_ms=to_ms, snapshot_until_ms=max(cursor.snapshot_until_ms, cursor.at_ms))


def window(cursor: Cursor, now_ms: int, skew_ms: int, settle_ms: int) -> TimeRange:
    """All that may have changed since the cursor; ``skew_ms``: how far the vendor's clock is ahead of ours.

    It begins no later than a settle lag ago, should a clock have been put back since.
    """
    end_ms = now_ms + max(0, skew_ms) + _AHEAD_MS
    return span(min(cursor.at_ms, now_ms + min(0, skew_ms) - settle_ms), end_ms)


def moved(cursor: Cursor, done: TimeRange, start: PollStart, settle_ms: int, beat_ms: int) -> Cursor:
    """The cursor after ``done`` was read completely, in a poll that began at ``start``.

    Never beyond the poll's start less the settle lag, whatever was found: a change made while pages were
    read, or not visible yet, has a later stamp than that, and is found by the next poll.
    """
    return replace(cursor, at_ms=min(done.end_ms, start.earlier_ms - settle_ms), beat_ms=beat_ms)
