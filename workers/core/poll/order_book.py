"""A shard's orders that are looked at one after the other: which is next, what its look means, and when it is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from workers.core.poll.change import shadow_key
from workers.core.poll.compacted_rows import CompactedRows, Row
from workers.core.poll.cursor import Cursor
from workers.core.poll.due_queue import DueQueue, OldestLook
from workers.core.poll.order_look import GONE, Before, Looked, Verdict, judge
from workers.core.poll.schedule import LookSchedule
from workers.core.poll.shard_state import ShardState, Step
from workers.core.poll.vendor_event import unpack_known

AT_ONCE: Final = 200  # rows put back, and as many forgotten, in one transaction


@dataclass(slots=True, eq=False)
class OrderBook:
    """Decides, and is told what has been written; it writes nothing itself.

    ``rows`` are the tracked orders as their topic has them, ``state`` what the poller remembers. Invariant: a look
    changes neither before its step is written. Broken, a step that failed would be taken for published.
    ``now_ms`` is the time of day; ``tick_ms`` is a clock that is never set back: a look that is due stays due.
    """

    state: ShardState
    rows: CompactedRows[bytes]
    pace: LookSchedule
    forget_ms: int
    fields: Sequence[str]  # names of the vendor's top-level fields
    agenda: DueQueue = field(default_factory=DueQueue)
    oldest: OldestLook = field(default_factory=OldestLook)
    _looking: set[str] = field(default_factory=set)  # orders whose look is under way: none is looked at twice at once
    _missing: dict[str, int] = field(default_factory=dict)  # since when an order that was seen is not found
    _done: deque[tuple[int, str]] = field(default_factory=deque)  # since when, which; the oldest first

    def begin(self, now_ms: int, tick_ms: int) -> None:
        """All orders are due, the fresh ones first: nobody knows how long nobody has looked, but the cursor.

        At the very first start not even that: its 0 says that nothing is complete yet.
        """
        cursor_ms = 0 if self.state.cursor is None else self.state.cursor.at_ms
        self.oldest.begin(dict.fromkeys(self.rows.rows, cursor_ms))
        for number, row in self.rows.rows.items():
            self.agenda.plan(number, tick_ms, self._interval_ms(number, row, now_ms))
        known = ((unpack_known(body).done_ms, number) for number, body in self.state.known.items())
        self._done = deque(sorted(one for one in known if one[0] and one[1] not in self.rows.rows))

    def noticed(self, number: str, tick_ms: int) -> None:
        """The order's row is new, or gone."""
        row = self.rows.rows.get(number)
        if row is None:
            self._drop(number)
            known = self.state.known_of(number)
            if known is not None and known.done_ms:  # by a former owner, whose tombstone has only now been read
                self._done.append((known.done_ms, number))
            return
        if number not in self._looking:
            self.agenda.plan(number, tick_ms, self.pace.every_ms)
        if number not in self.oldest:
            self.oldest.looked(number, row.saved_ms)  # before that there was nothing to look at

    def take(self, tick_ms: int) -> Row[bytes] | None:
        """The order to be looked at now; `failed` or `looked` gives it back."""
        number = self.agenda.take(tick_ms)
        if number is None:
            return None
        self._looking.add(number)
        return self.rows.rows[number]

    def failed(self, number: str, tick_ms: int, delay_ms: int) -> None:
        """The look gave nothing; again after the delay."""
        self._looking.discard(number)
        if number in self.rows.rows:
            self.agenda.plan(number, tick_ms + delay_ms, self.pace.every_ms)

    def step(self, looks: Sequence[Looked], cursor: Cursor, now_ms: int) -> Step:
        """What these looks mean, and what else is to be written: rows to be put back, orders to be forgotten."""
        verdicts = {one.number: (one, self._judge(one, now_ms)) for one in looks if one.number in self.rows.rows}
        known = {number: verdict.known.pack() for number, (_, verdict) in verdicts.items() if verdict.known}
        old = self._to_forget(now_ms)
        settled = {number: one.row_offset for number, (one, verdict) in verdicts.items() if verdict.done}
        found = [verdict for _, verdict in verdicts.values()]
        shadows = {shadow_key("", n): v.shadow.pack() for n, (_, v) in verdicts.items() if v.shadow}
        return Step(
            cursor,
            changes=[one.change for one in found if one.change is not None],
            rows=shadows | {shadow_key("", number): None for number in old},
            happened=[happened for one in found for happened in one.happened],
            known=known | dict.fromkeys(old),
            traces={number: one.trace for number, (one, _) in verdicts.items() if one.trace},
            settled=settled,
            put_back=self._to_put_back(settled),
        )

    def written(self, step: Step, looks: Iterable[Looked], now_ms: int, tick_ms: int) -> None:
        """The step has been written, or there was nothing to write; ``state`` knows it already."""
        for number, offset in step.settled.items():
            if self.rows.settled(number, offset):
                self._done.append((unpack_known(self.state.known[number]).done_ms, number))
                self._drop(number)
        for number, (offset, _) in step.put_back.items():
            self.rows.put_back(number, offset)
        for one in looks:
            self._looked(one, now_ms, tick_ms)

    def fresh_ms(self, read_until_ms: int, now_ms: int) -> int:
        """Everything that happened before it is published; never later than the rows have been read."""
        oldest = self.oldest.at_ms()
        fresh = min(read_until_ms, now_ms if oldest is None else oldest)
        return fresh if self.state.cursor is None else max(fresh, self.state.cursor.at_ms)

    def has_ended(self, number: str) -> bool:
        """Whether nothing is expected of the order any more, as far as that is written."""
        known, shadow = self.state.known_of(number), self.state.shadow(shadow_key("", number))
        return (known is not None and known.ended) or (shadow is not None and not shadow.is_open)

    @property
    def has_more(self) -> bool:
        """Whether something waits to be written beside looks."""
        return bool(self.rows.covered)

    def _judge(self, one: Looked, now_ms: int) -> Verdict:
        cursor, first = self.state.cursor, self._missing.get(one.number)
        before = Before(
            self.state.shadow(shadow_key("", one.number)),
            self.state.known_of(one.number),
            self.fields,
            gone=first is not None and one.began_ms - first >= self.pace.every_ms,
            snapshot_until_ms=0 if cursor is None else cursor.snapshot_until_ms,
        )
        verdict = judge(before, one, self.pace, now_ms)
        if verdict.done and self.rows.rows[one.number].offset != one.row_offset:
            return Verdict()  # saved anew since the look began: it is to be looked at again
        return verdict

    def _looked(self, one: Looked, now_ms: int, tick_ms: int) -> None:
        self._looking.discard(one.number)
        row = self.rows.rows.get(one.number)
        if row is None:
            return
        self.oldest.looked(one.number, one.began_ms)
        if self._is_missing(one):
            self._missing.setdefault(one.number, one.began_ms)
            interval = self.pace.every_ms
        else:
            self._missing.pop(one.number, None)
            interval = self._interval_ms(one.number, row, now_ms)
        saved_anew = row.offset != one.row_offset
        self.agenda.plan(one.number, tick_ms + (0 if saved_anew else interval), interval)

    def _is_missing(self, one: Looked) -> bool:
        shadow = self.state.shadow(shadow_key("", one.number)) if one.look.seen is None else None
        return shadow is not None and shadow.digest != GONE

    def _interval_ms(self, number: str, row: Row[bytes], now_ms: int) -> int:
        known, shadow = self.state.known_of(number), self.state.shadow(shadow_key("", number))
        news_ms = row.saved_ms if known is None else max(row.saved_ms, known.news_ms)
        return self.pace.interval_ms(now_ms - news_ms, "" if shadow is None else shadow.stage.name)

    def _to_put_back(self, settled: Iterable[str]) -> dict[str, tuple[int, bytes]]:
        again = islice((key for key in self.rows.covered if key not in set(settled)), AT_ONCE)
        return {key: (self.rows.rows[key].offset, self.rows.rows[key].content) for key in again}

    def _to_forget(self, now_ms: int) -> list[str]:
        """Orders that have been done for long. Not looked at, and saved anew by nobody: their numbers may be reused."""
        old: list[str] = []
        while self._done and len(old) < AT_ONCE and now_ms - self._done[0][0] >= self.forget_ms:
            done_ms, number = self._done.popleft()
            known = self.state.known_of(number)
            if known is not None and known.done_ms == done_ms and number not in self.rows.rows:
                old.append(number)
        return old

    def _drop(self, number: str) -> None:
        self.agenda.drop(number)
        self.oldest.drop(number)
        self._missing.pop(number, None)
