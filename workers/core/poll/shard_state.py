"""All that a poller knows of its shard, and what one step adds to it: decided here, written in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from workers.core.poll.change import Change, ChangeOp, Seen
from workers.core.poll.cursor import Cursor
from workers.core.poll.last_published import LastPublished, change_of, unpack
from workers.core.poll.time_range import SECOND_MS
from workers.core.poll.vendor_event import ObservedEvent, PublishedEventIds, unpack_known


@dataclass(frozen=True, slots=True)
class Step:
    """What goes out together: events, the rows behind them, the cursor. All of it or nothing."""

    cursor: Cursor
    changes: Sequence[Change] = ()
    rows: Mapping[str, bytes | None] = field(default_factory=dict)  # by shadow key; None: forgotten
    # What follows is of pollers that look at one order after the other; all by order number.
    happened: Sequence[ObservedEvent] = ()
    known: Mapping[str, bytes | None] = field(default_factory=dict)  # None: forgotten
    traces: Mapping[str, str] = field(default_factory=dict)  # traceparent of what saved the order
    settled: Mapping[str, int] = field(default_factory=dict)  # tombstones: offset of the row that each settles
    put_back: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)  # rows again: (offset, content) of each

    @property
    def is_empty(self) -> bool:
        """Whether it is nothing but its cursor."""
        return not (self.changes or self.rows or self.happened or self.known or self.settled or self.put_back)


@dataclass(slots=True)
class ShardState:
    """One shard's shadows and cursor, as the state topic has them."""

    shadows: dict[str, bytes] = field(default_factory=dict)
    cursor: Cursor | None = None
    known: dict[str, bytes] = field(default_factory=dict)  # packed `PublishedEventIds`, by order number

    def step(self, orders: Iterable[Seen], cursor: Cursor, *, fields: Sequence[str], now_ms: int) -> Step:
        """What these looks mean; ``fields`` as for `change_of`.

        Nothing changes before `accept`: a step that is not written never was.
        """
        changes: list[Change] = []
        fresh: dict[str, LastPublished] = {}
        for seen in orders:
            before = fresh.get(seen.key) or self.shadow(seen.key)
            found = change_of(before, seen, fields=fields, new=_first_op(seen, cursor), now_ms=now_ms)
            if found is not None:
                changes.append(found[0])
                fresh[seen.key] = found[1]
        return Step(cursor, changes, {key: shadow.pack() for key, shadow in fresh.items()})

    def accept(self, step: Step) -> None:
        """The step has been written."""
        self.cursor = step.cursor
        for key, row in step.rows.items():
            self.put(key, row)
        for number, row in step.known.items():
            self.put_known(number, row)

    def put(self, key: str, row: bytes | None) -> None:
        """Take a packed shadow; None: it is forgotten."""
        if row is None:
            self.shadows.pop(key, None)
        else:
            self.shadows[key] = row

    def put_known(self, number: str, row: bytes | None) -> None:
        """Take a packed `PublishedEventIds`; None: it is forgotten."""
        if row is None:
            self.known.pop(number, None)
        else:
            self.known[number] = row

    def known_of(self, number: str) -> PublishedEventIds | None:
        """What is known of an order beside its shadow; None: nothing."""
        body = self.known.get(number)
        return None if body is None else unpack_known(body)

    def shadow(self, key: str) -> LastPublished | None:
        """The last published state of an order; None: none was."""
        body = self.shadows.get(key)
        return None if body is None else unpack(body)

    def keys(self, wanted: Callable[[LastPublished], bool]) -> Iterator[str]:
        """The orders whose shadow is wanted, as they are now."""
        return iter([key for key, body in self.shadows.items() if wanted(unpack(body))])

    def tidied(self, keys: Iterable[str], cursor: Cursor, *, now_ms: int, rest_ms: int, forget_ms: int) -> Step:
        """Shrink what rests, forget what has rested for long: memory does not grow with every order there ever was."""
        rows: dict[str, bytes | None] = {}
        for key in keys:
            shadow = self.shadow(key)
            if shadow is None:
                continue
            if shadow.may_rest(now_ms, forget_ms):
                rows[key] = None
            elif shadow.may_rest(now_ms, rest_ms) and not shadow.is_stub:
                rows[key] = shadow.stub().pack()
        return Step(cursor, (), rows)


def _first_op(seen: Seen, cursor: Cursor) -> ChangeOp:
    """An order that was there before this poller is a snapshot; one that has come since is created.

    Stamps are whole seconds, cut off: one of the very second may be later.
    """
    if seen.modified_ms is not None and seen.modified_ms + SECOND_MS <= cursor.snapshot_until_ms:
        return "snapshot"
    return "created"
